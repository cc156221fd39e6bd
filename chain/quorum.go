package chain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ballot is one question to several nodes.
type ballot[T any] struct {
	step string // as people are told of it
	need int    // how many have to say alike
	// ask one node; what it says alike with others has the same key.
	ask func(context.Context, *node) (answer T, key string, err error)
	// tell says in what two answers differ; nil tells nothing.
	tell func(mine, other T) string
}

// Disagreement says which node said what. It is an [ErrDisagree].
type Disagreement struct {
	Step string
	Said []Saying
}

// Saying is what some of the nodes say alike.
type Saying struct {
	Hosts []string
	What  string
}

func (d *Disagreement) Error() string {
	var parts []string
	for _, s := range d.Said {
		part := strings.Join(s.Hosts, ", ")
		if s.What != "" {
			part += ": " + s.What
		}
		parts = append(parts, part)
	}
	return fmt.Sprintf("%s: %s (%s)", d.Step, ErrDisagree, strings.Join(parts, "; "))
}

func (d *Disagreement) Unwrap() error { return ErrDisagree }

// unreachable is an [ErrUnreachable] with what each node said instead of an answer.
type unreachable struct {
	step      string
	got, need int
	faults    []error
}

func (u *unreachable) Error() string {
	var parts []string
	for _, err := range u.faults {
		parts = append(parts, err.Error())
	}
	text := fmt.Sprintf("%s: %s: %d of the %d that are needed", u.step, ErrUnreachable, u.got, u.need)
	if len(parts) > 0 {
		text += " (" + strings.Join(parts, "; ") + ")"
	}
	return text
}

func (u *unreachable) Unwrap() error { return ErrUnreachable }

type vote[T any] struct {
	node   *node
	answer T
	key    string
	err    error
}

// agree asks as many nodes as have to say alike, and more where that is not enough, and ends with what enough of them say. Those
// that said something else are remembered for it.
func agree[T any](ctx context.Context, c *Chain, b ballot[T]) (T, error) {
	var none T
	cast, faults, err := gather(ctx, c, b, func(cast []vote[T]) int { return b.need - most(cast) })
	if err != nil {
		return none, err
	}
	winner, ok := elected(cast, b.need)
	if !ok {
		return none, undecided(b, cast, faults)
	}
	for _, v := range cast {
		if v.key != winner.key {
			v.node.dissented(dissent(b, v.answer, winner.answer))
			c.log.Warn("a node says something else than the others", "chain", c.network.Name, "node", v.node.host, "step", b.step)
		}
	}
	return winner.answer, nil
}

