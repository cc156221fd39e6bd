package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lifeboat/keep/postgres/postgrestest"
	"lifeboat/serve/api"
)

// The plan of these tests: a fall starts a run that sells, asks, and sells again after the yes. The journal is shared; a paper
// account is not, since its broker is simulated in the data directory. So whoever takes over finds an account that has seen
// no order, and what stands in the journal must be enough to repeat none.
const sharedPlan = `
portfolio: {name: two machines, calendar: 24/7}
accounts: [{name: exchange, kind: exchange, venue: paper}]
people: [{name: Ana, role: owner}]
holdings:
  - {symbol: ETH, account: exchange, quantity: 100, class: crypto}
  - {symbol: USD, account: exchange, quantity: 1000}
feeds:
  - {series: ETH, source: file, file: prices.csv, format: csv, column: ETH, time: time, every: 1s, stale_after: 10m}
triggers:
  - {name: fall, tier: 2, condition: "ETH < 1800", playbook: leave}
playbooks:
  - name: leave
    steps:
      - {name: first, order: {symbol: ETH, side: sell, quantity: 10}}
      - {name: ask, approve: {by: Ana, text: Sell the second part?}}
      - {name: second, order: {symbol: ETH, side: sell, quantity: 20}}
`

// told is what a daemon says while it runs.
type told struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *told) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *told) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// A machine runs lifeboat on the shared journal, with a data directory of its own.
type machine struct {
	*live
	says  *told
	ended chan int // its exit code
}

func newMachine(t *testing.T, plan *live, name, journal string) *machine {
	t.Helper()
	m := &machine{live: &live{t: t, bin: plan.bin, dir: filepath.Join(plan.dir, name)}, says: &told{}, ended: make(chan int, 1)}
	if err := os.Mkdir(m.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m.process = exec.Command(m.bin, "serve", "--plan", filepath.Join(plan.dir, "plan"), "--data", m.data(), "--journal", journal, "--listen", "127.0.0.1:0")
	m.process.Stdout, m.process.Stderr = m.says, m.says
	m.out, m.errs = &bytes.Buffer{}, &bytes.Buffer{}
	if err := m.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		var exit *exec.ExitError
		if err := m.process.Wait(); errors.As(err, &exit) {
			m.ended <- exit.ExitCode()
			return
		}
		m.ended <- 0
	}()
	t.Cleanup(func() {
		_ = m.process.Process.Signal(syscall.SIGCONT)
		_ = m.process.Process.Kill()
	})
	return m
}

// hear waits until the machine has said something.
func (m *machine) hear(what string) {
	m.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(m.says.String(), what) {
			return
		}
	}
	m.t.Fatalf("it never said %q:\n%s", what, m.says)
}

// end waits for the end of its process.
func (m *machine) end() int {
	m.t.Helper()
	select {
	case code := <-m.ended:
		return code
	case <-time.After(patience):
		m.t.Fatalf("it did not end:\n%s", m.says)
		return 0
	}
}

// orders that its paper broker has seen.
func (m *machine) orders() int {
	m.t.Helper()
	ledger, err := os.ReadFile(filepath.Join(m.data(), "paper-exchange.jsonl"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		m.t.Fatal(err)
	}
	return bytes.Count(ledger, []byte(`"order":`))
}

// pair starts a machine and its standby, and lets the first carry out the run as far as its question.
func pair(t *testing.T) (first, second *machine, key string) {
	t.Helper()
	plan := newLive(t)
	if err := os.WriteFile(filepath.Join(plan.dir, "plan", "plan.yaml"), []byte(sharedPlan), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(plan.dir, "plan", "prices.csv"), []byte("time,ETH\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	eth := func(price string) { plan.write("prices.csv", time.Now().UTC().Format(time.RFC3339Nano)+","+price+"\n") }
	journal := postgrestest.Start(t).NewJournal()
	first = newMachine(t, plan, "first", journal)
	first.hear("lifeboat watches")
	second = newMachine(t, plan, "second", journal)
	second.hear("standing by: ")
	eth("2000")
	first.until("a price", func(s api.Status) bool { return s.Value != nil })
	eth("1700")
	first.until("a question", func(s api.Status) bool {
		for _, q := range s.Questions {
			key = q.Key
		}
		return key != ""
	})
	if n := first.orders(); n != 1 {
		t.Fatalf("the first part was sold with %d orders", n)
	}
	if said := second.says.String(); strings.Contains(said, "lifeboat watches") {
		t.Fatalf("two at once:\n%s", said)
	}
	return first, second, key
}

// takesOver answers the open question on the machine that took over, and looks at what it sent.
func takesOver(t *testing.T, second *machine, key string) {
	t.Helper()
	second.until("the open question", func(s api.Status) bool { return len(s.Questions) == 1 && s.Questions[0].Key == key && len(s.Held) == 0 })
	second.run("answer", key, "yes", "--as", "Ana")
	second.until("the end of the run", func(s api.Status) bool { return len(s.Runs) == 0 && s.Orders == 0 })
	if n := second.orders(); n != 1 {
		t.Errorf("after the take-over %d orders were sent, want the second part alone", n)
	}
}

// TestStandbyTakesOver kills the first of two lifeboats with signal 9. The second watches in less than three seconds, has the
// run and its question as they were, and sends what is still to be sent, once.
func TestStandbyTakesOver(t *testing.T) {
	first, second, key := pair(t)
	killed := time.Now()
	if err := first.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	second.hear("lifeboat watches")
	took := time.Since(killed)
	t.Logf("from kill -9 to watching: %v", took.Round(time.Millisecond))
	if took > 3*time.Second {
		t.Errorf("the take-over took %v, more than 3 s", took)
	}
	takesOver(t, second, key)
	if n := first.orders(); n != 1 {
		t.Errorf("the first sent %d orders", n)
	}
}

// TestZombieEnds stops the first of two lifeboats without killing it. When it wakes up the second has taken over: it may not
// write or act any more, says so in one sentence, and ends.
func TestZombieEnds(t *testing.T) {
	first, second, key := pair(t)
	if err := first.process.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	second.hear("lifeboat watches")
	before := len(first.says.String())
	if err := first.process.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if code := first.end(); code != 5 {
		t.Errorf("exit code %d, want 5\n%s", code, first.says)
	}
	var words []string
	for line := range strings.Lines(first.says.String()[before:]) {
		if strings.HasPrefix(line, "lifeboat: ") {
			words = append(words, strings.TrimSpace(line))
		}
	}
	if len(words) != 3 || !strings.Contains(words[0], "taken over") || strings.Contains(first.says.String(), "goroutine ") {
		t.Errorf("its last words are:\n%s", first.says.String()[before:])
	}
	t.Logf("its last words:\n%s", strings.Join(words, "\n"))
	takesOver(t, second, key)
	if n := first.orders(); n != 1 {
		t.Errorf("the zombie has sent %d orders", n)
	}
}
