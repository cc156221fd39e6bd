package coinbase

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
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

// Since lists lifeboat's orders, and all of them that are open.
func (v *Venue) Since(ctx context.Context, _, since time.Time) ([]lifeboat.PlacedOrder, error) {
	list, err := v.list(ctx, since, "")
	if err != nil {
		return nil, err
	}
	open, err := v.open(ctx)
	if err != nil {
		return nil, err
	}
	var placed []lifeboat.PlacedOrder
	listed := map[string]bool{}
	for _, o := range slices.Concat(list, open) {
		if listed[o.ID] || !strings.HasPrefix(o.Client, prefix) {
			continue
		}
		listed[o.ID] = true
		v.watch(lifeboat.Key(o.Client), o.ID)
		r, err := v.receipt(lifeboat.Key(o.Client), o)
		if err != nil {
			return nil, err
		}
		if r.Status == lifeboat.OrderRejected || r.Status.Final() && o.Created.Before(since.Truncate(time.Millisecond)) {
			continue
		}
		placed = append(placed, lifeboat.PlacedOrder{Order: v.orderOf(o), Receipt: r})
	}
	return placed, nil
}

func (v *Venue) open(ctx context.Context) ([]order, error) { return v.list(ctx, time.Time{}, "OPEN") }

// State is what the account holds, with the orders that were read before it and, the same, after it.
func (v *Venue) State(ctx context.Context, _ time.Time) (lifeboat.Statement, error) {
	blocked, err := v.blocked(ctx)
	if err != nil {
		return lifeboat.Statement{}, err
	}
	for range stateTries {
		before, err := v.open(ctx)
		if err != nil {
			return lifeboat.Statement{}, err
		}
		held, err := v.accounts(ctx)
		if err != nil {
			return lifeboat.Statement{}, err
		}
		at := v.c.Clock.Now().Add(v.wire.offset)
		after, err := v.open(ctx)
		if err != nil {
			return lifeboat.Statement{}, err
		}
		if !same(before, after) {
			continue
		}
		s := lifeboat.Statement{Account: v.c.Account, Source: "Coinbase", At: at, Blocked: blocked, Barred: map[string]string{}}
		if moved, err := v.orders(ctx, &s, after); err != nil {
			return lifeboat.Statement{}, err
		} else if moved {
			continue
		}
		if err := v.lines(ctx, &s, held); err != nil {
			return lifeboat.Statement{}, err
		}
		left := v.wire.caller.Budget.Left(v.c.Clock.Now())
		s.RequestsLeft = &left
		return s, nil
	}
	return lifeboat.Statement{}, fault("ask for the accounts", "the orders moved during each of %d readings", stateTries)
}

// same reports that no order came, went or filled between two readings.
func same(a, b []order) bool {
	filled := map[string]string{}
	for _, o := range a {
		filled[o.ID] = o.Status + o.Filled.d.String()
	}
	return len(a) == len(b) && !slices.ContainsFunc(b, func(o order) bool { return filled[o.ID] != o.Status+o.Filled.d.String() })
}

// blocked says why the key may not trade; "" when it may.
func (v *Venue) blocked(ctx context.Context) (string, error) {
	var p struct {
		Trade *bool `json:"can_trade"`
	}
	if err := v.read(ctx, rest.Request{Step: "ask for the key's rights", Path: "/api/v3/brokerage/key_permissions"}, &p); err != nil {
		return "", err
	}
	switch {
	case p.Trade == nil:
		return "", fault("ask for the key's rights", "the answer does not say whether it may trade")
	case !*p.Trade:
		return "the key that lifeboat has may not trade at Coinbase", nil
	}
	return "", nil
}

// wallet of one currency.
type wallet struct {
	ID        string `json:"uuid"`
	Currency  string `json:"currency"`
	Type      string `json:"type"`
	Available *struct {
		Value amount `json:"value"`
	} `json:"available_balance"`
	Hold struct {
		Value amount `json:"value"`
	} `json:"hold"`
}

func (v *Venue) accounts(ctx context.Context) ([]wallet, error) {
	query := url.Values{"limit": {"250"}}
	var all []wallet
	for range pages {
		var answer struct {
			Accounts *[]wallet `json:"accounts"`
			More     bool      `json:"has_next"`
			Cursor   string    `json:"cursor"`
		}
		if err := v.read(ctx, rest.Request{Step: "ask for the accounts", Path: "/api/v3/brokerage/accounts", Query: query}, &answer); err != nil {
			return nil, err
		}
		if answer.Accounts == nil {
			return nil, fault("ask for the accounts", "the answer is no list")
		}
		all = append(all, *answer.Accounts...)
		if !answer.More {
			return all, nil
		}
		if answer.Cursor == "" || answer.Cursor == query.Get("cursor") {
			break
		}
		query.Set("cursor", answer.Cursor)
	}
	return nil, fault("ask for the accounts", "it has more, and does not say how to go on")
}

