// Package scenario holds the disasters that a plan can be drilled on: small tables of public facts with what happened,
// what could have been known when, what was right to do, and where every figure comes from.
//
// Each is a folder with a scenario.yaml, which a person wrote, and a tape.csv, which drill/convert made. Both are part
// of the program. [All] lists them, [ByName] finds one, and [Scenario.Tape] hands out the table as it stands.
//
// It does not read tapes (watch/feed/tape does) and does not judge plans: right responses are told to the reader of a
// report, never to the code that is drilled.
package scenario

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"lifeboat"
)

// Kind says what was right: to leave, or to hold.
type Kind string

const (
	Exit Kind = "exit"
	Hold Kind = "hold"
)

// Scenario is one disaster.
type Scenario struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Class string `json:"class"`
	Kind  Kind   `json:"kind"`
	// From and To bound the drill, both included; rows of the tape before From are warm-up.
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Calendar string    `json:"calendar"` // nyse or 24/7
	// Signal is the first one that a holder could have evaluated. Times to detect are counted from it.
	Signal Moment `json:"signal"`
	// NoReturn is when leaving no longer helped; nil where the disaster had no such time, or none is known.
	NoReturn      *Moment `json:"point_of_no_return,omitempty"`
	WhatHappened  string  `json:"what_happened"`
	RightResponse string  `json:"right_response"`
	// Sources say of every series where it comes from and under which terms.
	Sources []Source `json:"sources"`
	Notes   []string `json:"notes"`
	// Levels are series that may be zero or negative and are still true.
	Levels []lifeboat.Series `json:"levels,omitempty"`
	// Every is how often a series speaks that is slower than the tape's rows, so that its blanks are not gaps.
	Every map[lifeboat.Series]time.Duration `json:"every,omitempty"`
	// Reflex is the sale that a frightened holder would have made; only where holding was right.
	Reflex *Reflex `json:"reflex,omitempty"`

	tape []byte
}

// Moment is a time with what could be seen then.
type Moment struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Source of one or more series.
type Source struct {
	Series  []lifeboat.Series `json:"series"` // by symbol: SPY stands for all its columns, USDC@dex for one source of them
	Origin  string            `json:"origin"`
	Terms   string            `json:"terms"`
	Changed string            `json:"changed"` // what was done to the figures
}

// Reflex sells everything of Symbol at the first price below Below that Source says.
type Reflex struct {
	Symbol string  `json:"symbol"`
	Source string  `json:"source,omitempty"` // "" takes whoever says so first
	Below  float64 `json:"below"`
}

// Tape is the table of prices, as CSV: a date column (a session's date, or the UTC time at which an intraday bar was
// complete) and one column per series, SPY.close or USDC.close@dex. The slice is the caller's own.
func (s Scenario) Tape() []byte { return slices.Clone(s.tape) }

//go:embed */scenario.yaml */tape.csv
var files embed.FS

// All scenarios, oldest first.
func All() []Scenario {
	all := []Scenario{}
	for _, name := range names() {
		all = append(all, load(name))
	}
	slices.SortFunc(all, func(a, b Scenario) int { return a.From.Compare(b.From) })
	return all
}

// ByName finds one scenario; the problem of a wrong name offers the nearest.
func ByName(name string) (Scenario, error) {
	if slices.Contains(names(), name) {
		return load(name), nil
	}
	return Scenario{}, &lifeboat.Problem{
		Reason: "not-found",
		What:   fmt.Sprintf("there is no scenario %q; the nearest is %s", name, nearest(name, names())),
		Money:  "nothing was drilled and nothing has moved",
		Next:   "lifeboat drill list",
	}
}

func names() []string {
	var found []string
	pages, _ := fs.Glob(files, "*/scenario.yaml") // the pattern is ours
	for _, page := range pages {
		found = append(found, path.Dir(page))
	}
	return found
}

// load reads a scenario that is part of the program. One that cannot be read is a broken build, which a test shows
// before anybody ships it.
func load(name string) Scenario {
	text, err := files.ReadFile(name + "/scenario.yaml")
	if err != nil {
		panic(err)
	}
	table, err := files.ReadFile(name + "/tape.csv")
	if err != nil {
		panic(err)
	}
	s, err := parse(text)
	if err != nil {
		panic(fmt.Sprintf("scenario %s: %v", name, err))
	}
	s.Name, s.tape = name, table
	return s
}

// A page is scenario.yaml as it is written.
type page struct {
	Title         string                            `yaml:"title"`
	Class         string                            `yaml:"class"`
	Kind          Kind                              `yaml:"kind"`
	From          string                            `yaml:"from"`
	To            string                            `yaml:"to"`
	Calendar      string                            `yaml:"calendar"`
	Signal        moment                            `yaml:"signal_at"`
	NoReturn      *moment                           `yaml:"point_of_no_return"`
	WhatHappened  string                            `yaml:"what_happened"`
	RightResponse string                            `yaml:"right_response"`
	Sources       []Source                          `yaml:"sources"`
	Notes         []string                          `yaml:"notes"`
	Levels        []lifeboat.Series                 `yaml:"levels"`
	Every         map[lifeboat.Series]time.Duration `yaml:"every"`
	Reflex        *Reflex                           `yaml:"reflex"`
}

type moment struct {
	At   string `yaml:"at"`
	Text string `yaml:"text"`
}

func parse(text []byte) (Scenario, error) {
	var p page
	if err := yaml.UnmarshalWithOptions(text, &p, yaml.Strict()); err != nil {
		return Scenario{}, err
	}
	s := Scenario{
		Title: p.Title, Class: p.Class, Kind: p.Kind, Calendar: p.Calendar,
		WhatHappened: p.WhatHappened, RightResponse: p.RightResponse,
		Sources: p.Sources, Notes: p.Notes, Levels: p.Levels, Every: p.Every, Reflex: p.Reflex,
	}
	if p.Kind != Exit && p.Kind != Hold {
		return Scenario{}, fmt.Errorf("kind is %q, not exit or hold", p.Kind)
	}
	var err error
	if s.From, err = parseTime(p.From, 0); err != nil {
		return Scenario{}, fmt.Errorf("from: %w", err)
	}
	if s.To, err = parseTime(p.To, 24*time.Hour-time.Second); err != nil {
		return Scenario{}, fmt.Errorf("to: %w", err)
	}
	if s.Signal, err = p.Signal.parse(); err != nil {
		return Scenario{}, fmt.Errorf("signal_at: %w", err)
	}
	if p.NoReturn != nil {
		last, err := p.NoReturn.parse()
		if err != nil {
			return Scenario{}, fmt.Errorf("point_of_no_return: %w", err)
		}
		s.NoReturn = &last
	}
	return s, nil
}

func (m moment) parse() (Moment, error) {
	at, err := time.Parse(time.RFC3339, m.At)
	return Moment{At: at.UTC(), Text: m.Text}, err
}

// parseTime reads an RFC 3339 time, or a date, of which it takes the beginning and as much more as is given.
func parseTime(text string, more time.Duration) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.Add(more), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	return at.UTC(), err
}
