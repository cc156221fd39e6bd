package app_test

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/plan"
	"lifeboat/secret"
)

// TestNodesByReference: the address of a node that stands in the environment is held to what one in the plan is held to, and what it may have
// of a key is not repeated.
func TestNodesByReference(t *testing.T) {
	const key = "4f8a1c29e0b7d5634f8a1c29e0b7d563"
	for address, want := range map[string]string{
		"https://rpc.example.org/" + key:   "",
		"wss://rpc.example.org/" + key:     "",
		"http://127.0.0.1:8545/" + key:     "",
		"ws://localhost:8546/" + key:       "",
		"http://rpc.example.org/" + key:    "nodes[0] would be asked through the open: http:// is only for this machine",
		"ws://rpc.example.org/" + key:      "nodes[0] would be asked through the open: ws:// is only for this machine",
		"http://127.0.0.1.nip.io/" + key:   "nodes[0] would be asked through the open",
		"rpc.example.org/" + key:           "nodes[0] is no address that begins with https://",
		"https://rpc.example.org:" + key:   "nodes[0] is no address that begins with https://",
		"ftp://rpc.example.org/" + key:     "nodes[0] is no address that begins with https://",
		"https:///v2/" + key + "?x=\x7f":   "nodes[0] is no address that begins with https://",
		"http://u:" + key + "@example.org": "nodes[0] would be asked through the open",
	} {
		t.Setenv("A_NODE", address)
		for what, refer := range map[string]func(*plan.Chain){
			"nodes[0]": func(c *plan.Chain) { c.Nodes = []string{"env:A_NODE"} },
			"private":  func(c *plan.Chain) { c.Nodes, c.Private = []string{"http://127.0.0.1:8545"}, "env:A_NODE" },
		} {
			c := &plan.Chain{ID: 1}
			refer(c)
			p := &plan.Plan{Dependencies: []plan.Dependency{{Name: "Ethereum", Kind: "chain", Chain: c}}}
			chains, err := app.OpenChains(t.Context(), p, &secret.Vault{}, lifeboat.WallClock{}, slog.New(slog.NewTextHandler(io.Discard, nil)))
			if err == nil {
				chains.Close()
			}
			switch want := strings.Replace(want, "nodes[0]", what, 1); {
			case want == "" && err != nil:
				t.Errorf("%s is %q: %v", what, address, err)
			case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), key)):
				t.Errorf("%s is %q: %v", what, address, err)
			}
		}
	}
}
