package app

import (
	"errors"
	"path/filepath"
	"strings"

	"lifeboat/plan"
	"lifeboat/watch/rule"
)

// LoadPlan reads a plan directory and checks all of it, the rule language included: one list of faults for both.
// extra names series that a tape offers beyond what the plan does.
func LoadPlan(dir string, extra ...string) (*plan.Plan, error) {
	p, places, err := plan.Load(dir)
	var known *plan.Faults
	if err != nil && !errors.As(err, &known) {
		return nil, err
	}
	if known != nil {
		known.Below(dir)
		if p == nil {
			return nil, err
		}
	}
	faults := expressionFaults(p, places, extra)
	for i := range faults {
		faults[i].File = filepath.Join(dir, faults[i].File)
	}
	if known != nil {
		faults = append(faults, known.List...)
	}
	if len(faults) > 0 {
		return nil, plan.NewFaults(faults)
	}
	return p, nil
}

func expressionFaults(p *plan.Plan, places *plan.Places, extra []string) []plan.Fault {
	env := Env(p, nil)
	env.Series = append(env.Series, extra...)
	var faults []plan.Fault
	for _, e := range p.Expressions() {
		check := rule.CheckCondition
		if strings.HasPrefix(e.Path, "signals") { // a signal may be a number
			check = rule.Check
		}
		for _, f := range check(e.Text, env) {
			fault := places.At(e.Path, f.Offset)
			fault.Message, fault.Suggestion, fault.Text = f.Message, f.Suggestion, e.Text
			faults = append(faults, fault)
		}
	}
	return faults
}
