package signal

import "math"

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

// mean of the last n values, oldest first so that it does not depend on where the ring stands.
func (r *ring) mean(n int) (float64, bool) {
	if n < 1 || n > r.count {
		return 0, false
	}
	var sum float64
	for i := n; i >= 1; i-- {
		sum += r.back(i)
	}
	return sum / float64(n), true
}
