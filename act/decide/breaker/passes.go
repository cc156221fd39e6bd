package breaker

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/shopspring/decimal"

	"lifeboat"
)

// A run as far as the breaker must know it.
type run struct {
	playbook  string
	wanted    bool // a person started it by a word of their own, since it is as strict as it is
	questions map[lifeboat.Key]*question
}

// A question says what a yes permits.
type question struct {
	*lifeboat.Message
	yes bool // somebody said so, since it is as strict as it is
}

// Passes says whether an act may be carried out as things stand, and if not, what would let it pass. It changes nothing.
func (b *Breaker) Passes(i lifeboat.Intent) error {
	if i.Act == lifeboat.SendMessage || i.Act == lifeboat.CancelOrder {
		return nil
	}
	switch b.state {
	case lifeboat.Active:
		return nil
	case lifeboat.Reducing:
		if i.Order == nil || b.reduces(*i.Order) {
			return nil
		}
		return b.holds("it lets only cancellations and orders pass that make a position smaller", "wait until it is active, or make the order smaller")
	case lifeboat.Halted:
		if i.Task != nil && i.Task.LooksOnly() || b.approved(i) || i.Order != nil && b.isOnHalt(i.Run) && b.reduces(*i.Order) {
			return nil
		}
		return b.holds("nothing automatic passes, and nobody has approved this act since", "a person starts the playbook, or approves the act anew")
	}
	if i.Order != nil && b.rules.Reduce != "closed" && b.reduces(*i.Order) { // nobody knows where it stands
		return nil
	}
	return b.holds("this version does not know that state, so that nothing passes which could add risk", "lifeboat breaker show says how it is let go")
}

// Holds says why a task that is under way must begin nothing more as things stand: it was authorised before the breaker became as strict as
// it is. What is authorised since was let pass, and goes on.
func (b *Breaker) Holds(task lifeboat.Intent) error {
	if !b.tasks[task.Key] {
		return nil
	}
	return b.Passes(task)
}

// Claim counts an order that was let pass as open until the journal has it: two sales of one batch must not pass on the
// same position.
func (b *Breaker) Claim(i lifeboat.Intent) {
	if i.Order != nil {
		b.claims = append(b.claims, *i.Order)
	}
}

func (b *Breaker) holds(why, next string) error {
	return &lifeboat.Problem{Reason: "halted", Money: "nothing was sent", Next: next,
		What: fmt.Sprintf("the breaker is %s since %s (%s): %s", b.state, b.since.UTC().Format("2006-01-02 15:04 UTC"), b.why, why)}
}

// reduces reports an order that only makes a position smaller: a sale of no more than is held, a purchase of no more than is
// owed, each without what open orders will take already. What is not in the book cannot be made smaller.
func (b *Breaker) reduces(o lifeboat.Order) bool {
	room := b.book.Quantity(o.Account, o.Symbol)
	if o.Side == lifeboat.Buy {
		room = room.Neg()
	}
	for _, other := range b.open {
		room = room.Sub(taken(o, other.left()))
	}
	for _, other := range b.claims {
		room = room.Sub(taken(o, other))
	}
	return o.Quantity.IsPositive() && o.Quantity.LessThanOrEqual(room)
}

// taken is what another order leaves less of the position for this one.
func taken(o, other lifeboat.Order) decimal.Decimal {
	if other.ID == o.ID || other.Account != o.Account || other.Symbol != o.Symbol || other.Side != o.Side {
		return decimal.Zero
	}
	return other.Quantity
}

func (b *Breaker) isOnHalt(id string) bool {
	r := b.runs[id]
	return r != nil && b.rules.OnHalt != "" && r.playbook == b.rules.OnHalt
}

// approved reports an act that a person stands behind who knows of the halt: one of a run that was asked for since, or one
// that somebody said yes to since. Whether that was enough of them is for the run, which forms no act before.
func (b *Breaker) approved(i lifeboat.Intent) bool {
	r := b.runs[i.Run]
	if r == nil {
		return false
	}
	if r.wanted {
		return true
	}
	for _, q := range r.questions {
		if p := q.Proposal; q.yes && p.Step == i.Step && !b.now.After(p.Until) && names(*p, i) {
			return true
		}
	}
	return false
}

// names reports that a proposal has this very act: the order under its own key, at its own limit and no larger, or the task as it
// stands. A key is used once, so a yes lets nothing pass twice.
func names(p lifeboat.Proposal, i lifeboat.Intent) bool {
	if i.Order == nil {
		return p.Task != nil && i.Task != nil && p.Task.Kind == i.Task.Kind && bytes.Equal(p.Task.Spec, i.Task.Spec)
	}
	return slices.ContainsFunc(p.Orders, func(o lifeboat.ProposedOrder) bool {
		same := o.ID == i.Order.ID && o.Account == i.Order.Account && o.Symbol == i.Order.Symbol && o.Side == i.Order.Side
		return same && o.Type == i.Order.Type && o.Limit.Equal(i.Order.Limit) && i.Order.Quantity.LessThanOrEqual(o.Quantity)
	})
}

// ran folds the runs that are open, what people are asked in them, and what they answer.
func (b *Breaker) ran(e lifeboat.Event) {
	switch e := e.(type) {
	case lifeboat.RunStarted:
		b.runs[e.Run] = &run{playbook: e.Playbook, wanted: e.Trigger == "" && e.By != "plan", questions: map[lifeboat.Key]*question{}}
	case lifeboat.RunFinished:
		delete(b.runs, e.Run)
	case lifeboat.Answer:
		for _, r := range b.runs {
			if q := r.questions[lifeboat.Key(e.Question)]; q != nil && slices.Contains(q.To, e.By) {
				q.yes = e.Yes
			}
		}
	}
}

func (b *Breaker) asked(i lifeboat.Intent) {
	if r := b.runs[i.Run]; r != nil && i.Message.Proposal != nil {
		r.questions[i.Key] = &question{Message: i.Message}
	}
}
