package testbed

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"lifeboat"
)

// Node is a program that keeps a chain.
type Node uint8

const (
	// Anvil is the fast one with many levers. It forgives gas estimates that a real network would not.
	Anvil Node = iota
	// Simulated is go-ethereum itself, in this process, with an HTTP and a WebSocket port.
	Simulated
)

func (n Node) String() string { return [...]string{"anvil", "simulated"}[n] }

// Bed is a chain of a test's own. Its methods end the test when something fails, and are safe for concurrent use.
type Bed struct {
	Node    Node
	URL     string // http://
	WS      string // ws://
	ChainID *big.Int
	Client  *ethclient.Client
	RPC     *rpc.Client
	// Accounts have 100,000 ether each. The first administers all that is deployed, the last is the whale.
	Accounts []Account

	t      testing.TB
	number int      // of the chain, on anvil
	flags  []string // more of them for anvil
	chain  chain
	clock  lifeboat.Clock
	feeCap *big.Int            // what the bed's own transactions pay for a unit of gas at most, in wei
	mu     sync.Mutex          // guards what is below; one transaction at a time
	shared map[string]Contract // what is deployed once and used by several
}

// Account is somebody who can sign.
type Account struct {
	common.Address
	Key *ecdsa.PrivateKey
}

// chain is what each node does in its own way.
type chain interface {
	mine(n int)
	forward(d time.Duration)
	reorg(depth int)
	hold(held bool)
}

// Each runs a test on each kind of node, on both at once.
func Each(t *testing.T, test func(t *testing.T, bed *Bed)) {
	t.Helper()
	for _, n := range []Node{Anvil, Simulated} {
		t.Run(n.String(), func(t *testing.T) {
			t.Parallel()
			test(t, Start(t, n))
		})
	}
}

// Start starts a node, which stops when the test is over.
func Start(t testing.TB, n Node) *Bed {
	t.Helper()
	return start(t, n, 31337)
}

// start a node whose chain has a number; the simulated one has its own.
func start(t testing.TB, n Node, number int, flags ...string) *Bed {
	t.Helper()
	Needed(t)
	b := &Bed{Node: n, number: number, flags: flags, t: t, clock: lifeboat.WallClock{}, shared: map[string]Contract{}}
	for i := range 10 {
		key, err := crypto.ToECDSA(crypto.Keccak256(fmt.Appendf(nil, "lifeboat test key %d", i)))
		b.must("make an account", err)
		b.Accounts = append(b.Accounts, Account{crypto.PubkeyToAddress(key.PublicKey), key})
	}
	if n == Anvil {
		b.feeCap = big.NewInt(1e12)
		b.startAnvil()
	} else {
		b.feeCap = big.NewInt(50e9) // go-ethereum refuses a transaction that could cost more than an ether
		b.startSimulated()
	}
	return b
}

// Admin deploys everything and may do everything.
func (b *Bed) Admin() Account { return b.Accounts[0] }

// Whale supplies the markets and can empty them.
func (b *Bed) Whale() Account { return b.Accounts[len(b.Accounts)-1] }

// dial connects the bed's own client, over HTTP, which survives a restart of the node.
func (b *Bed) dial() {
	b.t.Helper()
	var err error
	b.RPC, err = rpc.DialContext(b.ctx(), b.URL)
	b.must("connect to the node", err)
	b.Client = ethclient.NewClient(b.RPC)
	b.t.Cleanup(b.Client.Close)
	b.ChainID, err = b.Client.ChainID(b.ctx())
	b.must("ask for the chain's id", err)
}

// rpc calls a method of the node's.
func (b *Bed) rpc(result any, method string, args ...any) {
	b.t.Helper()
	b.must(method, b.RPC.CallContext(b.ctx(), result, method, args...))
}

// ctx of a call to the node. It outlives the test's own, since clean-ups talk to the node too.
func (b *Bed) ctx() context.Context { return context.WithoutCancel(b.t.Context()) }

// later is closed after a while.
func (b *Bed) later(d time.Duration) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = b.clock.Sleep(context.Background(), b.clock.Now().Add(d))
	}()
	return done
}

func (b *Bed) must(action string, err error) {
	if err != nil {
		b.t.Helper()
		b.t.Fatalf("%s: %v", action, err)
	}
}

// Units are n whole tokens of so many decimals, in base units.
func Units(n int64, decimals int) *big.Int {
	return new(big.Int).Mul(big.NewInt(n), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil))
}

// Ether in wei.
func Ether(n int64) *big.Int { return Units(n, 18) }

// Max is the greatest amount that there is: all of it, to most contracts.
func Max() *big.Int { return new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)) }
