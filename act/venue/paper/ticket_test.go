package paper_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/paper"
)

// ticket reads an order as above, with terms behind it: "sell 10 SPY at 250, stop 240, day".
func ticket(t *testing.T, id, text string) paper.Ticket {
	t.Helper()
	first, terms, _ := strings.Cut(text, ", ")
	k := paper.Ticket{Order: order(t, id, first)}
	for term := range strings.SplitSeq(terms, ", ") {
		name, value, _ := strings.Cut(term, " ")
		switch name {
		case "":
		case "stop":
			k.Stop = dec(value)
		case "trail":
			k.Trail = dec(value)
		case "trail%":
			k.TrailPercent = dec(value)
		case "notional":
			k.Notional = dec(value)
		case "extended":
			k.Extended = true
		case "class":
			k.Class = paper.Class(value)
		default:
			k.Force = paper.Force(name)
		}
	}
	return k
}

func submit(t *testing.T, v *paper.Venue, at time.Time, k paper.Ticket, legs ...paper.Ticket) {
	t.Helper()
	if _, err := v.Submit(t.Context(), at, k, legs...); err != nil {
		t.Fatal(err)
	}
}

func pass(t *testing.T, v *paper.Venue, at time.Time) {
	t.Helper()
	if err := v.Pass(at); err != nil {
		t.Fatal(err)
	}
}

