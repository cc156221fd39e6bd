package exit

import (
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// stoppable gives a trial's exit a stop, and says it.
func (tr *trial) stoppable() (say func()) {
	said := make(chan struct{})
	tr.job.Insist.stop = stop{said: said}
	return func() {
		select {
		case <-said:
		default:
			close(said)
		}
	}
}

// executions that a trial's chain has seen.
func (tr *trial) executions() int { return tr.head().state.done[common.Hash{0xaa}] }

// waitings are what an exit waits for, and how that begins and ends.
var waitings = map[string]func(w *world, is bool){
	"for cheaper gas": func(w *world, is bool) {
		w.base = map[bool]*big.Int{true: big.NewInt(200e9), false: big.NewInt(10e9)}[is]
	},
	"for the chain to take it": guarded,
	"for gas in its key":       poor,
}

// TestStoppedWhileItWaits stops an exit that waits, and then what it waited for comes: nothing is ever sent, after a restart neither.
func TestStoppedWhileItWaits(t *testing.T) {
	for name, waits := range waitings {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, guarded bool) {
				tr, dir := newTrial(t, guarded), t.TempDir()
				tr.desk = tr.open(dir)
				tr.desk.Policy.Ceiling = big.NewInt(100e9)
				tr.job.Insist.For = 10 * time.Hour
				say := tr.stoppable()
				waits(tr.world, true)
				tr.onBlock = func(number uint64) {
					if number == 4 {
						say()
						waits(tr.world, false)
					}
				}
				n := tr.run(false, stoppedInTime)
				if len(n.Sent) > 0 || n.End.Again || tr.head().Number > 4 {
					t.Errorf("%d were sent, at block %d: %+v", len(n.Sent), tr.head().Number, n.End)
				}
				tr.desk = tr.open(dir)
				tr.run(false, stoppedInTime)
			})
		})
	}
}

// TestStoppedBeforeARestart is stopped when the program that waited with it is gone.
func TestStoppedBeforeARestart(t *testing.T) {
	both(t, func(t *testing.T, guarded bool) {
		tr, dir := newTrial(t, guarded), t.TempDir()
		tr.base = big.NewInt(900e9)
		tr.onBlock = func(number uint64) {
			if number == 5 {
				panic(killed{"while it waits"})
			}
		}
		say := tr.stoppable()
		if _, err := tr.start(dir); err == nil {
			t.Fatal("it was not killed")
		}
		say()
		tr.onBlock, tr.base = nil, big.NewInt(10e9)
		tr.onCall = func(method string) error {
			if method == "read" {
				return errors.New("no node answers") // what is certain is said without them
			}
			return nil
		}
		n, err := tr.start(dir)
		if err != nil || n.End.Why != stoppedInTime || len(n.Sent) > 0 {
			t.Fatalf("%v, %+v", err, n)
		}
	})
}

// TestStoppedTooLate stops an exit whose transaction is out: it is offered for more as any other, and followed to its end.
func TestStoppedTooLate(t *testing.T) {
	both(t, func(t *testing.T, guarded bool) {
		tr := newTrial(t, guarded)
		say := tr.stoppable()
		tr.desk.carryUntil(tr, "", func() { say(); tr.base = big.NewInt(60e9) })
		n := tr.run(true, "it was stopped too late", "sent again under the same nonce")
		if n.nonces() != 1 {
			t.Errorf("it was sent under %d nonces", n.nonces())
		}
	})
}

// TestStoppedAfterAnotherTookItsPlace stops an exit that would be sent a second time, under another nonce.
func TestStoppedAfterAnotherTookItsPlace(t *testing.T) {
	both(t, func(t *testing.T, guarded bool) {
		tr := newTrial(t, guarded)
		say := tr.stoppable()
		tr.desk.carryUntil(tr, "", func() {
			say()
			tr.key.foreign(tr.world, 0, 50)
			tr.mine()
		})
		n := tr.run(false, "nothing that was sent before can do anything any more")
		if len(n.Sent) != 1 || tr.head().Number < 2+tr.desk.Policy.Confirmations {
			t.Errorf("%d were sent, and it ended at block %d", len(n.Sent), tr.head().Number)
		}
		tr.everythingArrives()
		if tr.executions() > 0 {
			t.Error("it was executed after all")
		}
	})
}

