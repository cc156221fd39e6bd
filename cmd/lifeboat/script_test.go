package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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
//	contract FILE             holds a result to the contract of drill run --json
//	echoes FILE PATTERN       appends a line to a file, as a provider of prices does
//	occupy NAME               listens on a free port and puts its address into the variable
//	enlarge FILE MIB          appends comments to a file
//	tamper DIR WORD           changes the first entry of a kind behind the journal's back
//	damage DIR                changes one bit of the first file of a directory
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Deadline:           time.Now().Add(5 * time.Minute), // a daemon that should have refused would run for ever
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir) // nobody's Git configuration
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "until": until, "contract": holdToContract, "echoes": echoes, "occupy": occupy,
			"enlarge": enlarge, "tamper": tamper, "damage": damage,
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