// What an order with terms does: what was shown before, the order, what was shown after; "" passes time alone.
func TestTickets(t *testing.T) {
	type shown struct {
		at       time.Time
		readings string
	}
	hour := midday.Add(time.Hour)
	evening := closes.Add(2 * time.Hour)
	for _, tc := range []struct {
		name   string
		change func(*paper.Config)
		before []shown
		at     time.Time
		order  string
		after  []shown
		want   string
	}{
		{"a stop rests above its price", nil, []shown{{midday, "SPY 240"}}, midday, "sell 10 SPY, stop 230", []shown{{hour, "SPY 231"}}, "accepted"},
		{"and wakes at it", nil, []shown{{midday, "SPY 240"}}, midday, "sell 10 SPY, stop 230", []shown{{hour, "SPY 230"}}, "filled 10 at 230"},
		{"a gap through a stop is the owner's loss", nil, []shown{{midday, "SPY 240"}}, midday, "sell 10 SPY, stop 230", []shown{{hour, "SPY 200"}}, "filled 10 at 200"},
		{"a bar that traded through it fills at the stop", nil, []shown{{midday, "SPY 240"}}, midday, "sell 10 SPY, stop 230",
			[]shown{{closes, "SPY.low 220, SPY.high 241, SPY 240"}}, "filled 10 at 230"},
		{"a stop to buy", nil, []shown{{midday, "SPY 240"}}, midday, "buy 10 SPY, stop 250", []shown{{hour, "SPY 255"}}, "filled 10 at 255"},
		{"a stop-limit that wakes and is out of reach", nil, []shown{{midday, "SPY 240"}}, midday, "sell 10 SPY at 229, stop 230", []shown{{hour, "SPY 220"}}, "accepted"},
		{"stays awake until the price is back", nil, []shown{{midday, "SPY 240"}}, midday, "sell 10 SPY at 229, stop 230",
			[]shown{{hour, "SPY 220"}, {closes, "SPY 235"}}, "filled 10 at 235"},
		{"a trailing stop follows up and not down", nil, []shown{{midday, "SPY 240"}}, midday, "sell 10 SPY, trail 10",
			[]shown{{hour, "SPY 260"}, {hour.Add(time.Hour), "SPY 251"}, {closes, "SPY 250"}}, "filled 10 at 250"},
		{"in percent", nil, []shown{{midday, "SPY 240"}}, midday, "sell 10 SPY, trail% 10", []shown{{hour, "SPY 250"}, {closes, "SPY 225.01"}}, "accepted"},
		{"in percent, reached", nil, []shown{{midday, "SPY 240"}}, midday, "sell 10 SPY, trail% 10", []shown{{hour, "SPY 250"}, {closes, "SPY 225"}}, "filled 10 at 225"},
		{"a day order ends with its day", nil, []shown{{midday, "SPY 240"}}, midday, "buy 10 SPY at 200, day", []shown{{closes, ""}}, "expired"},
		{"not before", nil, []shown{{midday, "SPY 240"}}, midday, "buy 10 SPY at 200, day", []shown{{closes.Add(-1), ""}}, "accepted"},
		{"one of the evening lives tomorrow", nil, []shown{{closes, "SPY 240"}}, evening, "sell 10 SPY, day",
			[]shown{{closes.Add(12 * time.Hour), ""}, {opens.Add(tuesday), "SPY 231"}}, "filled 10 at 231"},
		{"till cancelled never ends", nil, []shown{{midday, "SPY 240"}}, midday, "buy 10 SPY at 200", []shown{{closes.Add(30 * tuesday), ""}}, "accepted"},
		{"extended hours fill after the close", nil, []shown{{midday, "SPY 240"}}, midday, "sell 10 SPY at 245, day, extended", []shown{{closes.Add(time.Hour), "SPY 246"}}, "filled 10 at 246"},
		{"and end at eight", nil, []shown{{midday, "SPY 240"}}, midday, "sell 10 SPY at 245, day, extended", []shown{{closes.Add(4 * time.Hour), ""}}, "expired"},
		{"what is not for extended hours waits", nil, []shown{{midday, "SPY 240"}}, midday, "sell 10 SPY at 245", []shown{{closes.Add(time.Hour), "SPY 246"}}, "accepted"},
		{"ioc takes what there is", nil, []shown{{midday, "SPY 240, SPY.volume 50"}}, midday, "sell 10 SPY, ioc", nil, "canceled 5 at 240"},
		{"fok takes all or nothing", nil, []shown{{midday, "SPY 240, SPY.volume 50"}}, midday, "sell 10 SPY, fok", nil, "canceled"},
		{"fok, all", nil, []shown{{midday, "SPY 240, SPY.volume 500"}}, midday, "sell 10 SPY, fok", nil, "filled 10 at 240"},
		{"for the opening", nil, []shown{{closes, "SPY 240"}}, evening, "sell 10 SPY, opg", []shown{{opens.Add(tuesday), "SPY 231"}}, "filled 10 at 231"},
		{"the opening leaves nothing resting", nil, []shown{{closes, "SPY 240"}}, evening, "sell 10 SPY at 250, opg", []shown{{opens.Add(tuesday), "SPY 231"}}, "expired"},
		{"no opening came", nil, []shown{{closes, "SPY 240"}}, evening, "sell 10 SPY, opg", []shown{{opens.Add(tuesday + 5*time.Minute), ""}}, "expired"},
		{"for the close", nil, []shown{{midday, "SPY 240"}}, midday, "sell 10 SPY, cls", []shown{{hour, "SPY 250"}, {closes, "SPY 239"}}, "filled 10 at 239"},
		{"for a close that nobody quoted", nil, []shown{{midday, "SPY 240"}}, midday, "sell 10 SPY, cls", []shown{{hour, "SPY 250"}, {closes, ""}}, "filled 10 at 250"},
		{"a notional", func(c *paper.Config) { c.Fractional = nil }, []shown{{midday, "SPY 240"}}, midday, "buy 0 SPY, notional 100, day", nil, "filled 0.41666666 at 240"},
		{"a notional is worth what the first fill costs", func(c *paper.Config) { c.Fractional = nil }, []shown{{closes, "SPY 240"}}, evening, "buy 0 SPY, notional 100, day",
			[]shown{{opens.Add(tuesday), "SPY 200"}}, "filled 0.5 at 200"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ledger.jsonl")
			ledger := openLedger(t, path)
			change := func(c *paper.Config) {
				if tc.change != nil {
					tc.change(c)
				}
				c.Ledger = ledger
			}
			v := stocks(t, change)
			for _, s := range tc.before {
				show(t, v, s.at, s.readings)
			}
			submit(t, v, tc.at, ticket(t, "lb-1", tc.order))
			for _, s := range tc.after {
				pass(t, v, s.at.Add(-1))
				if s.readings != "" {
					show(t, v, s.at, s.readings)
				}
				pass(t, v, s.at)
			}
			if got := told(ask(t, v, "lb-1")); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			_ = ledger.Close()
			ledger = openLedger(t, path)
			before, _ := v.View("lb-1")
			after, _ := stocks(t, change).View("lb-1")
			if fmt.Sprint(before) != fmt.Sprint(after) {
				t.Errorf("opened again it is\n%v, was\n%v", after, before)
			}
		})
	}
}

