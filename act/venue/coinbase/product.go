package coinbase

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/rest"
)

// product is what may be traded, and how. Zero switches a bound off.
type product struct {
	ID       string `json:"product_id"`
	Base     string `json:"base_currency_id"`
	Quote    string `json:"quote_currency_id"`
	Price    amount `json:"price"`
	Step     amount `json:"base_increment"`
	Tick     amount `json:"price_increment"`
	TickOf   amount `json:"quote_increment"` // where price_increment is not told
	Min      amount `json:"base_min_size"`
	Max      amount `json:"base_max_size"`
	MinValue amount `json:"quote_min_size"`
	MaxValue amount `json:"quote_max_size"`
	Status   string `json:"status"`

	Disabled    bool `json:"trading_disabled"`
	IsDisabled  bool `json:"is_disabled"`
	ViewOnly    bool `json:"view_only"`
	CancelOnly  bool `json:"cancel_only"`
	LimitOnly   bool `json:"limit_only"`
	PostOnly    bool `json:"post_only"`
	AuctionMode bool `json:"auction_mode"`

	cash string
	read time.Time
}

const rulesMax = time.Minute // how long a product's rules are believed

// productOf reads a product; false when Coinbase does not know it.
func (v *Venue) productOf(ctx context.Context, id string) (product, bool, error) {
	if p, had := v.rules[id]; had {
		if age := v.c.Clock.Now().Sub(p.read); age >= 0 && age < rulesMax {
			return p, true, nil
		}
	}
	var p product
	err := v.read(ctx, rest.Request{Step: "ask for the product " + id, Path: "/api/v3/brokerage/products/" + id, Urgent: true}, &p)
	if e, ok := rest.As(err); ok && (e.Status == 404 || e.Status == 400 && e.Code == "INVALID_ARGUMENT") {
		return product{}, false, nil
	}
	if err != nil {
		return product{}, false, err
	}
	if p.ID != id || p.Base == "" || p.Quote == "" || !p.Step.d.IsPositive() {
		return product{}, false, fault("ask for the product "+id, "the answer is not about it, or has no currencies and no increment")
	}
	if p.Tick.d.IsZero() {
		p.Tick = p.TickOf
	}
	p.cash, p.read = v.cash, v.c.Clock.Now()
	v.rules[id] = p
	return p, true, nil
}

// barred says why a product cannot be traded now; "" when it can.
func (p product) barred() string {
	switch {
	case p.Disabled || p.IsDisabled || p.ViewOnly:
		return fmt.Sprintf("Coinbase has closed %s to trading", p.ID)
	case p.CancelOnly:
		return fmt.Sprintf("Coinbase takes nothing but cancellations for %s", p.ID)
	case p.Status != "" && p.Status != "online":
		return fmt.Sprintf("%s is %s at Coinbase", p.ID, p.Status)
	case p.Quote != p.cash:
		return fmt.Sprintf("%s is paid in %s, and the account counts in %s", p.ID, p.Quote, p.cash)
	}
	return ""
}

// marketPurchase is the kind of order that a market purchase is sent as.
const marketPurchase = "sor_limit_ioc"

// terms of an order as they are sent.
type terms struct {
	product, kind   string
	quantity, limit decimal.Decimal
	postOnly        bool
	rounded         string // what was rounded, for people
}

func (t terms) configuration() map[string]any {
	c := map[string]any{"base_size": t.quantity.String()}
	switch t.kind {
	case marketPurchase:
		c["limit_price"] = t.limit.String()
	case "limit_limit_gtc":
		c["limit_price"], c["post_only"] = t.limit.String(), t.postOnly
	}
	return map[string]any{t.kind: c}
}

// same reports that an order at Coinbase is the one that was ordered. The collar of a market purchase is not a part of it.
func (t terms) same(there order, o lifeboat.Order) bool {
	size, limit, kind := there.sizes()
	return there.Product == t.product && kind == t.kind && size.Equal(t.quantity) && (o.Type == lifeboat.Market || limit.Equal(t.limit)) &&
		(there.Side == "SELL") == (o.Side == lifeboat.Sell)
}

