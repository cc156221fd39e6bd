// Package evm says what goes on on an EVM chain, as readings: how far a debt is from liquidation, how much could still be
// withdrawn and for how long, who replaced which code, what a vote decided and when it takes effect, whether an oracle still
// speaks, and whether the chain itself does.
//
// A [Source] follows one chain block by block. What can be read of the state is read, at the block that the readings are
// about, by the quorum of the chain's nodes; what leaves no trace in the state – that something happened – is counted from
// the logs, in windows, and each count has the sentence that explains it. A reorganisation takes both back. What the
// quorum does not say alike is not told, so that its series go stale and never look calm. Where the source stopped it goes on,
// by a checkpoint that is saved with the counts; what happened while it was away is counted like anything else.
//
// What waits to be mined is the one thing that a node says alone: it is heard where the plan asks for it, and only that none of it is
// mined is the quorum's word.
//
// It sends nothing, decides nothing, and believes no single node in anything else. Which series there are is for the plan; how a
// protocol is read, for chain/protocol.
package evm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/plan"
)

// Node is the way to the chain, as [chain.Chain] is one.
type Node interface {
	chain.Reader
	// Follow tells every block from the checkpoint on, once on each branch, and what a reorganisation takes back.
	Follow(ctx context.Context, from chain.Checkpoint, filter chain.Filter, step func(chain.Step) error) error
	Health() []chain.NodeHealth
	// Overhear tells what comes into the pools of nodes, where transactions wait that are in no block yet.
	Overhear(ctx context.Context, ear chain.Ear) error
}

// Config of a source.
type Config struct {
	Name  string // of the chain, in the plan
	Node  Node
	Feeds []plan.Feed // that the plan has from this chain
	Watched
	// Load and Save keep what has to outlast the program; nil keeps nothing, and then it begins anew at the head.
	Load func() ([]byte, error)
	Save func(content []byte) error
	// Own says of a transaction that waits whether lifeboat signed it, and whether it gave its call to a relay to send; nil knows of none. It
	// is asked by several goroutines, and has to be quick.
	Own func(chain.Waiting) (signed, given bool)

	Clock lifeboat.Clock
	Log   *slog.Logger
}

// Source of a chain's readings. Its methods are not for concurrent use.
type Source struct {
	Config
	levels   *levels
	subjects map[common.Address]*subject
	tokens   map[common.Address]*token
	names    map[common.Address]string
	keepers  map[keeper]*custody
	tallies  map[int]*tally // :: level → what it counts
	words    []*word
	measured []measured
	spots    map[spot]int // :: what is measured → its level
	melts    map[spot]*melting
	twins    map[lifeboat.Series][]lifeboat.Series // :: series of an account → those of others at its address
	waiting  map[string]*trail[float64]            // :: its name → a trail from before the last stop, until what it is of is there
	dollars  map[string]float64                    // :: symbol → what an oracle says at the block in hand

	pool    *pool       // what waits to be mined; nil when the plan asks for none of it
	cleared common.Hash // the block by which it was cleared of what is mined

	questions   []question
	turn        int
	asking      []chain.Query
	asked       []int
	watchedCode map[common.Address]bool

	mu     sync.Mutex // guards everything from here on, and the levels, tallies and trails
	block  chain.Block
	at     chain.Checkpoint
	saved  time.Time
	moved  chan struct{}   // a block was followed that nobody has read at
	widen  bool            // others may replace code now, who are to be listened to as well
	undone int             // blocks that were taken back since the last one that was added
	reorgs tally           // the depths of reorganisations
	reorg  int             // their level
	branch int             // how often blocks were taken back
	failed map[string]bool // what was told that it fails, and still does
}

