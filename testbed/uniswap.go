package testbed

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// farFuture is a deadline that no test reaches.
var farFuture = big.NewInt(1 << 40)

// UniswapV2 is an exchange of Uniswap v2 with one pair, in which the whale has put 200,000 USDC and 100 WETH.
type UniswapV2 struct {
	Factory, Router, Pair Contract
	WETH, USDC            Token

	b *Bed
}

// UniswapV2 is a new exchange.
func (b *Bed) UniswapV2() *UniswapV2 {
	b.t.Helper()
	u := &UniswapV2{b: b, WETH: b.WETH(), USDC: b.USDC()}
	u.Factory = b.Deploy("@uniswap/v2-core/build/UniswapV2Factory.json", b.Admin().Address)
	u.Router = b.Deploy("@uniswap/v2-periphery/build/UniswapV2Router02.json", u.Factory.Address, u.WETH.Address)
	u.Add(b.Whale(), Units(200_000, 6), Ether(100))
	u.Pair = Contract{b.Ask(u.Factory, "getPair", u.USDC.Address, u.WETH.Address)[0].(common.Address), b.artifact("@uniswap/v2-core/build/UniswapV2Pair.json").ABI}
	return u
}

// Add mints what an account puts into the pair, and puts it there.
func (u *UniswapV2) Add(who Account, usdc, weth *big.Int) {
	u.b.t.Helper()
	u.fund(who, u.USDC, usdc)
	u.fund(who, u.WETH, weth)
	u.b.Send(who, u.Router, "addLiquidity", u.USDC.Address, u.WETH.Address, usdc, weth, new(big.Int), new(big.Int), who.Address, farFuture)
}

func (u *UniswapV2) fund(who Account, token Token, amount *big.Int) {
	u.b.t.Helper()
	u.b.Mint(token, who.Address, amount)
	u.b.Send(who, token.Contract, "approve", u.Router.Address, amount)
}

// Swap mints what an account pays, and swaps it.
func (u *UniswapV2) Swap(who Account, from, to Token, amount *big.Int) *types.Receipt {
	u.b.t.Helper()
	u.fund(who, from, amount)
	return u.b.Send(who, u.Router, "swapExactTokensForTokens", amount, new(big.Int), []common.Address{from.Address, to.Address}, who.Address, farFuture)
}

// Quote is what the pair gives for an amount now.
func (u *UniswapV2) Quote(from, to Token, amount *big.Int) *big.Int {
	u.b.t.Helper()
	return u.b.Ask(u.Router, "getAmountsOut", amount, []common.Address{from.Address, to.Address})[0].([]*big.Int)[1]
}

// Pull takes so many percent of the whale's liquidity out of the pair.
func (u *UniswapV2) Pull(percent int64) *types.Receipt {
	u.b.t.Helper()
	whale := u.b.Whale()
	share := u.b.Number(u.Pair, "balanceOf", whale.Address)
	share.Div(share.Mul(share, big.NewInt(percent)), big.NewInt(100))
	u.b.Send(whale, u.Pair, "approve", u.Router.Address, share)
	return u.b.Send(whale, u.Router, "removeLiquidity", u.USDC.Address, u.WETH.Address, share, new(big.Int), new(big.Int), whale.Address, farFuture)
}
