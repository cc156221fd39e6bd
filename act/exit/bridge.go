package exit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"lifeboat"
	"lifeboat/act/safe"
	"lifeboat/act/task"
	"lifeboat/chain"
	"lifeboat/chain/protocol"
	"lifeboat/plan"
)

// bridge that an exit goes over. A Safe that is to receive has to stand there: what is sent to the address of a Safe on a chain on
// which it was never made lies where perhaps nobody will ever get at it.
func (w *Worker) bridge(ctx context.Context, o plan.ExitOrder) (protocol.Bridge, error) {
	b := protocol.Beyond{Here: o.Chain, There: o.Beyond.Chain, Tokens: map[common.Address]common.Address{}, Receiver: o.To}
	here, there := w.way(o.Chain), w.way(o.Beyond.Chain)
	if here == nil || there == nil {
		return nil, fmt.Errorf("there is no way to the chain %s here", o.Beyond.Chain)
	}
	b.Near, b.Far = here, there
	for i, symbol := range o.Assets {
		token, err := tokenOf(o, symbol)
		if err != nil {
			return nil, err
		}
		b.Tokens[token] = common.Address{}
		if address := o.Beyond.Tokens[i].Address; address != "" {
			b.Tokens[token] = common.HexToAddress(address)
		}
	}
	if o.Beyond.Safe {
		state, err := safe.Read(ctx, there, nil, common.HexToAddress(o.Receiver))
		switch {
		case err != nil && unknown(err):
			return nil, err
		case err != nil:
			return nil, fmt.Errorf("%s is to receive on %s, and no Safe stands at %s there: what is sent to it might never be got at (%w)", o.To, b.There, o.Receiver, err)
		}
		b.Receiver = fmt.Sprintf("%s, a Safe of %d of %d owners", o.To, state.Threshold, len(state.Owners))
	}
	name, c := o.Through, o.Exchange
	if c == nil {
		name, c = o.Protocol, o.Contract
	}
	more := map[string]common.Address{}
	for what, address := range c.Addresses {
		more[what] = common.HexToAddress(address)
	}
	return protocol.OpenBridge(c.Adapter, protocol.Setup{Name: name, Address: common.HexToAddress(c.Address), More: more}, b)
}

// way to a chain of the plan; nil where there is none.
func (w *Worker) way(name string) chain.Sender {
	if d := w.Desk(name); d != nil {
		return d.Chain
	}
	if w.Chain == nil {
		return nil
	}
	return w.Chain(name)
}

// arrival follows what an exit sent over a bridge.
type arrival struct {
	*Worker
	desk     *Desk
	key      lifeboat.Key
	order    plan.ExitOrder
	progress task.Progress
	facts    map[string]string // what is kept while it is under way: what it has moved

	story  []Line
	first  map[common.Hash]uint64 // :: message → the other chain's block at which it was first seen to have arrived
	tried  map[common.Hash]int    // :: what was sent for a passage → how often
	pushed map[common.Hash]time.Time
}

// Limits of the waiting for what goes over a bridge.
const (
	arrivalPoll = 10 * time.Second // how often the other chain is looked at
	arrivalSlow = 60               // polls between two looks at a withdrawal, which takes a week
	pushEvery   = time.Hour        // between two attempts to bring a withdrawal further
	pushMax     = 48               // attempts at each part of it
	// bridgeLimit is how long a step may wait that has no limit of its own.
	bridgeLimit = 15 * 24 * time.Hour
)

// arrive waits until everything that left has arrived. What it returns before is that a person has to look: the money is on its
// way, and where it is stands in the reason.
func (w *Worker) arrive(ctx context.Context, d *Desk, key lifeboat.Key, o plan.ExitOrder, left lifeboat.Receipt, tx common.Hash, progress task.Progress) lifeboat.Receipt {
	a := &arrival{Worker: w, desk: d, key: key, order: o, progress: progress, first: map[common.Hash]uint64{}, tried: map[common.Hash]int{}, pushed: map[common.Hash]time.Time{}}
	if err := d.crossings.write(Crossing{Key: key, At: d.Clock.Now(), Order: o, Tx: tx}); err != nil {
		a.tell("%s", clause(err)) // the chains know it all the same; only the command that looks does not
	}
	last := fmt.Sprintf("it has left %s in transaction %s", o.Chain, tx.Hex())
	a.facts = lifeboat.WithMoves(nil, left.Moved())
	a.tell("it is on its way from %s to %s", o.Chain, o.Beyond.Chain) // which keeps what it has moved
	for {
		all, err := w.Passages(ctx, o, tx)
		pause := a.poll()
		switch {
		case ctx.Err() != nil:
			return a.lost(left, fmt.Sprintf("%s; it had not arrived on %s when the step's time was over", last, o.Beyond.Chain))
		case err != nil && !unknown(err) && !errors.Is(err, chain.ErrNotMined):
			return a.lost(left, fmt.Sprintf("%s, and it cannot be followed: %s", last, clause(err)))
		case err != nil:
			a.tell("%s", clause(err))
		default:
			open := a.open(all)
			if len(open) == 0 {
				return a.ended(ctx, left, all)
			}
			last = strings.Join(open, "; ")
			a.further(ctx, all)
			pause = a.pause(all)
		}
		if d.Clock.Sleep(ctx, d.Clock.Now().Add(pause)) != nil {
			return a.lost(left, fmt.Sprintf("%s; it had not arrived on %s when the step's time was over", last, o.Beyond.Chain))
		}
	}
}

