// Package exchangetest is what the stand-ins of crypto exchanges have in common: an account that trades one asset for one
// currency, numbered orders and their trades, a clock that tests set, and a wire that can be cut at any byte.
//
// What trades and at which price is decided by the simulated account of package paper, so that an exchange's stand-in only
// translates its documented wire format. A market order that finds no volume rests here until it does; real exchanges
// expire it. Nothing of this is used by the product.
package exchangetest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/paper"
	"lifeboat/act/venue/venuetest"
)

// Account is the account's name in every plan of these tests.
const Account = "exchange"

// Book is one account at an exchange. It is safe for concurrent use.
type Book struct {
	Clock       *Clock
	Base, Quote string // what is traded, and for what

	mu     sync.Mutex
	paper  *paper.Venue
	orders []*Order
	trades int64
	last   string // price that was shown
}

// Order as the exchange files it.
type Order struct {
	ID       int64
	Client   string // the client's own id
	Terms    lifeboat.Order
	At       time.Time
	Receipt  lifeboat.Receipt
	Trades   []Trade
	Archived bool // a test has let the exchange forget it
}

// Trade is one fill of an order.
type Trade struct {
	ID                   int64
	Quantity, Value, Fee decimal.Decimal
	At                   time.Time
}

// NewBook opens an account with what venuetest expects.
func NewBook(base, quote string) *Book {
	v, err := paper.New(paper.Config{
		Account: Account, Currency: quote, Participation: 0.5,
		Positions: []lifeboat.Position{
			{Account: Account, Symbol: base, Quantity: decimal.NewFromInt(venuetest.Shares)},
			{Account: Account, Symbol: quote, Quantity: decimal.NewFromInt(venuetest.Cash)},
		},
		Fee: func(o lifeboat.Order, quantity, price decimal.Decimal) decimal.Decimal {
			if o.Side == lifeboat.Buy {
				return decimal.Zero
			}
			return quantity.Mul(price).Mul(decimal.New(1, -3))
		},
	})
	if err != nil {
		panic(err)
	}
	return &Book{Clock: NewClock(), Base: base, Quote: quote, paper: v}
}

// Place takes an order in under a client's id, which may have been used before: that is for the caller to refuse. The text
// says why it is refused; "" when it is not.
func (b *Book) Place(client string, terms lifeboat.Order) (Order, string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	terms.Account, terms.Symbol = Account, b.Base
	terms.ID = lifeboat.NewKey(client, len(b.orders))
	r, err := b.paper.Place(context.Background(), b.Clock.Now(), terms)
	if err != nil {
		panic(err)
	}
	if r.Status == lifeboat.OrderRejected {
		return Order{}, r.Why
	}
	b.orders = append(b.orders, &Order{ID: int64(len(b.orders) + 1), Client: client, Terms: terms, At: b.Clock.Now(), Receipt: lifeboat.Receipt{Status: lifeboat.Accepted}})
	b.sync()
	return *b.orders[len(b.orders)-1], ""
}

// Cancel takes back what is not filled of an order; false when there is nothing to take back.
func (b *Book) Cancel(id int64) (Order, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sync()
	i := slices.IndexFunc(b.orders, func(o *Order) bool { return o.ID == id && !o.Receipt.Status.Final() })
	if i < 0 {
		return Order{}, false
	}
	if _, err := b.paper.Cancel(context.Background(), b.Clock.Now(), b.orders[i].Terms.ID); err != nil {
		panic(err)
	}
	b.sync()
	return *b.orders[i], true
}

// Orders are all that were taken in, oldest first.
func (b *Book) Orders() []Order {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sync()
	all := make([]Order, len(b.orders))
	for i, o := range b.orders {
		all[i] = *o
		all[i].Trades = slices.Clone(o.Trades)
	}
	return all
}

// Under finds the latest order of a client's id.
func (b *Book) Under(client string) (Order, bool) {
	all := b.Orders()
	for _, o := range slices.Backward(all) {
		if o.Client == client && !o.Archived {
			return o, true
		}
	}
	return Order{}, false
}

// Forget lets the exchange not know an order any more.
func (b *Book) Forget(client string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range b.orders {
		if o.Client == client {
			o.Archived = true
		}
	}
}

