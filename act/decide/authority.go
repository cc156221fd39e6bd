package decide

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/act/approve"
	"lifeboat/plan"
)

// Allow says whether anybody with authority stands behind an intent, and whether the breaker lets it pass. Every act passes
// here before it is written.
func (d *Desk) Allow(i lifeboat.Intent) error {
	if err := d.backed(i); err != nil {
		return err
	}
	if d.Breaker == nil {
		return nil
	}
	if err := d.Breaker.Passes(i); err != nil {
		return err
	}
	d.Breaker.Claim(i)
	return nil
}

// backed asks for the decision behind an act.
func (d *Desk) backed(i lifeboat.Intent) error {
	if i.Run == "" {
		if i.Act == lifeboat.SendMessage || i.Act == lifeboat.CancelOrder {
			return nil // a question or a word of lifeboat's own, or what the breaker takes back
		}
		if i.Act == lifeboat.PerformTask && i.Task != nil && i.Task.Kind == plan.TrialTask {
			return d.backedTrial(i)
		}
		return denied("nobody decided the %s %s", i.Act, i.Key)
	}
	r := d.run(i.Run)
	switch {
	case r == nil:
		return denied("there is no run %s", i.Run)
	case r.status != lifeboat.Running:
		return denied("run %s is %s", i.Run, r.status)
	case r.By == "":
		return denied("nobody started run %s", i.Run)
	case i.Act == lifeboat.PlaceOrder && !d.plan.Tradable(i.Order.Account):
		return denied("the plan does not let lifeboat trade in account %q", i.Order.Account)
	}
	return nil
}

// backedTrial asks for the canary behind a trial: the owner permitted it by writing this account, amount and address into the
// plan in force, and nothing else. Nothing is tried while the breaker is not active.
func (d *Desk) backedTrial(i lifeboat.Intent) error {
	permitted, written := d.plan.Trial(i.Account)
	switch {
	case !written:
		return denied("the plan has no canary for the account %q", i.Account)
	case !bytes.Equal(permitted.Spec, i.Task.Spec):
		return denied("the canary of %q in the plan is another one than what is to be tried", i.Account)
	case d.Breaker != nil && d.Breaker.State() != lifeboat.Active:
		return &lifeboat.Problem{Reason: "halted", What: fmt.Sprintf("the breaker is %s, and a canary waits until it is active", d.Breaker.State()), Money: "nothing was sent"}
	}
	return nil
}

// Permit says whether a person may ask for something, before the request is written. Whether more persons are needed is
// for those whom it concerns; here each has to be one of them, with the factor that is wanted.
func (d *Desk) Permit(at time.Time, r lifeboat.Request) error {
	if len(d.plan.Person(r.By)) != 1 || d.plan.Person(r.By)[0].Name != r.By {
		return denied("%s is not in the plan", r.By)
	}
	terms, err := d.terms(r)
	if err != nil {
		return err
	}
	if !slices.Contains(terms.To, r.By) {
		return denied("%s may not ask for that: the plan leaves it to %s", r.By, strings.Join(terms.To, ", "))
	}
	if !terms.Counts(r.By, r.Factor, approve.DigestRequest(r)) {
		return &lifeboat.Problem{Reason: "factor", What: fmt.Sprintf("the plan wants a second factor for that (%s), signed for this very request", terms.Factor), Money: "nothing was decided",
			Next: "add --code or --duo, or sign with a passkey"}
	}
	return d.fits(at, r)
}

