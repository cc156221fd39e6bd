// Package binance trades on a spot account at Binance, for exits from an exchange: limit and market orders, what the account
// holds, and withdrawals to addresses that the owner listed.
//
// It speaks the documented REST API (api/v3, and sapi/v1 for withdrawals) by calls of its own, signed with HMAC-SHA256 or
// Ed25519. The library go-binance was read and left out of the path of an order: by itself it calls http.DefaultClient, which
// never times out; it reads bodies without a limit, forgets Retry-After, logs signed addresses when debugging, and reads the
// machine's clock. See docs/decisions/0022-exchanges.md.
//
// A key is placed once although Binance keeps client ids unique among open orders only, and takes the id of a filled order a
// second time. So each order is asked for before it is sent, and what came of a request without an answer is found out by
// asking. That nothing came of it is proved by recvWindow: Binance refuses a signed request that is older than its timestamp
// and its window, by its own clock. When that clock (asked for at /time) says that the window of the last request under a key
// is over, and so is the half minute in which its engine may still take in what passed the gate, a miss is a proof; see
// proof.go. Until then Ask answers an error, never lifeboat.ErrAbsent. What an earlier process may have sent is covered in
// the same way, from the first time that this one heard of Binance's clock.
//
// Quantities are rounded down to the step of the pair, limits to its tick on the owner's side, and what is too small or too
// large is refused with the numbers before anything is sent. Only pairs that the connection names can be traded, because
// Binance finds an order by its client id within one pair only. It does not trade on margin, does not convert one currency
// into another, and does not add up fees that are taken in a third asset.
package binance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/gate"
	"lifeboat/act/venue/rest"
)

// Venue is one spot account. One goroutine at a time may call it.
type Venue struct {
	c      venue.Connection
	wire   wire
	cash   string            // Binance's name of the base currency
	pairs  map[string]string // :: plan's symbol → pair, BTCUSDT
	rules  map[string]rules  // :: pair → what it permits, as read lately
	gate   gate.Gate         // of what was sent and not answered
	where  map[lifeboat.Key]*watched
	own    []venue.Address         // where withdrawals may go
	agreed map[lifeboat.Key]string // :: withdrawal that Binance accepted and has not listed yet → its number
	weight int                     // requests' weight that a minute has
}

// A watched order is one that this process has seen: where it trades, and since when it is over.
type watched struct {
	pair  string
	ended time.Time
}

// Real is the address for real trading.
const Real = "https://api.binance.com"

const (
	perMinute  = 6000 // weight that an address may use in a minute
	watchedMax = 10_000
)

// New joins an account. The connection's symbols name the pair of each asset that may be traded, and what stands for the base
// currency when Binance calls that otherwise: {BTC: BTCUSDT, USD: USDT}.
func New(c venue.Connection) (*Venue, error) {
	if c.Key == "" || c.Secret == "" {
		return nil, fmt.Errorf("connect account %q to Binance: a key and a secret are needed", c.Account)
	}
	v := &Venue{c: c, cash: c.Theirs(c.Currency), pairs: maps.Clone(c.Symbols), rules: map[string]rules{},
		where: map[lifeboat.Key]*watched{}, agreed: map[lifeboat.Key]string{}, weight: c.PerMinute}
	if v.weight == 0 {
		v.weight = perMinute
	}
	delete(v.pairs, c.Currency)
	var err error
	v.wire, err = newWire(c, v.weight)
	if err != nil {
		return nil, fmt.Errorf("connect account %q to Binance: %w", c.Account, err)
	}
	return v, nil
}

// Memory of Binance: a filled order is known for ever, one that was cancelled or expired unfilled for 90 days.
func (v *Venue) Memory() time.Duration { return 90 * 24 * time.Hour }

// Place sends an order once, unless Binance has its key already.
func (v *Venue) Place(ctx context.Context, _ time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	pair, listed := v.pairs[o.Symbol]
	if known := v.where[o.ID]; known != nil && known.pair != pair {
		return v.taken(ctx, known.pair, o)
	}
	if why := v.foreign(o, listed); why != "" {
		return v.refused(o.ID, why), nil
	}
	r, found, err := v.rulesOf(ctx, pair)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	if !found {
		return v.refused(o.ID, fmt.Sprintf("Binance knows no pair %s any more", pair)), nil
	}
	terms, why := r.fit(o)
	there, had, err := v.find(ctx, pair, o.ID)
	switch {
	case err != nil:
		return lifeboat.Receipt{}, err
	case had:
		return v.again(ctx, there, o, terms, why)
	case why != "":
		return v.refused(o.ID, why), nil
	case v.gate.UnderWay(o.ID):
		return lifeboat.Receipt{}, fault("place order", "the order %s was sent before and may still arrive; ask for it first", o.ID)
	}
	return v.post(ctx, pair, o, terms)
}

