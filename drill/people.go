package drill

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// people answer questions as the plan says each of them would: after a reaction time, with yes, no or nothing.
// They stand where the channels to real people would.
type people struct {
	plan    *plan.Plan
	answers []scheduled // by time
}

type scheduled struct {
	at     time.Time
	answer lifeboat.Answer
}

// Send hears a message; a question is answered by the first of those asked.
func (p *people) Send(_ context.Context, at time.Time, key lifeboat.Key, m lifeboat.Message) error {
	if !m.Question {
		return nil
	}
	for _, name := range m.To {
		for _, person := range p.plan.Person(name) {
			if person.Answers == "nothing" {
				continue
			}
			reaction := time.Duration(person.Reaction)
			p.answers = append(p.answers, scheduled{at.Add(reaction), lifeboat.Answer{
				Question: string(key), By: person.Name, Yes: person.Answers != "no",
				Content: m.Content, Factor: simulated(m, person),
				Note: fmt.Sprintf("simulated, reacts in %s", reaction),
			}})
		}
	}
	slices.SortStableFunc(p.answers, func(a, b scheduled) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.answer.By, b.answer.By))
	})
	return nil
}

// simulated is the second factor that a question wants: in a drill everybody has theirs at hand.
func simulated(m lifeboat.Message, person plan.Person) *lifeboat.Factor {
	if m.Factor == "" {
		return nil
	}
	kind := m.Factor
	if kind == "any" {
		kind = "totp"
	}
	return &lifeboat.Factor{Kind: kind, ID: "simulated for " + person.Name, Content: m.Content}
}

// due is when the next answer comes; zero when none does.
func (p *people) due() time.Time {
	if len(p.answers) == 0 {
		return time.Time{}
	}
	return p.answers[0].at
}

// take hands out the answers that are due.
func (p *people) take(at time.Time) []lifeboat.Answer {
	var due []lifeboat.Answer
	for len(p.answers) > 0 && !p.answers[0].at.After(at) {
		due = append(due, p.answers[0].answer)
		p.answers = p.answers[1:]
	}
	return due
}
