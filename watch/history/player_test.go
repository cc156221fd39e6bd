package history

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"lifeboat"
)

// TestPlayer lays random streams over each other, and compares with sorting all of them.
func TestPlayer(t *testing.T) {
	for seed := range uint64(200) {
		dice := rand.New(rand.NewPCG(seed, 1))
		type tick struct {
			at     int64
			stream int
			value  float64
		}
		var want []tick
		var streams []Stream
		for i := range dice.IntN(12) {
			var blocks []Columns
			at := int64(0)
			for range dice.IntN(4) {
				var c Columns
				for range 1 + dice.IntN(5) {
					at += 1 + dice.Int64N(4)
					v := dice.Float64()
					c.Times, c.Values = append(c.Times, at), append(c.Values, v)
					want = append(want, tick{at, i, v})
				}
				blocks = append(blocks, c)
			}
			stream := Stream{Series: lifeboat.Series(fmt.Sprint(i))}
			if len(blocks) > 0 && dice.IntN(2) == 0 {
				stream.Columns, blocks = blocks[0], blocks[1:]
			}
			stream.More = func() (Columns, error) {
				if len(blocks) == 0 {
					return Columns{}, nil
				}
				next := blocks[0]
				blocks = blocks[1:]
				return next, nil
			}
			streams = append(streams, stream)
		}
		slices.SortFunc(want, func(a, b tick) int {
			if a.at != b.at {
				return int(a.at - b.at)
			}
			return a.stream - b.stream
		})
		p, err := NewPlayer(streams)
		if err != nil {
			t.Fatal(err)
		}
		var got []tick
		before := int64(0)
		for in, ok := p.Next(); ok; in, ok = p.Next() {
			if in.At.UnixNano() <= before || len(in.Readings) == 0 {
				t.Fatalf("seed %d: an instant at %d after %d with %d readings", seed, in.At.UnixNano(), before, len(in.Readings))
			}
			before = in.At.UnixNano()
			for _, r := range in.Readings {
				var stream int
				fmt.Sscan(string(r.Series), &stream)
				got = append(got, tick{before, stream, r.Value})
			}
		}
		if p.Err() != nil || !slices.Equal(got, want) {
			t.Fatalf("seed %d: %v\nplayed %v\nwant   %v", seed, p.Err(), got, want)
		}
	}
}

// TestPlayerStops at what it cannot play, and says why.
func TestPlayerStops(t *testing.T) {
	broken := errors.New("the disk is gone")
	first := Columns{[]int64{1, 2}, []float64{1, 2}}
	for name, more := range map[string]func() (Columns, error){
		"an error":       func() (Columns, error) { return Columns{}, broken },
		"the past":       func() (Columns, error) { return Columns{[]int64{2}, []float64{1}}, nil },
		"uneven columns": func() (Columns, error) { return Columns{[]int64{5}, nil}, nil },
	} {
		p, err := NewPlayer([]Stream{{Series: "X", Columns: first, More: more}})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, ok := p.Next(); ok && n < 10; _, ok = p.Next() {
			n++
		}
		if p.Err() == nil || n > 2 {
			t.Errorf("%s: %d instants and %v", name, n, p.Err())
		}
	}
}

func TestPlayerAllocatesNothing(t *testing.T) {
	p, err := NewPlayer(minutes(5, 2000))
	if err != nil {
		t.Fatal(err)
	}
	if allocated := testing.AllocsPerRun(1000, func() { p.Next() }); allocated != 0 {
		t.Errorf("an instant takes %v allocations", allocated)
	}
}

// minutes of many series, as a backtest plays them.
func minutes(series, rows int) []Stream {
	dice := rand.New(rand.NewPCG(3, 4))
	var streams []Stream
	for i := range series {
		s := Stream{Series: lifeboat.Series(fmt.Sprintf("S%d", i)), Source: "bench"}
		v := 10_000.0
		for n := range rows {
			v += float64(dice.IntN(3) - 1)
			s.Times, s.Values = append(s.Times, int64(n)*int64(time.Minute)), append(s.Values, v/100)
		}
		streams = append(streams, s)
	}
	return streams
}

