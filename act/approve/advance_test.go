package approve

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

// bound on a sale at the broker, for an hour; no price is "".
func bound(symbol, quantity, price string) *lifeboat.Bound {
	b := &lifeboat.Bound{Account: "broker", Symbol: symbol, Side: lifeboat.Sell, Quantity: decimal.RequireFromString(quantity), Until: noon.Add(time.Hour)}
	if price != "" {
		b.Price = decimal.RequireFromString(price)
	}
	return b
}

func ask(id, by string, b *lifeboat.Bound) lifeboat.Request {
	return lifeboat.Request{ID: id, Verb: lifeboat.Preauthorise, By: by, Bound: b}
}

func sale(symbol, quantity, limit string) lifeboat.Order {
	o := lifeboat.Order{Account: "broker", Symbol: symbol, Side: lifeboat.Sell, Type: lifeboat.Market, Quantity: decimal.RequireFromString(quantity)}
	if limit != "" {
		o.Type, o.Limit = lifeboat.Limit, decimal.RequireFromString(limit)
	}
	return o
}

func TestPermits(t *testing.T) {
	priced, free := *bound("SPY", "10", "400"), *bound("SPY", "10", "")
	purchase := priced
	purchase.Side = lifeboat.Buy
	with := func(o lifeboat.Order, change func(*lifeboat.Order)) lifeboat.Order { change(&o); return o }
	for _, c := range []struct {
		what  string
		bound lifeboat.Bound
		order lifeboat.Order
		want  bool
	}{
		{"all of it", priced, sale("SPY", "10", "400"), true},
		{"less, for more", priced, sale("SPY", "3", "401"), true},
		{"too much", priced, sale("SPY", "10.000001", "400"), false},
		{"too cheap", priced, sale("SPY", "10", "399.99"), false},
		{"a market order keeps to no price", priced, sale("SPY", "10", ""), false},
		{"nor one that carries a limit all the same", priced, with(sale("SPY", "10", "400"), func(o *lifeboat.Order) { o.Type = lifeboat.Market }), false},
		{"without a price it may", free, sale("SPY", "10", ""), true},
		{"another symbol", free, sale("QQQ", "1", ""), false},
		{"another account", free, with(sale("SPY", "1", ""), func(o *lifeboat.Order) { o.Account = "bank" }), false},
		{"the other way", free, with(sale("SPY", "1", ""), func(o *lifeboat.Order) { o.Side = lifeboat.Buy }), false},
		{"nothing", free, sale("SPY", "0", ""), false},
		{"less than nothing", free, sale("SPY", "-1", ""), false},
		{"a purchase at the price", purchase, with(sale("SPY", "1", "400"), func(o *lifeboat.Order) { o.Side = lifeboat.Buy }), true},
		{"a purchase above it", purchase, with(sale("SPY", "1", "400.01"), func(o *lifeboat.Order) { o.Side = lifeboat.Buy }), false},
		{"a purchase at a limit of nothing", purchase, with(sale("SPY", "1", "0"), func(o *lifeboat.Order) { o.Side = lifeboat.Buy }), false},
	} {
		t.Run(c.what, func(t *testing.T) {
			if got := permits(c.bound, c.order); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestLifeOfABound: it stands until it is used, taken back, or over.
func TestLifeOfABound(t *testing.T) {
	a := NewAdvance(family())
	covers := func(at time.Time, orders ...lifeboat.Order) string {
		ids, ok := a.Covers(at, orders)
		if !ok {
			return "no"
		}
		return strings.Join(ids, " ")
	}
	expect := func(want, got string) {
		t.Helper()
		if got != want {
			t.Errorf("covered by %q, want %q", got, want)
		}
	}
	ten := sale("SPY", "10", "400")
	expect("no", covers(noon, ten))
	a.Apply(noon, ask("Q1", "Ana", bound("SPY", "10", "400")))
	a.Apply(noon, ask("Q2", "Ben", bound("SPY", "10", "400"))) // the plan lets only the owner
	a.Apply(noon, ask("Q3", "Ana", bound("SPY", "20", "")))
	expect("Q1", covers(noon, ten))
	expect("Q3 Q1", covers(noon, ten, ten))                   // the first makes room for the second
	expect("Q3 Q1", covers(noon, sale("SPY", "15", ""), ten)) // in the order of the orders
	expect("no", covers(noon, ten, ten, ten))
	expect("no", covers(noon))
	expect("Q1", covers(noon, ten)) // asking uses nothing
	if got := a.Until([]string{"Q1", "Q3"}); !got.Equal(noon.Add(time.Hour)) {
		t.Errorf("they end at %s", got)
	}
	a.Apply(noon, lifeboat.StepFinished{Run: "r", Step: "1", Status: lifeboat.Done, Preauthorised: []string{"Q1"}})
	expect("Q3", covers(noon, ten))
	a.Apply(noon, ask("Q1", "Ana", bound("SPY", "10", "400"))) // an ID names one request for ever
	expect("Q3", covers(noon, ten))
	a.Apply(noon, lifeboat.Request{ID: "Q4", Verb: lifeboat.RevokeAuthority, By: "Ana", Object: "Q3"})
	expect("no", covers(noon, ten))
	a.Apply(noon, ask("Q5", "Ana", bound("SPY", "10", "")))
	expect("Q5", covers(noon.Add(time.Hour-time.Nanosecond), ten))
	expect("no", covers(noon.Add(time.Hour), ten))
}

// TestSeveralMustWant: where a mandate stands behind it, a bound stands when enough people signed for the very same one.
func TestSeveralMustWant(t *testing.T) {
	p := family()
	p.Authority.Approve = "board" // two trustees, with a factor
	a := NewAdvance(p)
	signed := func(id, by string, b *lifeboat.Bound) lifeboat.Request {
		r := ask(id, by, b)
		r.Factor = &lifeboat.Factor{Kind: "totp", ID: "t", Content: DigestRequest(r)}
		return r
	}
	ten := []lifeboat.Order{sale("SPY", "10", "")}
	standing := func(what string, want bool) {
		t.Helper()
		if _, ok := a.Covers(noon, ten); ok != want {
			t.Errorf("%s: covered %v", what, ok)
		}
	}
	a.Apply(noon, signed("Q1", "Ben", bound("SPY", "10", "")))
	standing("one trustee", false)
	a.Apply(noon, signed("Q2", "Ben", bound("SPY", "10", "")))
	standing("the same one again", false)
	a.Apply(noon, ask("Q3", "Cem", bound("SPY", "10", "")))
	standing("another without a factor", false)
	stolen := signed("Q4", "Cem", bound("SPY", "1", ""))
	stolen.Bound = bound("SPY", "10", "")
	a.Apply(noon, stolen)
	standing("a factor for another bound", false)
	a.Apply(noon, signed("Q5", "Cem", bound("SPY", "11", "")))
	standing("another bound", false)
	a.Apply(noon, signed("Q6", "Cem", bound("SPY", "10", "")))
	standing("two trustees for the same", true)
	a.Apply(noon, lifeboat.Request{Verb: lifeboat.RevokeAuthority, Object: "Q6"})
	standing("one of them no longer", false)
}

func TestAdvanceFits(t *testing.T) {
	a := NewAdvance(family())
	a.Apply(noon, ask("Q0", "Ana", bound("SPY", "10", "")))
	with := func(change func(*lifeboat.Bound)) lifeboat.Request {
		b := bound("SPY", "10", "400")
		change(b)
		return ask("Q1", "Ana", b)
	}
	for _, c := range []struct {
		what string
		r    lifeboat.Request
		want string // a part of the refusal; "" for none
	}{
		{"a good one", with(func(*lifeboat.Bound) {}), ""},
		{"no bound", ask("Q1", "Ana", nil), "names an account"},
		{"no account", with(func(b *lifeboat.Bound) { b.Account = "" }), "names an account"},
		{"no side", with(func(b *lifeboat.Bound) { b.Side = "short" }), "names an account"},
		{"no quantity", with(func(b *lifeboat.Bound) { b.Quantity = decimal.Zero }), "quantity above zero"},
		{"a negative price", with(func(b *lifeboat.Bound) { b.Price = decimal.NewFromInt(-1) }), "cannot be negative"},
		{"over", with(func(b *lifeboat.Bound) { b.Until = noon }), "ended at 2026-11-23 12:00:00 UTC"},
		{"not the owner", ask("Q1", "Ben", bound("SPY", "10", "")), "Ben cannot approve this in advance: it is for Ana"},
		{"take back what stands", lifeboat.Request{Verb: lifeboat.RevokeAuthority, Object: "Q0"}, ""},
		{"take back what does not", lifeboat.Request{Verb: lifeboat.RevokeAuthority, Object: "Q9"}, `stands under "Q9"`},
		{"something else", lifeboat.Request{Verb: lifeboat.PauseRun}, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			err := a.Fits(noon, c.r)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	for i := range grantsMax {
		a.Apply(noon, ask(fmt.Sprint("N", i), "Ana", bound("SPY", "10", "")))
	}
	if err := a.Fits(noon, with(func(*lifeboat.Bound) {})); err == nil || !strings.Contains(err.Error(), "1000 approvals in advance") {
		t.Errorf("there is no limit: %v", err)
	}
	later := with(func(b *lifeboat.Bound) { b.Until = noon.Add(3 * time.Hour) })
	if err := a.Fits(noon.Add(2*time.Hour), later); err != nil {
		t.Errorf("what is over takes up room: %v", err)
	}
	if err := NewAdvance(&plan.Plan{}).Fits(noon, with(func(*lifeboat.Bound) {})); err == nil || !strings.Contains(err.Error(), "nobody in the plan may") {
		t.Errorf("got %v", err)
	}
}

// TestCoversFindsWhateverThereIs compares with trying every way of giving orders to bounds, and with a fold begun anew.
func TestCoversFindsWhateverThereIs(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	dice := rand.New(rand.NewPCG(seed, 0))
	covered := 0
	for round := range 3000 {
		a, again := NewAdvance(family()), NewAdvance(family())
		var bounds []lifeboat.Bound
		var events []lifeboat.Event
		for i := range dice.IntN(6) {
			b := bound([]string{"SPY", "QQQ"}[dice.IntN(2)], fmt.Sprint(1+dice.IntN(4)), []string{"", "1", "2", "3"}[dice.IntN(4)])
			bounds = append(bounds, *b)
			events = append(events, ask(fmt.Sprint("Q", i), "Ana", b))
		}
		for _, e := range events {
			a.Apply(noon, e)
		}
		for _, e := range events {
			again.Apply(noon, e)
		}
		var orders []lifeboat.Order
		for range 1 + dice.IntN(5) {
			orders = append(orders, sale([]string{"SPY", "QQQ"}[dice.IntN(2)], fmt.Sprint(1+dice.IntN(4)), []string{"", "1", "2", "3"}[dice.IntN(4)]))
		}
		ids, ok := a.Covers(noon, orders)
		if want := coverable(orders, bounds, map[int]bool{}); ok != want {
			t.Fatalf("seed %d, round %d: covered %v, want %v: %v by %v", seed, round, ok, want, orders, bounds)
		}
		same, _ := again.Covers(noon, orders)
		if !reflect.DeepEqual(ids, same) {
			t.Fatalf("seed %d, round %d: %v, then %v", seed, round, ids, same)
		}
		used := map[string]bool{}
		for i, id := range ids {
			var n int
			if fmt.Sscanf(id, "Q%d", &n); used[id] || !permits(bounds[n], orders[i]) {
				t.Fatalf("seed %d, round %d: order %d was given to %s", seed, round, i, id)
			}
			used[id] = true
		}
		if ok {
			covered++
		}
	}
	if covered < 100 {
		t.Errorf("seed %d: only %d of 3000 rounds were covered: the test proves little", seed, covered)
	}
}

func coverable(orders []lifeboat.Order, bounds []lifeboat.Bound, taken map[int]bool) bool {
	if len(orders) == 0 {
		return true
	}
	for i, b := range bounds {
		if !taken[i] && permits(b, orders[0]) {
			taken[i] = true
			if coverable(orders[1:], bounds, taken) {
				return true
			}
			delete(taken, i)
		}
	}
	return false
}
