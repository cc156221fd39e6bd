package trigger_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/session"
	"lifeboat/watch/rule"
	"lifeboat/watch/signal"
	"lifeboat/watch/state"
	"lifeboat/watch/trigger"
)

// everyKind of operator and fact that remembers something.
var everyKind = []string{
	"VIX > 24 for 3d", "VIX > 25 for 2 of 5d", "SPY < ma(SPY, 20d) for 90m", "since(VIX > 35) > 2d", "crossed_above(SPY, ma(SPY, 10d))",
	"crossed_below(SPY, 100, 3d)", "zscore(SPY, 20h) < -1.5", "SPY / max(SPY, 48h) < 0.97", "quantile(SPY, 5%, 10d) > SPY",
	"quantile(SPY, 10%, 36h) > SPY", "return(SPY, 24h) < -3%", "correlation(SPY, VIX, 20d) < -10%", "beta(SPY, VIX, 20d) < 0", "ewma(SPY) > 1%", "var(SPY, 90%, 30d) > 2%",
	"es(SPY, 90%, 30d) > 2%", "stddev(VIX, 24h) > 2", "drawdown(SPY, 10d) > 4%", "change(VIX, 3d) > 5", "portfolio_drawdown > 4%", "daily_return < -2%",
	"portfolio_max_drawdown > 10%", "portfolio_return(5d) < -4%", "hhi(symbol) > 57%", "age(VIX) > 3h", "stale(VIX)", "2 of (VIX > 28, SPY < 100, age(SPY) > 2h)",
	"spread(VIX, SPY) > 3x", "volume_spike(SPY) > 1.5x", "days_to_exit(10%) > 0.25",
}

func remembering(t *testing.T) *desk {
	t.Helper()
	book := lifeboat.NewBook("USD")
	book.Apply(time.Time{}, lifeboat.PlanLoaded{Positions: []lifeboat.Position{
		{Account: "a", Symbol: "SPY", Quantity: decimal.NewFromInt(70)}, {Account: "b", Symbol: "USD", Quantity: decimal.NewFromInt(3000)}}})
	engine := signal.New(signal.Config{Book: book, Calendar: session.NYSE(), Class: func(string) string { return "equities" },
		Sources:    map[lifeboat.Series][]string{"SPY": {"x", "y"}, "VIX": {""}, "SPY.volume": {""}},
		StaleAfter: func(lifeboat.Series, string) time.Duration { return 4 * time.Hour }})
	var triggers []plan.Trigger
	for i, condition := range everyKind {
		t := plan.Trigger{Name: condition, Condition: condition, Tier: lifeboat.Watch}
		switch i % 4 {
		case 1:
			t.For = span(40 * time.Minute)
		case 2:
			t.ClearFor, t.Cooldown = span(2*time.Hour), span(5*time.Hour)
		case 3:
			t.Context = "VIX > 22"
		}
		triggers = append(triggers, t)
	}
	triggers = append(triggers, plan.Trigger{Name: "two", Condition: "SPY < 99", Sources: 2})
	watch, err := trigger.New(triggers, rule.Env{Series: []string{"VIX", "SPY"}, Symbols: []string{"SPY"}}, rule.NewBoard(engine, session.NYSE()), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return &desk{t: t, watch: watch, book: book}
}

// half an hour of a nervous market, with holes.
func nervous(r *rand.Rand, n int, spy, vix *float64) []lifeboat.Reading {
	*spy *= math.Exp(0.006 * r.NormFloat64())
	*spy += 0.02 * (100 - *spy)
	*vix = max(10, *vix+1.2*r.NormFloat64()+0.05*(25-*vix))
	var in []lifeboat.Reading
	if n%97 < 80 {
		in = append(in, lifeboat.Reading{Series: "SPY", Source: "x", Value: *spy}, lifeboat.Reading{Series: "SPY.volume", Value: math.Round(50 * r.ExpFloat64())})
	}
	if n%61 < 50 {
		in = append(in, lifeboat.Reading{Series: "SPY", Source: "y", Value: *spy * 1.001})
	}
	if n%53 < 28 {
		in = append(in, vixReading(*vix))
	}
	return in
}

func vixReading(v float64) lifeboat.Reading { return lifeboat.Reading{Series: "VIX", Value: v} }

// A watch that is stopped at any time, saved and restored goes on as if nothing had been: the same news, and the same
// state to the last bit.
func TestRestoredIsUninterrupted(t *testing.T) {
	const steps = 4000
	for _, every := range []int{7, 1000} {
		t.Run(fmt.Sprint(every), func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 5))
			through, broken := remembering(t), remembering(t)
			spy, vix := 100.0, 25.0
			for n := range steps {
				at := start.Add(time.Duration(n) * 30 * time.Minute)
				in := nervous(r, n, &spy, &vix)
				through.read(at, in...)
				broken.read(at, in...)
				if n%every == every/2 {
					broken = resumed(t, broken)
				}
			}
			if len(through.told()) < 200 {
				t.Fatalf("only %d news: the market is too calm to prove anything", len(through.told()))
			}
			if a, b := through.told(), broken.told(); !reflect.DeepEqual(a, b) {
				t.Errorf("%d and %d news differ", len(a), len(b))
			}
			if a, b := saved(t, through.watch), saved(t, broken.watch); !bytes.Equal(a, b) {
				t.Errorf("the states differ: %d and %d bytes", len(a), len(b))
			}
		})
	}
}

// Every kind has to fire, or its state is not proved.
func TestEveryKindFires(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	d := remembering(t)
	spy, vix := 100.0, 25.0
	for n := range 4000 {
		d.read(start.Add(time.Duration(n)*30*time.Minute), nervous(r, n, &spy, &vix)...)
	}
	fired := map[string]bool{}
	for _, e := range d.journal {
		if f, is := e.event.(lifeboat.Firing); is {
			fired[f.Trigger] = true
		}
	}
	for _, condition := range everyKind {
		if !fired[condition] {
			t.Errorf("%s never fired", condition)
		}
	}
}

// A state that was cut off, or is another plan's, is refused.
func TestDamagedStateIsRefused(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	d := remembering(t)
	spy, vix := 100.0, 25.0
	for n := range 100 {
		d.read(start.Add(time.Duration(n)*30*time.Minute), nervous(r, n, &spy, &vix)...)
	}
	whole := saved(t, d.watch)
	for cut := 0; cut < len(whole); cut += 101 {
		c := state.Reader(whole[:cut])
		if remembering(t).watch.State(c); c.Err() == nil {
			t.Fatalf("a state of %d bytes was taken for one of %d", cut, len(whole))
		}
	}
	c := state.Reader(append(whole, 0))
	if remembering(t).watch.State(c); c.Err() == nil {
		t.Error("a state with something behind it was taken")
	}
}

func saved(t *testing.T, w *trigger.Watch) []byte {
	t.Helper()
	c := state.Writer()
	w.State(c)
	if c.Err() != nil || !w.Settled() {
		t.Fatal(c.Err())
	}
	return bytes.Clone(c.Bytes())
}

func resumed(t *testing.T, d *desk) *desk {
	t.Helper()
	again := remembering(t)
	c := state.Reader(saved(t, d.watch))
	if again.watch.State(c); c.Err() != nil {
		t.Fatal(c.Err())
	}
	again.journal = d.journal
	return again
}
