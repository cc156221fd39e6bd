package conformance

import (
	"fmt"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/prose"
)

// stillHalted looks at the state and tries one act of each kind.
func (w *world) stillHalted(run, when string) error {
	if err := w.want(lifeboat.Halted, when); err != nil {
		return err
	}
	acts := []lifeboat.Intent{w.task(run, "exec")}
	if w.kit.buy.account != "" {
		acts = append(acts, w.order(run, lifeboat.Buy, w.kit.buy, 0.5))
	}
	if w.kit.sell.account != "" {
		acts = append(acts, w.order(run, lifeboat.Sell, w.kit.sell, 3))
	}
	for _, i := range acts {
		if err := w.mustRefuse(i, when); err != nil {
			return err
		}
	}
	return nil
}

// haltHolds looks at many instants and not only at the first: a breaker of the field says "not halted" from the second on.
func haltHolds(k *kit) error {
	w, run, err := k.acting(k.halted())
	if err != nil {
		return err
	}
	from := w.now
	for _, after := range []time.Duration{0, 1, time.Second, k.hold / 4, k.hold / 2, k.hold - time.Second, k.hold, k.hold + time.Second,
		2 * k.hold, k.hold + k.wait, k.hold + k.wait + k.stage, k.hold + k.wait + k.stage + 30*24*time.Hour} {
		if err := w.until(from.Add(after)); err != nil {
			return err
		}
		if err := w.stillHalted(run, prose.Span(after)+" into a halt that nobody let go"); err != nil {
			return err
		}
	}
	return nil
}

// reducingHolds is the same of the middle state.
func reducingHolds(k *kit) error {
	if err := k.canBuy(); err != nil {
		return err
	}
	w, run, err := k.acting(k.reducing())
	if err != nil {
		return err
	}
	from := w.now
	for _, after := range []time.Duration{time.Second, k.hold, k.hold + k.wait, k.hold + k.wait + k.stage + time.Second, 30 * 24 * time.Hour} {
		if err := w.until(from.Add(after)); err != nil {
			return err
		}
		when := prose.Span(after) + " after it was put to reducing, with nobody letting it go,"
		if err := w.want(lifeboat.Reducing, when); err != nil {
			return err
		}
		if err := w.mustRefuse(w.order(run, lifeboat.Buy, k.buy, 0.5), when); err != nil {
			return err
		}
	}
	return nil
}

// clockJumps sets the clock a day on and a day back, with everybody waiting to have the breaker let go.
func clockJumps(k *kit) error {
	for _, leap := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		w, run, err := k.acting(k.halted())
		if err != nil {
			return err
		}
		when := fmt.Sprintf("after the clock was set by %s during a halt", signed(leap))
		if err := w.jump(leap); err != nil {
			return err
		}
		if err := w.stillHalted(run, when); err != nil {
			return err
		}
		if err := w.system.Flow.Advance(w.ctx, w.now); err != nil { // and past the daemon's own check of its clock
			return err
		}
		if err := w.system.Flow.Resume(w.at(), lifeboat.Resumed{Since: w.at().Add(24 * time.Hour)}); err != nil { // an absence of less than nothing
			return err
		}
		if leap < 0 && len(k.loosen.people) > 0 {
			if err := w.tooEarly(when); err != nil {
				return err
			}
		}
		if err := w.stillHalted(run, when); err != nil {
			return err
		}
	}
	return k.jumpOverWait()
}

// jumpOverWait lets the clock leap over the wait of somebody who may loosen alone, and over the stage: time that nobody
// saw passing is no time to think.
func (k *kit) jumpOverWait() error {
	if _, err := k.looseners(); err != nil {
		k.note("a leap over a wait or a stage, because nobody could begin one")
		return nil
	}
	if k.loosen.waits {
		w, run, err := k.acting(k.halted())
		if err == nil {
			err = w.wait(k.hold)
		}
		if err == nil {
			err = w.loosenTo(lifeboat.Reducing)
		}
		if err == nil {
			err = w.jump(24 * time.Hour)
		}
		if err == nil {
			err = w.stillHalted(run, "after the clock leapt a day over the wait of who wants it let go")
		}
		if err == nil && len(all[lifeboat.BreakerMove](w.journal, 0)) != 2 {
			err = w.broken("the clock leapt a day over the wait of who wants it let go, and nobody was told that it is void")
		}
		if err != nil {
			return err
		}
	}
	w, err := k.onTheWay()
	if err != nil {
		return err
	}
	if err := w.jump(24 * time.Hour); err != nil {
		return err
	}
	return w.want(lifeboat.Reducing, "after the clock leapt a day over the stage between halted and active")
}

func signed(d time.Duration) string {
	if d < 0 {
		return "-" + prose.Span(-d)
	}
	return "+" + prose.Span(d)
}

