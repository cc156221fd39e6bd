package plan

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const chains = `portfolio: {name: A}
dependencies:
  - {name: Bitcoin, kind: chain, chain: {nodes: ["https://esplora.example.org/api", "https://user:${BTCD}@btcd.example.org", "env:CORE"]}}
  - {name: test coins, kind: chain, chain: {kind: bitcoin, network: regtest, nodes: ["http://127.0.0.1:18443"], every: 30s}}
  - {name: Solana, kind: chain, chain: {nodes: ["https://rpc.example.org/${SOLANA}"]}}
  - {name: Cosmos Hub, kind: chain, chain: {nodes: ["https://lcd.example.org"]}}
  - {name: Zone, kind: chain, chain: {kind: cosmos, network: zone-1, prefix: zone, nodes: ["https://lcd.example.org"]}}
  - {name: Ethereum, kind: chain, chain: {nodes: ["https://rpc.example.org", "https://other.example.org"]}}
  - {name: Rootstock, kind: chain, chain: {id: 30, nodes: ["https://rpc.example.org"]}}
  - {name: Lend, kind: protocol, contract: {adapter: aave-v3, chain: Ethereum, address: "0x87870bca3f3fd6335c3f4ce8392d69350b4fa4e2"}}
accounts:
  - {name: cold, kind: wallet, chain: Bitcoin, address: 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa, addresses: [BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4]}
  - {name: sun, kind: wallet, chain: Solana, address: 9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin, stakes: EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v}
  - {name: hub, kind: wallet, chain: Cosmos Hub, address: cosmos1fl48vsnmsdzcv85q5d2q4z5ajdha8yu34mf0eh}
  - {name: wallet, kind: wallet, chain: Ethereum, address: "0xde0b295669a9fd93d5f28d9ec85e40f4cb697bae"}
  - {name: lent, kind: wallet, chain: Ethereum, address: "0xde0b295669a9fd93d5f28d9ec85e40f4cb697bae", protocol: Lend}
  - {name: practice, kind: wallet, venue: paper, chain: Ethereum, address: "0x2222222222222222222222222222222222222222"}
holdings:
  - {symbol: BTC, account: cold, quantity: 1, class: crypto}
  - {symbol: JUP, account: sun, quantity: 1, class: crypto, token: JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN}
  - {symbol: ATOM, account: hub, quantity: 1, class: crypto}
  - {symbol: USDC, account: hub, quantity: 1, class: stablecoin, token: ibc/F663521BF1836B00F5F177680F74BFB9A8B5654A694D0D2BC249E03CF2509013, decimals: 6}
  - {symbol: USD, account: wallet, quantity: 5}
  - {symbol: ETH, account: wallet, quantity: 1, class: crypto, chain: ethereum}
  - {symbol: WETH, account: lent, quantity: 1, class: crypto, token: "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"}
  - {symbol: DAI, account: lent, quantity: 1, class: stablecoin, token: "0x6B175474E89094C44Da98b954EedeAC495271d0F", chain: the moon, protocol: Maker}
`

func TestKindsOfChains(t *testing.T) {
	p, _, err := loadText("a.yaml", chains)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Chain{
		"Bitcoin":    {Kind: Bitcoin, Network: "mainnet", Quorum: 2, Every: Duration(5 * time.Minute)},
		"test coins": {Kind: Bitcoin, Network: "regtest", Quorum: 1, Every: Duration(30 * time.Second)},
		"Solana":     {Kind: Solana, Network: "mainnet", Quorum: 1, Every: Duration(time.Minute)},
		"Cosmos Hub": {Kind: Cosmos, Network: "cosmoshub-4", Prefix: "cosmos", Quorum: 1, Every: Duration(time.Minute)},
		"Zone":       {Kind: Cosmos, Network: "zone-1", Prefix: "zone", Quorum: 1, Every: Duration(time.Minute)},
		"Ethereum":   {Kind: EVM, ID: 1, Quorum: 2, Every: Duration(time.Minute)},
		"Rootstock":  {Kind: EVM, ID: 30, Quorum: 1, Every: Duration(time.Minute)},
	} {
		x, _ := p.Chained(name)
		c := x.Chain
		if c.Kind != want.Kind || c.Network != want.Network || c.Prefix != want.Prefix || c.ID != want.ID || c.Quorum != want.Quorum || c.Every != want.Every || x.EVM() != (want.Kind == EVM) {
			t.Errorf("%s is %+v", name, *c)
		}
		if x.EVM() != (c.GasCeiling > 0) || x.EVM() != (c.PerSecond > 0) {
			t.Errorf("%s: gas %s, %d a second", name, c.GasCeiling, c.PerSecond)
		}
	}
	for _, f := range p.Feeds {
		if f.Chain != "" && f.Chain != "Ethereum" && f.Chain != "Rootstock" {
			t.Errorf("%s is to say %s", f.Chain, f.Series)
		}
	}
}

