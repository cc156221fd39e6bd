package tape

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/session"
)

// unpack reads all of a file, through gzip when it begins like one.
func unpack(r io.Reader) ([]byte, error) {
	buffered := bufio.NewReader(r)
	r = buffered
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		zipped, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, err
		}
		r = zipped
	}
	text, err := io.ReadAll(io.LimitReader(r, bytesMax+1))
	if err == nil && len(text) > bytesMax {
		err = errTooLong
	}
	return text, err
}

// A table is a file while it is read: first all rows, because only the whole file tells its calendar, then instants.
type table struct {
	file    string
	options Options
	csv     *csv.Reader
	fields  int // in the header
	columns []column
	highs   []int // columns that are followed by their low

	rows   []row
	values []float64      // row by row, one per column; NaN where there is no good value
	bad    map[int]string // :: index in values → why the value there is suspect
	daily  bool           // the rows are dates, as the first one was

	faults Faults
	notes  []string
	told   int // faults that quarantine turned into notes

	skipped   int       // rows left out because they were out of order
	backwards int       // how many of them were older than the row before them
	before    time.Time // that row's time

	pool []lifeboat.Reading // instants take their readings out of one large piece of memory
}

// A row's time: of a daily one, the date at midnight UTC.
type row struct {
	at    time.Time
	exact bool // written so that midnight can only be a time
}

func newTable(name string, text []byte, o Options) *table {
	t := &table{file: name, options: o, bad: map[int]string{}}
	t.csv = csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	t.csv.FieldsPerRecord = -1
	t.csv.ReuseRecord = true
	t.csv.TrimLeadingSpace = true
	return t
}

// read fills the table, or its faults.
func (t *table) read() {
	names, err := t.csv.Read()
	if errors.Is(err, io.EOF) {
		t.faults.add(Fault{File: t.file, Why: "is empty"})
		return
	}
	if err != nil {
		t.syntax(err, false)
		return
	}
	names = slices.Clone(names)
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	t.fields = len(names)
	t.header(names)
	if t.faults.Total > 0 {
		return
	}
	for {
		record, err := t.csv.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if !t.syntax(err, true) {
				return
			}
			continue
		}
		if len(t.values) > valuesMax-len(t.columns) {
			t.fault(0, record[0], fmt.Sprintf("begins more than %d values: read the history in parts", valuesMax))
			return
		}
		t.row(record)
	}
	const few = 3 // rows the wrong way round; as many may as well be slips
	if t.backwards > few && t.backwards == len(t.rows)+t.skipped-1 {
		t.faults.forget(outOfOrder)
		t.faults.add(Fault{File: t.file, Why: "runs from the newest row to the oldest: sort it by date"})
	}
	if len(t.rows) == 0 && t.faults.Total == 0 {
		t.faults.add(Fault{File: t.file, Why: "has no row of readings"})
	}
}

// row takes one line of the file.
func (t *table) row(record []string) {
	if len(record) != t.fields {
		t.mendable(0, record[0], fmt.Sprintf("begins a row of %d fields where the header has %d", len(record), t.fields), "the row is left out")
		return
	}
	at, form := ParseTime(record[0])
	if len(t.rows) == 0 {
		t.daily = form == Date
	}
	switch {
	case form == NoTime:
		t.mendable(0, record[0], "is no date from 1800 to 2199: write 2020-03-16, 20200316, 2020-03-16 20:00:00, 2020-03-16T20:00:00Z or epoch seconds", "the row is left out")
		return
	case (form == Date) != t.daily:
		t.mendable(0, record[0], "is a date among times, or a time among dates", "the row is left out")
		return
	case !t.inOrder(at, record[0]):
		return
	}
	t.rows = append(t.rows, row{at, form == Exact})
	start := len(t.values)
	for _, c := range t.columns {
		t.values = append(t.values, t.value(c, record[c.field]))
	}
	for _, high := range t.highs {
		if h, l := t.values[start+high], t.values[start+high+1]; h < l {
			t.crossed(start+high, record)
		}
	}
}

