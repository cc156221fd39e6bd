package approve

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// Advance folds what owners approved beforehand: acts within bounds, each once, until a date, unless taken back.
//
// Where the plan wants several people for it, a bound stands when that many have asked for the very same one.
type Advance struct {
	terms  Terms
	grants []*grant // in the order in which they were first asked for
}

// A grant is one bound and those who want it.
type grant struct {
	lifeboat.Bound
	asked []asking // the first names it
	used  bool
}

type asking struct{ id, by string }

// grantsMax bounds how many a journal may hold at one time; Fits refuses more.
const grantsMax = 1000

// NewAdvance begins the fold under the plan's word on who may approve in advance. Where nobody can, nothing is ever covered.
func NewAdvance(p *plan.Plan) *Advance {
	terms, err := TermsOf(p, p.Authority.Approve, "")
	if err != nil {
		terms = Terms{Need: 1}
	}
	return &Advance{terms: terms}
}

// Fits refuses a request that would come to nothing, in one sentence, before it is journalled.
func (a *Advance) Fits(at time.Time, r lifeboat.Request) error {
	b := r.Bound
	switch {
	case r.Verb == lifeboat.RevokeAuthority:
		if a.find(r.Object) == nil {
			return unfit("no approval in advance stands under %q", r.Object)
		}
	case r.Verb != lifeboat.Preauthorise:
	case b == nil || b.Account == "" || b.Symbol == "" || b.Side != lifeboat.Buy && b.Side != lifeboat.Sell:
		return unfit("an approval in advance names an account, a symbol and a side")
	case !b.Quantity.IsPositive() || b.Price.IsNegative():
		return unfit("an approval in advance needs a quantity above zero, and its price cannot be negative")
	case !b.Until.After(at):
		return unfit("an approval in advance that ended at %s permits nothing", instant(b.Until))
	case !a.terms.Counts(r.By, r.Factor, DigestRequest(r)):
		return unfit("%s cannot approve this in advance: %s", r.By, a.terms.wants())
	case a.live(at) >= grantsMax:
		return unfit("%d approvals in advance stand already; revoke some first", grantsMax)
	}
	return nil
}

func (a *Advance) live(at time.Time) int {
	n := 0
	for _, g := range a.grants {
		if g.Until.After(at) {
			n++
		}
	}
	return n
}

func unfit(format string, args ...any) error {
	return &lifeboat.Problem{Reason: "denied", What: fmt.Sprintf(format, args...), Money: "nothing was approved"}
}

// Apply takes in one event.
func (a *Advance) Apply(at time.Time, e lifeboat.Event) {
	switch e := e.(type) {
	case lifeboat.Request:
		a.forget(at)
		switch e.Verb {
		case lifeboat.Preauthorise:
			if a.Fits(at, e) == nil {
				a.join(e)
			}
		case lifeboat.RevokeAuthority:
			a.revoke(e.Object)
		}
	case lifeboat.StepFinished:
		for _, id := range e.Preauthorised {
			if g := a.find(id); g != nil {
				g.used = true
			}
		}
	}
}

// join adds a request to the first equal bound that still wants somebody, or begins a new one.
func (a *Advance) join(r lifeboat.Request) {
	if a.find(r.ID) != nil {
		return // an ID names one request for ever
	}
	for _, g := range a.grants {
		by := func(s asking) bool { return s.by == r.By }
		if !g.used && same(g.Bound, *r.Bound) && len(g.asked) < a.terms.Need && !slices.ContainsFunc(g.asked, by) {
			g.asked = append(g.asked, asking{r.ID, r.By})
			return
		}
	}
	a.grants = append(a.grants, &grant{Bound: *r.Bound, asked: []asking{{r.ID, r.By}}})
}

// revoke takes one person's word back. A bound that nobody wants any more is gone.
func (a *Advance) revoke(id string) {
	for i, g := range a.grants {
		g.asked = slices.DeleteFunc(g.asked, func(s asking) bool { return s.id == id })
		if len(g.asked) == 0 {
			a.grants = slices.Delete(a.grants, i, i+1)
			return
		}
	}
}

func same(a, b lifeboat.Bound) bool {
	return a.Account == b.Account && a.Symbol == b.Symbol && a.Side == b.Side &&
		a.Quantity.Equal(b.Quantity) && a.Price.Equal(b.Price) && a.Until.Equal(b.Until)
}

// forget drops what is over, so that the fold stays small.
func (a *Advance) forget(at time.Time) {
	a.grants = slices.DeleteFunc(a.grants, func(g *grant) bool { return !g.Until.After(at) })
}

func (a *Advance) find(id string) *grant {
	for _, g := range a.grants {
		if slices.ContainsFunc(g.asked, func(s asking) bool { return s.id == id }) {
			return g
		}
	}
	return nil
}

// Covers finds a bound for every order, each a different one, and gives their IDs in the order of the orders; all or none. It
// changes nothing: a use counts from the StepFinished that names the IDs.
func (a *Advance) Covers(at time.Time, orders []lifeboat.Order) (ids []string, ok bool) {
	if len(orders) == 0 {
		return nil, false
	}
	standing := slices.DeleteFunc(slices.Clone(a.grants), func(g *grant) bool {
		return g.used || len(g.asked) < a.terms.Need || !g.Until.After(at)
	})
	slices.SortStableFunc(standing, func(x, y *grant) int { // the tightest first, so that wide ones are kept
		return cmp.Or(x.Quantity.Cmp(y.Quantity), x.Until.Compare(y.Until))
	})
	m := matching{orders, standing, map[*grant]int{}}
	for i := range orders {
		if !m.place(i, map[*grant]bool{}) {
			return nil, false
		}
	}
	ids = make([]string, len(orders))
	for g, i := range m.taken {
		ids[i] = g.asked[0].id
	}
	return ids, true
}

// Until is when the first of some bounds ends; zero when none of them stands.
func (a *Advance) Until(ids []string) time.Time {
	var until time.Time
	for _, id := range ids {
		if g := a.find(id); g != nil && (until.IsZero() || g.Until.Before(until)) {
			until = g.Until
		}
	}
	return until
}

// A matching gives each order a bound of its own, moving earlier ones over to others where that makes room.
type matching struct {
	orders   []lifeboat.Order
	standing []*grant
	taken    map[*grant]int // :: grant → index of its order
}

func (m matching) place(i int, tried map[*grant]bool) bool {
	for _, g := range m.standing {
		if tried[g] || !permits(g.Bound, m.orders[i]) {
			continue
		}
		tried[g] = true
		if other, taken := m.taken[g]; !taken || m.place(other, tried) {
			m.taken[g] = i
			return true
		}
	}
	return false
}

// permits reports whether an order stays within a bound. Where the owner set a price, only a limit keeps to it.
func permits(b lifeboat.Bound, o lifeboat.Order) bool {
	if o.Account != b.Account || o.Symbol != b.Symbol || o.Side != b.Side {
		return false
	}
	if !o.Quantity.IsPositive() || o.Quantity.GreaterThan(b.Quantity) {
		return false
	}
	if b.Price.IsZero() {
		return true
	}
	if o.Type != lifeboat.Limit {
		return false
	}
	if o.Side == lifeboat.Sell {
		return o.Limit.GreaterThanOrEqual(b.Price)
	}
	return o.Limit.IsPositive() && o.Limit.LessThanOrEqual(b.Price)
}
