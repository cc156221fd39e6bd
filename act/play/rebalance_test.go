package play

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

// halves is a model that sells SPY and QQQ and buys bonds: 300 SPY, 200 QQQ against 300 T10Y, and 20% cash.
var halves = plan.Model{Name: "halves", Targets: []plan.Target{{Of: "SPY", Weight: 0.30}, {Of: "QQQ", Weight: 0.10}, {Of: "T10Y", Weight: 0.40}, {Of: "cash", Weight: 0.20}}}

func toHalves(r plan.Rebalance) plan.Step {
	r.Model = "halves"
	return plan.Step{Name: "move", Rebalance: &r, Timeout: 4 * hour}
}

// TestTheRestGoesOn: a halted symbol keeps nobody else, purchases wait only for the cash that they need, and at the end it is
// said what was wanted, done and left.
func TestTheRestGoesOn(t *testing.T) {
	s := newStand(t, playbook(toHalves(plan.Rebalance{})), halves)
	s.remote(func(w *lifeboat.Statement) {
		w.Barred = map[string]string{"SPY": "halted"}
		*w.BuyingPower = units(50_000)
	})
	s.settle()
	want(t, s.orders(), "sell 200 QQQ")
	if got := s.Waits("R1"); got != "step 1 (move) waits to sell SPY: tradable: SPY cannot be traded now: halted; it goes when the venue lets it trade again; to buy T10Y: it waits for the cash of the sales" {
		t.Errorf("it waits %q", got)
	}
	s.at = s.at.Add(time.Minute)
	word := stated(s.at)
	*word.BuyingPower = units(50_000)
	s.apply(word)
	s.settle()
	want(t, s.orders(), "sell 200 QQQ", "sell 300 SPY", "buy 300 T10Y")
	want(t, s.steps(), "done 3 orders filled", "run done")
}

func TestWhatCouldNotBeDoneIsSaidExactly(t *testing.T) {
	s := newStand(t, playbook(toHalves(plan.Rebalance{})), halves)
	for range 5 { // the venue speaks every hour of a halt that does not end
		s.remote(func(w *lifeboat.Statement) {
			w.Barred = map[string]string{"SPY": "halted"}
			*w.BuyingPower = units(50_000)
		})
		s.settle()
		s.at = s.at.Add(time.Hour)
	}
	want(t, s.orders(), "sell 200 QQQ")
	want(t, s.steps(), "timed-out not done after 4.0 h: 1 of 1 orders filled; left undone: sell SPY in broker: wanted 300, done 0, left 300 – ", "run failed")
	if got := s.steps()[0]; !strings.Contains(got, "; buy T10Y in broker: wanted 300, done 0, left 300 – it waits for the cash of the sales") {
		t.Errorf("got %q", got)
	}
}

// TestPurchasesThatAreCoveredDoNotWait: the cash is there before any sale.
func TestPurchasesThatAreCoveredDoNotWait(t *testing.T) {
	s := newStand(t, playbook(toHalves(plan.Rebalance{CashBuffer: 0.01})), plan.Model{Name: "halves",
		Targets: []plan.Target{{Of: "SPY", Weight: 0.55}, {Of: "QQQ", Weight: 0.20}, {Of: "T10Y", Weight: 0.15}, {Of: "cash", Weight: 0.10}}})
	s.status = lifeboat.Accepted
	s.settle()
	want(t, s.orders(), "sell 50 SPY", "buy 50 T10Y")
}

// TestOneRejectedOrderDoesNotKeepTheOthers: and a retry trades only what is left.
func TestOneRejectedOrderDoesNotKeepTheOthers(t *testing.T) {
	step := toHalves(plan.Rebalance{CashBuffer: 0.05})
	step.Retries, step.RetryAfter = 1, plan.Duration(time.Minute)
	s := newStand(t, playbook(step), halves)
	s.rejects = "QQQ"
	s.settle()
	want(t, s.orders(), "sell 300 SPY", "sell 200 QQQ", "buy 300 T10Y")
	want(t, s.steps(), "failed 2 of 3 orders filled; left undone: sell QQQ in broker: wanted 200, done 0, left 200 – rejected with 0 of 200 filled")
	s.rejects = ""
	s.later(time.Minute)
	want(t, s.orders()[3:], "sell 200 QQQ")
	want(t, s.steps()[1:], "done 1 order filled", "run done")
}

