package play

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/act/approve"
)

// warnAt are the shares of a time budget at which the owner is told: while something can be done about it, and when it is over.
var warnAt = [...]float64{0.75, 1}

// warn tells the owner of time budgets that are nearly used up, and of those that are. Budgets run while a run is paused: what
// they stand for does not wait.
func (p *Player) warn(t *turn, r *run) {
	for _, n := range r.budgets() {
		level := n.used(t.at)
		if level < 0 {
			continue
		}
		key := lifeboat.NewKey(r.Run, n.path, "rto", level)
		_, refused := r.refused[key]
		if refused || n.sentUnder(key) != nil {
			continue
		}
		terms, err := approve.TermsOf(p.plan, "", "")
		if err != nil {
			continue // the plan names nobody
		}
		t.say(r.message(n, key, terms.To, r.overdue(n, level)))
	}
}

// budgets are the playbook and the steps under way that have one.
func (r *run) budgets() []*node {
	var all []*node
	if r.main.step.RTO > 0 {
		all = append(all, r.main)
	}
	for _, n := range r.order {
		if n.status == lifeboat.Running && n.step.RTO > 0 {
			all = append(all, n)
		}
	}
	return all
}

// used says which warning is due at a time; -1 for none.
func (n *node) used(at time.Time) int {
	level := -1
	for i, share := range warnAt {
		if !at.Before(n.budget(share)) {
			level = i
		}
	}
	return level
}

// budget is when a share of it is used up.
func (n *node) budget(share float64) time.Time {
	return n.began.Add(time.Duration(share * float64(n.step.RTO)))
}

func (r *run) overdue(n *node, level int) string {
	what := fmt.Sprintf("Run %s (%s)", r.Run, r.Playbook)
	if n != r.main {
		what = fmt.Sprintf("Step %s (%s) of run %s (%s)", n.path, n.step.Name, r.Run, r.Playbook)
	}
	budget := span(time.Duration(n.step.RTO))
	if level == 0 {
		return fmt.Sprintf("%s has used %.0f%% of its %s. Under way: %s.", what, 100*warnAt[0], budget, r.underWay())
	}
	return fmt.Sprintf("%s has used up its %s and is not done. Under way: %s.", what, budget, r.underWay())
}

// underWay names the steps that do something themselves.
func (r *run) underWay() string {
	var names []string
	for _, n := range r.order {
		if n.status == lifeboat.Running && !n.composite() {
			names = append(names, n.label())
		}
	}
	return cmp.Or(strings.Join(names, ", "), "nothing")
}

func (r *run) budgetAlarms() []time.Time {
	var times []time.Time
	for _, n := range r.budgets() {
		for _, share := range warnAt {
			times = append(times, n.budget(share))
		}
	}
	return times
}
