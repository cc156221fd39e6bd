package postgres

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/keep/journal"
	"lifeboat/keep/postgres/postgrestest"
)

func TestOneHolder(t *testing.T) {
	url := postgrestest.Start(t).NewJournal()
	o := Options{URL: url, Holder: "Ann's machine", Lease: time.Second}
	s := open(t, o)
	write(t, s, 2)

	_, err := Open(context.Background(), Options{URL: url, Holder: "Ben's machine"})
	expectProblem(t, err, "data-in-use", "another lifeboat (Ann's machine) runs on the database postgres at")

	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second) // three leases
	defer cancel()
	var holders []string
	_, err = Open(ctx, Options{URL: url, Wait: true, Lease: o.Lease, Waiting: func(holder string) { holders = append(holders, holder) }})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a standby got the journal of one who renews: %v", err)
	}
	if strings.Join(holders, "; ") != "Ann's machine" {
		t.Errorf("it was told that it waits for %q", holders)
	}
	write(t, s, 4)
	if err := s.Fence(); err != nil {
		t.Error(err)
	}
}

// A clean end hands over at once; so does nobody's being there.
func TestCloseReleases(t *testing.T) {
	url := postgrestest.Start(t).NewJournal()
	first := open(t, Options{URL: url, Lease: 5 * time.Second})
	write(t, first, 2)
	waits := make(chan bool, 1)
	second := make(chan *Store)
	go func() {
		s, err := Open(context.Background(), Options{URL: url, Lease: 2 * time.Second, Wait: true, Waiting: func(string) { waits <- true }})
		if err != nil {
			t.Error(err)
		}
		second <- s
	}()
	<-waits
	begin := time.Now()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	s := <-second
	defer s.Close()
	if took := time.Since(begin); took > time.Second {
		t.Errorf("the standby took over after %s", took)
	}
	if s.Epoch() != first.Epoch()+1 {
		t.Errorf("epoch %d after epoch %d", s.Epoch(), first.Epoch())
	}
	holds(t, s, 2)
	write(t, s, 3)
}

// A holder who is restarted after a crash gets his journal as soon as his own lease has run out, also without Wait.
func TestRestartAfterACrash(t *testing.T) {
	o := Options{URL: postgrestest.Start(t).NewJournal(), Lease: time.Second}
	s := open(t, o)
	write(t, s, 2)
	s.crash()
	begin := time.Now()
	s = open(t, o)
	if took := time.Since(begin); took > 2*o.Lease {
		t.Errorf("it took %s", took)
	}
	holds(t, s, 2)
	write(t, s, 3)
}

// An append that is under way when the lease runs out ends before the claim, or not at all.
func TestAClaimWaitsForAnAppend(t *testing.T) {
	o := Options{URL: postgrestest.Start(t).NewJournal(), Lease: 600 * time.Millisecond}
	s := open(t, o)
	write(t, s, 2)
	s.stop()
	<-s.stopped
	tx, err := s.write.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	head, _ := s.Head()
	if result, err := tx.Exec(note, s.Epoch(), head.Mark().String(), head.Mark().String()); err != nil {
		t.Fatal(err)
	} else if n, _ := result.RowsAffected(); n != 1 {
		t.Fatal("the head was not noted")
	}
	// It falls silent. The server ends the transaction with the lease, and then the claim can be.
	begin := time.Now()
	second := open(t, o)
	if took := time.Since(begin); took > 3*o.Lease {
		t.Errorf("the claim took %s", took)
	}
	if err := tx.Commit(); err == nil {
		t.Error("the transaction of the one who was taken over was committed")
	}
	write(t, second, 3)
	// The very entry that the other one wrote: that it is there does not mean that this one wrote it.
	expectProblem(t, s.Append(noon, said(3)), "fenced", "has taken over the journal")
	holds(t, second, 3)
}

