package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Step is one block more, or one less. Of a removed block only the number and the hash are sure to be known, and no logs
// come with it: whoever acted on a block undoes what is noted under its hash.
type Step struct {
	Block   Block
	Logs    []types.Log // what the filter takes, in their order; the callee may keep them
	Removed bool
}

// Checkpoint is how far somebody has come: the last blocks by number and hash. The zero value stands for the beginning, which is
// the head. It is a value: keep it as JSON together with what was made of the steps, and nothing is missed or taken twice.
type Checkpoint struct {
	Blocks []Mark `json:"blocks"` // oldest first
}

// Mark is a block by its number and hash.
type Mark struct {
	Number uint64      `json:"number"`
	Hash   common.Hash `json:"hash"` // zero for a block that nobody has looked at
}

// marksMax is how many blocks a checkpoint remembers, and so how deep a reorganisation may be that is undone.
const marksMax = 256

// From is a checkpoint whose next block is the given one.
func From(number uint64) Checkpoint { return Checkpoint{Blocks: []Mark{unseen(number)}} }

// unseen marks the place before the first block that is told. Nobody looked at the block there, so nothing can be said of it being
// replaced. The place before block 0 is the number that is one less all the same.
func unseen(first uint64) Mark { return Mark{Number: first - 1} }

// Take is the checkpoint after a step.
func (p *Checkpoint) Take(s Step) {
	if s.Removed {
		if last := len(p.Blocks) - 1; last >= 0 && p.Blocks[last].Hash == s.Block.Hash {
			p.Blocks = p.Blocks[:last]
		}
		return
	}
	if len(p.Blocks) == 0 {
		p.Blocks = append(p.Blocks, unseen(s.Block.Number))
	}
	if len(p.Blocks) >= marksMax {
		copy(p.Blocks, p.Blocks[1:])
		p.Blocks = p.Blocks[:marksMax-1]
	}
	p.Blocks = append(p.Blocks, Mark{s.Block.Number, s.Block.Hash})
}

// Last is the newest block, false at the beginning.
func (p Checkpoint) Last() (Mark, bool) {
	if len(p.Blocks) == 0 {
		return Mark{}, false
	}
	return p.Blocks[len(p.Blocks)-1], true
}

// UnmarshalJSON refuses what cannot have been a checkpoint.
func (p *Checkpoint) UnmarshalJSON(data []byte) error {
	type plain Checkpoint
	var said plain
	if err := json.Unmarshal(data, &said); err != nil {
		return err
	}
	if len(said.Blocks) > marksMax {
		return fmt.Errorf("a checkpoint has %d blocks at most, not %d", marksMax, len(said.Blocks))
	}
	for i := 1; i < len(said.Blocks); i++ {
		if said.Blocks[i].Number != said.Blocks[i-1].Number+1 {
			return fmt.Errorf("in a checkpoint block %d follows block %d", said.Blocks[i].Number, said.Blocks[i-1].Number)
		}
	}
	*p = Checkpoint(said)
	return nil
}

// Gap says that blocks cannot be read, and that going on after them is a decision to be made: resume with From(gap.To + 1).
type Gap struct {
	From, To uint64
	Why      error
}

func (g *Gap) Error() string {
	return fmt.Sprintf("blocks %d to %d cannot be read any more: %s", g.From, g.To, g.Why)
}

func (g *Gap) Unwrap() error { return g.Why }

// ErrTooDeep says that a reorganisation undid more blocks than a [Checkpoint] remembers.
var ErrTooDeep = errors.New("the chain was reorganised deeper than is remembered")

// Follow calls take for every block after the checkpoint, in order, each once on its branch, until ctx ends or take fails. When
// the chain is reorganised the blocks that are no longer part of it come once more, removed, newest first, and then those of the
// new branch. Nodes that do not answer are waited for. A [Gap] ends it.
//
// Only what the quorum agrees on is told: which block is the head, the way to it, and the logs.
func (c *Chain) Follow(ctx context.Context, from Checkpoint, filter Filter, take func(Step) error) error {
	if len(filter.Addresses) > AddressesMax {
		return fmt.Errorf("follow %s: %d addresses in one filter; %d are the most", c.network.Name, len(filter.Addresses), AddressesMax)
	}
	f := &follower{c: c, sieve: newSieve(filter), at: Checkpoint{slices.Clone(from.Blocks)}, take: take}
	for ctx.Err() == nil {
		news := c.heads()
		err := f.catchUp(ctx)
		switch {
		case f.refused != nil:
			return f.refused
		case err != nil && ctx.Err() == nil:
			if gap, ok := errors.AsType[*Gap](err); ok {
				return fmt.Errorf("follow %s: %w", c.network.Name, gap)
			}
			f.troubled(err)
			c.await(ctx, nil, f.pause) // what failed would fail again at the next word of a node
			continue
		}
		f.trouble, f.pause = false, 0
		c.await(ctx, news, c.pollEvery())
	}
	return ctx.Err()
}

// follower is one call of Follow.
type follower struct {
	c       *Chain
	sieve   *sieve
	at      Checkpoint
	take    func(Step) error
	oldest  uint64        // of the blocks that are remembered no more
	refused error         // what take said
	trouble bool          // the last round failed, and was told
	pause   time.Duration // until the next round, after one that failed
}

// againAfter is how soon a failed round is tried again at first; then twice as long each time, up to what a calm chain waits. Nodes
// are behind for a moment in every reorganisation, and that is no time to look away.
const againAfter = 500 * time.Millisecond

// troubled logs the first of a row of failures.
func (f *follower) troubled(err error) {
	f.pause = min(max(2*f.pause, againAfter), f.c.pollEvery())
	if !f.trouble {
		f.c.log.Warn("the head of a chain cannot be followed; asking again", "chain", f.c.network.Name, "error", err)
	}
	f.trouble = true
}

