package conformance

import (
	"fmt"
	"slices"
	"time"

	"lifeboat"
)

// letGo goes the whole way back, and wants it to arrive: a breaker that nobody can let go would hold every other promise.
func letGo(k *kit) error {
	if _, err := k.looseners(); err != nil {
		return err
	}
	w, run, err := k.acting(k.halted())
	if err != nil {
		return err
	}
	if err := w.wait(k.hold); err != nil {
		return err
	}
	if err := w.loosenTo(lifeboat.Active); err != nil {
		return err
	}
	if k.patience() > 0 {
		if err := w.wait(k.patience() - time.Second); err != nil {
			return err
		}
		if err := w.want(lifeboat.Halted, "a second before the wait of who wants it let go is over"); err != nil {
			return err
		}
		if err := w.wait(time.Second); err != nil {
			return err
		}
	}
	if err := w.want(lifeboat.Reducing, "after the hold, with all asking that the plan wants,"); err != nil {
		return err
	}
	stage := max(k.hold, k.stage)
	if err := w.wait(stage - time.Second); err != nil {
		return err
	}
	if err := w.want(lifeboat.Reducing, "a second before the stage between halted and active is over"); err != nil {
		return err
	}
	if err := w.wait(time.Second); err != nil {
		return err
	}
	if err := w.want(lifeboat.Active, "after the stage between halted and active"); err != nil {
		return err
	}
	if k.buy.account != "" {
		if err := w.mustPass(w.order(run, lifeboat.Buy, k.buy, 0.01), "after the breaker was let go"); err != nil {
			return err
		}
	}
	return k.letGoUnattended()
}

// letGoUnattended trips by everything at once and lets go again without any source saying a word: what tripped it before
// does not trip it again, and waits end by themselves.
func (k *kit) letGoUnattended() error {
	w, err := k.begin(k.plan)
	if err != nil {
		return err
	}
	var trips []lifeboat.Event
	for _, to := range []lifeboat.BreakerState{lifeboat.Reducing, lifeboat.Halted} {
		trips = append(trips, w.request(killFile, lifeboat.MoveBreaker, string(to), ""))
	}
	for _, t := range k.tripping() {
		trips = append(trips, fired(t))
	}
	if err := w.put(trips...); err != nil {
		return err
	}
	if err := w.want(lifeboat.Halted, "after everything tripped it at once"); err != nil {
		return err
	}
	for _, t := range k.tripping() { // and again, which changes nothing now and must not be remembered
		if err := w.put(fired(t)); err != nil {
			return err
		}
	}
	if err := w.wait(k.hold); err != nil {
		return err
	}
	if err := w.loosenTo(lifeboat.Active); err != nil {
		return err
	}
	if err := w.silentUntil(w.now.Add(k.patience() + max(k.hold, k.stage) + time.Hour)); err != nil {
		return err
	}
	if err := w.want(lifeboat.Active, "an hour after all that it takes to let it go, with nothing new,"); err != nil {
		return err
	}
	for _, t := range k.tripping() { // and what tripped it once can trip it again
		if err := w.put(lifeboat.Firing{Trigger: t.Name, Tier: t.Tier, State: lifeboat.Cleared}, fired(t)); err != nil {
			return err
		}
		if err := w.notLooserThan(lifeboat.BreakerState(t.Breaker), fmt.Sprintf("after it was let go and %q fired again", t.Name)); err != nil {
			return err
		}
	}
	return nil
}

// onlyAsFarAsAsked asks for reducing, and later for active.
func onlyAsFarAsAsked(k *kit) error {
	if _, err := k.looseners(); err != nil {
		return err
	}
	w, err := k.halted()
	if err == nil {
		err = w.wait(k.hold)
	}
	if err == nil {
		err = w.loosenTo(lifeboat.Reducing)
	}
	if err == nil {
		err = w.wait(k.patience())
	}
	if err == nil {
		err = w.want(lifeboat.Reducing, "after the hold, with all asking for reducing that the plan wants,")
	}
	if err == nil {
		err = w.wait(max(k.hold, k.stage) + 24*time.Hour)
	}
	if err == nil {
		err = w.want(lifeboat.Reducing, "a day after the stage, with nobody having asked for active,")
	}
	if err == nil {
		err = w.loosenTo(lifeboat.Active)
	}
	if err == nil {
		err = w.wait(k.patience())
	}
	if err == nil {
		err = w.want(lifeboat.Active, "after the stage, with all asking for active that the plan wants,")
	}
	return err
}

