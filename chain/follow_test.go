package chain_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
	"lifeboat/chain/chaintest"
)

// recorder folds the steps of a follower and checks that each follows on the one before.
type recorder struct {
	mu     sync.Mutex
	at     chain.Checkpoint
	branch []chain.Step
	steps  []string
	wrong  []string
}

func (r *recorder) take(s chain.Step) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps = append(r.steps, fmt.Sprintf("%d %t %d", s.Block.Number, s.Removed, len(s.Logs)))
	last := len(r.branch) - 1
	switch {
	case s.Removed && (last < 0 || r.branch[last].Block.Hash != s.Block.Hash):
		r.wrong = append(r.wrong, fmt.Sprintf("block %d is removed and was not the newest", s.Block.Number))
	case s.Removed:
		r.branch = r.branch[:last]
	case last >= 0 && (r.branch[last].Block.Hash != s.Block.Parent || r.branch[last].Block.Number+1 != s.Block.Number):
		r.wrong = append(r.wrong, fmt.Sprintf("block %d does not follow on block %d", s.Block.Number, r.branch[last].Block.Number))
	default:
		r.branch = append(r.branch, s)
	}
	r.at.Take(s)
	return nil
}

func (r *recorder) last() (hash common.Hash) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.branch) > 0 {
		hash = r.branch[len(r.branch)-1].Block.Hash
	}
	return hash
}

func TestFollowThroughAReorganisation(t *testing.T) {
	world := chaintest.New(1)
	world.Mine()
	c, _ := nodes(t, world, 3)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var r recorder
	done := make(chan error, 1)
	go func() { done <- c.Follow(ctx, chain.From(1), chain.Filter{Addresses: []common.Address{pool}}, r.take) }()
	for range 4 {
		world.Mine(chaintest.Log(pool, nil, topic), chaintest.Log(other, nil, topic))
	}
	wait(t, "the head is told", func() bool { return r.last() == world.Head().Hash })
	world.Reorg(3)
	wait(t, "the new head is told", func() bool { return r.last() == world.Head().Hash })
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	want := "1 false 0, 2 false 1, 3 false 1, 4 false 1, 5 false 1, 5 true 0, 4 true 0, 3 true 0, 3 false 0, 4 false 0, 5 false 0, 6 false 0"
	if got := strings.Join(r.steps, ", "); got != want || len(r.wrong) > 0 {
		t.Errorf("steps %s\nwant  %s\n%v", got, want, r.wrong)
	}
}

// TestFollowFromTheHead starts with the newest block, and undoes even that.
func TestFollowFromTheHead(t *testing.T) {
	world := chaintest.New(1)
	for range 5 {
		world.Mine()
	}
	c, _ := nodes(t, world, 3)
	var r recorder
	stop := follow(t, c, &r, chain.Filter{})
	wait(t, "the head is told", func() bool { return r.last() == world.Head().Hash })
	world.Reorg(1)
	wait(t, "the new head is told", func() bool { return r.last() == world.Head().Hash })
	stop()
	if got := strings.Join(r.steps, ", "); got != "5 false 0, 5 true 0, 5 false 0, 6 false 0" || len(r.wrong) > 0 {
		t.Errorf("%s %v", got, r.wrong)
	}
}

