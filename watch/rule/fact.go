package rule

import "time"

// A fact is something that is true, false or not known.
type fact struct {
	is     relation
	args   []factID
	slot   slotID // of comparisons and crossings
	passed int8   // how many of its bounds the slot has passed
	wanted bool   // of a comparison: whether it holds with one bound passed, or with none or both
	least  int    // of a tally, and of often: how many
	cell   *cell

	truth  truth
	users  []factID
	clocks []slotID
	conds  []*Cond
	queued bool
}

type relation uint8

const (
	settled relation = iota // true or false for good
	compared
	all     // AND
	any     // OR
	opposed // NOT
	same
	differs
	tally
	lasting // for 3d
	often   // for 3 of 5d
	crossed
)

// A cell is what a fact remembers.
type cell struct {
	window window
	above  bool // of a crossing: upwards

	due    time.Time     // when time alone may flip it
	since  time.Time     // lasting: known to be true since; crossed: when
	before time.Duration // lasting: what it lasted until it was last not known
	closes int           // the same, in sessions' ends
	past   []truth       // often: how each of the sessions before the running one ended, a ring
	next   int
	until  time.Time // often: the next session's opening; lasting: the last session's end among closes
	last   truth     // often: of the running session
	beyond bool      // crossed: on the far side
	seen   bool      // crossed: beyond is known
}

// judge a fact by what it is built on.
func (b *Board) judge(id factID, f *fact, at time.Time) truth {
	switch f.is {
	case settled:
		return f.truth
	case compared:
		switch {
		case !b.slots[f.slot].known:
			return unknown
		case (f.passed == 1) == f.wanted:
			return yes
		}
		return no
	case all:
		return min(b.facts[f.args[0]].truth, b.facts[f.args[1]].truth)
	case any:
		return max(b.facts[f.args[0]].truth, b.facts[f.args[1]].truth)
	case opposed:
		return yes - b.facts[f.args[0]].truth
	case same, differs:
		return b.equal(f)
	case tally:
		return b.count(f)
	case lasting:
		return b.lasts(f, at)
	case often:
		return b.happens(f, at)
	}
	return b.crosses(id, f, at)
}

func (b *Board) equal(f *fact) truth {
	x, y := b.facts[f.args[0]].truth, b.facts[f.args[1]].truth
	switch {
	case x == unknown || y == unknown:
		return unknown
	case (x == y) == (f.is == same):
		return yes
	}
	return no
}

func (b *Board) count(f *fact) truth {
	var agree, open int
	for _, arg := range f.args {
		votes, undecided := b.facts[arg].truth.votes()
		agree, open = agree+votes, open+undecided
	}
	return enough(agree, open, f.least)
}

// enough of what is wanted, when some of it is not known.
func enough(agree, open, wanted int) truth {
	switch {
	case agree >= wanted:
		return yes
	case agree+open >= wanted:
		return unknown
	}
	return no
}

// lasts measures how long something has been true. False ends it; not known stops its clock.
func (b *Board) lasts(f *fact, at time.Time) truth {
	c := f.cell
	switch t := b.facts[f.args[0]].truth; {
	case t == no:
		c.since, c.before, c.closes, c.due, c.until = time.Time{}, 0, 0, time.Time{}, time.Time{}
		return no
	case t == unknown:
		if !c.since.IsZero() {
			c.before += at.Sub(c.since)
			b.countCloses(c, at)
			c.since, c.due = time.Time{}, time.Time{}
		}
		return unknown
	case c.since.IsZero():
		c.since = at
		c.due = c.since.Add(c.window.span - c.before)
		if c.window.sessions > 0 {
			c.due = b.lastClose(c, at)
		}
		b.expect(c.due)
	}
	if at.Before(c.due) {
		return no
	}
	return yes
}

// lastClose is the session's end with which a cell that runs since a time has lasted long enough. A session whose end was
// counted before the fact was not known for a while, at night, is not counted again.
func (b *Board) lastClose(c *cell, at time.Time) time.Time {
	n := c.window.sessions - c.closes
	switch {
	case n <= 0:
		return at
	case !b.calendar.Of(at).Close.After(c.until):
		n++
	}
	return b.closeAfter(at, n)
}

// countCloses counts the sessions' ends since the cell runs and before a time, and notes the last of them.
func (b *Board) countCloses(c *cell, to time.Time) {
	for s := b.calendar.Of(c.since); c.closes < c.window.sessions && s.Close.Before(to); s = b.calendar.Next(s.Open) {
		if s.Close.After(c.until) {
			c.closes, c.until = c.closes+1, s.Close
		}
	}
}

// closeAfter is the end of the n-th session, counted from the one that a time belongs to.
func (b *Board) closeAfter(at time.Time, n int) time.Time {
	s := b.calendar.Of(at)
	for range n - 1 {
		s = b.calendar.Next(s.Open)
	}
	return s.Close
}

// happens counts the sessions that ended with the fact true. The running one counts as it stands.
func (b *Board) happens(f *fact, at time.Time) truth {
	c := f.cell
	if c.until.IsZero() {
		c.until = b.nextOpening(at)
		c.last = unknown
	}
	for n := 0; !at.Before(c.until) && n <= len(c.past); n++ { // more would be forgotten anyway
		if len(c.past) > 0 {
			c.past[c.next] = c.last
			c.next = (c.next + 1) % len(c.past)
		}
		c.until = b.nextOpening(c.until)
	}
	if !at.Before(c.until) {
		c.until = b.nextOpening(at)
	}
	c.due, c.last = c.until, b.facts[f.args[0]].truth
	b.expect(c.due)
	agree, open := c.last.votes()
	for _, t := range c.past {
		votes, undecided := t.votes()
		agree, open = agree+votes, open+undecided
	}
	return enough(agree, open, f.least)
}

// votes counts one for yes, or one that may still become it.
func (t truth) votes() (agree, open int) {
	switch t {
	case yes:
		return 1, 0
	case unknown:
		return 0, 1
	}
	return 0, 0
}

// nextOpening is the first moment that belongs to the session after that of a time. Round the clock the opening instant
// still belongs to the session that it closes, so it is the nanosecond after.
func (b *Board) nextOpening(at time.Time) time.Time {
	next := b.calendar.Next(b.calendar.Of(at).Open)
	if b.calendar.Of(next.Open).Day.Equal(next.Day) {
		return next.Open
	}
	return next.Open.Add(time.Nanosecond)
}

// crosses notices that a difference changed its sign, and remembers it for as long as the window is; without one, for
// the one step in which it happened.
func (b *Board) crosses(id factID, f *fact, at time.Time) truth {
	c, s := f.cell, &b.slots[f.slot]
	if !s.known {
		return unknown
	}
	beyond := s.value > 0
	if !c.above {
		beyond = s.value < 0
	}
	if c.seen && beyond && !c.beyond {
		c.since, c.due = at, at.Add(c.window.span)
		if c.window.sessions > 0 {
			c.due = b.nextOpening(b.closeAfter(at, c.window.sessions))
		}
		b.expect(c.due)
	}
	c.seen, c.beyond = true, beyond
	switch {
	case c.since.IsZero():
		return no
	case c.window == window{} && at.Equal(c.since):
		b.passing = append(b.passing, id)
		return yes
	case at.Before(c.due):
		return yes
	}
	return no
}