// terms of a request: who may ask for it.
func (d *Desk) terms(r lifeboat.Request) (approve.Terms, error) {
	a := d.plan.Authority
	everybody := approve.Terms{Need: 1}
	for _, person := range d.plan.People {
		everybody.To = append(everybody.To, person.Name)
	}
	switch r.Verb {
	case lifeboat.StartPlaybook:
		playbook, _ := d.plan.Playbook(r.Object)
		return d.termsOf(playbook.Start)
	case lifeboat.MoveTier:
		return d.termsOf(d.tierAuthority(r.Object))
	case lifeboat.MoveBreaker:
		return d.breakerTerms(r, everybody)
	case lifeboat.ReleaseAccount:
		return d.termsOf(a.Release)
	case lifeboat.Preauthorise, lifeboat.RevokeAuthority:
		return d.termsOf(a.Approve)
	case lifeboat.Acknowledge, lifeboat.KeepSilent:
		return everybody, nil
	}
	return d.termsOf(a.Runs)
}

// termsOf a name of the plan; "automatic" leaves it to the owner, since here a person asks.
func (d *Desk) termsOf(name string) (approve.Terms, error) {
	if automatic(name) {
		name = ""
	}
	return approve.TermsOf(d.plan, name, "")
}

// breakerTerms: making it stricter is open to everybody unless the plan says otherwise, letting it go is the breaker's own.
func (d *Desk) breakerTerms(r lifeboat.Request, everybody approve.Terms) (approve.Terms, error) {
	if d.Breaker != nil && d.Breaker.State().Stricter(lifeboat.BreakerState(r.Object)) {
		return d.Breaker.Terms()
	}
	if d.plan.Authority.Halt == "" {
		return everybody, nil
	}
	return d.termsOf(d.plan.Authority.Halt)
}

// fits refuses what could come to nothing: a playbook or a tier that there is not, a move that the breaker does not make.
func (d *Desk) fits(at time.Time, r lifeboat.Request) error {
	switch r.Verb {
	case lifeboat.StartPlaybook:
		return d.fitsStart(r)
	case lifeboat.MoveTier:
		return d.fitsTier(r)
	case lifeboat.MoveBreaker:
		if d.Breaker != nil {
			return d.Breaker.Fits(at, r)
		}
	}
	return nil
}

// PermitAnswer says whether an answer would count, before it is written: somebody who was asked and is still in the plan, to
// what is asked now, signed as the question wants. A no needs no signature.
func (d *Desk) PermitAnswer(_ time.Time, a lifeboat.Answer) error {
	q := d.questions[a.Question]
	switch {
	case q == nil:
		return &lifeboat.Problem{Reason: "not-found", What: fmt.Sprintf("no question has the key %s", a.Question), Money: "nothing was decided",
			Next: "lifeboat status lists the open questions"}
	case !slices.Contains(q.To, a.By):
		return &lifeboat.Problem{Reason: "denied", What: fmt.Sprintf("%s was not asked; the question is for %s", a.By, strings.Join(q.To, ", ")),
			Money: "nothing was decided", Next: "answer as one of those asked"}
	case len(d.plan.Person(a.By)) == 0:
		return &lifeboat.Problem{Reason: "denied", What: fmt.Sprintf("%s is no longer in the plan", a.By),
			Money: "nothing was decided", Next: "answer as one of those asked whom the plan still names"}
	case !a.Yes:
		return nil
	case a.Content != q.Content:
		return &lifeboat.Problem{Reason: "denied", What: "the answer is to something else than what is asked now", Money: "nothing was decided",
			Next: "look at the question again, and answer what it says"}
	}
	terms := approve.Terms{To: q.To, Need: 1, Factor: q.Factor}
	if !terms.Counts(a.By, a.Factor, a.Content) {
		return &lifeboat.Problem{Reason: "factor", What: fmt.Sprintf("the question wants a second factor (%s), signed for what it shows", q.Factor), Money: "nothing was decided",
			Next: signWith(q.Factor)}
	}
	return nil
}

// signWith says how.
func signWith(factor string) string {
	if factor == "wallet" {
		return "lifeboat question typed-data gives what your wallet signs; add --signature"
	}
	return "add --code or --duo, or sign with a passkey"
}

func denied(format string, args ...any) error {
	return &lifeboat.Problem{Reason: "denied", What: fmt.Sprintf(format, args...), Money: "nothing was sent"}
}
