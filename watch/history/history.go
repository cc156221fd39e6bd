// Package history keeps what is known of the past: prices, levels and volumes that a drill or a backtest reads again and
// again, so that reading must be fast and a value must be what was once imported.
//
// A store is a folder of Parquet files, one per series, source and month (year for steps of a quarter of an hour and
// more, decade for days), and a manifest that lists them with their SHA-256. A file has two columns: ts, nanoseconds
// since 1970 at which the value was known, and v, the value as a whole number of 10^-decimals where that is exact, else
// as a double. Files never change: an import writes new ones for the months it touches, then the manifest, which is
// what makes them count, and removes those they replace. [Store.Import] reads what exchanges, brokers and statistical
// offices hand out, and tells what it left out and why; [Store.Check] looks for what a file cannot know of itself: holes,
// wicks, a ticker that was given to another asset. [Player] lays series over each other in the order of time.
//
// It does not fetch, adjust for splits or dividends, convert currencies, or fill holes; and it is no database: one
// program imports at a time, and queries are a series between two times.
package history

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/prose"
	"lifeboat/session"
	"lifeboat/watch/feed/tape"
)

// Series is what the store knows of one series from one source.
type Series struct {
	Name     lifeboat.Series `json:"name"` // SPY, SPY.open …
	Source   string          `json:"source,omitempty"`
	Unit     string          `json:"unit,omitempty"` // as the owner called it
	Adjusted bool            `json:"adjusted"`       // for dividends and splits: right for returns, wrong for levels
	Level    bool            `json:"level,omitempty"`
	Calendar string          `json:"calendar"` // nyse or 24/7
	Daily    bool            `json:"daily"`    // rows were dates
	Span     string          `json:"span"`     // what one file holds: month, year or decade
	Cadence  time.Duration   `json:"-"`        // market time from one value to the next, the median; "cadence" in JSON
	From     time.Time       `json:"from"`
	To       time.Time       `json:"to"`
	Rows     int             `json:"rows"`
	Decimals int             `json:"decimals"` // of whole numbers; -1 when any file holds doubles
	Origins  []Origin        `json:"origins"`
	Files    []File          `json:"files"` // in the order of time
}

// Origin is one import that brought something.
type Origin struct {
	File        string   `json:"file"`
	Form        string   `json:"form"`
	SHA256      string   `json:"sha256"` // of the file as it was given
	Rows        int      `json:"rows"`
	Quarantined []string `json:"quarantined,omitempty"` // the first 50
}

