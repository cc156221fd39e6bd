package trigger_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/watch/rule"
	"lifeboat/watch/signal"
	"lifeboat/watch/trigger"
)

// The benchmarks here are those of docs/performance.md: twenty series of a price and a volume a minute, random walks from
// a fixed seed, and rules as owners write them. A rule evaluation is one rule on one symbol at one minute. Time is the
// process's CPU time, so that a busy machine does not change the figure.

const symbols = 20

// A market is what minutes bring, made once.
type market struct {
	names  []string
	prices [][]float64 // :: minute, symbol
	buffer []lifeboat.Reading
}

func newMarket(minutes int) *market {
	r := rand.New(rand.NewPCG(7, 11))
	m := &market{prices: make([][]float64, minutes)}
	price := make([]float64, symbols)
	for i := range symbols {
		m.names = append(m.names, fmt.Sprintf("S%02d", i))
		price[i] = 100 + float64(i)
	}
	all := make([]float64, minutes*symbols)
	for n := range m.prices {
		m.prices[n] = all[n*symbols : (n+1)*symbols]
		for i := range price {
			price[i] *= math.Exp(0.0007 * r.NormFloat64())
			m.prices[n][i] = math.Round(price[i]*1e4) / 1e4
		}
	}
	for _, name := range m.names {
		m.buffer = append(m.buffer, lifeboat.Reading{Series: lifeboat.Series(name)})
	}
	for _, name := range m.names {
		m.buffer = append(m.buffer, lifeboat.Reading{Series: lifeboat.Series(name + ".volume")})
	}
	return m
}

func (m *market) time(minute int) time.Time {
	return time.Date(2021, 1, 1, 0, 1+minute, 0, 0, time.UTC)
}

// instant of a minute, in memory that the next one uses again.
func (m *market) instant(minute int) lifeboat.Instant {
	for i, p := range m.prices[minute] {
		m.buffer[i].Value = p
		m.buffer[symbols+i].Value = float64(100 + (minute*7+i*13)%50)
	}
	return lifeboat.Instant{At: m.time(minute), Readings: m.buffer}
}

// fiveRules on each symbol, the windows being of wall time and so of every single minute in them. LONG is the longest.
var fiveRules = []string{
	"X / max(X, LONG) <= 0.85",
	"X < ma(X, 4800h)",
	"return(X, 24h) < -7% AND volume_spike(X) > 2x",
	"zscore(X, 480h) < -2",
	"quantile(X, 5%, 720h) / X > 1.05",
}

func (m *market) triggers(rules []string, long string) []plan.Trigger {
	var all []plan.Trigger
	for _, name := range m.names {
		for i, r := range rules {
			condition := strings.NewReplacer("X", name, "LONG", long).Replace(r)
			all = append(all, plan.Trigger{Name: fmt.Sprintf("%s %d", name, i), Tier: lifeboat.Watch, Condition: condition})
		}
	}
	return all
}

// thousandRules share eight operators on each symbol, at limits that lie apart.
func thousandRules() []string {
	operators := []string{
		"X / max(X, 720h) <= %g", "X / min(X, 720h) >= %g", "X / ma(X, 480h) < %g", "return(X, 24h) < %g", "zscore(X, 480h) < %g",
		"drawdown(X) > %g", "stddev(X, 480h) / X > %g", "X / quantile(X, 5%%, 240h) < %g",
	}
	from := []float64{0.5, 1.1, 0.7, -0.5, -6, 0.1, 0.001, 0.7}
	to := []float64{1, 2, 1, -0.01, 0, 0.99, 0.5, 1.2}
	var rules []string
	for n := range 1000 {
		o := n % len(operators)
		limit := from[o] + (to[o]-from[o])*float64(n)/1000
		rules = append(rules, fmt.Sprintf(operators[o], limit))
	}
	return rules
}

func (m *market) watch(tb testing.TB, triggers []plan.Trigger) *trigger.Watch {
	tb.Helper()
	sources := map[lifeboat.Series][]string{}
	for _, r := range m.buffer {
		sources[r.Series] = []string{""}
	}
	engine := signal.New(signal.Config{Sources: sources, StaleAfter: func(lifeboat.Series, string) time.Duration { return 5 * time.Minute }})
	w, err := trigger.New(triggers, rule.Env{Series: m.names}, rule.NewBoard(engine, nil), time.Time{})
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

// feed lets minutes through a watch as the flow does, and counts the firings.
func (m *market) feed(w *trigger.Watch, from, to int) (firings int) {
	for minute := from; minute < to; minute++ {
		in := m.instant(minute)
		w.Apply(in.At, in)
		for events := w.Next(in.At); len(events) > 0; events = w.Next(in.At) {
			for _, e := range events {
				w.Apply(in.At, e)
			}
			firings += len(events)
		}
		w.Due()
	}
	return firings
}

// cpu is the time that the process has spent so far.
func cpu() time.Duration {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func (m *market) measure(b *testing.B, triggers []plan.Trigger, rules int) {
	minutes := len(m.prices)
	for b.Loop() {
		w := m.watch(b, triggers)
		runtime.GC()
		start := cpu()
		firings := m.feed(w, 0, minutes)
		spent := (cpu() - start).Seconds()
		b.ReportMetric(float64(minutes)*symbols*float64(rules)/spent/1e6, "M-rule-evals/cpu-s")
		b.ReportMetric(2*float64(minutes)*symbols/spent/1e6, "M-ticks/cpu-s")
		b.ReportMetric(float64(firings), "firings")
	}
}

// Half a year of minutes; with windows of up to a quarter, all of which fill.
func BenchmarkFiveRules(b *testing.B) {
	m := newMarket(262_800)
	m.measure(b, m.triggers(fiveRules, "2190h"), len(fiveRules))
}

// The same five as owners write them, in sessions, with windows of up to a year; thirteen months of minutes.
func BenchmarkFiveRulesInSessions(b *testing.B) {
	m := newMarket(570_000)
	m.measure(b, m.triggers([]string{"X / max(X, 365d) <= 0.85", "X < ma(X, 200d)", "return(X, 1d) < -7% AND volume_spike(X) > 2x", "zscore(X, 20d) < -2",
		"quantile(X, 5%, 30d) / X > 1.05"}, ""), len(fiveRules))
}

// How much memory twenty series take with eight operators over a year of minutes each, all of them wholly in the window.
func BenchmarkMemoryOfAYear(b *testing.B) {
	const minutes = 525_700
	m := newMarket(minutes)
	rules := []string{"X / max(X, 8760h) < 0.5", "X / min(X, 8760h) > 2", "X / ma(X, 8760h) < 0.5", "return(X, 8760h) < -50%", "zscore(X, 8760h) < -9",
		"drawdown(X, 8760h) > 60%", "stddev(X, 8760h) / X > 1", "X / quantile(X, 5%, 8760h) < 0.3"}
	triggers := m.triggers(rules, "")
	for b.Loop() {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := m.watch(b, triggers)
		m.feed(w, 0, minutes)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
		runtime.KeepAlive(w)
	}
}

func BenchmarkThousandRules(b *testing.B) {
	m := newMarket(50_000)
	rules := thousandRules()
	m.measure(b, m.triggers(rules, ""), len(rules))
}
