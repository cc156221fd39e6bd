package exit

import (
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
)

// seen is what the chain says of an exit at one look.
type seen struct {
	at    time.Time
	head  chain.Block
	nonce uint64 // how many transactions of the sender are in blocks
	pool  uint64 // the same with those that wait; read only when ours is not the next
	found *found // nil while it is in no block
	// usedSince is the head at which the Safe was first seen to have spent the exit's nonce on something that is not found;
	// spentSince the same of the sender's own nonce. 0 when it has not been.
	usedSince, spentSince uint64
}

// found is what came of an exit in one block.
type found struct {
	How   how         `json:"how"`
	Tx    common.Hash `json:"tx"`
	Block uint64      `json:"block"`
	Hash  common.Hash `json:"hash"` // of the block
	Ours  bool        `json:"ours"` // we sent it, rather than somebody else who had the signatures
	Gas   uint64      `json:"gas,omitempty"`
	Price string      `json:"price,omitempty"` // wei per gas, in digits
	Toll  *big.Int    `json:"toll,omitempty"`  // wei that a rollup took beside the gas; nil for none
	Lost  *big.Int    `json:"lost,omitempty"`  // wei that what we sent beside it paid for nothing

	SeenAt time.Time `json:"seen_at,omitzero"` // when it was first seen in a block
}

// fee is what it paid in all, in wei; 0 when that is not known.
func (f *found) fee() *big.Int {
	price, ok := new(big.Int).SetString(f.Price, 10)
	if !ok {
		return new(big.Int)
	}
	fee := price.Mul(price, new(big.Int).SetUint64(f.Gas))
	if f.Toll != nil {
		fee.Add(fee, f.Toll)
	}
	return fee
}

type how string

const (
	executed how = "executed"
	failed   how = "failed"   // the Safe says ExecutionFailure, though the transaction itself went through
	reverted how = "reverted" // nothing happened but that gas was paid
	taken    how = "taken"    // the Safe's nonce was spent on something else
)

// A move is what follows from a look.
type move struct {
	do  do
	why string // for the story; "" when it goes without saying
}

type do uint8

const (
	wait    do = iota
	entrust    // give it to the relay, or ask what the relay made of it
	send       // choose the sender's next nonce and send
	raise      // send again under the same nonce for more
	publish    // give what went to the private relay to everybody
	repeat     // give the same transaction to the nodes again
	end        // what was found stands
	giveUp     // nothing happened, and nothing that was sent can still do anything
)

// noncesMax bounds under how many nonces of the sender one exit is sent, each after the one before was spent otherwise.
const noncesMax = 5

// patience is how many times the wait for a raise an exit stays behind what other programs have sent with the same key.
const patience = 3

// next is the whole policy of sending, without a look at anything but what it is given. That is why a crash needs no recovery
// of its own: the next look finds what there is, and the same function says what follows.
//
// A transaction under another nonce of the sender is sent only when the one before can do nothing more. With a Safe that is so
// at once, since the Safe's own nonce lets only one of them through. Without one, what spent the sender's nonce has to have so
// many blocks on top that no reorganisation will bring ours back.
func next(n *note, guarded bool, s seen, p Policy) move {
	depth := p.Confirmations
	if guarded {
		depth = 1
	}
	deep := func(block, depth uint64) bool { return s.head.Number >= block+depth }
	switch f := s.found; {
	case f != nil && f.How != reverted && !deep(f.Block, p.Confirmations):
		return move{wait, fmt.Sprintf("it is in block %d and waits for %d blocks on top", f.Block, p.Confirmations)}
	case f != nil && f.How != reverted:
		return move{do: end}
	case s.usedSince > 0 && !deep(s.usedSince, p.Confirmations):
		return move{wait, "the Safe has spent this nonce on another transaction, which may still vanish"}
	case s.usedSince > 0:
		return move{do: end}
	case guarded && n.waitsForRelay(s.at, p.Relay):
		return move{do: entrust}
	case len(n.Sent) == 0 && n.heard():
		return move{send, "the relay did not bring it to the chain: our key sends the same, and the Safe lets one of the two through"}
	case len(n.Sent) == 0:
		return move{do: send}
	case f != nil && !deep(f.Block, depth):
		return move{wait, fmt.Sprintf("it was reverted in block %d, which may still vanish", f.Block)}
	case f != nil:
		return again(n, s, p, move{send, "it was reverted; it is tried once more if it can go through now"})
	case s.spentSince > 0 && !deep(s.spentSince, depth):
		return move{wait, "another transaction of the same sender has taken its place"}
	case s.spentSince > 0:
		return again(n, s, p, move{send, "another transaction of the same sender took its place, and it has not been executed"})
	}
	return waiting(n, guarded, s, p)
}

// again sends under another nonce, unless that was done often enough.
func again(n *note, s seen, p Policy, m move) move {
	if n.nonces() < noncesMax {
		return m
	}
	if !over(n, s, p.Confirmations) {
		return move{do: wait}
	}
	return move{giveUp, fmt.Sprintf("it was sent under %d nonces of the sender, and none of them carried it; nothing has happened on the chain", noncesMax)}
}

// over says whether nothing that was sent can be executed any more, not even after a reorganisation.
func over(n *note, s seen, depth uint64) bool {
	switch f := s.found; {
	case n.heard():
		return false // whoever has the signatures can carry it out
	case len(n.Sent) == 0:
		return true
	case f != nil:
		return f.How == reverted && s.head.Number >= f.Block+depth
	}
	return s.spentSince > 0 && s.head.Number >= s.spentSince+depth
}

// waiting says what follows while the last transaction is in no block and can still get into one.
func waiting(n *note, guarded bool, s seen, p Policy) move {
	last := n.Sent[len(n.Sent)-1]
	waited := s.at.Sub(last.At)
	late, blocked := waited >= p.BumpAfter, s.nonce < last.Nonce
	switch {
	case late && blocked && guarded && s.pool <= last.Nonce:
		return again(n, s, p, move{send, "what the sender had sent before it vanished, so that it cannot be mined where it is"})
	case blocked && guarded && waited >= patience*p.BumpAfter:
		return again(n, s, p, move{send, "what the sender had sent before it does not get mined"})
	case last.Private && s.head.Number >= last.Block+p.PrivateBlocks:
		return move{publish, fmt.Sprintf("the private relay did not bring it into %d blocks", p.PrivateBlocks)}
	case late && !blocked && n.bumps() < p.Bumps:
		return move{do: raise}
	case s.at.Sub(n.told) >= p.BumpAfter:
		return move{do: repeat}
	}
	return move{do: wait}
}