// New prepares a source. Nothing is asked yet.
func New(config Config) *Source {
	if config.Log == nil {
		config.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	s := &Source{Config: config, levels: newLevels(config.Feeds), keepers: map[keeper]*custody{}, tallies: map[int]*tally{}, spots: map[spot]int{}, melts: map[spot]*melting{}, waiting: map[string]*trail[float64]{},
		dollars: map[string]float64{}, watchedCode: map[common.Address]bool{}, moved: make(chan struct{}, 1), failed: map[string]bool{}}
	s.reorg, s.reorgs.window = s.levels.follow("reorg."+s.Name, s.Name), windowUsual
	s.index()
	s.twins = twins(s.Accounts, s.Feeds)
	s.adapters()
	for _, c := range s.Contracts {
		s.askContract(c)
		for _, a := range s.Accounts {
			s.askAllowances(a, c)
		}
	}
	for _, a := range s.Accounts {
		if a.Safe {
			s.watchCode(a.Address, s.subjects[a.Address])
			s.askSafe(a.Name, a.Address)
		}
		s.askGas(a)
	}
	for _, t := range s.Tokens {
		s.watchCode(t.Address, s.subjects[t.Address])
		s.askToken(s.tokens[t.Address])
	}
	s.askKeepers()
	s.pool = s.watchPool()
	return s
}

// Seen is for sources that have something to catch up by what was journalled; this one has its checkpoint.
func (s *Source) Seen(lifeboat.Series, string, time.Time) {}

// Run follows the chain until ctx ends, and delivers what it says.
func (s *Source) Run(ctx context.Context, deliver func([]lifeboat.Reading, []error)) error {
	deliver = s.both(deliver)
	if err := s.load(); err != nil {
		s.Log.Warn("what happened on the chain before cannot be counted: the file of it cannot be read", "chain", s.Name, "problem", err.Error())
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.pulse(ctx, deliver) })
	if s.pool != nil {
		group.Go(func() error { return s.overhear(ctx, deliver) })
	}
	group.Go(func() error {
		if err := s.discover(ctx, deliver); err != nil {
			return err
		}
		group.Go(func() error { return s.follow(ctx, deliver) })
		group.Go(func() error { return s.look(ctx, deliver) })
		return nil
	})
	err := group.Wait()
	s.save()
	return err
}

const (
	retryMin = 2 * time.Second
	retryMax = time.Minute
)

// follow the chain, and begin again where it ended when it cannot go on.
func (s *Source) follow(ctx context.Context, deliver func([]lifeboat.Reading, []error)) error {
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		from := s.block.Number
		err := s.Node.Follow(ctx, s.at, s.filter(), s.step)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, errWiden) {
			if err := s.discover(ctx, deliver); err != nil {
				return err
			}
			continue
		}
		s.complain(deliver, "follow its blocks", s.past(err))
		if s.block.Number > from {
			wait = retryMin
		}
		if err := s.Clock.Sleep(ctx, s.Clock.Now().Add(wait)); err != nil {
			return err
		}
	}
}

// past what cannot be followed: what was not seen is told, and the counts go on after it.
func (s *Source) past(err error) error {
	var gap *chain.Gap
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case errors.As(err, &gap):
		s.at = chain.From(gap.To + 1)
	case errors.Is(err, chain.ErrTooDeep) && len(s.at.Blocks) > 0:
		first := s.at.Blocks[0].Number
		s.remove(first)
		s.at = chain.From(first)
	}
	return err
}

// filter of what is listened for. Where there are more addresses than a filter takes, everything of the kinds is heard, and
// sorted here.
func (s *Source) filter() chain.Filter {
	var f chain.Filter
	topics := make([]common.Hash, 0, len(catalogue))
	for topic := range catalogue {
		topics = append(topics, topic)
	}
	f.Topics = [][]common.Hash{topics}
	if len(s.subjects) <= chain.AddressesMax {
		for address := range s.subjects {
			f.Addresses = append(f.Addresses, address)
		}
	}
	return f
}

// step takes one block, or takes it back.
func (s *Source) step(step chain.Step) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if step.Removed {
		s.remove(step.Block.Number)
		s.undone++
	} else {
		if s.undone > 0 {
			s.undo(step.Block)
		}
		s.block = step.Block
		for i := range step.Logs {
			s.hear(step.Block, &step.Logs[i])
		}
	}
	s.at.Take(step)
	if s.Clock.Now().Sub(s.saved) >= saveEvery {
		s.saveLocked()
	}
	select {
	case s.moved <- struct{}{}:
	default:
	}
	if s.widen {
		s.widen = false
		return errWiden
	}
	return nil
}

