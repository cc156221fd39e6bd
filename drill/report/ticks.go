package report

import (
	"math"
	"time"
)

// roundTicks are values at round distances (1, 2, 2.5 or 5 times a power of ten) that cover low to high with about so
// many steps.
func roundTicks(low, high float64, about int) []float64 {
	if high <= low {
		high = low + 1
	}
	rough := (high - low) / float64(about)
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	step := 10 * power
	for _, factor := range []float64{1, 2, 2.5, 5} {
		if factor*power >= rough {
			step = factor * power
			break
		}
	}
	first := math.Floor(low/step) * step
	steps := int(math.Ceil((high-first)/step - 1e-9))
	ticks := make([]float64, 0, steps+1)
	for i := range steps + 1 {
		ticks = append(ticks, first+float64(i)*step)
	}
	return ticks
}

// A tick of time with its label.
type dateTick struct {
	at    time.Time
	label string
}

// dateTicks are round times between two others: beginnings of months, days or hours, seven or so.
func dateTicks(from, to time.Time) []dateTick {
	const most = 8
	for _, step := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour,
		2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour} {
		if to.Sub(from)/step <= most {
			return clockTicks(from, to, step)
		}
	}
	for _, days := range []int{1, 2, 7} {
		if to.Sub(from) <= most*time.Duration(days)*24*time.Hour {
			return clockTicks(from, to, time.Duration(days)*24*time.Hour)
		}
	}
	for _, months := range []int{1, 2, 3, 6, 12, 24, 60} {
		if ticks := monthTicks(from, to, months); len(ticks) <= most+1 {
			return ticks
		}
	}
	return monthTicks(from, to, 120)
}

func clockTicks(from, to time.Time, step time.Duration) []dateTick {
	layout := "15:04"
	if step >= 24*time.Hour {
		layout = "2 Jan"
	}
	var ticks []dateTick
	for at := from.UTC().Truncate(step); !at.After(to); at = at.Add(step) {
		if at.Before(from) {
			continue
		}
		label := at.Format(layout)
		if layout == "15:04" && (len(ticks) == 0 || label == "00:00") {
			label = at.Format("2 Jan 15:04")
		}
		ticks = append(ticks, dateTick{at, label})
	}
	return ticks
}

// monthTicks begin with a year's first month, so that a step of three shows quarters.
func monthTicks(from, to time.Time, step int) []dateTick {
	var ticks []dateTick
	for at := time.Date(from.UTC().Year(), 1, 1, 0, 0, 0, 0, time.UTC); !at.After(to); at = at.AddDate(0, step, 0) {
		if at.Before(from.Add(-48 * time.Hour)) {
			continue
		}
		label := at.Format("Jan")
		if len(ticks) == 0 || at.Month() == 1 {
			label = at.Format("Jan 2006")
		}
		if step >= 12 {
			label = at.Format("2006")
		}
		ticks = append(ticks, dateTick{at, label})
	}
	return ticks
}
