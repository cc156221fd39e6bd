package window

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"lifeboat/risk"
	"lifeboat/watch/state"
)

const minute = int64(time.Minute)

func Example() {
	var t Track
	high := t.Add(Max, 3*time.Hour, 0)
	base := t.Add(Before, 2*time.Hour, 0)
	for hour, price := range []float64{100, 120, 110, 90} {
		t.Push(int64(hour)*int64(time.Hour), price)
	}
	h, _ := t.Value(high) // the reading at 100 is three hours old, and out
	b, _ := t.Value(base)
	fmt.Printf("%.0f %.0f\n", h, b)
	// Output: 120 120
}

// asked is a question put to a track and to the rescan.
type asked struct {
	kind     Kind
	span     time.Duration
	fraction float64
}

func everything(spans ...time.Duration) (all []asked) {
	for _, span := range spans {
		for _, kind := range []Kind{Mean, Deviation, ZScore, Max, Min, Before} {
			all = append(all, asked{kind, span, 0})
		}
		for _, fraction := range []float64{0, 0.05, 0.5, 0.99, 1} {
			all = append(all, asked{Quantile, span, fraction})
		}
	}
	return all
}

func track(questions []asked) (*Track, []Handle) {
	t := new(Track)
	handles := make([]Handle, len(questions))
	for i, q := range questions {
		handles[i] = t.Add(q.kind, q.span, q.fraction)
	}
	return t, handles
}

// rescan is the baseline: every reading is kept, and every answer looks at the whole window.
type rescan []reading

func (r rescan) window(span time.Duration) []reading {
	last := r[len(r)-1].at
	first := len(r)
	for first > 0 && last-r[first-1].at < int64(max(span, 1)) {
		first--
	}
	return r[first:]
}

func (r rescan) value(q asked) (float64, bool) {
	inside := r.window(q.span)
	before := len(r) - len(inside)
	if before == 0 {
		return 0, false
	}
	last := r[len(r)-1].value
	switch q.kind {
	case Before:
		return r[before-1].value, true
	case Mean:
		mean, _ := moments(inside)
		return mean, true
	case Deviation:
		_, deviation := moments(inside)
		return deviation, len(inside) > 1
	case ZScore:
		mean, deviation := moments(inside)
		return (last - mean) / deviation, len(inside) > 1 && deviation > 0
	case Max:
		return slices.MaxFunc(inside, byValue).value, true
	case Min:
		return slices.MinFunc(inside, byValue).value, true
	}
	values := make([]float64, len(inside))
	for i := range inside {
		values[i] = inside[i].value
	}
	if len(values) == 1 {
		return values[0], true
	}
	v, err := risk.Quantile(values, q.fraction)
	return v, err == nil
}

func byValue(a, b reading) int {
	if a.value < b.value {
		return -1
	} else if a.value > b.value {
		return 1
	}
	return 0
}

// moments in two passes.
func moments(readings []reading) (mean, deviation float64) {
	n := float64(len(readings))
	low, high := readings[0].value, readings[0].value
	for _, r := range readings {
		mean += r.value / n
		low, high = min(low, r.value), max(high, r.value)
	}
	if low == high {
		return low, 0
	}
	squares, rest := 0.0, 0.0
	for _, r := range readings {
		squares += (r.value - mean) * (r.value - mean)
		rest += r.value - mean
	}
	return mean + rest/n, math.Sqrt((squares - rest*rest/n) / (n - 1))
}

// near compares what is exact exactly, and moments as far as floating point goes for values up to size.
func near(q asked, got, want, size, deviation float64) bool {
	const slack = 1e-12
	switch q.kind {
	case Mean:
		return math.Abs(got-want) <= slack*size
	case Deviation:
		return math.Abs(got-want) <= slack*size
	case ZScore:
		return math.Abs(got-want) <= 4*slack*size/deviation*(1+math.Abs(want))
	}
	return math.Float64bits(got) == math.Float64bits(want)
}

