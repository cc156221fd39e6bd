package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// What a chain says by itself: each chain brings these series, for what the plan names on it, with no feed written. A feed with
// chain: is written only to ask more of one of them – another stale_after, or a quorum where a price has several sources.
// docs/signals-onchain.md says what each of them means.
const (
	// staleChain is how old what a chain says may get; it is told again well before, as long as the chain goes on.
	staleChain = 5 * time.Minute
	// stalePulse is the same for what is said of the chain itself.
	stalePulse = time.Minute
)

// pendingOf is the prefix of the series that say how many transactions wait to be mined that call a contract, or that an account's keys
// have signed.
const pendingOf = "pending."

// FromChain reports a feed of a chain's.
func (f Feed) FromChain() bool { return f.Chain != "" }

// completeChainFeeds adds what chains say, unless the owner wrote it out.
func (p *Plan) completeChainFeeds() {
	written := map[[2]string]bool{}
	for i := range p.Feeds {
		if f := &p.Feeds[i]; f.FromChain() {
			fill(&f.Source, f.Chain)
			fill(&f.StaleAfter, Duration(staleChain))
			f.Level = f.Level || f.Source == f.Chain
			written[[2]string{f.Series, f.Source}] = true
		}
	}
	for _, x := range p.Dependencies {
		if !x.EVM() {
			continue
		}
		for _, f := range p.ChainSeries(x.Name) {
			if !written[[2]string{f.Series, f.Source}] {
				p.Feeds = append(p.Feeds, f)
			}
		}
	}
}

// ChainSeries are the series that a chain says of what the plan names on it, in the order of the plan.
func (p *Plan) ChainSeries(chain string) []Feed {
	var all []Feed
	seen := map[[2]string]bool{}
	add := func(f Feed) {
		if key := [2]string{f.Series, f.Source}; !seen[key] {
			seen[key] = true
			all = append(all, f)
		}
	}
	level := func(name string, of ...string) {
		for _, part := range of {
			name += "." + part
		}
		add(Feed{Series: name, Source: chain, Chain: chain, Level: true, StaleAfter: Duration(staleChain)})
	}
	for _, name := range []string{"head_age", "nodes_agree"} {
		add(Feed{Series: name + "." + chain, Source: chain, Chain: chain, Level: true, StaleAfter: Duration(stalePulse)})
	}
	level("reorg", chain)
	contracts, tokens, wanted := p.ContractsOn(chain), p.TokensOn(chain), p.ofPending()
	pending := func(name string) {
		if series := pendingOf + name; speaks(wanted, series) {
			add(Feed{Series: series, Source: chain, Chain: chain, Level: true, StaleAfter: Duration(stalePulse)})
		}
	}
	for _, x := range contracts {
		p.contractSeries(x, tokens, level)
		pending(x.Name)
		if c := x.Contract; c.Prices != "" && p.Portfolio.BaseCurrency == "USD" {
			stale := max(staleChain, time.Duration(c.Heartbeat)*5/4)
			add(Feed{Series: c.Prices, Source: x.Name, Chain: chain, StaleAfter: Duration(stale)})
		}
	}
	for _, a := range p.AccountsOn(chain) {
		accountSeries(a, contracts, tokens, level)
		pending(a.Name)
	}
	for _, t := range tokens {
		for _, name := range []string{"supply_jump", "large_transfer", "upgraded", "admin_changed", "paused"} {
			level(name, t.Symbol)
		}
	}
	return all
}

// ofPending are the rules and series of feeds that speak of what waits to be mined. It is heard only where it is asked for: to tell of
// the transactions of one contract or account a node has to tell of everybody's.
func (p *Plan) ofPending() (all []string) {
	for _, f := range p.Feeds {
		if f.FromChain() && strings.HasPrefix(f.Series, pendingOf) {
			all = append(all, f.Series)
		}
	}
	for _, e := range p.Expressions() {
		if strings.Contains(strings.ToLower(e.Text), pendingOf) {
			all = append(all, e.Text)
		}
	}
	return all
}

// speaks reports that one of the texts names a series.
func speaks(texts []string, series string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(series)) })
}

// contractSeries are those of one contract.
func (p *Plan) contractSeries(x Dependency, tokens []Holding, level func(string, ...string)) {
	for _, name := range []string{"upgraded", "admin_changed", "paused"} {
		level(name, x.Name)
	}
	markets := func(names ...string) {
		for _, t := range tokens {
			for _, name := range names {
				level(name, x.Name, t.Symbol)
			}
		}
	}
	switch x.Contract.Adapter {
	case "aave-v3":
		level("frozen", x.Name)
		level("parameters", x.Name)
		markets("utilisation", "withdrawable", "tvl", "outflow", "large_withdrawal")
	case "compound-v3":
		markets("utilisation", "withdrawable", "tvl", "outflow", "large_withdrawal")
	case "uniswap-v2":
		level("imbalance", x.Name)
		markets("tvl", "outflow", "large_withdrawal")
	case "uniswap-v3":
		if x.Contract.Addresses["pool"] != "" { // the manager itself keeps nothing
			markets("tvl", "outflow", "large_withdrawal")
		}
	case "erc-4626":
		level("share_price", x.Name)
		markets("tvl", "outflow", "large_withdrawal")
	case "lido":
		level("share_price", x.Name)
	case "chainlink":
		for _, name := range []string{"oracle_age", "oracle_stale", "oracle_deviation"} {
			level(name, x.Name)
		}
	case "governor", "timelock":
		level("proposal", x.Name)
		level("queued", x.Name)
	case "safe":
		safeSeries(x.Name, level)
	}
}

