package plan

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// checkExits holds every exit to what its account, its chain and its authority permit.
func (d *decoder) checkExits(p *Plan) {
	for i, b := range p.Playbooks {
		walkPaths(fmt.Sprintf("playbooks[%d].steps", i), b.Steps, func(path string, s Step) {
			if path += ".exit"; s.Exit != nil && !d.bad[path] {
				d.checkExit(p, path, *s.Exit)
				d.checkKeepTrying(path, s)
			}
		})
	}
}

// keepTryingMax bounds for how long a refused exit is tried again: what owners meant yesterday is asked again.
const keepTryingMax = Duration(day)

func (d *decoder) checkKeepTrying(path string, s Step) {
	switch long := s.Exit.KeepTrying; {
	case long > keepTryingMax:
		d.faultAt(path+".keep_trying", fmt.Sprintf("an exit is tried again for %s at most; what was meant longer ago is asked again: write retries", keepTryingMax), "")
	case long > s.Timeout:
		d.faultAt(path+".keep_trying", fmt.Sprintf("the step ends after %s, its timeout, and so nothing can be tried again for %s", s.Timeout, long), "")
	}
}

func (d *decoder) checkExit(p *Plan, path string, e Exit) {
	a, known := p.Account(e.Account)
	switch {
	case !known: // which is told already
		return
	case a.Kind != "safe":
		d.faultAt(path+".account", fmt.Sprintf("an exit acts from a Safe, and %s is a %s: its owner moves it; write a manual step", a.Name, a.Kind), "")
		return
	case a.Chain == "":
		d.faultAt(path+".account", fmt.Sprintf("%s has no chain: write it beside its address", a.Name), "")
		return
	}
	if slices.ContainsFunc(e.Do, ofKeys) {
		d.checkKeyChange(path, a, e)
		d.checkExitVia(p, path, a, e)
		return
	}
	if e.Key != "" || e.Spare != "" {
		d.faultAt(path, "key and spare are for replace-owner", "")
	}
	d.checkExitDoes(p, path, a, e)
	d.checkExitBridge(p, path, a, e)
	d.checkExitAssets(p, path, a, e)
	d.checkExitTo(p, path, a, e)
	d.checkExitVia(p, path, a, e)
}

// ofProtocol is what cannot be done without knowing where.
var ofProtocol = []string{"withdraw", "repay", "unwind", "remove-liquidity", "unstake", "claim"}

// adaptersOf what can be done: where each means something.
var adaptersOf = map[string][]string{
	"withdraw":         {"aave-v3", "compound-v3", "erc-4626", "uniswap-v3"},
	"repay":            {"aave-v3", "compound-v3"},
	"unwind":           {"aave-v3", "compound-v3"},
	"remove-liquidity": {"uniswap-v2", "uniswap-v3"},
	"swap":             {"uniswap-v2", "uniswap-v3"},
	"unstake":          {"lido", "erc-4626"},
	"claim":            {"lido"},
	"bridge":           bridges,
}

// alone is what one exit does not do together with anything else, because what comes out of the one is not known before it is done.
var alone = []string{"swap", "remove-liquidity", "unstake", "claim"}

