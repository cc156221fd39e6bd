package paper

import (
	"slices"

	"lifeboat"
)

// admit takes the order of an entry among the others, with its legs, and ends the one that it replaces.
func (v *Venue) admit(e Entry) *order {
	t := Ticket{Order: *e.Order}
	if e.Terms != nil {
		t.Terms = *e.Terms
	}
	o := v.add(t, e)
	o.receipt = lifeboat.Receipt{Key: o.ID} // what it says is booked by the caller
	for _, leg := range e.Legs {
		l := v.add(leg, e)
		l.receipt = lifeboat.Receipt{Key: leg.ID, Account: leg.Account, VenueID: numbered(leg.Order), Status: lifeboat.Accepted}
		l.hold = leg.Limit
		if l.Type != lifeboat.Limit {
			l.hold = leg.Stop.Mul(reserve)
		}
		o.legs = append(o.legs, l.ID)
		v.byVenueID[l.receipt.VenueID] = l
		v.open = append(v.open, l)
	}
	for _, member := range append([]lifeboat.Key{o.ID}, o.legs...) {
		if m := v.byKey[member]; m.terms.Twin != "" {
			m.twin = v.byKey[m.terms.Twin]
		}
	}
	if e.Receipt.VenueID != "" {
		v.byVenueID[e.Receipt.VenueID] = o
	}
	if !e.Receipt.Status.Final() {
		v.open = append(v.open, o)
	}
	if old := v.byKey[t.Replaces]; old != nil {
		v.supersede(old, o, e)
	}
	return o
}

func (v *Venue) add(t Ticket, e Entry) *order {
	o := &order{Order: t.Order, terms: t.Terms, waits: t.Waits, placed: e.At, since: e.At, hold: e.Hold}
	v.orders = append(v.orders, o)
	v.byKey[o.ID] = o
	v.book.Apply(e.At, lifeboat.Intent{Key: o.ID, Act: lifeboat.PlaceOrder, Order: &o.Order})
	if !t.Until.IsZero() {
		v.endsBy(t.Until)
	}
	return o
}

// supersede ends the order that another replaces, and puts that one in its place in the group.
func (v *Venue) supersede(old, o *order, e Entry) {
	old.receipt.Status, old.receipt.Why = lifeboat.Canceled, "it was replaced"
	old.replacedBy, old.since = o.ID, e.At
	v.ended++
	v.book.Apply(e.At, old.receipt)
	v.reclaim(old)
	o.mark, o.awake, o.before = old.mark, old.awake, old.before.Add(old.receipt.Filled)
	o.legs = append(o.legs, old.legs...)
	for _, key := range old.legs {
		v.byKey[key].terms.Parent = o.ID
	}
	if parent := v.byKey[o.terms.Parent]; parent != nil {
		if i := slices.Index(parent.legs, old.ID); i >= 0 {
			parent.legs[i] = o.ID
		}
	}
	if twin := v.byKey[old.terms.Twin]; twin != nil {
		twin.terms.Twin, twin.twin, o.twin = o.ID, o, twin
		old.twin = nil
		v.reclaim(twin)
	}
}

// pay moves what was paid for a holding by a new receipt's totals: a purchase adds what it cost, a sale takes its part.
func (v *Venue) pay(o *order, r lifeboat.Receipt) {
	quantity := r.Filled.Sub(o.receipt.Filled)
	if !quantity.IsPositive() {
		return
	}
	money := r.Filled.Mul(r.Price).Sub(o.receipt.Filled.Mul(o.receipt.Price))
	if o.Side == lifeboat.Buy {
		v.costs[o.Symbol] = v.costs[o.Symbol].Add(money)
		return
	}
	held := v.book.Quantity(v.cfg.Account, o.Symbol)
	if held.LessThanOrEqual(quantity) {
		delete(v.costs, o.Symbol)
		return
	}
	v.costs[o.Symbol] = v.costs[o.Symbol].Sub(v.costs[o.Symbol].Mul(quantity).Div(held))
}
