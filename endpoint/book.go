// Package endpoint keeps the addresses of what a plan depends on, and leads each request to the one that works: from
// api.broker.com to failover.broker.com:8443 when the first is down, and back when it has recovered.
//
// A [Book] knows the endpoints of every dependency in order, primary first. Requests are written for the primary; the
// [Book.RoundTripper] sends them to the endpoint in use. Failures in a row, of requests or of probes, make it look at the
// other endpoint and change over when that is healthy; when the primary has been healthy for a while, it changes back. What
// a person changed over stays until a person changes it back, because only they know why.
//
// A request that only reads is asked of the other endpoint too when the first is slow or fails. Everything else is sent
// once, to one endpoint: nobody can know whether a broken call was carried out.
//
// What a person changed is folded from the receipts in the journal. What the book found out by itself is not kept: after a
// restart it begins at the primary and finds out again. It holds no secrets: addresses are never told, and those that
// carry keys are refused by the plan's check.
package endpoint

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"lifeboat"
	"lifeboat/plan"
)

const (
	failuresMax  = 3               // in a row, until the other endpoint is looked at and the circuit opens
	restTime     = 5 * time.Second // of an open circuit, after which one request may try again
	probeTime    = 2 * time.Second // for an endpoint to answer its probe
	steadyEvery  = 10 * time.Second
	troubleEvery = 500 * time.Millisecond // between probes while something is wrong
	forgetAfter  = time.Minute            // a failed request counts no longer, when every probe since was answered
	// recoveredAfter is how long the primary has to be healthy without a break before requests go back to it. It doubles,
	// up to recoveredMax, with each time that it came and went, so that it does not take everything along every time.
	recoveredAfter = 2 * time.Minute
	recoveredMax   = 32 * time.Minute
)

// Names of the endpoints, in their order.
const (
	Primary = "primary"
	Backup  = "backup"
)

// Book of the endpoints of one plan. It is safe for concurrent use.
type Book struct {
	clock   lifeboat.Clock
	probes  http.RoundTripper
	changed func(Status)
	all     []*dependency
	mu      sync.Mutex
	live    bool // guarded by mu; the book acts itself, so that receipts tell it nothing new
}

// A dependency and how its endpoints are.
type dependency struct {
	name      string
	probe     string // path; "" for none
	endpoints []*endpoint
	kick      chan struct{} // something may be wrong: look now
	work      sync.Mutex    // held while it is looked at or changed over; taken before the book's mu

	// guarded by the book's mu
	active  int
	held    bool      // a person chose the endpoint
	since   time.Time // when it came into use
	changes int       // since the start
}

// An endpoint is one address, and what was heard from it.
type endpoint struct {
	name    string // primary or backup
	base    *url.URL
	circuit circuitbreaker.CircuitBreaker[*http.Response]

	// guarded by the book's mu
	failures int       // of requests, in a row
	failedAt time.Time // the last of them
	missed   int       // probes, in a row
	doubted  bool      // another was faster: it has to be looked at
	seen     time.Time // when it last answered well
	sound    time.Time // since when it has answered well without a break; zero when it does not
	problem  string    // "" when the last answer was good
}

// New makes a book of those dependencies whose primary is an address. Probes go through base, a plain transport when nil;
// changed is called when another endpoint comes into use, from any goroutine; it may be nil.
func New(dependencies []plan.Dependency, clock lifeboat.Clock, base http.RoundTripper, changed func(Status)) (*Book, error) {
	if base == nil {
		base = http.DefaultTransport
	}
	b := &Book{clock: clock, probes: base, changed: changed}
	for _, planned := range dependencies {
		if !plan.IsAddress(planned.Primary) {
			continue // a place, or a person
		}
		d := &dependency{name: planned.Name, probe: planned.Probe, since: clock.Now(), kick: make(chan struct{}, 1)}
		for _, e := range []endpoint{{name: Primary}, {name: Backup}} {
			written := planned.Primary
			if e.name == Backup {
				written = planned.Backup
			}
			if !plan.IsAddress(written) {
				continue
			}
			base, err := plan.ParseAddress(written)
			if err != nil {
				what := fmt.Sprintf("the %s of %q cannot be used: %v", e.name, planned.Name, err)
				return nil, &lifeboat.Problem{Reason: "plan-invalid", What: what, Money: "nothing was sent", Next: "mend it and run lifeboat check", Err: err}
			}
			d.endpoints = append(d.endpoints, &endpoint{name: e.name, base: base, circuit: circuit()})
		}
		b.all = append(b.all, d)
	}
	return b, nil
}

