package backtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/backtest"
	"lifeboat/drill"
	"lifeboat/drill/scenario"
	"lifeboat/examples"
	"lifeboat/keep/journal"
	"lifeboat/plan"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestVerdicts holds the first lines and the verdict of every example plan over all scenarios to what a person has read
// and found right: testdata/NAME.txt.
func TestVerdicts(t *testing.T) {
	for _, example := range examples.All() {
		t.Run(example.Name, func(t *testing.T) {
			t.Parallel()
			r := run(t, planOf(t, example.Name, ""), "all")
			var text strings.Builder
			for _, remark := range r.First {
				fmt.Fprintf(&text, "%s, tier %d: %s\n", remark.Kind, int(remark.Tier), remark.Text)
			}
			fmt.Fprintf(&text, "\n%s\n", r.Verdict)
			golden(t, example.Name+".txt", text.String())
			for _, p := range r.Plays {
				if len(p.Ahead.Broken) > 0 || p.Ahead.Cuts == 0 {
					t.Errorf("%s: looks ahead: %+v", p.Name, p.Ahead)
				}
			}
		})
	}
}

// TestSameTwice: the same input gives the same bytes.
func TestSameTwice(t *testing.T) {
	var results [2][]byte
	for i := range results {
		text, err := json.Marshal(run(t, planOf(t, "defi", ""), "ust-luna-2022", "usdc-2023"))
		if err != nil {
			t.Fatal(err)
		}
		results[i] = text
	}
	if !bytes.Equal(results[0], results[1]) {
		t.Error("two backtests of one plan differ")
	}
}

