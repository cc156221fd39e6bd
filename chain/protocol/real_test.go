package protocol_test

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat/chain"
	"lifeboat/chain/protocol"
	"lifeboat/testbed"
)

// What is claimed of the contracts in the other tests is held against the contracts themselves here, on two nodes.

func reader(t *testing.T, bed *testbed.Bed) *chain.Chain {
	t.Helper()
	c, err := chain.New(chain.Config{ID: bed.ChainID.Uint64(), Nodes: []chain.Node{{URL: bed.URL}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func calls(plan protocol.Plan) (all []testbed.Call) {
	for _, c := range plan.Calls {
		all = append(all, testbed.Call{To: c.To, Value: c.Value, Data: c.Data})
	}
	return all
}

// holds asks the chain for everything that a plan promised.
func holds(t *testing.T, r chain.Reader, plan protocol.Plan) {
	t.Helper()
	queries := make([]chain.Query, len(plan.Must))
	for i, c := range plan.Must {
		queries[i] = c.Query
	}
	answers, _, err := r.Read(t.Context(), nil, queries)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range plan.Must {
		if ok, got, err := c.Holds(answers[i]); err != nil || !ok {
			t.Errorf("%s: %v, %v", c.Words, got, err)
		}
	}
	if len(plan.Must) == 0 {
		t.Error("the plan promises nothing")
	}
}

// broken wants a promise not to hold yet: a condition that is always true promises nothing.
func broken(t *testing.T, r chain.Reader, plan protocol.Plan, words string) {
	t.Helper()
	for _, c := range plan.Must {
		if !strings.Contains(c.Words, words) {
			continue
		}
		answers, _, err := r.Read(t.Context(), nil, []chain.Query{c.Query})
		if err != nil {
			t.Fatal(err)
		}
		if ok, got, err := c.Holds(answers[0]); ok || err != nil {
			t.Errorf("%s holds before anything is done: %v, %v", c.Words, got, err)
		}
		return
	}
	t.Errorf("the plan does not promise that %s", words)
}

func measure(t *testing.T, r chain.Reader, m protocol.Measurer, name string, account, market common.Address) float64 {
	t.Helper()
	all, err := m.Measures(t.Context(), r, nil, account)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		if one.Name == name && one.Market == market && (one.Account == account || one.Account == common.Address{}) {
			return one.Value
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}

func close4(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-4 {
		t.Errorf("%s is %.6f, want %.4f", what, got, want)
	}
}

func TestAaveSafeExitOnChain(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		safe, market, r := bed.Safe(bed.Accounts[1:4], 2), bed.Aave(), reader(t, bed)
		weth, usdc, pool := market.WETH, market.USDC, market.Pool
		aave := protocol.NewAave("Aave", pool.Address, nil)
		bed.Mint(weth, safe.Address, testbed.Ether(10))
		safe.Batch(
			weth.Do("approve", pool.Address, testbed.Max()),
			pool.Do("supply", weth.Address, testbed.Ether(10), safe.Address, uint16(0)),
			pool.Do("borrow", usdc.Address, testbed.Units(12_000, 6), testbed.VariableRate, uint16(0), safe.Address),
		)
		close4(t, "health", measure(t, r, aave, protocol.HealthFactor, safe.Address, common.Address{}), 1.3750)
		close4(t, "distance", measure(t, r, aave, protocol.LiquidationDistance, safe.Address, common.Address{}), 1-1/1.375)
		close4(t, "distance of WETH", measure(t, r, aave, protocol.LiquidationDistance, safe.Address, weth.Address), 1-1/1.375)
		close4(t, "utilisation", measure(t, r, aave, protocol.Utilisation, safe.Address, usdc.Address), 12.0/500)

		// The fall that the distance names is the one that liquidates.
		distance := measure(t, r, aave, protocol.LiquidationDistance, safe.Address, weth.Address)
		for _, c := range []struct {
			fall  float64
			below bool
		}{{distance - 0.001, false}, {distance + 0.001, true}} {
			market.PriceTo(weth, 2000*(1-c.fall))
			if below := market.Position(safe.Address).Health.Cmp(testbed.Ether(1)) < 0; below != c.below {
				t.Errorf("after a fall of %v the health factor is below 1: %v", c.fall, below)
			}
		}
		market.PriceTo(weth, 1500)
		close4(t, "health after the fall", measure(t, r, aave, protocol.HealthFactor, safe.Address, common.Address{}), 1.0312)

		bed.Mint(usdc, safe.Address, testbed.Units(500, 6)) // for the interest
		plan, err := aave.Exit(t.Context(), r, nil, safe.Address, protocol.Ask{Do: protocol.Repay}, protocol.Ask{Do: protocol.Withdraw})
		if err != nil {
			t.Fatal(err)
		}
		broken(t, r, plan, "no USDC is owed at the variable rate")
		broken(t, r, plan, " has at least 9.99")
		bed.Forward(24 * time.Hour) // while the owners sign, interest grows
		safe.Batch(calls(plan)...)
		if p := market.Position(safe.Address); p.Debt.Sign() != 0 || p.Collateral.Sign() != 0 {
			t.Errorf("after the exit %v is owed and %v is left", p.Debt, p.Collateral)
		}
		holds(t, r, plan)
		if left := bed.Number(usdc.Contract, "allowance", safe.Address, pool.Address); left.Sign() != 0 {
			t.Errorf("the pool may still take %v", left)
		}
		if positions, err := aave.Positions(t.Context(), r, nil, safe.Address); err != nil || len(positions) != 0 {
			t.Error(positions, err)
		}
	})
}

// A market in which nearly everything is lent out pays what it has, and the plan says so.
func TestAaveShortOfLiquidityOnChain(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		market, user, r := bed.Aave(), bed.Accounts[1], reader(t, bed)
		aave := protocol.NewAave("Aave", market.Pool.Address, nil, market.WETH.Address, market.USDC.Address)
		market.Supply(user, market.USDC, testbed.Units(100_000, 6))
		whale := bed.Whale()
		market.Supply(whale, market.WETH, testbed.Ether(900))
		market.Borrow(whale, market.USDC, testbed.Units(560_000, 6))
		close4(t, "cover", measure(t, r, aave, protocol.Cover, user.Address, market.USDC.Address), 0.4)
		plan, err := aave.Exit(t.Context(), r, nil, user.Address, protocol.Ask{Do: protocol.Withdraw})
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Notes) != 1 || !strings.Contains(plan.Notes[0], "40000 USDC can be withdrawn by anybody now") {
			t.Error(plan.Notes)
		}
		for _, call := range calls(plan) {
			bed.Act(user, call)
		}
		holds(t, r, plan)
		if got := bed.Balance(market.USDC, user.Address); got.Cmp(testbed.Units(39_200, 6)) != 0 {
			t.Errorf("%v came out", got)
		}
	})
}

