package simtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Point is a place at which a process may die.
type Point string

// Points are before and after each append, order, cancellation, question to a venue, list of its orders, message and task.
var Points = []Point{
	"append:before", "append:after", "place:before", "place:after", "cancel:before", "cancel:after", "ask:before", "ask:after",
	"list:before", "list:after", "message:before", "message:after", "task:before", "task:after",
}

// Tally counts what worlds lived through.
type Tally struct {
	Worlds, Lives, Kills, Entries, Orders, Resent, Lost, Runs, Restores, Restarts, Strange, Takeovers, Halts, Balanced int

	Passed  map[Point]int  // :: point → how often it was passed
	Died    map[Point]int  // :: point → how often the process died there
	Stopped map[string]int // :: reason → how often it stopped itself
	Ended   map[string]int // :: status → runs
	Said    map[string]int // :: what people did
	Refused map[string]int // :: why they were not heard
}

// Add joins another tally.
func (t *Tally) Add(o Tally) {
	for _, pair := range [][2]*int{{&t.Worlds, &o.Worlds}, {&t.Lives, &o.Lives}, {&t.Kills, &o.Kills}, {&t.Entries, &o.Entries}, {&t.Orders, &o.Orders},
		{&t.Resent, &o.Resent}, {&t.Lost, &o.Lost}, {&t.Runs, &o.Runs}, {&t.Restores, &o.Restores}, {&t.Restarts, &o.Restarts},
		{&t.Strange, &o.Strange}, {&t.Takeovers, &o.Takeovers}, {&t.Halts, &o.Halts}, {&t.Balanced, &o.Balanced}} {
		*pair[0] += *pair[1]
	}
	sum(&t.Passed, o.Passed)
	sum(&t.Died, o.Died)
	sum(&t.Stopped, o.Stopped)
	sum(&t.Ended, o.Ended)
	sum(&t.Said, o.Said)
	sum(&t.Refused, o.Refused)
}

func sum[K comparable](to *map[K]int, from map[K]int) {
	for k, n := range from {
		count(to, k, n)
	}
}

func count[K comparable](in *map[K]int, k K, n int) {
	if *in == nil {
		*in = map[K]int{}
	}
	(*in)[k] += n
}

func (t Tally) String() string {
	return fmt.Sprintf("%d worlds, %d lives, %d kills, %d restores, stopped %s; %d entries, %d runs (%s), %d orders, %d of them sent again after a proof of absence, %d given to people; halted %d times; the books of %d worlds compared",
		t.Worlds, t.Lives, t.Kills, t.Restores, list(t.Stopped), t.Entries, t.Runs, list(t.Ended), t.Orders, t.Resent, t.Lost, t.Halts, t.Balanced)
}

// list of counts in the order of their names; "never" for none.
func list[K ~string](counts map[K]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[k], k))
	}
	if len(parts) == 0 {
		return "never"
	}
	return strings.Join(parts, ", ")
}
