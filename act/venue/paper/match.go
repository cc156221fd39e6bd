package paper

import (
	"fmt"
	"math"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
)

// match lets an order have of the market what there is for it, and writes the fill down.
//
// How much: our share (Participation) of the volume that the quote's bar had; for a quote without a volume, of what a
// usual session has, less what we traded in this session already; without any known volume, all of it. What is left
// over rests. How dear: see dealAt. A purchase never spends more cash than there is: when the price has run away from
// what was reserved, what the cash cannot pay is cancelled.
func (v *Venue) match(at time.Time, o *order, q *quote) error {
	if awake, err := v.woken(at, o, q); !awake || err != nil {
		return err
	}
	if err := v.resize(at, o, q); err != nil {
		return err
	}
	quantity := v.available(o, q)
	if !quantity.IsPositive() || o.terms.Force == FillOrKill && quantity.LessThan(o.left()) {
		return nil
	}
	price, ok := v.dealAt(o, q, quantity)
	if !ok {
		return nil
	}
	o.jump = decimal.Zero
	afforded := v.afforded(o, quantity, price)
	if o.terms.Force == FillOrKill && afforded.LessThan(quantity) {
		return nil
	}
	r := v.filled(at, o, afforded, price)
	if afforded.LessThan(quantity) {
		r.Status, r.Why = lifeboat.Canceled, "the price rose beyond the account's cash; what it could not pay was cancelled"
	}
	q.taken = q.taken.Add(afforded)
	e := Entry{At: at, Quoted: q.at, Receipt: r}
	if afforded.IsPositive() {
		e.Deal = &Deal{Quantity: afforded, Price: price}
	}
	if err := v.write(e); err != nil {
		return err
	}
	if twin := o.twin; twin != nil && !o.receipt.Status.Final() && o.left().IsZero() {
		return v.end(at, o, lifeboat.Canceled, "its twin has filled the rest")
	}
	return v.follow(at, o)
}

// resize works out anew what a notional order comes to, at the price of its first fill.
func (v *Venue) resize(at time.Time, o *order, q *quote) error {
	if o.terms.Notional.IsZero() || o.receipt.Filled.IsPositive() {
		return nil
	}
	quantity := v.worth(Ticket{o.Order, o.terms}, q)
	if !quantity.IsPositive() || quantity.Equal(o.Quantity) {
		return nil
	}
	return v.write(Entry{At: at, Quantity: quantity, Receipt: o.receipt})
}

// available is how much of an order the market lets through at this quote, in whole units.
func (v *Venue) available(o *order, q *quote) decimal.Decimal {
	volume, known := q.volume, q.bar
	if !known {
		volume, known = v.usualVolume(q)
	}
	if !known {
		return o.left()
	}
	share := decimal.NewFromFloat(v.cfg.Participation * volume).Sub(q.taken)
	return v.whole(o.Symbol, decimal.Min(share, o.left()))
}

// dealAt is the price at which a quantity fills: the quote, moved against us by the half-spread and by our own impact,
// and never through the order's limit. A limit order that the quote does not reach fills at its limit when the bar
// that ends with the quote traded through it, and began only after the order was there.
func (v *Venue) dealAt(o *order, q *quote, quantity decimal.Decimal) (decimal.Decimal, bool) {
	half := v.cfg.HalfSpread(o.Symbol)
	if o.Type == lifeboat.Market {
		from := q.price
		if o.jump.IsPositive() {
			from = o.jump.InexactFloat64()
		}
		return priced(from * against(o.Side, half+v.impact(q, quantity))), true
	}
	if reaches(o, priced(q.price*against(o.Side, half))) {
		price := priced(q.price * against(o.Side, half+v.impact(q, quantity)))
		if !reaches(o, price) {
			price = o.Limit
		}
		return price, true
	}
	through := o.Side == lifeboat.Buy && q.low > 0 && decimal.NewFromFloat(q.low).LessThan(o.Limit) ||
		o.Side == lifeboat.Sell && q.high > 0 && decimal.NewFromFloat(q.high).GreaterThan(o.Limit)
	return o.Limit, through && !q.before.Before(o.since)
}

// reaches reports whether a limit order may deal at a price.
func reaches(o *order, price decimal.Decimal) bool {
	if o.Side == lifeboat.Buy {
		return price.LessThanOrEqual(o.Limit)
	}
	return price.GreaterThanOrEqual(o.Limit)
}

// impactMax bounds what a fill may cost beside the quote. The square-root law was measured on trades far smaller than
// a crash demands; where it asks for more than half the price it has nothing left to say.
const impactMax = 0.5