// compare checks all answers after the last reading.
func compare(t *testing.T, track *Track, handles []Handle, questions []asked, all rescan) {
	t.Helper()
	for i, q := range questions {
		got, known := track.Value(handles[i])
		want, wantKnown := all.value(q)
		size, deviation := 0.0, 0.0
		if wantKnown && (q.kind == Mean || q.kind == Deviation || q.kind == ZScore) {
			inside := all.window(q.span)
			for _, r := range inside {
				size = max(size, math.Abs(r.value))
			}
			if _, deviation = moments(inside); q.kind == ZScore && deviation < 1e-9*size {
				continue // the question whether it is zero is one of rounding
			}
		}
		if known != wantKnown || known && !near(q, got, want, size, deviation) {
			t.Fatalf("reading %d: %+v: got %v %t, want %v %t", len(all), q, got, known, want, wantKnown)
		}
	}
}

// tapes are the ways in which readings come.
var tapes = map[string]func(r *rand.Rand, at int64) int64{
	"minutes":       func(_ *rand.Rand, at int64) int64 { return at + minute },
	"irregular":     func(r *rand.Rand, at int64) int64 { return at + r.Int64N(2*minute) },
	"one time":      func(r *rand.Rand, at int64) int64 { return at + r.Int64N(2)*r.Int64N(2)*4*minute },
	"bursts":        func(r *rand.Rand, at int64) int64 { return at + [...]int64{0, 1, 50 * minute, minute / 100}[r.IntN(4)] },
	"with weekends": func(r *rand.Rand, at int64) int64 { return at + minute + 3000*minute*(r.Int64N(500)/499) },
}

func TestAgainstRescan(t *testing.T) {
	questions := everything(0, time.Minute, 7*time.Minute, 3*time.Hour, 500*time.Minute, 1300*time.Minute)
	for name, next := range tapes {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			track, handles := track(questions)
			var all rescan
			at, v := int64(-minute*1000), 100.0
			for i := range 4000 {
				at = next(r, at)
				v = math.Round(100*(v+r.NormFloat64())) / 100 // many are equal
				track.Push(at, v)
				all = append(all, reading{at, v})
				if i < 20 || i%37 == 0 || i%512 < 2 {
					compare(t, track, handles, questions, all)
				}
			}
			if track.Full() || track.Refused() > 0 {
				t.Error("readings were dropped or refused")
			}
		})
	}
}

func FuzzTrack(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, uint16(5), uint16(90))
	f.Add(slices.Repeat([]byte{9, 250, 0, 128}, 600), uint16(700), uint16(1))
	f.Fuzz(func(t *testing.T, tape []byte, a, b uint16) {
		questions := everything(time.Duration(a)*time.Second, time.Duration(b)*time.Minute)
		questions = slices.DeleteFunc(questions, func(q asked) bool { return q.kind == Quantile && q.fraction != 0.05 }) // sorting is slow
		track, handles := track(questions)
		var all rescan
		var at int64
		for i := 0; i+1 < len(tape) && i < 4000; i += 2 {
			gap, v := int64(tape[i]), float64(int8(tape[i+1]))
			at += gap % 16 * int64(time.Second) << (gap / 16)
			if v == -128 {
				v = 1e13
			}
			track.Push(at, v)
			all = append(all, reading{at, v})
			if i%254 == 0 || i < 20 || i+3 >= len(tape) {
				compare(t, track, handles, questions, all)
			}
			if i%1000 == 998 { // from here on, a restored one
				track = restored(t, track, questions)
			}
		}
	})
}

// TestBadTickLeavesNoTrace compares with a tape that has a good reading in the place of the bad one: once it has left,
// every answer has the same bits.
func TestBadTickLeavesNoTrace(t *testing.T) {
	for _, bad := range []float64{1e13, -1e13, 0, -60_000, 1e300, math.SmallestNonzeroFloat64, math.MaxFloat64} {
		for _, where := range []int64{0, 511, 512, 1300, 4000} {
			questions := everything(100*time.Minute, 512*time.Minute, 3000*time.Minute)
			clean, handles := track(questions)
			dirty, _ := track(questions)
			r := rand.New(rand.NewPCG(3, 4))
			for i := range int64(8000) {
				v := 60_000 + 0.01*r.NormFloat64()
				clean.Push(i*minute, v)
				if i == where {
					v = bad
				}
				dirty.Push(i*minute, v)
				for j, q := range questions {
					if i < where+int64(q.span.Minutes()) {
						continue
					}
					got, known := dirty.Value(handles[j])
					want, wantKnown := clean.Value(handles[j])
					if gone := q.kind != Before || i > where+int64(q.span.Minutes()); gone && (known != wantKnown || math.Float64bits(got) != math.Float64bits(want)) {
						t.Fatalf("%v at %d: reading %d: %+v: got %v %t, want %v %t", bad, where, i, q, got, known, want, wantKnown)
					}
				}
			}
		}
	}
}

