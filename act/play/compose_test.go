package play

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

// The steps of these tests: hold and fails look at a condition, slow waits an hour, sale sells.
func holds(name string) plan.Step { return plan.Step{Name: name, Verify: &plan.Verify{That: "yes"}} }
func fails(name string) plan.Step { return plan.Step{Name: name, Verify: &plan.Verify{That: "no"}} }
func slow(name string) plan.Step  { return plan.Step{Name: name, Wait: &plan.Wait{For: hour}} }
func sale(symbol string, quantity int64) plan.Step {
	return plan.Step{Name: "sell", Timeout: 48 * hour, Order: &plan.Order{Account: "broker", Symbol: symbol, Side: lifeboat.Sell, Quantity: decimal.NewFromInt(quantity)}}
}

// begin makes a stand on which "yes" holds and "no" does not, and lets the run begin.
func begin(t *testing.T, steps []plan.Step, parts ...any) *stand {
	s := newStand(t, playbook(steps...), parts...)
	s.world.truth["yes"], s.world.truth["no"] = true, false
	s.settle()
	return s
}

// path tells every ended step as "path status why" and the run's end.
func (s *stand) paths() []string {
	var all []string
	for _, e := range s.told {
		switch e := e.(type) {
		case lifeboat.StepFinished:
			all = append(all, e.Step+" "+string(e.Status)+" "+e.Why)
		case lifeboat.RunFinished:
			all = append(all, "run "+string(e.Status)+" "+e.Why)
		}
	}
	return all
}

func TestComposites(t *testing.T) {
	undone := func(s plan.Step, with ...plan.Step) plan.Step { s.Compensate = with; return s }
	goesOn := func(s plan.Step) plan.Step { s.OnFailure = "continue"; return s }
	sub := plan.Playbook{Name: "sub", Steps: []plan.Step{holds("a"), holds("b")}}
	for name, c := range map[string]struct {
		steps []plan.Step
		want  []string
	}{
		"a sequence is one step": {
			[]plan.Step{{Name: "both", Do: []plan.Step{holds("a"), holds("b")}}},
			[]string{"1.1 done", "1.2 done", "1 done all of 2 steps done", "run done all of 1 step done"}},
		"a sequence stops at the first that fails": {
			[]plan.Step{{Name: "both", Do: []plan.Step{fails("a"), holds("b")}}, holds("c")},
			[]string{"1.1 failed", "1 failed stopped at step 1.1 (a)", "run failed stopped at step 1 of 2 (both)"}},
		"a sequence that may fail is skipped": {
			[]plan.Step{goesOn(plan.Step{Name: "both", Do: []plan.Step{fails("a"), holds("b")}}), holds("c")},
			[]string{"1.1 failed", "1 skipped stopped at step 1.1 (a)", "2 done", "run done 1 of 2 steps done, 1 skipped"}},
		"all at once, and it ends with the last": {
			[]plan.Step{{Name: "all", Parallel: []plan.Step{slow("a"), holds("b"), slow("c")}}},
			[]string{"1.2 done", "1.1 done", "1.3 done", "1 done all of 3 steps done", "run done"}},
		"beside a failure what is open ends and nothing new starts": {
			[]plan.Step{{Name: "all", Parallel: []plan.Step{fails("a"), {Name: "line", Do: []plan.Step{slow("b"), holds("c")}}}}},
			[]string{"1.1 failed", "1.2.1 done waited 60 min", "1.2 failed stopped before step 1.2.2 (c): a step beside it failed", "1 failed stopped at step 1.1 (a)", "run failed"}},
		"for each of what is held": {
			[]plan.Step{{Name: "all", ForEach: &plan.ForEach{Of: "equities", Do: []plan.Step{{Name: "look", Verify: &plan.Verify{That: "{symbol} in {account}"}}}}}},
			[]string{"1.SPY@broker.1 failed no data for SPY in broker", "1 failed stopped at step 1.SPY@broker.1 (look)", "run failed"}},
		"for each of nothing": {
			[]plan.Step{{Name: "all", ForEach: &plan.ForEach{Of: "crypto", Do: []plan.Step{fails("a")}}}},
			[]string{"1 done nothing of crypto is held where lifeboat may trade", "run done"}},
		"if it holds": {
			[]plan.Step{{Name: "choose", If: &plan.If{That: "yes", Then: []plan.Step{holds("a")}, Else: []plan.Step{fails("b")}}}},
			[]string{"1.1 done", "1 done", "run done"}},
		"if it does not and nothing is to be done": {
			[]plan.Step{{Name: "choose", If: &plan.If{That: "no", Then: []plan.Step{fails("a")}}}},
			[]string{"1 done no does not hold: nothing to do", "run done"}},
		"an if without data does what the owner wrote": {
			[]plan.Step{{Name: "choose", If: &plan.If{That: "unknown", NoData: "else", Then: []plan.Step{fails("a")}, Else: []plan.Step{holds("b")}}}},
			[]string{"1.1 done", "1 done", "run done"}},
		"a playbook as a step": {
			[]plan.Step{{Name: "call", Playbook: "sub"}},
			[]string{"1.1 done", "1.2 done", "1 done all of 2 steps done", "run done"}},
		"what was done is undone, the last first": {
			[]plan.Step{undone(holds("a"), holds("undo a")), undone(holds("b"), holds("undo b"), slow("rest")), undone(fails("c"), holds("never"))},
			[]string{"1 done", "2 done", "3 failed", "2.undo.1 done", "2.undo.2 done", "2.undo done", "1.undo.1 done", "1.undo done", "run failed stopped at step 3 of 3 (c); 2 steps undone"}},
		"one that cannot be undone does not keep others from it": {
			[]plan.Step{undone(holds("a"), holds("undo a")), undone(holds("b"), fails("undo b")), fails("c")},
			[]string{"1 done", "2 done", "3 failed", "2.undo.1 failed", "2.undo failed", "1.undo.1 done", "1.undo done", "run failed stopped at step 3 of 3 (c); 1 of 2 steps undone, not: undo b"}},
		"a run that ends well undoes nothing": {
			[]plan.Step{undone(holds("a"), fails("undo a")), goesOn(fails("b"))},
			[]string{"1 done", "2 skipped", "run done 1 of 2 steps done, 1 skipped"}},
		"what was done is not done twice when a sequence is tried again": {
			[]plan.Step{{Name: "both", Retries: 1, RetryAfter: hour, Do: []plan.Step{sale("SPY", 10), fails("b")}}},
			[]string{"1.1 done 1 order filled", "1.2 failed", "1 failed", "1.2 failed", "1 failed stopped at step 1.2 (b)", "run failed"}},
		"a sequence has a time-out of its own": {
			[]plan.Step{{Name: "both", Timeout: hour / 2, Do: []plan.Step{slow("a")}}},
			[]string{"1.1 timed-out ended with step 1", "1 timed-out not done after 30 min", "run failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, c.steps, sub)
			for range 3 {
				if due := s.Due(); !due.IsZero() {
					s.later(due.Sub(s.at))
				}
			}
			want(t, s.paths(), c.want...)
		})
	}
}

