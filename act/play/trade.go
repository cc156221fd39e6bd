package play

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/prose"
)

// order places the one order of the step and waits for its end.
func order(p *Player, at time.Time, r *run, step plan.Step) ([]lifeboat.Event, *outcome) {
	if len(r.acts) > 0 {
		return nil, r.settled()
	}
	o := step.Order
	if p.othersOpen(r, o.Symbol) {
		return nil, nil
	}
	quantity, filled := p.wanted(*o, r), r.filled(o.Account, o.Symbol, o.Side)
	if !quantity.IsPositive() && filled.IsPositive() {
		return nil, done("%s %s filled by earlier attempts", filled, o.Symbol)
	}
	if !quantity.IsPositive() {
		return nil, done("nothing to %s: %s holds no %s", o.Side, o.Account, o.Symbol)
	}
	trade := trade{account: o.Account, symbol: o.Symbol, side: o.Side, quantity: quantity}
	if intent, ok := p.intent(at, r, trade, o.Limit); ok {
		return []lifeboat.Event{intent}, nil
	}
	return nil, nil // no price to act on: wait for one until the time-out
}

// wanted is what an order step has left to trade: of its quantity, or of its share of what was held before its first
// attempt.
func (p *Player) wanted(o plan.Order, r *run) decimal.Decimal {
	held, filled := p.book.Quantity(o.Account, o.Symbol), r.filled(o.Account, o.Symbol, o.Side)
	quantity := o.Quantity
	if o.Fraction > 0 {
		whole := held.Add(filled)
		if o.Side == lifeboat.Buy {
			whole = held.Sub(filled)
		}
		quantity = p.lots(o.Symbol, whole.Mul(decimal.NewFromFloat(float64(o.Fraction))), o.Side)
	}
	quantity = quantity.Sub(filled)
	if o.Fraction > 0 && o.Side == lifeboat.Sell {
		quantity = decimal.Min(quantity, p.sellable(o.Symbol, held))
	}
	return quantity
}

// filled is what the earlier attempts at this step traded.
func (r *run) filled(account, symbol string, side lifeboat.Side) decimal.Decimal {
	total := decimal.Zero
	for _, a := range r.earlier {
		if o := a.Order; o != nil && o.Account == account && o.Symbol == symbol && o.Side == side {
			total = total.Add(a.receipt.Filled)
		}
	}
	return total
}

// rebalance sells first; when every sale has ended it buys with the cash that is then there.
func rebalance(p *Player, at time.Time, r *run, step plan.Step) ([]lifeboat.Event, *outcome) {
	sold := r.settled()
	switch {
	case sold == nil && len(r.acts) > 0:
		return nil, nil // an order is open
	case sold != nil && (sold.status != lifeboat.Done || r.has(lifeboat.Buy)):
		return nil, sold
	case p.othersOpen(r, ""):
		return nil, nil // another run's orders must end before sizes can be known
	}
	all := p.trades(at, r, *step.Rebalance)
	if all.priced == 0 && len(all.unpriced) > 0 {
		return nil, nil // nothing has a fresh price: wait for one until the time-out
	}
	trades := all.sells
	if sold != nil || len(trades) == 0 {
		trades = all.buys
	}
	var events []lifeboat.Event
	for _, t := range trades {
		if intent, ok := p.intent(at, r, t, step.Rebalance.Limit); ok {
			events = append(events, intent)
		}
	}
	if len(events) > 0 {
		return events, nil
	}
	if sold == nil {
		sold = done("nothing to trade: the accounts are where the playbook wants them")
	}
	if len(all.unpriced) > 0 {
		sold.why += "; left alone for want of a fresh price: " + list(all.unpriced)
	}
	return nil, sold
}

