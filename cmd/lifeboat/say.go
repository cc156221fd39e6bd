package main

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/serve/api"
)

// A speaker is somebody who says something to the daemon: the flags that all such commands share.
type speaker struct {
	dataDir, as, note, code string
	duo                     bool
}

func (s *speaker) flags(c *cobra.Command) {
	c.Flags().StringVar(&s.dataDir, "data", "lifeboat-data", "data `DIR` of the daemon")
	c.Flags().StringVar(&s.as, "as", "", "`NAME` of who says it, as in the plan")
	c.Flags().StringVar(&s.note, "note", "", "remark that is kept with it, `TEXT`")
	c.Flags().StringVar(&s.code, "code", "", "`CODE` of your authenticator, where the plan wants a second factor")
	c.Flags().BoolVar(&s.duo, "duo", false, "sign with a Duo push instead of a code; waits for your phone")
}

// proof is the second factor that was given, if any.
func (s *speaker) proof(c *cobra.Command) (*api.Proof, error) {
	switch {
	case s.code != "" && s.duo:
		return nil, usage(c, "--code and --duo are two ways of the same; give one")
	case s.duo:
		return &api.Proof{Kind: "duo"}, nil
	case s.code != "":
		return &api.Proof{Kind: "totp", Code: s.code}, nil
	}
	return nil, nil
}

// want sends a request to the daemon and says that it is in the journal.
func (s *speaker) want(c *cobra.Command, w api.Wanting) (api.Noted, error) {
	var noted api.Noted
	if s.as == "" {
		return noted, usage(c, "say who wants it with --as NAME")
	}
	proof, err := s.proof(c)
	if err != nil {
		return noted, err
	}
	w.By, w.Note, w.Proof = s.as, s.note, proof
	return noted, call(c.Context(), s.dataDir, http.MethodPost, "/api/v1/requests", w, &noted)
}

// saying is a command that sends one request; told says what is wanted, for the line that confirms it.
func saying(c *cobra.Command, verb lifeboat.Verb, told string) *cobra.Command {
	s := &speaker{}
	var step string
	c.RunE = func(c *cobra.Command, args []string) error {
		w := api.Wanting{Verb: verb, Step: step}
		if len(args) > 0 {
			w.Object = args[0]
		}
		if len(args) > 1 {
			w.Step = args[1]
		}
		noted, err := s.want(c, w)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "%s wants %s%s: it is in the journal as %s\n", s.as, told, whatOf(args), noted.ID)
		return nil
	}
	s.flags(c)
	return c
}

func whatOf(args []string) string {
	switch len(args) {
	case 0:
		return ""
	case 1:
		return " " + args[0]
	}
	return fmt.Sprintf(" %s of %s", args[1], args[0])
}
