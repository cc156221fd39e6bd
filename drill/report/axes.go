package report

import "time"

// Tick is a place on an axis of time, with what stands under it.
type Tick struct {
	At    time.Time
	Label string
}

// TimeTicks are round times between two others, for drawings of other packages that shall look like a drill's.
func TimeTicks(from, to time.Time) []Tick {
	var ticks []Tick
	for _, t := range dateTicks(from, to) {
		ticks = append(ticks, Tick{t.at, t.label})
	}
	return ticks
}

// ValueTicks are values at round distances that cover low to high with about so many steps.
func ValueTicks(low, high float64, about int) []float64 { return roundTicks(low, high, about) }
