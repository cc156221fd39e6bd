package play

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/prose"
)

// task has a system do something, once, and waits for what came of it.
func task(p *Player, at time.Time, r *run, n *node) said {
	key := r.key(n, "task")
	a := n.act(key)
	if a == nil {
		if s, ready := p.permitted(at, r, n); !ready {
			return s
		}
		return p.perform(r, n, key, *taskOf(n.step))
	}
	return a.performed()
}

// taskOf is what a step has done on a system; nil for a step that has nothing done there.
func taskOf(s plan.Step) *lifeboat.Task {
	limit := within{s.Timeout}
	switch {
	case s.HTTP != nil:
		return &lifeboat.Task{Kind: "http", Spec: spec(struct {
			*plan.HTTP
			within
		}{s.HTTP, limit}), Repeatable: s.HTTP.Idempotent || s.HTTP.Method == "GET"}
	case s.Exec != nil:
		return &lifeboat.Task{Kind: "exec", Spec: spec(struct {
			*plan.Exec
			within
		}{s.Exec, limit}), Repeatable: s.Exec.Idempotent}
	case s.Failover != nil:
		return &lifeboat.Task{Kind: "failover", Spec: spec(struct {
			*plan.Failover
			within
		}{s.Failover, limit}), Repeatable: true}
	}
	return nil
}

// within is the step's time-out, which whoever performs the task keeps too: it must not give up earlier, nor go on for long.
type within struct {
	Timeout plan.Duration `json:"timeout,omitempty"`
}

// spec is the step's own text as canonical JSON: fields in the order of their type, keys of maps sorted.
func spec(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // the types of a plan always marshal
	}
	return text
}

// perform forms the intent of a task, unless the breaker holds it back.
func (p *Player) perform(r *run, n *node, key lifeboat.Key, t lifeboat.Task) said {
	if why, no := r.refused[key]; no {
		return over(failed(refused, "refused: %s", why))
	}
	i := lifeboat.Intent{Key: key, Act: lifeboat.PerformTask, Run: r.Run, Step: n.path, Task: &t}
	if why := p.held(i); why != "" {
		return waits("for the way to be free: %s", why)
	}
	return acts(i)
}

// stoppable are the kinds of tasks that are left off when what they are for is ended, as long as nothing of them is out. All others go on
// to their end, whatever becomes of the run.
var stoppable = []string{"exit-plan", "exit-apply"}

// stops reports a task that can be stopped. Of one that is lost nobody can say what a stop would do; people are asked about it.
func (a *act) stops() bool {
	return a.Task != nil && slices.Contains(stoppable, a.Task.Kind) && !a.receipt.Lost
}

// performed says what came of a task.
func (a *act) performed() said {
	switch a.receipt.Status {
	case lifeboat.Performed:
		return over(done("%s done%s", a.Task.Kind, prose.After(": ", prose.OneLine(firstOf(a.receipt)))))
	case lifeboat.NotPerformed:
		kind := "rejected"
		if a.receipt.Facts["failure"] == "transient" {
			kind = "transient"
		}
		return over(failed(kind, "%s failed%s", a.Task.Kind, prose.After(": ", prose.OneLine(firstOf(a.receipt)))))
	}
	return waits("for the %s to end%s", a.Task.Kind, prose.After(": ", prose.OneLine(a.receipt.Why)))
}

// saidMax is how much of a task's own words a step repeats; the receipt has the rest.
const saidMax = 200

func firstOf(r lifeboat.Receipt) string {
	text := []rune(prose.OneLine(r.Why + prose.After(" ", r.Output)))
	if len(text) > saidMax {
		return string(text[:saidMax]) + "…"
	}
	return string(text)
}

// phasesFor is how long a yes to what was worked out counts: what it was made from changes meanwhile.
const phasesFor = time.Hour

// A step in two phases first has something worked out, which changes nothing, and then carries out that very thing. The first
// task says in its output what would be done, and in its facts under "hash" what tells it from anything else; "changes" is
// "false" there when nothing is to be done. All its facts reach the second one.
type phases struct {
	plan, apply string // kinds of the two tasks
	by          string // whose yes lies between them; "" when the plan has authorised it beforehand
	ask         string // the question, for a person
	// signed says that the second one needs what came with the answers. The first one then says in its facts under "threshold"
	// how many must have signed at the least.
	signed bool
	lasts  time.Duration                         // how long a yes counts; phasesFor when zero
	spec   func(pinned) (json.RawMessage, error) // the step's own text, with what is pinned of it
}

