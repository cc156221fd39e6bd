package signal_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/risk"
	"lifeboat/watch/signal"
)

// A past is everything that was ever read of a series, session by session. What it answers is worked out from all of it,
// each time, as the package's comments define it.
type past struct {
	closes, highs, lows []float64 // the last of each is the running session's
	times               []time.Time
	values              []float64
}

func (p *past) read(begins bool, at time.Time, v float64) {
	if begins {
		p.closes, p.highs, p.lows = append(p.closes, v), append(p.highs, v), append(p.lows, v)
	}
	last := len(p.closes) - 1
	p.closes[last], p.highs[last], p.lows[last] = v, max(p.highs[last], v), min(p.lows[last], v)
	p.times, p.values = append(p.times, at), append(p.values, v)
}

func lastOf(values []float64, n int) []float64 { return values[max(0, len(values)-n):] }

// span is the readings within one that ends with the last reading, and whether the past reaches back to its beginning.
func (p *past) span(d time.Duration) (values []float64, full bool) {
	from := p.times[len(p.times)-1].Add(-d)
	i := slices.IndexFunc(p.times, func(t time.Time) bool { return t.After(from) })
	return p.values[i:], !p.times[0].After(from)
}

// base of a span: the last reading at or before its beginning.
func (p *past) base(d time.Duration) float64 {
	from := p.times[len(p.times)-1].Add(-d)
	i := slices.IndexFunc(p.times, func(t time.Time) bool { return t.After(from) })
	if i <= 0 {
		return math.NaN()
	}
	return p.values[i-1]
}

// returns between the closes of sessions that are over.
func (p *past) returns() []float64 {
	var all []float64
	for i := 1; i < len(p.closes)-1; i++ {
		all = append(all, p.closes[i]/p.closes[i-1]-1)
	}
	return all
}

func (p *past) answer(q signal.Node, other *past) float64 {
	level := p.values[len(p.values)-1]
	values, full := lastOf(p.closes, q.N), len(p.closes) >= q.N
	high, low := lastOf(p.highs, q.N), lastOf(p.lows, q.N)
	if q.Span > 0 {
		values, full = p.span(q.Span)
		high, low = values, values
	}
	if !full {
		return math.NaN()
	}
	must := func(v float64, err error) float64 {
		if err != nil {
			return math.NaN()
		}
		return v
	}
	base := func() float64 {
		if q.Span > 0 {
			return p.base(q.Span)
		}
		if len(p.closes) <= q.N {
			return math.NaN()
		}
		return p.closes[len(p.closes)-1-q.N]
	}
	switch q.Op {
	case signal.Average:
		return mean(values)
	case signal.Max:
		return slices.Max(high)
	case signal.Min:
		return slices.Min(low)
	case signal.Drawdown:
		return 1 - level/slices.Max(high)
	case signal.Deviation:
		return must(risk.Volatility(values))
	case signal.ZScore:
		return (level - mean(values)) / must(risk.Volatility(values))
	case signal.Quantile:
		if len(values) == 1 {
			return values[0]
		}
		return must(risk.Quantile(values, q.Level))
	case signal.Return:
		return level/base() - 1
	case signal.Change:
		return level - base()
	}
	returns := p.returns()
	if q.Op == signal.EWMA {
		sigma, err := risk.EWMA(returns, q.Level)
		if err != nil {
			return math.NaN()
		}
		return sigma[len(sigma)-1]
	}
	if len(returns) < q.N {
		return math.NaN()
	}
	own := lastOf(returns, q.N)
	switch q.Op {
	case signal.ReturnVaR:
		return must(risk.HistoricalVaR(own, q.Level))
	case signal.ReturnES:
		return must(risk.HistoricalES(own, q.Level))
	case signal.Correlation:
		return must(risk.Correlation(own, lastOf(other.returns(), q.N)))
	}
	return must(risk.Beta(own, lastOf(other.returns(), q.N)))
}

