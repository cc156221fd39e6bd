package alpaca_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/alpaca"
	"lifeboat/act/venue/paper/broker"
	"lifeboat/act/venue/rest"
	"lifeboat/act/venue/venuetest"
	"lifeboat/session"
)

// 16 March 2020, in the middle of New York's session.
var noon = time.Date(2020, 3, 16, 16, 0, 0, 0, time.UTC)

// clock stands still until a test moves it. What sleeps for longer than a pause before a new try sleeps until its end.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *clock) Sleep(ctx context.Context, until time.Time) error {
	if until.Sub(c.Now()) <= 2*time.Second {
		return ctx.Err()
	}
	<-ctx.Done()
	return ctx.Err()
}

const (
	key    = "PKTESTKEY0000000001"
	secret = "s3cr3t-of-the-test-0000000000000000000001"
)

var (
	_ venue.Venue  = (*alpaca.Venue)(nil)
	_ venue.Stater = (*alpaca.Venue)(nil)
)

// desk is a broker behind HTTP, and our account there.
type desk struct {
	*alpaca.Venue
	broker  *broker.Broker
	address string
	clock   *clock
}

func (d *desk) connection() venue.Connection {
	return venue.Connection{Account: "broker", Currency: "USD", URL: d.address, Key: key, Secret: secret, Clock: d.clock, PerMinute: 1_000_000}
}

