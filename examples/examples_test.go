package examples_test

import (
	"errors"
	"io/fs"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/drill"
	"lifeboat/drill/scenario"
	"lifeboat/examples"
	"lifeboat/keep/journal"
	"lifeboat/plan"
)

// load reads an example as its owner would, and fails with every fault that it has.
func load(t *testing.T, name string, extra ...string) *plan.Plan {
	t.Helper()
	p, err := app.LoadPlan(name, extra...)
	if faults, ok := errors.AsType[*plan.Faults](err); ok {
		for _, f := range faults.List {
			t.Log(f)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// eachExample runs a test on every example and its plan.
func eachExample(t *testing.T, test func(t *testing.T, e examples.Example, p *plan.Plan)) {
	for _, e := range examples.All() {
		t.Run(e.Name, func(t *testing.T) { test(t, e, load(t, e.Name)) })
	}
}

// An example shows the whole vocabulary: whoever looks for a key finds it in use.
func TestExamplesUseEveryTopLevelKey(t *testing.T) {
	eachExample(t, func(t *testing.T, _ examples.Example, p *plan.Plan) {
		v := reflect.ValueOf(*p)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("the plan has no %s", v.Type().Field(i).Tag.Get("json"))
			}
		}
	})
}

func TestPriorityThreatsNameAPlaybook(t *testing.T) {
	eachExample(t, func(t *testing.T, _ examples.Example, p *plan.Plan) {
		for _, threat := range p.Threats {
			if threat.Priority() && threat.Playbook == "" {
				t.Errorf("%q scores %d and names no playbook", threat.Name, threat.Score())
			}
		}
	})
}

// Every drill is one that lifeboat has, and every scenario series that is cast plays something that is held.
func TestDrillsCanBeRun(t *testing.T) {
	eachExample(t, func(t *testing.T, _ examples.Example, p *plan.Plan) {
		for _, d := range p.Drills {
			if _, err := scenario.ByName(d.Scenario); err != nil {
				t.Errorf("%q: %v", d.Name, err)
			}
			for from, to := range d.Cast {
				if _, held := p.Holding(to); !held {
					t.Errorf("%q casts %s as %s, which nobody holds", d.Name, from, to)
				}
			}
		}
	})
}

// Each step that a person wrote has a time budget to be measured against. The playbooks that an action implies are
// lifeboat's own.
func TestStepsHaveBudgets(t *testing.T) {
	eachExample(t, func(t *testing.T, _ examples.Example, p *plan.Plan) {
		for _, playbook := range p.Playbooks {
			if strings.Contains(playbook.Name, "(") {
				continue
			}
			if playbook.RTO == 0 {
				t.Errorf("playbook %q has no rto", playbook.Name)
			}
			for _, s := range playbook.Steps {
				if s.RTO == 0 {
					t.Errorf("playbook %q, step %q has no rto", playbook.Name, s.Name)
				}
			}
		}
	})
}

// A copy that keeps to 3-2-1 has the original, two more, two media, one of them elsewhere. Each example shows at least
// one document that does, and everything of tier 1 or 2 among the documents has a copy elsewhere.
func TestBackupsFollowThreeTwoOne(t *testing.T) {
	eachExample(t, func(t *testing.T, _ examples.Example, p *plan.Plan) {
		kept := 0
		for _, document := range p.Documents {
			media, copies, elsewhere := map[string]bool{}, 0, false
			for _, b := range p.Backups {
				if b.Of == document.Name {
					copies++
					media[b.Medium] = true
					elsewhere = elsewhere || b.Offsite
				}
			}
			if copies >= 2 && len(media) >= 2 && elsewhere {
				kept++
			}
			if document.Criticality < 3 && !elsewhere {
				t.Errorf("%q is of tier %d and has no copy elsewhere", document.Name, document.Criticality)
			}
		}
		if kept == 0 {
			t.Error("no document keeps to 3-2-1")
		}
	})
}

var (
	backticked = regexp.MustCompile("`([a-z-]+\\.(?:yaml|json))`")
	drillLine  = regexp.MustCompile(`lifeboat drill run (\S+) --plan \.`)
)

// The page beside a plan names every file of it and no other, and the commands of its drills.
func TestReadmeFitsThePlan(t *testing.T) {
	eachExample(t, func(t *testing.T, e examples.Example, p *plan.Plan) {
		readme := read(t, e.Files, "README.md")
		var named []string
		for _, m := range backticked.FindAllStringSubmatch(readme, -1) {
			named = append(named, m[1])
		}
		for _, file := range plans(t, e.Files) {
			if !slices.Contains(named, file) {
				t.Errorf("README.md does not name %s", file)
			}
		}
		for _, file := range named {
			if _, err := fs.Stat(e.Files, file); err != nil {
				t.Errorf("README.md names %s: %v", file, err)
			}
		}
		var run, planned []string
		for _, m := range drillLine.FindAllStringSubmatch(readme, -1) {
			run = append(run, m[1])
		}
		for _, d := range p.Drills {
			planned = append(planned, d.Scenario)
		}
		if !slices.Equal(run, planned) {
			t.Errorf("README.md runs %v, the plan drills %v", run, planned)
		}
	})
}

// Whoever opens a YAML file finds what it is for before anything else.
func TestFilesBeginWithAComment(t *testing.T) {
	eachExample(t, func(t *testing.T, e examples.Example, _ *plan.Plan) {
		for _, file := range plans(t, e.Files) {
			if path.Ext(file) == ".yaml" && !strings.HasPrefix(read(t, e.Files, file), "# ") {
				t.Errorf("%s does not begin with a comment", file)
			}
		}
	})
}

// Nobody's real telephone rings: the numbers are those set aside for fiction, and the one of the source document.
func TestContactsAreFictitious(t *testing.T) {
	number, mail := regexp.MustCompile(`\+\d[\d-]+`), regexp.MustCompile(`@[\w.-]+`)
	eachExample(t, func(t *testing.T, e examples.Example, _ *plan.Plan) {
		for _, file := range append(plans(t, e.Files), "README.md") {
			text := read(t, e.Files, file)
			for _, n := range number.FindAllString(text, -1) {
				if n != "+1-555-123-4567" && !strings.HasPrefix(n, "+1-555-01") {
					t.Errorf("%s: telephone number %s", file, n)
				}
			}
			for _, m := range mail.FindAllString(text, -1) {
				if !strings.HasSuffix(m, "example.org") {
					t.Errorf("%s: mail address …%s", file, m)
				}
			}
		}
	})
}

// The trigger and the rule stand as the document prints that lifeboat was built after; only white space may differ.
func TestBrokerageHoldsThePrintedForms(t *testing.T) {
	text := read(t, example(t, "brokerage").Files, "triggers.json")
	for _, printed := range []string{
		`{ "tier": "2", "name": "Significant Correction", "condition": "portfolio_drawdown >= 0.15 AND spy_200d_ma_breach == true", "action": "execute_rebalance_to_model('defensive_model_v1')" }`,
		`IF daily_return < -0.07 AND volume_spike > 2.0 THEN severity = CRITICAL`,
	} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), printed) {
			t.Errorf("triggers.json does not hold, as printed:\n%s", printed)
		}
	}
	p := load(t, "brokerage")
	correction, _ := p.Trigger("Significant Correction")
	if correction.Tier != lifeboat.Action || correction.Playbook != "execute_rebalance_to_model('defensive_model_v1')" {
		t.Errorf("the printed trigger loads as tier %d with playbook %q", correction.Tier, correction.Playbook)
	}
	shock, _ := p.Trigger("daily_return < -0.07 AND volume_spike > 2.0")
	if shock.Severity != "CRITICAL" || shock.Tier != lifeboat.Emergency {
		t.Errorf("the printed rule loads as severity %q, tier %d", shock.Severity, shock.Tier)
	}
}

