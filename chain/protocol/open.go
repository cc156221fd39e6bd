package protocol

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
)

// Setup is what an adapter is made of, in the plan's words.
type Setup struct {
	Name    string                    // the owner's name for it
	Address common.Address            // of the contract: the pool of aave-v3, the pair of uniswap-v2, the position manager of uniswap-v3, stETH of lido
	More    map[string]common.Address // router of uniswap-v2 and uniswap-v3; wsteth and withdrawal_queue of lido
	Assets  []common.Address          // tokens that matter to the owner
	Oracle  Oracle                    // nil for none
	Seller  Seller                    // nil for none
}

var adapters = map[string]func(Setup) Adapter{
	"aave-v3":     func(s Setup) Adapter { return NewAave(s.Name, s.Address, s.Seller, s.Assets...) },
	"compound-v3": func(s Setup) Adapter { return NewCompound(s.Name, s.Address, s.Seller) },
	"erc-4626":    func(s Setup) Adapter { return NewVault(s.Name, s.Address) },
	"lido":        func(s Setup) Adapter { return NewLido(s.Name, s.Address, s.More["wsteth"], s.More["withdrawal_queue"]) },
	"uniswap-v2":  func(s Setup) Adapter { return NewUniswapV2(s.Name, s.More["router"], s.Address, s.Oracle) },
	"uniswap-v3":  func(s Setup) Adapter { return NewUniswapV3(s.Name, s.More["router"], s.Address, s.Oracle, s.Assets...) },
}

// Open an adapter by the name that the plan gives its kind. What it can do besides positions is asked for by type assertion:
// [Measurer], [Exiter], [Seller].
func Open(adapter string, s Setup) (Adapter, error) {
	open := adapters[adapter]
	if open == nil {
		return nil, fmt.Errorf("%s is %s, and positions are known in %v", s.Name, adapter, slices.Sorted(maps.Keys(adapters)))
	}
	return open(s), nil
}

// Discover reads what some addresses have in some protocols, all at one block: at, or the newest that the nodes agree on. The
// questions of all adapters go out together, so that it takes as many rounds as the slowest of them and not as many as all of
// them. An adapter that fails is told of by its name, beside what the others found.
func Discover(ctx context.Context, r chain.Reader, at *chain.Block, owners []common.Address, adapters ...Adapter) (map[common.Address][]Position, chain.Block, map[string]error, error) {
	if at == nil {
		head, err := r.Head(ctx)
		if err != nil {
			return nil, chain.Block{}, nil, fmt.Errorf("read the head: %w", err)
		}
		at = &head
	}
	type found struct {
		positions []Position
		err       error
	}
	results := make([]found, len(owners)*len(adapters))
	together := newTogether(ctx, r, *at, len(results))
	var group sync.WaitGroup
	for i := range results {
		group.Go(func() {
			defer together.leave()
			results[i].positions, results[i].err = adapters[i%len(adapters)].Positions(ctx, together, at, owners[i/len(adapters)])
		})
	}
	group.Wait()
	positions, failed := map[common.Address][]Position{}, map[string]error{}
	for i, result := range results {
		if result.err != nil {
			name := adapters[i%len(adapters)].Name()
			failed[name] = cmp.Or(failed[name], result.err)
			continue
		}
		owner := owners[i/len(adapters)]
		positions[owner] = append(positions[owner], result.positions...)
	}
	return positions, *at, failed, ctx.Err()
}

// together is a reader that waits until everybody who shares it has asked, and then asks once.
type together struct {
	ctx context.Context
	r   chain.Reader
	at  chain.Block

	mu      sync.Mutex
	sharing int // who has not left
	waiting []*share
}

type share struct {
	queries []chain.Query
	answers []chain.Answer
	err     error
	done    chan struct{}
}

func newTogether(ctx context.Context, r chain.Reader, at chain.Block, sharing int) *together {
	return &together{ctx: ctx, r: r, at: at, sharing: sharing}
}

func (t *together) Head(context.Context) (chain.Block, error) { return t.at, nil }

func (t *together) Read(_ context.Context, at *chain.Block, queries []chain.Query) ([]chain.Answer, chain.Block, error) {
	if at != nil && at.Hash != t.at.Hash {
		return nil, chain.Block{}, fmt.Errorf("block %d was asked for where all read block %d", at.Number, t.at.Number)
	}
	s := &share{queries: queries, done: make(chan struct{})}
	t.mu.Lock()
	t.waiting = append(t.waiting, s)
	t.askIfAll()
	<-s.done
	return s.answers, t.at, s.err
}

// leave says that somebody will ask no more.
func (t *together) leave() {
	t.mu.Lock()
	t.sharing--
	t.askIfAll()
}

// askIfAll asks when everybody who is left waits. It is called with the lock held, and gives it back.
func (t *together) askIfAll() {
	if len(t.waiting) == 0 || len(t.waiting) < t.sharing {
		t.mu.Unlock()
		return
	}
	shares := t.waiting
	t.waiting = nil
	t.mu.Unlock()
	var queries []chain.Query
	for _, s := range shares {
		queries = append(queries, s.queries...)
	}
	answers, _, err := t.r.Read(t.ctx, &t.at, queries)
	if err == nil && len(answers) != len(queries) {
		err = fmt.Errorf("%d questions got %d answers", len(queries), len(answers))
	}
	for _, s := range shares {
		if s.err = err; err == nil {
			s.answers, answers = answers[:len(s.queries):len(s.queries)], answers[len(s.queries):]
		}
		close(s.done)
	}
}
