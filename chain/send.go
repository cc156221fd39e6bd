package chain

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// minedAfter is how much later than its parent a block is taken to be, where a call is tried for the future.
const minedAfter = 12 * time.Second

// feeBlocks is how many past blocks say which tip is usual.
const feeBlocks = 10

// Fees are what a transaction has to offer. The base fee of the next block is agreed on. What tip is usual nodes work out in
// slightly different ways, so that of their answers the middle one counts, and of an even number the lower of the two.
func (c *Chain) Fees(ctx context.Context) (Fees, error) {
	fees, err := c.fees(ctx)
	if err != nil {
		return Fees{}, fmt.Errorf("read the fees of %s: %w", c.network.Name, err)
	}
	return fees, nil
}

func (c *Chain) fees(ctx context.Context) (Fees, error) {
	head, err := c.headOf(ctx, c.quorum)
	if err != nil {
		return Fees{}, err
	}
	b := ballot[Fees]{
		step: "read the fees",
		need: c.quorum,
		ask: func(ctx context.Context, n *node) (Fees, string, error) {
			base, tip, err := n.fees(ctx, head.Number)
			if err != nil {
				return Fees{}, "", err
			}
			return Fees{base, tip}, base.String(), nil
		},
		tell: func(mine, other Fees) string { return fmt.Sprintf("a base fee of %s wei", mine.Base) },
	}
	cast, faults, err := gather(ctx, c, b, func(cast []vote[Fees]) int { return b.need - most(cast) })
	if err != nil {
		return Fees{}, err
	}
	winner, ok := elected(cast, b.need)
	if !ok {
		return Fees{}, undecided(b, cast, faults)
	}
	var tips []*big.Int
	for _, v := range cast {
		tips = append(tips, v.answer.Tip)
	}
	slices.SortFunc(tips, (*big.Int).Cmp)
	tip := tips[(len(tips)-1)/2]
	if least := big.NewInt(c.network.TipMin); tip.Cmp(least) < 0 {
		tip = least
	}
	return Fees{Base: winner.answer.Base, Tip: tip}, nil
}

// fees of one node: the base fee of the block after the given one, and the median of the tips of the last blocks that were not empty.
func (n *node) fees(ctx context.Context, number uint64) (base, tip *big.Int, err error) {
	var said *struct {
		Base    []*hexutil.Big   `json:"baseFeePerGas"`
		Rewards [][]*hexutil.Big `json:"reward"`
		Used    []float64        `json:"gasUsedRatio"`
	}
	if err := n.one(ctx, &said, "eth_feeHistory", hexutil.Uint64(feeBlocks), hexutil.Uint64(number), []int{50}); err != nil {
		return nil, nil, err
	}
	if said == nil || len(said.Base) == 0 || said.Base[len(said.Base)-1] == nil {
		return nil, nil, n.fault(ctx, "eth_feeHistory", errMalformed)
	}
	base = said.Base[len(said.Base)-1].ToInt()
	var tips []*big.Int
	for i, r := range said.Rewards {
		if len(r) == 1 && r[0] != nil && (i >= len(said.Used) || said.Used[i] > 0) {
			tips = append(tips, r[0].ToInt())
		}
	}
	if len(tips) == 0 {
		return base, new(big.Int), nil
	}
	slices.SortFunc(tips, (*big.Int).Cmp)
	return base, tips[len(tips)/2], nil
}

// gasApart is by how many per cent two nodes may differ in what gas a call takes: each searches for it to within a few.
const gasApart = 25

// Estimate is the gas that a call takes twelve seconds from now. A node that cannot look ahead estimates for the block as it is,
// so that whoever sends leaves room in any case. Enough nodes have to come close to one another; the highest of those counts.
func (c *Chain) Estimate(ctx context.Context, call Transaction) (uint64, error) {
	head, err := c.headOf(ctx, c.quorum)
	if err != nil {
		return 0, fmt.Errorf("estimate gas on %s: %w", c.network.Name, err)
	}
	at := c.mined(head.Block)
	b := ballot[estimate]{
		step: "estimate gas",
		need: c.quorum,
		ask: func(ctx context.Context, n *node) (estimate, string, error) {
			e, err := n.estimate(ctx, call, at)
			return e, e.key(), err
		},
		tell: func(mine, other estimate) string { return mine.String() },
	}
	cast, faults, err := gather(ctx, c, b, func(cast []vote[estimate]) int { return b.need - len(alike(cast)) })
	if err != nil {
		return 0, fmt.Errorf("estimate gas on %s: %w", c.network.Name, err)
	}
	together := alike(cast)
	switch last := len(together) - 1; {
	case last+1 < b.need:
		return 0, fmt.Errorf("estimate gas on %s: %w", c.network.Name, undecided(b, cast, faults))
	case together[last].reverted:
		return 0, fmt.Errorf("estimate gas on %s: %w", c.network.Name, &Reverted{together[last].data})
	default:
		return together[last].gas, nil
	}
}

