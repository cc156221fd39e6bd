package play

import (
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

func units(n float64) decimal.Decimal { return decimal.NewFromFloat(n) }

// stated is a statement of the broker in which everything is as the register has it.
func stated(at time.Time) lifeboat.Statement {
	power, left := units(10_000), 100
	line := func(symbol string, n float64) lifeboat.StatementLine {
		return lifeboat.StatementLine{Symbol: symbol, Quantity: units(n), Free: units(n)}
	}
	return lifeboat.Statement{Account: "broker", Source: "alpaca", At: at, BuyingPower: &power, RequestsLeft: &left,
		Lines:  []lifeboat.StatementLine{line("SPY", 600), line("QQQ", 400), line("T10Y", 100), line("USD", 10_000)},
		Market: &lifeboat.MarketClock{Open: true, Turns: at.Add(6 * time.Hour)}}
}

// remote makes the broker a real venue that has just said how the account stands.
func (s *stand) remote(change func(*lifeboat.Statement)) {
	s.plan.Accounts[0].Venue = "alpaca"
	word := stated(s.at)
	if change != nil {
		change(&word)
	}
	s.apply(word)
}

func (s *stand) limits(l plan.Limits) { s.plan.Limits = &l }

func selling(n float64, symbol string) lifeboat.Order {
	return lifeboat.Order{ID: "K", Account: "broker", Symbol: symbol, Side: lifeboat.Sell, Type: lifeboat.Market, Quantity: units(n), Arrival: units(100)}
}

func buying(n float64, symbol string) lifeboat.Order {
	o := selling(n, symbol)
	o.Side = lifeboat.Buy
	return o
}

func atLimit(limit float64, o lifeboat.Order) lifeboat.Order {
	o.Type, o.Limit = lifeboat.Limit, units(limit)
	return o
}

// verdict of one rule on an order, by itself.
func (s *stand) verdict(name string, o lifeboat.Order) Verdict {
	m := move{account: o.Account, symbol: o.Symbol, side: o.Side, quantity: o.Quantity}
	for _, v := range s.inspect(s.at, s.byID["R1"], m, lifeboat.Intent{Key: o.ID, Act: lifeboat.PlaceOrder, Run: "R1", Order: &o}, nil) {
		if v.Rule == name {
			return v
		}
	}
	s.t.Fatalf("there is no rule %q", name)
	return Verdict{}
}

func TestRules(t *testing.T) {
	statement := func(change func(*lifeboat.Statement)) func(*stand) { return func(s *stand) { s.remote(change) } }
	limits := func(l plan.Limits) func(*stand) { return func(s *stand) { s.limits(l) } }
	none := func(*stand) {}
	real := statement(nil)
	earlier := func(o lifeboat.Order, receipts ...lifeboat.Receipt) func(*stand) {
		return func(s *stand) {
			o.ID = "E"
			s.apply(lifeboat.Intent{Key: "E", Act: lifeboat.PlaceOrder, Order: &o})
			for _, r := range receipts {
				r.Key = "E"
				s.apply(r)
			}
		}
	}
	both := func(all ...func(*stand)) func(*stand) {
		return func(s *stand) {
			for _, do := range all {
				do(s)
			}
		}
	}
	sell, buy := selling(100, "SPY"), buying(50, "SPY")
	for name, c := range map[string]struct {
		rule  string
		given func(*stand)
		order lifeboat.Order
		want  string // kind, numbers and remedy of a refusal begin with it; "" passes
	}{
		"a simulated venue keeps orders":           {"market", func(s *stand) { s.world.open = false }, sell, ""},
		"open by both clocks":                      {"market", real, sell, ""},
		"closed by both":                           {"market", both(statement(func(w *lifeboat.Statement) { w.Market.Open = false }), func(s *stand) { s.world.open = false }), sell, "waits: closed by the calendar and by the venue's own clock; it opens at 2020-03-16 15:00:00 UTC"},
		"closed by the venue alone":                {"market", statement(func(w *lifeboat.Statement) { w.Market.Open = false }), sell, "waits: the calendar says open and the venue's own clock says closed: they disagree"},
		"closed by the calendar alone":             {"market", both(real, func(s *stand) { s.world.open = false }), sell, "waits: the calendar says closed and the venue's own clock says open: they disagree"},
		"the venue's clock has turned since":       {"market", statement(func(w *lifeboat.Statement) { w.Market.Open, w.Market.Turns = false, monday }), sell, ""},
		"the venue does not say":                   {"market", both(statement(func(w *lifeboat.Statement) { w.Market = nil }), func(s *stand) { s.world.open = false }), sell, "waits: closed by the calendar"},
		"a price within the limit":                 {"data age", both(limits(plan.Limits{DataAge: hour}), func(s *stand) { s.world.age = time.Hour }), sell, ""},
		"a price above it":                         {"data age", both(limits(plan.Limits{DataAge: hour}), func(s *stand) { s.world.age = time.Hour + 1 }), sell, "waits: SPY was last priced 60 min of market time ago, above 60 min; its feed must speak again"},
		"nothing said yet":                         {"statement", func(s *stand) { s.plan.Accounts[0].Venue = "ibkr" }, sell, "waits: the venue has said nothing about broker yet"},
		"said five minutes ago":                    {"statement", both(real, func(s *stand) { s.at = s.at.Add(5 * time.Minute) }), sell, ""},
		"said longer ago":                          {"statement", both(real, func(s *stand) { s.at = s.at.Add(5*time.Minute + 1) }), sell, "waits: what the venue said about broker is 5 min old, above 5 min"},
		"said in the future":                       {"statement", statement(func(w *lifeboat.Statement) { w.At = w.At.Add(time.Hour) }), sell, "waits: the venue's word on broker is of 2020-03-16 15:00:00 UTC, which is not yet"},
		"halted":                                   {"tradable", statement(func(w *lifeboat.Statement) { w.Barred = map[string]string{"SPY": "halted"} }), sell, "waits: SPY cannot be traded now: halted"},
		"another one halted":                       {"tradable", statement(func(w *lifeboat.Statement) { w.Barred = map[string]string{"QQQ": "halted"} }), sell, ""},
		"blocked":                                  {"tradable", statement(func(w *lifeboat.Statement) { w.Blocked = "account_blocked" }), sell, "waits: the venue lets nothing trade in broker: account_blocked"},
		"all of it free":                           {"position", real, selling(600, "SPY"), ""},
		"more than is there":                       {"position", real, selling(601, "SPY"), "waits: 601 SPY are to be sold, and the venue has 600 of which 600 are free"},
		"not held at all":                          {"position", real, selling(1, "GLD"), "waits: 1 GLD are to be sold, and the venue has 0 of which 0 are free"},
		"claimed by an order that it did not know": {"position", both(real, earlier(selling(550, "SPY"))), sell, "waits: 100 SPY are to be sold, and the venue has 600 of which 50 are free"},
		"claimed by one that it knew":              {"position", both(earlier(selling(550, "SPY")), statement(func(w *lifeboat.Statement) { w.Placed = []lifeboat.Receipt{{Key: "E"}} })), sell, ""},
		"order cap":                                {"order value", limits(plan.Limits{OrderValue: units(10_000)}), sell, ""},
		"above the order cap":                      {"order value", limits(plan.Limits{OrderValue: units(9_999.99)}), sell, "refused: the order is worth 10,000.00 USD, above 9,999.99 USD; a smaller order"},
		"day cap":                                  {"day value", both(limits(plan.Limits{DayValue: units(15_000)}), earlier(selling(50, "QQQ"))), sell, ""},
		"above the day cap until it is a day ago":  {"day value", both(limits(plan.Limits{DayValue: units(14_999)}), earlier(selling(50, "QQQ"))), sell, "waits: all orders of 24 hours come to 15,000.00 USD, above 14,999.00 USD; at 2020-03-17 14:00:00 UTC enough of it is a day ago"},
		"a day later":                              {"day value", both(limits(plan.Limits{DayValue: units(14_999)}), earlier(selling(50, "QQQ")), func(s *stand) { s.at = s.at.Add(24 * time.Hour) }), sell, ""},
		"what was rejected does not count":         {"day value", both(limits(plan.Limits{DayValue: units(14_999)}), earlier(selling(50, "QQQ"), lifeboat.Receipt{Status: lifeboat.OrderRejected})), sell, ""},
		"what nobody knows of does":                {"day value", both(limits(plan.Limits{DayValue: units(14_999)}), earlier(selling(50, "QQQ"), lifeboat.Receipt{Status: lifeboat.Unknown})), sell, "waits:"},
		"alone above the day cap":                  {"day value", limits(plan.Limits{DayValue: units(9_000)}), sell, "refused: all orders of 24 hours come to"},
		"above the playbook cap":                   {"playbook value", limits(plan.Limits{PlaybookValue: units(9_000)}), sell, "refused: all orders of the run come to 10,000.00 USD, above 9,000.00 USD"},
		"share of the book":                        {"share of book", limits(plan.Limits{OrderShare: 0.10}), sell, ""},
		"above the share":                          {"share of book", limits(plan.Limits{OrderShare: 0.099}), sell, "refused: the order is 10% of the tradable book, above 9.9%"},
		"within the collar":                        {"price collar", limits(plan.Limits{Collar: 0.05}), atLimit(95, sell), ""},
		"outside the collar":                       {"price collar", limits(plan.Limits{Collar: 0.05}), atLimit(94, sell), "refused: the limit 94 is 6% off the last price 100, above 5%"},
		"no collar on a market order":              {"price collar", limits(plan.Limits{Collar: 0.05}), sell, ""},
		"a part of the volume":                     {"participation", limits(plan.Limits{Participation: 0.0001}), sell, ""},
		"too large a part":                         {"participation", limits(plan.Limits{Participation: 0.0001}), selling(101, "SPY"), "refused: the order is 0.0101% of an average day's volume, above 0.01%; an order of at most 100"},
		"no volume at all":                         {"participation", both(limits(plan.Limits{Participation: 0.01}), func(s *stand) { s.world.volume = map[string]float64{"SPY": 0} }), sell, "waits: SPY has no volume to be traded into"},
		"volume not known, a sale":                 {"participation", both(limits(plan.Limits{Participation: 0.01}), func(s *stand) { s.world.unknown = true }), sell, ""},
		"volume not known, a purchase":             {"participation", both(limits(plan.Limits{Participation: 0.01}), func(s *stand) { s.world.unknown = true }), buy, "waits: the volume of SPY is not known; a feed of SPY.volume"},
		"days to exit":                             {"days to exit", both(limits(plan.Limits{DaysToExit: 1}), func(s *stand) { s.world.volume = map[string]float64{"SPY": 1000} }), sell, ""},
		"too many days":                            {"days to exit", both(limits(plan.Limits{DaysToExit: 1}), func(s *stand) { s.world.volume = map[string]float64{"SPY": 500} }), sell, "refused: the order takes 2 days at a tenth of the volume, above 1; an order of at most 50"},
		"buying power":                             {"buying power", real, atLimit(100, buying(100, "SPY")), ""},
		"a market order needs more":                {"buying power", real, buying(100, "SPY"), "waits: the purchase may cost 10,200.00 USD, and broker has a buying power of 10,000.00 USD"},
		"less what was bought since":               {"buying power", both(real, earlier(atLimit(100, buying(60, "QQQ")))), buy, "waits: the purchase may cost 5,100.00 USD, and broker has a buying power of 4,000.00 USD"},
		"cash where the venue does not say":        {"buying power", statement(func(w *lifeboat.Statement) { w.BuyingPower = nil }), buying(100, "SPY"), "waits: the purchase may cost"},
		"cash after":                               {"cash after", limits(plan.Limits{CashAfter: units(4_900)}), buy, ""},
		"too little cash after":                    {"cash after", limits(plan.Limits{CashAfter: units(4_901)}), buy, "waits: 4,900.00 USD would be left in broker, below 4,901.00 USD"},
		"cash that an open purchase claims":        {"cash after", both(limits(plan.Limits{CashAfter: units(1)}), earlier(atLimit(100, buying(60, "QQQ")))), buy, "waits: -1,100.00 USD would be left"},
		"our own order on the other side":          {"wash trade", earlier(buying(5, "SPY")), sell, "waits: the order to buy 5 SPY in broker is open (E); it must end first"},
		"our own order on the same side":           {"wash trade", earlier(selling(5, "SPY")), sell, ""},
		"somebody else's on the other side": {"wash trade", statement(func(w *lifeboat.Statement) {
			w.Foreign = []lifeboat.ForeignOrder{{Symbol: "SPY", Side: lifeboat.Buy, Quantity: units(7)}}
		}), sell, "unmet: somebody has an order open to buy 7 SPY in broker"},
		"somebody else's in another symbol": {"wash trade", statement(func(w *lifeboat.Statement) {
			w.Foreign = []lifeboat.ForeignOrder{{Symbol: "QQQ", Side: lifeboat.Buy, Quantity: units(7)}}
		}), sell, ""},
		"few requests left":  {"rate budget", statement(func(w *lifeboat.Statement) { *w.RequestsLeft = 5 }), sell, "waits: 5 requests are left in this minute, and 5 are kept for cancellations; the venue counts anew at 2020-03-16 14:01:00 UTC"},
		"the minute is over": {"rate budget", both(statement(func(w *lifeboat.Statement) { *w.RequestsLeft = 0 }), func(s *stand) { s.at = s.at.Add(time.Minute) }), sell, ""},
		"in quarantine":      {"breaker", func(s *stand) { s.apply(lifeboat.Quarantine{Accounts: []string{"broker"}, Why: "restored"}) }, sell, "waits: the account broker is in quarantine"},
		"nothing holds it":   {"breaker", none, sell, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, playbook(plan.Step{Name: "idle", Wait: &plan.Wait{For: hour}}))
			c.given(s)
			v := s.verdict(c.rule, c.order)
			got := ""
			if !v.Passes {
				if got = "waits"; v.Kind != "" {
					got = v.Kind
				}
				got += ": " + v.Says + "; " + v.Remedy
			}
			if v.Says == "" || (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
				t.Errorf("%+v\ngot  %q\nwant %q", v, got, c.want)
			}
		})
	}
}

