package evm

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/plan"
)

// Of a plan, what it names on one of its chains. The plan was checked, so its addresses are addresses.
func Of(p *plan.Plan, name string) Watched {
	var w Watched
	for _, x := range p.ContractsOn(name) {
		c := Contract{Name: x.Name, Adapter: x.Contract.Adapter, Address: common.HexToAddress(x.Contract.Address), Addresses: map[string]common.Address{},
			Prices: x.Contract.Prices, Heartbeat: time.Duration(x.Contract.Heartbeat)}
		for what, address := range x.Contract.Addresses {
			c.Addresses[what] = common.HexToAddress(address)
		}
		w.Contracts = append(w.Contracts, c)
	}
	for _, a := range p.AccountsOn(name) {
		account := Account{Name: a.Name, Address: common.HexToAddress(a.Address), Safe: a.Kind == "safe", Payers: map[string]common.Address{}}
		for what, key := range a.Payers() {
			account.Payers[what] = common.HexToAddress(key.Address)
		}
		w.Accounts = append(w.Accounts, account)
	}
	for _, t := range p.TokensOn(name) {
		w.Tokens = append(w.Tokens, Token{Symbol: t.Symbol, Address: common.HexToAddress(t.Token)})
	}
	return w
}

// Feeds of a plan that one of its chains says.
func Feeds(p *plan.Plan, name string) []plan.Feed {
	var all []plan.Feed
	for _, f := range p.Feeds {
		if f.Chain == name {
			all = append(all, f)
		}
	}
	return all
}
