package plan

import (
	"fmt"
	"slices"
	"time"
)

// bridges are the adapters that lead to another chain.
var bridges = []string{"op-bridge", "arbitrum-bridge"}

// OPBridgeOnRollup is where every rollup of the OP Stack has its own end of the bridge (specs.optimism.io, predeploys). A bridge at
// another address is the end on the chain that the rollup stands on.
const OPBridgeOnRollup = "0x4200000000000000000000000000000000000010"

// ArbitrumOnRollup is ArbSys, which every rollup of Arbitrum's has at the same address (docs.arbitrum.io, precompiles). A bridge at another
// address is the end on the chain that the rollup stands on.
const ArbitrumOnRollup = "0x0000000000000000000000000000000000000064"

// Bridges says that the exit leads to another chain.
func (e Exit) Bridges() bool { return slices.Contains(e.Do, "bridge") }

// Beyond is where a bridge leads, every name resolved.
type Beyond struct {
	Chain   string `json:"chain"` // the dependency's name
	ChainID int    `json:"chain_id"`
	// Tokens are what the exit's assets are there, in the order of the assets.
	Tokens []Token `json:"tokens"`
	Safe   bool    `json:"safe,omitempty"` // the plan says that a Safe receives
}

// over is the bridge that an exit goes over.
func (p *Plan) over(e Exit) (Dependency, bool) {
	if e.Through != "" {
		return p.Contracted(e.Through)
	}
	return p.Contracted(e.Protocol)
}

// beyond resolves the other side of a bridge.
func (p *Plan) beyond(e Exit, a, to Account) (*Beyond, error) {
	there, ok := p.Chained(to.Chain)
	if !ok || !there.EVM() || to.Address == "" || there.Name == a.Chain {
		return nil, fmt.Errorf("the plan no longer has an account %q with an address on another chain than %s", e.To, a.Chain)
	}
	over, ok := p.over(e)
	if !ok {
		return nil, fmt.Errorf("the plan no longer has the bridge that leads from %s to %s", a.Chain, there.Name)
	}
	b := &Beyond{Chain: there.Name, ChainID: there.Chain.ID, Safe: to.Kind == "safe"}
	for _, symbol := range e.Assets {
		t, ok := p.twin(over, there.Name, symbol)
		if !ok {
			return nil, fmt.Errorf("the plan no longer says what %s is on %s", symbol, there.Name)
		}
		b.Tokens = append(b.Tokens, t)
	}
	return b, nil
}

// twin is what a symbol is on the other side of a bridge: what the bridge's own text says, or else the plan's token there.
func (p *Plan) twin(over Dependency, chain, symbol string) (Token, bool) {
	if address := over.Contract.Addresses[symbol]; address != "" {
		return Token{symbol, address}, true
	}
	return find(p.Tokens(chain), func(t Token) bool { return t.Symbol == symbol })
}

// checkExitBridge wants a bridge to lead to an account of the plan on another chain, and everything that goes over it to be
// something there.
func (d *decoder) checkExitBridge(p *Plan, path string, a Account, e Exit) {
	if !e.Bridges() {
		return
	}
	if len(e.Do) > 1 {
		d.faultAt(path+".do", "a bridge stands alone: what comes before it is a step of its own, so that it is known how much there is to send", "")
	}
	to, known := p.Account(e.To)
	switch {
	case !known: // which is told already
		return
	case to.Name == a.Name:
		d.faultAt(path, "a bridge wants to: the account that receives on the other chain; the address of a Safe may be somebody else's there, so it has to be an account of the plan", "")
		return
	case to.Chain == a.Chain:
		d.faultAt(path+".to", fmt.Sprintf("%s is on %s as well: a transfer goes there, and a bridge to another chain", to.Name, a.Chain), "")
		return
	case to.Chain == "" || to.Address == "":
		d.faultAt(path+".to", fmt.Sprintf("%s has no address on a chain, so no bridge leads there", to.Name), "")
		return
	}
	if there, ok := p.Chained(to.Chain); ok && !there.EVM() {
		d.faultAt(path+".to", fmt.Sprintf("%s is no EVM chain, so no bridge that is known leads there", to.Chain), "")
		return
	}
	over, ok := p.over(e)
	if !ok || !slices.Contains(bridges, over.Contract.Adapter) {
		return // which is told already
	}
	for i, symbol := range e.Assets {
		if t, ok := p.twin(over, to.Chain, symbol); !ok {
			d.faultAt(fmt.Sprintf("%s.assets[%d]", path, i), fmt.Sprintf("%s is not registered on %s: add a holding of it in %s with its token there, quantity 0 if there is none yet, or name it under addresses of %s",
				symbol, to.Chain, to.Name, over.Name), "")
		} else if home := p.Tokens(a.Chain); slices.ContainsFunc(home, func(h Token) bool { return h.Symbol == symbol && (h.Address == "") != (t.Address == "") }) {
			d.faultAt(fmt.Sprintf("%s.assets[%d]", path, i), fmt.Sprintf("%s is the coin of one of the chains and a token of the other, and a bridge makes none of the other", symbol), "")
		}
	}
}

