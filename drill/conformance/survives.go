package conformance

import (
	"fmt"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/prose"
)

// survivesKill lets a halt live through its life, from the trip to active again where people can do that, and starts it
// again from what a crash after each append would have left.
func survivesKill(k *kit) error {
	lives := []func(*world, string) error{(*world).live}
	for _, t := range k.tripping() {
		lives = append(lives, func(w *world, _ string) error { return w.put(fired(t)) })
		if shock, known := k.shock(t); known && t.For < plan.Duration(time.Hour) {
			lives = append(lives, func(w *world, _ string) error { return w.shake(shock, t) })
		}
	}
	for _, life := range lives {
		w, run, err := k.acting(k.begin(k.plan))
		if err != nil {
			return err
		}
		if err := life(w, run); err != nil {
			return err
		}
		for n := 1; n <= len(w.journal.ends); n++ {
			if err := w.killedAfter(n, run); err != nil {
				return err
			}
		}
	}
	return nil
}

// killedAfter starts again from the first appends of a world's journal, with venues that never saw an order.
func (w *world) killedAfter(appends int, run string) error {
	cut := w.journal.upTo(appends)
	was, end := lifeboat.Active, cut.entries[len(cut.entries)-1].at
	for _, m := range all[lifeboat.BreakerMove](cut, 0) {
		was = m.To
	}
	allowed, due := was, false
	if rest := w.journal.entries[len(cut.entries):]; len(rest) > 0 { // what was granted already may follow, and what tripped it must
		if m, is := rest[0].event().(lifeboat.BreakerMove); is && rest[0].at.Equal(end) {
			allowed, due = m.To, m.To.Stricter(was)
		}
	}
	dead := &world{kit: w.kit, plan: w.plan, now: end, acts: w.acts, asked: w.asked, prices: w.prices, phones: w.phones}
	next, err := dead.fold(w.plan, cut, nil)
	if err != nil {
		return err
	}
	when := fmt.Sprintf("killed after append %d of %d and started again", appends, len(w.journal.ends))
	if err := next.want(was, when); err != nil {
		return err
	}
	if err := next.show(); err != nil {
		return err
	}
	if err := next.notLooser(allowed, run, when+", having been "+string(was)+","); err != nil || !due {
		return err
	}
	edited := *w.plan
	edited.Portfolio.Name += ", edited"
	if next, err = dead.fold(&edited, w.journal.upTo(appends), nil); err != nil {
		return err
	}
	if err := next.show(); err != nil {
		return err
	}
	for _, f := range all[lifeboat.Firing](cut, 0) {
		if f.State == lifeboat.Cleared { // an edited plan need not trip by what is over
			return nil
		}
	}
	return next.notLooser(allowed, run, when+" under an edited plan")
}

// oldNews lets triggers fire and clear under a plan in which they trip nothing, and loads the one in which they do: what is
// over must not halt anybody later.
func oldNews(k *kit) error {
	if len(k.tripping()) == 0 {
		return notApplicable("no trigger of the plan trips the breaker")
	}
	w, err := k.begin(k.lax())
	if err != nil {
		return err
	}
	for _, t := range k.tripping() {
		if err := w.put(fired(t), lifeboat.Firing{Trigger: t.Name, Tier: t.Tier, State: lifeboat.Cleared}); err != nil {
			return err
		}
	}
	if err := w.want(lifeboat.Active, "under a plan in which no trigger trips it"); err != nil {
		return err
	}
	if err := w.wait(24 * time.Hour); err != nil {
		return err
	}
	if w, err = w.again(k.plan); err != nil {
		return err
	}
	return w.want(lifeboat.Active, "under the plan in which triggers trip it that fired and cleared a day before it was loaded,")
}

// live takes a world from active through a halt and, where that can be done, back.
func (w *world) live(run string) error {
	if err := w.halt(); err != nil {
		return err
	}
	if err := w.stillHalted(run, "during a halt"); err != nil {
		return err
	}
	if _, err := w.kit.looseners(); err != nil {
		return w.wait(w.kit.hold)
	}
	if err := w.wait(w.kit.hold); err != nil {
		return err
	}
	if err := w.loosenTo(lifeboat.Active); err != nil {
		return err
	}
	if err := w.wait(w.kit.patience()); err != nil {
		return err
	}
	return w.wait(max(w.kit.hold, w.kit.stage))
}

// notLooser wants a state or a stricter one, in word and deed.
func (w *world) notLooser(was lifeboat.BreakerState, run, when string) error {
	is, err := w.state()
	if err != nil {
		return err
	}
	if was.Stricter(is) {
		return w.broken("%s the breaker is %s", when, is)
	}
	if was == lifeboat.Active || w.kit.buy.account == "" || !w.hasRun(run) {
		return nil
	}
	return w.mustRefuse(w.order(run, lifeboat.Buy, w.kit.buy, 0.5), when)
}

func (w *world) hasRun(run string) bool {
	return slices.ContainsFunc(all[lifeboat.RunStarted](w.journal, 0), func(r lifeboat.RunStarted) bool { return r.Run == run })
}

