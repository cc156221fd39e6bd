package paper

import (
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
)

// View is an order as its owner may see it. The slice is the reader's own.
type View struct {
	Ticket
	Receipt    lifeboat.Receipt
	Placed     time.Time
	Changed    time.Time // the last time anything became of it
	Ended      time.Time // zero while it is open
	Sleeps     bool      // a leg whose parent is not filled yet
	Mark       decimal.Decimal
	StopAt     decimal.Decimal // the price that wakes it now; 0 for none
	ReplacedBy lifeboat.Key
	Legs       []lifeboat.Key
}

func (v *Venue) view(o *order) View {
	w := View{Ticket: Ticket{o.Order, o.terms}, Receipt: o.receipt, Placed: o.placed, Changed: o.since, Sleeps: o.waits, Mark: o.mark,
		ReplacedBy: o.replacedBy, Legs: append([]lifeboat.Key(nil), o.legs...)}
	if o.stops() {
		w.StopAt = o.stopAt()
	}
	if o.receipt.Status.Final() {
		w.Ended = o.since
	}
	return w
}

// View of the order under a key; false when there is none.
func (v *Venue) View(id lifeboat.Key) (View, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	o := v.byKey[id]
	if o == nil {
		return View{}, false
	}
	return v.view(o), true
}

// ViewByVenueID finds an order by the id that the venue gave it.
func (v *Venue) ViewByVenueID(id string) (View, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	o := v.byVenueID[id]
	if o == nil {
		return View{}, false
	}
	return v.view(o), true
}

// Views of the orders that fit, at most limit of them, as they were placed or the last placed first.
func (v *Venue) Views(limit int, newestFirst bool, fits func(View) bool) []View {
	v.mu.Lock()
	defer v.mu.Unlock()
	var found []View
	for i := range v.orders {
		o := v.orders[i]
		if newestFirst {
			o = v.orders[len(v.orders)-1-i]
		}
		if len(found) == limit {
			break
		}
		if w := v.view(o); fits(w) {
			found = append(found, w)
		}
	}
	return found
}

// FindOpen is the first open order of one side that fits and does not sleep; false when there is none. It calls back under
// the venue's lock.
func (v *Venue) FindOpen(symbol string, side lifeboat.Side, fits func(Ticket) bool) (View, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, o := range v.open {
		if o.Side == side && o.Symbol == symbol && !o.waits && !o.receipt.Status.Final() && fits(Ticket{o.Order, o.terms}) {
			return v.view(o), true
		}
	}
	return View{}, false
}

// OpenSymbols are those with open orders, as these were placed.
func (v *Venue) OpenSymbols() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var symbols []string
	for _, o := range v.open {
		if !slices.Contains(symbols, o.Symbol) {
			symbols = append(symbols, o.Symbol)
		}
	}
	return symbols
}

// OpenViews are the open orders, as they were placed.
func (v *Venue) OpenViews() []View {
	v.mu.Lock()
	defer v.mu.Unlock()
	open := make([]View, 0, len(v.open))
	for _, o := range v.open {
		if !o.receipt.Status.Final() {
			open = append(open, v.view(o))
		}
	}
	return open
}

// Holding is a position with what was paid for it.
type Holding struct {
	Symbol   string
	Quantity decimal.Decimal
	Claimed  decimal.Decimal // by open sales
	Cost     decimal.Decimal // of all of it
}

// Account in money and stocks at one instant.
type Account struct {
	Cash     decimal.Decimal
	Claimed  decimal.Decimal // by open purchases
	Holdings []Holding       // without those of which nothing is left
}

// Statement says what the account has.
func (v *Venue) Statement() Account {
	v.mu.Lock()
	defer v.mu.Unlock()
	a := Account{Claimed: v.claimed[v.cfg.Currency]}
	for _, p := range v.book.Positions() {
		switch {
		case p.Account != v.cfg.Account:
		case p.Symbol == v.cfg.Currency:
			a.Cash = p.Quantity
		case !p.Quantity.IsZero():
			a.Holdings = append(a.Holdings, Holding{Symbol: p.Symbol, Quantity: p.Quantity, Claimed: v.claimed[p.Symbol], Cost: v.costs[p.Symbol]})
		}
	}
	return a
}

// Symbols that are quoted, in their order.
func (v *Venue) Symbols() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	quoted := make([]string, 0, len(v.quotes))
	for symbol, q := range v.quotes {
		if q.price > 0 {
			quoted = append(quoted, symbol)
		}
	}
	slices.Sort(quoted)
	return quoted
}

// Market is what the venue knows of a symbol now.
type Market struct {
	Symbol   string
	Price    decimal.Decimal
	Bid, Ask decimal.Decimal
	At       time.Time
	Previous decimal.Decimal // the close of the session before; the price itself when none is known
	Day      time.Time       // of the session that the price belongs to
}

// Market of a symbol; false when nobody quotes it.
func (v *Venue) Market(symbol string) (Market, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	q := v.quotes[symbol]
	if q == nil || q.price == 0 {
		return Market{}, false
	}
	half := v.cfg.HalfSpread(symbol)
	m := Market{Symbol: symbol, Price: priced(q.price), Bid: priced(q.price * (1 - half)), Ask: priced(q.price * (1 + half)), At: q.at, Day: q.day}
	if m.Previous = m.Price; len(q.closes) > 0 {
		m.Previous = priced(q.closes[len(q.closes)-1])
	}
	return m, true
}
