// Package window answers what the readings of one stream were over spans of wall time: their mean, deviation, extremes
// and quantiles in the last hour or year, and the reading that stood at the beginning of it.
//
// A [Track] keeps the readings of one stream once, as far back as the longest span asked for, and all questions share
// them. A window is open to the left: of a span that ends with the last reading, a reading exactly one span old is out.
// Readings leave by their time, never by their number, so gaps, weekends, bursts and several readings at one time need
// no care. The cost of a reading does not depend on the span, but for a quantile, where it grows with the logarithm.
//
// Nothing is ever subtracted. The readings lie in blocks, each block has its sum, and a window is put together from the
// sums of the blocks inside it and of the two that it cuts; the file sum.go tells how. So a bad tick of 1e13 leaves not
// one bit behind when it leaves the window, which no running sum can say of itself. Quantiles are exact: their readings
// are kept in order as well.
//
// An answer depends on nothing but the readings since the track began, in their order. A track restored from its state
// goes on with the same bits as one that never stopped.
//
// The package reads no clock and does not judge whether a reading is plausible; whoever pushes has done so.
package window

import (
	"math"
	"time"
)

// ReadingsMax is how many readings a track keeps at most, 16 MiB of them: two years of minutes, or twelve days of
// seconds. A track that would need more drops the oldest, and the windows they belonged to have no answer until they
// lie in what is kept.
const ReadingsMax = 1 << 20

// Kind is what is asked about the readings in a window.
type Kind uint8

// The kinds of questions.
const (
	Mean Kind = iota + 1
	// Deviation is the standard deviation with n - 1 in the divisor, known from two readings on.
	Deviation
	// ZScore is how many deviations the last reading lies above the mean; not known while they are all the same.
	ZScore
	Max
	Min
	// Quantile is of type 7, which interpolates between the two nearest readings.
	Quantile
	// Before is the last reading that is at least a span old: the base of a return over the span.
	Before
)

// Handle names a question to its track.
type Handle int

// Track is the readings of one stream. The zero value has no questions yet. It is not for several goroutines at once.
type Track struct {
	questions []question
	frames    []frame
	kept      kept

	at      int64   // of the last reading
	last    float64 // its value
	since   int64   // the first reading's time, or that of the last one dropped: the windows after it are whole
	full    bool
	refused uint64
}

type question struct {
	kind     Kind
	fraction float64
	frame    int // which of the track's
	mark     int // which of its order's, for a quantile
}

// Add asks a question, before the first reading. A question that was asked before has the same handle, and those about
// the same span share their work. A fraction is for a quantile, and lies between 0 and 1.
func (t *Track) Add(kind Kind, span time.Duration, fraction float64) Handle {
	if t.kept.next > 0 {
		panic("window: a question after the first reading: the readings before it may be gone")
	}
	if kind != Quantile {
		fraction = 0
	}
	q := question{kind: kind, fraction: fraction, frame: t.frameOf(span)}
	for h, asked := range t.questions {
		if asked.kind == kind && asked.frame == q.frame && asked.fraction == fraction {
			return Handle(h)
		}
	}
	f := &t.frames[q.frame]
	switch kind {
	case Mean, Deviation, ZScore, Max, Min:
		f.sums, t.kept.summed = true, true
	case Quantile:
		if f.order == nil {
			f.order = new(order)
		}
		q.mark = f.order.mark()
	}
	t.questions = append(t.questions, q)
	return Handle(len(t.questions) - 1)
}

func (t *Track) frameOf(span time.Duration) int {
	width := uint64(max(span, 1)) // no window is empty: the last reading is inside
	for i := range t.frames {
		if t.frames[i].span == width {
			return i
		}
	}
	t.frames = append(t.frames, frame{span: width})
	return len(t.frames) - 1
}

