package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"lifeboat/backtest"
	"lifeboat/prose"
)

const (
	widthMin = 60
	widthMax = 120
)

// Text writes the backtest for a screen so wide.
func Text(w io.Writer, r backtest.Result, width int) {
	s := screen{out: bufio.NewWriter(w), width: min(max(width, widthMin), widthMax)}
	s.first(r)
	s.wrap("", r.Verdict)
	if r.Changes != nil {
		s.changes(*r.Changes)
	}
	for i := range r.Triggers {
		s.trigger(r, i)
	}
	s.plays(r)
	s.list("WHAT THIS BACKTEST COULD NOT KNOW", unknowns(r))
	s.out.Flush() // a terminal that went away has nobody to tell
}

// A screen knows how wide it is.
type screen struct {
	out   *bufio.Writer
	width int
}

func (s screen) first(r backtest.Result) {
	title := fmt.Sprintf("BACKTEST of %q", r.Plan)
	if r.Partial {
		title += " – PARTIAL, it was stopped"
	}
	s.wrap("", title)
	for _, remark := range r.First {
		s.wrap("  ", "! "+sentence(remark))
	}
	fmt.Fprintln(s.out)
}

// sentence is a remark with the kind in front, so that the eye finds the grave ones.
func sentence(r backtest.Remark) string {
	return strings.ToUpper(string(r.Kind)) + ": " + prose.OneLine(r.Text)
}

func (s screen) changes(c backtest.Changes) {
	s.heading("AGAINST " + strings.ToUpper(prose.OneLine(c.Base)))
	s.wrap("", c.Verdict)
	for _, row := range c.Rows {
		s.wrap("  ", changed(row))
	}
	for _, name := range c.Added {
		s.wrap("  ", "added: "+name)
	}
	for _, name := range c.Removed {
		s.wrap("  ", "removed: "+name)
	}
}

func changed(row backtest.Change) string {
	who, where := row.Trigger, row.Play
	if who == "" {
		who = "the plan"
	}
	if where != "" {
		where = ", " + where
	}
	return fmt.Sprintf("%s%s: %s %s → %s", prose.OneLine(who), where, row.What, row.Before, row.After)
}

// trigger tells one over all plays.
func (s screen) trigger(r backtest.Result, i int) {
	row := r.Triggers[i]
	s.heading(fmt.Sprintf("%d %s  %s", int(row.Tier), row.Tier, prose.OneLine(row.Name)))
	s.wrap("  ", prose.OneLine(row.Condition))
	for _, play := range r.Plays {
		for _, l := range play.Cells[i].Leads {
			s.wrap("  ", fmt.Sprintf("%-22s %s", l.Disaster, lead(l)))
		}
		if dim := sight(play.Cells[i]); dim != "" {
			s.wrap("  ", fmt.Sprintf("%-22s %s", play.Name, dim))
		}
		if alone := play.Cells[i].Alone; alone != nil {
			s.wrap("  ", fmt.Sprintf("%-22s %s", play.Name, worth(play.Cells[i], *alone, r.Currency)))
		}
	}
	if all := checks(r, i); len(all) > 0 {
		s.wrap("  ", strings.Join(all, "; "))
	}
	for _, line := range moves(r, i) {
		s.wrap("  ", line)
	}
}

func (s screen) plays(r backtest.Result) {
	s.heading("WHAT WAS PLAYED")
	for _, p := range r.Plays {
		s.wrap("  ", fmt.Sprintf("%-14s %s to %s, %s: %s", p.Name, day(p.From), day(p.To), right(p.Kind), plainMoney(p, r.Currency)))
	}
	for _, skipped := range r.Skipped {
		s.wrap("  ", fmt.Sprintf("%-14s not played: %s", skipped.Name, skipped.Why))
	}
}

func (s screen) list(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	s.heading(title)
	for _, line := range lines {
		s.wrap("  ", "- "+line)
	}
}

func (s screen) heading(title string) {
	fmt.Fprintln(s.out)
	s.wrap("", title)
}

// wrap breaks a text at blanks. What follows in a list is indented by two more.
func (s screen) wrap(indent, text string) {
	line, used, hang := indent, utf8.RuneCountInString(indent), ""
	if indent != "" {
		hang = indent + "  "
	}
	fresh := true
	for _, word := range strings.SplitAfter(text, " ") {
		n := utf8.RuneCountInString(strings.TrimRight(word, " "))
		if !fresh && used+n > s.width {
			fmt.Fprintln(s.out, strings.TrimRight(line, " "))
			line, used = hang, utf8.RuneCountInString(hang)
		}
		line += word
		used += utf8.RuneCountInString(word)
		fresh = false
	}
	fmt.Fprintln(s.out, strings.TrimRight(line, " "))
}
