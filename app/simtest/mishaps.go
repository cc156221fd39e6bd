package simtest

import (
	"time"

	"lifeboat"
)

// foretell plans what will go wrong.
func (w *World) foretell() {
	during := func() time.Time { return Began.Add(w.span("mishaps", 3*time.Hour, barsOfTape*barEvery)) }
	disk := func(n int, mending time.Duration, says func() error) {
		for range n {
			at := during()
			w.agenda.add(at, func() { w.sick = says() })
			w.agenda.add(at.Add(mending), func() { w.sick = nil })
		}
	}
	disk(w.Full, 2*time.Hour, diskFull)
	disk(w.ReadOnly, time.Hour, readOnly)
	for i := range w.Jumps {
		jump := 24 * time.Hour
		if i%2 == 1 {
			jump = -jump
		}
		at := during()
		w.agenda.add(at, func() { w.skew = jump })
		w.agenda.add(at.Add(90*time.Minute), func() { w.skew = 0 })
	}
	for range w.Stops {
		w.agenda.add(during(), func() { w.standing++ })
	}
	for range w.Zombies {
		w.agenda.add(during(), func() { w.haunting++ })
	}
	for range w.Restarts {
		w.agenda.add(during(), func() { w.Restart(); w.Tally.Restarts++ })
	}
	for range w.Restores {
		at := during()
		w.agenda.add(at, w.copies)
		w.agenda.add(at.Add(w.span("mishaps", time.Hour, 12*time.Hour)), w.restore)
	}
	if w.Unreliable {
		w.whims(during)
	}
}

func diskFull() error {
	return &lifeboat.Problem{Reason: "journal-full", What: "the journal could not be written: no space left on device", Money: "nothing was sent that is not in the journal"}
}

func readOnly() error {
	return &lifeboat.Problem{Reason: "journal-full", What: "the journal could not be written: read-only file system", Money: "nothing was sent that is not in the journal"}
}

// copies makes a backup, with the process stopped in good order.
func (w *World) copies() {
	w.end(time.Second)
	if err := w.Shelf.Copy(); err != nil {
		w.judge.fault("no backup could be made: %v", err)
	}
	w.judge.copied = w.chain
}

// restore puts the backup back, as after a machine was lost. What was acknowledged since is lost with it: that is what a
// backup is. What the venues know is not.
func (w *World) restore() {
	w.end(w.span("mishaps", time.Minute, time.Hour))
	if err := w.Shelf.Restore(); err != nil {
		w.judge.fault("the backup could not be restored: %v", err)
		return
	}
	w.Tally.Restores++
	w.judge.restored()
	w.doomed = w.chance("mishaps", 0.3)
}

// whims are what people want on their own initiative.
func (w *World) whims(during func() time.Time) {
	for range 6 {
		verb := []lifeboat.Verb{lifeboat.PauseRun, lifeboat.SkipStep, lifeboat.RetryStep, lifeboat.AbandonRun}[w.die("whims").IntN(4)]
		at := during()
		w.people.request(at, verb, "Ana", anyRun)
		if verb == lifeboat.PauseRun {
			w.people.request(at.Add(w.span("whims", time.Minute, 5*time.Hour)), lifeboat.ResumeRun, "Ana", anyRun)
		}
	}
	halt := during()
	w.people.request(halt, lifeboat.MoveBreaker, "Ben", always(string(lifeboat.Halted)))
	w.people.request(halt.Add(w.span("whims", time.Hour, 10*time.Hour)), lifeboat.MoveBreaker, "Ana", always(string(lifeboat.Reducing)))
	w.people.request(halt.Add(w.span("whims", 10*time.Hour, 20*time.Hour)), lifeboat.MoveBreaker, "Ana", always(string(lifeboat.Active)))
}

// anyRun is the oldest open run and the step it is at. The people of these plans do not skip each other's approvals.
func anyRun(l *life) (object, step string, ok bool) {
	open := l.record.Open()
	if len(open) == 0 {
		return "", "", false
	}
	at := l.w.judge.known.runs[open[0].Run].step
	return open[0].Run, at.Step, at.Kind != "approve"
}

func always(object string) func(*life) (string, string, bool) {
	return func(*life) (string, string, bool) { return object, "", true }
}

// tidy is what people do when everything bad is over: they answer what is open, let go what they hold back, and look at what
// is strange.
func (w *World) tidy() {
	if w.life == nil {
		return
	}
	for _, q := range w.life.record.Questions {
		delete(w.people.heard, q.Key)
		w.people.hear(w.judge.known.intents[q.Key].Intent)
	}
	for _, run := range w.life.record.Open() {
		w.people.request(w.now, lifeboat.ResumeRun, "Ana", always(run.Run))
	}
	for _, name := range w.accounts() {
		if len(w.judge.known.adopted) > 0 {
			w.people.request(w.now, lifeboat.ReleaseAccount, "Ana", always(name))
		}
	}
	for i, state := range []lifeboat.BreakerState{lifeboat.Reducing, lifeboat.Active} {
		if w.judge.known.breaker.Stricter(state) {
			w.people.request(w.now.Add(time.Duration(i)*30*time.Hour), lifeboat.MoveBreaker, "Ana", always(string(state)))
		}
	}
}
