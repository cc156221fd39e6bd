package binance

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/rest"
)

const (
	prefix     = "lb-"            // of lifeboat's keys
	recent     = 10 * time.Minute // how long an order that is over is still told of in a statement
	stateTries = 3
)

// State is what the account holds, with the orders that were read before it and, the same, after it.
func (v *Venue) State(ctx context.Context, _ time.Time) (lifeboat.Statement, error) {
	prices, barred, err := v.market(ctx)
	if err != nil {
		return lifeboat.Statement{}, err
	}
	for range stateTries {
		before, err := v.openOrders(ctx)
		if err != nil {
			return lifeboat.Statement{}, err
		}
		held, at, err := v.account(ctx)
		if err != nil {
			return lifeboat.Statement{}, err
		}
		after, err := v.openOrders(ctx)
		if err != nil {
			return lifeboat.Statement{}, err
		}
		if !same(before, after) {
			continue
		}
		s := v.statement(held, prices, at)
		s.Barred = barred
		if moved, err := v.orders(ctx, &s, after); err != nil {
			return lifeboat.Statement{}, err
		} else if moved {
			continue
		}
		left := max(0, v.weight-v.wire.used)
		s.RequestsLeft = &left
		return s, nil
	}
	return lifeboat.Statement{}, fault("ask for the account", "its orders moved during each of %d readings", stateTries)
}

// same reports that no order came, went or filled between two readings.
func same(a, b []order) bool {
	filled := map[int64]string{}
	for _, o := range a {
		filled[o.ID] = o.Status + o.Filled.d.String()
	}
	return len(a) == len(b) && !slices.ContainsFunc(b, func(o order) bool { return filled[o.ID] != o.Status+o.Filled.d.String() })
}

// holdings are what the account says of itself.
type holdings struct {
	CanTrade *bool `json:"canTrade"`
	Balances []struct {
		Asset  string `json:"asset"`
		Free   amount `json:"free"`
		Locked amount `json:"locked"`
	} `json:"balances"`
}

func (v *Venue) account(ctx context.Context) (holdings, time.Time, error) {
	var h holdings
	if err := v.read(ctx, rest.Request{Step: "ask for the account", Path: "/api/v3/account", Weight: 20}, map[string]string{"omitZeroBalances": "true"}, &h); err != nil {
		return h, time.Time{}, err
	}
	if h.CanTrade == nil || h.Balances == nil {
		return h, time.Time{}, fault("ask for the account", "the answer has no balances, or does not say whether it may trade")
	}
	return h, v.c.Clock.Now().Add(v.wire.offset), nil
}

// statement of balances. An asset is called as the plan calls the pair that trades it.
func (v *Venue) statement(h holdings, prices map[string]decimal.Decimal, at time.Time) lifeboat.Statement {
	s := lifeboat.Statement{Account: v.c.Account, Source: "Binance", At: at, BuyingPower: &decimal.Decimal{}}
	if !*h.CanTrade {
		s.Blocked = "Binance does not let this account trade"
	}
	names := map[string]string{} // :: asset → plan's symbol
	for _, symbol := range slices.Backward(slices.Sorted(maps.Keys(v.pairs))) {
		if r, read := v.rules[v.pairs[symbol]]; read {
			names[r.base] = symbol
		}
	}
	for _, b := range h.Balances {
		line := lifeboat.StatementLine{Symbol: b.Asset, Name: b.Asset, Quantity: b.Free.d.Add(b.Locked.d), Free: b.Free.d, Currency: v.c.Currency}
		if line.Quantity.IsZero() {
			continue
		}
		if b.Asset == v.cash {
			free := b.Free.d
			line.Symbol, line.Value, s.BuyingPower = v.c.Currency, line.Quantity, &free
		} else if symbol, named := names[b.Asset]; named {
			line.Symbol, line.Price = symbol, prices[v.pairs[symbol]]
			line.Value = line.Price.Mul(line.Quantity)
		}
		s.Lines = append(s.Lines, line)
	}
	return s
}

// orders adds those that the lines include and those that are not lifeboat's; true when one moved meanwhile.
func (v *Venue) orders(ctx context.Context, s *lifeboat.Statement, open []order) (moved bool, err error) {
	listed := map[lifeboat.Key]bool{}
	for _, o := range open {
		if !strings.HasPrefix(o.Client, prefix) {
			found := v.orderOf(o)
			s.Foreign = append(s.Foreign, lifeboat.ForeignOrder{Symbol: found.Symbol, Side: found.Side, Quantity: o.Quantity.d.Sub(o.Filled.d), Limit: found.Limit})
			continue
		}
		id := lifeboat.Key(o.Client)
		v.watch(id, o.Symbol)
		r, err := v.told(ctx, id, o)
		if err != nil {
			return false, err
		}
		if !r.Filled.Equal(o.Filled.d) {
			return true, nil // its trades are newer than the balances, or not listed yet
		}
		listed[id], s.Placed = true, append(s.Placed, r)
	}
	for _, id := range slices.Sorted(maps.Keys(v.where)) {
		w := v.where[id]
		if listed[id] || !w.ended.IsZero() && v.c.Clock.Now().Sub(w.ended) > recent {
			continue
		}
		o, found, err := v.find(ctx, w.pair, id)
		if err != nil || !found {
			if err != nil {
				return false, err
			}
			continue // not there: whether it comes is for Ask to say
		}
		r, err := v.told(ctx, id, o)
		if err != nil {
			return false, err
		}
		if !r.Status.Final() {
			return true, nil // it came after the balances were read, or is not told in full
		}
		s.Placed = append(s.Placed, r)
	}
	return false, nil
}