func TestCashBuffer(t *testing.T) {
	all := plan.Model{Name: "halves", Targets: []plan.Target{{Of: "T10Y", Weight: 0.20}, {Of: "SPY", Weight: 0.60}, {Of: "QQQ", Weight: 0.20}}}
	s := newStand(t, playbook(toHalves(plan.Rebalance{CashBuffer: 0.04})), all)
	s.settle()                                                       // 96% of 100,000: SPY 57,600, QQQ 19,200, T10Y 19,200
	want(t, s.orders(), "sell 24 SPY", "sell 16 QQQ", "buy 90 T10Y") // at most two in a hundred dearer
	if cash := s.book.Quantity("broker", "USD"); !cash.Equal(units(4_200)) {
		t.Errorf("cash %s", cash)
	}
	want(t, s.steps(), "done 3 orders filled", "run done")
}

// TestSlices: each is its share of what is usually traded meanwhile; what one has not filled goes into the next.
func TestSlices(t *testing.T) {
	step := plan.Step{Name: "out", Timeout: 24 * hour, Rebalance: &plan.Rebalance{Reduce: "SPY", By: 1, Participation: 0.10, SliceEvery: hour}}
	s := newStand(t, playbook(step))
	s.world.volume = map[string]float64{"SPY": 13_000} // in an hour of six and a half 2,000, of which a tenth
	s.settle()
	want(t, s.orders(), "sell 200 SPY")
	if got := s.Waits("R1"); got != "step 1 (out) waits to sell SPY: the next slice is due at 2020-03-16 15:00:00 UTC" {
		t.Errorf("it waits %q", got)
	}
	s.status = lifeboat.Accepted
	s.later(59 * time.Minute)
	want(t, s.orders(), "sell 200 SPY")
	s.later(time.Minute)
	want(t, s.orders()[1:], "sell 200 SPY") // which stays open
	s.apply(lifeboat.Receipt{Key: s.last().Key, Account: "broker", Status: lifeboat.PartialFill, Filled: units(150), Price: units(100)})
	s.status = lifeboat.Filled
	s.later(time.Hour) // it is cancelled, and 50 of it come again
	want(t, s.orders()[2:], "sell 200 SPY")
	s.playOut()
	want(t, s.orders()[3:], "sell 50 SPY")
	if left := s.book.Quantity("broker", "SPY"); !left.IsZero() {
		t.Errorf("%s SPY are left", left)
	}
	want(t, s.steps(), "done 3 of 4 orders filled", "run done")
}

func TestSlicesEndAtTheTimeOut(t *testing.T) {
	step := plan.Step{Name: "out", Timeout: 2 * hour, Rebalance: &plan.Rebalance{Reduce: "SPY", By: 1, Participation: 0.10, SliceEvery: hour}}
	s := newStand(t, playbook(step))
	s.world.volume = map[string]float64{"SPY": 13_000}
	s.playOut()
	want(t, s.steps(), "timed-out not done after 2.0 h: 2 of 2 orders filled; left undone: sell SPY in broker: wanted 600, done 400, left 200 – the time was up", "run failed")
}

// TestSlicesOfWhatWasApproved: together they are what the yes was to, and not more.
func TestSlicesOfWhatWasApproved(t *testing.T) {
	step := plan.Step{Name: "out", Timeout: 24 * hour, Rebalance: &plan.Rebalance{Reduce: "SPY", By: 0.5, Participation: 0.10, SliceEvery: hour}}
	s := newStand(t, playbook(plan.Step{Name: "gate", Approve: &plan.Approve{By: "cio", ValidFor: 9 * hour}, Timeout: hour}, step))
	s.world.volume = map[string]float64{"SPY": 13_000}
	s.settle()
	s.say("Ben", true)
	s.playOut()
	want(t, s.orders(), "sell 200 SPY", "sell 100 SPY")
}

func (s *stand) last() *act {
	n := s.byID["R1"].order[0]
	return n.acts[len(n.acts)-1]
}