func sellSPY(n float64) plan.Step {
	return plan.Step{Name: "sell", Order: &plan.Order{Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Quantity: units(n)}, Timeout: hour, Retries: 3, RetryAfter: plan.Duration(time.Minute)}
}

// TestAnOrderThatDoesNotPassIsNotFormed: its step waits, says for what, and goes on when it passes.
func TestAnOrderThatDoesNotPassIsNotFormed(t *testing.T) {
	s := newStand(t, playbook(sellSPY(100)))
	s.remote(func(w *lifeboat.Statement) { w.Barred = map[string]string{"SPY": "halted, code T1"} })
	s.settle()
	want(t, s.orders())
	if got := s.Waits("R1"); got != "step 1 (sell) waits for the way to be free: tradable: SPY cannot be traded now: halted, code T1; it goes when the venue lets it trade again" {
		t.Errorf("it waits %q", got)
	}
	if due := s.Due(); !due.Equal(s.world.turn) {
		t.Errorf("due %v, want the turn of the market %v", due, s.world.turn)
	}
	s.at = s.at.Add(time.Minute)
	s.apply(stated(s.at)) // the halt is lifted
	s.settle()
	want(t, s.orders(), "sell 100 SPY")
	want(t, s.steps(), "done 1 order filled", "run done")
}

