package courier

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/rest"
)

// far is a venue whose calls take their time and fail as a test wants.
type far struct {
	mu     sync.Mutex
	takes  time.Duration
	placed map[lifeboat.Key]int // how many orders arrived under a key
	filled map[lifeboat.Key]bool
	fail   func(call string) error // after the request has arrived
	lose   func(call string) error // before it does
	calls  []string
	under  int // calls that are under way
	most   int // of them at the same time
	state  lifeboat.Statement
}

// orders that arrived under a key.
func (f *far) orders(id lifeboat.Key) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.placed[id]
}

func newFar() *far {
	return &far{takes: time.Second, placed: map[lifeboat.Key]int{}, filled: map[lifeboat.Key]bool{}}
}

func (f *far) call(ctx context.Context, name string, arrive func()) error {
	f.mu.Lock()
	f.under++
	f.most = max(f.most, f.under)
	takes := f.takes
	if name == "state" {
		takes *= 10
	}
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.under--; f.mu.Unlock() }()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, name)
	if f.lose != nil {
		if err := f.lose(name); err != nil {
			return err
		}
	}
	arrive()
	if f.fail != nil {
		return f.fail(name)
	}
	return nil
}

func (f *far) receipt(id lifeboat.Key) lifeboat.Receipt {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := lifeboat.Receipt{Key: id, Account: "a", Status: lifeboat.Accepted}
	if f.filled[id] {
		r.Status, r.Filled, r.Price = lifeboat.Filled, decimal.NewFromInt(1), decimal.NewFromInt(50)
	}
	return r
}

func (f *far) Place(ctx context.Context, _ time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	if err := f.call(ctx, "place", func() { f.placed[o.ID]++ }); err != nil {
		return lifeboat.Receipt{}, err
	}
	return f.receipt(o.ID), nil
}

func (f *far) Ask(ctx context.Context, _ time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	there := false
	if err := f.call(ctx, "ask", func() { there = f.placed[id] > 0 }); err != nil {
		return lifeboat.Receipt{}, err
	}
	if !there {
		return lifeboat.Receipt{}, lifeboat.ErrAbsent
	}
	return f.receipt(id), nil
}

func (f *far) Cancel(ctx context.Context, _ time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	if err := f.call(ctx, "cancel", func() {}); err != nil {
		return lifeboat.Receipt{}, err
	}
	r := f.receipt(id)
	r.Status = lifeboat.Canceled
	return r, nil
}

func (f *far) Since(ctx context.Context, _, _ time.Time) ([]lifeboat.PlacedOrder, error) {
	err := f.call(ctx, "since", func() {})
	return []lifeboat.PlacedOrder{{Order: lifeboat.Order{ID: "lb-old"}}}, err
}

func (f *far) Memory() time.Duration { return time.Hour }

func (f *far) State(ctx context.Context, at time.Time) (lifeboat.Statement, error) {
	err := f.call(ctx, "state", func() {})
	s := f.state
	s.At = at
	return s, err
}

// play runs a courier in virtual time; wake counts how often the flow was woken.
func play(t *testing.T, every time.Duration, test func(t *testing.T, f *far, c *Courier, woken *atomic.Int32)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f, woken := newFar(), &atomic.Int32{}
		c := New(Options{Venue: f, Account: "a", Name: "Far", Clock: lifeboat.WallClock{}, Every: every, Wake: func() { woken.Add(1) }})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		test(t, f, c, woken)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	})
}

func order(id lifeboat.Key) lifeboat.Order {
	return lifeboat.Order{ID: id, Account: "a", Symbol: "SPY", Side: lifeboat.Sell, Type: lifeboat.Market, Quantity: decimal.NewFromInt(1)}
}

func now() time.Time { return lifeboat.WallClock{}.Now() }