// follow runs a follower from where a recorder is until stop, which waits for its end.
func follow(t *testing.T, c *chain.Chain, r *recorder, filter chain.Filter) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	r.mu.Lock()
	kept, err := json.Marshal(r.at) // as a restart reads it
	r.mu.Unlock()
	var at chain.Checkpoint
	if err == nil {
		err = json.Unmarshal(kept, &at)
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() { done <- c.Follow(ctx, at, filter, r.take) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

// TestNodesThatFallBehind are no reorganisation.
func TestNodesThatFallBehind(t *testing.T) {
	world := chaintest.New(1)
	for range 10 {
		world.Mine()
	}
	c, all := nodes(t, world, 3)
	var r recorder
	stop := follow(t, c, &r, chain.Filter{})
	wait(t, "the head is told", func() bool { return r.last() == world.Head().Hash })
	for _, n := range all {
		n.Misbehave(chaintest.Faults{Lag: 8})
	}
	asked := all[0].Asked("eth_getBlockByNumber")
	wait(t, "the nodes are asked a few times", func() bool { return all[0].Asked("eth_getBlockByNumber") > asked+10 })
	for _, n := range all {
		n.Misbehave(chaintest.Faults{})
	}
	world.Mine()
	wait(t, "the new head is told", func() bool { return r.last() == world.Head().Hash })
	stop()
	if got := strings.Join(r.steps, ", "); got != "10 false 0, 11 false 0" {
		t.Errorf("%s", got)
	}
}

// TestHistoryThatWasDropped is a gap with its ends, not a silence.
func TestHistoryThatWasDropped(t *testing.T) {
	world := chaintest.New(1)
	for range 500 {
		world.Mine(chaintest.Log(pool, nil, topic))
	}
	c, all := nodes(t, world, 3)
	for _, n := range all[:2] {
		n.Misbehave(chaintest.Faults{PrunedBelow: 317})
	}
	err := c.Follow(t.Context(), chain.From(100), chain.Filter{Addresses: []common.Address{pool}}, func(chain.Step) error { return nil })
	gap, ok := errors.AsType[*chain.Gap](err)
	if !ok || gap.From != 100 || gap.To != 316 {
		t.Fatalf("%v", err)
	}
	var r recorder
	r.at = chain.From(gap.To + 1)
	stop := follow(t, c, &r, chain.Filter{Addresses: []common.Address{pool}})
	wait(t, "it goes on after the gap", func() bool { return r.last() == world.Head().Hash })
	stop()
	if len(r.branch) != 500-316 {
		t.Errorf("%d blocks", len(r.branch))
	}
}

// TestAReorganisationDeeperThanRemembered ends the follower with what it cannot undo.
func TestAReorganisationDeeperThanRemembered(t *testing.T) {
	world := chaintest.New(1)
	for range 400 {
		world.Mine()
	}
	c, _ := nodes(t, world, 3)
	var r recorder
	r.at = chain.From(1)
	stop := follow(t, c, &r, chain.Filter{})
	wait(t, "the head is told", func() bool { return r.last() == world.Head().Hash })
	stop()
	world.Reorg(300)
	err := c.Follow(t.Context(), r.at, chain.Filter{}, r.take)
	if gap, ok := errors.AsType[*chain.Gap](err); !ok || !errors.Is(err, chain.ErrTooDeep) || gap.To != 400-256 {
		t.Fatalf("%v", err)
	}
}

// TestFollowLosesNothing plays random chains: blocks, reorganisations, nodes that die, lie, lag and come back, and followers that are
// killed before and after they have kept their checkpoint. What was kept has to be the chain at the end, block for block and log for
// log, and no step may come that does not follow on the one before.
func TestFollowLosesNothing(t *testing.T) {
	for round := range 12 {
		seed := uint64(time.Now().UnixNano()) + uint64(round)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			play(t, seed)
		})
	}
}

func play(t *testing.T, seed uint64) {
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	world := chaintest.New(1)
	logs := func() (of []common.Address) {
		for range dice.IntN(4) {
			of = append(of, []common.Address{pool, token, other}[dice.IntN(3)])
		}
		return of
	}
	mine := func() {
		var some = chaintest.Logs(topic, logs()...)
		world.Mine(some...)
	}
	mine()
	c, all := nodes(t, world, 3)
	filter := chain.Filter{Addresses: []common.Address{pool, token}, Topics: [][]common.Hash{{topic}}}
	var r recorder
	r.at = chain.From(1)
	stop := follow(t, c, &r, filter)
	for range 60 {
		switch dice.IntN(8) {
		case 0:
			depth := 1 + dice.IntN(min(6, int(world.Head().Header.Number.Int64())))
			world.Reorg(depth, chaintest.Logs(topic, logs()...), chaintest.Logs(topic, logs()...))
		case 1:
			stop() // killed between two blocks
			stop = follow(t, c, &r, filter)
		case 2:
			all[dice.IntN(3)].Misbehave(chaintest.Faults{})
		case 3:
			bad := []chaintest.Faults{{Down: true}, {Lag: 2}, {HidesLogs: true}, {Cut: true}, {LogsMax: 1}, {Ahead: 9}}[dice.IntN(6)]
			for _, n := range all { // one at a time, or there is no quorum
				n.Misbehave(chaintest.Faults{})
			}
			all[dice.IntN(3)].Misbehave(bad)
		default:
			mine()
		}
		if dice.IntN(3) == 0 {
			head := world.Head().Hash
			wait(t, "the head is told", func() bool { return r.last() == head })
		}
	}
	for _, n := range all {
		n.Misbehave(chaintest.Faults{})
	}
	mine()
	wait(t, "the last head is told", func() bool { return r.last() == world.Head().Hash })
	stop()
	r.check(t, world)
}

