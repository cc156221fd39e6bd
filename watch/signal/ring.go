package signal

import (
	"math"
	"slices"

	"lifeboat/watch/state"
)

// A ring keeps the last values it was given.
type ring struct {
	values []float64
	next   int // where the next value goes
	count  int
}

// hold makes room for at least n values, before the first one.
func (r *ring) hold(n int) {
	if n > len(r.values) {
		r.values = make([]float64, n)
	}
}

func (r *ring) push(v float64) {
	if len(r.values) == 0 {
		return
	}
	r.values[r.next] = v
	r.next = (r.next + 1) % len(r.values)
	r.count = min(r.count+1, len(r.values))
}

// back is the n-th value from the end, counted from one; NaN when there are fewer.
func (r *ring) back(n int) float64 {
	if n > r.count {
		return math.NaN()
	}
	return r.values[(r.next-n+len(r.values))%len(r.values)]
}

// mean of the last n values, oldest first so that it does not depend on where the ring stands. It lies between the lowest
// and the highest of them: that of values which are all the same is that value, and not a rounding beside it.
func (r *ring) mean(n int) (float64, bool) {
	if n < 1 || n > r.count {
		return 0, false
	}
	sum, low, high := 0.0, r.back(n), r.back(n)
	for i := n; i >= 1; i-- {
		v := r.back(i)
		sum, low, high = sum+v, min(low, v), max(high, v)
	}
	return between(low, sum/float64(n), high), true
}

func between(low, v, high float64) float64 { return max(low, min(high, v)) }

// squares is the sum of the squared distances of the last n values from their mean.
func (r *ring) squares(n int, mean float64) float64 {
	var sum float64
	for i := min(n, r.count); i >= 1; i-- {
		sum += (r.back(i) - mean) * (r.back(i) - mean)
	}
	return sum
}

// sorted is the last n values in ascending order, in the memory of the given slice.
func (r *ring) sorted(into []float64, n int) []float64 {
	into = into[:0]
	for i := min(n, r.count); i >= 1; i-- {
		into = append(into, r.back(i))
	}
	slices.Sort(into)
	return into
}

// scale multiplies every value.
func (r *ring) scale(by float64) {
	for i := range r.values {
		r.values[i] *= by
	}
}

// State hands the values over. A ring of another size than the one that was saved is another graph's.
func (r *ring) State(c *state.Codec) {
	size := len(r.values)
	c.Floats(&r.values)
	c.Int(&r.next)
	c.Int(&r.count)
	if len(r.values) != size || r.next < 0 || r.count < 0 || r.count > size || r.next > size {
		c.Fail()
		*r = ring{values: make([]float64, size)}
	}
}
