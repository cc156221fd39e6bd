package exit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat/act/safe"
	"lifeboat/chain"
	"lifeboat/chain/contract"
	"lifeboat/chain/protocol"
	"lifeboat/plan"
)

// WayOut is what knows the calls for an exit of the plan. Where something is sold or taken out of a pool, the oracle says what it has to
// bring; nil where there is none, and such an exit is then refused.
func WayOut(o plan.ExitOrder, coin string, oracle protocol.Oracle) (protocol.Exiter, error) {
	if o.Keys != nil {
		return rotation{o}, nil
	}
	var assets []common.Address
	for _, t := range o.Tokens {
		if t.Address != "" {
			assets = append(assets, common.HexToAddress(t.Address))
		}
	}
	open := func(name string, c plan.Contract, seller protocol.Seller) (protocol.Exiter, error) {
		setup := protocol.Setup{Name: name, Address: common.HexToAddress(c.Address), More: map[string]common.Address{}, Assets: assets, Oracle: oracle, Seller: seller}
		for what, address := range c.Addresses {
			setup.More[what] = common.HexToAddress(address)
		}
		if strings.HasPrefix(c.Adapter, "uniswap") && oracle == nil {
			return nil, fmt.Errorf("what %s has to bring is taken from price feeds, and the plan has none on this chain", name)
		}
		adapter, err := protocol.Open(c.Adapter, setup)
		if err != nil {
			return nil, err
		}
		way, ok := adapter.(protocol.Exiter)
		if !ok {
			return nil, fmt.Errorf("nobody here knows a way out of %s", name)
		}
		return way, nil
	}
	if !slices.ContainsFunc(o.Do, func(do string) bool { return do != string(protocol.Revoke) && do != string(protocol.Transfer) }) {
		return protocol.NewPurse(o.Account, coin, assets...), nil // whatever the protocol is: the Safe does it with tokens
	}
	var seller protocol.Seller
	if o.Exchange != nil {
		through, err := open(o.Through, *o.Exchange, nil)
		if err != nil || o.Contract == nil {
			return through, err
		}
		seller, _ = through.(protocol.Seller)
	}
	if o.Contract == nil {
		return protocol.NewPurse(o.Account, coin, assets...), nil
	}
	return open(o.Protocol, *o.Contract, seller)
}

// OrderOf is an exit of the plan as a desk takes it. It reads what cannot be in a plan: how a token counts, and how much a fraction is.
func (d *Desk) OrderOf(ctx context.Context, o plan.ExitOrder, way protocol.Exiter, sender common.Address) (Order, error) {
	order := Order{What: o.Told(), Safe: common.HexToAddress(o.Wallet), Account: o.Account, Way: way, Sender: sender, Urgent: o.Urgent, Own: map[common.Address]string{}}
	for address, name := range o.Own {
		order.Own[common.HexToAddress(address)] = name
	}
	for _, address := range o.Trusted {
		order.Rules.Trusted = append(order.Rules.Trusted, common.HexToAddress(address))
	}
	if o.Keys != nil {
		order.Rules.Owner, order.Rules.Spare, order.Rules.Module = o.KeyRules()
		order.Names = map[common.Address]string{}
		for address, name := range o.Keys.Names {
			order.Names[common.HexToAddress(address)] = name
		}
		return order, nil
	}
	if o.Via == "role" {
		order.Role = &Role{Module: common.HexToAddress(o.Module), Name: o.Role}
	}
	assets := o.Assets
	if len(assets) == 0 {
		assets = []string{""}
	}
	for i, do := range o.Do {
		if do == string(protocol.Transfer) && i > 0 && o.Do[i-1] != string(protocol.Revoke) {
			continue // what was done before pays out to the receiver itself
		}
		for _, symbol := range assets {
			ask, err := d.ask(ctx, o, protocol.Deed(do), symbol, way)
			if err != nil {
				return order, fmt.Errorf("%s %s: %w", do, symbol, err)
			}
			order.Asks = append(order.Asks, ask)
		}
	}
	return order, nil
}

func (d *Desk) ask(ctx context.Context, o plan.ExitOrder, do protocol.Deed, symbol string, way protocol.Exiter) (protocol.Ask, error) {
	ask := protocol.Ask{Do: do, To: common.HexToAddress(o.Receiver), Slippage: decimal.NewFromFloat(float64(o.MaxSlippage)), MinHealth: decimal.NewFromFloat(o.MinHealth)}
	if do == protocol.Revoke {
		for _, spender := range slices.Sorted(maps.Keys(spenders(o))) {
			ask.Spenders = append(ask.Spenders, common.HexToAddress(spender))
		}
	}
	var err error
	if ask.Token, err = tokenOf(o, symbol); err != nil {
		return ask, err
	}
	if o.Into != "" {
		if ask.Into, err = tokenOf(o, o.Into); err != nil {
			return ask, err
		}
	}
	switch {
	case o.Amount.IsPositive():
		ask.Amount, err = d.base(ctx, ask.Token, o.Amount)
	case o.Fraction > 0 && o.Fraction < 1:
		ask.Amount, err = d.share(ctx, o, do, ask.Token, way)
	}
	return ask, err
}

