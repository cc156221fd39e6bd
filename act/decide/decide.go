// Package decide answers every firing: start this playbook now, ask people first, or hold. It also keeps the incident
// that the firings belong to, and it is the place that says whether anybody with authority stands behind an act.
//
// It is a [lifeboat.Stage]: its state is a fold over journalled events. The rules, in order, for a trigger that fired:
//
//  1. no playbook: hold, the tier only watches;
//  2. its playbook is running: hold; it was carried out in this incident: ask whether to do it again, and hold when
//     there is nobody to ask;
//  3. a run of a higher tier in this incident acted on the same things: hold, lower tiers must not undo it;
//  4. an open run of the same or a higher tier acts on the same things: hold until it ends, then decide again;
//  5. the plan names somebody who must say yes: ask;
//  6. start, superseding open runs of lower tiers that act on the same things.
//
// It does not carry out anything and knows no venue.
package decide

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// Desk of decisions.
type Desk struct {
	plan      *plan.Plan
	incidents lifeboat.Incidents
	pending   []firing                      // fired, not yet decided
	active    map[string]bool               // triggers that fired and have not cleared
	asks      []ask                         // questions nobody has answered
	runs      []run                         // every run of the journal, oldest first
	values    map[string]map[string]float64 // :: trigger → what made it fire last
}

type firing struct {
	lifeboat.Firing
	at      time.Time
	waitFor string // the run that must end before this is decided again
}

type ask struct {
	firing
	key       lifeboat.Key
	to        []string // as the question itself says
	answer    *lifeboat.Answer
	repeats   string // the run that the answer may repeat
	overtaken bool   // the plan changed since
}

type run struct {
	lifeboat.RunStarted
	touches touches
	status  lifeboat.Status
}

// New opens the desk for a plan.
func New(p *plan.Plan) *Desk {
	return &Desk{plan: p, active: map[string]bool{}, values: map[string]map[string]float64{}}
}

// Incidents as they stand.
func (d *Desk) Incidents() []lifeboat.Incident { return d.incidents.All }

// Apply takes in one journalled event.
func (d *Desk) Apply(at time.Time, e lifeboat.Event) {
	d.incidents.Apply(at, e)
	switch e := e.(type) {
	case lifeboat.Firing:
		d.heard(at, e)
	case lifeboat.Decision:
		d.decided(at, e)
	case lifeboat.PlanLoaded:
		for i := range d.asks {
			d.asks[i].overtaken = true
		}
	case lifeboat.Intent:
		for i := range d.asks {
			if d.asks[i].key == e.Key && e.Message != nil {
				d.asks[i].to = e.Message.To
			}
		}
	case lifeboat.Answer:
		for i := range d.asks {
			if a := &d.asks[i]; string(a.key) == e.Question && slices.Contains(a.to, e.By) {
				a.answer = &e
			}
		}
	case lifeboat.RunStarted:
		d.runs = append(d.runs, run{RunStarted: e, touches: touchesOf(e.Content), status: lifeboat.Running})
	case lifeboat.RunFinished:
		if r := d.run(e.Run); r != nil {
			r.status = e.Status
		}
	}
}

func (d *Desk) heard(at time.Time, f lifeboat.Firing) {
	if f.State == lifeboat.Fired {
		d.active[f.Trigger], d.values[f.Trigger] = true, f.Values
		// One that waits for its turn is forgotten: a trigger that flaps has one turn.
		d.pending = slices.DeleteFunc(d.pending, func(p firing) bool { return p.Trigger == f.Trigger })
		d.pending = append(d.pending, firing{Firing: f, at: at})
		return
	}
	delete(d.active, f.Trigger)
	// A firing still undecided when it clears is decided all the same: that it came and went is part of the story.
}

