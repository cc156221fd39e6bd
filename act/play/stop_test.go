package play

import (
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// byRole is an exit that asks nobody.
func byRole() plan.Exit {
	e := owners()
	e.Via, e.By = "role", ""
	return e
}

// cancellations that were formed, by what they cancel.
func (s *stand) cancellations() (all []lifeboat.Key) {
	for _, e := range s.told {
		if i, is := e.(lifeboat.Intent); is && i.Act == lifeboat.CancelOrder {
			all = append(all, i.Cancel)
		}
	}
	return all
}

// TestWhatIsStopped ends steps and runs with a task under way. One that can be stopped is told to, once, and nothing ends before it has; what
// cannot be stopped is left as it is.
func TestWhatIsStopped(t *testing.T) {
	inTime := lifeboat.Receipt{Status: lifeboat.NotPerformed, Why: "it was stopped before anything was sent"}
	tooLate := lifeboat.Receipt{Status: lifeboat.Accepted, Why: "it was stopped too late"}
	abandon := func(s *stand) { s.want(lifeboat.AbandonRun, "") }
	command := plan.Step{Name: "run", Exec: &plan.Exec{Command: "backup"}}
	for name, c := range map[string]struct {
		kind    string // of the task that is under way
		stopped lifeboat.Receipt
		do      func(s *stand)
		waits   string
		want    []string
		stops   int
	}{
		"abandoned in time":             {"exit-apply", inTime, abandon, "", []string{"run abandoned Ana abandoned it"}, 1},
		"abandoned while it is planned": {"exit-plan", inTime, abandon, "", []string{"run abandoned Ana abandoned it"}, 1},
		"abandoned too late": {"exit-apply", tooLate, func(s *stand) {
			abandon(s)
			s.later(time.Hour)
			want(s.t, s.paths())
		}, "the exit-apply was told to stop and has not ended: it was stopped too late", nil, 1},
		"abandoned too late, and then it is through": {"exit-apply", tooLate, func(s *stand) {
			abandon(s)
			s.end(s.cancellations()[0], lifeboat.Receipt{Status: lifeboat.Performed, Why: "executed"})
			s.settle()
		}, "", []string{"run abandoned Ana abandoned it"}, 1},
		"skipped":     {"exit-apply", inTime, func(s *stand) { s.want(lifeboat.SkipStep, "1") }, "", []string{"1 skipped Ana skipped it", "run done"}, 1},
		"tried again": {"exit-apply", inTime, func(s *stand) { s.want(lifeboat.RetryStep, "1") }, "", []string{"1 failed Ana wants it tried again"}, 1},
		"tried again, and the first is out": {"exit-apply", tooLate, func(s *stand) { s.want(lifeboat.RetryStep, "1") },
			"the exit-apply was told to stop and has not ended", nil, 1},
		"its time is up":                 {"exit-apply", inTime, func(s *stand) { s.later(48 * time.Hour) }, "", []string{"1 timed-out not done after 2.0 days: exit-apply failed: it was stopped", "run failed"}, 1},
		"its time is up, and it is out":  {"exit-apply", tooLate, func(s *stand) { s.later(48 * time.Hour) }, "the exit-apply was told to stop", nil, 1},
		"nobody knows what became of it": {"exit-apply", lifeboat.Receipt{Status: lifeboat.Unknown, Lost: true, Why: "it may still be executed"}, abandon, "", []string{"run abandoned"}, 1},
		"what cannot be stopped":         {"exec", inTime, abandon, "", []string{"run abandoned Ana abandoned it"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := onChain(t, byRole())
			if c.kind == "exec" {
				s = newStand(t, playbook(command))
				s.tasks = map[string]lifeboat.Receipt{}
			}
			s.tasks[c.kind] = lifeboat.Receipt{Status: lifeboat.Accepted, Why: "the gas is above the ceiling"}
			s.stopped = c.stopped
			s.settle()
			c.do(s)
			want(t, s.paths(), c.want...)
			if waits := s.Waits("R1"); !strings.Contains(waits, c.waits) {
				t.Errorf("it waits %s", waits)
			}
			if got := s.cancellations(); len(got) != c.stops {
				t.Errorf("it stopped %v", got)
			}
		})
	}
}

// TestPaused says who has paused a run, until it goes on or is to end: then nothing keeps what it has under way from ending.
func TestPaused(t *testing.T) {
	s := onChain(t, byRole())
	s.tasks["exit-apply"] = lifeboat.Receipt{Status: lifeboat.Accepted, Why: "the gas is above the ceiling"}
	s.stopped = lifeboat.Receipt{Status: lifeboat.Accepted, Why: "it was stopped too late"}
	s.settle()
	for _, step := range []struct {
		verb lifeboat.Verb
		by   string
	}{{lifeboat.PauseRun, "Ana"}, {lifeboat.ResumeRun, ""}, {lifeboat.PauseRun, "Ana"}, {lifeboat.AbandonRun, ""}} {
		if s.want(step.verb, ""); s.Paused("R1") != step.by {
			t.Errorf("after %s it is paused by %q", step.verb, s.Paused("R1"))
		}
	}
	if by := s.Paused("R2"); by != "" {
		t.Errorf("a run that there is not is paused by %q", by)
	}
}

// TestStoppedInTimeIsTriedAgain: of what was stopped when its time was up nothing is out, so that the step may begin once more.
func TestStoppedInTimeIsTriedAgain(t *testing.T) {
	for why, attempts := range map[string]int{"in time": 2, "lost": 1} {
		s := newStand(t, playbook(plan.Step{Name: "leave", Timeout: hour, Retries: 1, Exit: new(byRole())}))
		from := onChain(t, byRole())
		s.plan.Dependencies, s.plan.Accounts, s.tasks = from.plan.Dependencies, from.plan.Accounts, from.tasks
		s.tasks["exit-apply"] = lifeboat.Receipt{Status: lifeboat.Accepted}
		s.stopped = map[string]lifeboat.Receipt{"in time": {Status: lifeboat.NotPerformed}, "lost": {Status: lifeboat.Unknown, Lost: true}}[why]
		s.settle()
		s.later(time.Hour)
		s.later(time.Minute)
		if got := s.byWord("step-started"); got != attempts {
			t.Errorf("%s: %d attempts, want %d", why, got, attempts)
		}
	}
}
