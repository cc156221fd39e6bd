// Package paper is a simulated broker, for drills and for practice on live prices: an account with cash and positions
// whose orders fill at the prices it is shown, with the costs that a real market would have asked.
//
// [Venue.Show] brings the news of the market and lets resting orders match; [Venue.Place] fills at once when the market
// is open and the last quote fresh enough. The rules of a fill stand in match.go, what a quote is in quote.go. Orders,
// fills and cancellations go to a [Ledger] before anybody hears of them, so that a killed process finds each order
// once. Nothing is random and no clock is read: the same calls make the same receipts.
//
// All orders are good till cancelled. A sale needs the shares and a purchase the cash at the time it is placed, less
// what open orders already claim: there is no margin, no short sale, and a sale's proceeds can be spent only once it
// has filled. Dividends, splits, interest and auctions do not exist.
package paper

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/session"
)

// Config of one simulated account.
type Config struct {
	Account  string
	Currency string // in which prices, cash and fees are
	// Positions are what the plan registers; those of other accounts are ignored. The ledger's fills come on top.
	Positions []lifeboat.Position
	// Calendar says when a symbol trades; always, when the function or its answer is nil.
	Calendar func(symbol string) *session.Calendar
	// Fractional permits parts of a unit, down to eight decimals; everything may be split when nil.
	Fractional func(symbol string) bool
	// Participation is the share of the traded volume that our orders may be; 0.10 when 0.
	Participation float64
	// HalfSpread is half the distance between bid and ask, as a fraction of the price; none when nil.
	HalfSpread func(symbol string) float64
	// Impact is Y in Y·σ·√(quantity ÷ volume), what our own trading moves the price by; 0.7 when 0, none when negative.
	Impact float64
	// Fresh is the oldest quote at which a new order fills at once; at 0 only a quote of that very instant.
	Fresh time.Duration
	// Ledger makes what happens durable; nil keeps it in memory only.
	Ledger Ledger
	// Fee of one fill, in Currency; none when nil.
	Fee func(o lifeboat.Order, quantity, price decimal.Decimal) decimal.Decimal
}

// Venue is one simulated account. It is safe for concurrent use.
type Venue struct {
	cfg Config

	mu     sync.Mutex // guards all below
	book   *lifeboat.Book
	orders []*order                // every one, as they were placed
	byKey  map[lifeboat.Key]*order // the same
	open   []*order                // those that may still fill, as they were placed
	quotes map[string]*quote       // :: symbol → its market
	heard  []*quote                // scratch of Show: the symbols this instant speaks of

	entries int               // in the ledger
	past    map[string][]fill // :: symbol → fills of the opened ledger, until the quotes they were made on are shown again
}

// An order as the venue holds it.
type order struct {
	lifeboat.Order
	receipt lifeboat.Receipt
	placed  time.Time
	hold    decimal.Decimal // cash claimed per unit of an open purchase
	since   time.Time       // only quotes after this one can fill it: when it was placed, or last filled
}

// Placed is one order and where it stands.
type Placed struct {
	At      time.Time        `json:"at"`
	Order   lifeboat.Order   `json:"order"`
	Receipt lifeboat.Receipt `json:"receipt"`
}

// New opens the account and replays its ledger.
func New(cfg Config) (*Venue, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("open paper account %q: %w", cfg.Account, err)
	}
	v := &Venue{cfg: cfg, book: lifeboat.NewBook(cfg.Currency), byKey: map[lifeboat.Key]*order{}, quotes: map[string]*quote{}, past: map[string][]fill{}}
	own := slices.DeleteFunc(slices.Clone(cfg.Positions), func(p lifeboat.Position) bool { return p.Account != cfg.Account })
	v.book.Apply(time.Time{}, lifeboat.PlanLoaded{Positions: own})
	entries, err := cfg.Ledger.Read()
	if err != nil {
		return nil, err
	}
	for i, e := range entries {
		if err := v.fits(e); err != nil {
			return nil, ledgerBroken(fmt.Sprintf("entry %d of the ledger of the paper account %q cannot be right: %v", i+1, cfg.Account, err), err)
		}
		v.file(i+1, e)
		v.apply(e)
	}
	v.forgetClosed()
	return v, nil
}

// complete fills in what was left out and refuses what cannot be meant.
func (c *Config) complete() error {
	switch {
	case c.Account == "" || c.Currency == "":
		return errors.New("an account needs a name and a currency")
	case !(c.Participation >= 0 && c.Participation <= 1):
		return fmt.Errorf("participation %v is not a share from 0 to 1", c.Participation)
	case math.IsNaN(c.Impact) || math.IsInf(c.Impact, 0):
		return fmt.Errorf("impact %v is not a number", c.Impact)
	case c.Fresh < 0:
		return fmt.Errorf("a quote cannot be fresh for %v", c.Fresh)
	}
	if c.Participation == 0 {
		c.Participation = 0.10
	}
	if c.Impact == 0 {
		c.Impact = 0.7
	}
	c.Impact = max(0, c.Impact)
	if c.Fractional == nil {
		c.Fractional = func(string) bool { return true }
	}
	if c.HalfSpread == nil {
		c.HalfSpread = func(string) float64 { return 0 }
	}
	if c.Fee == nil {
		c.Fee = func(lifeboat.Order, decimal.Decimal, decimal.Decimal) decimal.Decimal { return decimal.Zero }
	}
	if c.Ledger == nil {
		c.Ledger = memory{}
	}
	return nil
}

