package exit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/task"
	"lifeboat/chain"
	"lifeboat/chain/protocol"
	"lifeboat/plan"
)

// movedMax is for how long it is tried to read what an exit has moved. The exit itself is over by then.
const movedMax = time.Minute

// executed says whether a transaction of the exit, ours or another's with the same signatures, did what it was to do. It may have
// broken a promise and has moved something all the same.
func (e *Ending) executed() bool { return e != nil && e.Found != nil && e.Found.How == executed }

// transactions of an exit that may have moved something: the one that carried it out, and all that our key sent, since what comes to nothing
// in a block is paid for as well.
func (e *Ending) transactions() (all []common.Hash) {
	if e.executed() {
		all = append(all, e.Found.Tx)
	}
	if e != nil && e.note != nil {
		for _, s := range e.note.Sent {
			if hash := s.tx.Hash(); !slices.Contains(all, hash) {
				all = append(all, hash)
			}
		}
	}
	return all
}

// moved adds to a receipt what the exit's transactions did to the accounts of the plan, that of the key that paid among them. Where that
// cannot be read the receipt says so, and what differs there will be told to the owner as anybody's doing.
func (w *Worker) moved(ctx context.Context, d *Desk, o plan.ExitOrder, r lifeboat.Receipt, e *Ending, progress task.Progress) lifeboat.Receipt {
	if w.Moved == nil || len(e.transactions()) == 0 {
		return r
	}
	if kept := lifeboat.MovesOf(progress.Facts); kept != nil { // by an earlier start, when the block was new
		r.Facts = lifeboat.WithMoves(r.Facts, kept)
		return r
	}
	for until := d.Clock.Now().Add(movedMax); ; {
		moves, err := w.moves(ctx, d, o, e)
		if err == nil {
			r.Facts = lifeboat.WithMoves(r.Facts, moves)
			return r
		}
		again := unknown(err) || errors.Is(err, chain.ErrNotMined)
		if !again || !d.Clock.Now().Before(until) || d.Clock.Sleep(ctx, d.Clock.Now().Add(d.Policy.Poll)) != nil {
			r.Output += fmt.Sprintf("what it moved in the accounts of the plan cannot be read, and will look like somebody else's doing: %s\n", clause(err))
			return r
		}
	}
}

func (w *Worker) moves(ctx context.Context, d *Desk, o plan.ExitOrder, e *Ending) (all []lifeboat.Move, err error) {
	for _, tx := range e.transactions() {
		mined, err := d.Chain.Receipt(ctx, tx)
		if errors.Is(err, chain.ErrNotMined) && !(e.executed() && tx == e.Found.Tx) {
			continue // another took its place
		}
		if err != nil {
			return nil, err
		}
		moves, err := w.Moved(ctx, o, mined)
		if err != nil {
			return nil, err
		}
		all = append(all, moves...)
	}
	return all, nil
}

// paid keeps what it cost to bring a withdrawal further, on the other chain. A start that goes on finds what the one before it sent, and counts
// it once.
func (a *arrival) paid(ctx context.Context, d *Desk, n *note) {
	if a.Paid == nil {
		return
	}
	all := lifeboat.MovesOf(a.facts)
	for _, s := range n.Sent {
		mined, err := d.Chain.Receipt(ctx, s.tx.Hash())
		if errors.Is(err, chain.ErrNotMined) {
			continue // another took its place
		}
		var moves []lifeboat.Move
		if err == nil {
			moves, err = a.Paid(ctx, a.order.Beyond.Chain, mined)
		}
		if err != nil {
			a.tell("what transaction %s cost cannot be read, and will look like somebody else's doing: %s", s.tx.Hash().Hex(), clause(err))
			continue
		}
		for _, m := range moves {
			if !slices.ContainsFunc(all, m.Same) {
				all = append(all, m)
			}
		}
	}
	a.facts = lifeboat.WithMoves(a.facts, all)
}

// arrived is what came over a bridge, in the block at which it was seen to have come: it lies in that one or in one before it.
func (a *arrival) arrived(ctx context.Context, all []Stand) (moves []lifeboat.Move) {
	for _, s := range all {
		decimals := uint8(18)
		if s.Token != (common.Address{}) {
			tokens, _, err := protocol.Tokens(ctx, a.way(a.order.Beyond.Chain), nil, s.Token)
			if err != nil {
				a.tell("how %s counts cannot be read, and what has arrived of it will look as if somebody else had sent it: %s", s.Token.Hex(), clause(err))
				continue
			}
			decimals = tokens[0].Decimals
		}
		for _, t := range a.order.Beyond.Tokens {
			if common.HexToAddress(t.Address) == s.Token {
				moves = append(moves, lifeboat.Move{Account: a.order.To, Symbol: t.Symbol, Quantity: decimal.NewFromBigInt(s.Amount, -int32(decimals)), Height: s.At.Number})
				break
			}
		}
	}
	return moves
}