// Push takes a reading at a time in Unix nanoseconds. Another reading at the time of the last one is another reading.
// What is not a finite number, or goes back in time, would poison the windows it is in: it is refused and counted.
func (t *Track) Push(at int64, v float64) {
	if v-v != 0 || t.kept.next > 0 && at < t.at {
		t.refused++
		return
	}
	if v == 0 {
		v = 0 // of the two zeros the positive one
	}
	if t.kept.next == 0 {
		t.since = at
	}
	t.at, t.last = at, v
	t.expire()
	if t.kept.count() == ReadingsMax {
		t.drop()
	}
	i := t.kept.push(reading{at, v})
	for j := range t.frames {
		t.frames[j].take(&t.kept, i, v)
	}
}

// expire lets go what is too old for each window, and forgets what no window needs. Each one needs the reading before
// its first as the base of a return.
func (t *Track) expire() {
	needed := t.kept.next
	for i := range t.frames {
		f := &t.frames[i]
		for f.first < t.kept.next {
			r := t.kept.at(f.first)
			if uint64(t.at-r.at) < f.span { // right also where the signed difference overflows
				break
			}
			f.release(&t.kept, r.value)
		}
		needed = min(needed, f.first-1)
	}
	t.kept.forget(needed)
}

// drop gives up the oldest reading, though it may be inside windows.
func (t *Track) drop() {
	oldest := t.kept.oldest
	r := *t.kept.at(oldest)
	for i := range t.frames {
		if f := &t.frames[i]; f.first == oldest {
			f.release(&t.kept, r.value)
		}
	}
	t.full, t.since = true, r.at
	t.kept.forget(oldest + 1)
}

// Value answers as of the last reading. It is known once the readings go back to the window's beginning, and when there
// are enough of them in it.
func (t *Track) Value(h Handle) (float64, bool) {
	q := &t.questions[h]
	f := &t.frames[q.frame]
	if q.kind == Before {
		if f.first <= t.kept.oldest {
			return 0, false
		}
		return t.kept.at(f.first - 1).value, true
	}
	if t.kept.next == 0 || uint64(t.at-t.since) < f.span {
		return 0, false
	}
	v := t.answer(q, f)
	if v-v != 0 { // too few readings, or too large for the arithmetic
		return 0, false
	}
	return v, true
}

// answer is NaN or infinite where there is none.
func (t *Track) answer(q *question, f *frame) float64 {
	switch q.kind {
	case Mean:
		mean, _ := f.parts.moments(&t.kept)
		return mean
	case Deviation:
		_, deviation := f.parts.moments(&t.kept)
		return deviation
	case ZScore:
		mean, deviation := f.parts.moments(&t.kept)
		return (t.last - mean) / deviation
	case Max:
		return f.parts.high(&t.kept)
	case Min:
		return f.parts.low(&t.kept)
	case Quantile:
		return f.order.quantile(q.mark, q.fraction)
	}
	return math.NaN()
}

// At is the time of the last reading, in Unix nanoseconds; before the first one, the earliest there is.
func (t *Track) At() int64 {
	if t.kept.next == 0 {
		return math.MinInt64
	}
	return t.at
}

// Full tells whether readings had to be dropped since the track began, because the spans hold more than [ReadingsMax].
func (t *Track) Full() bool { return t.full }

// Refused is how many readings were no finite number or went back in time.
func (t *Track) Refused() uint64 { return t.refused }

// A frame is one span's window: the readings from first on. What it keeps beside depends on what is asked.
type frame struct {
	span  uint64 // in nanoseconds
	first int64

	sums  bool
	parts parts
	order *order // nil without a quantile
}

func (f *frame) take(k *kept, i int64, v float64) {
	if f.sums {
		f.parts.take(k, i, v)
	}
	if f.order != nil {
		f.order.insert(keyOf(v))
	}
}

// release lets the first reading go, whose value is v.
func (f *frame) release(k *kept, v float64) {
	if f.sums {
		f.parts.release(k, f.first)
	}
	if f.order != nil {
		f.order.remove(keyOf(v))
	}
	f.first++
}