// gather asks nodes, in the order of their standing, until no answer is missing or all have been asked: one more whenever one
// fails, is slow, or says what does not help.
func gather[T any](ctx context.Context, c *Chain, b ballot[T], missing func(cast []vote[T]) int) (cast []vote[T], faults []error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	order := c.order()
	votes := make(chan vote[T], len(order))
	waiting := 0
	launch := func() {
		if len(order) > 0 {
			go b.put(ctx, order[0], votes)
			order, waiting = order[1:], waiting+1
		}
	}
	slow := c.after(ctx, c.hedgeDelay())
	for {
		short := missing(cast)
		for waiting < short && len(order) > 0 {
			launch()
		}
		if short <= 0 || waiting == 0 {
			return cast, faults, nil
		}
		select {
		case v := <-votes:
			waiting--
			if v.err != nil {
				faults = append(faults, v.err)
			} else {
				cast = append(cast, v)
			}
		case <-slow:
			launch()
			slow = nil
			if len(order) > 0 {
				slow = c.after(ctx, c.hedgeDelay())
			}
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// canvass asks all nodes at once, until it is enough, or all have answered, or as many as are needed have and the others are slow.
func canvass[T any](ctx context.Context, c *Chain, b ballot[T], enough func(cast []vote[T]) bool) (cast []vote[T], err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	votes := make(chan vote[T], len(c.nodes))
	for _, n := range c.nodes {
		go b.put(ctx, n, votes)
	}
	var faults []error
	var slow <-chan struct{}
	for range c.nodes {
		select {
		case v := <-votes:
			if v.err != nil {
				faults = append(faults, v.err)
				continue
			}
			if cast = append(cast, v); enough(cast) {
				return cast, nil
			}
			if len(cast) >= b.need && slow == nil {
				slow = c.after(ctx, c.hedgeDelay())
			}
		case <-slow:
			return cast, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if len(cast) < b.need {
		return nil, &unreachable{step: b.step, got: len(cast), need: b.need, faults: faults}
	}
	return cast, nil
}

// put the question to one node.
func (b ballot[T]) put(ctx context.Context, n *node, votes chan<- vote[T]) {
	answer, key, err := b.ask(ctx, n)
	if err != nil {
		err = n.failed(ctx, b.step, err)
	} else {
		n.served()
	}
	votes <- vote[T]{n, answer, key, err}
}

func dissent[T any](b ballot[T], mine, other T) string {
	if b.tell == nil {
		return b.step
	}
	return b.step + ": " + b.tell(mine, other)
}

// elected finds an answer that enough nodes gave.
func elected[T any](cast []vote[T], need int) (vote[T], bool) {
	for _, v := range cast {
		if count(cast, v.key) >= need {
			return v, true
		}
	}
	return vote[T]{}, false
}

func count[T any](cast []vote[T], key string) (n int) {
	for _, v := range cast {
		if v.key == key {
			n++
		}
	}
	return n
}

func most[T any](cast []vote[T]) (n int) {
	for _, v := range cast {
		n = max(n, count(cast, v.key))
	}
	return n
}

// undecided says why there is no answer: they say different things, or too few say anything.
func undecided[T any](b ballot[T], cast []vote[T], faults []error) error {
	d := &Disagreement{Step: b.step}
	var groups [][]vote[T]
	for _, v := range cast {
		i := slices.IndexFunc(groups, func(g []vote[T]) bool { return g[0].key == v.key })
		if i < 0 {
			groups = append(groups, nil)
			i = len(groups) - 1
		}
		groups[i] = append(groups[i], v)
	}
	if len(groups) < 2 {
		return &unreachable{step: b.step, got: len(cast), need: b.need, faults: faults}
	}
	for i, group := range groups {
		var s Saying
		for _, v := range group {
			s.Hosts = append(s.Hosts, v.node.host)
		}
		if b.tell != nil {
			s.What = group[0].node.plain(b.tell(group[0].answer, groups[(i+1)%len(groups)][0].answer))
		}
		d.Said = append(d.Said, s)
	}
	return d
}

// order of the nodes to ask.
func (c *Chain) order() []*node {
	type place struct {
		node    *node
		rank    int
		latency time.Duration
	}
	now := c.clock.Now()
	places := make([]place, len(c.nodes))
	for i, n := range c.nodes {
		rank, latency := n.standing(now)
		places[i] = place{n, rank, latency}
	}
	slices.SortStableFunc(places, func(a, b place) int { return cmp.Or(a.rank-b.rank, cmp.Compare(a.latency, b.latency)) })
	nodes := make([]*node, len(places))
	for i, p := range places {
		nodes[i] = p.node
	}
	return nodes
}

const (
	hedgeMin   = 150 * time.Millisecond
	hedgeUsual = 800 * time.Millisecond
)

// hedgeDelay is how long an answer may take before one more node is asked: four times what the quickest nodes usually take, as
// the configuration does not fix it.
func (c *Chain) hedgeDelay() time.Duration {
	if c.hedge > 0 {
		return c.hedge
	}
	var latencies []time.Duration
	for _, n := range c.nodes {
		if _, latency := n.standing(c.clock.Now()); latency > 0 {
			latencies = append(latencies, latency)
		}
	}
	if len(latencies) == 0 {
		return hedgeUsual
	}
	slices.Sort(latencies)
	return min(max(4*latencies[len(latencies)/2], hedgeMin), 2*time.Second)
}

// after is closed after a while, or with ctx.
func (c *Chain) after(ctx context.Context, d time.Duration) <-chan struct{} {
	done := make(chan struct{})
	until := c.clock.Now().Add(d)
	go func() {
		defer close(done)
		c.clock.Sleep(ctx, until)
	}()
	return done
}

// lacking reports that so many nodes say of themselves that they cannot answer that no quorum of the others is left: asking
// again does not help.
func (c *Chain) lacking(err error, why class) bool {
	u, ok := errors.AsType[*unreachable](err)
	if !ok {
		return false
	}
	lacking := 0
	for _, f := range u.faults {
		if classOf(f) == why {
			lacking++
		}
	}
	return lacking > 0 && len(c.nodes)-lacking < u.need
}

// faultOf reports that one of the nodes failed in one of these ways where too few answered.
func faultOf(err error, ways ...class) bool {
	u, ok := errors.AsType[*unreachable](err)
	return ok && slices.ContainsFunc(u.faults, func(f error) bool { return slices.Contains(ways, classOf(f)) })
}
