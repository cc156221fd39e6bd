package binance

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
)

const info = `{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","isSpotTradingAllowed":true,"filters":[
	{"filterType":"PRICE_FILTER","minPrice":"0.01","maxPrice":"1000000","tickSize":"0.01"},
	{"filterType":"LOT_SIZE","minQty":"0.00010","maxQty":"100","stepSize":"0.00001"},
	{"filterType":"MARKET_LOT_SIZE","minQty":"0","maxQty":"50","stepSize":"0"},
	{"filterType":"NOTIONAL","minNotional":"5","applyMinToMarket":true,"maxNotional":"9000","applyMaxToMarket":false},
	{"filterType":"SOMETHING_NEW","limit":3}]}`

// What is rounded is rounded to the owner's side; what does not fit is refused with the numbers.
func TestFit(t *testing.T) {
	for _, tc := range []struct {
		side            lifeboat.Side
		quantity, limit string // "" is a market order
		sent            string
		why             string
	}{
		{lifeboat.Sell, "1.234567", "100.001", "1.23456 at 100.01", ""},
		{lifeboat.Buy, "1.234567", "100.009", "1.23456 at 100", ""},
		{lifeboat.Sell, "1", "100.00", "1 at 100", ""},
		{lifeboat.Sell, "1.999999", "", "1.99999 at 0", ""},
		{lifeboat.Sell, "0.000001", "100", "", "less than the smallest step of BTCUSDT, which is 0.00001|below 0.0001"},
		{lifeboat.Sell, "0.00009", "100", "", "a quantity of 0.00009 is below 0.0001"},
		{lifeboat.Sell, "101", "1", "", "a quantity of 101 is above 100"},
		{lifeboat.Sell, "60", "", "", "a quantity of 60 is above 50"},
		{lifeboat.Sell, "0.0001", "100", "", "0.0001 × 100 is 0.01 USDT, and BTCUSDT takes no order below 5"},
		{lifeboat.Sell, "0.0001", "", "", "0.0001 × 50 is 0.005 USDT"},
		{lifeboat.Sell, "50", "1000", "", "takes no order above 9000: split it"},
		{lifeboat.Buy, "10", "0.001", "", "a limit of 0 is below 0.01"},
		{lifeboat.Sell, "1", "2000000", "", "a limit of 2000000 is above 1000000"},
	} {
		r, err := parseRules([]byte(info))
		if err != nil {
			t.Fatal(err)
		}
		r.cash = "USDT"
		o := lifeboat.Order{Symbol: "BTC", Side: tc.side, Type: lifeboat.Market, Quantity: decimal.RequireFromString(tc.quantity), Arrival: decimal.NewFromInt(50)}
		if tc.limit != "" {
			o.Type, o.Limit = lifeboat.Limit, decimal.RequireFromString(tc.limit)
		}
		got, why := r.fit(o)
		sent := fmt.Sprintf("%s at %s", got.quantity, got.limit)
		said := false
		for _, part := range strings.Split(tc.why, "|") {
			said = said || strings.Contains(why, part)
		}
		if (why == "") != (tc.why == "") || !said || why == "" && sent != tc.sent {
			t.Errorf("%s %s at %s: sent %s, refused with %q", tc.side, tc.quantity, tc.limit, sent, why)
		}
	}
}

// A key file signs as the documents say: the payload, in base64.
func TestEd25519(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	sign, err := signer(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := base64.StdEncoding.DecodeString(sign("symbol=BTCUSDT&timestamp=1"))
	if err != nil || !ed25519.Verify(public, []byte("symbol=BTCUSDT&timestamp=1"), signature) {
		t.Error("the signature does not hold", err)
	}
	for _, bad := range []string{"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "-----BEGIN nothing"} {
		if _, err := New(venue.Connection{Account: "a", Key: "k", Secret: bad}); err == nil || strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%q is taken for a key: %v", bad, err)
		}
	}
}

// The signature of the example in Binance's documents.
func TestHMAC(t *testing.T) {
	sign, err := signer("NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j")
	if err != nil {
		t.Fatal(err)
	}
	got := sign("symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559")
	if got != "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71" {
		t.Error(got)
	}
}

// Whatever rules and orders are read, what is sent is never more than was asked, at no worse a price.
func FuzzRules(f *testing.F) {
	f.Add([]byte(info), "1.2345", "100.017", true)
	f.Add([]byte(`{"symbol":"A","status":"BREAK","baseAsset":"A","quoteAsset":"USDT","filters":[{"filterType":"LOT_SIZE","stepSize":"3"}]}`), "10", "7", false)
	f.Add([]byte(`{"filters":[{"stepSize":"1e40","filterType":"LOT_SIZE"}]}`), "1", "1", true)
	f.Fuzz(func(t *testing.T, text []byte, quantity, limit string, sell bool) {
		r, err := parseRules(text)
		var q, l amount
		if err != nil || q.UnmarshalJSON([]byte(quantity)) != nil || l.UnmarshalJSON([]byte(limit)) != nil {
			return
		}
		r.cash = r.quote
		o := lifeboat.Order{Symbol: "X", Side: lifeboat.Buy, Type: lifeboat.Limit, Quantity: q.d, Limit: l.d}
		if sell {
			o.Side = lifeboat.Sell
		}
		got, why := r.fit(o)
		if why == "" && (got.quantity.GreaterThan(o.Quantity) || !got.quantity.IsPositive() || sell && got.limit.LessThan(o.Limit) || !sell && got.limit.GreaterThan(o.Limit)) {
			t.Errorf("%s at %s became %s at %s", o.Quantity, o.Limit, got.quantity, got.limit)
		}
	})
}

// Whatever is read as an order and its trades makes a receipt that holds together, or an error.
func FuzzReceipt(f *testing.F) {
	f.Add([]byte(`{"symbol":"BTCUSDT","orderId":1,"clientOrderId":"lb-1","status":"FILLED","origQty":"2","executedQty":"2"}`), []byte(`[{"id":1,"orderId":1,"price":"50","qty":"2","quoteQty":"100"}]`))
	f.Add([]byte(`{"orderId":1,"status":"CANCELED","origQty":"2","executedQty":"1"}`), []byte(`[]`))
	f.Add([]byte(`{"orderId":1,"status":"NEW","origQty":2}`), []byte(`[{"orderId":1,"id":1,"price":1e-40,"qty":1}]`))
	f.Fuzz(func(t *testing.T, one, list []byte) {
		var o order
		var trades []trade
		if json.Unmarshal(one, &o) != nil || json.Unmarshal(list, &trades) != nil {
			return
		}
		v := &Venue{where: map[lifeboat.Key]*watched{}, cash: "USDT"}
		r, err := v.receipt("lb-1", o, trades)
		switch {
		case err != nil:
		case r.Filled.GreaterThan(o.Quantity.d), r.Filled.IsNegative(), r.Fee.IsNegative(), r.Price.IsNegative():
			t.Errorf("%+v of %+v", r, o)
		case r.Status == lifeboat.Filled && o.Filled.d.LessThanOrEqual(o.Quantity.d) && !r.Filled.Equal(o.Quantity.d):
			t.Errorf("filled with %s of %s", r.Filled, o.Quantity.d)
		case r.Status == lifeboat.PartialFill && !r.Filled.IsPositive():
			t.Errorf("partly filled with nothing: %+v", r)
		}
	})
}
