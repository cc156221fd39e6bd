package binance_test

import (
	"errors"
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
	s := binancetest.New()
	server := httptest.NewServer(s)
	defer server.Close()
	wire := exchangetest.NewWire(t, server.Listener.Addr().String(), "POST /api/v3/order")
	c := connection(s, "http://"+wire.Address)
	c.PerMinute = 1e9
	v := join(t, c)
	at := s.Show("50", 100000)
	s.Book.Clock.Add(settled)
	cuts, total := 0, 0
	try := func(c exchangetest.Cut) (whole bool) {
		cuts++
		o := sale("cut "+string(rune(cuts)), "0.2", "1000")
		wire.Next(c)
		_, err := v.Place(t.Context(), at, o)
		whole = err == nil
		for range 20 {
			if err == nil {
				break
			}
			_, err = v.Ask(t.Context(), at, o.ID)
			switch {
			case errors.Is(err, lifeboat.ErrAbsent):
				_, err = v.Place(t.Context(), at, o)
			case err != nil:
				s.Book.Clock.Add(10 * time.Second)
			}
		}
		total++
		if _, found := s.Under(string(o.ID)); err != nil || !found || len(s.Orders()) != total {
			t.Fatalf("cut at %+v: %v, %d orders instead of %d", c, err, len(s.Orders()), total)
		}
		if _, err := v.Cancel(t.Context(), at, o.ID); err != nil {
			t.Fatal(err)
		}
		return whole
	}
	request, response := 0, 0
	for ; !try(exchangetest.Cut{Request: request, Response: -1}); request++ {
	}
	for ; !try(exchangetest.Cut{Request: -1, Response: response}); response++ {
	}
	if request < 300 || response < 300 {
		t.Errorf("the wire was cut in %d bytes of requests and %d of responses only", request, response)
	}
	t.Logf("cut at %d bytes of the request and %d of the response", request, response)
}

// strings keeps the import for the tables below.
var _ = strings.Contains
