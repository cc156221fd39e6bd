package main

import (
	"fmt"
	"io"
	"strings"

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
	var asJSON bool
	c := &cobra.Command{
		Use: "explain EXPR", Short: "Say in a sentence what a condition means", Args: arguments(1, 1),
		Long: `explain says what an expression of the rule language means: in a sentence that
can be read aloud, and part by part, each with its type and unit. Or it says
what is wrong with it and where, and what may have been meant. With --plan it
knows that plan's holdings, feeds and signals.

  lifeboat rule explain 'portfolio_drawdown >= 15% AND spy_200d_ma_breach'
  lifeboat rule explain 'USDC < 0.97 for 72h' --plan myplan

An expression of several lines comes through standard input when EXPR is -.
docs/rules.md is about the whole language; lifeboat eval shows what an
expression would have said in the past.`,
		RunE: func(c *cobra.Command, args []string) error {
			env, err := envOf(planDir)
			if err != nil {
				return err
			}
			expr, err := exprOf(c, args[0])
			if err != nil {
				return err
			}
			meaning, err := meaningOf(c, expr, env, asJSON)
			switch {
			case err != nil:
				return err
			case asJSON:
				return writeJSON(c, meaning)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s\n\n%s", meaning.Sentence, meaning)
			return nil
		},
	}
	c.Flags().StringVar(&planDir, "plan", "", "plan `DIR` whose holdings, feeds and signals may be named")
	c.Flags().BoolVar(&asJSON, "json", false, "print the sentence and the tree, or the faults, as JSON")
	return c
}

// exprMax is more than the language reads; what is longer is told to be too long.
const exprMax = 64 << 10

// exprOf an argument: itself, or what standard input holds when it is a dash.
func exprOf(c *cobra.Command, arg string) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	text, err := io.ReadAll(io.LimitReader(c.InOrStdin(), exprMax))
	if err != nil {
		return "", fmt.Errorf("read the expression: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// envOf a plan; what is well known may be named without one.
func envOf(planDir string) (rule.Env, error) {
	if planDir == "" {
		return rule.Env{}, nil
	}
	p, err := app.LoadPlan(planDir)
	if err != nil {
		return rule.Env{}, err
	}
	return app.Env(p, nil), nil
}

// A fault as programs read it.
type fault struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	rule.Fault
}

// meaningOf an expression; or its faults are shown, and what is to be said of all of them is the error.
func meaningOf(c *cobra.Command, expr string, env rule.Env, asJSON bool) (rule.Meaning, error) {
	faults := rule.Check(expr, env)
	if len(faults) == 0 {
		return rule.Describe(expr, env)
	}
	var told []fault
	for _, f := range faults {
		line, column := f.Position(expr)
		told = append(told, fault{line, column, f})
		fmt.Fprintln(c.ErrOrStderr(), f.Show(expr))
	}
	if asJSON {
		if err := writeJSON(c, map[string][]fault{"faults": told}); err != nil {
			return rule.Meaning{}, err
		}
	}
	return rule.Meaning{}, &lifeboat.Problem{Reason: "plan-invalid", What: "the expression has " + count(len(faults), "fault", "faults"), Next: "mend it where the caret points"}
}
