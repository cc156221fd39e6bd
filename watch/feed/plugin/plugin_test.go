package plugin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"lifeboat"
	"lifeboat/plan"
)

// TestMain lets the test's own program be a plug-in that misbehaves as the environment says.
func TestMain(m *testing.M) {
	if how := os.Getenv("PLUGIN_TEST"); how != "" {
		misbehave(how)
		return
	}
	os.Exit(m.Run())
}

const greet = `{"hello":{"protocol":1}}`

func misbehave(how string) {
	in := bufio.NewScanner(os.Stdin)
	switch in.Scan(); how {
	case "dies":
		return
	case "stays silent":
		for in.Scan() {
		}
		return
	case "speaks protocol 2":
		fmt.Println(`{"hello":{"protocol":2}}`)
	case "does not greet":
		fmt.Println(`{"heartbeat":{}}`)
	case "prints":
		fmt.Println(greet + "\nconnecting with password hush")
	case "says a long line":
		fmt.Println(greet + "\n" + strings.Repeat("x", 1<<20))
	case "gives up":
		fmt.Println(greet + "\n" + `{"error":{"message":"no session for hush","fatal":true}}`)
	case "forks": // and the child keeps the output open, and does not listen
		child := exec.Command("/bin/sleep", "1000")
		child.Stdout = os.Stdout
		if err := child.Start(); err != nil {
			panic(err)
		}
		fmt.Println(greet)
		fmt.Printf(`{"reading":{"series":"A","value":%d}}`+"\n", child.Process.Pid)
	case "does not stop":
		fmt.Println(greet)
		fmt.Println(`{"reading":{"series":"A","value":1}}`)
		select {}
	case "complains":
		fmt.Println(greet)
		for range 1000 {
			fmt.Fprintln(os.Stderr, "password hush was refused")
		}
		fmt.Println(`{"error":{"series":"A","message":"not entitled"}}` + "\n" + `{"error":{"series":"A","message":"not entitled"}}`)
	case "lies":
		fmt.Println(greet)
		for _, r := range []string{`"series":"A","value":"abc"`, `"series":"A","value":-1`, `"series":"A","value":2,"time":"2150-01-01T00:00:00Z"`,
			`"series":"A","value":3,"time":"2026-01-02T00:00:00Z"`, `"series":"A","value":4,"time":"2026-01-02T00:00:00Z"`, `"series":"A","value":5,"time":"2026-01-01T00:00:00Z"`,
			`"series":"UNASKED","value":6`, `"series":"A","value":7,"time":"2026-01-03T00:00:00Z","quality":"suspect","why":"indicative"`, `"series":"b of a","value":"8.10"`} {
			fmt.Println(`{"reading":{` + r + `}}`)
		}
	}
	for in.Scan() {
		if strings.Contains(in.Text(), "stop") {
			return
		}
	}
}

// A run is a plug-in under test, and what it delivered.
type run struct {
	*Plugin
	log  bytes.Buffer
	mu   sync.Mutex
	told []string
	news chan struct{}
	done chan error
	stop context.CancelFunc
}

func start(t *testing.T, feeds []plan.Feed, command func(ctx context.Context) *exec.Cmd) *run {
	t.Helper()
	r := &run{news: make(chan struct{}, 10_000), done: make(chan error, 1)}
	r.Plugin = New(Options{Name: "desk", Feeds: feeds, Clock: lifeboat.WallClock{}, Log: slog.New(slog.NewTextHandler(&r.log, nil)),
		Scrub: func(text string) string { return strings.ReplaceAll(text, "hush", "•••") },
		Start: func(ctx context.Context) (*exec.Cmd, func(), error) {
			c := command(ctx)
			c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGTERM) }
			c.WaitDelay = 300 * time.Millisecond
			return c, func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }, nil
		}})
	r.silence, r.backoff, r.grace = 3*time.Second, 10*time.Millisecond, 300*time.Millisecond
	return r
}

func (r *run) begin(t *testing.T) *run {
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	go func() { r.done <- r.Run(ctx, r.hear) }()
	t.Cleanup(stop)
	return r
}

func (r *run) hear(readings []lifeboat.Reading, problems []error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range readings {
		line := fmt.Sprintf("%s@%s=%v", one.Series, one.Source, one.Value)
		if one.Quality == lifeboat.Suspect {
			line = fmt.Sprintf("%s@%s suspect: %s", one.Series, one.Source, one.Why)
		}
		r.told = append(r.told, line)
	}
	for _, problem := range problems {
		var p *lifeboat.Problem
		if !errors.As(problem, &p) || p.Reason != "feed-down" || p.Money == "" || p.Next == "" {
			panic(problem)
		}
		r.told = append(r.told, p.What)
	}
	r.news <- struct{}{}
}

