package evm

import (
	"bytes"
	"crypto/ecdsa"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat/chain"
	"lifeboat/chain/chaintest"
	"lifeboat/testbed"
)

var wallet = common.HexToAddress("0xabababababababababababababababababababab")

// ownPlan is the plan of the tests with a wallet besides the Safe, and a rule on what waits that concerns both.
var ownPlan = strings.Replace(testPlan, "accounts:\n", fmt.Sprintf("accounts:\n  - {name: me, kind: wallet, chain: Ethereum, address: %q}\n", wallet), 1) + `triggers:
  - {name: a key is used, tier: 3, condition: pending.me > 0 OR pending.vault > 0 OR pending.Lend > 0}
`

var execute, approve, moduleActs = acting[0], acting[3], acting[1]

func TestWhatWaitsOfAccounts(t *testing.T) {
	const mine = 77 // version of what lifeboat signed
	from := func(sender common.Address, nonce uint64, to common.Address, asks [4]byte, version byte) chain.Waiting {
		return chain.Waiting{Hash: common.Hash{sender[0], byte(nonce), to[0], version}, From: sender, To: to, Nonce: nonce, Asks: asks}
	}
	none := [4]byte{}
	calls := func(input common.Hash, tx chain.Waiting) chain.Waiting { tx.Input = input; return tx }
	prepared := common.Hash{0xca} // what a relay was given of the Safe
	cases := []struct {
		name            string
		all             []chain.Waiting
		me, vault, lend float64
	}{
		{"somebody sends something to the wallet", []chain.Waiting{from(stranger, 0, wallet, none, 0)}, 0, 0, 0},
		{"the wallet sends something", []chain.Waiting{from(wallet, 0, stranger, none, 0)}, 1, 0, 0},
		{"the wallet makes a contract", []chain.Waiting{from(wallet, 0, common.Address{}, none, 0)}, 1, 0, 0},
		{"the wallet calls a contract of the plan", []chain.Waiting{from(wallet, 0, lend, none, 0)}, 1, 0, 1},
		{"the wallet replaces it by something else", []chain.Waiting{from(wallet, 0, lend, none, 0), from(wallet, 0, stranger, none, 1)}, 1, 0, 0},
		{"the wallet as an owner of the Safe", []chain.Waiting{from(wallet, 0, vault, approve, 0)}, 1, 1, 0},
		{"somebody gives the Safe something", []chain.Waiting{from(stranger, 0, vault, none, 0)}, 0, 0, 0},
		{"somebody calls something else of the Safe", []chain.Waiting{from(stranger, 0, vault, [4]byte{1}, 0)}, 0, 0, 0},
		{"somebody asks the Safe to act", []chain.Waiting{from(stranger, 0, vault, execute, 0)}, 0, 1, 0},
		{"a module asks the Safe to act", []chain.Waiting{from(stranger, 0, vault, moduleActs, 0)}, 0, 1, 0},
		{"somebody asks another Safe to act", []chain.Waiting{from(stranger, 0, keeping, execute, 0)}, 0, 0, 0},
		{"lifeboat asks the Safe to act", []chain.Waiting{from(relayer, 0, vault, execute, mine)}, 0, 0, 0},
		{"lifeboat calls a contract of the plan", []chain.Waiting{from(relayer, 0, lend, none, mine)}, 0, 0, 1},
		{"somebody with the relayer's key asks the Safe to act: once", []chain.Waiting{from(relayer, 0, vault, execute, 0)}, 0, 1, 0},
		{"somebody with the relayer's key takes its gas", []chain.Waiting{from(relayer, 0, stranger, none, 0)}, 0, 1, 0},
		{"somebody with the relayer's key takes lifeboat's place", []chain.Waiting{from(relayer, 0, vault, execute, mine), from(relayer, 0, stranger, none, 0)}, 0, 1, 0},
		{"lifeboat takes the place of somebody with its key", []chain.Waiting{from(relayer, 0, stranger, none, 0), from(relayer, 0, vault, execute, mine)}, 0, 0, 0},
		{"lifeboat and somebody with its key", []chain.Waiting{from(relayer, 0, vault, execute, mine), from(relayer, 1, stranger, none, 0)}, 0, 1, 0},
		{"somebody forwards what lifeboat would send", []chain.Waiting{from(relayer, 0, vault, execute, mine), from(stranger, 0, vault, execute, 0)}, 0, 1, 0},
		{"a relay sends what lifeboat gave it", []chain.Waiting{calls(prepared, from(stranger, 0, vault, execute, 0))}, 0, 0, 0},
		{"a relay sends something else", []chain.Waiting{calls(common.Hash{0xcb}, from(stranger, 0, vault, execute, 0))}, 0, 1, 0},
		{"a relay sends it twice, and somebody something else", []chain.Waiting{calls(prepared, from(stranger, 0, vault, execute, 0)),
			calls(prepared, from(stranger, 1, vault, execute, 0)), calls(common.Hash{0xcb}, from(stranger, 2, vault, execute, 0))}, 0, 1, 0},
		{"a relay replaces it by something else", []chain.Waiting{calls(prepared, from(stranger, 0, vault, execute, 0)), calls(common.Hash{0xcb}, from(stranger, 0, vault, execute, 1))}, 0, 1, 0},
		{"somebody asks another contract for what a relay was given", []chain.Waiting{calls(prepared, from(stranger, 0, lend, execute, 0))}, 0, 0, 1},
		{"the wallet's key sends what a relay was given", []chain.Waiting{calls(prepared, from(wallet, 0, vault, execute, 0))}, 1, 0, 0},
		{"somebody with the relayer's key sends what a relay was given", []chain.Waiting{calls(prepared, from(relayer, 0, vault, execute, 0))}, 0, 1, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, clock := loaded(t, ownPlan), &standing{now: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}
			s := New(Config{Name: "Ethereum", Feeds: Feeds(p, "Ethereum"), Watched: Of(p, "Ethereum"), Clock: clock,
				Own: func(tx chain.Waiting) (signed, given bool) {
					return tx.Hash[3] == mine, tx.To == vault && tx.Input == prepared
				}})
			s.pool.Listening("node", true)
			clock.now = clock.now.Add(settleUsual)
			for _, tx := range c.all {
				s.pool.Waits("node", tx)
				s.pool.Waits("other", tx) // which another node says as well
			}
			s.pool.sent(false, 0)
			if me, v, l := s.pool.said("pending.me"), s.pool.said("pending.vault"), s.pool.said("pending.Lend"); me != c.me || v != c.vault || l != c.lend {
				t.Errorf("me %v, vault %v, Lend %v; want %v, %v and %v", me, v, l, c.me, c.vault, c.lend)
			}
			s.pool.checkPlaces(t)
		})
	}
}

