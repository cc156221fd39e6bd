package report

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/backtest"
	drawn "lifeboat/drill/report"
	"lifeboat/prose"
	"lifeboat/watch/rule"
)

// The drawing in units of its own; the page scales it.
const (
	chartWidth  = 900
	plotLeft    = 90
	plotRight   = 880
	panelTop    = 28 // above a panel, for its name
	priceHeight = 130
	panelHeight = 80
	axisHeight  = 24
	signalsMax  = 3 // panels below the price
)

// A panel is one line over time, with the thresholds it is held against.
type panel struct {
	name   string
	height float64
	points []point
	limits []rule.Literal
	step   bool // a value that is true or false
	unit   unit
}

// A unit is how an axis is written: as its thresholds are.
type unit struct {
	factor float64 // from the value to what is written; 0 is 1
	name   string  // behind the panel's name
	before string  // each number
	after  string
}

func (u unit) of(v float64) float64 {
	if u.factor == 0 {
		return v
	}
	return v * u.factor
}

// unitOf a signal, from the threshold that it is held against.
func unitOf(l rule.Literal) unit {
	switch {
	case strings.HasSuffix(l.Text, "%"):
		return unit{factor: 100, name: ", %", after: " %"}
	case strings.HasPrefix(l.Text, "$"):
		return unit{name: ", $", before: "$"}
	case strings.HasSuffix(l.Text, "s"), strings.HasSuffix(l.Text, "m"), strings.HasSuffix(l.Text, "h"):
		return unit{factor: 1.0 / 3600, name: ", hours", after: " h"}
	case strings.HasSuffix(l.Text, "d"), strings.HasSuffix(l.Text, "w"):
		return unit{factor: 1.0 / 86400, name: ", days", after: " d"}
	case strings.HasSuffix(l.Text, "x"):
		return unit{after: "x"}
	}
	return unit{}
}

type point struct {
	at    time.Time
	value float64
}

// A chart is the drawing of one trigger in one play, in the making.
type chart struct {
	strings.Builder
	from, to time.Time
	labels   [][2]float64 // from where to where one stands at the top
}

// draw one trigger in one play: what it is about, its signals with their thresholds, when it stood fired, and from the
// first signal of each disaster to its point of no return. "" when there are fewer than two samples.
func draw(r backtest.Result, p backtest.Played, i int) string {
	panels := panels(r.Triggers[i], p, i, r.Currency)
	if len(panels) == 0 || len(p.Samples) < 2 {
		return ""
	}
	c := &chart{from: p.Samples[0].At, to: p.Samples[len(p.Samples)-1].At}
	height := float64(axisHeight)
	for _, panel := range panels {
		height += panelTop + panel.height
	}
	label := fmt.Sprintf("%s in %s, %s to %s: %s", r.Triggers[i].Name, p.Title, moment(c.from), moment(c.to), panels[0].name)
	c.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %.0f" role="img" aria-label="%s"><title>%s</title>`, chartWidth, height, escape(label), escape(label))
	c.episodes(p.Episodes, height-axisHeight)
	c.fired(p.Firings, r.Triggers[i].Name, height-axisHeight)
	top := 0.0
	for _, panel := range panels {
		c.panel(panel, top+panelTop)
		top += panelTop + panel.height
	}
	c.axis(top)
	c.printf("</svg>")
	return c.String()
}

// panels of a chart: the price first, then the signals that have thresholds, then others.
func panels(row backtest.Trigger, p backtest.Played, i int, currency string) []panel {
	var all []panel
	if price := pricePanel(p, i, currency); len(price.points) > 1 {
		all = append(all, price)
	}
	var signals []panel
	for _, l := range rule.Thresholds(row.Condition) {
		if k := slices.IndexFunc(signals, func(s panel) bool { return s.name == l.Of }); k >= 0 {
			signals[k].limits = append(signals[k].limits, l)
		} else if s := signalPanel(p, i, l.Of); len(s.points) > 1 {
			s.limits, s.unit = []rule.Literal{l}, unitOf(l)
			signals = append(signals, s)
		}
	}
	for _, name := range told(p, i) {
		if !slices.ContainsFunc(signals, func(s panel) bool { return strings.EqualFold(s.name, name) }) && len(signals) < signalsMax {
			s := signalPanel(p, i, name)
			if slices.ContainsFunc(signals, func(other panel) bool { return slices.Equal(other.points, s.points) }) {
				continue // what a signal of the plan is made of, drawn already under its name
			}
			s.step = strings.HasSuffix(strings.ToLower(name), "_breach")
			signals = append(signals, s)
		}
	}
	signals = signals[:min(len(signals), signalsMax)]
	if len(all) > 0 && slices.ContainsFunc(signals, func(s panel) bool { return slices.Equal(s.points, all[0].points) }) {
		all = nil // the price is held against a threshold itself, and drawn with it
	}
	return append(all, signals...)
}

