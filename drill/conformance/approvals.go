package conformance

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/approve"
	"lifeboat/plan"
)

// question puts a question to people in the name of a run, with what a yes to it permits.
func (w *world) question(run string, act lifeboat.Intent, to []string) lifeboat.Intent {
	p := &lifeboat.Proposal{Run: run, Step: act.Step, Playbook: "conformance", Hash: "shadow", Task: act.Task, Until: w.now.Add(24 * time.Hour)}
	if act.Order != nil {
		p.Orders = []lifeboat.ProposedOrder{{Order: *act.Order, How: "not simulated"}}
	}
	return lifeboat.Intent{Key: w.key("question"), Act: lifeboat.SendMessage, Run: run, Step: "1",
		Message: &lifeboat.Message{To: to, Text: "Shall this be done?", Question: true, Proposal: p, Content: approve.Digest(*p)}}
}

func (w *world) answer(q lifeboat.Intent, by string, yes bool) error {
	return w.put(lifeboat.Answer{Question: string(q.Key), By: by, Yes: yes, Content: q.Message.Content})
}

// approvedPasses lets a person approve an order and a task during a halt: those very acts pass, and no others.
func approvedPasses(k *kit) error {
	if err := k.canBuy(); err != nil {
		return err
	}
	people := names(k.plan.People)
	if len(people) == 0 {
		return notApplicable("the plan names nobody who could approve anything")
	}
	w, run, err := k.acting(k.halted())
	if err != nil {
		return err
	}
	order, task := w.order(run, lifeboat.Buy, k.buy, 0.01), w.task(run, "http")
	for _, act := range []lifeboat.Intent{order, task} {
		q := w.question(run, act, people[:1])
		if err := w.mustPass(q, "during a halt"); err != nil {
			return err
		}
		if err := w.answer(q, people[0], true); err != nil {
			return err
		}
	}
	plain := w.message(run) // a question about something else permits nothing
	plain.Message.Question = true
	if err := w.mustPass(plain, "during a halt"); err != nil {
		return err
	}
	if err := w.answer(plain, people[0], true); err != nil {
		return err
	}
	changes := map[string]func(*lifeboat.Intent){
		"more than was approved":         func(i *lifeboat.Intent) { i.Order.Quantity = i.Order.Quantity.Add(decimal.NewFromInt(1)) },
		"at the market":                  func(i *lifeboat.Intent) { i.Order.Type, i.Order.Limit = lifeboat.Market, decimal.Zero },
		"at a worse price":               func(i *lifeboat.Intent) { i.Order.Limit = i.Order.Limit.Mul(decimal.NewFromInt(2)) },
		"another symbol than approved":   func(i *lifeboat.Intent) { i.Order.Symbol = "NEVER-HELD" },
		"the other side of what was":     func(i *lifeboat.Intent) { i.Order.Side = lifeboat.Sell },
		"in another account":             func(i *lifeboat.Intent) { i.Order.Account = k.otherAccount() },
		"of a step that was not asked":   func(i *lifeboat.Intent) { i.Step = "2" },
		"of a run that nobody asked for": func(i *lifeboat.Intent) { i.Run = "" },
	}
	for _, what := range sortedKeys(changes) {
		other := w.order(run, lifeboat.Buy, k.buy, 0.01)
		changes[what](&other)
		if err := w.mustRefuse(other, "during a halt, after another act was approved, "+what+","); err != nil {
			return err
		}
	}
	if err := w.mustRefuse(w.task(run, "exec"), "during a halt, after a task of another kind was approved,"); err != nil {
		return err
	}
	elsewhere := w.task(run, "http")
	elsewhere.Task.Spec = json.RawMessage(`{"url":"https://elsewhere.invalid"}`)
	if err := w.mustRefuse(elsewhere, "during a halt, after a call to another address was approved,"); err != nil {
		return err
	}
	when := "during a halt, approved by " + people[0] + " after it began,"
	if err := w.mustPass(task, when); err != nil {
		return err
	}
	if err := w.mustPass(order, when); err != nil {
		return err
	}
	if w.receipt(order.Key).Status == lifeboat.OrderRejected {
		k.note("that an approval counts once: %s", w.receipt(order.Key).Why)
	} else if err := w.mustRefuse(w.order(run, lifeboat.Buy, k.buy, 0.01), "during a halt, after an approval was used,"); err != nil {
		return err
	}
	return k.approvalsExpire(people[0])
}

