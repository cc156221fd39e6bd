package state_test

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"lifeboat/watch/state"
)

// everything has one field of each form.
type everything struct {
	count    int
	below    int64
	above    uint64
	value    float64
	is       bool
	span     time.Duration
	at, none time.Time
	text     string
	values   []float64
}

func (e *everything) State(c *state.Codec) {
	c.Int(&e.count)
	c.Int64(&e.below)
	c.Uint64(&e.above)
	c.Float(&e.value)
	c.Bool(&e.is)
	c.Duration(&e.span)
	c.Time(&e.at)
	c.Time(&e.none)
	c.Text(&e.text)
	c.Floats(&e.values)
}

func written(e everything) []byte {
	w := state.Writer()
	e.State(w)
	return w.Bytes()
}

// TestThereAndBack: what was written is read as it was, to the last bit, over whatever stood there before.
func TestThereAndBack(t *testing.T) {
	was := everything{
		count: -7, below: math.MinInt64, above: math.MaxUint64, value: math.Copysign(0, -1), is: true, span: -time.Nanosecond,
		at: time.Date(1815, 6, 18, 11, 0, 0, 1, time.UTC), text: "USDC@kraken\x00é", values: []float64{math.Inf(1), 5e-324, math.NaN()},
	}
	saved := written(was)
	got := everything{count: 1, none: was.at, text: "old", values: make([]float64, 9)}
	r := state.Reader(saved)
	if got.State(r); r.Err() != nil {
		t.Fatal(r.Err())
	}
	if again := written(got); !bytes.Equal(again, saved) {
		t.Errorf("%+v is written other than %+v", got, was)
	}
	if !got.none.IsZero() || !got.at.Equal(was.at) || got.at.Location() != time.UTC || !math.Signbit(got.value) || len(got.values) != 3 || !math.IsNaN(got.values[2]) {
		t.Errorf("%+v was read of %+v", got, was)
	}
}

// TestDamaged: whatever is missing, or too much, is told, and nothing is left half read that could pass for a value.
func TestDamaged(t *testing.T) {
	saved := written(everything{text: "SPY", values: []float64{1, 2}})
	for n := range saved {
		var got everything
		r := state.Reader(saved[:n])
		if got.State(r); !errors.Is(r.Err(), state.ErrDamaged) {
			t.Errorf("%d of %d bytes: %v", n, len(saved), r.Err())
		}
	}
	r := state.Reader(append(slices.Clone(saved), 0))
	if new(everything).State(r); !errors.Is(r.Err(), state.ErrDamaged) || r.Broken() != nil {
		t.Errorf("a byte too many: %v", r.Err())
	}
	if r = state.Reader(saved[:4]); r.Err() == nil {
		t.Error("nothing was read, and that was all")
	}
}

// TestLengths: a length that nobody wrote asks for no memory.
func TestLengths(t *testing.T) {
	for _, length := range []int{-1, 1 << 20, math.MaxInt} {
		w := state.Writer()
		w.Int(&length)
		for name, read := range map[string]func(*state.Codec){
			"text":   func(c *state.Codec) { text := "old"; c.Text(&text) },
			"values": func(c *state.Codec) { values := []float64{1}; c.Floats(&values) },
		} {
			r := state.Reader(w.Bytes())
			if allocated := testing.AllocsPerRun(1, func() { r = state.Reader(w.Bytes()); read(r) }); allocated > 4 || !errors.Is(r.Err(), state.ErrDamaged) {
				t.Errorf("a %s of the length %d: %v after %v allocations", name, length, r.Err(), allocated)
			}
		}
	}
}