// spenders are the contracts of the plan whose allowances a revoke takes back: those of the protocol, or all where it names none.
func spenders(o plan.ExitOrder) map[string]string {
	if o.Contract == nil {
		return o.Known
	}
	its := map[string]string{o.Contract.Address: o.Protocol}
	for what, address := range o.Contract.Addresses {
		its[address] = what
	}
	return its
}

func tokenOf(o plan.ExitOrder, symbol string) (common.Address, error) {
	if symbol == "" {
		return common.Address{}, nil
	}
	for _, t := range o.Tokens {
		if t.Symbol == symbol {
			return common.HexToAddress(t.Address), nil
		}
	}
	return common.Address{}, fmt.Errorf("the plan has no %s on %s", symbol, o.Chain)
}

// base is an amount in base units; what is finer than the token counts is refused rather than rounded.
func (d *Desk) base(ctx context.Context, token common.Address, amount decimal.Decimal) (*big.Int, error) {
	decimals := uint8(18)
	if token != (common.Address{}) {
		answers, _, err := d.Chain.Read(ctx, nil, []chain.Query{contract.ERC20.Decimals.Query(token)})
		if err != nil {
			return nil, err
		}
		if answers[0].Err != nil {
			return nil, fmt.Errorf("the token %s does not say how it counts: %w", token.Hex(), answers[0].Err)
		}
		if err := contract.ERC20.Decimals.Scan(answers[0].Data, &decimals); err != nil {
			return nil, err
		}
	}
	units := amount.Shift(int32(decimals))
	if !units.IsInteger() {
		return nil, fmt.Errorf("%s is finer than the %d decimals of the token", amount, decimals)
	}
	return units.BigInt(), nil
}

// kinds of positions that a deed is about.
var kinds = map[protocol.Deed][]protocol.Kind{
	protocol.Withdraw: {protocol.Supply, protocol.Share}, protocol.Repay: {protocol.Debt}, protocol.Unstake: {protocol.Stake},
	protocol.Swap: {protocol.Wallet}, protocol.Transfer: {protocol.Wallet}, protocol.Cross: {protocol.Wallet}, protocol.RemoveLiquidity: {protocol.Liquidity},
}

// share is a fraction of what the Safe has, or owes, of a token.
func (d *Desk) share(ctx context.Context, o plan.ExitOrder, do protocol.Deed, token common.Address, way protocol.Exiter) (*big.Int, error) {
	adapter, ok := way.(protocol.Adapter)
	if !ok || do == protocol.Swap && o.Contract == nil {
		var all []common.Address
		if token != (common.Address{}) {
			all = append(all, token)
		}
		adapter = protocol.NewPurse(o.Account, d.Symbol, all...)
	}
	positions, err := adapter.Positions(ctx, d.Chain, nil, common.HexToAddress(o.Wallet))
	if err != nil {
		return nil, err
	}
	sum := new(big.Int)
	for _, p := range positions {
		for _, kind := range kinds[do] {
			if p.Kind != kind {
				continue
			}
			if len(p.Under) == 0 && p.Token.Address == token {
				sum.Add(sum, p.Amount)
			}
			for _, u := range p.Under {
				if u.Token.Address == token {
					sum.Add(sum, u.Amount)
				}
			}
		}
	}
	part := decimal.NewFromBigInt(sum, 0).Mul(decimal.NewFromFloat(float64(o.Fraction))).BigInt()
	if part.Sign() == 0 {
		return nil, protocol.ErrNothingToDo
	}
	return part, nil
}

// Signatures are those that owners' wallets gave, as a Safe takes them. What is no signature of an owner is told.
func (d *Desk) Signatures(ctx context.Context, p Prepared, given [][]byte) (good []safe.Signature, faults []string, err error) {
	if p.Role != nil {
		return nil, nil, errors.New("nobody signs what a role permits")
	}
	state, err := safe.Read(ctx, d.Chain, nil, p.Tx.Safe)
	if err != nil {
		return nil, nil, err
	}
	for _, one := range given {
		signature, err := safe.FromWallet(p.Hash, one, state.Owners)
		if err != nil {
			faults = append(faults, err.Error())
			continue
		}
		good = append(good, signature)
	}
	return good, faults, nil
}
