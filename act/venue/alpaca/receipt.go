package alpaca

import (
	"cmp"
	"fmt"
	"time"

	"lifeboat"
)

// standings are all statuses that Alpaca documents. What is not final may still fill: done_for_day, calculated and suspended
// orders come back, and a cancellation or a replacement that is under way may come too late.
var standings = map[string]lifeboat.ReceiptStatus{
	"new":                  lifeboat.Accepted,
	"accepted":             lifeboat.Accepted, // not yet routed, as outside the hours
	"pending_new":          lifeboat.Accepted,
	"accepted_for_bidding": lifeboat.Accepted,
	"held":                 lifeboat.Accepted, // a leg whose turn has not come
	"stopped":              lifeboat.Accepted, // guaranteed, and not yet done
	"suspended":            lifeboat.Accepted,
	"calculated":           lifeboat.Accepted,
	"done_for_day":         lifeboat.Accepted,
	"pending_cancel":       lifeboat.Accepted,
	"pending_replace":      lifeboat.Accepted,
	"partially_filled":     lifeboat.PartialFill,
	"filled":               lifeboat.Filled,
	"canceled":             lifeboat.Canceled,
	"replaced":             lifeboat.Canceled, // somebody else replaced it; what took its place is not lifeboat's
	"expired":              lifeboat.Expired,
	"rejected":             lifeboat.OrderRejected,
}

// receipt of an order. An answer that contradicts itself is an error, because nobody knows which half of it is true.
func (v *Venue) receipt(step string, o Order) (lifeboat.Receipt, error) {
	status, known := standings[o.Status]
	r := lifeboat.Receipt{Key: lifeboat.Key(o.ClientOrderID), Account: v.conn.Account, Status: status, VenueID: o.ID, Filled: o.Filled.Decimal}
	switch {
	case o.ID == "" || o.ClientOrderID == "":
		return lifeboat.Receipt{}, fault(step, "the answer is no order: it lacks an id")
	case !known:
		return lifeboat.Receipt{}, fault(step, "the order %s has the status %q, which is none that Alpaca documents", o.ClientOrderID, v.conn.Scrub(o.Status))
	}
	if why := contradiction(o, status); why != "" {
		return lifeboat.Receipt{}, fault(step, "what it says of the order %s cannot be right: %s", o.ClientOrderID, why)
	}
	if r.Filled.IsPositive() {
		r.Price, r.FilledAt = o.AveragePrice.Decimal, o.FilledAt
		for _, at := range []time.Time{o.UpdatedAt, o.SubmittedAt, o.CreatedAt} {
			if r.FilledAt.IsZero() {
				r.FilledAt = at
			}
		}
		r.FilledAt = r.FilledAt.UTC()
		if status == lifeboat.Accepted {
			r.Status = lifeboat.PartialFill
		}
	}
	r.Why = why(o, status)
	return r, nil
}

// why says in words what the status alone does not.
func why(o Order, status lifeboat.ReceiptStatus) string {
	switch {
	case o.Status == "replaced":
		return fmt.Sprintf("it was replaced at Alpaca by the order %s, which lifeboat did not place", cmp.Or(o.ReplacedBy, "of another id"))
	case status == lifeboat.OrderRejected:
		return "Alpaca took the order in and rejected it then; its dashboard says why"
	case o.Status == "accepted":
		return "Alpaca has it and has not routed it yet, as outside the hours of the market"
	case status == lifeboat.Accepted && o.Status != "new" && o.Status != "pending_new":
		return "at Alpaca it is " + o.Status
	}
	return ""
}

// contradiction in what is said of an order; "" for none.
func contradiction(o Order, status lifeboat.ReceiptStatus) string {
	switch {
	case o.Filled.IsNegative():
		return fmt.Sprintf("%s of it is filled", o.Filled)
	case !o.Quantity.Said && !o.Notional.Said:
		return "it has no quantity"
	case o.Quantity.Said && !o.Quantity.IsPositive():
		return fmt.Sprintf("its quantity is %s", o.Quantity)
	case o.Quantity.Said && o.Filled.GreaterThan(o.Quantity.Decimal):
		return fmt.Sprintf("%s of %s is filled", o.Filled, o.Quantity)
	case status == lifeboat.Filled && (!o.Filled.IsPositive() || o.Quantity.Said && !o.Filled.Equal(o.Quantity.Decimal)):
		return fmt.Sprintf("it is filled, but %s of %s", o.Filled, o.Quantity)
	case status == lifeboat.PartialFill && !o.Filled.IsPositive():
		return "it is partly filled with nothing"
	case o.Filled.IsPositive() && !o.AveragePrice.IsPositive():
		return fmt.Sprintf("%s is filled at a price of %s", o.Filled, o.AveragePrice)
	case status == lifeboat.OrderRejected && o.Filled.IsPositive():
		return fmt.Sprintf("it is rejected with %s filled", o.Filled)
	}
	return ""
}
