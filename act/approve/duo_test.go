package approve

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"lifeboat"
)

// duoServer speaks Duo's Auth API over TLS, as strictly as Duo's documentation has it: what is not signed right is refused.
type duoServer struct {
	*testing.T
	*httptest.Server
	answers []string // result and status that auth_status gives in turn; the last one for ever
	direct  bool     // settle at once, as Duo does for a user who may pass without being asked
	code    int      // another HTTP status for every call

	mu    sync.Mutex
	asked []url.Values // the pushes
	polls int
}

const duoKey, duoSecret = "DIXXXXXXXXXXXXXXXXXX", "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"

func newDuoServer(t *testing.T, answers ...string) *duoServer {
	s := &duoServer{T: t, answers: answers}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *duoServer) host() string { return strings.TrimPrefix(s.URL, "https://") }

// client trusts the server's own authority, where the product trusts only Duo's.
func (s *duoServer) client(secret string) *Duo {
	s.Helper()
	s.Setenv("TEST_DUO_KEY", duoKey)
	s.Setenv("TEST_DUO_SECRET", secret)
	d, err := NewDuo(s.host(), "${TEST_DUO_KEY}", "${TEST_DUO_SECRET}")
	if err != nil {
		s.Fatal(err)
	}
	d.transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	d.transport.TLSClientConfig.RootCAs.AddCert(s.Certificate())
	d.clock = hasty{}
	return d
}

// hasty is a clock on which every pause is short.
type hasty struct{ lifeboat.WallClock }

func (c hasty) Sleep(ctx context.Context, _ time.Time) error {
	return c.WallClock.Sleep(ctx, c.Now().Add(time.Millisecond))
}

func (s *duoServer) serve(w http.ResponseWriter, r *http.Request) {
	if s.code != 0 {
		w.WriteHeader(s.code)
		return
	}
	body, _ := io.ReadAll(r.Body)
	params, err := url.ParseQuery(string(body))
	if r.Method == http.MethodGet {
		params = r.URL.Query()
	}
	if err != nil || r.Method == http.MethodPost && r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		fail(w, 400, 40001, "Invalid request parameters")
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /auth/v2/ping":
		reply(w, map[string]any{"time": time.Now().Unix()})
		return
	case "GET /auth/v2/check", "POST /auth/v2/auth", "GET /auth/v2/auth_status":
	default:
		fail(w, 404, 40401, "Resource not found")
		return
	}
	if why := s.unsigned(r, params); why != "" {
		fail(w, 401, 40103, why)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.URL.Path {
	case "/auth/v2/check":
		reply(w, map[string]any{"time": time.Now().Unix()})
	case "/auth/v2/auth":
		s.auth(w, params)
	case "/auth/v2/auth_status":
		if params.Get("txid") != "tx-1" {
			fail(w, 400, 40002, "Invalid request parameters")
			return
		}
		answer := s.answers[min(s.polls, len(s.answers)-1)]
		s.polls++
		result, status, _ := strings.Cut(answer, " ")
		reply(w, map[string]any{"result": result, "status": status, "status_msg": "as the test says"})
	}
}

func (s *duoServer) auth(w http.ResponseWriter, params url.Values) {
	s.asked = append(s.asked, params)
	if params.Get("username") != "ana@duo" {
		fail(w, 400, 40002, "Invalid request parameters")
		return
	}
	for name := range params {
		if !strings.Contains(" username factor device type pushinfo async ", " "+name+" ") {
			fail(w, 400, 40002, "Invalid request parameters")
			return
		}
	}
	if params.Get("factor") != "push" || params.Get("device") != "auto" || params.Get("async") != "1" {
		fail(w, 400, 40002, "Invalid request parameters")
		return
	}
	if s.direct {
		reply(w, map[string]any{"result": "allow", "status": "bypass", "status_msg": "let pass"})
		return
	}
	reply(w, map[string]any{"txid": "tx-1"})
}

// unsigned says what is wrong with the signature: five lines under HMAC-SHA512, in hex, as the password of the key.
func (s *duoServer) unsigned(r *http.Request, params url.Values) string {
	date, err := time.Parse(time.RFC1123Z, r.Header.Get("Date"))
	if err != nil || time.Since(date).Abs() > 5*time.Minute {
		return "Bad request timestamp"
	}
	line := strings.ReplaceAll(params.Encode(), "+", "%20")
	mac := hmac.New(sha512.New, []byte(duoSecret))
	fmt.Fprintf(mac, "%s\n%s\n%s\n%s\n%s", r.Header.Get("Date"), r.Method, strings.ToLower(r.Host), r.URL.Path, line)
	key, signature, ok := r.BasicAuth()
	if given, err := hex.DecodeString(signature); !ok || err != nil || key != duoKey || !hmac.Equal(given, mac.Sum(nil)) {
		return "Invalid signature in request credentials"
	}
	return ""
}