// mined is when something is mined that is sent now: twelve seconds from now, or from the head where that is later.
func (c *Chain) mined(head Block) hexutil.Uint64 {
	now := c.clock.Now()
	if head.Time.After(now) {
		now = head.Time
	}
	return hexutil.Uint64(now.Add(minedAfter).Unix())
}

// estimate is what one node says that a call takes, or that it fails.
type estimate struct {
	gas      uint64
	reverted bool
	data     []byte
}

func (e estimate) key() string { return fmt.Sprintf("%d %t %x", e.gas, e.reverted, e.data) }

func (e estimate) String() string {
	if e.reverted {
		return "it reverts: " + Revert(e.data)
	}
	return fmt.Sprintf("%d gas", e.gas)
}

// alike is the largest set of estimates that agree: reverts with the same bytes, or gas that differs by little, least first.
func alike(cast []vote[estimate]) (best []estimate) {
	var all []estimate
	for _, v := range cast {
		all = append(all, v.answer)
	}
	slices.SortFunc(all, func(a, b estimate) int { return cmp.Compare(a.gas, b.gas) })
	for i, first := range all {
		var set []estimate
		for _, e := range all[i:] {
			near := !e.reverted && e.gas <= first.gas+first.gas/100*gasApart
			if e.reverted == first.reverted && (near || e.reverted && bytes.Equal(e.data, first.data)) {
				set = append(set, e)
			}
		}
		if len(set) > len(best) {
			best = set
		}
	}
	return best
}

// later overrides the time of the block that a call is tried in.
type later struct {
	Time hexutil.Uint64 `json:"time"`
}

// estimate asks one node, for a later block where it can.
func (n *node) estimate(ctx context.Context, call Transaction, at hexutil.Uint64) (estimate, error) {
	for {
		n.mu.Lock()
		plain := n.noOverride
		n.mu.Unlock()
		args := []any{call.message()}
		if !plain {
			args = append(args, "latest", struct{}{}, later{at})
		}
		var gas *hexutil.Uint64
		err := n.one(ctx, &gas, "eth_estimateGas", args...)
		switch f, _ := errors.AsType[*fault](err); {
		case err == nil && gas == nil:
			return estimate{}, &fault{host: n.host, step: "eth_estimateGas", message: "it answers with nothing"}
		case err == nil:
			return estimate{gas: uint64(*gas)}, nil
		case f != nil && f.class == reverted:
			return estimate{reverted: true, data: f.data}, nil
		case f != nil && f.class == unsupported && !plain:
			n.mu.Lock()
			n.noOverride = true
			n.mu.Unlock()
		default:
			return estimate{}, err
		}
	}
}

// message is the call as JSON-RPC has it.
func (t Transaction) message() map[string]any {
	m := map[string]any{"from": t.From, "to": t.To, "data": hexutil.Bytes(t.Data)}
	if t.Value != nil && t.Value.Sign() > 0 {
		m["value"] = (*hexutil.Big)(t.Value)
	}
	if t.Gas > 0 {
		m["gas"] = hexutil.Uint64(t.Gas)
	}
	return m
}

// Broadcast gives a signed transaction to every node that is read, all at once, and returns when as many as the quorum have taken
// it, or one has and the others take long. It goes on with the others meanwhile. Nodes that rest are tried all the same.
func (c *Chain) Broadcast(ctx context.Context, tx *types.Transaction) error {
	if err := c.broadcast(ctx, c.nodes, "eth_sendRawTransaction", tx, c.quorum); err != nil {
		return fmt.Errorf("broadcast on %s: %w", c.network.Name, err)
	}
	return nil
}

// ErrNoRelay says that the configuration names no private relay.
var ErrNoRelay = errors.New("there is no private relay")

