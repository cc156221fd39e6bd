package paper

import (
	"maps"
	"slices"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/watch/state"
)

// State writes down what the venue was shown, or reads it back into one that was shown nothing yet: quotes, the volume
// of the running session and what we took of it, the closes behind the volatility. Orders and cash are the ledger's,
// which has to be the one it was, perhaps longer.
func (v *Venue) State(c *state.Codec) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !c.Reading() {
		v.recallAll()
	}
	entries := v.entries
	if c.Int(&entries); entries < 0 || entries > v.entries {
		c.Fail() // the ledger was longer when this was written
		return
	}
	if c.Reading() {
		for symbol, fills := range v.past {
			v.past[symbol] = slices.DeleteFunc(fills, func(f fill) bool { return f.entry <= entries })
		}
	}
	symbols := slices.Sorted(maps.Keys(v.quotes))
	n := c.Length(len(symbols))
	for i := 0; i < n && c.Broken() == nil; i++ {
		var symbol string
		if !c.Reading() {
			symbol = symbols[i]
		}
		if c.Text(&symbol); c.Reading() {
			v.quotes[symbol] = &quote{symbol: symbol, calendar: v.calendar(symbol)}
		}
		v.quotes[symbol].State(c)
	}
}

// State of one symbol's market between two instants.
func (q *quote) State(c *state.Codec) {
	c.Float(&q.price)
	c.Time(&q.at)
	c.Time(&q.before)
	c.Bool(&q.trading)
	c.Float(&q.low)
	c.Float(&q.high)
	c.Float(&q.volume)
	c.Bool(&q.bar)
	taken := q.taken.String()
	if c.Text(&taken); c.Reading() && c.Broken() == nil {
		var err error
		if q.taken, err = decimal.NewFromString(taken); err != nil || !writable(q.taken) {
			c.Fail()
			q.taken = decimal.Zero
		}
	}
	c.Time(&q.day)
	c.Float(&q.traded)
	c.Bool(&q.counted)
	c.Floats(&q.closes)
	c.Floats(&q.volumes)
	if len(q.closes) > sessionsMax || len(q.volumes) > sessionsMax {
		c.Fail()
	}
}

// A fill that the ledger tells of a time before this process: a part of a session's volume that is taken already.
type fill struct {
	entry int // in the ledger, from 1
	Entry
	quantity decimal.Decimal
}

// file notes what an entry of the opened ledger fills, before the entry is applied.
func (v *Venue) file(number int, e Entry) {
	o := v.byKey[e.Receipt.Key]
	if o == nil {
		return // it arrives, and nothing fills on arrival
	}
	if quantity := e.Receipt.Filled.Sub(o.receipt.Filled); quantity.IsPositive() {
		v.past[o.Symbol] = append(v.past[o.Symbol], fill{number, e, quantity})
	}
}

// recall counts those of a symbol's filed fills that had happened by now, which are the first ones.
func (v *Venue) recall(q *quote, happened func(fill) bool) {
	fills := v.past[q.symbol]
	for len(fills) > 0 && happened(fills[0]) {
		q.taken = q.taken.Add(fills[0].quantity)
		fills = fills[1:]
	}
	if v.past[q.symbol] = fills; len(fills) == 0 {
		delete(v.past, q.symbol)
	}
}

// recallAll counts all that is still filed: whoever asks for it has been shown everything that came before now.
func (v *Venue) recallAll() {
	for _, q := range v.quotes {
		v.recall(q, func(fill) bool { return true })
	}
	clear(v.past)
}

// recallBefore counts the fills on the quote that is about to be replaced.
func (v *Venue) recallBefore(in lifeboat.Instant) {
	if len(v.past) == 0 {
		return
	}
	for _, q := range v.heard {
		v.recall(q, func(f fill) bool { return f.At.Before(in.At) })
	}
}

// recallSince counts those on the quote that was just made, which were made in the same instant.
func (v *Venue) recallSince(in lifeboat.Instant) {
	if len(v.past) == 0 {
		return
	}
	for _, q := range v.heard {
		v.recall(q, func(f fill) bool { return !f.At.After(in.At) && !f.Quoted.After(q.at) })
	}
}
