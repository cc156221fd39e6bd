package lifeboat

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"
)

// A Stage is a deterministic state machine without I/O. Its state is a fold over journalled events, so a restart is
// the same fold again; its news are new events, which the flow makes durable before anybody sees them.
type Stage interface {
	// Apply takes in one event that is already in the journal. Events that do not concern the stage are ignored.
	Apply(at time.Time, e Event)
	// Next says what follows at this time from all that was applied. It changes nothing: its events come back
	// through Apply, and the flow asks again until no stage has news.
	Next(at time.Time) []Event
	// Due is the earliest time at which Next may have news without a new event; zero when nothing waits.
	Due() time.Time
}

// Journal makes events durable, in order. When Append returns nil all of them survive a crash; otherwise none counts.
type Journal interface {
	Append(at time.Time, events ...Event) error
}

// Flow is the whole path: an instant of readings goes in at the top, receipts come back in as news.
// It is not safe for concurrent use: outside events are queued and taken one at a time.
type Flow struct {
	Journal Journal
	Book    *Book
	Stages  []Stage            // watch, decide, play: the order in which news travels
	Allow   func(Intent) error // the authority behind an act, or a Denied problem
	Hands   Hands
	// Fence fails when this process may not act any more, because another one has taken over; nil never fails. It is
	// asked before every act, after its intent was written.
	Fence func() error

	open       []undertaking // intents without a final receipt, in the order in which they were written
	consent    consent
	canceled   map[Key]bool // orders and tasks whose cancellation is in the journal: they are never sent any more
	known      map[Key]bool // every order of the journal
	quarantine Quarantined
	since      time.Time // a comparison with a venue goes back this far; zero when all were compared since the last start
}

// Begin says under which plan all that follows happens.
func (f *Flow) Begin(at time.Time, p PlanLoaded) error { return f.record(at, p) }

// Resume says since when there is no evidence that the flow was running.
func (f *Flow) Resume(at time.Time, r Resumed) error { return f.record(at, r) }

// Take lets one instant of readings through.
func (f *Flow) Take(ctx context.Context, in Instant) error {
	if err := f.record(in.At, in); err != nil {
		return err
	}
	return f.Advance(ctx, in.At)
}

// Isolate puts accounts into quarantine: nothing is sent there until the venue was compared with the journal.
func (f *Flow) Isolate(at time.Time, q Quarantine) error { return f.record(at, q) }

// Tell lets in what a person said: an [Answer] or a [Request].
func (f *Flow) Tell(ctx context.Context, at time.Time, said Event) error {
	if err := f.record(at, said); err != nil {
		return err
	}
	return f.Advance(ctx, at)
}

// Learn lets in what a custodian says of an account.
func (f *Flow) Learn(ctx context.Context, at time.Time, s Statement) error { return f.Tell(ctx, at, s) }

// roundsMax bounds Advance; a plan that needs more rounds at one instant goes in circles.
const roundsMax = 10_000

// Advance brings in receipts and lets every stage speak until none has news. What never reached the other side is sent
// only then: a stage may have thought better of it.
func (f *Flow) Advance(ctx context.Context, at time.Time) error {
	if err := f.reconcile(ctx, at); err != nil {
		return err
	}
	absent, err := f.askAfterOpen(ctx, at)
	if err != nil {
		return err
	}
	if err := f.rest(ctx, at); err != nil || len(absent) == 0 {
		return err
	}
	for _, key := range absent {
		if err := f.send(ctx, at, key); err != nil {
			return err
		}
	}
	return f.rest(ctx, at)
}

// rest lets every stage speak until none has news.
func (f *Flow) rest(ctx context.Context, at time.Time) error {
	for range roundsMax {
		quiet := true
		for _, stage := range f.Stages {
			events := stage.Next(at)
			if len(events) == 0 {
				continue
			}
			quiet = false
			if err := f.do(ctx, at, events); err != nil {
				return err
			}
		}
		if quiet {
			return nil
		}
	}
	return fmt.Errorf("the flow did not come to rest at %s", at.Format(time.RFC3339))
}

