package protocol

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

func find(t *testing.T, all []Measure, name string, account, market common.Address) float64 {
	t.Helper()
	for _, m := range all {
		if m.Name == name && m.Account == account && m.Market == market {
			return m.Value
		}
	}
	t.Fatalf("there is no %s of %s in %s", name, account, market)
	return 0
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-4*math.Max(1, math.Abs(want)) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestAaveMeasures(t *testing.T) {
	none := common.Address{}
	for name, c := range map[string]struct {
		change                        func(*aaveWorld)
		health, together, wethAlone   float64
		withdrawable, cover, utilised float64
	}{
		"as it began":           {func(*aaveWorld) {}, 1.375, 1 - 1/1.375, 1 - 1/1.375, 10, 10, 0.107143},
		"after the fall":        {func(a *aaveWorld) { a.price[a.weth] = 1500 }, 1.03125, 1 - 1/1.03125, 1 - 1/1.03125, 10, 10, 0.107143},
		"liquidatable":          {func(a *aaveWorld) { a.price[a.weth] = 1000 }, 0.6875, 0, 0, 10, 10, 0.107143},
		"no debt":               {func(a *aaveWorld) { a.variable[a.usdc] = new(big.Int) }, HealthFactorMax, 1, 1, 10, 10, 0},
		"short of liquidity":    {func(a *aaveWorld) { a.available[a.weth] = amount(4, 18) }, 1.375, 1 - 1/1.375, 1 - 1/1.375, 4, 0.4, 0.107143},
		"dollars supplied too":  {func(a *aaveWorld) { a.supply[a.usdc] = amount(8000, 6) }, 1.925, 1 - 1/1.925, 1 - 5400.0/16500, 10, 10, 0.107143},
		"dollars secure it all": {func(a *aaveWorld) { a.supply[a.usdc] = amount(20_000, 6) }, 2.75, 1 - 1/2.75, 1, 10, 10, 0.107143},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAaveWorld(t)
			c.change(a)
			market := NewAave("Aave", a.pool, nil)
			all, err := market.Measures(t.Context(), a.lay(), nil, a.owner)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "health", find(t, all, HealthFactor, a.owner, none), c.health)
			near(t, "distance", find(t, all, LiquidationDistance, a.owner, none), c.together)
			near(t, "distance of WETH", find(t, all, LiquidationDistance, a.owner, a.weth), c.wethAlone)
			near(t, "withdrawable", find(t, all, Withdrawable, a.owner, a.weth), c.withdrawable)
			near(t, "cover", find(t, all, Cover, a.owner, a.weth), c.cover)
			near(t, "utilisation", find(t, all, Utilisation, none, a.usdc), c.utilised)
			if a.reads != 4 {
				t.Errorf("the first look took %d reads", a.reads)
			}
			if _, err := market.Measures(t.Context(), a, nil, a.owner); err != nil || a.reads != 5 {
				t.Errorf("the second took %d more, %v", a.reads-4, err)
			}
		})
	}
}

// A price at which the distance says that the account is liquidated has to be the one at which it is.
func TestDistanceIsWhereItIsLiquidated(t *testing.T) {
	a := newAaveWorld(t)
	a.supply[a.usdc], a.variable[a.weth] = amount(8000, 6), amount(2, 18)
	measure := func() (health, distance float64) {
		all, err := NewAave("Aave", a.pool, nil).Measures(t.Context(), a.lay(), nil, a.owner)
		if err != nil {
			t.Fatal(err)
		}
		return find(t, all, HealthFactor, a.owner, common.Address{}), find(t, all, LiquidationDistance, a.owner, a.weth)
	}
	_, distance := measure()
	a.price[a.weth] = int64(math.Round(2000 * (1 - distance)))
	if health, _ := measure(); math.Abs(health-1) > 1e-3 {
		t.Errorf("at %d the health factor is %v", a.price[a.weth], health)
	}
}

