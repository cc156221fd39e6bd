package task_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/act/task"
	"lifeboat/act/venue"
	"lifeboat/plan"
)

var noon = time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC)

// hasty is the machine's clock for somebody who waits a hundred times shorter.
type hasty struct{ lifeboat.WallClock }

func (h hasty) Sleep(ctx context.Context, until time.Time) error {
	return h.WallClock.Sleep(ctx, h.Now().Add(until.Sub(h.Now())/100))
}

// bench is a crew with a plan of shell scripts. woken has a word for each task that ended.
type bench struct {
	task.Options
	*task.Crew
	woken chan struct{}
}

func newBench(t *testing.T, scripts map[string]string, change ...func(*task.Options)) *bench {
	t.Helper()
	b := &bench{woken: make(chan struct{}, 1000)}
	b.Options = task.Options{Plan: &plan.Plan{}, PlanDir: t.TempDir(), DataDir: t.TempDir(), Clock: hasty{}, Wake: func() { b.woken <- struct{}{} }}
	for name, text := range scripts {
		b.Plan.Commands = append(b.Plan.Commands, plan.Command{Name: name, Run: []string{"/bin/sh", "-c", text, "sh"}})
		b.Allowed = append(b.Allowed, name)
	}
	for _, c := range change {
		c(&b.Options)
	}
	b.open(t)
	return b
}

func (b *bench) open(t *testing.T) {
	t.Helper()
	crew, err := task.Open(b.Options)
	if err != nil {
		t.Fatal(err)
	}
	b.Crew = crew
	t.Cleanup(crew.Close)
}

// again is a start after a crash: the crew before it is forgotten, not closed.
func (b *bench) again(t *testing.T) *bench {
	t.Helper()
	next := &bench{Options: b.Options, woken: make(chan struct{}, 1000)}
	next.Wake = func() { next.woken <- struct{}{} }
	next.open(t)
	return next
}

// does performs a task to its end.
func (b *bench) does(t *testing.T, key lifeboat.Key, todo lifeboat.Task) lifeboat.Receipt {
	t.Helper()
	r, err := b.Perform(t.Context(), noon, key, todo)
	if err != nil {
		t.Fatal(err)
	}
	return b.ends(t, key, todo, r)
}

func (b *bench) ends(t *testing.T, key lifeboat.Key, todo lifeboat.Task, r lifeboat.Receipt) lifeboat.Receipt {
	t.Helper()
	for r.Status == lifeboat.Accepted {
		select {
		case <-b.woken:
		case <-time.After(20 * time.Second):
			t.Fatalf("%s did not end", key)
		}
		var err error
		if r, err = b.Ask(t.Context(), noon, key, todo); err != nil {
			t.Fatal(err)
		}
	}
	if r.Key != key {
		t.Fatalf("the receipt of %s came for %s", r.Key, key)
	}
	return r
}

func todo(t *testing.T, kind string, spec any, repeatable bool) lifeboat.Task {
	t.Helper()
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	return lifeboat.Task{Kind: kind, Spec: text, Repeatable: repeatable}
}

func command(t *testing.T, name string, args ...string) lifeboat.Task {
	return todo(t, "exec", plan.Exec{Command: name, Args: args}, false)
}

