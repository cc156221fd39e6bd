package app_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/keep/sqlite"
	"lifeboat/watch/state"
)

// To the plan of the replay come playbooks whose runs trade, wait, ask for an answer that nobody gives, and stay open.
var savedPlan = strings.Replace(replayPlan, "triggers:\n", `  - {series: BTC.volume, source: one, url: "URL/volume", path: "$.volume", time: "$.time", every: 1m, stale_after: 5m}
triggers:
`, 1) + `
  - {name: defend, tier: 2, condition: "drawdown(BTC) >= 3.5%", playbook: leave, cooldown: 2h15s}
  - {name: deep, tier: 2, condition: "drawdown(BTC) >= 4.2%", playbook: consult}
people: [{name: Ana, role: owner}]
playbooks:
  - name: leave
    steps:
      - {name: sure, check: {that: "return(BTC, 90m) < 1%"}, timeout: 180m15s}
      - {name: first, rebalance: "reduce crypto by 10%", timeout: 60m15s}
      - {name: breathe, wait: 40m15s}
      - {name: second, rebalance: "reduce crypto by 10%", timeout: 70m15s}
  - name: consult
    steps:
      - {name: ask, approve: owner, timeout: 120m15s}
`

const savedNotUsed = "the saved state is not used"

const lifeVariable = "LIFEBOAT_TEST_LIFE"

// A life of a daemon on a clock and feeds of its own.
type life struct {
	t                *testing.T
	clock            *countingClock
	planDir, dataDir string
	name             string // under which its feeds answer; the plan has a variable, so that all lives have the same plan
	began            time.Time
	log              *bytes.Buffer
	daemon           *app.Daemon
	stop             func()
	statuses         []string
}

// An oracle is the sources of many lives, each at its own time.
type oracle struct {
	server *httptest.Server
	mux    *http.ServeMux
	lives  int
}

func newOracle(t *testing.T) *oracle {
	o := &oracle{mux: http.NewServeMux()}
	o.server = httptest.NewServer(o.mux)
	t.Cleanup(o.server.Close)
	return o
}

func (o *oracle) open(clock lifeboat.Clock) string {
	o.lives++
	name := fmt.Sprint("life", o.lives)
	o.mux.Handle("/"+name+"/", http.StripPrefix("/"+name, sources(clock, lifeBegan)))
	return name
}

var lifeBegan = time.Date(2026, 11, 8, 22, 30, 10, 0, time.UTC)

// newLife begins at a time, on a copy of a data directory unless that is "".
func newLife(t *testing.T, o *oracle, at time.Time, data, planText string) *life {
	t.Helper()
	l := &life{t: t, clock: &countingClock{watchClock: newWatchClock(at)}, began: lifeBegan, log: &bytes.Buffer{}}
	l.name = o.open(l.clock)
	dir := t.TempDir()
	l.planDir, l.dataDir = filepath.Join(dir, "plan"), filepath.Join(dir, "data")
	put(t, filepath.Join(l.planDir, "plan.yaml"), strings.ReplaceAll(planText, "URL", o.server.URL+"/${"+lifeVariable+"}"))
	if data != "" {
		copyDir(t, data, l.dataDir)
	}
	return l
}

func (l *life) start() {
	l.t.Helper()
	l.t.Setenv(lifeVariable, l.name)
	p, err := app.LoadPlan(l.planDir)
	if err != nil {
		l.t.Fatal(err)
	}
	l.daemon, err = app.NewDaemon(context.Background(), app.DaemonOptions{Plan: p, PlanDir: l.planDir, DataDir: l.dataDir, Listen: "127.0.0.1:0", Version: "test",
		Clock: l.clock, People: io.Discard, Log: slog.New(slog.NewTextHandler(l.log, nil))})
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(l.t.Context())
	done := make(chan error, 1)
	go func() { done <- l.daemon.Run(ctx) }()
	l.stop = func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Error(err)
		}
	}
	l.settle()
}

// settle waits until all that has to be done at this time is done, and notes what a person sees then. While the sources
// answer nothing, nobody knows whether the last news of it is in; and at the end of a minute there may be none.
func (l *life) settle() {
	l.t.Helper()
	l.clock.settle(l.t, l.daemon, l.began)
	if outage(l.clock.Now().Truncate(time.Minute), l.began) || l.clock.Now().Second() == 59 {
		return
	}
	for patience := time.Now().Add(20 * time.Second); !l.daemon.Status().At.Equal(l.clock.Now()); time.Sleep(50 * time.Microsecond) {
		if time.Now().After(patience) {
			l.t.Fatalf("no status is told at %s", l.clock.Now())
		}
	}
	text, err := json.Marshal(l.daemon.Status())
	if err != nil {
		l.t.Fatal(err)
	}
	l.statuses = append(l.statuses, string(text))
}

