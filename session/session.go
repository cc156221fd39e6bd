// Package session says when an exchange trades: which days are sessions, when they open and close, and how much
// market time lies between two instants. "Held for two days", "no price since the open" and "a daily bar of
// 16 March" mean nothing without it.
//
// A [Calendar] is rules and a short list of days that broke them (nyse.go), worked out one year at a time on first
// use and kept. After that no call allocates, and any number of goroutines may ask.
//
// It knows the past exactly and the future by rule: a day of mourning or a hurricane that has not happened is not in
// it. It knows nothing of trading halts, auctions, or hours before and after the session.
package session

import (
	"fmt"
	"sync/atomic"
	"time"
	_ "time/tzdata" // the one place that embeds the zone data: a machine without it must not move the opening bell
)

// Session is one trading day.
type Session struct {
	Day         time.Time // the exchange's local date, as midnight UTC
	Open, Close time.Time // UTC
}

// ByName finds the calendar that a plan names: nyse or 24/7.
func ByName(name string) (*Calendar, error) {
	switch name {
	case "nyse":
		return NYSE(), nil
	case "24/7":
		return AllDay(), nil
	}
	return nil, fmt.Errorf("unknown calendar %q: lifeboat knows nyse and 24/7", name)
}

// Calendar is the sessions of one exchange. The calendars of this package are shared; compare them by pointer.
type Calendar struct {
	name  string
	build func(year int) []Session // nil when every UTC day is a session
	usual func(day time.Time) Session
	years [lastYear - firstYear + 1]atomic.Pointer[year]
}

// Years that are kept once they are built; others are correct and slow.
const (
	firstYear = 1800
	lastYear  = 2199
)

// A year holds its sessions, and for each day of the year how many of them lie before it.
type year struct {
	sessions []Session
	before   [368]int16 // :: YearDay → count of sessions on earlier days
}

// Name under which [ByName] finds the calendar.
func (c *Calendar) Name() string { return c.name }

// On is the session of a date; false when the exchange is closed that day. Only the year, month and day of the
// argument count, in its own zone.
func (c *Calendar) On(day time.Time) (Session, bool) {
	date := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, time.UTC)
	if c.build == nil {
		return wholeDay(date), true
	}
	y, n := c.year(date.Year()), date.YearDay()
	if i := y.before[n]; i < y.before[n+1] {
		return y.sessions[i], true
	}
	return Session{}, false
}

// Usual is the session that a date would be if the exchange traded on every day and kept the hours of a plain one.
func (c *Calendar) Usual(day time.Time) Session {
	date := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, time.UTC)
	if c.build == nil {
		return wholeDay(date)
	}
	return c.usual(date)
}

// Of is the session to which an instant belongs: the latest that opened at or before it. What happens at night, on a
// weekend or on a holiday belongs to the session before. A 24/7 boundary belongs to the session that it closes, so
// that a bar stamped midnight is part of the day it sums up.
func (c *Calendar) Of(t time.Time) Session {
	if c.build == nil {
		return wholeDay(dateOf(t.Add(-1)))
	}
	p := c.openedBy(t)
	return *c.at(p.year, p.index)
}

// Next is the first session that opens after an instant.
func (c *Calendar) Next(t time.Time) Session {
	if c.build == nil {
		return wholeDay(dateOf(t).AddDate(0, 0, 1))
	}
	p := c.openedBy(t)
	return *c.at(p.year, p.index+1)
}

// IsOpen reports whether orders trade at an instant: from the opening to just before the close.
func (c *Calendar) IsOpen(t time.Time) bool {
	return c.build == nil || t.Before(c.Of(t).Close)
}

// OpenTime is how much market time lies between two instants; 0 when to is not after from.
func (c *Calendar) OpenTime(from, to time.Time) time.Duration {
	if !to.After(from) {
		return 0
	}
	if c.build == nil {
		return to.Sub(from)
	}
	var open time.Duration
	p := c.openedBy(from)
	for s := c.at(p.year, p.index); s.Open.Before(to); s = c.at(p.year, p.index) {
		open += max(0, earlier(to, s.Close).Sub(later(from, s.Open)))
		p = c.normal(p.year, p.index+1)
	}
	return open
}

// AddOpen is the first instant at which d of market time has passed since t; t itself when d is not positive. A span
// that ends with a session ends at its close, not at the next opening.
func (c *Calendar) AddOpen(t time.Time, d time.Duration) time.Time {
	if d <= 0 {
		return t
	}
	if c.build == nil {
		return t.Add(d)
	}
	for p := c.openedBy(t); ; p = c.normal(p.year, p.index+1) {
		s := c.at(p.year, p.index)
		from := later(t, s.Open)
		left := s.Close.Sub(from)
		if d <= left {
			return from.Add(d)
		}
		d -= max(0, left)
	}
}

// A place names a session by its year and its number in it.
type place struct{ year, index int }

// openedBy finds the latest session with Open ≤ t. It relies on sessions that open on their own date in UTC, which
// holds for every exchange whose morning is not Asia's.
func (c *Calendar) openedBy(t time.Time) place {
	t = t.UTC()
	y := c.year(t.Year())
	i := int(y.before[t.YearDay()+1]) - 1
	if i >= 0 && y.sessions[i].Open.After(t) {
		i--
	}
	return c.normal(t.Year(), i)
}

// normal carries an index that ran over either end of its year into the neighbouring one.
func (c *Calendar) normal(year, index int) place {
	if index < 0 {
		year--
		return place{year, len(c.year(year).sessions) + index}
	}
	if n := len(c.year(year).sessions); index >= n {
		return place{year + 1, index - n}
	}
	return place{year, index}
}

func (c *Calendar) at(year, index int) *Session {
	p := c.normal(year, index)
	return &c.year(p.year).sessions[p.index]
}

func (c *Calendar) year(n int) *year {
	if n < firstYear || n > lastYear {
		return newYear(c.build(n))
	}
	kept := &c.years[n-firstYear]
	if y := kept.Load(); y != nil {
		return y
	}
	y := newYear(c.build(n)) // two goroutines may both build it; the results are the same
	kept.Store(y)
	return y
}

func newYear(sessions []Session) *year {
	y := &year{sessions: sessions}
	for _, s := range sessions {
		y.before[s.Day.YearDay()+1] = 1
	}
	for day := 1; day < len(y.before); day++ {
		y.before[day] += y.before[day-1]
	}
	return y
}

func dateOf(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
