package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/watch/rule"
)

func ruleCommand() *cobra.Command {
	c := &cobra.Command{Use: "rule", Short: "The language of conditions"}
	c.AddCommand(ruleExplainCommand())
	return c
}

func ruleExplainCommand() *cobra.Command {
	var planDir string
	c := &cobra.Command{
		Use: "explain EXPR", Short: "Say in a sentence what a condition means", Args: arguments(1, 1),
		Long: `explain says what an expression of the rule language means, or what is wrong
with it and where. With --plan it knows that plan's holdings, feeds and signals.

  lifeboat rule explain 'portfolio_drawdown >= 15% AND spy_200d_ma_breach'`,
		RunE: func(c *cobra.Command, args []string) error {
			var env rule.Env
			if planDir != "" {
				p, err := app.LoadPlan(planDir)
				if err != nil {
					return err
				}
				env = app.Env(p, nil)
			}
			if faults := rule.Check(args[0], env); len(faults) > 0 {
				for _, f := range faults {
					fmt.Fprintln(c.ErrOrStderr(), f.Show(args[0]))
				}
				return &lifeboat.Problem{Reason: "plan-invalid", What: "the expression has " + count(len(faults), "fault", "faults"), Next: "mend it where the caret points"}
			}
			sentence, err := rule.Explain(args[0], env)
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), sentence)
			return nil
		},
	}
	c.Flags().StringVar(&planDir, "plan", "", "plan `DIR` whose holdings, feeds and signals may be named")
	return c
}
