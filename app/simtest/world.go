// Package simtest is a whole world for the tests of reliability, on virtual time and made of one seed: an owner's plan, a
// market, venues behind a bad wire that forget what they knew, people who answer late, wrongly or never, a journal on a
// real store, and a killer. [World.Run] lives through it; the same seed lives through the same.
//
// What it proves is judged from outside, never by the system's own opinion: by a log of what the store acknowledged, by
// what left on the wire and when, and by the venues' own ledgers. judge.go holds the rules that no world may break, and
// [Verdict] says which one was broken first, with the seed that does it again.
//
// The system under test is joined by app.Build and started as the daemon starts it. The daemon's own loop, its feeds and
// its HTTP side are not part of the world, and real processes with real kills are app's crash tests.
package simtest

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// Setting of a world.
type Setting struct {
	Seed  uint64
	Shelf Shelf
	// Restart restarts the server that the shelf is on; nil when there is none.
	Restart func()
	Mishaps
}

// Mishaps are what a world suffers beside the market.
type Mishaps struct {
	// Kill is the chance of dying at each point that is passed.
	Kill float64
	// KillAt dies once, when the point is passed for the Nth time, from 1; "" for never.
	KillAt Point
	Nth    int
	// Wire is the chance that a call to a venue, or a reply of one, goes wrong.
	Wire float64
	// Forgets is how long the venues know a key; 0 is for ever.
	Forgets time.Duration
	// Unreliable people answer late, twice, wrongly or never; others say yes within minutes.
	Unreliable bool
	// How many of each happen, at times that the seed chooses.
	Restores int // an older copy of the journal is put back
	Full     int // the disk fills up, and is mended
	ReadOnly int // the disk refuses writes, and is mended
	Jumps    int // the machine's clock jumps by a day, and is mended
	Stops    int // the machine stands still for a minute
	Restarts int // the server under the shelf is restarted while the journal is open; needs Restart
	Zombies  int // another process takes over while this one stands still with an act under way; needs a shelf that two can have open
}

// World is one seed's.
type World struct {
	Setting
	Tally Tally

	now    time.Time     // as it truly is
	skew   time.Duration // of the machine's clock
	plan   *plan.Plan
	market *market
	desks  map[string]*account
	people *crowd
	tasks  map[lifeboat.Key]int // how often each was performed
	agenda agenda

	life  *life     // nil while no process runs
	wakes time.Time // when the next one starts
	lives int
	chain chain // what the store acknowledged
	judge *judge

	settling bool
	sick     error // what the disk says to writes
	armed    int   // passings left until KillAt
	standing int   // times that the process will stand still for a minute
	haunting int   // times that it will while another one takes its place
	doomed   bool  // the first start after a restore dies at once, and nobody notices for more than a day
	frozen   chan chan<- struct{}
	dice     map[string]*rand.Rand
}

// Began is when every world begins.
var Began = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// New makes a world.
func New(s Setting) (*World, error) {
	w := &World{Setting: s, now: Began, armed: s.Nth, tasks: map[lifeboat.Key]int{}, dice: map[string]*rand.Rand{}, frozen: make(chan chan<- struct{})}
	w.judge = newJudge(w)
	w.people = &crowd{w: w, heard: map[lifeboat.Key]bool{}}
	var err error
	if w.plan, err = owner(w.die("plan")); err != nil {
		return nil, err
	}
	w.market = newMarket(w.die("market"))
	if w.desks, err = w.open(w.plan); err != nil {
		return nil, err
	}
	w.foretell()
	return w, nil
}

// die is a source of chance of its own for each purpose, so that another kill does not move the prices.
func (w *World) die(purpose string) *rand.Rand {
	if w.dice[purpose] == nil {
		h := fnv.New64a()
		_, _ = h.Write([]byte(purpose))
		w.dice[purpose] = rand.New(rand.NewPCG(w.Seed, h.Sum64()))
	}
	return w.dice[purpose]
}

