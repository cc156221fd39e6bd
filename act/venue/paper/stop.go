package paper

import (
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
)

// woken reports whether an order with a stop may deal at a quote, and writes down that it was woken, or how far its
// trailing stop has moved. A bar that traded through the stop wakes it when it began only after the order was there.
func (v *Venue) woken(at time.Time, o *order, q *quote) (bool, error) {
	if o.awake || !o.stops() {
		return true, nil
	}
	low, high := q.price, q.price
	if !q.before.Before(o.since) {
		low, high = min(low, orElse(q.low, low)), max(high, q.high)
	}
	if stop := o.stopAt(); stop.IsPositive() && (o.Side == lifeboat.Sell && priced(low).LessThanOrEqual(stop) || o.Side == lifeboat.Buy && priced(high).GreaterThanOrEqual(stop)) {
		// It deals at the stop, or where the market jumped over it.
		o.jump = stop
		if beyond := priced(q.price); o.Side == lifeboat.Sell && beyond.LessThan(stop) || o.Side == lifeboat.Buy && beyond.GreaterThan(stop) {
			o.jump = beyond
		}
		return true, v.write(Entry{At: at, Wakes: true, Mark: o.mark, Receipt: o.receipt})
	}
	if !o.trails() {
		return false, nil
	}
	best := priced(high)
	if o.Side == lifeboat.Buy {
		best = priced(low)
	}
	if o.mark.IsZero() || o.Side == lifeboat.Sell && best.GreaterThan(o.mark) || o.Side == lifeboat.Buy && best.LessThan(o.mark) {
		return false, v.write(Entry{At: at, Mark: best, Receipt: o.receipt})
	}
	return false, nil
}

func orElse(value, other float64) float64 {
	if value == 0 {
		return other
	}
	return value
}

func (t Terms) trails() bool  { return t.Trail.IsPositive() || t.TrailPercent.IsPositive() }
func (o *order) trails() bool { return o.terms.trails() }
func (o *order) stops() bool  { return o.terms.Stop.IsPositive() || o.trails() }

// stopAt is the price that wakes an order now; 0 while a trailing stop has seen no price.
func (o *order) stopAt() decimal.Decimal {
	if !o.trails() || o.mark.IsZero() {
		return o.terms.Stop
	}
	distance := o.terms.Trail
	if distance.IsZero() {
		distance = o.mark.Mul(o.terms.TrailPercent).Div(decimal.NewFromInt(100)).Round(4)
	}
	if o.Side == lifeboat.Sell {
		return o.mark.Sub(distance)
	}
	return o.mark.Add(distance)
}
