package chain

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lifeboat"
)

// TestWhatMovesMoneyGoesFirst while others want more than a node allows: it waits for its own requests and for one more, whatever stands in
// line. The node's rate is kept, the others come to their turn, and a line that is too long is told of at once.
func TestWhatMovesMoneyGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond, others, each, urgent = 20, 8, 20, 5
		b := newBudget(perSecond, 10*time.Second, lifeboat.WallClock{})
		start := time.Now()
		var all sync.WaitGroup
		spend := func(ctx context.Context, requests int) (took time.Duration) {
			before := time.Now()
			if err := b.spend(ctx, requests); err != nil {
				t.Error(err)
			}
			return time.Since(before)
		}
		for range others {
			all.Go(func() { spend(t.Context(), each) })
		}
		for range 3 { // as an exit asks, one question after the other
			time.Sleep(300 * time.Millisecond)
			if took := spend(First(t.Context()), urgent); took > time.Second*(urgent+1)/perSecond {
				t.Errorf("%d requests that go first took %s of a node that allows %d a second", urgent, took, perSecond)
			}
		}
		if err := b.spend(t.Context(), 10*perSecond); !errors.Is(err, errSpent) || time.Since(start) > 3*time.Second {
			t.Errorf("after %s one that would wait too long is told %v", time.Since(start), err)
		}
		all.Wait()
		least := time.Second * (others*each + 3*urgent - perSecond) / perSecond
		if took := time.Since(start); took < least || took > least+time.Second {
			t.Errorf("%d requests took %s, and a node that allows %d a second takes %s for them", others*each+3*urgent, took, perSecond, least)
		}
	})
}

// TestALineThatIsGivenUp holds up nobody.
func TestALineThatIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1, 10*time.Second, lifeboat.WallClock{})
		gone, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if err := b.spend(gone, 3); !errors.Is(err, context.Canceled) {
					t.Errorf("given up, it says %v", err)
				}
			})
		}
		time.Sleep(time.Second)
		leave()
		all.Wait()
		before := time.Now()
		if err := b.spend(t.Context(), 2); err != nil || time.Since(before) > 3*time.Second {
			t.Errorf("after %s: %v", time.Since(before), err)
		}
	})
}
