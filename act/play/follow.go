package play

import (
	"fmt"
	"math"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/prose"
)

// A turn is one look at a run: what is to happen now, and what it waits for where nothing is.
type turn struct {
	at     time.Time
	events []lifeboat.Event
	waits  []string
	alone  bool // nobody may decide anything before these events are in the book
}

func (t *turn) say(events ...lifeboat.Event) {
	for _, e := range events {
		switch e := e.(type) {
		case lifeboat.Intent:
			t.alone = t.alone || e.Act != lifeboat.SendMessage
		case lifeboat.Receipt:
			t.alone = true
		case lifeboat.StepStarted:
			t.alone = t.alone || e.Kind == "order" || e.Kind == "rebalance"
		case lifeboat.StepFinished:
			t.alone = t.alone || len(e.Preauthorised) > 0
		}
		t.events = append(t.events, e)
	}
}

func (t *turn) wait(format string, args ...any) {
	t.waits = append(t.waits, fmt.Sprintf(format, args...))
}

// An outcome ends an attempt, or a run.
type outcome struct {
	status lifeboat.Status
	why    string
	values map[string]float64
	kind   string // of failure, as retry_on calls it; refused is never tried again
	used   []string
	again  bool // a person wants another attempt
}

// Kinds of failure beside those that retry_on names: a person's no is a no.
const refused = "refused"

func done(format string, args ...any) *outcome {
	return &outcome{status: lifeboat.Done, why: fmt.Sprintf(format, args...)}
}

func failed(kind, format string, args ...any) *outcome {
	return &outcome{status: lifeboat.Failed, kind: kind, why: fmt.Sprintf(format, args...)}
}

// look says what follows for a run now.
func (p *Player) look(at time.Time, r *run) turn {
	t := turn{at: at}
	p.inquire(&t, r)
	p.warn(&t, r)
	if r.leaving != nil {
		p.leave(&t, r)
		return t
	}
	for _, n := range r.order {
		if n.wish != nil && n.status == lifeboat.Running && !t.alone {
			p.quit(&t, r, n, *n.wish)
			return t
		}
	}
	if !r.paused.IsZero() {
		t.wait("%s paused it; it waits to be resumed", r.pausedBy)
		return t
	}
	out := p.inside(&t, r, r.main)
	if out != nil && out.status != lifeboat.Done && r.undo != nil {
		out = p.inside(&t, r, r.undo)
	}
	if out != nil && len(t.events) == 0 {
		t.say(r.ends())
	}
	return t
}

// leave ends a run that was superseded or abandoned, once nothing of it is open.
func (p *Player) leave(t *turn, r *run) {
	if p.clear(t, r, r.main) && (r.undo == nil || p.clear(t, r, r.undo)) && len(t.events) == 0 {
		t.say(lifeboat.RunFinished{Run: r.Run, Status: r.leaving.status, Why: r.leaving.why})
	}
}

// clear cancels what a node and those inside it have open at venues and what can be stopped of their tasks, and says whether all of it has
// ended.
func (p *Player) clear(t *turn, r *run, n *node) bool {
	open := n.open()
	if len(open) == 0 {
		return true
	}
	t.say(r.cancels(n)...)
	orders := 0
	for _, a := range open {
		if a.Task == nil {
			orders++
			continue
		}
		t.wait("the %s was told to stop and has not ended%s", a.Task.Kind, prose.After(": ", prose.OneLine(a.receipt.Why)))
	}
	if orders > 0 {
		t.wait("the venue has not confirmed the end of %s", prose.Count(orders, "order"))
	}
	return false
}

// quit ends a step with all that is under way inside it.
func (p *Player) quit(t *turn, r *run, n *node, out outcome) {
	if !p.clear(t, r, n) {
		return
	}
	var open []*node
	n.within(func(inner *node) {
		if inner != n && inner.status == lifeboat.Running {
			open = append(open, inner)
		}
	})
	for _, inner := range slices.Backward(open) {
		t.say(lifeboat.StepFinished{Run: r.Run, Step: inner.path, Status: out.status, Why: "ended with step " + n.path})
	}
	t.say(r.concluded(t.at, n, out))
}

// inside advances what is inside a node, and says how the node ended when nothing inside it moves any more. It is the one place
// that knows in which order steps come: one after the other; all at once in a parallel; and those that undo a run one after the
// other whatever becomes of each.
func (p *Player) inside(t *turn, r *run, n *node) *outcome {
	moving := false
	for i, inner := range n.inside {
		switch {
		case inner.bad() && n.kind != "parallel" && n.kind != "undo":
			return r.stopped(n, inner)
		case inner.over():
			continue
		case inner.status == "" && inner.beaten(): // nothing new starts beside a step that failed
			if n.kind == "parallel" {
				continue
			}
			return failed(refused, "stopped before %s: a step beside it failed", inner.label())
		case t.alone:
			return nil // what was said must be in the book before anybody else decides
		}
		p.follow(t, r, inner)
		if n.kind != "parallel" {
			p.pass(t, r, inner, n.inside[i+1:])
			return nil
		}
		moving = true
	}
	if moving {
		return nil
	}
	if i := slices.IndexFunc(n.inside, (*node).bad); i >= 0 && n.kind == "parallel" {
		return r.stopped(n, n.inside[i])
	}
	return done("%s", n.told())
}

