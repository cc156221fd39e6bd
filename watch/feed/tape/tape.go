// Package tape reads price history from CSV, so that a drill can play a crash through the code that watches the live
// market: the project's own scenarios, and what an owner brings with --history.
//
// A file is a table with a date column and one column per series. "SPY" and "SPY.close" are its price; .open, .high,
// .low and .volume are the rest of its bar; "USDE@binance" is what one of several sources says of it. A file with
// plain Date, Open, High, Low, Close and Volume columns is one series, named as the file. The rows become instants:
// what was known at which time. A daily row is known in two parts, the open when its session opens and the rest when
// it closes; a row with a time of day was known at that time, which is when the bar was complete.
//
// Everything wrong with a file is told at once, with line and column ([Faults]); nothing is mended silently. What is
// merely missing is a warning, because signals must say "no data" there and the owner should know beforehand.
//
// It does not fetch, adjust for splits or dividends, convert currencies, or fill holes.
package tape

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/session"
)

// Limits of what is read. They are far above twenty years of daily bars, and below what hurts a small machine.
const (
	bytesMax   = 64 << 20 // of text, after decompression
	columnsMax = 1_000
	valuesMax  = 5_000_000
)

// Options of [Read].
type Options struct {
	// Calendar of the exchange; nil takes 24/7 when any row lies on a weekend, else NYSE.
	Calendar *session.Calendar
	// Quarantine reads on where a fault would stop: a bad value becomes a suspect reading, a bad row is left out, and
	// each is a warning.
	Quarantine bool
	// Levels are the series that may be zero or negative, such as yields and spreads. Names that begin with DGS, as
	// the Federal Reserve calls its yields, always may.
	Levels map[string]bool
}

// Tape is history ready to be played.
type Tape struct {
	Calendar *session.Calendar
	Instants []lifeboat.Instant // in the order of time
	Series   []SeriesInfo       // in the order of the columns
	Warnings []string           // one sentence each
	Daily    bool               // every row was a date

	origins []brought // who says what, in the order of the columns
	notes   []string  // warnings that reading itself gave
}

// What one file brought of one series.
type brought struct {
	origin
	file     string
	calendar *session.Calendar
}

// An origin is one source of one series.
type origin struct{ symbol, source string }

func (o origin) String() string {
	if o.source == "" {
		return o.symbol
	}
	return o.symbol + "@" + o.source
}

// SeriesInfo says what a tape knows of one series. Times and counts are of its price; of whatever column there is when
// it has no price.
type SeriesInfo struct {
	Name        lifeboat.Series   // without a column: SPY
	Sources     []string          // in the order of the columns; "" when the column named none
	Columns     []string          // of open, high, low, volume and close, in this order, those that have a value
	Calendar    *session.Calendar // of the file it came from
	First, Last time.Time         // of its good readings; zero when there is none
	Rows        int               // good readings of the source that has most
	Missing     int               // sessions between First and Last without a reading, of the source that misses most
	// Cadence is the market time from one reading to the next, the median, of the slowest source.
	Cadence time.Duration
}

// Read a file of price history; name stands in messages and names the series of a file of plain columns. Faults are
// told as a Problem of reason tape-invalid that wraps *Faults. An error of r itself is returned as it is.
func Read(name string, r io.Reader, o Options) (*Tape, error) {
	text, err := unpack(r)
	if err != nil {
		return nil, unreadable(name, err)
	}
	t := newTable(name, text, o)
	t.read()
	if err := t.faults.problem(); err != nil {
		return nil, err
	}
	return t.tape(), nil
}

