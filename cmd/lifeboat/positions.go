package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/prose"
	"lifeboat/statement"
)

func positionsCommand() *cobra.Command {
	var planDir, dataDir string
	var asJSON bool
	c := &cobra.Command{
		Use: "positions", Short: "What is held where, what it is worth, and who says so", Args: arguments(0, 0),
		Long: `positions lists what the plan registers, at the prices that it notes. With
--data it reads the journal of a daemon, running or not: what was bought and
sold since, the last prices of the feeds, and the last statement of each
account.

HELD BY says who says the quantity: plan, book (the plan, moved by every fill),
or the venue or file whose statement says the same. PRICED BY is feed, the
source of a statement, or plan. A price that is older than it may be is marked
with *, so is a price of the plan, whose age nobody knows. What has no price is
listed and not in the total. Where a statement and the book differ, both are
shown.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return positions(c, planDir, dataDir, asJSON)
		},
	}
	c.Flags().StringVar(&planDir, "plan", ".", "plan `DIR`")
	c.Flags().StringVar(&dataDir, "data", "", "data `DIR` of the daemon; the plan alone when absent")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func positions(c *cobra.Command, planDir, dataDir string, asJSON bool) error {
	p, err := app.LoadPlan(planDir)
	if err != nil {
		return err
	}
	var ledger *app.Ledger
	if dataDir != "" {
		ledger = app.NewLedger(p.Portfolio.BaseCurrency)
		if err := app.EachEntry(c.Context(), dataDir, ledger.Apply); err != nil {
			return err
		}
	}
	now := lifeboat.WallClock{}.Now()
	inventory, err := app.Take(p, ledger, now)
	if err != nil {
		return err
	}
	var differences []statement.Differences
	if ledger != nil {
		for _, account := range slices.Sorted(maps.Keys(ledger.Statements)) {
			if d := statement.Compare(ledger.Book.Positions(), ledger.Statements[account]); !d.Agree() {
				differences = append(differences, d)
			}
		}
	}
	if asJSON {
		return writeJSON(c, struct {
			app.Inventory
			Differences []statement.Differences `json:"differences,omitempty"`
		}{inventory, differences})
	}
	tellPositions(c.OutOrStdout(), inventory)
	for _, d := range differences {
		fmt.Fprintf(c.OutOrStdout(), "\n%s differs from what %s said at %s:\n%s", d.Account, d.Source, stamp(d.At), d.Report())
	}
	if ledger != nil && ledger.Plan.Hash != p.Hash() {
		fmt.Fprintf(c.OutOrStdout(), "note: the journal of %s was last written under another plan than %s\n", dataDir, planDir)
	}
	return nil
}

func tellPositions(w io.Writer, i app.Inventory) {
	if len(i.Held) == 0 {
		fmt.Fprintln(w, "nothing is held")
		return
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ACCOUNT\tSYMBOL\tQUANTITY\tHELD BY\tAGE\tPRICE\tPRICED BY\tAGE\tVALUE\tWEIGHT")
	for _, h := range i.Held {
		price, value, weight, by := "no price", "unknown", "", h.PriceFrom
		if h.Price != nil {
			price = prose.Grouped(h.Price.String())
		}
		if h.Stale {
			price += "*"
		}
		if h.Value != nil {
			value = prose.Grouped(h.Value.StringFixed(2))
		}
		if h.Weight != nil {
			weight = fmt.Sprintf("%.1f %%", 100**h.Weight)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.Account, h.Symbol, h.Quantity, h.From, age(i.At, h.At), price, by, age(i.At, h.PriceAt), value, weight)
	}
	_ = table.Flush() // what cannot be printed is told by whoever closes the output
	fmt.Fprintf(w, "total %s %s", prose.Grouped(i.Total.StringFixed(2)), i.Currency)
	if i.Unpriced > 0 {
		fmt.Fprintf(w, ", without %s of no known price", prose.Count(i.Unpriced, "position"))
	}
	if i.Stale > 0 {
		fmt.Fprintf(w, ", with %s at an old price (*)", prose.Count(i.Stale, "position"))
	}
	fmt.Fprintln(w)
}

// age of what was true then; "" when nobody says when.
func age(now, then time.Time) string {
	if then.IsZero() {
		return ""
	}
	return prose.Span(now.Sub(then).Truncate(time.Second))
}
