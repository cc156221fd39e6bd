// Package plugin is the live feed of what cannot be linked: a terminal's own interface, FIX, anything private. A command
// of the plan runs beside lifeboat and says its readings on its output, one JSON object on a line, in the protocol of
// docs/plugins.md.
//
// Run starts the command, shakes hands, subscribes, and starts it again, later and later, when it ends, falls silent or
// says what is no message. What it says is held to the same as any source: a value that cannot be right is suspect, one
// whose time is not later than the last is no news. Lines have a longest length and a largest number a second; who is
// faster waits. Its complaints go to the log, cut and scrubbed.
//
// It does not decide which command may run – that is the starter's – nor how old a value may be, and gives no secret to
// a plug-in.
package plugin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/watch/feed/word"
)

const (
	silenceMax = 60 * time.Second // without a line, after which a plug-in is started again
	steady     = time.Minute      // that it must have run for its faults to be forgotten
	backoffMin = time.Second
	backoffMax = 5 * time.Minute
	graceTime  = 5 * time.Second // to end by itself when it is told to stop
	linesMax   = 2000            // a second
)

// Options say what a plug-in is.
type Options struct {
	Name    string      // of the command
	Feeds   []plan.Feed // that name it
	Version string      // lifeboat's, for the plug-in to know
	// Start prepares the command, which has not started yet and is told to stop when ctx ends, and what ends it and all
	// that it started at once.
	Start func(ctx context.Context) (command *exec.Cmd, kill func(), err error)
	Clock lifeboat.Clock
	Log   *slog.Logger
	Scrub func(text string) string // takes secrets out of what is logged; nil leaves it
}

// Plugin is one process and the series it says. Its methods are not for concurrent use.
type Plugin struct {
	Options
	feeds map[string]plan.Feed   // :: what the plug-in calls it → the feed
	last  map[string]word.Memory // :: source → what it said last
	down  map[string]bool        // series that the plug-in said it cannot tell
	pace  pace

	silence, backoff, grace time.Duration
}

// New makes a plug-in that has not been started.
func New(o Options) *Plugin {
	if o.Scrub == nil {
		o.Scrub = func(text string) string { return text }
	}
	p := &Plugin{Options: o, feeds: map[string]plan.Feed{}, last: map[string]word.Memory{}, down: map[string]bool{},
		silence: silenceMax, backoff: backoffMin, grace: graceTime}
	for _, f := range o.Feeds {
		p.feeds[called(f)] = f
		p.last[f.Source] = word.Memory{}
	}
	return p
}

// called is what a plug-in calls a feed's series.
func called(f plan.Feed) string {
	if f.ID != "" {
		return f.ID
	}
	return f.Series
}

// Seen says what the plug-in told last, before Run: what is not newer is no news.
func (p *Plugin) Seen(series lifeboat.Series, source string, at time.Time) {
	if m := p.last[source]; m != nil {
		m[series] = at
	}
}

// Run keeps the plug-in going until ctx ends. deliver is given readings as they come, and problems of reason feed-down,
// each once until the plug-in does well again.
func (p *Plugin) Run(ctx context.Context, deliver func([]lifeboat.Reading, []error)) error {
	for failures := 0; ; {
		began := p.Clock.Now()
		err := p.serve(ctx, deliver)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if p.Clock.Now().Sub(began) >= steady {
			failures = 0
		}
		if failures++; failures == 1 {
			deliver(nil, []error{p.problem(strings.Join(p.series(), ", "), err)})
		}
		wait := min(p.backoff<<min(failures-1, 20), backoffMax)
		if err := p.Clock.Sleep(ctx, p.Clock.Now().Add(wait)); err != nil {
			return err
		}
	}
}

func (p *Plugin) series() []string {
	var all []string
	for _, f := range p.Feeds {
		all = append(all, f.Series)
	}
	return all
}

func (p *Plugin) problem(series string, err error) error {
	return &lifeboat.Problem{
		Reason: "feed-down",
		What:   fmt.Sprintf("%s from the plug-in %s is not to be had: %v", series, p.Name, err),
		Money:  fmt.Sprintf("nothing was sent; triggers on %s say 'no data' once the last value is too old", series),
		Next:   "look at the plug-in; lifeboat keeps starting it",
		Err:    err,
	}
}

var (
	errSilent  = fmt.Errorf("it said nothing for %s", silenceMax)
	errEnded   = errors.New("it ended")
	errTooLong = fmt.Errorf("it said a line of more than %d KiB", lineMax>>10)
)

// serve runs the plug-in once, to its end or to the end of ctx with all that it started.
func (p *Plugin) serve(ctx context.Context, deliver func([]lifeboat.Reading, []error)) error {
	life, end := context.WithCancelCause(context.WithoutCancel(ctx)) // it ends only after it was asked to
	defer end(nil)
	command, kill, err := p.Start(life)
	if err != nil {
		return err
	}
	heard, said := io.Pipe()
	command.Stdout, command.Stderr = said, &complaints{plugin: p}
	mouth, err := command.StdinPipe()
	if err != nil {
		return fmt.Errorf("open its input: %w", err)
	}
	if err := command.Start(); err != nil {
		return errors.New("the program cannot be started")
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = command.Wait()
		kill()
		_ = said.Close()
	}()
	var spoke atomic.Int64
	spoke.Store(p.Clock.Now().UnixNano())
	go p.listenForSilence(life, &spoke, end)
	commands := make(chan any, 2)
	go p.tell(ctx, life, mouth, commands, end)
	commands <- hello{"hello", Protocol, p.Version}
	err = p.hear(life, heard, &spoke, commands, deliver)
	_ = heard.CloseWithError(errEnded)
	end(err)
	<-exited
	if why := context.Cause(life); why != nil && !errors.Is(why, context.Canceled) {
		return why
	}
	return err
}

