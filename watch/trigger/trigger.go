// Package trigger watches: it is the stage of the flow in which readings become firings.
//
// A [Watch] feeds the signal engine with every instant and evaluates each trigger of the plan once per instant and once
// per receipt, which moves the book. A condition has to be true for as long as the owner wrote before it fires; the
// all-clear likewise; after it the trigger cools down. Times run while nothing is read, too: Due tells the flow when a
// hold is over, a cool-down ends or a series goes stale.
//
// Logic has three values, and not to know is neither calm nor alarm:
//
//   - A condition that is not known neither fires nor clears. A hold that was running pauses: what it lasted before
//     stays, and the time without data does not count.
//   - When a series that a trigger reads goes stale, or was not seen for that long, a Gap opens and names the triggers
//     it blinds; it closes when data returns.
//   - While a condition is true its trigger is not cleared, whatever its own all-clear says: of two sentences that
//     contradict each other the one that warns is believed.
//
// A trigger that wants n sources is evaluated on the own values of each source. With n of them saying yes it is true;
// with fewer than n fresh ones it is blind; it is false when those that are not known could not make it true.
//
// What has fired, cleared or gone blind is known from applied events only, and how long something held follows from
// readings and receipts, so a replay of the journal restores all of it.
package trigger

import (
	"fmt"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/watch/rule"
	"lifeboat/watch/signal"
)

// Watch implements lifeboat.Stage.
type Watch struct {
	engine   *signal.Engine
	from     time.Time
	triggers []*watched
	warnings []string

	channels    []channel // whose silence is reported, in the order in which the plan reads them
	ofCondition int       // how many of them conditions name; the rest is held, and changes with the book
	ofBook      uint64
	open        []gap

	ages      bool      // some condition changes with time alone
	evaluated time.Time // the last evaluation; nothing changed since
	asked     time.Time // the latest time seen
	resting   bool      // Next had no news, and has none before due
	due       time.Time
}

// watched is a trigger with what is known of it.
type watched struct {
	plan.Trigger
	condition *rule.Cond
	clear     *rule.Cond // nil: the opposite of the condition
	sources   []source   // of a trigger that wants several

	// From readings:
	truth      truth
	held       hold
	clearTruth truth
	clearHeld  hold

	// From applied events:
	fired   bool
	since   time.Time // it fired or cleared; zero before it first fired
	cleared bool      // since is when it cleared
}

// source is one that the condition is evaluated on.
type source struct {
	name      string
	condition *rule.Cond
}

// New compiles the plan's triggers. Nothing fires and no gap opens before from: what comes earlier warms the windows
// up. The zero time means the first event.
func New(triggers []plan.Trigger, env rule.Env, engine *signal.Engine, from time.Time) (*Watch, error) {
	w := &Watch{engine: engine, from: from}
	for _, t := range triggers {
		if err := w.add(t, env); err != nil {
			return nil, fmt.Errorf("trigger %q: %w", t.Name, err)
		}
	}
	w.listChannels()
	return w, nil
}

func (w *Watch) add(t plan.Trigger, env rule.Env) error {
	tr := &watched{Trigger: t}
	var err error
	if tr.condition, err = w.compile(t.Condition, env, ""); err != nil {
		return fmt.Errorf("condition: %w", err)
	}
	if t.Clear != "" {
		if tr.clear, err = w.compile(t.Clear, env, ""); err != nil {
			return fmt.Errorf("clear: %w", err)
		}
	}
	if tr.Severity == "" {
		tr.Severity = tr.condition.Severity()
	}
	if tr.Severity == "" {
		tr.Severity = t.Tier.Severity()
	}
	if t.Sources > 1 {
		if err := w.addSources(tr, env); err != nil {
			return err
		}
	}
	w.triggers = append(w.triggers, tr)
	return nil
}

func (w *Watch) compile(expr string, env rule.Env, source string) (*rule.Cond, error) {
	if faults := rule.CheckCondition(expr, env); len(faults) > 0 {
		return nil, faults[0]
	}
	cond, err := rule.Compile(expr, env, w.engine, source)
	if err == nil && cond.Aging() {
		w.ages = true
	}
	return cond, err
}

