package signal_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/risk"
	"lifeboat/session"
	"lifeboat/watch/signal"
)

// day is the close of the n-th session of a round-the-clock calendar.
func day(n int) time.Time { return time.Date(2020, 1, 2+n, 0, 0, 0, 0, time.UTC) }

func reading(s lifeboat.Series, v float64) lifeboat.Reading {
	return lifeboat.Reading{Series: s, Value: v}
}

func from(source string, s lifeboat.Series, v float64) lifeboat.Reading {
	return lifeboat.Reading{Series: s, Source: source, Value: v}
}

func take(e *signal.Engine, at time.Time, readings ...lifeboat.Reading) {
	e.Take(at, lifeboat.Instant{At: at, Readings: readings})
}

func node(t *testing.T, e *signal.Engine, q signal.Node) signal.ID {
	t.Helper()
	id, err := e.Node(q)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func want(t *testing.T, e *signal.Engine, id signal.ID, at time.Time, want float64) {
	t.Helper()
	v, known := e.Value(id, at)
	if !known || math.Abs(v-want) > 1e-12*max(1, math.Abs(want)) {
		t.Errorf("at %s: %v (known %v), want %v", at.Format(time.RFC3339), v, known, want)
	}
}

func wantUnknown(t *testing.T, e *signal.Engine, id signal.ID, at time.Time) {
	t.Helper()
	if v, known := e.Value(id, at); known {
		t.Errorf("at %s: %v, want unknown", at.Format(time.RFC3339), v)
	}
}

func book(positions ...any) *lifeboat.Book {
	var list []lifeboat.Position
	for i := 0; i < len(positions); i += 2 {
		quantity := decimal.NewFromFloat(positions[i+1].(float64))
		list = append(list, lifeboat.Position{Account: "broker", Symbol: positions[i].(string), Quantity: quantity})
	}
	b := lifeboat.NewBook("USD")
	b.Apply(time.Time{}, lifeboat.PlanLoaded{Positions: list})
	return b
}

func TestSignalsOfASeries(t *testing.T) {
	e := signal.New(signal.Config{})
	var (
		level    = node(t, e, signal.Node{Op: signal.Level, Of: "SPY"})
		drawdown = node(t, e, signal.Node{Op: signal.Drawdown, Of: "SPY"})
		two      = node(t, e, signal.Node{Op: signal.Return, Of: "SPY", N: 2})
		average  = node(t, e, signal.Node{Op: signal.Average, Of: "SPY", N: 3})
		breach   = node(t, e, signal.Node{Op: signal.Breach, Of: "SPY", N: 3})
	)
	wantUnknown(t, e, level, day(0))
	take(e, day(1), reading("SPY", 100))
	take(e, day(2), reading("SPY", 110))
	want(t, e, level, day(2), 110)
	wantUnknown(t, e, average, day(2)) // two sessions of three
	wantUnknown(t, e, two, day(2))

	take(e, day(3).Add(-6*time.Hour), reading("SPY", 120)) // the peak of a running session counts
	take(e, day(3), reading("SPY", 99))
	want(t, e, level, day(3), 99)
	want(t, e, drawdown, day(3), 1-99.0/120)
	want(t, e, two, day(3), -0.01)
	want(t, e, average, day(3), 103)
	want(t, e, breach, day(3), 1)

	take(e, day(3).Add(time.Hour), reading("SPY", 130)) // the first of a session: its price stands in for the close
	want(t, e, average, day(3).Add(time.Hour), (110+99+130)/3.0)
	want(t, e, breach, day(3).Add(time.Hour), 0)
	want(t, e, drawdown, day(3).Add(time.Hour), 0)
}

func TestEqualQuestionsAreOneNode(t *testing.T) {
	e := signal.New(signal.Config{Sources: map[lifeboat.Series][]string{"SPY": {"feed"}, "USDE": {"a", "b"}}})
	q := signal.Node{Op: signal.Average, Of: "SPY", N: 200}
	if a, b := node(t, e, q), node(t, e, q); a != b {
		t.Error("the same question made two nodes")
	}
	alone := q
	alone.Source = "feed"
	if a, b := node(t, e, q), node(t, e, alone); a != b {
		t.Error("the only source of a series is what all of them agree on")
	}
	if _, err := e.Node(signal.Node{Op: signal.Level, Of: "USDE", Source: "c"}); err == nil {
		t.Error("a source that nobody announced was accepted")
	}
	take(e, day(1), reading("SPY", 1))
	if _, err := e.Node(signal.Node{Op: signal.Average, Of: "SPY", N: 50}); err == nil {
		t.Error("a window was opened in the middle of the tape")
	}
	if _, err := e.Node(q); err != nil {
		t.Error(err)
	}
}

func TestTwoReadingsOfOneInstantAreTwoSteps(t *testing.T) {
	e := signal.New(signal.Config{})
	fall := node(t, e, signal.Node{Op: signal.Drawdown, Of: "BRK.B"}) // the dot begins no column
	volume := node(t, e, signal.Node{Op: signal.Level, Of: "BRK.B.volume"})
	take(e, day(1), reading("BRK.B", 100), reading("BRK.B.volume", 3), reading("BRK.B", 200), reading("BRK.B.volume", 4), reading("BRK.B", 150))
	want(t, e, fall, day(1), 0.25)
	want(t, e, volume, day(1), 7)
}

// Against a direct computation over all that was ever read, on a random walk with several readings a session.
func TestWindowsAgreeWithRescanning(t *testing.T) {
	const window, sessions = 20, 300
	r := rand.New(rand.NewPCG(1, 2))
	e := signal.New(signal.Config{})
	average := node(t, e, signal.Node{Op: signal.Average, Of: "X", N: window})
	change := node(t, e, signal.Node{Op: signal.Return, Of: "X", N: window})
	spike := node(t, e, signal.Node{Op: signal.Spike, Of: "X.volume"})
	price, closes, volumes := 100.0, []float64{}, []float64{}
	for n := range sessions {
		closes, volumes = append(closes, 0), append(volumes, 0)
		for part := range 4 {
			at := day(n).Add(time.Duration(part+1) * 6 * time.Hour)
			price *= math.Exp(0.02 * r.NormFloat64())
			volume := math.Round(1000 * r.ExpFloat64())
			take(e, at, reading("X.volume", volume), reading("X", price))
			closes[n] = price
			volumes[n] += volume
			if n < window {
				wantUnknown(t, e, change, at)
				wantUnknown(t, e, spike, at)
				continue
			}
			want(t, e, average, at, mean(closes[n-window+1:]))
			want(t, e, change, at, price/closes[n-window]-1)
			want(t, e, spike, at, volumes[n]/mean(volumes[n-20:n]))
		}
	}
	if adv, known := e.ADV("X"); !known || math.Abs(adv-mean(volumes[sessions-21:sessions-1])) > 1e-9 {
		t.Errorf("ADV %v", adv)
	}
}

func mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

func TestBadReadingsNeverEnterState(t *testing.T) {
	e := signal.New(signal.Config{StaleAfter: after(30 * time.Hour)})
	level := node(t, e, signal.Node{Op: signal.Level, Of: "SPY"})
	drawdown := node(t, e, signal.Node{Op: signal.Drawdown, Of: "SPY"})
	average := node(t, e, signal.Node{Op: signal.Average, Of: "SPY", N: 2})
	take(e, day(1), reading("SPY", 100))
	take(e, day(2), reading("SPY", 100))
	bad := []lifeboat.Reading{
		{Series: "SPY", Quality: lifeboat.Suspect, Why: "not a number"},
		{Series: "SPY", Value: 1e13, Quality: lifeboat.Suspect},
		{Series: "SPY", Value: -5, Quality: lifeboat.Suspect},
		{Series: "SPY", Value: 101, Quality: lifeboat.Stale},
		{Series: "SPY", Value: math.NaN()},
		{Series: "SPY", Value: math.Inf(1)},
		{Series: "SPY", Value: 5, At: day(1)}, // late
	}
	for _, r := range bad {
		take(e, day(2).Add(time.Hour), r)
		want(t, e, level, day(2).Add(time.Hour), 100)
		want(t, e, drawdown, day(2).Add(time.Hour), 0)
		want(t, e, average, day(2).Add(time.Hour), 100)
	}
	// Nor do they keep the series fresh.
	wantUnknown(t, e, level, day(2).Add(30*time.Hour+time.Second))
}

func after(d time.Duration) func(lifeboat.Series, string) time.Duration {
	return func(lifeboat.Series, string) time.Duration { return d }
}

func TestStalenessCountsMarketTime(t *testing.T) {
	nyse := session.NYSE()
	e := signal.New(signal.Config{Calendar: nyse, StaleAfter: after(time.Hour)})
	level := node(t, e, signal.Node{Op: signal.Level, Of: "SPY"})
	age := node(t, e, signal.Node{Op: signal.Age, Of: "SPY"})
	friday := time.Date(2020, 3, 13, 19, 30, 0, 0, time.UTC) // half an hour before the close
	monday := time.Date(2020, 3, 16, 13, 30, 0, 0, time.UTC) // the opening
	take(e, friday, reading("SPY", 260))

	want(t, e, level, friday.Add(48*time.Hour), 260)
	want(t, e, level, monday.Add(30*time.Minute), 260) // the reading that comes just now is in time
	wantUnknown(t, e, level, monday.Add(30*time.Minute+time.Second))
	if got := e.StaleAt("SPY", "", time.Time{}); !got.Equal(monday.Add(30*time.Minute + time.Second)) {
		t.Errorf("stale at %s", got)
	}
	stale := monday.Add(30*time.Minute + time.Second)
	if e.MayGoStale(monday) || !e.MayGoStale(stale) || !e.NextStale(friday).Equal(stale) || e.Soonest().After(stale) {
		t.Error("nobody was told when it goes stale")
	}
	e.Tick(stale)
	if got := e.NextStale(monday.Add(time.Hour)); !got.IsZero() || e.MayGoStale(monday.Add(90*time.Hour)) {
		t.Errorf("what is stale goes stale again at %s", got)
	}
	want(t, e, age, monday.Add(2*time.Hour), (150 * time.Minute).Seconds()) // known while stale
	if _, seen, quality := e.Price("SPY", monday.Add(2*time.Hour)); quality != lifeboat.Stale || !seen.Equal(friday) {
		t.Errorf("price of %s is %s", seen, quality)
	}
}

func TestAgreementOfSources(t *testing.T) {
	for _, c := range []struct {
		name    string
		before  []float64 // from each source, NaN for silence
		now     []float64
		agree   float64
		unknown bool
	}{
		{"one", []float64{1}, []float64{0.9}, 0.9, false},
		{"two, one lies low", []float64{1, 1}, []float64{0.65, 0.999}, 0.999, false},
		{"two, one lies high", []float64{1, 1}, []float64{1.001, 3}, 1.001, false},
		{"two fall together", []float64{1, 1}, []float64{0.65, 0.7}, 0.7, false},
		{"two at the first sight", nil, []float64{1, 1.1}, 1.05, false},
		{"three, one lies", []float64{1, 1, 1}, []float64{0.65, 0.998, 0.999}, 0.998, false},
		{"four, two lie on one side", []float64{1, 1, 1, 1}, []float64{0.1, 0.2, 0.99, 1}, 0.99, false},
		{"none", nil, nil, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			names := []string{"a", "b", "c", "d"}[:max(len(c.now), 1)]
			e := signal.New(signal.Config{Sources: map[lifeboat.Series][]string{"USDE": names}})
			level := node(t, e, signal.Node{Op: signal.Level, Of: "USDE"})
			for i, values := range [][]float64{c.before, c.now} {
				var readings []lifeboat.Reading
				for j, v := range values {
					readings = append(readings, from(names[j], "USDE", v))
				}
				take(e, day(1).Add(time.Duration(i)*time.Minute), readings...)
			}
			at := day(1).Add(time.Minute)
			if c.unknown {
				wantUnknown(t, e, level, at)
				return
			}
			want(t, e, level, at, c.agree)
		})
	}
}

