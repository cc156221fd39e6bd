package coverage

import (
	"fmt"
	"strings"
	"time"

	"lifeboat/prose"
)

// toldMax is how many holes a line tells one by one, the last ones.
const toldMax = 5

// Name of the source: SPY@example.org.
func (s *Series) Name() string {
	if s.Source == "" {
		return string(s.Series)
	}
	return string(s.Series) + "@" + s.Source
}

// Tell says on one line what was evaluated and what was not, in UTC:
//
//	SPY@example.org: evaluated 2026-11-01 09:30 – 2026-11-20 16:00 UTC; not evaluated 2026-11-10 14:02–14:31 (lifeboat was not running; 29 of 29 bars caught up)
func (s *Series) Tell() string {
	var told strings.Builder
	fmt.Fprintf(&told, "%s: ", s.Name())
	if s.Readings == 0 {
		told.WriteString("never evaluated")
	} else {
		fmt.Fprintf(&told, "evaluated %s – %s UTC", minute(s.From), minute(s.To))
	}
	if len(s.Holes) == 0 {
		return told.String()
	}
	told.WriteString("; not evaluated ")
	holes := s.Holes[max(0, len(s.Holes)-toldMax):]
	for i, h := range holes {
		if i > 0 {
			told.WriteString(", ")
		}
		told.WriteString(h.Tell())
	}
	if more := len(s.Holes) - len(holes) + s.Earlier.Holes; more > 0 {
		fmt.Fprintf(&told, ", and %s before", prose.Count(more, "time"))
	}
	return told.String()
}

// Tell says when the hole was, why, and what of it was caught up.
func (h Hole) Tell() string {
	notes := []string{string(h.Reason)}
	if h.Suspects > 0 && h.Reason == Suspect {
		notes[0] = fmt.Sprintf("%s: %d", h.Reason, h.Suspects)
	} else if h.Suspects > 0 {
		notes = append(notes, prose.Count(h.Suspects, "suspect value"))
	}
	switch {
	case h.To.IsZero(), h.Reason == Suspect: // its bars came in time
	case h.Expected > 0 && h.Rows >= h.Expected:
		notes = append(notes, fmt.Sprintf("%d of %d bars caught up", h.Expected, h.Expected))
	case h.Expected > 0:
		notes = append(notes, fmt.Sprintf("%d of %d bars caught up", h.Rows, h.Expected))
	case h.Rows > 1: // the last one is of the time after it
		notes = append(notes, prose.Count(h.Rows-1, "value")+" caught up")
	}
	return fmt.Sprintf("%s (%s)", h.when(), strings.Join(notes, "; "))
}

// shortHole is one whose seconds matter.
const shortHole = 5 * time.Minute

func (h Hole) when() string {
	if h.To.IsZero() {
		return "since " + minute(h.From)
	}
	from, to, clock := h.From.UTC(), h.To.UTC(), "15:04"
	if to.Sub(from) < shortHole {
		clock = time.TimeOnly
	}
	if from.Format(time.DateOnly) == to.Format(time.DateOnly) {
		return from.Format(time.DateOnly+" "+clock) + "–" + to.Format(clock)
	}
	return from.Format(time.DateOnly+" "+clock) + " – " + to.Format(time.DateOnly+" "+clock)
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// Short says in a sentence what was missed since a time, and names the longest hole; "" when nothing was.
func (l *Ledger) Short(since, now time.Time) string {
	missed, longest, of := 0, time.Duration(-1), ""
	for _, f := range l.order {
		missing := false
		for _, h := range f.Holes {
			to := h.To
			if to.IsZero() {
				to = now
			}
			if to.Before(since) {
				continue
			}
			missing = true
			if length := to.Sub(h.From); length > longest {
				longest, of = length, f.Name()+" "+h.Tell()
			}
		}
		if missing {
			missed++
		}
	}
	switch missed {
	case 0:
		return ""
	case 1:
		return "not evaluated: " + of
	}
	return fmt.Sprintf("not evaluated at times: %d series, the longest %s", missed, of)
}
