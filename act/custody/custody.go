// Package custody is the register of keys: for every wallet and Safe of a plan, who can sign, how many have to, where the backups of
// the keys are kept and when one was last tried, and what of this is not as the owner wants it.
//
// [Of] is a pure function of the plan, the time, and what is [Known] besides: which wallets have signed through lifeboat, and how the
// Safes stand on their chains. What a Safe's own contract says is judged by act/safe; here it is held against the people of the plan.
//
// It reads no chain and no journal, holds no key and no phrase, and changes nothing. What the plan says of the world – that a steel
// plate lies in a bank – it can only take from the plan, with the day on which somebody last looked.
package custody

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/act/safe"
	"lifeboat/plan"
	"lifeboat/prose"
)

// Known is what is known besides the plan; all of it may be empty.
type Known struct {
	Signed map[common.Address]time.Time // :: wallet → its last signature
	Safes  map[string]safe.State        // :: account → how its Safe stands on its chain
	Unread map[string]string            // :: account → why its Safe could not be read, where it should have been
}

// Register of the keys.
type Register struct {
	At      time.Time `json:"at"`
	Wallets []Wallet  `json:"wallets"`
}

// Wallet or Safe, and all that is written of its keys.
type Wallet struct {
	Account   string           `json:"account"`
	Kind      string           `json:"kind"`
	Address   string           `json:"address,omitempty"`
	Signers   []Signer         `json:"signers,omitempty"`
	Spares    []Signer         `json:"spares,omitempty"`
	Threshold int              `json:"threshold,omitempty"` // by the plan; 0 when it says nothing of custody
	Backups   []plan.KeyBackup `json:"backups,omitempty"`
	Restored  string           `json:"restored,omitempty"` // the day of the last test of a backup
	OnChain   *OnChain         `json:"on_chain,omitempty"` // nil when it was not read
	Findings  []Finding        `json:"findings,omitempty"`
}

// Signer is a key, and when it last signed or was looked at.
type Signer struct {
	plan.Signer
	Last  *time.Time `json:"last,omitempty"` // nil for never
	Proof bool       `json:"proof"`          // Last is a signature in the journal, not what the plan says
}

// OnChain is what a Safe itself says.
type OnChain struct {
	Block     uint64   `json:"block"`
	Owners    []string `json:"owners"`
	Threshold int      `json:"threshold"`
	Modules   []string `json:"modules,omitempty"`
	Guard     string   `json:"guard,omitempty"`
}

// Finding is something that is not as it should be.
type Finding struct {
	Urgent bool   `json:"urgent"` // somebody may be able to take what is there
	Text   string `json:"text"`
}

// Findings of all wallets.
func (r Register) Findings() (all []Finding) {
	for _, w := range r.Wallets {
		all = append(all, w.Findings...)
	}
	return all
}

// Of a plan at a time.
func Of(p *plan.Plan, now time.Time, k Known) Register {
	r := Register{At: now, Wallets: []Wallet{}}
	for _, a := range p.Accounts {
		if a.Kind == "safe" || a.Kind == "wallet" {
			j := judge{Wallet: Wallet{Account: a.Name, Kind: a.Kind, Address: a.Address}, account: a, people: p.People, now: now}
			j.look(k)
			r.Wallets = append(r.Wallets, j.Wallet)
		}
	}
	return r
}

// A judge fills in one wallet.
type judge struct {
	Wallet
	account plan.Account
	people  []plan.Person
	now     time.Time
	rule    plan.CustodyRule
}

func (j *judge) find(urgent bool, format string, arguments ...any) {
	j.Findings = append(j.Findings, Finding{urgent, fmt.Sprintf(format, arguments...)})
}

func (j *judge) look(k Known) {
	state, read := k.Safes[j.Account]
	if c := j.account.Custody; c == nil {
		j.find(false, "the plan does not say who has the keys; write custody")
	} else {
		j.rule = c.Rule(j.Kind)
		j.Threshold, j.Backups, j.Restored = c.Signatures(), c.Backups, c.Restored
		j.signers(*c, k.Signed)
		j.threshold(read)
		j.alone(*c)
		j.backups(*c)
		j.places(*c)
		j.restored()
	}
	if why := k.Unread[j.Account]; why != "" {
		j.find(false, "how the Safe stands could not be read: %s", why)
	}
	if read {
		j.onChain(state)
	}
}

