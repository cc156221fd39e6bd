package breaker

import (
	"fmt"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
)

// heard folds a trigger. One that trips the breaker takes back every wish to let it go, whether it moves it or not.
func (b *Breaker) heard(f lifeboat.Firing) {
	if f.State != lifeboat.Fired {
		delete(b.fired, f.Trigger)
		return
	}
	b.fired[f.Trigger] = true
	if t, planned := b.plan.Trigger(f.Trigger); planned && t.Breaker != "" {
		b.call(lifeboat.BreakerMove{To: lifeboat.BreakerState(t.Breaker), By: "plan", Trigger: f.Trigger, Why: fmt.Sprintf("%q fired", f.Trigger)})
	}
}

// call notes what calls for a state. It voids what was asked before: those who want it less strict must know of this too.
func (b *Breaker) call(m lifeboat.BreakerMove) {
	b.asks, b.goOn = nil, ""
	if m.To.Stricter(b.state) && !slices.ContainsFunc(b.trips, func(other lifeboat.BreakerMove) bool { return other.To == m.To && other.Trigger == m.Trigger }) {
		b.trips = append(b.trips, m)
	}
}

// trip is the strictest move that anything calls for; false when it is as strict already.
func (b *Breaker) trip(at time.Time) (lifeboat.BreakerMove, bool) {
	strictest := lifeboat.BreakerMove{To: b.state}
	for _, m := range append(slices.Clone(b.trips), b.limits(at)...) {
		if m.To.Stricter(strictest.To) {
			strictest = m
		}
	}
	return strictest, strictest.To.Stricter(b.state)
}

// limits that are passed. Each halts.
func (b *Breaker) limits(at time.Time) []lifeboat.BreakerMove {
	var passed []lifeboat.BreakerMove
	pass := func(format string, args ...any) {
		passed = append(passed, lifeboat.BreakerMove{To: lifeboat.Halted, By: "plan", Why: fmt.Sprintf(format, args...)})
	}
	if limit := b.rules.OrdersPerHour; limit > 0 && b.ordersSince(at.Add(-time.Hour)) > limit {
		pass("more than %d orders within an hour", limit)
	}
	if b.rules.FailuresInRow > 0 && b.failures >= b.rules.FailuresInRow {
		pass("%d orders in a row failed", b.failures)
	}
	if limit := b.rules.TurnoverPerDay; limit > 0 && b.turnover(at).GreaterThan(decimal.NewFromFloat(limit)) {
		pass("more than %g times the tradable book was turned over within a day", limit)
	}
	return passed
}

// An order was placed, and what it was worth then.
type placed struct {
	at    time.Time
	value decimal.Decimal
}

// placedMax bounds the orders that are counted; orders_per_hour cannot be more.
const placedMax = 100_001

// count adds an order, and drops those that are a day old.
func (b *Breaker) count(at time.Time, o lifeboat.Order) {
	b.placed = append(b.placed, placed{at, o.Quantity.Mul(o.Arrival)})
	b.placed = b.placed[max(0, len(b.placed)-placedMax):]
	b.placed = slices.DeleteFunc(b.placed, func(p placed) bool { return !p.at.After(at.Add(-24 * time.Hour)) })
}

// ordersSince a time, and not those of that very time.
func (b *Breaker) ordersSince(t time.Time) int {
	n := 0
	for _, p := range b.placed {
		if p.at.After(t) {
			n++
		}
	}
	return n
}

// turnover of the last day, as a share of the tradable book. A book that is worth nothing that anybody knows of counts as one
// unit of money: without a price no share is small.
func (b *Breaker) turnover(at time.Time) decimal.Decimal {
	var traded, worth decimal.Decimal
	for _, p := range b.placed {
		if p.at.After(at.Add(-24 * time.Hour)) {
			traded = traded.Add(p.value)
		}
	}
	for _, p := range b.book.Positions() {
		if price, known := b.priceOf(p.Symbol, at); known && b.plan.Tradable(p.Account) {
			worth = worth.Add(p.Quantity.Mul(decimal.NewFromFloat(price)))
		}
	}
	return traded.Div(decimal.Max(worth, decimal.NewFromInt(1)))
}

func (b *Breaker) priceOf(symbol string, at time.Time) (float64, bool) {
	if symbol == b.book.Currency() {
		return 1, true
	}
	return b.price(symbol, at)
}

// judge counts orders that fail one after the other. A fill ends the row.
func (b *Breaker) judge(r lifeboat.Receipt) {
	switch {
	case r.Lost || r.Status == lifeboat.OrderRejected:
		b.failures++
	case r.Status == lifeboat.Filled || r.Status == lifeboat.PartialFill:
		b.failures = 0
	}
}
