package report

import (
	"strings"

	"lifeboat"
	"lifeboat/drill"
)

// lowest squeezes or stretches both curves to so many columns. A column shows the lowest value of its span, so that a
// fall of one day is not lost between two columns. Nil when there is nothing to draw.
func lowest(curve []drill.Point, columns int) (with, without []float64) {
	if len(curve) < 2 {
		return nil, nil
	}
	for column := range columns {
		from := column * len(curve) / columns
		part := curve[from:max(from+1, (column+1)*len(curve)/columns)]
		protected, unprotected := part[0].Protected, part[0].Unprotected
		for _, p := range part[1:] {
			protected, unprotected = min(protected, p.Protected), min(unprotected, p.Unprotected)
		}
		with, without = append(with, protected), append(without, unprotected)
	}
	return with, without
}

// blocks draws a curve two rows high, sixteen steps from bottom to top.
func blocks(curve []float64, bottom, top float64) [2]string {
	const steps = " ▁▂▃▄▅▆▇█"
	glyphs := []rune(steps)
	var upper, lower strings.Builder
	for _, value := range curve {
		height := 8
		if top > bottom {
			height = 1 + int((value-bottom)/(top-bottom)*15+0.5)
		}
		upper.WriteRune(glyphs[max(0, height-8)])
		lower.WriteRune(glyphs[min(8, height)])
	}
	return [2]string{upper.String(), lower.String()}
}

// marks puts the tier of every firing under its column; of several, the highest.
func marks(r drill.Result, columns int) string {
	line := []byte(strings.Repeat(" ", columns))
	for _, f := range r.Firings {
		if f.State != lifeboat.Fired || f.Tier < 1 || f.Tier > 9 {
			continue
		}
		point := 0
		for point < len(r.Curve)-1 && r.Curve[point].At.Before(f.Time) {
			point++
		}
		// The last column whose part of the curve holds the point.
		column := ((point+1)*columns - 1) / len(r.Curve)
		line[column] = max(line[column], byte('0'+f.Tier))
	}
	return string(line)
}
