// Package courier lets a venue that is far away answer at once. The flow takes one thing at a time and must not wait for a
// broker's network, so a [Courier] stands between: Place and Cancel are queued and answered with "on its way", Ask says what
// was last heard, and whoever waits is woken when something new is known.
//
// What makes it safe is that the flow wrote the intent before it called, and asks until it knows. A queue that is lost with
// the process held orders that never left the house: the next start asks the venue, finds none, and sends them. An order
// goes out once per call of Place; when the answer is lost the courier asks, again and again with growing pauses, and sends
// nothing. That an order is absent is told once and forgotten, so that it is always fresh when the flow acts on it. A fence
// is asked right before each order leaves, which may be long after the flow asked.
//
// It makes one call at a time, as connectors want it, the most urgent first; a statement that is being fetched is given up when
// an order comes. In between it asks after open orders, hears from the venue's own stream where there is one, and fetches statements. It
// decides nothing, knows no venue by name and keeps nothing on disk.
package courier

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lifeboat"
	"lifeboat/act/venue"
)

// Options say for whom a courier goes, and where to.
type Options struct {
	Venue   venue.Venue
	Account string
	Name    string // of the venue, for people
	Clock   lifeboat.Clock
	// Fence fails when another lifeboat has taken over; nil never fails.
	Fence func() error
	// Wake is called when something new is known, from any goroutine.
	Wake func()
	// Every is how often a statement is fetched; none when 0.
	Every time.Duration
}

const (
	workersMax = 4    // calls at the same time, each about another order
	lettersMax = 1024 // orders that may be on their way or open; one more is refused with an error
	keptMax    = 4096 // orders of which the last word is remembered; the oldest that have ended are forgotten first
	doubtFirst = time.Second
	doubtMost  = 30 * time.Second
	openFirst  = 2 * time.Second  // between questions after an open order, when nothing comes by stream
	openMost   = 30 * time.Second //
	absentFor  = 30 * time.Second // what was found absent is only true for a while
	listedFor  = time.Minute
)

// Courier is a venue that never makes its caller wait. It is safe for concurrent use.
type Courier struct {
	Options

	mu      sync.Mutex // guards all below
	letters map[lifeboat.Key]*letter
	order   []lifeboat.Key // of the letters, oldest first
	list    listing
	account account
	health  Health
	news    chan struct{} // there may be something to do
}

// A letter is what is known of one order.
type letter struct {
	place  *lifeboat.Order // to be sent; nil when it was, or when it is not known what it was
	cancel bool            // to be cancelled
	ask    bool            // to be asked after
	busy   bool            // the call about it is under way

	receipt  lifeboat.Receipt // the last word; zero Status for none
	absent   time.Time        // when the venue proved that it has no such order; zero when it did not
	canceled error            // how the last cancellation ended; nil while there is none to tell
	told     bool             // canceled holds something to tell
	next     time.Time        // when it is asked after again by itself; zero for never
	held     time.Time        // nothing of it goes out before: the venue wants quiet
	pause    time.Duration
	problem  string // of the last call, while nothing is known
}

func (l *letter) open() bool { return l.receipt.Status == "" || !l.receipt.Status.Final() }

// idle reports that nobody waits for anything of it: the order has ended, or it is absent and was not sent again.
func (l *letter) idle() bool {
	over := l.receipt.Status.Final() || l.receipt.Status == "" && l.next.IsZero()
	return over && l.place == nil && !l.cancel && !l.ask && !l.busy
}

type listing struct {
	wanted, busy bool
	since        time.Time
	orders       []lifeboat.PlacedOrder
	at           time.Time // when they were listed; zero for never
	err          error
}

type account struct {
	giveUp    context.CancelFunc // ends the fetching that is under way; nil when none is
	next      time.Time
	statement *lifeboat.Statement // not fetched by the flow yet
}

// Health says how the way to the venue is.
type Health struct {
	Account, Venue string
	LastOK         time.Time // when the venue last answered; zero for never
	Problem        string    // of the last call; "" when it succeeded
	Since          time.Time // of the problem
}

// New makes a courier. Nothing goes out before Run.
func New(o Options) *Courier {
	return &Courier{Options: o, letters: map[lifeboat.Key]*letter{}, health: Health{Account: o.Account, Venue: o.Name},
		news: make(chan struct{}, 1)}
}

