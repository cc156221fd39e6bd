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
	Factory, Positions, Router, Pool Contract
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
	usdc, weth := Units(200_000, 6), Ether(100)
	token0, token1, amount0, amount1 := u.sorted(usdc, weth)
	// The root of the price of the first token in the second, in 96 binary places.
	root := new(big.Int).Lsh(amount1, 192)
	root.Sqrt(root.Div(root, amount0))
	b.Send(b.Whale(), u.Positions, "createAndInitializePoolIfNecessary", token0, token1, big.NewInt(FeeV3), root)
	pool := b.Ask(u.Factory, "getPool", token0, token1, big.NewInt(FeeV3))[0].(common.Address)
	u.Pool = Contract{pool, b.artifact(core + "UniswapV3Pool.sol/UniswapV3Pool.json").ABI}
	u.Add(b.Whale(), LowestTick, HighestTick, usdc, weth)
	return u
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
	b := u.b
	b.t.Helper()
	b.Mint(u.USDC, who.Address, usdc)
	b.Mint(u.WETH, who.Address, weth)
	b.Send(who, u.USDC.Contract, "approve", u.Positions.Address, usdc)
	b.Send(who, u.WETH.Contract, "approve", u.Positions.Address, weth)
	token0, token1, amount0, amount1 := u.sorted(usdc, weth)
	r := b.Send(who, u.Positions, "mint", struct {
		Token0, Token1                                         common.Address
		Fee, TickLower, TickUpper                              *big.Int
		Amount0Desired, Amount1Desired, Amount0Min, Amount1Min *big.Int
		Recipient                                              common.Address
		Deadline                                               *big.Int
	}{token0, token1, big.NewInt(FeeV3), big.NewInt(lower), big.NewInt(upper), amount0, amount1, new(big.Int), new(big.Int), who.Address, farFuture})
	made, _ := u.Positions.Event(r, "IncreaseLiquidity")
	if made == nil {
		b.t.Fatal("no position was made")
	}
	return made.Topics[1].Big()
}

// Swap mints what an account pays, and swaps it.
func (u *UniswapV3) Swap(who Account, from, to Token, amount *big.Int) *types.Receipt {
	b := u.b
	b.t.Helper()
	b.Mint(from, who.Address, amount)
	b.Send(who, from.Contract, "approve", u.Router.Address, amount)
	return b.Send(who, u.Router, "exactInputSingle", struct {
		TokenIn, TokenOut                                       common.Address
		Fee                                                     *big.Int
		Recipient                                               common.Address
		Deadline, AmountIn, AmountOutMinimum, SqrtPriceLimitX96 *big.Int
	}{from.Address, to.Address, big.NewInt(FeeV3), who.Address, farFuture, amount, new(big.Int), new(big.Int)})
}
