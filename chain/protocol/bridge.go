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
	"lifeboat/chain/contract"
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

// Beyond is what a bridge is told of the two chains, and of who receives on the other one.
type Beyond struct {
	Here, There string // names of the two chains, for people
	Near, Far   chain.Sender
	// Tokens are what a token is there. The coin of a chain is the zero address on both sides.
	Tokens   map[common.Address]common.Address
	Receiver string // who receives, for people
}

// Passage is a sum on its way to another chain.
type Passage struct {
	Token  common.Address // on the other side; zero for its coin
	Amount *big.Int
	To     common.Address
	Hash   common.Hash // by which the other chain knows it
	// carried is what its bridge has to know of the message that brings it. No other bridge reads it.
	carried any
}

// Stage of a passage.
type Stage string

const (
	Underway Stage = "under way"       // it has left, and nothing has to be done
	Unproven Stage = "to be proven"    // a withdrawal whose proof the other chain does not have yet
	Proven   Stage = "proven"          // and can still be challenged
	Claimed  Stage = "to be confirmed" // a withdrawal that can still be challenged, of which nobody has to prove anything
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
func OpenBridge(adapter string, s Setup, beyond Beyond) (Bridge, error) {
	switch adapter {
	case "op-bridge":
		return NewOPBridge(s.Name, s.Address, beyond), nil
	case "arbitrum-bridge":
		return NewArbitrumBridge(s.Name, s.Address, s.More["router"], beyond), nil
	}
	return nil, fmt.Errorf("%s is %s, which is no bridge that is known here", s.Name, adapter)
}

// errForeign says that a passage is asked of a bridge that it does not go over.
var errForeign = errors.New("it went over a bridge of another kind")

// ErrNoPassage says that a transaction sent nothing over a bridge.
var ErrNoPassage = errors.New("the transaction sent nothing over the bridge")

func (b Beyond) receiver(to common.Address) string {
	if b.Receiver == "" {
		return to.String()
	}
	return fmt.Sprintf("%s (%s)", to, b.Receiver)
}

// holding reads how much there is of a token or the coin, and how much of it a bridge may take.
func holding(ctx context.Context, r chain.Reader, at *chain.Block, owner, token, spender common.Address) (t Token, have, allowed *big.Int, err error) {
	t = etherToken
	var b contract.Batch
	ours, allowance := askBalance(&b, token, owner), (*contract.Asked)(nil)
	if token != (common.Address{}) {
		tokens, _, err := readTokens(ctx, r, at, []common.Address{token})
		if err != nil {
			return t, nil, nil, err
		}
		t = tokens[0]
		allowance = b.Call(token, contract.ERC20.Allowance, owner, spender)
	}
	if _, err := b.Read(ctx, r, at); err != nil {
		return t, nil, nil, fmt.Errorf("read balances: %w", err)
	}
	allowed = new(big.Int)
	if err = ours.Scan(&have); err == nil && allowance != nil {
		err = allowance.Scan(&allowed)
	}
	return t, have, allowed, err
}

// takes tries on the other side what will be done there with a sum, as if it had arrived.
func (b Beyond) takes(ctx context.Context, at *chain.Block, taking chain.Query, t Token, to common.Address, amount *big.Int) error {
	answers, _, err := b.Far.Read(ctx, at, []chain.Query{taking})
	if err != nil {
		return fmt.Errorf("try what arrives on %s: %w", b.There, err)
	}
	if answers[0].Err != nil {
		return fmt.Errorf("%s could not take %s in on %s: %w", to, t.Text(amount), b.There, answers[0].Err)
	}
	return nil
}

// arrived says what was taken in, and what the receiver has now.
func (b Beyond) arrived(ctx context.Context, p Passage, balance *contract.Asked, at chain.Block) (string, error) {
	t := etherToken
	if p.Token != (common.Address{}) {
		tokens, _, err := readTokens(ctx, b.Far, &at, []common.Address{p.Token})
		if err != nil {
			return "", err
		}
		t = tokens[0]
	}
	var has *big.Int
	if err := balance.Scan(&has); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s arrived on %s for %s, who has %s there at block %d (message %s)", t.Text(p.Amount), b.There, b.receiver(p.To), t.Text(has), at.Number, p.Hash), nil
}
