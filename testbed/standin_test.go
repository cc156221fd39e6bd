package testbed_test

import (
	"bytes"
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/testbed"
)

func TestUniswapV3(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		u, user := bed.UniswapV3(), bed.Accounts[1]
		u.Swap(user, u.WETH, u.USDC, testbed.Ether(1))
		// Over the whole range a pool pays as one of v2 does: 1974.316.
		if got := bed.Balance(u.USDC, user.Address).Int64(); got < 1_974_316_000 || got > 1_974_317_000 {
			t.Errorf("1 WETH was swapped for %d base units of USDC, want about 1974.316068", got)
		}
		position := u.Add(user, -60, 60, testbed.Units(1_000, 6), testbed.Ether(1))
		if owner := bed.Ask(u.Positions, "ownerOf", position)[0].(common.Address); owner != user.Address {
			t.Errorf("the position belongs to %v", owner)
		}
	})
}

func TestComet(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		c, user := bed.Comet(), bed.Accounts[1]
		c.Supply(user, c.WETH, testbed.Ether(1))
		too := c.Do("withdraw", c.USDC.Address, testbed.Units(1_651, 6)) // 82.5 % of 2,000 is 1,650
		wantRevert(t, bed, "borrow too much", user, too, c.ABI.Errors["NotCollateralized"].ID.Bytes()[:4])
		bed.Send(user, c.Contract, "withdraw", c.USDC.Address, testbed.Units(1_600, 6))
		for price, want := range map[float64]bool{1800: false, 1700: true} { // 89.5 % of 1,788 is 1,600
			c.PriceTo(c.WETH, price)
			if got := bed.Ask(c.Contract, "isLiquidatable", user.Address)[0].(bool); got != want {
				t.Errorf("at %v dollars liquidatable is %v", price, got)
			}
		}
		bed.Mint(c.USDC, user.Address, testbed.Units(1, 6))
		bed.Send(user, c.USDC.Contract, "approve", c.Address, testbed.Max())
		bed.Send(user, c.Contract, "supply", c.USDC.Address, testbed.Max())
		bed.Send(user, c.Contract, "withdraw", c.WETH.Address, testbed.Ether(1))
		if debt, left := bed.Number(c.Contract, "borrowBalanceOf", user.Address), bed.Balance(c.USDC, user.Address); debt.Sign() != 0 || left.Int64() != 1e6 {
			t.Errorf("after the exit %v of debt and %v base units of USDC are left", debt, left)
		}
	})
}

// TestLido goes from ether to stETH to wstETH, through a slashing, and back by way of the queue.
func TestLido(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		l, user := bed.Lido(), bed.Accounts[1]
		l.Stake(user, testbed.Ether(10))
		l.Wrap(user)
		l.Rebase(90)
		shares := bed.Balance(l.Wrapped, user.Address)
		if worth := bed.Number(l.Staked.Contract, "getPooledEthByShares", shares); worth.Cmp(testbed.Ether(9)) != 0 {
			t.Errorf("after a slashing of a tenth 10 staked ether are worth %v wei", worth)
		}
		bed.Send(user, l.Wrapped.Contract, "approve", l.Queue.Address, testbed.Max())
		bed.Send(user, l.Queue, "requestWithdrawalsWstETH", []*big.Int{shares}, user.Address)
		ids := bed.Ask(l.Queue, "getWithdrawalRequests", user.Address)[0].([]*big.Int)
		claim := func(hint int64) testbed.Call {
			return l.Queue.Do("claimWithdrawalsTo", ids, []*big.Int{big.NewInt(hint)}, common.Address{0xaa})
		}
		var revert *testbed.Revert
		if _, err := bed.Try(user.Address, claim(1)); !errors.As(err, &revert) || !bytes.HasPrefix(revert.Data, l.Queue.ABI.Errors["RequestNotFoundOrNotFinalized"].ID.Bytes()[:4]) {
			t.Errorf("claiming what is not paid yet: %v", err)
		}
		l.Finalise(ids[0], testbed.Ether(8))
		hint := bed.Ask(l.Queue, "findCheckpointHints", ids, big.NewInt(1), bed.Number(l.Queue, "getLastCheckpointIndex"))[0].([]*big.Int)[0]
		bed.Act(user, claim(hint.Int64()))
		got, err := bed.Client.BalanceAt(t.Context(), common.Address{0xaa}, nil)
		if short := new(big.Int).Sub(testbed.Ether(8), got); err != nil || short.Sign() < 0 || short.Cmp(big.NewInt(100)) > 0 {
			t.Errorf("the queue paid %v wei (%v), want 8 ether", got, err)
		}
	})
}
