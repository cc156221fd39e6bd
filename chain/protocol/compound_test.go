package protocol

import (
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain/contract"
)

// cometWorld is a market that lends USDC against WETH, which counts to 80 % for new debt and to 85 % until it is liquidated.
type cometWorld struct {
	*world
	comet, usdc, weth, owner, router common.Address
	price                            float64
	collateral, owed, supplied, cash float64
	wallet                           float64
	liquidation                      uint64
}

func newCometWorld(t testing.TB) *cometWorld {
	w := newWorld(t)
	return &cometWorld{world: w, comet: at("comet"), usdc: w.token("USDC", 6), weth: w.token("WETH", 18), owner: at("owner"), router: at("router"), price: 2000, collateral: 10, owed: 12_000, cash: 50_000, liquidation: 85}
}

func (c *cometWorld) lay() *cometWorld {
	w, m := c.world, contract.Comet
	w.says(c.comet, m.Base, nil, c.usdc)
	w.says(c.comet, m.BaseFeed, nil, at("feedUSDC"))
	w.says(c.comet, m.Assets, nil, uint8(1))
	w.says(c.comet, m.Asset, []any{uint8(0)}, uint8(0), c.weth, at("feedWETH"), uint64(1e18), uint64(80e16), c.liquidation*1e16, uint64(95e16), big.NewInt(1))
	w.says(c.comet, m.Price, []any{at("feedUSDC")}, amount(1, 8))
	w.says(c.comet, m.Price, []any{at("feedWETH")}, amount(c.price, 8))
	w.says(c.comet, m.Utilisation, nil, amount(0.9, 18))
	w.says(c.comet, m.TotalSupply, nil, amount(500_000, 6))
	w.says(c.comet, m.TotalBorrow, nil, amount(450_000, 6))
	w.says(c.comet, m.SupplyPaused, nil, false)
	w.says(c.comet, m.WithdrawPaused, nil, false)
	w.says(c.comet, m.BalanceOf, []any{c.owner}, amount(c.supplied, 6))
	w.says(c.comet, m.BorrowOf, []any{c.owner}, amount(c.owed, 6))
	w.says(c.comet, m.Collateral, []any{c.owner, c.weth}, amount(c.collateral, 18), new(big.Int))
	w.says(c.comet, m.Liquidatable, []any{c.owner}, c.collateral*c.price*float64(c.liquidation)/100 < c.owed)
	w.holds(c.usdc, c.comet, amount(c.cash, 6))
	w.holds(c.usdc, c.owner, amount(c.wallet, 6))
	w.holds(c.weth, c.owner, new(big.Int))
	w.allows(c.usdc, c.owner, c.comet, new(big.Int))
	w.allows(c.weth, c.owner, c.router, new(big.Int))
	w.pair(at("pair"), c.weth, c.usdc, amount(10_000, 18), amount(20_000_000, 6), amount(1, 18))
	return c
}

func (c *cometWorld) market() *Compound {
	return NewCompound("Compound", c.comet, NewUniswapV2("WETH/USDC", c.router, at("pair"), dollars(map[common.Address]float64{c.weth: c.price, c.usdc: 1})))
}

func TestCompoundMeasures(t *testing.T) {
	c := newCometWorld(t)
	market := c.market()
	all, err := market.Measures(t.Context(), c.lay(), nil, c.owner)
	if err != nil {
		t.Fatal(err)
	}
	none := common.Address{}
	near(t, "health", find(t, all, HealthFactor, c.owner, none), 17_000.0/12_000)
	near(t, "distance", find(t, all, LiquidationDistance, c.owner, none), 1-12.0/17)
	near(t, "liquidatable", find(t, all, Liquidatable, c.owner, none), 0)
	near(t, "utilisation", find(t, all, Utilisation, none, c.usdc), 0.9)
	near(t, "withdrawable", find(t, all, Withdrawable, none, c.usdc), 50_000)
	// Governance changes how the collateral counts; the next look sees it.
	c.liquidation, c.price = 81, 1450
	all, err = market.Measures(t.Context(), c.lay(), nil, c.owner)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "health", find(t, all, HealthFactor, c.owner, none), 14_500*0.81/12_000)
	near(t, "liquidatable", find(t, all, Liquidatable, c.owner, none), 1)
	positions, err := market.Positions(t.Context(), c, nil, c.owner)
	if err != nil || len(positions) != 2 || positions[0].Kind != Debt || positions[1].Under[0].Token.Symbol != "WETH" {
		t.Fatal(positions, err)
	}
	if !positions[0].Accrues || positions[1].Accrues || positions[1].Under[0].Free.Cmp(positions[1].Amount) != 0 {
		t.Errorf("%+v: a debt grows, and collateral does not", positions)
	}
}