// pass begins the next step in the same write in which the one before it has ended: one wait for the disk less.
func (p *Player) pass(t *turn, r *run, from *node, rest []*node) {
	if t.alone || len(t.events) == 0 || len(rest) == 0 || rest[0].status != "" || rest[0].beaten() {
		return
	}
	ended, ok := t.events[len(t.events)-1].(lifeboat.StepFinished)
	if ok && ended.Step == from.path && (ended.Status == lifeboat.Done || ended.Status == lifeboat.Skipped) {
		t.say(p.begins(t.at, r, rest[0]))
	}
}

// stopped is how a node ends when something inside it failed.
func (r *run) stopped(n, inner *node) *outcome {
	kind := ""
	if inner.status == lifeboat.TimedOut {
		kind = "timed-out"
	}
	if inner.denied() || !r.refusedAt.Before(n.tried) && !r.refusedAt.IsZero() {
		kind = refused
	}
	return failed(kind, "stopped at %s", inner.label())
}

// denied reports a no of a person to something in the node's last attempt.
func (n *node) denied() bool {
	denied := false
	n.within(func(inner *node) {
		for _, a := range inner.acts {
			denied = denied || slices.ContainsFunc(a.answers, func(x lifeboat.Answer) bool { return !x.Yes })
		}
	})
	return denied
}

// beaten reports that a step lies in a parallel in which another one failed.
func (n *node) beaten() bool {
	for ; n.parent != nil; n = n.parent {
		if n.parent.kind == "parallel" && slices.ContainsFunc(n.parent.inside, (*node).bad) {
			return true
		}
	}
	return false
}

// told says how a composite went.
func (n *node) told() string {
	switch {
	case n.kind == "for_each" && len(n.items) == 0:
		return fmt.Sprintf("nothing of %s is held where lifeboat may trade", n.step.ForEach.Of)
	case n.kind == "for_each":
		return "carried out for " + list(n.items)
	case n.kind == "if" && len(n.inside) == 0:
		return n.step.If.That + map[string]string{"then": " holds", "else": " does not hold"}[n.branch] + ": nothing to do"
	}
	return "all of " + prose.Count(len(n.inside), "step") + " done"
}

// follow says what follows for a step that has not ended.
func (p *Player) follow(t *turn, r *run, n *node) {
	switch {
	case n.status == "":
		t.say(p.begins(t.at, r, n))
	case n.resting() && n.beaten():
		t.say(lifeboat.StepFinished{Run: r.Run, Step: n.path, Status: lifeboat.Failed, Why: "not tried again: a step beside it failed"})
	case n.resting() && t.at.Before(n.retryAt):
		t.wait("%s is tried again at %s", n.label(), instant(n.retryAt))
	case n.resting():
		t.say(p.begins(t.at, r, n))
	case n.broken != "":
		t.say(r.concluded(t.at, n, *failed(refused, "%s", n.broken)))
	case n.composite():
		p.compose(t, r, n)
	default:
		p.work(t, r, n)
	}
}

func (p *Player) begins(at time.Time, r *run, n *node) lifeboat.StepStarted {
	started := lifeboat.StepStarted{Run: r.Run, Step: n.path, Name: n.step.Name, Kind: n.kind, Attempt: n.attempt + 1, Items: n.items, Branch: n.branch}
	if n.kind == "for_each" && n.attempt == 0 {
		started.Items = p.items(r, n.step.ForEach.Of)
	}
	if n.kind == "if" && n.branch == "" {
		started.Branch = p.branch(at, *n.step.If)
	}
	return started
}

// branch of an if; "" while nobody can tell.
func (p *Player) branch(at time.Time, i plan.If) string {
	truth, known, _ := p.view.Holds(i.That, at)
	switch {
	case !known && i.NoData != "wait":
		return i.NoData
	case !known:
		return ""
	case truth:
		return "then"
	}
	return "else"
}

// compose advances a step that is made of other steps.
func (p *Player) compose(t *turn, r *run, n *node) {
	if deadline := n.deadline(); !deadline.IsZero() && !t.at.Before(deadline) {
		why := "not done after " + span(deadline.Sub(n.tried))
		if n.kind == "if" && n.branch == "" {
			p.quit(t, r, n, outcome{status: lifeboat.TimedOut, kind: "transient", why: why + ": no data for " + n.step.If.That})
			return
		}
		p.quit(t, r, n, outcome{status: lifeboat.TimedOut, kind: "timed-out", why: why})
		return
	}
	if n.kind == "if" && n.branch == "" {
		started := p.begins(t.at, r, n)
		if started.Attempt = n.attempt; started.Branch != "" {
			t.say(started)
			return
		}
		t.wait("%s waits for data: nobody can tell whether %s", n.label(), n.step.If.That)
		return
	}
	if out := p.inside(t, r, n); out != nil {
		t.say(r.concluded(t.at, n, *out))
	}
}

