package window

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var kindNames = []string{Mean: "mean", Deviation: "deviation", ZScore: "zscore", Max: "max", Min: "min", Quantile: "quantile", Before: "before"}

// walk is a price, long enough that its repetition does not matter.
func walk() []float64 {
	r := rand.New(rand.NewPCG(13, 14))
	values := make([]float64, 1<<20)
	v := 60_000.0
	for i := range values {
		v += r.NormFloat64()
		values[i] = v
	}
	return values
}

// BenchmarkPush is one reading pushed and one answer read, per kind and number of readings in the window.
func BenchmarkPush(b *testing.B) {
	values := walk()
	for kind := Mean; kind <= Before; kind++ {
		for _, n := range []int{200, 28_800, 288_000, 525_600} {
			b.Run(fmt.Sprintf("%s/%d", kindNames[kind], n), func(b *testing.B) {
				track, handles := track([]asked{{kind, time.Duration(n) * time.Minute, 0.05}})
				at := int64(0)
				for ; at < int64(n)*3/2; at++ {
					track.Push(at*minute, values[at&(1<<20-1)])
				}
				b.ReportAllocs()
				b.ResetTimer()
				total := 0.0
				for range b.N {
					track.Push(at*minute, values[at&(1<<20-1)])
					v, _ := track.Value(handles[0])
					total += v
					at++
				}
				if total == 0 {
					b.Fatal("no answers")
				}
			})
		}
	}
}

// BenchmarkEight asks eight questions of one year of minutes, as a plan with many rules does.
func BenchmarkEight(b *testing.B) {
	track := yearOfMinutes()
	values := walk()
	at := track.at
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		at += minute
		track.Push(at, values[i&(1<<20-1)])
		for h := range track.questions {
			track.Value(Handle(h))
		}
	}
}

// BenchmarkRescan is the same as BenchmarkPush by looking at the whole window each time.
func BenchmarkRescan(b *testing.B) {
	values := walk()
	for kind := Mean; kind <= Before; kind++ {
		for _, n := range []int{200, 28_800} {
			b.Run(fmt.Sprintf("%s/%d", kindNames[kind], n), func(b *testing.B) {
				q := asked{kind, time.Duration(n) * time.Minute, 0.05}
				var all rescan
				for at := range int64(n + 1) {
					all = append(all, reading{at * minute, values[at]})
				}
				b.ResetTimer()
				for i := range b.N {
					all = append(all, reading{int64(n+1+i) * minute, values[(n+1+i)&(1<<20-1)]})
					if _, known := all.value(q); !known {
						b.Fatal("no answer")
					}
				}
			})
		}
	}
}

// BenchmarkMemory reports what twenty streams of a year of minutes with eight questions each take.
func BenchmarkMemory(b *testing.B) {
	for range b.N {
		size := heapOf(func() any {
			var tracks []*Track
			for range 20 {
				tracks = append(tracks, yearOfMinutes())
			}
			return tracks
		})
		b.ReportMetric(float64(size)/(1<<20), "MiB")
	}
}
