package evm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/chain"
)

const (
	// queueMax is how many transactions to one address are kept; a series that says as many says so many or more.
	queueMax = 64
	// waitsMost is how long a transaction is kept that no block takes. What waits longer is no notice of what comes next.
	waitsMost = 10 * time.Minute
	// settleUsual is how long a node has to be heard without a gap before it is believed that it says all that there is.
	settleUsual = time.Minute
	// silentMost is how long a node may tell of no transaction at all and still be one that tells of its pool.
	silentMost = 5 * time.Minute
	// noncesAtOnce is how many senders are asked at once how many transactions of theirs are mined.
	noncesAtOnce = 100
	// poolEvery is how often what waits is looked at, and poolTold how often it is told though it has not changed.
	poolEvery = time.Second
	poolTold  = 10 * time.Second
)

// A turn is a sender's place for one transaction: of all that are made for it, one can be mined.
type turn struct {
	from  common.Address
	nonce uint64
}

type waiter struct {
	turn
	hash  common.Hash
	since time.Time
	waits bool   // its sender was asked, and it is not mined
	asked uint64 // round of questions in which that was; 0 for none
}

// queue of an address that is watched: what waits to call it, oldest first.
type queue struct {
	series  []lifeboat.Series // that count it
	waiters []waiter
	full    time.Time // when one was last left out because the queue was full
}

// hearing is how well a node is heard.
type hearing struct {
	since time.Time // without a gap
	spoke time.Time // when it last told of a transaction, of whomever
}

// pool is what waits on a chain for what the plan names. It is each node's word alone, and a node that lies can invent transactions, or
// call off one that another node tells of; only that none of it is mined is the quorum's word.
type pool struct {
	clock  lifeboat.Clock
	settle time.Duration

	mu     sync.Mutex // guards what follows
	queues map[common.Address]*queue
	at     map[turn]common.Address // :: a turn that is kept → the address that it waits for
	heard  map[string]*hearing     // :: node that tells of its pool
	round  uint64                  // of questions to the senders; each is about a block of its own
	behind bool                    // not all were asked in this round
	newer  bool                    // there is a block that none of them was asked about

	told map[lifeboat.Series]lifeboat.Reading // of the goroutine that tells alone
}

// watchPool prepares what is counted; nil when the plan asks for none of it.
func (s *Source) watchPool() *pool {
	p := &pool{clock: s.Clock, settle: settleUsual, queues: map[common.Address]*queue{}, at: map[turn]common.Address{}, heard: map[string]*hearing{}, round: 1,
		told: map[lifeboat.Series]lifeboat.Reading{}}
	for _, c := range s.Contracts {
		series := "pending." + c.Name
		if s.levels.find(series, s.Name) < 0 {
			continue
		}
		p.watch(c.Address, lifeboat.Series(series))
		for _, address := range c.Addresses {
			p.watch(address, lifeboat.Series(series))
		}
	}
	if len(p.queues) == 0 {
		return nil
	}
	return p
}

func (p *pool) watch(address common.Address, series lifeboat.Series) {
	q := p.queues[address]
	if q == nil {
		q = &queue{}
		p.queues[address] = q
	}
	if !slices.Contains(q.series, series) {
		q.series = append(q.series, series)
	}
}

// Listening begins to count what a node says, or ends it.
func (p *pool) Listening(node string, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !on {
		delete(p.heard, node)
		return
	}
	p.heard[node] = &hearing{since: p.clock.Now()}
}

// Missed is a gap.
func (p *pool) Missed(node string, _ int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.heard[node]; h != nil {
		h.since = p.clock.Now()
	}
}

// Waits notes a transaction, in the place of one that it replaces. It allocates nothing for those that concern nobody.
func (p *pool) Waits(node string, tx chain.Waiting) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	if h := p.heard[node]; h != nil {
		h.spoke = now
	}
	of := turn{tx.From, tx.Nonce}
	q := p.queues[tx.To]
	before, kept := p.at[of]
	if kept && !p.replace(before, of, tx) || q == nil {
		return
	}
	if len(q.waiters) >= queueMax {
		q.full = now
		return
	}
	q.waiters = append(q.waiters, waiter{turn: of, hash: tx.Hash, since: now})
	p.at[of] = tx.To
}

// replace what waits at the same turn; false when that is the same transaction, said by another node, or one to the same address.
func (p *pool) replace(at common.Address, of turn, tx chain.Waiting) (gone bool) {
	q := p.queues[at]
	i := slices.IndexFunc(q.waiters, func(w waiter) bool { return w.turn == of })
	switch {
	case q.waiters[i].hash == tx.Hash:
		return false
	case at == tx.To:
		q.waiters[i].hash, q.waiters[i].since = tx.Hash, p.clock.Now()
		return false
	}
	q.waiters = slices.Delete(q.waiters, i, i+1)
	delete(p.at, of)
	return true
}

// keep the waiters that are still of interest, and forget the others.
func (p *pool) keep(wanted func(waiter) bool) {
	for _, q := range p.queues {
		q.waiters = slices.DeleteFunc(q.waiters, func(w waiter) bool {
			gone := !wanted(w)
			if gone {
				delete(p.at, w.turn)
			}
			return gone
		})
	}
}

