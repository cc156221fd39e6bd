package bitcoin

import (
	"context"
	"encoding/json"
	"time"

	"lifeboat/custodian/address"
	"lifeboat/custodian/node"
)

// rpc is what btcd and Bitcoin Core answer alike.
type rpc struct{ node *node.Node }

func (r rpc) block(ctx context.Context, height uint64) (string, error) {
	return r.hash(ctx, "read a block", "getblockhash", height)
}

func (r rpc) tip(ctx context.Context) (string, error) {
	return r.hash(ctx, "read the newest block", "getbestblockhash")
}

func (r rpc) hash(ctx context.Context, step, method string, params ...any) (string, error) {
	var hash string
	if err := r.node.Call(ctx, step, method, params, &hash); err != nil {
		return "", err
	}
	if !isHash(hash) {
		return "", r.node.Fault(step, "the answer is not a block's hash")
	}
	return hash, nil
}

func (r rpc) header(ctx context.Context, hash string) (header, error) {
	const step = "read the newest block"
	var said struct {
		Hash   string
		Height *uint64
		Time   int64
	}
	if err := r.node.Call(ctx, step, "getblockheader", []any{hash, true}, &said); err != nil {
		return header{}, err
	}
	if said.Hash != hash || said.Height == nil || said.Time <= 0 {
		return header{}, r.node.Fault(step, "the answer is not the block that was asked for")
	}
	return header{*said.Height, time.Unix(said.Time, 0).UTC()}, nil
}

// rpcTransaction is one as btcd and Core write it; btcd tells what an input spends under prevOut, Core under prevout.
type rpcTransaction struct {
	ID            string      `json:"txid"`
	BlockHash     string      `json:"blockhash"`
	BlockTime     int64       `json:"blocktime"`
	Confirmations json.Number `json:"confirmations"`
	Inputs        []rpcInput  `json:"vin"`
	Outputs       []rpcOutput `json:"vout"`
}

type rpcInput struct {
	Coinbase string  `json:"coinbase"`
	ID       string  `json:"txid"`
	Index    *uint32 `json:"vout"`
	Spends   *struct {
		Value     json.Number `json:"value"`
		Addresses []string    `json:"addresses"`    // btcd
		Script    rpcScript   `json:"scriptPubKey"` // Core
	} `json:"prevout"` // Go's JSON takes both spellings
}

type rpcOutput struct {
	Value  json.Number `json:"value"`
	Index  *uint32     `json:"n"`
	Script rpcScript   `json:"scriptPubKey"`
}

type rpcScript struct {
	Hex     string `json:"hex"`
	Address string `json:"address"`
}

// read a confirmed transaction whose inputs say what they spend.
func (t rpcTransaction) read() (transaction, error) {
	tx := transaction{hash: t.ID, at: time.Unix(t.BlockTime, 0).UTC()}
	for _, in := range t.Inputs {
		if in.Coinbase != "" {
			continue
		}
		if in.Spends == nil {
			return transaction{}, errUnknownInput
		}
		value, err := bitcoins(in.Spends.Value)
		if err != nil {
			return transaction{}, err
		}
		c := coin{in.Spends.Script.Hex, in.Spends.Script.Address, value}
		if len(in.Spends.Addresses) == 1 {
			if c.address = in.Spends.Addresses[0]; c.script == "" {
				a, _ := address.ParseBitcoin(c.address) // a script without an address is nobody's that is asked for
				c.script = a.Script
			}
		}
		tx.inputs = append(tx.inputs, c)
	}
	for _, out := range t.Outputs {
		value, err := bitcoins(out.Value)
		if err != nil {
			return transaction{}, err
		}
		tx.outputs = append(tx.outputs, coin{out.Script.Hex, out.Script.Address, value})
	}
	return tx, nil
}