// onTheWay is a world that is reducing on the way from halted to active.
func (k *kit) onTheWay() (*world, error) {
	w, err := k.halted()
	if err == nil {
		err = w.wait(k.hold)
	}
	if err == nil {
		err = w.loosenTo(lifeboat.Active)
	}
	if err == nil {
		err = w.wait(k.patience())
	}
	if err == nil {
		err = w.want(lifeboat.Reducing, "after the hold, with all asking that the plan wants,")
	}
	return w, err
}

// neverInOneMove looks through the moves of the whole way back, with everybody asking for active at once.
func neverInOneMove(k *kit) error {
	w, run, err := k.acting(k.begin(k.plan))
	if err != nil {
		return err
	}
	if err := w.live(run); err != nil {
		return err
	}
	was := lifeboat.Active
	for _, m := range all[lifeboat.BreakerMove](w.journal, 0) {
		if was == lifeboat.Halted && m.To == lifeboat.Active {
			return w.broken("the breaker went from halted to active in one move")
		}
		was = m.To
	}
	if _, err := k.looseners(); err != nil {
		return err
	}
	return nil
}

// stageIsKept asks for active again right after the first step, by everybody: the stage is not to be hurried.
func stageIsKept(k *kit) error {
	if _, err := k.looseners(); err != nil {
		return err
	}
	w, err := k.onTheWay()
	if err != nil {
		return err
	}
	for range 2 {
		if err := w.everybodyAsks(lifeboat.Active); err != nil {
			return err
		}
		if err := w.want(lifeboat.Reducing, "right after it went from halted to reducing, with everybody asking for active,"); err != nil {
			return err
		}
		if err := w.wait(max(k.hold, k.stage)/2 - time.Second); err != nil {
			return err
		}
	}
	return nil
}

// everybodyAsks lets every person ask, whether the desk would let them or not: nothing of it may move the breaker when it
// must not move.
func (w *world) everybodyAsks(to lifeboat.BreakerState) error {
	for _, by := range append(names(w.kit.plan.People), killFile, "plan", "") {
		r := w.request(by, lifeboat.MoveBreaker, string(to), "any")
		if err := w.system.Flow.Tell(w.ctx, w.at(), r); err != nil {
			return err
		}
	}
	return nil
}

// holdIsKept lets everybody ask during the hold, and wants neither a move nor that it counts later.
func holdIsKept(k *kit) error {
	w, run, err := k.acting(k.halted())
	if err != nil {
		return err
	}
	for _, after := range []time.Duration{0, k.hold / 2, k.hold/2 - time.Second} {
		if err := w.wait(after); err != nil {
			return err
		}
		if by := k.loosen.people; len(by) > 0 {
			if refused, err := w.wish(by[0], lifeboat.Reducing); err != nil {
				return err
			} else if refused == "" {
				return w.broken("%s was not told that it is too early to let the breaker go", by[0])
			}
		}
		for _, to := range []lifeboat.BreakerState{lifeboat.Reducing, lifeboat.Active} {
			if err := w.everybodyAsks(to); err != nil {
				return err
			}
			if err := w.stillHalted(run, fmt.Sprintf("with everybody asking for %s before the hold is over", to)); err != nil {
				return err
			}
		}
	}
	for _, after := range []time.Duration{time.Second, k.wait, 24 * time.Hour} {
		if err := w.wait(after); err != nil {
			return err
		}
		if err := w.stillHalted(run, "after the hold, with everybody having asked only before,"); err != nil {
			return err
		}
	}
	return nil
}

// oneIsNotEnough lets all but one of those ask who must.
func oneIsNotEnough(k *kit) error {
	people, err := k.looseners()
	if err != nil {
		return err
	}
	if k.loosen.need < 2 {
		return notApplicable("one person may loosen the breaker of this plan (%s), with a second factor and a wait", people[0])
	}
	w, run, err := k.acting(k.halted())
	if err == nil {
		err = w.wait(k.hold)
	}
	if err != nil {
		return err
	}
	for _, by := range people[1:] {
		if _, err := w.wish(by, lifeboat.Reducing); err != nil {
			return err
		}
	}
	for _, after := range []time.Duration{0, k.wait, time.Hour, 24 * time.Hour} {
		if err := w.wait(after); err != nil {
			return err
		}
		if err := w.stillHalted(run, fmt.Sprintf("with %d asking to let it go where the plan wants %d,", len(people)-1, len(people))); err != nil {
			return err
		}
	}
	return nil
}