// approvalsExpire sends what was approved a second after the yes has run out.
func (k *kit) approvalsExpire(by string) error {
	w, run, err := k.acting(k.halted())
	if err != nil {
		return err
	}
	order := w.order(run, lifeboat.Buy, k.buy, 0.01)
	q := w.question(run, order, []string{by})
	if err := w.mustPass(q, "during a halt"); err != nil {
		return err
	}
	if err := w.answer(q, by, true); err != nil {
		return err
	}
	if err := w.until(q.Message.Proposal.Until.Add(time.Second)); err != nil {
		return err
	}
	return w.mustRefuse(order, "during a halt, with an approval that counted until a second ago,")
}

// otherAccount is one in which the kit does not buy, and lifeboat may trade if there is another one such.
func (k *kit) otherAccount() string {
	for _, a := range k.plan.Accounts {
		if a.Name != k.buy.account && k.plan.Tradable(a.Name) {
			return a.Name
		}
	}
	return "elsewhere"
}

// oldApprovalsDoNotCount lets a person approve an order before the halt; and one who was not asked, or said no, in it.
func oldApprovalsDoNotCount(k *kit) error {
	if err := k.canBuy(); err != nil {
		return err
	}
	people := names(k.plan.People)
	if len(people) == 0 {
		return notApplicable("the plan names nobody who could approve anything")
	}
	w, run, err := k.acting(k.begin(k.unlimited()))
	if err != nil {
		return err
	}
	order := w.order(run, lifeboat.Buy, k.buy, 0.01)
	q := w.question(run, order, people[:1])
	if err := w.mustPass(q, "while the breaker is active"); err != nil {
		return err
	}
	if err := w.answer(q, people[0], true); err != nil {
		return err
	}
	if err := w.halt(); err != nil {
		return err
	}
	if err := w.mustRefuse(order, "during a halt, approved before it began,"); err != nil {
		return err
	}
	again := w.order(run, lifeboat.Buy, k.buy, 0.01)
	fresh := w.question(run, again, people[:1])
	if err := w.mustPass(fresh, "during a halt"); err != nil {
		return err
	}
	if err := w.answer(fresh, "Mallory", true); err != nil {
		return err
	}
	if err := w.answer(fresh, people[0], false); err != nil {
		return err
	}
	return w.mustRefuse(again, "during a halt, approved by nobody who was asked,")
}

// personsRunsPass starts a run by a person's word, during the halt and before it.
func personsRunsPass(k *kit) error {
	if err := k.canBuy(); err != nil {
		return err
	}
	people := names(k.plan.People)
	if len(people) == 0 {
		return notApplicable("the plan names nobody who could start a playbook")
	}
	idle := plan.Playbook{Name: "conformance", Steps: []plan.Step{wait365}}
	content, hash := k.plan.PlaybookContent(idle)
	started := func(run string) lifeboat.RunStarted {
		return lifeboat.RunStarted{Run: run, Playbook: idle.Name, Hash: hash, Content: content, Tier: lifeboat.Emergency, By: people[0]}
	}
	w, err := k.begin(k.unlimited())
	if err == nil {
		err = w.put(started("R-before"))
	}
	if err == nil {
		err = w.halt()
	}
	if err == nil {
		err = w.mustRefuse(w.order("R-before", lifeboat.Buy, k.buy, 0.01), "during a halt, by a run that a person started before it,")
	}
	if err == nil {
		err = w.put(started("R-since"))
	}
	if err == nil {
		err = w.mustPass(w.order("R-since", lifeboat.Buy, k.buy, 0.01), "during a halt, by a run that "+people[0]+" started since,")
	}
	if err == nil {
		triggered := started("R-asked")
		triggered.Trigger = "a trigger"
		err = w.put(triggered)
	}
	if err == nil {
		err = w.mustRefuse(w.order("R-asked", lifeboat.Buy, k.buy, 0.01), "during a halt, by a run of a trigger,")
	}
	return err
}

