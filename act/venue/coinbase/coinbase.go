// Package coinbase trades on an account at Coinbase Advanced Trade, for exits from an exchange: limit and market orders, what the
// account holds, and withdrawals to addresses that the owner listed.
//
// It makes its own calls to the documented REST API (api/v3/brokerage, and v2 for withdrawals), each with a token signed for this one call: ES256 with
// an EC key, or EdDSA with an Ed25519 key.
//
// A key is placed once because Coinbase says so: an order under a client id that it has is not created, and the one that has
// the id is answered. What is answered is read back and held against what was ordered. That nothing came of a request is
// proved by its token: Coinbase turns a call away once the token has ended, by its own clock. When that clock (asked for at
// /time) says that the token of the last request under a key has ended, and so has the minute left for clocks of its gates and
// for its engine, a key that its list of orders does not have never comes; see proof.go. Until then Ask answers an error, never
// lifeboat.ErrAbsent.
//
// Coinbase finds no order by client id. So an order that this process has not seen is searched for in the list of the last 30
// days, and that is its memory. A market purchase is sent as a limit 2% above the best ask that is filled at once or ended,
// since Coinbase takes market purchases in money and not in units. Quantities are rounded down to the product's increment,
// limits on the owner's side. It does not trade futures, does not convert, does not withdraw to a bank, and tells nobody what the
// travel rule of some countries asks about who receives a withdrawal; Coinbase then refuses it.
package coinbase

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/gate"
	"lifeboat/act/venue/rest"
)

// Venue is one account, which is one portfolio of a key. One goroutine at a time may call it.
type Venue struct {
	c     venue.Connection
	wire  wire
	cash  string                    // Coinbase's name of the base currency
	gate  gate.Gate                 // of what was sent and not answered
	where map[lifeboat.Key]*watched // orders that this process has seen
	rules map[string]product        // :: product → what it permits, as read lately

	own    []venue.Address         // where withdrawals may go
	agreed map[lifeboat.Key]string // :: withdrawal that Coinbase has taken and not listed yet → its number
}

type watched struct {
	id    string // Coinbase's
	ended time.Time
}

// Real is the address for real trading.
const Real = "https://api.coinbase.com"

const (
	perMinute  = 1800 // 30 a second
	watchedMax = 10_000
	remembered = 30 * 24 * time.Hour
)

// New joins an account. The key is the name of the API key (organizations/…/apiKeys/…), the secret its private key.
func New(c venue.Connection) (*Venue, error) {
	if c.Key == "" || c.Secret == "" {
		return nil, fmt.Errorf("connect account %q to Coinbase: the name of a key and its private key are needed", c.Account)
	}
	w, err := newWire(c)
	if err != nil {
		return nil, fmt.Errorf("connect account %q to Coinbase: %w", c.Account, err)
	}
	return &Venue{c: c, wire: w, cash: c.Theirs(c.Currency), where: map[lifeboat.Key]*watched{}, rules: map[string]product{}, agreed: map[lifeboat.Key]string{}}, nil
}

// Memory is how far back the list of orders is searched for a key.
func (v *Venue) Memory() time.Duration { return remembered }

// Place sends an order once.
func (v *Venue) Place(ctx context.Context, _ time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	if why := v.foreign(o); why != "" {
		return v.refused(o.ID, why), nil
	}
	id := v.theirs(o.Symbol)
	p, found, err := v.productOf(ctx, id)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	t, why := terms{}, fmt.Sprintf("Coinbase knows no product %s", id)
	if found {
		t, why = p.fit(o)
	}
	there, had, err := v.known(ctx, o.ID)
	switch {
	case err != nil:
		return lifeboat.Receipt{}, err
	case had:
		return v.again(there, o, t, why)
	case why != "":
		return v.refused(o.ID, why), nil
	case v.gate.UnderWay(o.ID):
		return lifeboat.Receipt{}, fault("place order", "the order %s was sent before and may still arrive; ask for it first", o.ID)
	}
	if t.kind == marketPurchase {
		if t.limit, err = v.collar(ctx, p); err != nil {
			return lifeboat.Receipt{}, err
		}
	}
	return v.post(ctx, p, o, t)
}

// created is the answer to a new order.
type created struct {
	Success *bool `json:"success"`
	Done    struct {
		ID      string `json:"order_id"`
		Product string `json:"product_id"`
		Client  string `json:"client_order_id"`
	} `json:"success_response"`
	Failed struct {
		Error   string `json:"error"`
		Message string `json:"message"`
		Details string `json:"error_details"`
		Preview string `json:"preview_failure_reason"`
		Reason  string `json:"new_order_failure_reason"`
	} `json:"error_response"`
}

