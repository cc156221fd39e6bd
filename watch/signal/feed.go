package signal

import (
	"slices"
	"time"

	"lifeboat"
	"lifeboat/session"
)

// A feed is one series: its sources, and what they agree on.
type feed struct {
	series   lifeboat.Series
	index    int // in Engine.order
	calendar *session.Calendar
	price    bool // no other column of a bar
	volume   bool
	offered  bool // somebody really offers it; else it was only asked for
	touched  bool // in this instant
	held     bool // it prices something in the book
	quorum   int  // fresh sources that it takes

	followed []ID // nodes of the series that are followed

	leaves    []*leaf // in the order of Config.Sources, later ones as they spoke
	consensus stream
	agreed    bool // the sources have agreed once
	now       level
	scratch   []float64
}

// level is what a series stood at, at one time.
type level struct {
	at    int64
	value float64
	known bool
}

// A leaf is one source of one series.
type leaf struct {
	source     string
	calendar   *session.Calendar
	staleAfter time.Duration // of market time

	value   float64
	at      time.Time // of the last good reading
	nanos   int64     // the same, since 1970
	touched bool
	own     *stream // its past, where a node asks for it

	deadline   time.Time // when the reading of deadlineOf goes stale; the calendar is asked only when it matters
	deadlineOf time.Time
	fell       bool // it went stale, and everybody knows

	feed          *feed
	line          *line // nil until it first speaks, and when it never goes stale
	ahead, behind *leaf // in the line
	queued        bool
}

func (l *leaf) take(v float64, when time.Time, nanos int64) {
	l.value, l.at, l.nanos, l.touched = v, when, nanos, true
	if l.own != nil {
		l.own.take(v, when, nanos)
	}
}

// fresh reports that the last reading is not older than it may be. Market time never runs faster than the clock, so
// the calendar is asked only after that much wall time.
func (l *leaf) fresh(at time.Time) bool {
	if l.at.IsZero() {
		return false
	}
	if l.staleAfter <= 0 || at.UnixNano()-l.nanos <= int64(l.staleAfter) {
		return true
	}
	return at.Before(l.staleAt(l.at))
}

// staleAt is the first time at which a reading of the given time is stale.
func (l *leaf) staleAt(since time.Time) time.Time {
	if !l.deadlineOf.Equal(since) || l.deadline.IsZero() {
		l.deadline = l.calendar.AddOpen(since, l.staleAfter).Add(graceAfterDeadline)
		l.deadlineOf = since
	}
	return l.deadline
}

func (f *feed) find(source string) *leaf {
	for _, l := range f.leaves {
		if l.source == source {
			return l
		}
	}
	return nil
}

// last is the time of the last good reading from any source.
func (f *feed) last() time.Time {
	var last time.Time
	for _, l := range f.leaves {
		if l.at.After(last) {
			last = l.at
		}
	}
	return last
}

// fresh reports that enough sources are.
func (f *feed) fresh(at time.Time) bool {
	n := 0
	for _, l := range f.leaves {
		if l.fresh(at) {
			if n++; n >= f.quorum {
				return true
			}
		}
	}
	return false
}

// settle lets what the sources agree on move, once all readings of an instant are in. Volumes have already moved it.
func (f *feed) settle(at time.Time) {
	var when *leaf
	for _, l := range f.leaves {
		if l.touched && (when == nil || l.nanos > when.nanos) {
			when = l
		}
		l.touched = false
	}
	if f.touched = false; when == nil { // two readings of one source let it settle in between
		return
	}
	v, known := f.agree(at)
	if f.volume {
		v = f.consensus.value
	} else if known {
		f.consensus.take(v, when.at, when.nanos)
		f.agreed = true
	}
	f.now = level{at.UnixNano(), v, known}
}

// level is what the fresh sources agree on now. A source that went stale since they last settled has no vote.
func (f *feed) level(at time.Time) (float64, bool) {
	if f.now.at == at.UnixNano() && !f.touched {
		return f.now.value, f.now.known
	}
	if f.volume {
		return f.consensus.value, f.fresh(at)
	}
	return f.agree(at)
}

// agree is the median of the fresh sources; of an even number the middle value nearer to the last agreement, and their
// mean when neither is. They agree on nothing while there are fewer than the quorum.
func (f *feed) agree(at time.Time) (float64, bool) {
	if len(f.leaves) == 1 {
		return f.leaves[0].value, f.quorum == 1 && f.leaves[0].fresh(at)
	}
	values := f.values(at)
	n := len(values)
	switch {
	case n < f.quorum:
		return 0, false
	case n%2 == 1:
		return values[n/2], true
	}
	low, high := values[n/2-1], values[n/2]
	middle := low + (high-low)/2
	if f.agreed {
		switch toLow, toHigh := distance(low, f.consensus.value), distance(high, f.consensus.value); {
		case f.consensus.value == middle: // rounded, it may seem nearer to one of them
		case toLow < toHigh:
			return low, true
		case toHigh < toLow:
			return high, true
		}
	}
	return middle, true
}

