package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lifeboat/app"
	"lifeboat/plan"
)

// fixtures are plans that together reach every branch of the breaker.
var fixtures = []string{"testdata/solo", "testdata/trustees", "testdata/dao", "testdata/role", "testdata/anyone", "testdata/nobody"}

func load(t *testing.T, dir string) *plan.Plan {
	t.Helper()
	p, err := app.LoadPlan(dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func check(t *testing.T, p *plan.Plan, o Options) Result {
	t.Helper()
	r, err := Run(t.Context(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPlans holds the breaker to all of it, under small plans and the ones that lifeboat init offers.
func TestPlans(t *testing.T) {
	examples, err := filepath.Glob("../../examples/*/register.yaml")
	if err != nil || len(examples) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	dirs := fixtures
	for _, e := range examples {
		dirs = append(dirs, filepath.Dir(e))
	}
	held := map[string]bool{}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			r := check(t, load(t, dir), Options{})
			var text strings.Builder
			if err := r.WriteText(&text); err != nil {
				t.Fatal(err)
			}
			if r.Count(Broken) > 0 || os.Getenv("LIFEBOAT_SHOW") != "" {
				t.Log(text.String())
			}
			for _, f := range r.Findings {
				if f.Verdict == Broken {
					t.Errorf("%s: %s", f.Name, f.Seen)
				}
				held[f.Name] = held[f.Name] || f.Verdict == Held
			}
		})
	}
	for _, i := range invariants {
		if !held[i.name] {
			t.Errorf("no plan was good enough to try %q", i.name)
		}
	}
}