func TestAccountsOnChains(t *testing.T) {
	p, _, err := loadText("a.yaml", chains)
	if err != nil {
		t.Fatal(err)
	}
	var on []string
	for _, a := range p.Accounts {
		if a.OnChain() {
			on = append(on, a.Name)
		}
	}
	if want := []string{"cold", "sun", "hub", "wallet", "lent"}; !slices.Equal(on, want) {
		t.Errorf("%v are on chains, not %v", on, want)
	}
	cold, _ := p.Account("cold")
	if all := cold.AllAddresses(); len(all) != 2 || all[0] != "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa" {
		t.Errorf("the addresses are %v", all)
	}
	if all := p.Counted("wallet"); len(all) != 1 || all[0].Symbol != "ETH" {
		t.Errorf("the chain counts %v", all)
	}
	hub, _ := p.Chained("Cosmos Hub")
	for symbol, want := range map[string]string{"ATOM": "uatom", "USDC": "ibc/F663521BF1836B00F5F177680F74BFB9A8B5654A694D0D2BC249E03CF2509013"} {
		h, _ := p.Holding(symbol)
		if denomination, decimals, ok := hub.Chain.Denomination(h); !ok || denomination != want || decimals != 6 {
			t.Errorf("%s is %s with %d digits: %t", symbol, denomination, decimals, ok)
		}
	}
}

// What is not written of a holding, its account says; and two spellings of one name are one.
func TestHoldingsLookThrough(t *testing.T) {
	p, _, err := loadText("a.yaml", chains)
	if err != nil {
		t.Fatal(err)
	}
	for symbol, want := range map[string][2]string{"BTC": {"Bitcoin", ""}, "ETH": {"Ethereum", ""}, "WETH": {"Ethereum", "Lend"}, "DAI": {"the moon", "Maker"}, "ATOM": {"Cosmos Hub", ""}} {
		h, _ := p.Holding(symbol)
		if h.Chain != want[0] || h.Protocol != want[1] {
			t.Errorf("%s is on %q in %q", symbol, h.Chain, h.Protocol)
		}
	}
	if h, _ := p.Holding("WETH"); h.Token != "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2" {
		t.Errorf("WETH is %s", h.Token)
	}
}

// An exit from an address names the account at the address itself, whichever of its accounts comes first.
func TestExitKnowsTheAddressItself(t *testing.T) {
	for _, order := range []string{"lent, vault", "vault, lent"} {
		accounts := map[string]string{
			"vault": "  - {name: vault, kind: safe, chain: Ethereum, address: \"0x1111111111111111111111111111111111111111\"}\n",
			"lent":  "  - {name: lent, kind: safe, chain: Ethereum, address: \"0x1111111111111111111111111111111111111111\", protocol: Lend}\n",
		}
		text := "portfolio: {name: A}\naccounts:\n"
		for name := range strings.SplitSeq(order, ", ") {
			text += accounts[name]
		}
		text += "dependencies:\n  - {name: Ethereum, kind: chain, chain: {nodes: \"https://rpc.example.org\"}}\n" +
			"  - {name: Lend, kind: protocol, contract: {adapter: aave-v3, chain: Ethereum, address: \"0x87870bca3f3fd6335c3f4ce8392d69350b4fa4e2\"}}\n"
		p, _, err := loadText("a.yaml", text)
		if err != nil {
			t.Fatal(err)
		}
		o, err := p.ExitOrder(Exit{Account: "vault", To: "vault", Do: []string{"revoke"}})
		if err != nil || o.Own["0x1111111111111111111111111111111111111111"] != "vault" {
			t.Errorf("%s: %v, %v", order, o.Own, err)
		}
	}
}

