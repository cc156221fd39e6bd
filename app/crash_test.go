package app_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/paper"
	"lifeboat/app"
	"lifeboat/keep/journal"
	"lifeboat/keep/postgres"
	"lifeboat/keep/postgres/postgrestest"
	"lifeboat/keep/sqlite"
	"lifeboat/session"
	"lifeboat/watch/feed/tape"
)

// The plan of the crash tests: a gate, sales, buys and messages at tier 2, and a tier 3 that takes over half-way.
const crashPlan = `
portfolio: {name: crash test}
accounts: [{name: broker, kind: broker, venue: paper}]
people: [{name: Ana, role: owner}]
holdings:
  - {symbol: SPY, account: broker, quantity: 5000, class: equities}
  - {symbol: BND, account: broker, quantity: 1000, class: bonds}
  - {symbol: USD, account: broker, quantity: 1000}
triggers:
  - {name: fall, tier: 2, condition: "drawdown(SPY) >= 10%", playbook: defend}
  - {name: crash, tier: 3, condition: "drawdown(SPY) >= 20%", playbook: bunker}
models:
  - {name: defensive, weights: {SPY: 40%, BND: 40%, cash: 20%}}
  - {name: safe, weights: {BND: 60%, cash: 40%}}
playbooks:
  - name: defend
    steps:
      - {name: gate, approve: owner, timeout: 4h}
      - {name: opening, check: {market: open}, timeout: 4d}
      - {name: move, rebalance: {model: defensive}, timeout: 4d}
      - {name: tell, notify: {to: [owner], text: moved}, timeout: 1h}
  - name: bunker
    steps:
      - {name: opening, check: {market: open}, timeout: 4d}
      - {name: leave, rebalance: {model: safe}, timeout: 9d}
      - {name: tell, notify: {to: [owner], text: out}, timeout: 1h}
`

// Bars of some hours: what trades in a bar bounds what fills on it, so the orders of tier 2 are half filled when tier 3
// comes, and the venue needs no memory beyond its ledger to go on.
const crashTape = `time,SPY,SPY.volume,BND,BND.volume
2020-03-02T18:00:00Z,100,10000,50,90000
2020-03-03T18:00:00Z,100,10000,50,90000
2020-03-04T18:00:00Z,88,10000,50,90000
2020-03-04T20:00:00Z,87,8000,50,90000
2020-03-05T15:00:00Z,86,8000,50,90000
2020-03-05T18:00:00Z,78,1000,50,90000
2020-03-06T15:00:00Z,77,30000,50,90000
2020-03-06T18:00:00Z,76,30000,50,20000
2020-03-09T14:00:00Z,76,30000,50,20000
2020-03-09T18:00:00Z,75,30000,50,20000
2020-03-10T18:00:00Z,75,30000,50,90000
`

const (
	killVariable    = "LIFEBOAT_TEST_KILL_AT"
	journalVariable = "LIFEBOAT_TEST_JOURNAL"
	leaseVariable   = "LIFEBOAT_TEST_LEASE"
	stopVariable    = "LIFEBOAT_TEST_STOP" // stand still after each intent of an order
	holdsJournal    = "holds the journal"
)

func TestMain(m *testing.M) {
	if at := os.Getenv(killVariable); at != "" {
		n, _ := strconv.Atoi(at)
		child := func() error { return crashChild(os.Args[1], n) }
		if address, what, withdraws := strings.Cut(os.Getenv(exchangeVariable), " "); withdraws {
			child = func() error { return withdrawChild(os.Args[1], address, what, n) }
		}
		if err := child(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A reaper kills its own process, as kill -9 would, at the n-th point it is led past.
type reaper struct{ left, passed int }

func (r *reaper) point() {
	r.passed++
	if r.left--; r.left == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way; nothing may happen after it
	}
}

type mortalJournal struct {
	journal.Keeper
	*reaper
}

func (j mortalJournal) Append(at time.Time, events ...lifeboat.Event) error {
	j.point()
	defer j.point()
	err := j.Keeper.Append(at, events...)
	if err == nil && os.Getenv(stopVariable) != "" && slices.ContainsFunc(events, places) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) // with an order in the journal and the hand on the wire
		// The signal may reach another thread first: this one must not get past here before all of them stand still.
		for asked := time.Now(); time.Since(asked) < time.Second; {
			time.Sleep(time.Millisecond)
		}
	}
	return err
}