// TestPlayIsTheDrill: a plan that only watches fires in the play of the watch alone exactly as it does in the flow.
func TestPlayIsTheDrill(t *testing.T) {
	p := planOf(t, "defi", "")
	for i := range p.Triggers {
		p.Triggers[i].Playbook, p.Triggers[i].Authority = "", ""
	}
	for _, name := range []string{"ust-luna-2022", "usdc-2023", "usde-2025"} {
		scene := sceneOf(t, p, name)
		source, err := scene.Record.Open(t.Context(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		log, err := backtest.Play(t.Context(), backtest.Setting{Parts: scene.Parts, Source: source, To: scene.To})
		if err != nil {
			t.Fatal(err)
		}
		drilled, err := drill.Rehearse(t.Context(), drill.Options{Plan: p, Tape: scene.Tape, From: scene.From, To: scene.To, Scenario: scene.Scenario, Journal: journal.Memory()})
		if err != nil {
			t.Fatal(err)
		}
		var alone, flow []string
		for _, f := range log.Firings {
			alone = append(alone, fmt.Sprint(f.At, f.Event.Trigger, f.Event.State, f.Event.Values, f.Event.Sources))
		}
		for _, f := range drilled.Firings {
			flow = append(flow, fmt.Sprint(f.Time, f.Trigger, f.State, f.Values, f.Sources))
		}
		if len(alone) == 0 || !slices.Equal(alone, flow) {
			t.Errorf("%s: the watch alone tells\n%s\nand the drill\n%s", name, strings.Join(alone, "\n"), strings.Join(flow, "\n"))
		}
	}
}

// prophet gives every instant with the prices of the one after it: a source that was made with knowledge of the future.
type prophet struct{ backtest.Record }

func (p prophet) Open(ctx context.Context, until time.Time) (backtest.Source, error) {
	source, err := p.Record.Open(ctx, until)
	if err != nil {
		return nil, err
	}
	next, more := source.Next()
	return &foreseen{source, next, more}, nil
}

type foreseen struct {
	backtest.Source
	now  lifeboat.Instant
	more bool
}

func (f *foreseen) Next() (lifeboat.Instant, bool) {
	told, more := f.now, f.more
	f.now, f.more = f.Source.Next()
	if f.more {
		told.Readings = f.now.Readings
	}
	return told, more
}

// TestLookingAheadIsCaught plays a history that leaks: the check has to find it, call it a bug, and put it first.
func TestLookingAheadIsCaught(t *testing.T) {
	p := planOf(t, "defi", "")
	scene := sceneOf(t, p, "ust-luna-2022")
	scene.Record = prophet{scene.Record}
	r, err := backtest.Run(t.Context(), backtest.Options{Plan: p, Scenes: []backtest.Scene{scene}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Plays[0].Ahead.Broken) == 0 || r.First[0].Kind != backtest.LooksAhead {
		t.Errorf("a source that knows the future passed: %+v, first %+v", r.Plays[0].Ahead, r.First[0])
	}
}

// TestOneBadValue: a trigger without patience fires on one bad value, and one that wants two sources does not.
func TestOneBadValue(t *testing.T) {
	p := planOf(t, "defi", `
triggers:
  - {name: hasty, tier: 3, condition: USDE < 0.97, playbook: leave USDE}
  - {name: patient, tier: 3, condition: USDE < 0.97, sources: 2, playbook: leave USDE}
`)
	r := run(t, p, "usde-2025")
	cell := r.Plays[0].Cells
	tried := func(c backtest.Cell) string { return fmt.Sprint(c.TicksTried) }
	if tried(cell[0]) != "8" || tried(cell[1]) != "8" {
		t.Errorf("tried %s and %s bad values, want four of either source", tried(cell[0]), tried(cell[1]))
	}
	for _, tick := range cell[1].Ticks {
		if tick.Fires != nil {
			t.Errorf("two sources fired on one bad value: %+v", tick)
		}
	}
	for _, tick := range cell[0].Ticks {
		if !tick.Time.Before(r.Plays[0].Episodes[0].Signal) || tick.Changes.Before(tick.Time) {
			t.Errorf("a bad value outside the calm, or an effect before its cause: %+v", tick)
		}
	}
}

// TestFalseExit: a plan that sells USDC at the first fright pays for it in the weekend of USDC, and that comes first.
func TestFalseExit(t *testing.T) {
	p := planOf(t, "dao-treasury", `
triggers:
  - {name: reflex, tier: 3, condition: USDC < 0.97, playbook: sell at once}
playbooks:
  - name: sell at once
    steps: [{name: sell, order: {account: desk, symbol: USDC, side: sell, fraction: 100%, limit: 20%}}]
`)
	r := run(t, p, "usdc-2023")
	cell := r.Plays[0].Cells[0]
	if cell.FalseExits != 1 || !cell.FalseExitCost.IsPositive() || !cell.FalseExitCost.Equal(cell.Alone.LossAvoided.Neg()) {
		t.Errorf("the reflex cost nothing: %+v", cell)
	}
	if len(r.First) == 0 || r.First[0].Kind != backtest.FalseExit || r.Triggers[0].FalseExits != 1 {
		t.Errorf("the false exit is not told first: %+v", r.First)
	}
	if !strings.Contains(r.Verdict, "It left falsely once, which cost") {
		t.Errorf("the verdict keeps quiet about it: %s", r.Verdict)
	}
}

// TestStopped: who stops it gets what was found, marked as partial, and nothing that was not played.
func TestStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	p := planOf(t, "defi", "")
	o := backtest.Options{Plan: p, Scenes: []backtest.Scene{sceneOf(t, p, "ust-luna-2022"), sceneOf(t, p, "usdc-2023"), sceneOf(t, p, "usde-2025")}}
	o.Progress = func(share float64, what string) {
		if share < 0 || share > 1 {
			t.Errorf("%s: %v of the work", what, share)
		}
		if what == "usdc-2023: other thresholds" {
			stop()
		}
	}
	r, err := backtest.Run(ctx, o)
	if !errors.Is(err, context.Canceled) || !r.Partial || !strings.HasPrefix(r.Verdict, "PARTIAL") {
		t.Fatalf("stopped with %v, partial %v: %s", err, r.Partial, r.Verdict)
	}
	if len(r.Plays) != 2 || r.Plays[0].Ahead.Cuts == 0 || r.Plays[1].Money == nil || r.Plays[1].Ahead.Cuts != 0 {
		t.Errorf("%d plays are in it", len(r.Plays))
	}
	if i := slices.IndexFunc(r.Skipped, func(s backtest.Skipped) bool { return s.Name == "usde-2025" }); i < 0 {
		t.Errorf("it does not say what is missing: %+v", r.Skipped)
	}
}

// TestAdjustedLevel: a level that an adjusted price is held against was never quoted, and the owner is told.
func TestAdjustedLevel(t *testing.T) {
	p := planOf(t, "brokerage", "")
	p.Triggers = []plan.Trigger{{Name: "level", Tier: 2, Condition: "SPY < 250"}, {Name: "fall", Tier: 2, Condition: "drawdown(SPY) > 20%"}}
	scene := sceneOf(t, p, "covid-2020")
	scene.Adjusted = []lifeboat.Series{"SPY"}
	r, err := backtest.Run(t.Context(), backtest.Options{Plan: p, Scenes: []backtest.Scene{scene}})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, remark := range r.First {
		if remark.Kind == backtest.PriceLevels {
			told = append(told, remark.Trigger)
		}
	}
	if !slices.Equal(told, []string{"level"}) {
		t.Errorf("warned of %v", told)
	}
}

// TestCompare: a stricter peg is an edit whose price is told.
func TestCompare(t *testing.T) {
	base := run(t, planOf(t, "defi", ""), "ust-luna-2022")
	p := planOf(t, "defi", "")
	i := slices.IndexFunc(p.Triggers, func(tr plan.Trigger) bool { return tr.Name == "USDE off its peg for hours" })
	p.Triggers[i].For = plan.Duration(24 * time.Hour)
	p.Triggers = append(p.Triggers, plan.Trigger{Name: "another", Tier: 1, Condition: "ETH < 2000"})
	now := run(t, p, "ust-luna-2022")
	c := backtest.Compare(base, now)
	rows := map[string]backtest.Change{}
	for _, row := range c.Rows {
		rows[row.Trigger+"/"+row.What] = row
	}
	late := rows["USDE off its peg for hours/in ust-luna-2022"]
	if late.Before != "1 h before" || !strings.HasSuffix(late.After, "too late") {
		t.Errorf("the lead went from %q to %q", late.Before, late.After)
	}
	if !slices.Equal(c.Added, []string{"another"}) || len(c.Removed) != 0 || rows["/loss avoided"].Before == "" {
		t.Errorf("changes are %+v", c)
	}
	if same := backtest.Compare(base, base); len(same.Rows) != 0 || same.Verdict != "Both are the same plan: nothing was edited but comments or layout." {
		t.Errorf("a plan differs from itself: %+v", same)
	}
}

func run(t *testing.T, p *plan.Plan, names ...string) backtest.Result {
	t.Helper()
	o := backtest.Options{Plan: p}
	for _, s := range scenario.All() {
		if names[0] != "all" && !slices.Contains(names, s.Name) {
			continue
		}
		scene, whyNot, err := backtest.SceneOf(p, s)
		switch {
		case err != nil:
			t.Fatal(err)
		case whyNot != "":
			o.Skipped = append(o.Skipped, backtest.Skipped{Name: s.Name, Why: whyNot})
		default:
			o.Scenes = append(o.Scenes, scene)
		}
	}
	r, err := backtest.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sceneOf(t *testing.T, p *plan.Plan, name string) backtest.Scene {
	t.Helper()
	s, err := scenario.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	scene, whyNot, err := backtest.SceneOf(p, s)
	if err != nil || whyNot != "" {
		t.Fatal(whyNot, err)
	}
	return scene
}

// planOf loads an example. With triggers, those stand in place of the example's own; the text may bring playbooks, too.
func planOf(t *testing.T, name, triggers string) *plan.Plan {
	t.Helper()
	dir := t.TempDir()
	i := slices.IndexFunc(examples.All(), func(e examples.Example) bool { return e.Name == name })
	if err := os.CopyFS(dir, examples.All()[i].Files); err != nil {
		t.Fatal(err)
	}
	if triggers != "" {
		if err := os.WriteFile(filepath.Join(dir, "triggers.yaml"), []byte(triggers), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := app.LoadPlan(dir)
	if err != nil {
		var faults *plan.Faults
		if errors.As(err, &faults) {
			for _, f := range faults.List {
				t.Log(f)
			}
		}
		t.Fatal(err)
	}
	return p
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
	if err != nil || string(want) != got {
		t.Errorf("%s differs (go test -update writes it anew):\n%s", path, got)
	}
}
