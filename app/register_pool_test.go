package app_test

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat/app"
	"lifeboat/testbed"
)

// poolPlan is a wallet with a share of a pair of Uniswap v2 and a position of v3, whose quantities its owner has not even tried to guess.
const poolPlan = `
portfolio: {name: Provider, base_currency: USD, calendar: 24/7}
people:
  - {name: Ada, role: owner}
dependencies:
  - {name: Testnet, kind: chain, chain: {id: CHAINID, nodes: [NODES]}}
  - {name: Pair, kind: protocol, contract: {adapter: uniswap-v2, chain: Testnet, address: "THEPAIR", addresses: {router: "ROUTER2"}}}
  - {name: Ranges, kind: protocol, contract: {adapter: uniswap-v3, chain: Testnet, address: "MANAGER", addresses: {router: "ROUTER3"}}}
accounts:
  - {name: wallet, kind: wallet, chain: Testnet, address: "OWNER"}
  - {name: share, kind: wallet, chain: Testnet, protocol: Pair, address: "OWNER"}
  - {name: range, kind: wallet, chain: Testnet, protocol: Ranges, address: "OWNER"}
holdings:
  - {symbol: WETH, account: wallet, quantity: 0, class: crypto, price: 2000, token: "WETHTOKEN"}
  - {symbol: USDC, account: wallet, quantity: 0, class: stablecoin, price: 1, token: "USDCTOKEN"}
  - {symbol: WETH, account: share, quantity: 0, class: crypto, price: 2000, token: "WETHTOKEN"}
  - {symbol: USDC, account: share, quantity: 0, class: stablecoin, price: 1, token: "USDCTOKEN"}
  - {symbol: WETH, account: range, quantity: 0, class: crypto, price: 2000, token: "WETHTOKEN"}
  - {symbol: USDC, account: range, quantity: 0, class: stablecoin, price: 1, token: "USDCTOKEN"}
triggers:
  - {name: Much in one pool, tier: 1, condition: concentration(protocol) > 60%}
`

// Positions in pools come into the register with their two tokens, are valued and looked through. What others trade is followed and told
// to nobody; what is taken out is told.
func TestRegisterFollowsPositionsInPools(t *testing.T) {
	t.Parallel()
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		v2, v3, me, trader := bed.UniswapV2(), bed.UniswapV3(), bed.Accounts[7], bed.Accounts[8]
		v2.Add(me, testbed.Units(20_000, 6), testbed.Ether(10))
		tick := bed.Ask(v3.Pool, "slot0")[1].(*big.Int).Int64() / 60 * 60
		position := v3.Add(me, tick-6000, tick+6000, testbed.Units(6_000, 6), testbed.Ether(3))
		w := newTreasury(t, bed, false)
		r := &register{treasury: w, clock: newWatchClock(time.Now().UTC())}
		w.write(strings.NewReplacer("OWNER", me.Hex(), "THEPAIR", v2.Pair.Address.Hex(), "MANAGER", v3.Positions.Address.Hex(),
			"ROUTER2", v2.Router.Address.Hex(), "ROUTER3", v3.Router.Address.Hex(), "WETHTOKEN", v2.WETH.Address.Hex(), "USDCTOKEN", v2.USDC.Address.Hex()).Replace(poolPlan))
		d, stop := running(t, r.clock, w.dir, w.data)
		r.d = d

		r.comes("both positions", func() bool { return r.near("share", "WETH", "10") && r.restated("range") == 1 })
		if told := len(r.told("share")) + len(r.told("range")); told != 2 {
			t.Errorf("of two positions that the register did not have %d were told", told)
		}
		inventory, err := app.Take(d.DaemonOptions.Plan, r.ledger(), r.clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		if worth := inventory.Total; worth.Sub(decimal.NewFromInt(51_000)).Abs().GreaterThan(decimal.NewFromInt(1_500)) {
			t.Errorf("40,000 and up to 12,000 dollars in pools are worth %s", worth)
		}
		r.comes("what depends on them", func() bool { return triggered(d, "Much in one pool") == "fired" })

		// A tenth of the pool's worth is traded, and more than the whole range of the other: of the position one token is left.
		before := r.restated("share") + r.restated("range")
		v2.Swap(trader, v2.WETH, v2.USDC, testbed.Ether(20))
		v3.Swap(trader, v3.USDC, v3.WETH, testbed.Units(200_000, 6))
		r.comes("what trades made of the positions", func() bool {
			return r.holds("range", "WETH").IsZero() && r.holds("share", "WETH").GreaterThan(decimal.NewFromInt(11))
		})
		for range 5 {
			r.minute()
		}
		if told := len(r.told("share")) + len(r.told("range")); told != 2 || r.restated("share")+r.restated("range") != before+2 {
			t.Errorf("trades of others were told: %+v %+v", r.told("share"), r.told("range"))
		}

		// Half of the liquidity goes, to where only the thief knows.
		liquidity := v3.Liquidity(position)
		v3.Remove(me, position, liquidity.Rsh(liquidity, 1))
		v3.Collect(me, position, trader.Address)
		r.comes("word of what is gone", func() bool { return len(r.told("range")) == 2 })
		if m := r.told("range")[1]; m.Tier != 2 || !strings.Contains(m.Text, "USDC where the book had") {
			t.Errorf("it says %+v", m)
		}
		if n := len(r.told("share")); n != 1 {
			t.Errorf("of the share, which nobody touched, was told %+v", r.told("share"))
		}
		stop()
	})
}
