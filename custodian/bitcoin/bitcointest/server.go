// Package bitcointest has stand-ins for an Esplora server and for Bitcoin Core, for tests that cannot have the real ones. They
// answer in the shapes of Blockstream's Esplora (API.md of its repository) and of Bitcoin Core's RPC help (28.0), refuse what the
// real ones refuse, and know one chain, which the test writes. They mine nothing and check no signature.
package bitcointest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// Chain is what both stand-ins know of it.
type Chain struct {
	mu       sync.Mutex
	Genesis  string
	Tips     []string // the hash of the newest block, one look after the other; the last stays
	Height   uint64
	Time     int64
	Address  string
	Script   string
	Funded   string // satoshi, as JSON has it
	Spent    string
	Leaving  string            // that the mempool spends
	Paths    map[string]string // further paths of Esplora and what they answer
	Methods  map[string]string // further methods of Core, and their results
	Watched  bool
	Scanning bool
}

func (c *Chain) tip() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	tip := c.Tips[0]
	if len(c.Tips) > 1 {
		c.Tips = c.Tips[1:]
	}
	return tip
}

// Esplora answers as an Esplora server does: text for hashes and heights, JSON for the rest, 400 and 404 with a line of text.
func (c *Chain) Esplora() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			http.Error(w, "endpoint does not exist", http.StatusNotFound)
			return
		}
		block, isBlock := strings.CutPrefix(r.URL.Path, "/block/")
		switch {
		case c.Paths[r.URL.Path] != "":
			fmt.Fprint(w, c.Paths[r.URL.Path])
		case r.URL.Path == "/blocks/tip/height":
			fmt.Fprint(w, c.Height)
		case r.URL.Path == "/blocks/tip/hash":
			fmt.Fprint(w, c.tip())
		case r.URL.Path == "/block-height/0":
			fmt.Fprint(w, c.Genesis)
		case isBlock:
			fmt.Fprintf(w, `{"id":%q,"height":%d,"version":536870912,"timestamp":%d,"tx_count":1,"size":285,"weight":1140}`, block, c.Height, c.Time)
		case r.URL.Path == "/address/"+c.Address:
			fmt.Fprintf(w, `{"address":%q,"chain_stats":{"funded_txo_count":1,"funded_txo_sum":%s,"spent_txo_count":0,"spent_txo_sum":%s,"tx_count":1},"mempool_stats":{"funded_txo_count":0,"funded_txo_sum":0,"spent_txo_count":0,"spent_txo_sum":%s,"tx_count":0}}`,
				c.Address, c.Funded, c.Spent, c.Leaving)
		case strings.HasPrefix(r.URL.Path, "/address/"):
			http.Error(w, "Invalid Bitcoin address", http.StatusBadRequest)
		default:
			http.Error(w, "endpoint does not exist", http.StatusNotFound)
		}
	})
}

// Core answers as Bitcoin Core does: POST alone, basic auth, 404 with code -32601 for a method that does not exist and 500 for
// other errors.
func (c *Chain) Core(user, password string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.WriteHeader(http.StatusMethodNotAllowed)
			fmt.Fprint(w, "JSONRPC server handles only POST requests")
			return
		}
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != password {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var call struct {
			Method string
			Params []any
		}
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, `{"result":null,"error":{"code":-32700,"message":"Parse error"},"id":null}`)
			return
		}
		result, ok := c.core(call.Method, call.Params)
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"result":null,"error":{"code":-32601,"message":"Method not found"},"id":1}`)
			return
		}
		fmt.Fprintf(w, `{"result":%s,"error":null,"id":1}`, result)
	})
}

func (c *Chain) core(method string, params []any) (string, bool) {
	key := method
	if len(params) > 0 {
		key = fmt.Sprint(method, " ", params[0])
	}
	if said, ok := c.Methods[key]; ok {
		return said, true
	}
	if said, ok := c.Methods[method]; ok {
		return said, true
	}
	switch method {
	case "getnetworkinfo":
		return `{"version":280000,"subversion":"/Satoshi:28.0.0/","connections":8}`, true
	case "getblockhash":
		return fmt.Sprintf("%q", c.Genesis), true
	case "getbestblockhash":
		return fmt.Sprintf("%q", c.tip()), true
	case "getblockheader":
		return fmt.Sprintf(`{"hash":%q,"confirmations":1,"height":%d,"time":%d}`, params[0], c.Height, c.Time), true
	case "getaddressinfo":
		return fmt.Sprintf(`{"address":%q,"scriptPubKey":%q,"ismine":%t,"solvable":true,"iswatchonly":false}`, params[0], c.Script, c.Watched), true
	case "getwalletinfo":
		return fmt.Sprintf(`{"walletname":"watch","scanning":%t}`, c.Scanning), true
	case "listunspent", "listtransactions":
		return `[]`, true
	case "listsinceblock":
		return `{"transactions":[],"removed":[],"lastblock":"` + c.Tips[0] + `"}`, true
	}
	return "", false
}