func (a *arrival) poll() time.Duration {
	if a.Poll > 0 {
		return a.Poll
	}
	return arrivalPoll
}

// pause until the next look: a withdrawal takes a week, and is looked at less often.
func (a *arrival) pause(all []Stand) time.Duration {
	for _, s := range all {
		if s.Stage != protocol.Unproven && s.Stage != protocol.Proven && s.Stage != protocol.Claimed && s.Stage != protocol.Stranded {
			return a.poll()
		}
	}
	return a.poll() * arrivalSlow
}

// open says of each passage that may still change where it is. One that has arrived has to stay so for some blocks.
func (a *arrival) open(all []Stand) (open []string) {
	for _, s := range all {
		switch s.Stage {
		case protocol.Stranded:
			a.tell("%s", s.Words)
		case protocol.Arrived:
			if a.first[s.Hash] == 0 {
				a.first[s.Hash] = s.At.Number
			}
			if depth := a.depth(); s.At.Number < a.first[s.Hash]+depth {
				open = append(open, fmt.Sprintf("message %s has arrived on %s, and waits for %d blocks on top there", s.Hash, a.order.Beyond.Chain, depth))
			}
		default:
			open = append(open, s.Words)
		}
	}
	for _, words := range open {
		a.tell("%s", words)
	}
	return open
}

// further brings each withdrawal a step on that nothing stands in the way of. They wait side by side.
func (a *arrival) further(ctx context.Context, all []Stand) {
	for _, s := range all {
		if len(s.Call) > 0 && (s.Stage == protocol.Unproven || s.Stage == protocol.Ready) {
			a.push(ctx, s.Standing)
		}
	}
}

// ended is what came of all of it: it has arrived, or something of it waits for a person.
func (a *arrival) ended(ctx context.Context, left lifeboat.Receipt, all []Stand) lifeboat.Receipt {
	var arrived, stranded []string
	for _, s := range all {
		if s.Stage == protocol.Arrived {
			arrived = append(arrived, s.Words)
			continue
		}
		stranded = append(stranded, s.Words)
		left.Facts = with(left.Facts, "relay_to", s.Where.Hex(), "relay_call", hexutil.Encode(s.Call))
	}
	if len(stranded) > 0 {
		return a.lost(left, strings.Join(append(stranded, arrived...), "; "))
	}
	left.Why = strings.Join(arrived, "; ")
	a.tell("%s", left.Why)
	left.Facts = lifeboat.WithMoves(left.Facts, append(lifeboat.MovesOf(a.facts), a.arrived(ctx, all)...))
	left.Output = a.output(left)
	left.Facts = with(left.Facts, "arrived_at", a.desk.Clock.Now().UTC().Format(time.RFC3339Nano))
	if err := a.desk.crossings.remove(a.key); err != nil {
		left.Output += clause(err) + "\n"
	}
	return left
}

// depth is how many blocks the other chain has to put on top before what it says counts.
func (a *arrival) depth() uint64 {
	if d := a.Desk(a.order.Beyond.Chain); d != nil {
		return d.Policy.Confirmations
	}
	return Policy{}.filled().Confirmations
}

// A Stand is a passage and where it is.
type Stand struct {
	protocol.Passage
	protocol.Standing
}