// fit makes of an order what the product takes, or says with the numbers why it takes none: the quantity is rounded down, a
// limit to the owner's side.
func (p product) fit(o lifeboat.Order) (terms, string) {
	t := terms{product: p.ID, kind: "limit_limit_gtc", quantity: down(o.Quantity, p.Step.d), limit: o.Limit, postOnly: p.PostOnly}
	switch {
	case o.Side != lifeboat.Buy && o.Side != lifeboat.Sell:
		return t, fmt.Sprintf("%q is neither buy nor sell", o.Side)
	case o.Type != lifeboat.Market && o.Type != lifeboat.Limit:
		return t, fmt.Sprintf("%q is neither a market nor a limit order", o.Type)
	case !o.Quantity.IsPositive():
		return t, fmt.Sprintf("%s is no quantity to trade", o.Quantity)
	case o.Type == lifeboat.Limit && !o.Limit.IsPositive():
		return t, fmt.Sprintf("%s is no limit price", o.Limit)
	case o.Type == lifeboat.Market && !o.Limit.IsZero():
		return t, "a market order has no limit price"
	case p.barred() != "":
		return t, p.barred()
	case o.Type == lifeboat.Market && (p.LimitOnly || p.PostOnly || p.AuctionMode):
		return t, fmt.Sprintf("Coinbase takes limit orders only for %s now", p.ID)
	}
	switch {
	case o.Type == lifeboat.Limit:
		if t.limit = down(o.Limit, p.Tick.d); o.Side == lifeboat.Sell && t.limit.LessThan(o.Limit) {
			t.limit = t.limit.Add(p.Tick.d)
		}
	case o.Side == lifeboat.Buy:
		t.kind = marketPurchase
	default:
		t.kind = "market_market_ioc"
	}
	if !t.quantity.Equal(o.Quantity) {
		t.rounded = fmt.Sprintf("the quantity was rounded down from %s to %s", o.Quantity, t.quantity)
	}
	return t, p.misfit(o, t)
}

// misfit says which bound rounded terms break, with the numbers; "" for none.
func (p product) misfit(o lifeboat.Order, t terms) string {
	price := t.limit
	if o.Type == lifeboat.Market {
		price = o.Arrival
	}
	value := t.quantity.Mul(price)
	switch {
	case !t.quantity.IsPositive():
		return fmt.Sprintf("%s of %s is less than the smallest increment of %s, which is %s", o.Quantity, o.Symbol, p.ID, p.Step.d)
	case o.Type == lifeboat.Limit && !price.IsPositive():
		return fmt.Sprintf("a limit of %s is less than the smallest increment of %s, which is %s", o.Limit, p.ID, p.Tick.d)
	case t.quantity.LessThan(p.Min.d):
		return fmt.Sprintf("a quantity of %s is below %s, the least that %s takes", t.quantity, p.Min.d, p.ID)
	case p.Max.d.IsPositive() && t.quantity.GreaterThan(p.Max.d):
		return fmt.Sprintf("a quantity of %s is above %s, the most that %s takes: split it", t.quantity, p.Max.d, p.ID)
	case price.IsPositive() && value.LessThan(p.MinValue.d):
		return fmt.Sprintf("%s × %s is %s %s, and %s takes no order below %s", t.quantity, price, value, p.Quote, p.ID, p.MinValue.d)
	case p.MaxValue.d.IsPositive() && value.GreaterThan(p.MaxValue.d):
		return fmt.Sprintf("%s × %s is %s %s, and %s takes no order above %s: split it", t.quantity, price, value, p.Quote, p.ID, p.MaxValue.d)
	}
	return ""
}

// above the best ask is what a market purchase may cost at most.
var above = decimal.RequireFromString("1.02")

// collar is the limit of a market purchase.
func (v *Venue) collar(ctx context.Context, p product) (decimal.Decimal, error) {
	var answer struct {
		Books []struct {
			Product string `json:"product_id"`
			Asks    []struct {
				Price amount `json:"price"`
			} `json:"asks"`
		} `json:"pricebooks"`
	}
	err := v.read(ctx, rest.Request{Step: "ask for the best price", Path: "/api/v3/brokerage/best_bid_ask", Query: url.Values{"product_ids": {p.ID}}, Urgent: true}, &answer)
	if err != nil {
		return decimal.Zero, err
	}
	for _, b := range answer.Books {
		if b.Product == p.ID && len(b.Asks) > 0 && b.Asks[0].Price.d.IsPositive() {
			return decimal.Max(down(b.Asks[0].Price.d.Mul(above), p.Tick.d), p.Tick.d), nil
		}
	}
	return decimal.Zero, fault("ask for the best price", "nobody offers %s", p.Base)
}

// down to a multiple of a step.
func down(value, step decimal.Decimal) decimal.Decimal {
	if !step.IsPositive() {
		return value
	}
	return value.Sub(value.Mod(step))
}
