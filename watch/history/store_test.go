package history

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"lifeboat"
	"lifeboat/session"
)

// TestValuesComeBack to the last bit, whole numbers or doubles.
func TestValuesComeBack(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	for name, value := range map[string]func() float64{
		"cents":     func() float64 { return float64(dice.IntN(1e9)) / 100 },
		"satoshi":   func() float64 { return float64(dice.IntN(1e15)) / 1e8 },
		"negative":  func() float64 { return float64(dice.IntN(1e6)-5e5) / 1e4 },
		"doubles":   dice.NormFloat64,
		"tokens":    func() float64 { return 1.0001 + 1e-15*float64(dice.IntN(100)) },
		"liquidity": func() float64 { return 4.9e22 * dice.Float64() },
	} {
		var c Columns
		at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
		for range 100_000 {
			at += 1 + dice.Int64N(1e11)
			c.Times, c.Values = append(c.Times, at), append(c.Values, value())
		}
		decimals := decimalsOf(c.Values)
		if wantDoubles := slices.Contains([]string{"doubles", "tokens", "liquidity"}, name); wantDoubles != (decimals == doubles) {
			t.Errorf("%s: %d decimals", name, decimals)
		}
		content, err := encode(Series{Name: "X"}, c, decimals)
		if err != nil {
			t.Fatal(err)
		}
		var back Columns
		if err := decode(content, &back); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(c.Times, back.Times) || !slices.Equal(c.Values, back.Values) {
			t.Errorf("%s: what was read is not what was written", name)
		}
		again, _ := encode(Series{Name: "X"}, c, decimals)
		if !bytes.Equal(content, again) {
			t.Errorf("%s: the same values make other bytes", name)
		}
	}
}

func TestDecimals(t *testing.T) {
	tenth := 0.1 // a variable, because Go adds constants exactly
	for _, c := range []struct {
		values []float64
		want   int
	}{{[]float64{1, 2}, 0}, {[]float64{1, 0.00005}, 5}, {[]float64{tenth + 0.2}, doubles}, {[]float64{1e17, 0.5}, doubles}, {[]float64{math.Copysign(0, -1)}, doubles}, {[]float64{1e-10}, doubles}} {
		if got := decimalsOf(c.values); got != c.want {
			t.Errorf("%v: %d decimals, want %d", c.values, got, c.want)
		}
	}
}

