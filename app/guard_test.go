package app

import (
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// TestLiveHaltsCountMarketTime: over a long weekend a share was not halted, and a coin was: a price of a hundredth is a
// crash of the one and perhaps another asset than the other.
func TestLiveHaltsCountMarketTime(t *testing.T) {
	g, err := newGuard(&plan.Plan{
		Portfolio: plan.Portfolio{Calendar: "nyse"},
		Holdings:  []plan.Holding{{Symbol: "BANK", Class: "equities"}, {Symbol: "LUNA", Class: "crypto"}},
		Feeds: []plan.Feed{
			{Series: "BANK", StaleAfter: plan.Duration(10 * time.Minute)},
			{Series: "LUNA", StaleAfter: plan.Duration(5 * time.Minute)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	said := func(at time.Time, value float64) []lifeboat.Reading {
		return g.Pass(at, []lifeboat.Reading{{Series: "BANK", Value: value}, {Series: "LUNA", Value: value}})
	}
	said(time.Date(2024, 3, 28, 19, 59, 0, 0, time.UTC), 100) // before Good Friday
	for i, r := range said(time.Date(2024, 4, 1, 13, 31, 0, 0, time.UTC), 1) {
		if want := []string{"jumped from", "came back"}[i]; r.Quality != lifeboat.Suspect || !strings.HasPrefix(r.Why, want) {
			t.Errorf("%s: %s, %q, want %q", r.Series, r.Quality, r.Why, want)
		}
	}
}
