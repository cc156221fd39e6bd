package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"lifeboat"
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
			stage, err := app.Canaries(c.Context(), p, dataDir)
			if err != nil {
				return err
			}
			if stage == nil {
				fmt.Fprintln(c.OutOrStdout(), "no account of the plan has a canary")
				return nil
			}
			for _, f := range stage.Find(lifeboat.WallClock{}.Now()) {
				fmt.Fprintf(c.OutOrStdout(), "%s  %s: %s\n", f.Venue, f.InAWord(), f.Text)
			}
			return nil
		},
	}
	c.Flags().StringVar(&planDir, "plan", ".", "`DIR` of the plan")
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR` of the daemon")
	return c
}
