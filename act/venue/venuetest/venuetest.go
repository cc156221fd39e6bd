// Package venuetest holds every venue to the contract of venue.Venue, and makes venues fail.
//
// [Run] plays each promise against a fresh account: an order exists once per key whatever is repeated, totals never go
// back, what is refused moves nothing, and the venue's own positions agree with its receipts. [Faulty] wraps a venue so
// that replies get lost, requests are delayed and answers repeated, for the tests of whoever uses one.
//
// It does not test prices: what a fill costs is the venue's own affair, as long as no limit is passed.
package venuetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
)

// Harness is one account of a venue under test. It opens with Shares of Symbol, quoted at Price with a market that is
// open, and with Cash.
type Harness struct {
	Venue   venue.Venue
	Account string
	Symbol  string
	// Holds is what the venue itself says the account holds of Symbol, and its cash: not added up from receipts.
	Holds func() (shares, cash decimal.Decimal)
	// Quote lets time pass and moves the market to a price at which at most size shares of ours trade; it returns
	// the new time. What is placed afterwards at that time may trade at the quote too, within the same size.
	Quote func(price string, size int) time.Time
	// Reopen is another process that takes the account over; nil for a venue that has no state of its own to lose.
	Reopen func() venue.Venue
	// Forgets says that the venue keeps nothing of an order that it refused, so that another process finds it absent.
	Forgets bool
}

// What every harness opens with.
const (
	Shares = 100
	Price  = "50"
	Cash   = 1000
)

// Run holds a venue to every promise, each on an account that open makes anew.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			if err := p.check(open(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// A promise is checked without a testing.T, so that venues which break it can be shown to be caught.
type promise struct {
	name  string
	check func(Harness) error
}

var promises = []promise{
	{"an order is placed once per key", placedOnce},
	{"a key stays with its order", keyStays},
	{"a key never seen is absent", absentKey},
	{"cancelling ends an open order", cancelOpen},
	{"cancelling leaves a filled order filled", cancelFilled},
	{"nothing is sold that is not there", oversell},
	{"nothing is bought beyond the cash", overspend},
	{"what cannot be an order is refused", nonsense},
	{"partial fills add up and totals never go back", partialFills},
	{"a limit is never passed", limitHolds},
	{"receipts and positions tell the same", sumsAgree},
	{"another process finds every order once", reopened},
	{"a call out of time fails and says so", outOfTime},
}

// bench is a harness with what all checks do: call, and hold the answer to what every answer must be.
type bench struct {
	Harness
	at    time.Time
	seen  map[lifeboat.Key]lifeboat.Receipt // the last receipt of each key
	asked map[lifeboat.Key]lifeboat.Order   // what was placed under it first
	err   error                             // the first promise broken
	ctx   context.Context
}

func start(h Harness) *bench {
	return &bench{
		Harness: h, ctx: context.Background(), at: h.Quote(Price, 1000),
		seen: map[lifeboat.Key]lifeboat.Receipt{}, asked: map[lifeboat.Key]lifeboat.Order{},
	}
}

// sell and buy make limit orders, sellNow and buyNow market orders.
func (b *bench) sell(key string, quantity int64, limit string) lifeboat.Order {
	return lifeboat.Order{
		ID: lifeboat.NewKey("venuetest", key), Account: b.Account, Symbol: b.Symbol, Side: lifeboat.Sell, Type: lifeboat.Limit,
		Quantity: decimal.NewFromInt(quantity), Limit: decimal.RequireFromString(limit), Arrival: decimal.RequireFromString(Price),
	}
}

func (b *bench) buy(key string, quantity int64, limit string) lifeboat.Order {
	o := b.sell(key, quantity, limit)
	o.Side = lifeboat.Buy
	return o
}

func (b *bench) sellNow(key string, quantity int64) lifeboat.Order {
	o := b.sell(key, quantity, "0")
	o.Type = lifeboat.Market
	return o
}

