package testbed

import (
	"math/big"
	"testing"
)

// TestArbitrum is a sum there and home again, by the real contracts, without any code of the product.
func TestArbitrum(t *testing.T) {
	a := NewArbitrum(t)
	below := a.Below.USDC()
	above := a.Token(below)
	whale := a.Below.Whale()
	if got := a.Above.Balance(above, whale.Address); got.Cmp(big.NewInt(1)) != 0 {
		t.Fatalf("%s arrived above", got)
	}
	a.Below.Act(whale, a.DepositCoins(a.Below.Accounts[7].Address, Ether(3)))
	before, _ := a.Above.Client.BalanceAt(t.Context(), a.Below.Accounts[7].Address, nil)
	a.Derive()
	after, _ := a.Above.Client.BalanceAt(t.Context(), a.Below.Accounts[7].Address, nil)
	if came := after.Sub(after, before); came.Cmp(Ether(3)) < 0 {
		t.Errorf("%s wei came", came)
	}
}
