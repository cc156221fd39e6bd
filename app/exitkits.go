package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/act/approve"
	"lifeboat/act/exit"
	"lifeboat/chain"
	"lifeboat/chain/protocol"
	"lifeboat/plan"
	"lifeboat/secret"
	"lifeboat/serve/api"
)

// An ExitStep is a step of a playbook that leaves something on a chain.
type ExitStep struct {
	Playbook, Step string
	Exit           plan.Exit
}

// ExitSteps of a playbook, or of all when it is ""; in a for_each, those for every holding.
func ExitSteps(p *plan.Plan, playbook string) (all []ExitStep) {
	for _, b := range p.Playbooks {
		if playbook != "" && b.Name != playbook {
			continue
		}
		var collect func(s plan.Step)
		collect = func(s plan.Step) {
			if s.Exit != nil {
				all = append(all, ExitStep{b.Name, s.Name, *s.Exit})
			}
			if s.ForEach != nil {
				for _, h := range p.Holdings {
					plan.Walk(s.ForEach.For(h.Symbol, h.Account), collect)
				}
			}
		}
		plan.Walk(b.Steps, collect)
	}
	return all
}

// ExitState says whether an exit would go through now.
type ExitState string

// States of an exit. Those of kits are [exit.Readiness].
const (
	ExitPasses   ExitState = "passes"  // it was planned and tried, and would end as promised
	ExitNothing  ExitState = "nothing" // there is nothing to get out
	ExitFails    ExitState = "fails"
	ExitUnknown  ExitState = "unknown" // the chain did not answer
	exitArmed              = ExitState(exit.Armed)
	exitUnsigned           = ExitState(exit.Unsigned)
	exitStale              = ExitState(exit.Stale)
)

// Good says that nothing needs to be done for it.
func (s ExitState) Good() bool { return s == ExitPasses || s == ExitNothing || s == exitArmed }

// Told is the state in words.
func (s ExitState) Told() string {
	switch s {
	case ExitPasses:
		return "ready: it would go through now"
	case ExitNothing:
		return "without an object: there is nothing to get out"
	case ExitFails:
		return "not possible now"
	case ExitUnknown:
		return "not known: the chain did not answer"
	}
	return string(s)
}

// An Outlook is what becomes of an exit if its step comes now.
type Outlook struct {
	Playbook string     `json:"playbook"`
	Step     string     `json:"step"`
	Account  string     `json:"account"`
	Via      string     `json:"via"`
	State    ExitState  `json:"state"`
	Why      []string   `json:"why,omitempty"`
	Causes   []string   `json:"causes,omitempty"` // of Why, in single words
	Hash     string     `json:"hash,omitempty"`   // of the kit
	Signed   int        `json:"signed,omitempty"`
	Needed   int        `json:"needed,omitempty"`
	Prepared *time.Time `json:"prepared,omitempty"` // the kit
	Proven   *time.Time `json:"proven,omitempty"`   // when the kit was last found good
	Words    []string   `json:"words,omitempty"`    // what it would do
}

// outlookMax bounds how long one exit is looked at.
const outlookMax = time.Minute

// Simulate plans the exit of a step and tries it on the chain as it stands. Nothing is kept and nobody signs.
func (e *Exits) Simulate(ctx context.Context, s ExitStep) Outlook {
	ctx, cancel := context.WithTimeout(ctx, outlookMax)
	defer cancel()
	desk, order, err := e.order(ctx, s)
	var p exit.Prepared
	if err == nil {
		p, err = desk.Plan(ctx, order)
	}
	return e.outlook(s, p.Words, err)
}