// pass lets time go by until everything that can happen in it has.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestPlaceAnswersAtOnceAndWakesWhenItIsKnown(t *testing.T) {
	play(t, 0, func(t *testing.T, f *far, c *Courier, woken *atomic.Int32) {
		began := now()
		r, err := c.Place(t.Context(), began, order("lb-1"))
		if err != nil || r.Status != lifeboat.Unknown || now() != began {
			t.Fatalf("%+v, %v", r, err)
		}
		pass(1500 * time.Millisecond)
		if r, err := c.Ask(t.Context(), now(), "lb-1"); err != nil || r.Status != lifeboat.Accepted || woken.Load() == 0 {
			t.Errorf("after the call: %+v, %v, woken %d", r, err, woken.Load())
		}
		f.mu.Lock()
		f.filled["lb-1"] = true
		f.mu.Unlock()
		pass(10 * time.Second)
		if r, err := c.Ask(t.Context(), now(), "lb-1"); err != nil || r.Status != lifeboat.Filled {
			t.Errorf("it fills: %+v, %v", r, err)
		}
		if f.orders("lb-1") != 1 {
			t.Errorf("%d orders", f.orders("lb-1"))
		}
	})
}

// The answer to an order is lost: it is asked after until it is known, and never sent again.
func TestLostAnswerIsAskedFor(t *testing.T) {
	play(t, 0, func(t *testing.T, f *far, c *Courier, _ *atomic.Int32) {
		failures := 4
		f.fail = func(string) error {
			if failures--; failures >= 0 {
				return errors.New("the connection broke off")
			}
			return nil
		}
		_, _ = c.Place(t.Context(), now(), order("lb-1"))
		pass(2 * time.Second)
		if r, err := c.Ask(t.Context(), now(), "lb-1"); err != nil || r.Status != lifeboat.Unknown || c.Health().Problem == "" {
			t.Errorf("in doubt: %+v, %v, %+v", r, err, c.Health())
		}
		pass(time.Minute)
		if r, err := c.Ask(t.Context(), now(), "lb-1"); err != nil || r.Status != lifeboat.Accepted || f.orders("lb-1") != 1 || c.Health().Problem != "" {
			t.Errorf("known: %+v, %v, %d orders, %+v", r, err, f.orders("lb-1"), c.Health())
		}
	})
}

// The order itself was lost: that it is absent is told once, and the flow sends it again.
func TestLostOrderIsAbsentOnce(t *testing.T) {
	play(t, 0, func(t *testing.T, f *far, c *Courier, _ *atomic.Int32) {
		lost := 1
		f.lose = func(call string) error {
			if lost--; lost >= 0 {
				return errors.New("the connection broke off")
			}
			return nil
		}
		_, _ = c.Place(t.Context(), now(), order("lb-1"))
		pass(20 * time.Second)
		if _, err := c.Ask(t.Context(), now(), "lb-1"); !errors.Is(err, lifeboat.ErrAbsent) {
			t.Fatalf("lost: %v", err)
		}
		// The flow sends it; this time the answer gets lost, and the old proof must not be told again.
		f.mu.Lock()
		once := 1
		f.fail = func(string) error {
			if once--; once >= 0 {
				return errors.New("the connection broke off")
			}
			return nil
		}
		f.mu.Unlock()
		c.mu.Lock()
		c.letters["lb-1"].absent = now() // a proof that nobody came for
		c.mu.Unlock()
		_, _ = c.Place(t.Context(), now(), order("lb-1"))
		for range 30 {
			pass(time.Second)
			if _, err := c.Ask(t.Context(), now(), "lb-1"); err != nil {
				t.Fatalf("absent while nobody knows: %v", err)
			}
		}
		if f.orders("lb-1") != 1 {
			t.Errorf("%d orders", f.orders("lb-1"))
		}
	})
}

// After a restart nothing is known: the venue is asked, and an old proof of absence is not believed for ever.
func TestAskOfAnotherLife(t *testing.T) {
	play(t, 0, func(t *testing.T, f *far, c *Courier, _ *atomic.Int32) {
		f.placed["lb-there"] = 1
		for _, id := range []lifeboat.Key{"lb-there", "lb-absent"} {
			if r, err := c.Ask(t.Context(), now(), id); err != nil || r.Status != lifeboat.Unknown {
				t.Errorf("%s at once: %+v, %v", id, r, err)
			}
		}
		pass(5 * time.Second)
		if r, err := c.Ask(t.Context(), now(), "lb-there"); err != nil || r.Status != lifeboat.Accepted {
			t.Errorf("there: %+v, %v", r, err)
		}
		pass(absentFor)
		if r, err := c.Ask(t.Context(), now(), "lb-absent"); err != nil || r.Status != lifeboat.Unknown {
			t.Errorf("an old proof: %+v, %v", r, err)
		}
		pass(5 * time.Second)
		if _, err := c.Ask(t.Context(), now(), "lb-absent"); !errors.Is(err, lifeboat.ErrAbsent) {
			t.Errorf("a fresh one: %v", err)
		}
	})
}

