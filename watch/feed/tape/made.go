package tape

import (
	"slices"

	"lifeboat"
	"lifeboat/session"
)

// Brought says of a symbol from one source where it came from, for a tape that is not read from CSV.
type Brought struct {
	Symbol, Source string
	File           string // stands in messages
	Calendar       *session.Calendar
	Daily          bool // its rows were dates
}

// Of makes a tape of instants that come from elsewhere, such as the history store. They are in the order of time, each
// time once. Symbols of different calendars make a tape of 24/7; each keeps its own.
func Of(symbols []Brought, instants []lifeboat.Instant) *Tape {
	t := &Tape{Instants: instants, Daily: len(symbols) > 0, Calendar: session.AllDay()}
	for i, b := range symbols {
		t.origins = append(t.origins, brought{origin{b.Symbol, b.Source}, b.File, b.Calendar})
		t.Daily = t.Daily && b.Daily
		if i == 0 {
			t.Calendar = b.Calendar
		}
	}
	if slices.ContainsFunc(symbols, func(b Brought) bool { return b.Calendar != t.Calendar }) {
		t.Calendar = session.AllDay()
	}
	t.survey()
	return t
}
