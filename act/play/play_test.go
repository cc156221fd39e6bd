package play

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

var monday = time.Date(2020, 3, 16, 14, 0, 0, 0, time.UTC)

// world is a View that a test sets by hand.
type world struct {
	prices  map[string]float64
	open    bool
	turn    time.Time
	age     time.Duration
	truth   map[string]bool
	volume  map[string]float64 // a million of what is not in it
	unknown bool               // no volume is known
}

func (w *world) Quote(symbol string, at time.Time) (float64, time.Time, lifeboat.Quality) {
	if price, ok := w.prices[symbol]; ok {
		return price, at, lifeboat.Good
	}
	return 0, time.Time{}, lifeboat.None
}
func (w *world) Age(string, time.Time) time.Duration { return w.age }
func (w *world) Volume(symbol string) (float64, bool) {
	if volume, ok := w.volume[symbol]; ok {
		return volume, true
	}
	if w.unknown {
		return 0, false
	}
	return 1e6, true
}
func (w *world) MarketOpen(string, time.Time) bool       { return w.open }
func (w *world) Session(string, time.Time) time.Duration { return 6*time.Hour + 30*time.Minute }
func (w *world) Turn(string, time.Time) time.Time        { return w.turn }
func (w *world) Holds(expr string, _ time.Time) (truth, known bool, values map[string]float64) {
	truth, known = w.truth[expr]
	return truth, known, map[string]float64{expr: 1}
}

// stand is a player with a world, driven as the flow drives it, and a venue that fills everything at once.
type stand struct {
	*Player
	t       *testing.T
	world   *world
	book    *lifeboat.Book
	at      time.Time
	told    []lifeboat.Event
	cuts    []int                       // lengths of told at which the journal can end: it takes in whole batches
	status  lifeboat.ReceiptStatus      // what the venue makes of orders
	rejects string                      // a symbol of which it rejects every order
	mute    bool                        // no channel takes a message
	tasks   map[string]lifeboat.Receipt // :: kind of task → what comes of it; performed at once for those not in it
	stopped lifeboat.Receipt            // what comes of a task that is stopped; nothing yet when zero

	positions []lifeboat.Position
	times     []time.Time // of told
}

// newStand begins a run of a playbook. What else the plan has of models and playbooks comes after it.
func newStand(t *testing.T, p plan.Playbook, parts ...any) *stand {
	w := &world{
		prices: map[string]float64{"SPY": 100, "QQQ": 50, "T10Y": 100}, open: true, turn: monday.Add(time.Hour), truth: map[string]bool{},
	}
	book := lifeboat.NewBook("USD")
	d := decimal.NewFromInt
	owner := &plan.Plan{
		Portfolio: plan.Portfolio{BaseCurrency: "USD"},
		People:    []plan.Person{{Name: "Ana", Role: "owner"}, {Name: "Ben", Role: "cio"}, {Name: "Cleo", Role: "cio"}},
		Accounts:  []plan.Account{{Name: "broker", Venue: "paper"}},
		Holdings: []plan.Holding{
			{Symbol: "SPY", Account: "broker", Quantity: d(600), Class: "equities"}, {Symbol: "QQQ", Account: "broker", Quantity: d(400), Class: "equities"},
			{Symbol: "T10Y", Account: "broker", Quantity: d(100), Class: "bonds"}, {Symbol: "USD", Account: "broker", Quantity: d(10_000), Class: "cash"},
		},
	}
	for _, part := range parts {
		switch part := part.(type) {
		case plan.Model:
			owner.Models = append(owner.Models, part)
		case plan.Playbook:
			owner.Playbooks = append(owner.Playbooks, part)
		}
	}
	var positions []lifeboat.Position
	for _, h := range owner.Holdings {
		positions = append(positions, lifeboat.Position{Account: h.Account, Symbol: h.Symbol, Quantity: h.Quantity})
	}
	book.Apply(monday, lifeboat.PlanLoaded{Positions: positions})
	s := &stand{Player: New(w, book, owner, nil), t: t, world: w, book: book, at: monday, status: lifeboat.Filled, positions: positions}
	content, hash := owner.PlaybookContent(p)
	s.apply(lifeboat.RunStarted{Run: "R1", Playbook: p.Name, Hash: hash, Content: content, Tier: 2, By: "plan"})
	return s
}

