package history

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/session"
	"lifeboat/watch/feed/tape"
)

// Limits of one import.
const (
	importBytesMax = 256 << 20 // after decompression
	valuesMax      = 10_000_000
	rowsMax        = 5_000_000
	columnsMax     = 1_000
	toldMax        = 50 // quarantined values that are listed; all are counted
)

// A sheet is a file as it was read, before anything is made of it: rows in the order of the file, with the times that
// stood there.
type sheet struct {
	file    string
	form    string
	options *Options
	columns []column
	rows    []row
	values  []float64 // row by row, one per column; NaN where there is none

	bars     bool              // a row sums up a span of time; else it is a sample, true at its time
	starts   bool              // the form says that a bar's time is its beginning
	interval time.Duration     // that the form tells; 0 when it does not
	calendar *session.Calendar // that the form tells
	evidence string            // why the prices are adjusted; "" when nothing says so
	adjusted *bool             // what the file itself says
	daily    bool              // what the file itself says: its times are when the values of days were known
	*told
}

// told is what is to be told of a file, shared by the parts that it may be cut into.
type told struct {
	noted     []string
	bad       []string // the first toldMax
	badCount  int
	badValues int
}

// A column is one series of a sheet.
type column struct {
	symbol, source, bar string // bar: open, high, low, volume or close
	level               bool   // may be zero or negative
}

// bars' parts in the order in which their readings are given out, as tape has it.
var barOrder = []string{"open", "high", "low", "volume", "close"}

func (c column) series() lifeboat.Series {
	if c.bar == "close" {
		return lifeboat.Series(c.symbol)
	}
	return lifeboat.Series(c.symbol + "." + c.bar)
}

// A row's time as it stands in the file.
type row struct {
	at    time.Time
	dated bool // a date; at is its midnight in UTC
	exact bool // written so that midnight can only be a time
}

func (s *sheet) note(format string, args ...any) {
	s.noted = append(s.noted, s.file+": "+fmt.Sprintf(format, args...))
}

// quarantine counts a value or a row that cannot be right, and tells the first ones.
func (s *sheet) quarantine(place, text, why string) {
	s.badCount++
	if len(s.bad) < toldMax {
		const runesMax = 40
		if runes := []rune(text); len(runes) > runesMax {
			text = string(runes[:runesMax]) + "…"
		}
		s.bad = append(s.bad, fmt.Sprintf("%s: %q %s", place, text, why))
	}
}

// add a row with the texts of its cells, one per column.
func (s *sheet) add(place string, at row, cells []string) error {
	values := make([]float64, len(cells))
	for i, text := range cells {
		values[i] = s.value(place, s.columns[i], text)
	}
	return s.append(place, at, values)
}

func (s *sheet) value(place string, c column, text string) float64 {
	v, blank, why := tape.ParseValue(text, c.bar, c.level)
	if why != "" {
		s.badValues++
		s.quarantine(place, text, why)
	}
	if blank || why != "" {
		return math.NaN()
	}
	return v
}

// append a row whose values are numbers or NaN. A high below its low makes both suspect: nobody knows which is wrong.
func (s *sheet) append(place string, at row, values []float64) error {
	if len(s.values) > valuesMax-len(values) || len(s.rows) == rowsMax {
		return s.refuse(place, fmt.Sprintf("it has more than %d rows or %d values: import it in parts, from several files", rowsMax, valuesMax))
	}
	if at.at.Before(timeMin) || at.at.After(timeMax) {
		s.quarantine(place, at.at.Format(time.RFC3339), "is no date from 1700 to 2199")
		return nil
	}
	for i, c := range s.columns {
		if c.bar == "high" && i+1 < len(values) && s.columns[i+1].bar == "low" && s.columns[i+1].symbol == c.symbol && values[i] < values[i+1] {
			s.badValues += 2
			s.quarantine(place, fmt.Sprint(values[i]), fmt.Sprintf("is a high below the low %v", values[i+1]))
			values[i], values[i+1] = math.NaN(), math.NaN()
		}
	}
	s.rows = append(s.rows, at)
	s.values = append(s.values, values...)
	return nil
}

