package paper

import (
	"fmt"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/session"
)

// Ticket is an order with all that a broker's order form offers; without terms it is good till cancelled.
type Ticket struct {
	lifeboat.Order
	Terms
}

// Terms of an order beyond side, quantity and limit. The type follows from them: a market order with a stop is a stop
// order, a limit order with one a stop-limit order, and one with a trail a trailing stop.
type Terms struct {
	Stop         decimal.Decimal `json:"stop,omitzero"`          // the price that wakes it
	Trail        decimal.Decimal `json:"trail,omitzero"`         // distance of a trailing stop from the best price since
	TrailPercent decimal.Decimal `json:"trail_percent,omitzero"` // the same in percent of that price
	Force        Force           `json:"force,omitempty"`        // "" is good till cancelled
	Extended     bool            `json:"extended,omitempty"`     // it trades before and after the session too
	// Notional is the money it was placed for. Quantity is then worked out from the last price, again at the first fill.
	Notional decimal.Decimal `json:"notional,omitzero"`
	Class    Class           `json:"class,omitempty"`
	Parent   lifeboat.Key    `json:"parent,omitempty"`   // of a leg
	Waits    bool            `json:"waits,omitempty"`    // a leg that sleeps until its parent is filled
	Twin     lifeboat.Key    `json:"twin,omitempty"`     // what fills of the one cannot fill of the other any more
	Replaces lifeboat.Key    `json:"replaces,omitempty"` // the order that ends as this one arrives
	From     time.Time       `json:"from,omitzero"`      // of the auction that it is meant for
	Until    time.Time       `json:"until,omitzero"`     // when it expires; never when zero
}

// Force is how long an order holds.
type Force string

const (
	GoodTillCancelled Force = ""
	Day               Force = "day"
	AtOpen            Force = "opg"
	AtClose           Force = "cls"
	Immediate         Force = "ioc" // what does not fill at once is cancelled
	FillOrKill        Force = "fok" // all of it at once, or nothing
)

// Class is how an order and its legs belong together.
type Class string

const (
	Simple  Class = ""
	Bracket Class = "bracket" // once it is filled, two exits that exclude each other
	OCO     Class = "oco"     // two exits that exclude each other
	OTO     Class = "oto"     // once it is filled, another order
)

// Refusal says why a ticket was not taken in. Nothing of it is kept.
type Refusal struct {
	Kind       RefusalKind
	Why        string          // for people
	Need, Have decimal.Decimal // cash or shares, where these are what is lacking
}

func (r *Refusal) Error() string { return r.Why }

// RefusalKind groups refusals by what their owner can do.
type RefusalKind string

const (
	Malformed  RefusalKind = "malformed"
	NoSuch     RefusalKind = "no such symbol"
	KeyTaken   RefusalKind = "key taken"
	ShortCash  RefusalKind = "cash"
	ShortStock RefusalKind = "shares"
	Shut       RefusalKind = "shut"  // only cancellations are taken now
	Ended      RefusalKind = "ended" // too late: the order is final already
)

func malformed(form string, args ...any) *Refusal {
	return &Refusal{Kind: Malformed, Why: fmt.Sprintf(form, args...)}
}

// flaw says what is wrong with terms by themselves; nil when nothing is.
func (t Ticket) flaw() *Refusal {
	trails := t.Trail.IsPositive() || t.TrailPercent.IsPositive()
	switch {
	case t.Stop.IsNegative() || t.Trail.IsNegative() || t.TrailPercent.IsNegative() || t.Notional.IsNegative():
		return malformed("a stop price, a trail and a notional are positive")
	case !writable(t.Stop, t.Trail, t.TrailPercent, t.Notional):
		return malformed("an amount that nobody could write out")
	case t.Trail.IsPositive() && t.TrailPercent.IsPositive():
		return malformed("a trailing stop has a trail price or a trail percent, not both")
	case trails && (t.Type != lifeboat.Market || t.Stop.IsPositive()):
		return malformed("a trailing stop has neither a limit nor a stop price")
	case t.TrailPercent.GreaterThanOrEqual(decimal.NewFromInt(100)):
		return malformed("a trail of %s percent is no stop", t.TrailPercent)
	case t.Extended && (t.Type != lifeboat.Limit || t.Stop.IsPositive() || t.Force != Day && t.Force != GoodTillCancelled):
		return malformed("extended hours orders must be DAY or GTC limit orders")
	case !slices.Contains([]Force{GoodTillCancelled, Day, AtOpen, AtClose, Immediate, FillOrKill}, t.Force):
		return malformed("%q is no time in force", t.Force)
	case (t.Stop.IsPositive() || trails) && t.Force != Day && t.Force != GoodTillCancelled:
		return malformed("a stop order is day or gtc")
	}
	return nil
}

// date puts the times of its force on a ticket: the session in which it lives is the running one, or the next.
func (t *Ticket) date(at time.Time, c *session.Calendar) {
	s := c.Of(at)
	closes := s.Close
	if t.Extended {
		_, closes = ExtendedHours(c, s)
	}
	if !at.Before(closes) {
		s = c.Next(at)
		if closes = s.Close; t.Extended {
			_, closes = ExtendedHours(c, s)
		}
	}
	switch t.Force {
	case Day:
		t.Until = closes
	case AtClose:
		t.From, t.Until = s.Close, s.Close
	case AtOpen:
		if s = c.Next(at); c == session.AllDay() { // it opens every instant
			s.Open = at
		}
		t.From, t.Until = s.Open, s.Open.Add(openingLasts)
	}
}

// openingLasts is how long after the bell an opening price still counts as one.
const openingLasts = 5 * time.Minute

// ExtendedHours of a session: from four in the morning until four hours after the close, as brokers in New York have it.
func ExtendedHours(c *session.Calendar, s session.Session) (open, close time.Time) {
	if c == session.AllDay() {
		return s.Open, s.Close
	}
	return s.Open.Add(-5*time.Hour - 30*time.Minute), s.Close.Add(4 * time.Hour)
}

// InExtendedHours reports whether an instant lies in a session or in the hours around it.
func InExtendedHours(c *session.Calendar, at time.Time) bool {
	_, closed := ExtendedHours(c, c.Of(at))
	opens, _ := ExtendedHours(c, c.Next(at))
	return at.Before(closed) || !at.Before(opens)
}
