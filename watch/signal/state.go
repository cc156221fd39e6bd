package signal

import (
	"lifeboat"
	"lifeboat/watch/state"
)

// State hands over all that the engine remembers. What is read goes into an engine of the same configuration and graph
// that has taken nothing yet; the book is restored by whoever owns it, and must stand where it stood.
func (e *Engine) State(c *state.Codec) {
	c.Uint64(&e.takes)
	c.Bool(&e.begun)
	feeds := c.Length(len(e.order))
	for i := 0; i < feeds && c.Broken() == nil; i++ {
		e.feedAt(c, i).State(c, e)
	}
	e.portfolio.State(c)
	for i := range e.nodes {
		c.Float(&e.nodes[i].value)
		c.Bool(&e.nodes[i].known)
	}
	if c.Reading() {
		e.queueAgain()
		e.portfolio.ofBook = 0 // counted anew, from the book that came back
		e.count()
		e.portfolio.looked.moves, e.portfolio.looked.version = e.portfolio.moves+1, e.portfolio.version
	}
}

// queueAgain puts the sources that have not gone stale where they stood.
func (e *Engine) queueAgain() {
	for _, f := range e.order {
		for _, l := range f.leaves {
			if !l.at.IsZero() && !l.fell {
				e.queue(l, l.at)
			}
		}
	}
}

// Settled reports that nothing is under way that State does not hand over: a change of the register that is not yet
// priced.
func (e *Engine) Settled() bool { return e.portfolio.former == nil && len(e.touched) == 0 }

// feedAt is the i-th feed; one that only its readings had announced is made known again.
func (e *Engine) feedAt(c *state.Codec, i int) *feed {
	var name string
	if i < len(e.order) {
		name = string(e.order[i].series)
	}
	c.Text(&name)
	f := e.feed(lifeboat.Series(name))
	if f.index != i {
		c.Fail()
	}
	return f
}

func (f *feed) State(c *state.Codec, e *Engine) {
	offered := f.offered
	if c.Bool(&offered); offered && !f.offered {
		e.offer(f)
	}
	c.Bool(&f.agreed)
	f.consensus.State(c)
	leaves := c.Length(len(f.leaves))
	for i := 0; i < leaves && c.Broken() == nil; i++ {
		var source string
		if i < len(f.leaves) {
			source = f.leaves[i].source
		}
		if c.Text(&source); i < len(f.leaves) && f.leaves[i].source != source {
			f.leaves[i].source = source // a nameless source that took a name when it spoke
			f.leaves[i].staleAfter = e.cfg.StaleAfter(f.series, source)
		} else if i == len(f.leaves) {
			e.addLeaf(f, source)
		}
		f.leaves[i].State(c)
	}
}

func (l *leaf) State(c *state.Codec) {
	c.Float(&l.value)
	c.Time(&l.at)
	l.nanos = l.at.UnixNano()
	c.Bool(&l.fell)
	if l.own != nil {
		l.own.State(c)
	}
}

func (p *portfolio) State(c *state.Codec) {
	c.Time(&p.day)
	c.Time(&p.until)
	c.Time(&p.closing)
	c.Time(&p.taken)
	c.Float(&p.value)
	p.ends.State(c)
	c.Float(&p.peak)
	c.Float(&p.deepest)
	p.history.State(c)
}

func (h *history) State(c *state.Codec) {
	for i := range h.rows {
		c.Floats(&h.rows[i])
	}
	c.Int(&h.next)
	c.Int(&h.count)
	c.Time(&h.day)
	if h.next < 0 || h.next >= len(h.rows) || h.count < 0 || h.count > len(h.rows) {
		c.Fail()
		h.next, h.count = 0, 0
	}
}
