package review

import (
	"flag"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/prose"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden tells the same afternoon twice: as an incident, and as a drill that saw nothing else. The files in
// testdata are there to be read.
func TestGolden(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	written := at("2020-03-31T12:00:00Z")
	for name, c := range map[string]struct {
		of     Subject
		events iter.Seq2[time.Time, lifeboat.Event]
	}{
		"incident": {Subject{Incident: "i2", Portfolio: "Family | office", Digest: "b7e23ec29af22b0b", Zone: newYork}, all(afternoon())},
		"drill":    {Subject{Drill: "The crash of March 2020", Portfolio: "Family office"}, all(afternoon())},
		"quiet":    {Subject{Drill: "A calm year", Portfolio: "Family office"}, all(nil)},
	} {
		golden(t, name+".md", PostIncident(c.of, c.events))
		golden(t, name+".log", LogEntry(written, c.of, c.events)+"\n")
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test ./keep/review -update writes it anew):\n%s", path, got)
	}
}

// TestOneIncidentOnly: another episode's runs and orders are another review's.
func TestOneIncidentOnly(t *testing.T) {
	first := PostIncident(Subject{Incident: "i1"}, all(afternoon()))
	if !strings.Contains(first, "False alarm") || strings.Contains(first, "defensive") {
		t.Errorf("got\n%s", first)
	}
}

// TestADrillIsNeverTakenForAnIncident, nor the other way round.
func TestADrillIsNeverTakenForAnIncident(t *testing.T) {
	for want, of := range map[string]Subject{
		"2020-03-31: Drill ":    {Incident: "i2", Drill: "The crash"},
		"2020-03-31: Incident ": {Incident: "i2"},
	} {
		if got := LogEntry(at("2020-03-31T00:00:00Z"), of, all(afternoon())); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want it to begin with %q", got, want)
		}
	}
}

// TestWhatWentWrongIsAskedAndAssigned: nothing that failed is left without a question and a task.
func TestWhatWentWrongIsAskedAndAssigned(t *testing.T) {
	of := Subject{Incident: "i2"}
	wrong := fold(of, all(afternoon())).wrong()
	if len(wrong) != 7 {
		t.Errorf("%d things went wrong, want 7: %q", len(wrong), wrong)
	}
	page := PostIncident(of, all(afternoon()))
	for _, w := range wrong {
		for _, form := range []string{"- ", "- Why? ", "- [ ] Mend, or plan around it: "} {
			if !strings.Contains(page, "\n"+form+prose.Inline(w)) {
				t.Errorf("%q is not among the lines that begin with %q", w, form)
			}
		}
	}
}

func at(text string) time.Time {
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return parsed
}

func all(happenings []happening) iter.Seq2[time.Time, lifeboat.Event] {
	return func(yield func(time.Time, lifeboat.Event) bool) {
		for _, h := range happenings {
			if !yield(h.at, h.event) {
				return
			}
		}
	}
}