func (s *stand) apply(e lifeboat.Event) {
	s.told, s.times = append(s.told, e), append(s.times, s.at)
	s.book.Apply(s.at, e)
	s.Apply(s.at, e)
}

// settle lets the player speak until it has nothing to say.
func (s *stand) settle() {
	for range 100 {
		events := s.Next(s.at)
		if len(events) == 0 {
			return
		}
		for _, e := range events {
			s.apply(e)
		}
		s.cuts = append(s.cuts, len(s.told))
		for _, e := range events {
			s.carryOut(e)
			s.cuts = append(s.cuts, len(s.told))
		}
	}
	s.t.Fatal("the player does not come to rest")
}

func (s *stand) carryOut(e lifeboat.Event) {
	i, ok := e.(lifeboat.Intent)
	if !ok {
		return
	}
	switch i.Act {
	case lifeboat.SendMessage:
		if s.mute {
			s.apply(lifeboat.Receipt{Key: i.Key, Status: lifeboat.Unknown, Why: "connection refused"})
			return
		}
		s.apply(lifeboat.Receipt{Key: i.Key, Status: lifeboat.Sent})
	case lifeboat.CancelOrder:
		s.apply(lifeboat.Receipt{Key: i.Key, Status: lifeboat.Sent})
		if a := s.acts[i.Cancel]; a != nil && a.Task != nil {
			s.end(i.Cancel, s.stopped)
			return
		}
		canceled := s.receipt(i.Cancel)
		canceled.Key, canceled.Status = i.Cancel, lifeboat.Canceled
		s.apply(canceled)
	case lifeboat.PerformTask:
		s.apply(s.performed(i))
	case lifeboat.PlaceOrder:
		r := lifeboat.Receipt{Key: i.Key, Account: "broker", Status: s.status}
		if i.Order.Symbol == s.rejects {
			r.Status = lifeboat.OrderRejected
		} else if s.status == lifeboat.Filled {
			r.Filled, r.Price = i.Order.Quantity, i.Order.Arrival
		}
		s.apply(r)
	}
}

// end is what becomes of a task; nothing when the receipt says nothing.
func (s *stand) end(key lifeboat.Key, r lifeboat.Receipt) {
	if r.Key = key; r.Status != "" {
		s.apply(r)
	}
}

// performed is what comes of a task.
func (s *stand) performed(i lifeboat.Intent) lifeboat.Receipt {
	r, set := s.tasks[i.Task.Kind]
	if !set {
		r = lifeboat.Receipt{Status: lifeboat.Performed, Output: "ok", Facts: map[string]string{"hash": "abc123"}}
	}
	r.Key = i.Key
	return r
}

// receipt is the last one of an order.
func (s *stand) receipt(key lifeboat.Key) (last lifeboat.Receipt) {
	for _, e := range s.told {
		if r, ok := e.(lifeboat.Receipt); ok && r.Key == key {
			last = r
		}
	}
	return last
}

func (s *stand) later(d time.Duration) {
	s.at = s.at.Add(d)
	s.settle()
}

// steps tells every finished step as "name: status why", and the run's end.
func (s *stand) steps() []string {
	var all []string
	for _, e := range s.told {
		switch e := e.(type) {
		case lifeboat.StepFinished:
			all = append(all, string(e.Status)+" "+e.Why)
		case lifeboat.RunFinished:
			all = append(all, "run "+string(e.Status)+" "+e.Why)
		}
	}
	return all
}

func (s *stand) orders() []string {
	var all []string
	for _, e := range s.told {
		if i, ok := e.(lifeboat.Intent); ok && i.Order != nil {
			all = append(all, string(i.Order.Side)+" "+i.Order.Quantity.String()+" "+i.Order.Symbol)
		}
	}
	return all
}

func (s *stand) question() lifeboat.Key {
	for _, e := range s.told {
		if i, ok := e.(lifeboat.Intent); ok && i.Message != nil && i.Message.Question {
			return i.Key
		}
	}
	s.t.Fatal("nobody was asked")
	return ""
}

// asked is the last question.
func (s *stand) asked() lifeboat.Intent {
	for _, e := range slices.Backward(s.told) {
		if i, ok := e.(lifeboat.Intent); ok && i.Message != nil && i.Message.Question {
			return i
		}
	}
	s.t.Fatal("nobody was asked")
	return lifeboat.Intent{}
}