func TestASilentSourceHasNoVote(t *testing.T) {
	e := signal.New(signal.Config{Sources: map[lifeboat.Series][]string{"USDE": {"a", "b"}}, StaleAfter: after(time.Hour)})
	level := node(t, e, signal.Node{Op: signal.Level, Of: "USDE"})
	own := node(t, e, signal.Node{Op: signal.Level, Of: "USDE", Source: "a"})
	fall := node(t, e, signal.Node{Op: signal.Drawdown, Of: "USDE", Source: "a"})
	spread := node(t, e, signal.Node{Op: signal.Spread, Of: "USDE"})
	take(e, day(1), from("a", "USDE", 1), from("b", "USDE", 1))
	take(e, day(1).Add(time.Minute), from("a", "USDE", 0.65))
	at := day(1).Add(time.Minute)
	want(t, e, level, at, 1)
	want(t, e, own, at, 0.65)
	want(t, e, fall, at, 0.35)
	want(t, e, spread, at, 1/0.65-1)

	at = day(1).Add(time.Hour + time.Second) // b fell silent
	want(t, e, level, at, 0.65)
	wantUnknown(t, e, spread, at)
	wantUnknown(t, e, own, at.Add(time.Minute))
	wantUnknown(t, e, level, at.Add(time.Minute))
}

