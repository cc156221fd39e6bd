package play

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/keep/sqlite"
	"lifeboat/plan"
)

// starter is a stage that starts what it is given.
type starter struct{ due []lifeboat.Event }

func (s *starter) Apply(time.Time, lifeboat.Event) {}
func (s *starter) Due() time.Time                  { return time.Time{} }
func (s *starter) Next(time.Time) []lifeboat.Event {
	due := s.due
	s.due = nil
	return due
}

// newMill is a flow with a durable journal and a player, into which runs of five steps are thrown.
func newMill(b *testing.B) (*lifeboat.Flow, *starter) {
	store, err := sqlite.Open(b.TempDir(), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	book, runs := lifeboat.NewBook("USD"), &starter{}
	player := New(&world{truth: map[string]bool{"x": true}}, book, &plan.Plan{}, nil)
	return &lifeboat.Flow{Journal: store, Book: book, Stages: []lifeboat.Stage{runs, player},
		Allow: func(lifeboat.Intent) error { return nil }}, runs
}

func five(name string) lifeboat.RunStarted {
	var steps []plan.Step
	for range 5 {
		steps = append(steps, plan.Step{Name: "look", Verify: &plan.Verify{That: "x"}})
	}
	content, hash := (&plan.Plan{}).PlaybookContent(plan.Playbook{Name: "five", Steps: steps})
	return lifeboat.RunStarted{Run: name, Playbook: "five", Hash: hash, Content: content, By: "plan"}
}

// BenchmarkRuns carries 400 runs of five steps each to their ends at once: what a bad hour of a whole office needs.
func BenchmarkRuns(b *testing.B) {
	const together = 400
	flow, runs := newMill(b)
	at, n := monday, 0
	for b.Loop() {
		for range together {
			n++
			runs.due = append(runs.due, five(fmt.Sprint("R", n)))
		}
		at = at.Add(time.Second)
		if err := flow.Advance(context.Background(), at); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "runs/s")
}

// BenchmarkStep carries one run of five steps out by itself: each step begins and ends durably before the next begins.
func BenchmarkStep(b *testing.B) {
	flow, runs := newMill(b)
	var took []time.Duration
	at := monday
	for b.Loop() {
		begin := time.Now()
		runs.due = append(runs.due, five(fmt.Sprint("R", len(took))))
		at = at.Add(time.Second)
		if err := flow.Advance(context.Background(), at); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/5, "p50-µs/step")
}
