package testbed

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// Fault is what is wrong with a node, as seen through a [Line]. The zero value is a good one.
type Fault struct {
	// Lag is how many blocks the node is behind: newer ones, and what is in them, it does not know.
	Lag uint64
	// Lie changes the result of a method. It gets the method, its parameters and the true result.
	Lie func(method string, params, result json.RawMessage) json.RawMessage
	// Lacks are methods that the node does not have, such as eth_simulateV1.
	Lacks []string
	// Refuse answers with this HTTP status instead, such as 429 with its Retry-After.
	Refuse int
	// Delay before each answer.
	Delay time.Duration
	// Silent takes the question and never answers.
	Silent bool
	// Cut breaks the connection in the middle of the answer.
	Cut bool
	// Lose answers a transaction that is sent as if it was taken, and forgets it.
	Lose bool
}

// Line is a way to a node on which things go wrong when the test says so.
type Line struct {
	URL string // http://
	WS  string // ws://

	b      *Bed
	mu     sync.Mutex
	fault  Fault
	asked  map[string]int // method → how often
	ending chan struct{}  // closed when the test is over
}

// Through is another address of the node, with a fault that can be changed later.
func (b *Bed) Through(fault Fault) *Line {
	b.t.Helper()
	l := &Line{b: b, fault: fault, asked: map[string]int{}, ending: make(chan struct{})}
	server := httptest.NewServer(l)
	b.t.Cleanup(func() {
		close(l.ending)
		server.CloseClientConnections()
		server.Close()
	})
	l.URL, l.WS = server.URL, "ws"+strings.TrimPrefix(server.URL, "http")
	return l
}

// Set changes what is wrong from the next question on.
func (l *Line) Set(fault Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = fault
}

// Asked is how often a method was asked for through this line.
func (l *Line) Asked(method string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked[method]
}

func (l *Line) now() Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fault
}

// question and answer of JSON-RPC 2.0.
type question struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params,omitempty"`
}

type answer struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}

func (l *Line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault := l.now()
	if !l.endures(r.Context(), fault) {
		return
	}
	if fault.Refuse != 0 {
		w.Header().Set("Retry-After", "1")
		http.Error(w, http.StatusText(fault.Refuse), fault.Refuse)
		return
	}
	if r.Header.Get("Upgrade") != "" {
		l.serveSocket(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	out := l.ask(r.Context(), fault, body)
	w.Header().Set("Content-Type", "application/json")
	if fault.Cut {
		w.Header().Set("Content-Length", "1000000")
		out = out[:len(out)/2]
	}
	_, _ = w.Write(out)
}

// endures waits as long as the fault makes it wait; false when there is to be no answer.
func (l *Line) endures(ctx context.Context, fault Fault) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-l.ending:
			cancel()
		case <-ctx.Done():
		}
	}()
	if fault.Silent {
		<-ctx.Done()
		return false
	}
	return fault.Delay == 0 || l.b.clock.Sleep(ctx, l.b.clock.Now().Add(fault.Delay)) == nil
}

// ask answers one question or a batch of them.
func (l *Line) ask(ctx context.Context, fault Fault, body []byte) []byte {
	var batch []question
	if err := json.Unmarshal(body, &batch); err == nil {
		answers := make([]answer, 0, len(batch))
		for _, q := range batch {
			answers = append(answers, l.one(ctx, fault, q))
		}
		return encode(answers)
	}
	var q question
	if err := json.Unmarshal(body, &q); err != nil {
		return encode(answer{Version: "2.0", Error: json.RawMessage(`{"code":-32700,"message":"parse error"}`)})
	}
	return encode(l.one(ctx, fault, q))
}

func (l *Line) one(ctx context.Context, fault Fault, q question) answer {
	limit, ready := l.prepare(ctx, fault, &q)
	if ready != nil {
		return *ready
	}
	return l.finish(fault, limit, q, l.true(ctx, q))
}

// prepare counts a question and makes it one of a node that lags; some are answered here already.
func (l *Line) prepare(ctx context.Context, fault Fault, q *question) (limit uint64, ready *answer) {
	l.mu.Lock()
	l.asked[q.Method]++
	l.mu.Unlock()
	if slices.Contains(fault.Lacks, q.Method) {
		text := encode(map[string]any{"code": -32601, "message": "the method " + q.Method + " does not exist/is not available"})
		return 0, &answer{Version: "2.0", ID: q.ID, Error: text}
	}
	if fault.Lose && q.Method == "eth_sendRawTransaction" {
		return 0, &answer{Version: "2.0", ID: q.ID, Result: lost(q.Params)}
	}
	if fault.Lag > 0 {
		limit = l.behind(ctx, fault.Lag)
		q.Params = clamp(q.Params, limit)
	}
	return limit, nil
}