// Place queues an order, once per key, and says where it stands.
func (c *Courier) Place(ctx context.Context, _ time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return lifeboat.Receipt{}, fmt.Errorf("place order: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.letters[o.ID]
	switch {
	case l == nil && c.underWay() >= lettersMax:
		return lifeboat.Receipt{}, fmt.Errorf("place order: %d orders are on their way to %s already", lettersMax, c.Name)
	case l == nil:
		l = c.file(o.ID)
		l.place = &o
	case l.receipt.Status != "":
		return l.receipt, nil
	case l.place == nil && !l.busy && !l.ask && l.next.IsZero(): // it was asked after and found absent
		l.place, l.absent = &o, time.Time{}
	}
	c.hurry()
	return c.onItsWay(o.ID, l), nil
}

// Ask says what was last heard of an order, and lets the venue be asked where nothing was.
func (c *Courier) Ask(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return lifeboat.Receipt{}, fmt.Errorf("ask for order: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.letters[id]
	switch {
	case l == nil:
		l = c.file(id)
		l.ask = true
		c.stir()
	case l.receipt.Status != "":
		return l.receipt, nil
	case !l.absent.IsZero():
		fresh := at.Sub(l.absent) <= absentFor
		if l.absent = (time.Time{}); fresh {
			return lifeboat.Receipt{}, fmt.Errorf("ask for order %s: %w", id, lifeboat.ErrAbsent)
		}
		l.ask = true
		c.stir()
	}
	return c.onItsWay(id, l), nil
}

// Cancel queues a cancellation. An order that has not left the house is taken back here; it is absent at the venue.
func (c *Courier) Cancel(ctx context.Context, _ time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return lifeboat.Receipt{}, fmt.Errorf("cancel order: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.letters[id]
	switch {
	case l == nil:
		l = c.file(id)
	case l.place != nil && !l.busy:
		c.forget(id)
		return lifeboat.Receipt{}, fmt.Errorf("cancel order %s: %w", id, lifeboat.ErrAbsent)
	case l.told:
		err := l.canceled
		l.told, l.canceled = false, nil
		if err != nil && !errors.Is(err, lifeboat.ErrAbsent) {
			l.cancel = true
			c.stir()
		}
		return l.receipt, err
	case l.receipt.Status.Final():
		return l.receipt, nil
	}
	l.cancel = true
	c.hurry()
	return lifeboat.Receipt{}, fmt.Errorf("the cancellation is on its way to %s", c.Name)
}

// Since lists what the venue has, once it was listed.
func (c *Courier) Since(ctx context.Context, at, since time.Time) ([]lifeboat.PlacedOrder, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &c.list
	if !l.at.IsZero() && !l.since.After(since) && at.Sub(l.at) <= listedFor {
		orders := l.orders
		c.list = listing{}
		return orders, nil
	}
	if !l.wanted && !l.busy {
		*l = listing{wanted: true, since: since, err: l.err}
		c.stir()
	}
	if l.err != nil {
		return nil, fmt.Errorf("list orders: %w", l.err)
	}
	return nil, fmt.Errorf("%s is being asked for its orders", c.Name)
}

// Memory is the venue's.
func (c *Courier) Memory() time.Duration { return c.Venue.Memory() }

// Statement hands over the latest statement, once.
func (c *Courier) Statement() (lifeboat.Statement, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.account.statement
	if c.account.statement = nil; s == nil {
		return lifeboat.Statement{}, false
	}
	return *s, true
}

// Health of the way to the venue.
func (c *Courier) Health() Health {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.health
}

// onItsWay is the answer while nothing is known.
func (c *Courier) onItsWay(id lifeboat.Key, l *letter) lifeboat.Receipt {
	why := fmt.Sprintf("%s is being asked", c.Name)
	switch {
	case l.problem != "":
		why = l.problem
	case l.place != nil:
		why = fmt.Sprintf("the order is on its way to %s", c.Name)
	}
	return lifeboat.Receipt{Key: id, Account: c.Account, Status: lifeboat.Unknown, Why: why}
}

// file opens a letter for a key, and makes room for it.
func (c *Courier) file(id lifeboat.Key) *letter {
	if len(c.order) >= keptMax {
		for _, old := range c.order {
			if c.letters[old].idle() {
				c.forget(old)
				break
			}
		}
	}
	l := &letter{}
	c.letters[id] = l
	c.order = append(c.order, id)
	return l
}

func (c *Courier) forget(id lifeboat.Key) {
	delete(c.letters, id)
	for i, key := range c.order {
		if key == id {
			c.order = append(c.order[:i], c.order[i+1:]...)
			return
		}
	}
}

func (c *Courier) underWay() int {
	n := 0
	for _, l := range c.letters {
		if !l.idle() {
			n++
		}
	}
	return n
}

// hurry lets what is urgent go before a statement.
func (c *Courier) hurry() {
	if c.account.giveUp != nil {
		c.account.giveUp()
	}
	c.stir()
}

// stir lets the worker look.
func (c *Courier) stir() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// Run carries until ctx ends.
func (c *Courier) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.work(ctx) })
	if s, ok := c.Venue.(Listener); ok {
		group.Go(func() error { return c.listen(ctx, s) })
	}
	if r, ok := c.Venue.(Runner); ok {
		group.Go(func() error { return r.Run(ctx) })
	}
	return group.Wait()
}

// Listener is a venue that tells by itself when an order has moved. moved is called with its key, or with "" when anything
// may have: after the stream was away. Listen ends with ctx, and by itself only with an error.
type Listener interface {
	Listen(ctx context.Context, moved func(lifeboat.Key)) error
}

// Runner is a venue that has something to do all the time: a session to keep alive. Run ends with ctx, and by itself only
// when going on would be wrong.
type Runner interface {
	Run(ctx context.Context) error
}