// TestAQuorum holds a series to having no value while fewer of its sources are fresh, whatever asks for it.
func TestAQuorum(t *testing.T) {
	e := signal.New(signal.Config{Sources: map[lifeboat.Series][]string{"USDE": {"a", "b", "c"}}, StaleAfter: after(time.Hour),
		Quorum: func(s lifeboat.Series) int { return map[lifeboat.Series]int{"USDE": 2}[s] }})
	level := node(t, e, signal.Node{Op: signal.Level, Of: "USDE"})
	own := node(t, e, signal.Node{Op: signal.Level, Of: "USDE", Source: "a"})
	high := node(t, e, signal.Node{Op: signal.Max, Of: "USDE", N: 1})
	stale := node(t, e, signal.Node{Op: signal.Stale, Of: "USDE"})
	apart := node(t, e, signal.Node{Op: signal.Disagreement, Of: "USDE"})
	e.Follow(level)

	take(e, day(1), from("a", "USDE", 7)) // a liar, alone
	wantUnknown(t, e, level, day(1))
	wantUnknown(t, e, high, day(1))
	wantUnknown(t, e, apart, day(1))
	want(t, e, own, day(1), 7)
	want(t, e, stale, day(1), 1)
	if at := e.StaleAt("USDE", "", day(0)); !at.Equal(day(0).Add(time.Hour + time.Second)) { // nobody else spoke within an hour
		t.Errorf("stale at %s", at)
	}

	at := day(1).Add(30 * time.Minute)
	take(e, at, from("a", "USDE", 0.98), from("b", "USDE", 1))
	want(t, e, level, at, 0.99)
	want(t, e, stale, at, 0)
	want(t, e, high, at, 0.99) // the liar never counted
	want(t, e, apart, at, 0.02/0.99)
	if at := e.StaleAt("USDE", "", day(0)); !at.Equal(day(1).Add(90*time.Minute + time.Second)) {
		t.Errorf("stale at %s", at)
	}

	take(e, at.Add(20*time.Minute), from("b", "USDE", 1))
	if moved := e.Tick(at.Add(time.Hour + 2*time.Second)); len(moved) != 1 { // a falls silent, and b is no quorum
		t.Errorf("moved %v", moved)
	}
	wantUnknown(t, e, level, at.Add(time.Hour+2*time.Second))
	wantUnknown(t, e, apart, at.Add(time.Hour+2*time.Second))

	at = at.Add(2 * time.Hour)
	take(e, at, from("a", "USDE", 0.9), from("b", "USDE", 1), from("c", "USDE", 1.1))
	want(t, e, level, at, 1)
	want(t, e, apart, at, 0.2)
}

