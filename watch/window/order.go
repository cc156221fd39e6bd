package window

import (
	"math"
	"math/bits"
	"slices"

	"lifeboat/risk"
)

// runMax is how many keys a run holds, 2 KiB. Longer runs are dearer to shift, shorter ones to find.
const runMax = 256

// An order keeps the values of a window sorted: ascending runs of keys, one after the other. A key is found by halving,
// first among the runs' lowest keys, then in the run. A run that is full gives to a neighbour before there is a new
// one, and neighbours that fit into one become one, so that the runs stay full enough: about ten bytes per value.
type order struct {
	runs  []*[runMax]uint64
	lows  []uint64 // the lowest key of each run, which is never empty
	sizes []int
	spare []*[runMax]uint64
	n     int
	marks []mark
}

// A mark remembers where a quantile was last found. A reading that comes or goes moves it by one place or none, so the
// next time it is near.
type mark struct {
	run, below int // below is how many keys there are in the runs before
}

// keyOf is a whole number that sorts as the value does, with the negative ones turned round and below the others.
// Comparing it needs no jump.
func keyOf(v float64) uint64 {
	b := math.Float64bits(v)
	return b ^ (uint64(int64(b)>>63) | 1<<63)
}

func valueOf(key uint64) float64 {
	return math.Float64frombits(key ^ (^uint64(int64(key)>>63) | 1<<63))
}

// quantile is what risk.Quantile says of the same values, to the same bit.
func (o *order) quantile(m int, fraction float64) float64 {
	if o.n == 0 || !(fraction >= 0 && fraction <= 1) {
		return math.NaN()
	}
	below, part := risk.Rank(fraction, o.n)
	key, next := o.find(&o.marks[m], below)
	if below == o.n-1 {
		return valueOf(key)
	}
	return risk.Between(valueOf(key), valueOf(next), part)
}

func (o *order) mark() int {
	o.marks = append(o.marks, mark{})
	return len(o.marks) - 1
}

// find moves a mark to the run of the key at a rank, and returns the key and the one after it, if there is one.
func (o *order) find(m *mark, rank int) (key, next uint64) {
	for rank < m.below {
		m.run--
		m.below -= o.sizes[m.run]
	}
	for rank >= m.below+o.sizes[m.run] {
		m.below += o.sizes[m.run]
		m.run++
	}
	i := rank - m.below
	key = o.runs[m.run][i]
	if i+1 < o.sizes[m.run] {
		return key, o.runs[m.run][i+1]
	}
	if m.run+1 < len(o.runs) {
		return key, o.lows[m.run+1]
	}
	return key, key
}

func (o *order) insert(key uint64) {
	if len(o.runs) == 0 {
		o.open(0)
	}
	r := o.runOf(key)
	if o.sizes[r] == runMax {
		o.relieve(r)
		r = o.runOf(key)
	}
	size, run := o.sizes[r], o.runs[r]
	i := upTo(run[:size], key)
	copy(run[i+1:size+1], run[i:size])
	run[i] = key
	o.lows[r] = run[0]
	o.count(r, 1)
}

// remove takes out a key that is there.
func (o *order) remove(key uint64) {
	r := o.runOf(key)
	size, run := o.sizes[r], o.runs[r]
	i := upTo(run[:size], key) - 1
	copy(run[i:size-1], run[i+1:size])
	o.lows[r] = run[0]
	o.count(r, -1)
	o.merge(r)
}

func (o *order) count(r, change int) {
	o.n += change
	o.sizes[r] += change
	for i := range o.marks {
		if o.marks[i].run > r {
			o.marks[i].below += change
		}
	}
}

// runOf is the last run that begins at or below the key, or else the first.
func (o *order) runOf(key uint64) int { return max(0, upTo(o.lows, key)-1) }