// BenchmarkPlayer plays 20 series of minutes; ns/tick is per value.
func BenchmarkPlayer(b *testing.B) {
	const series, rows = 20, 100_000
	streams := minutes(series, rows)
	b.ReportAllocs()
	for b.Loop() {
		p, err := NewPlayer(slices.Clone(streams))
		if err != nil {
			b.Fatal(err)
		}
		ticks := 0
		for in, ok := p.Next(); ok; in, ok = p.Next() {
			ticks += len(in.Readings)
		}
		if ticks != series*rows {
			b.Fatalf("%d ticks", ticks)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(series*rows), "ns/tick")
}

// BenchmarkPlayerFromDisk is the same out of a store: files, digests and decoding included.
func BenchmarkPlayerFromDisk(b *testing.B) {
	const series, rows = 20, 100_000
	s := storeOf(b, minutes(series, rows))
	b.ReportAllocs()
	for b.Loop() {
		p, err := s.Player(b.Context(), nil, time.Time{}, time.Time{})
		if err != nil {
			b.Fatal(err)
		}
		ticks := 0
		for in, ok := p.Next(); ok; in, ok = p.Next() {
			ticks += len(in.Readings)
		}
		if ticks != series*rows || p.Err() != nil {
			b.Fatalf("%d ticks, %v", ticks, p.Err())
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(series*rows), "ns/tick")
}

// BenchmarkColumns reads one series of a million minutes.
func BenchmarkColumns(b *testing.B) {
	const rows = 1_000_000
	s := storeOf(b, minutes(1, rows))
	b.ReportAllocs()
	for b.Loop() {
		c, err := s.Columns(b.Context(), "S0", "bench", time.Time{}, time.Time{})
		if err != nil || len(c.Times) != rows {
			b.Fatal(len(c.Times), err)
		}
	}
	b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
}

// BenchmarkWrite encodes a month of minutes, without the disk.
func BenchmarkWrite(b *testing.B) {
	const rows = 43_200
	columns := minutes(1, rows)[0].Columns
	size := 0
	for b.Loop() {
		content, err := encode(Series{Name: "S0"}, columns, decimalsOf(columns.Values))
		if err != nil {
			b.Fatal(err)
		}
		size = len(content)
	}
	b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
	b.ReportMetric(float64(size)/rows, "B/sample")
}

// BenchmarkImport reads a year of hourly bars from CSV into a new store.
func BenchmarkImport(b *testing.B) {
	var text strings.Builder
	text.WriteString("date,open,high,low,close,volume\n")
	at := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
	const rows = 8760
	for i := range rows {
		fmt.Fprintf(&text, "%s,%d.5,%d.75,%d.25,%d.5,%d\n", at.Add(time.Duration(i)*time.Hour).Format(time.DateTime), 100+i%50, 101+i%50, 99+i%50, 100+i%50, i)
	}
	for b.Loop() {
		s := newStore(b)
		load(b, s, "X.csv", text.String(), Options{})
	}
	b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// storeOf streams, written past the importer.
func storeOf(b *testing.B, streams []Stream) *Store {
	b.Helper()
	s := newStore(b)
	for _, stream := range streams {
		series := Series{Name: stream.Series, Source: stream.Source, Calendar: "24/7", Cadence: time.Minute, Span: "month"}
		for _, part := range byPeriod(series.Span, stream.Columns) {
			f, err := s.writeFile(series, period(series.Span, part.Times[0]), part)
			if err != nil {
				b.Fatal(err)
			}
			series.Files = append(series.Files, f)
		}
		series.sum()
		s.manifest.Series = append(s.manifest.Series, series)
	}
	return s
}