// open a broker with 100 SPY at 50 and 1,000 dollars. The account was opened long enough ago that a miss is a proof.
func open(t testing.TB) *desk {
	t.Helper()
	d := &desk{clock: &clock{now: noon}}
	b, err := broker.New(broker.Options{
		Clock: d.clock, Cash: decimal.NewFromInt(venuetest.Cash), Calendar: session.AllDay(), Participation: 0.5,
		Holdings: []broker.Holding{{Symbol: "SPY", Quantity: decimal.NewFromInt(venuetest.Shares), Price: decimal.NewFromInt(40)}},
		Prices:   []broker.Price{{Symbol: "SPY", Name: "SPDR S&P 500 ETF Trust", Exchange: "ARCA", Last: decimal.RequireFromString(venuetest.Price)}},
		Keys:     map[string]string{key: secret},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.broker = b
	server := httptest.NewServer(b)
	t.Cleanup(func() { _ = b.Close(); server.CloseClientConnections(); server.Close() })
	d.address = server.URL
	d.Venue = d.venue(t)
	d.clock.pass(time.Minute)
	return d
}

func (d *desk) venue(t testing.TB) *alpaca.Venue {
	t.Helper()
	v, err := alpaca.New(d.connection())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (d *desk) state(t *testing.T) lifeboat.Statement {
	t.Helper()
	s, err := d.State(t.Context(), d.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (d *desk) quote(t *testing.T, price string, size int) time.Time {
	t.Helper()
	at, err := d.broker.Quote("SPY", price, size)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestVenue(t *testing.T) {
	venuetest.Run(t, func(t *testing.T) venuetest.Harness {
		d := open(t)
		return venuetest.Harness{
			Venue: d.Venue, Account: "broker", Symbol: "SPY",
			Holds: func() (shares, cash decimal.Decimal) {
				s := d.state(t)
				held, _ := s.Line("SPY")
				money, _ := s.Line("USD")
				return held.Quantity, money.Quantity
			},
			Quote:   func(price string, size int) time.Time { return d.quote(t, price, size) },
			Forgets: true,
			Reopen: func() venue.Venue {
				d.Venue = d.venue(t)
				d.clock.pass(time.Minute) // in the first moments of a process no key is absent
				return d.Venue
			},
		}
	})
}

// A limit is worked out from a price and has more digits than Alpaca takes: it is cut on the owner's side, and the same order
// under the same key is still the same.
func TestLimitsInCents(t *testing.T) {
	d := open(t)
	at := d.quote(t, "50", 1000)
	for i, c := range []struct {
		side        lifeboat.Side
		limit, want string
	}{{lifeboat.Sell, "49.12341", "49.13"}, {lifeboat.Buy, "50.98765", "50.98"}, {lifeboat.Sell, "49", "49"}, {lifeboat.Buy, "0.98765", "0.9876"}} {
		o := sell(fmt.Sprint("cents ", i), "1", c.limit)
		o.Side = c.side
		for range 2 {
			if r, err := d.Place(t.Context(), at, o); err != nil || r.Status == lifeboat.OrderRejected {
				t.Errorf("%s at %s: %+v, %v", c.side, c.limit, r, err)
			}
		}
		standing, err := d.Client().OrderByClientID(t.Context(), string(o.ID))
		if err != nil || !standing.Limit.Equal(decimal.RequireFromString(c.want)) {
			t.Errorf("%s at %s: it stands at %s, want %s (%v)", c.side, c.limit, standing.Limit, c.want, err)
		}
	}
}

// TestAnotherProcess finds every order once. What Alpaca refused it does not know afterwards: it was never taken in, so that
// its key is absent and not rejected, as a simulated account has it.
func TestAnotherProcess(t *testing.T) {
	d := open(t)
	d.quote(t, "50", 1000)
	filled, resting, canceled, refused := sell("filled", "10", ""), sell("open", "10", "60"), sell("cancelled", "10", "60"), sell("refused", "1000", "60")
	for _, o := range []lifeboat.Order{filled, resting, canceled, refused} {
		if _, err := d.Place(t.Context(), noon, o); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Cancel(t.Context(), noon, canceled.ID); err != nil {
		t.Fatal(err)
	}
	d.Venue = d.venue(t)
	d.clock.pass(time.Minute)
	for _, tt := range []struct {
		order lifeboat.Order
		want  lifeboat.ReceiptStatus
	}{{filled, lifeboat.Filled}, {resting, lifeboat.Accepted}, {canceled, lifeboat.Canceled}} {
		asked, err := d.Ask(t.Context(), noon, tt.order.ID)
		again, twice := d.Place(t.Context(), noon, tt.order)
		if err != nil || twice != nil || asked.Status != tt.want || again.Status != tt.want || asked.VenueID != again.VenueID {
			t.Errorf("%s: asked %+v, %v; placed again %+v, %v", tt.want, asked, err, again, twice)
		}
	}
	if _, err := d.Ask(t.Context(), noon, refused.ID); !errors.Is(err, lifeboat.ErrAbsent) {
		t.Errorf("refused: %v", err)
	}
	if n := len(d.broker.Core().Orders()); n != 3 {
		t.Errorf("%d orders", n)
	}
}

func sell(id string, quantity, limit string) lifeboat.Order {
	o := lifeboat.Order{ID: lifeboat.NewKey("alpaca", id), Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Type: lifeboat.Market, Quantity: decimal.RequireFromString(quantity)}
	if limit != "" {
		o.Type, o.Limit = lifeboat.Limit, decimal.RequireFromString(limit)
	}
	return o
}

// TestThrottled: an order that was refused for haste is asked for, absent for certain, and placed once.
func TestThrottled(t *testing.T) {
	d := open(t)
	o := sell("throttled", "10", "60")
	if err := d.broker.Inject(broker.Faults{On: "POST /v2/orders", Throttle: 1}); err != nil {
		t.Fatal(err)
	}
	_, err := d.Place(t.Context(), noon, o)
	if e, ok := rest.As(err); !ok || !e.Throttled || e.RetryAfter <= 0 || e.RequestID == "" {
		t.Fatalf("placing answers %v", err)
	}
	if _, err := d.Ask(t.Context(), noon, o.ID); err == nil || errors.Is(err, lifeboat.ErrAbsent) {
		t.Fatalf("asked within the time that the venue wants to rest: %v", err)
	}
	d.clock.pass(2 * time.Second)
	if _, err := d.Ask(t.Context(), noon, o.ID); !errors.Is(err, lifeboat.ErrAbsent) {
		t.Fatalf("asked after it: %v", err)
	}
	if r, err := d.Place(t.Context(), noon, o); err != nil || r.Status != lifeboat.Accepted {
		t.Fatalf("placed again: %+v, %v", r, err)
	}
	if n := len(d.broker.Core().Orders()); n != 1 {
		t.Errorf("%d orders", n)
	}
}

// TestAbsence: that a key is unknown is a proof only once nothing under it can be on its way.
func TestAbsence(t *testing.T) {
	lose := func(d *desk, f broker.Faults) {
		f.On = "POST /v2/orders"
		if err := d.broker.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name  string
		do    func(d *desk, o lifeboat.Order) // before it is asked for
		after time.Duration
		proof bool
	}{
		{"never sent", func(*desk, lifeboat.Order) {}, 0, true},
		{"a process that has just begun may follow one that sent it", func(d *desk, _ lifeboat.Order) { d.Venue = d.venue(t) }, 29 * time.Second, false},
		{"and not for ever", func(d *desk, _ lifeboat.Order) { d.Venue = d.venue(t) }, 30 * time.Second, true},
		{"the connection broke", func(d *desk, o lifeboat.Order) {
			lose(d, broker.Faults{LoseRequest: 1})
			_, _ = d.Place(t.Context(), noon, o)
		}, 29 * time.Second, false},
		{"the connection broke long ago", func(d *desk, o lifeboat.Order) {
			lose(d, broker.Faults{LoseRequest: 1})
			_, _ = d.Place(t.Context(), noon, o)
		}, 30 * time.Second, true},
		{"a server that failed may have done it", func(d *desk, o lifeboat.Order) {
			lose(d, broker.Faults{Fail: 1})
			_, _ = d.Place(t.Context(), noon, o)
		}, 29 * time.Second, false},
		{"a later refusal proves nothing of what went before", func(d *desk, o lifeboat.Order) {
			lose(d, broker.Faults{LoseRequest: 1})
			_, _ = d.Place(t.Context(), noon, o)
			lose(d, broker.Faults{Throttle: 1})
			_, _ = d.Place(t.Context(), noon, o)
		}, 29 * time.Second, false},
		{"it never left", func(d *desk, o lifeboat.Order) {
			over, cancel := context.WithCancel(t.Context())
			cancel()
			_, _ = d.Place(over, noon, o)
		}, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t)
			o := sell(tt.name, "1", "60")
			tt.do(d, o)
			d.clock.pass(tt.after)
			for call, err := range map[string]error{"ask": second(d.Ask(t.Context(), noon, o.ID)), "cancel": second(d.Cancel(t.Context(), noon, o.ID))} {
				if err == nil || errors.Is(err, lifeboat.ErrAbsent) != tt.proof {
					t.Errorf("%s: %v", call, err)
				}
			}
		})
	}
}

func second(_ lifeboat.Receipt, err error) error { return err }

// TestLostAnswers: however the answer to an order is lost, asking finds it, and there is one.
func TestLostAnswers(t *testing.T) {
	for name, f := range map[string]broker.Faults{"cut": {LoseAnswer: 1}, "cut within": {CutAnswer: 1, CutAfter: 100}, "a page": {Page: 1}} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			f.On = "POST /v2/orders"
			if err := d.broker.Inject(f); err != nil {
				t.Fatal(err)
			}
			o := sell(name, "10", "60")
			if r, err := d.Place(t.Context(), noon, o); err == nil {
				t.Fatalf("placing answers %+v", r)
			}
			if r, err := d.Ask(t.Context(), noon, o.ID); err != nil || r.Status != lifeboat.Accepted {
				t.Errorf("asking answers %+v, %v", r, err)
			}
			if r, err := d.Place(t.Context(), noon, o); err != nil || r.Status != lifeboat.Accepted || len(d.broker.Core().Orders()) != 1 {
				t.Errorf("placing again answers %+v, %v", r, err)
			}
		})
	}
}

func TestState(t *testing.T) {
	d := open(t)
	d.quote(t, "50", 1000)
	for _, o := range []lifeboat.Order{sell("open", "30", "60"), sell("now", "20", "")} {
		if _, err := d.Place(t.Context(), noon, o); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Client().Place(t.Context(), alpaca.Ticket{ClientOrderID: "mine", Symbol: "SPY", Side: lifeboat.Sell, Type: "limit",
		TimeInForce: "gtc", Quantity: decimal.NewFromInt(5), Limit: decimal.NewFromInt(70)}); err != nil {
		t.Fatal(err)
	}
	d.quote(t, "51.5", 1000)
	s := d.state(t)
	line, _ := s.Line("SPY")
	cash, _ := s.Line("USD")
	if s.Account != "broker" || s.Source != "alpaca" || len(s.Lines) != 2 || len(s.Placed) != 2 || s.Blocked != "" || s.Market == nil || !s.Market.Open || s.BuyingPower == nil {
		t.Errorf("%+v", s)
	}
	if told := fmt.Sprint(line.Quantity, line.Free, line.Price, line.Value); told != "80 45 51.5 4120" {
		t.Errorf("SPY: %s", told)
	}
	var proceeds decimal.Decimal
	for _, r := range s.Placed {
		proceeds = proceeds.Add(r.Filled.Mul(r.Price))
	}
	if !cash.Quantity.Equal(proceeds.Add(decimal.NewFromInt(venuetest.Cash))) {
		t.Errorf("cash %s after sales of %s", cash.Quantity, proceeds)
	}
	if len(s.Foreign) != 1 || !s.Foreign[0].Quantity.Equal(decimal.NewFromInt(5)) || s.Foreign[0].Side != lifeboat.Sell {
		t.Errorf("foreign: %+v", s.Foreign)
	}
}

func TestSince(t *testing.T) {
	d := open(t)
	d.quote(t, "50", 1000)
	old, canceled := sell("old and open", "1", "90"), sell("old and over", "1", "91")
	place := func(orders ...lifeboat.Order) {
		for _, o := range orders {
			if _, err := d.Place(t.Context(), noon, o); err != nil {
				t.Fatal(err)
			}
		}
	}
	place(old, canceled)
	if _, err := d.Cancel(t.Context(), noon, canceled.ID); err != nil {
		t.Fatal(err)
	}
	d.clock.pass(time.Hour)
	since := d.quote(t, "50", 1000)
	recent, refused := sell("recent", "1", "92"), sell("refused", "1000", "92")
	place(recent, refused)
	placed, err := d.Since(t.Context(), noon, since)
	if err != nil {
		t.Fatal(err)
	}
	var keys []lifeboat.Key
	for _, p := range placed {
		keys = append(keys, p.Order.ID)
		if p.Order.Symbol != "SPY" || p.Order.Account != "broker" || !p.Order.Quantity.Equal(decimal.NewFromInt(1)) || p.Receipt.Key != p.Order.ID {
			t.Errorf("%+v", p)
		}
	}
	if len(keys) != 2 || fmt.Sprint(keys) != fmt.Sprint([]lifeboat.Key{recent.ID, old.ID}) {
		t.Errorf("%v", keys)
	}
}

// TestSinceReadsToTheEnd: more orders than one answer lists, many at one time.
func TestSinceReadsToTheEnd(t *testing.T) {
	d := open(t)
	d.quote(t, "50", 1000)
	const orders = 700
	for i := range orders {
		if _, err := d.Place(t.Context(), noon, sell(fmt.Sprint("many ", i), "0.1", "60")); err != nil {
			t.Fatal(err)
		}
		if i%300 == 0 {
			d.clock.pass(time.Second)
		}
	}
	placed, err := d.Since(t.Context(), noon, noon)
	if err != nil || len(placed) != orders {
		t.Errorf("%d orders, %v", len(placed), err)
	}
}

// TestRestOfTheClient: the calls that no playbook makes, against the broker.
func TestRestOfTheClient(t *testing.T) {
	d := open(t)
	d.quote(t, "50", 1000)
	c, ctx, one := d.Client(), t.Context(), decimal.NewFromInt(1)
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	bracket, err := c.Place(ctx, alpaca.Ticket{ClientOrderID: "bracket", Symbol: "SPY", Side: lifeboat.Buy, Type: "limit", TimeInForce: "gtc", Class: "bracket",
		Quantity: one, Limit: decimal.NewFromInt(45), TakeProfit: decimal.NewFromInt(60), StopLoss: decimal.NewFromInt(40), StopLossLimit: decimal.NewFromInt(39)})
	must("bracket", err)
	if len(bracket.Legs) != 2 || bracket.Class != "bracket" {
		t.Errorf("bracket: %+v", bracket)
	}
	must("cancel", c.Cancel(ctx, bracket.ID)) // its purchase and a sale at the market could trade with each other
	_, err = c.Place(ctx, alpaca.Ticket{ClientOrderID: "trail", Symbol: "SPY", Side: lifeboat.Sell, Type: "trailing_stop", TimeInForce: "gtc", Quantity: one, TrailPercent: decimal.NewFromInt(5)})
	must("trailing stop", err)
	stop, err := c.Place(ctx, alpaca.Ticket{ClientOrderID: "stop", Symbol: "SPY", Side: lifeboat.Sell, Type: "stop_limit", TimeInForce: "day", Quantity: one, Stop: decimal.NewFromInt(40), Limit: decimal.RequireFromString("39.5")})
	must("stop limit", err)
	replaced, err := c.Replace(ctx, stop.ID, alpaca.Change{ClientOrderID: "stop again", Stop: decimal.NewFromInt(41)})
	must("replace", err)
	if replaced.ID == stop.ID || replaced.Replaces != stop.ID || !replaced.Stop.Equal(decimal.NewFromInt(41)) {
		t.Errorf("replaced: %+v", replaced)
	}
	canceled, err := c.CancelAll(ctx)
	must("cancel all", err)
	if len(canceled) != 2 || canceled[0].Status != http.StatusOK || canceled[0].ID == "" {
		t.Errorf("cancelled: %+v", canceled)
	}
	p, err := c.Position(ctx, "SPY")
	must("position", err)
	if !p.Quantity.Equal(decimal.NewFromInt(venuetest.Shares)) {
		t.Errorf("position: %+v", p)
	}
	_, err = c.Close(ctx, "SPY", alpaca.Amount{Decimal: one, Said: true}, alpaca.Amount{})
	must("close", err)
	closed, err := c.CloseAll(ctx, true)
	must("close all", err)
	if len(closed) != 1 || closed[0].Symbol != "SPY" || closed[0].Status != http.StatusOK || closed[0].Order.ID == "" {
		t.Errorf("closed: %+v", closed)
	}
	assets, err := c.Assets(ctx, "active", "us_equity")
	must("assets", err)
	days, err := c.Calendar(ctx, noon, noon.Add(7*24*time.Hour))
	must("calendar", err)
	_, err = c.Configuration(ctx)
	must("settings", err)
	suspend := true
	changed, err := c.Configure(ctx, alpaca.Configuration{Suspended: &suspend})
	must("change settings", err)
	fills, err := c.Activities(ctx, "FILL", time.Time{})
	must("activities", err)
	if len(assets) == 0 || len(days) == 0 || days[0].Open == "" || changed.Suspended == nil || !*changed.Suspended || len(fills) == 0 || fills[0].OrderID == "" {
		t.Errorf("%d assets, %d days, %+v, %d fills", len(assets), len(days), changed, len(fills))
	}
	if s := d.state(t); !strings.Contains(s.Blocked, "suspended") {
		t.Errorf("blocked: %q", s.Blocked)
	}
}

func TestNew(t *testing.T) {
	sound := venue.Connection{Account: "broker", Currency: "USD", Key: key, Secret: secret, Clock: &clock{}}
	for _, tt := range []struct {
		name   string
		change func(*venue.Connection)
		want   string // "" for none
	}{
		{"for real", func(*venue.Connection) {}, ""},
		{"on this machine", func(c *venue.Connection) { c.URL = "http://127.0.0.1:7071/" }, ""},
		{"in the open", func(c *venue.Connection) { c.URL = "http://api.alpaca.markets" }, "in the open"},
		{"a name that looks local", func(c *venue.Connection) { c.URL = "http://localhost.example.org" }, "in the open"},
		{"no address", func(c *venue.Connection) { c.URL = "api.alpaca.markets" }, "https://"},
		{"a password in it", func(c *venue.Connection) { c.URL = "https://me:" + secret + "@api.alpaca.markets" }, "more than a host"},
		{"no key", func(c *venue.Connection) { c.Key = "" }, "missing"},
		{"no secret", func(c *venue.Connection) { c.Secret = "" }, "missing"},
		{"no clock", func(c *venue.Connection) { c.Clock = nil }, "clock"},
	} {
		c := sound
		tt.change(&c)
		_, err := alpaca.New(c)
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), secret)) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// BenchmarkPlace is one order to the paper broker over HTTP on this machine, both sides in one process.
func BenchmarkPlace(b *testing.B) {
	d := open(b)
	if _, err := d.broker.Quote("SPY", "50", 1000); err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if r, err := d.Place(b.Context(), noon, sell(fmt.Sprint("bench ", i), "0.0001", "60")); err != nil || r.Status != lifeboat.Accepted {
			b.Fatalf("%+v, %v", r, err)
		}
	}
}
