package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"lifeboat/custodian/address"
	"lifeboat/prose"
)

// networks of the kinds of chains that have some.
var networks = map[string][]string{
	Bitcoin: {"mainnet", "testnet3", "testnet4", "signet", "regtest", "simnet"},
	Solana:  {"mainnet", "devnet", "testnet"},
}

// zoneForm is what a chain id of Cosmos, a prefix and a denomination may look like.
var (
	zoneForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
	prefixForm = regexp.MustCompile(`^[a-z][a-z0-9]{0,29}$`)
	denomForm  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9/:._-]{2,127}$`)
)

// everyMost is how seldom a chain may be asked: its owner is told after a quarter of an hour in which nothing was heard.
const everyMost = 10 * time.Minute

// label of a chain that no other dependency may have; "" where it is not known which it is.
func (c *Chain) label() string {
	switch {
	case c.Kind == EVM && c.ID == 0, c.Kind == Cosmos && c.Network == "":
		return ""
	case c.Kind == EVM:
		return fmt.Sprint(c.ID)
	case c.Kind == Cosmos:
		return c.Network
	}
	return c.Kind + " " + c.Network
}

// checkKindOfChain holds what is written of a chain to what there is on a chain of its kind.
func (d *decoder) checkKindOfChain(path string, x Dependency) {
	c := x.Chain
	if every := time.Duration(c.Every); every < 10*time.Second || every > everyMost {
		d.faultAt(path+".every", fmt.Sprintf("every lies between 10s and %s, so that silence is noticed in time", prose.Span(everyMost)), "")
	}
	if d.bad[path+".kind"] {
		return
	}
	if x.EVM() {
		d.checkEVM(path, x)
		return
	}
	for _, only := range []struct {
		key     string
		written bool
	}{{"id", c.ID != 0}, {"private", c.Private != ""}, {"relay", c.Relay != nil}, {"gas_ceiling", c.GasCeiling != 0}, {"urgent_ceiling", c.UrgentCeiling != 0},
		{"confirmations", c.Confirmations != 0}, {"per_second", c.PerSecond != 0}, {"prefix", c.Prefix != "" && c.Kind != Cosmos}} {
		if only.written {
			d.faultAt(path+"."+only.key, fmt.Sprintf("a chain of kind %s has no %s", c.Kind, only.key), "")
		}
	}
	for i, node := range c.Nodes {
		if strings.HasPrefix(node, "wss://") || strings.HasPrefix(node, "ws://") {
			d.faultSecret(fmt.Sprintf("%s.nodes[%d]", path, i), fmt.Sprintf("a node of kind %s is asked by https://", c.Kind))
		}
	}
	d.checkNetwork(path, c)
}

func (d *decoder) checkEVM(path string, x Dependency) {
	c := x.Chain
	if c.ID == 0 && !d.bad[path+".id"] {
		d.faultAt(path, fmt.Sprintf("%q is no chain that is known by its name, so it wants id, the chain's number", shorten(x.Name, textMax)), "")
	}
	if c.Network != "" {
		d.faultAt(path+".network", "a chain of kind evm has no network; its number under id says which one it is", "")
	}
	if c.Prefix != "" {
		d.faultAt(path+".prefix", "a chain of kind evm has no prefix", "")
	}
}

func (d *decoder) checkNetwork(path string, c *Chain) {
	if c.Kind != Cosmos {
		if known := networks[c.Kind]; !slices.Contains(known, c.Network) {
			d.faultAt(path+".network", fmt.Sprintf("network of kind %s is %s, not %q", c.Kind, orList(known), shorten(c.Network, textMax)), d.nearest(c.Network, known))
		}
		return
	}
	switch {
	case c.Network == "":
		d.faultAt(path, "a chain of kind cosmos wants network, its chain id such as cosmoshub-4", "")
	case !zoneForm.MatchString(c.Network):
		d.faultAt(path+".network", fmt.Sprintf("network wants a chain id such as cosmoshub-4, not %q", shorten(c.Network, textMax)), "")
	}
	switch {
	case c.Prefix == "":
		d.faultAt(path, "a chain of kind cosmos wants prefix, what its addresses begin with, such as cosmos", "")
	case !prefixForm.MatchString(c.Prefix):
		d.faultAt(path+".prefix", fmt.Sprintf("prefix wants what addresses begin with, such as cosmos, not %q", shorten(c.Prefix, textMax)), "")
	}
}

// addressesMost that an account may have, by the kind of its chain. Solana counts stake accounts among them.
var addressesMost = map[string]int{EVM: 1, Bitcoin: 200, Solana: 50, Cosmos: 50}

// checkWhere holds an account to addresses of its chain, and to a protocol on it.
func (d *decoder) checkWhere(p *Plan, path string, a Account) {
	on, chained := p.Chained(a.Chain)
	kind := EVM // what address meant before there were other chains
	if chained && !on.EVM() {
		kind = on.Chain.Kind
	}
	name := shorten(a.Name, textMax)
	all := len(a.AllAddresses()) + len(a.Stakes)
	switch {
	case a.Chain == "" && len(a.Addresses) > 0:
		d.faultAt(path+".addresses", fmt.Sprintf("addresses are of an account on a chain that lifeboat reads, and %s has no chain", name), "")
	case len(a.Stakes) > 0 && kind != Solana:
		d.faultAt(path+".stakes", "stakes are stake accounts of Solana", "")
	case a.Chain != "" && len(a.AllAddresses()) == 0 && !d.bad[path+".address"] && !d.bad[path+".addresses"]:
		d.faultAt(path, fmt.Sprintf("an account on a chain wants address, and %s has none", name), "")
	case kind == EVM && len(a.Addresses) > 0:
		d.faultAt(path+".addresses", "an account on an EVM chain has one address; write an account for each", "")
	case all > addressesMost[kind]:
		d.faultAt(path, fmt.Sprintf("an account on a chain of kind %s has up to %d addresses, and %s has %d", kind, addressesMost[kind], name, all), "")
	case chained || addressForm.MatchString(a.Address):
		d.checkAddresses(path, a, kind, on.Chain)
	}
	d.checkProtocol(p, path, a)
}

func (d *decoder) checkAddresses(path string, a Account, kind string, c *Chain) {
	check := func(at, name, text string) {
		if text == "" || d.bad[at] {
			return
		}
		meant, err := checkAddress(text, kind, c)
		switch {
		case err != nil && kind == EVM:
			d.faultAt(at, fmt.Sprintf("%s %s", name, err), meant)
		case err != nil:
			d.faultAt(at, fmt.Sprintf("%s is none of kind %s: %s", name, kind, err), "")
		}
	}
	check(path+".address", "address", a.Address)
	for i, text := range a.Addresses {
		check(fmt.Sprintf("%s.addresses[%d]", path, i), "the address", text)
	}
	for i, text := range a.Stakes {
		check(fmt.Sprintf("%s.stakes[%d]", path, i), "the stake account", text)
	}
}

// checkAddress of a kind of chain; meant is what an EVM address would be with the right capitals.
func checkAddress(text, kind string, c *Chain) (meant string, err error) {
	switch kind {
	case Bitcoin:
		return "", address.CheckBitcoin(text, address.Network(c.Network))
	case Solana:
		return "", address.CheckSolana(text)
	case Cosmos:
		if c.Prefix == "" {
			return "", nil // which is told already
		}
		return "", address.CheckCosmos(text, c.Prefix)
	}
	return parseAddress(text)
}

// positioned are the adapters of contracts in which an address has something that can be held against the register.
var positioned = []string{"aave-v3", "compound-v3", "erc-4626", "lido", "uniswap-v2", "uniswap-v3"}

func (d *decoder) checkProtocol(p *Plan, path string, a Account) {
	x, known := p.Contracted(a.Protocol)
	switch {
	case a.Protocol == "":
	case a.Chain == "":
		d.faultAt(path+".protocol", fmt.Sprintf("protocol is where an address has its holdings, and %s has no chain", shorten(a.Name, textMax)), "")
	case !known: // which is told already
	case x.Contract.Chain != a.Chain:
		d.faultAt(path+".protocol", fmt.Sprintf("%s is on %s, and %s on %s", x.Name, x.Contract.Chain, a.Name, a.Chain), "")
	case x.Contract.Adapter != "" && !slices.Contains(positioned, x.Contract.Adapter):
		d.faultAt(path+".protocol", fmt.Sprintf("nobody holds anything in %s, which is %s; protocol is of %s", x.Name, x.Contract.Adapter, orList(positioned)), "")
	}
}

// checkShareOnce refuses the token of a pool's share where what the share is worth is counted as well, in an account with protocol.
func (d *decoder) checkShareOnce(p *Plan) {
	for i, h := range p.Holdings {
		at, _ := p.Account(h.Account)
		for _, a := range p.Accounts {
			x, in := p.Contracted(a.Protocol)
			if h.Token == "" || !in || x.Contract.Adapter != "uniswap-v2" || !strings.EqualFold(x.Contract.Address, h.Token) || at.Protocol != "" || at.Chain != a.Chain || at.Address != a.Address {
				continue
			}
			d.faultAt(fmt.Sprintf("holdings[%d].token", i), fmt.Sprintf("%s is the share of %s, whose two tokens are counted in %s: it would be counted twice", h.Symbol, x.Name, a.Name), "")
		}
	}
}

// checkOneOwner refuses two accounts that would claim the same: one address on one chain, in the same protocol or in none.
func (d *decoder) checkOneOwner(p *Plan) {
	type claimed struct{ chain, protocol, address string }
	first := map[claimed]string{}
	for i, a := range p.Accounts {
		on, chained := p.Chained(a.Chain)
		if !chained {
			continue
		}
		elsewhere := ""
		if on.EVM() && a.Protocol == "" {
			elsewhere = "; what it has in a protocol is an account with protocol"
		}
		claim := func(path, text string) {
			if a, err := address.ParseBitcoin(text); err == nil {
				text = a.Text // capitals or not
			}
			at := claimed{a.Chain, a.Protocol, text}
			if before, twice := first[at]; twice && text != "" {
				d.faultAt(path, fmt.Sprintf("the same address stands at %s: what lies there would be counted twice%s", d.where(before), elsewhere), "")
				return
			}
			first[at] = path
		}
		path := fmt.Sprintf("accounts[%d]", i)
		claim(path+".address", a.Address)
		for j, text := range a.Addresses {
			claim(fmt.Sprintf("%s.addresses[%d]", path, j), text)
		}
		for j, text := range a.Stakes {
			claim(fmt.Sprintf("%s.stakes[%d]", path, j), text)
		}
	}
}

// chainCautions are chains that are believed too easily, and positions that would come home unseen.
func (p *Plan) chainCautions() []string {
	var all []string
	for _, x := range p.Dependencies {
		switch {
		case x.Chain == nil || x.Chain.Quorum > 1:
		case x.EVM():
			all = append(all, fmt.Sprintf("chain %q is believed on one node's word: a node that lies can cause an exit, or hide that one is due", x.Name))
		default:
			all = append(all, fmt.Sprintf("chain %q is believed on one node's word: a node that lies can hide that something is gone; name three that have nothing in common", x.Name))
		}
	}
	for _, a := range p.Accounts {
		home := func(other Account) bool {
			return other.Chain == a.Chain && other.Address == a.Address && other.Protocol == ""
		}
		if a.Protocol != "" && !slices.ContainsFunc(p.Accounts, home) {
			all = append(all, fmt.Sprintf("account %q is what lies in %s, and no account is what lies at its address itself: what comes back would be nowhere", a.Name, a.Protocol))
		}
		if x, in := p.Contracted(a.Protocol); in && strings.HasPrefix(x.Contract.Adapter, "uniswap-") && len(p.Counted(a.Name)) < 2 {
			all = append(all, fmt.Sprintf("account %q is what lies in %s, where each trade turns one token into the other, and the plan names fewer than two there: register both, with quantity 0 what is not there yet", a.Name, x.Name))
		}
	}
	for _, h := range p.Holdings {
		if a, _ := p.Account(h.Account); a.OnChain() && !p.counted(h) && h.Quantity.IsPositive() {
			all = append(all, fmt.Sprintf("%s in %q is no coin of %s, which will say that there is none: write its token, or put it into another account", h.Symbol, a.Name, a.Chain))
		}
	}
	return append(all, p.strangeCoins()...)
}

// coins of chains as feeds and exchanges call them, by kind or by an EVM chain's number.
var coins = map[string][]string{Bitcoin: {"BTC", "XBT"}, Solana: {"SOL"}, "1": {"ETH"}, "10": {"ETH"}, "56": {"BNB"}, "100": {"XDAI"},
	"137": {"POL", "MATIC"}, "8453": {"ETH"}, "42161": {"ETH"}}

// strangeCoins are holdings that would be counted as a chain's own coin and are called otherwise: most often a token without its address.
func (p *Plan) strangeCoins() (all []string) {
	for _, a := range p.AccountsOnChains() {
		x, _ := p.Chained(a.Chain)
		known := coins[x.Chain.Kind]
		if x.EVM() {
			known = coins[fmt.Sprint(x.Chain.ID)]
		}
		for _, h := range p.Counted(a.Name) {
			if h.Token == "" && len(known) > 0 && !slices.ContainsFunc(known, func(coin string) bool { return named(h.Symbol, coin) }) {
				all = append(all, fmt.Sprintf("%s in %q has no token, so it is what %s says of its own coin, %s: if it is a token, write its address", h.Symbol, a.Name, a.Chain, known[0]))
			}
		}
	}
	return all
}

// named says that a symbol is a coin's, alone or as a pair with money: ETH, ETH-USD, ETHUSD.
func named(symbol, coin string) bool {
	rest, is := strings.CutPrefix(strings.ToUpper(symbol), coin)
	return is && (rest == "" || strings.ContainsAny(rest[:1], "-/._") || slices.Contains([]string{"USD", "USDT", "USDC", "EUR"}, rest))
}

// A spot is what may be there once.
type spot struct{ where, what string }

// checkTokens wants one contract for one symbol on a chain: an exit by the symbol must not mean either of two.
func (d *decoder) checkTokens(p *Plan) {
	symbols, tokens := map[spot]int{}, map[spot]int{} // :: on a chain, a symbol; in an account, a token → holding
	for i, h := range p.Holdings {
		path := fmt.Sprintf("holdings[%d]", i)
		a, known := p.Account(h.Account)
		on, chained := p.Chained(a.Chain)
		switch {
		case known && a.Chain == "" && h.Token != "":
			d.faultAt(path+".token", fmt.Sprintf("token is a contract on the account's chain, and %s has no chain", shorten(h.Account, textMax)), "")
		case h.Decimals != nil && (!chained || on.Chain.Kind != Cosmos):
			d.faultAt(path+".decimals", "decimals are of denominations of Cosmos; elsewhere they are known", "")
		}
		if !chained {
			continue
		}
		d.checkToken(path, h, a, on.Chain)
		at := spot{a.Chain, h.Symbol}
		if before, twice := symbols[at]; !twice {
			symbols[at] = i
		} else if p.Holdings[before].Token != h.Token {
			d.faultAt(path, fmt.Sprintf("%s on %s is another contract at %s: one symbol, one token", h.Symbol, a.Chain, d.where(fmt.Sprintf("holdings[%d]", before))), "")
		}
		if a.OnChain() && p.counted(h) {
			d.checkCounted(p, path, i, on.Chain, tokens)
		}
	}
}

// checkCounted wants one symbol for one token in an account of which the chain says what it holds.
func (d *decoder) checkCounted(p *Plan, path string, i int, c *Chain, tokens map[spot]int) {
	h := p.Holdings[i]
	at := spot{h.Account, h.Token}
	if c.Kind == Cosmos {
		at.what, _, _ = c.Denomination(h)
	}
	before, twice := tokens[at]
	if !twice {
		tokens[at] = i
	}
	first := d.where(fmt.Sprintf("holdings[%d]", before))
	switch other := p.Holdings[before].Symbol; {
	case h.Token == "" && !coinLike(h.Class, c):
		d.faultAt(path, fmt.Sprintf("%s has no token, and would be counted as the own coin of the chain: write its token", h.Symbol), "")
	case !twice || other == h.Symbol: // the second is told already
	case h.Token == "":
		d.faultAt(path, fmt.Sprintf("%s and %s at %s have no token, and only one of them can be the chain's own coin", h.Symbol, other, first), "")
	default:
		d.faultAt(path+".token", fmt.Sprintf("%s at %s has the same token", other, first), "")
	}
}

// coinLike reports a class that a chain's own coin can be of; a dollar is one on Gnosis.
func coinLike(class string, c *Chain) bool {
	return slices.Contains([]string{"crypto", "other", ""}, class) || class == "stablecoin" && (c.ID == gnosis || c.Kind == Cosmos)
}

// checkToken holds what is written of one holding on a chain to what tokens are there.
func (d *decoder) checkToken(path string, h Holding, a Account, c *Chain) {
	switch c.Kind {
	case EVM, "":
		if meant, err := parseAddress(h.Token); h.Token != "" && err != nil {
			d.faultAt(path+".token", fmt.Sprintf("token %s", err), meant)
		}
	case Bitcoin:
		if h.Token != "" {
			d.faultAt(path+".token", fmt.Sprintf("%s has one coin and no tokens: leave token out", a.Chain), "")
		}
	case Solana:
		if err := address.CheckSolana(h.Token); h.Token != "" && err != nil {
			d.faultAt(path+".token", fmt.Sprintf("token is no mint: %s", err), "")
		}
	case Cosmos:
		_, _, ok := c.Denomination(h)
		switch {
		case h.Token != "" && !denomForm.MatchString(h.Token):
			d.faultAt(path+".token", "token is no denomination, such as uatom or ibc/ and 64 hex digits", "")
		case !ok && h.Token == "":
			d.faultAt(path, fmt.Sprintf("the own coin of %s is not known: %s wants token, its denomination such as uatom, and decimals", a.Chain, h.Symbol), "")
		case !ok:
			d.faultAt(path, fmt.Sprintf("%s wants decimals: how many digits of %s lie behind the point", h.Symbol, shorten(h.Token, textMax)), "")
		}
	}
}
