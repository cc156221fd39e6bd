package app_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/paper/broker"
	"lifeboat/app"
	"lifeboat/serve/api"
	"lifeboat/session"
)

const brokeredPlan = `
portfolio: {name: Brokered, base_currency: USD, calendar: 24/7}
people: [{name: Alex, role: owner}]
accounts:
  - {name: broker, kind: broker, venue: alpaca, connect: {url: "URL", data_url: "URL", key: env:LIFEBOAT_TEST_KEY, secret: env:LIFEBOAT_TEST_SECRET}}
holdings:
  - {symbol: SPY, account: broker, quantity: 100, class: equities}
  - {symbol: USD, account: broker, quantity: 1000}
feeds:
  - {series: SPY, account: broker, every: 1m}
triggers:
  - {name: Broker away, tier: 1, condition: session.broker < 1}
playbooks:
  - {name: leave, steps: [rebalance: reduce equities by 50%]}
`

// A daemon at a real venue: prices and statements come by the account's own connection, the book follows what is said twice,
// an order goes there and its fill comes back, and every playbook is rehearsed once a day.
func TestDaemonAtAVenue(t *testing.T) {
	t.Setenv("LIFEBOAT_TEST_KEY", "PK-of-the-test")
	t.Setenv("LIFEBOAT_TEST_SECRET", "secret-of-the-test")
	clock := newWatchClock(time.Date(2026, 3, 16, 15, 0, 0, 0, time.UTC))
	b, err := broker.New(broker.Options{Clock: clock, Cash: decimal.NewFromInt(1000), Calendar: session.AllDay(),
		Holdings: []broker.Holding{{Symbol: "SPY", Quantity: decimal.NewFromInt(120), Price: decimal.NewFromInt(40)}},
		Prices:   []broker.Price{{Symbol: "SPY", Name: "SPDR S&P 500 ETF Trust", Exchange: "ARCA", Last: decimal.NewFromInt(50)}},
		Keys:     map[string]string{"PK-of-the-test": "secret-of-the-test"}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(b)
	defer func() { _ = b.Close(); server.CloseClientConnections(); server.Close() }()
	planDir, dataDir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(planDir, "plan.yaml"), []byte(strings.ReplaceAll(brokeredPlan, "URL", server.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	d, stop := running(t, clock, planDir, dataDir)
	tick := func() { // a minute in which the market goes on
		clock.move(time.Minute)
		if _, err := b.Quote("SPY", "50", 1000); err != nil {
			t.Fatal(err)
		}
	}
	within(t, d, tick, "prices and a statement", func(s api.Status) bool {
		return len(s.Venues) == 1 && s.Venues[0].Stated != nil && s.Value != nil && s.Series[0].Fresh && len(s.Held) == 0
	})
	within(t, d, tick, "the book of 120 where the plan registers 100", func(s api.Status) bool { return *s.Value == 7000 })
	if _, err := d.Say(t.Context(), lifeboat.Request{Verb: lifeboat.StartPlaybook, Object: "leave", By: "Alex"}, nil); err != nil {
		t.Fatal(err)
	}
	sold := func() decimal.Decimal {
		for _, p := range b.Core().Positions() {
			if p.Symbol == "SPY" {
				return decimal.NewFromInt(120).Sub(p.Quantity)
			}
		}
		return decimal.NewFromInt(120)
	}
	within(t, d, tick, "the sale", func(s api.Status) bool {
		return len(s.Runs) == 0 && s.Orders == 0 && sold().Equal(decimal.NewFromInt(60))
	})
	within(t, d, tick, "the rehearsal", func(s api.Status) bool { return s.Rehearsed != nil && s.Rehearsed.Problem == "" })
	if err := b.Inject(broker.Faults{Outage: true}); err != nil {
		t.Fatal(err)
	}
	within(t, d, tick, "word that the broker is away", func(s api.Status) bool { return s.Triggers[0].State == "fired" && s.Venues[0].Problem != "" })
	stop()

	restated, filled := 0, decimal.Zero
	for _, e := range journalOf(t, dataDir) {
		switch e := e.(type) {
		case lifeboat.Restated:
			restated++
			if e.Why != "120 SPY where the book had 100" {
				t.Errorf("restated: %s", e.Why)
			}
		case lifeboat.Receipt:
			if e.Status == lifeboat.Filled {
				filled = filled.Add(e.Filled)
			}
		}
	}
	if restated != 1 || !filled.Equal(decimal.NewFromInt(60)) {
		t.Errorf("restated %d times, filled %s", restated, filled)
	}
}

// within lets time pass until something is so.
func within(t *testing.T, d *app.Daemon, tick func(), what string, is func(api.Status) bool) {
	t.Helper()
	for range 60 {
		for patience := time.Now().Add(300 * time.Millisecond); time.Now().Before(patience); time.Sleep(5 * time.Millisecond) {
			if is(d.Status()) {
				return
			}
		}
		tick()
	}
	t.Fatalf("never came: %s; the status is %+v", what, d.Status())
}

// Each connector has a page for owners.
func TestConnectorsHavePages(t *testing.T) {
	for _, c := range app.Connectors {
		page, err := os.ReadFile(filepath.Join("..", "docs", "connectors", c.Word+".md"))
		if err != nil || !strings.Contains(string(page), "venue: "+c.Word) {
			t.Errorf("%s has no page that shows venue: %s (%v)", c.Name, c.Word, err)
		}
	}
}
