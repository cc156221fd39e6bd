package plan

import (
	"slices"
	"strings"
	"time"
)

// Kinds of chains.
const (
	EVM     = "evm"
	Bitcoin = "bitcoin"
	Solana  = "solana"
	Cosmos  = "cosmos"
)

// EVM reports a dependency that says how an EVM chain is reached: one that lifeboat can act on.
func (x Dependency) EVM() bool { return x.Chain != nil && (x.Chain.Kind == EVM || x.Chain.Kind == "") }

// complete a chain of that name.
func (c *Chain) complete(name string) {
	fill(&c.Kind, kindOfChain(name, c.ID))
	fill(&c.Quorum, len(c.Nodes)/2+1)
	switch c.Kind {
	case EVM:
		known := knownChain(name, c.ID)
		fill(&c.ID, known.id)
		fill(&c.GasCeiling, known.ceiling)
		fill(&c.UrgentCeiling, min(5*c.GasCeiling, gasMax))
		fill(&c.PerSecond, 20)
		if c.Relay != nil {
			fill(&c.Relay.Within, Duration(relayTime))
		}
	case Bitcoin:
		fill(&c.Network, "mainnet")
		fill(&c.Every, Duration(5*time.Minute)) // a block comes every ten
	case Solana:
		fill(&c.Network, "mainnet")
	case Cosmos:
		fill(&c.Network, zones[strings.ToLower(name)])
		fill(&c.Prefix, zoneCoins[c.Network].prefix)
	}
	fill(&c.Every, Duration(time.Minute))
}

// kindOfChain by the name that the owner gives it. A number is one of an EVM chain's, whatever its name.
func kindOfChain(name string, id int) string {
	word := strings.ToLower(name)
	switch {
	case id != 0:
	case word == Bitcoin || word == Solana:
		return word
	case zones[word] != "":
		return Cosmos
	}
	return EVM
}

// zones are chains of Cosmos that are known by their names: their chain ids.
var zones = map[string]string{"cosmos hub": "cosmoshub-4", "osmosis": "osmosis-1"}

// zoneCoins are the own coins of the chains of Cosmos that are known, by chain id.
var zoneCoins = map[string]struct {
	prefix, denomination string
	decimals             int
}{"cosmoshub-4": {"cosmos", "uatom", 6}, "osmosis-1": {"osmo", "uosmo", 6}}

// Denomination of a holding on a chain of Cosmos, and how many of its digits lie behind the point; false where the plan does not say.
func (c Chain) Denomination(h Holding) (denomination string, decimals int, ok bool) {
	own, known := zoneCoins[c.Network]
	switch {
	case h.Decimals != nil:
		return h.Token, *h.Decimals, h.Token != ""
	case known && (h.Token == "" || h.Token == own.denomination):
		return own.denomination, own.decimals, true
	}
	return h.Token, 0, false
}

// AllAddresses of an account, in the order of the plan.
func (a Account) AllAddresses() []string {
	if a.Address == "" {
		return a.Addresses
	}
	return append([]string{a.Address}, a.Addresses...)
}

// OnChain reports an account of which the chain itself says what it holds: one with an address there, moved by people only.
// What a venue says of an account outweighs it, and what is simulated is on no chain.
func (a Account) OnChain() bool {
	return a.Chain != "" && len(a.AllAddresses()) > 0 && (a.Venue == "manual" || a.Venue == "")
}

// AccountsOnChains are those of which the chain itself says what they hold, and of which the plan names something that it can say. In a
// protocol that may be nothing: a debt there is told all the same.
func (p *Plan) AccountsOnChains() []Account {
	return slices.DeleteFunc(slices.Clone(p.Accounts), func(a Account) bool { return !a.OnChain() || len(p.Counted(a.Name)) == 0 && a.Protocol == "" })
}

// Counted are the holdings of an account that its chain can say: tokens, and at most one that is the chain's own coin.
func (p *Plan) Counted(account string) []Holding {
	return slices.DeleteFunc(slices.Clone(p.Holdings), func(h Holding) bool { return h.Account != account || !p.counted(h) })
}

// counted reports a holding that a chain can say. The base currency is money at a bank unless it has a token.
func (p *Plan) counted(h Holding) bool { return h.Token != "" || h.Symbol != p.Portfolio.BaseCurrency }

// lookThrough lets every holding lie on its account's chain, and in its protocol, unless the owner says otherwise, and spells the token
// of an EVM chain with its checksum.
func (p *Plan) lookThrough() {
	chains, contracts := p.names("chain"), p.names("contract")
	for i := range p.Holdings {
		h := &p.Holdings[i]
		a, _ := p.Account(h.Account)
		h.Token = spelt(h.Token)
		h.Chain = oneName(h.Chain, a.Chain, chains)
		h.Protocol = oneName(h.Protocol, a.Protocol, contracts)
	}
}

// oneName is the name as a dependency has it, where only the capitals differ: ethereum and Ethereum are no two chains.
func oneName(written, otherwise string, known []string) string {
	if written == "" {
		return otherwise
	}
	for _, name := range known {
		if strings.EqualFold(name, written) {
			return name
		}
	}
	return written
}

// spelt is an address of an EVM chain with the capitals of its checksum, and any other text as it is.
func spelt(text string) string {
	if right, err := parseAddress(text); err == nil {
		return right
	}
	return text
}

// knownChain is what lifeboat knows of a chain by its number, or else by the name that the owner gives it.
func knownChain(name string, id int) (known struct {
	id      int
	ceiling GasPrice
}) {
	known.id, known.ceiling = id, 200*gwei
	if id == 0 {
		known.id = chainIDs[chainWord(name)]
	}
	if known.id == polygon {
		known.ceiling = 5000 * gwei // its own coin is cheap, and 200 gwei are a usual day there
	}
	return known
}

const (
	gnosis  = 100
	polygon = 137
)

// chainIDs of the chains that are known by their names.
var chainIDs = map[string]int{"ethereum": 1, "optimism": 10, "bnb": 56, "gnosis": gnosis, "polygon": polygon, "base": 8453, "arbitrum": 42161}

// chainWord is a chain's name without what people add to it: Arbitrum One, OP Mainnet, BNB Smart Chain, Ethereum mainnet.
func chainWord(name string) string {
	word, _, _ := strings.Cut(strings.ToLower(name), " ")
	if word == "op" {
		return "optimism"
	}
	return word
}