// settled is the outcome of the orders of this attempt; nil while one is open or none was placed.
func (r *run) settled() *outcome {
	orders, filled := 0, 0
	var faults []string
	for _, a := range r.acts {
		if a.Act != lifeboat.PlaceOrder && a.refused == "" {
			continue
		}
		orders++
		switch {
		case a.refused != "":
			faults = append(faults, "refused: "+a.refused)
		case !a.final():
			return nil
		case a.receipt.Status == lifeboat.Filled:
			filled++
		default:
			faults = append(faults, fmt.Sprintf("%s %s %s with %s of %s filled%s", a.Order.Side, a.Order.Symbol, a.receipt.Status,
				a.receipt.Filled, a.Order.Quantity, prose.After(": ", a.receipt.Why)))
		}
	}
	if orders == 0 {
		return nil
	}
	if len(faults) > 0 {
		return failed("%d of %d orders filled; %s", filled, orders, strings.Join(faults, "; "))
	}
	return done("%s filled", prose.Count(orders, "order"))
}

func (r *run) has(side lifeboat.Side) bool {
	return slices.ContainsFunc(r.acts, func(a *act) bool { return a.Order != nil && a.Order.Side == side })
}

// othersOpen reports open orders of other runs in a symbol, or in any for "".
func (p *Player) othersOpen(r *run, symbol string) bool {
	for _, account := range p.accounts() {
		for _, o := range p.book.OpenOrders(account) {
			if (symbol == "" || o.Symbol == symbol) && !slices.ContainsFunc(r.acts, func(a *act) bool { return a.Key == o.ID }) {
				return true
			}
		}
	}
	return false
}

// A trade is an order before it has a key and a price.
type trade struct {
	account, symbol string
	side            lifeboat.Side
	quantity        decimal.Decimal
}

// intent prices a trade against the latest quote; it is not ok without a fresh one.
func (p *Player) intent(at time.Time, r *run, t trade, limit plan.Ratio) (i lifeboat.Intent, ok bool) {
	price, _, quality := p.view.Quote(t.symbol, at)
	if quality != lifeboat.Good || price <= 0 {
		return i, false
	}
	arrival := tick(decimal.NewFromFloat(price))
	o := &lifeboat.Order{
		ID: r.key(t.account, t.symbol, t.side), Account: t.account, Symbol: t.symbol, Side: t.side,
		Type: lifeboat.Market, Quantity: t.quantity, Arrival: arrival,
	}
	if limit > 0 {
		collar := decimal.NewFromFloat(float64(limit))
		if t.side == lifeboat.Sell {
			collar = collar.Neg()
		}
		o.Type, o.Limit = lifeboat.Limit, tick(arrival.Mul(decimal.NewFromInt(1).Add(collar)))
	}
	return lifeboat.Intent{Key: o.ID, Act: lifeboat.PlaceOrder, Run: r.Run, Step: path(r.step), Order: o}, true
}

// tick rounds a price to what venues take: 8 decimals below 1, 6 below 10, else 4.
func tick(price decimal.Decimal) decimal.Decimal {
	switch {
	case price.LessThan(decimal.NewFromInt(1)):
		return price.Round(8)
	case price.LessThan(decimal.NewFromInt(10)):
		return price.Round(6)
	}
	return price.Round(4)
}

// preview tells what the next trading step would do if it ran now.
func (p *Player) preview(at time.Time, r *run) string {
	for _, step := range r.steps[r.step+1:] {
		if step.Order != nil {
			return fmt.Sprintf("Next: %s %s in %s.", step.Order.Side, step.Order.Symbol, step.Order.Account)
		}
		if step.Rebalance == nil {
			continue
		}
		all := p.trades(at, r, *step.Rebalance)
		var parts []string
		for _, t := range append(all.sells, all.buys...) {
			price, _, _ := p.view.Quote(t.symbol, at)
			parts = append(parts, fmt.Sprintf("%s %s %s at about %.4g", t.side, t.quantity, t.symbol, price))
		}
		if len(parts) == 0 {
			return "Next: nothing to trade as things stand."
		}
		return "Next: " + strings.Join(parts, ", ") + "."
	}
	return ""
}
