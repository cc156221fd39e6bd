package simtest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/paper"
	"lifeboat/act/venue/venuetest"
	"lifeboat/app"
	"lifeboat/plan"
)

// An account is one at a venue, which outlives every process.
//
// From the inside out: the simulated broker; its memory for keys; its clock, which is true; the wire.
type account struct {
	name   string
	real   *paper.Venue
	memory *venuetest.Forgetter
	wire   venue.Venue
}

// open opens the accounts in which the plan trades.
func (w *World) open(p *plan.Plan) (map[string]*account, error) {
	all := map[string]*account{}
	for _, planned := range p.Accounts {
		if !p.Tradable(planned.Name) {
			continue
		}
		real, err := paper.New(paper.Config{Account: planned.Name, Currency: p.Portfolio.BaseCurrency, Positions: app.Positions(p),
			Fractional: p.IsFractional, Fresh: 40 * time.Minute, HalfSpread: func(string) float64 { return 0.0005 }})
		if err != nil {
			return nil, err
		}
		a := &account{name: planned.Name, real: real}
		a.memory = venuetest.Forgetful(real, w.Forgets, func() time.Time { return w.now })
		a.wire = venuetest.Faulty(timed{a.memory, w}, func(venuetest.Call) venuetest.Fault { return w.goesWrong(a.name) })
		all[planned.Name] = a
	}
	return all, nil
}

func (w *World) accounts() []string { return slices.Sorted(maps.Keys(w.desks)) }

// what can happen on the wire: all of the faults but the one after which a venue's no is no proof, which would break the
// contract of a venue.
var wireFaults = []venuetest.Fault{venuetest.LoseReply, venuetest.LoseRequest, venuetest.Late, venuetest.RepeatRequest, venuetest.RepeatReply, venuetest.SayUnknown}

func (w *World) goesWrong(account string) venuetest.Fault {
	if w.settling || !w.chance("wire "+account, w.Wire) {
		return venuetest.None
	}
	return wireFaults[w.die("wire "+account).IntN(len(wireFaults))]
}

// timed is a venue with a clock of its own: what the caller's says does not reach it.
type timed struct {
	venue.Venue
	w *World
}

func (v timed) Place(ctx context.Context, _ time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	return v.Venue.Place(ctx, v.w.now, o)
}

func (v timed) Cancel(ctx context.Context, _ time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	return v.Venue.Cancel(ctx, v.w.now, id)
}

// line is the wire's near end, in one process: what leaves here has left.
type line struct {
	l *life
	a *account
}

func (v *line) Place(ctx context.Context, at time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	v.l.point("place:before")
	v.l.w.judge.leaves(v.l, v.a, o)
	receipt, err := v.a.wire.Place(ctx, at, o)
	v.l.point("place:after")
	return receipt, err
}

func (v *line) Ask(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	v.l.point("ask:before")
	receipt, err := v.a.wire.Ask(ctx, at, id)
	v.l.point("ask:after")
	if errors.Is(err, lifeboat.ErrAbsent) {
		v.l.w.judge.absent(v.l, id)
	}
	return receipt, err
}

func (v *line) Cancel(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	v.l.point("cancel:before")
	receipt, err := v.a.wire.Cancel(ctx, at, id)
	v.l.point("cancel:after")
	return receipt, err
}

func (v *line) Since(ctx context.Context, at, since time.Time) ([]lifeboat.PlacedOrder, error) {
	v.l.point("list:before")
	placed, err := v.a.wire.Since(ctx, at, since)
	v.l.point("list:after")
	if err == nil {
		v.l.w.judge.heardOf(v.l, v.a)
	}
	return placed, err
}

func (v *line) Memory() time.Duration { return v.a.wire.Memory() }

// perform carries a task out, once per key as the contract wants.
func (w *World) perform(act lifeboat.Intent) lifeboat.Receipt {
	if w.tasks[act.Key] == 0 || act.Task.Repeatable {
		w.tasks[act.Key]++
	}
	return taskDone(act)
}

// performed answers what the performer's own note says.
func (w *World) performed(act lifeboat.Intent) (lifeboat.Receipt, error) {
	if w.tasks[act.Key] == 0 {
		return lifeboat.Receipt{}, lifeboat.ErrAbsent
	}
	return taskDone(act), nil
}

func taskDone(act lifeboat.Intent) lifeboat.Receipt {
	return lifeboat.Receipt{Key: act.Key, Status: lifeboat.Performed, Output: "done", Facts: map[string]string{"hash": string(act.Key)}}
}
