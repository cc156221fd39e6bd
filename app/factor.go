package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"lifeboat"
	"lifeboat/act/approve"
	"lifeboat/plan"
	"lifeboat/serve/api"
)

// FactorsFile is where second factors are enrolled, in the data directory. It holds secrets and is for its owner alone.
const FactorsFile = "factors.json"

// OpenFactors opens what is enrolled in a data directory.
func OpenFactors(dataDir string) (*approve.Store, error) {
	return approve.OpenStore(filepath.Join(dataDir, FactorsFile))
}

// NewChecker verifies second factors against what is enrolled in a data directory. origin is where people open lifeboat in
// a browser, without which there are no passkeys.
func NewChecker(p *plan.Plan, dataDir, origin string) (*approve.Checker, *approve.Store, error) {
	store, err := OpenFactors(dataDir)
	if err != nil {
		return nil, nil, err
	}
	var with approve.Options
	if origin != "" {
		with.Passkeys = &approve.RelyingParty{ID: "localhost", Name: "lifeboat", Origins: []string{origin}}
	}
	if d := p.Authority.Duo; d != nil {
		if with.Duo, err = approve.NewDuo(d.Host, d.Key, d.Secret); err != nil {
			return nil, nil, err
		}
	}
	checker, err := approve.NewChecker(store, with)
	return checker, store, err
}

// openFactors makes the checker, and the key of links where the plan has a secret for it.
func (d *Daemon) openFactors() (err error) {
	_, port, err := net.SplitHostPort(d.listener.Addr().String())
	if err != nil {
		return err
	}
	// A browser takes no address of numbers for the name of a passkey's site, so that passkeys are for localhost.
	d.origin = "http://localhost:" + port
	if d.checker, d.factors, err = NewChecker(d.DaemonOptions.Plan, d.DataDir, d.origin); err != nil {
		return err
	}
	m := d.DaemonOptions.Plan.Messages
	if m == nil || m.Secret == "" {
		return nil
	}
	secret, err := approve.FromEnvironment("messages.secret", m.Secret)
	if err != nil {
		return err
	}
	d.linkKey, err = approve.KeyOf(secret)
	return err
}

// linkValid is how long a link in a message leads anywhere.
const linkValid = 24 * time.Hour

// link is the address at which a person answers or acknowledges a message; "" where the plan has none.
func (d *Daemon) link(at time.Time, key lifeboat.Key, person string, question bool) string {
	m := d.DaemonOptions.Plan.Messages
	if m == nil || m.Link == "" || len(d.linkKey) == 0 {
		return ""
	}
	purpose := approve.ForAcknowledge
	if question {
		purpose = approve.ForAnswer
	}
	return m.Link + "/link/" + approve.Sign(d.linkKey, approve.Link{Purpose: purpose, Question: key, Person: person, Until: at.Add(linkValid)})
}

// OpenLink says what a signed link leads to.
func (d *Daemon) OpenLink(token string) (api.Opened, error) {
	link, err := approve.OpenLink(d.linkKey, token, d.Clock.Now())
	if err != nil {
		return api.Opened{}, err
	}
	opened := api.Opened{Person: link.Person, Key: link.Question}
	if link.Purpose != approve.ForAnswer {
		opened.Told = "Say that you have the message, so that nobody else need be called."
		return opened, nil
	}
	if q := d.question(string(link.Question)); q.Key != "" {
		opened.Question = &q
	}
	credentials, err := d.factors.Credentials(link.Person)
	opened.Passkey = slices.ContainsFunc(credentials, func(c approve.Credential) bool { return c.Kind == "webauthn" })
	return opened, err
}

