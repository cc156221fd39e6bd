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
	ofBook   uint64 // its version, plus one
	offered  int
	holdings []holding // one per symbol, in the order of the book
	parts    []part    // one per position
	former   []holding // as they were before the owner registered others; nil once the two were compared
	version  uint64

	day     time.Time // of the running session
	until   time.Time // the next session's opening
	closing time.Time // the running session's close
	taken   time.Time // the last instant
	value   float64   // the last known one; NaN before there is any
	ends    ring      // the last known value of each session that is over, NaN where there was none
	peak    float64
	deepest float64 // drawdown
	history history

	moves  uint64 // whenever something moved that the value may depend on, but the book
	looked struct{ moves, version uint64 }
	now    valuation
	kinds  []string // of groups that somebody asks for
	sums   []float64
}

// A part is one position: how much of a holding lies in one account, and the groups that it belongs to.
type part struct {
	holding  int
	quantity float64
	groups   []string // by the index of their kind
}

// A holding is all there is of one symbol, over all accounts.
type holding struct {
	symbol, class string
	quantity      float64
	feed          *feed   // nil: cash in the base currency, or covered by no series
	volume        *feed   // nil: nobody tells
	fixed         float64 // price without a series
	priced        bool    // fixed is one
	value         float64 // at the last valuation
	fresh         bool
}

// A valuation is the book at one time's prices.
type valuation struct {
	at             time.Time
	moves, version uint64
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
		p.ends.push(p.value)
		e.fileCloses(p.taken)
	}
	p.moves++
	p.day, p.closing = running.Day, running.Close
	p.until = e.cfg.Calendar.Next(running.Open).Open
}

// settle lets the value move what is remembered of it, once all readings of an instant are in.
func (e *Engine) settle(at time.Time) {
	p := &e.portfolio
	e.rescale(at)
	if v := e.valued(at); v.known() && e.cfg.Book != nil {
		p.value = v.total
		p.peak = max(p.peak, v.total)
		if fall, known := below(p.peak, v.total); known && fall > p.deepest {
			p.deepest = fall
		}
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
	if p.ofBook == e.cfg.Book.Version()+1 && p.offered == e.offered {
		return
	}
	p.ofBook, p.offered = e.cfg.Book.Version()+1, e.offered
	p.version++
	e.gather()
}

func (e *Engine) gather() {
	p := &e.portfolio
	for _, f := range e.order {
		f.held = false
	}
	p.holdings, p.parts = p.holdings[:0], p.parts[:0]
	for _, position := range e.cfg.Book.Positions() {
		i := slices.IndexFunc(p.holdings, func(h holding) bool { return h.symbol == position.Symbol })
		if i < 0 {
			i = len(p.holdings)
			p.holdings = append(p.holdings, e.holding(position.Symbol))
		}
		quantity := position.Quantity.InexactFloat64()
		p.holdings[i].quantity += quantity
		p.parts = append(p.parts, part{i, quantity, e.groupsOf(position, p.holdings[i].class)})
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
		h.feed, f.held = f, true
	}
	if f := e.feeds[lifeboat.Series(symbol+".volume")]; f != nil && f.offered {
		h.volume, f.held = f, true
	}
	return h
}

// valued is the book at the prices of a time. A stale holding counts at its last price, and one that was never seen at
// the plan's, as long as their share is small; one that no series covers counts at the plan's and is not stale.
func (e *Engine) valued(at time.Time) *valuation {
	e.count()
	p := &e.portfolio
	v := &p.now
	if v.moves != p.moves+1 || v.version != p.version || e.MayGoStale(at) && !v.at.Equal(at) {
		*v = appraise(p.holdings, at)
		v.moves, v.version = p.moves+1, p.version
	}
	v.at = at
	return v
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
	p.moves++
	if !before.priced || before.total <= 0 || after.total <= 0 {
		p.value, p.peak, p.deepest = math.NaN(), 0, 0
		p.ends.scale(math.NaN())
		return
	}
	grown := after.total / before.total
	p.value *= grown
	p.ends.scale(grown)
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
	switch n.Op {
	case VaR, ES:
		if !e.valued(at).known() {
			return 0, false
		}
		return e.valueAtRisk(n)
	case Value, Weight:
		return e.part(n.Op == Weight, n.Of, at)
	}
	v := e.valued(at)
	if !v.known() {
		return 0, false
	}
	p := &e.portfolio
	switch n.Op {
	case PortfolioValue:
		return v.total, true
	case PortfolioReturn:
		return change(p.ends.back(n.N), v.total)
	case PortfolioDrawdown:
		return below(max(p.peak, v.total), v.total)
	case PortfolioMaxDrawdown:
		fall, known := below(max(p.peak, v.total), v.total)
		return max(fall, p.deepest), known
	case ClassValue:
		return e.ofClass(n.Of)
	case ClassWeight:
		return e.weightOfClass(n.Of, v.total)
	case CashWeight:
		return e.weightOfClass("cash", v.total)
	case Herfindahl, Concentration:
		return e.concentration(n, v.total)
	case DaysToExit:
		return e.daysToExit(n.Level)
	case Exitable:
		return e.exitable(n, v.total)
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

// ofClass is the value of a class. As the portfolio's, it is unknown while more than a twentieth of it stands on stale
// prices: a reserve that nobody quotes is not known to be there because it is a small part of the whole.
func (e *Engine) ofClass(class string) (sum float64, known bool) {
	var all, stale float64
	for i := range e.portfolio.holdings {
		h := &e.portfolio.holdings[i]
		if h.class != class {
			continue
		}
		sum += h.value
		all += math.Abs(h.value)
		if !h.fresh {
			stale += math.Abs(h.value)
		}
	}
	return sum, stale <= staleShareMax*all
}

func (e *Engine) weightOfClass(class string, total float64) (float64, bool) {
	sum, known := e.ofClass(class)
	weight, whole := share(sum, total)
	return weight, known && whole
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
	return f.usual()
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
