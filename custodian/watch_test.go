package custodian

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lifeboat"
)

// changing is a node of which a test says what it answers, and how long it takes.
type changing struct {
	now    atomic.Pointer[node]
	takes  time.Duration
	asked  atomic.Int32
	height atomic.Uint64
}

func (c *changing) Name() string { return "changing" }
func (c *changing) Holdings(ctx context.Context) (Holdings, error) {
	c.asked.Add(1)
	if err := (lifeboat.WallClock{}).Sleep(ctx, lifeboat.WallClock{}.Now().Add(c.takes)); err != nil {
		return Holdings{}, err
	}
	n := c.now.Load()
	h := n.holdings
	h.At, h.Height = lifeboat.WallClock{}.Now(), c.height.Add(1)
	return h, n.err
}
func (c *changing) Transfers(context.Context, int) ([]Transfer, error) { return nil, nil }

// A watch asks when it is due and not before, one call at a time; what fails leaves the last word alone, and says since when.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &changing{takes: 5 * time.Second}
		source.now.Store(says("a", 0, "2 ETH"))
		c, err := New(Options{Account: "cold", Name: "Ethereum", Sources: []Source{source}})
		if err != nil {
			t.Fatal(err)
		}
		var woken atomic.Int32
		w := NewWatch(c, lifeboat.WallClock{}, time.Minute, func() { woken.Add(1) })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		began := lifeboat.WallClock{}.Now()
		go func() { done <- w.Run(ctx) }()

		if _, ok := w.Statement(); ok || !w.Health().LastOK.IsZero() {
			t.Error("something is known before anybody answered")
		}
		time.Sleep(10 * time.Second)
		s, ok := w.Statement()
		if _, again := w.Statement(); !ok || again || s.Account != "cold" || len(s.Lines) != 1 || woken.Load() != 1 {
			t.Errorf("it hands over %+v, %t, once more %t, woken %d times", s, ok, again, woken.Load())
		}
		source.now.Store(fails("a"))
		time.Sleep(4 * time.Minute)
		h := w.Health()
		if _, ok := w.Statement(); ok || h.Problem == "" || !h.Since.Equal(began.Add(65*time.Second)) || !h.LastOK.Equal(began.Add(5*time.Second)) {
			t.Errorf("while the node is away: %+v, a statement %t", h, ok)
		}
		if source.asked.Load() != 5 || woken.Load() != 5 {
			t.Errorf("in four minutes and ten seconds it was asked %d times, and woken %d", source.asked.Load(), woken.Load())
		}
		source.now.Store(says("a", 0))
		time.Sleep(time.Minute)
		if s, ok := w.Statement(); !ok || len(s.Lines) != 0 || w.Health().Problem != "" {
			t.Errorf("it is back with %+v, %t, %+v", s, ok, w.Health())
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("it ends with %v", err)
		}
	})
}
