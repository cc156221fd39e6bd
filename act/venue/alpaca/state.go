package alpaca

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/rest"
)

const (
	readsMax  = 3                // of the account while its orders move
	lately    = 10 * time.Minute // in which orders that have ended still belong to a statement
	assetAge  = 15 * time.Minute // for which the word on an asset counts
	assetsMax = 20               // asked about for one statement; the next one asks on
	skewMax   = 5 * time.Minute  // between the venue's clock and ours, until it is worth a line in the log
)

// State says what the account holds. The orders are read before the lines and after them; when one moved between, all is
// read again.
//
// Times are counted by Alpaca's own clock: that this machine's is wrong moves nothing and is logged.
func (v *Venue) State(ctx context.Context, at time.Time) (lifeboat.Statement, error) {
	for range readsMax {
		s, settled, err := v.read(ctx, at)
		if err != nil {
			return lifeboat.Statement{}, err
		}
		if settled {
			return s, nil
		}
	}
	return lifeboat.Statement{}, fault("read account", "its orders move faster than it can be read; %d times something filled in between", readsMax)
}

// read the account once; settled when no order moved meanwhile.
func (v *Venue) read(ctx context.Context, at time.Time) (s lifeboat.Statement, settled bool, err error) {
	clock, err := v.client.Clock(ctx)
	if err != nil {
		return s, false, err
	}
	v.warnOfSkew(clock.Timestamp)
	since := clock.Timestamp.Add(-lately)
	before, err := v.orders(ctx, since)
	if err != nil {
		return s, false, err
	}
	filled, err := v.filledSince(ctx, since, before)
	if err != nil {
		return s, false, err
	}
	account, err := v.client.Account(ctx)
	if err != nil {
		return s, false, err
	}
	positions, err := v.client.Positions(ctx)
	if err != nil {
		return s, false, err
	}
	after, err := v.orders(ctx, since)
	if err != nil {
		return s, false, err
	}
	if !maps.EqualFunc(before, after, unmoved) {
		return s, false, nil
	}
	maps.Copy(before, filled)
	s = lifeboat.Statement{Account: v.conn.Account, Source: "alpaca", At: at, Blocked: blocked(account), Market: hours(clock)}
	if account.BuyingPower.Said {
		s.BuyingPower = &account.BuyingPower.Decimal
	}
	if left, said := v.client.RequestsLeft(); said {
		s.RequestsLeft = &left
	}
	if s.Lines, err = v.lines(account, positions); err != nil {
		return s, false, err
	}
	if s.Placed, s.Foreign, err = v.divide(before); err != nil {
		return s, false, err
	}
	s.Barred, err = v.barred(ctx, positions, before)
	return s, true, err
}

// orders that are open or came lately, :: id → order.
func (v *Venue) orders(ctx context.Context, since time.Time) (map[string]Order, error) {
	open, err := v.client.Orders(ctx, "open", time.Time{})
	if err != nil {
		return nil, err
	}
	recent, err := v.client.Orders(ctx, "all", since)
	if err != nil {
		return nil, err
	}
	found := map[string]Order{}
	for _, o := range append(open, recent...) {
		found[o.ID] = o
	}
	return found, nil
}

// filledSince finds orders that are neither open nor came lately, and filled lately all the same.
func (v *Venue) filledSince(ctx context.Context, since time.Time, known map[string]Order) (map[string]Order, error) {
	fills, err := v.client.Activities(ctx, "FILL", since)
	if err != nil {
		return nil, err
	}
	found := map[string]Order{}
	for _, f := range fills {
		_, listed := known[f.OrderID]
		_, twice := found[f.OrderID]
		if listed || twice || f.OrderID == "" || f.Time.Before(since) {
			continue
		}
		o, err := v.client.OrderByID(ctx, f.OrderID)
		if unknown(err) {
			continue // a fill whose order the venue has put away is none of lifeboat's
		}
		if err != nil {
			return nil, err
		}
		found[o.ID] = o
	}
	return found, nil
}

func unmoved(a, b Order) bool {
	return a.Status == b.Status && a.Filled.Equal(b.Filled.Decimal) && a.Quantity.Equal(b.Quantity.Decimal)
}

// divide the orders into lifeboat's and those of others that are open.
func (v *Venue) divide(orders map[string]Order) (placed []lifeboat.Receipt, foreign []lifeboat.ForeignOrder, err error) {
	for _, id := range slices.Sorted(maps.Keys(orders)) {
		o := orders[id]
		if ours(o) {
			r, err := v.receipt("list orders", o)
			if err != nil {
				return nil, nil, err
			}
			placed = append(placed, r)
			continue
		}
		status, known := standings[o.Status]
		if !known || !status.Final() { // what cannot be understood is taken for open
			left := decimal.Max(decimal.Zero, o.Quantity.Sub(o.Filled.Decimal))
			foreign = append(foreign, lifeboat.ForeignOrder{Symbol: v.ours(o.Symbol, o.AssetClass), Side: o.Side, Quantity: left, Limit: o.Limit.Decimal})
		}
	}
	return placed, foreign, nil
}

