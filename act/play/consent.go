package play

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/approve"
	"lifeboat/plan"
	"lifeboat/prose"
)

// An inquiry is a question for a yes, and exactly what that permits; nil where nothing can be frozen.
type inquiry struct {
	by, text string
	proposal *lifeboat.Proposal
	least    int // yeses that it takes at the least, whatever the mandate says; 0 leaves it to that
}

// A permit is what a yes lets a step do: these orders, until then.
type permit struct {
	from   plan.Approve // whose yes it takes
	orders []lifeboat.ProposedOrder
	share  float64 // of them: 1, or the part that silence permits
	asked  time.Time
	until  time.Time
}

// gate is an approve step: it freezes what the next step that acts would do, asks for a yes to exactly that, and knows what
// silence means.
func gate(p *Player, at time.Time, r *run, n *node) said {
	a := n.step.Approve
	first, second := r.key(n, "ask"), r.key(n, "escalate")
	asked := n.act(first)
	if asked == nil {
		return p.propose(at, r, n, first)
	}
	if escalated := n.act(second); escalated != nil {
		if s := p.judged(at, r, n, a.EscalateTo, escalated); s.out != nil {
			return s
		}
	}
	s := p.judged(at, r, n, a.By, asked)
	switch silent := !at.Before(asked.at.Add(time.Duration(n.step.Timeout))) && n.step.Timeout > 0; {
	case s.out != nil || !silent:
		return s
	case a.OnTimeout == "smaller":
		out := done("nobody answered in %s; %s of it is done, as the owner authorised in advance", span(time.Duration(n.step.Timeout)), a.Smaller)
		out.values = map[string]float64{shareOf: float64(a.Smaller)}
		return over(out)
	case a.OnTimeout == "escalate" && n.act(second) == nil:
		i, fault := p.question(r, n, second, inquiry{by: a.EscalateTo, text: r.asks(*a), proposal: asked.Message.Proposal})
		if fault != nil {
			return over(fault)
		}
		return acts(i)
	}
	return s
}

// shareOf names the part of the frozen amounts that silence permits, among the values of an approve step.
const shareOf = "share"

// gateEnds is when an approve step has waited long enough. Escalating begins its time anew, once.
func gateEnds(r *run, n *node) time.Time {
	if n.step.Approve.OnTimeout != "escalate" || n.step.Timeout == 0 {
		return n.deadline()
	}
	escalated := n.act(r.key(n, "escalate"))
	if escalated == nil {
		if n.act(r.key(n, "ask")) == nil {
			return n.deadline() // there was nothing to ask about
		}
		return time.Time{}
	}
	return escalated.at.Add(time.Duration(n.step.Timeout))
}

// silenceEnds is when silence begins to mean something.
func silenceEnds(_ *Player, _ *run, n *node) time.Time { return n.deadline() }

// propose freezes what would be done. What the owner approved in advance is told, not asked.
func (p *Player) propose(at time.Time, r *run, n *node, key lifeboat.Key) said {
	a := n.step.Approve
	q := inquiry{by: a.By, text: r.asks(*a)}
	target := n.next()
	if target != nil {
		proposal, waiting := p.proposal(at, r, target, *a)
		if waiting != "" {
			return waits("%s", waiting)
		}
		q.proposal = proposal
		if ids, covered := p.advance.Covers(at, ordersOf(proposal.Orders)); covered {
			return p.covered(at, r, n, *proposal, ids)
		}
	}
	i, fault := p.question(r, n, key, q)
	if fault != nil {
		return over(fault)
	}
	return acts(i)
}

func (r *run) asks(a plan.Approve) string {
	return cmp.Or(a.Text, "Approve the next step of "+r.Playbook+"?")
}

// covered tells the owner what is done on an approval in advance, and uses it up.
func (p *Player) covered(at time.Time, r *run, n *node, proposal lifeboat.Proposal, ids []string) said {
	if until := p.advance.Until(ids); until.Before(proposal.Until) {
		proposal.Until = until
	}
	out := done("approved in advance (%s)", list(ids))
	out.used = ids
	i := r.message(n, r.key(n, "covered"), p.people(n.step.Approve.By), "Approved in advance. "+approve.Show(proposal))
	i.Message.Proposal = &proposal
	return said{events: []lifeboat.Event{i}, out: out}
}

// next is the step that acts first after an approve step, as far as is known now; nil for none. What is inside a for_each or
// an if is known only once that began: an approve step that is to gate it belongs inside.
func (n *node) next() *node {
	for ; n.parent != nil; n = n.parent {
		if n.parent.kind == "parallel" {
			continue
		}
		for _, after := range n.parent.inside[slices.Index(n.parent.inside, n)+1:] {
			var found *node
			after.within(func(inner *node) {
				if found == nil && inner.acting() {
					found = inner
				}
			})
			if found != nil {
				return found
			}
		}
	}
	return nil
}