func circuit() circuitbreaker.CircuitBreaker[*http.Response] {
	rested := circuitbreaker.NewBuilder[*http.Response]().WithDelay(restTime)
	return rested.WithFailureThreshold(failuresMax).WithSuccessThreshold(1).Build()
}

// Facts that a receipt of a fail-over keeps, so that a restart knows what a person chose.
const (
	factDependency = "dependency"
	factEndpoint   = "endpoint"
)

// Apply folds what a person changed. Once the book runs it knows better: a receipt that comes late must not undo what was
// changed after it.
func (b *Book) Apply(at time.Time, e lifeboat.Event) {
	r, ok := e.(lifeboat.Receipt)
	if !ok || r.Status != lifeboat.Performed || r.Facts[factEndpoint] == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.named(r.Facts[factDependency])
	if b.live || d == nil {
		return
	}
	if i := d.index(r.Facts[factEndpoint]); i >= 0 { // a plan that lost its backup is back at the primary
		d.active, d.held, d.since = i, i != 0, at
	}
}

func (b *Book) named(name string) *dependency {
	if i := slices.IndexFunc(b.all, func(d *dependency) bool { return d.name == name }); i >= 0 {
		return b.all[i]
	}
	return nil
}

func (d *dependency) index(name string) int {
	return slices.IndexFunc(d.endpoints, func(e *endpoint) bool { return e.name == name })
}

// Status of one dependency, for people and for metrics.
type Status struct {
	Dependency string    `json:"dependency"`
	Active     string    `json:"active"`               // primary or backup
	Held       bool      `json:"held,omitempty"`       // a person chose it; it is not changed by itself
	Healthy    bool      `json:"healthy"`              // it answered, and the last answer was good
	Since      time.Time `json:"since"`                // when it came into use
	Failures   int       `json:"failures,omitempty"`   // in a row
	LastError  string    `json:"last_error,omitempty"` // of the endpoint in use, or of the primary while that is down
	Changes    int       `json:"changes,omitempty"`    // of the endpoint in use, since the start
}

// Status of every dependency with an address, in the order of the plan.
func (b *Book) Status() []Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []Status
	for _, d := range b.all {
		all = append(all, d.status())
	}
	return all
}

func (d *dependency) status() Status {
	e := d.endpoints[d.active]
	s := Status{Dependency: d.name, Active: e.name, Held: d.held, Healthy: !e.seen.IsZero() && e.problem == "", Since: d.since,
		Failures: max(e.failures, e.missed), LastError: e.problem, Changes: d.changes}
	if s.LastError == "" && d.active != 0 && d.endpoints[0].problem != "" {
		s.LastError = "the primary: " + d.endpoints[0].problem
	}
	return s
}

// find the dependency that a request is written for: that with the longest address which the request's begins with.
func (b *Book) find(u *url.URL) *dependency {
	var found *dependency
	for _, d := range b.all {
		if base := d.endpoints[0].base; covers(base, u) && (found == nil || len(base.Path) > len(found.endpoints[0].base.Path)) {
			found = d
		}
	}
	return found
}

func covers(base, u *url.URL) bool {
	if base.Scheme != u.Scheme || !strings.EqualFold(base.Hostname(), u.Hostname()) || port(base) != port(u) {
		return false
	}
	rest, below := strings.CutPrefix(u.EscapedPath(), strings.TrimSuffix(base.EscapedPath(), "/"))
	return below && (rest == "" || rest[0] == '/')
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
