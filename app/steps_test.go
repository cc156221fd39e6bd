package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lifeboat"
)

// readingsOf "X@a/3 Y" are readings at minutes of their own, or at none.
func readingsOf(noon time.Time, text string) (all []lifeboat.Reading) {
	for word := range strings.FieldsSeq(text) {
		name, minute, timed := strings.Cut(word, "/")
		series, source, _ := strings.Cut(name, "@")
		r := lifeboat.Reading{Series: lifeboat.Series(series), Source: source}
		if n := 0; timed {
			if _, err := fmt.Sscan(minute, &n); err != nil {
				panic(err)
			}
			r.At = noon.Add(time.Duration(n) * time.Minute)
		}
		all = append(all, r)
	}
	return all
}

func toldOf(noon time.Time, all []lifeboat.Reading) string {
	var words []string
	for _, r := range all {
		word := string(r.Series)
		if r.Source != "" {
			word += "@" + r.Source
		}
		if !r.At.IsZero() {
			word += fmt.Sprintf("/%d", int(r.At.Sub(noon).Minutes()))
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// TestMissedTogetherHeardTogether: rows of several sources that are caught up come in the order of their times, and are
// shown to venues one of each at a time. Where nothing is caught up, nothing moves.
func TestMissedTogetherHeardTogether(t *testing.T) {
	noon := time.Date(2026, 11, 10, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ said, turn, steps string }{
		{"X@b/5 X@a/3 Y", "X@b/5 X@a/3 Y", "X@b/5 X@a/3 Y"},
		{"X@a/1 X@a/2 X@a/3 X@b/1 X@b/2 X@b/3", "X@a/1 X@b/1 X@a/2 X@b/2 X@a/3 X@b/3", "X@a/1 X@b/1 | X@a/2 X@b/2 | X@a/3 X@b/3"},
		{"X/1 X/2 X/3 X.volume/1 X.volume/2 X.volume/3 Y", "X/1 X.volume/1 X/2 X.volume/2 X/3 X.volume/3 Y", "X/1 X.volume/1 | X/2 X.volume/2 | X/3 X.volume/3 Y"},
		{"Y X/8 X/9", "X/8 X/9 Y", "X/8 | X/9 Y"},
		{"X/99 X/1", "X/1 X/99", "X/1 | X/99"}, // from the future is from now
		{"", "", ""},
	} {
		turn := inTurn(noon.Add(10*time.Minute), readingsOf(noon, c.said))
		if got := toldOf(noon, turn); got != c.turn {
			t.Errorf("%s: in turn %s, want %s", c.said, got, c.turn)
		}
		var shown []string
		for _, step := range steps(lifeboat.Instant{At: noon, Readings: slices.Clone(turn)}) {
			shown = append(shown, toldOf(noon, step.Readings))
		}
		if got := strings.Join(shown, " | "); got != c.steps {
			t.Errorf("%s: shown %s, want %s", c.said, got, c.steps)
		}
	}
}
