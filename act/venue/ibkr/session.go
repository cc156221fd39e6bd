package ibkr

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/act/venue/rest"
)

// Session is how the gateway stands with the broker.
type Session struct {
	Authenticated bool // a person is logged in, and orders can be sent
	Connected     bool // the gateway has a line to the broker
	Competing     bool // the same user is logged in elsewhere, which takes the session away from here
	Message       string
	Since         time.Time // when it was first seen like this; the broker does not say
}

// Reading tells a session as a series that a trigger can watch: session.ACCOUNT is 1 while orders can be sent, and 0 else.
func (s Session) Reading(account string) lifeboat.Reading {
	r := lifeboat.Reading{Series: lifeboat.Series("session." + account), Source: "ibkr"}
	if s.Authenticated {
		r.Value = 1
	}
	return r
}

const (
	tickleEvery = time.Minute
	// trusted is how long the gateway's word on the session counts.
	trusted = 30 * time.Second
	// reviveEvery is how often a new brokerage session is asked for while there is none.
	reviveEvery = time.Minute
)

// Session asks the gateway how it stands. An error means that the gateway itself does not answer.
func (v *Venue) Session(ctx context.Context) (Session, error) {
	return v.sessionBy(ctx, rest.Request{Step: "ask for the session", Method: http.MethodPost, Path: "/iserver/auth/status", Urgent: true})
}

// Run keeps the session alive until ctx ends: the gateway lets go of it after some minutes of silence. It tells changed of
// every change, the first word included; nil is allowed.
func (v *Venue) Run(ctx context.Context, changed func(Session)) error {
	var last *Session
	for {
		if s, err := v.beat(ctx); err == nil && (last == nil || !last.like(s)) {
			last = &s
			if changed != nil {
				changed(s)
			}
		} else if err != nil && ctx.Err() == nil {
			if s := (Session{Message: err.Error()}); last == nil || !last.like(s) {
				s = v.note(s)
				last = &s
				if changed != nil {
					changed(s)
				}
			}
		}
		if err := v.c.Clock.Sleep(ctx, v.c.Clock.Now().Add(tickleEvery)); err != nil {
			return nil
		}
	}
}

// beat is one sign of life, and one attempt at a new brokerage session where only that is missing.
func (v *Venue) beat(ctx context.Context) (Session, error) {
	var told struct {
		Iserver struct {
			Status wireSession `json:"authStatus"`
		} `json:"iserver"`
	}
	if err := v.pace.wait(ctx, v.c.Clock, tickle); err != nil {
		return Session{}, err
	}
	_, err := v.rest.Do(ctx, rest.Request{Step: "keep the session alive", Method: http.MethodPost, Path: "/tickle", Urgent: true}, &told)
	if e, answered := rest.As(err); answered && gone(e) {
		return v.note(Session{Message: "nobody is logged in"}), nil
	}
	if err != nil {
		return Session{}, err
	}
	s := v.note(told.Iserver.Status.session())
	if !s.Authenticated {
		return v.revive(ctx, s)
	}
	return s, nil
}

type wireSession struct {
	Authenticated bool   `json:"authenticated"`
	Connected     bool   `json:"connected"`
	Competing     bool   `json:"competing"`
	Message       string `json:"message"`
	Fail          string `json:"fail"`
}

func (w wireSession) session() Session {
	message := w.Message
	if message == "" {
		message = w.Fail
	}
	return Session{Authenticated: w.Authenticated && w.Connected, Connected: w.Connected, Competing: w.Competing, Message: plainly(message)}
}

func (s Session) like(other Session) bool {
	return s.Authenticated == other.Authenticated && s.Connected == other.Connected && s.Competing == other.Competing
}

func (v *Venue) sessionBy(ctx context.Context, r rest.Request) (Session, error) {
	if err := v.pace.wait(ctx, v.c.Clock, anyCall); err != nil {
		return Session{}, fmt.Errorf("%s: %s: %w", name, r.Step, err)
	}
	var told wireSession
	_, err := v.rest.Do(ctx, r, &told)
	if e, answered := rest.As(err); answered && gone(e) {
		return v.note(Session{Message: "nobody is logged in"}), nil
	}
	if err != nil {
		return Session{}, err
	}
	return v.note(told.session()), nil
}

// revive asks for a brokerage session, which needs no person while the login behind it still counts: after the broker's
// nightly restart, for one. It does not compete: somebody who trades by hand is not thrown out.
func (v *Venue) revive(ctx context.Context, s Session) (Session, error) {
	now := v.c.Clock.Now()
	v.mu.Lock()
	due := !s.Competing && (v.revived.IsZero() || now.Sub(v.revived) >= reviveEvery || now.Before(v.revived))
	if due {
		v.revived = now
	}
	v.mu.Unlock()
	if !due {
		return s, nil
	}
	return v.sessionBy(ctx, rest.Request{Step: "open the session", Method: http.MethodPost, Path: "/iserver/auth/ssodh/init", Urgent: true,
		Body: map[string]bool{"publish": true, "compete": false}})
}

