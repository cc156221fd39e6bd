package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	lock "filippo.io/age"

	"lifeboat/app"
	"lifeboat/serve/api"
)

// A key pair that nothing else could be taken for, with signs in the secret that addresses, JSON and HTML write otherwise.
const (
	keyMark    = "PKDISTINCTIVE7KEYQ2"
	secretMark = "sEcReT4NoOne8Sees1"
	leakSecret = secretMark + `/+<&"9` + secretMark
)

// keysPlan is a plan with one account whose keys lie where the references say.
const keysPlan = `
portfolio: {name: keys, calendar: 24/7}
accounts:
  - {name: broker, kind: broker, venue: alpaca, connect: {url: "%s", key: "%s", secret: "%s", every: 1s}}
people: [{name: Ana, role: owner}]
holdings:
  - {symbol: SPY, account: broker, quantity: 10, class: crypto, fractional: false}
  - {symbol: USD, account: broker, quantity: 100000}
feeds:
  - {series: SPY, source: file, file: prices.csv, format: csv, column: SPY, time: time, every: 1s, stale_after: 10m}
playbooks:
  - name: buy
    steps: [{order: {symbol: SPY, account: broker, side: buy, quantity: 1}, timeout: 10m}]
`

type lie struct {
	name   string
	answer http.HandlerFunc
}

// lies are what servers and proxies have been seen to do with a request: to repeat it, in every way there is.
var lies = []lie{
	{"a wrong key", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(map[string]any{"code": 40110000, "message": "request is not authorized: " + repeat(r)})
	}},
	{"a page that repeats the request", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<html><title>%s</title><pre>%[1]s</pre></html>", repeat(r))
	}},
	{"too many requests", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.Header().Set("X-Request-ID", r.Header.Get("APCA-API-SECRET-KEY"))
		w.WriteHeader(http.StatusTooManyRequests)
		_ = json.NewEncoder(w).Encode(map[string]any{"code": repeat(r), "message": repeat(r)})
	}},
	{"a redirection", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://127.0.0.1:1/?k="+r.Header.Get("APCA-API-KEY-ID")+"&s="+r.Header.Get("APCA-API-SECRET-KEY"))
		w.WriteHeader(http.StatusTemporaryRedirect)
	}},
	{"JSON that is wrong", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode([]map[string]any{{"id": repeat(r), "client_order_id": repeat(r), "symbol": repeat(r), "status": repeat(r), "qty": repeat(r)}})
	}},
	{"JSON that breaks off", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "4000")
		fmt.Fprintf(w, `{"status": %q`, repeat(r))
	}},
	{"a broken connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	{"a refusal that repeats the request", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-ID", strings.Repeat("r", 50)+r.Header.Get("APCA-API-KEY-ID"))
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(map[string]any{"code": 40310000, "message": repeat(r)})
	}},
}

// repeat is what came with a request.
func repeat(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	return fmt.Sprintf("%s %s %s %s", r.Header.Get("APCA-API-KEY-ID"), r.Header.Get("APCA-API-SECRET-KEY"), r.URL, body)
}

