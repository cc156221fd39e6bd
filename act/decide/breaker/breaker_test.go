package breaker

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/approve"
	"lifeboat/plan"
)

var monday = time.Date(2026, 1, 5, 15, 0, 0, 0, time.UTC)

func units(n int64) decimal.Decimal { return decimal.NewFromInt(n) }

// trustees own 100 SPY, owe 20 TLT and let two of them let go; the first test that wants another plan changes this one.
func trustees() *plan.Plan {
	return &plan.Plan{
		Portfolio: plan.Portfolio{BaseCurrency: "USD"},
		Accounts:  []plan.Account{{Name: "broker", Venue: "paper"}},
		People:    []plan.Person{{Name: "Ana", Role: "trustee"}, {Name: "Ben", Role: "trustee"}, {Name: "Cas", Role: "owner"}},
		Mandates: []plan.Mandate{
			{Name: "both", By: "trustee", Need: 2},
			{Name: "the other", By: "trustee", Need: 1, Factor: "totp", NotStarter: true},
		},
		Authority: plan.Authority{Loosen: "both"},
		Breaker:   &plan.Breaker{OnHalt: "exit"},
		Triggers: []plan.Trigger{
			{Name: "crash", Breaker: "halted"}, {Name: "slide", Breaker: "reducing"}, {Name: "watch"},
		},
	}
}

func solo() *plan.Plan {
	p := trustees()
	p.Authority.Loosen = ""
	return p
}

// rig drives a breaker as the flow does: what it says is in the journal before anybody sees it.
type rig struct {
	*Breaker
	t       *testing.T
	book    *lifeboat.Book
	at      time.Time
	journal []entry
	plan    *plan.Plan
	n       int
}

type entry struct {
	at time.Time
	e  lifeboat.Event
}

func start(t *testing.T, p *plan.Plan) *rig {
	r := &rig{t: t, at: monday, plan: p}
	r.fold(p, nil)
	r.hear(lifeboat.PlanLoaded{Positions: []lifeboat.Position{
		{Account: "broker", Symbol: "SPY", Quantity: units(100)}, {Account: "broker", Symbol: "TLT", Quantity: units(-20)}, {Account: "broker", Symbol: "USD", Quantity: units(1000)},
	}})
	return r
}

// fold is a restart under a plan: nothing but the journal is left.
func (r *rig) fold(p *plan.Plan, journal []entry) {
	r.book = lifeboat.NewBook("USD")
	r.Breaker = New(p, r.book, func(string, time.Time) (float64, bool) { return 10, true })
	for _, e := range journal {
		r.book.Apply(e.at, e.e)
		r.Apply(e.at, e.e)
	}
}

func (r *rig) write(e lifeboat.Event) {
	r.journal = append(r.journal, entry{r.at, e})
	r.book.Apply(r.at, e)
	r.Apply(r.at, e)
}

func (r *rig) hear(events ...lifeboat.Event) {
	r.t.Helper()
	for _, e := range events {
		r.write(e)
	}
	for range 50 {
		said := r.Next(r.at)
		if len(said) == 0 {
			return
		}
		for _, e := range said {
			r.write(e)
		}
	}
	r.t.Fatal("the breaker does not come to rest")
}

// pass lets time go by as the flow does: it is woken when it is due.
func (r *rig) pass(d time.Duration) {
	r.t.Helper()
	to := r.at.Add(d)
	for due := r.Due(); due.After(r.at) && !due.After(to); due = r.Due() {
		r.at = due
		r.hear()
	}
	r.at = to
	r.hear()
}

func (r *rig) want(state lifeboat.BreakerState, when string) {
	r.t.Helper()
	if r.State() != state {
		r.t.Fatalf("%s it is %s and not %s", when, r.State(), state)
	}
}

// asks is a request for a state, signed with a factor unless kind is "".
func (r *rig) asks(by string, to lifeboat.BreakerState, kind string) lifeboat.Request {
	r.n++
	q := lifeboat.Request{ID: fmt.Sprint("Q", r.n), Verb: lifeboat.MoveBreaker, Object: string(to), By: by}
	if kind != "" {
		q.Factor = &lifeboat.Factor{Kind: kind, ID: by, Content: approve.DigestRequest(q)}
	}
	return q
}

func fired(trigger string) lifeboat.Firing {
	return lifeboat.Firing{Trigger: trigger, State: lifeboat.Fired}
}

func cleared(trigger string) lifeboat.Firing {
	return lifeboat.Firing{Trigger: trigger, State: lifeboat.Cleared}
}

func order(id lifeboat.Key, side lifeboat.Side, symbol string, n int64) lifeboat.Intent {
	return lifeboat.Intent{Key: id, Act: lifeboat.PlaceOrder, Run: "R1", Step: "1", Order: &lifeboat.Order{ID: id, Account: "broker", Symbol: symbol, Side: side,
		Type: lifeboat.Market, Quantity: units(n), Arrival: units(10)}}
}

func (r *rig) moves() []lifeboat.BreakerMove {
	var all []lifeboat.BreakerMove
	for _, e := range r.journal {
		if m, ok := e.e.(lifeboat.BreakerMove); ok {
			all = append(all, m)
		}
	}
	return all
}

func (r *rig) cancelled() []lifeboat.Key {
	var all []lifeboat.Key
	for _, e := range r.journal {
		if i, ok := e.e.(lifeboat.Intent); ok && i.Act == lifeboat.CancelOrder {
			all = append(all, i.Cancel)
		}
	}
	return all
}

