package guard

import (
	"cmp"
	"fmt"
	"time"

	"lifeboat"
	"lifeboat/prose"
	"lifeboat/session"
)

// A price that comes back after a long silence with another scale is perhaps not the price that fell silent. LUNA was
// halted on 13 May 2022 at 0.00005 dollars; on the 31st the same ticker was quoted at 8.56 and belonged to another coin.
// Its next reading agrees with it, and all after that, so the source is no witness for itself. Neither sign is enough
// alone: sources fail for a day, and crashes fall by four fifths while they trade.
const (
	haltTimes  = 8              // so many times as long as the source may be silent is a halt
	haltMin    = 24 * time.Hour // of market time, and never less: who was away for a night must see a crash
	haltFactor = 5.0            // up or down
)

// Paced adds to bands how long each source may be silent and in whose open time that counts. Where the bands say it
// too, the longer silence holds: the feeds of a plan speak every minute, a tape of the same series once a day.
func Paced(bands func(lifeboat.Series, string) Band, calendar func(symbol string) *session.Calendar, fresh func(lifeboat.Series, string) time.Duration) func(lifeboat.Series, string) Band {
	return func(s lifeboat.Series, source string) Band {
		band := bands(s, source)
		symbol, _ := s.Column()
		band.Fresh = max(band.Fresh, fresh(s, source))
		if band.Calendar == nil {
			band.Calendar = calendar(symbol)
		}
		return band
	}
}

// returned reports a value of another scale after a halt: no later value of its own source can confirm it.
func (l *limits) returned(v, low, high float64, last, when time.Time) bool {
	if last.IsZero() || outside(v, low, high, max(l.tolerance, haltFactor)) == 0 {
		return false
	}
	halt := max(haltMin, haltTimes*cmp.Or(max(l.Fresh, 0), freshDefault))
	if when.Sub(last) <= halt { // market time never runs faster than the clock
		return false
	}
	return cmp.Or(l.Calendar, session.AllDay()).OpenTime(last, when) > halt
}

// spoke is when the source last said something good of the column, or of the price by which it is measured.
func (t *track) spoke(column int) time.Time {
	own, price := t.draft[column].at, t.draft[0].at
	if own.After(price) {
		return own
	}
	return price
}

// back is the reason of a reading that its own source cannot confirm; it does not begin as those that it can.
func back(from, to float64, silent time.Duration) string {
	return fmt.Sprintf("came back at %s from %s after a silence of %s: perhaps another asset under the same name; it counts when another source agrees, or when the plan gives the source another name",
		number(to), number(from), prose.Span(silent))
}
