package trigger

import (
	"time"

	"lifeboat/watch/rule"
)

// truth has three values; their order makes AND the lesser of two.
type truth uint8

const (
	no truth = iota
	unknown
	yes
)

func truthOf(cond *rule.Cond) truth {
	switch t, known := cond.Eval(); {
	case !known:
		return unknown
	case t:
		return yes
	}
	return no
}

func not(t truth) truth { return yes - t }

// A hold measures how long something has been true. False ends it; not known stops its clock.
type hold struct {
	before time.Duration // what it lasted until it was last not known
	since  time.Time     // when it was last known to be true again; zero while it is not
}

func (h *hold) move(at time.Time, t truth) {
	switch {
	case t == no:
		*h = hold{}
	case t == yes && h.since.IsZero():
		h.since = at
	case t == unknown && !h.since.IsZero():
		h.before, h.since = h.lasted(at), time.Time{}
	}
}

func (h *hold) lasted(at time.Time) time.Duration {
	if h.since.IsZero() {
		return h.before
	}
	return h.before + at.Sub(h.since)
}

// ends is when a running hold will have lasted long enough.
func (h *hold) ends(long time.Duration) time.Time { return h.since.Add(long - h.before) }
