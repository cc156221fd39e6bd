package coinbase

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/rest"
)

// statuses of Coinbase's orders. One that is not here is an error: nobody guesses whether an order is over.
var statuses = map[string]lifeboat.ReceiptStatus{
	"PENDING":       lifeboat.Accepted,
	"QUEUED":        lifeboat.Accepted,
	"OPEN":          lifeboat.Accepted,
	"EDIT_QUEUED":   lifeboat.Accepted,
	"CANCEL_QUEUED": lifeboat.Accepted,
	"FILLED":        lifeboat.Filled,
	"CANCELLED":     lifeboat.Canceled,
	"EXPIRED":       lifeboat.Expired,
	"FAILED":        lifeboat.OrderRejected,
}

// amount is a number as Coinbase writes it, of a size that somebody can mean and never below nothing; "" is none.
type amount struct{ d decimal.Decimal }

func (a *amount) UnmarshalJSON(text []byte) error {
	text = bytes.Trim(text, `"`)
	if len(text) == 0 || string(text) == "null" {
		return nil
	}
	if len(text) > 80 {
		return errors.New("an amount that nobody could write out")
	}
	d, err := decimal.NewFromString(string(text))
	switch {
	case err != nil || d.Exponent() < -40 || d.Exponent() > 40:
		return errors.New("an amount that is none")
	case d.IsNegative():
		return errors.New("an amount below nothing")
	}
	a.d = d
	return nil
}

// moment is a time, or nothing where there is none.
type moment struct{ time.Time }

func (m *moment) UnmarshalJSON(text []byte) error {
	if s := string(bytes.Trim(text, `"`)); s == "" || s == "null" {
		return nil
	}
	return m.Time.UnmarshalJSON(text)
}

// order as Coinbase tells of it.
type order struct {
	ID      string                 `json:"order_id"`
	Client  string                 `json:"client_order_id"`
	Product string                 `json:"product_id"`
	Side    string                 `json:"side"`
	Status  string                 `json:"status"`
	Terms   map[string]*configured `json:"order_configuration"`
	Created moment                 `json:"created_time"`
	Filled  amount                 `json:"filled_size"`
	Average amount                 `json:"average_filled_price"`
	Value   amount                 `json:"filled_value"`
	Fees    amount                 `json:"total_fees"`
	Last    moment                 `json:"last_fill_time"`
	Reason  string                 `json:"reject_reason"`
	Message string                 `json:"reject_message"`
	Cancel  string                 `json:"cancel_message"`
}

// configured are the terms of one kind of order.
type configured struct {
	Size     amount `json:"base_size"`
	InMoney  amount `json:"quote_size"`
	Limit    amount `json:"limit_price"`
	PostOnly bool   `json:"post_only"`
}

// sizes of an order: what was ordered in units (nothing for one in money), its limit, and its kind.
func (o order) sizes() (size, limit decimal.Decimal, kind string) {
	for name, c := range o.Terms {
		if c != nil {
			return c.Size.d, c.Limit.d, name
		}
	}
	return decimal.Zero, decimal.Zero, ""
}

// receipt of an order.
func (v *Venue) receipt(id lifeboat.Key, o order) (lifeboat.Receipt, error) {
	status, known := statuses[o.Status]
	if !known {
		return lifeboat.Receipt{}, fault("ask for order", "nobody here knows what its status %q means", o.Status)
	}
	size, _, _ := o.sizes()
	r := lifeboat.Receipt{Key: id, Account: v.c.Account, Status: status, VenueID: o.ID, Filled: o.Filled.d, Fee: o.Fees.d}
	if size.IsPositive() && r.Filled.GreaterThan(size) {
		return lifeboat.Receipt{}, fault("ask for order", "%s is filled of the order %s over %s", r.Filled, id, size)
	}
	if r.Filled.IsPositive() {
		switch {
		case o.Value.d.IsPositive():
			r.Price = o.Value.d.DivRound(r.Filled, 16)
		case o.Average.d.IsPositive():
			r.Price = o.Average.d
		default:
			return lifeboat.Receipt{}, fault("ask for order", "%s is filled of the order %s, for nothing", r.Filled, id)
		}
		r.FilledAt = o.Created.UTC()
		if !o.Last.IsZero() {
			r.FilledAt = o.Last.UTC()
		}
	}
	switch {
	case r.Filled.IsPositive() && r.Filled.Equal(size):
		r.Status = lifeboat.Filled
	case status == lifeboat.Filled && size.IsPositive():
		r.Status, r.Why = lifeboat.Accepted, fmt.Sprintf("Coinbase calls it filled and tells of %s of %s", r.Filled, size)
	case status == lifeboat.OrderRejected && r.Filled.IsPositive():
		r.Status, r.Why = lifeboat.Canceled, "it failed at Coinbase after a part was filled"
	case status == lifeboat.OrderRejected:
		r.Why = v.wire.scrub(fmt.Sprintf("it failed at Coinbase: %s %s", cmp.Or(o.Reason, "for no reason that it tells"), o.Message))
	case status == lifeboat.Canceled:
		r.Why = v.wire.scrub(o.Cancel)
	}
	if !r.Status.Final() && r.Filled.IsPositive() {
		r.Status = lifeboat.PartialFill
	}
	if w := v.where[id]; w != nil && r.Status.Final() && w.ended.IsZero() {
		w.ended = v.c.Clock.Now()
	}
	v.gate.Settle(id)
	return r, nil
}

// orderOf is an order of Coinbase's in lifeboat's words.
func (v *Venue) orderOf(o order) lifeboat.Order {
	size, limit, kind := o.sizes()
	found := lifeboat.Order{ID: lifeboat.Key(o.Client), Account: v.c.Account, Symbol: v.ours(o.Product), Side: lifeboat.Buy, Type: lifeboat.Limit, Quantity: size, Limit: limit}
	if o.Side == "SELL" {
		found.Side = lifeboat.Sell
	}
	if kind == "market_market_ioc" || kind == marketPurchase && found.Side == lifeboat.Buy {
		found.Type, found.Limit = lifeboat.Market, decimal.Zero
	}
	return found
}

const (
	page  = 100
	pages = 200
)

// list is every order since a time, or every one of a status whenever it came, oldest first.
func (v *Venue) list(ctx context.Context, since time.Time, status string) ([]order, error) {
	query := url.Values{"limit": {strconv.Itoa(page)}}
	if status != "" {
		query.Set("order_status", status)
	} else {
		query.Set("start_date", since.UTC().Format(time.RFC3339))
	}
	var all []order
	seen := map[string]bool{}
	for range pages {
		var answer struct {
			Orders *[]order `json:"orders"`
			More   bool     `json:"has_next"`
			Cursor string   `json:"cursor"`
		}
		if err := v.read(ctx, rest.Request{Step: "list orders", Path: "/api/v3/brokerage/orders/historical/batch", Query: query, Urgent: true}, &answer); err != nil {
			return nil, err
		}
		if answer.Orders == nil {
			return nil, fault("list orders", "the answer is no list")
		}
		for _, o := range *answer.Orders {
			if !seen[o.ID] {
				seen[o.ID] = true
				all = append(all, o)
			}
		}
		if !answer.More {
			slices.SortFunc(all, func(a, b order) int { return cmp.Or(a.Created.Compare(b.Created.Time), cmp.Compare(a.ID, b.ID)) })
			return all, nil
		}
		if answer.Cursor == "" || answer.Cursor == query.Get("cursor") {
			return nil, fault("list orders", "it has more, and does not say how to go on")
		}
		query.Set("cursor", answer.Cursor)
	}
	return nil, fault("list orders", "there are more than %d", page*pages)
}
