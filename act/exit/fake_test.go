package exit

import (
	"context"
	"crypto/ecdsa"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat"
	"lifeboat/act/safe"
	"lifeboat/chain"
)

// A world is a chain of its own, kept as the rules say it must be kept: nonces go in order, what takes the place of another
// offers a tenth more, what was mined vanishes with its block and may be mined again. It has one contract that behaves like a
// Safe (a nonce that lets one transaction through, an event, GS026) and one that does what it is told as often as it is told.
// Time moves only when somebody sleeps.
type world struct {
	now    time.Time
	blocks []*mined
	pool   map[common.Hash]*types.Transaction
	known  map[common.Hash]*types.Transaction // every transaction that any node ever had
	base   *big.Int
	needs  uint64   // gas that an execution takes when it is mined
	toll   *big.Int // what each transaction pays beside its gas; nil for nothing
	forks  int
	quiet  bool           // no blocks come
	poor   bool           // nobody has ether
	guard  common.Address // the only one whom the Safe lets send, when it is not zero

	onCall  func(method string) error // before everything that is asked
	onBlock func(number uint64)
	// onRefusal is called when the guard keeps a call out.
	onRefusal func()
	relayed   func(tx *types.Transaction) error // nil when there is no private relay
}

type mined struct {
	chain.Block
	txs      []*types.Transaction
	receipts []*chain.Receipt
	state    state
}

type state struct {
	safeNonce uint64
	done      map[common.Hash]int // executions, by the hash of the SafeTx or of the call
	nonces    map[common.Address]uint64
}

func (s state) copy() state {
	c := state{s.safeNonce, map[common.Hash]int{}, map[common.Address]uint64{}}
	for k, v := range s.done {
		c.done[k] = v
	}
	for k, v := range s.nonces {
		c.nonces[k] = v
	}
	return c
}

var (
	safeAddress   = common.HexToAddress("0x5afe000000000000000000000000000000000001")
	moduleAddress = common.HexToAddress("0x2013000000000000000000000000000000000002")
	chainID       = big.NewInt(31337)
	genesis       = time.Date(2026, 4, 18, 12, 0, 0, 0, time.UTC)
	blockTime     = 12 * time.Second
)

func newWorld() *world {
	w := &world{now: genesis, pool: map[common.Hash]*types.Transaction{}, known: map[common.Hash]*types.Transaction{}, base: big.NewInt(10e9), needs: 300_000}
	w.blocks = []*mined{{Block: chain.Block{Number: 1, Hash: common.Hash{1}, Time: genesis}, state: state{safeNonce: 7, done: map[common.Hash]int{}, nonces: map[common.Address]uint64{}}}}
	return w
}

func (w *world) head() *mined { return w.blocks[len(w.blocks)-1] }

