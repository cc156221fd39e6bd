package app

import (
	"errors"
	"fmt"
	"testing"

	"lifeboat"
)

// TestMailbox keeps the newest of each series and source in the order in which they first came, and never a doubtful one
// in place of a good one.
func TestMailbox(t *testing.T) {
	b := newMailbox()
	say := func(s, source string, v float64, q lifeboat.Quality) {
		b.put([]lifeboat.Reading{{Series: lifeboat.Series(s), Source: source, Value: v, Quality: q}}, nil)
	}
	say("A", "x", 1, lifeboat.Good)
	say("B", "x", 2, lifeboat.Suspect)
	say("A", "y", 3, lifeboat.Good)
	say("A", "x", 4, lifeboat.Good)
	say("A", "x", 5, lifeboat.Suspect)
	say("B", "x", 6, lifeboat.Good)
	for range 1000 {
		b.put(nil, []error{errors.New("down")})
	}
	p := b.empty()
	var got string
	for _, r := range p.readings {
		got += fmt.Sprintf("%s@%s=%v ", r.Series, r.Source, r.Value)
	}
	if got != "A@x=4 B@x=6 A@y=3 " || len(p.problems) != feedProblemsMax {
		t.Errorf("%s and %d problems", got, len(p.problems))
	}
	if p := b.empty(); len(p.readings)+len(p.problems) > 0 {
		t.Errorf("they are told twice: %+v", p)
	}
}
