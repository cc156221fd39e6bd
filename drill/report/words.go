package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/drill"
	"lifeboat/prose"
)

// money in whole units from ten thousand on, where cents no longer help.
func money(d decimal.Decimal) string {
	if d.Abs().LessThan(decimal.NewFromInt(10_000)) {
		return prose.Grouped(d.StringFixed(2))
	}
	return prose.Grouped(d.StringFixed(0))
}

// gain is money with its sign, also when it is positive.
func gain(d decimal.Decimal) string {
	if d.IsPositive() {
		return "+" + money(d)
	}
	return money(d)
}

// price to the digits that matter: an average of many fills has more than anybody can read.
func price(d decimal.Decimal) string {
	switch {
	case d.Abs().GreaterThanOrEqual(decimal.NewFromInt(100)):
		return prose.Grouped(d.Round(2).String())
	case d.Abs().GreaterThanOrEqual(decimal.NewFromInt(1)):
		return prose.Grouped(d.Round(4).String())
	}
	return d.Round(6).String()
}

func percent(fraction float64) string {
	if small := math.Abs(fraction); small > 0 && small < 0.01 {
		return fmt.Sprintf("%.2f %%", fraction*100)
	}
	return fmt.Sprintf("%.1f %%", fraction*100)
}

// points of a percentage by which two fractions differ.
func points(fraction float64) string {
	if math.Abs(fraction) < 0.0005 {
		return "0.0 points"
	}
	return fmt.Sprintf("%+.1f points", fraction*100)
}

func basisPoints(bps float64) string { return fmt.Sprintf("%.1f bp", bps) }

// moment is a time to the minute, and to the second where that says more. Reports say once that times are UTC.
func moment(t time.Time) string {
	t = t.UTC()
	if t.Second() != 0 {
		return t.Format("2006-01-02 15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}

// bounds of a drill: days are enough for a long one, a short one needs its hours.
func bounds(from, to time.Time) string {
	if to.Sub(from) > 10*24*time.Hour {
		return from.UTC().Format(time.DateOnly) + " to " + to.UTC().Format(time.DateOnly)
	}
	return moment(from) + " to " + moment(to) + " UTC"
}

func span(seconds float64) string { return prose.Span(time.Duration(seconds * float64(time.Second))) }

// took is the span of something that may still be open.
func took(started time.Time, finished *time.Time) string {
	if finished == nil {
		return "not finished"
	}
	return span(finished.Sub(started).Seconds())
}

// against compares a span with its budget in seconds.
func against(started time.Time, finished *time.Time, budget float64) string {
	if budget == 0 {
		return ""
	}
	if finished == nil {
		return "RTO " + span(budget) + ", not finished"
	}
	if over := finished.Sub(started).Seconds() - budget; over > 0 {
		return "RTO " + span(budget) + " missed by " + span(over)
	}
	return "within RTO " + span(budget)
}

// missed reports a budget that was not kept.
func missed(started time.Time, finished *time.Time, budget float64) bool {
	return budget > 0 && (finished == nil || finished.Sub(started).Seconds() > budget)
}

// values that made a trigger fire, by name.
func values(read map[string]float64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(read)) {
		parts = append(parts, name+" "+figure(read[name]))
	}
	return strings.Join(parts, ", ")
}

// figure keeps four digits of a fraction and two decimals of a level.
func figure(v float64) string {
	decimals := 4
	if math.Abs(v) >= 10 {
		decimals = 2
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return prose.Grouped(text)
}

// orNot is a time in seconds as the report tells it, or that it did not come to it.
func orNot(seconds *float64) string {
	switch {
	case seconds == nil:
		return "-"
	case *seconds == 0:
		return "at once"
	case *seconds < 0:
		return span(-*seconds) + " early"
	}
	return span(*seconds)
}

func tier(t lifeboat.Tier) string { return fmt.Sprintf("%d %s", int(t), t) }

func verdict(v lifeboat.Verdict) string {
	switch v {
	case lifeboat.Start:
		return "started"
	case lifeboat.Ask:
		return "asked"
	case lifeboat.Hold:
		return "held"
	}
	return string(v)
}

// amount of an order: what was filled, and what was asked for when that was more.
func amount(o drill.Order) string {
	if o.Quantity.Equal(o.Ordered) {
		return prose.Grouped(o.Quantity.String())
	}
	return prose.Grouped(o.Quantity.String()) + " of " + prose.Grouped(o.Ordered.String())
}

// traded sums the orders up: how many, how many filled, and what slippage cost.
func traded(orders []drill.Order) string {
	filled, cost, arrived := 0, decimal.Zero, decimal.Zero
	for _, o := range orders {
		if o.Status == lifeboat.Filled {
			filled++
		}
		worse := o.Price.Sub(o.Arrival)
		if o.Side == lifeboat.Sell {
			worse = worse.Neg()
		}
		cost = cost.Add(worse.Mul(o.Quantity))
		arrived = arrived.Add(o.Arrival.Mul(o.Quantity))
	}
	text := fmt.Sprintf("%s, %d filled in full", prose.Count(len(orders), "order"), filled)
	if arrived.IsPositive() {
		bps := cost.Div(arrived).InexactFloat64() * 1e4
		text += fmt.Sprintf("; slippage against the arrival price %s, which is %s", basisPoints(bps), money(cost))
	}
	return text
}

// clearing is when the all-clear of a firing came; zero when it did not.
func clearing(firings []drill.Firing, fired int) time.Time {
	for _, f := range firings[fired+1:] {
		if f.Trigger == firings[fired].Trigger && f.State == lifeboat.Cleared {
			return f.Time
		}
	}
	return time.Time{}
}

// reflexSentence says what selling at the first fright would have come to.
func reflexSentence(r drill.Reflex) string {
	judged := "would have cost %s: holding was right."
	if !r.Cost.IsPositive() {
		judged = "would have saved %s: here the reflex was right."
	}
	return fmt.Sprintf("Selling all %s at the first price below %s, %s at %s UTC, "+judged,
		r.Symbol, figure(r.Below), price(r.Price), moment(r.Time), money(r.Cost.Abs()))
}

func gapSentence(g drill.Gap) string {
	text := g.Series + " had no data from the start"
	if !g.Since.IsZero() {
		text = g.Series + " gave no fresh data after " + moment(g.Since)
	}
	if g.Until != nil {
		text += " until " + moment(*g.Until)
	} else {
		text += " to the end"
	}
	if len(g.Triggers) > 0 {
		text += "; blind meanwhile: " + strings.Join(g.Triggers, ", ")
	}
	return text
}

// unknowns are all the ways in which the drill knew less than it seems.
func unknowns(r drill.Result) []string {
	var all []string
	for _, g := range r.Gaps {
		all = append(all, gapSentence(g))
	}
	if len(r.Uncovered) > 0 {
		all = append(all, "No price on the tape, held flat at the plan's own price: "+strings.Join(r.Uncovered, ", "))
	}
	return append(all, r.Warnings...)
}

// sinceWhen says from where the time to detect is counted.
func sinceWhen(r drill.Result) string {
	if r.Scenario == drill.Custom {
		return "from the peak before the firing to the firing"
	}
	return "from the first observable signal to the firing"
}
