package task_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lifeboat"
	"lifeboat/act/task"
)

const paused = "Ana paused the run"

func held(keys ...lifeboat.Key) map[lifeboat.Key]string {
	why := map[lifeboat.Key]string{}
	for _, key := range keys {
		why[key] = paused
	}
	return why
}

func (b *bench) asked(t *testing.T, key lifeboat.Key, job lifeboat.Task) lifeboat.Receipt {
	t.Helper()
	r, err := b.Ask(t.Context(), noon, key, job)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A task that is held is not begun, one of a worker's and one of the crew's own, and whoever asks hears what it waits for. After a restart it
// is not begun either, and it is once it is let go.
func TestHeldBeforeItIsBegun(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	b := newBench(t, map[string]string{"note": "echo done >> " + mark}, func(o *task.Options) {
		o.Workers = map[string]task.Worker{"hand-over": &clerk{looks: true, work: func(context.Context, task.Progress) lifeboat.Receipt {
			if err := os.WriteFile(mark, nil, 0o600); err != nil {
				t.Error(err)
			}
			return lifeboat.Receipt{Status: lifeboat.Performed, Why: "done"}
		}}}
	})
	for _, job := range []lifeboat.Task{todo(t, "hand-over", 1, false), command(t, "note")} {
		key := lifeboat.Key("lb-" + job.Kind)
		b.Hold(held(key))
		if _, err := b.Perform(t.Context(), noon, key, job); err != nil {
			t.Fatal(err)
		}
		next := b.again(t)
		next.Hold(held(key))
		for at, crew := range map[string]*bench{"": b, "after a restart ": next} {
			if r := crew.asked(t, key, job); r.Status != lifeboat.Accepted || r.Why != paused {
				t.Errorf("%sheld, %s stands at %+v", at, key, r)
			}
		}
		b.Close()
		if _, err := os.Stat(mark); err == nil {
			t.Errorf("%s was begun while it was held", key)
		}
		next.Hold(nil)
		if r := next.ends(t, key, job, next.asked(t, key, job)); r.Status != lifeboat.Performed {
			t.Errorf("let go it ended as %+v", r)
		}
		if err := os.Remove(mark); err != nil {
			t.Error(err)
		}
		b = next
	}
}

// What is held keeps nobody else from being begun, however many they are.
func TestHeldKeepsNoSlot(t *testing.T) {
	b := workBench(t, &clerk{work: func(context.Context, task.Progress) lifeboat.Receipt {
		return lifeboat.Receipt{Status: lifeboat.Performed, Why: "done"}
	}})
	var keys []lifeboat.Key
	for i := range 20 {
		keys = append(keys, lifeboat.Key(fmt.Sprint("lb-held-", i)))
	}
	b.Hold(held(keys...))
	job := todo(t, "hand-over", 1, false)
	for _, key := range keys {
		if _, err := b.Perform(t.Context(), noon, key, job); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		b.does(t, lifeboat.Key(fmt.Sprint("lb-beside-", i)), job)
	}
	b.Hold(nil)
	for _, key := range keys {
		b.ends(t, key, job, b.asked(t, key, job))
	}
}

// A command that may be repeated, and was under way when lifeboat ended, is not run again while it is held: nothing finds out what became of it.
func TestHeldBeforeItIsRepeated(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	b := newBench(t, map[string]string{"note": "echo once >> " + mark + "; test $(wc -l < " + mark + ") = 2 || sleep 100", "pass": "true"})
	job := command(t, "note")
	job.Repeatable = true
	if _, err := b.Perform(t.Context(), noon, "lb-1", job); err != nil {
		t.Fatal(err)
	}
	runs := func() int { text, _ := os.ReadFile(mark); return strings.Count(string(text), "once") }
	for patience := time.Now().Add(20 * time.Second); runs() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(patience) {
			t.Fatal("it was not begun")
		}
	}
	b.Close()
	next := b.again(t)
	next.Hold(held("lb-1", "lb-2"))
	if r := next.asked(t, "lb-1", job); r.Why != paused {
		t.Errorf("held it stands at %+v", r)
	}
	for i := range 5 {
		next.does(t, lifeboat.Key(fmt.Sprint("lb-beside-", i)), command(t, "pass"))
	}
	if runs() != 1 {
		t.Errorf("it was run %d times while it was held", runs())
	}
	next.Hold(nil)
	if r := next.ends(t, "lb-1", job, next.asked(t, "lb-1", job)); r.Status != lifeboat.Performed || runs() != 2 {
		t.Errorf("let go it was run %d times and ended as %+v", runs(), r)
	}
}

