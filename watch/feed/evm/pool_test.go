package evm

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/chain/chaintest"
	"lifeboat/testbed"
)

// pendingPlan is the plan of the tests with rules on what waits.
const pendingPlan = testPlan + `triggers:
  - {name: somebody calls it, tier: 1, condition: pending.Lend > 0 OR pending.Votes > 0}
`

// standing is a clock that the test moves.
type standing struct{ now time.Time }

func (c *standing) Now() time.Time                               { return c.now }
func (c *standing) Sleep(ctx context.Context, _ time.Time) error { <-ctx.Done(); return ctx.Err() }

// poolOf a plan, heard for long enough.
func poolOf(t *testing.T) (*pool, *standing) {
	t.Helper()
	p, clock := loaded(t, pendingPlan), &standing{now: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}
	s := New(Config{Name: "Ethereum", Feeds: Feeds(p, "Ethereum"), Watched: Of(p, "Ethereum"), Clock: clock})
	if s.pool == nil {
		t.Fatal("nothing of the pool is watched")
	}
	s.pool.Listening("node", true)
	clock.now = clock.now.Add(settleUsual)
	return s.pool, clock
}

func by(sender byte, nonce uint64, to common.Address, version byte) chain.Waiting {
	return chain.Waiting{Hash: common.Hash{sender, byte(nonce), byte(nonce >> 8), version}, From: common.Address{sender}, To: to, Nonce: nonce}
}

// sent answers all that is due: each sender has sent so many.
func (p *pool) sent(block bool, n uint64) int {
	asked := 0
	for turns := p.due(block); len(turns) > 0; turns = p.due(false) {
		asked += len(turns)
		answers := make([]chain.Answer, len(turns))
		for i := range answers {
			answers[i].Data = common.BigToHash(new(big.Int).SetUint64(n)).Bytes()
		}
		p.mined(turns, answers)
	}
	return asked
}

// checkPlaces holds the numbers that the queues keep against what is in them.
func (p *pool) checkPlaces(t *testing.T) {
	t.Helper()
	in := map[*queue]int{}
	for _, w := range p.kept {
		for _, q := range w.in {
			in[q]++
		}
		if len(w.in) == 0 {
			t.Error("one is kept that concerns nobody")
		}
	}
	for _, q := range p.queues {
		if q.n != in[q] {
			t.Errorf("%s holds %d and says %d", q.series, in[q], q.n)
		}
	}
}

// said is what a series says now, -1 when it says nothing.
func (p *pool) said(series lifeboat.Series) float64 {
	clear(p.told)
	for _, r := range p.readings("Ethereum") {
		if r.Series == series {
			return r.Value
		}
	}
	return -1
}

