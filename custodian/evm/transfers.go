package evm

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat/chain"
	"lifeboat/chain/protocol"
	"lifeboat/custodian"
)

const (
	blocksBack   = 10_000 // that transfers are looked for in; a day and a half on Ethereum
	blocksAtOnce = 2_000
	transfersMax = 50 // each may need a block's time
)

// transferEvent is what a token of ERC-20 logs: from whom, to whom, and, as data, how much.
var transferEvent = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))

// Transfers of the plan's tokens to and from the address in the last 10,000 blocks, newest first; with a protocol, those between the
// address and the protocol, as the protocol sees them. What moves without a log of a token is not there: the chain's own coin
// above all, interest, and what a protocol pays to somebody else.
func (s *Source) Transfers(ctx context.Context, limit int) ([]custodian.Transfer, error) {
	if limit = min(limit, transfersMax); limit <= 0 {
		return nil, nil
	}
	if len(s.Tokens) == 0 {
		return nil, fmt.Errorf("only tokens leave a trace that can be listed, and %s names none on %s", s.Account, s.Options.Name)
	}
	head, err := s.Chain.Head(ctx)
	if err != nil {
		return nil, err
	}
	known, keepers, err := s.parties(ctx, &head)
	if err != nil {
		return nil, fmt.Errorf("list transfers of %s: %w", s.Account, err)
	}
	var all []custodian.Transfer
	times := map[uint64]chain.Block{}
	for to, left := head.Number, uint64(blocksBack); len(all) < limit && left > 0; {
		step := min(left, blocksAtOnce, to+1)
		logs, err := s.logs(ctx, to+1-step, to)
		if err != nil {
			return nil, err
		}
		for _, l := range slices.Backward(logs) {
			t, ok := s.transfer(l, known, keepers)
			if !ok {
				continue
			}
			if len(all) == limit {
				break
			}
			if _, asked := times[l.BlockNumber]; !asked {
				if times[l.BlockNumber], err = s.Chain.BlockAt(ctx, l.BlockNumber); err != nil {
					return nil, err
				}
			}
			t.At = times[l.BlockNumber].Time
			all = append(all, t)
		}
		if to < step {
			break
		}
		to, left = to-step, left-step
	}
	return all, nil
}

// parties are the tokens, and the contracts that keep what is in the protocol; no contracts take everybody for a counterpart.
func (s *Source) parties(ctx context.Context, at *chain.Block) (map[common.Address]protocol.Token, []common.Address, error) {
	tokens, _, err := protocol.Tokens(ctx, s.Chain, at, s.tokens()...)
	if err != nil {
		return nil, nil, err
	}
	known := map[common.Address]protocol.Token{}
	for _, t := range tokens {
		known[t.Address] = t
	}
	if s.Protocol == nil {
		return known, nil, nil
	}
	keepers := []common.Address{s.Contract}
	if aave, is := s.Protocol.(*protocol.Aave); is { // a market keeps each asset in a contract of its own
		reserves, _, err := aave.Markets(ctx, s.Chain, at)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range reserves {
			keepers = append(keepers, r.AToken)
		}
		return known, keepers, nil
	}
	positions, err := s.Protocol.Positions(ctx, s.Chain, at, s.Address)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range positions {
		for _, part := range p.Under {
			if part.Holder != (common.Address{}) {
				keepers = append(keepers, part.Holder) // the pool of a position of uniswap-v3
			}
		}
	}
	return known, keepers, nil
}

// logs of both directions in a range of blocks, in the order in which they happened.
func (s *Source) logs(ctx context.Context, from, to uint64) ([]types.Log, error) {
	var all []types.Log
	own, addresses := common.BytesToHash(s.Address[:]), s.tokens()
	for _, topics := range [][][]common.Hash{{{transferEvent}, {own}}, {{transferEvent}, nil, {own}}} {
		logs, err := s.Chain.Logs(ctx, from, to, chain.Filter{Addresses: addresses, Topics: topics})
		if err != nil {
			return nil, err
		}
		all = append(all, logs...)
	}
	slices.SortStableFunc(all, func(a, b types.Log) int {
		return cmp.Or(cmp.Compare(a.BlockNumber, b.BlockNumber), cmp.Compare(a.Index, b.Index))
	})
	return all, nil
}

// transfer that a log tells of; false for what is none of the account's.
func (s *Source) transfer(l types.Log, known map[common.Address]protocol.Token, keepers []common.Address) (custodian.Transfer, bool) {
	if len(l.Topics) != 3 || l.Topics[0] != transferEvent || len(l.Data) != 32 || l.Removed {
		return custodian.Transfer{}, false
	}
	token, named := known[l.Address]
	from, to := common.BytesToAddress(l.Topics[1][:]), common.BytesToAddress(l.Topics[2][:])
	t := custodian.Transfer{Hash: l.TxHash.Hex(), Symbol: s.Tokens[l.Address], Amount: whole(token, new(big.Int).SetBytes(l.Data))}
	counterpart := from
	if from == s.Address {
		counterpart, t.Amount = to, t.Amount.Neg()
	}
	t.Counterpart = counterpart.Hex()
	switch {
	case !named || from == to || from != s.Address && to != s.Address || t.Amount.IsZero():
		return custodian.Transfer{}, false
	case s.Protocol == nil:
		return t, true
	}
	t.Amount, t.Counterpart = t.Amount.Neg(), s.Address.Hex() // what left the address came into the protocol
	return t, slices.Contains(keepers, counterpart)
}
