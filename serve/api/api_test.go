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
	status Status
	said   []lifeboat.Event
	alerts []string
	proofs []*Proof
	refuse error
}

func (d *daemon) Status() Status { return d.status }

func (d *daemon) Say(_ context.Context, said lifeboat.Event, proof *Proof) (string, error) {
	if d.refuse != nil {
		return "", d.refuse
	}
	d.said, d.proofs = append(d.said, said), append(d.proofs, proof)
	return "Q-1", nil
}

func (d *daemon) Alert(name string, header http.Header, body []byte) error {
	if header.Get("Signed") != name {
		return &lifeboat.Problem{Reason: "denied", What: "the alert is not signed"}
	}
	d.alerts = append(d.alerts, string(body))
	return d.refuse
}

func (d *daemon) OpenLink(token string) (Opened, error) {
	if token != "good" {
		return Opened{}, &lifeboat.Problem{Reason: "denied", What: "the link is not one of lifeboat's, or its time is up", Money: "nothing was decided"}
	}
	return Opened{Person: "Ana", Key: "lb-1", Question: &Question{Key: "lb-1", Text: "Sell <all>?", Content: "abc"}, Shown: "sell 10 SPY"}, nil
}

func (d *daemon) Enrol(_ context.Context, e Enrolling) (Enrolled, error) {
	return Enrolled{URI: "otpauth://totp/" + e.Person}, d.refuse
}

func (d *daemon) Ticket(ticket string) (string, json.RawMessage, error) {
	if ticket != "good" {
		return "", nil, &lifeboat.Problem{Reason: "denied", What: "the ticket is used up", Money: "nothing was enrolled"}
	}
	return "Ana", json.RawMessage(`{"publicKey":{"challenge":"AAAA"}}`), nil
}

func (d *daemon) FinishTicket(_ context.Context, ticket string, _ json.RawMessage) error {
	_, _, err := d.Ticket(ticket)
	return err
}

func (d *daemon) TypedData(question string) (json.RawMessage, error) {
	if question != "Q1" {
		return nil, &lifeboat.Problem{Reason: "not-found", What: "nothing is asked"}
	}
	return json.RawMessage(`{"primaryType":"SafeTx"}`), nil
}

func (d *daemon) Challenge(_ context.Context, said lifeboat.Event) (json.RawMessage, error) {
	return json.RawMessage(`{"publicKey":{}}`), d.refuse
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

func send(t *testing.T, method, url, body string) *http.Request {
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
		if code, text := get(t, send(t, "GET", s.URL+path, "")); code != 200 || !strings.Contains(text, wanted) {
			t.Errorf("GET %s: %d %.200s; want %s", path, code, text, wanted)
		}
	}
}

const yes = `{"question":"lb-1","by":"Ana","yes":true,"note":"go"}`

func TestAnswerNeedsTheToken(t *testing.T) {
	d := &daemon{}
	s := serve(t, d)
	for _, token := range []string{"", "Bearer wrong", "secret"} {
		r := send(t, "POST", s.URL+"/api/v1/answers", yes)
		r.Header.Set("Authorization", token)
		if code, text := get(t, r); code != 401 {
			t.Errorf("with %q: %d %s", token, code, text)
		}
	}
	if len(d.said) != 0 {
		t.Fatalf("said %v without the token", d.said)
	}
	r := send(t, "POST", s.URL+"/api/v1/answers", yes)
	r.Header.Set("Authorization", "Bearer secret")
	if code, text := get(t, r); code != 204 || len(d.said) != 1 || !d.said[0].(lifeboat.Answer).Yes {
		t.Errorf("%d %s %v", code, text, d.said)
	}
}

// What is wanted, and how it is proved, reaches the daemon as it was sent; and nothing does without the token.
func TestRequests(t *testing.T) {
	for _, tc := range []struct{ path, body, want, proof string }{
		{"requests", `{"verb":"pause","object":"R1","by":"Ana","note":"wait"}`, "pause R1 Ana", ""},
		{"requests", `{"verb":"skip-step","object":"R1","step":"2.1","by":"Ana","proof":{"code":"123456"}}`, "skip-step R1 Ana", "123456"},
		{"halt", `{}`, "breaker halted " + KillSwitch, ""},
		{"halt", ``, "breaker halted " + KillSwitch, ""},
		{"halt", `{"by":"Ben"}`, "breaker halted Ben", ""},
		{"requests", `{"verb":"dance","by":"Ana"}`, "", ""},
	} {
		d := &daemon{}
		s := serve(t, d)
		if code, _ := get(t, send(t, "POST", s.URL+"/api/v1/"+tc.path, tc.body)); code != 401 && code != 422 || len(d.said) != 0 {
			t.Errorf("%s without the token: %d, %v", tc.body, code, d.said)
		}
		r := send(t, "POST", s.URL+"/api/v1/"+tc.path, tc.body)
		r.Header.Set("Authorization", "Bearer secret")
		code, text := get(t, r)
		if tc.want == "" {
			if code != 422 || len(d.said) != 0 {
				t.Errorf("%s: %d %s", tc.body, code, text)
			}
			continue
		}
		if code != 200 || len(d.said) != 1 || !strings.Contains(text, `"id":"Q-1"`) {
			t.Fatalf("%s: %d %s", tc.body, code, text)
		}
		wanted := d.said[0].(lifeboat.Request)
		if got := strings.Join([]string{string(wanted.Verb), wanted.Object, wanted.By}, " "); got != tc.want {
			t.Errorf("%s: got %s", tc.body, got)
		}
		if p := d.proofs[0]; p.Given() != (tc.proof != "") || p.Given() && p.Code != tc.proof {
			t.Errorf("%s: proof %+v", tc.body, p)
		}
	}
}

