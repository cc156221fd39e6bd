package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lifeboat/app"
	"lifeboat/serve/api"
)

// The plan of these tests: prices come from a file that grows; a fall starts three rounds of selling with waits between
// them, so that kills land in every kind of step.
const livePlan = `
portfolio: {name: kill test, calendar: 24/7}
accounts: [{name: exchange, kind: exchange, venue: paper}]
people: [{name: Ana, role: owner}]
holdings:
  - {symbol: ETH, account: exchange, quantity: 100, class: crypto}
  - {symbol: BTC, account: exchange, quantity: 10, class: crypto}
  - {symbol: USD, account: exchange, quantity: 1000}
feeds:
  - {series: ETH, source: file, file: prices.csv, format: csv, column: ETH, time: time, every: 1s, stale_after: 10m}
  - {series: BTC, source: file, file: prices.csv, format: csv, column: BTC, time: time, every: 1s, stale_after: 10m}
triggers:
  - {name: fall, tier: 2, condition: "ETH < 1800", playbook: leave}
playbooks:
  - name: leave
    steps:
      - {name: first, rebalance: "reduce crypto by 25%", timeout: 10m}
      - {name: breathe, wait: 1s}
      - {name: second, rebalance: "reduce crypto by 25%", timeout: 10m}
      - {name: tell, notify: {to: [owner], text: half-way}, timeout: 10m}
      - {name: breathe again, wait: 1s}
      - {name: third, rebalance: "reduce crypto by 25%", timeout: 10m}
      - {name: tell again, notify: {to: [owner], text: done}, timeout: 10m}
`

// A live is a daemon in a process of its own, as a person starts it.
type live struct {
	t         *testing.T
	bin, dir  string
	process   *exec.Cmd
	out, errs *bytes.Buffer
}

