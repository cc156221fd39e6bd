package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/backtest"
	"lifeboat/plan"
)

// What is due falls between two polls: at one virtual time the daemon may hear the alarm first, or the feed.
const replayPlan = `
portfolio: {name: Tiny, base_currency: USD, calendar: 24/7}
messages: {again: 3d} # longer than the test: a repeat due at the very instant of a reading may come before it or after it
accounts: [{name: desk, kind: exchange, venue: paper}]
holdings:
  - {symbol: BTC, account: desk, quantity: 1, class: crypto}
  - {symbol: USD, account: desk, quantity: 1000}
feeds:
  - {series: BTC, source: one, url: "URL/one", path: "$.price", time: "$.time", every: 1m, stale_after: 5m, quorum: 2}
  - {series: BTC, source: two, url: "URL/two", path: "$.price", time: "$.time", every: 1m, stale_after: 5m}
triggers:
  - {name: fall, tier: 2, condition: drawdown(BTC) >= 4%, for: 3m20s, cooldown: 20m20s}
  - {name: low, tier: 1, condition: "zscore(BTC, 90m) < -1.2", clear: "zscore(BTC, 90m) > 0", clear_for: 2m20s}
  - {name: tail, tier: 1, condition: "quantile(BTC, 5%, 2h) >= BTC"}
  - {name: range, tier: 1, condition: "BTC / max(BTC, 3h) < 97%"}
  - {name: rise, tier: 1, condition: "crossed_above(BTC, ma(BTC, 1h))"}
  - {name: long, tier: 1, condition: "return(BTC, 1h) < 0 for 10m20s", context: BTC < 41000}
  - {name: quiet, tier: 1, condition: stale(BTC)}
  - {name: worth, tier: 1, condition: "portfolio_drawdown > 3% OR since(BTC > 41000) > 2h20s"}
  - {name: apart, tier: 1, condition: "disagreement(BTC) > 0.04%"}
  - {name: both, tier: 1, condition: "BTC < 39500", sources: 2}
`

// TestLiveIsReplay records a day of a daemon on real HTTP feeds, with silences, a source that lags and one that lies, and
// plays what it recorded again. What the watch says is the same to the last bit.
func TestLiveIsReplay(t *testing.T) {
	began := time.Date(2026, 11, 9, 0, 0, 10, 0, time.UTC)
	clock := &countingClock{watchClock: newWatchClock(began)}
	server := twoSources(t, clock, began)
	dir := t.TempDir()
	planDir, dataDir := filepath.Join(dir, "plan"), filepath.Join(dir, "data")
	if err := os.Mkdir(planDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(planDir, "plan.yaml"), []byte(strings.ReplaceAll(replayPlan, "URL", server.URL)), 0o644); err != nil {
		t.Fatal(err)
	}
	d, stop := running(t, clock, planDir, dataDir)
	clock.settle(t, d, began)
	for clock.Now().Before(began.Add(24 * time.Hour)) {
		clock.move(30 * time.Second)
		clock.settle(t, d, began)
	}
	stop()

	p, err := app.LoadPlan(planDir)
	if err != nil {
		t.Fatal(err)
	}
	told, tape, wakes := recorded(t, dataDir)
	if len(told) < 60 || len(tape) < 1000 {
		t.Fatalf("a day of %d instants and %d news proves nothing", len(tape), len(told))
	}
	for name, again := range map[string][]string{"woken as it was": replayed(t, p, wakes), "a backtest": backtested(t, p, tape)} {
		live := slices.Clone(told)
		if name == "a backtest" { // which keeps firings and gaps apart
			slices.Sort(live)
			slices.Sort(again)
		}
		if !slices.Equal(again, live) {
			at := 0
			for at < len(again) && at < len(live) && again[at] == live[at] {
				at++
			}
			t.Errorf("%s: %d news, live %d; they part at\n%s\n%s", name, len(again), len(live), strings.Join(again[at:min(at+2, len(again))], "\n"), strings.Join(live[at:min(at+2, len(live))], "\n"))
		}
	}
}

// twoSources answer the last whole minute's price. Both are silent for a while at noon, one lags in the evening, and the
// other says nonsense once.
func twoSources(t *testing.T, clock lifeboat.Clock, began time.Time) *httptest.Server {
	server := httptest.NewServer(sources(clock, began))
	t.Cleanup(server.Close)
	return server
}

func sources(clock lifeboat.Clock, began time.Time) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		minute := clock.Now().Truncate(time.Minute)
		n := minuteOf(minute, began)
		price := 40_000 + 1_500*math.Sin(float64(n)/110) + 300*math.Sin(float64(n)/7)
		second := r.URL.Path == "/two"
		switch {
		case r.URL.Path == "/volume": // told until midnight; later sales are measured by the volume of a usual day
			fmt.Fprintf(w, `{"volume": 0.02, "time": %d}`, began.Add(min(minute.Sub(began), 80*time.Minute)).Truncate(time.Minute).UnixMilli())
			return
		case n >= 700 && n < 730:
			http.Error(w, "maintenance", http.StatusServiceUnavailable)
			return
		case second && n >= 1000 && n < 1003:
			minute = minute.Add(-90 * time.Second)
		case second && (n == 400 || n == 403):
			price *= 90
		case second:
			price *= 1.0005
		}
		fmt.Fprintf(w, `{"price": %.2f, "time": %d}`, price, minute.UnixMilli())
	}
}