// checkExitDoes wants each act to have a protocol that it can be done in, on the account's own chain.
func (d *decoder) checkExitDoes(p *Plan, path string, a Account, e Exit) {
	for _, named := range []struct{ key, name string }{{"protocol", e.Protocol}, {"through", e.Through}} {
		if x, ok := p.Contracted(named.name); ok && x.Contract.Chain != a.Chain {
			d.faultAt(path+"."+named.key, fmt.Sprintf("%s is on %s, and %s on %s", x.Name, x.Contract.Chain, a.Name, a.Chain), "")
		}
	}
	for i, what := range e.Do {
		at := fmt.Sprintf("%s.do[%d]", path, i)
		where := e.Protocol
		if (what == "swap" || what == "bridge") && e.Through != "" {
			where = e.Through
		}
		x, known := p.Contracted(where)
		switch {
		case slices.Contains(e.Do[:i], what):
			d.faultAt(at, what+" stands here twice", "")
		case where == "" && slices.Contains(ofProtocol, what):
			d.faultAt(at, fmt.Sprintf("%s wants protocol: a dependency with a contract", what), "")
		case where == "" && what == "swap":
			d.faultAt(at, "swap wants through: a dependency with the contract of an exchange", "")
		case where == "" && what == "bridge":
			d.faultAt(at, "bridge wants through: a dependency with the contract of a bridge", "")
		case known && adaptersOf[what] != nil && !slices.Contains(adaptersOf[what], x.Contract.Adapter):
			d.faultAt(at, fmt.Sprintf("%s is not done in %s, which is %s; it is done in %s", what, x.Name, x.Contract.Adapter, orList(adaptersOf[what])), "")
		case len(e.Do) > 1 && slices.Contains(alone, what) && slices.ContainsFunc(e.Do, func(other string) bool { return other != what && other != "transfer" }):
			d.faultAt(at, fmt.Sprintf("%s is an exit of its own: make it a step of its own; only transfer may stand beside it", what), "")
		case known && what == "swap" && x.Contract.Addresses["router"] == "":
			d.faultAt(at, fmt.Sprintf("swap wants the router of %s: write addresses: {router: 0x…} in its contract", x.Name), "")
		}
	}
	does := func(what ...string) bool {
		return slices.ContainsFunc(what, func(w string) bool { return slices.Contains(e.Do, w) })
	}
	through, known := p.Contracted(e.Through)
	switch {
	case e.Through != "" && !does("swap", "unwind", "bridge"):
		d.faultAt(path+".through", "through is for a swap, a bridge, or an unwind that has to sell", "")
	case known && does("unwind") && !slices.Contains(adaptersOf["swap"], through.Contract.Adapter):
		d.faultAt(path+".through", fmt.Sprintf("nothing is sold through %s, which is %s; it is sold through %s", through.Name, through.Contract.Adapter, orList(adaptersOf["swap"])), "")
	case known && does("unwind") && through.Contract.Addresses["router"] == "":
		d.faultAt(path+".through", fmt.Sprintf("selling wants the router of %s: write addresses: {router: 0x…} in its contract", through.Name), "")
	case e.MaxSlippage > 0 && !does("swap", "remove-liquidity", "unwind"):
		d.faultAt(path+".max_slippage", "max_slippage is for a swap, for liquidity that is removed, or for what an unwind sells", "")
	case e.MaxSlippage >= 1:
		d.faultAt(path+".max_slippage", "a slippage of everything is no bound", "")
	}
	if e.MinHealth > 0 && e.MinHealth <= 1 {
		d.faultAt(path+".min_health", "at a health factor of 1 a debt is liquidated; min_health lies above", "")
	}
}

// checkExitAssets wants every symbol to be one token on the account's chain.
func (d *decoder) checkExitAssets(p *Plan, path string, a Account, e Exit) {
	tokens := p.Tokens(a.Chain)
	registered := func(at, symbol string) {
		if symbol != "" && d.knows(p, "symbol", symbol) && !slices.ContainsFunc(tokens, func(t Token) bool { return t.Symbol == symbol }) {
			d.faultAt(at, fmt.Sprintf("%s is not registered on %s: add a holding of it in %s with its token, quantity 0 if there is none yet", symbol, a.Chain, a.Name), "")
		}
	}
	for i, symbol := range e.Assets {
		at := fmt.Sprintf("%s.assets[%d]", path, i)
		registered(at, symbol)
		if slices.Contains(e.Assets[:i], symbol) {
			d.faultAt(at, symbol+" stands here twice", "")
		}
	}
	registered(path+".into", e.Into)
	if why := p.severally(e); why != "" {
		d.faultAt(path+".assets", why, "")
	}
	swaps := slices.Contains(e.Do, "swap")
	switch {
	case swaps && e.Into == "":
		d.faultAt(path, "a swap wants into: the symbol that it brings", "")
	case !swaps && e.Into != "":
		d.faultAt(path+".into", "into is for a swap", "")
	case swaps && slices.Contains(e.Assets, e.Into):
		d.faultAt(path+".into", e.Into+" would be swapped into itself", "")
	}
	switch {
	case e.Amount.IsPositive() && e.Fraction > 0:
		d.faultAt(path, "an exit has amount or fraction, not both; all is done when neither is written", "")
	case e.Amount.IsPositive() && len(e.Assets) != 1:
		d.faultAt(path+".amount", "an amount is of one asset: write it under assets", "")
	case len(e.Assets) == 0 && (swaps || e.Bridges() || slices.Contains(e.Do, "transfer")) && !slices.ContainsFunc(e.Do, func(what string) bool { return slices.Contains(ofProtocol, what) }):
		d.faultAt(path, "the exit wants assets: the symbols that it is done with", "")
	}
}