// pinned is what both tasks are told beside the step's own text.
type pinned struct {
	within
	Hash    string            `json:"hash,omitempty"`    // of what was worked out
	Planned map[string]string `json:"planned,omitempty"` // the other facts about it

	plan  *plan.Plan      // in force, by which the first task is told what the step's names stand for
	first json.RawMessage // what the first task was told; nil before that
}

// phasesOf a step; nil for one that has no two phases.
func phasesOf(s plan.Step) *phases {
	switch {
	case s.Terraform != nil:
		return &phases{plan: "terraform-plan", apply: "terraform-apply", by: s.Terraform.By, ask: "Apply this plan?", spec: func(p pinned) (json.RawMessage, error) {
			return spec(struct {
				*plan.Terraform
				pinned
			}{s.Terraform, p}), nil
		}}
	case s.Withdraw != nil:
		return &phases{plan: "withdraw-plan", apply: "withdraw-apply", by: s.Withdraw.By, ask: "Withdraw this?", spec: func(p pinned) (json.RawMessage, error) {
			order, err := withdrawOrder(*s.Withdraw, p)
			return spec(struct {
				plan.WithdrawOrder
				pinned
			}{order, p}), err
		}}
	case s.Exit != nil:
		return exitPhases(*s.Exit)
	}
	return nil
}

// withdrawOrder is the withdrawal with its address: that which the first task was told, and which the plan in force has before.
func withdrawOrder(w plan.Withdraw, p pinned) (order plan.WithdrawOrder, err error) {
	if p.first == nil {
		return p.plan.WithdrawOrder(w)
	}
	err = json.Unmarshal(p.first, &order)
	return order, err
}

// inPhases has something worked out, asks for a yes to its hash where one is wanted, and has that very thing carried out.
func inPhases(p *Player, at time.Time, r *run, n *node) said {
	ph := phasesOf(n.step)
	planKey, applyKey := r.key(n, "plan"), r.key(n, "apply")
	if applied := n.act(applyKey); applied != nil {
		return applied.performed()
	}
	limit := within{n.step.Timeout}
	planned := n.act(planKey)
	if planned == nil {
		first, err := ph.spec(pinned{within: limit, plan: p.plan})
		if err != nil {
			return over(failed(refused, "%s", err))
		}
		return p.perform(r, n, planKey, lifeboat.Task{Kind: ph.plan, Repeatable: true, Spec: first})
	}
	facts := planned.receipt.Facts
	switch {
	case planned.receipt.Status != lifeboat.Performed:
		return planned.performed()
	case facts["changes"] == "false":
		return over(done("%s finds everything as it should be: there is nothing to do%s", n.kind, prose.After("; ", prose.OneLine(planned.receipt.Why))))
	case facts["hash"] == "":
		return over(failed("transient", "what was worked out has no hash to approve"))
	}
	second, err := ph.spec(pinned{within: limit, Hash: facts["hash"], Planned: others(facts), plan: p.plan, first: planned.Task.Spec})
	if err != nil {
		return over(failed(refused, "%s", err))
	}
	apply := lifeboat.Task{Kind: ph.apply, Shown: planned.receipt.Output, Spec: second}
	if ph.by == "" {
		return p.perform(r, n, applyKey, apply)
	}
	q := inquiry{by: ph.by, text: ph.ask}
	if q.least, err = signaturesOf(ph, facts); err != nil {
		return over(failed("transient", "%s", err))
	}
	q.proposal = &lifeboat.Proposal{Run: r.Run, Step: n.path, Playbook: r.Playbook, Hash: r.Hash, Task: &apply, Until: at.Add(cmp.Or(ph.lasts, phasesFor))}
	asked, s := p.consentTwice(at, r, n, q)
	if asked == nil {
		return s
	}
	apply = *asked.Message.Proposal.Task // the very one that was shown, whatever the plan says by now
	if ph.signed {
		apply.Consent = asked.consent()
	}
	return p.perform(r, n, applyKey, apply)
}

// signaturesOf is how many must sign what was worked out, as the first task found; 0 where signatures are not what it takes.
func signaturesOf(ph *phases, facts map[string]string) (int, error) {
	if !ph.signed {
		return 0, nil
	}
	least, err := strconv.Atoi(facts[plan.FactThreshold])
	if err != nil || least < 1 {
		return 0, errors.New("what was worked out does not say how many must sign it")
	}
	return least, nil
}

// others are the facts beside those that every first phase has.
func others(facts map[string]string) map[string]string {
	rest := maps.Clone(facts)
	delete(rest, "hash")
	delete(rest, "changes")
	return rest
}

// consent is every yes to what the question showed.
func (a *act) consent() []lifeboat.Answer {
	return slices.DeleteFunc(slices.Clone(a.answers), func(x lifeboat.Answer) bool { return !x.Yes || x.Content != a.Message.Content })
}
