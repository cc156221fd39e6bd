package alpaca_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/alpaca"
)

// A reply of a server that is not what it should be.
type reply struct {
	status int
	body   string
	header map[string]string
	cut    bool // the connection ends before the body does
}

func (a reply) send(w http.ResponseWriter) {
	w.Header().Set("X-Request-ID", "req-1")
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	if a.cut {
		w.Header().Set("Content-Length", "10000")
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

// talking is an account at a server that answers as a test says, :: method and path → reply; 404/40410000 for the rest.
func talking(t *testing.T, replies map[string]reply) (*alpaca.Venue, *bytes.Buffer) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a, ok := replies[r.Method+" "+r.URL.Path]; ok {
			a.send(w)
			return
		}
		reply{status: 404, body: `{"code":40410000,"message":"not found"}`}.send(w)
	}))
	t.Cleanup(server.Close)
	var log bytes.Buffer
	at := &clock{now: noon}
	v, err := alpaca.New(venue.Connection{Account: "broker", Currency: "USD", URL: server.URL, Key: key, Secret: secret, Clock: at,
		PerMinute: 100_000, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	at.pass(time.Minute)
	return v, &log
}

const page = "<!doctype html><html><title>502 Bad Gateway</title></html>"

func wire1(change map[string]any) string {
	o := map[string]any{
		"id": "5a3d6c40-0000-4000-8000-000000000001", "client_order_id": string(sell("bad", "10", "60").ID), "symbol": "SPY", "asset_class": "us_equity",
		"side": "sell", "type": "limit", "qty": "10", "filled_qty": "0", "filled_avg_price": nil, "limit_price": "60", "status": "new", "notional": nil,
		"created_at": "2020-03-16T16:00:00.123456789Z", "updated_at": "2020-03-16T16:00:00.5Z", "submitted_at": "2020-03-16T16:00:00.2Z", "filled_at": nil, "legs": nil,
	}
	for name, value := range change {
		o[name] = value
	}
	text, _ := json.Marshal(o)
	return string(text)
}

// TestBadAnswersToAnOrder: each is an error that names the venue and the step, proves nothing, and holds no key.
func TestBadAnswersToAnOrder(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reply reply
		want  string
	}{
		{"a wrong key", reply{status: 401, body: `{"message":"unauthorized."}`}, "unauthorized"},
		{"a key that is repeated", reply{status: 401, body: `{"message":"` + key + ` with ` + secret + ` is not known"}`}, "[key] with [secret]"},
		{"a server that fails", reply{status: 500, body: `{"code":50010000,"message":"internal server error occurred"}`}, "internal server error"},
		{"one that is overloaded", reply{status: 503, body: page}, "503"},
		{"a proxy's time-out", reply{status: 504}, "504"},
		{"a page instead of JSON", reply{status: 200, body: page}, "page and not JSON"},
		{"a page of a firewall", reply{status: 403, body: page}, "page"},
		{"nothing", reply{status: 200}, "empty"},
		{"half an answer", reply{status: 200, body: wire1(nil)[:90]}, "not the JSON"},
		{"an answer that breaks off", reply{status: 200, body: wire1(nil)[:90], cut: true}, "breaks off"},
		{"a redirect", reply{status: 307, header: map[string]string{"Location": "https://elsewhere.example.org/"}}, "307"},
		{"a list", reply{status: 200, body: "[]"}, "not the JSON"},
		{"null", reply{status: 200, body: "null"}, "another order"},
		{"another order", reply{status: 200, body: wire1(map[string]any{"client_order_id": "theirs"})}, "another order"},
		{"an unknown status", reply{status: 200, body: wire1(map[string]any{"status": "frozen"})}, `"frozen"`},
		{"a negative price", reply{status: 200, body: wire1(map[string]any{"status": "filled", "filled_qty": "10", "filled_avg_price": "-37.63"})}, "-37.63"},
		{"a fill without a price", reply{status: 200, body: wire1(map[string]any{"status": "filled", "filled_qty": "10"})}, "price"},
		{"more filled than ordered", reply{status: 200, body: wire1(map[string]any{"status": "partially_filled", "filled_qty": "20", "filled_avg_price": "60"})}, "20 of 10"},
		{"filled in part and in full", reply{status: 200, body: wire1(map[string]any{"status": "filled", "filled_qty": "9", "filled_avg_price": "60"})}, "9 of 10"},
		{"partly filled with nothing", reply{status: 200, body: wire1(map[string]any{"status": "partially_filled"})}, "nothing"},
		{"a negative fill", reply{status: 200, body: wire1(map[string]any{"filled_qty": "-1"})}, "-1"},
		{"rejected with a fill", reply{status: 200, body: wire1(map[string]any{"status": "rejected", "filled_qty": "5", "filled_avg_price": "60"})}, "rejected"},
		{"an amount that is none", reply{status: 200, body: wire1(map[string]any{"qty": "ten"})}, "not the JSON"},
		{"an amount beyond all", reply{status: 200, body: wire1(map[string]any{"qty": "1e999999999"})}, "not the JSON"},
		{"no quantity", reply{status: 200, body: wire1(map[string]any{"qty": nil})}, "no quantity"},
		{"no id", reply{status: 200, body: wire1(map[string]any{"id": ""})}, "lacks an id"},
		{"taken by nobody", reply{status: 422, body: `{"code":40010001,"message":"client_order_id must be unique"}`}, "taken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, log := talking(t, map[string]reply{"POST /v2/orders": tt.reply})
			r, err := v.Place(t.Context(), noon, sell("bad", "10", "60"))
			if err == nil || errors.Is(err, lifeboat.ErrAbsent) {
				t.Fatalf("%+v, %v", r, err)
			}
			told := err.Error()
			if !strings.HasPrefix(told, "Alpaca: place order: ") || !strings.Contains(told, tt.want) {
				t.Errorf("%s", told)
			}
			if all := told + log.String(); strings.Contains(all, secret) || strings.Contains(all, key) {
				t.Errorf("a key is told: %s", all)
			}
		})
	}
}