// group is an entry with two exits that exclude each other.
func group(t *testing.T, entry string, profit, loss string) (paper.Ticket, []paper.Ticket) {
	k := ticket(t, "lb-entry", entry)
	p, l := ticket(t, "lb-profit", profit), ticket(t, "lb-loss", loss)
	k.Class, p.Class, l.Class = paper.Bracket, paper.Bracket, paper.Bracket
	p.Parent, l.Parent, p.Waits, l.Waits, p.Twin, l.Twin = k.ID, k.ID, true, true, l.ID, p.ID
	return k, []paper.Ticket{p, l}
}

func TestBracket(t *testing.T) {
	for _, tc := range []struct {
		name        string
		act         func(t *testing.T, v *paper.Venue)
		want        string // entry, profit, loss
		free, spare string // shares that can still be sold; cash claimed
	}{
		{"the exits sleep until the entry is filled", func(t *testing.T, v *paper.Venue) {}, "accepted, accepted, accepted", "1000", "2300"},
		{"the entry ends unfilled: so do they", func(t *testing.T, v *paper.Venue) {
			if _, err := v.Cancel(t.Context(), midday, "lb-entry"); err != nil {
				t.Fatal(err)
			}
		}, "canceled, canceled, canceled", "1000", "0"},
		{"filled, they claim the shares once", func(t *testing.T, v *paper.Venue) { show(t, v, midday.Add(time.Hour), "SPY 230") },
			"filled 10 at 230, accepted, accepted", "1000", "0"},
		{"the profit ends the loss", func(t *testing.T, v *paper.Venue) {
			show(t, v, midday.Add(time.Hour), "SPY 230")
			show(t, v, midday.Add(2*time.Hour), "SPY 260")
		}, "filled 10 at 230, filled 10 at 260, canceled", "1000", "0"},
		{"the loss ends the profit", func(t *testing.T, v *paper.Venue) {
			show(t, v, midday.Add(time.Hour), "SPY 230")
			show(t, v, midday.Add(2*time.Hour), "SPY 200")
		}, "filled 10 at 230, canceled, filled 10 at 200", "1000", "0"},
		{"a bar through both sells the shares once", func(t *testing.T, v *paper.Venue) {
			show(t, v, midday.Add(time.Hour), "SPY 230")
			show(t, v, midday.Add(2*time.Hour), "SPY.low 200, SPY.high 260, SPY 230")
		}, "filled 10 at 230, filled 10 at 250, canceled", "1000", "0"},
		{"what the one fills in part the other cannot", func(t *testing.T, v *paper.Venue) {
			show(t, v, midday.Add(time.Hour), "SPY 230")
			show(t, v, midday.Add(2*time.Hour), "SPY 260, SPY.volume 140")
			show(t, v, midday.Add(3*time.Hour), "SPY 200, SPY.volume 1000")
		}, "filled 10 at 230, canceled 4 at 260, canceled 6 at 200", "1000", "0"},
		{"nor when its order was replaced meanwhile", func(t *testing.T, v *paper.Venue) {
			show(t, v, midday.Add(time.Hour), "SPY 230")
			show(t, v, midday.Add(2*time.Hour), "SPY 260, SPY.volume 140")
			if _, err := v.Replace(t.Context(), midday.Add(150*time.Minute), "lb-profit", func(k *paper.Ticket) { k.ID, k.Limit = "lb-new", dec("300") }); err != nil {
				t.Fatal(err)
			}
			show(t, v, midday.Add(3*time.Hour), "SPY 200, SPY.volume 1000")
			if got := told(ask(t, v, "lb-new")); got != "canceled" {
				t.Errorf("the replacement is %s", got)
			}
		}, "filled 10 at 230, canceled 4 at 260, canceled 6 at 200", "1000", "0"},
		{"cancelling one exit ends both", func(t *testing.T, v *paper.Venue) {
			show(t, v, midday.Add(time.Hour), "SPY 230")
			if _, err := v.Cancel(t.Context(), midday.Add(2*time.Hour), "lb-loss"); err != nil {
				t.Fatal(err)
			}
		}, "filled 10 at 230, canceled, canceled", "1010", "0"},
		{"a replaced exit takes its place", func(t *testing.T, v *paper.Venue) {
			show(t, v, midday.Add(time.Hour), "SPY 230")
			if _, err := v.Replace(t.Context(), midday.Add(2*time.Hour), "lb-profit", func(k *paper.Ticket) { k.ID, k.Limit = "lb-new", dec("240") }); err != nil {
				t.Fatal(err)
			}
			show(t, v, midday.Add(3*time.Hour), "SPY 241")
			if got := told(ask(t, v, "lb-new")); got != "filled 10 at 241" {
				t.Errorf("the replacement is %s", got)
			}
		}, "filled 10 at 230, canceled, canceled", "1000", "0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ledger.jsonl")
			ledger := openLedger(t, path)
			change := func(c *paper.Config) { c.Ledger = ledger }
			v := stocks(t, change)
			show(t, v, midday, "SPY 240")
			entry, legs := group(t, "buy 10 SPY at 230", "sell 10 SPY at 250", "sell 10 SPY, stop 210")
			submit(t, v, midday, entry, legs...)
			tc.act(t, v)
			got := fmt.Sprintf("%s, %s, %s", told(ask(t, v, "lb-entry")), told(ask(t, v, "lb-profit")), told(ask(t, v, "lb-loss")))
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if s := v.Statement(); s.Holdings[0].Quantity.Sub(s.Holdings[0].Claimed).String() != tc.free || s.Claimed.String() != tc.spare {
				t.Errorf("free %s, claimed %s; want %s and %s", s.Holdings[0].Quantity.Sub(s.Holdings[0].Claimed), s.Claimed, tc.free, tc.spare)
			}
			_ = ledger.Close()
			ledger = openLedger(t, path)
			if again := stocks(t, change); fmt.Sprint(again.Statement(), again.OpenViews()) != fmt.Sprint(v.Statement(), v.OpenViews()) {
				t.Errorf("opened again:\n%v\nwas\n%v", fmt.Sprint(again.Statement(), again.OpenViews()), fmt.Sprint(v.Statement(), v.OpenViews()))
			}
		})
	}
}