func TestAaveOracleIsReplaced(t *testing.T) {
	a := newAaveWorld(t)
	market := NewAave("Aave", a.pool, nil)
	if _, err := market.Measures(t.Context(), a.lay(), nil, a.owner); err != nil {
		t.Fatal(err)
	}
	a.oracle, a.price[a.weth] = at("newer"), 1234
	reserves, _, err := market.Markets(t.Context(), a.lay(), nil)
	if err != nil || reserves[1].Price.Int64() != 1234e8 {
		t.Fatal(reserves, err)
	}
}

func TestAavePositionsLookThrough(t *testing.T) {
	a := newAaveWorld(t)
	positions, err := NewAave("Aave", a.pool, nil).Positions(t.Context(), a.lay(), nil, a.owner)
	if err != nil || len(positions) != 2 {
		t.Fatal(positions, err)
	}
	debt, supply := positions[0], positions[1]
	if debt.Kind != Debt || debt.Token.Address != at("vUSDC") || debt.Under[0].Token.Address != a.usdc || debt.Amount.Int64() != 12_000e6 {
		t.Errorf("%+v", debt)
	}
	if supply.Kind != Supply || supply.Token.Symbol != "aWETH" || supply.Under[0].Token.Symbol != "WETH" || supply.Under[0].Holder != at("aWETH") {
		t.Errorf("%+v", supply)
	}
	if !debt.Accrues || !supply.Accrues || debt.Under[0].Free != nil || supply.Under[0].Free.Cmp(amount(10, 18)) != 0 {
		t.Errorf("%+v, %+v", debt, supply)
	}
	free := func() *big.Int {
		t.Helper()
		positions, err := NewAave("Aave", a.pool, nil).Positions(t.Context(), a.lay(), nil, a.owner)
		if err != nil || len(positions) != 2 {
			t.Fatal(positions, err)
		}
		return positions[1].Under[0].Free
	}
	a.available[a.weth] = amount(4, 18)
	if got := free(); got.Cmp(amount(4, 18)) != 0 {
		t.Errorf("%s can be withdrawn where 4 are there", got)
	}
	a.paused[a.weth] = true
	if got := free(); got.Sign() != 0 {
		t.Errorf("%s can be withdrawn of a market that is paused", got)
	}
}

// Who names only what was supplied is told of the debt all the same, and of nothing else.
func TestAaveTellsOfUnnamedDebts(t *testing.T) {
	a := newAaveWorld(t)
	a.stable[a.usdc], a.supply[a.usdc] = amount(3, 6), amount(5, 6)
	positions, err := NewAave("Aave", a.pool, nil, a.weth).Positions(t.Context(), a.lay(), nil, a.owner)
	if err != nil || len(positions) != 2 {
		t.Fatal(positions, err)
	}
	if debt := positions[1]; debt.Kind != Debt || debt.Under[0].Token.Address != a.usdc || debt.Under[0].Amount.Cmp(amount(12_003, 6)) != 0 || !debt.Accrues {
		t.Errorf("%+v", debt)
	}
	a.stable[a.usdc], a.variable[a.usdc] = new(big.Int), new(big.Int)
	if positions, err = NewAave("Aave", a.pool, nil, a.weth).Positions(t.Context(), a.lay(), nil, a.owner); err != nil || len(positions) != 1 {
		t.Error(positions, err)
	}
	delete(a.answers, key(contract.AavePool.UserConfig.Query(a.pool, a.owner)))
	if _, err := NewAave("Aave", a.pool, nil, a.weth).Positions(t.Context(), a, nil, a.owner); !errors.Is(err, chain.ErrReverted) {
		t.Errorf("what is owed is not known, and it says %v", err)
	}
}

func words(plan Plan) string {
	var lines []string
	for _, c := range plan.Calls {
		lines = append(lines, c.Words)
	}
	lines = append(lines, "must:")
	for _, c := range plan.Must {
		lines = append(lines, c.Words)
	}
	lines = append(lines, "notes:")
	return strings.Join(append(lines, plan.Notes...), "\n")
}

