// Package alpaca trades at Alpaca: [Venue] is one account there as the flow knows venues, over [Client], which speaks all of
// the trading API that lifeboat needs, and [Venue.Listen] hears at once when an order moves.
//
// Every order is sent once and under its key as client order id, which is unique at Alpaca for ever: a second order under
// it is refused, never made, and never answered with the first. So a refusal proves nothing by itself. After each one the
// venue is asked for the key: it is the same order's standing, another order that has the key, or the refusal's own.
//
// The proof of absence. That Alpaca does not know a key proves nothing while a request under it may still be on its way:
// a connection can break with the order in a queue behind it. A key is absent when Alpaca does not know it and the last
// request under it either was answered with a refusal, or never left this machine, or ended at least [settles] ago. What
// another process of ours sent just before it died is not known here, so in the first moments of a process no key is
// absent at all. Sending an order again would be safe even earlier; cancelling one that is still to arrive would not be.
//
// Whole quantities are good till cancelled, which Alpaca ends after 90 days; parts of a share are for the day, since Alpaca
// takes them no other way. Pairs such as BTC/USD are good till cancelled.
//
// It does not know halts of single shares before Alpaca's assets say so, and no fees: Alpaca books what regulators take at
// the end of the day, and receipts carry none. It never uses Alpaca's own close-all, whose orders cannot be asked for.
package alpaca

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/rest"
)

// Venue is one account. Its methods are for one goroutine, Listen for another.
type Venue struct {
	conn   venue.Connection
	client *Client
	opened time.Time // when this process began to know what it sends

	mu   sync.Mutex                 // guards sent
	sent map[lifeboat.Key]time.Time // :: key → when the last request under it ended of which nobody knows what became

	assets map[string]checked // :: the venue's symbol → what it said of it last
	skewed bool               // the log has said that the clocks differ
}

// settles is how long after its end a request may still arrive. Servers give a request that they have accepted at most a
// few seconds; this is twice the time that a call of ours may take.
const settles = 30 * time.Second

// New prepares an account and calls nobody.
func New(c venue.Connection) (*Venue, error) {
	client, err := NewClient(c)
	if err != nil {
		return nil, err
	}
	return &Venue{conn: client.conn, client: client, opened: c.Clock.Now(), sent: map[lifeboat.Key]time.Time{}, assets: map[string]checked{}}, nil
}

// Client of the account, for what is no part of a flow.
func (v *Venue) Client() *Client { return v.client }

// Memory of Alpaca for a key is for ever.
func (v *Venue) Memory() time.Duration { return 0 }

// Place sends an order once and says where it stands. Whatever Alpaca refuses it is asked for, because a refusal may come
// from the order that has the key already.
func (v *Venue) Place(ctx context.Context, _ time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	if o.Account != v.conn.Account {
		return v.refused(o.ID, fmt.Sprintf("this is the account %q, not %q", v.conn.Account, o.Account)), nil
	}
	ticket := v.ticket(o)
	if err := ticket.Check(); err != nil {
		return v.refused(o.ID, err.Error()), nil
	}
	placed, err := v.client.Place(ctx, ticket)
	v.remember(o.ID, err)
	if err == nil {
		return v.receipt("place order", placed)
	}
	refusal, ok := rest.As(err)
	if !ok || !refusal.Refused() || refusal.Code == "" {
		return lifeboat.Receipt{}, err
	}
	standing, err := v.client.OrderByClientID(ctx, string(o.ID))
	switch {
	case err == nil && v.same(standing, ticket):
		return v.receipt("place order", standing)
	case err == nil:
		return v.another(o, standing)
	case unknown(err) && refusal.Code != codeTaken:
		return v.refused(o.ID, refusal.Error()), nil
	case unknown(err):
		return lifeboat.Receipt{}, fault("place order", "it says that the key %s is taken, and does not know the order that has it", o.ID)
	}
	return lifeboat.Receipt{}, fmt.Errorf("%w (after it was refused: %s)", err, refusal.Message)
}