// Place takes an order in, once per key, and fills it at once where the market allows. When it returns without an
// error, the order and its fill are in the ledger.
func (v *Venue) Place(ctx context.Context, at time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return lifeboat.Receipt{}, fmt.Errorf("place order: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if o.ID == "" || !writable(o.Quantity, o.Limit, o.Arrival) { // not even worth a line in the ledger
		return lifeboat.Receipt{Key: o.ID, Account: o.Account, Status: lifeboat.OrderRejected, Why: "the order has no key, or an amount that nobody could write out"}, nil
	}
	if known := v.byKey[o.ID]; known != nil {
		return known.again(o), nil
	}
	e := Entry{At: at, Order: &o, Receipt: lifeboat.Receipt{Key: o.ID, Account: o.Account, VenueID: venueID(o), Status: lifeboat.Accepted}}
	q := v.quotes[o.Symbol]
	if why := v.refusal(o, q); why != "" {
		e.Receipt.Status, e.Receipt.Why = lifeboat.OrderRejected, why
	} else {
		e.Hold = holdOf(o, q)
		if !q.calendar.IsOpen(at) {
			e.Receipt.Why = fmt.Sprintf("the market is closed until %s", q.calendar.Next(at).Open.Format(time.RFC3339))
		}
	}
	if err := v.write(e); err != nil {
		return lifeboat.Receipt{}, fmt.Errorf("place order: %w", err)
	}
	placed := v.byKey[o.ID]
	v.recallAll()
	if !placed.receipt.Status.Final() && q.calendar.IsOpen(at) && q.trading && fresh(q.at, at, v.cfg.Fresh) {
		if err := v.match(at, placed, q); err != nil {
			return lifeboat.Receipt{}, fmt.Errorf("fill order: %w", err)
		}
		v.forgetClosed()
	}
	return placed.receipt, nil
}

// again answers a key that is taken. The refusal of another order under it carries the totals of the one that has it,
// so that whoever books it books nothing away.
func (o *order) again(other lifeboat.Order) lifeboat.Receipt {
	same := o.Account == other.Account && o.Symbol == other.Symbol && o.Side == other.Side && o.Type == other.Type &&
		o.Quantity.Equal(other.Quantity) && o.Limit.Equal(other.Limit)
	if same {
		return o.receipt
	}
	r := o.receipt
	r.Status, r.Why = lifeboat.OrderRejected, fmt.Sprintf("the key %s belongs to another order: %s %s %s", o.ID, o.Side, o.Quantity, o.Symbol)
	return r
}

// Ask says where an order stands.
func (v *Venue) Ask(ctx context.Context, _ time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return lifeboat.Receipt{}, fmt.Errorf("ask for order: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if o := v.byKey[id]; o != nil {
		return o.receipt, nil
	}
	return lifeboat.Receipt{}, fmt.Errorf("ask for order %s: %w", id, lifeboat.ErrAbsent)
}

// Cancel takes back what is not filled.
func (v *Venue) Cancel(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return lifeboat.Receipt{}, fmt.Errorf("cancel order: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	o := v.byKey[id]
	if o == nil {
		return lifeboat.Receipt{}, fmt.Errorf("cancel order %s: %w", id, lifeboat.ErrAbsent)
	}
	if o.receipt.Status.Final() {
		return o.receipt, nil
	}
	r := o.receipt
	r.Status, r.Why = lifeboat.Canceled, ""
	if err := v.write(Entry{At: at, Receipt: r}); err != nil {
		return lifeboat.Receipt{}, fmt.Errorf("cancel order: %w", err)
	}
	v.forgetClosed()
	return o.receipt, nil
}

// Orders lists every order of the account as they were placed, refused ones too.
func (v *Venue) Orders() []Placed {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := make([]Placed, len(v.orders))
	for i, o := range v.orders {
		all[i] = Placed{At: o.placed, Order: o.Order, Receipt: o.receipt}
	}
	return all
}

// Since lists the orders that were placed since a time, and all open ones.
func (v *Venue) Since(ctx context.Context, _, since time.Time) ([]lifeboat.PlacedOrder, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	var found []lifeboat.PlacedOrder
	for _, o := range v.orders {
		refused := o.receipt.Status == lifeboat.OrderRejected
		if open := !o.receipt.Status.Final(); open || !refused && !o.placed.Before(since) {
			found = append(found, lifeboat.PlacedOrder{Order: o.Order, Receipt: o.receipt})
		}
	}
	return found, nil
}

// Memory of the simulated broker is its ledger: for ever.
func (v *Venue) Memory() time.Duration { return 0 }

// Account that the venue simulates.
func (v *Venue) Account() string { return v.cfg.Account }

// Positions of the account, cash among them.
func (v *Venue) Positions() []lifeboat.Position {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.book.Positions())
}