// until goes on in steps, of which one ends with the minute. Sources are asked at ten seconds past a minute, and what is due at a quarter of a minute
// after another step is done before that or long after: of two things at one instant nobody can tell which comes first.
func (l *life) until(end time.Time) {
	l.t.Helper()
	for l.clock.Now().Before(end) {
		step := 30 * time.Second
		switch l.clock.Now().Second() {
		case 40:
			step = 19 * time.Second
		case 59:
			step = 11 * time.Second
		}
		l.clock.move(step)
		l.settle()
	}
}

func (l *life) file(name string) []byte {
	l.t.Helper()
	content, err := os.ReadFile(filepath.Join(l.dataDir, name))
	if err != nil {
		l.t.Fatal(err)
	}
	return content
}

// told is everything in the journal.
func (l *life) told() (lines []string) {
	l.t.Helper()
	reader, err := sqlite.OpenReader(l.dataDir)
	if err != nil {
		l.t.Fatal(err)
	}
	defer reader.Close()
	for e, err := range reader.Entries(context.Background(), 0) {
		if err != nil {
			l.t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%d %s %s %s %x", e.Seq, e.At.Format(time.RFC3339Nano), e.Word, e.Body, e.Hash[:4]))
	}
	return lines
}

// goesOn starts a daemon on a copy of a data directory, lets it watch for a while, and stops it.
func goesOn(t *testing.T, o *oracle, at time.Time, data, planText string, watch time.Duration, change func(dataDir string)) *life {
	t.Helper()
	l := newLife(t, o, at, data, planText)
	change(l.dataDir)
	l.start()
	l.until(at.Add(watch))
	l.stop()
	return l
}

// same holds what came of one life against what came of another, to the last byte.
func same(t *testing.T, name string, got, want *life) {
	t.Helper()
	compare(t, name+": status", got.statuses, want.statuses)
	compare(t, name+": journal", got.told(), want.told())
	if !bytes.Equal(got.file("paper-desk.jsonl"), want.file("paper-desk.jsonl")) {
		t.Errorf("%s: the paper accounts differ", name)
	}
	if !bytes.Equal(got.file(app.SavedState), want.file(app.SavedState)) {
		t.Errorf("%s: the states at the end differ", name)
	}
}

func compare(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	t.Errorf("%s: %d lines, want %d; they part at\n%s\n%s", what, len(got), len(want), strings.Join(got[at:min(at+1, len(got))], ""), strings.Join(want[at:min(at+1, len(want))], ""))
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func without(t *testing.T) func(string) {
	return func(dataDir string) {
		t.Helper()
		if err := os.Remove(filepath.Join(dataDir, app.SavedState)); err != nil {
			t.Fatal(err)
		}
	}
}

func asItIs(string) {}

// TestRestartFromSavedState stops or kills a daemon at many times and starts it with its saved state and without. Nobody
// can tell which is which.
func TestRestartFromSavedState(t *testing.T) {
	o := newOracle(t)
	first := newLife(t, o, lifeBegan, "", savedPlan)
	first.start()
	states := map[string]bool{}
	// At the start, in a run that sells, waits or asks, after a lie, while both sources are silent.
	for _, p := range []struct {
		minute int
		killed bool
		away   int // minutes; none are too few to tell whether the first round of questions is answered
	}{
		{1, true, 1}, {9, true, 1}, {48, false, 60}, {91, true, 3}, {215, true, 7}, {329, false, 1}, {332, true, 1}, {350, false, 2}, {371, true, 1},
		{402, false, 1}, {440, true, 10}, {445, false, 1}, {590, true, 1}, {720, true, 51}, {731, false, 40}, {790, false, 26 * 60},
	} {
		first.until(lifeBegan.Add(time.Duration(p.minute) * time.Minute))
		if !p.killed {
			first.stop()
		}
		t.Run(fmt.Sprintf("minute %d", p.minute), func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "copy")
			copyDir(t, first.dataDir, data)
			at := first.clock.Now().Add(time.Duration(p.away) * time.Minute)
			slow := goesOn(t, o, at, data, savedPlan, time.Hour, without(t))
			fast := goesOn(t, o, at, data, savedPlan, time.Hour, asItIs)
			same(t, "with the saved state", fast, slow)
			if strings.Contains(fast.log.String(), savedNotUsed) {
				t.Error(fast.log.String())
			}
			for _, e := range fast.told() {
				states[strings.Fields(e)[2]] = true
			}
		})
		if !p.killed {
			first.clock.move(time.Minute)
			first.start()
		}
	}
	first.stop()
	for _, word := range []string{"gap", "firing", "incident", "decision", "run-started", "intent", "receipt", "step-finished", "run-finished", "resumed"} {
		if !states[word] {
			t.Errorf("no %s in any journal: the market is too calm to prove anything", word)
		}
	}
}