// TestRebalancesAmongAnything lets accounts be rebalanced while orders fill, fill in part, are rejected, stay open, and symbols
// are halted, and holds every step to its promises.
func TestRebalancesAmongAnything(t *testing.T) {
	ends := map[string]int{}
	for seed := range uint64(100) {
		if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { newMarket(t, seed).rage(ends) }) {
			t.Fatalf("seed %d", seed)
		}
	}
	for _, end := range []string{"done", "timed-out", "failed", "sliced", "left undone", "bought", "halted"} {
		if ends[end] == 0 {
			t.Errorf("none came to %s: %v", end, ends)
		}
	}
}

// A market is a stand whose venue does what dice say. Prices stand still, so that what is necessary can be worked out.
type market struct {
	*stand
	*rand.Rand
	step   plan.Rebalance
	model  plan.Model
	start  map[string]decimal.Decimal
	barred map[string]string
	ends   map[string]int
}

func newMarket(t *testing.T, seed uint64) *market {
	dice := rand.New(rand.NewPCG(seed, 1))
	m := &market{Rand: dice, start: map[string]decimal.Decimal{}}
	weights := []float64{dice.Float64(), dice.Float64(), dice.Float64(), dice.Float64() / 2}
	sum := weights[0] + weights[1] + weights[2] + weights[3]
	m.model = plan.Model{Name: "m"}
	for i, of := range []string{"SPY", "QQQ", "T10Y", "cash"} {
		m.model.Targets = append(m.model.Targets, plan.Target{Of: of, Weight: plan.Ratio(weights[i] / sum)})
	}
	m.step = plan.Rebalance{Model: "m", MinTrade: plan.Ratio(0.005 + 0.02*dice.Float64()), CashBuffer: plan.Ratio(0.2 * dice.Float64())}
	if dice.IntN(2) == 0 {
		m.step.Participation, m.step.SliceEvery = plan.Ratio(0.05+0.2*dice.Float64()), plan.Duration(time.Duration(10+dice.IntN(60))*time.Minute)
	}
	m.stand = newStand(t, playbook(plan.Step{Name: "move", Rebalance: &m.step, Timeout: 6 * hour, Retries: dice.IntN(3), RetryAfter: plan.Duration(time.Minute)}), m.model)
	m.plan.Accounts[0].Venue = "alpaca"
	m.world.volume = map[string]float64{"SPY": 500 + 5000*dice.Float64(), "QQQ": 500 + 5000*dice.Float64(), "T10Y": 500 + 5000*dice.Float64()}
	for _, p := range m.book.Positions() {
		m.start[p.Symbol] = p.Quantity
	}
	return m
}

func (m *market) rage(ends map[string]int) {
	m.ends = ends
	for range 2000 {
		if len(m.runs) == 0 {
			m.judge()
			return
		}
		m.state()
		m.rest()
		due := m.Due()
		if due.Sub(m.at) > 5*time.Minute || !due.After(m.at) {
			due = m.at.Add(5 * time.Minute)
		}
		m.at = due
		m.fillSome()
	}
	m.t.Fatalf("it does not end: %s", m.Waits("R1"))
}

// state lets the venue say how the account stands, and halt something.
func (m *market) state() {
	word := lifeboat.Statement{Account: "broker", At: m.at, Barred: map[string]string{}}
	for _, p := range m.book.Positions() {
		word.Lines = append(word.Lines, lifeboat.StatementLine{Symbol: p.Symbol, Quantity: p.Quantity, Free: p.Quantity})
	}
	for _, o := range m.placed {
		word.Placed = append(word.Placed, lifeboat.Receipt{Key: o.ID})
		for i := range word.Lines {
			if l := &word.Lines[i]; l.Symbol == o.Symbol && o.Side == lifeboat.Sell && !o.receipt.Status.Final() {
				l.Free = l.Free.Sub(o.Quantity.Sub(o.receipt.Filled))
			}
		}
	}
	if m.IntN(3) == 0 {
		word.Barred[[]string{"SPY", "QQQ", "T10Y"}[m.IntN(3)]] = "halted"
		m.ends["halted"]++
	}
	m.barred = word.Barred
	m.apply(word)
}

