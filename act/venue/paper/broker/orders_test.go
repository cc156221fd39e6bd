package broker_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat/act/venue/paper"
	"lifeboat/act/venue/paper/broker"
)

// withShares opens with 100 SPY, for sales.
func withShares(o *broker.Options) {
	o.Holdings = []broker.Holding{{Symbol: "SPY", Quantity: decimal.NewFromInt(100), Price: decimal.NewFromInt(500)}}
}

// What is refused, with Alpaca's status and code, and leaves nothing behind.
func TestRefusals(t *testing.T) {
	s := open(t, withShares)
	s.place("taken", `"symbol":"SPY","qty":"1","side":"buy","type":"limit","limit_price":"100","time_in_force":"gtc"`)
	day := `"time_in_force":"day"`
	for _, tc := range []struct {
		order        string
		status, code int
		says         string
	}{
		{`"symbol":"SPY","qty":"1000","side":"buy","type":"market",` + day, 403, 40310000, "insufficient buying power"},
		{`"symbol":"SPY","qty":"101","side":"sell","type":"limit","limit_price":"900",` + day, 403, 40310000, "insufficient qty available for order (requested: 101, available: 100)"},
		{`"symbol":"QQQQ","qty":"1","side":"buy","type":"market",` + day, 422, 42210000, `asset \"QQQQ\" not found`},
		{`"symbol":"SPY","qty":"1","side":"sell","type":"market",` + day, 422, 42210000, "wash trade"},
		{`"symbol":"SPY","side":"buy","type":"market",` + day, 422, 42210000, "qty or notional is required"},
		{`"symbol":"SPY","qty":"1","notional":"5","side":"buy","type":"market",` + day, 422, 42210000, "only one of"},
		{`"symbol":"SPY","qty":"-1","side":"buy","type":"market",` + day, 422, 42210000, "qty must be"},
		{`"symbol":"SPY","qty":"1e99","side":"buy","type":"market",` + day, 422, 42210000, "qty must be"},
		{`"symbol":"SPY","qty":"NaN","side":"buy","type":"market",` + day, 422, 42210000, "qty must be"},
		{`"symbol":"SPY","qty":"1","side":"hold","type":"market",` + day, 422, 42210000, "side must be"},
		{`"symbol":"SPY","qty":"1","side":"buy","type":"limit",` + day, 422, 42210000, "require limit_price"},
		{`"symbol":"SPY","qty":"1","side":"buy","type":"stop",` + day, 422, 42210000, "require stop_price"},
		{`"symbol":"SPY","qty":"1","side":"buy","type":"trailing_stop",` + day, 422, 42210000, "require either trail_price"},
		{`"symbol":"SPY","qty":"1","side":"buy","type":"market","limit_price":"1",` + day, 422, 42210000, "must not have limit_price"},
		{`"symbol":"SPY","qty":"1","side":"buy","type":"limit","limit_price":"100.001",` + day, 422, 42210000, "sub-penny"},
		{`"symbol":"SPY","qty":"1","side":"buy","type":"market"`, 422, 42210000, "time_in_force is required"},
		{`"symbol":"SPY","qty":"1","side":"buy","type":"market","time_in_force":"gtd"`, 422, 42210000, "invalid time_in_force"},
		{`"symbol":"SPY","qty":"0.5","side":"buy","type":"market","time_in_force":"gtc"`, 422, 42210000, "fractional orders must be DAY"},
		{`"symbol":"SPY","qty":"1","side":"buy","type":"market","time_in_force":"opg"`, 422, 42210000, "opg orders are not accepted"},
		{`"symbol":"SPY","qty":"1","side":"buy","type":"market","extended_hours":true,` + day, 422, 42210000, "must be DAY limit"},
		{`"symbol":"SPY","qty":"1","side":"buy","type":"market","order_class":"bracket",` + day, 422, 42210000, "require take_profit"},
		{`"symbol":"SPY","qty":"1","side":"buy","type":"market","order_class":"bracket","take_profit":{"limit_price":"90"},"stop_loss":{"stop_price":"91"},` + day, 422, 42210000, "take_profit.limit_price must be"},
		{`"symbol":"SPY","qty":"1","side":"buy","type":"market","order_class":"mleg",` + day, 422, 42210000, "multi-leg"},
		{`"symbol":"SPY","qty":"1","side":"buy","type":"market","colour":"red",` + day, 422, 42210000, "not recognised: colour"},
		{`"symbol":"SPY","qty":{},"side":"buy","type":"market",` + day, 400, 40010000, "format"},
	} {
		a := s.call("POST", "/v2/orders", `{"client_order_id":"one",`+tc.order+`}`)
		if a.status != tc.status || !strings.Contains(a.text, fmt.Sprintf(`"code":%d`, tc.code)) || !strings.Contains(a.text, tc.says) {
			t.Errorf("%s: got %d %s, want %d/%d %s", tc.order, a.status, a.text, tc.status, tc.code, tc.says)
		}
		if left := s.call("GET", "/v2/orders:by_client_order_id?client_order_id=one", ""); left.status != http.StatusNotFound {
			t.Errorf("%s left an order: %s", tc.order, left.text)
		}
	}
	for path, want := range map[string]int{"/v2/orders/none": 404, "/v2/positions/QQQ": 404, "/v2/assets/NONE": 404, "/v2/nothing": 404, "/v2/orders?status=some": 422, "/v2/orders?limit=501": 422,
		"/v2/orders?after=noon": 422, "/v2/stocks/bars?timeframe=1Day": 400, "/v2/stocks/SPY/bars?timeframe=7Weeks": 400, "/v2/stocks/bars?symbols=SPY&timeframe=1Day&page_token=x": 400} {
		if a := s.call("GET", path, ""); a.status != want || a.fields["message"] == nil {
			t.Errorf("%s: %d %s, want %d", path, a.status, a.text, want)
		}
	}
}