// say answers the last question, to exactly what it shows.
func (s *stand) say(by string, yes bool) {
	asked := s.asked()
	s.apply(lifeboat.Answer{Question: string(asked.Key), By: by, Yes: yes, Content: asked.Message.Content})
	s.cuts = append(s.cuts, len(s.told))
	s.settle()
}

func want(t *testing.T, got []string, prefixes ...string) {
	t.Helper()
	if !slices.EqualFunc(got, prefixes, func(g, p string) bool { return strings.HasPrefix(g, p) }) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(prefixes, "\n  "))
	}
}

func playbook(steps ...plan.Step) plan.Playbook { return plan.Playbook{Name: "defend", Steps: steps} }

const hour = plan.Duration(time.Hour)

func TestRebalanceToModelSellsThenBuys(t *testing.T) {
	// 100,000 in all: SPY 60,000, QQQ 20,000, bonds 10,000, cash 10,000.
	model := plan.Model{Name: "defensive", Targets: []plan.Target{{Of: "equities", Weight: 0.40}, {Of: "bonds", Weight: 0.20}, {Of: "cash", Weight: 0.40}}}
	s := newStand(t, playbook(plan.Step{Name: "move", Rebalance: &plan.Rebalance{Model: "defensive"}, Timeout: hour}), model)
	s.settle()
	want(t, s.orders(), "sell 300 SPY", "sell 200 QQQ", "buy 100 T10Y")
	want(t, s.steps(), "done 3 orders filled", "run done all of 1 step done")
	if cash := s.book.Quantity("broker", "USD"); !cash.Equal(decimal.NewFromInt(40_000)) {
		t.Errorf("cash %s, want 40000", cash)
	}
}

func TestReduceAndRaiseCash(t *testing.T) {
	// "Reduce equities by 25% and raise cash to 40%": equities 80,000 → 60,000 leaves cash 30,000; 10,000 more from equities.
	step := plan.Step{Name: "move", Rebalance: &plan.Rebalance{Reduce: "equities", By: 0.25, RaiseCashTo: 0.40}, Timeout: hour}
	s := newStand(t, playbook(step))
	s.settle()
	want(t, s.orders(), "sell 225 SPY", "sell 150 QQQ")
	if cash := s.book.Quantity("broker", "USD"); !cash.Equal(decimal.NewFromInt(40_000)) {
		t.Errorf("cash %s, want 40000", cash)
	}
}

func TestRebalanceLeavesTheUnpricedAlone(t *testing.T) {
	step := plan.Step{Name: "move", Rebalance: &plan.Rebalance{Reduce: "equities", By: 1}, Timeout: hour}
	s := newStand(t, playbook(step))
	delete(s.world.prices, "QQQ")
	s.settle()
	want(t, s.orders(), "sell 600 SPY")
	want(t, s.steps(), "done 1 order filled; left alone for want of a fresh price: QQQ", "run done")
}

func TestOrdersThatDoNotFillAreCanceledAndSaid(t *testing.T) {
	step := plan.Step{Name: "move", Rebalance: &plan.Rebalance{Reduce: "equities", By: 1}, Timeout: hour}
	s := newStand(t, playbook(step, plan.Step{Name: "never", Wait: &plan.Wait{For: hour}}))
	s.status = lifeboat.Accepted
	s.settle()
	if due := s.Due(); !due.Equal(monday.Add(time.Hour)) {
		t.Errorf("due %v, want the time-out", due)
	}
	s.later(time.Hour)
	want(t, s.steps(), "timed-out not done after 60 min: 0 of 2 orders filled; sell SPY canceled with 0 of 600 filled; sell QQQ", "run failed stopped at step 1 of 2 (move)")
}

func TestCheckWaitsForTheMarket(t *testing.T) {
	step := plan.Step{Name: "pre-flight", Check: &plan.Check{Market: "open", DataAge: hour, MaxPosition: 0.70, MaxDaysToExit: 1}, Timeout: 24 * hour}
	s := newStand(t, playbook(step))
	s.world.open = false
	s.settle()
	if due := s.Due(); !due.Equal(s.world.turn) {
		t.Errorf("due %v, want the opening %v", due, s.world.turn)
	}
	s.world.open = true
	s.later(time.Hour)
	want(t, s.steps(), "done pre-flight passed", "run done")
}

