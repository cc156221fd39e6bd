package task

import (
	"context"
	"errors"
	"time"

	"lifeboat"
)

// Hold says of which tasks nothing more may begin for now, and why: of all that are not named it may. What is not begun waits; what is under
// way is told by [Progress].Held, and the time until it may go on counts against no limit. It is not durable: whoever starts again says it
// before anything else.
func (c *Crew) Hold(why map[lifeboat.Key]string) {
	c.mu.Lock()
	now, changed := c.Clock.Now(), false
	c.holds = why
	for key, w := range c.under {
		changed = w.hold(why[key], now) || changed
	}
	if changed {
		close(c.changed)
		c.changed = make(chan struct{})
	}
	c.mu.Unlock()
	if changed && c.Wake != nil {
		c.Wake()
	}
}

// hold reports that it is news whether a task is held. It is called with the crew's mu held.
func (w *underWay) hold(why string, now time.Time) (news bool) {
	switch {
	case w.goesOn:
		return false
	case w.held == "" && why != "":
		w.since = now
	case w.held != "" && why == "":
		w.spared += now.Sub(w.since)
	}
	news, w.held = w.held != why, why
	return news
}

// held says why nothing more of a task may begin, and closes changed when that may have changed.
func (c *Crew) held(w *underWay) (why string, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return w.held, c.changed
}

// within is a context that ends when a task has had its time. Of a worker's, that in which it was held does not count; our own kinds are not
// held once they are under way.
func (c *Crew) within(limit time.Duration, kind string, w *underWay) (context.Context, context.CancelFunc) {
	if c.Workers[kind] == nil {
		return context.WithTimeout(c.ctx, limit)
	}
	ctx, cancel := context.WithCancel(c.ctx)
	go func() {
		for left := limit; left > 0; left = c.spared(ctx, w) {
			spell, end := context.WithTimeout(ctx, left)
			<-spell.Done()
			end()
		}
		cancel()
	}()
	return ctx, cancel
}

// spared is the time that a task was held and did not get back yet. While it is held that is not known: it waits until it is not.
func (c *Crew) spared(ctx context.Context, w *underWay) time.Duration {
	for from := c.Clock.Now(); ctx.Err() == nil; {
		why, changed := c.held(w)
		if why == "" {
			c.mu.Lock()
			defer c.mu.Unlock()
			spared := w.spared - c.Clock.Now().Sub(from)
			w.spared = 0
			return spared
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return 0
}

// errStopped says that a task was stopped before its turn came.
var errStopped = errors.New("it was stopped")

// turn waits until a task may begin: until it is not held, and a slot is free. A task that is held keeps no slot from others. What may be out
// already is not kept waiting, since only its work can tell what is; that heeds what holds it. The slot is given back with free.
func (c *Crew) turn(n note, w *underWay) (free func(), err error) {
	fresh := n.State == taken && !c.Shared // else another machine may have begun it, for all that is known here
	slots := c.slots
	if c.Workers[n.Kind] != nil {
		slots = c.desks
	}
	var never <-chan struct{} // that it was stopped while it waits for its turn
	if fresh {
		never = w.stop
	}
	for {
		why, changed := c.held(w)
		mayBegin := slots
		if why != "" && (fresh || c.Workers[n.Kind] == nil) {
			mayBegin = nil
		}
		select {
		case <-changed:
			continue
		case mayBegin <- struct{}{}:
		case <-never:
			return nil, errStopped
		case <-c.ctx.Done():
			return nil, c.ctx.Err()
		}
		if c.goes(n.Kind, w, why) {
			return func() { <-slots }, c.ctx.Err()
		}
		<-slots // it was held at the same moment
	}
}

// goes begins a task, unless it is news by now what holds it. Of one of our own kinds nothing is held from then on.
func (c *Crew) goes(kind string, w *underWay, why string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.held != why {
		return false
	}
	w.goesOn = c.Workers[kind] == nil
	return true
}
