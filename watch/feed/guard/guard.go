// Package guard keeps values that cannot be right from moving anything: a wick to three times the price, a decimal
// point in the wrong place, one source of two that lies.
//
// A [Guard] is told what each series can be (a [Band]) and remembers the last good value of every source. A reading
// outside the band's bounds is suspect, always. One that lies farther from its source's last good value than the band's
// jump is suspect until somebody agrees: the next reading of the same source that lies outside on the same side, or a
// fresh reading of another source within the jump of it. So a crash is seen one reading late at most, at once where two
// sources saw it, and a single bad tick never. A split looks like a crash: it is suspect once, then the new level.
//
// The parts of a bar are compared with the closes around it, before and at its end, and with their own last value: a
// high of 323 over closes of 110 is a wick and no price. A night's silence makes no difference: the first value after it
// must not jump either, and the second is believed. After a halt – a day of market time, or eight times as long as the
// source may be silent – a value of five times or a fifth is perhaps another asset's, and its own source can no longer
// confirm it: only another one can, or the owner, who gives the source a new name in the plan.
//
// It decides nothing about staleness, does not choose between sources, and does not mend values. What it found stands
// in the readings, so that a journal is replayed without it; [Guard.Note] rebuilds its memory from there.
package guard

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/session"
	"lifeboat/watch/state"
)

// Band is what the values of one series from one source can be. The zero Band refuses only what is no finite number.
type Band struct {
	Min, Max *float64 // no bound when nil
	// Jump from one good value to the next: 1 means doubled or halved, 0.1 a tenth up or the same factor down, and 0
	// that any value may follow any other.
	Jump float64
	// Price says that zero and less is no value.
	Price bool
	// Fresh is how long the source may be silent, and how far in time another source's value may lie from one that it
	// confirms; an hour when zero.
	Fresh time.Duration
	// Calendar in whose open time a halt is measured; 24/7 when nil.
	Calendar *session.Calendar
}

const (
	freshDefault = time.Hour
	// tracksMax bounds the sources that are remembered; one beyond it is held to its bounds alone.
	tracksMax = 100_000
)

// Guard judges readings. It is not safe for concurrent use.
type Guard struct {
	config func(series lifeboat.Series, source string) Band
	tracks map[origin]*track
	order  []*track            // as they first spoke
	of     map[string][]*track // :: symbol → its sources
	round  uint64              // which Pass this is

	heard []ear // of the readings in hand, one each; those of the last ones beyond that
	doubt []int // of the readings in hand, those that jumped
}

type origin struct{ symbol, source string }

// An ear is where a reading belongs. The next instant's readings most often come in the same order, so that it is
// looked for only once.
type ear struct {
	series lifeboat.Series
	source string
	track  *track // nil where there is no room for another
	column int
	limits
}

// A track is what one source said of one symbol.
type track struct {
	origin
	past   [columns]past   // as the journal tells it
	draft  [columns]past   // as it will be, while readings are judged
	limits [columns]limits // made when the column is first heard
	round  uint64          // in which the draft was made
}

// limits of a column.
type limits struct {
	Band
	made      bool
	tolerance float64 // 1 + Jump
}

// columns of a bar: its close, which is the plain series, stands first.
const columns = 5

var names = [columns]string{"", "open", "high", "low", "volume"}

const volume = columns - 1

// A past is the memory of one column.
type past struct {
	known   bool // there is a last good value
	value   float64
	at      time.Time
	doubt   float64   // a value that jumped and waits for somebody to agree
	doubtAt time.Time // zero when there is none
}

// New makes a guard without a past. config is asked once for each series and source.
func New(config func(series lifeboat.Series, source string) Band) *Guard {
	return &Guard{config: config, tracks: map[origin]*track{}, of: map[string][]*track{}}
}

// Pass marks the readings of one instant that cannot be believed, in place, and returns them. Those that are already
// suspect stay so. Readings of one source stand in the order of their times.
func (g *Guard) Pass(at time.Time, readings []lifeboat.Reading) []lifeboat.Reading {
	g.round++
	g.hear(readings)
	g.doubt = g.doubt[:0]
	// A bar's close is its last reading, and its high is measured by it.
	for i := range readings {
		if g.heard[i].column == 0 {
			g.judge(at, readings, i)
		}
	}
	for i := range readings {
		if g.heard[i].column != 0 {
			g.judge(at, readings, i)
		}
	}
	g.agree(at, readings)
	g.note(at, readings)
	return readings
}

// Note takes over readings that were judged before, as a journal holds them.
func (g *Guard) Note(at time.Time, readings []lifeboat.Reading) {
	g.hear(readings)
	g.note(at, readings)
}