// theSameTwice lets one person ask as often as several would have to.
func theSameTwice(k *kit) error {
	people, err := k.looseners()
	if err != nil {
		return err
	}
	if k.loosen.need < 2 {
		return notApplicable("one person may loosen the breaker of this plan")
	}
	w, run, err := k.acting(k.halted())
	if err == nil {
		err = w.wait(k.hold)
	}
	if err != nil {
		return err
	}
	for range k.loosen.need + 1 {
		if _, err := w.wish(people[0], lifeboat.Reducing); err != nil {
			return err
		}
		if err := w.stillHalted(run, fmt.Sprintf("with %s asking again and again where the plan wants %d,", people[0], k.loosen.need)); err != nil {
			return err
		}
		if err := w.wait(time.Minute); err != nil {
			return err
		}
	}
	return nil
}

// notTogether lets the people ask so far apart that it was not one decision, and for different states.
func notTogether(k *kit) error {
	people, err := k.looseners()
	if err != nil {
		return err
	}
	if k.loosen.need < 2 {
		return notApplicable("one person may loosen the breaker of this plan")
	}
	for _, apart := range []time.Duration{time.Hour, time.Hour + time.Second} {
		w, run, err := k.acting(k.halted())
		if err == nil {
			err = w.wait(k.hold)
		}
		for i, by := range people {
			if i == len(people)-1 && err == nil {
				err = w.wait(apart)
			}
			if err == nil {
				_, err = w.wish(by, lifeboat.Reducing)
			}
		}
		if err == nil && apart == time.Hour {
			err = w.want(lifeboat.Reducing, "with all asking to let it go within an hour")
		} else if err == nil {
			err = w.stillHalted(run, "with people asking to let it go more than an hour apart")
		}
		if err != nil {
			return err
		}
	}
	w, run, err := k.acting(k.halted())
	if err == nil {
		err = w.wait(k.hold)
	}
	for i, by := range people {
		to := lifeboat.Reducing
		if i == 0 {
			to = lifeboat.Active
		}
		if err == nil {
			_, err = w.wish(by, to)
		}
	}
	if err == nil {
		err = w.stillHalted(run, "with people asking for different states")
	}
	return err
}

// strangersLoosenNothing lets those ask whom the plan does not let: one of its people, somebody unknown, the kill file and
// the plan itself.
func strangersLoosenNothing(k *kit) error {
	var tries []string
	if s := k.stranger(); s != "" {
		tries = append(tries, s)
	}
	for _, by := range append(tries, "Mallory", killFile, "plan", "") {
		w, run, err := k.acting(k.halted())
		if err == nil {
			err = w.wait(k.hold)
		}
		if err != nil {
			return err
		}
		refused, err := w.tell(w.request(by, lifeboat.MoveBreaker, string(lifeboat.Reducing), "any"))
		if err != nil {
			return err
		}
		if refused == "" {
			return w.broken("%q was let ask to loosen the breaker, and the plan names %v", by, k.loosen.people)
		}
		if by == "Mallory" {
			if refused, err := w.tell(w.request(by, lifeboat.MoveBreaker, string(lifeboat.Halted), "")); err != nil {
				return err
			} else if refused == "" {
				return w.broken("%q, who is not in the plan, was let ask for a halt", by)
			}
		}
		if err := w.system.Flow.Tell(w.ctx, w.at(), w.request(by, lifeboat.MoveBreaker, string(lifeboat.Reducing), "any")); err != nil {
			return err
		}
		if err := w.wait(k.wait + time.Second); err != nil {
			return err
		}
		if err := w.stillHalted(run, fmt.Sprintf("with only %q having asked", by)); err != nil {
			return err
		}
	}
	return nil
}

