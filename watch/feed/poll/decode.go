package poll

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/ohler55/ojg/jp"
	"github.com/ohler55/ojg/oj"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/watch/feed/tape"
)

// decode finds the feed's value in the answer of an address.
func (f *feed) decode(body []byte) ([]observation, error) {
	if f.Format == "json" {
		return f.decodeJSON(body)
	}
	header, rest, _ := bytes.Cut(bytes.TrimPrefix(body, []byte("\ufeff")), []byte("\n"))
	t, err := newColumns(header, f.Feed)
	if err != nil {
		return nil, err
	}
	said, err := t.rows(rest)
	return lastOfEach(said), err
}

// decodeJSON follows the path to exactly one value, of the answer or of each of its rows; two would be a choice that
// nobody made.
func (f *feed) decodeJSON(body []byte) ([]observation, error) {
	document, err := oj.Parse(body)
	if err != nil {
		return nil, errors.New("the answer is not JSON")
	}
	if f.rows == nil {
		o, err := f.observe(document)
		if err != nil {
			return nil, err
		}
		return []observation{o}, nil
	}
	var said []observation
	for _, row := range f.rows.Get(document) {
		o, err := f.observe(row)
		if err != nil {
			return nil, fmt.Errorf("in row %d %w", len(said)+1, err)
		}
		said = append(said, o)
	}
	if len(said) == 0 && !f.isEmpty(document) {
		return nil, fmt.Errorf("%s finds no row in the answer", f.rows)
	}
	return said, nil
}

// isEmpty reports an answer whose list is there and has nothing in it, which is no fault.
func (f *feed) isEmpty(document any) bool {
	n := len(f.rows)
	if n == 0 {
		return false
	}
	if _, all := f.rows[n-1].(jp.Wildcard); !all {
		return false
	}
	found := f.rows[:n-1].Get(document)
	if len(found) != 1 {
		return false
	}
	list, is := found[0].([]any)
	return is && len(list) == 0
}

func (f *feed) observe(document any) (o observation, err error) {
	o.Series = lifeboat.Series(f.Series)
	if o.Text, err = one(f.value, document); err != nil {
		return o, err
	}
	if f.time != nil {
		o.Time, err = one(f.time, document)
	}
	return o, err
}

func one(path jp.Expr, document any) (string, error) {
	found := path.Get(document)
	if len(found) != 1 {
		return "", fmt.Errorf("%s finds %d values in the answer, and one is wanted", path, len(found))
	}
	switch v := found[0].(type) {
	case string:
		return text(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case json.Number:
		return text(v.String()), nil
	case bool:
		return strconv.FormatBool(v), nil
	case nil:
		return "none", nil
	case []any:
		return "a list", nil
	case map[string]any:
		return "an object", nil
	}
	return fmt.Sprintf("a %T", found[0]), nil
}

// text keeps a string that is there but empty from looking like a blank cell, which is no reading at all.
func text(s string) string {
	if s = strings.TrimSpace(s); s == "" {
		return "nothing"
	}
	return s
}

// columns say where in a CSV table a feed's values stand.
type columns struct {
	width  int
	time   int // -1 when there is none
	values []place
}

type place struct {
	field  int
	series lifeboat.Series
}

// newColumns reads a header: the column and the time that the feed names, or else a table in the tape's form, with a
// date first and columns called as the series.
func newColumns(header []byte, f plan.Feed) (*columns, error) {
	names, err := csv.NewReader(bytes.NewReader(header)).Read()
	if err != nil {
		return nil, errors.New("there is no header in the first line")
	}
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	c := &columns{width: len(names), time: -1}
	if f.Time != "" {
		if c.time = slices.Index(names, f.Time); c.time < 0 {
			return nil, fmt.Errorf("there is no column %q in the header", f.Time)
		}
	} else if tape.IsDateColumn(names[0]) {
		c.time = 0
	}
	if f.Column != "" {
		field := slices.Index(names, f.Column)
		if field < 0 {
			return nil, fmt.Errorf("there is no column %q in the header", f.Column)
		}
		c.values = []place{{field, lifeboat.Series(f.Series)}}
		return c, nil
	}
	for i, name := range names {
		column, err := tape.ParseColumn(name)
		if i == c.time || err != nil || column.Source != "" && column.Source != f.Source {
			continue
		}
		if string(column.Series) == f.Series || column.Symbol == f.Series {
			c.values = append(c.values, place{i, column.Series})
		}
	}
	if len(c.values) == 0 {
		return nil, fmt.Errorf("there is no column %s in the header", f.Series)
	}
	slices.SortStableFunc(c.values, func(a, b place) int { return closeLast(a) - closeLast(b) })
	return c, nil
}

func closeLast(p place) int {
	if _, bar := p.series.Column(); bar == "" {
		return 1
	}
	return 0
}

// rows reads complete lines. A line of another width gives nothing: it may have been cut while it was written.
func (c *columns) rows(text []byte) ([]observation, error) {
	reader := csv.NewReader(bytes.NewReader(text))
	reader.FieldsPerRecord = -1
	reader.ReuseRecord = true
	reader.LazyQuotes = true
	var said []observation
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return said, nil
		}
		if err != nil {
			return nil, fmt.Errorf("the answer is not CSV: %w", err)
		}
		if len(record) != c.width {
			continue
		}
		for _, v := range c.values {
			o := observation{Series: v.series, Text: strings.Clone(record[v.field])}
			if c.time >= 0 {
				if o.Time = strings.Clone(strings.TrimSpace(record[c.time])); o.Time == "" {
					o.Time = "nothing"
				}
			}
			said = append(said, o)
		}
	}
}

// lastOfEach keeps what was said last of each series, where anything was.
func lastOfEach(said []observation) []observation {
	var kept []observation
	for _, o := range slices.Backward(said) {
		if _, blank, _ := tape.ParseValue(o.Text, "", true); blank {
			continue
		}
		if !slices.ContainsFunc(kept, func(k observation) bool { return k.Series == o.Series }) {
			kept = append(kept, o)
		}
	}
	slices.Reverse(kept)
	return kept
}