func newLive(t *testing.T) *live {
	t.Helper()
	l := &live{t: t, dir: t.TempDir()}
	l.bin = filepath.Join(l.dir, "lifeboat")
	if out, err := exec.Command("go", "build", "-o", l.bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Mkdir(filepath.Join(l.dir, "plan"), 0o755); err != nil {
		t.Fatal(err)
	}
	l.write("plan.yaml", livePlan)
	l.write("prices.csv", "time,ETH,BTC\n")
	return l
}

func (l *live) write(name, text string) {
	l.t.Helper()
	f, err := os.OpenFile(filepath.Join(l.dir, "plan", name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		l.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		l.t.Fatal(err)
	}
}

func (l *live) price(eth, btc int) {
	l.write("prices.csv", fmt.Sprintf("%s,%d,%d\n", time.Now().UTC().Format(time.RFC3339Nano), eth, btc))
}

func (l *live) data() string { return filepath.Join(l.dir, "data") }

// start runs the daemon, through a shell line when one is given ("ulimit -f 100; exec").
func (l *live) start(shell string) {
	l.t.Helper()
	line := shell + ` "$0" serve --plan "$1" --data "$2" --listen 127.0.0.1:0`
	if shell == "" {
		line = "exec" + line
	}
	l.process = exec.Command("bash", "-c", line, l.bin, filepath.Join(l.dir, "plan"), l.data())
	l.out, l.errs = &bytes.Buffer{}, &bytes.Buffer{}
	l.process.Stdout, l.process.Stderr = l.out, l.errs
	if err := l.process.Start(); err != nil {
		l.t.Fatal(err)
	}
}

// wait for the process to end; its exit code, or -1 when a signal ended it.
func (l *live) wait() int {
	err := l.process.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return 0
}

// until asks for the status until it is as wanted.
func (l *live) until(what string, wanted func(api.Status) bool) {
	l.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		out, err := exec.Command(l.bin, "status", "--json", "--data", l.data()).Output()
		var s api.Status
		if err == nil && json.Unmarshal(out, &s) == nil && wanted(s) {
			return
		}
	}
	l.t.Fatalf("after 30 s the daemon still does not show %s\n%s%s", what, l.out, l.errs)
}

// run is one command on the daemon's data directory.
func (l *live) run(args ...string) string {
	l.t.Helper()
	out, err := exec.Command(l.bin, append(args, "--data", l.data())...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("lifeboat %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// TestDaemonKilled starts the daemon, lets a run begin and kills it with signal 9 at random instants until the run has
// ended in spite of it. At the end every order stands once at the venue and the journal's chain holds.
// make soak does it with twenty seeds.
func TestDaemonKilled(t *testing.T) {
	seeds := 1
	if os.Getenv("LIFEBOAT_SOAK") != "" {
		seeds = 20
	}
	for i := range seeds {
		seed := uint64(20261122 + i)
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { killed(t, seed) })
	}
}

func killed(t *testing.T, seed uint64) {
	l := newLive(t)
	dice := rand.New(rand.NewPCG(seed, 9))
	l.price(2000, 30000)
	l.start("")
	l.until("both prices", func(s api.Status) bool { return s.Value != nil })
	l.price(1700, 25000)
	kills := 0
	for ; kills < 100; kills++ {
		time.Sleep(time.Duration(100+dice.IntN(500)) * time.Millisecond)
		if kills%2 == 1 { // it is stopping, and perhaps saves its state
			_ = l.process.Process.Signal(syscall.SIGTERM)
			time.Sleep(time.Duration(dice.IntN(8000)) * time.Microsecond)
		}
		_ = l.process.Process.Kill()
		l.wait()
		l.price(1700-kills, 25000)
		l.start("")
		if strings.Contains(l.run("log"), "ended done") {
			break
		}
	}
	l.until("the end of the run", func(s api.Status) bool { return len(s.Runs) == 0 && s.Orders == 0 })
	_ = l.process.Process.Signal(syscall.SIGTERM)
	if code := l.wait(); code != 0 {
		t.Errorf("seed %d: a stop by SIGTERM gave exit code %d\n%s", seed, code, l.errs)
	}
	if kills < 3 {
		t.Errorf("seed %d: the run ended after %d kills, which proves nothing", seed, kills)
	}
	log := l.run("log")
	placed := regexp.MustCompile(`ORDER .*\((lb-[0-9a-f]+)\)`).FindAllStringSubmatch(log, -1)
	if len(placed) != 6 || strings.Count(log, "starts playbook") != 1 || !strings.Contains(log, "ended done: all of 7 steps done") {
		t.Errorf("seed %d: want one run that ends, with six orders:\n%s", seed, log)
	}
	ledger, err := os.ReadFile(filepath.Join(l.data(), "paper-exchange.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range placed {
		if n := bytes.Count(ledger, []byte(`"client_order_id":"`+key[1]+`"`)); n != 1 {
			t.Errorf("seed %d: the venue has the order %s %d times\n%s", seed, key[1], n, ledger)
		}
	}
	l.run("journal", "verify")
	t.Logf("%d kills, %d orders, each once", kills+1, len(placed))
}

// TestDaemonDiskFull lets the daemon run into a limit on the size of its files in the middle of its work.
func TestDaemonDiskFull(t *testing.T) {
	l := newLive(t)
	l.price(2000, 30000)
	l.start("ulimit -f 200; exec") // 200 kB: room for the start, not for the day
	for i := range 3000 {
		l.price(2000+i%7, 30000+i%11)
		if i%50 == 0 {
			time.Sleep(20 * time.Millisecond)
		}
	}
	done := make(chan int, 1)
	go func() { done <- l.wait() }()
	for code := -1; code < 0; {
		select {
		case code = <-done:
			if code != 8 {
				t.Fatalf("exit code %d, want 8\n%s", code, l.errs)
			}
		case <-time.After(100 * time.Millisecond):
			l.price(1999, 30001) // keep the readings coming until the journal is full
		}
	}
	told := l.errs.String()
	for _, part := range []string{"lifeboat: the journal in ", "could not be written", "lifeboat: hint:"} {
		if !strings.Contains(told, part) {
			t.Errorf("the last words do not say %q:\n%s", part, told)
		}
	}
	if strings.Contains(told, "goroutine ") {
		t.Errorf("a stack trace is not a sentence:\n%s", told)
	}
	l.run("journal", "verify")
	l.start("")
	l.price(2001, 30000)
	l.until("prices again", func(s api.Status) bool { return s.Value != nil })
	_ = l.process.Process.Signal(syscall.SIGTERM)
	l.wait()
}

// TestDaemonIsGoneFromItsDirectory holds the file by which others find the daemon to the daemon's life.
func TestDaemonIsGoneFromItsDirectory(t *testing.T) {
	l := newLive(t)
	l.price(2000, 30000)
	l.start("")
	l.until("a start", func(s api.Status) bool { return s.Portfolio == "kill test" })
	if _, err := app.Meet(l.data()); err != nil {
		t.Error(err)
	}
	_ = l.process.Process.Signal(syscall.SIGTERM)
	l.wait()
	if _, err := app.Meet(l.data()); err == nil {
		t.Error("a stopped daemon must not leave its address behind")
	}
}
