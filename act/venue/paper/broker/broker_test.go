package broker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"lifeboat/act/venue/paper/broker"
)

// Wednesday, 10 June 2026, eleven in the morning in New York: the market is open.
var morning = time.Date(2026, 6, 10, 15, 0, 0, 0, time.UTC)

// still is a clock that moves only when a test says so.
type still struct {
	mu  sync.Mutex
	now time.Time
}

func (s *still) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *still) Sleep(ctx context.Context, until time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until.After(s.now) {
		s.now = until
	}
	return ctx.Err()
}

// site is a broker behind a real HTTP server.
type site struct {
	*broker.Broker
	t   *testing.T
	url string
}

func open(t *testing.T, change func(*broker.Options)) *site {
	t.Helper()
	o := broker.Options{Clock: &still{now: morning}}
	if change != nil {
		change(&o)
	}
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(b)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		s.Close()
	})
	return &site{Broker: b, t: t, url: s.URL}
}

// answer of a call, with its fields as Alpaca's clients read them.
type answer struct {
	status int
	header http.Header
	text   string
	fields map[string]any
	list   []map[string]any
}

func (s *site) call(method, path, body string) answer {
	s.t.Helper()
	a, err := s.try(method, path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *site) try(method, path, body string) (answer, error) {
	request, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("APCA-API-KEY-ID", "PK")
	request.Header.Set("APCA-API-SECRET-KEY", "secret")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	a := answer{status: response.StatusCode, header: response.Header, text: string(text)}
	_ = json.Unmarshal(text, &a.fields)
	_ = json.Unmarshal(text, &a.list)
	return a, err
}

func (a answer) get(field string) string { return fmt.Sprint(a.fields[field]) }

// buy places an order from a short text, and wants it taken in.
func (s *site) place(id, rest string) answer {
	s.t.Helper()
	a := s.call("POST", "/v2/orders", `{"client_order_id":"`+id+`",`+rest+`}`)
	if a.status != http.StatusOK {
		s.t.Fatalf("order %s: %d %s", id, a.status, a.text)
	}
	return a
}

// stands is an order as its client id finds it: "filled 10 at 634.1534".
func (s *site) stands(id string) string {
	s.t.Helper()
	a := s.call("GET", "/v2/orders:by_client_order_id?client_order_id="+id, "")
	if a.status != http.StatusOK {
		return a.text
	}
	said := a.get("status")
	if a.get("filled_qty") != "0" {
		said += " " + a.get("filled_qty") + " at " + a.get("filled_avg_price")
	}
	return said
}

func TestAMarketOrder(t *testing.T) {
	s := open(t, nil)
	a := s.place("one", `"symbol":"SPY","qty":"10","side":"buy","type":"market","time_in_force":"day","notional":null`)
	if a.get("status") != "pending_new" || a.get("filled_qty") != "0" || a.get("notional") != "<nil>" {
		t.Errorf("the answer to a new order: %s", a.text)
	}
	if got := s.stands("one"); !strings.HasPrefix(got, "filled 10 at 634.15") {
		t.Errorf("got %s", got)
	}
	p := s.call("GET", "/v2/positions/SPY", "")
	if p.get("qty") != "10" || p.get("qty_available") != "10" {
		t.Errorf("position: %s", p.text)
	}
	if again := s.call("POST", "/v2/orders", `{"client_order_id":"one","symbol":"SPY","qty":"10","side":"buy","type":"market","time_in_force":"day"}`); again.status != 422 || again.get("code") != "4.0010001e+07" {
		t.Errorf("a second order with the id: %d %s", again.status, again.text)
	}
	for _, path := range []string{"/v2/account", "/v2/clock", "/v3/clock", "/v2/calendar?start=2026-11-27&end=2026-11-27", "/v2/positions", "/v2/assets/SPY",
		"/v2/account/activities", "/v2/account/configurations", "/v2/stocks/SPY/quotes/latest", "/v2/stocks/snapshots?symbols=SPY,AAPL", "/v2/stocks/SPY/bars?timeframe=1Day&start=2026-01-01", "/v2/orders?status=all&nested=true", "/lifeboat/state"} {
		a := s.call("GET", path, "")
		t.Log(path, a.status, a.text)
		if a.status != http.StatusOK || len(a.header.Get("X-Request-ID")) != 36 {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
	}
}