// TestPasses is the whole of what the breaker is for: which act passes in which state.
func TestPasses(t *testing.T) {
	buy, sell, more := order("k", lifeboat.Buy, "SPY", 1), order("k", lifeboat.Sell, "SPY", 100), order("k", lifeboat.Sell, "SPY", 101)
	cases := []struct {
		name                            string
		act                             lifeboat.Intent
		active, reducing, halted, exits bool // exits: in a run of the playbook on_halt while halted
	}{
		{"a message", lifeboat.Intent{Act: lifeboat.SendMessage, Message: &lifeboat.Message{}}, true, true, true, true},
		{"a cancellation", lifeboat.Intent{Act: lifeboat.CancelOrder, Cancel: "x"}, true, true, true, true},
		{"a purchase", buy, true, false, false, false},
		{"a sale of all there is", sell, true, true, false, true},
		{"a sale of more than there is", more, true, false, false, false},
		{"a sale of what is not held", order("k", lifeboat.Sell, "QQQ", 1), true, false, false, false},
		{"a sale of what is owed", order("k", lifeboat.Sell, "TLT", 1), true, false, false, false},
		{"a purchase of what is owed", order("k", lifeboat.Buy, "TLT", 20), true, true, false, true},
		{"a purchase of more than is owed", order("k", lifeboat.Buy, "TLT", 21), true, false, false, false},
		{"an order for nothing", order("k", lifeboat.Sell, "SPY", 0), true, false, false, false},
		{"what is worked out for people to approve", lifeboat.Intent{Act: lifeboat.PerformTask, Task: &lifeboat.Task{Kind: "exit-plan"}, Run: "R1"}, true, true, true, true},
		{"what Terraform makes of a plan, which runs programs", lifeboat.Intent{Act: lifeboat.PerformTask, Task: &lifeboat.Task{Kind: "terraform-plan"}, Run: "R1"}, true, true, false, false},
		{"a task", lifeboat.Intent{Act: lifeboat.PerformTask, Task: &lifeboat.Task{Kind: "failover"}, Run: "R1"}, true, true, false, false},
	}
	for _, c := range cases {
		for state, want := range map[lifeboat.BreakerState]bool{lifeboat.Active: c.active, lifeboat.Reducing: c.reducing, lifeboat.Halted: c.halted} {
			r := start(t, trustees())
			r.hear(lifeboat.RunStarted{Run: "R1", Playbook: "defend", Trigger: "crash", By: "plan"}, lifeboat.BreakerMove{To: state, By: "plan"})
			err := r.Passes(c.act)
			if (err == nil) != want {
				t.Errorf("%s while %s: %v", c.name, state, err)
			}
			if p, ok := errors.AsType[*lifeboat.Problem](err); err != nil && (!ok || p.Reason != "halted" || p.Next == "" || p.Money == "") {
				t.Errorf("%s while %s: %#v does not say what would let it pass", c.name, state, err)
			}
		}
		r := start(t, trustees())
		r.hear(lifeboat.BreakerMove{To: lifeboat.Halted, By: "plan"}, lifeboat.RunStarted{Run: "R1", Playbook: "exit", By: "plan"})
		if err := r.Passes(c.act); (err == nil) != c.exits {
			t.Errorf("%s of the playbook on_halt: %v", c.name, err)
		}
	}
}

// TestHolds is which tasks that are under way have to wait: those that were authorised before a halt, after a restart too, until somebody stands
// behind them who knows of it or it is let go.
func TestHolds(t *testing.T) {
	leave := lifeboat.Intent{Key: "k", Act: lifeboat.PerformTask, Task: &lifeboat.Task{Kind: "exit-apply"}, Run: "R1", Step: "1"}
	begins := lifeboat.RunStarted{Run: "R1", Playbook: "defend", Trigger: "watch", By: "plan"}
	moves := func(to lifeboat.BreakerState) lifeboat.BreakerMove { return lifeboat.BreakerMove{To: to, By: "plan"} }
	yes := func(until time.Duration) []lifeboat.Event {
		return []lifeboat.Event{
			lifeboat.Intent{Key: "q", Act: lifeboat.SendMessage, Run: "R1", Message: &lifeboat.Message{To: []string{"Ana"}, Question: true,
				Proposal: &lifeboat.Proposal{Run: "R1", Step: "1", Task: leave.Task, Until: monday.Add(until)}}},
			lifeboat.Answer{Question: "q", By: "Ana", Yes: true},
		}
	}
	for name, c := range map[string]struct {
		story []lifeboat.Event
		held  bool
	}{
		"nothing happens":                      {[]lifeboat.Event{leave}, false},
		"a halt":                               {[]lifeboat.Event{leave, moves(lifeboat.Halted)}, true},
		"a halt in two steps":                  {[]lifeboat.Event{leave, moves(lifeboat.Reducing), moves(lifeboat.Halted)}, true},
		"what makes risk smaller":              {[]lifeboat.Event{leave, moves(lifeboat.Reducing)}, false},
		"a halt that was let go":               {[]lifeboat.Event{leave, moves(lifeboat.Halted), moves(lifeboat.Reducing)}, false},
		"a second halt":                        {[]lifeboat.Event{leave, moves(lifeboat.Halted), moves(lifeboat.Active), moves(lifeboat.Halted)}, true},
		"another word during the halt":         {[]lifeboat.Event{moves(lifeboat.Halted), leave, moves(lifeboat.Halted)}, false},
		"a yes since":                          {append([]lifeboat.Event{leave, moves(lifeboat.Halted)}, yes(time.Hour)...), false},
		"a yes before":                         {append(yes(time.Hour), leave, moves(lifeboat.Halted)), true},
		"a yes during it, which has run out":   {append(append([]lifeboat.Event{moves(lifeboat.Halted)}, yes(-time.Second)...), leave), false},
		"the task of a run nobody knows of":    {[]lifeboat.Event{lifeboat.Intent{Key: "k", Act: lifeboat.PerformTask, Task: leave.Task}, moves(lifeboat.Halted)}, true},
		"how far it has come while it is held": {[]lifeboat.Event{leave, moves(lifeboat.Halted), lifeboat.Receipt{Key: "k", Status: lifeboat.Accepted}}, true},
		"its end":                              {[]lifeboat.Event{leave, moves(lifeboat.Halted), lifeboat.Receipt{Key: "k", Status: lifeboat.Performed}}, false},
	} {
		r := start(t, trustees())
		r.hear(append([]lifeboat.Event{begins}, c.story...)...)
		for _, when := range []string{"", "after a restart"} {
			if err := r.Holds(leave); (err != nil) != c.held {
				t.Errorf("%s %s: %v", name, when, err)
			}
			r.fold(r.plan, r.journal)
		}
	}
}