// listenForSilence ends the life of a plug-in that says nothing.
func (p *Plugin) listenForSilence(life context.Context, spoke *atomic.Int64, end context.CancelCauseFunc) {
	for {
		due := time.Unix(0, spoke.Load()).Add(p.silence)
		if !p.Clock.Now().Before(due) {
			end(errSilent)
			return
		}
		if p.Clock.Sleep(life, due) != nil {
			return
		}
	}
}

// tell writes what the plug-in is to do, and at the end that it is to stop.
func (p *Plugin) tell(ctx, life context.Context, mouth io.WriteCloser, commands <-chan any, end context.CancelCauseFunc) {
	write := func(what any) {
		line, err := json.Marshal(what)
		if err == nil {
			_, err = mouth.Write(append(line, '\n'))
		}
		if err != nil && life.Err() == nil {
			p.Log.Debug("a plug-in does not listen", "plugin", p.Name)
		}
	}
	for {
		select {
		case what := <-commands:
			write(what)
		case <-life.Done():
			_ = mouth.Close()
			return
		case <-ctx.Done():
			go func() { // it may not listen
				write(stop{"stop"})
				_ = mouth.Close()
			}()
			if p.Clock.Sleep(life, p.Clock.Now().Add(p.grace)) == nil {
				end(errEnded)
			}
			return
		}
	}
}

// hear takes line after line until the plug-in ends or says what is no message.
func (p *Plugin) hear(life context.Context, heard io.Reader, spoke *atomic.Int64, commands chan<- any, deliver func([]lifeboat.Reading, []error)) error {
	lines := bufio.NewScanner(heard)
	lines.Buffer(make([]byte, 0, 4096), lineMax)
	greeted := false
	for lines.Scan() {
		now := p.Clock.Now()
		spoke.Store(now.UnixNano())
		m, err := parse(lines.Bytes())
		switch {
		case err != nil:
			return fmt.Errorf("%w: %s", err, word.Short(p.Scrub(lines.Text())))
		case !greeted && m.Hello == nil:
			return errors.New("it did not say hello first")
		case !greeted && m.Hello.Protocol != Protocol:
			return fmt.Errorf("it speaks protocol %d, and lifeboat speaks %d", m.Hello.Protocol, Protocol)
		case greeted && m.Hello != nil:
			return errors.New("it said hello twice")
		case !greeted:
			greeted = true
			commands <- p.subscription()
		case m.Error != nil && m.Error.Fatal:
			return errors.New(p.Scrub(cut(m.Error.Message)))
		case m.Error != nil:
			p.complain(m.Error, deliver)
		case m.Reading != nil:
			p.take(now, m.Reading, deliver)
		}
		if until, tooFast := p.pace.next(now); tooFast && p.Clock.Sleep(life, until) != nil {
			return errEnded
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return errTooLong
	case err != nil:
		return err
	}
	return errEnded
}

func (p *Plugin) subscription() subscribe {
	s := subscribe{Op: "subscribe"}
	for _, f := range p.Feeds {
		if name := called(f); !slices.Contains(s.Series, name) {
			s.Series = append(s.Series, name)
		}
	}
	return s
}

// take turns what was said into a reading. What nobody asked for is let go.
func (p *Plugin) take(at time.Time, m *reading, deliver func([]lifeboat.Reading, []error)) {
	f, asked := p.feeds[m.Series]
	if !asked {
		return
	}
	delete(p.down, m.Series)
	r, news := p.last[f.Source].Reading(word.Said{Series: lifeboat.Series(f.Series), Text: m.text(), Time: m.Time}, f.Source, f.Level, at)
	if !news {
		return
	}
	if m.Quality == "suspect" && r.Quality == lifeboat.Good {
		r.Quality, r.Why = lifeboat.Suspect, "the plug-in doubts it"
		if m.Why != "" {
			r.Why += ": " + word.Short(p.Scrub(m.Why))
		}
	}
	deliver([]lifeboat.Reading{r}, nil)
}

// complain passes on, once, that the plug-in cannot tell a series.
func (p *Plugin) complain(m *fault, deliver func([]lifeboat.Reading, []error)) {
	about := strings.Join(p.series(), ", ")
	if f, asked := p.feeds[m.Series]; asked {
		about = f.Series
	} else if m.Series != "" {
		return
	}
	if !p.down[m.Series] {
		p.down[m.Series] = true
		deliver(nil, []error{p.problem(about, errors.New(p.Scrub(cut(m.Message))))})
	}
}

// pace counts the lines of a second.
type pace struct {
	second time.Time
	lines  int
}

// next counts a line, and reports when the following one may be read if that is not now.
func (c *pace) next(now time.Time) (until time.Time, tooFast bool) {
	if second := now.Truncate(time.Second); !second.Equal(c.second) {
		c.second, c.lines = second, 0
	}
	c.lines++
	return c.second.Add(time.Second), c.lines >= linesMax
}
