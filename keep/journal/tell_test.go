package journal_test

import (
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/keep/journal"
	"lifeboat/keep/journal/journaltest"
)

func TestTell(t *testing.T) {
	d := decimal.RequireFromString
	values := map[string]float64{"drawdown(SPX)": 0.26742, "vix": 75.47, "daily_return": -0.0951}
	sell := lifeboat.Order{ID: "lb-01", Account: "ibkr", Symbol: "SPY", Side: lifeboat.Sell, Type: lifeboat.Market, Quantity: d("412"), Arrival: d("248.11")}
	limit := sell
	limit.Type, limit.Limit = lifeboat.Limit, d("243.15")
	since := time.Date(2020, 3, 11, 20, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		event lifeboat.Event
		want  string
	}{
		{lifeboat.PlanLoaded{Name: "Family", Hash: "9f86d081884c7d659a2feaa0", Mode: "live"},
			`PLAN      "Family" is in force with 0 positions (live, 9f86d081884c)`},
		{lifeboat.PlanLoaded{Name: "Family", Hash: "9f86", Mode: "drill", Positions: []lifeboat.Position{{Account: "ibkr", Symbol: "SPY", Quantity: d("7")}}},
			`PLAN      "Family" is in force with 1 position (drill, 9f86)`},
		{lifeboat.Resumed{Since: noon.Add(-29 * time.Minute)}, `RESUMED   nothing shows that lifeboat was running since 2020-03-12T11:31:00Z, for 29 min`},
		{lifeboat.Instant{At: noon}, `READ      0 readings`},
		{lifeboat.Instant{At: noon, Readings: []lifeboat.Reading{{Series: "SPY", Value: 248.11, Source: "alpaca"}}},
			`READ      1 reading: SPY 248.11 from alpaca`},
		{lifeboat.Instant{At: noon, Readings: []lifeboat.Reading{
			{Series: "SPY", Value: 248.11}, {Series: "SPY.volume", Value: 392220700}, {Series: "TLT", Value: 160.1, Quality: lifeboat.Stale},
			{Series: "VIX", Quality: lifeboat.Suspect, Why: "not a number"}, {Series: "USDC", Value: 0.99987}, {Series: "UST", Quality: lifeboat.None}}},
			`READ      6 readings: TLT 160.1 (stale), VIX (suspect: not a number), UST (no value), SPY 248.11 and 2 more`},
		{lifeboat.Gap{Series: "UST", State: lifeboat.GapOpened, Since: since, Triggers: []string{"Depeg", "Run"}},
			`SILENT    UST has given no fresh data since 2020-03-11T20:00:00Z; blind meanwhile: "Depeg", "Run"`},
		{lifeboat.Gap{Series: "UST", State: lifeboat.GapOpened}, `SILENT    UST never gave data`},
		{lifeboat.Gap{Series: "UST", State: lifeboat.GapClosed}, `HEARD     UST gives fresh data again`},
		{lifeboat.Firing{Trigger: "Market crash", Tier: 3, Severity: "CRITICAL", State: lifeboat.Fired, Values: values},
			`FIRED     tier 3 Emergency "Market crash" (CRITICAL): daily_return -0.0951, drawdown(SPX) 0.2674, vix 75.47`},
		{lifeboat.Firing{Trigger: "Depeg", Tier: 1, Severity: "WARNING", State: lifeboat.Cleared, Values: map[string]float64{"peg(UST)": 0.00002}, Sources: []string{"kraken", "curve"}},
			`CLEARED   tier 1 Watch "Depeg" (WARNING): peg(UST) 2e-05, agreed by kraken, agreed by curve`},
		{lifeboat.IncidentChange{ID: "I-1", State: lifeboat.IncidentOpened, Tier: 2, Trigger: "Correction"},
			`INCIDENT  I-1 is opened by "Correction", tier 2 Action`},
		{lifeboat.IncidentChange{ID: "I-1", State: lifeboat.IncidentRaised, Tier: 3, Trigger: "Market crash"},
			`INCIDENT  I-1 is joined by "Market crash", tier 3 Emergency`},
		{lifeboat.IncidentChange{ID: "I-1", State: lifeboat.IncidentClosed, Tier: 3},
			`INCIDENT  I-1 is closed; it reached tier 3 Emergency`},
		{lifeboat.Decision{Trigger: "Market crash", Playbook: "emergency-exit", Verdict: lifeboat.Start, By: "plan", Why: "the owner wrote automatic", Run: "R-1"},
			`DECIDED   start playbook "emergency-exit" as R-1 for "Market crash", by plan: the owner wrote automatic`},
		{lifeboat.Decision{Trigger: "Depeg", Playbook: "exit", Verdict: lifeboat.Ask, By: "plan", Why: "cio must say yes", Question: "lb-9"},
			`DECIDED   ask before playbook "exit" (lb-9) for "Depeg", by plan: cio must say yes`},
		{lifeboat.Decision{Trigger: "Depeg", Playbook: "exit", Verdict: lifeboat.Hold, By: "Ann", Why: "Ann said no"},
			`DECIDED   hold playbook "exit" for "Depeg", by Ann: Ann said no`},
		{lifeboat.Decision{Trigger: "Dip", Verdict: lifeboat.Hold, By: "plan", Why: "it only watches"},
			`DECIDED   hold for "Dip", by plan: it only watches`},
		{lifeboat.Answer{Question: "lb-9", By: "Ann", Yes: true, Note: "go"}, `ANSWER    Ann said yes to lb-9: go`},
		{lifeboat.Answer{Question: "lb-9", By: "Ben"}, `ANSWER    Ben said no to lb-9`},
		{lifeboat.RunStarted{Run: "R-1", Playbook: "exit", Hash: "0011223344556677", Content: []byte("{}"), Trigger: "Depeg", By: "Ann"},
			`RUN       R-1 starts playbook "exit" (001122334455) for "Depeg", by Ann`},
		{lifeboat.RunStarted{Run: "R-2", Playbook: "flee", Hash: "ff", Content: []byte("{}"), Trigger: "Crash", By: "plan", Supersedes: []string{"R-0", "R-1"}},
			`RUN       R-2 starts playbook "flee" (ff) for "Crash", by plan, in place of R-0, R-1`},
		{lifeboat.StepStarted{Run: "R-1", Step: "2", Name: "sell", Kind: "order", Attempt: 1}, `STEP      R-1 step 2 "sell" (order) begins`},
		{lifeboat.StepStarted{Run: "R-1", Step: "2", Name: "sell", Kind: "order", Attempt: 3}, `STEP      R-1 step 2 "sell" (order) begins, attempt 3`},
		{lifeboat.StepFinished{Run: "R-1", Step: "2", Status: lifeboat.Done, Why: "3 orders filled"}, `STEP      R-1 step 2 done: 3 orders filled`},
		{lifeboat.StepFinished{Run: "R-1", Step: "1", Status: lifeboat.Failed, Why: "the market is closed", Retry: true, Values: map[string]float64{"b": 2, "a": 1, "c": 3, "d": 4, "e": 5}},
			`STEP      R-1 step 1 failed, to be tried again: the market is closed; a 1, b 2, c 3, d 4 and 1 more`},
		{lifeboat.RunFinished{Run: "R-1", Status: lifeboat.Superseded, Why: "a graver one began"}, `RUN       R-1 ended superseded: a graver one began`},
		{lifeboat.Intent{Key: "lb-01", Act: lifeboat.PlaceOrder, Order: &sell},
			`ORDER     sell 412 SPY at market in ibkr (lb-01), arrival price 248.11`},
		{lifeboat.Intent{Key: "lb-01", Act: lifeboat.PlaceOrder, Order: &limit},
			`ORDER     sell 412 SPY limit 243.15 in ibkr (lb-01), arrival price 248.11`},
		{lifeboat.Intent{Key: "lb-02", Act: lifeboat.CancelOrder, Cancel: "lb-01", Account: "ibkr"}, `CANCEL    order lb-01 in ibkr`},
		{lifeboat.Intent{Key: "lb-03", Act: lifeboat.PerformTask, Task: &lifeboat.Task{Kind: "exit-apply"}}, `TASK      exit-apply (lb-03)`},
		{lifeboat.Intent{Key: "lb-04", Act: lifeboat.CancelOrder, Cancel: "lb-03"}, `CANCEL    task lb-03`},
		{lifeboat.Intent{Key: "lb-03", Act: lifeboat.SendMessage, Message: &lifeboat.Message{To: []string{"Ann", "Ben"}, Text: "It fell.\nWe sold.\x1b[2J\u202e"}},
			`MESSAGE   to Ann, Ben: It fell. We sold. [2J `},
		{lifeboat.Intent{Key: "lb-04", Act: lifeboat.SendMessage, Message: &lifeboat.Message{To: []string{"Ann"}, Text: "Sell?", Question: true}},
			`ASK       Ann (lb-04): Sell?`},
		{lifeboat.Refused{Key: "lb-01", Run: "R-1", Why: "nobody approved it"}, `REFUSED   lb-01 was not carried out: nobody approved it`},
		{lifeboat.Receipt{Key: "lb-01", Status: lifeboat.Accepted}, `RECEIPT   lb-01 accepted`},
		{lifeboat.Receipt{Key: "lb-01", Status: lifeboat.Filled, Filled: d("412"), Price: d("247.9"), Fee: d("4.12")}, `RECEIPT   lb-01 filled: 412 at 247.9, fee 4.12`},
		{lifeboat.Receipt{Key: "lb-01", Status: lifeboat.OrderRejected, Why: "no such symbol"}, `RECEIPT   lb-01 rejected: no such symbol`},
		{lifeboat.Receipt{Key: "lb-01", Status: lifeboat.Unknown, Why: "timeout"}, `RECEIPT   lb-01 the venue did not say: timeout`},
	} {
		e, err := journal.Seal(journal.Entry{}, noon, c.event)
		if err != nil {
			t.Fatal(err)
		}
		if got := journal.Tell(e, nil); got != "2020-03-12 12:00:00Z  "+c.want {
			t.Errorf("got  %q\nwant %q", got, "2020-03-12 12:00:00Z  "+c.want)
		}
	}
}

func TestTellAtTheReadersClock(t *testing.T) {
	e, _ := journal.Seal(journal.Entry{}, noon, lifeboat.RunFinished{Run: "R-1", Status: lifeboat.Done})
	if got, want := journal.Tell(e, time.FixedZone("EDT", -4*3600)), "2020-03-12 08:00:00-04:00  RUN       R-1 ended done"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	e.Word, e.Body = "rumour\n", []byte("{")
	if got, want := journal.Tell(e, nil), `2020-03-12 12:00:00Z  UNKNOWN   "rumour\n", which this version of lifeboat cannot read`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestEveryWordIsTold goes through the list of words that every store is held to.
func TestEveryWordIsTold(t *testing.T) {
	m := journal.Memory()
	if err := m.Append(noon, journaltest.EveryWord()...); err != nil {
		t.Fatal(err)
	}
	for e := range m.Entries(t.Context(), 1) {
		if line := journal.Tell(e, nil); len(line) < 30 || line[22:30] == "UNKNOWN " {
			t.Errorf("%s is told as %q", e.Word, line)
		}
	}
}