// severally says why an exit cannot be done with several assets at once; "" when it can, or has only one.
func (p *Plan) severally(e Exit) string {
	x, _ := p.Contracted(e.Protocol)
	if slices.Contains(e.Do, "swap") && e.Through != "" {
		x, _ = p.Contracted(e.Through)
	}
	switch {
	case len(e.Assets) < 2 || x.Contract == nil:
	case slices.Contains(e.Do, "remove-liquidity") && slices.Contains(adaptersOf["remove-liquidity"], x.Contract.Adapter):
		return "liquidity comes back as both tokens of the pool at once: name one of them, or none for all there is"
	case slices.Contains(e.Do, "withdraw") && x.Contract.Adapter == "uniswap-v3":
		return "the fees of a position come as both tokens at once: name one of them, or none for all there is"
	case slices.Contains(e.Do, "swap") && x.Contract.Adapter == "uniswap-v2":
		return fmt.Sprintf("%s swaps one asset in one exit: write a step for each", x.Name)
	}
	return ""
}

// checkExitTo lets value go to the plan's own accounts on the same chain, and nowhere else.
func (d *decoder) checkExitTo(p *Plan, path string, a Account, e Exit) {
	to, known := p.Account(e.To)
	switch {
	case !known || e.Bridges(): // which is told already, or by checkExitBridge
	case to.Chain != a.Chain || to.Address == "":
		d.faultAt(path+".to", fmt.Sprintf("%s has no address on %s, so nothing can be sent there", to.Name, a.Chain), "")
	case e.To == e.Account && slices.Contains(e.Do, "transfer"):
		d.faultAt(path, "a transfer wants to: the account that receives", "")
	case e.To != e.Account && e.Via == "role":
		d.faultAt(path+".to", "a role brings things home to the Safe itself and nowhere else; what goes on from there the owners sign", "")
	case e.To != e.Account && slices.Equal(e.Do, []string{"revoke"}):
		d.faultAt(path+".to", "a revoke sends nothing", "")
	}
}

// checkExitVia wants who stands behind the exit on chain to be set up, and who is asked to be able to say yes that way.
func (d *decoder) checkExitVia(p *Plan, path string, a Account, e Exit) {
	relayer, roles := a.Safe != nil && a.Safe.Relayer != nil, a.Safe != nil && a.Safe.Roles != nil
	switch {
	case e.Via == "role" && !roles:
		d.faultAt(path+".via", fmt.Sprintf("via: role wants safe.roles in %s: the module, the role and the bot's key", a.Name), "")
	case e.Via != "role" && !relayer:
		d.faultAt(path+".account", fmt.Sprintf("via: %s wants safe.relayer in %s: the key that pays the gas", e.Via, a.Name), "")
	}
	if e.ProvenWithin != 0 && e.Via != "presigned" {
		d.faultAt(path+".proven_within", "proven_within is for what was presigned; everything else is tried when its step comes", "")
	}
	m, mandate := p.Mandate(e.By)
	switch {
	case e.Via != "owners":
		if mandate && m.Factor == "wallet" {
			d.faultAt(path+".by", fmt.Sprintf("via: %s takes no signatures of wallets, so %s could never say yes; use another factor", e.Via, shorten(m.Name, textMax)), "")
		}
	case e.By == "":
		d.faultAt(path, "via: owners wants by: a mandate with factor: wallet, whose people sign", "")
	case !mandate && d.knows(p, "approver", e.By):
		d.faultAt(path+".by", fmt.Sprintf("via: owners wants a mandate with factor: wallet, and %q is a person or role", shorten(e.By, textMax)), "")
	case mandate && m.Factor != "wallet":
		d.faultAt(path+".by", fmt.Sprintf("via: owners wants signatures: %s wants factor: wallet", shorten(m.Name, textMax)), "")
	}
}

// checkWalletMandates refuses a mandate of wallets wherever there is no transaction of a Safe to sign.
func (d *decoder) checkWalletMandates(p *Plan) {
	d.walk(p, func(path string, r rules, v reflect.Value) {
		m, mandate := p.Mandate(v.String())
		if (r.to == "authority" || r.to == "approver") && mandate && m.Factor == "wallet" && !strings.HasSuffix(path, ".exit.by") {
			d.faultAt(path, fmt.Sprintf("%s signs with wallets, and only an exit has a transaction for them to sign", shorten(m.Name, textMax)), "")
		}
	})
}
