package testbed

import (
	"fmt"
	"math/big"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/ethclient/simulated"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/rpc"
)

// geth is go-ethereum in this process. Nothing makes blocks on it, so a pump does as soon as a transaction waits.
type geth struct {
	b       *Bed
	backend *simulated.Backend
	mu      sync.Mutex // one block at a time
	held    bool       // guarded by mu
}

func (b *Bed) startSimulated() {
	b.t.Helper()
	alloc := types.GenesisAlloc{}
	for _, a := range b.Accounts {
		alloc[a.Address] = types.Account{Balance: Ether(100_000)}
	}
	for address, code := range b.canonical() {
		alloc[address] = types.Account{Code: code, Balance: new(big.Int)}
	}
	g := &geth{b: b}
	for tries := 0; g.backend == nil; tries++ {
		b.must("start the node", g.open(alloc, b.freePort(), b.freePort(), tries == 5))
	}
	b.chain = g
	b.t.Cleanup(func() { _ = g.backend.Close() })
	b.dial()
	g.pump()
}

// open the node at two ports, which somebody else may have taken since they were found free; then there is none, and that is an error
// at the last try alone. go-ethereum says so by a panic.
func (g *geth) open(alloc types.GenesisAlloc, http, ws int, last bool) (err error) {
	defer func() {
		if said := recover(); said != nil && (last || !strings.Contains(fmt.Sprint(said), "address already in use")) {
			err = fmt.Errorf("%v", said)
		}
	}()
	modules := []string{"eth", "net", "web3", "txpool", "debug"}
	g.backend = simulated.NewBackend(alloc, func(n *node.Config, e *ethconfig.Config) {
		n.HTTPHost, n.HTTPPort, n.HTTPModules = "127.0.0.1", http, modules
		n.WSHost, n.WSPort, n.WSModules, n.WSOrigins = "127.0.0.1", ws, modules, []string{"*"}
		// The development chain starts in a fork of the future, in which new state costs several times as much.
		config := *e.Genesis.Config
		config.BogotaTime = nil
		e.Genesis.Config = &config
	})
	g.b.URL, g.b.WS = "http://127.0.0.1:"+strconv.Itoa(http), "ws://127.0.0.1:"+strconv.Itoa(ws)
	return nil
}

// pump commits a block whenever the pool has taken a transaction.
func (g *geth) pump() {
	g.b.t.Helper()
	client, err := rpc.DialContext(g.b.t.Context(), g.b.WS)
	g.b.must("connect to the node", err)
	pending := make(chan common.Hash, 1000)
	subscription, err := client.EthSubscribe(g.b.ctx(), pending, "newPendingTransactions")
	g.b.must("watch the pool", err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-pending:
				g.commit()
			case <-subscription.Err():
				return
			}
		}
	}()
	g.b.t.Cleanup(func() { client.Close(); <-done })
}

// commit makes a block of what waits, unless the test holds the pool or the block before took it already.
func (g *geth) commit() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.held && g.waiting() > 0 {
		g.backend.Commit()
	}
}

func (g *geth) waiting() int {
	var status struct{ Pending string }
	if err := g.b.RPC.CallContext(g.b.ctx(), &status, "txpool_status"); err != nil {
		return 1 // an empty block harms nothing
	}
	n, err := strconv.ParseUint(status.Pending, 0, 64)
	if err != nil {
		return 1
	}
	return int(n)
}

func (g *geth) mine(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for range n {
		g.backend.Commit()
	}
}

// forward moves the time, which the node allows only while nothing waits; what comes in from elsewhere meanwhile goes into a block first.
func (g *geth) forward(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.backend.AdjustTime(d)
	for tries := 0; err != nil && !g.held && tries < 10; tries++ {
		g.backend.Commit()
		err = g.backend.AdjustTime(d)
	}
	g.b.must("move the time", err)
}

// reorg leaves the last blocks for a branch of empty ones, one longer, so that every node would follow it. What was in them is
// forgotten, as anvil does; go-ethereum itself would put it back into the pool.
func (g *geth) reorg(depth int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	head, err := g.b.Client.HeaderByNumber(g.b.ctx(), nil)
	g.b.must("read the head", err)
	parent, err := g.b.Client.HeaderByNumber(g.b.ctx(), new(big.Int).Sub(head.Number, big.NewInt(int64(depth))))
	g.b.must("read the block to go back to", err)
	g.b.must("go back", g.backend.Fork(parent.Hash()))
	g.backend.Rollback()
	for range depth {
		g.backend.Commit()
	}
}

func (g *geth) hold(held bool) {
	g.mu.Lock()
	g.held = held
	g.mu.Unlock()
	g.commit()
}

func (b *Bed) freePort() int {
	b.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	b.must("find a free port", err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
