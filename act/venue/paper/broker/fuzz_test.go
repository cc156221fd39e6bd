package broker_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"lifeboat/act/venue/paper/broker"
)

func dec(s string) decimal.Decimal { return decimal.RequireFromString(s) }

// answerOf a handler, without a network.
func answerOf(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

// Whatever bytes come as an order: it is taken or refused in Alpaca's form, never answered with a failure of ours, and no cash
// comes from nothing.
func FuzzOrder(f *testing.F) {
	f.Add(`{"symbol":"SPY","qty":"1","side":"buy","type":"market","time_in_force":"day"}`)
	f.Add(`{"symbol":"SPY","qty":0.5,"notional":null,"side":"sell","type":"trailing_stop","trail_percent":"5","time_in_force":"gtc","client_order_id":""}`)
	f.Add(`{"symbol":"AAPL","qty":"2","side":"buy","type":"limit","limit_price":"100","time_in_force":"gtc","order_class":"bracket","take_profit":{"limit_price":"200"},"stop_loss":{"stop_price":"90","limit_price":"89"}}`)
	f.Add(`{"symbol":"SPY","qty":"100","side":"sell","type":"limit","time_in_force":"day","order_class":"oco","take_profit":{"limit_price":"700"},"stop_loss":{"stop_price":"600"}}`)
	f.Add(`{"qty":"1e999999999","limit_price":[1]}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, body string) {
		o := broker.Options{Clock: &still{now: morning}}
		withShares(&o)
		b, err := broker.New(o)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		w := answerOf(b, "POST", "/v2/orders", body)
		var a struct {
			ID      string
			Message string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			t.Fatalf("%d %s: %v", w.Code, w.Body, err)
		}
		if w.Code >= 500 || w.Code == http.StatusOK && a.ID == "" || w.Code != http.StatusOK && a.Message == "" {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if s := b.Core().Statement(); s.Cash.IsNegative() || s.Claimed.IsNegative() {
			t.Fatalf("%+v", s)
		}
	})
}
