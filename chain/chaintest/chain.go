// Package chaintest is a small chain for tests, with nodes that speak Ethereum's JSON-RPC about it over HTTP and WebSockets as the
// execution APIs document it, and that misbehave when they are told to.
//
// A [Chain] has blocks with real header hashes and bloom filters, branches, a pool of transactions, and a state that is a table of what
// calls return. A [Node] serves it: late, wrong, cut, throttled, pruned, or as it should. Nothing in it executes code: what contracts do
// is for the test bed with real nodes.
package chaintest

import (
	"bytes"
	"maps"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// Multicall is where Multicall3 lies, on a chain that has it.
var Multicall = common.HexToAddress("0xcA11bde05977b3631167028862bE2a173976CA11")

// Chain that nodes tell of. It is safe for concurrent use.
type Chain struct {
	id     uint64
	signer types.Signer

	mu     sync.Mutex
	blocks []*Block // the canonical branch, from block 0
	known  map[common.Hash]*Block
	forks  uint64 // makes blocks of another branch other blocks
	pool   map[common.Address]map[uint64]*types.Transaction
	heads  map[chan *Block]struct{}
	news   map[chan *types.Transaction]struct{} // whoever hears what comes into the pool

	state     *state
	estimates map[common.Address]uint64
	has       struct{ multicall bool }
}

// Block with everything that nodes tell of it.
type Block struct {
	Header       *types.Header
	Hash         common.Hash
	Logs         []types.Log
	Transactions []*types.Transaction
	Receipts     []*types.Receipt
	state        *state
}

// state is a table; the one of a block never changes once another block stands on it.
type state struct {
	calls    map[call]Result
	balances map[common.Address]*big.Int
	codes    map[common.Address][]byte
	slots    map[slot]common.Hash
	nonces   map[common.Address]uint64
}

type call struct {
	to   common.Address
	data string
}

type slot struct {
	of   common.Address
	slot common.Hash
}

// Result of a call.
type Result struct {
	Data     []byte
	Reverted bool
	GasUsed  uint64 // 0 is 21,000
	Logs     []types.Log
}

// genesisTime of every chain.
var genesisTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// New makes a chain with a block 0. Its base fee is one gwei, its blocks are twelve seconds apart.
func New(id uint64) *Chain {
	c := &Chain{
		id: id, signer: types.LatestSignerForChainID(new(big.Int).SetUint64(id)),
		known: map[common.Hash]*Block{}, pool: map[common.Address]map[uint64]*types.Transaction{}, heads: map[chan *Block]struct{}{}, news: map[chan *types.Transaction]struct{}{},
		estimates: map[common.Address]uint64{},
		state: &state{
			calls: map[call]Result{}, balances: map[common.Address]*big.Int{}, codes: map[common.Address][]byte{},
			slots: map[slot]common.Hash{}, nonces: map[common.Address]uint64{},
		},
	}
	c.append(nil, nil)
	return c
}

// HasMulticall puts Multicall3 on the chain.
func (c *Chain) HasMulticall() {
	c.Code(Multicall, []byte{0xfe})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.has.multicall = true
}

// Call says what a call returns from the next block on.
func (c *Chain) Call(to common.Address, data []byte, r Result) {
	c.change(func(s *state) { s.calls[call{to, string(data)}] = r })
}

// Balance of an address from the next block on.
func (c *Chain) Balance(of common.Address, wei *big.Int) {
	c.change(func(s *state) { s.balances[of] = wei })
}

// Code of an address from the next block on.
func (c *Chain) Code(of common.Address, code []byte) {
	c.change(func(s *state) { s.codes[of] = code })
}

// Storage of an address from the next block on.
func (c *Chain) Storage(of common.Address, at, value common.Hash) {
	c.change(func(s *state) { s.slots[slot{of, at}] = value })
}

// Estimate is the gas that nodes say a call of an address takes; 100,000 where it is not said.
func (c *Chain) Estimate(to common.Address, gas uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.estimates[to] = gas
}

func (c *Chain) change(set func(*state)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &state{maps.Clone(c.state.calls), maps.Clone(c.state.balances), maps.Clone(c.state.codes), maps.Clone(c.state.slots), maps.Clone(c.state.nonces)}
	set(s)
	c.state = s
}

// Mine adds a block with the transactions of the pool that can be mined, and with logs of nobody's besides.
func (c *Chain) Mine(logs ...types.Log) *Block {
	c.mu.Lock()
	b := c.append(c.mineable(), logs)
	told := slices.Collect(maps.Keys(c.heads))
	c.mu.Unlock()
	for _, heard := range told {
		select {
		case heard <- b:
		default: // whoever does not listen is not told, as with any node
		}
	}
	return b
}

// mineable takes what can be mined out of the pool.
func (c *Chain) mineable() (mined []*types.Transaction) {
	for _, from := range slices.SortedFunc(maps.Keys(c.pool), common.Address.Cmp) {
		for {
			nonce := c.state.nonces[from]
			tx := c.pool[from][nonce]
			if tx == nil {
				break
			}
			delete(c.pool[from], nonce)
			mined = append(mined, tx)
			s := *c.state
			s.nonces = maps.Clone(s.nonces)
			s.nonces[from] = nonce + 1
			c.state = &s
		}
	}
	return mined
}

// append puts a block on the head.
func (c *Chain) append(txs []*types.Transaction, logs []types.Log) *Block {
	header := &types.Header{
		Number: big.NewInt(int64(len(c.blocks))), Difficulty: new(big.Int), GasLimit: 30_000_000, GasUsed: uint64(21_000 * len(txs)),
		BaseFee: big.NewInt(1_000_000_000), UncleHash: types.EmptyUncleHash, TxHash: types.EmptyTxsHash, ReceiptHash: types.EmptyReceiptsHash,
		Time: uint64(genesisTime.Unix()) + 12*uint64(len(c.blocks)), Extra: new(big.Int).SetUint64(c.forks).Bytes(),
	}
	if len(c.blocks) > 0 {
		header.ParentHash = c.blocks[len(c.blocks)-1].Hash
	}
	b := &Block{Header: header, Transactions: txs, Logs: slices.Clone(logs), state: c.state}
	header.Bloom = types.CreateBloom(&types.Receipt{Logs: pointers(b.Logs)})
	b.Hash = header.Hash()
	for i := range b.Logs {
		l := &b.Logs[i]
		l.BlockNumber, l.BlockHash, l.Index = header.Number.Uint64(), b.Hash, uint(i)
		if l.TxHash == (common.Hash{}) {
			l.TxHash = crypto.Keccak256Hash(b.Hash[:], []byte{byte(i), byte(i >> 8)})
		}
		if l.Topics == nil {
			l.Topics = []common.Hash{}
		}
	}
	for i, tx := range txs {
		b.Receipts = append(b.Receipts, c.receipt(b, i, tx))
	}
	c.blocks = append(c.blocks, b)
	c.known[b.Hash] = b
	return b
}

func (c *Chain) receipt(b *Block, i int, tx *types.Transaction) *types.Receipt {
	r := &types.Receipt{
		Type: tx.Type(), Status: types.ReceiptStatusSuccessful, CumulativeGasUsed: 21_000 * uint64(i+1), Logs: []*types.Log{},
		TxHash: tx.Hash(), GasUsed: 21_000, EffectiveGasPrice: b.Header.BaseFee, BlockHash: b.Hash, BlockNumber: b.Header.Number, TransactionIndex: uint(i),
	}
	if tx.To() != nil && b.state.calls[call{*tx.To(), string(tx.Data())}].Reverted {
		r.Status = types.ReceiptStatusFailed
	}
	return r
}

// Reorg drops blocks from the head and mines others, one more than it dropped. Each list of logs is one of the new blocks; the
// transactions of the dropped blocks go back to the pool.
func (c *Chain) Reorg(depth int, logs ...[]types.Log) {
	c.mu.Lock()
	kept := len(c.blocks) - depth
	for _, b := range c.blocks[kept:] {
		for _, tx := range b.Transactions {
			c.add(tx)
		}
	}
	c.state = c.blocks[kept-1].state
	c.blocks = slices.Clone(c.blocks[:kept])
	c.forks++
	c.mu.Unlock()
	for i := range depth + 1 {
		var of []types.Log
		if i < len(logs) {
			of = logs[i]
		}
		c.Mine(of...)
	}
}

// Add puts a transaction into the pool, as a node does that was sent it.
func (c *Chain) Add(tx *types.Transaction) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(tx)
}

