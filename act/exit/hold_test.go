package exit

import (
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
)

const pausedByAna = "Ana paused the run"

// holdable gives a trial's exit somebody who holds it and lets it go.
func (tr *trial) holdable() (hold func(bool)) {
	why := ""
	tr.job.Insist.held = func() string { return why }
	return func(held bool) {
		if why = ""; held {
			why = pausedByAna
		}
	}
}

// TestHeldWhileItWaits holds an exit that waits, and then what it waited for comes: nothing is sent, after a restart neither, until it is let go.
// What it was refused for before does not count any more then.
func TestHeldWhileItWaits(t *testing.T) {
	for name, waits := range waitings {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, guarded bool) {
				tr, dir := newTrial(t, guarded), t.TempDir()
				tr.job.Insist.For = 10 * time.Hour
				hold := tr.holdable()
				waits(tr.world, true)
				tr.onBlock = func(number uint64) {
					if number == 4 {
						hold(true)
						waits(tr.world, false)
					}
				}
				for range 2 {
					n, err := tr.start(dir, func(d *Desk) { d.Policy.Ceiling = big.NewInt(100e9) })
					if !isHold(err) || !strings.Contains(err.Error(), pausedByAna) || n.out() || tr.executions() > 0 {
						t.Fatalf("held it ended as %v\n%s", err, story(n))
					}
				}
				tr.onBlock = nil
				hold(false)
				tr.run(true)
			})
		})
	}
}

// TestHeldWhenItIsOut holds an exit whose transaction is out: it is offered for more as any other, and followed to its end.
func TestHeldWhenItIsOut(t *testing.T) {
	both(t, func(t *testing.T, guarded bool) {
		tr := newTrial(t, guarded)
		hold := tr.holdable()
		tr.desk.carryUntil(tr, "", func() { hold(true); tr.base = big.NewInt(60e9) })
		if n := tr.run(true, "sent again under the same nonce"); n.nonces() != 1 {
			t.Errorf("it was sent under %d nonces", n.nonces())
		}
	})
}

// TestHeldAfterAnotherTookItsPlace holds an exit that has to be sent a second time, under another nonce: that waits, and people are told.
func TestHeldAfterAnotherTookItsPlace(t *testing.T) {
	both(t, func(t *testing.T, guarded bool) {
		tr := newTrial(t, guarded)
		var told []string
		tr.job.Insist.Waits = func(why string) { told = append(told, why) }
		hold := tr.holdable()
		tr.desk.carryUntil(tr, "", func() {
			hold(true)
			tr.key.foreign(tr.world, 0, 50)
			tr.mine()
		})
		tr.onBlock = func(number uint64) {
			if number == 30 {
				if tr.ours() != 1 || tr.executions() > 0 {
					t.Errorf("held, %d of our key's transactions are in the chain", tr.ours())
				}
				hold(false)
			}
		}
		if n := tr.run(true); n.nonces() != 2 {
			t.Errorf("it was sent under %d nonces", n.nonces())
		}
		if !strings.Contains(strings.Join(told, "\n"), pausedByAna) {
			t.Errorf("nobody was told what holds it: %q", told)
		}
	})
}

// TestHeldAtEveryCall holds an exit at its first, second, third … call of anything outside, kills the program soon after, and lets the exit go
// some time later: nothing begins in between, and in the end it is executed once, unless something else says that it never will be.
func TestHeldAtEveryCall(t *testing.T) {
	for _, trouble := range []string{"none", "stuck", "foreign", "reorganised", "dropped", "relay", "relay that loses answers", "relay that is late"} {
		t.Run(trouble, func(t *testing.T) {
			both(t, func(t *testing.T, guarded bool) {
				if strings.HasPrefix(trouble, "relay") && !guarded {
					return // no relay is asked then
				}
				for at := 1; heldAt(t, guarded, trouble, at, at%4); at++ {
				}
			})
		})
	}
}

// heldAt holds one exit at a call, and kills the program so many calls after it, or not at all; it reports that the exit had not ended by then.
func heldAt(t *testing.T, guarded bool, trouble string, at, after int) (reached bool) {
	tr, dir := newTrial(t, guarded), t.TempDir()
	tr.brew(trouble)
	hold := tr.holdable()
	w := tr.during(at, after, func() { hold(true) })
	said := tr.onCall
	tr.onCall = func(method string) error {
		if !w.free && w.calls > at+80 {
			hold(false) // it is followed meanwhile; else nobody would ever end the wait
		}
		return said(method)
	}
	n, err := tr.start(dir)
	for range 3 {
		if err == nil || isHold(err) {
			break
		}
		n, err = tr.start(dir)
	}
	if w.calls < at {
		return false
	}
	switch {
	case w.free && (!isHold(err) || n.out() || tr.executions() > 0):
		t.Fatalf("held at call %d of which nothing was out, it ended as %v, executed %d times\n%s", at, err, tr.executions(), story(n))
	case err != nil && !isHold(err) && !errors.Is(err, ErrOpen):
		t.Fatalf("held at call %d: %v", at, err)
	}
	hold(false)
	for range 3 {
		if err == nil {
			break
		}
		n, err = tr.start(dir)
	}
	if err != nil {
		t.Fatalf("held at call %d and let go: %v\n%s", at, err, story(n))
	}
	tr.everythingArrives()
	if got := tr.executions(); (got == 1) != n.End.Done || got > 1 {
		t.Fatalf("held at call %d it was executed %d times, and it says %+v\n%s", at, got, n.End, story(n))
	}
	return true
}
