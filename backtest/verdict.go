package backtest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/backtest/disaster"
	"lifeboat/plan"
	"lifeboat/prose"
	"lifeboat/watch/rule"
)

// sum adds each trigger up over the plays.
func (r *Result) sum(p *plan.Plan, calm calmTime) {
	for i, tr := range p.Triggers {
		row := Trigger{Name: tr.Name, Tier: tr.Tier, Condition: tr.Condition, Playbook: tr.Playbook, CalmAlerts: calm.alerts[tr.Name]}
		row.PerCalmYear = calm.perYear(row.CalmAlerts)
		for _, play := range r.Plays {
			row.add(play.Cells[i])
		}
		r.Triggers = append(r.Triggers, row)
		r.Calm.Alerts += row.CalmAlerts
	}
	r.Calm.Seconds = calm.long.Seconds()
	r.Calm.PerYear = calm.perYear(r.Calm.Alerts)
}

func (row *Trigger) add(c Cell) {
	row.Fired += c.Fired
	for _, l := range c.Leads {
		switch l.Judged {
		case InTime, Fires:
			row.InTime++
		case Late:
			row.TooLate++
		case Already:
			row.Already++
		case Never, NotSeen:
			row.Missed++
		case Alarmed:
			row.Alarms++
		}
	}
	row.Exits = row.Exits || c.Alone != nil && c.Alone.Orders > 0
	row.BadTicksTried += c.TicksTried
	for _, tick := range c.Ticks {
		if tick.Fires != nil {
			row.BadTicks++
		}
	}
	if c.FalseExits > 0 {
		row.FalseExits += c.FalseExits
		row.FalseExitCost = row.FalseExitCost.Add(c.FalseExitCost)
	} else if c.Alone != nil {
		row.LossAvoided = row.LossAvoided.Add(c.Alone.LossAvoided)
	}
}

// order of the remarks: the worst kind first.
var order = []RemarkKind{LooksAhead, FalseExit, NeverFires, TooLate, Blind, FalseAlarm, OneBadTick, PriceLevels, Unwatched, Untested}

// judge writes the first lines and the verdict.
func (r *Result) judge(p *plan.Plan) {
	for i := range r.Triggers {
		r.First = append(r.First, r.remarks(i)...)
	}
	for _, play := range r.Plays {
		for _, broken := range play.Ahead.Broken {
			r.First = append(r.First, Remark{Kind: LooksAhead, Text: fmt.Sprintf("something knows the future in %s, which is a bug: %s", play.Name, broken)})
		}
	}
	r.First = append(r.First, r.unwatched()...)
	slices.SortStableFunc(r.First, func(a, b Remark) int {
		return cmp.Or(cmp.Compare(r.harmless(a), r.harmless(b)), cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)), cmp.Compare(b.Tier, a.Tier))
	})
	r.Verdict = r.verdict(p)
}

// remarks on one trigger: what it does wrong where holding was right, and the one thing that is wrong with it in the
// disasters that it should have told of.
func (r *Result) remarks(i int) []Remark {
	row := r.Triggers[i]
	var remarks []Remark
	add := func(kind RemarkKind, format string, args ...any) {
		remarks = append(remarks, Remark{row.Name, row.Tier, kind, fmt.Sprintf("%q ", row.Name) + fmt.Sprintf(format, args...)})
	}
	leads := r.leadsOf(i)
	if row.FalseExits > 0 {
		add(FalseExit, "sold where holding was right, in %s; that cost %s", strings.Join(r.falseExits(i), ", "), r.money(row.FalseExitCost))
	} else if alarms := named(leads, disaster.Hold, Alarmed); len(alarms) > 0 && row.Playbook != "" {
		add(FalseAlarm, "fired where holding was right, in %s%s", strings.Join(alarms, ", "), r.nothingSold())
	}
	good := slices.Concat(named(leads, disaster.Exit, InTime), named(leads, disaster.Exit, Fires), named(leads, disaster.Exit, Already))
	late, never, blind := named(leads, disaster.Exit, Late), named(leads, disaster.Exit, Never), named(leads, disaster.Exit, NotSeen)
	switch {
	case len(good) > 0:
		if text := r.slowExit(i); text != "" {
			add(TooLate, "%s", text)
		}
	case len(late) > 0:
		add(TooLate, "fired only after the point of no return, in %s", strings.Join(r.lateness(i), ", "))
	case len(never) > 0:
		add(NeverFires, "never fired in %s, which can be seen in what it reads%s", strings.Join(never, ", "), prose.After("; ", r.nearest(i)))
	case len(blind) > 0:
		add(Blind, "could not see %s: its condition was not known for most of the time to the point of no return", strings.Join(blind, ", "))
	case row.Playbook != "" && !r.Partial:
		add(Untested, "is untested: no disaster here from which one should have left can be seen in what it reads")
	}
	if row.BadTicks > 0 && row.Playbook != "" {
		add(OneBadTick, "fires on one bad value: %s", strings.Join(r.badTicks(i), ", "))
	}
	return remarks
}

