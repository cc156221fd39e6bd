// Package rest is how a connector speaks to a venue over HTTP: one call, signed by the connector, within the venue's
// budget of requests, with an answer that is JSON of a bounded size or an [Error] that says what went wrong in words.
//
// It never repeats a call: whoever places orders has to know how often one left the house. [Error.Reached] says whether
// the request may have arrived. It follows no redirect, because what a request is signed with is meant for one host
// alone. It knows no venue's paths, codes or signatures; those are the connectors'.
package rest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"

	"lifeboat"
)

// Caller makes the calls to one venue.
type Caller struct {
	Venue  string // as people know it: Alpaca
	Base   string // address that paths are added to
	Client *http.Client
	Clock  lifeboat.Clock
	Budget *Budget      // nil counts nothing
	Log    *slog.Logger // nil logs nothing
	// Sign adds what proves who asks; body is what will be sent, nil for nothing.
	Sign func(r *http.Request, body []byte) error
	// Explain reads the venue's own code and message out of an answer that is no success; nil, or an empty message, leaves
	// the status alone to speak.
	Explain func(status int, body []byte) (code, message string)
	// Scrub takes keys out of texts; nil leaves them as they are.
	Scrub func(string) string
	// RequestID is the header under which the venue names a request; X-Request-ID when empty.
	RequestID string
}

// Request is one call.
type Request struct {
	Step   string // what is done, for people: place order
	Method string
	Path   string
	Query  url.Values
	Body   any // marshalled as JSON; url.Values as a form; []byte as it stands; nil for none
	Header http.Header
	Weight int  // of the budget; 1 when 0
	Urgent bool // passes a budget that is kept for what moves money
}

// Answer of a venue with a 2xx status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

const (
	callMax   = 15 * time.Second // for a call, unless its context ends sooner
	answerMax = 8 << 20          // bytes of an answer
	toldMax   = 300              // characters of what a venue said, in an error
)

// Do makes one call and reads the answer into out, unless that is nil.
func (c *Caller) Do(ctx context.Context, r Request, out any) (Answer, error) {
	answer, err := c.call(ctx, r)
	if err != nil || out == nil {
		return answer, err
	}
	decoder := json.NewDecoder(bytes.NewReader(answer.Body))
	decoder.UseNumber()
	if err := decoder.Decode(out); err != nil {
		return answer, c.fault(r, Error{Status: answer.Status, RequestID: c.requestID(answer.Header), Reached: true, Message: unreadable(answer.Body)})
	}
	return answer, nil
}

func (c *Caller) call(ctx context.Context, r Request) (Answer, error) {
	if c.Budget != nil {
		if wait := c.Budget.Take(c.Clock.Now(), max(1, r.Weight), r.Urgent); wait > 0 {
			return Answer{}, c.fault(r, Error{Throttled: true, RetryAfter: wait, Message: fmt.Sprintf("the budget of requests is used up for %s", wait.Round(time.Millisecond))})
		}
	}
	ctx, cancel := context.WithTimeout(ctx, callMax)
	defer cancel()
	connected := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }})
	request, err := c.request(ctx, r)
	if err != nil {
		return Answer{}, c.fault(r, Error{Message: err.Error()})
	}
	response, err := c.client().Do(request)
	if err != nil {
		return Answer{}, c.fault(r, Error{Reached: connected, Message: c.onTheWay(ctx, err), cause: ctx.Err()})
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, answerMax+1))
	id := c.requestID(response.Header)
	switch {
	case err != nil:
		return Answer{}, c.fault(r, Error{Status: response.StatusCode, RequestID: id, Reached: true, Message: "the answer breaks off", cause: ctx.Err()})
	case len(body) > answerMax:
		return Answer{}, c.fault(r, Error{Status: response.StatusCode, RequestID: id, Reached: true, Message: "the answer is longer than any that makes sense"})
	case response.StatusCode/100 != 2:
		return Answer{}, c.fault(r, c.refusal(response, body, id))
	}
	if c.Log != nil {
		c.Log.Debug("a venue answered", "venue", c.Venue, "step", r.Step, "status", response.StatusCode, "request_id", id)
	}
	return Answer{response.StatusCode, response.Header, body}, nil
}

// request builds and signs the call.
func (c *Caller) request(ctx context.Context, r Request) (*http.Request, error) {
	var body []byte
	kind := "application/json"
	switch b := r.Body.(type) {
	case nil:
	case []byte:
		body = b
	case url.Values:
		body, kind = []byte(b.Encode()), "application/x-www-form-urlencoded"
	default:
		var err error
		if body, err = json.Marshal(b); err != nil {
			return nil, errors.New("the request cannot be written out")
		}
	}
	address := c.Base + r.Path
	if len(r.Query) > 0 {
		address += "?" + r.Query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, address, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the address cannot be asked")
	}
	request.GetBody = nil // nothing on the way may send it a second time
	if body == nil {
		request.Body, request.ContentLength = http.NoBody, 0
	} else {
		request.Header.Set("Content-Type", kind)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "lifeboat")
	for name, values := range r.Header {
		request.Header[name] = values
	}
	if c.Sign != nil {
		if err := c.Sign(request, body); err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
	}
	return request, nil
}

// client follows no redirect.
func (c *Caller) client() *http.Client {
	own := http.Client{}
	if c.Client != nil {
		own = *c.Client
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

func (c *Caller) requestID(h http.Header) string {
	id := h.Get(cmp.Or(c.RequestID, "X-Request-ID"))
	if c.Scrub != nil {
		id = c.Scrub(id) // before it is cut: half a key is not recognised any more
	}
	return id[:min(len(id), 64)]
}

// refusal is an answer that is no success.
func (c *Caller) refusal(response *http.Response, body []byte, id string) Error {
	e := Error{Status: response.StatusCode, RequestID: id, Reached: true, Body: body}
	if c.Explain != nil && looksLikeJSON(body) {
		e.Code, e.Message = c.Explain(response.StatusCode, body)
	}
	if e.Throttled = e.Status == http.StatusTooManyRequests || e.Status == http.StatusTeapot; e.Throttled {
		e.RetryAfter = retryAfter(response.Header.Get("Retry-After"), c.Clock.Now())
		if c.Budget != nil {
			c.Budget.Rest(c.Clock.Now().Add(e.RetryAfter))
		}
	}
	if e.Message == "" {
		e.Message = "it answers " + strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status)))
		if len(body) > 0 && !looksLikeJSON(body) {
			e.Message += " with a page that is no answer of its API"
		}
	}
	return e
}

// retryAfter of a throttled answer: seconds or a date; within a minute at the least sensible, an hour at the most.
func retryAfter(text string, now time.Time) time.Duration {
	wait := 10 * time.Second
	if seconds, err := strconv.Atoi(strings.TrimSpace(text)); err == nil && seconds >= 0 {
		wait = time.Duration(min(seconds, 3600)) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, time.Second), time.Hour)
}

func looksLikeJSON(body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n")
	return len(body) > 0 && (body[0] == '{' || body[0] == '[')
}

func unreadable(body []byte) string {
	switch trimmed := bytes.TrimSpace(body); {
	case len(trimmed) == 0:
		return "the answer is empty"
	case trimmed[0] == '<':
		return "the answer is a page and not JSON"
	}
	return "the answer is not the JSON that it should be"
}
