// Package coverage says what was really watched: which stretches of time each source of each series was evaluated in,
// and which not, and why. A calm journal of a day on which nobody looked is no calm day.
//
// A [Ledger] is a fold over journalled events, as everything is that a person is shown. A good reading covers the time
// since the one before. A hole opens with the last good one when the watch says that a series fell silent, with a
// suspect value, and with the last sign of life before lifeboat was started again; the next good reading closes it, and
// the rows that came in late with times of their own inside the hole are counted as caught up. How many there should
// have been is told where a source keeps a steady pace, such as a bar a minute or a block every twelve seconds.
//
// Covered stretches and holes divide the time from a source's first reading to its last without a rest. The last holes
// of each source are kept one by one and those before them as a sum, so that memory stays bounded.
//
// It does not fetch what is missing, raises no alarm (that is the watch's), and judges no value.
package coverage

import (
	"slices"
	"strings"
	"time"

	"lifeboat"
)

const (
	// HolesMax is how many of the last holes of one source are kept one by one.
	HolesMax = 100
	// seriesMax bounds the sources that are followed; those beyond it are counted.
	seriesMax = 10_000
	// steadyAfter is how many equal steps make a pace.
	steadyAfter = 3
	// steadyWithin is how far two equal steps may differ.
	steadyWithin = time.Second
	// grace lets a reading that comes exactly when its predecessor goes stale be in time, as the signals do.
	grace = time.Second
)

// Options are what a journal does not say. Each may be left out.
type Options struct {
	// Open is the market time of a series between two times; the time itself when nil. A hole without any is none.
	Open func(s lifeboat.Series, from, to time.Time) time.Duration
	// Silent is how much market time may pass from one reading to the next. When nil or zero, only the journal's own
	// gaps say that a source was silent, and they speak of what triggers read.
	Silent func(s lifeboat.Series, source string) time.Duration
	// Cadence is the market time from one reading to the next where it is known: the length of a bar, the time of a
	// block. When nil or zero it is learned from equal steps.
	Cadence func(s lifeboat.Series, source string) time.Duration
}

// Reason why nothing was evaluated.
type Reason string

const (
	// Down is the time in which nothing shows that lifeboat was running.
	Down Reason = "lifeboat was not running"
	// Silent is the time after the last reading that was fresh.
	Silent Reason = "the source was silent"
	// Suspect is the time in which what came could not be believed.
	Suspect Reason = "its values were suspect"
)

// Hole is a stretch of time in which a source was not evaluated.
type Hole struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to,omitzero"` // zero while it is open
	Reason Reason    `json:"reason"`
	// Rows that came in late, at times of their own in the hole; the first reading after it is one of them.
	Rows int `json:"rows"`
	// Expected is how many rows the source's pace makes of the hole; 0 when it has none.
	Expected int `json:"expected,omitempty"`
	Suspects int `json:"suspects,omitempty"` // values that were refused in it
}

// Earlier holes, of which only the sum is kept.
type Earlier struct {
	Holes int           `json:"holes"`
	Time  time.Duration `json:"-"`
	Until time.Time     `json:"until,omitzero"` // the end of the last of them
}

// Series is what the ledger knows of one source of one series.
type Series struct {
	Series   lifeboat.Series `json:"series"`
	Source   string          `json:"source,omitempty"`
	From     time.Time       `json:"from"` // its first reading, or since when it was missed
	To       time.Time       `json:"to"`   // its last good one
	Readings int             `json:"readings"`
	Suspects int             `json:"suspects"`
	Pace     time.Duration   `json:"-"` // from one reading to the next; 0 when it is not steady
	Holes    []Hole          `json:"holes"`
	Earlier  Earlier         `json:"earlier"`
}

// Span is a stretch of time.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Evaluated are the stretches between the holes, from the end of those of which only a sum is kept.
func (s *Series) Evaluated() []Span {
	from := s.From
	if s.Earlier.Until.After(from) {
		from = s.Earlier.Until
	}
	var spans []Span
	add := func(to time.Time) {
		if to.After(from) {
			spans = append(spans, Span{from, to})
		}
	}
	for _, h := range s.Holes {
		add(h.From)
		if from = h.To; from.IsZero() {
			return spans
		}
	}
	add(s.To)
	return spans
}