// harmless is 1 for a remark on a trigger that only watches, which comes after all others.
func (r *Result) harmless(remark Remark) int {
	if i := indexOf(*r, remark.Trigger); i >= 0 && r.Triggers[i].Playbook == "" && r.Triggers[i].Tier <= lifeboat.Watch {
		return 1
	}
	return 0
}

// unwatched are disasters from which one should have left, that touch what is held and that no trigger reads.
func (r *Result) unwatched() []Remark {
	var remarks []Remark
	for _, play := range r.Plays {
		for _, e := range play.Episodes {
			read := slices.ContainsFunc(play.Cells, func(c Cell) bool {
				return slices.ContainsFunc(c.Leads, func(l Lead) bool { return l.Disaster == e.ID })
			})
			if e.Kind == disaster.Exit && !read && len(e.Held) > 0 {
				remarks = append(remarks, Remark{Kind: Unwatched, Text: fmt.Sprintf("no trigger reads what %s touched of the holdings: %s", e.ID, joined(e.Held))})
			}
		}
	}
	return remarks
}

func joined[T ~string](names []T) string {
	var all []string
	for _, name := range names {
		all = append(all, string(name))
	}
	return strings.Join(all, ", ")
}

// nothingSold is said only when every play was rehearsed.
func (r *Result) nothingSold() string {
	if slices.ContainsFunc(r.Plays, func(p Played) bool { return p.Money == nil }) {
		return ""
	}
	return "; nothing was sold"
}

// A told lead with the kind of its disaster.
type toldLead struct {
	Lead
	kind disaster.Kind
	play *Played
}

func (r *Result) leadsOf(i int) []toldLead {
	var all []toldLead
	for n := range r.Plays {
		play := &r.Plays[n]
		for _, l := range play.Cells[i].Leads {
			e := play.Episodes[slices.IndexFunc(play.Episodes, func(e Episode) bool { return e.ID == l.Disaster })]
			all = append(all, toldLead{l, e.Kind, play})
		}
	}
	return all
}

func named(leads []toldLead, kind disaster.Kind, judged Judgement) []string {
	var names []string
	for _, l := range leads {
		if l.kind == kind && l.Judged == judged {
			names = append(names, l.Disaster)
		}
	}
	return names
}

func (r *Result) falseExits(i int) []string {
	var names []string
	for _, play := range r.Plays {
		if play.Cells[i].FalseExits > 0 {
			names = append(names, play.Name)
		}
	}
	return names
}

func (r *Result) lateness(i int) []string {
	var names []string
	for _, l := range r.leadsOf(i) {
		if l.Judged == Late {
			names = append(names, fmt.Sprintf("%s by %s", l.Disaster, prose.Span(seconds(-*l.LeadS))))
		}
	}
	return names
}

// slowExit tells of exits that were begun in time and done too late.
func (r *Result) slowExit(i int) string {
	for _, l := range r.leadsOf(i) {
		alone := l.play.Cells[i].Alone
		if l.Judged != InTime || alone == nil || alone.LastFill == nil || l.Fired == nil {
			continue
		}
		noReturn := l.Fired.Add(seconds(*l.LeadS))
		if over := alone.LastFill.Sub(noReturn); over > 0 {
			return fmt.Sprintf("fired %s before the point of no return of %s, and its orders were filled %s after it: the exit is too slow for this disaster",
				prose.Span(seconds(*l.LeadS)), l.Disaster, prose.Span(over))
		}
	}
	return ""
}

