package testbed

import (
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// Mine makes n blocks; the first takes what waits in the pool.
func (b *Bed) Mine(n int) {
	b.t.Helper()
	b.chain.mine(n)
}

// Forward moves the chain's time, and makes a block there.
func (b *Bed) Forward(d time.Duration) {
	b.t.Helper()
	b.chain.forward(d)
}

// Pace has each block come so long after the one before it, however long it took to make it. anvil only.
func (b *Bed) Pace(d time.Duration) {
	b.t.Helper()
	b.anvil("the clock goes by itself").pace(d)
}

// Reorg replaces the last blocks by a branch of empty ones. What was in them is gone.
func (b *Bed) Reorg(depth int) {
	b.t.Helper()
	b.chain.reorg(depth)
}

// Hold lets transactions wait in the pool until [Bed.Mine] or Release. The bed's own helpers wait there too: what sets a scene
// comes before Hold.
func (b *Bed) Hold() {
	b.t.Helper()
	b.chain.hold(true)
}

// Release lets blocks come by themselves again.
func (b *Bed) Release() {
	b.t.Helper()
	b.chain.hold(false)
}

// SetBaseFee sets what the next block takes for a unit of gas, in wei; the blocks after it come down from there slowly. anvil only: on
// the other node only full blocks raise it.
func (b *Bed) SetBaseFee(wei *big.Int) {
	b.t.Helper()
	b.anvil("a base fee cannot be set").fee(wei)
}

// Stop ends the node, as a crash of its machine would, but for what it has on its disk: all of it. anvil only.
func (b *Bed) Stop() {
	b.t.Helper()
	b.anvil("it cannot be started again").stop()
}

// Restart starts a node again that was stopped, at the same address and with what it had. Transactions that waited are gone.
func (b *Bed) Restart() {
	b.t.Helper()
	b.anvil("it cannot be started again").start()
}

// Snapshot remembers the chain as it is, and returns what goes back to that. anvil only.
func (b *Bed) Snapshot() (revert func()) {
	b.t.Helper()
	b.anvil("it has no snapshots")
	var id string
	b.rpc(&id, "evm_snapshot")
	return func() {
		b.t.Helper()
		var ok bool
		if b.rpc(&ok, "evm_revert", id); !ok {
			b.t.Fatal("the node did not go back to its snapshot")
		}
	}
}

// As carries out a call as any address, a contract or somebody whose key nobody has. anvil only.
func (b *Bed) As(from common.Address, call Call) *types.Receipt {
	b.t.Helper()
	b.anvil("nobody can be impersonated")
	b.rpc(nil, "anvil_setBalance", from, hexutil.EncodeBig(Ether(100)))
	b.rpc(nil, "anvil_impersonateAccount", from)
	defer b.rpc(nil, "anvil_stopImpersonatingAccount", from)
	var hash common.Hash
	b.rpc(&hash, "eth_sendTransaction", map[string]any{"from": from, "to": call.To, "data": hexutil.Bytes(call.Data), "value": hexutil.EncodeBig(value(call))})
	r := b.receipt(hash, "a call as "+from.Hex())
	if r.Status != types.ReceiptStatusSuccessful {
		b.t.Fatalf("a call as %s reverted", from.Hex())
	}
	return r
}

// anvil is the node, which has to be one.
func (b *Bed) anvil(why string) *anvil {
	b.t.Helper()
	a, ok := b.chain.(*anvil)
	if !ok {
		b.t.Fatalf("on the %s node %s: start the bed on anvil", b.Node, why)
	}
	return a
}

// Depeg moves the price of the market's stablecoin away from a dollar.
func (m *Aave) Depeg(to float64) *types.Receipt {
	m.b.t.Helper()
	return m.PriceTo(m.USDC, to)
}

// Pause stops the whole market, or lets it go on: nothing can be withdrawn meanwhile.
func (m *Aave) Pause(paused bool) *types.Receipt {
	m.b.t.Helper()
	return m.b.Send(m.b.Admin(), m.Configurator, "setPoolPause", paused)
}

// Freeze takes no more supplies and lends no more of a reserve.
func (m *Aave) Freeze(token Token, frozen bool) *types.Receipt {
	m.b.t.Helper()
	return m.b.Send(m.b.Admin(), m.Configurator, "setReserveFreeze", token.Address, frozen)
}

// Withdraw takes out what an account has supplied; Max is all of it.
func (m *Aave) Withdraw(who Account, token Token, amount *big.Int) *types.Receipt {
	m.b.t.Helper()
	return m.b.Send(who, m.Pool, "withdraw", token.Address, amount, who.Address)
}

// Liquidity of a reserve: what is there to be withdrawn, and what is lent.
func (m *Aave) Liquidity(token Token) (available, lent *big.Int) {
	m.b.t.Helper()
	tokens := m.b.Ask(m.Data, "getReserveTokensAddresses", token.Address)
	available = m.b.Balance(token, tokens[0].(common.Address))
	return available, m.b.Number(token.At(tokens[2].(common.Address)), "totalSupply")
}

// Utilise has the whale borrow, or supply more, until so many percent of a reserve are lent. Its collateral is ten times the worth in
// the other reserve.
func (m *Aave) Utilise(token Token, percent int64) {
	b, whale := m.b, m.b.Whale()
	b.t.Helper()
	available, lent := m.Liquidity(token)
	total := new(big.Int).Add(available, lent)
	missing := new(big.Int).Div(new(big.Int).Mul(total, big.NewInt(percent)), big.NewInt(100))
	missing.Sub(missing, lent)
	if missing.Sign() <= 0 {
		more := new(big.Int).Div(new(big.Int).Mul(lent, big.NewInt(100)), big.NewInt(percent))
		m.Supply(whale, token, more.Sub(more, total))
		return
	}
	other := m.USDC
	if token.Symbol == other.Symbol {
		other = m.WETH
	}
	// amount × price × 10, from the decimals of the one to those of the other
	collateral := new(big.Int).Mul(missing, m.Price(token))
	collateral.Mul(collateral, Units(10, other.Decimals))
	collateral.Div(collateral, new(big.Int).Mul(m.Price(other), Units(1, token.Decimals)))
	m.Supply(whale, other, collateral)
	m.Borrow(whale, token, missing)
}

// Price of a reserve in dollars of 8 decimals.
func (m *Aave) Price(token Token) *big.Int {
	m.b.t.Helper()
	return m.b.Number(m.Oracle, "getAssetPrice", token.Address)
}

// Liquidate has the whale pay some of a user's debt and take collateral for it.
func (m *Aave) Liquidate(user common.Address, collateral, debt Token, amount *big.Int) *types.Receipt {
	b, whale := m.b, m.b.Whale()
	b.t.Helper()
	b.Mint(debt, whale.Address, amount)
	b.Send(whale, debt.Contract, "approve", m.Pool.Address, amount)
	r := b.Send(whale, m.Pool, "liquidationCall", collateral.Address, debt.Address, user, amount, false)
	if l, _ := m.Pool.Event(r, "LiquidationCall"); l == nil {
		b.t.Fatal("nobody was liquidated")
	}
	return r
}