// Look says how the exit of a step stands: whether it would go through, and where its owners sign beforehand, whether they have.
func (e *Exits) Look(ctx context.Context, s ExitStep) Outlook {
	if s.Exit.Via != "presigned" {
		return e.Simulate(ctx, s)
	}
	ctx, cancel := context.WithTimeout(ctx, outlookMax)
	defer cancel()
	desk, order, err := e.order(ctx, s)
	if err != nil {
		return e.outlook(s, nil, err)
	}
	kit, status, err := e.Kits.Find(ctx, desk, order.Safe, order.What, time.Duration(s.Exit.ProvenWithin))
	if errors.Is(err, exit.ErrNoKit) {
		return e.unprepared(ctx, s, desk, order)
	}
	if err == nil && status.Is != exit.Stale {
		kit.Proven = e.clock.Now()
		if err = e.Kits.Prove(kit.Prepared.Hash, kit.Proven); err == nil {
			err = desk.Payable(ctx, kit.Prepared)
		}
	}
	o := e.outlook(s, desk.Reads(kit.Prepared), err)
	if o.Hash = kit.Prepared.Hash.Hex(); err != nil {
		return o
	}
	o.State, o.Why, o.Causes, o.Signed, o.Needed = ExitState(status.Is), status.Why, status.Causes, status.Signed, status.Needed
	o.Prepared, o.Proven = &kit.Prepared.At, &kit.Proven
	if status.Is == exit.Stale {
		if _, err := desk.Plan(ctx, order); errors.Is(err, protocol.ErrNothingToDo) {
			o.State, o.Why, o.Causes = ExitNothing, nil, nil
		}
	}
	return o
}

// unprepared is a step for which no kit was made. Where it would have nothing to do, it needs none.
func (e *Exits) unprepared(ctx context.Context, s ExitStep, desk *exit.Desk, order exit.Order) Outlook {
	p, err := desk.Plan(ctx, order)
	o := e.outlook(s, nil, err)
	if err == nil {
		o.State, o.Needed = exitUnsigned, p.Threshold
		o.Why, o.Causes = []string{"nothing was prepared for its owners to sign (lifeboat exits prepare)"}, []string{"unprepared"}
	}
	return o
}

// order is the exit of a step as the desk of its chain takes it.
func (e *Exits) order(ctx context.Context, s ExitStep) (*exit.Desk, exit.Order, error) {
	resolved, err := e.plan.ExitOrder(s.Exit)
	if err != nil {
		return nil, exit.Order{}, err
	}
	order, err := e.Worker().Order(ctx, resolved)
	return e.Desks[resolved.Chain], order, err
}

func (e *Exits) outlook(s ExitStep, words []string, err error) Outlook {
	o := Outlook{Playbook: s.Playbook, Step: s.Step, Account: s.Exit.Account, Via: s.Exit.Via, State: ExitPasses, Words: words}
	switch {
	case err == nil:
		return o
	case errors.Is(err, protocol.ErrNothingToDo):
		o.State = ExitNothing
		return o
	case errors.Is(err, chain.ErrUnreachable), errors.Is(err, chain.ErrDisagree), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		o.State = ExitUnknown
	default:
		o.State = ExitFails
	}
	o.Why, o.Causes = []string{e.scrub(err.Error())}, []string{string(o.State)}
	return o
}

// A Kit is an exit that was prepared for its owners to sign, as people see it.
type Kit struct {
	approve.Hashes           // what a wallet shows
	Prepared       time.Time // when it was planned and tried
	Kept           bool      // it was there, and is good still
	Signed, Needed int
	Words          []string
	Payload        json.RawMessage // what a wallet is given
}

func kitOf(k exit.Kit, words []string, kept bool) Kit {
	p := k.Prepared
	return Kit{approve.HashesOf(p.Tx), p.At, kept, len(k.Kept.Signatures), p.Threshold, words, p.Tx.Payload()}
}