// finish makes an answer that of a node that lags or lies.
func (l *Line) finish(fault Fault, limit uint64, q question, a answer) answer {
	if fault.Lag > 0 && a.Error == nil {
		if q.Method == "eth_blockNumber" {
			a.Result = encode(hexutil.Uint64(limit))
		} else {
			a.Result = unknown(a.Result, limit)
		}
	}
	if fault.Lie != nil && a.Error == nil {
		a.Result = fault.Lie(q.Method, q.Params, a.Result)
	}
	return a
}

// true is the answer of the node itself.
func (l *Line) true(ctx context.Context, q question) answer {
	failed := func(err error) answer {
		return answer{Version: "2.0", ID: q.ID, Error: encode(map[string]any{"code": -32603, "message": err.Error()})}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.b.URL, bytes.NewReader(encode(q)))
	if err != nil {
		return failed(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return failed(err)
	}
	defer response.Body.Close()
	var a answer
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
		return failed(err)
	}
	return a
}

// behind is the newest block of a node that lags.
func (l *Line) behind(ctx context.Context, lag uint64) uint64 {
	var head hexutil.Uint64
	a := l.true(ctx, question{Version: "2.0", ID: json.RawMessage("1"), Method: "eth_blockNumber"})
	_ = json.Unmarshal(a.Result, &head)
	return uint64(head) - min(lag, uint64(head))
}

// clamp turns the words for the newest block in parameters into the number that a node which lags takes for it, and greater numbers of
// a filter too.
func clamp(params json.RawMessage, limit uint64) json.RawMessage {
	var list []any
	if json.Unmarshal(params, &list) != nil {
		return params
	}
	newest := hexutil.EncodeUint64(limit)
	for i, p := range list {
		switch p := p.(type) {
		case string:
			if slices.Contains([]string{"latest", "pending", "safe", "finalized"}, p) {
				list[i] = newest
			}
		case map[string]any:
			for _, field := range []string{"fromBlock", "toBlock", "blockNumber"} {
				text, ok := p[field].(string)
				if number, err := hexutil.DecodeUint64(text); ok && (err != nil && text != "earliest" || err == nil && number > limit) {
					p[field] = newest
				}
			}
		}
	}
	return encode(list)
}

// unknown takes out of a result what is of a block that a node which lags does not have.
func unknown(result json.RawMessage, limit uint64) json.RawMessage {
	var logs []json.RawMessage
	if json.Unmarshal(result, &logs) == nil {
		logs = slices.DeleteFunc(logs, func(l json.RawMessage) bool { return newer(l, limit) })
		return encode(logs)
	}
	if newer(result, limit) {
		return json.RawMessage("null")
	}
	return result
}

func newer(object json.RawMessage, limit uint64) bool {
	var of struct{ Number, BlockNumber *hexutil.Uint64 }
	if json.Unmarshal(object, &of) != nil {
		return false
	}
	return of.Number != nil && uint64(*of.Number) > limit || of.BlockNumber != nil && uint64(*of.BlockNumber) > limit
}

// lost is the answer to a transaction that nobody will see again: its hash.
func lost(params json.RawMessage) json.RawMessage {
	var raw []hexutil.Bytes
	tx := new(types.Transaction)
	if json.Unmarshal(params, &raw) != nil || len(raw) != 1 || tx.UnmarshalBinary(raw[0]) != nil {
		return json.RawMessage("null")
	}
	return encode(tx.Hash())
}

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // only what was JSON before is encoded
	}
	return text
}

// serveSocket passes messages both ways. Questions are answered as over HTTP; subscriptions are the node's own, and what they say is
// kept back as long as the line is silent or lags.
func (l *Line) serveSocket(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	near, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer near.CloseNow()
	far, _, err := websocket.Dial(ctx, l.b.WS, nil)
	if err != nil {
		return
	}
	defer far.CloseNow()
	near.SetReadLimit(1 << 24)
	far.SetReadLimit(1 << 24)
	go func() {
		<-l.ending
		cancel()
	}()
	go func() {
		defer cancel()
		l.news(ctx, far, near)
	}()
	for {
		kind, message, err := near.Read(ctx)
		if err != nil {
			return
		}
		fault := l.now()
		if fault.Cut || fault.Refuse != 0 || !l.endures(ctx, fault) {
			return
		}
		var q question
		if json.Unmarshal(message, &q) == nil && strings.HasSuffix(q.Method, "subscribe") {
			err = far.Write(ctx, kind, message)
		} else {
			err = near.Write(ctx, kind, l.ask(ctx, fault, message))
		}
		if err != nil {
			return
		}
	}
}

// news passes on what the node says of its own accord, and its answers to subscriptions.
func (l *Line) news(ctx context.Context, from, to *websocket.Conn) {
	for {
		kind, message, err := from.Read(ctx)
		if err != nil {
			return
		}
		fault := l.now()
		var q question
		told := json.Unmarshal(message, &q) == nil && strings.HasSuffix(q.Method, "subscription")
		switch {
		case fault.Cut:
			return
		case told && (fault.Silent || fault.Lag > 0):
			continue
		}
		if !l.endures(ctx, fault) || to.Write(ctx, kind, message) != nil {
			return
		}
	}
}
