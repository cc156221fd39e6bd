package plan

import (
	"fmt"
	"slices"
	"time"
)

// Custody says who can move what a wallet or a Safe holds, and where what brings a lost key back is kept. It says where, and never
// what: a file with a seed phrase or a private key in it is refused.
type Custody struct {
	Signers   []Signer    `json:"signers" plan:"required"`                // one for each key
	Spares    []Signer    `json:"spares,omitempty"`                       // keys that can nothing yet, ready to take the place of one that is lost or stolen
	Threshold int         `json:"threshold,omitempty" plan:"range=1-256"` // how many of the keys have to sign; 1 when absent
	Backups   []KeyBackup `json:"backups,omitempty"`                      // of the keys
	Restored  string      `json:"restored,omitempty"`                     // the day on which a key was last brought back from its backup, as a test: 2026-05-01
	Modules   []string    `json:"modules,omitempty" plan:"address"`       // those that a Safe may have, besides the one under roles
	Guards    []string    `json:"guards,omitempty" plan:"address"`        // those that a Safe may have
	Handlers  []string    `json:"handlers,omitempty" plan:"address"`      // fallback handlers that a Safe may have, besides Safe's own
	Policy    CustodyRule `json:"policy,omitzero"`                        // what the owner wants of it
}

// Signer is one key and who has it.
type Signer struct {
	Who    string `json:"who" plan:"required,to=person"`   // a person, by name
	Wallet string `json:"wallet,omitempty" plan:"address"` // the address that signs, which an owner of a Safe must have; public
	Device string `json:"device,omitempty"`                // what the key is on, as backups call it; to be written when one person has several keys
	Kept   string `json:"kept,omitempty"`                  // where the key is: hardware wallet at home. Never the key
	Seen   string `json:"seen,omitempty"`                  // the day on which the key was last known to sign: 2026-10-01. What it signs through lifeboat counts by itself
}

// KeyBackup is what brings a key back when its device is lost.
type KeyBackup struct {
	Of      string `json:"of" plan:"required"`                            // the device, or the person when that has one key here
	Where   string `json:"where" plan:"required"`                         // the place: bank safe. Never what lies there
	Medium  string `json:"medium,omitempty" plan:"of=steel|paper|device"` // what it is on
	Checked string `json:"checked,omitempty"`                             // the day on which somebody last looked that it is there and can be read
}

// CustodyRule is what the owner wants of custody; lifeboat custody says where it is not so.
type CustodyRule struct {
	SeenWithin     Duration `json:"seen_within,omitempty"`                        // how long a key may not have signed; 90d when absent
	RestoreWithin  Duration `json:"restore_within,omitempty"`                     // how old the last test of a backup may be; 365d when absent
	CheckedWithin  Duration `json:"checked_within,omitempty"`                     // how long nobody may have looked at a backup; 365d when absent
	ThresholdLeast int      `json:"threshold_least,omitempty" plan:"range=1-256"` // how many keys must be needed; 2 for a Safe and 1 for a wallet when absent
	Alone          []string `json:"alone,omitempty" plan:"to=person"`             // people who may hold as many keys as are needed
}

// Signatures that it takes to move what is there.
func (c Custody) Signatures() int { return max(1, c.Threshold) }

// Rule is the owner's, with what was left to be understood filled in for a kind of account.
func (c Custody) Rule(kind string) CustodyRule {
	rule := c.Policy
	fill(&rule.SeenWithin, Duration(90*day))
	fill(&rule.RestoreWithin, Duration(365*day))
	fill(&rule.CheckedWithin, Duration(365*day))
	if rule.ThresholdLeast == 0 && kind == "safe" {
		rule.ThresholdLeast = 2
	}
	rule.ThresholdLeast = max(1, rule.ThresholdLeast)
	return rule
}

// Name of the key, as people and backups call it.
func (s Signer) Name() string {
	if s.Device != "" {
		return s.Device
	}
	return s.Who
}

// Day that is written as 2026-10-01; false when there is none.
func Day(text string) (time.Time, bool) {
	t, err := time.Parse(time.DateOnly, text)
	return t, err == nil
}