func (f *follower) step(s Step) error {
	if err := f.take(s); err != nil {
		f.refused = err
		return err
	}
	f.at.Take(s)
	return nil
}

// chunk is how many blocks are read at once while catching up.
const chunk = 128

// catchUp goes on to the head, or fails on the way and has told nothing that is not so.
func (f *follower) catchUp(ctx context.Context) error {
	head, err := f.c.headOf(ctx, f.c.quorum)
	if err != nil {
		return err
	}
	last, ok := f.at.Last()
	if !ok {
		return f.advance(ctx, []*header{head})
	}
	if last.Hash == head.Hash {
		return nil
	}
	if err := f.goBack(ctx, head); err != nil {
		return err
	}
	for {
		last, _ = f.at.Last()
		next := last.Number + 1
		if next > head.Number {
			return nil
		}
		end := min(next+chunk-1, head.Number)
		headers := []*header{head}
		if next < head.Number {
			if headers, err = f.c.headersAt(ctx, next, end, f.c.quorum); err != nil {
				return f.gap(ctx, next, head.Number, err)
			}
		}
		if last.Hash != (common.Hash{}) && headers[0].Parent != last.Hash {
			return nil // it was reorganised meanwhile; the next round goes back
		}
		if err := f.advance(ctx, headers); err != nil {
			return f.gap(ctx, next, head.Number, err)
		}
	}
}

// errBehind says that the nodes know less than was told already.
var errBehind = errors.New("the nodes have fallen behind what was read from them")

// goBack removes the blocks that are not on the head's branch.
func (f *follower) goBack(ctx context.Context, head *header) error {
	if f.knows(head.Number, head.Hash) {
		return errBehind // no reorganisation: they will come back to where they were
	}
	first := f.at.Blocks[0].Number
	if f.at.Blocks[0].Hash == (common.Hash{}) {
		first++
	}
	if head.Number < first {
		return errBehind
	}
	for {
		last, ok := f.at.Last()
		switch {
		case !ok:
			return &Gap{From: f.oldest, To: f.oldest, Why: ErrTooDeep}
		case last.Hash == (common.Hash{}):
			return nil
		case last.Number < head.Number:
			there, err := f.ancestor(ctx, head, last.Number)
			if err != nil {
				return f.gap(ctx, last.Number, head.Number, err)
			}
			if there == last.Hash {
				return nil
			}
		}
		if err := f.step(Step{Block: f.marked(), Removed: true}); err != nil {
			return err
		}
		f.oldest = last.Number - 1
	}
}

// ancestor is the hash of the block with a lower number on the head's branch.
func (f *follower) ancestor(ctx context.Context, head *header, number uint64) (common.Hash, error) {
	if number == head.Number-1 {
		return head.Parent, nil
	}
	h, err := f.c.headerAt(ctx, number, f.c.quorum)
	if err != nil {
		return common.Hash{}, err
	}
	return h.Hash, nil
}

// knows reports a block that was told and not removed.
func (f *follower) knows(number uint64, hash common.Hash) bool {
	return slices.Contains(f.at.Blocks, Mark{number, hash})
}

// marked is the newest block as far as its mark tells.
func (f *follower) marked() Block {
	last := f.at.Blocks[len(f.at.Blocks)-1]
	b := Block{Number: last.Number, Hash: last.Hash}
	if len(f.at.Blocks) > 1 {
		b.Parent = f.at.Blocks[len(f.at.Blocks)-2].Hash
	}
	return b
}

// advance tells of blocks that follow on one another and on the last one.
func (f *follower) advance(ctx context.Context, headers []*header) error {
	logs, err := f.c.logs(ctx, headers[0].Number, headers[len(headers)-1].Number, f.sieve, headers)
	if err != nil {
		return err
	}
	for _, h := range headers {
		n := 0
		for n < len(logs) && logs[n].BlockNumber == h.Number {
			n++
		}
		if err := f.step(Step{Block: h.Block, Logs: logs[:n:n]}); err != nil {
			return err
		}
		logs = logs[n:]
	}
	return nil
}

// gap finds out how far it reaches when enough nodes say that they no longer have a block; any other error stays as it is.
func (f *follower) gap(ctx context.Context, from, to uint64, err error) error {
	if f.refused != nil || !f.c.lacking(err, pruned) {
		return err
	}
	first, last := from, to // cannot be read, can
	for first+1 < last {
		middle := first + (last-first)/2
		switch err := f.readable(ctx, middle); {
		case err == nil:
			last = middle
		case f.c.lacking(err, pruned):
			first = middle
		default:
			return err
		}
	}
	return &Gap{From: from, To: first, Why: err}
}

func (f *follower) readable(ctx context.Context, number uint64) error {
	h, err := f.c.headerAt(ctx, number, f.c.quorum)
	if err != nil {
		return err
	}
	_, err = f.c.logs(ctx, number, number, f.sieve, []*header{h})
	return err
}

// heads is closed when a node tells of a new head.
func (c *Chain) heads() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.news
}

const (
	pollMin = 500 * time.Millisecond // as the block times of known chains have it; what the owner says may be shorter
	pollMax = 6 * time.Second
)

// pollEvery is how often the head is asked for; rarely while nodes tell of it by themselves.
func (c *Chain) pollEvery() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.poll > 0:
		return c.poll
	case c.pushing > 0:
		return max(2*c.network.BlockTime, c.pollMin)
	}
	return min(max(c.network.BlockTime/2, c.pollMin), pollMax)
}

// await returns when there is news, or after a while.
func (c *Chain) await(ctx context.Context, news <-chan struct{}, atMost time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	select {
	case <-news:
	case <-c.after(ctx, atMost):
	}
}
