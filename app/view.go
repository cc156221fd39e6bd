package app

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/session"
	"lifeboat/watch/rule"
	"lifeboat/watch/signal"
)

// view is what runs see of the world: the signal engine and the calendars.
type view struct {
	signals    *signal.Engine
	calendars  *calendars
	conditions map[string]*rule.Cond // of every check and verification, compiled before the first reading
	asked      []string              // all that compiling was tried of, in that order, each once
}

// Quote is the newer of the last price and the last opening price.
func (v *view) Quote(symbol string, at time.Time) (float64, time.Time, lifeboat.Quality) {
	price, seen, quality := v.signals.Price(symbol, at)
	if open, opened, itsQuality := v.signals.Price(symbol+".open", at); opened.After(seen) {
		return open, opened, itsQuality
	}
	return price, seen, quality
}

func (v *view) Age(symbol string, at time.Time) time.Duration {
	_, seen, _ := v.Quote(symbol, at)
	return v.calendars.of(symbol).OpenTime(seen, at)
}

func (v *view) Volume(symbol string) (float64, bool) { return v.signals.ADV(symbol) }

func (v *view) MarketOpen(symbol string, at time.Time) bool {
	return v.calendars.of(symbol).IsOpen(at)
}

func (v *view) Session(symbol string, at time.Time) time.Duration {
	usual := v.calendars.of(symbol).Usual(at)
	return usual.Close.Sub(usual.Open)
}

func (v *view) Turn(symbol string, at time.Time) time.Time {
	calendar := v.calendars.of(symbol)
	if calendar.IsOpen(at) {
		return calendar.Of(at).Close
	}
	return calendar.Next(at).Open
}

func (v *view) Holds(expr string, at time.Time) (truth, known bool, values map[string]float64) {
	condition, ok := v.conditions[expr]
	if !ok {
		return false, false, nil
	}
	truth, known = condition.Eval()
	return truth, known, condition.Values(at)
}

// compile prepares every expression that a step of the plan, or of a run still open, may ask for.
func (v *view) compile(p *plan.Plan, pinned []json.RawMessage, env rule.Env, board *rule.Board) error {
	for _, playbook := range p.Playbooks {
		if err := v.prepare(p, playbook, env, board); err != nil {
			return err
		}
	}
	for _, content := range pinned {
		// What such a playbook asks for may have left the plan. Its run gets no answer then, and says so; the watch must
		// not stop over it.
		if old, err := plan.Unpin(content); err == nil {
			for _, playbook := range append(old.Playbooks, old.Playbook) {
				_ = v.prepare(p, playbook, env, board)
			}
		}
	}
	return nil
}

// prepare compiles what it can and tells of the first expression that it cannot.
func (v *view) prepare(p *plan.Plan, playbook plan.Playbook, env rule.Env, board *rule.Board) (fault error) {
	ask := func(step plan.Step) {
		for _, expr := range expressions(step) {
			if v.conditions[expr] != nil {
				continue
			}
			if !slices.Contains(v.asked, expr) {
				v.asked = append(v.asked, expr)
			}
			condition, err := board.Compile(expr, env, "")
			if err == nil {
				v.conditions[expr] = condition
			} else if fault == nil {
				fault = fmt.Errorf("playbook %s, step %s: %w", playbook.Name, step.Name, err)
			}
		}
	}
	plan.Walk(playbook.Steps, func(step plan.Step) {
		ask(step)
		if step.ForEach == nil {
			return
		}
		for _, h := range p.Holdings { // which of them it goes through is known only when it does
			if p.Tradable(h.Account) && h.Symbol != p.Portfolio.BaseCurrency {
				plan.Walk(step.ForEach.For(h.Symbol, h.Account), ask)
			}
		}
	})
	return fault
}

// expressions of the rule language in one step. One that is for each of several holdings is none before it is known which.
func expressions(s plan.Step) []string {
	var all []string
	if s.Check != nil && s.Check.That != "" {
		all = append(all, s.Check.That)
	}
	if s.Verify != nil {
		all = append(all, s.Verify.That)
	}
	if s.If != nil {
		all = append(all, s.If.That)
	}
	return slices.DeleteFunc(all, func(expr string) bool {
		return strings.Contains(expr, "{symbol}") || strings.Contains(expr, "{account}")
	})
}

// calendars says when each series is traded.
type calendars struct {
	portfolio *session.Calendar
	bySeries  map[string]*session.Calendar // where it differs from the portfolio's
}

func newCalendars(p *plan.Plan, tape *session.Calendar, ofSeries map[string]*session.Calendar) (*calendars, error) {
	if tape != nil {
		return &calendars{portfolio: tape, bySeries: ofSeries}, nil
	}
	portfolio, err := session.ByName(p.Portfolio.Calendar)
	if err != nil {
		return nil, err
	}
	c := &calendars{portfolio: portfolio, bySeries: map[string]*session.Calendar{}}
	for _, h := range p.Holdings {
		if h.Class == "crypto" || h.Class == "stablecoin" {
			c.bySeries[h.Symbol] = session.AllDay()
		} else if h.Class != "cash" {
			c.bySeries[h.Symbol] = session.NYSE()
		}
	}
	return c, nil
}

func (c *calendars) of(symbol string) *session.Calendar {
	if own := c.bySeries[symbol]; own != nil {
		return own
	}
	return c.portfolio
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
