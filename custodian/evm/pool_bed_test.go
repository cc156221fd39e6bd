package evm

import (
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat/chain/protocol"
	"lifeboat/testbed"
)

// in a pool of WETH and USDC on a chain of the bed, as the plan would have it.
func in(t *testing.T, bed *testbed.Bed, who testbed.Account, weth, usdc testbed.Token, adapter protocol.Adapter, contract common.Address) *Source {
	t.Helper()
	return open(t, Options{Name: "Testnet", Chain: over(t, bed), Account: "pool", Address: who.Address, Protocol: adapter, Contract: contract,
		Tokens: map[common.Address]string{weth.Address: "WETH", usdc.Address: "USDC"}})
}

// stated are the lines of WETH and USDC.
func stated(t *testing.T, s *Source) (weth, usdc decimal.Decimal, share string) {
	t.Helper()
	a, b := line(t, s, "WETH"), line(t, s, "USDC")
	if a.Share == "" || a.Share != b.Share || a.Accrues || !a.Free.Equal(a.Quantity) || !b.Free.Equal(b.Quantity) {
		t.Fatalf("they are %+v and %+v", a, b)
	}
	return a.Quantity, b.Quantity, a.Share
}

// paid runs what takes everything out, and wants it to bring what was stated, to the base units that the contracts round.
func paid(t *testing.T, bed *testbed.Bed, who testbed.Account, s *Source, weth, usdc testbed.Token, everything func()) {
	t.Helper()
	statedWETH, statedUSDC, _ := stated(t, s)
	had := map[testbed.Token]*big.Int{weth: bed.Balance(weth, who.Address), usdc: bed.Balance(usdc, who.Address)}
	everything()
	for token, stated := range map[testbed.Token]decimal.Decimal{weth: statedWETH.Shift(18), usdc: statedUSDC.Shift(6)} {
		came := new(big.Int).Sub(bed.Balance(token, who.Address), had[token])
		if off := new(big.Int).Sub(came, stated.BigInt()); off.CmpAbs(big.NewInt(2)) > 0 || came.Sign() == 0 {
			t.Errorf("%s was stated and %s was paid out", stated, came)
		}
	}
	if h, err := s.Holdings(t.Context()); err != nil || len(h.Lines) != 0 {
		t.Errorf("after everything was removed there are %s, %v", told(h), err)
	}
}

// A share of a pair of Uniswap v2 is what the pair pays out for it, and another share only when its owner makes it one.
func TestAShareOfAPairOnChain(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		u, me := bed.UniswapV2(), bed.Accounts[1]
		u.Add(me, testbed.Units(20_000, 6), testbed.Ether(10))
		s := in(t, bed, me, u.WETH, u.USDC, protocol.NewUniswapV2("Pair", u.Router.Address, u.Pair.Address, nil), u.Pair.Address)
		weth, _, share := stated(t, s)
		if weth.Sub(n("10")).Abs().GreaterThan(n("0.000001")) {
			t.Errorf("of ten WETH there are %s", weth)
		}
		u.Swap(bed.Accounts[2], u.WETH, u.USDC, testbed.Ether(30))
		traded, _, same := stated(t, s)
		if same != share || !traded.GreaterThan(n("12")) {
			t.Errorf("after a trade there are %s WETH by share %s, which was %s", traded, same, share)
		}
		if transfers, err := s.Transfers(t.Context(), 5); err != nil || len(transfers) != 2 || !transfers[0].Amount.IsPositive() {
			t.Errorf("into the pair went %+v, %v", transfers, err)
		}
		half := bed.Number(u.Pair, "balanceOf", me.Address)
		half.Rsh(half, 1)
		bed.Send(me, u.Pair, "approve", u.Router.Address, testbed.Max())
		remove := func(shares *big.Int) {
			bed.Send(me, u.Router, "removeLiquidity", u.USDC.Address, u.WETH.Address, shares, new(big.Int), new(big.Int), me.Address, new(big.Int).Lsh(big.NewInt(1), 40))
		}
		remove(half)
		if left, _, other := stated(t, s); other == share || !left.Sub(traded.Div(n("2"))).Abs().LessThan(n("0.000001")) {
			t.Errorf("of %s WETH half was removed, and there are %s by share %s", traded, left, other)
		}
		paid(t, bed, me, s, u.WETH, u.USDC, func() { remove(bed.Number(u.Pair, "balanceOf", me.Address)) })
	})
}

