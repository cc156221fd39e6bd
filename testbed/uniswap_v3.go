package testbed

import (
	"bytes"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// UniswapV3 is an exchange of Uniswap v3 with one pool of 0.3 %, in which the whale has put 200,000 USDC and 100 WETH over the whole
// range of prices.
type UniswapV3 struct {
	Factory, Positions, Router, Pool Contract // the router is the first of the two, SwapRouter
	WETH, USDC                       Token

	b *Bed
}

const (
	// FeeV3 of the pool, in millionths.
	FeeV3 = 3000
	// The whole range of ticks that a pool of this fee has.
	LowestTick, HighestTick = -887220, 887220
)

// UniswapV3 is a new exchange.
func (b *Bed) UniswapV3() *UniswapV3 {
	b.t.Helper()
	const core, periphery = "@uniswap/v3-core/artifacts/contracts/", "@uniswap/v3-periphery/artifacts/contracts/"
	u := &UniswapV3{b: b, WETH: b.WETH(), USDC: b.USDC()}
	u.Factory = b.Deploy(core + "UniswapV3Factory.sol/UniswapV3Factory.json")
	u.Router = b.Deploy(periphery+"SwapRouter.sol/SwapRouter.json", u.Factory.Address, u.WETH.Address)
	u.Positions = b.Deploy(periphery+"NonfungiblePositionManager.sol/NonfungiblePositionManager.json", u.Factory.Address, u.WETH.Address, common.Address{})
	u.Pool = u.Open(FeeV3, Units(200_000, 6), Ether(100))
	return u
}

// Open a pool of another fee, at the price at which the whale puts so much in over the whole range.
func (u *UniswapV3) Open(fee int64, usdc, weth *big.Int) (pool Contract) {
	b := u.b
	b.t.Helper()
	token0, token1, amount0, amount1 := u.sorted(usdc, weth)
	// The root of the price of the first token in the second, in 96 binary places.
	root := new(big.Int).Lsh(amount1, 192)
	root.Sqrt(root.Div(root, amount0))
	b.Send(b.Whale(), u.Positions, "createAndInitializePoolIfNecessary", token0, token1, big.NewInt(fee), root)
	pool = Contract{b.Ask(u.Factory, "getPool", token0, token1, big.NewInt(fee))[0].(common.Address), b.artifact("@uniswap/v3-core/artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json").ABI}
	spacing := b.Ask(pool, "tickSpacing")[0].(*big.Int).Int64()
	u.AddAt(fee, b.Whale(), LowestTick/spacing*spacing, HighestTick/spacing*spacing, usdc, weth)
	return pool
}

// SecondRouter is SwapRouter02, whose swaps have no deadline of their own.
func (u *UniswapV3) SecondRouter() Contract {
	u.b.t.Helper()
	return u.b.Deploy("@uniswap/swap-router-contracts/artifacts/contracts/SwapRouter02.sol/SwapRouter02.json", common.Address{}, u.Factory.Address, u.Positions.Address, u.WETH.Address)
}

// Quoter is QuoterV2, which says what a pool pays.
func (u *UniswapV3) Quoter() Contract {
	u.b.t.Helper()
	return u.b.Deploy("@uniswap/v3-periphery/artifacts/contracts/lens/QuoterV2.sol/QuoterV2.json", u.Factory.Address, u.WETH.Address)
}

// sorted are the pool's tokens and the amounts of them in the order in which the pool has them: by address.
func (u *UniswapV3) sorted(usdc, weth *big.Int) (token0, token1 common.Address, amount0, amount1 *big.Int) {
	if bytes.Compare(u.USDC.Address[:], u.WETH.Address[:]) < 0 {
		return u.USDC.Address, u.WETH.Address, usdc, weth
	}
	return u.WETH.Address, u.USDC.Address, weth, usdc
}

// Add mints what an account puts into the pool between two ticks, and puts at most that there. The position that it gets for it is a
// token of its own.
func (u *UniswapV3) Add(who Account, lower, upper int64, usdc, weth *big.Int) (position *big.Int) {
	u.b.t.Helper()
	return u.AddAt(FeeV3, who, lower, upper, usdc, weth)
}

// AddAt is the same in the pool of another fee.
func (u *UniswapV3) AddAt(fee int64, who Account, lower, upper int64, usdc, weth *big.Int) (position *big.Int) {
	b := u.b
	b.t.Helper()
	u.provide(who, usdc, weth)
	token0, token1, amount0, amount1 := u.sorted(usdc, weth)
	r := b.Send(who, u.Positions, "mint", struct {
		Token0, Token1                                         common.Address
		Fee, TickLower, TickUpper                              *big.Int
		Amount0Desired, Amount1Desired, Amount0Min, Amount1Min *big.Int
		Recipient                                              common.Address
		Deadline                                               *big.Int
	}{token0, token1, big.NewInt(fee), big.NewInt(lower), big.NewInt(upper), amount0, amount1, new(big.Int), new(big.Int), who.Address, farFuture})
	made, _ := u.Positions.Event(r, "IncreaseLiquidity")
	if made == nil {
		b.t.Fatal("no position was made")
	}
	return made.Topics[1].Big()
}

// Increase adds to a position, whoever's it is, as anybody can.
func (u *UniswapV3) Increase(who Account, position, usdc, weth *big.Int) {
	u.b.t.Helper()
	u.provide(who, usdc, weth)
	_, _, amount0, amount1 := u.sorted(usdc, weth)
	u.b.Send(who, u.Positions, "increaseLiquidity", struct {
		TokenID                                                          *big.Int `abi:"tokenId"`
		Amount0Desired, Amount1Desired, Amount0Min, Amount1Min, Deadline *big.Int
	}{position, amount0, amount1, new(big.Int), new(big.Int), farFuture})
}

// provide mints what an account is to give, and lets the positions take it.
func (u *UniswapV3) provide(who Account, usdc, weth *big.Int) {
	u.b.t.Helper()
	u.b.Mint(u.USDC, who.Address, usdc)
	u.b.Mint(u.WETH, who.Address, weth)
	u.b.Send(who, u.USDC.Contract, "approve", u.Positions.Address, usdc)
	u.b.Send(who, u.WETH.Contract, "approve", u.Positions.Address, weth)
}

// Swap mints what an account pays, and swaps it.
func (u *UniswapV3) Swap(who Account, from, to Token, amount *big.Int) *types.Receipt {
	u.b.t.Helper()
	return u.SwapAt(FeeV3, who, from, to, amount)
}

// SwapAt is the same in the pool of another fee.
func (u *UniswapV3) SwapAt(fee int64, who Account, from, to Token, amount *big.Int) *types.Receipt {
	b := u.b
	b.t.Helper()
	b.Mint(from, who.Address, amount)
	b.Send(who, from.Contract, "approve", u.Router.Address, amount)
	return b.Send(who, u.Router, "exactInputSingle", struct {
		TokenIn, TokenOut                                       common.Address
		Fee                                                     *big.Int
		Recipient                                               common.Address
		Deadline, AmountIn, AmountOutMinimum, SqrtPriceLimitX96 *big.Int
	}{from.Address, to.Address, big.NewInt(fee), who.Address, farFuture, amount, new(big.Int), new(big.Int)})
}

// Liquidity of a position.
func (u *UniswapV3) Liquidity(position *big.Int) *big.Int {
	u.b.t.Helper()
	return u.b.Ask(u.Positions, "positions", position)[7].(*big.Int)
}

// Remove takes so much liquidity out of a position, which owes what that was worth until it is collected.
func (u *UniswapV3) Remove(who Account, position, liquidity *big.Int) *types.Receipt {
	u.b.t.Helper()
	return u.b.Send(who, u.Positions, "decreaseLiquidity", struct {
		TokenID                                     *big.Int `abi:"tokenId"`
		Liquidity, Amount0Min, Amount1Min, Deadline *big.Int
	}{position, liquidity, new(big.Int), new(big.Int), farFuture})
}

// Collect pays out what a position owes, its fees among it.
func (u *UniswapV3) Collect(who Account, position *big.Int, to common.Address) *types.Receipt {
	u.b.t.Helper()
	most := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1))
	return u.b.Send(who, u.Positions, "collect", struct {
		TokenID                *big.Int `abi:"tokenId"`
		Recipient              common.Address
		Amount0Max, Amount1Max *big.Int
	}{position, to, most, most})
}
