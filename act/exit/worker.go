package exit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/act/task"
	"lifeboat/chain"
	"lifeboat/chain/protocol"
	"lifeboat/plan"
)

// Kinds of tasks that a worker performs: the two phases of an exit.
var Kinds = []string{"exit-plan", "exit-apply"}

// Worker performs the tasks of exits, for a crew of act/task.
type Worker struct {
	// Desk of a chain, by its name in the plan; nil where there is none.
	Desk func(chain string) *Desk
	// Sender is whose key pays: the relayer of an account, or the bot that carries its role.
	Sender func(account string, byRole bool) (common.Address, error)
	// Oracle of a chain, made of the plan's price feeds; nil where there are none.
	Oracle func(chain string) protocol.Oracle
	// Kits that were signed beforehand; nil where there are none.
	Kits *Kits
	// Chain is the way to a chain on which nothing is sent and something arrives, by its name in the plan; nil where there is none.
	Chain func(chain string) chain.Sender
	// Moved is what a mined transaction of an exit changed of the accounts of the plan; nil does not know.
	Moved func(ctx context.Context, o plan.ExitOrder, mined *chain.Receipt) ([]lifeboat.Move, error)
	// Paid is what a mined transaction cost the account of the plan whose key sent it, on a chain of the plan; nil does not know.
	Paid func(ctx context.Context, chain string, mined *chain.Receipt) ([]lifeboat.Move, error)
	// Poll is how often a chain is looked at on which something is to arrive; 10 s.
	Poll time.Duration
	// Batch is the contract that makes one transaction of many calls, where it is not Safe's own.
	Batch common.Address
}

var (
	_ task.Worker  = (*Worker)(nil)
	_ task.Waiter  = (*Worker)(nil)
	_ task.Stopper = (*Worker)(nil)
)

// LooksFirst is true of both phases: one changes nothing, and the other asks the chain before it does anything.
func (w *Worker) LooksFirst(string) bool { return true }

// Waits is true of the second phase: what leaves a rollup can be challenged for a week before it arrives.
func (w *Worker) Waits(kind string) bool { return kind == "exit-apply" }

// Stops is true of both phases: as long as nothing is out nothing has happened.
func (w *Worker) Stops(string) bool { return true }

// A step is what both tasks are told; the second also what the first found.
type step struct {
	plan.ExitOrder
	Timeout plan.Duration     `json:"timeout,omitempty"`
	Hash    string            `json:"hash,omitempty"`
	Planned map[string]string `json:"planned,omitempty"`
}

// Limits of the two phases where the step has none. Sending goes on for as long as the market is above the ceiling.
const (
	planLimit  = 5 * time.Minute
	applyLimit = 6 * time.Hour
)

// Prepare reads a task.
func (w *Worker) Prepare(key lifeboat.Key, t lifeboat.Task) (task.Work, error) {
	var s step
	decoder := json.NewDecoder(bytes.NewReader(t.Spec))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return task.Work{}, fmt.Errorf("the exit cannot be read: %w", err)
	}
	desk := w.Desk(s.Chain)
	switch {
	case desk == nil:
		return task.Work{}, fmt.Errorf("there is no way to the chain %s here", s.Chain)
	case s.Via == "presigned" && w.Kits == nil:
		return task.Work{}, errors.New("nothing that was signed beforehand is kept here")
	case t.Kind == "exit-plan":
		return task.Work{Limit: limitOf(s, planLimit), Do: func(ctx context.Context, progress task.Progress) lifeboat.Receipt {
			how := s.insist(progress, desk.Clock.Now())
			how.held = nil // it sends nothing
			ctx, end := how.stop.until(ctx)
			defer end()
			r := w.plan(chain.First(ctx), desk, key, s, how)
			if r.Status == lifeboat.NotPerformed && how.stop.heard() {
				r.Why, r.Facts = "the exit was not planned: it was stopped", nil
			}
			return r
		}}, nil
	}
	p, err := ReadPrepared(s.Planned, s.Hash)
	if err != nil {
		return task.Work{}, err
	}
	limit := applyLimit
	if s.Beyond != nil {
		limit = bridgeLimit
	}
	return task.Work{Limit: limitOf(s, limit), Do: func(ctx context.Context, progress task.Progress) lifeboat.Receipt {
		r, e := w.apply(chain.First(ctx), desk, key, p, s, t.Consent, s.insist(progress, desk.Clock.Now()))
		r = w.moved(ctx, desk, s.ExitOrder, r, e, progress)
		if s.Beyond == nil || e == nil || r.Status != lifeboat.Performed {
			return r
		}
		return w.arrive(ctx, desk, key, s.ExitOrder, r, e.Found.Tx, progress)
	}}, nil
}