// market is the last price of each named pair, and why some cannot be traded.
func (v *Venue) market(ctx context.Context) (prices map[string]decimal.Decimal, barred map[string]string, err error) {
	prices, barred = map[string]decimal.Decimal{}, map[string]string{}
	for _, symbol := range slices.Sorted(maps.Keys(v.pairs)) {
		pair := v.pairs[symbol]
		delete(v.rules, pair) // whether it trades is asked anew
		r, found, err := v.rulesOf(ctx, pair)
		switch {
		case err != nil:
			return nil, nil, err
		case !found:
			barred[symbol] = fmt.Sprintf("Binance knows no pair %s any more", pair)
			continue
		case r.status != "TRADING":
			barred[symbol] = fmt.Sprintf("%s does not trade at Binance: %s", pair, r.status)
		case r.quote != v.cash:
			barred[symbol] = fmt.Sprintf("%s is paid in %s, and the account counts in %s", pair, r.quote, v.cash)
		}
		var p struct{ Price *amount }
		if err := v.wire.do(ctx, rest.Request{Step: "ask for the price of " + pair, Method: http.MethodGet, Path: "/api/v3/ticker/price", Query: url.Values{"symbol": {pair}}, Weight: 2}, &p); err != nil {
			return nil, nil, err
		}
		if p.Price != nil && r.quote == v.cash {
			prices[pair] = p.Price.d
		}
	}
	return prices, barred, nil
}

func (v *Venue) openOrders(ctx context.Context) ([]order, error) {
	var open []order
	if err := v.read(ctx, rest.Request{Step: "ask for open orders", Path: "/api/v3/openOrders", Weight: 80}, nil, &open); err != nil {
		return nil, err
	}
	if open == nil {
		return nil, fault("ask for open orders", "the answer is no list")
	}
	return open, nil
}

const (
	ordersPage  = 1000
	ordersPages = 100
	day         = 24 * time.Hour
	daysMax     = 30 // beyond which it is quicker to read a pair's orders from the first
)

// Since lists lifeboat's orders in the named pairs, and all that are open.
func (v *Venue) Since(ctx context.Context, _, since time.Time) ([]lifeboat.PlacedOrder, error) {
	found := map[int64]order{}
	keep := func(list []order, from time.Time) {
		for _, o := range list {
			if strings.HasPrefix(o.Client, prefix) && o.Status != "REJECTED" && !time.UnixMilli(o.Placed).Before(from) {
				found[o.ID] = o
			}
		}
	}
	for _, pair := range slices.Sorted(maps.Values(v.pairs)) {
		list, err := v.ordersSince(ctx, pair, since)
		if err != nil {
			return nil, err
		}
		keep(list, since.Truncate(time.Millisecond))
	}
	open, err := v.openOrders(ctx)
	if err != nil {
		return nil, err
	}
	keep(open, time.Time{})
	var placed []lifeboat.PlacedOrder
	sorted := slices.SortedFunc(maps.Values(found), func(a, b order) int {
		return cmp.Or(cmp.Compare(a.Placed, b.Placed), cmp.Compare(a.ID, b.ID))
	})
	for _, o := range sorted {
		v.watch(lifeboat.Key(o.Client), o.Symbol)
		r, err := v.told(ctx, lifeboat.Key(o.Client), o)
		if err != nil {
			return nil, err
		}
		placed = append(placed, lifeboat.PlacedOrder{Order: v.orderOf(o), Receipt: r})
	}
	return placed, nil
}

// ordersSince lists a pair's orders, oldest first. Binance lists by time within a day only, and by number without an end: so
// the days are walked until one has an order, and the numbers from there.
func (v *Venue) ordersSince(ctx context.Context, pair string, since time.Time) ([]order, error) {
	now, err := v.time(ctx)
	if err != nil {
		return nil, err
	}
	var all []order
	first := int64(0)
	if now.Sub(since) <= daysMax*day {
		for from := since; len(all) == 0 && from.Before(now.Add(time.Minute)); from = from.Add(day) {
			form := map[string]string{"startTime": strconv.FormatInt(from.UnixMilli(), 10), "endTime": strconv.FormatInt(from.Add(day).UnixMilli(), 10)}
			if all, err = v.ordersPage(ctx, pair, form); err != nil {
				return nil, err
			}
		}
		if len(all) == 0 {
			return nil, nil
		}
		first = all[0].ID
	}
	all = nil
	for range ordersPages {
		page, err := v.ordersPage(ctx, pair, map[string]string{"orderId": strconv.FormatInt(first, 10)})
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < ordersPage {
			return all, nil
		}
		first = page[len(page)-1].ID + 1
	}
	return nil, fault("list orders", "%s has more than %d since %s", pair, ordersPage*ordersPages, since.Format(time.RFC3339))
}

func (v *Venue) ordersPage(ctx context.Context, pair string, form map[string]string) ([]order, error) {
	form["symbol"], form["limit"] = pair, strconv.Itoa(ordersPage)
	var raw json.RawMessage
	if err := v.read(ctx, rest.Request{Step: "list orders", Path: "/api/v3/allOrders", Weight: 20}, form, &raw); err != nil {
		if e, ok := rest.As(err); ok && e.Code == badSymbol {
			return nil, nil // a pair that is gone has no orders
		}
		return nil, err
	}
	var page []order
	if err := json.Unmarshal(raw, &page); err != nil || page == nil {
		return nil, fault("list orders", "the answer is no list of orders")
	}
	slices.SortFunc(page, func(a, b order) int { return cmp.Compare(a.ID, b.ID) })
	return page, nil
}
