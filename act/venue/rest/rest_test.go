package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lifeboat"
)

// stopped is a clock that a test moves.
type stopped struct{ at time.Time }

func (s *stopped) Now() time.Time                               { return s.at }
func (s *stopped) Sleep(ctx context.Context, _ time.Time) error { <-ctx.Done(); return ctx.Err() }

var noon = time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC)

func caller(base string, clock lifeboat.Clock) *Caller {
	return &Caller{Venue: "Far", Base: base, Clock: clock, Scrub: func(s string) string { return strings.ReplaceAll(s, "K-SECRET", "…") },
		Sign: func(r *http.Request, _ []byte) error { r.Header.Set("X-Key", "K-SECRET"); return nil },
		Explain: func(_ int, body []byte) (string, string) {
			var said struct {
				Code    json.Number
				Message string
			}
			_ = json.Unmarshal(body, &said)
			return said.Code.String(), said.Message
		}}
}

// Whatever a venue answers, the error names it and the step, says whether the request may have arrived, and tells no key.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name                      string
		answer                    func(w http.ResponseWriter)
		want                      string
		code                      string
		reached, throttled, final bool
		wait                      time.Duration
	}{
		{"a refusal with a code", func(w http.ResponseWriter) {
			w.WriteHeader(422)
			fmt.Fprint(w, `{"code":40010001,"message":"client_order_id must be unique K-SECRET"}`)
		}, "Far: place order: client_order_id must be unique … (code 40010001) [request r-1]", "40010001", true, false, true, 0},
		{"a wrong key", func(w http.ResponseWriter) { w.WriteHeader(401); fmt.Fprint(w, `{"message":"unauthorized"}`) },
			"Far: place order: unauthorized [request r-1]", "", true, false, true, 0},
		{"a 5xx", func(w http.ResponseWriter) { w.WriteHeader(503) }, "it answers 503 Service Unavailable", "", true, false, false, 0},
		{"a page in place of JSON", func(w http.ResponseWriter) { w.WriteHeader(502); fmt.Fprint(w, "<html>bad gateway K-SECRET</html>") },
			"it answers 502 Bad Gateway with a page that is no answer of its API", "", true, false, false, 0},
		{"a page that says it is fine", func(w http.ResponseWriter) { fmt.Fprint(w, "<html>welcome</html>") }, "the answer is a page and not JSON", "", true, false, false, 0},
		{"nothing at all", func(w http.ResponseWriter) { w.WriteHeader(200) }, "the answer is empty", "", true, false, false, 0},
		{"half an answer", func(w http.ResponseWriter) { fmt.Fprint(w, `{"id":"1","sta`) }, "not the JSON that it should be", "", true, false, false, 0},
		{"an answer that breaks off", func(w http.ResponseWriter) { w.Header().Set("Content-Length", "100"); fmt.Fprint(w, `{"id"`) },
			"the answer breaks off", "", true, false, false, 0},
		{"an endless answer", func(w http.ResponseWriter) { _, _ = io.CopyN(w, zeros{}, answerMax+1) }, "longer than any that makes sense", "", true, false, false, 0},
		{"too many requests", func(w http.ResponseWriter) { w.Header().Set("Retry-After", "7"); w.WriteHeader(429) }, "429 Too Many Requests", "", true, true, false, 7 * time.Second},
		{"too many requests until a time", func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", noon.Add(90*time.Second).Format(http.TimeFormat))
			w.WriteHeader(429)
		}, "429", "", true, true, false, 90 * time.Second},
		{"another address", func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://elsewhere.example")
			w.WriteHeader(307)
		},
			"it answers 307", "", true, false, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				w.Header().Set("X-Request-ID", "r-1")
				c.answer(w)
			}))
			defer server.Close()
			var out struct{ ID string }
			_, err := caller(server.URL, &stopped{noon}).Do(t.Context(), Request{Step: "place order", Method: "POST", Path: "/orders", Body: map[string]string{"symbol": "SPY"}}, &out)
			e, ok := As(err)
			if !ok || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "SECRET") {
				t.Fatalf("%v", err)
			}
			if e.Code != c.code || e.Reached != c.reached || e.Throttled != c.throttled || e.Refused() != c.final || e.RetryAfter != c.wait {
				t.Errorf("%+v", e)
			}
			if asked.Load() != 1 {
				t.Errorf("asked %d times", asked.Load())
			}
		})
	}
}

