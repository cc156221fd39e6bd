package app

import (
	"context"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/plan"
)

// moved is what a transaction of an exit changed of the accounts on its chain, as those who say what the accounts hold see it: what
// is said of the act and what is said of the account are measured alike. One that was reverted has changed nothing but what its sender has.
func (e *Exits) moved(ctx context.Context, o plan.ExitOrder, mined *chain.Receipt) ([]lifeboat.Move, error) {
	return e.changed(ctx, o.Chain, mined, func(at common.Address) bool {
		return at == mined.From || mined.Status == types.ReceiptStatusSuccessful && concerns(o, mined, at)
	})
}

// paid is what a transaction cost the account of whoever sent it.
func (e *Exits) paid(ctx context.Context, name string, mined *chain.Receipt) ([]lifeboat.Move, error) {
	return e.changed(ctx, name, mined, func(at common.Address) bool { return at == mined.From })
}

// changed is what a transaction changed of some of the accounts on a chain.
func (e *Exits) changed(ctx context.Context, name string, mined *chain.Receipt, counts func(common.Address) bool) (all []lifeboat.Move, err error) {
	c := e.chains[name]
	for _, a := range e.plan.AccountsOnChains() {
		if c == nil || a.Chain != name || !counts(common.HexToAddress(a.Address)) {
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

// concerns reports that an exit is from an address or to it, or that a log of its transaction is of the address or names it.
func concerns(o plan.ExitOrder, mined *chain.Receipt, address common.Address) bool {
	topic := common.BytesToHash(address[:])
	return address == common.HexToAddress(o.Wallet) || address == common.HexToAddress(o.Receiver) ||
		slices.ContainsFunc(mined.Logs, func(l *types.Log) bool { return l.Address == address || slices.Contains(l.Topics, topic) })
}
