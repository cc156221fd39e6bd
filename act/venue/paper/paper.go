// Package paper is a simulated broker, for drills and for practice on live prices: an account with cash and positions
// whose orders fill at the prices it is shown, with the costs that a real market would have asked.
//
// [Venue.Show] brings the news of the market and lets resting orders match; [Venue.Place] fills at once when the market
// is open and the last quote fresh enough. The rules of a fill stand in match.go, what a quote is in quote.go. Orders,
// fills and cancellations go to a [Ledger] before anybody hears of them, so that a killed process finds each order
// once. Nothing is random and no clock is read: the same calls make the same receipts.
//
// It has two faces over one matching core. [Venue.Place] is lifeboat's own order, good till cancelled. [Venue.Submit] takes a
// [Ticket], the order form of a broker: stops and trailing stops, time in force, extended hours, notionals, brackets and
// other groups, [Venue.Replace], and expiry as [Venue.Pass] lets time go by. The market can be halted, in an auction or
// cancel-only, by [Venue.SetPhase] or by the market-wide circuit breaker (halt.go). Package broker serves it over HTTP.
//
// A sale needs the shares and a purchase the cash at the time it is placed, less what open orders already claim: there is
// no margin, no short sale, and a sale's proceeds can be spent only once it has filled. An auction is the first quote of a
// session or its last: no book is crossed. Dividends, splits and interest do not exist. Halts are not in the ledger.
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
	// Decimals of the smallest part of a unit; 8 when 0.
	Decimals int32
	// Paid is the average price paid for a position that the account opens with; 0 where it is missing.
	Paid map[string]decimal.Decimal
	// Usual is what a session of a symbol usually has, until enough of them were shown: its volume and the volatility of a
	// day as a fraction, 0 where nobody knows. Nothing is known when nil.
	Usual func(symbol string) (volume, volatility float64)
	// Index is the series whose fall halts the whole market as the exchange's circuit breaker does; "" for no breaker.
	Index string
	// Tell hears of every change, those of the opened ledger first, and with an order
	// that replaces another of that one first. It is called under the venue's lock: it must return soon and not call the venue.
	Tell func(View, Entry)
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

	byVenueID map[string]*order          // the same
	claimed   map[string]decimal.Decimal // :: symbol or currency → what open orders claim of it
	costs     map[string]decimal.Decimal // :: symbol → what was paid for all that is held of it
	ended     int                        // orders in open that are final
	ends      time.Time                  // when the next order expires; zero for never
	phases    map[string]Phase           // :: symbol, "" for all → what was set
	breaker   breaker

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
	claim   decimal.Decimal // of cash or shares, as counted in Venue.claimed

	terms      Terms
	waits      bool            // a leg that sleeps
	awake      bool            // its stop was reached
	mark       decimal.Decimal // the best price that a trailing stop has seen
	jump       decimal.Decimal // the price at which a stop that was just reached deals; 0 otherwise
	replacedBy lifeboat.Key
	legs       []lifeboat.Key
	twin       *order
	before     decimal.Decimal // what the orders that it replaces had filled, which its twin cannot fill any more
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
	v := &Venue{cfg: cfg, book: lifeboat.NewBook(cfg.Currency), byKey: map[lifeboat.Key]*order{}, quotes: map[string]*quote{}, past: map[string][]fill{},
		byVenueID: map[string]*order{}, claimed: map[string]decimal.Decimal{}, costs: map[string]decimal.Decimal{}, phases: map[string]Phase{}}
	own := slices.DeleteFunc(slices.Clone(cfg.Positions), func(p lifeboat.Position) bool { return p.Account != cfg.Account })
	v.book.Apply(time.Time{}, lifeboat.PlanLoaded{Positions: own})
	for _, p := range own {
		v.costs[p.Symbol] = p.Quantity.Mul(cfg.Paid[p.Symbol])
	}
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
		v.tell(e)
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
	if c.Usual == nil {
		c.Usual = func(string) (float64, float64) { return 0, 0 }
	}
	if c.Decimals == 0 {
		c.Decimals = 8
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
	if r := v.refusal(Ticket{Order: o}, q, nil); r != nil {
		e.Receipt.Status, e.Receipt.Why = lifeboat.OrderRejected, r.Why
	} else {
		e.Hold = holdOf(Ticket{Order: o}, q)
		if !q.calendar.IsOpen(at) {
			e.Receipt.Why = fmt.Sprintf("the market is closed until %s", q.calendar.Next(at).Open.Format(time.RFC3339))
		}
	}
	if err := v.write(e); err != nil {
		return lifeboat.Receipt{}, fmt.Errorf("place order: %w", err)
	}
	placed := v.byKey[o.ID]
	if err := v.fillNow(at, placed, q); err != nil {
		return lifeboat.Receipt{}, fmt.Errorf("fill order: %w", err)
	}
	return placed.receipt, nil
}

