package exit

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/act/safe"
	"lifeboat/chain/protocol"
	"lifeboat/prose"
)

// show says what an exit does, what is true afterwards, and what it costs, for people who are asked to sign it.
func (d *Desk) show(p Prepared, way protocol.Plan, t tried, f fuel) []string {
	lines := []string{fmt.Sprintf("%s, by the Safe %s (%s) on %s:", p.What, p.Account, p.Tx.Safe.Hex(), d.Name)}
	for i, c := range way.Calls {
		lines = append(lines, fmt.Sprintf("  %d. %s", i+1, c.Words))
	}
	for _, note := range way.Notes {
		lines = append(lines, "  note: "+note)
	}
	lines = append(lines, "What is signed, read back from its bytes:")
	for _, line := range p.Tx.Words(d.names(p)) {
		lines = append(lines, "  "+line)
	}
	lines = append(lines, t.outcome()...)
	lines = append(lines, d.effects(p, t)...)
	return append(lines, d.costs(p, f)...)
}

// Reads says in words what was prepared does, read back from its bytes alone.
func (d *Desk) Reads(p Prepared) []string { return p.Tx.Words(d.names(p)) }

// names are what the plan calls addresses and tokens, for whoever reads a transaction back.
func (d *Desk) names(p Prepared) safe.Names {
	return safe.Names{
		Address: func(a common.Address) string {
			if name := cmp.Or(p.Own[a], p.Names[a]); name != "" {
				return name
			}
			symbol, _, ok := d.known(a)
			if ok {
				return symbol
			}
			return ""
		},
		Token: d.known,
	}
}

func (d *Desk) known(token common.Address) (symbol string, decimals uint8, ok bool) {
	switch {
	case token == common.Address{}:
		return d.Symbol, 18, true
	case d.Token == nil:
		return "", 0, false
	}
	return d.Token(token)
}

func (t tried) outcome() []string {
	lines := []string{"Afterwards, as simulated:"}
	if !t.proven {
		lines[0] = "No node can simulate. It was called without sending and goes through; what is true afterwards could not be tried:"
	}
	for _, one := range t.promises {
		if one.event {
			lines = append(lines, fmt.Sprintf("  %s: it does", one.words))
		} else if one.got != nil {
			lines = append(lines, fmt.Sprintf("  %s: it is %s", one.words, one.got))
		} else {
			lines = append(lines, fmt.Sprintf("  %s: not tried", one.words))
		}
	}
	return lines
}

// effects is the table of balances before and after, and what others may still take.
func (d *Desk) effects(p Prepared, t tried) (lines []string) {
	for i, c := range t.changes {
		if i == 0 {
			lines = append(lines, "What changes hands:")
		}
		symbol, decimals := d.token(c.token)
		change := units(c.after, decimals) + " " + symbol
		lines = append(lines, fmt.Sprintf("  %s: %s → %s", p.Own[c.holder], units(c.before, decimals), change))
	}
	for _, a := range t.allowed {
		symbol, decimals := d.token(a.token)
		left := "nothing"
		if a.amount.Sign() > 0 {
			left = units(a.amount, decimals)
		}
		lines = append(lines, fmt.Sprintf("  %s may still take %s of %s", a.spender.Hex(), left, symbol))
	}
	return lines
}

// token says how amounts are counted: in base units where nobody knows better.
func (d *Desk) token(token common.Address) (symbol string, decimals int) {
	if symbol, decimals, ok := d.known(token); ok {
		return symbol, int(decimals)
	}
	return "base units of " + token.Hex(), 0
}

func (d *Desk) costs(p Prepared, f fuel) []string {
	toll := ""
	if f.toll.Sign() > 0 {
		toll = fmt.Sprintf(" (%s of it for bringing its bytes to the chain beneath)", d.coins(f.toll))
	}
	payer := "paid by "
	if d.relayed(p) {
		payer = fmt.Sprintf("paid by the relay %s, or when it has not done it within %s by ", d.Relay.Host, prose.Span(d.Policy.Relay))
	}
	lines := []string{fmt.Sprintf("It takes about %s gas, %s at most as things are now%s, %s%s, which has enough for %s.",
		prose.Grouped(fmt.Sprint(p.Gas)), d.coins(f.each), toll, payer, p.Sender.Hex(), prose.Count(int(f.exits), "such exit"))}
	if f.exits < int64(d.Policy.Reserve) {
		lines = append(lines, fmt.Sprintf("That is little: top it up by %s, for %d exits.", d.coins(d.lacks(f)), d.Policy.Reserve))
	}
	if p.Role != nil {
		return append(lines, fmt.Sprintf("Read and tried at block %d. The role %q of the module %s permits it; nobody signs.", p.Block.Number, p.Role.Name, p.Role.Module.Hex()))
	}
	return append(lines, fmt.Sprintf("Read and tried at block %d. Nonce %d; %s must sign this hash: %s", p.Block.Number, p.Tx.Nonce, prose.Count(p.Threshold, "owner"), p.Hash.Hex()))
}

// Text is all that is shown, as one text.
func (p Prepared) Text() string { return strings.Join(p.Words, "\n") }
