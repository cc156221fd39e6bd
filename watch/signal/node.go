package signal

import (
	"fmt"
	"time"

	"lifeboat"
	"lifeboat/session"
)

// ID of a node in its engine.
type ID int

// Op is what a node computes.
type Op uint8

// Of a series, or of one of its sources:
const (
	// Level is the latest value; of a volume, the sum of its session so far.
	Level Op = iota
	// Drawdown is how far the level stands below the highest one seen, as a positive fraction.
	Drawdown
	// Return is the level against the close N sessions before, minus one.
	Return
	// Average is the mean of N sessions' closes; the running session's latest level counts as its close.
	Average
	// Breach is 1 while the level is below its Average, else 0.
	Breach
	// Spike is a session's volume so far against the mean of the 20 sessions before it. Of is the volume's series.
	Spike
	// Age is the market time since the last reading, in seconds. It is known while the series is stale.
	Age
	// Spread is the highest fresh source's level over the lowest's, minus one. It takes two.
	Spread
)

// Of the portfolio:
const (
	// PortfolioValue is what the book is worth in the base currency.
	PortfolioValue Op = iota + 32
	// PortfolioReturn is the value now against the last one of the session before, minus one.
	PortfolioReturn
	// PortfolioDrawdown is how far the value stands below the highest one seen, as a positive fraction.
	PortfolioDrawdown
	// Value and Weight of the symbol Of; ClassValue and ClassWeight of the class Of.
	Value
	Weight
	ClassValue
	ClassWeight
	// CashWeight is the share of the class cash, which the base currency belongs to whatever the plan says.
	CashWeight
	// VaR is the loss of one session that the book exceeds with a probability of 1 - Level, as a positive fraction.
	VaR
)

var opNames = map[Op]string{
	Level: "level", Drawdown: "drawdown", Return: "return", Average: "average", Breach: "breach", Spike: "spike",
	Age: "age", Spread: "spread", PortfolioValue: "portfolio value", PortfolioReturn: "portfolio return",
	PortfolioDrawdown: "portfolio drawdown", Value: "value", Weight: "weight", ClassValue: "class value",
	ClassWeight: "class weight", CashWeight: "cash weight", VaR: "value at risk",
}

// Node is a question to the graph. Equal questions are the same node.
type Node struct {
	Op     Op
	Of     string  // a series, symbol or class, as Op says
	Source string  // whose values; "" is what the sources agree on
	N      int     // sessions, of Return and Average and Breach
	Level  float64 // confidence, of VaR
}

func (q Node) String() string { return fmt.Sprintf("%s of %q", opNames[q.Op], q.Of) }

// node is a question with what was worked out for it. What it remembers is a memo of the streams' past, never state.
type node struct {
	Node
	feed *feed
	leaf *leaf // nil for what the sources agree on

	memo   float64 // of the sessions that are over: a sum of closes, or a value at risk
	known  bool
	ofPast uint64 // the past that the memo is of, plus one
	ofBook uint64
}

// normal refuses questions that have no answer and makes equal ones look the same.
func (e *Engine) normal(q Node) (Node, error) {
	if _, known := opNames[q.Op]; !known {
		return q, fmt.Errorf("no such signal: %d", q.Op)
	}
	switch q.Op {
	case Return, Average, Breach:
		if q.N < 1 || q.N > WindowMax {
			return q, fmt.Errorf("signal %s: a window is 1 to %d sessions, not %d", q, WindowMax, q.N)
		}
	case VaR:
		if !(q.Level > 0.5 && q.Level < 1) {
			return q, fmt.Errorf("signal %s: a confidence lies between 0.5 and 1, not at %v", q, q.Level)
		}
	}
	if q.Op >= PortfolioValue || q.Op == Spread {
		q.Source = ""
	}
	if q.Source == "" {
		return q, nil
	}
	f := e.feed(lifeboat.Series(q.Of))
	if f.find(q.Source) == nil {
		return q, fmt.Errorf("signal %s: no source %q", q, q.Source)
	}
	if len(f.leaves) == 1 {
		q.Source = "" // what one source says is what all agree on
	}
	return q, nil
}