func limitOf(s step, otherwise time.Duration) time.Duration {
	if s.Timeout > 0 {
		return time.Duration(s.Timeout)
	}
	return otherwise + time.Duration(s.KeepTrying)
}

// keepTrying is for how long a refusal is tried again where the step says nothing: long enough that one block, or one look amid a block,
// decides nothing; short enough that people soon hear of what will not pass.
const keepTrying = time.Minute

// keepTryingMax is how long after it was taken on a task is insisted on, however often lifeboat was started meanwhile: what a person meant
// yesterday is asked again.
const keepTryingMax = 24 * time.Hour

// insist is as long as the step says, and is told with the progress of its task.
func (s step) insist(progress task.Progress, now time.Time) Insist {
	how := Insist{For: cmp.Or(time.Duration(s.KeepTrying), keepTrying), stop: stop{progress.Stop, progress.Elsewhere}, held: progress.Held, Waits: func(why string) {
		if progress.Keep != nil {
			_ = progress.Keep(clause(errors.New(why)), progress.Facts) // to be told is all that it is for
		}
	}}
	if !progress.At.IsZero() {
		how.For = max(0, min(how.For, progress.At.Add(keepTryingMax).Sub(now)))
	}
	return how
}

// plan works the exit out. What is refused at one block is tried again at the next, and while the chain cannot be asked it is asked
// again.
func (w *Worker) plan(ctx context.Context, d *Desk, key lifeboat.Key, s step, how Insist) lifeboat.Receipt {
	var p Prepared
	var err error
	for {
		err = nil
		_, silent := d.insist(ctx, how, func() (string, error) {
			if p, err = w.worked(ctx, d, s); errors.As(err, new(refusedNow)) {
				return clause(err), nil
			}
			return "", err
		})
		if err = cmp.Or(err, silent); !unknown(err) || d.Clock.Sleep(ctx, d.Clock.Now().Add(d.Policy.Poll)) != nil {
			break
		}
	}
	switch {
	case err == nil:
		return planned(key, p)
	case errors.Is(err, protocol.ErrNothingToDo):
		return lifeboat.Receipt{Key: key, Status: lifeboat.Performed, Why: "there is nothing to get out", Facts: map[string]string{"changes": "false"}}
	}
	r := lifeboat.Receipt{Key: key, Status: lifeboat.NotPerformed, Why: "the exit was not planned: " + clause(err)}
	if unknown(err) {
		r.Facts = map[string]string{"failure": "transient"}
	}
	return r
}

// worked out is the exit as it stands now.
func (w *Worker) worked(ctx context.Context, d *Desk, s step) (Prepared, error) {
	order, err := w.Order(ctx, s.ExitOrder)
	if err != nil {
		return Prepared{}, err
	}
	return w.prepare(ctx, d, order, s)
}

// Order of an exit of the plan, as the desk of its chain takes it.
func (w *Worker) Order(ctx context.Context, o plan.ExitOrder) (Order, error) {
	d := w.Desk(o.Chain)
	if d == nil {
		return Order{}, fmt.Errorf("there is no way to the chain %s here", o.Chain)
	}
	sender, err := w.Sender(o.Account, o.Via == "role")
	if err != nil {
		return Order{}, err
	}
	var oracle protocol.Oracle
	if w.Oracle != nil {
		oracle = w.Oracle(o.Chain)
	}
	var way protocol.Exiter
	if o.Beyond != nil {
		way, err = w.bridge(ctx, o)
	} else {
		way, err = WayOut(o, d.Symbol, oracle)
	}
	if err != nil {
		return Order{}, err
	}
	order, err := d.OrderOf(ctx, o, way, sender)
	order.Batch = w.Batch
	return order, err
}

