package binance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/rest"
)

// statuses of Binance's orders. One that is not here is an error: nobody guesses whether an order is over.
var statuses = map[string]lifeboat.ReceiptStatus{
	"NEW":              lifeboat.Accepted,
	"PENDING_NEW":      lifeboat.Accepted,
	"PARTIALLY_FILLED": lifeboat.PartialFill,
	"PENDING_CANCEL":   lifeboat.Accepted,
	"FILLED":           lifeboat.Filled,
	"CANCELED":         lifeboat.Canceled,
	"REJECTED":         lifeboat.OrderRejected,
	"EXPIRED":          lifeboat.Expired,
	"EXPIRED_IN_MATCH": lifeboat.Expired,
}

// amount is a number as Binance writes it, a string or not, of a size that somebody can mean and never below nothing.
type amount struct{ d decimal.Decimal }

func (a *amount) UnmarshalJSON(text []byte) error {
	if bytes.Equal(text, []byte("null")) {
		return nil
	}
	if len(text) > 80 {
		return errors.New("an amount that nobody could write out")
	}
	d, err := decimal.NewFromString(string(bytes.Trim(text, `"`)))
	if err != nil || d.Exponent() < -40 || d.Exponent() > 40 {
		return errors.New("an amount that is none")
	}
	if d.IsNegative() {
		return errors.New("an amount below nothing")
	}
	a.d = d
	return nil
}

// order as Binance tells of it, whether asked, placed or listed.
type order struct {
	Symbol   string `json:"symbol"`
	ID       int64  `json:"orderId"`
	Client   string `json:"clientOrderId"`
	Side     string `json:"side"`
	Type     string `json:"type"`
	Status   string `json:"status"`
	Price    amount `json:"price"`
	Quantity amount `json:"origQty"`
	Filled   amount `json:"executedQty"`
	Placed   int64  `json:"time"`
	Sent     int64  `json:"transactTime"` // in place of time, in the answer to a new order
	Fills    []struct {
		ID       int64  `json:"tradeId"`
		Price    amount `json:"price"`
		Quantity amount `json:"qty"`
		Fee      amount `json:"commission"`
		FeeIn    string `json:"commissionAsset"`
	} `json:"fills"`
	forgotten bool // Binance knows no more of it than that it ended unfilled
}

// trade is one fill.
type trade struct {
	ID       int64  `json:"id"`
	Order    int64  `json:"orderId"`
	Price    amount `json:"price"`
	Quantity amount `json:"qty"`
	Value    amount `json:"quoteQty"`
	Fee      amount `json:"commission"`
	FeeIn    string `json:"commissionAsset"`
	At       int64  `json:"time"`
}

// tradesInAnswer are the fills that came with the answer to a new order.
func (o order) tradesInAnswer() []trade {
	var trades []trade
	for _, f := range o.Fills {
		trades = append(trades, trade{ID: f.ID, Order: o.ID, Price: f.Price, Quantity: f.Quantity, Value: amount{f.Price.d.Mul(f.Quantity.d)}, Fee: f.Fee, FeeIn: f.FeeIn, At: o.Sent})
	}
	return trades
}

const (
	tradesPage  = 1000
	tradesPages = 20
)

// tradesOf lists all fills of an order.
func (v *Venue) tradesOf(ctx context.Context, o order) ([]trade, error) {
	if o.forgotten || o.Filled.d.IsZero() {
		return nil, nil
	}
	var all []trade
	form := map[string]string{"symbol": o.Symbol, "orderId": strconv.FormatInt(o.ID, 10), "limit": strconv.Itoa(tradesPage)}
	for range tradesPages {
		var page []trade
		if err := v.read(ctx, rest.Request{Step: "ask for trades", Path: "/api/v3/myTrades", Weight: 5, Urgent: true}, form, &page); err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < tradesPage {
			return all, nil
		}
		form["fromId"] = strconv.FormatInt(page[len(page)-1].ID+1, 10)
	}
	return nil, fault("ask for trades", "the order %d has more than %d", o.ID, tradesPage*tradesPages)
}

