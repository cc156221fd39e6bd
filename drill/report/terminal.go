package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"lifeboat"
	"lifeboat/drill"
)

// What a screen has room for; everything is in report.md.
const (
	firingsMax   = 5
	decisionsMax = 4
	ordersMax    = 5
	runsMax      = 3
	sayingsMax   = 3
	widthMin     = 50
	widthMax     = 110
)

// Terminal writes one screen: about sixty lines at most, no wider than width.
func Terminal(w io.Writer, r drill.Result, width int, colour bool) {
	s := screen{out: bufio.NewWriter(w), width: min(max(width, widthMin), widthMax), colour: colour}
	s.head(r)
	s.outcome(r)
	s.curves(r)
	s.reflex(r)
	s.fired(r)
	s.decided(r)
	s.orders(r)
	s.times(r)
	s.list("WHAT DID NOT WORK", red, r.Failures)
	s.list("WHAT THIS DRILL COULD NOT KNOW", yellow, unknowns(r))
	s.foot(r)
	s.out.Flush() // a terminal that went away has nobody to tell
}

// A screen knows how wide it is and whether it has colours.
type screen struct {
	out    *bufio.Writer
	width  int
	colour bool
}

// A style is an ANSI attribute.
type style string

const (
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	purple style = "35"
)

func tierStyle(t lifeboat.Tier) style {
	switch t {
	case lifeboat.Emergency:
		return red
	case lifeboat.Action:
		return purple
	}
	return yellow
}

func (s screen) head(r drill.Result) {
	s.wrap(bold, "", "DRILL: "+r.Title)
	s.wrap(dim, "", fmt.Sprintf("%s, %s; plan %q", r.Scenario, bounds(r.From, r.To), r.Plan))
	s.line("", "")
	s.wrap(bold, "", r.Verdict)
}

func (s screen) outcome(r drill.Result) {
	o := r.Outcome
	s.heading("OUTCOME")
	s.table([]style{dim}, "<>>>", [][]string{
		{"", "with the plan", "doing nothing", "difference"},
		{"start", money(o.ValueStart), money(o.ValueStart), ""},
		{"end", money(o.ValueEnd), money(o.ValueEndUnprotected), gain(o.LossAvoided)},
		{"lowest", money(o.Low), money(o.LowUnprotected), gain(o.Low.Sub(o.LowUnprotected))},
		{"worst drawdown", percent(o.MaxDrawdown), percent(o.MaxDrawdownUnprotected), points(o.MaxDrawdown - o.MaxDrawdownUnprotected)},
	})
}

// curves shows both values on one scale, and under them the tier of every firing.
func (s screen) curves(r drill.Result) {
	columns := s.width - 12
	with, without := lowest(r.Curve, columns)
	if with == nil {
		return
	}
	bottom := min(slices.Min(with), slices.Min(without))
	top := max(slices.Max(with), slices.Max(without))
	s.line("", "")
	if slices.Equal(with, without) {
		s.curve(green, "both", blocks(with, bottom, top))
	} else {
		s.curve(green, "plan", blocks(with, bottom, top))
		s.curve(dim, "nothing", blocks(without, bottom, top))
	}
	s.line("", "  "+pad("fired", 9)+marks(r, len(with)))
	begin, end := r.Curve[0].At.UTC(), r.Curve[len(r.Curve)-1].At.UTC()
	layout := "2 Jan 2006"
	if end.Sub(begin).Hours() < 72 {
		layout = "2 Jan 15:04"
	}
	from, to := begin.Format(layout), end.Format(layout)
	s.line(dim, "  "+pad("", 9)+from+strings.Repeat(" ", max(1, len(with)-len(from)-len(to)))+to)
}

func (s screen) curve(as style, name string, rows [2]string) {
	s.line(as, "  "+pad(name, 9)+rows[0])
	s.line(as, "  "+pad("", 9)+rows[1])
}

func (s screen) reflex(r drill.Result) {
	if r.Reflex != nil {
		s.heading("THE REFLEX")
		s.wrap("", "  ", reflexSentence(*r.Reflex))
	}
}

func (s screen) fired(r drill.Result) {
	s.heading("WHAT FIRED, AND WHY (times UTC)")
	shown, all := gravest(r.Firings, firingsMax)
	for _, i := range shown {
		f := r.Firings[i]
		s.line(tierStyle(f.Tier), s.cut(fmt.Sprintf("  %s  %s  %s", moment(f.Time), pad(tier(f.Tier), 11), f.Trigger)))
		why := values(f.Values)
		if len(f.Sources) > 0 {
			why += "; said by " + strings.Join(f.Sources, ", ")
		}
		if cleared := clearing(r.Firings, i); !cleared.IsZero() {
			why += "; cleared " + moment(cleared)
		}
		s.line(dim, s.cut("      "+why))
	}
	s.rest(len(shown), all, "nothing: no condition became true")
}

func (s screen) decided(r drill.Result) {
	s.heading("WHAT WAS DECIDED, AND BY WHOM")
	shown := weightiest(r.Decisions, decisionsMax)
	for _, n := range shown {
		d := r.Decisions[n]
		what := d.Trigger
		if d.Playbook != "" {
			what = d.Playbook
		}
		s.line("", s.cut(fmt.Sprintf("  %s  %-7s  %s", moment(d.Time), verdict(d.Verdict), what)))
		s.line(dim, s.cut(fmt.Sprintf("      by %s: %s", d.By, d.Why)))
	}
	s.rest(len(shown), len(r.Decisions), "nothing had to be decided")
}

