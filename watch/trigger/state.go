package trigger

import (
	"lifeboat"
	"lifeboat/watch/state"
)

// State hands over all that the watch, its board and its engine remember. What is read goes into a watch of the same
// plan that has been told nothing yet, over a book that stands where it stood. It is told what follows in the journal
// as if there had been no break.
func (w *Watch) State(c *state.Codec) {
	w.engine.State(c)
	w.board.State(c)
	c.Time(&w.from)
	c.Time(&w.evaluated)
	c.Time(&w.asked)
	if n := c.Length(len(w.triggers)); n != len(w.triggers) {
		c.Fail()
		return
	}
	for _, tr := range w.triggers {
		tr.State(c)
	}
	n := c.Length(len(w.open))
	if c.Reading() {
		w.open = make([]gap, n)
	}
	for i := range w.open {
		w.open[i].State(c)
	}
	if c.Reading() {
		w.gapNow, w.stirred, w.waiting = true, nil, nil
		for _, tr := range w.triggers { // Next finds out which of them wait
			tr.stirs, tr.waits = false, false
			w.stir(tr)
		}
	}
}

// Settled reports that nothing is under way that State would not hand over.
func (w *Watch) Settled() bool { return w.engine.Settled() }

// State of one trigger.
func (tr *watched) State(c *state.Codec) {
	for _, t := range []*truth{&tr.truth, &tr.clearTruth} {
		u := uint64(*t)
		if c.Uint64(&u); u > uint64(yes) {
			c.Fail()
			u = uint64(unknown)
		}
		*t = truth(u)
	}
	for _, h := range []*hold{&tr.held, &tr.clearHeld} {
		c.Duration(&h.before)
		c.Time(&h.since)
	}
	c.Bool(&tr.fired)
	c.Time(&tr.since)
	c.Bool(&tr.cleared)
}

// State of an open gap.
func (g *gap) State(c *state.Codec) {
	name := string(g.name)
	c.Text(&name)
	g.name = lifeboat.Series(name)
	c.Time(&g.since)
	n := c.Length(len(g.triggers))
	if c.Reading() {
		g.triggers = make([]string, n)
	}
	for i := range g.triggers {
		c.Text(&g.triggers[i])
	}
}