// Missed is how long the source was not evaluated until now, market time or not.
func (s *Series) Missed(now time.Time) time.Duration {
	sum := s.Earlier.Time
	for _, h := range s.Holes {
		to := h.To
		if to.IsZero() {
			to = now
		}
		sum += max(0, to.Sub(h.From))
	}
	return sum
}

// Ledger follows a journal. It is not safe for concurrent use.
type Ledger struct {
	options   Options
	began     time.Time // the first entry
	followed  map[name]*follower
	order     []*follower // as they were first heard
	never     map[lifeboat.Series]time.Time
	untracked int // readings of sources beyond seriesMax
}

type name struct {
	series lifeboat.Series
	source string
}

// A follower is one source, and what it is doing now.
type follower struct {
	Series
	heard  time.Time // the own time of its last good reading
	spoke  time.Time // the own time of its last reading, suspect ones too
	open   bool      // the last hole is
	step   time.Duration
	equals int // steps in a row
}

// New makes an empty ledger.
func New(o Options) *Ledger {
	if o.Open == nil {
		o.Open = func(_ lifeboat.Series, from, to time.Time) time.Duration { return to.Sub(from) }
	}
	none := func(lifeboat.Series, string) time.Duration { return 0 }
	if o.Silent == nil {
		o.Silent = none
	}
	if o.Cadence == nil {
		o.Cadence = none
	}
	return &Ledger{options: o, followed: map[name]*follower{}, never: map[lifeboat.Series]time.Time{}}
}

// Apply folds one journalled event into the ledger. Times never go back from one event to the next.
func (l *Ledger) Apply(at time.Time, e lifeboat.Event) {
	if l.began.IsZero() {
		l.began = at
	}
	switch e := e.(type) {
	case lifeboat.Instant:
		for i := range e.Readings {
			l.read(at, &e.Readings[i])
		}
	case lifeboat.Gap:
		l.gap(at, e)
	case lifeboat.Resumed:
		for _, f := range l.order {
			l.resume(f, at, e.Since)
		}
	}
}

func (l *Ledger) read(at time.Time, r *lifeboat.Reading) {
	if r.Quality != lifeboat.Good && r.Quality != lifeboat.Suspect {
		return
	}
	f := l.follow(at, name{r.Series, r.Source})
	if f == nil {
		l.untracked++
		return
	}
	when := r.At
	if when.IsZero() || when.After(at) {
		when = at
	}
	if own := r.At; own.After(f.spoke) {
		f.spoke = own
	} else if own.IsZero() {
		f.spoke = at
	}
	if r.Quality == lifeboat.Suspect {
		l.refused(f, at)
	} else {
		l.take(f, at, when)
	}
}

// follow a source from now on; one that was missed before it ever spoke, from then.
func (l *Ledger) follow(at time.Time, n name) *follower {
	if f := l.followed[n]; f != nil {
		return f
	}
	if len(l.order) >= seriesMax {
		return nil
	}
	f := &follower{Series: Series{Series: n.series, Source: n.source, From: at, To: at, Holes: []Hole{}}}
	for _, missed := range []lifeboat.Series{n.series, n.series + "@" + lifeboat.Series(n.source)} {
		if since, ok := l.never[missed]; ok {
			delete(l.never, missed)
			f.From, f.To = since, since
			l.begin(f, since, Silent)
		}
	}
	f.Pace = l.options.Cadence(n.series, n.source)
	l.followed[n] = f
	l.order = append(l.order, f)
	return f
}

// take a good reading: it closes the hole, if there is one, and is counted in it when its own time lies there.
func (l *Ledger) take(f *follower, at, when time.Time) {
	if !f.open && l.late(f, at) {
		l.begin(f, f.To, Silent)
	}
	if f.open {
		l.end(f, at)
	}
	if n := len(f.Holes); n > 0 && when.After(f.heard) && !when.After(f.Holes[n-1].To) {
		f.Holes[n-1].Rows++
	}
	f.Readings++
	f.To = at
	if when.After(f.heard) {
		f.learn(when, l.options.Cadence(f.Series.Series, f.Source))
		f.heard = when
	}
}

// late reports a reading that comes after its predecessor had gone stale.
func (l *Ledger) late(f *follower, at time.Time) bool {
	limit := l.options.Silent(f.Series.Series, f.Source)
	return limit > 0 && f.Readings > 0 && l.options.Open(f.Series.Series, f.To, at) > limit+grace
}