const outOfOrder = "is out of order: an earlier row is later"

func (t *table) inOrder(at time.Time, text string) bool {
	before := t.before
	t.before = at
	if n := len(t.rows); n == 0 || at.After(t.rows[n-1].at) {
		return true
	}
	t.skipped++
	if at.Before(before) {
		t.backwards++
	}
	_, seen := slices.BinarySearchFunc(t.rows, at, func(r row, at time.Time) int { return r.at.Compare(at) })
	if seen {
		t.mendable(0, text, "comes twice", "the first row stands")
	} else {
		t.mendable(0, text, outOfOrder, "the row is left out")
	}
	return false
}

// value of one cell; NaN when there is none to be had.
func (t *table) value(c column, text string) float64 {
	v, blank, why := ParseValue(text, c.bar, c.level)
	if why != "" {
		t.suspect(len(t.values), c, text, why)
	}
	if blank || why != "" {
		return math.NaN()
	}
	return v
}

// crossed makes a high below its low suspect, and the low with it: nobody knows which of them is wrong.
func (t *table) crossed(high int, record []string) {
	c := t.columns[high%len(t.columns)]
	low := t.columns[high%len(t.columns)+1]
	why := fmt.Sprintf("is a high below the low %s", record[low.field])
	t.suspect(high, c, record[c.field], why)
	t.bad[high+1] = fmt.Sprintf("%s is a low above the high %s", quote(record[low.field]), record[c.field])
	t.values[high], t.values[high+1] = math.NaN(), math.NaN()
}

func (t *table) suspect(index int, c column, text, why string) {
	t.bad[index] = quote(text) + " " + why
	t.mendable(c.field, text, why, "the value counts as suspect")
}

// mendable is a fault, or under quarantine a warning with what was done instead.
func (t *table) mendable(field int, text, why, instead string) {
	line, col := t.csv.FieldPos(field)
	f := Fault{File: t.file, Line: line, Column: col, Text: text, Why: why, Mendable: true}
	if !t.options.Quarantine {
		t.faults.add(f)
		return
	}
	if t.told++; t.told <= faultsMax {
		t.notes = append(t.notes, f.String()+"; "+instead)
	}
}

func (t *table) fault(field int, text, why string) {
	line, col := t.csv.FieldPos(field)
	t.faults.add(Fault{File: t.file, Line: line, Column: col, Text: text, Why: why})
}

// syntax files a line that is no CSV; false when reading on makes no sense.
func (t *table) syntax(err error, mendable bool) bool {
	var wrong *csv.ParseError
	if !errors.As(err, &wrong) {
		t.faults.add(Fault{File: t.file, Why: "cannot be read: " + err.Error()})
		return false
	}
	f := Fault{File: t.file, Line: wrong.Line, Column: wrong.Column, Why: "is not CSV: " + wrong.Err.Error(), Mendable: mendable}
	if !mendable || !t.options.Quarantine {
		t.faults.add(f)
	} else if t.told++; t.told <= faultsMax {
		t.notes = append(t.notes, f.String()+"; the row is left out")
	}
	return true
}

// tape turns the rows into instants.
func (t *table) tape() *Tape {
	t.midnights()
	made := &Tape{Calendar: t.calendar(), Daily: t.daily}
	for i, c := range t.columns {
		if i == 0 || c.origin != t.columns[i-1].origin {
			made.origins = append(made.origins, brought{c.origin, t.file, made.Calendar})
		}
	}
	opens := func(c column) bool { return t.daily && c.bar == "open" }
	rest := func(c column) bool { return !opens(c) }
	var odd oddDays
	made.Instants = make([]lifeboat.Instant, 0, 2*len(t.rows))
	for i, r := range t.rows {
		if !t.daily {
			made.Instants = t.give(made.Instants, r.at.UTC(), i, rest)
			continue
		}
		before := len(made.Instants)
		s, traded := made.Calendar.On(r.at)
		if !traded {
			s = made.Calendar.Usual(r.at)
		}
		made.Instants = t.give(made.Instants, s.Open, i, opens)
		made.Instants = t.give(made.Instants, s.Close, i, rest)
		if !traded && len(made.Instants) > before { // a blank row on a holiday is nothing to tell
			odd.add(r.at)
		}
	}
	if odd.count > 0 {
		t.notes = append(t.notes, odd.warning(t.file, made.Calendar))
	}
	if t.told > faultsMax {
		t.notes = append(t.notes, fmt.Sprintf("%s: %d more bad values and rows were left out", t.file, t.told-faultsMax))
	}
	// A session of 24/7 opens when the one before closes: two rows speak of one instant.
	made.Instants = coalesce(made.Instants)
	made.notes = t.notes
	made.survey()
	return made
}