// File is one immutable Parquet file.
type File struct {
	Path     string    `json:"path"` // below the store, with slashes
	SHA256   string    `json:"sha256"`
	Bytes    int64     `json:"bytes"`
	Rows     int       `json:"rows"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Decimals int       `json:"decimals"` // -1: doubles
}

// Sessions is the series' calendar.
func (s Series) Sessions() *session.Calendar {
	calendar, err := session.ByName(s.Calendar)
	if err != nil {
		return session.AllDay() // a manifest with another name is refused when it is read
	}
	return calendar
}

// String is the name and the source: SPY, SPY.open, USDE@binance.
func (s Series) String() string {
	if s.Source == "" {
		return string(s.Name)
	}
	return string(s.Name) + "@" + s.Source
}

// wire is a Series whose cadence is written as people do.
type wire struct {
	plain
	Cadence string `json:"cadence"`
}

type plain Series

// MarshalJSON writes the cadence as 1h0m0s.
func (s Series) MarshalJSON() ([]byte, error) {
	return json.Marshal(wire{plain(s), s.Cadence.String()})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Series) UnmarshalJSON(text []byte) error {
	var w wire
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	cadence, err := time.ParseDuration(w.Cadence)
	if err != nil {
		return err
	}
	*s = Series(w.plain)
	s.Cadence = cadence
	return nil
}

// Store is a folder of history. Its methods may be called at once, except Import.
type Store struct {
	dir      string
	manifest manifest
}

// Is reports whether a folder is a store.
func Is(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, manifestName))
	return err == nil && info.Mode().IsRegular()
}

// Open a store that exists.
func Open(dir string) (*Store, error) {
	m, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	return &Store{dir: dir, manifest: m}, nil
}

// Create opens the store of a folder, and makes both if need be.
func Create(dir string) (*Store, error) {
	if Is(dir) {
		return Open(dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, notWritten(dir, err)
	}
	held, err := os.ReadDir(dir)
	if err != nil {
		return nil, notWritten(dir, err)
	}
	for _, entry := range held {
		if entry.Name() != lockName {
			return nil, &lifeboat.Problem{Reason: "exists", What: fmt.Sprintf("%s holds %s and is no history store", dir, entry.Name()),
				Money: "nothing was written", Next: "give --store an empty or a new directory"}
		}
	}
	s := &Store{dir: dir, manifest: manifest{Lifeboat: manifestKind, Version: manifestVersion, Series: []Series{}}}
	return s, s.manifest.write(dir)
}

// Dir is the folder.
func (s *Store) Dir() string { return s.dir }

// List is every series, in the order in which they were first imported.
func (s *Store) List() []Series { return slices.Clone(s.manifest.Series) }

// Adjusted reports whether any source of a series, or of its bar, holds adjusted prices. A price level means nothing there.
func (s *Store) Adjusted(series lifeboat.Series) bool {
	symbol, _ := series.Column()
	return slices.ContainsFunc(s.manifest.Series, func(other Series) bool {
		name, _ := other.Name.Column()
		return name == symbol && other.Adjusted
	})
}

// Mixed says why raw and adjusted values would come together under one name; "" when they do not.
func (s *Store) Mixed(series lifeboat.Series, adjusted bool) string {
	symbol, _ := series.Column()
	for _, other := range s.manifest.Series {
		if name, _ := other.Name.Column(); name == symbol && other.Adjusted != adjusted {
			other.Name = lifeboat.Series(symbol)
			return fmt.Sprintf("%s holds %s prices, and these are %s: one name cannot mean both", other, worded(other.Adjusted), worded(adjusted))
		}
	}
	return ""
}

func worded(adjusted bool) string {
	if adjusted {
		return "adjusted"
	}
	return "raw"
}

// Columns are the values of one series: when each was known, in nanoseconds since 1970 and increasing, and what it was.
type Columns struct {
	Times  []int64
	Values []float64
}

// Columns reads a series between two times, both included; a zero time is no bound. The source may stay empty when there
// is only one.
func (s *Store) Columns(ctx context.Context, series lifeboat.Series, source string, from, to time.Time) (Columns, error) {
	var c Columns
	found, err := s.find(series, source)
	if err != nil {
		return c, err
	}
	files := found.between(from, to)
	rows := 0
	for _, f := range files {
		rows += f.Rows
	}
	c.Times, c.Values = make([]int64, 0, rows), make([]float64, 0, rows)
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return Columns{}, err
		}
		if err := s.load(f, &c); err != nil {
			return Columns{}, err
		}
	}
	return c.cut(bounds(from, to)), nil
}

// find a series by name and source.
func (s *Store) find(name lifeboat.Series, source string) (Series, error) {
	var others []string
	for _, have := range s.manifest.Series {
		if have.Name == name && have.Source == source {
			return have, nil
		}
		if have.Name == name {
			others = append(others, have.Source)
		}
	}
	if source == "" && len(others) == 1 {
		return s.find(name, others[0])
	}
	what := fmt.Sprintf("the history store %s has no series %s", s.dir, name)
	if len(others) > 0 {
		what = fmt.Sprintf("the history store %s has %s from %s, not from %q", s.dir, name, strings.Join(others, " and "), source)
	}
	return Series{}, &lifeboat.Problem{Reason: "not-found", What: what, Next: "lifeboat history list"}
}

// between are the files that hold anything from one time to another.
func (s Series) between(from, to time.Time) []File {
	return slices.DeleteFunc(slices.Clone(s.Files), func(f File) bool {
		return !from.IsZero() && f.To.Before(from) || !to.IsZero() && f.From.After(to)
	})
}

// bounds in nanoseconds; times beyond what those can say are no bounds.
func bounds(from, to time.Time) (first, last int64) {
	first, last = math.MinInt64, math.MaxInt64
	if !from.IsZero() && from.After(timeMin) {
		first = from.UnixNano()
	}
	if !to.IsZero() && to.Before(timeMax) {
		last = to.UnixNano()
	}
	return first, last
}

// Nanoseconds since 1970 reach from 1678 to 2262; the store says a little less.
var (
	timeMin = time.Date(1700, 1, 1, 0, 0, 0, 0, time.UTC)
	timeMax = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

func (c Columns) cut(first, last int64) Columns {
	i := sort.Search(len(c.Times), func(i int) bool { return c.Times[i] >= first })
	j := sort.Search(len(c.Times), func(i int) bool { return c.Times[i] > last })
	if j < i {
		j = i
	}
	return Columns{c.Times[i:j], c.Values[i:j]}
}

// Tape reads series between two times as a drill plays them; nil means all. The names may be whole symbols, whose bars
// come with them. What it holds means the same as a tape that was read from CSV.
func (s *Store) Tape(ctx context.Context, names []lifeboat.Series, from, to time.Time) (*tape.Tape, error) {
	var brought []tape.Brought
	for _, have := range s.chosen(names) {
		symbol, _ := have.Name.Column()
		b := tape.Brought{Symbol: symbol, Source: have.Source, File: s.dir, Calendar: have.Sessions(), Daily: have.Daily}
		if !slices.Contains(brought, b) {
			brought = append(brought, b)
		}
	}
	player, err := s.Player(ctx, names, from, to)
	if err != nil {
		return nil, err
	}
	var instants []lifeboat.Instant
	for {
		in, ok := player.Next()
		if !ok {
			break
		}
		in.Readings = slices.Clone(in.Readings)
		instants = append(instants, in)
	}
	if err := player.Err(); err != nil {
		return nil, err
	}
	return tape.Of(brought, instants), nil
}

// chosen series, in the order in which one instant gives their readings: as imported, but the opening of a day last,
// because where a session opens when the one before closes, that one's close was first.
func (s *Store) chosen(names []lifeboat.Series) []Series {
	var rest, opens []Series
	for _, have := range s.manifest.Series {
		symbol, column := have.Name.Column()
		switch {
		case names != nil && !slices.Contains(names, have.Name) && !slices.Contains(names, lifeboat.Series(symbol)):
		case have.Daily && column == "open":
			opens = append(opens, have)
		default:
			rest = append(rest, have)
		}
	}
	return append(rest, opens...)
}

// Player plays series between two times; nil means all. It holds one file of each at a time.
func (s *Store) Player(ctx context.Context, names []lifeboat.Series, from, to time.Time) (*Player, error) {
	var streams []Stream
	first, last := bounds(from, to)
	for _, have := range s.chosen(names) {
		streams = append(streams, Stream{Series: have.Name, Source: have.Source, More: s.blocks(ctx, have.between(from, to), first, last)})
	}
	for _, name := range names {
		if !slices.ContainsFunc(streams, func(st Stream) bool {
			symbol, _ := st.Series.Column()
			return st.Series == name || lifeboat.Series(symbol) == name
		}) {
			_, err := s.find(name, "")
			return nil, err
		}
	}
	return NewPlayer(streams)
}

// blocks gives the files one after the other, in the same memory.
func (s *Store) blocks(ctx context.Context, files []File, first, last int64) func() (Columns, error) {
	var held Columns
	return func() (Columns, error) {
		for len(files) > 0 {
			if err := ctx.Err(); err != nil {
				return Columns{}, err
			}
			held.Times, held.Values = held.Times[:0], held.Values[:0]
			if err := s.load(files[0], &held); err != nil {
				return Columns{}, err
			}
			files = files[1:]
			if part := held.cut(first, last); len(part.Times) > 0 {
				return part, nil
			}
		}
		return Columns{}, nil
	}
}

// Pace says how often a series has a value, to follow the word every: session, 5 sessions, day, 31 days, 1 h, 15 min. A
// calendar with hours of its own counts only these, so that its day is a session and not a span of time.
func Pace(cadence time.Duration, calendar string) string {
	day, word := 24*time.Hour, "day"
	if c, err := session.ByName(calendar); err == nil && c.Name() != session.AllDay().Name() {
		usual := c.Usual(time.Date(2000, time.January, 3, 0, 0, 0, 0, time.UTC))
		day, word = usual.Close.Sub(usual.Open), "session"
	}
	switch n := cadence / day; {
	case cadence%day != 0 || n == 0:
		return prose.Span(cadence)
	case n > 1:
		return prose.Count(int(n), word)
	}
	return word
}
