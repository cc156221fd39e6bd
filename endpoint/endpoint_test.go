package endpoint_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lifeboat"
	"lifeboat/endpoint"
	"lifeboat/plan"
	"lifeboat/watch/feed/poll"
)

// server is one endpoint: it counts what it hears, and does what it is told.
type server struct {
	*httptest.Server
	name   string
	mood   atomic.Value // well, stalls, resets, fails: what it does to everything, its probe too; broken: its probe is well
	heard  sync.Map     // :: method and path → *atomic.Int32
	closes chan struct{}
}

func newServer(t *testing.T, name string) *server {
	t.Helper()
	s := &server{name: name, closes: make(chan struct{})}
	s.mood.Store("well")
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() { close(s.closes); s.Close() })
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	count, _ := s.heard.LoadOrStore(r.Method+" "+r.URL.Path, new(atomic.Int32))
	count.(*atomic.Int32).Add(1)
	probe := strings.HasSuffix(r.URL.Path, "/healthz")
	switch mood := s.mood.Load(); {
	case mood == "stalls":
		select {
		case <-r.Context().Done():
		case <-s.closes:
		}
	case mood == "resets":
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_ = connection.(*net.TCPConn).SetLinger(0)
		_ = connection.Close()
	case mood == "fails", mood == "broken" && !probe:
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, s.name+" in trouble")
	default:
		_, _ = fmt.Fprintf(w, `{"by":%q,"host":%q,"price":42}`, s.name, r.Host)
	}
}

func (s *server) count(what string) int {
	count, heard := s.heard.Load(what)
	if !heard {
		return 0
	}
	return int(count.(*atomic.Int32).Load())
}

// A pair is a primary and its backup, a book of them, and a client that does not know of the backup.
type pair struct {
	primary, backup *server
	book            *endpoint.Book
	client          *http.Client
	changed         chan endpoint.Status
}

func newPair(t *testing.T, clock lifeboat.Clock) *pair {
	t.Helper()
	p := &pair{primary: newServer(t, "primary"), backup: newServer(t, "backup"), changed: make(chan endpoint.Status, 100)}
	p.book = newBook(t, clock, p, plan.Dependency{Name: "broker API", Primary: p.primary.URL, Backup: p.backup.URL + "/v2", Probe: "/healthz"})
	p.client = &http.Client{Transport: p.book.RoundTripper(transport(t)), Timeout: 10 * time.Second}
	return p
}

func transport(t *testing.T) *http.Transport {
	own := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(own.CloseIdleConnections)
	return own
}

func newBook(t *testing.T, clock lifeboat.Clock, p *pair, all ...plan.Dependency) *endpoint.Book {
	t.Helper()
	book, err := endpoint.New(all, clock, transport(t), func(s endpoint.Status) { p.changed <- s })
	if err != nil {
		t.Fatal(err)
	}
	return book
}

