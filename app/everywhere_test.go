package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/alpaca"
	"lifeboat/act/venue/binance"
	"lifeboat/act/venue/binance/binancetest"
	"lifeboat/act/venue/coinbase"
	"lifeboat/act/venue/coinbase/coinbasetest"
	"lifeboat/act/venue/exchangetest"
	"lifeboat/act/venue/ibkr/ibkrtest"
	"lifeboat/act/venue/paper"
	"lifeboat/act/venue/paper/broker"
	"lifeboat/act/venue/venuetest"
	"lifeboat/app"
	"lifeboat/session"
)

// leave is the playbook of every venue, to the letter.
const leave = `
playbooks:
  - name: leave
    steps:
      - rebalance: reduce equities by 50%
      - for_each:
          of: equities
          do: [{order: {symbol: "{symbol}", account: "{account}", side: sell, quantity: 10, limit: 2%}}]
`

// everywhere are the venues, each with an account that holds what venuetest opens with.
var everywhere = []struct {
	word string
	open func(t *testing.T) venuetest.Harness
}{
	{"paper", openPaper},
	{"alpaca", openAlpaca},
	{"ibkr", func(t *testing.T) venuetest.Harness {
		b := ibkrtest.Open(t, nil)
		b.Warm(t)
		return b.Harness
	}},
	{"binance", openBinance},
	{"coinbase", openCoinbase},
}

// The same playbook does the same at every venue, whatever gets lost on the way: half is sold, then ten more, each once.
func TestSamePlaybookEverywhere(t *testing.T) {
	for _, at := range everywhere {
		t.Run(at.word, func(t *testing.T) { leaveBy(t, at.word, at.open(t), nil) })
		for _, fault := range []venuetest.Fault{venuetest.LoseReply, venuetest.LoseRequest, venuetest.Delay, venuetest.RepeatRequest, venuetest.SayUnknown} {
			t.Run(fmt.Sprintf("%s/%s", at.word, fault), func(t *testing.T) {
				leaveBy(t, at.word, at.open(t), func(c venuetest.Call) venuetest.Fault {
					if c.Method == "Place" && c.N < 6 {
						return fault
					}
					return venuetest.None
				})
			})
		}
	}
}

// leaveBy plays the playbook through the flow, and holds the account to what it should have come to.
func leaveBy(t *testing.T, word string, h venuetest.Harness, script venuetest.Script) {
	t.Helper()
	p, err := app.LoadPlan(planAt(t, word, h))
	if err != nil {
		t.Fatal(err)
	}
	at := h.Quote(venuetest.Price, 1000)
	trader := h.Venue
	if script != nil {
		trader = venuetest.Faulty(h.Venue, script)
	}
	journal := &recorder{}
	system, err := app.Build(app.Parts{Plan: p, Sources: map[lifeboat.Series][]string{lifeboat.Series(h.Symbol): {""}}, Calendar: session.AllDay(),
		StaleAfter: func(lifeboat.Series, string) time.Duration { return time.Hour }, Journal: journal,
		Hands: venue.NewDesk(map[string]venue.Venue{h.Account: trader}, quiet{})})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(system.Flow.Begin(at, app.Loaded(p, "live")))
	show := func() {
		t.Helper()
		if s, ok := h.Venue.(venue.Stater); ok {
			said, err := s.State(ctx, at)
			do(err)
			do(system.Flow.Learn(ctx, at, said))
		}
		do(system.Flow.Take(ctx, lifeboat.Instant{At: at, Readings: []lifeboat.Reading{{Series: lifeboat.Series(h.Symbol), Value: 50}}}))
	}
	show()
	do(system.Flow.Tell(ctx, at, lifeboat.Request{ID: "r", Verb: lifeboat.StartPlaybook, Object: "leave", By: "Alex"}))
	for range 40 {
		if journal.ended() {
			break
		}
		at = h.Quote(venuetest.Price, 1000)
		show()
	}
	if status := journal.status(); status != lifeboat.Done {
		t.Fatalf("the run ended %q:\n%s", status, journal.story())
	}
	shares, cash := h.Holds()
	if !shares.Equal(decimal.NewFromInt(40)) || cash.LessThan(decimal.NewFromInt(venuetest.Cash+60*49)) || cash.GreaterThan(decimal.NewFromInt(venuetest.Cash+60*50)) {
		t.Errorf("the account holds %s and %s in cash\n%s", shares, cash, journal.story())
	}
	if held := system.Book.Quantity(h.Account, h.Symbol); !held.Equal(shares) {
		t.Errorf("the book has %s where the venue has %s", held, shares)
	}
}

