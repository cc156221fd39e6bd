package review

import (
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// TestRunWithStepsInside tells a run of composites: which way it went, what was tried again, what people wanted, what was undone.
func TestRunWithStepsInside(t *testing.T) {
	hour := plan.Duration(time.Hour)
	sell := plan.Step{Name: "sell", RTO: hour, Order: &plan.Order{Account: "broker", Symbol: "{symbol}", Side: lifeboat.Sell, Fraction: 1}}
	each := plan.Step{Name: "leave", ForEach: &plan.ForEach{Of: "equities", Do: []plan.Step{sell}}, Compensate: []plan.Step{{Name: "buy back", RTO: 2 * hour, Manual: &plan.Manual{Who: "owner", Text: "Buy."}}}}
	choose := plan.Step{Name: "choose", If: &plan.If{That: "vix > 40", Then: []plan.Step{{Name: "hedge", RTO: 3 * hour, Playbook: "hedge"}}}}
	content, hash := (&plan.Plan{Playbooks: []plan.Playbook{{Name: "hedge", Steps: []plan.Step{{Name: "call", RTO: 4 * hour, HTTP: &plan.HTTP{URL: "https://example.org"}}}}}}).
		PlaybookContent(plan.Playbook{Name: "defend", Steps: []plan.Step{each, choose}})
	moment := at("2020-03-09T20:00:00Z")
	step := func(path, name, kind string, more ...string) happening {
		e := lifeboat.StepStarted{Run: "R1", Step: path, Name: name, Kind: kind, Attempt: 1}
		if kind == "for_each" {
			e.Items = more
		} else if len(more) > 0 {
			e.Branch = more[0]
		}
		return happening{moment, e}
	}
	events := []happening{
		{moment, lifeboat.RunStarted{Run: "R1", Playbook: "defend", Hash: hash, Content: content, By: "plan"}},
		step("1", "leave", "for_each", "BRK.B@broker"), step("1.BRK.B@broker.1", "sell", "order"),
		{moment, lifeboat.StepFinished{Run: "R1", Step: "1.BRK.B@broker.1", Status: lifeboat.Failed, Why: "rejected", Retry: true, Again: moment.Add(time.Hour)}},
		{moment, lifeboat.Request{Verb: lifeboat.PauseRun, Object: "R1", By: "Ana", Note: "wait for the bank"}},
		{moment, lifeboat.BreakerMove{To: lifeboat.Halted, By: "Ben", Why: "too fast"}},
		step("2", "choose", "if", "then"), step("2.1", "hedge", "playbook"), step("2.1.1", "call", "http"),
		{moment, lifeboat.Intent{Key: "k", Act: lifeboat.PerformTask, Run: "R1", Step: "2.1.1", Task: &lifeboat.Task{Kind: "http"}}},
		{moment, lifeboat.Receipt{Key: "k", Status: lifeboat.Unknown, Lost: true, Why: "it forgot"}},
		step("1.undo", "undo leave", "compensate"), step("1.undo.1", "buy back", "manual"),
	}
	s := fold(Subject{}, all(events))
	for place, rto := range map[string]time.Duration{"1": 0, "1.BRK.B@broker.1": time.Hour, "2.1": 3 * time.Hour, "2.1.1": 4 * time.Hour, "1.undo.1": 2 * time.Hour} {
		if got := s.runs[0].step(place).rto; got != rto {
			t.Errorf("step %s has the RTO %s, want %s", place, got, rto)
		}
	}
	var told []string
	for _, m := range s.timeline {
		told = append(told, m.text)
	}
	text := strings.Join(told, "\n")
	for _, sentence := range []string{
		"Step 1 (leave) of defend begins, for BRK.B@broker",
		"Step 1.BRK.B@broker.1 (sell) of defend failed: rejected; it is tried again at 2020-03-09 21:00:00",
		"Ana pauses run R1: wait for the bank",
		"The breaker is halted, by Ben: too fast",
		"Step 2 (choose) of defend takes the steps under then",
		"Lost: a call, and nobody can tell what became of it: it forgot",
		"Step 1 of defend is undone",
	} {
		if !strings.Contains(text, sentence) {
			t.Errorf("not told: %s\nin\n%s", sentence, text)
		}
	}
}