// Enrol begins to enrol a second factor, or ends the enrolment that was begun. Somebody who has one already signs with it: the
// token of the data directory alone must not be enough to get round it.
func (d *Daemon) Enrol(ctx context.Context, e api.Enrolling) (api.Enrolled, error) {
	at := d.Clock.Now()
	if len(d.DaemonOptions.Plan.Person(e.Person)) != 1 || d.DaemonOptions.Plan.Person(e.Person)[0].Name != e.Person {
		return api.Enrolled{}, &lifeboat.Problem{Reason: "not-found", What: fmt.Sprintf("the plan names nobody %q", e.Person), Money: "nothing was enrolled"}
	}
	if e.Kind == "duo" || !e.Finishes() { // an enrolment that was begun was proved then; one by push is begun and ended at once
		if err := d.mayEnrol(ctx, at, e); err != nil {
			return api.Enrolled{}, err
		}
	}
	switch e.Kind {
	case "totp":
		if e.Code == "" {
			uri, err := d.checker.StartTOTP(at, e.Person)
			return api.Enrolled{URI: uri}, err
		}
		return credential(d.checker.ConfirmTOTP(at, e.Person, e.Code))
	case "webauthn":
		if e.Response == nil {
			return api.Enrolled{Page: d.origin + "/enrol/" + d.tickets.issue(at, e.Person)}, nil
		}
		return credential(d.checker.ConfirmPasskey(at, e.Person, e.Response))
	case "duo":
		return credential(d.checker.EnrolDuo(ctx, at, e.Person, e.User))
	}
	return api.Enrolled{}, &lifeboat.Problem{Reason: "usage", What: fmt.Sprintf("there is no second factor of kind %q", e.Kind), Next: "use totp, webauthn or duo"}
}

func credential(c approve.Credential, err error) (api.Enrolled, error) {
	return api.Enrolled{ID: c.ID}, err
}

// mayEnrol wants a factor of somebody who has one.
func (d *Daemon) mayEnrol(ctx context.Context, at time.Time, e api.Enrolling) error {
	have, err := d.factors.Credentials(e.Person)
	if err != nil || len(have) == 0 {
		return err
	}
	if !e.Proof.Given() {
		return &lifeboat.Problem{Reason: "factor", What: fmt.Sprintf("%s has a second factor already, and signs with it for another", e.Person), Money: "nothing was enrolled",
			Next: "add --code or --duo; who has lost every factor removes them with lifeboat factor remove while the daemon is stopped"}
	}
	words := fmt.Sprintf("enrol %s for %s", e.Kind, e.Person)
	_, err = d.checker.Check(ctx, at, approve.Claim{Person: e.Person, Kind: cmp.Or(e.Proof.Kind, "totp"), Content: approve.DigestQuestion("enrol", words),
		Shown: words, Code: e.Proof.Code, Assertion: e.Proof.Assertion})
	return err
}

// Ticket says for whom a passkey is made.
func (d *Daemon) Ticket(ticket string) (person string, options json.RawMessage, err error) {
	at := d.Clock.Now()
	if person, err = d.tickets.holder(at, ticket); err != nil {
		return "", nil, err
	}
	options, err = d.checker.StartPasskey(at, person)
	return person, options, err
}

// FinishTicket enrols the passkey that the browser made. The ticket is used up by it.
func (d *Daemon) FinishTicket(_ context.Context, ticket string, response json.RawMessage) error {
	at := d.Clock.Now()
	person, err := d.tickets.holder(at, ticket)
	if err != nil {
		return err
	}
	if _, err := d.checker.ConfirmPasskey(at, person, response); err != nil {
		return err
	}
	d.tickets.use(ticket)
	return nil
}

// tickets let a browser, which has no token, enrol one passkey each.
type tickets struct {
	mu   sync.Mutex
	open map[string]ticket
}

type ticket struct {
	person string
	until  time.Time
}

const (
	ticketValid = 10 * time.Minute
	ticketsMax  = 16
)

func (t *tickets) issue(at time.Time, person string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.open, func(_ string, o ticket) bool { return !at.Before(o.until) })
	if t.open == nil || len(t.open) >= ticketsMax {
		t.open = map[string]ticket{}
	}
	name := rand.Text()
	t.open[name] = ticket{person, at.Add(ticketValid)}
	return name
}

func (t *tickets) holder(at time.Time, name string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o, known := t.open[name]; known && at.Before(o.until) {
		return o.person, nil
	}
	return "", &lifeboat.Problem{Reason: "denied", What: "the ticket is used up, or its ten minutes are over", Money: "nothing was enrolled",
		Next: "lifeboat factor enrol webauthn gives a new one"}
}

func (t *tickets) use(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, name)
}