// upTo counts the keys, which are sorted, up to the given one. It looks at seven at once where halving would look at
// three one after the other: what is fetched from memory then comes together. There is no jump to be guessed wrongly.
func upTo(keys []uint64, key uint64) int {
	from := 0
	for len(keys) > 12 {
		step := len(keys) / 8
		n := 0
		for j := 1; j < 8; j++ {
			_, over := bits.Sub64(key, keys[j*step-1], 0) // 1 if that key is over the given one, else 0
			n += 1 - int(over)
		}
		from += n * step
		if n < 7 {
			keys = keys[n*step : (n+1)*step]
		} else {
			keys = keys[7*step:]
		}
	}
	for _, k := range keys {
		_, over := bits.Sub64(key, k, 0)
		from += 1 - int(over)
	}
	return from
}

// relieve makes room in a full run: the emptier neighbour takes half of what it has more room, or a new run takes half.
func (o *order) relieve(r int) {
	left, right := 0, 0
	if r > 0 {
		left = runMax - o.sizes[r-1]
	}
	if r+1 < len(o.runs) {
		right = runMax - o.sizes[r+1]
	}
	const worthwhile = runMax / 16
	switch {
	case left >= right && left >= worthwhile:
		o.slide(r-1, -(left+1)/2)
	case right >= worthwhile:
		o.slide(r, (right+1)/2)
	default:
		o.open(r + 1)
		o.slide(r, runMax/2)
	}
}

// merge joins a run with a neighbour if both fit into one with some room to spare, and takes out an empty one.
func (o *order) merge(r int) {
	const most = runMax - runMax/16
	switch {
	case o.sizes[r] == 0:
		o.close(r)
	case r+1 < len(o.runs) && o.sizes[r]+o.sizes[r+1] <= most:
		o.slide(r, -o.sizes[r+1])
		o.close(r + 1)
	case r > 0 && o.sizes[r-1]+o.sizes[r] <= most:
		o.slide(r-1, -o.sizes[r])
		o.close(r)
	}
}

// slide moves the last n keys of run r to the next one; below zero, that many of the next one's first keys to run r.
func (o *order) slide(r, n int) {
	a, b, sizeA, sizeB := o.runs[r], o.runs[r+1], o.sizes[r], o.sizes[r+1]
	if n > 0 {
		copy(b[n:], b[:sizeB])
		copy(b[:n], a[sizeA-n:sizeA])
	} else {
		copy(a[sizeA:], b[:-n])
		copy(b[:], b[-n:sizeB])
	}
	o.sizes[r], o.sizes[r+1] = sizeA-n, sizeB+n
	o.lows[r], o.lows[r+1] = a[0], b[0]
	for i := range o.marks {
		if o.marks[i].run == r+1 {
			o.marks[i].below -= n
		}
	}
}

// open puts an empty run at r.
func (o *order) open(r int) {
	var run *[runMax]uint64
	if n := len(o.spare); n > 0 {
		run, o.spare = o.spare[n-1], o.spare[:n-1]
	} else {
		run = new([runMax]uint64)
	}
	o.runs = slices.Insert(o.runs, r, run)
	o.lows = slices.Insert(o.lows, r, 0)
	o.sizes = slices.Insert(o.sizes, r, 0)
	for i := range o.marks {
		if o.marks[i].run >= r && len(o.runs) > 1 {
			o.marks[i].run++
		}
	}
}

// close takes out the empty run r.
func (o *order) close(r int) {
	o.spare = append(o.spare, o.runs[r])
	o.runs = slices.Delete(o.runs, r, r+1)
	o.lows = slices.Delete(o.lows, r, r+1)
	o.sizes = slices.Delete(o.sizes, r, r+1)
	for i := range o.marks {
		m := &o.marks[i]
		if m.run > r {
			m.run--
		}
		if m.run > 0 && m.run == len(o.runs) {
			m.run--
			m.below -= o.sizes[m.run]
		}
	}
}

// load takes the keys of a whole window at once.
func (o *order) load(keys []uint64) {
	slices.Sort(keys)
	*o = order{marks: make([]mark, len(o.marks)), n: len(keys)}
	for piece := range slices.Chunk(keys, runMax-runMax/8) {
		run := new([runMax]uint64)
		copy(run[:], piece)
		o.runs = append(o.runs, run)
		o.lows = append(o.lows, piece[0])
		o.sizes = append(o.sizes, len(piece))
	}
}
