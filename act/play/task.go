package play

import (
	"encoding/json"
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
	return waits("for the %s to end", a.Task.Kind)
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

// terraformFor is how long a yes to a plan counts: what it was made from changes meanwhile.
const terraformFor = time.Hour

// terraform has a plan made, asks for a yes to its hash, and has that very plan applied.
func terraform(p *Player, at time.Time, r *run, n *node) said {
	planKey, applyKey := r.key(n, "plan"), r.key(n, "apply")
	if applied := n.act(applyKey); applied != nil {
		return applied.performed()
	}
	planned := n.act(planKey)
	if planned == nil {
		return p.perform(r, n, planKey, lifeboat.Task{Kind: "terraform-plan", Repeatable: true, Spec: spec(struct {
			*plan.Terraform
			within
		}{n.step.Terraform, within{n.step.Timeout}})})
	}
	hash := planned.receipt.Facts["hash"]
	switch {
	case planned.receipt.Status != lifeboat.Performed:
		return planned.performed()
	case planned.receipt.Facts["changes"] == "false":
		return over(done("terraform finds everything as it should be: there is nothing to apply"))
	case hash == "":
		return over(failed("transient", "the plan that was made has no hash to approve"))
	}
	apply := &lifeboat.Task{Kind: "terraform-apply", Spec: spec(struct {
		*plan.Terraform
		within
		Hash string `json:"hash"`
	}{n.step.Terraform, within{n.step.Timeout}, hash})}
	q := inquiry{by: n.step.Terraform.By, text: "Apply this plan? " + prose.OneLine(planned.receipt.Output)}
	q.proposal = &lifeboat.Proposal{Run: r.Run, Step: n.path, Playbook: r.Playbook, Hash: r.Hash, Task: apply, Until: at.Add(terraformFor)}
	asked, s := p.consentTwice(at, r, n, q)
	if asked == nil {
		return s
	}
	return p.perform(r, n, applyKey, *apply)
}