// As much as the health factor permits, and not so much that the pool refuses.
func TestAaveWithdrawsToTheFloorOnChain(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		market, user, r := bed.Aave(), bed.Accounts[1], reader(t, bed)
		aave := protocol.NewAave("Aave", market.Pool.Address, nil)
		market.Supply(user, market.WETH, testbed.Ether(10))
		market.Borrow(user, market.USDC, testbed.Units(12_000, 6))
		plan, err := aave.Exit(t.Context(), r, nil, user.Address, protocol.Ask{Do: protocol.Repay, Token: market.USDC.Address, Amount: testbed.Units(2_000, 6)}, protocol.Ask{Do: protocol.Withdraw, MinHealth: decimal.RequireFromString("1.2")})
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range calls(plan) {
			bed.Act(user, call)
		}
		holds(t, r, plan)
		health, _ := new(big.Rat).SetFrac(market.Position(user.Address).Health, testbed.Ether(1)).Float64()
		if health < 1.2 || health > 1.205 {
			t.Errorf("the health factor is %v", health)
		}
	})
}

func TestFeedsOnChain(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		r, token := reader(t, bed), common.HexToAddress("0x01")
		feed := bed.Feed("ETH / USD", 1234.5)
		feeds := protocol.NewFeeds("prices", common.Address{}, protocol.Feed{Name: "ETH/USD", Address: feed.Address, Token: token, Heartbeat: time.Hour})
		quotes, err := feeds.Quotes(t.Context(), r, nil, token)
		if err != nil || len(quotes) != 1 || quotes[0].Doubt != "" || !quotes[0].Dollars.Equal(decimal.RequireFromString("1234.5")) {
			t.Fatal(quotes, err)
		}
		bed.Forward(2 * time.Hour)
		if stale := measure(t, r, feeds, protocol.OracleStale, common.Address{}, feed.Address); stale != 1 {
			t.Error("a feed that was silent for two hours is believed")
		}
		if age := measure(t, r, feeds, protocol.OracleAge, common.Address{}, feed.Address); age < 7200 || age > 7300 {
			t.Errorf("its age is %v", age)
		}
	})
}

