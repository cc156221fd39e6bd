package ibkr

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/rest"
)

const (
	readsMax = 3   // how often an account that moves is read again
	pagesMax = 100 // of positions
	// recently is how long an order that ended is told with the lines that include it.
	recently = 15 * time.Minute
)

// State says what the account holds. Orders are read first and asked about again after the lines; when one has moved in
// between, all is read again. The broker's positions may come a moment after its executions.
func (v *Venue) State(ctx context.Context, _ time.Time) (lifeboat.Statement, error) {
	const step = "read the account"
	account, err := v.open(ctx, step)
	if err != nil {
		return lifeboat.Statement{}, err
	}
	for range readsMax {
		orders, err := v.orders(ctx, step)
		if err != nil {
			return lifeboat.Statement{}, err
		}
		s := lifeboat.Statement{Account: v.c.Account, Source: "ibkr"}
		if err := v.addOrders(ctx, step, &s, orders); err != nil {
			return lifeboat.Statement{}, err
		}
		s.At = v.c.Clock.Now()
		if err := v.addLines(ctx, step, &s, account, orders); err != nil {
			return lifeboat.Statement{}, err
		}
		moved, err := v.moved(ctx, step, orders)
		if err != nil {
			return lifeboat.Statement{}, err
		}
		if moved {
			continue
		}
		if s.BuyingPower, err = v.buyingPower(ctx, account); err != nil {
			return lifeboat.Statement{}, err
		}
		left := v.budget.Left(v.c.Clock.Now())
		s.RequestsLeft = &left
		return s, nil
	}
	return lifeboat.Statement{}, fmt.Errorf("%s: %s: its orders moved each of the %d times that it was read", name, step, readsMax)
}

// addOrders tells where lifeboat's orders stand, and what others have open.
func (v *Venue) addOrders(ctx context.Context, step string, s *lifeboat.Statement, orders []standing) error {
	var all map[lifeboat.Key]*dealt
	for _, o := range orders {
		status, known := statuses[strings.ToLower(o.status)]
		if !strings.HasPrefix(string(o.key), "lb-") {
			if !known || status == lifeboat.Accepted {
				s.Foreign = append(s.Foreign, lifeboat.ForeignOrder{Symbol: v.ours(o.conid, o.ticker), Side: o.side, Quantity: o.total.Sub(o.filled), Limit: o.limit})
			}
			continue
		}
		if status.Final() && v.c.Clock.Now().Sub(o.moved) > recently {
			continue
		}
		if o.filled.IsPositive() && all == nil {
			var err error
			if all, err = v.executions(ctx, step); err != nil {
				return err
			}
		}
		r, err := v.tell(o.key, o, all[o.key])
		if err != nil {
			return fmt.Errorf("%s: %s: %w", name, step, err)
		}
		s.Placed = append(s.Placed, r)
	}
	return nil
}

// moved reports that an order which was open is somewhere else now.
func (v *Venue) moved(ctx context.Context, step string, orders []standing) (bool, error) {
	for _, o := range orders {
		if statuses[strings.ToLower(o.status)] != lifeboat.Accepted {
			continue
		}
		var told statusAnswer
		if _, err := v.do(ctx, anyCall, rest.Request{Step: step, Method: http.MethodGet, Path: "/iserver/account/order/status/" + o.id}, &told); err != nil {
			return false, err
		}
		now, err := told.standing()
		if err != nil {
			return false, fmt.Errorf("%s: %s: %w", name, step, err)
		}
		if !now.filled.Equal(o.filled) || statuses[strings.ToLower(now.status)] != lifeboat.Accepted {
			return true, nil
		}
	}
	return false, nil
}

// position is a row of /portfolio/{account}/positions/{page}.
type position struct {
	Account  string `json:"acctId"`
	Conid    text   `json:"conid"`
	Model    string `json:"model"`
	Ticker   string `json:"ticker"`
	Told     string `json:"contractDesc"`
	Name     string `json:"name"`
	Class    string `json:"assetClass"`
	Currency string `json:"currency"`
	Quantity number `json:"position"`
	Price    number `json:"mktPrice"`
	Value    number `json:"mktValue"`
	UnitCost number `json:"avgCost"`
	PageSize int    `json:"pageSize"`
}

func (v *Venue) addLines(ctx context.Context, step string, s *lifeboat.Statement, account string, orders []standing) error {
	positions, err := v.positions(ctx, step, account)
	if err != nil {
		return err
	}
	cash, err := v.cash(ctx, step, account, orders)
	if err != nil {
		return err
	}
	taken := map[string]bool{} // a fund may be called like a currency
	for _, c := range cash {
		taken[c.Symbol] = true
	}
	for _, p := range positions {
		line, err := v.line(p, orders)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", name, step, err)
		}
		if line.Quantity.IsZero() {
			continue // it was sold today
		}
		if taken[line.Symbol] { // two instruments with one ticker: their numbers tell them apart
			line.Symbol = string(p.Conid)
		}
		taken[line.Symbol] = true
		s.Lines = append(s.Lines, line)
	}
	s.Lines = append(s.Lines, cash...)
	return nil
}

