package signal

import (
	"fmt"
	"math"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/risk"
	"lifeboat/watch/window"
)

// ID of a node in its engine.
type ID int

// Op is what a node computes.
type Op uint8

// Of a series, or of one of its sources. A window is N sessions of the series' calendar, the running one being the last
// of them and its latest level counting as its close; or a span of wall time that ends with the last reading.
const (
	// Level is the latest value; of a volume, the sum of its session so far.
	Level Op = iota
	// Drawdown is how far the level stands below the highest one of the window, or of all that was seen without a
	// window, as a positive fraction.
	Drawdown
	// Return is the level against the close N sessions before, or the last reading at least a span before, minus one.
	Return
	// Change is the same as a difference, in the series' own unit.
	Change
	// Average of the window's closes, or of the readings in a span.
	Average
	// Max and Min are the highest and lowest value of any reading in the window.
	Max
	Min
	// Deviation is the standard deviation of the window's closes, or of a span's readings, with n - 1 in the divisor.
	Deviation
	// ZScore is how many deviations the level lies above the window's average.
	ZScore
	// Quantile is the type-7 quantile, at the fraction Level, of the window's closes or of a span's readings.
	Quantile
	// Breach is 1 while the level is below its Average, else 0.
	Breach
	// Spike is a session's volume so far against the mean of the N sessions before it. Of is the volume's series.
	Spike
	// Age is the market time since the last reading, in seconds. It is known while the series is stale.
	Age
	// Stale is 1 while no source is fresh, or fewer than the quorum, also when none ever spoke, else 0. It is always known.
	Stale
	// Spread is the highest fresh source's level over the lowest's, minus one. It takes two.
	Spread
	// Apart is how far the levels of Of and With lie from each other: the higher over the lower, minus one.
	Apart
	// Disagreement is the highest fresh source's level less the lowest's, as a share of their median. It takes two.
	Disagreement
)

// Of a series' returns from one session's close to the next. The running session has no return before its close.
const (
	// EWMA is the volatility that RiskMetrics estimates, with the decay Level (0.94): v = Level v + (1 - Level) r².
	EWMA Op = iota + 20
	// ReturnVaR and ReturnES are historical value at risk and expected shortfall of the last N returns at the
	// confidence Level, as positive fractions.
	ReturnVaR
	ReturnES
	// Correlation and Beta of Of's last N returns with those of With in the same sessions.
	Correlation
	Beta
)

// Of the portfolio:
const (
	// PortfolioValue is what the book is worth in the base currency.
	PortfolioValue Op = iota + 32
	// PortfolioReturn is the value now against the last one of the session N sessions before, minus one.
	PortfolioReturn
	// PortfolioDrawdown is how far the value stands below the highest one seen, as a positive fraction.
	PortfolioDrawdown
	// PortfolioMaxDrawdown is the deepest that PortfolioDrawdown has been.
	PortfolioMaxDrawdown
	// Value and Weight of the symbol Of; ClassValue and ClassWeight of the class Of.
	Value
	Weight
	ClassValue
	ClassWeight
	// CashWeight is the share of the class cash, which the base currency belongs to whatever the plan says.
	CashWeight
	// VaR is the loss of one session that the book exceeds with a probability of 1 - Level, as a positive fraction, and
	// ES the mean of the losses beyond it.
	VaR
	ES
	// Herfindahl is the sum of the squared shares of the portfolio in the groups of the kind Of ("symbol", "class",
	// "sector", "chain", "protocol", "custodian"), from 1/n to 1. What belongs to no group is one of its own.
	Herfindahl
	// Concentration is the largest share that any one group of the kind Of has. Cash is no group, nor is what names none.
	Concentration
	// DaysToExit is how many sessions selling the slowest holding takes, as the share Level of its usual volume. A
	// holding without a volume is not known, unless it is cash.
	DaysToExit
	// Exitable is the share of the portfolio that can be sold within N sessions as the share Level of the usual volume;
	// cash counts at once.
	Exitable
)

