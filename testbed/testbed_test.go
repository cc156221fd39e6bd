package testbed_test

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"lifeboat/testbed"
)

// TestTheMarketLives plays the life of a position that a Safe holds: supplied, borrowed against, brought near its end by a fall of the
// price, and left in one transaction.
func TestTheMarketLives(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		safe := bed.Safe(bed.Accounts[1:4], 2)
		market := bed.Aave()
		weth, usdc, pool := market.WETH, market.USDC, market.Pool

		bed.Mint(weth, safe.Address, testbed.Ether(10))
		safe.Batch(
			weth.Do("approve", pool.Address, testbed.Max()),
			pool.Do("supply", weth.Address, testbed.Ether(10), safe.Address, uint16(0)),
			pool.Do("borrow", usdc.Address, testbed.Units(12_000, 6), testbed.VariableRate, uint16(0), safe.Address),
		)
		wantHealth(t, market, safe.Contract, "1.3750")

		market.PriceTo(weth, 1500)
		wantHealth(t, market, safe.Contract, "1.0312")

		exit := []testbed.Call{
			usdc.Do("approve", pool.Address, testbed.Max()),
			pool.Do("repay", usdc.Address, testbed.Max(), testbed.VariableRate, safe.Address),
			pool.Do("withdraw", weth.Address, testbed.Max(), safe.Address),
		}
		bed.Mint(usdc, safe.Address, testbed.Units(100, 6)) // for the interest of the seconds in between
		stale := safe.Signed(safe.Pack(exit...), testbed.OperationDelegateCall, safe.Nonce(), safe.Owners[:2]...)
		safe.Batch(exit...)
		if p := market.Position(safe.Address); p.Debt.Sign() != 0 || p.Collateral.Sign() != 0 {
			t.Errorf("after the exit the Safe has %v of debt and %v of collateral", p.Debt, p.Collateral)
		}
		if got := bed.Balance(weth, safe.Address); got.Cmp(testbed.Ether(10)) < 0 {
			t.Errorf("the Safe got %v wei of WETH back, not all 10", got)
		}

		var revert *testbed.Revert
		if _, err := bed.Try(bed.Admin().Address, stale); !errors.As(err, &revert) || !strings.Contains(revert.Message, "GS026") {
			t.Errorf("signatures of a nonce that is used: %v, want GS026", err)
		}
	})
}

func TestLiquidation(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		market, user := bed.Aave(), bed.Accounts[1]
		market.Supply(user, market.WETH, testbed.Ether(1))
		market.Borrow(user, market.USDC, testbed.Units(1_500, 6))
		market.PriceTo(market.WETH, 1700)
		wantHealth(t, market, testbed.Contract{Address: user.Address}, "0.9350")
		market.Liquidate(user.Address, market.WETH, market.USDC, testbed.Units(700, 6))
		if health := market.Position(user.Address).Health; health.Cmp(testbed.Units(935, 15)) <= 0 {
			t.Errorf("the health factor is %v after a liquidation", health)
		}
	})
}

// wantHealth compares the first digits of a health factor: the rest depends on the seconds of interest.
func wantHealth(t *testing.T, market *testbed.Aave, of testbed.Contract, want string) {
	t.Helper()
	health := market.Position(of.Address).Health
	got := new(big.Rat).SetFrac(health, testbed.Ether(1)).FloatString(6)
	// A second of interest may take a health factor just below the round figure.
	near := new(big.Rat).SetFrac(new(big.Int).Add(health, big.NewInt(1e13)), testbed.Ether(1)).FloatString(6)
	if !strings.HasPrefix(got, want) && !strings.HasPrefix(near, want) {
		t.Errorf("the health factor is %s, want %s", got, want)
	}
}
