package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/durable"
	"lifeboat/plan"
	"lifeboat/secret"
	"lifeboat/watch/feed/alert"
	"lifeboat/watch/feed/alpaca"
	"lifeboat/watch/feed/evm"
	"lifeboat/watch/feed/plugin"
	"lifeboat/watch/feed/poll"
)

// A stream is a source that speaks by itself, beside those that the poller asks.
type stream interface {
	Seen(series lifeboat.Series, source string, at time.Time)
	Run(ctx context.Context, deliver func([]lifeboat.Reading, []error)) error
}

// openStreams prepares the WebSockets and plug-ins that feeds name. Nothing is connected or started yet.
func (d *Daemon) openStreams() error {
	d.streams = nil
	sockets, err := poll.Sockets(context.Background(), d.DaemonOptions.Plan.Feeds, poll.Options{Dir: d.PlanDir, Vault: d.vault()}, d.Clock)
	if err != nil {
		return err
	}
	for _, s := range sockets {
		d.streams = append(d.streams, s)
	}
	of := map[string][]plan.Feed{}
	for _, f := range d.DaemonOptions.Plan.Feeds {
		if f.Plugin != "" {
			of[f.Plugin] = append(of[f.Plugin], f)
		}
	}
	for _, name := range sorted(of) {
		d.streams = append(d.streams, plugin.New(plugin.Options{Name: name, Feeds: of[name], Version: d.Version, Clock: d.Clock, Log: d.Log, Scrub: d.vault().Scrub,
			Start: func(ctx context.Context) (*exec.Cmd, func(), error) { return d.crew.Companion(ctx, name) }}))
	}
	if len(venuesOf(d.DaemonOptions.Plan)) > 0 {
		d.streams = append(d.streams, sessions{d})
	}
	if slices.ContainsFunc(d.DaemonOptions.Plan.Accounts, func(a plan.Account) bool { return a.Canary != nil }) {
		d.streams = append(d.streams, latencies{d})
	}
	for _, name := range sorted(d.chains) {
		d.streams = append(d.streams, d.chainSource(name))
	}
	if err := d.openAlerts(); err != nil {
		return err
	}
	return d.openPrices()
}

// openAlerts prepares the alerts from outside that feeds name.
func (d *Daemon) openAlerts() error {
	d.alerts = map[string]*alert.Source{}
	for _, f := range d.DaemonOptions.Plan.Feeds {
		if f.Webhook == "" {
			continue
		}
		key, err := d.vault().Read(context.Background(), f.Key)
		if err != nil {
			return &lifeboat.Problem{Reason: "plan-invalid", What: fmt.Sprintf("the secret of the feed %s cannot be read: %s", f.Series, d.vault().Scrub(err.Error())),
				Money: "nothing was sent", Next: "put the secret where key: of the feed says", Err: err}
		}
		s := alert.New(f, []byte(key), d.Clock)
		s.Recall(d.alertMemory(f))
		d.alerts[strings.TrimPrefix(f.Series, "alert.")] = s
		d.streams = append(d.streams, s)
	}
	return nil
}

// alertMemory is a file in the data directory, beside the journal, named by a digest because a series may be named as no file can.
func (d *Daemon) alertMemory(f plan.Feed) alert.Memory {
	sum := sha256.Sum256([]byte(f.Series))
	name := filepath.Join(d.DataDir, fmt.Sprintf("alert-%x.state", sum[:8]))
	return alert.Memory{
		Load: func() ([]byte, error) {
			file, err := os.Open(name)
			if errors.Is(err, fs.ErrNotExist) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			defer file.Close()
			return io.ReadAll(io.LimitReader(file, alert.KeptMax))
		},
		Save: func(content []byte) error { return durable.Write(name, content) },
	}
}

// Alert takes what somebody outside posted.
func (d *Daemon) Alert(name string, header http.Header, body []byte) error {
	s := d.alerts[name]
	if s == nil {
		return alert.ErrUnsigned // who tries names learns nothing
	}
	return s.Take(header, body)
}

