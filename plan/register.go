package plan

import (
	"slices"
	"time"
)

// Account by name.
func (p *Plan) Account(name string) (Account, bool) {
	return find(p.Accounts, func(a Account) bool { return a.Name == name })
}

// Playbook by name.
func (p *Plan) Playbook(name string) (Playbook, bool) {
	return find(p.Playbooks, func(b Playbook) bool { return b.Name == name })
}

// Model by name.
func (p *Plan) Model(name string) (Model, bool) {
	return find(p.Models, func(m Model) bool { return m.Name == name })
}

// Trigger by name.
func (p *Plan) Trigger(name string) (Trigger, bool) {
	return find(p.Triggers, func(t Trigger) bool { return t.Name == name })
}

// Holding of a symbol; the first when several accounts hold it.
func (p *Plan) Holding(symbol string) (Holding, bool) {
	return find(p.Holdings, func(h Holding) bool { return h.Symbol == symbol })
}

// When the quantity was true; false where the plan does not say.
func (h Holding) When() (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, h.AsOf); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// Mandate by name.
func (p *Plan) Mandate(name string) (Mandate, bool) {
	return find(p.Mandates, func(m Mandate) bool { return m.Name == name })
}

func find[T any](all []T, is func(T) bool) (found T, ok bool) {
	if i := slices.IndexFunc(all, is); i >= 0 {
		return all[i], true
	}
	return found, false
}

// Person is whoever has the name, else everybody who has the role.
func (p *Plan) Person(nameOrRole string) []Person {
	if one, ok := find(p.People, func(q Person) bool { return q.Name == nameOrRole }); ok {
		return []Person{one}
	}
	var all []Person
	for _, q := range p.People {
		if q.Role == nameOrRole && q.Role != "" {
			all = append(all, q)
		}
	}
	return all
}

// Class of a symbol: cash for the base currency, "" for what is not held.
func (p *Plan) Class(symbol string) string {
	if h, ok := p.Holding(symbol); ok {
		return h.Class
	}
	if symbol == p.Portfolio.BaseCurrency {
		return "cash"
	}
	return ""
}

// IsFractional reports whether parts of a unit can be ordered.
func (p *Plan) IsFractional(symbol string) bool {
	h, ok := p.Holding(symbol)
	if !ok {
		return symbol == p.Portfolio.BaseCurrency
	}
	return h.Fractional != nil && *h.Fractional
}

// Tradable reports whether lifeboat itself can place orders in the account; elsewhere only people act.
func (p *Plan) Tradable(account string) bool {
	a, ok := p.Account(account)
	return ok && a.Venue != "" && a.Venue != "manual"
}

// Remote reports whether the account's venue is a real one, elsewhere.
func (a Account) Remote() bool { return a.Venue != "" && a.Venue != "manual" && a.Venue != "paper" }

// Simulated is the same plan with a simulated venue in the place of every real one, for a drill: nobody there states what an
// account holds.
func (p *Plan) Simulated() *Plan {
	other := *p
	other.Accounts = slices.Clone(p.Accounts)
	for i := range other.Accounts {
		if a := &other.Accounts[i]; a.Remote() {
			a.Venue, a.Connect = "paper", nil
		}
	}
	return &other
}

// LimitRules are the plan's, with what the owner left to be understood filled in.
func (p *Plan) LimitRules() Limits {
	var rules Limits
	if p.Limits != nil {
		rules = *p.Limits
	}
	fill(&rules.StatementAge, Duration(5*time.Minute))
	return rules
}

// Symbols of everything held but the base currency, each once, in the order of the plan.
func (p *Plan) Symbols() []string {
	var symbols []string
	seen := map[string]bool{p.Portfolio.BaseCurrency: true}
	for _, h := range p.Holdings {
		if h.Symbol != "" && !seen[h.Symbol] {
			seen[h.Symbol] = true
			symbols = append(symbols, h.Symbol)
		}
	}
	return symbols
}