// TestBesideOneAnother: two steps that trade at once do not size their orders on the same book.
func TestBesideOneAnother(t *testing.T) {
	half := plan.Step{Name: "half", Timeout: 48 * hour, Order: &plan.Order{Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Fraction: 0.5}}
	s := begin(t, []plan.Step{{Name: "both", Parallel: []plan.Step{half, half}}})
	want(t, s.orders(), "sell 300 SPY", "sell 150 SPY")
	want(t, s.paths(), "1.1 done", "1.2 done", "1 done", "run done")
}

func TestForEachSellsEachHolding(t *testing.T) {
	each := plan.Step{Name: "leave", ForEach: &plan.ForEach{Of: "equities", Do: []plan.Step{
		{Name: "sell", Timeout: 48 * hour, Order: &plan.Order{Account: "{account}", Symbol: "{symbol}", Side: lifeboat.Sell, Fraction: 1}},
		{Name: "tell", Notify: &plan.Notify{To: []string{"owner"}, Text: "left {symbol}"}}}}}
	s := begin(t, []plan.Step{each})
	want(t, s.orders(), "sell 600 SPY", "sell 400 QQQ")
	want(t, s.paths(), "1.SPY@broker.1 done", "1.SPY@broker.2 done", "1.QQQ@broker.1 done", "1.QQQ@broker.2 done", "1 done carried out for SPY@broker, QQQ@broker", "run done")
}

