package protocol

import (
	"math"
	"testing"
	"time"
)

// noise is the same in every run: a multiplicative congruential sequence in [-1, 1).
type noise uint32

func (n *noise) next() float64 {
	*n = *n*1664525 + 1013904223
	return float64(*n)/(1<<31) - 1
}

func TestMelt(t *testing.T) {
	const block = 12.0
	start := time.Unix(1_800_000_000, 0)
	for name, c := range map[string]struct {
		cover          func(i int, n *noise) float64
		points         int
		left, halfLife float64
		within         float64 // of what is wanted
	}{
		"linear":              {func(i int, _ *noise) float64 { return 10 - 0.1*float64(i) }, 40, (10 - 3.9 - 1) / 0.1 * block, 6.1 / 2 / 0.1 * block, 0.001},
		"exponential":         {func(i int, _ *noise) float64 { return 10 * math.Exp2(-float64(i)/20) }, 40, (20*math.Log2(10) - 39) * block, 20 * block, 0.001},
		"linear with noise":   {func(i int, n *noise) float64 { return 10 - 0.1*float64(i) + 0.1*n.next() }, 60, (10 - 5.9 - 1) / 0.1 * block, 4.1 / 2 / 0.1 * block, 0.25},
		"noise alone":         {func(_ int, n *noise) float64 { return 5 + n.next() }, 400, Never, Never, 0},
		"constant":            {func(int, *noise) float64 { return 5 }, 64, Never, Never, 0},
		"growing":             {func(i int, n *noise) float64 { return 1 + 0.1*float64(i) + 0.2*n.next() }, 64, Never, Never, 0},
		"calm, then a run":    {func(i int, _ *noise) float64 { return 10 - 0.2*max(0, float64(i-48)) }, 64, (10 - 3 - 1) / 0.2 * block, 7.0 / 2 / 0.2 * block, 0.02},
		"below one":           {func(i int, _ *noise) float64 { return 2 - 0.05*float64(i) }, 30, 0, 0.55 / 2 / 0.05 * block, 0.001},
		"empties":             {func(i int, _ *noise) float64 { return max(0, 2-0.1*float64(i)) }, 30, 0, 0, 0},
		"a step, then steady": {func(i int, _ *noise) float64 { return map[bool]float64{true: 10, false: 4}[i < 10] }, 200, Never, Never, 0},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := NewMelt(64)
			if err != nil {
				t.Fatal(err)
			}
			n := noise(7)
			for i := range c.points {
				m.Add(start.Add(time.Duration(float64(i)*block)*time.Second), c.cover(i, &n))
			}
			shown, ok := m.Read()
			if !ok || math.Abs(shown.Left-c.left) > c.within*c.left+1e-6 || math.Abs(shown.HalfLife-c.halfLife) > c.within*c.halfLife+1e-6 {
				t.Errorf("%+v, want %v left and a half-life of %v", shown, c.left, c.halfLife)
			}
		})
	}
}

func TestMeltTakesOnlyWhatCanBe(t *testing.T) {
	if _, err := NewMelt(7); err == nil {
		t.Error("7 points")
	}
	m, _ := NewMelt(8)
	if _, ok := m.Read(); ok {
		t.Error("something is said of nothing")
	}
	start := time.Unix(1_800_000_000, 0)
	for i := range 8 {
		at := start.Add(time.Duration(i) * time.Second)
		m.Add(at, 99)                        // a block that is reorganised
		m.Add(at, 10-float64(i))             // by this one
		m.Add(at.Add(-time.Hour), 1)         // late
		m.Add(at.Add(time.Hour), math.NaN()) // no number
	}
	if shown, ok := m.Read(); !ok || shown.Cover != 3 || math.Abs(shown.Left-2) > 1e-9 {
		t.Errorf("%+v", shown)
	}
	if n := testing.AllocsPerRun(100, func() { start = start.Add(time.Minute); m.Add(start, 5); m.Read() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