func (m *market) rest() {
	for range 200 {
		events := m.Next(m.at)
		if m.IntN(8) == 0 {
			if again := m.again().Next(m.at); !same(events, again) {
				m.t.Fatalf("live %s\nfolded %s", tell(events), tell(again))
			}
		}
		if len(events) == 0 {
			if len(m.runs) > 0 && m.Waits("R1") == "" {
				m.t.Fatal("it waits for nothing that has a name")
			}
			return
		}
		for _, e := range events {
			m.apply(e)
		}
		for _, e := range events {
			if i, ok := e.(lifeboat.Intent); ok && i.Order != nil {
				m.trade(i)
			} else {
				m.carryOut(e)
			}
		}
	}
	m.t.Fatal("it does not come to rest")
}

func (m *market) trade(i lifeboat.Intent) {
	if why := m.barred[i.Order.Symbol]; why != "" {
		m.t.Fatalf("an order in %s, which is halted", i.Order.Symbol)
	}
	switch m.IntN(8) {
	case 0:
		m.receive(i.Order, lifeboat.OrderRejected, decimal.Zero)
	case 1, 2:
		m.receive(i.Order, lifeboat.Accepted, decimal.Zero)
	case 3:
		m.receive(i.Order, lifeboat.PartialFill, i.Order.Quantity.Div(decimal.NewFromInt(3)).RoundFloor(0))
	default:
		m.receive(i.Order, lifeboat.Filled, i.Order.Quantity)
	}
}

func (m *market) fillSome() {
	for _, o := range slices.Clone(m.placed) {
		if !o.receipt.Status.Final() && m.IntN(4) == 0 {
			m.receive(&o.Order, lifeboat.Filled, o.Quantity)
		}
	}
}

// receive applies a receipt and looks at the cash: no purchase takes it below the buffer.
func (m *market) receive(o *lifeboat.Order, status lifeboat.ReceiptStatus, filled decimal.Decimal) {
	slip := units(1 + 0.015*float64(m.IntN(2)))
	if o.Side == lifeboat.Sell {
		slip = units(1)
	}
	m.apply(lifeboat.Receipt{Key: o.ID, Account: "broker", Status: status, Filled: filled, Price: o.Arrival.Mul(slip)})
	cash, floor := m.book.Quantity("broker", "USD").InexactFloat64(), float64(m.step.CashBuffer)*m.worth()
	if had := m.start["USD"].InexactFloat64(); o.Side == lifeboat.Buy && filled.IsPositive() && cash < min(floor, had)-0.01 {
		m.t.Fatalf("after the purchase of %s %s the cash is %.2f, and the buffer %.2f", filled, o.Symbol, cash, floor)
	}
}

func (m *market) worth() float64 {
	total := m.book.Quantity("broker", "USD").InexactFloat64()
	for symbol, price := range m.world.prices {
		total += price * m.book.Quantity("broker", symbol).InexactFloat64()
	}
	return total
}

// judge holds what happened to the promises.
func (m *market) judge() {
	cash, sides, traded := m.start["USD"], map[string]lifeboat.Side{}, map[string]decimal.Decimal{}
	orders := map[lifeboat.Key]lifeboat.Order{}
	last := map[lifeboat.Key]lifeboat.Receipt{}
	for _, e := range m.told {
		switch e := e.(type) {
		case lifeboat.Intent:
			if e.Order != nil {
				if _, twice := orders[e.Key]; twice {
					m.t.Fatalf("the order %s was formed twice", e.Key)
				}
				orders[e.Key] = *e.Order
			}
		case lifeboat.Receipt:
			last[e.Key] = e
		}
	}
	for key, o := range orders {
		if side, known := sides[o.Symbol]; known && side != o.Side {
			m.t.Fatalf("%s was both bought and sold", o.Symbol)
		}
		sides[o.Symbol] = o.Side
		money := last[key].Filled.Mul(last[key].Price)
		traded[o.Symbol] = traded[o.Symbol].Add(last[key].Filled)
		if o.Side == lifeboat.Sell {
			cash = cash.Add(money)
		} else {
			cash = cash.Sub(money)
			m.ends["bought"]++
		}
		if !last[key].Status.Final() {
			m.t.Fatalf("the run has ended, and %s is open", key)
		}
	}
	if have := m.book.Quantity("broker", "USD"); !have.Equal(cash) {
		m.t.Fatalf("cash is %s, and the fills leave %s", have, cash)
	}
	m.turnover(sides, traded)
	m.statement()
}

