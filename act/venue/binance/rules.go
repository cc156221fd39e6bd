package binance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/rest"
)

// rules of a pair: what it trades, whether it does, and which sizes and prices it takes. Zero switches a bound off.
type rules struct {
	pair, base, quote string
	status            string
	lot, marketLot    step
	tick              step
	valueMin          decimal.Decimal // price times quantity
	valueMax          decimal.Decimal
	minAtMarket       bool // the bounds of the value hold for market orders too
	maxAtMarket       bool
	cash              string // what the account pays with
	read              time.Time
}

type step struct{ min, max, size decimal.Decimal }

const rulesMax = 5 * time.Minute // how long rules are believed

// rulesOf a pair; false when Binance does not know it.
func (v *Venue) rulesOf(ctx context.Context, pair string) (rules, bool, error) {
	if r, had := v.rules[pair]; had {
		if age := v.c.Clock.Now().Sub(r.read); age >= 0 && age < rulesMax {
			return r, true, nil
		}
	}
	var answer struct {
		Symbols []json.RawMessage `json:"symbols"`
	}
	err := v.wire.do(ctx, rest.Request{Step: "ask for the rules of " + pair, Method: http.MethodGet, Path: "/api/v3/exchangeInfo", Query: url.Values{"symbol": {pair}}, Weight: 20, Urgent: true}, &answer)
	if e, ok := rest.As(err); ok && (e.Code == badSymbol || e.Code == "-1100") {
		return rules{}, false, nil
	}
	if err != nil {
		return rules{}, false, err
	}
	if len(answer.Symbols) != 1 {
		return rules{}, false, fault("ask for the rules of "+pair, "the answer is about %d pairs", len(answer.Symbols))
	}
	r, err := parseRules(answer.Symbols[0])
	if err != nil || r.pair != pair {
		return rules{}, false, fault("ask for the rules of "+pair, "the answer cannot be read")
	}
	r.cash, r.read = v.cash, v.c.Clock.Now()
	v.rules[pair] = r
	return r, true, nil
}

func parseRules(text []byte) (rules, error) {
	var s struct {
		Symbol, Status string
		Base           string `json:"baseAsset"`
		Quote          string `json:"quoteAsset"`
		Spot           *bool  `json:"isSpotTradingAllowed"`
		Filters        []struct {
			Type        string `json:"filterType"`
			MinPrice    amount
			MaxPrice    amount
			TickSize    amount
			MinQty      amount
			MaxQty      amount
			StepSize    amount
			MinNotional amount
			MaxNotional amount
			ApplyTo     bool `json:"applyToMarket"`
			ApplyMinTo  bool `json:"applyMinToMarket"`
			ApplyMaxTo  bool `json:"applyMaxToMarket"`
		}
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return rules{}, err
	}
	if s.Symbol == "" || s.Base == "" || s.Quote == "" || s.Status == "" {
		return rules{}, fmt.Errorf("a pair without a name, an asset or a status")
	}
	r := rules{pair: s.Symbol, base: s.Base, quote: s.Quote, status: s.Status}
	if s.Spot != nil && !*s.Spot {
		r.status = "closed to spot orders"
	}
	for _, f := range s.Filters {
		switch f.Type {
		case "PRICE_FILTER":
			r.tick = step{f.MinPrice.d, f.MaxPrice.d, f.TickSize.d}
		case "LOT_SIZE":
			r.lot = step{f.MinQty.d, f.MaxQty.d, f.StepSize.d}
		case "MARKET_LOT_SIZE":
			r.marketLot = step{f.MinQty.d, f.MaxQty.d, f.StepSize.d}
		case "MIN_NOTIONAL":
			r.valueMin, r.minAtMarket = f.MinNotional.d, f.ApplyTo
		case "NOTIONAL":
			r.valueMin, r.valueMax, r.minAtMarket, r.maxAtMarket = f.MinNotional.d, f.MaxNotional.d, f.ApplyMinTo, f.ApplyMaxTo
		}
	}
	return r, nil
}

