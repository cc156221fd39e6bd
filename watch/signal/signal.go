// Package signal computes, reading by reading, what the owner's conditions are about: levels, drawdowns, moving
// averages, volume spikes, weights, value at risk.
//
// An [Engine] is a graph that is closed before the first reading. [Engine.Node] asks for a signal; the same question
// asked twice is one node. Readings move streams (one per series, and one per source where somebody asks for a source's
// own values); a stream keeps what its nodes need of the past, session by session and, for windows of wall time, in a
// [window.Track], so that the cost of a reading does not depend on any window's length and a reading allocates nothing.
//
// [Engine.Value] is a function of the readings taken, the book and the time, so the same tape gives the same values
// however often and in whatever order they are asked for. Who wants to be told what moved, and not to ask, says so with
// [Engine.Follow]: each step (readings with Take, time with Tick, fills with Count) tells the nodes whose value changed.
//
// A window of wall time ends with the stream's last reading, and not now: between readings nothing moves but ages.
//
// Three rules hold everywhere:
//
//   - Only good readings move anything. A suspect one changes no state and keeps nothing fresh.
//   - A value whose input is stale or was never seen is unknown, never the last one that happened to be there.
//   - A session begins for a stream with its first reading in it; what comes after a close and before the next opening
//     still belongs to the session that closed.
//
// Several sources of one series agree on a median of those that are fresh. Of an even number the middle value nearer
// to what they last agreed on counts, so that one lying source of two cannot move it. Their volumes add up. A series with
// a quorum has no value while fewer of its sources are fresh.
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
	// Group that a position belongs to, of a kind such as "chain"; "" is none.
	Group func(kind string, p lifeboat.Position) string
	// Prices are the plan's own, for holdings that no series covers.
	Prices map[string]float64
	// Sources known to offer each series. A series or source that only its readings announce is taken in too, but a
	// source that nobody announced cannot be asked for on its own.
	Sources map[lifeboat.Series][]string
	// StaleAfter is how much market time may pass before a reading is stale; a day of it when nil, and never when it
	// answers zero or less.
	StaleAfter func(s lifeboat.Series, source string) time.Duration
	// Quorum is how many fresh sources a series takes to have a value; one when nil, and for what answers less. Volumes,
	// which add up, have none.
	Quorum func(s lifeboat.Series) int
}

const (
	// staleAfterDefault is market time: a round-the-clock day, or not quite four sessions of the NYSE.
	staleAfterDefault = 24 * time.Hour
	// graceAfterDeadline lets the reading that comes exactly when its predecessor goes stale be in time.
	graceAfterDeadline = time.Second
	// volumeSessions is how many sessions before the running one make its usual volume.
	volumeSessions = 20
	// pairRoom and pairSlack are how many sessions of each of two series are kept for one that they have in common: seven
	// days of a coin for five of the exchange, with its holidays, and one that begins earlier in the day.
	pairRoom, pairSlack = 2, 10
	// WindowMax bounds every window, in sessions.
	WindowMax = 1000
	// SpanMax bounds every window of wall time.
	SpanMax = 400 * 24 * time.Hour
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
	fallen    []*feed
	falls     uint64
	recent    []*feed // of the last instant's readings, in their order: the next one's most often come in the same
	lines     []*line
	portfolio portfolio

	begun    bool // every followed node was looked at once
	followed []ID // nodes of the portfolio that are followed
	ages     []ID // nodes that time moves
	moved    []ID // in the last step
}

// New makes an engine that knows the series of cfg.Sources and has seen no reading.
func New(cfg Config) *Engine {
	if cfg.Calendar == nil {
		cfg.Calendar = session.AllDay()
	}
	if cfg.Class == nil {
		cfg.Class = func(string) string { return "" }
	}
	if cfg.Group == nil {
		cfg.Group = func(string, lifeboat.Position) string { return "" }
	}
	if cfg.StaleAfter == nil {
		cfg.StaleAfter = func(lifeboat.Series, string) time.Duration { return staleAfterDefault }
	}
	e := &Engine{cfg: cfg, feeds: map[lifeboat.Series]*feed{}, ids: map[Node]ID{}}
	e.portfolio.value = math.NaN()
	e.portfolio.ends.hold(1)
	for _, s := range slices.Sorted(maps.Keys(cfg.Sources)) {
		e.offer(e.feed(s))
	}
	return e
}

// Take lets one instant of readings move the graph, and tells which followed nodes moved. Instants come in the order of
// their times. The list is good until the next step.
func (e *Engine) Take(at time.Time, in lifeboat.Instant) []ID {
	e.moved = e.moved[:0]
	e.roll(at)
	for i := range in.Readings {
		e.read(at, i, &in.Readings[i])
	}
	for _, f := range e.touched {
		f.settle(at)
	}
	e.takes++
	e.settle(at)
	if !e.begun {
		e.begin(at)
	}
	for _, f := range e.touched {
		e.look(f.followed, at)
	}
	e.touched = e.touched[:0]
	e.lookAtPortfolio(at)
	return e.moved
}

