package chain

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// Limits of one request to a node.
const (
	callsMax    = 100      // calls in one Multicall3
	calldataMax = 96 << 10 // bytes of calldata in one Multicall3
	queriesMax  = 400      // queries that the nodes are asked to agree on at once
)

// Read answers the queries at one block, agreed on by the quorum.
func (c *Chain) Read(ctx context.Context, at *Block, queries []Query) ([]Answer, Block, error) {
	return c.read(ctx, at, queries, c.quorum)
}

// Any is a reader that believes one node, for what triggers nothing. It asks a second one when the first is slow or fails.
func (c *Chain) Any() Reader { return anyNode{c} }

type anyNode struct{ c *Chain }

func (a anyNode) Head(ctx context.Context) (Block, error) {
	h, err := a.c.headOf(ctx, 1)
	if err != nil {
		return Block{}, fmt.Errorf("find the head of %s: %w", a.c.network.Name, err)
	}
	return h.Block, nil
}

func (a anyNode) Read(ctx context.Context, at *Block, queries []Query) ([]Answer, Block, error) {
	return a.c.read(ctx, at, queries, 1)
}

func (c *Chain) read(ctx context.Context, at *Block, queries []Query, need int) ([]Answer, Block, error) {
	if at == nil {
		h, err := c.headOf(ctx, need)
		if err != nil {
			return nil, Block{}, fmt.Errorf("read %s: %w", c.network.Name, err)
		}
		at = &h.Block
	}
	answers := make([]Answer, 0, len(queries))
	aggregate := calls(queries) > 1 && c.hasMulticall(ctx, *at, need)
	for start := 0; start < len(queries); start += queriesMax {
		part, err := c.readPart(ctx, *at, queries[start:min(start+queriesMax, len(queries))], need, aggregate)
		if err != nil {
			return nil, *at, fmt.Errorf("read %s at block %d: %w", c.network.Name, at.Number, err)
		}
		answers = append(answers, part...)
	}
	return answers, *at, nil
}

// readPart lets the nodes agree on the answers to a bounded number of queries.
func (c *Chain) readPart(ctx context.Context, at Block, queries []Query, need int, aggregate bool) ([]Answer, error) {
	return agree(ctx, c, ballot[[]Answer]{
		step: "read the state",
		need: need,
		ask: func(ctx context.Context, n *node) ([]Answer, string, error) {
			answers, err := n.read(ctx, at, queries, aggregate, c.network.Multicall)
			return answers, answersKey(answers), err
		},
		tell: func(mine, other []Answer) string { return difference(queries, mine, other) },
	})
}

// answersKey is the same for answers that are the same byte for byte.
func answersKey(answers []Answer) string {
	h := sha256.New()
	var length [9]byte
	for _, a := range answers {
		binary.BigEndian.PutUint64(length[:], uint64(len(a.Data)))
		length[8] = 0
		if a.Err != nil {
			length[8] = 1
		}
		h.Write(length[:])
		h.Write(a.Data)
	}
	return string(h.Sum(nil))
}

// difference names the first query that two nodes answer differently, and what one of them says.
func difference(queries []Query, mine, other []Answer) string {
	for i := range mine {
		if !bytes.Equal(mine[i].Data, other[i].Data) || (mine[i].Err == nil) != (other[i].Err == nil) {
			said := hexutil.Encode(mine[i].Data)
			if len(said) > 66 {
				said = said[:66] + "…"
			}
			if mine[i].Err != nil {
				said = "reverted " + said
			}
			return fmt.Sprintf("%s of %s is %s", queries[i].What, queries[i].To, said)
		}
	}
	return ""
}

func (w What) String() string {
	return [...]string{Call: "call", Balance: "balance", Code: "code", Storage: "storage", Nonce: "nonce"}[w]
}

// request is one element of a batch and the queries that it answers.
type request struct {
	indexes []int // into the queries; more than one is a Multicall3
	result  hexutil.Bytes
	number  *hexutil.Big // of balances and nonces
}

// read asks one node for all queries at a block.
func (n *node) read(ctx context.Context, at Block, queries []Query, aggregate bool, multicall common.Address) ([]Answer, error) {
	groups := group(queries, aggregate)
	answers := make([]Answer, len(queries))
	again, err := n.readGroups(ctx, at, queries, groups, multicall, answers)
	if err != nil || len(again) == 0 {
		return answers, err
	}
	// A call that failed without a word in a Multicall3 may have lacked gas, which the others had used; alone it says more.
	single := make([][]int, len(again))
	for i, index := range again {
		single[i] = []int{index}
	}
	_, err = n.readGroups(ctx, at, queries, single, multicall, answers)
	return answers, err
}

