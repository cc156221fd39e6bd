package chain_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
	"lifeboat/chain/chaintest"
)

// nodes of a chain, all of which tell the truth until they are told otherwise, and the way to it through them.
func nodes(t testing.TB, c *chaintest.Chain, count int) (*chain.Chain, []*chaintest.Node) {
	t.Helper()
	var all []*chaintest.Node
	config := chain.Config{ID: 1, Network: chain.Network{BlockTime: 20 * time.Millisecond}, Hedge: 200 * time.Millisecond, Timeout: 5 * time.Second}
	for range count {
		n := chaintest.Serve(t, c)
		all = append(all, n)
		config.Nodes = append(config.Nodes, chain.Node{URL: n.URL()})
	}
	return open(t, config), all
}

func open(t testing.TB, config chain.Config) *chain.Chain {
	t.Helper()
	c, err := chain.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

var (
	pool   = common.HexToAddress("0x1111111111111111111111111111111111111111")
	token  = common.HexToAddress("0x2222222222222222222222222222222222222222")
	other  = common.HexToAddress("0x3333333333333333333333333333333333333333")
	topic  = common.HexToHash("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")
	price  = []byte{0xfe, 0xaf, 0x96, 0x8c}
	broken = []byte{0xde, 0xad, 0xbe, 0xef}
)

func word(n int64) []byte { return common.BigToHash(big.NewInt(n)).Bytes() }

func TestReadOfEveryKind(t *testing.T) {
	for _, multicall := range []bool{false, true} {
		t.Run(fmt.Sprintf("multicall %t", multicall), func(t *testing.T) {
			world := chaintest.New(1)
			if multicall {
				world.HasMulticall()
			}
			world.Call(pool, price, chaintest.Result{Data: word(2000)})
			world.Call(pool, broken, chaintest.Result{Reverted: true, Data: []byte{1, 2, 3, 4}})
			world.Balance(token, big.NewInt(77))
			world.Code(token, []byte{0x60, 0x01})
			world.Storage(token, common.Hash{31: 5}, common.Hash{31: 9})
			old := world.Mine()
			world.Call(pool, price, chaintest.Result{Data: word(1500)})
			world.Mine()
			c, asked := nodes(t, world, 3)
			queries := []chain.Query{
				{To: pool, Data: price}, {To: pool, Data: broken}, {To: other, Data: price}, {What: chain.Balance, To: token}, {What: chain.Code, To: token},
				{What: chain.Storage, To: token, Data: word(5)}, {What: chain.Nonce, To: token}, {To: pool, Data: price, From: other},
			}
			answers, at, err := c.Read(t.Context(), nil, queries)
			if err != nil {
				t.Fatal(err)
			}
			if at.Hash != world.Head().Hash {
				t.Errorf("read at block %d, not at the head", at.Number)
			}
			want := [][]byte{word(1500), {1, 2, 3, 4}, {}, word(77), {0x60, 0x01}, word(9), word(0), word(1500)}
			for i, a := range answers {
				if !bytes.Equal(a.Data, want[i]) || (a.Err != nil) != (i == 1) {
					t.Errorf("query %d: %x, %v; want %x", i, a.Data, a.Err, want[i])
				}
			}
			if !errors.Is(answers[1].Err, chain.ErrReverted) {
				t.Errorf("%v is no revert", answers[1].Err)
			}
			answers, _, err = c.Read(t.Context(), &chain.Block{Number: old.Header.Number.Uint64(), Hash: old.Hash}, queries[:1])
			if err != nil || !bytes.Equal(answers[0].Data, word(2000)) {
				t.Errorf("at an older block: %v, %v", answers, err)
			}
			calls := 0
			for _, n := range asked {
				calls += n.Asked("eth_call")
			}
			if multicall && calls > 2*3+2 {
				t.Errorf("%d calls: nothing was put together", calls)
			}
		})
	}
}

// TestLiesAreNotBelieved lets each of three nodes lie in turn about everything that can be read.
func TestLiesAreNotBelieved(t *testing.T) {
	world := chaintest.New(1)
	world.Call(pool, price, chaintest.Result{Data: word(2000)})
	for range 3 {
		world.Mine()
	}
	for liar := range 3 {
		c, asked := nodes(t, world, 3)
		asked[liar].Misbehave(chaintest.Faults{Lie: func(method string, result any) any {
			if method == "eth_call" {
				return "0x" + common.Bytes2Hex(word(1))
			}
			return result
		}})
		for range 5 {
			answers, _, err := c.Read(t.Context(), nil, []chain.Query{{To: pool, Data: price}})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(answers[0].Data, word(2000)) {
				t.Fatalf("node %d lied and was believed: %x", liar, answers[0].Data)
			}
		}
	}
}

// TestTwoNodesThatDisagree gives no answer, says who said what, and shows no key.
func TestTwoNodesThatDisagree(t *testing.T) {
	world := chaintest.New(1)
	world.Call(pool, price, chaintest.Result{Data: word(2000)})
	world.Mine()
	honest, liar := chaintest.Serve(t, world), chaintest.Serve(t, world)
	liar.Misbehave(chaintest.Faults{Lie: func(method string, result any) any {
		if method == "eth_call" {
			return "0x" + common.Bytes2Hex(word(1))
		}
		return result
	}})
	c := open(t, chain.Config{ID: 1, Nodes: []chain.Node{{URL: honest.URL() + "/v2/key-of-mine-0123"}, {URL: liar.URL() + "/?token=key-of-mine-4567"}}})
	_, _, err := c.Read(t.Context(), nil, []chain.Query{{To: pool, Data: price}})
	d, ok := errors.AsType[*chain.Disagreement](err)
	if !ok || !errors.Is(err, chain.ErrDisagree) {
		t.Fatalf("%v", err)
	}
	if len(d.Said) != 2 || !strings.Contains(err.Error(), honest.Host()) || !strings.Contains(err.Error(), liar.Host()) || !strings.Contains(err.Error(), "07d0") {
		t.Errorf("it does not say who said what: %s", err)
	}
	if strings.Contains(err.Error(), "key-of-mine") {
		t.Errorf("a key is shown: %s", err)
	}
}

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

func wait(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never happened: %s", what)
		}
	}
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
