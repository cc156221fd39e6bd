package play

import (
	"fmt"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/prose"
)

// A run as folded from its events.
type run struct {
	lifeboat.RunStarted
	began  time.Time
	pinned plan.Pinned
	nodes  map[string]*node // :: path → step; the playbook itself under ""
	order  []*node          // the same, as they grew
	main   *node            // the playbook
	undo   *node            // what undoes it, once it has stopped
	done   []*node          // as they were done; what undo goes back through

	refused   map[lifeboat.Key]string // :: intent → why nobody with authority stood behind it
	refusedAt time.Time
	permits   map[string]permit // :: path of a step that acts → what a yes lets it do
	lost      []*act            // those of which nobody could tell any more what became of them
	wishes    []wish            // of people, for what takes more than one of them
	paused    time.Time         // zero when it is not
	pausedBy  string
	leaving   *outcome // how it ends once nothing is open: superseded or abandoned
}

func newRun(at time.Time, e lifeboat.RunStarted) *run {
	r := &run{RunStarted: e, began: at, nodes: map[string]*node{}, refused: map[lifeboat.Key]string{}, permits: map[string]permit{}}
	r.main = &node{kind: "do", status: lifeboat.Running, began: at}
	r.nodes[""] = r.main
	pinned, err := plan.Unpin(e.Content)
	if err != nil {
		r.leaving = &outcome{status: lifeboat.Failed, why: "the pinned playbook cannot be read"}
		return r
	}
	r.pinned, r.main.step.RTO = pinned, pinned.Playbook.RTO
	r.fill(r.main, "", pinned.Playbook.Steps)
	return r
}

// start folds the beginning of an attempt. What is inside and ended badly begins again with it; what was done stays done.
func (r *run) start(at time.Time, n *node, e lifeboat.StepStarted) {
	if e.Attempt == n.attempt { // an if has found out which way to go
		r.open(n, e)
		return
	}
	if n.began.IsZero() {
		n.began = at
	}
	n.earlier = append(n.earlier, n.acts...)
	n.status, n.attempt, n.tried, n.retryAt, n.acts, n.wish = lifeboat.Running, e.Attempt, at, time.Time{}, nil, nil
	n.tries++
	for _, inner := range n.inside {
		if inner.bad() {
			inner.anew()
		}
	}
	r.open(n, e)
}

// anew lets a step begin again as if it had not, with what its attempts have done kept in mind.
func (n *node) anew() {
	n.earlier = append(n.earlier, n.acts...)
	n.status, n.tries, n.acts = "", 0, nil
}

// finish folds the end of a step, or of one attempt at it.
func (r *run) finish(at time.Time, n *node, e lifeboat.StepFinished) {
	n.wish = nil
	if e.Retry {
		n.retryAt = e.Again
		if n.retryAt.IsZero() {
			n.retryAt = at.Add(time.Duration(n.step.RetryAfter))
		}
		return
	}
	n.status, n.retryAt = e.Status, time.Time{}
	if e.Status == lifeboat.Done {
		r.done = append(r.done, n)
		r.permit(n, e)
	}
	if n.parent == r.main && n.bad() {
		r.undo = r.undoing()
	}
}

// key of an act of a node's current attempt.
func (r *run) key(n *node, parts ...any) lifeboat.Key { return r.keyOf(n, n.attempt, parts...) }

func (r *run) keyOf(n *node, attempt int, parts ...any) lifeboat.Key {
	return lifeboat.NewKey(append([]any{r.Run, n.path, attempt}, parts...)...)
}

func (r *run) message(n *node, key lifeboat.Key, to []string, text string) lifeboat.Intent {
	return lifeboat.Intent{Key: key, Act: lifeboat.SendMessage, Run: r.Run, Step: n.path,
		Message: &lifeboat.Message{To: to, Text: text, Tier: r.Tier}}
}

// ask makes a message a question and says how it is answered.
func (r *run) ask(n *node, key lifeboat.Key, to []string, text string) lifeboat.Intent {
	i := r.message(n, key, to, fmt.Sprintf("%s (run %s, step %s). Answer: lifeboat answer %s yes|no --as NAME", text, r.Run, n.path, key))
	i.Message.Question = true
	i.Message.Subject = fmt.Sprintf("%s: %s", r.Playbook, n.step.Name)
	return i
}

// ends says how the run ended, once nothing inside it moves any more.
func (r *run) ends() lifeboat.RunFinished {
	steps, skipped := len(r.main.inside), 0
	for i, n := range r.main.inside {
		if n.bad() {
			return lifeboat.RunFinished{Run: r.Run, Status: lifeboat.Failed,
				Why: fmt.Sprintf("stopped at step %d of %d (%s)%s", i+1, steps, n.step.Name, prose.After("; ", r.undone()))}
		}
		if n.status == lifeboat.Skipped {
			skipped++
		}
	}
	if skipped > 0 {
		return lifeboat.RunFinished{Run: r.Run, Status: lifeboat.Done,
			Why: fmt.Sprintf("%d of %d steps done, %d skipped", steps-skipped, steps, skipped)}
	}
	return lifeboat.RunFinished{Run: r.Run, Status: lifeboat.Done, Why: "all of " + prose.Count(steps, "step") + " done"}
}

// undone says what became of the steps that undo.
func (r *run) undone() string {
	if r.undo == nil || len(r.undo.inside) == 0 {
		return ""
	}
	var faults []string
	for _, n := range r.undo.inside {
		if n.status != lifeboat.Done {
			faults = append(faults, n.step.Name)
		}
	}
	if len(faults) == 0 {
		return prose.Count(len(r.undo.inside), "step") + " undone"
	}
	return fmt.Sprintf("%d of %s undone, not: %s", len(r.undo.inside)-len(faults), prose.Count(len(r.undo.inside), "step"), list(faults))
}

// open are the orders of a node and of what is inside it that may still fill, and the tasks that can still be stopped.
func (n *node) open() []*act {
	var open []*act
	n.within(func(inner *node) {
		for _, a := range inner.acts {
			if (a.Act == lifeboat.PlaceOrder || a.stops()) && !a.final() {
				open = append(open, a)
			}
		}
	})
	return open
}

// cancels asks for the cancellation of everything open that was not asked for yet.
func (r *run) cancels(n *node) []lifeboat.Event {
	var events []lifeboat.Event
	for _, a := range n.open() {
		key := lifeboat.NewKey("cancel", a.Key)
		_, refused := r.refused[key]
		if refused || r.nodes[a.Step].act(key) != nil {
			continue
		}
		events = append(events, lifeboat.Intent{Key: key, Act: lifeboat.CancelOrder, Run: r.Run, Step: a.Step, Cancel: a.Key, Account: a.AccountOf()})
	}
	return events
}

// shift moves every time of the run that counts down: while it was paused none of them did.
func (r *run) shift(by time.Duration) {
	for _, n := range r.order {
		if n.status != lifeboat.Running {
			continue
		}
		n.tried = n.tried.Add(by)
		if !n.retryAt.IsZero() {
			n.retryAt = n.retryAt.Add(by)
		}
		for _, a := range n.all() {
			a.at = a.at.Add(by)
		}
	}
}

func list(names []string) string { return strings.Join(names, ", ") }