// Balance of an asset: what is free and what open orders claim.
func (b *Book) Balance(asset string) (free, claimed decimal.Decimal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sync()
	for _, o := range b.orders {
		left := o.Terms.Quantity.Sub(o.Receipt.Filled)
		switch {
		case o.Receipt.Status.Final():
		case o.Terms.Side == lifeboat.Sell && asset == b.Base:
			claimed = claimed.Add(left)
		case o.Terms.Side == lifeboat.Buy && asset == b.Quote:
			claimed = claimed.Add(left.Mul(o.Terms.Limit))
		}
	}
	for _, p := range b.paper.Positions() {
		if p.Symbol == asset {
			free = p.Quantity.Sub(claimed)
		}
	}
	return free, claimed
}

// Show moves the market a minute later to a price at which so much trades.
func (b *Book) Show(price string, size int) time.Time { return b.show(time.Minute, price, size) }

// Tick moves it a moment later.
func (b *Book) Tick(price string, size int) time.Time { return b.show(time.Millisecond, price, size) }

func (b *Book) show(later time.Duration, price string, size int) time.Time {
	now := b.Clock.Add(later)
	if err := b.paper.Show(lifeboat.Instant{At: now, Readings: []lifeboat.Reading{
		{Series: lifeboat.Series(b.Base + ".volume"), Value: 2 * float64(size)},
		{Series: lifeboat.Series(b.Base), Value: decimal.RequireFromString(price).InexactFloat64()},
	}}); err != nil {
		panic(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = price
	return now
}

// Last is the price that was shown last.
func (b *Book) Last() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// sync makes trades of what the simulated account has filled since the last look.
func (b *Book) sync() {
	for _, o := range b.orders {
		if o.Receipt.Status.Final() {
			continue
		}
		r, err := b.paper.Ask(context.Background(), b.Clock.Now(), o.Terms.ID)
		if err != nil {
			panic(err)
		}
		if more := r.Filled.Sub(o.Receipt.Filled); more.IsPositive() {
			b.trades++
			value := r.Filled.Mul(r.Price).Sub(o.Receipt.Filled.Mul(o.Receipt.Price))
			o.Trades = append(o.Trades, Trade{ID: b.trades, Quantity: more, Value: value, Fee: r.Fee.Sub(o.Receipt.Fee), At: r.FilledAt})
		}
		o.Receipt = r
	}
}

// Harness of venuetest over a connector that speaks to this account's stand-in.
func (b *Book) Harness(v venue.Venue) venuetest.Harness {
	return venuetest.Harness{
		Venue: v, Account: Account, Symbol: b.Base,
		Holds: func() (shares, cash decimal.Decimal) {
			free, claimed := b.Balance(b.Base)
			freeCash, claimedCash := b.Balance(b.Quote)
			return free.Add(claimed), freeCash.Add(claimedCash)
		},
		Quote: b.Show,
	}
}

// Clock that tests set. Sleeping is a step forward.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock stands at an afternoon in New York.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 3, 16, 18, 0, 0, 0, time.UTC)} }

// Now is what the test says it is.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Add moves the clock.
func (c *Clock) Add(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// Sleep ends at once, later.
func (c *Clock) Sleep(ctx context.Context, until time.Time) error {
	if d := until.Sub(c.Now()); d > 0 {
		c.Add(d)
	}
	return ctx.Err()
}

// Ahead is a clock that differs from another.
type Ahead struct {
	lifeboat.Clock
	By time.Duration
}

// Now is the other clock's, and more.
func (a Ahead) Now() time.Time { return a.Clock.Now().Add(a.By) }

// Average price of what was filled, as an exchange writes it.
func (o Order) Average() decimal.Decimal {
	if o.Receipt.Filled.IsZero() {
		return decimal.Zero
	}
	return o.Receipt.Price
}

// Value of what was filled.
func (o Order) Value() decimal.Decimal { return o.Receipt.Filled.Mul(o.Receipt.Price) }

// Moved is when the order last changed.
func (o Order) Moved() time.Time {
	moved := o.At
	for _, t := range o.Trades {
		moved = cmp.Or(t.At, moved)
	}
	return moved
}
