package backtest

import (
	"math"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/plan"
	"lifeboat/session"
)

// minutes is a source of n minutes of one coin's price; the readings are used again, as a history store does.
type minutes struct {
	at, n    int
	readings [1]lifeboat.Reading
}

func (m *minutes) Next() (lifeboat.Instant, bool) {
	if m.at == m.n {
		return lifeboat.Instant{}, false
	}
	m.at++
	m.readings[0] = lifeboat.Reading{Series: "BTC", Value: 60000 + 5000*math.Sin(float64(m.at)/5000) + float64(m.at%7)}
	return lifeboat.Instant{At: noon.Add(time.Duration(m.at) * time.Minute), Readings: m.readings[:]}, true
}

// BenchmarkPlay plays minutes through five rules with windows up to a year.
func BenchmarkPlay(b *testing.B) {
	p := &plan.Plan{
		Portfolio: plan.Portfolio{BaseCurrency: "USD", Calendar: "24/7"},
		Triggers: []plan.Trigger{
			{Name: "a", Tier: 1, Condition: "drawdown(BTC) > 30%"},
			{Name: "b", Tier: 1, Condition: "BTC < ma(BTC, 200d)"},
			{Name: "c", Tier: 1, Condition: "return(BTC, 5d) < -10%"},
			{Name: "d", Tier: 1, Condition: "BTC < 50000", For: plan.Duration(time.Hour)},
			{Name: "e", Tier: 1, Condition: "BTC < ma(BTC, 365d) AND drawdown(BTC) > 10%"},
		},
	}
	const n = 100_000
	parts := app.Parts{
		Plan: p, Sources: map[lifeboat.Series][]string{"BTC": {""}}, Calendar: session.AllDay(),
		StaleAfter: func(lifeboat.Series, string) time.Duration { return 90 * time.Second },
	}
	for b.Loop() {
		log, err := Play(b.Context(), Setting{Parts: parts, Source: &minutes{n: n}})
		if err != nil || log.Instants != n {
			b.Fatal(log.Instants, err)
		}
	}
	b.ReportMetric(float64(n*len(p.Triggers)*b.N)/b.Elapsed().Seconds(), "rules/s")
}
