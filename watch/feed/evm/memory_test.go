package evm

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
	"lifeboat/chain/protocol"
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

// What was read at the last blocks outlasts the program: the clock of a melting market, the trail of a supply and of what is kept, and the
// words of the state, so that code which was replaced while nobody looked is found. What a reorganisation took back meanwhile is gone, and
// what is older than the window.
func TestTrailsOutlastTheProgram(t *testing.T) {
	p := loaded(t, testPlan)
	now := noon
	made := func(content []byte) *Source {
		s := New(Config{Name: "Ethereum", Feeds: Feeds(p, "Ethereum"), Watched: Of(p, "Ethereum"), Clock: at{&now}, Load: func() ([]byte, error) { return content, nil }})
		if err := s.load(); err != nil {
			t.Fatal(err)
		}
		return s
	}
	block := func(n int) chain.Block {
		return chain.Block{Number: uint64(n), Hash: common.BigToHash(big.NewInt(int64(n))), Time: noon.Add(time.Duration(n) * 12 * time.Second)}
	}
	said := protocol.Measure{Name: protocol.Cover, Account: vault, Market: usdc}
	reads := func(s *Source, n int) {
		s.step(chain.Step{Block: block(n)})
		said.Value = 3 - 0.02*float64(n)
		s.melt(&s.Contracts[0], &said, block(n))
		s.tokens[usdc].supply.add(uint64(n), block(n).Time, float64(1000+n%7))
		s.keepers[keeper{usdc, keeping}].kept.add(uint64(n), block(n).Time, float64(900-n))
		s.words[0].steps.add(uint64(n-n%8), block(n-n%8).Time, common.BigToHash(big.NewInt(int64(n/8))))
		now = block(n).Time
	}
	shown := func(s *Source) string {
		clock, _ := s.melts[spot{&s.Contracts[0], protocol.Cover, vault, usdc}].clock.Read()
		up, _ := jump(&s.tokens[usdc].supply)
		out, _ := outflow(&s.keepers[keeper{usdc, keeping}].kept, flowWindow)
		return fmt.Sprintf("%.3f %.3f %.9f %.9f %v", clock.Left, clock.HalfLife, up, out, *s.words[0].steps.last())
	}
	written := func(s *Source) []byte {
		c := state.Writer()
		if err := s.kept(c); err != nil {
			t.Fatal(err)
		}
		return c.Bytes()
	}
	straight := made(nil)
	stopped := made(nil)
	for n := 1; n <= 40; n++ {
		reads(straight, n)
		reads(stopped, n)
		if n%15 == 0 { // stopped twice
			stopped = made(written(stopped))
		}
	}
	if a, b := shown(straight), shown(stopped); a != b {
		t.Errorf("without a stop it is %s, and with two %s", a, b)
	}
	content := written(straight)
	again := made(content)
	for n := 40; n > 30; n-- { // while nobody looked
		again.step(chain.Step{Block: block(n), Removed: true})
		straight.step(chain.Step{Block: block(n), Removed: true})
	}
	reads(straight, 31)
	reads(again, 31)
	if a, b := shown(straight), shown(again); a != b {
		t.Errorf("after a reorganisation it is %s, and with a stop before it %s", a, b)
	}
	now = noon.Add(5 * time.Hour)
	if late := made(content); late.tokens[usdc].supply.n != 0 || len(late.waiting) != 0 || late.words[0].steps.last() == nil {
		t.Errorf("after hours there are %d readings of a supply, %d others, and the word %v", late.tokens[usdc].supply.n, len(late.waiting), late.words[0].steps.last())
	}
	if old := made(formerly(t, straight)); len(old.at.Blocks) == 0 || old.tokens[usdc].supply.n != 0 {
		t.Error("a file of the first form is not read as it was")
	}
}

// formerly is what the first form kept: no trails.
func formerly(t *testing.T, s *Source) []byte {
	c := state.Writer()
	said, name := formFirst, s.Name
	c.Text(&said)
	c.Text(&name)
	at, err := json.Marshal(s.at)
	if err != nil {
		t.Fatal(err)
	}
	text := string(at)
	c.Text(&text)
	if err := s.keptTallies(c); err != nil {
		t.Fatal(err)
	}
	return c.Bytes()
}

// at is a clock that a test moves.
type at struct{ now *time.Time }

func (a at) Now() time.Time                             { return *a.now }
func (at) Sleep(ctx context.Context, _ time.Time) error { <-ctx.Done(); return ctx.Err() }

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
	reading := protocol.Measure{Name: protocol.Cover, Account: vault, Market: usdc, Value: 2}
	s.melt(&s.Contracts[0], &reading, chain.Block{Number: 7, Time: noon})
	s.words[0].steps.add(7, noon, common.Hash{1})
	c = state.Writer()
	if err := s.kept(c); err != nil {
		f.Fatal(err)
	}
	f.Add(c.Bytes())
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
