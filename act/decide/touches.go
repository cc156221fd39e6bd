package decide

import (
	"encoding/json"

	"lifeboat/plan"
)

// touches is what a playbook may move. Two playbooks that move the same things must not run side by side.
type touches struct {
	everything bool // it rebalances
	symbols    map[string]bool
}

func touchesOf(content json.RawMessage) touches {
	pinned, err := plan.Unpin(content)
	if err != nil {
		return touches{everything: true} // not understood: assume the worst
	}
	t := touches{symbols: map[string]bool{}}
	for _, step := range pinned.Playbook.Steps {
		if step.Rebalance != nil {
			t.everything = true
		}
		if step.Order != nil {
			t.symbols[step.Order.Symbol] = true
		}
	}
	return t
}

func (t touches) nothing() bool { return !t.everything && len(t.symbols) == 0 }

func (t touches) overlap(other touches) bool {
	if t.nothing() || other.nothing() {
		return false
	}
	if t.everything || other.everything {
		return true
	}
	for symbol := range t.symbols {
		if other.symbols[symbol] {
			return true
		}
	}
	return false
}