// TestSavedStateThatDoesNotFit starts on states that were damaged, cut or left behind, of another journal or another
// time. What does not fit is not used, and says so; either way everything is as without.
func TestSavedStateThatDoesNotFit(t *testing.T) {
	o := newOracle(t)
	first := newLife(t, o, lifeBegan, "", savedPlan)
	first.start()
	keep := func(minute int) string {
		first.until(lifeBegan.Add(time.Duration(minute) * time.Minute))
		data := filepath.Join(t.TempDir(), "data")
		copyDir(t, first.dataDir, data)
		return data
	}
	early, middle, late := keep(20), keep(200), keep(240)
	first.stop()
	foreign := newLife(t, o, lifeBegan.Add(7*time.Minute), "", savedPlan)
	foreign.start()
	foreign.until(lifeBegan.Add(30 * time.Minute))
	foreign.stop()

	read := func(dir string) []byte {
		content, err := os.ReadFile(filepath.Join(dir, app.SavedState))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	whole := read(middle)
	holding := func(content []byte) func(string) {
		return func(dir string) { put(t, filepath.Join(dir, app.SavedState), string(content)) }
	}
	flipped := func(at int) []byte {
		other := bytes.Clone(whole)
		other[at] ^= 4
		return other
	}
	at := lifeBegan.Add(202 * time.Minute)
	slow := goesOn(t, o, at, middle, savedPlan, 30*time.Minute, without(t))
	for name, c := range map[string]struct {
		change func(string)
		why    string // "" when it is used
	}{
		"as it is":             {asItIs, ""},
		"older":                {holding(read(early)), ""},
		"a torn one beside it": {func(dir string) { put(t, filepath.Join(dir, app.SavedState+".new"), string(whole[:1000])) }, ""},
		"cannot be replaced": {func(dir string) {
			if err := os.MkdirAll(filepath.Join(dir, app.SavedState+".new", "x"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"empty":              {holding(nil), "damaged"},
		"cut in the head":    {holding(whole[:20]), "damaged"},
		"cut in the middle":  {holding(whole[:len(whole)/2]), "damaged"},
		"cut at its end":     {holding(whole[:len(whole)-1]), "damaged"},
		"longer":             {holding(append(bytes.Clone(whole), 0)), "damaged"},
		"damaged head":       {holding(flipped(30)), "damaged"},
		"damaged middle":     {holding(flipped(len(whole) / 2)), "damaged"},
		"damaged sum":        {holding(flipped(len(whole) - 3)), "damaged"},
		"newer":              {holding(read(late)), "the journal does not have its entry"},
		"of another journal": {holding(foreign.file(app.SavedState)), "the journal does not have its entry"},
		"of another form":    {holding(sealed([]byte("nothing that a lifeboat wrote"))), "another form"},
		"of another program": {holding(madeBy(t, whole)), "another plan or another program"},
		"with more in it":    {holding(sealed(append(bytes.Clone(whole[:len(whole)-sha256.Size]), 0))), "damaged"},
		"with nothing in it": {holding(headOf(t, whole)), "damaged"},
		"a folder in its place": {func(dir string) {
			without(t)(dir)
			if err := os.Mkdir(filepath.Join(dir, app.SavedState), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "no file"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, o, at, middle, savedPlan)
			c.change(l.dataDir)
			l.start()
			l.until(at.Add(30 * time.Minute))
			l.stop()
			compare(t, "status", l.statuses, slow.statuses)
			compare(t, "journal", l.told(), slow.told())
			if log := l.log.String(); strings.Contains(log, savedNotUsed) != (c.why != "") || !strings.Contains(log, c.why) {
				t.Errorf("want %q in the log: %s", c.why, log)
			}
			if info, err := os.Stat(filepath.Join(l.dataDir, app.SavedState)); err != nil {
				t.Error(err)
			} else if info.Mode().IsRegular() && name != "cannot be replaced" && !bytes.Equal(l.file(app.SavedState), slow.file(app.SavedState)) {
				t.Error("the states at the end differ")
			}
		})
	}
}

// An edited plan is another plan: its operators never saw what theirs saw.
func TestSavedStateOfAnotherPlan(t *testing.T) {
	o := newOracle(t)
	first := newLife(t, o, lifeBegan, "", savedPlan)
	first.start()
	first.until(lifeBegan.Add(190 * time.Minute))
	first.stop()
	edited := strings.Replace(savedPlan, "drawdown(BTC) >= 4%", "drawdown(BTC) >= 3%", 1)
	at := lifeBegan.Add(191 * time.Minute)
	slow := goesOn(t, o, at, first.dataDir, edited, 20*time.Minute, without(t))
	fast := goesOn(t, o, at, first.dataDir, edited, 20*time.Minute, asItIs)
	same(t, "an edited plan", fast, slow)
	if !strings.Contains(fast.log.String(), "another plan or another program") {
		t.Errorf("the log does not say why the start took longer: %s", fast.log.String())
	}
}

// sealed puts the sum behind a content.
func sealed(content []byte) []byte {
	sum := sha256.Sum256(content)
	return append(bytes.Clone(content), sum[:]...)
}

// heads reads the three texts that a state begins with.
func heads(t *testing.T, whole []byte) (texts [3]string, rest []byte) {
	t.Helper()
	c := state.Reader(whole[:len(whole)-sha256.Size])
	n := 0
	for i := range texts {
		c.Text(&texts[i])
		n += 8 + len(texts[i])
	}
	if c.Broken() != nil {
		t.Fatal(c.Broken())
	}
	return texts, whole[n : len(whole)-sha256.Size]
}

func headOf(t *testing.T, whole []byte) []byte {
	_, rest := heads(t, whole)
	return sealed(whole[:len(whole)-sha256.Size-len(rest)])
}

func madeBy(t *testing.T, whole []byte) []byte {
	texts, rest := heads(t, whole)
	texts[1] = strings.Repeat("0", len(texts[1]))
	c := state.Writer()
	for i := range texts {
		c.Text(&texts[i])
	}
	return sealed(append(c.Bytes(), rest...))
}

// BenchmarkRestart opens a journal of 100,000 instants of 10 readings, with the saved state and without.
func BenchmarkRestart(b *testing.B) {
	const instants = 100_000
	dir := b.TempDir()
	planDir, dataDir := filepath.Join(dir, "plan"), filepath.Join(dir, "data")
	if err := os.Mkdir(planDir, 0o755); err != nil {
		b.Fatal(err)
	}
	var feeds, triggers strings.Builder
	for i := range 10 {
		fmt.Fprintf(&feeds, "  - {series: S%d, source: x, url: \"http://127.0.0.1:9/%d\", path: \"$.p\", every: 1h, stale_after: 5m}\n", i, i)
		fmt.Fprintf(&triggers, "  - {name: fall %d, tier: 1, condition: \"drawdown(S%d, 7d) >= 60%% AND S%d < ma(S%d, 24h)\"}\n", i, i, i, i)
	}
	text := "portfolio: {name: Tiny, base_currency: USD, calendar: 24/7}\naccounts: [{name: desk, kind: exchange, venue: paper}]\n" +
		"holdings:\n  - {symbol: S0, account: desk, quantity: 1, class: crypto}\n  - {symbol: USD, account: desk, quantity: 1000}\n" +
		"feeds:\n" + feeds.String() + "triggers:\n" + triggers.String()
	if err := os.WriteFile(filepath.Join(planDir, "plan.yaml"), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	p, err := app.LoadPlan(planDir)
	if err != nil {
		b.Fatal(err)
	}
	store, err := sqlite.Open(dataDir, sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	at := lifeBegan
	if err := store.Append(at, app.Loaded(p, "live")); err != nil {
		b.Fatal(err)
	}
	for n := range instants {
		at = at.Add(time.Minute)
		in := lifeboat.Instant{At: at}
		for i := range 10 {
			in.Readings = append(in.Readings, lifeboat.Reading{Series: lifeboat.Series(fmt.Sprintf("S%d", i)), Source: "x", Value: 100 + float64(i) + 5*math.Sin(float64(n)/float64(50+i)), At: at.Add(-time.Second)})
		}
		if err := store.Append(at, in); err != nil {
			b.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
	open := func() *app.Daemon {
		d, err := app.NewDaemon(context.Background(), app.DaemonOptions{Plan: p, PlanDir: planDir, DataDir: dataDir, Listen: "127.0.0.1:0", Version: "test",
			Clock: newWatchClock(at), People: io.Discard, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		return d
	}
	bench := func(b *testing.B) {
		before := cpu(b)
		for b.Loop() {
			open().Close()
		}
		b.ReportMetric((cpu(b)-before).Seconds()/float64(b.N), "cpu-s/op") // others may use the machine
	}
	b.Run("whole journal", bench)
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	d, before := open(), time.Now()
	if err := d.Run(ctx); err != nil { // stopped at once, and saves
		b.Fatal(err)
	}
	stopped := time.Since(before)
	info, err := os.Stat(filepath.Join(dataDir, app.SavedState))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("saved state", func(b *testing.B) {
		bench(b)
		b.ReportMetric(float64(info.Size()), "state-bytes")
		b.ReportMetric(float64(stopped.Milliseconds()), "ms-to-save-and-stop")
	})
}

// cpu time that this process has used, of all cores.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
