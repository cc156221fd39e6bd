package review

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/prose"
)

// plannedAt finds the step that the owner wrote for a place in the run: the steps inside the innermost one around it that has
// begun, and among them the one that the place ends with. It is empty where that cannot be told.
func (r *run) plannedAt(place string) plan.Step {
	if undone, undo := strings.CutSuffix(place, ".undo"); undo {
		if st := r.step(undone); st != nil {
			return plan.Step{Compensate: st.planned.Compensate}
		}
	}
	around, steps := "", r.pinned.Playbook.Steps
	for _, st := range r.steps {
		if strings.HasPrefix(place, st.place+".") && len(st.place) > len(around) {
			around, steps = st.place, r.inside(st)
		}
	}
	n, err := strconv.Atoi(place[strings.LastIndexByte(place, '.')+1:])
	if err != nil || n < 1 || n > len(steps) {
		return plan.Step{}
	}
	return steps[n-1]
}

// inside are the steps of a composite.
func (r *run) inside(st *step) []plan.Step {
	s := st.planned
	switch {
	case st.kind == "compensate":
		return s.Compensate
	case s.ForEach != nil:
		return s.ForEach.Do
	case s.If != nil && st.branch == "else":
		return s.If.Else
	case s.If != nil:
		return s.If.Then
	case s.Playbook != "":
		named, _ := r.pinned.Named(s.Playbook)
		return named.Steps
	}
	return append(append([]plan.Step{}, s.Do...), s.Parallel...)
}

// begins tells of the beginning of what is made of other steps: what they do is told by themselves.
func (s *story) begins(at time.Time, r *run, e lifeboat.StepStarted) {
	switch {
	case e.Attempt > 1:
		s.tell(at, "Step %s (%s) of %s is tried again, attempt %d", e.Step, e.Name, r.playbook, e.Attempt)
	case e.Kind == "compensate":
		s.tell(at, "Step %s of %s is undone", strings.TrimSuffix(e.Step, ".undo"), r.playbook)
	case e.Kind == "parallel":
		s.tell(at, "Step %s (%s) of %s begins: several steps at once", e.Step, e.Name, r.playbook)
	case e.Kind == "for_each" && len(e.Items) > 0:
		s.tell(at, "Step %s (%s) of %s begins, for %s", e.Step, e.Name, r.playbook, strings.Join(e.Items, ", "))
	case e.Kind == "if" && e.Branch != "":
		s.tell(at, "Step %s (%s) of %s takes the steps under %s", e.Step, e.Name, r.playbook, e.Branch)
	case e.Kind == "if":
		s.tell(at, "Step %s (%s) of %s waits for data: nobody can tell which way to go", e.Step, e.Name, r.playbook)
	}
}

// again says when another attempt follows.
func (s *story) again(at time.Time, e lifeboat.StepFinished) string {
	switch {
	case !e.Retry || e.Again.IsZero():
		return ""
	case !e.Again.After(at):
		return "; it is tried again at once"
	}
	return "; it is tried again at " + s.clock(e.Again)
}

func taskName(kind string) string {
	return map[string]string{"http": "a call", "exec": "a command", "terraform-plan": "a Terraform plan is made", "terraform-apply": "the approved Terraform plan is applied",
		"exit-plan": "an exit is worked out and simulated", "exit-apply": "the exit is brought to the chain",
		"withdraw-plan": "a withdrawal is worked out", "withdraw-apply": "the withdrawal is asked of the venue",
		"failover": "endpoints are changed over"}[kind]
}

// performed tells what came of a task, and meanwhile what it waits for. That it was taken on goes without saying.
func (s *story) performed(at time.Time, name string, e lifeboat.Receipt) {
	said := prose.After(": ", prose.OneLine(e.Why+prose.After(" ", e.Output)))
	switch {
	case e.Status == lifeboat.Accepted && s.taken[e.Key]:
		s.tell(at, "Under way: %s%s", name, said)
	case e.Status == lifeboat.Accepted:
		s.taken[e.Key] = true
	case e.Status == lifeboat.Performed:
		s.tell(at, "Done: %s%s", name, said)
	case e.Status == lifeboat.NotPerformed:
		s.tell(at, "Failed: %s%s", name, said)
	case e.Lost:
		s.tell(at, "Lost: %s, and nobody can tell what became of it%s", name, said)
	}
}

// around tells what people want and what holds acts back: it concerns every run.
func around(event lifeboat.Event) string {
	switch e := event.(type) {
	case lifeboat.Request:
		return e.By + " " + wanted(e) + prose.After(": ", e.Note)
	case lifeboat.BreakerMove:
		return fmt.Sprintf("The breaker is %s, by %s%s", e.To, e.By, prose.After(": ", e.Why))
	case lifeboat.Quarantine:
		return fmt.Sprintf("In quarantine until compared with their venues: %s%s", strings.Join(e.Accounts, ", "), prose.After("; ", e.Why))
	case lifeboat.Reconciled:
		if len(e.Strange) > 0 {
			return fmt.Sprintf("%s was compared with its venue: %s that the journal does not know", e.Account, prose.Count(len(e.Strange), "order"))
		}
		return fmt.Sprintf("%s was compared with its venue: all is known", e.Account)
	}
	return ""
}

// wanted is a request in words.
func wanted(q lifeboat.Request) string {
	switch q.Verb {
	case lifeboat.StartPlaybook:
		return fmt.Sprintf("wants playbook %q started", q.Object)
	case lifeboat.MoveTier:
		return "wants tier " + q.Object
	case lifeboat.MoveBreaker:
		return "wants the breaker " + q.Object
	case lifeboat.PauseRun:
		return "pauses run " + q.Object
	case lifeboat.ResumeRun:
		return "resumes run " + q.Object
	case lifeboat.SkipStep:
		return fmt.Sprintf("skips step %s of run %s", q.Step, q.Object)
	case lifeboat.RetryStep:
		return fmt.Sprintf("wants step %s of run %s tried again", q.Step, q.Object)
	case lifeboat.AbandonRun:
		return "abandons run " + q.Object
	case lifeboat.ReleaseAccount:
		return fmt.Sprintf("releases %s from quarantine", q.Object)
	case lifeboat.Preauthorise:
		if b := q.Bound; b != nil {
			return fmt.Sprintf("approves in advance (%s): %s up to %s %s in %s until %s", q.ID, b.Side, b.Quantity, b.Symbol, b.Account, b.Until.UTC().Format("2006-01-02 15:04 UTC"))
		}
		return "approves something in advance"
	case lifeboat.RevokeAuthority:
		return "takes the approval in advance " + q.Object + " back"
	case lifeboat.Acknowledge:
		return "acknowledges message " + q.Object
	}
	return "asks for " + string(q.Verb)
}
