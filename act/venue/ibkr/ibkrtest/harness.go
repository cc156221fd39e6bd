package ibkrtest

import (
	"context"
	"io"
	"log"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/ibkr"
	"lifeboat/act/venue/paper"
	"lifeboat/act/venue/venuetest"
)

// Clock is a clock that stands until somebody sleeps by it or moves it.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now is where it stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Sleep moves it to a time.
func (c *Clock) Sleep(ctx context.Context, until time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if until.After(c.now) {
		c.now = until
	}
	return nil
}

// Pass moves it on.
func (c *Clock) Pass(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// Bench is a gateway over TLS and a connector to it.
type Bench struct {
	venuetest.Harness
	Gateway *Gateway
	Server  *httptest.Server
	Clock   *Clock
	Venue   *ibkr.Venue
}

// Listed is what the bench's gateway lists: SPY, which the harness trades, as a share in the United States and one in
// Mexico, and TEAM, which may be two companies.
var Listed = []Contract{
	{756733, "SPY", "ARCA", "SPDR S&P 500 ETF TRUST", "USD", "0.01", true},
	{38708077, "SPY", "MEXI", "SPDR S&P 500 ETF TRUST", "MXN", "0.01", false},
	{589316251, "TEAM", "NASDAQ", "ATLASSIAN CORP-CL A", "USD", "0.01", true},
	{251279169, "TEAM", "VALUE", "TEAM TANKERS INTERNATIONAL L", "USD", "0.01", false},
	{29612249, "SAN", "SBF", "SANOFI", "EUR", "0.01", false},
}

// Open starts a gateway and connects to it, with what venuetest wants an account to open with.
func Open(t testing.TB, change func(*Options, *venue.Connection)) *Bench {
	t.Helper()
	b := &Bench{Clock: &Clock{now: time.Date(2020, 3, 16, 14, 0, 0, 0, time.UTC)}}
	o := Options{
		Number: "DU1234567", Clock: b.Clock, Contracts: Listed,
		Paper: paper.Config{
			Account: "broker", Currency: "USD", Participation: 0.5,
			Fractional: func(string) bool { return false },
			Positions: []lifeboat.Position{
				{Account: "broker", Symbol: "SPY", Quantity: decimal.NewFromInt(venuetest.Shares)},
				{Account: "broker", Symbol: "USD", Quantity: decimal.NewFromInt(venuetest.Cash)},
			},
		},
	}
	c := venue.Connection{Account: "broker", Currency: "USD", Clock: b.Clock}
	if change != nil {
		change(&o, &c)
	}
	var err error
	if b.Gateway, err = New(o); err != nil {
		t.Fatal(err)
	}
	if c.URL == "" {
		b.Server = httptest.NewUnstartedServer(b.Gateway)
		b.Server.Config.ErrorLog = log.New(io.Discard, "", 0) // who does not trust its certificate says so himself
		b.Server.StartTLS()
		t.Cleanup(b.Server.Close)
		c.URL, c.Client = b.Server.URL+"/v1/api", b.Server.Client()
	}
	if b.Venue, err = ibkr.New(c); err != nil {
		t.Fatal(err)
	}
	b.Harness = venuetest.Harness{
		Venue: b.Venue, Account: "broker", Symbol: "SPY",
		Holds: func() (shares, cash decimal.Decimal) {
			for _, p := range b.Gateway.Paper().Positions() {
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
			now := b.Clock.Pass(time.Minute)
			if err := b.Gateway.Show(lifeboat.Instant{At: now, Readings: []lifeboat.Reading{
				{Series: "SPY.volume", Value: 2 * float64(size)},
				{Series: "SPY", Value: decimal.RequireFromString(price).InexactFloat64()},
			}}); err != nil {
				t.Fatal(err)
			}
			return now
		},
	}
	return b
}

// Warm lets the connector see its session, and time enough pass that a key it does not find is absent.
func (b *Bench) Warm(t testing.TB) {
	t.Helper()
	if _, err := b.Venue.Session(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Clock.Pass(time.Minute)
}
