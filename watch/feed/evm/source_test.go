package evm

import (
	"context"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/chain/chaintest"
	"lifeboat/chain/contract"
	"lifeboat/plan"
)

const testPlan = `
portfolio: {name: x}
accounts:
  - name: vault
    kind: safe
    chain: Ethereum
    address: "0x1111111111111111111111111111111111111111"
    safe: {relayer: {kind: secret, secret: "env:RELAYER", address: "0x2222222222222222222222222222222222222222"}}
dependencies:
  - {name: Ethereum, kind: chain, chain: {nodes: ["env:NODE", "env:NODE2"]}}
  - {name: Lend, kind: protocol, contract: {adapter: proxy, chain: Ethereum, address: "0x3333333333333333333333333333333333333333"}}
  - {name: Votes, kind: protocol, contract: {adapter: governor, chain: Ethereum, address: "0x4444444444444444444444444444444444444444", addresses: {timelock: "0x5555555555555555555555555555555555555555"}}}
  - {name: Drainer, kind: other, contract: {adapter: proxy, chain: Ethereum, address: "0x7777777777777777777777777777777777777777"}}
  - {name: Vault, kind: protocol, contract: {adapter: uniswap-v3, chain: Ethereum, address: "0x1212121212121212121212121212121212121212", addresses: {pool: "0x8888888888888888888888888888888888888888"}}}
holdings:
  - {symbol: USDC, account: vault, quantity: 1, class: stablecoin, token: "0x6666666666666666666666666666666666666666"}
`

var (
	vault    = common.HexToAddress("0x1111111111111111111111111111111111111111")
	relayer  = common.HexToAddress("0x2222222222222222222222222222222222222222")
	lend     = common.HexToAddress("0x3333333333333333333333333333333333333333")
	governor = common.HexToAddress("0x4444444444444444444444444444444444444444")
	timelock = common.HexToAddress("0x5555555555555555555555555555555555555555")
	usdc     = common.HexToAddress("0x6666666666666666666666666666666666666666")
	drainer  = common.HexToAddress("0x7777777777777777777777777777777777777777")
	keeping  = common.HexToAddress("0x8888888888888888888888888888888888888888")
	manager  = common.HexToAddress("0x1212121212121212121212121212121212121212")
	stranger = common.HexToAddress("0x9999999999999999999999999999999999999999")
)

