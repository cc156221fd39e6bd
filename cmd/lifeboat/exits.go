package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/plan"
	"lifeboat/prose"
)

func exitsCommand() *cobra.Command {
	c := &cobra.Command{Use: "exits", Short: "Try exits on a chain, and let owners sign them before they are needed", Args: arguments(0, 0),
		Long: `exits works on the exit steps of the playbooks, with the plan and the data
directory alone; no daemon need run, and no key is opened: nothing is sent.

  lifeboat exits simulate --plan myplan
  lifeboat exits prepare "leave Aave" --plan myplan --data mydata
  lifeboat exits typed-data 0x… --data mydata > exit.json
  lifeboat exits sign 0x… --signature @signature --plan myplan --data mydata
  lifeboat exits status --plan myplan --data mydata`}
	c.AddCommand(exitsSimulateCommand(), exitsPrepareCommand(), exitsTypedDataCommand(), exitsSignCommand(), exitsStatusCommand())
	return c
}

// exitsOptions are the flags of the group.
type exitsOptions struct {
	plan, data, signature string
	allowExec             []string
	again, asJSON         bool
}

func (o *exitsOptions) planFlags(c *cobra.Command) {
	c.Flags().StringVar(&o.plan, "plan", ".", "`DIR` of the plan")
	c.Flags().StringArrayVar(&o.allowExec, "allow-exec", nil, "`NAME` of a command of the plan that may tell the address of a node; repeatable")
}

func (o *exitsOptions) dataFlag(c *cobra.Command) {
	c.Flags().StringVar(&o.data, "data", "lifeboat-data", "data `DIR` of the daemon, running or not")
}

func (o *exitsOptions) jsonFlag(c *cobra.Command) {
	c.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object")
}

func exitsSimulateCommand() *cobra.Command {
	var o exitsOptions
	c := &cobra.Command{Use: "simulate [PLAYBOOK]", Short: "Plan every exit and try it on the chain as it stands, and keep nothing", Args: arguments(0, 1),
		Long: `simulate does what a step does before anybody is asked: it reads the chain,
works out the calls, tries them, and says what they do. A step whose owners sign
beforehand is tried as if it were prepared now.

Exit code 0 when all would go through, or have nothing to get out; 6 when one
would not, or its chain does not answer.`,
		RunE: func(c *cobra.Command, args []string) error { return o.look(c, args, (*app.Exits).Simulate) }}
	o.planFlags(c)
	o.jsonFlag(c)
	return c
}

func exitsStatusCommand() *cobra.Command {
	var o exitsOptions
	c := &cobra.Command{Use: "status [PLAYBOOK]", Short: "Say of every exit whether it would go through now, and of kits whether they are armed", Args: arguments(0, 1),
		Long: `status tries every exit as if its step came now. A step with via: presigned
takes the kit that was prepared for it, which is

  armed      signed by enough owners, and it would end as promised
  unsigned   only signatures are missing
  stale      it has to be prepared and signed anew

What has left over a bridge and has not arrived is asked of both chains: where
it is, what comes next, and what anybody can send to bring it further.

Exit code 0 when all are armed, would go through, or have nothing to get out; 6
when one is stale, unsigned or would fail, or its chain does not answer.`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := isDirectory(o.data); err != nil {
				return err
			}
			return o.look(c, args, (*app.Exits).Look)
		}}
	o.planFlags(c)
	o.dataFlag(c)
	o.jsonFlag(c)
	return c
}

func exitsPrepareCommand() *cobra.Command {
	var o exitsOptions
	c := &cobra.Command{Use: "prepare [PLAYBOOK]", Short: "Prepare a kit for every step with via: presigned, for its owners to sign", Args: arguments(0, 1),
		Long: `prepare plans and tries the exits whose owners sign beforehand, and keeps each
in the data directory. Its owners then sign what lifeboat exits typed-data HASH
prints. A kit that is armed or waits for signatures is kept, unless --again.`,
		RunE: func(c *cobra.Command, args []string) error { return o.prepare(c, args) }}
	o.planFlags(c)
	o.dataFlag(c)
	c.Flags().BoolVar(&o.again, "again", false, "prepare it anew, even where one is good still")
	return c
}