// due are the turns whose senders are to be asked: those that never were, and after a new block all, so many at a time. A round is
// ended before the next begins, so that where blocks come faster than questions nobody is left out.
func (p *pool) due(block bool) (turns []turn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	p.keep(func(w waiter) bool { return now.Sub(w.since) < waitsMost })
	if p.newer = p.newer || block; p.newer && !p.behind {
		p.round++
		p.newer = false
	}
	p.behind = false
	for _, q := range p.queues {
		for i := range q.waiters {
			w := &q.waiters[i]
			if w.asked == p.round {
				continue
			}
			if p.behind = len(turns) == noncesAtOnce; p.behind {
				return turns
			}
			w.asked = p.round
			turns = append(turns, w.turn)
		}
	}
	return turns
}

// mined takes what senders have sent, and lets go what is in a block, itself or another of its turn.
func (p *pool) mined(turns []turn, sent []chain.Answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := make(map[turn]float64, len(turns))
	for i, t := range turns {
		if len(sent[i].Data) >= 32 { // what is no number leaves it in doubt, and it does not count
			next[t] = number(sent[i].Data[:32])
		}
	}
	p.keep(func(w waiter) bool {
		n, asked := next[w.turn]
		return !asked || n <= float64(w.nonce)
	})
	for _, q := range p.queues {
		for i := range q.waiters {
			if _, asked := next[q.waiters[i].turn]; asked {
				q.waiters[i].waits = true
			}
		}
	}
}

// readings of how many wait, as far as it is known: those that have changed, and those that were not told for a while.
func (p *pool) readings(source string) (all []lifeboat.Reading) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	if !p.known(now) {
		return nil
	}
	counts, unsure := map[lifeboat.Series]float64{}, map[lifeboat.Series]bool{}
	for _, q := range p.queues {
		n := 0.0
		for _, w := range q.waiters {
			n += flag(w.waits)
		}
		for _, series := range q.series {
			counts[series] += n
			// What was left out of a full queue may still wait when those in it are mined.
			unsure[series] = unsure[series] || len(q.waiters) < queueMax && !q.full.IsZero() && now.Sub(q.full) < waitsMost
		}
	}
	for _, series := range slices.Sorted(maps.Keys(counts)) {
		n, last := counts[series], p.told[series]
		if unsure[series] || n == last.Value && now.Sub(last.At) < poolTold {
			continue
		}
		r := lifeboat.Reading{Series: series, Source: source, Value: n, At: now}
		if n > last.Value {
			r.Why = fmt.Sprintf("%.0f of the transactions that wait to be mined call it, as far as nodes are heard", n)
		}
		p.told[series] = r
		all = append(all, r)
	}
	return all
}

// known reports that a node is heard well enough for what it does not say to mean something. One that tells of nobody's
// transactions sees none, as nodes of rollups do, and its silence is no news.
func (p *pool) known(now time.Time) bool {
	for _, h := range p.heard {
		if now.Sub(h.since) >= p.settle && !h.spoke.IsZero() && now.Sub(h.spoke) < silentMost {
			return true
		}
	}
	return false
}

// overhear what waits, until ctx ends.
func (s *Source) overhear(ctx context.Context, deliver func([]lifeboat.Reading, []error)) error {
	ended := make(chan error, 1)
	go func() { ended <- s.Node.Overhear(ctx, s.pool) }()
	defer func() { <-ended }()
	for {
		if err := s.Clock.Sleep(ctx, s.Clock.Now().Add(poolEvery)); err != nil {
			return err
		}
		select {
		case err := <-ended:
			ended <- err
			if errors.Is(err, chain.ErrNoPool) {
				s.complain(deliver, "hear what waits to be mined", err)
				return nil
			}
			return err
		default:
		}
		err := s.clear(ctx)
		if s.complain(deliver, "ask what of that which waited is mined", err); err != nil {
			continue
		}
		if readings := s.pool.readings(s.Name); len(readings) > 0 {
			deliver(readings, nil)
		}
	}
}

// clear the pool of what is mined, by how many transactions their senders have sent at the newest block. That is one question for
// each, which the quorum answers, and it finds out as well where another one was mined in their place.
func (s *Source) clear(ctx context.Context) error {
	s.mu.Lock()
	block := s.block.Hash
	s.mu.Unlock()
	turns := s.pool.due(block != s.cleared)
	s.cleared = block
	if len(turns) == 0 {
		return nil
	}
	queries := make([]chain.Query, len(turns))
	for i, t := range turns {
		queries[i] = chain.Query{What: chain.Nonce, To: t.from}
	}
	answers, _, err := s.Node.Read(ctx, nil, queries)
	if err != nil {
		s.cleared = common.Hash{} // all are asked again
		return err
	}
	if len(answers) != len(turns) {
		return fmt.Errorf("%d senders got %d answers", len(turns), len(answers))
	}
	s.pool.mined(turns, answers)
	return nil
}
