package play

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

// TestRandomPlaybooks plays playbooks that nobody would write, among people, venues and markets that do what they like, and
// holds the interpreter to three promises: at rest every open run waits for something that has a name; whatever it says, a
// player that was folded anew from the journal says too; and once everybody is kind, every run ends.
func TestRandomPlaybooks(t *testing.T) {
	kinds := map[string]int{}
	for seed := range uint64(200) {
		if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { newStorm(t, seed, kinds).rage() }) {
			t.Fatalf("seed %d", seed)
		}
	}
	for kind := range map[string]bool{"compensate": true, "for_each": true, "terraform": true, "communicate": true, "playbook": true, "run abandoned": true,
		"run failed": true, "run done": true, "lost": true, "retry": true, "covered": true} {
		if kinds[kind] == 0 {
			t.Errorf("no playbook came to %s", kind)
		}
	}
}

// A storm is a stand on which everything is thrown by dice.
type storm struct {
	*stand
	*rand.Rand
	kinds map[string]int
	n     int // requests made
}

func newStorm(t *testing.T, seed uint64, kinds map[string]int) *storm {
	dice := rand.New(rand.NewPCG(seed, 0))
	w := &storm{Rand: dice, kinds: kinds}
	sub := plan.Playbook{Name: "sub", Steps: w.steps(2, false)}
	main := plan.Playbook{Name: "main", Steps: w.steps(0, true), RTO: w.span()}
	w.stand = newStand(t, main, sub)
	w.world.truth["x"] = true
	return w
}

func (w *storm) span() plan.Duration {
	return plan.Duration(w.IntN(4)) * plan.Duration(20*time.Minute)
}

func (w *storm) steps(depth int, mayCall bool) []plan.Step {
	var all []plan.Step
	for i := range 1 + w.IntN(3) {
		s := w.step(depth, mayCall)
		s.Name = fmt.Sprint("s", i+1)
		s.Timeout, s.RTO, s.Retries, s.RetryAfter = w.span(), w.span(), w.IntN(3), plan.Duration(time.Minute)
		s.RetryGrowth, s.RetryMax = float64(w.IntN(3)), hour
		if w.IntN(3) == 0 {
			s.OnFailure = "continue"
		}
		if w.IntN(4) == 0 {
			s.RetryOn = []string{"timed-out", "unmet"}
		}
		if w.IntN(4) == 0 && depth < 2 {
			s.Compensate = w.steps(depth+2, false)
		}
		all = append(all, s)
	}
	return all
}

func (w *storm) step(depth int, mayCall bool) plan.Step {
	simple := 12
	if depth < 3 {
		simple = 17
	}
	switch w.IntN(simple) {
	case 0:
		return plan.Step{Verify: &plan.Verify{That: "x"}}
	case 1:
		return plan.Step{Wait: &plan.Wait{For: w.span()}}
	case 2:
		return plan.Step{Notify: &plan.Notify{To: []string{"cio"}, Text: "hear"}}
	case 3:
		return plan.Step{Manual: &plan.Manual{Who: "owner", Text: "do", Evidence: []string{"number"}}}
	case 4:
		return plan.Step{Approve: w.approve()}
	case 5: // what it is for
		half := &plan.Order{Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Fraction: 0.5}
		return plan.Step{Do: []plan.Step{{Name: "gate", Approve: w.approve(), Timeout: hour}, {Name: "sell", Order: half, Timeout: hour, Retries: 1}}}
	case 6:
		return plan.Step{Order: &plan.Order{Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Fraction: 0.5, Limit: 0.01}}
	case 7:
		return plan.Step{Rebalance: &plan.Rebalance{Reduce: "equities", By: 0.1}}
	case 8:
		return plan.Step{HTTP: &plan.HTTP{URL: "https://example.org"}}
	case 9:
		return plan.Step{Terraform: &plan.Terraform{Dir: "tf", By: "cio"}}
	case 10:
		return plan.Step{Communicate: &plan.Communicate{Call: []string{"owner", "cio"}, Text: "gather", Need: []string{"all", "first"}[w.IntN(2)]}}
	case 11:
		if mayCall {
			return plan.Step{Playbook: "sub"}
		}
		return plan.Step{Check: &plan.Check{Market: "open", That: "x"}}
	case 12:
		return plan.Step{Do: w.steps(depth+1, mayCall)}
	case 13, 14:
		return plan.Step{Parallel: w.steps(depth+1, mayCall)}
	case 15:
		return plan.Step{If: &plan.If{That: "x", Then: w.steps(depth+1, mayCall), Else: w.steps(depth+1, mayCall), NoData: []string{"", "wait", "else"}[w.IntN(3)]}}
	}
	each := []plan.Step{{Name: "sell", Order: &plan.Order{Account: "{account}", Symbol: "{symbol}", Side: lifeboat.Sell, Fraction: 0.2}}}
	return plan.Step{ForEach: &plan.ForEach{Of: []string{"equities", "holdings", "crypto"}[w.IntN(3)], Do: each}}
}