// note keeps what is known of the session, and since when it is so.
func (v *Venue) note(s Session) Session {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.heard = v.c.Clock.Now()
	s.Since = v.heard
	if v.session.like(s) && !v.session.Since.IsZero() {
		s.Since = v.session.Since
	}
	if !s.Authenticated {
		v.account = ""
	}
	v.session = s
	return s
}

// lost notes that the session is gone.
func (v *Venue) lost() { v.note(Session{Message: "nobody is logged in"}) }

// open makes sure that somebody is logged in and that the account is the one that is meant, and gives its number. It is
// the first thing every step does; within half a minute of the last word it costs nothing.
func (v *Venue) open(ctx context.Context, step string) (string, error) {
	account, err := v.admitted(ctx, step)
	if err == nil {
		v.number = account
	}
	return account, err
}

func (v *Venue) admitted(ctx context.Context, step string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("%s: %s: %w", name, step, err)
	}
	v.mu.Lock()
	s, account, age := v.session, v.account, v.c.Clock.Now().Sub(v.heard)
	v.mu.Unlock()
	if s.Authenticated && account != "" && age >= 0 && age < trusted {
		return account, nil
	}
	s, err := v.Session(ctx)
	if err == nil && !s.Authenticated {
		s, err = v.revive(ctx, s)
	}
	switch {
	case err != nil:
		return "", err
	case !s.Authenticated:
		return "", v.nobody(step, s)
	}
	v.mu.Lock()
	account = v.account // "" when the session is a new one
	v.mu.Unlock()
	if account != "" {
		return account, nil
	}
	return v.enter(ctx, step)
}

// nobody is the one sentence of a gateway without a session. Nothing was sent.
func (v *Venue) nobody(step string, s Session) error {
	why := "nobody is logged in"
	switch {
	case s.Competing:
		why = "the same user is logged in elsewhere"
	case s.Connected:
		why = "its session has ended"
	case s.Message != "":
		why = v.scrub(s.Message)
	}
	login := strings.TrimSuffix(strings.TrimSuffix(v.c.URL, "/api"), "/v1")
	return &lifeboat.Problem{
		Reason: "venue-session",
		What:   fmt.Sprintf("%s: %s: %s: log in at the gateway in a browser (%s)", name, step, why, login),
		Money:  "nothing was sent",
		Next:   "log in at " + login + " on the machine of the gateway",
	}
}

// enter selects the account in a new session, by the calls that the broker wants to come before all others.
func (v *Venue) enter(ctx context.Context, step string) (string, error) {
	var trading struct {
		Accounts []string `json:"accounts"`
		Selected string   `json:"selectedAccount"`
	}
	if _, err := v.do(ctx, anyCall, rest.Request{Step: step, Method: http.MethodGet, Path: "/iserver/accounts", Urgent: true}, &trading); err != nil {
		return "", err
	}
	account := v.c.Login
	if account == "" && len(trading.Accounts) == 1 {
		account = trading.Accounts[0]
	}
	if !slices.Contains(trading.Accounts, account) || !numbered(account) {
		return "", v.wrongAccount(step, fmt.Sprintf("the login trades the accounts %s", strings.Join(trading.Accounts, ", ")))
	}
	if trading.Selected != account {
		if _, err := v.do(ctx, anyCall, rest.Request{Step: step, Method: http.MethodPost, Path: "/iserver/account", Urgent: true, Body: map[string]string{"acctId": account}}, nil); err != nil {
			return "", err
		}
	}
	var held []struct {
		ID       string `json:"accountId"`
		Currency string `json:"currency"`
	}
	if _, err := v.do(ctx, accountList, rest.Request{Step: step, Method: http.MethodGet, Path: "/portfolio/accounts", Urgent: true}, &held); err != nil {
		return "", err
	}
	for _, h := range held {
		if h.ID != account {
			continue
		}
		if h.Currency != "" && h.Currency != v.c.Currency {
			return "", v.wrongAccount(step, fmt.Sprintf("the base currency of %s is %s, and the plan counts in %s", account, h.Currency, v.c.Currency))
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		v.account = account
		clear(v.tickets) // the broker may number orders anew in a new session
		return account, nil
	}
	return "", v.wrongAccount(step, fmt.Sprintf("the login may not see the account %s", account))
}

func (v *Venue) wrongAccount(step, why string) error {
	return fmt.Errorf("%s: %s: %s: set connect.login of the account %q", name, step, v.scrub(why), v.c.Account)
}

// numbered reports that the number of an account or of a question can stand in a path.
func numbered(id string) bool {
	return id != "" && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '-' || r == '_')
	})
}
