package exit_test

import (
	"context"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat"
	"lifeboat/act/exit"
	"lifeboat/act/safe"
	"lifeboat/chain"
	"lifeboat/chain/protocol"
	"lifeboat/testbed"
)

// A market is a Safe of two in three owners in a real Aave market: it has supplied 10 WETH and owes 12,000 USDC.
type market struct {
	*testbed.Bed
	t       *testing.T
	aave    *testbed.Aave
	safe    *testbed.Safe
	relayer testbed.Account
	chain   *chain.Chain
	desk    *exit.Desk
	dir     string
	relay   *exit.Relay // nil for none
}

type signer struct{ testbed.Account }

func (s signer) SignTx(_ context.Context, tx *types.Transaction, id *big.Int) (*types.Transaction, error) {
	return types.SignTx(tx, types.LatestSignerForChainID(id), s.Key)
}

func newMarket(t *testing.T, bed *testbed.Bed) *market {
	m := &market{Bed: bed, t: t, aave: bed.Aave(), safe: bed.Safe(bed.Accounts[1:4], 2), relayer: bed.Accounts[5], dir: t.TempDir()}
	s, usdc, weth := m.safe, m.aave.USDC, m.aave.WETH
	bed.Mint(weth, s.Address, testbed.Ether(10))
	s.Batch(weth.Do("approve", m.aave.Pool.Address, testbed.Ether(10)),
		m.aave.Pool.Do("supply", weth.Address, testbed.Ether(10), s.Address, uint16(0)),
		m.aave.Pool.Do("borrow", usdc.Address, testbed.Units(12_000, 6), testbed.VariableRate, uint16(0), s.Address))
	bed.Mint(usdc, s.Address, testbed.Units(500, 6))
	m.connect(bed.URL)
	return m
}

// connect reads and sends through these nodes.
func (m *market) connect(urls ...string) {
	var nodes []chain.Node
	for _, url := range urls {
		nodes = append(nodes, chain.Node{URL: url})
	}
	c, err := chain.New(chain.Config{ID: m.ChainID.Uint64(), Nodes: nodes, Network: chain.Network{BlockTime: time.Second}})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = c.Close() })
	m.chain = c
	m.open(exit.Policy{})
}

// open a desk, as a new process would.
func (m *market) open(p exit.Policy) {
	if p.Poll == 0 {
		p.Poll = 50 * time.Millisecond
	}
	if p.BumpAfter == 0 {
		p.BumpAfter = time.Second
	}
	var err error
	m.desk, err = exit.Open(exit.Options{Chain: m.chain, Name: "ethereum", Symbol: "ETH", Policy: p, Clock: lifeboat.WallClock{}, Dir: m.dir,
		Signers: map[common.Address]exit.Signer{m.relayer.Address: signer{m.relayer}}, Relay: m.relay, Token: m.token})
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *market) token(a common.Address) (string, uint8, bool) {
	for _, t := range []testbed.Token{m.aave.WETH, m.aave.USDC} {
		if t.Address == a {
			return t.Symbol, uint8(t.Decimals), true
		}
	}
	return "", 0, false
}

func (m *market) order() exit.Order {
	return exit.Order{What: "repay and withdraw everything", Safe: m.safe.Address, Account: "treasury", Sender: m.relayer.Address, Batch: m.safe.MultiSend.Address,
		Way:  protocol.NewAave("Aave", m.aave.Pool.Address, nil),
		Asks: []protocol.Ask{{Do: protocol.Repay, Token: m.aave.USDC.Address}, {Do: protocol.Withdraw}}}
}

func (m *market) plan(o exit.Order) exit.Prepared {
	m.t.Helper()
	p, err := m.desk.Plan(m.t.Context(), o)
	if err != nil {
		m.t.Fatal(err)
	}
	return p
}

// signed by so many owners.
func (m *market) signed(p exit.Prepared, owners int) (all []safe.Signature) {
	m.t.Helper()
	for _, o := range m.safe.Owners[:owners] {
		b, err := crypto.Sign(p.Hash[:], o.Key)
		if err != nil {
			m.t.Fatal(err)
		}
		one, err := safe.FromWallet(p.Hash, b, []common.Address{o.Address})
		if err != nil {
			m.t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

func (m *market) apply(p exit.Prepared, signatures []safe.Signature) *exit.Ending {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 90*time.Second)
	defer cancel()
	e, err := m.desk.Apply(ctx, "exit-1", p, signatures, exit.Insist{})
	if err != nil {
		m.t.Fatal(err)
	}
	return e
}

// blocks come by themselves until the test ends.
func (m *market) blocks() {
	ctx, stop := context.WithCancel(m.t.Context())
	done := m.minedEvery(ctx, 200*time.Millisecond)
	m.t.Cleanup(func() { stop(); <-done })
}

// minedEvery lets a block come so often until ctx ends; then it closes what it returns.
func (m *market) minedEvery(ctx context.Context, pause time.Duration) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for (lifeboat.WallClock{}).Sleep(ctx, time.Now().Add(pause)) == nil {
			m.Mine(1)
		}
	}()
	return done
}

