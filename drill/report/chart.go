package report

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/drill"
)

// The drawing in units of its own; a page scales it.
const (
	chartWidth  = 960
	plotLeft    = 84
	plotRight   = 826
	plotTop     = 112
	labelHeight = 16
)

// styleSheet gives both schemes of light. Text and axes take the reader's own colour where the drawing is part of a
// page; elsewhere the two schemes say which.
const styleSheet = `
svg{color:#1f2937;font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
text{fill:currentColor}.title{font-size:17px;font-weight:600}.quiet{fill-opacity:.65}.mid{text-anchor:middle}.end{text-anchor:end}
.grid{stroke:currentColor;stroke-opacity:.13}.axis{stroke:currentColor;stroke-opacity:.45}
.with{fill:none;stroke:#0f766e;stroke-width:2.4;stroke-linejoin:round}.without{fill:none;stroke:#6b7280;stroke-width:1.6;stroke-dasharray:5 3;stroke-linejoin:round}
.with-text{fill:#0f766e;font-weight:600}.without-text{fill:#6b7280}.between{fill:#0f766e;fill-opacity:.10}.below{fill:#6b7280;fill-opacity:.10}
.tier1{fill:#a16207;stroke:#a16207}.tier2{fill:#c2410c;stroke:#c2410c}.tier3{fill:#b91c1c;stroke:#b91c1c}
.hair{stroke-opacity:.45;stroke-dasharray:2 3;fill:none}.number{fill:#fff;stroke:none;font-size:11px;font-weight:700;text-anchor:middle}
.order{stroke:#fff;stroke-width:1}.quiet-mark{fill:currentColor;fill-opacity:.55}
@media (prefers-color-scheme:dark){svg{color:#e5e7eb}.with{stroke:#2dd4bf}.with-text{fill:#2dd4bf}.between{fill:#2dd4bf;fill-opacity:.14}
.without{stroke:#9ca3af}.without-text{fill:#9ca3af}.below{fill:#9ca3af;fill-opacity:.14}
.tier1{fill:#facc15;stroke:#facc15}.tier2{fill:#fb923c;stroke:#fb923c}.tier3{fill:#f87171;stroke:#f87171}.number{fill:#111827}.order{stroke:#111827}}
`

// A chart is an SVG drawing of values over time, in the making.
type chart struct {
	strings.Builder
	from, to  time.Time
	low, high float64
	bottom    float64 // of the plot
}

// newChart opens a drawing whose plot is so high. Title and description are what a screen reader says.
func newChart(title, description string, curve []drill.Point, ticks []float64, plotHeight float64) *chart {
	c := &chart{
		from: curve[0].At, to: curve[len(curve)-1].At,
		low: ticks[0], high: ticks[len(ticks)-1], bottom: plotTop + plotHeight,
	}
	height := c.bottom + 34
	c.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %.0f" width="%d" height="%.0f" role="img" aria-labelledby="title description">`,
		chartWidth, height, chartWidth, height)
	c.printf(`<title id="title">%s</title><desc id="description">%s</desc>`, escape(title), escape(description))
	c.printf("<style>%s</style>", styleSheet)
	c.printf(`<text class="title" x="%d" y="26">%s</text>`, plotLeft, escape(title))
	return c
}

func (c *chart) done() string {
	c.printf("</svg>")
	return c.String()
}

// printf writes one element on a line of its own, so that two reports can be compared.
func (c *chart) printf(format string, args ...any) { fmt.Fprintf(c, format+"\n", args...) }

func (c *chart) x(at time.Time) float64 {
	if !c.to.After(c.from) {
		return plotLeft
	}
	share := float64(at.Sub(c.from)) / float64(c.to.Sub(c.from))
	return plotLeft + min(max(share, 0), 1)*(plotRight-plotLeft)
}

func (c *chart) y(value float64) float64 {
	return c.bottom - (value-c.low)/(c.high-c.low)*(c.bottom-plotTop)
}