// What concerns a full series and one that is not counts for the latter, and the former says nothing once it has room for what was left out.
func TestAFullSeriesBesideAnother(t *testing.T) {
	p, clock := loaded(t, ownPlan), &standing{now: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}
	s := New(Config{Name: "Ethereum", Feeds: Feeds(p, "Ethereum"), Watched: Of(p, "Ethereum"), Clock: clock})
	s.pool.Listening("node", true)
	clock.now = clock.now.Add(settleUsual)
	for nonce := range uint64(queueMax) {
		s.pool.Waits("node", by(1, nonce, lend, 0))
	}
	s.pool.Waits("node", chain.Waiting{Hash: common.Hash{9}, From: wallet, To: lend})
	s.pool.sent(false, 0)
	if me, l := s.pool.said("pending.me"), s.pool.said("pending.Lend"); me != 1 || l != queueMax {
		t.Errorf("me %v, Lend %v", me, l)
	}
	s.pool.sent(true, 1) // the wallet's, and the first of the others
	if me, l := s.pool.said("pending.me"), s.pool.said("pending.Lend"); me != 0 || l != -1 {
		t.Errorf("me %v, Lend %v, and one that was left out may be among those that wait", me, l)
	}
	s.pool.checkPlaces(t)
}

// TestOwnPoolOverWebSockets goes the whole way on the small chain, with what a node says of the calldata.
func TestOwnPoolOverWebSockets(t *testing.T) {
	fake := chaintest.New(1)
	node := chaintest.Serve(t, fake)
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("a sender for tests alone")))
	if err != nil {
		t.Fatal(err)
	}
	w := run(t, loaded(t, ownPlan), socketOf(t, node.Socket(), big.NewInt(1)), nil)
	wait(t, func() bool { return heardAny(w.source.pool) })
	tx := asking(t, key, big.NewInt(1), 0, vault, append(execute[:], 1, 2, 3), 2)
	fake.Add(tx)
	want := "1 of the transactions that wait to be mined ask it to act or are signed with a key that pays its gas, and not by lifeboat, as far as nodes are heard; the last was " + tx.Hash().Hex()
	if r := w.value("pending.vault", 1); r.Why != want {
		t.Error(r.Why)
	}
	w.value("pending.me", 0)
	fake.Mine()
	w.value("pending.vault", 0)
}

