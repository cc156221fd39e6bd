package report

import (
	"fmt"
	"math"

	"lifeboat"
	"lifeboat/drill"
)

func protected(p drill.Point) float64   { return p.Protected }
func unprotected(p drill.Point) float64 { return p.Unprotected }

// valueChart shows what the portfolio was worth, with the plan and doing nothing, and where the plan fired and traded.
func valueChart(r drill.Result) string {
	if len(r.Curve) < 2 {
		return nothing(r)
	}
	low, high := bottomAndTop(r.Curve)
	margin := (high - low) * 0.04 // room for the triangles
	ticks := roundTicks(low-margin, high+margin, 7)
	o := r.Outcome
	c := newChart("Value: "+r.Title, fmt.Sprintf("Line chart, %s. With the plan the portfolio went from %s to %s, at worst %s. Doing nothing it would have ended at %s, at worst %s.",
		bounds(r.From, r.To), money(o.ValueStart), money(o.ValueEnd), money(o.Low), money(o.ValueEndUnprotected), money(o.LowUnprotected)), r.Curve, ticks, 300)
	c.key(r)
	c.axes(ticks, short(ticks))
	c.fill("between", r.Curve, protected, unprotected)
	c.firings(r)
	c.draw(r.Curve, line{"without", unprotected})
	c.draw(r.Curve, line{"with", protected})
	c.orders(r, r.Curve, protected)
	last := r.Curve[len(r.Curve)-1]
	c.endings(ending{"with-text", "with the plan", money(o.ValueEnd), last.Protected},
		ending{"without-text", "doing nothing", money(o.ValueEndUnprotected), last.Unprotected})
	return c.done()
}

// drawdownChart shows how far below its last peak the portfolio was.
func drawdownChart(r drill.Result) string {
	if len(r.Curve) < 2 {
		return nothing(r)
	}
	falls := drawdowns(r.Curve)
	low, _ := bottomAndTop(falls)
	ticks := roundTicks(min(low, -0.01), 0, 4)
	o := r.Outcome
	c := newChart("Drawdown: "+r.Title, fmt.Sprintf("Line chart, %s. The worst drawdown was %s with the plan and would have been %s doing nothing.",
		bounds(r.From, r.To), percent(o.MaxDrawdown), percent(o.MaxDrawdownUnprotected)), r.Curve, ticks, 190)
	c.key(r)
	c.axes(ticks, func(v float64) string { return fmt.Sprintf("%s %%", figure(math.Round(v*1000)/10)) })
	c.fill("below", falls, unprotected, func(drill.Point) float64 { return 0 })
	c.firings(r)
	c.draw(falls, line{"without", unprotected})
	c.draw(falls, line{"with", protected})
	c.orders(r, falls, protected)
	last := falls[len(falls)-1]
	c.endings(ending{"with-text", "with the plan", "worst " + percent(o.MaxDrawdown), last.Protected},
		ending{"without-text", "doing nothing", "worst " + percent(o.MaxDrawdownUnprotected), last.Unprotected})
	return c.done()
}

// drawdowns of a curve from its own running peaks, as negative fractions.
func drawdowns(curve []drill.Point) []drill.Point {
	falls := make([]drill.Point, len(curve))
	peak := curve[0]
	for i, p := range curve {
		peak.Protected, peak.Unprotected = max(peak.Protected, p.Protected), max(peak.Unprotected, p.Unprotected)
		falls[i] = drill.Point{At: p.At, Protected: fall(p.Protected, peak.Protected), Unprotected: fall(p.Unprotected, peak.Unprotected)}
	}
	return falls
}

func fall(value, peak float64) float64 {
	if peak <= 0 {
		return 0
	}
	return value/peak - 1
}

func bottomAndTop(curve []drill.Point) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, p := range curve {
		low, high = min(low, p.Protected, p.Unprotected), max(high, p.Protected, p.Unprotected)
	}
	return low, high
}

// key explains lines, discs and triangles, those that occur.
func (c *chart) key(r drill.Result) {
	const y = 50
	c.printf(`<line class="with" x1="%d" x2="%d" y1="%d" y2="%d"/><text x="%d" y="%d">with the plan</text>`, plotLeft, plotLeft+26, y-4, y-4, plotLeft+34, y)
	c.printf(`<line class="without" x1="%d" x2="%d" y1="%d" y2="%d"/><text x="%d" y="%d">doing nothing</text>`, plotLeft+140, plotLeft+166, y-4, y-4, plotLeft+174, y)
	x := plotLeft + 288
	for _, t := range []lifeboat.Tier{lifeboat.Watch, lifeboat.Action, lifeboat.Emergency} {
		if !fires(r, t) {
			continue
		}
		c.printf(`<circle class="%s" cx="%d" cy="%d" r="8"/><text class="number" x="%d" y="%d">%d</text><text x="%d" y="%d">%s</text>`,
			tierClass(t), x, y-5, x, y-1, int(t), x+14, y, t)
		x += 40 + 8*len(t.String())
	}
	if len(r.Orders) > 0 {
		c.printf(`<path class="quiet-mark" d="M%d %dl-6 -11h12z"/><text x="%d" y="%d">sold</text>`, x, y+1, x+14, y)
		c.printf(`<path class="quiet-mark" d="M%d %dl-6 11h12z"/><text x="%d" y="%d">bought</text>`, x+68, y-10, x+82, y)
	}
}

func fires(r drill.Result, t lifeboat.Tier) bool {
	for _, f := range r.Firings {
		if f.Tier == t && f.State == lifeboat.Fired {
			return true
		}
	}
	return false
}

// short labels of money: 1,200,000 is 1.2 M where all ticks can be told apart that way.
func short(ticks []float64) func(float64) string {
	unit, name := 1.0, ""
	switch top := math.Abs(ticks[len(ticks)-1]); {
	case top >= 1e9:
		unit, name = 1e9, " bn"
	case top >= 1e6:
		unit, name = 1e6, " M"
	case top >= 1e4:
		unit, name = 1e3, " k"
	}
	return func(v float64) string { return figure(v/unit) + name }
}

// nothing is a drawing that says why there is none.
func nothing(r drill.Result) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 80" width="960" height="80" role="img"><title>%s</title>`+
		`<text x="20" y="46" fill="currentColor" font-family="sans-serif">The drill has fewer than two session ends: there is no curve to draw.</text></svg>`+"\n",
		escape(r.Title))
}