func (b *bench) place(o lifeboat.Order) lifeboat.Receipt {
	r, err := b.Venue.Place(b.ctx, b.at, o)
	if _, known := b.asked[o.ID]; !known {
		b.asked[o.ID] = o
	}
	return b.take("place", o.ID, r, err)
}

func (b *bench) ask(id lifeboat.Key) lifeboat.Receipt {
	r, err := b.Venue.Ask(b.ctx, b.at, id)
	return b.take("ask", id, r, err)
}

func (b *bench) cancel(id lifeboat.Key) lifeboat.Receipt {
	r, err := b.Venue.Cancel(b.ctx, b.at, id)
	return b.take("cancel", id, r, err)
}

// take checks what holds for every receipt.
func (b *bench) take(call string, id lifeboat.Key, r lifeboat.Receipt, err error) lifeboat.Receipt {
	before, seen := b.seen[id]
	switch {
	case err != nil:
		b.failf("%s: %v", call, err)
	case r.Key != id:
		b.failf("%s: asked about %s, told about %s", call, id, r.Key)
	case r.Account != b.Account:
		b.failf("%s: the receipt names the account %q, not %q", call, r.Account, b.Account)
	case r.Status == lifeboat.OrderRejected && r.Why == "":
		b.failf("%s: rejected without a reason for people", call)
	case r.Filled.LessThan(before.Filled) || r.Fee.LessThan(before.Fee):
		b.failf("%s: totals went back from %s to %s (fees from %s to %s)", call, before.Filled, r.Filled, before.Fee, r.Fee)
	case r.Filled.GreaterThan(b.asked[id].Quantity):
		b.failf("%s: filled %s of an order of %s", call, r.Filled, b.asked[id].Quantity)
	case r.Status == lifeboat.Filled && !r.Filled.Equal(b.asked[id].Quantity):
		b.failf("%s: filled, but %s of %s", call, r.Filled, b.asked[id].Quantity)
	case r.Status == lifeboat.PartialFill && !r.Filled.IsPositive():
		b.failf("%s: partly filled with nothing", call)
	case r.Filled.IsPositive() && (!r.Price.IsPositive() || r.FilledAt.IsZero()):
		b.failf("%s: filled without a price or a time", call)
	case seen && before.Status.Final() && r.Status != lifeboat.OrderRejected && r.Status != before.Status:
		b.failf("%s: the order was %s for good and is %s now", call, before.Status, r.Status)
	}
	if r.Status != lifeboat.OrderRejected || !seen {
		b.seen[id] = r
	}
	return r
}

// holds checks the venue's own positions: shares and, to a cent, cash.
func (b *bench) holds(shares int64, cash decimal.Decimal) {
	gotShares, gotCash := b.Holds()
	if !gotShares.Equal(decimal.NewFromInt(shares)) {
		b.failf("the account holds %s shares, not %d", gotShares, shares)
	}
	if gotCash.Sub(cash).Abs().GreaterThan(decimal.New(1, -2)) {
		b.failf("the account has %s in cash, not %s", gotCash, cash)
	}
}

// cashAfter is what the receipts seen so far leave of the cash.
func (b *bench) cashAfter() decimal.Decimal {
	cash := decimal.NewFromInt(Cash)
	for id, r := range b.seen {
		money := r.Filled.Mul(r.Price)
		if b.asked[id].Side == lifeboat.Buy {
			money = money.Neg()
		}
		cash = cash.Add(money).Sub(r.Fee)
	}
	return cash
}

func (b *bench) expect(r lifeboat.Receipt, status lifeboat.ReceiptStatus, filled int64) {
	if r.Status != status || !r.Filled.Equal(decimal.NewFromInt(filled)) {
		b.failf("the order is %s with %s filled, not %s with %d (%s)", r.Status, r.Filled, status, filled, r.Why)
	}
}

