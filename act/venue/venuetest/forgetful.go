package venuetest

import (
	"context"
	"fmt"
	"time"

	"lifeboat"
	"lifeboat/act/venue"
)

// Forgetful is a venue that knows a key for a window only, as exchanges do. What is still open it never forgets; an order
// that has ended is gone once the window has passed since it arrived: its key is one never seen, and makes a second order
// of whatever is sent under it. now is the venue's own clock, which no caller can put back. Since still lists all, as a
// history of trades does.
func Forgetful(v venue.Venue, window time.Duration, now func() time.Time) *Forgetter {
	return &Forgetter{venue: v, window: window, now: now, files: map[lifeboat.Key]*file{}, outer: map[lifeboat.Key]lifeboat.Key{}}
}

// Forgetter is what [Forgetful] makes.
type Forgetter struct {
	venue  venue.Venue
	window time.Duration
	now    func() time.Time
	files  map[lifeboat.Key]*file        // :: the caller's key → its latest order
	outer  map[lifeboat.Key]lifeboat.Key // :: the key under which an order really lies → the caller's
}

// A file is what the venue knows of one key.
type file struct {
	inner   lifeboat.Key
	arrived time.Time
	orders  int // how many arrived under the key; more than one is what nobody may ever cause
}

// Times is how many orders arrived under a key.
func (f *Forgetter) Times(key lifeboat.Key) int {
	if known := f.files[key]; known != nil {
		return known.orders
	}
	return 0
}

// Place takes an order in, once per key and window.
func (f *Forgetter) Place(ctx context.Context, at time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	known := f.files[o.ID]
	forgotten := known != nil && f.forgot(ctx, at, known)
	inner := o
	switch {
	case forgotten:
		inner.ID = lifeboat.NewKey("again", o.ID, known.orders)
	case known != nil:
		inner.ID = known.inner
	}
	receipt, err := f.venue.Place(ctx, at, inner)
	if known == nil && err == nil {
		f.files[o.ID] = &file{inner: inner.ID, arrived: f.now(), orders: 1}
	} else if forgotten && err == nil {
		known.inner, known.arrived, known.orders = inner.ID, f.now(), known.orders+1
	}
	f.outer[inner.ID] = o.ID
	receipt.Key = o.ID
	return receipt, err
}

// Ask says where an order stands that is not forgotten.
func (f *Forgetter) Ask(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	known := f.files[id]
	if known == nil || f.forgot(ctx, at, known) {
		return lifeboat.Receipt{}, fmt.Errorf("ask for order %s: %w", id, lifeboat.ErrAbsent)
	}
	receipt, err := f.venue.Ask(ctx, at, known.inner)
	receipt.Key = id
	return receipt, err
}

// Cancel takes back what is open of an order.
func (f *Forgetter) Cancel(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	known := f.files[id]
	if known == nil || f.forgot(ctx, at, known) {
		return lifeboat.Receipt{}, fmt.Errorf("cancel order %s: %w", id, lifeboat.ErrAbsent)
	}
	receipt, err := f.venue.Cancel(ctx, at, known.inner)
	receipt.Key = id
	return receipt, err
}

// Since lists orders under the keys that their callers gave them.
func (f *Forgetter) Since(ctx context.Context, at, since time.Time) ([]lifeboat.PlacedOrder, error) {
	placed, err := f.venue.Since(ctx, at, since)
	for i := range placed {
		if outer, ok := f.outer[placed[i].Order.ID]; ok {
			placed[i].Order.ID, placed[i].Receipt.Key = outer, outer
		}
	}
	return placed, err
}

// Memory is the window.
func (f *Forgetter) Memory() time.Duration { return f.window }

func (f *Forgetter) forgot(ctx context.Context, at time.Time, known *file) bool {
	if f.window == 0 || f.now().Sub(known.arrived) <= f.window {
		return false
	}
	receipt, err := f.venue.Ask(ctx, at, known.inner)
	return err == nil && receipt.Status.Final()
}
