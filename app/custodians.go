package app

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/chain/protocol"
	"lifeboat/custodian"
	"lifeboat/custodian/address"
	"lifeboat/custodian/bitcoin"
	"lifeboat/custodian/cosmos"
	"lifeboat/custodian/evm"
	"lifeboat/custodian/node"
	"lifeboat/custodian/solana"
	"lifeboat/plan"
	"lifeboat/secret"
	"lifeboat/serve/api"
)

// chainsOf the accounts of a plan of which a chain says what they hold.
func chainsOf(p *plan.Plan) map[string]string {
	chains := map[string]string{}
	for _, a := range p.AccountsOnChains() {
		chains[a.Name] = a.Chain
	}
	return chains
}

// openWatches of the accounts on chains. In a sandbox nobody states what an account holds.
func (d *Daemon) openWatches() error {
	d.watches = nil
	if d.Sandbox {
		return nil
	}
	servers := newServers(d.Clock) // one budget for each, whichever accounts ask it
	for _, a := range d.DaemonOptions.Plan.AccountsOnChains() {
		c, err := openCustodian(context.Background(), d.DaemonOptions.Plan, a, d.chains[a.Chain], servers, d.vault(), d.Clock)
		if err != nil {
			return err
		}
		x, _ := d.DaemonOptions.Plan.Chained(a.Chain)
		d.watches = append(d.watches, custodian.NewWatch(c, d.Clock, time.Duration(x.Chain.Every), d.wake))
	}
	return nil
}

// openCustodian of an account on a chain, by the nodes of the chain. The addresses of nodes are read now, because they hold keys; nothing
// is asked yet. opened is the account's chain, where that is one of EVM; servers are those of the others.
func openCustodian(ctx context.Context, p *plan.Plan, a plan.Account, opened *chain.Chain, servers *node.Servers, vault *secret.Vault, clock lifeboat.Clock) (*custodian.Custodian, error) {
	x, _ := p.Chained(a.Chain)
	o := custodian.Options{Account: a.Name, Name: a.Chain, Quorum: x.Chain.Quorum}
	var err error
	if x.EVM() {
		o.Quorum, o.Behind = 1, evm.Behind(opened.Network()) // the chain itself believes only what its quorum says
		var source *evm.Source
		source, err = evmSource(p, a, opened)
		o.Sources = []custodian.Source{source}
	} else {
		if x.Chain.Kind == plan.Bitcoin {
			o.Behind = bitcoin.Behind(address.Network(x.Chain.Network))
		}
		o.Sources, err = sourcesOf(ctx, p, a, *x.Chain, servers, vault, clock)
	}
	if err == nil {
		var c *custodian.Custodian
		if c, err = custodian.New(o); err == nil {
			return c, nil
		}
	}
	return nil, &lifeboat.Problem{Reason: "chain-unusable", What: fmt.Sprintf("nobody can be asked what %s holds on %s: %s", a.Name, a.Chain, vault.Scrub(err.Error())),
		Money: "nothing was sent", Next: "mend the account, or chain: of the dependency and what it refers to", Err: err}
}

// evmSource reads what an address holds, or what it has in a protocol.
func evmSource(p *plan.Plan, a plan.Account, c *chain.Chain) (*evm.Source, error) {
	o := evm.Options{Name: a.Chain, Chain: c, Account: a.Name, Address: common.HexToAddress(a.Address), Tokens: map[common.Address]string{}}
	setup := protocol.Setup{Name: a.Protocol, More: map[string]common.Address{}}
	for _, h := range p.Counted(a.Name) {
		if h.Token == "" {
			o.Coin = h.Symbol
			continue
		}
		token := common.HexToAddress(h.Token)
		o.Tokens[token] = h.Symbol
		setup.Assets = append(setup.Assets, token)
	}
	for _, x := range p.ContractsOn(a.Chain) {
		switch at := common.HexToAddress(x.Contract.Address); x.Contract.Adapter {
		case "aave-v3":
			o.Pools = append(o.Pools, at)
		case "compound-v3", "lido":
			o.Rebased = append(o.Rebased, at)
		}
	}
	if x, in := p.Contracted(a.Protocol); in {
		setup.Address = common.HexToAddress(x.Contract.Address)
		for what, at := range x.Contract.Addresses {
			setup.More[what] = common.HexToAddress(at)
		}
		adapter, err := protocol.Open(x.Contract.Adapter, setup)
		if err != nil {
			return nil, err
		}
		o.Protocol, o.Contract = adapter, setup.Address
	}
	return evm.New(o)
}

