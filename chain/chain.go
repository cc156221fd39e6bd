// Package chain reads an EVM chain by way of several nodes, none of which is believed alone where money depends on it, and
// brings signed transactions to it.
//
// A [Chain] asks its nodes for state at one block that enough of them agree on, follows the head through reorganisations, reads
// logs without gaps, simulates what a transaction would do, and broadcasts. A node that lies, lags or is silent costs time, never
// the truth: what fewer than the quorum say alike is an error, not an answer.
//
// What comes into the pools of nodes is told as each of them says it, since no quorum can know it ([Chain.Overhear]).
//
// It knows no protocol and no key. What a contract's bytes mean is for chain/contract and chain/protocol; what is signed and
// sent, and when it is sent again, for act/exit.
package chain

import (
	"context"
	"errors"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Block is where a chain stands.
type Block struct {
	Number uint64
	Hash   common.Hash
	Parent common.Hash
	Time   time.Time
}

// What a [Query] asks for.
type What uint8

const (
	Call    What = iota // what a call of To with Data would return
	Balance             // of To, in wei, as 32 bytes
	Code                // of To
	Storage             // of To at the slot Data, 32 bytes
	Nonce               // of To: how many transactions it has sent, as 32 bytes
)

// Query is one read of the state.
type Query struct {
	What What
	To   common.Address
	Data []byte         // calldata of a call, the 32 bytes of a slot
	From common.Address // of a call, where that matters
}

// Answer to a query. A call that reverted has the revert's bytes in Data and an Err; that is an answer like any other, and the
// nodes have to agree on it.
type Answer struct {
	Data []byte
	Err  error // [ErrReverted], or nil
}

// Reader reads state. Implementations are safe for concurrent use.
type Reader interface {
	// Head is the newest block that the quorum of the nodes knows.
	Head(ctx context.Context) (Block, error)
	// Read answers the queries, in their order, all at one block: at, or the newest that the quorum agrees on when nil. What
	// the quorum does not say alike is an error.
	Read(ctx context.Context, at *Block, queries []Query) ([]Answer, Block, error)
}

// Filter of logs. Each list of topics is one position; an empty one takes any.
type Filter struct {
	Addresses []common.Address
	Topics    [][]common.Hash
}

// Sender brings transactions to the chain and says what became of them.
type Sender interface {
	Reader
	// ID of the chain, which signatures are bound to.
	ID() *big.Int
	// Fees are what a transaction has to offer to be in one of the next blocks, in wei per gas.
	Fees(ctx context.Context) (Fees, error)
	// Estimate is the gas that a call takes if it is mined twelve seconds from now; an [ErrReverted] when it fails.
	Estimate(ctx context.Context, call Transaction) (uint64, error)
	// Simulate carries the calls out one after the other on top of a block, nil for the head, and forgets them.
	Simulate(ctx context.Context, at *Block, calls []Transaction) ([]Outcome, error)
	// Broadcast gives a signed transaction to every node. An error means that no node is known to have taken it; it may have
	// arrived all the same. A node that knows it already has taken it.
	Broadcast(ctx context.Context, tx *types.Transaction) error
	// Pending is the next nonce of an address when what waits in the pools is counted; the highest that any node says.
	Pending(ctx context.Context, address common.Address) (uint64, error)
	// Receipt of a transaction in a block that the quorum knows; [ErrNotMined] while there is none.
	Receipt(ctx context.Context, hash common.Hash) (*Receipt, error)
	// Logs between two blocks, both counted, in the order in which they happened.
	Logs(ctx context.Context, from, to uint64, filter Filter) ([]types.Log, error)
}

// Fees in wei per gas.
type Fees struct {
	Base *big.Int // of the next block
	Tip  *big.Int // that is usual
}

// Transaction is what would be sent.
type Transaction struct {
	From, To common.Address
	Value    *big.Int // wei; nil is none
	Data     []byte
	Gas      uint64 // 0 lets the node choose
}

// Outcome of a simulated transaction.
type Outcome struct {
	Return  []byte
	GasUsed uint64
	Logs    []types.Log // those of value moves included, where the node tells of them
	Err     error       // [ErrReverted] with the revert's bytes in Return, or nil
}

var (
	// ErrReverted says that a contract refused.
	ErrReverted = errors.New("the contract reverted")
	// ErrNotMined says that a transaction is in no block that the quorum knows.
	ErrNotMined = errors.New("it is in no block yet")
	// ErrDisagree says that the nodes do not say alike what has to be agreed on.
	ErrDisagree = errors.New("the nodes disagree")
	// ErrNoSimulation says that no node can simulate; a single call can still be tried by Read.
	ErrNoSimulation = errors.New("no node can simulate")
	// ErrUnreachable says that too few nodes answer.
	ErrUnreachable = errors.New("too few nodes answer")
)
