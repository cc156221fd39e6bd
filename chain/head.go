package chain

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// header is what is read of a block's header, and what nodes have to say alike of it.
type header struct {
	Block
	bloom types.Bloom
}

// UnmarshalJSON reads a header or a block; what a node leaves out that is needed is an error.
func (h *header) UnmarshalJSON(data []byte) error {
	var said struct {
		Number     *hexutil.Uint64 `json:"number"`
		Hash       *common.Hash    `json:"hash"`
		ParentHash *common.Hash    `json:"parentHash"`
		Timestamp  *hexutil.Uint64 `json:"timestamp"`
		LogsBloom  *types.Bloom    `json:"logsBloom"`
	}
	if err := json.Unmarshal(data, &said); err != nil {
		return err
	}
	if said.Number == nil || said.Hash == nil || said.ParentHash == nil || said.Timestamp == nil || *said.Timestamp > 1<<40 {
		return errMalformed
	}
	h.Number, h.Hash, h.Parent = uint64(*said.Number), *said.Hash, *said.ParentHash
	h.Time = time.Unix(int64(*said.Timestamp), 0).UTC()
	if said.LogsBloom != nil {
		h.bloom = *said.LogsBloom
	}
	return nil
}

// key of everything in it.
func (h *header) key() string {
	return string(slices.Concat(h.Hash[:], h.Parent[:], h.bloom[:], fmt.Appendf(nil, "%d %d", h.Number, h.Time.Unix())))
}

func (h *header) String() string { return fmt.Sprintf("block %d is %s", h.Number, short(h.Hash)) }

// tip is the newest header of one node.
func (n *node) tip(ctx context.Context) (*header, error) {
	var h *header
	if err := n.one(ctx, &h, "eth_getBlockByNumber", "latest", false); err != nil {
		return nil, err
	}
	if h == nil {
		return nil, &fault{host: n.host, step: "eth_getBlockByNumber", message: "it knows no block", class: behind}
	}
	n.heard(h.Number)
	return h, nil
}

// one is a single request; what the node says against it is an error.
func (n *node) one(ctx context.Context, result any, method string, args ...any) error {
	requests := []rpc.BatchElem{{Method: method, Args: args, Result: result}}
	if err := n.ask(ctx, requests...); err != nil {
		return err
	}
	if requests[0].Error != nil {
		return n.fault(ctx, method, requests[0].Error)
	}
	return nil
}

// Head is the newest block that the quorum of the nodes knows.
func (c *Chain) Head(ctx context.Context) (Block, error) {
	h, err := c.headOf(ctx, c.quorum)
	if err != nil {
		return Block{}, fmt.Errorf("find the head of %s: %w", c.network.Name, err)
	}
	return h.Block, nil
}

// BlockAt is the block of a number, as the quorum of the nodes knows it.
func (c *Chain) BlockAt(ctx context.Context, number uint64) (Block, error) {
	h, err := c.headerAt(ctx, number, c.quorum)
	if err != nil {
		return Block{}, fmt.Errorf("find block %d of %s: %w", number, c.network.Name, err)
	}
	return h.Block, nil
}

// headOf asks all nodes where they stand. Where enough of them name the same block, that is the head; where not, it is the
// highest on which as many agree among those that have come that far. A node that is far ahead alone moves nothing.
func (c *Chain) headOf(ctx context.Context, need int) (*header, error) {
	tips, err := c.tips(ctx, need)
	if err != nil {
		return nil, err
	}
	for _, h := range tips {
		same := 0
		for _, other := range tips {
			if other.key() == h.key() {
				same++
			}
		}
		if same >= need {
			return h, nil
		}
	}
	// The highest number that enough nodes have reached; below it, further and further, where a branch divides them.
	slices.SortFunc(tips, func(a, b *header) int { return cmp.Compare(b.Number, a.Number) })
	number := tips[need-1].Number
	for back := uint64(0); ; back = max(1, 2*back) {
		h, err := c.headerAt(ctx, number-min(back, number), need)
		divided := errors.Is(err, ErrDisagree) || faultOf(err, behind, pruned)
		if err == nil || !divided || back >= c.network.Depth || back >= number {
			return h, err
		}
	}
}