// Prepare makes a kit for a step whose owners sign beforehand. One that is armed, or waits for signatures, is kept unless another is
// asked for.
func (e *Exits) Prepare(ctx context.Context, s ExitStep, again bool) (Kit, error) {
	ctx, cancel := context.WithTimeout(ctx, outlookMax)
	defer cancel()
	desk, order, err := e.order(ctx, s)
	if err != nil {
		return Kit{}, err
	}
	if !again {
		kit, status, err := e.Kits.Find(ctx, desk, order.Safe, order.What, time.Duration(s.Exit.ProvenWithin))
		if err == nil && status.Is != exit.Stale {
			return kitOf(kit, desk.Reads(kit.Prepared), true), nil
		}
		if err != nil && !errors.Is(err, exit.ErrNoKit) {
			return Kit{}, err
		}
	}
	kit, err := e.Kits.Prepare(ctx, desk, order)
	if err != nil {
		return Kit{}, err
	}
	return kitOf(kit, kit.Prepared.Words, false), nil
}

// Signed says by whom a signature is that was kept, and how its kit stands then.
type Signed struct {
	By             common.Address
	State          ExitState
	Why            []string
	Signed, Needed int
}

// Sign adds what an owner's wallet made of a kit.
func (e *Exits) Sign(ctx context.Context, hash common.Hash, signature []byte) (Signed, error) {
	ctx, cancel := context.WithTimeout(ctx, outlookMax)
	defer cancel()
	kit, err := e.Kits.Get(hash)
	if err != nil {
		return Signed{}, err
	}
	desk := e.deskOf(kit.Prepared.Tx.Chain)
	if desk == nil {
		return Signed{}, fmt.Errorf("the plan has no Safe that acts on the chain with the number %d", kit.Prepared.Tx.Chain)
	}
	good, faults, err := desk.Signatures(ctx, kit.Prepared, [][]byte{signature})
	switch {
	case err != nil:
		return Signed{}, err
	case len(good) == 0:
		return Signed{}, &lifeboat.Problem{Reason: "factor", What: "the signature was not kept: " + faults[0], Money: "nothing was sent",
			Next: "sign what lifeboat exits typed-data prints, with the key of an owner"}
	}
	if kit.Kept, err = e.Kits.Store.Sign(kit.Prepared.Tx.Chain, kit.Prepared.Tx.Safe, hash, good[0]); err != nil {
		return Signed{}, err
	}
	status, err := desk.Status(ctx, kit, 0)
	return Signed{good[0].Owner, ExitState(status.Is), status.Why, status.Signed, status.Needed}, err
}

func (e *Exits) deskOf(chain uint64) *exit.Desk {
	for _, d := range e.Desks {
		if d.Chain.ID().Uint64() == chain {
			return d
		}
	}
	return nil
}

// ExitsAlone opens the exits of a plan for a command: no key is opened, so nothing can be sent. Without a data directory nothing is
// kept. The second result closes all.
func ExitsAlone(ctx context.Context, p *plan.Plan, planDir, dataDir string, allowExec []string, clock lifeboat.Clock) (_ *Exits, end func(), err error) {
	vault := &secret.Vault{Dir: planDir, Command: commandsOf(p, allowExec)}
	forget := func() {}
	if dataDir == "" {
		if dataDir, err = os.MkdirTemp("", "lifeboat-exits-*"); err != nil {
			return nil, nil, err
		}
		forget = func() { _ = os.RemoveAll(dataDir) }
	}
	chains, err := OpenChains(ctx, p, vault, clock, slog.New(slog.DiscardHandler))
	if err != nil {
		forget()
		return nil, nil, err
	}
	end = func() { chains.Close(); forget() }
	e, err := OpenExits(ctx, ExitOptions{Plan: p, Chains: chains, Vault: vault, Clock: clock, DataDir: dataDir, Unsigned: true})
	if err != nil {
		end()
		return nil, nil, err
	}
	return e, end, nil
}

// KitOf a data directory, by its hash. When there is none, the error is [fs.ErrNotExist].
func KitOf(dataDir string, hash common.Hash) (Kit, error) {
	if _, err := os.Stat(dataDir); err != nil {
		return Kit{}, err
	}
	kits, err := exit.OpenKits(dataDir)
	if err != nil {
		return Kit{}, err
	}
	kit, err := kits.Get(hash)
	if err != nil {
		return Kit{}, err
	}
	return kitOf(kit, nil, true), nil
}