func reply(w http.ResponseWriter, response any) {
	_ = json.NewEncoder(w).Encode(map[string]any{"stat": "OK", "response": response})
}

func fail(w http.ResponseWriter, status, code int, message string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"stat": "FAIL", "code": code, "message": message})
}

// duoBench has Ana enrolled at Duo already.
func duoBench(t *testing.T, d *Duo) bench {
	b := newBench(t, Options{Duo: d})
	err := b.store.change("Ana", func(e *enrolment) error {
		e.Duo = []account{{ID: "duo-1", User: "ana@duo", Enrolled: noon}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b bench) push(ctx context.Context, shown string) (lifeboat.Factor, error) {
	return b.Check(ctx, noon, Claim{Person: "Ana", Kind: "duo", Content: contentA, Shown: shown})
}

func TestDuo(t *testing.T) {
	s := newDuoServer(t, "waiting pushed", "waiting pushed", "allow allow")
	b := duoBench(t, s.client(duoSecret))
	if err := b.duo.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	f, err := b.push(t.Context(), "Playbook exit: 1 order.\n- sell 10 SPY & more, at 50% = half")
	if want := (lifeboat.Factor{Kind: "duo", ID: "tx-1", Content: contentA}); err != nil || f != want {
		t.Fatalf("got %+v %v, want %+v", f, err, want)
	}
	if s.polls != 3 {
		t.Errorf("Duo was asked %d times for the answer", s.polls)
	}
	shown, err := url.ParseQuery(s.asked[0].Get("pushinfo"))
	if err != nil || shown.Get("Content") != contentA[:8] || shown.Get("01") != "Playbook exit: 1 order." || shown.Get("02") != "- sell 10 SPY & more, at 50% = half" {
		t.Errorf("the telephone shows %v (%v)", shown, err)
	}
}

func TestDuoRefusals(t *testing.T) {
	for _, c := range []struct {
		what    string
		answers string
		secret  string
		change  func(*duoServer)
		want    string
	}{
		{what: "denied", answers: "deny deny", want: "denied on ana@duo's telephone"},
		{what: "called a fraud", answers: "deny fraud", want: "denied on ana@duo's telephone"},
		{what: "nobody answered", answers: "deny timeout", want: "nobody answered the push"},
		{what: "a word that Duo does not have", answers: "perhaps", want: "denied"},
		{what: "let pass without asking", answers: "allow bypass", want: "let ana@duo pass without asking"},
		{what: "settled at once", answers: "allow allow", change: func(s *duoServer) { s.direct = true }, want: "without asking ana@duo"},
		{what: "a wrong signature", answers: "allow allow", secret: "another secret", want: "Invalid signature in request credentials"},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := newDuoServer(t, c.answers)
			if c.change != nil {
				c.change(s)
			}
			if c.secret == "" {
				c.secret = duoSecret
			}
			_, err := duoBench(t, s.client(c.secret)).push(t.Context(), "sell")
			wantRefusal(t, err, c.want, duoSecret, "another secret")
		})
	}
	b := duoBench(t, newDuoServer(t, "allow allow").client(duoSecret))
	_, err := b.push(t.Context(), " ")
	wantRefusal(t, err, "nothing that a push could show")
}

// TestDuoOutOfReach: that Duo does not answer is no refusal and does not count as a failure of the person's.
func TestDuoOutOfReach(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*duoServer, *Duo)
		want   string
	}{
		{"it is down", func(s *duoServer, _ *Duo) { s.Close() }, "connection refused"},
		{"it has too much to do", func(s *duoServer, _ *Duo) { s.code = 429 }, "429"},
		{"it is broken", func(s *duoServer, _ *Duo) { s.code = 502 }, "502"},
		{"it is not Duo", func(s *duoServer, d *Duo) { d.transport.TLSClientConfig.RootCAs = x509.NewCertPool() }, "certificate"},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := newDuoServer(t, "allow allow")
			d := s.client(duoSecret)
			c.change(s, d)
			b := duoBench(t, d)
			_, err := b.push(t.Context(), "sell")
			if lifeboat.KindOf(err) != lifeboat.Transient || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "https://") {
				t.Errorf("got %v", err)
			}
			if len(b.wrong) != 0 || len(b.pushing) != 0 {
				t.Errorf("it counts against Ana: %v %v", b.wrong, b.pushing)
			}
		})
	}
}