func (b *bench) same(a, c lifeboat.Receipt) {
	if a.Status != c.Status || !a.Filled.Equal(c.Filled) || !a.Price.Equal(c.Price) || !a.Fee.Equal(c.Fee) || a.VenueID != c.VenueID {
		b.failf("a repeat answers %+v, the first time it was %+v", c, a)
	}
}

func (b *bench) failf(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
}

func placedOnce(h Harness) error {
	b := start(h)
	resting := b.sell("resting", 30, "60")
	first := b.place(resting)
	b.expect(first, lifeboat.Accepted, 0)
	b.same(first, b.place(resting))
	b.same(first, b.ask(resting.ID))
	now := b.sellNow("now", 20)
	b.place(now)
	b.at = b.Quote("50", 1000)
	b.place(now)
	b.at = b.Quote("61", 1000)
	filled := b.place(resting)
	b.expect(filled, lifeboat.Filled, 30)
	b.same(filled, b.place(resting))
	b.at = b.Quote("61", 1000)
	b.expect(b.place(now), lifeboat.Filled, 20)
	b.holds(Shares-50, b.cashAfter())
	return b.err
}

func keyStays(h Harness) error {
	for _, c := range []struct {
		name   string
		change func(*lifeboat.Order)
	}{
		{"quantity", func(o *lifeboat.Order) { o.Quantity = decimal.NewFromInt(11) }},
		{"limit", func(o *lifeboat.Order) { o.Limit = decimal.RequireFromString("59") }},
		{"type", func(o *lifeboat.Order) { o.Type, o.Limit = lifeboat.Market, decimal.Zero }},
		{"side", func(o *lifeboat.Order) { o.Side, o.Limit = lifeboat.Buy, decimal.RequireFromString("1") }},
		{"symbol", func(o *lifeboat.Order) { o.Symbol += "X" }},
	} {
		b := start(h)
		mine := b.sell("key stays", 10, "60")
		first := b.place(mine)
		other := mine
		c.change(&other)
		b.expect(b.place(other), lifeboat.OrderRejected, 0)
		b.same(first, b.ask(mine.ID))
		b.same(first, b.place(mine))
		if b.err != nil {
			return fmt.Errorf("the same key with another %s: %w", c.name, b.err)
		}
	}
	return nil
}

func absentKey(h Harness) error {
	b := start(h)
	if _, err := b.Venue.Ask(b.ctx, b.at, "lb-nobody"); !errors.Is(err, lifeboat.ErrAbsent) {
		b.failf("asking for a key never seen answers %v, not lifeboat.ErrAbsent", err)
	}
	if _, err := b.Venue.Cancel(b.ctx, b.at, "lb-nobody"); !errors.Is(err, lifeboat.ErrAbsent) {
		b.failf("cancelling a key never seen answers %v, not lifeboat.ErrAbsent", err)
	}
	return b.err
}

func cancelOpen(h Harness) error {
	b := start(h)
	o := b.sell("cancel", 10, "60")
	b.place(o)
	b.expect(b.cancel(o.ID), lifeboat.Canceled, 0)
	b.expect(b.cancel(o.ID), lifeboat.Canceled, 0)
	b.at = b.Quote("70", 1000)
	b.expect(b.ask(o.ID), lifeboat.Canceled, 0)
	b.expect(b.place(o), lifeboat.Canceled, 0)
	b.holds(Shares, decimal.NewFromInt(Cash))
	b.expect(b.place(b.sell("all again", Shares, "1000")), lifeboat.Accepted, 0) // the shares are free again
	return b.err
}

func cancelFilled(h Harness) error {
	b := start(h)
	o := b.sellNow("cancel filled", 10)
	b.place(o)
	b.at = b.Quote(Price, 1000)
	filled := b.ask(o.ID)
	b.expect(filled, lifeboat.Filled, 10)
	b.same(filled, b.cancel(o.ID))
	b.holds(Shares-10, b.cashAfter())
	return b.err
}

