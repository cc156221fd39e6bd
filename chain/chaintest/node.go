package chaintest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// Faults of a node. The zero value has none.
type Faults struct {
	ChainID      uint64 // that it claims to be on; 0 is the true one
	Lag          uint64 // blocks that it is behind
	Ahead        uint64 // blocks by which it claims to be farther than there are
	Down         bool   // it cuts every connection
	Page         bool   // it answers with a page for people
	Cut          bool   // it stops in the middle of its answers
	Status       int    // of every answer, instead of one
	RetryAfter   int    // seconds, with Status
	Code         int    // of a JSON-RPC error for everything
	Message      string // of that error
	WrongIDs     bool   // it answers requests that nobody made
	Nulls        bool   // every result is null
	NoSimulation bool   // it has no eth_simulateV1
	NoHashes     bool   // it does not take a block by its hash, and no eth_getHeaderByNumber
	BatchMax     int    // requests that it takes at once; 0 is any number
	LogsMax      int    // logs that it answers with at most; 0 is any number
	PrunedBelow  uint64 // it does not have older blocks
	HidesLogs    bool   // it leaves one log of each block out without a word
	Deaf         bool   // it takes transactions and throws them away
	HashesOnly   bool   // it tells of the transactions of its pool by their hashes alone, and refuses to tell more
	NoPool       bool   // it does not tell of its pool
	// Lie changes results before they are sent: what it returns is encoded instead. nil lies about nothing.
	Lie func(method string, result any) any
	// Hold keeps every answer back until it is closed; nil holds nothing.
	Hold <-chan struct{}
}

// Node serves a chain. It is safe for concurrent use.
type Node struct {
	chain  *Chain
	server *httptest.Server

	mu      sync.Mutex
	faults  Faults
	asked   map[string]int
	private []*types.Transaction
}

// Serve starts a node of the chain until the test ends.
func Serve(t testing.TB, c *Chain) *Node {
	n := &Node{chain: c, asked: map[string]int{}}
	n.server = httptest.NewServer(n)
	t.Cleanup(func() {
		n.server.CloseClientConnections()
		n.server.Close()
	})
	return n
}

// URL over HTTP.
func (n *Node) URL() string { return n.server.URL }

// Socket is the URL over WebSockets.
func (n *Node) Socket() string { return "ws" + strings.TrimPrefix(n.server.URL, "http") }

// Host of the node, with its port.
func (n *Node) Host() string { return strings.TrimPrefix(n.server.URL, "http://") }

// Misbehave from now on.
func (n *Node) Misbehave(f Faults) {
	n.mu.Lock()
	n.faults = f
	n.mu.Unlock()
	if f.Down {
		n.server.CloseClientConnections()
	}
}

// Asked is how often a method was asked for.
func (n *Node) Asked(method string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked[method]
}

// Private are the transactions that came by eth_sendPrivateTransaction.
func (n *Node) Private() []*types.Transaction {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*types.Transaction(nil), n.private...)
}

func (n *Node) now() Faults {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.faults
}

type message struct {
	Version string            `json:"jsonrpc"`
	ID      json.RawMessage   `json:"id"`
	Method  string            `json:"method"`
	Params  []json.RawMessage `json:"params"`
}

type answer struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result,omitempty"`
	Error   *failure        `json:"error,omitempty"`
}

// failure is an error of JSON-RPC.
type failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

func (f *failure) Error() string { return f.Message }

// null is a result that is there and is nothing.
var null = json.RawMessage("null")