// axes draws a line across for every value and a tick for every date.
func (c *chart) axes(ticks []float64, label func(float64) string) {
	for _, tick := range ticks {
		y := c.y(tick)
		c.printf(`<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, plotLeft, plotRight, y, y)
		c.printf(`<text class="quiet end" x="%d" y="%.1f">%s</text>`, plotLeft-10, y+4.5, label(tick))
	}
	c.printf(`<line class="axis" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, plotLeft, plotRight, c.bottom, c.bottom)
	for _, tick := range dateTicks(c.from, c.to) {
		x := c.x(tick.at)
		c.printf(`<line class="axis" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, x, x, c.bottom, c.bottom+5)
		c.printf(`<text class="quiet mid" x="%.1f" y="%.1f">%s</text>`, x, c.bottom+22, tick.label)
	}
}

// A line of the plot: the class it is drawn in and its value at each point of the curve.
type line struct {
	class string
	value func(drill.Point) float64
}

func (c *chart) draw(curve []drill.Point, l line) {
	c.printf(`<path class="%s" d="%s"/>`, l.class, c.path(curve, l.value))
}

// fill colours what lies between two lines.
func (c *chart) fill(class string, curve []drill.Point, one, other func(drill.Point) float64) {
	back := make([]drill.Point, len(curve))
	for i, p := range curve {
		back[len(curve)-1-i] = p
	}
	c.printf(`<path class="%s" d="%sL%sZ"/>`, class, c.path(curve, one), c.path(back, other)[1:])
}

func (c *chart) path(curve []drill.Point, value func(drill.Point) float64) string {
	var d strings.Builder
	for i, p := range curve {
		fmt.Fprintf(&d, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], c.x(p.At), c.y(value(p)))
	}
	return d.String()
}

// An ending names a line at its right end.
type ending struct {
	class, name, figure string
	value               float64
}

// endings keeps the names of both lines apart, the higher one above.
func (c *chart) endings(first, second ending) {
	if first.value < second.value {
		first, second = second, first
	}
	const apart = 2*labelHeight + 6
	above, below := c.y(first.value), c.y(second.value)
	if below-above < apart {
		middle := (above + below) / 2
		above, below = middle-apart/2, middle+apart/2
	}
	if over := below + labelHeight - c.bottom; over > 0 {
		above, below = above-over, below-over
	}
	for _, e := range []struct {
		ending
		y float64
	}{{first, above}, {second, below}} {
		c.printf(`<text class="%s" x="%d" y="%.1f">%s</text>`, e.class, plotRight+10, e.y, escape(e.name))
		c.printf(`<text class="%s" x="%d" y="%.1f">%s</text>`, e.class, plotRight+10, e.y+labelHeight, escape(e.figure))
	}
}

// firings sets a numbered disc over the plot for every trigger that fired, and a hair down to the axis. Discs that
// would overlap go into a second and a third lane.
func (c *chart) firings(r drill.Result) {
	const radius = 8
	lanes := [3]float64{-100, -100, -100} // the x of the last disc in each
	for _, f := range r.Firings {
		if f.State != lifeboat.Fired || f.Time.Before(c.from) || f.Time.After(c.to) {
			continue
		}
		x, lane := c.x(f.Time), 0
		for lane < len(lanes)-1 && x-lanes[lane] < 2*radius+1 {
			lane++
		}
		lanes[lane] = x
		y := plotTop - 12 - float64(lane)*(2*radius+1)
		class := tierClass(f.Tier)
		c.printf(`<g><title>%s</title>`, escape(fmt.Sprintf("%s UTC, tier %s: %s fired", moment(f.Time), tier(f.Tier), f.Trigger)))
		c.printf(`<line class="%s hair" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, class, x, x, y+radius, c.bottom)
		c.printf(`<circle class="%s" cx="%.1f" cy="%.1f" r="%d"/><text class="number" x="%.1f" y="%.1f">%d</text></g>`,
			class, x, y, radius, x, y+4, int(f.Tier))
	}
}

// orders sets a triangle on the plan's line for everything sold or bought at one time: down for a sale, up for a
// purchase, in the colour of the tier that asked for it.
func (c *chart) orders(r drill.Result, curve []drill.Point, value func(drill.Point) float64) {
	for i := 0; i < len(r.Orders); {
		first, together := r.Orders[i], []string{}
		for ; i < len(r.Orders) && r.Orders[i].Time.Equal(first.Time) && r.Orders[i].Side == first.Side; i++ {
			together = append(together, amount(r.Orders[i])+" "+r.Orders[i].Symbol)
		}
		if first.Time.Before(c.from) || first.Time.After(c.to) {
			continue
		}
		x, y := c.x(first.Time), c.y(between(curve, first.Time, value))
		shape := fmt.Sprintf("M%.1f %.1fl-6 -11h12z", x, y-4)
		if first.Side == lifeboat.Buy {
			shape = fmt.Sprintf("M%.1f %.1fl-6 11h12z", x, y+4)
		}
		c.printf(`<path class="%s order" d="%s"><title>%s</title></path>`, tierClass(tierOfRun(r, first.Run)), shape,
			escape(fmt.Sprintf("%s UTC, %s %s", moment(first.Time), first.Side, strings.Join(together, ", "))))
	}
}

// between is where the drawn line stands at a time.
func between(curve []drill.Point, at time.Time, value func(drill.Point) float64) float64 {
	last := curve[0]
	for _, p := range curve[1:] {
		if p.At.After(at) {
			share := float64(at.Sub(last.At)) / float64(p.At.Sub(last.At))
			return value(last) + share*(value(p)-value(last))
		}
		last = p
	}
	return value(last)
}

// tierOfRun is the tier of the trigger that started a run.
func tierOfRun(r drill.Result, id string) lifeboat.Tier {
	for _, run := range r.Runs {
		if run.ID != id {
			continue
		}
		for _, f := range r.Firings {
			if f.Trigger == run.Trigger {
				return f.Tier
			}
		}
	}
	return lifeboat.Watch
}

func tierClass(t lifeboat.Tier) string { return fmt.Sprintf("tier%d", min(max(int(t), 1), 3)) }

func escape(text string) string {
	var escaped strings.Builder
	xml.EscapeText(&escaped, []byte(text)) // a strings.Builder takes everything
	return escaped.String()
}
