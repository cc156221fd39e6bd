package exit

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"lifeboat/chain"
)

// A trial is one exit in one world.
type trial struct {
	*world
	t    *testing.T
	key  key
	desk *Desk
	job  job

	relay *Relay // nil for none
}

// open a desk, as a new process would.
func (tr *trial) open(dir string) *Desk {
	d := openDesk(tr.t, tr.desk.Chain, tr.world, dir, tr.key)
	if d.Relay = tr.relay; d.Relay != nil {
		d.Policy.Relay = time.Duration(d.Relay.Within)
	}
	return d
}

func newTrial(t *testing.T, guarded bool) *trial {
	w := newWorld()
	k := newKey(w, 1)
	tr := &trial{world: w, t: t, key: k, desk: openDesk(t, w, w, t.TempDir(), k)}
	tr.job = moduleJob(k.address(), common.Hash{0xaa})
	if guarded {
		tr.job = safeJob(k.address(), common.Hash{0xaa}, 7)
	}
	return tr
}

// run carries the exit out, and checks that what is said of it is what is in the chain.
func (tr *trial) run(done bool, says ...string) *note {
	tr.t.Helper()
	n, err := tr.desk.carry(context.Background(), "exit-1", tr.job)
	if err != nil {
		tr.t.Fatalf("%v\n%s", err, story(n))
	}
	if n.End.Done != done {
		tr.t.Errorf("done is %v: %s", n.End.Done, n.End.Why)
	}
	want := 0
	if done {
		want = 1
	}
	if got := tr.head().state.done[common.Hash{0xaa}]; got != want {
		tr.t.Errorf("it was executed %d times, not %d", got, want)
	}
	for _, s := range says {
		if !strings.Contains(story(n)+n.End.Why, s) {
			tr.t.Errorf("nothing is said of %q", s)
		}
	}
	if tr.t.Failed() {
		tr.t.Log(n.End.Why + "\n" + story(n))
	}
	return n
}

func both(t *testing.T, test func(t *testing.T, guarded bool)) {
	for _, guarded := range []bool{true, false} {
		t.Run(fmt.Sprintf("guarded=%v", guarded), func(t *testing.T) { test(t, guarded) })
	}
}

func TestExecutedOnce(t *testing.T) {
	both(t, func(t *testing.T, guarded bool) {
		tr := newTrial(t, guarded)
		n := tr.run(true, "sent as transaction 0", "executed in block 2")
		if again := tr.run(true); again.End.At != n.End.At {
			t.Error("a second time it was followed again")
		}
		if len(n.Sent) != 1 {
			t.Errorf("%d transactions were sent", len(n.Sent))
		}
	})
}

func TestStuckIsOfferedForMore(t *testing.T) {
	both(t, func(t *testing.T, guarded bool) {
		tr := newTrial(t, guarded)
		tr.onBlock = func(number uint64) {
			if number == 2 {
				tr.base = big.NewInt(60e9)
			}
		}
		tr.desk.carryUntil(tr, "read", func() { tr.base = big.NewInt(60e9) })
		n := tr.run(true, "sent again under the same nonce")
		for i := 1; i < len(n.Sent); i++ {
			last, next := n.Sent[i-1].tx, n.Sent[i].tx
			if next.Nonce() != last.Nonce() || !eighth(last.GasFeeCap(), next.GasFeeCap()) || !eighth(last.GasTipCap(), next.GasTipCap()) {
				t.Errorf("the %d. replacement offers %v/%v after %v/%v", i, next.GasFeeCap(), next.GasTipCap(), last.GasFeeCap(), last.GasTipCap())
			}
		}
	})
}

func eighth(before, after *big.Int) bool {
	return new(big.Int).Mul(after, big.NewInt(1000)).Cmp(new(big.Int).Mul(before, big.NewInt(1125))) >= 0
}

// carryUntil arms something that happens at the first broadcast.
func (d *Desk) carryUntil(tr *trial, _ string, then func()) {
	happened := false
	tr.onCall = func(method string) error {
		if method == "broadcast" && !happened {
			happened = true
			then()
		}
		return nil
	}
}

