package history

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"lifeboat/session"
	"lifeboat/watch/feed/tape"
)

// layout says where in a record of CSV a row's parts stand.
type layout struct {
	date      int
	closeTime int   // -1 when there is none
	fields    []int // of the sheet's columns
	ticker    int   // -1 when there is none
	dividends []int // columns that are not zero on the days of a dividend or split
	adjClose  int   // -1 when there is none
	width     int   // of the header
}

// table reads CSV with a header: tape, fred and bars.
func (s *sheet) table(text []byte) error {
	if err := s.lines(text); err != nil {
		return err
	}
	r := newCSV(text)
	names, err := r.Read()
	if err != nil {
		return s.refuse("", "it has no header: "+err.Error())
	}
	names = slices.Clone(names)
	l, err := s.header(names)
	if err != nil {
		return err
	}
	tickers := map[string]bool{}
	err = s.records(r, l.width, func(place string, record []string) error {
		if l.ticker >= 0 {
			if tickers[strings.Clone(record[l.ticker])] = true; len(tickers) > 1 {
				return s.refuse(place, "its rows belong to several tickers: split it into one file for each")
			}
		}
		if s.evidence == "" && l.adjClose < 0 && slices.ContainsFunc(l.dividends, func(i int) bool {
			v, err := strconv.ParseFloat(record[i], 64)
			return err == nil && v != 0
		}) {
			s.evidence = "it has a column of dividends or splits and no Adj Close, as an export has whose prices are adjusted already"
		}
		return s.record(place, l, record)
	})
	if err == nil && len(tickers) == 1 && s.options.Series == "" {
		for ticker := range tickers {
			err = s.rename(strings.TrimSpace(ticker))
		}
	}
	return err
}

// lines refuses what no table of prices has, before a reader of CSV makes a row of it that is larger than the file: lines
// of more fields than anybody writes, and quotation marks that never close.
func (s *sheet) lines(text []byte) error {
	const fieldsMax = 2 * columnsMax
	for n := 1; len(text) > 0; n++ {
		line, rest, _ := bytes.Cut(text, []byte{'\n'})
		text = rest
		if bytes.Count(line, []byte{','}) > fieldsMax {
			return s.refuse(fmt.Sprintf("line %d", n), fmt.Sprintf("it has more than %d fields", fieldsMax))
		}
		if bytes.Count(line, []byte{'"'})%2 != 0 {
			return s.refuse(fmt.Sprintf("line %d", n), "it has a quotation mark without its other half")
		}
	}
	return nil
}

// rename the one series of a sheet as its rows call it.
func (s *sheet) rename(ticker string) error {
	if ticker == "" || strings.ContainsAny(ticker, ".@") || len(ticker) > nameMax {
		return nil
	}
	for i := range s.columns {
		s.columns[i].symbol = ticker
	}
	return nil
}

// records gives every record that is as long as the header, or as the first one when the width is 0, and quarantines
// the others.
func (s *sheet) records(r *csv.Reader, width int, take func(place string, record []string) error) error {
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if wrong, ok := errors.AsType[*csv.ParseError](err); ok {
			s.quarantine(fmt.Sprintf("%s:%d", s.file, wrong.Line), "", "is no CSV: "+wrong.Err.Error())
			continue
		}
		if err != nil {
			return err
		}
		line, _ := r.FieldPos(0)
		place := fmt.Sprintf("%s:%d", s.file, line)
		if width == 0 {
			width = len(record)
		}
		if len(record) != width {
			s.quarantine(place, record[0], fmt.Sprintf("begins a row of %d fields where others have %d", len(record), width))
			continue
		}
		if err := take(place, record); err != nil {
			return err
		}
	}
}

