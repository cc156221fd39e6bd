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

// trade carries out an order or a rebalance. In each account it sells first; when every sale there has ended, it buys with the
// cash that is then there. What a yes has frozen is sent exactly so.
func trade(p *Player, at time.Time, r *run, n *node) said {
	end := n.settled(nil)
	if end != nil && end.status != lifeboat.Done {
		return over(end)
	}
	wanted, waiting := p.wants(at, r, n)
	wave := n.wave(wanted)
	switch {
	case waiting != "" && len(n.open()) == 0:
		return waits("%s", waiting)
	case len(wave) == 0 && end != nil:
		end.why += wanted.left()
		return over(end)
	case len(wave) == 0 && len(n.open()) == 0:
		return over(done("%s%s", wanted.nothing, wanted.left()))
	case len(wave) == 0:
		return waits("for %s to be filled", prose.Count(len(n.open()), "order"))
	case p.othersOpen(n, n.symbol()):
		return waits("for other orders in the same holdings to end: sizes cannot be known before")
	}
	if s, ready := p.permitted(at, r, n); !ready {
		return s
	}
	return p.send(at, r, n, wave)
}

// lastOfAll lets a step that trades end only when every order of its own has: one that is left open would fill after the run.
// What is still open when the time is up is cancelled, as always.
func lastOfAll(work func(p *Player, at time.Time, r *run, n *node) said) func(p *Player, at time.Time, r *run, n *node) said {
	return func(p *Player, at time.Time, r *run, n *node) said {
		s := work(p, at, r, n)
		if s.out != nil && len(n.open()) > 0 {
			return waits("for %s to end, and ends then: %s", prose.Count(len(n.open()), "open order"), s.out.why)
		}
		return s
	}
}

// send forms the intents of a wave that pass the pre-flight. Of an account in which one of them is held back, none is formed:
// what was held back would be forgotten once the others have filled. What can never pass ends the step.
func (p *Player) send(at time.Time, r *run, n *node, wave []move) said {
	var events []lifeboat.Event
	var refusals []string
	var formed []lifeboat.Order
	held := map[string]string{} // :: account → why
	for _, m := range wave {
		key := r.key(n, m.account, m.symbol, m.side)
		if why, no := r.refused[key]; no {
			refusals = append(refusals, "refused: "+why)
			continue
		}
		o, ok := p.order(at, m, n.limit())
		if !ok {
			held[m.account] = "no fresh price of " + m.symbol
			continue
		}
		o.ID = key
		i := lifeboat.Intent{Key: key, Act: lifeboat.PlaceOrder, Run: r.Run, Step: n.path, Order: &o}
		if v, hindered := hinders(p.inspect(at, r, m, i, formed)); hindered && v.Kind != "" {
			return over(failed(v.Kind, "no order was formed to %s %s %s: %s", m.side, m.quantity, m.symbol, v))
		} else if hindered {
			held[m.account] = v.String()
		}
		events, formed = append(events, i), append(formed, o)
	}
	if len(refusals) > 0 && len(n.open()) == 0 {
		return over(n.settled(refusals))
	}
	events = slices.DeleteFunc(events, func(e lifeboat.Event) bool { return held[e.(lifeboat.Intent).Order.Account] != "" })
	if len(events) > 0 {
		return acts(events...)
	}
	return waits("for the way to be free: %s", reasons(held))
}

func reasons(held map[string]string) string {
	var all []string
	for _, why := range held {
		all = append(all, why)
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), "; ")
}

// held says why an act would not pass now; "" when it would.
func (p *Player) held(i lifeboat.Intent) string {
	if why, held := p.quarantine.Holds(i.AccountOf()); held {
		return fmt.Sprintf("the account %s is in quarantine: %s", i.AccountOf(), why)
	}
	if p.gate == nil {
		return ""
	}
	if err := p.gate.Passes(i); err != nil {
		return err.Error()
	}
	return ""
}

// A move is an order before it has a key and a price.
type move struct {
	account, symbol string
	side            lifeboat.Side
	quantity        decimal.Decimal
	frozen          *lifeboat.Order // as somebody approved it; nil for what is worked out now
}

// moves are what a step would trade now: sales first, buys with the cash that is there once the sales are done.
type moves struct {
	sells, buys []move
	// unpriced are symbols without a fresh price. They are left alone: in an emergency the rest must not wait for them.
	unpriced []string
	priced   int
	nothing  string // what is said when there is nothing to trade
}

func (m moves) left() string {
	return prose.After("; left alone for want of a fresh price: ", list(m.unpriced))
}

// wants says what a step that trades would do now, or what it must wait for before it can say.
func (p *Player) wants(at time.Time, r *run, n *node) (wanted moves, waiting string) {
	if frozen, gated := p.frozen(r, n); gated {
		frozen.nothing = "nothing is left of what was approved"
		return frozen, ""
	}
	return p.reckons(at, r, n)
}

// reckons works out anew what a step would trade.
func (p *Player) reckons(at time.Time, r *run, n *node) (wanted moves, waiting string) {
	if n.kind == "order" {
		return p.ordered(at, n)
	}
	wanted = p.rebalanced(at, r, n)
	if wanted.priced == 0 && len(wanted.unpriced) > 0 {
		return wanted, "for a fresh price of " + list(wanted.unpriced)
	}
	wanted.nothing = "nothing to trade: the accounts are where the playbook wants them"
	return wanted, ""
}