// until waits for something that was told.
func (r *run) until(t *testing.T, want string) string {
	t.Helper()
	for {
		r.mu.Lock()
		all := strings.Join(r.told, "\n")
		r.mu.Unlock()
		if strings.Contains(all, want) {
			return all
		}
		select {
		case <-r.news:
		case err := <-r.done:
			t.Fatalf("ended (%v) without %q:\n%s", err, want, all)
		case <-time.After(30 * time.Second):
			t.Fatalf("%q was not told:\n%s", want, all)
		}
	}
}

var feedA = []plan.Feed{{Series: "A", Source: "desk", Plugin: "desk"}, {Series: "B", Source: "desk", Plugin: "desk", ID: "b of a"}}

func itself(how string) func(ctx context.Context) *exec.Cmd {
	return func(ctx context.Context) *exec.Cmd {
		c := exec.CommandContext(ctx, os.Args[0])
		c.Env = []string{"PLUGIN_TEST=" + how}
		return c
	}
}

func TestAPluginThatMisbehaves(t *testing.T) {
	for how, want := range map[string]string{
		"dies":              "A, B from the plug-in desk is not to be had: it ended",
		"stays silent":      "it said nothing for",
		"speaks protocol 2": "it speaks protocol 2, and lifeboat speaks 1",
		"does not greet":    "it did not say hello first",
		"prints":            `it said what is no message: "connecting with password •••"`,
		"says a long line":  "it said a line of more than 64 KiB",
		"gives up":          "no session for •••",
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			r := start(t, feedA, itself(how))
			if how == "stays silent" {
				r.silence = 200 * time.Millisecond
			}
			r.begin(t)
			all := r.until(t, want)
			if strings.Contains(all+r.log.String(), "hush") {
				t.Errorf("a secret was told:\n%s", all)
			}
			r.stop()
			if err := <-r.done; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}

func TestAPluginThatLies(t *testing.T) {
	r := start(t, feedA, itself("lies")).begin(t)
	got := r.until(t, "B@desk=8.1")
	want := strings.Join([]string{
		`A@desk suspect: "abc" is not a number`,
		`A@desk suspect: "-1" is no price: prices are positive`,
		`A@desk suspect: its time "2150-01-01T00:00:00Z" lies in the future`,
		"A@desk=3",
		`A@desk suspect: the plug-in doubts it: "indicative"`,
		"B@desk=8.1",
	}, "\n")
	if got != want {
		t.Errorf("told\n%s\nwant\n%s", got, want)
	}
}

func TestComplaintsAreScrubbedAndFew(t *testing.T) {
	r := start(t, feedA, itself("complains")).begin(t)
	r.until(t, "not entitled")
	r.stop()
	<-r.done
	if n := strings.Count(r.log.String(), "complains"); n == 0 || n > 2*complaintsMax {
		t.Errorf("%d lines in the log", n)
	}
	if strings.Contains(r.log.String(), "hush") || !strings.Contains(r.log.String(), "password ••• was refused") {
		t.Error("the log is not scrubbed")
	}
	if n := strings.Count(strings.Join(r.told, "\n"), "not entitled"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// TestNothingOutlivesAPlugin: what it started ends with it, and one that does not listen ends too.
func TestNothingOutlivesAPlugin(t *testing.T) {
	t.Run("forks", func(t *testing.T) {
		r := start(t, feedA, itself("forks")).begin(t)
		told := r.until(t, "A@desk=")
		r.stop()
		<-r.done
		v, err := strconv.ParseFloat(regexp.MustCompile(`A@desk=([0-9.e+]+)`).FindStringSubmatch(told)[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		for began := time.Now(); alive(int(v)); time.Sleep(time.Millisecond) {
			if time.Since(began) > 10*time.Second {
				t.Fatalf("its child %v lives", v)
			}
		}
	})
	t.Run("does not stop", func(t *testing.T) {
		r := start(t, feedA, itself("does not stop")).begin(t)
		r.until(t, "A@desk=1")
		r.stop()
		select {
		case <-r.done:
		case <-time.After(20 * time.Second):
			t.Fatal("it was not ended")
		}
	})
}

// alive reports a process that is there and not merely unburied.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z")
}

// TestTheExamples runs both: the readings arrive exactly, what is not asked for does not, and both stop when told.
func TestTheExamples(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("python3 is missing: testdata/peers.sh installs it")
	}
	binary := filepath.Join(t.TempDir(), "prices")
	if out, err := exec.Command("go", "build", "-o", binary, "../../../examples/plugins/go").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, run := range map[string][]string{"python": {python, "../../../examples/plugins/python/prices.py"}, "go": {binary}} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "prices.txt")
			if err := os.WriteFile(file, []byte("A 5023.25 2026-01-02T08:00:00Z\nUNASKED 1\nA 5024"), 0o600); err != nil {
				t.Fatal(err)
			}
			r := start(t, feedA, func(ctx context.Context) *exec.Cmd {
				return exec.CommandContext(ctx, run[0], append(run[1:len(run):len(run)], file)...)
			})
			r.grace = 5 * time.Second
			r.begin(t)
			r.until(t, "A@desk=5023.25")
			more, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(more, ".5 2026-01-02T08:00:01Z\n")
			more.Close()
			if got := r.until(t, "5024"); got != "A@desk=5023.25\nA@desk=5024.5" {
				t.Errorf("told %s", got)
			}
			r.stop()
			select {
			case <-r.done:
			case <-time.After(4 * time.Second):
				t.Error("it did not stop when it was told")
			}
		})
	}
}

