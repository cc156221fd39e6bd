package main

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

func answerCommand() *cobra.Command {
	var dataDir, as, note string
	c := &cobra.Command{
		Use: "answer KEY yes|no", Short: "Answer a question: approve a step, confirm a manual one, start a playbook or not", Args: arguments(2, 2),
		Long: `answer tells the running daemon what a person says to a question. lifeboat
status lists the open questions with their keys. The answer is journalled with
the name; only somebody whom the question was put to may give it.`,
		RunE: func(c *cobra.Command, args []string) error {
			if args[1] != "yes" && args[1] != "no" {
				return usage(c, fmt.Sprintf("an answer is yes or no, not %q", args[1]))
			}
			if as == "" {
				return usage(c, "say who answers with --as NAME")
			}
			body := map[string]any{"question": args[0], "by": as, "yes": args[1] == "yes", "note": note}
			if err := call(c.Context(), dataDir, http.MethodPost, "/api/v1/answers", body, nil); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s said %s to %s; it is in the journal\n", as, args[1], args[0])
			return nil
		},
	}
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR` of the daemon")
	c.Flags().StringVar(&as, "as", "", "`NAME` of who answers, as in the plan")
	c.Flags().StringVar(&note, "note", "", "remark that is kept with the answer, `TEXT`")
	return c
}