func TestPortfolio(t *testing.T) {
	b := book("SPY", 10.0, "TLT", 20.0, "USD", 1000.0, "HOUSE", 1.0)
	class := func(s string) string { return map[string]string{"SPY": "equities", "TLT": "bonds", "USD": "cash"}[s] }
	e := signal.New(signal.Config{Book: b, Class: class, Prices: map[string]float64{"HOUSE": 5000},
		Sources: map[lifeboat.Series][]string{"SPY": nil, "TLT": nil}})
	var (
		value    = node(t, e, signal.Node{Op: signal.PortfolioValue})
		fall     = node(t, e, signal.Node{Op: signal.PortfolioDrawdown})
		daily    = node(t, e, signal.Node{Op: signal.PortfolioReturn})
		weight   = node(t, e, signal.Node{Op: signal.Weight, Of: "SPY"})
		equities = node(t, e, signal.Node{Op: signal.ClassWeight, Of: "equities"})
		cash     = node(t, e, signal.Node{Op: signal.CashWeight})
		absent   = node(t, e, signal.Node{Op: signal.Weight, Of: "BTC"})
	)
	take(e, day(1), reading("SPY", 300))
	wantUnknown(t, e, value, day(1)) // TLT was never seen and is too much to do without
	take(e, day(1), reading("TLT", 100))
	want(t, e, value, day(1), 3000+2000+1000+5000)
	want(t, e, weight, day(1), 3000.0/11000)
	want(t, e, equities, day(1), 3000.0/11000)
	want(t, e, cash, day(1), 1000.0/11000)
	want(t, e, absent, day(1), 0)
	wantUnknown(t, e, daily, day(1))

	take(e, day(2), reading("SPY", 190), reading("TLT", 100))
	want(t, e, value, day(2), 9900)
	want(t, e, fall, day(2), 0.1)
	want(t, e, daily, day(2), -0.1)

	// Selling at the price and for a fee is no loss but the fee.
	sell := lifeboat.Order{ID: "k", Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Quantity: decimal.NewFromInt(10)}
	b.Apply(day(2), lifeboat.Intent{Key: "k", Act: lifeboat.PlaceOrder, Order: &sell})
	b.Apply(day(2), lifeboat.Receipt{Key: "k", Status: lifeboat.Filled, Filled: decimal.NewFromInt(10), Price: decimal.NewFromInt(190), Fee: decimal.NewFromInt(9)})
	want(t, e, value, day(2), 9891)
	want(t, e, cash, day(2), 2891.0/9891)
	want(t, e, weight, day(2), 0)
	want(t, e, fall, day(2), 1-9891.0/11000)

	take(e, day(3), reading("SPY", 10), reading("TLT", 100))
	want(t, e, value, day(3), 9891)
	want(t, e, daily, day(3), 9891.0/9900-1)
	if got := e.Uncovered(); !slices.Equal(got, []string{"HOUSE"}) {
		t.Errorf("uncovered: %v", got)
	}
	if got := e.Held(); !slices.Equal(got, []lifeboat.Series{"TLT"}) {
		t.Errorf("held: %v", got)
	}
}

