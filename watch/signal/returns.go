package signal

import "math"

// ofReturns answers from the returns between the closes of sessions that are over. It is worked out once a session.
func (n *node) ofReturns() (float64, bool) {
	s := n.stream()
	if n.with == nil {
		if !n.remembers(s) {
			n.memo.mean, n.memo.known = n.ofOwnReturns(s)
		}
		return n.memo.mean, n.memo.known
	}
	other := &n.with.consensus
	if n.memo.ofPast != s.sessions+1 || n.memo.ofWith != other.sessions+1 {
		n.memo.ofPast, n.memo.ofWith = s.sessions+1, other.sessions+1
		n.memo.mean, n.memo.known = n.together(s, other)
	}
	return n.memo.mean, n.memo.known
}

func (n *node) ofOwnReturns(s *stream) (float64, bool) {
	if n.Op == EWMA {
		return ewma(&s.closes, n.Level)
	}
	if s.closes.count <= n.N {
		return 0, false
	}
	returns := n.memo.sorted[:0]
	for i := n.N; i >= 1; i-- {
		r, known := change(s.closes.back(i+1), s.closes.back(i))
		if !known {
			return 0, false
		}
		returns = append(returns, r)
	}
	n.memo.sorted = returns
	return loss(n.Op == ReturnES, returns, n.Level)
}

// ewma follows RiskMetrics (Technical Document, 4th edition, 1996): v begins with the first squared return. It sees the
// last thousand closes, before which nothing weighs any more at the usual decays.
func ewma(closes *ring, decay float64) (float64, bool) {
	if closes.count < 3 { // of one return nothing can be said
		return 0, false
	}
	var variance float64
	for i := closes.count - 1; i >= 1; i-- {
		r, known := change(closes.back(i+1), closes.back(i))
		if !known {
			return 0, false
		}
		if i == closes.count-1 {
			variance = r * r
			continue
		}
		variance = decay*variance + (1-decay)*r*r
	}
	return math.Sqrt(variance), true
}

// together is the correlation with, or the beta to, the other stream's returns over the last N pairs of sessions that
// both streams have, and had the one before in common too.
func (n *node) together(s, other *stream) (float64, bool) {
	var pairs int
	var meanX, meanY, xx, yy, xy float64
	j := 1
	lastX, lastY := math.NaN(), math.NaN() // closes of the later common session
	for i := 1; i <= s.days.count && pairs < n.N; i++ {
		for j <= other.days.count && other.days.back(j) > s.days.back(i) {
			j++
		}
		if j > other.days.count {
			break
		}
		if other.days.back(j) != s.days.back(i) {
			continue
		}
		x, y := s.closes.back(i), other.closes.back(j)
		if dx, known := change(x, lastX); known && !math.IsNaN(lastX) {
			if dy, known := change(y, lastY); known {
				pairs++
				toX, toY := dx-meanX, dy-meanY
				meanX += toX / float64(pairs)
				meanY += toY / float64(pairs)
				xx += toX * (dx - meanX)
				yy += toY * (dy - meanY)
				xy += toX * (dy - meanY)
			}
		}
		lastX, lastY = x, y
	}
	switch {
	case pairs < n.N || yy <= 0:
		return 0, false
	case n.Op == Beta:
		return xy / yy, true
	}
	return xy / math.Sqrt(xx*yy), xx > 0
}