// Every operator with a window, against the whole past, on a random walk with several readings a session and holes.
func TestEveryWindowAgreesWithRescanning(t *testing.T) {
	var questions []signal.Node
	for _, op := range []signal.Op{signal.Average, signal.Max, signal.Min, signal.Drawdown, signal.Deviation, signal.ZScore, signal.Quantile, signal.Return, signal.Change} {
		level := 0.0
		if op == signal.Quantile {
			level = 0.1
		}
		for _, n := range []int{2, 3, 20} {
			questions = append(questions, signal.Node{Op: op, Of: "X", N: n, Level: level})
		}
		for _, span := range []time.Duration{time.Hour, 30 * time.Hour, 200 * time.Hour} {
			questions = append(questions, signal.Node{Op: op, Of: "X", Span: span, Level: level})
		}
	}
	questions = append(questions, signal.Node{Op: signal.EWMA, Of: "X", Level: 0.94}, signal.Node{Op: signal.ReturnVaR, Of: "X", N: 40, Level: 0.95},
		signal.Node{Op: signal.ReturnES, Of: "X", N: 40, Level: 0.9}, signal.Node{Op: signal.Correlation, Of: "X", With: "Y", N: 15}, signal.Node{Op: signal.Beta, Of: "X", With: "Y", N: 15})

	e := signal.New(signal.Config{StaleAfter: after(1000 * time.Hour)})
	var ids []signal.ID
	for _, q := range questions {
		ids = append(ids, node(t, e, q))
		e.Follow(ids[len(ids)-1])
	}
	r := rand.New(rand.NewPCG(21, 34))
	x, y, price := &past{}, &past{}, 100.0
	answered := map[signal.Op]int{}
	for n := range 120 {
		parts := 1 + r.IntN(5)
		for part := range parts {
			at := day(n).Add(time.Duration(1+part*4+r.IntN(3)) * time.Hour)
			price *= math.Exp(0.03 * r.NormFloat64())
			other := price * (1 + 0.1*r.Float64())
			take(e, at, reading("X", price), reading("Y", other))
			x.read(part == 0, at, price)
			y.read(part == 0, at, other)
			for i, q := range questions {
				want := x.answer(q, y)
				got, known := e.Value(ids[i], at)
				now, told := e.Now(ids[i])
				switch {
				case known == math.IsNaN(want), known && math.Abs(got-want) > 1e-9*max(1, math.Abs(want)):
					t.Fatalf("session %d: %s N %d span %s: %v (known %v), want %v", n, q, q.N, q.Span, got, known, want)
				case told != known || known && now != got:
					t.Fatalf("session %d: %s: told %v (%v), asked %v (%v)", n, q, now, told, got, known)
				case known:
					answered[q.Op]++
				}
			}
		}
	}
	for _, q := range questions {
		if answered[q.Op] < 50 {
			t.Errorf("%s was hardly ever known", q)
		}
	}
}

// A bad tick that gets through leaves no trace once it has left the window, and what is no number never enters.
func TestABadTickLeavesNoTrace(t *testing.T) {
	build := func() (*signal.Engine, []signal.ID) {
		e := signal.New(signal.Config{StaleAfter: after(1000 * time.Hour)})
		var ids []signal.ID
		for _, q := range []signal.Node{{Op: signal.Average, N: 10}, {Op: signal.Deviation, N: 10}, {Op: signal.ZScore, N: 10}, {Op: signal.Quantile, N: 10, Level: 0.05}, {Op: signal.Max, N: 10},
			{Op: signal.Min, N: 10}, {Op: signal.Average, Span: 100 * time.Hour}, {Op: signal.Deviation, Span: 100 * time.Hour}, {Op: signal.Quantile, Span: 100 * time.Hour, Level: 0.05},
			{Op: signal.ReturnVaR, N: 8, Level: 0.9}} {
			q.Of = "X"
			ids = append(ids, node(t, e, q))
		}
		return e, ids
	}
	for _, tick := range []float64{1e13, math.NaN(), math.Inf(1), math.Inf(-1), 0, -60_000} {
		clean, ids := build()
		hit, _ := build()
		for n := range 60 {
			for part := range 4 {
				at := day(n).Add(time.Duration(6*part+1) * time.Hour)
				v := 60_000 + 0.01*math.Sin(float64(4*n+part))
				take(clean, at, reading("X", v))
				if n == 30 && part == 2 {
					v = tick
				}
				take(hit, at, reading("X", v))
			}
		}
		for _, id := range ids {
			at := day(60)
			want, known := clean.Value(id, at)
			if got, also := hit.Value(id, at); got != want || !known || !also {
				t.Errorf("%v left a trace in node %d: %v (%v), want %v (%v)", tick, id, got, also, want, known)
			}
		}
	}
}

