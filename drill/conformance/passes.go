package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// mustPass tries an act and wants it carried out.
func (w *world) mustPass(i lifeboat.Intent, when string) error {
	out, err := w.act(i)
	if err == nil && !out.passed {
		err = w.broken("%s %s was refused: %s", when, tell(i), out.refused)
	}
	if err == nil && i.Act != lifeboat.CancelOrder && !out.arrived {
		err = w.broken("%s %s was written down and never sent", when, tell(i))
	}
	return err
}

// mustRefuse tries an act and wants it refused, with a reason, and not carried out.
func (w *world) mustRefuse(i lifeboat.Intent, when string) error {
	out, err := w.act(i)
	if err == nil && out.passed {
		err = w.broken("%s %s passed", when, tell(i))
	}
	return err
}

// tell an act in a few words.
func tell(i lifeboat.Intent) string {
	switch i.Act {
	case lifeboat.PlaceOrder:
		price := "at the market"
		if i.Order.Type == lifeboat.Limit {
			price = "at " + i.Order.Limit.String()
		}
		return fmt.Sprintf("an order to %s %s %s in %s %s", i.Order.Side, i.Order.Quantity, i.Order.Symbol, i.Order.Account, price)
	case lifeboat.CancelOrder:
		return "the cancellation of an open order"
	case lifeboat.SendMessage:
		return "a message"
	}
	return fmt.Sprintf("a task of kind %s", i.Task.Kind)
}

func (k *kit) canBuy() error {
	if k.buy.account == "" {
		return notApplicable("the plan lets lifeboat trade nothing")
	}
	return nil
}

func (k *kit) canSell() error {
	if k.sell.account == "" {
		return notApplicable("lifeboat holds nothing that it may sell")
	}
	return nil
}

func activePasses(k *kit) error {
	if err := k.canBuy(); err != nil {
		return err
	}
	for _, side := range []lifeboat.Side{lifeboat.Buy, lifeboat.Sell} { // each in a world of its own, for the limits' sake
		q := k.buy
		if side == lifeboat.Sell {
			if q = k.sell; q.account == "" {
				k.note("a sale, because lifeboat holds nothing")
				continue
			}
		}
		w, run, err := k.acting(k.begin(k.unlimited()))
		if err != nil {
			return err
		}
		if err := w.mustPass(w.order(run, side, q, 0), "while the breaker is active"); err != nil {
			return err
		}
		if err := w.mustPass(w.task(run, "http"), "while the breaker is active"); err != nil {
			return err
		}
	}
	return nil
}

// acting starts an idle run in a world that has just been made.
func (k *kit) acting(w *world, err error) (*world, string, error) {
	if err != nil {
		return nil, "", err
	}
	run, err := w.idle()
	return w, run, err
}

func (w *world) task(run, kind string) lifeboat.Intent {
	return lifeboat.Intent{Key: w.key("task"), Act: lifeboat.PerformTask, Run: run, Step: "1",
		Task: &lifeboat.Task{Kind: kind, Spec: json.RawMessage(`{"url":"https://shadow.invalid"}`)}}
}

// refusesAll wants every automatic act refused that the kit knows how to make.
func (w *world) refusesAll(run, when string) error {
	var acts []lifeboat.Intent
	if w.kit.buy.account != "" {
		acts = append(acts, w.order(run, lifeboat.Buy, w.kit.buy, 0), w.order(run, lifeboat.Buy, w.kit.buy, 0.9))
	}
	if w.kit.sell.account != "" {
		acts = append(acts, w.order(run, lifeboat.Sell, w.kit.sell, 0))
	}
	for _, kind := range taskKinds {
		if i := w.task(run, kind); !i.Task.LooksOnly() {
			acts = append(acts, i)
		}
	}
	for _, i := range acts {
		if err := w.mustRefuse(i, when); err != nil {
			return err
		}
	}
	return nil
}

// haltedRefuses starts everything that the plan can start by itself, during a halt, and lets days pass.
func haltedRefuses(k *kit) error {
	w, run, err := k.acting(k.halted())
	if err != nil {
		return err
	}
	if err := w.refusesAll(run, "during a halt"); err != nil {
		return err
	}
	if err := w.wait(time.Minute); err != nil { // what holds at the first moment may not hold at the second
		return err
	}
	before := len(w.journal.entries)
	for _, t := range k.plan.Triggers {
		if err := w.put(fired(t)); err != nil {
			return err
		}
	}
	for _, b := range k.plan.Playbooks {
		if _, err := w.run(b); err != nil {
			return err
		}
	}
	for range 8 {
		if err := w.wait(6 * time.Hour); err != nil {
			return err
		}
	}
	if err := w.onlyReductionsOf(before, k.onHalt()); err != nil {
		return err
	}
	return k.noteIdle()
}

