package plan

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestExitOverABridge(t *testing.T) {
	p := onchain(t)
	b, _ := p.Playbook("leave Lend")
	step := func(name string) Step {
		i := slices.IndexFunc(b.Steps, func(s Step) bool { return s.Name == name })
		return b.Steps[i]
	}
	over, back := step("to the rollup"), step("back again")
	o, err := p.ExitOrder(*over.Exit)
	if err != nil {
		t.Fatal(err)
	}
	want := Beyond{Chain: "Base", ChainID: 8453, Tokens: []Token{{"USDC", "0xd9aAEc86B65D86f6A7B5B1b0c42FFA531710b6CA"}, {"ETH", ""}}, Safe: true}
	if o.Beyond == nil || o.Beyond.Chain != want.Chain || o.Beyond.ChainID != want.ChainID || !o.Beyond.Safe || !slices.Equal(o.Beyond.Tokens, want.Tokens) {
		t.Errorf("it leads to %+v", o.Beyond)
	}
	if o.Receiver != "0x9999999999999999999999999999999999999999" || o.Own[o.Receiver] != "" || o.Chain != "Ethereum" || o.Exchange.Adapter != "op-bridge" {
		t.Errorf("the order is %+v", o)
	}
	if o.Known["0xd9aAEc86B65D86f6A7B5B1b0c42FFA531710b6CA"] != "" {
		t.Error("a token of the other chain is taken for a contract of this one")
	}
	var again ExitOrder
	content, _ := json.Marshal(o)
	if err := json.Unmarshal(content, &again); err != nil || string(canonical(again)) != string(content) {
		t.Errorf("it reads back as %+v: %v", again, err)
	}
	for _, c := range []struct {
		step    Step
		home    bool
		takes   time.Duration
		timeout time.Duration
	}{{over, false, 3 * time.Minute, 24 * time.Hour}, {back, true, 169 * time.Hour, 15 * 24 * time.Hour}} {
		got, ok := p.Crossing(*c.step.Exit)
		if !ok || got.Home != c.home || got.Takes != c.takes || time.Duration(c.step.Timeout) != c.timeout {
			t.Errorf("%s takes %+v of %v", c.step.Name, got, time.Duration(c.step.Timeout))
		}
	}
	if _, ok := p.Crossing(*step("by the owners").Exit); ok {
		t.Error("an exit that stays on its chain takes a bridge")
	}
}

// TestTheOtherSideIsGone are steps of an older plan: what they name there is no more.
func TestTheOtherSideIsGone(t *testing.T) {
	for what, change := range map[string]func(p *Plan){
		"the account is on the same chain": func(p *Plan) {
			p.Accounts[slices.IndexFunc(p.Accounts, func(a Account) bool { return a.Name == "harbour" })].Chain = "Ethereum"
		},
		"it has no address": func(p *Plan) {
			p.Accounts[slices.IndexFunc(p.Accounts, func(a Account) bool { return a.Name == "harbour" })].Address = ""
		},
		"the bridge is gone": func(p *Plan) {
			p.Dependencies = slices.DeleteFunc(p.Dependencies, func(x Dependency) bool { return x.Name == "to Base" })
		},
		"nothing says what the token is there": func(p *Plan) {
			for i, x := range p.Dependencies {
				if x.Name == "to Base" {
					p.Dependencies[i].Contract.Addresses = nil
				}
			}
		},
	} {
		p := onchain(t)
		b, _ := p.Playbook("leave Lend")
		e := *b.Steps[slices.IndexFunc(b.Steps, func(s Step) bool { return s.Name == "to the rollup" })].Exit
		change(p)
		if o, err := p.ExitOrder(e); err == nil {
			t.Errorf("%s, and the order is %+v", what, o)
		}
	}
}

// TestBridgeOfArbitrum has two ends, of which only that on the rollup names a router besides; how long they take is known.
func TestBridgeOfArbitrum(t *testing.T) {
	below, above := `{adapter: arbitrum-bridge, chain: Ethereum, address: "0x72Ce9c846789fdB6fC1f34aC4AD25Dd9ef7031ef"%s}`, `{adapter: arbitrum-bridge, chain: Arbitrum One, address: "0x0000000000000000000000000000000000000064"%s}`
	router := `, addresses: {router: "0x5288c571Fd7aD117beA99bF60FE0846C4E84F933"}`
	load := func(contract string) (*Plan, error) {
		dir := t.TempDir()
		text := "portfolio: {name: Bridges}\ndependencies:\n  - {name: Ethereum, kind: chain, chain: {nodes: \"env:A\"}}\n  - {name: Arbitrum One, kind: chain, chain: {nodes: \"env:B\"}}\n  - {name: bridge, kind: bridge, contract: " + contract + "}\n"
		if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p, _, err := Load(dir)
		return p, err
	}
	for _, c := range []struct {
		contract, why string
		takes         time.Duration
		home          bool
	}{
		{fmt.Sprintf(below, ""), "", 15 * time.Minute, false},
		{fmt.Sprintf(above, router), "", 154 * time.Hour, true},
		{fmt.Sprintf(below, router), "router is for the end on the rollup", 0, false},
		{fmt.Sprintf(above, ""), "wants its L2GatewayRouter besides", 0, false},
	} {
		p, err := load(c.contract)
		if c.why != "" {
			if err == nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("%s is %v, which does not say %q", c.contract, err, c.why)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := p.Crossing(Exit{Do: []string{"bridge"}, Through: "bridge"}); !ok || got.Takes != c.takes || got.Home != c.home {
			t.Errorf("%s takes %+v", c.contract, got)
		}
	}
}