func TestAaveExits(t *testing.T) {
	repay, withdraw := Ask{Do: Repay}, Ask{Do: Withdraw}
	owner := at("owner").String()
	rich := func(a *aaveWorld) { a.holds(a.usdc, a.owner, amount(13_000, 6)) }
	for name, c := range map[string]struct {
		change func(*aaveWorld)
		asks   []Ask
		want   string
		err    string
	}{
		"repay all and withdraw all": {rich, []Ask{repay, withdraw}, `
let Aave take up to 12120 USDC
repay all that is owed of USDC, now 12000 USDC
withdraw all WETH, now 10 WETH
take back what Aave may take of USDC
must:
Aave may take no USDC
no USDC is owed at the variable rate
no USDC is owed at the stable rate
` + owner + ` has at least 879.99999 USDC
` + owner + ` has at least 9.99999999999999999 WETH
notes:`, ""},
		"an old allowance is taken back first": {func(a *aaveWorld) { rich(a); a.allows(a.usdc, a.owner, a.pool, amount(5, 6)) }, []Ask{repay}, `
take back what Aave may take of USDC
let Aave take up to 12120 USDC
repay all that is owed of USDC, now 12000 USDC
take back what Aave may take of USDC
must:
Aave may take no USDC
no USDC is owed at the variable rate
no USDC is owed at the stable rate
` + owner + ` has at least 879.99999 USDC
notes:`, ""},
		"the wallet has less than is owed": {func(a *aaveWorld) { a.holds(a.usdc, a.owner, amount(5000, 6)) }, []Ask{repay}, `
let Aave take up to 5000 USDC
repay 5000 USDC
must:
at most 7070 USDC is owed at the variable rate
no USDC is owed at the stable rate
the health factor is at least 1.0500
notes:
5000 USDC of the 12000 USDC owed is repaid: the wallet has no more.`, ""},
		"withdraw as much as the health factor permits": {func(*aaveWorld) {}, []Ask{{Do: Withdraw, Token: at("WETH"), MinHealth: decimal.RequireFromString("1.2")}}, `
withdraw 1.255272727272727272 WETH
must:
the health factor is at least 1.2000
` + owner + ` has at least 1.255272727272727262 WETH
notes:
1.255272727272727272 WETH of 10 WETH is withdrawn: more would bring the health factor below 1.2.`, ""},
		"the market is short": {func(a *aaveWorld) { rich(a); a.available[a.weth] = amount(4, 18) }, []Ask{repay, withdraw}, `
let Aave take up to 12120 USDC
repay all that is owed of USDC, now 12000 USDC
withdraw 3.92 WETH
take back what Aave may take of USDC
must:
Aave may take no USDC
no USDC is owed at the variable rate
no USDC is owed at the stable rate
` + owner + ` has at least 879.99999 USDC
` + owner + ` has at least 3.91999999999999999 WETH
notes:
The market is short of WETH: 4 WETH can be withdrawn by anybody now, and 10 WETH was to be; the rest has to wait until others repay or supply.`, ""},
		"to the cold wallet": {func(a *aaveWorld) {
			a.variable[a.usdc] = new(big.Int)
			a.holds(a.weth, at("cold"), amount(1, 18))
			a.holds(a.usdc, at("cold"), new(big.Int))
		}, []Ask{{Do: Withdraw, Amount: amount(3, 18), Token: at("WETH"), To: at("cold")}}, `
withdraw 3 WETH to ` + at("cold").String() + `
must:
` + at("cold").String() + ` has at least 3.99999999999999999 WETH
notes:`, ""},
		"nothing at hand":       {func(*aaveWorld) {}, []Ask{repay}, "", "12000 USDC is owed and the wallet has no USDC to repay it with"},
		"all lent out":          {func(a *aaveWorld) { rich(a); a.available[a.weth] = new(big.Int) }, []Ask{repay, withdraw}, "", "nothing can be withdrawn: all WETH of the market is lent out"},
		"paused":                {func(a *aaveWorld) { rich(a); a.paused[a.usdc] = true }, []Ask{repay}, "", "the market has paused USDC"},
		"no room":               {func(a *aaveWorld) { a.price[a.weth] = 1500 }, []Ask{withdraw}, "", "no WETH can be withdrawn without the health factor falling below 1.05; repay first"},
		"nothing owed":          {func(a *aaveWorld) { a.variable[a.usdc] = new(big.Int) }, []Ask{repay}, "", "there is nothing to do"},
		"nothing asked":         {func(*aaveWorld) {}, nil, "", "there is nothing to do"},
		"not of this market":    {rich, []Ask{{Do: Repay, Token: at("DAI")}}, "", "is no asset that is looked at here"},
		"which of them?":        {rich, []Ask{{Do: Repay, Amount: one}}, "", "an amount needs a token"},
		"not of a market":       {rich, []Ask{{Do: Swap}}, "", "it cannot swap"},
		"less than nothing":     {rich, []Ask{{Do: Repay, Amount: big.NewInt(-1)}}, "", "more than nothing"},
		"health below one":      {rich, []Ask{{Do: Withdraw, MinHealth: decimal.RequireFromString("0.9")}}, "", "is liquidated"},
		"unwind without a shop": {func(*aaveWorld) {}, []Ask{{Do: Unwind}}, "", "no exchange is named to sell WETH at"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAaveWorld(t)
			c.change(a)
			a.lay()
			plan, err := NewAave("Aave", a.pool, nil).Exit(t.Context(), a, nil, a.owner, c.asks...)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("%v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := words(plan); got != strings.TrimSpace(c.want) {
				t.Errorf("got:\n%s\nwant:%s", got, c.want)
			}
		})
	}
}

