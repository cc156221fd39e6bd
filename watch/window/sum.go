package window

import (
	"math"
	"slices"
)

// A sum is what one must know of some readings to answer for them together with others: how many, their mean, the sum
// of squared distances from it, and the extremes. A sum grows and joins others; nothing is ever taken out of it.
//
// Products that are added are converted explicitly, which forbids the fused operation that some processors have: the
// same tape gives the same bits on all of them.
type sum struct {
	n, mean, squares, low, high float64
}

// inverse is 1/n for as many readings as are ever added one by one.
var inverse = func() (inverse [blockSize + 1]float64) {
	for n := range inverse {
		inverse[n] = 1 / float64(n)
	}
	return inverse
}()

// add is Welford's step, for up to a block of readings. It multiplies where a division would take most of the time.
func (s *sum) add(v float64) {
	if s.n == 0 {
		*s = sum{n: 1, mean: v, low: v, high: v}
		return
	}
	s.n++
	d := v - s.mean
	s.mean += float64(d * inverse[int(s.n)])
	s.squares += float64(d * (v - s.mean))
	if v < s.low {
		s.low = v
	}
	if v > s.high {
		s.high = v
	}
}

// join is Chan's rule for two samples.
func (s *sum) join(o *sum) {
	if o.n == 0 {
		return
	}
	if s.n == 0 {
		*s = *o
		return
	}
	n := s.n + o.n
	d, share := o.mean-s.mean, o.n/n
	s.squares += o.squares + float64(d*d*s.n*share)
	s.mean += float64(d * share)
	s.n = n
	s.low = min(s.low, o.low)
	s.high = max(s.high, o.high)
}

// parts is the sum of a window whose beginning moves, without subtraction. The window is cut into
//
//	front | rest | whole blocks | the newest block
//
// The front is in the block where the window begins. For every reading of it the sum from there to the front's end is
// kept, computed backwards when the front was filled, so that to lose a reading is to look at the next sum. The rest is
// what came into the same block since. The whole blocks are done alike, with blocks for readings: a stack of sums for
// those that were there when it was filled, and one sum for the later ones. The newest block's sum is the track's.
//
// Each reading is in one filling of a front, and each block in one of the stack, so the cost per reading is constant;
// the worst single one costs a block's readings and a track's blocks, some twenty microseconds.
type parts struct {
	front []sum // the last one is of [first, mid), the one before it of [first+1, mid) …
	mid   int64
	rest  sum   // of [mid, the end of block)
	block int64 // that front and rest are in

	whole  []sum // the last one is of the blocks (block, split), the one before it of (block+1, split) …
	split  int64
	later  sum // of the blocks from split up to, not including, the newest
	beyond sum // the last of whole with later

	asOf            int64 // how many readings there were when the moments were last asked for
	mean, deviation float64
}

// take notes that reading i, the newest, is v.
func (p *parts) take(k *kept, i int64, v float64) {
	n := i >> blockBits
	if n == p.block {
		p.rest.add(v)
		return
	}
	if i&blockMask == 0 && n > p.block+1 { // the block before is complete
		p.later.join(k.sum(n - 1))
		p.join()
	}
}

// release lets the first reading of the window go.
func (p *parts) release(k *kept, first int64) {
	if len(p.front) == 0 {
		if n := first >> blockBits; n != p.block {
			p.enter(k, n)
		}
		p.fill(k, first, min((p.block+1)<<blockBits, k.next))
		p.rest = sum{}
	}
	p.front = p.front[:len(p.front)-1]
}

// fill makes the front [first, mid).
func (p *parts) fill(k *kept, first, mid int64) {
	p.mid = mid
	p.front = slices.Grow(p.front[:0], int(mid-first))[:mid-first]
	if first == mid {
		return
	}
	b := k.blocks[first>>blockBits-k.base]
	s := sum{}
	for j := range p.front {
		s.add(b[(mid-1-int64(j))&blockMask].value)
		p.front[j] = s
	}
}

// enter moves the front on to block n, which leaves the whole blocks.
func (p *parts) enter(k *kept, n int64) {
	p.block = n
	if len(p.whole) == 0 {
		p.stack(k, n, max(k.last(), n+1))
		p.later = sum{}
	}
	if n < k.last() {
		p.whole = p.whole[:len(p.whole)-1]
	}
	p.join()
}

// stack makes the sums of the whole blocks from n up to split, the newest block excluded.
func (p *parts) stack(k *kept, n, split int64) {
	p.split, p.whole = split, p.whole[:0]
	s := sum{}
	for b := min(split, k.last()) - 1; b >= n; b-- {
		s.join(k.sum(b))
		p.whole = append(p.whole, s)
	}
}

func (p *parts) join() {
	p.beyond = sum{}
	if n := len(p.whole); n > 0 {
		p.beyond = p.whole[n-1]
	}
	p.beyond.join(&p.later)
}

// pieces are the sums that the window is put together from; those at the end are empty where there are fewer.
func (p *parts) pieces(k *kept) (pieces [4]*sum, n int) {
	if top := len(p.front); top > 0 {
		pieces[n] = &p.front[top-1]
		n++
	}
	if p.rest.n > 0 {
		pieces[n] = &p.rest
		n++
	}
	if p.beyond.n > 0 {
		pieces[n] = &p.beyond
		n++
	}
	if last := k.last(); last > p.block {
		pieces[n] = k.sum(last)
		n++
	}
	return pieces, n
}

// moments are the mean and the standard deviation with n - 1 in the divisor, which is NaN for a single reading. They are
// worked out once per reading, whoever asks.
func (p *parts) moments(k *kept) (mean, deviation float64) {
	if p.asOf == k.next {
		return p.mean, p.deviation
	}
	pieces, n := p.pieces(k)
	mean, count := meanOf(pieces[:n])
	squares := 0.0
	for _, s := range pieces[:n] {
		d := s.mean - mean
		squares += s.squares + float64(s.n*d*d)
	}
	p.asOf, p.mean, p.deviation = k.next, mean, math.Sqrt(squares/(count-1))
	return p.mean, p.deviation
}

// meanOf averages distances from one piece's mean, not the means themselves: they are small, so little is lost.
func meanOf(pieces []*sum) (mean, count float64) {
	if len(pieces) == 0 {
		return math.NaN(), 0
	}
	origin, distance := pieces[0].mean, 0.0
	for _, s := range pieces {
		count += s.n
		distance += float64(s.n * (s.mean - origin))
	}
	return origin + distance/count, count
}

func (p *parts) low(k *kept) float64 {
	low := math.Inf(1)
	pieces, n := p.pieces(k)
	for _, s := range pieces[:n] {
		if s.low < low {
			low = s.low
		}
	}
	return low
}

func (p *parts) high(k *kept) float64 {
	high := math.Inf(-1)
	pieces, n := p.pieces(k)
	for _, s := range pieces[:n] {
		if s.high > high {
			high = s.high
		}
	}
	return high
}