// A call is made once unless the owner said that it may be repeated, and it is not performed only when that is certain.
func TestCall(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the call was led to another host") }))
	defer elsewhere.Close()
	answers := func(codes ...int) func(int, http.ResponseWriter, *http.Request) {
		return func(n int, w http.ResponseWriter, _ *http.Request) {
			code := codes[min(n, len(codes))-1]
			if code == 0 { // the server did it, and its answer is lost
				connection, _, _ := http.NewResponseController(w).Hijack()
				_ = connection.Close()
				return
			}
			w.WriteHeader(code)
			_, _ = fmt.Fprint(w, "said the server")
		}
	}
	redirect := func(code int, to string) func(int, http.ResponseWriter, *http.Request) {
		return func(n int, w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/there" {
				return
			}
			w.Header().Set("Location", to)
			w.WriteHeader(code)
		}
	}
	const once, many = 1, -1
	for _, tc := range []struct {
		name    string
		method  string
		again   bool
		server  func(n int, w http.ResponseWriter, r *http.Request)
		status  lifeboat.ReceiptStatus
		lost    bool
		calls   int
		failure string
	}{
		{"a yes", "POST", false, answers(201), lifeboat.Performed, false, once, ""},
		{"a no", "POST", false, answers(403), lifeboat.NotPerformed, false, once, ""},
		{"a no to what may be repeated", "POST", true, answers(404), lifeboat.NotPerformed, false, once, ""},
		{"trouble leaves it open", "POST", false, answers(502), lifeboat.Unknown, true, once, "transient"},
		{"a lost answer leaves it open", "POST", false, answers(0), lifeboat.Unknown, true, once, "transient"},
		{"too many calls is a no", "POST", false, answers(429), lifeboat.NotPerformed, false, once, "transient"},
		{"repeated until a yes", "POST", true, answers(0, 503, 429, 200), lifeboat.Performed, false, 4, ""},
		{"repeated until it is too late", "PUT", true, answers(500), lifeboat.Unknown, true, many, "transient"},
		{"a question may be asked again", "GET", false, answers(500, 200), lifeboat.Performed, false, 2, ""},
		{"a question has nothing to lose", "GET", false, answers(500), lifeboat.NotPerformed, false, many, "transient"},
		{"another host", "GET", false, redirect(302, elsewhere.URL), lifeboat.NotPerformed, false, once, ""},
		{"another host, with the body", "POST", false, redirect(307, elsewhere.URL), lifeboat.Unknown, true, once, ""},
		{"look there for the result", "POST", false, redirect(303, "/there"), lifeboat.Unknown, true, once, ""},
		{"the same host", "GET", false, redirect(302, "/there"), lifeboat.Performed, false, 2, ""},
		{"the same host, with the body", "POST", false, redirect(308, "/there"), lifeboat.Performed, false, 2, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var calls atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Idempotency-Key") != "lb-call" || r.Method != tc.method {
					t.Errorf("%s with the key %q", r.Method, r.Header.Get("Idempotency-Key"))
				}
				tc.server(int(calls.Add(1)), w, r)
			}))
			defer server.Close()
			b := newBench(t, nil)
			r := b.does(t, "lb-call", todo(t, "http", map[string]any{"method": tc.method, "url": server.URL, "timeout": "2s"}, tc.again))
			if r.Status != tc.status || r.Lost != tc.lost {
				t.Errorf("got %+v", r)
			}
			if n := int(calls.Load()); n != tc.calls && (tc.calls != many || n < 3) {
				t.Errorf("%d calls", n)
			}
			if tc.status != lifeboat.Unknown && r.Facts["failure"] != tc.failure {
				t.Errorf("the failure is %q", r.Facts["failure"])
			}
		})
	}
}

// What never left the house is not performed for certain.
func TestCallThatNeverLeft(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + listener.Addr().String()
	_ = listener.Close()
	for _, url := range []string{nobody, "http://nobody.invalid/"} {
		r := newBench(t, nil).does(t, "lb-1", todo(t, "http", plan.HTTP{URL: url}, false))
		if r.Status != lifeboat.NotPerformed || !strings.Contains(r.Why, "nothing was sent") {
			t.Errorf("got %+v", r)
		}
	}
}

// The standard client repeats a call by itself when a connection that it kept was closed, and takes the Idempotency-Key as
// leave. Ours does not.
func TestNoCallIsRepeatedByTheClient(t *testing.T) {
	var posts atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if posts.Add(1) == 1 {
			return // the connection may be kept
		}
		connection, _, _ := http.NewResponseController(w).Hijack()
		_ = connection.Close()
	}))
	defer server.Close()
	b := newBench(t, nil)
	call := todo(t, "http", plan.HTTP{URL: server.URL}, false)
	if r := b.does(t, "lb-1", call); r.Status != lifeboat.Performed {
		t.Fatalf("got %+v", r)
	}
	if r := b.does(t, "lb-2", call); !r.Lost || posts.Load() != 2 {
		t.Errorf("got %+v after %d calls", r, posts.Load())
	}
}