// A task that is held can be stopped.
func TestStoppedWhileHeld(t *testing.T) {
	began := make(chan task.Progress, 1)
	b := stopBench(t, waiting(began))
	job := todo(t, "hand-over", 1, false)
	b.Hold(held("lb-1"))
	if _, err := b.Perform(t.Context(), noon, "lb-1", job); err != nil {
		t.Fatal(err)
	}
	if r := b.stops(t, "lb-1", job); r.Why != "it was stopped before it was begun" || len(began) > 0 {
		t.Errorf("got %+v", r)
	}
}

// A worker under way hears that nothing more may begin, and that it may again; what was begun by an earlier start is taken up at once, because
// only its work can tell what became of it.
func TestHeldWhileUnderWay(t *testing.T) {
	began := make(chan task.Progress, 2)
	b := stopBench(t, waiting(began))
	job := todo(t, "hand-over", 1, false)
	if _, err := b.Perform(t.Context(), noon, "lb-1", job); err != nil {
		t.Fatal(err)
	}
	p := <-began
	for _, why := range []map[lifeboat.Key]string{held("lb-2"), held("lb-1"), nil} {
		if b.Hold(why); p.Held() != why["lb-1"] {
			t.Errorf("held as %v it is told %q", why, p.Held())
		}
	}
	next := b.again(t)
	next.Hold(held("lb-1"))
	if r := next.asked(t, "lb-1", job); r.Status != lifeboat.Accepted {
		t.Errorf("got %+v", r)
	}
	if p := <-began; p.Held() != paused || !p.Again {
		t.Errorf("after a restart it is told %q, %+v", p.Held(), p)
	}
}

// A command that has begun goes on, and nobody is told that it waits.
func TestHeldTooLate(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	b := newBench(t, map[string]string{"slow": "echo begun > " + mark + "; while test -e " + mark + "; do sleep 0.01; done"})
	job := command(t, "slow")
	if _, err := b.Perform(t.Context(), noon, "lb-1", job); err != nil {
		t.Fatal(err)
	}
	for patience := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(mark); err == nil {
			break
		}
		if time.Now().After(patience) {
			t.Fatal("it was not begun")
		}
	}
	b.Hold(held("lb-1"))
	if r := b.asked(t, "lb-1", job); r.Status != lifeboat.Accepted || r.Why == paused {
		t.Errorf("it stands at %+v", r)
	}
	if err := os.Remove(mark); err != nil {
		t.Fatal(err)
	}
	if r := b.ends(t, "lb-1", job, b.asked(t, "lb-1", job)); r.Status != lifeboat.Performed {
		t.Errorf("it ended as %+v", r)
	}
}

// The time for which a task is held does not count against its limit.
func TestHeldForLongerThanItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := make(chan struct{})
		var lasted time.Duration
		b := newBench(t, nil, func(o *task.Options) {
			o.Clock = lifeboat.WallClock{}
			o.Workers = map[string]task.Worker{"hand-over": &clerk{limit: 10 * time.Minute, work: func(ctx context.Context, p task.Progress) lifeboat.Receipt {
				from := time.Now()
				close(began)
				<-ctx.Done()
				lasted = time.Since(from)
				return lifeboat.Receipt{Status: lifeboat.NotPerformed, Why: "its time was up"}
			}}}
		})
		job := todo(t, "hand-over", 1, false)
		if _, err := b.Perform(t.Context(), noon, "lb-1", job); err != nil {
			t.Fatal(err)
		}
		<-began
		for _, change := range []map[lifeboat.Key]string{held("lb-1"), nil, held("lb-1"), nil} {
			time.Sleep(4 * time.Minute)
			b.Hold(change)
			if len(change) > 0 {
				time.Sleep(time.Hour)
			}
		}
		for b.asked(t, "lb-1", job).Status == lifeboat.Accepted {
			<-b.woken
		}
		if want := 10*time.Minute + 2*(time.Hour+4*time.Minute); lasted != want {
			t.Errorf("it had %s, not %s", lasted, want)
		}
	})
}