func TestWaitingEndsAtTheTimeOutAndSaysForWhat(t *testing.T) {
	s := newStand(t, playbook(sellSPY(100)))
	s.plan.Accounts[0].Venue = "alpaca"
	s.playOut()
	if got := s.steps(); !strings.HasPrefix(got[0], "timed-out not done after 60 min: it waited for the way to be free: statement: the venue has said nothing about broker yet; lifeboat serve asks it") {
		t.Errorf("got %q", got)
	}
	want(t, s.orders())
}

// TestWhatCanNeverPassFailsAtOnce: the owner's own limit is not tried again; what a person can change is.
func TestWhatCanNeverPassFailsAtOnce(t *testing.T) {
	s := newStand(t, playbook(sellSPY(100)))
	s.limits(plan.Limits{OrderValue: units(5_000)})
	s.settle()
	want(t, s.orders())
	want(t, s.steps(), "failed no order was formed to sell 100 SPY: order value: the order is worth 10,000.00 USD, above 5,000.00 USD; a smaller order, or another limits.order_value", "run failed")

	s = newStand(t, playbook(sellSPY(100)))
	s.remote(func(w *lifeboat.Statement) {
		w.Foreign = []lifeboat.ForeignOrder{{Symbol: "SPY", Side: lifeboat.Buy, Quantity: units(7)}}
	})
	s.settle()
	want(t, s.steps(), "failed no order was formed to sell 100 SPY: wash trade: somebody has an order open")
	s.at = s.at.Add(time.Minute)
	s.apply(stated(s.at)) // somebody has cancelled it
	s.settle()
	want(t, s.orders(), "sell 100 SPY")
}