// noteIdle says which playbooks would not have acted without people even with the breaker active: that they did not act
// during the halt proves little.
func (k *kit) noteIdle() error {
	w, err := k.begin(k.unlimited())
	if err != nil {
		return err
	}
	of, acted := map[string]string{}, map[string]bool{}
	for _, b := range k.plan.Playbooks {
		run, err := w.run(b)
		if err != nil {
			return err
		}
		of[run] = b.Name
	}
	for range 8 {
		if err := w.wait(6 * time.Hour); err != nil {
			return err
		}
	}
	for _, i := range all[lifeboat.Intent](w.journal, 0) {
		if i.Act == lifeboat.PlaceOrder || i.Act == lifeboat.PerformTask {
			acted[of[i.Run]] = true
		}
	}
	for _, b := range k.plan.Playbooks {
		if !acted[b.Name] {
			k.note("the playbook %q: even while active it did nothing in two days without people, or while others of the plan were open", b.Name)
		}
	}
	return nil
}

func (k *kit) onHalt() string {
	if k.plan.Breaker == nil {
		return ""
	}
	return k.plan.Breaker.OnHalt
}

// onlyReductionsOf wants no order and no task since an entry, but sales by runs of one playbook.
func (w *world) onlyReductionsOf(from int, playbook string) error {
	of := map[string]string{} // :: run → playbook
	for _, r := range all[lifeboat.RunStarted](w.journal, 0) {
		of[r.Run] = r.Playbook
	}
	for _, i := range all[lifeboat.Intent](w.journal, from) {
		switch {
		case i.Act == lifeboat.PerformTask && i.Task.LooksOnly():
		case i.Act == lifeboat.PerformTask:
			return w.broken("during a halt %s of the playbook %q was carried out", tell(i), of[i.Run])
		case i.Act == lifeboat.PlaceOrder && (playbook == "" || of[i.Run] != playbook || i.Order.Side != lifeboat.Sell):
			return w.broken("during a halt the playbook %q placed %s", of[i.Run], tell(i))
		}
	}
	return nil
}

func messagesPass(k *kit) error {
	if len(k.plan.People) == 0 {
		return notApplicable("the plan names nobody who could be told")
	}
	w, run, err := k.acting(k.halted())
	if err != nil {
		return err
	}
	for _, kind := range taskKinds { // before people can be asked it has to be worked out what for
		if i := w.task(run, kind); i.Task.LooksOnly() {
			if err := w.mustPass(i, "during a halt"); err != nil {
				return err
			}
		}
	}
	return w.mustPass(w.message(run), "during a halt")
}

// cancellationsPass rests an order at the venue and takes it back in each state.
func cancellationsPass(k *kit) error {
	if err := k.canSell(); err != nil {
		return err
	}
	for _, state := range []lifeboat.BreakerState{lifeboat.Reducing, lifeboat.Halted} {
		w, run, err := k.acting(k.begin(k.unlimited()))
		if err != nil {
			return err
		}
		resting := w.order(run, lifeboat.Sell, k.sell, 3) // nobody pays that
		if err := w.mustPass(resting, "while the breaker is active"); err != nil {
			return err
		}
		if err := w.makeStricter(state); err != nil {
			return err
		}
		if w.receipt(resting.Key).Status.Final() {
			continue // the halt has cancelled it already
		}
		if err := w.mustPass(w.cancel(run, resting), "while "+string(state)); err != nil {
			return err
		}
		if status := w.receipt(resting.Key).Status; status != lifeboat.Canceled {
			return w.broken("while %s an order was cancelled and is %q", state, status)
		}
	}
	return nil
}

// makeStricter moves an active world on.
func (w *world) makeStricter(state lifeboat.BreakerState) error {
	if state == lifeboat.Halted {
		return w.halt()
	}
	by := w.kit.halter()
	if by == "" {
		return notApplicable("nobody in the plan could put the breaker to reducing")
	}
	if _, err := w.tell(w.request(by, lifeboat.MoveBreaker, string(state), w.kit.haltFactor())); err != nil {
		return err
	}
	return w.want(state, "after "+by+" asked for it")
}

// receipt is the last one of a key.
func (w *world) receipt(key lifeboat.Key) (last lifeboat.Receipt) {
	for _, r := range all[lifeboat.Receipt](w.journal, 0) {
		if r.Key == key {
			last = r
		}
	}
	return last
}

