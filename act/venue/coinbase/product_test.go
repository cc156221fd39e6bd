package coinbase

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
)

const btc = `{"product_id":"BTC-USD","base_currency_id":"BTC","quote_currency_id":"USD","price":"50","base_increment":"0.00001","price_increment":"0.01",
	"base_min_size":"0.0001","base_max_size":"100","quote_min_size":"1","quote_max_size":"9000","status":"online"}`

// What is rounded is rounded to the owner's side; what does not fit is refused with the numbers.
func TestFit(t *testing.T) {
	for _, tc := range []struct {
		side            lifeboat.Side
		quantity, limit string // "" is a market order
		sent            string
		why             string
	}{
		{lifeboat.Sell, "1.234567", "100.001", "limit_limit_gtc 1.23456 at 100.01", ""},
		{lifeboat.Buy, "1.234567", "100.009", "limit_limit_gtc 1.23456 at 100", ""},
		{lifeboat.Sell, "1.999999", "", "market_market_ioc 1.99999 at 0", ""},
		{lifeboat.Buy, "1", "", "sor_limit_ioc 1 at 0", ""},
		{lifeboat.Sell, "0.000001", "100", "", "less than the smallest increment of BTC-USD, which is 0.00001"},
		{lifeboat.Sell, "0.00009", "100", "", "a quantity of 0.00009 is below 0.0001"},
		{lifeboat.Sell, "101", "1", "", "a quantity of 101 is above 100"},
		{lifeboat.Sell, "0.0001", "100", "", "0.0001 × 100 is 0.01 USD, and BTC-USD takes no order below 1"},
		{lifeboat.Sell, "0.0001", "", "", "0.0001 × 50 is 0.005 USD"},
		{lifeboat.Sell, "50", "1000", "", "takes no order above 9000: split it"},
		{lifeboat.Buy, "10", "0.001", "", "a limit of 0.001 is less than the smallest increment"},
	} {
		p := product{cash: "USD"}
		if err := json.Unmarshal([]byte(btc), &p); err != nil {
			t.Fatal(err)
		}
		o := lifeboat.Order{Symbol: "BTC", Side: tc.side, Type: lifeboat.Market, Quantity: decimal.RequireFromString(tc.quantity), Arrival: decimal.NewFromInt(50)}
		if tc.limit != "" {
			o.Type, o.Limit = lifeboat.Limit, decimal.RequireFromString(tc.limit)
		}
		got, why := p.fit(o)
		sent := fmt.Sprintf("%s %s at %s", got.kind, got.quantity, got.limit)
		if (why == "") != (tc.why == "") || !strings.Contains(why, tc.why) || why == "" && sent != tc.sent {
			t.Errorf("%s %s at %s: sent %s, refused with %q", tc.side, tc.quantity, tc.limit, sent, why)
		}
	}
}

// Each form in which Coinbase hands out a key signs tokens that its public half accepts, for one call and a short time.
func TestKeys(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, _ := x509.MarshalECPrivateKey(ec)
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(ec)
	edDER, _ := x509.MarshalPKCS8PrivateKey(ed)
	file := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	at := time.Date(2026, 3, 16, 18, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		secret string
		public any
	}{
		"EC in SEC 1":           {file("EC PRIVATE KEY", sec1), &ec.PublicKey},
		"EC in one line":        {strings.ReplaceAll(file("EC PRIVATE KEY", sec1), "\n", `\n`), &ec.PublicKey},
		"EC in PKCS #8":         {file("PRIVATE KEY", pkcs8), &ec.PublicKey},
		"Ed25519 in PKCS #8":    {file("PRIVATE KEY", edDER), public},
		"Ed25519, 64 bytes":     {base64.StdEncoding.EncodeToString(ed), public},
		"Ed25519, its 32 bytes": {base64.StdEncoding.EncodeToString(ed.Seed()) + "\n", public},
	} {
		w, err := newWire(venue.Connection{Key: "organizations/x", Secret: tc.secret})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r, _ := http.NewRequest("GET", "https://api.coinbase.com/api/v3/brokerage/accounts?limit=250", nil)
		text, err := w.token(r, at)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		claims := jwt.MapClaims{}
		token, err := jwt.ParseWithClaims(text, claims, func(*jwt.Token) (any, error) { return tc.public, nil }, jwt.WithTimeFunc(func() time.Time { return at.Add(life - time.Second) }))
		if err != nil || token.Header["kid"] != "organizations/x" || claims["uri"] != "GET api.coinbase.com/api/v3/brokerage/accounts" || claims["iss"] != "cdp" || claims["sub"] != "organizations/x" {
			t.Errorf("%s: %v, %v, %v", name, err, token.Header, claims)
		}
	}
	other, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	wrong, _ := x509.MarshalECPrivateKey(other)
	for _, secret := range []string{"c2hvcnQ=", "not a key at all", file("EC PRIVATE KEY", wrong), file("PRIVATE KEY", []byte("x"))} {
		if _, err := New(venue.Connection{Account: "a", Key: "k", Secret: secret}); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q is taken for a key: %v", secret, err)
		}
	}
}

