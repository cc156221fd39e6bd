package conformance

import (
	"time"

	"lifeboat"
)

// underWayWaits begins tasks that do not end, and halts.
func underWayWaits(k *kit) error {
	w, run, err := k.acting(k.begin(k.unlimited()))
	if err != nil {
		return err
	}
	leaves, looks := w.task(run, "exit-apply"), w.task(run, "exit-plan")
	ended := w.task(run, "exit-apply")
	if err := w.mustPass(ended, "while the breaker is active"); err != nil {
		return err
	}
	w.phones.slow = true
	for _, i := range []lifeboat.Intent{leaves, looks} {
		if err := w.mustPass(i, "while the breaker is active"); err != nil {
			return err
		}
	}
	if err := w.holds(false, leaves, "while the breaker is active"); err != nil {
		return err
	}
	if err := w.halt(); err != nil {
		return err
	}
	if err := w.waits(leaves, looks, ended, "during a halt"); err != nil {
		return err
	}
	next, err := w.fold(w.plan, w.journal, w.venues)
	if err != nil {
		return err
	}
	if err := next.waits(leaves, looks, ended, "after a restart during a halt"); err != nil { // before anything is taken up again
		return err
	}
	if err := next.show(); err != nil {
		return err
	}
	return next.goesOn(leaves)
}

// waits wants a halt to hold what would send something, and nothing else.
func (w *world) waits(leaves, looks, ended lifeboat.Intent, when string) error {
	if err := w.holds(true, leaves, when); err != nil {
		return err
	}
	if err := w.holds(false, looks, when); err != nil {
		return err
	}
	return w.holds(false, ended, when)
}

func (w *world) holds(want bool, i lifeboat.Intent, when string) error {
	switch why := w.system.Holds(i); {
	case want && why == "":
		return w.broken("%s %s that was begun before it is not held", when, tell(i))
	case !want && why != "":
		return w.broken("%s %s is held: %s", when, tell(i), why)
	}
	return nil
}

// goesOn lets the breaker go, and halts again; what a person approves during a halt is not held by it.
func (w *world) goesOn(leaves lifeboat.Intent) error {
	if _, err := w.kit.looseners(); err == nil {
		if err := w.wait(w.kit.hold); err != nil {
			return err
		}
		if err := w.loosenTo(lifeboat.Reducing); err != nil {
			return err
		}
		if err := w.wait(w.kit.patience()); err != nil {
			return err
		}
		if err := w.holds(false, leaves, "after the breaker was let go"); err != nil {
			return err
		}
		if err := w.halt(); err != nil {
			return err
		}
		if err := w.holds(true, leaves, "during a second halt"); err != nil {
			return err
		}
	}
	return w.approvedSince(leaves.Run)
}

// approvedSince approves a task during a halt, which then goes on for longer than the yes to it counts.
func (w *world) approvedSince(run string) error {
	people := names(w.plan.People)
	if len(people) == 0 {
		return nil
	}
	since := w.task(run, "exit-apply")
	q := w.question(run, since, people[:1])
	if err := w.mustPass(q, "during a halt"); err != nil {
		return err
	}
	if err := w.answer(q, people[0], true); err != nil {
		return err
	}
	if err := w.mustPass(since, "during a halt, approved since,"); err != nil {
		return err
	}
	if err := w.until(q.Message.Proposal.Until.Add(time.Second)); err != nil {
		return err
	}
	return w.holds(false, since, "during a halt, approved and begun since, and the yes counted until a second ago,")
}
