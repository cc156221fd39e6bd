package alpaca

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/act/venue"
)

type still struct{ lifeboat.Clock }

func (still) Now() time.Time { return time.Date(2020, 3, 16, 16, 0, 0, 0, time.UTC) }

const anOrder = `{"id":"5a3d6c40","client_order_id":"lb-1","symbol":"SPY","side":"sell","type":"limit","qty":"10","filled_qty":"4","filled_avg_price":"60.01",
"limit_price":60,"status":"partially_filled","created_at":"2020-03-16T16:00:00.123456789Z","filled_at":null,"legs":[]}`

// FuzzReceipt: whatever is said of an order is a receipt that can be true, or an error.
func FuzzReceipt(f *testing.F) {
	f.Add(anOrder)
	f.Add(strings.Replace(anOrder, `"4"`, `"-4"`, 1))
	f.Add(strings.Replace(anOrder, `"10"`, `"1e999999999"`, 1))
	f.Add(strings.Replace(anOrder, "partially_filled", "replaced", 1))
	f.Add(`{"id":"x","client_order_id":"y","qty":null,"notional":"5","status":"filled","filled_qty":"1","filled_avg_price":"1"}`)
	v, err := New(venue.Connection{Account: "broker", Key: "k", Secret: "s", Clock: still{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var o Order
		if json.Unmarshal([]byte(text), &o) != nil {
			return
		}
		r, err := v.receipt("ask for order", o)
		switch {
		case err != nil:
			if r.Key != "" || !strings.HasPrefix(err.Error(), "Alpaca: ask for order: ") {
				t.Fatalf("%+v beside %v", r, err)
			}
		case r.Key == "" || r.VenueID == "" || r.Status == "" || r.Filled.IsNegative() || o.Quantity.Said && r.Filled.GreaterThan(o.Quantity.Decimal),
			r.Filled.IsPositive() && !r.Price.IsPositive(), r.Status == lifeboat.PartialFill && !r.Filled.IsPositive(),
			r.Status == lifeboat.OrderRejected && r.Why == "":
			t.Fatalf("%+v of %s", r, text)
		}
		again, err := json.Marshal(o)
		if err != nil {
			return // a year that cannot be written out
		}
		var same Order
		if err := json.Unmarshal(again, &same); err != nil || !same.Filled.Equal(o.Filled.Decimal) || same.Quantity.Said != o.Quantity.Said {
			t.Fatalf("%s became %s: %v", text, again, err)
		}
	})
}

// FuzzAmount: no digit is lost, and nothing is taken that cannot be computed with.
func FuzzAmount(f *testing.F) {
	for _, text := range []string{`"12.50"`, "12.5", `""`, "null", `"1e40"`, `"1e-41"`, `"-0.000000012345678901"`, `"abc"`, `"1e999999999"`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var a, b Amount
		if a.UnmarshalJSON([]byte(text)) != nil || !a.Said {
			return
		}
		again, err := a.MarshalJSON()
		if err != nil || len(again) > 2*amountMax+8 {
			t.Fatalf("%s became %s, %v", text, again, err)
		}
		if len(again) > amountMax+2 {
			return // plain digits take more room than an exponent did
		}
		if err := b.UnmarshalJSON(again); err != nil || !a.Equal(b.Decimal) {
			t.Fatalf("%s became %s became %s, %v", text, again, b, err)
		}
	})
}

// FuzzUpdate: an update names its order, or is none.
func FuzzUpdate(f *testing.F) {
	f.Add(`{"at":"2020-03-16T16:00:00Z","event":"fill","event_id":"01","execution_id":"x","price":"60.01","qty":"4","position_qty":"6","timestamp":"2020-03-16T16:00:00Z","order":` + anOrder + `}`)
	f.Add(`{"event":"new","order":{}}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, text string) {
		u, err := parseUpdate([]byte(text))
		if err == nil && (u.Gap || u.Event == "" || u.Order.ID == "" || u.Order.ClientOrderID == "") {
			t.Fatalf("%+v of %s", u, text)
		}
	})
}

// FuzzExplain: what a server says of a refusal never breaks anything.
func FuzzExplain(f *testing.F) {
	f.Add(`{"code":40310000,"message":"insufficient buying power","buying_power":"5"}`)
	f.Add(`{"message":"unauthorized."}`)
	f.Add(`{"code":"x","message":5}`)
	f.Fuzz(func(t *testing.T, text string) {
		code, _ := explain(422, []byte(text))
		if strings.ContainsAny(code, "\n\r ") {
			t.Fatalf("%q", code)
		}
	})
}