// Merge lays several tapes over each other. A series that two of them have from the same source is a fault. Tapes of
// different calendars make one of 24/7; each series keeps its own.
func Merge(tapes ...*Tape) (*Tape, error) {
	merged := &Tape{Daily: len(tapes) > 0}
	var faults Faults
	for _, t := range tapes {
		for _, o := range t.origins {
			if i := slices.IndexFunc(merged.origins, func(other brought) bool { return other.origin == o.origin }); i >= 0 {
				faults.add(Fault{File: o.file, Text: o.String(), Why: "is already in " + merged.origins[i].file})
			}
		}
		merged.origins = append(merged.origins, t.origins...)
		merged.notes = append(merged.notes, t.notes...)
		merged.Instants = append(merged.Instants, t.Instants...)
		merged.Daily = merged.Daily && t.Daily
		if merged.Calendar == nil {
			merged.Calendar = t.Calendar
		} else if merged.Calendar != t.Calendar {
			merged.Calendar = session.AllDay()
		}
	}
	if err := faults.problem(); err != nil {
		return nil, err
	}
	merged.Instants = coalesce(merged.Instants)
	merged.survey()
	return merged, nil
}

// coalesce orders instants by time and joins those of one time. It may reuse the slice but not the readings in it.
func coalesce(instants []lifeboat.Instant) []lifeboat.Instant {
	slices.SortStableFunc(instants, func(a, b lifeboat.Instant) int { return a.At.Compare(b.At) })
	joined := instants[:0]
	for _, in := range instants {
		if n := len(joined); n > 0 && joined[n-1].At.Equal(in.At) {
			joined[n-1].Readings = slices.Concat(joined[n-1].Readings, in.Readings)
		} else {
			joined = append(joined, in)
		}
	}
	return joined
}

// Between is the part of the tape from one time to another, both included; a zero time is no bound. What the tape
// says of its series is said anew of the part. The readings are shared.
func (t *Tape) Between(from, to time.Time) *Tape {
	part := *t
	part.Instants = nil
	for _, in := range t.Instants {
		if !in.At.Before(from) && (to.IsZero() || !in.At.After(to)) {
			part.Instants = append(part.Instants, in)
		}
	}
	part.survey()
	return &part
}

// Rename lets series play others: {UST: USDE} turns UST and all of its columns into USDE. A series whose name is taken
// that way leaves the tape, and when two are cast as one the first plays; both are warnings.
func (t *Tape) Rename(cast map[string]string) *Tape {
	plays := t.casting(cast)
	renamed := &Tape{Calendar: t.Calendar, Daily: t.Daily, notes: slices.Clone(t.notes)}
	for _, o := range t.origins {
		if role := plays[o.symbol]; role != "" {
			o.symbol = role
			renamed.origins = append(renamed.origins, o)
		} else {
			renamed.notes = append(renamed.notes, fmt.Sprintf("%s is not played: another series stands for %s", o, cmp.Or(cast[o.symbol], o.symbol)))
		}
	}
	for _, in := range t.Instants {
		readings := make([]lifeboat.Reading, 0, len(in.Readings))
		for _, r := range in.Readings {
			symbol, column := r.Series.Column()
			if role := plays[symbol]; role != "" {
				r.Series = join(role, column)
				readings = append(readings, r)
			}
		}
		if len(readings) > 0 {
			renamed.Instants = append(renamed.Instants, lifeboat.Instant{At: in.At, Readings: readings})
		}
	}
	renamed.survey()
	return renamed
}

// Names of the series, in the order of the columns.
func (t *Tape) Names() []string {
	var names []string
	for _, s := range t.Series {
		names = append(names, string(s.Name))
	}
	return names
}

// casting says what each series plays: first those that were cast, then the others if their own name is still free.
func (t *Tape) casting(cast map[string]string) map[string]string {
	plays, taken := map[string]string{}, map[string]bool{}
	for _, s := range t.Series {
		if role := cast[string(s.Name)]; role != "" && !taken[role] {
			plays[string(s.Name)], taken[role] = role, true
		}
	}
	for _, s := range t.Series {
		if name := string(s.Name); cast[name] == "" && !taken[name] {
			plays[name] = name
		}
	}
	return plays
}

func join(symbol, column string) lifeboat.Series {
	if column == "" {
		return lifeboat.Series(symbol)
	}
	return lifeboat.Series(symbol + "." + column)
}
