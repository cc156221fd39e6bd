package canary

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lifeboat"
)

// Exit makes the tiny exits of one venue, at most once per key: a withdrawal to the owner's own address, a redemption.
//
// Receipts are accepted while it is under way, performed when the money has left, not-performed when it was refused. An error
// means that nobody knows; lifeboat.ErrAbsent from Ask is proof that nothing came of it and nothing will.
type Exit interface {
	Begin(ctx context.Context, key lifeboat.Key) (lifeboat.Receipt, error)
	Ask(ctx context.Context, key lifeboat.Key) (lifeboat.Receipt, error)
}

// Runner makes the trials of one canary, one at a time.
type Runner struct {
	Canary *Canary // with the events of earlier processes applied
	Exit   Exit
	Clock  lifeboat.Clock
	Ask    time.Duration // between two questions after a trial; how exactly its end is known. 10 s when 0
	// Write makes an event durable before it is true; a trial whose beginning cannot be written is not made.
	Write func(Event) error
	// Hear gets a reading after each turn.
	Hear func(lifeboat.Reading, Finding)
}

// Run turns until the context ends, or an event cannot be written.
func (r *Runner) Run(ctx context.Context) error {
	for {
		next, err := r.Turn(ctx)
		if err != nil {
			return err
		}
		if err := r.Clock.Sleep(ctx, next); err != nil {
			return err
		}
	}
}

// Turn begins a trial that is due, or asks after the one under way, and says when to turn again.
func (r *Runner) Turn(ctx context.Context) (time.Time, error) {
	pause := r.Ask
	if pause <= 0 {
		pause = 10 * time.Second
	}
	now := r.Clock.Now()
	if due, idle := r.Canary.Due(); idle && now.Before(due) {
		r.hear(now)
		return earlier(due, now.Add(time.Minute)), nil
	} else if idle {
		if err := r.begin(ctx, now); err != nil {
			return time.Time{}, err
		}
	} else if err := r.follow(ctx); err != nil {
		return time.Time{}, err
	}
	now = r.Clock.Now()
	r.hear(now)
	return now.Add(pause), nil
}

func (r *Runner) begin(ctx context.Context, now time.Time) error {
	key := r.Canary.NextKey(now)
	if err := r.note(Event{At: now, Key: key, Step: Began}); err != nil {
		return err
	}
	receipt, err := r.Exit.Begin(ctx, key)
	if err != nil {
		return nil // it is asked for at the next turn
	}
	return r.take(key, receipt)
}

// follow asks after the trial under way. One that provably never arrived is made again under its key: the owner who exits in
// earnest would have lost that time too, so it counts.
func (r *Runner) follow(ctx context.Context) error {
	key := r.Canary.Open()
	receipt, err := r.Exit.Ask(ctx, key)
	if errors.Is(err, lifeboat.ErrAbsent) {
		receipt, err = r.Exit.Begin(ctx, key)
	}
	if err != nil {
		return nil // nobody knows; the reading grows meanwhile
	}
	return r.take(key, receipt)
}

func (r *Runner) take(key lifeboat.Key, receipt lifeboat.Receipt) error {
	e := Event{At: r.Clock.Now(), Key: key}
	switch receipt.Status {
	case lifeboat.Performed:
		e.Step = Ended
	case lifeboat.NotPerformed, lifeboat.OrderRejected, lifeboat.Canceled, lifeboat.Expired:
		e.Step, e.Why = Failed, receipt.Why
	default:
		return nil
	}
	return r.note(e)
}

// note writes an event and then lets it be true.
func (r *Runner) note(e Event) error {
	if err := r.Write(e); err != nil {
		return fmt.Errorf("canary: write event: %w", err)
	}
	r.Canary.Apply(e)
	return nil
}

func (r *Runner) hear(now time.Time) {
	if r.Hear != nil {
		r.Hear(r.Canary.Reading(now), r.Canary.Find(now))
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
