// Package solanatest has a stand-in for a node of Solana, for tests that cannot have a real one. It answers in the shapes of
// Solana's RPC documentation (solana.com/docs/rpc/http), takes only the parameters that are documented, and wants everything as
// finalized. It runs no program and checks no signature; a test writes what it answers.
package solanatest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// Node knows results by method and first parameter: "getBalance ADDRESS", "getTokenAccountsByOwner ADDRESS PROGRAM", or by the
// method alone. A list of them is answered one after the other; the last stays.
type Node struct {
	mu      sync.Mutex
	Results map[string][]string
	Calls   int
}

func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var call struct {
		Version string `json:"jsonrpc"`
		ID      any    `json:"id"`
		Method  string `json:"method"`
		Params  []any  `json:"params"`
	}
	if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&call) != nil || call.Version != "2.0" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if problem := wrong(call.Method, call.Params); problem != "" {
		fmt.Fprintf(w, `{"jsonrpc":"2.0","error":{"code":-32602,"message":%q},"id":1}`, problem)
		return
	}
	result, ok := n.result(call.Method, call.Params)
	if !ok {
		fmt.Fprint(w, `{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"},"id":1}`)
		return
	}
	if page, ok := strings.CutPrefix(result, "raw:"); ok {
		fmt.Fprint(w, page)
		return
	}
	fmt.Fprintf(w, `{"jsonrpc":"2.0","result":%s,"id":1}`, result)
}

// wrong says what a real node would refuse.
func wrong(method string, params []any) string {
	last := map[string]any{}
	if len(params) > 0 {
		last, _ = params[len(params)-1].(map[string]any)
	}
	switch method {
	case "getGenesisHash":
		if len(params) > 0 {
			return "No parameters were expected"
		}
	case "getBlockTime":
		if len(params) != 1 {
			return "Invalid params"
		}
	case "getTransaction":
		if last["maxSupportedTransactionVersion"] == nil || last["encoding"] != "jsonParsed" {
			return "Transaction version (0) is not supported by the requesting client"
		}
	default:
		if last["commitment"] != "finalized" {
			return "the stand-in wants everything as finalized"
		}
	}
	return ""
}

func (n *Node) result(method string, params []any) (string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.Calls++
	keys := []string{method}
	if len(params) > 0 {
		keys = append(keys, fmt.Sprint(method, " ", params[0]))
	}
	if len(params) > 2 {
		filter, _ := params[1].(map[string]any)
		keys = append(keys, fmt.Sprint(method, " ", params[0], " ", filter["programId"]))
	}
	for i := len(keys) - 1; i >= 0; i-- {
		if list := n.Results[keys[i]]; len(list) > 0 {
			if len(list) > 1 {
				n.Results[keys[i]] = list[1:]
			}
			return list[0], true
		}
	}
	return "", false
}
