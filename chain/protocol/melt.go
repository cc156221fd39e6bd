package protocol

import (
	"fmt"
	"math"
	"time"
)

// Never is the number of seconds that stands for "not at this rate": some thirty years. Readings have to be numbers.
const Never = 1e9

// Melt is the clock of an exit that closes: from the cover ratio at recent blocks it says how fast it falls, and how long it
// takes at this rate until a position can no longer leave whole.
//
// Two curves are fitted by least squares, a straight line and an exponential, over all points that are kept and over the newest
// quarter of them, because a calm past hides the beginning of a run. A fall has to stand out of the noise: its slope has to be
// larger than four times its standard error. Of the curves that do, the better one of each span counts, and of the spans the
// one that leaves less time. Adding and reading allocate nothing.
type Melt struct {
	seconds, cover []float64 // a ring; seconds since the first point
	next, count    int
	origin, newest time.Time
}

// MeltPointsMax is how many points a Melt may keep.
const MeltPointsMax = 1024

// NewMelt keeps so many points, between 8 and MeltPointsMax.
func NewMelt(points int) (*Melt, error) {
	if points < 8 || points > MeltPointsMax {
		return nil, fmt.Errorf("a melting clock keeps between 8 and %d points, not %d", MeltPointsMax, points)
	}
	return &Melt{seconds: make([]float64, points), cover: make([]float64, points)}, nil
}

// Add the cover ratio at the time of a block. A point at the time of the newest one replaces it, as a block does that was reorganised;
// what is older is left out, and so is what is not a number or negative.
func (m *Melt) Add(at time.Time, cover float64) {
	if math.IsNaN(cover) || math.IsInf(cover, 0) || cover < 0 || m.count > 0 && at.Before(m.newest) {
		return
	}
	switch {
	case m.count == 0:
		m.origin = at
	case at.Equal(m.newest):
		m.next, m.count = (m.next+len(m.cover)-1)%len(m.cover), m.count-1
	}
	m.seconds[m.next], m.cover[m.next] = at.Sub(m.origin).Seconds(), cover
	m.next, m.count, m.newest = (m.next+1)%len(m.cover), min(m.count+1, len(m.cover)), at
}

// Melting is what the clock shows.
type Melting struct {
	Cover    float64 // newest
	HalfLife float64 // seconds in which it halves; Never when it does not fall
	Left     float64 // seconds until it is below 1; 0 when it is, Never when it does not fall
}

// Read the clock. ok is false until there are enough points to say anything but the cover itself.
func (m *Melt) Read() (shown Melting, ok bool) {
	shown = Melting{HalfLife: Never, Left: Never}
	if m.count == 0 {
		return shown, false
	}
	shown.Cover = m.point(m.count - 1).cover
	if m.count >= 8 {
		m.fit(0, &shown)
		if quarter := m.count / 4; quarter >= 8 {
			m.fit(m.count-quarter, &shown)
		}
	}
	if shown.Cover < 1 {
		shown.Left = 0
	}
	if shown.Cover == 0 {
		shown.HalfLife = 0
	}
	return shown, m.count >= 8
}

type meltPoint struct{ seconds, cover float64 }

// point in the order in which they came.
func (m *Melt) point(i int) meltPoint {
	i = (m.next - m.count + i + len(m.cover)) % len(m.cover)
	return meltPoint{m.seconds[i], m.cover[i]}
}

// fit both curves to the points from one on, and shorten what is shown if the better of them falls.
func (m *Melt) fit(from int, shown *Melting) {
	last := m.point(m.count - 1)
	linear, ok := m.line(from, func(cover float64) float64 { return cover })
	if !ok {
		return
	}
	left, half := Never, Never
	if linear.falls() {
		left, half = (last.cover-1)/-linear.slope, last.cover/2/-linear.slope
	}
	decay, ok := m.line(from, math.Log)
	if ok && decay.falls() && (!linear.falls() || m.misses(from, decay, math.Exp) < m.misses(from, linear, identity)) {
		left, half = math.Log(last.cover)/-decay.slope, math.Ln2/-decay.slope
	}
	shown.Left, shown.HalfLife = min(shown.Left, max(left, 0)), min(shown.HalfLife, max(half, 0))
}

func identity(y float64) float64 { return y }

type trend struct{ middle, level, slope, deviation float64 } // level at the middle of time; deviation of the slope

func (t trend) falls() bool { return t.slope < 0 && -t.slope > 4*t.deviation }

// line of least squares through the points as a scale shows them; not ok when the scale cannot show one of them.
func (m *Melt) line(from int, scale func(float64) float64) (t trend, ok bool) {
	n := float64(m.count - from)
	for i := from; i < m.count; i++ {
		p := m.point(i)
		t.middle += p.seconds / n
		t.level += scale(p.cover) / n
	}
	if math.IsInf(t.level, 0) {
		return trend{}, false
	}
	var tt, ty, yy float64
	for i := from; i < m.count; i++ {
		p := m.point(i)
		dt, dy := p.seconds-t.middle, scale(p.cover)-t.level
		tt, ty, yy = tt+dt*dt, ty+dt*dy, yy+dy*dy
	}
	if tt == 0 {
		return trend{}, false
	}
	t.slope = ty / tt
	t.deviation = math.Sqrt(max(0, yy-t.slope*ty) / (n - 2) / tt)
	return t, true
}

// misses is the sum of squares by which a curve misses the points, in cover.
func (m *Melt) misses(from int, t trend, back func(float64) float64) (sum float64) {
	for i := from; i < m.count; i++ {
		p := m.point(i)
		miss := p.cover - back(t.level+t.slope*(p.seconds-t.middle))
		sum += miss * miss
	}
	return sum
}
