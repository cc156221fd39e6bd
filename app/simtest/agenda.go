package simtest

import (
	"cmp"
	"slices"
	"time"
)

// agenda is what will happen, in the order of time; at one time in the order in which it was planned.
type agenda []appointment

type appointment struct {
	at time.Time
	do func()
}

func (a *agenda) add(at time.Time, do func()) {
	i, _ := slices.BinarySearchFunc(*a, at, func(p appointment, at time.Time) int {
		return cmp.Or(p.at.Compare(at), -1)
	})
	*a = slices.Insert(*a, i, appointment{at, do})
}

func (a agenda) next() (time.Time, bool) {
	if len(a) == 0 {
		return time.Time{}, false
	}
	return a[0].at, true
}

func (a agenda) due(now time.Time) bool { return len(a) > 0 && !a[0].at.After(now) }

func (a *agenda) pop() func() {
	first := (*a)[0]
	*a = (*a)[1:]
	return first.do
}
