package app

import (
	"cmp"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

// Inventory is what is held and what it is worth, told with where each number is from. It is for people who want to look
// at it; what is decided on goes by the signals.
type Inventory struct {
	Currency string    `json:"currency"`
	At       time.Time `json:"at"`
	Held     []Held    `json:"positions"`
	// Total of what has a price; Unpriced counts the positions that have none and are not in it.
	Total    decimal.Decimal `json:"total"`
	Unpriced int             `json:"unpriced"`
	// Stale counts the positions whose price is older than it may be. They are in the total.
	Stale int `json:"stale"`
}

// Held is one position.
type Held struct {
	lifeboat.Position
	From string    `json:"from"`           // who says how much it is: plan, book (the plan moved by what was filled), or the source of a statement
	At   time.Time `json:"as_of,omitzero"` // when that was true; zero where nobody says
	// Price in the base currency, of one unit; nil where nobody knows one.
	Price     *decimal.Decimal `json:"price,omitempty"`
	PriceFrom string           `json:"price_from,omitempty"` // plan, feed, or the source of a statement
	PriceAt   time.Time        `json:"price_as_of,omitzero"`
	Stale     bool             `json:"stale,omitempty"` // the price is older than it may be, or of no known age
	Value     *decimal.Decimal `json:"value,omitempty"`
	Weight    *float64         `json:"weight,omitempty"` // share of the total
}

// Ledger folds a journal for an inventory: the book, the last prices, and each account's last statement.
type Ledger struct {
	Plan       lifeboat.PlanLoaded
	Book       *lifeboat.Book
	Statements map[string]lifeboat.Statement // :: account → the latest
	read       Record
}

// NewLedger of a base currency.
func NewLedger(currency string) *Ledger {
	return &Ledger{Book: lifeboat.NewBook(currency), Statements: map[string]lifeboat.Statement{}}
}

// Apply one entry.
func (l *Ledger) Apply(at time.Time, e lifeboat.Event) {
	l.Book.Apply(at, e)
	switch e := e.(type) {
	case lifeboat.PlanLoaded:
		l.Plan = e
	case lifeboat.Instant:
		l.read.read(at, e.Readings)
	case lifeboat.Statement:
		if before, ok := l.Statements[e.Account]; !ok || !e.At.Before(before.At) {
			l.Statements[e.Account] = e
		}
	}
}

// Take an inventory of a plan, of the plan alone where there is no ledger.
func Take(p *plan.Plan, l *Ledger, now time.Time) (Inventory, error) {
	calendars, err := newCalendars(p, nil, nil)
	if err != nil {
		return Inventory{}, err
	}
	t := taking{plan: p, ledger: l, now: now, calendars: calendars}
	inventory := Inventory{Currency: p.Portfolio.BaseCurrency, At: now, Held: []Held{}}
	positions, from := Positions(p), "plan"
	if l != nil {
		positions, from = l.Book.Positions(), "book"
	}
	for _, position := range positions {
		if position.Quantity.IsZero() {
			continue
		}
		h := t.value(Held{Position: position, From: from})
		switch {
		case h.Value == nil:
			inventory.Unpriced++
		case h.Stale:
			inventory.Stale++
		}
		if h.Value != nil {
			inventory.Total = inventory.Total.Add(*h.Value)
		}
		inventory.Held = append(inventory.Held, h)
	}
	inventory.weigh()
	return inventory, nil
}

// weigh what has a value against all that has.
func (i *Inventory) weigh() {
	if !i.Total.IsPositive() {
		return
	}
	for n := range i.Held {
		if value := i.Held[n].Value; value != nil {
			weight := value.DivRound(i.Total, 12).InexactFloat64()
			i.Held[n].Weight = &weight
		}
	}
}

type taking struct {
	plan      *plan.Plan
	ledger    *Ledger
	now       time.Time
	calendars *calendars
}

// A price and where it is from.
type priced struct {
	price decimal.Decimal
	from  string
	at    time.Time
	fresh bool
}

// value fills in who confirms the quantity, and the best price there is: one that is fresh, a feed's before a
// statement's; else the younger of the two; else what the plan notes.
func (t taking) value(h Held) Held {
	for _, noted := range t.plan.Holdings { // somebody said it when the plan was written, and nothing was traded since
		if when, ok := noted.When(); ok && noted.Account == h.Account && noted.Symbol == h.Symbol && noted.Quantity.Equal(h.Quantity) {
			h.From, h.At = cmp.Or(noted.Source, h.From), when
		}
	}
	line, said := t.line(h.Account, h.Symbol)
	if said.Account != "" && line.Says(h.Quantity) && !said.At.Before(h.At) {
		h.From, h.At = said.Source, said.At
	}
	if h.Symbol == t.plan.Portfolio.BaseCurrency {
		one := decimal.NewFromInt(1)
		h.Price, h.Value = &one, &h.Quantity
		return h
	}
	best, found := t.feed(h.Symbol)
	if other, ok := t.stated(line, said); ok && !best.fresh && (!found || other.fresh || other.at.After(best.at)) {
		best, found = other, true
	}
	if !found {
		best, found = t.noted(h.Symbol)
	}
	if found {
		value := best.price.Mul(h.Quantity)
		h.Price, h.PriceFrom, h.PriceAt, h.Stale, h.Value = &best.price, best.from, best.at, !best.fresh, &value
	}
	return h
}

func (t taking) line(account, symbol string) (lifeboat.StatementLine, lifeboat.Statement) {
	if t.ledger == nil {
		return lifeboat.StatementLine{}, lifeboat.Statement{}
	}
	s := t.ledger.Statements[account]
	line, _ := s.Line(symbol)
	return line, s
}

// feed is the last good reading of any source.
func (t taking) feed(symbol string) (best priced, found bool) {
	if t.ledger == nil {
		return best, false
	}
	_, staleAfter := fed(t.plan.Feeds)
	for _, key := range sorted(t.ledger.read.Readings) {
		r := t.ledger.read.Readings[key]
		if string(r.Series) != symbol || r.Value <= 0 || found && !r.At.After(best.at) {
			continue
		}
		limit := staleAfter(r.Series, r.Source)
		best, found = priced{decimal.NewFromFloat(r.Value), "feed", r.At, t.young(symbol, r.At, limit)}, true
	}
	return best, found
}

// stated is what the custodian counts one unit at: by the value where there is one, as a contract's price is that of a
// share and its value that of a hundred.
func (t taking) stated(l lifeboat.StatementLine, s lifeboat.Statement) (priced, bool) {
	if l.Currency != "" && l.Currency != t.plan.Portfolio.BaseCurrency || l.Price.IsZero() && l.Value.IsZero() {
		return priced{}, false
	}
	price := l.Price
	if !l.Value.IsZero() && !l.Quantity.IsZero() {
		price = l.Value.DivRound(l.Quantity, 12)
		if l.Price.Mul(l.Quantity).Round(2).Equal(l.Value.Round(2)) {
			price = l.Price // the same, and not rounded twice
		}
	}
	return priced{price, s.Source, s.At, t.young(l.Symbol, s.At, 0)}, price.IsPositive()
}

// noted is what the owner wrote beside a holding, of no known age.
func (t taking) noted(symbol string) (priced, bool) {
	for _, h := range t.plan.Holdings {
		if h.Symbol == symbol && !h.Price.IsZero() {
			return priced{price: h.Price, from: "plan"}, true
		}
	}
	return priced{}, false
}

// stalePositions is how old a price may be where nobody says, in the open time of its market.
const stalePositions = 24 * time.Hour

func (t taking) young(symbol string, at time.Time, limit time.Duration) bool {
	if limit <= 0 {
		limit = stalePositions
	}
	return t.calendars.of(symbol).OpenTime(at, t.now) <= limit
}