// ordered is what an order step has left to trade: of its quantity, or of its share of what was held before its first attempt.
func (p *Player) ordered(at time.Time, n *node) (wanted moves, waiting string) {
	o := *n.step.Order
	held, before := p.book.Quantity(o.Account, o.Symbol), filled(n.earlier, o.Account, o.Symbol, o.Side)
	quantity := o.Quantity
	if o.Fraction > 0 {
		whole := held.Add(before)
		if o.Side == lifeboat.Buy {
			whole = held.Sub(before)
		}
		quantity = p.lots(o.Symbol, whole.Mul(decimal.NewFromFloat(float64(o.Fraction))), o.Side)
	}
	quantity = quantity.Sub(before)
	if o.Fraction > 0 && o.Side == lifeboat.Sell {
		quantity = decimal.Min(quantity, p.sellable(o.Symbol, held))
	}
	switch {
	case !quantity.IsPositive() && before.IsPositive():
		wanted.nothing = fmt.Sprintf("%s %s filled by earlier attempts", before, o.Symbol)
		return wanted, ""
	case !quantity.IsPositive():
		wanted.nothing = fmt.Sprintf("nothing to %s: %s holds no %s", o.Side, o.Account, o.Symbol)
		return wanted, ""
	}
	m := []move{{account: o.Account, symbol: o.Symbol, side: o.Side, quantity: quantity}}
	if o.Side == lifeboat.Sell {
		wanted.sells = m
	} else {
		wanted.buys = m
	}
	if _, ok := p.order(at, m[0], 0); !ok {
		return wanted, "for a fresh price of " + o.Symbol
	}
	return wanted, ""
}

// wave is what comes next of the moves: in each account the sales, and when all of them have ended the purchases.
func (n *node) wave(m moves) []move {
	var wave []move
	for _, sale := range m.sells {
		if len(n.orders(sale.account)) == 0 {
			wave = append(wave, sale)
		}
	}
	for _, purchase := range m.buys {
		placed := n.orders(purchase.account)
		fresh := len(placed) == 0 && !slices.ContainsFunc(m.sells, func(s move) bool { return s.account == purchase.account })
		sold := len(placed) > 0 && !slices.ContainsFunc(placed, func(a *act) bool { return a.Order.Side == lifeboat.Buy || !a.final() })
		if fresh || sold {
			wave = append(wave, purchase)
		}
	}
	return wave
}

// orders of this attempt in an account; in all of them for "".
func (n *node) orders(account string) []*act {
	var orders []*act
	for _, a := range n.acts {
		if a.Order != nil && (account == "" || a.Order.Account == account) {
			orders = append(orders, a)
		}
	}
	return orders
}

// filled is what some acts traded.
func filled(acts []*act, account, symbol string, side lifeboat.Side) decimal.Decimal {
	total := decimal.Zero
	for _, a := range acts {
		if o := a.Order; o != nil && o.Account == account && o.Symbol == symbol && o.Side == side {
			total = total.Add(a.receipt.Filled)
		}
	}
	return total
}

// settled is the outcome of the orders of this attempt, and of those that were refused; nil while one is open or there are none.
func (n *node) settled(refusals []string) *outcome {
	orders, filled := n.orders(""), 0
	faults, kind := refusals, "rejected"
	for _, a := range orders {
		switch {
		case !a.final():
			return nil
		case a.receipt.Status == lifeboat.Filled:
			filled++
		default:
			faults = append(faults, fmt.Sprintf("%s %s %s with %s of %s filled%s", a.Order.Side, a.Order.Symbol, a.receipt.Status,
				a.receipt.Filled, a.Order.Quantity, prose.After(": ", a.receipt.Why)))
		}
	}
	if len(refusals) > 0 {
		kind = refused
	}
	switch all := len(orders) + len(refusals); {
	case all == 0:
		return nil
	case len(faults) > 0:
		return failed(kind, "%d of %d orders filled; %s", filled, all, strings.Join(faults, "; "))
	}
	return done("%s filled", prose.Count(len(orders), "order"))
}

// symbol that an order step trades; "" for a rebalance, which may trade any.
func (n *node) symbol() string {
	if n.step.Order != nil {
		return n.step.Order.Symbol
	}
	return ""
}

func (n *node) limit() plan.Ratio {
	if n.step.Order != nil {
		return n.step.Order.Limit
	}
	return n.step.Rebalance.Limit
}

// othersOpen reports open orders of others in a symbol, or in any for "": of other runs, and of steps beside this one.
func (p *Player) othersOpen(n *node, symbol string) bool {
	for _, account := range p.accounts() {
		for _, o := range p.book.OpenOrders(account) {
			if (symbol == "" || o.Symbol == symbol) && n.act(o.ID) == nil {
				return true
			}
		}
	}
	return false
}

// order prices a move against the latest quote; it is not ok without a fresh one. What was frozen keeps its price.
func (p *Player) order(at time.Time, m move, limit plan.Ratio) (o lifeboat.Order, ok bool) {
	if m.frozen != nil {
		o = *m.frozen
		o.Quantity = m.quantity
		return o, true
	}
	price, _, quality := p.view.Quote(m.symbol, at)
	if quality != lifeboat.Good || price <= 0 {
		return o, false
	}
	arrival := tick(decimal.NewFromFloat(price))
	o = lifeboat.Order{Account: m.account, Symbol: m.symbol, Side: m.side, Type: lifeboat.Market, Quantity: m.quantity, Arrival: arrival}
	if limit > 0 {
		collar := decimal.NewFromFloat(float64(limit))
		if m.side == lifeboat.Sell {
			collar = collar.Neg()
		}
		o.Type, o.Limit = lifeboat.Limit, tick(arrival.Mul(decimal.NewFromInt(1).Add(collar)))
	}
	return o, true
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
