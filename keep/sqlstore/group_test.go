package sqlstore

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lifeboat"
	"lifeboat/keep/journal"
)

var noon = time.Date(2020, 3, 12, 12, 0, 0, 0, time.UTC)

func said(n int) lifeboat.Event {
	return lifeboat.RunFinished{Run: fmt.Sprint(n), Status: lifeboat.Done}
}

// A disk takes its time for every commit, and counts them.
type disk struct {
	commits [][]journal.Entry
	fails   int // the commit, from 1, that fails; 0 for none
}

var errDisk = errors.New("the disk is gone")

func (d *disk) commit(before journal.Entry, sealed []journal.Entry) error {
	time.Sleep(time.Millisecond)
	if sealed[0].Prev != before.Hash {
		return errors.New("the group does not follow the head")
	}
	d.commits = append(d.commits, sealed)
	if len(d.commits) == d.fails {
		return errDisk
	}
	return nil
}

// Those who come while the first commits are written together, in the order in which they came.
func TestWhoWaitsSharesTheNextCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		g := NewGroup(journal.Entry{}, d.commit)
		for n := range 10 {
			go g.Append(noon, said(n), said(n+100))
			synctest.Wait() // it has taken its place in the queue
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(d.commits) != 2 || len(d.commits[0]) != 2 || len(d.commits[1]) != 18 {
			t.Fatalf("%d commits, want one of 2 entries and one of 18", len(d.commits))
		}
		for i, e := range d.commits[1] {
			want := said(1 + i/2 + i%2*100)
			if event, _ := e.Event(); event != want || e.Seq != int64(i+3) {
				t.Errorf("entry %d is %v, want %v", e.Seq, event, want)
			}
		}
		if head, _ := g.Head(); head.Seq != 20 {
			t.Errorf("the head is %d", head.Seq)
		}
	})
}

// A commit that fails is told to all who shared it, and to all who come later; those before it have been acknowledged.
func TestAFailedCommitFailsItsWholeGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{fails: 2}
		g := NewGroup(journal.Entry{}, d.commit)
		errs := make([]error, 6)
		for n := range 5 {
			go func() { errs[n] = g.Append(noon, said(n)) }()
			synctest.Wait()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		errs[5] = g.Append(noon)
		if errs[0] != nil {
			t.Errorf("the first was not acknowledged: %v", errs[0])
		}
		for n, err := range errs[1:] {
			if !errors.Is(err, errDisk) {
				t.Errorf("caller %d got %v", n+1, err)
			}
		}
		if head, _ := g.Head(); head.Seq != 1 || !errors.Is(g.Fence(), errDisk) || len(d.commits) != 2 {
			t.Errorf("the head is %d after %d commits, the fence says %v", head.Seq, len(d.commits), g.Fence())
		}
	})
}

// A transaction has a largest size, and so has the queue; nobody is lost at either.
func TestGroupsAndQueueAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		g := NewGroup(journal.Entry{}, d.commit)
		const all = 3 * callersMax
		var waiting sync.WaitGroup
		for range all {
			waiting.Go(func() {
				if err := g.Append(noon, said(1), said(2), said(3), said(4), said(5)); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		g.mu.Lock()
		if n := len(g.queue); n >= callersMax {
			t.Errorf("%d callers in the queue", n)
		}
		g.mu.Unlock()
		waiting.Wait()
		for _, c := range d.commits {
			if len(c) > eventsMax {
				t.Errorf("a transaction of %d entries", len(c))
			}
		}
		if err := g.Append(noon, many(eventsMax+1)...); err != nil {
			t.Errorf("a batch larger than a group: %v", err)
		}
		if head, _ := g.Head(); head.Seq != 5*all+eventsMax+1 {
			t.Errorf("the head is %d", head.Seq)
		}
	})
}

func many(n int) (events []lifeboat.Event) {
	for i := range n {
		events = append(events, said(i))
	}
	return events
}

// Close lets the transaction end that is under way, and refuses who waits for the next.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		g := NewGroup(journal.Entry{}, d.commit)
		var first, second error
		go func() { first = g.Append(noon, said(1)) }()
		synctest.Wait()
		go func() { second = g.Append(noon, said(2)) }()
		synctest.Wait()
		if !g.Close() || g.Close() {
			t.Error("Close is true once")
		}
		if len(d.commits) != 1 {
			t.Errorf("%d commits when Close returned", len(d.commits))
		}
		synctest.Wait()
		if first != nil || !errors.Is(second, ErrClosed) {
			t.Errorf("got %v and %v", first, second)
		}
	})
}

// Parameters are numbered for the databases that want it so.
func TestQuery(t *testing.T) {
	const text = `a = ? AND b IN (?, ?)`
	if got := (Tables{}).query(text); got != text {
		t.Errorf("got %q", got)
	}
	if got := (Tables{Numbered: true}).query(text); got != `a = $1 AND b IN ($2, $3)` {
		t.Errorf("got %q", got)
	}
}