// exchange is an exchange deep enough for ten ether, and an oracle that says what it says.
func exchange(bed *testbed.Bed, market *testbed.Aave) (*testbed.UniswapV2, *protocol.UniswapV2) {
	uniswap := bed.UniswapV2()
	uniswap.Add(bed.Whale(), testbed.Units(19_800_000, 6), testbed.Ether(9_900))
	oracle := protocol.NewFeeds("prices", common.Address{},
		protocol.Feed{Name: "ETH/USD", Address: market.Feeds["WETH"].Address, Token: market.WETH.Address, Heartbeat: time.Hour},
		protocol.Feed{Name: "USDC/USD", Address: market.Feeds["USDC"].Address, Token: market.USDC.Address, Heartbeat: time.Hour})
	return uniswap, protocol.NewUniswapV2("WETH/USDC", uniswap.Router.Address, uniswap.Pair.Address, oracle)
}

// A position that nothing at hand can repay is unwound out of its own collateral by a Safe, in one transaction.
func TestUnwindOnChain(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		safe, market, r := bed.Safe(bed.Accounts[1:4], 2), bed.Aave(), reader(t, bed)
		_, pair := exchange(bed, market)
		aave := protocol.NewAave("Aave", market.Pool.Address, pair)
		bed.Mint(market.WETH, safe.Address, testbed.Ether(10))
		safe.Batch(
			market.WETH.Do("approve", market.Pool.Address, testbed.Max()),
			market.Pool.Do("supply", market.WETH.Address, testbed.Ether(10), safe.Address, uint16(0)),
			market.Pool.Do("borrow", market.USDC.Address, testbed.Units(12_000, 6), testbed.VariableRate, uint16(0), safe.Address),
			market.USDC.Do("transfer", bed.Whale().Address, testbed.Units(12_000, 6)),
		)
		plan, err := aave.Exit(t.Context(), r, nil, safe.Address, protocol.Ask{Do: protocol.Unwind})
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Notes) > 0 {
			t.Error(plan.Notes)
		}
		broken(t, r, plan, "no USDC is owed at the variable rate")
		receipt := safe.Batch(calls(plan)...)
		t.Logf("%d calls, %d gas", len(plan.Calls), receipt.GasUsed)
		holds(t, r, plan)
		if p := market.Position(safe.Address); p.Debt.Sign() != 0 || p.Collateral.Sign() != 0 {
			t.Errorf("%v is owed and %v is left", p.Debt, p.Collateral)
		}
		// 12,000 dollars less 1 % at the worst were paid out of 20,000.
		if got := bed.Balance(market.WETH, safe.Address); got.Cmp(testbed.Units(385, 16)) < 0 {
			t.Errorf("%v wei of WETH came out", got)
		}
		for _, spender := range []common.Address{market.Pool.Address, soldTo(plan)} {
			if left := bed.Number(market.USDC.Contract, "allowance", safe.Address, spender); left.Sign() != 0 {
				t.Errorf("%s may still take %v", spender, left)
			}
		}
	})
}

