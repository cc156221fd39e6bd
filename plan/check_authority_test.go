package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const authorityHead = `portfolio: {name: Mine}
people:
  - {name: Ana, role: trustee}
  - {name: Ben, role: trustee}
  - {name: Cas, role: owner}
`

// TestAuthorityFaults: a mandate that nobody could meet, or that would not be kept, is refused where it stands.
func TestAuthorityFaults(t *testing.T) {
	cases := map[string]struct{ rest, want string }{
		"as it should be":      {"mandates: [{name: both, by: trustee, need: 2}]\nauthority: {loosen: both, raise: both, preauthorise: both}\n", ""},
		"more than there are":  {"mandates: [{name: three, by: trustee, need: 3}]\n", `plan.yaml:6:45: three takes 3 who say yes, and the plan has 2 as "trustee"`},
		"a name with two uses": {"mandates: [{name: trustee, by: owner}]\n", `"trustee" is a person or role already`},
		"release is for one":   {"mandates: [{name: both, by: trustee, need: 2}]\nauthority: {release: both}\n", "plan.yaml:7:22: release takes effect at one person's word, and both wants 2"},
		"runs are for one":     {"mandates: [{name: both, by: trustee, need: 2}]\nauthority: {runs: both}\n", "runs takes effect at one person's word"},
		"halting is for one":   {"mandates: [{name: both, by: trustee, need: 2}]\nauthority: {halt: both}\n", "halt takes effect at one person's word"},
		"a mandate of one may": {"mandates: [{name: key, by: owner, factor: any}]\nauthority: {release: key, runs: key, halt: key}\n", ""},
		"turnover below zero":  {"breaker: {turnover_per_day: -1}\n", "turnover_per_day wants"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, _, err := loadText("plan.yaml", authorityHead+c.rest)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestCautions: what lets one mistake do much is told, and nothing else is.
func TestCautions(t *testing.T) {
	trigger := "triggers: [{name: Fall, tier: 3, condition: SPY < 300, breaker: halted%s}]\n"
	cases := map[string]struct{ rest, want string }{
		"one tick halts everything": {strings.Replace(trigger, "%s", "", 1), `trigger "Fall" halts everything on one reading`},
		"it has to hold":            {strings.Replace(trigger, "%s", ", for: 5m", 1), ""},
		"two sources":               {strings.Replace(trigger, "%s", ", sources: 2", 1), ""},
		"a context":                 {strings.Replace(trigger, "%s", ", context: VIX > 30", 1), ""},
		"it only reduces":           {strings.Replace(strings.Replace(trigger, "%s", "", 1), "halted", "reducing", 1), ""},
		"one without a factor":      {"mandates: [{name: one, by: trustee}]\nauthority: {loosen: one}\n", `mandate "one" lets one person let the breaker go`},
		"one with a factor":         {"mandates: [{name: one, by: trustee, factor: any}]\nauthority: {loosen: one}\n", ""},
		"nobody is left":            {"mandates: [{name: both, by: trustee, need: 2, not_starter: true}]\nauthority: {loosen: both}\n", `mandate "both" leaves nobody`},
		"somebody is left":          {"mandates: [{name: other, by: trustee, factor: any, not_starter: true}]\nauthority: {loosen: other}\n", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p, _, err := loadText("plan.yaml", authorityHead+c.rest)
			if err != nil {
				t.Fatal(err)
			}
			got := p.Cautions()
			if c.want == "" && len(got) > 0 || c.want != "" && !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, c.want) }) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestBreakerRules: what absent means is written once.
func TestBreakerRules(t *testing.T) {
	p, _, err := loadText("plan.yaml", authorityHead)
	if err != nil {
		t.Fatal(err)
	}
	rules := p.BreakerRules()
	if rules.Hold.String() != "15m" || rules.Wait.String() != "1h" || rules.Stage.String() != "1h" || rules.Reduce != "open" || !*rules.CancelOpen {
		t.Errorf("%+v", rules)
	}
	if p.Breaker != nil {
		t.Error("the plan itself must not change: its hash would")
	}
	if got := p.Owners(); !slices.Equal(got, []string{"Cas"}) {
		t.Errorf("owners %v", got)
	}
	p.People[2].Role = ""
	if got := p.Owners(); !slices.Equal(got, []string{"Ana", "Ben", "Cas"}) {
		t.Errorf("owners %v", got)
	}
}

// TestExitsInAHalt: an exit that begins with a halt has to ask somebody, or it never leaves.
func TestExitsInAHalt(t *testing.T) {
	leave := func(by string) []Playbook {
		return []Playbook{{Name: "leave", Steps: []Step{{Name: "all", Do: []Step{{Name: "out", Exit: &Exit{Via: "role", By: by}}}}}}}
	}
	halts := func(breaker, playbook string) []Trigger {
		return []Trigger{{Name: "Fall", Breaker: breaker, Playbook: playbook}}
	}
	const told = `playbook "leave" starts with a halt (%s), and its exit "out" asks nobody`
	for name, c := range map[string]struct {
		plan Plan
		want string
	}{
		"by what halts":             {Plan{Playbooks: leave(""), Triggers: halts("halted", "leave")}, fmt.Sprintf(told, `trigger "Fall"`)},
		"by the halt":               {Plan{Playbooks: leave(""), Breaker: &Breaker{OnHalt: "leave"}}, fmt.Sprintf(told, "on_halt of the breaker")},
		"it asks":                   {Plan{Playbooks: leave("owner"), Triggers: halts("halted", "leave")}, ""},
		"what fires only reduces":   {Plan{Playbooks: leave(""), Triggers: halts("reducing", "leave")}, ""},
		"what fires starts another": {Plan{Playbooks: leave(""), Triggers: halts("halted", "else")}, ""},
	} {
		if got := strings.Join(c.plan.haltCautions(), "\n"); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}