// TestMomentsFarFromZero takes the case in which squares that are summed lose everything, and a rolling update loses
// all but a few digits, against arithmetic of 300 bits.
func TestMomentsFarFromZero(t *testing.T) {
	const n = 28_800
	var track Track
	mean, deviation := track.Add(Mean, n*time.Minute, 0), track.Add(Deviation, n*time.Minute, 0)
	r := rand.New(rand.NewPCG(5, 6))
	var values []float64
	for i := range int64(3*n + 77) {
		values = append(values, 60_000+0.01*math.Sin(r.Float64()*7))
		if i == n/2 {
			values[i] = 1e13
		}
		track.Push(i*minute, values[i])
	}
	sum, squares := new(big.Float).SetPrec(300), new(big.Float).SetPrec(300)
	for _, v := range values[len(values)-n:] {
		x := new(big.Float).SetPrec(300).SetFloat64(v)
		sum.Add(sum, x)
		squares.Add(squares, x.Mul(x, x))
	}
	count := new(big.Float).SetPrec(300).SetInt64(n)
	exactMean := new(big.Float).SetPrec(300).Quo(sum, count)
	squares.Sub(squares, sum.Mul(sum, exactMean))
	wantMean, _ := exactMean.Float64()
	spread, _ := squares.Float64()
	want := math.Sqrt(spread / (n - 1))
	if got, known := track.Value(mean); !known || math.Abs(got/wantMean-1) > 1e-15 {
		t.Errorf("mean %v %t, want %v", got, known, wantMean)
	}
	got, known := track.Value(deviation)
	if !known || math.Abs(got/want-1) > 1e-10 {
		t.Errorf("deviation %v %t, want %v", got, known, want)
	}
	t.Logf("relative error of the deviation: %.1e", got/want-1)
}

func save(t *Track) []byte {
	c := state.Writer()
	t.State(c)
	return c.Bytes()
}

func restored(t *testing.T, old *Track, questions []asked) *Track {
	t.Helper()
	fresh, _ := track(questions)
	c := state.Reader(save(old))
	fresh.State(c)
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	return fresh
}

// TestRestore stops at places of all kinds, and goes on beside a track that never stopped.
func TestRestore(t *testing.T) {
	questions := everything(time.Minute, 100*time.Minute, 700*time.Minute, 2500*time.Minute)
	for name, next := range tapes {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, 8))
			whole, handles := track(questions)
			stopped := restored(t, whole, questions) // before anything came
			at := int64(0)
			for i := range 6000 {
				at = next(r, at)
				v := r.NormFloat64()
				whole.Push(at, v)
				stopped.Push(at, v)
				if i%97 == 0 || i%512 < 2 || i%512 == 511 {
					stopped = restored(t, stopped, questions)
				}
				for j, q := range questions {
					got, known := stopped.Value(handles[j])
					want, wantKnown := whole.Value(handles[j])
					if known != wantKnown || math.Float64bits(got) != math.Float64bits(want) {
						t.Fatalf("reading %d: %+v: got %v %t, want %v %t", i, q, got, known, want, wantKnown)
					}
				}
			}
			if !slices.Equal(save(stopped), save(whole)) {
				t.Error("the two states differ")
			}
		})
	}
}

func damageable() ([]asked, []byte) {
	questions := everything(100*time.Minute, 900*time.Minute)
	track, _ := track(questions)
	for i := range int64(2000) {
		track.Push(i*minute, float64(i%17))
	}
	return questions, save(track)
}

