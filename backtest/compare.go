package backtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"lifeboat/prose"
)

// Compare says what differs between a base plan's result and another one's over the plays that both have. Triggers are
// told apart by their names: one that was renamed is one removed and one added.
func Compare(base, now Result) Changes {
	c := Changes{Base: base.Plan, BaseHash: base.PlanHash, Added: []string{}, Removed: []string{}, Rows: []Change{}}
	for _, t := range now.Triggers {
		if indexOf(base, t.Name) < 0 {
			c.Added = append(c.Added, t.Name)
		}
	}
	for _, t := range base.Triggers {
		if indexOf(now, t.Name) < 0 {
			c.Removed = append(c.Removed, t.Name)
		}
	}
	for _, before := range base.Plays {
		i := slices.IndexFunc(now.Plays, func(p Played) bool { return p.Name == before.Name })
		if i < 0 {
			continue
		}
		c.plays(before, now.Plays[i])
	}
	c.calm(base, now)
	c.Verdict = c.verdict(base, now)
	return c
}

func indexOf(r Result, trigger string) int {
	return slices.IndexFunc(r.Triggers, func(t Trigger) bool { return t.Name == trigger })
}

func (c *Changes) add(trigger, play, what, before, after string) {
	if before != after {
		c.Rows = append(c.Rows, Change{trigger, play, what, before, after})
	}
}

func (c *Changes) plays(before, after Played) {
	if before.Money != nil && after.Money != nil {
		c.add("", before.Name, "loss avoided", before.Money.LossAvoided.StringFixed(2), after.Money.LossAvoided.StringFixed(2))
		c.add("", before.Name, "orders filled", strconv.Itoa(before.Money.Orders), strconv.Itoa(after.Money.Orders))
	}
	for _, b := range before.Cells {
		i := slices.IndexFunc(after.Cells, func(a Cell) bool { return a.Trigger == b.Trigger })
		if i < 0 {
			continue
		}
		a := after.Cells[i]
		c.add(b.Trigger, before.Name, "firings", strconv.Itoa(b.Fired), strconv.Itoa(a.Fired))
		for _, l := range b.Leads {
			if k := slices.IndexFunc(a.Leads, func(other Lead) bool { return other.Disaster == l.Disaster }); k >= 0 {
				c.add(b.Trigger, before.Name, "in "+l.Disaster, l.String(), a.Leads[k].String())
			}
		}
		c.add(b.Trigger, before.Name, "loss avoided alone", avoided(b.Alone), avoided(a.Alone))
		c.add(b.Trigger, before.Name, "cost of a false exit", b.FalseExitCost.StringFixed(2), a.FalseExitCost.StringFixed(2))
	}
}

func avoided(m *Money) string {
	if m == nil {
		return decimal.Zero.StringFixed(2)
	}
	return m.LossAvoided.StringFixed(2)
}

func (c *Changes) calm(base, now Result) {
	for _, b := range base.Triggers {
		if i := indexOf(now, b.Name); i >= 0 {
			c.add(b.Name, "", "alerts in calm times", strconv.Itoa(b.CalmAlerts), strconv.Itoa(now.Triggers[i].CalmAlerts))
			c.add(b.Name, "", "bad values that make it fire", strconv.Itoa(b.BadTicks), strconv.Itoa(now.Triggers[i].BadTicks))
		}
	}
}

// String tells a lead in a few words.
func (l Lead) String() string {
	switch {
	case l.LeadS != nil && *l.LeadS >= 0:
		return prose.Span(seconds(*l.LeadS)) + " before"
	case l.LeadS != nil:
		return prose.Span(seconds(-*l.LeadS)) + " too late"
	case l.Judged == Fires && l.AfterS != nil && *l.AfterS >= 0:
		return prose.Span(seconds(*l.AfterS)) + " after the signal"
	case l.Judged == Fires && l.AfterS != nil:
		return prose.Span(seconds(-*l.AfterS)) + " before the signal"
	}
	return string(l.Judged)
}

// verdict of a comparison: the money first.
func (c *Changes) verdict(base, now Result) string {
	if base.PlanHash == now.PlanHash {
		return "Both are the same plan: nothing was edited but comments or layout."
	}
	if len(c.Rows)+len(c.Added)+len(c.Removed) == 0 {
		return "Nothing changed in what these histories show."
	}
	saved := func(r Result) (sum, falsely decimal.Decimal) {
		for _, p := range r.Plays {
			if p.Money != nil {
				sum = sum.Add(p.Money.LossAvoided)
			}
		}
		for _, t := range r.Triggers {
			falsely = falsely.Add(t.FalseExitCost)
		}
		return sum, falsely
	}
	before, falselyBefore := saved(base)
	after, falselyAfter := saved(now)
	parts := []string{fmt.Sprintf("Against %q, acting is worth %s instead of %s over all plays", c.Base, now.money(after), now.money(before))}
	if !falselyAfter.Equal(falselyBefore) {
		parts = append(parts, fmt.Sprintf("false exits cost %s instead of %s", now.money(falselyAfter), now.money(falselyBefore)))
	}
	if n := len(c.Added); n > 0 {
		parts = append(parts, prose.Count(n, "trigger")+" added")
	}
	if n := len(c.Removed); n > 0 {
		parts = append(parts, prose.Count(n, "trigger")+" removed")
	}
	return strings.Join(parts, "; ") + "."
}