// fillNow fills an order that has just arrived, when its market is open and was quoted a moment ago.
func (v *Venue) fillNow(at time.Time, o *order, q *quote) error {
	v.recallAll()
	if o.receipt.Status.Final() || !v.dealsOn(at, o, q) || !fresh(q.at, at, v.cfg.Fresh) {
		return nil
	}
	if open := q.calendar.IsOpen(at) && q.trading; !open && !(o.terms.Extended && InExtendedHours(q.calendar, at)) {
		return nil
	}
	if err := v.match(at, o, q); err != nil {
		return err
	}
	v.forgetClosed()
	return nil
}

// dealsOn reports whether an order may deal at a quote at all, whatever the price.
func (v *Venue) dealsOn(at time.Time, o *order, q *quote) bool {
	if o.waits || v.phase(o.Symbol, at) != Continuous {
		return false
	}
	switch o.terms.Force {
	case AtOpen:
		return q.trading && !q.at.Before(o.terms.From)
	case AtClose:
		return q.trading && q.at.Equal(o.terms.From)
	}
	return q.trading || o.terms.Extended && InExtendedHours(q.calendar, q.at)
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
	if err := v.end(at, o, lifeboat.Canceled, ""); err != nil {
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
func holdOf(t Ticket, q *quote) decimal.Decimal {
	switch {
	case t.Side == lifeboat.Sell:
		return decimal.Zero
	case t.Type == lifeboat.Limit:
		return t.Limit
	}
	return decimal.Max(priced(q.price), t.Stop).Mul(reserve)
}

// refusal says why an order cannot be taken in; nil when it can. It stands in the place of another, whose claims count no
// more, unless that is nil.
func (v *Venue) refusal(t Ticket, q *quote, instead *order) *Refusal {
	if r := v.malformed(t, q); r != nil {
		return r
	}
	if v.phases[""] == CancelOnly || v.phases[t.Symbol] == CancelOnly {
		return &Refusal{Kind: Shut, Why: fmt.Sprintf("the market of %s takes only cancellations now", t.Symbol)}
	}
	return v.uncovered(t, holdOf(t, q), instead)
}

// malformed says what is wrong with an order whatever the account holds.
func (v *Venue) malformed(o Ticket, q *quote) *Refusal {
	switch {
	case o.Account != v.cfg.Account:
		return malformed("this is the account %q, not %q", v.cfg.Account, o.Account)
	case o.Side != lifeboat.Buy && o.Side != lifeboat.Sell:
		return malformed("%q is neither buy nor sell", o.Side)
	case o.Type != lifeboat.Market && o.Type != lifeboat.Limit:
		return malformed("%q is neither a market nor a limit order", o.Type)
	case !writable(o.Quantity, o.Limit, o.Arrival):
		return malformed("an amount that nobody could write out")
	case !o.Quantity.IsPositive():
		return malformed("%s is no quantity to trade", o.Quantity)
	case !o.Quantity.Equal(v.whole(o.Symbol, o.Quantity)):
		return malformed("%s of %s cannot be traded: the smallest unit is %s", o.Quantity, o.Symbol, v.unit(o.Symbol))
	case o.Type == lifeboat.Limit && !o.Limit.IsPositive():
		return malformed("%s is no limit price", o.Limit)
	case o.Type == lifeboat.Market && !o.Limit.IsZero():
		return malformed("a market order has no limit price")
	case o.Symbol == v.cfg.Currency:
		return malformed("%s is the account's cash", o.Symbol)
	case q == nil || q.price == 0:
		return &Refusal{Kind: NoSuch, Why: fmt.Sprintf("nobody quotes %s here", o.Symbol)}
	}
	return nil
}

// uncovered says what the account lacks for an order; nil when it has it.
func (v *Venue) uncovered(o Ticket, hold decimal.Decimal, instead *order) *Refusal {
	freed := decimal.Zero
	if instead != nil {
		freed = instead.claim
	}
	if o.claimless() {
		return nil
	}
	if o.Side == lifeboat.Sell {
		held, claimed := v.book.Quantity(v.cfg.Account, o.Symbol), v.claimed[o.Symbol].Sub(freed)
		if free := held.Sub(claimed); o.Quantity.GreaterThan(free) {
			return &Refusal{Kind: ShortStock, Need: o.Quantity, Have: free,
				Why: fmt.Sprintf("the account holds %s %s and open sales claim %s: %s cannot be sold", held, o.Symbol, claimed, o.Quantity)}
		}
		return nil
	}
	cash, claimed := v.book.Quantity(v.cfg.Account, v.cfg.Currency), v.claimed[v.cfg.Currency].Sub(freed)
	if cost := v.cost(o.Order, o.Quantity, hold); cost.GreaterThan(cash.Sub(claimed)) {
		return &Refusal{Kind: ShortCash, Need: cost, Have: cash.Sub(claimed),
			Why: fmt.Sprintf("the account has %s %s and open purchases claim %s: %s are not there", cash, v.cfg.Currency, claimed, cost)}
	}
	return nil
}

// claimless is an order that claims nothing of its own: a leg that sleeps, and of two twins the one with the stop.
func (t Terms) claimless() bool {
	return t.Waits || t.Twin != "" && (t.Stop.IsPositive() || t.trails())
}

// reclaim counts anew what an open order claims.
func (v *Venue) reclaim(o *order) {
	of, claim := v.cfg.Currency, decimal.Zero
	if o.Side == lifeboat.Sell {
		of = o.Symbol
	}
	awake := o.terms
	awake.Waits = o.waits
	switch {
	case o.receipt.Status.Final() || awake.claimless():
	case o.Side == lifeboat.Sell:
		claim = o.left()
	default:
		claim = v.cost(o.Order, o.left(), o.hold)
	}
	if o.claim.IsZero() && claim.IsZero() {
		return
	}
	v.claimed[of] = v.claimed[of].Sub(o.claim).Add(claim)
	o.claim = claim
}

// cost of a purchase with its fee.
func (v *Venue) cost(o lifeboat.Order, quantity, price decimal.Decimal) decimal.Decimal {
	return quantity.Mul(price).Add(v.cfg.Fee(o, quantity, price))
}

// left is what an open order may still fill.
func (o *order) left() decimal.Decimal {
	left := o.Quantity.Sub(o.receipt.Filled)
	if o.twin != nil {
		left = left.Sub(o.twin.receipt.Filled).Sub(o.twin.before)
	}
	return decimal.Max(decimal.Zero, left)
}

// write makes an entry durable and then true, in this order, and tells of it.
func (v *Venue) write(e Entry) error {
	if err := v.cfg.Ledger.Append(e); err != nil {
		return err
	}
	v.apply(e)
	v.tell(e)
	return nil
}

func (v *Venue) tell(e Entry) {
	if v.cfg.Tell == nil {
		return
	}
	if e.Terms != nil && e.Terms.Replaces != "" {
		v.cfg.Tell(v.view(v.byKey[e.Terms.Replaces]), e)
	}
	v.cfg.Tell(v.view(v.byKey[e.Receipt.Key]), e)
}

// apply makes an entry true. Cash and positions move by the receipt's totals, exactly as they do in the books of
// whoever gets the receipt: the two cannot drift apart.
func (v *Venue) apply(e Entry) {
	v.entries++
	o := v.byKey[e.Receipt.Key]
	if e.Order != nil {
		o = v.admit(e)
	}
	v.pay(o, e.Receipt)
	if e.Wakes {
		o.awake, o.waits = !o.waits, false // a leg that slept has still to reach its stop
	}
	if !e.Mark.IsZero() {
		o.mark = e.Mark
	}
	if !e.Quantity.IsZero() {
		o.Quantity = e.Quantity
	}
	if e.Receipt.Status.Final() && !o.receipt.Status.Final() && e.Order == nil {
		v.ended++
	}
	o.receipt, o.since = e.Receipt, e.At
	v.book.Apply(e.At, e.Receipt)
	v.reclaim(o)
	if o.twin != nil {
		v.reclaim(o.twin)
	}
}

// forgetClosed takes orders that cannot fill any more from the open ones; not while these are being walked through.
func (v *Venue) forgetClosed() {
	if v.ended > 0 {
		v.open = slices.DeleteFunc(v.open, func(o *order) bool { return o.receipt.Status.Final() })
		v.ended = 0
	}
}

// venueID is the number under which the venue files an order: a function of the order, so that a drill repeats it.
func venueID(o lifeboat.Order) string {
	return "paper-" + string(lifeboat.NewKey("paper", o.Account, o.ID)[3:15])
}
