package postgres

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/keep/journal"
	"lifeboat/keep/postgres/postgrestest"
)

// The tests below run this test binary again, as a daemon that writes an intent, asks the fence and acts, for ever.
const (
	childURL    = "LIFEBOAT_TEST_JOURNAL"
	childHolder = "LIFEBOAT_TEST_HOLDER"
	childPauses = "LIFEBOAT_TEST_PAUSES" // between the intent and the fence, until it is told to go on
)

func TestMain(m *testing.M) {
	if url := os.Getenv(childURL); url != "" {
		liveForEver(url, os.Getenv(childHolder), os.Getenv(childPauses) != "")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// liveForEver says on stdout what it does. What it says it has acted, it has acted: to say so is the act.
func liveForEver(url, holder string, pauses bool) {
	s, err := Open(context.Background(), Options{URL: url, Holder: holder, Wait: true, Waiting: func(who string) { fmt.Println("waits for", who) }})
	if err != nil {
		fmt.Println("fails", err)
		return
	}
	head, _ := s.Head()
	fmt.Println("holds", head.Seq)
	goOn := bufio.NewScanner(os.Stdin)
	for {
		if err := s.Append(noon, intent(holder)); err != nil {
			refused(err)
			return
		}
		head, _ := s.Head()
		if pauses {
			fmt.Println("wrote", head.Seq)
			goOn.Scan()
		}
		if err := s.Fence(); err != nil {
			refused(err)
			return
		}
		fmt.Println("acted", head.Seq)
	}
}

func intent(holder string) lifeboat.Event {
	return lifeboat.RunFinished{Run: holder, Status: lifeboat.Done}
}

func refused(err error) {
	p, ok := errors.AsType[*lifeboat.Problem](err)
	if !ok {
		p = &lifeboat.Problem{What: err.Error()}
	}
	fmt.Println("refused", p.Reason, p.What)
}

// A daemon is such a child, and what it said so far.
type daemon struct {
	t      *testing.T
	holder string
	cmd    *exec.Cmd
	stdin  io.Writer
	lines  chan string // closed when it has ended
	acts   *[]act      // of all daemons of a test
}

// An act that was carried out for an entry.
type act struct {
	holder string
	seq    int64
}

func (d daemon) start(environment ...string) *daemon {
	d.t.Helper()
	d.lines = make(chan string, 100_000)
	d.cmd.Env = append(append(os.Environ(), childHolder+"="+d.holder), environment...)
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if d.stdin, err = d.cmd.StdinPipe(); err != nil {
		d.t.Fatal(err)
	}
	d.cmd.Stderr = os.Stderr
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { d.cmd.Process.Kill(); d.cmd.Wait() })
	go func() {
		defer close(d.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			d.lines <- lines.Text()
		}
	}()
	return &d
}

// until reads what a daemon says up to a line that begins like this, and notes its acts.
func (d *daemon) until(beginning string) (line string, at time.Time) {
	d.t.Helper()
	tooLong := time.After(20 * time.Second)
	for {
		select {
		case line, alive := <-d.lines:
			if !alive {
				d.t.Fatalf("%s ended before it said %q", d.holder, beginning)
			}
			var seq int64
			if n, _ := fmt.Sscanf(line, "acted %d", &seq); n == 1 {
				*d.acts = append(*d.acts, act{d.holder, seq})
			}
			if strings.HasPrefix(line, beginning) {
				return line, time.Now()
			}
			if strings.HasPrefix(line, "fails") || strings.HasPrefix(line, "refused") {
				d.t.Fatalf("%s, which should have said %q: %s", d.holder, beginning, line)
			}
		case <-tooLong:
			d.t.Fatalf("%s did not say %q", d.holder, beginning)
		}
	}
}

func (d *daemon) signal(s syscall.Signal) {
	if err := d.cmd.Process.Signal(s); err != nil {
		d.t.Fatal(err)
	}
}

// drain notes what a daemon did before it ended.
func (d *daemon) drain() {
	for line := range d.lines {
		var seq int64
		if n, _ := fmt.Sscanf(line, "acted %d", &seq); n == 1 {
			*d.acts = append(*d.acts, act{d.holder, seq})
		}
	}
}

// expectOnce holds acts against the journal: each stands behind one entry, of whoever acted, and none was repeated.
func expectOnce(t *testing.T, url string, acts []act) {
	t.Helper()
	r := openReader(t, url)
	if _, err := journal.Verify(context.Background(), r); err != nil {
		t.Error(err)
	}
	wrote := map[int64]lifeboat.Event{}
	for e, err := range r.Entries(context.Background(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		if wrote[e.Seq], err = e.Event(); err != nil {
			t.Fatal(err)
		}
	}
	lost, repeated := 0, 0
	done := map[int64]bool{}
	for _, a := range acts {
		if wrote[a.seq] != intent(a.holder) {
			lost++
		}
		if done[a.seq] {
			repeated++
		}
		done[a.seq] = true
	}
	t.Logf("%d entries, %d acts: %d lost, %d repeated", len(wrote), len(acts), lost, repeated)
	if lost > 0 || repeated > 0 || len(acts) == 0 {
		t.Errorf("lost %d, repeated %d of %d acts", lost, repeated, len(acts))
	}
}

// takeOverMax is the promise.
const takeOverMax = 3 * time.Second

// TestKilledHolderIsReplaced kills one holder after the other with signal 9, or stops it, lets it be taken over and wakes
// it up. The standby goes on within three seconds, and the one who wakes up writes and does nothing any more.
func TestKilledHolderIsReplaced(t *testing.T) {
	seed, rounds := uint64(20200312), 6
	if os.Getenv("LIFEBOAT_SOAK") != "" {
		rounds = 100
	}
	random := rand.New(rand.NewPCG(seed, seed))
	url := postgrestest.Start(t).NewJournal()
	var acts []act
	begin := func(round int) *daemon {
		return daemon{t: t, holder: fmt.Sprintf("holder-%d", round), cmd: exec.Command(os.Args[0]), acts: &acts}.start(childURL + "=" + url)
	}
	holder := begin(0)
	holder.until("holds")
	var longest time.Duration
	for round := 1; round <= rounds; round++ {
		standby := begin(round)
		standby.until("waits for " + holder.holder)
		holder.until("acted")
		time.Sleep(time.Duration(random.Int64N(int64(time.Second))))
		how, wasKilled := "stopped", round%2 == 0
		if wasKilled {
			how = "killed"
			holder.signal(syscall.SIGKILL)
		} else {
			holder.signal(syscall.SIGSTOP)
		}
		struck := time.Now()
		standby.until("holds")
		_, at := standby.until("acted")
		took := at.Sub(struck)
		longest = max(longest, took)
		t.Logf("round %d: the holder was %s, the standby acted after %s", round, how, took.Round(time.Millisecond))
		if took > takeOverMax {
			t.Errorf("round %d of seed %d: the standby took over after %s, more than %s", round, seed, took, takeOverMax)
		}
		if !wasKilled {
			holder.signal(syscall.SIGCONT)
			holder.until("refused fenced another lifeboat (" + standby.holder + ") has taken over")
		}
		holder.drain()
		holder = standby
	}
	holder.signal(syscall.SIGKILL)
	holder.drain()
	t.Logf("take-over within %s", longest.Round(time.Millisecond))
	expectOnce(t, url, acts)
}

// TestAZombieDoesNotAct stops the holder at the worst moment: its intent is written, and it has not acted. By the time it
// wakes up, another one has read the intent and has it in hand.
func TestAZombieDoesNotAct(t *testing.T) {
	url := postgrestest.Start(t).NewJournal()
	var acts []act
	zombie := daemon{t: t, holder: "zombie", cmd: exec.Command(os.Args[0]), acts: &acts}.start(childURL+"="+url, childPauses+"=1")
	zombie.until("holds 0")
	zombie.until("wrote 1")
	fmt.Fprintln(zombie.stdin)
	zombie.until("acted 1")
	zombie.until("wrote 2")
	zombie.signal(syscall.SIGSTOP)
	standby := daemon{t: t, holder: "standby", cmd: exec.Command(os.Args[0]), acts: &acts}.start(childURL + "=" + url)
	standby.until("holds 2")
	standby.until("acted 3")
	zombie.signal(syscall.SIGCONT)
	fmt.Fprintln(zombie.stdin)
	zombie.until("refused fenced another lifeboat (standby) has taken over")
	zombie.drain()
	if slices.Contains(acts, act{"zombie", 2}) {
		t.Error("the zombie acted, though another one had its intent in hand")
	}
	standby.signal(syscall.SIGKILL)
	standby.drain()
	expectOnce(t, url, acts)
}
