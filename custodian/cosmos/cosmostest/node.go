// Package cosmostest has a stand-in for the REST server of a node built with the Cosmos SDK, for tests that cannot have a real
// one. It answers in the shapes of the SDK's API (buf.build/cosmos/cosmos-sdk, v0.50), wants the height of every reading of the
// state in the header x-cosmos-block-height, and says for which height it answers. A test writes its answers.
package cosmostest

import (
	"fmt"
	"net/http"
	"strings"
)

// Node knows answers by path, and by path?KEY for the page of a list that follows a key.
type Node struct {
	Height  string
	Answers map[string]string
}

func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	state := strings.HasPrefix(r.URL.Path, "/cosmos/bank/") || strings.HasPrefix(r.URL.Path, "/cosmos/staking/")
	if state {
		if r.Header.Get("x-cosmos-block-height") == "" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"code":3,"message":"the stand-in wants a height","details":[]}`)
			return
		}
		w.Header().Set("Grpc-Metadata-X-Cosmos-Block-Height", n.Height)
	}
	path := r.URL.Path
	if key := r.URL.Query().Get("pagination.key"); key != "" {
		path += "?" + key
	}
	if query := r.URL.Query().Get("query"); query != "" {
		path += "?" + query
	}
	said, ok := n.Answers[path]
	if !ok {
		w.WriteHeader(http.StatusNotImplemented)
		fmt.Fprint(w, `{"code":12,"message":"Not Implemented","details":[]}`)
		return
	}
	fmt.Fprint(w, said)
}
