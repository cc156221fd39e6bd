package chain

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"
)

// Proof shows what a contract's storage holds at a block, to somebody who knows the block's hash or what is made of it.
type Proof struct {
	Number  uint64
	Hash    common.Hash // of the block
	State   common.Hash // root of its state
	Storage common.Hash // root of the contract's storage
	Nodes   [][]byte    // of the tree, from the root of the storage to the slot
}

// Prover can prove what is in its state.
type Prover interface {
	Proof(ctx context.Context, of common.Address, slot common.Hash, block uint64) (Proof, error)
}

// Headers tell of blocks by their hash.
type Headers interface {
	Header(ctx context.Context, hash common.Hash) (*types.Header, error)
}

// Header of a block. Any node will do: what it says has to have the hash that was asked for.
func (c *Chain) Header(ctx context.Context, hash common.Hash) (*types.Header, error) {
	h, err := agree(ctx, c, ballot[*types.Header]{
		step: "eth_getBlockByHash",
		need: 1,
		ask: func(ctx context.Context, n *node) (*types.Header, string, error) {
			h, err := n.header(ctx, hash)
			return h, hash.Hex(), err
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read the block %s of %s: %w", hash, c.network.Name, err)
	}
	return h, nil
}

func (n *node) header(ctx context.Context, hash common.Hash) (*types.Header, error) {
	var h *types.Header
	if err := n.one(ctx, &h, "eth_getBlockByHash", hash, false); err != nil {
		return nil, err
	}
	switch {
	case h == nil:
		return nil, &fault{host: n.host, step: "eth_getBlockByHash", message: fmt.Sprintf("it does not know the block %s", hash), class: behind}
	case h.Hash() != hash:
		return nil, &fault{host: n.host, step: "eth_getBlockByHash", message: fmt.Sprintf("what it says of the block %s does not have that hash", hash)}
	}
	return h, nil
}

// Proof of one slot. Any node will do whose proof leads from the state's root to the slot: what it says of the block itself, whoever
// checks the proof knows. A node whose proof leads nowhere is passed over, so that one bad node cannot make all proofs worthless.
func (c *Chain) Proof(ctx context.Context, of common.Address, slot common.Hash, block uint64) (Proof, error) {
	p, err := agree(ctx, c, ballot[Proof]{
		step: "eth_getProof",
		need: 1,
		ask: func(ctx context.Context, n *node) (Proof, string, error) {
			p, err := n.proof(ctx, of, slot, block)
			return p, p.Hash.Hex() + p.Storage.Hex(), err
		},
	})
	if err != nil {
		return Proof{}, fmt.Errorf("prove what is on %s at block %d: %w", c.network.Name, block, err)
	}
	return p, nil
}

// proofNodesMax is deeper than any tree is.
const proofNodesMax = 64

func (n *node) proof(ctx context.Context, of common.Address, slot common.Hash, block uint64) (Proof, error) {
	var header *struct {
		Hash      *common.Hash `json:"hash"`
		StateRoot *common.Hash `json:"stateRoot"`
	}
	if err := n.one(ctx, &header, "eth_getBlockByNumber", hexutil.Uint64(block), false); err != nil {
		return Proof{}, err
	}
	if header == nil || header.Hash == nil || header.StateRoot == nil {
		return Proof{}, &fault{host: n.host, step: "eth_getBlockByNumber", message: fmt.Sprintf("it does not know block %d", block), class: behind}
	}
	var said struct {
		AccountProof []hexutil.Bytes `json:"accountProof"`
		StorageHash  common.Hash     `json:"storageHash"`
		StorageProof []struct {
			Proof []hexutil.Bytes `json:"proof"`
		} `json:"storageProof"`
	}
	if err := n.one(ctx, &said, "eth_getProof", of, []common.Hash{slot}, hexutil.Uint64(block)); err != nil {
		return Proof{}, err
	}
	if len(said.StorageProof) != 1 || !leads(*header.StateRoot, of, said.AccountProof, said.StorageHash, slot, said.StorageProof[0].Proof) {
		return Proof{}, &fault{host: n.host, step: "eth_getProof", message: errNoProof.Error()}
	}
	p := Proof{Number: block, Hash: *header.Hash, State: *header.StateRoot, Storage: said.StorageHash}
	for _, node := range said.StorageProof[0].Proof {
		p.Nodes = append(p.Nodes, node)
	}
	return p, nil
}

var errNoProof = errors.New("it proves something else than what was asked for")

// leads reports that nodes of the tree lead from the root of the state to an account with this storage, and from its root to the slot.
func leads(state common.Hash, of common.Address, account []hexutil.Bytes, storage, slot common.Hash, nodes []hexutil.Bytes) bool {
	found, err := walk(state, of[:], account)
	if err != nil {
		return false
	}
	var a types.StateAccount
	if rlp.DecodeBytes(found, &a) != nil || a.Root != storage {
		return false
	}
	_, err = walk(storage, slot[:], nodes)
	return err == nil
}

// walk from a root to what lies under a key; nil where the nodes prove that there is nothing.
func walk(root common.Hash, key []byte, nodes []hexutil.Bytes) ([]byte, error) {
	if len(nodes) > proofNodesMax {
		return nil, errNoProof
	}
	known := memorydb.New()
	for _, node := range nodes {
		if err := known.Put(crypto.Keccak256(node), node); err != nil {
			return nil, err
		}
	}
	return trie.VerifyProof(root, crypto.Keccak256(key), known)
}