// TestIfWaitsForData: a condition without fresh data is neither true nor false.
func TestIfWaitsForData(t *testing.T) {
	choose := plan.Step{Name: "choose", If: &plan.If{That: "later", NoData: "wait", Then: []plan.Step{holds("a")}}}
	s := begin(t, []plan.Step{choose})
	s.later(time.Hour)
	want(t, s.paths())
	if waits := s.Waits("R1"); !strings.Contains(waits, "nobody can tell whether later") {
		t.Errorf("waits: %q", waits)
	}
	s.world.truth["later"] = true
	s.later(time.Minute)
	want(t, s.paths(), "1.1 done", "1 done", "run done")

	s = begin(t, []plan.Step{choose})
	s.later(noDataMax)
	want(t, s.paths(), "1 timed-out not done after 24.0 h: no data for later", "run failed")
}

func TestRetriesByKind(t *testing.T) {
	for name, c := range map[string]struct {
		step   plan.Step
		status lifeboat.ReceiptStatus
		want   int // attempts
	}{
		"unmet, and tried again":       {plan.Step{Verify: &plan.Verify{That: "no"}, RetryOn: []string{"unmet"}}, "", 3},
		"unmet, for transient ones":    {plan.Step{Verify: &plan.Verify{That: "no"}, RetryOn: []string{"transient"}}, "", 1},
		"no data is transient":         {plan.Step{Verify: &plan.Verify{That: "unknown"}, RetryOn: []string{"transient"}}, "", 3},
		"rejected, and tried again":    {plan.Step{Order: sale("SPY", 1).Order, RetryOn: []string{"rejected"}}, lifeboat.OrderRejected, 3},
		"rejected, for timed-out ones": {plan.Step{Order: sale("SPY", 1).Order, RetryOn: []string{"timed-out"}}, lifeboat.OrderRejected, 1},
		"timed-out":                    {plan.Step{Wait: &plan.Wait{For: 9 * hour}, Timeout: hour, RetryOn: []string{"timed-out"}}, "", 3},
		"any kind":                     {plan.Step{Verify: &plan.Verify{That: "no"}}, "", 3},
		"nobody to ask is for good":    {plan.Step{Manual: &plan.Manual{Who: "nobody", Text: "do"}}, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			c.step.Name, c.step.Retries, c.step.RetryAfter = "try", 2, hour
			s := newStand(t, playbook(c.step))
			s.world.truth["no"], s.status = false, c.status
			s.settle()
			for range 6 {
				s.later(time.Hour)
			}
			if got := s.byWord("step-started"); got != c.want {
				t.Errorf("%d attempts, want %d: %q", got, c.want, s.paths())
			}
		})
	}
}

func (s *stand) byWord(word string) int {
	n := 0
	for _, e := range s.told {
		if e.Word() == word {
			n++
		}
	}
	return n
}

func TestPausesGrow(t *testing.T) {
	step := plan.Step{Name: "try", Verify: &plan.Verify{That: "no"}, Retries: 4, RetryAfter: hour, RetryGrowth: 2, RetryMax: 3 * hour}
	s := begin(t, []plan.Step{step})
	var pauses []time.Duration
	for range 4 {
		due := s.Due()
		pauses = append(pauses, due.Sub(s.at))
		s.later(due.Sub(s.at))
	}
	if !slices.Equal(pauses, []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour, 3 * time.Hour}) {
		t.Errorf("pauses %v", pauses)
	}
}

// shut is a gate that lets nothing pass.
type shut struct{ open bool }

func (g *shut) Passes(lifeboat.Intent) error {
	if g.open {
		return nil
	}
	return errors.New("the breaker is halted")
}

// TestHeldBack: what the breaker or a quarantine holds back is not even formed; the step waits, says why, and times out honestly.
func TestHeldBack(t *testing.T) {
	gate := &shut{}
	s := newStand(t, playbook(sale("SPY", 10)))
	s.gate = gate
	s.settle()
	want(t, s.orders())
	if waits := s.Waits("R1"); waits != "step 1 (sell) waits for the way to be free: the breaker is halted" {
		t.Errorf("waits: %q", waits)
	}
	gate.open = true
	s.apply(lifeboat.Quarantine{Accounts: []string{"broker"}, Why: "restored"})
	s.settle()
	want(t, s.orders())
	s.apply(lifeboat.Reconciled{Account: "broker"})
	s.settle()
	want(t, s.orders(), "sell 10 SPY")

	s = newStand(t, playbook(sale("SPY", 10)))
	s.gate = &shut{}
	s.settle()
	s.later(48 * time.Hour)
	want(t, s.paths(), "1 timed-out not done after 2.0 days: it waited for the way to be free: the breaker is halted", "run failed")
}