// A countingClock knows who sleeps, and until when.
type countingClock struct {
	*watchClock
	registry sync.Mutex
	sleepers []*time.Time
}

func (c *countingClock) Sleep(ctx context.Context, until time.Time) error {
	c.registry.Lock()
	c.sleepers = append(c.sleepers, &until)
	c.registry.Unlock()
	defer func() {
		c.registry.Lock()
		c.sleepers = slices.DeleteFunc(c.sleepers, func(s *time.Time) bool { return s == &until })
		c.registry.Unlock()
	}()
	return c.watchClock.Sleep(ctx, until)
}

// asleep counts those who have nothing to do now.
func (c *countingClock) asleep() int {
	c.registry.Lock()
	defer c.registry.Unlock()
	n, now := 0, c.Now()
	for _, until := range c.sleepers {
		if until.After(now) {
			n++
		}
	}
	return n
}

// settle waits until the minute's price is in, when there is one, and then until both loops of the daemon sleep: who asks
// the other way round may see the sleep before it.
func (c *countingClock) settle(t *testing.T, d *app.Daemon, began time.Time) {
	t.Helper()
	minute := c.Now().Truncate(time.Minute)
	in := func() bool {
		s := d.Status()
		return outage(minute, began) || len(s.Series) > 0 && s.Series[0].At != nil && !s.Series[0].At.Before(minute)
	}
	for patience := time.Now().Add(20 * time.Second); !in() || c.asleep() < 2; time.Sleep(50 * time.Microsecond) {
		if time.Now().After(patience) {
			t.Fatalf("the daemon does not come to rest at %s: %d sleep", c.Now(), c.asleep())
		}
	}
}

// outage is when neither source answers, and the time after it in which the daemon, which asks less often by then, may
// not have noticed that they do again.
func outage(minute, began time.Time) bool {
	n := minuteOf(minute, began)
	return n >= 700 && n < 770
}

func minuteOf(minute, began time.Time) int {
	return int(minute.Sub(began.Truncate(time.Minute)).Minutes())
}

// recorded are the watch's news of a journal, the instants, and all entries that came of either, which are the times at
// which the watch was asked.
func recorded(t *testing.T, dataDir string) (news []string, tape []lifeboat.Instant, wakes []backtest.Told[lifeboat.Event]) {
	t.Helper()
	for at, e := range journalOf(t, dataDir) {
		switch e := e.(type) {
		case lifeboat.Instant:
			tape = append(tape, e)
		case lifeboat.Firing, lifeboat.Gap:
			news = append(news, newsLine(t, at, e))
		}
		wakes = append(wakes, backtest.Told[lifeboat.Event]{At: at, Event: e})
	}
	return news, tape, wakes
}

func newsLine(t *testing.T, at time.Time, e lifeboat.Event) string {
	t.Helper()
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return at.UTC().Format(time.RFC3339Nano) + " " + string(text)
}

// replayed folds the recording into a fresh watch: what is no news of its own is applied, and each time that the live one
// was asked this one is asked, too.
func replayed(t *testing.T, p *plan.Plan, wakes []backtest.Told[lifeboat.Event]) []string {
	t.Helper()
	system, err := app.Build(app.LiveParts(p))
	if err != nil {
		t.Fatal(err)
	}
	var news []string
	for _, wake := range wakes {
		switch wake.Event.(type) {
		case lifeboat.Firing, lifeboat.Gap: // it has to say so itself
		default:
			system.Book.Apply(wake.At, wake.Event)
			system.Watch.Apply(wake.At, wake.Event)
		}
		for events := system.Watch.Next(wake.At); len(events) > 0; events = system.Watch.Next(wake.At) {
			for _, e := range events {
				system.Watch.Apply(wake.At, e)
				news = append(news, newsLine(t, wake.At, e))
			}
		}
	}
	return news
}

// backtested plays only the readings. It is woken at the very moment at which something is due, the daemon some time
// later: its steps of half a minute are made up for.
func backtested(t *testing.T, p *plan.Plan, tape []lifeboat.Instant) []string {
	t.Helper()
	log, err := backtest.Play(context.Background(), backtest.Setting{Parts: app.LiveParts(p), Source: &reel{tape}})
	if err != nil {
		t.Fatal(err)
	}
	later := func(at time.Time) time.Time {
		step := 30 * time.Second
		return tape[0].At.Add((at.Sub(tape[0].At) + step - 1).Truncate(step))
	}
	var lines []string
	var news []backtest.Told[lifeboat.Event]
	for _, f := range log.Firings {
		news = append(news, backtest.Told[lifeboat.Event]{At: f.At, Event: f.Event})
	}
	for _, g := range log.Gaps {
		news = append(news, backtest.Told[lifeboat.Event]{At: g.At, Event: g.Event})
	}
	slices.SortStableFunc(news, func(a, b backtest.Told[lifeboat.Event]) int { return a.At.Compare(b.At) })
	for _, n := range news {
		lines = append(lines, newsLine(t, later(n.At), n.Event))
	}
	return lines
}

type reel struct{ rest []lifeboat.Instant }

func (r *reel) Next() (lifeboat.Instant, bool) {
	if len(r.rest) == 0 {
		return lifeboat.Instant{}, false
	}
	in := r.rest[0]
	r.rest = r.rest[1:]
	return in, true
}
