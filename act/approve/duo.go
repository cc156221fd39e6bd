package approve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	duoapi "github.com/duosecurity/duo_api_golang"
	"github.com/duosecurity/duo_api_golang/authapi"

	"lifeboat"
)

// Duo sends pushes through Duo's Auth API, over TLS with the authorities that Duo's own library pins.
type Duo struct {
	api       *duoapi.DuoApi
	transport *http.Transport // that of the library, with its pins
	clock     lifeboat.Clock
}

const (
	pushMax      = 70 * time.Second // Duo itself gives up after 60
	pollPause    = time.Second      // between questions that are answered with "waiting" at once
	replyMax     = 1 << 20          // bytes of an answer of Duo's
	pushLines    = 20               // of what is shown
	pushLineSize = 200              // characters of each
)

// NewDuo is a Duo application: its API host, and references such as ${DUO_KEY} and ${DUO_SECRET} to its keys in the environment.
func NewDuo(host, key, secret string) (*Duo, error) {
	if host == "" || strings.ContainsAny(host, "/@? ") {
		return nil, &lifeboat.Problem{Reason: "plan-invalid",
			What: "the host of Duo is a name such as api-1234.duosecurity.com, without https://"}
	}
	integration, err := FromEnvironment("the key of Duo", key)
	if err != nil {
		return nil, err
	}
	signing, err := FromEnvironment("the secret of Duo", secret)
	if err != nil {
		return nil, err
	}
	d := &Duo{clock: lifeboat.WallClock{}}
	d.api = duoapi.NewDuoApi(integration, signing, host, "lifeboat", duoapi.SetTransport(func(t *http.Transport) { d.transport = t }))
	return d, nil
}

var reference = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)

// FromEnvironment takes what a reference names. What was written in its place is not repeated: it may be the key itself.
func FromEnvironment(what, written string) (string, error) {
	name := reference.FindStringSubmatch(written)
	if name == nil {
		return "", &lifeboat.Problem{Reason: "plan-invalid",
			What: what + " is written as a reference such as ${NAME}, never itself", Money: "nothing was started"}
	}
	value := os.Getenv(name[1])
	if value == "" {
		return "", &lifeboat.Problem{Reason: "plan-invalid",
			What: fmt.Sprintf("the environment has no %s, which %s refers to", name[1], what), Money: "nothing was started", Next: "set it where lifeboat serve is started"}
	}
	return value, nil
}

// Ready asks Duo whether it is there, and whether it knows our keys and our clock.
func (d *Duo) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pushMax)
	defer cancel()
	client := d.client(ctx)
	ping, err := client.Ping()
	if err != nil {
		return unreachable(err)
	}
	if ping.Stat != "OK" {
		return declined(ping.StatResult)
	}
	check, err := client.Check()
	if err != nil {
		return unreachable(err)
	}
	if check.Stat != "OK" {
		return declined(check.StatResult)
	}
	return nil
}

// push asks a user's telephone and waits for the answer. It gives the transaction only when a person pressed yes: a user whom Duo
// lets pass without asking has approved nothing.
func (d *Duo) push(ctx context.Context, user, content, shown string) (transaction string, err error) {
	ctx, cancel := context.WithTimeout(ctx, pushMax)
	defer cancel()
	client := d.client(ctx)
	sent, err := client.Auth("push", authapi.AuthAsync(), authapi.AuthUsername(user), authapi.AuthDevice("auto"),
		authapi.AuthType("lifeboat approval"), authapi.AuthPushinfo(pushInfo(content, shown)))
	switch {
	case err != nil:
		return "", unreachable(err)
	case sent.Stat != "OK":
		return "", declined(sent.StatResult)
	case sent.Response.Txid == "":
		return "", refused("Duo settled the push without asking %s, so nothing was signed", user)
	}
	for {
		now, err := client.AuthStatus(sent.Response.Txid)
		switch {
		case err != nil:
			return "", unreachable(err)
		case now.Stat != "OK":
			return "", declined(now.StatResult)
		case now.Response.Result == "allow" && now.Response.Status == "allow":
			return sent.Response.Txid, nil
		case now.Response.Result == "allow":
			return "", refused("Duo let %s pass without asking, so nothing was signed", user)
		case now.Response.Result == "deny" && now.Response.Status == "timeout":
			return "", refused("nobody answered the push to %s in time", user)
		case now.Response.Result != "waiting":
			return "", refused("the push was denied on %s's telephone", user)
		}
		if err := d.clock.Sleep(ctx, d.clock.Now().Add(pollPause)); err != nil {
			return "", unreachable(err)
		}
	}
}

