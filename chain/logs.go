package chain

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// Logs between two blocks, both counted, in the order in which they happened. The quorum has to say the same logs and the same
// last block. A range that is too much for the nodes is asked for in parts.
func (c *Chain) Logs(ctx context.Context, from, to uint64, filter Filter) ([]types.Log, error) {
	if len(filter.Addresses) > AddressesMax {
		return nil, fmt.Errorf("read logs: %d addresses in one filter; %d are the most", len(filter.Addresses), AddressesMax)
	}
	if from > to {
		return nil, nil
	}
	logs, err := c.logs(ctx, from, to, newSieve(filter), nil)
	if err != nil {
		return nil, fmt.Errorf("read logs of %s: %w", c.network.Name, err)
	}
	return logs, nil
}

// spans is how many blocks one request for logs covers: it is halved when a node finds it too much, and grows back.
type spans struct {
	mu     sync.Mutex
	blocks uint64
}

const (
	spanFirst = 128
	spanMax   = 2048
)

func (s *spans) now() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.blocks, spanFirst)
}

func (s *spans) shrink(from uint64) (ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks = max(1, from/2)
	return from > 1
}

func (s *spans) grow(from uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks = min(max(s.blocks, from+max(1, from/4)), spanMax)
}

// logs reads a range; headers, where they are known, are those of its blocks.
func (c *Chain) logs(ctx context.Context, from, to uint64, s *sieve, headers []*header) ([]types.Log, error) {
	var all []types.Log
	for start := from; start <= to; {
		span := c.span.now()
		end := min(start+span-1, to)
		var known []*header
		if headers != nil {
			known = headers[start-from : end-from+1]
		}
		part, err := c.logsOnce(ctx, start, end, s, known)
		switch {
		case err != nil && tooLong(err) && ctx.Err() == nil && c.span.shrink(end-start+1):
			continue
		case err != nil:
			return nil, err
		}
		if end-start+1 == span {
			c.span.grow(span)
		}
		all = append(all, part...)
		start = end + 1
	}
	return all, nil
}

// tooLong reports that a node would answer for fewer blocks.
func tooLong(err error) bool {
	u, ok := errors.AsType[*unreachable](err)
	return ok && (faultOf(err, tooMuch) || slices.ContainsFunc(u.faults, func(f error) bool { return errors.Is(f, context.DeadlineExceeded) }))
}

// logsOnce lets the nodes agree on the logs of a range that is asked for at once.
func (c *Chain) logsOnce(ctx context.Context, from, to uint64, s *sieve, headers []*header) ([]types.Log, error) {
	possible := headers == nil || c.network.NoBloom || slices.ContainsFunc(headers, func(h *header) bool { return s.possible(&h.bloom) })
	if !possible {
		return nil, nil
	}
	need := c.quorum
	for {
		logs, err := agree(ctx, c, ballot[[]types.Log]{
			step: blocksNamed("read the logs of", from, to),
			need: need,
			ask: func(ctx context.Context, n *node) ([]types.Log, string, error) {
				return n.logs(ctx, from, to, s, headers, c.network.NoBloom)
			},
			tell: func(mine, other []types.Log) string { return fmt.Sprintf("%d logs", len(mine)) },
		})
		if err == nil && len(logs) == 0 && need == 1 && len(c.nodes) > 1 {
			need = 2 // a single node's word is not enough for there being nothing where there could be
			continue
		}
		return logs, err
	}
}

// logs asks one node for a range, and checks what it says against itself and the headers that are known. The key covers the last
// block, so that a node which has not come that far agrees with nobody.
func (n *node) logs(ctx context.Context, from, to uint64, s *sieve, headers []*header, noBloom bool) ([]types.Log, string, error) {
	found := &sifted{sieve: s}
	query := maps.Clone(s.query)
	query["fromBlock"], query["toBlock"] = hexutil.Uint64(from), hexutil.Uint64(to)
	var last *header
	requests := []rpc.BatchElem{
		{Method: "eth_getLogs", Args: []any{query}, Result: found},
		{Method: "eth_getBlockByNumber", Args: []any{hexutil.Uint64(to), false}, Result: &last},
	}
	if len(headers) == 1 {
		delete(query, "fromBlock")
		delete(query, "toBlock")
		query["blockHash"] = headers[0].Hash
		last, requests = headers[0], requests[:1]
	}
	if err := n.ask(ctx, requests...); err != nil {
		return nil, "", err
	}
	for _, r := range requests {
		if r.Error != nil {
			return nil, "", n.fault(ctx, r.Method, r.Error)
		}
	}
	if last == nil || last.Number != to || headers != nil && last.Hash != headers[len(headers)-1].Hash {
		return nil, "", &fault{host: n.host, step: "eth_getLogs", message: fmt.Sprintf("it does not know block %d yet, or is on another branch", to), class: behind}
	}
	if err := n.checkLogs(found.logs, from, to, headers, noBloom); err != nil {
		return nil, "", err
	}
	return found.logs, logsKey(last, found.logs), nil
}

// checkLogs sorts the logs and refuses what cannot be: logs of other blocks, twice the same, or unknown to a block's bloom filter.
func (n *node) checkLogs(logs []types.Log, from, to uint64, headers []*header, noBloom bool) error {
	slices.SortStableFunc(logs, func(a, b types.Log) int {
		return cmp.Or(cmp.Compare(a.BlockNumber, b.BlockNumber), cmp.Compare(a.Index, b.Index))
	})
	wrong := func(k class, l *types.Log, what string) error {
		return &fault{host: n.host, step: "eth_getLogs", message: fmt.Sprintf("its log %d of block %d %s", l.Index, l.BlockNumber, what), class: k}
	}
	for i := range logs {
		l := &logs[i]
		switch {
		case l.BlockNumber < from || l.BlockNumber > to:
			return wrong(broken, l, "was not asked for")
		case i > 0 && l.BlockNumber == logs[i-1].BlockNumber && l.Index == logs[i-1].Index:
			return wrong(broken, l, "comes twice")
		case headers == nil:
			continue
		}
		switch h := headers[l.BlockNumber-from]; {
		case l.BlockHash != h.Hash:
			return wrong(behind, l, "is of another branch")
		case !noBloom && !shown(&h.bloom, l):
			return wrong(broken, l, "is unknown to the block's own bloom filter")
		}
	}
	return nil
}

// logsKey is the same for logs that are the same byte for byte, up to the same block.
func logsKey(last *header, logs []types.Log) string {
	key := append(make([]byte, 0, 256*len(logs)+64), last.Hash[:]...)
	number := func(n uint64) { key = binary.BigEndian.AppendUint64(key, n) }
	for i := range logs {
		l := &logs[i]
		key = append(append(append(key, l.BlockHash[:]...), l.TxHash[:]...), l.Address[:]...)
		number(l.BlockNumber)
		number(uint64(l.TxIndex))
		number(uint64(l.Index))
		number(uint64(len(l.Topics)))
		for _, topic := range l.Topics {
			key = append(key, topic[:]...)
		}
		number(uint64(len(l.Data)))
		key = append(key, l.Data...)
	}
	return string(key)
}
