package broker

import (
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/session"
)

// bar of a span of time.
type bar struct {
	at                             time.Time // its beginning
	open, high, low, close, volume float64
	seen                           uint64 // prices in it
}

// bars are made of what was shown: minutes of the last days and sessions of the last years.
type bars struct {
	calendar *session.Calendar
	mu       sync.Mutex
	minutes  map[string][]bar // :: symbol → oldest first
	days     map[string][]bar
}

// How much of each is kept for one symbol.
const (
	minutesMax = 10_000
	daysKept   = 10_000
)

func newBars(c *session.Calendar) *bars {
	return &bars{calendar: c, minutes: map[string][]bar{}, days: map[string][]bar{}}
}

// see takes readings in. A reading of a day's open, high, low or volume belongs to the day and to the minute of its close.
func (b *bars) see(in lifeboat.Instant) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range in.Readings {
		symbol, column := r.Series.Column()
		if r.Quality != lifeboat.Good || r.Value < 0 || r.Value == 0 && column != "volume" {
			continue
		}
		at := r.At
		if at.IsZero() {
			at = in.At
		}
		b.minutes[symbol] = counted(b.minutes[symbol], at.Truncate(time.Minute), column, r.Value, minutesMax)
		b.days[symbol] = counted(b.days[symbol], midnight(b.calendar.Of(at).Day), column, r.Value, daysKept)
	}
}

// midnight of a date in New York, where Alpaca's daily bars begin.
func midnight(day time.Time) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, newYork()).UTC()
}

func counted(all []bar, at time.Time, column string, value float64, most int) []bar {
	n := len(all)
	if n > 0 && at.Before(all[n-1].at) {
		return all // news from the past is no news
	}
	if n == 0 || all[n-1].at.Before(at) {
		if n >= 2*most {
			all = append(all[:0:0], all[n-most:]...)
		}
		all = append(all, bar{at: at})
	}
	last := &all[len(all)-1]
	if column == "volume" {
		last.volume += value
		return all
	}
	if last.open == 0 {
		last.open, last.high, last.low = value, value, value
	}
	last.high, last.low = max(last.high, value), min(last.low, value)
	switch column {
	case "":
		last.close = value
		last.seen++
	case "open":
		if last.open = value; last.close == 0 {
			last.close = value
		}
	case "high", "low":
		if last.close == 0 {
			last.close = value
		}
	}
	return all
}

// between lists the bars of a symbol that begin in a span, put together in steps of minutes or whole sessions.
func (b *bars) between(symbol string, step time.Duration, from, to time.Time) []bar {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.minutes[symbol]
	if step >= 24*time.Hour {
		all = b.days[symbol]
	}
	var found []bar
	for _, one := range all {
		if one.close == 0 || one.at.Before(from) || !to.IsZero() && one.at.After(to) {
			continue
		}
		if step > time.Minute && step < 24*time.Hour {
			one.at = one.at.Truncate(step)
		}
		if n := len(found); n > 0 && found[n-1].at.Equal(one.at) {
			found[n-1].join(one)
			continue
		}
		found = append(found, one)
	}
	return found
}

func (a *bar) join(next bar) {
	a.high, a.low, a.close = max(a.high, next.high), min(a.low, next.low), next.close
	a.volume += next.volume
	a.seen += next.seen
}

type barAnswer struct {
	At     time.Time `json:"t"`
	Open   number    `json:"o"`
	High   number    `json:"h"`
	Low    number    `json:"l"`
	Close  number    `json:"c"`
	Volume uint64    `json:"v"`
	Count  uint64    `json:"n"`
	VWAP   number    `json:"vw"`
}

func (a bar) answer() barAnswer {
	return barAnswer{At: a.at, Open: number(a.open), High: number(a.high), Low: number(a.low), Close: number(a.close), Volume: uint64(a.volume), Count: a.seen, VWAP: number(a.close)}
}

// number is a market price, which Alpaca writes as a JSON number.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	return []byte(decimal.NewFromFloat(float64(n)).String()), nil
}