// TestDamage: a file of the store that is not what was written is an error that names it.
func TestDamage(t *testing.T) {
	for name, harm := range map[string]func([]byte) []byte{
		"cut off":   func(b []byte) []byte { return b[:len(b)/2] },
		"empty":     func([]byte) []byte { return nil },
		"one bit":   func(b []byte) []byte { b[len(b)/3] ^= 4; return b },
		"no magic":  func(b []byte) []byte { b[0] = 'X'; return b },
		"a text":    func([]byte) []byte { return []byte("date,SPY\n") },
		"a missing": nil,
	} {
		s := newStore(t)
		load(t, s, "x.csv", tapeCSV, Options{})
		path := filepath.Join(s.Dir(), filepath.FromSlash(s.List()[0].Files[0].Path))
		if harm == nil {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		} else {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, harm(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		_, err := s.Columns(t.Context(), "SPY", "", time.Time{}, time.Time{})
		var p *lifeboat.Problem
		if !errors.As(err, &p) || p.Reason != "history-damaged" || !strings.Contains(err.Error(), filepath.Base(path)) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Tape(t.Context(), nil, time.Time{}, time.Time{}); err == nil {
			t.Errorf("%s: a tape was made of it", name)
		}
		if kinds := kindsOf(t, s); !slices.Contains(kinds, Damaged) {
			t.Errorf("%s: check finds %v", name, kinds)
		}
	}
}

// TestHostileParquet: files that announce what they do not have, read as an import reads them.
func TestHostileParquet(t *testing.T) {
	whole := foreign(t, parquet.Compression(&parquet.Snappy))
	for n := range whole {
		if err := importBytes(t, whole[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were imported", n, len(whole))
		}
	}
	for i := range whole {
		for _, bit := range []byte{1, 0x80} {
			b := bytes.Clone(whole)
			b[i] ^= bit
			_ = importBytes(t, b) // some harm nobody can see; none may stop the program
		}
	}
}

func importBytes(t testing.TB, content []byte) error {
	t.Helper()
	sh := &sheet{file: "x.parquet", options: &Options{}, told: &told{}}
	if err := sh.read(content); err != nil {
		return err
	}
	_, err := sh.settle(&Report{})
	return err
}

type pandasRow struct {
	Timestamp int64    `parquet:"timestamp,optional,timestamp(microsecond)"`
	Open      *float64 `parquet:"open,optional"`
	High      *float64 `parquet:"high,optional"`
	Low       *float64 `parquet:"low,optional"`
	Close     *float64 `parquet:"close,optional,dict"`
	Trades    int32    `parquet:"trades,delta"`
	Note      string   `parquet:"note"`
}

// foreign is a file as pandas writes one: everything optional, with a dictionary, and columns nobody asked for.
func foreign(t testing.TB, options ...parquet.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[pandasRow](&b, options...)
	at := time.Date(2025, 10, 10, 21, 0, 0, 0, time.UTC)
	for i := range 40 {
		v := 1 + float64(i%3)/100
		row := pandasRow{at.Add(time.Duration(i) * time.Minute).UnixMicro(), &v, &v, &v, &v, int32(i), "x"}
		if i == 5 {
			row.Close = nil
		}
		if _, err := w.Write([]pandasRow{row}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestForeignParquet(t *testing.T) {
	for name, options := range map[string][]parquet.WriterOption{
		"snappy": {parquet.Compression(&parquet.Snappy)}, "zstd": {parquet.Compression(&parquet.Zstd)}, "gzip": {parquet.Compression(&parquet.Gzip)},
		"plain": nil, "version 1": {parquet.DataPageVersion(1), parquet.Compression(&parquet.Snappy)},
	} {
		s := newStore(t)
		r, err := s.Import(t.Context(), "USDE@binance.parquet", bytes.NewReader(foreign(t, options...)), Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c, err := s.Columns(t.Context(), "USDE", "binance", time.Time{}, time.Time{})
		if err != nil || len(c.Values) != 39 || c.Values[1] != 1.01 || stamp(c.Times[0]) != "2025-10-10T21:01:00Z" || r.Form != "parquet" {
			t.Errorf("%s: %d values from %v, form %s (%v)", name, len(c.Values), r.From, r.Form, err)
		}
	}
	s := newStore(t)
	if _, err := s.Import(t.Context(), "x.parquet", bytes.NewReader(foreign(t, parquet.Compression(&parquet.Brotli))), Options{}); err == nil || !strings.Contains(err.Error(), "write it again") {
		t.Errorf("brotli: %v", err)
	}
}

// TestOurParquet: a file out of one store goes into another and means the same.
func TestOurParquet(t *testing.T) {
	from, to := newStore(t), newStore(t)
	load(t, from, "SPY.csv", spyCSV, Options{Adjusted: "adjusted"})
	for _, series := range from.List() {
		f, err := os.Open(filepath.Join(from.Dir(), filepath.FromSlash(series.Files[0].Path)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := to.Import(t.Context(), f.Name(), f, Options{}); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	a, err := from.Tape(t.Context(), nil, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := to.Tape(t.Context(), nil, time.Time{}, time.Time{})
	if err != nil || fmt.Sprint(a.Instants) != fmt.Sprint(b.Instants) || !to.Adjusted("SPY") || !to.List()[0].Daily {
		t.Errorf("%v\n%v\n%v", a.Instants, b.Instants, err)
	}
}

// TestManifestOfOthers: a manifest that leads out of the store, or says what cannot be, is refused.
func TestManifestOfOthers(t *testing.T) {
	for _, text := range []string{
		``, `{}`, `[]`, `{"lifeboat":"history","version":9,"series":[]}`,
		`{"lifeboat":"history","version":1,"series":[{"name":"X","calendar":"moon","span":"year","cadence":"1h"}]}`,
		`{"lifeboat":"history","version":1,"series":[{"name":"X","calendar":"nyse","span":"year","cadence":"1h","files":[{"path":"../../etc/passwd","rows":1,"bytes":1}]}]}`,
		`{"lifeboat":"history","version":1,"series":[{"name":"X","calendar":"nyse","span":"year","cadence":"1h","files":[{"path":"a","rows":1000000000000,"bytes":1}]}]}`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, manifestName), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); lifeboat.KindOf(err) != lifeboat.Storage {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := Open(t.TempDir()); lifeboat.KindOf(err) != lifeboat.NotFound {
		t.Errorf("an empty folder: %v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "photo.jpg"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir); lifeboat.KindOf(err) != lifeboat.Conflict {
		t.Errorf("a folder of photos: %v", err)
	}
}

// TestLeftovers of an import that was killed do no harm, and go with the next import; an owner's note stays.
func TestLeftovers(t *testing.T) {
	s := newStore(t)
	load(t, s, "x.csv", tapeCSV, Options{})
	orphan, half, note := filepath.Join(s.Dir(), "series", "SPY", "1999-0.parquet"), filepath.Join(s.Dir(), unfinished+"1"), filepath.Join(s.Dir(), "README")
	for _, name := range []string{orphan, half, note} {
		if err := os.WriteFile(name, []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := values(t, s, "SPY"); len(got) != 3 {
		t.Errorf("the leftovers changed what is read: %v", got)
	}
	load(t, s, "x.csv", "date,SPY\n2020-03-18,240\n", Options{})
	for name, want := range map[string]bool{orphan: false, half: false, note: true} {
		if _, err := os.Stat(name); (err == nil) != want {
			t.Errorf("%s is there: %v", filepath.Base(name), err == nil)
		}
	}
}

func TestOneImportAtATime(t *testing.T) {
	s := newStore(t)
	release, err := s.lock()
	if err != nil {
		t.Fatal(err)
	}
	refuse(t, s, "x.csv", tapeCSV, Options{}, "another import")
	release()
	load(t, s, "x.csv", tapeCSV, Options{})
}

// TestSpans: what one file holds depends on the pace, and no file spans two periods.
func TestSpans(t *testing.T) {
	s := newStore(t)
	var minutes, hours strings.Builder
	minutes.WriteString("time,M\n")
	hours.WriteString("time,H\n")
	at := time.Date(2023, 12, 30, 0, 0, 0, 0, time.UTC)
	for i := range 5000 {
		fmt.Fprintf(&minutes, "%s,%d\n", at.Add(time.Duration(i)*time.Minute).Format(time.RFC3339), 1+i%7)
		fmt.Fprintf(&hours, "%s,%d\n", at.Add(time.Duration(i)*time.Hour).Format(time.RFC3339), 1+i%7)
	}
	load(t, s, "m.csv", minutes.String(), Options{})
	load(t, s, "h.csv", hours.String(), Options{})
	for _, series := range s.List() {
		if series.Rows != 5000 || len(series.Files) != 2 {
			t.Errorf("%s: %d rows in %d files", series, series.Rows, len(series.Files))
		}
	}
	from, to := at.Add(47*time.Hour), at.Add(49*time.Hour)
	c, err := s.Columns(t.Context(), "H", "", from, to)
	if err != nil || !slices.Equal(c.Values, []float64{1 + 47%7, 1 + 48%7, 1 + 49%7}) {
		t.Errorf("across the year's end: %v (%v)", c.Values, err)
	}
	if c, err := s.Columns(t.Context(), "H", "", at.AddDate(5, 0, 0), time.Time{}); err != nil || len(c.Times) != 0 {
		t.Errorf("after the end: %v (%v)", c, err)
	}
	if _, err := s.Columns(t.Context(), "H", "elsewhere", from, to); lifeboat.KindOf(err) != lifeboat.NotFound {
		t.Errorf("another source: %v", err)
	}
	if _, err := s.Player(t.Context(), []lifeboat.Series{"Z"}, from, to); lifeboat.KindOf(err) != lifeboat.NotFound {
		t.Errorf("another series: %v", err)
	}
}

// TestCheck finds what the market and its recorders did: each table holds one thing.
func TestCheck(t *testing.T) {
	hours := func(rows ...string) string {
		text := "time,open,high,low,close,volume\n"
		for i := range 80 {
			row := fmt.Sprintf("%d,%d,%d,%d,5", 100+i%3, 102+i%3, 99, 100+(i+1)%3)
			if i >= 40 && i < 40+len(rows) && rows[i-40] != "" {
				row = rows[i-40]
			}
			if row != "none" {
				text += time.Date(2020, 3, 10, 0, 0, 0, 0, time.UTC).Add(time.Duration(i)*time.Hour).Format(time.DateTime) + "," + row + "\n"
			}
		}
		return text
	}
	days := "date,X\n"
	for i, n := 0, session.NYSE().Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)); i < 20; i, n = i+1, session.NYSE().Next(n.Open) {
		days += fmt.Sprintf("%s,%v\n", n.Day.Format(time.DateOnly), map[bool]float64{true: 40 + float64(i%3), false: 10 + float64(i%3)/4}[i < 10])
	}
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", hours(), nil},
		{"a hole", hours("none", "none"), []string{Gap}},
		{"the 323 wick of March 2020", hours("101,323,99,101,5"), []string{Wick}},
		{"a low of next to nothing", hours("101,102,0.06,101,5"), []string{Wick}},
		{"a close outside", hours("101,102,99,105,5"), []string{Outside}},
		{"nobody may trade", hours("102,102,102,102,5", "102,102,102,102,0", "102,102,102,102,0", "102,102,102,102,0"), []string{Suspended}},
		{"a fall by nine tenths", hours(slices.Repeat([]string{"10,11,9,10,5", "10,11,9,10.1,5"}, 20)...), []string{Jump}},
		{"a split of four", days, []string{Jump}},
	} {
		s := newStore(t)
		load(t, s, "X.csv", c.text, Options{})
		if got := kindsOf(t, s); !slices.Equal(got, c.want) {
			found, _ := s.Check(t.Context())
			t.Errorf("%s: %v, want %v", c.name, found, c.want)
		}
	}
}

// TestCheckAcrossSeries: a source that repeats itself, and a series that ends before the others.
func TestCheckAcrossSeries(t *testing.T) {
	s := newStore(t)
	text := "time,A,B,C\n"
	at := time.Date(2022, 11, 1, 0, 0, 0, 0, time.UTC)
	for i := range 1000 {
		a, c := fmt.Sprint(100+i%5), fmt.Sprint(50+i%7)
		if i > 300 && i < 500 {
			a = "103"
		}
		if i > 345 {
			c = ""
		}
		text += fmt.Sprintf("%s,%s,%d,%s\n", at.Add(time.Duration(i)*time.Hour).Format(time.RFC3339), a, 7+i%3, c)
	}
	load(t, s, "x.csv", text, Options{})
	found, err := s.Check(t.Context())
	if err != nil || len(found) != 2 || found[0].Kind != Stuck || found[0].Series != "A" || found[1].Kind != Ends || found[1].Series != "C" {
		t.Errorf("%v (%v)", found, err)
	}
}

// TestBombs: small things that announce or unpack to large ones.
func TestBombs(t *testing.T) {
	var zipped bytes.Buffer
	z, err := zstd.NewWriter(&zipped)
	if err != nil {
		t.Fatal(err)
	}
	for range 1024 {
		if _, err := z.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	lists := footerListsMax
	huge := binary.AppendUvarint(nil, 1<<30)
	for name, harmless := range map[string]func() error{
		"a gibibyte in a page": func() error { _, err := unpacked(format.Zstd, zipped.Bytes(), 1000); return err },
		"a page of two GiB":    func() error { _, err := unpacked(format.Zstd, zipped.Bytes(), math.MaxInt32); return err },
		"a footer of lists":    func() error { _, err := weigh(append([]byte{0x19, 0xfc}, huge...), &lists); return err },
		"a list of many": func() error {
			_, err := weigh(slices.Concat([]byte{0x19, 0xf3}, binary.AppendUvarint(nil, footerListsMax+1), make([]byte, footerListsMax+2)), &lists)
			return err
		},
		"a text past the end": func() error { _, err := weigh(append([]byte{0x18}, huge...), &lists); return err },
		"nothing but nesting": func() error { _, err := weigh(bytes.Repeat([]byte{0x1c}, 1000), &lists); return err },
		"a run of millions":   func() error { return runs(huge, 1, 10) },
		"a billion differences": func() error {
			return (&chunk{}).values(format.DeltaBinaryPacked, append([]byte{0x80, 1, 4}, huge...), 10)
		},
		"a dictionary of a million in four bytes": func() error {
			header := format.PageHeader{Type: format.DictionaryPage, UncompressedPageSize: 4, CompressedPageSize: 4,
				DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: 1_000_000})}
			_, err := (&chunk{meta: &format.ColumnMetaData{Codec: format.Uncompressed}}).page(&header, make([]byte, 4), deep)
			return err
		},
		"a million fields": func() error {
			return importBytes(t, []byte("date,close"+strings.Repeat(",", 1_000_000)+"\n2020-01-01,1\n"))
		},
		"an open quotation": func() error {
			return importBytes(t, []byte("date,close\n2020-01-01,\"1\n"+strings.Repeat(",\n", 1000)))
		},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := harmless()
		runtime.ReadMemStats(&after)
		if spent := (after.TotalAlloc - before.TotalAlloc) >> 20; err == nil || strings.Contains(err.Error(), "%!") || spent > 64 {
			t.Errorf("%s: %v after %d MiB", name, err, spent)
		}
	}
}

func FuzzImport(f *testing.F) {
	for _, text := range []string{spyCSV, yahooCSV, fredCSV, fredBlank, tapeCSV, klineJSON, klineCSV, klineMicros, binanceCSV, coinbase, gecko, llama, llamaTVL, llamaPool,
		dexJSON, leanStock, leanHour, leanCoin, "date,SPY\n2020-03-17,252.8\n2020-03-17,99\n"} {
		f.Add([]byte(text), "")
		f.Add(gzipped(f, text), "last")
	}
	f.Add(zipped(f, spyCSV), "first")
	f.Fuzz(func(t *testing.T, content []byte, keep string) {
		if keep != "first" && keep != "last" {
			keep = ""
		}
		o := Options{Series: "X", Keep: keep}
		text, _, err := unpack("x", bytes.NewReader(content))
		if err != nil {
			return
		}
		sh := &sheet{file: "x", options: &o, told: &told{}}
		if sh.read(text) != nil {
			return
		}
		settled, err := sh.settle(&Report{})
		if err != nil {
			return
		}
		parts, err := settled.parts()
		if err != nil {
			return
		}
		for _, part := range parts {
			for c := range part.columns {
				if err := sound(part.track(c)); err != nil {
					t.Fatalf("a track is not fit to be stored: %v", err)
				}
			}
		}
	})
}

// FuzzParquet reads anything as a file of the store and as a foreign one. What is accepted must be sound, and nothing
// may take more memory than the limits say.
func FuzzParquet(f *testing.F) {
	f.Add(foreign(f, parquet.Compression(&parquet.Snappy)))
	f.Add(foreign(f, parquet.Compression(&parquet.Zstd)))
	f.Add(foreign(f, parquet.DataPageVersion(1)))
	for _, values := range [][]float64{{1, 2.5, 3}, {math.Pi, math.E, 0.1 + 0.2}} {
		content, err := encode(Series{Name: "X", Calendar: "24/7"}, Columns{[]int64{1, 2, 5}, values}, decimalsOf(values))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var c Columns
		if err := decode(content, &c); err == nil {
			if err := sound(c); err != nil || len(c.Times) != len(c.Values) {
				t.Fatalf("an unsound file was read: %v", err)
			}
		}
		_ = importBytes(t, content)
	})
}
