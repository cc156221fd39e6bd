package simtest

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"lifeboat"
)

// market is a tape of half-hours: it falls twice and recovers twice, so that incidents open, close and open again. After
// the tape prices stand still.
type market struct {
	bars []lifeboat.Instant
	at   int
	last time.Time
}

const (
	barEvery   = 30 * time.Minute
	barsOfTape = 110
	calmEvery  = 2 * time.Hour
)

// Falls of BTC, ETH and SOL: when each begins, how deep it goes, as shares of the tape and of the price.
func newMarket(die *rand.Rand) *market {
	m := &market{last: Began}
	price := map[string]float64{"BTC": 40_000, "ETH": 2_500, "SOL": 100}
	depth := [2]float64{0.15 + 0.25*die.Float64(), 0.1 + 0.3*die.Float64()}
	noise := map[string]float64{}
	for i := range barsOfTape {
		in := lifeboat.Instant{At: Began.Add(time.Duration(i+1) * barEvery)}
		share := float64(i) / barsOfTape
		fall := 1 - depth[0]*hump(share, 0.12, 0.45) - depth[1]*hump(share, 0.55, 0.95)
		for _, symbol := range []string{"BTC", "ETH", "SOL"} {
			noise[symbol] = 0.9*noise[symbol] + 0.01*die.NormFloat64()
			value := price[symbol] * fall * math.Exp(noise[symbol])
			volume := volumes[symbol] * (0.5 + die.Float64())
			if die.Float64() < 0.03 { // nobody trades
				volume = 0
			}
			in.Readings = append(in.Readings, lifeboat.Reading{Series: lifeboat.Series(symbol), Value: value, At: in.At},
				lifeboat.Reading{Series: lifeboat.Series(symbol + ".volume"), Value: volume, At: in.At})
		}
		m.bars = append(m.bars, in)
	}
	return m
}

// volumes of a bar: a tenth of one is some share of what the accounts hold, so that larger orders fill in parts.
var volumes = map[string]float64{"BTC": 15, "ETH": 150, "SOL": 4_000}

// hump goes up from 0 to 1 within the first quarter of a stretch and down again to its end.
func hump(x, from, to float64) float64 {
	t := (x - from) / (to - from)
	switch {
	case t <= 0 || t >= 1:
		return 0
	case t < 0.25:
		return t / 0.25
	}
	return (1 - t) / 0.75
}

func (m *market) told() bool { return m.at >= len(m.bars) }

// next is when the market speaks next.
func (m *market) next(*World) time.Time {
	if m.told() {
		return m.last.Add(calmEvery)
	}
	return m.bars[m.at].At
}

// turn is what it says then.
func (m *market) turn(w *World) lifeboat.Instant {
	if !m.told() {
		m.at++
		m.last = m.bars[m.at-1].At
		return m.bars[m.at-1]
	}
	m.last = w.now
	calm := lifeboat.Instant{At: w.now, Readings: slices.Clone(m.bars[0].Readings)}
	for i := range calm.Readings {
		if calm.Readings[i].At = w.now; i%2 == 1 {
			calm.Readings[i].Value *= 20 // whatever rests can fill
		}
	}
	return calm
}