// openRiskIsCancelled rests a purchase and a sale at the venue and halts.
func openRiskIsCancelled(k *kit) error {
	if err := k.canSell(); err != nil {
		return err
	}
	w, run, err := k.acting(k.begin(k.withCash()))
	if err != nil {
		return err
	}
	buy := w.order(run, lifeboat.Buy, k.buy, 0.01) // nobody sells at that
	if err := w.mustPass(buy, "while the breaker is active"); err != nil {
		return err
	}
	if w.receipt(buy.Key).Status.Final() {
		return notApplicable("no purchase could be left open: %s", w.receipt(buy.Key).Why)
	}
	if err := w.halt(); err != nil {
		return err
	}
	keep := k.plan.Breaker != nil && k.plan.Breaker.CancelOpen != nil && !*k.plan.Breaker.CancelOpen
	switch status, cancels := w.receipt(buy.Key).Status, w.cancels(buy.Key); {
	case keep && cancels > 0:
		return w.broken("the halt cancelled an open purchase although the plan says cancel_open: false")
	case keep:
		return nil
	case status != lifeboat.Canceled:
		return w.broken("after the halt an open purchase is still %q", status)
	case cancels != 1:
		return w.broken("the open purchase was cancelled %d times", cancels)
	}
	return k.deafVenue()
}

func (w *world) cancels(order lifeboat.Key) int {
	n := 0
	for _, i := range all[lifeboat.Intent](w.journal, 0) {
		if i.Act == lifeboat.CancelOrder && i.Cancel == order {
			n++
		}
	}
	return n
}

// deafVenue halts while the venue does not answer: the cancellation is asked for once, and is not given up. What turns up
// at the venue during the halt, of a part of the journal that was lost, is cancelled too.
func (k *kit) deafVenue() error {
	w, run, err := k.acting(k.begin(k.withCash()))
	if err != nil {
		return err
	}
	first, second := w.order(run, lifeboat.Buy, k.buy, 0.01), w.order(run, lifeboat.Buy, k.buy, 0.02)
	for _, i := range []lifeboat.Intent{first, second} {
		if err := w.mustPass(i, "while the breaker is active"); err != nil {
			return err
		}
	}
	w.line.dead = true
	if err := w.halt(); err != nil {
		return err
	}
	if err := w.wait(time.Minute); err != nil {
		return err
	}
	if n := w.cancels(first.Key); n != 1 {
		return w.broken("with the venue out of reach, the open purchase was cancelled %d times", n)
	}
	w.line.dead = false
	if err := w.wait(time.Minute); err != nil {
		return err
	}
	for _, i := range []lifeboat.Intent{first, second} {
		if status := w.receipt(i.Key).Status; status != lifeboat.Canceled {
			return w.broken("with the venue back after the halt, an open purchase is %q", status)
		}
	}
	lost := w.order("", lifeboat.Buy, k.buy, 0.01)
	ended := w.order("", lifeboat.Buy, k.buy, 0.01)
	found := lifeboat.Reconciled{Account: k.buy.account, Strange: []lifeboat.PlacedOrder{
		{Order: *lost.Order, Receipt: lifeboat.Receipt{Key: lost.Key, Account: k.buy.account, Status: lifeboat.Accepted}},
		{Order: *ended.Order, Receipt: lifeboat.Receipt{Key: ended.Key, Account: k.buy.account, Status: lifeboat.Canceled}}}}
	if err := w.system.Flow.Isolate(w.at(), lifeboat.Quarantine{Accounts: []string{k.buy.account}, Why: "a backup was restored"}); err != nil {
		return err
	}
	if err := w.put(found); err != nil {
		return err
	}
	if w.cancels(lost.Key) != 1 || w.cancels(ended.Key) != 0 {
		return w.broken("of two purchases that turned up at the venue during the halt, the open one was cancelled %d times and the closed one %d times",
			w.cancels(lost.Key), w.cancels(ended.Key))
	}
	return nil
}

// reductionsStayOpen rests a sale at the venue and halts: what gets the owner out is not taken back.
func reductionsStayOpen(k *kit) error {
	if err := k.canSell(); err != nil {
		return err
	}
	w, run, err := k.acting(k.begin(k.unlimited()))
	if err != nil {
		return err
	}
	sale := w.order(run, lifeboat.Sell, k.sell, 3)
	if err := w.mustPass(sale, "while the breaker is active"); err != nil {
		return err
	}
	if err := w.halt(); err != nil {
		return err
	}
	if status := w.receipt(sale.Key).Status; status.Final() {
		return w.broken("the halt took back an open sale, which is now %q", status)
	}
	return nil
}