func (s screen) orders(r drill.Result) {
	s.heading("WHAT WAS TRADED")
	shown := r.Orders[:min(len(r.Orders), ordersMax)]
	rows := make([][]string, len(shown))
	for i, o := range shown {
		rows[i] = []string{moment(o.Time), string(o.Side), amount(o), o.Symbol, "at " + price(o.Price), basisPoints(o.SlippageBps), string(o.Status)}
		if o.Quantity.IsZero() {
			rows[i][4], rows[i][5] = "", ""
		}
	}
	s.table(nil, "<<><<><", rows)
	s.rest(len(shown), len(r.Orders), "nothing: no order was placed")
	if len(r.Orders) > 1 {
		s.wrap(dim, "  ", traded(r.Orders)+".")
	}
}

func (s screen) times(r drill.Result) {
	s.heading("HOW LONG IT TOOK")
	s.table(nil, "<><", [][]string{
		{"detect", orNot(r.Times.Detect), sinceWhen(r)},
		{"decide", orNot(r.Times.Decide), "from the firing to the last yes"},
		{"act", orNot(r.Times.Act), "from there to the end of the run"},
	})
	shown := r.Runs[:min(len(r.Runs), runsMax)]
	for _, run := range shown {
		colour := style("")
		if missed(run.Started, run.Finished, run.Budget) {
			colour = red
		}
		text := fmt.Sprintf("  run %s, %s: %s, %s", run.ID, run.Playbook, run.Status, took(run.Started, run.Finished))
		if budget := against(run.Started, run.Finished, run.Budget); budget != "" {
			text += ", " + budget
		}
		s.wrap(colour, "  ", text)
	}
	s.rest(len(shown), len(r.Runs), "no run was started")
}

func (s screen) list(title string, colour style, sayings []string) {
	if len(sayings) == 0 {
		return
	}
	s.heading(title)
	shown := sayings[:min(len(sayings), sayingsMax)]
	for _, saying := range shown {
		s.wrap(colour, "    ", "  - "+saying)
	}
	s.rest(len(shown), len(sayings), "")
}

func (s screen) foot(r drill.Result) {
	s.line("", "")
	s.line(dim, s.cut("journal "+r.JournalDigest+"  plan "+r.PlanHash))
}

// gravest picks the firings that a screen has room for: higher tiers first, then earlier ones, told in order of time.
// It also says how many there are.
func gravest(firings []drill.Firing, room int) (shown []int, all int) {
	for i, f := range firings {
		if f.State == lifeboat.Fired {
			shown = append(shown, i)
		}
	}
	return first(shown, room, func(i int) int { return -int(firings[i].Tier) }), len(shown)
}

// weightiest picks decisions in the same way: those that asked or started before those that held.
func weightiest(decisions []drill.Decision, room int) []int {
	all := make([]int, len(decisions))
	for i := range all {
		all[i] = i
	}
	return first(all, room, func(i int) int {
		if decisions[i].Verdict == lifeboat.Hold {
			return 1
		}
		return 0
	})
}

// first are so many of the indices with the smallest rank, in their own order.
func first(indices []int, room int, rank func(int) int) []int {
	chosen := slices.Clone(indices)
	slices.SortStableFunc(chosen, func(a, b int) int { return rank(a) - rank(b) })
	chosen = chosen[:min(len(chosen), room)]
	slices.Sort(chosen)
	return chosen
}

// rest ends a list: how many more there are, or that there was none at all.
func (s screen) rest(shown, all int, none string) {
	switch {
	case all == 0:
		s.line("", "  "+none)
	case all > shown:
		s.line(dim, fmt.Sprintf("  and %d more, all in report.md", all-shown))
	}
}

func (s screen) heading(title string) {
	s.line("", "")
	s.line(bold, title)
}

func (s screen) line(as style, text string) {
	text = strings.TrimRight(text, " ")
	if s.colour && as != "" && text != "" {
		text = "\x1b[" + string(as) + "m" + text + "\x1b[0m"
	}
	fmt.Fprintln(s.out, text)
}

// wrap breaks a text between words; lines after the first begin with the indent.
func (s screen) wrap(as style, indent, text string) {
	lead := text[:len(text)-len(strings.TrimLeft(text, " "))]
	line := lead
	if lead == "" {
		line = indent
	}
	start := line
	for _, word := range strings.Fields(text) {
		if line != start && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > s.width {
			s.line(as, line)
			line, start = indent, indent
		}
		if line != start {
			line += " "
		}
		line += word
	}
	s.line(as, line)
}

// table aligns columns: < left, > right. What does not fit is cut at the right edge. Styles are by row.
func (s screen) table(styles []style, align string, rows [][]string) {
	widths := make([]int, len(align))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range rows {
		line := ""
		for i, cell := range row {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if align[i] == '>' {
				line += "  " + gap + cell
			} else {
				line += "  " + cell + gap
			}
		}
		as := style("")
		if n < len(styles) {
			as = styles[n]
		}
		s.line(as, s.cut(strings.TrimRight(line, " ")))
	}
}

// cut ends a line that is too long with an ellipsis.
func (s screen) cut(line string) string {
	if utf8.RuneCountInString(line) <= s.width {
		return line
	}
	return string([]rune(line)[:s.width-1]) + "…"
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}