// TestTellsWhatItHolds: owners hear that something is under way when it halts, and that it goes on when they let it go.
func TestTellsWhatItHolds(t *testing.T) {
	r := start(t, trustees())
	told := func() string { return r.journal[len(r.journal)-1].e.(lifeboat.Intent).Message.Text }
	r.hear(lifeboat.RunStarted{Run: "R1", Playbook: "defend", Trigger: "watch", By: "plan"},
		lifeboat.Intent{Key: "k", Act: lifeboat.PerformTask, Task: &lifeboat.Task{Kind: "exit-apply"}, Run: "R1", Step: "1"}, fired("crash"))
	if says := "Under way: 1 task; what has not left waits, what is out goes on to its end."; !strings.Contains(told(), says) {
		t.Errorf("of the halt it says %q", told())
	}
	r.pass(15 * time.Minute)
	r.hear(r.asks("Ana", lifeboat.Active, ""), r.asks("Ben", lifeboat.Active, ""))
	if !strings.Contains(told(), "Under way: 1 task; what waited of that goes on.") {
		t.Errorf("of its being let go it says %q", told())
	}
	r.pass(time.Hour)
	if r.want(lifeboat.Active, "after the stage"); strings.Contains(told(), "Under way") {
		t.Errorf("at last it says %q", told())
	}
}

// TestReductionsShareAPosition: what open orders will take is not there for another one, in the journal or in the same batch.
func TestReductionsShareAPosition(t *testing.T) {
	r := start(t, trustees())
	r.hear(fired("slide"), order("a", lifeboat.Sell, "SPY", 60))
	if r.Passes(order("b", lifeboat.Sell, "SPY", 40)) != nil || r.Passes(order("b", lifeboat.Sell, "SPY", 41)) == nil {
		t.Error("60 of 100 are on offer: 40 may go, and not 41")
	}
	if r.Passes(order("a", lifeboat.Sell, "SPY", 100)) != nil {
		t.Error("an order does not stand in its own way when it is sent again")
	}
	r.hear(lifeboat.Receipt{Key: "a", Status: lifeboat.PartialFill, Filled: units(50), Price: units(10)})
	if r.Passes(order("b", lifeboat.Sell, "SPY", 40)) != nil || r.Passes(order("b", lifeboat.Sell, "SPY", 41)) == nil {
		t.Error("50 are held and 10 still on offer: 40 may go, and not 41")
	}
	r.hear(lifeboat.Receipt{Key: "a", Status: lifeboat.Canceled, Filled: units(50), Price: units(10)})
	if r.Passes(order("b", lifeboat.Sell, "SPY", 50)) != nil {
		t.Error("nothing is on offer any more: 50 may go")
	}
	r.Claim(order("b", lifeboat.Sell, "SPY", 30))
	if r.Passes(order("c", lifeboat.Sell, "SPY", 21)) == nil || r.Passes(order("c", lifeboat.Sell, "SPY", 20)) != nil {
		t.Error("30 were let pass a moment ago: 20 may go, and not 21")
	}
	r.hear(lifeboat.Gap{})
	if r.Passes(order("c", lifeboat.Sell, "SPY", 50)) != nil {
		t.Error("what was let pass and is not in the journal never left")
	}
}

// TestLifeOfAHalt goes from a crash to the day after.
func TestLifeOfAHalt(t *testing.T) {
	r := start(t, trustees())
	r.hear(fired("watch"))
	r.want(lifeboat.Active, "after a trigger that trips nothing")
	r.hear(fired("crash"))
	r.want(lifeboat.Halted, "after the crash")
	if m := r.moves()[0]; m.By != "plan" || m.Trigger != "crash" || r.Since() != monday || r.Why() != `"crash" fired` {
		t.Errorf("moved %+v since %s because %s", m, r.Since(), r.Why())
	}
	told := r.journal[len(r.journal)-1].e.(lifeboat.Intent)
	if told.Message == nil || told.Message.Tier != lifeboat.Emergency || !slices.Equal(told.Message.To, []string{"Cas"}) || !strings.Contains(told.Message.Text, "at least until 15:15 UTC") {
		t.Errorf("the owner was told %+v", told.Message)
	}
	r.hear(cleared("crash"))
	r.want(lifeboat.Halted, "when the market is calm again")

	r.pass(15*time.Minute - time.Second)
	r.hear(r.asks("Ana", lifeboat.Active, ""), r.asks("Ben", lifeboat.Active, ""))
	r.pass(time.Minute)
	r.want(lifeboat.Halted, "after requests that came before the hold was over")
	r.hear(r.asks("Ana", lifeboat.Active, ""), r.asks("Ana", lifeboat.Active, ""), r.asks("Cas", lifeboat.Active, ""))
	r.want(lifeboat.Halted, "after one person's word, said twice, and a stranger's")
	r.hear(r.asks("Ben", lifeboat.Active, ""))
	r.want(lifeboat.Reducing, "after both said so")
	if m := r.moves()[1]; m.By != "Ana, Ben" {
		t.Errorf("moved by %q", m.By)
	}
	r.pass(time.Hour - time.Second)
	r.want(lifeboat.Reducing, "before the stage is over")
	r.pass(time.Second)
	r.want(lifeboat.Active, "after the stage")
	if len(r.moves()) != 3 {
		t.Errorf("moves: %+v", r.moves())
	}
}