// decided takes a firing off the desk, or moves it to where it waits.
func (d *Desk) decided(at time.Time, e lifeboat.Decision) {
	f, overtaken, found := d.takeOff(e.Trigger)
	switch {
	case !found:
	case e.Verdict == lifeboat.Ask:
		d.asks = append(d.asks, ask{firing: f, key: lifeboat.Key(e.Question), repeats: e.Repeats})
	case e.Verdict == lifeboat.Hold && e.Run != "": // held until that run ends
		f.waitFor = e.Run
		d.pending = append(d.pending, f)
	case e.Verdict == lifeboat.Hold && overtaken && d.active[e.Trigger]: // decided again under the new plan
		f.waitFor = ""
		d.pending = append(d.pending, f)
	}
}

// takeOff removes the firing that a decision is about: one that is pending, or else one that people are asked about.
func (d *Desk) takeOff(trigger string) (f firing, overtaken, found bool) {
	if i := slices.IndexFunc(d.pending, func(f firing) bool { return f.Trigger == trigger }); i >= 0 {
		f = d.pending[i]
		d.pending = slices.Delete(d.pending, i, i+1)
		return f, false, true
	}
	if i := slices.IndexFunc(d.asks, func(a ask) bool { return a.Trigger == trigger }); i >= 0 {
		a := d.asks[i]
		d.asks = slices.Delete(d.asks, i, i+1)
		return a.firing, a.overtaken, true
	}
	return f, false, false
}

// Next decides the first firing that can be decided, or closes the incident, and tells the owner so.
func (d *Desk) Next(at time.Time) []lifeboat.Event { return d.told(at, d.next(at)) }

func (d *Desk) next(at time.Time) []lifeboat.Event {
	for _, f := range d.pending {
		if f.waitFor == "" {
			return d.open(at, f)
		}
		if r := d.run(f.waitFor); r == nil || r.status != lifeboat.Running {
			return d.again(at, f)
		}
	}
	for _, a := range d.asks {
		if events := d.answered(at, a); events != nil {
			return events
		}
	}
	if open := d.incidents.Open(); open != nil && d.quiet() {
		return []lifeboat.Event{lifeboat.IncidentChange{ID: open.ID, State: lifeboat.IncidentClosed, Tier: open.Tier}}
	}
	return nil
}

// Due is never: the desk moves on events alone.
func (d *Desk) Due() time.Time { return time.Time{} }

// open puts the firing into an incident and decides it.
func (d *Desk) open(at time.Time, f firing) []lifeboat.Event {
	change := lifeboat.IncidentChange{State: lifeboat.IncidentOpened, Tier: f.Tier, Trigger: f.Trigger}
	incident := d.incidents.Open()
	if incident != nil {
		change.ID, change.State = incident.ID, lifeboat.IncidentRaised
	} else {
		change.ID = id("I", f.at, f.Trigger)
	}
	events := []lifeboat.Event{change}
	if incident != nil && slices.Contains(incident.Triggers, f.Trigger) {
		events = nil // it fired before in this incident
	}
	return append(events, d.decide(at, change.ID, f)...)
}

// again decides a firing whose obstacle is gone.
func (d *Desk) again(at time.Time, f firing) []lifeboat.Event {
	incident := ""
	if open := d.incidents.Open(); open != nil {
		incident = open.ID
	}
	if !d.isActive(f.Trigger) {
		return []lifeboat.Event{d.hold(incident, f, "plan", "it cleared while another run was under way")}
	}
	return d.decide(at, incident, f)
}

func (d *Desk) decide(at time.Time, incident string, f firing) []lifeboat.Event {
	t, planned := d.plan.Trigger(f.Trigger)
	if !planned {
		return one(d.hold(incident, f, "plan", "the plan no longer has this trigger"))
	}
	if t.Playbook == "" {
		return one(d.hold(incident, f, "plan", fmt.Sprintf("the plan only watches at tier %d", f.Tier)))
	}
	if _, ok := d.plan.Playbook(t.Playbook); !ok {
		return one(d.hold(incident, f, "plan", fmt.Sprintf("the plan no longer has the playbook %q", t.Playbook)))
	}
	if held, ok := d.obstructed(incident, f, t, false); ok {
		if to := d.whoMayRepeat(t); held.Repeats != "" && len(to) > 0 {
			return d.ask(at, incident, f, t, to, held.Repeats)
		}
		return one(held)
	}
	if !automatic(t.Authority) {
		to := d.names(t.Authority)
		if len(to) == 0 {
			return one(d.hold(incident, f, "plan", fmt.Sprintf("the plan names nobody as %q", t.Authority)))
		}
		return d.ask(at, incident, f, t, to, "")
	}
	return d.start(at, incident, f, t, "plan", fmt.Sprintf("the plan starts it by itself at tier %d", f.Tier))
}