func (c *Chain) add(tx *types.Transaction) common.Address {
	from, err := types.Sender(c.signer, tx)
	if err != nil {
		return common.Address{}
	}
	if c.pool[from] == nil {
		c.pool[from] = map[uint64]*types.Transaction{}
	}
	c.pool[from][tx.Nonce()] = tx
	for heard := range c.news {
		select {
		case heard <- tx:
		default:
		}
	}
	return from
}

// Drop takes every transaction out of the pool.
func (c *Chain) Drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.pool)
}

// Head is the newest block.
func (c *Chain) Head() *Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocks[len(c.blocks)-1]
}

// Blocks of the canonical branch, from block 0.
func (c *Chain) Blocks() []*Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.blocks)
}

// listen hears of new heads.
func (c *Chain) listen() (heard chan *Block, stop func()) {
	heard = make(chan *Block, 64)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heads[heard] = struct{}{}
	return heard, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.heads, heard)
	}
}

// listenPool hears of what comes into the pool.
func (c *Chain) listenPool() (heard chan *types.Transaction, stop func()) {
	heard = make(chan *types.Transaction, 4096)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.news[heard] = struct{}{}
	return heard, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.news, heard)
	}
}

// block by its hash, on whatever branch.
func (c *Chain) block(hash common.Hash) *Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known[hash]
}

func (c *Chain) transaction(hash common.Hash) (b *Block, index int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range slices.Backward(c.blocks) {
		for i, tx := range b.Transactions {
			if tx.Hash() == hash {
				return b, i
			}
		}
	}
	return nil, 0
}

func (c *Chain) pooled(hash common.Hash) *types.Transaction {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range c.pool {
		for _, tx := range of {
			if tx.Hash() == hash {
				return tx
			}
		}
	}
	return nil
}

func pointers(logs []types.Log) []*types.Log {
	all := make([]*types.Log, len(logs))
	for i := range logs {
		all[i] = &logs[i]
	}
	return all
}

// Log of an address with topics and data, to be mined.
func Log(address common.Address, data []byte, topics ...common.Hash) types.Log {
	return types.Log{Address: address, Topics: topics, Data: bytes.Clone(data)}
}

// Logs with one topic, one for each address.
func Logs(topic common.Hash, addresses ...common.Address) (logs []types.Log) {
	for i, a := range addresses {
		logs = append(logs, Log(a, []byte{byte(i)}, topic))
	}
	return logs
}