func TestCancel(t *testing.T) {
	play(t, 0, func(t *testing.T, f *far, c *Courier, _ *atomic.Int32) {
		_, _ = c.Place(t.Context(), now(), order("lb-1"))
		pass(2 * time.Second)
		asked := now()
		if _, err := c.Cancel(t.Context(), asked, "lb-1"); err == nil || errors.Is(err, lifeboat.ErrAbsent) {
			t.Errorf("at once: %v", err)
		}
		pass(1500 * time.Millisecond) // it does not wait for the turn of an open order
		if r, err := c.Cancel(t.Context(), now(), "lb-1"); err != nil || r.Status != lifeboat.Canceled {
			t.Errorf("then: %+v, %v", r, err)
		}
		if r, err := c.Ask(t.Context(), now(), "lb-1"); err != nil || r.Status != lifeboat.Canceled {
			t.Errorf("the order: %+v, %v", r, err)
		}
	})
}

// A cancellation that overtakes its order takes it back: it never leaves.
func TestCancelBeforeItLeft(t *testing.T) {
	play(t, 0, func(t *testing.T, f *far, c *Courier, _ *atomic.Int32) {
		const last = "lb-1"
		for _, id := range []lifeboat.Key{"lb-0", last} { // one call at a time, so the last order waits
			_, _ = c.Place(t.Context(), now(), order(id))
		}
		synctest.Wait()
		if _, err := c.Cancel(t.Context(), now(), last); !errors.Is(err, lifeboat.ErrAbsent) {
			t.Errorf("taken back: %v", err)
		}
		pass(10 * time.Second)
		if f.orders(last) != 0 || f.orders("lb-0") != 1 {
			t.Errorf("placed %v", f.placed)
		}
	})
}

// Too many requests: the order stays here for as long as the venue wants, and then goes out once.
func TestThrottled(t *testing.T) {
	play(t, 0, func(t *testing.T, f *far, c *Courier, _ *atomic.Int32) {
		refusals := 2
		f.lose = func(call string) error {
			if refusals--; refusals >= 0 {
				return &rest.Error{Venue: "Far", Step: call, Message: "too many requests", Throttled: true, RetryAfter: 20 * time.Second}
			}
			return nil
		}
		_, _ = c.Place(t.Context(), now(), order("lb-1"))
		pass(30 * time.Second)
		if f.orders("lb-1") != 0 {
			t.Error("it went out too early")
		}
		pass(30 * time.Second)
		if r, err := c.Ask(t.Context(), now(), "lb-1"); err != nil || r.Status != lifeboat.Accepted || f.orders("lb-1") != 1 {
			t.Errorf("%+v, %v, %d orders", r, err, f.orders("lb-1"))
		}
	})
}

func TestFencedOrderStays(t *testing.T) {
	play(t, 0, func(t *testing.T, f *far, c *Courier, _ *atomic.Int32) {
		c.Fence = func() error { return errors.New("another lifeboat has taken over") }
		_, _ = c.Place(t.Context(), now(), order("lb-1"))
		pass(5 * time.Minute)
		if len(f.placed) != 0 {
			t.Error("an order left behind the fence")
		}
	})
}

func TestSince(t *testing.T) {
	play(t, 0, func(t *testing.T, f *far, c *Courier, woken *atomic.Int32) {
		if _, err := c.Since(t.Context(), now(), time.Time{}); err == nil {
			t.Error("listed before it was asked")
		}
		pass(2 * time.Second)
		if placed, err := c.Since(t.Context(), now(), time.Time{}); err != nil || len(placed) != 1 || woken.Load() == 0 {
			t.Errorf("%v, %v", placed, err)
		}
		if _, err := c.Since(t.Context(), now(), time.Time{}); err == nil {
			t.Error("an old list is told twice")
		}
	})
}