// What the portfolio is made of, and how fast one can get out.
func TestGroupsAndExits(t *testing.T) {
	b := lifeboat.NewBook("USD")
	b.Apply(time.Time{}, lifeboat.PlanLoaded{Positions: []lifeboat.Position{
		{Account: "wallet", Symbol: "ETH", Quantity: decimal.NewFromInt(20)}, {Account: "exchange", Symbol: "ETH", Quantity: decimal.NewFromInt(10)},
		{Account: "exchange", Symbol: "CRV", Quantity: decimal.NewFromInt(1000)}, {Account: "exchange", Symbol: "USD", Quantity: decimal.NewFromInt(4000)}}})
	chains := map[string]string{"ETH": "ethereum", "CRV": "ethereum"}
	e := signal.New(signal.Config{Book: b, StaleAfter: after(100 * time.Hour), Class: func(string) string { return "crypto" }, Group: func(kind string, p lifeboat.Position) string {
		switch kind {
		case "chain":
			return chains[p.Symbol]
		case "custodian":
			return p.Account
		}
		return ""
	}})
	ask := func(q signal.Node) signal.ID { return node(t, e, q) }
	chain, custodian, symbol, sector := ask(signal.Node{Op: signal.Concentration, Of: "chain"}), ask(signal.Node{Op: signal.Concentration, Of: "custodian"}),
		ask(signal.Node{Op: signal.Herfindahl, Of: "symbol"}), ask(signal.Node{Op: signal.Herfindahl, Of: "sector"})
	days, exitable := ask(signal.Node{Op: signal.DaysToExit, Level: 0.1}), ask(signal.Node{Op: signal.Exitable, N: 2, Level: 0.1})
	for n := range 4 {
		take(e, day(n).Add(time.Hour), reading("ETH", 100), reading("CRV", 2), reading("ETH.volume", 1000), reading("CRV.volume", float64(1000*(n+1))))
	}
	at := day(3).Add(time.Hour) // 3,000 of ETH, 2,000 of CRV, 4,000 of cash
	want(t, e, chain, at, 5000.0/9000)
	want(t, e, custodian, at, 7000.0/9000)
	want(t, e, symbol, at, (3.0*3+2*2+4*4)/81)
	want(t, e, sector, at, (2.0*2+1+2*2+4*4)/81) // nobody named any: each position is alone
	want(t, e, days, at, 5)                      // 1,000 CRV at a tenth of 2,000 a session
	want(t, e, exitable, at, (3000+2000*0.4+4000)/9000.0)
	e2 := signal.New(signal.Config{Book: b, StaleAfter: after(100 * time.Hour)})
	id := node(t, e2, signal.Node{Op: signal.DaysToExit, Level: 0.1})
	take(e2, day(1), reading("ETH", 100), reading("CRV", 2))
	wantUnknown(t, e2, id, day(1)) // nobody tells what is traded: that is no zero
}

// Questions that have no answer are refused before anything is read.
func TestSenselessNodesAreRefused(t *testing.T) {
	e := signal.New(signal.Config{})
	for _, q := range []signal.Node{
		{Op: 99}, {Op: signal.Return, Of: "X"}, {Op: signal.Average, Of: "X", N: 1001}, {Op: signal.Average, Of: "X", N: -1}, {Op: signal.Average, Of: "X", N: 5, Span: time.Hour},
		{Op: signal.Average, Of: "X", Span: 401 * 24 * time.Hour}, {Op: signal.Deviation, Of: "X", N: 1}, {Op: signal.Quantile, Of: "X", N: 5, Level: 1.5}, {Op: signal.Quantile, Of: "X", N: 5, Level: math.NaN()},
		{Op: signal.EWMA, Of: "X", Level: 1}, {Op: signal.VaR, Level: 0.4}, {Op: signal.ReturnVaR, Of: "X", N: 1, Level: 0.9}, {Op: signal.Level, Of: "X", N: 3}, {Op: signal.DaysToExit},
		{Op: signal.Breach, Of: "X", Span: time.Hour}, {Op: signal.Correlation, Of: "X", With: "Y", N: 1},
	} {
		if _, err := e.Node(q); err == nil {
			t.Errorf("%s was accepted", fmt.Sprintf("%+v", q))
		}
	}
}
