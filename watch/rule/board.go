package rule

import (
	"slices"
	"time"

	"lifeboat"
	"lifeboat/session"
	"lifeboat/watch/signal"
)

// Board evaluates every condition of a plan over one engine, so that what a reading costs follows what it flips and not
// how many conditions there are.
//
// It is three layers. Slots are numbers: nodes of the engine, and arithmetic on them. Each slot knows at which limits
// conditions compare it, in order, and where it stands among them; when it moves, only the comparisons that it passes
// flip. Facts are truths: such comparisons, and AND, OR, NOT, for … over them; a fact that flips makes those that are
// built on it look again, inputs before what is built on them, so that nobody ever sees half an instant. Conditions are
// facts that somebody asked for. Equal slots and facts are one, whoever wrote them.
//
// A board drives its engine: readings, fills and time go through [Board.Take], [Board.Count] and [Board.Tick], and each
// such step tells with [Board.Changed] whose truth it changed.
type Board struct {
	engine   *signal.Engine
	calendar *session.Calendar // whose sessions "for 3d" counts

	slots  []slot
	facts  []fact
	slotOf map[string]slotID
	factOf map[string]factID
	ofNode []slotID // :: signal.ID → slot, -1 where none

	begun     bool
	slotQueue queue
	factQueue queue
	timed     []factID // facts that time alone may flip
	clocks    []slotID // slots that time alone moves
	passing   []factID // facts that are true for one step only
	soonest   time.Time
	changed   []*Cond
}

type (
	slotID = int32
	factID = int32
)

// NewBoard makes an empty board over an engine that has seen no reading. An engine has one board.
func NewBoard(engine *signal.Engine, calendar *session.Calendar) *Board {
	if calendar == nil {
		calendar = session.AllDay()
	}
	return &Board{engine: engine, calendar: calendar, slotOf: map[string]slotID{}, factOf: map[string]factID{}}
}

// Engine that the board drives.
func (b *Board) Engine() *signal.Engine { return b.engine }

// Take lets one instant of readings through.
func (b *Board) Take(at time.Time, in lifeboat.Instant) { b.step(at, b.engine.Take(at, in)) }

// Count lets in that the book moved.
func (b *Board) Count(at time.Time) { b.step(at, b.engine.Count(at)) }

// Tick lets time pass to a moment that NextChange told.
func (b *Board) Tick(at time.Time) {
	moved := b.engine.Tick(at)
	for _, id := range b.timed {
		if due := b.facts[id].cell.due; !due.IsZero() && !due.After(at) {
			b.stir(id)
		}
	}
	for _, id := range b.clocks {
		b.strike(id, at)
	}
	b.step(at, moved)
}

// Changed are the conditions whose truth the last step changed. The slice is the board's own.
func (b *Board) Changed() []*Cond { return b.changed }

// MayChange reports whether some condition may change by the given time without a reading. It costs nothing, and says
// yes too often rather than never.
func (b *Board) MayChange(by time.Time) bool {
	return b.engine.MayGoStale(by) || !b.soonest.IsZero() && !b.soonest.After(by)
}

// NextChange is the first time after the given one at which time alone may change a condition: a source goes stale, an
// age passes a limit, a hold is over. Zero when nothing waits. Ask with times that do not go back.
func (b *Board) NextChange(after time.Time) time.Time {
	b.soonest = time.Time{}
	for _, id := range b.timed {
		if due := b.facts[id].cell.due; due.After(after) {
			b.expect(due)
		}
	}
	for _, id := range b.clocks {
		if due := b.strikes(id); due.After(after) {
			b.expect(due)
		}
	}
	stale := b.engine.NextStale(after)
	if b.soonest.IsZero() || !stale.IsZero() && stale.Before(b.soonest) {
		return stale
	}
	return b.soonest
}

// Soonest is a time before which NextChange has nothing to tell, for who does not want to pay for the exact one; zero
// when nothing waits.
func (b *Board) Soonest() time.Time {
	stale := b.engine.Soonest()
	if b.soonest.IsZero() || !stale.IsZero() && stale.Before(b.soonest) {
		return stale
	}
	return b.soonest
}

func (b *Board) expect(due time.Time) {
	if !due.IsZero() && (b.soonest.IsZero() || due.Before(b.soonest)) {
		b.soonest = due
	}
}

// step lets moved nodes flip what they flip.
func (b *Board) step(at time.Time, moved []signal.ID) {
	b.changed = b.changed[:0]
	if !b.begun {
		b.begin()
	}
	if len(b.passing) > 0 {
		for _, id := range b.passing {
			b.stir(id)
		}
		b.passing = b.passing[:0]
	}
	for _, id := range moved {
		if s := b.ofNode[id]; s >= 0 {
			v, known := b.engine.Now(id)
			b.set(s, v, known, at)
		}
	}
	for !b.slotQueue.empty() {
		id := b.slotQueue.pop()
		s := &b.slots[id]
		s.queued = false
		v, known := b.work(s)
		b.set(id, v, known, at)
	}
	for !b.factQueue.empty() {
		id := b.factQueue.pop()
		f := &b.facts[id]
		f.queued = false
		if t := b.judge(id, f, at); t != f.truth {
			f.truth = t
			b.flipped(f, at)
		}
	}
}

// begin judges every fact once: one that is built of nothing that moves would never be looked at.
func (b *Board) begin() {
	b.begun = true
	for id := range b.slots {
		if b.slots[id].sign == constant {
			b.slots[id].known = true
			b.pass(&b.slots[id], true)
			b.moveUsers(&b.slots[id])
		}
	}
	for id := range b.facts {
		b.stir(factID(id))
	}
}

// flipped passes on that a fact is another than it was.
func (b *Board) flipped(f *fact, at time.Time) {
	for _, user := range f.users {
		b.stir(user)
	}
	for _, clock := range f.clocks {
		b.tellClock(clock, f.truth, at)
	}
	b.changed = append(b.changed, f.conds...)
}

// stir a fact, so that it is judged in this step.
func (b *Board) stir(id factID) {
	if f := &b.facts[id]; !f.queued {
		f.queued = true
		b.factQueue.push(id)
	}
}

// A queue hands out small numbers in ascending order. What is built stands behind what it is built on, so that order is
// the one in which everything is worked out once.
type queue struct{ heap []int32 }

func (q *queue) empty() bool { return len(q.heap) == 0 }

func (q *queue) push(id int32) {
	q.heap = append(q.heap, id)
	for i := len(q.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if q.heap[parent] <= q.heap[i] {
			return
		}
		q.heap[parent], q.heap[i] = q.heap[i], q.heap[parent]
		i = parent
	}
}

func (q *queue) pop() int32 {
	first, last := q.heap[0], len(q.heap)-1
	q.heap[0] = q.heap[last]
	q.heap = q.heap[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return first
		}
		if child+1 < last && q.heap[child+1] < q.heap[child] {
			child++
		}
		if q.heap[i] <= q.heap[child] {
			return first
		}
		q.heap[i], q.heap[child] = q.heap[child], q.heap[i]
		i = child
	}
}

// add lets a condition be told of when its fact flips. A number is only asked for.
func (b *Board) add(c *Cond) {
	if c.isTruth() {
		f := &b.facts[c.fact]
		f.conds = append(slices.Clip(f.conds), c)
	}
}