func TestCheckThatNeverPassesSaysWhy(t *testing.T) {
	step := plan.Step{Name: "pre-flight", Check: &plan.Check{Market: "open", DataAge: hour, MaxPosition: 0.50}, Timeout: hour}
	s := newStand(t, playbook(step))
	s.world.open, s.world.age = false, 3*time.Hour
	s.settle()
	s.later(time.Hour)
	got := s.steps()
	for _, part := range []string{"SPY's market is closed", "SPY was last priced 3.0 h of market time ago", "SPY is 60.0% of the tradable book, above 50.0%"} {
		if !strings.Contains(got[0], part) {
			t.Errorf("%q does not say %q", got[0], part)
		}
	}
	want(t, got[1:], "run failed")
}

func TestApproval(t *testing.T) {
	step := plan.Step{Name: "gate", Approve: &plan.Approve{By: "cio", Text: "Go defensive?"}, Timeout: hour, Retries: 2}
	for name, c := range map[string]struct {
		answer *lifeboat.Answer
		want   []string
	}{
		"yes":            {&lifeboat.Answer{By: "Cleo", Yes: true}, []string{"done Cleo approved after 10 min", "run done"}},
		"no is final":    {&lifeboat.Answer{By: "Ben", Note: "too late"}, []string{"failed Ben said no: too late", "run failed"}},
		"not asked":      {&lifeboat.Answer{By: "Mallory", Yes: true}, nil},
		"nobody answers": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, playbook(step))
			s.settle()
			s.at = s.at.Add(10 * time.Minute)
			if c.answer != nil {
				c.answer.Question = string(s.question())
				s.apply(*c.answer)
			}
			s.settle()
			want(t, s.steps(), c.want...)
		})
	}
}

func TestUnansweredApprovalIsANo(t *testing.T) {
	s := newStand(t, playbook(plan.Step{Name: "gate", Approve: &plan.Approve{By: "cio"}, Timeout: hour}))
	s.settle()
	s.later(time.Hour)
	want(t, s.steps(), "timed-out not done after 60 min: no answer from Ben, Cleo", "run failed")
}

func TestRetryAndContinue(t *testing.T) {
	step := plan.Step{Name: "check", Verify: &plan.Verify{That: "x"}, Retries: 1, RetryAfter: hour, OnFailure: "continue"}
	s := newStand(t, playbook(step, plan.Step{Name: "tell", Notify: &plan.Notify{To: []string{"owner", "cio", "owner"}, Text: "done"}}))
	s.world.truth["x"] = false
	s.settle()
	want(t, s.steps(), "failed x does not hold")
	if due := s.Due(); !due.Equal(monday.Add(time.Hour)) {
		t.Errorf("due %v, want the retry", due)
	}
	s.later(time.Hour)
	want(t, s.steps(), "failed x does not hold", "skipped x does not hold", "done told Ana, Ben, Cleo", "run done 1 of 2 steps done, 1 skipped")
}

func TestWaitIsTimedByTheJournal(t *testing.T) {
	s := newStand(t, playbook(plan.Step{Name: "wait", Wait: &plan.Wait{For: 2 * hour}}))
	s.settle()
	s.later(time.Hour)
	want(t, s.steps())
	if due := s.Due(); !due.Equal(monday.Add(2 * time.Hour)) {
		t.Errorf("due %v", due)
	}
	s.later(time.Hour)
	want(t, s.steps(), "done waited 2.0 h", "run done")
}

func TestSupersededRunCancelsFirst(t *testing.T) {
	s := newStand(t, playbook(plan.Step{Name: "move", Rebalance: &plan.Rebalance{Reduce: "equities", By: 1}, Timeout: 48 * hour}))
	s.status = lifeboat.Accepted
	s.settle()
	content := s.told[0].(lifeboat.RunStarted).Content
	s.status = lifeboat.Filled
	s.apply(lifeboat.RunStarted{Run: "R2", Playbook: "emergency", Content: content, Tier: 3, By: "plan", Supersedes: []string{"R1"}})
	s.settle()
	want(t, s.orders(), "sell 600 SPY", "sell 400 QQQ", "sell 600 SPY", "sell 400 QQQ")
	want(t, s.steps(), "run superseded run R2 of a higher tier took over", "done 2 orders filled", "run done")
	if open := s.book.OpenOrders("broker"); len(open) != 0 {
		t.Errorf("open orders %v", open)
	}
}

