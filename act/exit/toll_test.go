package exit_test

import (
	"bytes"
	"fmt"
	"math/big"
	"regexp"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"lifeboat/act/exit"
	"lifeboat/testbed"
)

// The contracts that say what rollups take are stand-ins, because the real ones are parts of rollups.

var beneath = regexp.MustCompile(`\(([0-9.]+) ETH of it for bringing its bytes to the chain beneath\)`)

// toll that people are shown, in wei; 0 when they are shown none.
func toll(t *testing.T, p exit.Prepared) *big.Int {
	t.Helper()
	m := beneath.FindStringSubmatch(p.Text())
	if m == nil {
		return new(big.Int)
	}
	n, ok := new(big.Rat).SetString(m[1])
	if !ok {
		t.Fatal(m[1])
	}
	n.Mul(n, new(big.Rat).SetInt(testbed.Ether(1)))
	return n.Num()
}

func (m *market) has(wei *big.Int) {
	m.t.Helper()
	if err := m.RPC.CallContext(m.t.Context(), nil, "anvil_setBalance", m.relayer.Address, hexutil.EncodeBig(wei)); err != nil {
		m.t.Fatal(err)
	}
}

// TestWhatTheOPStackTakes counts in what is taken for the bytes of an exit, before and after the upgrades that changed how one asks; who cannot
// pay it as well is told so before anybody signs, and before anything is sent.
func TestWhatTheOPStackTakes(t *testing.T) {
	m := newMarket(t, testbed.Start(t, testbed.Anvil))
	if p := m.plan(m.order()); toll(t, p).Sign() != 0 {
		t.Errorf("on a chain of its own it takes %v for the bytes", toll(t, p))
	}
	oracle := m.GasPriceOracle()
	perByte, operator := big.NewInt(1e12), big.NewInt(3e15)
	var p exit.Prepared
	for _, c := range []struct {
		fjord, isthmus bool
	}{{false, false}, {true, false}, {true, true}} {
		m.Send(m.Admin(), oracle, "set", perByte, operator, big.NewInt(1e6), c.fjord, c.isthmus)
		p = m.plan(m.order())
		size := int64(m.size(p))
		least := new(big.Int).Mul(perByte, big.NewInt(size))
		most := new(big.Int).Mul(perByte, big.NewInt(size+size/255+100))
		if c.isthmus {
			least.Add(least, operator)
			most.Add(most, operator).Add(most, big.NewInt(1<<24))
		}
		if got := toll(t, p); got.Cmp(least.Lsh(least, 1)) < 0 || got.Cmp(most.Lsh(most, 1)) > 0 {
			t.Errorf("fjord %t, isthmus %t: %v wei for %d bytes, want %v to %v", c.fjord, c.isthmus, got, size, least, most)
		}
	}

	enough := toll(t, p)
	m.has(enough) // for that and no gas
	if _, err := m.desk.Plan(t.Context(), m.order()); err == nil {
		t.Error("an exit was planned that nobody can pay for")
	} else {
		says(t, err.Error(), "for gas, and this exit needs", "top it up by")
	}
	m.has(testbed.Ether(1))
	p = m.plan(m.order())
	m.Send(m.Admin(), oracle, "set", big.NewInt(1e15), operator, new(big.Int), true, true) // a thousand times as dear while people sign
	says(t, m.apply(p, m.signed(p, 2)).Why, "0x19D1F1D34c03CDE5bfe5680fb069d14fB0f8f87A has 1 ETH for gas and needs", "top it up by", "nothing has happened on the chain")
	m.Send(m.Admin(), oracle, "set", perByte, operator, new(big.Int), true, true)
	m.blocks()
	wait := m.startAs(t.Context(), "exit-2", p, m.signed(p, 2))
	m.ends(wait, p)
}

// size of the transaction that brings an exit to the chain.
func (m *market) size(p exit.Prepared) int {
	m.t.Helper()
	tx, err := types.SignNewTx(m.relayer.Key, types.LatestSignerForChainID(m.ChainID), &types.DynamicFeeTx{ChainID: m.ChainID, Gas: p.Gas, To: &p.Tx.Safe,
		Data: p.Tx.Exec(bytes.Repeat([]byte{1}, 2*65)), GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(2e9)})
	if err != nil {
		m.t.Fatal(err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		m.t.Fatal(err)
	}
	return len(raw)
}

// TestWhatArbitrumTakes adds the gas that a simulation leaves out, and sends with it.
func TestWhatArbitrumTakes(t *testing.T) {
	m := newMarket(t, testbed.Start(t, testbed.Anvil))
	before := m.plan(m.order())
	m.NodeInterface()
	p := m.plan(m.order())
	want := 100 * int64(len(p.Tx.Exec(bytes.Repeat([]byte{1}, 2*65))))
	if got := int64(p.Gas) - int64(before.Gas); got < want-10_000 || got > want+10_000 {
		t.Errorf("its bytes take %d gas more, want about %d", got, want)
	}
	m.blocks()
	wait := m.start(t.Context(), p, m.signed(p, 2))
	e := m.ends(wait, p)
	says(t, e.Receipt("exit-1", p).Output, fmt.Sprintf("gas %d", p.Gas+p.Gas/2+60_000))
}

// TestWhatAnExitCostOnTheOPStack: the fee of its receipt is what is gone from the key that paid, to the last wei.
func TestWhatAnExitCostOnTheOPStack(t *testing.T) {
	o := testbed.NewOptimism(t)
	m := newMarket(t, o.Bed)
	m.connect(o.Line.URL)
	m.Act(m.Whale(), testbed.Call{To: m.safe.Address, Value: testbed.Ether(1)}) // it is simulated as the Safe would call, and anvil has it pay
	o.Take(big.NewInt(20e9), 5_000_000, 7e12)
	p := m.plan(m.order())
	before, taken := m.balance(), o.Taken()
	m.blocks()
	wait := m.start(t.Context(), p, m.signed(p, 2))
	e := m.ends(wait, p)
	r := e.Receipt("exit-1", p)
	toll := new(big.Int).Sub(o.Taken(), taken)
	if fee := before.Sub(before, m.balance()).String(); r.Facts["fee"] != fee || r.Facts["toll"] != toll.String() || toll.Cmp(big.NewInt(7e12)) < 0 {
		t.Errorf("%s are gone, %s of it taken by the rollup, and the receipt says %v", fee, toll, r.Facts)
	}
	says(t, r.Output, "to the rollup for its bytes")
	t.Log(r.Facts)
}

// balance of the key that pays.
func (m *market) balance() *big.Int {
	m.t.Helper()
	balance, err := m.Client.BalanceAt(m.t.Context(), m.relayer.Address, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	return balance
}