// tickNames bounds how many bad values a remark tells.
const tickNames = 3

func (r *Result) badTicks(i int) []string {
	var names []string
	for _, play := range r.Plays {
		for _, tick := range play.Cells[i].Ticks {
			if tick.Fires == nil {
				continue
			}
			if len(names) == tickNames {
				return append(names, fmt.Sprintf("%d in all", r.Triggers[i].BadTicks))
			}
			names = append(names, fmt.Sprintf("%s %s in %s", tick.Channel(), tick.What, play.Name))
		}
	}
	return names
}

// Channel is the series with its source, as tapes name it.
func (tick Tick) Channel() string {
	if tick.Source == "" {
		return string(tick.Series)
	}
	return string(tick.Series) + "@" + tick.Source
}

// nearest tells how near the condition's first threshold came to be passed in the disasters that it missed.
func (r *Result) nearest(i int) string {
	for _, l := range rule.Thresholds(r.Triggers[i].Condition) {
		worst, found, about := 0.0, false, ""
		for _, t := range r.leadsOf(i) {
			if t.Judged != Never {
				continue
			}
			if t.play.Thinned {
				about = "about "
			}
			for _, s := range t.play.Samples {
				v, known := ValueOf(s.States[i].Values, l.Of)
				if known && (!found || l.Sign[:min(1, len(l.Sign))] == "<" && v < worst || l.Sign[:min(1, len(l.Sign))] == ">" && v > worst) {
					worst, found = v, true
				}
			}
		}
		if found && l.Sign != "==" && l.Sign != "!=" && l.Sign != "" && !passed(l, worst) {
			return fmt.Sprintf("%s came to %s%s, and the threshold is %s%s", l.Of, about, Figure(l, worst), minus(l), l.Text)
		}
	}
	return ""
}

func passed(l rule.Literal, v float64) bool {
	limit := Limit(l)
	return l.Sign[0] == '<' && v < limit || l.Sign[0] == '>' && v > limit
}

// Limit is the threshold with its sign.
func Limit(l rule.Literal) float64 {
	if l.Minus {
		return -l.Value
	}
	return l.Value
}

func minus(l rule.Literal) string {
	if l.Minus {
		return "−"
	}
	return ""
}

// Figure writes a value in a threshold's unit, to four digits.
func Figure(l rule.Literal, v float64) string {
	const digits = 4
	rounded := v
	if v != 0 {
		power := math.Pow(10, digits-1-math.Floor(math.Log10(math.Abs(v))))
		rounded = math.Round(v*power) / power
	}
	text, sign := grouped(l.Write(math.Abs(rounded))), ""
	if rounded < 0 {
		sign = "−"
	}
	return sign + text
}

// grouped sets dollars in groups of thousands, as owners write them.
func grouped(literal string) string {
	if dollars, is := strings.CutPrefix(literal, "$"); is {
		return "$" + prose.Grouped(dollars)
	}
	return literal
}

// ValueOf finds the value of what a threshold is held against.
func ValueOf(values map[string]float64, of string) (float64, bool) {
	if of == "" {
		return 0, false
	}
	if v, known := values[of]; known {
		return v, true
	}
	for name, v := range values {
		if squeezed(name) == squeezed(of) {
			return v, true
		}
	}
	return 0, false
}

// verdict is the backtest in one paragraph.
func (r *Result) verdict(p *plan.Plan) string {
	sentences := []string{}
	if r.Partial {
		sentences = append(sentences, "PARTIAL: it was stopped before it was done, and what was not played is not in it.")
	}
	if len(r.Plays) == 0 {
		return strings.Join(append(sentences, "This backtest says nothing about the plan: no history was played."), " ")
	}
	sentences = append(sentences, r.worth("exit", "where leaving was right"), r.worth("history", "of the owner's own history"), r.falseness(), r.calmness(), r.weakest(p))
	return strings.Join(slices.DeleteFunc(sentences, func(s string) bool { return s == "" }), " ")
}

