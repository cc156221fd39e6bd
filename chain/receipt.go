package chain

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// Receipt of a transaction: what became of it, who sent it and what that cost.
type Receipt struct {
	types.Receipt
	From common.Address // who paid
	// Toll is what a rollup of the OP stack took beside the gas, in wei: for bringing the bytes to the chain beneath, and for its operator.
	// Zero on chains that take nothing but gas; nil is zero as well.
	Toll *big.Int
}

// Fee is all that the sender paid, in wei; false where no price of its gas is said.
func (r *Receipt) Fee() (*big.Int, bool) {
	if r.EffectiveGasPrice == nil {
		return nil, false
	}
	fee := new(big.Int).SetUint64(r.GasUsed)
	fee.Mul(fee, r.EffectiveGasPrice)
	if r.Toll != nil {
		fee.Add(fee, r.Toll)
	}
	return fee, true
}

// UnmarshalJSON reads what go-ethereum leaves out of a receipt as well.
func (r *Receipt) UnmarshalJSON(text []byte) error {
	var paid struct {
		From common.Address `json:"from"`
		tolls
	}
	if err := r.Receipt.UnmarshalJSON(text); err != nil {
		return err
	}
	if err := json.Unmarshal(text, &paid); err != nil {
		return err
	}
	r.From, r.Toll = paid.From, paid.of(r.GasUsed)
	return nil
}

// tolls are the words in which a node of the OP stack says what was taken beside the gas (op-geth, receipts). A node leaves out what is
// zero or writes it down, as it likes; the sum is the same.
type tolls struct {
	Bytes    *hexutil.Big    `json:"l1Fee"`                // for the bytes
	Scalar   *hexutil.Uint64 `json:"operatorFeeScalar"`    // since the upgrade named Isthmus
	Constant *hexutil.Uint64 `json:"operatorFeeConstant"`  // likewise
	Jovian   *hexutil.Uint64 `json:"daFootprintGasScalar"` // there since the upgrade of that name, which counts the scalar otherwise
}

// of so much gas, by the formulas of specs.optimism.io.
func (t tolls) of(gas uint64) *big.Int {
	toll := new(big.Int)
	if t.Scalar != nil {
		toll.Mul(toll.SetUint64(gas), new(big.Int).SetUint64(uint64(*t.Scalar)))
		if t.Jovian != nil {
			toll.Mul(toll, big.NewInt(100))
		} else {
			toll.Div(toll, big.NewInt(1e6))
		}
	}
	if t.Constant != nil {
		toll.Add(toll, new(big.Int).SetUint64(uint64(*t.Constant)))
	}
	if t.Bytes != nil {
		toll.Add(toll, t.Bytes.ToInt())
	}
	return toll
}

// Receipt of a transaction, as the quorum says it alike, block and all.
func (c *Chain) Receipt(ctx context.Context, hash common.Hash) (*Receipt, error) {
	b := ballot[*Receipt]{
		step: "read a receipt",
		need: c.quorum,
		ask: func(ctx context.Context, n *node) (*Receipt, string, error) {
			r, err := n.receipt(ctx, hash)
			return r, receiptKey(r), err
		},
		tell: func(mine, other *Receipt) string {
			if mine == nil {
				return "in no block"
			}
			if other != nil && mine.BlockHash == other.BlockHash && mine.Toll.Cmp(other.Toll) != 0 {
				return fmt.Sprintf("a toll of %s wei", mine.Toll)
			}
			return fmt.Sprintf("in block %s, status %d", mine.BlockNumber, mine.Status)
		},
	}
	receipt, err := agree(ctx, c, b)
	if d, ok := errors.AsType[*Disagreement](err); ok && len(d.Said) == 2 && slices.ContainsFunc(d.Said, func(s Saying) bool { return s.What == "in no block" }) {
		return nil, ErrNotMined // some have it and some not yet
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("read a receipt on %s: %w", c.network.Name, err)
	case receipt == nil:
		return nil, ErrNotMined
	}
	return receipt, nil
}

// receipt of one node, nil for none. A node that still indexes does not know yet.
func (n *node) receipt(ctx context.Context, hash common.Hash) (*Receipt, error) {
	var r *Receipt
	err := n.one(ctx, &r, "eth_getTransactionReceipt", hash)
	switch {
	case err != nil && strings.Contains(err.Error(), "indexing is in progress"):
		return nil, nil
	case err != nil || r == nil:
		return nil, err
	case r.TxHash != hash || r.BlockNumber == nil:
		return nil, &fault{host: n.host, step: "eth_getTransactionReceipt", message: "it tells of another transaction"}
	}
	return r, nil
}

func receiptKey(r *Receipt) string {
	if r == nil {
		return "none"
	}
	logs := make([]types.Log, len(r.Logs))
	for i, l := range r.Logs {
		if l != nil {
			logs[i] = *l
		}
	}
	return fmt.Sprintf("%s %s %d %d %d %s %s %s %s %x", r.BlockHash, r.BlockNumber, r.TransactionIndex, r.Status, r.GasUsed, r.EffectiveGasPrice, r.ContractAddress, r.From, r.Toll, sha256.Sum256([]byte(logsKey(&header{}, logs))))
}
