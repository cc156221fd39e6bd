package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
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

// Pinned is what a run keeps of the plan as it was when the run started.
type Pinned struct {
	Playbook  Playbook   `json:"playbook"`
	Playbooks []Playbook `json:"playbooks,omitempty"` // the ones that its steps name, and theirs in turn
	// The rest is there for playbooks that trade.
	Models  []Model           `json:"models,omitempty"`  // the ones that its steps name
	Classes map[string]string `json:"classes,omitempty"` // :: symbol → class, the base currency's too
}

// Model that the playbook names.
func (p Pinned) Model(name string) (Model, bool) {
	return find(p.Models, func(m Model) bool { return m.Name == name })
}

// Named is the playbook of that name which a step names.
func (p Pinned) Named(name string) (Playbook, bool) {
	return find(p.Playbooks, func(b Playbook) bool { return b.Name == name })
}

// PlaybookContent is what a run pins: the playbook with the models it names and the classes of its symbols, and
// the hash of all that. Where lifeboat may trade, and in which lots, is the word of the plan in force.
func (p *Plan) PlaybookContent(b Playbook) (content json.RawMessage, contentHash string) {
	pinned := Pinned{Playbook: b}
	p.pin(&pinned, b)
	content = canonical(pinned)
	return content, hash(content)
}

// pin adds what the steps of a playbook need.
func (p *Plan) pin(pinned *Pinned, b Playbook) {
	Walk(b.Steps, func(s Step) {
		if s.Rebalance != nil || s.Order != nil || s.ForEach != nil {
			p.pinTrading(pinned, s)
		}
		named, ok := p.Playbook(s.Playbook)
		if _, twice := pinned.Named(s.Playbook); ok && !twice {
			pinned.Playbooks = append(pinned.Playbooks, named)
			p.pin(pinned, named)
		}
	})
}

func (p *Plan) pinTrading(pinned *Pinned, s Step) {
	if s.Rebalance != nil {
		_, twice := pinned.Model(s.Rebalance.Model)
		if m, ok := p.Model(s.Rebalance.Model); ok && !twice {
			pinned.Models = append(pinned.Models, m)
		}
	}
	if pinned.Classes != nil {
		return
	}
	pinned.Classes = map[string]string{p.Portfolio.BaseCurrency: "cash"}
	for _, symbol := range p.Symbols() {
		pinned.Classes[symbol] = p.Class(symbol)
	}
}

// Unpin reads what PlaybookContent wrote.
func Unpin(content json.RawMessage) (Pinned, error) {
	var p Pinned
	if err := json.Unmarshal(content, &p); err != nil {
		return Pinned{}, fmt.Errorf("read pinned playbook: %w", err)
	}
	return p, nil
}
