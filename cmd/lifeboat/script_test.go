package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/rogpeppe/go-internal/testscript"

	"lifeboat/app"
	"lifeboat/drill/scenario"
	"lifeboat/examples"
	"lifeboat/keep/sqlite"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lifeboat": main})
}

// TestScript plays the stories in testdata/script, each as a user types it. The commands that are ours:
//
//	exits CODE COMMAND ARG…   runs it and wants this exit code; a failure must be told in lifeboat's own words
//	until FILE PATTERN        waits until the file holds the pattern
//	awaits PATTERN COMMAND…   runs a command again and again until its output holds the pattern
//	posts CODE DATA PATH …    sends a body (or none) to the daemon of a data directory, and wants this HTTP status:
//	                          posts CODE DATA PATH TOKEN [BODY], where TOKEN is "token" for the daemon's own, or "none"
//	totp FILE NAME            puts the next code of the authenticator whose otpauth address the file holds into the variable
//	hooks NAME FILE           takes what is sent to an address of this machine, which it puts into the variable, into the file
//	esplora NAME FILE         stands in for a server of Bitcoin's, whose address it puts into the variable: as many satoshi lie at the
//	                          genesis address as the file says; without the file it is away
//	finds NAME FILE PATTERN   puts the last place where the file holds the pattern, or its group, into the variable
//	cmpstory FILE FILE        compares stories: names of runs, days, times and spans are not compared
//	contract FILE             holds a result to the contract of drill run --json
//	echoes FILE PATTERN       appends a line to a file, as a provider of prices does
//	prices FILE PRICE         appends a price of this instant
//	requests CODE METHOD URL [BODY]  calls a server of this machine, as any program does, and wants this HTTP status
//	occupy NAME               listens on a free port and puts its address into the variable
//	enlarge FILE MIB          appends comments to a file
//	tamper DIR WORD           changes the first entry of a kind behind the journal's back
//	damage DIR                changes one bit of the first file of a directory
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Deadline:           time.Now().Add(15 * time.Minute), // for all of them, which take four on a machine with nothing else to do: a daemon that should have refused would run for ever
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir) // nobody's Git configuration
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "until": until, "contract": holdToContract, "echoes": echoes, "occupy": occupy,
			"enlarge": enlarge, "tamper": tamper, "damage": damage, "awaits": awaits, "posts": posts, "totp": showCode(), "cmpstory": cmpStory, "finds": finds, "hooks": hooks, "esplora": esplora, "prices": prices, "requests": requests,
		},
	})
}

// aTrace is what a person must never see.
var aTrace = regexp.MustCompile(`panic:|goroutine \d+|runtime error|WARNING: DATA RACE|\.go:\d+`)

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("run %s: %v", args[1], err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
	out, errs := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	if trace := aTrace.FindString(out + errs); trace != "" {
		ts.Fatalf("a person was shown %q", trace)
	}
	if code != 0 && !regexp.MustCompile(`(?m)^lifeboat: [^\n]{10,}$`).MatchString(errs) {
		ts.Fatalf("nothing on stderr says what happened")
	}
	if code == 0 && strings.Contains(errs, "lifeboat: hint:") {
		ts.Fatalf("what succeeds needs no hint")
	}
}

// patience is how long a daemon may take, on a machine that does other things too.
const patience = 30 * time.Second

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: until FILE PATTERN")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if text, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && pattern.Match(text) {
			return
		}
	}
	ts.Fatalf("%s never held %s", args[0], args[1])
}

func awaits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || args[1] != "lifeboat" {
		ts.Fatalf("usage: awaits PATTERN lifeboat ARG…")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	var said []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		ask := exec.Command(beside(ts, "lifeboat"), args[2:]...)
		ask.Dir, ask.Env = ts.MkAbs("."), []string{"HOME=" + ts.Getenv("HOME"), "PATH=" + ts.Getenv("PATH")}
		if said, err = ask.Output(); err == nil && pattern.Match(said) {
			_, err := ts.Stdout().Write(said)
			ts.Check(err)
			return
		}
	}
	ts.Fatalf("%v never said %s; the last word was (%v):\n%s", args[1:], args[0], err, said)
}

