package trigger_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/risk"
)

// A rescan evaluates the five rules as a general engine does: each one by itself, at each minute, over all the readings
// in its window, with nothing remembered. It is written from the language's documentation and shares no code with the
// engine but the market it looks at.
type rescan struct {
	*market
	long, average, score, quantile int // windows, in minutes
}

// truths of the five rules on one symbol at one minute; a rule whose window is not full is not known.
func (r rescan) truths(symbol, minute int) (holds, known [5]bool) {
	price := func(n int) float64 { return r.prices[n][symbol] }
	now := price(minute)
	window := func(length int) (full bool, values []float64) {
		if minute < length {
			return false, nil
		}
		for n := minute - length + 1; n <= minute; n++ {
			values = append(values, price(n))
		}
		return true, values
	}
	if full, values := window(r.long); full {
		holds[0], known[0] = now/slices.Max(values) <= 0.97, true
	}
	if full, values := window(r.average); full {
		holds[1], known[1] = now < mean(values), true
	}
	if minute >= 60 {
		then := price(minute - 60)
		holds[2], known[2] = (now-then)/then < -0.012, true
	}
	if full, values := window(r.score); full {
		deviation, err := risk.Volatility(values)
		holds[3], known[3] = (now-mean(values))/deviation < -2, err == nil && deviation > 0
	}
	if full, values := window(r.quantile); full {
		q, err := risk.Quantile(values, 0.05)
		holds[4], known[4] = q/now > 1.004, err == nil
	}
	return holds, known
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// firings of one minute, in the order of the triggers.
func (r rescan) firings(minute int, fired map[string]bool, log []string) []string {
	for symbol, name := range r.names {
		holds, known := r.truths(symbol, minute)
		for i := range holds {
			trigger := fmt.Sprintf("%s %d", name, i)
			if known[i] && holds[i] != fired[trigger] {
				fired[trigger] = holds[i]
				log = append(log, fmt.Sprintf("%d %s %v", minute, trigger, holds[i]))
			}
		}
	}
	return log
}

// The five rules with windows of the given minutes, and limits that so short a market reaches.
func (r rescan) rules() []string {
	return []string{
		fmt.Sprintf("X / max(X, %dm) <= 0.97", r.long), fmt.Sprintf("X < ma(X, %dm)", r.average), "return(X, 60m) < -1.2%",
		fmt.Sprintf("zscore(X, %dm) < -2", r.score), fmt.Sprintf("quantile(X, 5%%, %dm) / X > 1.004", r.quantile),
	}
}

// incremental is the same log, from a watch.
func (r rescan) incremental(tb testing.TB, triggers []plan.Trigger) []string {
	w := r.watch(tb, triggers)
	var log []string
	for minute := range r.prices {
		in := r.instant(minute)
		w.Apply(in.At, in)
		for events := w.Next(in.At); len(events) > 0; events = w.Next(in.At) {
			for _, e := range events {
				w.Apply(in.At, e)
				if f, is := e.(lifeboat.Firing); is {
					log = append(log, fmt.Sprintf("%d %s %v", minute, f.Trigger, f.State == lifeboat.Fired))
				}
			}
		}
	}
	return log
}

// Both ways of evaluating the same rules on the same market give the same firings, to the minute.
func TestFiringsAreThoseOfRescanning(t *testing.T) {
	r := rescan{newMarket(1600), 600, 400, 300, 360}
	want, fired := []string(nil), map[string]bool{}
	for minute := range r.prices {
		want = r.firings(minute, fired, want)
	}
	got := r.incremental(t, r.triggers(r.rules(), ""))
	if !slices.Equal(got, want) {
		at := 0
		for at < len(got) && at < len(want) && got[at] == want[at] {
			at++
		}
		t.Errorf("%d firings against %d by rescanning; they part at %d: %q and %q", len(got), len(want), at, tail(got, at), tail(want, at))
	}
	for i := range 5 {
		if !slices.ContainsFunc(want, func(line string) bool { return line[len(line)-6:] == fmt.Sprintf("%d true", i) }) {
			t.Errorf("rule %d never fires: it proves nothing", i)
		}
	}
}

func tail(lines []string, at int) []string { return lines[at:min(at+3, len(lines))] }

// The naive figure beside the engine's own, on the same rules and market. Its cost grows with the windows; these are a
// quarter of those that BenchmarkFiveRules has at most.
func BenchmarkFiveRulesRescanned(b *testing.B) {
	r := rescan{newMarket(45_000), 43_200, 28_800, 28_800, 43_200}
	for b.Loop() {
		const minutes = 5
		fired := map[string]bool{}
		start := cpu()
		for minute := len(r.prices) - minutes; minute < len(r.prices); minute++ {
			r.firings(minute, fired, nil)
		}
		spent := (cpu() - start).Seconds()
		b.ReportMetric(minutes*symbols*5/spent/1e6, "M-rule-evals/cpu-s")
	}
}

// How long from the moment a tick is put into the queue until its firing stands in memory, at 100,000 ticks a second.
func BenchmarkTickToFiring(b *testing.B) {
	const perSecond, batch = 100_000, 40 // as many as an instant of the market has
	m := newMarket(20_000)
	for b.Loop() {
		w := m.watch(b, m.triggers(thousandRules()[:50], ""))
		m.feed(w, 0, 15_000)
		type arrival struct {
			minute int
			at     time.Time
		}
		queue := make(chan arrival, 64)
		go func() {
			defer close(queue)
			start := time.Now()
			for n := 15_000; n < 20_000; n++ {
				time.Sleep(time.Until(start.Add(time.Duration(n-15_000) * batch * time.Second / perSecond)))
				queue <- arrival{n, time.Now()}
			}
		}()
		var latencies []float64
		for a := range queue {
			if m.feed(w, a.minute, a.minute+1) > 0 {
				latencies = append(latencies, float64(time.Since(a.at).Nanoseconds()))
			}
		}
		if len(latencies) < 100 {
			b.Fatalf("only %d firings", len(latencies))
		}
		for _, p := range []float64{0.5, 0.99} {
			v, err := risk.Quantile(latencies, p)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(math.Round(v), fmt.Sprintf("ns-p%.0f", p*100))
		}
	}
}