func TestStatements(t *testing.T) {
	play(t, time.Minute, func(t *testing.T, f *far, c *Courier, _ *atomic.Int32) {
		pass(11 * time.Second)
		first, ok := c.Statement()
		if _, again := c.Statement(); !ok || again {
			t.Errorf("%v, and again %v", ok, again)
		}
		pass(30 * time.Second)
		if _, ok := c.Statement(); ok {
			t.Error("fetched too early")
		}
		pass(time.Minute)
		if second, ok := c.Statement(); !ok || !second.At.After(first.At) {
			t.Errorf("%+v after %+v", second, first)
		}
	})
}

// A statement is given up for an order, and fetched after it; nothing is ever asked of the venue while it is asked something.
func TestOrdersGoBeforeStatements(t *testing.T) {
	play(t, time.Minute, func(t *testing.T, f *far, c *Courier, _ *atomic.Int32) {
		pass(time.Second) // a statement is on its way, and takes ten
		for i := range 3 {
			_, _ = c.Place(t.Context(), now(), order(lifeboat.Key(fmt.Sprint("lb-", i))))
		}
		pass(3100 * time.Millisecond)
		for i := range 3 {
			if r, err := c.Ask(t.Context(), now(), lifeboat.Key(fmt.Sprint("lb-", i))); err != nil || r.Status != lifeboat.Accepted {
				t.Errorf("order %d: %+v, %v", i, r, err)
			}
		}
		if h := c.Health(); h.Problem != "" {
			t.Errorf("that a statement was given up is no problem: %+v", h)
		}
		pass(2 * time.Minute)
		if _, ok := c.Statement(); !ok {
			t.Error("the statement was forgotten")
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.most != 1 {
			t.Errorf("%d calls at the same time", f.most)
		}
	})
}

// streaming is a venue that tells when orders move.
type streaming struct {
	*far
	tell chan lifeboat.Key
}

func (s streaming) Listen(ctx context.Context, moved func(lifeboat.Key)) error {
	moved("")
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case id, ok := <-s.tell:
			if !ok {
				return errors.New("the stream broke off")
			}
			moved(id)
		}
	}
}

// What the stream says is asked after at once, not when its turn comes.
func TestListen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := streaming{newFar(), make(chan lifeboat.Key)}
		c := New(Options{Venue: f, Account: "a", Name: "Far", Clock: lifeboat.WallClock{}, Wake: func() {}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		_, _ = c.Place(ctx, now(), order("lb-1"))
		pass(2 * time.Minute) // now it is asked after rarely
		f.mu.Lock()
		f.filled["lb-1"] = true
		f.mu.Unlock()
		f.tell <- "lb-1"
		pass(1100 * time.Millisecond)
		if r, _ := c.Ask(ctx, now(), "lb-1"); r.Status != lifeboat.Filled {
			t.Errorf("after the stream told: %+v", r)
		}
		close(f.tell)
		pass(5 * time.Second)
		if c.Health().Problem == "" {
			t.Error("a stream that broke off is no problem")
		}
		cancel()
		<-done
	})
}

// The oldest orders that have ended are forgotten, and none that is open.
func TestBounded(t *testing.T) {
	c := New(Options{Venue: newFar(), Account: "a", Name: "Far", Clock: lifeboat.WallClock{}})
	c.file("lb-open").receipt.Status = lifeboat.Accepted
	c.file("lb-absent") // asked after, found absent, and not sent
	for i := range keptMax + 10 {
		c.file(lifeboat.Key(fmt.Sprint("lb-", i))).receipt.Status = lifeboat.Filled
	}
	if len(c.letters) != keptMax || c.letters["lb-open"] == nil || c.letters["lb-absent"] != nil || c.letters["lb-0"] != nil {
		t.Errorf("%d letters are kept", len(c.letters))
	}
	for i := range lettersMax {
		c.file(lifeboat.Key(fmt.Sprint("lb-busy-", i))).ask = true
	}
	if _, err := c.Place(t.Context(), now(), order("lb-more")); err == nil {
		t.Error("the queue has no end")
	}
}