// TestBudget: the owner is told while something can be done about it, and once more when it is too late.
func TestBudget(t *testing.T) {
	step := slow("long")
	step.Wait = &plan.Wait{For: 10 * hour}
	step.RTO = 2 * hour
	p := playbook(step)
	p.RTO = 4 * hour
	s := newStand(t, p)
	s.settle()
	for range 8 {
		if due := s.Due(); !due.IsZero() {
			s.later(due.Sub(s.at))
		}
	}
	var told []string
	for i, e := range s.told {
		if e, ok := e.(lifeboat.Intent); ok {
			told = append(told, s.times[i].Sub(monday).String()+" "+list(e.Message.To)+" "+e.Message.Text)
		}
	}
	want(t, told,
		"1h30m0s Ana Step 1 (long) of run R1 (defend) has used 75% of its 2.0 h. Under way: step 1 (long).",
		"2h0m0s Ana Step 1 (long) of run R1 (defend) has used up its 2.0 h and is not done.",
		"3h0m0s Ana Run R1 (defend) has used 75% of its 4.0 h. Under way: step 1 (long).",
		"4h0m0s Ana Run R1 (defend) has used up its 4.0 h and is not done.")
	want(t, s.paths(), "1 done", "run done")
}

// want wants a request of Ana's.
func (s *stand) want(verb lifeboat.Verb, step string) {
	s.t.Helper()
	q := lifeboat.Request{ID: "Q", Verb: verb, Object: "R1", Step: step, By: "Ana"}
	if err := s.Fits(q); err != nil {
		s.t.Fatalf("%s %s: %v", verb, step, err)
	}
	s.apply(q)
	s.settle()
}

func TestRequests(t *testing.T) {
	open := []plan.Step{sale("SPY", 10), holds("after")}
	for name, c := range map[string]struct {
		steps []plan.Step
		do    func(s *stand)
		want  []string
	}{
		"skip cancels what is open": {open, func(s *stand) { s.want(lifeboat.SkipStep, "1") },
			[]string{"1 skipped Ana skipped it", "2 done", "run done 1 of 2 steps done, 1 skipped"}},
		"abandon cancels what is open and undoes nothing": {open, func(s *stand) { s.want(lifeboat.AbandonRun, "") },
			[]string{"run abandoned Ana abandoned it"}},
		"retry begins a new attempt": {open, func(s *stand) { s.status = lifeboat.Filled; s.want(lifeboat.RetryStep, "1") },
			[]string{"1 failed Ana wants it tried again", "1 done", "2 done", "run done"}},
		"a pause stops time": {[]plan.Step{slow("a")}, func(s *stand) {
			s.later(30 * time.Minute)
			s.want(lifeboat.PauseRun, "")
			s.later(10 * time.Hour)
			s.want(lifeboat.ResumeRun, "")
			s.later(29 * time.Minute)
			want(s.t, s.paths())
			s.later(time.Minute)
		}, []string{"1 done", "run done"}},
		"retry in a parallel while others go on": {[]plan.Step{{Name: "all", Parallel: []plan.Step{fails("a"), slow("b")}}}, func(s *stand) {
			s.world.truth["no"] = true
			s.want(lifeboat.RetryStep, "1.1")
			s.later(time.Hour)
		}, []string{"1.1 failed", "1.1 done", "1.2 done", "1 done", "run done"}},
		"skip a step with steps inside": {[]plan.Step{{Name: "all", Parallel: []plan.Step{sale("SPY", 10), slow("b")}}}, func(s *stand) { s.want(lifeboat.SkipStep, "1") },
			[]string{"1.2 skipped ended with step 1", "1.1 skipped ended with step 1", "1 skipped Ana skipped it", "run done 0 of 1 steps done, 1 skipped"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, playbook(c.steps...))
			s.world.truth["yes"], s.world.truth["no"], s.status = true, false, lifeboat.Accepted
			s.settle()
			c.do(s)
			want(t, s.paths(), c.want...)
			if left := s.book.OpenOrders("broker"); len(left) > 0 {
				t.Errorf("still open: %v", left)
			}
		})
	}
}

