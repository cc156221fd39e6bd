package signal

import (
	"math"
	"slices"
	"time"

	"lifeboat/risk"
)

const (
	// varSessions is how many session returns a value at risk looks back on.
	varSessions = 250
	// varSessionsMin is how many it needs; fewer say nothing about one session in twenty.
	varSessionsMin = 100
)

// history is the closes of every priced series at the portfolio's session ends, for re-pricing today's book.
type history struct {
	rows    [varSessions + 1][]float64 // by feed.index; NaN where there was no fresh price
	next    int
	count   int
	day     time.Time // session of the last row
	version uint64    // moves whenever a row does
	returns []float64
}

// fileCloses files the closes of the running session: with the first instant at or after its close, so that its own
// loss counts from then on, and once more when the next session begins, with what came late.
func (e *Engine) fileCloses(at time.Time) {
	h := &e.portfolio.history
	begun := h.day.Equal(e.portfolio.day)
	if !begun {
		h.day = e.portfolio.day
		h.next = (h.next + 1) % len(h.rows)
		h.count = min(h.count+1, len(h.rows))
	}
	row := h.rows[h.next]
	moved := !begun || len(row) != len(e.order)
	row = slices.Grow(row[:0], len(e.order))[:len(e.order)]
	for i, f := range e.order {
		v := math.NaN()
		if f.price {
			if level, fresh := f.level(at); fresh {
				v = level
			}
		}
		moved = moved || v != row[i] && !(math.IsNaN(v) && math.IsNaN(row[i]))
		row[i] = v
	}
	if h.rows[h.next] = row; moved {
		h.version++
		e.portfolio.moves++
	}
}

// back is the n-th row from the end, counted from zero.
func (h *history) back(n int) []float64 {
	return h.rows[(h.next-n+len(h.rows))%len(h.rows)]
}

// valueAtRisk is worked out once per session end or fill: historical simulation, which lets the returns of the last
// sessions happen to the book of now at the prices of the last session's end. A session in which one of the holdings
// had no fresh price is left out; cash and what no series covers do not move. The running session is not part of it
// before its close.
func (e *Engine) valueAtRisk(n *node) (float64, bool) {
	e.count()
	p := &e.portfolio
	if n.memo.ofPast != p.history.version+1 || n.memo.ofBook != p.version {
		n.memo.ofPast, n.memo.ofBook = p.history.version+1, p.version
		n.memo.mean, n.memo.known = e.simulate(n.Op == ES, n.Level)
	}
	return n.memo.mean, n.memo.known
}

func (e *Engine) simulate(beyond bool, confidence float64) (float64, bool) {
	h := &e.portfolio.history
	total, known := e.worthAt(h)
	if !known || total <= 0 {
		return 0, false
	}
	h.returns = h.returns[:0]
	for i := h.count - 2; i >= 0; i-- {
		if gain, known := e.gain(h, i); known {
			h.returns = append(h.returns, gain/total)
		}
	}
	if len(h.returns) < varSessionsMin {
		return 0, false
	}
	return loss(beyond, h.returns, confidence)
}

// loss is the value at risk of returns, or the shortfall beyond it. It sorts them where they stand.
func loss(beyond bool, returns []float64, confidence float64) (float64, bool) {
	slices.Sort(returns)
	v, err := risk.HistoricalVaR(returns, confidence)
	if beyond {
		v, err = risk.HistoricalES(returns, confidence)
	}
	return v, err == nil
}

// worthAt is the book at the last row's closes.
func (e *Engine) worthAt(h *history) (float64, bool) {
	var total float64
	for i := range e.portfolio.holdings {
		holding := &e.portfolio.holdings[i]
		switch {
		case holding.quantity == 0:
		case holding.feed != nil:
			total += holding.quantity * h.price(0, holding.feed)
		case !holding.priced:
			return 0, false
		default:
			total += holding.quantity * holding.fixed
		}
	}
	return total, !math.IsNaN(total)
}

// gain of the book if the session of a row happened to it again.
func (e *Engine) gain(h *history, row int) (float64, bool) {
	var gain float64
	for i := range e.portfolio.holdings {
		holding := &e.portfolio.holdings[i]
		if holding.feed == nil || holding.quantity == 0 {
			continue
		}
		before := h.price(row+1, holding.feed)
		if before == 0 {
			return 0, false
		}
		gain += holding.quantity * h.price(0, holding.feed) * (h.price(row, holding.feed)/before - 1)
	}
	return gain, !math.IsNaN(gain) && !math.IsInf(gain, 0)
}

// price in a row. A series that became known later has none.
func (h *history) price(back int, f *feed) float64 {
	if row := h.back(back); f.index < len(row) {
		return row[f.index]
	}
	return math.NaN()
}