// tips collects the newest headers until enough nodes say alike, or all have answered, or the rest takes too long.
func (c *Chain) tips(ctx context.Context, need int) ([]*header, error) {
	b := ballot[*header]{
		step: "ask where it stands",
		need: need,
		ask: func(ctx context.Context, n *node) (*header, string, error) {
			h, err := n.tip(ctx)
			if err != nil {
				return nil, "", err
			}
			return h, h.key(), nil
		},
	}
	cast, err := canvass(ctx, c, b, func(cast []vote[*header]) bool { return most(cast) >= need })
	if err != nil {
		return nil, err
	}
	tips := make([]*header, len(cast))
	for i, v := range cast {
		tips[i] = v.answer
	}
	return tips, nil
}

// headerAt is the header of a number that enough nodes agree on.
func (c *Chain) headerAt(ctx context.Context, number uint64, need int) (*header, error) {
	headers, err := c.headersAt(ctx, number, number, need)
	if err != nil {
		return nil, err
	}
	return headers[0], nil
}

// headersAt are the headers of a range, agreed on as a whole.
func (c *Chain) headersAt(ctx context.Context, from, to uint64, need int) ([]*header, error) {
	return agree(ctx, c, ballot[[]*header]{
		step: blocksNamed("read the headers of", from, to),
		need: need,
		ask: func(ctx context.Context, n *node) ([]*header, string, error) {
			headers, err := n.headers(ctx, from, to)
			if err != nil {
				return nil, "", err
			}
			return headers, headersKey(headers), nil
		},
		tell: func(mine, other []*header) string {
			for i := range mine {
				if mine[i].key() != other[i].key() {
					return mine[i].String()
				}
			}
			return ""
		},
	})
}

// headersKey covers every header by its hash, and what is read of it besides.
func headersKey(headers []*header) string {
	var all []byte
	for _, h := range headers {
		all = append(all, h.key()...)
	}
	return string(all)
}

// headers asks one node for a range; they have to be those that were asked for, each the child of the one before.
func (n *node) headers(ctx context.Context, from, to uint64) ([]*header, error) {
	headers := make([]*header, to-from+1)
	for {
		n.mu.Lock()
		method := "eth_getHeaderByNumber"
		if n.noHeaders {
			method = "eth_getBlockByNumber"
		}
		n.mu.Unlock()
		requests := make([]rpc.BatchElem, len(headers))
		for i := range requests {
			headers[i] = nil
			requests[i] = rpc.BatchElem{Method: method, Args: []any{hexutil.Uint64(from + uint64(i))}, Result: &headers[i]}
			if method == "eth_getBlockByNumber" {
				requests[i].Args = append(requests[i].Args, false) // hashes of the transactions are enough
			}
		}
		if err := n.ask(ctx, requests...); err != nil {
			return nil, err
		}
		err := n.checkHeaders(ctx, requests, headers, from)
		if classOf(err) == unsupported && err != nil && method == "eth_getHeaderByNumber" {
			n.mu.Lock()
			n.noHeaders = true
			n.mu.Unlock()
			continue
		}
		return headers, err
	}
}

func (n *node) checkHeaders(ctx context.Context, requests []rpc.BatchElem, headers []*header, from uint64) error {
	for i, h := range headers {
		number := from + uint64(i)
		switch {
		case requests[i].Error != nil:
			return n.fault(ctx, requests[i].Method, requests[i].Error)
		case h == nil && number+n.depthHeld() < n.headHeard():
			return &fault{host: n.host, step: requests[i].Method, message: fmt.Sprintf("it does not have block %d any more", number), class: pruned}
		case h == nil:
			return &fault{host: n.host, step: requests[i].Method, message: fmt.Sprintf("it does not know block %d yet", number), class: behind}
		case h.Number != number:
			return &fault{host: n.host, step: requests[i].Method, message: fmt.Sprintf("asked for block %d it tells of block %d", number, h.Number)}
		case i > 0 && h.Parent != headers[i-1].Hash:
			return &fault{host: n.host, step: requests[i].Method, message: fmt.Sprintf("its block %d does not follow its block %d", number, number-1), class: behind}
		}
	}
	return nil
}

// depthHeld is how far behind its head a block has to lie for its absence to mean that it was dropped.
func (n *node) depthHeld() uint64 { return 256 }

func (n *node) headHeard() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.head
}

func blocksNamed(act string, from, to uint64) string {
	if from == to {
		return fmt.Sprintf("%s block %d", act, from)
	}
	return fmt.Sprintf("%s blocks %d to %d", act, from, to)
}