// TestRefusals are no errors but receipts that say why.
func TestRefusals(t *testing.T) {
	for code, body := range map[string]string{
		"40310000": `{"code":40310000,"message":"insufficient buying power","buying_power":"5","cost_basis":"600"}`,
		"42210000": `{"code":42210000,"message":"asset \"SPYX\" not found"}`,
	} {
		v, _ := talking(t, map[string]reply{"POST /v2/orders": {status: 422, body: body}})
		r, err := v.Place(t.Context(), noon, sell("bad", "10", "60"))
		if err != nil || r.Status != lifeboat.OrderRejected || !strings.Contains(r.Why, code) || !strings.Contains(r.Why, "req-1") || !strings.HasPrefix(r.Why, "Alpaca: place order: ") {
			t.Errorf("%s: %+v, %v", code, r, err)
		}
	}
}

// TestRefusedAndNotAskable: when what was refused cannot be asked for, nobody knows whether the key had an order.
func TestRefusedAndNotAskable(t *testing.T) {
	v, _ := talking(t, map[string]reply{
		"POST /v2/orders":                   {status: 403, body: `{"code":40310000,"message":"insufficient buying power"}`},
		"GET /v2/orders:by_client_order_id": {status: 503, body: page},
	})
	if r, err := v.Place(t.Context(), noon, sell("bad", "10", "60")); err == nil {
		t.Errorf("%+v", r)
	}
}

func TestBadAnswersToAQuestion(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reply reply
		want  string
	}{
		{"a page that says not found", reply{status: 404, body: page}, "404"},
		{"another 404", reply{status: 404, body: `{"message":"endpoint not found"}`}, "endpoint"},
		{"a server that fails", reply{status: 500}, "500"},
		{"too often", reply{status: 429, body: `{"code":42910000,"message":"rate limit exceeded"}`, header: map[string]string{"Retry-After": "3"}}, "rate limit"},
		{"another order", reply{status: 200, body: wire1(map[string]any{"client_order_id": "theirs"})}, "another order"},
		{"empty", reply{status: 200, body: "{}"}, "another order"},
	} {
		v, _ := talking(t, map[string]reply{"GET /v2/orders:by_client_order_id": tt.reply})
		for step, err := range map[string]error{"ask": second(v.Ask(t.Context(), noon, sell("bad", "10", "60").ID)), "cancel": second(v.Cancel(t.Context(), noon, sell("bad", "10", "60").ID))} {
			if err == nil || errors.Is(err, lifeboat.ErrAbsent) || !strings.HasPrefix(err.Error(), "Alpaca: ") {
				t.Errorf("%s: %s: %v", tt.name, step, err)
			}
			if step == "ask" && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
	}
}