var opNames = map[Op]string{
	Level: "level", Drawdown: "drawdown", Return: "return", Change: "change", Average: "average", Max: "max", Min: "min",
	Deviation: "deviation", ZScore: "z-score", Quantile: "quantile", Breach: "breach", Spike: "spike",
	Age: "age", Stale: "stale", Spread: "spread", Apart: "apart", Disagreement: "disagreement",
	EWMA: "EWMA volatility", ReturnVaR: "value at risk of the returns", ReturnES: "expected shortfall of the returns",
	Correlation: "correlation", Beta: "beta",
	PortfolioValue: "portfolio value", PortfolioReturn: "portfolio return", PortfolioDrawdown: "portfolio drawdown",
	PortfolioMaxDrawdown: "portfolio's maximum drawdown", Value: "value", Weight: "weight", ClassValue: "class value",
	ClassWeight: "class weight", CashWeight: "cash weight", VaR: "value at risk", ES: "expected shortfall",
	Herfindahl: "Herfindahl index", Concentration: "concentration", DaysToExit: "days to exit", Exitable: "exitable share",
}

// Kinds of groups that a portfolio can be concentrated in.
var Kinds = []string{"symbol", "class", "sector", "chain", "protocol", "custodian"}

// Node is a question to the graph. Equal questions are the same node.
type Node struct {
	Op     Op
	Of     string        // a series, symbol, class or kind of group, as Op says
	With   string        // the other series, of Apart, Correlation and Beta
	Source string        // whose values; "" is what the sources agree on
	N      int           // the window in sessions; 0 when Span is set or there is none
	Span   time.Duration // the window in wall time
	Level  float64       // a confidence, a fraction, a decay or a participation, as Op says
}

func (q Node) String() string { return fmt.Sprintf("%s of %q", opNames[q.Op], q.Of) }

// node is a question with what was worked out for it. The memo is of the streams' past and never state: it can be
// worked out again at any time.
type node struct {
	Node
	feed, with *feed
	leaf       *leaf // nil for what the sources agree on

	watched bool // somebody follows its moves
	value   float64
	known   bool
	handle  window.Handle // of a span

	memo memo
}

// memo is what a node knows of the sessions that are over, so that a reading costs the same whatever the window.
type memo struct {
	ofPast, ofWith uint64 // the pasts that it is of, plus one
	ofBook         uint64
	mean, squares  float64 // of closes; or the one figure that the node is about, in mean
	sorted         []float64
	known          bool
}