// runs lets the book look after its endpoints until the test ends.
func (p *pair) runs(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.book.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func (p *pair) asks(t *testing.T, method, path string) (answer string, took time.Duration) {
	t.Helper()
	request, err := http.NewRequest(method, p.primary.URL+path, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	if method == "GET" {
		request.Body = nil
	}
	began := time.Now()
	response, err := p.client.Do(request)
	if err != nil {
		return "error", time.Since(began)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", response.StatusCode, body), time.Since(began)
}

func (p *pair) status() endpoint.Status { return p.book.Status()[0] }

func until(t *testing.T, within time.Duration, holds func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for time.Since(began) < within {
		if holds() {
			return time.Since(began)
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it did not come about within %s", within)
	return 0
}

// With each way to be down, requests are answered by the backup within seconds, and no order is sent twice.
func TestFailsOver(t *testing.T) {
	for _, mood := range []string{"stalls", "resets", "fails", "broken"} {
		t.Run(mood, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, lifeboat.WallClock{})
			p.runs(t)
			if answer, _ := p.asks(t, "GET", "/price"); !strings.Contains(answer, `"by":"primary"`) {
				t.Fatalf("got %s", answer)
			}
			p.primary.mood.Store(mood)
			patience := 900 * time.Millisecond // less than until a second question is put to a silent endpoint
			if mood == "stalls" {
				patience = 2 * time.Second
			}
			took := until(t, 15*time.Second, func() bool {
				answer, asked := p.asks(t, "GET", "/price")
				if !strings.Contains(answer, `"by":"backup"`) || asked > patience {
					t.Errorf("a question was answered %s after %s", answer, asked)
				}
				return p.status().Active == endpoint.Backup
			})
			t.Logf("%s: changed over after %s", mood, took)
			if s := <-p.changed; s.Active != endpoint.Backup || s.Changes != 1 || !strings.HasPrefix(s.LastError, "the primary: it ") {
				t.Errorf("told %+v", s)
			}
			for range 5 {
				if answer, _ := p.asks(t, "POST", "/orders"); !strings.HasPrefix(answer, "200") || !strings.Contains(answer, "backup") {
					t.Errorf("an order was answered %s", answer)
				}
			}
			if n := p.primary.count("POST /orders") + p.backup.count("POST /v2/orders"); n != 5 {
				t.Errorf("5 orders were sent %d times", n)
			}
			if strings.Contains(fmt.Sprint(p.book.Status()), "127.0.0.1") {
				t.Errorf("an address is told: %v", p.book.Status())
			}
		})
	}
}

// An idle dependency is found out by its probes alone.
func TestFailsOverWithoutRequests(t *testing.T) {
	t.Parallel()
	p := newPair(t, lifeboat.WallClock{})
	p.primary.mood.Store("stalls")
	p.runs(t)
	took := until(t, 20*time.Second, func() bool { return p.status().Active == endpoint.Backup })
	t.Logf("changed over after %s", took)
}

// While the primary is silent, the backup's answer to the same question is taken.
func TestHedge(t *testing.T) {
	t.Parallel()
	p := newPair(t, lifeboat.WallClock{})
	p.primary.mood.Store("stalls")
	answer, took := p.asks(t, "GET", "/price")
	if !strings.Contains(answer, `"by":"backup"`) || took < 900*time.Millisecond || took > 2*time.Second {
		t.Errorf("got %s after %s", answer, took)
	}
	if a, b := p.primary.count("GET /price"), p.backup.count("GET /v2/price"); a != 1 || b != 1 {
		t.Errorf("asked %d and %d times", a, b)
	}
	if p.status().Active != endpoint.Primary {
		t.Error("one slow answer changed the endpoint")
	}
}

// Whatever happens to a request that does something, it is sent once, to one endpoint; also under a key for idempotency,
// which the other endpoint does not know.
func TestNothingIsRepeated(t *testing.T) {
	for _, mood := range []string{"stalls", "resets", "fails"} {
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
			t.Run(mood+" "+method, func(t *testing.T) {
				t.Parallel()
				p := newPair(t, lifeboat.WallClock{})
				p.primary.mood.Store(mood)
				p.client.Timeout = 2 * time.Second
				request, err := http.NewRequest(method, p.primary.URL+"/orders", strings.NewReader("sell"))
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Idempotency-Key", "lb-1")
				if response, err := p.client.Do(request); err == nil {
					_ = response.Body.Close()
				}
				if a, b := p.primary.count(method+" /orders"), p.backup.count(method+" /v2/orders"); a != 1 || b != 0 {
					t.Errorf("sent %d times to the primary and %d times to the backup", a, b)
				}
			})
		}
	}
}

// The standard transport repeats what has an Idempotency-Key when a connection that it kept turns out dead. Not for us.
func TestNothingIsRepeatedOnAKeptConnection(t *testing.T) {
	t.Parallel()
	p := newPair(t, lifeboat.WallClock{})
	for i, mood := range []string{"well", "resets"} {
		p.primary.mood.Store(mood)
		request, err := http.NewRequest("POST", p.primary.URL+"/orders", strings.NewReader("sell"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Idempotency-Key", "lb-1")
		if response, err := p.client.Do(request); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
		if n := p.primary.count("POST /orders"); n != i+1 {
			t.Errorf("order %d was sent %d times", i, n-i)
		}
	}
}

// A question is asked at most once of each endpoint, and when both are in trouble the answer is what one of them said.
func TestBothDown(t *testing.T) {
	t.Parallel()
	p := newPair(t, lifeboat.WallClock{})
	p.primary.mood.Store("fails")
	p.backup.mood.Store("fails")
	if answer, _ := p.asks(t, "GET", "/price"); !strings.Contains(answer, "503") || !strings.Contains(answer, "in trouble") {
		t.Errorf("got %s", answer)
	}
	if a, b := p.primary.count("GET /price"), p.backup.count("GET /v2/price"); a != 1 || b != 1 {
		t.Errorf("asked %d and %d times", a, b)
	}
	p.runs(t)
	time.Sleep(2 * time.Second)
	if s := p.status(); s.Active != endpoint.Primary || s.Healthy {
		t.Errorf("with nowhere to go: %+v", s)
	}
}

// After some failures in a row requests are not sent any more; after a rest one tries.
func TestCircuit(t *testing.T) {
	t.Parallel()
	only := newServer(t, "only")
	p := &pair{primary: only, changed: make(chan endpoint.Status, 1)}
	p.book = newBook(t, lifeboat.WallClock{}, p, plan.Dependency{Name: "broker API", Primary: only.URL})
	p.client = &http.Client{Transport: p.book.RoundTripper(transport(t))}
	only.mood.Store("fails")
	for range 10 {
		p.asks(t, "POST", "/orders")
	}
	if n := only.count("POST /orders"); n != 3 {
		t.Errorf("%d were sent", n)
	}
	only.mood.Store("well")
	until(t, 10*time.Second, func() bool { answer, _ := p.asks(t, "POST", "/orders"); return strings.HasPrefix(answer, "200") })
	if n := only.count("POST /orders"); n != 4 || !p.status().Healthy {
		t.Errorf("%d were sent, %+v", n, p.status())
	}
}

// A caller that gives up says nothing about the endpoint.
func TestCallerGivesUp(t *testing.T) {
	t.Parallel()
	p := newPair(t, lifeboat.WallClock{})
	p.primary.mood.Store("stalls")
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		request, err := http.NewRequestWithContext(ctx, "POST", p.primary.URL+"/orders", strings.NewReader("sell"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.client.Do(request); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	if s := p.status(); s.Failures != 0 {
		t.Errorf("got %+v", s)
	}
}

// What a person changed over stays, is asked of nobody else, and goes back when a person says so.
func TestFailOverByAPerson(t *testing.T) {
	t.Parallel()
	p := newPair(t, lifeboat.WallClock{})
	p.runs(t)
	said, facts, err := p.book.FailOver(t.Context(), "broker API", endpoint.Backup)
	if err != nil || !strings.Contains(said, "broker API go to its backup") {
		t.Fatalf("got %q, %v", said, err)
	}
	if answer, _ := p.asks(t, "POST", "/orders"); !strings.Contains(answer, `"by":"backup","host":"`+strings.TrimPrefix(p.backup.URL, "http://")) {
		t.Errorf("got %s", answer)
	}
	p.backup.mood.Store("fails")
	for range 5 {
		if answer, _ := p.asks(t, "GET", "/price"); strings.Contains(answer, "primary") {
			t.Errorf("somebody else was asked: %s", answer)
		}
	}
	time.Sleep(2 * time.Second)
	if s := p.status(); s.Active != endpoint.Backup || !s.Held || s.Healthy {
		t.Errorf("it did not hold: %+v", s)
	}

	restarted := newBook(t, lifeboat.WallClock{}, p, plan.Dependency{Name: "broker API", Primary: p.primary.URL, Backup: p.backup.URL})
	at := time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC)
	restarted.Apply(at, lifeboat.Receipt{Key: "lb-1", Status: lifeboat.Performed, Facts: facts})
	if s := restarted.Status()[0]; s.Active != endpoint.Backup || !s.Held || !s.Since.Equal(at) || s.Healthy {
		t.Errorf("a restart makes of it %+v", s)
	}

	p.primary.mood.Store("fails")
	if _, _, err := p.book.FailOver(t.Context(), "broker API", endpoint.Primary); err == nil || !strings.Contains(err.Error(), "it answers 503") || p.status().Active != endpoint.Backup {
		t.Errorf("got %v", err)
	}
	p.primary.mood.Store("well")
	if _, facts, err = p.book.FailOver(t.Context(), "broker API", endpoint.Primary); err != nil {
		t.Fatal(err)
	}
	if s := p.status(); s.Active != endpoint.Primary || s.Held {
		t.Errorf("got %+v", s)
	}
	restarted.Apply(at, lifeboat.Receipt{Key: "lb-2", Status: lifeboat.Performed, Facts: facts})
	if s := restarted.Status()[0]; s.Active != endpoint.Primary || s.Held {
		t.Errorf("a restart makes of it %+v", s)
	}
	for _, wrong := range [][2]string{{"nobody", "backup"}, {"broker API", "third"}} {
		if _, _, err := p.book.FailOver(t.Context(), wrong[0], wrong[1]); err == nil {
			t.Errorf("%v went well", wrong)
		}
	}
}

// A backup that falls ill as it comes into use is left again.
func TestFailOverGoesBack(t *testing.T) {
	t.Parallel()
	p := newPair(t, lifeboat.WallClock{})
	var looks atomic.Int32
	p.backup.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if looks.Add(1) > 1 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	if _, _, err := p.book.FailOver(t.Context(), "broker API", endpoint.Backup); err == nil || !strings.Contains(err.Error(), "requests go to the primary again") {
		t.Errorf("got %v", err)
	}
	if s := p.status(); s.Active != endpoint.Primary || s.Held {
		t.Errorf("got %+v", s)
	}
}

// moods is a network in which each host does what it is told, for a test on time that is not real.
type moods struct {
	mu    sync.Mutex
	down  map[string]bool
	heard map[string]int
}

func (m *moods) RoundTrip(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heard[r.URL.Host]++
	if m.down[r.URL.Host] {
		return nil, errors.New("down")
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(r.URL.String())), Request: r, Header: http.Header{}}, nil
}

func (m *moods) set(host string, down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down[host] = down
}

func (m *moods) count(host string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.heard[host]
}

// Requests go back to the primary when it has been healthy for long enough; a primary that comes and goes has to wait longer
// each time.
func TestFailsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &moods{down: map[string]bool{}, heard: map[string]int{}}
		book, err := endpoint.New([]plan.Dependency{{Name: "broker API", Primary: "api.broker.com", Backup: "failover.broker.com:8443", Probe: "/healthz"}},
			lifeboat.WallClock{}, net, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = book.Run(ctx) }()
		active := func() string { return book.Status()[0].Active }
		wait := func(for_ time.Duration) { time.Sleep(for_); synctest.Wait() }
		for i, recovery := range []time.Duration{2 * time.Minute, 4 * time.Minute, 8 * time.Minute} {
			net.set("api.broker.com", true)
			wait(20 * time.Second)
			if active() != endpoint.Backup {
				t.Fatalf("time %d: still at the primary", i)
			}
			net.set("api.broker.com", false)
			wait(recovery / 2)
			net.set("api.broker.com", true) // it breaks once more, and the wait begins anew
			wait(15 * time.Second)
			net.set("api.broker.com", false)
			wait(recovery - 20*time.Second)
			if active() != endpoint.Backup {
				t.Errorf("time %d: back too early", i)
			}
			wait(40 * time.Second)
			if active() != endpoint.Primary {
				t.Errorf("time %d: not back after %s", i, recovery)
			}
		}
		// When the backup fails, nobody waits for the primary to prove itself.
		net.set("api.broker.com", true)
		wait(20 * time.Second)
		net.set("api.broker.com", false)
		net.set("failover.broker.com:8443", true)
		wait(20 * time.Second)
		if active() != endpoint.Primary {
			t.Error("it stays at a backup that is down")
		}
		before := net.count("api.broker.com")
		wait(time.Hour)
		if probes := net.count("api.broker.com") - before; probes < 350 || probes > 370 {
			t.Errorf("%d probes in a quiet hour", probes)
		}
		stop()
	})
}

// A request is led elsewhere by its scheme, host, port and the beginning of its path, and nothing else of it changes.
func TestRewriting(t *testing.T) {
	net := &moods{down: map[string]bool{}, heard: map[string]int{}}
	book, err := endpoint.New([]plan.Dependency{
		{Name: "broker API", Primary: "https://api.broker.com", Backup: "failover.broker.com:8443"},
		{Name: "data", Primary: "https://api.broker.com/data/v1/", Backup: "http://backup.example.org/mirror"},
		{Name: "desk", Primary: "the branch in Main Street", Backup: "+1 555 0100"},
	}, lifeboat.WallClock{}, net, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(book.Status()); n != 2 {
		t.Errorf("%d dependencies have an address", n)
	}
	for _, name := range []string{"broker API", "data"} {
		if _, _, err := book.FailOver(t.Context(), name, endpoint.Backup); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[string]string{
		"https://api.broker.com/orders?a=b%2Fc":           "https://failover.broker.com:8443/orders?a=b%2Fc",
		"https://API.broker.com:443":                      "https://failover.broker.com:8443",
		"https://api.broker.com/data/v1/bars/BRK%2FB?x=1": "http://backup.example.org/mirror/bars/BRK%2FB?x=1",
		"https://api.broker.com/data/v1":                  "http://backup.example.org/mirror",
		"https://api.broker.com/data/v10":                 "https://failover.broker.com:8443/data/v10",
		"http://api.broker.com/orders":                    "http://api.broker.com/orders",
		"https://api.broker.com:444/orders":               "https://api.broker.com:444/orders",
		"https://api.broker.com.evil.org/orders":          "https://api.broker.com.evil.org/orders",
	} {
		request, err := http.NewRequest("GET", from, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := book.RoundTripper(net).RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(response.Body); string(body) != to {
			t.Errorf("%s went to %s, not to %s", from, body, to)
		}
		if response.Request.URL.Host != request.URL.Host || request.URL.String() != from {
			t.Errorf("%s: the caller is told of %s", from, response.Request.URL)
		}
	}
}

// A feed that knows only the primary reads on from the backup.
func TestAFeedReadsOn(t *testing.T) {
	t.Parallel()
	p := newPair(t, lifeboat.WallClock{})
	p.runs(t)
	feeds, err := poll.New([]plan.Feed{{Series: "SPY", Source: "broker", URL: p.primary.URL + "/price", Format: "json", Path: "$.price", Every: plan.Duration(time.Second)}}, t.TempDir(), p.client)
	if err != nil {
		t.Fatal(err)
	}
	p.primary.mood.Store("resets")
	at := time.Now()
	for i := range 6 {
		readings, problems := feeds.Poll(t.Context(), at.Add(time.Duration(i)*time.Minute))
		if len(readings) != 1 || readings[0].Value != 42 || len(problems) != 0 {
			t.Errorf("poll %d: %v, %v", i, readings, problems)
		}
	}
	until(t, 5*time.Second, func() bool { return p.status().Active == endpoint.Backup })
}

func TestMetrics(t *testing.T) {
	p := newPair(t, lifeboat.WallClock{})
	if _, _, err := p.book.FailOver(t.Context(), "broker API", endpoint.Backup); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(p.book)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, family := range families {
		for _, m := range family.GetMetric() {
			line := family.GetName()
			for _, label := range m.GetLabel() {
				line += " " + label.GetValue()
			}
			told = append(told, fmt.Sprint(line, " ", m.GetGauge().GetValue()+m.GetCounter().GetValue()))
		}
	}
	want := []string{"lifeboat_endpoint_active broker API backup 1", "lifeboat_endpoint_active broker API primary 0", "lifeboat_endpoint_changes_total broker API 1",
		"lifeboat_endpoint_failures broker API 0", "lifeboat_endpoint_healthy broker API 1", "lifeboat_endpoint_held broker API 1"}
	if !slices.Equal(told, want) {
		t.Errorf("got %q", told)
	}
}
