package window

import (
	"math"

	"lifeboat/watch/state"
)

// State writes the track down, or reads it back into one that was asked the same questions in the same order. What
// follows from the readings is not written but worked out again, in the same order, to the same bits.
func (t *Track) State(c *state.Codec) {
	c.Int64(&t.since)
	c.Bool(&t.full)
	c.Uint64(&t.refused)
	right := t.kept.state(c)
	for i := range t.frames {
		if f := &t.frames[i]; f.sums {
			c.Int64(&f.parts.mid)
			c.Int64(&f.parts.block)
			c.Int64(&f.parts.split)
		}
	}
	if c.Reading() && !(right && t.restore()) {
		c.Fail()
		t.clear()
	}
}

func (k *kept) state(c *state.Codec) (right bool) {
	c.Int64(&k.oldest)
	n := int64(c.Length(int(k.count())))
	if !c.Reading() {
		for i := k.oldest; i < k.next; i++ {
			r := k.at(i)
			c.Int64(&r.at)
			c.Float(&r.value)
		}
		return true
	}
	oldest := k.oldest
	*k = kept{summed: k.summed, oldest: oldest, next: oldest, base: oldest >> blockBits}
	if oldest < 0 || oldest > math.MaxInt64/2 || n > ReadingsMax {
		return false
	}
	previous := int64(math.MinInt64)
	for range n {
		var r reading
		c.Int64(&r.at)
		c.Float(&r.value)
		if r.value-r.value != 0 || r.at < previous {
			return false
		}
		previous = r.at
		k.push(r)
	}
	return true
}

// restore works out what follows from the readings that are kept.
func (t *Track) restore() bool {
	k := &t.kept
	if k.count() == 0 {
		if k.next == 0 {
			t.clear()
		}
		return k.next == 0
	}
	newest := *k.at(k.next - 1)
	t.at, t.last = newest.at, newest.value
	for i := range t.frames {
		f := &t.frames[i]
		f.first = k.oldest
		for uint64(t.at-k.at(f.first).at) >= f.span { // ends: the newest is inside
			f.first++
		}
		if f.sums && !f.parts.restore(k, f.first) {
			return false
		}
		if f.order != nil {
			keys := make([]uint64, 0, k.next-f.first)
			for i := f.first; i < k.next; i++ {
				keys = append(keys, keyOf(k.at(i).value))
			}
			f.order.load(keys)
		}
	}
	return true
}

// restore checks the three cuts, and does what was done between them.
func (p *parts) restore(k *kept, first int64) bool {
	end := min((p.block+1)<<blockBits, k.next)
	switch {
	case p.block < 0 || p.block > k.last() || p.split < 0 || p.split > max(k.last(), p.block+1):
		return false
	case first < p.block<<blockBits || first > p.mid || p.mid > end:
		return false
	}
	*p = parts{mid: p.mid, block: p.block, split: p.split}
	p.fill(k, first, p.mid)
	for i := p.mid; i < end; i++ {
		p.rest.add(k.at(i).value)
	}
	p.stack(k, p.block+1, p.split)
	for b := max(p.block+1, p.split); b < k.last(); b++ {
		p.later.join(k.sum(b))
	}
	p.join()
	return true
}

// clear leaves nothing but the questions.
func (t *Track) clear() {
	for i := range t.frames {
		f := &t.frames[i]
		f.first, f.parts = 0, parts{}
		if f.order != nil {
			f.order.load(nil)
		}
	}
	*t = Track{questions: t.questions, frames: t.frames, kept: kept{summed: t.kept.summed}, refused: t.refused}
}