// out says that the Safe is out: no debt, and what was supplied is in the Safe.
func (m *market) out() {
	m.t.Helper()
	if debt := m.aave.Position(m.safe.Address).Debt; debt.Sign() != 0 {
		m.t.Errorf("%s is still owed", debt)
	}
	if has := m.Balance(m.aave.WETH, m.safe.Address); has.Cmp(testbed.Ether(10)) < 0 {
		m.t.Errorf("the Safe has %s WETH", has)
	}
}

func says(t *testing.T, text string, all ...string) {
	t.Helper()
	for _, s := range all {
		if !strings.Contains(text, s) {
			t.Errorf("it does not say %q:\n%s", s, text)
		}
	}
}

// TestOutOfAave is the whole way: the price falls, the exit is planned and tried, two of three owners sign, it is mined, and what
// was promised is true.
func TestOutOfAave(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		m := newMarket(t, bed)
		m.aave.PriceTo(m.aave.WETH, 1500)
		p := m.plan(m.order())
		says(t, p.Text(), "repay all that is owed of USDC", "withdraw all WETH", "treasury: 0 → 10", "2 owners must sign this hash: "+p.Hash.Hex())
		t.Log(p.Text())
		m.blocks()
		e := m.apply(p, m.signed(p, 2))
		r := e.Receipt("exit-1", p)
		if r.Status != lifeboat.Performed {
			t.Fatal(r.Why, r.Output)
		}
		t.Log(r.Why, r.Facts)
		t.Log(r.Output)
		m.out()
		if again := m.apply(p, m.signed(p, 2)); again.Found.Tx != e.Found.Tx {
			t.Error("a second time it became another transaction")
		}
		if _, err := m.desk.Plan(t.Context(), m.order()); !errors.Is(err, protocol.ErrNothingToDo) {
			t.Errorf("a second exit is planned: %v", err)
		}
	})
}

// TestNotEnoughSignatures sends nothing.
func TestNotEnoughSignatures(t *testing.T) {
	m := newMarket(t, testbed.Start(t, testbed.Anvil))
	p := m.plan(m.order())
	says(t, m.apply(p, m.signed(p, 1)).Why, "1 of 2 signatures are good", "nothing was sent")
	stranger := m.signed(p, 2)
	stranger[1].Owner = m.relayer.Address
	says(t, m.apply(p, stranger).Why, "1 of 2 signatures are good")
	other := p
	other.Tx.Nonce++
	says(t, m.apply(other, m.signed(p, 2)).Why, "what was prepared is not what was shown")
	if n, err := m.Client.NonceAt(t.Context(), m.relayer.Address, nil); n != 0 || err != nil {
		t.Errorf("%d transactions were sent: %v", n, err)
	}
}

// TestRefusals are exits that must not be signed, and why.
func TestRefusals(t *testing.T) {
	m := newMarket(t, testbed.Start(t, testbed.Anvil))
	thief := common.HexToAddress("0x7e1ef00000000000000000000000000000000001")
	refused := func(name, why string, change func(o *exit.Order)) {
		t.Run(name, func(t *testing.T) {
			o := m.order()
			change(&o)
			if _, err := m.desk.Plan(t.Context(), o); err == nil {
				t.Error("it was planned")
			} else {
				says(t, err.Error(), why)
			}
		})
	}
	refused("to a stranger", "which is no address of the plan", func(o *exit.Order) { o.Asks[1].To = thief })
	refused("no key", "nobody here holds the key", func(o *exit.Order) { o.Sender = thief })
	refused("no gas", "top it up", func(o *exit.Order) {
		key, err := crypto.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		poor := testbed.Account{Address: crypto.PubkeyToAddress(key.PublicKey), Key: key}
		m.desk.Signers[poor.Address] = signer{poor}
		o.Sender = poor.Address
	})
}
