package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// pendingCautions are of rules on what waits to be mined: an advance notice that one node gives, and that a stranger can cause by
// sending something.
func (p *Plan) pendingCautions() []string {
	var all []string
	for _, f := range p.Feeds {
		if f.FromChain() && strings.HasPrefix(f.Series, pendingOf) && !p.mayHear(f.Chain) {
			all = append(all, fmt.Sprintf("%s has no data: a node by wss:// tells what waits to be mined, and %q has none", f.Series, f.Chain))
		}
	}
	for _, t := range p.Triggers {
		if t.Playbook != "" && t.Authority == "automatic" && t.Context == "" && hangsOnPending(t.Condition) {
			all = append(all, fmt.Sprintf("trigger %q starts %s on what waits to be mined alone: that is one node's word, and anybody can send what waits; add AND with something that the chain says", t.Name, t.Playbook))
		}
	}
	return all
}

// mayHear reports that a node of the chain is reached by a WebSocket, or by an address that is kept elsewhere and may be one.
func (p *Plan) mayHear(chain string) bool {
	on, _ := p.Chained(chain)
	return on.Chain != nil && slices.ContainsFunc(on.Chain.Nodes, func(node string) bool {
		return !strings.HasPrefix(node, "https://") && !strings.HasPrefix(node, "http://")
	})
}

var (
	betweenAlternatives = regexp.MustCompile(`(?i)\bor\b`)
	betweenConditions   = regexp.MustCompile(`(?i)\band\b`)
)

// hangsOnPending reports a condition of which one alternative asks for nothing but what waits to be mined. It looks at the words and
// not at brackets, so it may caution once too often.
func hangsOnPending(condition string) bool {
	of := func(part string) bool { return strings.Contains(strings.ToLower(part), pendingOf) }
	return slices.ContainsFunc(betweenAlternatives.Split(condition, -1), func(alternative string) bool {
		return !slices.ContainsFunc(betweenConditions.Split(alternative, -1), func(part string) bool { return !of(part) })
	})
}
