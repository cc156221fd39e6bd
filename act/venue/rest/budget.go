package rest

import (
	"sync"
	"time"
)

// Budget is how many requests a venue allows in a minute. A fifth of it is kept for urgent ones, so that a busy watch can
// never use up what an exit needs. It is a bucket that fills evenly; it is safe for concurrent use.
type Budget struct {
	mu     sync.Mutex
	size   float64 // requests in a minute
	left   float64
	filled time.Time
	rests  time.Time // the venue asked for quiet until then
}

// NewBudget of so many requests a minute.
func NewBudget(perMinute int) *Budget {
	return &Budget{size: float64(perMinute), left: float64(perMinute)}
}

// keptFor urgent requests.
const keptFor = 0.2

// Take takes a request's weight out of the budget, or says how long to wait until it would be there.
func (b *Budget) Take(now time.Time, weight int, urgent bool) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if wait := b.rests.Sub(now); wait > 0 {
		return wait
	}
	b.fill(now)
	kept := b.size * keptFor
	if urgent {
		kept = 0
	}
	short := float64(weight) + kept - b.left
	if short > 0 && float64(weight)+kept <= b.size {
		return time.Duration(short/b.size*float64(time.Minute)) + time.Millisecond
	}
	b.left -= float64(weight)
	return 0
}

func (b *Budget) fill(now time.Time) {
	if passed := now.Sub(b.filled); !b.filled.IsZero() && passed > 0 {
		b.left = min(b.size, b.left+b.size*passed.Minutes())
	}
	b.filled = now
}

// Rest makes everything wait until a time: the venue has said that it was too much.
func (b *Budget) Rest(until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until.After(b.rests) {
		b.rests = until
	}
}

// Left are the requests that would pass now, urgent ones included.
func (b *Budget) Left(now time.Time) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rests.After(now) {
		return 0
	}
	b.fill(now)
	return int(b.left)
}
