package venuetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lifeboat"
	"lifeboat/act/venue"
)

// Fault is one way in which a call goes wrong.
type Fault string

const (
	// None lets the call through.
	None Fault = ""
	// LoseReply carries the request out and loses the answer.
	LoseReply Fault = "lose reply"
	// LoseRequest loses the request: the venue never hears of it.
	LoseRequest Fault = "lose request"
	// Delay fails the call and lets its request arrive once the next call has been answered.
	Delay Fault = "delay"
	// Late fails the call and lets its request arrive before the next one: the answer to that one is still a proof.
	Late Fault = "late"
	// RepeatRequest lets the request arrive twice and answers with what the second one got.
	RepeatRequest Fault = "repeat request"
	// RepeatReply carries the request out and answers with the receipt that the key got the time before.
	RepeatReply Fault = "repeat reply"
	// SayUnknown carries the request out and answers that nobody knows.
	SayUnknown Fault = "say unknown"
)

// Faults are all of them.
var Faults = []Fault{LoseReply, LoseRequest, Delay, Late, RepeatRequest, RepeatReply, SayUnknown}

// Call is one call to a venue, as a script sees it before it is made.
type Call struct {
	N      int    // from 0
	Method string // Place, Ask, Cancel or Since
	Key    lifeboat.Key
}

// Script says how each call goes wrong.
type Script func(Call) Fault

// InTurn gives each call its fault, and none once they are used up.
func InTurn(faults ...Fault) Script {
	return func(c Call) Fault {
		if c.N < len(faults) {
			return faults[c.N]
		}
		return None
	}
}

// ErrConnection is how a lost call ends.
var ErrConnection = errors.New("connection lost")

// Faulty is a venue whose calls go wrong by a script. Like the flow, it takes one call at a time.
func Faulty(v venue.Venue, script Script) venue.Venue {
	return &faulty{venue: v, script: script, replies: map[lifeboat.Key]lifeboat.Receipt{}}
}

type faulty struct {
	venue   venue.Venue
	script  Script
	calls   int
	replies map[lifeboat.Key]lifeboat.Receipt
	late    []request // on their way, until the next call was answered
	soon    []request // on their way, until the next call is made
}

type request func() (lifeboat.Receipt, error)

func (f *faulty) Place(ctx context.Context, at time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	return f.call("Place", o.ID, func() (lifeboat.Receipt, error) { return f.venue.Place(ctx, at, o) })
}

func (f *faulty) Ask(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	return f.call("Ask", id, func() (lifeboat.Receipt, error) { return f.venue.Ask(ctx, at, id) })
}

func (f *faulty) Cancel(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	return f.call("Cancel", id, func() (lifeboat.Receipt, error) { return f.venue.Cancel(ctx, at, id) })
}

func (f *faulty) Since(ctx context.Context, at, since time.Time) ([]lifeboat.PlacedOrder, error) {
	var placed []lifeboat.PlacedOrder
	_, err := f.call("Since", "", func() (_ lifeboat.Receipt, err error) {
		placed, err = f.venue.Since(ctx, at, since)
		return lifeboat.Receipt{}, err
	})
	return placed, err
}

func (f *faulty) Memory() time.Duration { return f.venue.Memory() }

// call makes a request as the script wants it; requests that were late arrive after it.
func (f *faulty) call(method string, key lifeboat.Key, send request) (lifeboat.Receipt, error) {
	arrive(&f.soon)
	fault := f.script(Call{N: f.calls, Method: method, Key: key})
	f.calls++
	after := f.late
	f.late = nil
	receipt, err := f.suffer(fault, key, send)
	arrive(&after)
	return receipt, err
}

// arrive lets requests in whose callers are long gone.
func arrive(requests *[]request) {
	arriving := *requests
	*requests = nil
	for _, send := range arriving {
		_, _ = send()
	}
}

func (f *faulty) suffer(fault Fault, key lifeboat.Key, send request) (lifeboat.Receipt, error) {
	switch fault {
	case LoseRequest:
		return lifeboat.Receipt{}, fmt.Errorf("send: %w", ErrConnection)
	case Late:
		f.soon = append(f.soon, send)
		return lifeboat.Receipt{}, fmt.Errorf("wait for answer: %w", ErrConnection)
	case Delay:
		f.late = append(f.late, send)
		return lifeboat.Receipt{}, fmt.Errorf("wait for answer: %w", ErrConnection)
	case RepeatRequest:
		_, _ = send()
	}
	receipt, err := send()
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	before, had := f.replies[key]
	f.replies[key] = receipt
	switch {
	case fault == LoseReply:
		return lifeboat.Receipt{}, fmt.Errorf("read answer: %w", ErrConnection)
	case fault == SayUnknown:
		return lifeboat.Receipt{Key: key, Account: receipt.Account, Status: lifeboat.Unknown, Why: "the venue does not say"}, nil
	case fault == RepeatReply && had:
		return before, nil
	}
	return receipt, nil
}
