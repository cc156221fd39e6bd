package plan

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"lifeboat/secret"
)

// checkChains holds what the register says of chains, contracts and addresses to what can be reached and believed.
func (d *decoder) checkChains(p *Plan) {
	ids := map[int]string{} // :: chain → path
	for i, x := range p.Dependencies {
		path := fmt.Sprintf("dependencies[%d]", i)
		if x.Chain != nil {
			d.checkChain(path, x)
			if first, twice := ids[x.Chain.ID]; twice && x.Chain.ID != 0 {
				d.faultAt(path+".chain", fmt.Sprintf("chain %d is already reached at %s; its nodes belong into one list", x.Chain.ID, d.where(first)), "")
			}
			ids[x.Chain.ID] = path
		}
		if x.Contract != nil {
			d.checkContract(path, x)
		}
	}
	for i, a := range p.Accounts {
		d.checkOnChain(fmt.Sprintf("accounts[%d]", i), a)
	}
	d.checkTokens(p)
}

func (d *decoder) checkChain(path string, x Dependency) {
	c := x.Chain
	if x.Kind != "chain" && x.Kind != "" {
		d.faultAt(path+".chain", fmt.Sprintf("chain is for dependencies of kind chain, and this one is a %s", x.Kind), "")
	}
	path += ".chain"
	if c.ID == 0 && !d.bad[path+".id"] {
		d.faultAt(path, fmt.Sprintf("%q is no chain that is known by its name, so it wants id, the chain's number", shorten(x.Name, textMax)), "")
	}
	seen := map[string]int{}
	for i, node := range c.Nodes {
		at := fmt.Sprintf("%s.nodes[%d]", path, i)
		d.checkNode(at, "a node", node)
		if first, twice := seen[node]; twice {
			d.faultSecret(at, fmt.Sprintf("this is node %d once more, and a node that agrees with itself proves nothing", first+1))
		}
		seen[node] = i
	}
	if c.Private != "" {
		d.checkNode(path+".private", "private", c.Private)
	}
	if c.Quorum > len(c.Nodes) && len(c.Nodes) > 0 {
		d.faultAt(path+".quorum", fmt.Sprintf("a quorum of %d is never reached with %d nodes", c.Quorum, len(c.Nodes)), "")
	}
	if c.UrgentCeiling < c.GasCeiling {
		d.faultAt(path+".urgent_ceiling", fmt.Sprintf("urgent exits would pay less than others: urgent_ceiling is below gas_ceiling, %s", c.GasCeiling), "")
	}
}

// keyedPart is a part of an address that may be a key: long, without a break.
var keyedPart = regexp.MustCompile(`[A-Za-z0-9_-]{20,}`)

// checkNode holds the address of a node to a reference, or to one in which no key stands. What it wants is never repeated: there
// may be a key in it.
func (d *decoder) checkNode(path, name, text string) {
	if secret.IsReference(text) || text == "" || d.bad[path] {
		return
	}
	u, err := parseURL(text)
	switch {
	case err != nil || u.Host == "" || !slices.Contains([]string{"https", "wss", "http", "ws"}, u.Scheme):
		d.faultSecret(path, fmt.Sprintf("%s wants an address that begins with https:// or wss://, or a reference to one (%s)", name, secret.Forms))
	case (u.Scheme == "http" || u.Scheme == "ws") && !isHere(u.Hostname()):
		d.faultSecret(path, fmt.Sprintf("%s would be asked through the open: %s:// is only for this machine", name, u.Scheme))
	case u.User != nil && !referring(text):
		d.faultSecret(path, name+" holds a password; write ${NAME} and put it in the environment")
	case holdsKey(u.EscapedPath() + "?" + u.RawQuery):
		d.faultSecret(path, name+" holds a key: write ${NAME} in its place and put the key in the environment, and take the key for known")
	}
}

