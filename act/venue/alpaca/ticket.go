package alpaca

import (
	"context"
	"errors"
	"net/http"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/rest"
)

// Ticket is an order as it is sent. What is zero is left out.
type Ticket struct {
	ClientOrderID      string // mandatory: by it alone an order can be asked for when its answer is lost
	Symbol             string
	Side               lifeboat.Side
	Type               string          // market, limit, stop, stop_limit, trailing_stop
	TimeInForce        string          // day, gtc, opg, cls, ioc, fok
	Quantity, Notional decimal.Decimal // one of the two
	Limit, Stop        decimal.Decimal
	Trail              decimal.Decimal // in dollars
	TrailPercent       decimal.Decimal // of a price; one of the two
	ExtendedHours      bool            // for limit orders of the day
	Class              string          // bracket, oco, oto; "" for a simple order
	TakeProfit         decimal.Decimal // limit of the leg that takes a profit
	StopLoss           decimal.Decimal // stop of the leg that ends a loss
	StopLossLimit      decimal.Decimal // its limit
}

// idMax is the longest client order id that every revision of the documents permits.
const idMax = 48

// Check refuses what would not be an order that can be found again, before anything is sent. Whether prices, hours and
// types go together is the venue's to say.
func (t Ticket) Check() error {
	switch {
	case t.ClientOrderID == "":
		return errors.New("an order needs a client order id")
	case len(t.ClientOrderID) > idMax:
		return errors.New("the client order id is longer than 48 characters")
	case !t.Quantity.IsZero() && !t.Notional.IsZero():
		return errors.New("an order has a quantity or a notional, not both")
	}
	return nil
}

type wireTicket struct {
	ClientOrderID string     `json:"client_order_id"`
	Symbol        string     `json:"symbol"`
	Quantity      string     `json:"qty,omitempty"`
	Notional      string     `json:"notional,omitempty"`
	Side          string     `json:"side"`
	Type          string     `json:"type"`
	TimeInForce   string     `json:"time_in_force"`
	Limit         string     `json:"limit_price,omitempty"`
	Stop          string     `json:"stop_price,omitempty"`
	Trail         string     `json:"trail_price,omitempty"`
	TrailPercent  string     `json:"trail_percent,omitempty"`
	ExtendedHours bool       `json:"extended_hours,omitempty"`
	Class         string     `json:"order_class,omitempty"`
	TakeProfit    *wireLimit `json:"take_profit,omitempty"`
	StopLoss      *wireStop  `json:"stop_loss,omitempty"`
}

type wireLimit struct {
	Limit string `json:"limit_price"`
}

type wireStop struct {
	Stop  string `json:"stop_price"`
	Limit string `json:"limit_price,omitempty"`
}

func (t Ticket) wire() wireTicket {
	w := wireTicket{
		ClientOrderID: t.ClientOrderID, Symbol: t.Symbol, Side: string(t.Side), Type: t.Type, TimeInForce: t.TimeInForce,
		Quantity: written(t.Quantity), Notional: written(t.Notional), Limit: written(t.Limit), Stop: written(t.Stop),
		Trail: written(t.Trail), TrailPercent: written(t.TrailPercent), ExtendedHours: t.ExtendedHours, Class: t.Class,
	}
	if t.Quantity.IsZero() && t.Notional.IsZero() {
		w.Quantity = "0" // said as it is, for the venue to refuse
	}
	if !t.TakeProfit.IsZero() {
		w.TakeProfit = &wireLimit{t.TakeProfit.String()}
	}
	if !t.StopLoss.IsZero() {
		w.StopLoss = &wireStop{t.StopLoss.String(), written(t.StopLossLimit)}
	}
	return w
}

// Place sends an order, once. After an error that is no refusal nobody knows whether it arrived: ask by its client id.
func (c *Client) Place(ctx context.Context, t Ticket) (Order, error) {
	const step = "place order"
	if err := t.Check(); err != nil {
		return Order{}, &rest.Error{Venue: Name, Step: step, Message: err.Error()}
	}
	var o Order
	err := c.do(ctx, rest.Request{Step: step, Method: http.MethodPost, Path: "/v2/orders", Body: t.wire(), Urgent: true}, &o)
	if err == nil && o.ClientOrderID != t.ClientOrderID {
		err = fault(step, "it answers about another order, %q", c.conn.Scrub(o.ClientOrderID))
	}
	return o, err
}

// Change of an open order; what is zero stays as it is.
type Change struct {
	ClientOrderID string // of the order that takes its place; mandatory
	Quantity      decimal.Decimal
	TimeInForce   string
	Limit, Stop   decimal.Decimal
	Trail         decimal.Decimal // dollars or percent, as the order has it
}

// Replace asks for an order to be replaced by another, which has a new id and is answered. That it is accepted does not
// say that it happens: when the old one fills first, the new one is rejected. After a lost answer, ask for the new client id.
func (c *Client) Replace(ctx context.Context, id string, change Change) (Order, error) {
	const step = "replace order"
	if change.ClientOrderID == "" || len(change.ClientOrderID) > idMax {
		return Order{}, &rest.Error{Venue: Name, Step: step, Message: "the new order needs a client order id of at most 48 characters"}
	}
	body := struct {
		ClientOrderID string `json:"client_order_id"`
		Quantity      string `json:"qty,omitempty"`
		TimeInForce   string `json:"time_in_force,omitempty"`
		Limit         string `json:"limit_price,omitempty"`
		Stop          string `json:"stop_price,omitempty"`
		Trail         string `json:"trail,omitempty"`
	}{change.ClientOrderID, written(change.Quantity), change.TimeInForce, written(change.Limit), written(change.Stop), written(change.Trail)}
	var o Order
	err := c.do(ctx, rest.Request{Step: step, Method: http.MethodPatch, Path: "/v2/orders/" + segment(id), Body: body, Urgent: true}, &o)
	return o, err
}