// A replacement ends the old order in the same entry; one that filled first stays, and of a half-filled one the rest is replaced.
func TestReplace(t *testing.T) {
	v := stocks(t, nil)
	show(t, v, midday, "SPY 240")
	place(t, v, midday, "lb-filled", "sell 10 SPY")
	change := func(id string) func(*paper.Ticket) {
		return func(k *paper.Ticket) { k.ID, k.Limit = lifeboat.Key(id), dec("239") }
	}
	var r *paper.Refusal
	if _, err := v.Replace(t.Context(), midday, "lb-filled", change("lb-2")); !errors.As(err, &r) || r.Kind != paper.Ended {
		t.Errorf("a filled order was replaced: %v", err)
	}
	if _, err := v.Replace(t.Context(), midday, "lb-never", change("lb-2")); !errors.Is(err, lifeboat.ErrAbsent) {
		t.Errorf("an order that never was: %v", err)
	}
	show(t, v, midday.Add(time.Minute), "SPY 240, SPY.volume 140")
	place(t, v, midday.Add(time.Minute), "lb-half", "sell 10 SPY at 240")
	w, err := v.Replace(t.Context(), midday.Add(2*time.Minute), "lb-half", change("lb-rest"))
	if err != nil || w.Quantity.String() != "6" || w.Replaces != "lb-half" {
		t.Fatalf("%v, %v", w, err)
	}
	old, _ := v.View("lb-half")
	if old.ReplacedBy != "lb-rest" || old.Receipt.Status != lifeboat.Canceled || old.Receipt.Filled.String() != "4" {
		t.Errorf("the old one is %v", old)
	}
	if _, err := v.Replace(t.Context(), midday.Add(2*time.Minute), "lb-rest", func(k *paper.Ticket) { k.ID = "lb-half" }); !errors.As(err, &r) || r.Kind != paper.KeyTaken {
		t.Errorf("a key was used twice: %v", err)
	}
	if _, err := v.Replace(t.Context(), midday.Add(2*time.Minute), "lb-rest", func(k *paper.Ticket) { k.ID, k.Quantity = "lb-more", dec("5000") }); !errors.As(err, &r) || r.Kind != paper.ShortStock {
		t.Errorf("more was sold than is there: %v", err)
	}
}