// where keys may lie: what the plan says of them, and what has to be there for it.
var keepers = []struct {
	name        string
	key, secret string
	keep        func(t *testing.T, planDir string)
}{
	{"env", "env:LEAK_KEY", "${LEAK_SECRET}", func(t *testing.T, _ string) {
		t.Setenv("LEAK_KEY", keyMark)
		t.Setenv("LEAK_SECRET", leakSecret)
	}},
	{"file", "file:../keys/key", "file:../keys/secret", func(t *testing.T, planDir string) {
		writeKeys(t, planDir, func(value string) []byte { return []byte(value + "\n") })
	}},
	{"age", "age:../keys/key", "age:../keys/secret", func(t *testing.T, planDir string) {
		identity, err := lock.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		opens := filepath.Join(t.TempDir(), "identity")
		if err := os.WriteFile(opens, []byte(identity.String()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("LIFEBOAT_AGE_IDENTITY", opens)
		writeKeys(t, planDir, func(value string) []byte {
			var sealed bytes.Buffer
			w, err := lock.Encrypt(&sealed, identity.Recipient())
			if err == nil {
				_, err = io.WriteString(w, value)
			}
			if err == nil {
				err = w.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			return sealed.Bytes()
		})
	}},
}

func writeKeys(t *testing.T, planDir string, form func(string) []byte) {
	t.Helper()
	dir := filepath.Join(planDir, "..", "keys")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"key": keyMark, "secret": leakSecret} {
		if err := os.WriteFile(filepath.Join(dir, name), form(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKeysNeverLeak runs a daemon and the commands that speak to a venue through success and through all that servers and
// proxies do to a request, with a key pair that nothing else could be taken for. Then it looks for the pair in everything
// that lifeboat has said and kept: what it printed and logged, its API and metrics, the bytes of its journal, every file
// of the data directory, and the stacks that it prints when it is ended by SIGQUIT.
//
// A core dump of the memory holds the keys, as the memory of every program does that uses some: lifeboat never sets
// GOTRACEBACK=crash, so that none is written unless the operator asks for it.
func TestKeysNeverLeak(t *testing.T) {
	for i, k := range keepers {
		told := lies
		if i > 0 { // where they lie matters when they are read; after that they are the same
			told = lies[:2]
		}
		t.Run(k.name, func(t *testing.T) {
			l, w := newLive(t), newWire(t)
			k.keep(t, filepath.Join(l.dir, "plan"))
			b := &paperBroker{t: t, bin: l.bin, data: filepath.Join(l.dir, "broker")}
			b.start()
			w.lead(b.address)
			plan := fmt.Sprintf(keysPlan, w.URL, k.key, k.secret)
			if err := os.WriteFile(filepath.Join(l.dir, "plan", "plan.yaml"), []byte(plan), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(l.dir, "plan", "prices.csv"), []byte("time,SPY\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			heard := listenIn(t, l, w, told)
			heard["the data directory of the paper broker"] = filesOf(t, b.data)
			heard["what the paper broker says"] = b.says.String()
			for where, text := range heard {
				lookForKeys(t, where, text)
			}
		})
	}
}

// listenIn goes through everything, and keeps what was said, :: where → what.
func listenIn(t *testing.T, l *live, w *wire, lies []lie) map[string]string {
	t.Helper()
	heard := map[string]string{}
	command := func(when string, args ...string) {
		out, _ := exec.Command(l.bin, args...).CombinedOutput() // many of them are meant to fail
		heard[fmt.Sprintf("lifeboat %s, %s", strings.Join(args, " "), when)] = string(out)
	}
	plan := filepath.Join(l.dir, "plan")
	commands := func(when string) {
		command(when, "sync", "--plan", plan)
		command(when, "sync", "--plan", plan, "--json", "--data", l.data())
		command(when, "status", "--data", l.data())
		command(when, "preflight", "buy", "--plan", plan, "--data", l.data())
		for _, path := range []string{"/api/v1/status", "/metrics", "/openapi.json", "/healthz"} {
			heard[path+", "+when] = ask(t, l, path)
		}
	}
	price := func() { l.write("prices.csv", time.Now().UTC().Format(time.RFC3339Nano)+",634\n") }
	price()
	l.start("GOTRACEBACK=all exec")
	l.until("what the broker says", func(s api.Status) bool { return s.Value != nil && len(s.Venues) == 1 && s.Venues[0].Stated != nil })
	for _, args := range [][]string{{"check", plan}, {"check", "--json", plan}, {"fmt", plan}, {"positions", "--plan", plan}} {
		command("all is well", args...)
	}
	commands("all is well")
	for _, lie := range lies {
		w.answer(lie.answer)
		if lie.name == lies[0].name {
			price()
			command(lie.name, "runs", "start", "buy", "--as", "Ana", "--data", l.data())
		}
		l.until("a problem after "+lie.name, func(s api.Status) bool { return w.answered() > 1 && len(s.Venues) == 1 && s.Venues[0].Problem != "" })
		commands(lie.name)
	}
	w.answer(nil)
	l.until("that all is well again", func(s api.Status) bool { return len(s.Venues) == 1 && s.Venues[0].Problem == "" })
	commands("all is well again")
	command("at the end", "log", "--data", l.data())
	_ = l.process.Process.Signal(syscall.SIGQUIT)
	l.wait()
	heard["stdout"], heard["stderr"] = l.out.String(), l.errs.String()
	if !strings.Contains(heard["stderr"], "goroutine ") {
		t.Errorf("SIGQUIT gave no stacks, so that they prove nothing:\n%s", heard["stderr"])
	}
	heard["the data directory"] = filesOf(t, l.data())
	if !strings.Contains(heard["the data directory"], "SQLite format 3") {
		t.Error("the data directory holds no journal, so that it proves nothing")
	}
	return heard
}

// ask the daemon, with its token.
func ask(t *testing.T, l *live, path string) string {
	t.Helper()
	daemon, err := app.Meet(l.data())
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodGet, "http://"+daemon.Address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+daemon.Token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("%s: %s %v", path, answer.Status, err)
	}
	return string(text)
}

// filesOf a directory, with their names, as bytes.
func filesOf(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		fmt.Fprintf(&all, "%s\n%s\n", path, content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// lookForKeys in a text. The marks are letters and digits, which no quoting changes.
func lookForKeys(t *testing.T, where, text string) {
	t.Helper()
	for _, mark := range []string{keyMark, secretMark, keyMark[:12], secretMark[:12], keyMark[len(keyMark)-12:], secretMark[len(secretMark)-12:]} {
		if at := strings.Index(text, mark); at >= 0 {
			t.Errorf("%s holds a key: …%q…", where, text[max(0, at-80):min(len(text), at+80)])
			return
		}
	}
}
