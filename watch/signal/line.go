package signal

import (
	"time"

	"lifeboat/session"
)

// A line is the sources of one calendar that may be silent for the same time, in the order in which they last spoke. So
// the first of them is the next to go stale, and to find it costs nothing, however many sources there are. Who went
// stale has left the line, until it speaks again.
type line struct {
	calendar   *session.Calendar
	staleAfter time.Duration
	first      *leaf
	last       *leaf
}

// lineOf a source; nil when it never goes stale.
func (e *Engine) lineOf(l *leaf) *line {
	if l.staleAfter <= 0 {
		return nil
	}
	for _, q := range e.lines {
		if q.calendar == l.calendar && q.staleAfter == l.staleAfter {
			return q
		}
	}
	q := &line{calendar: l.calendar, staleAfter: l.staleAfter}
	e.lines = append(e.lines, q)
	return q
}

// queue a source that spoke at its end of the line: behind all that did not speak later, which are few, unless its
// readings come late. One whose reading is stale on arrival does not queue.
func (e *Engine) queue(l *leaf, at time.Time) {
	if l.line == nil {
		if l.line = e.lineOf(l); l.line == nil {
			return
		}
	}
	l.line.leave(l)
	if l.fell = !l.fresh(at); l.fell {
		e.falls++
		return
	}
	before := l.line.last
	for before != nil && before.nanos > l.nanos {
		before = before.ahead
	}
	l.line.join(l, before)
}

// join behind a source, or at the front when there is none.
func (q *line) join(l, before *leaf) {
	l.queued, l.ahead = true, before
	if before == nil {
		l.behind, q.first = q.first, l
	} else {
		l.behind, before.behind = before.behind, l
	}
	if l.behind == nil {
		q.last = l
	} else {
		l.behind.ahead = l
	}
}

func (q *line) leave(l *leaf) {
	if !l.queued {
		return
	}
	if l.ahead == nil {
		q.first = l.behind
	} else {
		l.ahead.behind = l.behind
	}
	if l.behind == nil {
		q.last = l.ahead
	} else {
		l.behind.ahead = l.ahead
	}
	l.queued, l.ahead, l.behind = false, nil, nil
}

// fall lets the sources that are stale at a time leave their lines, and tells of which series they are.
func (e *Engine) fall(at time.Time) []*feed {
	e.fallen = e.fallen[:0]
	for _, q := range e.lines {
		for l := q.first; l != nil && !l.fresh(at); l = q.first {
			q.leave(l)
			l.fell = true
			e.falls++
			e.fallen = append(e.fallen, l.feed)
		}
	}
	return e.fallen
}

// Falls counts how often a source was found stale.
func (e *Engine) Falls() uint64 { return e.falls }

// MayGoStale reports whether some source goes stale by the given time unless it speaks.
func (e *Engine) MayGoStale(by time.Time) bool {
	for _, q := range e.lines {
		if q.first != nil && !q.first.fresh(by) {
			return true
		}
	}
	return false
}

// Soonest is a time before which no source goes stale without a word from it, without the work that the exact one takes;
// zero when none ever does.
func (e *Engine) Soonest() time.Time {
	var soonest time.Time
	for _, q := range e.lines {
		if q.first == nil {
			continue
		}
		t := q.first.deadline
		if q.first.deadlineOf != q.first.at || t.IsZero() {
			t = q.first.at.Add(q.staleAfter) // market time does not run faster than the clock
		}
		if soonest.IsZero() || t.Before(soonest) {
			soonest = t
		}
	}
	return soonest
}

// NextStale is the first time after the given one at which a source goes stale unless it speaks; zero when none does.
func (e *Engine) NextStale(after time.Time) time.Time {
	var next time.Time
	for _, q := range e.lines {
		for l := q.first; l != nil; l = l.behind {
			if t := l.staleAt(l.at); t.After(after) {
				if next.IsZero() || t.Before(next) {
					next = t
				}
				break
			}
		}
	}
	return next
}
