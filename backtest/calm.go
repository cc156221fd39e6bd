package backtest

import (
	"context"
	"slices"
	"time"

	"lifeboat"
)

const (
	// calmFall is how far the benchmark may stand below its highest price of this history while the market is calm.
	calmFall = 0.10
	// stepMax is the longest time between two instants that counts: a hole in the history was not calm, it was not seen.
	stepMax = 5 * 24 * time.Hour
	// benchmarkOld is how old the benchmark's price may be to say anything about calm.
	benchmarkOld = 14 * 24 * time.Hour
	// calmLeast is how much calm time it takes to say something about a year.
	calmLeast = 90 * 24 * time.Hour
	year      = 365.25 * 24 * float64(time.Hour)
)

// calmTime adds up over scenes.
type calmTime struct {
	long   time.Duration
	alerts map[string]int // :: trigger → firings in it
}

// A spell is a time without disaster.
type spell struct{ from, to time.Time }

// quiet counts the firings of calm times. A scenario's warm-up counts, too, so it is played with nothing held back.
func (t *trial) quiet(ctx context.Context) error {
	log, from := t.log, t.scene.From
	if t.scene.Scenario != nil {
		var err error
		if log, err = t.play(ctx, t.scene.with(t.Plan, time.Time{}), t.scene.To, nil); err != nil {
			return err
		}
		from = time.Time{}
	}
	spells, err := t.spells(ctx, from)
	if err != nil {
		return err
	}
	for _, s := range spells {
		t.calm.long += s.to.Sub(s.from)
	}
	if t.calm.alerts == nil {
		t.calm.alerts = map[string]int{}
	}
	for _, f := range log.Firings {
		if f.Event.State == lifeboat.Fired && within(spells, f.At) {
			t.calm.alerts[f.Event.Trigger]++
		}
	}
	return nil
}

func within(spells []spell, at time.Time) bool {
	return slices.ContainsFunc(spells, func(s spell) bool { return !at.Before(s.from) && at.Before(s.to) })
}

// spells are the calm times of the history: between instants outside all disasters that it covers, at which the
// benchmark stood less than 10 % below its highest price so far. Before its first price and after its last one nothing is
// called calm; in a history that does not have it at all only the disasters count.
func (t *trial) spells(ctx context.Context, from time.Time) ([]spell, error) {
	source, err := t.scene.Record.Open(ctx, t.scene.To)
	if err != nil {
		return nil, err
	}
	benchmark := lifeboat.Series(t.Plan.Portfolio.Benchmark)
	if benchmark == "" {
		benchmark = "SPY"
	}
	_, priced := t.scene.Parts.Sources[benchmark]
	var spells []spell
	var last, seen time.Time // the last instant, and the last price of the benchmark
	high, fallen, lastCalm := 0.0, false, false
	for n := 0; ; n++ {
		in, more := source.Next()
		if !more {
			return spells, errOf(source)
		}
		if n%betweenLooks == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for _, r := range in.Readings {
			if r.Series == benchmark && r.Quality == lifeboat.Good && r.Value > 0 {
				high = max(high, r.Value)
				fallen, seen = r.Value <= high*(1-calmFall), in.At
			}
		}
		if in.At.Before(from) {
			continue
		}
		if lastCalm && in.At.Sub(last) <= stepMax {
			if n := len(spells); n > 0 && spells[n-1].to.Equal(last) {
				spells[n-1].to = in.At
			} else {
				spells = append(spells, spell{last, in.At})
			}
		}
		blind := priced && in.At.Sub(seen) > benchmarkOld
		last, lastCalm = in.At, !fallen && !blind && !t.disastrous(in.At)
	}
}

func (t *trial) disastrous(at time.Time) bool {
	return slices.ContainsFunc(t.played.Episodes, func(e Episode) bool { return !at.Before(e.Signal) && !at.After(e.End) })
}

// perYear is nil when there is too little calm time to say.
func (c calmTime) perYear(alerts int) *float64 {
	if c.long < calmLeast {
		return nil
	}
	rate := float64(alerts) * year / float64(c.long)
	return &rate
}