func oversell(h Harness) error {
	b := start(h)
	b.expect(b.place(b.sellNow("all and one", Shares+1)), lifeboat.OrderRejected, 0)
	b.expect(b.place(b.sell("most", Shares-10, "60")), lifeboat.Accepted, 0)
	refused := b.sell("what the open sale claims", 11, "60")
	b.expect(b.place(refused), lifeboat.OrderRejected, 0)
	b.expect(b.place(refused), lifeboat.OrderRejected, 0)
	b.expect(b.place(b.sell("the rest", 10, "60")), lifeboat.Accepted, 0)
	b.at = b.Quote("61", 1000)
	b.holds(0, b.afterAsking())
	return b.err
}

// afterAsking is the cash that the receipts leave once every key has been asked for.
func (b *bench) afterAsking() decimal.Decimal {
	for id, r := range b.seen {
		if !r.Status.Final() {
			b.ask(id)
		}
	}
	return b.cashAfter()
}

func overspend(h Harness) error {
	b := start(h)
	now := b.buy("all and more", 21, "0")
	now.Type = lifeboat.Market
	b.expect(b.place(now), lifeboat.OrderRejected, 0)
	b.expect(b.place(b.buy("most", 23, "40")), lifeboat.Accepted, 0)
	b.expect(b.place(b.buy("what the open purchase claims", 3, "40")), lifeboat.OrderRejected, 0)
	b.holds(Shares, decimal.NewFromInt(Cash))
	return b.err
}

func nonsense(h Harness) error {
	for _, c := range []struct {
		name   string
		change func(*lifeboat.Order)
	}{
		{"nothing", func(o *lifeboat.Order) { o.Quantity = decimal.Zero }},
		{"less than nothing", func(o *lifeboat.Order) { o.Quantity = decimal.NewFromInt(-5) }},
		{"a limit of nothing", func(o *lifeboat.Order) { o.Limit = decimal.Zero }},
		{"a limit below nothing", func(o *lifeboat.Order) { o.Limit = decimal.NewFromInt(-1) }},
		{"a symbol nobody knows", func(o *lifeboat.Order) { o.Symbol = "NOSUCH" }},
		{"a side that is none", func(o *lifeboat.Order) { o.Side = "hold" }},
		{"an order type of no use", func(o *lifeboat.Order) { o.Type = "iceberg" }},
	} {
		b := start(h)
		o := b.sell("nonsense "+c.name, 5, "60")
		c.change(&o)
		b.asked[o.ID] = b.sell("any", Shares, "1") // its quantity is no measure
		b.expect(b.place(o), lifeboat.OrderRejected, 0)
		b.holds(Shares, decimal.NewFromInt(Cash))
		if b.err != nil {
			return fmt.Errorf("an order of %s: %w", c.name, b.err)
		}
	}
	return nil
}

func partialFills(h Harness) error {
	b := start(h)
	b.at = b.Quote(Price, 0)
	o := b.sellNow("in parts", 50)
	b.place(o)
	for part := range 5 {
		b.at = b.Quote(Price, 10)
		r := b.ask(o.ID)
		b.same(r, b.place(o))
		if limit := decimal.NewFromInt(int64(10 * (part + 1))); r.Filled.GreaterThan(limit) {
			b.failf("%s filled where the market let %s through", r.Filled, limit)
		}
		b.holds(Shares-r.Filled.IntPart(), b.cashAfter())
	}
	b.expect(b.ask(o.ID), lifeboat.Filled, 50)
	half := b.sellNow("half of it", 20)
	b.place(half)
	b.at = b.Quote(Price, 5)
	had := b.ask(half.ID)
	after := b.cancel(half.ID)
	b.expect(after, lifeboat.Canceled, had.Filled.IntPart())
	b.at = b.Quote(Price, 1000)
	b.same(after, b.ask(half.ID))
	b.holds(Shares-50-after.Filled.IntPart(), b.cashAfter())
	return b.err
}

