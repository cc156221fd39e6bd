// Package word turns what a source said, the text of a value and of its time, into a reading, the same for sources
// that are asked and for those that speak by themselves.
//
// A value that was received and cannot be right – no number, no price, a time in the future – is a suspect reading. One
// whose time is not later than the last is no news, so that a source that repeats itself goes stale. A blank is nothing.
//
// It does not fetch, does not judge how old or how plausible a value is, and keeps only the last time of each series.
package word

import (
	"fmt"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/watch/feed/tape"
)

// Said is one value as it stands at the source.
type Said struct {
	Series lifeboat.Series
	Text   string
	Time   string // "" when the source tells none
}

// Memory is the source's own time of what it last said of each series.
type Memory map[lifeboat.Series]time.Time

// AheadMax is by how much a source's clock may lead ours.
const AheadMax = 5 * time.Minute

// Reading of what was said; none when it is no news. level says that the value may be zero or negative.
func (m Memory) Reading(s Said, source string, level bool, at time.Time) (r lifeboat.Reading, news bool) {
	symbol, bar := s.Series.Column()
	r = lifeboat.Reading{Series: s.Series, Source: source}
	v, blank, why := tape.ParseValue(s.Text, bar, level || tape.IsLevel(symbol))
	if blank {
		return r, false
	}
	if why != "" {
		why = Short(s.Text) + " " + why
	}
	if s.Time != "" {
		when, fault := timeOf(s.Time, at)
		if fault != "" {
			why = fault
		} else if last, spoken := m[s.Series]; spoken && !when.After(last) {
			return r, false
		} else {
			r.At, m[s.Series] = when, when
		}
	}
	if why != "" {
		r.Quality, r.Why = lifeboat.Suspect, why
	} else {
		r.Value = v
	}
	return r, true
}

// timeOf reads when a value was true. A bare date stands for all of its day: the value is of now while the day lasts,
// and of the day's end in UTC afterwards.
func timeOf(text string, at time.Time) (when time.Time, fault string) {
	if seconds, fraction, cut := strings.Cut(text, "."); cut && len(seconds) == 10 && strings.Trim(seconds+fraction, "0123456789") == "" {
		text = seconds // as Kraken writes it; a tape knows whole seconds only
	}
	when, form := tape.ParseTime(text)
	switch {
	case form == tape.NoTime:
		return when, "its time " + Short(text) + " is no date"
	case form == tape.Date && when.After(at.AddDate(0, 0, 1)), form != tape.Date && when.After(at.Add(AheadMax)):
		return when, "its time " + Short(text) + " lies in the future"
	case form == tape.Date:
		if end := when.AddDate(0, 0, 1); end.Before(at) {
			return end, ""
		}
		return at.UTC(), ""
	}
	return when.UTC(), ""
}

// Short quotes foreign text, cut so that it fits into a sentence.
func Short(text string) string {
	const runesMax = 40
	if runes := []rune(text); len(runes) > runesMax {
		text = string(runes[:runesMax]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
