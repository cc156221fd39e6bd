package app

import (
	"slices"

	"lifeboat"
	"lifeboat/plan"
)

// Unfed is a trigger with the series that it names and no feed of the plan brings. A drill may bring them; live it is
// blind.
type Unfed struct {
	Trigger string
	Series  []lifeboat.Series
}

// UnfedTriggers of a plan that has feeds, in its order. One without any is for drills alone.
func UnfedTriggers(p *plan.Plan) ([]Unfed, error) {
	if len(p.Feeds) == 0 {
		return nil, nil
	}
	parts := LiveParts(p)
	board, err := Board(parts)
	if err != nil {
		return nil, err
	}
	env := Env(p, parts.Sources)
	var all []Unfed
	for _, t := range p.Triggers {
		u := Unfed{Trigger: t.Name}
		for _, expr := range []string{t.Condition, t.Context, t.Clear} {
			if expr == "" {
				continue
			}
			cond, err := board.Compile(expr, env, "")
			if err != nil {
				return nil, err
			}
			for _, s := range cond.Series() {
				if _, fed := parts.Sources[s]; !fed && !slices.Contains(u.Series, s) {
					u.Series = append(u.Series, s)
				}
			}
		}
		if len(u.Series) > 0 {
			all = append(all, u)
		}
	}
	return all, nil
}