// holdsKey reports a long part with letters and digits behind the host: the words of a path seldom have both.
func holdsKey(path string) bool {
	return slices.ContainsFunc(keyedPart.FindAllString(path, -1), func(part string) bool {
		return strings.ContainsAny(part, "0123456789") && strings.ContainsAny(strings.ToLower(part), "abcdefghijklmnopqrstuvwxyz")
	})
}

// faultSecret is a fault that does not repeat what was written.
func (d *decoder) faultSecret(path, message string) {
	f := d.places.At(path, 0)
	f.Text, f.Message = "", message
	d.faults = append(d.faults, f)
}

// moreAddresses are what each adapter may be told of besides the address itself.
var moreAddresses = map[string][]string{
	"aave-v3":    {"oracle", "data_provider", "gateway"},
	"uniswap-v2": {"router", "factory"},
	"uniswap-v3": {"router", "factory", "pool"},
	"lido":       {"wsteth", "withdrawal_queue"},
	"governor":   {"timelock", "token"},
	"chainlink":  {"sequencer"},
}

func (d *decoder) checkContract(path string, x Dependency) {
	c := x.Contract
	if x.Kind != "" && !slices.Contains([]string{"protocol", "oracle", "bridge", "tool", "other"}, x.Kind) {
		d.faultAt(path+".contract", fmt.Sprintf("contract is for dependencies of kind protocol, oracle, bridge, tool or other, and this one is a %s", x.Kind), "")
	}
	path += ".contract"
	allowed := moreAddresses[c.Adapter]
	for _, name := range slices.Sorted(maps.Keys(c.Addresses)) {
		at := path + ".addresses." + name
		if meant, err := parseAddress(c.Addresses[name]); err != nil {
			d.faultAt(at, fmt.Sprintf("%s %s", shorten(name, textMax), err), meant)
		} else {
			c.Addresses[name] = meant
		}
		switch {
		case slices.Contains(allowed, name) || c.Adapter == "":
		case len(allowed) == 0:
			d.faultAt(at, fmt.Sprintf("%s is told of no address but its own", c.Adapter), "")
		default:
			d.faultAt(at, fmt.Sprintf("%s is told of %s, not of %s", c.Adapter, orList(allowed), shorten(name, textMax)), d.nearest(name, allowed))
		}
	}
	if c.Prices != "" && !slices.Contains([]string{"chainlink", "uniswap-v2", "uniswap-v3"}, c.Adapter) {
		d.faultAt(path+".prices", fmt.Sprintf("%s says no price", c.Adapter), "")
	}
	if c.Heartbeat != 0 && c.Adapter != "chainlink" {
		d.faultAt(path+".heartbeat", "only a chainlink feed has a heartbeat", "")
	}
}

// checkOnChain holds an account to an address where one is needed, and a Safe to keys that are not its owners'.
func (d *decoder) checkOnChain(path string, a Account) {
	if a.Chain != "" || addressForm.MatchString(a.Address) {
		d.checkAccountAddress(path, a)
	}
	if a.Safe == nil {
		return
	}
	path += ".safe"
	switch {
	case a.Kind != "safe" && a.Kind != "":
		d.faultAt(path, fmt.Sprintf("safe is for accounts of kind safe, and %s is a %s", shorten(a.Name, textMax), a.Kind), "")
	case a.Chain == "":
		d.faultAt(path, "a Safe that lifeboat works with wants chain, the dependency on which it lives", "")
	}
	d.checkSigningKey(path+".relayer", a.Safe.Relayer)
	if r := a.Safe.Roles; r != nil {
		if len(r.Role) > 31 {
			d.faultAt(path+".roles.role", "the name of a role has up to 31 letters, as its key on chain has 32 bytes", "")
		}
		d.checkSigningKey(path+".roles.key", r.Key)
	}
}

func (d *decoder) checkAccountAddress(path string, a Account) {
	if a.Address == "" {
		d.faultAt(path, fmt.Sprintf("an account on a chain wants address, and %s has none", shorten(a.Name, textMax)), "")
	} else if meant, err := parseAddress(a.Address); err != nil {
		d.faultAt(path+".address", fmt.Sprintf("address %s", err), meant)
	}
}