// Phases of the market hold fills back, and the cancel-only one holds orders back.
func TestPhases(t *testing.T) {
	for _, phase := range []paper.Phase{paper.Halted, paper.Auction, paper.CancelOnly} {
		for _, symbol := range []string{"SPY", ""} {
			v := stocks(t, nil)
			show(t, v, midday, "SPY 240")
			place(t, v, midday, "lb-before", "buy 10 SPY at 200")
			v.SetPhase(symbol, phase)
			show(t, v, midday.Add(time.Minute), "SPY 199")
			if r := ask(t, v, "lb-before"); r.Status != lifeboat.Accepted {
				t.Errorf("%s of %q: an order filled: %s", phase, symbol, told(r))
			}
			r := place(t, v, midday.Add(time.Minute), "lb-1", "sell 10 SPY")
			if refused := r.Status == lifeboat.OrderRejected; refused != (phase == paper.CancelOnly) || !refused && r.Status != lifeboat.Accepted {
				t.Errorf("%s of %q: a new order is %s", phase, symbol, told(r))
			}
			if r, err := v.Cancel(t.Context(), midday.Add(time.Minute), "lb-before"); err != nil || r.Status != lifeboat.Canceled {
				t.Errorf("%s of %q: an order could not be cancelled: %s, %v", phase, symbol, told(r), err)
			}
			v.SetPhase(symbol, paper.Continuous)
			show(t, v, midday.Add(2*time.Minute), "SPY 198")
			if r := ask(t, v, "lb-1"); phase != paper.CancelOnly && told(r) != "filled 10 at 198" {
				t.Errorf("%s of %q over: the order is %s", phase, symbol, told(r))
			}
		}
	}
}

// The circuit breaker of the exchange: levels 1 and 2 halt for a quarter of an hour and only once each, not in the last 35
// minutes; level 3 halts for the day.
func TestCircuitBreaker(t *testing.T) {
	yesterday := closes.Add(-3 * 24 * time.Hour)
	for _, tc := range []struct {
		name   string
		at     time.Time
		prices string // of the index, a minute apart
		level  int
		halts  time.Duration // from the last price; 0 for none
	}{
		{"6.9 percent is no halt", midday, "100 93.1", 0, 0},
		{"7 percent", midday, "100 93", 1, 15 * time.Minute},
		{"the same level does not halt twice", midday, "93 95 92", 1, 13 * time.Minute},
		{"13 percent after that", midday, "93 87", 2, 15 * time.Minute},
		{"13 percent at once", midday, "87", 2, 15 * time.Minute},
		{"20 percent", midday, "80", 3, 4 * time.Hour},
		{"7 percent at 15:24", closes.Add(-36 * time.Minute), "93", 1, 15 * time.Minute},
		{"7 percent at 15:25", closes.Add(-35 * time.Minute), "93", 1, 0},
		{"13 percent at 15:40", closes.Add(-20 * time.Minute), "87", 2, 0},
		{"20 percent at 15:40", closes.Add(-20 * time.Minute), "80", 3, 20 * time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := stocks(t, func(c *paper.Config) { c.Index = "SPX" })
			show(t, v, yesterday, "SPX 100, SPY 240")
			at := tc.at
			for i, price := range strings.Fields(tc.prices) {
				at = tc.at.Add(time.Duration(i) * time.Minute)
				show(t, v, at, "SPX "+price+", SPY 240")
			}
			level, until := v.BreakerLevel(at)
			if level != tc.level || tc.halts > 0 && !until.Equal(at.Add(tc.halts)) || tc.halts == 0 && until.After(at) {
				t.Errorf("level %d until %s (%s after); want %d for %s", level, until, until.Sub(at), tc.level, tc.halts)
			}
			r := place(t, v, at, "lb-1", "sell 10 SPY")
			if halted := r.Status == lifeboat.Accepted; halted != (tc.halts > 0) {
				t.Errorf("the order is %s", told(r))
			}
		})
	}
}

