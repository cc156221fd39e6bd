package protocol

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain/contract"
)

func number(text string) *big.Int {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		panic(text)
	}
	return n
}

// Values of Uniswap v3's own tests of TickMath: the ends of the range and its middle.
func TestRootAtTick(t *testing.T) {
	for tick, want := range map[int]string{
		-tickMax:     "4295128739",
		-tickMax + 1: "4295343490",
		0:            "79228162514264337593543950336",
		tickMax - 1:  "1461373636630004318706518188784493106690254656249",
		tickMax:      "1461446703485210103287273052203988822378723970342",
	} {
		got, err := rootAtTick(tick)
		if err != nil {
			t.Fatal(err)
		}
		// The contract computes in 128 bits and inverts for rising prices: the first 18 digits are the same, or all of a shorter
		// one but the last.
		difference := new(big.Int).Sub(got, number(want))
		if limit := new(big.Int).Add(new(big.Int).Quo(number(want), power(18)), one); difference.CmpAbs(limit) > 0 {
			t.Errorf("%d: %v, want %s", tick, got, want)
		}
	}
	for _, tick := range []int{tickMax + 1, -tickMax - 1, math.MaxInt, math.MinInt} {
		if _, err := rootAtTick(tick); err == nil {
			t.Errorf("there is a tick %d", tick)
		}
	}
	for tick := -887_000; tick < 887_000; tick += 12_345 {
		low, _ := rootAtTick(tick)
		high, _ := rootAtTick(tick + 1)
		if r := ratio(high, low); math.Abs(r*r-1.0001) > 1e-9 && low.BitLen() > 60 {
			t.Fatalf("from %d to the next the price changes by %v", tick, r*r)
		}
	}
}

// The worked example of the white paper's formula: from 4545 to 5500 at 5000, 1 ETH and 5000 USDC are liquidity 1517.88.
func TestLiquidityAmounts(t *testing.T) {
	root := func(price float64) *big.Int {
		r := new(big.Rat).SetFloat64(price)
		return rootOfPrice(r)
	}
	liquidity := number("1517882343751509868544")
	first, second := liquidityAmounts(liquidity, root(5000), root(4545), root(5500))
	near(t, "ETH", ratio(first, ether), 0.99897661834742528)
	near(t, "USDC", ratio(second, ether), 5000)
	first, second = liquidityAmounts(liquidity, root(4000), root(4545), root(5500))
	near(t, "ETH below", ratio(first, ether), 1517.882343751509868544*(1/math.Sqrt(4545)-1/math.Sqrt(5500)))
	if second.Sign() != 0 {
		t.Error(second)
	}
	first, second = liquidityAmounts(liquidity, root(6000), root(4545), root(5500))
	near(t, "USDC above", ratio(second, ether), 1517.882343751509868544*(math.Sqrt(5500)-math.Sqrt(4545)))
	if first.Sign() != 0 {
		t.Error(first)
	}
	if first, second = liquidityAmounts(liquidity, new(big.Int), new(big.Int), new(big.Int)); first.Sign() != 0 || second.Sign() != 0 {
		t.Error(first, second)
	}
}

// Growth of fees wraps around; a difference of two wrapped numbers is right all the same.
func TestFeesOwed(t *testing.T) {
	x128 := func(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), q128) }
	liquidity := big.NewInt(1000)
	wrapped := new(big.Int).Sub(q256, x128(5)) // 5 below zero
	for name, c := range map[string]struct {
		global, below, above, last *big.Int
		tick                       int
		want                       int64
	}{
		"inside":        {x128(10), x128(2), x128(3), x128(1), 0, 4000},
		"below":         {x128(10), x128(6), x128(3), x128(1), -200, 2000},
		"above":         {x128(10), x128(2), x128(7), x128(1), 200, 4000},
		"never touched": {x128(10), new(big.Int), new(big.Int), x128(10), 0, 0},
		"wrapped":       {x128(2), wrapped, new(big.Int), x128(1), 0, 6000},
	} {
		if got := feesOwed(liquidity, c.global, c.below, c.above, c.last, c.tick, -100, 100); got.Int64() != c.want {
			t.Errorf("%s: %v, want %d", name, got, c.want)
		}
	}
}

func FuzzTicks(f *testing.F) {
	f.Add(0, 1, uint64(1), []byte{1})
	f.Add(-tickMax, tickMax, uint64(1<<63), []byte{0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, lower, upper int, liquidity uint64, at []byte) {
		low, err := rootAtTick(lower)
		high, err2 := rootAtTick(upper)
		if err != nil || err2 != nil || lower >= upper || len(at) > 20 {
			return
		}
		first, second := liquidityAmounts(new(big.Int).SetUint64(liquidity), new(big.Int).SetBytes(at), low, high)
		if first.Sign() < 0 || second.Sign() < 0 {
			t.Fatal(first, second)
		}
	})
}