func TestProblemsKeepTheirKind(t *testing.T) {
	for reason, want := range map[lifeboat.Reason]int{"denied": 403, "not-found": 404, "plan-invalid": 422, "data-in-use": 409, "daemon-unreachable": 503, "journal-full": 500} {
		s := serve(t, &daemon{refuse: &lifeboat.Problem{Reason: reason, What: "it is so", Money: "nothing moved", Next: "do this"}})
		r := send(t, "POST", s.URL+"/api/v1/answers", yes)
		r.Header.Set("Authorization", "Bearer secret")
		code, text := get(t, r)
		var told struct {
			Detail, Money, Next string
			Reason              lifeboat.Reason
		}
		if err := json.Unmarshal([]byte(text), &told); err != nil || code != want || told.Detail != "it is so" || told.Money != "nothing moved" || told.Next != "do this" || told.Reason != reason {
			t.Errorf("%s: %d %s, want %d", reason, code, text, want)
		}
	}
}

// Somebody whose name is not in the plan is told that the kill switch needs none.
func TestHaltUnderAWrongName(t *testing.T) {
	s := serve(t, &daemon{refuse: &lifeboat.Problem{Reason: "denied", What: "Mallory is not in the plan", Money: "nothing was sent"}})
	for body, next := range map[string]string{`{"by":"Mallory"}`: "halt without a name", ``: ""} {
		r := send(t, "POST", s.URL+"/api/v1/halt", body)
		r.Header.Set("Authorization", "Bearer secret")
		if code, text := get(t, r); code != 403 || strings.Contains(text, "halt without a name") != (next != "") {
			t.Errorf("%q: %d %s", body, code, text)
		}
	}
}

// TestOtherOriginsAreTurnedAway: a web page that the owner has open must not reach the daemon through the browser.
func TestOtherOriginsAreTurnedAway(t *testing.T) {
	d := &daemon{}
	s := serve(t, d)
	r := send(t, "POST", s.URL+"/api/v1/answers", yes)
	r.Header.Set("Authorization", "Bearer secret")
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if code, _ := get(t, r); code != 403 || len(d.said) != 0 {
		t.Errorf("another origin: %d, answered %v", code, d.said)
	}
	r = send(t, "GET", s.URL+"/api/v1/status", "")
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
	_, text := get(t, send(t, "GET", serve(t, &daemon{}).URL+"/openapi.json", ""))
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

// A link leads to a page that shows what is asked, and by itself acknowledges and says no, but never yes.
func TestLinks(t *testing.T) {
	d := &daemon{}
	s := serve(t, d)
	code, text := get(t, send(t, "GET", s.URL+"/link/good", ""))
	if code != 200 || !strings.Contains(text, "Sell &lt;all&gt;?") || !strings.Contains(text, "sell 10 SPY") || !strings.Contains(text, `data-content="abc"`) {
		t.Errorf("the page: %d %s", code, text)
	}
	for name := range linkFiles {
		if code, text := get(t, send(t, "GET", s.URL+"/link-page/"+name, "")); code != 200 || len(text) < 100 {
			t.Errorf("%s: %d %s", name, code, text)
		}
	}
	for _, tc := range []struct {
		path, body string
		code       int
		said       string
	}{
		{"good/answer", `{"yes":true,"content":"abc"}`, 403, ""},
		{"good/answer", `{"yes":true,"content":"abc","proof":{"kind":"totp","code":"123456"}}`, 204, "answer"},
		{"good/answer", `{"yes":false}`, 204, "answer"},
		{"good/acknowledge", `{}`, 204, "request"},
		{"bad/answer", `{"yes":false}`, 403, ""},
		{"bad/acknowledge", `{}`, 403, ""},
		{"good/answer", `nonsense`, 400, ""},
	} {
		d.said = nil
		code, text := get(t, send(t, "POST", s.URL+"/link/"+tc.path, tc.body))
		if code != tc.code || (tc.said == "") != (len(d.said) == 0) || tc.said != "" && d.said[0].Word() != tc.said {
			t.Errorf("%s %s: %d %s, said %v", tc.path, tc.body, code, text, d.said)
		}
	}
	if code, text := get(t, send(t, "GET", s.URL+"/link/bad", "")); code != 403 || !strings.Contains(text, "nothing was decided") {
		t.Errorf("a bad link: %d %s", code, text)
	}
}

// A passkey is enrolled with a ticket that was asked for with the token.
func TestEnrolment(t *testing.T) {
	s := serve(t, &daemon{})
	for _, tc := range []struct {
		method, path, body string
		token              bool
		code               int
		text               string
	}{
		{"POST", "/api/v1/factors", `{"person":"Ana","kind":"totp"}`, false, 401, ""},
		{"POST", "/api/v1/factors", `{"person":"Ana","kind":"totp"}`, true, 200, "otpauth://totp/Ana"},
		{"POST", "/api/v1/factors", `{"person":"Ana","kind":"wish"}`, true, 422, ""},
		{"GET", "/enrol/good", "", false, 200, "Make a passkey for Ana"},
		{"GET", "/enrol/bad", "", false, 403, "nothing was enrolled"},
		{"POST", "/enrol/good", `{}`, false, 204, ""},
		{"POST", "/enrol/bad", `{}`, false, 403, ""},
	} {
		r := send(t, tc.method, s.URL+tc.path, tc.body)
		if tc.token {
			r.Header.Set("Authorization", "Bearer secret")
		}
		if code, text := get(t, r); code != tc.code || !strings.Contains(text, tc.text) {
			t.Errorf("%s %s %s: %d %s", tc.method, tc.path, tc.body, code, text)
		}
	}
}
