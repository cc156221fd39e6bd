package alpaca

import (
	"fmt"
	"time"

	"lifeboat"
	"lifeboat/session"
	"lifeboat/watch/feed/tape"
)

// news turns observations into readings, without those that are not newer than what their series told before.
func (s *Source) news(at time.Time, said []observation) []lifeboat.Reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	var readings []lifeboat.Reading
	for _, o := range said {
		_, column := o.series.Column()
		value, blank, why := tape.ParseValue(o.text, column, false)
		r := lifeboat.Reading{Series: o.series, Source: Name, At: o.at.UTC()}
		switch {
		case blank:
			continue
		case o.at.IsZero():
			r.At, why = time.Time{}, "it has no time"
		case o.at.After(at.Add(aheadMax)):
			r.At, why = time.Time{}, "its time "+o.at.UTC().Format(time.RFC3339)+" lies in the future"
		case !o.at.After(s.last[o.series]):
			continue
		default:
			s.last[o.series] = o.at
		}
		if why != "" {
			r.Quality, r.Why = lifeboat.Suspect, fmt.Sprintf("%s: %s", cut(o.text), why)
		} else {
			r.Value = value
		}
		readings = append(readings, r)
	}
	return readings
}

// cut foreign text so that it fits into a sentence.
func cut(text string) string {
	const bytesMax = 40
	if len(text) > bytesMax {
		return text[:bytesMax] + "…"
	}
	return text
}

// ofQuote is the middle between bid and ask. A side that nobody quotes makes no price; a bid above the ask makes one that
// cannot be right.
func (s *Source) ofQuote(symbol string, q Quote) []observation {
	bid, _ := q.Bid.Float64()
	ask, _ := q.Ask.Float64()
	series := s.series[symbol]
	switch {
	case bid < 0 || ask < 0 || bid > ask && ask > 0:
		return []observation{{series, fmt.Sprintf("bid %s, ask %s", q.Bid, q.Ask), q.At}}
	case bid == 0 || ask == 0:
		return []observation{{series, "", q.At}}
	}
	return []observation{{series, fmt.Sprint(bid + (ask-bid)/2), q.At}}
}

// ofBar are the wanted columns of a bar, as of its end.
func (s *Source) ofBar(symbol string, b Bar) []observation {
	var said []observation
	for _, series := range s.bars[symbol] {
		_, column := series.Column()
		text := map[string]string{"open": string(b.Open), "high": string(b.High), "low": string(b.Low), "volume": string(b.Volume)}[column]
		said = append(said, observation{series, text, s.end(b)})
	}
	return said
}

// end of a bar, which Alpaca names by its beginning: a day's by New York's midnight. The opening price too is of the end,
// because that is when the bar was told.
func (s *Source) end(b Bar) time.Time {
	if s.config.Bars == "1Min" {
		return b.At.Add(time.Minute)
	}
	if day, traded := session.NYSE().On(b.At.UTC()); traded {
		return day.Close
	}
	return b.At.Add(24 * time.Hour)
}