func TestCautionsOfChains(t *testing.T) {
	p, _, err := loadText("a.yaml", chains)
	if err != nil {
		t.Fatal(err)
	}
	told := strings.Join(p.chainCautions(), "\n")
	if !strings.Contains(told, `chain "Solana" is believed on one node's word: a node that lies can hide that something is gone`) ||
		!strings.Contains(told, `chain "Rootstock" is believed on one node's word: a node that lies can cause an exit`) ||
		!strings.Contains(told, `USD in "wallet" is no coin of Ethereum, which will say that there is none`) || strings.Contains(told, "Bitcoin\"") || strings.Contains(told, "lent") {
		t.Errorf("it says\n%s", told)
	}
	for i := range p.Accounts {
		if p.Accounts[i].Name == "wallet" {
			p.Accounts[i].Address = "0x3333333333333333333333333333333333333333"
		}
	}
	if told := strings.Join(p.chainCautions(), "\n"); !strings.Contains(told, `account "lent" is what lies in Lend, and no account is what lies at its address itself`) {
		t.Errorf("it says\n%s", told)
	}
}

// In a pool each trade turns one token into the other, so both want a name.
func TestOneTokenOfAPoolIsCautioned(t *testing.T) {
	p, _, err := loadText("a.yaml", strings.NewReplacer("adapter: aave-v3", "adapter: uniswap-v3").Replace(chains))
	if err != nil {
		t.Fatal(err)
	}
	const words = `account "lent" is what lies in Lend, where each trade turns one token into the other`
	if told := strings.Join(p.chainCautions(), "\n"); strings.Contains(told, words) {
		t.Errorf("of two tokens it says\n%s", told)
	}
	p.Holdings = slices.DeleteFunc(p.Holdings, func(h Holding) bool { return h.Symbol == "DAI" })
	if told := strings.Join(p.chainCautions(), "\n"); !strings.Contains(told, words) {
		t.Errorf("of one token it says\n%s", told)
	}
}

// A token whose address was forgotten would be counted as the chain's own coin.
func TestTokenWithoutAddressIsNoticed(t *testing.T) {
	p, _, err := loadText("a.yaml", chains)
	if err != nil {
		t.Fatal(err)
	}
	if told := p.strangeCoins(); len(told) > 0 {
		t.Errorf("it says %q", told)
	}
	for i, h := range p.Holdings {
		if h.Symbol == "ETH" && h.Token == "" {
			p.Holdings[i].Symbol = "ETHFI"
		}
	}
	if told := strings.Join(p.strangeCoins(), "\n"); !strings.Contains(told, `ETHFI in "wallet" has no token, so it is what Ethereum says of its own coin, ETH`) {
		t.Errorf("it says %q", told)
	}
	for symbol, is := range map[string]bool{"ETH": true, "eth": true, "ETH-USD": true, "ETHUSD": true, "ETHUSDT": true, "ETHFI": false, "WETH": false, "": false} {
		if named(symbol, "ETH") != is {
			t.Errorf("%q: %t", symbol, !is)
		}
	}
}

// The addresses of both sorts of forms pass the search for keys, as a plan of them has to load.
func TestDenominationsAreNoKeys(t *testing.T) {
	const hash = "F663521BF1836B00F5F177680F74BFB9A8B5654A694D0D2BC249E03CF2509013"
	if found := secretsIn("token: ibc/" + hash); len(found) > 0 {
		t.Errorf("a denomination is taken for %s", found[0].what)
	}
	for _, key := range []string{"token: " + hash, "token: xibc:" + hash, "token: ibc/0x" + hash + "1 " + hash} {
		if len(secretsIn(key)) == 0 {
			t.Errorf("%s passes", key)
		}
	}
}
