package bitcoin

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat/custodian/node"
)

// esplora is a server of Blockstream's Esplora or of mempool.space, which answer alike.
type esplora struct{ node *node.Node }

func (e esplora) block(ctx context.Context, height uint64) (string, error) {
	return e.hash(ctx, "read a block", "/block-height/"+strconv.FormatUint(height, 10))
}

func (e esplora) tip(ctx context.Context) (string, error) {
	return e.hash(ctx, "read the newest block", "/blocks/tip/hash")
}

func (e esplora) hash(ctx context.Context, step, path string) (string, error) {
	hash, err := e.node.Text(ctx, step, path)
	if err == nil && !isHash(hash) {
		err = e.node.Fault(step, "the answer is not a block's hash")
	}
	return hash, err
}

func (e esplora) header(ctx context.Context, hash string) (header, error) {
	const step = "read the newest block"
	var said struct {
		ID        string `json:"id"`
		Height    *uint64
		Timestamp int64
	}
	if _, err := e.node.Get(ctx, step, "/block/"+hash, nil, nil, &said); err != nil {
		return header{}, err
	}
	if said.ID != hash || said.Height == nil || said.Timestamp <= 0 {
		return header{}, e.node.Fault(step, "the answer is not the block that was asked for")
	}
	return header{*said.Height, time.Unix(said.Timestamp, 0).UTC()}, nil
}

// sums of the outputs that an address has been paid, and of those that it has spent.
type sums struct {
	Funded json.Number `json:"funded_txo_sum"`
	Spent  json.Number `json:"spent_txo_sum"`
}

// held adds the addresses up. What waits to be mined may spend what itself waits: the part that is free is the least that it can
// be.
func (e esplora) held(ctx context.Context, w wallet) (held, error) {
	var all held
	for _, a := range w.addresses {
		step := "read the balance of " + a.Text
		var said struct {
			Address string `json:"address"`
			Chain   *sums  `json:"chain_stats"`
			Mempool *sums  `json:"mempool_stats"`
		}
		if _, err := e.node.Get(ctx, step, "/address/"+a.Text, nil, nil, &said); err != nil {
			return held{}, err
		}
		if said.Address != a.Text || said.Chain == nil || said.Mempool == nil {
			return held{}, e.node.Fault(step, "the answer is not of this address, or does not say what it holds")
		}
		funded, err1 := satoshi(said.Chain.Funded)
		spent, err2 := satoshi(said.Chain.Spent)
		leaving, err3 := satoshi(said.Mempool.Spent)
		if err1 != nil || err2 != nil || err3 != nil || spent.GreaterThan(funded) {
			return held{}, e.node.Fault(step, "%s", errAmount)
		}
		confirmed := funded.Sub(spent)
		all.confirmed = all.confirmed.Add(confirmed)
		all.free = all.free.Add(decimal.Max(decimal.Zero, confirmed.Sub(leaving)))
	}
	return all, nil
}

const historyMax = 20 // pages of an address

// history reads each address's transactions from the newest on.
func (e esplora) history(ctx context.Context, w wallet, limit int) ([]transaction, error) {
	var all []transaction
	for _, a := range w.addresses {
		last, read := "", 0
		for page := 0; page < historyMax && read < limit; page++ {
			path := "/address/" + a.Text + "/txs/chain"
			if last != "" {
				path += "/" + last
			}
			step := "read the transactions of " + a.Text
			var said []esploraTransaction
			if _, err := e.node.Get(ctx, step, path, nil, nil, &said); err != nil {
				return nil, err
			}
			if said == nil {
				return nil, e.node.Fault(step, "the answer is not a list")
			}
			if len(said) == 0 || said[len(said)-1].ID == last {
				break
			}
			for _, t := range said {
				tx, err := t.read()
				if err != nil {
					return nil, e.node.Fault(step, "%s", err)
				}
				all = append(all, tx)
			}
			read, last = read+len(said), said[len(said)-1].ID
		}
	}
	return all, nil
}

type esploraTransaction struct {
	ID     string `json:"txid"`
	Inputs []struct {
		Coinbase bool         `json:"is_coinbase"`
		Spends   *esploraCoin `json:"prevout"`
	} `json:"vin"`
	Outputs []esploraCoin `json:"vout"`
	Status  struct {
		Confirmed bool  `json:"confirmed"`
		Time      int64 `json:"block_time"`
	} `json:"status"`
}

type esploraCoin struct {
	Script  string      `json:"scriptpubkey"`
	Address string      `json:"scriptpubkey_address"`
	Value   json.Number `json:"value"`
}

func (t esploraTransaction) read() (transaction, error) {
	if !isHash(t.ID) || !t.Status.Confirmed || t.Status.Time <= 0 || len(t.Outputs) == 0 {
		return transaction{}, fmt.Errorf("it lists something that is not a confirmed transaction")
	}
	tx := transaction{hash: t.ID, at: time.Unix(t.Status.Time, 0).UTC()}
	for _, in := range t.Inputs {
		if in.Coinbase {
			continue
		}
		if in.Spends == nil {
			return transaction{}, fmt.Errorf("it does not say what transaction %s spends", t.ID)
		}
		c, err := in.Spends.read()
		if err != nil {
			return transaction{}, err
		}
		tx.inputs = append(tx.inputs, c)
	}
	for _, out := range t.Outputs {
		c, err := out.read()
		if err != nil {
			return transaction{}, err
		}
		tx.outputs = append(tx.outputs, c)
	}
	return tx, nil
}

func (c esploraCoin) read() (coin, error) {
	value, err := satoshi(c.Value)
	return coin{c.Script, c.Address, value}, err
}