func limitHolds(h Harness) error {
	b := start(h)
	sale, purchase := b.sell("at least", 10, "55"), b.buy("at most", 10, "45")
	b.place(sale)
	b.place(purchase)
	for _, price := range []string{"54.99", "45.01", "55.01", "44.99", "80", "20"} {
		b.at = b.Quote(price, 1000)
		if r := b.ask(sale.ID); r.Filled.IsPositive() && r.Price.LessThan(sale.Limit) {
			b.failf("sold at %s, below the limit of %s", r.Price, sale.Limit)
		}
		if r := b.ask(purchase.ID); r.Filled.IsPositive() && r.Price.GreaterThan(purchase.Limit) {
			b.failf("bought at %s, above the limit of %s", r.Price, purchase.Limit)
		}
	}
	b.expect(b.ask(sale.ID), lifeboat.Filled, 10)
	b.expect(b.ask(purchase.ID), lifeboat.Filled, 10)
	b.holds(Shares, b.cashAfter())
	return b.err
}

func sumsAgree(h Harness) error {
	b := start(h)
	shares := int64(Shares)
	for i, price := range []string{"50", "47.31", "52.0777", "33.3333", "50.01"} {
		sale, purchase := b.sellNow(fmt.Sprint("sale ", i), 7), b.buy(fmt.Sprint("purchase ", i), 3, "51")
		b.place(sale)
		b.place(purchase)
		b.at = b.Quote(price, 4)
		b.at = b.Quote(price, 1000)
		b.expect(b.ask(sale.ID), lifeboat.Filled, 7)
		shares += b.cancel(purchase.ID).Filled.IntPart() - 7
		b.holds(shares, b.cashAfter())
	}
	return b.err
}

func reopened(h Harness) error {
	if h.Reopen == nil {
		return nil
	}
	b := start(h)
	orders := []lifeboat.Order{b.sellNow("filled", 10), b.sell("open", 10, "60"), b.sell("cancelled", 10, "60")}
	refused := b.sell("refused", 1000, "60")
	for _, o := range append(orders, refused) {
		b.place(o)
	}
	b.at = b.Quote(Price, 1000)
	b.cancel(orders[2].ID)
	var before []lifeboat.Receipt
	for _, o := range orders {
		before = append(before, b.ask(o.ID))
	}
	refusal := b.seen[refused.ID]
	cash := b.cashAfter()
	b.Venue = b.Reopen()
	for i, o := range orders {
		b.same(before[i], b.ask(o.ID))
		b.same(before[i], b.place(o))
	}
	if !h.Forgets {
		b.same(refusal, b.ask(refused.ID))
		b.same(refusal, b.place(refused))
	} else if _, err := b.Venue.Ask(b.ctx, b.at, refused.ID); !errors.Is(err, lifeboat.ErrAbsent) {
		b.failf("a refused order that the venue forgets is asked after: %v", err)
	}
	b.expect(b.place(refused), lifeboat.OrderRejected, 0)
	b.holds(Shares-10, cash)
	b.at = b.Quote("61", 1000)
	b.expect(b.ask(orders[1].ID), lifeboat.Filled, 10)
	b.holds(Shares-20, b.cashAfter())
	return b.err
}

func outOfTime(h Harness) error {
	b := start(h)
	over, cancel := context.WithCancel(b.ctx)
	cancel()
	o := b.sell("out of time", 10, "60")
	if _, err := b.Venue.Place(over, b.at, o); err == nil {
		b.failf("placing with a context that is over succeeds")
	}
	if _, err := b.Venue.Ask(over, b.at, o.ID); err == nil || errors.Is(err, lifeboat.ErrAbsent) {
		b.failf("asking with a context that is over answers %v, which proves nothing", err)
	}
	b.expect(b.place(o), lifeboat.Accepted, 0)
	return b.err
}
