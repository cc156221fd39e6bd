package history

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"lifeboat"
	"lifeboat/session"
	"lifeboat/watch/feed/tape"
)

// parquet reads a file of the store, or of another program.
func (s *sheet) parquet(content []byte) error {
	err := s.parquetFile(content)
	if _, told := errors.AsType[*lifeboat.Problem](err); err != nil && !told {
		return s.refuse("", err.Error())
	}
	return err
}

func (s *sheet) parquetFile(content []byte) (err error) {
	defer sheltered(&err)
	f, err := openParquet(content, deep)
	if err != nil {
		return err
	}
	if name, ours := f.Lookup(keySeries); ours {
		return s.ourParquet(f, name, content)
	}
	return s.foreignParquet(f, content)
}

// ourParquet is a file of a store: what it says of itself holds, and its times are when the values were known.
func (s *sheet) ourParquet(f *parquet.File, name string, content []byte) error {
	said := func(key string) string { text, _ := f.Lookup(key); return text }
	symbol, bar := lifeboat.Series(name).Column()
	symbol, source := s.symbol(symbol)
	if s.options.Source == "" {
		source = said(keySource)
	}
	adjusted := said(keyAdjusted) == worded(true)
	calendar, err := session.ByName(said(keyCalendar))
	if err != nil {
		return err
	}
	s.adjusted, s.calendar, s.daily = &adjusted, calendar, said(keyDaily) == "true"
	if bar == "" {
		bar = "close"
	}
	if err := s.addColumn(column{symbol: symbol, source: source, bar: bar, level: true}); err != nil {
		return err
	}
	var c Columns
	if err := decode(content, &c); err != nil {
		return err
	}
	for i, t := range c.Times {
		if err := s.append(s.file, row{at: time.Unix(0, t).UTC(), exact: true}, []float64{c.Values[i]}); err != nil {
			return err
		}
	}
	return nil
}

// foreignParquet takes the first column of times and every column of numbers, called as CSV's headers are.
func (s *sheet) foreignParquet(f *parquet.File, content []byte) error {
	times, numbers := parts(f)
	if times == nil {
		return errors.New("it has no column of times: one has to be a timestamp or a date, or whole numbers called time, timestamp or ts")
	}
	names := []string{"date"}
	if slices.Contains([]string{"open_time", "opentime"}, strings.ToLower(times.Name())) {
		names[0] = "open time"
	}
	for _, c := range numbers {
		names = append(names, c.Name())
	}
	s.form = headed(names)
	if s.form == "" {
		return errors.New("it has no column of numbers")
	}
	l, err := s.header(names)
	if err != nil {
		return err
	}
	s.form = formParquet
	at, err := column64(f, content, times)
	if err != nil {
		return err
	}
	values := make([][]float64, len(l.fields))
	for i, field := range l.fields {
		if values[i], err = column64(f, content, numbers[field-1]); err != nil {
			return err
		}
	}
	return s.foreignRows(at, epochOf(times), values)
}

func (s *sheet) foreignRows(at []float64, epoch func(float64) (row, bool), values [][]float64) error {
	for i, t := range at {
		place := fmt.Sprintf("%s:row %d", s.file, i+1)
		written, ok := epoch(t)
		if !ok {
			s.quarantine(place, fmt.Sprint(t), "is no time")
			continue
		}
		cells := make([]float64, len(values))
		for c := range values {
			cells[c] = values[c][i]
			if math.IsNaN(cells[c]) {
				continue
			}
			cells[c] = s.value(place, s.columns[c], strconv.FormatFloat(cells[c], 'g', -1, 64))
		}
		if err := s.append(place, written, cells); err != nil {
			return err
		}
	}
	return nil
}

