package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
)

// Hash of what the plan says: comments, layout and the division into files do not change it, as long as lists keep
// their order.
func (p *Plan) Hash() string {
	return hash(canonical(p))
}

func hash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// canonical JSON: fields in the order of the types, keys of maps sorted, no space.
func canonical(v any) []byte {
	content, err := json.Marshal(v)
	if err != nil {
		panic(err) // the types of this package always marshal
	}
	return content
}

// Pinned is all that a run of a playbook needs of the plan, as it was when the run started.
type Pinned struct {
	Playbook Playbook `json:"playbook"`
	// The rest is there for playbooks that trade.
	BaseCurrency string            `json:"base_currency,omitempty"`
	Models       []Model           `json:"models,omitempty"`     // the ones that its steps name
	Classes      map[string]string `json:"classes,omitempty"`    // :: symbol → class, the base currency's too
	Fractional   []string          `json:"fractional,omitempty"` // symbols that can be ordered in parts
	Accounts     []string          `json:"accounts,omitempty"`   // where lifeboat can place orders
}

// Model that the playbook names.
func (p Pinned) Model(name string) (Model, bool) {
	return find(p.Models, func(m Model) bool { return m.Name == name })
}

// IsFractional reports whether parts of a unit can be ordered.
func (p Pinned) IsFractional(symbol string) bool { return slices.Contains(p.Fractional, symbol) }

// PlaybookContent is what a run pins: the playbook with the models it names and what it must know of symbols and
// accounts, and the hash of all that.
func (p *Plan) PlaybookContent(b Playbook) (content json.RawMessage, contentHash string) {
	pinned := Pinned{Playbook: b}
	for _, s := range b.Steps {
		if s.Rebalance != nil || s.Order != nil {
			pinned = p.pinTrading(pinned)
			break
		}
	}
	content = canonical(pinned)
	return content, hash(content)
}

func (p *Plan) pinTrading(pinned Pinned) Pinned {
	pinned.BaseCurrency = p.Portfolio.BaseCurrency
	for _, s := range pinned.Playbook.Steps {
		if s.Rebalance == nil {
			continue
		}
		if _, twice := pinned.Model(s.Rebalance.Model); twice {
			continue
		}
		if m, ok := p.Model(s.Rebalance.Model); ok {
			pinned.Models = append(pinned.Models, m)
		}
	}
	pinned.Classes = map[string]string{p.Portfolio.BaseCurrency: "cash"}
	for _, symbol := range p.Symbols() {
		pinned.Classes[symbol] = p.Class(symbol)
		if p.IsFractional(symbol) {
			pinned.Fractional = append(pinned.Fractional, symbol)
		}
	}
	for _, a := range p.Accounts {
		if p.Tradable(a.Name) {
			pinned.Accounts = append(pinned.Accounts, a.Name)
		}
	}
	return pinned
}

// Unpin reads what PlaybookContent wrote.
func Unpin(content json.RawMessage) (Pinned, error) {
	var p Pinned
	if err := json.Unmarshal(content, &p); err != nil {
		return Pinned{}, fmt.Errorf("read pinned playbook: %w", err)
	}
	return p, nil
}
