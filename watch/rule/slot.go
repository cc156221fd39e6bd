package rule

import (
	"math"
	"sort"
	"time"

	"lifeboat"
	"lifeboat/watch/signal"
)

// A slot is one number that conditions compare.
type slot struct {
	sign  calculation
	node  signal.ID // of ofNode and ofAge
	a, b  slotID    // what it is worked out of
	value float64
	known bool

	bounds []bound // in ascending order
	cursor int     // how many of them the value has passed
	users  []slotID
	facts  []factID // that look at more than bounds: crossings
	queued bool

	series lifeboat.Series // of ofAge
	source string          // the same, of one source's own
	last   time.Time       // of ofSince: when its fact was last true; zero while it is, or never was
	holds  bool            // of ofSince: its fact is true
}

type calculation uint8

const (
	ofNode  calculation = iota
	ofAge               // a node that time moves
	ofSince             // seconds since a fact was true
	constant
	plus
	minus
	times
	over
	negative
	absolute
	least
	greatest
)

// A bound is a limit that some fact compares the slot with.
type bound struct {
	limit  float64
	strict bool // passed above it, not at it
	fact   factID
}

func (l bound) passed(v float64) bool { return v > l.limit || v == l.limit && !l.strict }

// work out a slot that is arithmetic.
func (b *Board) work(s *slot) (float64, bool) {
	x := &b.slots[s.a]
	if !x.known {
		return 0, false
	}
	switch s.sign {
	case negative:
		return -x.value, true
	case absolute:
		return math.Abs(x.value), true
	}
	y := &b.slots[s.b]
	if !y.known {
		return 0, false
	}
	v := calculateOn(s.sign, x.value, y.value)
	return v, v-v == 0 // neither NaN nor infinite
}

func calculateOn(sign calculation, x, y float64) float64 {
	switch sign {
	case plus:
		return x + y
	case minus:
		return x - y
	case times:
		return x * y
	case over:
		return x / y
	case least:
		return min(x, y)
	}
	return max(x, y)
}

// set a slot's value, which flips the comparisons that it passes and moves the slots that are built on it.
func (b *Board) set(id slotID, v float64, known bool, at time.Time) {
	s := &b.slots[id]
	if !known && !s.known {
		return
	}
	turned := known != s.known
	if s.known = known; known {
		s.value = v
		b.pass(s, turned)
	} else {
		for i := range s.bounds {
			b.stir(s.bounds[i].fact)
		}
	}
	b.moveUsers(s)
	if s.sign == ofAge && s.cursor < len(s.bounds) { // market time is never faster than the clock
		b.expect(at.Add(seconds(s.bounds[s.cursor].limit - v)))
	}
}

func (b *Board) moveUsers(s *slot) {
	for _, user := range s.users {
		if u := &b.slots[user]; !u.queued {
			u.queued = true
			b.slotQueue.push(user)
		}
	}
	for _, fact := range s.facts {
		b.stir(fact)
	}
}

// pass moves the cursor to the value. Where the value was not known before, every comparison has to look again.
func (b *Board) pass(s *slot, all bool) {
	for s.cursor < len(s.bounds) && s.bounds[s.cursor].passed(s.value) {
		b.cross(&s.bounds[s.cursor], 1)
		s.cursor++
	}
	for s.cursor > 0 && !s.bounds[s.cursor-1].passed(s.value) {
		s.cursor--
		b.cross(&s.bounds[s.cursor], -1)
	}
	if all {
		for i := range s.bounds {
			b.stir(s.bounds[i].fact)
		}
	}
}

func (b *Board) cross(l *bound, by int8) {
	b.facts[l.fact].passed += by
	b.stir(l.fact)
}

// addBound puts a limit among those of a slot.
func (b *Board) addBound(id slotID, l bound) {
	s := &b.slots[id]
	i := sort.Search(len(s.bounds), func(i int) bool {
		other := s.bounds[i]
		return other.limit > l.limit || other.limit == l.limit && other.strict && !l.strict
	})
	s.bounds = append(s.bounds, bound{})
	copy(s.bounds[i+1:], s.bounds[i:])
	s.bounds[i] = l
}

// strikes is when time alone lets a slot pass its next limit; zero when it does not.
func (b *Board) strikes(id slotID) time.Time {
	s := &b.slots[id]
	if s.cursor == len(s.bounds) {
		return time.Time{}
	}
	limit := max(0, seconds(s.bounds[s.cursor].limit))
	switch {
	case s.sign == ofAge:
		return b.engine.AgeReaches(s.series, s.source, limit)
	case s.last.IsZero() || s.holds:
		return time.Time{}
	}
	due := s.last.Add(limit)
	for step := time.Nanosecond; !s.bounds[s.cursor].passed(due.Sub(s.last).Seconds()); step *= 2 {
		due = s.last.Add(limit + step) // after a hundred days one nanosecond more is the same number of seconds
	}
	return due
}

// strike lets a since go on to the given time. Ages are the engine's.
func (b *Board) strike(id slotID, at time.Time) {
	if s := &b.slots[id]; s.sign == ofSince && !s.last.IsZero() && !s.holds {
		b.set(id, at.Sub(s.last).Seconds(), true, at)
	}
}

// tellClock lets a since know that its fact is or is not true. While it is not known the time runs on.
func (b *Board) tellClock(id slotID, t truth, at time.Time) {
	s := &b.slots[id]
	switch {
	case t == yes:
		s.holds, s.last = true, at
		b.set(id, 0, true, at)
	case s.holds:
		s.holds, s.last = false, at
		b.set(id, 0, true, at)
		b.expect(b.strikes(id))
	}
}
