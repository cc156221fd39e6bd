package task_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lifeboat"
	"lifeboat/act/task"
)

// A clerk is a worker that hands something over once, and must be told about it by the other side.
type clerk struct {
	looks bool
	limit time.Duration
	mu    sync.Mutex
	seen  []task.Progress
	work  func(ctx context.Context, p task.Progress) lifeboat.Receipt
}

func (c *clerk) LooksFirst(string) bool { return c.looks }

func (c *clerk) Prepare(_ lifeboat.Key, t lifeboat.Task) (task.Work, error) {
	if string(t.Spec) == `"nonsense"` {
		return task.Work{}, errors.New("that is nonsense")
	}
	return task.Work{Limit: c.limit, Do: func(ctx context.Context, p task.Progress) lifeboat.Receipt {
		c.mu.Lock()
		c.seen = append(c.seen, p)
		c.mu.Unlock()
		return c.work(ctx, p)
	}}, nil
}

func workBench(t *testing.T, c *clerk, change ...func(*task.Options)) *bench {
	t.Helper()
	return newBench(t, nil, append(change, func(o *task.Options) { o.Workers = map[string]task.Worker{"hand-over": c} })...)
}

// What a worker is asked for is noted and bounded like the crew's own kinds.
func TestWorker(t *testing.T) {
	t.Setenv("VENUE_SECRET", "a-very-long-secret")
	c := &clerk{work: func(context.Context, task.Progress) lifeboat.Receipt {
		return lifeboat.Receipt{Status: lifeboat.Performed, Why: "handed over with a-very-long-secret", Output: strings.Repeat("word ", 4000), Facts: map[string]string{"id": "7"}}
	}}
	b := workBench(t, c)
	if !slices.Contains(b.Kinds(), "hand-over") || !slices.Contains(b.Kinds(), "failover") {
		t.Errorf("it performs %v", b.Kinds())
	}
	r := b.does(t, "lb-1", todo(t, "hand-over", 1, false))
	if r.Status != lifeboat.Performed || r.Why != "handed over with ${VENUE_SECRET}" || len(r.Output) > 4096 || r.Facts["id"] != "7" {
		t.Errorf("got %+v", r)
	}
	if r := b.again(t).does(t, "lb-1", todo(t, "hand-over", 1, false)); r.Status != lifeboat.Performed || len(c.seen) != 1 {
		t.Errorf("got %+v after %d times", r, len(c.seen))
	}
	if r := b.does(t, "lb-2", todo(t, "hand-over", "nonsense", false)); r.Status != lifeboat.NotPerformed || r.Why != "that is nonsense; nothing was begun" {
		t.Errorf("got %+v", r)
	}
}

// A worker that does not say how it ended has lost it, and facts that are too long are not cut in silence.
func TestWorkerOutOfBounds(t *testing.T) {
	long := map[string]string{"hash": strings.Repeat("x", 65<<10)}
	for name, tc := range map[string]struct {
		said lifeboat.Receipt
		want lifeboat.ReceiptStatus
		lost bool
	}{
		"nothing":    {lifeboat.Receipt{}, lifeboat.Unknown, true},
		"accepted":   {lifeboat.Receipt{Status: lifeboat.Accepted}, lifeboat.Unknown, true},
		"too much":   {lifeboat.Receipt{Status: lifeboat.Performed, Facts: long}, lifeboat.Performed, false},
		"a long no":  {lifeboat.Receipt{Status: lifeboat.NotPerformed, Why: "no", Facts: long}, lifeboat.NotPerformed, false},
		"lost":       {lifeboat.Receipt{Status: lifeboat.Unknown, Lost: true, Why: "gone"}, lifeboat.Unknown, true},
		"of another": {lifeboat.Receipt{Key: "lb-9", Status: lifeboat.Performed, Why: "done"}, lifeboat.Performed, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := workBench(t, &clerk{work: func(context.Context, task.Progress) lifeboat.Receipt { return tc.said }})
			r := b.does(t, "lb-1", todo(t, "hand-over", 1, false))
			if r.Status != tc.want || r.Lost != tc.lost || len(r.Facts) > 0 || r.Why == "" {
				t.Errorf("got %+v", r)
			}
		})
	}
}

