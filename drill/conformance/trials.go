package conformance

import (
	"encoding/json"
	"slices"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

// Accounts that the kit adds to a plan, since not every plan has a canary.
const (
	tried = "shadow exchange" // has a canary
	home  = "shadow wallet"   // that its trials go to
)

// trials: a canary is the one act that nobody decides, so it has to be word for word what the owner wrote, and waits whenever
// anything is held back.
func trials(k *kit) error {
	p := k.unlimited()
	p.Accounts = append(slices.Clone(p.Accounts),
		plan.Account{Name: tried, Kind: "exchange", Venue: "manual", Canary: &plan.Canary{Symbol: "BTC", Amount: decimal.New(2, -3), To: home, Network: "BTC"}},
		plan.Account{Name: home, Kind: "wallet", Venue: "manual", Address: "bc1qshadow"})
	w, err := k.begin(p)
	if err != nil {
		return err
	}
	if err := w.mustPass(w.trial(tried, nil), "while the breaker is active"); err != nil {
		return err
	}
	if err := w.mustRefuse(w.trial(tried, json.RawMessage(`{"account":"shadow exchange","address":"bc1qelsewhere"}`)), "with another address than in the plan"); err != nil {
		return err
	}
	if err := w.mustRefuse(w.trial(home, nil), "for an account without a canary"); err != nil {
		return err
	}
	if err := w.halt(); err != nil {
		return err
	}
	if err := w.mustRefuse(w.trial(tried, nil), "while it is halted"); err != nil {
		return err
	}
	return k.trialWhileReducing(p)
}

func (k *kit) trialWhileReducing(p *plan.Plan) error {
	by := k.halter()
	if by == "" {
		k.note("a trial while it is reducing, because nobody could put it there")
		return nil
	}
	w, err := k.begin(p)
	if err != nil {
		return err
	}
	if refused, err := w.tell(w.request(by, lifeboat.MoveBreaker, string(lifeboat.Reducing), k.haltFactor())); err != nil || refused != "" {
		return err // who may put it there is another promise's
	}
	if is, err := w.state(); err != nil || is != lifeboat.Reducing {
		return err
	}
	return w.mustRefuse(w.trial(tried, nil), "while it is reducing")
}

// trial of an account: the plan's own, or what it is told instead.
func (w *world) trial(account string, instead json.RawMessage) lifeboat.Intent {
	own, _ := w.plan.Trial(account)
	if instead != nil || own.Spec == nil {
		own = lifeboat.Task{Kind: plan.TrialTask, Spec: instead}
	}
	if own.Spec == nil {
		own.Spec = json.RawMessage(`{}`)
	}
	return lifeboat.Intent{Key: w.key("trial"), Act: lifeboat.PerformTask, Account: account, Task: &own}
}