// TestOutcomes drills every example on every disaster that it plans for, and holds it to what was right.
func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		example, scenario string
		sells             []string // nothing when holding was right
		fallSaved         float64  // at least, in shares of the portfolio
	}{
		{"brokerage", "covid-2020", []string{"SPY", "QQQ"}, 0.03},
		{"brokerage", "gfc-2008", []string{"SPY"}, 0.10},
		{"defi", "ust-luna-2022", []string{"USDE"}, 0.08},
		{"defi", "usdc-2023", nil, 0},
		{"defi", "usde-2025", nil, 0},
		{"dao-treasury", "ust-luna-2022", []string{"USDE"}, 0.03},
		{"dao-treasury", "usdc-2023", nil, 0},
		{"dao-treasury", "usde-2025", nil, 0},
		{"family-office", "covid-2020", []string{"SPY"}, 0.02},
		{"family-office", "gfc-2008", []string{"SPY"}, 0.02},
		{"family-office", "usdc-2023", nil, 0},
	} {
		t.Run(c.example+"/"+c.scenario, func(t *testing.T) {
			r := rehearse(t, c.example, c.scenario, nil)
			if len(r.Failures) > 0 {
				t.Errorf("failures: %q", r.Failures)
			}
			if sold := soldIn(r); !slices.Equal(sold, c.sells) {
				t.Errorf("sold %v, want %v", sold, c.sells)
			}
			if saved := r.Outcome.MaxDrawdownUnprotected - r.Outcome.MaxDrawdown; saved < c.fallSaved {
				t.Errorf("the fall was %.4f and %.4f without the plan, want at least %.2f less", r.Outcome.MaxDrawdown, r.Outcome.MaxDrawdownUnprotected, c.fallSaved)
			}
			if c.sells == nil {
				held(t, r)
			}
		})
	}
}

