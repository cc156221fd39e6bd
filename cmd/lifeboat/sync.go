package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/plan"
	"lifeboat/statement"
)

func syncCommand() *cobra.Command {
	o := syncing{}
	c := &cobra.Command{
		Use: "sync [ACCOUNT]...", Short: "Ask venues and chains what the accounts hold, and compare", Args: cobra.ArbitraryArgs,
		Long: `sync asks the venue of each account, or the chain that it is on, or only of
those that are named, what it holds now, and shows how that stands against the
register; with --data, against the book of a daemon, which every fill and every
confirmed statement has moved. With --transfers it lists, too, what last came
to and went from the accounts on chains.

Nothing is placed, cancelled or written. A running daemon asks by itself: what a
venue or a chain says twice, its book follows. What lies where nobody can be
asked is compared by lifeboat import.

Exit code 0 when all agree, 3 when something differs, 7 when a venue or a chain
did not answer.`,
		Example: "  lifeboat sync --plan myplan\n  lifeboat sync brokerage --plan myplan --data mydata\n  lifeboat sync \"cold wallet\" --plan myplan --transfers 20",
		RunE:    func(c *cobra.Command, args []string) error { return o.run(c, args) },
	}
	c.Flags().StringVar(&o.planDir, "plan", ".", "plan `DIR`")
	c.Flags().StringVar(&o.dataDir, "data", "", "data `DIR` of the daemon whose book is compared; the register of the plan when absent")
	c.Flags().StringArrayVar(&o.allowExec, "allow-exec", nil, "`NAME` of a command of the plan that may tell a key; repeatable")
	c.Flags().IntVar(&o.transfers, "transfers", 0, "list the last `N` transfers of each account on a chain, up to 1000")
	c.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
	return c
}

// syncing is one call of the command.
type syncing struct {
	planDir, dataDir string
	allowExec        []string
	transfers        int
	asJSON           bool
}

// transfersMax is more than anybody reads.
const transfersMax = 1000

// synced is what was found of one account.
type synced struct {
	statement.Differences
	Transfers []app.Transfer `json:"transfers,omitempty"`
}

func (o syncing) run(c *cobra.Command, names []string) error {
	if o.transfers < 0 || o.transfers > transfersMax {
		return &lifeboat.Problem{Reason: "usage", What: fmt.Sprintf("--transfers wants a number from 1 to %d, not %d", transfersMax, o.transfers)}
	}
	p, err := app.LoadPlan(o.planDir)
	if err != nil {
		return err
	}
	accounts, err := statedAccounts(p, names)
	if err != nil {
		return err
	}
	held := app.Positions(p)
	if o.dataDir != "" {
		ledger := app.NewLedger(p.Portfolio.BaseCurrency)
		if err := app.EachEntry(c.Context(), o.dataDir, ledger.Apply); err != nil {
			return err
		}
		held = ledger.Book.Positions()
	}
	all := []synced{}
	var failures []error
	for _, a := range accounts {
		found, err := o.ask(c, p, held, a)
		failures = append(failures, err)
		if found.Account != "" {
			all = append(all, found)
		}
	}
	if o.asJSON {
		if err := writeJSON(c, all); err != nil {
			return err
		}
	}
	if err := errors.Join(failures...); err != nil {
		return err
	}
	for _, d := range all {
		if !d.Agree() {
			return &lifeboat.Problem{Reason: "register-differs", What: fmt.Sprintf("%s and its %s differ: %s", d.Account, keeper(p, d.Account), d.Summary()),
				Money: "nothing was changed", Next: fmt.Sprintf("a running daemon follows what the %s says twice; else mend the quantities in the plan", keeper(p, d.Account))}
		}
	}
	return nil
}

// keeper is who says what an account holds.
func keeper(p *plan.Plan, account string) string {
	if a, _ := p.Account(account); a.OnChain() {
		return "chain"
	}
	return "venue"
}

// ask for one account, and show it unless all are printed as JSON together.
func (o syncing) ask(c *cobra.Command, p *plan.Plan, held []lifeboat.Position, a plan.Account) (synced, error) {
	s, err := app.Sync(c.Context(), p, o.planDir, o.allowExec, a, lifeboat.WallClock{})
	if err != nil {
		return synced{}, err
	}
	found := synced{Differences: statement.Compare(held, s)}
	if !o.asJSON {
		fmt.Fprintf(c.OutOrStdout(), "%s: %s, as of %s\n%s", a.Name, s.Source, stamp(s.At), found.Report())
		if s.Blocked != "" {
			fmt.Fprintf(c.OutOrStdout(), "note: the account may not trade: %s\n", s.Blocked)
		}
	}
	if o.transfers == 0 || !a.OnChain() {
		return found, nil
	}
	found.Transfers, err = app.Transfers(c.Context(), p, o.planDir, o.allowExec, a, lifeboat.WallClock{}, o.transfers)
	if err == nil && !o.asJSON {
		tellTransfers(c.OutOrStdout(), found.Transfers)
	}
	return found, err
}

func tellTransfers(w io.Writer, transfers []app.Transfer) {
	if len(transfers) == 0 {
		fmt.Fprintln(w, "no transfer is known")
		return
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, t := range transfers {
		other := "from " + cmp.Or(t.Counterpart, "several, or nobody")
		if t.Amount.IsNegative() {
			other = "to " + cmp.Or(t.Counterpart, "several, or nobody")
		}
		fmt.Fprintf(table, "  %s\t%s %s\t%s\t%s\n", stamp(t.At), t.Amount, t.Symbol, other, t.Hash)
	}
	_ = table.Flush()
}

// statedAccounts are those named, or all of which a venue or a chain says what they hold.
func statedAccounts(p *plan.Plan, names []string) ([]plan.Account, error) {
	var accounts []plan.Account
	for _, name := range names {
		a, err := app.StatedAccount(p, name)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, a)
	}
	if len(names) > 0 {
		return accounts, nil
	}
	if accounts = app.StatedAccounts(p); len(accounts) == 0 {
		return nil, &lifeboat.Problem{Reason: "not-found", What: "no account of the plan lies at a venue, or on a chain, that could be asked", Next: "lifeboat import reads a file of a custodian"}
	}
	return accounts, nil
}