func places(e lifeboat.Event) bool {
	i, ok := e.(lifeboat.Intent)
	return ok && i.Act == lifeboat.PlaceOrder
}

type mortalVenue struct {
	*paper.Venue
	*reaper
}

func (v mortalVenue) Place(ctx context.Context, at time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	v.point()
	defer v.point()
	return v.Venue.Place(ctx, at, o)
}

func (v mortalVenue) Cancel(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	v.point()
	defer v.point()
	return v.Venue.Cancel(ctx, at, id)
}

// quick says yes at once.
type quick struct {
	*reaper
	answers []lifeboat.Answer
}

func (q *quick) Send(_ context.Context, _ time.Time, key lifeboat.Key, m lifeboat.Message) error {
	q.point()
	defer q.point()
	if m.Question {
		q.answers = append(q.answers, lifeboat.Answer{Question: string(key), By: m.To[0], Yes: true, Content: m.Content})
	}
	return nil
}

// crashChild is the system on a journal and a ledger on disk, on virtual time. Started again it goes on where they end.
func crashChild(dir string, killAt int) error {
	reap := &reaper{left: killAt}
	store, err := crashStore(dir)
	if err != nil {
		return err
	}
	defer store.Close()
	fmt.Println(holdsJournal)
	ledger, err := paper.FileLedger(filepath.Join(dir, "ledger.jsonl"))
	if err != nil {
		return err
	}
	p, err := app.LoadPlan(filepath.Join(dir, "plan"))
	if err != nil {
		return err
	}
	broker, err := paper.New(paper.Config{Account: "broker", Currency: "USD", Positions: app.Positions(p), Ledger: ledger,
		Calendar: func(string) *session.Calendar { return session.NYSE() }, Fractional: p.IsFractional})
	if err != nil {
		return err
	}
	prices, err := tape.Read("tape", strings.NewReader(crashTape), tape.Options{})
	if err != nil {
		return err
	}
	people := &quick{reaper: reap}
	system, err := app.Build(app.Parts{
		Plan: p, Sources: map[lifeboat.Series][]string{"SPY": {""}, "BND": {""}}, Journal: mortalJournal{store, reap},
		StaleAfter: func(lifeboat.Series, string) time.Duration { return 100 * time.Hour }, Calendar: prices.Calendar,
		Hands: venue.NewDesk(map[string]venue.Venue{"broker": mortalVenue{broker, reap}}, people),
	})
	if err != nil {
		return err
	}
	system.Flow.Fence = store.Fence
	last, err := recoverFrom(store, system.Flow, people)
	if err != nil {
		return err
	}
	if last.IsZero() {
		if err := system.Flow.Begin(prices.Instants[0].At, app.Loaded(p, "drill")); err != nil {
			return err
		}
	}
	if err := playOn(system.Flow, broker, people, prices.Instants, last); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "points"), []byte(strconv.Itoa(reap.passed)), 0o600)
}

// crashStore is the journal in the directory, or the one in the database that the environment names.
func crashStore(dir string) (journal.Keeper, error) {
	if url := os.Getenv(journalVariable); url != "" {
		lease, err := time.ParseDuration(os.Getenv(leaseVariable))
		if err != nil {
			return nil, err
		}
		return postgres.Open(context.Background(), postgres.Options{URL: url, Lease: lease, Wait: true})
	}
	return sqlite.Open(filepath.Join(dir, "data"), sqlite.Options{})
}

// recoverFrom folds the journal and returns the time of its last entry. People outlive the process: who was asked and
// has not answered still will.
func recoverFrom(store journal.Keeper, flow *lifeboat.Flow, people *quick) (last time.Time, err error) {
	record := app.Record{}
	for entry, err := range store.Entries(context.Background(), 0) {
		if err != nil {
			return last, err
		}
		event, err := entry.Event()
		if err != nil {
			return last, err
		}
		flow.Recover(entry.At, event)
		record.Apply(entry.At, event)
		last = entry.At
	}
	for _, q := range record.Questions {
		people.answers = append(people.answers, lifeboat.Answer{Question: string(q.Key), By: q.To[0], Yes: true, Content: q.Content})
	}
	return last, nil
}