// soldTo is whom the plan sold to.
func soldTo(plan protocol.Plan) (router common.Address) {
	for _, c := range plan.Calls {
		if strings.HasPrefix(c.Words, "sell ") {
			router = c.To
		}
	}
	return router
}

func TestUniswapOnChain(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		market, whale, user, r := bed.Aave(), bed.Whale(), bed.Accounts[1], reader(t, bed)
		small := bed.UniswapV2()
		if got := small.Quote(small.WETH, small.USDC, testbed.Ether(1)); got.Cmp(big.NewInt(1_974_316_068)) != 0 {
			t.Errorf("the pair itself pays %v", got)
		}
		uniswap, pair := exchange(bed, market)
		bed.Mint(market.WETH, user.Address, testbed.Ether(5))
		plan, err := pair.Exit(t.Context(), r, nil, user.Address, protocol.Ask{Do: protocol.Swap, Token: market.WETH.Address, Into: market.USDC.Address})
		if err != nil {
			t.Fatal(err)
		}
		want := uniswap.Quote(market.WETH, market.USDC, testbed.Ether(5))
		for _, call := range calls(plan) {
			bed.Act(user, call)
		}
		holds(t, r, plan)
		if got := bed.Balance(market.USDC, user.Address); got.Cmp(want) != 0 {
			t.Errorf("%v came out, and the pair said %v", got, want)
		}

		plan, err = pair.Exit(t.Context(), r, nil, whale.Address, protocol.Ask{Do: protocol.RemoveLiquidity})
		if err != nil {
			t.Fatal(err)
		}
		broken(t, r, plan, " has at least ")
		// Somebody pushes the pool before it is mined: the plan is refused rather than filled at his price.
		uniswap.Swap(bed.Accounts[2], market.WETH, market.USDC, testbed.Ether(1_000))
		var revert *testbed.Revert
		bed.Act(whale, calls(plan)[0])
		if _, err := bed.Try(whale.Address, calls(plan)[1]); !errors.As(err, &revert) || !strings.Contains(revert.Message, "INSUFFICIENT") {
			t.Errorf("at a pushed price: %v", err)
		}
		if _, err := pair.Exit(t.Context(), r, nil, whale.Address, protocol.Ask{Do: protocol.RemoveLiquidity}); err == nil || !strings.Contains(err.Error(), "away from the oracle's price") {
			t.Error(err)
		}
		if imbalance := measure(t, r, pair, protocol.Imbalance, common.Address{}, uniswap.Pair.Address); imbalance < 0.05 {
			t.Errorf("the pool is pushed and its imbalance is %v", imbalance)
		}
	})
}

func TestVaultOnChain(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		user, r := bed.Accounts[1], reader(t, bed)
		usdc := bed.USDC()
		vault := bed.Vault(usdc)
		v := protocol.NewVault("Savings", vault.Address)
		bed.Mint(usdc, user.Address, testbed.Units(1_000, 6))
		bed.Send(user, usdc.Contract, "approve", vault.Address, testbed.Max())
		bed.Send(user, vault.Contract, "deposit", testbed.Units(1_000, 6), user.Address)
		bed.Mint(usdc, vault.Address, testbed.Units(100, 6)) // earned
		close4(t, "share price", measure(t, r, v, protocol.SharePrice, common.Address{}, vault.Address), 1.1)
		positions, err := v.Positions(t.Context(), r, nil, user.Address)
		if err != nil || len(positions) != 1 || new(big.Int).Sub(testbed.Units(1_100, 6), positions[0].Under[0].Amount).CmpAbs(big.NewInt(2)) > 0 {
			t.Fatal(positions, err)
		}
		plan, err := v.Exit(t.Context(), r, nil, user.Address, protocol.Ask{Do: protocol.Withdraw})
		if err != nil {
			t.Fatal(err)
		}
		broken(t, r, plan, " has at least ")
		for _, call := range calls(plan) {
			bed.Act(user, call)
		}
		holds(t, r, plan)
	})
}
