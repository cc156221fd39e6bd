package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"lifeboat/serve/api"
)

func answerCommand() *cobra.Command {
	s := &speaker{}
	var evidence []string
	var signature string
	c := &cobra.Command{
		Use: "answer KEY yes|no", Short: "Answer a question: approve a step, confirm a manual one, start a playbook or not", Args: arguments(2, 2),
		Long: `answer tells the running daemon what a person says to a question. lifeboat
status lists the open questions with their keys. The answer is journalled with
the name; only somebody whom the question was put to may give it, and where the
plan wants a second factor, --code or --duo gives it. It signs exactly what the
question proposes. An exit that the owners of a Safe stand behind wants
--signature: what your wallet made of lifeboat question typed-data KEY.`,
		RunE: func(c *cobra.Command, args []string) error {
			if args[1] != "yes" && args[1] != "no" {
				return usage(c, fmt.Sprintf("an answer is yes or no, not %q", args[1]))
			}
			if s.as == "" {
				return usage(c, "say who answers with --as NAME")
			}
			proof, err := s.proof(c)
			if err != nil {
				return err
			}
			if signature != "" {
				if proof != nil {
					return usage(c, "--signature, --code and --duo are ways of the same; give one")
				}
				made, err := signatureOf(c, signature)
				if err != nil {
					return err
				}
				proof = &api.Proof{Kind: "wallet", Signature: made}
			}
			attached, err := attachedAs(c, evidence)
			if err != nil {
				return err
			}
			body := api.Answering{Question: args[0], By: s.as, Yes: args[1] == "yes", Note: s.note, Evidence: attached, Proof: proof}
			if err := call(c.Context(), s.dataDir, http.MethodPost, "/api/v1/answers", body, nil); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s said %s to %s; it is in the journal\n", s.as, args[1], args[0])
			return nil
		},
	}
	s.flags(c)
	c.Flags().StringVar(&signature, "signature", "", "what your wallet signed, `0x…|@FILE`, where owners of a Safe are asked")
	c.Flags().StringArrayVar(&evidence, "evidence", nil, "what a manual step wants attached, `LABEL=TEXT`; repeatable")
	return c
}

// attachedAs takes LABEL=TEXT apart.
func attachedAs(c *cobra.Command, evidence []string) (map[string]string, error) {
	var attached map[string]string
	for _, e := range evidence {
		label, text, ok := strings.Cut(e, "=")
		if !ok || strings.TrimSpace(label) == "" || strings.TrimSpace(text) == "" {
			return nil, usage(c, fmt.Sprintf("--evidence wants LABEL=TEXT, not %q", e))
		}
		if attached == nil {
			attached = map[string]string{}
		}
		attached[strings.TrimSpace(label)] = strings.TrimSpace(text)
	}
	return attached, nil
}
