package paper

import (
	"context"
	"fmt"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
)

// Submit takes a ticket in with its legs, all or nothing, and fills what the market allows. What cannot be taken in is a
// [*Refusal], and is not kept; any other error means that nobody knows.
func (v *Venue) Submit(ctx context.Context, at time.Time, t Ticket, legs ...Ticket) (View, error) {
	if err := ctx.Err(); err != nil {
		return View{}, fmt.Errorf("submit order: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	q := v.quotes[t.Symbol]
	if err := v.sized(&t, q); err != nil {
		return View{}, err
	}
	for i := range legs {
		legs[i].Quantity = t.Quantity
	}
	for _, one := range append([]Ticket{t}, legs...) {
		if one.ID == "" || v.byKey[one.ID] != nil {
			return View{}, &Refusal{Kind: KeyTaken, Why: fmt.Sprintf("the key %q is taken", one.ID)}
		}
		if r := one.flaw(); r != nil {
			return View{}, r
		}
	}
	if r := v.refusal(t, q, nil); r != nil {
		return View{}, r
	}
	for i := range legs {
		if r := v.malformed(legs[i], q); r != nil {
			return View{}, r
		}
		legs[i].date(at, q.calendar)
	}
	t.date(at, q.calendar)
	e := Entry{At: at, Order: &t.Order, Terms: &t.Terms, Legs: legs, Hold: holdOf(t, q), Receipt: lifeboat.Receipt{
		Key: t.ID, Account: t.Account, VenueID: numbered(t.Order), Status: lifeboat.Accepted}}
	if err := v.write(e); err != nil {
		return View{}, fmt.Errorf("submit order: %w", err)
	}
	return v.settled(at, v.byKey[t.ID], q)
}

// Replace ends an open order and puts a changed one with a new key in its place, in one step. The quantity is that of both
// together: what the old one filled is taken off. An order that has filled first stays, and the change is refused.
func (v *Venue) Replace(ctx context.Context, at time.Time, old lifeboat.Key, change func(*Ticket)) (View, error) {
	if err := ctx.Err(); err != nil {
		return View{}, fmt.Errorf("replace order: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	o := v.byKey[old]
	if o == nil {
		return View{}, fmt.Errorf("replace order %s: %w", old, lifeboat.ErrAbsent)
	}
	if o.receipt.Status.Final() {
		return View{}, &Refusal{Kind: Ended, Why: fmt.Sprintf("the order is %s already", o.receipt.Status)}
	}
	t := Ticket{o.Order, o.terms}
	t.Waits = o.waits
	change(&t)
	t.Replaces = old
	q := v.quotes[t.Symbol]
	if t.Class != Simple && !t.Quantity.Equal(o.Quantity) {
		return View{}, malformed("the quantity of a %s order cannot be changed", t.Class)
	}
	if t.Quantity = t.Quantity.Sub(o.receipt.Filled); !t.Quantity.IsPositive() {
		return View{}, malformed("qty must be greater than what is filled already (%s)", o.receipt.Filled)
	}
	if t.ID == "" || v.byKey[t.ID] != nil {
		return View{}, &Refusal{Kind: KeyTaken, Why: fmt.Sprintf("the key %q is taken", t.ID)}
	}
	if r := t.flaw(); r != nil {
		return View{}, r
	}
	if r := v.refusal(t, q, o); r != nil {
		return View{}, r
	}
	t.date(at, q.calendar)
	e := Entry{At: at, Order: &t.Order, Terms: &t.Terms, Hold: holdOf(t, q), Receipt: lifeboat.Receipt{
		Key: t.ID, Account: t.Account, VenueID: numbered(t.Order), Status: lifeboat.Accepted}}
	if err := v.write(e); err != nil {
		return View{}, fmt.Errorf("replace order: %w", err)
	}
	return v.settled(at, v.byKey[t.ID], q)
}

// settled fills a new order where the market allows, and cancels what of it may not rest.
func (v *Venue) settled(at time.Time, o *order, q *quote) (View, error) {
	if err := v.fillNow(at, o, q); err != nil {
		return View{}, fmt.Errorf("fill order: %w", err)
	}
	if once := o.terms.Force == Immediate || o.terms.Force == FillOrKill; once && !o.receipt.Status.Final() {
		if err := v.end(at, o, lifeboat.Canceled, "it could not fill at once"); err != nil {
			return View{}, err
		}
	}
	v.forgetClosed()
	return v.view(o), nil
}

// sized works the quantity of a notional order out.
func (v *Venue) sized(t *Ticket, q *quote) error {
	if t.Notional.IsZero() {
		return nil
	}
	if q == nil || q.price == 0 {
		return &Refusal{Kind: NoSuch, Why: fmt.Sprintf("nobody quotes %s here", t.Symbol)}
	}
	if !writable(t.Notional) {
		return malformed("a notional that nobody could write out")
	}
	t.Quantity = v.worth(*t, q)
	return nil
}

// worth is how many shares a notional buys at a quote.
func (v *Venue) worth(t Ticket, q *quote) decimal.Decimal {
	price := priced(q.price * against(t.Side, v.cfg.HalfSpread(t.Symbol)))
	if t.Type == lifeboat.Limit {
		price = t.Limit
	}
	if !price.IsPositive() {
		return decimal.Zero
	}
	shares, _ := t.Notional.QuoRem(price, 9)
	return v.whole(t.Symbol, shares)
}

// numbered is an order's id at the venue, in the form that brokers give: a function of the order alone.
func numbered(o lifeboat.Order) string { return UUID("order", o.Account, o.ID) }

// UUID of what is named: the same parts give the same one.
func UUID(parts ...any) string {
	hex := string(lifeboat.NewKey(parts...)[3:]) + string(lifeboat.NewKey(append([]any{"second"}, parts...)...)[3:11])
	return hex[:8] + "-" + hex[8:12] + "-5" + hex[13:16] + "-8" + hex[17:20] + "-" + hex[20:32]
}

// end makes an order final.
func (v *Venue) end(at time.Time, o *order, status lifeboat.ReceiptStatus, why string) error {
	r := o.receipt
	r.Status, r.Why = status, why
	if err := v.write(Entry{At: at, Receipt: r}); err != nil {
		return err
	}
	return v.follow(at, o)
}

// follow lets a group feel what became of one of it: exits wake when their parent is filled and end when it ends
// otherwise, and of two twins the other ends.
func (v *Venue) follow(at time.Time, o *order) error {
	if !o.receipt.Status.Final() {
		return nil
	}
	for _, key := range o.legs {
		leg := v.byKey[key]
		switch {
		case leg.receipt.Status.Final() || leg.terms.Twin == o.ID:
		case o.receipt.Status == lifeboat.Filled && leg.waits:
			if err := v.write(Entry{At: at, Wakes: true, Receipt: leg.receipt}); err != nil {
				return err
			}
		case o.receipt.Status != lifeboat.Filled:
			if err := v.end(at, leg, lifeboat.Canceled, "the order that it belongs to has ended"); err != nil {
				return err
			}
		}
	}
	if twin := v.byKey[o.terms.Twin]; twin != nil && !twin.receipt.Status.Final() {
		return v.end(at, twin, lifeboat.Canceled, "its twin has ended")
	}
	return nil
}

// Pass lets time pass without news of the market: orders whose time is over expire, those for the close after having
// had the last price of the session.
func (v *Venue) Pass(at time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ends.IsZero() || at.Before(v.ends) {
		return nil
	}
	defer v.forgetClosed()
	v.ends = time.Time{}
	for _, o := range v.open {
		if o.receipt.Status.Final() || o.terms.Until.IsZero() {
			continue
		}
		if at.Before(o.terms.Until) {
			v.endsBy(o.terms.Until)
			continue
		}
		q := v.quotes[o.Symbol]
		if o.terms.Force == AtClose && q != nil && q.endsWith(o.terms.From) && v.phase(o.Symbol, at) == Continuous {
			if err := v.match(at, o, q); err != nil {
				return err
			}
		}
		if !o.receipt.Status.Final() {
			if err := v.end(at, o, lifeboat.Expired, "its time was over"); err != nil {
				return err
			}
		}
	}
	return nil
}

// endsWith reports whether a quote is the last of the session that closes at a time.
func (q *quote) endsWith(closes time.Time) bool {
	return q.trading && !q.at.After(closes) && !q.at.Before(q.calendar.Of(closes.Add(-1)).Open)
}

// endsBy keeps the first time at which an order expires.
func (v *Venue) endsBy(until time.Time) {
	if v.ends.IsZero() || until.Before(v.ends) {
		v.ends = until
	}
}
