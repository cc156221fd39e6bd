package play

import (
	"fmt"

	"lifeboat"
	"lifeboat/act/approve"
	"lifeboat/prose"
)

// inquire asks people about acts of which nobody else can tell any more whether they happened, and ends these acts by what
// they say. It goes on while the run is paused, leaves, or has left the step behind.
func (p *Player) inquire(t *turn, r *run) {
	for _, a := range r.lost {
		if a.final() {
			continue
		}
		n := r.nodes[a.Step]
		key := lifeboat.NewKey("lost", a.Key)
		if _, no := r.refused[key]; no {
			t.wait("nobody could be asked what became of %s", a.told())
			continue
		}
		asked := n.sentUnder(key)
		switch {
		case asked == nil:
			if terms, err := approve.TermsOf(p.plan, "", ""); err == nil {
				i := r.ask(n, key, terms.To, fmt.Sprintf("Look at %s: nobody can tell any more whether it arrived (%s). Yes: %s. No: it never arrived.",
					a.told(), a.receipt.Why, map[bool]string{true: "it is there, filled as ordered", false: "it was carried out"}[a.Order != nil]))
				t.say(i)
				continue
			}
			t.wait("the plan names nobody who could say what became of %s", a.told())
		case len(asked.answers) > 0:
			t.say(a.settledBy(asked.answers[0]))
		default:
			t.wait("%s waits for %s to say what became of %s", n.label(), list(asked.Message.To), a.told())
		}
	}
}

func (a *act) told() string {
	if a.Order != nil {
		return fmt.Sprintf("the order to %s %s %s in %s (%s)", a.Order.Side, a.Order.Quantity, a.Order.Symbol, a.Order.Account, a.Key)
	}
	return fmt.Sprintf("the task %s (%s)", a.Task.Kind, a.Key)
}

// settledBy is the receipt of an act that a person looked after.
func (a *act) settledBy(said lifeboat.Answer) lifeboat.Receipt {
	end := a.receipt
	end.Lost, end.Why = false, fmt.Sprintf("%s looked and said that it %s%s", said.By,
		map[bool]string{true: "is there", false: "never arrived"}[said.Yes], prose.After(": ", said.Note))
	switch {
	case a.Order != nil && said.Yes:
		end.Status, end.Filled = lifeboat.Filled, a.Order.Quantity
		if end.Price.IsZero() {
			end.Price = a.Order.Arrival
		}
	case a.Order != nil:
		end.Status = lifeboat.Canceled
	case said.Yes:
		end.Status = lifeboat.Performed
	default:
		end.Status = lifeboat.NotPerformed
	}
	return end
}

// isLost reports a question about an act that is still lost.
func (r *run) isLost(question lifeboat.Key) bool {
	for _, a := range r.lost {
		if !a.final() && lifeboat.NewKey("lost", a.Key) == question {
			return true
		}
	}
	return false
}
