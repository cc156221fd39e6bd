package protocol

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"lifeboat/chain"
)

// Bridge is a way out that ends on another chain. Its exit is over when the other chain has taken in what was sent: until then
// a passage is followed by what both chains say of it, and nothing is remembered but the transaction that began it.
type Bridge interface {
	Exiter
	// Left are the passages that a transaction began, by the logs of its receipt, in their order.
	Left(ctx context.Context, r chain.Reader, logs []*types.Log) ([]Passage, error)
	// Stands says where a passage is, as the other chain says at its head.
	Stands(ctx context.Context, p Passage) (Standing, error)
}

// Beyond is the other side of a bridge.
type Beyond struct {
	Here, There string       // names of the two chains, for people
	Reader      chain.Reader // of the other chain
	Prover      chain.Prover // of this chain, for withdrawals; nil when it can prove nothing
	// Tokens are what a token is there. The coin of a chain is the zero address on both sides.
	Tokens   map[common.Address]common.Address
	Receiver string // who receives, for people
}

// Passage is a sum on its way to another chain.
type Passage struct {
	Token  common.Address // on the other side; zero for its coin
	Amount *big.Int
	To     common.Address
	// Message is the call by which the other chain takes the sum in, and Hash by what its messenger knows it.
	Message []byte
	Hash    common.Hash
	// Withdrawal is what has to be proven and finalised on the other chain; nil where nobody has to do anything.
	Withdrawal *Withdrawal
}

// Withdrawal is the transaction of a rollup's that the chain below carries out at the end, as the OP Stack's portal takes it.
type Withdrawal struct {
	Nonce          *big.Int
	Sender, Target common.Address
	Value          *big.Int
	GasLimit       *big.Int
	Data           []byte
	Hash           common.Hash
	Block          uint64 // of the rollup, that it is in
}

// Stage of a passage.
type Stage string

const (
	Underway Stage = "under way"       // it has left, and nothing has to be done
	Unproven Stage = "to be proven"    // a withdrawal whose proof the other chain does not have yet
	Proven   Stage = "proven"          // and can still be challenged
	Ready    Stage = "to be finalised" // nothing stands in its way any more
	Stranded Stage = "stranded"        // the other chain could not take it in; it can be tried there again
	Arrived  Stage = "arrived"
)

// Standing is where a passage is.
type Standing struct {
	Stage Stage
	At    chain.Block // of the other chain
	Due   time.Time   // when the next stage can come at the earliest; zero when nobody can say
	Words string      // where the money is, and what comes next
	// Where and Call are what anybody can send on the other chain to bring it further, for gas alone; Call is empty where there is
	// nothing to send now, or nothing that can be said beforehand.
	Where common.Address
	Call  []byte
}

// OpenBridge by the name that the plan gives its kind.
func OpenBridge(adapter, name string, address common.Address, beyond Beyond) (Bridge, error) {
	if adapter != "op-bridge" {
		return nil, fmt.Errorf("%s is %s, which is no bridge that is known here", name, adapter)
	}
	return NewOPBridge(name, address, beyond), nil
}

// ErrNoPassage says that a transaction sent nothing over a bridge.
var ErrNoPassage = errors.New("the transaction sent nothing over the bridge")
