package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// BreakerRules are the plan's, with what the owner left to be understood filled in.
func (p *Plan) BreakerRules() Breaker {
	var rules Breaker
	if p.Breaker != nil {
		rules = *p.Breaker
	}
	fill(&rules.Hold, Duration(15*time.Minute))
	fill(&rules.Wait, Duration(time.Hour))
	fill(&rules.Stage, Duration(time.Hour))
	fill(&rules.Reduce, "open")
	if rules.CancelOpen == nil {
		yes := true
		rules.CancelOpen = &yes
	}
	return rules
}

// Owners are the names of those with that role; everybody when nobody has it.
func (p *Plan) Owners() []string {
	var owners, all []string
	for _, person := range p.People {
		all = append(all, person.Name)
		if strings.EqualFold(person.Role, "owner") {
			owners = append(owners, person.Name)
		}
	}
	if len(owners) > 0 {
		return owners
	}
	return all
}

// checkAuthority holds mandates to the people there are.
func (d *decoder) checkAuthority(p *Plan) {
	for i, m := range p.Mandates {
		path := fmt.Sprintf("mandates[%d]", i)
		if len(p.Person(m.Name)) > 0 || m.Name == "automatic" {
			d.faultAt(path+".name", fmt.Sprintf("%q is a person or role already, and whoever names it could mean either", shorten(m.Name, textMax)), "")
		}
		if n := len(p.Person(m.By)); n > 0 && m.Need > n && !d.unread["people"] {
			d.faultAt(path+".need", fmt.Sprintf("%s takes %d who say yes, and the plan has %d as %q", shorten(m.Name, textMax), m.Need, n, shorten(m.By, textMax)), "")
		}
	}
	a := p.Authority
	for _, alone := range []struct{ key, name string }{{"runs", a.Runs}, {"halt", a.Halt}, {"release", a.Release}} {
		if m, ok := p.Mandate(alone.name); ok && m.Need > 1 {
			d.faultAt("authority."+alone.key, fmt.Sprintf("%s takes effect at one person's word, and %s wants %d", alone.key, shorten(m.Name, textMax), m.Need), "")
		}
	}
	if b := p.Breaker; b != nil && b.TurnoverPerDay < 0 {
		d.faultAt("breaker.turnover_per_day", "turnover_per_day wants a share of the book such as 1.5", "")
	}
}

// Cautions are what may be right and is worth a second look: things that let one mistake do much.
func (p *Plan) Cautions() []string {
	var all []string
	for _, t := range p.Triggers {
		if t.Breaker == "halted" && t.For == 0 && t.Sources < 2 && t.Context == "" {
			all = append(all, fmt.Sprintf("trigger %q halts everything on one reading of one source: give it for, sources: 2 or a context", t.Name))
		}
	}
	m, mandate := p.Mandate(p.Authority.Loosen)
	if mandate && max(1, m.Need) == 1 && slices.Contains([]string{"", "none"}, m.Factor) {
		all = append(all, fmt.Sprintf("mandate %q lets one person let the breaker go: a second factor is asked for all the same", m.Name))
	}
	if n := len(p.Person(m.By)); mandate && m.NotStarter && max(1, m.Need) >= n {
		all = append(all, fmt.Sprintf("mandate %q leaves nobody who could let the breaker go once one of its %d has halted it", m.Name, n))
	}
	return slices.Concat(all, p.haltCautions(), p.chainCautions(), p.pendingCautions(), p.relayCautions(), p.oneSource())
}

// haltCautions are exits that are to begin with a halt, and that the halt keeps from going on: nobody is asked about them.
func (p *Plan) haltCautions() []string {
	starts := map[string]string{} // :: playbook → what starts it
	if p.Breaker != nil && p.Breaker.OnHalt != "" {
		starts[p.Breaker.OnHalt] = "on_halt of the breaker"
	}
	for _, t := range p.Triggers {
		if t.Breaker == "halted" && t.Playbook != "" {
			starts[t.Playbook] = fmt.Sprintf("trigger %q", t.Name)
		}
	}
	var all []string
	for _, b := range p.Playbooks {
		if starts[b.Name] == "" {
			continue
		}
		Walk(b.Steps, func(s Step) {
			if s.Exit != nil && s.Exit.By == "" {
				all = append(all, fmt.Sprintf("playbook %q starts with a halt (%s), and its exit %q asks nobody: a halt lets pass only what a person approves, so that it waits for one; write by, or have the breaker reducing", b.Name, starts[b.Name], s.Name))
			}
		})
	}
	return all
}
