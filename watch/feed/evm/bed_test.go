package evm

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/testbed"
)

// bedPlan is a wallet in an Aave market on a chain of the test's own.
func bedPlan(bed *testbed.Bed, m *testbed.Aave, owner, drainer string, also ...string) string {
	return fmt.Sprintf(`
portfolio: {name: x}
accounts:
  - {name: me, kind: wallet, chain: Ethereum, address: %q}
dependencies:
  - {name: Ethereum, kind: chain, chain: {id: %s, nodes: ["env:NODE"]}}
  - {name: Aave, kind: protocol, contract: {adapter: aave-v3, chain: Ethereum, address: %q}}
  - {name: ether feed, kind: oracle, contract: {adapter: chainlink, chain: Ethereum, address: %q, prices: WETH, heartbeat: 1h}}
  - {name: dollar feed, kind: oracle, contract: {adapter: chainlink, chain: Ethereum, address: %q, prices: USDC, heartbeat: 24h}}
  - {name: Drainer, kind: other, contract: {adapter: proxy, chain: Ethereum, address: %q}}
%sholdings:
  - {symbol: WETH, account: me, quantity: 10, class: crypto, token: %q}
  - {symbol: USDC, account: me, quantity: 0, class: stablecoin, token: %q}
`, owner, bed.ChainID, m.Pool.Address, m.Feeds["WETH"].Address, m.Feeds["USDC"].Address, drainer, strings.Join(also, ""), m.WETH.Address, m.USDC.Address)
}

// over a node of the bed; there is but one, so the quorum is one.
func over(t *testing.T, bed *testbed.Bed) *chain.Chain {
	t.Helper()
	way, err := chain.New(chain.Config{ID: bed.ChainID.Uint64(), Nodes: []chain.Node{{URL: bed.WS}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = way.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended; _ = way.Close() })
	return way
}

func (w *watch) between(series string, least, most float64) lifeboat.Reading {
	w.t.Helper()
	return w.until(series, func(r lifeboat.Reading) bool {
		return r.Value >= least && r.Value <= most && r.Quality == lifeboat.Good
	})
}

// The signs of trouble, each made by real contracts.
func TestRealContracts(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		m := bed.Aave()
		me, drainer, whale := bed.Accounts[1], bed.Accounts[2], bed.Whale()
		m.Supply(me, m.WETH, testbed.Ether(10))
		m.Borrow(me, m.USDC, testbed.Units(12_000, 6))
		bed.Mine(1)
		w := run(t, loaded(t, bedPlan(bed, m, me.Hex(), drainer.Hex())), over(t, bed), nil)

		w.between("health_factor.me", 1.374, 1.376)
		w.between("liquidation_distance.me", 0.272, 0.274)
		w.value("WETH from ether feed", 2000)
		w.value("paused.Aave", 0)
		w.between("utilisation.Aave.USDC", 0.0239, 0.0241)
		w.value("withdrawable.Aave.WETH", 110)
		w.value("cover.me.Aave.WETH", 11)
		w.value("tvl.Aave.USDC", 488_000)
		w.value("oracle_stale.ether feed", 0)

		m.PriceTo(m.WETH, 1500)
		w.between("health_factor.me", 1.031, 1.032)
		w.until("WETH from ether feed", func(r lifeboat.Reading) bool { return r.Value == 1500 })

		// Somebody empties the market of WETH: what is left to leave by melts.
		bed.Send(whale, m.Pool, "withdraw", m.WETH.Address, testbed.Ether(60), whale.Address)
		w.value("withdrawable.Aave.WETH", 50)
		w.value("cover.me.Aave.WETH", 5)
		w.between("outflow.Aave.WETH", 0.545, 0.546)
		w.between("large_withdrawal.Aave.WETH", 0.545, 0.546)

		bed.Send(me, m.USDC.Contract, "approve", drainer.Address, testbed.Max())
		w.value("allowance.me.Drainer", 1)
		if r := w.value("approvals.me", 1); r.Why != "USDC: me lets Drainer take unlimited units of it" {
			t.Error(r.Why)
		}

		bed.Mint(m.USDC, whale.Address, testbed.Units(1_000_000, 6))
		w.until("supply_jump.USDC", func(r lifeboat.Reading) bool { return r.Value > 1 })

		bed.Send(bed.Admin(), m.ACL, "addRiskAdmin", drainer.Address)
		if r := w.until("admin_changed.Aave", func(r lifeboat.Reading) bool { return r.Value >= 1 }); !strings.Contains(r.Why, "gave Drainer the role RISK_ADMIN") {
			t.Error(r.Why)
		}
		bed.Send(bed.Admin(), m.Configurator, "setReservePause", m.WETH.Address, true)
		w.value("paused.Aave", 1)
		bed.Send(bed.Admin(), m.Configurator, "configureReserveAsCollateral", m.WETH.Address, big.NewInt(5000), big.NewInt(8000), big.NewInt(10500))
		if r := w.until("parameters.Aave", func(r lifeboat.Reading) bool { return r.Value >= 1 }); !strings.Contains(r.Why, "WETH counts as collateral at 5000") {
			t.Error(r.Why)
		}
	})
}

