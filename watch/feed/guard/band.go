package guard

import (
	"slices"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/watch/feed/tape"
)

// jumpUsual is what a price may do from one reading to the next: double, or halve.
const jumpUsual = 1

// restless are levels that double within a day when they matter, and are no prices.
var restless = []string{"VIX", "VIX9D", "VIX3M", "VXN", "VVIX", "RVX", "OVX", "GVZ", "MOVE"}

// Usual is the band of a series of which the owner said nothing. A price is positive and does not more than double or
// halve at once; a volume, a yield and a measure of expected volatility may do what they like.
func Usual(s lifeboat.Series) Band {
	symbol, column := s.Column()
	if column == "volume" || tape.IsLevel(symbol) || slices.Contains(restless, symbol) {
		return Band{}
	}
	return Band{Jump: jumpUsual, Price: true}
}

// Feeds are the bands of a plan's feeds. The columns of a bar that come along with a price are held to what was said of
// the price, but its volume is not.
func Feeds(feeds []plan.Feed) func(series lifeboat.Series, source string) Band {
	said := map[origin]Band{}
	for _, f := range feeds {
		said[origin{f.Series, f.Source}] = ofFeed(f)
	}
	return func(s lifeboat.Series, source string) Band {
		if band, ok := said[origin{string(s), source}]; ok {
			return band
		}
		symbol, column := s.Column()
		if band, ok := said[origin{symbol, source}]; ok && column != "volume" {
			return band
		}
		return Usual(s)
	}
}

func ofFeed(f plan.Feed) Band {
	band := Usual(lifeboat.Series(f.Series))
	if f.Level {
		band.Jump, band.Price = 0, false
	}
	if f.Jump > 0 {
		band.Jump = float64(f.Jump)
	}
	band.Min, band.Max, band.Fresh = f.Min, f.Max, time.Duration(f.StaleAfter)
	return band
}
