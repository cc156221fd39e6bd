package guard

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/prose"
	"lifeboat/watch/feed/tape"
)

// OfTape are the bands of a tape that is played for a plan. A series that is zero or negative somewhere on it was read as
// a level, and is one.
func OfTape(t *tape.Tape, feeds []plan.Feed) func(series lifeboat.Series, source string) Band {
	levels := map[string]bool{}
	for _, in := range t.Instants {
		for i := range in.Readings {
			if r := &in.Readings[i]; r.Value <= 0 && r.Quality == lifeboat.Good {
				symbol, column := r.Series.Column()
				levels[symbol] = levels[symbol] || column != "volume"
			}
		}
	}
	return Played(feeds, levels)
}

// Played are the bands of a history that is played for a plan. It often names no source: then what was said of a series'
// first feed holds. Levels are symbols that may be zero or negative.
func Played(feeds []plan.Feed, levels map[string]bool) func(series lifeboat.Series, source string) Band {
	ofFeed, first := Feeds(feeds), map[string]string{}
	for _, f := range slices.Backward(feeds) {
		first[f.Series] = f.Source
	}
	return func(s lifeboat.Series, source string) Band {
		symbol, _ := s.Column()
		if source == "" {
			source = cmp.Or(first[string(s)], first[symbol])
		}
		band := ofFeed(s, source)
		if levels[symbol] {
			band.Jump, band.Price = 0, false
		}
		return band
	}
}

// Tape lets a guard without a past judge all of a history, as it would have live. It returns a tape that shares what is
// good with the given one, and one note for each series of which something is suspect, which is among its warnings too;
// with nothing suspect, it is the same tape.
func Tape(t *tape.Tape, config func(series lifeboat.Series, source string) Band) (*tape.Tape, []string) {
	g := New(config)
	var found findings
	var guarded []lifeboat.Instant
	var scratch []lifeboat.Reading
	for i, in := range t.Instants {
		scratch = g.Pass(in.At, append(scratch[:0], in.Readings...))
		if found.compare(in, scratch) {
			if guarded == nil {
				guarded = slices.Clone(t.Instants)
			}
			guarded[i].Readings = slices.Clone(scratch)
		}
	}
	if guarded == nil {
		return t, nil
	}
	whole := *t
	whole.Instants = guarded
	judged, notes := whole.Between(time.Time{}, time.Time{}), found.notes()
	judged.Warnings = slices.Concat(judged.Warnings, notes)
	return judged, notes
}

// findings are what is newly suspect, by series and source.
type findings struct {
	order []*finding
}

type finding struct {
	series lifeboat.Series
	source string
	count  int
	first  time.Time
	why    string
}

// compare an instant as it was with what the guard made of it.
func (f *findings) compare(in lifeboat.Instant, judged []lifeboat.Reading) (changed bool) {
	for i, r := range judged {
		if r.Quality == in.Readings[i].Quality {
			continue
		}
		changed = true
		k := slices.IndexFunc(f.order, func(o *finding) bool { return o.series == r.Series && o.source == r.Source })
		if k < 0 {
			k = len(f.order)
			f.order = append(f.order, &finding{series: r.Series, source: r.Source, first: timeOf(in.At, &r), why: r.Why})
		}
		f.order[k].count++
	}
	return changed
}

func (f *findings) notes() (told []string) {
	for _, one := range f.order {
		o := origin{string(one.series), one.source}
		told = append(told, fmt.Sprintf("%s has %s, first at %s: %s", o, prose.Count(one.count, "suspect value"), one.first.UTC().Format(time.RFC3339), one.why))
	}
	return told
}

func (o origin) String() string {
	if o.source == "" {
		return o.symbol
	}
	return o.symbol + "@" + o.source
}
