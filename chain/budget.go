package chain

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"lifeboat"
)

// First marks what moves money. Its requests go before all others that wait for a node's budget: while watching takes all that a node
// allows, an exit would wait for its turn at each of its questions.
func First(ctx context.Context) context.Context { return context.WithValue(ctx, first{}, true) }

type first struct{}

// budget is how many requests a node allows in a second. What goes first takes its requests at once. The others stand in line, and the one
// whose turn it is takes one request after the other, so that no more than one of them is ever before what goes first.
type budget struct {
	*rate.Limiter
	clock    lifeboat.Clock
	patience time.Duration // for how long a request may wait

	turn    chan struct{} // held by the one whose turn it is
	mu      sync.Mutex    // guards waiting
	waiting int           // requests of those in line
}

func newBudget(perSecond float64, patience time.Duration, clock lifeboat.Clock) *budget {
	return &budget{Limiter: rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond))), clock: clock, patience: patience, turn: make(chan struct{}, 1)}
}

var errSpent = errors.New("its budget of requests is used up")

// spend waits until so many requests may be made. What would have to wait for longer than a call may take is an errSpent, at once.
func (b *budget) spend(ctx context.Context, requests int) error {
	if ctx.Value(first{}) != nil {
		return b.take(ctx, requests)
	}
	if !b.join(requests) {
		return errSpent
	}
	defer b.leave(requests)
	until := b.clock.Now().Add(b.patience)
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for range requests {
		if b.clock.Now().After(until) {
			return errSpent // what goes first took it
		}
		if err := b.take(ctx, 1); err != nil {
			return err
		}
	}
	return nil
}

// take so many requests, and wait until they are there.
func (b *budget) take(ctx context.Context, requests int) error {
	now := b.clock.Now()
	var wait time.Duration
	for left := requests; left > 0; left -= b.Burst() {
		wait = b.ReserveN(now, min(left, b.Burst())).DelayFrom(now)
	}
	if wait <= 0 {
		return nil
	}
	return b.clock.Sleep(ctx, now.Add(wait))
}

// join the line, unless it is too long.
func (b *budget) join(requests int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if float64(b.waiting+requests)-b.TokensAt(b.clock.Now()) > float64(b.Limit())*b.patience.Seconds() {
		return false
	}
	b.waiting += requests
	return true
}

func (b *budget) leave(requests int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting -= requests
}
