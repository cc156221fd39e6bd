package chain_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"

	"lifeboat/chain"
	"lifeboat/testbed"
)

// edited changes one field of what eth_getProof says.
func edited(t *testing.T, edit func(proof map[string]any)) testbed.Fault {
	return about(t, "eth_getProof", edit)
}

func about(t *testing.T, method string, edit func(said map[string]any)) testbed.Fault {
	return testbed.Fault{Lie: func(asked string, _, result json.RawMessage) json.RawMessage {
		if asked != method {
			return result
		}
		var said map[string]any
		if err := json.Unmarshal(result, &said); err != nil {
			t.Error(err)
			return result
		}
		edit(said)
		text, err := json.Marshal(said)
		if err != nil {
			t.Error(err)
		}
		return text
	}}
}

func storageOf(proof map[string]any) map[string]any {
	return proof["storageProof"].([]any)[0].(map[string]any)
}

// TestProof proves a balance of WETH on real nodes, as somebody who knows only the root of the storage can check. Each wrong proof is
// refused, by itself and as the first of two; then the other node's is taken.
func TestProof(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		weth, owner := bed.WETH(), bed.Accounts[1]
		bed.Mint(weth, owner.Address, testbed.Ether(3))
		bed.Mint(weth, bed.Accounts[2].Address, testbed.Ether(4))
		slot := crypto.Keccak256Hash(common.LeftPadBytes(owner.Address[:], 32), common.BigToHash(big.NewInt(3)).Bytes()) // balanceOf is the fourth of its variables
		block, err := bed.Client.HeaderByNumber(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		bed.Mine(1)
		bad, good := bed.Through(testbed.Fault{}), bed.Through(testbed.Fault{})
		config := chain.Config{ID: bed.ChainID.Uint64(), Timeout: 5 * time.Second}
		config.Nodes = []chain.Node{{URL: bad.URL}}
		alone := open(t, config)
		config.Nodes = append(config.Nodes, chain.Node{URL: good.URL})

		right := func(p chain.Proof, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			nodes := memorydb.New()
			for _, n := range p.Nodes {
				_ = nodes.Put(crypto.Keccak256(n), n)
			}
			found, err := trie.VerifyProof(p.Storage, crypto.Keccak256(slot[:]), nodes)
			var balance big.Int
			if err != nil || rlp.DecodeBytes(found, &balance) != nil || balance.Cmp(testbed.Ether(3)) != 0 {
				t.Errorf("it proves %x: %v", found, err)
			}
			if p.Hash != block.Hash() || p.State != block.Root || p.Number != block.Number.Uint64() {
				t.Errorf("it is of block %d, %s, with the state %s", p.Number, p.Hash, p.State)
			}
		}
		right(alone.Proof(t.Context(), weth.Address, slot, block.Number.Uint64()))

		for name, lie := range map[string]testbed.Fault{
			"another root of the storage": edited(t, func(p map[string]any) { p["storageHash"] = common.Hash{1}.Hex() }),
			"no nodes":                    edited(t, func(p map[string]any) { storageOf(p)["proof"] = []string{} }),
			"one node too few": edited(t, func(p map[string]any) {
				all := storageOf(p)["proof"].([]any)
				storageOf(p)["proof"] = all[:len(all)-1]
			}),
			"a node of something else": edited(t, func(p map[string]any) { storageOf(p)["proof"].([]any)[0] = "0xc0" }),
			"more nodes than a tree has": edited(t, func(p map[string]any) {
				for range 65 {
					storageOf(p)["proof"] = append(storageOf(p)["proof"].([]any), "0xc0")
				}
			}),
			"no slot":                edited(t, func(p map[string]any) { p["storageProof"] = []any{} }),
			"two slots":              edited(t, func(p map[string]any) { p["storageProof"] = append(p["storageProof"].([]any), storageOf(p)) }),
			"no account":             edited(t, func(p map[string]any) { p["accountProof"] = []string{} }),
			"another account":        edited(t, func(p map[string]any) { p["accountProof"].([]any)[0] = "0xc0" }),
			"the root of no state":   about(t, "eth_getBlockByNumber", func(b map[string]any) { b["stateRoot"] = common.Hash{2}.Hex() }),
			"a block without a root": about(t, "eth_getBlockByNumber", func(b map[string]any) { delete(b, "stateRoot") }),
			"no such method":         {Lacks: []string{"eth_getProof"}},
			"nothing":                {Refuse: 503},
		} {
			t.Run(name, func(t *testing.T) {
				bad.Set(lie)
				if p, err := alone.Proof(t.Context(), weth.Address, slot, block.Number.Uint64()); err == nil {
					t.Errorf("it was taken: %+v", p)
				} else if strings.Contains(err.Error(), bad.URL) {
					t.Errorf("it says the whole address of a node: %v", err)
				}
				p, err := open(t, config).Proof(t.Context(), weth.Address, slot, block.Number.Uint64())
				right(p, err)
				bad.Set(testbed.Fault{})
			})
		}
		if _, err := alone.Proof(t.Context(), weth.Address, slot, block.Number.Uint64()+1000); err == nil {
			t.Error("a block that is still to come was proven")
		}
	})
}

// FuzzProof reads whatever a node calls a proof: nothing is taken that does not lead from the root to the slot.
func FuzzProof(f *testing.F) {
	leaf, err := rlp.EncodeToBytes([]any{append([]byte{0x20}, crypto.Keccak256(common.Hash{7}.Bytes())...), []byte{5}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(leaf, []byte{0xc0})
	f.Add([]byte{0xc0}, leaf)
	f.Add([]byte{}, []byte{})
	root := crypto.Keccak256Hash(leaf)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		value, err := chain.Walk(root, common.Hash{7}.Bytes(), []hexutil.Bytes{first, second})
		switch is := string(first) == string(leaf) || string(second) == string(leaf); {
		case is && (err != nil || len(value) != 1 || value[0] != 5):
			t.Errorf("the right proof is %x, %v", value, err)
		case !is && err == nil:
			t.Errorf("%x and %x prove %x", first, second, value)
		}
	})
}