func (w *storm) approve() *plan.Approve {
	a := &plan.Approve{By: "cio", ValidFor: plan.Duration(time.Minute) * plan.Duration(1+w.IntN(90))}
	switch w.IntN(3) {
	case 0:
		a.OnTimeout, a.EscalateTo = "escalate", "owner"
	case 1:
		a.OnTimeout, a.Smaller = "smaller", 0.3
	}
	return a
}

func (w *storm) rage() {
	if w.IntN(3) == 0 { // somebody thought of it before
		w.apply(lifeboat.Request{ID: "Q", Verb: lifeboat.Preauthorise, By: "Ana", Bound: &lifeboat.Bound{Account: "broker", Symbol: "SPY",
			Side: lifeboat.Sell, Quantity: decimal.NewFromInt(1000), Until: w.at.Add(48 * time.Hour)}})
	}
	w.rest()
	for range 60 {
		w.turn()
		w.rest()
	}
	w.kind()
}

// rest lets the player speak, and at every word asks one that was folded anew.
func (w *storm) rest() {
	w.t.Helper()
	for range 500 {
		events := w.Next(w.at)
		if again := w.folded().Next(w.at); !same(events, again) {
			w.t.Fatalf("live %s\nfolded %s", tell(events), tell(again))
		}
		if len(events) == 0 {
			w.named()
			return
		}
		for i, e := range events {
			if intent, ok := e.(lifeboat.Intent); ok && w.IntN(25) == 0 {
				events[i] = lifeboat.Refused{Key: intent.Key, Run: intent.Run, Why: "not today"}
			}
			w.count(e)
			w.apply(events[i])
		}
		for _, e := range events {
			w.carryOut(e)
		}
	}
	w.t.Fatalf("it does not come to rest; it says %s", tell(w.Next(w.at)))
}

func (w *storm) count(e lifeboat.Event) {
	switch e := e.(type) {
	case lifeboat.StepStarted:
		w.kinds[e.Kind]++
	case lifeboat.StepFinished:
		if e.Retry {
			w.kinds["retry"]++
		}
		if e.Preauthorised != nil {
			w.kinds["covered"]++
		}
	case lifeboat.RunFinished:
		w.kinds["run "+string(e.Status)]++
	}
}

// named holds every open run to waiting for something that has a name.
func (w *storm) named() {
	for _, r := range w.runs {
		if w.Waits(r.Run) == "" {
			w.t.Fatalf("run %s waits for nothing that has a name", r.Run)
		}
	}
}

// folded is a player that knows nothing but the journal.
func (w *storm) folded() *Player {
	book := lifeboat.NewBook("USD")
	book.Apply(monday, lifeboat.PlanLoaded{Positions: w.positions})
	p := New(w.world, book, w.plan, nil)
	for i, e := range w.told {
		book.Apply(w.times[i], e)
		p.Apply(w.times[i], e)
	}
	p.quietAt = w.quietAt
	return p
}

func same(a, b []lifeboat.Event) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(tell(a), tell(b))
}

func tell(events []lifeboat.Event) string {
	text := ""
	for _, e := range events {
		body, _ := json.Marshal(e)
		text += "\n  " + e.Word() + " " + string(body)
	}
	return text
}

