package rule

import "lifeboat/watch/state"

// State hands over where every slot and fact stands, and what cells remember; the engine hands over its own. What is
// read goes into a board of the same conditions, put on it in the same order.
func (b *Board) State(c *state.Codec) {
	c.Bool(&b.begun)
	if slots, facts := c.Length(len(b.slots)), c.Length(len(b.facts)); slots != len(b.slots) || facts != len(b.facts) {
		c.Fail()
		return
	}
	for i := range b.slots {
		s := &b.slots[i]
		c.Float(&s.value)
		c.Bool(&s.known)
		c.Time(&s.last)
		c.Bool(&s.holds)
	}
	for i := range b.facts {
		f := &b.facts[i]
		t := uint64(f.truth)
		if c.Uint64(&t); t > uint64(yes) {
			c.Fail()
			return
		}
		f.truth = truth(t)
		if f.cell != nil {
			f.cell.State(c)
		}
	}
	if c.Reading() {
		b.restored()
	}
}

// restored puts the cursors where the values are, and notes what time may change.
func (b *Board) restored() {
	b.passing = b.passing[:0]
	for i := range b.slots {
		if s := &b.slots[i]; s.known {
			b.pass(s, false)
		}
	}
	for !b.factQueue.empty() { // what the cursors passed is known already
		b.facts[b.factQueue.pop()].queued = false
	}
	for i := range b.facts {
		if c := b.facts[i].cell; c != nil && b.facts[i].is == crossed && b.facts[i].truth == yes && (c.window == window{}) {
			b.passing = append(b.passing, factID(i))
		}
	}
	for _, id := range b.timed {
		b.expect(b.facts[id].cell.due)
	}
	for _, id := range b.clocks {
		b.expect(b.strikes(id))
	}
}

// State of a cell.
func (l *cell) State(c *state.Codec) {
	c.Time(&l.due)
	c.Time(&l.since)
	c.Duration(&l.before)
	c.Int(&l.closes)
	for i := range l.past {
		t := uint64(l.past[i])
		c.Uint64(&t)
		l.past[i] = min(truth(t), yes)
	}
	if c.Int(&l.next); l.next < 0 || l.next > len(l.past) {
		c.Fail()
		l.next = 0
	}
	c.Time(&l.until)
	t := uint64(l.last)
	c.Uint64(&t)
	l.last = min(truth(t), yes)
	c.Bool(&l.beyond)
	c.Bool(&l.seen)
}