// worth tells what doing nothing would have lost and what the plan saved, over the plays of one kind.
func (r *Result) worth(kind, where string) string {
	var lost, avoided, low, cost decimal.Decimal
	n := 0
	for _, play := range r.Plays {
		if play.Kind != kind || play.Money == nil {
			continue
		}
		n++
		lost = lost.Add(play.Money.ValueStart.Sub(play.Money.ValueEndIdle))
		avoided, low, cost = avoided.Add(play.Money.LossAvoided), low.Add(play.Money.LowSpared), cost.Add(play.Money.ExitCost)
	}
	if n == 0 {
		return ""
	}
	text := fmt.Sprintf("Over %s %s, doing nothing would have lost %s by the end", prose.Count(n, "play"), where, r.money(lost))
	switch {
	case lost.IsZero():
		text = fmt.Sprintf("Over %s %s, doing nothing would have ended where it began", prose.Count(n, "play"), where)
	case lost.IsNegative():
		text = fmt.Sprintf("Over %s %s, doing nothing would have gained %s by the end", prose.Count(n, "play"), where, r.money(lost.Neg()))
	}
	switch {
	case avoided.IsPositive():
		text += fmt.Sprintf("; the plan came out %s better", r.money(avoided))
	case avoided.IsNegative():
		text += fmt.Sprintf("; the plan came out %s worse", r.money(avoided.Neg()))
	default:
		text += "; the plan changed nothing"
	}
	if !low.IsZero() {
		text += fmt.Sprintf(", and its lowest points lay %s %s", r.money(low.Abs()), map[bool]string{true: "higher", false: "lower"}[low.IsPositive()])
	}
	if !cost.IsZero() {
		text += fmt.Sprintf(" (the exits themselves %s %s against the prices at which they were sent)", map[bool]string{true: "lost", false: "won"}[cost.IsPositive()], r.money(cost.Abs()))
	}
	return text + "."
}

