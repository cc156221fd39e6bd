package history

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// Limits of one file of the store: a month of seconds has 2.7 million rows.
const (
	fileRowsMax  = 4_000_000
	fileBytesMax = 64 << 20
)

// Values are whole numbers of 10^-decimals when all of an import are so with at most this many decimals, and none is
// beyond what a double holds exactly.
const (
	decimalsMax = 9
	wholeMax    = 1 << 53
	doubles     = -1
)

// spans of time that one file may hold. A file wants some thousand rows: fewer cost more in bookkeeping than they hold.
var spans = []string{"month", "year", "decade"}

func spanOf(cadence time.Duration) string {
	switch {
	case cadence < 15*time.Minute:
		return "month"
	case cadence < 3*time.Hour: // a session's day has market hours, 6.5 of them
		return "year"
	}
	return "decade"
}

// period of a time, as the name of its file begins: 2020-03, 2020, 2020s.
func period(span string, nanos int64) string {
	t := time.Unix(0, nanos).UTC()
	switch span {
	case "month":
		return t.Format("2006-01")
	case "year":
		return t.Format("2006")
	}
	return strconv.Itoa(t.Year()/10*10) + "s"
}

type scaledRow struct {
	TS int64 `parquet:"ts,delta,timestamp(nanosecond)"`
	V  int64 `parquet:"v,delta"`
}

type doubleRow struct {
	TS int64   `parquet:"ts,delta,timestamp(nanosecond)"`
	V  float64 `parquet:"v"`
}

// encode a period's values as a file. What the metadata says of the series is for other programs and for people; the
// store itself goes by its manifest.
func encode(s Series, c Columns, decimals int) ([]byte, error) {
	var b bytes.Buffer
	options := []parquet.WriterOption{
		parquet.Compression(&zstd.Codec{}),
		parquet.CreatedBy("lifeboat", strconv.Itoa(manifestVersion), "history"),
	}
	for key, value := range metadata(s, decimals) {
		options = append(options, parquet.KeyValueMetadata(key, value))
	}
	if decimals == doubles {
		err := write(&b, len(c.Times), func(i int) doubleRow { return doubleRow{c.Times[i], c.Values[i]} }, options)
		return b.Bytes(), err
	}
	scale := math.Pow10(decimals)
	err := write(&b, len(c.Times), func(i int) scaledRow {
		return scaledRow{c.Times[i], int64(math.Round(c.Values[i] * scale))}
	}, options)
	return b.Bytes(), err
}

// write so many rows in batches that stay in the cache.
func write[R any](to io.Writer, rows int, row func(int) R, options []parquet.WriterOption) error {
	w := parquet.NewGenericWriter[R](to, options...)
	const batch = 4096
	held := make([]R, 0, batch)
	for i := range rows {
		if held = append(held, row(i)); len(held) == batch || i == rows-1 {
			if _, err := w.Write(held); err != nil {
				return err
			}
			held = held[:0]
		}
	}
	return w.Close()
}

// Keys of a file's metadata.
const (
	keySeries, keySource, keyUnit, keyDecimals = "lifeboat.series", "lifeboat.source", "lifeboat.unit", "lifeboat.decimals"
	keyAdjusted, keyCalendar, keyCadence       = "lifeboat.adjusted", "lifeboat.calendar", "lifeboat.cadence"
	keyDaily, keyOrigin                        = "lifeboat.daily", "lifeboat.origin"
)

func metadata(s Series, decimals int) map[string]string {
	said := map[string]string{
		keySeries: string(s.Name), keySource: s.Source, keyUnit: s.Unit, keyDecimals: strconv.Itoa(decimals),
		keyAdjusted: worded(s.Adjusted), keyCalendar: s.Calendar, keyCadence: s.Cadence.String(), keyDaily: strconv.FormatBool(s.Daily),
	}
	if n := len(s.Origins); n > 0 {
		said[keyOrigin] = s.Origins[n-1].File
	}
	return said
}

// decimalsOf the values: the fewest with which all are exact, else doubles.
func decimalsOf(values []float64) int {
	decimals := 0
	for _, v := range values {
		for !exact(v, decimals) {
			if decimals++; decimals > decimalsMax {
				return doubles
			}
		}
	}
	for _, v := range values { // a value that was exact with few decimals may be too large with many
		if !exact(v, decimals) {
			return doubles
		}
	}
	return decimals
}

func exact(v float64, decimals int) bool {
	scale := math.Pow10(decimals)
	whole := math.Round(v * scale)
	return math.Abs(whole) < wholeMax && whole/scale == v && (whole != 0 || !math.Signbit(v))
}

// path of a file below the store: what it holds, and the beginning of its digest, so that another content is another
// file.
func pathOf(s Series, period, sum string) string {
	return "series/" + url.PathEscape(s.String()) + "/" + period + "-" + sum[:16] + ".parquet"
}

