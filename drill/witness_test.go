package drill_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/drill"
	"lifeboat/keep/journal"
	"lifeboat/plan"
	"lifeboat/session"
	"lifeboat/watch/feed/guard"
	"lifeboat/watch/feed/tape"
	"lifeboat/watch/trigger"
)

// A witness saw a tape through the watch of a plan: all that it told, and how it stood whenever it woke.
type witness struct {
	firings []told[lifeboat.Firing]
	gaps    []told[lifeboat.Gap]
	moments []moment
}

type told[E any] struct {
	at    time.Time
	event E
}

// A moment is how the triggers stood at one time, and what the portfolio was worth as far as that was known.
type moment struct {
	at     time.Time
	states []trigger.State
	value  float64
}

// Append makes the witness a journal.
func (w *witness) Append(at time.Time, events ...lifeboat.Event) error {
	for _, e := range events {
		switch e := e.(type) {
		case lifeboat.Firing:
			w.firings = append(w.firings, told[lifeboat.Firing]{at, e})
		case lifeboat.Gap:
			w.gaps = append(w.gaps, told[lifeboat.Gap]{at, e})
		}
	}
	return nil
}

// observe plays a tape as a drill does, with the watch alone in the flow, and looks at every trigger whenever anything
// could have changed. It holds the drill itself to the same gaps and the same firings of tier 3.
func observe(t *testing.T, p *plan.Plan, table *tape.Tape) *witness {
	t.Helper()
	w := &witness{}
	parts := drill.Heard(p, table, nil, table.Instants[0].At)
	parts.Journal = w
	system, err := app.Build(parts)
	if err != nil {
		t.Fatal(err)
	}
	flow := system.Flow
	flow.Stages = []lifeboat.Stage{system.Watch}
	look := func(at time.Time) {
		value, _ := system.Signals.PortfolioValue(at)
		w.moments = append(w.moments, moment{at, system.Watch.Status(at), value})
	}
	guarded, _ := guard.Tape(table, drill.Bands(p, table, nil))
	now := table.Instants[0].At
	if err := flow.Begin(now, app.Loaded(p, "drill")); err != nil {
		t.Fatal(err)
	}
	for _, in := range guarded.Instants {
		for due := flow.Due(); due.After(now) && due.Before(in.At); due = flow.Due() {
			if err := flow.Advance(t.Context(), due); err != nil {
				t.Fatal(err)
			}
			look(due)
			now = due
		}
		if err := flow.Take(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		look(in.At)
		now = in.At
	}
	w.sameAsTheDrill(t, p, table)
	return w
}

// sameAsTheDrill rehearses the plan on the tape: with orders and people in the flow, too, the same is told of the same
// silences and emergencies, up to the first order, which changes what is held.
func (w *witness) sameAsTheDrill(t *testing.T, p *plan.Plan, table *tape.Tape) {
	t.Helper()
	r, err := drill.Rehearse(t.Context(), drill.Options{Plan: p, Tape: table, From: table.Instants[0].At, To: table.Instants[len(table.Instants)-1].At, Journal: journal.Memory()})
	if err != nil {
		t.Fatal(err)
	}
	until := table.Instants[len(table.Instants)-1].At
	if len(r.Orders) > 0 {
		until = r.Orders[0].Time
	}
	var drilled, seen []string
	for _, g := range r.Gaps {
		if g.Since.After(until) {
			continue
		}
		drilled = append(drilled, fmt.Sprintf("%s since %s blinds %q", g.Series, g.Since.Format(time.RFC3339), g.Triggers))
	}
	for _, f := range r.Firings {
		if f.Tier == lifeboat.Emergency && !f.Time.After(until) {
			drilled = append(drilled, fmt.Sprintf("%s %s %s", f.Time.Format(time.RFC3339), f.State, f.Trigger))
		}
	}
	for _, g := range w.gaps {
		if g.event.State == lifeboat.GapOpened && !g.event.Since.After(until) {
			seen = append(seen, fmt.Sprintf("%s since %s blinds %q", g.event.Series, g.event.Since.Format(time.RFC3339), g.event.Triggers))
		}
	}
	for _, line := range w.emergencies("") {
		if line[:len("2006-01-02T15:04:05Z")] <= until.Format(time.RFC3339) {
			seen = append(seen, line)
		}
	}
	if !slices.Equal(drilled, seen) {
		t.Errorf("the drill told\n%s\nthe watch alone\n%s", strings.Join(drilled, "\n"), strings.Join(seen, "\n"))
	}
}

// emergencies are the firings and clearings of tier 3, of triggers whose names begin so.
func (w *witness) emergencies(prefix string) (lines []string) {
	for _, f := range w.firings {
		if f.event.Tier == lifeboat.Emergency && strings.HasPrefix(f.event.Trigger, prefix) {
			lines = append(lines, fmt.Sprintf("%s %s %s", f.at.Format(time.RFC3339), f.event.State, f.event.Trigger))
		}
	}
	return lines
}

// A silence lasts from the last reading that counts to the next one; until is zero when there is none any more.
type silence struct{ since, until time.Time }

// staleGrace is what is added to the time after which a reading is stale, which it is behind that time and not at it.
const staleGrace = time.Second

// heldBlind holds that a silence was told within the time after which the series is stale, with the triggers it blinds,
// was ended by nothing but data, and that none of these triggers was called calm, holding or cooling meanwhile. One
// that had fired before stays fired and says what is missing.
func (w *witness) heldBlind(t *testing.T, series lifeboat.Series, stale time.Duration, s silence, blinded ...string) {
	t.Helper()
	i := slices.IndexFunc(w.gaps, func(g told[lifeboat.Gap]) bool {
		return g.event.Series == series && g.event.State == lifeboat.GapOpened && g.event.Since.Equal(s.since)
	})
	if i < 0 {
		t.Errorf("%s fell silent at %s, and no gap was opened", series, s.since)
		return
	}
	opened := w.gaps[i]
	if late := opened.at.Sub(s.since); late > stale+staleGrace {
		t.Errorf("the gap of %s since %s was told after %s, stale after %s", series, s.since, late, stale)
	}
	for _, name := range blinded {
		if !slices.Contains(opened.event.Triggers, name) {
			t.Errorf("the gap of %s since %s names %q and not %q", series, s.since, opened.event.Triggers, name)
		}
	}
	closed := slices.IndexFunc(w.gaps[i:], func(g told[lifeboat.Gap]) bool {
		return g.event.Series == series && g.event.State == lifeboat.GapClosed
	})
	switch {
	case s.until.IsZero() && closed >= 0:
		t.Errorf("the gap of %s since %s was closed at %s, without data", series, s.since, w.gaps[i+closed].at)
	case !s.until.IsZero() && (closed < 0 || !w.gaps[i+closed].at.Equal(s.until)):
		t.Errorf("the gap of %s since %s was not closed at %s, when data came back", series, s.since, s.until)
	}
	looks := 0
	for _, m := range w.moments {
		if m.at.Before(s.since.Add(stale+staleGrace)) || !s.until.IsZero() && !m.at.Before(s.until) {
			continue
		}
		looks++
		for _, state := range m.states {
			known := state.Phase != trigger.NoData && !(state.Phase == trigger.Fired && slices.Contains(state.Missing, series))
			if slices.Contains(blinded, state.Trigger) && known {
				t.Errorf("at %s, without %s since %s, %q is called %s", m.at, series, s.since, state.Trigger, state.Phase)
				return
			}
		}
	}
	if looks == 0 {
		t.Errorf("nobody looked between %s and %s", s.since, s.until)
	}
}

// named holds that every gap of a series names a trigger.
func (w *witness) named(t *testing.T, series lifeboat.Series, trigger string) {
	t.Helper()
	for _, g := range w.gaps {
		if g.event.Series == series && !slices.Contains(g.event.Triggers, trigger) {
			t.Errorf("at %s the gap of %s is %s and names %q, not %q", g.at, series, g.event.State, g.event.Triggers, trigger)
		}
	}
}

// phase of a trigger at the last look not after a time.
func (w *witness) phase(name string, at time.Time) trigger.Phase {
	phase := trigger.Phase("unknown")
	for _, m := range w.moments {
		for _, s := range m.states {
			if s.Trigger == name && !m.at.After(at) {
				phase = s.Phase
			}
		}
	}
	return phase
}

// sameAs compares two witnesses moment by moment: phases, figures and the portfolio's value. Moments that only one of
// them has are left out, and so are those that are excepted.
func (w *witness) sameAs(t *testing.T, other *witness, except func(time.Time) bool) {
	t.Helper()
	of := map[time.Time]moment{}
	for _, m := range other.moments {
		of[m.at] = m
	}
	compared := 0
	for _, m := range w.moments {
		o, both := of[m.at]
		if !both || except(m.at) {
			continue
		}
		compared++
		if a, b := fmt.Sprint(m.states, m.value), fmt.Sprint(o.states, o.value); a != b {
			t.Errorf("at %s\n%s\nwithout the fault\n%s", m.at, a, b)
			return
		}
	}
	if compared < len(other.moments)/2 {
		t.Errorf("only %d of %d moments could be compared", compared, len(other.moments))
	}
}

// planWith is an example's plan with more holdings and triggers, written into its files as an owner would.
func planWith(t *testing.T, example string, table *tape.Tape, holdings, triggers string) *plan.Plan {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("../examples", example))); err != nil {
		t.Fatal(err)
	}
	page := "triggers.yaml"
	if _, err := os.Stat(filepath.Join(dir, page)); err != nil {
		page = "tiers.yaml" // the brokerage's other triggers are JSON
	}
	for name, more := range map[string]string{"portfolio.yaml": holdings, page: triggers} {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// Holdings and triggers are the last list of their files.
		if err := os.WriteFile(path, []byte(string(text)+"\n"+more), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := app.LoadPlan(dir, table.Names()...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// dirty reads a cut of testdata/dirty; what it shows stands in NOTICE.md there.
func dirty(t *testing.T, name string, calendar *session.Calendar) *tape.Tape {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata/dirty", name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	table, err := tape.Read(name, file, tape.Options{Calendar: calendar})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// reread makes a tape of text, in the place of one that was published.
func reread(t *testing.T, name, text string, calendar *session.Calendar) *tape.Tape {
	t.Helper()
	table, err := tape.Read(name, strings.NewReader(text), tape.Options{Calendar: calendar})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// merge lays tapes over each other.
func merge(t *testing.T, tapes ...*tape.Tape) *tape.Tape {
	t.Helper()
	merged, err := tape.Merge(tapes...)
	if err != nil {
		t.Fatal(err)
	}
	return merged
}

// changed is a tape with other readings: change returns false for a reading that goes.
func changed(table *tape.Tape, change func(at time.Time, r *lifeboat.Reading) bool) *tape.Tape {
	other := *table
	other.Instants = nil
	for _, in := range table.Instants {
		var kept []lifeboat.Reading
		for _, r := range in.Readings {
			if change(in.At, &r) {
				kept = append(kept, r)
			}
		}
		if len(kept) > 0 {
			other.Instants = append(other.Instants, lifeboat.Instant{At: in.At, Readings: kept})
		}
	}
	return other.Between(time.Time{}, time.Time{})
}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err) // written in the test
	}
	return t
}
