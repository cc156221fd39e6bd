// Package review writes up what happened, while the journal still has every word of it: a post-incident review with
// the questions and tasks that follow ([PostIncident]), and a line for the quarter's log of disaster recovery
// ([LogEntry], [Append]).
//
// Both are told from the journal's events alone, so they can be made again at any time and say the same. The review
// is a draft with boxes to tick: what only people can know is asked, not guessed.
//
// It opens no journal (whoever calls hands in the events) and commits nothing to Git.
package review

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/prose"
)

// Subject is what is reviewed.
type Subject struct {
	// Incident is the id of the episode; "" reviews everything that the events hold, as after a drill.
	Incident string
	// Drill is the title of the scenario when this was a drill; "" for what really happened.
	Drill     string
	Portfolio string
	// Digest is the hash of the journal's last entry, for the record; "" leaves it out.
	Digest string
	// Zone is the clock that the owner reads; UTC when nil.
	Zone *time.Location
}

// PostIncident is the review as Markdown.
func PostIncident(of Subject, events iter.Seq2[time.Time, lifeboat.Event]) string {
	s := fold(of, events)
	p := page{zone: s.zone}
	p.paragraph("# Post-incident review: " + prose.Inline(s.name()))
	p.paragraph(s.summary())
	p.whatHappened(s)
	p.tiers(s)
	p.decisions(s)
	p.runs(s)
	p.orders(s)
	p.list("What did not work", s.wrong(), "Every step, order and message did what the playbook wanted, within its RTO.")
	p.questions(s)
	p.actions(s)
	p.evidence(s)
	return p.String()
}

// LogEntry is the same in one line for the log, in the style of a change log:
//
//	2020-03-31: Incident i2. Reached tier 2 Action. Playbook defensive done in 23 min: met RTO of 4 h.
//
// The date is that of the review.
func LogEntry(at time.Time, of Subject, events iter.Seq2[time.Time, lifeboat.Event]) string {
	s := fold(of, events)
	parts := []string{fmt.Sprintf("%s: %s.", at.In(s.zone).Format(time.DateOnly), s.name())}
	if s.tier == 0 {
		parts = append(parts, "No trigger fired.")
	} else {
		parts = append(parts, fmt.Sprintf("Reached tier %d %s.", int(s.tier), s.tier))
	}
	for _, r := range s.runs {
		parts = append(parts, fmt.Sprintf("Playbook %s %s%s.", r.playbook, r.outcome(), prose.After(": ", against(r.took(), r.rto, r.open()))))
	}
	if len(s.runs) == 0 && s.tier > 0 {
		parts = append(parts, "No playbook ran.")
	}
	if len(s.orders) > 0 {
		parts = append(parts, s.traded()+".")
	}
	if n := len(s.wrong()); n > 0 {
		parts = append(parts, fmt.Sprintf("Did not work: %s.", s.wrong()[0]))
		if n > 1 {
			parts = append(parts, fmt.Sprintf("%d more in the review.", n-1))
		}
	}
	return prose.OneLine(strings.Join(parts, " "))
}