// TestCancelRefused: an order that cannot be taken back and is still open is no success.
func TestCancelRefused(t *testing.T) {
	path := "DELETE /v2/orders/5a3d6c40-0000-4000-8000-000000000001"
	v, _ := talking(t, map[string]reply{
		"GET /v2/orders:by_client_order_id": {status: 200, body: wire1(map[string]any{"status": "pending_replace"})},
		path:                                {status: 422, body: `{"code":42210000,"message":"order is not cancelable"}`},
	})
	if r, err := v.Cancel(t.Context(), noon, sell("bad", "10", "60").ID); err == nil || !strings.Contains(err.Error(), "still open") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestReceipts(t *testing.T) {
	part := map[string]any{"filled_qty": "4", "filled_avg_price": "60.000000012345678901"}
	full := map[string]any{"filled_qty": "10", "filled_avg_price": "60.01", "filled_at": "2020-03-16T16:00:01Z"}
	for _, tt := range []struct {
		status string
		with   map[string]any
		want   lifeboat.ReceiptStatus
	}{
		{"new", nil, lifeboat.Accepted}, {"accepted", nil, lifeboat.Accepted}, {"pending_new", nil, lifeboat.Accepted},
		{"accepted_for_bidding", nil, lifeboat.Accepted}, {"held", nil, lifeboat.Accepted}, {"stopped", nil, lifeboat.Accepted},
		{"suspended", nil, lifeboat.Accepted}, {"calculated", part, lifeboat.PartialFill}, {"done_for_day", part, lifeboat.PartialFill},
		{"pending_cancel", part, lifeboat.PartialFill}, {"pending_replace", nil, lifeboat.Accepted}, {"partially_filled", part, lifeboat.PartialFill},
		{"filled", full, lifeboat.Filled}, {"canceled", part, lifeboat.Canceled}, {"replaced", part, lifeboat.Canceled}, {"expired", nil, lifeboat.Expired},
		{"rejected", nil, lifeboat.OrderRejected},
	} {
		fields := map[string]any{"status": tt.status}
		for name, value := range tt.with {
			fields[name] = value
		}
		v, _ := talking(t, map[string]reply{"GET /v2/orders:by_client_order_id": {status: 200, body: wire1(fields)}})
		r, err := v.Ask(t.Context(), noon, sell("bad", "10", "60").ID)
		if err != nil || r.Status != tt.want || r.Account != "broker" || r.VenueID == "" {
			t.Errorf("%s: %+v, %v", tt.status, r, err)
			continue
		}
		if r.Filled.IsPositive() && (r.Price.String() != tt.with["filled_avg_price"] || r.FilledAt.IsZero()) {
			t.Errorf("%s: filled %s at %s on %s", tt.status, r.Filled, r.Price, r.FilledAt)
		}
		if (r.Status == lifeboat.OrderRejected || tt.status == "replaced") && r.Why == "" {
			t.Errorf("%s: no reason", tt.status)
		}
	}
}

// sound answers that a statement is read from.
func sound() map[string]reply {
	clock := `{"timestamp":"2020-03-16T12:01:00-04:00","is_open":true,"next_open":"2020-03-17T09:30:00-04:00","next_close":"2020-03-16T16:00:00-04:00"}`
	return map[string]reply{
		"GET /v2/clock":                   {status: 200, body: clock},
		"GET /v2/orders":                  {status: 200, body: "[]"},
		"GET /v2/account/activities/FILL": {status: 200, body: "[]"},
		"GET /v2/account":                 {status: 200, body: `{"id":"a","status":"ACTIVE","currency":"USD","cash":"1000.10","buying_power":"2000.20","non_marginable_buying_power":"900.05"}`, header: map[string]string{"X-RateLimit-Remaining": "123"}},
		"GET /v2/positions":               {status: 200, body: "[" + holding(nil) + "]"},
		"GET /v2/assets/SPY":              {status: 200, body: `{"id":"x","symbol":"SPY","status":"active","tradable":true}`},
	}
}

func holding(change map[string]any) string {
	p := map[string]any{"symbol": "SPY", "asset_class": "us_equity", "side": "long", "qty": "10", "qty_available": "7", "current_price": "50.5", "market_value": "505", "cost_basis": "400"}
	for name, value := range change {
		p[name] = value
	}
	text, _ := json.Marshal(p)
	return string(text)
}

func TestStateFromAnswers(t *testing.T) {
	v, _ := talking(t, sound())
	s, err := v.State(t.Context(), noon)
	if err != nil {
		t.Fatal(err)
	}
	cash, _ := s.Line("USD")
	if cash.Quantity.String() != "1000.1" || cash.Free.String() != "900.05" || s.BuyingPower.String() != "2000.2" || s.RequestsLeft == nil || *s.RequestsLeft != 123 ||
		!s.Market.Open || !s.Market.Turns.Equal(time.Date(2020, 3, 16, 20, 0, 0, 0, time.UTC)) || s.Barred != nil || s.Blocked != "" {
		t.Errorf("%+v %+v", s, cash)
	}
}

// TestBadStates: whatever cannot be right of an account is an error and never an account without it.
func TestBadStates(t *testing.T) {
	for _, tt := range []struct {
		name, path string
		reply      reply
		want       string
	}{
		{"no account", "GET /v2/account", reply{status: 200, body: "{}"}, "read account: the answer names no account"},
		{"no cash", "GET /v2/account", reply{status: 200, body: `{"id":"a","status":"ACTIVE","currency":"USD","cash":null}`}, "no cash"},
		{"no currency", "GET /v2/account", reply{status: 200, body: `{"id":"a","status":"ACTIVE","cash":"1"}`}, "no currency"},
		{"wrong key", "GET /v2/account", reply{status: 401, body: `{"message":"unauthorized."}`}, "read account: unauthorized."},
		{"positions that are a page", "GET /v2/positions", reply{status: 200, body: page}, "list positions: the answer is a page"},
		{"positions that break off", "GET /v2/positions", reply{status: 200, body: "[" + holding(nil), cut: true}, "list positions: the answer breaks off"},
		{"positions that are an object", "GET /v2/positions", reply{status: 200, body: `{"message":"?"}`}, "list positions"},
		{"a negative price", "GET /v2/positions", reply{status: 200, body: "[" + holding(map[string]any{"current_price": "-37.63"}) + "]"}, "the price of SPY is -37.63"},
		{"twice", "GET /v2/positions", reply{status: 200, body: "[" + holding(nil) + "," + holding(nil) + "]"}, "SPY twice"},
		{"no quantity", "GET /v2/positions", reply{status: 200, body: "[" + holding(map[string]any{"qty": nil}) + "]"}, "lacks"},
		{"short and long", "GET /v2/positions", reply{status: 200, body: "[" + holding(map[string]any{"side": "short"}) + "]"}, "short"},
		{"more free than there", "GET /v2/positions", reply{status: 200, body: "[" + holding(map[string]any{"qty_available": "11"}) + "]"}, "free"},
		{"no time", "GET /v2/clock", reply{status: 200, body: `{"is_open":true}`}, "read clock: the answer lacks a time"},
		{"orders without ids", "GET /v2/orders", reply{status: 200, body: `[{"symbol":"SPY"}]`}, "list orders: it lists an order without an id"},
		{"our order, of no status", "GET /v2/orders", reply{status: 200, body: "[" + wire1(map[string]any{"status": "frozen"}) + "]"}, "frozen"},
		{"the same page for ever", "GET /v2/orders", reply{status: 200, body: "[" + strings.TrimSuffix(strings.Repeat(wire1(nil)+",", 500), ",") + "]"}, "never comes to an end"},
		{"activities that fail", "GET /v2/account/activities/FILL", reply{status: 500}, "list activities"},
		{"assets that fail", "GET /v2/assets/SPY", reply{status: 502, body: page}, "read asset"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			replies := sound()
			replies[tt.path] = tt.reply
			v, log := talking(t, replies)
			s, err := v.State(t.Context(), noon)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "Alpaca: ") {
				t.Errorf("%+v, %v", s, err)
			}
			if strings.Contains(log.String(), secret) {
				t.Errorf("a key in the log: %s", log)
			}
		})
	}
}

