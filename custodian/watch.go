package custodian

import (
	"context"
	"sync"
	"time"

	"lifeboat"
)

// Watch asks one custodian over and over, and keeps the latest statement until somebody takes it. One call is under way at a time,
// and a call that fails is followed by the next one when that is due, not before. It is safe for concurrent use.
type Watch struct {
	custodian *Custodian
	clock     lifeboat.Clock
	every     time.Duration
	wake      func() // called when something is known anew, from the watch's own goroutine

	mu        sync.Mutex // guards what follows
	statement *lifeboat.Statement
	health    Health
}

// Health says whether a chain answers for an account.
type Health struct {
	LastOK  time.Time // when it last did; zero for never
	Problem string    // of the last call; "" when it succeeded
	Since   time.Time // of the problem
}

// NewWatch of a custodian, which begins with Run.
func NewWatch(c *Custodian, clock lifeboat.Clock, every time.Duration, wake func()) *Watch {
	return &Watch{custodian: c, clock: clock, every: every, wake: wake}
}

// Account that is watched, and the chain that it is on, as the plan calls them.
func (w *Watch) Account() (account, chain string) { return w.custodian.Account, w.custodian.Name }

// Run asks until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	for {
		began := w.clock.Now()
		s, err := w.custodian.State(ctx, began)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		w.note(w.clock.Now(), s, err)
		w.wake()
		if err := w.clock.Sleep(ctx, began.Add(w.every)); err != nil {
			return err
		}
	}
}

func (w *Watch) note(at time.Time, s lifeboat.Statement, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.statement, w.health = &s, Health{LastOK: at}
		return
	}
	if w.health.Problem == "" {
		w.health.Since = at
	}
	w.health.Problem = err.Error()
}

// Statement hands over the latest statement, once.
func (w *Watch) Statement() (lifeboat.Statement, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.statement
	if w.statement = nil; s == nil {
		return lifeboat.Statement{}, false
	}
	return *s, true
}

// Health of the way to the chain.
func (w *Watch) Health() Health {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.health
}
