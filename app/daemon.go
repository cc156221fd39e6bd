package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"lifeboat"
	"lifeboat/act/approve"
	"lifeboat/act/venue/courier"
	"lifeboat/act/venue/paper"
	"lifeboat/custodian"
	"lifeboat/keep/journal"
	"lifeboat/plan"
	"lifeboat/secret"
	"lifeboat/serve/api"
	"lifeboat/watch/coverage"
	"lifeboat/watch/feed/alert"
	"lifeboat/watch/feed/guard"
	"lifeboat/watch/feed/poll"
)

// DaemonOptions say what a daemon runs on.
type DaemonOptions struct {
	Plan    *plan.Plan
	PlanDir string
	DataDir string
	// Journal is the address of a database; the file in DataDir when empty.
	Journal string
	// Lease is how long after its last sign of life another lifeboat may take the database over; 2 s when zero.
	Lease time.Duration
	// Waiting is told who holds the journal while this one stands by.
	Waiting func(holder string)
	// Sandbox lets every account trade with a simulated broker, whatever venue the plan gives it.
	Sandbox bool
	// AllowExec names the commands of the plan that may run on this machine.
	AllowExec []string
	Listen    string // host:port on loopback
	Version   string
	Clock     lifeboat.Clock
	People    io.Writer // where every message to people is written, whatever else brings it to them
	Log       *slog.Logger
}

// Daemon is the flow on wall-clock time. One goroutine owns the flow; readings and answers are queued for it.
type Daemon struct {
	DaemonOptions
	*System
	store     journal.Keeper
	poller    *poll.Poller
	streams   []stream
	alerts    map[string]*alert.Source // from outside, by name
	keys      *secret.Vault            // nil until a key is wanted
	guard     *guard.Guard
	ledger    *coverage.Ledger
	venues    []*paper.Venue     // those simulated here
	couriers  []*courier.Courier // to the real ones
	watches   []*custodian.Watch // of accounts on chains
	rehearsed api.Rehearsed
	exits     *Exits
	outlooks  atomic.Pointer[[]api.Exit] // of the last look at all exits
	ledgers   []io.Closer
	listener  net.Listener
	token     string
	started   time.Time
	last      time.Time // no entry may be older than the one before, whatever the machine's clock does

	instants chan polled
	sayings  chan saying
	record   Record
	feeds    []api.FeedProblem
	status   atomic.Pointer[api.Status]
	metrics  *metrics
	saves    saves

	helpers
	woken    chan struct{}
	checker  *approve.Checker
	factors  *approve.Store
	linkKey  approve.LinkKey
	origin   string // where a browser on this machine opens lifeboat
	tickets  tickets
	killFile string
}

type polled struct {
	readings []lifeboat.Reading
	problems []error
}

// queueMax bounds what may wait for the flow; behind it feeds and people wait in turn.
const queueMax = 64

// NewDaemon opens the data directory, takes hold of the journal, folds it and joins the stages. As the standby of another
// lifeboat it returns when it has taken over. Nothing is sent before Run.
func NewDaemon(ctx context.Context, o DaemonOptions) (_ *Daemon, err error) {
	d := &Daemon{DaemonOptions: o, instants: make(chan polled, queueMax), sayings: make(chan saying, queueMax), woken: make(chan struct{}, 1), metrics: newMetrics()}
	if d.listener, err = listen(o.Listen); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	d.killFile = killFile(o.Plan, o.DataDir)
	if d.store, err = openJournal(ctx, o); err != nil {
		return nil, err
	}
	if _, err := journal.Verify(ctx, d.store); err != nil {
		return nil, err // what happened cannot be told from it, so nothing may be done on it
	}
	if err := d.openFactors(); err != nil {
		return nil, err
	}
	if err := d.openHelpers(); err != nil {
		return nil, err
	}
	if err := d.recover(); err != nil {
		return nil, err
	}
	return d, d.introduce()
}

// recover makes the stages and all that follows the journal, and lets them go on where the saved state ends, if there is
// one that fits, or else begin with the first entry.
func (d *Daemon) recover() error {
	if s := d.findSaved(); s != nil {
		err := d.recoverFrom(s)
		if err == nil || !errors.Is(err, errUnfit) {
			return err
		}
		d.withoutSaved(err)
		d.closeLedgers()
	}
	return d.recoverFrom(nil)
}