// TestOddStates are sound, and say so.
func TestOddStates(t *testing.T) {
	for _, tt := range []struct {
		name, path string
		reply      reply
		look       func(s lifeboat.Statement, log string) bool
	}{
		{"a symbol that vanished", "GET /v2/assets/SPY", reply{status: 404, body: `{"code":40410000,"message":"asset not found for SPY"}`}, func(s lifeboat.Statement, _ string) bool { return strings.Contains(s.Barred["SPY"], "not know") }},
		{"a symbol that is inactive", "GET /v2/assets/SPY", reply{status: 200, body: `{"symbol":"SPY","status":"inactive","tradable":false}`}, func(s lifeboat.Statement, _ string) bool { return strings.Contains(s.Barred["SPY"], "inactive") }},
		{"a symbol that is halted", "GET /v2/assets/SPY", reply{status: 200, body: `{"symbol":"SPY","status":"active","tradable":false}`}, func(s lifeboat.Statement, _ string) bool { return s.Barred["SPY"] != "" }},
		{"a position without a price", "GET /v2/positions", reply{status: 200, body: "[" + holding(map[string]any{"current_price": nil, "market_value": nil}) + "]"}, func(s lifeboat.Statement, _ string) bool {
			l, ok := s.Line("SPY")
			return ok && l.Price.IsZero() && l.Quantity.IntPart() == 10
		}},
		{"blocked", "GET /v2/account", reply{status: 200, body: `{"id":"a","status":"ACTIVE","currency":"USD","cash":"1","account_blocked":true}`}, func(s lifeboat.Statement, _ string) bool { return s.Blocked != "" && s.BuyingPower == nil }},
		{"not yet open", "GET /v2/account", reply{status: 200, body: `{"id":"a","status":"SUBMITTED","currency":"EUR","cash":"1"}`}, func(s lifeboat.Statement, _ string) bool {
			l, ok := s.Line("EUR")
			return strings.Contains(s.Blocked, "SUBMITTED") && ok && l.Currency == "EUR"
		}},
		{"a clock that differs", "GET /v2/clock", reply{status: 200, body: `{"timestamp":"2020-03-16T09:00:00-04:00","is_open":false,"next_open":"2020-03-16T09:30:00-04:00","next_close":"2020-03-16T16:00:00-04:00"}`}, func(s lifeboat.Statement, log string) bool {
			return !s.Market.Open && strings.Contains(log, "clock") && strings.Contains(log, "3h1m0s")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			replies := sound()
			replies[tt.path] = tt.reply
			v, log := talking(t, replies)
			s, err := v.State(t.Context(), noon)
			if err != nil || !tt.look(s, log.String()) {
				t.Errorf("%+v, %v, %s", s, err, log)
			}
		})
	}
}