func (j *judge) signers(c plan.Custody, signed map[common.Address]time.Time) {
	for _, s := range c.Signers {
		j.Signers = append(j.Signers, j.seen(s, key(s), signed))
	}
	for _, s := range c.Spares {
		j.Spares = append(j.Spares, j.seen(s, "the spare of "+strings.TrimPrefix(key(s), "the key of "), signed))
		j.known(s)
	}
}

// known finds a spare that its person could not sign with for lifeboat once it is an owner's key: a yes by a wallet counts for whom the
// plan names the wallet. Who answers with no wallet at all needs none here.
func (j *judge) known(s plan.Signer) {
	for _, person := range j.people {
		has := func(wallet string) bool { return strings.EqualFold(wallet, s.Wallet) }
		if person.Name == s.Who && len(person.Wallets) > 0 && s.Wallet != "" && !slices.ContainsFunc(person.Wallets, has) {
			j.find(false, "the spare of %s is not among the wallets of %s: what it signs once it is in place would count for nobody", strings.TrimPrefix(key(s), "the key of "), s.Who)
		}
	}
}

// seen is when a key last signed, and a finding when that is too long ago: a spare that cannot sign is none.
func (j *judge) seen(s plan.Signer, named string, signed map[common.Address]time.Time) Signer {
	last, _ := plan.Day(s.Seen)
	one := Signer{Signer: s}
	if at, ok := signed[common.HexToAddress(s.Wallet)]; ok && s.Wallet != "" && at.After(last) {
		last, one.Proof = at, true
	}
	if !last.IsZero() {
		one.Last = &last
	}
	j.due(last, time.Duration(j.rule.SeenWithin), named+" was never seen to sign", named+" was last seen to sign")
	return one
}

// due finds what has not been done for too long, and what is said to have been done on a day that is still to come.
func (j *judge) due(last time.Time, within time.Duration, never, words string) {
	switch age := j.now.Sub(last); {
	case last.IsZero():
		j.find(false, "%s", never)
	case age < -daySlack:
		j.find(false, "%s on %s, a day that is still to come", words, last.Format(time.DateOnly))
	case age > within:
		j.find(false, "%s on %s, %s ago; the plan wants it within %s", words, last.Format(time.DateOnly), days(age), days(within))
	}
}

// daySlack is how far a day may be ahead: it has begun elsewhere when it has not here.
const daySlack = 24 * time.Hour

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return prose.Span(d)
	}
	return prose.Count(int(d/(24*time.Hour)), "day")
}

// key says whose it is, and which one.
func key(s plan.Signer) string {
	if s.Device != "" {
		return fmt.Sprintf("the key of %s on %s", s.Who, s.Device)
	}
	return "the key of " + s.Who
}

// threshold of the plan. Where the Safe was read, its own is what counts, and act/safe judges it.
func (j *judge) threshold(read bool) {
	if !read && j.Threshold < j.rule.ThresholdLeast {
		j.find(true, "%d of %s are enough to move what is there, and the plan wants %d at least", j.Threshold, prose.Count(len(j.Signers), "key"), j.rule.ThresholdLeast)
	}
}

// alone finds people who have as many keys as are needed, where more than one key was meant to mean more than one person.
func (j *judge) alone(c plan.Custody) {
	if max(j.Threshold, j.rule.ThresholdLeast) < 2 {
		return
	}
	held := map[string]int{}
	for _, s := range c.Signers {
		if held[s.Who]++; held[s.Who] == j.Threshold && !slices.Contains(j.rule.Alone, s.Who) {
			j.find(true, "%s has %s, enough to move what is there alone", s.Who, prose.Count(held[s.Who], "key"))
		}
	}
}