// read moves one source. A reading older than the last one of its source came late and is left out: what was decided
// since cannot be decided again.
func (e *Engine) read(at time.Time, i int, r *lifeboat.Reading) {
	if r.Quality != lifeboat.Good || math.IsNaN(r.Value) || math.IsInf(r.Value, 0) {
		return
	}
	when := r.At
	if when.IsZero() || when.After(at) { // a source's clock may run ahead; nothing is known before it is
		when = at
	}
	f := e.feedOf(i, r.Series)
	if !f.offered {
		e.offer(f)
	}
	l := e.leaf(f, r.Source)
	if when.Before(l.at) {
		return
	}
	if l.touched { // two readings of one source in one instant are two steps of the series, each at its own time
		f.settle(l.at)
	}
	if !f.touched {
		f.touched = true
		e.touched = append(e.touched, f)
	}
	if f.held {
		e.portfolio.moves++
	}
	nanos := when.UnixNano()
	l.take(r.Value, when, nanos)
	e.queue(l, at)
	if f.volume {
		f.consensus.take(r.Value, when, nanos)
	}
}

// feedOf the i-th reading of an instant.
func (e *Engine) feedOf(i int, s lifeboat.Series) *feed {
	if i < len(e.recent) && e.recent[i].series == s {
		return e.recent[i]
	}
	f := e.feed(s)
	switch {
	case i < len(e.recent):
		e.recent[i] = f
	case i == len(e.recent) && i < recentMax:
		e.recent = append(e.recent, f)
	}
	return f
}

// recentMax bounds the list of series that the last instants had.
const recentMax = 4096

// Tick lets time pass to a moment at which sources may have gone stale or an age may have passed a limit, and tells which
// followed nodes moved by it.
func (e *Engine) Tick(at time.Time) []ID {
	e.moved = e.moved[:0]
	for _, f := range e.fall(at) {
		if f.held {
			e.portfolio.moves++
		}
		e.look(f.followed, at)
	}
	e.look(e.ages, at)
	if !e.begun {
		e.begin(at)
	}
	e.lookAtPortfolio(at)
	return e.moved
}

// Count takes over what happened to the book, and tells which followed nodes moved by it.
func (e *Engine) Count(at time.Time) []ID {
	e.moved = e.moved[:0]
	e.lookAtPortfolio(at)
	return e.moved
}

// Follow makes the steps tell when a node moves, before the first reading only.
func (e *Engine) Follow(id ID) {
	n := &e.nodes[id]
	if n.watched {
		return
	}
	n.watched = true
	if n.Op >= PortfolioValue {
		e.followed = append(e.followed, id)
		return
	}
	for _, f := range []*feed{n.feed, n.with} {
		if f != nil && !slices.Contains(f.followed, id) {
			f.followed = append(f.followed, id)
		}
	}
	if n.Op == Age {
		e.ages = append(e.ages, id)
	}
}

// begin looks at every node once: what no reading has touched yet may have a value all the same.
func (e *Engine) begin(at time.Time) {
	e.begun = true
	for _, f := range e.order {
		e.look(f.followed, at)
	}
}

// look again at nodes whose inputs moved.
func (e *Engine) look(ids []ID, at time.Time) {
	for _, id := range ids {
		n := &e.nodes[id]
		v, known := e.answer(n, at)
		known = known && v-v == 0 // neither NaN nor infinite
		if known == n.known && (v == n.value || !known) {
			continue
		}
		n.value, n.known = v, known
		e.moved = append(e.moved, id)
	}
}

// lookAtPortfolio when its value may have changed.
func (e *Engine) lookAtPortfolio(at time.Time) {
	p := &e.portfolio
	e.count()
	if p.looked.moves == p.moves+1 && p.looked.version == p.version {
		return
	}
	e.look(e.followed, at)
	p.looked.moves, p.looked.version = p.moves+1, p.version
}

// Now is the value of a followed node as it was told last.
func (e *Engine) Now(id ID) (v float64, known bool) { return e.nodes[id].value, e.nodes[id].known }

// feed of a series, made known when it is not.
func (e *Engine) feed(s lifeboat.Series) *feed {
	if f := e.feeds[s]; f != nil {
		return f
	}
	symbol, column := s.Column()
	f := &feed{series: s, index: len(e.order), price: column == "", volume: column == "volume"}
	f.quorum = 1
	if e.cfg.Quorum != nil && !f.volume {
		f.quorum = max(1, e.cfg.Quorum(s))
	}
	f.calendar = cmp.Or(e.cfg.Calendars[string(s)], e.cfg.Calendars[symbol], e.cfg.Calendar)
	f.consensus = *newStream(f)
	if f.volume {
		f.consensus.hold(volumeSessions)
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
	if l := f.find(source); l != nil {
		return l
	}
	if l := f.leaves[0]; len(f.leaves) == 1 && l.source == "" && l.at.IsZero() {
		l.source = source
		l.staleAfter = e.cfg.StaleAfter(f.series, source)
		return l
	}
	return e.addLeaf(f, source)
}

func (e *Engine) addLeaf(f *feed, source string) *leaf {
	l := &leaf{feed: f, source: source, calendar: f.calendar, staleAfter: e.cfg.StaleAfter(f.series, source)}
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
