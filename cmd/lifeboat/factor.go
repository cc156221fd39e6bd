package main

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"lifeboat/app"
	"lifeboat/serve/api"
)

func factorCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "factor", Short: "Second factors: enrol, list, remove",
		Long: `A second factor shows that a yes comes from the person and not from whoever can
use this machine. The plan says where one is wanted (mandates: factor). What is
enrolled lies in factors.json in the data directory, for its owner alone; the
plan and the journal never hold a secret.

  totp      the code of an authenticator, such as Authy
  webauthn  a passkey: a security key, a telephone, this computer
  duo       a push to Duo's app`,
	}
	c.AddCommand(factorEnrolCommand(), factorListCommand(), factorRemoveCommand())
	return c
}

func factorEnrolCommand() *cobra.Command {
	s := &speaker{}
	var user string
	c := &cobra.Command{
		Use: "enrol totp|webauthn|duo", Short: "Enrol a second factor with the running daemon", Args: arguments(1, 1),
		Long: `enrol totp prints an address for your authenticator (type it in, or make a QR
code of it on a machine that you trust) and then reads the first code from the
input. enrol webauthn prints a page to open in a browser on this machine. enrol
duo sends a push to --user.

Who has a factor already signs with it: add --code or --duo.`,
		RunE: func(c *cobra.Command, args []string) error {
			if s.as == "" {
				return usage(c, "say whose factor it is with --as NAME")
			}
			proof, err := s.proof(c)
			if err != nil {
				return err
			}
			return enrol(c, s.dataDir, api.Enrolling{Person: s.as, Kind: args[0], User: user, Proof: proof})
		},
	}
	s.flags(c)
	c.Flags().StringVar(&user, "user", "", "`NAME` at Duo")
	return c
}

func enrol(c *cobra.Command, dataDir string, e api.Enrolling) error {
	var begun api.Enrolled
	if err := call(c.Context(), dataDir, http.MethodPost, "/api/v1/factors", e, &begun); err != nil {
		return err
	}
	out := c.OutOrStdout()
	switch {
	case begun.Page != "":
		fmt.Fprintf(out, "open this within ten minutes, in the browser that will hold the passkey:\n%s\n", begun.Page)
		return nil
	case begun.URI == "":
		fmt.Fprintf(out, "enrolled for %s: %s\n", e.Person, begun.ID)
		return nil
	}
	fmt.Fprintf(out, "%s\nPut this into your authenticator; it is shown once. Then type the code that it shows: ", begun.URI)
	line, err := bufio.NewReader(c.InOrStdin()).ReadString('\n')
	if code := strings.TrimSpace(line); code != "" {
		var done api.Enrolled
		finish := api.Enrolling{Person: e.Person, Kind: e.Kind, Code: code}
		if err := call(c.Context(), dataDir, http.MethodPost, "/api/v1/factors", finish, &done); err != nil {
			return err
		}
		fmt.Fprintf(out, "\nenrolled for %s: %s\n", e.Person, done.ID)
		return nil
	}
	if err != nil {
		fmt.Fprintln(out)
	}
	return usage(c, "without a code nothing is enrolled")
}

func factorListCommand() *cobra.Command {
	var planDir, dataDir string
	c := &cobra.Command{
		Use: "list", Short: "List who has enrolled what", Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := app.LoadPlan(planDir)
			if err != nil {
				return err
			}
			_, store, err := app.NewChecker(p, dataDir, "")
			if err != nil {
				return err
			}
			for _, person := range p.People {
				have, err := store.Credentials(person.Name)
				if err != nil {
					return err
				}
				if len(have) == 0 {
					fmt.Fprintf(c.OutOrStdout(), "%s has no second factor\n", person.Name)
				}
				for _, f := range have {
					fmt.Fprintf(c.OutOrStdout(), "%s: %s %s since %s\n", person.Name, f.Kind, f.ID, stamp(f.Enrolled))
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&planDir, "plan", ".", "`DIR` of the plan")
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR` of the daemon")
	return c
}

func factorRemoveCommand() *cobra.Command {
	var dataDir, as string
	c := &cobra.Command{
		Use: "remove ID", Short: "Forget a lost or stolen factor", Args: arguments(1, 1),
		Long: `remove forgets a factor. Whoever owns the data directory may do it: the way back
for somebody who has lost every factor is on the machine itself.`,
		RunE: func(c *cobra.Command, args []string) error {
			if as == "" {
				return usage(c, "say whose factor it is with --as NAME")
			}
			store, err := app.OpenFactors(dataDir)
			if err != nil {
				return err
			}
			if err := store.Remove(as, args[0]); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s of %s is removed\n", args[0], as)
			return nil
		},
	}
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR` of the daemon")
	c.Flags().StringVar(&as, "as", "", "`NAME` of whose it is, as in the plan")
	return c
}
