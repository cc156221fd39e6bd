package evm

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/chain"
)

// Moved is by how much one transaction changed what the account holds: what is there after its block, less what was there before.
// Where another transaction of the block has to do with the address, that would be the doing of both; then only the tokens count that the
// transaction's own logs tell of, which is less at times and never too much, and what its sender paid for it.
func (s *Source) Moved(ctx context.Context, r *chain.Receipt) ([]lifeboat.Move, error) {
	height := r.BlockNumber.Uint64()
	after, err := s.Chain.BlockAt(ctx, height)
	if err != nil {
		return nil, err
	}
	if after.Hash != r.BlockHash {
		return nil, fmt.Errorf("block %d is another one now: %w", height, chain.ErrNotMined)
	}
	before, err := s.Chain.BlockAt(ctx, height-1)
	if err != nil {
		return nil, err
	}
	alone, err := s.alone(ctx, before, after, r)
	if err != nil {
		return nil, fmt.Errorf("look what else block %d did to %s: %w", height, s.Account, err)
	}
	var moves []lifeboat.Move
	if alone {
		moves, err = s.changed(ctx, before, after)
	} else {
		moves, err = s.logged(ctx, after, r)
	}
	if err != nil {
		return nil, fmt.Errorf("read what %s had before and after block %d: %w", s.Account, height, err)
	}
	for i := range moves {
		moves[i].Account, moves[i].Height = s.Account, height
	}
	slices.SortFunc(moves, func(a, b lifeboat.Move) int { return strings.Compare(a.Symbol, b.Symbol) })
	return moves, nil
}

// alone reports that no other transaction of a block has to do with the address: none is from it, and no log is of it or names it.
func (s *Source) alone(ctx context.Context, before, after chain.Block, r *chain.Receipt) (bool, error) {
	nonce := []chain.Query{{What: chain.Nonce, To: s.Address}}
	was, _, err := s.Chain.Read(ctx, &before, nonce)
	if err != nil {
		return false, err
	}
	is, _, err := s.Chain.Read(ctx, &after, nonce)
	if err != nil {
		return false, err
	}
	sent := new(big.Int).SetBytes(was[0].Data)
	if r.From == s.Address {
		sent.Add(sent, big.NewInt(1))
	}
	if sent.Cmp(new(big.Int).SetBytes(is[0].Data)) != 0 {
		return false, nil
	}
	own := []common.Hash{common.BytesToHash(s.Address[:])}
	for _, filter := range []chain.Filter{{Addresses: []common.Address{s.Address}}, {Topics: [][]common.Hash{nil, own}}, {Topics: [][]common.Hash{nil, nil, own}},
		{Topics: [][]common.Hash{nil, nil, nil, own}}} {
		logs, err := s.Chain.Logs(ctx, after.Number, after.Number, filter)
		if err != nil {
			return false, err
		}
		for _, l := range logs {
			if l.TxHash != r.TxHash {
				return false, nil
			}
		}
	}
	return true, nil
}

// changed is each line after a block less the same line before, but for what is the same, as nearly as two looks at it can be.
func (s *Source) changed(ctx context.Context, before, after chain.Block) (moves []lifeboat.Move, err error) {
	had, err := s.lines(ctx, &before)
	if err != nil {
		return nil, err
	}
	has, err := s.lines(ctx, &after)
	if err != nil {
		return nil, err
	}
	is := lifeboat.Statement{Lines: has}
	was := lifeboat.Statement{Lines: had}
	for _, l := range has {
		if before, _ := was.Line(l.Symbol); !l.Says(before.Quantity) || l.Share != before.Share {
			moves = append(moves, lifeboat.Move{Symbol: l.Symbol, Quantity: l.Quantity.Sub(before.Quantity), From: before.Share, Share: l.Share})
		}
	}
	for _, l := range had {
		if _, still := is.Line(l.Symbol); !still {
			moves = append(moves, lifeboat.Move{Symbol: l.Symbol, Quantity: l.Quantity.Neg(), From: l.Share})
		}
	}
	return moves, nil
}

// logged is what the logs of the transaction tell of tokens that came and went, and what it cost its sender.
func (s *Source) logged(ctx context.Context, at chain.Block, r *chain.Receipt) (moves []lifeboat.Move, err error) {
	known, keepers, err := s.parties(ctx, &at)
	if err != nil {
		return nil, err
	}
	sums := map[string]decimal.Decimal{}
	for _, l := range r.Logs {
		if t, ok := s.transfer(*l, known, keepers); ok {
			sums[t.Symbol] = sums[t.Symbol].Add(t.Amount)
		}
	}
	if fee, said := r.Fee(); said && r.From == s.Address && s.Coin != "" && s.Protocol == nil {
		sums[s.Coin] = sums[s.Coin].Sub(decimal.NewFromBigInt(fee, -18))
	}
	for symbol, quantity := range sums {
		if !quantity.IsZero() {
			moves = append(moves, lifeboat.Move{Symbol: symbol, Quantity: quantity})
		}
	}
	return moves, nil
}
