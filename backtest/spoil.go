package backtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lifeboat"
)

// bad values, as feeds have really sent them: a wick up, a wick down, nothing, and a number in the wrong unit.
var bad = []struct {
	what  string
	value func(good float64) float64
}{
	{"×3", func(v float64) float64 { return v * 3 }},
	{"÷3", func(v float64) float64 { return v / 3 }},
	{"0", func(float64) float64 { return 0 }},
	{"1e13", func(float64) float64 { return 1e13 }},
}

// channelsMax bounds the series that are spoilt in one scene.
const channelsMax = 32

// A channel is one source of one series.
type channel struct {
	series lifeboat.Series
	source string
}

// spoil puts one bad value into one channel at a time, in the calm before the first disaster, and looks whether any
// trigger says something else than it did. The bad value stands until the next reading, as it would live.
func (t *trial) spoil(ctx context.Context) error {
	places, err := t.places(ctx)
	if err != nil {
		return err
	}
	for i, place := range places {
		for _, b := range bad {
			t.share(0.6+0.2*float64(i)/float64(len(places)), "one bad value of "+string(place.series))
			if err := t.spoilOne(ctx, place, b.what, b.value(place.value)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *trial) spoilOne(ctx context.Context, at place, what string, value float64) error {
	source, err := t.scene.Record.Open(ctx, time.Time{})
	if err != nil {
		return fmt.Errorf("open the history: %w", err)
	}
	log, err := Play(ctx, Setting{Parts: t.scene.with(t.Plan, t.scene.From), Source: &spoilt{source, at, value}, To: t.played.Checked})
	if err != nil {
		return err
	}
	for i, tr := range t.Plan.Triggers {
		symbol, _ := at.series.Column()
		if !t.readers[i].any([]lifeboat.Series{lifeboat.Series(symbol)}) {
			continue
		}
		cell := &t.played.Cells[i]
		cell.TicksTried++
		tick := Tick{Series: at.series, Source: at.source, Time: at.at, Value: value, What: what}
		if tick.compare(t.log.of(tr.Name), log.of(tr.Name), t.played.Checked) {
			cell.Ticks = append(cell.Ticks, tick)
		}
	}
	return nil
}

// compare finds the first thing that a trigger said differently.
func (tick *Tick) compare(good, spoilt []Told[lifeboat.Firing], until time.Time) (differs bool) {
	same := func(a, b Told[lifeboat.Firing]) bool { return a.At.Equal(b.At) && a.Event.State == b.Event.State }
	i := 0
	for i < len(good) && i < len(spoilt) && same(good[i], spoilt[i]) {
		i++
	}
	rest := slices.IndexFunc(good[i:], func(f Told[lifeboat.Firing]) bool { return !f.At.After(until) })
	switch {
	case i < len(spoilt) && (rest < 0 || !spoilt[i].At.After(good[i].At)):
		tick.Changes = spoilt[i].At
		if spoilt[i].Event.State == lifeboat.Fired {
			tick.Fires = &tick.Changes
		}
	case rest >= 0:
		tick.Changes = good[i].At
	default:
		return false
	}
	return true
}

// A place is where a bad value is put.
type place struct {
	channel
	at    time.Time
	value float64 // the good one
}

// places finds for every channel that a trigger reads the middle one of its good readings before the first disaster:
// of those at which no trigger had fired, or of all when there is none. A channel without a reading is left out.
func (t *trial) places(ctx context.Context) ([]place, error) {
	source, err := t.scene.Record.Open(ctx, t.calmUntil())
	if err != nil {
		return nil, fmt.Errorf("open the history: %w", err)
	}
	var order []channel
	found := map[channel]*candidates{}
	fired := t.firedSpells()
	for {
		in, more := source.Next()
		if !more {
			break
		}
		if in.At.Before(t.scene.From) {
			continue
		}
		loud := within(fired, in.At)
		for _, r := range in.Readings {
			c := channel{r.Series, r.Source}
			if r.Quality != lifeboat.Good || r.Value == 0 || !t.isRead(r.Series) {
				continue
			}
			if found[c] == nil {
				if len(order) == channelsMax {
					continue
				}
				found[c] = &candidates{}
				order = append(order, c)
			}
			found[c].all.add(place{c, in.At, r.Value})
			if !loud {
				found[c].quiet.add(place{c, in.At, r.Value})
			}
		}
	}
	if err := errOf(source); err != nil {
		return nil, err
	}
	var places []place
	for _, c := range order {
		places = append(places, found[c].middle())
	}
	return places, nil
}

// calmUntil is when the first disaster shows, or the checks end.
func (t *trial) calmUntil() time.Time {
	until := t.played.Checked
	for _, e := range t.played.Episodes {
		if e.Signal.Before(until) {
			until = e.Signal
		}
	}
	return until
}

// isRead reports that some trigger reads the series: a column only when the condition needs that very column.
func (t *trial) isRead(s lifeboat.Series) bool {
	_, column := s.Column()
	return slices.ContainsFunc(t.readers, func(r reader) bool {
		return slices.Contains(r.series, s) || column == "" && slices.Contains(r.symbols, s)
	})
}

// firedSpells are the times in which some trigger stood fired.
func (t *trial) firedSpells() []spell {
	var spells []spell
	open := map[string]time.Time{}
	for _, f := range t.log.Firings {
		if f.Event.State == lifeboat.Fired {
			open[f.Event.Trigger] = f.At
		} else if from, is := open[f.Event.Trigger]; is {
			spells = append(spells, spell{from, f.At})
			delete(open, f.Event.Trigger)
		}
	}
	for _, from := range open {
		spells = append(spells, spell{from, t.scene.To.Add(time.Nanosecond)})
	}
	return spells
}

// candidates of one channel.
type candidates struct{ quiet, all evenly }

func (c *candidates) middle() place {
	if len(c.quiet.kept) > 0 {
		return c.quiet.middle()
	}
	return c.all.middle()
}

// evenly keeps at most so many places, spread over the time, however many there are.
type evenly struct {
	kept  []place
	every int
	seen  int
}

const evenlyMax = 64

func (e *evenly) add(p place) {
	e.every = max(e.every, 1)
	if e.seen%e.every == 0 {
		e.kept = append(e.kept, p)
		if len(e.kept) == evenlyMax {
			for i := range evenlyMax / 2 {
				e.kept[i] = e.kept[2*i]
			}
			e.kept = e.kept[:evenlyMax/2]
			e.every *= 2
		}
	}
	e.seen++
}

func (e *evenly) middle() place { return e.kept[len(e.kept)/2] }

// spoilt is a source with one bad value.
type spoilt struct {
	Source
	at    place
	value float64
}

// Err of the source below.
func (s *spoilt) Err() error { return errOf(s.Source) }

// Next implements [Source].
func (s *spoilt) Next() (lifeboat.Instant, bool) {
	in, more := s.Source.Next()
	if !more || !in.At.Equal(s.at.at) {
		return in, more
	}
	in.Readings = slices.Clone(in.Readings)
	for i, r := range in.Readings {
		if (channel{r.Series, r.Source}) == s.at.channel {
			in.Readings[i].Value = s.value
		}
	}
	return in, true
}