// work advances a step that acts, looks or asks, and turns its outcome into events.
func (p *Player) work(t *turn, r *run, n *node) {
	s := kinds[n.kind].work(p, t.at, r, n)
	deadline := p.deadline(r, n)
	if !deadline.IsZero() && !t.at.Before(deadline) {
		if s.out == nil && !p.clear(t, r, n) {
			return
		}
		s.events, s.out = nil, n.late(s, deadline)
	}
	t.say(s.events...)
	switch {
	case s.out != nil:
		t.say(r.concluded(t.at, n, *s.out))
	case len(s.events) == 0:
		t.wait("%s waits %s", n.label(), s.waits)
	}
}

// late is the outcome of an attempt whose time is up.
func (n *node) late(s said, deadline time.Time) *outcome {
	after := "not done after " + span(deadline.Sub(n.tried))
	switch {
	case s.out == nil:
		return &outcome{status: lifeboat.TimedOut, kind: n.lateKind(), why: after + n.silence(s.waits)}
	case s.out.status == lifeboat.Failed && s.out.kind != refused:
		return &outcome{status: lifeboat.TimedOut, kind: n.lateKind(), why: after + ": " + s.out.why, values: s.out.values}
	}
	return s.out
}

// lateKind is refused where a task may still be under way that must not begin twice.
func (n *node) lateKind() string {
	for _, a := range n.acts {
		if a.Task != nil && !a.Task.Repeatable && !a.final() {
			return refused
		}
	}
	return "timed-out"
}

// silence names the people who did not answer, or what else was waited for.
func (n *node) silence(waits string) string {
	for _, a := range slices.Backward(n.acts) {
		if a.Message != nil && a.Message.Question && len(a.answers) == 0 && len(a.acked) == 0 {
			return ": no answer from " + list(a.Message.To)
		}
	}
	return prose.After(": it waited ", waits)
}

// concluded ends an attempt, and the step too unless another attempt is worth while.
func (r *run) concluded(at time.Time, n *node, o outcome) lifeboat.StepFinished {
	finished := lifeboat.StepFinished{Run: r.Run, Step: n.path, Status: o.status, Why: o.why, Values: o.values, Preauthorised: o.used}
	switch {
	case o.again:
		finished.Retry, finished.Again = true, at
	case o.status == lifeboat.Done || o.status == lifeboat.Skipped:
	case n.worthwhile(o):
		finished.Retry, finished.Again = true, at.Add(n.pause())
	case n.step.OnFailure == "continue":
		finished.Status = lifeboat.Skipped
	}
	return finished
}

// worthwhile reports that another attempt may do better.
func (n *node) worthwhile(o outcome) bool {
	if n.tries > n.step.Retries || o.kind == refused || n.beaten() {
		return false
	}
	return len(n.step.RetryOn) == 0 || o.kind == "" || slices.Contains(n.step.RetryOn, o.kind)
}

// pause before the next attempt: it grows with each, up to a longest one.
func (n *node) pause() time.Duration {
	first := float64(n.step.RetryAfter)
	grown := first * math.Pow(max(1, n.step.RetryGrowth), float64(n.tries-1))
	if longest := float64(n.step.RetryMax); longest > 0 {
		grown = min(grown, max(first, longest))
	}
	return time.Duration(min(grown, math.MaxInt64/2))
}

// deadline of an attempt; zero for a step that takes as long as it takes.
func (n *node) deadline() time.Time {
	limit := n.step.Timeout
	if limit == 0 && n.kind == "if" && n.branch == "" {
		limit = plan.Duration(noDataMax)
	}
	if limit == 0 {
		return time.Time{}
	}
	return n.tried.Add(time.Duration(limit))
}

// noDataMax is how long an if without a time-out waits for data.
const noDataMax = 24 * time.Hour

// deadline of a step that does something itself; some kinds know better than their time-out says.
func (p *Player) deadline(r *run, n *node) time.Time {
	if until := kinds[n.kind].until; until != nil {
		return until(r, n)
	}
	return n.deadline()
}

// alarms are the times at which a run must be looked at even if nothing happens.
func (p *Player) alarms(r *run) []time.Time {
	times := r.budgetAlarms()
	if r.leaving != nil || !r.paused.IsZero() {
		return times
	}
	for _, n := range r.order {
		switch {
		case n.status != lifeboat.Running:
		case n.resting():
			times = append(times, n.retryAt)
		case n.composite():
			times = append(times, n.deadline())
		default:
			times = append(times, p.deadline(r, n))
			if wakes := kinds[n.kind].wakes; wakes != nil {
				times = append(times, wakes(p, r, n))
			}
		}
	}
	return times
}