func safeSeries(name string, level func(string, ...string)) {
	for _, series := range []string{"threshold", "owners", "safe_changed", "module_used"} {
		level(series, name)
	}
}

// clocks of a position that may not get out in time.
var clocks = []string{"cover", "half_life", "time_left"}

// accountSeries are those of one account.
func accountSeries(a Account, contracts []Dependency, tokens []Holding, level func(string, ...string)) {
	level("approvals", a.Name)
	if a.Kind == "safe" {
		level("upgraded", a.Name)
		safeSeries(a.Name, level)
		for _, payer := range slices.Sorted(maps.Keys(a.Payers())) {
			level("gas", a.Name, payer)
		}
	}
	lends := false
	for _, x := range contracts {
		level("allowance", a.Name, x.Name)
		switch x.Contract.Adapter {
		case "aave-v3", "compound-v3":
			lends = true
			for _, t := range tokens {
				for _, name := range clocks {
					level(name, a.Name, x.Name, t.Symbol)
				}
			}
		case "erc-4626":
			for _, name := range clocks {
				level(name, a.Name, x.Name)
			}
		case "lido":
			level("queued", a.Name, x.Name)
		case "uniswap-v2":
			level("pool_share", a.Name, x.Name)
		}
	}
	if lends {
		level("health_factor", a.Name)
		level("liquidation_distance", a.Name)
	}
}

// Payers are the keys by which an account can act and which pay its gas, by what they are called.
func (a Account) Payers() map[string]*SigningKey {
	payers := map[string]*SigningKey{}
	if a.Safe != nil && a.Safe.Relayer != nil {
		payers["relayer"] = a.Safe.Relayer
	}
	if a.Safe != nil && a.Safe.Roles != nil && a.Safe.Roles.Key != nil {
		payers["bot"] = a.Safe.Roles.Key
	}
	return payers
}

// ContractsOn a chain, in the order of the plan.
func (p *Plan) ContractsOn(chain string) []Dependency {
	return slices.DeleteFunc(slices.Clone(p.Dependencies), func(x Dependency) bool { return x.Contract == nil || x.Contract.Chain != chain })
}

// AccountsOn a chain, in the order of the plan.
func (p *Plan) AccountsOn(chain string) []Account {
	return slices.DeleteFunc(slices.Clone(p.Accounts), func(a Account) bool { return a.Chain != chain || a.Address == "" })
}

// TokensOn a chain are the holdings there that have a contract, one of each symbol.
func (p *Plan) TokensOn(chain string) []Holding {
	var all []Holding
	for _, h := range p.Holdings {
		a, _ := p.Account(h.Account)
		if a.Chain == chain && h.Token != "" && !slices.ContainsFunc(all, func(other Holding) bool { return other.Symbol == h.Symbol }) {
			all = append(all, h)
		}
	}
	return all
}

// agreed reports a chain of which nothing is believed that one node says alone.
func (p *Plan) agreed(chain string) bool {
	return slices.ContainsFunc(p.Dependencies, func(x Dependency) bool { return x.Name == chain && x.Chain != nil && x.Chain.Quorum > 1 })
}

// checkChainFeed holds a feed with chain: to what the chain says.
func (d *decoder) checkChainFeed(p *Plan, f Feed, path string) {
	if f.From+f.URL+f.File+f.Plugin+f.Account+f.ID+f.Subscribe != "" {
		d.faultAt(path, "what a chain says comes from its nodes: leave from, url, file, plugin, account, id and subscribe out", "")
	}
	if d.bad[path+".chain"] || f.Series == "" {
		return
	}
	if on, ok := p.Chained(f.Chain); ok && !on.EVM() {
		d.faultAt(path+".chain", fmt.Sprintf("%s says no series: lifeboat follows EVM chains, and asks this one what the accounts on it hold", shorten(f.Chain, textMax)), "")
		return
	}
	var names, sources []string
	for _, said := range p.ChainSeries(f.Chain) {
		if names = append(names, said.Series); said.Series == f.Series {
			sources = append(sources, said.Source)
		}
	}
	switch {
	case slices.Contains(sources, f.Source):
	case len(sources) > 0:
		d.faultAt(path, fmt.Sprintf("%s has the source %s there, not %s", f.Series, orList(sources), shorten(f.Source, textMax)), d.nearest(f.Source, sources))
	default:
		d.faultAt(path+".series", fmt.Sprintf("%s says no series %q of what the plan names on it", shorten(f.Chain, textMax), shorten(f.Series, textMax)), d.nearest(f.Series, names))
	}
}
