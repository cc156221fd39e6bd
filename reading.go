package lifeboat

import (
	"fmt"
	"strings"
	"time"
)

// Series names what is observed: "SPY" is its last price (at a session's end, the close); "SPY.open", "SPY.high",
// "SPY.low" and "SPY.volume" are the other columns of its bar; "VIX" is a level.
type Series string

// Column splits "SPY.volume" into "SPY" and "volume"; a plain "SPY" has the column "". Only the columns of a bar count,
// so that the dot of BRK.B stays in its name.
func (s Series) Column() (symbol, column string) {
	i := strings.LastIndexByte(string(s), '.')
	if i < 0 {
		return string(s), ""
	}
	switch column := string(s[i+1:]); column {
	case "open", "high", "low", "volume":
		return string(s[:i]), column
	}
	return string(s), ""
}

// Quality says how far a value can be trusted.
type Quality uint8

const (
	// Good is a value seen at its source within its time to go stale.
	Good Quality = iota
	// Stale is the last good value of a source that has not spoken since.
	Stale
	// Suspect is a value that was received and refused: not a number, or outside what the series can be.
	Suspect
	// None means that no value was ever seen.
	None
)

func (q Quality) String() string {
	names := [...]string{"good", "stale", "suspect", "none"}
	if int(q) >= len(names) {
		return fmt.Sprintf("quality %d", uint8(q)) // a journal may have been written by anything
	}
	return names[q]
}

// Reading is one observed value of one series at one time from one source.
type Reading struct {
	Series Series `json:"series"`
	Source string `json:"source,omitempty"` // "" when the series has only one
	// Value is a price in the base currency, a count (volume) or a level. It is finite; a value that was not is
	// Suspect, stands as 0 here, and is told in Why.
	Value   float64 `json:"value"`
	Quality Quality `json:"quality,omitempty"`
	Why     string  `json:"why,omitempty"` // why the value is suspect
	// At is when the value was true at its source; the zero time means the instant's own time.
	At time.Time `json:"at,omitzero"`
}

// Instant is everything that became known at one time, in a defined order. Signals move reading by reading; triggers
// are evaluated once per instant, so that a portfolio is never valued half on yesterday's prices.
type Instant struct {
	At       time.Time `json:"at"`
	Readings []Reading `json:"readings"`
}

// Gap says that a series stopped giving fresh data, or gives it again. While it lasts, the named triggers are blind:
// they neither fire nor clear.
type Gap struct {
	Series   Series    `json:"series"`
	State    GapState  `json:"state"`
	Since    time.Time `json:"since,omitzero"` // last good reading; zero when there never was one
	Triggers []string  `json:"triggers,omitempty"`
}

// GapState is opened or closed.
type GapState string

const (
	GapOpened GapState = "opened"
	GapClosed GapState = "closed"
)
