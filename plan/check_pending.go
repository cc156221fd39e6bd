package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// pendingCautions are of rules on what waits to be mined: an advance notice that one node gives, and that for a contract or a Safe a
// stranger can cause by sending something.
func (p *Plan) pendingCautions() []string {
	var all []string
	for _, f := range p.Feeds {
		if f.FromChain() && strings.HasPrefix(f.Series, pendingOf) && !p.mayHear(f.Chain) {
			all = append(all, fmt.Sprintf("%s has no data: a node by wss:// tells what waits to be mined, and %q has none", f.Series, f.Chain))
		}
	}
	hangs := p.onPending()
	for _, t := range p.Triggers {
		if t.Playbook != "" && t.Authority == "automatic" && hangs(t.Condition) && (t.Context == "" || hangs(t.Context)) {
			all = append(all, fmt.Sprintf("trigger %q starts %s on what waits to be mined alone: that is one node's word, and anybody can send what waits for a contract or a Safe; add AND with something that the chain says", t.Name, t.Playbook))
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

// words of a condition: names, in quotes or without, and what joins them.
var words = regexp.MustCompile(`'[^']*'|"[^"]*"|[\p{L}\p{N}_][\p{L}\p{N}_.]*`)

// onPending finds conditions of which one alternative asks for nothing but what waits to be mined, be it by way of the owner's signals. It
// looks at the words and not at brackets, so it may caution once too often.
func (p *Plan) onPending() (hangs func(condition string) bool) {
	known := map[string]bool{} // :: signal that was looked at → what came of it; false meanwhile, should one be made of itself
	of := func(name string) bool {
		if strings.HasPrefix(name, pendingOf) {
			return true
		}
		return slices.ContainsFunc(p.Signals, func(s Signal) bool {
			if signal := strings.ToLower(s.Name); name != signal && !strings.HasPrefix(name, signal+"_") && !strings.HasPrefix(name, signal+".") {
				return false
			}
			if _, looked := known[s.Name]; !looked {
				known[s.Name] = false
				known[s.Name] = hangs(s.Expr)
			}
			return known[s.Name]
		})
	}
	hangs = func(condition string) bool {
		all, one := true, false // parts of the alternative before this one, and this one
		for _, word := range words.FindAllString(strings.ToLower(condition), -1) {
			switch word {
			case "or":
				if all && one {
					return true
				}
				all, one = true, false
			case "and":
				all, one = all && one, false
			default:
				one = one || of(strings.Trim(word, `'"`))
			}
		}
		return all && one
	}
	return hangs
}