// against is the factor by which costs move a price to our disadvantage.
func against(side lifeboat.Side, costs float64) float64 {
	if costs = min(costs, impactMax); side == lifeboat.Sell {
		return 1 - costs
	}
	return 1 + costs
}

// impact of our own trading as a fraction of the price: Y·σ·√(quantity ÷ usual volume of a session), with σ the
// volatility of a day. Without a known volume there is none to compute, and the half-spread is all.
func (v *Venue) impact(q *quote, quantity decimal.Decimal) float64 {
	usual, known := v.usualVolume(q)
	if !known || usual == 0 {
		return 0
	}
	return v.cfg.Impact * v.volatility(q) * math.Sqrt(quantity.InexactFloat64()/usual)
}

// afforded is how much of a fill the cash can pay.
func (v *Venue) afforded(o *order, quantity, price decimal.Decimal) decimal.Decimal {
	cash := v.book.Quantity(v.cfg.Account, v.cfg.Currency)
	if o.Side == lifeboat.Sell || !v.spent(o, quantity, price).GreaterThan(cash) {
		return quantity
	}
	fee := v.cfg.Fee(o.Order, quantity, price)
	pays, _ := cash.Sub(fee).QuoRem(price, v.cfg.Decimals)
	return decimal.Max(decimal.Zero, v.whole(o.Symbol, pays))
}

// spent is the cash that a purchase's next fill takes, as it will be booked.
func (v *Venue) spent(o *order, quantity, price decimal.Decimal) decimal.Decimal {
	r := v.filled(time.Time{}, o, quantity, price)
	return r.Filled.Mul(r.Price).Add(r.Fee).Sub(o.receipt.Filled.Mul(o.receipt.Price)).Sub(o.receipt.Fee)
}

// filled is an order's receipt after one more fill. The average price is cut and not rounded, so that a purchase never
// books more than was paid: on a large position half a digit can be more than the cash.
func (v *Venue) filled(at time.Time, o *order, quantity, price decimal.Decimal) lifeboat.Receipt {
	r := o.receipt
	if !quantity.IsPositive() {
		return r
	}
	total := r.Filled.Mul(r.Price).Add(quantity.Mul(price))
	r.Filled = r.Filled.Add(quantity)
	r.Price, _ = total.QuoRem(r.Filled, max(places(price)+averagePlaces, -price.Exponent()))
	r.Fee = r.Fee.Add(v.cfg.Fee(o.Order, quantity, price))
	r.Status, r.Why, r.FilledAt = lifeboat.PartialFill, "", at
	if r.Filled.Equal(o.Quantity) {
		r.Status = lifeboat.Filled
	}
	return r
}

// averagePlaces are the decimals that an average price has beyond those of a single one.
const averagePlaces = 4

// places of a price: four decimals from 1 upwards, as equities trade, and eight below, where four would lose what
// small coins cost. The magnitude decides, not the kind of asset: a stablecoin at 0.9998 has eight.
func places(price decimal.Decimal) int32 {
	if price.LessThan(decimal.NewFromInt(1)) {
		return 8
	}
	return 4
}

// priced rounds to a price; the smallest one stands for all that would round to nothing.
func priced(value float64) decimal.Decimal {
	exact := decimal.NewFromFloat(value)
	price := exact.Round(places(exact))
	return decimal.Max(price, decimal.New(1, -8))
}

// unit is the smallest quantity of a symbol that can be traded.
func (v *Venue) unit(symbol string) decimal.Decimal {
	if v.cfg.Fractional(symbol) {
		return decimal.New(1, -v.cfg.Decimals)
	}
	return decimal.NewFromInt(1)
}

// whole leaves of a quantity what can be traded.
func (v *Venue) whole(symbol string, quantity decimal.Decimal) decimal.Decimal {
	if v.cfg.Fractional(symbol) {
		return quantity.Truncate(v.cfg.Decimals)
	}
	return quantity.Truncate(0)
}

// fresh reports whether a quote is young enough for an order to fill at once.
func fresh(quoted, at time.Time, limit time.Duration) bool {
	age := at.Sub(quoted)
	return age >= 0 && age <= limit
}

func ledgerBroken(what string, err error) error {
	return &lifeboat.Problem{
		Reason: "ledger-broken",
		What:   what,
		Money:  "the paper account was not opened; no order was placed on it",
		Next:   "restore the data directory from a backup, or set the ledger aside to start the simulated account afresh",
		Err:    fmt.Errorf("replay ledger: %w", err),
	}
}