// What a worker kept is there after a crash, and whoever asks meanwhile hears of it. Only a worker that looks first is let
// begin again.
func TestWorkerAfterACrash(t *testing.T) {
	for _, looks := range []bool{true, false} {
		kept := make(chan struct{}, 1)
		c := &clerk{looks: looks}
		c.work = func(ctx context.Context, p task.Progress) lifeboat.Receipt {
			if p.Again {
				return lifeboat.Receipt{Status: lifeboat.Performed, Why: "it was there", Facts: p.Facts}
			}
			if err := p.Keep("the other side has it under number 7", map[string]string{"number": "7"}); err != nil {
				t.Error(err)
			}
			kept <- struct{}{}
			<-ctx.Done()
			return lifeboat.Receipt{Status: lifeboat.NotPerformed, Why: "cut off"}
		}
		b := workBench(t, c)
		job := todo(t, "hand-over", 1, false)
		if _, err := b.Perform(t.Context(), noon, "lb-1", job); err != nil {
			t.Fatal(err)
		}
		<-kept
		so, err := b.Ask(t.Context(), noon, "lb-1", job)
		if err != nil || so.Status != lifeboat.Accepted || so.Why != "the other side has it under number 7" || so.Facts["number"] != "7" {
			t.Errorf("meanwhile it says %+v, %v", so, err)
		}
		b.Close() // as a crash: nothing is noted of what was cut off
		next := b.again(t)
		r, err := next.Ask(t.Context(), noon, "lb-1", job)
		if err != nil {
			t.Fatal(err)
		}
		if !looks {
			if !r.Lost || len(c.seen) != 1 {
				t.Errorf("got %+v after %d times", r, len(c.seen))
			}
			continue
		}
		r = next.ends(t, "lb-1", job, r)
		if r.Status != lifeboat.Performed || r.Facts["number"] != "7" || !c.seen[1].At.Equal(noon) {
			t.Errorf("got %+v, taken on %s", r, c.seen[1].At)
		}
	}
}

// Beside another machine nothing proves that a task is new, so that its worker looks first.
func TestWorkerBesideAnotherMachine(t *testing.T) {
	c := &clerk{looks: true, work: func(_ context.Context, p task.Progress) lifeboat.Receipt {
		return lifeboat.Receipt{Status: lifeboat.Performed, Why: "done", Facts: maps.Clone(p.Facts)}
	}}
	b := workBench(t, c, func(o *task.Options) { o.Shared = true })
	if _, err := b.Ask(t.Context(), noon, "lb-1", todo(t, "hand-over", 1, false)); !errors.Is(err, lifeboat.ErrAbsent) {
		t.Errorf("got %v", err)
	}
	b.does(t, "lb-1", todo(t, "hand-over", 1, false))
	if !c.seen[0].Again {
		t.Error("it was told that nobody can have begun before")
	}
}

// longs wants longer than anything may last, and tells how long it was given.
type longs struct {
	kind  string // that waits; "" for none
	given chan time.Duration
}

func (l longs) LooksFirst(string) bool { return true }

func (l longs) Waits(kind string) bool { return kind == l.kind }

func (l longs) Prepare(lifeboat.Key, lifeboat.Task) (task.Work, error) {
	return task.Work{Limit: 60 * 24 * time.Hour, Do: func(ctx context.Context, _ task.Progress) lifeboat.Receipt {
		from := time.Now()
		<-ctx.Done()
		l.given <- time.Since(from)
		return lifeboat.Receipt{Status: lifeboat.Performed}
	}}, nil
}

// A kind that waits may last a month; any other ends after a day, a withdrawal for one, whatever its step says.
func TestOnlyWhatWaitsMayLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := longs{kind: "cross", given: make(chan time.Duration, 1)}
		b := newBench(t, nil, func(o *task.Options) { o.Workers = map[string]task.Worker{"cross": l, "withdraw": l} })
		for kind, want := range map[string]time.Duration{"cross": 31 * 24 * time.Hour, "withdraw": 24 * time.Hour} {
			if _, err := b.Perform(t.Context(), noon, lifeboat.Key("lb-"+kind), todo(t, kind, 1, false)); err != nil {
				t.Fatal(err)
			}
			if given := <-l.given; given != want {
				t.Errorf("a task of kind %s was given %s and not %s", kind, given, want)
			}
		}
	})
}