// addSources evaluates the condition on each source of the series that have several. A series with one source is
// context that they share.
func (w *Watch) addSources(tr *watched, env rule.Env) error {
	var names []string
	for _, s := range tr.condition.Series() {
		sources := w.engine.Sources(s)
		for _, name := range sources {
			if len(sources) > 1 && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	for _, name := range names {
		condition, err := w.compile(tr.Condition, env, name)
		if err != nil {
			return fmt.Errorf("condition on %s: %w", name, err)
		}
		tr.sources = append(tr.sources, source{name, condition})
	}
	if len(names) < tr.Sources {
		w.warnings = append(w.warnings, fmt.Sprintf("trigger %q wants %d sources and %d offer what it reads, so it is blind",
			tr.Name, tr.Sources, len(names)))
	}
	return nil
}

// Warnings tell of triggers that cannot work with the sources there are.
func (w *Watch) Warnings() []string { return w.warnings }

// Apply takes readings in, and notes what was made known of triggers and gaps.
func (w *Watch) Apply(at time.Time, e lifeboat.Event) {
	if w.from.IsZero() {
		w.from = at
	}
	if _, is := e.(lifeboat.PlanLoaded); is {
		w.engine.Register(at) // before anything looks at the new book
	}
	w.advance(at)
	switch e := e.(type) {
	case lifeboat.Instant:
		w.engine.Take(at, e)
		w.evaluate(at)
	case lifeboat.Receipt, lifeboat.PlanLoaded:
		w.evaluate(at)
	case lifeboat.Firing:
		for _, tr := range w.triggers {
			if tr.Name == e.Trigger {
				tr.fired, tr.cleared, tr.since = e.State == lifeboat.Fired, e.State == lifeboat.Cleared, at
			}
		}
	case lifeboat.Gap:
		w.note(e)
	default:
		return
	}
	w.resting = false
}

// advance evaluates at every time up to the given one at which something changed although nothing was read: a series
// went stale or an age passed its limit. Whether the flow asked in between makes no difference to what it finds.
func (w *Watch) advance(to time.Time) {
	if to.After(w.asked) {
		w.asked = to
	}
	for w.ages || w.engine.MayGoStale(to) {
		t := w.changes(w.evaluated)
		if t.IsZero() || t.After(to) {
			return
		}
		w.evaluate(t)
	}
}

// changes is the first time after the given one at which time alone may change a condition; zero when it cannot.
func (w *Watch) changes(after time.Time) time.Time {
	first := w.engine.NextStale(after)
	if !w.ages {
		return first
	}
	for _, tr := range w.triggers {
		first = sooner(first, tr.condition.Changes(after))
		if tr.clear != nil {
			first = sooner(first, tr.clear.Changes(after))
		}
	}
	return first
}

func (w *Watch) evaluate(at time.Time) {
	for _, tr := range w.triggers {
		tr.evaluate(at)
	}
	if at.After(w.evaluated) {
		w.evaluated = at
	}
	w.resting = false
}

func (tr *watched) evaluate(at time.Time) {
	tr.truth = tr.ask(at)
	tr.held.move(at, tr.truth)
	tr.clearTruth = not(tr.truth)
	if tr.clear != nil {
		tr.clearTruth = min(tr.clearTruth, truthOf(tr.clear, at))
	}
	tr.clearHeld.move(at, tr.clearTruth)
}

// ask the condition, of as many sources as the trigger wants.
func (tr *watched) ask(at time.Time) truth {
	if tr.Sources <= 1 {
		return truthOf(tr.condition, at)
	}
	var agree, open int
	for _, s := range tr.sources {
		switch truthOf(s.condition, at) {
		case yes:
			agree++
		case unknown:
			open++
		}
	}
	switch {
	case agree >= tr.Sources:
		return yes
	case len(tr.sources)-open < tr.Sources, agree+open >= tr.Sources:
		return unknown
	}
	return no
}

// Next tells firings, clearings and gaps that follow now. What was told is told again until it was applied.
func (w *Watch) Next(at time.Time) []lifeboat.Event {
	w.advance(at)
	if w.resting && (w.due.IsZero() || at.Before(w.due)) {
		return nil
	}
	if at.Before(w.from) || w.from.IsZero() {
		return nil
	}
	events := w.gapNews(at)
	for _, tr := range w.triggers {
		if state, news := tr.news(at); news {
			events = append(events, tr.firing(at, state))
		}
	}
	if len(events) == 0 {
		w.rest()
	}
	return events
}

func (tr *watched) news(at time.Time) (state lifeboat.FiringState, news bool) {
	if tr.fired {
		return lifeboat.Cleared, tr.clearTruth == yes && tr.clearHeld.lasted(at) >= time.Duration(tr.ClearFor)
	}
	return lifeboat.Fired, tr.truth == yes && tr.held.lasted(at) >= time.Duration(tr.For) && !at.Before(tr.cool())
}

// cool is when the trigger may fire again.
func (tr *watched) cool() time.Time {
	if !tr.cleared {
		return time.Time{}
	}
	return tr.since.Add(time.Duration(tr.Cooldown))
}

func (tr *watched) firing(at time.Time, state lifeboat.FiringState) lifeboat.Firing {
	f := lifeboat.Firing{Trigger: tr.Name, Tier: tr.Tier, Severity: tr.Severity, State: state, Values: tr.values(at)}
	for _, s := range tr.sources {
		if truthOf(s.condition, at) == yes {
			f.Sources = append(f.Sources, s.name)
		}
	}
	return f
}

// values that the trigger read, the sources' own beside what they agree on.
func (tr *watched) values(at time.Time) map[string]float64 {
	values := tr.condition.Values(at)
	for _, s := range tr.sources {
		for name, v := range s.condition.Values(at) {
			values[name] = v
		}
	}
	return values
}

// Due is when a hold or a cool-down ends, or a series goes stale.
func (w *Watch) Due() time.Time {
	if !w.resting {
		w.rest()
	}
	return w.due
}

// rest notes until when there is no news unless something is applied.
func (w *Watch) rest() {
	w.resting, w.due = true, time.Time{}
	if w.from.IsZero() {
		return
	}
	consider := func(t time.Time) {
		if t.Before(w.from) {
			t = w.from
		}
		if t.After(w.asked) {
			w.due = sooner(w.due, t)
		}
	}
	if t := w.changes(w.evaluated); !t.IsZero() {
		consider(t)
	}
	for _, c := range w.watchedChannels() {
		if t := w.engine.StaleAt(c.series, c.source, w.from); !t.IsZero() && !w.isOpen(c) {
			consider(t)
		}
	}
	for _, tr := range w.triggers {
		switch {
		case tr.fired && tr.clearTruth == yes:
			consider(tr.clearHeld.ends(time.Duration(tr.ClearFor)))
		case !tr.fired && tr.truth == yes:
			consider(later(tr.held.ends(time.Duration(tr.For)), tr.cool()))
		}
	}
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
