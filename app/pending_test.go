package app

import (
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/secret"
)

// TestOwnTransactionsAreKnownToTheFeed: what the desk of a chain signed or gave to a relay, here before a restart, is nobody else's to the feed of that chain.
func TestOwnTransactionsAreKnownToTheFeed(t *testing.T) {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("a relayer for tests alone")))
	if err != nil {
		t.Fatal(err)
	}
	relayer := crypto.PubkeyToAddress(key.PublicKey)
	planDir, dataDir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(planDir, "plan.yaml"), []byte(`
portfolio: {name: x}
dependencies:
  - {name: Ethereum, kind: chain, chain: {nodes: ["https://rpc.example.org"]}}
accounts:
  - {name: vault, kind: safe, chain: Ethereum, address: "0x1111111111111111111111111111111111111111",
      safe: {relayer: {kind: secret, secret: "env:RELAYER", address: "`+relayer.Hex()+`"}}}
triggers:
  - {name: a key is used, tier: 3, condition: pending.vault > 0}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := LoadPlan(planDir)
	if err != nil {
		t.Fatal(err)
	}
	way, err := chain.New(chain.Config{ID: 1, Nodes: []chain.Node{{URL: "http://127.0.0.1:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer way.Close()
	signed := func(nonce uint64) *types.Transaction {
		return types.MustSignNewTx(key, types.LatestSignerForChainID(big.NewInt(1)), &types.DynamicFeeTx{ChainID: big.NewInt(1), Nonce: nonce, Gas: 21_000, To: &relayer})
	}
	ours, vault, call := signed(7), common.HexToAddress("0x1111111111111111111111111111111111111111"), hexutil.Bytes{0x6a, 0x76, 0x12, 0x02, 1}
	raw, err := ours.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	note, err := json.Marshal(map[string]any{"key": "an exit", "sender": relayer, "sent": []any{map[string]any{"raw": hexutil.Bytes(raw), "nonce": 7}},
		"relay": map[string]any{"host": "relay.example.org", "safe": vault, "data": call, "gas": 200_000, "at": "2026-01-02T00:00:00Z", "heard": true}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dataDir, "exits"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dataDir, "exits", "of-a-test.json"), note, 0o600); err != nil {
		t.Fatal(err)
	}
	d := &Daemon{DaemonOptions: DaemonOptions{Plan: p, DataDir: dataDir, Clock: lifeboat.WallClock{}}}
	d.chains = Chains{"Ethereum": way}
	source := d.chainSource("Ethereum")
	if d.exits, err = OpenExits(t.Context(), ExitOptions{Plan: p, Chains: d.chains, Vault: &secret.Vault{}, Clock: d.Clock, DataDir: dataDir, Unsigned: true}); err != nil {
		t.Fatal(err)
	}
	isOurs := func(hash common.Hash) bool { is, _ := source.Own(chain.Waiting{Hash: hash}); return is }
	isGiven := func(to common.Address, input common.Hash) bool {
		_, is := source.Own(chain.Waiting{To: to, Input: input})
		return is
	}
	if !isOurs(ours.Hash()) {
		t.Error("what the desk signed is taken for a stranger's")
	}
	if isOurs(signed(8).Hash()) || isOurs(common.Hash{}) {
		t.Error("what somebody else signed with the same key is taken for lifeboat's")
	}
	if !isGiven(vault, crypto.Keccak256Hash(call)) {
		t.Error("what the desk gave to a relay is taken for a stranger's")
	}
	if isGiven(relayer, crypto.Keccak256Hash(call)) || isGiven(vault, common.Hash{}) {
		t.Error("what somebody else calls is taken for lifeboat's")
	}
}