// turn throws one thing.
func (w *storm) turn() {
	switch w.IntN(9) {
	case 0, 1:
		if due := w.Due(); due.After(w.at) {
			w.at = due
		}
	case 2:
		w.at = w.at.Add(time.Duration(w.IntN(40)) * time.Minute)
	case 3:
		delete(w.world.truth, "x")
		if w.IntN(2) == 0 {
			w.world.truth["x"] = w.IntN(2) == 0
		}
		w.stirred = true // as a reading does
	case 4, 5:
		w.answer(w.IntN(4) > 0)
	case 6:
		w.receive()
	case 7:
		w.status = []lifeboat.ReceiptStatus{lifeboat.Filled, lifeboat.Accepted, lifeboat.OrderRejected, lifeboat.Unknown}[w.IntN(4)]
		w.apply([]lifeboat.Event{lifeboat.Quarantine{Accounts: []string{"broker"}, Why: "restored"}, lifeboat.Reconciled{Account: "broker"}}[w.IntN(2)])
	case 8:
		w.request()
	}
}

func (w *storm) answer(yes bool) {
	for _, a := range w.questions() {
		if w.IntN(2) == 0 {
			by := a.Message.To[w.IntN(len(a.Message.To))]
			w.apply(lifeboat.Answer{Question: string(a.Key), By: by, Yes: yes, Content: a.Message.Content, Evidence: map[string]string{"number": "7"}})
		}
	}
}

func (w *storm) questions() []*act {
	return w.open(func(a *act) bool { return a.Message != nil && a.Message.Question })
}

// open acts in an order that does not depend on a map.
func (w *storm) open(of func(*act) bool) []*act {
	var all []*act
	for _, a := range w.acts {
		if of(a) {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b *act) int { return compare(string(a.Key), string(b.Key)) })
	return all
}

func compare(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

func (w *storm) unsettled() []*act {
	return w.open(func(a *act) bool { return (a.Order != nil || a.Task != nil) && !a.final() })
}

func (w *storm) receive() {
	for _, a := range w.unsettled() {
		r := lifeboat.Receipt{Key: a.Key, Account: a.AccountOf(), Status: lifeboat.Unknown, Lost: true, Why: "it forgets"}
		switch w.IntN(3) {
		case 0:
			if a.receipt.Status != "" && a.receipt.Status != lifeboat.Unknown {
				continue
			}
			w.kinds["lost"]++
		case 1:
			r = w.end(a)
		default:
			continue
		}
		w.apply(r)
	}
}

func (w *storm) end(a *act) lifeboat.Receipt {
	if a.Task != nil {
		return w.performed(a.Intent)
	}
	return lifeboat.Receipt{Key: a.Key, Account: "broker", Status: lifeboat.Filled, Filled: a.Order.Quantity, Price: a.Order.Arrival}
}

func (w *storm) request() {
	w.n++
	verbs := []lifeboat.Verb{lifeboat.PauseRun, lifeboat.ResumeRun, lifeboat.SkipStep, lifeboat.RetryStep, lifeboat.AbandonRun, lifeboat.ResumeRun}
	q := lifeboat.Request{ID: fmt.Sprint(w.n), Verb: verbs[w.IntN(len(verbs))], Object: "R1", By: "Ana"}
	if q.Verb == lifeboat.AbandonRun && w.IntN(5) > 0 {
		return
	}
	if r := w.byID["R1"]; r != nil && len(r.order) > 0 {
		q.Step = r.order[w.IntN(len(r.order))].path
	}
	w.apply(q) // also one that does not fit: it must be ignored
}

// kind lets everything go well until the run has ended.
func (w *storm) kind() {
	for range 400 {
		if len(w.runs) == 0 {
			return
		}
		w.status, w.world.truth["x"], w.stirred = lifeboat.Filled, true, true
		w.apply(lifeboat.Reconciled{Account: "broker"})
		w.apply(lifeboat.Request{ID: "resume", Verb: lifeboat.ResumeRun, Object: "R1", By: "Ana"})
		for _, a := range w.unsettled() {
			if !a.receipt.Lost {
				w.apply(w.end(a))
			}
		}
		w.answerAll()
		w.rest()
		if due := w.Due(); due.After(w.at) {
			w.at = due
		}
	}
	w.t.Fatalf("the run does not end; it waits: %s", w.Waits("R1"))
}

func (w *storm) answerAll() {
	for _, a := range w.questions() {
		for _, by := range a.Message.To {
			if len(a.answers) < 3 {
				w.apply(lifeboat.Answer{Question: string(a.Key), By: by, Yes: true, Content: a.Message.Content, Evidence: map[string]string{"number": "7"}})
			}
		}
	}
}
