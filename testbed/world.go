package testbed

import (
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
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