// turnover is what is necessary and the rounding of one unit.
func (m *market) turnover(sides map[string]lifeboat.Side, traded map[string]decimal.Decimal) {
	for symbol, side := range sides {
		had, have := m.start[symbol], m.book.Quantity("broker", symbol)
		moved := have.Sub(had).Abs()
		if !moved.Equal(traded[symbol]) {
			m.t.Fatalf("%s of %s were traded to move it by %s", traded[symbol], symbol, moved)
		}
		price := m.world.prices[symbol]
		need := math.Abs(m.goal(symbol)-price*had.InexactFloat64()) / price
		if slack := 1 + 0.015*100_000/price*float64(m.weight(symbol)); moved.InexactFloat64() > need+slack { // slippage moves the goals
			m.t.Fatalf("%s %s %s, and %.2f were necessary", side, moved, symbol, need)
		}
	}
}

func (m *market) weight(symbol string) plan.Ratio {
	i := slices.IndexFunc(m.model.Targets, func(t plan.Target) bool { return t.Of == symbol })
	return m.model.Targets[i].Weight
}

// goal of a symbol, worked out here once more.
func (m *market) goal(symbol string) float64 {
	invested := 1 - float64(m.weight("cash"))
	return float64(m.weight(symbol)) / invested * min(invested, 1-float64(m.step.CashBuffer)) * m.worth()
}

// statement names every symbol that is not where it should be.
func (m *market) statement() {
	var final lifeboat.StepFinished
	for _, e := range m.told {
		if f, ok := e.(lifeboat.StepFinished); ok {
			final = f
		}
	}
	m.ends[string(final.Status)]++
	if m.step.Participation > 0 && len(m.orders()) > 6 {
		m.ends["sliced"]++
	}
	if strings.Contains(final.Why, "left undone") {
		m.ends["left undone"]++
	}
	for _, symbol := range []string{"SPY", "QQQ", "T10Y"} {
		price := m.world.prices[symbol]
		off := m.goal(symbol) - price*m.book.Quantity("broker", symbol).InexactFloat64()
		if math.Abs(off) > float64(m.step.MinTrade)*m.worth()+price && !strings.Contains(final.Why, symbol+" in broker: wanted ") {
			m.t.Fatalf("%s is %.2f off, and the statement is %q", symbol, off, final.Why)
		}
	}
}

// TestSlicesReduceByWhatWasHeld: the share is of what was held before the first slice, not of what each has left.
func TestSlicesReduceByWhatWasHeld(t *testing.T) {
	step := plan.Step{Name: "out", Timeout: 24 * hour, Rebalance: &plan.Rebalance{Reduce: "SPY", By: 0.5, Participation: 0.10, SliceEvery: hour}}
	s := newStand(t, playbook(step))
	s.world.volume = map[string]float64{"SPY": 13_000}
	s.playOut()
	want(t, s.orders(), "sell 200 SPY", "sell 100 SPY")
}

// TestNothingIsBoughtBackThatWasSold: between two slices the price halves, and the model would have the symbol bought again.
func TestNothingIsBoughtBackThatWasSold(t *testing.T) {
	s := newStand(t, playbook(toHalves(plan.Rebalance{Participation: 0.10, SliceEvery: hour})), halves)
	s.world.volume = map[string]float64{"SPY": 13_000}
	s.settle()
	want(t, s.orders(), "sell 200 SPY", "sell 200 QQQ", "buy 98 T10Y")
	s.world.prices["SPY"] = 40
	s.playOut()
	for _, o := range s.orders() {
		if strings.HasPrefix(o, "buy") && strings.HasSuffix(o, "SPY") {
			t.Errorf("%s", o)
		}
	}
}
