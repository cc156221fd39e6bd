package paper

import (
	"time"

	"github.com/shopspring/decimal"

	"lifeboat/session"
)

// Phase is what the market lets orders do.
type Phase string

const (
	Continuous Phase = ""            // orders are taken and fill
	Halted     Phase = "halted"      // orders are taken and cancelled, and nothing fills
	Auction    Phase = "auction"     // the same, until one price for all is found at its end
	CancelOnly Phase = "cancel-only" // orders can be cancelled, and none is taken
)

// Known reports whether a phase is one of these.
func (p Phase) Known() bool {
	return p == Continuous || p == Halted || p == Auction || p == CancelOnly
}

// SetPhase of one symbol, or of the whole market when the symbol is "". It holds until it is set anew; it is not in the
// ledger, so that a venue opens without halts.
func (v *Venue) SetPhase(symbol string, p Phase) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if p == Continuous {
		delete(v.phases, symbol)
		return
	}
	v.phases[symbol] = p
}

// PhaseOf a symbol at a time, whatever set it; "" asks for the whole market.
func (v *Venue) PhaseOf(symbol string, at time.Time) Phase {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.phase(symbol, at)
}

func (v *Venue) phase(symbol string, at time.Time) Phase {
	if at.Before(v.breaker.until) {
		return Halted
	}
	if p := v.phases[""]; p != Continuous {
		return p
	}
	return v.phases[symbol]
}

// A breaker is the market-wide circuit breaker of one session.
type breaker struct {
	day   time.Time
	level int // the highest one that was reached; each halts trading once
	until time.Time
}

// fallsMin are the falls of the index against its last close that halt the market: NYSE rule 7.12.
var fallsMin = [...]decimal.Decimal{decimal.New(7, -2), decimal.New(13, -2), decimal.New(20, -2)}

// Levels 1 and 2 halt for a quarter of an hour, unless only 35 minutes of the session are left; level 3 for the day.
const (
	breakerHalts  = 15 * time.Minute
	breakerSpares = 35 * time.Minute
)

// trip halts the market when the index has fallen far enough.
func (v *Venue) trip(at time.Time) {
	q := v.quotes[v.cfg.Index]
	if v.cfg.Index == "" || q == nil || len(q.closes) == 0 || q.calendar == session.AllDay() || !q.trading {
		return
	}
	s := q.calendar.Of(q.at)
	if !v.breaker.day.Equal(s.Day) {
		v.breaker = breaker{day: s.Day}
	}
	before, now := decimal.NewFromFloat(q.closes[len(q.closes)-1]), decimal.NewFromFloat(q.price)
	fall := before.Sub(now)
	for i, least := range fallsMin {
		level := i + 1
		if fall.LessThan(before.Mul(least)) || level <= v.breaker.level {
			continue
		}
		v.breaker.level = level
		switch {
		case level == len(fallsMin):
			v.breaker.until = s.Close
		case q.at.Before(s.Close.Add(-breakerSpares)):
			v.breaker.until = at.Add(breakerHalts)
		}
	}
}

// BreakerLevel is the level that the market-wide breaker reached in the session of a time, and until when it halts.
func (v *Venue) BreakerLevel(at time.Time) (level int, until time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if at.Sub(v.breaker.day) > 36*time.Hour {
		return 0, time.Time{}
	}
	return v.breaker.level, v.breaker.until
}
