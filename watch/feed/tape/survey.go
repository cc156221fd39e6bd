package tape

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/prose"
	"lifeboat/session"
)

// A track is what one source said of one series.
type track struct {
	brought
	columns [5]bool     // that have a good value, in the order of barColumns
	prices  []time.Time // of good closes
	others  []time.Time // of good values of any other column

	cadence           time.Duration // market time from one to the next, the median; a full day when there is only one
	gaps              int           // steps half as long again as that
	longestAfter      time.Time
	missing, sessions int // sessions without a reading, of all from the first to the last
	firstMissing      time.Time
}

// times that count for the track: of its price, or of what there is.
func (k *track) times() []time.Time {
	if len(k.prices) > 0 {
		return k.prices
	}
	return k.others
}

// survey says what the tape knows of each series, and warns of what it does not.
func (t *Tape) survey() {
	t.Series, t.Warnings = nil, slices.Clone(t.notes)
	tracks := t.tracks()
	var end time.Time // of the last good reading of any
	for _, k := range tracks {
		if times := k.times(); len(times) > 0 && times[len(times)-1].After(end) {
			end = times[len(times)-1]
		}
	}
	bySymbol := map[string]int{}
	for _, k := range tracks {
		i, known := bySymbol[k.symbol]
		if !known {
			i = len(t.Series)
			bySymbol[k.symbol] = i
			t.Series = append(t.Series, SeriesInfo{Name: lifeboat.Series(k.symbol), Calendar: k.calendar})
		}
		k.measure()
		t.Series[i].add(k)
		t.Warnings = append(t.Warnings, k.warnings(end)...)
	}
}

// tracks sorts the readings by who says what, in the order of the columns.
func (t *Tape) tracks() []*track {
	type key struct {
		series lifeboat.Series
		source string
	}
	type place struct {
		track *track
		bar   int // in barColumns
	}
	var tracks []*track
	byOrigin := map[origin]*track{}
	follow := func(o brought) *track {
		k := &track{brought: o}
		tracks, byOrigin[o.origin] = append(tracks, k), k
		return k
	}
	for _, o := range t.origins {
		follow(o)
	}
	places := map[key]place{}
	for _, in := range t.Instants {
		for _, r := range in.Readings {
			p, known := places[key{r.Series, r.Source}]
			if !known {
				symbol, bar := r.Series.Column()
				o := origin{symbol, r.Source}
				k := byOrigin[o]
				if k == nil { // of a tape that was not read from a file
					k = follow(brought{origin: o, calendar: cmp.Or(t.Calendar, session.AllDay())})
				}
				p = place{k, slices.Index(barColumns, cmp.Or(bar, "close"))}
				places[key{r.Series, r.Source}] = p
			}
			if r.Quality == lifeboat.Good && p.bar >= 0 {
				p.track.saw(p.bar, in.At)
			}
		}
	}
	return tracks
}

func (k *track) saw(bar int, at time.Time) {
	k.columns[bar] = true
	if barColumns[bar] == "close" {
		k.prices = append(k.prices, at)
	} else if n := len(k.others); n == 0 || !k.others[n-1].Equal(at) {
		k.others = append(k.others, at)
	}
}

// add one source's track to what is known of a series.
func (s *SeriesInfo) add(k *track) {
	s.Sources = append(s.Sources, k.source)
	var columns []string
	for i, name := range barColumns {
		if k.columns[i] || slices.Contains(s.Columns, name) {
			columns = append(columns, name)
		}
	}
	s.Columns = columns
	times := k.times()
	if len(times) == 0 {
		return
	}
	if first := times[0]; s.First.IsZero() || first.Before(s.First) {
		s.First = first
	}
	if last := times[len(times)-1]; last.After(s.Last) {
		s.Last = last
	}
	s.Rows = max(s.Rows, len(times))
	s.Missing = max(s.Missing, k.missing)
	s.Cadence = max(s.Cadence, k.cadence)
}

// measure the track's pace and what it lacks.
func (k *track) measure() {
	times := k.times()
	if len(times) == 0 {
		return
	}
	steps := make([]time.Duration, len(times)-1)
	for i := range steps {
		steps[i] = k.calendar.OpenTime(times[i], times[i+1])
	}
	k.cadence = fullDay(k.calendar, times[0])
	if len(steps) > 0 {
		if median := slices.Sorted(slices.Values(steps))[len(steps)/2]; median > 0 {
			k.cadence = median
		}
	}
	var longest time.Duration
	for i, step := range steps {
		if step > k.cadence*3/2 {
			k.gaps++
		}
		if step > longest {
			longest, k.longestAfter = step, times[i]
		}
	}
	k.missing, k.sessions, k.firstMissing = missed(k.calendar, times)
}

// warnings of what the track lacks, on a tape whose last reading is at end. A series of about one reading a session
// is told by its sessions, a faster or slower one by its own pace.
func (k *track) warnings(end time.Time) (told []string) {
	times := k.times()
	if len(times) == 0 {
		return []string{fmt.Sprintf("%s has no good reading at all; triggers on it say 'no data'", k.origin)}
	}
	c, last, day := k.calendar, times[len(times)-1], fullDay(k.calendar, times[0])
	daily := day/2 < k.cadence && k.cadence < day*3/2
	early := c.OpenTime(last, end) > k.cadence*3/2
	if daily {
		early = c.Of(last).Day.Before(c.Of(end).Day)
	}
	switch {
	case daily && k.missing > 0:
		told = append(told, fmt.Sprintf("%s has no reading for %d of %s, first %s; triggers on it say 'no data' meanwhile",
			k.origin, k.missing, prose.Count(k.sessions, "session"), k.firstMissing.Format(time.DateOnly)))
	case !daily && k.gaps > 0:
		told = append(told, fmt.Sprintf("%s has %s longer than its usual %s, the longest after %s; triggers on it say 'no data' meanwhile",
			k.origin, prose.Count(k.gaps, "gap"), span(k.cadence), k.longestAfter.UTC().Format(time.RFC3339)))
	}
	if early {
		told = append(told, fmt.Sprintf("%s ends at %s, before the history does at %s; triggers on it say 'no data' from then on",
			k.origin, last.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339)))
	}
	return told
}

func fullDay(c *session.Calendar, at time.Time) time.Duration {
	s := c.Usual(at)
	return s.Close.Sub(s.Open)
}

// missed counts the sessions between the first and the last of the times to which none of them belongs.
func missed(c *session.Calendar, times []time.Time) (missing, sessions int, first time.Time) {
	last := c.Of(times[len(times)-1])
	i := 0
	for s := c.Of(times[0]); ; s = c.Next(s.Open) {
		sessions++
		seen := false
		for ; i < len(times) && c.Of(times[i]).Day.Equal(s.Day); i++ {
			seen = true
		}
		if !seen {
			if missing++; missing == 1 {
				first = s.Day
			}
		}
		if !s.Day.Before(last.Day) {
			return missing, sessions, first
		}
	}
}

// span writes a duration as people do: 1h, 90m, 6h30m.
func span(d time.Duration) string {
	text := d.String()
	for _, tail := range []string{"m0s", "h0m"} {
		if len(text) > len(tail) && text[len(text)-len(tail):] == tail {
			text = text[:len(text)-2]
		}
	}
	return text
}
