// Package poll is the live feed: it asks addresses that answer JSON or CSV, and reads CSV files that grow, each as
// often as the plan says.
//
// What a source says becomes a reading with the source's name and, where it tells one, the source's own time. A value
// that was received and cannot be right is a suspect reading. A source that repeats itself gives nothing: only then
// does it show, later, that its series has gone stale. A source that does not answer is a problem, told once until it
// answers again, and asked less and less often.
//
// A source that answers a list of rows, such as an exchange's candles, gives every row that is newer than the last one
// taken, oldest first, each at its own time; so does a file. What was missed while nobody asked is caught up that way,
// once [Poller.Seen] has said what the last one was. A row whose time has not come yet, the candle that is still
// running, is left for later.
//
// A [Socket] listens to a WebSocket in the same words: what stands at the path of a message becomes a reading.
//
// It decides nothing about how old a value may be, whether it is plausible, or which of several sources is right, keeps
// nothing over a restart, and never shows an address, because addresses hold keys.
package poll

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ohler55/ojg/jp"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/secret"
	"lifeboat/watch/feed/tape"
	"lifeboat/watch/feed/word"
)

// Clock is where the caller takes the time from that Poll is given and Next is slept until.
type Clock = lifeboat.Clock

const (
	timeout    = 10 * time.Second // for one source to answer
	answerMax  = 1 << 20          // bytes of one answer, or of what is read from a file at once
	atOnceMax  = 4                // sources asked in parallel
	backoffMax = 5 * time.Minute
	everyMin   = time.Minute // when a feed does not say
	idle       = time.Hour   // between polls of no feeds at all
	// RowsMax bounds the readings of one answer. Of a longer list the newest count: what matters now must not wait
	// behind what has been. It is more than any exchange answers at once.
	RowsMax = 2000
)

// Poller asks the feeds of one plan. Its methods are not for concurrent use.
type Poller struct {
	feeds   []*feed
	client  *http.Client
	idle    time.Time
	targets map[string]*target // :: what is asked → it
	hosts   map[string]*host
}

// A feed is one line of the plan, and how it has been going.
type feed struct {
	plan.Feed
	target   *target // nil for a file
	alone    *target // that asks for this feed only; the same where nothing is shared
	file     *tail   // nil for an address
	rows     jp.Expr // nil where the answer is one value
	value    jp.Expr
	time     jp.Expr
	due      time.Time
	failures int
	waits    time.Time // since when it was due and found no room at its host; zero when it does not wait
	waited   bool      // this time, before it was asked
	late     bool      // it waits for its host's turn, and everybody knows
	last     word.Memory
}

// Options say what a Poller asks with.
type Options struct {
	Dir    string        // of the plan, where files lie
	Client *http.Client  // a plain one when nil; timeouts and redirects are the Poller's own
	Vault  *secret.Vault // reads the keys that feeds refer to; one of the environment and of files in Dir when nil
}

// New is Open with the environment's keys.
func New(feeds []plan.Feed, dir string, client *http.Client) (*Poller, error) {
	return Open(context.Background(), feeds, Options{Dir: dir, Client: client})
}

// Open prepares those feeds of a plan that are asked. Their keys, by reference or from the environment, are read now; the
// error of one that is missing names the reference.
func Open(ctx context.Context, feeds []plan.Feed, o Options) (*Poller, error) {
	if o.Vault == nil {
		o.Vault = &secret.Vault{Dir: o.Dir}
	}
	p := &Poller{client: guarded(o.Client), targets: map[string]*target{}, hosts: map[string]*host{}}
	for _, r := range plan.Requests(feeds) {
		if r.Streams() {
			continue
		}
		f, err := p.open(ctx, r, o)
		if err != nil {
			return nil, &lifeboat.Problem{
				Reason: "plan-invalid",
				What:   fmt.Sprintf("the feed of %s from %s cannot be used: %v", r.Series, r.Source, err),
				Money:  "nothing was sent",
				Next:   "mend the feed, or set the variable, and run lifeboat check",
				Err:    err,
			}
		}
		p.feeds = append(p.feeds, f)
	}
	return p, nil
}