// lines adds what the wallets hold, several of one currency together, with the last price of what trades against the cash.
func (v *Venue) lines(ctx context.Context, s *lifeboat.Statement, held []wallet) error {
	names := map[string]string{} // :: asset → plan's symbol
	for _, symbol := range slices.Backward(slices.Sorted(maps.Keys(v.c.Symbols))) {
		if base, _, ok := strings.Cut(v.c.Symbols[symbol], "-"); ok {
			names[base] = symbol
		}
	}
	lines := map[string]*lifeboat.StatementLine{}
	for _, w := range held {
		if w.Currency == "" || w.Available == nil {
			return fault("ask for the accounts", "one has no currency or no balance")
		}
		symbol := w.Currency
		if named := names[w.Currency]; named != "" {
			symbol = named
		}
		if w.Currency == v.cash {
			symbol = v.c.Currency
		}
		l := lines[symbol]
		if l == nil {
			l = &lifeboat.StatementLine{Symbol: symbol, Name: w.Currency, Currency: v.c.Currency}
			lines[symbol] = l
		}
		l.Quantity = l.Quantity.Add(w.Available.Value.d).Add(w.Hold.Value.d)
		if w.Type != "ACCOUNT_TYPE_VAULT" {
			l.Free = l.Free.Add(w.Available.Value.d)
		}
	}
	s.BuyingPower = &decimal.Decimal{}
	for _, symbol := range slices.Sorted(maps.Keys(lines)) {
		l := lines[symbol]
		if symbol == v.c.Currency {
			free := l.Free
			l.Value, s.BuyingPower = l.Quantity, &free
		} else if !l.Quantity.IsZero() {
			if err := v.value(ctx, s, l); err != nil {
				return err
			}
		}
		if !l.Quantity.IsZero() {
			s.Lines = append(s.Lines, *l)
		}
	}
	return nil
}

// value of a line, and what bars it from being traded. What Coinbase does not trade against the cash has no price here.
func (v *Venue) value(ctx context.Context, s *lifeboat.Statement, l *lifeboat.StatementLine) error {
	id := v.theirs(l.Symbol)
	if !fitsPath(id) {
		return nil
	}
	p, found, err := v.productOf(ctx, id)
	switch {
	case err != nil:
		return err
	case !found:
		s.Barred[l.Symbol] = fmt.Sprintf("Coinbase knows no product %s", id)
		return nil
	}
	if why := p.barred(); why != "" {
		s.Barred[l.Symbol] = why
	}
	if p.Quote == v.cash {
		l.Price = p.Price.d
		l.Value = l.Price.Mul(l.Quantity)
	}
	return nil
}

// orders adds those that the lines include and those that are not lifeboat's; true when one moved meanwhile.
func (v *Venue) orders(ctx context.Context, s *lifeboat.Statement, open []order) (moved bool, err error) {
	listed := map[lifeboat.Key]bool{}
	for _, o := range open {
		if !strings.HasPrefix(o.Client, prefix) {
			found := v.orderOf(o)
			s.Foreign = append(s.Foreign, lifeboat.ForeignOrder{Symbol: found.Symbol, Side: found.Side, Quantity: decimal.Max(decimal.Zero, found.Quantity.Sub(o.Filled.d)), Limit: found.Limit})
			continue
		}
		id := lifeboat.Key(o.Client)
		v.watch(id, o.ID)
		r, err := v.receipt(id, o)
		if err != nil {
			return false, err
		}
		listed[id], s.Placed = true, append(s.Placed, r)
	}
	for _, id := range slices.Sorted(maps.Keys(v.where)) {
		w := v.where[id]
		if listed[id] || !w.ended.IsZero() && v.c.Clock.Now().Sub(w.ended) > recent {
			continue
		}
		o, _, err := v.known(ctx, id)
		if err != nil {
			return false, err
		}
		r, err := v.receipt(id, o)
		if err != nil {
			return false, err
		}
		if !r.Status.Final() {
			return true, nil // it came after the balances were read, or is neither open nor over yet
		}
		s.Placed = append(s.Placed, r)
	}
	return false, nil
}
