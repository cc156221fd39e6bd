// Package sheet reads a table of returns or prices and measures it: what lifeboat risk prints, as a table for people and
// as JSON for programs.
//
// A table is CSV, plain or compressed with gzip: a column of dates, the oldest first, then one column per asset. [Read]
// takes it or says in one sentence, with file, line and column, what cannot be right; [Measure] computes every figure
// with package risk; [Text] tells them. Returns are fractions per row. Prices become returns from row to row.
//
// It mends nothing: a missing cell is refused, because a return of zero would look calm. A row without any value is a
// holiday and is left out with a word. It knows no calendar, no dividends and no currencies, and moves no money.
package sheet

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"lifeboat"
	"lifeboat/prose"
)

// Limits of what is read. They are far above fifty years of daily rows, and below what hurts a small machine.
const (
	bytesMax   = 64 << 20 // of text, after decompression
	columnsMax = 1_000
	valuesMax  = 5_000_000
	nameMax    = 200 // bytes of a column's name
)

// Kind of what the cells of a table are.
type Kind uint8

// A cell is the return of its row, or the price at its row's date.
const (
	Returns Kind = iota
	Prices
)

// Table is a table as it was read, with prices already made returns.
type Table struct {
	Dates    []string // of the returns, as they stand in the file
	Columns  []string
	Returns  [][]float64 // by column, then row
	Warnings []string    // one sentence each
	times    []time.Time
	percent  string // the warning that it may be in percent, or ""
}

// Read reads a table; name is how the sentences call it. The error is a [lifeboat.Problem].
func Read(name string, from io.Reader, kind Kind) (*Table, error) {
	text, err := plain(from)
	if err != nil {
		return nil, refused("%s cannot be read: %v", name, err)
	}
	limited := &io.LimitedReader{R: text, N: bytesMax + 1}
	r := &reader{name: name, kind: kind, rows: csv.NewReader(limited), table: &Table{}}
	r.rows.ReuseRecord, r.rows.TrimLeadingSpace = true, true
	err = r.read()
	if limited.N <= 0 {
		return nil, refused("%s holds more than %d MiB; cut it to the years that are asked for", name, bytesMax>>20)
	}
	if err != nil {
		return nil, err
	}
	return r.table, r.finish()
}

// plain takes the compression and the byte order mark off.
func plain(from io.Reader) (io.Reader, error) {
	text := bufio.NewReader(from)
	if head, _ := text.Peek(2); string(head) == "\x1f\x8b" {
		unzipped, err := gzip.NewReader(text)
		if err != nil {
			return nil, err
		}
		text = bufio.NewReader(unzipped)
	}
	if head, _ := text.Peek(3); string(head) == "\ufeff" {
		if _, err := text.Discard(3); err != nil {
			return nil, err
		}
	}
	return text, nil
}

type reader struct {
	name     string
	kind     Kind
	rows     *csv.Reader
	table    *Table
	lines    []int // of each row that was taken
	holidays int
	holiday  int // line of the first
}

func (r *reader) read() error {
	header, err := r.rows.Read()
	if err == io.EOF {
		return refused("%s is empty; it needs a line of names, then one row per date", r.name)
	}
	if err != nil {
		return r.broken(err)
	}
	if err := r.header(header); err != nil {
		return err
	}
	for {
		row, err := r.rows.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return r.broken(err)
		}
		if err := r.row(row); err != nil {
			return err
		}
	}
}

func (r *reader) header(cells []string) error {
	if len(cells) < 2 {
		return r.at(0, "there is one column only; a table has a date column, then one per asset, with commas between them")
	}
	if len(cells) > columnsMax+1 {
		return r.at(0, "there are %d columns, and more than %d are not read", len(cells), columnsMax+1)
	}
	if _, err := moment(cells[0]); err == nil {
		return r.at(0, "the first line has a date; it must name the columns")
	}
	for i, cell := range cells[1:] {
		name := printable(cell)
		if name == "" {
			return r.at(i+1, "the column has no name")
		}
		if len(name) > nameMax {
			return r.at(i+1, "the column's name is longer than %d bytes", nameMax)
		}
		if slices.Contains(r.table.Columns, name) {
			return r.at(i+1, "two columns are called %s", name)
		}
		r.table.Columns = append(r.table.Columns, name)
	}
	r.table.Returns = make([][]float64, len(r.table.Columns))
	return nil
}

// missing are the ways in which public tables say that there is no value.
var missing = []string{"", ".", "-", "na", "n/a", "nan", "null", "none", "#n/a"}

func isMissing(cell string) bool {
	return slices.Contains(missing, strings.ToLower(strings.TrimSpace(cell)))
}

