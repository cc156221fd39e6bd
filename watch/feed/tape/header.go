package tape

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"lifeboat"
)

// dateColumns are the names under which the first column may hold the date, in any case.
var dateColumns = []string{"date", "datetime", "time", "timestamp", "observation_date"}

// barColumns of a series, in the order in which their readings are given out: the close last, because the price is
// what triggers look at.
var barColumns = []string{"open", "high", "low", "volume", "close"}

// A column of the table.
type column struct {
	origin
	bar    string // one of barColumns
	series lifeboat.Series
	field  int  // in the row
	level  bool // may be zero or negative
}

// header reads the first line into columns; faults it finds cannot be quarantined.
func (t *table) header(names []string) {
	if !IsDateColumn(names[0]) {
		t.fault(0, names[0], notADate(names[0]))
		return
	}
	if len(names) > columnsMax {
		t.fault(columnsMax, names[columnsMax], fmt.Sprintf("is one column too many: at most %d are read", columnsMax))
		return
	}
	if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, "close") }) {
		t.plainColumns(names)
	} else {
		for i, name := range names[1:] {
			t.addColumn(i+1, name, name)
		}
	}
	if len(t.columns) == 0 && t.faults.Total == 0 {
		t.fault(0, names[0], "stands alone: there is no column with a series")
	}
	t.order()
}

// notADate says why the file cannot begin like this, as far as the beginning tells.
func notADate(first string) string {
	for _, s := range []struct{ sign, name string }{{";", "semicolons"}, {"\t", "tabs"}, {"|", "bars"}} {
		if strings.Contains(first, s.sign) {
			return fmt.Sprintf("shows columns set apart by %s: save the file with commas between them, and points in its numbers", s.name)
		}
	}
	if strings.ContainsRune(first, 0) || !utf8.ValidString(first) {
		return "is no text in UTF-8: save the file as \"CSV UTF-8\""
	}
	if _, form := ParseTime(first); form != NoTime {
		return "is a row already: the first line has to name the columns, such as date,SPY,VIX"
	}
	return "is no date column: the first column must be called " + strings.Join(dateColumns, ", ")
}

// plainColumns reads the header of a file that is one series, named as the file. What is not part of a bar is told
// and left out.
func (t *table) plainColumns(names []string) {
	name := path.Base(strings.ReplaceAll(t.file, `\`, "/"))
	if strings.HasSuffix(strings.ToLower(name), ".gz") {
		name = name[:len(name)-len(".gz")]
	}
	if strings.HasSuffix(strings.ToLower(name), ".csv") {
		name = name[:len(name)-len(".csv")]
	}
	symbol, source, _ := strings.Cut(name, "@")
	if _, err := ParseColumn(name); err != nil || strings.Contains(symbol, ".") {
		t.faults.add(Fault{File: t.file, Text: symbol, Why: "is to be the name of the series, as the file's columns name none; rename the file to one without dots, such as SPY.csv"})
		return
	}
	var ignored []string
	for i, n := range names[1:] {
		if bar := strings.ToLower(n); slices.Contains(barColumns, bar) {
			t.addColumn(i+1, n, symbol+"."+bar+"@"+source)
		} else {
			ignored = append(ignored, quote(n))
		}
	}
	if len(ignored) > 0 {
		t.notes = append(t.notes, fmt.Sprintf("%s: the columns %s are not read, because a file with a column Close is one series",
			t.file, strings.Join(ignored, ", ")))
	}
}

// addColumn takes a column in, or says what is wrong with its name.
func (t *table) addColumn(field int, text, name string) {
	c, err := ParseColumn(name)
	if err != nil {
		t.fault(field, text, err.Error())
		return
	}
	o := origin{c.Symbol, c.Source}
	if slices.ContainsFunc(t.columns, func(other column) bool { return other.origin == o && other.bar == c.Bar }) {
		t.fault(field, text, fmt.Sprintf("comes twice: another column is the %s of %s too", c.Bar, o))
		return
	}
	t.columns = append(t.columns, column{
		origin: o, bar: c.Bar, series: c.Series, field: field,
		level: IsLevel(c.Symbol) || t.options.Levels[c.Symbol],
	})
}

// Column is what the header of one column says.
type Column struct {
	Symbol, Source string
	Bar            string // open, high, low, close or volume; close when the header names none
	Series         lifeboat.Series
}

// ParseColumn understands SERIES, SERIES.column, SERIES@source and SERIES.column@source. Its error goes on after the
// name: "has no column …".
func ParseColumn(name string) (Column, error) {
	name, source, _ := strings.Cut(name, "@")
	symbol, bar, dotted := strings.Cut(name, ".")
	symbol, source, bar = strings.TrimSpace(symbol), strings.TrimSpace(source), strings.ToLower(strings.TrimSpace(bar))
	switch {
	case symbol == "":
		return Column{}, errors.New("names no series; delete the column or give it a name")
	case !dotted:
		bar = "close"
	case !slices.Contains(barColumns, bar):
		return Column{}, errors.New("is no part of a bar: behind a dot stands open, high, low, close or volume; a name has no dots of its own, so rename BRK.B to BRK-B")
	}
	c := Column{Symbol: symbol, Source: source, Bar: bar, Series: lifeboat.Series(symbol)}
	if bar != "close" {
		c.Series = join(symbol, bar)
	}
	return c, nil
}

// IsDateColumn reports a name under which a table holds its dates.
func IsDateColumn(name string) bool { return slices.Contains(dateColumns, strings.ToLower(name)) }

// IsLevel reports a symbol that may always be zero or negative: a yield, as the Federal Reserve calls it.
func IsLevel(symbol string) bool { return strings.HasPrefix(symbol, "DGS") }

// order brings the columns of each origin together, in the order of barColumns, origins as they first appear, and
// notes where a low stands to each high.
func (t *table) order() {
	first := map[origin]int{}
	for _, c := range t.columns {
		if _, seen := first[c.origin]; !seen {
			first[c.origin] = c.field
		}
	}
	slices.SortStableFunc(t.columns, func(a, b column) int {
		if d := first[a.origin] - first[b.origin]; d != 0 {
			return d
		}
		return slices.Index(barColumns, a.bar) - slices.Index(barColumns, b.bar)
	})
	for i, c := range t.columns {
		if c.bar == "high" && i+1 < len(t.columns) && t.columns[i+1].bar == "low" && t.columns[i+1].origin == c.origin {
			t.highs = append(t.highs, i)
		}
	}
}