// Whatever a product says, what is sent is never more than was asked, at no worse a price.
func FuzzProduct(f *testing.F) {
	f.Add([]byte(btc), "1.2345", "100.017", true)
	f.Add([]byte(`{"product_id":"A-USD","base_increment":"3","quote_increment":"7"}`), "10", "7", false)
	f.Add([]byte(`{"base_increment":1e40,"price_increment":"1e-40"}`), "1", "1", true)
	f.Fuzz(func(t *testing.T, text []byte, quantity, limit string, sell bool) {
		var p product
		var q, l amount
		if json.Unmarshal(text, &p) != nil || q.UnmarshalJSON([]byte(quantity)) != nil || l.UnmarshalJSON([]byte(limit)) != nil {
			return
		}
		p.cash = p.Quote
		o := lifeboat.Order{Symbol: "X", Side: lifeboat.Buy, Type: lifeboat.Limit, Quantity: q.d, Limit: l.d}
		if sell {
			o.Side = lifeboat.Sell
		}
		got, why := p.fit(o)
		if why == "" && (got.quantity.GreaterThan(o.Quantity) || !got.quantity.IsPositive() || sell && got.limit.LessThan(o.Limit) || !sell && got.limit.GreaterThan(o.Limit)) {
			t.Errorf("%s at %s became %s at %s", o.Quantity, o.Limit, got.quantity, got.limit)
		}
	})
}

// Whatever is read as an order makes a receipt that holds together, or an error.
func FuzzReceipt(f *testing.F) {
	f.Add([]byte(`{"order_id":"1","client_order_id":"lb-1","status":"FILLED","filled_size":"2","filled_value":"100","total_fees":"0.1","last_fill_time":"2026-03-16T18:00:00Z","created_time":"2026-03-16T18:00:00Z","order_configuration":{"market_market_ioc":{"base_size":"2"}}}`))
	f.Add([]byte(`{"status":"CANCELLED","filled_size":"1","average_filled_price":"3","last_fill_time":"","order_configuration":{"limit_limit_gtc":null}}`))
	f.Add([]byte(`{"status":"FAILED","filled_size":1e-40,"filled_value":"1e40"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var o order
		if json.Unmarshal(text, &o) != nil {
			return
		}
		v := &Venue{where: map[lifeboat.Key]*watched{}}
		r, err := v.receipt("lb-1", o)
		if err != nil {
			return
		}
		switch {
		case r.Filled.IsNegative(), r.Fee.IsNegative(), r.Price.IsNegative():
			t.Errorf("%+v of %+v", r, o)
		case r.Status == lifeboat.PartialFill && !r.Filled.IsPositive(), r.Status == lifeboat.OrderRejected && r.Filled.IsPositive(), r.Status == lifeboat.OrderRejected && r.Why == "":
			t.Errorf("%s with %s filled: %q", r.Status, r.Filled, r.Why)
		}
	})
}
