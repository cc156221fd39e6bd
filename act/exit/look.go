package exit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"lifeboat/act/safe"
	"lifeboat/chain"
)

// look asks the chain for everything that next needs, the state of it at one block.
func (s *sending) look(ctx context.Context) (seen, error) {
	queries := []chain.Query{{What: chain.Nonce, To: s.Sender}}
	if s.guarded() {
		queries = append(queries, chain.Query{What: chain.Call, To: s.Safe, Data: nonceCall})
	}
	answers, head, err := s.Chain.Read(ctx, nil, queries)
	if err != nil {
		return seen{}, err
	}
	saw := seen{at: s.Clock.Now(), head: head, nonce: wordOf(answers[0])}
	safeNonce := s.Nonce
	if s.guarded() {
		if answers[1].Err != nil || len(answers[1].Data) != 32 {
			return seen{}, fmt.Errorf("there is no Safe at %s", s.Safe.Hex())
		}
		safeNonce = wordOf(answers[1])
	}
	if saw.found, err = s.receipt(ctx, saw.nonce); err != nil {
		return seen{}, err
	}
	switch mined := saw.found != nil && saw.found.How != reverted; {
	case mined:
		s.release() // the next exit of this sender takes the next nonce
	case safeNonce > s.Nonce:
		late := saw.found // ours came second
		if saw.found, err = s.event(ctx, head); err != nil {
			return seen{}, err
		}
		if saw.found != nil && late != nil && !saw.found.Ours {
			saw.found.Lost = late.fee()
		}
	}
	if f := saw.found; f != nil {
		if s.seen == nil || s.seen.Hash != f.Hash || s.seen.Tx != f.Tx {
			f.SeenAt, s.seen = saw.at, f
		}
		f.SeenAt = s.seen.SeenAt
	} else if s.seen != nil {
		s.tell("block %d, which it was in, is not in the chain any more", s.seen.Block)
		s.seen = nil
	}
	if err := s.remember(ctx, &saw, safeNonce); err != nil {
		return seen{}, err
	}
	if s.pending(saw) && saw.nonce < s.last().Nonce {
		saw.pool, err = s.Chain.Pending(ctx, s.Sender)
	}
	return saw, err
}

// remember counts from when on something else has been in the place of ours.
func (s *sending) remember(ctx context.Context, saw *seen, safeNonce uint64) (err error) {
	if s.used, err = s.since(ctx, s.used, saw, saw.found == nil && safeNonce > s.Nonce); err != nil {
		return err
	}
	spent := saw.found == nil && len(s.note.Sent) > 0 && saw.nonce > s.last().Nonce
	if s.spent, err = s.since(ctx, s.spent, saw, spent); err != nil {
		return err
	}
	if s.used != nil {
		saw.usedSince = s.used.Number
	}
	if s.spent != nil {
		saw.spentSince = s.spent.Number
	}
	return nil
}

// since keeps the block at which something was first seen, as long as it is so and that block is in the chain. A count that a
// reorganisation has cut starts again.
func (s *sending) since(ctx context.Context, first *chain.Block, saw *seen, is bool) (*chain.Block, error) {
	switch {
	case !is:
		return nil, nil
	case first == nil || first.Number > saw.head.Number:
		return &saw.head, nil
	case first.Hash == saw.head.Hash:
		return first, nil
	}
	_, at, err := s.Chain.Read(ctx, first, []chain.Query{{What: chain.Nonce, To: s.Sender}})
	if ctx.Err() != nil {
		return first, ctx.Err()
	}
	if err != nil || at.Hash != first.Hash {
		return &saw.head, nil
	}
	return first, nil
}

// receipt finds a transaction of ours in a block. One that was reverted counts only under the last nonce: what came before has
// been answered by sending again.
func (s *sending) receipt(ctx context.Context, mined uint64) (*found, error) {
	for i := len(s.note.Sent) - 1; i >= 0; i-- {
		out := s.note.Sent[i]
		if out.Nonce >= mined {
			continue // nothing under this nonce is in a block
		}
		r, err := s.Chain.Receipt(ctx, out.tx.Hash())
		if errors.Is(err, chain.ErrNotMined) {
			continue
		}
		if err != nil {
			return nil, err
		}
		f := foundIn(r)
		if f.How == executed && s.guarded() {
			f.How = s.verdict(r.Logs)
		}
		if f.How != reverted || out.Nonce == s.last().Nonce {
			s.tell("%s in block %d, %d gas at %s%s", f.How, f.Block, f.Gas, gwei(r.EffectiveGasPrice), s.beneath(f.Toll))
			return f, nil
		}
	}
	return nil, nil
}

func foundIn(r *chain.Receipt) *found {
	f := &found{How: executed, Tx: r.TxHash, Block: r.BlockNumber.Uint64(), Hash: r.BlockHash, Ours: true, Gas: r.GasUsed}
	if r.EffectiveGasPrice != nil {
		f.Price = r.EffectiveGasPrice.String()
	}
	if r.Toll != nil && r.Toll.Sign() > 0 {
		f.Toll = r.Toll
	}
	if r.Status != types.ReceiptStatusSuccessful {
		f.How = reverted
	}
	return f
}

// verdict is what the Safe says of our hash in the logs of a transaction that went through.
func (s *sending) verdict(logs []*types.Log) how {
	for _, l := range logs {
		hash, success, ok := safe.Told(l.Topics, l.Data)
		switch {
		case l.Address != s.Safe || !ok || hash != s.Hash:
		case success:
			return executed
		default:
			return failed
		}
	}
	return failed // the transaction went through, and the Safe says nothing of ours
}

// event finds who else executed what we were to execute.
func (s *sending) event(ctx context.Context, head chain.Block) (*found, error) {
	logs, err := s.Chain.Logs(ctx, s.note.From, head.Number, chain.Filter{Addresses: []common.Address{s.Safe}, Topics: [][]common.Hash{{safe.Succeeded, safe.Failed}}})
	if err != nil {
		return nil, fmt.Errorf("look who spent the Safe's nonce: %w", err)
	}
	for _, l := range logs {
		hash, success, ok := safe.Told(l.Topics, l.Data)
		if !ok || hash != s.Hash {
			continue
		}
		f := &found{How: executed, Tx: l.TxHash, Block: l.BlockNumber, Hash: l.BlockHash}
		if !success {
			f.How = failed
		}
		f.Ours = slices.ContainsFunc(s.note.Sent, func(o sent) bool { return o.tx.Hash() == l.TxHash })
		return f, nil
	}
	return nil, nil
}
