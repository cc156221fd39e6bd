package history

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"lifeboat/prose"
	"lifeboat/session"
)

// settled is a sheet of which everything is decided: rows in order, each time once, and when each row was known.
type settled struct {
	*sheet
	calendar *session.Calendar
	daily    bool
	opened   []int64 // :: row → when its opening price was known
	known    []int64 // :: row → when the rest was
	cadence  time.Duration
	report   *Report
}

// settle decides. The order of the steps matters: a row's date must be known before its time, its time before its rank.
func (s *sheet) settle(report *Report) (*settled, error) {
	if err := s.believable(); err != nil {
		return nil, err
	}
	s.days()
	t := &settled{sheet: s, report: report}
	t.order()
	if err := t.once(); err != nil {
		return nil, err
	}
	if len(s.rows) == 0 {
		return nil, s.refuse("", "no row with a date and a value is left")
	}
	t.calendar = t.whose()
	t.daily = s.daily || s.rows[0].dated
	if err := t.know(); err != nil {
		return nil, err
	}
	t.within(s.options.From, s.options.To)
	if len(s.rows) == 0 {
		return nil, s.refuse("", "none of its rows lies between --from and --to")
	}
	t.cadence = cadence(t.calendar, t.known)
	return t, nil
}

// believable refuses a file most of which would be quarantined: then it is not what it was taken for.
func (s *sheet) believable() error {
	const few, share = 10, 5 // one in five
	if bad := s.badValues; bad > few && bad*share > len(s.values) {
		return s.refuse("", fmt.Sprintf("%d of its %d values cannot be right, the first: %s", bad, len(s.values), s.bad[0]))
	}
	if bad := s.badCount - s.badValues; bad > few && bad*share > len(s.rows) {
		return s.refuse("", fmt.Sprintf("%d of its rows cannot be read and %d can, the first: %s", bad, len(s.rows), s.bad[0]))
	}
	if len(s.rows) == 0 {
		why := "it has no row of values"
		if len(s.bad) > 0 {
			why += "; " + s.bad[0]
		}
		return s.refuse("", why)
	}
	return nil
}

// days recognises daily bars whose date is written as a time, local midnight, and makes all rows dates or none.
func (s *sheet) days() {
	const day = 24 * time.Hour
	midnights := !s.sampled() && (s.interval == 0 && len(s.rows) > 1 || s.interval >= day)
	for _, r := range s.rows {
		hour, minute, second := r.at.Clock()
		midnights = midnights && !r.dated && (!r.exact || s.bars) && hour+minute+second+r.at.Nanosecond() == 0
	}
	if midnights {
		for i, r := range s.rows {
			s.rows[i].at = time.Date(r.at.Year(), r.at.Month(), r.at.Day(), 0, 0, 0, 0, time.UTC)
			s.rows[i].dated = true
		}
		s.note("every time is midnight, so the rows are taken for daily ones and known when their day's session closes")
		return
	}
	dated := 0
	for _, r := range s.rows {
		if r.dated {
			dated++
		}
	}
	if dated == 0 || dated == len(s.rows) {
		return
	}
	minority := 2*dated <= len(s.rows)
	s.keep(func(i int) bool {
		if s.rows[i].dated == minority {
			s.quarantine(s.file, s.rows[i].at.Format(time.RFC3339), "is a date among times, or a time among dates")
		}
		return s.rows[i].dated != minority
	})
}

// sampled reports forms whose values are true at their time and sum up nothing.
func (s *sheet) sampled() bool {
	return slices.Contains([]string{formCoinGecko, formDefiLlama, formTVL}, s.form)
}

// keep the rows of which it says so.
func (s *sheet) keep(wanted func(row int) bool) {
	n := 0
	for i := range s.rows {
		if wanted(i) {
			s.rows[n] = s.rows[i]
			copy(s.row(n), s.row(i))
			n++
		}
	}
	s.rows, s.values = s.rows[:n], s.values[:n*len(s.columns)]
}

// order the rows by time, those of one time as they stood.
func (t *settled) order() {
	latest, backwards := time.Time{}, 0
	for i, r := range t.rows {
		if r.at.Before(latest) {
			t.report.OutOfOrder++
		} else {
			latest = r.at
		}
		if i > 0 && r.at.Before(t.rows[i-1].at) {
			backwards++
		}
	}
	if t.report.OutOfOrder == 0 {
		return
	}
	if len(t.rows) > 2 && backwards == len(t.rows)-1 && t.form != formDefiLlama {
		t.report.OutOfOrder = 0
		t.note("its rows run from the newest to the oldest; they are turned round")
	}
	if t.form == formCoinGecko || t.form == formDefiLlama { // one list after the other
		t.report.OutOfOrder = 0
	}
	index := make([]int, len(t.rows))
	for i := range index {
		index[i] = i
	}
	slices.SortStableFunc(index, func(a, b int) int { return t.rows[a].at.Compare(t.rows[b].at) })
	rows, values := make([]row, 0, len(t.rows)), make([]float64, 0, len(t.values))
	for _, i := range index {
		rows, values = append(rows, t.rows[i]), append(values, t.row(i)...)
	}
	t.rows, t.values = rows, values
}