func (d *Desk) start(at time.Time, incident string, f firing, t plan.Trigger, by, why string) []lifeboat.Event {
	playbook, _ := d.plan.Playbook(t.Playbook)
	content, hash := d.plan.PlaybookContent(playbook)
	started := lifeboat.RunStarted{
		Run: id("R", at, f.Trigger+hash), Playbook: playbook.Name, Hash: hash, Content: content,
		Incident: incident, Trigger: f.Trigger, Tier: f.Tier, By: by,
	}
	mine := touchesOf(content)
	for _, r := range d.runs {
		if r.status == lifeboat.Running && r.Tier < f.Tier && mine.overlap(r.touches) {
			started.Supersedes = append(started.Supersedes, r.Run)
		}
	}
	return []lifeboat.Event{
		lifeboat.Decision{Incident: incident, Trigger: f.Trigger, Tier: f.Tier, Playbook: playbook.Name,
			Verdict: lifeboat.Start, By: by, Why: why, Run: started.Run},
		started,
	}
}

func (d *Desk) hold(incident string, f firing, by, why string) lifeboat.Decision {
	return lifeboat.Decision{Incident: incident, Trigger: f.Trigger, Tier: f.Tier, Playbook: d.trigger(f.Trigger).Playbook,
		Verdict: lifeboat.Hold, By: by, Why: why}
}

// quiet reports that nothing of the incident goes on: every trigger cleared, nobody is asked, no run is open.
func (d *Desk) quiet() bool {
	open := slices.ContainsFunc(d.runs, func(r run) bool { return r.status == lifeboat.Running })
	active := slices.ContainsFunc(d.plan.Triggers, func(t plan.Trigger) bool { return d.active[t.Name] })
	return !active && len(d.pending) == 0 && len(d.asks) == 0 && !open
}

// isActive reports a trigger that fired and has not cleared. One that the owner took out of the plan can never clear, so
// it does not count.
func (d *Desk) isActive(name string) bool {
	_, planned := d.plan.Trigger(name)
	return planned && d.active[name]
}

// trigger of the plan by name; only its name when the plan no longer has it.
func (d *Desk) trigger(name string) plan.Trigger {
	if t, ok := d.plan.Trigger(name); ok {
		return t
	}
	return plan.Trigger{Name: name}
}

func automatic(authority string) bool { return authority == "" || authority == "automatic" }

// names of the people an authority stands for.
func (d *Desk) names(authority string) []string {
	var names []string
	for _, p := range d.plan.Person(authority) {
		names = append(names, p.Name)
	}
	return names
}

func (d *Desk) run(id string) *run {
	for i := range d.runs {
		if d.runs[i].Run == id {
			return &d.runs[i]
		}
	}
	return nil
}

func one(e lifeboat.Event) []lifeboat.Event { return []lifeboat.Event{e} }

// id names an incident or a run by its day and a digest of what made it, so that a restored journal does not give an
// old name to a new run.
func id(prefix string, at time.Time, what string) string {
	digest := string(lifeboat.NewKey(prefix, at.UnixNano(), what))
	return fmt.Sprintf("%s%s-%s", prefix, at.UTC().Format("060102"), digest[len(digest)-6:])
}

func numbers(values map[string]float64) string {
	names := slices.Sorted(maps.Keys(values))
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %.4g", name, values[name])
	}
	return strings.Join(names, ", ")
}
