package chain_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/chain/chaintest"
)

// heard is an ear that remembers.
type heard struct {
	mu     sync.Mutex
	on     bool
	times  int // that a node was listened to anew
	missed int
	waits  []chain.Waiting
}

func (h *heard) Listening(_ string, on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.on = on; on {
		h.times++
	}
}

func (h *heard) Missed(_ string, transactions int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.missed += transactions
}

func (h *heard) Waits(_ string, tx chain.Waiting) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waits = append(h.waits, tx)
}

func (h *heard) is(what func() bool) func() bool {
	return func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return what()
	}
}

// hasty does not wait long for a node that failed.
type hasty struct{ lifeboat.WallClock }

func (h hasty) Sleep(ctx context.Context, until time.Time) error {
	if soon := h.Now().Add(20 * time.Millisecond); until.After(soon) {
		until = soon
	}
	return h.WallClock.Sleep(ctx, until)
}

func overhear(t *testing.T, node *chaintest.Node) *heard {
	t.Helper()
	c := open(t, chain.Config{ID: 1, Nodes: []chain.Node{{URL: node.Socket()}}, Clock: hasty{}})
	ctx, cancel := context.WithCancel(t.Context())
	var h heard
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Overhear(ctx, &h) }()
	t.Cleanup(func() { cancel(); <-done })
	wait(t, "the pool is listened to", h.is(func() bool { return h.on }))
	return &h
}

// TestOverhear hears what comes into a pool, whole or by looking it up, again after the connection broke, and knows of the gap.
func TestOverhear(t *testing.T) {
	for name, fault := range map[string]chaintest.Faults{"whole": {}, "hashes": {HashesOnly: true}} {
		t.Run(name, func(t *testing.T) {
			world := chaintest.New(1)
			node := chaintest.Serve(t, world)
			node.Misbehave(fault)
			h := overhear(t, node)
			_, from := key(t)
			tx := signed(t, 7)
			world.Add(tx)
			wait(t, "it is heard", h.is(func() bool { return len(h.waits) == 1 }))
			if want := (chain.Waiting{Hash: tx.Hash(), From: from, To: pool, Nonce: 7}); h.waits[0] != want || h.missed > 0 {
				t.Errorf("%+v, want %+v; %d missed", h.waits[0], want, h.missed)
			}
			if asked := node.Asked("eth_getTransactionByHash"); (asked > 0) != fault.HashesOnly {
				t.Errorf("it was asked for %d transactions", asked)
			}
			node.Misbehave(chaintest.Faults{Down: true})
			world.Add(signed(t, 8)) // at which the connection breaks, so that nobody hears of it
			wait(t, "the gap is known", h.is(func() bool { return !h.on }))
			node.Misbehave(fault)
			wait(t, "it is listened to again", h.is(func() bool { return h.on && h.times > 1 }))
			world.Add(signed(t, 9))
			wait(t, "the next one is heard", h.is(func() bool { return h.waits[len(h.waits)-1].Nonce == 9 }))
		})
	}
}

// TestAFloodOfHashes is looked up as far as the budget goes, and the rest is said to be missed: each one is one or the other.
func TestAFloodOfHashes(t *testing.T) {
	world := chaintest.New(1)
	node := chaintest.Serve(t, world)
	node.Misbehave(chaintest.Faults{HashesOnly: true})
	h := overhear(t, node)
	const flood = 600
	for nonce := range uint64(flood) {
		world.Add(signed(t, nonce))
	}
	wait(t, "all is told", h.is(func() bool { return len(h.waits)+h.missed == flood }))
	if h.missed == 0 || len(h.waits) < 100 || node.Asked("eth_getTransactionByHash") != len(h.waits) {
		t.Errorf("%d heard, %d missed, %d asked for", len(h.waits), h.missed, node.Asked("eth_getTransactionByHash"))
	}
}

// TestHashesThatNobodyKnows are missed: that a node does not know what it has just named says nothing of whom it concerns.
func TestHashesThatNobodyKnows(t *testing.T) {
	world := chaintest.New(1)
	node := chaintest.Serve(t, world)
	for name, result := range map[string]any{"nothing": nil, "another one": map[string]any{"hash": common.Hash{9}, "from": other, "nonce": "0x1"}} {
		t.Run(name, func(t *testing.T) {
			fault := lying("eth_getTransactionByHash", result)
			fault.HashesOnly = true
			node.Misbehave(fault)
			h := overhear(t, node)
			world.Add(signed(t, 3))
			wait(t, "it is missed", h.is(func() bool { return h.missed == 1 && len(h.waits) == 0 }))
		})
	}
}

func TestNodesThatTellOfNoPool(t *testing.T) {
	node := chaintest.Serve(t, chaintest.New(1))
	node.Misbehave(chaintest.Faults{NoPool: true})
	for _, address := range []string{node.URL(), node.Socket()} {
		c := open(t, chain.Config{ID: 1, Nodes: []chain.Node{{URL: address}}})
		if err := c.Overhear(t.Context(), &heard{}); !errors.Is(err, chain.ErrNoPool) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