// falseness tells of the plays in which holding was right.
func (r *Result) falseness() string {
	holds, exits, cost := 0, 0, decimal.Zero
	for _, play := range r.Plays {
		if play.Money != nil && slices.ContainsFunc(play.Episodes, func(e Episode) bool { return e.Kind == disaster.Hold }) {
			holds++
		}
	}
	for _, row := range r.Triggers {
		exits, cost = exits+row.FalseExits, cost.Add(row.FalseExitCost)
	}
	switch {
	case exits > 0:
		return fmt.Sprintf("It left falsely %s, which cost %s.", times(exits), r.money(cost))
	case holds > 0:
		return fmt.Sprintf("Where holding was right (%s) it sold nothing.", prose.Count(holds, "play"))
	}
	return "No play here shows whether it can hold still."
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func (r *Result) calmness() string {
	span := prose.Span(seconds(r.Calm.Seconds))
	if years := float64(seconds(r.Calm.Seconds)) / year; years > 2 {
		span = strconv.FormatFloat(years, 'f', 1, 64) + " years"
	}
	switch {
	case r.Calm.Seconds == 0:
		return ""
	case r.Calm.PerYear == nil:
		return fmt.Sprintf("In %s of calm it raised %s, which is too little time to speak of years.", span, prose.Count(r.Calm.Alerts, "alert"))
	}
	return fmt.Sprintf("In %s of calm it raised %s, %s a year.", span, prose.Count(r.Calm.Alerts, "alert"), strconv.FormatFloat(*r.Calm.PerYear, 'f', 1, 64))
}

// weakest names the trigger with the gravest remark, and what to change.
func (r *Result) weakest(p *plan.Plan) string {
	for _, remark := range r.First {
		i := indexOf(*r, remark.Trigger)
		if i < 0 || remark.Kind == Untested {
			continue
		}
		return fmt.Sprintf("Weakest trigger: %q (%s). %s", remark.Trigger, remark.Kind, r.advice(p.Triggers[i], i, remark.Kind))
	}
	if r.Partial {
		return ""
	}
	return r.dearest()
}

// dearest names the trigger whose exits cost most over the plays in which leaving was right, if any did cost.
func (r *Result) dearest() string {
	if len(r.Triggers) == 0 {
		return "The plan has no trigger."
	}
	worst := slices.MinFunc(r.Triggers, func(a, b Trigger) int { return a.LossAvoided.Cmp(b.LossAvoided) })
	if !worst.LossAvoided.IsNegative() {
		return "No trigger stands out as weak."
	}
	return fmt.Sprintf("Weakest trigger: %q; alone it came out %s worse than doing nothing, because it sold and the market came back. Sell less of it, or write down when to buy back.",
		worst.Name, r.money(worst.LossAvoided.Neg()))
}

// advice is what to change, from what the variations and the checks showed.
func (r *Result) advice(tr plan.Trigger, i int, kind RemarkKind) string {
	switch kind {
	case Blind:
		return "Bring a history or a feed of what it reads, or write it with a series that is there."
	case OneBadTick:
		if tr.Sources <= 1 {
			return "Let it want two sources, or hold for longer than one reading."
		}
		return "Let it hold for longer than one reading."
	case PriceLevels:
		return "Use a raw series, or a drawdown instead of a level."
	}
	best, found := r.better(i)
	if !found && kind == TooLate && r.Triggers[i].InTime > 0 {
		return "Shorten the exit: fewer people to ask, a shorter time-out, or limits that let it begin before the market closes."
	}
	if !found {
		text := "None of the thresholds that were tried does better"
		if tr.For > 0 && (kind == TooLate || kind == NeverFires && r.nearest(i) == "") {
			return text + fmt.Sprintf("; it waits %s before it fires, so look at that.", prose.Span(time.Duration(tr.For)))
		}
		return text + "; look at what it reads rather than at the number."
	}
	var changes []string
	row, _ := Moves(*r, i)
	if now := row.InTime; best.InTime != now {
		changes = append(changes, fmt.Sprintf("fired in time %s instead of %s", orNever(best.InTime), orNever(now)))
	}
	if now := row.Alarms; best.Alarms != now {
		changes = append(changes, fmt.Sprintf("fired where holding was right %s instead of %s", orNever(best.Alarms), orNever(now)))
	}
	return fmt.Sprintf("With %s instead of %s it would have %s.", best.Instead, best.Written, strings.Join(changes, " and "))
}

func orNever(n int) string {
	if n == 0 {
		return "never"
	}
	return times(n)
}

// Move is a moved threshold over all plays.
type Move struct {
	Written, Instead               string
	Factor                         float64
	Fired, InTime, TooLate, Alarms int
	Already                        int    // stood fired for months before
	Leads                          []Lead // in all disasters of all plays
}

// better finds the move that is in time more often without more false alarms, or has fewer of them without being late
// more often; of several the one that moves the threshold least.
func (r *Result) better(i int) (best Move, found bool) {
	row, all := Moves(*r, i)
	for _, m := range all {
		gains := m.InTime > row.InTime && m.Alarms <= row.Alarms || m.Alarms < row.Alarms && m.InTime >= row.InTime
		if gains && (!found || math.Abs(math.Log(m.Factor)) < math.Abs(math.Log(best.Factor))) {
			best, found = m, true
		}
	}
	return best, found
}

// Moves adds each variation of a trigger up over the plays, and beside them the trigger as it is, over the same time. The
// same threshold may stand in a condition twice; their order tells them apart.
func Moves(r Result, i int) (unmoved Move, all []Move) {
	unmoved.Factor = 1
	for _, play := range r.Plays {
		cell := play.Cells[i]
		if cell.Unmoved == nil {
			continue // stopped before its variations
		}
		unmoved.add(*cell.Unmoved)
		for k, v := range cell.Variants {
			if k == len(all) {
				all = append(all, Move{Written: v.Written, Instead: grouped(v.Instead), Factor: v.Factor})
			}
			all[k].add(v)
		}
	}
	return unmoved, all
}

func (m *Move) add(v Variant) {
	m.Fired += v.Fired
	m.Leads = append(m.Leads, v.Leads...)
	for _, l := range v.Leads {
		switch l.Judged {
		case InTime, Fires:
			m.InTime++
		case Late:
			m.TooLate++
		case Already:
			m.Already++
		case Alarmed:
			m.Alarms++
		}
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// money in whole units with its currency.
func (r *Result) money(d decimal.Decimal) string {
	return prose.Grouped(d.StringFixed(0)) + " " + r.Currency
}