func (p *Poller) open(ctx context.Context, r plan.Request, o Options) (f *feed, err error) {
	planned := r.Feed
	f = &feed{Feed: planned, last: word.Memory{}}
	if f.Every <= 0 {
		f.Every = plan.Duration(everyMin)
	}
	if planned.File != "" {
		f.file = newTail(o.Dir, planned.File)
		return f, nil
	}
	if f.target, err = p.aim(ctx, planned.URL, planned, o.Vault); err != nil {
		return nil, err
	}
	if f.alone = f.target; r.Alone != "" && r.Alone != planned.URL {
		if f.alone, err = p.aim(ctx, r.Alone, planned, o.Vault); err != nil {
			return nil, err
		}
	}
	if planned.Format != "json" {
		return f, nil
	}
	if f.value, err = jp.ParseString(planned.Path); err != nil {
		return nil, fmt.Errorf("path: %w", err)
	}
	if planned.Time != "" {
		if f.time, err = jp.ParseString(planned.Time); err != nil {
			return nil, fmt.Errorf("time: %w", err)
		}
	}
	if planned.Rows != "" {
		if f.rows, err = jp.ParseString(planned.Rows); err != nil {
			return nil, fmt.Errorf("rows: %w", err)
		}
	}
	return f, nil
}

// Seen says what a source told last, before the first Poll: what is newer was missed and is news, and what is not is
// none. at is the source's own time.
func (p *Poller) Seen(series lifeboat.Series, source string, at time.Time) {
	symbol, _ := series.Column()
	for _, f := range p.feeds {
		if f.Source == source && (f.Series == string(series) || f.Series == symbol) {
			f.last[series] = at
		}
	}
}

// Next is when the next feed is due: the zero time before the first Poll, and an hour after the last when there is
// nothing to ask.
func (p *Poller) Next() time.Time {
	if len(p.feeds) == 0 {
		return p.idle
	}
	return slices.MinFunc(p.feeds, func(a, b *feed) int { return a.due.Compare(b.due) }).due
}

// Poll asks every feed that is due and returns what is new, in the order of the plan. Each error is a Problem of
// reason feed-down. When ctx ends, what was not answered by then is left for the next time.
func (p *Poller) Poll(ctx context.Context, at time.Time) ([]lifeboat.Reading, []error) {
	p.idle = at.Add(idle)
	var due []*feed
	var problems []error
	for _, f := range p.inTurn(at) {
		if !f.due.After(at) {
			due = append(due, f)
		} else if f.lateNews() {
			problems = append(problems, f.problem(errLate))
		}
	}
	answers := p.ask(ctx, at, due)
	for i, f := range due {
		if a := &answers[i]; a.err == nil && f.file == nil {
			a.seen, a.err = f.decode(a.body)
		}
	}
	parted := p.part(at, due, answers)
	var readings []lifeboat.Reading
	for i, f := range due {
		said, err := answers[i].seen, answers[i].err
		if ctx.Err() != nil && err != nil || parted[f] {
			continue
		}
		if f.schedule(at, err) {
			problems = append(problems, f.problem(err))
		}
		if err == nil {
			readings = append(readings, f.news(at, said)...)
		}
	}
	return readings, problems
}

// inTurn lets the feeds that are due take their turn at their host: who has waited longest first, and who finds no room
// is due when there is. It returns the feeds that were due, in the order of the plan.
func (p *Poller) inTurn(at time.Time) []*feed {
	var were []*feed
	for _, f := range p.feeds {
		if !f.due.After(at) {
			were = append(were, f)
		}
	}
	admitted := map[*target]bool{}
	for _, f := range slices.SortedStableFunc(slices.Values(were), func(a, b *feed) int { return a.since().Compare(b.since()) }) {
		if f.target == nil || admitted[f.target] {
			continue
		}
		if room := f.target.host.room(at); room.After(at) {
			if f.waits.IsZero() {
				f.waits = f.due
			}
			f.due = room
			continue
		}
		admitted[f.target] = true
	}
	for _, f := range were {
		if f.target == nil || admitted[f.target] {
			f.waited = !f.waits.IsZero()
			f.due, f.waits = at, time.Time{}
		}
	}
	return were
}

// since when a feed has been due.
func (f *feed) since() time.Time {
	if f.waits.IsZero() {
		return f.due
	}
	return f.waits
}

// lateNews reports, once, that a feed waits for its host longer than it may.
func (f *feed) lateNews() bool {
	if f.late || f.failures > 0 || f.waits.IsZero() || f.due.Sub(f.waits) < time.Duration(f.Every) {
		return false
	}
	f.late = true
	return true
}