// Nobody reads a secret in a receipt: not in what the other side repeats, not in an address, not in an error.
func TestSecretsAreNotTold(t *testing.T) {
	const secret = "s3cret/with+signs\"and"
	t.Setenv("BROKER_KEY", secret)
	t.Setenv("OTHER_TOKEN", "another-secret-1")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+secret || r.URL.Query().Get("key") == "" {
			t.Errorf("the call carries %v", r.Header)
		}
		w.WriteHeader(http.StatusTeapot)
		told, _ := json.Marshal(map[string]string{"you said": r.Header.Get("Authorization"), "and": r.URL.RawQuery, "also": "another-secret-1"})
		_, _ = fmt.Fprintf(w, "%s\x1b[2J", told)
	}))
	defer server.Close()
	step := plan.HTTP{URL: server.URL + "/?key=${OTHER_TOKEN}", Headers: map[string]string{"Authorization": "Bearer ${BROKER_KEY}"}}
	b := newBench(t, map[string]string{"tells": `echo "$@"; env`}, func(o *task.Options) {
		o.Plan.Playbooks = []plan.Playbook{{Name: "p", Steps: []plan.Step{{HTTP: &step}}}}
	})
	for _, r := range []lifeboat.Receipt{
		b.does(t, "lb-1", todo(t, "http", step, false)),
		b.does(t, "lb-2", command(t, "tells", secret)),
		b.does(t, "lb-3", todo(t, "http", plan.HTTP{URL: "http://nobody.invalid/${OTHER_TOKEN}"}, false)),
	} {
		text := fmt.Sprintf("%+v", r)
		if strings.Contains(text, "s3cret") || strings.Contains(text, "another-secret") || strings.Contains(text, "\x1b") {
			t.Errorf("told %q", text)
		}
	}
	if r := b.does(t, "lb-4", todo(t, "http", plan.HTTP{URL: server.URL + "/${NOT_SET_HERE}"}, false)); !strings.Contains(r.Why, "the environment has no NOT_SET_HERE") {
		t.Errorf("got %+v", r)
	}
}

func TestCommand(t *testing.T) {
	b := newBench(t, map[string]string{
		"well": `echo "I am in $(pwd) with $1"`, "badly": `echo "no space" >&2; exit 3`, "much": `yes 0123456789 | head -c 3000000; echo end`,
		"forbidden": "true", "elsewhere": "true", "linked": "true",
	}, func(o *task.Options) {
		if err := errors.Join(os.Mkdir(filepath.Join(o.PlanDir, "sub"), 0o700), os.Symlink(os.TempDir(), filepath.Join(o.PlanDir, "out"))); err != nil {
			t.Fatal(err)
		}
		o.Allowed = []string{"well", "badly", "much", "elsewhere", "linked", "bare"}
		dirs := map[string]string{"well": "sub", "elsewhere": "../..", "linked": "out"}
		for i, c := range o.Plan.Commands {
			o.Plan.Commands[i].Dir = dirs[c.Name]
		}
		o.Plan.Commands = append(o.Plan.Commands, plan.Command{Name: "bare", Run: []string{"true"}})
	})
	for i, tc := range []struct {
		name, arg string
		status    lifeboat.ReceiptStatus
		says      string // a part of Why or Output
	}{
		{"well", "$(touch x); `touch y` *", lifeboat.Performed, "/sub with $(touch x); `touch y` *"},
		{"badly", "", lifeboat.NotPerformed, "exit status 3"},
		{"badly", "", lifeboat.NotPerformed, "no space"},
		{"much", "", lifeboat.Performed, "end"},
		{"forbidden", "", lifeboat.NotPerformed, "not started with leave"},
		{"nothing", "", lifeboat.NotPerformed, "lists no command"},
		{"elsewhere", "", lifeboat.NotPerformed, "not inside the plan directory"},
		{"linked", "", lifeboat.NotPerformed, "leads out of the plan directory"},
		{"bare", "", lifeboat.NotPerformed, "full path"},
	} {
		r := b.does(t, lifeboat.Key(fmt.Sprint("lb-", i)), command(t, tc.name, tc.arg))
		if r.Status != tc.status || !strings.Contains(r.Why+"\n"+r.Output, tc.says) || len(r.Output) > 4096 {
			t.Errorf("%s: got %+v", tc.name, r)
		}
	}
}