// What a server repeats of a key is not told on, where its name for the request is cut short either.
func TestKeyInRequestID(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-ID", strings.Repeat("r", 60)+"K-SECRET")
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()
	_, err := caller(server.URL, &stopped{noon}).Do(t.Context(), Request{Step: "place order", Method: "POST", Path: "/"}, nil)
	if err == nil || strings.Contains(err.Error(), "K-S") {
		t.Errorf("%v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// What never left is told apart from what may have arrived.
func TestOnTheWay(t *testing.T) {
	refusing := httptest.NewServer(nil)
	refusing.Close()
	_, err := caller(refusing.URL, &stopped{noon}).Do(t.Context(), Request{Step: "place order", Method: "POST", Path: "/"}, nil)
	if e, ok := As(err); !ok || e.Reached || !strings.Contains(err.Error(), "it refuses the connection") || strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("nobody there: %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = connection.Read(make([]byte, 10))
			_ = connection.Close()
		}
	}()
	_, err = caller("http://"+listener.Addr().String(), &stopped{noon}).Do(t.Context(), Request{Step: "place order", Method: "POST", Path: "/", Body: []byte("{}")}, nil)
	if e, ok := As(err); !ok || !e.Reached || !strings.Contains(err.Error(), "the connection broke off") {
		t.Errorf("it hangs up: %v", err)
	}
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body) // only then a server notices that its client is gone
		<-r.Context().Done()
	}))
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = caller(silent.URL, &stopped{noon}).Do(ctx, Request{Step: "place order", Method: "POST", Path: "/", Body: []byte("{}")}, nil)
	if e, ok := As(err); !ok || !e.Reached || !strings.Contains(err.Error(), "it did not answer in time") {
		t.Errorf("it is silent: %v", err)
	}
}

// A request arrives as it was meant: JSON, a form, a query, nothing.
func TestRequests(t *testing.T) {
	var got *http.Request
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got, body = r, string(text)
		fmt.Fprint(w, `{"n": 1234567890123456789.123456789}`)
	}))
	defer server.Close()
	c := caller(server.URL, &stopped{noon})
	var out map[string]json.Number
	if _, err := c.Do(t.Context(), Request{Step: "s", Method: "POST", Path: "/a", Query: url.Values{"q": {"x y"}}, Body: map[string]int{"n": 1}}, &out); err != nil {
		t.Fatal(err)
	}
	if got.URL.String() != "/a?q=x+y" || body != `{"n":1}` || got.Header.Get("Content-Type") != "application/json" || got.Header.Get("X-Key") != "K-SECRET" || out["n"] != "1234567890123456789.123456789" {
		t.Errorf("%s %q %v %v", got.URL, body, got.Header, out)
	}
	if _, err := c.Do(t.Context(), Request{Step: "s", Method: "POST", Path: "/b", Body: url.Values{"a": {"1"}}}, nil); err != nil || body != "a=1" || got.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Errorf("%q, %v", body, err)
	}
	if _, err := c.Do(t.Context(), Request{Step: "s", Method: "DELETE", Path: "/c"}, nil); err != nil || body != "" || got.Header.Get("Content-Type") != "" {
		t.Errorf("%q, %v", body, err)
	}
}

// A busy watch cannot use up what an exit needs, and a venue that wants quiet gets it.
func TestBudget(t *testing.T) {
	clock := &stopped{noon}
	b := NewBudget(10)
	passed := 0
	for b.Take(clock.at, 1, false) == 0 {
		passed++
	}
	if passed != 8 {
		t.Errorf("%d of 10 pass that are not urgent", passed)
	}
	for range 2 {
		if b.Take(clock.at, 1, true) != 0 {
			t.Error("an urgent one does not pass")
		}
	}
	wait := b.Take(clock.at, 1, true)
	if wait < 6*time.Second || wait > 7*time.Second {
		t.Errorf("the next urgent one waits %s", wait)
	}
	clock.at = clock.at.Add(wait)
	if b.Take(clock.at, 1, true) != 0 {
		t.Error("after the wait it does not pass")
	}
	clock.at = clock.at.Add(time.Hour)
	if left := b.Left(clock.at); left != 10 {
		t.Errorf("%d are left after an hour", left)
	}
	b.Rest(clock.at.Add(time.Minute))
	if wait := b.Take(clock.at, 1, true); wait != time.Minute || b.Left(clock.at) != 0 {
		t.Errorf("while the venue rests: %s", wait)
	}

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }))
	defer server.Close()
	c := caller(server.URL, clock)
	c.Budget = NewBudget(100)
	_, _ = c.Do(t.Context(), Request{Step: "s", Method: "GET", Path: "/"}, nil)
	_, err := c.Do(t.Context(), Request{Step: "place order", Method: "POST", Path: "/", Urgent: true}, nil)
	if e, ok := As(err); !ok || e.Reached || !e.Throttled || e.RetryAfter != 10*time.Second {
		t.Errorf("after a 429: %v", err)
	}
}
