package bitcoin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/shopspring/decimal"

	"lifeboat/custodian/address"
	"lifeboat/custodian/node"
)

// core is Bitcoin Core with a wallet that watches the addresses.
type core struct{ rpc }

// held is what the wallet lists as unspent, which leaves out what a waiting transaction spends: that is looked up in the set of
// unspent outputs as the blocks have it.
func (c core) held(ctx context.Context, w wallet) (held, error) {
	var all held
	texts := make([]string, len(w.addresses))
	for i, a := range w.addresses {
		if err := c.watched(ctx, a); err != nil {
			return held{}, err
		}
		texts[i] = a.Text
	}
	const step = "list the unspent outputs"
	var unspent []struct {
		ID     string      `json:"txid"`
		Script string      `json:"scriptPubKey"`
		Amount json.Number `json:"amount"`
	}
	if err := c.node.Call(ctx, step, "listunspent", []any{1, 9999999, texts}, &unspent); err != nil {
		return held{}, err
	}
	for _, u := range unspent {
		value, err := bitcoins(u.Amount)
		if err != nil || !isHash(u.ID) || !w.scripts[u.Script] {
			return held{}, c.node.Fault(step, "it lists something that is not an output to the account")
		}
		all.free = all.free.Add(value)
	}
	leaving, err := c.leaving(ctx, w)
	all.confirmed = all.free.Add(leaving)
	return all, err
}

// watched makes sure that the wallet would know of what is paid to the address.
func (c core) watched(ctx context.Context, a address.Bitcoin) error {
	step := "look for " + a.Text + " in the wallet"
	var said struct {
		Script string `json:"scriptPubKey"`
		Mine   bool   `json:"ismine"`
		Watch  bool   `json:"iswatchonly"`
	}
	if err := c.node.Call(ctx, step, "getaddressinfo", []any{a.Text}, &said); err != nil {
		return err
	}
	if said.Script != a.Script {
		return c.node.Fault(step, "the answer is not of this address")
	}
	if !said.Mine && !said.Watch {
		return c.node.Fault(step, "the wallet does not watch this address, so that it cannot say what lies there: import it (importdescriptors) with a rescan")
	}
	var wallet struct {
		Scanning json.RawMessage `json:"scanning"`
	}
	if err := c.node.Call(ctx, step, "getwalletinfo", nil, &wallet); err != nil {
		return err
	}
	if len(wallet.Scanning) > 0 && string(wallet.Scanning) != "false" && string(wallet.Scanning) != "null" {
		return c.node.Fault(step, "the wallet is still looking through old blocks")
	}
	return nil
}

// waitingMax bounds what waiting transactions of a wallet may spend, counted in inputs.
const waitingMax = 1000

// leaving is what waiting transactions of the wallet spend of the account's confirmed outputs. The wallet takes an output as
// spent until its transaction is mined or given up, whether or not the transaction is still in the mempool.
func (c core) leaving(ctx context.Context, w wallet) (decimal.Decimal, error) {
	const step = "look for transactions that wait"
	tip, err := c.tip(ctx)
	if err != nil {
		return decimal.Zero, err
	}
	var since struct {
		Transactions []walletTransaction `json:"transactions"`
	}
	if err := c.node.Call(ctx, step, "listsinceblock", []any{tip, 1, true}, &since); err != nil {
		return decimal.Zero, err
	}
	if since.Transactions == nil {
		return decimal.Zero, c.node.Fault(step, "the answer is not a list of transactions")
	}
	sum, seen, inputs := decimal.Zero, map[string]bool{}, map[outpoint]bool{}
	for _, t := range since.Transactions {
		if t.Confirmations != 0 || t.Abandoned || seen[t.ID] {
			continue
		}
		seen[t.ID] = true
		var waiting struct {
			Decoded rpcTransaction `json:"decoded"`
		}
		if err := c.node.Call(ctx, step, "gettransaction", []any{t.ID, true, true}, &waiting); err != nil {
			return decimal.Zero, err
		}
		for _, in := range waiting.Decoded.Inputs {
			if !isHash(in.ID) || in.Index == nil || len(inputs) == waitingMax {
				return decimal.Zero, c.node.Fault(step, "%s", errUnknownInput)
			}
			at := outpoint{in.ID, *in.Index}
			if inputs[at] { // two transactions may want the same output
				continue
			}
			inputs[at] = true
			value, err := c.confirmed(ctx, w, at)
			if err != nil {
				return decimal.Zero, err
			}
			sum = sum.Add(value)
		}
	}
	return sum, nil
}

type walletTransaction struct {
	ID            string `json:"txid"`
	BlockHash     string `json:"blockhash"`
	Confirmations int64  `json:"confirmations"`
	Abandoned     bool   `json:"abandoned"`
}

// confirmed is the value of an output that lies in a block unspent and belongs to the account; nothing for any other.
func (c core) confirmed(ctx context.Context, w wallet, at outpoint) (decimal.Decimal, error) {
	const step = "look up an output"
	var out struct {
		Value  json.Number `json:"value"`
		Script rpcScript   `json:"scriptPubKey"`
	}
	err := c.node.Call(ctx, step, "gettxout", []any{at.id, at.index, false}, &out)
	var none *node.NoResult
	switch {
	case errors.As(err, &none):
		return decimal.Zero, nil // spent in a block, or in none yet
	case err != nil:
		return decimal.Zero, err
	case !w.scripts[out.Script.Hex]:
		return decimal.Zero, nil
	}
	value, err := bitcoins(out.Value)
	if err != nil {
		return decimal.Zero, c.node.Fault(step, "%s", err)
	}
	return value, nil
}

// history are the wallet's newest entries, each looked up in its block, where the node knows what its inputs spend.
func (c core) history(ctx context.Context, w wallet, limit int) ([]transaction, error) {
	for _, a := range w.addresses {
		if err := c.watched(ctx, a); err != nil {
			return nil, err
		}
	}
	var all []transaction
	seen := map[string]bool{}
	for page := 0; page < historyMax && len(all) < limit; page++ {
		const step = "list the wallet's transactions"
		var entries []walletTransaction
		if err := c.node.Call(ctx, step, "listtransactions", []any{"*", pageSize, page * pageSize, true}, &entries); err != nil {
			return nil, err
		}
		for _, e := range slices.Backward(entries) { // Core lists the newest last
			if e.Confirmations < 1 || seen[e.ID] {
				continue
			}
			seen[e.ID] = true
			var t rpcTransaction
			if err := c.node.Call(ctx, step, "getrawtransaction", []any{e.ID, 2, e.BlockHash}, &t); err != nil {
				return nil, err
			}
			tx, err := t.read()
			if err != nil || t.ID != e.ID || t.BlockTime <= 0 {
				return nil, c.node.Fault(step, "%s", cmp.Or(err, errors.New("it lists something that is not a transaction")))
			}
			if all = append(all, tx); len(all) == limit {
				break
			}
		}
		if len(entries) < pageSize {
			break
		}
	}
	return all, nil
}