// watchExits looks at all exits at the start and once a day, and sooner when a chain did not answer. The flow does not wait for it.
func (d *Daemon) watchExits(ctx context.Context) error {
	steps := ExitSteps(d.DaemonOptions.Plan, "")
	if len(steps) == 0 {
		return nil
	}
	for {
		next := rehearseEvery
		if !d.lookAtExits(ctx, steps) {
			next = exitsAgain
		}
		d.wake()
		if err := d.Clock.Sleep(ctx, d.Clock.Now().Add(next)); err != nil {
			return err
		}
	}
}

// exitsAgain is when exits are looked at again after a chain did not answer.
const exitsAgain = 10 * time.Minute

// lookAtExits is false when something could not be found out. What has come to be otherwise than at the last look goes to the log, and
// into the journal, from where the owners are told.
func (d *Daemon) lookAtExits(ctx context.Context, steps []ExitStep) (all bool) {
	var last, found []api.Exit
	if before := d.outlooks.Load(); before != nil {
		last = *before
	}
	all = true
	for i, s := range steps {
		o := d.exits.Look(ctx, s)
		if news := i >= len(last) || last[i].State != string(o.State); news && o.mayPass() && d.exits.nextBlock(ctx, s) {
			o = d.exits.Look(ctx, s) // what one block refuses wakes nobody
		}
		if ctx.Err() != nil {
			return false
		}
		at := d.Clock.Now()
		e := api.Exit{Playbook: o.Playbook, Step: o.Step, Account: o.Account, Via: o.Via, State: string(o.State), Why: o.Why, At: at, Since: at}
		if i < len(last) && last[i].State == e.State {
			e.Since = last[i].Since
		} else if !o.State.Good() {
			d.Log.Warn("an exit would not go through", "playbook", e.Playbook, "step", e.Step, "state", e.State, "why", e.Why)
		} else if i < len(last) {
			d.Log.Info("an exit would go through again", "playbook", e.Playbook, "step", e.Step, "state", e.State)
		}
		all = all && o.State != ExitUnknown
		found = append(found, e)
		if err := d.report(ctx, o); err != nil {
			return false
		}
	}
	d.outlooks.Store(&found)
	return all
}

// mayPass says that it was only tried and refused, which the next block may take.
func (o Outlook) mayPass() bool {
	return o.State == ExitFails || o.State == exitStale && slices.Equal(o.Causes, []string{exit.CauseTrial})
}

// nextBlock waits until the chain of an exit has another block, for half a minute at most; false when none came.
func (e *Exits) nextBlock(ctx context.Context, s ExitStep) bool {
	resolved, err := e.plan.ExitOrder(s.Exit)
	desk := e.Desks[resolved.Chain]
	if err != nil || desk == nil {
		return false
	}
	until := e.clock.Now().Add(30 * time.Second)
	var first chain.Block
	for e.clock.Now().Before(until) && e.clock.Sleep(ctx, e.clock.Now().Add(time.Second)) == nil {
		head, err := desk.Chain.Head(ctx)
		switch {
		case err != nil:
		case first.Number == 0:
			first = head
		case head.Hash != first.Hash:
			return true
		}
	}
	return false
}

// report lets an outlook into the flow when it is news. That a chain does not answer is none: its own signals say so.
func (d *Daemon) report(ctx context.Context, o Outlook) error {
	found := lifeboat.Outlook{Playbook: o.Playbook, Step: o.Step, Account: o.Account, State: string(o.State), Kit: o.Hash, Good: o.State.Good(), Causes: o.Causes, Why: o.Why}
	if o.State == ExitUnknown || !d.Outlooks.News(found) {
		return nil
	}
	queued := saying{found, make(chan error, 1)}
	select {
	case d.sayings <- queued:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-queued.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
