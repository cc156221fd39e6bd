package main

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/serve/api"
)

func breakerCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "breaker", Short: "Which acts pass: look, halt, reduce, let go, verify",
		Long: `The breaker stands at active, reducing or halted. Reducing lets cancellations
pass, and orders that reduce exposure. Halted lets nothing automatic pass: only
what a person approves from then on. Making it stricter takes effect at once;
letting it go takes what the plan says under authority and breaker: other
persons, a second factor, time.

There are three kill switches: this command, POST /api/v1/halt with the token of
the data directory, and a file called HALT in the data directory.`,
	}
	c.AddCommand(breakerShowCommand(), breakerHaltCommand(),
		moving(&cobra.Command{Use: "reduce", Short: "Let only cancellations and reductions pass", Args: arguments(0, 0)}, lifeboat.Reducing),
		moving(&cobra.Command{Use: "release", Short: "Ask for it to be let go: first to reducing, then to active", Args: arguments(0, 0)}, lifeboat.Active),
		breakerVerifyCommand())
	return c
}

func breakerShowCommand() *cobra.Command {
	var dataDir string
	c := &cobra.Command{
		Use: "show", Short: "Say where the breaker stands, since when and why", Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			var s api.Status
			if err := call(c.Context(), dataDir, http.MethodGet, "/api/v1/status", nil, &s); err != nil {
				return err
			}
			tellBreaker(c.OutOrStdout(), s.Breaker)
			return nil
		},
	}
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR` of the daemon")
	return c
}

// breakerHaltCommand takes no --as: whoever can read the token may halt, and no flag may stand in the way.
func breakerHaltCommand() *cobra.Command {
	var dataDir, as, note string
	c := &cobra.Command{
		Use: "halt", Short: "The kill switch: nothing automatic passes any more", Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			var noted api.Noted
			if err := call(c.Context(), dataDir, http.MethodPost, "/api/v1/halt", api.Halting{By: as, Note: note}, &noted); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "halted: nothing automatic passes any more (%s). lifeboat breaker show says how things stand\n", noted.ID)
			return nil
		},
	}
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR` of the daemon")
	c.Flags().StringVar(&as, "as", "", "`NAME` of who halts; the kill switch itself when absent")
	c.Flags().StringVar(&note, "note", "", "why, `TEXT`")
	return c
}

// moving is a command that asks for a state of the breaker.
func moving(c *cobra.Command, to lifeboat.BreakerState) *cobra.Command {
	s := &speaker{}
	c.RunE = func(c *cobra.Command, _ []string) error {
		noted, err := s.want(c, api.Wanting{Verb: lifeboat.MoveBreaker, Object: string(to)})
		if err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "%s wants the breaker %s: it is in the journal as %s; lifeboat breaker show says what else it takes\n", s.as, to, noted.ID)
		return nil
	}
	s.flags(c)
	return c
}
