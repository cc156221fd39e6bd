package chaintest

import (
	"encoding/json"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// called is a call as it stands in a request.
type called struct {
	From  *common.Address `json:"from"`
	To    *common.Address `json:"to"`
	Value *hexutil.Big    `json:"value"`
	Gas   *hexutil.Uint64 `json:"gas"`
	Data  hexutil.Bytes   `json:"data"`
	Input hexutil.Bytes   `json:"input"`
}

func (c called) data() []byte {
	if len(c.Input) > 0 {
		return c.Input
	}
	return c.Data
}

func (n *Node) call(p params, f Faults) (any, *failure) {
	c, err := read[called](p, 0, "call")
	if err != nil {
		return nil, err
	}
	if c.To == nil || len(p) < 2 {
		return nil, &failure{Code: -32602, Message: "missing value for required argument 1"}
	}
	b, err := n.at(p[1], f)
	if err != nil {
		return nil, err
	}
	r := n.result(b, *c.To, c.data())
	if r.Reverted {
		return nil, &failure{Code: 3, Message: "execution reverted", Data: hexutil.Bytes(r.Data)}
	}
	return hexutil.Bytes(r.Data), nil
}

// result of a call at a block; what was not said returns nothing, as an address without code does.
func (n *Node) result(b *Block, to common.Address, data []byte) Result {
	n.chain.mu.Lock()
	multicall := n.chain.has.multicall && to == Multicall && len(b.state.codes[Multicall]) > 0
	n.chain.mu.Unlock()
	if multicall {
		return n.multicall(b, data)
	}
	return b.state.calls[call{to, string(data)}]
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

type returned struct {
	Success    bool
	ReturnData []byte
}

// multicall does what aggregate3 of Multicall3 does.
func (n *Node) multicall(b *Block, data []byte) Result {
	if len(data) < 4 || string(data[:4]) != string(aggregate3.ID) {
		return Result{Reverted: true}
	}
	values, err := aggregate3.Inputs.Unpack(data[4:])
	if err != nil {
		return Result{Reverted: true}
	}
	list := *abi.ConvertType(values[0], new([]struct {
		Target       common.Address
		AllowFailure bool
		CallData     []byte
	})).(*[]struct {
		Target       common.Address
		AllowFailure bool
		CallData     []byte
	})
	results := make([]returned, len(list))
	for i, one := range list {
		r := n.result(b, one.Target, one.CallData)
		if r.Reverted && !one.AllowFailure {
			return Result{Reverted: true}
		}
		results[i] = returned{!r.Reverted, r.Data}
	}
	packed, err := aggregate3.Outputs.Pack(results)
	if err != nil {
		panic(err)
	}
	return Result{Data: packed}
}

func (n *Node) account(method string, p params, f Faults) (any, *failure) {
	of, err := read[common.Address](p, 0, "address")
	if err != nil {
		return nil, err
	}
	if len(p) < 2 {
		return nil, &failure{Code: -32602, Message: "missing value for required argument 1"}
	}
	b, err := n.at(p[1], f)
	if err != nil {
		return nil, err
	}
	switch method {
	case "eth_getBalance":
		if wei := b.state.balances[of]; wei != nil {
			return (*hexutil.Big)(wei), nil
		}
		return (*hexutil.Big)(new(big.Int)), nil
	case "eth_getCode":
		return hexutil.Bytes(b.state.codes[of]), nil
	}
	nonce := b.state.nonces[of]
	if string(p[1]) == `"pending"` {
		n.chain.mu.Lock()
		for n.chain.pool[of][nonce] != nil {
			nonce++
		}
		n.chain.mu.Unlock()
	}
	return hexutil.Uint64(nonce), nil
}

func (n *Node) storage(p params, f Faults) (any, *failure) {
	of, err := read[common.Address](p, 0, "address")
	if err != nil {
		return nil, err
	}
	at, err := read[common.Hash](p, 1, "slot")
	if err != nil {
		return nil, err
	}
	if len(p) < 3 {
		return nil, &failure{Code: -32602, Message: "missing value for required argument 2"}
	}
	b, err := n.at(p[2], f)
	if err != nil {
		return nil, err
	}
	return b.state.slots[slot{of, at}], nil
}

func (n *Node) feeHistory(p params, f Faults) (any, *failure) {
	count, err := read[hexutil.Uint64](p, 0, "block count")
	if err != nil {
		return nil, err
	}
	if len(p) < 2 {
		return nil, &failure{Code: -32602, Message: "missing value for required argument 1"}
	}
	newest, err := n.at(p[1], f)
	if err != nil {
		return nil, err
	}
	last := newest.Header.Number.Uint64()
	first := last + 1 - min(uint64(count), last+1)
	base := []*hexutil.Big{}
	used := []float64{}
	rewards := [][]*hexutil.Big{}
	for _, b := range n.chain.Blocks()[first : last+1] {
		base = append(base, (*hexutil.Big)(b.Header.BaseFee))
		used = append(used, float64(b.Header.GasUsed)/float64(b.Header.GasLimit))
		rewards = append(rewards, []*hexutil.Big{(*hexutil.Big)(big.NewInt(2_000_000_000))})
	}
	base = append(base, (*hexutil.Big)(newest.Header.BaseFee))
	return map[string]any{"oldestBlock": hexutil.Uint64(first), "baseFeePerGas": base, "gasUsedRatio": used, "reward": rewards}, nil
}

func (n *Node) estimate(p params, f Faults) (any, *failure) {
	c, err := read[called](p, 0, "call")
	if err != nil {
		return nil, err
	}
	if len(p) > 3 && f.NoSimulation {
		return nil, &failure{Code: -32602, Message: "too many arguments, want at most 3"}
	}
	if c.To == nil {
		return hexutil.Uint64(53_000), nil
	}
	if r := n.result(n.head(f), *c.To, c.data()); r.Reverted {
		return nil, &failure{Code: 3, Message: "execution reverted", Data: hexutil.Bytes(r.Data)}
	}
	n.chain.mu.Lock()
	defer n.chain.mu.Unlock()
	if gas := n.chain.estimates[*c.To]; gas > 0 {
		return hexutil.Uint64(gas), nil
	}
	return hexutil.Uint64(100_000), nil
}

func (n *Node) simulate(p params, f Faults) (any, *failure) {
	options, err := read[struct {
		Blocks []struct {
			Calls []called `json:"calls"`
		} `json:"blockStateCalls"`
		Transfers  bool `json:"traceTransfers"`
		Validation bool `json:"validation"`
	}](p, 0, "options")
	if err != nil {
		return nil, err
	}
	if len(p) < 2 {
		return nil, &failure{Code: -32602, Message: "missing value for required argument 1"}
	}
	b, err := n.at(p[1], f)
	if err != nil {
		return nil, err
	}
	var blocks []any
	for _, block := range options.Blocks {
		calls := []any{}
		for _, c := range block.Calls {
			if c.To == nil {
				return nil, &failure{Code: -38014, Message: "this chain deploys nothing"}
			}
			r := n.result(b, *c.To, c.data())
			gas := hexutil.Uint64(21_000)
			if r.GasUsed > 0 {
				gas = hexutil.Uint64(r.GasUsed)
			}
			one := map[string]any{"returnData": hexutil.Bytes(r.Data), "gasUsed": gas, "status": hexutil.Uint64(1), "logs": pointers(r.Logs)}
			if r.Reverted {
				one["status"], one["logs"] = hexutil.Uint64(0), []any{}
				one["error"] = map[string]any{"code": 3, "message": "execution reverted", "data": hexutil.Bytes(r.Data)}
			}
			calls = append(calls, one)
		}
		blocks = append(blocks, map[string]any{"number": hexutil.Uint64(b.Header.Number.Uint64() + 1), "calls": calls})
	}
	return blocks, nil
}

func (n *Node) send(method string, p params, f Faults) (any, *failure) {
	var raw hexutil.Bytes
	if method == "eth_sendPrivateTransaction" {
		said, err := read[struct {
			Tx hexutil.Bytes `json:"tx"`
		}](p, 0, "transaction")
		if err != nil {
			return nil, err
		}
		raw = said.Tx
	} else {
		said, err := read[hexutil.Bytes](p, 0, "transaction")
		if err != nil {
			return nil, err
		}
		raw = said
	}
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(raw); err != nil {
		return nil, &failure{Code: -32000, Message: "rlp: " + err.Error()}
	}
	if f.Deaf {
		return tx.Hash(), nil
	}
	return n.take(tx, method == "eth_sendPrivateTransaction")
}

// take puts a transaction into the pool by the usual rules: known, a nonce that is used, one that costs too little more.
func (n *Node) take(tx *types.Transaction, private bool) (any, *failure) {
	c := n.chain
	from, err := types.Sender(c.signer, tx)
	if err != nil {
		return nil, &failure{Code: -32000, Message: "invalid sender"}
	}
	if private {
		n.mu.Lock()
		n.private = append(n.private, tx)
		n.mu.Unlock()
		return tx.Hash(), nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	there := c.pool[from][tx.Nonce()]
	switch {
	case there != nil && there.Hash() == tx.Hash():
		return nil, &failure{Code: -32000, Message: "already known"}
	case tx.Nonce() < c.state.nonces[from]:
		return nil, &failure{Code: -32000, Message: "nonce too low"}
	case there != nil && tx.GasFeeCap().Cmp(tenth(there.GasFeeCap())) < 0 || there != nil && tx.GasTipCap().Cmp(tenth(there.GasTipCap())) < 0:
		return nil, &failure{Code: -32000, Message: "replacement transaction underpriced"}
	}
	c.add(tx)
	return tx.Hash(), nil
}

// tenth more, which a replacement has to offer.
func tenth(price *big.Int) *big.Int {
	more := new(big.Int).Mul(price, big.NewInt(110))
	return more.Div(more, big.NewInt(100))
}

func (n *Node) receipt(p params, f Faults) (any, *failure) {
	hash, err := read[common.Hash](p, 0, "hash")
	if err != nil {
		return nil, err
	}
	b, i := n.chain.transaction(hash)
	if b == nil || b.Header.Number.Cmp(n.head(f).Header.Number) > 0 {
		return nil, nil
	}
	return b.Receipts[i], nil
}

func (n *Node) transaction(p params) (any, *failure) {
	hash, err := read[common.Hash](p, 0, "hash")
	if err != nil {
		return nil, err
	}
	if b, i := n.chain.transaction(hash); b != nil {
		said := n.chain.spoken(b.Transactions[i])
		said["blockHash"], said["blockNumber"], said["transactionIndex"] = b.Hash, hexutil.Uint64(b.Header.Number.Uint64()), hexutil.Uint64(i)
		return said, nil
	}
	if tx := n.chain.pooled(hash); tx != nil {
		return n.chain.spoken(tx), nil
	}
	return nil, nil
}

// spoken is a transaction as nodes tell of it: with its sender, and with no block while it waits.
func (c *Chain) spoken(tx *types.Transaction) map[string]any {
	said := map[string]any{"blockHash": nil, "blockNumber": nil, "transactionIndex": nil}
	if err := json.Unmarshal(encode(tx), &said); err != nil {
		panic(err)
	}
	from, err := types.Sender(c.signer, tx)
	if err != nil {
		panic(err)
	}
	said["from"] = from
	return said
}
