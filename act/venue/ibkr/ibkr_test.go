package ibkr_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/ibkr"
	"lifeboat/act/venue/ibkr/ibkrtest"
	"lifeboat/act/venue/venuetest"
)

var (
	_ venue.Venue  = (*ibkr.Venue)(nil)
	_ venue.Stater = (*ibkr.Venue)(nil)
)

// The connector keeps every promise of a venue against the stand-in of the gateway, over TLS.
func TestVenue(t *testing.T) {
	venuetest.Run(t, func(t *testing.T) venuetest.Harness {
		b := ibkrtest.Open(t, nil)
		b.Warm(t)
		return b.Harness
	})
}

// connect is another connector to the bench's gateway.
func connect(t *testing.T, b *ibkrtest.Bench, url string, client *http.Client) *ibkr.Venue {
	t.Helper()
	v, err := ibkr.New(venue.Connection{Account: "broker", Currency: "USD", Clock: b.Clock, URL: url, Client: client})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Another process finds what the first one sent, by the keys alone.
func TestAnotherProcess(t *testing.T) {
	b := ibkrtest.Open(t, nil)
	at := b.Quote("50", 1000)
	filled, open, canceled := sell("filled", 10, "40"), sell("open", 10, "60"), sell("canceled", 10, "60")
	for _, o := range []lifeboat.Order{filled, open, canceled} {
		if _, err := b.Venue.Place(t.Context(), at, o); err != nil {
			t.Fatal(err)
		}
	}
	b.Quote("50", 1000)
	if _, err := b.Venue.Cancel(t.Context(), at, canceled.ID); err != nil {
		t.Fatal(err)
	}
	second := connect(t, b, b.Server.URL+"/v1/api", b.Server.Client())
	for _, o := range []lifeboat.Order{filled, open, canceled} {
		before, err := b.Venue.Ask(t.Context(), at, o.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, ask := range []func() (lifeboat.Receipt, error){
			func() (lifeboat.Receipt, error) { return second.Ask(t.Context(), at, o.ID) },
			func() (lifeboat.Receipt, error) { return second.Place(t.Context(), at, o) },
		} {
			if r, err := ask(); err != nil || r.Status != before.Status || !r.Filled.Equal(before.Filled) || !r.Price.Equal(before.Price) {
				t.Errorf("%s is %+v, and was %+v: %v", o.ID, r, before, err)
			}
		}
	}
	placed, err := second.Since(t.Context(), at, at)
	if err != nil || len(placed) != 3 {
		t.Fatalf("%d orders, %v", len(placed), err)
	}
	for _, p := range placed {
		if p.Order.Symbol != "SPY" || p.Order.Side != lifeboat.Sell || !p.Order.Quantity.Equal(decimal.NewFromInt(10)) || p.Receipt.Key != p.Order.ID {
			t.Errorf("listed as %+v", p)
		}
	}
	if n := len(b.Gateway.Paper().Orders()); n != 3 {
		t.Errorf("%d orders", n)
	}
}

// After the broker's nightly restart what had ended is in no list any more; what was executed is found all the same.
func TestExecutionsOutliveTheSession(t *testing.T) {
	b := ibkrtest.Open(t, func(o *ibkrtest.Options, _ *venue.Connection) {
		o.Paper.Fee = func(lifeboat.Order, decimal.Decimal, decimal.Decimal) decimal.Decimal {
			return decimal.RequireFromString("1.01")
		}
	})
	at := b.Quote("50", 1000)
	o := sell("filled", 10, "40")
	if _, err := b.Venue.Place(t.Context(), at, o); err != nil {
		t.Fatal(err)
	}
	b.Quote("50", 4)
	b.Quote("52", 1000)
	before, err := b.Venue.Ask(t.Context(), at, o.ID)
	if err != nil || before.Status != lifeboat.Filled || before.Fee.String() != "2.02" || before.Price.String() != "51.2" {
		t.Fatalf("%+v, %v", before, err)
	}
	b.Gateway.Restart()
	at = b.Clock.Pass(10 * time.Hour)
	second := connect(t, b, b.Server.URL+"/v1/api", b.Server.Client())
	r, err := second.Ask(t.Context(), at, o.ID)
	if err != nil || !r.Status.Final() || !r.Filled.Equal(before.Filled) || !r.Price.Equal(before.Price) || !r.Fee.Equal(before.Fee) || !r.FilledAt.Equal(before.FilledAt) {
		t.Errorf("%+v, %v", r, err)
	}
	placed, err := second.Since(t.Context(), at, at.Add(-24*time.Hour))
	if err != nil || len(placed) != 1 || !placed[0].Receipt.Filled.Equal(before.Filled) || placed[0].Order.Side != lifeboat.Sell {
		t.Errorf("%+v, %v", placed, err)
	}
	if r, err = second.Place(t.Context(), at, o); err != nil || !r.Filled.Equal(before.Filled) {
		t.Errorf("sent again: %+v, %v", r, err)
	}
	if n := len(b.Gateway.Paper().Orders()); n != 1 {
		t.Errorf("%d orders", n)
	}
}

// One miss soon after a request was cut off, or after a process or a session began, is no proof.
func TestMissesThatProveNothing(t *testing.T) {
	b := ibkrtest.Open(t, nil)
	at := b.Quote("50", 1000)
	fresh := connect(t, b, b.Server.URL+"/v1/api", b.Server.Client())
	if _, err := fresh.Ask(t.Context(), at, "lb-nobody"); err == nil || errors.Is(err, lifeboat.ErrAbsent) {
		t.Errorf("a process that just began: %v", err)
	}
	b.Clock.Pass(30 * time.Second)
	if _, err := fresh.Ask(t.Context(), at, "lb-nobody"); !errors.Is(err, lifeboat.ErrAbsent) {
		t.Errorf("half a minute later: %v", err)
	}
	b.Gateway.Restart()
	b.Clock.Pass(time.Minute)
	if _, err := fresh.Ask(t.Context(), at, "lb-nobody"); err == nil || errors.Is(err, lifeboat.ErrAbsent) {
		t.Errorf("a session that just began: %v", err)
	}
}

// Each documented question is answered as the table says, and what was declined leaves no order.
func TestQuestions(t *testing.T) {
	buy := func(key string) lifeboat.Order {
		o := sell(key, 1, "40")
		o.Side = lifeboat.Buy
		return o
	}
	for _, k := range ibkr.Questions {
		for _, o := range []lifeboat.Order{sell(k.ID, 1, "60"), buy(k.ID)} {
			b := ibkrtest.Open(t, func(opt *ibkrtest.Options, _ *venue.Connection) {
				opt.Questions = func(ibkrtest.Ticket) []ibkrtest.Question {
					return []ibkrtest.Question{{ID: k.ID, Text: "<h4>Confirm</h4>A question\nof theirs?"}}
				}
			})
			r, err := b.Venue.Place(t.Context(), b.Quote("50", 1000), o)
			if err != nil {
				t.Fatal(err)
			}
			want, orders := lifeboat.OrderRejected, 0
			if k.Confirm == ibkr.Always || k.Confirm == ibkr.Sales && o.Side == lifeboat.Sell {
				want, orders = lifeboat.Accepted, 1
			}
			if r.Status != want || len(b.Gateway.Paper().Orders()) != orders {
				t.Errorf("%s on a %s: %s, %d orders", k.ID, o.Side, r.Status, len(b.Gateway.Paper().Orders()))
			}
			if want == lifeboat.OrderRejected && !strings.Contains(r.Why, `"Confirm A question of theirs?" (`+k.ID+")") {
				t.Errorf("%s: it says %q", k.ID, r.Why)
			}
		}
	}
}

// What nobody documented is declined, one part in doubt spoils the rest, and there is an end to answering.
func TestQuestionsNobodyKnows(t *testing.T) {
	ask := func(ids ...string) (all []ibkrtest.Question) {
		for _, id := range ids {
			all = append(all, ibkrtest.Question{ID: id, Text: "Sure?"})
		}
		return all
	}
	for name, tc := range map[string]struct {
		asked []ibkrtest.Question
		taken bool
	}{
		"five in a row":           {ask("o163", "o354", "o382", "o403", "o10151"), true},
		"a sixth":                 {ask("o163", "o354", "o382", "o403", "o10151", "o163"), false},
		"without a number":        {ask(""), false},
		"of a new kind":           {ask("o99999"), false},
		"a known one, then a new": {ask("o163", "o99999"), false},
	} {
		t.Run(name, func(t *testing.T) {
			b := ibkrtest.Open(t, func(o *ibkrtest.Options, _ *venue.Connection) {
				o.Questions = func(ibkrtest.Ticket) []ibkrtest.Question { return tc.asked }
			})
			at := b.Quote("50", 1000)
			r, err := b.Venue.Place(t.Context(), at, sell("one", 1, "60"))
			if err != nil || (r.Status == lifeboat.Accepted) != tc.taken || (len(b.Gateway.Paper().Orders()) == 1) != tc.taken {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// While nobody is logged in, everything that needs a session says so in one sentence, sends nothing, and goes on by itself
// once somebody is.
func TestSessionLost(t *testing.T) {
	b := ibkrtest.Open(t, nil)
	at := b.Quote("50", 1000)
	if _, err := b.Venue.Place(t.Context(), at, sell("before", 1, "60")); err != nil {
		t.Fatal(err)
	}
	b.Gateway.Logout()
	posts := b.Gateway.Posts()
	o := sell("during", 1, "60")
	for name, step := range map[string]func() error{
		"place":  func() error { _, err := b.Venue.Place(t.Context(), at, o); return err },
		"ask":    func() error { _, err := b.Venue.Ask(t.Context(), at, o.ID); return err },
		"cancel": func() error { _, err := b.Venue.Cancel(t.Context(), at, o.ID); return err },
		"since":  func() error { _, err := b.Venue.Since(t.Context(), at, at); return err },
		"state":  func() error { _, err := b.Venue.State(t.Context(), at); return err },
	} {
		err := step()
		var p *lifeboat.Problem
		if !errors.As(err, &p) || p.Reason != "venue-session" || !strings.Contains(err.Error(), "log in at the gateway in a browser") || errors.Is(err, lifeboat.ErrAbsent) {
			t.Errorf("%s: %v", name, err)
		}
		b.Clock.Pass(time.Minute)
	}
	s, err := b.Venue.Session(t.Context())
	if err != nil || s.Authenticated {
		t.Errorf("%+v, %v", s, err)
	}
	if n := b.Gateway.Posts(); n > posts+1 { // the first one met the lost session
		t.Errorf("%d orders were sent meanwhile", n-posts)
	}
	b.Gateway.Login()
	at = b.Clock.Pass(time.Minute)
	if _, err := b.Venue.Ask(t.Context(), at, o.ID); err == nil || errors.Is(err, lifeboat.ErrAbsent) {
		t.Errorf("at once after the login: %v", err)
	}
	at = b.Clock.Pass(time.Minute)
	if _, err := b.Venue.Ask(t.Context(), at, o.ID); !errors.Is(err, lifeboat.ErrAbsent) {
		t.Errorf("a minute after the login: %v", err)
	}
	if r, err := b.Venue.Place(t.Context(), at, o); err != nil || r.Status != lifeboat.Accepted {
		t.Errorf("%+v, %v", r, err)
	}
}

// The nightly restart needs no person, and a person who trades elsewhere is not thrown out.
func TestRevival(t *testing.T) {
	b := ibkrtest.Open(t, nil)
	b.Warm(t)
	b.Gateway.Restart()
	at := b.Quote("50", 1000)
	if r, err := b.Venue.Place(t.Context(), at, sell("after", 1, "60")); err != nil || r.Status != lifeboat.Accepted {
		t.Fatalf("%+v, %v", r, err)
	}
	b.Gateway.Restart()
	at = b.Clock.Pass(2 * time.Minute)
	if r, err := b.Venue.Place(t.Context(), at, sell("after the next", 1, "60")); err != nil || r.Status != lifeboat.Accepted {
		t.Fatalf("%+v, %v", r, err)
	}
	b.Gateway.Compete(true)
	b.Clock.Pass(2 * time.Minute)
	_, err := b.Venue.Place(t.Context(), at, sell("competing", 1, "60"))
	if err == nil || !strings.Contains(err.Error(), "the same user is logged in elsewhere") {
		t.Errorf("%v", err)
	}
	if s, _ := b.Venue.Session(t.Context()); !s.Competing || s.Authenticated || b.Gateway.Threw() {
		t.Errorf("%+v", s)
	}
}

// A sign of life each minute keeps the session, and each change of it is told once, with its time.
func TestRun(t *testing.T) {
	b := ibkrtest.Open(t, nil)
	clock := &scripted{Clock: b.Clock, at: map[int]func(){}, limit: 300}
	v, err := ibkr.New(venue.Connection{Account: "broker", Currency: "USD", Clock: clock, URL: b.Server.URL + "/v1/api", Client: b.Server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	clock.at[60] = b.Gateway.Restart
	clock.at[120] = b.Gateway.Logout
	clock.at[180] = b.Gateway.Login
	clock.at[240] = b.Server.Close
	var told []ibkr.Session
	if err := v.Run(clock.context(t), func(s ibkr.Session) { told = append(told, s) }); err != nil {
		t.Fatal(err)
	}
	var states []string
	for i, s := range told {
		states = append(states, fmt.Sprint(s.Authenticated))
		if r := s.Reading("broker"); r.Series != "session.broker" || (r.Value == 1) != s.Authenticated {
			t.Errorf("as a reading: %+v", r)
		}
		if i > 0 && !s.Since.After(told[i-1].Since) {
			t.Errorf("%d: since %s after %s", i, s.Since, told[i-1].Since)
		}
	}
	// The restart is mended within one beat, so that it is not told.
	if got := strings.Join(states, " "); got != "true false true false" {
		t.Errorf("told %s: %+v", got, told)
	}
}

// The gateway's certificate is its own: without it nothing is sent, and nobody is asked to look away.
func TestCertificate(t *testing.T) {
	b := ibkrtest.Open(t, nil)
	v := connect(t, b, b.Server.URL+"/v1/api", nil)
	_, err := v.Place(t.Context(), b.Quote("50", 1000), sell("one", 1, "60"))
	if err == nil || !strings.Contains(err.Error(), "its certificate cannot be trusted") {
		t.Errorf("%v", err)
	}
}

// Symbols are looked up, and what is in doubt is refused with the choices.
func TestContracts(t *testing.T) {
	for name, tc := range map[string]struct {
		symbol  string
		symbols map[string]string
		conid   int64
		why     string
	}{
		"one in the account's currency": {symbol: "SPY", conid: 756733},
		"by number":                     {symbol: "TEAM", symbols: map[string]string{"TEAM": "589316251"}, conid: 589316251},
		"by another name":               {symbol: "S&P", symbols: map[string]string{"S&P": "SPY"}, conid: 756733},
		"may be two":                    {symbol: "TEAM", why: `589316251 ATLASSIAN CORP-CL A (NASDAQ, USD); 251279169 TEAM TANKERS INTERNATIONAL L (VALUE, USD): write the number`},
		"in another currency":           {symbol: "SAN", why: "29612249 SANOFI (SBF, EUR)"},
		"a number in another currency":  {symbol: "SPY", symbols: map[string]string{"SPY": "38708077"}, why: "38708077 SPDR"},
		"nobody knows":                  {symbol: "NOSUCH", why: `knows no shares or fund called "NOSUCH"`},
		"a number nobody knows":         {symbol: "SPY", symbols: map[string]string{"SPY": "1"}, why: "it describes none"},
	} {
		t.Run(name, func(t *testing.T) {
			b := ibkrtest.Open(t, func(o *ibkrtest.Options, c *venue.Connection) {
				c.Symbols = tc.symbols
				o.Questions = func(ticket ibkrtest.Ticket) []ibkrtest.Question {
					if ticket.Conid != tc.conid {
						t.Errorf("the order is for %d", ticket.Conid)
					}
					return []ibkrtest.Question{{ID: "o10082", Text: "stop here"}}
				}
			})
			o := sell("one", 1, "60")
			o.Symbol = tc.symbol
			r, err := b.Venue.Place(t.Context(), b.Quote("50", 1000), o)
			if err != nil || r.Status != lifeboat.OrderRejected {
				t.Fatalf("%+v, %v", r, err)
			}
			if want := tc.why; want != "" && !strings.Contains(r.Why, want) {
				t.Errorf("it says %q", r.Why)
			}
			if tc.why == "" && !strings.Contains(r.Why, "stop here") {
				t.Errorf("it was not sent: %q", r.Why)
			}
		})
	}
}

// A limit goes to a step of the price on the owner's side, and a part of a unit goes nowhere.
func TestStepsAndUnits(t *testing.T) {
	var sent []string
	b := ibkrtest.Open(t, func(o *ibkrtest.Options, _ *venue.Connection) {
		o.Questions = func(ticket ibkrtest.Ticket) []ibkrtest.Question {
			sent = append(sent, ticket.Price.String())
			return nil
		}
	})
	at := b.Quote("50", 1000)
	sale, purchase, part := sell("sale", 1, "60.001"), sell("purchase", 1, "40.009"), sell("part", 1, "60")
	purchase.Side, part.Quantity = lifeboat.Buy, decimal.RequireFromString("0.5")
	for _, o := range []lifeboat.Order{sale, purchase} {
		for range 2 { // the second is found to be the same
			if r, err := b.Venue.Place(t.Context(), at, o); err != nil || r.Status != lifeboat.Accepted {
				t.Fatalf("%+v, %v", r, err)
			}
		}
	}
	if got := strings.Join(sent, " "); got != "60.01 40" {
		t.Errorf("sent %s", got)
	}
	if r, err := b.Venue.Place(t.Context(), at, part); err != nil || r.Status != lifeboat.OrderRejected || !strings.Contains(r.Why, "whole units") {
		t.Errorf("%+v, %v", r, err)
	}
}

// A statement holds lines, orders of ours and of others, and what they leave free.
func TestState(t *testing.T) {
	b := ibkrtest.Open(t, func(o *ibkrtest.Options, _ *venue.Connection) {
		for i := range 250 {
			ticker := fmt.Sprintf("X%03d", i)
			o.Contracts = append(o.Contracts, ibkrtest.Contract{Conid: int64(9000000 + i), Ticker: ticker, Exchange: "NYSE", Name: ticker, Currency: "USD", Step: "0.01"})
			o.Paper.Positions = append(o.Paper.Positions, lifeboat.Position{Account: "broker", Symbol: ticker, Quantity: decimal.NewFromInt(12_345_678)})
		}
	})
	at := b.Quote("50", 1000)
	filled, ours := sell("filled", 10, "40"), sell("ours", 30, "60")
	purchase := sell("purchase", 2, "40")
	purchase.Side = lifeboat.Buy
	for _, o := range []lifeboat.Order{filled, ours, purchase} {
		if _, err := b.Venue.Place(t.Context(), at, o); err != nil {
			t.Fatal(err)
		}
	}
	foreign(t, b, `{"orders":[{"conid":756733,"side":"SELL","orderType":"LMT","price":70,"quantity":5,"tif":"GTC"}]}`)
	b.Quote("50.5", 1000)
	s, err := b.Venue.State(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Lines) != 252 || s.Account != "broker" || s.Source != "ibkr" || s.At.IsZero() || s.RequestsLeft == nil {
		t.Fatalf("%d lines: %+v", len(s.Lines), s)
	}
	spy, _ := s.Line("SPY")
	if spy.Quantity.String() != "90" || spy.Free.String() != "55" || spy.Price.String() != "50.5" || spy.Value.String() != "4545" || spy.Cost.String() != "3600" || spy.Name == "" {
		t.Errorf("%+v", spy)
	}
	if x, _ := s.Line("X249"); x.Quantity.String() != "12345678" {
		t.Errorf("%+v", x)
	}
	if usd, _ := s.Line("USD"); usd.Quantity.String() != "1505" || usd.Free.String() != "1425" {
		t.Errorf("%+v", usd)
	}
	if s.BuyingPower == nil || s.BuyingPower.String() != "1505" {
		t.Errorf("buying power %v", s.BuyingPower)
	}
	if len(s.Placed) != 3 || len(s.Foreign) != 1 || s.Foreign[0].Symbol != "SPY" || s.Foreign[0].Quantity.String() != "5" || s.Foreign[0].Limit.String() != "70" {
		t.Errorf("%+v; %+v", s.Placed, s.Foreign)
	}
}

// foreign sends an order as a person does who trades by hand.
func foreign(t *testing.T, b *ibkrtest.Bench, body string) {
	t.Helper()
	b.Clock.Pass(time.Second)
	answer, err := b.Server.Client().Post(b.Server.URL+"/v1/api/iserver/account/DU1234567/orders", "application/json", strings.NewReader(body))
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatal(answer, err)
	}
	_ = answer.Body.Close()
}

// An order that moves while the account is read makes it read again.
func TestStateThatMoves(t *testing.T) {
	for times := range 4 {
		b := ibkrtest.Open(t, nil)
		at := b.Quote("50", 1000)
		if _, err := b.Venue.Place(t.Context(), at, sell("moving", 50, "60")); err != nil {
			t.Fatal(err)
		}
		b.Clock.Pass(10 * time.Second) // the two connectors do not keep each other's pace
		moved := 0
		v := connect(t, b, b.Server.URL+"/v1/api", through(b, func(r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/ledger") && moved < times {
				moved++
				b.Quote("61", 5)
			}
		}))
		s, err := v.State(t.Context(), at)
		if (err != nil) != (times == 3) {
			t.Fatalf("moved %d times: %v", times, err)
		}
		if err != nil {
			continue
		}
		spy, _ := s.Line("SPY")
		if got := spy.Quantity.Add(s.Placed[0].Filled); got.String() != "100" || s.Placed[0].Filled.String() != fmt.Sprint(5*times) {
			t.Errorf("moved %d times: %s and %s filled", times, spy.Quantity, s.Placed[0].Filled)
		}
	}
}

// through is the bench's client with somebody watching.
func through(b *ibkrtest.Bench, watch func(*http.Request)) *http.Client {
	return &http.Client{Transport: watched{b.Server.Client().Transport, watch}}
}

type watched struct {
	http.RoundTripper
	watch func(*http.Request)
}

func (w watched) RoundTrip(r *http.Request) (*http.Response, error) {
	w.watch(r)
	return w.RoundTripper.RoundTrip(r)
}

// What an order would cost is asked without placing it.
func TestPreview(t *testing.T) {
	b := ibkrtest.Open(t, nil)
	at := b.Quote("50", 1000)
	p, err := b.Venue.Preview(t.Context(), at, sell("one", 2, "60"))
	if err != nil || p.Amount != "100 USD (2 Shares)" || p.Total != "101 USD" || p.Equity != "5,999" || p.Warning == "" || p.Refusal != "" {
		t.Errorf("%+v, %v", p, err)
	}
	if n := b.Gateway.Posts(); n != 0 {
		t.Errorf("%d orders", n)
	}
}

// Too many requests: the order is placed once, later.
func TestThrottledPost(t *testing.T) {
	b := ibkrtest.Open(t, nil)
	throttle := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if throttle && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/orders") {
			throttle = false
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		b.Gateway.ServeHTTP(w, r)
	}))
	defer server.Close()
	v := connect(t, b, server.URL+"/v1/api", nil)
	at := b.Quote("50", 1000)
	o := sell("throttled", 1, "60")
	if _, err := v.Place(t.Context(), at, o); err == nil || !strings.Contains(err.Error(), "429") {
		t.Fatalf("%v", err)
	}
	b.Clock.Pass(time.Minute)
	if _, err := v.Ask(t.Context(), at, o.ID); !errors.Is(err, lifeboat.ErrAbsent) {
		t.Fatalf("%v", err)
	}
	if r, err := v.Place(t.Context(), at, o); err != nil || r.Status != lifeboat.Accepted || len(b.Gateway.Paper().Orders()) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// The account's cash is no fund, even where a fund has the currency's name; and a position called like a currency does not
// hide the cash.
func TestCashIsNoFund(t *testing.T) {
	b := ibkrtest.Open(t, func(o *ibkrtest.Options, _ *venue.Connection) {
		o.Contracts = append(o.Contracts, ibkrtest.Contract{Conid: 4242, Ticker: "USD", Exchange: "ARCA", Name: "PROSHARES ULTRA SEMICONDUCTO", Currency: "USD", Step: "0.01", US: true})
	})
	at := b.Quote("50", 1000)
	o := sell("cash", 1, "60")
	o.Symbol = "USD"
	if r, err := b.Venue.Place(t.Context(), at, o); err != nil || r.Status != lifeboat.OrderRejected || !strings.Contains(r.Why, "cash") {
		t.Errorf("%+v, %v", r, err)
	}
	s, err := b.Venue.State(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	if usd, _ := s.Line("USD"); usd.Name != "" || usd.Quantity.String() != "1000" {
		t.Errorf("the line of cash is %+v", usd)
	}
	if fund, held := s.Line("4242"); !held || fund.Name == "" { // the stand-in counts the account's USD as units of it
		t.Errorf("%+v", s.Lines)
	}
}

// An order that the broker holds inactive is open until a cancellation finds nothing to cancel.
func TestInactive(t *testing.T) {
	b := ibkrtest.Open(t, nil)
	at := b.Quote("50", 1000)
	o := sell("held", 10, "60")
	if _, err := b.Venue.Place(t.Context(), at, o); err != nil {
		t.Fatal(err)
	}
	b.Gateway.Hold(o.ID)
	if r, err := b.Venue.Ask(t.Context(), at, o.ID); err != nil || r.Status != lifeboat.Accepted || !strings.Contains(r.Why, "holds it back") {
		t.Errorf("%+v, %v", r, err)
	}
	for range 2 {
		if r, err := b.Venue.Cancel(t.Context(), at, o.ID); err != nil || r.Status != lifeboat.Canceled || r.Why == "" {
			t.Errorf("%+v, %v", r, err)
		}
		if r, err := b.Venue.Ask(t.Context(), at, o.ID); err != nil || r.Status != lifeboat.Canceled {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

// A key that the broker calls taken, with no order to show for it, is in doubt at first and refused once it is settled: the
// next attempt has another key.
func TestTakenByNothing(t *testing.T) {
	b := ibkrtest.Open(t, nil)
	o := sell("ghost", 1, "60")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/orders") {
			_, _ = fmt.Fprintf(w, `{"error":"Order couldn't be submitted: Local order ID=%s is already registered."}`, o.ID)
			return
		}
		b.Gateway.ServeHTTP(w, r)
	}))
	defer server.Close()
	v := connect(t, b, server.URL+"/v1/api", nil)
	at := b.Quote("50", 1000)
	if _, err := v.Place(t.Context(), at, o); err == nil || errors.Is(err, lifeboat.ErrAbsent) || !strings.Contains(err.Error(), "does not list its order yet") {
		t.Errorf("%v", err)
	}
	b.Clock.Pass(time.Minute)
	if r, err := v.Place(t.Context(), at, o); err != nil || r.Status != lifeboat.OrderRejected || !strings.Contains(r.Why, "already registered") {
		t.Errorf("%+v, %v", r, err)
	}
}

// The sign of life goes on beside everything else. The race detector is what looks here.
func TestRunBeside(t *testing.T) {
	b := ibkrtest.Open(t, nil)
	at := b.Quote("50", 1000)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Venue.Run(ctx, func(ibkr.Session) {}) }()
	for i := range 10 {
		o := sell(fmt.Sprint("beside ", i), 1, "60")
		_, _ = b.Venue.Place(ctx, at, o) // the clock leaps for both, so that one may be too fast
		_, _ = b.Venue.Ask(ctx, at, o.ID)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