// TestWhatARelaySendsOverWebSockets is known on the small chain by what it calls, to the last byte of the signatures.
func TestWhatARelaySendsOverWebSockets(t *testing.T) {
	fake := chaintest.New(1)
	node := chaintest.Serve(t, fake)
	keys := make([]*ecdsa.PrivateKey, 3)
	for i := range keys {
		var err error
		if keys[i], err = crypto.ToECDSA(crypto.Keccak256(fmt.Appendf(nil, "sender %d for tests alone", i))); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.Replace(ownPlan, wallet.Hex(), crypto.PubkeyToAddress(keys[0].PublicKey).Hex(), 1)
	prepared := append(execute[:], bytes.Repeat([]byte{0xa5}, 10_000)...)
	w := run(t, loaded(t, text), socketOf(t, node.Socket(), big.NewInt(1)), nil, func(c *Config) {
		c.Own = func(tx chain.Waiting) (signed, given bool) {
			return false, tx.To == vault && tx.Input == crypto.Keccak256Hash(prepared)
		}
	})
	wait(t, func() bool { return heardAny(w.source.pool) })
	fake.Add(asking(t, keys[1], big.NewInt(1), 0, vault, prepared, 2))
	fake.Add(asking(t, keys[0], big.NewInt(1), 0, lend, nil, 2)) // heard after it
	w.value("pending.me", 1)
	w.value("pending.vault", 0)
	other := bytes.Clone(prepared)
	other[len(other)-1]++
	fake.Add(asking(t, keys[2], big.NewInt(1), 0, vault, other, 2))
	w.value("pending.vault", 1)
}

// TestRealOwnPool is the same with real nodes and a real Safe: a wallet that signs, a stranger whose call of the Safe would fail, and a
// relayer whose transaction lifeboat knows, until somebody else with its key replaces it.
func TestRealOwnPool(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		m := bed.Aave()
		me, relayer, thief := bed.Accounts[1], bed.Accounts[2], bed.Accounts[3]
		safe := bed.Safe(bed.Accounts[4:6], 2)
		text := bedPlan(bed, m, me.Hex(), bed.Accounts[6].Hex())
		account := fmt.Sprintf("accounts:\n  - {name: vault, kind: safe, chain: Ethereum, address: %q, safe: {relayer: {kind: secret, secret: \"env:RELAYER\", address: %q}}}\n", safe.Address, relayer.Address)
		text = strings.Replace(text, "accounts:\n", account, 1) + "triggers:\n  - {name: a key is used, tier: 3, condition: pending.me > 0 OR pending.vault > 0}\n"
		bed.Mine(1)
		exec := safe.Signed(testbed.Call{To: me.Address}, testbed.OperationCall, safe.Nonce(), safe.Owners...)
		bad := safe.Signed(testbed.Call{To: thief.Address}, testbed.OperationCall, safe.Nonce(), safe.Owners[0])
		signed := func(from testbed.Account, to common.Address, data []byte, gwei int64) *types.Transaction {
			t.Helper()
			nonce, err := bed.Client.NonceAt(t.Context(), from.Address, nil)
			if err != nil {
				t.Fatal(err)
			}
			return asking(t, from.Key, bed.ChainID, nonce, to, data, gwei)
		}
		send := func(tx *types.Transaction) {
			t.Helper()
			if err := bed.Client.SendTransaction(t.Context(), tx); err != nil {
				t.Fatal(err)
			}
		}
		ours := signed(relayer, safe.Address, exec.Data, 3)
		w := run(t, loaded(t, text), over(t, bed), nil, func(c *Config) {
			c.Own = func(tx chain.Waiting) (signed, given bool) { return tx.Hash == ours.Hash(), false }
		})
		w.value("threshold.vault", 2)
		wait(t, func() bool { return heardAny(w.source.pool) })
		bed.Hold()
		send(ours)
		send(signed(me, thief.Address, nil, 3)) // heard after it
		w.value("pending.me", 1)
		w.value("pending.vault", 0)
		send(signed(thief, safe.Address, bad.Data, 3)) // which will fail
		w.value("pending.vault", 1)
		send(signed(relayer, thief.Address, nil, 6)) // in the place of ours
		w.value("pending.vault", 2)
		bed.Mine(1)
		w.value("pending.vault", 0)
		w.value("pending.me", 0)
		bed.Release()
	})
}
