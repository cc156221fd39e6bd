package simtest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/plan"
)

// sources of what the market says.
var sources = map[lifeboat.Series][]string{
	"BTC": {""}, "ETH": {""}, "SOL": {""}, "BTC.volume": {""}, "ETH.volume": {""}, "SOL.volume": {""},
}

// owner writes a plan: the register is always the same, and what follows from a fall is the seed's.
func owner(die *rand.Rand) (*plan.Plan, error) {
	a := author{die: die}
	text := register + a.triggers() + a.playbooks()
	dir, err := os.MkdirTemp("", "lifeboat-sim-plan-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	p, err := app.LoadPlan(dir)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return p, nil
}

const register = `
portfolio: {name: simulated, base_currency: USD, calendar: 24/7}
accounts:
  - {name: desk, kind: exchange, venue: paper}
  - {name: vault, kind: exchange, venue: paper}
people:
  - {name: Ana, role: owner}
  - {name: Ben, role: trustee}
holdings:
  - {symbol: BTC, account: desk, quantity: 10, class: crypto}
  - {symbol: ETH, account: desk, quantity: 120, class: crypto}
  - {symbol: USD, account: desk, quantity: 50000}
  - {symbol: SOL, account: vault, quantity: 3000, class: crypto}
  - {symbol: USD, account: vault, quantity: 20000}
models:
  - {name: careful, weights: {BTC: 20%, ETH: 20%, SOL: 10%, cash: 50%}}
  - {name: safe, weights: {BTC: 5%, cash: 95%}}
`

type author struct {
	die   *rand.Rand
	steps int
}

func (a *author) triggers() string {
	authority := func() string { return a.one("", ", authority: owner", ", authority: Ben") }
	return fmt.Sprintf(`triggers:
  - {name: fall, tier: 2, condition: "drawdown(BTC) >= %d%%", playbook: defend, cooldown: 1h%s}
  - {name: slump, tier: 2, condition: "drawdown(ETH) >= %d%%", playbook: trim%s}
  - {name: crash, tier: 3, condition: "drawdown(BTC) >= %d%%", playbook: bunker%s}
  - {name: sol, tier: 2, condition: "drawdown(SOL) >= 12%%", clear: "drawdown(SOL) < 6%%", playbook: leave}
`, 6+a.die.IntN(4), authority(), 6+a.die.IntN(6), authority(), 14+a.die.IntN(5), a.one("", authority()))
}

func (a *author) playbooks() string {
	text := "playbooks:\n"
	for _, p := range []struct {
		name string
		acts []string
	}{
		{"defend", []string{"rebalance: {model: careful%s}", "rebalance: {reduce: crypto, by: 25%%%s}"}},
		{"trim", []string{"order: {account: desk, symbol: ETH, side: sell, fraction: 40%%%s}", "order: {account: desk, symbol: ETH, side: sell, quantity: 30%s}"}},
		{"bunker", []string{"rebalance: {model: safe%s}"}},
		{"leave", []string{"order: {account: vault, symbol: SOL, side: sell, fraction: 60%%%s}"}},
	} {
		text += "  - name: " + p.name + "\n    steps:\n"
		for _, step := range a.playbook(p.acts) {
			text += "      - {" + step + "}\n"
		}
	}
	return text
}

// playbook is a look, perhaps a question, an act, and what follows it.
func (a *author) playbook(acts []string) (steps []string) {
	if a.likely(0.5) {
		steps = append(steps, a.step("check: {data_age: 3h}", "timeout: 6h"))
	}
	if a.likely(0.3) {
		steps = append(steps, a.step(fmt.Sprintf("wait: {for: %dm}", 5+a.die.IntN(50))))
	}
	for range 1 + a.die.IntN(2) {
		if a.likely(0.45) {
			steps = append(steps, a.step(a.question(), "timeout: 4h", a.one("", "retries: 1, retry_after: 10m")))
		}
		act := acts[a.die.IntN(len(acts))]
		steps = append(steps, a.step(fmt.Sprintf(act, a.one("", ", limit: 3%")), "timeout: 6h",
			a.one("", "retries: 2, retry_after: 20m"), a.one("", "on_failure: continue")))
	}
	if a.likely(0.35) {
		steps = append(steps, a.step("http: {url: \"https://example.com/hook\", idempotent: "+a.one("true", "false")+"}", "timeout: 2h", "on_failure: continue"))
	}
	if a.likely(0.25) {
		steps = append(steps, a.step("parallel: [{"+a.step("notify: {to: [Ben], text: look}", "timeout: 1h")+"}, {"+
			a.step("order: {account: vault, symbol: SOL, side: sell, fraction: 10%}", "timeout: 3h", "on_failure: continue")+"}]"))
	}
	if a.likely(0.25) {
		steps = append(steps, a.step("for_each: {of: crypto, do: [{"+a.step(
			`order: {account: "{account}", symbol: "{symbol}", side: sell, fraction: 10%}`, "timeout: 3h", "on_failure: continue")+"}]}"))
	}
	if a.likely(0.3) {
		steps = append(steps, a.step("manual: {who: Ana, text: look at the account}", "timeout: 5h", "on_failure: continue"))
	}
	if a.likely(0.3) {
		steps = append(steps, a.step(`verify: {that: "BTC > 0"}`, "timeout: 2h", "on_failure: continue"))
	}
	return append(steps, a.step("notify: {to: [owner], text: done}", "timeout: 1h"))
}

func (a *author) question() string {
	return "approve: {by: " + a.one("owner", "Ben") + ", valid_for: " + a.one("1h", "2h") + "}"
}

// step with a name and whatever else is said of it.
func (a *author) step(what string, more ...string) string {
	a.steps++
	text := fmt.Sprintf("name: s%d, %s", a.steps, what)
	for _, m := range more {
		if m != "" {
			text += ", " + m
		}
	}
	return text
}

func (a *author) likely(p float64) bool { return a.die.Float64() < p }

func (a *author) one(of ...string) string { return strings.Clone(of[a.die.IntN(len(of))]) }