// lines are the positions, and the cash under its currency.
func (v *Venue) lines(a Account, positions []Position) ([]lifeboat.StatementLine, error) {
	const step = "list positions"
	var lines []lifeboat.StatementLine
	currency := a.Currency
	if currency == v.conn.Currency {
		currency = ""
	}
	seen := map[string]bool{}
	for _, p := range positions {
		symbol := v.conn.Scrub(p.Symbol)
		switch {
		case p.Symbol == "" || !p.Quantity.Said:
			return nil, fault(step, "a position lacks its symbol or its quantity")
		case seen[p.Symbol]:
			return nil, fault(step, "it lists %s twice", symbol)
		case p.CurrentPrice.IsNegative():
			return nil, fault(step, "the price of %s is %s, below nothing", symbol, p.CurrentPrice)
		case p.Side == "short" && p.Quantity.IsPositive(), p.Side == "long" && p.Quantity.IsNegative():
			return nil, fault(step, "%s is %s with a quantity of %s", symbol, p.Side, p.Quantity)
		case p.Available.Said && p.Available.Abs().GreaterThan(p.Quantity.Abs()):
			return nil, fault(step, "of %s %s %s are free", p.Quantity, symbol, p.Available)
		}
		seen[p.Symbol] = true
		free := p.Quantity.Decimal
		if p.Available.Said {
			free = p.Available.Decimal
		}
		lines = append(lines, lifeboat.StatementLine{
			Symbol: v.ours(p.Symbol, p.AssetClass), Quantity: p.Quantity.Decimal, Free: free,
			Price: p.CurrentPrice.Decimal, Value: p.Value.Decimal, Cost: p.Cost.Decimal, Currency: currency,
		})
	}
	free := a.Cash.Decimal
	if a.NonMarginable.Said { // the cash that neither open purchases nor unsettled sales claim
		free = decimal.Min(free, a.NonMarginable.Decimal)
	}
	cash := lifeboat.StatementLine{Symbol: a.Currency, Quantity: a.Cash.Decimal, Free: free, Price: decimal.NewFromInt(1), Value: a.Cash.Decimal, Currency: currency}
	if cash.Symbol == "" {
		return nil, fault("read account", "the account has no currency")
	}
	return append(lines, cash), nil
}

// blocked says why the account may not trade; "" when it may.
func blocked(a Account) string {
	switch {
	case a.AccountBlocked:
		return "Alpaca has blocked the account"
	case a.TradingBlocked:
		return "Alpaca has blocked the account's trading"
	case a.Suspended:
		return "the owner has suspended trading in the account's settings at Alpaca"
	case a.Status != "ACTIVE":
		return fmt.Sprintf("the account's status at Alpaca is %q, and only an ACTIVE one may trade", a.Status)
	}
	return ""
}

func hours(k Clock) *lifeboat.MarketClock {
	if k.Open {
		return &lifeboat.MarketClock{Open: true, Turns: k.NextClose.UTC()}
	}
	return &lifeboat.MarketClock{Turns: k.NextOpen.UTC()}
}

// checked is what the venue said of an asset, and when.
type checked struct {
	at  time.Time
	why string
}

// barred are the symbols of the plan, of positions and of open orders that cannot be traded. Each is asked about now and
// then, a few for one statement.
func (v *Venue) barred(ctx context.Context, positions []Position, orders map[string]Order) (map[string]string, error) {
	classes := map[string]string{} // :: the venue's symbol → class
	for _, theirs := range v.conn.Symbols {
		classes[theirs] = ""
	}
	for _, p := range positions {
		classes[v.conn.Theirs(v.ours(p.Symbol, p.AssetClass))] = p.AssetClass
	}
	for _, o := range orders {
		if !standings[o.Status].Final() {
			classes[v.conn.Theirs(v.ours(o.Symbol, o.AssetClass))] = o.AssetClass
		}
	}
	var found map[string]string
	now, asked := v.conn.Clock.Now(), 0
	for _, symbol := range slices.Sorted(maps.Keys(classes)) {
		known, ok := v.assets[symbol]
		if age := now.Sub(known.at); (!ok || age > assetAge || age < 0) && asked < assetsMax {
			asked++
			why, err := v.check(ctx, symbol)
			if err != nil {
				return nil, err
			}
			known = checked{now, why}
			v.assets[symbol] = known
		}
		if known.why != "" {
			if found == nil {
				found = map[string]string{}
			}
			found[v.ours(symbol, classes[symbol])] = known.why
		}
	}
	maps.DeleteFunc(v.assets, func(symbol string, _ checked) bool { _, wanted := classes[symbol]; return !wanted })
	return found, nil
}

// check asks whether a symbol can be traded; "" when it can.
func (v *Venue) check(ctx context.Context, symbol string) (why string, err error) {
	a, err := v.client.Asset(ctx, symbol)
	said, isSaid := rest.As(err)
	switch {
	case isSaid && said.Status == http.StatusNotFound && said.Code != "":
		return "Alpaca does not know the symbol, or not any more", nil
	case err != nil:
		return "", err
	case a.Status != "active":
		return fmt.Sprintf("at Alpaca the asset is %s", v.conn.Scrub(a.Status)), nil
	case !a.Tradable:
		return "Alpaca does not let it be traded now", nil
	}
	return "", nil
}

// warnOfSkew logs that the clocks differ, once until they agree again.
func (v *Venue) warnOfSkew(theirs time.Time) {
	skew := v.conn.Clock.Now().Sub(theirs)
	skewed := skew.Abs() > skewMax
	if skewed && !v.skewed && v.conn.Log != nil {
		v.conn.Log.Warn("a venue's clock and this machine's differ", "venue", Name, "account", v.conn.Account, "by", skew.Round(time.Second).String())
	}
	v.skewed = skewed
}
