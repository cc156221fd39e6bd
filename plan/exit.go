package plan

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// Chained is the dependency of that name, when it says how a chain is reached.
func (p *Plan) Chained(name string) (Dependency, bool) {
	return find(p.Dependencies, func(x Dependency) bool { return x.Name == name && x.Chain != nil })
}

// Contracted is the dependency of that name, when it is a contract.
func (p *Plan) Contracted(name string) (Dependency, bool) {
	return find(p.Dependencies, func(x Dependency) bool { return x.Name == name && x.Contract != nil })
}

// Token is a symbol as it is on a chain.
type Token struct {
	Symbol  string `json:"symbol"`
	Address string `json:"address,omitempty"` // of its contract; "" for the chain's own coin
}

// Tokens are what the plan registers on a chain, each symbol once, in the order of the holdings.
func (p *Plan) Tokens(chain string) []Token {
	var tokens []Token
	for _, h := range p.Holdings {
		a, _ := p.Account(h.Account)
		known := slices.ContainsFunc(tokens, func(t Token) bool { return t.Symbol == h.Symbol })
		if a.Chain == chain && a.Chain != "" && !known && (h.Token != "" || h.Class != "cash") {
			tokens = append(tokens, Token{h.Symbol, h.Token})
		}
	}
	return tokens
}

// ExitOrder is an exit with every name in it resolved to what stands behind it on the chain. It is what a task of kind exit-plan
// is told, so that the journal and whoever says yes see the addresses, and a later edit of the plan changes nothing of it.
type ExitOrder struct {
	Exit
	Chain    string    `json:"chain"` // the dependency's name
	ChainID  int       `json:"chain_id"`
	Wallet   string    `json:"wallet"`   // address of the account
	Receiver string    `json:"receiver"` // address of the account that receives
	Tokens   []Token   `json:"tokens"`   // all that the plan registers on the chain, those of assets and into among them
	Contract *Contract `json:"contract,omitempty"`
	Exchange *Contract `json:"exchange,omitempty"` // that a swap or a bridge goes through
	Beyond   *Beyond   `json:"beyond,omitempty"`   // where a bridge leads; nil for what stays on the chain
	Keys     *KeyOrder `json:"keys,omitempty"`     // what is done against a key that is stolen
	Module   string    `json:"module,omitempty"`   // of via: role
	Role     string    `json:"role,omitempty"`
	Trusted  []string  `json:"trusted,omitempty"`
	// Own are the plan's own addresses on the chain → the accounts; value leaves for these and for no others.
	Own map[string]string `json:"own"`
	// Known are the plan's contracts on the chain → the dependencies, for people to read, and whose allowances a revoke takes back.
	Known map[string]string `json:"known,omitempty"`
}

// Facts that a task of kind exit-plan leaves behind beside "hash" and "changes", for those who sign and for exit-apply. Via owners the first two are
// there and the hash is the transaction's own, which owners sign.
const (
	FactSafeTx    = "safe_tx"   // the Safe's transaction, as JSON
	FactThreshold = "threshold" // how many owners must sign it
	FactOwners    = "owners"    // the Safe's owners on chain, with spaces between them
)

// ExitOrder resolves an exit by the plan in force. What a checked plan says can always be resolved; a step of an older plan may
// name what there is no more.
func (p *Plan) ExitOrder(e Exit) (ExitOrder, error) {
	o := ExitOrder{Exit: e, Own: map[string]string{}, Known: map[string]string{}}
	a, _ := p.Account(e.Account)
	chain, ok := p.Chained(a.Chain)
	if !ok || !chain.EVM() || a.Address == "" {
		return o, fmt.Errorf("the plan no longer has an account %q with an address on a chain", e.Account)
	}
	to, _ := p.Account(e.To)
	var err error
	switch {
	case e.Bridges():
		if o.Beyond, err = p.beyond(e, a, to); err != nil {
			return o, err
		}
	case to.Chain != a.Chain || to.Address == "":
		return o, fmt.Errorf("the plan no longer has an account %q with an address on %s", e.To, a.Chain)
	}
	o.Chain, o.ChainID, o.Wallet, o.Receiver, o.Tokens = chain.Name, chain.Chain.ID, a.Address, to.Address, p.Tokens(chain.Name)
	for _, named := range []struct {
		name string
		is   **Contract
	}{{e.Protocol, &o.Contract}, {e.Through, &o.Exchange}} {
		x, ok := p.Contracted(named.name)
		if named.name != "" && (!ok || x.Contract.Chain != chain.Name) {
			return o, fmt.Errorf("the plan no longer has a contract %q on %s", named.name, chain.Name)
		}
		*named.is = x.Contract
	}
	for _, symbol := range append(slices.Clone(e.Assets), e.Into) {
		if symbol != "" && !slices.ContainsFunc(o.Tokens, func(t Token) bool { return t.Symbol == symbol }) {
			return o, fmt.Errorf("the plan no longer registers %s on %s", symbol, chain.Name)
		}
	}
	if e.ChangesKeys() {
		keys, err := p.keyOrder(a, e)
		if err != nil {
			return o, err
		}
		o.Keys = &keys
	}
	if s := a.Safe; s != nil {
		o.Trusted = s.Trusted
		if s.Roles != nil && e.Via == "role" {
			o.Module, o.Role = s.Roles.Module, s.Roles.Role
		}
	}
	for _, other := range p.Accounts {
		if other.Chain == chain.Name && other.Address != "" && (o.Own[other.Address] == "" || other.Protocol == "") {
			o.Own[other.Address] = other.Name // the one at the address itself, where there is one in a protocol too
		}
	}
	for _, x := range p.Dependencies {
		if c := x.Contract; c != nil && c.Chain == chain.Name {
			o.Known[c.Address] = x.Name
			if slices.Contains(bridges, c.Adapter) {
				continue // the addresses it is told of are on the other chain
			}
			for what, address := range c.Addresses {
				o.Known[address] = x.Name + " " + what
			}
		}
	}
	return o, nil
}

// Told is the exit in one phrase. A kit is found by it, so how much of what goes where is in it, and no
// word of it changes lightly: an exit that was presigned would have to be signed again.
func (o ExitOrder) Told() string {
	text := ""
	for i, do := range o.Do {
		switch {
		case i > 0 && i == len(o.Do)-1:
			text += " and "
		case i > 0:
			text += ", "
		}
		text += do
	}
	switch {
	case o.Key != "":
		return text + fmt.Sprintf(", %s (%s) by %s (%s)", o.Key, o.Keys.Owner, o.Spare, o.Keys.Spare)
	case o.Amount.IsPositive():
		text += " " + o.Amount.String()
	case o.Fraction > 0 && o.Fraction < 1:
		text += fmt.Sprintf(" %s of", o.Fraction)
	}
	for i, symbol := range o.Assets {
		text += map[bool]string{true: " ", false: ", "}[i == 0] + symbol
	}
	if o.Into != "" {
		text += " into " + o.Into
	}
	if o.Protocol != "" {
		text += " in " + o.Protocol
	}
	if o.Through != "" {
		text += " through " + o.Through
	}
	if o.To != "" && o.To != o.Account {
		text += " to " + o.To
	}
	return text
}

// Wallets with which a person signs.
func (p *Plan) Wallets(person string) []common.Address {
	one, _ := find(p.People, func(q Person) bool { return q.Name == person })
	var all []common.Address
	for _, w := range one.Wallets {
		all = append(all, common.HexToAddress(w))
	}
	return all
}
