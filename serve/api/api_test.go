package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lifeboat"
)

// daemon is a program behind the API that a test sets by hand.
type daemon struct {
	status   Status
	answered []lifeboat.Answer
	refuse   error
}

func (d *daemon) Status() Status { return d.status }

func (d *daemon) Answer(_ context.Context, a lifeboat.Answer) error {
	if d.refuse != nil {
		return d.refuse
	}
	d.answered = append(d.answered, a)
	return nil
}

func serve(t *testing.T, d *daemon) *httptest.Server {
	t.Helper()
	registry := prometheus.NewRegistry()
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "lifeboat", Name: "tier"})
	registry.MustRegister(gauge)
	s := httptest.NewServer(New(d, "secret", "test", registry))
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, request *http.Request) (int, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func request(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return r
}

func TestPages(t *testing.T) {
	value := 42.5
	s := serve(t, &daemon{status: Status{Portfolio: "mine", State: "calm", Value: &value, At: time.Unix(0, 0).UTC()}})
	for path, wanted := range map[string]string{
		"/healthz":       "ok",
		"/metrics":       "lifeboat_tier 0",
		"/api/v1/status": `"portfolio":"mine"`,
		"/openapi.json":  `"/api/v1/answers"`,
	} {
		if code, text := get(t, request(t, "GET", s.URL+path, "")); code != 200 || !strings.Contains(text, wanted) {
			t.Errorf("GET %s: %d %.200s; want %s", path, code, text, wanted)
		}
	}
}

const yes = `{"question":"lb-1","by":"Ana","yes":true,"note":"go"}`

func TestAnswerNeedsTheToken(t *testing.T) {
	d := &daemon{}
	s := serve(t, d)
	for _, token := range []string{"", "Bearer wrong", "secret"} {
		r := request(t, "POST", s.URL+"/api/v1/answers", yes)
		r.Header.Set("Authorization", token)
		if code, text := get(t, r); code != 401 {
			t.Errorf("with %q: %d %s", token, code, text)
		}
	}
	if len(d.answered) != 0 {
		t.Fatalf("answered %v without the token", d.answered)
	}
	r := request(t, "POST", s.URL+"/api/v1/answers", yes)
	r.Header.Set("Authorization", "Bearer secret")
	if code, text := get(t, r); code != 204 || len(d.answered) != 1 || !d.answered[0].Yes {
		t.Errorf("%d %s %v", code, text, d.answered)
	}
}

func TestProblemsKeepTheirKind(t *testing.T) {
	for reason, want := range map[lifeboat.Reason]int{"denied": 403, "not-found": 404, "plan-invalid": 422, "data-in-use": 409, "daemon-unreachable": 503, "journal-full": 500} {
		s := serve(t, &daemon{refuse: &lifeboat.Problem{Reason: reason, What: "it is so"}})
		r := request(t, "POST", s.URL+"/api/v1/answers", yes)
		r.Header.Set("Authorization", "Bearer secret")
		if code, text := get(t, r); code != want || !strings.Contains(text, "it is so") {
			t.Errorf("%s: %d %s, want %d", reason, code, text, want)
		}
	}
}

// TestOtherOriginsAreTurnedAway: a web page that the owner has open must not reach the daemon through the browser.
func TestOtherOriginsAreTurnedAway(t *testing.T) {
	d := &daemon{}
	s := serve(t, d)
	r := request(t, "POST", s.URL+"/api/v1/answers", yes)
	r.Header.Set("Authorization", "Bearer secret")
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if code, _ := get(t, r); code != 403 || len(d.answered) != 0 {
		t.Errorf("another origin: %d, answered %v", code, d.answered)
	}
	r = request(t, "GET", s.URL+"/api/v1/status", "")
	r.Host = "lifeboat.evil.example" // a name that somebody else points at 127.0.0.1
	if code, _ := get(t, r); code != http.StatusMisdirectedRequest {
		t.Errorf("another host name: %d", code)
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{"127.0.0.1": true, "localhost": true, "::1": true, "[::1]": true, "127.8.8.8": true,
		"0.0.0.0": false, "": false, "10.0.0.1": false, "example.org": false, "127.0.0.1.example.org": false} {
		if Loopback(host) != want {
			t.Errorf("Loopback(%q) = %v", host, !want)
		}
	}
}

// TestDocsAPI keeps docs/openapi.json the same as the code; make generate writes it.
func TestDocsAPI(t *testing.T) {
	_, text := get(t, request(t, "GET", serve(t, &daemon{}).URL+"/openapi.json", ""))
	var document any
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	pretty, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const path = "../../docs/openapi.json"
	if os.Getenv("LIFEBOAT_WRITE_DOCS") != "" {
		if err := os.WriteFile(path, append(pretty, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || strings.TrimSpace(string(have)) != string(pretty) {
		t.Errorf("%s is not what the code says; run make generate (%v)", path, err)
	}
}