// An append that takes longer than the lease of its writer, who is not silent but slow: the claim waits, and then reads it.
func TestAClaimReadsTheLastAppend(t *testing.T) {
	o := Options{URL: postgrestest.Start(t).NewJournal(), Lease: 400 * time.Millisecond}
	s := open(t, o)
	write(t, s, 2)
	s.stop()
	<-s.stopped
	tx, err := s.write.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	head, _ := s.Head()
	next, err := journal.Seal(head, noon, said(3))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(note, s.Epoch(), next.Mark().String(), head.Mark().String()); err != nil {
		t.Fatal(err)
	}
	if err := s.insert.Do(context.Background(), tx, []journal.Entry{next}); err != nil {
		t.Fatal(err)
	}
	second := make(chan *Store)
	go func() {
		waits := o
		waits.Wait = true
		s, err := Open(context.Background(), waits)
		if err != nil {
			t.Error(err)
		}
		second <- s
	}()
	for range 12 { // three leases, and more
		if _, err := tx.Exec(`SELECT pg_sleep(0.1)`); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	later := <-second
	defer later.Close()
	if head, _ := later.Head(); head.Seq != 3 {
		t.Errorf("who took over took up the chain at entry %d", head.Seq)
	}
	holds(t, later, 3)
	write(t, later, 4)
}

// TestTheTermBeginsWhenItIsAskedFor: the answer may be long under way, and the server counts from before it was given.
func TestTheTermBeginsWhenItIsAskedFor(t *testing.T) {
	server := postgrestest.Start(t)
	n := between(t, server)
	s := open(t, Options{URL: n.through(server, server.NewJournal()), Lease: 10 * time.Second})
	const delay = 500 * time.Millisecond
	sent := s.lease.now()
	time.AfterFunc(delay, n.hold())
	if err := s.lease.renew(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s.lease.now().before(sent.add(delay)) {
		t.Fatal("the answer was not delayed")
	}
	if !s.lease.safe.before(sent.add(s.lease.own() + delay/2)) {
		t.Error("the term was counted from the answer")
	}
}

// Many who open a new journal at the same time make its tables once, and get it one after the other.
func TestManyBegin(t *testing.T) {
	o := Options{URL: postgrestest.Start(t).NewJournal(), Wait: true}
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			s, err := Open(context.Background(), o)
			if err != nil {
				t.Error(err)
				return
			}
			head, _ := s.Head()
			if err := errors.Join(s.Append(noon, said(head.Seq+1)), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	holds(t, openReader(t, o.URL), 6)
}

// TestAReplicaThatIsGone: where the server must wait for a replica, what is only on the server does not count, neither
// when it is written nor when it is looked for: the server ends the wait of the first attempt, and its entry is there.
func TestAReplicaThatIsGone(t *testing.T) {
	server := postgrestest.Start(t)
	o := Options{URL: server.NewJournal(), Lease: 2 * time.Second}
	s := open(t, o)
	write(t, s, 2)
	admin := server.URL + "&search_path=public"
	if err := execute(t, admin, `ALTER SYSTEM SET synchronous_standby_names = 'gone'`, `SELECT pg_reload_conf()`, `SELECT pg_sleep(0.2)`); err != nil {
		t.Fatal(err)
	}
	terminated := make(chan error, 1)
	time.AfterFunc(300*time.Millisecond, func() {
		terminated <- execute(t, admin, `SELECT 1 / count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)
	})
	expectProblem(t, s.Append(noon, said(3)), "journal-unreachable", "is out of reach")
	if err := <-terminated; err != nil {
		t.Fatal(err)
	}
	if err := execute(t, admin, `ALTER SYSTEM RESET synchronous_standby_names`, `SELECT pg_reload_conf()`, `SELECT pg_sleep(0.2)`); err != nil {
		t.Fatal(err)
	}
	s.Close()
	again := open(t, o)
	head, _ := again.Head()
	if head.Seq != 2 && head.Seq != 3 {
		t.Errorf("%d entries", head.Seq)
	}
	write(t, again, 4)
	holds(t, again, 4)
}

// TestALongAppendKeepsTheLease: a renewal does not wait for an append, however long that takes.
func TestALongAppendKeepsTheLease(t *testing.T) {
	o := Options{URL: postgrestest.Start(t).NewJournal(), Lease: time.Second}
	s := open(t, o)
	write(t, s, 1)
	tx, err := s.write.Begin()
	if err != nil {
		t.Fatal(err)
	}
	head, _ := s.Head()
	if _, err := tx.Exec(note, s.Epoch(), head.Mark().String(), head.Mark().String()); err != nil {
		t.Fatal(err)
	}
	for range 25 {
		if _, err := tx.Exec(`SELECT pg_sleep(0.1)`); err != nil {
			t.Fatal(err)
		}
		if !s.lease.certain() {
			t.Fatal("the lease was not renewed")
		}
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
}

// A clock that the test moves.
type movedClock struct {
	lifeboat.WallClock
	by atomic.Int64
}

func (c *movedClock) Now() time.Time { return c.WallClock.Now().Add(time.Duration(c.by.Load())) }
func (c *movedClock) Sleep(ctx context.Context, until time.Time) error {
	return c.WallClock.Sleep(ctx, until.Add(-time.Duration(c.by.Load())))
}

// TestFenceDoubtsTheClock: one who slept or whose clock was set asks the server before he acts, and acts if he still may.
func TestFenceDoubtsTheClock(t *testing.T) {
	server := postgrestest.Start(t)
	var slept atomic.Int64
	clock := &movedClock{}
	o := Options{URL: server.NewJournal(), Lease: time.Minute, Clock: clock, uptime: func() time.Duration { return uptime() + time.Duration(slept.Load()) }}
	s := open(t, o)
	for _, c := range []struct {
		name         string
		wall, uptime time.Duration
		certain      bool
	}{
		{"as it was", 0, 0, true},
		{"most of the lease is over", 53 * time.Second, 53 * time.Second, true},
		{"all that is trusted of it is over", 54 * time.Second, 54 * time.Second, false},
		{"the clock was set forward by a day", 24 * time.Hour, 0, false},
		{"the clock was set back by a day", -24 * time.Hour, 0, true},
		{"the clock was set back by a day while the machine slept", -24 * time.Hour, 2 * time.Minute, false},
		{"a virtual machine was frozen, and only the clock knows", 2 * time.Minute, 0, false},
	} {
		clock.by.Store(0)
		slept.Store(0)
		if err := s.lease.renew(context.Background()); err != nil {
			t.Fatal(err)
		}
		clock.by.Store(int64(c.wall))
		slept.Store(int64(c.uptime))
		if got := s.lease.certain(); got != c.certain {
			t.Errorf("%s: certain is %t", c.name, got)
		}
		if err := s.Fence(); err != nil { // nobody has taken over, and the server says so
			t.Errorf("%s: %v", c.name, err)
		}
		if !s.lease.certain() {
			t.Errorf("%s: asking did not settle it", c.name)
		}
	}
	clock.by.Store(0)
	slept.Store(int64(time.Hour))
	server.Stop(t)
	expectProblem(t, s.Fence(), "journal-unreachable", "is out of reach")
	server.StartAgain(t)
	if err := s.Fence(); err != nil {
		t.Errorf("the server is back: %v", err)
	}
	if err := execute(t, o.URL, `UPDATE lease SET epoch = epoch + 1, holder = 'Ben'`); err != nil {
		t.Fatal(err)
	}
	slept.Store(int64(2 * time.Hour))
	for range 2 {
		expectProblem(t, s.Fence(), "fenced", "another lifeboat (Ben) has taken over the journal")
	}
}

// TestRestartOfTheServer restarts the server under a writer, orderly and by signal 9. Each append is there once.
func TestRestartOfTheServer(t *testing.T) {
	server := postgrestest.Start(t)
	for name, again := range map[string]func(){
		"restarted": func() { server.Restart(t) },
		"killed":    func() { server.Kill(t); server.StartAgain(t) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Options{URL: server.NewJournal(), Lease: 8 * time.Second}) // a kill takes the server seconds to get over when the machine is busy
			write(t, s, 10)
			done := make(chan error)
			stop := make(chan bool)
			go func() {
				for {
					head, _ := s.Head()
					if err := s.Append(noon, said(head.Seq+1)); err != nil {
						done <- err
						return
					}
					select {
					case <-stop:
						done <- nil
						return
					default:
					}
				}
			}()
			for range 4 {
				time.Sleep(50 * time.Millisecond)
				begin := time.Now()
				again()
				t.Logf("the server was away for %s", time.Since(begin).Round(time.Millisecond))
			}
			close(stop)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if err := s.Fence(); err != nil {
				t.Error(err)
			}
			head, _ := s.Head()
			if head.Seq < 30 {
				t.Errorf("only %d entries were written", head.Seq)
			}
			holds(t, s, head.Seq)
			s.Close()
		})
	}
}

// TestAServerThatStaysAway: an append gives up before the lease can have run out, with one sentence, and for ever.
func TestAServerThatStaysAway(t *testing.T) {
	server := postgrestest.Start(t)
	o := Options{URL: server.NewJournal(), Lease: time.Second}
	s := open(t, o)
	write(t, s, 5)
	server.Stop(t)
	begin := time.Now()
	expectProblem(t, s.Append(noon, said(6)), "journal-unreachable", "the journal in the database postgres at")
	if took := time.Since(begin); took > o.Lease {
		t.Errorf("it took %s", took)
	}
	expectProblem(t, s.Fence(), "journal-unreachable", "is out of reach")
	server.StartAgain(t)
	expectProblem(t, s.Append(noon, said(6)), "journal-unreachable", "is out of reach")
	s.Close()
	again := open(t, o)
	holds(t, again, 5)
	write(t, again, 6)
}

// A network stands between a store and the server's socket. It can hold what is sent, in either direction, or lose it
// together with the connection.
type network struct {
	address string // to put in place of the socket

	mu     sync.Mutex
	held   chan struct{}            // closed when the bytes move on; nil while they move
	broken func(answer []byte) bool // whether a connection ends instead of passing an answer on
	pairs  []net.Conn
	gone   map[net.Conn]bool
}

func between(t *testing.T, server *postgrestest.Server) *network {
	dir, err := os.MkdirTemp("", "lifeboat-network-")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, filepath.Base(server.Socket)))
	if err != nil {
		t.Fatal(err)
	}
	n := &network{address: dir, gone: map[net.Conn]bool{}}
	t.Cleanup(func() {
		listener.Close()
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, c := range n.pairs {
			c.Close()
		}
		os.RemoveAll(dir)
	})
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("unix", server.Socket)
			if err != nil {
				client.Close()
				continue
			}
			n.mu.Lock()
			n.pairs = append(n.pairs, client, up)
			n.mu.Unlock()
			go n.pass(up, client, false)
			go n.pass(client, up, true)
		}
	}()
	return n
}

func (n *network) pass(to, from net.Conn, answers bool) {
	defer to.Close()
	defer from.Close()
	bytes := make([]byte, 64<<10)
	for {
		count, err := from.Read(bytes)
		n.mu.Lock()
		held, broken, gone := n.held, n.broken, n.gone[from]
		n.mu.Unlock()
		if gone && err == nil {
			continue
		}
		if held != nil {
			<-held
		}
		if answers && broken != nil && broken(bytes[:count]) {
			return
		}
		if _, errWrite := to.Write(bytes[:count]); err != nil || errWrite != nil {
			return
		}
	}
}

func (n *network) hold() (release func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	held := make(chan struct{})
	n.held = held
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.held = nil
		close(held)
	}
}

// lose swallows for ever what is sent over the connections of now; later ones are sound.
func (n *network) lose() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.pairs {
		n.gone[c] = true
	}
}

func (n *network) through(server *postgrestest.Server, url string) string {
	return strings.Replace(url, filepath.Dir(server.Socket), n.address, 1)
}

// TestAHiccup: a network that stands still for a good part of the lease does no harm, though a standby is waiting.
func TestAHiccup(t *testing.T) {
	server := postgrestest.Start(t)
	n := between(t, server)
	url := server.NewJournal()
	const term = 2 * time.Second
	s := open(t, Options{URL: n.through(server, url), Lease: term})
	ctx, cancel := context.WithCancel(context.Background())
	standby := make(chan error)
	go func() {
		second, err := Open(ctx, Options{URL: url, Lease: term, Wait: true})
		if err == nil {
			second.Close()
		}
		standby <- err
	}()
	for round := range int64(3) {
		write(t, s, 3*round+2)
		release := n.hold()
		time.AfterFunc(term/2, release)
		write(t, s, 3*round+3)
		if err := s.Fence(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(term / 4)
	}
	cancel()
	if err := <-standby; !errors.Is(err, context.Canceled) {
		t.Errorf("the standby took over: %v", err)
	}
	holds(t, s, 9)
}

// TestAStandbyWhoseNetworkIsGone: a question that nobody answers is asked again, over another connection.
func TestAStandbyWhoseNetworkIsGone(t *testing.T) {
	server := postgrestest.Start(t)
	n := between(t, server)
	url := server.NewJournal()
	const term = time.Second
	first := open(t, Options{URL: url, Lease: term})
	write(t, first, 2)
	waits := make(chan bool, 10)
	second := make(chan *Store)
	go func() {
		s, err := Open(context.Background(), Options{URL: n.through(server, url), Lease: term, Wait: true, Waiting: func(string) { waits <- true }})
		if err != nil {
			t.Error(err)
		}
		second <- s
	}()
	<-waits
	n.lose() // and no word of it to either side
	time.Sleep(term)
	first.Close()
	select {
	case s := <-second:
		holds(t, s, 2)
		s.Close()
	case <-time.After(10 * time.Second):
		t.Fatal("the standby waits for an answer that cannot come")
	}
}

// TestALostAnswer cuts the connection when the server acknowledges a commit: the entries are there, and stay there once.
func TestALostAnswer(t *testing.T) {
	server := postgrestest.Start(t)
	n := between(t, server)
	s := open(t, Options{URL: n.through(server, server.NewJournal())})
	write(t, s, 2)
	lost := 0
	n.mu.Lock()
	n.broken = func(answer []byte) bool {
		if strings.Contains(string(answer), "COMMIT\x00") && lost < 3 {
			lost++
			return true
		}
		return false
	}
	n.mu.Unlock()
	write(t, s, 8)
	holds(t, s, 8)
	if n.mu.Lock(); lost != 3 {
		t.Errorf("%d answers were lost, want 3", lost)
	}
	n.mu.Unlock()
}

// TestStoppedWithinATransaction is a transaction whose time was over before it was to end, as when the machine is stopped in the middle of one:
// that is no fault of the journal, and the next attempt finds out whether somebody has taken over.
func TestStoppedWithinATransaction(t *testing.T) {
	s := open(t, Options{URL: postgrestest.Start(t).NewJournal()})
	ctx, end := context.WithCancel(t.Context())
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	end()
	for err = tx.Commit(); errors.Is(err, context.Canceled); err = tx.Commit() { // until the driver has rolled it back
	}
	if !errors.Is(err, sql.ErrTxDone) || !passing(err) {
		t.Errorf("its end says %v, passing %v", err, passing(err))
	}
	expectProblem(t, s.address.writeProblem(err), "journal-unreachable", "the server did not answer in time")
	write(t, s, 1)
}