func (g *Guard) note(at time.Time, readings []lifeboat.Reading) {
	for i := range readings {
		if e := &g.heard[i]; e.track != nil {
			e.track.past[e.column].note(&readings[i], timeOf(at, &readings[i]))
		}
	}
}

// note lets one judged reading become the past. What came late is history that was told before.
func (p *past) note(r *lifeboat.Reading, when time.Time) {
	switch {
	case when.Before(p.at):
	case r.Quality == lifeboat.Good:
		p.value, p.at, p.known, p.doubtAt = r.Value, when, true, time.Time{}
	case jumped(r):
		p.doubt, p.doubtAt = r.Value, when
	}
}

// hear finds out where each reading belongs.
func (g *Guard) hear(readings []lifeboat.Reading) {
	for i := range readings {
		r := &readings[i]
		if i >= len(g.heard) {
			g.heard = append(g.heard, g.earOf(r))
		} else if e := &g.heard[i]; e.series != r.Series || e.source != r.Source || e.track == nil {
			*e = g.earOf(r)
		}
		if t := g.heard[i].track; t != nil && t.round != g.round {
			t.round, t.draft = g.round, t.past
		}
	}
}

// earOf a reading, whose source is remembered from now on.
func (g *Guard) earOf(r *lifeboat.Reading) ear {
	symbol, name := r.Series.Column()
	e := ear{series: r.Series, source: r.Source, column: slices.Index(names[:], name)}
	o := origin{symbol, r.Source}
	t := g.tracks[o]
	if t == nil && len(g.order) < tracksMax {
		t = g.begin(o)
	}
	if e.track = t; t == nil {
		e.limits = g.limits(r)
		return e
	}
	if l := &t.limits[e.column]; !l.made {
		*l = g.limits(r)
	}
	e.limits = t.limits[e.column]
	return e
}

func (g *Guard) limits(r *lifeboat.Reading) limits {
	band := g.config(r.Series, r.Source)
	return limits{band, true, 1 + max(band.Jump, 0)}
}

func (g *Guard) begin(o origin) *track {
	t := &track{origin: o, round: g.round}
	g.tracks[o] = t
	g.of[o.symbol] = append(g.of[o.symbol], t)
	g.order = append(g.order, t)
	return t
}

// judge one reading by its bounds and by the past of its source.
func (g *Guard) judge(at time.Time, readings []lifeboat.Reading, i int) {
	r, e := &readings[i], &g.heard[i]
	if r.Quality != lifeboat.Good {
		if e.track != nil && jumped(r) { // it was judged before
			e.track.draft[e.column].note(r, timeOf(at, r))
		}
		return
	}
	if why := e.refuses(r.Value); why != "" {
		r.Quality, r.Why = lifeboat.Suspect, why
		if r.Value-r.Value != 0 { // not finite: no journal could hold it
			r.Value = 0
		}
		return
	}
	if e.track == nil {
		return
	}
	when, d := timeOf(at, r), &e.track.draft[e.column]
	if when.Before(d.at) {
		return
	}
	if e.Jump > 0 {
		low, high := g.around(e, when)
		side := outside(r.Value, low, high, e.tolerance)
		switch last := e.track.spoke(e.column); {
		case side == 0:
		case e.returned(r.Value, low, high, last, when):
			r.Quality, r.Why = lifeboat.Suspect, back(nearer(low, high, side), r.Value, when.Sub(last))
			g.doubt = append(g.doubt, i)
		case !(d.doubted(when) && outside(d.doubt, low, high, e.tolerance) == side):
			r.Quality, r.Why = lifeboat.Suspect, leap(nearer(low, high, side), r.Value, e.Jump)
			g.doubt = append(g.doubt, i)
		}
	}
	d.note(r, when)
}

// doubted reports that an earlier value waits for one to agree with it.
func (p *past) doubted(when time.Time) bool { return !p.doubtAt.IsZero() && p.doubtAt.Before(when) }

// nearer is the one of two values that something on their upper or lower side left.
func nearer(low, high float64, side int) float64 {
	if side > 0 {
		return high
	}
	return low
}

// around are the lowest and the highest of the values that a reading is compared with: its source's last good one; for
// the other prices of a bar also the closes before it and at its end; and where its source has said nothing yet, what
// another source says now. Without any they are infinitely far out, the wrong way round.
func (g *Guard) around(e *ear, when time.Time) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	t := e.track
	t.draft[e.column].stretch(&low, &high)
	if e.column != 0 && e.column != volume {
		t.past[0].stretch(&low, &high)
		t.draft[0].stretch(&low, &high)
	}
	if high >= low {
		return low, high
	}
	for _, other := range g.of[t.symbol] {
		if p := g.now(other, e.column); other != t && p.known && e.near(p.at, when) {
			p.stretch(&low, &high)
		}
	}
	return low, high
}

