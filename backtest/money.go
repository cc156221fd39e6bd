package backtest

import (
	"context"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/backtest/disaster"
	"lifeboat/drill"
	"lifeboat/keep/journal"
	"lifeboat/plan"
)

// rehearsedMax is how long a tape may be to be rehearsed: the journal of a drill is kept in memory.
const rehearsedMax = 200_000 // instants

// money rehearses the plan as it is, and once more for each trigger that fired and has a playbook, with no other trigger
// beside it.
func (t *trial) money(ctx context.Context) error {
	if t.scene.Tape == nil || len(t.scene.Tape.Instants) > rehearsedMax {
		t.warnings = append(t.warnings, "the history is too long to be rehearsed, so nothing is said about money")
		return nil
	}
	whole, err := t.rehearse(ctx, t.Plan)
	if err != nil {
		return err
	}
	t.played.Money = &whole
	for i, tr := range t.Plan.Triggers {
		cell := &t.played.Cells[i]
		if cell.Fired == 0 || tr.Playbook == "" {
			continue
		}
		alone, err := t.rehearse(ctx, only(t.Plan, []plan.Trigger{tr}))
		if err != nil {
			return err
		}
		cell.Alone = &alone
		if err := t.falsely(ctx, cell); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) rehearse(ctx context.Context, p *plan.Plan) (Money, error) {
	result, err := drill.Rehearse(ctx, drill.Options{
		Plan: p, Tape: t.scene.Tape, From: t.scene.From, To: t.scene.To, Scenario: t.scene.Scenario, Journal: journal.Memory(),
	})
	if err != nil {
		return Money{}, err
	}
	o := result.Outcome
	m := Money{
		ValueStart: o.ValueStart, ValueEnd: o.ValueEnd, ValueEndIdle: o.ValueEndUnprotected, LossAvoided: o.LossAvoided,
		LowSpared: o.Low.Sub(o.LowUnprotected),
	}
	for _, order := range result.Orders {
		if order.Quantity.IsZero() {
			continue
		}
		m.Orders++
		if order.Arrival.IsPositive() {
			worse := order.Price.Sub(order.Arrival)
			if order.Side == lifeboat.Sell {
				worse = worse.Neg()
			}
			m.ExitCost = m.ExitCost.Add(worse.Mul(order.Quantity))
		}
	}
	m.exits = exitsOf(result.Orders)
	if len(m.exits) > 0 {
		first := m.exits[0]
		m.FirstOrder = &first.at
		for _, o := range first.orders {
			if o.FilledAt != nil && (m.LastFill == nil || o.FilledAt.After(*m.LastFill)) {
				m.LastFill = o.FilledAt
			}
		}
	}
	m.ExitCost = m.ExitCost.Round(2)
	return m, nil
}

// An exit is the filled orders of one run.
type exit struct {
	run    string
	at     time.Time // of its first order
	orders []drill.Order
}

func exitsOf(orders []drill.Order) []exit {
	var exits []exit
	for _, o := range orders {
		if o.Quantity.IsZero() {
			continue
		}
		i := slices.IndexFunc(exits, func(e exit) bool { return e.run == o.Run })
		if i < 0 {
			i = len(exits)
			exits = append(exits, exit{run: o.Run, at: o.Time})
		}
		exits[i].orders = append(exits[i].orders, o)
	}
	return exits
}

// falsely counts the exits of a trigger where holding was right, and what they cost. In a scenario of that kind all of
// them are, unless the trigger also reads a disaster beside it that it should have left. In the owner's own history
// those are that came within a fright that passed, or when nothing was happening.
func (t *trial) falsely(ctx context.Context, c *Cell) error {
	var holds, exits []Episode
	for _, e := range t.played.Episodes {
		switch concerned := slices.ContainsFunc(c.Leads, func(l Lead) bool { return l.Disaster == e.ID }); {
		case concerned && e.Kind == disaster.Hold:
			holds = append(holds, e)
		case concerned:
			exits = append(exits, e)
		}
	}
	if t.scene.Scenario != nil {
		if len(holds) > 0 && len(exits) == 0 && len(c.Alone.exits) > 0 {
			c.FalseExits = len(c.Alone.exits)
			c.FalseExitCost = decimal.Max(decimal.Zero, c.Alone.LossAvoided.Neg())
		}
		return nil
	}
	calm, err := t.spells(ctx, t.scene.From)
	if err != nil {
		return err
	}
	for _, x := range c.Alone.exits {
		if during(exits, x.at) || !during(holds, x.at) && !within(calm, x.at) {
			continue
		}
		c.FalseExits++
		c.FalseExitCost = c.FalseExitCost.Add(decimal.Max(decimal.Zero, t.regret(x)))
	}
	return nil
}

func during(episodes []Episode, at time.Time) bool {
	return slices.ContainsFunc(episodes, func(e Episode) bool { return !at.Before(e.Begin) && !at.After(e.End) })
}

// regret is what an exit had lost against not trading 30 days later.
func (t *trial) regret(x exit) decimal.Decimal {
	sum := decimal.Zero
	for _, o := range x.orders {
		later, known := t.priceAt(o.Symbol, o.Time.Add(afterwards))
		if !known {
			continue
		}
		moved := decimal.NewFromFloat(later).Sub(o.Price).Mul(o.Quantity)
		if o.Side == lifeboat.Buy {
			moved = moved.Neg()
		}
		sum = sum.Add(moved)
	}
	return sum.Round(2)
}

// priceAt is the last good price at a time or before it.
func (t *trial) priceAt(symbol string, at time.Time) (price float64, known bool) {
	instants := t.scene.Tape.Instants
	n, _ := slices.BinarySearchFunc(instants, at, func(in lifeboat.Instant, at time.Time) int {
		if in.At.After(at) {
			return 1
		}
		return -1
	})
	for _, in := range slices.Backward(instants[:n]) {
		for _, r := range in.Readings {
			if string(r.Series) == symbol && r.Quality == lifeboat.Good {
				price, known = r.Value, true
			}
		}
		if known {
			return price, true
		}
	}
	return 0, false
}