func TestWhatWaits(t *testing.T) {
	cases := []struct {
		name        string
		do          func(p *pool, clock *standing)
		lend, votes float64
	}{
		{"a node that tells of nobody is not believed that nobody waits", func(*pool, *standing) {}, -1, -1},
		{"somebody else's", func(p *pool, _ *standing) { p.Waits("node", by(1, 0, stranger, 0)) }, 0, 0},
		{"one that makes a contract", func(p *pool, _ *standing) { p.Waits("node", by(1, 0, common.Address{}, 0)) }, 0, 0},
		{"one", func(p *pool, _ *standing) { p.Waits("node", by(1, 0, lend, 0)) }, 1, 0},
		{"one to another address of a contract", func(p *pool, _ *standing) { p.Waits("node", by(1, 0, timelock, 0)) }, 0, 1},
		{"one that two nodes tell of", func(p *pool, _ *standing) {
			p.Listening("other", true)
			p.Waits("node", by(1, 0, lend, 0))
			p.Waits("other", by(1, 0, lend, 0))
		}, 1, 0},
		{"two of one sender", func(p *pool, _ *standing) { p.Waits("node", by(1, 0, lend, 0)); p.Waits("node", by(1, 1, lend, 0)) }, 2, 0},
		{"one that is replaced", func(p *pool, _ *standing) { p.Waits("node", by(1, 0, lend, 0)); p.Waits("node", by(1, 0, lend, 1)) }, 1, 0},
		{"one that is replaced by a call of another", func(p *pool, _ *standing) {
			p.Waits("node", by(1, 0, lend, 0))
			p.Waits("node", by(1, 0, governor, 1))
		}, 0, 1},
		{"one that is called off", func(p *pool, _ *standing) {
			p.Waits("node", by(1, 0, lend, 0))
			p.Waits("node", by(1, 0, stranger, 1))
		}, 0, 0},
		{"the first of two is mined", func(p *pool, _ *standing) {
			p.Waits("node", by(1, 0, lend, 0))
			p.Waits("node", by(1, 1, lend, 0))
			p.sent(true, 1)
		}, 1, 0},
		{"mined before it was heard", func(p *pool, _ *standing) { p.Waits("node", by(1, 0, lend, 0)); p.sent(false, 1) }, 0, 0},
		{"nobody takes it", func(p *pool, clock *standing) {
			p.Waits("node", by(1, 0, lend, 0))
			clock.now = clock.now.Add(waitsMost)
			p.Waits("node", by(2, 0, stranger, 0))
		}, 0, 0},
		{"the node is lost", func(p *pool, _ *standing) { p.Waits("node", by(1, 0, lend, 0)); p.Listening("node", false) }, -1, -1},
		{"the node is back, and something may have been missed", func(p *pool, _ *standing) {
			p.Listening("node", false)
			p.Listening("node", true)
			p.Waits("node", by(1, 0, lend, 0))
		}, -1, -1},
		{"something was missed", func(p *pool, _ *standing) { p.Waits("node", by(1, 0, lend, 0)); p.Missed("node", 1) }, -1, -1},
		{"something was missed a while ago", func(p *pool, clock *standing) {
			p.Missed("node", 1)
			clock.now = clock.now.Add(settleUsual)
			p.Waits("node", by(1, 0, lend, 0))
		}, 1, 0},
		{"the node fell silent", func(p *pool, clock *standing) {
			p.Waits("node", by(1, 0, stranger, 0))
			clock.now = clock.now.Add(silentMost)
		}, -1, -1},
		{"more than are kept", func(p *pool, _ *standing) {
			for nonce := range uint64(queueMax + 9) {
				p.Waits("node", by(1, nonce, lend, 0))
			}
		}, queueMax, 0},
		{"more than were kept, of which some are mined", func(p *pool, _ *standing) {
			for nonce := range uint64(queueMax + 9) {
				p.Waits("node", by(1, nonce, lend, 0))
			}
			p.sent(true, queueMax)
		}, -1, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, clock := poolOf(t)
			c.do(p, clock)
			p.sent(false, 0)
			if l, v := p.said("pending.Lend"), p.said("pending.Votes"); l != c.lend || v != c.votes {
				t.Errorf("%v call Lend and %v call Votes, want %v and %v", l, v, c.lend, c.votes)
			}
			p.checkPlaces(t)
		})
	}
}

// Nothing counts before the quorum was asked whether it is mined, and each sender is asked again after a block, however many there are.
func TestSendersAreAsked(t *testing.T) {
	p, _ := poolOf(t)
	for nonce := range uint64(queueMax) {
		p.Waits("node", by(1, nonce, lend, 0))
		p.Waits("node", by(2, nonce, governor, 0))
	}
	if n := p.said("pending.Lend"); n != 0 {
		t.Errorf("%v count that nobody was asked about", n)
	}
	if turns := p.due(true); len(turns) != noncesAtOnce {
		t.Errorf("%d are asked at once", len(turns))
	}
	if turns := p.due(true); len(turns) != 2*queueMax-noncesAtOnce { // a block came meanwhile: the round is ended first
		t.Errorf("%d were left", len(turns))
	}
	if n := p.sent(false, 0); n != 2*queueMax {
		t.Errorf("%d are asked about the block that came meanwhile", n)
	}
	if n := p.sent(false, 0); n != 0 {
		t.Errorf("%d are asked though there is no block", n)
	}
}

