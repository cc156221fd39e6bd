package review

import (
	"fmt"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/prose"
)

// A page is Markdown in the making.
type page struct {
	strings.Builder
	zone *time.Location
}

func (p *page) paragraph(text string) { p.WriteString(text + "\n\n") }

func (p *page) heading(text string) { p.paragraph("## " + text) }

func (p *page) list(heading string, items []string, none string) {
	p.heading(heading)
	if len(items) == 0 {
		p.paragraph(none)
		return
	}
	p.items("- ", items)
}

func (p *page) items(bullet string, items []string) {
	for _, item := range items {
		p.WriteString(bullet + sentence(prose.Inline(item)) + "\n")
	}
	p.WriteString("\n")
}

func (p *page) table(headers []string, rows [][]string) {
	p.WriteString("| " + strings.Join(headers, " | ") + " |\n|" + strings.Repeat("---|", len(headers)) + "\n")
	for _, row := range rows {
		for i := range row {
			row[i] = prose.Inline(row[i])
		}
		p.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	p.WriteString("\n")
}

func (p *page) whatHappened(s *story) {
	p.heading("What happened")
	if len(s.timeline) == 0 {
		p.paragraph("Nothing that the journal recorded.")
		return
	}
	for _, m := range s.timeline {
		p.WriteString("- " + s.clock(m.at) + " " + sentence(prose.Inline(m.text)) + "\n")
	}
	p.WriteString("\n")
}

// tiers says when each tier was first reached, and by what.
func (p *page) tiers(s *story) {
	p.heading("Tier reached")
	var rows [][]string
	reached := lifeboat.Tier(0)
	for _, f := range s.firings {
		if f.event.State != lifeboat.Fired || f.event.Tier <= reached {
			continue
		}
		reached = f.event.Tier
		after := ""
		if first := s.firings[0].at; f.at.After(first) {
			after = prose.Span(f.at.Sub(first)) + " after the first"
		}
		rows = append(rows, []string{fmt.Sprintf("%d %s", int(reached), reached), s.clock(f.at), after, f.event.Trigger, values(f.event.Values)})
	}
	if len(rows) == 0 {
		p.paragraph("None: no trigger fired.")
		return
	}
	p.table([]string{"tier", "reached", "", "trigger", "because of"}, rows)
}

func (p *page) decisions(s *story) {
	p.heading("Decisions, and on whose authority")
	if len(s.decisions) == 0 {
		p.paragraph("Nothing had to be decided.")
		return
	}
	var rows [][]string
	for _, d := range s.decisions {
		rows = append(rows, []string{s.clock(d.at), d.event.Trigger, decided(d.event.Verdict), d.event.Playbook, d.event.By, d.event.Why})
	}
	p.table([]string{"time", "trigger", "decision", "playbook", "authority", "why"}, rows)
	rows = nil
	for _, q := range s.questions {
		answered, took := "nobody answered", ""
		if q.answer != nil {
			said := map[bool]string{true: "yes", false: "no"}[q.answer.event.Yes]
			answered, took = q.answer.event.By+" said "+said+prose.After(": ", q.answer.event.Note), prose.Span(q.answer.at.Sub(q.at))
		}
		rows = append(rows, []string{s.clock(q.at), strings.Join(q.to, ", "), q.text, answered, took})
	}
	if len(rows) > 0 {
		p.table([]string{"asked", "whom", "what", "answer", "after"}, rows)
	}
}

func (p *page) runs(s *story) {
	p.heading("What was done")
	if len(s.runs) == 0 {
		p.paragraph("No playbook ran.")
	}
	for _, r := range s.runs {
		p.paragraph(fmt.Sprintf("### %s (run %s)", prose.Inline(r.playbook), r.id))
		p.paragraph(sentence(fmt.Sprintf("Started %s for %s on the authority of %s; %s%s%s", s.clock(r.started), prose.Inline(r.trigger), prose.Inline(r.by),
			r.outcome(), prose.After(", ", against(r.took(), r.rto, r.open())), prose.After(": ", prose.Inline(r.why)))))
		var rows [][]string
		for _, st := range r.steps {
			took := "not finished"
			if !st.finished.IsZero() {
				took = prose.Span(st.took())
			}
			rows = append(rows, []string{st.place, st.name, st.kind, fmt.Sprint(st.attempts), s.clock(st.started), took,
				against(st.took(), st.rto, st.finished.IsZero()), string(st.status), st.why})
		}
		if len(rows) > 0 {
			p.table([]string{"", "step", "kind", "attempts", "started", "took", "RTO", "status", "found"}, rows)
		}
	}
}

func (p *page) orders(s *story) {
	p.heading("Orders")
	if len(s.orders) == 0 {
		p.paragraph("No order was placed.")
		return
	}
	p.paragraph(sentence(s.traded()))
	var rows [][]string
	for _, o := range s.orders {
		slippage, paid := "", ""
		if !o.receipt.Filled.IsZero() {
			slippage, paid = fmt.Sprintf("%.1f bp", lifeboat.SlippageBps(o.placed, o.receipt)), price(o.receipt.Price)
		}
		rows = append(rows, []string{s.clock(o.at), o.placed.Account, string(o.placed.Side), o.placed.Symbol, o.placed.Quantity.String(),
			o.receipt.Filled.String(), paid, price(o.placed.Arrival), slippage, o.standing(), string(o.placed.ID)})
	}
	p.table([]string{"time", "account", "side", "symbol", "ordered", "filled", "price", "arrival", "slippage", "status", "client order id"}, rows)
}

// questions that only people can answer. Those about what went wrong come first.
func (p *page) questions(s *story) {
	var ask []string
	for _, wrong := range s.wrong() {
		ask = append(ask, "Why? "+wrong)
	}
	if len(s.firings) > 0 {
		ask = append(ask, fmt.Sprintf("Was %s the first sign, or could something have been seen before %s?", s.firings[0].event.Trigger, s.clock(s.firings[0].at)))
	}
	if s.tier > 0 {
		ask = append(ask, fmt.Sprintf("Was tier %d %s the right one, and did it come at the right time?", int(s.tier), s.tier))
	}
	if len(s.runs) > 0 {
		ask = append(ask, "Would doing nothing have been better?")
	} else {
		ask = append(ask, "Was it right to do nothing?")
	}
	ask = append(ask, "What did we know that no trigger could see?")
	p.heading("Questions to answer")
	for _, question := range ask {
		p.WriteString("- " + sentence(prose.Inline(question)) + "\n  - Answer:\n")
	}
	p.WriteString("\n")
}

// actions begin with what went wrong; the rest is what every review owes to the plan.
func (p *page) actions(s *story) {
	var do []string
	for _, wrong := range s.wrong() {
		do = append(do, "Mend, or plan around it: "+wrong)
	}
	do = append(do,
		"Answer the questions above and correct what this review has wrong",
		"Bring threats, triggers, playbooks and contacts up to date; the plan is not verified again before its next drill",
		"Rehearse the changed plan with lifeboat drill run",
		"Commit the plan, this review and the log together")
	p.heading("Action items")
	for _, action := range do {
		p.WriteString("- [ ] " + sentence(prose.Inline(action)) + " Owner: ____ Due: ____\n")
	}
	p.WriteString("\n")
}

func (p *page) evidence(s *story) {
	if s.of.Digest == "" {
		return
	}
	p.heading("Evidence")
	p.paragraph("Hash of the journal's last entry: `" + s.of.Digest + "`. This page can be made again from the journal alone.")
}