// A command that takes too long is stopped with everything that it started.
func TestCommandThatHangs(t *testing.T) {
	b := newBench(t, map[string]string{"hangs": `trap "" TERM; sleep 300 & echo $!; sleep 300`})
	r := b.does(t, "lb-1", todo(t, "exec", map[string]any{"command": "hangs", "timeout": "1s"}, false))
	if r.Status != lifeboat.NotPerformed || !strings.Contains(r.Why, "was stopped") {
		t.Fatalf("got %+v", r)
	}
	child, err := strconv.Atoi(strings.TrimSpace(r.Output))
	if err != nil {
		t.Fatal(err)
	}
	if !gone(child) {
		t.Errorf("process %d runs on", child)
	}
}

// gone waits a little for a process to end.
func gone(pid int) bool {
	for range 200 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// After a crash the note says what is true.
func TestAfterACrash(t *testing.T) {
	for _, tc := range []struct {
		name       string
		crash      func(t *testing.T, b *bench, job lifeboat.Task)
		repeatable bool
		shared     bool
		absent     bool
		lost       bool
		times      int // that the command has begun in the end, once it was sent again where that is safe
	}{
		{name: "before anything was noted", crash: nil, absent: true, times: 1},
		{name: "the same with another machine", crash: nil, shared: true, lost: true, times: 0},
		{name: "the same, repeatable", crash: nil, shared: true, repeatable: true, absent: true, times: 1},
		{name: "taken on, not begun", crash: notBegun, times: 1},
		{name: "under way", crash: underWay, lost: true, times: 1},
		{name: "under way, repeatable", crash: underWay, repeatable: true, times: 2},
		{name: "ended", crash: over, times: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, map[string]string{"counts": `echo x >> count; [ -e go ] || sleep 300`}, func(o *task.Options) { o.Shared = tc.shared })
			job := todo(t, "exec", plan.Exec{Command: "counts"}, tc.repeatable)
			if tc.crash != nil {
				tc.crash(t, b, job)
			}
			write(t, filepath.Join(b.PlanDir, "go"))
			next := b.again(t)
			r, err := next.Ask(t.Context(), noon, "lb-1", job)
			if errors.Is(err, lifeboat.ErrAbsent) != tc.absent || r.Lost != tc.lost {
				t.Fatalf("got %+v, %v", r, err)
			}
			switch {
			case tc.absent:
				r = next.does(t, "lb-1", job)
			case !tc.lost:
				r = next.ends(t, "lb-1", job, r)
			}
			if !tc.lost && r.Status != lifeboat.Performed {
				t.Errorf("got %+v", r)
			}
			if n := lines(t, filepath.Join(b.PlanDir, "count")); n != tc.times {
				t.Errorf("it was begun %d times", n)
			}
		})
	}
}

func notBegun(t *testing.T, b *bench, job lifeboat.Task) {
	asked := make(chan struct{}, 1)
	b.Options.Fence = func() error { asked <- struct{}{}; return errors.New("another one has taken over") }
	fenced := b.again(t)
	if r, err := fenced.Perform(t.Context(), noon, "lb-1", job); err != nil || r.Status != lifeboat.Accepted {
		t.Fatalf("got %+v, %v", r, err)
	}
	until(t, func() bool { return len(asked) == 1 })
	fenced.Close()
	b.Options.Fence = nil
}

func underWay(t *testing.T, b *bench, job lifeboat.Task) {
	if _, err := b.Perform(t.Context(), noon, "lb-1", job); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return lines(t, filepath.Join(b.PlanDir, "count")) == 1 })
	b.Close() // as a crash: nothing is noted of what was cut off
}

func over(t *testing.T, b *bench, job lifeboat.Task) {
	write(t, filepath.Join(b.PlanDir, "go"))
	b.does(t, "lb-1", job)
}