// TestLoosening is who it takes, and when.
func TestLoosening(t *testing.T) {
	const hold = 15 * time.Minute
	cases := map[string]struct {
		plan  func() *plan.Plan
		play  func(r *rig)
		state lifeboat.BreakerState
	}{
		"two ask within an hour": {trustees, func(r *rig) {
			r.hear(r.asks("Ana", lifeboat.Reducing, ""))
			r.pass(time.Hour)
			r.hear(r.asks("Ben", lifeboat.Reducing, ""))
		}, lifeboat.Reducing},
		"two ask more than an hour apart": {trustees, func(r *rig) {
			r.hear(r.asks("Ana", lifeboat.Reducing, ""))
			r.pass(time.Hour + time.Second)
			r.hear(r.asks("Ben", lifeboat.Reducing, ""))
		}, lifeboat.Halted},
		"two ask for different states": {trustees, func(r *rig) {
			r.hear(r.asks("Ana", lifeboat.Active, ""), r.asks("Ben", lifeboat.Reducing, ""))
		}, lifeboat.Halted},
		"who asked for reducing gets no more": {trustees, func(r *rig) {
			r.hear(r.asks("Ana", lifeboat.Reducing, ""), r.asks("Ben", lifeboat.Reducing, ""))
			r.pass(24 * time.Hour)
		}, lifeboat.Reducing},
		"active after reducing takes the stage first": {trustees, func(r *rig) {
			r.hear(r.asks("Ana", lifeboat.Reducing, ""), r.asks("Ben", lifeboat.Reducing, ""))
			r.pass(hold + time.Minute)
			r.hear(r.asks("Ana", lifeboat.Active, ""), r.asks("Ben", lifeboat.Active, ""))
		}, lifeboat.Reducing},
		"somebody objects": {trustees, func(r *rig) {
			r.hear(r.asks("Ana", lifeboat.Active, ""), r.asks("Cas", lifeboat.Halted, ""), r.asks("Ben", lifeboat.Active, ""))
		}, lifeboat.Halted},
		"the stage is voided by a trip that moves nothing": {trustees, func(r *rig) {
			r.hear(r.asks("Ana", lifeboat.Active, ""), r.asks("Ben", lifeboat.Active, ""))
			r.hear(fired("slide"))
			r.pass(3 * time.Hour)
		}, lifeboat.Reducing},
		"the stage is voided by a person who wants it to stay": {trustees, func(r *rig) {
			r.hear(r.asks("Ana", lifeboat.Active, ""), r.asks("Ben", lifeboat.Active, ""))
			r.hear(r.asks("Cas", lifeboat.Reducing, ""))
			r.pass(3 * time.Hour)
		}, lifeboat.Reducing},
		"a role of several takes two of them": {role, func(r *rig) {
			r.hear(r.asks("Ana", lifeboat.Reducing, "totp"))
			r.pass(2 * time.Hour)
		}, lifeboat.Halted},
		"two of a role": {role, func(r *rig) {
			r.hear(r.asks("Ana", lifeboat.Reducing, ""), r.asks("Ben", lifeboat.Reducing, ""))
		}, lifeboat.Reducing},
		"who halted it does not let it go": {other, func(r *rig) {
			r.pass(2 * time.Hour)
			r.hear(r.asks("Ana", lifeboat.Halted, ""))
			r.hear(lifeboat.BreakerMove{To: lifeboat.Active, By: "Ben"}, r.asks("Ana", lifeboat.Halted, "")) // by Ana now
			r.pass(hold)
			r.hear(r.asks("Ana", lifeboat.Reducing, "totp"))
			r.pass(2 * time.Hour)
		}, lifeboat.Halted},
		"another one does": {other, func(r *rig) {
			r.hear(lifeboat.BreakerMove{To: lifeboat.Active, By: "Ben"}, r.asks("Ana", lifeboat.Halted, ""))
			r.pass(hold)
			r.hear(r.asks("Ben", lifeboat.Reducing, "totp"))
			r.pass(time.Hour)
		}, lifeboat.Reducing},
		"the wrong factor": {other, func(r *rig) {
			r.hear(r.asks("Ben", lifeboat.Reducing, "duo"))
			r.pass(2 * time.Hour)
		}, lifeboat.Halted},
		"a solo owner without a factor": {solo, func(r *rig) {
			r.hear(r.asks("Cas", lifeboat.Reducing, ""))
			r.pass(2 * time.Hour)
		}, lifeboat.Halted},
		"a solo owner with a factor for something else": {solo, func(r *rig) {
			q := r.asks("Cas", lifeboat.Reducing, "totp")
			q.Object = "active"
			r.hear(q)
			r.pass(2 * time.Hour)
		}, lifeboat.Halted},
		"a solo owner, before the wait is over": {solo, func(r *rig) {
			r.hear(r.asks("Cas", lifeboat.Reducing, "totp"))
			r.pass(time.Hour - time.Second)
		}, lifeboat.Halted},
		"a solo owner, after it": {solo, func(r *rig) {
			r.hear(r.asks("Cas", lifeboat.Reducing, "totp"))
			r.pass(time.Hour)
		}, lifeboat.Reducing},
		"a solo owner all the way": {solo, func(r *rig) {
			r.hear(r.asks("Cas", lifeboat.Active, "totp"))
			r.pass(2 * time.Hour)
		}, lifeboat.Active},
		"a trip during the wait": {solo, func(r *rig) {
			r.hear(r.asks("Cas", lifeboat.Active, "totp"))
			r.pass(30 * time.Minute)
			r.hear(fired("crash"))
			r.pass(2 * time.Hour)
		}, lifeboat.Halted},
		"somebody halts it again during the wait": {solo, func(r *rig) {
			r.hear(r.asks("Cas", lifeboat.Active, "totp"))
			r.pass(30 * time.Minute)
			r.hear(r.asks("Ana", lifeboat.Halted, ""))
			r.pass(2 * time.Hour)
		}, lifeboat.Halted},
		"time away is no wait": {solo, func(r *rig) {
			r.hear(r.asks("Cas", lifeboat.Reducing, "totp"))
			r.pass(10 * time.Minute)
			since := r.at
			r.at = r.at.Add(5 * time.Hour)
			r.hear(lifeboat.Resumed{Since: since})
			r.pass(50*time.Minute - time.Second)
		}, lifeboat.Halted},
		"what remains of it is": {solo, func(r *rig) {
			r.hear(r.asks("Cas", lifeboat.Reducing, "totp"))
			r.pass(10 * time.Minute)
			since := r.at
			r.at = r.at.Add(5 * time.Hour)
			r.hear(lifeboat.Resumed{Since: since})
			r.pass(50 * time.Minute)
		}, lifeboat.Reducing},
		"the clock jumps over the end of the wait": {solo, func(r *rig) {
			r.hear(r.asks("Cas", lifeboat.Reducing, "totp"))
			r.at = r.at.Add(25 * time.Hour)
			r.hear()
			r.pass(2 * time.Hour)
		}, lifeboat.Halted},
		"the clock goes back": {solo, func(r *rig) {
			r.hear(r.asks("Cas", lifeboat.Reducing, "totp"))
			r.at = r.at.Add(-24 * time.Hour)
			r.hear(lifeboat.Resumed{Since: r.at.Add(24 * time.Hour)})
			r.pass(24 * time.Hour)
		}, lifeboat.Halted},
		"nobody is left to let it go": {nobody, func(r *rig) {
			r.hear(r.asks("Ana", lifeboat.Active, "totp"), r.asks("Ben", lifeboat.Active, "totp"))
			r.pass(3 * time.Hour)
		}, lifeboat.Halted},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := start(t, c.plan())
			r.hear(fired("crash"))
			r.pass(hold)
			c.play(r)
			r.want(c.state, "in the end")
		})
	}
}

