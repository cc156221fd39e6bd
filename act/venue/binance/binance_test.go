package binance_test

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
	"lifeboat/act/venue/binance"
	"lifeboat/act/venue/binance/binancetest"
	"lifeboat/act/venue/exchangetest"
	"lifeboat/act/venue/venuetest"
)

var _ venue.Stater = (*binance.Venue)(nil)

// settled is when a miss at Binance proves that nothing comes any more.
const settled = 40 * time.Second

func connection(s *binancetest.Server, address string) venue.Connection {
	return venue.Connection{
		Account: exchangetest.Account, Currency: "USD", URL: address, Key: binancetest.Key, Secret: binancetest.Secret,
		Symbols: map[string]string{"BTC": binancetest.Pair, "USD": "USDT"}, Clock: s.Book.Clock,
		Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

// open joins a fresh account at the stand-in, and has heard of its clock, as a daemon has before it sends anything.
func open(t *testing.T) (*binancetest.Server, *binance.Venue) {
	t.Helper()
	s := binancetest.New()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, join(t, connection(s, server.URL))
}

func join(t *testing.T, c venue.Connection) *binance.Venue {
	t.Helper()
	v, err := binance.New(c)
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
	s := binancetest.New()
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
	for _, secret := range []string{binancetest.Key, binancetest.Secret, "signature", "Bearer", "http://"} {
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

// A daemon that starts anew finds every order of the one before it, and sends none a second time.
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
	v = join(t, connection(s, server.URL))
	for _, o := range []lifeboat.Order{filled, resting, canceled} {
		asked, err := v.Ask(t.Context(), at, o.ID)
		again, err2 := v.Place(t.Context(), at, o)
		if err != nil || err2 != nil || asked.Status != again.Status || !asked.Filled.Equal(again.Filled) {
			t.Errorf("asked %+v (%v), placed again %+v (%v)", asked, err, again, err2)
		}
	}
	if n := len(s.Orders()); n != 3 {
		t.Errorf("%d orders at the exchange", n)
	}
	placed, err := v.Since(t.Context(), at, at.Add(-time.Hour))
	if err != nil || len(placed) != 3 || placed[0].Receipt.Status != lifeboat.Filled || placed[0].Order.Symbol != "BTC" || placed[1].Order.Limit.String() != "60" {
		t.Errorf("listed %+v, %v", placed, err)
	}
	if early, err := v.Since(t.Context(), at, time.Time{}); err != nil || len(early) != 3 {
		t.Errorf("since ever %+v, %v", early, err)
	}
}

// A miss proves nothing until Binance's clock says that nothing can come any more.
func TestProofOfAbsence(t *testing.T) {
	s := binancetest.New()
	server := httptest.NewServer(s)
	defer server.Close()
	v, err := binance.New(connection(s, server.URL))
	if err != nil {
		t.Fatal(err)
	}
	at := s.Show("50", 1000)
	for _, wait := range []time.Duration{0, 20 * time.Second, 15 * time.Second} { // what an earlier process may have sent
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
	s := binancetest.New()
	server := httptest.NewServer(s)
	defer server.Close()
	wire := exchangetest.NewWire(t, server.Listener.Addr().String(), "POST /api/v3/order ")
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

// Whatever Binance answers to a new order, it is rejected with a reason, or nobody claims to know and asking finds out; there
// is one order in the end, or none that could still come.
func TestAnswersToAnOrder(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer exchangetest.Spoiled
		status lifeboat.ReceiptStatus // of the receipt; "" for an error
		says   string
		atOnce bool // that nothing arrived is clear without waiting
	}{
		{"a storm", exchangetest.Spoiled{Status: 503, Body: `{"code":-1008,"msg":"Server is currently overloaded"}`, After: true}, "", "overloaded", false},
		{"a storm without order", exchangetest.Spoiled{Status: 502, Body: "<html>Bad Gateway</html>"}, "", "no answer of its API", false},
		{"a time-out of the engine", exchangetest.Spoiled{Status: 408, Body: `{"code":-1007,"msg":"Timeout waiting for response from backend server."}`, After: true}, "", "-1007", false},
		{"a code that says nothing", exchangetest.Spoiled{Status: 400, Body: `{"code":-1006,"msg":"unexpected"}`, After: true}, "", "-1006", false},
		{"a page", exchangetest.Spoiled{Status: 200, Body: "<html>welcome</html>", After: true}, "", "a page and not JSON", false},
		{"nothing", exchangetest.Spoiled{Status: 200, Body: "", After: true}, "", "the answer is empty", false},
		{"half an answer", exchangetest.Spoiled{Status: 0, Body: `{"symbol":"BTCUSDT","orderId":`, After: true}, "", "breaks off", false},
		{"an answer about another order", exchangetest.Spoiled{Status: 200, Body: `{"orderId":7,"clientOrderId":"lb-other","status":"NEW"}`, After: true}, "", "not about the order", false},
		{"a price below nothing", exchangetest.Spoiled{Status: 200, Body: `{"orderId":7,"price":"-1"}`, After: true}, "", "not the JSON", false},
		{"a firewall", exchangetest.Spoiled{Status: 403, Body: "<html>blocked</html>"}, "", "403", false},
		{"a limit of requests", exchangetest.Spoiled{Status: 429, Body: `{"code":-1003,"msg":"Too much request weight used"}`, Header: http.Header{"Retry-After": {"7"}}}, "", "-1003", false},
		{"a ban", exchangetest.Spoiled{Status: 418, Body: `{"code":-1003,"msg":"IP banned"}`, Header: http.Header{"Retry-After": {"7"}}}, "", "IP banned", false},
		{"clocks apart", exchangetest.Spoiled{Status: 400, Body: `{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}`}, "", "recvWindow", true},
		{"no money", exchangetest.Spoiled{Status: 400, Body: `{"code":-2010,"msg":"Account has insufficient balance for requested action."}`}, lifeboat.OrderRejected, "insufficient balance", false},
		{"an order it has", exchangetest.Spoiled{Status: 400, Body: `{"code":-2010,"msg":"Duplicate order sent."}`, After: true}, lifeboat.Accepted, "", false},
		{"a filter", exchangetest.Spoiled{Status: 400, Body: `{"code":-1013,"msg":"Filter failure: PERCENT_PRICE_BY_SIDE"}`}, lifeboat.OrderRejected, "PERCENT_PRICE_BY_SIDE", false},
		{"a key without the right", exchangetest.Spoiled{Status: 401, Body: `{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}`}, lifeboat.OrderRejected, "permissions", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := binancetest.New()
			tc.answer.Handler, tc.answer.Call, tc.answer.Times = s, "POST /api/v3/order", 1
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
				if !strings.Contains(text, "Binance: place order") {
					t.Errorf("%q names neither the venue nor the step", text)
				}
			}
			if (tc.status == "") != (err != nil) || r.Status != tc.status || !strings.Contains(text, tc.says) {
				t.Fatalf("got %+v, %v", r, err)
			}
			if tc.status != "" {
				return
			}
			_, err = v.Ask(t.Context(), at, o.ID)
			if tc.answer.After != (err == nil) && tc.answer.Header == nil || !tc.atOnce && errors.Is(err, lifeboat.ErrAbsent) {
				t.Errorf("asked at once: %v", err)
			}
			if _, err := v.Place(t.Context(), at, o); err == nil != tc.answer.After && !tc.atOnce {
				t.Errorf("placed again before anything was proved: %v", err)
			}
			s.Book.Clock.Add(settled)
			if _, err = v.Ask(t.Context(), at, o.ID); errors.Is(err, lifeboat.ErrAbsent) {
				_, err = v.Place(t.Context(), at, o)
			}
			if err != nil {
				t.Error(err)
			}
			if n := len(s.Orders()); n != 1 {
				t.Errorf("%d orders in the end", n)
			}
		})
	}
}

// A request that comes late is found when it comes in time, and refused by Binance when it comes after it was proved absent.
func TestLateRequest(t *testing.T) {
	for _, tc := range []struct {
		name  string
		after time.Duration
		finds bool
	}{{"in its window", 4 * time.Second, true}, {"after the proof", settled, false}} {
		t.Run(tc.name, func(t *testing.T) {
			s := binancetest.New()
			h := &exchangetest.Held{Handler: s, Call: "POST /api/v3/order"}
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
			if !tc.finds {
				if _, err := v.Place(t.Context(), at, o); err != nil {
					t.Fatal(err)
				}
			}
			h.Arrive()
			if r, err := v.Ask(t.Context(), at, o.ID); err != nil || r.Status != lifeboat.Accepted || len(s.Orders()) != 1 {
				t.Errorf("in the end %+v, %v, %d orders", r, err, len(s.Orders()))
			}
		})
	}
}

// Each thing that can be wrong with a question is an error that names the venue and the step, and proves nothing.
func TestBadAnswers(t *testing.T) {
	for _, tc := range []struct {
		name, call string
		status     int
		body, says string
	}{
		{"wrong key", "GET /api/v3/order", 401, `{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}`, "Invalid API-key"},
		{"wrong signature", "GET /api/v3/order", 400, `{"code":-1022,"msg":"Signature for this request is not valid."}`, "Signature"},
		{"storm", "GET /api/v3/order", 500, ``, "500"},
		{"page", "GET /api/v3/order", 200, `<!doctype html>`, "a page and not JSON"},
		{"torn", "GET /api/v3/order", 0, `{"orderId":1`, "breaks off"},
		{"another order", "GET /api/v3/order", 200, `{"symbol":"BTCUSDT","orderId":1,"clientOrderId":"lb-x","status":"NEW"}`, "not about the order"},
		{"a status nobody knows", "GET /api/v3/order", 200, `{"symbol":"BTCUSDT","orderId":1,"clientOrderId":"KEY","status":"MELTED"}`, "MELTED"},
		{"an amount without end", "GET /api/v3/order", 200, `{"symbol":"BTCUSDT","orderId":1,"clientOrderId":"KEY","status":"NEW","origQty":"1e999999999"}`, "not the JSON"},
		{"a trade for less than nothing", "GET /api/v3/myTrades", 200, `[{"id":1,"orderId":1,"price":"-5","qty":"1"}]`, "not the JSON"},
		{"a trade of nothing", "GET /api/v3/myTrades", 200, `[{"id":1,"orderId":1,"price":"5","qty":"0"}]`, "for nothing"},
		{"a trade of another order", "GET /api/v3/myTrades", 200, `[{"id":1,"orderId":9,"price":"5","qty":"1"}]`, "another order"},
		{"more than was ordered", "GET /api/v3/myTrades", 200, `[{"id":1,"orderId":1,"price":"5","qty":"100"}]`, "over"},
		{"no time", "GET /api/v3/time", 200, `{}`, "no time"},
		{"a pair without rules", "GET /api/v3/exchangeInfo", 200, `{"symbols":[]}`, "0 pairs"},
		{"no list of open orders", "GET /api/v3/openOrders", 200, `null`, "no list"},
		{"no balances", "GET /api/v3/account", 200, `{}`, "no balances"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := binancetest.New()
			o := sale(tc.name, "2", "")
			p := &exchangetest.Spoiled{Handler: s, Call: tc.call, Status: tc.status, Body: strings.ReplaceAll(tc.body, "KEY", string(o.ID))}
			server := httptest.NewServer(p)
			defer server.Close()
			v := join(t, connection(s, server.URL))
			at := s.Show("50", 1000)
			if _, err := v.Place(t.Context(), at, o); err != nil {
				t.Fatal(err)
			}
			s.Book.Clock.Add(time.Hour)
			p.Times = 1
			_, err := v.Ask(t.Context(), at, o.ID)
			if err == nil {
				_, err = v.State(t.Context(), at)
			}
			if err == nil || errors.Is(err, lifeboat.ErrAbsent) || !strings.Contains(err.Error(), tc.says) || !strings.HasPrefix(err.Error(), "Binance: ") {
				t.Errorf("got %v", err)
			}
			if err != nil && (strings.Contains(err.Error(), binancetest.Secret) || strings.Contains(err.Error(), binancetest.Key)) {
				t.Error("the error holds a key")
			}
			if _, err := v.Ask(t.Context(), at, o.ID); err != nil {
				t.Errorf("the next question: %v", err)
			}
		})
	}
}

// Trades that come twice count once; an order that is over before its trades are listed is not told to be over.
func TestTrades(t *testing.T) {
	for _, tc := range []struct {
		name, trades string
		status       lifeboat.ReceiptStatus
		filled, fee  string
		why          string
	}{
		{"twice", `[{"id":1,"orderId":1,"price":"50","qty":"2","quoteQty":"100","commission":"0.1","commissionAsset":"USDT","time":1700000000000},{"id":1,"orderId":1,"price":"50","qty":"2","quoteQty":"100","commission":"0.1","commissionAsset":"USDT","time":1700000000000}]`, lifeboat.Filled, "2", "0.1", ""},
		{"late", `[{"id":1,"orderId":1,"price":"50","qty":"0.5","quoteQty":"25","commission":"0.1","commissionAsset":"USDT","time":1700000000000}]`, lifeboat.PartialFill, "0.5", "0.1", "not listed"},
		{"none yet", `[]`, lifeboat.Accepted, "0", "0", "not listed"},
		{"fee in what was traded", `[{"id":1,"orderId":1,"price":"50","qty":"2","quoteQty":"100","commission":"0.002","commissionAsset":"BTC","time":1700000000000}]`, lifeboat.Filled, "2", "0.1", ""},
		{"fee in a third asset", `[{"id":1,"orderId":1,"price":"50","qty":"2","quoteQty":"100","commission":"0.002","commissionAsset":"BNB","time":1700000000000}]`, lifeboat.Filled, "2", "0", "not counted"},
		{"all digits", `[{"id":1,"orderId":1,"price":"50.12345678","qty":"2","quoteQty":"100.24691356","commission":"0.123456789012345678","commissionAsset":"USDT","time":1700000000000}]`, lifeboat.Filled, "2", "0.123456789012345678", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := binancetest.New()
			p := &exchangetest.Spoiled{Handler: s, Call: "GET /api/v3/myTrades", Status: 200, Body: tc.trades}
			server := httptest.NewServer(p)
			defer server.Close()
			v := join(t, connection(s, server.URL))
			at := s.Show("50", 1000)
			o := sale(tc.name, "2", "")
			if _, err := v.Place(t.Context(), at, o); err != nil {
				t.Fatal(err)
			}
			p.Times = 1
			r, err := v.Ask(t.Context(), at, o.ID)
			if err != nil || r.Status != tc.status || r.Filled.String() != tc.filled || r.Fee.String() != tc.fee || !strings.Contains(r.Why, tc.why) {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
}

// Clocks that differ by hours change nothing, in either direction, nor does one that jumps.
func TestClocksApart(t *testing.T) {
	for _, by := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		s, c := binancetest.New(), &exchangetest.Ahead{By: by}
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
		c.By += time.Minute // within the time for which the offset is believed
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
	foreign := sale("", "5", "70")
	if _, why := s.Place("web_1", foreign); why != "" {
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
	if len(st.Placed) != 2 || len(st.Foreign) != 1 || st.Foreign[0].Limit.String() != "70" || st.Foreign[0].Symbol != "BTC" || !st.BuyingPower.Equal(cash.Free) || st.RequestsLeft == nil || len(st.Barred) != 0 {
		t.Errorf("statement %+v", st)
	}
	s.Status = "HALT"
	if st, err := v.State(t.Context(), at); err != nil || !strings.Contains(st.Barred["BTC"], "HALT") {
		t.Errorf("halted: %+v, %v", st.Barred, err)
	}
	s.Book.Clock.Add(time.Hour)
	if r, err := v.Place(t.Context(), at, sale("halted", "1", "60")); err != nil || r.Status != lifeboat.OrderRejected || !strings.Contains(r.Why, "HALT") {
		t.Errorf("placed while halted: %+v, %v", r, err)
	}
	s.Gone = true
	if st, err := v.State(t.Context(), at); err != nil || !strings.Contains(st.Barred["BTC"], "no pair") || len(st.Placed) != 1 {
		t.Errorf("with an open order in a pair that is gone: %+v, %v", st, err)
	}
	if _, err := v.Ask(t.Context(), at, mine.ID); err == nil || errors.Is(err, lifeboat.ErrAbsent) {
		t.Errorf("asked for an order in a pair that is gone: %v", err)
	}
	if r, err := v.Place(t.Context(), at, sale("gone", "1", "60")); err != nil || r.Status != lifeboat.OrderRejected || !strings.Contains(r.Why, "no pair") {
		t.Errorf("placed in a pair that is gone: %+v, %v", r, err)
	}
}

// away is an account from which money may leave, and what stands between it and Binance.
func away(t *testing.T) venuetest.WithdrawalHarness {
	s := binancetest.New()
	spoiled := &exchangetest.Spoiled{Handler: s, Call: "POST /sapi/v1/capital/withdraw/apply"}
	server := httptest.NewServer(spoiled)
	t.Cleanup(server.Close)
	s.Show("50", 1000)
	return venuetest.WithdrawalHarness{
		Venue: join(t, connection(s, server.URL)), Account: exchangetest.Account,
		To: venue.Address{Symbol: "BTC", Network: "BTC", Address: "bc1qmine"}, Amount: decimal.NewFromInt(1), TooMuch: decimal.NewFromInt(1000),
		Made:        func() int { return s.Withdrawals(nil) },
		Send:        func() { s.Withdrawals(func(w map[string]any) { w["status"], w["txId"] = 6, "abc" }) },
		LoseRequest: func() { spoiled.Status, spoiled.Body, spoiled.After, spoiled.Times = 504, "<html>", false, 1 },
		LoseAnswer:  func() { spoiled.Status, spoiled.Body, spoiled.After, spoiled.Times = 504, "<html>", true, 1 },
		Later:       func() { s.Book.Clock.Add(6 * time.Minute) },
		Reopen:      func() venue.Withdrawer { return join(t, connection(s, server.URL)) },
	}
}

// Money leaves to the owner's own addresses only, once per key whatever becomes of the answer.
func TestWithdrawals(t *testing.T) { venuetest.RunWithdrawals(t, away) }

// A cut at every byte of a request to withdraw, and of its response, leaves exactly one withdrawal.
func TestWithdrawalCutEverywhere(t *testing.T) {
	request, response := exchangetest.CutWithdrawals(t, "POST /sapi/v1/capital/withdraw/apply ", venue.Address{Symbol: "BTC", Network: "BTC", Address: "bc1qmine"}, func(t *testing.T, wire func(server string) *http.Client) (venue.Withdrawer, func(), func() int) {
		s := binancetest.New()
		server := httptest.NewServer(s)
		t.Cleanup(server.Close)
		c := connection(s, server.URL)
		c.Client, c.PerMinute = wire(server.Listener.Addr().String()), 1e9
		s.Show("50", 1000)
		return join(t, c), func() { s.Book.Clock.Add(6 * time.Minute) }, func() int { return s.Withdrawals(nil) }
	})
	if request < 300 || response < 100 {
		t.Errorf("the wire was cut in %d bytes of requests and %d of responses only", request, response)
	}
	t.Logf("cut at %d bytes of the request and %d of the response", request, response)
}

// Lines and orders are of one moment: when an order fills between the readings all is read again, and not for ever.
func TestStateOfOneMoment(t *testing.T) {
	for times, moved := range map[int]bool{0: false, 1: false, 2: false, 3: true} {
		s := binancetest.New()
		m := &exchangetest.Meanwhile{Handler: s, Call: "GET /api/v3/account", Do: func() { s.Tick("61", 1) }}
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