// spread between the fresh sources.
func (f *feed) spread(at time.Time) (float64, bool) {
	values := f.values(at)
	if len(values) < 2 || values[0] <= 0 {
		return 0, false
	}
	return values[len(values)-1]/values[0] - 1, true
}

// disagreement of the fresh sources: how far the highest lies above the lowest, as a share of their median.
func (f *feed) disagreement(at time.Time) (float64, bool) {
	values := f.values(at)
	n := len(values)
	if n < 2 {
		return 0, false
	}
	low, high := values[(n-1)/2], values[n/2]
	median := low + (high-low)/2
	return (values[n-1] - values[0]) / median, median > 0
}

// values of the fresh sources in ascending order. The slice is the feed's own.
func (f *feed) values(at time.Time) []float64 {
	values := f.scratch[:0]
	for _, l := range f.leaves {
		if l.fresh(at) {
			values = append(values, l.value)
		}
	}
	slices.Sort(values)
	return values
}

func distance(a, b float64) float64 { return max(a-b, b-a) }

// Sources of a series that can be asked for on their own; one or none when there is nothing to choose between.
func (e *Engine) Sources(s lifeboat.Series) []string {
	f := e.feeds[s]
	if f == nil {
		return nil
	}
	var names []string
	for _, l := range f.leaves {
		names = append(names, l.source)
	}
	return names
}

// LastSeen is the time of the last good reading of a source, or of any source for ""; zero when there was none.
func (e *Engine) LastSeen(s lifeboat.Series, source string) time.Time {
	f := e.feeds[s]
	if f == nil {
		return time.Time{}
	}
	if l := f.find(source); l != nil && source != "" {
		return l.at
	}
	return f.last()
}

// Overfull reports that a window of wall time on a series had to give up readings that were still in it.
func (e *Engine) Overfull(s lifeboat.Series) bool {
	f := e.feeds[s]
	return f != nil && (f.consensus.track.Full() || slices.ContainsFunc(f.leaves, func(l *leaf) bool { return l.own != nil && l.own.track.Full() }))
}

// Unheard reports that some source of a series never spoke, or that nobody knows the series.
func (e *Engine) Unheard(s lifeboat.Series) bool {
	f := e.feeds[s]
	return f == nil || slices.ContainsFunc(f.leaves, func(l *leaf) bool { return l.at.IsZero() })
}

// StaleAt is the first time at which a source is stale, or for "" so many of the series' that fewer than its quorum are
// fresh. One that was never seen
// counts as seen at from, which gives it as long to speak as it may be silent. Zero means never.
func (e *Engine) StaleAt(s lifeboat.Series, source string, from time.Time) time.Time {
	f := e.feeds[s]
	if f == nil {
		return from
	}
	if l := f.find(source); l != nil && source != "" {
		return l.staleSince(from)
	}
	if len(f.leaves) < f.quorum {
		return from
	}
	var at time.Time
	for skip, l := range f.leaves { // the quorum-th latest of their times; never is the latest
		t, later := l.staleSince(from), 0
		for other, o := range f.leaves {
			if u := o.staleSince(from); isLater(u, t) || u.Equal(t) && other < skip {
				later++
			}
		}
		if later == f.quorum-1 {
			at = t
			break
		}
	}
	return at
}

// isLater reports that a time comes after another one; the zero time is never, and later than all.
func isLater(a, b time.Time) bool {
	if a.IsZero() || b.IsZero() {
		return a.IsZero() && !b.IsZero()
	}
	return a.After(b)
}

func (l *leaf) staleSince(from time.Time) time.Time {
	switch {
	case l.staleAfter <= 0 && !l.at.IsZero():
		return time.Time{}
	case l.at.IsZero() && l.staleAfter <= 0:
		return from
	case l.at.IsZero():
		return l.staleAt(from)
	}
	return l.staleAt(l.at)
}

// AgeReaches is the first time at which more than the given market time has passed since the last reading of a source, or
// for "" of any source of the series; zero when there was none.
func (e *Engine) AgeReaches(s lifeboat.Series, source string, age time.Duration) time.Time {
	last := e.LastSeen(s, source)
	if last.IsZero() {
		return time.Time{}
	}
	return e.feeds[s].calendar.AddOpen(last, age+graceAfterDeadline)
}