// Codes of Alpaca. Its texts vary between revisions and decide nothing.
const (
	codeTaken   = "40010001" // the client order id must be unique
	codeUnknown = "40410000" // no such order
)

// unknown reports that Alpaca itself, and no proxy before it, says that it does not know an order.
func unknown(err error) bool {
	said, ok := rest.As(err)
	return ok && said.Status == http.StatusNotFound && said.Code == codeUnknown
}

// ticket of an order.
func (v *Venue) ticket(o lifeboat.Order) Ticket {
	t := Ticket{
		ClientOrderID: string(o.ID), Symbol: v.conn.Theirs(o.Symbol), Side: o.Side, Type: string(o.Type),
		Quantity: o.Quantity, Limit: o.Limit, TimeInForce: "gtc",
	}
	if !strings.Contains(t.Symbol, "/") {
		t.Limit = cents(o)
	}
	if !o.Quantity.IsInteger() && !strings.Contains(t.Symbol, "/") {
		t.TimeInForce = "day"
	}
	return t
}

// cents is the limit of an order in steps that shares are quoted in, whole cents from a dollar upwards and hundredths of a cent
// below; Alpaca refuses finer ones. What is rounded off is on the owner's side: nothing is sold for less, or bought for more.
func cents(o lifeboat.Order) decimal.Decimal {
	places := int32(2)
	if o.Limit.LessThan(decimal.NewFromInt(1)) {
		places = 4
	}
	if o.Side == lifeboat.Sell {
		return o.Limit.RoundCeil(places)
	}
	return o.Limit.RoundFloor(places)
}

// same reports whether an order at the venue is the one that a ticket asks for.
func (v *Venue) same(o Order, t Ticket) bool {
	return unslashed(o.Symbol) == unslashed(t.Symbol) && o.Side == t.Side && o.Type == t.Type && o.Quantity.Equal(t.Quantity) && o.Limit.Equal(t.Limit)
}

// another refuses an order whose key belongs to another one, with the totals of that one, so that whoever books the refusal
// books nothing away.
func (v *Venue) another(o lifeboat.Order, standing Order) (lifeboat.Receipt, error) {
	r, err := v.receipt("place order", standing)
	if err != nil {
		return r, err
	}
	r.Status = lifeboat.OrderRejected
	r.Why = fmt.Sprintf("the key %s belongs to another order at Alpaca: %s %s %s", o.ID, standing.Side, standing.Quantity, v.ours(standing.Symbol, standing.AssetClass))
	return r, nil
}

func (v *Venue) refused(key lifeboat.Key, why string) lifeboat.Receipt {
	return lifeboat.Receipt{Key: key, Account: v.conn.Account, Status: lifeboat.OrderRejected, Why: why}
}

// Ask says where an order stands.
func (v *Venue) Ask(ctx context.Context, _ time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	began := v.conn.Clock.Now()
	o, err := v.client.OrderByClientID(ctx, string(id))
	if unknown(err) {
		return lifeboat.Receipt{}, v.missed("ask for order", id, began)
	}
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	v.forget(id)
	return v.receipt("ask for order", o)
}

// Cancel takes back what is open of an order, and answers with what is known of it then: it may take the venue a moment.
func (v *Venue) Cancel(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	began := v.conn.Clock.Now()
	o, err := v.client.OrderByClientID(ctx, string(id))
	if unknown(err) {
		return lifeboat.Receipt{}, v.missed("cancel order", id, began)
	}
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	before, err := v.receipt("cancel order", o)
	if err != nil || before.Status.Final() {
		return before, err
	}
	refusal := v.client.Cancel(ctx, o.ID)
	if said, ok := rest.As(refusal); refusal != nil && !(ok && said.Refused() && said.Code != "") {
		return lifeboat.Receipt{}, refusal
	}
	after, err := v.Ask(ctx, at, id)
	if err == nil && refusal != nil && !after.Status.Final() {
		return lifeboat.Receipt{}, fmt.Errorf("%w; the order is still open", refusal)
	}
	return after, err
}

