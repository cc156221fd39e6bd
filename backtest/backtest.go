// Package backtest tells what a plan's triggers are worth: it plays past disasters, and the calm years between them,
// through the same watch as the daemon's and measures every trigger.
//
// [Run] takes scenes – scenarios of the library or the owner's own history – and for each of them plays the watch alone
// ([Play]) for what fires and how long before the point of no return; rehearses the plan (package drill) for the money,
// once as it is and once with each trigger alone; puts one bad value into every series that a trigger reads; moves
// every threshold; and cuts the history off at every firing to prove that nothing of the future was known. [Compare]
// holds two plans against each other. The same input gives the same result, byte for byte.
//
// A play of the watch alone holds what the plan registers from beginning to end: it says what would have fired had
// nobody sold. What acting on it was worth is the rehearsal's to say. Neither knows taxes, or a market that moves because
// everybody leaves at once, and a disaster of the past is not the next one.
package backtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/drill"
	"lifeboat/drill/scenario"
	"lifeboat/plan"
	"lifeboat/watch/feed/tape"
)

// Options of a backtest.
type Options struct {
	Plan   *plan.Plan
	Scenes []Scene
	// Skipped scenarios, to be told in the result.
	Skipped []Skipped
	// Progress is told how much of the work is done, from 0 to 1; nil when nobody looks.
	Progress func(share float64, what string)
}

// Scene is one history to be played.
type Scene struct {
	Name, Title string
	Scenario    *scenario.Scenario // nil for the owner's own history
	Record      Record
	// Tape is the same history in memory, for the rehearsal; nil when it is too long, and no money is told then.
	Tape *tape.Tape
	// Parts of the watch: the plan is put in by Run.
	Parts    app.Parts
	From, To time.Time
	Cast     map[string]string // :: the scenario's symbol → the plan's
	// Adjusted are series whose past prices were changed for splits or dividends after the fact.
	Adjusted []lifeboat.Series
}

// SceneOf a scenario, cast as the plan's drills say. The reason why not is "" when it says something about the plan.
func SceneOf(p *plan.Plan, s scenario.Scenario) (scene Scene, whyNot string, err error) {
	t, err := drill.TapeOf(s)
	if err != nil {
		return Scene{}, "", err
	}
	cast := drill.Cast(p, &s)
	t = t.Rename(cast)
	currency := func(symbol string) bool { return symbol == p.Portfolio.BaseCurrency }
	held := slices.DeleteFunc(slices.Clone(p.Symbols()), currency)
	if !slices.ContainsFunc(held, func(symbol string) bool { return slices.Contains(t.Names(), symbol) }) {
		return Scene{}, "it prices nothing of what the plan holds", nil
	}
	return Scene{
		Name: s.Name, Title: s.Title, Scenario: &s, Record: OfTape(t), Tape: t, Cast: cast,
		Parts: drill.Heard(p, t, &s, s.From), From: s.From, To: s.To,
	}, "", nil
}

// ownHistory is what the owner's own history is called as a play.
const ownHistory = "history"

// SceneOfHistory is the owner's own history.
func SceneOfHistory(p *plan.Plan, t *tape.Tape, from, to time.Time) Scene {
	return Scene{Name: ownHistory, Title: "The owner's own history", Record: OfTape(t), Tape: t, Parts: drill.Heard(p, t, nil, from), From: from, To: to}
}

// with another plan, for the same history.
func (s Scene) with(p *plan.Plan, from time.Time) app.Parts {
	parts := s.Parts
	parts.Plan, parts.From = p, from
	return parts
}

// Run plays every scene and measures. When ctx ends it returns what was found until then, marked as partial, beside the
// error.
func Run(ctx context.Context, o Options) (Result, error) {
	r := Result{
		Plan: o.Plan.Portfolio.Name, PlanHash: o.Plan.Hash(), Currency: o.Plan.Portfolio.BaseCurrency, First: []Remark{},
		Plays: []Played{}, Triggers: []Trigger{}, Skipped: append([]Skipped{}, o.Skipped...), Warnings: []string{},
	}
	var calm calmTime
	var err error
	for i, scene := range o.Scenes {
		t := &trial{Options: o, scene: scene, calm: &calm, share: func(share float64, what string) {
			if o.Progress != nil {
				o.Progress((float64(i)+share)/float64(len(o.Scenes)), scene.Name+": "+what)
			}
		}}
		err = t.run(ctx)
		if t.begun {
			r.Plays = append(r.Plays, t.played)
			r.warn(scene.Name, t.warnings)
			r.First = append(r.First, t.levels...)
		}
		if err != nil {
			break
		}
	}
	if err != nil && ctx.Err() == nil {
		return Result{}, err
	}
	r.Partial = err != nil
	if r.Partial {
		r.skipTheRest(o.Scenes)
	}
	r.sum(o.Plan, calm)
	r.judge(o.Plan)
	return r, err
}