func TestUniswapV3(t *testing.T) {
	w, owner, manager, factory, pool := newWorld(t), at("owner"), at("manager"), at("factory"), at("pool")
	weth, usdc, m := w.token("WETH", 18), w.token("USDC", 6), contract.UniswapV3
	// WETH at 2000 USDC: the price of a base unit is 2e-9, and its tick −200,312.
	root := rootOfPrice(new(big.Rat).SetFrac64(2, 1_000_000_000))
	w.holds(manager, owner, big.NewInt(2))
	w.says(manager, m.Factory, nil, factory)
	w.says(manager, m.OwnedAt, []any{owner, new(big.Int)}, big.NewInt(7))
	w.says(manager, m.OwnedAt, []any{owner, one}, big.NewInt(8))
	fee, lower, upper := big.NewInt(3000), big.NewInt(-204_000), big.NewInt(-197_000)
	liquidity := amount(1, 16)
	w.says(manager, m.Position, []any{big.NewInt(7)}, one, manager, weth, usdc, fee, lower, upper, liquidity, new(big.Int), new(big.Int), new(big.Int), big.NewInt(5e6))
	w.says(manager, m.Position, []any{big.NewInt(8)}, one, manager, weth, usdc, fee, lower, upper, new(big.Int), new(big.Int), new(big.Int), new(big.Int), new(big.Int)) // empty
	w.says(factory, m.PoolOf, []any{weth, usdc, fee}, pool)
	lay := func(root *big.Int) {
		w.says(pool, m.Slot0, nil, root, big.NewInt(-200_312), uint16(0), uint16(1), uint16(1), uint8(0), true)
	}
	lay(root)
	w.says(pool, m.FeeGrowth0, nil, new(big.Int))
	w.says(pool, m.FeeGrowth1, nil, new(big.Int).Quo(new(big.Int).Mul(q128, big.NewInt(3e6)), liquidity)) // 3 USDC for all of it
	for _, tick := range []*big.Int{lower, upper} {
		w.says(pool, m.Tick, []any{tick}, one, one, new(big.Int), new(big.Int), new(big.Int), new(big.Int), uint32(0), true)
	}
	w.holds(weth, owner, new(big.Int))
	w.holds(usdc, owner, amount(100, 6))
	u := NewUniswapV3("Uniswap", common.Address{}, manager, dollars(map[common.Address]float64{weth: 2000, usdc: 1}))

	positions, err := u.Positions(t.Context(), w, nil, owner)
	if err != nil || len(positions) != 1 || positions[0].Token.Symbol != "WETH/USDC 0.3% #7" {
		t.Fatal(positions, err)
	}
	// By the formula, at 2000 between the prices of the two ticks.
	price := func(tick float64) float64 { return math.Pow(1.0001, tick/2) }
	p := math.Sqrt(2e-9)
	wantWETH, wantUSDC := 1e16*(1/p-1/price(-197_000))/1e18, 1e16*(p-price(-204_000))/1e6+5+3
	near(t, "WETH", ratio(positions[0].Under[0].Amount, ether), wantWETH)
	near(t, "USDC", ratio(positions[0].Under[1].Amount, power(6)), wantUSDC)
	all, err := u.Measures(t.Context(), w, nil, owner)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "price", find(t, all, Price, common.Address{}, pool), 2000)
	near(t, "in range", find(t, all, InRange, owner, pool), 1)

	// Two that share an adapter must not wait for each other.
	fresh := NewUniswapV3("Uniswap", common.Address{}, manager, nil)
	if found, _, failed, err := Discover(t.Context(), w, nil, []common.Address{owner, owner}, fresh); err != nil || len(failed) != 0 || len(found[owner]) != 2 {
		t.Error(found, failed, err)
	}

	plan, err := u.Exit(t.Context(), w, nil, owner, Ask{Do: RemoveLiquidity, ID: big.NewInt(7)})
	if err != nil || len(plan.Calls) != 2 || len(plan.Must) != 3 { // remove, collect
		t.Fatal(words(plan), err)
	}
	var least0, least1, until *big.Int
	if err := m.Decrease.Arguments(plan.Calls[0].Data, nil, nil, &least0, &least1, &until); err != nil {
		t.Fatal(err)
	}
	high, low := math.Sqrt(2e-9*1.01), math.Sqrt(2e-9*0.99)
	near(t, "least WETH", ratio(least0, ether), 1e16*(1/high-1/price(-197_000))/1e18)
	near(t, "least USDC", ratio(least1, power(6)), 1e16*(low-price(-204_000))/1e6)
	if until.Int64() != w.block.Time.Add(time.Hour).Unix() {
		t.Error(until)
	}
	plan, err = u.Exit(t.Context(), w, nil, owner, Ask{Do: Withdraw})
	if err != nil || len(plan.Calls) != 1 || !strings.Contains(words(plan), fmt.Sprintf("%s has at least 107.9999", owner)) {
		t.Error(words(plan), err)
	}
	lay(rootOfPrice(new(big.Rat).SetFrac64(22, 10_000_000_000))) // pushed to 2200
	if _, err := u.Exit(t.Context(), w, nil, owner, Ask{Do: RemoveLiquidity}); err == nil || !strings.Contains(err.Error(), "away from the oracle's price") {
		t.Error(err)
	}
}

