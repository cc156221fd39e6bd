package task_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"lifeboat"
	"lifeboat/act/task"
)

// heedful is a clerk that can be stopped.
type heedful struct{ *clerk }

func (heedful) Stops(kind string) bool { return kind == "hand-over" }

func stopBench(t *testing.T, c *clerk, change ...func(*task.Options)) *bench {
	t.Helper()
	return newBench(t, nil, append(change, func(o *task.Options) {
		o.Workers = map[string]task.Worker{"hand-over": heedful{c}, "carry": heedful{c}}
	})...)
}

// waiting is a clerk that waits until it is stopped, and says with began that it does.
func waiting(began chan task.Progress) *clerk {
	return &clerk{looks: true, work: func(ctx context.Context, p task.Progress) lifeboat.Receipt {
		began <- p
		select {
		case <-p.Stop:
			return lifeboat.Receipt{Status: lifeboat.NotPerformed, Why: "it was stopped before anything was sent"}
		case <-ctx.Done():
			return lifeboat.Receipt{Status: lifeboat.NotPerformed, Why: "cut off"}
		}
	}}
}

func (b *bench) stops(t *testing.T, key lifeboat.Key, todo lifeboat.Task) lifeboat.Receipt {
	t.Helper()
	r, err := b.Stop(t.Context(), noon, key, todo)
	if err != nil {
		t.Fatal(err)
	}
	return b.ends(t, key, todo, r)
}

// A task that nobody has begun when it is stopped is never begun: one that never arrived, and one that waits for its turn.
func TestStoppedBeforeItIsBegun(t *testing.T) {
	began := make(chan task.Progress, 100)
	b := stopBench(t, waiting(began))
	job := todo(t, "hand-over", 1, false)
	if r := b.stops(t, "lb-1", job); r.Status != lifeboat.NotPerformed || r.Why != "it was stopped before it was begun" {
		t.Errorf("got %+v", r)
	}
	if r := b.does(t, "lb-1", job); r.Status != lifeboat.NotPerformed || len(began) > 0 {
		t.Errorf("got %+v, and it was begun %d times", r, len(began))
	}
	for i := range 16 { // as many as are begun at a time
		if _, err := b.Perform(t.Context(), noon, lifeboat.Key(fmt.Sprint("lb-busy-", i)), job); err != nil {
			t.Fatal(err)
		}
		<-began
	}
	if r, err := b.Perform(t.Context(), noon, "lb-2", job); err != nil || r.Status != lifeboat.Accepted {
		t.Fatalf("got %+v, %v", r, err)
	}
	if r := b.stops(t, "lb-2", job); r.Status != lifeboat.NotPerformed || len(began) > 0 {
		t.Errorf("got %+v, and it was begun %d times", r, len(began))
	}
}

// A task that is under way hears of it; what it says then is its end, and a second word changes nothing.
func TestStoppedWhileUnderWay(t *testing.T) {
	began := make(chan task.Progress, 1)
	b := stopBench(t, waiting(began))
	job := todo(t, "hand-over", 1, false)
	if _, err := b.Perform(t.Context(), noon, "lb-1", job); err != nil {
		t.Fatal(err)
	}
	if p := <-began; p.Again || p.Elsewhere {
		t.Errorf("it was told %+v", p)
	}
	for range 2 {
		if r := b.stops(t, "lb-1", job); r.Status != lifeboat.NotPerformed || r.Why != "it was stopped before anything was sent" {
			t.Errorf("got %+v", r)
		}
	}
	if r := b.again(t).stops(t, "lb-1", job); r.Status != lifeboat.NotPerformed || len(began) > 0 {
		t.Errorf("after a restart got %+v", r)
	}
}

// What is out is followed to its end.
func TestStoppedTooLate(t *testing.T) {
	began := make(chan task.Progress, 1)
	b := stopBench(t, &clerk{work: func(_ context.Context, p task.Progress) lifeboat.Receipt {
		began <- p
		<-p.Stop
		if err := p.Keep("it is out", map[string]string{"number": "7"}); err != nil {
			t.Error(err)
		}
		return lifeboat.Receipt{Status: lifeboat.Performed, Why: "done"}
	}})
	job := todo(t, "hand-over", 1, false)
	if _, err := b.Perform(t.Context(), noon, "lb-1", job); err != nil {
		t.Fatal(err)
	}
	<-began
	if r := b.stops(t, "lb-1", job); r.Status != lifeboat.Performed {
		t.Errorf("got %+v", r)
	}
}

