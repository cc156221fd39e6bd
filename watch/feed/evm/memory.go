package evm

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/watch/state"
)

// The state of a chain says what is; only its logs say what happened. A tally remembers what happened of one kind at one
// thing, block by block, so that a reorganisation takes it back.
type tally struct {
	window time.Duration
	notes  []note // in the order of the chain
}

// A note is one thing that happened.
type note struct {
	block uint64
	at    time.Time
	key   common.Hash // of what it begins or ends
	ends  bool
	share float64 // of the whole, where something moved
}

// notesMax bounds what one tally remembers; of more than that the oldest are forgotten, and the count stands still.
const notesMax = 1024

func (t *tally) add(n note) {
	if len(t.notes) == notesMax {
		t.notes = append(t.notes[:0], t.notes[notesMax/4:]...)
	}
	t.notes = append(t.notes, n)
}

// remove what happened in a block and after it. It says whether there was anything.
func (t *tally) remove(block uint64) bool {
	n := len(t.notes)
	for n > 0 && t.notes[n-1].block >= block {
		n--
	}
	removed := n < len(t.notes)
	t.notes = t.notes[:n]
	return removed
}

// forget what lies before the window, and too deep for a reorganisation to take back.
func (t *tally) forget(now time.Time, final uint64) {
	n := 0
	for n < len(t.notes) && now.Sub(t.notes[n].at) >= t.window && t.notes[n].block < final {
		n++
	}
	if n > 0 {
		t.notes = append(t.notes[:0], t.notes[n:]...)
	}
}

// count of what happened in the window.
func (t *tally) count(now time.Time) float64 {
	n := 0
	for i := len(t.notes) - 1; i >= 0 && now.Sub(t.notes[i].at) < t.window; i-- {
		n++
	}
	return float64(n)
}

// open counts what began in the window and has not ended.
func (t *tally) open(now time.Time) float64 {
	n := 0
	for i := range t.notes {
		if begun := &t.notes[i]; !begun.ends && now.Sub(begun.at) < t.window && !t.over(i) {
			n++
		}
	}
	return float64(n)
}

// over reports that what the note begins was ended, or begun again, later.
func (t *tally) over(i int) bool {
	for _, later := range t.notes[i+1:] {
		if later.key == t.notes[i].key {
			return true
		}
	}
	return false
}

// largest share that moved at once in the window.
func (t *tally) largest(now time.Time) float64 {
	largest := 0.0
	for i := len(t.notes) - 1; i >= 0 && now.Sub(t.notes[i].at) < t.window; i-- {
		largest = max(largest, t.notes[i].share)
	}
	return largest
}

// State writes the notes down, or reads them back.
func (t *tally) State(c *state.Codec) {
	n := c.Length(len(t.notes))
	if c.Reading() {
		if n > notesMax {
			c.Fail()
			return
		}
		t.notes = make([]note, n)
	}
	for i := range n {
		t.notes[i].state(c)
	}
}

func (n *note) state(c *state.Codec) {
	c.Uint64(&n.block)
	c.Time(&n.at)
	hashState(c, &n.key)
	c.Bool(&n.ends)
	c.Float(&n.share)
}

// A trail is how one number, or one word of the state, went from block to block: what it is compared with, and what a
// reorganisation takes back. The zero trail is empty and remembers nothing: make one with newTrail.
type trail[T any] struct {
	places []place[T] // a ring
	first  int
	n      int
}

type place[T any] struct {
	block uint64
	at    time.Time
	value T
}

func newTrail[T any](length int) trail[T] { return trail[T]{places: make([]place[T], length)} }

func (t *trail[T]) at(i int) *place[T] { return &t.places[(t.first+i)%len(t.places)] }

// last place; nil when there is none.
func (t *trail[T]) last() *place[T] {
	if t.n == 0 {
		return nil
	}
	return t.at(t.n - 1)
}

// add takes what was read at a block. What was read there or later before, on another branch, is forgotten.
func (t *trail[T]) add(block uint64, at time.Time, value T) {
	t.remove(block)
	if t.n == len(t.places) {
		t.first, t.n = (t.first+1)%len(t.places), t.n-1
	}
	t.n++
	*t.at(t.n - 1) = place[T]{block, at, value}
}

func (t *trail[T]) remove(block uint64) {
	for t.n > 0 && t.at(t.n-1).block >= block {
		t.n--
	}
}

// since forgets what was read before a time.
func (t *trail[T]) since(start time.Time) {
	for t.n > 0 && t.at(0).at.Before(start) {
		t.first, t.n = (t.first+1)%len(t.places), t.n-1
	}
}

// state writes a trail down, or reads it back as if it were read from the chain once more.
func (t *trail[T]) state(c *state.Codec, value func(*state.Codec, *T)) {
	n := c.Length(t.n)
	for i := 0; i < n && c.Broken() == nil; i++ {
		var p place[T]
		if !c.Reading() {
			p = *t.at(i)
		}
		c.Uint64(&p.block)
		c.Time(&p.at)
		if value(c, &p.value); c.Reading() && c.Broken() == nil {
			t.add(p.block, p.at, p.value)
		}
	}
}

func floatState(c *state.Codec, v *float64) { c.Float(v) }

func hashState(c *state.Codec, h *common.Hash) {
	text := string(h[:])
	if c.Text(&text); !c.Reading() {
		return
	}
	if len(text) != len(h) {
		c.Fail()
		return
	}
	*h = common.Hash([]byte(text))
}

// jump is how far a value lies above the mean of those before it, or below it where it is negative.
func jump(t *trail[float64]) (value float64, known bool) {
	if t.n < 2 {
		return 0, false
	}
	sum := 0.0
	for i := range t.n - 1 {
		sum += t.at(i).value
	}
	mean := sum / float64(t.n-1)
	if mean <= 0 {
		return 0, false
	}
	return t.last().value/mean - 1, true
}

// outflow is the share of the most there was within the window that is gone now.
func outflow(t *trail[float64], window time.Duration) (value float64, known bool) {
	last := t.last()
	if last == nil {
		return 0, false
	}
	most := 0.0
	for i := t.n - 1; i >= 0 && last.at.Sub(t.at(i).at) <= window; i-- {
		most = max(most, t.at(i).value)
	}
	if most <= 0 {
		return 0, false
	}
	return 1 - last.value/most, true
}