// load a file behind what the columns hold already.
func (s *Store) load(f File, into *Columns) error {
	path := filepath.Join(s.dir, filepath.FromSlash(f.Path))
	content, err := readBounded(path, fileBytesMax)
	if err != nil {
		return damaged(path, err)
	}
	if sum := digest(content); sum != f.SHA256 {
		return damaged(path, fmt.Errorf("its SHA-256 is %s… and the manifest says %s…", sum[:12], f.SHA256[:min(12, len(f.SHA256))]))
	}
	before := len(into.Times)
	if err := decode(content, into); err != nil {
		return damaged(path, err)
	}
	if n := len(into.Times) - before; n != f.Rows {
		return damaged(path, fmt.Errorf("it has %d rows and the manifest says %d", n, f.Rows))
	}
	if before > 0 && into.Times[before] <= into.Times[before-1] {
		return damaged(path, errors.New("it begins before the file in front of it ends"))
	}
	return nil
}

// decode a file of the store behind what the columns hold already. It goes by columns, never by rows, which is ten
// times as fast.
func decode(content []byte, into *Columns) (err error) {
	defer sheltered(&err)
	f, err := openParquet(content, shallow)
	if err != nil {
		return err
	}
	root := f.Root().Columns()
	if len(root) != 2 || root[0].Name() != "ts" || root[1].Name() != "v" || !root[0].Leaf() || !root[1].Leaf() ||
		root[0].Type().Kind() != parquet.Int64 || !root[0].Required() || !root[1].Required() {
		return errors.New("it has not the columns ts and v of a history store")
	}
	start, rows := len(into.Times), int(f.NumRows())
	into.Times = slices.Grow(into.Times, rows)[:start]
	into.Values = slices.Grow(into.Values, rows)[:start]
	for _, group := range f.RowGroups() {
		chunks := group.ColumnChunks()
		if err := readColumn(chunks[0], func(p parquet.Page) error { return appendTimes(p, into) }); err != nil {
			return err
		}
		if err := readColumn(chunks[1], func(p parquet.Page) error { return appendValues(f, p, into) }); err != nil {
			return err
		}
	}
	if len(into.Times) != start+rows || len(into.Values) != start+rows {
		return fmt.Errorf("it says that it has %d rows and has %d times and %d values", rows, len(into.Times)-start, len(into.Values)-start)
	}
	return sound(Columns{into.Times[start:], into.Values[start:]})
}

// readColumn gives each page to take, and releases it.
func readColumn(chunk parquet.ColumnChunk, take func(parquet.Page) error) error {
	pages := chunk.Pages()
	defer pages.Close()
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = take(page)
		parquet.Release(page)
		if err != nil {
			return err
		}
	}
}

func appendTimes(page parquet.Page, into *Columns) error {
	reader, ok := page.Values().(parquet.Int64Reader)
	if !ok {
		return errors.New("its times are no whole numbers")
	}
	n, had := int(page.NumValues()), len(into.Times)
	if n > cap(into.Times)-had {
		return errors.New("it has more rows than it says")
	}
	into.Times = into.Times[:had+n]
	return full(reader.ReadInt64s(into.Times[had:]))(n)
}

// appendValues reads whole numbers into the memory of the doubles that they become, one small buffer at a time.
func appendValues(f *parquet.File, page parquet.Page, into *Columns) error {
	n, had := int(page.NumValues()), len(into.Values)
	if n > cap(into.Values)-had {
		return errors.New("it has more rows than it says")
	}
	into.Values = into.Values[:had+n]
	values := into.Values[had:]
	switch reader := page.Values().(type) {
	case parquet.DoubleReader:
		return full(reader.ReadDoubles(values))(n)
	case parquet.Int64Reader:
		text, _ := f.Lookup(keyDecimals)
		decimals, err := strconv.Atoi(text)
		if err != nil || decimals < 0 || decimals > decimalsMax {
			return fmt.Errorf("it says that its values have %q decimals", text)
		}
		scale := math.Pow10(decimals)
		var whole [1024]int64
		for len(values) > 0 {
			part := whole[:min(len(whole), len(values))]
			if err := full(reader.ReadInt64s(part))(len(part)); err != nil {
				return err
			}
			for i, w := range part {
				values[i] = float64(w) / scale // exact; a multiplication by the inverse is not
			}
			values = values[len(part):]
		}
		return nil
	}
	return errors.New("its values are no numbers")
}

// full wants a page to give as many values as it announced.
func full(n int, err error) func(want int) error {
	return func(want int) error {
		switch {
		case n == want:
			return nil
		case err != nil && !errors.Is(err, io.EOF):
			return err
		}
		return fmt.Errorf("a page announces %d values and has %d", want, n)
	}
}

// sound wants times that increase and values that are numbers.
func sound(c Columns) error {
	for i, t := range c.Times {
		if i > 0 && t <= c.Times[i-1] {
			return fmt.Errorf("its row %d is not later than the one before it", i+1)
		}
	}
	for i, v := range c.Values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("its row %d holds no finite number", i+1)
		}
	}
	return nil
}
