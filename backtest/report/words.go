package report

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	"lifeboat/backtest"
	"lifeboat/prose"
)

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// amount of money without its sign, which a word says.
func amount(d decimal.Decimal, currency string) string {
	return prose.Grouped(d.Abs().StringFixed(0)) + " " + currency
}

// against doing nothing.
func against(avoided decimal.Decimal, currency string) string {
	switch {
	case avoided.Round(0).IsPositive():
		return amount(avoided, currency) + " better than doing nothing"
	case avoided.Round(0).IsNegative():
		return amount(avoided, currency) + " worse than doing nothing"
	}
	return "the same as doing nothing"
}

// made is what doing nothing made or lost.
func made(d decimal.Decimal, currency string) string {
	if d.Round(0).IsNegative() {
		return "lost " + amount(d, currency)
	}
	return "made " + amount(d, currency)
}

// right is what was right in a play of a kind.
func right(kind string) string {
	switch kind {
	case "exit":
		return "leaving was right"
	case "hold":
		return "holding was right"
	}
	return "the owner's history"
}

// unfired are the ways in which a trigger did not fire, for a reader who has to tell a good silence from a bad one.
var unfired = map[backtest.Judgement]string{
	backtest.Silent:  "did not fire, and holding was right",
	backtest.NotSeen: "blind: its condition was not known for most of the time to the point of no return",
}

// lead with when it fired.
func lead(l backtest.Lead) string {
	if l.Fired == nil {
		return cmp.Or(unfired[l.Judged], string(l.Judged))
	}
	when := "fired " + moment(*l.Fired)
	switch {
	case l.LeadS != nil && *l.LeadS == 0:
		return when + ", at the very point of no return"
	case l.LeadS != nil && *l.LeadS > 0:
		return when + ", " + prose.Span(span(*l.LeadS)) + " before the point of no return"
	case l.LeadS != nil:
		return when + ", " + prose.Span(span(-*l.LeadS)) + " AFTER the point of no return"
	case l.Judged == backtest.Alarmed:
		return when + ", and holding was right"
	}
	return when + ", " + l.String()
}

