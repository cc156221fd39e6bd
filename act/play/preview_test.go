package play

import (
	"strings"
	"testing"

	"lifeboat"
	"lifeboat/plan"
)

// sends tells the orders of a preview and the rules that do not let them pass.
func (v Preview) sends() []string {
	var all []string
	for _, o := range v.Orders {
		text := o.told()
		for _, said := range o.Verdicts {
			if !said.Passes {
				text += "; no: " + said.Rule
			}
		}
		all = append(all, text)
	}
	return all
}

// TestPreview: a later step sees what an earlier one left, the whole tree is gone through, and nothing of the player changes.
func TestPreview(t *testing.T) {
	half := func(symbol string) plan.Step {
		return plan.Step{Name: "half", Order: &plan.Order{Account: "broker", Symbol: symbol, Side: lifeboat.Sell, Fraction: 0.5}}
	}
	each := plan.Order{Account: "{account}", Symbol: "{symbol}", Side: lifeboat.Sell, Fraction: 0.1}
	sub := plan.Playbook{Name: "sub", Steps: []plan.Step{half("QQQ")}}
	b := playbook(
		plan.Step{Name: "gate", Approve: &plan.Approve{By: "cio"}},
		half("SPY"),
		plan.Step{Name: "both", Parallel: []plan.Step{half("SPY"), {Name: "named", Playbook: "sub"}}},
		plan.Step{Name: "choose", If: &plan.If{That: "yes", Then: []plan.Step{half("T10Y")}, Else: []plan.Step{half("QQQ")}}},
		plan.Step{Name: "unclear", If: &plan.If{That: "who knows", NoData: "wait", Then: []plan.Step{half("T10Y")}}},
		plan.Step{Name: "each", ForEach: &plan.ForEach{Of: "equities", Do: []plan.Step{{Name: "sell", Order: &each}}}},
		plan.Step{Name: "look", Check: &plan.Check{Market: "open"}},
		plan.Step{Name: "none", Order: &plan.Order{Account: "broker", Symbol: "GLD", Side: lifeboat.Sell, Fraction: 1}},
	)
	s := newStand(t, playbook(plan.Step{Name: "idle", Wait: &plan.Wait{For: hour}}), sub)
	s.world.truth["yes"], s.world.open = true, false
	s.settle()
	s.limits(plan.Limits{OrderValue: units(29_000)})
	before, told := s.again().Next(s.at), len(s.told)
	v := s.Preview(s.at, b)
	want(t, v.sends(), "sell 300 SPY in broker (step 2); no: order value", "sell 150 SPY in broker (step 3.1)", "sell 200 QQQ in broker (step 3.2.1)",
		"sell 50 T10Y in broker (step 4.1)", "sell 15 SPY in broker (step 6.SPY@broker.1)", "sell 20 QQQ in broker (step 6.QQQ@broker.1)")
	want(t, v.Stops, "step 5 (unclear): nobody can tell whether who knows", "step 7 (look): it would wait for its conditions: SPY's market is closed")
	want(t, v.Notes, "step 4 (choose): it goes then: yes", "step 8 (none): nothing to sell: broker holds no GLD")
	if v.Passes() || len(s.told) != told || !same(before, s.again().Next(s.at)) || !s.book.Quantity("broker", "SPY").Equal(units(600)) {
		t.Error("it changed something")
	}
	if again := s.Preview(s.at, b); tellPreview(again) != tellPreview(v) {
		t.Errorf("the second says\n%s\nthe first\n%s", tellPreview(again), tellPreview(v))
	}
}

func tellPreview(v Preview) string {
	return strings.Join(append(append(v.sends(), v.Stops...), v.Notes...), "\n")
}

// TestPreviewCutsSlices: of a sliced rebalance the first slice is sent now, and a later step still sees the whole of it.
func TestPreviewCutsSlices(t *testing.T) {
	out := plan.Step{Name: "out", Rebalance: &plan.Rebalance{Reduce: "SPY", By: 1, Participation: 0.10, SliceEvery: hour}}
	after := plan.Step{Name: "after", Order: &plan.Order{Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Fraction: 1}}
	s := newStand(t, playbook(plan.Step{Name: "idle", Wait: &plan.Wait{For: hour}}))
	s.world.volume = map[string]float64{"SPY": 13_000}
	v := s.Preview(s.at, playbook(out, after))
	want(t, v.sends(), "sell 200 SPY in broker (step 1)")
	want(t, v.Notes, "step 1 (out): 200 of 600 SPY now, the rest in slices every 60 min", "step 2 (after): nothing to sell")
}

// TestPreviewKnowsWhatTheRunsKnow: the word of the venue, orders that are open and caps that are used up.
func TestPreviewKnowsWhatTheRunsKnow(t *testing.T) {
	s := newStand(t, playbook(sellSPY(100)))
	s.remote(nil)
	s.limits(plan.Limits{DayValue: units(15_000)})
	s.status = lifeboat.Accepted
	s.settle()
	s.remote(func(w *lifeboat.Statement) { w.Barred = map[string]string{"QQQ": "halted"} })
	v := s.Preview(s.at, playbook(plan.Step{Name: "sell", Order: &plan.Order{Account: "broker", Symbol: "QQQ", Side: lifeboat.Sell, Fraction: 1}}, sellSPY(60)))
	want(t, v.sends(), "sell 400 QQQ in broker (step 1); no: tradable; no: day value", "sell 60 SPY in broker (step 2); no: day value")
	want(t, v.Stops, "step 2 (sell): it would wait for other orders in the same holdings to end")
}

func TestDrift(t *testing.T) {
	order := func(n float64, symbol string, verdicts ...Verdict) Examined {
		return Examined{Order: selling(n, symbol), Step: "1", Verdicts: verdicts}
	}
	ok, no := Verdict{Rule: "tradable", Passes: true, Says: "fine"}, Verdict{Rule: "tradable", Says: "halted", Remedy: "wait"}
	last := Preview{Playbook: "out", Orders: []Examined{order(100, "SPY", ok), order(50, "QQQ", no), order(5, "GLD")},
		Stops: []string{"step 1: SPY was last priced 7 min ago", "step 2: closed"}}
	now := Preview{Playbook: "out", Orders: []Examined{order(101, "SPY", no), order(52, "QQQ", ok), order(7, "T10Y")},
		Stops: []string{"step 1: SPY was last priced 9 min ago", "step 3: no data"}}
	want(t, now.Drift(last),
		"out: it could not sell 101 SPY in broker (step 1) any more: tradable: halted; wait",
		"out: it would sell 52 QQQ in broker (step 1), and not 50 as before", "out: the rule tradable lets it sell 52 QQQ in broker (step 1) again",
		"out: it now would sell 7 T10Y in broker (step 1)", "out: it no longer would sell 5 GLD in broker (step 1)",
		"out: something new would hold it up: step 3: no data", "out: it is no longer held up: step 2: closed")
	if drift := now.Drift(now); len(drift) > 0 {
		t.Errorf("it differs from itself: %q", drift)
	}
}
