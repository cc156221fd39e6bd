package bitcoin

import (
	"cmp"
	"context"
	"errors"
	"strconv"

	"github.com/shopspring/decimal"

	"lifeboat/custodian/address"
	"lifeboat/custodian/node"
)

// btcd is a node of btcd that was started with --addrindex.
type btcd struct{ node *node.Node }

func (b btcd) block(ctx context.Context, height uint64) (string, error) {
	return rpc(b).block(ctx, height)
}
func (b btcd) tip(ctx context.Context) (string, error) { return rpc(b).tip(ctx) }
func (b btcd) header(ctx context.Context, hash string) (header, error) {
	return rpc(b).header(ctx, hash)
}

const (
	pageSize = 100
	pagesMax = 200 // of an address: 20 000 transactions
	// matureAfter is how many blocks on top mined coins need before they can be spent.
	matureAfter = 100
)

var errUnknownInput = errors.New("it does not say what a transaction spends")

// outpoint names an output.
type outpoint struct {
	id    string
	index uint32
}

// held follows each output from the transaction that paid it to the one that spends it, confirmed or waiting.
func (b btcd) held(ctx context.Context, w wallet) (held, error) {
	paid, spent, leaving := map[outpoint]decimal.Decimal{}, map[outpoint]bool{}, map[outpoint]bool{}
	for _, a := range w.addresses {
		step := "read the transactions of " + a.Text
		for page := 0; ; page++ {
			if page == pagesMax {
				return held{}, b.node.Fault(step, "it has more than %d transactions, or the list does not end", pageSize*pagesMax)
			}
			txs, err := b.page(ctx, a, step, page*pageSize, pageSize, false)
			if err != nil {
				return held{}, err
			}
			for _, t := range txs {
				if err := t.into(w, paid, spent, leaving); err != nil {
					return held{}, b.node.Fault(step, "%s", err)
				}
			}
			if len(txs) < pageSize {
				break
			}
		}
	}
	all := held{}
	for at, value := range paid {
		if spent[at] {
			continue
		}
		all.confirmed = all.confirmed.Add(value)
		if !leaving[at] {
			all.free = all.free.Add(value)
		}
	}
	return all, nil
}

// into books the transaction's outputs to the wallet, and what it spends.
func (t rpcTransaction) into(w wallet, paid map[outpoint]decimal.Decimal, spent, leaving map[outpoint]bool) error {
	depth := uint64(0) // btcd leaves the number out while the transaction waits
	if t.Confirmations != "" {
		var err error
		if depth, err = strconv.ParseUint(string(t.Confirmations), 10, 32); err != nil {
			return errors.New("it names a number of confirmations that is none")
		}
	}
	if !isHash(t.ID) || len(t.Inputs) == 0 || len(t.Outputs) == 0 || (depth > 0) != (t.BlockHash != "") {
		return errors.New("it lists something that is not a transaction")
	}
	mined := false
	for _, in := range t.Inputs {
		switch {
		case in.Coinbase != "":
			mined = true
		case !isHash(in.ID) || in.Index == nil:
			return errUnknownInput
		case depth > 0:
			spent[outpoint{in.ID, *in.Index}] = true
		default:
			leaving[outpoint{in.ID, *in.Index}] = true
		}
	}
	for _, out := range t.Outputs {
		value, err := bitcoins(out.Value)
		if err != nil || out.Index == nil || out.Script.Hex == "" && !value.IsZero() {
			return errAmount
		}
		if at := (outpoint{t.ID, *out.Index}); depth > 0 && w.scripts[out.Script.Hex] {
			paid[at] = value
			if mined && depth < matureAfter {
				leaving[at] = true
			}
		}
	}
	return nil
}

// page of an address's transactions. An address that was never used is said with an error, which is told from the others by
// its words: btcd has one code for it and for an address that it cannot read.
func (b btcd) page(ctx context.Context, a address.Bitcoin, step string, skip, count int, newestFirst bool) ([]rpcTransaction, error) {
	var txs []rpcTransaction
	err := b.node.Call(ctx, step, "searchrawtransactions", []any{a.Text, 1, skip, count, 1, newestFirst}, &txs)
	var said *node.RPCError
	if errors.As(err, &said) && said.Code == "-5" && said.Message == "No information available about address" {
		return nil, nil
	}
	return txs, err
}

func (b btcd) history(ctx context.Context, w wallet, limit int) ([]transaction, error) {
	var all []transaction
	for _, a := range w.addresses {
		step := "read the transactions of " + a.Text
		for read, page := 0, 0; page < historyMax && read < limit; page++ {
			txs, err := b.page(ctx, a, step, page*pageSize, pageSize, true)
			if err != nil {
				return nil, err
			}
			for _, t := range txs {
				if t.BlockHash == "" {
					continue
				}
				tx, err := t.read()
				if err != nil || !isHash(t.ID) || t.BlockTime <= 0 {
					return nil, b.node.Fault(step, "%s", cmp.Or(err, errors.New("it lists something that is not a transaction")))
				}
				all, read = append(all, tx), read+1
			}
			if len(txs) < pageSize {
				break
			}
		}
	}
	return all, nil
}