func (p *past) stretch(low, high *float64) {
	if p.known {
		*low, *high = min(*low, p.value), max(*high, p.value)
	}
}

// now is the memory of a column, with what the readings in hand have changed.
func (g *Guard) now(t *track, c int) *past {
	if t.round == g.round {
		return &t.draft[c]
	}
	return &t.past[c]
}

// outside says on which side of the values around it, stretched by the tolerance, a value lies: 1 above, -1 below, 0
// within, or when there are none. Of values at or below zero no ratio tells anything.
func outside(v, low, high, tolerance float64) int {
	switch {
	case low > high:
		return 0
	case high > 0 && v > high*tolerance:
		return 1
	case low > 0 && v < low/tolerance:
		return -1
	}
	return 0
}

// agree lets what jumped count where another source says so too: by its last good value, or by one that jumped to the
// same place.
func (g *Guard) agree(at time.Time, readings []lifeboat.Reading) {
	for _, i := range g.doubt {
		r, e := &readings[i], &g.heard[i]
		when := timeOf(at, r)
		for _, other := range g.of[e.track.symbol] {
			if other != e.track && g.now(other, e.column).agrees(e, r.Value, when) {
				r.Quality, r.Why = lifeboat.Good, ""
				e.track.draft[e.column].note(r, when)
				break
			}
		}
	}
}

func (p *past) agrees(e *ear, v float64, when time.Time) bool {
	if p.known && e.near(p.at, when) && outside(v, p.value, p.value, e.tolerance) == 0 {
		return true
	}
	return !p.doubtAt.IsZero() && e.near(p.doubtAt, when) && outside(v, p.doubt, p.doubt, e.tolerance) == 0
}

func (l *limits) near(a, b time.Time) bool {
	fresh := l.Fresh
	if fresh <= 0 {
		fresh = freshDefault
	}
	return a.Sub(b).Abs() <= fresh
}

// refuses says why a value cannot be, whatever came before it; "" when it can.
func (b *Band) refuses(v float64) string {
	switch {
	case v-v != 0:
		return number(v) + " is not a finite number"
	case b.Price && v <= 0:
		return number(v) + " is no price: prices are positive"
	case b.Min != nil && v < *b.Min:
		return fmt.Sprintf("%s is below %s, the least that it can be", number(v), number(*b.Min))
	case b.Max != nil && v > *b.Max:
		return fmt.Sprintf("%s is above %s, the most that it can be", number(v), number(*b.Max))
	}
	return ""
}

// jumpedFrom begins the reason of a reading that may still be confirmed, in a journal too.
const jumpedFrom = "jumped from "

func leap(from, to, jump float64) string {
	return fmt.Sprintf("%s%s to %s, farther than %s%%; a fault, a split or a crash: it counts when the next reading or another source agrees",
		jumpedFrom, number(from), number(to), number(100*jump))
}

func jumped(r *lifeboat.Reading) bool {
	return r.Quality == lifeboat.Suspect && strings.HasPrefix(r.Why, jumpedFrom)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 8, 64) }

// timeOf a reading: its own, but nothing is known before it is.
func timeOf(at time.Time, r *lifeboat.Reading) time.Time {
	if r.At.IsZero() || r.At.After(at) {
		return at
	}
	return r.At
}

// State writes the memory down, or reads it back into a guard of the same configuration.
func (g *Guard) State(c *state.Codec) {
	n := c.Length(len(g.order))
	if c.Reading() {
		if n > tracksMax {
			c.Fail()
			return
		}
		g.tracks, g.of, g.order, g.heard = map[origin]*track{}, map[string][]*track{}, nil, nil
	}
	for i := range n {
		var o origin
		if !c.Reading() {
			o = g.order[i].origin
		}
		c.Text(&o.symbol)
		c.Text(&o.source)
		if c.Reading() {
			if _, twice := g.tracks[o]; twice { // a damaged state is read as empty names
				c.Fail()
				return
			}
			g.begin(o)
		}
		for j := range columns {
			g.order[i].past[j].state(c)
		}
	}
}

func (p *past) state(c *state.Codec) {
	c.Bool(&p.known)
	c.Float(&p.value)
	c.Time(&p.at)
	c.Float(&p.doubt)
	c.Time(&p.doubtAt)
}
