package chain

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

const (
	// AddressesMax bounds the addresses of one filter.
	AddressesMax = 10_000
	// addressesAtNode is up to how many addresses a node is asked to filter by itself; beyond it sends every log of its blocks.
	addressesAtNode = 100
)

// sieve is a filter made ready to try many logs quickly.
type sieve struct {
	addresses map[common.Address]struct{} // empty takes any
	topics    [][]common.Hash
	query     map[string]any // the filter as a node is asked, without blocks
	whole     bool           // the node filters by topics alone
}

func newSieve(filter Filter) *sieve {
	s := &sieve{topics: filter.Topics, addresses: make(map[common.Address]struct{}, len(filter.Addresses)), query: map[string]any{}}
	for _, a := range filter.Addresses {
		s.addresses[a] = struct{}{}
	}
	s.whole = len(s.addresses) > addressesAtNode
	if len(s.addresses) > 0 && !s.whole {
		s.query["address"] = filter.Addresses
	}
	if len(filter.Topics) > 0 {
		topics := make([]any, len(filter.Topics))
		for i, any := range filter.Topics {
			if len(any) > 0 { // an empty list would match nothing at some nodes; null takes any everywhere
				topics[i] = any
			}
		}
		s.query["topics"] = topics
	}
	return s
}

// takes reports a log that the filter is for. It allocates nothing.
func (s *sieve) takes(address common.Address, topics []common.Hash) bool {
	if len(s.addresses) > 0 {
		if _, ok := s.addresses[address]; !ok {
			return false
		}
	}
	if len(topics) < len(s.topics) {
		return false
	}
	for i, any := range s.topics {
		if len(any) > 0 && !slices.Contains(any, topics[i]) {
			return false
		}
	}
	return true
}

// possible reports a block whose bloom filter does not rule out that there is something for the filter in it.
func (s *sieve) possible(bloom *types.Bloom) bool {
	if len(s.addresses) > 0 && !s.whole {
		found := false
		for a := range s.addresses {
			if bloom.Test(a[:]) {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	for _, any := range s.topics {
		if len(any) > 0 && !slices.ContainsFunc(any, func(h common.Hash) bool { return bloom.Test(h[:]) }) {
			return false
		}
	}
	return *bloom != types.Bloom{}
}

// shown reports that a bloom filter knows of a log, as that of its block has to.
func shown(bloom *types.Bloom, l *types.Log) bool {
	if !bloom.Test(l.Address[:]) {
		return false
	}
	for i := range l.Topics {
		if !bloom.Test(l.Topics[i][:]) {
			return false
		}
	}
	return true
}
