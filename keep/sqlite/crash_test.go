package sqlite

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lifeboat"
	"lifeboat/keep/journal"
)

// The tests below run this test binary again, as a daemon that appends and acknowledges until it comes to its end.
const (
	childDir   = "LIFEBOAT_TEST_APPEND_TO"
	childLimit = "LIFEBOAT_TEST_FILE_SIZE_LIMIT"
	childMany  = "LIFEBOAT_TEST_CALLERS"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if os.Getenv(childMany) != "" {
			os.Exit(appendTogether(dir))
		}
		os.Exit(appendForEver(dir))
	}
	os.Exit(m.Run())
}

// appendForEver writes the number of the head to stdout after each append that was acknowledged. Appends of one and
// of two events alternate, so that a head whose number leaves 2 when divided by 3 is half of one.
func appendForEver(dir string) int {
	if limit, err := strconv.ParseUint(os.Getenv(childLimit), 10, 64); err == nil {
		signal.Ignore(unix.SIGXFSZ)
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
			return complain(err)
		}
	}
	s, err := Open(dir, Options{})
	if err != nil {
		return complain(err)
	}
	for {
		head, _ := s.Head()
		batch := []lifeboat.Event{said(head.Seq + 1)}
		if head.Seq%3 == 1 {
			batch = append(batch, said(head.Seq+2))
		}
		if err := s.Append(noon, batch...); err != nil {
			return complain(err)
		}
		head, _ = s.Head()
		fmt.Println(head.Seq)
	}
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, err)
	if p, ok := errors.AsType[*lifeboat.Problem](err); ok {
		fmt.Fprintln(os.Stderr, p.Money)
		fmt.Fprintln(os.Stderr, p.Next)
	}
	return lifeboat.KindOf(err).ExitCode()
}

func child(dir string, environment ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childDir+"="+dir), environment...)
	return cmd
}