// TestStateOfMovingOrders is read again until nothing moves, and given up in the end.
func TestStateOfMovingOrders(t *testing.T) {
	for _, tt := range []struct {
		moves int // answers to the list of orders until nothing moves any more
		fails bool
	}{{0, false}, {4, false}, {8, false}, {1000, true}} {
		replies, asked := sound(), 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a := replies[r.Method+" "+r.URL.Path]
			if r.URL.Path == "/v2/orders" {
				asked++
				filled := min(asked, tt.moves)
				a.body = "[" + wire1(map[string]any{"qty": "5000", "status": "partially_filled", "filled_qty": fmt.Sprint(filled + 1), "filled_avg_price": "60"}) + "]"
			}
			a.send(w)
		}))
		v, err := alpaca.New(venue.Connection{Account: "broker", Currency: "USD", URL: server.URL, Key: key, Secret: secret, Clock: &clock{now: noon}, PerMinute: 100_000})
		if err != nil {
			t.Fatal(err)
		}
		s, err := v.State(t.Context(), noon)
		if (err != nil) != tt.fails || !tt.fails && s.Placed[0].Filled.IntPart() != int64(tt.moves+1) {
			t.Errorf("%d moves: %+v, %v", tt.moves, s.Placed, err)
		}
		server.Close()
	}
}

