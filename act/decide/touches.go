package decide

import (
	"encoding/json"
	"strings"

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
	for _, b := range append(pinned.Playbooks, pinned.Playbook) {
		plan.Walk(b.Steps, func(s plan.Step) { t.add(pinned, s) })
	}
	return t
}

// add takes in one step, wherever it lies: the steps that undo others trade as well.
func (t *touches) add(pinned plan.Pinned, s plan.Step) {
	switch {
	case s.Rebalance != nil:
		t.everything = true
	case s.Order != nil && strings.Contains(s.Order.Symbol, "{"):
		// Which symbols these are is said by the for_each around it, which is taken in by itself.
	case s.Order != nil:
		t.symbols[s.Order.Symbol] = true
	case s.ForEach != nil:
		t.forEach(pinned, *s.ForEach)
	}
}

// forEach takes in what a for_each that trades may go through.
func (t *touches) forEach(pinned plan.Pinned, f plan.ForEach) {
	trades := false
	plan.Walk(f.Do, func(s plan.Step) { trades = trades || s.Order != nil && strings.Contains(s.Order.Symbol, "{") })
	if !trades {
		return
	}
	named := false
	for symbol, class := range pinned.Classes {
		if f.Of == symbol || f.Of == class {
			t.symbols[symbol], named = true, true
		}
	}
	if !named { // all holdings, or all of an account
		t.everything = true
	}
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
