package play

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/act/approve"
	"lifeboat/prose"
)

// A wish is a request that takes more than one person.
type wish struct {
	verb     lifeboat.Verb
	step, by string
	at       time.Time
}

// agreeWithin is how far apart persons may ask for the same thing when it takes several of them; wishesMax bounds how many
// unfulfilled wishes a run keeps.
const (
	agreeWithin = time.Hour
	wishesMax   = 64
)

// Fits says in one sentence why a request for a run would come to nothing; nil for one that will not, and for requests that
// are not about runs.
func (p *Player) Fits(r lifeboat.Request) error {
	switch r.Verb {
	case lifeboat.PauseRun, lifeboat.ResumeRun, lifeboat.SkipStep, lifeboat.RetryStep, lifeboat.AbandonRun:
	default:
		return nil
	}
	run := p.byID[r.Object]
	if run == nil {
		return unfit("no open run is called %q", r.Object)
	}
	switch {
	case run.leaving != nil:
		return unfit("run %s is ending already: %s", run.Run, run.leaving.why)
	case r.Verb == lifeboat.PauseRun && !run.paused.IsZero():
		return unfit("run %s is paused already, by %s", run.Run, run.pausedBy)
	case r.Verb == lifeboat.ResumeRun && run.paused.IsZero():
		return unfit("run %s is not paused", run.Run)
	case r.Verb == lifeboat.SkipStep || r.Verb == lifeboat.RetryStep:
		return run.fits(r)
	}
	return nil
}

func (r *run) fits(q lifeboat.Request) error {
	n := r.nodes[q.Step]
	switch {
	case n == nil || n == r.main:
		return unfit("run %s has no step %q; under way: %s", r.Run, q.Step, r.underWay())
	case n.wish != nil:
		return unfit("%s of run %s is ending already: %s", n.label(), r.Run, n.wish.why)
	case q.Verb == lifeboat.RetryStep && n.bad() && n.parent.kind == "parallel" && n.parent.status == lifeboat.Running:
		return nil // what is beside it still goes on
	case n.over():
		return unfit("%s of run %s is over: %s", n.label(), r.Run, n.status)
	case n.status == "":
		return unfit("%s of run %s has not begun", n.label(), r.Run)
	case q.Verb == lifeboat.SkipStep && n.asksForAYes():
		return &lifeboat.Problem{Reason: "denied", What: fmt.Sprintf("%s of run %s asks for a yes, and nobody can skip another's yes", n.label(), r.Run),
			Money: "nothing was changed", Next: "have it answered, or abandon the run"}
	}
	return nil
}

// asksForAYes reports an approval in the step or within it that is not over: skipped, what it guards would go out without it.
func (n *node) asksForAYes() bool {
	asks := false
	n.within(func(inner *node) {
		asks = asks || !inner.over() && (inner.kind == "approve" || inner.asksItself())
	})
	return asks
}

// asksItself reports a step in two phases that asks for a yes between them.
func (n *node) asksItself() bool {
	ph := phasesOf(n.step)
	return ph != nil && ph.by != ""
}

func unfit(format string, args ...any) error {
	return &lifeboat.Problem{Reason: "not-found", What: fmt.Sprintf(format, args...), Money: "nothing was changed"}
}

// request folds what a person wants of a run, and acknowledgements. What makes no sense is ignored.
func (p *Player) request(at time.Time, q lifeboat.Request) {
	if a := p.acts[lifeboat.Key(q.Object)]; q.Verb == lifeboat.Acknowledge && a != nil {
		a.acked = append(a.acked, q.By)
	}
	r := p.byID[q.Object]
	if r == nil || p.Fits(q) != nil {
		return
	}
	by, agreed := p.agreed(at, r, q)
	if !agreed {
		return
	}
	n := r.nodes[q.Step]
	switch q.Verb {
	case lifeboat.PauseRun:
		r.paused, r.pausedBy = at, by
	case lifeboat.ResumeRun:
		r.shift(at.Sub(r.paused))
		r.paused = time.Time{}
	case lifeboat.AbandonRun:
		r.leaving = &outcome{status: lifeboat.Abandoned, why: by + " abandoned it" + prose.After(": ", q.Note)}
	case lifeboat.SkipStep:
		n.wish = &outcome{status: lifeboat.Skipped, why: by + " skipped it" + prose.After(": ", q.Note)}
	case lifeboat.RetryStep:
		switch {
		case n.bad():
			n.anew()
		case n.resting():
			n.retryAt = at
		default:
			n.wish = &outcome{status: lifeboat.Failed, again: true, why: by + " wants it tried again" + prose.After(": ", q.Note)}
		}
	}
}

// agreed reports that as many persons want the same of a run as the plan asks for, and names them.
func (p *Player) agreed(at time.Time, r *run, q lifeboat.Request) (by string, enough bool) {
	terms, err := approve.TermsOf(p.plan, p.plan.Authority.Runs, "")
	if err != nil || terms.Need <= 1 {
		return q.By, true // that one person may ask was found out before the request was written
	}
	r.wishes = append(r.wishes, wish{q.Verb, q.Step, q.By, at})
	if len(r.wishes) > wishesMax {
		r.wishes = r.wishes[1:]
	}
	var names []string
	var others []wish
	for _, w := range r.wishes {
		switch {
		case w.verb != q.Verb || w.step != q.Step:
			others = append(others, w)
		case at.Sub(w.at) <= agreeWithin && !slices.Contains(names, w.by):
			names = append(names, w.by)
		}
	}
	if len(names) < terms.Need {
		return "", false
	}
	r.wishes = others
	return strings.Join(names, " and "), true
}

// AnswerFits says in one sentence why an answer to a question of a run would not count: the step that asked is over, or what
// should be attached to a confirmation is missing. It is nil for questions of others.
func (p *Player) AnswerFits(a lifeboat.Answer) error {
	asked := p.acts[lifeboat.Key(a.Question)]
	if asked == nil {
		return nil
	}
	r, n := p.find(asked.Run, asked.Step)
	if n.act(asked.Key) == nil || n.over() && !r.isLost(asked.Key) {
		return unfit("%s of run %s does not wait for this answer any more", n.label(), r.Run)
	}
	if missing := n.missing(a); len(missing) > 0 {
		return &lifeboat.Problem{Reason: "usage", What: fmt.Sprintf("the confirmation of %s wants %s attached", n.label(), list(missing)),
			Money: "nothing was changed", Next: "lifeboat answer " + a.Question + " yes --evidence " + missing[0] + "=…"}
	}
	return nil
}

// missing is the evidence that a manual step wants and an answer does not have.
func (n *node) missing(a lifeboat.Answer) []string {
	if n.step.Manual == nil || !a.Yes {
		return nil
	}
	var missing []string
	for _, label := range n.step.Manual.Evidence {
		if strings.TrimSpace(a.Evidence[label]) == "" {
			missing = append(missing, label)
		}
	}
	return missing
}