// planAt writes the plan for one venue: all but the account is the same.
func planAt(t *testing.T, word string, h venuetest.Harness) string {
	t.Helper()
	dir, connect := t.TempDir(), ""
	if word != "paper" {
		connect = ", connect: {key: env:K, secret: env:S, login: DU1234567}"
	}
	register := fmt.Sprintf(`
portfolio: {name: Everywhere, calendar: 24/7}
people: [{name: Alex, role: owner}]
accounts: [{name: %s, kind: broker, venue: %s%s}]
holdings:
  - {symbol: %s, account: %[1]s, quantity: 100, class: equities, fractional: false}
  - {symbol: USD, account: %[1]s, quantity: 1000}
`, h.Account, word, connect, h.Symbol)
	for name, text := range map[string]string{"register.yaml": register, "playbooks.yaml": leave} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func openPaper(t *testing.T) venuetest.Harness {
	v, err := paper.New(paper.Config{Account: "broker", Currency: "USD", Participation: 0.5, Positions: []lifeboat.Position{
		{Account: "broker", Symbol: "SPY", Quantity: decimal.NewFromInt(venuetest.Shares)},
		{Account: "broker", Symbol: "USD", Quantity: decimal.NewFromInt(venuetest.Cash)}}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2020, 3, 16, 14, 0, 0, 0, time.UTC)
	held := func(symbol string) (sum decimal.Decimal) {
		for _, p := range v.Positions() {
			if p.Symbol == symbol {
				sum = sum.Add(p.Quantity)
			}
		}
		return sum
	}
	return venuetest.Harness{Venue: v, Account: "broker", Symbol: "SPY",
		Holds: func() (shares, cash decimal.Decimal) { return held("SPY"), held("USD") },
		Quote: func(price string, size int) time.Time {
			now = now.Add(time.Minute)
			if err := v.Show(lifeboat.Instant{At: now, Readings: []lifeboat.Reading{{Series: "SPY.volume", Value: 2 * float64(size)},
				{Series: "SPY", Value: decimal.RequireFromString(price).InexactFloat64()}}}); err != nil {
				t.Fatal(err)
			}
			return now
		}}
}

func openAlpaca(t *testing.T) venuetest.Harness {
	clock := newWatchClock(time.Date(2026, 3, 16, 15, 0, 0, 0, time.UTC))
	b, err := broker.New(broker.Options{Clock: clock, Cash: decimal.NewFromInt(venuetest.Cash), Calendar: session.AllDay(), Participation: 0.5,
		Holdings: []broker.Holding{{Symbol: "SPY", Quantity: decimal.NewFromInt(venuetest.Shares), Price: decimal.NewFromInt(40)}},
		Prices:   []broker.Price{{Symbol: "SPY", Name: "SPDR S&P 500 ETF Trust", Exchange: "ARCA", Last: decimal.RequireFromString(venuetest.Price)}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(b)
	t.Cleanup(func() { _ = b.Close(); server.CloseClientConnections(); server.Close() })
	v, err := alpaca.New(venue.Connection{Account: "broker", Currency: "USD", URL: server.URL, Key: "K", Secret: "S", Clock: clock, PerMinute: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	return venuetest.Harness{Venue: v, Account: "broker", Symbol: "SPY",
		Holds: func() (shares, cash decimal.Decimal) {
			for _, p := range b.Core().Positions() {
				switch p.Symbol {
				case "SPY":
					shares = p.Quantity
				case "USD":
					cash = p.Quantity
				}
			}
			return shares, cash
		},
		Quote: func(price string, size int) time.Time {
			clock.move(time.Minute)
			at, err := b.Quote("SPY", price, size)
			if err != nil {
				t.Fatal(err)
			}
			return at
		}}
}

func openBinance(t *testing.T) venuetest.Harness {
	s := binancetest.New()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	v, err := binance.New(venue.Connection{Account: exchangetest.Account, Currency: "USD", URL: server.URL, Key: binancetest.Key, Secret: binancetest.Secret,
		Symbols: map[string]string{"BTC": binancetest.Pair, "USD": "USDT"}, Clock: s.Book.Clock, Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	if err != nil {
		t.Fatal(err)
	}
	return s.Harness(v)
}

func openCoinbase(t *testing.T) venuetest.Harness {
	s := coinbasetest.New()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	v, err := coinbase.New(venue.Connection{Account: exchangetest.Account, Currency: "USD", URL: server.URL, Key: coinbasetest.Key, Secret: s.Secret,
		Clock: s.Book.Clock, Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	if err != nil {
		t.Fatal(err)
	}
	return s.Harness(v)
}

// recorder is a journal that a test can read.
type recorder struct {
	lines []string
	end   lifeboat.RunFinished
}

func (r *recorder) Append(at time.Time, events ...lifeboat.Event) error {
	for _, e := range events {
		if end, ok := e.(lifeboat.RunFinished); ok {
			r.end = end
		}
		if e.Word() == "readings" || e.Word() == "statement" {
			continue
		}
		body, err := json.Marshal(e)
		if err != nil {
			return err
		}
		r.lines = append(r.lines, fmt.Sprintf("%s %s %s", at.Format("15:04:05"), e.Word(), body))
	}
	return nil
}

func (r *recorder) ended() bool             { return r.end.Run != "" }
func (r *recorder) status() lifeboat.Status { return r.end.Status }
func (r *recorder) story() string           { return strings.Join(r.lines, "\n") }

// quiet hears every message and does nothing.
type quiet struct{}

func (quiet) Send(context.Context, time.Time, lifeboat.Key, lifeboat.Message) error { return nil }
