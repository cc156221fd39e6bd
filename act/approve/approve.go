// Package approve says when a yes counts: whose, how many, to exactly what, and signed with which second factor.
//
// It has two halves. The first is pure and belongs to the deterministic core: Terms judge answers, Digest names what was shown
// by its hash, Show puts it into words, and Advance folds what an owner approved beforehand. The second stands at the edge of
// the program: a Store keeps what people enrolled, a Checker holds codes, keys and pushes against it and signatures of wallets against
// the plan and the transaction that they are of, and links let somebody open a question from a message. The journal gets a lifeboat.Factor, which is the evidence of a second factor that was
// verified, never the secret and never the code.
//
// It starts nothing and sends nothing but pushes to Duo. Whether a person may answer or ask at all is for act/decide.
package approve

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"lifeboat"
	"lifeboat/plan"
)

// Terms are what it takes for a question to be settled.
type Terms struct {
	To     []string // who is asked; whoever started it is not, when Not is set
	Need   int      // how many different ones of them must say yes
	Factor string   // "" for none, any, totp, webauthn, duo or wallet
	Not    string   // who started it and therefore does not count; several names are joined by ", "
}

// TermsOf are the terms under which a person, a role or a mandate of the plan says yes to what the starter began. No name at all
// means the owner. Terms that nobody could ever meet are an error.
func TermsOf(p *plan.Plan, name, starter string) (Terms, error) {
	terms := Terms{Need: 1}
	by := name
	if m, ok := p.Mandate(name); ok {
		by, terms.Need = m.By, max(1, m.Need)
		if m.Factor != "none" {
			terms.Factor = m.Factor
		}
		if m.NotStarter {
			terms.Not = starter
		}
	}
	for _, person := range people(p, by) {
		if !terms.excludes(person.Name) {
			terms.To = append(terms.To, person.Name)
		}
	}
	if len(terms.To) == 0 && terms.Not == "" {
		return Terms{}, &lifeboat.Problem{Reason: "denied", Money: "nothing was sent", What: fmt.Sprintf("the plan names nobody as %q", cmp.Or(name, "owner")),
			Next: "name somebody in the plan"}
	}
	if len(terms.To) < terms.Need {
		return Terms{}, &lifeboat.Problem{Reason: "denied", Money: "nothing was sent",
			What: fmt.Sprintf("%q takes a yes of %d and the plan has %d who could give it%s",
				cmp.Or(name, "owner"), terms.Need, len(terms.To), besides(terms.Not)),
			Next: "name more people in the plan, or ask for fewer"}
	}
	return terms, nil
}

// people of a name or role; the owner for "", who is the first person where nobody has that role.
func people(p *plan.Plan, name string) []plan.Person {
	if name != "" || len(p.People) == 0 {
		return p.Person(name)
	}
	var owners []plan.Person
	for _, person := range p.People {
		if strings.EqualFold(person.Role, "owner") {
			owners = append(owners, person)
		}
	}
	if len(owners) == 0 {
		owners = p.People[:1]
	}
	return owners
}

func besides(starter string) string {
	if starter == "" {
		return ""
	}
	return fmt.Sprintf(" besides %s, who started it", starter)
}

func (t Terms) excludes(person string) bool {
	return t.Not != "" && slices.Contains(strings.Split(t.Not, ", "), person)
}

// Verdict of those who were asked.
type Verdict string

const (
	Open Verdict = "open" // not enough of them have said yes
	Yes  Verdict = "yes"
	No   Verdict = "no"
)

// Outcome is a verdict and who brought it about: who said no, or all who said yes so far.
type Outcome struct {
	Verdict Verdict
	By      []string
}

// Judge goes through the answers in the order in which they were given and stops at the first that settles the question, so that
// what came later changes nothing. A no of anybody who was asked is a no, with or without a factor: not acting needs no proof.
func (t Terms) Judge(answers []lifeboat.Answer, content string) Outcome {
	out := Outcome{Verdict: Open}
	for _, a := range answers {
		switch {
		case !slices.Contains(t.To, a.By):
		case !a.Yes:
			return Outcome{No, []string{a.By}}
		case a.Content == content && t.Counts(a.By, a.Factor, content) && !slices.Contains(out.By, a.By):
			out.By = append(out.By, a.By)
		}
		if len(out.By) >= max(1, t.Need) {
			out.Verdict = Yes
			return out
		}
	}
	return out
}

// Counts reports whether a person's word carries under these terms: it is one of those who are asked, not the starter, and
// the second factor that is wanted was signed for this very content. A factor for something else never counts, wanted or not.
func (t Terms) Counts(person string, f *lifeboat.Factor, content string) bool {
	if !slices.Contains(t.To, person) || t.excludes(person) {
		return false
	}
	if f == nil {
		return t.Factor == ""
	}
	return content != "" && f.Content == content && (t.Factor == "" || t.Factor == "any" || t.Factor == f.Kind)
}

// wants says what the terms ask for.
func (t Terms) wants() string {
	if len(t.To) == 0 {
		return "nobody in the plan may"
	}
	text := "it is for " + strings.Join(t.To, ", ")
	switch t.Factor {
	case "":
	case "any":
		text += ", with a second factor for what is shown"
	default:
		text += fmt.Sprintf(", with %s for what is shown", t.Factor)
	}
	return text
}