// Crossing is how long a bridge usually takes.
type Crossing struct {
	Takes time.Duration
	Why   string
	// Home says that it leads from a rollup to the chain that the rollup stands on.
	Home bool
}

// How long bridges take. That of the OP Stack (docs.optimism.io, "Deposit flow" and "Withdrawal flow"): a rollup takes a deposit in within a few
// minutes; a withdrawal has to be proven once its state is proposed, which is about every hour, and waits seven days in which it can be
// challenged. That of Arbitrum (docs.arbitrum.io, "Cross-chain messaging"): a ticket is taken in once its block below is as good as final; a
// withdrawal is confirmed after 45,818 blocks of Ethereum and up to an hour until its state is asserted.
const (
	opDeposit     = 3 * time.Minute
	opWithdrawal  = 7*24*time.Hour + time.Hour
	arbDeposit    = 15 * time.Minute
	arbWithdrawal = 6*24*time.Hour + 10*time.Hour
)

// Home says that the contract is a bridge's end on a rollup, and leads to the chain that the rollup stands on.
func (c Contract) Home() bool {
	return c.Adapter == "op-bridge" && c.Address == OPBridgeOnRollup || c.Adapter == "arbitrum-bridge" && c.Address == ArbitrumOnRollup
}

// Crossing of an exit over a bridge; false for one that stays on its chain.
func (p *Plan) Crossing(e Exit) (Crossing, bool) {
	over, ok := p.over(e)
	if !ok || !e.Bridges() {
		return Crossing{}, false
	}
	switch home := over.Contract.Home(); {
	case over.Contract.Adapter == "arbitrum-bridge" && home:
		return Crossing{arbWithdrawal, "a withdrawal from a rollup of Arbitrum's can be challenged for about six days and nine hours", true}, true
	case over.Contract.Adapter == "arbitrum-bridge":
		return Crossing{arbDeposit, "a rollup of Arbitrum's takes a deposit in once it is as good as final below", false}, true
	case home:
		return Crossing{opWithdrawal, "a withdrawal from a rollup can be challenged for seven days", true}, true
	}
	return Crossing{opDeposit, "a deposit is on the rollup within minutes", false}, true
}

// checkBridge wants the end of Arbitrum's bridge on a rollup to say where its router is, and no other to.
func (d *decoder) checkBridge(path string, c *Contract) {
	if c.Adapter != "arbitrum-bridge" {
		return
	}
	switch router := c.Addresses["router"]; {
	case c.Home() && router == "":
		d.faultAt(path, "the end of arbitrum-bridge on a rollup wants its L2GatewayRouter besides: write addresses: {router: 0x…}", "")
	case !c.Home() && router != "":
		d.faultAt(path+".addresses.router", "router is for the end on the rollup, whose address is "+ArbitrumOnRollup+"; below, address itself is the L1GatewayRouter", "")
	}
}
