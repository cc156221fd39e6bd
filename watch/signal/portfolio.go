package signal

import (
	"math"
	"slices"
	"time"

	"lifeboat"
)

// staleShareMax is how much of the portfolio may stand on stale prices before its value is unknown. Below it the last
// prices count, and the gap is reported beside the value: one forgotten token must not blind the whole watch, and a
// large holding without a price must.
const staleShareMax = 0.05

// portfolio is the state of what is owned: what it was worth, and the closes of what it may hold.
type portfolio struct {
	// What the book said when it was last counted.
	positions []lifeboat.Position
	offered   int
	holdings  []holding // one per symbol, in the order of the book
	former    []holding // as they were before the owner registered others; nil once the two were compared
	version   uint64

	day      time.Time // of the running session
	until    time.Time // the next session's opening
	closing  time.Time // the running session's close
	taken    time.Time // the last instant
	value    worth     // the last known one
	previous worth     // the last known one of the session before
	peak     float64
	history  history

	now valuation
}

type worth struct {
	value float64
	known bool
}

// A holding is all there is of one symbol, over all accounts.
type holding struct {
	symbol, class string
	quantity      float64
	feed          *feed   // nil: cash in the base currency, or covered by no series
	fixed         float64 // price without a series
	priced        bool    // fixed is one
	value         float64 // at the last valuation
	fresh         bool
}

// A valuation is the book at one time's prices.
type valuation struct {
	at             time.Time
	takes, version uint64
	total, stale   float64
	priced         bool // every holding has some price
}

func (v *valuation) known() bool {
	return v.priced && v.stale <= staleShareMax*math.Abs(v.total)
}

// roll notices that an instant begins a session of the portfolio.
func (e *Engine) roll(at time.Time) {
	p := &e.portfolio
	if at.Before(p.until) {
		return
	}
	running := e.cfg.Calendar.Of(at)
	if running.Day.Equal(p.day) {
		return
	}
	if !p.day.IsZero() {
		p.previous = p.value
		e.fileCloses(p.taken)
	}
	p.day, p.closing = running.Day, running.Close
	p.until = e.cfg.Calendar.Next(running.Open).Open
}

// settle lets the value move what is remembered of it, once all readings of an instant are in.
func (e *Engine) settle(at time.Time) {
	p := &e.portfolio
	e.rescale(at)
	if v := e.valued(at); v.known() && e.cfg.Book != nil {
		p.value = worth{v.total, true}
		p.peak = max(p.peak, v.total)
	}
	if p.taken = at; !at.Before(p.closing) && !p.history.day.Equal(p.day) {
		e.fileCloses(at)
	}
}

// count takes the book's positions over when a fill moved them, or when a series turned up that may price them. A fill
// exchanges one thing for another at about its price, so nothing that is remembered of the value has to change.
func (e *Engine) count() {
	p := &e.portfolio
	if e.cfg.Book == nil {
		return
	}
	if positions := e.cfg.Book.Positions(); p.version == 0 || p.offered != e.offered || !same(p.positions, positions) {
		p.positions = append(p.positions[:0], positions...)
		p.offered = e.offered
		p.version++
		e.gather()
	}
}

// same compares quantities by identity: a decimal that was replaced by an equal one only costs a count.
func same(a, b []lifeboat.Position) bool {
	return slices.EqualFunc(a, b, func(a, b lifeboat.Position) bool { return a == b })
}

func (e *Engine) gather() {
	p := &e.portfolio
	p.holdings = p.holdings[:0]
	for _, position := range p.positions {
		i := slices.IndexFunc(p.holdings, func(h holding) bool { return h.symbol == position.Symbol })
		if i < 0 {
			i = len(p.holdings)
			p.holdings = append(p.holdings, e.holding(position.Symbol))
		}
		p.holdings[i].quantity += position.Quantity.InexactFloat64()
	}
}

