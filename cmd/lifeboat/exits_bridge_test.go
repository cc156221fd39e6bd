package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lifeboat/app"
	"lifeboat/testbed"
)

// overTheBridge is a Safe on a chain, one on a rollup, and a step that sends ether from the one to the other.
const overTheBridge = `
portfolio: {name: Treasury, base_currency: USD, calendar: 24/7}
people:
  - {name: Ada, role: owner, wallets: ["ADA"]}
mandates:
  - {name: signers, by: owner, need: 1, factor: wallet}
dependencies:
  - {name: Below, kind: chain, chain: {id: 31337, nodes: ["URLBELOW"], quorum: 1, confirmations: 1, gas_ceiling: 1000 gwei}}
  - {name: Above, kind: chain, chain: {id: 31338, nodes: ["URLABOVE"], quorum: 1, confirmations: 1, gas_ceiling: 1000 gwei}}
  - {name: Ferry, kind: bridge, contract: {adapter: op-bridge, chain: Below, address: "BRIDGE"}}
accounts:
  - {name: treasury, kind: safe, chain: Below, address: "SAFEBELOW", safe: {relayer: {kind: secret, address: "RELAYER", secret: "env:KEY"}, trusted: ["MULTISEND"]}}
  - {name: harbour, kind: safe, chain: Above, address: "SAFEABOVE", safe: {relayer: {kind: secret, address: "RELAYER", secret: "env:KEY"}}}
holdings:
  - {symbol: ETH, account: treasury, quantity: 5, class: crypto, price: 2000}
  - {symbol: ETH, account: harbour, quantity: 0, class: crypto, price: 2000}
playbooks:
  - name: away
    rto: 30m
    steps:
      - {name: out, timeout: 1h, exit: {account: treasury, through: Ferry, do: bridge, assets: ETH, to: harbour, via: owners, by: signers}}
`

// TestExitsStatusOverABridge asks lifeboat exits status, as a user would, where five ether are: on their way, arrived, and when one of
// the chains is silent; and hears of a note that cannot be read.
func TestExitsStatusOverABridge(t *testing.T) {
	r := testbed.NewRollup(t)
	here, there := r.Below.Safe(r.Below.Accounts[1:2], 1), r.Above.Safe(r.Above.Accounts[1:2], 1)
	r.Below.Act(r.Below.Whale(), testbed.Call{To: here.Address, Value: testbed.Ether(6)})
	send := r.Bridge.Do("bridgeETHTo", there.Address, uint32(200_000), []byte{})
	send.Value = testbed.Ether(5)
	left := here.Exec(send, testbed.OperationCall)
	r.Below.Mine(2)

	line := r.Above.Through(testbed.Fault{})
	dir, data := t.TempDir(), t.TempDir()
	text := strings.NewReplacer("URLBELOW", r.Below.URL, "URLABOVE", line.URL, "BRIDGE", r.Bridge.Address.Hex(), "SAFEBELOW", here.Address.Hex(), "SAFEABOVE", there.Address.Hex(),
		"RELAYER", r.Below.Accounts[5].Hex(), "MULTISEND", here.MultiSend.Address.Hex(), "ADA", r.Below.Accounts[1].Hex()).Replace(overTheBridge)
	write := func(file string, content []byte) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "plan.yaml"), []byte(text))
	p, err := app.LoadPlan(dir)
	if err != nil {
		t.Fatal(err)
	}
	order, err := p.ExitOrder(app.ExitSteps(p, "away")[0].Exit)
	if err != nil {
		t.Fatal(err)
	}
	crossing, err := json.Marshal(map[string]any{"key": "k", "at": time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), "order": order, "tx": left.TxHash})
	if err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(data, "crossings", "k.json"), crossing)
	says := func(code int, arguments []string, patterns ...string) {
		t.Helper()
		c := exec.Command("lifeboat", append([]string{"exits", "status", "--plan", dir, "--data", data}, arguments...)...)
		c.Env = append(os.Environ(), "KEY="+strings.Repeat("1", 64))
		out, err := c.CombinedOutput()
		if got := c.ProcessState.ExitCode(); got != code {
			t.Errorf("exit code %d, not %d: %v", got, code, err)
		}
		for _, pattern := range patterns {
			if !regexp.MustCompile(`(?m)` + pattern).Match(out) {
				t.Errorf("it does not say %q:\n%s", pattern, out)
			}
		}
	}
	since := `^on its way since 2026-11-20 10:00.*: bridge ETH through Ferry to harbour, from Below to Above, in transaction ` + left.TxHash.Hex() + `: `
	says(0, nil, since+`under way$`, `it has left Below and is not on Above yet`)
	line.Set(testbed.Fault{Refuse: 503})
	says(6, nil, since+`not known$`)
	line.Set(testbed.Fault{})
	r.Derive()
	r.Above.Mine(2)
	says(0, []string{"--json"}, `"stage": "arrived"`, `5 ETH arrived on Above`)
	write(filepath.Join(data, "crossings", "k.json"), crossing[:len(crossing)/2])
	says(1, nil, `^lifeboat: .*read what is on its way`)
}