// held says that a plan noticed, did nothing, and was right.
func held(t *testing.T, r drill.Result) {
	t.Helper()
	if len(r.Orders) > 0 {
		t.Errorf("%d orders, want none", len(r.Orders))
	}
	if len(r.Firings) == 0 {
		t.Error("nothing fired: the plan held because it saw nothing")
	}
	for _, f := range r.Firings {
		if f.Tier != lifeboat.Watch {
			t.Errorf("%q of tier %d %s", f.Trigger, f.Tier, f.State)
		}
	}
	if r.Reflex == nil || !r.Reflex.Cost.IsPositive() {
		t.Errorf("reflex %+v: the report should say what a frightened sale would have cost", r.Reflex)
	}
}

// All of it leaves while it is still worth most of a dollar, before the hour of no return.
func TestDefiLeavesEarly(t *testing.T) {
	r := rehearse(t, "defi", "ust-luna-2022", nil)
	s, err := scenario.ByName("ust-luna-2022")
	if err != nil {
		t.Fatal(err)
	}
	p := load(t, "defi")
	usde, _ := p.Holding("USDE")
	if len(r.Orders) != 1 {
		t.Fatalf("%d orders, want 1", len(r.Orders))
	}
	o := r.Orders[0]
	if !o.Quantity.Equal(usde.Quantity) || o.Price.LessThan(decimal.RequireFromString("0.85")) || !o.Time.Before(s.NoReturn.At) {
		t.Errorf("sold %s of %s at %s on %s", o.Quantity, usde.Quantity, o.Price, o.Time)
	}
	if half := usde.Quantity.Div(decimal.NewFromInt(2)); r.Outcome.LossAvoided.LessThan(half) {
		t.Errorf("avoided a loss of %s, want more than half of what was held", r.Outcome.LossAvoided)
	}
}

