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
	key     lifeboat.Key
	method  string
	url     string
	headers http.Header
	body    string
	again   bool // it may be made again under its key
}

func (c *Crew) call(key lifeboat.Key, t lifeboat.Task) (Work, error) {
	var step struct {
		plan.HTTP
		Timeout plan.Duration `json:"timeout"`
	}
	if err := readSpec(t.Spec, &step); err != nil {
		return Work{}, err
	}
	made := call{key: key, method: step.Method, headers: http.Header{}, body: step.Body, again: c.repeatable(t)}
	if made.method == "" {
		made.method = http.MethodPost
	}
	var err error
	if made.url, err = expand(step.URL); err != nil {
		return Work{}, err
	}
	if u, err := url.Parse(made.url); err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return Work{}, errors.New("the url is no address that begins with https://")
	}
	for name, value := range step.Headers {
		if value, err = expand(value); err != nil {
			return Work{}, err
		}
		made.headers.Set(name, value)
	}
	made.headers.Set("Idempotency-Key", string(key))
	if made.headers.Get("User-Agent") == "" {
		made.headers.Set("User-Agent", "lifeboat")
	}
	return Work{Limit: time.Duration(step.Timeout), Do: func(ctx context.Context, _ Progress) lifeboat.Receipt { return c.make(ctx, made) }}, nil
}

// make makes a call until somebody answered for it. One that may be repeated is repeated under its own key, as long as the
// other side is out of reach or in trouble; it ends as not performed only when that is certain, because what comes after
// that is another attempt under another key.
func (c *Crew) make(ctx context.Context, m call) lifeboat.Receipt {
	reached := false
	for pause := pauseFirst; ; pause = min(2*pause, pauseMax) {
		a := c.once(ctx, m)
		reached = reached || a.reached
		safe := m.again || m.method == http.MethodGet
		if a.status/100 == 2 {
			return performed(m.key, fmt.Sprintf("it answered %d %s", a.status, http.StatusText(a.status)), a.body)
		}
		if safe && a.passing() && c.Clock.Sleep(ctx, c.Clock.Now().Add(pause)) == nil {
			continue
		}
		r := notPerformed(m.key, "%s", a.why)
		if a.passing() {
			r.Facts = transient()
		}
		switch {
		case !reached:
			r.Why += "; nothing was sent"
		case m.method != http.MethodGet && a.vague():
			r = lost(m.key, a.why+"; nobody knows whether it was done, and a person must look")
		}
		r.Output = a.body
		return r
	}
}

// An answer to one attempt, or why there is none.
type answer struct {
	status  int // zero for none
	body    string
	why     string
	reached bool // a connection was there, so that the other side may have heard of it
}

// passing reports that the same call may be answered better a little later.
func (a answer) passing() bool {
	switch a.status {
	case 0, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return a.status >= 500
}

// vague answers leave open whether the call was carried out: none at all, trouble on the other side, or "look elsewhere",
// which is how many say yes to a POST.
func (a answer) vague() bool { return a.status < 400 || a.status >= 500 }

func (c *Crew) once(ctx context.Context, m call) answer {
	var reached atomic.Bool
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { reached.Store(true) }})
	request, err := http.NewRequestWithContext(traced, m.method, m.url, strings.NewReader(m.body))
	if err != nil {
		return answer{why: "the call cannot be made of what the step says"}
	}
	request.Header = m.headers.Clone()
	client := http.Client{Transport: c.transport, CheckRedirect: stayThere}
	response, err := client.Do(request)
	a := answer{reached: reached.Load()}
	if err != nil {
		a.why = discreet(ctx, err)
		return a
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, answerMax)) // the status counts; what was read of the rest is told
	a.reached, a.status, a.body = true, response.StatusCode, string(body)
	a.why = fmt.Sprintf("it answered %d %s", a.status, http.StatusText(a.status))
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

// oneCallEach is a transport that makes each call once, on a connection of its own. The standard one repeats a request by
// itself when a connection that it kept turns out dead, and takes an Idempotency-Key as leave to do so.
func oneCallEach(base *http.Transport) http.RoundTripper {
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
