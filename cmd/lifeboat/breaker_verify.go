package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/drill/conformance"
)

func breakerVerifyCommand() *cobra.Command {
	var planDir string
	c := &cobra.Command{
		Use: "verify", Short: "Try every promise of the breaker on your plan, in the shadow", Args: arguments(0, 0),
		Long: `verify joins the program that would run this plan, with simulated venues, people
and time, and tries what a breaker must keep: that a halt holds for its whole
time, survives kill -9 and a fail-over, is not tripped by one bad number, lets
reductions through, and some fifty more. Nothing is sent anywhere. What the plan
does not configure is named, not passed over.

It fails (exit code 3) when a promise is broken.`,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := app.LoadPlan(planDir)
			if err != nil {
				return err
			}
			result, err := conformance.Run(c.Context(), p, conformance.Options{})
			if err != nil {
				return err
			}
			if err := result.WriteText(c.OutOrStdout()); err != nil {
				return err
			}
			if broken := result.Count(conformance.Broken); broken > 0 {
				return &lifeboat.Problem{Reason: "breaker-unsound", What: fmt.Sprintf("%s of the breaker broken on this plan", count(broken, "promise is", "promises are")),
					Money: "nothing was sent", Next: "do not rely on the breaker with this plan; what was seen is told above"}
			}
			return nil
		},
	}
	c.Flags().StringVar(&planDir, "plan", ".", "`DIR` of the plan")
	return c
}
