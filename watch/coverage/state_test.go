package coverage_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/watch/coverage"
	"lifeboat/watch/state"
)

func saved(t *testing.T, l *coverage.Ledger) []byte {
	t.Helper()
	c := state.Writer()
	l.State(c)
	if c.Err() != nil {
		t.Fatal(c.Err())
	}
	return bytes.Clone(c.Bytes())
}

func spoke(l *coverage.Ledger) (lines []string) {
	l.Spoke(func(s lifeboat.Series, source string, last time.Time) {
		lines = append(lines, fmt.Sprint(s, source, last))
	})
	return lines
}

// A ledger that is saved and read back at any time goes on as if it had not been.
func TestRestoredLedgerGoesOn(t *testing.T) {
	options := coverage.Options{Silent: func(lifeboat.Series, string) time.Duration { return 3 * time.Minute }}
	for seed := range uint64(20) {
		through, broken := coverage.New(options), coverage.New(options)
		journal := randomJournal(rand.New(rand.NewPCG(seed, 2)), 300)
		journal = append([]entry{{0, lifeboat.Gap{Series: "NEVER", State: lifeboat.GapOpened}}}, journal...)
		for n, e := range journal {
			through.Apply(minute(e.minute), e.event)
			broken.Apply(minute(e.minute), e.event)
			if n%17 != 3 {
				continue
			}
			again, c := coverage.New(options), state.Reader(saved(t, broken))
			if again.State(c); c.Err() != nil {
				t.Fatalf("seed %d, entry %d: %v", seed, n, c.Err())
			}
			broken = again
		}
		if !reflect.DeepEqual(through.Series(), broken.Series()) || !reflect.DeepEqual(through.Never(), broken.Never()) || !slices.Equal(spoke(through), spoke(broken)) || told(through) != told(broken) {
			t.Fatalf("seed %d:\n%s\nwant\n%s", seed, told(broken), told(through))
		}
		if !bytes.Equal(saved(t, through), saved(t, broken)) {
			t.Fatalf("seed %d: the states differ", seed)
		}
		if told(through) == "" || len(through.Never()) != 1 {
			t.Fatalf("seed %d: the journal has nothing in it", seed)
		}
	}
}

// What was cut off, or has something behind it, is refused.
func TestDamagedLedgerIsRefused(t *testing.T) {
	l := coverage.New(coverage.Options{})
	for _, e := range randomJournal(rand.New(rand.NewPCG(1, 2)), 200) {
		l.Apply(minute(e.minute), e.event)
	}
	whole := saved(t, l)
	for cut := 0; cut < len(whole); cut += 7 {
		c := state.Reader(whole[:cut])
		if coverage.New(coverage.Options{}).State(c); c.Err() == nil {
			t.Fatalf("%d of %d bytes were taken for all", cut, len(whole))
		}
	}
	c := state.Reader(append(whole, 0))
	if coverage.New(coverage.Options{}).State(c); c.Err() == nil {
		t.Error("a state with something behind it was taken")
	}
}