func write(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func lines(t *testing.T, name string) int {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Count(string(content), "\n")
}

func until(t *testing.T, holds func() bool) {
	t.Helper()
	for range 1000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it did not come about")
}

// A process that is killed in the middle of a command takes the command along, and the next one asks a person.
func TestKilled(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere a command may outlive lifeboat, and the package says so")
	}
	if dir := os.Getenv("LIFEBOAT_TASK_VICTIM"); dir != "" {
		victim := newBench(t, map[string]string{"sleeps": `echo $$ > pid; mv pid begun; exec sleep 300`}, func(o *task.Options) { o.PlanDir, o.DataDir = dir, dir })
		victim.does(t, "lb-1", command(t, "sleeps"))
		return
	}
	dir := t.TempDir()
	victim := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	victim.Env = append(os.Environ(), "LIFEBOAT_TASK_VICTIM="+dir)
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	begun := filepath.Join(dir, "begun")
	until(t, func() bool { _, err := os.Stat(begun); return err == nil })
	_ = victim.Process.Signal(syscall.SIGKILL)
	_ = victim.Wait()
	text, err := os.ReadFile(begun)
	if err != nil {
		t.Fatal(err)
	}
	if pid, _ := strconv.Atoi(strings.TrimSpace(string(text))); pid == 0 || !gone(pid) {
		t.Errorf("the command %s runs on", text)
	}
	b := newBench(t, map[string]string{"sleeps": "true"}, func(o *task.Options) { o.PlanDir, o.DataDir = dir, dir })
	if r, err := b.Ask(t.Context(), noon, "lb-1", command(t, "sleeps")); err != nil || !r.Lost {
		t.Errorf("got %+v, %v", r, err)
	}
}

// One key is one task, however often and from wherever it comes.
func TestOneKeyIsOneTask(t *testing.T) {
	b := newBench(t, map[string]string{"counts": `echo x >> count`})
	job := command(t, "counts")
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() { _, _ = b.Perform(t.Context(), noon, "lb-1", job) })
	}
	wait.Wait()
	if r := b.does(t, "lb-1", job); r.Status != lifeboat.Performed || lines(t, filepath.Join(b.PlanDir, "count")) != 1 {
		t.Errorf("got %+v after %d times", r, lines(t, filepath.Join(b.PlanDir, "count")))
	}
	if r := b.does(t, "lb-1", command(t, "counts", "more")); r.Status != lifeboat.NotPerformed || !strings.Contains(r.Why, "another task") {
		t.Errorf("got %+v", r)
	}
}

// No more than a few run at once, and no more than some wait.
func TestBounds(t *testing.T) {
	b := newBench(t, map[string]string{"waits": `echo x >> count; until [ -e go ]; do sleep 0.02; done`})
	refused := 0
	for i := range 70 {
		r, err := b.Perform(t.Context(), noon, lifeboat.Key(fmt.Sprint("lb-", i)), command(t, "waits"))
		if err != nil {
			t.Fatal(err)
		}
		if r.Status == lifeboat.NotPerformed {
			refused++
		}
	}
	time.Sleep(200 * time.Millisecond)
	if n := lines(t, filepath.Join(b.PlanDir, "count")); refused != 6 || n != 4 {
		t.Errorf("%d refused, %d at once", refused, n)
	}
	write(t, filepath.Join(b.PlanDir, "go"))
	for range 64 {
		<-b.woken
	}
	if n := lines(t, filepath.Join(b.PlanDir, "count")); n != 64 {
		t.Errorf("%d were done", n)
	}
}