// prepare works an exit out, or takes the one that was signed beforehand.
func (w *Worker) prepare(ctx context.Context, d *Desk, o Order, s step) (Prepared, error) {
	if s.Via != "presigned" {
		return d.Plan(ctx, o)
	}
	kit, err := w.Kits.Ready(ctx, d, o.Safe, o.What, time.Duration(s.ProvenWithin))
	if err != nil {
		return Prepared{}, err
	}
	kit.Prepared.Words = append([]string{fmt.Sprintf("%s, as its owners signed it on %s; it was tried again and ends as promised:", o.What, kit.Prepared.At.UTC().Format("2 January 2006"))},
		d.Reads(kit.Prepared)...)
	return kit.Prepared, nil
}

func planned(key lifeboat.Key, p Prepared) lifeboat.Receipt {
	facts, err := p.Facts()
	if err != nil {
		return lifeboat.Receipt{Key: key, Status: lifeboat.NotPerformed, Why: "the exit was not planned: " + clause(err)}
	}
	facts["changes"] = "true"
	return lifeboat.Receipt{Key: key, Status: lifeboat.Performed, Why: "the exit is planned and was tried at block " + fmt.Sprint(p.Block.Number), Output: p.Text(), Facts: facts}
}

// apply carries out what was planned, with the signatures that came with the answers or were kept. While the chain cannot be
// asked it is tried again, and while nothing is out also what went wrong otherwise, for as long as that is insisted on.
func (w *Worker) apply(ctx context.Context, d *Desk, key lifeboat.Key, p Prepared, s step, consent []lifeboat.Answer, how Insist) (lifeboat.Receipt, *Ending) {
	trouble := insisting{Insist: how, clock: d.Clock}
	for {
		if left := d.left(key, how.stop); left != nil {
			return left.Receipt(key, p), left
		}
		e, err := w.once(ctx, d, key, p, s, consent, how)
		if err == nil {
			e = cmp.Or(d.left(key, how.stop), e)
			return e.Receipt(key, p), e
		}
		open := errors.Is(err, ErrOpen) || d.mayBeOut(key)
		again := unknown(err) || trouble.heldBy(err) || !open && !errors.Is(err, errConflict) && !trouble.refused(clause(err), chain.Block{})
		switch {
		case again && d.Clock.Sleep(ctx, d.Clock.Now().Add(d.Policy.Poll)) == nil:
		case open:
			return lifeboat.Receipt{Key: key, Status: lifeboat.Unknown, Lost: true, Why: clause(err) + "; it may still be executed, which the chain will tell"}, nil
		default:
			return lifeboat.Receipt{Key: key, Status: lifeboat.NotPerformed, Why: clause(err) + "; nothing was sent", Facts: map[string]string{"failure": "transient"}}, nil
		}
	}
}

func (w *Worker) once(ctx context.Context, d *Desk, key lifeboat.Key, p Prepared, s step, consent []lifeboat.Answer, how Insist) (*Ending, error) {
	if err := how.rest(); err != nil && !d.mayBeBegun(key) {
		return nil, err
	}
	if shut, err := w.shut(ctx, d, key, s, how); err != nil {
		return nil, err
	} else if shut != "" {
		return d.refused("the bridge would not take it any more: %s", shut), nil
	}
	if p.Role != nil {
		return d.Apply(ctx, key, p, nil, how)
	}
	if s.Via == "presigned" {
		kept, err := w.Kits.Store.Get(p.Tx.Chain, p.Tx.Safe, p.Hash)
		if err != nil {
			return nil, fmt.Errorf("read the signatures: %w", err)
		}
		return d.Apply(ctx, key, p, kept.Signatures, how)
	}
	signatures, faults, err := d.Signatures(ctx, p, given(consent))
	if err != nil {
		return nil, err
	}
	e, err := d.Apply(ctx, key, p, signatures, how)
	if e != nil && !e.Done && e.note == nil && len(faults) > 0 {
		e.Why += because(faults)
	}
	return e, err
}

func given(consent []lifeboat.Answer) (all [][]byte) {
	for _, a := range consent {
		if a.Factor == nil || !a.Yes {
			continue
		}
		if b, err := hex.DecodeString(strings.TrimPrefix(a.Factor.Signature, "0x")); err == nil && len(b) > 0 {
			all = append(all, b)
		}
	}
	return all
}
