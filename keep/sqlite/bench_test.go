package sqlite

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/keep/journal"
)

// BenchmarkAppend is one durable act: what stands between an intent and its order.
func BenchmarkAppend(b *testing.B) {
	s := open(b, b.TempDir())
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		if err := s.Append(noon, said(1)); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkAppend64Callers is what group commit makes of many who append at the same time.
func BenchmarkAppend64Callers(b *testing.B) {
	s := open(b, b.TempDir())
	turns := make(chan bool)
	var callers sync.WaitGroup
	for range 64 {
		callers.Go(func() {
			for range turns {
				if err := s.Append(noon, said(1)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for b.Loop() {
		turns <- true
	}
	close(turns)
	callers.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

// BenchmarkAppend100 is a hundred events in one append.
func BenchmarkAppend100(b *testing.B) {
	s := open(b, b.TempDir())
	batch := make([]lifeboat.Event, 100)
	for i := range batch {
		batch[i] = said(int64(i))
	}
	for b.Loop() {
		if err := s.Append(noon, batch...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(100*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// long is a directory with a journal of 100,000 entries.
func long(b *testing.B) string {
	dir := b.TempDir()
	s := open(b, dir)
	defer s.Close()
	batch := make([]lifeboat.Event, 1000)
	for n := range int64(100) {
		for i := range batch {
			batch[i] = said(n*1000 + int64(i) + 1)
		}
		if err := s.Append(noon, batch...); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// BenchmarkOpen is a daemon's start on a long journal, before it replays.
func BenchmarkOpen(b *testing.B) {
	dir := long(b)
	for b.Loop() {
		s, err := Open(dir, Options{})
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

// BenchmarkReplay reads and decodes 100,000 entries, as a restart does.
func BenchmarkReplay(b *testing.B) {
	s := open(b, long(b))
	for b.Loop() {
		n := 0
		for e, err := range s.Entries(context.Background(), 1) {
			if err != nil {
				b.Fatal(err)
			}
			if _, err := e.Event(); err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 100_000 {
			b.Fatalf("%d entries", n)
		}
	}
}

// BenchmarkVerify walks the chain of 100,000 entries.
func BenchmarkVerify(b *testing.B) {
	s := open(b, long(b))
	for b.Loop() {
		if _, err := journal.Verify(context.Background(), s); err != nil {
			b.Fatal(err)
		}
	}
}
