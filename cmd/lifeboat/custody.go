package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/act/custody"
	"lifeboat/app"
	"lifeboat/prose"
)

// custodyOptions are the flags of custody.
type custodyOptions struct {
	plan, data string
	chain      bool
	allowExec  []string
	asJSON     bool
}

func custodyCommand() *cobra.Command {
	var o custodyOptions
	c := &cobra.Command{
		Use: "custody", Short: "Say who has the keys, where their backups are, and what is wrong with it", Args: arguments(0, 0),
		Long: `custody prints the register of keys: for each wallet and Safe of the plan who
signs, how many have to, where the backups of the keys are kept, and when one
was last tried. Below each stand the findings; those that let somebody take what
is there begin with "urgent".

With --data, what a wallet signed through lifeboat counts as seen. With --chain
each Safe is read on its chain, and owners, threshold, modules, guards and
handlers are held against the plan. Nothing is sent and nothing is written.

Exit code 0 when there is nothing to find, 6 when there is.`,
		Example: "  lifeboat custody --plan myplan\n  lifeboat custody --plan myplan --data mydata --chain",
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c) },
	}
	f := c.Flags()
	f.StringVar(&o.plan, "plan", ".", "plan `DIR`")
	f.StringVar(&o.data, "data", "", "data `DIR` of a daemon, in whose journal signatures stand; the plan alone when absent")
	f.BoolVar(&o.chain, "chain", false, "read the Safes on their chains")
	f.StringArrayVar(&o.allowExec, "allow-exec", nil, "`NAME` of a command of the plan that may tell a key; repeatable")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	return c
}

func (o custodyOptions) run(c *cobra.Command) error {
	p, err := app.LoadPlan(o.plan)
	if err != nil {
		return err
	}
	clock := lifeboat.WallClock{}
	var known custody.Known
	if o.data != "" {
		signed := app.Signatures{}
		if err := app.EachEntry(c.Context(), o.data, signed.Apply); err != nil {
			return err
		}
		known.Signed = signed
	}
	if o.chain {
		if err := app.ReadSafes(c.Context(), p, o.plan, o.allowExec, clock, &known); err != nil {
			return err
		}
	}
	register := custody.Of(p, clock.Now(), known)
	if o.asJSON {
		if err := writeJSON(c, register); err != nil {
			return err
		}
	} else {
		tellRegister(c.OutOrStdout(), register)
	}
	if found := register.Findings(); len(found) > 0 {
		return &lifeboat.Problem{Reason: "custody", What: fmt.Sprintf("there is something to mend in the custody of keys: %s", prose.Count(len(found), "finding")),
			Money: "nothing was sent; this was only read", Next: "mend it in the world first, then in the plan; what is urgent today"}
	}
	return nil
}

func tellRegister(w io.Writer, r custody.Register) {
	if len(r.Wallets) == 0 {
		fmt.Fprintln(w, "the plan has no wallet and no Safe")
	}
	for i, wallet := range r.Wallets {
		if i > 0 {
			fmt.Fprintln(w)
		}
		tellWallet(w, wallet)
	}
}

func tellWallet(w io.Writer, x custody.Wallet) {
	fmt.Fprintf(w, "%s, a %s", x.Account, map[string]string{"safe": "Safe", "wallet": "wallet"}[x.Kind])
	if x.Address != "" {
		fmt.Fprintf(w, " at %s", x.Address)
	}
	if x.Threshold > 0 {
		fmt.Fprintf(w, ": %d of %s", x.Threshold, prose.Count(len(x.Signers), "key"))
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range x.Signers {
		fmt.Fprintf(table, "  key\t%s\t%s\t%s\t%s\n", s.Who, known(s.Device, s.Wallet), known(s.Kept), seen(s))
	}
	for _, s := range x.Spares {
		fmt.Fprintf(table, "  spare\t%s\t%s\t%s\t%s\n", s.Who, known(s.Device, s.Wallet), known(s.Kept), seen(s))
	}
	for _, b := range x.Backups {
		fmt.Fprintf(table, "  backup\t%s\t%s\t%s\t%s\n", b.Of, known(b.Medium), b.Where, on("checked", b.Checked))
	}
	_ = table.Flush() // what cannot be printed is told by whoever closes the output
	if x.Threshold > 0 {
		fmt.Fprintf(w, "  a key was %s\n", on("brought back as a test", x.Restored))
	}
	if x.OnChain != nil {
		fmt.Fprintf(w, "  on chain at block %d: %d of %s, %s\n", x.OnChain.Block, x.OnChain.Threshold, prose.Count(len(x.OnChain.Owners), "owner"), prose.Count(len(x.OnChain.Modules), "module"))
	}
	for _, f := range x.Findings {
		mark := "finding"
		if f.Urgent {
			mark = "urgent"
		}
		fmt.Fprintf(w, "  %s: %s\n", mark, f.Text)
	}
}

// known joins what is written, "–" for nothing.
func known(texts ...string) string {
	var there []string
	for _, t := range texts {
		if t != "" {
			there = append(there, t)
		}
	}
	if len(there) == 0 {
		return "–"
	}
	return strings.Join(there, " ")
}

func seen(s custody.Signer) string {
	switch {
	case s.Last == nil:
		return "never seen"
	case s.Proof:
		return "signed " + s.Last.Format(time.DateOnly)
	}
	return "seen " + s.Last.Format(time.DateOnly)
}

func on(what, day string) string {
	if day == "" {
		return "never " + what
	}
	return what + " " + day
}
