package play

import (
	"math"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

// minTrade is the smallest share of an account's value worth an order, unless the owner says otherwise.
const minTrade = 0.005

// rebalanced is what moves the tradable accounts, each by itself, to where a rebalance step wants them.
func (p *Player) rebalanced(at time.Time, r *run, n *node) moves {
	var all moves
	for _, s := range p.shifts(at, r, n) {
		all.unpriced = append(all.unpriced, s.unpriced...)
		all.priced += len(s.symbols)
		cash := s.cash - s.floor
		if len(n.orders(s.name)) == 0 { // nothing was sold yet: the buys are a preview on what the sales should bring
			for _, m := range s.sells {
				cash += m.quantity.InexactFloat64() * s.price[m.symbol]
			}
		}
		all.sells, all.buys = append(all.sells, s.sells...), append(all.buys, p.afford(cash, s.buys, s.cost)...)
	}
	return all
}

// A shift is what would move one account to where a step wants it, before anybody asks whether its cash reaches that far.
type shift struct {
	account
	sells, buys []move
	cost        float64 // of the buys
	floor       float64 // of the cash, below which no purchase goes
}

func (p *Player) shifts(at time.Time, r *run, n *node) []shift {
	var all []shift
	step := *n.step.Rebalance
	for _, name := range p.accounts() {
		s := shift{account: p.account(at, name, r, n)}
		s.sells, s.buys, s.cost = p.difference(s.account, s.targets(step, r.pinned), step)
		s.floor = max(float64(step.CashBuffer)*s.total, p.plan.LimitRules().CashAfter.InexactFloat64())
		all = append(all, s)
	}
	return all
}

// An account as a rebalance sees it: values in the base currency.
type account struct {
	name     string
	symbols  []string // held or wanted and priced, without cash, in a fixed order
	unpriced []string
	value    map[string]float64
	price    map[string]float64
	sold     map[string]float64 // by the step so far, at today's price
	cash     float64
	total    float64
	class    func(symbol string) string
}

// account values one account. Symbols that only the model names are priced too, if they trade here.
func (p *Player) account(at time.Time, name string, r *run, n *node) account {
	a := account{name: name, value: map[string]float64{}, price: map[string]float64{}, sold: map[string]float64{}}
	a.class = func(symbol string) string { return r.pinned.Classes[symbol] }
	for _, position := range p.book.Positions() {
		if position.Account != name {
			continue
		}
		if position.Symbol == p.book.Currency() {
			a.cash += position.Quantity.InexactFloat64()
		} else if position.Quantity.IsPositive() {
			a.symbols = append(a.symbols, position.Symbol)
		}
	}
	model, _ := r.pinned.Model(n.step.Rebalance.Model)
	for _, target := range model.Targets {
		_, isSymbol := r.pinned.Classes[target.Of]
		if isSymbol && target.Of != p.book.Currency() && !slices.Contains(a.symbols, target.Of) {
			a.symbols = append(a.symbols, target.Of)
		}
	}
	a.total = a.cash
	wanted := a.symbols
	a.symbols = nil
	for _, symbol := range wanted {
		price, _, quality := p.view.Quote(symbol, at)
		a.price[symbol] = price
		a.value[symbol] = price * p.book.Quantity(name, symbol).InexactFloat64()
		a.sold[symbol] = price * filled(n.all(), name, symbol, lifeboat.Sell).InexactFloat64()
		a.total += a.value[symbol]
		if quality != lifeboat.Good || price <= 0 {
			a.unpriced = append(a.unpriced, symbol)
		} else {
			a.symbols = append(a.symbols, symbol)
		}
	}
	return a
}

// targets is the value each symbol should have; cash is the rest.
func (a account) targets(step plan.Rebalance, pinned plan.Pinned) map[string]float64 {
	if step.Model == "" {
		return a.reduced(step)
	}
	want := map[string]float64{}
	model, ok := pinned.Model(step.Model)
	if !ok {
		return a.value // pinned models always hold the one a step names; without it nothing moves
	}
	targets := model.Targets
	named := func(symbol string) bool {
		return slices.ContainsFunc(targets, func(t plan.Target) bool { return t.Of == symbol })
	}
	invested := a.total * shrunk(targets, pinned, float64(step.CashBuffer))
	for _, t := range targets {
		goal := float64(t.Weight) * invested
		if slices.Contains(a.symbols, t.Of) {
			want[t.Of] += goal
			continue
		}
		// A class is spread over what the account holds of it, as it is spread today.
		held := a.sum(func(s string) bool { return a.class(s) == t.Of && !named(s) })
		for _, s := range a.symbols {
			if a.class(s) == t.Of && !named(s) && held > 0 {
				want[s] += goal * a.value[s] / held
			}
		}
	}
	return want
}

// shrunk is by what the goals of a model are multiplied so that the buffer stays cash; 1 where the model leaves enough itself.
func shrunk(targets []plan.Target, pinned plan.Pinned, buffer float64) float64 {
	invested := 0.0
	for _, t := range targets {
		if t.Of != "cash" && pinned.Classes[t.Of] != "cash" {
			invested += float64(t.Weight)
		}
	}
	if invested <= 1-buffer {
		return 1
	}
	return (1 - buffer) / invested
}

// reduced is the sentence form: reduce X by a share, then raise cash to a share of the account, selling what is left
// of X first and everything else in proportion after that.
func (a account) reduced(step plan.Rebalance) map[string]float64 {
	want := map[string]float64{}
	isX := func(s string) bool { return s == step.Reduce || a.class(s) == step.Reduce }
	for _, s := range a.symbols {
		want[s] = a.value[s]
		if isX(s) {
			want[s] = min(a.value[s], (a.value[s]+a.sold[s])*(1-float64(step.By)))
		}
	}
	for _, group := range []func(string) bool{isX, func(s string) bool { return !isX(s) }} {
		cash, left := a.cash, 0.0 // what has no fresh price is not sold, so it is not cash
		for _, s := range a.symbols {
			cash += a.value[s] - want[s]
			if group(s) {
				left += want[s]
			}
		}
		short := float64(step.RaiseCashTo)*a.total - cash
		if short <= 0 || left <= 0 {
			continue
		}
		keep := max(0, 1-short/left)
		for _, s := range a.symbols {
			if group(s) {
				want[s] *= keep
			}
		}
	}
	return want
}

func (a account) sum(of func(string) bool) float64 {
	total := 0.0
	for _, s := range a.symbols {
		if of(s) {
			total += a.value[s]
		}
	}
	return total
}

// difference turns wanted values into trades of whole lots, leaving small differences alone.
func (p *Player) difference(a account, want map[string]float64, step plan.Rebalance) (sells, buys []move, cost float64) {
	least := minTrade * a.total
	if step.MinTrade > 0 {
		least = float64(step.MinTrade) * a.total
	}
	for _, s := range a.symbols {
		shift := want[s] - a.value[s]
		if math.Abs(shift) < least {
			continue
		}
		held := p.book.Quantity(a.name, s)
		if shift < 0 {
			quantity := p.sellable(s, held)
			if want[s] > 0 {
				quantity = decimal.Min(quantity, p.lots(s, decimal.NewFromFloat(-shift/a.price[s]), lifeboat.Sell))
			}
			if quantity.IsPositive() {
				sells = append(sells, move{account: a.name, symbol: s, side: lifeboat.Sell, quantity: quantity})
			}
			continue
		}
		quantity := p.lots(s, decimal.NewFromFloat(shift/a.price[s]), lifeboat.Buy)
		if quantity.IsPositive() {
			buys = append(buys, move{account: a.name, symbol: s, side: lifeboat.Buy, quantity: quantity})
			cost += quantity.InexactFloat64() * a.price[s]
		}
	}
	return sells, buys, cost
}

// buyReserve is what a buy may cost above the last price; venues hold as much back for a market order.
const buyReserve = 1.02

// afford shrinks the buys to the cash there is.
func (p *Player) afford(cash float64, buys []move, cost float64) []move {
	if cost*buyReserve <= cash {
		return buys
	}
	fit := cash / (cost * buyReserve)
	var afforded []move
	for _, b := range buys {
		b.quantity = p.lots(b.symbol, b.quantity.Mul(decimal.NewFromFloat(fit)), lifeboat.Buy)
		if b.quantity.IsPositive() {
			afforded = append(afforded, b)
		}
	}
	return afforded
}

// lots rounds a quantity to what can be traded: whole units unless the plan permits parts; sales up, buys down, so
// that cash is never short of what the plan wants.
func (p *Player) lots(symbol string, quantity decimal.Decimal, side lifeboat.Side) decimal.Decimal {
	places := int32(0)
	if p.plan.IsFractional(symbol) {
		places = 6
	}
	if side == lifeboat.Sell {
		return quantity.RoundCeil(places)
	}
	return quantity.RoundFloor(places)
}

// sellable is what can be sold of what is held: the odd part of a unit stays where only whole ones can be ordered.
func (p *Player) sellable(symbol string, held decimal.Decimal) decimal.Decimal {
	if p.plan.IsFractional(symbol) {
		return held
	}
	return held.RoundFloor(0)
}

// accounts that lifeboat may trade in, in the order of the book.
func (p *Player) accounts() []string {
	var names []string
	for _, position := range p.book.Positions() {
		if p.plan.Tradable(position.Account) && !slices.Contains(names, position.Account) {
			names = append(names, position.Account)
		}
	}
	return names
}

// traded lists what the tradable accounts hold, without cash.
func (p *Player) traded() []string {
	var symbols []string
	for _, position := range p.book.Positions() {
		if p.plan.Tradable(position.Account) && position.Symbol != p.book.Currency() &&
			position.Quantity.IsPositive() && !slices.Contains(symbols, position.Symbol) {
			symbols = append(symbols, position.Symbol)
		}
	}
	return symbols
}

// value of a symbol over the tradable accounts, at its latest price.
func (p *Player) value(at time.Time, symbol string) float64 {
	price, _, _ := p.view.Quote(symbol, at)
	if symbol == p.book.Currency() {
		price = 1
	}
	total := 0.0
	for _, position := range p.book.Positions() {
		if position.Symbol == symbol && p.plan.Tradable(position.Account) {
			total += price * position.Quantity.InexactFloat64()
		}
	}
	return total
}

func (p *Player) total(at time.Time) float64 {
	total := p.value(at, p.book.Currency())
	for _, symbol := range p.traded() {
		total += p.value(at, symbol)
	}
	if total <= 0 {
		return math.SmallestNonzeroFloat64
	}
	return total
}
