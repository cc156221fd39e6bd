package plan

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// keyActs are what an exit does against a key that is stolen. They move no value, and stand in a step of their own.
var keyActs = []string{"replace-owner", "revoke-role", "disable-module"}

func ofKeys(do string) bool { return slices.Contains(keyActs, do) }

// ChangesKeys says that the exit is about who can act for the Safe, and not about what is in it.
func (e Exit) ChangesKeys() bool { return len(e.Do) > 0 && ofKeys(e.Do[0]) }

// KeyOrder is a change of keys with every name in it resolved to an address.
type KeyOrder struct {
	Owner  string `json:"owner,omitempty"`  // whose place is taken
	Spare  string `json:"spare,omitempty"`  // who takes it
	Module string `json:"module,omitempty"` // that is disabled, or of which Bot is a member no more
	Bot    string `json:"bot,omitempty"`
	// Names are whose these keys are, and those of the other owners, :: address → name, for people to read.
	Names map[string]string `json:"names,omitempty"`
}

// KeyRules are the only changes of the Safe itself that the order asks for: an owner and who takes its place, and a module that is
// taken away. What is not asked for is zero.
func (o ExitOrder) KeyRules() (owner, spare, module common.Address) {
	if o.Keys == nil {
		return owner, spare, module
	}
	if slices.Contains(o.Do, "replace-owner") {
		owner, spare = common.HexToAddress(o.Keys.Owner), common.HexToAddress(o.Keys.Spare)
	}
	if slices.Contains(o.Do, "disable-module") {
		module = common.HexToAddress(o.Keys.Module)
	}
	return owner, spare, module
}

// keyOrder resolves the keys of an exit by the register of the account, and by nothing else.
func (p *Plan) keyOrder(a Account, e Exit) (KeyOrder, error) {
	o := KeyOrder{Names: map[string]string{}}
	if c := a.Custody; c != nil {
		for _, s := range c.Signers {
			o.Names[s.Wallet] = s.told()
		}
		for _, s := range c.Spares {
			o.Names[s.Wallet] = s.told() + ", a spare"
		}
	}
	if slices.Contains(e.Do, "replace-owner") {
		key, known := a.Custody.key(e.Key)
		spare, kept := a.Custody.spare(e.Spare)
		if !known || !kept {
			return o, fmt.Errorf("the plan no longer has a key %q and a spare %q under custody of %s", e.Key, e.Spare, a.Name)
		}
		o.Owner, o.Spare = key.Wallet, spare.Wallet
	}
	if slices.Contains(e.Do, "revoke-role") || slices.Contains(e.Do, "disable-module") {
		if a.Safe == nil || a.Safe.Roles == nil || a.Safe.Roles.Key == nil {
			return o, fmt.Errorf("the plan no longer has roles at %s", a.Name)
		}
		o.Module, o.Bot = a.Safe.Roles.Module, a.Safe.Roles.Key.Address
		o.Names[o.Module], o.Names[o.Bot] = "the Roles module", "the bot"
	}
	return o, nil
}

// told is whose key it is.
func (s Signer) told() string {
	if s.Device != "" {
		return fmt.Sprintf("the key of %s on %s", s.Who, s.Device)
	}
	return "the key of " + s.Who
}

// key of a signer, as backups call it.
func (c *Custody) key(name string) (Signer, bool) {
	if c == nil {
		return Signer{}, false
	}
	return find(c.Signers, func(s Signer) bool { return s.Name() == name })
}

func (c *Custody) spare(name string) (Signer, bool) {
	if c == nil {
		return Signer{}, false
	}
	return find(c.Spares, func(s Signer) bool { return s.Name() == name })
}

// checkKeyChange holds a change of keys to the register of the account: who takes an owner's place is written there beforehand, on a
// quiet day, and not in the hour in which somebody says that a key is stolen.
func (d *decoder) checkKeyChange(path string, a Account, e Exit) {
	for i, do := range e.Do {
		at := fmt.Sprintf("%s.do[%d]", path, i)
		switch {
		case slices.Contains(e.Do[:i], do):
			d.faultAt(at, do+" stands here twice", "")
		case !ofKeys(do):
			d.faultAt(at, fmt.Sprintf("a change of keys moves nothing: write a step of its own for %s", do), "")
		case do != "replace-owner" && (a.Safe == nil || a.Safe.Roles == nil):
			d.faultAt(at, fmt.Sprintf("%s wants safe.roles in %s: the module and the bot's key", do, a.Name), "")
		}
	}
	switch {
	case e.Protocol != "" || e.Through != "" || e.Into != "" || len(e.Assets) > 0 || e.Amount.IsPositive() || e.Fraction > 0 || e.MaxSlippage > 0 || e.To != "" && e.To != e.Account:
		d.faultAt(path, "a change of keys moves nothing: it has no protocol, no assets, no amount and no receiver", "")
	case e.Via == "role":
		d.faultAt(path+".via", "who can act for a Safe is its owners' to change, never a bot's", "")
	}
	if !slices.Contains(e.Do, "replace-owner") {
		if e.Key != "" || e.Spare != "" {
			d.faultAt(path, "key and spare are for replace-owner", "")
		}
		return
	}
	d.checkNamedKey(path+".key", "key", e.Key, a, "signers", a.Custody.key)
	d.checkNamedKey(path+".spare", "spare", e.Spare, a, "spares", a.Custody.spare)
}

func (d *decoder) checkNamedKey(path, word, name string, a Account, list string, find func(string) (Signer, bool)) {
	var names []string
	if c := a.Custody; c != nil {
		for _, s := range map[string][]Signer{"signers": c.Signers, "spares": c.Spares}[list] {
			names = append(names, s.Name())
		}
	}
	if name == "" {
		d.faultAt(path[:len(path)-len(word)-1], fmt.Sprintf("replace-owner wants %s: one of custody.%s of %s", word, list, a.Name), "")
	} else if _, known := find(name); !known {
		d.faultAt(path, fmt.Sprintf("custody.%s of %s has no key %q", list, a.Name, shorten(name, textMax)), d.nearest(name, names))
	}
}
