package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/act/canary"
	"lifeboat/app"
)

func canaryCommand() *cobra.Command {
	var planDir, dataDir string
	c := &cobra.Command{
		Use: "canary", Short: "Say how long money takes to leave each account with a canary", Args: arguments(0, 0),
		Long: `canary reads the journal and says of every account with canary: in the plan how
long its trial withdrawals take, and what is wrong: one that is slow, late or
refused, or none tried for long. It asks no venue and tries nothing.

  lifeboat canary --plan myplan --data lifeboat-data`,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := app.LoadPlan(planDir)
			if err != nil {
				return err
			}
			stage, err := canary.NewStage(p, nil, func() bool { return false })
			if err != nil {
				return err
			}
			if stage == nil {
				fmt.Fprintln(c.OutOrStdout(), "no account of the plan has a canary")
				return nil
			}
			reader, err := app.ReadJournal(c.Context(), dataDir)
			if err != nil {
				return err
			}
			defer reader.Close()
			for entry, err := range reader.Entries(c.Context(), 1) {
				if err != nil {
					return err
				}
				if entry.Word == (lifeboat.Instant{}).Word() {
					continue
				}
				event, err := entry.Event()
				if err != nil {
					return err
				}
				stage.Apply(entry.At, event)
			}
			tellCanaries(c.OutOrStdout(), stage, lifeboat.WallClock{}.Now())
			return nil
		},
	}
	c.Flags().StringVar(&planDir, "plan", ".", "`DIR` of the plan")
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR` of the daemon")
	return c
}

func tellCanaries(w io.Writer, stage *canary.Stage, at time.Time) {
	for _, f := range stage.Find(at) {
		state := string(f.Alarm)
		switch {
		case f.Alarm != canary.Calm:
		case f.Running > 0:
			state = "under way"
		case f.Ended == 0:
			state = "not tried yet"
		default:
			state = "as usual"
		}
		fmt.Fprintf(w, "%s  %s: %s\n", f.Venue, state, f.Text)
	}
}
