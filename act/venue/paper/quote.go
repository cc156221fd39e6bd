package paper

import (
	"math"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/risk"
	"lifeboat/session"
)

// column of a symbol's bar.
type column int

const (
	lastPrice column = iota // "SPY": the price now, at a session's end its close
	openPrice
	lowPrice
	highPrice
	barVolume
	columns
)

var columnNames = [columns]string{lastPrice: "", openPrice: "open", lowPrice: "low", highPrice: "high", barVolume: "volume"}

// quote is the market of one symbol as it was last shown.
type quote struct {
	symbol   string
	calendar *session.Calendar

	said   [columns][]float64 // what this instant's readings say, one value per source; emptied when taken
	saidAt time.Time          // the oldest of them; zero when nothing was said

	price     float64 // 0 until there was one
	at        time.Time
	before    time.Time       // of the quote before: the bar that ends with this quote began no earlier
	trading   bool            // the price was made while the market was open, its close included
	low, high float64         // of that bar; 0 when it came without
	volume    float64         // of that bar
	bar       bool            // it came with a volume
	taken     decimal.Decimal // what we traded of the volume that bounds us now

	day     time.Time // of the session all this belongs to
	traded  float64   // volume of that session so far
	counted bool      // the session had a volume at all
	closes  []float64 // last prices of past sessions, oldest first
	volumes []float64 // volumes of past sessions, oldest first
}

// Show lets news of the market in: quotes move, then resting orders match, oldest first.
//
// Only good readings make a quote. A price at or below zero makes none: nothing is sold for less than nothing here,
// and a purchase at such a price would be a feed's mistake turned into money. What is older than the symbol's last
// quote moves nothing. Showing an instant again, as after a restart, fills nothing twice: an order matches only quotes
// that are younger than its placement and its last fill. What the ledger says was filled then counts as taken of the
// volume again.
func (v *Venue) Show(in lifeboat.Instant) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range in.Readings {
		v.hear(in.At, r)
	}
	v.recallBefore(in)
	for _, q := range v.heard {
		q.take()
	}
	v.recallSince(in)
	v.heard = v.heard[:0]
	v.trip(in.At)
	if len(v.open) == 0 {
		return nil
	}
	defer v.forgetClosed()
	for _, o := range v.open {
		q := v.quotes[o.Symbol]
		if q == nil || !q.at.After(o.since) || o.receipt.Status.Final() || !v.dealsOn(in.At, o, q) {
			continue
		}
		if err := v.match(in.At, o, q); err != nil {
			return err
		}
		if o.terms.Force == AtOpen && !o.receipt.Status.Final() {
			if err := v.end(in.At, o, lifeboat.Expired, "the opening left it over"); err != nil {
				return err
			}
		}
	}
	return nil
}

// hear collects a reading: all that one instant says of a symbol is taken together.
func (v *Venue) hear(at time.Time, r lifeboat.Reading) {
	symbol, name := r.Series.Column()
	c := column(slices.Index(columnNames[:], name))
	usable := c == barVolume && r.Value >= 0 || c >= 0 && r.Value > 0
	if r.Quality != lifeboat.Good || !usable || math.IsInf(r.Value, 0) {
		return
	}
	q := v.quotes[symbol]
	if q == nil {
		q = &quote{symbol: symbol, calendar: v.calendar(symbol)}
		v.quotes[symbol] = q
	}
	if !r.At.IsZero() {
		at = r.At
	}
	if q.saidAt.IsZero() {
		v.heard = append(v.heard, q)
	}
	if q.saidAt.IsZero() || at.Before(q.saidAt) {
		q.saidAt = at
	}
	q.said[c] = append(q.said[c], r.Value)
}

func (v *Venue) calendar(symbol string) *session.Calendar {
	if v.cfg.Calendar != nil {
		if c := v.cfg.Calendar(symbol); c != nil {
			return c
		}
	}
	return session.AllDay()
}

// take makes a quote of what was heard. A bar's opening counts as its price only while there is no later one.
func (q *quote) take() {
	at := q.saidAt
	defer q.forget()
	if at.Before(q.at) {
		return
	}
	belongs := q.calendar.Of(at)
	if !belongs.Day.Equal(q.day) {
		q.endSession()
		q.day = belongs.Day
	}
	bar := len(q.said[barVolume]) > 0
	if bar {
		q.traded += middle(q.said[barVolume], 0)
		q.counted = true
	}
	price := middle(q.said[lastPrice], q.price)
	if price == 0 {
		price = middle(q.said[openPrice], q.price)
	}
	if price == 0 {
		return
	}
	if q.bar { // the quote before ended a bar: its volume bounds us no longer
		q.taken = decimal.Zero
	}
	q.before, q.at, q.price = q.at, at, price
	q.trading = !at.After(belongs.Close)
	q.low, q.high = middle(q.said[lowPrice], 0), middle(q.said[highPrice], 0)
	q.bar, q.volume = bar, middle(q.said[barVolume], 0)
}

func (q *quote) forget() {
	for c := range q.said {
		q.said[c] = q.said[c][:0]
	}
	q.saidAt = time.Time{}
}

// endSession files the session's last price and volume among the past ones.
func (q *quote) endSession() {
	if q.price > 0 {
		q.closes = remember(q.closes, q.price)
	}
	if q.counted {
		q.volumes = remember(q.volumes, q.traded)
	}
	q.traded, q.counted, q.taken = 0, false, decimal.Zero
}

// sessionsMax is how many past sessions volume and volatility are taken from.
const sessionsMax = 20

func remember(past []float64, value float64) []float64 {
	if len(past) < sessionsMax {
		return append(past, value)
	}
	copy(past, past[1:])
	past[len(past)-1] = value
	return past
}

// usualVolume of a session; false when no past session had one, and nobody said it beforehand.
func (v *Venue) usualVolume(q *quote) (float64, bool) {
	if len(q.volumes) == 0 {
		volume, _ := v.cfg.Usual(q.symbol)
		return volume, volume > 0
	}
	sum := 0.0
	for _, volume := range q.volumes {
		sum += volume
	}
	return sum / float64(len(q.volumes)), true
}

// volatility of a day, as a fraction; 0 before three sessions have closed, when nobody can say, or what was said
// beforehand.
func (v *Venue) volatility(q *quote) float64 {
	if len(q.closes) < 3 {
		_, volatility := v.cfg.Usual(q.symbol)
		return volatility
	}
	var returns []float64
	for i := 1; i < len(q.closes); i++ {
		returns = append(returns, q.closes[i]/q.closes[i-1]-1)
	}
	sigma, err := risk.Volatility(returns)
	if err != nil {
		return 0
	}
	return sigma
}

// middle is the median of what several sources say; 0 when nobody said anything. Of two middle values it is the one
// nearer to what was true before, so that of two sources the one that lies cannot move it; their mean when there was
// nothing before.
func middle(values []float64, before float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	slices.Sort(values)
	below, above := values[(n-1)/2], values[n/2]
	switch {
	case before == 0:
		return below + (above-below)/2
	case before-below <= above-before:
		return below
	}
	return above
}