// A crash makes nothing go on that was stopped. The program ends before the task has heard of it, or before it was ever begun; it is told at
// the next start, by the note alone.
func TestStoppedAcrossACrash(t *testing.T) {
	began := make(chan task.Progress, 1)
	deaf := &clerk{looks: true, work: func(ctx context.Context, p task.Progress) lifeboat.Receipt {
		if err := p.Keep("it waits", map[string]string{"since": "noon"}); err != nil {
			t.Error(err)
		}
		began <- p
		<-ctx.Done()
		return lifeboat.Receipt{Status: lifeboat.NotPerformed, Why: "cut off"}
	}}
	b := stopBench(t, deaf)
	job := todo(t, "hand-over", 1, false)
	if _, err := b.Perform(t.Context(), noon, "lb-1", job); err != nil {
		t.Fatal(err)
	}
	<-began
	if r, err := b.Stop(t.Context(), noon, "lb-1", job); err != nil || r.Status != lifeboat.Accepted {
		t.Fatalf("got %+v, %v", r, err)
	}
	b.Close()
	heard := make(chan task.Progress, 1)
	b.Workers = map[string]task.Worker{"hand-over": heedful{waiting(heard)}}
	next := b.again(t)
	r, err := next.Ask(t.Context(), noon, "lb-1", job)
	if err != nil {
		t.Fatal(err)
	}
	if r = next.ends(t, "lb-1", job, r); r.Why != "it was stopped before anything was sent" {
		t.Errorf("got %+v", r)
	}
	if p := <-heard; !p.Again || p.Facts["since"] != "noon" {
		t.Errorf("it was told %+v", p)
	}
}

// fenced is a crew that another lifeboat has taken over from, so that nothing is begun.
func fenced(by *error) func(*task.Options) {
	return func(o *task.Options) { o.Fence = func() error { return *by } }
}

// A task that was taken on and not begun when the program ended is never begun once it was stopped.
func TestStoppedBetweenTwoStarts(t *testing.T) {
	began := make(chan task.Progress, 1)
	fence := errors.New("another one has taken over")
	b := stopBench(t, waiting(began), fenced(&fence))
	job := todo(t, "hand-over", 1, false)
	if _, err := b.Perform(t.Context(), noon, "lb-1", job); err != nil {
		t.Fatal(err)
	}
	b.Close()
	fence = nil
	if r := b.again(t).stops(t, "lb-1", job); r.Why != "it was stopped before it was begun" || len(began) > 0 {
		t.Errorf("got %+v", r)
	}
}

// Beside another machine nothing proves that a task is new: its worker looks what became of it, and knows that it was stopped.
func TestStoppedBesideAnotherMachine(t *testing.T) {
	began := make(chan task.Progress, 1)
	c := waiting(began)
	b := stopBench(t, c, func(o *task.Options) { o.Shared = true })
	job := todo(t, "hand-over", 1, false)
	if r := b.stops(t, "lb-1", job); r.Why != "it was stopped before anything was sent" {
		t.Errorf("got %+v", r)
	}
	if p := <-began; !p.Again || !p.Elsewhere {
		t.Errorf("it was told %+v", p)
	}
	c.looks = false
	if r, err := b.Stop(t.Context(), noon, "lb-2", job); err != nil || !r.Lost {
		t.Errorf("of one whose worker does not look it says %+v, %v", r, err)
	}
}

// A kind that cannot be stopped goes on, and one that was never taken on is still absent.
func TestWhatCannotBeStopped(t *testing.T) {
	began, finish := make(chan task.Progress, 1), make(chan struct{})
	b := stopBench(t, &clerk{work: func(_ context.Context, p task.Progress) lifeboat.Receipt {
		began <- p
		<-finish
		return lifeboat.Receipt{Status: lifeboat.Performed, Why: "done"}
	}})
	job := todo(t, "carry", 1, false)
	if _, err := b.Stop(t.Context(), noon, "lb-1", job); !errors.Is(err, lifeboat.ErrAbsent) {
		t.Errorf("got %v", err)
	}
	if _, err := b.Perform(t.Context(), noon, "lb-1", job); err != nil {
		t.Fatal(err)
	}
	p := <-began
	if r, err := b.Stop(t.Context(), noon, "lb-1", job); err != nil || r.Status != lifeboat.Accepted {
		t.Errorf("got %+v, %v", r, err)
	}
	select {
	case <-p.Stop:
		t.Error("it was told to stop")
	default:
	}
	close(finish)
	if r := b.stops(t, "lb-1", job); r.Status != lifeboat.Performed {
		t.Errorf("got %+v", r)
	}
}