// TestCapsSurviveARestart: what was placed is counted from the journal alone, by orders of this run and of those before it.
func TestCapsSurviveARestart(t *testing.T) {
	s := newStand(t, playbook(sellSPY(100), sellSPY(100), sellSPY(100)))
	s.limits(plan.Limits{DayValue: units(25_000)})
	s.settle()
	want(t, s.orders(), "sell 100 SPY", "sell 100 SPY")
	const waits = "step 3 (sell) waits for the way to be free: day value: all orders of 24 hours come to 30,000.00 USD, above 25,000.00 USD; at 2020-03-17 14:00:00 UTC enough"
	for name, p := range map[string]*Player{"live": s.Player, "folded": s.again()} {
		if got := p.Waits("R1"); !strings.HasPrefix(got, waits) {
			t.Errorf("%s: it waits %q", name, got)
		}
	}
	s.limits(plan.Limits{PlaybookValue: units(25_000)})
	s.later(time.Minute)
	if got := s.steps(); !strings.HasPrefix(got[2], "failed no order was formed to sell 100 SPY: playbook value: all orders of the run come to 30,000.00 USD") {
		t.Errorf("got %q", got)
	}
}

// again is a player that knows nothing but the journal.
func (s *stand) again() *Player {
	book := lifeboat.NewBook("USD")
	book.Apply(monday, lifeboat.PlanLoaded{Positions: s.positions})
	p := New(s.world, book, s.plan, nil)
	for i, e := range s.told {
		book.Apply(s.times[i], e)
		p.Apply(s.times[i], e)
	}
	p.quietAt = s.quietAt
	return p
}

// playOut lets time pass until nothing moves by itself any more.
func (s *stand) playOut() {
	s.settle()
	for range 1000 {
		due := s.Due()
		if len(s.runs) == 0 || !due.After(s.at) {
			return
		}
		s.later(due.Sub(s.at))
	}
	s.t.Fatal("it goes on and on")
}
