package evm

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/chain/protocol"
	"lifeboat/testbed"
)

// mined is the receipt of a transaction of the bed, as the product reads it.
func mined(t *testing.T, s *Source, r *types.Receipt) *chain.Receipt {
	t.Helper()
	read, err := s.Chain.(*chain.Chain).Receipt(t.Context(), r.TxHash)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// moves of a transaction in words.
func moves(t *testing.T, s *Source, r *types.Receipt) string {
	t.Helper()
	all, err := s.Moved(t.Context(), mined(t, s, r))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, m := range all {
		if m.Account != s.Account || m.Height != r.BlockNumber.Uint64() {
			t.Errorf("it is a move of %+v", m)
		}
		words = append(words, m.Quantity.Round(4).String()+" "+m.Symbol)
	}
	return strings.Join(words, ", ")
}

// held is all that a source says, by symbol.
func held(t *testing.T, s *Source) map[string]decimal.Decimal {
	t.Helper()
	h, err := s.Holdings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]decimal.Decimal{}
	for _, l := range h.Lines {
		all[l.Symbol] = l.Quantity
	}
	return all
}

// accounts that a transaction may move, each of which must then hold what it held before and what is said to have moved.
func accounts(t *testing.T, sources ...*Source) (does func(name string, act func() *types.Receipt, want ...string)) {
	return func(name string, act func() *types.Receipt, want ...string) {
		t.Helper()
		var before []map[string]decimal.Decimal
		for _, s := range sources {
			before = append(before, held(t, s))
		}
		r := act()
		for i, s := range sources {
			if got := moves(t, s, r); got != want[i] {
				t.Errorf("%s: of %s it moved %q, not %q", name, s.Account, got, want[i])
			}
			all, err := s.Moved(t.Context(), mined(t, s, r))
			if err != nil {
				t.Fatal(err)
			}
			after := held(t, s)
			for _, m := range all {
				before[i][m.Symbol] = before[i][m.Symbol].Add(m.Quantity)
			}
			for symbol, quantity := range before[i] {
				line := lifeboat.StatementLine{Quantity: after[symbol], Accrues: s.Protocol != nil}
				if !line.Says(quantity) {
					t.Errorf("%s: %s has %s %s, and by what was moved %s", name, s.Account, after[symbol], symbol, quantity)
				}
			}
		}
	}
}

// What a Safe does in Aave, sends to a wallet, and gets, is measured as what the accounts hold is.
func TestMovedOnChain(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		m, safe, cold, c := bed.Aave(), bed.Safe(bed.Accounts[1:4], 2), bed.Accounts[7], over(t, bed)
		bed.Mint(m.WETH, safe.Address, testbed.Ether(10))
		bed.Act(bed.Whale(), testbed.Call{To: safe.Address, Value: testbed.Ether(3)})
		base := Options{Name: "Testnet", Chain: c, Account: "vault", Address: safe.Address, Coin: "ETH", Pools: []common.Address{m.Pool.Address},
			Tokens: map[common.Address]string{m.WETH.Address: "WETH", m.USDC.Address: "USDC"}}
		vault := open(t, base)
		base.Account, base.Address = "cold", cold.Address
		wallet := open(t, base)
		base.Account, base.Address, base.Coin = "loan", safe.Address, ""
		base.Protocol, base.Contract = protocol.NewAave("Lend", m.Pool.Address, nil, m.WETH.Address, m.USDC.Address), m.Pool.Address
		loan := open(t, base)
		does := accounts(t, vault, wallet, loan)

		does("a loan is taken", func() *types.Receipt {
			return safe.Batch(m.WETH.Do("approve", m.Pool.Address, testbed.Ether(10)), m.Pool.Do("supply", m.WETH.Address, testbed.Ether(10), safe.Address, uint16(0)),
				m.Pool.Do("borrow", m.USDC.Address, testbed.Units(12_000, 6), testbed.VariableRate, uint16(0), safe.Address))
		}, "12000 USDC, -10 WETH", "", "-12000 USDC, 10 WETH")
		does("half is paid back and a part withdrawn to the wallet", func() *types.Receipt {
			return safe.Batch(m.USDC.Do("approve", m.Pool.Address, testbed.Units(6000, 6)), m.Pool.Do("repay", m.USDC.Address, testbed.Units(6000, 6), testbed.VariableRate, safe.Address),
				m.Pool.Do("withdraw", m.WETH.Address, testbed.Ether(4), cold.Address))
		}, "-6000 USDC", "4 WETH", "6000 USDC, -4 WETH")
		does("coins and tokens are sent to the wallet", func() *types.Receipt {
			return safe.Batch(testbed.Call{To: cold.Address, Value: testbed.Ether(2)}, m.USDC.Do("transfer", cold.Address, testbed.Units(1000, 6)))
		}, "-2 ETH, -1000 USDC", "2 ETH, 1000 USDC", "")
		does("nothing of these", func() *types.Receipt {
			return bed.Send(bed.Whale(), m.WETH.Contract, "approve", cold.Address, testbed.Ether(1))
		}, "", "", "")
		theftInTheSameBlock(t, bed, m, safe, vault)
	})
}