// onHaltOnce halts, halts again and waits, and counts the runs of the plan's on_halt.
func onHaltOnce(k *kit) error {
	if k.onHalt() == "" {
		return notApplicable("the plan names no playbook under breaker.on_halt")
	}
	w, err := k.halted()
	if err != nil {
		return err
	}
	count := func() int {
		return len(slices.DeleteFunc(all[lifeboat.RunStarted](w.journal, 0), func(r lifeboat.RunStarted) bool { return r.Playbook != k.onHalt() }))
	}
	if n := count(); n != 1 {
		return w.broken("the halt started the playbook %q %d times", k.onHalt(), n)
	}
	if by := k.halter(); by != "" {
		if _, err := w.tell(w.request(by, lifeboat.MoveBreaker, string(lifeboat.Halted), k.haltFactor())); err != nil {
			return err
		}
	}
	for range 4 {
		if err := w.wait(6 * time.Hour); err != nil {
			return err
		}
	}
	if w, err = w.again(k.plan); err != nil {
		return err
	}
	if n := count(); n != 1 {
		return w.broken("within one halt the playbook %q was started %d times", k.onHalt(), n)
	}
	if err := w.onlyReductionsOf(0, k.onHalt()); err != nil {
		return err
	}
	if _, err := k.looseners(); err != nil {
		k.note("a second halt, because nobody could let the first one go")
		return nil
	}
	err = w.loosenTo(lifeboat.Reducing)
	if err == nil {
		err = w.wait(k.patience())
	}
	if err == nil {
		err = w.want(lifeboat.Reducing, "after people let go a halt")
	}
	if err == nil {
		err = w.fileFound()
	}
	if n := count(); err == nil && n != 2 {
		err = w.broken("after the second halt the playbook %q has been started %d times", k.onHalt(), n)
	}
	return err
}

// restingOnHalt is the kit's plan with the playbook of on_halt put to rest, so that only the kit acts in its name.
func (k *kit) restingOnHalt() (*plan.Plan, plan.Playbook) {
	idle, resting := *k.unlimited(), plan.Playbook{}
	idle.Playbooks = slices.Clone(k.plan.Playbooks)
	for i, b := range idle.Playbooks {
		if b.Name == k.onHalt() {
			idle.Playbooks[i].Steps = []plan.Step{{Name: "wait", Wait: &plan.Wait{For: plan.Duration(365 * 24 * time.Hour)}}}
			resting = idle.Playbooks[i]
		}
	}
	return &idle, resting
}

// onHaltBeside halts while the playbook of on_halt is under way already, and something else is: it does not start beside itself.
func onHaltBeside(k *kit) error {
	if k.onHalt() == "" {
		return notApplicable("the plan names no playbook under breaker.on_halt")
	}
	for _, own := range []bool{true, false} {
		idle, resting := k.restingOnHalt()
		w, err := k.begin(idle)
		if err != nil {
			return err
		}
		if !own {
			resting.Name = "something else"
		}
		early, err := w.run(resting)
		if err != nil {
			return err
		}
		if err := w.halt(); err != nil {
			return err
		}
		runs := slices.DeleteFunc(all[lifeboat.RunStarted](w.journal, 0), func(r lifeboat.RunStarted) bool { return r.Playbook != k.onHalt() || r.Run == early })
		if want := map[bool]int{true: 0, false: 1}[own]; len(runs) != want {
			return w.broken("beside a run of %q the halt started the playbook of on_halt %d times", resting.Name, len(runs))
		}
	}
	return nil
}

// onHaltReduces tries the acts of a run of on_halt by hand: its sales pass, and nothing else of it.
func onHaltReduces(k *kit) error {
	if k.onHalt() == "" {
		return notApplicable("the plan names no playbook under breaker.on_halt")
	}
	if err := k.canSell(); err != nil {
		return err
	}
	idle, _ := k.restingOnHalt()
	w, err := k.begin(idle)
	if err != nil {
		return err
	}
	if err := w.halt(); err != nil {
		return err
	}
	runs := slices.DeleteFunc(all[lifeboat.RunStarted](w.journal, 0), func(r lifeboat.RunStarted) bool { return r.Playbook != k.onHalt() })
	if len(runs) != 1 {
		return w.broken("the halt started the playbook %q %d times", k.onHalt(), len(runs))
	}
	own := runs[0].Run
	if err := w.mustRefuse(w.order(own, lifeboat.Buy, k.buy, 0.5), "during a halt, by the playbook of on_halt,"); err != nil {
		return err
	}
	if err := w.mustRefuse(w.task(own, "http"), "during a halt, by the playbook of on_halt,"); err != nil {
		return err
	}
	return w.mustPass(w.order(own, lifeboat.Sell, k.sell, 3), "during a halt, by the playbook of on_halt,")
}
