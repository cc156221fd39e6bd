package report

import (
	_ "embed" // the page's form
	"html/template"
	"io"
	"strings"

	"github.com/shopspring/decimal"

	"lifeboat/backtest"
	"lifeboat/prose"
)

//go:embed page.html
var form string

// chartsMax bounds the drawings of one page, so that a browser on an old telephone opens it.
const chartsMax = 60

// HTML writes the page.
func HTML(w io.Writer, r backtest.Result) error {
	t, err := template.New(Page).Funcs(template.FuncMap{
		"day": day, "moment": moment, "right": right, "lead": lead, "sight": sight, "upper": func(k backtest.RemarkKind) string { return strings.ToUpper(string(k)) },
		"whole": func(d decimal.Decimal) string { return prose.Grouped(d.StringFixed(0)) }, "changed": changed, "plain": func(p backtest.Played) string { return plainMoney(p, r.Currency) },
	}).Parse(form)
	if err != nil {
		return err
	}
	return t.Execute(w, pageOf(r))
}

// A page is what the form is filled with.
type page struct {
	backtest.Result
	Rows     []pageRow
	Unknowns []string
	Cut      bool // some drawings were left out
}

type pageRow struct {
	backtest.Trigger
	Checks string
	Moves  []backtest.Move
	Plays  []pagePlay
}

// A pagePlay is one trigger in one play that concerns it.
type pagePlay struct {
	backtest.Played
	Cell  backtest.Cell
	Worth string
	Chart template.HTML
}

func pageOf(r backtest.Result) page {
	all := page{Result: r, Unknowns: unknowns(r)}
	charts := 0
	for i, trigger := range r.Triggers {
		row := pageRow{Trigger: trigger, Checks: strings.Join(checks(r, i), "; ")}
		if unmoved, others := backtest.Moves(r, i); len(others) > 0 {
			row.Moves = append([]backtest.Move{unmoved}, others...)
		}
		for _, played := range r.Plays {
			cell := played.Cells[i]
			if !cell.Concern {
				continue
			}
			p := pagePlay{Played: played, Cell: cell}
			if cell.Alone != nil {
				p.Worth = worth(cell, *cell.Alone, r.Currency)
			}
			if charts < chartsMax {
				p.Chart = template.HTML(draw(r, played, i)) // draw escapes whatever the plan calls its things
				charts++
			} else {
				all.Cut = true
			}
			row.Plays = append(row.Plays, p)
		}
		all.Rows = append(all.Rows, row)
	}
	return all
}