// learn the pace of a source from steps that are equal.
func (f *follower) learn(when time.Time, known time.Duration) {
	if f.heard.IsZero() || known > 0 {
		return
	}
	step := when.Sub(f.heard)
	if (step-f.step).Abs() <= steadyWithin && step > steadyWithin {
		f.equals++
	} else {
		f.step, f.equals = step, 1
	}
	if f.equals >= steadyAfter {
		f.Pace = f.step
	}
}

func (l *Ledger) refused(f *follower, at time.Time) {
	f.Suspects++
	if !f.open {
		l.begin(f, at, Suspect)
	}
	f.Holes[len(f.Holes)-1].Suspects++
}

// gap opens a hole in every source of a series that fell silent, or in the one that did. Only readings close it: of two
// silent sources one may be back.
func (l *Ledger) gap(at time.Time, g lifeboat.Gap) {
	if g.State != lifeboat.GapOpened {
		delete(l.never, g.Series)
		return
	}
	known := false
	for _, f := range l.order {
		if g.Series != f.Series.Series && string(g.Series) != string(f.Series.Series)+"@"+f.Source {
			continue
		}
		known = true
		if !f.open {
			l.begin(f, f.To, Silent)
		}
	}
	if !known && g.Since.IsZero() && len(l.never) < seriesMax {
		l.never[g.Series] = l.began
	}
}

// resume a source after lifeboat was away. One that was silent before still is.
func (l *Ledger) resume(f *follower, at, since time.Time) {
	if since.Before(f.To) {
		since = f.To
	}
	if !f.open {
		l.begin(f, since, Down)
		return
	}
	reason := f.Holes[len(f.Holes)-1].Reason
	if from := f.Holes[len(f.Holes)-1].From; since.Before(from) {
		since = from
	}
	if reason == Down {
		return // started twice, and nothing came in between
	}
	l.end(f, since)
	l.begin(f, since, Down)
	l.end(f, at)
	l.begin(f, at, reason)
}

func (l *Ledger) begin(f *follower, from time.Time, why Reason) {
	f.open = true
	f.Holes = append(f.Holes, Hole{From: from, Reason: why})
	if len(f.Holes) > HolesMax {
		h := f.Holes[0]
		f.Earlier = Earlier{f.Earlier.Holes + 1, f.Earlier.Time + h.To.Sub(h.From), h.To}
		f.Holes = slices.Delete(f.Holes, 0, 1)
	}
}

// end the open hole. One in which no market time passed is none.
func (l *Ledger) end(f *follower, at time.Time) {
	f.open = false
	n := len(f.Holes)
	h := &f.Holes[n-1]
	h.To = at
	if l.options.Open(f.Series.Series, h.From, at) <= 0 {
		if n > 1 && f.Holes[n-2].To.Equal(at) { // bad rows among those that were caught up
			f.Holes[n-2].Suspects += h.Suspects
		}
		f.Holes = f.Holes[:n-1]
		return
	}
	if f.Pace > 0 && !f.heard.IsZero() {
		h.Expected = int(l.options.Open(f.Series.Series, later(f.heard, h.From.Add(-f.Pace)), at) / f.Pace)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Series that were followed, by name. What it returns is the caller's own.
func (l *Ledger) Series() []Series {
	all := make([]Series, 0, len(l.order))
	for _, f := range l.order {
		s := f.Series
		s.Holes = slices.Clone(s.Holes)
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Series) int {
		if c := strings.Compare(string(a.Series), string(b.Series)); c != 0 {
			return c
		}
		return strings.Compare(a.Source, b.Source)
	})
	return all
}

// Never are the series that were missed and never spoke, by name, and since when.
func (l *Ledger) Never() map[lifeboat.Series]time.Time { return l.never }

// Untracked counts the readings of sources beyond those that can be followed.
func (l *Ledger) Untracked() int { return l.untracked }

// Spoke yields every source and the own time of its last reading, good or suspect, in the order in which they were
// first heard: what a feed has to be told to catch up.
func (l *Ledger) Spoke(yield func(s lifeboat.Series, source string, last time.Time)) {
	for _, f := range l.order {
		yield(f.Series.Series, f.Source, f.spoke)
	}
}
