package plan

import (
	"slices"
	"strings"
	"testing"
)

// What a chain says needs no feed to be written, and one that is written says more of a series, not another one.
func TestChainsBringTheirSeries(t *testing.T) {
	p := onchain(t)
	var named []string
	for _, f := range p.Feeds {
		if !f.Streams() || f.StaleAfter == 0 || f.Source == "" {
			t.Errorf("%s from %q: %+v", f.Series, f.Source, f)
		}
		named = append(named, f.Series+" from "+f.Source)
	}
	for _, want := range []string{"head_age.Ethereum from Ethereum", "head_age.Arbitrum One from Arbitrum One", "health_factor.vault from Ethereum",
		"utilisation.Lend.WETH from Ethereum", "cover.vault.Lend.USDC from Ethereum", "pool_share.cold.Pool from Ethereum", "WETH from Pool", "WETH from ether feed",
		"oracle_age.ether feed from Ethereum", "threshold.cold from Ethereum", "gas.vault.relayer from Ethereum", "gas.vault.bot from Ethereum",
		"allowance.vault.Pool from Ethereum", "supply_jump.USDC from Ethereum", "upgraded.Lend from Ethereum"} {
		if !slices.Contains(named, want) {
			t.Errorf("no %s", want)
		}
	}
	if slices.Contains(named, "gas.cold.relayer from Ethereum") || slices.Contains(named, "upgraded.Lend from Arbitrum One") {
		t.Error("a series of what the plan does not name")
	}
}

func TestFeedsOfChains(t *testing.T) {
	const plan = `
portfolio: {name: x}
accounts: [{name: vault, kind: safe, chain: Ethereum, address: "0x1111111111111111111111111111111111111111"}]
dependencies:
  - {name: Ethereum, kind: chain, chain: {nodes: "env:NODE"}}
  - {name: feed, kind: oracle, contract: {adapter: chainlink, chain: Ethereum, address: "0x8888888888888888888888888888888888888888", prices: WETH}}
holdings: [{symbol: WETH, account: vault, quantity: 1, class: crypto, token: "0x6666666666666666666666666666666666666666"}]
feeds:
`
	for written, want := range map[string]string{
		"{series: head_age.Ethereum, chain: Ethereum, stale_after: 30s}":                  "",
		"{series: WETH, chain: Ethereum, source: feed, max: 100000}":                      "",
		"{series: WETH, chain: Ethereum}":                                                 `WETH has the source feed there, not Ethereum`,
		"{series: head_ages.Ethereum, chain: Ethereum}":                                   `Ethereum says no series "head_ages.Ethereum" of what the plan names on it; did you mean "head_age.Ethereum"?`,
		"{series: head_age.Ethereum, chain: Ethereum, url: https://x.example, path: $.a}": "what a chain says comes from its nodes: leave from, url, file, plugin, account, id and subscribe out",
	} {
		p, _, err := loadText("plan.yaml", plan+"  - "+written+"\n")
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", written, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v", written, err)
		case want == "" && slices.IndexFunc(p.Feeds, func(f Feed) bool { return f.Chain != "" }) != 0:
			t.Errorf("%s: not taken", written)
		}
	}
}