// part lets feeds that shared a request be asked one by one from now on, where the source refused all for one of them, or
// nothing in its answer could be read.
func (p *Poller) part(at time.Time, due []*feed, answers []answer) map[*feed]bool {
	failed := map[*target]bool{}
	for i, f := range due {
		if f.target == nil || f.alone == f.target {
			continue
		}
		var r refused
		bad := answers[i].err != nil && (answers[i].body != nil || errors.As(answers[i].err, &r) && r.whole())
		if before, asked := failed[f.target]; !asked || before {
			failed[f.target] = bad
		}
	}
	parted := map[*feed]bool{}
	for _, f := range p.feeds {
		if failed[f.target] && f.alone != f.target {
			f.target, f.due = f.alone, at
			parted[f] = true
		}
	}
	return parted
}

// An answer is the body of an address, or what a file has gained.
type answer struct {
	body []byte
	seen []observation
	err  error
}

// ask gets the answers of feeds, one address only once, a few at a time.
func (p *Poller) ask(ctx context.Context, at time.Time, due []*feed) []answer {
	answers := make([]answer, len(due))
	first := map[*target]int{}
	slots := make(chan struct{}, atOnceMax)
	var wait sync.WaitGroup
	for i, f := range due {
		if f.file == nil {
			if _, asked := first[f.target]; asked {
				continue
			}
			first[f.target] = i
		}
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if f.file != nil {
				answers[i].seen, answers[i].err = f.file.read(f.Feed, len(f.last) > 0)
			} else {
				answers[i].body, answers[i].err = p.get(ctx, f.target)
			}
		})
	}
	wait.Wait()
	for i, f := range due { // in the order of the plan, whoever answered first
		if f.file == nil && first[f.target] == i {
			f.target.host.heard(at, answers[i].err)
		}
	}
	for i, f := range due {
		if f.file == nil {
			answers[i] = answers[first[f.target]]
		}
	}
	return answers
}

// schedule says when the feed is due again, and reports whether its failure is news.
func (f *feed) schedule(at time.Time, err error) bool {
	every := time.Duration(f.Every)
	if err == nil {
		f.failures = 0
		f.late = f.late && f.waited
		f.due = at.Add(every)
		return false
	}
	wait := every
	for range f.failures {
		if wait = 2 * wait; wait >= backoffMax {
			break
		}
	}
	f.failures++
	f.due = at.Add(max(every, min(wait, backoffMax)))
	return f.failures == 1
}

func (f *feed) problem(err error) error {
	return &lifeboat.Problem{
		Reason: "feed-down",
		What:   fmt.Sprintf("%s from %s is not to be had: %v", f.Series, f.Source, err),
		Money:  fmt.Sprintf("nothing was sent; triggers on %s say 'no data' once its last value is too old", f.Series),
		Next:   "look at the source; lifeboat keeps asking",
		Err:    err,
	}
}

// An observation is one value as it stands at the source.
type observation = word.Said

// news turns observations into readings, without those the source has given before.
func (f *feed) news(at time.Time, said []observation) []lifeboat.Reading {
	if f.rows != nil {
		said = finished(at, said)
	}
	var readings []lifeboat.Reading
	for _, o := range said[max(0, len(said)-RowsMax):] {
		if r, news := f.last.Reading(o, f.Source, f.Level, at); news {
			readings = append(readings, r)
		}
	}
	return readings
}

// finished brings rows into the order of their times, without those that are still running. Of those whose time cannot
// be read one is kept, so that it shows, and not all of them again at every poll.
func finished(at time.Time, rows []observation) []observation {
	var done []observation
	var lost *observation
	ends := map[string]time.Time{}
	for i, o := range rows {
		end, form := tape.ParseTime(o.Time)
		if form == tape.Date {
			end = end.AddDate(0, 0, 1)
		}
		switch {
		case form == tape.NoTime:
			lost = &rows[i]
		case !end.After(at):
			ends[o.Time] = end
			done = append(done, o)
		}
	}
	slices.SortStableFunc(done, func(a, b observation) int { return ends[a.Time].Compare(ends[b.Time]) })
	if lost != nil {
		done = append(done, *lost)
	}
	return done
}

var (
	errTooLong = errors.New("the answer is larger than 1 MiB")
	errLate    = errors.New("its host has been asked as often as it allows (per_minute), or asked for time")
)