func (s *sheet) record(place string, l layout, record []string) error {
	if len(record) < l.width {
		s.quarantine(place, record[0], fmt.Sprintf("begins a row of %d fields where the header has %d", len(record), l.width))
		return nil
	}
	at, ok := clock(record[l.date])
	if !ok {
		s.quarantine(place, record[l.date], "is no date")
		return nil
	}
	if l.closeTime >= 0 && s.interval == 0 {
		if closes, ok := clock(record[l.closeTime]); ok && closes.at.After(at.at) {
			s.interval = closes.at.Sub(at.at).Round(time.Second)
		}
	}
	cells := make([]string, len(l.fields))
	for i, field := range l.fields {
		cells[i] = record[field]
	}
	return s.add(place, at, cells)
}

// header finds the date and makes the columns.
func (s *sheet) header(names []string) (layout, error) {
	l := layout{date: -1, closeTime: -1, ticker: -1, adjClose: -1, width: len(names)}
	for i, name := range names {
		switch name := bare(name); {
		case l.date < 0 && (tape.IsDateColumn(name) || slices.Contains(openTimes, name)):
			l.date = i
			s.starts = slices.Contains(openTimes, name)
		case name == "close time":
			l.closeTime, s.starts = i, true
		case name == "adj close":
			l.adjClose = i
		}
	}
	if l.date < 0 {
		return l, s.refuse("", fmt.Sprintf("no column of its header is called date: %q", strings.Join(names[:min(8, len(names))], ",")))
	}
	if s.form == formBars {
		return l, s.barColumns(names, &l)
	}
	return l, s.seriesColumns(names, &l)
}

// barColumns of a file that is one series.
func (s *sheet) barColumns(names []string, l *layout) error {
	s.bars = true
	symbol, source := s.symbol("")
	at := map[string]int{}
	var ignored []string
	wantAdjusted := s.options.Adjusted == "adjusted" && l.adjClose >= 0
	for i, name := range names {
		switch name := bare(name); {
		case i == l.date, i == l.closeTime, tape.IsDateColumn(name):
		case slices.Contains(barOrder, name):
			if _, twice := at[name]; twice {
				return s.refuse("", "two columns are called "+name)
			}
			at[name] = i
		case name == "ticker" || name == "symbol":
			l.ticker = i
		case name == "dividends" || name == "stock splits":
			l.dividends = append(l.dividends, i)
		case name == "adj close" && wantAdjusted:
		default:
			ignored = append(ignored, strconv.Quote(names[i]))
		}
	}
	if wantAdjusted { // the other prices of the bar are not adjusted, and do not belong to this close
		at = map[string]int{"close": l.adjClose, "volume": at["volume"]}
		if at["volume"] == 0 {
			delete(at, "volume")
		}
		s.note("the adjusted close is read, and open, high and low are not, because they are not adjusted")
	} else if l.adjClose >= 0 {
		raw := false
		s.adjusted = &raw
	}
	for _, bar := range barOrder {
		if i, known := at[bar]; known {
			if err := s.addColumn(column{symbol: symbol, source: source, bar: bar}); err != nil {
				return err
			}
			l.fields = append(l.fields, i)
		}
	}
	if _, known := at["close"]; !known {
		return s.refuse("", "it has no column close")
	}
	if len(ignored) > 0 {
		s.note("not read: the columns %s", strings.Join(ignored, ", "))
	}
	return nil
}

// seriesColumns of a file whose header names the series.
func (s *sheet) seriesColumns(names []string, l *layout) error {
	var columns []column
	var fields []int
	for i, name := range names {
		if i == l.date || s.options.Column != "" && name != s.options.Column {
			continue
		}
		c, err := tape.ParseColumn(name)
		if err != nil {
			return s.refuse("", fmt.Sprintf("the column %q %s", name, err))
		}
		if s.options.Source != "" {
			c.Source = s.options.Source
		}
		columns = append(columns, column{symbol: c.Symbol, source: c.Source, bar: c.Bar})
		fields = append(fields, i)
	}
	if len(columns) == 0 {
		return s.refuse("", "it has no column of a series"+orNot(s.options.Column))
	}
	if s.options.Series != "" {
		if err := s.oneSeries(columns); err != nil {
			return err
		}
	}
	for _, i := range inOrder(columns) {
		if err := s.addColumn(columns[i]); err != nil {
			return err
		}
		l.fields = append(l.fields, fields[i])
	}
	return nil
}