func TestRequestsThatDoNotFit(t *testing.T) {
	s := begin(t, []plan.Step{holds("a"), slow("b"), holds("c")})
	for want, q := range map[string]lifeboat.Request{
		`no open run is called "R9"`:                    {Verb: lifeboat.PauseRun, Object: "R9"},
		"run R1 is not paused":                          {Verb: lifeboat.ResumeRun, Object: "R1"},
		"step 1 (a) of run R1 is over: done":            {Verb: lifeboat.SkipStep, Object: "R1", Step: "1"},
		"step 3 (c) of run R1 has not begun":            {Verb: lifeboat.RetryStep, Object: "R1", Step: "3"},
		`run R1 has no step "7"; under way: step 2 (b)`: {Verb: lifeboat.SkipStep, Object: "R1", Step: "7"},
		`run R1 has no step ""; under way: step 2 (b)`:  {Verb: lifeboat.SkipStep, Object: "R1"},
	} {
		if err := s.Fits(q); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		s.apply(q) // and when it is in the journal all the same, nothing follows
		s.settle()
	}
	want(t, s.paths(), "1 done")
	if err := s.Fits(lifeboat.Request{Verb: lifeboat.MoveTier, Object: "3"}); err != nil {
		t.Errorf("not about runs: %v", err)
	}
}

// TestTwoPersonsForARun: where the plan wants two for runs, one is not enough and one twice is not two.
func TestTwoPersonsForARun(t *testing.T) {
	s := begin(t, []plan.Step{slow("a")})
	s.plan.Mandates = []plan.Mandate{{Name: "both", By: "cio", Need: 2}}
	s.plan.Authority.Runs = "both"
	abandon := func(by string) {
		s.apply(lifeboat.Request{Verb: lifeboat.AbandonRun, Object: "R1", By: by})
		s.settle()
	}
	abandon("Ben")
	abandon("Ben")
	want(t, s.paths())
	s.later(agreeWithin / 2)
	abandon("Cleo")
	want(t, s.paths(), "run abandoned Ben and Cleo abandoned it")
}

func TestLostOrder(t *testing.T) {
	for name, c := range map[string]struct {
		yes  bool
		want []string
		left int64
	}{
		"it is there":      {true, []string{"1 done 1 order filled", "run done"}, 590},
		"it never arrived": {false, []string{"1 failed 0 of 1 orders filled; sell SPY canceled with 0 of 10 filled: Ana looked and said that it never arrived", "run failed"}, 600},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, playbook(sale("SPY", 10)))
			s.status = lifeboat.Unknown
			s.settle()
			last := s.told[len(s.told)-1].(lifeboat.Receipt)
			s.apply(lifeboat.Receipt{Key: last.Key, Account: "broker", Status: lifeboat.Unknown, Lost: true, Why: "it forgets keys after a day"})
			s.settle()
			if waits := s.Waits("R1"); !strings.Contains(waits, "waits for Ana to say what became of the order to sell 10 SPY in broker") {
				t.Errorf("waits: %q", waits)
			}
			s.say("Ana", c.yes)
			want(t, s.paths(), c.want...)
			if held := s.book.Quantity("broker", "SPY"); !held.Equal(decimal.NewFromInt(c.left)) {
				t.Errorf("%s held, want %d", held, c.left)
			}
		})
	}
}

func TestTasks(t *testing.T) {
	call := plan.Step{Name: "call", HTTP: &plan.HTTP{Method: "POST", URL: "https://example.org/${KEY}"}}
	run := plan.Step{Name: "run", Exec: &plan.Exec{Command: "backup", Idempotent: true}}
	infra := plan.Step{Name: "infra", Timeout: hour, Terraform: &plan.Terraform{Dir: "tf", By: "cio"}}
	s := begin(t, []plan.Step{call, run, infra})
	want(t, s.paths(), "1 done http done: ok", "2 done exec done: ok")
	if p := s.asked().Message.Proposal; p == nil || p.Task.Kind != "terraform-apply" || !strings.Contains(string(p.Task.Spec), `"hash":"abc123"`) {
		t.Fatalf("proposal %+v", p)
	}
	if p := s.asked().Message; p.Proposal.Task.Shown != "ok" || !strings.Contains(p.Text, "| ok\n") {
		t.Errorf("what would be done is not shown: %s", p.Text)
	}
	s.say("Cleo", true)
	want(t, s.paths()[2:], "3 done terraform-apply done: ok", "run done")

	if spec := string(s.asked().Message.Proposal.Task.Spec); !strings.Contains(spec, `"timeout":"1h"`) {
		t.Errorf("whoever applies it does not know the step's time-out: %s", spec)
	}

	s = newStand(t, playbook(infra)) // nobody is asked about a plan that changes nothing
	s.tasks = map[string]lifeboat.Receipt{"terraform-plan": {Status: lifeboat.Performed, Facts: map[string]string{"hash": "abc123", "changes": "false"}}}
	s.settle()
	want(t, s.paths(), "1 done terraform finds everything as it should be", "run done")

	s = newStand(t, playbook(call))
	s.tasks = map[string]lifeboat.Receipt{"http": {Status: lifeboat.NotPerformed, Why: "answered 403"}}
	s.settle()
	want(t, s.paths(), "1 failed http failed: answered 403", "run failed")
}