func exitsTypedDataCommand() *cobra.Command {
	var o exitsOptions
	c := &cobra.Command{Use: "typed-data HASH", Short: "A kit as wallets take it (EIP-712), for clef, a Ledger's tools, or a browser's wallet", Args: arguments(1, 1),
		Long: `typed-data prints the second parameter of eth_signTypedData_v4, exactly. Compare
the hash that the wallet shows with HASH, and sign.`,
		RunE: func(c *cobra.Command, args []string) error {
			kit, err := o.kit(c, args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s\n", kit.Payload)
			return nil
		}}
	o.dataFlag(c)
	return c
}

func exitsSignCommand() *cobra.Command {
	var o exitsOptions
	c := &cobra.Command{Use: "sign HASH", Short: "Add an owner's signature to a kit", Args: arguments(1, 1),
		Long: `sign keeps what an owner's wallet made of lifeboat exits typed-data HASH. Who
made it is found out from the signature; what is by no owner of the Safe, as the
chain names them, is refused.`,
		RunE: func(c *cobra.Command, args []string) error { return o.sign(c, args[0]) }}
	o.planFlags(c)
	o.dataFlag(c)
	c.Flags().StringVar(&o.signature, "signature", "", "what the wallet signed, `0x…|@FILE`")
	return c
}

// open the plan, its exits, and those of a playbook.
func (o exitsOptions) open(c *cobra.Command, args []string, data string) (p *plan.Plan, e *app.Exits, steps []app.ExitStep, end func(), err error) {
	if p, err = app.LoadPlan(o.plan); err != nil {
		return nil, nil, nil, nil, err
	}
	playbook := ""
	if len(args) > 0 {
		playbook = args[0]
		var names []string
		for _, b := range p.Playbooks {
			names = append(names, b.Name)
		}
		if !slices.Contains(names, playbook) {
			what := fmt.Sprintf("the plan has no playbook %q", playbook)
			if near := prose.Nearest(playbook, names); near != "" {
				what += fmt.Sprintf("; did you mean %q?", near)
			}
			return nil, nil, nil, nil, notFound(what, "without a name, every playbook is gone through")
		}
	}
	steps = app.ExitSteps(p, playbook)
	if data != "" {
		if inside, err := liesIn(o.plan, data); err != nil || inside {
			return nil, nil, nil, nil, usage(c, fmt.Sprintf("%s cannot lie in the plan directory: what is there is read as part of the plan", data))
		}
	}
	e, end, err = app.ExitsAlone(c.Context(), p, o.plan, data, o.allowExec, lifeboat.WallClock{})
	return p, e, steps, end, err
}

// exitLook is one of the two ways to look at an exit.
type exitLook = func(*app.Exits, context.Context, app.ExitStep) app.Outlook

// look at every exit in one way or the other.
func (o exitsOptions) look(c *cobra.Command, args []string, how exitLook) error {
	_, e, steps, end, err := o.open(c, args, o.data)
	if err != nil {
		return err
	}
	defer end()
	found := []app.Outlook{}
	for _, s := range steps {
		found = append(found, how(e, c.Context(), s))
	}
	if err := c.Context().Err(); err != nil {
		return err
	}
	underway, err := e.Underway(c.Context())
	if err != nil {
		return err
	}
	if o.asJSON {
		told := map[string]any{"exits": found}
		if len(underway) > 0 {
			told["underway"] = underway
		}
		err = writeJSON(c, told)
	} else {
		tellOutlooks(c.OutOrStdout(), found)
		tellUnderway(c.OutOrStdout(), underway)
	}
	if err != nil {
		return err
	}
	return unready(found)
}

// tellUnderway says where everything is that has left over a bridge.
func tellUnderway(w io.Writer, all []app.Passage) {
	for _, x := range all {
		fmt.Fprintf(w, "on its way since %s: %s, in transaction %s: %s\n", stamp(x.Left), x.What, x.Tx, x.Stage)
		fmt.Fprintf(w, "      %s\n", x.Words)
		if x.Call != "" {
			fmt.Fprintf(w, "      anybody can bring it further for gas: send to %s, with this data and no value:\n      %s\n", x.Where, x.Call)
		}
	}
}

func tellOutlooks(w io.Writer, found []app.Outlook) {
	if len(found) == 0 {
		fmt.Fprintln(w, "no step leaves anything on a chain")
	}
	for _, x := range found {
		fmt.Fprintf(w, "%s, step %s, from %s (via %s): %s\n", x.Playbook, x.Step, x.Account, x.Via, x.State.Told())
		if x.Prepared != nil {
			fmt.Fprintf(w, "  kit %s, signed by %d of %d owners\n", x.Hash, x.Signed, x.Needed)
			fmt.Fprintf(w, "  prepared at %s, last found good at %s\n", stamp(*x.Prepared), stamp(*x.Proven))
		}
		for _, why := range x.Why {
			fmt.Fprintf(w, "  no  %s\n", why)
		}
		for _, words := range x.Words {
			fmt.Fprintf(w, "      %s\n", words)
		}
	}
}

// unready is the failure of a look at which something is not as it should be.
func unready(found []app.Outlook) error {
	not := slices.DeleteFunc(slices.Clone(found), func(x app.Outlook) bool { return x.State.Good() })
	if len(not) == 0 {
		return nil
	}
	what := fmt.Sprintf("the exit of step %s in %s is %s", not[0].Step, not[0].Playbook, not[0].State.Told())
	if len(found) > 1 {
		what = fmt.Sprintf("%d of %s are not ready", len(not), prose.Count(len(found), "exit"))
	}
	return &lifeboat.Problem{Reason: "exit-unready", What: what, Money: "nothing was sent"}
}

func (o exitsOptions) prepare(c *cobra.Command, args []string) error {
	_, e, steps, end, err := o.open(c, args, o.data)
	if err != nil {
		return err
	}
	defer end()
	steps = slices.DeleteFunc(steps, func(s app.ExitStep) bool { return s.Exit.Via != "presigned" })
	if len(steps) == 0 {
		return notFound("no exit is signed beforehand", "write via: presigned in an exit step; the others need no kit")
	}
	for _, s := range steps {
		kit, err := e.Prepare(c.Context(), s, o.again)
		if err != nil {
			return &lifeboat.Problem{Reason: "exit-unready", What: fmt.Sprintf("no kit was prepared for step %s in %s: %v", s.Step, s.Playbook, err), Money: "nothing was sent",
				Next: "lifeboat exits simulate tries every exit", Err: err}
		}
		o.tellKit(c.OutOrStdout(), s, kit)
	}
	return nil
}

// tellKit says what is to be signed, and how.
func (o exitsOptions) tellKit(w io.Writer, s app.ExitStep, kit app.Kit) {
	is := "prepared"
	if kit.Kept {
		is = "the kit of " + stamp(kit.Prepared) + " is good still (another one with --again)"
	}
	fmt.Fprintf(w, "%s, step %s: %s\n", s.Playbook, s.Step, is)
	for _, line := range kit.Words {
		fmt.Fprintf(w, "  %s\n", line)
	}
	fmt.Fprintf(w, "  hash    %s\n  domain  %s\n  message %s\n  nonce   %d of the Safe %s\n", kit.Hash, kit.Domain, kit.Message, kit.Nonce, kit.Safe)
	fmt.Fprintf(w, "signed by %d of %d owners; each signs what this prints, and gives back what the wallet made of it:\n", kit.Signed, kit.Needed)
	fmt.Fprintf(w, "  lifeboat exits typed-data %s --data %s > exit.json\n", kit.Hash, o.data)
	fmt.Fprintf(w, "  lifeboat exits sign %s --signature @FILE --plan %s --data %s\n", kit.Hash, o.plan, o.data)
}

func (o exitsOptions) sign(c *cobra.Command, text string) error {
	if o.signature == "" {
		return usage(c, "--signature wants what the wallet signed")
	}
	written, err := signatureOf(c, o.signature)
	if err != nil {
		return err
	}
	signature, err := hex.DecodeString(strings.TrimPrefix(written, "0x"))
	if err != nil {
		return usage(c, "a signature is 0x and 130 hex digits")
	}
	kit, err := o.kit(c, text)
	if err != nil {
		return err
	}
	p, e, _, end, err := o.open(c, nil, o.data)
	if err != nil {
		return err
	}
	defer end()
	status, err := e.Sign(c.Context(), common.HexToHash(kit.Hash), signature)
	if err != nil {
		return err
	}
	who := status.By.Hex()
	for _, person := range p.People {
		if slices.Contains(p.Wallets(person.Name), status.By) {
			who = person.Name + ", " + who
		}
	}
	fmt.Fprintf(c.OutOrStdout(), "signed by %s; it has %d of %d and is %s\n", who, status.Signed, status.Needed, status.State)
	for _, why := range status.Why {
		fmt.Fprintf(c.OutOrStdout(), "  no  %s\n", why)
	}
	return nil
}

// kit by its hash, as it was printed.
func (o exitsOptions) kit(c *cobra.Command, text string) (app.Kit, error) {
	b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil || len(b) != common.HashLength {
		return app.Kit{}, usage(c, fmt.Sprintf("a hash is 0x and 64 hex digits, not %q", text))
	}
	if err := isDirectory(o.data); err != nil {
		return app.Kit{}, err
	}
	kit, err := app.KitOf(o.data, common.BytesToHash(b))
	if errors.Is(err, fs.ErrNotExist) {
		return kit, notFound(fmt.Sprintf("%s holds no kit with the hash %s", o.data, text), "lifeboat exits status names them")
	}
	return kit, err
}

func isDirectory(name string) error {
	if info, err := os.Stat(name); err != nil || !info.IsDir() {
		return notFound(fmt.Sprintf("there is no data directory %s", name), "name that of lifeboat serve or lifeboat exits prepare with --data")
	}
	return nil
}