func TestLowerTierGoesOnUntilTheHigherOneTrades(t *testing.T) {
	steps := []plan.Step{{Name: "gate", Approve: &plan.Approve{By: "cio"}, Timeout: hour}, {Name: "move", Rebalance: &plan.Rebalance{Reduce: "equities", By: 1}}}
	s := newStand(t, playbook(plan.Step{Name: "wait", Wait: &plan.Wait{For: 2 * hour}}))
	s.settle()
	content, _ := (&plan.Plan{}).PlaybookContent(playbook(steps...))
	s.apply(lifeboat.RunStarted{Run: "R2", Playbook: "emergency", Content: content, Tier: 3, By: "plan", Supersedes: []string{"R1"}})
	s.settle()
	s.at = s.at.Add(time.Minute)
	s.apply(lifeboat.Answer{Question: string(s.question()), By: "Ben"})
	s.settle()
	s.later(2 * time.Hour)
	want(t, s.steps(), "failed Ben said no", "run failed", "done waited 2.0 h", "run done")
}

// TestRestartAnywhere cuts the history of a run at every entry, folds what is left into a fresh player and goes on:
// the same orders under the same keys must come out.
func TestRestartAnywhere(t *testing.T) {
	steps := []plan.Step{
		{Name: "gate", Approve: &plan.Approve{By: "owner"}, Timeout: hour},
		{Name: "move", Rebalance: &plan.Rebalance{Reduce: "equities", By: 0.5}, Timeout: hour},
		{Name: "tell", Notify: &plan.Notify{To: []string{"owner"}, Text: "done"}, Timeout: hour},
	}
	whole := newStand(t, playbook(steps...))
	whole.settle()
	whole.say("Ana", true)
	for _, cut := range whole.cuts {
		again := newStand(t, playbook(steps...))
		for _, e := range whole.told[1:cut] {
			again.apply(e)
		}
		for _, e := range again.told[:cut] { // what the flow does after a restart: ask for open intents
			if i, ok := e.(lifeboat.Intent); ok && !again.received(i.Key) {
				again.carryOut(i)
			}
		}
		again.settle()
		if !again.answered() {
			again.say("Ana", true)
		}
		if !slices.Equal(again.keys(), whole.keys()) {
			t.Errorf("cut at %d of %d: keys %v, want %v", cut, len(whole.told), again.keys(), whole.keys())
		}
		want(t, again.steps()[len(again.steps())-1:], "run done all of 3 steps done")
	}
}

func (s *stand) received(key lifeboat.Key) bool {
	return slices.ContainsFunc(s.told, func(e lifeboat.Event) bool { r, ok := e.(lifeboat.Receipt); return ok && r.Key == key })
}

func (s *stand) answered() bool {
	return slices.ContainsFunc(s.told, func(e lifeboat.Event) bool { _, ok := e.(lifeboat.Answer); return ok })
}

func (s *stand) keys() []lifeboat.Key {
	var all []lifeboat.Key
	for _, e := range s.told {
		if i, ok := e.(lifeboat.Intent); ok {
			all = append(all, i.Key)
		}
	}
	return all
}

// TestRefusedOrderFailsTheStep: the flow writes a refusal in the place of an intent, so the player never hears of the
// intent itself. It must not ask again and again.
func TestRefusedOrderFailsTheStep(t *testing.T) {
	s := newStand(t, playbook(plan.Step{Name: "sell", Order: &plan.Order{Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Quantity: decimal.NewFromInt(10)}, Timeout: hour}))
	for range 10 {
		for _, e := range s.Next(s.at) {
			if i, ok := e.(lifeboat.Intent); ok {
				e = lifeboat.Refused{Key: i.Key, Run: i.Run, Why: "the plan does not let lifeboat trade there"}
			}
			s.apply(e)
		}
	}
	want(t, s.steps(), "failed 0 of 1 orders filled; refused: the plan does not let lifeboat trade there", "run failed")
}