func (v *Venue) post(ctx context.Context, p product, o lifeboat.Order, t terms) (lifeboat.Receipt, error) {
	stamped, err := v.stamp(ctx)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	v.gate.Send(o.ID, stamped.Add(life))
	body := map[string]any{"client_order_id": string(o.ID), "product_id": p.ID, "side": strings.ToUpper(string(o.Side)), "order_configuration": t.configuration()}
	var a created
	err = v.wire.signed(ctx, rest.Request{Step: "place order", Method: "POST", Path: "/api/v3/brokerage/orders", Body: body, Urgent: true}, stamped, &a)
	switch {
	case err != nil:
		return v.failed(o.ID, err)
	case a.Success == nil:
		return lifeboat.Receipt{}, fault("place order", "the answer does not say whether the order %s was created", o.ID)
	case !*a.Success:
		return v.declined(ctx, o, t, a)
	case a.Done.ID == "" || a.Done.Client != "" && a.Done.Client != string(o.ID):
		return lifeboat.Receipt{}, fault("place order", "the answer is not about the order %s", o.ID)
	}
	v.gate.Settle(o.ID)
	v.watch(o.ID, a.Done.ID)
	there, found, err := v.byID(ctx, o.ID, a.Done.ID)
	if err != nil || !found { // it is there, and how it stands is for the next question
		return lifeboat.Receipt{Key: o.ID, Account: v.c.Account, Status: lifeboat.Accepted, VenueID: a.Done.ID, Why: t.rounded}, nil
	}
	r, err := v.again(there, o, t, "")
	if err == nil && r.Why == "" {
		r.Why = t.rounded
	}
	return r, err
}

// failed sorts what a request without success means: it never arrived, it was refused, or nobody knows.
func (v *Venue) failed(id lifeboat.Key, err error) (lifeboat.Receipt, error) {
	e, ok := rest.As(err)
	switch {
	case !ok:
	case !e.Reached || e.Throttled:
		v.gate.Settle(id)
	case e.Status == 401: // the token was not accepted, for its key or for the clock
		v.gate.Settle(id)
		v.wire.forgetTime()
	case e.Refused() && e.Code != "":
		v.gate.Settle(id)
		return v.refused(id, fmt.Sprintf("Coinbase does not take the order: %s (%s)", e.Message, e.Code)), nil
	}
	return lifeboat.Receipt{}, err
}

// declined is an answer that says the order was not created.
func (v *Venue) declined(ctx context.Context, o lifeboat.Order, t terms, a created) (lifeboat.Receipt, error) {
	f := a.Failed
	if f.Reason == "DUPLICATE_CLIENT_ORDER_ID" || f.Error == "DUPLICATE_CLIENT_ORDER_ID" {
		there, found, err := v.search(ctx, o.ID)
		if err == nil && !found {
			err = fault("place order", "it has the key %s already, and does not list it", o.ID)
		}
		if err != nil {
			return lifeboat.Receipt{}, err
		}
		return v.again(there, o, t, "")
	}
	reason := ""
	for _, text := range []string{f.Preview, f.Reason, f.Error} {
		if reason == "" && text != "" && !strings.HasPrefix(text, "UNKNOWN_") {
			reason = text
		}
	}
	if reason == "" {
		return lifeboat.Receipt{}, fault("place order", "it does not say why it failed: %s", v.wire.scrub(f.Message))
	}
	v.gate.Settle(o.ID)
	return v.refused(o.ID, v.wire.scrub(strings.TrimSpace(fmt.Sprintf("Coinbase does not take the order: %s %s (%s)", f.Message, f.Details, reason)))), nil
}

// Ask says where an order stands.
func (v *Venue) Ask(ctx context.Context, _ time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	o, found, err := v.find(ctx, id)
	switch {
	case err != nil:
		return lifeboat.Receipt{}, err
	case found:
		return v.receipt(id, o)
	}
	if err := v.mayArrive(ctx, id); err != nil {
		return lifeboat.Receipt{}, err
	}
	o, found, err = v.search(ctx, id) // a miss counts only after the time when nothing could come any more
	switch {
	case err != nil:
		return lifeboat.Receipt{}, err
	case found:
		return v.receipt(id, o)
	}
	v.gate.Settle(id)
	return lifeboat.Receipt{}, fmt.Errorf("ask for order %s at Coinbase: %w", id, lifeboat.ErrAbsent)
}

// Cancel takes back what is not filled.
func (v *Venue) Cancel(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	o, found, err := v.find(ctx, id)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	if !found {
		if r, err := v.Ask(ctx, at, id); err != nil || r.Status.Final() {
			return r, err
		}
		return v.Cancel(ctx, at, id) // it has arrived meanwhile
	}
	if statuses[o.Status].Final() {
		return v.receipt(id, o)
	}
	stamped, err := v.stamp(ctx)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	var answer struct {
		Results []struct {
			Success bool   `json:"success"`
			Reason  string `json:"failure_reason"`
			ID      string `json:"order_id"`
		} `json:"results"`
	}
	err = v.wire.signed(ctx, rest.Request{Step: "cancel order", Method: "POST", Path: "/api/v3/brokerage/orders/batch_cancel", Body: map[string]any{"order_ids": []string{o.ID}}, Urgent: true}, stamped, &answer)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	r, err := v.Ask(ctx, at, id)
	if err != nil || r.Status.Final() {
		return r, err
	}
	if len(answer.Results) != 1 || !answer.Results[0].Success {
		return lifeboat.Receipt{}, fault("cancel order", "it did not cancel %s, which is still open", id)
	}
	r.Why = "Coinbase has taken the cancellation and not carried it out yet"
	return r, nil
}

