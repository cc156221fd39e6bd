package evm

import (
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/chain/protocol"
	"lifeboat/testbed"
)

// over a node of the bed; there is but one, so the quorum is one.
func over(t *testing.T, bed *testbed.Bed) *chain.Chain {
	t.Helper()
	c, err := chain.New(chain.Config{ID: bed.ChainID.Uint64(), Nodes: []chain.Node{{URL: bed.URL}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// line of a symbol, which has to be there.
func line(t *testing.T, s *Source, symbol string) lifeboat.StatementLine {
	t.Helper()
	h, err := s.Holdings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range h.Lines {
		if l.Symbol == symbol {
			return l
		}
	}
	t.Fatalf("there is no %s in %s", symbol, told(h))
	return lifeboat.StatementLine{}
}

func n(text string) decimal.Decimal { return decimal.RequireFromString(text) }

// The contracts of Aave themselves: what a loan is made of, how it grows in a year, what can be withdrawn, and what came and went.
func TestALoanOnChain(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		m, me, c := bed.Aave(), bed.Accounts[1], over(t, bed)
		m.Supply(me, m.WETH, testbed.Ether(10))
		m.Borrow(me, m.USDC, testbed.Units(12_000, 6))
		tokens := bed.Ask(m.Data, "getReserveTokensAddresses", m.WETH.Address)
		debts := bed.Ask(m.Data, "getReserveTokensAddresses", m.USDC.Address)
		wallet := Options{Name: "Testnet", Chain: c, Account: "me", Address: me.Address, Coin: "ETH", Pools: []common.Address{m.Pool.Address},
			Tokens: map[common.Address]string{m.WETH.Address: "WETH", m.USDC.Address: "USDC", tokens[0].(common.Address): "aWETH"}}
		loan := wallet
		loan.Account, loan.Protocol, loan.Contract = "loan", protocol.NewAave("Lend", m.Pool.Address, nil, m.WETH.Address, m.USDC.Address), m.Pool.Address
		lent, lies := open(t, loan), open(t, wallet)

		h, err := lies.Holdings(t.Context())
		if err != nil || !strings.Contains(told(h), "12000 USDC, ~10 aWETH") && !strings.Contains(told(h), "12000 USDC, ~10.0000") || strings.Contains(told(h), " WETH") {
			t.Fatalf("at the address lie %s, %v", told(h), err)
		}
		if head, err := bed.Client.HeaderByNumber(t.Context(), nil); err != nil || h.At.Unix() != int64(head.Time) || h.Height != head.Number.Uint64() {
			t.Errorf("it is said of block %d, %s: %v", h.Height, h.At, err)
		}
		supply, debt := line(t, lent, "WETH"), line(t, lent, "USDC")
		if !supply.Says(n("10")) || !supply.Free.Equal(supply.Quantity) || !debt.Says(n("-12000")) || !debt.Free.IsZero() || !debt.Accrues {
			t.Errorf("in the market are %+v and %+v", supply, debt)
		}
		transfers, err := lent.Transfers(t.Context(), 5)
		if err != nil || len(transfers) != 2 || transfers[0].Amount.String() != "-12000" || transfers[1].Amount.String() != "10" {
			t.Errorf("into the market went %+v, %v", transfers, err)
		}

		bed.Forward(365 * 24 * time.Hour)
		after := line(t, lent, "USDC")
		if after.Says(debt.Quantity) || after.Quantity.GreaterThan(debt.Quantity.Mul(n("1.01"))) {
			t.Errorf("after a year %s are owed", after.Quantity)
		}
		m.Utilise(m.WETH, 99)
		if scarce := line(t, lent, "WETH"); scarce.Free.GreaterThan(n("9")) || !scarce.Free.IsPositive() || scarce.Quantity.LessThan(n("10")) {
			t.Errorf("with the market lent out %s of %s can be withdrawn", scarce.Free, scarce.Quantity)
		}
		m.Pause(true)
		if shut := line(t, lent, "WETH"); !shut.Free.IsZero() {
			t.Errorf("of a market that is paused %s can be withdrawn", shut.Free)
		}

		// What the plan does not name is left out, but for a debt; and what is owed is no token to be held.
		blind := loan
		blind.Protocol = protocol.NewAave("Lend", m.Pool.Address, nil, m.WETH.Address)
		blind.Tokens = map[common.Address]string{m.WETH.Address: "WETH"}
		if _, err := open(t, blind).Holdings(t.Context()); err == nil || !strings.Contains(err.Error(), "USDC in Lend, and the plan registers no such debt") {
			t.Errorf("a debt that nobody registered: %v", err)
		}
		wrong := wallet
		wrong.Tokens = map[common.Address]string{debts[2].(common.Address): "debtUSDC"}
		if _, err := open(t, wrong).Holdings(t.Context()); err == nil || !strings.Contains(err.Error(), "debtUSDC is what is owed") {
			t.Errorf("a debt for a holding: %v", err)
		}
	})
}

// Ether that is staked: rebased in a wallet, and looked through to ether as a protocol.
func TestStakedEtherOnChain(t *testing.T) {
	bed := testbed.Start(t, testbed.Anvil)
	lido, me := bed.Lido(), bed.Accounts[1]
	lido.Stake(me, testbed.Ether(32))
	wallet := Options{Name: "Testnet", Chain: over(t, bed), Account: "me", Address: me.Address, Tokens: map[common.Address]string{lido.Staked.Address: "stETH"},
		Rebased: []common.Address{lido.Staked.Address}}
	staked := wallet
	staked.Coin, staked.Protocol = "ETH", protocol.NewLido("Lido", lido.Staked.Address, lido.Wrapped.Address, lido.Queue.Address)
	lies, under := open(t, wallet), open(t, staked)
	if a, b := line(t, lies, "stETH"), line(t, under, "ETH"); !a.Says(n("32")) || !a.Accrues || !b.Says(n("32")) || !b.Free.IsZero() {
		t.Errorf("%+v and %+v", a, b)
	}
	lido.Rebase(101)
	if a := line(t, lies, "stETH"); !a.Grew(n("32")) || a.Says(n("32")) {
		t.Errorf("after a rebase of a per cent there are %s", a.Quantity)
	}
}

// A market of Compound, whose base asset earns interest and whose collateral does not, and a vault.
func TestCompoundAndAVaultOnChain(t *testing.T) {
	bed := testbed.Start(t, testbed.Anvil)
	comet, me := bed.Comet(), bed.Accounts[1]
	comet.Supply(me, comet.WETH, testbed.Ether(3))
	bed.Send(me, comet.Contract, "withdraw", comet.USDC.Address, testbed.Units(1000, 6))
	base := Options{Name: "Testnet", Chain: over(t, bed), Account: "me", Address: me.Address,
		Tokens: map[common.Address]string{comet.WETH.Address: "WETH", comet.USDC.Address: "USDC"}}
	lent := base
	lent.Protocol, lent.Contract = protocol.NewCompound("Comp", comet.Address, nil), comet.Address
	h, err := open(t, lent).Holdings(t.Context())
	if got, want := told(h), "~-1000 USDC (0 free), 3 WETH"; got != want || err != nil {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	vault := bed.Vault(comet.USDC)
	bed.Send(me, comet.USDC.Contract, "approve", vault.Address, testbed.Units(600, 6))
	bed.Send(me, vault.Contract, "deposit", testbed.Units(600, 6), me.Address)
	saved := base
	saved.Protocol, saved.Contract = protocol.NewVault("Vault", vault.Address), vault.Address
	s := open(t, saved)
	if h, err = s.Holdings(t.Context()); told(h) != "~600 USDC" || err != nil {
		t.Errorf("%s, %v", told(h), err)
	}
	bed.Mint(comet.USDC, vault.Address, testbed.Units(60, 6)) // what the vault earned
	if l := line(t, s, "USDC"); l.Quantity.LessThan(n("659.99")) {
		t.Errorf("of what the vault earned %s came here", l.Quantity)
	}
	transfers, err := s.Transfers(t.Context(), 5)
	if err != nil || len(transfers) != 1 || transfers[0].Amount.String() != "600" {
		t.Errorf("%+v, %v", transfers, err)
	}
}
