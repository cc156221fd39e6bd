package protocol

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat/chain/contract"
)

func (w *world) pair(pair, first, second common.Address, x, y, supply *big.Int) {
	w.says(pair, contract.UniswapV2.Token0, nil, first)
	w.says(pair, contract.UniswapV2.Token1, nil, second)
	w.says(pair, contract.UniswapV2.Reserves, nil, x, y, uint32(0))
	w.says(pair, contract.UniswapV2.TotalSupply, nil, supply)
}

func dollars(prices map[common.Address]float64) Said {
	var said Said
	for token, price := range prices {
		said = append(said, Quote{Token: token, Dollars: decimal.NewFromFloat(price), Source: "desk"})
	}
	return said
}

// The figure of the contract itself: 1 WETH into 200,000 USDC and 100 WETH brings 1,974.316 USDC.
func TestPairPays(t *testing.T) {
	if got := pairPays(amount(1, 18), amount(100, 18), amount(200_000, 6)); got.String() != "1974316068" {
		t.Error(got)
	}
	if got := pairPays(new(big.Int), new(big.Int), one); got.Sign() != 0 {
		t.Error(got)
	}
}

func TestUniswapV2(t *testing.T) {
	w, owner := newWorld(t), at("owner")
	weth, usdc, pair, router := w.token("WETH", 18), w.token("USDC", 6), at("pair"), at("router")
	w.holds(pair, owner, amount(1, 18))
	w.allows(pair, owner, router, new(big.Int))
	w.holds(weth, owner, amount(3, 18))
	w.holds(usdc, owner, amount(5, 6))
	w.allows(weth, owner, router, new(big.Int))
	fair := dollars(map[common.Address]float64{weth: 2000, usdc: 1})
	u := NewUniswapV2("WETH/USDC", router, pair, fair)
	w.pair(pair, weth, usdc, amount(100, 18), amount(200_000, 6), amount(4, 18))

	positions, err := u.Positions(t.Context(), w, nil, owner)
	if err != nil || len(positions) != 1 || positions[0].Under[0].Amount.Cmp(amount(25, 18)) != 0 || positions[0].Under[1].Amount.Cmp(amount(50_000, 6)) != 0 {
		t.Fatal(positions, err)
	}
	all, err := u.Measures(t.Context(), w, nil, owner)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "share", find(t, all, PoolShare, owner, pair), 0.25)
	near(t, "price", find(t, all, Price, common.Address{}, pair), 2000)
	near(t, "imbalance", find(t, all, Imbalance, common.Address{}, pair), 0)

	plan, err := u.Exit(t.Context(), w, nil, owner, Ask{Do: RemoveLiquidity})
	if err != nil {
		t.Fatal(err)
	}
	if got := words(plan); !strings.HasPrefix(got, "let WETH/USDC take up to 1 WETH/USDC share\ngive 1 WETH/USDC share back for at least 24.8") || len(plan.Must) != 2 {
		t.Error(got)
	}
	// At the oracle's price the bounds are √(1/1.01) and √0.99 of what the share holds.
	var least0, least1, until *big.Int
	if err := contract.UniswapV2.RemoveLiquidity.Arguments(plan.Calls[1].Data, nil, nil, nil, &least0, &least1, nil, &until); err != nil {
		t.Fatal(err)
	}
	near(t, "least WETH", ratio(least0, amount(25, 18)), math.Sqrt(1/1.01))
	near(t, "least USDC", ratio(least1, amount(50_000, 6)), math.Sqrt(0.99))
	if until.Int64() != w.block.Time.Add(time.Hour).Unix() {
		t.Error(until)
	}

	plan, err = u.Exit(t.Context(), w, nil, owner, Ask{Do: Swap, Token: weth, Into: usdc, Amount: amount(0.1, 18)})
	if err != nil || !strings.Contains(words(plan), "sell 0.1 WETH for at least 198 USDC") || !strings.Contains(words(plan), "has at least 203 USDC") {
		t.Fatal(words(plan), err)
	}
	for want, ask := range map[string]Ask{
		"the pool pays 1974.316068 USDC for 1 WETH, and by the oracle's price it has to be at least 1980 USDC": {Do: Swap, Token: weth, Into: usdc, Amount: amount(1, 18)},
		"4 WETH is to be sold and there is 3 WETH":                                                             {Do: Swap, Token: weth, Into: usdc, Amount: amount(4, 18)},
		"the pair trades WETH and USDC":                                                                        {Do: Swap, Token: weth, Into: at("DAI")},
		"it cannot repay":                                                                                      {Do: Repay},
		"is not between 0 and 0.5":                                                                             {Do: Swap, Slippage: decimal.NewFromInt(1)},
	} {
		if ask.Into == at("DAI") {
			w.holds(ask.Into, owner, new(big.Int))
		}
		if _, err := u.Exit(t.Context(), w, nil, owner, ask); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Whoever pushes the pool must not be able to make us leave at his price.
func TestAPushedPoolIsLeftAlone(t *testing.T) {
	w, owner := newWorld(t), at("owner")
	weth, usdc, pair, router := w.token("WETH", 18), w.token("USDC", 6), at("pair"), at("router")
	for _, token := range []common.Address{pair, weth, usdc} {
		w.holds(token, owner, amount(1, 18))
		w.allows(token, owner, router, new(big.Int))
	}
	u := NewUniswapV2("WETH/USDC", router, pair, dollars(map[common.Address]float64{weth: 2000, usdc: 1}))
	for _, c := range []struct {
		x, y float64
		ok   bool
	}{{100, 200_000, true}, {100.4, 199_203.2, true}, {200, 100_000, false}, {50, 400_000, false}} {
		w.pair(pair, weth, usdc, amount(c.x, 18), amount(c.y, 6), amount(4, 18))
		_, err := u.Exit(t.Context(), w, nil, owner, Ask{Do: RemoveLiquidity})
		if (err == nil) != c.ok {
			t.Errorf("%v/%v: %v", c.x, c.y, err)
		}
		if err != nil && !strings.Contains(err.Error(), "away from the oracle's price") {
			t.Error(err)
		}
	}
}

func TestUnwind(t *testing.T) {
	lay := func(t *testing.T) (*aaveWorld, *Aave) {
		a := newAaveWorld(t)
		pair, router := at("pair"), at("router")
		a.allows(a.weth, a.owner, router, new(big.Int))
		a.pair(pair, a.weth, a.usdc, amount(10_000, 18), amount(20_000_000, 6), amount(1, 18))
		oracle := dollars(map[common.Address]float64{a.weth: 2000, a.usdc: 1})
		return a, NewAave("Aave", a.pool, NewUniswapV2("WETH/USDC", router, pair, oracle))
	}
	t.Run("in rounds", func(t *testing.T) {
		a, market := lay(t)
		plan, err := market.Exit(t.Context(), a.lay(), nil, a.owner, Ask{Do: Unwind})
		if err != nil {
			t.Fatal(err)
		}
		if err := replay(a, plan); err != nil {
			t.Error(err)
		}
		if sold := strings.Count(words(plan), "sell "); sold < 2 || sold > 4 {
			t.Errorf("it takes %d sales:\n%s", sold, words(plan))
		}
		if !strings.Contains(words(plan), "repay all that is owed of USDC") || !strings.Contains(words(plan), "withdraw all WETH") || !strings.HasSuffix(words(plan), "notes:") {
			t.Error(words(plan))
		}
	})
	t.Run("the same asset on both sides needs no market", func(t *testing.T) {
		a, market := lay(t)
		a.supply[a.usdc], a.available[a.usdc] = amount(13_000, 6), new(big.Int)
		plan, err := market.Exit(t.Context(), a.lay(), nil, a.owner, Ask{Do: Unwind, Token: a.weth})
		if err != nil || !strings.HasPrefix(words(plan), "set 12000 USDC that is owed off against what was supplied\nwithdraw all WETH, now 10 WETH\n") {
			t.Error(words(plan), err)
		}
	})
	t.Run("too close to liquidation", func(t *testing.T) {
		a, market := lay(t)
		a.price[a.weth] = 1500
		if _, err := market.Exit(t.Context(), a.lay(), nil, a.owner, Ask{Do: Unwind}); err == nil || !strings.Contains(err.Error(), "no collateral can leave while 12000 USDC is owed") {
			t.Error(err)
		}
	})
	t.Run("a thin market ends in a note", func(t *testing.T) {
		a, market := lay(t)
		a.available[a.weth] = amount(2, 18)
		plan, err := market.Exit(t.Context(), a.lay(), nil, a.owner, Ask{Do: Unwind})
		if err != nil || !strings.Contains(words(plan), "One batch cannot finish this") {
			t.Error(words(plan), err)
		}
		if err := replay(a, plan); err != nil {
			t.Error(err)
		}
	})
}

// replay carries a plan out by the market's rules, at the least that each sale brings, and fails where the market would.
func replay(a *aaveWorld, plan Plan) error {
	supply, debt, wallet, spare := new(big.Int).Set(a.supply[a.weth]), new(big.Int).Set(a.variable[a.usdc]), map[common.Address]*big.Int{a.weth: new(big.Int), a.usdc: new(big.Int)}, new(big.Int).Set(a.available[a.weth])
	for _, call := range plan.Calls {
		var asset common.Address
		var n, least *big.Int
		switch {
		case contract.AavePool.Withdraw.Arguments(call.Data, &asset, &n) == nil:
			n = smaller(n, supply)
			supply.Sub(supply, n)
			wallet[asset].Add(wallet[asset], n)
			if spare.Sub(spare, n).Sign() < 0 {
				return fmt.Errorf("%s: the market has too little", call.Words)
			}
			if debt.Sign() > 0 && ratio(supply, ether)*2000*0.825/(ratio(debt, power(6))) < 1.05 {
				return fmt.Errorf("%s: the health factor falls too low", call.Words)
			}
		case contract.AavePool.Repay.Arguments(call.Data, &asset, &n) == nil:
			n = smaller(n, debt)
			debt.Sub(debt, n)
			if wallet[asset].Sub(wallet[asset], n).Sign() < 0 {
				return fmt.Errorf("%s: the wallet has too little", call.Words)
			}
		case contract.UniswapV2.SwapExact.Arguments(call.Data, &n, &least) == nil:
			if wallet[a.weth].Sub(wallet[a.weth], n).Sign() < 0 {
				return fmt.Errorf("%s: the wallet has too little", call.Words)
			}
			wallet[a.usdc].Add(wallet[a.usdc], least)
		}
	}
	return nil
}