func role() *plan.Plan {
	p := trustees()
	p.Authority.Loosen = "trustee"
	return p
}

func other() *plan.Plan {
	p := trustees()
	p.Authority.Loosen = "the other"
	return p
}

func nobody() *plan.Plan {
	p := trustees()
	p.Mandates[0].Need = 3
	return p
}

// TestUnseenTime: when the end of a wait or a stage was not seen, the breaker says so, stays, and what was granted before holds on.
func TestUnseenTime(t *testing.T) {
	r := start(t, other())
	r.hear(r.asks("Ana", lifeboat.Reducing, ""), r.asks("Ana", lifeboat.Halted, ""))
	r.hear(lifeboat.RunStarted{Run: "R1", Playbook: "defend", Trigger: "", By: "Ben"}, order("a", lifeboat.Buy, "SPY", 1))
	r.pass(15 * time.Minute)
	r.hear(r.asks("Ben", lifeboat.Active, "totp"))
	r.at = r.at.Add(time.Hour + lateMax + time.Second)
	r.hear()
	last := r.moves()[len(r.moves())-1]
	if last.To != lifeboat.Halted || last.By != "plan" || !strings.Contains(last.Why, "ask again") {
		t.Fatalf("moved %+v", last)
	}
	if r.Passes(order("b", lifeboat.Buy, "SPY", 1)) != nil || len(r.cancelled()) != 0 {
		t.Error("that it stays halted is no new halt: what persons stand behind goes on")
	}
	r.pass(15 * time.Minute)
	r.hear(r.asks("Ana", lifeboat.Active, "totp"))
	r.pass(2 * time.Hour)
	r.want(lifeboat.Halted, "after the word of the one who halted it")
	r.hear(r.asks("Ben", lifeboat.Active, "totp"))
	r.pass(time.Hour)
	r.want(lifeboat.Reducing, "after the other one's")
	r.at = r.at.Add(time.Hour + lateMax + time.Second)
	r.hear()
	r.want(lifeboat.Reducing, "after a stage whose end nobody saw")
	r.pass(time.Hour - time.Second)
	if r.Fits(r.at, r.asks("Ben", lifeboat.Active, "totp")) == nil {
		t.Error("the stage begins anew")
	}
}

// TestSeenLate: a machine that was busy for a few minutes has still watched.
func TestSeenLate(t *testing.T) {
	r := start(t, solo())
	r.hear(fired("crash"))
	r.pass(15 * time.Minute)
	r.hear(r.asks("Cas", lifeboat.Reducing, "totp"))
	r.at = r.at.Add(time.Hour + lateMax - time.Second)
	r.hear()
	r.want(lifeboat.Reducing, "a little late")
}

