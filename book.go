package lifeboat

import (
	"cmp"
	"slices"
	"time"

	"github.com/shopspring/decimal"
)

// Position is how much of a symbol an account holds. Cash is a position in the base currency.
type Position struct {
	Account  string          `json:"account"`
	Symbol   string          `json:"symbol"`
	Quantity decimal.Decimal `json:"quantity"`
}

// Book is what is owned, account by account: what the owner registered, moved by every receipt since.
type Book struct {
	currency   string
	positions  []Position      // in the order of the plan, later ones as they were first bought
	registered []Position      // by the plan in force
	stated     map[string]bool // accounts whose custodian has had the last word
	orders     map[Key]*bookedOrder
	version    uint64
}

// A bookedOrder is an order that may still fill.
type bookedOrder struct {
	order Order
	done  Receipt // what has been booked so far
}

// NewBook opens an empty book in a base currency; [PlanLoaded] fills it.
func NewBook(currency string) *Book {
	return &Book{currency: currency, orders: map[Key]*bookedOrder{}}
}

// Currency is the base currency's code.
func (b *Book) Currency() string { return b.currency }

// Positions in a fixed order. The slice is the book's own: read it, do not keep it.
func (b *Book) Positions() []Position { return b.positions }

// Version is another one whenever a quantity moved.
func (b *Book) Version() uint64 { return b.version }

// Quantity of a symbol in one account.
func (b *Book) Quantity(account, symbol string) decimal.Decimal {
	if i := b.find(account, symbol); i >= 0 {
		return b.positions[i].Quantity
	}
	return decimal.Zero
}

// OpenOrders of an account that have no final receipt yet.
func (b *Book) OpenOrders(account string) []Order {
	var open []Order
	for _, o := range b.orders {
		if o.order.Account == account {
			open = append(open, o.order)
		}
	}
	slices.SortFunc(open, func(a, b Order) int { return cmp.Compare(a.ID, b.ID) })
	return open
}

// Apply books what the plan registers, orders, and what came of them.
func (b *Book) Apply(_ time.Time, e Event) {
	switch e := e.(type) {
	case PlanLoaded:
		b.register(e)
	case Intent:
		if e.Order != nil {
			b.orders[e.Key] = &bookedOrder{order: *e.Order}
		}
	case Reconciled:
		for _, s := range e.Strange {
			b.orders[s.Order.ID] = &bookedOrder{order: s.Order}
			b.receipt(s.Receipt)
		}
	case Restated:
		b.restate(e)
	case Receipt:
		b.receipt(e)
	}
}

// register takes in what the plan says is held. Of an account whose custodian has spoken it says nothing new, unless the plan
// takes that custodian away.
func (b *Book) register(e PlanLoaded) {
	for account := range b.stated {
		if e.Custodian(account) == "" {
			delete(b.stated, account)
			b.restateTo(account, nil)
			b.registered = slices.DeleteFunc(slices.Clone(b.registered), func(p Position) bool { return p.Account == account })
		}
	}
	for _, p := range b.registered {
		if !b.stated[p.Account] {
			b.add(p.Account, p.Symbol, p.Quantity.Neg())
		}
	}
	for _, p := range e.Positions {
		if !b.stated[p.Account] {
			b.add(p.Account, p.Symbol, p.Quantity)
		}
	}
	b.registered = e.Positions
}

// After says what an account would hold once some receipts were booked.
func (b *Book) After(account string, placed []Receipt) []Position {
	trial := NewBook(b.currency)
	for _, p := range b.positions {
		if p.Account == account {
			trial.positions = append(trial.positions, p)
		}
	}
	for key, o := range b.orders {
		if o.order.Account == account {
			booked := *o
			trial.orders[key] = &booked
		}
	}
	for _, r := range placed {
		trial.receipt(r)
	}
	return trial.positions
}

// restate makes an account hold what its custodian says. What was filled of open orders by then is in the positions, so
// only what fills afterwards moves them.
func (b *Book) restate(e Restated) {
	for _, r := range e.Placed {
		if o := b.orders[r.Key]; o != nil && r.Status != Unknown {
			o.done = r
		}
	}
	if b.stated == nil {
		b.stated = map[string]bool{}
	}
	b.stated[e.Account] = true
	b.restateTo(e.Account, e.Positions)
}

func (b *Book) restateTo(account string, positions []Position) {
	said := map[string]decimal.Decimal{}
	for _, p := range positions {
		said[p.Symbol] = p.Quantity
	}
	for _, p := range slices.Clone(b.positions) {
		if p.Account == account {
			b.add(account, p.Symbol, said[p.Symbol].Sub(p.Quantity))
			delete(said, p.Symbol)
		}
	}
	for _, p := range positions {
		b.add(account, p.Symbol, said[p.Symbol])
		delete(said, p.Symbol)
	}
}

func (b *Book) receipt(r Receipt) {
	if o := b.orders[r.Key]; o != nil && r.Status != Unknown {
		b.settle(o, r)
		if r.Status.Final() {
			delete(b.orders, r.Key)
		}
	}
}

// settle books the difference between this receipt's totals and the last one's.
func (b *Book) settle(o *bookedOrder, r Receipt) {
	quantity := r.Filled.Sub(o.done.Filled)
	money := r.Filled.Mul(r.Price).Sub(o.done.Filled.Mul(o.done.Price))
	fee := r.Fee.Sub(o.done.Fee)
	if o.order.Side == Sell {
		quantity, money = quantity.Neg(), money.Neg()
	}
	b.add(o.order.Account, o.order.Symbol, quantity)
	b.add(o.order.Account, b.currency, money.Add(fee).Neg())
	o.done = r
}

func (b *Book) add(account, symbol string, quantity decimal.Decimal) {
	if quantity.IsZero() {
		return
	}
	b.version++
	if i := b.find(account, symbol); i >= 0 {
		b.positions[i].Quantity = b.positions[i].Quantity.Add(quantity)
		return
	}
	b.positions = append(b.positions, Position{Account: account, Symbol: symbol, Quantity: quantity})
}

func (b *Book) find(account, symbol string) int {
	return slices.IndexFunc(b.positions, func(p Position) bool { return p.Account == account && p.Symbol == symbol })
}
