package app

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"sync"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/secret"
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
	sockets, err := poll.Sockets(context.Background(), d.DaemonOptions.Plan.Feeds, poll.Options{Dir: d.PlanDir, Vault: d.feedKeys()}, d.Clock)
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
		d.streams = append(d.streams, plugin.New(plugin.Options{Name: name, Feeds: of[name], Version: d.Version, Clock: d.Clock, Log: d.Log, Scrub: d.feedKeys().Scrub,
			Start: func(ctx context.Context) (*exec.Cmd, func(), error) { return d.crew.Companion(ctx, name) }}))
	}
	return nil
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

// feedKeys is the vault that reads the keys that feeds refer to. A command tells one only where it is allowed to run.
func (d *Daemon) feedKeys() *secret.Vault {
	if d.keys != nil {
		return d.keys
	}
	d.keys = &secret.Vault{Dir: d.PlanDir, Command: func(name string) ([]string, error) {
		i := slices.IndexFunc(d.DaemonOptions.Plan.Commands, func(c plan.Command) bool { return c.Name == name })
		switch {
		case i < 0 || len(d.DaemonOptions.Plan.Commands[i].Run) == 0:
			return nil, errors.New("the plan lists no command " + name)
		case !slices.Contains(d.AllowExec, name):
			return nil, fmt.Errorf("the command %s of exec:%s is not allowed here: start with --allow-exec %s", name, name, name)
		}
		return d.DaemonOptions.Plan.Commands[i].Run, nil
	}}
	return d.keys
}