// chainSource is what a chain says. How far it was followed is kept in the data directory, beside the journal: without that file
// the chain is followed from its head on.
func (d *Daemon) chainSource(name string) *evm.Source {
	p := d.DaemonOptions.Plan
	file := filepath.Join(d.DataDir, fmt.Sprintf("chain-%d.state", d.chains[name].ID()))
	return evm.New(evm.Config{
		Name: name, Node: d.chains[name], Feeds: evm.Feeds(p, name), Watched: evm.Of(p, name), Clock: d.Clock, Log: d.Log,
		Load: func() ([]byte, error) {
			content, err := os.ReadFile(file)
			if errors.Is(err, fs.ErrNotExist) {
				return nil, nil
			}
			return content, err
		},
		Save: func(content []byte) error { return durable.Write(file, content) },
		Own: func(tx chain.Waiting) (signed, given bool) {
			desk := d.exits.Desks[name]
			return desk != nil && desk.Signed(tx.Hash), desk != nil && desk.Given(tx.To, tx.Input)
		},
	})
}

// seen tells all sources what they said last.
func (d *Daemon) seen(series lifeboat.Series, source string, at time.Time) {
	d.poller.Seen(series, source, at)
	for _, s := range d.streams {
		s.Seen(series, source, at)
	}
}

// settleTime lets what several streams say at about one time become one instant, and bounds how many there are in a second.
const settleTime = 100 * time.Millisecond