// approvalTimeouts lets every approve step of the plan run out of time, with nobody saying a word.
func approvalTimeouts(k *kit) error {
	if err := k.canSell(); err != nil {
		return err
	}
	tried := 0
	for _, b := range k.plan.Playbooks {
		var steps []plan.Step
		plan.Walk(b.Steps, func(s plan.Step) {
			if s.Approve != nil {
				steps = append(steps, s)
			}
		})
		for _, s := range steps {
			if err := k.timeout(b.Name, s); err != nil {
				return err
			}
			tried++
		}
	}
	if tried == 0 {
		return notApplicable("no playbook of the plan has an approve step")
	}
	return nil
}

// timeout plays one approve step before a sale, in silence.
func (k *kit) timeout(playbook string, s plan.Step) error {
	share := 0.5
	sale := plan.Step{Name: "sell", Timeout: plan.Duration(48 * time.Hour),
		Order: &plan.Order{Account: k.sell.account, Symbol: k.sell.symbol, Side: lifeboat.Sell, Fraction: plan.Ratio(share)}}
	s.Retries, s.OnFailure = 0, "stop"
	w, err := k.begin(k.unlimited())
	if err != nil {
		return err
	}
	run, err := w.run(plan.Playbook{Name: "conformance", Steps: []plan.Step{s, sale}})
	if err != nil {
		return err
	}
	when := fmt.Sprintf("with nobody answering the step %q of %q", s.Name, playbook)
	if n := w.orders(); n > 0 {
		return w.broken("%s an order left before the time-out", when)
	}
	span := time.Duration(s.Timeout)
	if err := w.wait(span - time.Second); err != nil {
		return err
	}
	if n := w.orders(); n > 0 {
		return w.broken("%s an order left before the time-out", when)
	}
	asked := len(w.questions(run))
	if err := w.wait(2 * time.Second); err != nil {
		return err
	}
	switch s.Approve.OnTimeout {
	case "smaller":
		return w.onlySmaller(run, when, k.sell.held.Mul(decimal.NewFromFloat(share*float64(s.Approve.Smaller))))
	case "escalate":
		questions := w.questions(run)
		if len(questions) <= asked {
			return w.broken("%s nobody else was asked, and the plan says to escalate to %q", when, s.Approve.EscalateTo)
		}
		if err := w.wait(span); err != nil {
			return err
		}
	}
	if n := w.orders(); n > 0 {
		return w.broken("%s %d orders left after the time-out", when, n)
	}
	for _, f := range all[lifeboat.RunFinished](w.journal, 0) {
		if f.Run == run && f.Status != lifeboat.Done {
			return nil
		}
	}
	return w.broken("%s the run did not end as failed", when)
}

func (w *world) questions(run string) []lifeboat.Intent {
	var found []lifeboat.Intent
	for _, i := range all[lifeboat.Intent](w.journal, 0) {
		if i.Run == run && i.Message != nil && i.Message.Question {
			found = append(found, i)
		}
	}
	return found
}

// onlySmaller wants orders of no more than the part that was authorised beforehand.
func (w *world) onlySmaller(run, when string, most decimal.Decimal) error {
	total := decimal.Zero
	for _, i := range all[lifeboat.Intent](w.journal, 0) {
		if i.Run == run && i.Order != nil {
			total = total.Add(i.Order.Quantity)
		}
	}
	switch {
	case total.GreaterThan(most):
		return w.broken("%s %s were sold, and silence permits %s", when, total, most)
	case total.IsZero() && most.GreaterThanOrEqual(decimal.NewFromInt(1)):
		return w.broken("%s nothing was sold, and silence permits %s", when, most)
	}
	return nil
}