// refuse the file for one thing that cannot be read past.
func (s *sheet) refuse(place, why string) error { return refused(s.file, place, why) }

// refused tells why a file is not imported; place is behind its name, such as a line.
func refused(file, place, why string) error {
	where := file
	if place != "" && place != file {
		where += ", " + strings.TrimPrefix(place, file+":")
	}
	return &lifeboat.Problem{Reason: "history-refused", What: fmt.Sprintf("%s is not imported: %s", where, why),
		Money: "nothing of it was stored", Next: "lifeboat history import --help"}
}

// row of the sheet's values.
func (s *sheet) row(i int) []float64 { return s.values[i*len(s.columns) : (i+1)*len(s.columns)] }

// addColumn takes a column in by its bar's part, or refuses its name.
func (s *sheet) addColumn(c column) error {
	c.level = c.level || s.options.Level || tape.IsLevel(c.symbol) || s.form == formTVL
	switch {
	case c.symbol == "" || strings.ContainsAny(c.symbol, ".@\x00\n\r"):
		return s.refuse("", fmt.Sprintf("%q can be no name of a series; give one without dots with --series, such as --series SPY", c.symbol))
	case len(c.symbol) > nameMax || len(c.source) > nameMax:
		return s.refuse("", fmt.Sprintf("a series' name has more than %d characters", nameMax))
	case len(s.columns) == columnsMax:
		return s.refuse("", fmt.Sprintf("more than %d columns", columnsMax))
	case slices.ContainsFunc(s.columns, func(o column) bool { return o.series() == c.series() && o.source == c.source }):
		return s.refuse("", fmt.Sprintf("two columns are %s", c.series()))
	}
	s.columns = append(s.columns, c)
	return nil
}

// nameMax is the length of a series' or a source's name, in bytes: file systems take 255, and escaping may treble it.
const nameMax = 40

// symbol that a file of one series is called by: what the owner says, else what the file says, else the file's name.
func (s *sheet) symbol(said string) (symbol, source string) {
	symbol, source = said, s.options.Source
	name := path.Base(strings.ReplaceAll(s.file, `\`, "/"))
	for _, ending := range []string{".gz", ".zip", ".csv", ".json", ".parquet", ".txt"} {
		name = strings.TrimSuffix(name, ending)
	}
	before, after, _ := strings.Cut(name, "@")
	if symbol == "" {
		symbol = before
	}
	if source == "" {
		source = after
	}
	if s.options.Series != "" {
		symbol, _ = s.options.Series.Column()
	}
	return symbol, source
}

// inOrder brings columns of one origin together in the order of a bar's parts, and a low behind its high.
func inOrder(columns []column) (order []int) {
	first := map[string]int{}
	for i, c := range columns {
		order = append(order, i)
		if _, seen := first[c.symbol+"@"+c.source]; !seen {
			first[c.symbol+"@"+c.source] = i
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := columns[a], columns[b]
		if d := first[x.symbol+"@"+x.source] - first[y.symbol+"@"+y.source]; d != 0 {
			return d
		}
		return slices.Index(barOrder, x.bar) - slices.Index(barOrder, y.bar)
	})
	return order
}

// clock reads a time as any of the forms writes it; NoTime when it is none. Whole numbers of 16 digits are microseconds.
func clock(text string) (row, bool) {
	text = strings.TrimSpace(text)
	if len(text) == 16 && strings.Trim(text, "0123456789") == "" {
		var micros int64
		for _, digit := range []byte(text) {
			micros = micros*10 + int64(digit-'0')
		}
		return row{at: time.UnixMicro(micros).UTC()}, true
	}
	at, form := tape.ParseTime(text)
	return row{at: at, dated: form == tape.Date, exact: form == tape.Exact}, form != tape.NoTime
}