// receipt of an order, whose totals are those of its trades: what is filled, at which average and at what cost then agree. An
// order that is over while not all of its trades are listed is not told to be over yet.
func (v *Venue) receipt(id lifeboat.Key, o order, trades []trade) (lifeboat.Receipt, error) {
	status, known := statuses[o.Status]
	if !known {
		return lifeboat.Receipt{}, fault("ask for order", "nobody here knows what its status %q means", o.Status)
	}
	r := lifeboat.Receipt{Key: id, Account: v.c.Account, Status: status}
	if o.forgotten {
		r.Why = "it was cancelled or expired unfilled more than 90 days ago, and Binance has archived it"
		v.over(id)
		return r, nil
	}
	r.VenueID = strconv.FormatInt(o.ID, 10)
	elsewhere, err := v.add(&r, o, trades)
	switch missing := o.Filled.d.Sub(r.Filled); {
	case err != nil:
		return lifeboat.Receipt{}, err
	case missing.IsPositive() && status.Final():
		r.Status, r.Why = lifeboat.Accepted, fmt.Sprintf("it is over with %s filled, and Binance has not listed the trades of %s of it yet", o.Filled.d, missing)
	case r.Filled.IsPositive() && r.Filled.Equal(o.Quantity.d):
		r.Status = lifeboat.Filled
	case status == lifeboat.Expired:
		r.Why = "Binance let it expire"
	case status == lifeboat.OrderRejected:
		r.Why = "Binance's engine has not accepted it"
	}
	if !r.Status.Final() && r.Filled.IsPositive() {
		r.Status = lifeboat.PartialFill
	}
	if elsewhere.IsPositive() && r.Why == "" {
		r.Why = "a part of its fees was taken in another asset and is not counted"
	}
	if r.Status.Final() {
		v.over(id)
	}
	return r, nil
}

// add adds trades up, each once, and tells the fees that were taken in an asset that has no price here.
func (v *Venue) add(r *lifeboat.Receipt, o order, trades []trade) (elsewhere decimal.Decimal, err error) {
	value, last, counted := decimal.Zero, o.Sent, map[int64]bool{}
	for _, t := range trades {
		if counted[t.ID] {
			continue
		}
		counted[t.ID] = true
		if t.Order != o.ID || !t.Quantity.d.IsPositive() || !t.Price.d.IsPositive() {
			return elsewhere, fault("ask for trades", "the trade %d of order %d is of another order, of nothing or for nothing", t.ID, o.ID)
		}
		r.Filled, value, last = r.Filled.Add(t.Quantity.d), value.Add(t.Value.d), max(last, t.At)
		switch {
		case t.FeeIn == v.cash:
			r.Fee = r.Fee.Add(t.Fee.d)
		case t.FeeIn != "" && t.FeeIn == v.rules[o.Symbol].base: // taken out of what was bought, at the price of this very trade
			r.Fee = r.Fee.Add(t.Fee.d.Mul(t.Price.d))
		default:
			elsewhere = elsewhere.Add(t.Fee.d)
		}
	}
	if r.Filled.GreaterThan(o.Quantity.d) {
		return elsewhere, fault("ask for trades", "%s was traded of order %d over %s", r.Filled, o.ID, o.Quantity.d)
	}
	if r.Filled.IsPositive() {
		r.Price = value.DivRound(r.Filled, 16)
		r.FilledAt = time.UnixMilli(last).UTC()
	}
	return elsewhere, nil
}

// over notes since when an order is.
func (v *Venue) over(id lifeboat.Key) {
	if w := v.where[id]; w != nil && w.ended.IsZero() {
		w.ended = v.c.Clock.Now()
	}
}

// terms of an order that Binance tells of, in lifeboat's words.
func (v *Venue) orderOf(o order) lifeboat.Order {
	found := lifeboat.Order{ID: lifeboat.Key(o.Client), Account: v.c.Account, Symbol: v.ours(o.Symbol), Side: lifeboat.Buy, Type: lifeboat.Market, Quantity: o.Quantity.d}
	if o.Side == "SELL" {
		found.Side = lifeboat.Sell
	}
	if o.Type != "MARKET" {
		found.Type, found.Limit = lifeboat.Limit, o.Price.d
	}
	return found
}

// ours is the plan's symbol of a pair.
func (v *Venue) ours(pair string) string {
	for symbol, theirs := range v.pairs {
		if theirs == pair {
			return symbol
		}
	}
	return pair
}
