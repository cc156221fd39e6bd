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
	"lifeboat/act/decide/breaker"
	"lifeboat/plan"
)

// Desk of decisions.
type Desk struct {
	// Breaker is asked before every act; nil lets everything pass.
	Breaker *breaker.Breaker

	plan      *plan.Plan
	incidents lifeboat.Incidents
	pending   []firing                      // fired, not yet decided
	active    map[string]bool               // triggers that fired and have not cleared
	asks      []ask                         // questions nobody has answered
	runs      []run                         // every run of the journal, oldest first
	values    map[string]map[string]float64 // :: trigger → what made it fire last
	wishes    []wish                        // of persons, not fulfilled yet
	questions map[string]*question          // :: key → a question that may still be answered
	state     lifeboat.BreakerState         // of the breaker, as of its last move
	halted    time.Time                     // since when it is, until the playbook for it has started; zero else
	back      *run                          // whose way back is to be asked about, now that its incident is over; nil for none
}

type firing struct {
	lifeboat.Firing
	at      time.Time
	waitFor string // the run that must end before this is decided again
}

type ask struct {
	firing
	key       lifeboat.Key
	playbook  string
	asked     *lifeboat.Message // as it was put; nil until its intent is in the journal
	answers   []lifeboat.Answer
	repeats   string // the run that the answer may repeat
	reenters  bool   // it is about the way back
	overtaken bool   // the plan changed since
}

type question struct {
	*lifeboat.Message
	run string // that put it; "" for the desk
}

type run struct {
	lifeboat.RunStarted
	touches touches
	status  lifeboat.Status
}

// New opens the desk for a plan.
func New(p *plan.Plan) *Desk {
	return &Desk{plan: p, active: map[string]bool{}, values: map[string]map[string]float64{}, questions: map[string]*question{}, state: lifeboat.Active}
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
		d.noted(e)
	case lifeboat.Answer:
		for i := range d.asks {
			if a := &d.asks[i]; string(a.key) == e.Question && a.asked != nil && slices.Contains(a.asked.To, e.By) {
				a.answers = slices.DeleteFunc(a.answers, func(before lifeboat.Answer) bool { return before.By == e.By })
				a.answers = append(a.answers, e) // a person's last word
			}
		}
	case lifeboat.RunStarted:
		d.runs = append(d.runs, run{RunStarted: e, touches: touchesOf(e.Content), status: lifeboat.Running})
		d.granted(lifeboat.StartPlaybook, e.Playbook)
		if e.Playbook == d.plan.BreakerRules().OnHalt {
			d.halted = time.Time{}
		}
	case lifeboat.RunFinished:
		if r := d.run(e.Run); r != nil {
			r.status = e.Status
		}
		maps.DeleteFunc(d.questions, func(_ string, q *question) bool { return q.run == e.Run })
	case lifeboat.Request:
		d.wanted(at, e)
	case lifeboat.BreakerMove:
		if e.To != d.state { // that it stays where it is, is no new halt
			d.halted = time.Time{}
			if e.To == lifeboat.Halted {
				d.halted = at
			}
		}
		d.state = e.To
	case lifeboat.IncidentChange:
		d.changed(e)
	}
}

// noted folds a question that was put.
func (d *Desk) noted(i lifeboat.Intent) {
	if i.Message == nil || !i.Message.Question {
		return
	}
	d.questions[string(i.Key)] = &question{i.Message, i.Run}
	for n := range d.asks {
		if d.asks[n].key == i.Key {
			d.asks[n].asked = i.Message
		}
	}
}

func (d *Desk) changed(e lifeboat.IncidentChange) {
	d.granted(lifeboat.MoveTier, fmt.Sprint(int(e.Tier)))
	if e.State == lifeboat.IncidentClosed {
		d.granted(lifeboat.MoveTier, "0")
		d.back = d.wayBack(e.ID)
	} else {
		d.back = nil
	}
}

// wayBack is the last run of an incident whose trigger has one in the plan; nil for none.
func (d *Desk) wayBack(incident string) *run {
	for i := range slices.Backward(d.runs) {
		r := d.runs[i]
		if t, planned := d.plan.Trigger(r.Trigger); planned && t.Reentry != "" && r.Incident == incident && r.status == lifeboat.Done && !d.active[r.Trigger] {
			return &r
		}
	}
	return nil
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
	if d.reentered(at, e) {
		return
	}
	f, overtaken, found := d.takeOff(e.Trigger)
	switch {
	case !found:
	case e.Verdict == lifeboat.Ask:
		d.asks = append(d.asks, ask{firing: f, key: lifeboat.Key(e.Question), playbook: e.Playbook, repeats: e.Repeats})
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
	if i := slices.IndexFunc(d.asks, func(a ask) bool { return a.Trigger == trigger && !a.reenters }); i >= 0 {
		a := d.asks[i]
		d.asks = slices.Delete(d.asks, i, i+1)
		delete(d.questions, string(a.key))
		return a.firing, a.overtaken, true
	}
	return f, false, false
}

// Next decides the first firing that can be decided, or closes the incident, and tells the owner so.
func (d *Desk) Next(at time.Time) []lifeboat.Event { return d.told(at, d.next(at)) }

func (d *Desk) next(at time.Time) []lifeboat.Event {
	if events := d.onHalt(at); len(events) > 0 {
		return events
	}
	if events := d.fulfil(at); len(events) > 0 {
		return events
	}
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
	if d.back != nil {
		return d.reenter(at, *d.back)
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
		if terms, err := d.termsOf(t.Authority); held.Repeats != "" && err == nil {
			return d.ask(at, incident, f, t, terms, held.Repeats)
		}
		return one(held)
	}
	if !automatic(t.Authority) {
		terms, err := d.termsOf(t.Authority)
		if err != nil {
			return one(d.hold(incident, f, "plan", err.Error()))
		}
		return d.ask(at, incident, f, t, terms, "")
	}
	return d.start(at, incident, f, t, "plan", fmt.Sprintf("the plan starts it by itself at tier %d", f.Tier))
}

func (d *Desk) start(at time.Time, incident string, f firing, t plan.Trigger, by, why string) []lifeboat.Event {
	playbook, _ := d.plan.Playbook(t.Playbook)
	started := d.runOf(at, playbook, f.Trigger)
	started.Incident, started.Trigger, started.Tier, started.By = incident, f.Trigger, f.Tier, by
	mine := touchesOf(started.Content)
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

// runOf pins a playbook. what made it start is part of the run's name.
func (d *Desk) runOf(at time.Time, playbook plan.Playbook, what string) lifeboat.RunStarted {
	content, hash := d.plan.PlaybookContent(playbook)
	return lifeboat.RunStarted{Run: id("R", at, what+hash), Playbook: playbook.Name, Hash: hash, Content: content}
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
		if v := values[name]; v >= 1e4 || v <= -1e4 { // a price of 40000 is not read as 4e+04
			names[i] = fmt.Sprintf("%s %.0f", name, v)
		} else {
			names[i] = fmt.Sprintf("%s %.4g", name, v)
		}
	}
	return strings.Join(names, ", ")
}