// positions of all pages. The broker keeps them for a while, so it is told to forget them first.
func (v *Venue) positions(ctx context.Context, step, account string) ([]position, error) {
	path := "/portfolio/" + account + "/positions/"
	if _, err := v.do(ctx, anyCall, rest.Request{Step: step, Method: http.MethodPost, Path: path + "invalidate"}, nil); err != nil {
		return nil, err
	}
	var all []position
	seen := map[[2]string]bool{}
	for page := range pagesMax {
		var rows []position
		if _, err := v.do(ctx, anyCall, rest.Request{Step: step, Method: http.MethodGet, Path: path + strconv.Itoa(page)}, &rows); err != nil {
			return nil, err
		}
		for _, p := range rows {
			one := [2]string{string(p.Conid), p.Model}
			switch {
			case p.Account != account || !digits(string(p.Conid)) || !p.Quantity.set:
				return nil, fmt.Errorf("%s: %s: a position of page %d is not one of the account", name, step, page+1)
			case seen[one]:
				return nil, fmt.Errorf("%s: %s: the positions moved while their pages were read", name, step)
			}
			seen[one] = true
			all = append(all, p)
		}
		if len(rows) == 0 || rows[0].PageSize > 0 && len(rows) < rows[0].PageSize {
			return all, nil
		}
	}
	return nil, fmt.Errorf("%s: %s: there are more than %d pages of positions", name, step, pagesMax)
}

// line of a position. Shares and funds in the base currency go by their ticker or the plan's name; what has another
// currency or is of another kind by its number or its description, so that it is never taken for a share.
func (v *Venue) line(p position, orders []standing) (lifeboat.StatementLine, error) {
	l := lifeboat.StatementLine{Name: p.Name, Quantity: p.Quantity.Decimal, Price: p.Price.Decimal, Value: p.Value.Decimal,
		Cost: p.UnitCost.Mul(p.Quantity.Decimal), Currency: p.Currency}
	if p.Price.IsNegative() {
		return l, fmt.Errorf("the price of %s is below zero", plainly(p.Told))
	}
	conid := string(p.Conid)
	ticker := p.Ticker
	if ticker == "" {
		ticker = p.Told
	}
	switch {
	case p.Class == "STK" && p.Currency == v.c.Currency:
		l.Symbol = v.ours(conid, ticker)
	case v.c.Ours(conid) != conid:
		l.Symbol = v.c.Ours(conid)
	case p.Class == "STK" || p.Told == "":
		l.Symbol = conid
	default:
		l.Symbol = p.Told
	}
	claimed := decimal.Zero
	for _, o := range orders {
		if o.conid == conid && o.side == lifeboat.Sell && statuses[strings.ToLower(o.status)] == lifeboat.Accepted {
			claimed = claimed.Add(o.total.Sub(o.filled))
		}
	}
	l.Free = decimal.Max(decimal.Zero, l.Quantity.Sub(claimed))
	return l, nil
}

// cash in each currency: what is settled and not claimed by open purchases with a limit is free.
func (v *Venue) cash(ctx context.Context, step, account string, orders []standing) ([]lifeboat.StatementLine, error) {
	var told map[string]struct {
		Currency string `json:"currency"`
		Cash     number `json:"cashbalance"`
		Settled  number `json:"settledcash"`
	}
	if _, err := v.do(ctx, anyCall, rest.Request{Step: step, Method: http.MethodGet, Path: "/portfolio/" + account + "/ledger"}, &told); err != nil {
		return nil, err
	}
	var lines []lifeboat.StatementLine
	based := false
	for currency, entry := range told {
		based = based || currency == v.c.Currency || currency == "BASE"
		if currency == "BASE" || currency != v.c.Currency && entry.Cash.IsZero() {
			continue
		}
		if !entry.Cash.set {
			return nil, fmt.Errorf("%s: %s: it does not say how much %s there is", name, step, plainly(currency))
		}
		free := entry.Cash.Decimal
		if entry.Settled.set {
			free = decimal.Min(free, entry.Settled.Decimal)
		}
		for _, o := range orders {
			if o.side == lifeboat.Buy && o.currency == currency && statuses[strings.ToLower(o.status)] == lifeboat.Accepted {
				free = free.Sub(o.total.Sub(o.filled).Mul(o.limit))
			}
		}
		lines = append(lines, lifeboat.StatementLine{Symbol: currency, Quantity: entry.Cash.Decimal, Free: decimal.Max(decimal.Zero, free), Currency: currency, Value: entry.Cash.Decimal})
	}
	if !based {
		return nil, fmt.Errorf("%s: %s: its ledger is empty", name, step)
	}
	slices.SortFunc(lines, func(a, b lifeboat.StatementLine) int { return strings.Compare(a.Symbol, b.Symbol) })
	return lines, nil
}

// buyingPower that the account's summary names; nil where it does not.
func (v *Venue) buyingPower(ctx context.Context, account string) (*decimal.Decimal, error) {
	var told struct {
		Power struct {
			Amount   number `json:"amount"`
			Currency string `json:"currency"`
			Null     bool   `json:"isNull"`
		} `json:"buyingpower"`
	}
	if _, err := v.do(ctx, anyCall, rest.Request{Step: "read the buying power", Method: http.MethodGet, Path: "/portfolio/" + account + "/summary"}, &told); err != nil {
		return nil, err
	}
	if told.Power.Null || !told.Power.Amount.set || told.Power.Currency != v.c.Currency {
		return nil, nil
	}
	return &told.Power.Amount.Decimal, nil
}
