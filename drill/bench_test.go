package drill_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lifeboat/app"
	"lifeboat/drill"
	"lifeboat/keep/journal"
	"lifeboat/session"
	"lifeboat/watch/feed/tape"
)

// BenchmarkTwentyYears is a promise of docs/performance.md: 20 years of daily bars of ten series, replayed with twenty
// triggers, from the text of the CSV to the digest of the journal, in less than two seconds.
func BenchmarkTwentyYears(b *testing.B) {
	text, last := twentyYears()
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(twentyTriggers()), 0o600); err != nil {
		b.Fatal(err)
	}
	firings := 0
	for b.Loop() {
		table, err := tape.Read("twenty years", strings.NewReader(text), tape.Options{Calendar: session.NYSE()})
		if err != nil {
			b.Fatal(err)
		}
		p, err := app.LoadPlan(dir)
		if err != nil {
			b.Fatal(err)
		}
		r, err := drill.Rehearse(b.Context(), drill.Options{Plan: p, Tape: table, From: table.Instants[0].At, To: last, Journal: journal.Memory()})
		if err != nil {
			b.Fatal(err)
		}
		firings = len(r.Firings)
	}
	b.ReportMetric(float64(firings), "firings")
}

// twentyYears is a random walk with a fixed seed, as the text of a CSV file.
func twentyYears() (text string, last time.Time) {
	dice := rand.New(rand.NewPCG(2008, 2020))
	var b strings.Builder
	b.WriteString("date")
	for i := range 10 {
		fmt.Fprintf(&b, ",S%d.open,S%d.high,S%d.low,S%d.close,S%d.volume", i, i, i, i, i)
	}
	price := [10]float64{}
	for i := range price {
		price[i] = 100
	}
	calendar := session.NYSE()
	for day := time.Date(2000, 1, 3, 0, 0, 0, 0, time.UTC); day.Year() < 2020; day = day.AddDate(0, 0, 1) {
		s, open := calendar.On(day)
		if !open {
			continue
		}
		last = s.Close
		b.WriteString("\n" + day.Format(time.DateOnly))
		market := dice.NormFloat64() * 0.01
		for i := range price {
			first := price[i]
			price[i] = max(1, first*(1.0001+market+dice.NormFloat64()*0.006))
			high, low := max(first, price[i])*1.002, min(first, price[i])*0.998
			fmt.Fprintf(&b, ",%.4f,%.4f,%.4f,%.4f,%d", first, high, low, price[i], 1_000_000+dice.IntN(500_000))
		}
	}
	return b.String(), last
}

func twentyTriggers() string {
	var b strings.Builder
	b.WriteString("portfolio: {name: bench, benchmark: S0, calendar: nyse}\naccounts: [{name: broker, kind: broker, venue: paper}]\nholdings:\n")
	for i := range 10 {
		fmt.Fprintf(&b, "  - {symbol: S%d, account: broker, quantity: 1000, class: equities}\n", i)
	}
	b.WriteString("triggers:\n")
	for i := range 10 {
		fmt.Fprintf(&b, "  - {name: fall %d, tier: 1, condition: 'drawdown(S%d) >= 20%% AND S%d_200d_ma_breach', clear: 'drawdown(S%d) < 15%%', for: 2d}\n", i, i, i, i)
	}
	for i := range 4 {
		fmt.Fprintf(&b, "  - {name: spike %d, tier: 1, condition: 'return(S%d, 1d) < -3%% AND volume_spike(S%d) > 1.1'}\n", i, i, i)
	}
	for i, condition := range []string{"portfolio_drawdown >= 0.10", "portfolio_drawdown >= 0.15 AND s0_200d_ma_breach == true", "drawdown(S0) >= 30%",
		"daily_return < -0.07 AND volume_spike > 2.0", "var_1d_95 > 2.5%", "weight(S1) > 20%"} {
		fmt.Fprintf(&b, "  - {name: whole %d, tier: %d, condition: '%s'}\n", i, 1+i%3, condition)
	}
	return b.String()
}