// TestDuoPinned: with its own authorities alone, as the product has them, no other server passes for Duo.
func TestDuoPinned(t *testing.T) {
	s := newDuoServer(t, "allow allow")
	t.Setenv("TEST_DUO_KEY", duoKey)
	t.Setenv("TEST_DUO_SECRET", duoSecret)
	d, err := NewDuo(s.host(), "${TEST_DUO_KEY}", "${TEST_DUO_SECRET}")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") || len(s.asked) != 0 {
		t.Errorf("got %v", err)
	}
}

// TestDuoOnePushAtATime: a second push would be answered by mistake for the first; and waiting ends with the caller.
func TestDuoOnePushAtATime(t *testing.T) {
	s := newDuoServer(t, "waiting pushed")
	b := duoBench(t, s.client(duoSecret))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { _, err := b.push(ctx, "sell"); done <- err }()
	for pushed := false; !pushed; {
		time.Sleep(time.Millisecond)
		s.mu.Lock()
		pushed = s.polls > 0
		s.mu.Unlock()
	}
	_, err := b.push(t.Context(), "sell more")
	wantRefusal(t, err, "has a push to answer already")
	stop()
	if err := <-done; lifeboat.KindOf(err) != lifeboat.Transient {
		t.Errorf("got %v", err)
	}
	if len(s.asked) != 1 {
		t.Errorf("%d pushes were sent", len(s.asked))
	}
}

// TestDuoPushesEnd: somebody who says no five times is not asked a sixth time, until the yes of weariness.
func TestDuoPushesEnd(t *testing.T) {
	s := newDuoServer(t, "deny deny")
	b := duoBench(t, s.client(duoSecret))
	for range wrongMax {
		_, err := b.push(t.Context(), "sell")
		wantRefusal(t, err, "denied")
	}
	_, err := b.push(t.Context(), "sell")
	wantRefusal(t, err, "locked for another 15 min")
	if len(s.asked) != wrongMax {
		t.Errorf("%d pushes were sent", len(s.asked))
	}
}

func TestDuoEnrolment(t *testing.T) {
	s := newDuoServer(t, "allow allow")
	b := newBench(t, Options{Duo: s.client(duoSecret)})
	if _, err := b.EnrolDuo(t.Context(), noon, "Ana", "nobody@duo"); err == nil {
		t.Error("enrolled a user whom Duo does not know")
	}
	c, err := b.EnrolDuo(t.Context(), noon, "Ana", "ana@duo")
	if err != nil || c.User != "ana@duo" {
		t.Fatalf("got %+v %v", c, err)
	}
	s.answers = []string{"deny deny"}
	if _, err := b.EnrolDuo(t.Context(), noon, "Ben", "ana@duo"); err == nil {
		t.Error("enrolled a user who said no")
	}
	if has, _ := b.store.Credentials("Ben"); len(has) != 0 {
		t.Errorf("Ben has %v", has)
	}
}

func TestDuoKeysAreReferences(t *testing.T) {
	t.Setenv("TEST_DUO_KEY", duoKey)
	t.Setenv("TEST_DUO_EMPTY", "")
	for _, c := range []struct{ host, key, secret, want string }{
		{"api.example", duoKey, "${TEST_DUO_KEY}", "the key of Duo is written as a reference"},
		{"api.example", "${TEST_DUO_KEY}", duoSecret, "the secret of Duo is written as a reference"},
		{"api.example", "${TEST_DUO_KEY}", "${TEST_DUO_EMPTY}", "the environment has no TEST_DUO_EMPTY"},
		{"https://api.example", "${TEST_DUO_KEY}", "${TEST_DUO_KEY}", "without https://"},
		{"", "${TEST_DUO_KEY}", "${TEST_DUO_KEY}", "the host of Duo"},
	} {
		_, err := NewDuo(c.host, c.key, c.secret)
		if lifeboat.KindOf(err) != lifeboat.Invalid || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), duoKey) || strings.Contains(err.Error(), duoSecret) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

// FuzzPushInfo: whatever is shown, the telephone gets well-formed pairs of a bounded size, the digest among them.
func FuzzPushInfo(f *testing.F) {
	f.Add("a\nb\nc")
	f.Add(strings.Repeat("line\n", 50))
	f.Add("Content=00000000&01=yes")
	f.Add(strings.Repeat("é", 1000))
	f.Fuzz(func(t *testing.T, shown string) {
		info := pushInfo(contentA, shown)
		pairs, err := url.ParseQuery(info)
		if err != nil || len(pairs["Content"]) != 1 || pairs.Get("Content") != contentA[:8] || len(pairs) > pushLines+1 {
			t.Errorf("%q (%v)", info, err)
		}
		for _, values := range pairs {
			if len([]rune(values[0])) > pushLineSize {
				t.Errorf("a line of %d characters", len([]rune(values[0])))
			}
		}
	})
}