// playOn lets through what of the tape the journal has not seen.
func playOn(flow *lifeboat.Flow, broker *paper.Venue, people *quick, instants []lifeboat.Instant, last time.Time) error {
	ctx := context.Background()
	for _, in := range instants {
		if err := broker.Show(in); err != nil {
			return err
		}
		step := func() error { return flow.Take(ctx, in) }
		if !in.At.After(last) {
			if !in.At.Equal(last) {
				continue
			}
			step = func() error { return flow.Advance(ctx, in.At) } // its readings are in the journal, what follows may not be
		}
		if err := step(); err != nil {
			return err
		}
		for len(people.answers) > 0 {
			answer := people.answers[0]
			people.answers = people.answers[1:]
			if err := flow.Tell(ctx, in.At, answer); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestKilledAtEveryPoint kills the process before and after every append, order, cancellation and message, starts it
// again, and holds what the venue did to an undisturbed history: every order once, none missing, none more.
func TestKilledAtEveryPoint(t *testing.T) {
	whole := t.TempDir()
	if !startChild(t, whole, 0) {
		t.Fatal("the undisturbed run was killed")
	}
	want := ordersOf(t, whole)
	text, err := os.ReadFile(filepath.Join(whole, "points"))
	if err != nil {
		t.Fatal(err)
	}
	points, _ := strconv.Atoi(string(text))
	if len(want) < 3 || points < 80 {
		t.Fatalf("the scenario has %d orders and %d points: too little to prove anything", len(want), points)
	}
	killed := 0
	t.Run("points", func(t *testing.T) {
		for n := 1; n <= points; n++ {
			t.Run(strconv.Itoa(n), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				killAndGoOn(t, dir, n)
				reader, err := sqlite.OpenReader(filepath.Join(dir, "data"))
				if err != nil {
					t.Fatal(err)
				}
				defer reader.Close()
				prove(t, dir, want, reader)
			})
			killed++
		}
	})
	t.Logf("killed at %d points; %d orders each time, each once", killed, len(want))
}

// TestKilledOnPostgreSQL does the same to a sample of the points, with the journal in a database: who starts again stands by
// until the lease of the dead one has run out.
func TestKilledOnPostgreSQL(t *testing.T) {
	server := postgrestest.Start(t)
	whole := t.TempDir()
	if !startChild(t, whole, 0) {
		t.Fatal("the undisturbed run was killed")
	}
	want := ordersOf(t, whole)
	text, err := os.ReadFile(filepath.Join(whole, "points"))
	if err != nil {
		t.Fatal(err)
	}
	points, _ := strconv.Atoi(string(text))
	every := 12
	if os.Getenv("LIFEBOAT_SOAK") != "" {
		every = 1
	}
	killed := 0
	t.Run("points", func(t *testing.T) {
		for n := 1; n <= points; n += every {
			killed++
			t.Run(strconv.Itoa(n), func(t *testing.T) {
				t.Parallel()
				dir, url := t.TempDir(), server.NewJournal()
				killAndGoOn(t, dir, n, journalVariable+"="+url, leaseVariable+"=1s")
				prove(t, dir, want, lookAt(t, url))
			})
		}
	})
	t.Logf("killed at %d of %d points with the journal in PostgreSQL; %d orders each time, each once", killed, points, len(want))
}

// TestStandbyTakesOver: the primary stands still with an order in the journal that has not left; a standby takes its place
// and finishes; the primary wakes up, and its order must not leave. Then the primary is killed instead.
func TestStandbyTakesOver(t *testing.T) {
	server := postgrestest.Start(t)
	whole := t.TempDir()
	if !startChild(t, whole, 0) {
		t.Fatal("the undisturbed run was killed")
	}
	want := ordersOf(t, whole)
	for _, tc := range []struct {
		name string
		ends syscall.Signal
	}{{"left alive", syscall.SIGCONT}, {"killed", syscall.SIGKILL}} {
		t.Run(tc.name, func(t *testing.T) {
			dir, url := t.TempDir(), server.NewJournal()
			environment := []string{journalVariable + "=" + url, leaseVariable + "=2s"}
			var said strings.Builder
			primary := childOf(t, dir, 0, append(environment, stopVariable+"=1")...)
			primary.Stderr = &said
			if err := primary.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = primary.Process.Kill() }()
			stands(t, primary.Process.Pid)
			gone := time.Now()
			if tc.ends == syscall.SIGKILL {
				_ = primary.Process.Kill()
			}
			standby := childOf(t, dir, 0, environment...)
			out, err := standby.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := standby.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			if !lines.Scan() || lines.Text() != holdsJournal {
				t.Fatalf("the standby said %q", lines.Text())
			}
			took := time.Since(gone)
			for lines.Scan() {
			}
			if err := standby.Wait(); err != nil {
				t.Fatal(err)
			}
			if tc.ends == syscall.SIGCONT {
				if err := primary.Process.Signal(syscall.SIGCONT); err != nil {
					t.Fatal(err)
				}
				if err := primary.Wait(); err == nil || !strings.Contains(said.String(), "taken over") {
					t.Errorf("the first one woke up and ended with %v: %s", err, said.String())
				}
			}
			prove(t, dir, want, lookAt(t, url))
			if took >= 3*time.Second {
				t.Errorf("the standby took over after %s, want less than 3 s", took)
			}
			t.Logf("primary %s: the standby took over after %s; 0 lost, 0 repeated", tc.name, took.Round(time.Millisecond))
		})
	}
}

// stands waits until a process stands still.
func stands(t *testing.T, pid int) {
	t.Helper()
	for patience := time.Now().Add(20 * time.Second); time.Now().Before(patience); time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		if fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])); fields[0] == "T" {
			return
		}
	}
	t.Fatal("the primary did not come to stand still")
}