// deliver queues what the streams said.
func (d *Daemon) deliver(ctx context.Context, box *mailbox) error {
	for {
		select {
		case <-box.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := d.Clock.Sleep(ctx, d.Clock.Now().Add(settleTime)); err != nil {
			return err
		}
		select {
		case d.instants <- box.empty():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A mailbox holds what streams said until the flow can take it: of each series from each source the newest reading alone.
// So a stream never waits, and never makes the flow fall behind.
type mailbox struct {
	ready chan struct{}

	mu       sync.Mutex // guards the rest
	readings []lifeboat.Reading
	place    map[origin]int
	problems []error
}

func newMailbox() *mailbox { return &mailbox{ready: make(chan struct{}, 1), place: map[origin]int{}} }

// put never waits. A doubtful reading does not displace a good one that nobody has taken yet.
func (b *mailbox) put(readings []lifeboat.Reading, problems []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range readings {
		o := origin{r.Series, r.Source}
		i, waits := b.place[o]
		switch {
		case !waits:
			b.place[o] = len(b.readings)
			b.readings = append(b.readings, r)
		case r.Quality == lifeboat.Good || b.readings[i].Quality != lifeboat.Good:
			b.readings[i] = r
		}
	}
	if len(b.problems) < feedProblemsMax {
		b.problems = append(b.problems, problems...)
	}
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

func (b *mailbox) empty() polled {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := polled{b.readings, b.problems}
	b.readings, b.problems = nil, nil
	clear(b.place)
	return p
}

// vault reads the keys that the plan refers to, and keeps them out of what is said. A command tells one only where it is allowed to run.
func (d *Daemon) vault() *secret.Vault {
	if d.keys == nil {
		d.keys = &secret.Vault{Dir: d.PlanDir, Command: commandsOf(d.DaemonOptions.Plan, d.AllowExec)}
	}
	return d.keys
}

// sessions says of each account at a real venue whether that can be reached, as the series session.ACCOUNT.
type sessions struct{ d *Daemon }

const (
	sessionLook = 5 * time.Second
	sessionTold = 30 * time.Second // at the latest, when nothing has changed
)

// Seen is for sources that have something to catch up.
func (sessions) Seen(lifeboat.Series, string, time.Time) {}

func (s sessions) Run(ctx context.Context, deliver func([]lifeboat.Reading, []error)) error {
	last, told := map[string]float64{}, map[string]time.Time{}
	for ctx.Err() == nil {
		now := s.d.Clock.Now()
		var heard []lifeboat.Reading
		for account, venue := range venuesOf(s.d.DaemonOptions.Plan) {
			value, known := s.d.reached(account, now)
			if !known || value == last[account] && now.Sub(told[account]) < sessionTold {
				continue
			}
			last[account], told[account] = value, now
			heard = append(heard, lifeboat.Reading{Series: lifeboat.Series("session." + account), Source: venue, Value: value, At: now})
		}
		if len(heard) > 0 {
			deliver(heard, nil)
		}
		_ = s.d.Clock.Sleep(ctx, now.Add(sessionLook))
	}
	return ctx.Err()
}

// latencies says of each account with a canary how long money takes to leave it, as the series exit_latency.ACCOUNT.
type latencies struct{ d *Daemon }

// latencyTold is how often. While an exit is under way its latency grows, so there is always news.
const latencyTold = 30 * time.Second

// Seen is for sources that have something to catch up.
func (latencies) Seen(lifeboat.Series, string, time.Time) {}

func (l latencies) Run(ctx context.Context, deliver func([]lifeboat.Reading, []error)) error {
	for ctx.Err() == nil {
		now := l.d.Clock.Now()
		if heard := l.d.Canaries.Readings(now); len(heard) > 0 {
			deliver(heard, nil)
		}
		_ = l.d.Clock.Sleep(ctx, now.Add(latencyTold))
	}
	return ctx.Err()
}

// reached says whether an account's venue can be reached: 1, 0, or not known before the first call has ended. A simulated
// broker always can.
func (d *Daemon) reached(account string, now time.Time) (value float64, known bool) {
	if d.Sandbox {
		return 1, true
	}
	for _, c := range d.couriers {
		h := c.Health()
		if h.Account != account || h.LastOK.IsZero() && h.Problem == "" {
			continue
		}
		if h.Problem == "" && now.Sub(h.LastOK) < 3*c.Every {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// openPrices prepares the venues that say prices: one source for each account that feeds name.
func (d *Daemon) openPrices() error {
	of := map[string][]plan.Feed{}
	for _, f := range d.DaemonOptions.Plan.Feeds {
		if f.Account != "" && !f.Session() && !f.Canary() {
			of[f.Account] = append(of[f.Account], f)
		}
	}
	for _, name := range sorted(of) {
		account, _ := d.DaemonOptions.Plan.Account(name)
		s, err := d.pricesOf(account, of[name])
		if err != nil {
			return &lifeboat.Problem{Reason: "venue-unusable", What: fmt.Sprintf("the prices of the account %s cannot be had: %s", name, d.vault().Scrub(err.Error())),
				Money: "nothing was sent", Next: "mend connect: of the account", Err: err}
		}
		d.streams = append(d.streams, s)
	}
	return nil
}

func (d *Daemon) pricesOf(account plan.Account, feeds []plan.Feed) (stream, error) {
	c, err := connection(context.Background(), d.DaemonOptions.Plan, account, d.vault())
	if err != nil {
		return nil, err
	}
	o := alpaca.Config{URL: c.DataURL, Key: c.Key, Secret: c.Secret, Symbols: c.Symbols, PerMinute: c.PerMinute, Client: c.Client,
		Every: time.Duration(feeds[0].Every), Clock: d.Clock, Log: d.Log, Scrub: d.vault().Scrub}
	for _, f := range feeds {
		o.Series, o.Every = append(o.Series, lifeboat.Series(f.Series)), min(o.Every, time.Duration(f.Every))
	}
	source, err := alpaca.New(o)
	return &venuePrices{source, d.Clock}, err
}

// venuePrices hears a venue's prices, and asks for what its stream does not say.
type venuePrices struct {
	*alpaca.Source
	clock lifeboat.Clock
}

func (v *venuePrices) Run(ctx context.Context, deliver func([]lifeboat.Reading, []error)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return v.Source.Run(ctx, func(heard []lifeboat.Reading) { deliver(heard, nil) }) })
	group.Go(func() error {
		for ctx.Err() == nil {
			if readings, problems := v.Poll(ctx, v.clock.Now()); len(readings)+len(problems) > 0 {
				deliver(readings, problems)
			}
			_ = v.clock.Sleep(ctx, v.Next())
		}
		return ctx.Err()
	})
	return group.Wait()
}