func (r *reader) row(cells []string) error {
	when, err := moment(cells[0])
	if err != nil {
		return r.at(0, "%q is not a date such as 2020-03-16", clip(cells[0]))
	}
	if n := len(r.table.times); n > 0 && !when.After(r.table.times[n-1]) {
		if when.Equal(r.table.times[n-1]) {
			return r.at(0, "%s stands in the table twice", clip(cells[0]))
		}
		return r.at(0, "%s stands after %s; the oldest row comes first", clip(cells[0]), r.table.Dates[n-1])
	}
	gap := slices.IndexFunc(cells[1:], isMissing)
	if gap >= 0 && !slices.ContainsFunc(cells[1:], func(c string) bool { return !isMissing(c) }) {
		r.holidays++
		if r.holidays == 1 {
			r.holiday, _ = r.rows.FieldPos(0)
		}
		return nil
	}
	if gap >= 0 {
		return r.at(gap+1, "%s has no value on %s, and others have; take the row out or fill the cell, because a missing day is not a calm one",
			r.table.Columns[gap], clip(cells[0]))
	}
	for i, cell := range cells[1:] {
		v, err := r.value(i, cell)
		if err != nil {
			return err
		}
		r.table.Returns[i] = append(r.table.Returns[i], v)
	}
	r.table.times = append(r.table.times, when)
	r.table.Dates = append(r.table.Dates, strings.TrimSpace(cells[0]))
	line, _ := r.rows.FieldPos(0)
	r.lines = append(r.lines, line)
	if len(r.lines)*len(r.table.Columns) > valuesMax {
		return r.at(0, "there are more than %d values, which is more than is read", valuesMax)
	}
	return nil
}

func (r *reader) value(column int, cell string) (float64, error) {
	cell = strings.TrimSpace(cell)
	v, err := strconv.ParseFloat(cell, 64)
	if strings.HasSuffix(cell, "%") {
		return 0, r.at(column+1, "%q is a percentage; write 3 %% as 0.03", clip(cell))
	}
	if err != nil && !errors.Is(err, strconv.ErrRange) || strings.ContainsAny(cell, "xX_") {
		return 0, r.at(column+1, "%q is not a number", clip(cell))
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, r.at(column+1, "%q is not a finite number", clip(cell))
	}
	if r.kind == Prices && v <= 0 {
		return 0, r.at(column+1, "the price %s of %s is not above zero", clip(cell), r.table.Columns[column])
	}
	if r.kind == Returns && math.Abs(v) > 1 && r.table.percent == "" {
		line, col := r.rows.FieldPos(column + 1)
		r.table.percent = fmt.Sprintf("%s:%d:%d: a return of %s is more than all; if the table is in percent, divide it by 100, because 3 %% is written 0.03", r.name, line, col, clip(cell))
		r.table.Warnings = append(r.table.Warnings, r.table.percent)
	}
	return v, nil
}

// finish makes prices returns and says what was left out.
func (r *reader) finish() error {
	t := r.table
	if r.holidays > 0 {
		rows := "1 row without any value was left out as a holiday"
		if r.holidays > 1 {
			rows = fmt.Sprintf("%d rows without any value were left out as holidays, the first in line %d", r.holidays, r.holiday)
		}
		t.Warnings = append(t.Warnings, fmt.Sprintf("%s:%d: %s", r.name, r.holiday, rows))
	}
	need := 2
	if r.kind == Prices {
		need = 3
	}
	if len(t.Dates) < need {
		return refused("%s has %s of values; a measure of risk needs %d", r.name, prose.Count(len(t.Dates), "row"), need)
	}
	if r.kind == Returns {
		return nil
	}
	for i, prices := range t.Returns {
		returns := make([]float64, len(prices)-1)
		for k := range returns {
			returns[k] = prices[k+1]/prices[k] - 1
			if math.IsInf(returns[k], 0) {
				return refused("%s:%d: %s rises from %v to %v, which no return can say", r.name, r.lines[k+1], t.Columns[i], prices[k], prices[k+1])
			}
		}
		t.Returns[i] = returns
	}
	t.Dates, t.times = t.Dates[1:], t.times[1:]
	return nil
}

// column finds a column by its name.
func (t *Table) column(name string) ([]float64, bool) {
	i := slices.Index(t.Columns, name)
	if i < 0 {
		return nil, false
	}
	return t.Returns[i], true
}

// moment of a row. A month stands for its first day, which only matters for the order.
func moment(cell string) (time.Time, error) {
	cell = strings.TrimSpace(cell)
	for _, form := range []string{time.DateOnly, time.DateTime, time.RFC3339, "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01", "2006/01/02", "20060102"} {
		if when, err := time.Parse(form, cell); err == nil {
			return when, nil
		}
	}
	return time.Time{}, errors.New("no date")
}

// broken tells what the CSV reader stumbled on.
func (r *reader) broken(err error) error {
	var fault *csv.ParseError
	if !errors.As(err, &fault) {
		return refused("%s cannot be read: %v", r.name, err)
	}
	what := fault.Err.Error()
	if errors.Is(fault.Err, csv.ErrFieldCount) {
		what = fmt.Sprintf("the row has another number of cells than the first line's %d", len(r.table.Columns)+1)
	}
	return refused("%s:%d:%d: %s", r.name, fault.Line, max(1, fault.Column), what)
}

// at is a fault of one cell of the row that was read last.
func (r *reader) at(field int, format string, args ...any) error {
	line, column := r.rows.FieldPos(field)
	return refused("%s:%d:%d: %s", r.name, line, column, fmt.Sprintf(format, args...))
}

func refused(format string, args ...any) error {
	return &lifeboat.Problem{Reason: "table-invalid", What: fmt.Sprintf(format, args...), Next: "mend the table; lifeboat risk --help shows its form"}
}

// clip keeps a sentence to one line of a terminal, whatever the cell holds.
func clip(cell string) string {
	const most = 40
	cell = printable(cell)
	if len([]rune(cell)) > most {
		cell = string([]rune(cell)[:most]) + "…"
	}
	return cell
}

// printable leaves no character that moves a terminal's cursor, and no break of a line.
func printable(text string) string {
	return prose.OneLine(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text))
}