// once leaves each time once: what rows of one time say together, when they do not contradict each other.
func (t *settled) once() error {
	n := 0
	for i := 0; i < len(t.rows); {
		j := i + 1
		contradicting, fills := false, false
		for ; j < len(t.rows) && t.rows[j].at.Equal(t.rows[i].at); j++ {
			c, f := t.lay(i, j)
			contradicting, fills = contradicting || c, fills || f
		}
		if repeats := j - i - 1; repeats > 0 && contradicting && t.options.Keep == "" {
			t.quarantine(t.file, t.rows[i].at.Format(time.RFC3339), fmt.Sprintf("comes %d times with different values, so that none of them is believed; --keep first or --keep last chooses", j-i))
			i = j
			continue
		} else if repeats > 0 && !fills {
			t.report.Duplicates += repeats
		}
		if blank := !slices.ContainsFunc(t.row(i), func(v float64) bool { return !math.IsNaN(v) }); !blank {
			t.rows[n] = t.rows[i]
			copy(t.row(n), t.row(i))
			n++
		} else {
			t.report.Blank++
		}
		i = j
	}
	t.rows, t.values = t.rows[:n], t.values[:n*len(t.columns)]
	return nil
}

// lay a later row over an earlier one of the same time.
func (t *settled) lay(i, j int) (contradicting, fills bool) {
	onto, with := t.row(i), t.row(j)
	for c, v := range with {
		switch have := onto[c]; {
		case math.IsNaN(v) || v == have:
		case math.IsNaN(have):
			onto[c], fills = v, true
		default:
			contradicting = true
			if t.options.Keep == "last" {
				onto[c] = v
			}
		}
	}
	return contradicting, fills
}

// whose days or hours the rows are: as the owner says, as the form says, else 24/7 when any row lies where New York
// does not trade.
func (t *settled) whose() *session.Calendar {
	switch {
	case t.options.Calendar != nil:
		return t.options.Calendar
	case t.sheet.calendar != nil:
		return t.sheet.calendar
	}
	for _, r := range t.rows {
		weekday := r.at.UTC().Weekday()
		if r.dated && (weekday == time.Saturday || weekday == time.Sunday) || !r.dated && shut(r.at) {
			return session.AllDay()
		}
	}
	return session.NYSE()
}

// shut reports a time at which no stock trades in New York, not even before or after hours: a Saturday, or the night
// from 20:00 to 04:00, an hour less on either side so that daylight saving does not matter.
func shut(at time.Time) bool {
	at = at.UTC().Add(-5 * time.Hour)
	return at.Weekday() == time.Saturday || at.Hour() >= 21 || at.Hour() < 3
}

// step from one row to the next as it is written, the median; 0 for a single row.
func (t *settled) step() time.Duration {
	if len(t.rows) < 2 {
		return 0
	}
	steps := make([]time.Duration, len(t.rows)-1)
	for i := range steps {
		steps[i] = t.rows[i+1].at.Sub(t.rows[i].at)
	}
	slices.Sort(steps)
	return steps[len(steps)/2]
}

// slow reports dated rows of more than a day: weeks, months.
func (t *settled) slow() bool { return t.step() >= 4*24*time.Hour }

// know sets when each row was known.
func (t *settled) know() error {
	t.opened, t.known = make([]int64, len(t.rows)), make([]int64, len(t.rows))
	switch {
	case t.rows[0].dated && t.slow() && (t.options.Stamp == "start" || t.starts):
		t.knowPeriods()
	case t.rows[0].dated:
		if t.slow() {
			t.note("its rows are dates %s apart and are taken as known on their day; if a row sums up the time after its date, say --stamp start", days(t.step()))
		}
		t.knowDays()
	default:
		return t.knowTimes()
	}
	return nil
}

func days(d time.Duration) string { return fmt.Sprintf("%.0f days", d.Hours()/24) }

