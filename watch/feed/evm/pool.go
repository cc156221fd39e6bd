package evm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/chain/contract"
)

const (
	// queueMax is how many transactions are kept for one series; one that says as many says so many or more.
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

// acting are the methods by which somebody lets a Safe do something: with the owners' signatures, as a module that the owners let in, or
// as an owner who agrees by a transaction instead of a signature. Anybody can call them, and the Safe refuses whom it does not know.
var acting = [][4]byte{
	contract.New("execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)").Selector(),
	contract.New("execTransactionFromModule(address,uint256,bytes,uint8)").Selector(),
	contract.New("execTransactionFromModuleReturnData(address,uint256,bytes,uint8)").Selector(),
	contract.New("approveHash(bytes32)").Selector(),
}

// A turn is a sender's place for one transaction: of all that are made for it, one can be mined.
type turn struct {
	from  common.Address
	nonce uint64
}

type waiter struct {
	hash  common.Hash
	in    []*queue
	since time.Time
	waits bool   // its sender was asked, and it is not mined
	asked uint64 // round of questions in which that was; 0 for none
}

// queue of what waits and counts for one series.
type queue struct {
	series lifeboat.Series
	why    string    // what is said of so many
	own    bool      // it is an account's, and the newest is named
	n      int       // how many it holds
	full   time.Time // when one was last left out because it was full
}

// hearing is how well a node is heard.
type hearing struct {
	since time.Time // without a gap
	spoke time.Time // when it last told of a transaction, of whomever
}

// pool is what waits on a chain for what the plan names: calls of its contracts, and what is sent with the keys of its accounts or asks
// its Safes to act. It is each node's word alone, and a node that lies can invent transactions, or
// call off one that another node tells of; only that none of it is mined is the quorum's word.
type pool struct {
	clock  lifeboat.Clock
	settle time.Duration
	own    func(chain.Waiting) (signed, given bool) // whether lifeboat signed it, and whether a relay is to send its call

	calls, acts, sends map[common.Address][]*queue // :: who is called, what Safe is asked to act, who sends → whose series count it

	mu     sync.Mutex // guards what follows, and what the queues hold
	queues []*queue   // in the order of their series
	kept   map[turn]*waiter
	heard  map[string]*hearing // :: node that tells of its pool
	round  uint64              // of questions to the senders; each is about a block of its own
	behind bool                // not all were asked in this round
	newer  bool                // there is a block that none of them was asked about

	told map[lifeboat.Series]lifeboat.Reading // of the goroutine that tells alone
}

// watchPool prepares what is counted; nil when the plan asks for none of it.
func (s *Source) watchPool() *pool {
	p := &pool{clock: s.Clock, settle: settleUsual, own: s.Own, calls: map[common.Address][]*queue{}, acts: map[common.Address][]*queue{}, sends: map[common.Address][]*queue{},
		kept: map[turn]*waiter{}, heard: map[string]*hearing{}, round: 1, told: map[lifeboat.Series]lifeboat.Reading{}}
	if p.own == nil {
		p.own = func(chain.Waiting) (signed, given bool) { return false, false }
	}
	for _, c := range s.Contracts {
		if q := s.queue(p, c.Name, "%d of the transactions that wait to be mined call it, as far as nodes are heard"); q != nil {
			attend(p.calls, c.Address, q)
			for _, address := range c.Addresses {
				attend(p.calls, address, q)
			}
		}
	}
	for _, a := range s.Accounts {
		why := "%d of the transactions that wait to be mined are signed with its key and not by lifeboat, as far as nodes are heard"
		if a.Safe {
			why = "%d of the transactions that wait to be mined ask it to act or are signed with a key that pays its gas, and not by lifeboat, as far as nodes are heard"
		}
		q := s.queue(p, a.Name, why)
		if q == nil {
			continue
		}
		if q.own = true; !a.Safe {
			attend(p.sends, a.Address, q)
			continue
		}
		attend(p.acts, a.Address, q)
		for _, payer := range a.Payers {
			attend(p.sends, payer, q)
		}
	}
	slices.SortFunc(p.queues, func(x, y *queue) int { return strings.Compare(string(x.series), string(y.series)) })
	if len(p.queues) == 0 {
		return nil
	}
	return p
}

// queue of what the plan calls so, where it asks for one.
func (s *Source) queue(p *pool, name, why string) *queue {
	series := "pending." + name
	if s.levels.find(series, s.Name) < 0 {
		return nil
	}
	q := &queue{series: lifeboat.Series(series), why: why}
	p.queues = append(p.queues, q)
	return q
}

func attend(of map[common.Address][]*queue, address common.Address, q *queue) {
	if address != (common.Address{}) && !slices.Contains(of[address], q) {
		of[address] = append(of[address], q)
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
	called, asked, sent := p.concerns(tx)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	if h := p.heard[node]; h != nil {
		h.spoke = now
	}
	of := turn{tx.From, tx.Nonce}
	w := p.kept[of]
	switch {
	case w != nil && w.hash == tx.Hash:
		return // said by another node
	case w != nil:
		w.leave()
	case len(called)+len(asked)+len(sent) == 0:
		return
	default:
		w = &waiter{}
	}
	w.hash, w.since = tx.Hash, now
	for _, queues := range [...][]*queue{called, asked, sent} {
		for _, q := range queues {
			w.join(q, now)
		}
	}
	if p.kept[of] = w; len(w.in) == 0 {
		delete(p.kept, of)
	}
}

// concerns are the queues of a transaction: of whom it calls, of the Safe that it asks to act, and of who sends it. What lifeboat signed
// itself concerns no account. It is known by its hash: whoever has stolen a key that pays for gas makes others. What a relay signs for it
// is known by what it calls, to the last byte: the Safe does it once, whoever sends it. But who uses an account's key for that concerns it.
func (p *pool) concerns(tx chain.Waiting) (called, asked, sent []*queue) {
	called, sent = p.calls[tx.To], p.sends[tx.From]
	if slices.Contains(acting, tx.Asks) {
		asked = p.acts[tx.To]
	}
	if len(asked)+len(sent) == 0 {
		return called, nil, nil
	}
	switch signed, given := p.own(tx); {
	case signed:
		return called, nil, nil
	case given:
		return called, nil, sent
	}
	return called, asked, sent
}

// join a queue once, if it is not full.
func (w *waiter) join(q *queue, now time.Time) {
	switch {
	case slices.Contains(w.in, q):
	case q.n >= queueMax:
		q.full = now
	default:
		q.n++
		w.in = append(w.in, q)
	}
}

// leave all queues.
func (w *waiter) leave() {
	for _, q := range w.in {
		q.n--
	}
	w.in = w.in[:0]
}

// keep the waiters that are still of interest, and forget the others.
func (p *pool) keep(wanted func(turn, *waiter) bool) {
	maps.DeleteFunc(p.kept, func(t turn, w *waiter) bool {
		gone := !wanted(t, w)
		if gone {
			w.leave()
		}
		return gone
	})
}

// due are the turns whose senders are to be asked: those that never were, and after a new block all, so many at a time. A round is
// ended before the next begins, so that where blocks come faster than questions nobody is left out.
func (p *pool) due(block bool) (turns []turn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	p.keep(func(_ turn, w *waiter) bool { return now.Sub(w.since) < waitsMost })
	if p.newer = p.newer || block; p.newer && !p.behind {
		p.round++
		p.newer = false
	}
	p.behind = false
	for t, w := range p.kept {
		if w.asked == p.round {
			continue
		}
		if p.behind = len(turns) == noncesAtOnce; p.behind {
			return turns
		}
		w.asked = p.round
		turns = append(turns, t)
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
	p.keep(func(t turn, w *waiter) bool {
		n, asked := next[t]
		w.waits = w.waits || asked
		return !asked || n <= float64(t.nonce)
	})
}

// readings of how many wait, as far as it is known: those that have changed, and those that were not told for a while.
func (p *pool) readings(source string) (all []lifeboat.Reading) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	if !p.known(now) {
		return nil
	}
	counts, newest := map[*queue]int{}, map[*queue]*waiter{}
	for _, w := range p.kept {
		for _, q := range w.in {
			if !w.waits {
				continue
			}
			counts[q]++
			if last := newest[q]; last == nil || w.since.After(last.since) {
				newest[q] = w
			}
		}
	}
	for _, q := range p.queues {
		n, last := counts[q], p.told[q.series]
		// What was left out of a full queue may still wait when those in it are mined.
		unsure := q.n < queueMax && !q.full.IsZero() && now.Sub(q.full) < waitsMost
		if unsure || float64(n) == last.Value && now.Sub(last.At) < poolTold {
			continue
		}
		r := lifeboat.Reading{Series: q.series, Source: source, Value: float64(n), At: now}
		if r.Value > last.Value {
			if r.Why = fmt.Sprintf(q.why, n); q.own {
				r.Why += "; the last was " + newest[q].hash.Hex()
			}
		}
		p.told[q.series] = r
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