// Whatever is ordered, replaced and cancelled on whatever market: nothing is sold that is not there, no cash is spent twice,
// claims are what open orders need, and the ledger tells the same account again.
func TestAnythingGoes(t *testing.T) {
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 9))
		ledger := &kept{}
		change := func(c *paper.Config) { spread(c); c.Ledger, c.Index = ledger, "SPY" }
		v := stocks(t, change)
		at, price := opens, 240.0
		show(t, v, at, "SPY 240")
		for n := range 300 {
			at = at.Add(time.Duration(1+random.IntN(600)) * time.Second)
			pass(t, v, at)
			price *= 1 + 0.01*random.NormFloat64()
			show(t, v, at, fmt.Sprintf("SPY %.2f, SPY.low %.2f, SPY.high %.2f, SPY.volume %d", price, price*0.99, price*1.01, random.IntN(3000)))
			side := []string{"buy", "sell"}[random.IntN(2)]
			near := func() string { return fmt.Sprintf("%.2f", price*(1+0.02*random.NormFloat64())) }
			text := fmt.Sprintf("%s %d SPY", side, 1+random.IntN(200))
			switch random.IntN(8) {
			case 0:
				text += " at " + near() + ", stop " + near()
			case 1:
				text += ", trail 3"
			case 2:
				text += " at " + near() + ", ioc"
			case 3:
				text += ", fok"
			case 4:
				text += ", stop " + near() + ", day"
			case 5, 6:
				text += " at " + near()
			}
			id := fmt.Sprint("lb-", n)
			var legs []paper.Ticket
			k := ticket(t, id, text)
			if random.IntN(4) == 0 && k.Force == "" {
				k.Class = paper.Bracket
				other := map[string]string{"buy": "sell", "sell": "buy"}[side]
				p, l := ticket(t, id+"-p", other+" 1 SPY at "+near()), ticket(t, id+"-l", other+" 1 SPY, stop "+near())
				p.Waits, l.Waits, p.Parent, l.Parent, p.Twin, l.Twin = true, true, k.ID, k.ID, l.ID, p.ID
				p.Class, l.Class = k.Class, k.Class
				legs = []paper.Ticket{p, l}
			}
			var refusal *paper.Refusal
			if _, err := v.Submit(t.Context(), at, k, legs...); err != nil && !errors.As(err, &refusal) {
				t.Fatal(err)
			}
			if open := v.OpenViews(); len(open) > 0 && random.IntN(3) == 0 {
				one := open[random.IntN(len(open))]
				if random.IntN(2) == 0 {
					if _, err := v.Cancel(t.Context(), at, one.ID); err != nil {
						t.Fatal(err)
					}
				} else if _, err := v.Replace(t.Context(), at, one.ID, func(k *paper.Ticket) {
					k.ID = lifeboat.Key(id + "-r")
					k.Quantity = decimal.NewFromInt(int64(1 + random.IntN(300)))
				}); err != nil && !errors.As(err, &refusal) {
					t.Fatal(err)
				}
			}
			checkStatement(t, seed, n, v)
		}
		again := stocks(t, change)
		if got, want := fmt.Sprint(again.Statement(), again.OpenViews()), fmt.Sprint(v.Statement(), v.OpenViews()); got != want {
			t.Fatalf("seed %d: opened again\n%s\nwas\n%s", seed, got, want)
		}
	}
}

func checkStatement(t *testing.T, seed uint64, n int, v *paper.Venue) {
	t.Helper()
	s := v.Statement()
	if s.Cash.IsNegative() || s.Claimed.IsNegative() {
		t.Fatalf("seed %d, step %d: cash %s, claimed %s", seed, n, s.Cash, s.Claimed)
	}
	for _, h := range s.Holdings {
		if h.Quantity.IsNegative() || h.Claimed.IsNegative() || h.Claimed.GreaterThan(h.Quantity) || h.Cost.IsNegative() {
			t.Fatalf("seed %d, step %d: %+v", seed, n, h)
		}
	}
	if len(v.OpenViews()) == 0 && (!s.Claimed.IsZero() || len(s.Holdings) > 0 && !s.Holdings[0].Claimed.IsZero()) {
		t.Fatalf("seed %d, step %d: nothing is open and something is claimed: %+v", seed, n, s)
	}
}