// Code, votes, pools, oracles and the owners of a Safe, and a reorganisation that takes an upgrade back.
func TestRealGovernanceAndPools(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		m, pool, vote, bank := bed.Aave(), bed.UniswapV2(), bed.Governance(), bed.Proxy()
		safe := bed.Safe(bed.Accounts[3:6], 2)
		me := bed.Accounts[1]
		pool.Add(me, testbed.Units(22_222, 6), testbed.Ether(11))
		contracts := ""
		for _, c := range [][3]string{{"Bank", "proxy", bank.Address.Hex()}, {"Council", "safe", safe.Address.Hex()}} {
			contracts += fmt.Sprintf("  - {name: %s, kind: protocol, contract: {adapter: %s, chain: Ethereum, address: %q}}\n", c[0], c[1], c[2])
		}
		contracts += fmt.Sprintf("  - {name: Votes, kind: protocol, contract: {adapter: governor, chain: Ethereum, address: %q, addresses: {timelock: %q}}}\n", vote.Governor.Address, vote.Timelock.Address)
		contracts += fmt.Sprintf("  - {name: Pool, kind: protocol, contract: {adapter: uniswap-v2, chain: Ethereum, address: %q, addresses: {router: %q}, prices: WETH}}\n", pool.Pair.Address, pool.Router.Address)
		bed.Mine(1)
		w := run(t, loaded(t, bedPlan(bed, m, me.Hex(), bed.Accounts[2].Hex(), contracts)), over(t, bed), nil)

		w.value("threshold.Council", 2)
		w.value("owners.Council", 3)
		w.between("pool_share.me.Pool", 0.098, 0.101)
		w.between("imbalance.Pool", 0, 0.001)
		w.between("WETH from Pool", 1999, 2021)
		w.between("oracle_deviation.ether feed", 0, 0.02)
		w.value("upgraded.Bank", 0)

		pool.Swap(bed.Whale(), pool.WETH, pool.USDC, testbed.Ether(30)) // somebody dumps ether
		w.until("WETH from Pool", func(r lifeboat.Reading) bool { return r.Value < 1300 })
		w.until("oracle_deviation.ether feed", func(r lifeboat.Reading) bool { return r.Value > 0.5 })
		pool.Pull(95)
		w.until("outflow.Pool.USDC", func(r lifeboat.Reading) bool { return r.Value > 0.8 })
		m.PriceTo(m.USDC, 0.9)
		w.until("USDC from dollar feed", func(r lifeboat.Reading) bool { return r.Value == 0.9 })

		bed.Send(bed.Admin(), bank.Admin, "transferOwnership", safe.Address)
		if r := w.value("admin_changed.Bank", 1); !strings.HasPrefix(r.Why, "the admin of Bank: Council owns it now") {
			t.Error(r.Why)
		}
		p := vote.Propose("mint for everybody", vote.Token.Do("mint", bed.Accounts[2].Address, testbed.Ether(1)))
		if r := w.value("proposal.Votes", 1); !strings.Contains(r.Why, `"mint for everybody"`) {
			t.Error(r.Why)
		}
		p.Queue()
		w.until("queued.Votes", func(r lifeboat.Reading) bool { return r.Value >= 1 })
		p.Execute()
		w.value("queued.Votes", 0)
		// Time went on by more than an hour, and the feed of ether did not.
		w.value("oracle_stale.ether feed", 1)
		w.until("WETH from ether feed", func(r lifeboat.Reading) bool { return r.Quality == lifeboat.Suspect })
		w.until("oracle_age.ether feed", func(r lifeboat.Reading) bool { return r.Value > 3600 })
	})
}

func TestRealReorg(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		m, bank := bed.Aave(), bed.Proxy()
		contracts := fmt.Sprintf("  - {name: Bank, kind: protocol, contract: {adapter: proxy, chain: Ethereum, address: %q}}\n", bank.Address.Hex())
		bed.Mine(12)
		w := run(t, loaded(t, bedPlan(bed, m, bed.Accounts[1].Hex(), bed.Accounts[2].Hex(), contracts)), over(t, bed), nil)
		w.value("upgraded.Bank", 0)
		bank.Upgrade(bank.V2)
		w.value("upgraded.Bank", 1)
		bed.Reorg(6)
		bed.Mine(2)
		slot, err := bed.Client.StorageAt(t.Context(), bank.Address, slots[0].slot, nil)
		if err != nil || common.BytesToAddress(slot) == bank.V2.Address {
			t.Fatal("the upgrade is still there, so nothing is proved", err)
		}
		w.value("upgraded.Bank", 0)
		w.until("reorg.Ethereum", func(r lifeboat.Reading) bool { return r.Value >= 1 })
	})
}
