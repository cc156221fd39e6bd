package backtest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/plan"
	"lifeboat/watch/rule"
)

// A reader is a trigger with what it reads, by symbol.
type reader struct {
	series  []lifeboat.Series // with their columns, as the condition needs them fresh
	symbols []lifeboat.Series
	whole   bool // it is about everything held
}

// any reports that the trigger reads one of these.
func (r reader) any(of []lifeboat.Series) bool {
	return slices.ContainsFunc(of, func(s lifeboat.Series) bool { return slices.Contains(r.symbols, s) })
}

// readers finds out what each trigger reads with the series that a history brings.
func readers(p *plan.Plan, parts app.Parts) ([]reader, error) {
	parts.Plan = p
	board, err := app.Board(parts)
	if err != nil {
		return nil, err
	}
	env := app.Env(p, parts.Sources)
	var all []reader
	for _, t := range p.Triggers {
		cond, err := board.Compile(t.Condition, env, "")
		if err != nil {
			return nil, fmt.Errorf("trigger %q: %w", t.Name, err)
		}
		r := reader{series: cond.Series(), whole: cond.WholePortfolio()}
		for _, s := range cond.Series() {
			symbol, _ := s.Column()
			r.add(symbol)
		}
		r.addWritten(p, parts, t.Condition, cond)
		all = append(all, r)
	}
	return all, nil
}

func (r *reader) add(symbol string) {
	if s := lifeboat.Series(symbol); !slices.Contains(r.symbols, s) {
		r.symbols = append(r.symbols, s)
	}
}

var aWord = regexp.MustCompile(`[\pL_][\pL\d_.]*`)

// addWritten adds what the condition names: symbols, also those of which only the age is asked, and the holdings of a
// class. A condition about the whole portfolio, or about a part of it that names no holding, reads all that is held.
func (r *reader) addWritten(p *plan.Plan, parts app.Parts, condition string, cond *rule.Cond) {
	named := false
	for _, word := range words(p, condition) {
		for _, h := range p.Holdings {
			if strings.EqualFold(h.Symbol, word) || strings.EqualFold(p.Class(h.Symbol), word) {
				r.add(h.Symbol)
				named = true
			}
		}
		for s := range parts.Sources {
			if strings.EqualFold(string(s), word) {
				r.add(string(s))
				named = true
			}
		}
	}
	if cond.WholePortfolio() || cond.Portfolio() && !named {
		for _, symbol := range p.Symbols() {
			r.add(symbol)
		}
	}
	slices.Sort(r.symbols)
}

// words of a condition, with those of the plan's signals that it names. A signal names no signal in turn more often
// than there are signals.
func words(p *plan.Plan, condition string) []string {
	all := aWord.FindAllString(condition, -1)
	for i := 0; i < len(all) && i < wordsMax; i++ {
		for _, s := range p.Signals {
			if strings.EqualFold(s.Name, all[i]) {
				all = append(all, aWord.FindAllString(s.Expr, -1)...)
			}
		}
	}
	return all
}

// wordsMax bounds the words of one condition; the language itself has a limit of 512 parts.
const wordsMax = 4096

// adjusted warns of conditions that hold the level of an adjusted price against a number: the price of 2008 that an
// adjusted series shows today was never quoted in 2008, and will be another one after the next dividend.
func (t *trial) adjusted() []Remark {
	var remarks []Remark
	for _, tr := range t.Plan.Triggers {
		for _, l := range rule.Thresholds(tr.Condition) {
			for _, s := range t.scene.Adjusted {
				if level := squeezed(l.Of); level == squeezed(string(s)) || level == "price("+squeezed(string(s))+")" {
					remarks = append(remarks, Remark{tr.Name, tr.Tier, PriceLevels, fmt.Sprintf(
						"%q compares the price of %s with %s, and the history has it adjusted for splits and dividends, so that this level was never quoted", tr.Name, s, l.Text)})
				}
			}
		}
	}
	return remarks
}

// squeezed is how names are compared: without blanks, case and quotes.
func squeezed(text string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\n'\"", r) {
			return -1
		}
		return r
	}, text))
}
