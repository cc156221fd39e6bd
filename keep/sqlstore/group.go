package sqlstore

import (
	"errors"
	"sync"
	"time"

	"lifeboat"
	"lifeboat/keep/journal"
)

// Group lets callers who append at the same time share one transaction, since it is the sync to the disk that takes the
// time. Whoever finds nobody committing leads: he seals what everybody who waits has brought, commits it at once, and
// passes the lead on to the first of those who came meanwhile. A caller on his own is his own leader and waits for nobody.
//
// The events of one caller stay together and in order, and one caller's event that cannot be recorded is refused to him
// alone. After a transaction that failed everything is refused: nobody knows what the disk holds.
type Group struct {
	// commit makes the entries durable after the one before them, all or none. Its error is told to every caller.
	commit func(before journal.Entry, sealed []journal.Entry) error
	seats  chan struct{} // of those who wait; who finds none waits for one

	mu      sync.Mutex
	idle    sync.Cond // nobody leads
	queue   []*caller // in the order in which they came; the leader is the first
	leading bool
	head    journal.Entry
	failed  error // set for ever by the first commit that fails, and by Close
}

const (
	callersMax = 1024 // who wait in the queue
	eventsMax  = 4096 // in one transaction, unless a single caller brings more
)

// A caller waits in the queue until his turn says that he leads, or that all is done.
type caller struct {
	at     time.Time
	events []lifeboat.Event
	turn   chan bool // true: lead; false: err says how it went
	err    error
}

// NewGroup goes on after the given head.
func NewGroup(head journal.Entry, commit func(before journal.Entry, sealed []journal.Entry) error) *Group {
	g := &Group{commit: commit, seats: make(chan struct{}, callersMax), head: head}
	g.idle.L = &g.mu
	return g
}

// Append implements [journal.Store]: durable when it returns nil.
func (g *Group) Append(at time.Time, events ...lifeboat.Event) error {
	g.seats <- struct{}{}
	defer func() { <-g.seats }()
	c := &caller{at: at, events: events, turn: make(chan bool, 1)}
	if g.join(c) || <-c.turn {
		g.lead()
	}
	return c.err
}

// join puts a caller into the queue; true when he leads at once.
func (g *Group) join(c *caller) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue = append(g.queue, c)
	if g.leading {
		return false
	}
	g.leading = true
	return true
}

// lead commits what the first callers of the queue brought, and passes the lead on.
func (g *Group) lead() {
	group := g.write()
	for _, c := range group[1:] {
		c.turn <- false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) > 0 {
		g.queue[0].turn <- true
		return
	}
	g.leading = false
	g.idle.Broadcast()
}

// write takes as many callers as fit into one transaction, and carries it out without holding up those who come.
func (g *Group) write() []*caller {
	g.mu.Lock()
	group := g.take()
	before, failed := g.head, g.failed
	g.mu.Unlock()

	var sealed []journal.Entry
	if failed == nil {
		sealed = seal(before, group)
	}
	if len(sealed) > 0 {
		failed = g.commit(before, sealed)
	}

	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case failed != nil:
		if g.failed == nil {
			g.failed = failed
		}
		for _, c := range group {
			if c.err == nil {
				c.err = failed
			}
		}
	case len(sealed) > 0:
		g.head = sealed[len(sealed)-1]
	}
	return group
}

func (g *Group) take() []*caller {
	n, events := 1, len(g.queue[0].events)
	for n < len(g.queue) && events+len(g.queue[n].events) <= eventsMax {
		events += len(g.queue[n].events)
		n++
	}
	group := g.queue[:n:n]
	g.queue = g.queue[n:]
	return group
}

// seal chains what the callers brought, one caller after the other. Whose events cannot be recorded is left out.
func seal(before journal.Entry, group []*caller) (sealed []journal.Entry) {
	for _, c := range group {
		var own []journal.Entry
		if own, c.err = journal.SealAll(before, c.at, c.events); c.err == nil && len(own) > 0 {
			sealed = append(sealed, own...)
			before = own[len(own)-1]
		}
	}
	return sealed
}

// Head implements [journal.Reader]: the last entry that was written here or found.
func (g *Group) Head() (journal.Entry, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.head, g.head.Seq > 0
}

// Fence fails when nothing can be written here any more.
func (g *Group) Fence() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failed
}

// ErrClosed is what a store says that is no longer open.
var ErrClosed = errors.New("the journal is closed")

// Close refuses everything from now on and waits for the transaction that is under way. It is false for the second time.
func (g *Group) Close() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if errors.Is(g.failed, ErrClosed) {
		return false
	}
	g.failed = ErrClosed
	for g.leading {
		g.idle.Wait()
	}
	return true
}