// Passages that a transaction of an exit began, and where they are.
func (w *Worker) Passages(ctx context.Context, o plan.ExitOrder, tx common.Hash) ([]Stand, error) {
	here := w.way(o.Chain)
	if here == nil {
		return nil, fmt.Errorf("there is no way to the chain %s here", o.Chain)
	}
	r, err := here.Receipt(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("look for what was sent: %w", err)
	}
	bridge, err := w.bridge(ctx, o)
	if err != nil {
		return nil, err
	}
	passages, err := bridge.Left(ctx, here, r.Logs)
	if err != nil {
		return nil, err
	}
	var all []Stand
	for _, p := range passages {
		s, err := bridge.Stands(ctx, p)
		if err != nil {
			return nil, err
		}
		all = append(all, Stand{p, s})
	}
	return all, nil
}

// push brings a withdrawal further that nothing stands in the way of, with the key that pays the receiver's gas on the other chain.
// It can do nothing else there, and what it sends anybody could send: to do it twice costs gas and changes nothing.
func (a *arrival) push(ctx context.Context, s protocol.Standing) {
	d := a.Desk(a.order.Beyond.Chain)
	sender, err := a.Sender(a.order.To, false)
	if d == nil || err != nil || d.Signers[sender] == nil {
		a.tell("lifeboat holds no key for gas on %s: somebody else has to send it (lifeboat exits status prints what)", a.order.Beyond.Chain)
		return
	}
	j := job{Sender: sender, To: s.Where, Data: s.Call, Insist: Insist{held: a.progress.Held}, Told: []string{s.Words}}
	if err := j.Insist.hold(); err != nil {
		a.tell("%s", err)
		return
	}
	id := j.digest()
	for now := d.Clock.Now(); a.tried[id] < pushMax && (a.pushed[id].IsZero() || now.Sub(a.pushed[id]) >= pushEvery); a.tried[id]++ {
		a.pushed[id] = now
		n, err := d.carry(ctx, lifeboat.NewKey("bridge", string(a.key), id.Hex(), fmt.Sprint(a.tried[id])), j)
		switch {
		case err != nil:
			a.tell("%s", clause(err))
			return
		case n.End.Done:
			a.paid(ctx, d, n)
			a.tell("sent on %s in transaction %s", a.order.Beyond.Chain, n.End.Found.Tx.Hex())
			return
		}
		a.paid(ctx, d, n)
		a.tell("on %s: %s", a.order.Beyond.Chain, n.End.Why)
	}
}

// tell keeps what is new in the story, and says it to whoever looks at the run.
func (a *arrival) tell(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	for _, l := range a.story[max(0, len(a.story)-3):] {
		if l.What == what {
			return
		}
	}
	if len(a.story) >= storyMax {
		a.story = append(a.story[:storyMax/2], a.story[storyMax/2+1:]...)
	}
	a.story = append(a.story, Line{a.desk.Clock.Now(), what})
	if a.progress.Keep != nil {
		_ = a.progress.Keep(what, a.facts) // it is told again at the next start
	}
}

func (a *arrival) output(left lifeboat.Receipt) string {
	text := left.Output
	for _, l := range a.story {
		text += fmt.Sprintf("%s  %s\n", l.At.UTC().Format("15:04:05"), l.What)
	}
	return text
}

// lost says where the money is, and that a person has to look.
func (a *arrival) lost(left lifeboat.Receipt, why string) lifeboat.Receipt {
	a.tell("%s", why)
	left.Facts = lifeboat.WithMoves(left.Facts, lifeboat.MovesOf(a.facts))
	left.Status, left.Lost, left.Why, left.Output = lifeboat.Unknown, true, why, a.output(left)
	return left
}

func with(facts map[string]string, pairs ...string) map[string]string {
	all := maps.Clone(facts)
	if all == nil {
		all = map[string]string{}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		all[pairs[i]] = pairs[i+1]
	}
	return all
}

// shut asks the bridge once more before anything is sent, and says why it would not take any more what was prepared: owners may have taken a
// day to sign, and the other side may have changed meanwhile. It is "" when it would, and for what may be out already: what follows then is
// asked of the chain.
func (w *Worker) shut(ctx context.Context, d *Desk, key lifeboat.Key, s step, how Insist) (why string, err error) {
	if s.Beyond == nil || d.mayBeBegun(key) {
		return "", nil
	}
	return d.insist(ctx, how, func() (string, error) {
		order, err := w.Order(ctx, s.ExitOrder)
		if err == nil {
			_, err = order.Way.Exit(ctx, d.Chain, nil, order.Safe, order.Asks...)
		}
		switch {
		case err == nil, errors.Is(err, protocol.ErrNothingToDo): // somebody else may have sent it, which the chain tells
			return "", nil
		case unknown(err):
			return "", err
		}
		return clause(err), nil
	})
}