func newServers(clock lifeboat.Clock) *node.Servers {
	return node.NewServers(clock, &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()})
}

// sourcesOf an account on a chain that is not EVM are its nodes, each of which is asked by itself.
func sourcesOf(ctx context.Context, p *plan.Plan, a plan.Account, c plan.Chain, servers *node.Servers, vault *secret.Vault, clock lifeboat.Clock) ([]custodian.Source, error) {
	ctx, cancel := context.WithTimeout(ctx, secretMax)
	defer cancel()
	var sources []custodian.Source
	seen := map[string]bool{}
	for i, text := range c.Nodes {
		url, err := nodeAt(ctx, vault, fmt.Sprintf("nodes[%d]", i), text)
		if err != nil {
			return nil, err
		}
		server, err := servers.At(url)
		if err != nil {
			return nil, err
		}
		source, err := sourceAt(server, p.Counted(a.Name), a, c, clock)
		if err != nil {
			return nil, err
		}
		if seen[url] {
			return nil, fmt.Errorf("%s is named twice, and a node that agrees with itself proves nothing", source.Name())
		}
		seen[url] = true
		sources = append(sources, source)
	}
	return sources, nil
}

// sourceAt one node.
func sourceAt(server *node.Node, holdings []plan.Holding, a plan.Account, c plan.Chain, clock lifeboat.Clock) (custodian.Source, error) {
	coin := ""
	tokens := map[string]string{}       // of Solana, :: mint → symbol
	assets := map[string]cosmos.Asset{} // of Cosmos, :: denomination → asset
	for _, h := range holdings {
		if h.Token == "" {
			coin = h.Symbol
		} else {
			tokens[h.Token] = h.Symbol
		}
		denomination, decimals, _ := c.Denomination(h)
		assets[denomination] = cosmos.Asset{Symbol: h.Symbol, Decimals: int32(decimals)}
	}
	switch c.Kind {
	case plan.Bitcoin:
		return bitcoin.New(bitcoin.Options{Node: server, Addresses: a.AllAddresses(), Symbol: coin, Network: address.Network(c.Network), Clock: clock})
	case plan.Solana:
		return solana.New(solana.Options{Node: server, Addresses: a.AllAddresses(), Stakes: a.Stakes, Symbol: coin, Tokens: tokens, Cluster: solana.Cluster(c.Network), Clock: clock})
	case plan.Cosmos:
		return cosmos.New(cosmos.Options{Node: server, Addresses: a.AllAddresses(), Prefix: c.Prefix, ChainID: c.Network, Assets: assets, Clock: clock})
	}
	return nil, fmt.Errorf("nobody here asks a chain of kind %s", c.Kind)
}

// learnOfChains takes in what chains said of accounts, where it says something new.
func (d *Daemon) learnOfChains(ctx context.Context) error {
	for _, w := range d.watches {
		s, ok := w.Statement()
		if !ok || !d.worthWriting(s, d.chainRestateAfter(s.Account)) {
			continue
		}
		if err := d.Flow.Learn(ctx, d.now(), s); err != nil {
			return err
		}
	}
	return nil
}

// chainRestateAfter is how old the last statement in the journal may be before one that says the same is written again. No order waits for
// what a chain says of an account, so it is only not to seem silent; where it differs from the book, the book waits for the second word.
func (d *Daemon) chainRestateAfter(account string) time.Duration {
	if d.Audit.Differs(account) {
		return d.restateAfter()
	}
	return heardAfter
}

// tellWatches puts the accounts on chains on the status page, beside those at venues.
func (d *Daemon) tellWatches(s *api.Status) {
	for _, w := range d.watches {
		account, on := w.Account()
		h := w.Health()
		last, _ := d.Audit.Statement(account)
		s.Venues = append(s.Venues, api.Venue{Account: account, Venue: on, Chain: true, LastOK: knownTime(h.LastOK), Stated: knownTime(last.At), Problem: d.vault().Scrub(h.Problem), Since: knownTime(h.Since)})
	}
}
