package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"lifeboat/drill"
	"lifeboat/prose"
)

// markdown is the record: everything the terminal cuts short, with the charts beside it.
func markdown(r drill.Result) string {
	var p page
	p.paragraph("# Drill: " + prose.Inline(r.Title))
	p.paragraph("**" + prose.Inline(r.Verdict) + "**")
	p.paragraph(fmt.Sprintf("Scenario `%s`, %s; plan \"%s\". This was a drill on virtual time: no real order was placed. Times are UTC.",
		r.Scenario, bounds(r.From, r.To), prose.Inline(r.Plan)))
	p.outcome(r)
	p.reflex(r)
	p.firings(r)
	p.decisions(r)
	p.runs(r)
	p.orders(r)
	p.times(r)
	p.list("What did not work", r.Failures, "Every step and order did what the playbook wanted.")
	p.list("What this drill could not know", unknowns(r), "No gap, no missing price, no warning.")
	p.incidents(r)
	p.timeline(r)
	p.list("Sources and notes", r.Notes, "The owner's own history.")
	p.evidence(r)
	return p.String()
}

// A page is Markdown in the making.
type page struct{ strings.Builder }

func (p *page) paragraph(text string) { p.WriteString(text + "\n\n") }

func (p *page) heading(text string) { p.paragraph("## " + text) }