func TestAboveTheCeilingItWaits(t *testing.T) {
	both(t, func(t *testing.T, guarded bool) {
		tr := newTrial(t, guarded)
		tr.base = big.NewInt(200e9) // ×20
		tr.desk.Policy.Ceiling = big.NewInt(100e9)
		tr.onBlock = func(number uint64) {
			if number == 9 {
				tr.base = big.NewInt(20e9)
			}
		}
		n := tr.run(true, "gas is above the ceiling: the market wants 201 gwei, the ceiling is 100 gwei")
		if n.Sent[0].Block < 9 {
			t.Error("it was sent above the ceiling")
		}
		urgent := newTrial(t, guarded)
		urgent.base = big.NewInt(200e9)
		urgent.desk.Policy.Ceiling, urgent.desk.Policy.UrgentCeiling = big.NewInt(100e9), big.NewInt(500e9)
		urgent.job.Urgent = true
		if n := urgent.run(true); n.Sent[0].Block != 1 {
			t.Error("an urgent one waited")
		}
	})
}

func TestASpikeThatStays(t *testing.T) {
	tr := newTrial(t, true)
	tr.desk.Policy.Ceiling = big.NewInt(100e9)
	tr.desk.carryUntil(tr, "", func() { tr.base = big.NewInt(200e9) })
	tr.onBlock = func(number uint64) {
		if number == 60 {
			tr.base = big.NewInt(20e9)
		}
	}
	n := tr.run(true, "to offer more takes")
	for _, s := range n.Sent {
		if s.tx.GasFeeCap().Cmp(big.NewInt(100e9)) > 0 {
			t.Errorf("%s was offered", gwei(s.tx.GasFeeCap()))
		}
	}
}

func TestReorganisation(t *testing.T) {
	for _, fate := range []int{dropped, returned, revived} {
		both(t, func(t *testing.T, guarded bool) {
			tr := newTrial(t, guarded)
			tr.onBlock = func(number uint64) {
				if number == 4 { // it is in block 2
					tr.onBlock = nil
					tr.reorg(3, fate)
				}
			}
			n := tr.run(true)
			if n.nonces() != 1 {
				t.Errorf("it was sent under %d nonces", n.nonces())
			}
		})
	}
}

// TestForeignTransaction has another program with the same key win the race for the nonce.
func TestForeignTransaction(t *testing.T) {
	both(t, func(t *testing.T, guarded bool) {
		tr := newTrial(t, guarded)
		tr.desk.carryUntil(tr, "", func() {
			tr.key.foreign(tr.world, 0, 50)
			tr.mine()
		})
		n := tr.run(true, "another transaction of the same sender took its place")
		if n.nonces() != 2 {
			t.Errorf("it was sent under %d nonces", n.nonces())
		}
		if !guarded && n.Sent[1].Block < n.Sent[0].Block+1+tr.desk.Policy.Confirmations {
			t.Error("it did not wait until the other one was final")
		}
	})
}

// TestForeignTransactionVanishes takes the winner of that race out of the chain again, and has a node that still knows ours
// bring it back. Had it been sent under the next nonce meanwhile, both would be executed.
func TestForeignTransactionVanishes(t *testing.T) {
	for at := uint64(2); at < 9; at++ {
		both(t, func(t *testing.T, guarded bool) {
			tr := newTrial(t, guarded)
			tr.desk.carryUntil(tr, "", func() {
				tr.key.foreign(tr.world, 0, 50)
				tr.mine()
			})
			tr.onBlock = func(number uint64) {
				if number == at {
					tr.onBlock = nil
					tr.forgetForeign()
					tr.reorg(3, revived)
				}
			}
			tr.run(true)
		})
	}
}

// TestForeignTransactionMovesToALaterBlock mines the winner of the race again in another block, and takes that away too. The
// count of the blocks on top of it has to start again.
func TestForeignTransactionMovesToALaterBlock(t *testing.T) {
	tr := newTrial(t, false)
	var other *types.Transaction
	tr.desk.carryUntil(tr, "", func() {
		other = tr.key.foreign(tr.world, 0, 50)
		tr.mine()
	})
	tr.onBlock = func(number uint64) {
		switch {
		case number == 4 && tr.forks == 3:
			tr.forgetForeign()
			tr.blocks = tr.blocks[:1]
			for range 3 {
				tr.mine()
			}
			_ = tr.take(other)
			tr.mine()
		case number == 6:
			tr.onBlock = nil
			tr.forgetForeign()
			tr.reorg(2, revived)
		}
	}
	tr.run(true)
}