// TestApprovedWhileHalted: only a yes that was given since the halt began counts, and only for the very act.
func TestApprovedWhileHalted(t *testing.T) {
	sale := order("a", lifeboat.Sell, "SPY", 10)
	proposal := &lifeboat.Proposal{Run: "R1", Step: "1", Orders: []lifeboat.ProposedOrder{{Order: *sale.Order}}, Until: monday.Add(time.Hour)}
	question := lifeboat.Intent{Key: "q", Act: lifeboat.SendMessage, Run: "R1", Step: "0", Message: &lifeboat.Message{To: []string{"Ana"}, Question: true, Proposal: proposal}}
	run := lifeboat.RunStarted{Run: "R1", Playbook: "defend", Trigger: "crash", By: "plan"}
	yes, no := lifeboat.Answer{Question: "q", By: "Ana", Yes: true}, lifeboat.Answer{Question: "q", By: "Ana"}
	halt := fired("crash")
	change := func(f func(o *lifeboat.Order, i *lifeboat.Intent)) lifeboat.Intent {
		i := order("a", lifeboat.Sell, "SPY", 10)
		f(i.Order, &i)
		return i
	}
	less := change(func(o *lifeboat.Order, _ *lifeboat.Intent) { o.Quantity = units(9) })
	cases := []struct {
		name   string
		events []lifeboat.Event
		act    lifeboat.Intent
		passes bool
	}{
		{"a yes after the halt", []lifeboat.Event{run, question, halt, yes}, sale, true},
		{"a question that was put after it", []lifeboat.Event{run, halt, question, yes}, sale, true},
		{"less of it", []lifeboat.Event{run, halt, question, yes}, less, true},
		{"a yes before the halt", []lifeboat.Event{run, question, yes, halt}, sale, false},
		{"no answer", []lifeboat.Event{run, question, halt}, sale, false},
		{"a no", []lifeboat.Event{run, question, halt, no}, sale, false},
		{"a yes that was taken back", []lifeboat.Event{run, question, halt, yes, no}, sale, false},
		{"a yes of somebody who was not asked", []lifeboat.Event{run, question, halt, lifeboat.Answer{Question: "q", By: "Ben", Yes: true}}, sale, false},
		{"more of it", []lifeboat.Event{run, halt, question, yes}, change(func(o *lifeboat.Order, _ *lifeboat.Intent) { o.Quantity = units(11) }), false},
		{"another key", []lifeboat.Event{run, halt, question, yes}, order("b", lifeboat.Sell, "SPY", 10), false},
		{"another symbol", []lifeboat.Event{run, halt, question, yes}, change(func(o *lifeboat.Order, _ *lifeboat.Intent) { o.Symbol = "TLT" }), false},
		{"the other side", []lifeboat.Event{run, halt, question, yes}, change(func(o *lifeboat.Order, _ *lifeboat.Intent) { o.Side = lifeboat.Buy }), false},
		{"another account", []lifeboat.Event{run, halt, question, yes}, change(func(o *lifeboat.Order, _ *lifeboat.Intent) { o.Account = "bank" }), false},
		{"another limit", []lifeboat.Event{run, halt, question, yes}, change(func(o *lifeboat.Order, _ *lifeboat.Intent) { o.Type, o.Limit = lifeboat.Limit, units(9) }), false},
		{"another step", []lifeboat.Event{run, halt, question, yes}, change(func(_ *lifeboat.Order, i *lifeboat.Intent) { i.Step = "2" }), false},
		{"another run", []lifeboat.Event{run, halt, question, yes}, change(func(_ *lifeboat.Order, i *lifeboat.Intent) { i.Run = "R2" }), false},
		{"a run that a person wanted after the halt", []lifeboat.Event{halt, lifeboat.RunStarted{Run: "R1", By: "Ana"}}, sale, true},
		{"a run that a person wanted before it", []lifeboat.Event{lifeboat.RunStarted{Run: "R1", By: "Ana"}, halt}, sale, false},
		{"a run that the plan started after it", []lifeboat.Event{halt, lifeboat.RunStarted{Run: "R1", By: "plan"}}, sale, false},
		{"a run of a trigger that somebody said yes to", []lifeboat.Event{halt, lifeboat.RunStarted{Run: "R1", By: "Ana", Trigger: "slide"}}, sale, false},
		{"a run that has ended", []lifeboat.Event{halt, lifeboat.RunStarted{Run: "R1", By: "Ana"}, lifeboat.RunFinished{Run: "R1"}}, sale, false},
	}
	for _, c := range cases {
		r := start(t, trustees())
		for _, e := range c.events {
			r.hear(e)
		}
		if err := r.Passes(c.act); (err == nil) != c.passes {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	r := start(t, trustees())
	r.hear(run, halt)
	r.hear(question, yes)
	r.pass(time.Hour + time.Second)
	r.hear(lifeboat.Gap{})
	if r.Passes(sale) == nil {
		t.Error("a yes that has expired must not count")
	}
}

// TestCancels: a halt takes back what is open and adds risk, once, and nothing that was placed since.
func TestCancels(t *testing.T) {
	open := []lifeboat.Event{order("buy", lifeboat.Buy, "SPY", 5), order("sale", lifeboat.Sell, "SPY", 60), order("too much", lifeboat.Sell, "QQQ", 1),
		order("cover", lifeboat.Buy, "TLT", 20), order("done", lifeboat.Buy, "SPY", 1), lifeboat.Receipt{Key: "done", Status: lifeboat.Filled, Filled: units(1), Price: units(10)}}
	strange := lifeboat.Reconciled{Account: "broker", Strange: []lifeboat.PlacedOrder{{Order: *order("strange", lifeboat.Buy, "SPY", 3).Order, Receipt: lifeboat.Receipt{Key: "strange", Status: lifeboat.Accepted}}}}
	r := start(t, trustees())
	r.hear(open...)
	r.hear(strange)
	r.hear(fired("slide"))
	if got := r.cancelled(); got != nil {
		t.Errorf("reducing cancelled %v", got)
	}
	r.hear(fired("crash"))
	if got := r.cancelled(); !slices.Equal(got, []lifeboat.Key{"buy", "too much", "strange"}) {
		t.Errorf("cancelled %v", got)
	}
	r.hear(lifeboat.RunStarted{Run: "R1", By: "Ana"}, order("wanted", lifeboat.Buy, "SPY", 1))
	if got := r.cancelled(); len(got) != 3 {
		t.Errorf("cancelled %v", got)
	}
	no := false
	p := trustees()
	p.Breaker.CancelOpen = &no
	r = start(t, p)
	r.hear(open...)
	r.hear(fired("crash"))
	if got := r.cancelled(); got != nil {
		t.Errorf("cancel_open: false, and it cancelled %v", got)
	}
}

// TestLimits: each trips beyond its number and not at it.
func TestLimits(t *testing.T) {
	buy := func(n int) lifeboat.Intent { return order(lifeboat.Key(fmt.Sprint("o", n)), lifeboat.Buy, "SPY", 1) }
	rejected := func(n int) lifeboat.Receipt { return lifeboat.Receipt{Key: buy(n).Key, Status: lifeboat.OrderRejected} }
	lost := func(n int) lifeboat.Receipt {
		return lifeboat.Receipt{Key: buy(n).Key, Status: lifeboat.Unknown, Lost: true}
	}
	filled := func(n int) lifeboat.Receipt {
		return lifeboat.Receipt{Key: buy(n).Key, Status: lifeboat.Filled, Filled: units(1), Price: units(10)}
	}
	cases := map[string]struct {
		rules plan.Breaker
		play  func(r *rig)
		state lifeboat.BreakerState
	}{
		"as many orders as may be":     {plan.Breaker{OrdersPerHour: 2}, func(r *rig) { r.hear(buy(1), buy(2)) }, lifeboat.Active},
		"one more":                     {plan.Breaker{OrdersPerHour: 2}, func(r *rig) { r.hear(buy(1), buy(2), buy(3)) }, lifeboat.Halted},
		"one more an hour later":       {plan.Breaker{OrdersPerHour: 2}, func(r *rig) { r.hear(buy(1)); r.pass(time.Hour); r.hear(buy(2), buy(3)) }, lifeboat.Active},
		"one more just within it":      {plan.Breaker{OrdersPerHour: 2}, func(r *rig) { r.hear(buy(1)); r.pass(time.Hour - 1); r.hear(buy(2), buy(3)) }, lifeboat.Halted},
		"failures":                     {plan.Breaker{FailuresInRow: 2}, func(r *rig) { r.hear(buy(1), rejected(1)) }, lifeboat.Active},
		"failures in a row":            {plan.Breaker{FailuresInRow: 2}, func(r *rig) { r.hear(buy(1), buy(2), rejected(1), lost(2)) }, lifeboat.Halted},
		"a fill between them":          {plan.Breaker{FailuresInRow: 2}, func(r *rig) { r.hear(buy(1), buy(2), buy(3), rejected(1), filled(2), rejected(3)) }, lifeboat.Active},
		"failures of strangers":        {plan.Breaker{FailuresInRow: 2}, func(r *rig) { r.hear(rejected(1), rejected(2)) }, lifeboat.Active},
		"half of the book and no more": {plan.Breaker{TurnoverPerDay: 0.5}, func(r *rig) { r.hear(order("a", lifeboat.Sell, "SPY", 90)) }, lifeboat.Active}, // of 100 SPY − 20 TLT at 10 and 1000 USD
		"more than half of it":         {plan.Breaker{TurnoverPerDay: 0.5}, func(r *rig) { r.hear(order("a", lifeboat.Sell, "SPY", 91)) }, lifeboat.Halted},
		"more of it, a day apart": {plan.Breaker{TurnoverPerDay: 0.5}, func(r *rig) {
			r.hear(order("a", lifeboat.Sell, "SPY", 90))
			r.pass(24 * time.Hour)
			r.hear(order("b", lifeboat.Buy, "SPY", 90))
		}, lifeboat.Active},
		"more of it, less than a day": {plan.Breaker{TurnoverPerDay: 0.5}, func(r *rig) {
			r.hear(order("a", lifeboat.Sell, "SPY", 90))
			r.pass(24*time.Hour - 1)
			r.hear(order("b", lifeboat.Buy, "SPY", 90))
		}, lifeboat.Halted},
		"no limit that anybody has set": {plan.Breaker{}, func(r *rig) { r.hear(buy(1), buy(2), rejected(1), rejected(2), order("a", lifeboat.Sell, "SPY", 5000)) }, lifeboat.Active},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := trustees()
			p.Breaker = &c.rules
			r := start(t, p)
			c.play(r)
			r.want(c.state, "in the end")
		})
	}
}