// beside finds a command where the scripts find it.
func beside(ts *testscript.TestScript, name string) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path := filepath.Join(dir, name); isFile(path) {
			return path
		}
	}
	ts.Fatalf("there is no %s in PATH", name)
	return ""
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// changing are the words of a story that differ each time it happens.
var changing = []struct {
	form *regexp.Regexp
	word string
}{
	{regexp.MustCompile(`\bR\d{6}-[0-9a-f]{6}\b`), "RUN"}, {regexp.MustCompile(`\blb-[0-9a-f]{24}\b`), "KEY"},
	{regexp.MustCompile(`(?m)^\w+day, \d+ \w+ \d{4}`), "DAY"}, {regexp.MustCompile(`(?m)^  \d\d:\d\d:\d\d`), "  TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC`), "WHEN"}, {regexp.MustCompile(`after (\d+ \w+ )?\d+ (s|min)\b`), "after SPAN"},
	{regexp.MustCompile(`Content [0-9a-f]{8}`), "Content DIGEST"},
}

func cmpStory(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cmpstory FILE FILE")
	}
	have := ts.ReadFile(args[0])
	for _, c := range changing {
		have = c.form.ReplaceAllString(have, c.word)
	}
	if want := ts.ReadFile(args[1]); have != want {
		ts.Fatalf("the story is:\n%s\nwant:\n%s", have, want)
	}
}

// hooks is somebody's receiver of webhooks.
func hooks(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hooks NAME FILE")
	}
	into := ts.MkAbs(args[1])
	var mu sync.Mutex
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		f, openErr := os.OpenFile(into, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
		if errors.Join(err, openErr) != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(f, "%s\n", body)
		_ = f.Close()
	}))
	ts.Defer(receiver.Close)
	ts.Setenv(args[0], receiver.URL)
}

func finds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: finds NAME FILE PATTERN")
	}
	pattern, err := regexp.Compile("(?m)" + args[2])
	ts.Check(err)
	found := pattern.FindAllStringSubmatch(ts.ReadFile(args[1]), -1)
	if len(found) == 0 {
		ts.Fatalf("%s does not hold %s", args[1], args[2])
	}
	last := found[len(found)-1]
	ts.Setenv(args[0], last[len(last)-1])
}

// posts is a kill switch or a page, as another program presses it.
func posts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 || len(args) > 5 {
		ts.Fatalf("usage: posts CODE DATA PATH TOKEN [BODY]")
	}
	daemon, err := app.Meet(ts.MkAbs(args[1]))
	ts.Check(err)
	body := ""
	if len(args) == 5 {
		body = args[4]
	}
	request, err := http.NewRequest(http.MethodPost, "http://"+daemon.Address+args[2], strings.NewReader(body))
	ts.Check(err)
	switch args[3] {
	case "none":
	case "token":
		request.Header.Set("Authorization", "Bearer "+daemon.Token)
	default:
		request.Header.Set("Authorization", "Bearer "+args[3])
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	ts.Check(err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	ts.Check(err)
	if strconv.Itoa(response.StatusCode) != args[0] {
		ts.Fatalf("%s, want %s: %s", response.Status, args[0], text)
	}
	_, err = fmt.Fprintf(ts.Stdout(), "%s\n", text)
	ts.Check(err)
}

func requests(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: requests CODE METHOD URL [BODY]")
	}
	body := ""
	if len(args) == 4 {
		body = args[3]
	}
	request, err := http.NewRequest(args[1], args[2], strings.NewReader(body))
	ts.Check(err)
	request.Header.Set("APCA-API-KEY-ID", "PK")
	request.Header.Set("APCA-API-SECRET-KEY", "secret")
	response, err := http.DefaultClient.Do(request)
	ts.Check(err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	ts.Check(err)
	if strconv.Itoa(response.StatusCode) != args[0] {
		ts.Fatalf("%s, want %s: %s", response.Status, args[0], text)
	}
	_, err = fmt.Fprintf(ts.Stdout(), "%s\n", text)
	ts.Check(err)
}

// secretForm is where an otpauth address has its secret.
var secretForm = regexp.MustCompile(`secret=([A-Z2-7]+)`)

// showCode is a person with an authenticator. lifeboat takes each code once, and one that the authenticator will show next
// half a minute early: so the first two come at once, and whoever wants more waits as a person does.
func showCode() func(*testscript.TestScript, bool, []string) {
	const step = 30 // seconds
	var mu sync.Mutex
	shown := map[string]int64{} // :: secret → the step of the code that was shown last
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 2 {
			ts.Fatalf("usage: totp FILE NAME")
		}
		found := secretForm.FindStringSubmatch(ts.ReadFile(args[0]))
		if found == nil {
			ts.Fatalf("%s holds no otpauth address", args[0])
		}
		mu.Lock()
		next := max(time.Now().Unix()/step, shown[found[1]]+1)
		shown[found[1]] = next
		mu.Unlock()
		time.Sleep(time.Until(time.Unix((next-1)*step, 0)))
		code, err := totp.GenerateCode(found[1], time.Unix(next*step, 0))
		ts.Check(err)
		ts.Setenv(args[1], code)
	}
}

