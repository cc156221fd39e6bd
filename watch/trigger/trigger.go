// Package trigger watches: it is the stage of the flow in which readings become firings.
//
// A [Watch] puts the conditions of the plan on a [rule.Board], feeds it with every instant, and looks at a trigger when
// the truth of one of its conditions changed, so that a reading costs what it flips and not what there is. A condition
// has to be true for as long as the owner wrote before it fires; the all-clear likewise; after it the trigger cools down.
// Times run while nothing is read, too: Due tells the flow when a hold is over, a cool-down ends or a series goes stale.
//
// Logic has three values, and not to know is neither calm nor alarm:
//
//   - A condition that is not known neither fires nor clears. A hold that was running pauses: what it lasted before
//     stays, and the time without data does not count.
//   - A context that is known to be false keeps its trigger from firing and does not clear it; one that is not known
//     does neither, because the alarm must not hang on data that only spares false alarms.
//   - When a series that a trigger reads goes stale, or was not seen for that long, a Gap opens and names the triggers
//     it blinds; it closes when data returns.
//   - While a condition is true its trigger is not cleared, whatever its own all-clear says: of two sentences that
//     contradict each other the one that warns is believed.
//
// A trigger that wants n sources is evaluated on the own values of each source. With n of them saying yes it is true;
// with fewer than n fresh ones it is blind; it is false when those that are not known could not make it true.
//
// What has fired, cleared or gone blind is known from applied events only, and how long something held follows from
// readings and receipts, so a replay of the journal restores all of it. [Watch.State] saves the latter, so that a restart
// need not replay every reading.
//
// It judges no reading, decides nothing about what follows from a firing, and tells nobody but the flow.
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
	board    *rule.Board
	from     time.Time
	triggers []*watched
	byName   map[string]*watched
	readers  map[*rule.Cond]*watched
	warnings []string

	channels    []channel // whose silence is reported, in the order in which the plan reads them
	ofCondition int       // how many of them conditions name; the rest is held, and changes with the book
	portfolio   bool      // some condition reads the portfolio, and with it all that is held
	ofBook      uint64
	open        []gap

	evaluated time.Time // the last step of the board
	asked     time.Time // the latest time seen

	// Where news may come from. Times are bounds below: what they announce may turn out to be none.
	stirred []*watched // something of the trigger changed since Next found no news in it
	waiting []*watched // a hold, an all-clear or a cool-down is running
	holdDue time.Time  // no trigger that waits has news before
	gapDue  time.Time  // no channel that never spoke is missed before
	gapNow  bool       // some channel may have changed
	falls   uint64     // how often a source had been found stale when the channels were last looked at
}

// watched is a trigger with what is known of it.
type watched struct {
	plan.Trigger
	index     int // in the plan
	condition *rule.Cond
	context   *rule.Cond // nil: fires in any
	clear     *rule.Cond // nil: the opposite of the condition
	sources   []source   // of a trigger that wants several
	series    []lifeboat.Series
	portfolio bool

	// From readings:
	truth      truth
	held       hold
	clearTruth truth
	clearHeld  hold

	// From applied events:
	fired   bool
	since   time.Time // it fired or cleared; zero before it first fired
	cleared bool      // since is when it cleared

	stirs, waits bool // it is among those
}

// source is one that the condition is evaluated on.
type source struct {
	name      string
	condition *rule.Cond
}

// New puts the plan's triggers on a board. Nothing fires and no gap opens before from: what comes earlier warms the
// windows up. The zero time means the first event.
func New(triggers []plan.Trigger, env rule.Env, board *rule.Board, from time.Time) (*Watch, error) {
	w := &Watch{engine: board.Engine(), board: board, from: from, byName: map[string]*watched{}, readers: map[*rule.Cond]*watched{}, gapNow: true}
	for _, t := range triggers {
		if err := w.add(t, env); err != nil {
			return nil, fmt.Errorf("trigger %q: %w", t.Name, err)
		}
	}
	w.listChannels()
	return w, nil
}

