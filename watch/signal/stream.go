package signal

import (
	"time"

	"lifeboat/session"
	"lifeboat/watch/state"
	"lifeboat/watch/window"
)

// A stream is one sequence of values whose sessions are known.
type stream struct {
	calendar *session.Calendar
	adds     bool // a volume: the values of a session add up

	value     float64
	peak      float64
	high, low float64   // of the running session
	day       time.Time // of the running session
	until     time.Time // the next session's opening; before it no calendar is asked
	sessions  uint64    // sessions that are over

	// Of the sessions that are over:
	closes, highs, lows ring
	days                ring // when each of them was, in days since 1970

	track   window.Track // the readings within spans of wall time
	spanned bool         // some node asks for one
}

func newStream(f *feed) *stream { return &stream{calendar: f.calendar, adds: f.volume} }

// hold keeps what sessions leave behind for at least as many of them.
func (s *stream) hold(sessions int) {
	for _, r := range []*ring{&s.closes, &s.highs, &s.lows, &s.days} {
		r.hold(sessions)
	}
}

func (s *stream) take(v float64, when time.Time, nanos int64) {
	begins := s.begins(when)
	if s.adds && !begins {
		v += s.value
	}
	if s.value = v; begins {
		s.high, s.low = v, v
	}
	s.high, s.low, s.peak = max(s.high, v), min(s.low, v), max(s.peak, v)
	if s.spanned { // one source's clock may be behind another's: what is told later counts as later
		s.track.Push(max(nanos, s.track.At()), v)
	}
}

// begins notices that a value is the first of its session, and files what the session before leaves behind.
func (s *stream) begins(when time.Time) bool {
	if when.Before(s.until) {
		return false
	}
	running := s.calendar.Of(when)
	if running.Day.Equal(s.day) { // round the clock, the opening instant belongs to the day that ends
		return false
	}
	if !s.day.IsZero() {
		s.closes.push(s.value)
		s.highs.push(s.high)
		s.lows.push(s.low)
		s.days.push(float64(s.day.Unix() / secondsOfDay))
		s.sessions++
	}
	s.day = running.Day
	s.until = s.calendar.Next(running.Open).Open
	return true
}

const secondsOfDay = 24 * 60 * 60

// State hands over all that the stream remembers.
func (s *stream) State(c *state.Codec) {
	for _, v := range []*float64{&s.value, &s.peak, &s.high, &s.low} {
		c.Float(v)
	}
	c.Time(&s.day)
	c.Time(&s.until)
	c.Uint64(&s.sessions)
	for _, r := range []*ring{&s.closes, &s.highs, &s.lows, &s.days} {
		r.State(c)
	}
	if s.spanned {
		s.track.State(c)
	}
}