func span(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

// sight says how much of a play a trigger could see; "" when it saw nearly all of it.
func sight(c backtest.Cell) string {
	const nearlyAll = 0.995
	if !c.Concern || c.Seen >= nearlyAll {
		return ""
	}
	return fmt.Sprintf("its condition was known %.0f %% of the time", 100*c.Seen)
}

// worth of a trigger alone in one play.
func worth(c backtest.Cell, m backtest.Money, currency string) string {
	if m.Orders == 0 {
		return "its playbook traded nothing"
	}
	text := fmt.Sprintf("alone it came out %s, with %s", against(m.LossAvoided, currency), prose.Count(m.Orders, "order"))
	if m.FirstOrder != nil {
		text += " from " + moment(*m.FirstOrder)
	}
	switch {
	case m.ExitCost.IsPositive():
		text += fmt.Sprintf(", slippage cost %s", amount(m.ExitCost, currency))
	case m.ExitCost.IsNegative():
		text += fmt.Sprintf(", slippage gained %s", amount(m.ExitCost, currency))
	}
	if c.FalseExits > 0 {
		text += fmt.Sprintf("; %s, cost %s", strings.ToUpper(prose.Count(c.FalseExits, "false exit")), prose.Grouped(c.FalseExitCost.StringFixed(0))+" "+currency)
	}
	return text
}

// checks of a trigger in a few words each.
func checks(r backtest.Result, i int) []string {
	row := r.Triggers[i]
	var all []string
	if r.Calm.Seconds > 0 {
		all = append(all, fmt.Sprintf("%s in calm times%s", prose.Count(row.CalmAlerts, "alert"), perYear(row.PerCalmYear)))
	}
	if row.BadTicksTried > 0 {
		all = append(all, fmt.Sprintf("fires on %d of %s", row.BadTicks, prose.Count(row.BadTicksTried, "bad value")))
	}
	changed := 0
	for _, p := range r.Plays {
		for _, tick := range p.Cells[i].Ticks {
			if tick.Fires == nil {
				changed++
			}
		}
	}
	if changed > 0 {
		all = append(all, fmt.Sprintf("%d change when it fires later", changed))
	}
	return all
}

func perYear(rate *float64) string {
	if rate == nil {
		return ""
	}
	return ", " + strconv.FormatFloat(*rate, 'f', 1, 64) + " a year"
}

// moves is a table of what other thresholds would have done over all plays, below the one as it is written: a row for each
// that comes out otherwise, and in one line all that come to the same counts.
func moves(r backtest.Result, i int) []string {
	row, all := backtest.Moves(r, i)
	var others, same []string
	already := row.Already
	for _, m := range all {
		if counts(m) == counts(row) {
			same = append(same, m.Instead)
			continue
		}
		already = max(already, m.Already)
		others = append(others, m.Instead+" instead of "+m.Written)
	}
	var lines []string
	if len(others) > 0 {
		lines = tabled(row, all, others, already > 0)
	}
	if len(same) > 0 {
		lines = append(lines, "as often, and as often in time, with "+strings.Join(same, ", "))
	}
	return lines
}

// counts by which a moved threshold differs.
func counts(m backtest.Move) [5]int {
	return [5]int{m.Fired, m.InTime, m.TooLate, m.Alarms, m.Already}
}

func tabled(row backtest.Move, all []backtest.Move, others []string, already bool) []string {
	const asItIs = "as it is written"
	wide := utf8.RuneCountInString(asItIs)
	for _, name := range others {
		wide = max(wide, utf8.RuneCountInString(name))
	}
	line := func(name string, cells ...any) string {
		text := fmt.Sprintf("%-*s  %5v  %7v  %8v  %12v", wide, name, cells[0], cells[1], cells[2], cells[3])
		if already {
			text += fmt.Sprintf("  %9v", cells[4])
		}
		return text
	}
	lines := []string{line("other thresholds", "fired", "in time", "too late", "false alarms", "on before"), line(asItIs, row.Fired, row.InTime, row.TooLate, row.Alarms, row.Already)}
	for _, m := range all {
		if name := m.Instead + " instead of " + m.Written; counts(m) != counts(row) {
			lines = append(lines, line(name, m.Fired, m.InTime, m.TooLate, m.Alarms, m.Already))
		}
	}
	return lines
}

// plainMoney is what the plan was worth in a play.
func plainMoney(p backtest.Played, currency string) string {
	if p.Money == nil {
		return "not rehearsed"
	}
	idle := made(p.Money.ValueEndIdle.Sub(p.Money.ValueStart), currency)
	if p.Money.Orders == 0 {
		return "nothing was traded; doing nothing " + idle
	}
	return fmt.Sprintf("doing nothing %s; the plan came out %s, with %s", idle, against(p.Money.LossAvoided, currency), prose.Count(p.Money.Orders, "order"))
}

// unknowns are the ways in which the backtest knew less than it seems.
func unknowns(r backtest.Result) []string {
	all := append([]string{}, r.Warnings...)
	for _, p := range r.Plays {
		for _, g := range p.Gaps {
			if g.State != "opened" {
				continue
			}
			text := fmt.Sprintf("%s: %s was silent from %s", p.Name, g.Series, moment(g.Time))
			if len(g.Triggers) > 0 {
				text += "; " + prose.Count(len(g.Triggers), "trigger") + " blind"
			}
			all = append(all, text)
		}
		if p.Varied.Before(p.To.Add(-7*24*time.Hour)) && p.Instants > 0 {
			all = append(all, fmt.Sprintf("%s: other thresholds were tried until %s only", p.Name, day(p.Varied)))
		}
		if p.Checked.Before(p.To) && p.Instants > 0 && p.Checked.Add(7*24*time.Hour).Before(p.To) {
			all = append(all, fmt.Sprintf("%s: bad values and looking ahead were checked until %s only", p.Name, day(p.Checked)))
		}
	}
	const gapsMax = 30
	if n := len(all); n > gapsMax {
		all = append(all[:gapsMax], fmt.Sprintf("and %d more, all in backtest.json", n-gapsMax))
	}
	return all
}
