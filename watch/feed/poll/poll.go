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
	"lifeboat/watch/feed/tape"
)

// Clock is where the caller takes the time from that Poll is given and Next is slept until.
type Clock = lifeboat.Clock

const (
	timeout    = 10 * time.Second // for one source to answer
	answerMax  = 1 << 20          // bytes of one answer, or of what is read from a file at once
	atOnceMax  = 4                // sources asked in parallel
	backoffMax = 5 * time.Minute
	everyMin   = time.Minute     // when a feed does not say
	idle       = time.Hour       // between polls of no feeds at all
	aheadMax   = 5 * time.Minute // by which a source's clock may lead ours
	// RowsMax bounds the readings of one answer. Of a longer list the newest count: what matters now must not wait
	// behind what has been. It is more than any exchange answers at once.
	RowsMax = 2000
)

// Poller asks the feeds of one plan. Its methods are not for concurrent use.
type Poller struct {
	feeds  []*feed
	client *http.Client
	idle   time.Time
}

// A feed is one line of the plan, and how it has been going.
type feed struct {
	plan.Feed
	address  address // expanded; zero for a file
	file     *tail   // nil for an address
	rows     jp.Expr // nil where the answer is one value
	value    jp.Expr
	time     jp.Expr
	due      time.Time
	failures int
	last     map[lifeboat.Series]time.Time // the source's own time of what it last said
}

// New prepares the feeds of a plan in a directory. References to the environment in addresses are looked up now; the
// error of one that is missing names it. A nil client is a plain one; timeouts and redirects are the Poller's own.
func New(feeds []plan.Feed, dir string, client *http.Client) (*Poller, error) {
	p := &Poller{client: guarded(client)}
	for _, planned := range feeds {
		f, err := newFeed(planned, dir)
		if err != nil {
			return nil, &lifeboat.Problem{
				Reason: "plan-invalid",
				What:   fmt.Sprintf("the feed of %s from %s cannot be used: %v", planned.Series, planned.Source, err),
				Money:  "nothing was sent",
				Next:   "mend the feed, or set the variable, and run lifeboat check",
				Err:    err,
			}
		}
		p.feeds = append(p.feeds, f)
	}
	return p, nil
}

func newFeed(planned plan.Feed, dir string) (f *feed, err error) {
	f = &feed{Feed: planned, last: map[lifeboat.Series]time.Time{}}
	if f.Every <= 0 {
		f.Every = plan.Duration(everyMin)
	}
	if planned.File != "" {
		f.file = newTail(dir, planned.File)
		return f, nil
	}
	if f.address, err = expand(planned.URL); err != nil {
		return nil, err
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
	for _, f := range p.feeds {
		if !f.due.After(at) {
			due = append(due, f)
		}
	}
	answers := p.ask(ctx, due)
	var readings []lifeboat.Reading
	var problems []error
	for i, f := range due {
		said, err := answers[i].seen, answers[i].err
		if ctx.Err() != nil && err != nil {
			continue
		}
		if err == nil && f.file == nil {
			said, err = f.decode(answers[i].body)
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

// An answer is the body of an address, or what a file has gained.
type answer struct {
	body []byte
	seen []observation
	err  error
}

// ask gets the answers of feeds, one address only once, a few at a time.
func (p *Poller) ask(ctx context.Context, due []*feed) []answer {
	answers := make([]answer, len(due))
	first := map[address]int{}
	slots := make(chan struct{}, atOnceMax)
	var wait sync.WaitGroup
	for i, f := range due {
		if f.file == nil {
			if _, asked := first[f.address]; asked {
				continue
			}
			first[f.address] = i
		}
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if f.file != nil {
				answers[i].seen, answers[i].err = f.file.read(f.Feed, len(f.last) > 0)
			} else {
				answers[i].body, answers[i].err = p.get(ctx, f.address)
			}
		})
	}
	wait.Wait()
	for i, f := range due {
		if f.file == nil {
			answers[i] = answers[first[f.address]]
		}
	}
	return answers
}

// schedule says when the feed is due again, and reports whether its failure is news.
func (f *feed) schedule(at time.Time, err error) bool {
	every := time.Duration(f.Every)
	if err == nil {
		f.failures = 0
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
type observation struct {
	series lifeboat.Series
	text   string
	time   string // "" when the source tells none
}

// news turns observations into readings, without those the source has given before.
func (f *feed) news(at time.Time, said []observation) []lifeboat.Reading {
	if f.rows != nil {
		said = finished(at, said)
	}
	var readings []lifeboat.Reading
	for _, o := range said[max(0, len(said)-RowsMax):] {
		symbol, bar := o.series.Column()
		r := lifeboat.Reading{Series: o.series, Source: f.Source}
		v, blank, why := tape.ParseValue(o.text, bar, f.Level || tape.IsLevel(symbol))
		if blank {
			continue
		}
		if why != "" {
			why = short(o.text) + " " + why
		}
		if o.time != "" {
			when, fault := sourceTime(o.time, at)
			if fault != "" {
				why = fault
			} else if last, spoken := f.last[o.series]; spoken && !when.After(last) {
				continue
			} else {
				r.At, f.last[o.series] = when, when
			}
		}
		if why != "" {
			r.Quality, r.Why = lifeboat.Suspect, why
		} else {
			r.Value = v
		}
		readings = append(readings, r)
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
		end, form := tape.ParseTime(o.time)
		if form == tape.Date {
			end = end.AddDate(0, 0, 1)
		}
		switch {
		case form == tape.NoTime:
			lost = &rows[i]
		case !end.After(at):
			ends[o.time] = end
			done = append(done, o)
		}
	}
	slices.SortStableFunc(done, func(a, b observation) int { return ends[a.time].Compare(ends[b.time]) })
	if lost != nil {
		done = append(done, *lost)
	}
	return done
}

// sourceTime reads when a value was true. A bare date stands for all of its day: the value is of now while the day
// lasts, and of the day's end in UTC afterwards.
func sourceTime(text string, at time.Time) (when time.Time, fault string) {
	when, form := tape.ParseTime(text)
	switch {
	case form == tape.NoTime:
		return when, "its time " + short(text) + " is no date"
	case form == tape.Date && when.After(at.AddDate(0, 0, 1)), form != tape.Date && when.After(at.Add(aheadMax)):
		return when, "its time " + short(text) + " lies in the future"
	case form == tape.Date:
		if end := when.AddDate(0, 0, 1); end.Before(at) {
			return end, ""
		}
		return at.UTC(), ""
	}
	return when.UTC(), ""
}

// short quotes foreign text, cut so that it fits into a sentence.
func short(text string) string {
	const runesMax = 40
	if runes := []rune(text); len(runes) > runesMax {
		text = string(runes[:runesMax]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

var errTooLong = errors.New("the answer is larger than 1 MiB")