// find looks an order up by Coinbase's number where this process knows it, and in the list otherwise.
func (v *Venue) find(ctx context.Context, id lifeboat.Key) (order, bool, error) {
	o, found, err := v.known(ctx, id)
	if found || err != nil {
		return o, found, err
	}
	return v.search(ctx, id)
}

// known finds an order that this process has seen. That Coinbase does not show it now is no sign that it is not there.
func (v *Venue) known(ctx context.Context, id lifeboat.Key) (order, bool, error) {
	w := v.where[id]
	if w == nil {
		return order{}, false, nil
	}
	o, found, err := v.byID(ctx, id, w.id)
	if err == nil && !found {
		err = fault("ask for order", "it does not show its order %s now, which it has taken before", w.id)
	}
	return o, found, err
}

func (v *Venue) byID(ctx context.Context, id lifeboat.Key, number string) (order, bool, error) {
	if !fitsPath(number) {
		return order{}, false, fault("ask for order", "its number is none that can be asked for")
	}
	var answer struct {
		Order *order `json:"order"`
	}
	err := v.read(ctx, rest.Request{Step: "ask for order", Path: "/api/v3/brokerage/orders/historical/" + number, Urgent: true}, &answer)
	if e, ok := rest.As(err); ok && e.Status == 404 {
		return order{}, false, nil
	}
	if err != nil {
		return order{}, false, err
	}
	if answer.Order == nil || answer.Order.ID != number || answer.Order.Client != string(id) {
		return order{}, false, fault("ask for order", "the answer is not about the order %s", id)
	}
	return *answer.Order, true, nil
}

// search looks for a key in the list of orders of the time that it is remembered.
func (v *Venue) search(ctx context.Context, id lifeboat.Key) (order, bool, error) {
	list, err := v.list(ctx, v.c.Clock.Now().Add(v.wire.offset-remembered-time.Hour), "")
	if err != nil {
		return order{}, false, err
	}
	for _, o := range list {
		if o.Client == string(id) {
			v.gate.Settle(id)
			v.watch(id, o.ID)
			return o, true, nil
		}
	}
	return order{}, false, nil
}

// again answers a key that Coinbase has. The refusal of another order carries the totals of the one that has the key.
func (v *Venue) again(there order, o lifeboat.Order, t terms, unfit string) (lifeboat.Receipt, error) {
	r, err := v.receipt(o.ID, there)
	if err != nil || unfit == "" && t.same(there, o) {
		return r, err
	}
	size, _, _ := there.sizes()
	r.Status, r.Why = lifeboat.OrderRejected, fmt.Sprintf("the key %s belongs to another order at Coinbase: %s %s %s", o.ID, there.Side, size, there.Product)
	return r, nil
}

// foreign says why an order cannot be one for this account; "" when it can.
func (v *Venue) foreign(o lifeboat.Order) string {
	switch {
	case o.Account != v.c.Account:
		return fmt.Sprintf("this is the account %q, not %q", v.c.Account, o.Account)
	case o.Symbol == v.c.Currency:
		return fmt.Sprintf("%s is the account's cash", o.Symbol)
	case !fitsPath(v.theirs(o.Symbol)):
		return fmt.Sprintf("%q is no product of Coinbase", v.theirs(o.Symbol))
	case o.ID == "":
		return "the order has no key"
	}
	return ""
}

// theirs is Coinbase's product of a symbol: as the connection names it, or the symbol against the base currency.
func (v *Venue) theirs(symbol string) string {
	if product := v.c.Symbols[symbol]; product != "" {
		return product
	}
	return symbol + "-" + v.cash
}

// ours is the plan's symbol of a product.
func (v *Venue) ours(product string) string {
	for _, symbol := range slices.Sorted(maps.Keys(v.c.Symbols)) {
		if v.c.Symbols[symbol] == product && symbol != v.c.Currency {
			return symbol
		}
	}
	if base, against, ok := strings.Cut(product, "-"); ok && against == v.cash {
		return base
	}
	return product
}

// fitsPath reports that a name can stand in an address as it is.
func fitsPath(name string) bool {
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
			return false
		}
	}
	return len(name) > 0 && len(name) <= 64
}

func (v *Venue) refused(id lifeboat.Key, why string) lifeboat.Receipt {
	return lifeboat.Receipt{Key: id, Account: v.c.Account, Status: lifeboat.OrderRejected, Why: why}
}

// watch remembers Coinbase's number of a key. Beyond the limit those that are over go first; what is not remembered is searched for.
func (v *Venue) watch(id lifeboat.Key, number string) {
	if v.where[id] != nil {
		return
	}
	if len(v.where) >= watchedMax {
		maps.DeleteFunc(v.where, func(_ lifeboat.Key, w *watched) bool { return !w.ended.IsZero() })
	}
	if len(v.where) < watchedMax {
		v.where[id] = &watched{id: number}
	}
}