func (e *Engine) holding(symbol string) holding {
	h := holding{symbol: symbol, class: e.cfg.Class(symbol)}
	if symbol == e.cfg.Book.Currency() {
		h.class, h.fixed, h.priced = "cash", 1, true
		return h
	}
	h.fixed, h.priced = e.cfg.Prices[symbol]
	if f := e.feeds[lifeboat.Series(symbol)]; f != nil && f.offered {
		h.feed = f
	}
	return h
}

// valued is the book at the prices of a time. A stale holding counts at its last price, and one that was never seen at
// the plan's, as long as their share is small; one that no series covers counts at the plan's and is not stale.
func (e *Engine) valued(at time.Time) *valuation {
	e.count()
	p := &e.portfolio
	if v := &p.now; v.takes != e.takes || v.version != p.version || !v.at.Equal(at) {
		*v = appraise(p.holdings, at)
		v.at, v.takes, v.version = at, e.takes, p.version
	}
	return &p.now
}

// appraise values holdings at a time's prices.
func appraise(holdings []holding, at time.Time) valuation {
	now := valuation{priced: true}
	for i := range holdings {
		h := &holdings[i]
		price, priced := h.price(at)
		h.value = h.quantity * price
		now.total += h.value
		if !h.fresh {
			now.stale += math.Abs(h.value)
		}
		if !priced && h.quantity != 0 {
			now.priced = false
		}
	}
	return now
}

// Register tells the engine that the owner registered other positions than before. What came or went that way was
// neither gained nor lost, so all that is remembered of the portfolio's value moves in proportion.
func (e *Engine) Register(at time.Time) {
	p := &e.portfolio
	if p.version == 0 {
		return
	}
	if p.former == nil {
		p.former = slices.Clone(p.holdings)
	}
	e.rescale(at)
}

// rescale compares what was registered before with what is now, once both can be priced: what came new may not have a
// price yet, and to forget a loss over that would be to call it off. Where the proportion cannot be told even then, all
// that is remembered is forgotten.
func (e *Engine) rescale(at time.Time) {
	p := &e.portfolio
	if p.former == nil {
		return
	}
	e.count()
	before, after := appraise(p.former, at), appraise(p.holdings, at)
	if !after.priced {
		return
	}
	p.former = nil
	if !before.priced || before.total <= 0 || after.total <= 0 {
		p.value, p.previous, p.peak = worth{}, worth{}, 0
		return
	}
	grown := after.total / before.total
	p.value.value *= grown
	p.previous.value *= grown
	p.peak *= grown
}

// price of a holding, and whether there is any. It notes whether the price is fresh.
func (h *holding) price(at time.Time) (float64, bool) {
	if h.feed == nil {
		h.fresh = true
		return h.fixed, h.priced
	}
	v, fresh := h.feed.level(at)
	h.fresh = fresh
	switch {
	case fresh:
		return v, true
	case h.feed.agreed:
		return h.feed.consensus.value, true
	}
	return h.fixed, h.priced
}

func (e *Engine) ofPortfolio(n *node, at time.Time) (float64, bool) {
	if e.cfg.Book == nil {
		return 0, false
	}
	if n.Op == VaR {
		return e.valueAtRisk(n)
	}
	v := e.valued(at)
	if n.Op == Value || n.Op == Weight {
		return e.part(n.Op == Weight, n.Of, at)
	}
	if !v.known() {
		return 0, false
	}
	p := &e.portfolio
	switch n.Op {
	case PortfolioValue:
		return v.total, true
	case PortfolioReturn:
		if !p.previous.known {
			return 0, false
		}
		return change(p.previous.value, v.total)
	case PortfolioDrawdown:
		return below(max(p.peak, v.total), v.total)
	case ClassValue:
		return e.ofClass(n.Of), true
	case ClassWeight:
		return share(e.ofClass(n.Of), v.total)
	case CashWeight:
		return share(e.ofClass("cash"), v.total)
	}
	return 0, false
}