// A key that is not the configured one gets nothing, by whatever header it comes.
func TestKeys(t *testing.T) {
	s := open(t, func(o *broker.Options) { o.Keys = map[string]string{"PK": "secret"} })
	if a := s.call("GET", "/v2/account", ""); a.status != http.StatusOK {
		t.Errorf("the right key: %d", a.status)
	}
	for name, header := range map[string]http.Header{
		"no key":         {},
		"a wrong secret": {"Apca-Api-Key-Id": {"PK"}, "Apca-Api-Secret-Key": {"guess"}},
		"another key":    {"Apca-Api-Key-Id": {"AK"}, "Apca-Api-Secret-Key": {"secret"}},
		"a bearer":       {"Authorization": {"Bearer PK"}},
	} {
		r, _ := http.NewRequest("GET", s.url+"/v2/account", nil)
		r.Header = header
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized || response.Header.Get("X-Request-ID") == "" {
			t.Errorf("%s: %d", name, response.StatusCode)
		}
	}
}

// Orders of every kind, moved by prices and by time through the control calls. The prices are the quote, a hundredth of a percent of half-spread, and the impact of one share: 0.7·0.0094·√(1÷99,244,555), which
// is four hundredths of a cent.
func TestLifeOfOrders(t *testing.T) {
	for _, tc := range []struct{ name, order, act, want string }{
		{"a limit", `"qty":"1","side":"buy","type":"limit","limit_price":"600","time_in_force":"day"`, "price 599", "filled 1 at 599.0603"},
		{"a stop", `"qty":"1","side":"sell","type":"stop","stop_price":"600","time_in_force":"gtc"`, "price 590", "filled 1 at 589.9406"},
		{"a trailing stop", `"qty":"1","side":"sell","type":"trailing_stop","trail_percent":"10","time_in_force":"gtc"`, "price 700, price 631, price 630", "filled 1 at 629.9366"},
		{"a day order at the close", `"qty":"1","side":"buy","type":"limit","limit_price":"600","time_in_force":"day"`, "to close", "expired"},
		{"gtc after the close", `"qty":"1","side":"buy","type":"limit","limit_price":"600","time_in_force":"gtc"`, "to close, to open, price 600.5, price 599", "filled 1 at 599.0603"},
		{"for the close", `"qty":"1","side":"sell","type":"market","time_in_force":"cls"`, "price 610, to close", "filled 1 at 609.9386"},
		{"ioc out of reach", `"qty":"1","side":"buy","type":"limit","limit_price":"600","time_in_force":"ioc"`, "", "canceled"},
		{"while the symbol is halted", `"qty":"1","side":"buy","type":"limit","limit_price":"600","time_in_force":"day"`, "phase halted, price 590", "new"},
		{"after its halt", `"qty":"1","side":"buy","type":"limit","limit_price":"600","time_in_force":"day"`, "phase halted, price 590, advance 1s, phase ", "filled 1 at 590.0594"},
		{"in the market-wide halt", `"qty":"1","side":"buy","type":"limit","limit_price":"600","time_in_force":"day"`, "price 580", "new"},
		{"after the market-wide halt", `"qty":"1","side":"buy","type":"limit","limit_price":"600","time_in_force":"day"`, "price 580, advance 16m, price 581", "filled 1 at 581.0585"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t, withShares)
			s.place("one", `"symbol":"SPY",`+tc.order)
			for step := range strings.SplitSeq(tc.act, ", ") {
				s.act(step)
			}
			if got := s.stands("one"); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// act is one control call in short: "price 600", "to close", "advance 2h", "phase halted".
func (s *site) act(step string) {
	s.t.Helper()
	what, value, _ := strings.Cut(step, " ")
	var a answer
	switch what {
	case "":
		return
	case "price":
		a = s.call("POST", "/lifeboat/prices", `{"SPY":"`+value+`"}`)
	case "phase":
		a = s.call("POST", "/lifeboat/phase", `{"symbol":"SPY","phase":"`+value+`"}`)
	default:
		a = s.call("POST", "/lifeboat/time", `{"`+what+`":"`+value+`"}`)
	}
	if a.status != http.StatusOK {
		s.t.Fatalf("%s: %d %s", step, a.status, a.text)
	}
}

// An order of the night is accepted and not new, fills at the opening, and the account's day turns.
func TestOvernight(t *testing.T) {
	s := open(t, nil)
	s.act("to close")
	s.act("advance 1h")
	a := s.place("one", `"symbol":"SPY","qty":"1","side":"buy","type":"market","time_in_force":"day"`)
	if a.get("status") != "accepted" || s.stands("one") != "new" && s.stands("one") != "accepted" {
		t.Errorf("at night the order is %s, then %s", a.get("status"), s.stands("one"))
	}
	if bp := s.call("GET", "/v2/account", "").get("buying_power"); bp == "100000" {
		t.Error("an open purchase claims no buying power")
	}
	s.act("to open")
	if got := s.stands("one"); !strings.HasPrefix(got, "filled 1 at 634.1") {
		t.Errorf("at the opening it is %s", got)
	}
	if c := s.call("GET", "/v2/clock", ""); c.get("is_open") != "true" || c.get("next_close") != "2026-06-11T16:00:00-04:00" {
		t.Errorf("the clock: %s", c.text)
	}
}

// A bar of a fed symbol bounds what fills, and Quote does as the harness of venuetest wants it.
func TestPartialFills(t *testing.T) {
	s := open(t, func(o *broker.Options) { withShares(o); o.Prices = []broker.Price{{Symbol: "SPY", Last: dec("50")}} })
	quote := func(price string, size int) {
		if _, err := s.Quote("SPY", price, size); err != nil {
			t.Fatal(err)
		}
	}
	quote("50", 1000)
	s.place("one", `"symbol":"SPY","qty":"30","side":"sell","type":"limit","limit_price":"60","time_in_force":"gtc"`)
	quote("61", 10)
	if got := s.stands("one"); !strings.HasPrefix(got, "partially_filled 10 at 60.99") {
		t.Errorf("got %s", got)
	}
	if p := s.call("GET", "/v2/positions/SPY", ""); p.get("qty") != "90" || p.get("qty_available") != "70" {
		t.Errorf("the position: %s", p.text)
	}
	quote("61", 15)
	quote("61", 100)
	if got := s.stands("one"); !strings.HasPrefix(got, "filled 30") {
		t.Errorf("got %s", got)
	}
	if all := s.call("GET", "/v2/account/activities/FILL?direction=asc", "").list; len(all) != 3 || all[1]["leaves_qty"] != "5" || all[2]["type"] != "fill" {
		t.Errorf("the activities: %v", all)
	}
}

// One exit of an oco fills, the other ends, and the shares were claimed once.
func TestOCO(t *testing.T) {
	s := open(t, withShares)
	a := s.place("one", `"symbol":"SPY","qty":"100","side":"sell","type":"limit","order_class":"oco","take_profit":{"limit_price":"700"},"stop_loss":{"stop_price":"600"},"time_in_force":"gtc"`)
	if a.get("order_class") != "oco" || len(a.fields["legs"].([]any)) != 1 {
		t.Fatalf("the order: %s", a.text)
	}
	if p := s.call("GET", "/v2/positions/SPY", ""); p.get("qty_available") != "0" {
		t.Errorf("the position: %s", p.text)
	}
	s.act("price 599")
	if got := s.stands("one"); got != "canceled" {
		t.Errorf("the profit is %s", got)
	}
	if p := s.call("GET", "/v2/positions/SPY", ""); p.status != http.StatusNotFound {
		t.Errorf("the shares are still there: %s", p.text)
	}
}

// What is in a phase by the exported call is in it over the wire.
func TestCancelOnly(t *testing.T) {
	s := open(t, nil)
	open := s.place("one", `"symbol":"SPY","qty":"1","side":"buy","type":"limit","limit_price":"100","time_in_force":"gtc"`)
	s.SetPhase("", paper.CancelOnly)
	if a := s.call("POST", "/v2/orders", `{"symbol":"SPY","qty":"1","side":"buy","type":"market","time_in_force":"day"}`); a.status != 422 || !strings.Contains(a.text, "only cancellations") {
		t.Errorf("a new order: %d %s", a.status, a.text)
	}
	if a := s.call("DELETE", "/v2/orders/"+open.get("id"), ""); a.status != http.StatusNoContent {
		t.Errorf("a cancellation: %d %s", a.status, a.text)
	}
}

// A history is played as time passes, and only what has passed is known.
func TestHistory(t *testing.T) {
	s := open(t, func(o *broker.Options) {
		o.Prices = []broker.Price{}
		o.Tape = daily("2020-03-13 269.32", "2020-03-16 239.85", "2020-03-17 252.80", "2020-03-18 240.00")
		o.Start = time.Date(2020, 3, 16, 12, 0, 0, 0, time.UTC)
	})
	price := func() string { return s.call("GET", "/v2/stocks/SPY/trades/latest", "").text }
	if got := price(); !strings.Contains(got, `"p":269.32`) {
		t.Errorf("in the morning: %s", got)
	}
	s.act("to close")
	if got := price(); !strings.Contains(got, `"p":239.85`) {
		t.Errorf("at the close: %s", got)
	}
	s.act("advance 48h")
	bars := s.call("GET", "/v2/stocks/bars?symbols=SPY&timeframe=1Day&start=2020-03-01", "")
	if got := len(bars.fields["bars"].(map[string]any)["SPY"].([]any)); got != 4 {
		t.Errorf("%d bars: %s", got, bars.text)
	}
}

// Orders are listed as they are asked for.
func TestListing(t *testing.T) {
	s := open(t, nil)
	for i, symbol := range []string{"SPY", "QQQ", "SPY", "TLT"} {
		s.place(fmt.Sprint("o", i), `"symbol":"`+symbol+`","qty":"1","side":"buy","type":"limit","limit_price":"10","time_in_force":"gtc"`)
		s.act("advance 1m")
	}
	s.call("DELETE", "/v2/orders/"+s.call("GET", "/v2/orders:by_client_order_id?client_order_id=o0", "").get("id"), "")
	for query, want := range map[string]string{
		"":                                      "o3 o2 o1",
		"status=all":                            "o3 o2 o1 o0",
		"status=closed":                         "o0",
		"status=all&direction=asc&limit=2":      "o0 o1",
		"symbols=SPY,TLT":                       "o3 o2",
		"status=all&after=2026-06-10T15:01:30Z": "o3 o2",
		"status=all&until=2026-06-10T15:01:00Z": "o0",
		"side=sell":                             "",
	} {
		var got []string
		for _, o := range s.call("GET", "/v2/orders?"+query, "").list {
			got = append(got, fmt.Sprint(o["client_order_id"]))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", query, got, want)
		}
	}
}

// What expires while the broker is not running has expired when it runs again; what is good till cancelled is there.
func TestOpenedAgain(t *testing.T) {
	path, clock := t.TempDir(), &still{now: morning}
	opened := func() *broker.Broker {
		b, err := broker.New(broker.Options{Clock: clock, Data: path})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := opened()
	for id, force := range map[string]string{"day": "day", "kept": "gtc"} {
		if w := answerOf(b, "POST", "/v2/orders", `{"client_order_id":"`+id+`","symbol":"SPY","qty":"1","side":"buy","type":"limit","limit_price":"100","time_in_force":"`+force+`"}`); w.Code != http.StatusOK {
			t.Fatal(w.Body)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	clock.now = morning.Add(48 * time.Hour)
	b = opened()
	defer b.Close()
	for id, want := range map[string]string{"day": `"status":"expired"`, "kept": `"status":"new"`} {
		if w := answerOf(b, "GET", "/v2/orders:by_client_order_id?client_order_id="+id, ""); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %s", id, w.Body)
		}
	}
}