// TestRetryTradesOnlyWhatIsLeft: an attempt that ended half filled has moved money. The next one goes on from there and
// does not take the owner's quantity, or his share of what is left, once more.
func TestRetryTradesOnlyWhatIsLeft(t *testing.T) {
	d := decimal.NewFromInt
	for name, c := range map[string]struct {
		step plan.Step
		want string
	}{
		"a quantity":  {plan.Step{Order: &plan.Order{Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Quantity: d(300)}}, "sell 300 SPY"},
		"a share":     {plan.Step{Order: &plan.Order{Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Fraction: 0.5}}, "sell 300 SPY"},
		"a reduction": {plan.Step{Rebalance: &plan.Rebalance{Reduce: "SPY", By: 0.5}}, "sell 300 SPY"},
	} {
		t.Run(name, func(t *testing.T) {
			step := c.step
			step.Name, step.Timeout, step.Retries, step.RetryAfter = "sell", hour, 2, hour
			s := newStand(t, playbook(step))
			s.status = lifeboat.Accepted
			s.settle()
			first := s.told[len(s.told)-1].(lifeboat.Receipt)
			s.apply(lifeboat.Receipt{Key: first.Key, Status: lifeboat.PartialFill, Filled: d(100), Price: d(100)})
			s.later(time.Hour) // cancelled with 100 filled
			s.status = lifeboat.Filled
			s.later(time.Hour)
			want(t, s.orders(), c.want, "sell 200 SPY")
			if held := s.book.Quantity("broker", "SPY"); !held.Equal(d(300)) {
				t.Errorf("%s left of 600, want 300", held)
			}
		})
	}
}

// TestCheckOfWhatNobodyTrades: no volume means that the way out takes for ever. An infinite number of days cannot be
// written into the journal, and an event that cannot be written stops the program at every start.
func TestCheckOfWhatNobodyTrades(t *testing.T) {
	s := newStand(t, playbook(plan.Step{Name: "pre-flight", Check: &plan.Check{MaxDaysToExit: 1, MaxPosition: 0.9}, Timeout: hour}))
	s.world.volume = map[string]float64{"SPY": 0}
	s.settle()
	s.later(time.Hour)
	if got := s.steps(); len(got) != 2 || !strings.Contains(got[0], "SPY has no volume to be sold into") {
		t.Errorf("got %q", got)
	}
	// A debt as large as everything else leaves a book without value.
	s = newStand(t, playbook(plan.Step{Name: "pre-flight", Check: &plan.Check{MaxPosition: 0.9}, Timeout: hour}))
	s.book.Apply(s.at, lifeboat.PlanLoaded{Positions: []lifeboat.Position{{Account: "broker", Symbol: "SPY", Quantity: decimal.NewFromInt(1)}, {Account: "broker", Symbol: "USD", Quantity: decimal.NewFromInt(-500)}}})
	s.settle()
	s.later(time.Hour)
	for _, e := range s.told {
		if f, ok := e.(lifeboat.StepFinished); ok {
			for name, v := range f.Values {
				if math.IsInf(v, 0) || math.IsNaN(v) {
					t.Errorf("%s = %v cannot be recorded", name, v)
				}
			}
		}
	}
}

// TestSellingAllSellsWholeUnits: a broker that reinvests dividends leaves 600.5 shares where only whole ones can be
// ordered. An order for all of them would be refused, and nothing sold.
func TestSellingAllSellsWholeUnits(t *testing.T) {
	for name, step := range map[string]plan.Step{
		"an order":    {Order: &plan.Order{Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Fraction: 1}},
		"a rebalance": {Rebalance: &plan.Rebalance{Reduce: "SPY", By: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			step.Name, step.Timeout = "sell", hour
			s := newStand(t, playbook(step))
			s.book.Apply(s.at, lifeboat.PlanLoaded{Positions: []lifeboat.Position{{Account: "broker", Symbol: "SPY", Quantity: decimal.RequireFromString("600.5")}}})
			s.settle()
			want(t, s.orders(), "sell 600 SPY")
		})
	}
}

// TestRunDoesNotHangOnAMessage: a dead channel in front of the sale must not hold it up for ever.
func TestRunDoesNotHangOnAMessage(t *testing.T) {
	s := newStand(t, playbook(plan.Step{Name: "tell", Notify: &plan.Notify{To: []string{"owner"}, Text: "selling"}},
		plan.Step{Name: "sell", Order: &plan.Order{Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Fraction: 1}, Timeout: hour}))
	s.mute = true
	s.settle()
	if due := s.Due(); !due.Equal(monday.Add(notifyMax)) {
		t.Errorf("due %v", due)
	}
	s.later(notifyMax)
	want(t, s.orders(), "sell 600 SPY")
	want(t, s.steps(), "done no channel has taken the message for Ana after 15 min", "done 1 order filled", "run done")
}