// The calldata itself: what is repaid and withdrawn whole is the pool's "all", never the amount of the block that was read.
func TestAaveRepaysAllAsAll(t *testing.T) {
	a := newAaveWorld(t)
	a.holds(a.usdc, a.owner, amount(13_000, 6))
	plan, err := NewAave("Aave", a.pool, nil).Exit(t.Context(), a.lay(), nil, a.owner, Ask{Do: Repay}, Ask{Do: Withdraw})
	if err != nil {
		t.Fatal(err)
	}
	var asset, to common.Address
	var argument, mode *big.Int
	if err := contract.AavePool.Repay.Arguments(plan.Calls[1].Data, &asset, &argument, &mode, &to); err != nil || argument.Cmp(highest) != 0 || mode.Int64() != 2 || asset != a.usdc || to != a.owner {
		t.Error(asset, argument, mode, to, err)
	}
	if err := contract.AavePool.Withdraw.Arguments(plan.Calls[2].Data, &asset, &argument, &to); err != nil || argument.Cmp(highest) != 0 || asset != a.weth || to != a.owner {
		t.Error(asset, argument, to, err)
	}
}

func TestConditionHolds(t *testing.T) {
	word := common.LeftPadBytes([]byte{7}, 32)
	for _, c := range []struct {
		compare Compare
		want    int64
		holds   bool
	}{{AtLeast, 7, true}, {AtLeast, 8, false}, {AtMost, 7, true}, {AtMost, 6, false}, {Equal, 7, true}, {Equal, 6, false}, {"", 7, false}} {
		if holds, got, err := (Condition{Compare: c.compare, Want: big.NewInt(c.want)}).Holds(chain.Answer{Data: word}); err != nil || holds != c.holds || got.Int64() != 7 {
			t.Errorf("7 %s %d: %v, %v", c.compare, c.want, holds, err)
		}
	}
	if _, _, err := (Condition{Word: 1, Compare: Equal, Want: one}).Holds(chain.Answer{Data: word}); !errors.Is(err, contract.ErrNothing) {
		t.Error(err)
	}
	if _, _, err := (Condition{Compare: Equal, Want: one}).Holds(chain.Answer{Data: word, Err: chain.ErrReverted}); !errors.Is(err, chain.ErrReverted) {
		t.Error(err)
	}
}

func TestText(t *testing.T) {
	usdc := Token{Symbol: "USDC", Decimals: 6}
	for n, want := range map[int64]string{0: "0 USDC", 1: "0.000001 USDC", 1_500_000: "1.5 USDC", -2_000_000: "-2 USDC", 12_000_000_000: "12000 USDC"} {
		if got := usdc.Text(big.NewInt(n)); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	if got := (Token{Symbol: "GUSD"}).Text(big.NewInt(12)); got != "12 GUSD" {
		t.Error(got)
	}
}
