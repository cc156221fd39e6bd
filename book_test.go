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
	// Once the custodian has spoken, what the owner registers does not move the account, until it has no custodian any more.
	apply(PlanLoaded{Positions: []Position{{"a", "SPY", n("500")}, {"b", "SPY", n("8")}}, Venues: map[string]string{"a": "alpaca"}})
	if a, other := b.Quantity("a", "SPY"), b.Quantity("b", "SPY"); !a.Equal(n("50")) || !other.Equal(n("8")) {
		t.Errorf("registered over the custodian: %s and %s", a, other)
	}
	apply(PlanLoaded{Positions: []Position{{"a", "SPY", n("500")}, {"b", "SPY", n("8")}}})
	if a, cash := b.Quantity("a", "SPY"), b.Quantity("a", "USD"); !a.Equal(n("500")) || !cash.IsZero() {
		t.Errorf("without a custodian: %s SPY and %s USD", a, cash)
	}
}

func TestBookAfter(t *testing.T) {
	n := decimal.RequireFromString
	b := NewBook("USD")
	b.Apply(time.Time{}, PlanLoaded{Positions: []Position{{"a", "SPY", n("100")}, {"b", "SPY", n("7")}}})
	b.Apply(time.Time{}, Intent{Key: "k", Act: PlaceOrder, Order: &Order{ID: "k", Account: "a", Symbol: "SPY", Side: Sell, Quantity: n("50")}})
	after := b.After("a", []Receipt{{Key: "k", Account: "a", Status: PartialFill, Filled: n("10"), Price: n("2")}, {Key: "other", Filled: n("3")}})
	if len(after) != 2 || !after[0].Quantity.Equal(n("90")) || !after[1].Quantity.Equal(n("20")) || !b.Quantity("a", "SPY").Equal(n("100")) {
		t.Errorf("after the fill %v; the book holds %s", after, b.Quantity("a", "SPY"))
	}
}
