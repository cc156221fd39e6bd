package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/plan"
	"lifeboat/statement"
)

func syncCommand() *cobra.Command {
	var planDir, dataDir string
	var allowExec []string
	var asJSON bool
	c := &cobra.Command{
		Use: "sync [ACCOUNT]...", Short: "Ask the venues what the accounts hold, and compare", Args: cobra.ArbitraryArgs,
		Long: `sync asks the venue of each account, or of those that are named, what it holds
now, and shows how that stands against the register; with --data, against the
book of a daemon, which every fill and every confirmed statement has moved.

Nothing is placed, cancelled or written. A running daemon asks by itself: what a
venue says twice, its book follows. What lies where no venue can be asked is
compared by lifeboat import.

Exit code 0 when all agree, 3 when something differs, 7 when a venue did not
answer.`,
		Example: "  lifeboat sync --plan myplan\n  lifeboat sync brokerage --plan myplan --data mydata",
		RunE: func(c *cobra.Command, args []string) error {
			return syncAccounts(c, args, planDir, dataDir, allowExec, asJSON)
		},
	}
	c.Flags().StringVar(&planDir, "plan", ".", "plan `DIR`")
	c.Flags().StringVar(&dataDir, "data", "", "data `DIR` of the daemon whose book is compared; the register of the plan when absent")
	c.Flags().StringArrayVar(&allowExec, "allow-exec", nil, "`NAME` of a command of the plan that may tell a key; repeatable")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func syncAccounts(c *cobra.Command, names []string, planDir, dataDir string, allowExec []string, asJSON bool) error {
	p, err := app.LoadPlan(planDir)
	if err != nil {
		return err
	}
	accounts, err := remoteAccounts(p, names)
	if err != nil {
		return err
	}
	held := app.Positions(p)
	if dataDir != "" {
		ledger := app.NewLedger(p.Portfolio.BaseCurrency)
		if err := app.EachEntry(c.Context(), dataDir, ledger.Apply); err != nil {
			return err
		}
		held = ledger.Book.Positions()
	}
	var all []statement.Differences
	var failures []error
	for _, a := range accounts {
		s, err := app.Sync(c.Context(), p, planDir, allowExec, a, lifeboat.WallClock{})
		if err != nil {
			failures = append(failures, err)
			continue
		}
		d := statement.Compare(held, s)
		all = append(all, d)
		if !asJSON {
			fmt.Fprintf(c.OutOrStdout(), "%s: %s, as of %s\n%s", a.Name, s.Source, stamp(s.At), d.Report())
			if s.Blocked != "" {
				fmt.Fprintf(c.OutOrStdout(), "note: the account may not trade: %s\n", s.Blocked)
			}
		}
	}
	if asJSON {
		if err := writeJSON(c, all); err != nil {
			return err
		}
	}
	if len(failures) > 0 {
		return errors.Join(failures...)
	}
	for _, d := range all {
		if !d.Agree() {
			return &lifeboat.Problem{Reason: "register-differs", What: fmt.Sprintf("%s and its venue differ: %s", d.Account, d.Summary()),
				Money: "nothing was changed", Next: "a running daemon follows what the venue says twice; else mend the quantities in the plan"}
		}
	}
	return nil
}

// remoteAccounts are those named, or all that lie at real venues.
func remoteAccounts(p *plan.Plan, names []string) ([]plan.Account, error) {
	var accounts []plan.Account
	for _, name := range names {
		a, err := app.RemoteAccount(p, name)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, a)
	}
	if len(names) > 0 {
		return accounts, nil
	}
	for _, a := range p.Accounts {
		if a.Remote() {
			accounts = append(accounts, a)
		}
	}
	if len(accounts) == 0 {
		return nil, &lifeboat.Problem{Reason: "not-found", What: "no account of the plan lies at a venue that could be asked", Next: "lifeboat import reads a file of a custodian"}
	}
	return accounts, nil
}
