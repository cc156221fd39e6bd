package decide

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/act/approve"
	"lifeboat/plan"
)

// ask puts the question whether to start a playbook, or to start it again when repeats names a run that did it before.
func (d *Desk) ask(at time.Time, incident string, f firing, t plan.Trigger, terms approve.Terms, repeats string) []lifeboat.Event {
	why, question := "the plan wants a yes from "+whom(terms), fmt.Sprintf("Start %q?", t.Playbook)
	if repeats != "" {
		why = "it was already carried out in this incident as " + repeats + "; " + why
		question = fmt.Sprintf("%q was already carried out in this incident as %s. Start it again?", t.Playbook, repeats)
	}
	text := fmt.Sprintf("%s (tier %d %s): %s. %s", f.Trigger, f.Tier, f.Tier, numbers(f.Values), question)
	return d.put(at, incident, f, t.Playbook, terms, why, text, repeats)
}

// whom terms ask, in words.
func whom(t approve.Terms) string {
	if t.Need > 1 {
		return fmt.Sprintf("%d of %s", t.Need, strings.Join(t.To, ", "))
	}
	return strings.Join(t.To, " or ")
}

// put puts a question to those whom terms name.
func (d *Desk) put(at time.Time, incident string, f firing, playbook string, terms approve.Terms, why, text, repeats string) []lifeboat.Event {
	key := lifeboat.NewKey("ask", incident, f.Trigger, playbook, at.UnixNano())
	text = fmt.Sprintf("%s Answer: lifeboat answer %s yes|no --as NAME", text, key)
	m := &lifeboat.Message{To: terms.To, Text: text, Question: true, Tier: max(f.Tier, lifeboat.Action), Subject: fmt.Sprintf("Start %s?", playbook), Factor: terms.Factor}
	if terms.Factor != "" {
		m.Content = approve.DigestQuestion(key, text)
	}
	return []lifeboat.Event{
		lifeboat.Decision{Incident: incident, Trigger: f.Trigger, Tier: f.Tier, Playbook: playbook, Verdict: lifeboat.Ask,
			By: "plan", Why: why, Question: string(key), Repeats: repeats},
		lifeboat.Intent{Key: key, Act: lifeboat.SendMessage, Message: m},
	}
}

// judged says how those who were asked decided, by what the plan says now.
func (d *Desk) judged(a ask) approve.Outcome {
	terms, err := d.termsOf(d.trigger(a.Trigger).Authority)
	if err != nil || a.asked == nil {
		return approve.Outcome{Verdict: approve.Open}
	}
	terms.To = a.asked.To
	return terms.Judge(a.answers, a.asked.Content)
}

// answered decides a firing that people were asked about; nil while it cannot be. What it decides names the question, which
// is settled by it.
func (d *Desk) answered(at time.Time, a ask) []lifeboat.Event {
	events := d.settle(at, a)
	for i, e := range events {
		if decision, ok := e.(lifeboat.Decision); ok {
			decision.Question = string(a.key)
			events[i] = decision
		}
	}
	return events
}

func (d *Desk) settle(at time.Time, a ask) []lifeboat.Event {
	incident := ""
	if open := d.incidents.Open(); open != nil {
		incident = open.ID
	}
	outcome := d.judged(a)
	by := strings.Join(outcome.By, " and ")
	switch {
	case a.reenters:
		return d.reentry(at, a, outcome, by)
	case a.overtaken && d.active[a.Trigger]:
		return one(d.hold(incident, a.firing, "plan", "the plan changed since the question; decided again"))
	case outcome.Verdict == approve.Open && !d.isActive(a.Trigger):
		return one(d.hold(incident, a.firing, "plan", "it cleared before anybody answered"))
	case outcome.Verdict == approve.Open:
		return nil
	case outcome.Verdict == approve.No:
		return one(d.hold(incident, a.firing, by, by+" said no"))
	}
	if held, ok := d.obstructed(incident, a.firing, d.trigger(a.Trigger), a.repeats != ""); ok { // by what started since the question
		return one(held)
	}
	return d.start(at, incident, a.firing, d.trigger(a.Trigger), by, by+" said yes")
}

// reentry decides whether to go back. A new incident, and a plan without the way back, void the question.
func (d *Desk) reentry(at time.Time, a ask, outcome approve.Outcome, by string) []lifeboat.Event {
	playbook, planned := d.plan.Playbook(a.playbook)
	decision := lifeboat.Decision{Trigger: a.Trigger, Tier: a.Tier, Playbook: a.playbook, Verdict: lifeboat.Hold, By: "plan", Question: string(a.key)}
	switch open := d.incidents.Open(); {
	case open != nil:
		decision.Why = "a new incident is open: nothing is bought back now"
	case !planned:
		decision.Why = fmt.Sprintf("the plan no longer has the playbook %q", a.playbook)
	case outcome.Verdict == approve.Open:
		return nil
	case outcome.Verdict == approve.No:
		decision.By, decision.Why = by, by+" said no"
	case d.state.Stricter(lifeboat.Active):
		decision.By, decision.Why = by, fmt.Sprintf("%s said yes, and nothing is bought back while acts are held back (%s)", by, d.state)
	default:
		started := d.runOf(at, playbook, string(a.key))
		started.Trigger, started.Tier, started.By = a.Trigger, a.Tier, by
		decision.Verdict, decision.By, decision.Why, decision.Run = lifeboat.Start, by, by+" said yes to the way back", started.Run
		return []lifeboat.Event{decision, started}
	}
	return one(decision)
}

// reentered folds a decision about the way back; false for any other.
func (d *Desk) reentered(at time.Time, e lifeboat.Decision) bool {
	if i := slices.IndexFunc(d.asks, func(a ask) bool { return a.reenters && string(a.key) == e.Question }); i >= 0 {
		d.asks = slices.Delete(d.asks, i, i+1)
		delete(d.questions, e.Question)
		return true
	}
	t, planned := d.plan.Trigger(e.Trigger)
	if e.Verdict != lifeboat.Ask || !planned || t.Reentry == "" || t.Reentry != e.Playbook || d.back == nil {
		return false
	}
	f := firing{Firing: lifeboat.Firing{Trigger: e.Trigger, Tier: e.Tier}, at: at}
	d.asks, d.back = append(d.asks, ask{firing: f, key: lifeboat.Key(e.Question), playbook: e.Playbook, reenters: true}), nil
	return true
}
