package backtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/plan"
	"lifeboat/watch/feed/guard"
	"lifeboat/watch/feed/tape"
	"lifeboat/watch/trigger"
)

// Source hands out instants in the order of time. The readings of an instant may be used again for the next one.
type Source interface {
	Next() (lifeboat.Instant, bool)
}

// Record is history that can be played any number of times.
type Record interface {
	// Open begins anew. Nothing that happened after until may reach the source, not even by way of a figure that was
	// worked out from all of the history; the zero time is no bound.
	Open(ctx context.Context, until time.Time) (Source, error)
}

// OfTape is a tape as a record.
func OfTape(t *tape.Tape) Record { return taped{t} }

type taped struct{ tape *tape.Tape }

func (t taped) Open(_ context.Context, until time.Time) (Source, error) {
	instants := t.tape.Instants
	if !until.IsZero() {
		n, _ := slices.BinarySearchFunc(instants, until, func(in lifeboat.Instant, at time.Time) int {
			if in.At.After(at) {
				return 1
			}
			return -1
		})
		instants = instants[:n]
	}
	return &reel{instants}, nil
}

type reel struct{ rest []lifeboat.Instant }

func (r *reel) Next() (lifeboat.Instant, bool) {
	if len(r.rest) == 0 {
		return lifeboat.Instant{}, false
	}
	in := r.rest[0]
	r.rest = r.rest[1:]
	return in, true
}

// Told is an event with the time at which the watch told it.
type Told[E any] struct {
	At    time.Time
	Event E
}

// Log is what the watch said of a history.
type Log struct {
	Firings  []Told[lifeboat.Firing]
	Known    []time.Time // of each firing, the instant by which it was told: its own, or the next one after a wake
	Gaps     []Told[lifeboat.Gap]
	Samples  []Sample // in the order of time; empty when none were asked for
	Instants int
	Last     time.Time   // the last instant that was played
	Marks    []time.Time // of each of the setting's marks, the time of that many instants, or of the last if there are fewer
	Thinned  bool        // there were more instants than samples
	Warnings []string
}

// Sample is how the triggers stood at one time.
type Sample struct {
	At     time.Time
	States []trigger.State
	Value  float64            // of the portfolio as it was registered; 0 when too little of it has a price
	Prices map[string]float64 // :: symbol → latest good price
}

// Limits of one play.
const (
	roundsMax    = 10_000  // of news at one instant, as in the flow
	firingsMax   = 200_000 // a trigger that flutters is told long before
	betweenLooks = 1024    // instants between two looks at whether somebody wants to stop
)

// Setting of one play.
type Setting struct {
	// Parts say what brings the history. Nothing fires before Parts.From; what comes earlier warms the windows up.
	Parts  app.Parts
	Source Source
	To     time.Time // the last instant that is played; zero plays all
	// Samples is at how many instants at least it notes how every trigger stood, if there are so many; 0 for none.
	Samples int
	// Marks are numbers of instants whose times the log shall tell.
	Marks []int
	// Look is called now and then with the time that was reached; nil when nobody wants to know.
	Look func(at time.Time)
}

// Play lets the watch alone see a history: signals and triggers of the plan, nobody who decides or trades, so that what
// fires does not depend on what an earlier firing sold. Readings pass a guard as live ones do, and the watch is woken
// between instants exactly as the flow is. When ctx ends it returns what was told until then beside the error.
func Play(ctx context.Context, s Setting) (Log, error) {
	system, err := app.Build(s.Parts)
	if err != nil {
		return Log{}, err
	}
	bands := s.Parts.Bands
	if bands == nil {
		bands = guard.Feeds(s.Parts.Plan.Feeds)
	}
	p := &play{System: system, Setting: s, stride: 1}
	p.log.Warnings, p.log.Marks = system.Watch.Warnings(), make([]time.Time, len(s.Marks))
	err = p.run(ctx, guard.New(bands))
	return p.log, err
}

// A play under way.
type play struct {
	*app.System
	Setting
	stride int // instants from one sample to the next
	until  int // the next sample
	now    time.Time
	coming time.Time // the instant before which it wakes
	log    Log
}

func (p *play) run(ctx context.Context, guard *guard.Guard) error {
	history := readAhead(ctx, p.Source, guard, p.To)
	defer history.close()
	for {
		in, more := history.next()
		if !more {
			if err := ctx.Err(); err != nil {
				return err
			}
			return errOf(p.Source)
		}
		if p.log.Instants%betweenLooks == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if p.Look != nil {
				p.Look(in.At)
			}
		}
		if err := p.show(in); err != nil {
			return err
		}
	}
}