// An owner who cannot be reached at tier 3 still has tier 2, which needs nobody.
func TestBrokerageProtectsAnAbsentOwner(t *testing.T) {
	r := rehearse(t, "brokerage", "covid-2020", func(p *plan.Plan) { answer(p, "Alex", "nothing") })
	started := slices.IndexFunc(r.Runs, func(run drill.Run) bool { return run.Status == lifeboat.Done })
	if started < 0 || r.Runs[started].Trigger != "Significant Correction" {
		t.Fatalf("runs %+v: tier 2 should have been carried out", r.Runs)
	}
	if r.Outcome.MaxDrawdown >= r.Outcome.MaxDrawdownUnprotected {
		t.Errorf("worst drawdown %.4f with the plan, %.4f without", r.Outcome.MaxDrawdown, r.Outcome.MaxDrawdownUnprotected)
	}
	for _, run := range r.Runs {
		if run.Playbook == "emergency" {
			t.Error("the emergency playbook started without a yes")
		}
	}
}

// The CIO's no is obeyed at both tiers.
func TestFamilyOfficeObeysANo(t *testing.T) {
	r := rehearse(t, "family-office", "covid-2020", func(p *plan.Plan) { answer(p, "Dana", "no") })
	if len(r.Orders) > 0 {
		t.Errorf("%d orders after a no", len(r.Orders))
	}
}

// When one guardian sleeps another one's yes counts, later and at a worse price; when both do, nothing is sold.
func TestDaoNeedsOneGuardian(t *testing.T) {
	both := rehearse(t, "dao-treasury", "ust-luna-2022", nil)
	one := rehearse(t, "dao-treasury", "ust-luna-2022", func(p *plan.Plan) { answer(p, "Tomas", "nothing") })
	none := rehearse(t, "dao-treasury", "ust-luna-2022", func(p *plan.Plan) {
		answer(p, "Tomas", "nothing")
		answer(p, "Sol", "nothing")
	})
	if len(both.Orders) != 1 || len(one.Orders) != 1 || len(none.Orders) != 0 {
		t.Fatalf("orders: %d with both guardians, %d with one, %d with none; want 1, 1, 0", len(both.Orders), len(one.Orders), len(none.Orders))
	}
	if !one.Orders[0].Time.After(both.Orders[0].Time) {
		t.Errorf("sold on %s with both guardians, on %s with the slower one", both.Orders[0].Time, one.Orders[0].Time)
	}
}

// rehearse drills an example, as it stands or as change leaves it.
func rehearse(t *testing.T, name, disaster string, change func(*plan.Plan)) drill.Result {
	t.Helper()
	s, err := scenario.ByName(disaster)
	if err != nil {
		t.Fatal(err)
	}
	table, err := drill.TapeOf(s)
	if err != nil {
		t.Fatal(err)
	}
	p := load(t, name, table.Names()...)
	if change != nil {
		change(p)
	}
	r, err := drill.Rehearse(t.Context(), drill.Options{
		Plan: p, Tape: table.Rename(drill.Cast(p, &s)), From: s.From, To: s.To, Scenario: &s, Journal: journal.Memory(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// answer is what a person says to everything.
func answer(p *plan.Plan, name, says string) {
	for i := range p.People {
		if p.People[i].Name == name {
			p.People[i].Answers = says
		}
	}
}

// soldIn lists the symbols of filled sales, each once, as they were sold.
func soldIn(r drill.Result) []string {
	var symbols []string
	for _, o := range r.Orders {
		if o.Side == lifeboat.Sell && o.Quantity.IsPositive() && !slices.Contains(symbols, o.Symbol) {
			symbols = append(symbols, o.Symbol)
		}
	}
	return symbols
}

func example(t *testing.T, name string) examples.Example {
	t.Helper()
	e, ok := examples.ByName(name)
	if !ok {
		t.Fatalf("there is no example %s", name)
	}
	return e
}

// plans are the files of a plan.
func plans(t *testing.T, dir fs.FS) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*.yaml", "*.json"} {
		found, err := fs.Glob(dir, pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	return files
}

func read(t *testing.T, dir fs.FS, name string) string {
	t.Helper()
	text, err := fs.ReadFile(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
