// Package disaster is the catalogue of disasters against which a backtest measures lead times: 33 dated events from 2008
// to 2026, each with the first signal that a holder could have evaluated, the point of no return, and what was right.
//
// The catalogue is disasters.yaml, which a person wrote and which says where its facts come from; it is part of the
// program. [All] lists it and [Disaster.Touches] says by which series a disaster can be seen at all.
//
// It holds no prices – drill/scenario does – and judges no plan.
package disaster

import (
	_ "embed" // the catalogue
	"fmt"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"lifeboat"
)

// Kind says what was right.
type Kind string

// What was right, or what it was where nothing could be done.
const (
	Exit   Kind = "exit"
	Hold   Kind = "hold"
	Outage Kind = "outage"
	Save   Kind = "save"
	Sunset Kind = "sunset"
)

// Disaster of the catalogue.
type Disaster struct {
	ID       string `yaml:"id"`
	Class    string `yaml:"class"`
	Kind     Kind   `yaml:"kind"`
	Signal   Moment `yaml:"signal"`    // the first that a holder could have evaluated
	NoReturn Moment `yaml:"no_return"` // leaving no longer helped; the end of an outage
	// Confidence is seen, mixed or day: how far the two times can be trusted.
	Confidence string            `yaml:"confidence"`
	Lesson     string            `yaml:"lesson"`
	Touches    []lifeboat.Series `yaml:"touches"`
	Scenario   string            `yaml:"scenario"` // the drill that plays it; "" when none does
}

// Moment is a time with what could be seen then.
type Moment struct {
	At   time.Time `yaml:"at"`
	Text string    `yaml:"text"`
}

// Window is how long there was to react.
func (d Disaster) Window() time.Duration { return d.NoReturn.At.Sub(d.Signal.At) }

//go:embed disasters.yaml
var catalogue []byte

// All disasters, by their first signal. A catalogue that cannot be read is a broken build, which a test shows before
// anybody ships it.
func All() []Disaster {
	all, err := read(catalogue)
	if err != nil {
		panic(err)
	}
	return all
}

func read(text []byte) ([]Disaster, error) {
	var page struct {
		Disasters []Disaster `yaml:"disasters"`
	}
	if err := yaml.UnmarshalWithOptions(text, &page, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("read the catalogue of disasters: %w", err)
	}
	for _, d := range page.Disasters {
		if !slices.Contains([]Kind{Exit, Hold, Outage, Save, Sunset}, d.Kind) || !slices.Contains([]string{"seen", "mixed", "day"}, d.Confidence) {
			return nil, fmt.Errorf("disaster %s: kind %q or confidence %q is unknown", d.ID, d.Kind, d.Confidence)
		}
		if d.ID == "" || d.Signal.Text == "" || !d.NoReturn.At.After(d.Signal.At) {
			return nil, fmt.Errorf("disaster %q needs an id, a signal and a later point of no return", d.ID)
		}
	}
	slices.SortStableFunc(page.Disasters, func(a, b Disaster) int { return a.Signal.At.Compare(b.Signal.At) })
	return page.Disasters, nil
}