// reserve is how far above the last quote a market purchase is priced when the cash for it is counted.
var reserve = decimal.RequireFromString("1.02")

// holdOf is the cash per unit that an open purchase claims.
func holdOf(o lifeboat.Order, q *quote) decimal.Decimal {
	switch {
	case o.Side == lifeboat.Sell:
		return decimal.Zero
	case o.Type == lifeboat.Limit:
		return o.Limit
	}
	return priced(q.price).Mul(reserve)
}

// refusal says in words for people why an order cannot be taken in; "" when it can.
func (v *Venue) refusal(o lifeboat.Order, q *quote) string {
	switch {
	case o.Account != v.cfg.Account:
		return fmt.Sprintf("this is the account %q, not %q", v.cfg.Account, o.Account)
	case o.Side != lifeboat.Buy && o.Side != lifeboat.Sell:
		return fmt.Sprintf("%q is neither buy nor sell", o.Side)
	case o.Type != lifeboat.Market && o.Type != lifeboat.Limit:
		return fmt.Sprintf("%q is neither a market nor a limit order", o.Type)
	case !o.Quantity.IsPositive():
		return fmt.Sprintf("%s is no quantity to trade", o.Quantity)
	case !o.Quantity.Equal(v.whole(o.Symbol, o.Quantity)):
		return fmt.Sprintf("%s of %s cannot be traded: the smallest unit is %s", o.Quantity, o.Symbol, v.unit(o.Symbol))
	case o.Type == lifeboat.Limit && !o.Limit.IsPositive():
		return fmt.Sprintf("%s is no limit price", o.Limit)
	case o.Type == lifeboat.Market && !o.Limit.IsZero():
		return "a market order has no limit price"
	case o.Symbol == v.cfg.Currency:
		return fmt.Sprintf("%s is the account's cash", o.Symbol)
	case q == nil || q.price == 0:
		return fmt.Sprintf("nobody quotes %s here", o.Symbol)
	}
	return v.uncovered(o, holdOf(o, q))
}

// uncovered says what the account lacks for an order; "" when it has it.
func (v *Venue) uncovered(o lifeboat.Order, hold decimal.Decimal) string {
	if o.Side == lifeboat.Sell {
		held, claimed := v.book.Quantity(v.cfg.Account, o.Symbol), decimal.Zero
		for _, other := range v.open {
			if other.Side == lifeboat.Sell && other.Symbol == o.Symbol {
				claimed = claimed.Add(other.left())
			}
		}
		if o.Quantity.GreaterThan(held.Sub(claimed)) {
			return fmt.Sprintf("the account holds %s %s and open sales claim %s: %s cannot be sold", held, o.Symbol, claimed, o.Quantity)
		}
		return ""
	}
	cash, claimed := v.book.Quantity(v.cfg.Account, v.cfg.Currency), decimal.Zero
	for _, other := range v.open {
		if other.Side == lifeboat.Buy {
			claimed = claimed.Add(v.cost(other.Order, other.left(), other.hold))
		}
	}
	if cost := v.cost(o, o.Quantity, hold); cost.GreaterThan(cash.Sub(claimed)) {
		return fmt.Sprintf("the account has %s %s and open purchases claim %s: %s are not there", cash, v.cfg.Currency, claimed, cost)
	}
	return ""
}

// cost of a purchase with its fee.
func (v *Venue) cost(o lifeboat.Order, quantity, price decimal.Decimal) decimal.Decimal {
	return quantity.Mul(price).Add(v.cfg.Fee(o, quantity, price))
}

// left is what an open order may still fill.
func (o *order) left() decimal.Decimal { return o.Quantity.Sub(o.receipt.Filled) }

// write makes an entry durable and then true, in this order.
func (v *Venue) write(e Entry) error {
	if err := v.cfg.Ledger.Append(e); err != nil {
		return err
	}
	v.apply(e)
	return nil
}

// apply makes an entry true. Cash and positions move by the receipt's totals, exactly as they do in the books of
// whoever gets the receipt: the two cannot drift apart.
func (v *Venue) apply(e Entry) {
	v.entries++
	o := v.byKey[e.Receipt.Key]
	if e.Order != nil {
		o = &order{Order: *e.Order, placed: e.At, hold: e.Hold}
		v.orders = append(v.orders, o)
		v.byKey[o.ID] = o
		v.book.Apply(e.At, lifeboat.Intent{Key: o.ID, Act: lifeboat.PlaceOrder, Order: e.Order})
		if !e.Receipt.Status.Final() {
			v.open = append(v.open, o)
		}
	}
	o.receipt, o.since = e.Receipt, e.At
	v.book.Apply(e.At, e.Receipt)
}

// forgetClosed takes orders that cannot fill any more from the open ones; not while these are being walked through.
func (v *Venue) forgetClosed() {
	v.open = slices.DeleteFunc(v.open, func(o *order) bool { return o.receipt.Status.Final() })
}

// venueID is the number under which the venue files an order: a function of the order, so that a drill repeats it.
func venueID(o lifeboat.Order) string {
	return "paper-" + string(lifeboat.NewKey("paper", o.Account, o.ID)[3:15])
}