// Due is the earliest time at which Advance may have news without an outside event; zero when nothing waits.
func (f *Flow) Due() time.Time {
	var due time.Time
	for _, stage := range f.Stages {
		if d := stage.Due(); !d.IsZero() && (due.IsZero() || d.Before(due)) {
			due = d
		}
	}
	return due
}

// Recover folds one journalled entry into the state of a restarted flow. It sends nothing; the next Advance asks the
// venues after every intent whose end is not in the journal.
func (f *Flow) Recover(at time.Time, e Event) { f.apply(at, e) }

// Open counts the orders whose end is not known.
func (f *Flow) Open() int {
	n := 0
	for _, u := range f.open {
		if u.intent.Act == PlaceOrder {
			n++
		}
	}
	return n
}

// Tasks whose end is not known, in the order in which they were written.
func (f *Flow) Tasks() iter.Seq[Intent] {
	return func(yield func(Intent) bool) {
		for _, u := range f.open {
			if u.intent.Act == PerformTask && !yield(u.intent) {
				return
			}
		}
	}
}

// do is the one way to act on money or people: authority first, then the journal, then the act.
func (f *Flow) do(ctx context.Context, at time.Time, events []Event) error {
	for i, e := range events {
		if intent, ok := e.(Intent); ok {
			if err := f.allowed(intent); err != nil {
				events[i] = Refused{Key: intent.Key, Run: intent.Run, Why: err.Error()}
			}
		}
	}
	if err := f.record(at, events...); err != nil {
		return err
	}
	for _, e := range events {
		if intent, ok := e.(Intent); ok {
			if err := f.carryOut(ctx, at, intent, Receipt{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// allowed asks for the authority behind an act, and whether something may be sent to its account. Cancellations may: they
// take back what is there already. A key that is known is that of an order which a lost part of the journal sent: what a run
// forms again of it is the same act, and was carried out.
func (f *Flow) allowed(i Intent) error {
	if i.Act == PlaceOrder && f.known[i.Key] {
		return &Problem{Reason: "quarantined", What: fmt.Sprintf("the venue of %q has the order %s already: it was sent before the journal was restored", i.AccountOf(), i.Key), Money: "nothing was sent"}
	}
	if why, held := f.quarantine.Holds(i.AccountOf()); held && i.Act != CancelOrder {
		return &Problem{Reason: "quarantined", What: fmt.Sprintf("the account %q is in quarantine: %s", i.AccountOf(), why), Money: "nothing was sent"}
	}
	return f.Allow(i)
}

func (f *Flow) record(at time.Time, events ...Event) error {
	if err := f.Journal.Append(at, events...); err != nil {
		return err
	}
	for _, e := range events {
		f.apply(at, e)
	}
	return nil
}

func (f *Flow) apply(at time.Time, e Event) {
	f.Book.Apply(at, e)
	f.quarantine.Apply(e)
	f.consent.apply(e)
	switch e := e.(type) {
	case Resumed:
		if from := e.Since.Add(-reconcileBefore); f.since.IsZero() || from.Before(f.since) {
			f.since = from // who was stopped before it had compared everything leaves that to the next one
		}
	case Intent:
		f.open = append(f.open, undertaking{intent: e, written: at})
		switch e.Act {
		case CancelOrder:
			f.cancel(e.Cancel)
		case PlaceOrder:
			f.know(e.Key)
		}
	case Reconciled:
		f.adopt(at, e)
		if len(f.quarantine.Unasked()) == 0 {
			f.since = time.Time{}
		}
	case Receipt:
		i := f.find(e.Key)
		if i < 0 {
			break
		}
		if f.open[i].last = e; e.Status.Final() {
			f.open = slices.Delete(f.open, i, i+1)
		}
	}
	for _, stage := range f.Stages {
		stage.Apply(at, e)
	}
}