// proposal is what a step that acts would do now; what it must wait for when it cannot be said.
func (p *Player) proposal(at time.Time, r *run, n *node, a plan.Approve) (*lifeboat.Proposal, string) {
	validFor := cmp.Or(time.Duration(a.ValidFor), time.Hour)
	proposal := &lifeboat.Proposal{Run: r.Run, Step: n.path, Playbook: r.Playbook, Hash: r.Hash, Task: taskOf(n.step), Until: at.Add(validFor)}
	if !n.trades() {
		return proposal, ""
	}
	if granted, already := r.permits[n.path]; already && granted.share == 1 && at.Before(granted.until) { // the next one says yes to the very same
		proposal.Orders = granted.orders
		if granted.until.Before(proposal.Until) {
			proposal.Until = granted.until
		}
		return proposal, ""
	}
	attempt := n.attempt
	if n.status != lifeboat.Running || n.resting() {
		attempt++
	}
	wanted, waiting := p.reckons(at, r, n)
	if waiting != "" {
		return nil, waiting
	}
	for _, m := range append(wanted.sells, wanted.buys...) {
		if o, ok := p.order(at, m, n.limit()); ok {
			o.ID = r.keyOf(n, attempt, m.account, m.symbol, m.side)
			bps, how := p.slippage(o)
			proposal.Orders = append(proposal.Orders, lifeboat.ProposedOrder{Order: o, SlippageBps: bps, How: how})
		}
	}
	return proposal, ""
}

// usualDay is how far a price moves on a day where nothing better is known, for the square-root law of market impact.
const usualDay = 0.02

// slippage that an order may be expected to cost, in hundredths of a percent, and how that was worked out: a day's move times
// the square root of the order's share of the day's volume. A limit is never overstepped.
func (p *Player) slippage(o lifeboat.Order) (bps float64, how string) {
	volume, known := p.view.Volume(o.Symbol)
	share := o.Quantity.InexactFloat64() / volume
	if !known || volume <= 0 || math.IsInf(share, 0) || math.IsNaN(share) {
		bps, how = 1e4*usualDay, fmt.Sprintf("its volume is not known, so a whole day's move of %.0f%%", 100*usualDay)
	} else {
		bps = 1e4 * usualDay * math.Sqrt(share)
		how = fmt.Sprintf("%.3g%% of an average day's volume, by the square-root law at %.0f%% a day", 100*share, 100*usualDay)
	}
	if o.Type == lifeboat.Limit && o.Arrival.IsPositive() {
		if most := 1e4 * math.Abs(o.Limit.Sub(o.Arrival).Div(o.Arrival).InexactFloat64()); most < bps {
			return most, how + "; no more than its limit permits"
		}
	}
	return bps, how
}

func ordersOf(proposed []lifeboat.ProposedOrder) []lifeboat.Order {
	var orders []lifeboat.Order
	for _, o := range proposed {
		orders = append(orders, o.Order)
	}
	return orders
}

// question puts an inquiry to those whose yes it takes. When it cannot be put, the outcome says why.
func (p *Player) question(r *run, n *node, key lifeboat.Key, q inquiry) (lifeboat.Intent, *outcome) {
	if why, no := r.refused[key]; no {
		return lifeboat.Intent{}, failed(refused, "not asked: %s", why)
	}
	terms, err := p.termsOf(r, q.by, q.least)
	if err != nil {
		return lifeboat.Intent{}, failed(refused, "%s", err)
	}
	text := strings.TrimSpace(q.text)
	if q.proposal != nil {
		text += "\n" + approve.Show(*q.proposal)
	}
	i := r.ask(n, key, terms.To, text)
	i.Message.Factor, i.Message.Proposal = terms.Factor, q.proposal
	switch {
	case q.proposal != nil:
		i.Message.Content = approve.Digest(*q.proposal)
	case terms.Factor != "":
		i.Message.Content = approve.DigestQuestion(key, i.Message.Text)
	}
	return i, nil
}

// termsOf those who are asked, of whom no fewer than so many must say yes.
func (p *Player) termsOf(r *run, by string, least int) (approve.Terms, error) {
	terms, err := approve.TermsOf(p.plan, by, r.By)
	if err == nil && len(terms.To) < least {
		err = fmt.Errorf("it takes %d signatures, and the plan has %d who could give one as %q", least, len(terms.To), by)
	}
	terms.Need = max(terms.Need, least)
	return terms, err
}

// judged says how those who were asked have decided, or whom it waits for.
func (p *Player) judged(at time.Time, r *run, n *node, by string, asked *act) said {
	return p.judgedBy(at, r, n, by, 0, asked)
}

// judgedBy is judged where it takes no fewer yeses than so many.
func (p *Player) judgedBy(at time.Time, r *run, n *node, by string, least int, asked *act) said {
	terms, err := p.termsOf(r, by, least)
	if err != nil {
		return over(failed(refused, "%s", err))
	}
	verdict := terms.Judge(asked.answers, asked.Message.Content)
	names := strings.Join(verdict.By, " and ")
	switch verdict.Verdict {
	case approve.No:
		return over(failed(refused, "%s said no%s", names, asked.note(verdict.By)))
	case approve.Yes:
		return over(done("%s approved after %s%s", names, span(at.Sub(n.tried)), asked.note(verdict.By)))
	}
	if len(verdict.By) > 0 {
		return waits("for %d more to say yes; %s did", terms.Need-len(verdict.By), names)
	}
	return waits("for %s to answer", list(asked.Message.To))
}