// afternoon is a journal of two incidents: a false alarm, and one in which much went wrong.
func afternoon() []happening {
	number := decimal.RequireFromString
	sell := lifeboat.Order{ID: "lb-1", Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Type: lifeboat.Market, Quantity: number("900"), Arrival: number("288.42")}
	buy := lifeboat.Order{ID: "lb-2", Account: "broker", Symbol: "T10Y", Side: lifeboat.Buy, Type: lifeboat.Market, Quantity: number("1200"), Arrival: number("127.05")}
	content := []byte(`{"playbook":{"name":"defensive","rto":"4h","steps":[{"name":"pre-flight","check":{"market":"open"}},{"name":"sell","rebalance":{"model":"defensive"},"rto":"1h"},{"name":"confirm","verify":{"that":"cash > 0.3"}}]}}`)
	return []happening{
		{at("2020-03-02T14:00:00Z"), lifeboat.PlanLoaded{Name: "Family office", Hash: "5f1c", Mode: "drill"}},
		{at("2020-03-02T21:00:00Z"), lifeboat.Instant{At: at("2020-03-02T21:00:00Z"), Readings: []lifeboat.Reading{{Series: "VIX", Value: 33.42}}}},
		{at("2020-03-02T21:00:00Z"), lifeboat.Firing{Trigger: "False alarm", Tier: 1, Severity: "WARNING", State: lifeboat.Fired, Values: map[string]float64{"VIX": 33.42}}},
		{at("2020-03-02T21:00:00Z"), lifeboat.IncidentChange{ID: "i1", State: lifeboat.IncidentOpened, Tier: 1, Trigger: "False alarm"}},
		{at("2020-03-03T21:00:00Z"), lifeboat.Firing{Trigger: "False alarm", Tier: 1, Severity: "WARNING", State: lifeboat.Cleared, Values: map[string]float64{"VIX": 29}}},
		{at("2020-03-03T21:00:00Z"), lifeboat.IncidentChange{ID: "i1", State: lifeboat.IncidentClosed, Tier: 1}},

		{at("2020-03-09T20:00:00Z"), lifeboat.Firing{Trigger: "Significant Correction", Tier: 2, Severity: "HIGH", State: lifeboat.Fired, Values: map[string]float64{"portfolio_drawdown": 0.1524, "spy_200d_ma_breach": 1}}},
		{at("2020-03-09T20:00:00Z"), lifeboat.IncidentChange{ID: "i2", State: lifeboat.IncidentOpened, Tier: 2, Trigger: "Significant Correction"}},
		{at("2020-03-09T20:00:00Z"), lifeboat.Decision{Incident: "i2", Trigger: "Significant Correction", Tier: 2, Playbook: "defensive", Verdict: lifeboat.Ask, By: "plan", Why: "the owner must say yes first", Question: "q1"}},
		{at("2020-03-09T20:00:00Z"), lifeboat.Intent{Key: "q1", Act: lifeboat.SendMessage, Message: &lifeboat.Message{To: []string{"Ada"}, Text: "Start playbook defensive?", Question: true}}},
		{at("2020-03-09T20:00:00Z"), lifeboat.Receipt{Key: "q1", Status: lifeboat.Sent}},
		{at("2020-03-09T20:15:30Z"), lifeboat.Answer{Question: "q1", By: "Ada", Yes: true, Note: "do it"}},
		{at("2020-03-09T20:15:30Z"), lifeboat.Decision{Incident: "i2", Trigger: "Significant Correction", Tier: 2, Playbook: "defensive", Verdict: lifeboat.Start, By: "Ada", Why: "Ada said yes", Run: "r1"}},
		{at("2020-03-09T20:15:30Z"), lifeboat.RunStarted{Run: "r1", Playbook: "defensive", Hash: "aa", Content: content, Incident: "i2", Trigger: "Significant Correction", Tier: 2, By: "Ada"}},
		{at("2020-03-09T20:15:30Z"), lifeboat.StepStarted{Run: "r1", Step: "1", Name: "pre-flight", Kind: "check", Attempt: 1}},
		{at("2020-03-09T21:15:30Z"), lifeboat.StepFinished{Run: "r1", Step: "1", Status: lifeboat.Failed, Why: "the market is closed", Retry: true}},
		{at("2020-03-10T13:30:00Z"), lifeboat.StepStarted{Run: "r1", Step: "1", Name: "pre-flight", Kind: "check", Attempt: 2}},
		{at("2020-03-10T13:30:00Z"), lifeboat.StepFinished{Run: "r1", Step: "1", Status: lifeboat.Done, Why: "the market is open"}},
		{at("2020-03-10T13:30:00Z"), lifeboat.StepStarted{Run: "r1", Step: "2", Name: "sell", Kind: "rebalance", Attempt: 1}},
		{at("2020-03-10T13:30:00Z"), lifeboat.Intent{Key: "lb-1", Act: lifeboat.PlaceOrder, Run: "r1", Step: "2", Order: &sell}},
		{at("2020-03-10T13:30:00Z"), lifeboat.Receipt{Key: "lb-1", Account: "broker", Status: lifeboat.Accepted}},
		{at("2020-03-10T13:30:00Z"), lifeboat.Intent{Key: "lb-2", Act: lifeboat.PlaceOrder, Run: "r1", Step: "2", Order: &buy}},
		{at("2020-03-10T20:00:00Z"), lifeboat.Receipt{Key: "lb-1", Account: "broker", Status: lifeboat.Filled, Filled: number("900"), Price: number("287.91")}},
		{at("2020-03-10T20:00:00Z"), lifeboat.Receipt{Key: "lb-2", Account: "broker", Status: lifeboat.OrderRejected, Why: "not enough cash"}},
		{at("2020-03-10T20:00:00Z"), lifeboat.StepFinished{Run: "r1", Step: "2", Status: lifeboat.Skipped, Why: "1 of 2 orders filled"}},
		{at("2020-03-10T20:00:00Z"), lifeboat.StepStarted{Run: "r1", Step: "3", Name: "confirm", Kind: "verify", Attempt: 1}},
		{at("2020-03-10T20:00:00Z"), lifeboat.Gap{Series: "DGS10", State: lifeboat.GapOpened, Since: at("2020-03-06T21:00:00Z"), Triggers: []string{"Yield shock"}}},
		{at("2020-03-10T20:00:00Z"), lifeboat.Refused{Key: "lb-9", Run: "r1", Why: "nobody with the authority stood behind the withdrawal"}},
		{at("2020-03-10T20:00:00Z"), lifeboat.StepFinished{Run: "r1", Step: "3", Status: lifeboat.Done, Why: "cash is 0.41"}},
		{at("2020-03-10T20:00:00Z"), lifeboat.RunFinished{Run: "r1", Status: lifeboat.Done, Why: "every step is done or was skipped"}},
		{at("2020-03-12T20:00:00Z"), lifeboat.Firing{Trigger: "Systemic event", Tier: 3, Severity: "CRITICAL", State: lifeboat.Fired, Values: map[string]float64{"VIX": 75.47}}},
		{at("2020-03-12T20:00:00Z"), lifeboat.IncidentChange{ID: "i2", State: lifeboat.IncidentRaised, Tier: 3, Trigger: "Systemic event"}},
		{at("2020-03-12T20:00:00Z"), lifeboat.Intent{Key: "q2", Act: lifeboat.SendMessage, Message: &lifeboat.Message{To: []string{"Ada", "Grace"}, Text: "Sell everything?", Question: true}}},
		{at("2020-03-12T21:00:00Z"), lifeboat.Decision{Incident: "i2", Trigger: "Systemic event", Tier: 3, Playbook: "to cash", Verdict: lifeboat.Hold, By: "plan", Why: "no answer within 1h is a no"}},
	}
}
