package endpoint

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/hedgepolicy"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
)

const (
	hedgeAfter = time.Second // without an answer, a request that only reads is asked of the other endpoint as well
	troubleMax = 64 << 10    // bytes that are kept of an answer which says that the other side is in trouble
)

// RoundTripper sends requests that are written for a dependency's primary to the endpoint in use, and all others as they
// are. An answer is told to be from the address that was asked for.
func (b *Book) RoundTripper(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return leading{b, base}
}

type leading struct {
	book *Book
	base http.RoundTripper
}

func (l leading) RoundTrip(r *http.Request) (*http.Response, error) {
	d := l.book.find(r.URL)
	if d == nil {
		return l.base.RoundTrip(r)
	}
	order := l.book.order(d)
	response, err := l.send(r, d, order)
	if response != nil {
		response.Request = r
	}
	return response, err
}

func (l leading) send(r *http.Request, d *dependency, order []*endpoint) (*http.Response, error) {
	if !reads(r) || len(order) == 1 {
		return l.book.try(r.Context(), l.base, r, d, order[0])
	}
	var asked, done atomic.Int32
	each := carrier(func(attempt *http.Request) (*http.Response, error) {
		n := int(asked.Add(1)) - 1
		if n >= len(order) {
			return nil, errAskedAll
		}
		if n > 0 { // the first was slow, or failed
			l.book.doubt(d, order[0])
		}
		defer done.Add(1)
		return keepTrouble(l.book.try(r.Context(), l.base, attempt, d, order[n]))
	})
	hedge := hedgepolicy.NewBuilderWithDelay[*http.Response](hedgeAfter).CancelIf(func(r *http.Response, err error) bool {
		return !failed(r, err) || int(done.Load()) == len(order)
	}).Build()
	return failsafehttp.NewRoundTripper(each, hedge, again).RoundTrip(r)
}

// reads reports that a request asks without changing anything, so that asking twice does no harm. A key for idempotency is no
// leave to do so: it is known to one endpoint and not to the other.
func reads(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && (r.Body == nil || r.Body == http.NoBody)
}

// A request that reads is made once at each endpoint at most: of the next one when the first failed, or was silent for a
// while. The first good answer counts.
var (
	again = retrypolicy.NewBuilder[*http.Response]().HandleIf(failed).AbortOnErrors(errAskedAll).
		WithMaxRetries(1).ReturnLastFailure().Build()

	errAskedAll = errors.New("every endpoint was asked")
)

func failed(r *http.Response, err error) bool { return err != nil || inTrouble(r) }

// inTrouble reports that an answer says more of the endpoint than of what was asked.
func inTrouble(r *http.Response) bool {
	switch r.StatusCode {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// keepTrouble takes an answer that may be passed over off its connection.
func keepTrouble(r *http.Response, err error) (*http.Response, error) {
	if err != nil || !inTrouble(r) {
		return r, err
	}
	body, _ := io.ReadAll(io.LimitReader(r.Body, troubleMax)) // what can be read of it is enough
	_ = r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r, nil
}

type carrier func(*http.Request) (*http.Response, error)

func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

// order is which endpoints a request may go to: the one in use, then those whose circuit is closed. What a person changed
// over goes nowhere else.
func (b *Book) order(d *dependency) []*endpoint {
	b.mu.Lock()
	defer b.mu.Unlock()
	order := []*endpoint{d.endpoints[d.active]}
	for i, e := range d.endpoints {
		if i != d.active && !d.held && e.circuit.IsClosed() {
			order = append(order, e)
		}
	}
	return order
}

// try sends a request to one endpoint, once. caller is the context of whoever asked; the request's own may end earlier, when
// another endpoint has answered first.
func (b *Book) try(caller context.Context, base http.RoundTripper, r *http.Request, d *dependency, e *endpoint) (*http.Response, error) {
	if !e.circuit.TryAcquirePermit() {
		if r.Body != nil {
			_ = r.Body.Close() // as every transport does
		}
		return nil, fmt.Errorf("the %s of %s: %w", e.name, d.name, circuitbreaker.ErrOpen)
	}
	response, err := base.RoundTrip(e.lead(r, d.endpoints[0].base))
	switch {
	case err != nil && r.Context().Err() != nil && !errors.Is(caller.Err(), context.DeadlineExceeded):
		e.giveBack() // the caller gave up, or another has answered first, which says nothing of the endpoint
	case err != nil:
		b.failed(d, e, discreet(caller, err))
	case inTrouble(response):
		b.failed(d, e, told(response))
	default:
		b.answered(e)
	}
	return response, err
}

// giveBack leave that was taken of the circuit and not used; a circuit that was on trial is open again.
func (e *endpoint) giveBack() {
	if e.circuit.IsHalfOpen() {
		e.circuit.RecordFailure()
	}
}

// doubt an endpoint until it was looked at.
func (b *Book) doubt(d *dependency, e *endpoint) {
	b.mu.Lock()
	e.doubted = true
	b.mu.Unlock()
	d.look()
}

func (b *Book) failed(d *dependency, e *endpoint, problem string) {
	e.circuit.RecordFailure()
	b.mu.Lock()
	e.failures++
	e.failedAt, e.sound, e.problem = b.clock.Now(), time.Time{}, problem
	b.mu.Unlock()
	d.look()
}

func (b *Book) answered(e *endpoint) {
	e.circuit.RecordSuccess()
	b.mu.Lock()
	defer b.mu.Unlock()
	e.failures, e.missed = 0, 0
	e.well(b.clock.Now())
}

// well notes a good answer.
func (e *endpoint) well(at time.Time) {
	e.seen, e.problem = at, ""
	if e.sound.IsZero() {
		e.sound = at
	}
}

func told(r *http.Response) string {
	return fmt.Sprintf("it answers %d %s", r.StatusCode, http.StatusText(r.StatusCode))
}

// lead rewrites a request from the primary's address to the endpoint's.
func (e *endpoint) lead(r *http.Request, primary *url.URL) *http.Request {
	led := r.Clone(r.Context())
	if !reads(r) {
		led.GetBody = nil // else a transport that kept a dead connection sends it again by itself, if it has an Idempotency-Key
	}
	led.URL.Scheme, led.URL.Host = e.base.Scheme, e.base.Host
	rest := strings.TrimPrefix(r.URL.EscapedPath(), strings.TrimSuffix(primary.EscapedPath(), "/"))
	if path, err := url.PathUnescape(strings.TrimSuffix(e.base.EscapedPath(), "/") + rest); err == nil {
		led.URL.Path, led.URL.RawPath = path, strings.TrimSuffix(e.base.EscapedPath(), "/")+rest
	}
	if e.base.Host != primary.Host || r.Host == "" || r.Host == r.URL.Host {
		led.Host = e.base.Host
	}
	return led
}

// discreet says what went wrong on the way in words of our own, because the errors of the network name addresses.
func discreet(ctx context.Context, err error) string {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var slow net.Error
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return "it does not answer in time"
	case errors.As(err, &name):
		return "its name cannot be resolved"
	case errors.As(err, &certificate):
		return "its certificate cannot be trusted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "it refuses the connection"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it breaks off"
	}
	return "it cannot be reached"
}