// note is what the people who decided wrote beside their answers.
func (a *act) note(by []string) string {
	var notes []string
	for _, answer := range a.answers {
		if slices.Contains(by, answer.By) && answer.Note != "" {
			notes = append(notes, answer.Note)
		}
	}
	return prose.After(": ", strings.Join(notes, "; "))
}

// permit folds what the yes of an approve step lets the next step do. Where nothing was frozen it lets nothing happen, and that
// step asks for itself.
func (r *run) permit(n *node, e lifeboat.StepFinished) {
	if n.kind != "approve" {
		return
	}
	granted := permit{from: *n.step.Approve, share: 1}
	target := n.next()
	for _, a := range n.acts {
		if a.Message != nil && a.Message.Proposal != nil {
			granted.asked, granted.orders, granted.until = a.at, a.Message.Proposal.Orders, a.Message.Proposal.Until
			target = r.nodes[a.Message.Proposal.Step]
		}
	}
	if share, smaller := e.Values[shareOf]; smaller {
		granted.share = share
	}
	if target != nil {
		r.permits[target.path] = granted
	}
}

// permitted reports that a step that acts may do so now: no yes is needed, or it counts still. A yes that has expired is asked
// for once more, on what the step would do then.
func (p *Player) permitted(at time.Time, r *run, n *node) (s said, ready bool) {
	granted, gated := r.permits[n.path]
	if !gated || at.Before(granted.until) {
		return said{}, true
	}
	key := r.keyOf(n, 0, "ask again") // once, whatever the attempt
	asked := n.sentUnder(key)
	if asked == nil {
		proposal, waiting := p.proposal(at, r, n, granted.from)
		if waiting != "" {
			return waits("%s", waiting), false
		}
		i, fault := p.question(r, n, key, inquiry{by: granted.from.By, text: "The yes to this step has expired before it could be carried out. Approve it again?", proposal: proposal})
		if fault != nil {
			return over(fault), false
		}
		return acts(i), false
	}
	s = p.judged(at, r, n, granted.from.By, asked)
	switch {
	case s.out == nil || s.out.status != lifeboat.Done:
		return s, false
	case !at.Before(asked.Message.Proposal.Until):
		return over(failed(refused, "the yes has expired twice before it could be carried out")), false
	}
	return said{}, true
}

// frozen is what is left to send of the orders that a yes permits a step; false for a step that needs none.
func (p *Player) frozen(r *run, n *node) (left moves, gated bool) {
	granted, gated := r.permits[n.path]
	if !gated {
		return left, false
	}
	if asked := n.sentUnder(r.keyOf(n, 0, "ask again")); asked != nil {
		granted.orders, granted.share, granted.asked = asked.Message.Proposal.Orders, 1, asked.at
	}
	since := slices.DeleteFunc(slices.Clone(n.earlier), func(a *act) bool { return a.at.Before(granted.asked) })
	for _, o := range ordersOf(granted.orders) {
		m := move{account: o.Account, symbol: o.Symbol, side: o.Side, quantity: o.Quantity, frozen: &o}
		if granted.share < 1 {
			m.quantity = p.lots(o.Symbol, o.Quantity.Mul(decimal.NewFromFloat(granted.share)), lifeboat.Buy)
		}
		if m.quantity = m.quantity.Sub(filled(since, o.Account, o.Symbol, o.Side)); !m.quantity.IsPositive() {
			continue
		}
		if m.side == lifeboat.Sell {
			left.sells = append(left.sells, m)
		} else {
			left.buys = append(left.buys, m)
		}
	}
	return left, true
}

// consentTwice asks for a yes, and once more when it has expired before it could be used. It gives the question whose yes
// counts now, or else what is to be done meanwhile.
func (p *Player) consentTwice(at time.Time, r *run, n *node, q inquiry) (*act, said) {
	for _, key := range []lifeboat.Key{r.key(n, "ask"), r.key(n, "ask again")} {
		asked := n.act(key)
		if asked == nil {
			i, fault := p.question(r, n, key, q)
			if fault != nil {
				return nil, over(fault)
			}
			return nil, acts(i)
		}
		if s := p.judgedBy(at, r, n, q.by, q.least, asked); s.out == nil || s.out.status != lifeboat.Done {
			return nil, s
		}
		if at.Before(asked.Message.Proposal.Until) {
			return asked, said{}
		}
	}
	return nil, over(failed(refused, "the yes has expired twice before it could be carried out"))
}

// sentUnder is the act under a key in any attempt; nil when it was not formed.
func (n *node) sentUnder(key lifeboat.Key) *act {
	for _, a := range n.all() {
		if a.Key == key {
			return a
		}
	}
	return nil
}
