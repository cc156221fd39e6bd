package exit

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/act/task"
	"lifeboat/chain"
	"lifeboat/plan"
)

// nobody is whom a guard lets send that lets nobody.
var nobody = common.HexToAddress("0xdead")

// TestARefusalHasToStand lets the chain refuse an exit for a while: what passes is waited for, for as long as that was said and no longer.
func TestARefusalHasToStand(t *testing.T) {
	for _, c := range []struct {
		name    string
		insist  time.Duration
		refuses func(w *world, is bool) // nil is a signer that fails
		until   time.Duration           // it refuses
		done    bool
		says    string
	}{
		{"at one look", time.Minute, guarded, time.Second, true, "the chain would refuse it: a contract refused: not you"},
		{"for four blocks", time.Minute, guarded, 48 * time.Second, true, "the chain would refuse it: a contract refused: not you"},
		{"for longer than anybody insists", time.Minute, guarded, 2 * time.Minute, false, "the chain would refuse it: a contract refused: not you; it was tried at every block for 1 min"},
		{"for hours, insisted on", 6 * time.Hour, guarded, 5 * time.Hour, true, ""},
		{"and nobody insists", 0, guarded, time.Second, false, "the chain would refuse it: a contract refused: not you; nothing has happened on the chain"},
		{"for want of gas, which is topped up", 2 * time.Hour, poor, time.Hour, true, "top it up by"},
		{"for want of gas", time.Minute, poor, time.Hour, false, "top it up by"},
		{"for want of a signer that is back in an hour", 2 * time.Hour, nil, time.Hour, true, "does not sign: no such device"},
		{"for want of a signer", time.Minute, nil, time.Hour, false, "does not sign: no such device"},
	} {
		t.Run(c.name, func(t *testing.T) {
			both(t, func(t *testing.T, guarded bool) {
				tr := newTrial(t, guarded)
				var told []time.Time
				tr.job.Insist = Insist{For: c.insist, Waits: func(string) { told = append(told, tr.now) }}
				refused := map[common.Hash]int{}
				tr.onCall = func(method string) error {
					is := tr.now.Sub(genesis) < c.until
					if c.refuses == nil && is && method == "sign" {
						return errors.New("no such device")
					}
					if c.refuses != nil {
						c.refuses(tr.world, is)
					}
					return nil
				}
				tr.onRefusal = func() { refused[tr.head().Hash]++ }
				tr.run(c.done, c.says)
				for head, times := range refused {
					if times > 1 {
						t.Errorf("on head %s it was tried %d times", head, times)
					}
				}
				for i := 1; i < len(told)-1; i++ { // the last says that it was sent
					if told[i].Sub(told[i-1]) < waitsEvery {
						t.Errorf("it was told at %v and at %v", told[i-1], told[i])
					}
				}
				if (len(told) > 0) != (c.insist > 0) {
					t.Errorf("what it waits for was told %d times", len(told))
				}
			})
		})
	}
}

func guarded(w *world, is bool) {
	if w.guard = (common.Address{}); is {
		w.guard = nobody
	}
}

func poor(w *world, is bool) { w.poor = is }

// TestInsist tries at every block, and not more often; what could not be found out is no refusal.
func TestInsist(t *testing.T) {
	w := newWorld()
	d := openDesk(t, w, w, t.TempDir())
	tries := 0
	refusal, err := d.insist(context.Background(), Insist{For: 2 * time.Minute}, func() (string, error) {
		tries++
		return "it is shut", nil
	})
	if err != nil || refusal != "it is shut; it was tried at every block for 2 min" || tries != 11 {
		t.Errorf("after %d tries: %q, %v", tries, refusal, err)
	}
	refusal, err = d.insist(context.Background(), Insist{For: time.Hour}, func() (string, error) { return "", chain.ErrUnreachable })
	if refusal != "" || !errors.Is(err, chain.ErrUnreachable) {
		t.Errorf("a chain that does not answer is taken for %q, %v", refusal, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	refusal, err = d.insist(ctx, Insist{For: time.Hour}, func() (string, error) {
		cancel()
		return "it is shut", nil
	})
	if err != nil || !strings.HasPrefix(refusal, "it is shut") {
		t.Errorf("cut off it says %q, %v", refusal, err)
	}
}

// TestNobodyInsistsForEver however often lifeboat is started: from a day after a task was taken on, the first refusal ends it.
func TestNobodyInsistsForEver(t *testing.T) {
	taken := time.Date(2026, 4, 18, 18, 0, 0, 0, time.UTC)
	hours := func(n int) plan.Duration { return plan.Duration(n) * plan.Duration(time.Hour) }
	for _, c := range []struct {
		says  plan.Duration
		after time.Duration
		want  time.Duration
	}{
		{0, 0, time.Minute}, {hours(12), 0, 12 * time.Hour}, {hours(12), 20 * time.Hour, 4 * time.Hour}, {hours(24), 48 * time.Hour, 0}, {0, 48 * time.Hour, 0},
	} {
		s := step{ExitOrder: plan.ExitOrder{Exit: plan.Exit{KeepTrying: c.says}}}
		if got := s.insist(task.Progress{At: taken}, taken.Add(c.after)).For; got != c.want {
			t.Errorf("of a task that says %v, after %v: %v, not %v", c.says, c.after, got, c.want)
		}
	}
}
