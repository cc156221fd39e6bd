package exit

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"lifeboat/plan"
)

// killed is what a kill -9 looks like from inside.
type killed struct{ where string }

// fragile keeps notes on the disk and may be killed before and after every write.
type fragile struct {
	keeper
	asked func(method string) error
}

func (f fragile) write(n *note) error {
	if err := f.asked("note before"); err != nil {
		return err
	}
	if err := f.keeper.write(n); err != nil {
		return err
	}
	return f.asked("note after")
}

// start carries the exit out with a new desk on the same directory, as after a restart.
func (tr *trial) start(dir string, change ...func(*Desk)) (n *note, err error) {
	defer func() {
		if k, ok := recover().(killed); ok {
			err = fmt.Errorf("killed: %s", k.where)
		} else if r := recover(); r != nil {
			panic(r)
		}
	}()
	tr.desk = tr.open(dir)
	tr.desk.notes = fragile{tr.desk.notes, tr.asked}
	for _, c := range change {
		c(tr.desk)
	}
	return tr.desk.carry(context.Background(), "exit-1", tr.job)
}

// TestKilledAtEveryCall kills the program at its first, second, third … call of anything outside, once each, and starts it again.
func TestKilledAtEveryCall(t *testing.T) {
	for _, trouble := range []string{"none", "stuck", "foreign", "reorganised", "dropped", "relay", "relay that loses answers", "relay that is late"} {
		t.Run(trouble, func(t *testing.T) {
			both(t, func(t *testing.T, guarded bool) {
				if strings.HasPrefix(trouble, "relay") && !guarded {
					return // no relay is asked then, which has a test of its own
				}
				for kill := 1; ; kill++ {
					tr, calls := newTrial(t, guarded), 0
					tr.brew(trouble)
					inner := tr.onCall
					tr.onCall = func(method string) error {
						if calls++; calls == kill {
							panic(killed{method})
						}
						if inner != nil {
							return inner(method)
						}
						return nil
					}
					dir := t.TempDir()
					n, err := tr.start(dir)
					if err != nil {
						n, err = tr.start(dir)
					}
					if err != nil || !n.End.Done {
						t.Fatalf("killed at call %d: %v", kill, err)
					}
					tr.everythingArrives()
					if got := tr.head().state.done[common.Hash{0xaa}]; got != 1 {
						t.Fatalf("killed at call %d: executed %d times\n%s", kill, got, story(n))
					}
					if calls < kill {
						return
					}
				}
			})
		})
	}
}

func (tr *trial) brew(trouble string) {
	then := func(then func()) { tr.desk.carryUntil(tr, "", then) }
	switch trouble {
	case "relay":
		tr.through(&standIn{})
	case "relay that loses answers":
		tr.through(&standIn{fault: func(honest func() (int, string), _ string) (int, string, error) { honest(); return 0, "", errCut }})
	case "relay that is late":
		s := tr.through(&standIn{})
		s.fault = func(func() (int, string), string) (int, string, error) { return 503, "", nil }
		tr.desk.Policy.Relay, tr.relay.Within = 20*time.Second, plan.Duration(20*time.Second)
		then(func() { s.carry(tr.job.Data) })
	case "stuck":
		then(func() { tr.base = big.NewInt(60e9) })
	case "foreign":
		then(func() { tr.key.foreign(tr.world, 0, 50); tr.mine() })
	case "reorganised", "dropped":
		tr.onBlock = func(number uint64) {
			if number == 4 {
				tr.onBlock = nil
				tr.reorg(3, map[string]int{"reorganised": returned, "dropped": dropped}[trouble])
			}
		}
	}
}

// everythingArrives gives the nodes every transaction that was ever signed, again and again, while blocks come and go. What was
// not executed before must not be executed now.
func (tr *trial) everythingArrives() {
	tr.onCall, tr.onBlock, tr.quiet, tr.base = nil, nil, false, big.NewInt(1)
	for i := range 12 {
		tr.arrive()
		if tr.mine(); i%4 == 3 {
			tr.reorg(3, i/4)
		}
	}
}

var seedFlag = flag.Uint64("seed", 0, "plays one random world again")

// TestRandomWorlds has nodes fail, answers get lost, fees jump, blocks vanish, other programs interfere, and the program be
// killed, all at once. However it ends: it was executed once if that is what is said, and never otherwise.
func TestRandomWorlds(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() {
		seeds = 50
	}
	done := 0
	for seed := uint64(1); seed <= seeds; seed++ {
		if *seedFlag != 0 {
			seed = *seedFlag
		}
		if randomWorld(t, seed) {
			done++
		}
		if t.Failed() || *seedFlag != 0 {
			t.Fatalf("seed %d; play it again with -seed %d", seed, seed)
		}
	}
	if done < int(seeds)*9/10 {
		t.Errorf("only %d of %d exits were executed", done, seeds)
	}
}

func randomWorld(t *testing.T, seed uint64) (done bool) {
	r := rand.New(rand.NewPCG(seed, 1))
	chance := func(percent int) bool { return r.IntN(100) < percent }
	tr := newTrial(t, chance(50))
	tr.t = t
	if chance(30) {
		tr.desk.Chain = relayWorld{tr.world}
		tr.relayed = func(tx *types.Transaction) error {
			if chance(30) {
				return tr.take(tx)
			}
			return nil
		}
	}
	if tr.job.guarded() && chance(40) {
		tr.through(&standIn{fault: func(honest func() (int, string), _ string) (int, string, error) {
			switch r.IntN(5) {
			case 0:
				return 503, "", nil
			case 1:
				honest()
				return 0, "", errCut
			case 2:
				return 200, `{"result":"0x0e67"}`, nil
			case 3:
				return 403, "", nil
			}
			status, body := honest()
			return status, body, nil
		}})
	}
	kills, troubles := r.IntN(4), r.IntN(8)
	tr.onCall = func(method string) error {
		switch {
		case kills > 0 && chance(3):
			kills--
			panic(killed{method})
		case method == "note before" || method == "note after":
		case method == "broadcast" && chance(10):
			return errLost
		case chance(5):
			return errors.New("too few nodes answer")
		}
		return nil
	}
	tr.onBlock = func(number uint64) {
		if chance(20) {
			tr.base = big.NewInt(int64(2+r.IntN(150)) * 1e9)
		}
		for _, tx := range tr.waiting() {
			if chance(5) {
				delete(tr.pool, tx.Hash())
			}
		}
		if troubles > 0 && chance(25) {
			troubles--
			switch r.IntN(4) {
			case 0, 3:
				if chance(50) {
					tr.forgetForeign()
				}
				tr.reorg(1+r.IntN(3), r.IntN(3))
			case 1:
				tr.key.foreign(tr.world, tr.head().state.nonces[tr.key.address()]+uint64(r.IntN(2)), int64(1+r.IntN(200)))
			case 2:
				tr.arrive()
			}
		}
	}
	dir := t.TempDir()
	for range 60 {
		n, err := tr.start(dir)
		if err != nil {
			continue
		}
		tr.everythingArrives()
		got := tr.head().state.done[common.Hash{0xaa}]
		if got > 1 || (got == 1) != n.End.Done {
			t.Errorf("executed %d times, and it says %q\n%s", got, n.End.Why, story(n))
		}
		return n.End.Done
	}
	t.Error("it has no end")
	return false
}
