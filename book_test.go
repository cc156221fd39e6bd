package lifeboat

import (
	"testing"
	"time"

	"github.com/shopspring/decimal"
)

// What a custodian says replaces what an account held, and a fill that it counted already is not counted again.
func TestBookRestated(t *testing.T) {
	n := decimal.RequireFromString
	b := NewBook("USD")
	apply := func(e Event) { b.Apply(time.Time{}, e) }
	apply(PlanLoaded{Positions: []Position{{"a", "SPY", n("100")}, {"a", "USD", n("10")}, {"b", "SPY", n("7")}}})
	apply(Intent{Key: "k", Act: PlaceOrder, Order: &Order{ID: "k", Account: "a", Symbol: "SPY", Side: Sell, Quantity: n("50")}})
	apply(Receipt{Key: "k", Account: "a", Status: PartialFill, Filled: n("10"), Price: n("2")})
	apply(Restated{Account: "a", Positions: []Position{{"a", "SPY", n("70")}, {"a", "QQQ", n("3")}},
		Placed: []Receipt{{Key: "k", Account: "a", Status: PartialFill, Filled: n("30"), Price: n("2")}}})
	for _, want := range []struct{ account, symbol, quantity string }{{"a", "SPY", "70"}, {"a", "QQQ", "3"}, {"a", "USD", "0"}, {"b", "SPY", "7"}} {
		if got := b.Quantity(want.account, want.symbol); !got.Equal(n(want.quantity)) {
			t.Errorf("%s of %s: %s, want %s", want.symbol, want.account, got, want.quantity)
		}
	}
	apply(Receipt{Key: "k", Account: "a", Status: Filled, Filled: n("50"), Price: n("2")})
	if spy, usd := b.Quantity("a", "SPY"), b.Quantity("a", "USD"); !spy.Equal(n("50")) || !usd.Equal(n("40")) {
		t.Errorf("after the rest of the fill: %s SPY, %s USD", spy, usd)
	}
}