// Since lists the orders under lifeboat's keys that Alpaca took in since a time, and all that are open.
func (v *Venue) Since(ctx context.Context, _, since time.Time) ([]lifeboat.PlacedOrder, error) {
	open, err := v.client.Orders(ctx, "open", time.Time{})
	if err != nil {
		return nil, err
	}
	all, err := v.client.Orders(ctx, "all", since)
	if err != nil {
		return nil, err
	}
	var found []lifeboat.PlacedOrder
	listed := map[string]bool{}
	for _, o := range append(all, open...) { // what filled between the two stands in the second as it was later
		r, err := v.receipt("list orders", o)
		if !ours(o) || listed[o.ID] {
			continue
		}
		if err != nil {
			return nil, err
		}
		listed[o.ID] = true
		if open := !r.Status.Final(); open || r.Status != lifeboat.OrderRejected && !o.arrived().Before(since) {
			found = append(found, lifeboat.PlacedOrder{Order: v.order(o), Receipt: r})
		}
	}
	return found, nil
}

// order as the flow knows it. Its arrival price is in the journal alone.
func (v *Venue) order(o Order) lifeboat.Order {
	return lifeboat.Order{ID: lifeboat.Key(o.ClientOrderID), Account: v.conn.Account, Symbol: v.ours(o.Symbol, o.AssetClass),
		Side: o.Side, Type: lifeboat.OrderType(o.Type), Quantity: o.Quantity.Decimal, Limit: o.Limit.Decimal}
}

// ours reports an order under a key of lifeboat's.
func ours(o Order) bool { return strings.HasPrefix(o.ClientOrderID, "lb-") }

// ours is the plan's name of a symbol. Alpaca writes a pair with a slash in orders and without one in positions.
func (v *Venue) ours(symbol, class string) string {
	for ours, theirs := range v.conn.Symbols {
		if theirs == symbol || class == "crypto" && unslashed(theirs) == unslashed(symbol) {
			return ours
		}
	}
	return symbol
}

func unslashed(symbol string) string { return strings.ReplaceAll(symbol, "/", "") }

// remember notes when a request under a key ended of which nobody knows what became. One that was refused takes nothing back
// of what is known of an earlier one.
func (v *Venue) remember(id lifeboat.Key, err error) {
	if err == nil {
		v.forget(id)
		return
	}
	if e, ok := rest.As(err); ok && (!e.Reached || e.Throttled || e.Refused() && (e.Code != "" || e.Status == http.StatusUnauthorized)) {
		return
	}
	now := v.conn.Clock.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	for other, ended := range v.sent { // what has settled proves itself, so that the list stays as long as a few moments
		if now.Sub(ended) >= settles {
			delete(v.sent, other)
		}
	}
	v.sent[id] = now
}

func (v *Venue) forget(id lifeboat.Key) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.sent, id)
}

// missed is what it means that Alpaca does not know a key, as of when it was asked.
func (v *Venue) missed(step string, id lifeboat.Key, began time.Time) error {
	v.mu.Lock()
	ended, under := v.sent[id]
	v.mu.Unlock()
	if !under {
		ended = v.opened
	}
	if wait := settles - began.Sub(ended); wait > 0 {
		what := "it was sent and not answered"
		if !under {
			what = "lifeboat was started, and may have sent it before"
		}
		return &rest.Error{Venue: Name, Step: step, Status: http.StatusNotFound, Code: codeUnknown, Reached: true,
			Message: fmt.Sprintf("it does not know the order %s, but only %s ago %s: it may still arrive; that proves nothing for another %s",
				id, began.Sub(ended).Round(time.Second), what, wait.Round(time.Second))}
	}
	return fmt.Errorf("%s: %s %s: %w", Name, step, id, lifeboat.ErrAbsent)
}
