package audit

import (
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

var noon = time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC)

// room is an audit and the book that it looks at, under one account with 100 SPY and 1,000 USD.
type room struct {
	*Audit
	book *lifeboat.Book
	at   time.Time
}

func open() *room {
	book := lifeboat.NewBook("USD")
	r := &room{New(&plan.Plan{People: []plan.Person{{Name: "Alex", Role: "owner"}}}, book), book, noon}
	r.apply(lifeboat.PlanLoaded{Positions: []lifeboat.Position{{Account: "a", Symbol: "SPY", Quantity: number("100")}, {Account: "a", Symbol: "USD", Quantity: number("1000")}}})
	return r
}

func (r *room) apply(e lifeboat.Event) {
	r.book.Apply(r.at, e)
	r.Apply(r.at, e)
}

// says lets the custodian speak after a while, and gives what follows.
func (r *room) says(after time.Duration, spy, usd string, placed ...lifeboat.Receipt) []lifeboat.Event {
	r.at = r.at.Add(after)
	s := lifeboat.Statement{Account: "a", Source: "Far", At: r.at, Placed: placed}
	for symbol, quantity := range map[string]string{"SPY": spy, "USD": usd} {
		if quantity != "" {
			s.Lines = append(s.Lines, lifeboat.StatementLine{Symbol: symbol, Quantity: number(quantity)})
		}
	}
	r.apply(s)
	events := r.Next(r.at)
	for _, e := range events {
		r.apply(e)
	}
	return events
}

func number(text string) decimal.Decimal { return decimal.RequireFromString(text) }

func TestBookFollowsTwoStatements(t *testing.T) {
	r := open()
	if events := r.says(0, "100", "1000.004"); len(events) != 0 {
		t.Errorf("they agree, and yet %v", events)
	}
	for i, step := range []struct {
		after    time.Duration
		spy, usd string
		follows  bool
	}{
		{time.Minute, "", "1000", false},      // an empty account, once
		{time.Minute, "100", "1000", false},   // and it is back
		{time.Minute, "", "1000", false},      // again
		{30 * time.Second, "", "1000", false}, // too soon to count as a second one
		{30 * time.Second, "", "1000", true},
		{time.Minute, "", "1000", false}, // the book is there now
	} {
		events := r.says(step.after, step.spy, step.usd)
		if got := len(events) > 0; got != step.follows {
			t.Fatalf("step %d: %v", i, events)
		}
		if !step.follows {
			continue
		}
		m := events[1].(lifeboat.Intent).Message
		if m.Tier != lifeboat.Action || !strings.Contains(m.Text, "0 SPY where the book had 100") {
			t.Errorf("told: %+v", m)
		}
	}
	if held := r.book.Quantity("a", "SPY"); !held.IsZero() {
		t.Errorf("the book still has %s", held)
	}
}

// What is filled while the custodian speaks is neither missing nor counted twice.
func TestFillsAreNoDifference(t *testing.T) {
	r := open()
	r.apply(lifeboat.Intent{Key: "k", Act: lifeboat.PlaceOrder, Order: &lifeboat.Order{ID: "k", Account: "a", Symbol: "SPY", Side: lifeboat.Sell, Quantity: number("50")}})
	part := lifeboat.Receipt{Key: "k", Account: "a", Status: lifeboat.PartialFill, Filled: number("20"), Price: number("10")}
	for range 3 { // the statement knows of a fill that the flow has not heard of
		if events := r.says(time.Minute, "80", "1200", part); len(events) != 0 {
			t.Fatalf("a fill on its way: %v", events)
		}
	}
	for range 3 { // an order is open that the statement does not mention
		if events := r.says(time.Minute, "80", "1200"); len(events) != 0 {
			t.Fatalf("an order that is not mentioned: %v", events)
		}
	}
	whole := part
	whole.Status, whole.Filled = lifeboat.Filled, number("50")
	r.apply(whole)
	if events := r.says(90*time.Second, "80", "1200"); len(events) != 0 {
		t.Fatalf("a custodian that lags behind a fill: %v", events)
	}
	for range 3 {
		if events := r.says(time.Minute, "50", "1500"); len(events) != 0 {
			t.Fatalf("all is told: %v", events)
		}
	}
}

// A custodian that is not heard of is told once, and again only after it was heard.
func TestSilence(t *testing.T) {
	r := open()
	r.apply(lifeboat.PlanLoaded{Venues: map[string]string{"a": "alpaca"}})
	look := func(after time.Duration) int {
		r.at = r.at.Add(after)
		events := r.Next(r.at)
		for _, e := range events {
			r.apply(e)
		}
		return len(events)
	}
	if due := r.Due(); !due.Equal(noon.Add(silent)) || look(silent-time.Second) != 0 {
		t.Errorf("due at %s", due)
	}
	if first, second := look(time.Second), look(time.Hour); first != 1 || second != 0 || !r.Due().IsZero() {
		t.Errorf("told %d times, and then %d", first, second)
	}
	r.says(0, "100", "1000")
	if look(silent-time.Second) != 0 || look(time.Second) != 1 {
		t.Error("after it was heard again, its silence is another one")
	}
	r.apply(lifeboat.PlanLoaded{})
	if look(silent) != 0 {
		t.Error("an account that the plan does not have any more is missed")
	}
}