// parts are the column of times, nil when there is none, and those of numbers.
func parts(f *parquet.File) (times *parquet.Column, numbers []*parquet.Column) {
	for _, c := range f.Root().Columns() {
		if !c.Leaf() || c.MaxRepetitionLevel() > 0 || c.MaxDefinitionLevel() > 1 {
			continue
		}
		kind := c.Type().Kind()
		whole := kind == parquet.Int64 || kind == parquet.Int32
		name := strings.ToLower(c.Name())
		named := tape.IsDateColumn(name) || slices.Contains([]string{"ts", "t", "open_time", "opentime"}, name)
		switch {
		case times == nil && whole && (named || timed(c)), times == nil && kind == parquet.Double && named:
			times = c
		case timed(c) || named:
		case whole || kind == parquet.Double || kind == parquet.Float:
			if logical := c.Type().LogicalType(); logical != nil {
				if _, decimal := logical.Value.(*format.DecimalType); decimal {
					continue // a scale of its own, which would be read wrong
				}
			}
			numbers = append(numbers, c)
		}
	}
	return times, numbers
}

func timed(c *parquet.Column) bool {
	logical := c.Type().LogicalType()
	if logical == nil {
		return false
	}
	switch logical.Value.(type) {
	case *format.TimestampType, *format.DateType:
		return true
	}
	return false
}

// epochOf says how the numbers of a column of times are meant: as its type says, else by their size.
func epochOf(c *parquet.Column) func(float64) (row, bool) {
	unit := time.Duration(0)
	if logical := c.Type().LogicalType(); logical != nil {
		switch t := logical.Value.(type) {
		case *format.DateType:
			return func(days float64) (row, bool) {
				if math.IsNaN(days) || math.Abs(days) > 1e6 {
					return row{}, false
				}
				return row{at: time.Unix(int64(days)*86400, 0).UTC(), dated: true}, true
			}
		case *format.TimestampType:
			if t.Unit.Value != nil {
				unit = t.Unit.Value.Duration()
			}
		}
	}
	return func(n float64) (row, bool) {
		unit := unit
		if unit == 0 {
			unit = unitOf(n)
		}
		if nanos := n * float64(unit); math.IsNaN(nanos) || math.Abs(nanos) > 9e18 {
			return row{}, false
		}
		if unit == time.Nanosecond { // a double cannot hold these to the last; nobody's prices are that fine
			return row{at: time.Unix(0, int64(n)).UTC().Round(time.Microsecond)}, true
		}
		return row{at: time.Unix(0, int64(n*float64(unit/time.Microsecond))*1000).UTC()}, true
	}
}

// unitOf a number of time since 1970, such that it lies in this century.
func unitOf(n float64) time.Duration {
	switch {
	case n < 1e11:
		return time.Second
	case n < 1e14:
		return time.Millisecond
	case n < 1e17:
		return time.Microsecond
	}
	return time.Nanosecond
}

// column64 reads a column of numbers, NaN where it has none, after a look at what its pages unpack to.
func column64(f *parquet.File, content []byte, c *parquet.Column) ([]float64, error) {
	var values []float64
	buffer := make([]parquet.Value, 1024)
	for i, group := range f.RowGroups() {
		meta := &f.Metadata().RowGroups[i]
		if c.Index() >= len(meta.Columns) {
			return nil, errors.New("a row group lacks a column")
		}
		guard := chunk{meta: &meta.Columns[c.Index()].MetaData, rows: meta.NumRows, optional: c.Optional()}
		if err := guard.walk(content, deep); err != nil {
			return nil, err
		}
		err := readColumn(group.ColumnChunks()[c.Index()], func(page parquet.Page) error {
			reader := page.Values()
			for left := int(page.NumValues()); left > 0; {
				n, err := reader.ReadValues(buffer)
				for _, v := range buffer[:n] {
					values = append(values, number(v))
				}
				if left -= n; left > 0 && (err != nil || n == 0) {
					return errors.Join(errors.New("a page has fewer values than it announces"), err)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if int64(len(values)) != f.NumRows() {
		return nil, fmt.Errorf("the column %s has %d values for %d rows", c.Name(), len(values), f.NumRows())
	}
	return values, nil
}

// number of a value; a null is of no kind.
func number(v parquet.Value) float64 {
	switch v.Kind() {
	case parquet.Int32:
		return float64(v.Int32())
	case parquet.Int64:
		return float64(v.Int64())
	case parquet.Float:
		text := strconv.FormatFloat(float64(v.Float()), 'g', -1, 32) // 0.1 and not 0.10000000149
		n, _ := strconv.ParseFloat(text, 64)
		return n
	case parquet.Double:
		return v.Double()
	}
	return missing
}