// backups of each key: there, looked at, and not all at one place.
func (j *judge) backups(c plan.Custody) {
	for _, s := range c.Signers {
		at := map[string]bool{} // places, as [place] writes them
		for _, b := range c.Backups {
			if !slices.Contains(c.Of(b), s) {
				continue
			}
			if at[place(b.Where)] {
				j.find(false, "two backups of %s are at one place, %s: one fire takes both", key(s), b.Where)
			}
			at[place(b.Where)] = true
			checked, _ := plan.Day(b.Checked)
			what := fmt.Sprintf("the backup of %s at %s", key(s), b.Where)
			j.due(checked, time.Duration(j.rule.CheckedWithin), "nobody has looked at "+what, what+" was last looked at")
		}
		switch {
		case len(at) == 0:
			j.find(false, "no backup of %s is written down: with the device the key is lost", key(s))
		case len(at) == 1 && s.Kept != "" && at[place(s.Kept)]:
			j.find(false, "the only backup of %s is where the key is, %s", key(s), s.Kept)
		}
	}
}

// place is the same for two spellings of one.
func place(text string) string { return strings.ToLower(prose.OneLine(text)) }

// places at which so many keys lie in their backups that whoever gets in there needs nobody else.
func (j *judge) places(c plan.Custody) {
	if j.Threshold < 2 {
		return
	}
	keys := map[string]map[plan.Signer]bool{} // :: place → whose keys can be brought back there
	for _, b := range c.Backups {
		for _, s := range c.Of(b) {
			there := keys[place(b.Where)]
			if there == nil {
				there = map[plan.Signer]bool{}
				keys[place(b.Where)] = there
			}
			before := len(there)
			if there[s] = true; before < j.Threshold && len(there) == j.Threshold {
				j.find(true, "backups of %s are at one place, %s: whoever gets in there can move what is there", prose.Count(j.Threshold, "key"), b.Where)
			}
		}
	}
}

func (j *judge) restored() {
	last, _ := plan.Day(j.Restored)
	j.due(last, time.Duration(j.rule.RestoreWithin), "no key was ever brought back from a backup as a test", "a key was last brought back from a backup as a test")
}

// onChain holds the Safe itself to what is written.
func (j *judge) onChain(s safe.State) {
	j.OnChain = &OnChain{Block: s.Block.Number, Owners: hexes(s.Owners), Threshold: s.Threshold, Modules: hexes(s.Modules)}
	if s.Guard != (common.Address{}) {
		j.OnChain.Guard = s.Guard.Hex()
	}
	policy := safe.Policy{ThresholdMin: j.rule.ThresholdLeast, Names: safe.Names{Address: j.name}}
	if c := j.account.Custody; c != nil {
		for _, signer := range c.Signers {
			policy.Owners = append(policy.Owners, common.HexToAddress(signer.Wallet))
		}
		for _, spare := range c.Spares {
			policy.Spares = append(policy.Spares, common.HexToAddress(spare.Wallet))
		}
		policy.Modules, policy.Guards, policy.Fallbacks = addresses(c.Modules), addresses(c.Guards), addresses(c.Handlers)
		if s.Threshold != j.Threshold {
			j.find(s.Threshold < j.Threshold, "%d signatures move the Safe on its chain, and the plan says %d", s.Threshold, j.Threshold)
		}
	}
	if x := j.account.Safe; x != nil && x.Roles != nil {
		policy.Modules = append(policy.Modules, common.HexToAddress(x.Roles.Module))
	}
	for _, f := range s.Findings(policy) {
		j.find(f.Urgent, "%s", f.Text)
	}
}

// name of an address, by the keys and the module of the account.
func (j *judge) name(a common.Address) string {
	for _, s := range j.Signers {
		if s.Wallet != "" && common.HexToAddress(s.Wallet) == a {
			return s.Name()
		}
	}
	if c := j.account.Custody; c != nil {
		for _, s := range c.Spares {
			if common.HexToAddress(s.Wallet) == a {
				return s.Name()
			}
		}
	}
	if x := j.account.Safe; x != nil && x.Roles != nil && common.HexToAddress(x.Roles.Module) == a {
		return "roles"
	}
	return ""
}

func hexes(all []common.Address) (texts []string) {
	for _, a := range all {
		texts = append(texts, a.Hex())
	}
	return texts
}

func addresses(texts []string) (all []common.Address) {
	for _, t := range texts {
		all = append(all, common.HexToAddress(t))
	}
	return all
}