// readGroups fills in the answers and says which calls of a Multicall3 have to be tried alone.
func (n *node) readGroups(ctx context.Context, at Block, queries []Query, groups [][]int, multicall common.Address, answers []Answer) (again []int, err error) {
	for {
		byNumber := n.pinsByNumber()
		requests, results := n.requests(at, byNumber, queries, groups, multicall)
		if err := n.ask(ctx, requests...); err != nil {
			return nil, err
		}
		if byNumber {
			if err := n.checkPin(ctx, at, requests); err != nil {
				return nil, err
			}
			requests = requests[1 : len(requests)-1]
		}
		again, err = n.unpack(ctx, requests, results, groups, answers)
		if err != nil && classOf(err) == unsupported && !byNumber {
			n.mu.Lock()
			n.byNumber = true
			n.mu.Unlock()
			continue
		}
		return again, err
	}
}

func (n *node) pinsByNumber() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.byNumber
}

// pinned is a block by its hash, as EIP-1898 has it.
type pinned struct {
	BlockHash common.Hash `json:"blockHash"`
}

// requests makes a batch of the groups. A node that knows blocks by number alone is asked for the block's hash before and after.
func (n *node) requests(at Block, byNumber bool, queries []Query, groups [][]int, multicall common.Address) ([]rpc.BatchElem, []request) {
	var block any = pinned{at.Hash}
	if byNumber {
		block = hexutil.Uint64(at.Number)
	}
	results := make([]request, len(groups))
	elems := make([]rpc.BatchElem, 0, len(groups)+2)
	if byNumber {
		elems = append(elems, n.look(at))
	}
	for i, indexes := range groups {
		q, r := queries[indexes[0]], &results[i]
		r.indexes = indexes
		switch {
		case len(indexes) > 1:
			elems = append(elems, rpc.BatchElem{Method: "eth_call", Args: []any{callOf(Query{To: multicall, Data: packMulticall(queries, indexes)}), block}, Result: &r.result})
		case q.What == Call:
			elems = append(elems, rpc.BatchElem{Method: "eth_call", Args: []any{callOf(q), block}, Result: &r.result})
		case q.What == Balance:
			elems = append(elems, rpc.BatchElem{Method: "eth_getBalance", Args: []any{q.To, block}, Result: &r.number})
		case q.What == Nonce:
			elems = append(elems, rpc.BatchElem{Method: "eth_getTransactionCount", Args: []any{q.To, block}, Result: &r.number})
		case q.What == Code:
			elems = append(elems, rpc.BatchElem{Method: "eth_getCode", Args: []any{q.To, block}, Result: &r.result})
		case q.What == Storage:
			elems = append(elems, rpc.BatchElem{Method: "eth_getStorageAt", Args: []any{q.To, common.BytesToHash(q.Data), block}, Result: &r.result})
		}
	}
	if byNumber {
		elems = append(elems, n.look(at))
	}
	return elems, results
}

// look asks for the block that has the number of the one which is meant.
func (n *node) look(at Block) rpc.BatchElem {
	return rpc.BatchElem{Method: "eth_getBlockByNumber", Args: []any{hexutil.Uint64(at.Number), false}, Result: new(*header)}
}

// checkPin makes sure that the state was that of the block which was meant.
func (n *node) checkPin(ctx context.Context, at Block, requests []rpc.BatchElem) error {
	for _, r := range []rpc.BatchElem{requests[0], requests[len(requests)-1]} {
		if r.Error != nil {
			return n.fault(ctx, r.Method, r.Error)
		}
		if h := *r.Result.(**header); h == nil || h.Hash != at.Hash {
			return &fault{host: n.host, step: r.Method, message: fmt.Sprintf("its block %d is another one", at.Number), class: behind}
		}
	}
	return nil
}

// unpack turns results into answers.
func (n *node) unpack(ctx context.Context, requests []rpc.BatchElem, results []request, groups [][]int, answers []Answer) (again []int, err error) {
	for i, r := range requests {
		indexes := groups[i]
		if r.Error != nil {
			f := n.fault(ctx, r.Method, r.Error)
			switch {
			case f.class == reverted && len(indexes) > 1: // all of it lacked gas
				again = append(again, indexes...)
				continue
			case f.class == reverted && r.Method == "eth_call":
				answers[indexes[0]] = Answer{Data: f.data, Err: ErrReverted}
				continue
			}
			return nil, f
		}
		switch {
		case len(indexes) > 1:
			silent, err := unpackMulticall(results[i].result, indexes, answers)
			if err != nil {
				return nil, &fault{host: n.host, step: r.Method, message: "its answer is not what Multicall3 returns"}
			}
			again = append(again, silent...)
		case r.Method == "eth_getBalance" || r.Method == "eth_getTransactionCount":
			number := results[i].number
			if number == nil || number.ToInt().Sign() < 0 || number.ToInt().BitLen() > 256 {
				return nil, &fault{host: n.host, step: r.Method, message: "its answer is no number"}
			}
			answers[indexes[0]] = Answer{Data: common.BigToHash(number.ToInt()).Bytes()}
		case results[i].result == nil:
			return nil, &fault{host: n.host, step: r.Method, message: "it answers with nothing"}
		case r.Method == "eth_getStorageAt":
			answers[indexes[0]] = Answer{Data: common.BytesToHash(results[i].result).Bytes()}
		default:
			answers[indexes[0]] = Answer{Data: results[i].result}
		}
	}
	return again, nil
}

