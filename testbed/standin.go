package testbed

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
)

// Comet is a stand-in for a market of Compound v3, of our own: Compound's code is on no registry. It has the methods, units, events and
// refusals that are documented, one collateral, WETH, and neither interest nor absorption. The whale has supplied 500,000 USDC.
type Comet struct {
	Contract
	WETH, USDC Token
	Feeds      map[string]Contract

	b *Bed
}

// Comet is a new market.
func (b *Bed) Comet() *Comet {
	b.t.Helper()
	c := &Comet{b: b, WETH: b.WETH(), USDC: b.USDC(), Feeds: map[string]Contract{"WETH": b.Feed("ETH / USD", 2000), "USDC": b.Feed("USDC / USD", 1)}}
	c.Contract = b.Deploy("ours/Compound.sol/CometStandIn", c.USDC.Address, c.Feeds["USDC"].Address, uint64(1e6), c.WETH.Address, c.Feeds["WETH"].Address, uint64(1e18))
	c.Supply(b.Whale(), c.USDC, Units(500_000, 6))
	return c
}

// Supply mints what an account supplies, the base asset or collateral, and supplies it.
func (c *Comet) Supply(who Account, token Token, amount *big.Int) {
	c.b.t.Helper()
	c.b.Mint(token, who.Address, amount)
	c.b.Send(who, token.Contract, "approve", c.Address, amount)
	c.b.Send(who, c.Contract, "supply", token.Address, amount)
}

// PriceTo moves a price, in dollars.
func (c *Comet) PriceTo(token Token, price float64) {
	c.b.t.Helper()
	c.b.Send(c.b.Admin(), c.Feeds[token.Symbol], "updateAnswer", dollars(price))
}

// Lido is a stand-in for stETH, wstETH and the withdrawal queue, of our own: Lido's code is on no registry. It has the methods, limits and
// refusals that are documented. The whale has staked 10,000 ether.
type Lido struct {
	Staked, Wrapped Token
	Queue           Contract

	b *Bed
}

// Lido is a new one.
func (b *Bed) Lido() *Lido {
	b.t.Helper()
	l := &Lido{b: b}
	l.Staked = Token{b.Deploy("ours/Lido.sol/StETHStandIn"), "stETH", 18}
	l.Wrapped = Token{b.Deploy("ours/Lido.sol/WstETHStandIn", l.Staked.Address), "wstETH", 18}
	l.Queue = b.Deploy("ours/Lido.sol/WithdrawalQueueStandIn", l.Staked.Address, l.Wrapped.Address)
	l.Stake(b.Whale(), Ether(10_000))
	return l
}

// Stake ether of an account's.
func (l *Lido) Stake(who Account, amount *big.Int) {
	l.b.t.Helper()
	call := l.Staked.Do("submit", common.Address{})
	call.Value = amount
	l.b.Act(who, call)
}

// Wrap all the stETH that an account has.
func (l *Lido) Wrap(who Account) {
	l.b.t.Helper()
	all := l.b.Balance(l.Staked, who.Address)
	l.b.Send(who, l.Staked.Contract, "approve", l.Wrapped.Address, all)
	l.b.Send(who, l.Wrapped.Contract, "wrap", all)
}

// Rebase has the oracle report so many percent of the ether that was there: less than 100 after a slashing.
func (l *Lido) Rebase(percent int64) {
	l.b.t.Helper()
	total := l.b.Number(l.Staked.Contract, "totalSupply")
	l.b.Send(l.b.Admin(), l.Staked.Contract, "rebase", total.Div(total.Mul(total, big.NewInt(percent)), big.NewInt(100)))
}

// Finalise pays for all requests that are in the queue up to one.
func (l *Lido) Finalise(last, pays *big.Int) {
	l.b.t.Helper()
	call := l.Queue.Do("finalize", last)
	call.Value = pays
	l.b.Act(l.b.Admin(), call)
}
