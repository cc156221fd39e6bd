package postgres

import (
	"slices"
	"sync"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/keep/postgres/postgrestest"
)

// BenchmarkAppend is one durable act: what stands between an intent and its order.
func BenchmarkAppend(b *testing.B) {
	s := open(b, Options{URL: postgrestest.Start(b).NewJournal()})
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
	s := open(b, Options{URL: postgrestest.Start(b).NewJournal()})
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

// BenchmarkAppend1000 is a thousand events in one append.
func BenchmarkAppend1000(b *testing.B) {
	s := open(b, Options{URL: postgrestest.Start(b).NewJournal()})
	batch := make([]lifeboat.Event, 1000)
	for i := range batch {
		batch[i] = said(int64(i))
	}
	for b.Loop() {
		if err := s.Append(noon, batch...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