// silenceIsNotCalm lets every source fall silent, first during a halt and then with a trigger that has fired.
func silenceIsNotCalm(k *kit) error {
	w, run, err := k.acting(k.halted())
	if err != nil {
		return err
	}
	if err := w.silentUntil(w.now.Add(30 * 24 * time.Hour)); err != nil {
		return err
	}
	if err := w.stillHalted(run, "after a month of the halt without a word from any source"); err != nil {
		return err
	}
	for _, t := range k.plan.Triggers {
		if err := w.put(lifeboat.Firing{Trigger: t.Name, Tier: t.Tier, State: lifeboat.Cleared}); err != nil {
			return err
		}
	}
	return w.stillHalted(run, "after every trigger of the plan has cleared")
}

// unsure puts a word into the journal that no version of lifeboat writes: a state that there is none of.
func unsure(k *kit) error {
	if err := k.canSell(); err != nil {
		return err
	}
	w, run, err := k.acting(k.begin(k.unlimited()))
	if err != nil {
		return err
	}
	if err := w.put(lifeboat.BreakerMove{To: "sideways", By: "plan", Why: "a later version wrote this"}); err != nil {
		return err
	}
	when := "with the breaker in a state that it does not know"
	if err := w.mustRefuse(w.order(run, lifeboat.Buy, k.buy, 0.5), when); err != nil {
		return err
	}
	if err := w.mustRefuse(w.task(run, "http"), when); err != nil {
		return err
	}
	tooMuch := k.sell
	tooMuch.units = k.sell.held.Add(k.sell.units)
	if err := w.mustRefuse(w.order(run, lifeboat.Sell, tooMuch, 3), when+", a sale of more than is held,"); err != nil {
		return err
	}
	sale := w.order(run, lifeboat.Sell, k.sell, 3)
	if k.plan.Breaker != nil && k.plan.Breaker.Reduce == "closed" {
		return w.mustRefuse(sale, when+" and reduce: closed,")
	}
	return w.mustPass(sale, when)
}

// quarantined tries an order on an account that was not compared with its venue yet.
func quarantined(k *kit) error {
	if err := k.canSell(); err != nil {
		return err
	}
	w, run, err := k.acting(k.begin(k.unlimited()))
	if err != nil {
		return err
	}
	strange := w.order("", lifeboat.Buy, k.buy, 0.5).Order
	if err := w.system.Flow.Isolate(w.at(), lifeboat.Quarantine{Accounts: []string{k.buy.account}, Why: "a backup was restored"}); err != nil {
		return err
	}
	open := lifeboat.Receipt{Key: strange.ID, Account: strange.Account, Status: lifeboat.Accepted}
	found := lifeboat.Reconciled{Account: k.buy.account, Strange: []lifeboat.PlacedOrder{{Order: *strange, Receipt: open}}}
	if err := w.put(found); err != nil {
		return err
	}
	return w.mustRefuse(w.order(run, lifeboat.Buy, k.buy, 0.5), "while the venue has orders that the journal does not know")
}

// refusalsAreWritten counts what venues saw against what the journal says, over everything that the kit tried in a halt.
func refusalsAreWritten(k *kit) error {
	w, run, err := k.acting(k.halted())
	if err != nil {
		return err
	}
	seen, refused := w.orders(), len(all[lifeboat.Refused](w.journal, 0))
	onHalt := k.onHalt() != ""
	if err := w.refusesAll(run, "during a halt"); err != nil {
		return err
	}
	if n := w.orders(); n != seen && !onHalt {
		return w.broken("the venues saw %s during a halt", prose.Count(n-seen, "new order"))
	}
	for _, r := range all[lifeboat.Refused](w.journal, 0)[refused:] {
		if r.Why == "" || r.Run != run {
			return w.broken("a refusal in the journal does not say why, or of which run it is")
		}
	}
	return nil
}

// ownerIsTold goes from active to active again and wants a message for every move.
func ownerIsTold(k *kit) error {
	w, run, err := k.acting(k.begin(k.plan))
	if err != nil {
		return err
	}
	if err := w.live(run); err != nil {
		return err
	}
	for _, i := range all[lifeboat.Intent](w.journal, 0) {
		if i.Message != nil && len(i.Message.To) == 0 {
			return w.broken("a message is for nobody: %q", i.Message.Text)
		}
	}
	if len(k.plan.People) == 0 {
		return notApplicable("the plan names nobody who could be told")
	}
	var moves []lifeboat.BreakerMove
	told := 0
	for _, m := range all[lifeboat.BreakerMove](w.journal, 0) {
		moves = append(moves, m)
		if m.Why == "" || m.By == "" {
			return w.broken("the move to %s does not say why, or by whom", m.To)
		}
	}
	for _, i := range all[lifeboat.Intent](w.journal, 0) {
		if i.Message == nil || i.Run != "" || i.Message.Tier != lifeboat.Emergency {
			continue
		}
		owner := slices.ContainsFunc(i.Message.To, func(name string) bool { return slices.Contains(k.owners(), name) })
		if _, sent := w.phones.messages[i.Key]; sent && owner && told < len(moves) {
			told++
		}
	}
	if told < len(moves) {
		return w.broken("the breaker moved %d times and the owner was told %d times", len(moves), told)
	}
	return nil
}

// wait365 is a step that does nothing for a year.
var wait365 = plan.Step{Name: "wait", Wait: &plan.Wait{For: plan.Duration(365 * 24 * time.Hour)}}