func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := n.now()
	if f.Down {
		panic(http.ErrAbortHandler)
	}
	if r.Header.Get("Upgrade") != "" {
		n.socket(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost {
		http.Error(w, "JSON-RPC is posted", http.StatusMethodNotAllowed)
		return
	}
	if f.Hold != nil {
		select {
		case <-f.Hold:
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case f.Page:
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html><title>Sign in</title>")
		return
	case f.Status != 0:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(f.RetryAfter))
		}
		w.WriteHeader(f.Status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	out := n.serve(body)
	if f.Cut {
		out = out[:len(out)/2]
	}
	w.Write(out)
}

// serve answers a request or a batch of them.
func (n *Node) serve(body []byte) []byte {
	f := n.now()
	var batch []message
	single := len(body) > 0 && body[0] == '{'
	if single {
		batch = make([]message, 1)
		json.Unmarshal(body, &batch[0])
	} else if json.Unmarshal(body, &batch) != nil {
		return encode(answer{Version: "2.0", ID: null, Error: &failure{Code: -32700, Message: "parse error"}})
	}
	if f.BatchMax > 0 && len(batch) > f.BatchMax {
		return encode(answer{Version: "2.0", ID: null, Error: &failure{Code: -32600, Message: fmt.Sprintf("batch size too large: %d is the limit", f.BatchMax)}})
	}
	answers := make([]answer, len(batch))
	for i, m := range batch {
		answers[i] = n.answer(m)
		if f.WrongIDs {
			answers[i].ID = json.RawMessage("987654321")
		}
	}
	if single {
		return encode(answers[0])
	}
	return encode(answers)
}

func encode(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return out
}

func (n *Node) answer(m message) answer {
	n.mu.Lock()
	n.asked[m.Method]++
	f := n.faults
	n.mu.Unlock()
	a := answer{Version: "2.0", ID: m.ID}
	if f.Code != 0 {
		a.Error = &failure{Code: f.Code, Message: f.Message}
		return a
	}
	result, err := n.do(m.Method, params(m.Params), f)
	if err != nil {
		a.Error = err
		return a
	}
	if f.Lie != nil {
		result = f.Lie(m.Method, result)
	}
	if result == nil || f.Nulls {
		result = null
	}
	a.Result = result
	return a
}

// socket speaks over WebSockets, and tells of heads to whoever subscribes to them.
func (n *Node) socket(w http.ResponseWriter, r *http.Request) {
	connection, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer connection.CloseNow()
	connection.SetReadLimit(16 << 20)
	var writing sync.Mutex
	write := func(out []byte) {
		writing.Lock()
		defer writing.Unlock()
		connection.Write(r.Context(), websocket.MessageText, out)
	}
	for {
		_, body, err := connection.Read(r.Context())
		if err != nil || n.now().Down {
			return
		}
		var m message
		if json.Unmarshal(body, &m) == nil && m.Method == "eth_subscribe" && len(m.Params) > 0 && string(m.Params[0]) == `"newPendingTransactions"` {
			defer n.tellPool(r.Context(), m, connection, write)()
			continue
		}
		if json.Unmarshal(body, &m) != nil || m.Method != "eth_subscribe" || len(m.Params) == 0 || string(m.Params[0]) != `"newHeads"` {
			write(n.serve(body))
			continue
		}
		n.mu.Lock()
		n.asked[m.Method]++
		n.mu.Unlock()
		heard, stop := n.chain.listen()
		defer stop()
		const id = "0x9ce59a13059e417087c02d3236a0b1cc"
		write(encode(answer{Version: "2.0", ID: m.ID, Result: id}))
		go func() {
			for {
				select {
				case b := <-heard:
					if n.now().Down {
						connection.CloseNow()
						return
					}
					write(encode(map[string]any{"jsonrpc": "2.0", "method": "eth_subscription", "params": map[string]any{"subscription": id, "result": b.Header}}))
				case <-r.Context().Done():
					return
				}
			}
		}()
	}
}

// tellPool tells of the transactions that come into the pool, whole where that is asked for, as go-ethereum does.
func (n *Node) tellPool(ctx context.Context, m message, connection *websocket.Conn, write func([]byte)) (stop func()) {
	n.mu.Lock()
	n.asked[m.Method+" newPendingTransactions"]++
	f := n.faults
	n.mu.Unlock()
	whole := len(m.Params) > 1 && string(m.Params[1]) == "true"
	switch {
	case f.NoPool:
		write(encode(answer{Version: "2.0", ID: m.ID, Error: &failure{Code: -32601, Message: `no "newPendingTransactions" subscription in eth namespace`}}))
		return func() {}
	case f.HashesOnly && len(m.Params) > 1:
		write(encode(answer{Version: "2.0", ID: m.ID, Error: &failure{Code: -32602, Message: "too many arguments, want at most 1"}}))
		return func() {}
	}
	heard, stop := n.chain.listenPool()
	const id = "0xc3b33aa549fb9a60e95d21862596617c"
	write(encode(answer{Version: "2.0", ID: m.ID, Result: id}))
	go func() {
		for {
			select {
			case tx := <-heard:
				if n.now().Down {
					connection.CloseNow()
					return
				}
				var said any = tx.Hash()
				if whole {
					said = n.chain.spoken(tx)
				}
				write(encode(map[string]any{"jsonrpc": "2.0", "method": "eth_subscription", "params": map[string]any{"subscription": id, "result": said}}))
			case <-ctx.Done():
				return
			}
		}
	}()
	return stop
}

// params of a request, read strictly.
type params []json.RawMessage

func read[T any](p params, i int, what string) (T, *failure) {
	var v T
	if i >= len(p) {
		return v, &failure{Code: -32602, Message: fmt.Sprintf("missing value for required argument %d (%s)", i, what)}
	}
	if err := json.Unmarshal(p[i], &v); err != nil {
		return v, &failure{Code: -32602, Message: fmt.Sprintf("invalid argument %d: %s", i, err)}
	}
	return v, nil
}

func (n *Node) do(method string, p params, f Faults) (any, *failure) {
	switch method {
	case "eth_chainId":
		if f.ChainID != 0 {
			return hexutil.Uint64(f.ChainID), nil
		}
		return hexutil.Uint64(n.chain.id), nil
	case "eth_blockNumber":
		return hexutil.Uint64(n.head(f).Header.Number.Uint64()), nil
	case "eth_getBlockByNumber":
		return n.blockByNumber(p, f)
	case "eth_getHeaderByNumber":
		if !f.NoHashes {
			return n.blockByNumber(append(p, json.RawMessage("false")), f)
		}
	case "eth_getLogs":
		return n.logs(p, f)
	case "eth_call":
		return n.call(p, f)
	case "eth_getBalance", "eth_getTransactionCount", "eth_getCode":
		return n.account(method, p, f)
	case "eth_getStorageAt":
		return n.storage(p, f)
	case "eth_feeHistory":
		return n.feeHistory(p, f)
	case "eth_estimateGas":
		return n.estimate(p, f)
	case "eth_simulateV1":
		if !f.NoSimulation {
			return n.simulate(p, f)
		}
	case "eth_sendRawTransaction", "eth_sendPrivateTransaction":
		return n.send(method, p, f)
	case "eth_getTransactionReceipt":
		return n.receipt(p, f)
	case "eth_getTransactionByHash":
		return n.transaction(p)
	}
	return nil, &failure{Code: -32601, Message: fmt.Sprintf("the method %s does not exist/is not available", method)}
}

// head as the node sees it.
func (n *Node) head(f Faults) *Block {
	blocks := n.chain.Blocks()
	head := blocks[max(0, len(blocks)-1-int(f.Lag))]
	if f.Ahead == 0 {
		return head
	}
	invented := *head
	invented.Header = types.CopyHeader(head.Header)
	invented.Header.Number = new(big.Int).Add(head.Header.Number, new(big.Int).SetUint64(f.Ahead))
	invented.Hash = invented.Header.Hash()
	return &invented
}

// at finds a block by what stands for one in a request: a number, a tag, or an object with a hash or a number.
func (n *Node) at(raw json.RawMessage, f Faults) (*Block, *failure) {
	var object struct {
		Hash   *common.Hash `json:"blockHash"`
		Number *string      `json:"blockNumber"`
	}
	var tag string
	if json.Unmarshal(raw, &tag) != nil {
		if f.NoHashes || json.Unmarshal(raw, &object) != nil {
			return nil, &failure{Code: -32602, Message: "invalid argument 1: json: cannot unmarshal object into Go value of type string"}
		}
		if object.Hash != nil {
			b := n.chain.block(*object.Hash)
			if b == nil || b.Header.Number.Cmp(n.head(f).Header.Number) > 0 {
				return nil, &failure{Code: -32000, Message: "header for hash not found"}
			}
			return n.kept(b, f)
		}
		if object.Number == nil {
			return nil, &failure{Code: -32602, Message: "invalid argument 1: neither a number nor a hash"}
		}
		tag = *object.Number
	}
	if tag == "latest" || tag == "pending" {
		return n.head(f), nil
	}
	number, err := hexutil.DecodeUint64(tag)
	if err != nil {
		return nil, &failure{Code: -32602, Message: "invalid argument 1: " + err.Error()}
	}
	blocks := n.chain.Blocks()
	if number > n.head(f).Header.Number.Uint64() || number >= uint64(len(blocks)) {
		return nil, &failure{Code: -32000, Message: "header not found"}
	}
	return n.kept(blocks[number], f)
}

func (n *Node) kept(b *Block, f Faults) (*Block, *failure) {
	if b.Header.Number.Uint64() < f.PrunedBelow {
		return nil, &failure{Code: 4444, Message: "pruned history unavailable"}
	}
	return b, nil
}

func (n *Node) blockByNumber(p params, f Faults) (any, *failure) {
	if _, err := read[bool](p, 1, "full transactions"); err != nil {
		return nil, err
	}
	b, err := n.at(p[0], f)
	if err != nil && err.Code == -32000 {
		return nil, nil // null, as documented
	}
	if err != nil {
		return nil, err
	}
	return b.Header, nil
}

func (n *Node) logs(p params, f Faults) (any, *failure) {
	filter, err := read[struct {
		From    json.RawMessage `json:"fromBlock"`
		To      json.RawMessage `json:"toBlock"`
		Hash    *common.Hash    `json:"blockHash"`
		Address json.RawMessage `json:"address"`
		Topics  []any           `json:"topics"`
	}](p, 0, "filter")
	if err != nil {
		return nil, err
	}
	var blocks []*Block
	if filter.Hash != nil {
		b, err := n.at(encode(map[string]any{"blockHash": filter.Hash}), f)
		if err != nil {
			return nil, &failure{Code: -32000, Message: "unknown block"}
		}
		blocks = []*Block{b}
	} else {
		from, err := n.at(filter.From, f)
		if err != nil && err.Code != -32000 {
			return nil, err
		}
		last, err := n.at(filter.To, f)
		if err != nil { // as nodes do that are asked for more than they have, it stops at its head
			last = n.head(f)
		}
		if from != nil {
			all := n.chain.Blocks()
			blocks = all[min(int(from.Header.Number.Uint64()), len(all)):min(int(last.Header.Number.Uint64())+1, len(all))]
		}
	}
	found := []*types.Log{}
	for _, b := range blocks {
		hide := f.HidesLogs
		for i := range b.Logs {
			if !matches(&b.Logs[i], filter.Address, filter.Topics) {
				continue
			}
			if hide {
				hide = false
				continue
			}
			found = append(found, &b.Logs[i])
		}
	}
	if f.LogsMax > 0 && len(found) > f.LogsMax {
		return nil, &failure{Code: -32005, Message: fmt.Sprintf("query returned more than %d results", f.LogsMax)}
	}
	return found, nil
}

// matches a filter as the specification has it.
func matches(l *types.Log, address json.RawMessage, topics []any) bool {
	var one common.Address
	var many []common.Address
	switch {
	case len(address) == 0:
	case json.Unmarshal(address, &one) == nil:
		many = []common.Address{one}
	default:
		json.Unmarshal(address, &many)
	}
	if len(many) > 0 {
		found := false
		for _, a := range many {
			found = found || a == l.Address
		}
		if !found {
			return false
		}
	}
	if len(topics) > len(l.Topics) {
		return false
	}
	for i, any := range topics {
		switch any := any.(type) {
		case string:
			if common.HexToHash(any) != l.Topics[i] {
				return false
			}
		case []interface{}:
			found := false
			for _, topic := range any {
				text, _ := topic.(string)
				found = found || common.HexToHash(text) == l.Topics[i]
			}
			if !found {
				return false
			}
		}
	}
	return true
}
