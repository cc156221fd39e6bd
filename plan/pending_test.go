package plan

import (
	"strings"
	"testing"
)

const pendingHead = `portfolio: {name: Mine}
people: [{name: Ana, role: owner}]
accounts: [{name: vault, kind: wallet, chain: Ethereum, address: "0x1111111111111111111111111111111111111111"}]
dependencies:
  - {name: Ethereum, kind: chain, chain: {nodes: [%s], quorum: 2}}
  - {name: Lend, kind: protocol, contract: {adapter: proxy, chain: Ethereum, address: "0x3333333333333333333333333333333333333333"}}
  - {name: Bank, kind: protocol, contract: {adapter: proxy, chain: Ethereum, address: "0x4444444444444444444444444444444444444444"}}
`

const (
	byAsking = `"https://one.example.org", "https://two.example.org"`
	byPush   = `"https://one.example.org", "wss://two.example.org"`
	bySecret = `"https://one.example.org", "env:NODE"`
)

// pendingSignals are made of what waits, alone or with what the chain says.
const pendingSignals = `signals:
  - {name: crowd, expr: pending.Bank + pending.vault}
  - {name: rush, expr: crowd > 5 OR changed > 0}
  - {name: the vault and more, expr: pending.vault + crowd}
  - {name: sure, expr: crowd > 5 AND changed > 0}
  - {name: changed, expr: upgraded.Lend}
`

// TestPendingCautions: what waits to be mined is one node's word, and it takes one that pushes.
func TestPendingCautions(t *testing.T) {
	alone := `trigger "x" starts Out on what waits to be mined alone`
	cases := map[string]struct{ nodes, trigger, want string }{
		"alone":                    {byPush, "condition: pending.Lend > 0, playbook: Out", alone},
		"alone, in an emergency":   {byPush, "condition: pending.Lend > 0, playbook: Out, tier: 3", alone},
		"one alternative":          {byPush, "condition: upgraded.Lend > 0 or Pending.Lend > 5, playbook: Out", alone},
		"two of them":              {byPush, "condition: pending.Bank > 0 AND pending.Lend > 5, playbook: Out", alone},
		"with what the chain says": {byPush, "condition: pending.Lend > 0 AND upgraded.Lend > 0, playbook: Out", ""},
		"with a context":           {byPush, "condition: pending.Lend > 0, context: upgraded.Lend > 0, playbook: Out", ""},
		"it only watches":          {byPush, "condition: pending.Lend > 0", ""},
		"somebody is asked":        {byPush, "condition: pending.Lend > 0, playbook: Out, authority: Ana", ""},
		"nobody can tell":          {byAsking, "condition: pending.Lend > 0", `pending.Lend has no data: a node by wss:// tells what waits to be mined, and "Ethereum" has none`},
		"somebody may tell":        {bySecret, "condition: pending.Lend > 0", ""},
		"of an account":            {byPush, "condition: pending.vault > 0, playbook: Out", alone},
		"a context like it":        {byPush, "condition: pending.vault > 0, context: crowd > 1, playbook: Out", alone},
		"a signal":                 {byPush, "condition: crowd > 2, playbook: Out", alone},
		"a signal of a signal":     {byPush, "condition: Rush, playbook: Out", alone},
		"a signal in quotes":       {byPush, "condition: \"'the vault and more' > 0\", playbook: Out", alone},
		"what a signal did":        {byPush, "condition: drawdown(crowd) > 5%, playbook: Out", alone},
		"two signals":              {byPush, "condition: crowd > 2 AND rush, playbook: Out", alone},
		"a signal with the chain":  {byPush, "condition: sure, playbook: Out", ""},
		"a signal of the chain":    {byPush, "condition: crowd > 2 AND changed > 0, playbook: Out", ""},
		"another name":             {byPush, "condition: upgraded.Lend > 0 AND changed > 0, playbook: Out", ""},
		"another series":           {byAsking, "condition: upgraded.Lend > 0", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			tier := ", tier: 2"
			if strings.Contains(c.trigger, "tier:") {
				tier = ""
			}
			text := strings.Replace(pendingHead, "%s", c.nodes, 1) + "triggers: [{name: x" + tier + ", " + c.trigger + "}]\n"
			if c.nodes == byPush {
				text += pendingSignals
			}
			if strings.Contains(c.trigger, "Out") {
				text += "playbooks: [{name: Out, steps: [{notify: {text: look}}]}]\n"
			}
			p, _, err := loadText("plan.yaml", text)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(p.Cautions(), "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) || strings.Contains(got, "second feed") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestPendingWhereAsked: a node tells everybody's transactions to tell those of one contract, so only what a rule or a feed names is a series.
func TestPendingWhereAsked(t *testing.T) {
	cases := map[string]struct{ rest, want string }{
		"nobody asks": {"", ""},
		"a trigger":   {"triggers: [{name: x, tier: 1, condition: PENDING.lend > 0}]\n", "pending.Lend"},
		"a signal":    {"signals: [{name: crowd, expr: pending.Bank + pending.Lend}]\n", "pending.Lend pending.Bank"},
		"a playbook":  {"playbooks: [{name: Out, steps: [{verify: {that: pending.Bank < 1}}]}]\n", "pending.Bank"},
		"an account":  {"triggers: [{name: x, tier: 1, condition: pending.vault > 0}]\n", "pending.vault"},
		"all":         {"triggers: [{name: x, tier: 1, condition: pending.vault + pending.Lend > 0}]\n", "pending.Lend pending.vault"},
		"a feed":      {"feeds: [{series: pending.Bank, chain: Ethereum}]\n", "pending.Bank"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p, _, err := loadText("plan.yaml", strings.Replace(pendingHead, "%s", byPush, 1)+c.rest)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range p.Feeds {
				if strings.HasPrefix(f.Series, pendingOf) && f.Chain == "Ethereum" && f.Level {
					got = append(got, f.Series)
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