// survivesRestart keeps a halt and starts it again after shorter and longer absences.
func survivesRestart(k *kit) error {
	w, run, err := k.acting(k.halted())
	if err != nil {
		return err
	}
	for _, away := range []time.Duration{0, time.Minute, k.hold, 24 * time.Hour, 30 * 24 * time.Hour} {
		w.now = w.now.Add(away)
		if w, err = w.again(k.plan); err != nil {
			return err
		}
		if err := w.stillHalted(run, fmt.Sprintf("started again after %s away", prose.Span(away))); err != nil {
			return err
		}
	}
	return k.absencesStretch()
}

// absencesStretch is away for a minute in the hold, in the wait and in the stage, each of which gets longer by it: nobody
// could take anything back meanwhile.
func (k *kit) absencesStretch() error {
	if _, err := k.looseners(); err != nil {
		k.note("an absence on the way back, because there is no way back")
		return nil
	}
	w, err := k.halted()
	if err != nil {
		return err
	}
	away := func(rest time.Duration) error {
		w.now = w.now.Add(time.Minute)
		if w, err = w.again(k.plan); err != nil {
			return err
		}
		return w.wait(rest - time.Minute - time.Second)
	}
	if err := away(k.hold); err != nil {
		return err
	}
	if err := w.tooEarly("in a hold during which it was away for a minute, a second before its end"); err != nil {
		return err
	}
	if err := w.wait(time.Minute + time.Second); err != nil {
		return err
	}
	if err := w.loosenTo(lifeboat.Active); err != nil {
		return err
	}
	if k.loosen.waits {
		if err := away(k.wait); err != nil {
			return err
		}
		if err := w.wait(time.Second); err != nil {
			return err
		}
		if err := w.want(lifeboat.Halted, "in a wait during which it was away for a minute, at what had been its end,"); err != nil {
			return err
		}
		if err := w.wait(time.Minute); err != nil {
			return err
		}
	}
	if err := w.want(lifeboat.Reducing, "after a wait that was longer by an absence"); err != nil {
		return err
	}
	if err := away(max(k.hold, k.stage)); err != nil {
		return err
	}
	if err := w.wait(time.Second); err != nil {
		return err
	}
	if err := w.want(lifeboat.Reducing, "in a stage during which it was away for a minute, at what had been its end,"); err != nil {
		return err
	}
	if err := w.wait(time.Minute); err != nil {
		return err
	}
	return w.want(lifeboat.Active, "after a stage that was longer by an absence")
}

// tooEarly wants everybody who may loosen to be told that it is too early.
func (w *world) tooEarly(when string) error {
	for _, by := range w.kit.loosen.people {
		if refused, err := w.wish(by, lifeboat.Reducing); err != nil {
			return err
		} else if refused == "" {
			return w.broken("%s %s was let ask to loosen the breaker", when, by)
		}
	}
	return nil
}

// survivesFailOver lets a standby follow the journal while the first one halts, and take over.
func survivesFailOver(k *kit) error {
	first, run, err := k.acting(k.begin(k.plan))
	if err != nil {
		return err
	}
	standby, err := k.join(k.plan, &memory{}, first.venues)
	if err != nil {
		return err
	}
	from := 0
	follow := func() error {
		err := first.journal.each(from, func(at time.Time, e lifeboat.Event) {
			standby.system.Flow.Recover(at, e)
			standby.last = at
		})
		from = len(first.journal.entries)
		return err
	}
	if err := follow(); err != nil {
		return err
	}
	if err := first.halt(); err != nil {
		return err
	}
	if err := follow(); err != nil {
		return err
	}
	// The first one is dead from here on. The second continues its journal.
	standby.journal.entries, standby.journal.ends = slices.Clone(first.journal.entries), slices.Clone(first.journal.ends)
	standby.now, standby.acts, standby.asked = first.now.Add(3*time.Second), first.acts, first.asked
	if err := standby.system.Flow.Resume(standby.now, lifeboat.Resumed{Since: first.now}); err != nil {
		return err
	}
	standby.last = standby.now
	if err := standby.show(); err != nil {
		return err
	}
	if err := standby.stillHalted(run, "on the machine that took over, "); err != nil {
		return err
	}
	if err := standby.wait(k.hold); err != nil {
		return err
	}
	return standby.stillHalted(run, "on the machine that took over, after the hold,")
}

// lax is an edited plan that would never trip.
func (k *kit) lax() *plan.Plan {
	p := *k.plan
	p.Portfolio.Name += ", edited"
	p.Breaker, p.Triggers = nil, slices.Clone(k.plan.Triggers)
	for i := range p.Triggers {
		p.Triggers[i].Breaker = ""
	}
	return &p
}

// survivesNewPlan brings a plan that would never have tripped into force during a halt.
func survivesNewPlan(k *kit) error {
	w, run, err := k.acting(k.halted())
	if err != nil {
		return err
	}
	if w, err = w.again(k.lax()); err != nil {
		return err
	}
	if err := w.stillHalted(run, "under a plan without any breaker section, loaded during the halt,"); err != nil {
		return err
	}
	if err := w.wait(24 * time.Hour); err != nil {
		return err
	}
	return w.stillHalted(run, "a day later under a plan without any breaker section")
}