// pushInfo is what the telephone shows: the beginning of the digest, then the lines of what is proposed.
func pushInfo(content, shown string) string {
	pairs := []string{"Content=" + percent(Short(content))}
	lines := strings.Split(strings.TrimSpace(shown), "\n")
	if len(lines) > pushLines {
		rest := len(lines) - (pushLines - 1)
		lines = append(slices.Clone(lines[:pushLines-1]), fmt.Sprintf("and %d lines more, which lifeboat shows", rest))
	}
	for i, line := range lines {
		text := []rune(plain(line))
		if len(text) > pushLineSize {
			text = append(text[:pushLineSize-1], '…')
		}
		pairs = append(pairs, percent(fmt.Sprintf("%02d", i+1))+"="+percent(string(text)))
	}
	return strings.Join(pairs, "&")
}

func percent(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// client whose calls end with the context. The library has no contexts of its own, and after "too many requests" it would sleep
// for a minute and send an empty body.
func (d *Duo) client(ctx context.Context) *authapi.AuthApi {
	api := *d.api
	api.SetCustomHTTPClient(&http.Client{Transport: within{ctx, d.transport}})
	return authapi.NewAuthApi(api)
}

type within struct {
	ctx       context.Context
	transport *http.Transport
}

func (w within) RoundTrip(r *http.Request) (*http.Response, error) {
	reply, err := w.transport.RoundTrip(r.WithContext(w.ctx))
	if err != nil {
		return nil, err
	}
	if reply.StatusCode == http.StatusTooManyRequests || reply.StatusCode >= 500 {
		reply.Body.Close()
		return nil, fmt.Errorf("it answered %s", reply.Status)
	}
	reply.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(reply.Body, replyMax), reply.Body}
	return reply, nil
}

func unreachable(err error) error {
	why := err.Error()
	if errors.Is(err, context.DeadlineExceeded) {
		why = "it did not answer in time"
	} else if e, ok := errors.AsType[*url.Error](err); ok {
		why = e.Err.Error() // without the address
	}
	return &lifeboat.Problem{Reason: "duo-down", What: "Duo could not be asked: " + why, Money: "nothing was decided",
		Next: "try again, or use another factor", Err: err}
}

// declined is a refusal by Duo itself: of our keys, our clock, or a user it does not know.
func declined(r duoapi.StatResult) error {
	why := "without saying why"
	if r.Message != nil {
		why = plain(*r.Message)
	}
	if r.Message_Detail != nil {
		why += " (" + plain(*r.Message_Detail) + ")"
	}
	return refused("Duo refused: %s", why)
}

// checkPush asks a person's telephone. One push at a time: a second one would be answered by mistake for the first.
func (c *Checker) checkPush(ctx context.Context, at time.Time, claim Claim) (lifeboat.Factor, error) {
	if strings.TrimSpace(claim.Shown) == "" {
		return lifeboat.Factor{}, refused("there is nothing that a push could show")
	}
	user, err := c.takeTelephone(at, claim.Person)
	if err != nil {
		return lifeboat.Factor{}, err
	}
	transaction, err := c.duo.push(ctx, user, claim.Content, claim.Shown)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pushing, claim.Person)
	if err != nil {
		if p, ok := errors.AsType[*lifeboat.Problem](err); ok && p.Reason == "factor" {
			c.failed(at, claim.Person, "duo")
		}
		return lifeboat.Factor{}, err
	}
	c.succeeded(claim.Person, "duo")
	return lifeboat.Factor{Kind: "duo", ID: transaction, Content: claim.Content}, nil
}

func (c *Checker) takeTelephone(at time.Time, person string) (user string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, err := c.enrolled(at, person, "duo")
	if err != nil {
		return "", err
	}
	if c.pushing[person] {
		return "", refused("%s has a push to answer already", person)
	}
	c.pushing[person] = true
	return e.Duo[len(e.Duo)-1].User, nil
}

// EnrolDuo enrols a user of Duo for a person, once that user has said yes to a push about it.
func (c *Checker) EnrolDuo(ctx context.Context, at time.Time, person, user string) (Credential, error) {
	if c.duo == nil {
		return Credential{}, refused("this lifeboat is not set up for duo")
	}
	enrolled := account{ID: newID("duo"), User: user, Enrolled: at}
	text := fmt.Sprintf("Enrol the user %s of Duo as second factor of %s at lifeboat.", user, person)
	if _, err := c.duo.push(ctx, user, DigestQuestion(lifeboat.Key(enrolled.ID), text), text); err != nil {
		return Credential{}, err
	}
	err := c.store.change(person, func(e *enrolment) error { e.Duo = []account{enrolled}; return nil })
	return Credential{ID: enrolled.ID, Kind: "duo", Enrolled: at, User: user}, err
}
