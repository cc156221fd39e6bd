// Package drill rehearses a disaster: it plays a tape of prices through the very same flow as the daemon, on virtual
// time, with a simulated broker and simulated people, and measures what the plan would have done.
//
// [Rehearse] moves a clock from event to event – the next instant of the tape, the next time-out of a run, the next answer
// of a person – so that a year takes a moment and the same tape gives the same journal, byte for byte.
//
// It does not judge the plan and writes no files: report turns a [Result] into what people read.
package drill

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/paper"
	"lifeboat/act/withdraw"
	"lifeboat/app"
	"lifeboat/drill/scenario"
	"lifeboat/plan"
	"lifeboat/session"
	"lifeboat/watch/feed/tape"
)

// Options of one drill.
type Options struct {
	Plan     *plan.Plan
	Tape     *tape.Tape
	From, To time.Time // what is drilled; earlier instants of the tape warm the signals up
	// Scenario the tape belongs to; nil for the owner's own history.
	Scenario *scenario.Scenario
	// Journal keeps what happened; its digest names the drill's history.
	Journal Journal
}

// Journal of a drill.
type Journal interface {
	lifeboat.Journal
	Digest() string
}

// Rehearse plays the tape and measures.
func Rehearse(ctx context.Context, o Options) (Result, error) {
	d, err := newRehearsal(o)
	if err != nil {
		return Result{}, err
	}
	if err := d.play(ctx); err != nil {
		return Result{}, err
	}
	return d.measure(), nil
}

// A rehearsal is one drill under way.
type rehearsal struct {
	Options
	*app.System
	tape   []lifeboat.Instant
	doubts []string // what of the tape is suspect
	venues []*paper.Venue
	people *people
	story  *story
	curve  []Point
	start  []lifeboat.Position // what was held before anything happened
	first  map[string]float64  // :: symbol → its first good price on the tape
	now    time.Time
}

func newRehearsal(o Options) (*rehearsal, error) {
	d := &rehearsal{Options: o, people: &people{plan: o.Plan}, story: &story{journal: o.Journal}, start: app.Positions(o.Plan)}
	d.tape, d.doubts = judged(o)
	d.first = firstPrices(d.tape)
	traders := map[string]venue.Venue{}
	for _, account := range o.Plan.Accounts {
		if !o.Plan.Tradable(account.Name) {
			continue
		}
		v, err := paper.New(app.PaperAccount(o.Plan, account.Name, calendarOf(o.Tape)))
		if err != nil {
			return nil, fmt.Errorf("open the simulated account %s: %w", account.Name, err)
		}
		d.venues = append(d.venues, v)
		traders[account.Name] = v
	}
	parts := Heard(o.Plan, o.Tape, o.Scenario, o.From)
	desk := venue.NewDesk(traders, d.people)
	d.exits(desk)
	d.withdrawals(desk)
	parts.Plan, parts.Journal, parts.Hands = o.Plan.Simulated(), d.story, desk
	system, err := app.Build(parts)
	d.System = system
	return d, err
}

// withdrawals lets the desk rehearse them: nothing leaves a simulated account.
func (d *rehearsal) withdrawals(desk *venue.Desk) {
	held := func(account string) []lifeboat.Position {
		for _, v := range d.venues {
			if v.Account() == account {
				return v.Positions()
			}
		}
		return nil
	}
	rehearsed := withdraw.NewRehearsal(d.Options.Plan, held, func(account string) []venue.Address { return app.OwnAddresses(d.Options.Plan, account) })
	desk.Perform(withdraw.Planning, rehearsed)
	desk.Perform(withdraw.Applying, rehearsed)
}