// TestStoppedAtEveryCall stops an exit at its first, second, third … call of anything outside, and kills the program soon after: of what was
// not out when it was stopped nothing is ever executed, whatever comes later.
func TestStoppedAtEveryCall(t *testing.T) {
	for _, trouble := range []string{"none", "stuck", "foreign", "reorganised", "dropped", "relay", "relay that loses answers", "relay that is late"} {
		t.Run(trouble, func(t *testing.T) {
			both(t, func(t *testing.T, guarded bool) {
				if strings.HasPrefix(trouble, "relay") && !guarded {
					return // no relay is asked then
				}
				for at := 1; stoppedAt(t, guarded, trouble, at, at%4); at++ {
				}
			})
		})
	}
}

// A word is what a person says to an exit in the middle of one of its calls.
type word struct {
	calls int  // of anything outside so far
	free  bool // nothing of the exit was out when it was said
}

// during says it at one call, and kills the program so many calls after it, or not at all.
func (tr *trial) during(at, after int, say func()) *word {
	w, inner := &word{}, tr.onCall
	tr.onCall = func(method string) error {
		switch w.calls++; {
		case w.calls == at:
			say()
			n, err := tr.desk.notes.read("exit-1")
			if err != nil {
				tr.t.Fatal(err)
			}
			w.free = (n == nil || !n.out()) && method != "note before" // then it is being noted that it is out
		case after > 0 && w.calls == at+after:
			panic(killed{method})
		}
		if inner != nil {
			return inner(method)
		}
		return nil
	}
	return w
}

// stoppedAt stops one exit at a call, and kills the program so many calls after it, or not at all; it reports that the exit had not ended by
// then.
func stoppedAt(t *testing.T, guarded bool, trouble string, at, after int) (reached bool) {
	tr, dir := newTrial(t, guarded), t.TempDir()
	tr.brew(trouble)
	w := tr.during(at, after, tr.stoppable())
	n, err := tr.start(dir)
	for range 3 {
		if err == nil {
			break
		}
		n, err = tr.start(dir)
	}
	ended := err == nil
	if !ended && !errors.Is(err, ErrOpen) {
		t.Fatalf("stopped at call %d: %v", at, err)
	}
	if w.calls < at {
		return false
	}
	done := tr.executions()
	tr.everythingArrives()
	switch got := tr.executions(); {
	case w.free && (got > 0 || !ended || n.End.Done):
		t.Fatalf("nothing was out when it was stopped at call %d, and it was executed %d times\n%s", at, got, story(n))
	case got > 1, ended && (got == 1) != n.End.Done, ended && got != done:
		t.Fatalf("stopped at call %d it was executed %d times, and it says %+v\n%s", at, got, n.End, story(n))
	}
	return true
}

// TestStoppedElsewhere is an exit that another machine has sent, of which nothing is noted here: the chain is asked before anybody says that
// nothing was sent.
func TestStoppedElsewhere(t *testing.T) {
	for _, sent := range []bool{true, false} {
		tr := newTrial(t, true)
		if sent {
			other := newTrial(t, true)
			other.world = tr.world
			other.desk = openDesk(t, tr.world, tr.world, t.TempDir(), tr.key)
			other.job = tr.job
			if n, err := other.desk.carry(t.Context(), "exit-1", other.job); err != nil || !n.End.Done {
				t.Fatal(err)
			}
		}
		say := tr.stoppable()
		say()
		tr.job.Insist.stop.elsewhere = true
		n, err := tr.desk.carry(t.Context(), "exit-1", tr.job)
		if err != nil || len(n.Sent) > 0 {
			t.Fatalf("%v, %+v", err, n)
		}
		if said := n.End.Why == stoppedInTime; said == sent {
			t.Errorf("it was sent elsewhere: %v, and it says %q", sent, n.End.Why)
		}
	}
}
