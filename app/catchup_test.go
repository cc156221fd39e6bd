package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/keep/sqlite"
)

// A watchClock is moved by the test; who sleeps wakes when it is moved past.
type watchClock struct {
	mu    sync.Mutex
	now   time.Time
	moved chan struct{}
}

func newWatchClock(at time.Time) *watchClock {
	return &watchClock{now: at, moved: make(chan struct{})}
}

func (c *watchClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *watchClock) Sleep(ctx context.Context, until time.Time) error {
	for {
		c.mu.Lock()
		now, moved := c.now, c.moved
		c.mu.Unlock()
		if !now.Before(until) {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *watchClock) move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
	close(c.moved)
	c.moved = make(chan struct{})
}

// An exchange answers candles of a minute, the last of which is still running, in the form that Binance documents for
// its klines.
func exchange(t *testing.T, clock *watchClock, closes func(minute time.Time) float64) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		running := clock.Now().Truncate(time.Minute)
		var rows [][]any
		for open := running.Add(-59 * time.Minute); !open.After(running); open = open.Add(time.Minute) {
			text := fmt.Sprintf("%.2f", closes(open))
			rows = append(rows, []any{open.UnixMilli(), text, text, text, text, "12.5", open.Add(time.Minute).UnixMilli() - 1, "57000.0", 310, "6.0", "27000.0", "0"})
		}
		_ = json.NewEncoder(w).Encode(rows)
	}))
	t.Cleanup(server.Close)
	return server
}

const catchUpPlan = `
portfolio: {name: Tiny, base_currency: USD, calendar: 24/7}
messages: {again: 3d} # longer than the test: a repeat due at the very instant of a reading may come before it or after it
accounts: [{name: desk, kind: exchange, venue: paper}]
holdings:
  - {symbol: BTC, account: desk, quantity: 1, class: crypto}
  - {symbol: USD, account: desk, quantity: 1000}
feeds:
  - {series: BTC, source: exchange, url: "URL/api/v3/klines?symbol=BTCUSDT&interval=1m", rows: "$[*]", path: "$[4]", time: "$[6]", every: 1m, stale_after: 5m}
triggers:
  - {name: Fall, tier: 2, condition: drawdown(BTC) >= 25%}
  - {name: Rocket, tier: 2, condition: BTC > 1000000}
`

// TestWhatWasMissedIsCaughtUp stops the daemon for half an hour, in which the price rises by half, falls back, and once
// comes in a hundred times too high.
func TestWhatWasMissedIsCaughtUp(t *testing.T) {
	began := time.Date(2026, 11, 10, 12, 50, 10, 0, time.UTC)
	stopped, again := began.Add(72*time.Minute), began.Add(101*time.Minute)
	clock := newWatchClock(began)
	server := exchange(t, clock, func(minute time.Time) float64 {
		switch age := minute.Sub(stopped); {
		case age > 10*time.Minute && age < 11*time.Minute:
			return 6_000_000
		case age > 5*time.Minute && age < 20*time.Minute:
			return 60_000
		}
		return 40_000
	})
	dir := t.TempDir()
	planDir, dataDir := filepath.Join(dir, "plan"), filepath.Join(dir, "data")
	if err := os.Mkdir(planDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(planDir, "plan.yaml"), []byte(strings.Replace(catchUpPlan, "URL", server.URL, 1)), 0o644); err != nil {
		t.Fatal(err)
	}

	d, stop := running(t, clock, planDir, dataDir)
	reaches(t, d, clock, stopped)
	if s := d.Status(); s.Missed != "" || s.Tier != 0 {
		t.Errorf("before it was stopped: %q, tier %d", s.Missed, s.Tier)
	}
	stop()
	clock.move(again.Sub(clock.Now()))

	d, stop = running(t, clock, planDir, dataDir)
	reaches(t, d, clock, again.Add(2*time.Minute))
	s := d.Status()
	stop()
	const hole = "2026-11-10 14:02–14:31 (lifeboat was not running; 1 suspect value; 28 of 29 bars caught up)"
	if want := "not evaluated: BTC@exchange " + hole; s.Missed != want {
		t.Errorf("status says  %s\nwant         %s", s.Missed, want)
	}
	for _, trigger := range s.Triggers {
		if want := map[string]string{"Fall": "fired", "Rocket": "calm"}[trigger.Name]; trigger.State != want {
			t.Errorf("%s is %s, want %s: what was missed did not count, or what cannot be did", trigger.Name, trigger.State, want)
		}
	}
	if told := coverageOf(t, planDir, dataDir); told != "BTC@exchange: evaluated 2026-11-10 12:50 – 2026-11-10 14:33 UTC; not evaluated "+hole {
		t.Error(told)
	}
	minutesOf(t, dataDir, began.Add(-59*time.Minute).Truncate(time.Minute))
}

