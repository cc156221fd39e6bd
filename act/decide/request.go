package decide

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/act/approve"
)

// togetherMax is how far apart the words of several persons may lie to count together; wishesMax bounds how many are kept.
const (
	togetherMax = time.Hour
	wishesMax   = 64
)

// A wish is what persons want of the desk on their own initiative: a playbook started, the incident at another tier.
type wish struct {
	lifeboat.Request
	at     time.Time
	voices []lifeboat.Request // of all who want it, one of each person
}

// wanted folds a request. One that takes several persons waits for them.
func (d *Desk) wanted(at time.Time, r lifeboat.Request) {
	if r.Verb != lifeboat.StartPlaybook && r.Verb != lifeboat.MoveTier {
		return
	}
	d.wishes = slices.DeleteFunc(d.wishes, func(w wish) bool { return at.Sub(w.at) > togetherMax })
	for i := range d.wishes {
		if w := &d.wishes[i]; w.Verb == r.Verb && w.Object == r.Object {
			w.voices = slices.DeleteFunc(w.voices, func(v lifeboat.Request) bool { return v.By == r.By })
			w.voices = append(w.voices, r)
			return
		}
	}
	d.wishes = append(d.wishes, wish{r, at, []lifeboat.Request{r}})
	d.wishes = d.wishes[max(0, len(d.wishes)-wishesMax):]
}

// fulfil carries out the first wish for which there are enough persons. An old one is left alone: a plan that wants fewer of
// them today must not start what was wanted yesterday.
func (d *Desk) fulfil(at time.Time) []lifeboat.Event {
	for _, w := range d.wishes {
		by, enough := d.voices(w)
		if !enough || at.Sub(w.at) > togetherMax || d.fits(at, w.Request) != nil {
			continue
		}
		if w.Verb == lifeboat.MoveTier {
			return d.moveTier(w, by)
		}
		return d.startWanted(at, w, by)
	}
	return nil
}

// voices that count for a wish under the plan in force, and whether they are enough.
func (d *Desk) voices(w wish) (by string, enough bool) {
	terms, err := d.terms(w.Request)
	if err != nil {
		return "", false // nobody in the plan could ask for it
	}
	var names []string
	for _, v := range w.voices {
		if terms.Counts(v.By, v.Factor, approve.DigestRequest(v)) {
			names = append(names, v.By)
		}
	}
	return strings.Join(names, ", "), len(names) >= terms.Need
}

// granted forgets the wish that an event fulfils.
func (d *Desk) granted(verb lifeboat.Verb, object string) {
	d.wishes = slices.DeleteFunc(d.wishes, func(w wish) bool { return w.Verb == verb && w.Object == object })
}

// startWanted starts a playbook by the word of persons, in the open incident if there is one.
func (d *Desk) startWanted(at time.Time, w wish, by string) []lifeboat.Event {
	playbook, _ := d.plan.Playbook(w.Object)
	started := d.runOf(at, playbook, w.ID)
	started.By = by
	if open := d.incidents.Open(); open != nil {
		started.Incident, started.Tier = open.ID, open.Tier
	}
	return []lifeboat.Event{
		lifeboat.Decision{Incident: started.Incident, Tier: started.Tier, Playbook: playbook.Name, Verdict: lifeboat.Start, By: by,
			Why: by + " wanted it" + after(w.Note), Run: started.Run},
		started,
	}
}

func after(note string) string {
	if note == "" {
		return ""
	}
	return ": " + note
}

// moveTier of the open incident; 0 closes it.
func (d *Desk) moveTier(w wish, by string) []lifeboat.Event {
	open := d.incidents.Open() // fits has seen it
	tier, _ := strconv.Atoi(w.Object)
	change := lifeboat.IncidentChange{ID: open.ID, State: lifeboat.IncidentMoved, Tier: lifeboat.Tier(tier), By: by}
	if tier == 0 {
		change.State, change.Tier = lifeboat.IncidentClosed, open.Tier
	}
	return []lifeboat.Event{change}
}

// tierAuthority says whose word moves the open incident to a tier.
func (d *Desk) tierAuthority(object string) string {
	tier, err := strconv.Atoi(object)
	open := d.incidents.Open()
	if err == nil && open != nil && lifeboat.Tier(tier) > open.Tier {
		return d.plan.Authority.Raise
	}
	return d.plan.Authority.Lower
}

func (d *Desk) fitsTier(r lifeboat.Request) error {
	tier, err := strconv.Atoi(r.Object)
	open := d.incidents.Open()
	switch {
	case err != nil || tier < 0 || tier > 3:
		return unfit("there is no tier %q: ask for 1, 2 or 3, or 0 to close the incident", r.Object)
	case open == nil:
		return unfit("no incident is open whose tier could be moved")
	case lifeboat.Tier(tier) == open.Tier:
		return unfit("incident %s is at tier %d already", open.ID, tier)
	case tier == 0 && slices.ContainsFunc(d.runs, func(r run) bool { return r.status == lifeboat.Running && r.Incident == open.ID }):
		return unfit("incident %s cannot be closed while a run of it is open", open.ID)
	case tier == 0 && len(d.asks)+len(d.pending) > 0:
		return unfit("incident %s cannot be closed while people are asked about it: answer first", open.ID)
	}
	return nil
}

func (d *Desk) fitsStart(r lifeboat.Request) error {
	if _, ok := d.plan.Playbook(r.Object); !ok {
		return unfit("the plan has no playbook %q", r.Object)
	}
	if i := slices.IndexFunc(d.runs, func(o run) bool { return o.Playbook == r.Object && o.status == lifeboat.Running }); i >= 0 {
		return unfit("%q is running already, as %s", r.Object, d.runs[i].Run)
	}
	return nil
}

func unfit(format string, args ...any) error {
	return &lifeboat.Problem{Reason: "not-found", What: fmt.Sprintf(format, args...), Money: "nothing was changed"}
}

// onHalt starts the playbook that reduces exposure, once for each halt.
func (d *Desk) onHalt(at time.Time) []lifeboat.Event {
	name := d.plan.BreakerRules().OnHalt
	if d.halted.IsZero() || name == "" {
		return nil
	}
	playbook, ok := d.plan.Playbook(name)
	if !ok || slices.ContainsFunc(d.runs, func(o run) bool { return o.Playbook == name && o.status == lifeboat.Running }) {
		return nil
	}
	started := d.runOf(at, playbook, "halt "+strconv.FormatInt(d.halted.UnixNano(), 10))
	started.By, started.Tier = "plan", lifeboat.Emergency
	if open := d.incidents.Open(); open != nil {
		started.Incident = open.ID
	}
	return []lifeboat.Event{
		lifeboat.Decision{Incident: started.Incident, Tier: started.Tier, Playbook: name, Verdict: lifeboat.Start, By: "plan",
			Why: "the breaker is halted; only its reductions pass", Run: started.Run},
		started,
	}
}

// reenter asks whether to go back, once the incident of a run is over.
func (d *Desk) reenter(at time.Time, r run) []lifeboat.Event {
	t, _ := d.plan.Trigger(r.Trigger)
	terms, err := d.termsOf(t.Authority)
	if err != nil {
		return nil // nobody in the plan could say yes
	}
	f := firing{Firing: lifeboat.Firing{Trigger: t.Name, Tier: lifeboat.Action}, at: at}
	text := fmt.Sprintf("Incident %s is over. Start the way back, %q?", r.Incident, t.Reentry)
	return d.put(at, r.Incident, f, t.Reentry, terms, "the incident is over, and the plan has a way back", text, "")
}
