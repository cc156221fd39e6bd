package backtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/plan"
	"lifeboat/watch/rule"
)

// factors by which every threshold is moved.
var factors = []float64{0.8, 0.9, 1.1, 1.25}

// variationsMax bounds the triggers that are played beside each other; the thresholds of 250 rules fit.
const variationsMax = 2000

// A variation is a trigger of the plan with one threshold changed.
type variation struct {
	of      int // the trigger
	trigger plan.Trigger
	variant Variant
}

// vary plays all variations beside each other: they share the signals, so that it costs little more than the plan does.
func (t *trial) vary(ctx context.Context) error {
	all := t.variations()
	if len(all) == variationsMax {
		t.warnings = append(t.warnings, fmt.Sprintf("the plan has so many thresholds that only the first %d variations were tried", variationsMax))
	}
	triggers := make([]plan.Trigger, len(all))
	for i, v := range all {
		triggers[i] = v.trigger
	}
	log, err := t.play(ctx, t.scene.with(only(t.Plan, triggers), t.scene.From), t.played.Varied, t.between(0.5, 0.6, "other thresholds"))
	if tooMany, is := errors.AsType[*lifeboat.Problem](err); is {
		t.warnings = append(t.warnings, "other thresholds were given up: "+tooMany.What)
		return nil
	}
	if err != nil {
		return err
	}
	for i, tr := range t.Plan.Triggers {
		unmoved := t.measured(i, t.log.of(tr.Name), Variant{Factor: 1})
		t.played.Cells[i].Unmoved = &unmoved
	}
	for _, v := range all {
		cell := &t.played.Cells[v.of]
		cell.Variants = append(cell.Variants, t.measured(v.of, log.of(v.trigger.Name), v.variant))
	}
	return nil
}

// measured is a variant with what it told until the variations end.
func (t *trial) measured(trigger int, own []Told[lifeboat.Firing], v Variant) Variant {
	own = slices.DeleteFunc(slices.Clone(own), func(f Told[lifeboat.Firing]) bool { return f.At.After(t.played.Varied) })
	v.Fired, v.Leads = fired(own), []Lead{}
	for _, e := range t.played.Episodes {
		last := e.Signal
		if e.NoReturn != nil {
			last = *e.NoReturn
		}
		if !last.After(t.played.Varied) && t.readers[trigger].any(e.Touches) {
			v.Leads = append(v.Leads, lead(own, e))
		}
	}
	return v
}

// variations that are tried.
func (t *trial) variations() []variation {
	all := variations(t.Plan, app.Env(t.Plan, t.scene.Parts.Sources))
	return all[:min(len(all), variationsMax)]
}

// variations of every threshold of every condition; those that the language refuses, such as a drawdown of 125 %, are
// left out. The all-clear stays as it is.
func variations(p *plan.Plan, env rule.Env) []variation {
	var all []variation
	for i, tr := range p.Triggers {
		for _, l := range rule.Thresholds(tr.Condition) {
			for _, factor := range factors {
				value := moved(l, factor)
				other := tr
				other.Condition = l.With(tr.Condition, value)
				other.Name = fmt.Sprintf("%d: %s, %s", len(all), tr.Name, l.Write(value))
				if other.Condition == tr.Condition || len(rule.CheckCondition(other.Condition, env)) > 0 {
					continue
				}
				all = append(all, variation{i, other, Variant{Written: l.Text, Instead: l.Write(value), Factor: factor}})
			}
		}
	}
	return all
}

// moved is the threshold times the factor. Of a peg, such as 0.97, the distance from 1 is what is moved: nobody means
// 0.97 × 0.8.
func moved(l rule.Literal, factor float64) float64 {
	const near = 0.1
	if distance := 1 - l.Value; l.Text == plainNumber(l.Text) && distance != 0 && math.Abs(distance) < near {
		return 1 - distance*factor
	}
	return l.Value * factor
}

// plainNumber is the text when it is a number without a unit, else "".
func plainNumber(text string) string {
	for _, r := range text {
		if (r < '0' || r > '9') && r != '.' {
			return ""
		}
	}
	return text
}
