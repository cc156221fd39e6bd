package decide

import (
	"fmt"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// ask puts the question whether to start a playbook, or to start it again when repeats names a run that did it before.
func (d *Desk) ask(at time.Time, incident string, f firing, t plan.Trigger, to []string, repeats string) []lifeboat.Event {
	why, question := "the plan wants a yes from "+strings.Join(to, " or "), fmt.Sprintf("Start %q?", t.Playbook)
	if repeats != "" {
		why = "it was already carried out in this incident as " + repeats + "; " + why
		question = fmt.Sprintf("%q was already carried out in this incident as %s. Start it again?", t.Playbook, repeats)
	}
	key := lifeboat.NewKey("ask", incident, f.Trigger, at.UnixNano())
	text := fmt.Sprintf("%s (tier %d %s): %s. %s Answer: lifeboat answer %s yes|no --as NAME",
		f.Trigger, f.Tier, f.Tier, numbers(f.Values), question, key)
	return []lifeboat.Event{
		lifeboat.Decision{Incident: incident, Trigger: f.Trigger, Tier: f.Tier, Playbook: t.Playbook, Verdict: lifeboat.Ask,
			By: "plan", Why: why, Question: string(key), Repeats: repeats},
		lifeboat.Intent{Key: key, Act: lifeboat.SendMessage, Message: &lifeboat.Message{To: to, Text: text, Question: true}},
	}
}

func (d *Desk) answered(at time.Time, a ask) []lifeboat.Event {
	incident := ""
	if open := d.incidents.Open(); open != nil {
		incident = open.ID
	}
	switch {
	case a.overtaken && d.active[a.Trigger]:
		void := d.hold(incident, a.firing, "plan", "the plan changed since the question; decided again")
		void.Question = string(a.key)
		return one(void)
	case a.answer == nil && !d.isActive(a.Trigger):
		void := d.hold(incident, a.firing, "plan", "it cleared before anybody answered")
		void.Question = string(a.key)
		return one(void)
	case a.answer == nil:
		return nil
	case !a.answer.Yes:
		return one(d.hold(incident, a.firing, a.answer.By, a.answer.By+" said no"))
	}
	if held, ok := d.obstructed(incident, a.firing, d.trigger(a.Trigger), a.repeats != ""); ok { // by what started since the question
		return one(held)
	}
	return d.start(at, incident, a.firing, d.trigger(a.Trigger), a.answer.By, a.answer.By+" said yes")
}

// whoMayRepeat says who is asked whether to carry a playbook out again: those whose yes it needs anyway, else the owner.
func (d *Desk) whoMayRepeat(t plan.Trigger) []string {
	if automatic(t.Authority) {
		return d.owner()
	}
	return d.names(t.Authority)
}