// checkCustody holds what is written of keys to what can be: a signer who is one person, a threshold that can be met, a backup of
// a key that is there.
func (d *decoder) checkCustody(p *Plan) {
	for i, a := range p.Accounts {
		path := fmt.Sprintf("accounts[%d].custody", i)
		if a.Custody == nil || d.bad[path] && len(a.Custody.Signers) == 0 {
			continue
		}
		if a.Kind != "" && a.Kind != "safe" && a.Kind != "wallet" {
			d.faultAt(path, fmt.Sprintf("custody is for accounts of kind safe or wallet, and %s is a %s", shorten(a.Name, textMax), a.Kind), "")
		}
		d.checkSigners(p, path, a)
		d.checkKeyBackups(path, *a.Custody)
		d.checkDay(path+".restored", "restored", a.Custody.Restored)
		if n := len(a.Custody.Signers); a.Custody.Threshold > n && n > 0 && !d.bad[path+".signers"] {
			d.faultAt(path+".threshold", fmt.Sprintf("%d signatures are never together: there are %d keys", a.Custody.Threshold, n), "")
		}
		if len(a.Custody.Spares) > 0 && a.Kind == "wallet" {
			d.faultAt(path+".spares", "a wallet has its one key for ever; only a Safe can take another", "")
		}
		if a.Kind == "wallet" && (len(a.Custody.Modules) > 0 || len(a.Custody.Guards) > 0 || len(a.Custody.Handlers) > 0) {
			d.faultAt(path, "only a Safe has modules and guards", "")
		}
	}
}

func (d *decoder) checkSigners(p *Plan, path string, a Account) {
	wallets, keys := map[string]string{}, map[string]string{} // :: wallet or name of the key → where it stands
	for i, s := range slices.Concat(a.Custody.Signers, a.Custody.Spares) {
		at := fmt.Sprintf("%s.signers[%d]", path, i)
		if spare := i - len(a.Custody.Signers); spare >= 0 {
			at = fmt.Sprintf("%s.spares[%d]", path, spare)
		}
		who := p.Person(s.Who)
		if len(who) > 0 && who[0].Name != s.Who {
			d.faultAt(at+".who", fmt.Sprintf("%q is a role, and a key is one person's: write the name", shorten(s.Who, textMax)), "")
		}
		switch first, twice := wallets[s.Wallet]; {
		case s.Wallet == "":
			if a.Kind == "safe" && !d.bad[at+".wallet"] {
				d.faultAt(at, "an owner of a Safe wants wallet, the address that signs", "")
			}
		case twice:
			d.faultAt(at+".wallet", fmt.Sprintf("the same wallet stands at %s: one key, one signature", d.where(first)), "")
		default:
			wallets[s.Wallet] = at
			if other, ok := find(p.People, func(q Person) bool { return slices.Contains(q.Wallets, s.Wallet) }); ok && other.Name != s.Who {
				d.faultAt(at+".wallet", fmt.Sprintf("people says that this wallet is %s's", shorten(other.Name, textMax)), "")
			}
		}
		if first, twice := keys[s.Name()]; twice {
			d.faultAt(at, fmt.Sprintf("another key is called %q at %s: write device for each", shorten(s.Name(), textMax), d.where(first)), "")
		}
		keys[s.Name()] = at
		d.checkDay(at+".seen", "seen", s.Seen)
	}
}

func (d *decoder) checkKeyBackups(path string, c Custody) {
	var names []string
	for _, s := range c.Signers {
		names = append(names, s.Name())
		if s.Device != "" {
			names = append(names, s.Who)
		}
	}
	for i, b := range c.Backups {
		at := fmt.Sprintf("%s.backups[%d]", path, i)
		d.checkDay(at+".checked", "checked", b.Checked)
		switch of := c.Of(b); {
		case b.Of == "":
		case len(of) == 0:
			d.faultAt(at+".of", fmt.Sprintf("no signer here and no device is called %q", shorten(b.Of, textMax)), d.nearest(b.Of, names))
		case len(of) > 1:
			d.faultAt(at+".of", fmt.Sprintf("%s has %d keys here; name the device that it is a backup of", shorten(b.Of, textMax), len(of)), "")
		}
	}
}

// Of a backup, the keys that it may bring back: that of the device, else all of the person.
func (c Custody) Of(b KeyBackup) []Signer {
	if s, ok := find(c.Signers, func(s Signer) bool { return s.Device != "" && s.Device == b.Of }); ok {
		return []Signer{s}
	}
	var all []Signer
	for _, s := range c.Signers {
		if s.Who == b.Of {
			all = append(all, s)
		}
	}
	return all
}

func (d *decoder) checkDay(path, name, text string) {
	if _, ok := Day(text); text != "" && !ok && !d.bad[path] {
		d.faultAt(path, fmt.Sprintf("%s wants a day such as 2026-10-01, not %q", name, shorten(text, textMax)), "")
	}
}
