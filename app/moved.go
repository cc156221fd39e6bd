package app

import (
	"context"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"lifeboat"
	"lifeboat/plan"
)

// moved is what the transaction of an exit changed of the accounts on its chain, as those who say what the accounts hold see it: what
// is said of the act and what is said of the account are measured alike.
func (e *Exits) moved(ctx context.Context, o plan.ExitOrder, mined *types.Receipt) (all []lifeboat.Move, err error) {
	c := e.chains[o.Chain]
	for _, a := range e.plan.AccountsOnChains() {
		at := common.HexToAddress(a.Address)
		if c == nil || a.Chain != o.Chain || at != common.HexToAddress(o.Wallet) && at != common.HexToAddress(o.Receiver) && !mentions(mined, at) {
			continue
		}
		source, err := evmSource(e.plan, a, c)
		if err != nil {
			return nil, err
		}
		moves, err := source.Moved(ctx, mined)
		if err != nil {
			return nil, err
		}
		all = append(all, moves...)
	}
	return all, nil
}

// mentions reports that a log of a transaction is of an address or names it.
func mentions(mined *types.Receipt, address common.Address) bool {
	topic := common.BytesToHash(address[:])
	return slices.ContainsFunc(mined.Logs, func(l *types.Log) bool { return l.Address == address || slices.Contains(l.Topics, topic) })
}
