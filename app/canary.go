package app

import (
	"context"

	"lifeboat"
	"lifeboat/act/canary"
	"lifeboat/plan"
)

// Canaries folds a journal into the canaries of a plan, for whoever only asks what their trials say; nil when the plan has none.
func Canaries(ctx context.Context, p *plan.Plan, dataDir string) (*canary.Stage, error) {
	stage, err := canary.NewStage(p, nil, func() bool { return false })
	if err != nil || stage == nil {
		return nil, err
	}
	reader, err := ReadJournal(ctx, dataDir)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	for entry, err := range reader.Entries(ctx, 1) {
		if err != nil {
			return nil, err
		}
		if entry.Word == (lifeboat.Instant{}).Word() {
			continue
		}
		event, err := entry.Event()
		if err != nil {
			return nil, err
		}
		stage.Apply(entry.At, event)
	}
	return stage, nil
}