// part is the value or weight of one symbol. What is not held is worth nothing, whatever its price.
func (e *Engine) part(weight bool, symbol string, at time.Time) (float64, bool) {
	v := e.valued(at)
	var value float64
	i := slices.IndexFunc(e.portfolio.holdings, func(h holding) bool { return h.symbol == symbol })
	if i >= 0 {
		h := &e.portfolio.holdings[i]
		if value = h.value; !h.fresh && h.quantity != 0 {
			return 0, false
		}
	}
	if weight {
		w, known := share(value, v.total)
		return w, known && v.known()
	}
	return value, true
}

func (e *Engine) ofClass(class string) float64 {
	var sum float64
	for i := range e.portfolio.holdings {
		if h := &e.portfolio.holdings[i]; h.class == class {
			sum += h.value
		}
	}
	return sum
}

func share(part, whole float64) (float64, bool) { return part / whole, whole > 0 }

// PortfolioValue is what the book is worth; unknown while more than a twentieth of it stands on stale prices.
func (e *Engine) PortfolioValue(at time.Time) (v float64, known bool) {
	return e.ofPortfolio(&node{Node: Node{Op: PortfolioValue}}, at)
}

// Weight of a symbol in the portfolio.
func (e *Engine) Weight(symbol string, at time.Time) (v float64, known bool) {
	return e.ofPortfolio(&node{Node: Node{Op: Weight, Of: symbol}}, at)
}

// ClassWeight is the weight of a class in the portfolio.
func (e *Engine) ClassWeight(class string, at time.Time) (v float64, known bool) {
	return e.ofPortfolio(&node{Node: Node{Op: ClassWeight, Of: class}}, at)
}

// CashWeight is the share of cash in the portfolio.
func (e *Engine) CashWeight(at time.Time) (v float64, known bool) {
	return e.ofPortfolio(&node{Node: Node{Op: CashWeight}}, at)
}

// Price of a symbol as far as anybody knows: what its sources agree on; the last of it, marked stale; one, for the base
// currency; the plan's own price, marked stale and without a time.
func (e *Engine) Price(symbol string, at time.Time) (v float64, seen time.Time, quality lifeboat.Quality) {
	if e.cfg.Book != nil && symbol == e.cfg.Book.Currency() {
		return 1, at, lifeboat.Good
	}
	if f := e.feeds[lifeboat.Series(symbol)]; f != nil && f.agreed {
		if v, fresh := f.level(at); fresh {
			return v, f.last(), lifeboat.Good
		}
		return f.consensus.value, f.last(), lifeboat.Stale
	}
	if v, known := e.cfg.Prices[symbol]; known {
		return v, time.Time{}, lifeboat.Stale
	}
	return 0, time.Time{}, lifeboat.None
}

// ADV is the mean volume of the 20 sessions before the running one; of those there are, when there are fewer.
func (e *Engine) ADV(symbol string) (v float64, known bool) {
	f := e.feeds[lifeboat.Series(symbol+".volume")]
	if f == nil {
		return 0, false
	}
	return f.consensus.closes.mean(min(volumeSessions, f.consensus.closes.count))
}

// Held lists the series that price the book, in its order. The slice is new; the list changes with fills.
func (e *Engine) Held() []lifeboat.Series {
	e.count()
	var held []lifeboat.Series
	for i := range e.portfolio.holdings {
		if h := &e.portfolio.holdings[i]; h.feed != nil && h.quantity != 0 {
			held = append(held, h.feed.series)
		}
	}
	return held
}

// BookVersion changes when the book was counted anew; the list of Held is the same as long as it does not.
func (e *Engine) BookVersion() uint64 {
	e.count()
	return e.portfolio.version
}

// Uncovered lists the symbols in the book that no series prices.
func (e *Engine) Uncovered() []string {
	e.count()
	var symbols []string
	for i := range e.portfolio.holdings {
		if h := &e.portfolio.holdings[i]; h.feed == nil && h.symbol != e.cfg.Book.Currency() && h.quantity != 0 {
			symbols = append(symbols, h.symbol)
		}
	}
	return symbols
}