// post makes the one request.
func (v *Venue) post(ctx context.Context, pair string, o lifeboat.Order, t terms) (lifeboat.Receipt, error) {
	form := t.form(pair, o)
	stamped, err := v.stamp(ctx)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	v.gate.Send(o.ID, stamped.Add(window))
	v.watch(o.ID, pair)
	var answer order
	err = v.wire.signed(ctx, rest.Request{Step: "place order", Method: "POST", Path: "/api/v3/order", Urgent: true}, form, stamped, &answer)
	if err == nil && (answer.ID == 0 || answer.Client != string(o.ID)) {
		return lifeboat.Receipt{}, fault("place order", "the answer is not about the order %s", o.ID)
	}
	if err != nil {
		return v.failed(ctx, pair, o, t, err)
	}
	v.gate.Settle(o.ID)
	receipt, err := v.receipt(o.ID, answer, answer.tradesInAnswer())
	if err == nil && t.rounded != "" && receipt.Why == "" {
		receipt.Why = t.rounded
	}
	return receipt, err
}

// failed sorts what a request without success means: it never arrived, it was refused, or nobody knows.
func (v *Venue) failed(ctx context.Context, pair string, o lifeboat.Order, t terms, err error) (lifeboat.Receipt, error) {
	e, ok := rest.As(err)
	switch {
	case !ok:
		return lifeboat.Receipt{}, err
	case !e.Reached || e.Throttled:
		v.gate.Settle(o.ID)
		return lifeboat.Receipt{}, err
	case e.Code == badTime: // refused at the gate, for the clock alone
		v.gate.Settle(o.ID)
		v.wire.forgetTime()
		return lifeboat.Receipt{}, err
	case e.Code == rejectedOrder: // by the engine: for want of money, or because the key is open
		there, had, asked := v.find(ctx, pair, o.ID)
		if asked != nil {
			return lifeboat.Receipt{}, asked
		}
		if had {
			return v.again(ctx, there, o, t, "")
		}
	case !e.Refused() || e.Code == "" || isUnclear(e.Code):
		return lifeboat.Receipt{}, err
	}
	v.gate.Settle(o.ID)
	v.over(o.ID)
	return v.refused(o.ID, fmt.Sprintf("Binance does not take the order: %s (code %s)", e.Message, e.Code)), nil
}

// Ask says where an order stands.
func (v *Venue) Ask(ctx context.Context, _ time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	o, found, err := v.search(ctx, id)
	switch {
	case err != nil:
		return lifeboat.Receipt{}, err
	case found:
		return v.told(ctx, id, o)
	}
	if err := v.mayArrive(ctx, id); err != nil {
		return lifeboat.Receipt{}, err
	}
	o, found, err = v.search(ctx, id) // a miss counts only after the time when nothing could come any more
	switch {
	case err != nil:
		return lifeboat.Receipt{}, err
	case found:
		return v.told(ctx, id, o)
	}
	v.gate.Settle(id)
	return lifeboat.Receipt{}, fmt.Errorf("ask for order %s at Binance: %w", id, lifeboat.ErrAbsent)
}

// Cancel takes back what is not filled.
func (v *Venue) Cancel(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	o, found, err := v.search(ctx, id)
	switch {
	case err != nil:
		return lifeboat.Receipt{}, err
	case !found:
		if r, err := v.Ask(ctx, at, id); err != nil || r.Status.Final() {
			return r, err
		}
		return v.Cancel(ctx, at, id) // it has arrived meanwhile
	case statuses[o.Status].Final():
		return v.told(ctx, id, o)
	}
	form := map[string]string{"symbol": o.Symbol, "orderId": strconv.FormatInt(o.ID, 10)}
	stamped, err := v.stamp(ctx)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	err = v.wire.signed(ctx, rest.Request{Step: "cancel order", Method: "DELETE", Path: "/api/v3/order", Urgent: true}, form, stamped, nil)
	if e, ok := rest.As(err); err != nil && !(ok && e.Code == notCanceled) { // that it is over already is told by what it is now
		return lifeboat.Receipt{}, err
	}
	return v.Ask(ctx, at, id)
}

// search finds an order by its key, in the pair that it is known to be in, or else in every one that could have it.
func (v *Venue) search(ctx context.Context, id lifeboat.Key) (order, bool, error) {
	pairs := slices.Sorted(maps.Values(v.pairs))
	if known := v.where[id]; known != nil {
		pairs = []string{known.pair}
	}
	for _, pair := range pairs {
		o, found, err := v.find(ctx, pair, id)
		if found || err != nil {
			return o, found, err
		}
	}
	return order{}, false, nil
}