// TestARefusalIsNoEnd refuses an exit whose transaction may come back yet.
func TestARefusalIsNoEnd(t *testing.T) {
	tr := newTrial(t, false)
	refuse := false
	tr.desk.carryUntil(tr, "", func() {
		tr.key.foreign(tr.world, 0, 50)
		tr.mine()
		refuse = true
	})
	tr.job.Says = func(chain.Answer) error {
		if refuse {
			return errors.New("it would end badly")
		}
		return nil
	}
	tr.job.Safe, tr.job.Nonce, tr.job.To = safeAddress, 7, safeAddress
	tr.job.Hash = common.Hash{0xaa}
	tr.job.Data = safeJob(tr.key.address(), common.Hash{0xaa}, 7).Data
	tr.onBlock = func(number uint64) {
		if number == 4 {
			tr.onBlock = nil
			tr.forgetForeign()
			tr.reorg(3, revived)
		}
	}
	tr.run(true, "it would end badly")
}

// TestBehindOthers finds transactions of another program in the pool, which get mined or never do.
func TestBehindOthers(t *testing.T) {
	both(t, func(t *testing.T, guarded bool) {
		tr := newTrial(t, guarded)
		tr.key.foreign(tr.world, 0, 50)
		tr.run(true, "transactions of")
		stuck := newTrial(t, guarded)
		stuck.key.foreign(stuck.world, 0, 9)
		stuck.run(true)
	})
}

func TestSomebodyElseExecutedIt(t *testing.T) {
	tr := newTrial(t, true)
	other := newKey(tr.world, 2)
	tx := other.send(tr.world, tr.job.Data)
	tr.desk.carryUntil(tr, "", func() { _ = tr.take(tx); tr.mine() })
	n := tr.run(true, "by somebody else who had the signatures")
	if n.End.Found.Ours || n.End.Found.Tx != tx.Hash() {
		t.Errorf("it says %+v", n.End.Found)
	}
}

func TestTheNonceWentToAnother(t *testing.T) {
	tr := newTrial(t, true)
	other := newKey(tr.world, 2)
	tx := other.send(tr.world, safeJob(other.address(), common.Hash{0xbb}, 7).Data)
	tr.desk.carryUntil(tr, "", func() { _ = tr.take(tx); tr.mine() })
	tr.run(false, "the Safe spent its nonce 7 on another transaction")
}

func (k key) send(w *world, data []byte) *types.Transaction {
	tx, err := types.SignNewTx(k.PrivateKey, types.LatestSignerForChainID(chainID), &types.DynamicFeeTx{ChainID: chainID, Gas: 500_000, To: &safeAddress, Data: data,
		GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(90e9)})
	if err != nil {
		panic(err)
	}
	return tx
}

func TestRefusedBeforeItIsSent(t *testing.T) {
	tr := newTrial(t, true)
	tr.job = safeJob(tr.key.address(), common.Hash{0xaa}, 6)
	tr.job.Nonce = 7
	n := tr.run(false, "(GS026); nothing has happened on the chain")
	if len(n.Sent) != 0 || len(tr.known) != 0 {
		t.Error("it was sent all the same")
	}
}

// TestPrivateRelay expires silently, as relays do.
func TestPrivateRelay(t *testing.T) {
	both(t, func(t *testing.T, guarded bool) {
		tr := newTrial(t, guarded)
		tr.desk.Chain = relayWorld{tr.world}
		tr.relayed = func(*types.Transaction) error { return nil }
		n := tr.run(true, "the private relay did not bring it into 2 blocks")
		if n.Sent[0].tx.Hash() != n.End.Found.Tx {
			t.Error("it was not the same transaction that was given to everybody")
		}
		refuses := newTrial(t, guarded)
		refuses.desk.Chain = relayWorld{refuses.world}
		refuses.relayed = func(*types.Transaction) error { return errors.New("busy") }
		refuses.run(true, "the private relay did not take it")
	})
}

// TestOutOfGas has a call that takes more when it is mined than any margin.
func TestOutOfGas(t *testing.T) {
	both(t, func(t *testing.T, guarded bool) {
		tr := newTrial(t, guarded)
		tr.desk.carryUntil(tr, "", func() { tr.needs *= 2 })
		n := tr.run(true, "reverted in block 2")
		if n.nonces() != 2 {
			t.Errorf("it was sent under %d nonces", n.nonces())
		}
	})
}

func TestNoNodeTakesIt(t *testing.T) {
	both(t, func(t *testing.T, guarded bool) {
		tr := newTrial(t, guarded)
		count := 0
		tr.onCall = func(method string) error {
			if method == "broadcast" {
				if count++; count < 4 {
					return errors.New("connection refused")
				}
			}
			return nil
		}
		n := tr.run(true, "no node is known to have taken it: connection refused")
		if n.nonces() != 1 {
			t.Errorf("it was sent under %d nonces", n.nonces())
		}
	})
}