// callOf a query, as eth_call takes it.
func callOf(q Query) map[string]any {
	call := map[string]any{"to": q.To, "data": hexutil.Bytes(q.Data)}
	if q.From != (common.Address{}) {
		call["from"] = q.From
	}
	return call
}

// group puts calls that nobody's address matters to together, up to the limits of a Multicall3.
func group(queries []Query, aggregate bool) [][]int {
	var groups [][]int
	var open []int
	size := 0
	for i, q := range queries {
		if !aggregate || q.What != Call || q.From != (common.Address{}) || len(q.Data) > calldataMax/2 {
			groups = append(groups, []int{i})
			continue
		}
		if len(open) == callsMax || size+len(q.Data) > calldataMax {
			groups, open, size = append(groups, open), nil, 0
		}
		open, size = append(open, i), size+len(q.Data)
	}
	if open != nil {
		groups = append(groups, open)
	}
	return groups
}

func calls(queries []Query) (n int) {
	for _, q := range queries {
		if q.What == Call && q.From == (common.Address{}) {
			n++
		}
	}
	return n
}

var aggregate3 = func() abi.Method {
	parsed, err := abi.JSON(strings.NewReader(`[{"type":"function","name":"aggregate3","stateMutability":"payable",
		"inputs":[{"name":"calls","type":"tuple[]","components":[{"name":"target","type":"address"},{"name":"allowFailure","type":"bool"},{"name":"callData","type":"bytes"}]}],
		"outputs":[{"name":"returnData","type":"tuple[]","components":[{"name":"success","type":"bool"},{"name":"returnData","type":"bytes"}]}]}]`))
	if err != nil {
		panic(err)
	}
	return parsed.Methods["aggregate3"]
}()

type aggregated struct {
	Target       common.Address
	AllowFailure bool
	CallData     []byte
}

func packMulticall(queries []Query, indexes []int) []byte {
	list := make([]aggregated, len(indexes))
	for i, index := range indexes {
		list[i] = aggregated{queries[index].To, true, queries[index].Data}
	}
	packed, err := aggregate3.Inputs.Pack(list)
	if err != nil {
		panic(err) // the types are ours
	}
	return append(bytes.Clone(aggregate3.ID), packed...)
}

var errMulticall = errors.New("not what Multicall3 returns")

// unpackMulticall fills in the answers and says which calls failed without a word.
func unpackMulticall(data []byte, indexes []int, answers []Answer) (silent []int, err error) {
	values, err := aggregate3.Outputs.Unpack(data)
	if err != nil {
		return nil, errMulticall
	}
	results := *abi.ConvertType(values[0], new([]struct {
		Success    bool
		ReturnData []byte
	})).(*[]struct {
		Success    bool
		ReturnData []byte
	})
	if len(results) != len(indexes) {
		return nil, errMulticall
	}
	for i, r := range results {
		a := Answer{Data: r.ReturnData}
		if !r.Success {
			a.Err = ErrReverted
			if len(r.ReturnData) == 0 {
				silent = append(silent, indexes[i])
			}
		}
		answers[indexes[i]] = a
	}
	return silent, nil
}

// multicallAt is what is known of Multicall3 on this chain.
type multicallAt struct {
	since  uint64 // the oldest block at which its code was seen, 0 for none
	absent uint64 // the newest at which it was not
}

// recheck is after how many blocks Multicall3 is looked for again where it was not.
const recheck = 1000

// hasMulticall looks whether there is code at its address. An uncertain answer is a no: every query is then asked alone.
func (c *Chain) hasMulticall(ctx context.Context, at Block, need int) bool {
	c.mu.Lock()
	known := c.multicall
	c.mu.Unlock()
	switch {
	case known.since > 0 && at.Number >= known.since:
		return true
	case known.absent > 0 && at.Number < known.absent+recheck:
		return false
	}
	code, err := c.readPart(ctx, at, []Query{{What: Code, To: c.network.Multicall}}, need, false)
	if err != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(code[0].Data) > 0 {
		c.multicall.since = max(at.Number, 1)
		return true
	}
	c.multicall.absent = max(at.Number, 1)
	return false
}