// errOf a source that can fail, as one that reads files can.
func errOf(s Source) error {
	if failing, can := s.(interface{ Err() error }); can {
		return failing.Err()
	}
	return nil
}

func (p *play) show(in lifeboat.Instant) error {
	if p.log.Instants == 0 {
		loaded := app.Loaded(p.Parts.Plan, "backtest")
		p.now = in.At
		p.Book.Apply(in.At, loaded)
		p.Watch.Apply(in.At, loaded)
	} else if in.At.Before(p.now) {
		return fmt.Errorf("the history goes back from %s to %s", p.now.Format(time.RFC3339), in.At.Format(time.RFC3339))
	}
	p.coming = in.At
	for {
		due := p.Watch.Due()
		if !due.After(p.now) || !due.Before(in.At) {
			break
		}
		if err := p.rest(due); err != nil {
			return err
		}
	}
	p.log.Instants++
	p.log.Last = in.At
	for i, mark := range p.Marks {
		if p.log.Instants <= mark {
			p.log.Marks[i] = in.At
		}
	}
	p.Watch.Apply(in.At, in)
	if err := p.rest(in.At); err != nil {
		return err
	}
	if p.Samples > 0 && !in.At.Before(p.Parts.From) {
		if p.until--; p.until < 0 {
			p.take(in.At)
		}
	}
	return nil
}

// rest lets the watch speak until it has no news.
func (p *play) rest(at time.Time) error {
	p.now = at
	for range roundsMax {
		events := p.Watch.Next(at)
		if len(events) == 0 {
			return nil
		}
		for _, e := range events {
			p.Book.Apply(at, e)
			p.Watch.Apply(at, e)
			p.note(at, e)
		}
		if len(p.log.Firings) > firingsMax {
			return &lifeboat.Problem{Reason: "tape-invalid", What: fmt.Sprintf("the triggers fired and cleared more than %d times until %s", firingsMax, at.Format(time.DateOnly)),
				Money: "a backtest moves no money", Next: "give the triggers that flutter a for, a clear or a cooldown"}
		}
	}
	return fmt.Errorf("the watch did not come to rest at %s", at.Format(time.RFC3339))
}

func (p *play) note(at time.Time, e lifeboat.Event) {
	switch e := e.(type) {
	case lifeboat.Firing:
		p.log.Firings = append(p.log.Firings, Told[lifeboat.Firing]{at, e})
		p.log.Known = append(p.log.Known, p.coming)
		p.until = 0 // a chart shows the moment itself
	case lifeboat.Gap:
		p.log.Gaps = append(p.log.Gaps, Told[lifeboat.Gap]{at, e})
	}
}

func (p *play) take(at time.Time) {
	s := Sample{At: at, States: p.Watch.Status(at), Prices: map[string]float64{}}
	if value, known := p.Signals.PortfolioValue(at); known {
		s.Value = value
	}
	for series := range p.Parts.Sources {
		symbol, _ := series.Column()
		if price, _, quality := p.Signals.Price(symbol, at); quality == lifeboat.Good {
			s.Prices[symbol] = price
		}
	}
	p.log.Samples = append(p.log.Samples, s)
	if len(p.log.Samples) >= thinned*p.Samples {
		p.thin()
	}
	p.until = p.stride - 1
}

// thinned is how many times the samples asked for are taken before two of three are dropped. It is odd, because a day has
// two instants, its opening and its close, and an even stride would see only one of them.
const thinned = 3

func (p *play) thin() {
	kept := p.log.Samples[:0]
	for i := 0; i < len(p.log.Samples); i += thinned {
		kept = append(kept, p.log.Samples[i])
	}
	clear(p.log.Samples[len(kept):])
	p.log.Samples, p.log.Thinned = kept, true
	p.stride *= thinned
}

// only is the plan with other triggers. Nobody writes to what the two share.
func only(p *plan.Plan, triggers []plan.Trigger) *plan.Plan {
	other := *p
	other.Triggers = triggers
	return &other
}

// of keeps the firings of one trigger.
func (l Log) of(name string) []Told[lifeboat.Firing] {
	var own []Told[lifeboat.Firing]
	for _, f := range l.Firings {
		if f.Event.Trigger == name {
			own = append(own, f)
		}
	}
	return own
}

// line is a firing in one line that tells everything that two plays must agree on.
func line(f Told[lifeboat.Firing]) string {
	return fmt.Sprintf("%s %s %s %v %s", f.At.UTC().Format(time.RFC3339Nano), f.Event.State, f.Event.Trigger, f.Event.Values, strings.Join(f.Event.Sources, ","))
}
