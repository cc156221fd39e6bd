package plan_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"lifeboat/app"
	"lifeboat/plan"
	"lifeboat/watch/rule"
)

var fence = regexp.MustCompile("(?ms)^```([a-z-]+)\n(.*?)^```$")

// blocksOf the page that owners read, by their language.
func blocksOf(t *testing.T, language string) []string {
	t.Helper()
	return blocksIn(t, "../docs/plan.md", language)
}

func blocksIn(t *testing.T, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
		if m[1] == language {
			blocks = append(blocks, m[2])
		}
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no block of %s", page, language)
	}
	return blocks
}

// TestDocsOfOtherPages loads what pages about a part of the plan show: the blocks of each together are one valid plan, but for its
// portfolio.
func TestDocsOfOtherPages(t *testing.T) {
	for _, page := range []string{"../docs/chains-other.md", "../docs/register-onchain.md"} {
		dir := t.TempDir()
		text := "portfolio: {name: A}\n"
		for i, block := range append(blocksIn(t, page, "yaml"), text) {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("block-%02d.yaml", i+1)), []byte(block), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := app.LoadPlan(dir); err != nil {
			t.Errorf("%s: %v", page, err)
		}
	}
}

// examplePlan is all YAML and JSON of docs/plan.md in one directory: together they are one valid plan.
func examplePlan(t *testing.T) *plan.Plan {
	t.Helper()
	dir := t.TempDir()
	for _, language := range []string{"yaml", "json"} {
		for i, block := range blocksOf(t, language) {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("block-%02d.%s", i+1, language)), []byte(block), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	p, err := app.LoadPlan(dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestDocsExamples loads what docs/plan.md shows, checks every expression of it, and holds the page to the messages
// that it promises.
func TestDocsExamples(t *testing.T) {
	p := examplePlan(t)
	env := app.Env(p, nil)
	for _, block := range blocksOf(t, "rule") {
		for expr := range strings.Lines(block) {
			expr, _, _ = strings.Cut(expr, "  #")
			for _, f := range rule.Check(strings.TrimSpace(expr), env) {
				t.Errorf("%s\n%s", expr, f.Show(expr))
			}
		}
	}
	for _, block := range blocksOf(t, "rule-fault") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		for i := 0; i+1 < len(lines); i += 2 {
			expr, want := lines[i], strings.TrimSpace(lines[i+1])
			if faults := rule.CheckCondition(expr, env); len(faults) != 1 || faults[0].Error() != want {
				t.Errorf("%s\n  page: %s\n  have: %v", expr, want, faults)
			}
		}
	}
}

// TestSourceDocumentForms loads what the source document prints and docs/plan.md repeats, character by character.
func TestSourceDocumentForms(t *testing.T) {
	p := examplePlan(t)
	trigger, ok := p.Trigger("Significant Correction")
	if !ok || trigger.Tier != 2 || trigger.Condition != "portfolio_drawdown >= 0.15 AND spy_200d_ma_breach == true" {
		t.Errorf("the JSON trigger: %+v", trigger)
	}
	b, ok := p.Playbook(trigger.Playbook)
	if !ok || len(b.Steps) < 2 || b.Steps[1].Rebalance == nil || b.Steps[1].Rebalance.Model != "defensive_model_v1" {
		t.Errorf("its action: %+v", b)
	}
	if trigger, ok = p.Trigger("daily_return < -0.07 AND volume_spike > 2.0"); !ok || trigger.Severity != "CRITICAL" || trigger.Tier != 3 {
		t.Errorf("the rule: %+v", trigger)
	}
	if sentence, ok := plan.ParseSentence("Reduce equity exposure by 25% and increase cash holdings to 40%."); !ok || sentence.By != 0.25 || sentence.RaiseCashTo != 0.4 {
		t.Errorf("the sentence: %+v", sentence)
	}
}

// TestDocsFaults makes each slip that docs/plan.md lists, and compares what a person is told.
func TestDocsFaults(t *testing.T) {
	for _, block := range blocksOf(t, "fault") {
		written, told, _ := strings.Cut(block, "\n→ ")
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(written), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := app.LoadPlan(dir)
		var faults *plan.Faults
		if !errors.As(err, &faults) || strings.TrimPrefix(faults.List[0].String(), dir+"/") != strings.TrimSpace(told) {
			t.Errorf("%s\n  page: %s\n  have: %v", written, told, err)
		}
	}
}