// running starts a daemon; the function it returns stops it.
func running(t *testing.T, clock lifeboat.Clock, planDir, dataDir string, more ...func(*app.DaemonOptions)) (*app.Daemon, func()) {
	t.Helper()
	p, err := app.LoadPlan(planDir)
	if err != nil {
		t.Fatal(err)
	}
	o := app.DaemonOptions{Plan: p, PlanDir: planDir, DataDir: dataDir, Listen: "127.0.0.1:0", Version: "test", Clock: clock, People: io.Discard, Log: slog.New(slog.DiscardHandler)}
	for _, change := range more {
		change(&o)
	}
	d, err := app.NewDaemon(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	return d, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// reaches moves the clock minute by minute, each time waiting until the bar that has ended is in.
func reaches(t *testing.T, d *app.Daemon, clock *watchClock, end time.Time) {
	t.Helper()
	for {
		now := clock.Now()
		ended := now.Truncate(time.Minute).Add(-time.Millisecond)
		for patience := time.Now().Add(20 * time.Second); !seen(d, ended); time.Sleep(time.Millisecond) {
			if time.Now().After(patience) {
				t.Fatalf("the bar that ended at %s never came", ended)
			}
		}
		if !now.Before(end) {
			return
		}
		clock.move(time.Minute)
	}
}

func seen(d *app.Daemon, at time.Time) bool {
	s := d.Status()
	return len(s.Series) == 1 && s.Series[0].At != nil && s.Series[0].At.Equal(at)
}

func coverageOf(t *testing.T, planDir, dataDir string) string {
	t.Helper()
	p, err := app.LoadPlan(planDir)
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := app.Coverage(p)
	if err != nil {
		t.Fatal(err)
	}
	for at, e := range journalOf(t, dataDir) {
		ledger.Apply(at, e)
	}
	all := ledger.Series()
	if len(all) != 1 {
		t.Fatalf("%d series", len(all))
	}
	return all[0].Tell()
}

// minutesOf the journal: every minute's bar once, and no other.
func minutesOf(t *testing.T, dataDir string, first time.Time) {
	t.Helper()
	want := first.Add(time.Minute - time.Millisecond)
	suspects := 0
	for _, e := range journalOf(t, dataDir) {
		instant, ok := e.(lifeboat.Instant)
		if !ok {
			continue
		}
		for _, r := range instant.Readings {
			if !r.At.Equal(want) {
				t.Fatalf("a bar of %s, want %s", r.At, want)
			}
			want = want.Add(time.Minute)
			if r.Quality == lifeboat.Suspect {
				suspects++
			}
		}
	}
	if suspects != 1 {
		t.Errorf("%d suspect bars, want the one that was a hundred times too high", suspects)
	}
}

func journalOf(t *testing.T, dataDir string) func(yield func(time.Time, lifeboat.Event) bool) {
	t.Helper()
	return func(yield func(time.Time, lifeboat.Event) bool) {
		reader, err := sqlite.OpenReader(dataDir)
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		for entry, err := range reader.Entries(context.Background(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			event, err := entry.Event()
			if err != nil {
				t.Fatal(err)
			}
			if !yield(entry.At, event) {
				return
			}
		}
	}
}