func TestPoolPrice(t *testing.T) {
	w, pool := newWorld(t), at("pool")
	weth, usdc := Token{at("WETH"), "WETH", 18}, Token{at("USDC"), "USDC", 6}
	w.says(pool, contract.UniswapV3.Observe, []any{[]uint32{1800, 0}}, []*big.Int{big.NewInt(1_000_000), big.NewInt(1_000_000 - 200_312*1800)}, []*big.Int{one, one})
	price := PoolPrice{Name: "WETH/USDC 0.3%", Pool: pool, First: weth, Second: usdc, Span: 30 * time.Minute, OtherDollars: dollars(map[common.Address]float64{usdc.Address: 1, weth.Address: 2000})}
	quotes, err := price.Quotes(t.Context(), w, nil, weth.Address, usdc.Address)
	if err != nil || len(quotes) != 2 || quotes[0].Doubt == "" {
		t.Fatal(quotes, err)
	}
	near(t, "WETH", quotes[0].Dollars.InexactFloat64(), 1e12*math.Pow(1.0001, -200_312))
	near(t, "USDC", quotes[1].Dollars.InexactFloat64(), 2000/(1e12*math.Pow(1.0001, -200_312)))
	if _, err := (PoolPrice{Name: "x", Pool: at("none"), Span: time.Hour}).Quotes(t.Context(), w, nil, weth.Address); err == nil {
		t.Error("a pool that is none has a price")
	}
}

// Somebody gives the owner positions of a token of their own, which answers nothing. The owner's positions are read and left all the same.
func TestPositionsThatStrangersGive(t *testing.T) {
	w, owner, manager, factory, pool := newWorld(t), at("owner"), at("manager"), at("factory"), at("pool")
	weth, usdc, evil, m := w.token("WETH", 18), w.token("USDC", 6), at("a token that reverts"), contract.UniswapV3
	root := rootOfPrice(new(big.Rat).SetFrac64(2, 1_000_000_000))
	fee, lower, upper := big.NewInt(3000), big.NewInt(-204_000), big.NewInt(-197_000)
	w.holds(manager, owner, big.NewInt(3))
	w.says(manager, m.Factory, nil, factory)
	for i, tokens := range [][2]common.Address{{weth, usdc}, {evil, weth}, {evil, at("another one")}} {
		id := big.NewInt(int64(7 + i))
		w.says(manager, m.OwnedAt, []any{owner, big.NewInt(int64(i))}, id)
		w.says(manager, m.Position, []any{id}, one, manager, tokens[0], tokens[1], fee, lower, upper, amount(1, 16), new(big.Int), new(big.Int), new(big.Int), new(big.Int))
		w.says(factory, m.PoolOf, []any{tokens[0], tokens[1], fee}, pool)
	}
	w.says(pool, m.Slot0, nil, root, big.NewInt(-200_312), uint16(0), uint16(1), uint16(1), uint8(0), true)
	w.says(pool, m.FeeGrowth0, nil, new(big.Int))
	w.says(pool, m.FeeGrowth1, nil, new(big.Int))
	for _, tick := range []*big.Int{lower, upper} {
		w.says(pool, m.Tick, []any{tick}, one, one, new(big.Int), new(big.Int), new(big.Int), new(big.Int), uint32(0), true)
	}
	w.holds(weth, owner, new(big.Int))
	w.holds(usdc, owner, new(big.Int))
	prices := dollars(map[common.Address]float64{weth: 2000, usdc: 1})

	u := NewUniswapV3("Uniswap", common.Address{}, manager, prices, weth, usdc)
	positions, err := u.Positions(t.Context(), w, nil, owner)
	if err != nil || len(positions) != 2 || len(positions[0].Under) != 2 || len(positions[1].Under) != 1 || positions[1].Under[0].Token.Symbol != "WETH" {
		t.Fatal(positions, err)
	}
	if all, err := u.Measures(t.Context(), w, nil, owner); err != nil || find(t, all, InRange, owner, pool) != 1 {
		t.Error(all, err)
	}
	plan, err := u.Exit(t.Context(), w, nil, owner, Ask{Do: RemoveLiquidity})
	if err != nil || len(plan.Calls) != 2 || len(plan.Notes) != 1 || !strings.Contains(plan.Notes[0], evil.Hex()+"/WETH 0.3% #8 is left alone") {
		t.Error(words(plan), plan.Notes, err)
	}
	if _, err := u.Exit(t.Context(), w, nil, owner, Ask{Do: Withdraw, ID: big.NewInt(8)}); err == nil || errors.Is(err, ErrNothingToDo) {
		t.Errorf("to leave the stranger's alone: %v", err)
	}
	everything := NewUniswapV3("Uniswap", common.Address{}, manager, prices)
	if _, err := everything.Positions(t.Context(), w, nil, owner); err == nil {
		t.Error("a token that answers nothing was counted")
	}
}
