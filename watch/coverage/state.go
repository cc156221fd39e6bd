package coverage

import (
	"maps"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/watch/state"
)

// State writes the ledger down, or reads it back into one with the same options that has followed nothing yet.
func (l *Ledger) State(c *state.Codec) {
	c.Time(&l.began)
	c.Int(&l.untracked)
	l.neverState(c)
	n := c.Length(len(l.order))
	if c.Reading() && n > seriesMax {
		c.Fail()
	}
	for i := 0; i < n && c.Broken() == nil; i++ {
		f := &follower{}
		if !c.Reading() {
			f = l.order[i]
		}
		f.State(c)
		if c.Reading() {
			l.followed[name{f.Series.Series, f.Source}] = f
			l.order = append(l.order, f)
		}
	}
	if c.Reading() && len(l.followed) != len(l.order) { // one source twice
		c.Fail()
	}
}

// neverState hands over which series were missed and never spoke.
func (l *Ledger) neverState(c *state.Codec) {
	missed := slices.Sorted(maps.Keys(l.never))
	n := c.Length(len(missed))
	for i := 0; i < n && c.Broken() == nil; i++ {
		var series string
		var since time.Time
		if !c.Reading() {
			series, since = string(missed[i]), l.never[missed[i]]
		}
		c.Text(&series)
		c.Time(&since)
		l.never[lifeboat.Series(series)] = since
	}
}

// State of one source.
func (f *follower) State(c *state.Codec) {
	series := string(f.Series.Series)
	c.Text(&series)
	f.Series.Series = lifeboat.Series(series)
	c.Text(&f.Source)
	c.Time(&f.From)
	c.Time(&f.To)
	c.Int(&f.Readings)
	c.Int(&f.Suspects)
	c.Duration(&f.Pace)
	n := c.Length(len(f.Holes))
	if c.Reading() {
		if n > HolesMax {
			c.Fail()
			n = 0
		}
		f.Holes = make([]Hole, n)
	}
	for i := range f.Holes {
		f.Holes[i].State(c)
	}
	c.Int(&f.Earlier.Holes)
	c.Duration(&f.Earlier.Time)
	c.Time(&f.Earlier.Until)
	c.Time(&f.heard)
	c.Time(&f.spoke)
	if c.Bool(&f.open); f.open && len(f.Holes) == 0 {
		c.Fail()
	}
	c.Duration(&f.step)
	c.Int(&f.equals)
}

// State of a hole.
func (h *Hole) State(c *state.Codec) {
	c.Time(&h.From)
	c.Time(&h.To)
	reason := string(h.Reason)
	c.Text(&reason)
	h.Reason = Reason(reason)
	c.Int(&h.Rows)
	c.Int(&h.Expected)
	c.Int(&h.Suspects)
}