func (w *Watch) add(t plan.Trigger, env rule.Env) error {
	tr := &watched{Trigger: t, index: len(w.triggers)}
	var err error
	if tr.condition, err = w.compile(tr, t.Condition, env, ""); err != nil {
		return fmt.Errorf("condition: %w", err)
	}
	if t.Context != "" {
		if tr.context, err = w.compile(tr, t.Context, env, ""); err != nil {
			return fmt.Errorf("context: %w", err)
		}
	}
	if t.Clear != "" {
		if tr.clear, err = w.compile(tr, t.Clear, env, ""); err != nil {
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
	w.byName[tr.Name] = tr
	tr.read()
	tr.evaluate(time.Time{})
	return nil
}

func (w *Watch) compile(tr *watched, expr string, env rule.Env, source string) (*rule.Cond, error) {
	if faults := rule.CheckCondition(expr, env); len(faults) > 0 {
		return nil, faults[0]
	}
	cond, err := w.board.Compile(expr, env, source)
	if err == nil {
		w.readers[cond] = tr
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
		condition, err := w.compile(tr, tr.Condition, env, name)
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
	switch e := e.(type) {
	case lifeboat.Instant:
		due := w.advanceBefore(at)
		w.board.Take(at, e)
		w.stepped(at)
		if due { // at one time, prices come before timers
			w.board.Tick(at)
			w.stepped(at)
		}
		w.gapNow = w.gapNow || w.heard(at) || w.portfolio && w.engine.BookVersion() != w.ofBook
	case lifeboat.Receipt:
		w.advance(at)
		w.board.Count(at)
		w.stepped(at)
		w.gapNow = true
	case lifeboat.PlanLoaded, lifeboat.Restated:
		w.engine.Register(at) // before anything looks at the new book
		w.advance(at)
		w.board.Count(at)
		w.stepped(at)
		w.gapNow = true
	case lifeboat.Firing:
		if tr := w.byName[e.Trigger]; tr != nil {
			tr.fired, tr.cleared, tr.since = e.State == lifeboat.Fired, e.State == lifeboat.Cleared, at
			w.stir(tr)
		}
	case lifeboat.Gap:
		w.note(e)
		w.gapNow = true
	}
	w.advance(at) // also with what is none of the watch's business: time has passed
}

// advance lets everything happen up to the given time that happens although nothing is read: a series goes stale, an
// age passes its limit. Whether the flow asked in between makes no difference to what it finds.
func (w *Watch) advance(to time.Time) {
	if w.advanceBefore(to) {
		w.board.Tick(to)
		w.stepped(to)
	}
}

// advanceBefore stops short of what happens at the given time itself, and reports whether something does.
func (w *Watch) advanceBefore(to time.Time) (due bool) {
	if to.After(w.asked) {
		w.asked = to
	}
	for w.board.MayChange(to) {
		t := w.board.NextChange(w.evaluated)
		if t.IsZero() || !t.Before(to) {
			return t.Equal(to)
		}
		w.board.Tick(t)
		w.stepped(t)
	}
	return false
}

// stepped looks at the triggers whose conditions the board's last step changed.
func (w *Watch) stepped(at time.Time) {
	if w.evaluated.IsZero() { // a condition that never changes is never told as changed
		for _, tr := range w.triggers {
			tr.evaluate(at)
			w.stir(tr)
		}
	}
	for _, cond := range w.board.Changed() {
		if tr := w.readers[cond]; tr != nil {
			tr.evaluate(at)
			w.stir(tr)
		}
	}
	if at.After(w.evaluated) {
		w.evaluated = at
	}
}

func (w *Watch) stir(tr *watched) {
	if !tr.stirs {
		tr.stirs = true
		w.stirred = append(w.stirred, tr)
	}
}

func (tr *watched) evaluate(at time.Time) {
	condition := tr.ask()
	tr.truth = condition
	if tr.context != nil && truthOf(tr.context) == no {
		tr.truth = no
	}
	tr.held.move(at, tr.truth)
	tr.clearTruth = not(condition)
	if tr.clear != nil {
		tr.clearTruth = min(tr.clearTruth, truthOf(tr.clear))
	}
	tr.clearHeld.move(at, tr.clearTruth)
}

// ask the condition, of as many sources as the trigger wants.
func (tr *watched) ask() truth {
	if tr.Sources <= 1 {
		return truthOf(tr.condition)
	}
	var agree, open int
	for _, s := range tr.sources {
		switch truthOf(s.condition) {
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
	if at.Before(w.from) || w.from.IsZero() {
		return nil
	}
	if !w.holdDue.IsZero() && !at.Before(w.holdDue) {
		w.wake(at)
	}
	var events []lifeboat.Event
	if w.gapNow || w.falls != w.engine.Falls() || !w.gapDue.IsZero() && !at.Before(w.gapDue) {
		events = w.gapNews(at)
	}
	if len(w.stirred) == 0 {
		return events
	}
	slices.SortFunc(w.stirred, func(a, b *watched) int { return a.index - b.index })
	for _, tr := range w.stirred {
		if state, news := tr.news(at); news {
			events = append(events, tr.firing(at, state))
		}
	}
	if len(events) == 0 {
		w.settle()
	}
	return events
}

// wake the triggers whose wait is over.
func (w *Watch) wake(at time.Time) {
	w.holdDue = time.Time{}
	waiting := w.waiting[:0]
	for _, tr := range w.waiting {
		switch due := tr.due(); {
		case due.IsZero():
			tr.waits = false
			continue
		case !due.After(at):
			w.stir(tr)
		default:
			w.holdDue = sooner(w.holdDue, due)
		}
		waiting = append(waiting, tr)
	}
	w.waiting = waiting
}

// settle notes which of the triggers that had no news will have some if nothing changes.
func (w *Watch) settle() {
	for _, tr := range w.stirred {
		tr.stirs = false
		due := tr.due()
		if due.IsZero() {
			continue
		}
		w.holdDue = sooner(w.holdDue, later(due, w.from))
		if !tr.waits {
			tr.waits = true
			w.waiting = append(w.waiting, tr)
		}
	}
	w.stirred = w.stirred[:0]
}

// due is when the trigger has news if nothing changes; zero when it has none then.
func (tr *watched) due() time.Time {
	switch {
	case tr.fired && tr.clearTruth == yes:
		return tr.clearHeld.ends(time.Duration(tr.ClearFor))
	case !tr.fired && tr.truth == yes:
		return later(tr.held.ends(time.Duration(tr.For)), tr.cool())
	}
	return time.Time{}
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
		if truthOf(s.condition) == yes {
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

// Due is a time before which Next has no news unless something is applied: a hold or a cool-down may end then, or a
// series go stale. It may turn out that nothing does.
func (w *Watch) Due() time.Time {
	switch {
	case w.from.IsZero():
		return time.Time{}
	case w.asked.Before(w.from):
		return w.from
	}
	due := sooner(sooner(w.holdDue, w.gapDue), w.board.Soonest())
	if w.gapNow || w.falls != w.engine.Falls() || len(w.stirred) > 0 || !due.IsZero() && !due.After(w.asked) {
		due = w.exactDue()
	}
	if !due.IsZero() && due.Before(w.from) {
		return w.from
	}
	return due
}

// exactDue looks everywhere. What was due until now had its turn.
func (w *Watch) exactDue() time.Time {
	var first time.Time
	consider := func(t time.Time) {
		if t = later(t, w.from); t.After(w.asked) {
			first = sooner(first, t)
		}
	}
	if t := w.board.NextChange(later(w.evaluated, w.asked)); !t.IsZero() {
		consider(t)
	}
	w.gapDue = w.nextMissed()
	if !w.gapDue.IsZero() {
		consider(w.gapDue)
	}
	w.holdDue = time.Time{}
	for _, tr := range w.triggers {
		if due := tr.due(); !due.IsZero() { // what nobody has asked for yet stays due
			w.holdDue = sooner(w.holdDue, due)
			consider(due)
		}
	}
	return first
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