func (d *Daemon) recoverFrom(s *saved) (err error) {
	o := d.DaemonOptions
	if d.poller, err = poll.Open(context.Background(), o.Plan.Feeds, poll.Options{Dir: o.PlanDir, Client: d.client(), Vault: d.vault()}); err != nil {
		return err
	}
	if err = d.openStreams(); err != nil {
		return err
	}
	if d.guard, err = newGuard(o.Plan); err != nil {
		return err
	}
	if d.ledger, err = Coverage(o.Plan); err != nil {
		return err
	}
	if err := d.takeNote(); err != nil {
		return err
	}
	if err := d.sameVenues(); err != nil {
		return err
	}
	if err := d.openWatches(); err != nil {
		return err
	}
	desk, err := d.openVenues()
	if err != nil {
		return err
	}
	if err := d.join(desk); err != nil {
		return err
	}
	if err := d.rememberAll(s); err != nil {
		return err
	}
	d.ledger.Spoke(d.seen) // what came since was missed
	return nil
}

// Close releases what the daemon holds. Run calls it; call it only if Run is never called.
func (d *Daemon) Close() {
	if d.listener != nil {
		_ = d.listener.Close()
	}
	if d.crew != nil {
		d.crew.Close()
	}
	d.chains.Close()
	if d.store != nil {
		_ = os.Remove(filepath.Join(d.DataDir, introduction))
		_ = d.store.Close()
	}
	d.closeLedgers()
}

func (d *Daemon) closeLedgers() {
	for _, l := range d.ledgers {
		_ = l.Close()
	}
	d.ledgers, d.venues, d.couriers = nil, nil, nil
}

// newGuard doubts what the plan's feeds say, each in the open time of its own market.
func newGuard(p *plan.Plan) (*guard.Guard, error) {
	calendars, err := newCalendars(p, nil, nil)
	if err != nil {
		return nil, err
	}
	_, stale := fed(p.Feeds)
	return guard.New(guard.Paced(guard.Feeds(p.Feeds), calendars.of, stale)), nil
}

// takeNote folds all but the readings into the record: what it says of open runs and orders decides how the stages are
// joined. The readings, nearly all of a journal, are decoded once, when there are stages to take them.
func (d *Daemon) takeNote() error {
	head, _ := d.store.Head()
	d.record = Record{}
	note := func(at time.Time, e lifeboat.Event) error {
		d.record.Apply(at, e)
		d.checker.Apply(at, e)
		d.endpoints.Apply(at, e)
		return nil
	}
	err := d.replay(d.besidesReadings(head.Seq), note)
	d.record.Entries, d.record.Last = head.Seq, head.At
	return err
}

// join makes the stages.
func (d *Daemon) join(hands lifeboat.Hands) (err error) {
	var pinned []json.RawMessage
	for _, run := range d.record.Open() {
		pinned = append(pinned, run.Content)
	}
	parts := LiveParts(d.DaemonOptions.Plan)
	parts.Journal, parts.Hands, parts.Pinned, parts.Nag, parts.Trials = tee{d}, hands, pinned, true, true
	if d.System, err = Build(parts); err != nil {
		return err
	}
	d.Flow.Fence, d.Flow.Allow = d.store.Fence, d.allow
	d.last = d.record.Last
	return nil
}

// rememberAll folds the journal into the stages. Up to where the saved state ends the watch is left out, and with it
// the readings, which nobody else remembers; then it gets its state back, over the book that stands there.
func (d *Daemon) rememberAll(s *saved) error {
	if s != nil {
		stages := d.Flow.Stages
		d.Flow.Stages = slices.DeleteFunc(slices.Clone(stages), func(stage lifeboat.Stage) bool { return stage == d.Watch })
		err := d.replay(d.besidesReadings(s.last.Seq), func(at time.Time, e lifeboat.Event) error { d.Flow.Recover(at, e); return nil })
		d.Flow.Stages = stages
		if err != nil {
			return err
		}
		if err := d.restore(s); err != nil {
			return err
		}
	}
	return d.replay(d.store.Entries(context.Background(), s.next()), d.remember)
}

// remember folds one entry into the stages and the ledger, and readings into all that follows them. What was judged before
// is not judged again, and reminds the guard of what it knew; the paper accounts are reminded of the prices they saw:
// volume and volatility come back, and nothing fills twice.
func (d *Daemon) remember(at time.Time, e lifeboat.Event) error {
	d.Flow.Recover(at, e)
	d.ledger.Apply(at, e)
	instant, ok := e.(lifeboat.Instant)
	if !ok {
		return nil
	}
	d.record.read(at, instant.Readings)
	d.guard.Note(instant.At, instant.Readings)
	return d.show(instant)
}