// What cannot be noted is not begun, and what is no note is not taken for absence.
func TestNotesThatFail(t *testing.T) {
	b := newBench(t, map[string]string{"counts": `echo x >> count`})
	notes := filepath.Join(b.DataDir, "tasks")
	if err := os.Rename(notes, notes+".away"); err != nil {
		t.Fatal(err)
	}
	job := command(t, "counts")
	if r, err := b.Perform(t.Context(), noon, "lb-1", job); err == nil {
		t.Errorf("got %+v", r)
	}
	if err := os.Rename(notes+".away", notes); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Ask(t.Context(), noon, "lb-1", job); !errors.Is(err, lifeboat.ErrAbsent) {
		t.Errorf("got %v", err)
	}
	b.does(t, "lb-1", job)
	files, err := filepath.Glob(filepath.Join(notes, "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	if err := os.WriteFile(files[0], []byte(`{"key":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.again(t).Ask(t.Context(), noon, "lb-1", job); err == nil || errors.Is(err, lifeboat.ErrAbsent) {
		t.Errorf("a damaged note was taken for %v", err)
	}
	if n := lines(t, filepath.Join(b.PlanDir, "count")); n != 1 {
		t.Errorf("it was done %d times", n)
	}
	write(t, filepath.Join(b.PlanDir, "file"))
	if _, err := task.Open(task.Options{Plan: b.Plan, DataDir: filepath.Join(b.PlanDir, "file"), Clock: hasty{}}); lifeboat.KindOf(err) != lifeboat.Storage {
		t.Errorf("got %v", err)
	}
}

// memory is a journal; a flow that recovers from it has crashed and started again.
type memory struct {
	at     []time.Time
	events []lifeboat.Event
}

func (m *memory) Append(at time.Time, events ...lifeboat.Event) error {
	for _, e := range events {
		m.at, m.events = append(m.at, at), append(m.events, e)
	}
	return nil
}

// once is a stage that wants one thing done.
type once struct {
	intent lifeboat.Intent
	asked  bool
}

func (o *once) Apply(_ time.Time, e lifeboat.Event) {
	if i, ok := e.(lifeboat.Intent); ok && i.Key == o.intent.Key {
		o.asked = true
	}
}

func (o *once) Next(time.Time) []lifeboat.Event {
	if o.asked {
		return nil
	}
	return []lifeboat.Event{o.intent}
}

func (*once) Due() time.Time { return time.Time{} }

// Through the flow: a task that was taken on before a crash is brought to its end after it, once where that is needed.
func TestThroughTheFlow(t *testing.T) {
	for _, repeatable := range []bool{false, true} {
		t.Run(fmt.Sprint("repeatable ", repeatable), func(t *testing.T) {
			b := newBench(t, map[string]string{"counts": `echo x >> count; [ -e go ] || sleep 300`})
			intent := lifeboat.Intent{Key: "lb-1", Act: lifeboat.PerformTask, Task: new(todo(t, "exec", plan.Exec{Command: "counts"}, repeatable))}
			journal := &memory{}
			start := func(b *bench) *lifeboat.Flow {
				desk := venue.NewDesk(nil, nil)
				desk.Perform("exec", b)
				f := &lifeboat.Flow{Journal: journal, Book: lifeboat.NewBook("USD"), Allow: func(lifeboat.Intent) error { return nil },
					Stages: []lifeboat.Stage{&once{intent: intent}}, Hands: desk}
				for i, e := range journal.events {
					f.Recover(journal.at[i], e)
				}
				return f
			}
			if err := start(b).Advance(t.Context(), noon); err != nil {
				t.Fatal(err)
			}
			until(t, func() bool { return lines(t, filepath.Join(b.PlanDir, "count")) == 1 })
			b.Close()
			write(t, filepath.Join(b.PlanDir, "go"))
			next := b.again(t)
			flow := start(next)
			last := func() lifeboat.Receipt {
				if err := flow.Advance(t.Context(), noon); err != nil {
					t.Fatal(err)
				}
				r, _ := journal.events[len(journal.events)-1].(lifeboat.Receipt)
				return r
			}
			if repeatable {
				until(t, func() bool { return last().Status == lifeboat.Performed })
			} else if r := last(); !r.Lost {
				t.Errorf("got %+v", r)
			}
			if n, want := lines(t, filepath.Join(b.PlanDir, "count")), map[bool]int{false: 1, true: 2}[repeatable]; n != want {
				t.Errorf("it was begun %d times", n)
			}
		})
	}
}

// Whatever stands in a journal, a crew answers in one sentence and does nothing that is not allowed.
func FuzzPerform(f *testing.F) {
	crew, err := task.Open(task.Options{Plan: &plan.Plan{}, PlanDir: f.TempDir(), DataDir: f.TempDir(), Clock: hasty{}, Terraform: "/nowhere/terraform",
		Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network here") }}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(crew.Close)
	for _, seed := range []string{`{"command":"x"}`, `{"url":"https://${A}"}`, `{"dir":"..","by":"a","hash":"00"}`, `{"dependency":"a","to":"b"}`, `null`, `[`, `{"dir":"/","by":""} {}`} {
		for _, kind := range append(crew.Kinds(), "unknown") {
			f.Add(kind, seed)
		}
	}
	n := 0
	f.Fuzz(func(t *testing.T, kind, spec string) {
		n++
		key := lifeboat.NewKey(kind, spec, n)
		r, err := crew.Perform(t.Context(), noon, key, lifeboat.Task{Kind: kind, Spec: json.RawMessage(spec)})
		if err != nil || r.Key != key || r.Why == "" || r.Status == lifeboat.Performed || strings.Contains(r.Why, "\n") {
			t.Errorf("%s %q: got %+v, %v", kind, spec, r, err)
		}
	})
}