// warn of something once, however many scenes have it.
func (r *Result) warn(scene string, warnings []string) {
	for _, w := range warnings {
		if text := scene + ": " + w; !slices.Contains(r.Warnings, text) {
			r.Warnings = append(r.Warnings, text)
		}
	}
}

func (r *Result) skipTheRest(scenes []Scene) {
	for _, s := range scenes {
		if !slices.ContainsFunc(r.Plays, func(p Played) bool { return p.Name == s.Name }) {
			r.Skipped = append(r.Skipped, Skipped{s.Name, "the backtest was stopped before"})
		}
	}
}

// A trial is one scene under way.
type trial struct {
	Options
	scene    Scene
	calm     *calmTime
	share    func(share float64, what string)
	played   Played
	begun    bool
	log      Log // of the watch alone
	readers  []reader
	warnings []string
	levels   []Remark // on prices that were adjusted after the fact
}

// samples is at how many instants of a play it is noted how the triggers stood, for the charts and for how near a
// condition came: at all of them up to three times so many, which is 24 years of days. With many triggers it is fewer, as
// a sample looks at every one.
func (t *trial) samples() int {
	const most, least, all = 4000, 400, 100_000
	return min(max(all/(1+len(t.Plan.Triggers)), least), most)
}

// run goes from what matters most to the checks, so that who stops it has the former.
func (t *trial) run(ctx context.Context) error {
	var err error
	if t.readers, err = readers(t.Plan, t.scene.Parts); err != nil {
		return err
	}
	t.share(0, "what fires")
	t.log, err = t.first(ctx)
	if err != nil && ctx.Err() == nil {
		return err
	}
	if t.log.Last.Before(t.scene.From) { // stopped while the windows warmed up
		return err
	}
	t.begun = true
	t.describe(err != nil)
	if err != nil {
		return err
	}
	for _, stage := range []struct {
		share float64
		what  string
		run   func(context.Context) error
	}{{0.3, "what it was worth", t.money}, {0.4, "calm times", t.quiet}, {0.5, "other thresholds", t.vary},
		{0.6, "one bad value", t.spoil}, {0.8, "looking ahead", t.cut}} {
		if stage.share >= 0.6 && t.log.Instants > t.checkedMax() && !t.played.Checked.After(t.scene.From) {
			t.warnings = append(t.warnings, fmt.Sprintf("%s was not checked: the first %d instants of the history are all warm-up; begin the history later, or --from earlier", stage.what, t.checkedMax()))
			continue
		}
		t.share(stage.share, stage.what)
		if err := stage.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// first plays what all else is held against.
func (t *trial) first(ctx context.Context) (Log, error) {
	source, err := t.scene.Record.Open(ctx, time.Time{})
	if err != nil {
		return Log{}, fmt.Errorf("open the history: %w", err)
	}
	return Play(ctx, Setting{
		Parts: t.scene.with(t.Plan, t.scene.From), Source: source, To: t.scene.To, Samples: t.samples(),
		Marks: []int{t.checkedMax(), t.variedMax()}, Look: t.between(0, 0.3, "what fires"),
	})
}

// work is how many evaluations of a rule, and readings taken in, a kind of check may cost: a second or two on one core.
const work = 40_000_000

// checkedMax is how many instants bad values and cuts are tried on: 100,000, or fewer where that would be too much work.
func (t *trial) checkedMax() int {
	const most, least = 100_000, 2_000
	sources := 0
	for _, names := range t.scene.Parts.Sources {
		sources += len(names)
	}
	plays := len(bad)*min(sources, channelsMax) + cutsEven + cutsFired
	return min(max(work/(plays*(len(t.Plan.Triggers)+sources)), least), most)
}

// variedMax is how many instants other thresholds are tried on.
func (t *trial) variedMax() int {
	const least = 10_000
	return max(2*work/(1+len(t.variations())), least)
}

// play opens the record and plays it.
func (t *trial) play(ctx context.Context, parts app.Parts, to time.Time, look func(time.Time)) (Log, error) {
	source, err := t.scene.Record.Open(ctx, time.Time{})
	if err != nil {
		return Log{}, fmt.Errorf("open the history: %w", err)
	}
	return Play(ctx, Setting{Parts: parts, Source: source, To: to, Look: look})
}

// between turns the time reached into a share of the work.
func (t *trial) between(low, high float64, what string) func(time.Time) {
	return func(at time.Time) {
		if all := t.scene.To.Sub(t.scene.From); all > 0 && at.After(t.scene.From) {
			t.share(low+(high-low)*float64(at.Sub(t.scene.From))/float64(all), what)
		}
	}
}

// describe fills in what the watch alone said.
func (t *trial) describe(stopped bool) {
	p := Played{
		Name: t.scene.Name, Title: t.scene.Title, Kind: "history", From: t.scene.From, To: t.scene.To, Checked: t.log.Marks[0], Varied: t.log.Marks[1],
		Firings: []Firing{}, Gaps: []Gap{}, Cells: []Cell{}, Episodes: []Episode{}, Ahead: Ahead{Broken: []string{}},
		Instants: t.log.Instants, Samples: t.log.Samples, Thinned: t.log.Thinned,
	}
	if t.scene.Scenario != nil {
		p.Kind = string(t.scene.Scenario.Kind)
	}
	if stopped {
		p.To = t.log.Last
	}
	p.Episodes = append(p.Episodes, episodes(t.scene, p.To)...)
	for _, f := range t.log.Firings {
		p.Firings = append(p.Firings, Firing{f.At, f.Event.Trigger, f.Event.Tier, f.Event.State, f.Event.Values, f.Event.Sources})
	}
	for _, g := range t.log.Gaps {
		p.Gaps = append(p.Gaps, Gap{g.At, g.Event.Series, g.Event.State, append([]string{}, g.Event.Triggers...)})
	}
	for i, tr := range t.Plan.Triggers {
		own := t.log.of(tr.Name)
		p.Cells = append(p.Cells, Cell{
			Trigger: tr.Name, Concern: t.readers[i].any(slices.Collect(maps.Keys(t.scene.Parts.Sources))), Fired: fired(own),
			Reads: append([]lifeboat.Series{}, t.readers[i].symbols...), Whole: t.readers[i].whole, Seen: t.log.seen(i, t.scene.From, p.To), Leads: t.leads(i, own, p.Episodes), Ticks: []Tick{}, Variants: []Variant{},
		})
	}
	t.warnings, t.levels = t.log.Warnings, t.adjusted()
	if t.scene.Tape != nil {
		t.warnings = slices.Concat(t.warnings, t.aboutWhatIsRead(t.scene.Tape.Warnings))
	}
	t.played = p
}

func fired(own []Told[lifeboat.Firing]) int {
	n := 0
	for _, f := range own {
		if f.Event.State == lifeboat.Fired {
			n++
		}
	}
	return n
}

// seen is the share of the samples between two times at which a trigger's condition was known; 0 without a sample.
func (l Log) seen(trigger int, from, to time.Time) float64 {
	known, all := 0, 0
	for _, s := range l.Samples {
		if s.At.Before(from) || s.At.After(to) {
			continue
		}
		all++
		if s.States[trigger].Why == "" {
			known++
		}
	}
	if all == 0 {
		return 0
	}
	return float64(known) / float64(all)
}

// aboutWhatIsRead are the warnings of a tape that name a series which is held or which a trigger reads.
func (t *trial) aboutWhatIsRead(warnings []string) []string {
	var kept []string
	for _, w := range warnings {
		symbol, _, _ := strings.Cut(strings.Fields(w + " .")[0], "@")
		read := slices.ContainsFunc(t.readers, func(r reader) bool { return slices.Contains(r.symbols, lifeboat.Series(symbol)) })
		if read || slices.Contains(t.Plan.Symbols(), symbol) {
			kept = append(kept, w)
		}
	}
	return kept
}
