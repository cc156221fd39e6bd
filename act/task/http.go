package task

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

const (
	answerTime   = 30 * time.Second // for one attempt at a call
	answerMax    = 64 << 10         // bytes of an answer that are looked at
	redirectsMax = 5
	pauseFirst   = time.Second // before a call is repeated; doubled each time
	pauseMax     = 15 * time.Second
)

// A call is an http step, ready to be made.
type call struct {
	Call
	key   lifeboat.Key
	again bool // it may be made again under its key
}

// A Call is what is sent to an address.
type Call struct {
	Method  string
	URL     string // may hold keys, and is never told
	Headers http.Header
	Body    string
}

func (c *Crew) call(key lifeboat.Key, t lifeboat.Task) (Work, error) {
	var step struct {
		plan.HTTP
		Timeout plan.Duration `json:"timeout"`
	}
	if err := readSpec(t.Spec, &step); err != nil {
		return Work{}, err
	}
	made := call{Call: Call{Method: step.Method, Headers: http.Header{}, Body: step.Body}, key: key, again: c.repeatable(t)}
	if made.Method == "" {
		made.Method = http.MethodPost
	}
	var err error
	if made.URL, err = expand(step.URL); err != nil {
		return Work{}, err
	}
	if u, err := url.Parse(made.URL); err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return Work{}, errors.New("the url is no address that begins with https://")
	}
	for name, value := range step.Headers {
		if value, err = expand(value); err != nil {
			return Work{}, err
		}
		made.Headers.Set(name, value)
	}
	made.Headers.Set("Idempotency-Key", string(key))
	return Work{Limit: time.Duration(step.Timeout), Do: func(ctx context.Context, _ Progress) lifeboat.Receipt { return c.make(ctx, made) }}, nil
}

// make makes a call until somebody answered for it. One that may be repeated is repeated under its own key, as long as the
// other side is out of reach or in trouble; it ends as not performed only when that is certain, because what comes after
// that is another attempt under another key.
func (c *Crew) make(ctx context.Context, m call) lifeboat.Receipt {
	reached := false
	for pause := pauseFirst; ; pause = min(2*pause, pauseMax) {
		a := m.Once(ctx, c.transport)
		reached = reached || a.Reached
		safe := m.again || m.Method == http.MethodGet
		if a.Good() {
			return performed(m.key, a.Why, a.Body)
		}
		if safe && a.Passing() && c.Clock.Sleep(ctx, c.Clock.Now().Add(pause)) == nil {
			continue
		}
		r := notPerformed(m.key, "%s", a.Why)
		if a.Passing() {
			r.Facts = transient()
		}
		switch {
		case !reached:
			r.Why += "; nothing was sent"
		case m.Method != http.MethodGet && a.Vague():
			r = lost(m.key, a.Why+"; nobody knows whether it was done, and a person must look")
		}
		r.Output = a.Body
		return r
	}
}

// An Answer to one attempt, or why there is none.
type Answer struct {
	Status  int // zero for none
	Body    string
	Why     string // the status, or what went wrong, in words that name no address
	Reached bool   // a connection was there, so that the other side may have heard of it
}

// Good answers say yes.
func (a Answer) Good() bool { return a.Status/100 == 2 }

// Passing reports that the same call may be answered better a little later.
func (a Answer) Passing() bool {
	switch a.Status {
	case 0, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return a.Status >= 500
}

// Vague answers leave open whether the call was carried out: none at all, trouble on the other side, or "look elsewhere",
// which is how many say yes to a POST.
func (a Answer) Vague() bool { return a.Status < 400 || a.Status >= 500 }

// Once makes a call one time, by a transport that does not repeat it: that of [OneCallEach].
func (m Call) Once(ctx context.Context, transport http.RoundTripper) Answer {
	var reached atomic.Bool
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { reached.Store(true) }})
	request, err := http.NewRequestWithContext(traced, m.Method, m.URL, strings.NewReader(m.Body))
	if err != nil {
		return Answer{Why: "the call cannot be made of what the plan says"}
	}
	request.Header = m.Headers.Clone()
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", "lifeboat")
	}
	client := http.Client{Transport: transport, CheckRedirect: stayThere}
	response, err := client.Do(request)
	a := Answer{Reached: reached.Load()}
	if err != nil {
		a.Why = discreet(ctx, err)
		return a
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, answerMax)) // the status counts; what was read of the rest is told
	a.Reached, a.Status, a.Body = true, response.StatusCode, string(body)
	a.Why = fmt.Sprintf("it answered %d %s", a.Status, http.StatusText(a.Status))
	return a
}

// stayThere follows a redirect only within the host that the plan names, and only if the call stays what it is: its headers
// hold keys that are meant for that host, and a POST that becomes a GET would be another act.
func stayThere(r *http.Request, via []*http.Request) error {
	if r.URL.Host != via[0].URL.Host || r.URL.Scheme != via[0].URL.Scheme || r.Method != via[0].Method || len(via) >= redirectsMax {
		return http.ErrUseLastResponse
	}
	return nil
}

// OneCallEach is a transport that makes each call once, on a connection of its own. The standard one repeats a request by
// itself when a connection that it kept turns out dead, and takes an Idempotency-Key as leave to do so.
func OneCallEach(base *http.Transport) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport.(*http.Transport)
	}
	own := base.Clone()
	own.DisableKeepAlives = true
	own.Protocols = new(http.Protocols)
	own.Protocols.SetHTTP1(true)
	return own
}

// discreet says what went wrong on the way in words of our own, because the errors of the network name addresses.
func discreet(ctx context.Context, err error) string {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "it did not answer in time"
	case errors.As(err, &name):
		return "its name cannot be resolved"
	case errors.As(err, &certificate):
		return "its certificate cannot be trusted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "it refuses the connection"
	}
	return "it cannot be reached, or broke off"
}