func loaded(t testing.TB, text string) *plan.Plan {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, _, err := plan.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// watch is a source that runs, and what it said last.
type watch struct {
	t      *testing.T
	source *Source
	stop   func()

	mu       sync.Mutex
	changed  chan struct{}
	last     map[string]lifeboat.Reading // :: series and source
	problems []string
	feeds    map[string]bool
}

func (w *watch) deliver(readings []lifeboat.Reading, problems []error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range readings {
		key := string(r.Series) + " from " + r.Source
		if !w.feeds[key] {
			w.t.Errorf("%s is told, and the plan has no such feed", key)
		}
		if before, spoke := w.last[key]; spoke && r.At.Before(before.At) {
			w.t.Errorf("%s went back in time: %s after %s", key, r.At, before.At)
		}
		w.last[key] = r
	}
	for _, p := range problems {
		w.problems = append(w.problems, p.Error())
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// run a source of a plan over nodes until the test ends.
func run(t *testing.T, p *plan.Plan, node Node, file *[]byte, more ...func(*Config)) *watch {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watch{t: t, last: map[string]lifeboat.Reading{}, changed: make(chan struct{}), feeds: map[string]bool{}}
	config := Config{Name: "Ethereum", Node: node, Feeds: Feeds(p, "Ethereum"), Watched: Of(p, "Ethereum"), Clock: lifeboat.WallClock{}}
	for _, f := range config.Feeds {
		w.feeds[f.Series+" from "+f.Source] = true
	}
	if file != nil {
		config.Load = func() ([]byte, error) { return *file, nil }
		config.Save = func(content []byte) error { *file = content; return nil }
	}
	for _, set := range more {
		set(&config)
	}
	w.source = New(config)
	if w.source.pool != nil {
		w.source.pool.settle = 0
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.source.Run(ctx, w.deliver)
	}()
	w.stop = func() { cancel(); <-done }
	t.Cleanup(w.stop)
	return w
}

// until a series says what is wanted.
func (w *watch) until(series string, is func(r lifeboat.Reading) bool) lifeboat.Reading {
	w.t.Helper()
	if !strings.Contains(series, " from ") {
		series += " from Ethereum"
	}
	limit := time.After(20 * time.Second)
	for {
		w.mu.Lock()
		r, spoke := w.last[series]
		changed := w.changed
		w.mu.Unlock()
		if spoke && is(r) {
			return r
		}
		select {
		case <-changed:
		case <-limit:
			w.mu.Lock()
			defer w.mu.Unlock()
			w.t.Fatalf("%s: last %+v (spoke: %t); problems: %v", series, r, spoke, w.problems)
		}
	}
}

func (w *watch) value(series string, want float64) lifeboat.Reading {
	w.t.Helper()
	return w.until(series, func(r lifeboat.Reading) bool { return r.Value == want && r.Quality == lifeboat.Good })
}

// net is a chain with nodes, and the way to it.
func net(t *testing.T, nodes int) (*chaintest.Chain, *chain.Chain, []*chaintest.Node) {
	t.Helper()
	fake := chaintest.New(1)
	// The manager of the pools knows no position of the vault.
	fake.Call(manager, contract.ERC20.BalanceOf.Pack(vault), chaintest.Result{Data: contract.ERC20.BalanceOf.Returns(new(big.Int))})
	fake.Call(manager, contract.UniswapV3.Factory.Pack(), chaintest.Result{Data: contract.UniswapV3.Factory.Returns(stranger)})
	config := chain.Config{ID: 1, Network: chain.Network{BlockTime: 40 * time.Millisecond}}
	var all []*chaintest.Node
	for range nodes {
		n := chaintest.Serve(t, fake)
		all = append(all, n)
		config.Nodes = append(config.Nodes, chain.Node{URL: n.URL()})
	}
	c, err := chain.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended; _ = c.Close() })
	return fake, c, all
}

// logged is a log of an event of the catalogue, as a contract writes it.
func logged(t testing.TB, from common.Address, signature string, arguments ...any) types.Log {
	t.Helper()
	for _, e := range catalogue {
		if e.signature != signature {
			continue
		}
		topics, data := []common.Hash{e.ID}, []any{}
		for i, a := range e.Inputs {
			if !a.Indexed {
				data = append(data, arguments[i])
				continue
			}
			packed, err := e.Inputs[i : i+1].Pack(arguments[i])
			if err != nil {
				t.Fatal(err)
			}
			topics = append(topics, common.BytesToHash(packed))
		}
		packed, err := e.Inputs.NonIndexed().Pack(data...)
		if err != nil {
			t.Fatal(err)
		}
		return chaintest.Log(from, packed, topics...)
	}
	t.Fatalf("no event %s", signature)
	return types.Log{}
}

const (
	upgradedEvent = "Upgraded(address indexed implementation)"
	transferEvent = "Transfer(address indexed from, address indexed to, uint256 value)"
	approvalEvent = "Approval(address indexed owner, address indexed spender, uint256 value)"
	pausedEvent   = "Paused(address account)"
	scheduleEvent = "CallScheduled(bytes32 indexed id, uint256 indexed index, address target, uint256 value, bytes data, bytes32 predecessor, uint256 delay)"
	executedEvent = "CallExecuted(bytes32 indexed id, uint256 indexed index, address target, uint256 value, bytes data)"
	proposedEvent = "ProposalCreated(uint256 proposalId, address proposer, address[] targets, uint256[] values, string[] signatures, bytes[] calldatas, uint256 voteStart, uint256 voteEnd, string description)"
)

func TestEachSignShowsWithinABlock(t *testing.T) {
	fake, way, _ := net(t, 2)
	says := func(to common.Address, m *contract.Method, arguments []any, values ...any) {
		fake.Call(to, m.Pack(arguments...), chaintest.Result{Data: m.Returns(values...)})
	}
	says(usdc, contract.ERC20.Decimals, nil, uint8(6))
	says(usdc, contract.ERC20.TotalSupply, nil, big.NewInt(1_000_000e6))
	says(usdc, contract.ERC20.BalanceOf, []any{keeping}, big.NewInt(100_000e6))
	says(vault, getThreshold, nil, big.NewInt(2))
	says(vault, getOwners, nil, []common.Address{lend, usdc, stranger})
	fake.Balance(relayer, big.NewInt(5e17))
	fake.Mine()
	w := run(t, loaded(t, testPlan), way, nil)
	mine := func(logs ...types.Log) { fake.Mine(logs...) }
	for range 5 {
		mine()
	}

	w.value("upgraded.Lend", 0)
	w.value("threshold.vault", 2)
	w.value("owners.vault", 3)
	w.value("gas.vault.relayer", 0.5)
	w.value("allowance.vault.Drainer", 0)
	w.value("nodes_agree.Ethereum", 2)
	w.until("head_age.Ethereum", func(r lifeboat.Reading) bool { return r.Value > 0 })

	mine(logged(t, lend, upgradedEvent, stranger))
	if r := w.value("upgraded.Lend", 1); !strings.Contains(r.Why, "Lend: its code was replaced by that at 0x9999") {
		t.Errorf("it is said in no words: %q", r.Why)
	}
	mine(logged(t, lend, pausedEvent, vault))
	if r := w.value("paused.Lend", 1); r.Why != "Lend: vault paused it" {
		t.Error(r.Why)
	}
	mine(logged(t, lend, "Unpaused(address account)", vault))
	w.value("paused.Lend", 0)

	id := common.HexToHash("0x77")
	upgrade := append(common.FromHex("0x3659cfe6"), common.LeftPadBytes(stranger[:], 32)...)
	mine(logged(t, governor, proposedEvent, big.NewInt(9), stranger, []common.Address{lend}, []*big.Int{{}}, []string{""}, [][]byte{upgrade}, big.NewInt(1), big.NewInt(2), "Raise the cap\x1b[2J"))
	if r := w.value("proposal.Votes", 1); !strings.Contains(r.Why, `proposes "Raise the cap [2J", which would call Lend`) {
		t.Error(r.Why)
	}
	mine(logged(t, timelock, scheduleEvent, id, new(big.Int), lend, new(big.Int), upgrade, common.Hash{}, big.NewInt(3600)))
	if r := w.value("queued.Votes", 1); !strings.Contains(r.Why, "a call of Lend (upgradeTo to 0x9999") {
		t.Error(r.Why)
	}
	mine(logged(t, timelock, executedEvent, id, new(big.Int), lend, new(big.Int), upgrade))
	w.value("queued.Votes", 0)

	says(usdc, contract.ERC20.TotalSupply, nil, big.NewInt(1_500_000e6))
	mine(logged(t, usdc, transferEvent, common.Address{}, stranger, big.NewInt(500_000e6)))
	w.until("supply_jump.USDC", func(r lifeboat.Reading) bool { return r.Value > 0.49 })
	w.until("large_transfer.USDC", func(r lifeboat.Reading) bool { return r.Value == 0.5 })

	says(usdc, contract.ERC20.BalanceOf, []any{keeping}, big.NewInt(40_000e6))
	mine(logged(t, usdc, transferEvent, keeping, stranger, big.NewInt(60_000e6)))
	w.value("large_withdrawal.Vault.USDC", 0.6)
	w.until("outflow.Vault.USDC", func(r lifeboat.Reading) bool { return r.Value > 0.59 && r.Value < 0.61 })
	w.value("tvl.Vault.USDC", 40_000)

	unlimited := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	says(usdc, contract.ERC20.Allowance, []any{vault, drainer}, unlimited)
	mine(logged(t, usdc, approvalEvent, vault, drainer, unlimited), logged(t, usdc, approvalEvent, stranger, drainer, unlimited))
	w.value("allowance.vault.Drainer", 1)
	if r := w.value("approvals.vault", 1); r.Why != "USDC: vault lets Drainer take unlimited units of it" {
		t.Error(r.Why)
	}

	mine(logged(t, vault, "EnabledModule(address indexed module)", drainer))
	if r := w.value("safe_changed.vault", 1); r.Why != "vault: the module Drainer may act for it without its owners" {
		t.Error(r.Why)
	}
	mine(chaintest.Log(lend, nil, common.HexToHash("0x1234"))) // of no catalogue
	if len(w.problems) > 0 {
		t.Error(w.problems)
	}
}

// A contract whose code is replaced without a word is seen all the same.
func TestCodeThatChangesInSilence(t *testing.T) {
	fake, way, _ := net(t, 1)
	slot := slots[0].slot
	fake.Storage(lend, slot, common.HexToHash("0x01"))
	fake.Mine()
	w := run(t, loaded(t, testPlan), way, nil)
	for range seldom + 2 {
		fake.Mine()
	}
	w.value("upgraded.Lend", 0)
	fake.Storage(lend, slot, common.HexToHash("0x02"))
	for range seldom + 2 {
		fake.Mine()
	}
	if r := w.value("upgraded.Lend", 1); !strings.Contains(r.Why, "the address of its code changed, and no event told of it") {
		t.Error(r.Why)
	}
}

func TestReorgTakesItBack(t *testing.T) {
	fake, way, _ := net(t, 2)
	fake.Mine()
	w := run(t, loaded(t, testPlan), way, nil)
	w.value("upgraded.Lend", 0)
	fake.Mine(logged(t, lend, upgradedEvent, stranger))
	w.value("upgraded.Lend", 1)
	fake.Mine(logged(t, lend, upgradedEvent, drainer))
	w.value("upgraded.Lend", 2)
	// Both blocks go; in their place come three, of which one has one of the events.
	fake.Reorg(2, nil, []types.Log{logged(t, lend, upgradedEvent, drainer)}, nil)
	w.value("upgraded.Lend", 1)
	if r := w.value("reorg.Ethereum", 2); r.Why != "2 blocks were replaced by others" {
		t.Error(r.Why)
	}
	fake.Reorg(3, nil, nil, nil, nil)
	if r := w.value("upgraded.Lend", 0); !strings.Contains(r.Why, "no part of the chain any more") {
		t.Error(r.Why)
	}
}

// What happens while nobody looks is counted at the next start; nothing is counted twice.
func TestGoesOnWhereItStopped(t *testing.T) {
	fake, way, _ := net(t, 2)
	p := loaded(t, testPlan)
	var file []byte
	fake.Mine()
	w := run(t, p, way, &file)
	w.value("upgraded.Lend", 0)
	fake.Mine(logged(t, lend, upgradedEvent, stranger))
	w.value("upgraded.Lend", 1)
	w.stop()
	fake.Reorg(1, nil, nil) // the one that was counted goes while nobody looks
	fake.Mine(logged(t, lend, upgradedEvent, stranger))
	fake.Mine(logged(t, lend, upgradedEvent, drainer), logged(t, vault, "RemovedOwner(address indexed owner)", stranger))
	w = run(t, p, way, &file)
	w.value("upgraded.Lend", 2)
	w.value("safe_changed.vault", 1)

	w.stop()
	fake.Mine()
	file = []byte("something else")
	w = run(t, p, way, &file)
	w.value("upgraded.Lend", 0) // nothing is known of what was, and it goes on from the head
	fake.Mine(logged(t, lend, upgradedEvent, drainer))
	w.value("upgraded.Lend", 1)
}

// Without a quorum nothing is said, whatever one node claims.
func TestSilentWithoutQuorum(t *testing.T) {
	fake, way, nodes := net(t, 2)
	fake.Balance(relayer, big.NewInt(5e17))
	fake.Mine()
	w := run(t, loaded(t, testPlan), way, nil)
	w.value("gas.vault.relayer", 0.5)
	nodes[1].Misbehave(chaintest.Faults{Lie: func(method string, result any) any {
		if method == "eth_getBalance" {
			return "0x0"
		}
		return result
	}})
	fake.Balance(relayer, big.NewInt(4e17))
	fake.Mine()
	w.until("nodes_agree.Ethereum", func(lifeboat.Reading) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.problems) > 0
	})
	w.mu.Lock()
	if r := w.last["gas.vault.relayer from Ethereum"]; r.Value != 0.5 {
		t.Errorf("it was told %v while the nodes disagree", r.Value)
	}
	if !strings.Contains(w.problems[0], "the nodes disagree") {
		t.Error(w.problems[0])
	}
	w.mu.Unlock()
	nodes[1].Misbehave(chaintest.Faults{})
	fake.Mine()
	w.value("gas.vault.relayer", 0.4)
}