// What concerns nobody is most of what there is.
func TestAStrangersTransactionCostsNothing(t *testing.T) {
	p, _ := poolOf(t)
	tx := by(1, 0, stranger, 0)
	if n := testing.AllocsPerRun(100, func() { p.Waits("node", tx) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Where no rule speaks of it nobody listens.
func TestNobodyListensUnasked(t *testing.T) {
	p := loaded(t, testPlan)
	if s := New(Config{Name: "Ethereum", Feeds: Feeds(p, "Ethereum"), Watched: Of(p, "Ethereum"), Clock: &standing{}}); s.pool != nil {
		t.Error("it listens")
	}
}

// TestPoolOverWebSockets goes the whole way on the small chain: what waits counts, and no more once the node is lost.
func TestPoolOverWebSockets(t *testing.T) {
	fake := chaintest.New(1)
	node := chaintest.Serve(t, fake)
	way := socketOf(t, node.Socket(), big.NewInt(1))
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("a sender for tests alone")))
	if err != nil {
		t.Fatal(err)
	}
	w := run(t, loaded(t, pendingPlan), way, nil)
	wait(t, func() bool { return heardAny(w.source.pool) })
	fake.Add(call(t, key, big.NewInt(1), 0, lend, 2))
	if r := w.value("pending.Lend", 1); r.Why != "1 of the transactions that wait to be mined call it, as far as nodes are heard" {
		t.Error(r.Why)
	}
	fake.Mine()
	w.value("pending.Lend", 0)
	node.Misbehave(chaintest.Faults{Down: true})
	wait(t, func() bool { return !heardAny(w.source.pool) })
	if readings := w.source.pool.readings("Ethereum"); readings != nil {
		t.Errorf("it says %v, and nobody tells it anything", readings)
	}
}

// A node that does not tell of its pool is no calm one: that is told, and there is no reading.
func TestNoNodeTellsOfItsPool(t *testing.T) {
	fake, way, _ := net(t, 2) // over HTTP
	fake.Mine()
	w := run(t, loaded(t, pendingPlan), way, nil)
	w.until("nodes_agree.Ethereum", func(lifeboat.Reading) bool { return true })
	wait(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return strings.Contains(strings.Join(w.problems, " "), "no node tells what waits in its pool")
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if r, said := w.last["pending.Lend from Ethereum"]; said {
		t.Errorf("it says %v", r.Value)
	}
}

// TestRealPool is the same with real nodes that hold what they are sent: waiting is 1, replaced is 1 still, mined is 0.
func TestRealPool(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		m, bank := bed.Aave(), bed.Proxy()
		contracts := fmt.Sprintf("  - {name: Bank, kind: protocol, contract: {adapter: proxy, chain: Ethereum, address: %q}}\n", bank.Address.Hex())
		rule := "triggers:\n  - {name: somebody calls it, tier: 1, condition: pending.Bank > 0}\n"
		bed.Mine(1)
		w := run(t, loaded(t, bedPlan(bed, m, bed.Accounts[1].Hex(), bed.Accounts[2].Hex(), contracts)+rule), over(t, bed), nil)
		w.value("upgraded.Bank", 0)
		wait(t, func() bool { return heardAny(w.source.pool) })
		bed.Hold()
		send := func(from testbed.Account, gwei int64) {
			t.Helper()
			nonce, err := bed.Client.NonceAt(t.Context(), from.Address, nil)
			if err == nil {
				err = bed.Client.SendTransaction(t.Context(), call(t, from.Key, bed.ChainID, nonce, bank.Address, gwei))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		send(bed.Accounts[3], 3)
		w.value("pending.Bank", 1)
		send(bed.Accounts[3], 6) // in its place
		send(bed.Accounts[4], 3) // heard after it
		w.until("pending.Bank", func(r lifeboat.Reading) bool {
			if r.Value > 2 {
				t.Fatalf("%v wait, and one of them replaced another", r.Value)
			}
			return r.Value == 2
		})
		bed.Mine(1)
		w.value("pending.Bank", 0)
		bed.Release()
	})
}

// call of a contract that is signed and not sent.
func call(t *testing.T, key *ecdsa.PrivateKey, id *big.Int, nonce uint64, to common.Address, gwei int64) *types.Transaction {
	t.Helper()
	return asking(t, key, id, nonce, to, nil, gwei)
}

// asking is a call with calldata.
func asking(t *testing.T, key *ecdsa.PrivateKey, id *big.Int, nonce uint64, to common.Address, data []byte, gwei int64) *types.Transaction {
	t.Helper()
	tx, err := types.SignNewTx(key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{ChainID: id, Nonce: nonce, To: &to, Gas: 200_000, Data: data,
		GasTipCap: big.NewInt(gwei * 1e9), GasFeeCap: big.NewInt(20 * gwei * 1e9)})
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// heardAny reports that a node is listened to.
func heardAny(p *pool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.heard) > 0
}

func wait(t *testing.T, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never happened")
		}
	}
}

func socketOf(t *testing.T, url string, id *big.Int) *chain.Chain {
	t.Helper()
	return over(t, &testbed.Bed{WS: url, ChainID: id})
}
