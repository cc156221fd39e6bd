package coinbase_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/coinbase"
	"lifeboat/act/venue/coinbase/coinbasetest"
	"lifeboat/act/venue/exchangetest"
	"lifeboat/act/venue/venuetest"
)

var _ venue.Stater = (*coinbase.Venue)(nil)

// settled is when a miss at Coinbase proves that nothing comes any more.
const settled = 95 * time.Second

func connection(s *coinbasetest.Server, address string) venue.Connection {
	return venue.Connection{
		Account: exchangetest.Account, Currency: "USD", URL: address, Key: coinbasetest.Key, Secret: s.Secret, Clock: s.Book.Clock,
		Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

// open joins a fresh account at the stand-in, and has heard of its clock, as a daemon has before it sends anything.
func open(t *testing.T) (*coinbasetest.Server, *coinbase.Venue) {
	t.Helper()
	s := coinbasetest.New()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	v := join(t, connection(s, server.URL))
	s.Book.Clock.Add(settled)
	return s, v
}

func join(t *testing.T, c venue.Connection) *coinbase.Venue {
	t.Helper()
	v, err := coinbase.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Since(t.Context(), c.Clock.Now(), c.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	return v
}

func sale(key string, quantity, limit string) lifeboat.Order {
	o := lifeboat.Order{ID: lifeboat.NewKey(key), Account: exchangetest.Account, Symbol: "BTC", Side: lifeboat.Sell, Type: lifeboat.Market,
		Quantity: decimal.RequireFromString(quantity), Arrival: decimal.NewFromInt(50)}
	if limit != "" {
		o.Type, o.Limit = lifeboat.Limit, decimal.RequireFromString(limit)
	}
	return o
}

// No key, signature or token reaches a log, whatever its level, nor an error.
func TestNoKeyInLogs(t *testing.T) {
	var written bytes.Buffer
	s := coinbasetest.New()
	p := &exchangetest.Spoiled{Handler: s, Call: "POST /api/v3/*", Status: 500}
	server := httptest.NewServer(p)
	defer server.Close()
	c := connection(s, server.URL)
	c.Log = slog.New(slog.NewTextHandler(&written, &slog.HandlerOptions{Level: slog.LevelDebug}))
	v := join(t, c)
	at := s.Show("50", 1000)
	for i := range 3 {
		_, err := v.Place(t.Context(), at, sale("log", "1", "60"))
		fmt.Fprintln(&written, err)
		p.Times = 1 - i
		s.Book.Clock.Add(settled)
		_, err = v.Ask(t.Context(), at, sale("log", "1", "60").ID)
		fmt.Fprintln(&written, err)
	}
	server.Close()
	_, err := v.State(t.Context(), at)
	fmt.Fprintln(&written, err)
	for _, secret := range []string{coinbasetest.Key, strings.Split(s.Secret, "\n")[1], "signature", "Bearer", "http://"} {
		if strings.Contains(written.String(), secret) {
			t.Errorf("%q is in\n%s", secret, written.String())
		}
	}
	if !strings.Contains(written.String(), "place order") {
		t.Errorf("nothing was logged: %s", written.String())
	}
}

func TestVenue(t *testing.T) {
	venuetest.Run(t, func(t *testing.T) venuetest.Harness {
		s, v := open(t)
		return s.Harness(v)
	})
}

// A market purchase is filled at once within its collar, and what is left of it is ended.
func TestMarketPurchase(t *testing.T) {
	s, v := open(t)
	at := s.Show("50", 3)
	o := sale("purchase", "5", "")
	o.Side = lifeboat.Buy
	r, err := v.Place(t.Context(), at, o)
	again, err2 := v.Place(t.Context(), at, o)
	if err != nil || err2 != nil || r.Status != lifeboat.Canceled || r.Filled.String() != "3" || r.Price.GreaterThan(decimal.NewFromInt(51)) || !again.Filled.Equal(r.Filled) {
		t.Errorf("got %+v, %v, and again %+v, %v", r, err, again, err2)
	}
	placed, err := v.Since(t.Context(), at, at.Add(-time.Hour))
	if err != nil || len(placed) != 1 || placed[0].Order.Type != lifeboat.Market || !placed[0].Order.Limit.IsZero() {
		t.Errorf("listed %+v, %v", placed, err)
	}
}

// A daemon that starts anew finds every order of the one before it over all pages, and sends none a second time.
func TestAnotherProcess(t *testing.T) {
	s, v := open(t)
	server := httptest.NewServer(s)
	defer server.Close()
	at := s.Show("50", 1000)
	filled, resting, canceled := sale("filled", "10", ""), sale("open", "10", "60"), sale("canceled", "10", "60")
	for _, o := range []lifeboat.Order{filled, resting, canceled} {
		if _, err := v.Place(t.Context(), at, o); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := v.Cancel(t.Context(), at, canceled.ID); err != nil {
		t.Fatal(err)
	}
	for range 2 * coinbasetest.Page { // what the owner does there besides
		if _, why := s.Place("web", sale("", "0.01", "70")); why != "" {
			t.Fatal(why)
		}
	}
	v = join(t, connection(s, server.URL))
	for _, o := range []lifeboat.Order{filled, resting, canceled} {
		again, err2 := v.Place(t.Context(), at, o) // even before it asked
		asked, err := v.Ask(t.Context(), at, o.ID)
		if err != nil || err2 != nil || asked.Status != again.Status || !asked.Filled.Equal(again.Filled) {
			t.Errorf("placed again %+v (%v), asked %+v (%v)", again, err2, asked, err)
		}
	}
	if n := len(s.Orders()); n != 3+2*coinbasetest.Page {
		t.Errorf("%d orders at the exchange", n)
	}
	placed, err := v.Since(t.Context(), at, at.Add(-time.Hour))
	if err != nil || len(placed) != 3 || placed[0].Receipt.Status != lifeboat.Filled || placed[0].Order.Symbol != "BTC" {
		t.Errorf("listed %+v, %v", placed, err)
	}
	s.Book.Clock.Add(24 * time.Hour)
	if open, err := v.Since(t.Context(), at, s.Book.Clock.Now()); err != nil || len(open) != 1 || open[0].Order.ID != resting.ID {
		t.Errorf("of what is open: %+v, %v", open, err)
	}
}

// A miss proves nothing until Coinbase's clock says that the last token has ended.
func TestProofOfAbsence(t *testing.T) {
	s := coinbasetest.New()
	server := httptest.NewServer(s)
	defer server.Close()
	v, err := coinbase.New(connection(s, server.URL))
	if err != nil {
		t.Fatal(err)
	}
	at := s.Show("50", 1000)
	for _, wait := range []time.Duration{0, 40 * time.Second, 45 * time.Second} { // what an earlier process may have sent
		s.Book.Clock.Add(wait)
		if _, err := v.Ask(t.Context(), at, "lb-earlier"); err == nil || errors.Is(err, lifeboat.ErrAbsent) {
			t.Fatalf("after %s: %v", wait, err)
		}
	}
	s.Book.Clock.Add(settled)
	if _, err := v.Ask(t.Context(), at, "lb-earlier"); !errors.Is(err, lifeboat.ErrAbsent) {
		t.Fatal(err)
	}
}

// A request that comes late is found when it comes in time, and turned away when it comes after it was proved absent.
func TestLateRequest(t *testing.T) {
	for _, tc := range []struct {
		name  string
		after time.Duration
		finds bool
	}{{"while its token lives", 25 * time.Second, true}, {"after the proof", settled, false}} {
		t.Run(tc.name, func(t *testing.T) {
			s := coinbasetest.New()
			h := &exchangetest.Held{Handler: s, Call: "POST /api/v3/brokerage/orders"}
			server := httptest.NewServer(h)
			defer server.Close()
			v := join(t, connection(s, server.URL))
			at := s.Show("50", 1000)
			o := sale("late", "2", "60")
			if _, err := v.Place(t.Context(), at, o); err == nil {
				t.Fatal("placed")
			}
			s.Book.Clock.Add(tc.after)
			_, err := v.Ask(t.Context(), at, o.ID)
			if absent := errors.Is(err, lifeboat.ErrAbsent); absent == tc.finds || err == nil {
				t.Fatalf("before it came: %v", err)
			}
			if came := h.Arrive(); !tc.finds && came.Code != http.StatusUnauthorized {
				t.Fatalf("the late request is answered %d: the proof was none", came.Code)
			}
			if !tc.finds {
				if _, err := v.Place(t.Context(), at, o); err != nil {
					t.Fatal(err)
				}
			}
			if r, err := v.Ask(t.Context(), at, o.ID); err != nil || r.Status != lifeboat.Accepted || len(s.Orders()) != 1 {
				t.Errorf("in the end %+v, %v, %d orders", r, err, len(s.Orders()))
			}
		})
	}
}

// A cut at every byte of the request and of its response leaves exactly one order, found as the flow finds it.
func TestCutEverywhere(t *testing.T) {
	request, response := 0, 0
	for whole := false; !whole; {
		whole = cutRun(t, func(i int) exchangetest.Cut { return exchangetest.Cut{Request: request + i, Response: -1} }, &request)
	}
	for whole := false; !whole; {
		whole = cutRun(t, func(i int) exchangetest.Cut { return exchangetest.Cut{Request: -1, Response: response + i} }, &response)
	}
	if request < 300 || response < 300 {
		t.Errorf("the wire was cut in %d bytes of requests and %d of responses only", request, response)
	}
	t.Logf("cut at %d bytes of the request and %d of the response", request, response)
}

// cutRun cuts some bytes further on an account of its own, and says whether the last cut lay behind the end.
func cutRun(t *testing.T, where func(int) exchangetest.Cut, done *int) bool {
	s := coinbasetest.New()
	server := httptest.NewServer(s)
	defer server.Close()
	wire := exchangetest.NewWire(t, server.Listener.Addr().String(), "POST /api/v3/brokerage/orders ")
	c := connection(s, server.URL)
	c.Client, c.PerMinute = wire.Client(), 1e9
	defer c.Client.CloseIdleConnections()
	v := join(t, c)
	at := s.Show("50", 100000)
	s.Book.Clock.Add(settled)
	for i := range 25 {
		o := sale("cut "+string(rune('A'+i)), "1", "1000")
		wire.Next(where(i))
		_, err := v.Place(t.Context(), at, o)
		whole := err == nil
		for range 5 {
			if err == nil {
				break
			}
			_, err = v.Ask(t.Context(), at, o.ID)
			switch {
			case errors.Is(err, lifeboat.ErrAbsent):
				_, err = v.Place(t.Context(), at, o)
			case err != nil:
				s.Book.Clock.Add(settled)
			}
		}
		if _, found := s.Under(string(o.ID)); err != nil || !found || len(s.Orders()) != i+1 {
			t.Fatalf("cut at %+v: %v, %d orders instead of %d", where(i), err, len(s.Orders()), i+1)
		}
		if whole {
			*done += i
			return true
		}
	}
	*done += 25
	return false
}

// Whatever Coinbase answers to a new order, it is rejected with a reason, or nobody claims to know and asking finds out.
func TestAnswersToAnOrder(t *testing.T) {
	declined := func(reason string) string {
		return `{"success":false,"error_response":{"error":"` + reason + `","message":"it cannot be","new_order_failure_reason":"` + reason + `","preview_failure_reason":"UNKNOWN_PREVIEW_FAILURE_REASON"}}`
	}
	for _, tc := range []struct {
		name   string
		answer exchangetest.Spoiled
		status lifeboat.ReceiptStatus // of the receipt; "" for an error
		says   string
	}{
		{"a storm", exchangetest.Spoiled{Status: 503, Body: `{"error":"unavailable","message":"try again"}`, After: true}, "", "try again"},
		{"a storm without order", exchangetest.Spoiled{Status: 502, Body: "<html>Bad Gateway</html>"}, "", "no answer of its API"},
		{"a page", exchangetest.Spoiled{Status: 200, Body: "<html>welcome</html>", After: true}, "", "a page and not JSON"},
		{"nothing", exchangetest.Spoiled{Status: 200, After: true}, "", "the answer is empty"},
		{"an empty answer", exchangetest.Spoiled{Status: 200, Body: "{}", After: true}, "", "does not say whether"},
		{"half an answer", exchangetest.Spoiled{Status: 0, Body: `{"success":tr`, After: true}, "", "breaks off"},
		{"an answer about another order", exchangetest.Spoiled{Status: 200, Body: `{"success":true,"success_response":{"order_id":"7","client_order_id":"lb-other"}}`, After: true}, "", "not about the order"},
		{"a failure that nobody explains", exchangetest.Spoiled{Status: 200, Body: declined("UNKNOWN_FAILURE_REASON"), After: true}, "", "does not say why"},
		{"a limit of requests", exchangetest.Spoiled{Status: 429, Body: `{"error":"rate_limit","message":"slow down"}`, Header: http.Header{"Retry-After": {"7"}}}, "", "slow down"},
		{"a token that is not accepted", exchangetest.Spoiled{Status: 401, Body: "Unauthorized"}, "", "401"},
		{"no money", exchangetest.Spoiled{Status: 200, Body: declined("INSUFFICIENT_FUND")}, lifeboat.OrderRejected, "INSUFFICIENT_FUND"},
		{"a bad request", exchangetest.Spoiled{Status: 400, Body: `{"error":"INVALID_ARGUMENT","message":"base_size"}`}, lifeboat.OrderRejected, "INVALID_ARGUMENT"},
		{"an order it has", exchangetest.Spoiled{Status: 200, Body: declined("DUPLICATE_CLIENT_ORDER_ID"), After: true}, lifeboat.Accepted, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := coinbasetest.New()
			tc.answer.Handler, tc.answer.Call, tc.answer.Times = s, "POST /api/v3/brokerage/orders", 1
			server := httptest.NewServer(&tc.answer)
			defer server.Close()
			v := join(t, connection(s, server.URL))
			at := s.Show("50", 1000)
			s.Book.Clock.Add(settled)
			o := sale(tc.name, "2", "60")
			r, err := v.Place(t.Context(), at, o)
			text := r.Why
			if err != nil {
				text = err.Error()
				if !strings.HasPrefix(text, "Coinbase: place order") {
					t.Errorf("%q names neither the venue nor the step", text)
				}
			}
			if (tc.status == "") != (err != nil) || r.Status != tc.status || !strings.Contains(text, tc.says) {
				t.Fatalf("got %+v, %v", r, err)
			}
			if tc.status != "" {
				return
			}
			s.Book.Clock.Add(settled)
			if _, err := v.Ask(t.Context(), at, o.ID); errors.Is(err, lifeboat.ErrAbsent) != !tc.answer.After {
				t.Errorf("asked: %v", err)
			}
			if r, err := v.Place(t.Context(), at, o); err != nil || r.Status != lifeboat.Accepted || len(s.Orders()) != 1 {
				t.Errorf("in the end %+v, %v, %d orders", r, err, len(s.Orders()))
			}
		})
	}
}

// Each thing that can be wrong with a question is an error that names the venue and the step, and proves nothing.
func TestBadAnswers(t *testing.T) {
	const one, list, accounts = "GET /api/v3/brokerage/orders/historical/0*", "GET /api/v3/brokerage/orders/historical/batch", "GET /api/v3/brokerage/accounts"
	for _, tc := range []struct {
		name, call string
		status     int
		body, says string
		times      int
	}{
		{"a key that is not accepted", one, 401, "Unauthorized", "401", 2},
		{"storm", one, 500, "", "500", 1},
		{"page", one, 200, "<!doctype html>", "a page and not JSON", 1},
		{"torn", one, 0, `{"order":{`, "breaks off", 1},
		{"not there any more", one, 404, `{"error":"NOT_FOUND"}`, "does not show its order", 1},
		{"another order", one, 200, `{"order":{"order_id":"x","client_order_id":"KEY"}}`, "not about the order", 1},
		{"a status nobody knows", one, 200, `{"order":{"order_id":"ID","client_order_id":"KEY","status":"MELTED"}}`, "MELTED", 1},
		{"a size below nothing", one, 200, `{"order":{"order_id":"ID","client_order_id":"KEY","status":"OPEN","filled_size":"-1"}}`, "not the JSON", 1},
		{"an amount without end", one, 200, `{"order":{"order_id":"ID","client_order_id":"KEY","status":"OPEN","filled_size":"1e999999999"}}`, "not the JSON", 1},
		{"filled for nothing", one, 200, `{"order":{"order_id":"ID","client_order_id":"KEY","status":"FILLED","filled_size":"1","order_configuration":{"market_market_ioc":{"base_size":"1"}}}}`, "for nothing", 1},
		{"more than was ordered", one, 200, `{"order":{"order_id":"ID","client_order_id":"KEY","status":"FILLED","filled_size":"9","filled_value":"9","order_configuration":{"market_market_ioc":{"base_size":"1"}}}}`, "over 1", 1},
		{"no list of orders", list, 200, `{}`, "no list", 1},
		{"a list without end", list, 200, `{"orders":[],"has_next":true,"cursor":""}`, "how to go on", 1},
		{"no accounts", accounts, 200, `{}`, "no list", 1},
		{"an account without balance", accounts, 200, `{"accounts":[{"currency":"BTC"}]}`, "no balance", 1},
		{"rights that nobody tells", "GET /api/v3/brokerage/key_permissions", 200, `{}`, "does not say", 1},
		{"a product without increment", "GET /api/v3/brokerage/products/*", 200, `{"product_id":"BTC-USD","base_currency_id":"BTC","quote_currency_id":"USD"}`, "no increment", 1},
		{"no time", "GET /api/v3/brokerage/time", 200, `{}`, "no time", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := coinbasetest.New()
			o := sale(tc.name, "2", "")
			body := strings.NewReplacer("KEY", string(o.ID), "ID", "00000001-0000-4000-8000-000000000000").Replace(tc.body)
			p := &exchangetest.Spoiled{Handler: s, Call: tc.call, Status: tc.status, Body: body}
			server := httptest.NewServer(p)
			defer server.Close()
			v := join(t, connection(s, server.URL))
			at := s.Show("50", 1000)
			if _, err := v.Place(t.Context(), at, o); err != nil {
				t.Fatal(err)
			}
			s.Book.Clock.Add(time.Hour)
			p.Times = tc.times
			_, err := v.Ask(t.Context(), at, o.ID)
			if err == nil {
				_, err = v.State(t.Context(), at)
			}
			if err == nil || errors.Is(err, lifeboat.ErrAbsent) || !strings.Contains(err.Error(), tc.says) || !strings.HasPrefix(err.Error(), "Coinbase: ") {
				t.Errorf("got %v", err)
			}
			if r, err := v.Ask(t.Context(), at, o.ID); err != nil || r.Status != lifeboat.Filled {
				t.Errorf("the next question: %+v, %v", r, err)
			}
		})
	}
}

// Clocks that differ by hours change nothing, in either direction, nor does one that jumps.
func TestClocksApart(t *testing.T) {
	for _, by := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		s, c := coinbasetest.New(), &exchangetest.Ahead{By: by}
		c.Clock = s.Book.Clock
		server := httptest.NewServer(s)
		defer server.Close()
		way := connection(s, server.URL)
		way.Clock = c
		v := join(t, way)
		at := s.Show("50", 1000)
		if r, err := v.Place(t.Context(), at, sale("apart", "1", "60")); err != nil || r.Status != lifeboat.Accepted {
			t.Fatalf("by %s: %+v, %v", by, r, err)
		}
		c.By += 5 * time.Minute // within the time for which the offset is believed
		if _, err := v.Ask(t.Context(), at, lifeboat.NewKey("apart")); err != nil {
			t.Errorf("by %s, after a jump: %v", by, err)
		}
	}
}

// A statement has lines and orders of one moment, what is not lifeboat's, and what bars trading.
func TestState(t *testing.T) {
	s, v := open(t)
	at := s.Show("50", 1000)
	mine, sold := sale("mine", "10", "60"), sale("sold", "20", "")
	for _, o := range []lifeboat.Order{mine, sold} {
		if _, err := v.Place(t.Context(), at, o); err != nil {
			t.Fatal(err)
		}
	}
	if _, why := s.Place("web_1", sale("", "5", "70")); why != "" {
		t.Fatal(why)
	}
	st, err := v.State(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	btc, _ := st.Line("BTC")
	cash, _ := st.Line("USD")
	if len(st.Lines) != 2 || btc.Quantity.String() != "80" || btc.Free.String() != "65" || btc.Value.String() != "4000" || !cash.Quantity.Equal(decimal.RequireFromString("1999")) {
		t.Errorf("lines %+v", st.Lines)
	}
	if len(st.Placed) != 2 || len(st.Foreign) != 1 || st.Foreign[0].Symbol != "BTC" || !st.BuyingPower.Equal(cash.Free) || st.RequestsLeft == nil || len(st.Barred) != 0 || st.Blocked != "" {
		t.Errorf("statement %+v", st)
	}
	for _, tc := range []struct {
		flag     string
		value    any
		why      string
		bars     bool
		market   lifeboat.ReceiptStatus
		limit    lifeboat.ReceiptStatus
		released string
	}{
		{"trading_disabled", true, "closed BTC-USD to trading", true, lifeboat.OrderRejected, lifeboat.OrderRejected, ""},
		{"cancel_only", true, "nothing but cancellations", true, lifeboat.OrderRejected, lifeboat.OrderRejected, ""},
		{"status", "delisted", "delisted", true, lifeboat.OrderRejected, lifeboat.OrderRejected, ""},
		{"limit_only", true, "limit orders only", false, lifeboat.OrderRejected, lifeboat.Accepted, ""},
		{"quote_currency_id", "EUR", "paid in EUR", true, lifeboat.OrderRejected, lifeboat.OrderRejected, ""},
	} {
		s.Flags = map[string]any{tc.flag: tc.value}
		s.Book.Clock.Add(2 * time.Minute)
		st, err := v.State(t.Context(), at)
		if err != nil || strings.Contains(st.Barred["BTC"], tc.why) != tc.bars {
			t.Errorf("%s: barred %v, %v", tc.flag, st.Barred, err)
		}
		market, err := v.Place(t.Context(), at, sale(tc.flag+" market", "1", ""))
		limit, err2 := v.Place(t.Context(), at, sale(tc.flag+" limit", "1", "90"))
		if err != nil || err2 != nil || market.Status != tc.market || limit.Status != tc.limit || !strings.Contains(market.Why, tc.why) {
			t.Errorf("%s: %+v, %v and %+v, %v", tc.flag, market, err, limit, err2)
		}
	}
	s.Flags, s.Gone = nil, true
	s.Book.Clock.Add(2 * time.Minute)
	if st, err := v.State(t.Context(), at); err != nil || !strings.Contains(st.Barred["BTC"], "no product") {
		t.Errorf("gone: barred %v, %v", st.Barred, err)
	}
	if r, err := v.Place(t.Context(), at, sale("gone", "1", "60")); err != nil || r.Status != lifeboat.OrderRejected || !strings.Contains(r.Why, "no product") {
		t.Errorf("placed what is gone: %+v, %v", r, err)
	}
	if r, err := v.Ask(t.Context(), at, mine.ID); err != nil || r.Status != lifeboat.Accepted {
		t.Errorf("an order in what is gone: %+v, %v", r, err)
	}
}

// Lines and orders are of one moment: when an order fills between the readings all is read again, and not for ever.
func TestStateOfOneMoment(t *testing.T) {
	for times, moved := range map[int]bool{0: false, 1: false, 100: true} {
		s := coinbasetest.New()
		m := &exchangetest.Meanwhile{Handler: s, Call: "GET /api/v3/brokerage/accounts", Do: func() { s.Tick("61", 1) }}
		server := httptest.NewServer(m)
		defer server.Close()
		v := join(t, connection(s, server.URL))
		at := s.Show("50", 1000)
		if _, err := v.Place(t.Context(), at, sale("moves", "50", "60")); err != nil {
			t.Fatal(err)
		}
		m.Times = times
		st, err := v.State(t.Context(), at)
		if moved {
			if err == nil || !strings.Contains(err.Error(), "moved") {
				t.Errorf("an order that never rests: %+v, %v", st, err)
			}
			continue
		}
		if err != nil || len(st.Placed) != 1 {
			t.Fatalf("%d times: %+v, %v", times, st, err)
		}
		btc, _ := st.Line("BTC")
		if filled := st.Placed[0].Filled; !btc.Quantity.Add(filled).Equal(decimal.NewFromInt(venuetest.Shares)) || filled.IsZero() != (times == 0) {
			t.Errorf("%d times: %s held and %s filled", times, btc.Quantity, filled)
		}
	}
}
