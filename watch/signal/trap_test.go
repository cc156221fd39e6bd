package signal_test

import (
	"math"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/session"
	"lifeboat/watch/signal"
)

// Two series move together only while both do.
func TestACorrelationNeedsBothSeriesFresh(t *testing.T) {
	e := signal.New(signal.Config{StaleAfter: func(s lifeboat.Series, _ string) time.Duration {
		return map[lifeboat.Series]time.Duration{"SPY": 36 * time.Hour, "TLT": 2 * time.Hour}[s]
	}})
	both := []signal.ID{node(t, e, signal.Node{Op: signal.Correlation, Of: "SPY", With: "TLT", N: 3}), node(t, e, signal.Node{Op: signal.Beta, Of: "SPY", With: "TLT", N: 3})}
	for n, v := range []float64{100, 101, 99, 103, 102, 104, 101} {
		take(e, day(n), reading("SPY", v), reading("TLT", 200-v*v/100))
	}
	for _, id := range both {
		if _, known := e.Value(id, day(6)); !known {
			t.Error("both are fresh")
		}
		wantUnknown(t, e, id, day(6).Add(3*time.Hour))
	}
}

// A source whose clock is behind the other's moves windows of wall time too, or the fall that it alone reports would not
// be in them.
func TestASourceThatIsBehindMovesWindows(t *testing.T) {
	e := signal.New(signal.Config{Sources: map[lifeboat.Series][]string{"USDE": {"a", "b", "c"}}})
	low := node(t, e, signal.Node{Op: signal.Min, Of: "USDE", Span: time.Hour})
	begin := day(1)
	for minute := range 61 {
		at := begin.Add(time.Duration(minute) * time.Minute)
		take(e, at, from("a", "USDE", 1), from("b", "USDE", 1), from("c", "USDE", 1))
	}
	at := begin.Add(2 * time.Hour)
	take(e, at, from("a", "USDE", 0.7))
	late := from("b", "USDE", 0.65)
	late.At = at.Add(-time.Minute)
	take(e, at.Add(time.Second), late)
	want(t, e, low, at.Add(time.Second), 0.7)
}

// What two sources agreed on stays what it is until one of them speaks: it does not move to one of them by rounding.
func TestTheMeanOfTwoStays(t *testing.T) {
	for _, pair := range [][2]float64{{0.1, 0.3}, {0.997, 1.001}, {1.1, 1.3}, {99.9, 100.3}, {0.7, 0.8}} {
		e := signal.New(signal.Config{Sources: map[lifeboat.Series][]string{"USDE": {"a", "b"}}})
		level := node(t, e, signal.Node{Op: signal.Level, Of: "USDE"})
		take(e, day(1), from("a", "USDE", pair[0]), from("b", "USDE", pair[1]))
		then, _ := e.Value(level, day(1))
		if now, _ := e.Value(level, day(1).Add(time.Minute)); now != then {
			t.Errorf("%v: %v became %v", pair, then, now)
		}
	}
}

// A coin that stands still has not fallen below its average, nor below a quantile, and deviates from nothing.
func TestWhatStandsStillBreachesNothing(t *testing.T) {
	for _, price := range []float64{0.9998, 0.1, 1.0001, 0.3333, 1e13 + 0.1} {
		for n := 2; n < 40; n++ {
			e := signal.New(signal.Config{})
			breach := node(t, e, signal.Node{Op: signal.Breach, Of: "USDC", N: n})
			average := node(t, e, signal.Node{Op: signal.Average, Of: "USDC", N: n})
			quantile := node(t, e, signal.Node{Op: signal.Quantile, Of: "USDC", N: n, Level: 0.05})
			score := node(t, e, signal.Node{Op: signal.ZScore, Of: "USDC", N: n})
			for at := range n {
				take(e, day(at), reading("USDC", price))
			}
			at := day(n - 1)
			want(t, e, breach, at, 0)
			wantUnknown(t, e, score, at)
			for _, id := range []signal.ID{average, quantile} {
				if v, known := e.Value(id, at); !known || v != price {
					t.Errorf("%d sessions at %v come to %v", n, price, v)
				}
			}
		}
	}
}

// A book that cannot be priced now has no value at risk, though the last session's end is still known.
func TestAStaleBookHasNoValueAtRisk(t *testing.T) {
	e := signal.New(signal.Config{Book: book("SPY", 10.0), StaleAfter: func(lifeboat.Series, string) time.Duration { return 30 * time.Hour }})
	loss := node(t, e, signal.Node{Op: signal.VaR, Level: 0.95})
	for n := range 130 {
		take(e, day(n), reading("SPY", 100+10*math.Sin(float64(n))))
	}
	if _, known := e.Value(loss, day(129)); !known {
		t.Fatal("it is known while the price is fresh")
	}
	wantUnknown(t, e, loss, day(129).Add(31*time.Hour))
}

// What rises because a low source fell silent stands at its highest, and not above it.
func TestADrawdownIsNeverNegative(t *testing.T) {
	e := signal.New(signal.Config{Sources: map[lifeboat.Series][]string{"USDE": {"a", "b", "c"}},
		StaleAfter: func(_ lifeboat.Series, source string) time.Duration {
			return map[string]time.Duration{"a": time.Hour, "b": 9 * time.Hour, "c": time.Hour}[source]
		}})
	falls := []signal.ID{node(t, e, signal.Node{Op: signal.Drawdown, Of: "USDE"}), node(t, e, signal.Node{Op: signal.Drawdown, Of: "USDE", N: 1}),
		node(t, e, signal.Node{Op: signal.Drawdown, Of: "USDE", Span: time.Nanosecond})}
	at := day(1).Add(time.Hour)
	for minute := range 2 {
		take(e, at.Add(time.Duration(minute)*time.Minute), from("a", "USDE", 0.9), from("b", "USDE", 1), from("c", "USDE", 0.8))
	}
	for _, id := range falls {
		want(t, e, id, at.Add(2*time.Hour), 0)
	}
}

// A kind of group that is asked for after the book was counted is counted too.
func TestAGroupAskedForLater(t *testing.T) {
	e := signal.New(signal.Config{Book: book("SPY", 1.0, "TLT", 1.0), Prices: map[string]float64{"SPY": 300, "TLT": 100}})
	if held := e.Uncovered(); len(held) != 2 {
		t.Fatal(held)
	}
	id := node(t, e, signal.Node{Op: signal.Concentration, Of: "symbol"})
	want(t, e, id, day(1), 0.75)
}

// A coin has sessions on the weekend and a share has none; what they have in common is compared all the same.
func TestACoinAndAShareHaveSessionsInCommon(t *testing.T) {
	e := signal.New(signal.Config{Calendars: map[string]*session.Calendar{"SPY": session.NYSE()}, StaleAfter: func(lifeboat.Series, string) time.Duration { return 0 }})
	id := node(t, e, signal.Node{Op: signal.Correlation, Of: "SPY", With: "BTC", N: 20})
	for n := range 60 {
		at := time.Date(2020, 1, 2+n, 20, 0, 0, 0, time.UTC)
		v := 100 + 10*math.Sin(float64(n))
		if take(e, at, reading("BTC", v*90)); session.NYSE().IsOpen(at) {
			take(e, at, reading("SPY", v))
		}
	}
	want(t, e, id, time.Date(2020, 3, 1, 20, 0, 0, 0, time.UTC), 1)
}