// trippersDoNotLoosen lets the one who halted ask, where the plan wants somebody else.
func trippersDoNotLoosen(k *kit) error {
	if !k.loosen.besides || !slices.Contains(k.loosen.people, k.halter()) {
		return notApplicable("the plan does not want somebody else than who halted it, or who halts could not loosen anyway")
	}
	w, run, err := k.acting(k.halted())
	if err == nil {
		err = w.wait(k.hold)
	}
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(slices.Clone(k.loosen.people), func(name string) bool { return name == k.halter() })
	for _, by := range append(others[:min(len(others), k.loosen.need-1)], k.halter()) {
		r := w.request(by, lifeboat.MoveBreaker, string(lifeboat.Reducing), k.loosen.factor)
		if err := w.system.Flow.Tell(w.ctx, w.at(), r); err != nil {
			return err
		}
	}
	if err := w.wait(k.wait + time.Second); err != nil {
		return err
	}
	return w.stillHalted(run, "with the one who halted it among those who ask")
}

// factorIsWanted lets all ask who must, without a factor and with one for something else.
func factorIsWanted(k *kit) error {
	people, err := k.looseners()
	if err != nil {
		return err
	}
	if k.loosen.factor == "" {
		return notApplicable("the plan lets %d people loosen the breaker without a second factor", k.loosen.need)
	}
	for _, content := range []string{"", "0000"} {
		w, run, err := k.acting(k.halted())
		if err == nil {
			err = w.wait(k.hold)
		}
		if err != nil {
			return err
		}
		what := "without a second factor"
		for _, by := range people {
			r := w.request(by, lifeboat.MoveBreaker, string(lifeboat.Reducing), "")
			if content != "" {
				what = "with a second factor for something else"
				r.Factor = &lifeboat.Factor{Kind: "totp", ID: "shadow", Content: content, Counter: 1}
			}
			refused, err := w.tell(r)
			if err != nil {
				return err
			}
			if refused == "" {
				return w.broken("%s was let ask to loosen the breaker %s", by, what)
			}
			if err := w.system.Flow.Tell(w.ctx, w.at(), r); err != nil {
				return err
			}
		}
		if err := w.wait(k.wait + time.Second); err != nil {
			return err
		}
		if err := w.stillHalted(run, "with all asking "+what); err != nil {
			return err
		}
	}
	return nil
}

// waitIsVoided lets somebody who may loosen alone begin the wait, and something happen in it.
func waitIsVoided(k *kit) error {
	people, err := k.looseners()
	if err != nil {
		return err
	}
	if !k.loosen.waits {
		return notApplicable("it takes %d people to loosen the breaker of this plan, and no wait", k.loosen.need)
	}
	events := map[string]func(*world) error{
		"somebody halted it again in the wait": func(w *world) error { return w.fileFound() },
		"lifeboat was away in the wait": func(w *world) error {
			w.now = w.now.Add(k.wait)
			next, err := w.again(k.plan)
			if err == nil {
				*w = *next
			}
			return err
		},
	}
	for _, t := range k.tripping() {
		events[fmt.Sprintf("%q fired in the wait", t.Name)] = func(w *world) error { return w.put(fired(t)) }
	}
	for _, what := range sortedKeys(events) {
		w, run, err := k.acting(k.halted())
		if err == nil {
			err = w.wait(k.hold)
		}
		if err == nil {
			_, err = w.wish(people[0], lifeboat.Reducing)
		}
		if err == nil {
			err = w.wait(k.wait / 2)
		}
		if err == nil {
			err = events[what](w)
		}
		if err == nil {
			err = w.wait(k.wait/2 - time.Second)
		}
		if err == nil {
			err = w.stillHalted(run, what+", and the wait that was begun before")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// goingOnIsVoided trips the breaker again on its way from reducing to active.
func goingOnIsVoided(k *kit) error {
	if _, err := k.looseners(); err != nil {
		return err
	}
	w, err := k.onTheWay()
	if err != nil {
		return err
	}
	if err := w.wait(k.stage / 2); err != nil {
		return err
	}
	if by := k.halter(); by != "" { // a word to stay takes it back as well
		if _, err := w.tell(w.request(by, lifeboat.MoveBreaker, string(lifeboat.Reducing), k.haltFactor())); err != nil {
			return err
		}
		if err := w.wait(max(k.hold, k.stage)); err != nil {
			return err
		}
		if err := w.want(lifeboat.Reducing, "after "+by+" wanted it to stay reducing"); err != nil {
			return err
		}
	}
	if err := w.fileFound(); err != nil {
		return err
	}
	if err := w.want(lifeboat.Halted, "on its way to active, with the kill file found,"); err != nil {
		return err
	}
	if err := w.wait(24 * time.Hour); err != nil {
		return err
	}
	return w.want(lifeboat.Halted, "a day after it was halted on its way to active")
}
