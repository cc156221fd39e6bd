package app

import (
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

func TestTake(t *testing.T) {
	dec := decimal.RequireFromString
	now := time.Date(2026, 11, 25, 20, 0, 0, 0, time.UTC) // a Wednesday, New York is open
	p := &plan.Plan{
		Portfolio: plan.Portfolio{Name: "p", BaseCurrency: "USD", Calendar: "24/7"},
		Accounts:  []plan.Account{{Name: "a"}},
		Holdings: []plan.Holding{
			{Symbol: "USD", Account: "a", Quantity: dec("100"), Class: "cash"},
			{Symbol: "BTC", Account: "a", Quantity: dec("2"), Class: "crypto", Price: dec("5")},
			{Symbol: "ETH", Account: "a", Quantity: dec("3"), Class: "crypto"},
			{Symbol: "OPT", Account: "a", Quantity: dec("2"), Class: "other"},
			{Symbol: "EUR", Account: "a", Quantity: dec("7"), Class: "cash"},
			{Symbol: "OLD", Account: "a", Quantity: dec("1"), Class: "crypto", Price: dec("4")},
			{Symbol: "IDLE", Account: "a", Class: "crypto"},
			{Symbol: "LENT", Account: "a", Quantity: dec("10"), Class: "crypto"},
		},
		Feeds: []plan.Feed{{Series: "BTC", Source: "x", StaleAfter: plan.Duration(time.Hour)}},
	}
	l := NewLedger("USD")
	for _, e := range []lifeboat.Event{
		Loaded(p, "live"),
		lifeboat.Instant{At: now, Readings: []lifeboat.Reading{
			{Series: "BTC", Source: "x", Value: 10.5, At: now.Add(-30 * time.Minute)},
			{Series: "BTC", Source: "y", Value: 9, At: now.Add(-2 * time.Hour)},
			{Series: "BTC.volume", Source: "x", Value: 1e9, At: now},
			{Series: "OLD", Value: 6, At: now.Add(-48 * time.Hour)},
			{Series: "ETH", Value: 3, Quality: lifeboat.Suspect, At: now},
		}},
		lifeboat.Statement{Account: "a", Source: "f.csv", At: now.Add(-time.Hour), Lines: []lifeboat.StatementLine{
			{Symbol: "OPT", Quantity: dec("2"), Price: dec("4"), Value: dec("800"), Currency: "USD"},
			{Symbol: "EUR", Quantity: dec("7"), Value: dec("7"), Currency: "EUR"},
			{Symbol: "BTC", Quantity: dec("1"), Price: dec("11")},
			{Symbol: "LENT", Quantity: dec("10.004"), Accrues: true},
		}},
		lifeboat.Statement{Account: "a", Source: "older.csv", At: now.Add(-9 * time.Hour)},
	} {
		l.Apply(now, e)
	}
	i, err := Take(p, l, now)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]struct {
		from, price, priceFrom, value string
		stale                         bool
	}{
		"USD":  {"book", "1", "", "100", false},
		"BTC":  {"book", "10.5", "feed", "21", false}, // the statement has another quantity
		"ETH":  {"book", "", "", "", false},           // a suspect reading is no price
		"OPT":  {"f.csv", "400", "f.csv", "800", false},
		"EUR":  {"f.csv", "", "", "", false}, // what it is in dollars nobody says
		"OLD":  {"book", "6", "feed", "6", true},
		"LENT": {"f.csv", "", "", "", false}, // confirmed, but for a little interest
	}
	if len(i.Held) != len(want) || i.Total.String() != "927" || i.Unpriced != 3 || i.Stale != 1 {
		t.Errorf("%d positions, total %s, %d unpriced, %d stale", len(i.Held), i.Total, i.Unpriced, i.Stale)
	}
	for _, h := range i.Held {
		w := want[h.Symbol]
		if h.From != w.from || text(h.Price) != w.price || h.PriceFrom != w.priceFrom || text(h.Value) != w.value || h.Stale != w.stale {
			t.Errorf("%s: %+v, price %s, value %s; want %+v", h.Symbol, h, text(h.Price), text(h.Value), w)
		}
	}
	alone, err := Take(p, nil, now)
	if err != nil || alone.Total.String() != "114" || alone.Unpriced != 4 || alone.Stale != 2 {
		t.Errorf("the plan alone: %v, total %s, %d unpriced, %d stale", err, alone.Total, alone.Unpriced, alone.Stale)
	}
}

func text(d *decimal.Decimal) string {
	if d == nil {
		return ""
	}
	return d.String()
}