// normal refuses questions that have no answer and makes equal ones look the same.
func (e *Engine) normal(q Node) (Node, error) {
	if _, known := opNames[q.Op]; !known {
		return q, fmt.Errorf("no such signal: %d", q.Op)
	}
	if err := q.windowed(); err != nil {
		return q, err
	}
	if err := q.leveled(); err != nil {
		return q, err
	}
	switch {
	case q.Op == Spike && q.N == 0:
		q.N = volumeSessions
	case q.Op == PortfolioReturn && q.N == 0:
		q.N = 1
	}
	if q.Op >= PortfolioValue || q.Op == Spread || q.Op == Disagreement || q.With != "" {
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

// windowed refuses a window that the op has no use for, or is out of bounds.
func (q Node) windowed() error {
	sessions, spans, must := true, false, true
	switch q.Op {
	case Return, Change, Average, Max, Min, Deviation, ZScore, Quantile:
		spans = true
	case Drawdown:
		spans, must = true, false
	case Spike, PortfolioReturn:
		must = false
	case Breach, ReturnVaR, ReturnES, Correlation, Beta, Exitable:
	default:
		sessions, must = false, false
	}
	switch {
	case q.N != 0 && q.Span != 0, q.N != 0 && !sessions, q.Span != 0 && !spans, must && q.N == 0 && q.Span == 0:
		return fmt.Errorf("signal %s: %d sessions and a span of %s make no window", q, q.N, q.Span)
	case q.N < 0 || q.N > WindowMax:
		return fmt.Errorf("signal %s: a window is 1 to %d sessions, not %d", q, WindowMax, q.N)
	case q.Span < 0 || q.Span > SpanMax:
		return fmt.Errorf("signal %s: a window is at most %s, not %s", q, SpanMax, q.Span)
	case (q.Op == Deviation || q.Op == ZScore) && q.N == 1:
		return fmt.Errorf("signal %s: one value deviates from nothing", q)
	case (q.Op == ReturnVaR || q.Op == ReturnES || q.Op == Correlation || q.Op == Beta) && q.N < 2:
		return fmt.Errorf("signal %s: it takes two returns at least", q)
	}
	return nil
}

// leveled refuses a confidence, fraction, decay or participation that is none.
func (q Node) leveled() error {
	low, high := 0.0, 0.0
	switch q.Op {
	case VaR, ES, ReturnVaR, ReturnES:
		low, high = 0.5, 1
	case Quantile:
		low, high = math.Nextafter(0, -1), math.Nextafter(1, 2)
	case EWMA:
		low, high = 0, 1
	case DaysToExit, Exitable:
		low, high = 0, math.Nextafter(1, 2)
	default:
		return nil
	}
	if !(q.Level > low && q.Level < high) {
		return fmt.Errorf("signal %s: %v is not between %.3g and %.3g", q, q.Level, low, high)
	}
	return nil
}

func (e *Engine) build(q Node) node {
	n := node{Node: q}
	if q.Op >= PortfolioValue {
		e.portfolio.prepare(q)
		return n
	}
	n.feed = e.feed(lifeboat.Series(q.Of))
	if q.Source != "" {
		n.leaf = n.feed.find(q.Source)
		if n.leaf.own == nil {
			n.leaf.own = newStream(n.feed)
		}
	}
	s := n.stream()
	if q.With != "" {
		n.with = e.feed(lifeboat.Series(q.With))
	}
	switch q.Op {
	case Return, Change, Spike:
		s.hold(q.N)
	case Average, Breach, Max, Min, Drawdown, Deviation, ZScore, Quantile:
		s.hold(q.N - 1)
	case EWMA:
		s.hold(WindowMax)
	case ReturnVaR, ReturnES:
		s.hold(q.N + 1)
	case Correlation, Beta:
		s.hold(q.N*pairRoom + pairSlack)
		n.with.consensus.hold(q.N*pairRoom + pairSlack)
	}
	if kind, spanned := windowKinds[q.Op]; spanned && q.Span > 0 {
		n.handle = s.track.Add(kind, q.Span, q.Level)
		s.spanned = true
	}
	return n
}

var windowKinds = map[Op]window.Kind{
	Return: window.Before, Change: window.Before, Average: window.Mean, Max: window.Max, Min: window.Min, Drawdown: window.Max,
	Deviation: window.Deviation, ZScore: window.ZScore, Quantile: window.Quantile,
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
	case Stale:
		return truth(!n.speaks(at)), true
	case Spread:
		return n.feed.spread(at)
	case Disagreement:
		return n.feed.disagreement(at)
	case Apart:
		return n.apart(at)
	}
	level, known := n.level(at)
	if !known {
		return 0, false
	}
	if n.Span > 0 {
		return n.ofSpan(level)
	}
	return n.ofSessions(level, at)
}

// ofSpan answers from the readings of a span of wall time.
func (n *node) ofSpan(level float64) (float64, bool) {
	v, known := n.stream().track.Value(n.handle)
	if !known {
		return 0, false
	}
	switch n.Op {
	case Return:
		return change(v, level)
	case Change:
		return level - v, true
	case Drawdown:
		return below(max(v, level), level) // a level rises without a reading when a source that was low falls silent
	}
	return v, true
}

// ofSessions answers from the closes of the sessions before the running one, and its latest level.
func (n *node) ofSessions(level float64, at time.Time) (float64, bool) {
	s := n.stream()
	switch n.Op {
	case Level:
		return level, true
	case Return:
		return change(s.closes.back(n.N), level)
	case Change:
		return level - s.closes.back(n.N), s.closes.count >= n.N
	case Average:
		return n.average(level)
	case Breach:
		average, known := n.average(level)
		return truth(level < average), known
	case Spike:
		mean, known := n.meanOfPast(n.N)
		return level / mean, known && mean > 0
	case Max, Min, Drawdown:
		return n.extreme(level)
	case Deviation, ZScore:
		return n.deviation(level)
	case Quantile:
		return n.quantile(level)
	}
	if n.with != nil && !n.with.fresh(at) {
		return 0, false
	}
	return n.ofReturns()
}

// average counts the running session's level as its close.
func (n *node) average(level float64) (float64, bool) {
	if n.N == 1 {
		return level, true
	}
	mean, known := n.meanOfPast(n.N - 1)
	return between(min(mean, level), (mean*float64(n.N-1)+level)/float64(n.N), max(mean, level)), known
}

// remembers reports that the memo is of the stream's present past, and makes it so when it is not: the caller fills it
// then. What it holds is worked out afresh once a session, because a running sum would keep the rounding error of every
// value that ever passed through it.
func (n *node) remembers(s *stream) bool {
	if n.memo.ofPast == s.sessions+1 {
		return true
	}
	n.memo.ofPast = s.sessions + 1
	return false
}

// meanOfPast is the mean of the last closes.
func (n *node) meanOfPast(sessions int) (float64, bool) {
	s := n.stream()
	if !n.remembers(s) {
		n.memo.mean, n.memo.known = s.closes.mean(sessions)
	}
	return n.memo.mean, n.memo.known
}

// extreme of every reading in the window: without one, of all that was seen.
func (n *node) extreme(level float64) (float64, bool) {
	s := n.stream()
	if n.N == 0 {
		return below(max(s.peak, level), level)
	}
	past, pick := &s.highs, math.Max
	running := s.high
	if n.Op == Min {
		past, pick, running = &s.lows, math.Min, s.low
	}
	if !n.remembers(s) {
		n.memo.known = past.count >= n.N-1
		n.memo.mean = running
		for i := 1; i < n.N && n.memo.known; i++ {
			if i == 1 {
				n.memo.mean = past.back(i)
			}
			n.memo.mean = pick(n.memo.mean, past.back(i))
		}
	}
	v := running
	if n.N > 1 {
		v = pick(n.memo.mean, running)
	}
	if n.Op == Drawdown {
		v, known := below(max(v, level), level)
		return v, known && n.memo.known
	}
	return v, n.memo.known
}

// deviation adds the running level to what is remembered of the closes before (Welford's step, taken once, from sums
// that are worked out afresh once a session).
func (n *node) deviation(level float64) (float64, bool) {
	s := n.stream()
	if !n.remembers(s) {
		n.memo.mean, n.memo.known = s.closes.mean(n.N - 1)
		n.memo.squares = s.closes.squares(n.N-1, n.memo.mean)
	}
	size := float64(n.N)
	mean := n.memo.mean + (level-n.memo.mean)/size
	squares := n.memo.squares + (level-n.memo.mean)*(level-mean)
	deviation := math.Sqrt(max(0, squares) / (size - 1))
	if n.Op == Deviation {
		return deviation, n.memo.known
	}
	return (level - mean) / deviation, n.memo.known && deviation > 0
}

// quantile of the remembered closes in order and the running level put in its place among them.
func (n *node) quantile(level float64) (float64, bool) {
	s := n.stream()
	if !n.remembers(s) {
		n.memo.known = s.closes.count >= n.N-1
		n.memo.sorted = s.closes.sorted(n.memo.sorted, n.N-1)
	}
	if !n.memo.known {
		return 0, false
	}
	place, _ := slices.BinarySearch(n.memo.sorted, level)
	value := func(i int) float64 {
		switch {
		case i < place:
			return n.memo.sorted[i]
		case i == place:
			return level
		}
		return n.memo.sorted[i-1]
	}
	below, part := risk.Rank(n.Level, n.N)
	if below >= n.N-1 {
		return value(n.N - 1), true
	}
	return risk.Between(value(below), value(below+1), part), true
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

// speaks reports that the node's source, or any, is fresh.
func (n *node) speaks(at time.Time) bool {
	if n.leaf != nil {
		return n.leaf.fresh(at)
	}
	return n.feed.fresh(at)
}

// apart is how far two series lie from each other.
func (n *node) apart(at time.Time) (float64, bool) {
	a, known := n.feed.level(at)
	b, fresh := n.with.level(at)
	low, high := min(a, b), max(a, b)
	return high/low - 1, known && fresh && low > 0
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