// Positions of Uniswap v3 are what the pool pays out for them, with the fees; what strangers give is nothing.
func TestPositionsInRangesOnChain(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		u, me := bed.UniswapV3(), bed.Accounts[1]
		tick := bed.Ask(u.Pool, "slot0")[1].(*big.Int).Int64() / 60 * 60
		narrow := u.Add(me, tick-600, tick+600, testbed.Units(20_000, 6), testbed.Ether(10))
		whole := u.Add(me, testbed.LowestTick, testbed.HighestTick, testbed.Units(2_000, 6), testbed.Ether(1))
		adapter := protocol.NewUniswapV3("Ranges", u.Router.Address, u.Positions.Address, nil, u.WETH.Address, u.USDC.Address)
		s := in(t, bed, me, u.WETH, u.USDC, adapter, u.Positions.Address)
		weth, _, share := stated(t, s)
		if weth.GreaterThan(n("11")) || weth.LessThan(n("9")) {
			t.Errorf("of eleven WETH there are %s", weth)
		}

		// Trades there and back leave fees, and out of the range of one position there is only one of its tokens in it.
		u.Swap(bed.Accounts[2], u.WETH, u.USDC, testbed.Ether(5))
		u.Swap(bed.Accounts[2], u.USDC, u.WETH, testbed.Units(9_000, 6))
		u.Swap(bed.Accounts[2], u.USDC, u.WETH, testbed.Units(90_000, 6))
		traded, _, same := stated(t, s)
		if same != share || !traded.LessThan(n("2")) {
			t.Errorf("after trades there are %s WETH by share %s, which was %s", traded, same, share)
		}
		if transfers, err := s.Transfers(t.Context(), 5); err != nil || len(transfers) != 4 || !transfers[0].Amount.IsPositive() {
			t.Errorf("into the pool went %+v, %v", transfers, err)
		}

		out := func(id *big.Int) { u.Remove(me, id, u.Liquidity(id)) }
		collect := func(id *big.Int) { u.Collect(me, id, me.Address) }
		collect(narrow) // which is an act on the position, though its liquidity is what it was
		_, _, collected := stated(t, s)
		if collected == share {
			t.Error("the fees were taken, and the share is the same")
		}
		out(narrow) // and now it is owed, and not liquidity
		if left, _, owed := stated(t, s); owed == collected || left.GreaterThan(traded) {
			t.Errorf("what is owed makes %s WETH by share %s", left, owed)
		}
		paid(t, bed, me, s, u.WETH, u.USDC, func() {
			collect(narrow)
			out(whole)
			collect(whole)
		})
	})
}

// Out of its range a position is one token alone; the other is still a line, of nothing, so that nobody takes it for stolen. And a
// position of tokens that the plan does not name changes nothing, whatever those tokens say.
func TestARangeThatThePriceHasLeftOnChain(t *testing.T) {
	bed := testbed.Start(t, testbed.Anvil)
	u, me := bed.UniswapV3(), bed.Accounts[1]
	tick := bed.Ask(u.Pool, "slot0")[1].(*big.Int).Int64() / 60 * 60
	u.Add(me, tick+600, tick+1200, testbed.Units(20_000, 6), testbed.Ether(10))
	both := protocol.NewUniswapV3("Ranges", u.Router.Address, u.Positions.Address, nil, u.WETH.Address, u.USDC.Address)
	weth, usdc, _ := stated(t, in(t, bed, me, u.WETH, u.USDC, both, u.Positions.Address))
	if !weth.IsZero() && !usdc.IsZero() || weth.Equal(usdc) {
		t.Errorf("there are %s WETH and %s USDC", weth, usdc)
	}
	one := protocol.NewUniswapV3("Ranges", u.Router.Address, u.Positions.Address, nil, u.WETH.Address)
	s := open(t, Options{Name: "Testnet", Chain: over(t, bed), Account: "pool", Address: me.Address, Protocol: one, Contract: u.Positions.Address,
		Tokens: map[common.Address]string{u.WETH.Address: "WETH"}})
	if h, err := s.Holdings(t.Context()); err != nil || len(h.Lines) != 1 || !h.Lines[0].Quantity.Equal(weth) {
		t.Errorf("by the plan that names one token there are %s, %v", told(h), err)
	}
	none := protocol.NewUniswapV3("Ranges", u.Router.Address, u.Positions.Address, nil, bed.Accounts[5].Address)
	if positions, err := none.Positions(t.Context(), over(t, bed), nil, me.Address); err != nil || len(positions) != 0 {
		t.Errorf("where neither token matters there are %v, %v", positions, err)
	}
	gone := protocol.NewUniswapV3("Ranges", u.Router.Address, u.Positions.Address, protocol.Said{}, u.WETH.Address)
	if _, err := gone.Exit(t.Context(), over(t, bed), nil, me.Address, protocol.Ask{Do: protocol.RemoveLiquidity}); err == nil || !strings.Contains(err.Error(), "does not name both of its tokens") {
		t.Errorf("to leave a position of which one token is a stranger's: %v", err)
	}
}