func TestDamagedStateIsRefused(t *testing.T) {
	questions, saved := damageable()
	const oldest, length, firstTime, firstValue = 24, 32, 40, 48
	cuts := len(saved) - 2*24 // three numbers for each of two spans
	for name, damage := range map[string]struct {
		offset int
		number uint64
	}{
		"a NaN":                    {firstValue, math.Float64bits(math.NaN())},
		"an infinite value":        {firstValue, math.Float64bits(math.Inf(-1))},
		"a time that goes back":    {firstTime, math.MaxInt64},
		"a negative number":        {oldest, 1 << 63},
		"a number beyond all":      {oldest, math.MaxInt64},
		"another number":           {oldest, 5},
		"no readings":              {length, 0},
		"more readings than kept":  {length, ReadingsMax + 1},
		"a front after the newest": {cuts, 1 << 40},
		"a front in the past":      {cuts, 0},
		"a block after the newest": {cuts + 8, 1 << 40},
		"a negative block":         {cuts + 8, 1 << 63},
		"a split after the newest": {cuts + 16, 1 << 40},
		"a negative split, long":   {cuts + 40, 1 << 63},
		"a block that has gone by": {cuts + 32, 0},
	} {
		damaged := slices.Clone(saved)
		binary.LittleEndian.PutUint64(damaged[damage.offset:], damage.number)
		track, handles := track(questions)
		c := state.Reader(damaged)
		track.State(c)
		if c.Err() == nil {
			t.Errorf("%s is taken", name)
		}
		if _, known := track.Value(handles[0]); known {
			t.Errorf("%s: there is an answer", name)
		}
	}
}

// FuzzState changes a state, at a byte and by cutting it, and demands an error or a track that works.
func FuzzState(f *testing.F) {
	questions, saved := damageable()
	for _, at := range []int{0, 8, 16, 24, 32, 33, 40, 47, 48, 1000, len(saved) - 1, len(saved) - 8, len(saved) - 24, len(saved) - 48} {
		f.Add(at, byte(0xff), len(saved))
		f.Add(at, byte(0x80), len(saved))
		f.Add(0, byte(0), at)
	}
	f.Fuzz(func(t *testing.T, at int, change byte, length int) {
		if at < 0 || at >= len(saved) || length < 0 || length > len(saved) {
			return
		}
		damaged := slices.Clone(saved)
		damaged[at] ^= change
		track, handles := track(questions)
		c := state.Reader(damaged[:length])
		track.State(c)
		if c.Err() == nil && length < len(saved) {
			t.Fatal("a state that was cut off was taken")
		}
		for i := range int64(1500) {
			track.Push((2000+i)*minute, 1)
			for _, h := range handles {
				track.Value(h)
			}
		}
	})
}

func TestRefused(t *testing.T) {
	questions := everything(10 * time.Minute)
	clean, handles := track(questions)
	dirty, _ := track(questions)
	for i := range int64(100) {
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			dirty.Push(i*minute, bad)
		}
		dirty.Push(i*minute, float64(i))
		dirty.Push(i*minute-1, 1e9) // back in time
		clean.Push(i*minute, float64(i))
	}
	if dirty.Refused() != 400 || clean.Refused() != 0 {
		t.Errorf("refused %d and %d", dirty.Refused(), clean.Refused())
	}
	for i, h := range handles {
		got, _ := dirty.Value(h)
		if want, known := clean.Value(h); !known || got != want {
			t.Errorf("%+v: %v, want %v", questions[i], got, want)
		}
	}
}

// TestEqualQuestionsShare also asks what cannot be answered.
func TestEqualQuestionsShare(t *testing.T) {
	var track Track
	a := track.Add(Quantile, time.Hour, 0.5)
	mean := track.Add(Mean, time.Hour, 0.3)
	other := track.Add(Quantile, time.Hour, 0.4)
	wrong := []Handle{track.Add(Quantile, time.Hour, 1.5), track.Add(Quantile, time.Hour, math.NaN()), track.Add(Kind(99), time.Hour, 0)}
	if track.Add(Quantile, time.Hour, 0.5) != a || track.Add(Mean, time.Hour, 0.7) != mean || other == a {
		t.Error("equal questions have different handles, or different ones the same")
	}
	if len(track.frames) != 1 {
		t.Errorf("one span has %d windows", len(track.frames))
	}
	for i := range int64(100) {
		track.Push(i*minute, 1)
	}
	for _, h := range wrong {
		if v, known := track.Value(h); known {
			t.Errorf("question %d is answered: %v", h, v)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a question after the first reading was taken")
		}
	}()
	track.Add(Max, 2*time.Hour, 0)
}