func (e *Engine) build(q Node) node {
	n := node{Node: q}
	if q.Op >= PortfolioValue {
		return n
	}
	n.feed = e.feed(lifeboat.Series(q.Of))
	if q.Source != "" {
		n.leaf = n.feed.find(q.Source)
		if n.leaf.own == nil {
			n.leaf.own = &stream{calendar: n.feed.calendar, adds: n.feed.volume}
		}
	}
	switch q.Op {
	case Return:
		n.stream().closes.hold(q.N)
	case Average, Breach:
		n.stream().closes.hold(q.N - 1)
	case Spike:
		n.stream().closes.hold(volumeSessions)
	}
	return n
}

func (n *node) stream() *stream {
	if n.leaf != nil {
		return n.leaf.own
	}
	return &n.feed.consensus
}

// level is the latest value of the node's stream, known while it is fresh.
func (n *node) level(at time.Time) (float64, bool) {
	if n.leaf != nil {
		return n.leaf.own.value, n.leaf.fresh(at)
	}
	return n.feed.level(at)
}

func (e *Engine) answer(n *node, at time.Time) (float64, bool) {
	if n.Op >= PortfolioValue {
		return e.ofPortfolio(n, at)
	}
	switch n.Op {
	case Age:
		return n.age(at)
	case Spread:
		return n.feed.spread(at)
	}
	level, known := n.level(at)
	if !known {
		return 0, false
	}
	s := n.stream()
	switch n.Op {
	case Level:
		return level, true
	case Drawdown:
		return below(s.peak, level)
	case Return:
		return change(s.closes.back(n.N), level)
	case Average:
		return n.average(level)
	case Breach:
		average, known := n.average(level)
		return truth(level < average), known
	case Spike:
		mean, known := n.meanOfPast(volumeSessions)
		return level / mean, known && mean > 0
	}
	return 0, false
}

// average counts the running session's level as its close.
func (n *node) average(level float64) (float64, bool) {
	if n.N == 1 {
		return level, true
	}
	mean, known := n.meanOfPast(n.N - 1)
	return (mean*float64(n.N-1) + level) / float64(n.N), known
}

// meanOfPast is the mean of the last closes. It is summed afresh once a session: a running sum would keep the rounding
// error of every value that ever passed through it.
func (n *node) meanOfPast(sessions int) (float64, bool) {
	s := n.stream()
	if n.ofPast != s.sessions+1 {
		n.memo, n.known = s.closes.mean(sessions)
		n.ofPast = s.sessions + 1
	}
	return n.memo, n.known
}

func (n *node) age(at time.Time) (float64, bool) {
	last := n.feed.last()
	if n.leaf != nil {
		last = n.leaf.at
	}
	if last.IsZero() {
		return 0, false
	}
	return n.feed.calendar.OpenTime(last, at).Seconds(), true
}

// below is a drawdown. There is none to speak of from a peak of nothing. In this form a fall from 100 to 90 is the same
// number as 10%, which one minus the quotient is not.
func below(peak, level float64) (float64, bool) {
	if peak <= 0 {
		return 0, false
	}
	return (peak - level) / peak, true
}

// change of a level against an earlier one, which is NaN when there was none.
func change(from, to float64) (float64, bool) { return (to - from) / from, from > 0 }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// A stream is one sequence of values whose sessions are known.
type stream struct {
	calendar *session.Calendar
	adds     bool // a volume: the values of a session add up

	value    float64
	peak     float64
	day      time.Time // of the running session
	until    time.Time // the next session's opening; before it no calendar is asked
	sessions uint64    // sessions that are over
	closes   ring
}

func (s *stream) take(v float64, when time.Time) {
	begins := s.begins(when)
	if s.adds && !begins {
		v += s.value
	}
	s.value = v
	s.peak = max(s.peak, v)
}

// begins notices that a value is the first of its session, and files the close of the session before.
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
		s.sessions++
	}
	s.day = running.Day
	s.until = s.calendar.Next(running.Open).Open
	return true
}