func orNot(column string) string {
	if column == "" {
		return ""
	}
	return fmt.Sprintf(" called %q", column)
}

// oneSeries gives the owner's name to the columns of a file that has one symbol.
func (s *sheet) oneSeries(columns []column) error {
	symbol, _ := s.options.Series.Column()
	for i := range columns {
		if columns[i].symbol != columns[0].symbol {
			return s.refuse("", fmt.Sprintf("it holds several series, %s and %s among them: leave --series out, or choose one with --column", columns[0].symbol, columns[i].symbol))
		}
	}
	for i := range columns {
		columns[i].symbol = symbol
	}
	return nil
}

// headless reads klines as CSV: open time, open, high, low, close, volume, close time …
func (s *sheet) headless(text []byte) error {
	if err := s.lines(text); err != nil {
		return err
	}
	if names, err := newCSV(text).Read(); err == nil {
		if _, isTime := clock(names[0]); !isTime {
			s.form = formBars
			if err := s.table(text); err != nil {
				return err
			}
			s.form, s.starts = formKlines, true
			return nil
		}
	}
	if err := s.klineColumns(); err != nil {
		return err
	}
	l := layout{date: 0, closeTime: -1, fields: []int{1, 2, 3, 5, 4}, ticker: -1, width: 6}
	return s.records(newCSV(text), 0, func(place string, record []string) error {
		if len(record) > 6 {
			l.closeTime = 6
		}
		return s.record(place, l, record)
	})
}

// klineColumns are a bar's, and a kline's time is its beginning.
func (s *sheet) klineColumns() error {
	s.bars, s.starts, s.calendar = true, true, session.AllDay()
	symbol, source := s.symbol("")
	for _, bar := range barOrder {
		if err := s.addColumn(column{symbol: symbol, source: source, bar: bar}); err != nil {
			return err
		}
	}
	return nil
}

// lean reads Lean's own form: no header, times without zone, prices of stocks as whole numbers of 1/10,000.
func (s *sheet) lean(text []byte) error {
	if err := errors.Join(s.lines(text), s.klineColumns()); err != nil {
		return err
	}
	raw := false
	s.calendar, s.adjusted = nil, &raw
	l := layout{date: 0, closeTime: -1, fields: []int{1, 2, 3, 5, 4}, ticker: -1, width: 6}
	whole := true
	err := s.records(newCSV(text), 0, func(place string, record []string) error {
		at, ok := leanTime(record[0])
		if !ok || len(record) < l.width {
			s.quarantine(place, record[0], "begins no row of Lean's")
			return nil
		}
		whole = whole && !slices.ContainsFunc(record[1:5], func(price string) bool { return strings.Contains(price, ".") })
		cells := make([]string, len(l.fields))
		for i, field := range l.fields {
			cells[i] = record[field]
		}
		return s.add(place, row{at: at}, cells)
	})
	if err != nil {
		return err
	}
	if !whole {
		s.calendar = session.AllDay()
		s.note("its prices have decimals, so they are taken as they stand, for a coin's, and its times for UTC")
		return nil
	}
	s.note("every price is a whole number, so they are taken for stocks', times 10,000, and its times for New York's")
	return s.newYork()
}

// newYork divides Lean's prices and sets its times to the exchange's zone.
func (s *sheet) newYork() error {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		return err
	}
	s.calendar = session.NYSE()
	for i := range s.rows {
		row := &s.rows[i]
		t := row.at
		if t.Hour() == 0 && t.Minute() == 0 {
			row.dated = true
		} else {
			row.at = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, zone).UTC()
		}
		values := s.row(i)
		for c, column := range s.columns {
			if column.bar != "volume" && !math.IsNaN(values[c]) {
				values[c] /= 10_000
			}
		}
	}
	return nil
}

func leanTime(text string) (time.Time, bool) {
	t, err := time.Parse("20060102 15:04", strings.TrimSpace(text))
	return t, err == nil
}