// TestTaskUnderWayIsNotBegunTwice: a time-out does not stop a command that runs, so its step is not tried again.
func TestTaskUnderWayIsNotBegunTwice(t *testing.T) {
	for idempotent, attempts := range map[bool]int{false: 1, true: 2} {
		s := newStand(t, playbook(plan.Step{Name: "run", Timeout: hour, Retries: 1, RetryAfter: hour, Exec: &plan.Exec{Command: "backup", Idempotent: idempotent}}))
		s.tasks = map[string]lifeboat.Receipt{"exec": {Status: lifeboat.Accepted}}
		s.settle()
		s.later(time.Hour)
		s.later(time.Hour)
		if got := s.byWord("step-started"); got != attempts {
			t.Errorf("idempotent %v: %d attempts, want %d", idempotent, got, attempts)
		}
	}
}

func TestCommunicate(t *testing.T) {
	tree := func(need string) plan.Step {
		return plan.Step{Name: "gather", Timeout: 2 * hour, Communicate: &plan.Communicate{Call: []string{"owner", "cio"}, Text: "call in", Need: need, After: plan.Duration(10 * time.Minute)}}
	}
	s := begin(t, []plan.Step{tree("all")})
	s.later(10 * time.Minute) // Ana said nothing: Ben is called as well
	s.say("Ben", true)        // and Cleo at once
	s.apply(lifeboat.Request{Verb: lifeboat.Acknowledge, Object: string(s.question()), By: "Ana"})
	s.settle()
	if waits := s.Waits("R1"); waits != "step 1 (gather) waits for Cleo to acknowledge" {
		t.Errorf("waits: %q", waits)
	}
	s.say("Cleo", false)
	want(t, s.paths(), "1 done Ana, Ben, Cleo acknowledged", "run done")

	s = begin(t, []plan.Step{tree("first")})
	s.later(10 * time.Minute)
	s.say("Ben", true)
	want(t, s.paths(), "1 done Ben acknowledged after 10 min", "run done")

	s = begin(t, []plan.Step{tree("all")})
	for range 3 {
		s.later(40 * time.Minute)
	}
	want(t, s.paths(), "1 timed-out not done after 2.0 h: no answer from", "run failed")
}

func TestManualWantsItsEvidence(t *testing.T) {
	s := begin(t, []plan.Step{{Name: "wire", Timeout: hour, Manual: &plan.Manual{Who: "owner", Text: "Wire it.", Evidence: []string{"confirmation number"}}}})
	bare := lifeboat.Answer{Question: string(s.question()), By: "Ana", Yes: true}
	if err := s.AnswerFits(bare); err == nil || err.Error() != "the confirmation of step 1 (wire) wants confirmation number attached" {
		t.Errorf("got %v", err)
	}
	s.apply(bare)
	s.settle()
	want(t, s.paths())
	full := bare
	full.Evidence = map[string]string{"confirmation number": "A-7"}
	if err := s.AnswerFits(full); err != nil {
		t.Error(err)
	}
	s.apply(full)
	s.settle()
	want(t, s.paths(), "1 done Ana confirmed after 0 s; attached: confirmation number A-7", "run done")
}

func TestExclusivePaths(t *testing.T) { // a fold knows each step under one path only
	s := begin(t, []plan.Step{{Name: "all", Parallel: []plan.Step{slow("a"), {Name: "b", Do: []plan.Step{slow("c")}}}}})
	if got := slices.Sorted(maps.Keys(s.byID["R1"].nodes)); !slices.Equal(got, []string{"", "1", "1.1", "1.2", "1.2.1"}) {
		t.Errorf("paths %q", got)
	}
}

// TestRunsDoNotShareABook: two runs that trade speak in turn, so that the second sizes its order on what the first has left.
func TestRunsDoNotShareABook(t *testing.T) {
	half := plan.Step{Name: "half", Timeout: 48 * hour, Order: &plan.Order{Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Fraction: 0.5}}
	s := newStand(t, playbook(half))
	started := s.told[0].(lifeboat.RunStarted)
	started.Run = "R2"
	s.apply(started)
	s.settle()
	want(t, s.orders(), "sell 300 SPY", "sell 150 SPY")
}
