package courier

import (
	"context"
	"errors"
	"time"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/rest"
)

// A job is one call to the venue, and what it leaves behind.
type job func(ctx context.Context)

// work does one job after the other; while there is none it sleeps until one is due or somebody brings one.
func (c *Courier) work(ctx context.Context) error {
	for ctx.Err() == nil {
		todo, due := c.pick(c.Clock.Now())
		if todo != nil {
			todo(ctx)
			continue
		}
		asleep, cancel := context.WithCancel(ctx)
		slept := make(chan struct{})
		go func() {
			defer close(slept)
			_ = c.Clock.Sleep(asleep, due)
		}()
		select {
		case <-c.news:
		case <-slept:
		}
		cancel()
		<-slept
	}
	return ctx.Err()
}

// sleepMost is how long the worker sleeps at the most.
const sleepMost = time.Minute

// pick chooses what is most urgent now: cancellations, orders, questions that somebody waits for, the list, open orders whose
// turn it is, the statement. It says when something is due where there is nothing to do yet.
func (c *Courier) pick(now time.Time) (todo job, due time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	due = now.Add(sleepMost)
	for _, urgent := range []func(*letter) bool{
		func(l *letter) bool { return l.cancel && l.place == nil },
		func(l *letter) bool { return l.place != nil },
		func(l *letter) bool { return l.ask },
	} {
		for _, id := range c.order {
			l := c.letters[id]
			if l.busy || !urgent(l) {
				continue
			}
			if !l.held.After(now) {
				return c.begin(id, l), due
			}
			due = earlier(due, l.held)
		}
	}
	if c.list.wanted && !c.list.busy {
		c.list.busy = true
		return c.fetchList(c.list.since), due
	}
	for _, id := range c.order {
		l := c.letters[id]
		if l.busy || l.next.IsZero() {
			continue
		}
		if !l.next.After(now) {
			return c.begin(id, l), due
		}
		due = earlier(due, l.next)
	}
	if _, can := c.Venue.(venue.Stater); can && c.Every > 0 {
		if !c.account.next.After(now) {
			return c.fetchState, due
		}
		due = earlier(due, c.account.next)
	}
	return nil, due
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// begin takes a letter in hand.
func (c *Courier) begin(id lifeboat.Key, l *letter) job {
	l.busy = true
	switch {
	case l.cancel && l.place == nil:
		return func(ctx context.Context) { c.cancel(ctx, id, l) }
	case l.place != nil:
		order := *l.place
		return func(ctx context.Context) { c.place(ctx, id, l, order) }
	}
	return func(ctx context.Context) { c.ask(ctx, id, l) }
}

// place lets one order leave the house. Whatever comes of it, it is not sent again by itself: what is not known is asked.
func (c *Courier) place(ctx context.Context, id lifeboat.Key, l *letter, o lifeboat.Order) {
	if err := c.fence(); err != nil {
		c.settle(l, func() { l.problem, l.held = err.Error(), c.Clock.Now().Add(doubtMost) })
		return
	}
	receipt, err := c.Venue.Place(ctx, c.Clock.Now(), o)
	c.settle(l, func() {
		if held, wait := notSent(err); held { // the order is still here
			c.noteProblem(err)
			l.problem, l.held = err.Error(), c.Clock.Now().Add(wait)
			return
		}
		l.place = nil
		c.learn(id, l, receipt, err)
	})
}

// notSent reports an order that provably did not leave: the budget of requests is used up.
func notSent(err error) (bool, time.Duration) {
	e, ok := rest.As(err)
	if !ok || e.Reached || !e.Throttled {
		return false, 0
	}
	return true, max(e.RetryAfter, time.Second)
}

func (c *Courier) cancel(ctx context.Context, id lifeboat.Key, l *letter) {
	if err := c.fence(); err != nil {
		c.settle(l, func() { l.problem, l.held = err.Error(), c.Clock.Now().Add(doubtMost) })
		return
	}
	receipt, err := c.Venue.Cancel(ctx, c.Clock.Now(), id)
	c.settle(l, func() {
		l.cancel, l.told, l.canceled = false, true, err
		if err == nil {
			c.learn(id, l, receipt, nil)
		} else if !errors.Is(err, lifeboat.ErrAbsent) {
			c.noteProblem(err)
			l.held = c.Clock.Now().Add(pauseOf(err, doubtFirst))
			l.next = l.held
		}
	})
}

func (c *Courier) ask(ctx context.Context, id lifeboat.Key, l *letter) {
	receipt, err := c.Venue.Ask(ctx, c.Clock.Now(), id)
	c.settle(l, func() {
		l.ask = false
		c.learn(id, l, receipt, err)
	})
}

func (c *Courier) fence() error {
	if c.Fence == nil {
		return nil
	}
	return c.Fence()
}

// settle writes down what came of a job, and wakes whoever waits.
func (c *Courier) settle(l *letter, what func()) {
	c.mu.Lock()
	l.busy = false
	before := *l
	what()
	news := before.receipt.Status != l.receipt.Status || !before.receipt.Filled.Equal(l.receipt.Filled) || !l.absent.IsZero() || l.told
	c.mu.Unlock()
	if news && c.Wake != nil {
		c.Wake()
	}
}

// learn files an answer. Totals never go back: a reply that was overtaken says less than what is known.
func (c *Courier) learn(id lifeboat.Key, l *letter, r lifeboat.Receipt, err error) {
	now := c.Clock.Now()
	switch {
	case errors.Is(err, lifeboat.ErrAbsent):
		c.noteAnswer()
		l.next, l.pause, l.problem = time.Time{}, 0, ""
		if l.receipt.Status == "" { // what was confirmed once is not absent because it is denied now
			l.absent = now
		} else {
			l.next = now.Add(openMost)
		}
	case err != nil:
		c.noteProblem(err)
		l.problem = err.Error()
		l.pause = min(max(2*l.pause, doubtFirst), doubtMost)
		l.next = now.Add(pauseOf(err, l.pause))
	case r.Status == lifeboat.Unknown || r.Status == "":
		c.noteAnswer()
		l.problem = r.Why
		l.pause = min(max(2*l.pause, doubtFirst), doubtMost)
		l.next = now.Add(l.pause)
	default:
		c.noteAnswer()
		c.take(l, r, now)
	}
}

// take files a receipt.
func (c *Courier) take(l *letter, r lifeboat.Receipt, now time.Time) {
	moved := r.Status != l.receipt.Status || !r.Filled.Equal(l.receipt.Filled)
	overtaken := r.Filled.LessThan(l.receipt.Filled) || l.receipt.Status.Final() && !r.Status.Final()
	if moved && !overtaken {
		l.receipt, l.pause = r, 0
		c.account.next = earlier(c.account.next, now) // the statement is out of date
	}
	l.problem, l.next = "", time.Time{}
	if !l.receipt.Status.Final() {
		l.pause = min(max(2*l.pause, openFirst), openMost)
		l.next = now.Add(l.pause)
	}
}

// pauseOf a failed call: what the venue asked for, or else the one at hand.
func pauseOf(err error, pause time.Duration) time.Duration {
	if e, ok := rest.As(err); ok && e.RetryAfter > pause {
		return e.RetryAfter
	}
	return pause
}

// noteAnswer and noteProblem follow how the way to the venue is.
func (c *Courier) noteAnswer() {
	c.health.LastOK, c.health.Problem, c.health.Since = c.Clock.Now(), "", time.Time{}
}

func (c *Courier) noteProblem(err error) {
	if errors.Is(err, context.Canceled) {
		return // lifeboat stops
	}
	if c.health.Problem == "" {
		c.health.Since = c.Clock.Now()
	}
	c.health.Problem = err.Error()
}

// fetchList asks for the orders that the venue has.
func (c *Courier) fetchList(since time.Time) job {
	return func(ctx context.Context) {
		asked := c.Clock.Now()
		orders, err := c.Venue.Since(ctx, asked, since)
		c.mu.Lock()
		if c.list = (listing{since: since, err: err}); err == nil {
			c.list.orders, c.list.at = orders, asked
			c.noteAnswer()
		} else {
			c.noteProblem(err)
		}
		c.mu.Unlock()
		if c.Wake != nil && err == nil { // a failure is met when the flow asks again
			c.Wake()
		}
	}
}

// fetchState asks what the account holds.
func (c *Courier) fetchState(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.mu.Lock()
	c.account.giveUp = cancel
	c.mu.Unlock()
	s, err := c.Venue.(venue.Stater).State(ctx, c.Clock.Now())
	c.mu.Lock()
	c.account.giveUp = nil
	c.account.next = c.Clock.Now().Add(c.Every)
	if ctx.Err() != nil { // an order came, or lifeboat stops
		c.account.next = c.Clock.Now().Add(doubtFirst)
	} else if err != nil {
		c.noteProblem(err)
		c.account.next = c.Clock.Now().Add(pauseOf(err, min(c.Every, doubtMost)))
	} else {
		c.noteAnswer()
		c.account.statement = &s
		for _, r := range s.Placed {
			if l := c.letters[r.Key]; l != nil && l.receipt.Status != "" {
				c.take(l, r, c.Clock.Now())
			}
		}
	}
	c.mu.Unlock()
	if err == nil && c.Wake != nil {
		c.Wake()
	}
}

// listen asks after orders that the venue's stream speaks of; after a gap, after all that are open.
func (c *Courier) listen(ctx context.Context, s Listener) error {
	pause := doubtFirst
	for ctx.Err() == nil {
		began := c.Clock.Now()
		err := s.Listen(ctx, c.moved)
		if ctx.Err() != nil {
			break
		}
		c.mu.Lock()
		c.noteProblem(err)
		c.mu.Unlock()
		if c.Clock.Now().Sub(began) > doubtMost { // it worked for a while
			pause = doubtFirst
		}
		if c.Clock.Sleep(ctx, c.Clock.Now().Add(pause)) != nil {
			break
		}
		pause = min(2*pause, doubtMost)
	}
	return ctx.Err()
}

func (c *Courier) moved(id lifeboat.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range c.order {
		if l := c.letters[key]; (id == "" || key == id) && l.place == nil && l.open() && l.absent.IsZero() {
			l.next = earlier(l.next, c.Clock.Now())
			l.ask = true
		}
	}
	c.stir()
}