// TestKilledAtAnyInstant kills the daemon with signal 9, now while it opens or a little later, now while it appends, again and again
// on one directory. What was acknowledged is there every time, and at most the one append is there that was under way.
func TestKilledAtAnyInstant(t *testing.T) {
	const seed, kills = 20200312, 60
	random := rand.New(rand.NewPCG(seed, seed))
	dir := t.TempDir()
	acknowledged := int64(0)
	for kill := range kills {
		appends, life := 0, time.Duration(random.Int64N(int64(100*time.Millisecond)))
		if kill%2 == 1 { // a slow machine, too, comes to write
			appends, life = 1+random.IntN(8), time.Duration(random.Int64N(int64(3*time.Millisecond)))
		}
		acknowledged = max(acknowledged, killAfter(t, dir, appends, life))
		if t.Failed() {
			t.Fatalf("at kill %d of seed %d", kill, seed)
		}
		head := int64(0)
		if acknowledged > 0 {
			r := openReader(t, dir) // as lifeboat log does, before anybody has recovered anything
			e, _ := r.Head()
			head = e.Seq
			r.Close()
		}
		if head < acknowledged || head > acknowledged+2 || head%3 == 2 {
			t.Fatalf("kill %d of seed %d: the journal ends at entry %d, entry %d was acknowledged", kill, seed, head, acknowledged)
		}
		s := open(t, dir)
		holds(t, s, head)
		acknowledged = head
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, %d entries", kills, acknowledged)
	if acknowledged < kills {
		t.Errorf("only %d entries were written: the kills came too early to show anything", acknowledged)
	}
}

// killAfter lets a daemon live for a while after so many acknowledged appends and returns the last entry that it acknowledged.
func killAfter(t *testing.T, dir string, appends int, life time.Duration) (acknowledged int64) {
	cmd := child(dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaint strings.Builder
	cmd.Stderr = &complaint
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := func() { time.AfterFunc(life, func() { cmd.Process.Kill() }) }
	if appends == 0 {
		end()
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if appends--; appends == 0 {
			end()
		}
		acknowledged, err = strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			t.Errorf("the daemon said %q", lines.Text())
		}
	}
	cmd.Wait()
	if complaint.Len() > 0 {
		t.Errorf("the daemon complained: %s", complaint.String())
	}
	return acknowledged
}

const callers = 8

// part is one of the events, as many as 1 + n % 3, that a caller appends as his n-th.
func part(caller, n, i int) lifeboat.Event {
	return lifeboat.RunFinished{Run: strconv.Itoa(caller), Why: fmt.Sprintf("%d.%d", n, i)}
}

// appendTogether lets many callers share transactions, and writes who was acknowledged what.
func appendTogether(dir string) int {
	s, err := Open(dir, Options{})
	if err != nil {
		return complain(err)
	}
	for caller := range callers {
		go func() {
			for n := 0; ; n++ {
				var batch []lifeboat.Event
				for i := range 1 + n%3 {
					batch = append(batch, part(caller, n, i))
				}
				if err := s.Append(noon, batch...); err != nil {
					os.Exit(complain(err))
				}
				fmt.Printf("%d %d\n", caller, n) // one write, so that lines do not mix
			}
		}()
	}
	select {}
}

// TestKilledAmongManyCallers kills a daemon whose callers share transactions. Of each the acknowledged appends are there,
// in order and whole, and at most the one that was under way.
func TestKilledAmongManyCallers(t *testing.T) {
	const seed, kills = 20080915, 15
	random := rand.New(rand.NewPCG(seed, seed))
	entries := int64(0)
	for kill := range kills {
		dir := t.TempDir()
		acknowledged := manyUntilKilled(t, dir, time.Duration(random.Int64N(int64(150*time.Millisecond))))
		s := open(t, dir)
		if _, err := journal.Verify(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		var next [callers]int
		var following []lifeboat.Event // that must come to make a batch whole
		for e, err := range s.Entries(t.Context(), 1) {
			if err != nil {
				t.Fatal(err)
			}
			event, err := e.Event()
			if err != nil {
				t.Fatal(err)
			}
			if len(following) == 0 {
				caller, _ := strconv.Atoi(event.(lifeboat.RunFinished).Run)
				for i := range 1 + next[caller]%3 {
					following = append(following, part(caller, next[caller], i))
				}
				next[caller]++
			}
			if event != following[0] {
				t.Fatalf("kill %d of seed %d: entry %d is %v, want %v", kill, seed, e.Seq, event, following[0])
			}
			following = following[1:]
		}
		if len(following) > 0 {
			t.Errorf("kill %d of seed %d: the end lacks %v", kill, seed, following)
		}
		for caller, n := range next {
			if n < acknowledged[caller] || n > acknowledged[caller]+1 {
				t.Errorf("kill %d of seed %d: %d appends of caller %d are there, %d were acknowledged", kill, seed, n, caller, acknowledged[caller])
			}
		}
		head, _ := s.Head()
		entries += head.Seq
		s.Close()
	}
	t.Logf("%d kills, %d entries", kills, entries)
	if entries < kills*callers {
		t.Errorf("only %d entries were written: the kills came too early to show anything", entries)
	}
}

// manyUntilKilled lets a daemon live for a while after its first acknowledgement, and counts what each caller was acknowledged.
func manyUntilKilled(t *testing.T, dir string, life time.Duration) (acknowledged [callers]int) {
	cmd := child(dir, childMany+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first := true
	for lines := bufio.NewScanner(out); lines.Scan(); first = false {
		if first {
			time.AfterFunc(life, func() { cmd.Process.Kill() })
		}
		var caller, n int
		if _, err := fmt.Sscanf(lines.Text(), "%d %d", &caller, &n); err != nil {
			t.Errorf("the daemon said %q", lines.Text())
		}
		acknowledged[caller] = n + 1
	}
	cmd.Wait()
	return acknowledged
}

// TestLimitOnFileSize lets the system itself refuse to write, at many sizes so that it happens in the log, in the
// database and in the middle of a page.
func TestLimitOnFileSize(t *testing.T) {
	for _, limit := range []int{90_001, 131_072, 200_123, 262_144, 400_000} {
		dir := t.TempDir()
		cmd := child(dir, childLimit+"="+strconv.Itoa(limit))
		var complaint strings.Builder
		cmd.Stderr = &complaint
		out, err := cmd.Output()
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok || exit.ExitCode() != lifeboat.Storage.ExitCode() {
			t.Fatalf("limit %d: %v, want exit code 8", limit, err)
		}
		want := "the journal in " + dir + " could not be written: the system refused the write, as it does at a limit on the size of files or with a failing disk\n" +
			"nothing was sent that is not in the journal\n" +
			"free space or mend the disk and start lifeboat again: open runs resume where the journal ends\n"
		if complaint.String() != want {
			t.Errorf("limit %d: it said\n%swant\n%s", limit, complaint.String(), want)
		}
		lines := strings.Fields(string(out))
		if len(lines) == 0 {
			t.Fatalf("limit %d: nothing was acknowledged before the limit was reached", limit)
		}
		last, err := strconv.ParseInt(lines[len(lines)-1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		holds(t, openReader(t, dir), last)
		s := open(t, dir)
		holds(t, s, last)
		write(t, s, last+5)
	}
}

// TestNoRoomToBegin: a disk on which not even an empty journal fits.
func TestNoRoomToBegin(t *testing.T) {
	cmd := child(t.TempDir(), childLimit+"=5000")
	var complaint strings.Builder
	cmd.Stderr = &complaint
	err := cmd.Run()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != lifeboat.Storage.ExitCode() || !strings.Contains(complaint.String(), "nothing was started") {
		t.Errorf("%v: %s", err, complaint.String())
	}
}