// TestLimitsCountAnew: people have looked at what tripped it, and the next order must not trip it again.
func TestLimitsCountAnew(t *testing.T) {
	p := trustees()
	p.Breaker = &plan.Breaker{FailuresInRow: 1, OrdersPerHour: 1, Hold: plan.Duration(time.Minute), Stage: plan.Duration(time.Minute)}
	r := start(t, p)
	r.hear(order("a", lifeboat.Sell, "SPY", 1), lifeboat.Receipt{Key: "a", Status: lifeboat.OrderRejected})
	r.want(lifeboat.Halted, "after a failure")
	r.pass(time.Minute)
	r.hear(r.asks("Ana", lifeboat.Active, ""), r.asks("Ben", lifeboat.Active, ""))
	r.pass(time.Minute)
	r.hear(order("b", lifeboat.Sell, "SPY", 1))
	r.want(lifeboat.Active, "after it was let go")
}

// TestStrictestWins: of what calls for a state at the same time, and of what comes later.
func TestStrictestWins(t *testing.T) {
	r := start(t, trustees())
	r.hear(fired("slide"), fired("crash"))
	if m := r.moves(); len(m) != 1 || m[0].To != lifeboat.Halted || m[0].Trigger != "crash" {
		t.Errorf("moves %+v", m)
	}
	r.hear(cleared("slide"), fired("slide"), r.asks("Ana", lifeboat.Reducing, ""))
	r.want(lifeboat.Halted, "after a call for less")
	r = start(t, trustees())
	r.hear(r.asks("Ana", lifeboat.Active, ""), r.asks(KillFile, lifeboat.Halted, ""))
	if m := r.moves(); len(m) != 1 || m[0].By != KillFile {
		t.Errorf("moves %+v", m)
	}
	r = start(t, trustees())
	r.hear(r.asks("Ana", "stop everything", ""))
	r.want(lifeboat.Halted, "after a wish that means nothing it knows")
}