// Now and Sleep make the world its own clock.
func (w *world) Now() time.Time { return w.now }
func (w *world) Sleep(ctx context.Context, until time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if until.Sub(genesis) > 12*time.Hour {
		return context.DeadlineExceeded
	}
	for next := w.head().Time.Add(blockTime); !next.After(until); next = next.Add(blockTime) {
		w.now = next
		if !w.quiet {
			w.mine()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	w.now = until
	return nil
}

func (w *world) mine() *mined {
	parent := w.head()
	b := &mined{Block: chain.Block{Number: parent.Number + 1, Parent: parent.Hash, Time: w.now}, state: parent.state.copy()}
	w.forks++
	b.Hash = crypto.Keccak256Hash(parent.Hash[:], binary.BigEndian.AppendUint64(nil, uint64(w.forks)))
	for again := true; again; {
		again = false
		for _, tx := range w.waiting() {
			from := senderOf(tx)
			if tx.Nonce() != b.state.nonces[from] || tx.GasFeeCap().Cmp(w.base) < 0 {
				continue
			}
			w.execute(b, from, tx)
			again = true
		}
	}
	for hash, tx := range w.pool {
		if tx.Nonce() < b.state.nonces[senderOf(tx)] {
			delete(w.pool, hash)
		}
	}
	w.blocks = append(w.blocks, b)
	if w.onBlock != nil {
		w.onBlock(b.Number)
	}
	return b
}

// waiting is the pool in an order that does not depend on the map's.
func (w *world) waiting() []*types.Transaction { return ordered(w.pool) }

// arrive gives the nodes every transaction that any of them ever had; they may refuse it.
func (w *world) arrive() {
	for _, tx := range ordered(w.known) {
		_ = w.take(tx)
	}
}

func ordered(txs map[common.Hash]*types.Transaction) []*types.Transaction {
	var all []*types.Transaction
	for _, tx := range txs {
		all = append(all, tx)
	}
	slices.SortFunc(all, func(a, b *types.Transaction) int { return a.Hash().Cmp(b.Hash()) })
	return all
}

func (w *world) execute(b *mined, from common.Address, tx *types.Transaction) {
	b.state.nonces[from]++
	r := &chain.Receipt{Receipt: types.Receipt{TxHash: tx.Hash(), BlockHash: b.Hash, BlockNumber: new(big.Int).SetUint64(b.Number), EffectiveGasPrice: w.base,
		GasUsed: min(w.needs, tx.Gas())}, From: from, Toll: w.toll}
	if tx.Gas() >= w.needs && call(&b.state, *tx.To(), tx.Data()) == nil {
		r.Status = types.ReceiptStatusSuccessful
		if *tx.To() == safeAddress {
			r.Logs = []*types.Log{{Address: safeAddress, Topics: []common.Hash{safe.Succeeded, common.BytesToHash(tx.Data()[:32])}, TxHash: tx.Hash(), BlockNumber: b.Number, BlockHash: b.Hash, Data: make([]byte, 32)}}
		}
	}
	b.txs, b.receipts = append(b.txs, tx), append(b.receipts, r)
}

// call does what a contract would do.
func call(s *state, to common.Address, data []byte) error {
	switch to {
	case safeAddress:
		if binary.BigEndian.Uint64(data[32:40]) != s.safeNonce {
			return errors.New("GS026")
		}
		s.safeNonce++
		s.done[common.BytesToHash(data[:32])]++
	case moduleAddress:
		s.done[common.BytesToHash(data[:32])]++
	}
	return nil
}

// What becomes of the transactions of blocks that vanish.
const (
	dropped  = iota // they are gone
	returned        // they are in the pool again
	revived         // so is everything that any node ever had, in the place of what was mined
)

// reorg takes the newest blocks away.
func (w *world) reorg(depth int, fate int) {
	depth = min(depth, len(w.blocks)-1)
	gone := w.blocks[len(w.blocks)-depth:]
	w.blocks = w.blocks[:len(w.blocks)-depth]
	for _, b := range gone {
		for _, tx := range b.txs {
			if fate == returned {
				w.pool[tx.Hash()] = tx
			}
		}
	}
	if fate == revived {
		w.pool = map[common.Hash]*types.Transaction{}
		w.arrive()
	}
	// The new branch is longer than the old one at once, or nobody would have followed it.
	onBlock := w.onBlock
	w.onBlock = nil
	for range depth + 1 {
		w.mine()
	}
	w.onBlock = onBlock
}

func (w *world) take(tx *types.Transaction) error {
	w.known[tx.Hash()] = tx
	from := senderOf(tx)
	if tx.Nonce() < w.head().state.nonces[from] {
		return errors.New("nonce too low")
	}
	for hash, other := range w.pool {
		if hash == tx.Hash() {
			return nil
		}
		if senderOf(other) != from || other.Nonce() != tx.Nonce() {
			continue
		}
		tenth := func(n *big.Int) *big.Int {
			return new(big.Int).Div(new(big.Int).Mul(n, big.NewInt(110)), big.NewInt(100))
		}
		if tx.GasFeeCap().Cmp(tenth(other.GasFeeCap())) < 0 || tx.GasTipCap().Cmp(tenth(other.GasTipCap())) < 0 {
			return errors.New("replacement transaction underpriced")
		}
		delete(w.pool, hash)
	}
	w.pool[tx.Hash()] = tx
	return nil
}

func senderOf(tx *types.Transaction) common.Address {
	from, err := types.Sender(types.LatestSignerForChainID(chainID), tx)
	if err != nil {
		panic(err)
	}
	return from
}

func (w *world) asked(method string) error {
	if w.onCall != nil {
		return w.onCall(method)
	}
	return nil
}

func (w *world) ID() *big.Int { return chainID }

func (w *world) Head(context.Context) (chain.Block, error) {
	return w.head().Block, w.asked("head")
}

func (w *world) at(b *chain.Block) (*mined, error) {
	if b == nil {
		return w.head(), nil
	}
	for _, m := range w.blocks {
		if m.Hash == b.Hash {
			return m, nil
		}
	}
	return nil, errors.New("that block is not in the chain")
}

func (w *world) Read(_ context.Context, at *chain.Block, queries []chain.Query) ([]chain.Answer, chain.Block, error) {
	if err := w.asked("read"); err != nil {
		return nil, chain.Block{}, err
	}
	b, err := w.at(at)
	if err != nil {
		return nil, chain.Block{}, err
	}
	var answers []chain.Answer
	for _, q := range queries {
		answers = append(answers, w.answer(b.state, q))
	}
	return answers, b.Block, nil
}

func (w *world) answer(s state, q chain.Query) chain.Answer {
	word := func(n uint64) chain.Answer {
		return chain.Answer{Data: new(big.Int).SetUint64(n).FillBytes(make([]byte, 32))}
	}
	switch {
	case q.What == chain.Nonce:
		return word(s.nonces[q.To])
	case q.What == chain.Balance && w.poor:
		return word(1)
	case q.What == chain.Balance:
		return word(1e18)
	case q.To == safeAddress && len(q.Data) == 4:
		return word(s.safeNonce)
	}
	if w.guard != (common.Address{}) && q.From != w.guard {
		if w.onRefusal != nil {
			w.onRefusal()
		}
		return chain.Answer{Err: chain.ErrReverted, Data: revert("not you")}
	}
	forgotten := s.copy()
	if err := call(&forgotten, q.To, q.Data); err != nil {
		return chain.Answer{Err: chain.ErrReverted, Data: revert(err.Error())}
	}
	return word(1)
}

// revert is Error(string), as Solidity writes it.
func revert(why string) []byte {
	data := append(crypto.Keccak256([]byte("Error(string)"))[:4], big.NewInt(32).FillBytes(make([]byte, 32))...)
	data = append(data, big.NewInt(int64(len(why))).FillBytes(make([]byte, 32))...)
	return append(data, common.RightPadBytes([]byte(why), (len(why)+31)/32*32)...)
}

func (w *world) Fees(context.Context) (chain.Fees, error) {
	return chain.Fees{Base: new(big.Int).Set(w.base), Tip: big.NewInt(1e9)}, w.asked("fees")
}

// Estimate is what it takes now; mined it takes a third more, as has been seen on real contracts.
func (w *world) Estimate(context.Context, chain.Transaction) (uint64, error) {
	return w.needs * 3 / 4, w.asked("estimate")
}

func (w *world) Simulate(context.Context, *chain.Block, []chain.Transaction) ([]chain.Outcome, error) {
	return nil, chain.ErrNoSimulation
}

// errLost is an answer that did not come back; what was sent has arrived.
var errLost = errors.New("connection reset")

func (w *world) Broadcast(_ context.Context, tx *types.Transaction) error {
	err := w.asked("broadcast")
	if err != nil && !errors.Is(err, errLost) {
		return err
	}
	return errors.Join(w.take(tx), err)
}

func (w *world) Pending(_ context.Context, address common.Address) (uint64, error) {
	if err := w.asked("pending"); err != nil {
		return 0, err
	}
	next := w.head().state.nonces[address]
	for again := true; again; {
		again = false
		for _, tx := range w.pool {
			if senderOf(tx) == address && tx.Nonce() == next {
				next, again = next+1, true
			}
		}
	}
	return next, nil
}

func (w *world) Receipt(_ context.Context, hash common.Hash) (*chain.Receipt, error) {
	if err := w.asked("receipt"); err != nil {
		return nil, err
	}
	for _, b := range w.blocks {
		for i, tx := range b.txs {
			if tx.Hash() == hash {
				return b.receipts[i], nil
			}
		}
	}
	return nil, chain.ErrNotMined
}

func (w *world) Logs(_ context.Context, from, to uint64, filter chain.Filter) ([]types.Log, error) {
	var all []types.Log
	for _, b := range w.blocks {
		for _, r := range b.receipts {
			for _, l := range r.Logs {
				if b.Number >= from && b.Number <= to && slices.Contains(filter.Addresses, l.Address) {
					all = append(all, *l)
				}
			}
		}
	}
	return all, w.asked("logs")
}

// relayWorld has a private relay as well.
type relayWorld struct{ *world }

func (w relayWorld) Private(_ context.Context, tx *types.Transaction) error {
	if err := w.asked("private"); err != nil {
		return err
	}
	w.known[tx.Hash()] = tx
	return w.relayed(tx)
}

// A key signs with what it holds in memory.
type key struct {
	*ecdsa.PrivateKey
	world *world
}

func newKey(w *world, n int64) key {
	private, err := crypto.ToECDSA(big.NewInt(n).FillBytes(make([]byte, 32)))
	if err != nil {
		panic(err)
	}
	return key{private, w}
}

func (k key) address() common.Address { return crypto.PubkeyToAddress(k.PublicKey) }

func (k key) SignTx(_ context.Context, tx *types.Transaction, id *big.Int) (*types.Transaction, error) {
	if err := k.world.asked("sign"); err != nil {
		return nil, err
	}
	return types.SignTx(tx, types.LatestSignerForChainID(id), k.PrivateKey)
}

// foreign has another program with the same key send something of its own.
func (k key) foreign(w *world, nonce uint64, gwei int64) *types.Transaction {
	to := common.Address{9}
	tx, err := types.SignNewTx(k.PrivateKey, types.LatestSignerForChainID(chainID), &types.DynamicFeeTx{ChainID: chainID, Nonce: nonce, Gas: w.needs, To: &to,
		GasTipCap: big.NewInt(gwei * 1e9), GasFeeCap: big.NewInt(gwei * 1e9)})
	if err != nil {
		panic(err)
	}
	_ = w.take(tx) // the other program's trouble
	return tx
}

// forgetForeign makes what other programs sent vanish from every node, but not from the blocks it is in.
func (w *world) forgetForeign() {
	for hash, tx := range w.known {
		if *tx.To() == (common.Address{9}) {
			delete(w.known, hash)
			delete(w.pool, hash)
		}
	}
}

// safeJob and moduleJob are exits as this world knows them.
func safeJob(sender common.Address, hash common.Hash, nonce uint64) job {
	return job{Sender: sender, To: safeAddress, Safe: safeAddress, Nonce: nonce, Hash: hash, Data: binary.BigEndian.AppendUint64(hash.Bytes(), nonce)}
}

func moduleJob(sender common.Address, hash common.Hash) job {
	return job{Sender: sender, To: moduleAddress, Data: hash.Bytes()}
}

func openDesk(t testing.TB, w chain.Sender, clock lifeboat.Clock, dir string, keys ...key) *Desk {
	t.Helper()
	signers := map[common.Address]Signer{}
	for _, k := range keys {
		signers[k.address()] = k
	}
	d, err := Open(Options{Chain: w, Name: "ethereum", Symbol: "ETH", Signers: signers, Clock: clock, Dir: dir, Policy: Policy{PrivateBlocks: 2}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func story(n *note) string {
	text := ""
	for _, l := range n.Story {
		text += fmt.Sprintf("%s  %s\n", l.At.Format("15:04:05"), l.What)
	}
	return text
}