// check holds what was recorded against the chain.
func (r *recorder) check(t *testing.T, world *chaintest.Chain) {
	t.Helper()
	for _, w := range r.wrong {
		t.Error(w)
	}
	blocks := world.Blocks()[1:]
	if len(blocks) != len(r.branch) {
		t.Fatalf("%d blocks were told of %d", len(r.branch), len(blocks))
	}
	for i, b := range blocks {
		var want []string
		for _, l := range b.Logs {
			if l.Address != other {
				want = append(want, fmt.Sprint(l.Address, l.Index))
			}
		}
		var got []string
		for _, l := range r.branch[i].Logs {
			got = append(got, fmt.Sprint(l.Address, l.Index))
		}
		if r.branch[i].Block.Hash != b.Hash || strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("block %d: %v, want %v", b.Header.Number, got, want)
		}
	}
}

// TestHeadsOverWebSockets come without asking, and go on when the connection breaks.
func TestHeadsOverWebSockets(t *testing.T) {
	world := chaintest.New(1)
	world.Mine()
	node := chaintest.Serve(t, world)
	c := open(t, chain.Config{ID: 1, Poll: time.Hour, Nodes: []chain.Node{{URL: node.Socket()}}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go c.Run(ctx)
	var r recorder
	stop := follow(t, c, &r, chain.Filter{})
	wait(t, "the head is told", func() bool { return r.last() == world.Head().Hash })
	wait(t, "it is subscribed", func() bool { return node.Asked("eth_subscribe") > 0 })
	for range 3 {
		world.Mine()
		wait(t, "the new head is told", func() bool { return r.last() == world.Head().Hash })
	}
	stop()
}

// TestAPushThatCameTooEarly is of a node that tells of a head and is behind it for a moment, as in a reorganisation: nothing is pushed
// again, and it is not waited for the next poll.
func TestAPushThatCameTooEarly(t *testing.T) {
	world := chaintest.New(1)
	for range 5 {
		world.Mine()
	}
	node := chaintest.Serve(t, world)
	c := open(t, chain.Config{ID: 1, Poll: time.Hour, Nodes: []chain.Node{{URL: node.Socket()}}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go c.Run(ctx)
	var r recorder
	stop := follow(t, c, &r, chain.Filter{})
	wait(t, "the head is told", func() bool { return r.last() == world.Head().Hash })
	wait(t, "it is subscribed", func() bool { return node.Asked("eth_subscribe") > 0 })
	node.Misbehave(chaintest.Faults{Lag: 3})
	asked := node.Asked("eth_getBlockByNumber")
	world.Mine()
	wait(t, "it is asked and is behind", func() bool { return node.Asked("eth_getBlockByNumber") > asked })
	node.Misbehave(chaintest.Faults{})
	wait(t, "the new head is told", func() bool { return r.last() == world.Head().Hash })
	stop()
}

func TestCheckpointsThatCannotBe(t *testing.T) {
	for _, text := range []string{`{"blocks":[{"number":1},{"number":3}]}`, `{"blocks":7}`, `{"blocks":[` + strings.Repeat(`{"number":1},`, 300) + `{"number":1}]}`} {
		var p chain.Checkpoint
		if err := json.Unmarshal([]byte(text), &p); err == nil {
			t.Errorf("%.60s was taken", text)
		}
	}
}