func TestAPurchaseElsewhereIsNoGain(t *testing.T) {
	b := book("SPY", 10.0)
	e := signal.New(signal.Config{Book: b})
	fall := node(t, e, signal.Node{Op: signal.PortfolioDrawdown})
	daily := node(t, e, signal.Node{Op: signal.PortfolioReturn})
	take(e, day(1), reading("SPY", 100))
	take(e, day(2), reading("SPY", 80))
	want(t, e, fall, day(2), 0.2)

	b.Apply(day(2), lifeboat.PlanLoaded{Positions: []lifeboat.Position{{Account: "broker", Symbol: "SPY", Quantity: decimal.NewFromInt(40)}}})
	e.Register(day(2))
	want(t, e, fall, day(2), 0.2)
	want(t, e, daily, day(2), -0.2)
	take(e, day(3), reading("SPY", 60))
	want(t, e, fall, day(3), 0.4)
	want(t, e, daily, day(3), -0.25)
}

// TestAPurchaseOfTheUnpricedForgetsNoLoss: a new holding has no price before its feed speaks for the first time. Until
// then the value is not known; afterwards the loss is still there.
func TestAPurchaseOfTheUnpricedForgetsNoLoss(t *testing.T) {
	b := book("SPY", 10.0)
	e := signal.New(signal.Config{Book: b, Sources: map[lifeboat.Series][]string{"SPY": nil, "NEW": nil}})
	fall := node(t, e, signal.Node{Op: signal.PortfolioDrawdown})
	take(e, day(1), reading("SPY", 100))
	take(e, day(2), reading("SPY", 80))
	ten := decimal.NewFromInt(10)
	b.Apply(day(2), lifeboat.PlanLoaded{Positions: []lifeboat.Position{{Account: "broker", Symbol: "SPY", Quantity: ten}, {Account: "broker", Symbol: "NEW", Quantity: ten}}})
	e.Register(day(2))
	if v, known := e.Value(fall, day(2)); known {
		t.Errorf("drawdown %v without a price of NEW", v)
	}
	take(e, day(3), reading("SPY", 60), reading("NEW", 5))
	want(t, e, fall, day(3), 0.4)
}

func TestAStaleHoldingBlindsByItsShare(t *testing.T) {
	e := signal.New(signal.Config{Book: book("A", 96.0, "B", 4.0), StaleAfter: after(time.Hour),
		Sources: map[lifeboat.Series][]string{"A": nil, "B": nil}})
	value := node(t, e, signal.Node{Op: signal.PortfolioValue})
	weight := node(t, e, signal.Node{Op: signal.Weight, Of: "B"})
	take(e, day(1), reading("A", 1), reading("B", 1))
	later := day(1).Add(2 * time.Hour)
	wantUnknown(t, e, value, later)
	take(e, later, reading("A", 1))
	want(t, e, value, later, 100) // 4 % stand on the last price
	wantUnknown(t, e, weight, later)
	take(e, later, reading("A", 0.5))
	wantUnknown(t, e, value, later) // now they are 7.7 %
}

