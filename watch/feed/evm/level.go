package evm

import (
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// levels are the series that a chain says, each with the value that it has at the newest block it is known for. A value is
// told when it changes, and again before it would count as old; one that is not known any more is not told, and goes stale.
type levels struct {
	all   []level
	named map[origin]int
	told  time.Time // no reading is older than one before it: a block on another branch may be
}

type origin struct {
	series lifeboat.Series
	source string
}

type level struct {
	origin
	every time.Duration // after which it is told again though it has not changed

	counts bool // what happened, and so it is known for every block that was followed
	known  bool
	value  float64
	why    string    // what happened, in words
	block  uint64    // for which it is known
	doubt  string    // why the value cannot be believed; "" when it can
	toldv  float64   // what was told last, and when
	tolds  string    // the doubt with it
	tolda  time.Time // zero when nothing was told
}

// newLevels of a plan's feeds from this chain.
func newLevels(feeds []plan.Feed) *levels {
	l := &levels{named: map[origin]int{}}
	for _, f := range feeds {
		o := origin{lifeboat.Series(f.Series), f.Source}
		if _, twice := l.named[o]; !twice {
			l.named[o] = len(l.all)
			l.all = append(l.all, level{origin: o, every: time.Duration(f.StaleAfter) / 3})
		}
	}
	return l
}

// find a series; -1 when the plan does not have it from this source, and then nothing needs to be known of it.
func (l *levels) find(series, source string) int {
	if i, known := l.named[origin{lifeboat.Series(series), source}]; known {
		return i
	}
	return -1
}

// follow is find, of a level that counts what happened: it is known for every block that is followed, and zero before.
func (l *levels) follow(series, source string) int {
	i := l.find(series, source)
	if i >= 0 {
		l.all[i].counts, l.all[i].known = true, true
	}
	return i
}

// state makes a level one that is read, because its contract says it.
func (l *levels) state(i int) { l.all[i].counts = false }

// set what a series is at a block. A value that is no finite number is none.
func (l *levels) set(i int, block uint64, value float64) {
	if i < 0 || !(value-value == 0) {
		return
	}
	v := &l.all[i]
	v.known, v.value, v.block, v.doubt = true, value, block, ""
}

// lower is set, of a series that is the least of several at a block; raise, of the most.
func (l *levels) lower(i int, block uint64, value float64) {
	if i >= 0 && !(l.all[i].known && l.all[i].block == block && l.all[i].value <= value) {
		l.set(i, block, value)
	}
}

func (l *levels) raise(i int, block uint64, value float64) {
	if i >= 0 && !(l.all[i].known && l.all[i].block == block && l.all[i].value >= value) {
		l.set(i, block, value)
	}
}

// doubt a series at a block, which then says that it cannot be believed.
func (l *levels) doubt(i int, block uint64, why string) {
	if i < 0 {
		return
	}
	v := &l.all[i]
	v.known, v.value, v.block, v.doubt = true, 0, block, why
}

// explain what made a series move; it goes with the next reading.
func (l *levels) explain(i int, words string) {
	if i >= 0 {
		l.all[i].why = words
	}
}

// tell appends the readings that are due: those known for the block that have changed or were not told for long.
func (l *levels) tell(readings []lifeboat.Reading, block uint64, at time.Time) []lifeboat.Reading {
	if at.Before(l.told) {
		at = l.told
	}
	for i := range l.all {
		v := &l.all[i]
		if !v.known || !v.counts && v.block != block || v.value == v.toldv && v.doubt == v.tolds && !v.tolda.IsZero() && at.Sub(v.tolda) < v.every {
			continue
		}
		r := lifeboat.Reading{Series: v.series, Source: v.source, Value: v.value, At: at, Why: v.why}
		if v.doubt != "" {
			r.Quality, r.Why = lifeboat.Suspect, v.doubt
		}
		readings = append(readings, r)
		v.toldv, v.tolds, v.tolda, v.why = v.value, v.doubt, at, ""
		l.told = at
	}
	return readings
}
