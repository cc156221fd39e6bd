package evm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
	"lifeboat/watch/state"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func TestTally(t *testing.T) {
	a, b := common.Hash{1}, common.Hash{2}
	tally := &tally{window: time.Hour}
	for i, n := range []note{{key: a}, {key: b}, {key: a, ends: true}, {key: a}, {share: 0.3}, {share: 0.1}} {
		n.block, n.at = uint64(i), noon.Add(time.Duration(i)*10*time.Minute)
		tally.add(n)
	}
	for _, c := range []struct {
		minutes              int
		count, open, largest float64
	}{
		{50, 6, 3, 0.3}, // of what began, b, the second a and what has no key are open
		{60, 5, 3, 0.3},
		{70, 4, 2, 0.3},
		{99, 2, 1, 0.3},
		{100, 1, 1, 0.1},
		{110, 0, 0, 0},
	} {
		now := noon.Add(time.Duration(c.minutes) * time.Minute)
		if n, o, l := tally.count(now), tally.open(now), tally.largest(now); n != c.count || o != c.open || l != c.largest {
			t.Errorf("after %d min: %v, %v, %v, want %v", c.minutes, n, o, l, c)
		}
	}
	if !tally.remove(3) || len(tally.notes) != 3 || tally.open(noon.Add(20*time.Minute)) != 1 {
		t.Error(tally.notes)
	}
	if tally.remove(3) {
		t.Error("nothing was left to take back")
	}
	for i := range 3 * notesMax {
		tally.add(note{block: uint64(10 + i), at: noon})
	}
	if len(tally.notes) > notesMax {
		t.Error(len(tally.notes))
	}
}

func TestJumpAndOutflow(t *testing.T) {
	trail := newTrail[float64](4)
	if _, known := jump(&trail); known {
		t.Error("a jump of nothing")
	}
	for i, v := range []float64{5, 100, 100, 100, 150} { // the first falls out of the ring
		trail.add(uint64(i), noon.Add(time.Duration(i)*time.Minute), v)
	}
	if v, known := jump(&trail); !known || v != 0.5 {
		t.Error(v, known)
	}
	trail.add(5, noon.Add(5*time.Minute), 30)
	if v, _ := outflow(&trail, time.Hour); v != 0.8 {
		t.Error(v)
	}
	if v, _ := outflow(&trail, 30*time.Second); v != 0 {
		t.Error("what was before the window counts", v)
	}
	trail.add(4, noon, 60) // a block on another branch
	if v, _ := outflow(&trail, time.Hour); trail.last().value != 60 || v != 0.4 {
		t.Error(v, trail.last())
	}
}

// Whatever is followed, taken back and kept in between, the counts are those of the chain that stands at the end.
func TestCountsAreOfTheChainThatStands(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if said, err := strconv.ParseUint(os.Getenv("LIFEBOAT_SEED"), 10, 64); err == nil {
		seed = said
	}
	t.Logf("LIFEBOAT_SEED=%d", seed)
	dice := rand.New(rand.NewPCG(seed, 1))
	p := loaded(t, testPlan)
	made := func() *Source {
		return New(Config{Name: "Ethereum", Feeds: Feeds(p, "Ethereum"), Watched: Of(p, "Ethereum"), Clock: still{}})
	}
	for range 50 {
		s := made()
		var branch []chain.Step
		for range 60 {
			switch n := dice.IntN(10); {
			case n < 6 || len(branch) == 0:
				number := uint64(len(branch) + 1)
				step := chain.Step{Block: chain.Block{Number: number, Hash: common.BigToHash(common.Big1), Time: noon.Add(time.Duration(number) * time.Minute)}}
				for range dice.IntN(3) {
					step.Logs = append(step.Logs, logged(t, []common.Address{lend, usdc, vault}[dice.IntN(3)], []string{upgradedEvent, pausedEvent, "Unpaused(address account)"}[dice.IntN(3)], stranger))
				}
				copy(step.Block.Hash[:], fmt.Sprint(dice.Uint64()))
				branch = append(branch, step)
				s.step(step)
			case n < 8:
				for range min(1+dice.IntN(4), len(branch)) {
					last := branch[len(branch)-1]
					branch = branch[:len(branch)-1]
					s.step(chain.Step{Block: chain.Block{Number: last.Block.Number, Hash: last.Block.Hash}, Removed: true})
				}
			default: // killed, and started again
				c := state.Writer()
				if err := s.kept(c); err != nil {
					t.Fatal(err)
				}
				s = made()
				s.Load = func() ([]byte, error) { return c.Bytes(), nil }
				if err := s.load(); err != nil {
					t.Fatal(err)
				}
			}
		}
		straight := made()
		for _, step := range branch {
			straight.step(step)
		}
		now := noon.Add(time.Hour)
		if got, want := sums(s, now), sums(straight, now); !reflect.DeepEqual(got, want) {
			t.Fatalf("%v, and of the chain that stands it is %v", got, want)
		}
	}
}

func sums(s *Source, now time.Time) map[string]float64 {
	all := map[string]float64{}
	for i, tally := range s.tallies {
		if v := s.sum(i, tally, now); v != 0 {
			all[string(s.levels.all[i].series)] = v
		}
	}
	return all
}

// FuzzLoad takes any file for the one that was kept.
func FuzzLoad(f *testing.F) {
	p := loaded(f, testPlan)
	made := func() *Source {
		return New(Config{Name: "Ethereum", Feeds: Feeds(p, "Ethereum"), Watched: Of(p, "Ethereum"), Clock: still{}})
	}
	s := made()
	s.step(chain.Step{Block: chain.Block{Number: 7, Time: noon}, Logs: nil})
	s.note(s.subjects[lend], Upgraded, note{block: 7, at: noon}, "x")
	c := state.Writer()
	if err := s.kept(c); err != nil {
		f.Fatal(err)
	}
	f.Add(c.Bytes())
	f.Add(c.Bytes()[:len(c.Bytes())-3])
	f.Add([]byte(form))
	f.Fuzz(func(t *testing.T, content []byte) {
		s := made()
		s.Load = func() ([]byte, error) { return content, nil }
		if err := s.load(); err != nil && len(s.at.Blocks) > 0 {
			t.Error("half of it was taken")
		}
	})
}

// still is a clock that stands.
type still struct{}

func (still) Now() time.Time { return noon }
func (still) Sleep(ctx context.Context, _ time.Time) error {
	<-ctx.Done()
	return ctx.Err()
}
