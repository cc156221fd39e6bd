// Package signal computes, reading by reading, what the owner's conditions are about: levels, drawdowns, moving
// averages, volume spikes, weights, value at risk.
//
// An [Engine] is a graph that is closed before the first reading. [Engine.Node] asks for a signal; the same question
// asked twice is one node. Readings move streams (one per series, and one per source where somebody asks for a source's
// own values); a stream keeps what its nodes need of the past, session by session, so that the cost of a reading does
// not depend on any window's length and a reading allocates nothing. Nodes are read, not pushed: [Engine.Value] is a
// function of the readings taken, the book and the time, so the same tape gives the same values however often and in
// whatever order they are asked for.
//
// Three rules hold everywhere:
//
//   - Only good readings move anything. A suspect one changes no state and keeps nothing fresh.
//   - A value whose input is stale or was never seen is unknown, never the last one that happened to be there.
//   - A session begins for a stream with its first reading in it; what comes after a close and before the next opening
//     still belongs to the session that closed.
//
// Several sources of one series agree on a median of those that are fresh. Of an even number the middle value nearer
// to what they last agreed on counts, so that one lying source of two cannot move it. Their volumes add up.
//
// It does not fetch, does not judge whether a reading is plausible, and decides nothing.
package signal

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/session"
)

// Config says what the engine is about. Everything but Book may be left out.
type Config struct {
	Book *lifeboat.Book
	// Calendar of the portfolio; round the clock when nil.
	Calendar *session.Calendar
	// Calendars of the series whose sessions differ from the portfolio's. "SPY" stands for "SPY.volume" too.
	Calendars map[string]*session.Calendar
	// Benchmark is the symbol whose volume a bare volume_spike means.
	Benchmark string
	// Class of a symbol, in the plan's words; "cash" for the base currency.
	Class func(symbol string) string
	// Prices are the plan's own, for holdings that no series covers.
	Prices map[string]float64
	// Sources known to offer each series. A series or source that only its readings announce is taken in too, but a
	// source that nobody announced cannot be asked for on its own.
	Sources map[lifeboat.Series][]string
	// StaleAfter is how much market time may pass before a reading is stale; a day of it when nil, and never when it
	// answers zero or less.
	StaleAfter func(s lifeboat.Series, source string) time.Duration
}

const (
	// staleAfterDefault is market time: a round-the-clock day, or not quite four sessions of the NYSE.
	staleAfterDefault = 24 * time.Hour
	// graceAfterDeadline lets the reading that comes exactly when its predecessor goes stale be in time.
	graceAfterDeadline = time.Second
	// volumeSessions is how many sessions before the running one make its usual volume.
	volumeSessions = 20
	// WindowMax bounds every window, in sessions.
	WindowMax = 1000
)

// Engine holds the graph and its state. It is not safe for concurrent use.
type Engine struct {
	cfg       Config
	feeds     map[lifeboat.Series]*feed
	order     []*feed // as they became known
	offered   int     // how many of them really are offered; holdings are counted anew when it grows
	nodes     []node
	ids       map[Node]ID
	takes     uint64 // instants taken; the graph is closed after the first
	touched   []*feed
	soonest   time.Time // no source goes stale before it; zero when none does
	portfolio portfolio
}

// New makes an engine that knows the series of cfg.Sources and has seen no reading.
func New(cfg Config) *Engine {
	if cfg.Calendar == nil {
		cfg.Calendar = session.AllDay()
	}
	if cfg.Class == nil {
		cfg.Class = func(string) string { return "" }
	}
	if cfg.StaleAfter == nil {
		cfg.StaleAfter = func(lifeboat.Series, string) time.Duration { return staleAfterDefault }
	}
	e := &Engine{cfg: cfg, feeds: map[lifeboat.Series]*feed{}, ids: map[Node]ID{}}
	for _, s := range slices.Sorted(maps.Keys(cfg.Sources)) {
		e.offer(e.feed(s))
	}
	return e
}