// TestUnsure: a state of a later version lets no risk in, and reductions out if the owner wants it so.
func TestUnsure(t *testing.T) {
	for reduce, want := range map[string]bool{"": true, "open": true, "closed": false} {
		p := trustees()
		p.Breaker.Reduce = reduce
		r := start(t, p)
		r.hear(lifeboat.RunStarted{Run: "R1", By: "Ana"}, lifeboat.BreakerMove{To: "frozen", By: "plan"}, lifeboat.RunStarted{Run: "R2", By: "Ana"})
		sale, buy := order("a", lifeboat.Sell, "SPY", 10), order("a", lifeboat.Buy, "SPY", 1)
		sale.Run, buy.Run = "R2", "R2"
		task := lifeboat.Intent{Act: lifeboat.PerformTask, Run: "R2", Task: &lifeboat.Task{}}
		if (r.Passes(sale) == nil) != want || r.Passes(buy) == nil || r.Passes(task) == nil {
			t.Errorf("reduce %q: sale %v, purchase %v, task %v", reduce, r.Passes(sale), r.Passes(buy), r.Passes(task))
		}
		r.pass(15 * time.Minute)
		r.hear(r.asks("Ana", lifeboat.Reducing, ""), r.asks("Ben", lifeboat.Reducing, ""))
		r.want(lifeboat.Reducing, "after both let it go")
	}
}

// TestNewPlan: a plan that is loaded trips on what is true now, and not on what was true under an older one.
func TestNewPlan(t *testing.T) {
	for name, c := range map[string]struct {
		events []lifeboat.Event
		state  lifeboat.BreakerState
	}{
		"it fired and has cleared":    {[]lifeboat.Event{fired("watch"), cleared("watch")}, lifeboat.Active},
		"it fired and has not":        {[]lifeboat.Event{fired("watch")}, lifeboat.Halted},
		"it is halted by a person":    {[]lifeboat.Event{lifeboat.BreakerMove{To: lifeboat.Halted, By: "Ana"}}, lifeboat.Halted},
		"it tripped, and was let go":  {[]lifeboat.Event{fired("crash"), lifeboat.BreakerMove{To: lifeboat.Reducing, By: "Ana, Ben"}}, lifeboat.Reducing},
		"it tripped under both plans": {[]lifeboat.Event{fired("crash")}, lifeboat.Halted},
	} {
		r := start(t, trustees())
		for _, e := range c.events {
			r.hear(e)
		}
		changed := trustees()
		changed.Triggers[2].Breaker = "halted"
		r.fold(changed, r.journal)
		r.hear(lifeboat.PlanLoaded{Hash: "new"})
		if r.State() != c.state {
			t.Errorf("%s: %s", name, r.State())
		}
	}
}

// TestFits: what cannot come to anything is refused in a sentence before it is written.
func TestFits(t *testing.T) {
	r := start(t, trustees())
	if r.Fits(r.at, r.asks("Ana", "stopped", "")) == nil || r.Fits(r.at, r.asks("Ana", lifeboat.Halted, "")) != nil || r.Fits(r.at, r.asks("Ana", lifeboat.Active, "")) != nil {
		t.Error("active: there is no state \"stopped\", and there are the others")
	}
	r.hear(fired("crash"))
	err := r.Fits(r.at.Add(15*time.Minute-1), r.asks("Ana", lifeboat.Reducing, ""))
	if err == nil || err.Error() != "the breaker stays halted until 15:15:00 UTC, whatever anybody says" {
		t.Errorf("halted: %v", err)
	}
	if r.Fits(r.at.Add(15*time.Minute), r.asks("Ana", lifeboat.Reducing, "")) != nil || r.Fits(r.at, r.asks("Ana", lifeboat.Halted, "")) != nil {
		t.Error("halted: after the hold, and to stay, anybody may ask")
	}
	if err := r.Fits(r.at, lifeboat.Request{Verb: lifeboat.Acknowledge, Object: "stopped"}); err != nil {
		t.Errorf("what is not about the breaker: %v", err)
	}
}

// TestRestart: wherever the process ends, the next one stands where it stood and says the same next.
func TestRestart(t *testing.T) {
	p := trustees()
	p.Breaker = &plan.Breaker{OrdersPerHour: 20, FailuresInRow: 3, TurnoverPerDay: 2}
	r := start(t, p)
	r.hear(order("a", lifeboat.Buy, "SPY", 5), order("b", lifeboat.Sell, "SPY", 5), lifeboat.Receipt{Key: "a", Status: lifeboat.OrderRejected})
	r.hear(fired("slide"))
	r.hear(lifeboat.RunStarted{Run: "R1", Playbook: "exit", By: "plan"}, fired("crash"), order("c", lifeboat.Sell, "SPY", 10))
	r.pass(15 * time.Minute)
	r.hear(r.asks("Ana", lifeboat.Active, ""))
	r.hear(lifeboat.Resumed{Since: r.at.Add(-time.Minute)})
	r.pass(time.Minute)
	r.hear(r.asks("Ben", lifeboat.Active, ""))
	r.pass(30 * time.Minute)
	r.hear(cleared("crash"), cleared("slide"))
	r.pass(30 * time.Minute)
	r.want(lifeboat.Active, "in the end")

	journal := r.journal
	live := start(t, p)
	live.fold(p, nil)
	for n, e := range journal {
		live.at = e.at
		live.write(roundTrip(t, e.e))
		again := &rig{t: t}
		again.fold(p, journal[:n+1])
		if again.State() != live.State() || again.Since() != live.Since() || again.Why() != live.Why() || again.Due() != live.Due() {
			t.Fatalf("after %d entries: %s since %s, due %s; live it is %s since %s, due %s", n+1, again.State(), again.Since(), again.Due(), live.State(), live.Since(), live.Due())
		}
		for _, later := range []time.Duration{0, time.Minute, time.Hour, 25 * time.Hour} {
			if a, b := again.Next(e.at.Add(later)), live.Next(e.at.Add(later)); !reflect.DeepEqual(a, b) {
				t.Fatalf("after %d entries, %s later: %v, and live %v", n+1, later, a, b)
			}
		}
	}
}

// roundTrip is an event as the journal gives it back.
func roundTrip(t *testing.T, e lifeboat.Event) lifeboat.Event {
	t.Helper()
	body, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	back, err := lifeboat.Decode(e.Word(), body)
	if err != nil {
		t.Fatal(err)
	}
	return back
}