// undo notes how many blocks a reorganisation took back, which no reorganisation takes back.
func (s *Source) undo(now chain.Block) {
	s.reorgs.add(note{block: now.Number, at: now.Time, share: float64(s.undone)})
	s.levels.explain(s.reorg, fmt.Sprintf("%d blocks were replaced by others", s.undone))
	s.undone = 0
}

// errWiden ends following a chain with one filter, for it to go on with another.
var errWiden = errors.New("there is more to listen to")

// remove what a block and those after it said.
func (s *Source) remove(block uint64) {
	for i, t := range s.tallies {
		if t.remove(block) {
			s.levels.explain(i, "the block in which it happened is no part of the chain any more")
		}
	}
	for _, t := range s.trails() {
		t.remove(block)
	}
	for _, w := range s.words {
		w.steps.remove(block)
	}
	for _, m := range s.melts {
		m.again()
	}
	s.branch++
	for i := range s.questions {
		s.questions[i].due = min(s.questions[i].due, block)
	}
	if s.block.Number >= block {
		s.block = chain.Block{} // the one before it comes to be known with the next
	}
}

const (
	// behindMax is how many blocks the one that is followed may lie behind the head for readings to be about now.
	behindMax = 16
	saveEvery = 30 * time.Second
)

// look reads the state at the newest block that was followed, and tells what is due.
func (s *Source) look(ctx context.Context, deliver func([]lifeboat.Reading, []error)) error {
	var readings []lifeboat.Reading
	for {
		select {
		case <-s.moved:
		case <-ctx.Done():
			return ctx.Err()
		}
		s.mu.Lock()
		block, branch := s.block, s.branch
		s.mu.Unlock()
		if block.Hash == (common.Hash{}) {
			continue
		}
		head, err := s.Node.Head(ctx)
		if err == nil && head.Number > block.Number+behindMax {
			continue // it catches up, and what was is not what is
		}
		if s.complain(deliver, "find its head", err); err == nil {
			s.complain(deliver, "read its state", s.read(ctx, block, branch))
			s.measure(ctx, block, branch, deliver)
		}
		if readings = s.tell(readings[:0], block, branch); len(readings) > 0 {
			deliver(readings, nil)
			readings = nil // it is theirs
		}
	}
}

// tell what is due of a block, if it was not taken back meanwhile.
func (s *Source) tell(readings []lifeboat.Reading, block chain.Block, branch int) []lifeboat.Reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.branch != branch {
		return readings
	}
	for i, t := range s.tallies {
		t.forget(block.Time, block.Number-min(block.Number, finalDepth))
		if !s.levels.all[i].counts {
			continue
		}
		s.levels.set(i, block.Number, s.sum(i, t, block.Time))
	}
	s.levels.set(s.reorg, block.Number, s.reorgs.largest(block.Time))
	return s.levels.tell(readings, block.Number, block.Time)
}

// finalDepth is deeper than any reorganisation that is taken back.
const finalDepth = 1024

// sum of a tally, by what it counts.
func (s *Source) sum(i int, t *tally, now time.Time) float64 {
	switch kindOf(string(s.levels.all[i].series)) {
	case Queued:
		return t.open(now)
	case Paused:
		return flag(t.open(now) > 0)
	case largeTransfer, largeWithdrawal:
		return t.largest(now)
	}
	return t.count(now)
}

const (
	largeTransfer   Kind = "large_transfer"
	largeWithdrawal Kind = "large_withdrawal"
)

// complain tells once that something fails, until it does well again.
func (s *Source) complain(deliver func([]lifeboat.Reading, []error), doing string, err error) {
	s.mu.Lock()
	told := s.failed[doing]
	s.failed[doing] = err != nil
	s.mu.Unlock()
	if told || err == nil || errors.Is(err, context.Canceled) {
		return
	}
	deliver(nil, []error{&lifeboat.Problem{
		Reason: "feed-down",
		What:   fmt.Sprintf("%s does not say all that goes on: %s: %v", s.Name, doing, err),
		Money:  "nothing was sent; triggers on what is not said have no data once the last values are too old",
		Next:   "look at the nodes of the chain, and at the addresses in the plan; lifeboat keeps asking",
		Err:    err,
	}})
}
