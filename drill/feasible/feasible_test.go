package feasible_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lifeboat/drill/feasible"
	"lifeboat/plan"
)

// people of a treasury: two of three sign, and the second fastest takes forty minutes.
const people = `
portfolio: {name: Treasury, base_currency: USD}
accounts: [{name: exchange, kind: exchange, venue: paper}]
holdings:
  - {symbol: WETH, account: exchange, quantity: 10, class: crypto, price: 2000}
  - {symbol: USDC, account: exchange, quantity: 10, class: stablecoin, price: 1}
people:
  - {name: Ada, role: owner, reaction: 10m}
  - {name: Bo, role: signer, reaction: 20m}
  - {name: Cy, role: signer, reaction: 40m}
  - {name: Di, role: signer, reaction: 8h}
  - {name: Mute, role: mute, answers: nothing}
  - {name: Nay, role: against, reaction: 5m, answers: "no"}
mandates:
  - {name: signers, by: signer, need: 2}
  - {name: all signers, by: signer, need: 3}
feeds:
  - {series: WETH, file: weth.csv, every: 2m}
triggers:
  - {name: it falls, tier: 3, condition: WETH < 1000, for: 3m, playbook: leave, authority: owner}
playbooks:
`

func load(t *testing.T, steps string) *plan.Plan {
	t.Helper()
	dir := t.TempDir()
	text := people + "  - name: leave\n    rto: 1h\n    steps:\n" + indent(steps)
	if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, _, err := plan.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func indent(steps string) string {
	var lines []string
	for line := range strings.Lines(steps) {
		lines = append(lines, "      "+line)
	}
	return strings.Join(lines, "")
}

const sell = "- {name: sell, order: {account: exchange, symbol: WETH, side: sell, fraction: 100%}}\n"

func TestOf(t *testing.T) {
	before := 2*time.Minute + 3*time.Minute + 10*time.Minute // one round of the feed, holding, the owner's yes
	for _, tc := range []struct {
		name, steps string
		run         time.Duration
		never       string
	}{
		{"a machine alone", sell, feasible.StepTakes, ""},
		{"its share of the budget", "- {name: sell, rto: 4m, order: {account: exchange, symbol: WETH, side: sell, fraction: 100%}}\n", 4 * time.Minute, ""},
		{"two of three", "- {name: ask, approve: {by: signers}}\n" + sell, 41 * time.Minute, ""},
		{"three of three, too slow", "- {name: ask, approve: {by: all signers}}\n" + sell, 8*time.Hour + time.Minute, `step "ask" gives up after 1 h, and it takes 8 h`},
		{"three of three, with time", "- {name: ask, timeout: 9h, approve: {by: all signers}}\n" + sell, 8*time.Hour + time.Minute, ""},
		{"nobody answers", "- {name: ask, approve: {by: mute}}\n" + sell, time.Minute, `"mute" takes a yes of 1, and nobody answers`},
		{"somebody says no", "- {name: ask, approve: {by: against}}\n" + sell, 6 * time.Minute, "Nay answers no after 5 min"},
		{"silence permits a part", "- {name: ask, timeout: 30m, approve: {by: mute, on_timeout: smaller, smaller: 25%}}\n" + sell, 31 * time.Minute, ""},
		{"somebody else is asked", "- {name: ask, timeout: 30m, approve: {by: Di, on_timeout: escalate, escalate_to: Bo}}\n" + sell, 51 * time.Minute, ""},
		{"a person's work", "- {name: look, rto: 5m, manual: {who: Cy, text: look}}\n", 45 * time.Minute, ""},
		{"the slowest of several", "- parallel:\n    - {name: look, manual: {who: Bo, text: look}}\n    - {name: go, manual: {who: Cy, text: go}}\n", 40 * time.Minute, ""},
		{"the longer way", "- if:\n    that: WETH < 900\n    then: [{name: look, manual: {who: Bo, text: look}}]\n    else: [{name: wait, wait: {for: 25m}}]\n", 25 * time.Minute, ""},
		{"each holding", "- for_each:\n    of: exchange\n    do: [{name: sell, order: {account: exchange, symbol: '{symbol}', side: sell, fraction: 100%}}]\n", 2 * time.Minute, ""},
		{"what follows the last act may take its time", sell + "- {name: review, on_failure: continue, manual: {who: Di, text: review}}\n", time.Minute, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := load(t, tc.steps)
			all := feasible.All(p)
			if len(all) != 1 {
				t.Fatalf("there are %d ways", len(all))
			}
			e := all[0]
			if tc.never == "" && e.Never != "" || !strings.Contains(e.Never, tc.never) {
				t.Errorf("it can never be done because of %q", e.Never)
			}
			if e.Run != tc.run || e.Takes != before+tc.run {
				t.Errorf("the run takes %s, the whole %s: %+v", e.Run, e.Takes, e.Stages)
			}
		})
	}
}

// Two of three with forty minutes get out of what left 84 minutes (Kelp and Aave, 18 April 2026), and not out of what left 12
// (the drain of Drift, 1 April 2026); the difference is made by people, and one who is slower than the window loses it.
func TestTwoOfThreeAndTheWindow(t *testing.T) {
	const ask = "- {name: ask, timeout: 10h, approve: {by: signers}}\n"
	e := feasible.All(load(t, ask+sell))[0]
	if !e.Within(84*time.Minute) || e.Within(12*time.Minute) {
		t.Errorf("it takes %s", e.Takes)
	}
	p := load(t, ask+sell)
	for i := range p.People {
		if p.People[i].Name == "Cy" {
			p.People[i].Reaction = plan.Duration(2 * time.Hour)
		}
	}
	if slow := feasible.All(p)[0]; slow.Within(84 * time.Minute) {
		t.Errorf("with slow signers it takes %s", slow.Takes)
	}
}

// TestABridgeCounts: what goes over a bridge is out of harm's way when it has arrived.
func TestABridgeCounts(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join("..", "..", "plan", "testdata", "onchain", "plan.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	p, _, err := plan.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := p.Playbook("leave Lend")
	takes := func(name string) time.Duration {
		one := b
		one.Steps = slices.DeleteFunc(slices.Clone(b.Steps), func(s plan.Step) bool { return s.Name != name })
		return feasible.Of(p, one, nil).Run
	}
	home := takes("allowances")
	if up := takes("to the rollup"); up != home+3*time.Minute {
		t.Errorf("to the rollup it takes %s, and on the chain %s", up, home)
	}
	if down := takes("back again"); down != home+169*time.Hour {
		t.Errorf("from the rollup it takes %s, and on the chain %s", down, home)
	}
}