// Against the returns of the book as it stands, built by hand.
func TestValueAtRisk(t *testing.T) {
	const sessions = 320
	r := rand.New(rand.NewPCG(3, 4))
	b := book("A", 10.0, "B", 5.0, "USD", 500.0)
	e := signal.New(signal.Config{Book: b})
	id := node(t, e, signal.Node{Op: signal.VaR, Level: 0.95})
	prices := [2][]float64{{100}, {200}}
	for n := range sessions {
		for i := range prices {
			last := prices[i][len(prices[i])-1]
			prices[i] = append(prices[i], last*math.Exp(0.01*r.NormFloat64()))
		}
		take(e, day(n), reading("A", prices[0][n]), reading("B", prices[1][n]))
		if n == 99 { // 99 returns
			wantUnknown(t, e, id, day(n))
		}
	}
	byHand := func(a, b, cash float64) float64 {
		last := sessions - 1
		va, vb := a*prices[0][last], b*prices[1][last]
		var returns []float64
		for n := sessions - 250; n < sessions; n++ {
			gain := va*(prices[0][n]/prices[0][n-1]-1) + vb*(prices[1][n]/prices[1][n-1]-1)
			returns = append(returns, gain/(va+vb+cash))
		}
		v, err := risk.HistoricalVaR(returns, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	want(t, e, id, day(sessions-1), byHand(10, 5, 500))

	sell := lifeboat.Order{ID: "k", Account: "broker", Symbol: "A", Side: lifeboat.Sell, Quantity: decimal.NewFromInt(4)}
	b.Apply(day(2), lifeboat.Intent{Key: "k", Act: lifeboat.PlaceOrder, Order: &sell})
	b.Apply(day(2), lifeboat.Receipt{Key: "k", Status: lifeboat.Filled, Filled: decimal.NewFromInt(4), Price: decimal.NewFromInt(100)})
	want(t, e, id, day(sessions-1), byHand(6, 5, 900)) // the book that is, at once
}

func TestPrice(t *testing.T) {
	e := signal.New(signal.Config{Book: book("HOUSE", 1.0), Prices: map[string]float64{"HOUSE": 9}})
	take(e, day(1), reading("SPY", 300))
	for _, c := range []struct {
		symbol  string
		value   float64
		seen    time.Time
		quality lifeboat.Quality
	}{
		{"SPY", 300, day(1), lifeboat.Good},
		{"USD", 1, day(1), lifeboat.Good},
		{"HOUSE", 9, time.Time{}, lifeboat.Stale},
		{"BTC", 0, time.Time{}, lifeboat.None},
	} {
		if v, seen, quality := e.Price(c.symbol, day(1)); v != c.value || !seen.Equal(c.seen) || quality != c.quality {
			t.Errorf("%s: %v at %s, %s", c.symbol, v, seen, quality)
		}
	}
}

func TestReadingsDoNotAllocate(t *testing.T) {
	e := signal.New(signal.Config{Book: book("SPY", 10.0, "USD", 5.0), Calendar: session.NYSE()})
	ids := []signal.ID{
		node(t, e, signal.Node{Op: signal.Average, Of: "SPY", N: 200}),
		node(t, e, signal.Node{Op: signal.Spike, Of: "SPY.volume"}),
		node(t, e, signal.Node{Op: signal.PortfolioDrawdown}),
		node(t, e, signal.Node{Op: signal.VaR, Level: 0.95}),
	}
	at := time.Date(2020, 3, 12, 14, 0, 0, 0, time.UTC)
	in := lifeboat.Instant{Readings: []lifeboat.Reading{reading("SPY.volume", 10), reading("SPY", 250)}}
	e.Take(at, in)
	allocs := testing.AllocsPerRun(1000, func() {
		at = at.Add(time.Second)
		e.Take(at, in)
		for _, id := range ids {
			e.Value(id, at)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a reading", allocs)
	}
}

func BenchmarkTake(b *testing.B) {
	e := signal.New(signal.Config{Book: book("SPY", 10.0, "USD", 5.0), Calendar: session.NYSE()})
	id, _ := e.Node(signal.Node{Op: signal.Average, Of: "SPY", N: 200})
	at := time.Date(2020, 3, 12, 14, 0, 0, 0, time.UTC)
	in := lifeboat.Instant{Readings: []lifeboat.Reading{reading("SPY", 250)}}
	for b.Loop() {
		at = at.Add(time.Second)
		e.Take(at, in)
		e.Value(id, at)
	}
}