// checkSigningKey holds a key to being elsewhere, and to what opens it there.
func (d *decoder) checkSigningKey(path string, k *SigningKey) {
	if k == nil || k.Kind == "" {
		return
	}
	has := map[string]string{"file": k.File, "passphrase": k.Passphrase, "url": k.URL, "id": k.ID, "access": k.Access, "secret": k.Secret}
	wants := map[string][]string{"keystore": {"file", "passphrase"}, "clef": {"url"}, "aws-kms": {"id", "access", "secret"}, "gcp-kms": {"id", "secret"}, "secret": {"secret"}}[k.Kind]
	for _, name := range slices.Sorted(maps.Keys(has)) {
		switch wanted := slices.Contains(wants, name); {
		case wanted && has[name] == "":
			d.faultAt(path, fmt.Sprintf("kind: %s wants %s", k.Kind, strings.Join(wants, ", ")), "")
		case !wanted && has[name] != "" && !(name == "url" && strings.HasSuffix(k.Kind, "-kms")):
			d.faultSecret(path+"."+name, fmt.Sprintf("kind: %s has no %s; it wants %s", k.Kind, name, strings.Join(wants, ", ")))
		case has[name] != "" && slices.Contains([]string{"passphrase", "access", "secret"}, name) && !secret.IsReference(has[name]):
			d.faultSecret(path+"."+name, fmt.Sprintf("%s holds a secret: write where it is kept (%s), and take it for known", name, secret.Forms))
		}
	}
	if k.File != "" && !filepath.IsAbs(k.File) {
		d.faultAt(path+".file", "file wants the full path of a keystore outside the plan directory, where no keystore may lie", "")
	}
	if k.URL != "" {
		d.checkServer(path+".url", "url", k.URL)
	}
}

// checkTokens wants one contract for one symbol on a chain: an exit by the symbol must not mean either of two.
func (d *decoder) checkTokens(p *Plan) {
	type spot struct{ chain, symbol string }
	first := map[spot]int{}
	for i, h := range p.Holdings {
		path := fmt.Sprintf("holdings[%d]", i)
		a, _ := p.Account(h.Account)
		if a.Chain == "" {
			if h.Token != "" {
				d.faultAt(path+".token", fmt.Sprintf("token is a contract on the account's chain, and %s has no chain", shorten(h.Account, textMax)), "")
			}
			continue
		}
		at := spot{a.Chain, h.Symbol}
		if before, twice := first[at]; !twice {
			first[at] = i
		} else if p.Holdings[before].Token != h.Token {
			d.faultAt(path, fmt.Sprintf("%s on %s is another contract at %s: one symbol, one token", h.Symbol, a.Chain, d.where(fmt.Sprintf("holdings[%d]", before))), "")
		}
	}
}

// checkWallets wants each wallet to be one person's, and a mandate of wallets to be one that can be met.
func (d *decoder) checkWallets(p *Plan) {
	first := map[string]string{}
	for i, person := range p.People {
		for j, w := range person.Wallets {
			path := fmt.Sprintf("people[%d].wallets[%d]", i, j)
			if before, twice := first[w]; twice && w != "" {
				d.faultAt(path, fmt.Sprintf("the same wallet stands at %s: it could not be told who signed", d.where(before)), "")
			}
			first[w] = path
		}
	}
	for i, m := range p.Mandates {
		if m.Factor != "wallet" || d.unread["people"] {
			continue
		}
		able := 0
		for _, person := range p.Person(m.By) {
			if len(person.Wallets) > 0 {
				able++
			}
		}
		if need := max(1, m.Need); able < need && len(p.Person(m.By)) >= need {
			d.faultAt(fmt.Sprintf("mandates[%d].factor", i), fmt.Sprintf("%s takes signatures of %d, and %d of %q have wallets; write their addresses under people",
				shorten(m.Name, textMax), need, able, shorten(m.By, textMax)), "")
		}
	}
	d.checkWalletMandates(p)
}