// play moves from event to event until the tape ends.
func (d *rehearsal) play(ctx context.Context) error {
	if len(d.tape) == 0 {
		return fmt.Errorf("the tape is empty")
	}
	if err := d.Flow.Begin(d.tape[0].At, app.Loaded(d.Options.Plan, "drill")); err != nil {
		return err
	}
	for len(d.tape) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := d.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// step takes the earliest of what comes next. At one time, prices come before people and people before timers.
func (d *rehearsal) step(ctx context.Context) error {
	next := d.tape[0].At
	if due := d.people.due(); !due.IsZero() && due.Before(next) {
		next = due
	}
	if due := d.Flow.Due(); due.After(d.now) && due.Before(next) { // what was due until now had its turn
		next = due
	}
	d.now = next
	if d.tape[0].At.Equal(next) {
		if err := d.show(ctx); err != nil {
			return err
		}
	}
	for _, answer := range d.people.take(next) {
		if err := d.Flow.Tell(ctx, next, answer); err != nil {
			return err
		}
	}
	return d.Flow.Advance(ctx, next)
}

// show lets the venues and then the flow see the next instant.
func (d *rehearsal) show(ctx context.Context) error {
	instant := d.tape[0]
	d.tape = d.tape[1:]
	for _, v := range d.venues {
		if err := v.Show(instant); err != nil {
			return err
		}
	}
	if err := d.Flow.Take(ctx, instant); err != nil {
		return err
	}
	if !instant.At.Before(d.From) && prices(instant) {
		d.curve = append(d.curve, Point{At: instant.At, Protected: d.worth(d.Book.Positions()), Unprotected: d.worth(d.start)})
	}
	return nil
}

// worth values positions at the latest prices. What the tape prices only later counts at its first price, or a curve
// would begin with a gain that nobody made.
func (d *rehearsal) worth(positions []lifeboat.Position) float64 {
	total := 0.0
	for _, p := range positions {
		price, _, quality := d.Signals.Price(p.Symbol, d.now)
		if quality == lifeboat.None {
			price = d.first[p.Symbol]
		}
		total += price * p.Quantity.InexactFloat64()
	}
	return total
}

func firstPrices(instants []lifeboat.Instant) map[string]float64 {
	first := map[string]float64{}
	for _, in := range instants {
		for _, r := range in.Readings {
			if _, known := first[string(r.Series)]; !known && r.Quality == lifeboat.Good {
				first[string(r.Series)] = r.Value
			}
		}
	}
	return first
}

// prices reports whether the instant ends a bar; an opening alone does not.
func prices(in lifeboat.Instant) bool {
	return slices.ContainsFunc(in.Readings, func(r lifeboat.Reading) bool {
		_, column := r.Series.Column()
		return column == ""
	})
}

func sources(t *tape.Tape) map[lifeboat.Series][]string {
	all := map[lifeboat.Series][]string{}
	for _, s := range t.Series {
		all[s.Name] = s.Sources
	}
	return all
}

// ownCalendars of series that were brought by files of another calendar than the whole: shares beside coins.
func ownCalendars(t *tape.Tape) map[string]*session.Calendar {
	own := map[string]*session.Calendar{}
	for _, s := range t.Series {
		if s.Calendar != nil && s.Calendar != t.Calendar {
			own[string(s.Name)] = s.Calendar
		}
	}
	return own
}

// staleAfter calls a series of a tape stale when it misses a bar: half as long again as its own pace, which is the
// tape's unless the scenario knows better.
func staleAfter(o Options) func(lifeboat.Series, string) time.Duration {
	pace := map[lifeboat.Series]time.Duration{}
	for _, s := range o.Tape.Series {
		pace[s.Name] = s.Cadence
	}
	if o.Scenario != nil {
		maps.Copy(pace, o.Scenario.Every)
	}
	return func(s lifeboat.Series, _ string) time.Duration {
		symbol, _ := s.Column()
		return pace[lifeboat.Series(symbol)] * 3 / 2
	}
}

// story passes events on to the journal and keeps them for the report.
type story struct {
	journal Journal
	told    []event
}

type event struct {
	at time.Time
	lifeboat.Event
}

func (s *story) Append(at time.Time, events ...lifeboat.Event) error {
	if err := s.journal.Append(at, events...); err != nil {
		return err
	}
	for _, e := range events {
		if _, reading := e.(lifeboat.Instant); !reading {
			s.told = append(s.told, event{at, e})
		}
	}
	return nil
}

// budget of a run in seconds, out of its pinned playbook; 0 when it has none.
func budget(content json.RawMessage) float64 {
	pinned, err := plan.Unpin(content)
	if err != nil {
		return 0
	}
	return time.Duration(pinned.Playbook.RTO).Seconds()
}

// Cast says which series of the scenario play which of the plan's: what the plan's drills name for it.
func Cast(p *plan.Plan, s *scenario.Scenario) map[string]string {
	if s == nil {
		return nil
	}
	for _, planned := range p.Drills {
		if planned.Scenario == s.Name && len(planned.Cast) > 0 {
			return planned.Cast
		}
	}
	return nil
}

// TapeOf reads a scenario's table.
func TapeOf(s scenario.Scenario) (*tape.Tape, error) {
	calendar, err := session.ByName(s.Calendar)
	if err != nil {
		return nil, err
	}
	levels := map[string]bool{}
	for _, series := range s.Levels {
		levels[string(series)] = true
	}
	return tape.Read(s.Name+"/tape.csv", bytes.NewReader(s.Tape()), tape.Options{Calendar: calendar, Levels: levels})
}
