package signal

import (
	"math"
	"slices"

	"lifeboat"
)

// prepare keeps what a question about the portfolio will need.
func (p *portfolio) prepare(q Node) {
	switch q.Op {
	case PortfolioReturn:
		p.ends.hold(q.N)
	case Herfindahl, Concentration:
		if !slices.Contains(p.kinds, q.Of) {
			p.kinds = append(p.kinds, q.Of)
			p.ofBook = 0 // what was counted before has no group of this kind
		}
	}
}

// groupsOf a position, by kind. What names no group is alone in one of its own for the Herfindahl index, and in none
// for the concentration; cash is no concentration of anything.
func (e *Engine) groupsOf(position lifeboat.Position, class string) []string {
	groups := make([]string, len(e.portfolio.kinds))
	for i, kind := range e.portfolio.kinds {
		switch {
		case kind == "symbol":
			groups[i] = position.Symbol
		case kind == "class":
			groups[i] = class
		default:
			groups[i] = e.cfg.Group(kind, position)
		}
	}
	return groups
}

// concentration sums the parts of each group; a group's sum stands where its first part is.
func (e *Engine) concentration(n *node, total float64) (float64, bool) {
	p := &e.portfolio
	kind := slices.Index(p.kinds, n.Of)
	p.sums = p.sums[:0]
	var squares, largest float64
	for i := range p.parts {
		group := p.parts[i].groups[kind]
		first := i
		if group != "" {
			first = slices.IndexFunc(p.parts[:i+1], func(q part) bool { return q.groups[kind] == group })
		}
		h := &p.holdings[p.parts[i].holding]
		value := 0.0
		if h.quantity != 0 {
			value = h.value * p.parts[i].quantity / h.quantity
		}
		p.sums = append(p.sums, 0)
		p.sums[first] += value
	}
	for i, sum := range p.sums {
		squares += sum * sum
		if p.parts[i].groups[kind] != "" && (n.Of == "custodian" || p.holdings[p.parts[i].holding].class != "cash") {
			largest = max(largest, sum)
		}
	}
	if n.Op == Concentration {
		return share(largest, total)
	}
	return share(squares/total, total)
}

// daysToExit is the longest time that any holding takes to be sold. A short position takes as long to be bought back.
func (e *Engine) daysToExit(participation float64) (float64, bool) {
	var longest float64
	for i := range e.portfolio.holdings {
		h := &e.portfolio.holdings[i]
		if h.class == "cash" || h.quantity == 0 {
			continue
		}
		usual, known := h.usualVolume()
		if !known {
			return 0, false
		}
		longest = max(longest, math.Abs(h.quantity)/(participation*usual))
	}
	return longest, true
}

// exitable is the share of the portfolio that can be sold within N sessions.
func (e *Engine) exitable(n *node, total float64) (float64, bool) {
	var sum float64
	for i := range e.portfolio.holdings {
		h := &e.portfolio.holdings[i]
		if h.class == "cash" || h.quantity == 0 {
			sum += h.value
			continue
		}
		usual, known := h.usualVolume()
		if !known {
			return 0, false
		}
		sum += h.value * min(1, float64(n.N)*n.Level*usual/math.Abs(h.quantity))
	}
	return share(sum, total)
}

// usualVolume is the mean of the 20 sessions before the running one; of those there are, when there are fewer.
func (h *holding) usualVolume() (float64, bool) {
	if h.volume == nil {
		return 0, false
	}
	return h.volume.usual()
}

func (f *feed) usual() (float64, bool) {
	v, known := f.consensus.closes.mean(min(volumeSessions, f.consensus.closes.count))
	return v, known && v > 0
}
