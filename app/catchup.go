package app

import (
	"slices"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/watch/coverage"
)

// Coverage is an empty ledger that knows the market hours and the patience of a plan's feeds.
func Coverage(p *plan.Plan) (*coverage.Ledger, error) {
	calendars, err := newCalendars(p, nil, nil)
	if err != nil {
		return nil, err
	}
	_, stale := fed(p.Feeds)
	return coverage.New(coverage.Options{
		Open: func(s lifeboat.Series, from, to time.Time) time.Duration {
			symbol, _ := s.Column()
			return calendars.of(symbol).OpenTime(from, to)
		},
		Silent: stale,
	}), nil
}

// inTurn puts readings of which one source has several, because they are caught up, into the order of their times, so
// that sources which were missed together are heard together.
func inTurn(at time.Time, readings []lifeboat.Reading) []lifeboat.Reading {
	if !repeats(readings) {
		return readings
	}
	slices.SortStableFunc(readings, func(a, b lifeboat.Reading) int { return timeOf(at, a).Compare(timeOf(at, b)) })
	return readings
}

func timeOf(at time.Time, r lifeboat.Reading) time.Time {
	if r.At.IsZero() || r.At.After(at) {
		return at
	}
	return r.At
}

type origin struct {
	series lifeboat.Series
	source string
}

func repeats(readings []lifeboat.Reading) bool {
	seen := make(map[origin]bool, len(readings))
	for _, r := range readings {
		o := origin{r.Series, r.Source}
		if seen[o] {
			return true
		}
		seen[o] = true
	}
	return false
}

// steps of an instant in which some source speaks more than once: a venue is shown one reading of each at a time, the
// last ones together.
func steps(in lifeboat.Instant) []lifeboat.Instant {
	if !repeats(in.Readings) {
		return []lifeboat.Instant{in}
	}
	later := map[origin]int{} // readings of the source that follow
	var steps []lifeboat.Instant
	for _, r := range slices.Backward(in.Readings) {
		o := origin{r.Series, r.Source}
		n := later[o]
		if later[o]++; n == len(steps) {
			steps = append(steps, lifeboat.Instant{At: in.At})
		}
		steps[n].Readings = append(steps[n].Readings, r)
	}
	slices.Reverse(steps)
	for i := range steps {
		slices.Reverse(steps[i].Readings)
	}
	return steps
}