func TestCompoundExits(t *testing.T) {
	owner := at("owner").String()
	for name, c := range map[string]struct {
		change func(*cometWorld)
		asks   []Ask
		want   string
	}{
		"repay all and withdraw all": {func(c *cometWorld) { c.wallet = 13_000 }, []Ask{{Do: Repay}, {Do: Withdraw}}, `
let Compound take up to 12120 USDC
repay all that is owed of USDC, now 12000 USDC
withdraw 10 WETH
take back what Compound may take of USDC
must:
Compound may take no USDC
no USDC is owed
` + owner + ` has at least 10 WETH
` + owner + ` has at least 879.99999 USDC
notes:`},
		"as much as stays secured": {func(*cometWorld) {}, []Ask{{Do: Withdraw, Token: at("WETH")}}, `
withdraw 2.485 WETH
must:
the market says that nothing is to be liquidated
` + owner + ` has at least 2.485 WETH
notes:
2.485 WETH of 10 WETH is withdrawn: more would leave the debt unsecured.`},
		"a lender in a dry market": {func(c *cometWorld) { c.owed, c.collateral, c.supplied, c.cash = 0, 0, 1000, 100 }, []Ask{{Do: Withdraw}}, `
withdraw 98 USDC
must:
` + owner + ` has at least 97.99999 USDC
notes:
The market is short of USDC: 100 USDC can be withdrawn by anybody now, and 1000 USDC was to be; the rest has to wait until others repay or supply.`},
		"nothing at hand":    {func(*cometWorld) {}, []Ask{{Do: Repay}}, "the wallet has no USDC to repay it with"},
		"unsecured already":  {func(c *cometWorld) { c.price = 1450 }, []Ask{{Do: Withdraw}}, "repay first"},
		"only the base":      {func(*cometWorld) {}, []Ask{{Do: Repay, Token: at("WETH")}}, "only USDC can be owed here"},
		"not of this market": {func(*cometWorld) {}, []Ask{{Do: Withdraw, Token: at("DAI")}}, "is no asset of this market"},
		"nothing there":      {func(c *cometWorld) { c.owed, c.collateral = 0, 0 }, []Ask{{Do: Withdraw}}, "there is nothing to do"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newCometWorld(t)
			c.change(w)
			plan, err := w.market().Exit(t.Context(), w.lay(), nil, w.owner, c.asks...)
			if got := words(plan); got != strings.TrimSpace(c.want) && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v\n%s\nwant:\n%s", err, got, c.want)
			}
		})
	}
}

func TestCompoundUnwinds(t *testing.T) {
	c := newCometWorld(t)
	plan, err := c.market().Exit(t.Context(), c.lay(), nil, c.owner, Ask{Do: Unwind})
	if err != nil {
		t.Fatal(err)
	}
	if got := words(plan); strings.Count(got, "sell ") < 2 || !strings.Contains(got, "repay all that is owed") || !strings.Contains(got, "no USDC is owed\n") || !strings.HasSuffix(got, "notes:") {
		t.Error(got)
	}
	// Carried out at the least that each sale brings, the debt stays secured at each withdrawal and the wallet is never short.
	collateral, owed, wallet := amount(c.collateral, 18), amount(c.owed, 6), new(big.Int)
	for _, call := range plan.Calls {
		var asset common.Address
		var n, least *big.Int
		switch {
		case contract.Comet.WithdrawTo.Arguments(call.Data, nil, &asset, &n) == nil:
			if collateral.Sub(collateral, n).Sign() < 0 || owed.Sign() > 0 && ratio(collateral, ether)*2000*0.8 < ratio(owed, power(6)) {
				t.Errorf("%s: the market refuses", call.Words)
			}
		case contract.UniswapV2.SwapExact.Arguments(call.Data, &n, &least) == nil:
			wallet.Add(wallet, least)
		case contract.Comet.Supply.Arguments(call.Data, &asset, &n) == nil:
			n = smaller(n, owed)
			if owed.Sub(owed, n); wallet.Sub(wallet, n).Sign() < 0 {
				t.Errorf("%s: the wallet is short", call.Words)
			}
		}
	}
	if owed.Sign() != 0 || collateral.Sign() != 0 {
		t.Error(owed, collateral)
	}
}