func (w *World) chance(purpose string, p float64) bool { return w.die(purpose).Float64() < p }

// span of time between two bounds, evenly spread.
func (w *World) span(purpose string, from, to time.Duration) time.Duration {
	return from + time.Duration(w.die(purpose).Int64N(int64(to-from)))
}

// settleMax is how long the world waits, after everything bad has happened and everybody answers, for the last run to end.
const (
	settleMax = 15 * 24 * time.Hour
	tidyEvery = 3 * time.Hour
)

// Run lives through the world and judges it.
func (w *World) Run() Verdict {
	defer w.close()
	w.start()
	for !w.over() {
		w.step()
	}
	w.settling, w.sick, w.skew, w.haunting = true, nil, 0, 0
	var tidied time.Time
	for until := w.now.Add(settleMax); w.now.Before(until) && !w.quiet(); w.step() {
		if w.life != nil && len(w.agenda) == 0 && w.now.Sub(tidied) >= tidyEvery {
			tidied = w.now
			w.tidy()
		}
	}
	w.judge.end()
	w.Tally.Worlds = 1
	return Verdict{Seed: w.Seed, Tally: w.Tally, Faults: w.judge.faults, Journal: w.journal()}
}

// step lets the next thing happen.
func (w *World) step() {
	at := w.now.Add(idleMax)
	if next := w.market.next(w); next.Before(at) {
		at = next
	}
	if next, ok := w.agenda.next(); ok && next.Before(at) {
		at = next
	}
	if w.life == nil && w.wakes.Before(at) {
		at = w.wakes
	}
	if w.life != nil {
		if alarm := w.life.alarm(); alarm.Before(at) {
			at = alarm
		}
	}
	if at.After(w.now) {
		w.now = at
	}
	switch {
	case w.life == nil && !w.wakes.After(w.now):
		w.start()
	case !w.market.next(w).After(w.now):
		in := w.market.turn(w)
		for _, name := range w.accounts() {
			if err := w.desks[name].real.Show(in); err != nil {
				w.judge.fault("the market could not be shown: %v", err)
			}
		}
		w.alive(func(l *life) error { return l.take(in) })
	case w.agenda.due(w.now):
		w.agenda.pop()()
	default:
		w.alive((*life).advance)
	}
}

// idleMax bounds a step of time, as the daemon's alarm does.
const idleMax = 10 * time.Minute

// over reports that the market has told its story and nothing foretold is left.
func (w *World) over() bool { return w.market.told() && len(w.agenda) == 0 }

// quiet reports that nothing goes on any more.
func (w *World) quiet() bool {
	return w.life != nil && w.life.record.Last.Before(w.now) && len(w.life.record.Open()) == 0 && w.life.system.Flow.Open() == 0 && len(w.agenda) == 0
}

func (w *World) close() {
	if w.life != nil {
		_ = w.life.store.Close()
	}
}

func (w *World) journal() (lines []string) {
	if w.life == nil {
		return nil
	}
	entries, err := all(w.life.store)
	if err != nil {
		return []string{err.Error()}
	}
	for _, e := range entries {
		if e.Word != (lifeboat.Instant{}).Word() {
			lines = append(lines, fmt.Sprintf("%d %s %s %s", e.Seq, e.At.Format("02 15:04:05"), e.Word, e.Body))
		}
	}
	return lines
}

// machine is the time as the process reads it.
func (w *World) machine() time.Time { return w.now.Add(w.skew) }

// Verdict of a world.
type Verdict struct {
	Seed   uint64
	Tally  Tally
	Faults []string
	// Journal is what the last process's says, one line for each entry that is not of readings.
	Journal []string
}

// Err tells what was broken; nil when nothing was.
func (v Verdict) Err() error {
	if len(v.Faults) == 0 {
		return nil
	}
	return fmt.Errorf("seed %d: %s (%d faults)", v.Seed, v.Faults[0], len(v.Faults))
}