// knowDays: the opening price when the session opens, the rest when it closes.
func (t *settled) knowDays() {
	odd, firstOdd := 0, time.Time{}
	for i, r := range t.rows {
		s, traded := t.calendar.On(r.at)
		if !traded {
			s = t.calendar.Usual(r.at)
			if odd++; odd == 1 {
				firstOdd = r.at
			}
		}
		t.opened[i], t.known[i] = s.Open.UnixNano(), s.Close.UnixNano()
	}
	if odd > 0 {
		t.note("%d of its rows are dated on days without a session of the calendar %s, first %s; stamped with a plain day's close",
			odd, t.calendar.Name(), firstOdd.Format(time.DateOnly))
	}
}

// knowPeriods: weeks and months that are dated with their first day are known when their last session closes.
func (t *settled) knowPeriods() {
	step := t.step()
	for i, r := range t.rows {
		next := r.at.Add(step)
		switch {
		case step > 360*24*time.Hour:
			next = r.at.AddDate(1, 0, 0)
		case step > 80*24*time.Hour:
			next = r.at.AddDate(0, 3, 0)
		case step > 27*24*time.Hour:
			next = r.at.AddDate(0, 1, 0)
		}
		t.opened[i] = t.calendar.Usual(r.at).Open.UnixNano()
		t.known[i] = t.calendar.Of(next).Close.UnixNano()
	}
	t.note("each row is dated with the beginning of what it sums up, and is known when the last session of that closes")
}

// knowTimes: a bar whose time is its beginning is known when it is complete. Where nothing says which it is, beginning
// is the safe reading: a price is then never known before it was.
func (t *settled) knowTimes() error {
	starts := t.options.Stamp == "start" || t.options.Stamp == "" && t.bars
	shift := time.Duration(0)
	if starts && !t.daily {
		if shift = cmp.Or(t.options.Interval, t.interval, t.step()); shift <= 0 {
			return t.refuse("", "how long its bars last cannot be told from one row: say --interval, such as --interval 1h")
		}
		if t.starts || t.options.Stamp != "" {
			t.note("its times are the beginnings of bars of %s, which are known when they end", prose.Span(shift))
		} else {
			t.note("its times are taken for the beginnings of bars of %s, which are known when they end; if they are the ends, say --stamp end", prose.Span(shift))
		}
	}
	for i, r := range t.rows {
		t.known[i] = r.at.Add(shift).UnixNano()
		t.opened[i] = t.known[i]
	}
	return nil
}

// within leaves out what was known before or after the owner's bounds.
func (t *settled) within(from, to time.Time) {
	first, last := bounds(from, to)
	i, j := 0, len(t.known)
	for i < j && t.known[i] < first {
		i++
	}
	for j > i && t.known[j-1] > last {
		j--
	}
	t.report.LeftOut += len(t.known) - (j - i)
	t.slice(i, j)
}

func (t *settled) slice(i, j int) {
	width := len(t.columns)
	t.rows, t.values = t.rows[i:j], t.values[i*width:j*width]
	t.opened, t.known = t.opened[i:j], t.known[i:j]
}

// track of one column: what of it was known when. A day's opening price is known before the rest of its bar.
func (t *settled) track(c int) Columns {
	var made Columns
	times := t.known
	if t.columns[c].bar == "open" {
		times = t.opened
	}
	for i, at := range times {
		if v := t.values[i*len(t.columns)+c]; !math.IsNaN(v) {
			if n := len(made.Times); n > 0 && made.Times[n-1] >= at {
				continue // two dates of one session: the first stands
			}
			made.Times, made.Values = append(made.Times, at), append(made.Values, v)
		}
	}
	return made
}

// cadence is the market time from one to the next, the median; a full day when there is only one.
func cadence(c *session.Calendar, times []int64) time.Duration {
	if len(times) < 2 {
		s := c.Usual(time.Unix(0, times[0]).UTC())
		return s.Close.Sub(s.Open)
	}
	steps := make([]time.Duration, len(times)-1)
	for i := range steps {
		steps[i] = marketTime(c, times[i], times[i+1])
	}
	slices.Sort(steps)
	return max(steps[len(steps)/2], time.Nanosecond)
}

func marketTime(c *session.Calendar, from, to int64) time.Duration {
	if c == session.AllDay() {
		return time.Duration(to - from)
	}
	return c.OpenTime(time.Unix(0, from).UTC(), time.Unix(0, to).UTC())
}

// computed reports prices that no exchange quotes: daily ones of stocks most of which need more than four decimals
// even as single precision shows them, in which Yahoo hands them out. Dividing by the factors of dividends does that.
func computed(values []float64) bool {
	const few, decimals = 30, 4
	if len(values) < few {
		return false
	}
	fine := 0
	for _, v := range values {
		text := strconv.FormatFloat(v, 'f', -1, 32)
		if point := slices.Index([]byte(text), '.'); v >= 1 && point >= 0 && len(text)-point-1 > decimals {
			fine++
		}
	}
	return 2*fine > len(values)
}