// theftInTheSameBlock: what the thief's transaction takes is not said to be the exit's.
func theftInTheSameBlock(t *testing.T, bed *testbed.Bed, m *testbed.Aave, safe *testbed.Safe, vault *Source) {
	t.Helper()
	nonce := safe.Nonce()
	own := safe.Signed(m.USDC.Do("transfer", bed.Accounts[7].Address, testbed.Units(10, 6)), testbed.OperationCall, nonce, safe.Owners[:2]...)
	theft := safe.Signed(m.USDC.Do("transfer", bed.Accounts[8].Address, testbed.Units(2, 6)), testbed.OperationCall, new(big.Int).Add(nonce, big.NewInt(1)), safe.Owners[:2]...)
	before := held(t, vault)["USDC"]
	sender := bed.Accounts[6]
	first, err := bed.Client.PendingNonceAt(t.Context(), sender.Address)
	if err != nil {
		t.Fatal(err)
	}
	bed.Hold()
	var sent []*types.Transaction
	for i, call := range []testbed.Call{own, theft} {
		tx, err := types.SignNewTx(sender.Key, types.LatestSignerForChainID(bed.ChainID), &types.DynamicFeeTx{ChainID: bed.ChainID, Nonce: first + uint64(i),
			GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(100e9), Gas: 500_000, To: &call.To, Data: call.Data})
		if err != nil {
			t.Fatal(err)
		}
		if err := bed.Client.SendTransaction(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
		sent = append(sent, tx)
	}
	bed.Mine(1)
	bed.Release()
	r, err := bed.Client.TransactionReceipt(t.Context(), sent[0].Hash())
	if err != nil {
		t.Fatal(err)
	}
	other, err := bed.Client.TransactionReceipt(t.Context(), sent[1].Hash())
	if err != nil || other.BlockHash != r.BlockHash || other.Status != 1 || r.Status != 1 {
		t.Fatalf("they are not in one block: %v", err)
	}
	if got := moves(t, vault, r); got != "-10 USDC" {
		t.Errorf("the exit moved %s", got)
	}
	if after := held(t, vault)["USDC"]; !before.Sub(after).Equal(n("12")) {
		t.Errorf("%s are gone in all", before.Sub(after))
	}
}

// What is not a token that is sent: shares of a vault, a market of Compound, ether that is staked and given away staked.
func TestMovedInProtocols(t *testing.T) {
	bed := testbed.Start(t, testbed.Anvil)
	comet, safe, c := bed.Comet(), bed.Safe(bed.Accounts[1:4], 2), over(t, bed)
	bed.Mint(comet.WETH, safe.Address, testbed.Ether(3))
	bed.Act(bed.Whale(), testbed.Call{To: safe.Address, Value: testbed.Ether(30)})
	base := Options{Name: "Testnet", Chain: c, Account: "market", Address: safe.Address, Tokens: map[common.Address]string{comet.WETH.Address: "WETH", comet.USDC.Address: "USDC"}}
	base.Protocol, base.Contract = protocol.NewCompound("Comp", comet.Address, nil), comet.Address
	market := open(t, base)
	vault := bed.Vault(comet.USDC)
	base.Account, base.Protocol, base.Contract = "saved", protocol.NewVault("Vault", vault.Address), vault.Address
	saved := open(t, base)
	lido := bed.Lido()
	staked := open(t, Options{Name: "Testnet", Chain: c, Account: "staked", Address: safe.Address, Coin: "ETH", Protocol: protocol.NewLido("Lido", lido.Staked.Address, lido.Wrapped.Address, lido.Queue.Address)})
	does := accounts(t, market, saved, staked)
	batch := func(calls ...testbed.Call) func() *types.Receipt {
		return func() *types.Receipt { return safe.Batch(calls...) }
	}
	does("borrowed", batch(comet.WETH.Do("approve", comet.Address, testbed.Ether(3)), comet.Do("supply", comet.WETH.Address, testbed.Ether(3)),
		comet.Do("withdraw", comet.USDC.Address, testbed.Units(1000, 6))), "-1000 USDC, 3 WETH", "", "")
	does("saved", batch(comet.USDC.Do("approve", vault.Address, testbed.Units(600, 6)), vault.Do("deposit", testbed.Units(600, 6), safe.Address)), "", "600 USDC", "")
	does("shares are given away", batch(vault.Do("transfer", bed.Accounts[7].Address, testbed.Units(200, 6))), "", "-200 USDC", "")
	stake := lido.Staked.Do("submit", common.Address{})
	stake.Value = testbed.Ether(20)
	does("staked", batch(stake), "", "", "20 ETH")
	does("given away staked", batch(lido.Staked.Do("transfer", bed.Accounts[7].Address, testbed.Ether(5))), "", "", "-5 ETH")
}

// A block that is another one by now is nobody's word.
func TestMovedInABlockThatIsGone(t *testing.T) {
	bed := testbed.Start(t, testbed.Anvil)
	token, me, c := bed.USDC(), bed.Accounts[1], over(t, bed)
	bed.Mint(token, me.Address, testbed.Units(10, 6))
	s := open(t, Options{Name: "Testnet", Chain: c, Account: "me", Address: me.Address, Tokens: map[common.Address]string{token.Address: "USDC"}})
	r := mined(t, s, bed.Send(me, token.Contract, "transfer", bed.Accounts[2].Address, testbed.Units(1, 6)))
	bed.Reorg(1)
	if all, err := s.Moved(t.Context(), r); !errors.Is(err, chain.ErrNotMined) {
		t.Errorf("%v, %v", fmt.Sprint(all), err)
	}
}

// TestMovedOfWhoPaid: what a key pays for a transaction is the transaction's doing, what a rollup takes beside the gas as well, also where
// another of its transactions is in the block; and what that one takes is not.
func TestMovedOfWhoPaid(t *testing.T) {
	o := testbed.NewOptimism(t)
	c, err := chain.New(chain.Config{ID: o.ChainID.Uint64(), Nodes: []chain.Node{{URL: o.Line.URL}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	token, me := o.USDC(), o.Accounts[1]
	o.Mint(token, me.Address, testbed.Units(10, 6))
	s := open(t, Options{Name: "Testnet", Chain: c, Account: "me", Address: me.Address, Coin: "ETH", Tokens: map[common.Address]string{token.Address: "USDC"}})
	o.Take(big.NewInt(20e9), 5_000_000, 7e12)
	for name, act := range map[string]func() *types.Receipt{
		"a token is sent": func() *types.Receipt {
			return o.Send(me, token.Contract, "transfer", o.Accounts[2].Address, testbed.Units(1, 6))
		},
		"ether is sent": func() *types.Receipt {
			return o.Act(me, testbed.Call{To: o.Accounts[2].Address, Value: testbed.Ether(3)})
		},
	} {
		before, taken := held(t, s)["ETH"], o.Taken()
		r := mined(t, s, act())
		all, err := s.Moved(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		after, said := held(t, s)["ETH"], decimal.Zero
		for _, m := range all {
			if m.Symbol == "ETH" {
				said = m.Quantity
			}
		}
		if taken.Sub(o.Taken(), taken); !after.Equal(before.Add(said)) || r.Toll.Cmp(taken) != 0 || taken.Sign() == 0 {
			t.Errorf("%s: from %s to %s, %s of it for the rollup, and it says %s and %s", name, before, after, taken, said, r.Toll)
		}
	}

	first, err := o.Client.PendingNonceAt(t.Context(), me.Address)
	if err != nil {
		t.Fatal(err)
	}
	o.Hold()
	var sent []*types.Transaction
	for i, amount := range []int64{1, 5} {
		tx, err := types.SignNewTx(me.Key, types.LatestSignerForChainID(o.ChainID), &types.DynamicFeeTx{ChainID: o.ChainID, Nonce: first + uint64(i),
			GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(100e9), Gas: 500_000, To: &o.Accounts[2].Address, Value: testbed.Ether(amount)})
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Client.SendTransaction(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
		sent = append(sent, tx)
	}
	o.Mine(1)
	o.Release()
	r, err := c.Receipt(t.Context(), sent[0].Hash())
	if err != nil {
		t.Fatal(err)
	}
	r.Toll = big.NewInt(1e15) // two in one block: the bed cannot tell whose toll was whose
	fee, _ := r.Fee()
	all, err := s.Moved(t.Context(), r)
	if err != nil || len(all) != 1 || !all[0].Quantity.Equal(decimal.NewFromBigInt(fee, -18).Neg()) {
		t.Errorf("of two in a block the first moved %+v, %v, and it paid %s", all, err, fee)
	}
}