// Private gives a signed transaction to the private relays alone. A relay may drop it without a word: after some blocks whoever
// sends it has to Broadcast it.
func (c *Chain) Private(ctx context.Context, tx *types.Transaction) error {
	if len(c.relays) == 0 {
		return fmt.Errorf("send privately on %s: %w", c.network.Name, ErrNoRelay)
	}
	if err := c.broadcast(ctx, c.relays, "eth_sendPrivateTransaction", tx, 1); err != nil {
		return fmt.Errorf("send privately on %s: %w", c.network.Name, err)
	}
	return nil
}

// grace is how long a broadcast waits for more nodes to take what one has taken.
const grace = time.Second

func (c *Chain) broadcast(ctx context.Context, nodes []*node, method string, tx *types.Transaction, enough int) error {
	raw, err := tx.MarshalBinary()
	if err != nil {
		return fmt.Errorf("encode the transaction: %w", err)
	}
	answers := make(chan error, len(nodes))
	for _, n := range nodes {
		c.sending.Add(1)
		go func() {
			defer c.sending.Done()
			answers <- n.send(context.WithoutCancel(ctx), method, tx.Hash(), raw)
		}()
	}
	var faults []error
	var slow <-chan struct{}
	taken := 0
	for range nodes {
		select {
		case err := <-answers:
			if err != nil {
				faults = append(faults, err)
				continue
			}
			if taken++; taken >= enough {
				return nil
			}
			slow = c.after(ctx, grace)
		case <-slow:
			return nil
		case <-ctx.Done():
			if taken > 0 {
				return nil
			}
			return ctx.Err()
		}
	}
	if taken == 0 {
		return &unreachable{step: "send", need: 1, faults: faults}
	}
	return nil
}

// send gives one node a transaction. One that it has already is taken; so is one whose nonce it calls too low because it is mined.
func (n *node) send(ctx context.Context, method string, hash common.Hash, raw []byte) error {
	n.wake()
	var said *common.Hash
	var err error
	if method == "eth_sendPrivateTransaction" {
		err = n.one(ctx, &said, method, map[string]any{"tx": hexutil.Bytes(raw)})
		if err != nil && classOf(err) == unsupported {
			method = "eth_sendRawTransaction"
		}
	}
	if method == "eth_sendRawTransaction" {
		err = n.one(ctx, &said, method, hexutil.Bytes(raw))
	}
	switch {
	case err == nil && said != nil && *said != hash:
		return n.failed(ctx, method, &fault{host: n.host, step: method, message: "it calls the transaction by another hash"})
	case err == nil:
		return nil
	case known(err):
		return nil
	case strings.Contains(strings.ToLower(err.Error()), "nonce too low"):
		var tx json.RawMessage
		if n.one(ctx, &tx, "eth_getTransactionByHash", hash) == nil && len(tx) > 0 && string(tx) != "null" {
			return nil
		}
	}
	return n.failed(ctx, method, err)
}

// wake lets a node that rests be asked all the same: an exit has no time to be polite.
func (n *node) wake() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.until = time.Time{}
}

// known reports the words in which nodes say that they have a transaction already.
func known(err error) bool {
	said := strings.ToLower(err.Error())
	return strings.Contains(said, "already known") || strings.Contains(said, "known transaction") || strings.Contains(said, "alreadyknown") ||
		strings.Contains(said, "already imported") || strings.Contains(said, "already in mempool") || strings.Contains(said, "already exists") || strings.Contains(said, "already_exists")
}

// Pending is the next nonce of an address with what waits in the pools; the highest that any node says within the usual time.
func (c *Chain) Pending(ctx context.Context, address common.Address) (uint64, error) {
	b := ballot[uint64]{
		step: "read the next nonce",
		need: c.quorum,
		ask: func(ctx context.Context, n *node) (uint64, string, error) {
			var nonce *hexutil.Uint64
			err := n.one(ctx, &nonce, "eth_getTransactionCount", address, "pending")
			if err == nil && nonce == nil {
				err = &fault{host: n.host, step: "eth_getTransactionCount", message: "it answers with nothing"}
			}
			if err != nil {
				return 0, "", err
			}
			return uint64(*nonce), "", nil
		},
	}
	cast, err := canvass(ctx, c, b, func([]vote[uint64]) bool { return false })
	if err != nil {
		return 0, fmt.Errorf("read the next nonce on %s: %w", c.network.Name, err)
	}
	var highest uint64
	for _, v := range cast {
		highest = max(highest, v.answer)
	}
	return highest, nil
}