func TestConstantHasNoZScore(t *testing.T) {
	var track Track
	deviation, z := track.Add(Deviation, time.Hour, 0), track.Add(ZScore, time.Hour, 0)
	for i := range int64(5000) {
		track.Push(i*int64(time.Second), 0.1)
	}
	if v, known := track.Value(deviation); !known || v != 0 {
		t.Errorf("deviation %v %t", v, known)
	}
	if v, known := track.Value(z); known {
		t.Errorf("z-score %v of readings that are all the same", v)
	}
}

// TestFull has a burst for which there is no room, and waits until it is over.
func TestFull(t *testing.T) {
	const second = int64(time.Second)
	var track Track
	handles := map[string]Handle{
		"short max":    track.Add(Max, 10*time.Second, 0),
		"long max":     track.Add(Max, time.Hour, 0),
		"long min":     track.Add(Min, time.Hour, 0),
		"long mean":    track.Add(Mean, time.Hour, 0),
		"long median":  track.Add(Quantile, time.Hour, 0.5),
		"long before":  track.Add(Before, time.Hour, 0),
		"short before": track.Add(Before, 10*time.Second, 0),
	}
	known := func(name string) bool {
		_, known := track.Value(handles[name])
		return known
	}
	at := int64(0)
	push := func(n int, gap int64, v float64) {
		for range n {
			at += gap
			track.Push(at, v)
		}
	}
	push(4000, second, 5)
	for name := range handles {
		if !known(name) {
			t.Errorf("%s is unknown before the burst", name)
		}
	}
	push(ReadingsMax-3600, second/1000, 7)
	if track.Full() {
		t.Error("full while there was room")
	}
	push(100_000, second/1000, 7)
	if !track.Full() {
		t.Error("not full")
	}
	for name := range handles {
		if short := name[:5] == "short"; known(name) != short {
			t.Errorf("%s: known %t, but the long windows have lost readings, and the short ones none", name, !short)
		}
	}
	gone := 0
	for ; !known("long max"); gone++ {
		push(1, second, 6)
	}
	if low, _ := track.Value(handles["long min"]); !known("long min") || low != 6 && low != 7 {
		t.Errorf("the lowest is %v: what was dropped is still there", low)
	}
	if gone < 2400 || gone > 3600 {
		t.Errorf("known again after %d seconds, want when the last one dropped is an hour old", gone)
	}
	push(3600, second, 6)
	for name, want := range map[string]float64{"long max": 6, "long mean": 6, "long median": 6, "long before": 6} {
		if got, known := track.Value(handles[name]); !known || got != want {
			t.Errorf("%s %v %t, want %v", name, got, known, want)
		}
	}
}

// TestNoAllocations fills the windows first. Two orders may still take a run of 4 KiB now and then, not per reading.
func TestNoAllocations(t *testing.T) {
	questions := everything(100*time.Minute, 5000*time.Minute)
	track, handles := track(questions)
	r := rand.New(rand.NewPCG(9, 10))
	at, v := int64(0), 100.0
	step := func() {
		at += minute
		v += r.NormFloat64()
		track.Push(at, v)
		for _, h := range handles {
			track.Value(h)
		}
	}
	for range 30_000 {
		step()
	}
	if n := testing.AllocsPerRun(100, func() {
		for range 1000 {
			step()
		}
	}); n > 1 {
		t.Errorf("%v allocations in 1,000 readings", n)
	}
}

// TestMemory measures a year of minutes with eight questions, two of them quantiles over different spans.
func TestMemory(t *testing.T) {
	const n = 525_600
	perReading := float64(heapOf(func() any { return yearOfMinutes() })) / n
	if perReading > 40 {
		t.Errorf("%.1f bytes per reading: the readings take 16, and each of two quantiles about 10 for those in its window", perReading)
	}
	t.Logf("%.1f bytes per reading", perReading)
}

func heapOf(build func() any) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept := build()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(kept)
	return after.HeapAlloc - before.HeapAlloc
}

const year = 365 * 24 * time.Hour

func yearOfMinutes() *Track {
	track, _ := track([]asked{
		{Mean, year, 0}, {Deviation, year, 0}, {ZScore, year / 4, 0}, {Max, year, 0}, {Min, year, 0},
		{Quantile, year, 0.05}, {Quantile, year * 3 / 4, 0.95}, {Before, year, 0},
	})
	r := rand.New(rand.NewPCG(11, 12))
	v := 100.0
	for i := range int64(700_000) {
		v += r.NormFloat64()
		track.Push(i*minute, v)
	}
	return track
}