// TestThePublishedSchema agrees with what is understood, on the page's conversation and on faulty lines.
func TestThePublishedSchema(t *testing.T) {
	content, err := os.ReadFile("../../../docs/plugin.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("plugin.json", document); err != nil {
		t.Fatal(err)
	}
	ours, theirs := compiler.MustCompile("plugin.json#/$defs/fromLifeboat"), compiler.MustCompile("plugin.json#/$defs/fromPlugin")
	page, err := os.ReadFile("../../../docs/plugins.md")
	if err != nil {
		t.Fatal(err)
	}
	_, talk, _ := strings.Cut(string(page), "```jsonl\n")
	talk, _, _ = strings.Cut(talk, "```")
	seen := 0
	for line := range strings.Lines(talk) {
		seen++
		line, schema := strings.TrimSpace(line[1:]), ours
		if strings.HasPrefix(talk[strings.Index(talk, line)-2:], "<") {
			schema = theirs
			if _, err := parse([]byte(line)); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
		if err := schema.Validate(unmarshal(t, line)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if seen < 9 {
		t.Errorf("the page shows %d lines", seen)
	}
	for _, said := range []any{hello{"hello", Protocol, "1.0"}, subscribe{"subscribe", []string{"A"}}, stop{"stop"}} {
		line, _ := json.Marshal(said)
		if err := ours.Validate(unmarshal(t, string(line))); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	for _, line := range []string{`{}`, `[]`, `{"reading":{"series":"A"}}`, `{"reading":{"value":1}}`, `{"reading":{"series":"A","value":true}}`, `{"reading":{"series":"A","value":null}}`,
		`{"reading":{"series":"A","value":1,"time":"yesterday"}}`, `{"reading":{"series":"A","value":1,"quality":"fine"}}`, `{"reading":{"series":"A","value":1,"valeu":2}}`,
		`{"error":{}}`, `{"heartbeat":{},"error":{"message":"x"}}`, `{"heartbeat":{"at":1}}`, `{"bye":{}}`} {
		if _, err := parse([]byte(line)); err == nil {
			t.Errorf("%s is understood", line)
		}
		if theirs.Validate(unmarshal(t, line)) == nil {
			t.Errorf("%s is valid", line)
		}
	}
}

func unmarshal(t *testing.T, line string) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return v
}

func TestPace(t *testing.T) {
	now, waits := time.Unix(1000, 0), 0
	var c pace
	for range 3 * linesMax {
		if until, tooFast := c.next(now); tooFast {
			waits++
			now = until
		}
	}
	if waits != 3 || now.Unix() != 1003 {
		t.Errorf("%d waits, until %d", waits, now.Unix())
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range []string{greet, `{"reading":{"series":"A","value":"1.5","time":"2026-01-02T08:00:00Z"}}`, `{"reading":{"series":"A","value":-1e400}}`, `{"error":{"message":"x"}}`, `{"heartbeat":{}} {}`} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := parse(line)
		if err != nil || m.Reading == nil {
			return
		}
		p := New(Options{Name: "desk", Feeds: []plan.Feed{{Series: "A", Source: "desk"}}})
		m.Reading.Series = "A"
		p.take(time.Unix(1_800_000_000, 0), m.Reading, func(readings []lifeboat.Reading, problems []error) {
			for _, r := range readings {
				if r.Value-r.Value != 0 || r.Quality == lifeboat.Good && r.Value <= 0 || len(problems) > 0 {
					t.Errorf("%+v", r)
				}
			}
		})
	})
}
