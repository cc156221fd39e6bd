package evm

import (
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"lifeboat/chain"
)

// hear takes one log. Of an address that nobody watches, or of an event that is in no catalogue, nothing is decoded or kept.
func (s *Source) hear(block chain.Block, log *types.Log) {
	of := s.subjects[log.Address]
	if of == nil || len(log.Topics) == 0 {
		return
	}
	e := catalogue[log.Topics[0]]
	if e == nil {
		return
	}
	if e.kind == transfer {
		s.hearTransfer(block, of, log)
		return
	}
	if e.kind == Approved && s.subjects[common.BytesToAddress(topic(log, 1))] == nil {
		return // somebody else's; it is logged all day long
	}
	arguments, understood := e.read(log)
	if !understood {
		return
	}
	if e.kind == Approved {
		s.hearApproval(block, e, log.Address, arguments)
		return
	}
	n := note{block: block.Number, at: block.Time, ends: e.ends != nil && e.ends(arguments)}
	if e.key > 0 {
		n.key = keyOf(arguments[e.key-1])
	}
	s.hasten(log.Address)
	s.widen = s.widen || e.kind == Admin
	s.note(of, e.kind, n, s.called(log.Address)+": "+e.say(arguments, s.called))
}

// note that something happened, and tell it in words.
func (s *Source) note(of *subject, kind Kind, n note, words string) {
	i := of.count[kind]
	s.Log.Info("something happened on a chain", "chain", s.Name, "block", n.block, "what", words)
	if t := s.tallyOf(i, window(kind)); t != nil {
		t.add(n)
		s.levels.explain(i, words)
	}
}

// tallyOf a level; nil when the plan does not have it.
func (s *Source) tallyOf(level int, window time.Duration) *tally {
	if level < 0 {
		return nil
	}
	t := s.tallies[level]
	if t == nil {
		t = &tally{window: window}
		s.tallies[level] = t
	}
	return t
}

// hearApproval counts that an account of ours lets somebody take a token. Taking that back counts for nothing.
func (s *Source) hearApproval(block chain.Block, e *event, token common.Address, arguments []any) {
	owner, _ := arguments[0].(common.Address)
	account, ours := s.account(owner)
	if !ours {
		return
	}
	s.hasten(owner)
	amount := arguments[len(e.Inputs)-1]
	if e.Inputs[1].Name == "token" {
		amount = arguments[3]
	}
	if n, is := amount.(*big.Int); !is || n.Sign() == 0 {
		return
	}
	words := s.called(token) + ": " + e.say(arguments, s.called)
	s.note(s.subjects[account.Address], Approved, note{block: block.Number, at: block.Time}, words)
}

// hearTransfer compares what moved with all that there is, and with what a protocol keeps. It allocates nothing where neither
// is of interest.
func (s *Source) hearTransfer(block chain.Block, of *subject, log *types.Log) {
	if of.token == nil || len(log.Topics) != 3 || len(log.Data) < 32 {
		return
	}
	amount := number(log.Data[:32])
	if t := of.token; t.moved != nil {
		if last := t.supply.last(); last != nil && last.value > 0 {
			moved(t.moved, block, amount/last.value)
		}
	}
	from := keeper{log.Address, common.BytesToAddress(topic(log, 1))}
	if c := s.keepers[from]; c != nil && c.moved != nil {
		if kept := c.before(block.Number); kept > 0 {
			moved(c.moved, block, min(amount/kept, 1))
		}
	}
}

// before is what was kept when the block began, as far as it is known.
func (c *custody) before(block uint64) float64 {
	for i := c.kept.n - 1; i >= 0; i-- {
		if p := c.kept.at(i); p.block < block {
			return p.value
		}
	}
	return 0
}

// moved notes a share that moved, if it is the largest for now or large enough to matter later.
func moved(t *tally, block chain.Block, share float64) {
	const matters = 0.001
	if share < matters {
		return
	}
	if n := len(t.notes); n > 0 && t.notes[n-1].block == block.Number {
		t.notes[n-1].share = max(t.notes[n-1].share, share)
		return
	}
	t.add(note{block: block.Number, at: block.Time, share: share})
}

// topic of a log by its place; nothing when it has none there.
func topic(log *types.Log, i int) []byte {
	if i >= len(log.Topics) {
		return nil
	}
	return log.Topics[i][:]
}

// keyOf what tells one decision or market from another.
func keyOf(argument any) common.Hash {
	switch v := argument.(type) {
	case [32]byte:
		return v
	case common.Address:
		return common.BytesToHash(v[:])
	case *big.Int:
		return common.BigToHash(v)
	}
	return common.Hash{}
}