// told are the names of the values that a trigger had in any sample, in the order of the alphabet.
func told(p backtest.Played, i int) []string {
	var names []string
	for _, s := range p.Samples {
		for name := range s.States[i].Values {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func pricePanel(p backtest.Played, i int, currency string) panel {
	if p.Cells[i].Whole {
		all := panel{name: "portfolio as registered", unit: unit{name: ", " + currency}, height: priceHeight}
		for _, s := range p.Samples {
			if s.Value > 0 {
				all.points = append(all.points, point{s.At, s.Value})
			}
		}
		return all
	}
	for _, symbol := range p.Cells[i].Reads {
		one := panel{name: "price of " + string(symbol), height: priceHeight}
		for _, s := range p.Samples {
			if v, known := s.Prices[string(symbol)]; known {
				one.points = append(one.points, point{s.At, v})
			}
		}
		if len(one.points) > 1 {
			return one
		}
	}
	return panel{}
}

func signalPanel(p backtest.Played, i int, name string) panel {
	s := panel{name: name, height: panelHeight}
	for _, sample := range p.Samples {
		if v, known := backtest.ValueOf(sample.States[i].Values, name); known {
			s.points = append(s.points, point{sample.At, v})
		}
	}
	return s
}

func (c *chart) printf(format string, args ...any) { fmt.Fprintf(c, format+"\n", args...) }

func (c *chart) x(at time.Time) float64 {
	share := float64(at.Sub(c.from)) / float64(c.to.Sub(c.from))
	return plotLeft + min(max(share, 0), 1)*(plotRight-plotLeft)
}

// episodes shades the time in which leaving helped, and ends it with the point of no return.
func (c *chart) episodes(episodes []backtest.Episode, bottom float64) {
	for _, e := range episodes {
		from, to := c.x(e.Signal), c.x(e.End)
		if e.NoReturn != nil {
			to = c.x(*e.NoReturn)
		}
		class := "window"
		if e.Kind == "hold" {
			class = "window hold"
		}
		name := escape(e.ID)
		c.printf(`<rect class="%s" x="%.1f" y="0" width="%.1f" height="%.1f"><title>%s: from the first signal, %s</title></rect>`,
			class, from, max(to-from, 1), bottom, name, moment(e.Signal))
		c.label(e, from, to)
		if e.NoReturn != nil {
			c.printf(`<line class="noreturn" x1="%.1f" x2="%.1f" y1="0" y2="%.1f"><title>%s: point of no return, %s</title></line>`, to, to, bottom, name, moment(*e.NoReturn))
		}
	}
}

// label says beside a field what its ends are, where there is room, so that nobody has to know the colours.
func (c *chart) label(e backtest.Episode, from, to float64) {
	begin := "first signal"
	if e.Kind == "hold" {
		begin = "holding was right"
	}
	if !c.write(begin, from-labelGap, true) {
		c.write(begin, from+labelGap, false)
	}
	if e.NoReturn != nil {
		c.write("no return", to+labelGap, false)
	}
}

// Of a label, in the units of the drawing: its distance from its line, about how wide a letter is, and its height.
const (
	labelGap    = 6
	labelLetter = 5.5
	labelBase   = 9
)

// write a label that ends or begins at x. It reports false, and writes nothing, where it would leave the drawing or stand
// on another.
func (c *chart) write(text string, x float64, ends bool) bool {
	from, class := x, "label"
	if ends {
		from, class = x-labelLetter*float64(len(text)), "label end"
	}
	to := from + labelLetter*float64(len(text))
	taken := slices.ContainsFunc(c.labels, func(other [2]float64) bool { return from < other[1] && other[0] < to })
	if taken || from < plotLeft || to > plotRight {
		return false
	}
	c.labels = append(c.labels, [2]float64{from, to})
	c.printf(`<text class="%s" x="%.1f" y="%d">%s</text>`, class, x, labelBase, text)
	return true
}

// fired shades the times in which the trigger stood fired, with a line at each beginning.
func (c *chart) fired(firings []backtest.Firing, trigger string, bottom float64) {
	var since *time.Time
	span := func(from, to time.Time) {
		wide := max(c.x(to)-c.x(from), 0.5)
		c.printf(`<rect class="fired" x="%.1f" y="0" width="%.1f" height="%.1f"/>`, c.x(from), wide, bottom)
		c.printf(`<rect class="stood" x="%.1f" y="%.1f" width="%.1f" height="4"/>`, c.x(from), bottom-4, max(wide, 2))
		c.printf(`<path class="mark" d="M%.1f 0h8l-4 7z"/>`, c.x(from)-4)
		c.printf(`<line class="firing" x1="%.1f" x2="%.1f" y1="0" y2="%.1f"><title>fired %s</title></line>`, c.x(from), c.x(from), bottom, moment(from))
	}
	for _, f := range firings {
		switch {
		case f.Trigger != trigger:
		case f.State == lifeboat.Fired:
			at := f.Time
			since = &at
		case since != nil:
			span(*since, f.Time)
			since = nil
		}
	}
	if since != nil {
		span(*since, c.to)
	}
}

// panel draws one line with its thresholds and two or three values at its left.
func (c *chart) panel(p panel, top float64) {
	low, high := bounds(p)
	ticks := drawn.ValueTicks(p.unit.of(low), p.unit.of(high), 3)
	low, high = ticks[0], ticks[len(ticks)-1]
	at := func(written float64) float64 { return top + p.height - (written-low)/(high-low)*p.height }
	y := func(v float64) float64 { return at(p.unit.of(v)) }
	c.printf(`<text class="name" x="%d" y="%.1f">%s</text>`, plotLeft, top-7, escape(p.name+p.unit.name))
	for _, tick := range ticks {
		c.printf(`<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, plotLeft, plotRight, at(tick), at(tick))
		c.printf(`<text class="tick end" x="%d" y="%.1f">%s</text>`, plotLeft-6, at(tick)+4, p.unit.before+figure(tick, high-low)+p.unit.after)
	}
	var d strings.Builder
	for i, pt := range thin(p.points) {
		switch {
		case i == 0:
			fmt.Fprintf(&d, "M%.1f %.1f", c.x(pt.at), y(pt.value))
		case p.step:
			fmt.Fprintf(&d, "H%.1fV%.1f", c.x(pt.at), y(pt.value))
		default:
			fmt.Fprintf(&d, "L%.1f %.1f", c.x(pt.at), y(pt.value))
		}
	}
	c.printf(`<path class="value" d="%s"/>`, d.String())
	for _, l := range p.limits {
		v := backtest.Limit(l)
		c.printf(`<line class="limit" x1="%d" x2="%d" y1="%.1f" y2="%.1f"><title>threshold %s</title></line>`, plotLeft, plotRight, y(v), y(v), escape(l.Text))
		c.printf(`<text class="limit-text end" x="%d" y="%.1f">%s</text>`, plotRight, y(v)-3, escape(l.Text))
	}
}

// thinMax is how many points a line may have: two for every unit of its width.
const thinMax = 2 * (plotRight - plotLeft)

// thin keeps the lowest and the highest of neighbouring points, so that no wick is lost that the eye could see.
func thin(points []point) []point {
	if len(points) <= thinMax {
		return points
	}
	each := (len(points) + thinMax/2 - 1) / (thinMax / 2)
	var kept []point
	for some := range slices.Chunk(points, each) {
		low := slices.MinFunc(some, func(a, b point) int { return cmp.Compare(a.value, b.value) })
		high := slices.MaxFunc(some, func(a, b point) int { return cmp.Compare(a.value, b.value) })
		if high.at.Before(low.at) {
			low, high = high, low
		}
		kept = append(kept, low, high)
	}
	return kept
}

// bounds of a panel's values, its thresholds among them.
func bounds(p panel) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, pt := range p.points {
		low, high = min(low, pt.value), max(high, pt.value)
	}
	for _, l := range p.limits {
		low, high = min(low, backtest.Limit(l)), max(high, backtest.Limit(l))
	}
	if high-low < 1e-12*max(math.Abs(low), math.Abs(high), 1) {
		margin := max(math.Abs(low)*0.01, 1e-6)
		low, high = low-margin, high+margin
	}
	return low, high
}

func (c *chart) axis(top float64) {
	c.printf(`<line class="axis" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, plotLeft, plotRight, top, top)
	for _, tick := range drawn.TimeTicks(c.from, c.to) {
		x := c.x(tick.At)
		c.printf(`<line class="axis" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, x, x, top, top+4)
		c.printf(`<text class="tick mid" x="%.1f" y="%.1f">%s</text>`, x, top+18, escape(tick.Label))
	}
}

// figure with as many decimals as its axis needs.
func figure(v, across float64) string {
	decimals := 0
	if across > 0 {
		decimals = min(max(int(math.Ceil(2-math.Log10(across)))-1, 0), 8)
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	if text == "-0" {
		text = "0"
	}
	return prose.Grouped(text)
}

func escape(text string) string {
	var escaped strings.Builder
	xml.EscapeText(&escaped, []byte(text)) // a strings.Builder takes everything
	return escaped.String()
}
