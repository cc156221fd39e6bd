package app

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/custodian/bitcoin"
	"lifeboat/custodian/evm"
	"lifeboat/custodian/node"
	"lifeboat/secret"
)

// What the plan says of an account is what is asked of its chain.
func TestWhatIsAskedOfAChain(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(`
portfolio: {name: x, base_currency: USD}
dependencies:
  - {name: Ethereum, kind: chain, chain: {nodes: ["https://rpc.example.org"]}}
  - {name: Lend, kind: protocol, contract: {adapter: aave-v3, chain: Ethereum, address: "0x1111111111111111111111111111111111111111"}}
  - {name: Stake, kind: protocol, contract: {adapter: lido, chain: Ethereum, address: "0x3333333333333333333333333333333333333333",
      addresses: {wsteth: "0x4444444444444444444444444444444444444444", withdrawal_queue: "0x5555555555555555555555555555555555555555"}}}
accounts:
  - {name: cold, kind: wallet, chain: Ethereum, address: "0x2222222222222222222222222222222222222222"}
  - {name: loan, kind: wallet, chain: Ethereum, protocol: Lend, address: "0x2222222222222222222222222222222222222222"}
  - {name: staked, kind: wallet, chain: Ethereum, protocol: Stake, address: "0x2222222222222222222222222222222222222222"}
holdings:
  - {symbol: ETH, account: cold, quantity: 1, class: crypto}
  - {symbol: USDC, account: cold, quantity: 1, class: stablecoin, token: "0x6666666666666666666666666666666666666666"}
  - {symbol: WETH, account: loan, quantity: 1, class: crypto, token: "0x7777777777777777777777777777777777777777"}
  - {symbol: ETH, account: staked, quantity: 1, class: crypto}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := LoadPlan(dir)
	if err != nil {
		t.Fatal(err)
	}
	way, err := chain.New(chain.Config{ID: 1, Nodes: []chain.Node{{URL: "http://127.0.0.1:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer way.Close()
	asked := func(name string) evm.Options {
		t.Helper()
		a, _ := p.Account(name)
		c, err := openCustodian(t.Context(), p, a, way, newServers(lifeboat.WallClock{}), &secret.Vault{}, lifeboat.WallClock{})
		if err != nil || c.Account != name || c.Options.Name != "Ethereum" || c.Behind != evm.Behind(way.Network()) {
			t.Fatalf("%+v, %v", c, err)
		}
		return c.Sources[0].(*evm.Source).Options
	}
	one, usdc, weth := common.HexToAddress("0x1111111111111111111111111111111111111111"), common.HexToAddress("0x6666666666666666666666666666666666666666"), common.HexToAddress("0x7777777777777777777777777777777777777777")
	if o := asked("cold"); o.Coin != "ETH" || len(o.Tokens) != 1 || o.Tokens[usdc] != "USDC" || o.Protocol != nil || o.Address != common.HexToAddress("0x2222222222222222222222222222222222222222") ||
		len(o.Pools) != 1 || o.Pools[0] != one || len(o.Rebased) != 1 || o.Rebased[0] != common.HexToAddress("0x3333333333333333333333333333333333333333") {
		t.Errorf("at the address: %+v", o)
	}
	if o := asked("loan"); o.Coin != "" || len(o.Tokens) != 1 || o.Tokens[weth] != "WETH" || o.Protocol.Name() != "Lend" || o.Contract != one {
		t.Errorf("in the market: %+v", o)
	}
	if o := asked("staked"); o.Coin != "ETH" || len(o.Tokens) != 0 || o.Protocol.Name() != "Stake" {
		t.Errorf("staked: %+v", o)
	}
}

// Accounts of one chain that is no EVM chain ask the same servers, so that what each server may be asked is counted once.
func TestAccountsShareAServer(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(`
portfolio: {name: Cold, base_currency: USD, calendar: 24/7}
people: [{name: Alex, role: owner}]
dependencies:
  - {name: Bitcoin, kind: chain, chain: {nodes: ["https://one.example.org/key", "https://two.example.org"]}}
accounts:
  - {name: cold, kind: wallet, chain: Bitcoin, address: 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa}
  - {name: colder, kind: wallet, chain: Bitcoin, address: 12c6DSiU4Rq3P4ZxziKxzrL5LmMBrzjrJX}
holdings:
  - {symbol: BTC, account: cold, quantity: 1.5, class: crypto, price: 100000}
  - {symbol: BTC, account: colder, quantity: 1.5, class: crypto, price: 100000}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := LoadPlan(dir)
	if err != nil {
		t.Fatal(err)
	}
	servers := newServers(lifeboat.WallClock{})
	nodes := map[string][]*node.Node{}
	for _, a := range p.AccountsOnChains() {
		c, err := openCustodian(t.Context(), p, a, nil, servers, &secret.Vault{}, lifeboat.WallClock{})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range c.Sources {
			nodes[a.Name] = append(nodes[a.Name], s.(*bitcoin.Source).Node)
		}
	}
	if cold, colder := nodes["cold"], nodes["colder"]; len(cold) != 2 || cold[0] == cold[1] || !slices.Equal(cold, colder) {
		t.Errorf("cold asks %v, colder %v", cold, colder)
	}
}