// prices have the finest time there is: of two in one second the later would be taken for a copy of the first.
func prices(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: prices FILE PRICE")
	}
	echoes(ts, false, []string{args[0], time.Now().UTC().Format(time.RFC3339Nano) + "," + args[1]})
}

func echoes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: echoes FILE LINE")
	}
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	ts.Check(err)
	_, err = fmt.Fprintln(f, args[1])
	ts.Check(errors.Join(err, f.Close()))
}

func occupy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: occupy NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

func enlarge(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: enlarge FILE MIB")
	}
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	text, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	line := []byte("# " + strings.Repeat("x", 125) + "\n")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), append(text, bytes.Repeat(line, size<<20/len(line)+1)...), 0o644))
}

// tamper does what a thief with the file and a database browser would do.
func tamper(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tamper DIR WORD")
	}
	db, err := sql.Open("sqlite", ts.MkAbs(filepath.Join(args[0], sqlite.File)))
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec(`DROP TRIGGER entries_stay`)
	ts.Check(err)
	done, err := db.Exec(`UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), '"', ' "') AS BLOB) WHERE seq = (SELECT min(seq) FROM entries WHERE word = ?)`, args[1])
	ts.Check(err)
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		ts.Fatalf("%d entries were changed: %v", n, err)
	}
}

func holdToContract(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: contract FILE")
	}
	for _, breach := range breaches([]byte(ts.ReadFile(args[0]))) {
		ts.Logf("%s", breach)
		defer ts.Fatalf("the contract is broken")
	}
}

// TestDrillsOfTemplates rehearses every drill that an example plan asks for, as a user would type it: it is played,
// it keeps the contract, and it comes out the same twice. Every scenario is somebody's drill.
func TestDrillsOfTemplates(t *testing.T) {
	var played []string
	for _, example := range examples.All() {
		dir := t.TempDir()
		if err := os.CopyFS(dir, example.Files); err != nil {
			t.Fatal(err)
		}
		plan, err := app.LoadPlan(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Drills) == 0 {
			t.Errorf("%s asks for no drill", example.Name)
		}
		for _, d := range plan.Drills {
			played = append(played, d.Scenario)
			t.Run(example.Name+"/"+d.Scenario, func(t *testing.T) { rehearseTwice(t, dir, d.Scenario) })
		}
	}
	for _, s := range scenario.All() {
		if !slices.Contains(played, s.Name) {
			t.Errorf("no example rehearses %s", s.Name)
		}
	}
}

// filed is what --out writes, beside the log of the quarter.
var filed = []string{"drawdown.svg", "report.json", "report.md", "review.md", "value.svg"}

func rehearseTwice(t *testing.T, plan, scenario string) {
	dir := filepath.Join(t.TempDir(), "new", "report")
	var first, second, errs bytes.Buffer
	for i, out := range []*bytes.Buffer{&first, &second} {
		args := []string{"drill", "run", scenario, "--plan", plan, "--json", "--out", dir}
		if code := run(context.Background(), args, out, &errs); code != 0 {
			t.Fatalf("exit code %d: %s", code, &errs)
		}
		if found := breaches(out.Bytes()); len(found) > 0 {
			t.Errorf("the contract is broken in play %d:\n%s", i+1, strings.Join(found, "\n"))
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same tape came out differently the second time")
	}
	for _, name := range filed {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s was not written: %v", name, err)
		}
	}
	logs, err := fs.Glob(os.DirFS(dir), "DRP_Log_[0-9][0-9][0-9][0-9]_Q[1-4].md")
	if err != nil || len(logs) == 0 {
		t.Errorf("no log of the quarter: %v", err)
	}
}

// BenchmarkStart is what a person waits before the first word; it must stay under 200 ms.
func BenchmarkStart(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "lifeboat")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	for b.Loop() {
		if err := exec.Command(binary, "--version").Run(); err != nil {
			b.Fatal(err)
		}
	}
	if each := b.Elapsed() / time.Duration(b.N); each > 200*time.Millisecond {
		b.Errorf("starting takes %v, more than 200 ms", each)
	}
}

func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: damage DIR")
	}
	files, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*"))
	ts.Check(err)
	if len(files) == 0 {
		ts.Fatalf("%s has no file", args[0])
	}
	content, err := os.ReadFile(files[0])
	ts.Check(err)
	content[len(content)/2] ^= 1
	ts.Check(os.WriteFile(files[0], content, 0o644))
}