// find asks one pair for a key. A pair that Binance does not know any more has no order of ours.
func (v *Venue) find(ctx context.Context, pair string, id lifeboat.Key) (order, bool, error) {
	var o order
	err := v.read(ctx, rest.Request{Step: "ask for order", Path: "/api/v3/order", Weight: 4, Urgent: true},
		map[string]string{"symbol": pair, "origClientOrderId": string(id)}, &o)
	if e, ok := rest.As(err); ok {
		switch e.Code {
		case noSuchOrder:
			return order{}, false, nil
		case badSymbol:
			if v.where[id] == nil { // nothing was ever sent there by this process, and nothing can be now
				return order{}, false, nil
			}
		case archived:
			v.watch(id, pair)
			return order{Symbol: pair, Client: string(id), Status: "CANCELED", forgotten: true}, true, nil
		}
	}
	if err != nil {
		return order{}, false, err
	}
	if o.ID == 0 || o.Client != string(id) || o.Symbol != pair {
		return order{}, false, fault("ask for order", "the answer is not about the order %s", id)
	}
	v.watch(id, pair)
	return o, true, nil
}

// told is the receipt of an order, with the trades that its fills were.
func (v *Venue) told(ctx context.Context, id lifeboat.Key, o order) (lifeboat.Receipt, error) {
	v.gate.Settle(id)
	if _, read := v.rules[o.Symbol]; !read && o.Filled.d.IsPositive() { // without them nobody knows what a fee was taken in
		if _, _, err := v.rulesOf(ctx, o.Symbol); err != nil {
			return lifeboat.Receipt{}, err
		}
	}
	trades, err := v.tradesOf(ctx, o)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	return v.receipt(id, o, trades)
}

// again answers a key that Binance has. The refusal of another order carries the totals of the one that has the key.
func (v *Venue) again(ctx context.Context, there order, o lifeboat.Order, t terms, unfit string) (lifeboat.Receipt, error) {
	r, err := v.told(ctx, o.ID, there)
	if err != nil || unfit == "" && t.same(there) {
		return r, err
	}
	r.Status, r.Why = lifeboat.OrderRejected, fmt.Sprintf("the key %s belongs to another order at Binance: %s %s %s", o.ID, there.Side, there.Quantity.d, there.Symbol)
	return r, nil
}

// taken answers an order whose key this process knows from another pair.
func (v *Venue) taken(ctx context.Context, pair string, o lifeboat.Order) (lifeboat.Receipt, error) {
	there, found, err := v.find(ctx, pair, o.ID)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	if !found {
		return lifeboat.Receipt{}, fault("place order", "the key %s was sent for %s and may still arrive", o.ID, pair)
	}
	return v.again(ctx, there, o, terms{}, "another pair")
}

// foreign says why an order cannot be one for this account; "" when it can.
func (v *Venue) foreign(o lifeboat.Order, listed bool) string {
	switch {
	case o.Account != v.c.Account:
		return fmt.Sprintf("this is the account %q, not %q", v.c.Account, o.Account)
	case o.Symbol == v.c.Currency:
		return fmt.Sprintf("%s is the account's cash", o.Symbol)
	case !listed:
		return fmt.Sprintf("the connection to Binance names no pair for %s: add it under symbols, as %s: %s%s", o.Symbol, o.Symbol, o.Symbol, v.cash)
	case !fitsKey(o.ID):
		return fmt.Sprintf("%q is no key that Binance takes", o.ID)
	}
	return ""
}

func fitsKey(id lifeboat.Key) bool {
	for _, r := range id {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
			return false
		}
	}
	return len(id) > 0 && len(id) <= 36
}

func (v *Venue) refused(id lifeboat.Key, why string) lifeboat.Receipt {
	return lifeboat.Receipt{Key: id, Account: v.c.Account, Status: lifeboat.OrderRejected, Why: why}
}

// watch remembers where a key trades. Beyond the limit those that are over go first; what is not remembered is searched for.
func (v *Venue) watch(id lifeboat.Key, pair string) {
	if v.where[id] != nil {
		return
	}
	if len(v.where) >= watchedMax {
		maps.DeleteFunc(v.where, func(_ lifeboat.Key, w *watched) bool { return !w.ended.IsZero() })
	}
	if len(v.where) < watchedMax {
		v.where[id] = &watched{pair: pair}
	}
}

// terms of an order as they are sent.
type terms struct {
	side, kind      string
	quantity, limit decimal.Decimal
	rounded         string // what was rounded, for people
}

func (t terms) form(pair string, o lifeboat.Order) map[string]string {
	form := map[string]string{"symbol": pair, "side": t.side, "type": t.kind, "quantity": t.quantity.String(),
		"newClientOrderId": string(o.ID), "newOrderRespType": "FULL"}
	if t.kind == "LIMIT" {
		form["timeInForce"], form["price"] = "GTC", t.limit.String()
	}
	return form
}

func (t terms) same(o order) bool {
	return !o.forgotten && o.Side == t.side && o.Type == t.kind && o.Quantity.d.Equal(t.quantity) && (t.kind == "MARKET" || o.Price.d.Equal(t.limit))
}