// besidesReadings are the entries up to a number that hold no readings.
func (d *Daemon) besidesReadings(to int64) iter.Seq2[journal.Entry, error] {
	return d.store.EntriesWithout(context.Background(), lifeboat.Instant{}.Word(), to)
}

func (d *Daemon) show(instant lifeboat.Instant) error {
	for _, step := range steps(instant) {
		for _, v := range d.venues {
			if err := v.Show(step); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Daemon) replay(entries iter.Seq2[journal.Entry, error], apply func(time.Time, lifeboat.Event) error) error {
	for entry, err := range entries {
		if err != nil {
			return err
		}
		event, err := entry.Event()
		if err != nil {
			return err
		}
		if err := apply(entry.At, event); err != nil {
			return err
		}
	}
	return nil
}

// Run serves until ctx ends; then it stops in reverse order: no more readings, the flow rests, the journal closes.
func (d *Daemon) Run(ctx context.Context) error {
	defer d.Close()
	if err := d.clockHolds(); err != nil {
		return err
	}
	d.started = d.now()
	if d.record.Entries > 0 {
		if err := d.resume(); err != nil {
			return err
		}
	}
	if loaded := Loaded(d.DaemonOptions.Plan, d.mode()); d.record.Entries == 0 || d.record.Plan.Hash != loaded.Hash || !maps.Equal(d.record.Plan.Chains, loaded.Chains) {
		if err := d.Flow.Begin(d.started, loaded); err != nil {
			return err
		}
	}
	d.publish(d.started)
	server := &http.Server{Handler: api.New(d, d.token, d.Version, d.metrics.registry), ReadHeaderTimeout: 5 * time.Second}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return served(server.Serve(d.listener)) })
	group.Go(func() error { return d.feed(ctx) })
	box := newMailbox()
	for _, s := range d.streams {
		group.Go(func() error { return s.Run(ctx, box.put) })
	}
	group.Go(func() error { return d.deliver(ctx, box) })
	group.Go(func() error { return d.loop(ctx) })
	group.Go(func() error { return d.watchKillFile(ctx) })
	group.Go(func() error { return d.watchFence(ctx) })
	group.Go(func() error { return d.watchExits(ctx) })
	d.work(ctx, group)
	for _, c := range d.couriers {
		group.Go(func() error { return c.Run(ctx) })
	}
	for _, w := range d.watches {
		group.Go(func() error { return w.Run(ctx) })
	}
	group.Go(func() error {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return server.Shutdown(last)
	})
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// resume says that lifeboat runs again, and isolates its accounts: no start can tell whether its journal is the newest.
func (d *Daemon) resume() error {
	if err := d.Flow.Resume(d.started, lifeboat.Resumed{Since: d.record.Last}); err != nil {
		return err
	}
	accounts := d.accounts()
	if len(accounts) == 0 {
		return nil
	}
	return d.Flow.Isolate(d.started, lifeboat.Quarantine{Accounts: accounts, Why: "lifeboat was started again, and this journal may not be the newest"})
}

// feed asks the sources and queues what they say.
func (d *Daemon) feed(ctx context.Context) error {
	for {
		readings, problems := d.poller.Poll(ctx, d.Clock.Now())
		select {
		case d.instants <- polled{readings, problems}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := d.Clock.Sleep(ctx, d.poller.Next()); err != nil {
			return err
		}
	}
}

// loop owns the flow: one thing at a time, in the order in which it came.
func (d *Daemon) loop(ctx context.Context) error {
	d.hold() // what an earlier start left under way is taken up by the first round
	for {
		wake, cancel := context.WithCancel(ctx)
		alarm, until := make(chan struct{}), d.nextAlarm() // here: the flow belongs to this goroutine alone
		go func() {
			defer close(alarm)
			_ = d.Clock.Sleep(wake, until)
		}()
		var err error
		select {
		case <-ctx.Done():
			d.saveNow()
			err = ctx.Err()
		case p := <-d.instants:
			err = d.take(ctx, p)
		case said := <-d.sayings:
			err = d.hear(ctx, said)
		case <-d.woken:
			err = d.catchUp(ctx)
		case <-alarm:
			select { // what is known already comes before what time alone brings, as in a drill
			case p := <-d.instants:
				err = d.take(ctx, p)
			default:
				err = d.Flow.Advance(ctx, d.now())
			}
		}
		cancel()
		<-alarm
		if err = errors.Join(err, d.clockHolds()); err != nil {
			return err
		}
		d.hold()
		d.rehearse()
		d.publish(d.last)
		d.moved.Store(d.Clock.Now().UnixNano())
		d.saveWhenDue()
	}
}

// alarmMax bounds how long open orders go unasked and the status page goes unrefreshed.
const alarmMax = 30 * time.Second

// nextAlarm counts from what was done last, not from now: what came up while the flow was busy has waited already.
func (d *Daemon) nextAlarm() time.Time {
	at := d.Clock.Now()
	if d.last.Before(at) {
		at = d.last
	}
	at = at.Add(alarmMax)
	if due := d.Flow.Due(); due.After(d.last) && due.Before(at) { // what was due until now had its turn
		return due
	}
	return at
}

func (d *Daemon) take(ctx context.Context, p polled) error {
	now := d.now()
	for _, problem := range p.problems {
		d.metrics.feedErrors.Inc()
		d.Log.Warn("a feed does not answer as it should", "problem", problem.Error())
		d.feeds = append(d.feeds, api.FeedProblem{Text: problem.Error(), Since: now})
	}
	d.feeds = d.feeds[max(0, len(d.feeds)-feedProblemsMax):]
	if len(p.readings) == 0 {
		return d.Flow.Advance(ctx, now)
	}
	instant := lifeboat.Instant{At: now, Readings: d.guard.Pass(now, inTurn(now, p.readings))}
	d.metrics.readings.Add(float64(len(instant.Readings)))
	for _, r := range instant.Readings {
		if r.Quality == lifeboat.Suspect {
			d.metrics.suspects.Inc()
		}
	}
	if err := d.show(instant); err != nil {
		return err
	}
	return d.Flow.Take(ctx, instant)
}

// feedProblemsMax is how many of the latest feed problems the status page keeps.
const feedProblemsMax = 10

// now is the clock, never earlier than the last entry.
func (d *Daemon) now() time.Time {
	if now := d.Clock.Now(); now.After(d.last) {
		d.last = now
	}
	return d.last
}

// behindMax is how far the machine's clock may be set back without anything being said.
const behindMax = 5 * time.Minute

// clockHolds refuses to go on while time stands still: now is not earlier than the last entry, so a clock behind it would
// keep a silent series fresh and a time-out waiting.
func (d *Daemon) clockHolds() error {
	now := d.Clock.Now()
	if !now.Before(d.last.Add(-behindMax)) {
		return nil
	}
	return &lifeboat.Problem{Reason: "clock-behind",
		What:  fmt.Sprintf("the machine's clock says %s, and the journal has reached %s", now.Format(time.RFC3339), d.last.Format(time.RFC3339)),
		Money: "what was sent stays where it is; nothing more is sent", Next: "set the clock, or wait until it has caught up, and start again"}
}

// tee lets the record of the daemon follow its journal.
type tee struct{ d *Daemon }

func (t tee) Append(at time.Time, events ...lifeboat.Event) error {
	if err := t.d.store.Append(at, events...); err != nil {
		return err
	}
	for _, e := range events {
		t.d.record.Apply(at, e)
		t.d.checker.Apply(at, e)
		t.d.endpoints.Apply(at, e)
		t.d.ledger.Apply(at, e)
	}
	return nil
}

// LiveParts are what a plan's own feeds bring, as the daemon watches it. Whoever plays a recording of one again starts
// from the same.
func LiveParts(p *plan.Plan) Parts {
	sources, stale := fed(p.Feeds)
	return Parts{Plan: p, Sources: sources, StaleAfter: stale, Quorum: p.Quorum}
}

// fed lists the sources of each series that the feeds offer, and how old each may get. The columns of a bar that come
// along with a price get as old as the price may.
func fed(feeds []plan.Feed) (map[lifeboat.Series][]string, func(lifeboat.Series, string) time.Duration) {
	sources := map[lifeboat.Series][]string{}
	stale := map[string]time.Duration{}
	for _, f := range feeds {
		series := lifeboat.Series(f.Series)
		sources[series] = append(sources[series], f.Source)
		stale[f.Series+"@"+f.Source] = time.Duration(f.StaleAfter)
	}
	return sources, func(s lifeboat.Series, source string) time.Duration {
		if own, ok := stale[string(s)+"@"+source]; ok {
			return own
		}
		symbol, _ := s.Column()
		return stale[symbol+"@"+source]
	}
}

func served(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