// table writes aligned columns: l left, r right.
func (p *page) table(align string, headers []string, rows [][]string) {
	p.WriteString("| " + strings.Join(headers, " | ") + " |\n|")
	for _, a := range align {
		p.WriteString(map[rune]string{'l': "---|", 'r': "---:|"}[a])
	}
	p.WriteString("\n")
	for _, row := range rows {
		for i := range row {
			row[i] = prose.Inline(row[i])
		}
		p.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	p.WriteString("\n")
}

func (p *page) list(heading string, sayings []string, none string) {
	p.heading(heading)
	if len(sayings) == 0 {
		p.paragraph(none)
		return
	}
	for _, saying := range sayings {
		p.WriteString("- " + prose.Inline(saying) + "\n")
	}
	p.WriteString("\n")
}

func (p *page) outcome(r drill.Result) {
	o := r.Outcome
	p.heading("Outcome")
	p.table("lrrr", []string{"", "with the plan", "doing nothing", "difference"}, [][]string{
		{"start", money(o.ValueStart), money(o.ValueStart), ""},
		{"end", money(o.ValueEnd), money(o.ValueEndUnprotected), gain(o.LossAvoided)},
		{"lowest", money(o.Low), money(o.LowUnprotected), gain(o.Low.Sub(o.LowUnprotected))},
		{"worst drawdown", percent(o.MaxDrawdown), percent(o.MaxDrawdownUnprotected),
			points(o.MaxDrawdown - o.MaxDrawdownUnprotected)},
	})
	if len(r.Curve) >= 2 {
		p.paragraph("![The portfolio's value with the plan and doing nothing](value.svg)")
		p.paragraph("![The portfolio's drawdown with the plan and doing nothing](drawdown.svg)")
	}
}

func (p *page) reflex(r drill.Result) {
	if r.Reflex != nil {
		p.heading("What the reflex would have come to")
		p.paragraph(prose.Inline(reflexSentence(*r.Reflex)))
	}
}

func (p *page) firings(r drill.Result) {
	p.heading("What fired, and why")
	if len(r.Firings) == 0 {
		p.paragraph("Nothing: no condition became true.")
		return
	}
	rows := make([][]string, len(r.Firings))
	for i, f := range r.Firings {
		why := values(f.Values)
		if len(f.Sources) > 0 {
			why += "; said by " + strings.Join(f.Sources, ", ")
		}
		rows[i] = []string{moment(f.Time), tier(f.Tier), string(f.Severity), f.Trigger, string(f.State), why}
	}
	p.table("llllll", []string{"time", "tier", "severity", "trigger", "", "values"}, rows)
}

func (p *page) decisions(r drill.Result) {
	p.heading("What was decided, and by whom")
	if len(r.Decisions) == 0 {
		p.paragraph("Nothing had to be decided.")
		return
	}
	rows := make([][]string, len(r.Decisions))
	for i, d := range r.Decisions {
		rows[i] = []string{moment(d.Time), d.Trigger, verdict(d.Verdict), d.Playbook, d.By, d.Why}
	}
	p.table("llllll", []string{"time", "trigger", "decision", "playbook", "by", "why"}, rows)
}

func (p *page) runs(r drill.Result) {
	p.heading("What was done")
	if len(r.Runs) == 0 {
		p.paragraph("No run was started.")
	}
	for _, run := range r.Runs {
		p.paragraph(fmt.Sprintf("### Run %s: %s", run.ID, prose.Inline(run.Playbook)))
		text := fmt.Sprintf("Started %s by trigger %s; %s after %s", moment(run.Started), prose.Inline(run.Trigger), run.Status, took(run.Started, run.Finished))
		if run.Finished == nil {
			text = fmt.Sprintf("Started %s by trigger %s; %s when the drill ended", moment(run.Started), prose.Inline(run.Trigger), run.Status)
		}
		if budget := against(run.Started, run.Finished, run.Budget); budget != "" {
			text += ", " + budget
		}
		text += "."
		if run.Why != "" {
			text += " " + sentence(prose.Inline(run.Why))
		}
		p.paragraph(text)
		rows := make([][]string, len(run.Steps))
		for i, s := range run.Steps {
			rows[i] = []string{fmt.Sprint(i + 1), s.Name, s.Kind, moment(s.Started), took(s.Started, s.Finished),
				against(s.Started, s.Finished, s.Budget), string(s.Status), fmt.Sprint(s.Attempts), s.Why}
		}
		p.table("rllllllrl", []string{"", "step", "kind", "started", "took", "budget", "status", "attempts", "found"}, rows)
	}
}

func (p *page) orders(r drill.Result) {
	p.heading("What was traded")
	if len(r.Orders) == 0 {
		p.paragraph("No order was placed.")
		return
	}
	p.paragraph(sentence(traded(r.Orders)))
	rows := make([][]string, len(r.Orders))
	for i, o := range r.Orders {
		filled := ""
		if o.FilledAt != nil {
			filled = moment(*o.FilledAt)
		}
		rows[i] = []string{moment(o.Time), filled, o.Venue, o.Account, string(o.Side), amount(o), o.Symbol,
			price(o.Price), price(o.Arrival), basisPoints(o.SlippageBps), string(o.Status), string(o.ClientOrderID)}
	}
	p.table("lllllrlrrrll", []string{"sent", "filled", "venue", "account", "side", "quantity", "symbol", "price", "arrival",
		"slippage", "status", "client order id"}, rows)
	p.paragraph("Slippage is measured against the price when the order was decided; positive is a loss.")
}

func (p *page) times(r drill.Result) {
	p.heading("How long it took")
	p.table("lrl", []string{"", "", "counted"}, [][]string{
		{"detect", orNot(r.Times.Detect), sinceWhen(r)},
		{"decide", orNot(r.Times.Decide), "from that firing to the last yes"},
		{"act", orNot(r.Times.Act), "from there to the end of the run"},
	})
}

func (p *page) incidents(r drill.Result) {
	if len(r.Incidents) == 0 {
		return
	}
	p.heading("Incidents")
	rows := make([][]string, len(r.Incidents))
	for i, in := range r.Incidents {
		closed := "open at the end"
		if in.Closed != nil {
			closed = moment(*in.Closed)
		}
		rows[i] = []string{in.ID, tier(in.Tier), moment(in.Opened), closed, strings.Join(in.Triggers, ", ")}
	}
	p.table("lllll", []string{"incident", "highest tier", "opened", "closed", "triggers"}, rows)
}

func (p *page) timeline(r drill.Result) {
	if len(r.Events) == 0 {
		return
	}
	p.heading("Timeline")
	for _, told := range r.Events {
		p.WriteString("- " + moment(told.At) + " " + prose.Inline(told.Text) + "\n")
	}
	p.WriteString("\n")
}

// evidence lets anybody check that they hold the same history.
func (p *page) evidence(r drill.Result) {
	p.heading("Evidence")
	p.WriteString("- Plan hash: `" + r.PlanHash + "`\n")
	p.WriteString("- Hash of the last entry of the drill's journal: `" + r.JournalDigest + "`. The same plan on the same tape gives the same.\n")
	p.WriteString("- The same figures for programs: [report.json](report.json)\n")
}

// sentence begins a text with a capital and ends it with a full stop.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + strings.TrimRight(text[size:], ".") + "."
}