func lookAt(t *testing.T, url string) journal.Reader {
	t.Helper()
	reader, err := postgres.OpenReader(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close() })
	return reader
}

func killAndGoOn(t *testing.T, dir string, n int, environment ...string) {
	t.Helper()
	if startChild(t, dir, n, environment...) {
		t.Fatal("the process was not killed")
	}
	if !startChild(t, dir, 0, environment...) {
		t.Fatal("the restarted process was killed")
	}
}

// childOf is this test binary as a system on a directory.
func childOf(t *testing.T, dir string, killAt int, environment ...string) *exec.Cmd {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "plan"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plan", "plan.yaml"), []byte(crashPlan), 0o600); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], dir)
	child.Env = append(append(os.Environ(), killVariable+"="+strconv.Itoa(killAt)), environment...)
	return child
}

// startChild runs the child to its end; false when it was killed.
func startChild(t *testing.T, dir string, killAt int, environment ...string) bool {
	t.Helper()
	out, err := childOf(t, dir, killAt, environment...).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return false
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return true
}

// ordersOf reads the venue's own ledger: what each order came to.
func ordersOf(t *testing.T, dir string) map[lifeboat.Key]lifeboat.Order {
	t.Helper()
	ledger, err := paper.FileLedger(filepath.Join(dir, "ledger.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	entries, err := ledger.Read()
	if err != nil {
		t.Fatal(err)
	}
	orders := map[lifeboat.Key]lifeboat.Order{}
	for _, e := range entries {
		if e.Order == nil {
			continue
		}
		if _, twice := orders[e.Order.ID]; twice {
			t.Errorf("the venue has the order %s twice", e.Order.ID)
		}
		orders[e.Order.ID] = *e.Order
	}
	return orders
}

func prove(t *testing.T, dir string, want map[lifeboat.Key]lifeboat.Order, reader journal.Reader) {
	t.Helper()
	got := ordersOf(t, dir)
	if have, wanted := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(have, wanted) {
		t.Errorf("orders %v, want %v", have, wanted)
	}
	if _, err := journal.Verify(t.Context(), reader); err != nil {
		t.Error(err)
	}
	record := app.Record{}
	for entry, err := range reader.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		event, err := entry.Event()
		if err != nil {
			t.Fatal(err)
		}
		record.Apply(entry.At, event)
	}
	if open := record.Open(); len(open) > 0 || len(record.Runs) != 2 {
		t.Errorf("%d runs, of which open: %+v", len(record.Runs), open)
	}
	for _, o := range record.Orders {
		if !o.Receipt.Status.Final() {
			t.Errorf("the end of the order %s (%s %s %s) is not in the journal: %s", o.ID, o.Side, o.Quantity, o.Symbol, o.Receipt.Status)
		}
	}
}
