package plan

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"lifeboat/secret"
)

// checkChains holds what the register says of chains, contracts and addresses to what can be reached and believed.
func (d *decoder) checkChains(p *Plan) {
	ids := map[string]string{} // :: chain → path
	for i, x := range p.Dependencies {
		path := fmt.Sprintf("dependencies[%d]", i)
		if x.Chain != nil {
			d.checkChain(path, x)
			d.checkRelay(p, path+".chain", x)
			id := x.Chain.label()
			if first, twice := ids[id]; twice && id != "" {
				d.faultAt(path+".chain", fmt.Sprintf("chain %s is already reached at %s; its nodes belong into one list", id, d.where(first)), "")
			}
			ids[id] = path
		}
		if x.Contract != nil {
			d.checkContract(p, path, x)
		}
	}
	for i, a := range p.Accounts {
		path := fmt.Sprintf("accounts[%d]", i)
		d.checkSafe(p, path, a)
		d.checkWhere(p, path, a)
	}
	d.checkOneOwner(p)
	d.checkShareOnce(p)
	d.checkTokens(p)
}

func (d *decoder) checkChain(path string, x Dependency) {
	c := x.Chain
	if x.Kind != "chain" && x.Kind != "" {
		d.faultAt(path+".chain", fmt.Sprintf("chain is for dependencies of kind chain, and this one is a %s", x.Kind), "")
	}
	path += ".chain"
	d.checkKindOfChain(path, x)
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
	if x.EVM() && c.UrgentCeiling < c.GasCeiling {
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

// NodeURL holds the address of a node, once it is known what its references stand for, to what checkNode holds one to that is written out.
func NodeURL(text string) error {
	_, err := closedURL(text, "https", "http", "wss", "ws")
	return err
}

// closedURL has one of some schemes, and nobody on the way to it can listen.
func closedURL(text string, schemes ...string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme):
		return nil, errors.New("is no address that begins with https://")
	case (u.Scheme == "http" || u.Scheme == "ws") && !isHere(u.Hostname()):
		return nil, fmt.Errorf("would be asked through the open: %s:// is only for this machine", u.Scheme)
	}
	return u, nil
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

func (d *decoder) checkContract(p *Plan, path string, x Dependency) {
	c := x.Contract
	if on, ok := p.Chained(c.Chain); ok && !on.EVM() {
		d.faultAt(path+".contract.chain", fmt.Sprintf("lifeboat reads contracts on EVM chains, and %s is a chain of kind %s", shorten(c.Chain, textMax), on.Chain.Kind), "")
	}
	if x.Kind != "" && !slices.Contains([]string{"protocol", "oracle", "bridge", "tool", "other"}, x.Kind) {
		d.faultAt(path+".contract", fmt.Sprintf("contract is for dependencies of kind protocol, oracle, bridge, tool or other, and this one is a %s", x.Kind), "")
	}
	path += ".contract"
	bridge := slices.Contains(bridges, c.Adapter)
	if bridge && x.Kind != "bridge" && x.Kind != "" {
		d.faultAt(path+".adapter", fmt.Sprintf("%s is a bridge: write kind: bridge", c.Adapter), "")
	}
	d.checkBridge(path, c)
	allowed := moreAddresses[c.Adapter]
	for _, name := range slices.Sorted(maps.Keys(c.Addresses)) {
		at := path + ".addresses." + name
		if meant, err := parseAddress(c.Addresses[name]); err != nil {
			d.faultAt(at, fmt.Sprintf("%s %s", shorten(name, textMax), err), meant)
		} else {
			c.Addresses[name] = meant
		}
		switch {
		case slices.Contains(allowed, name) || c.Adapter == "" || bridge:
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

// checkSafe holds a Safe to a chain that knows Safes, and to keys that are not its owners'.
func (d *decoder) checkSafe(p *Plan, path string, a Account) {
	on, chained := p.Chained(a.Chain)
	if a.Kind == "safe" && chained && !on.EVM() {
		d.faultAt(path+".kind", fmt.Sprintf("a Safe lives on an EVM chain, and %s is a chain of kind %s; such an account is a wallet", shorten(a.Chain, textMax), on.Chain.Kind), "wallet")
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