// TestStateKnowsWhatFilledLately: an order of last month that filled a minute ago is in the statement, since its lines are.
func TestStateKnowsWhatFilledLately(t *testing.T) {
	const id = "5a3d6c40-0000-4000-8000-000000000001"
	fill := func(at, order string) string {
		return fmt.Sprintf(`{"id":"20200316::%s","activity_type":"FILL","transaction_time":%q,"order_id":%q}`, order, at, order)
	}
	replies := sound()
	replies["GET /v2/account/activities/FILL"] = reply{status: 200, body: "[" + fill("2020-03-16T15:00:00Z", "before") + "," +
		fill("2020-03-16T16:00:00Z", id) + "," + fill("2020-03-16T16:00:01Z", id) + "," + fill("2020-03-16T16:00:02Z", "put away") + "]"}
	replies["GET /v2/orders/"+id] = reply{status: 200, body: wire1(map[string]any{"status": "filled", "filled_qty": "10", "filled_avg_price": "60"})}
	replies["GET /v2/orders/put away"] = reply{status: 404, body: `{"code":40410000,"message":"order not found"}`}
	v, _ := talking(t, replies)
	s, err := v.State(t.Context(), noon)
	if err != nil || len(s.Placed) != 1 || s.Placed[0].Status != lifeboat.Filled {
		t.Errorf("%+v, %v", s.Placed, err)
	}
}

// TestPairs: Alpaca writes pairs with a slash in orders and without one in positions; their parts trade till cancelled.
func TestPairs(t *testing.T) {
	replies := sound()
	replies["GET /v2/positions"] = reply{status: 200, body: "[" + holding(map[string]any{"symbol": "BTCUSD", "asset_class": "crypto"}) + "]"}
	replies["GET /v2/assets/BTC/USD"] = reply{status: 200, body: `{"symbol":"BTC/USD","status":"active","tradable":true}`}
	var sent []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body, _ := io.ReadAll(r.Body)
			sent = append(sent, string(body))
			reply{status: 500}.send(w)
			return
		}
		replies[r.Method+" "+r.URL.Path].send(w)
	}))
	defer server.Close()
	v, err := alpaca.New(venue.Connection{Account: "broker", Currency: "USD", URL: server.URL, Key: key, Secret: secret, Clock: &clock{now: noon}, Symbols: map[string]string{"BTC": "BTC/USD"}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := v.State(t.Context(), noon)
	if _, ok := s.Line("BTC"); err != nil || !ok || s.Barred != nil {
		t.Errorf("%+v, %v", s, err)
	}
	coin, part := sell("coin", "0.000000012345678901", "60000.5"), sell("part", "0.5", "")
	coin.Symbol = "BTC"
	_, _ = v.Place(t.Context(), noon, coin)
	_, _ = v.Place(t.Context(), noon, part)
	want := []string{
		fmt.Sprintf(`{"client_order_id":%q,"symbol":"BTC/USD","qty":"0.000000012345678901","side":"sell","type":"limit","time_in_force":"gtc","limit_price":"60000.5"}`, coin.ID),
		fmt.Sprintf(`{"client_order_id":%q,"symbol":"SPY","qty":"0.5","side":"sell","type":"market","time_in_force":"day"}`, part.ID),
	}
	if strings.Join(sent, "\n") != strings.Join(want, "\n") {
		t.Errorf("sent %s\nwant %s", strings.Join(sent, "\n"), strings.Join(want, "\n"))
	}
}