// fit makes of an order what the pair takes, or says with the numbers why it takes none: the quantity is rounded down, a
// limit to the owner's side, so that a sale never asks for less and a purchase never pays more than was ordered.
func (r rules) fit(o lifeboat.Order) (terms, string) {
	t := terms{quantity: o.Quantity, limit: o.Limit}
	var known bool
	if t.side, known = map[lifeboat.Side]string{lifeboat.Buy: "BUY", lifeboat.Sell: "SELL"}[o.Side]; !known {
		return t, fmt.Sprintf("%q is neither buy nor sell", o.Side)
	}
	if t.kind, known = map[lifeboat.OrderType]string{lifeboat.Market: "MARKET", lifeboat.Limit: "LIMIT"}[o.Type]; !known {
		return t, fmt.Sprintf("%q is neither a market nor a limit order", o.Type)
	}
	switch {
	case !o.Quantity.IsPositive():
		return t, fmt.Sprintf("%s is no quantity to trade", o.Quantity)
	case o.Type == lifeboat.Limit && !o.Limit.IsPositive():
		return t, fmt.Sprintf("%s is no limit price", o.Limit)
	case o.Type == lifeboat.Market && !o.Limit.IsZero():
		return t, "a market order has no limit price"
	case r.quote != r.cash:
		return t, fmt.Sprintf("%s is paid in %s, and the account counts in %s: name a pair of %s under symbols, or what stands for the base currency", r.pair, r.quote, r.cash, r.cash)
	case r.status != "TRADING":
		return t, fmt.Sprintf("%s does not trade at Binance: %s", r.pair, r.status)
	}
	t.quantity = down(t.quantity, r.lot.size)
	if t.kind == "MARKET" {
		t.quantity = down(t.quantity, r.marketLot.size)
	} else if t.limit = down(o.Limit, r.tick.size); o.Side == lifeboat.Sell && t.limit.LessThan(o.Limit) {
		t.limit = t.limit.Add(r.tick.size)
	}
	if !t.quantity.Equal(o.Quantity) {
		t.rounded = fmt.Sprintf("the quantity was rounded down from %s to %s", o.Quantity, t.quantity)
	}
	return t, r.misfit(o, t)
}

// misfit says which bound rounded terms break, with the numbers; "" for none.
func (r rules) misfit(o lifeboat.Order, t terms) string {
	lots := []step{r.lot}
	price := t.limit
	checkMin, checkMax := true, true
	if t.kind == "MARKET" {
		lots, price, checkMin, checkMax = append(lots, r.marketLot), o.Arrival, r.minAtMarket, r.maxAtMarket
	} else if why := outside(t.limit, r.tick, "a limit", r.pair); why != "" {
		return why
	}
	for _, lot := range lots {
		if why := outside(t.quantity, lot, "a quantity", r.pair); why != "" {
			return why
		}
	}
	value := t.quantity.Mul(price)
	switch {
	case !t.quantity.IsPositive():
		return fmt.Sprintf("%s of %s is less than the smallest step of %s, which is %s", o.Quantity, o.Symbol, r.pair, r.lot.size)
	case !price.IsPositive(): // a market order of which nobody said what it is worth: Binance decides
	case checkMin && value.LessThan(r.valueMin):
		return fmt.Sprintf("%s × %s is %s %s, and %s takes no order below %s", t.quantity, price, value, r.quote, r.pair, r.valueMin)
	case checkMax && r.valueMax.IsPositive() && value.GreaterThan(r.valueMax):
		return fmt.Sprintf("%s × %s is %s %s, and %s takes no order above %s: split it", t.quantity, price, value, r.quote, r.pair, r.valueMax)
	}
	return ""
}

func outside(value decimal.Decimal, s step, what, pair string) string {
	switch {
	case value.LessThan(s.min):
		return fmt.Sprintf("%s of %s is below %s, the least that %s takes", what, value, s.min, pair)
	case s.max.IsPositive() && value.GreaterThan(s.max):
		return fmt.Sprintf("%s of %s is above %s, the most that %s takes", what, value, s.max, pair)
	}
	return ""
}

// down to a multiple of a step.
func down(value, size decimal.Decimal) decimal.Decimal {
	if !size.IsPositive() {
		return value
	}
	return value.Sub(value.Mod(size))
}