// Take lets one instant of readings move the graph. Instants come in the order of their times.
func (e *Engine) Take(at time.Time, in lifeboat.Instant) {
	e.roll(at)
	for i := range in.Readings {
		e.read(at, &in.Readings[i])
	}
	for _, f := range e.touched {
		f.settle(at)
	}
	e.touched = e.touched[:0]
	e.takes++
	e.settle(at)
}

// read moves one source. A reading older than the last one of its source came late and is left out: what was decided
// since cannot be decided again.
func (e *Engine) read(at time.Time, r *lifeboat.Reading) {
	if r.Quality != lifeboat.Good || math.IsNaN(r.Value) || math.IsInf(r.Value, 0) {
		return
	}
	when := r.At
	if when.IsZero() || when.After(at) { // a source's clock may run ahead; nothing is known before it is
		when = at
	}
	f := e.feed(r.Series)
	if !f.offered {
		e.offer(f)
	}
	l := e.leaf(f, r.Source)
	if when.Before(l.at) {
		return
	}
	if l.touched { // two readings of one source in one instant are two steps of the series
		f.settle(at)
	}
	if !f.touched {
		f.touched = true
		e.touched = append(e.touched, f)
	}
	l.take(r.Value, when)
	e.mayBeSoonest(l, when)
	if f.volume {
		f.consensus.take(r.Value, when)
	}
}

// feed of a series, made known when it is not.
func (e *Engine) feed(s lifeboat.Series) *feed {
	if f := e.feeds[s]; f != nil {
		return f
	}
	symbol, column := s.Column()
	f := &feed{series: s, index: len(e.order), price: column == "", volume: column == "volume"}
	f.calendar = cmp.Or(e.cfg.Calendars[string(s)], e.cfg.Calendars[symbol], e.cfg.Calendar)
	f.consensus = stream{calendar: f.calendar, adds: f.volume}
	if f.volume {
		f.consensus.closes.hold(volumeSessions)
	}
	sources := e.cfg.Sources[s]
	if len(sources) == 0 {
		sources = []string{""}
	}
	for _, source := range sources {
		e.addLeaf(f, source)
	}
	e.feeds[s] = f
	e.order = append(e.order, f)
	return f
}

func (e *Engine) offer(f *feed) {
	f.offered = true
	e.offered++
}

// leaf of a source. A series whose only source was nameless and silent takes the name of the first that speaks.
func (e *Engine) leaf(f *feed, source string) *leaf {
	for _, l := range f.leaves {
		if l.source == source {
			return l
		}
	}
	if l := f.leaves[0]; len(f.leaves) == 1 && l.source == "" && l.at.IsZero() {
		l.source = source
		l.staleAfter = e.cfg.StaleAfter(f.series, source)
		return l
	}
	return e.addLeaf(f, source)
}

func (e *Engine) addLeaf(f *feed, source string) *leaf {
	l := &leaf{source: source, calendar: f.calendar, staleAfter: e.cfg.StaleAfter(f.series, source)}
	f.leaves = append(f.leaves, l)
	f.scratch = slices.Grow(f.scratch, len(f.leaves))
	return l
}

// Node makes the graph answer a question, before the first reading only: a window that began in the middle of a tape
// would answer something else than the same window on a replay.
func (e *Engine) Node(q Node) (ID, error) {
	q, err := e.normal(q)
	if err != nil {
		return 0, err
	}
	if id, known := e.ids[q]; known {
		return id, nil
	}
	if e.takes > 0 {
		return 0, fmt.Errorf("signal %s was asked for after the first reading", q)
	}
	id := ID(len(e.nodes))
	e.nodes = append(e.nodes, e.build(q))
	e.ids[q] = id
	return id, nil
}

// Value of a signal; not known while one of its inputs is stale, or its window is not yet full.
func (e *Engine) Value(id ID, at time.Time) (v float64, known bool) {
	v, known = e.answer(&e.nodes[id], at)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, false
	}
	return v, known
}
