package alpaca

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/act/venue/rest"
)

// Order as the venue tells of it.
type Order struct {
	ID            string        `json:"id"`
	ClientOrderID string        `json:"client_order_id"`
	CreatedAt     time.Time     `json:"created_at"`
	UpdatedAt     time.Time     `json:"updated_at"`
	SubmittedAt   time.Time     `json:"submitted_at"`
	FilledAt      time.Time     `json:"filled_at"`
	ExpiredAt     time.Time     `json:"expired_at"`
	CanceledAt    time.Time     `json:"canceled_at"`
	FailedAt      time.Time     `json:"failed_at"`
	ReplacedAt    time.Time     `json:"replaced_at"`
	ReplacedBy    string        `json:"replaced_by"`
	Replaces      string        `json:"replaces"`
	AssetID       string        `json:"asset_id"`
	AssetClass    string        `json:"asset_class"`
	Symbol        string        `json:"symbol"`
	Notional      Amount        `json:"notional"`
	Quantity      Amount        `json:"qty"`
	Filled        Amount        `json:"filled_qty"`
	AveragePrice  Amount        `json:"filled_avg_price"`
	Class         string        `json:"order_class"`
	Type          string        `json:"type"`
	Side          lifeboat.Side `json:"side"`
	TimeInForce   string        `json:"time_in_force"`
	Limit         Amount        `json:"limit_price"`
	Stop          Amount        `json:"stop_price"`
	Trail         Amount        `json:"trail_price"`
	TrailPercent  Amount        `json:"trail_percent"`
	HighWater     Amount        `json:"hwm"`
	ExtendedHours bool          `json:"extended_hours"`
	Legs          []Order       `json:"legs"`
	Status        string        `json:"status"`
}

// arrived is when the venue took the order in.
func (o *Order) arrived() time.Time {
	if o.SubmittedAt.IsZero() {
		return o.CreatedAt
	}
	return o.SubmittedAt
}

// OrderByClientID asks for an order by the id that its sender chose.
func (c *Client) OrderByClientID(ctx context.Context, id string) (Order, error) {
	const step = "ask for order"
	var o Order
	err := c.do(ctx, rest.Request{Step: step, Method: http.MethodGet, Path: "/v2/orders:by_client_order_id",
		Query: url.Values{"client_order_id": {id}}, Urgent: true}, &o)
	if err == nil && o.ClientOrderID != id {
		err = fault(step, "it answers about another order, %q", c.conn.Scrub(o.ClientOrderID))
	}
	return o, err
}

// OrderByID asks for an order by the venue's own id.
func (c *Client) OrderByID(ctx context.Context, id string) (Order, error) {
	const step = "ask for order"
	var o Order
	err := c.do(ctx, rest.Request{Step: step, Method: http.MethodGet, Path: "/v2/orders/" + segment(id)}, &o)
	if err == nil && o.ID != id {
		err = fault(step, "it answers about another order, %q", c.conn.Scrub(o.ID))
	}
	return o, err
}

// pageMax is how many orders one answer lists, pagesMax how many answers a list may have.
const (
	pageMax  = 500
	pagesMax = 100
)

// Orders reads a list to its end, oldest first: status is open, closed or all; those submitted at after or later, or all of
// them when it is zero. Legs stand beside the order that they belong to.
//
// A page begins just before the time at which the last one ended, because several orders may have one time; what is listed
// twice counts once.
func (c *Client) Orders(ctx context.Context, status string, after time.Time) ([]Order, error) {
	const step = "list orders"
	query := url.Values{"status": {status}, "limit": {strconv.Itoa(pageMax)}, "direction": {"asc"}, "nested": {"false"}}
	seen := map[string]bool{}
	var all []Order
	for range pagesMax {
		if !after.IsZero() {
			query.Set("after", after.Add(-time.Millisecond).UTC().Format(time.RFC3339Nano)) // the venue excludes the time itself
		}
		var page []Order
		if err := c.do(ctx, rest.Request{Step: step, Method: http.MethodGet, Path: "/v2/orders", Query: query}, &page); err != nil {
			return nil, err
		}
		known := len(all)
		for _, o := range page {
			if o.ID == "" {
				return nil, fault(step, "it lists an order without an id")
			}
			if !seen[o.ID] {
				seen[o.ID] = true
				all = append(all, o)
			}
			if o.arrived().After(after) {
				after = o.arrived()
			}
		}
		switch {
		case len(page) < pageMax:
			slices.SortStableFunc(all, func(a, b Order) int { return cmp.Or(a.arrived().Compare(b.arrived()), strings.Compare(a.ID, b.ID)) })
			return all, nil
		case len(all) == known:
			return nil, fault(step, "it lists more than %d orders at one time and never comes to an end", pageMax)
		}
	}
	return nil, fault(step, "the list has more than %d orders", pageMax*pagesMax)
}

// Cancel asks for an order to be taken back, by the venue's id. Refused when there is nothing left to take back, or while a
// replacement is under way.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.do(ctx, rest.Request{Step: "cancel order", Method: http.MethodDelete, Path: "/v2/orders/" + segment(id), Urgent: true}, nil)
}

// Canceled is what became of one order when all were to be cancelled.
type Canceled struct {
	ID     string
	Status int // 200 when the request was taken
}

// CancelAll asks for every open order to be taken back, those of other programs too.
func (c *Client) CancelAll(ctx context.Context) ([]Canceled, error) {
	var list []struct {
		ID     string `json:"id"`
		Status number `json:"status"`
	}
	err := c.do(ctx, rest.Request{Step: "cancel all orders", Method: http.MethodDelete, Path: "/v2/orders", Urgent: true}, &list)
	canceled := make([]Canceled, len(list))
	for i, l := range list {
		canceled[i] = Canceled{l.ID, int(l.Status)}
	}
	return canceled, err
}

// Closed is what became of one position when all were to be closed.
type Closed struct {
	Symbol string
	Status int
	Order  Order  // when the status is 200
	Code   string // when it is not
	Why    string
}

// CloseAll sells every position at the market, and with cancel takes every open order back before. The venue makes the
// orders and chooses their client ids: after a lost answer they are found in the list of orders only, by symbol and time. A
// playbook places its own orders, which can be asked for, and never calls this.
func (c *Client) CloseAll(ctx context.Context, cancel bool) ([]Closed, error) {
	const step = "close all positions"
	var list []struct {
		Symbol string          `json:"symbol"`
		Status number          `json:"status"`
		Body   json.RawMessage `json:"body"`
	}
	if err := c.do(ctx, rest.Request{Step: step, Method: http.MethodDelete, Path: "/v2/positions",
		Query: url.Values{"cancel_orders": {strconv.FormatBool(cancel)}}, Urgent: true}, &list); err != nil {
		return nil, err
	}
	closed := make([]Closed, len(list))
	for i, l := range list {
		closed[i] = Closed{Symbol: l.Symbol, Status: int(l.Status)}
		if l.Status/100 != 2 {
			closed[i].Code, closed[i].Why = explain(int(l.Status), l.Body)
			continue
		}
		if err := json.Unmarshal(l.Body, &closed[i].Order); err != nil {
			return closed, fault(step, "what it says of %s is no order", c.conn.Scrub(l.Symbol))
		}
	}
	return closed, nil
}