// give appends the instant at which some columns of a row became known, unless all of them are blank.
func (t *table) give(instants []lifeboat.Instant, at time.Time, row int, known func(column) bool) []lifeboat.Instant {
	if cap(t.pool)-len(t.pool) < len(t.columns) {
		t.pool = make([]lifeboat.Reading, 0, max(4096, len(t.columns)))
	}
	start := len(t.pool)
	for i, c := range t.columns {
		if !known(c) {
			continue
		}
		index := row*len(t.columns) + i
		if v := t.values[index]; !math.IsNaN(v) {
			t.pool = append(t.pool, lifeboat.Reading{Series: c.series, Source: c.source, Value: v})
		} else if why := t.bad[index]; why != "" {
			t.pool = append(t.pool, lifeboat.Reading{Series: c.series, Source: c.source, Quality: lifeboat.Suspect, Why: why})
		}
	}
	if len(t.pool) == start {
		return instants
	}
	return append(instants, lifeboat.Instant{At: at, Readings: slices.Clip(t.pool[start:])})
}

// midnights recognises daily bars whose date some programs write as a time, local midnight. Taken as times they would
// tell each day's close before the day began.
func (t *table) midnights() {
	if t.daily || len(t.rows) < 2 {
		return
	}
	for _, r := range t.rows {
		if hour, minute, second := r.at.Clock(); r.exact || hour+minute+second+r.at.Nanosecond() != 0 {
			return
		}
	}
	t.daily = true
	for i, r := range t.rows {
		t.rows[i].at = time.Date(r.at.Year(), r.at.Month(), r.at.Day(), 0, 0, 0, 0, time.UTC)
	}
	t.notes = append(t.notes, t.file+": every time is midnight, so the rows are taken for daily bars and known when their day's session closes")
}

// calendar that the owner chose, or that the rows look like.
func (t *table) calendar() *session.Calendar {
	if t.options.Calendar != nil {
		return t.options.Calendar
	}
	for _, r := range t.rows {
		if t.daily && weekend(r.at) || !t.daily && shut(r.at) {
			return session.AllDay()
		}
	}
	return session.NYSE()
}

func weekend(day time.Time) bool {
	return day.Weekday() == time.Saturday || day.Weekday() == time.Sunday
}

// shut reports a time at which no stock trades in New York, not even before or after hours: a Saturday, or the night
// from 20:00 to 04:00, an hour less on either side so that daylight saving does not matter.
func shut(t time.Time) bool {
	t = t.UTC().Add(-5 * time.Hour)
	return t.Weekday() == time.Saturday || t.Hour() >= 21 || t.Hour() < 3
}

// oddDays are the dates of rows that were no session.
type oddDays struct {
	count int
	first time.Time
}

func (o *oddDays) add(day time.Time) {
	if o.count == 0 {
		o.first = day
	}
	o.count++
}

func (o *oddDays) warning(file string, c *session.Calendar) string {
	rows := "row is"
	if o.count > 1 {
		rows = "rows are"
	}
	return fmt.Sprintf("%s: %d %s dated on a day without a session of the calendar %s, first %s; stamped with a plain day's close",
		file, o.count, rows, c.Name(), o.first.Format(time.DateOnly))
}
