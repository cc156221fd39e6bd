package chain_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"strings"
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
	config := chain.Config{ID: 1, Poll: 5 * time.Millisecond, Hedge: 200 * time.Millisecond, Timeout: 5 * time.Second}
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

func wait(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never happened: %s", what)
		}
	}
}

// lying changes what one method says.
func lying(about string, instead any) chaintest.Faults {
	return chaintest.Faults{Lie: func(method string, result any) any {
		if method == about {
			return instead
		}
		return result
	}}
}

// TestOneBadNodeOfThree is in the way of nothing, however it is bad.
func TestOneBadNodeOfThree(t *testing.T) {
	held := make(chan struct{})
	t.Cleanup(func() { close(held) })
	for name, bad := range map[string]chaintest.Faults{
		"lies about a call":    lying("eth_call", "0x"+common.Bytes2Hex(word(1))),
		"lags":                 {Lag: 5},
		"is far ahead":         {Ahead: 1 << 40},
		"is ahead with nulls":  {Ahead: 1000, Nulls: true},
		"is down":              {Down: true},
		"shows a page":         {Page: true},
		"cuts its answers":     {Cut: true},
		"is on another chain":  {ChainID: 5},
		"wants quiet":          {Status: 429, RetryAfter: 60},
		"wants quiet in JSON":  {Code: -32005, Message: "daily request count exceeded, request rate limited"},
		"answers nobody":       {WrongIDs: true},
		"answers with nulls":   {Nulls: true},
		"has dropped history":  {PrunedBelow: 1 << 40},
		"is broken":            {Status: 502},
		"wants a key":          {Status: 401},
		"sends elsewhere":      {Status: 302},
		"is silent":            {Hold: held},
		"takes numbers alone":  {NoHashes: true},
		"takes short batches":  {BatchMax: 1},
		"lies about the head":  lying("eth_getBlockByNumber", map[string]any{"number": "0x3", "hash": common.Hash{1}, "parentHash": common.Hash{2}, "timestamp": "0x1"}),
		"has a huge head":      lying("eth_getBlockByNumber", map[string]any{"number": "0xffffffffffffffffffff", "hash": common.Hash{1}, "parentHash": common.Hash{2}, "timestamp": "0x1"}),
		"has no time":          lying("eth_getBlockByNumber", map[string]any{"number": "0x3", "hash": common.Hash{1}, "parentHash": common.Hash{2}, "timestamp": "0xffffffffffffffff"}),
		"answers with a list":  lying("eth_call", []int{1}),
		"answers with a float": lying("eth_getBalance", 1.5),
		"negative balance":     lying("eth_getBalance", "-0x1"),
		"endless balance":      lying("eth_getBalance", "0x1"+strings.Repeat("0", 65)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			world := chaintest.New(1)
			world.Call(pool, price, chaintest.Result{Data: word(2000)})
			world.Balance(token, big.NewInt(5))
			for range 6 {
				world.Mine(chaintest.Log(pool, nil, topic))
			}
			for place := range 3 { // wherever it stands in the configuration
				c, all := nodes(t, world, 3)
				all[place].Misbehave(bad)
				for range 2 {
					answers, at, err := c.Read(t.Context(), nil, []chain.Query{{To: pool, Data: price}, {What: chain.Balance, To: token}})
					if err != nil {
						t.Fatal(err)
					}
					if at.Hash != world.Head().Hash || !bytes.Equal(answers[0].Data, word(2000)) || !bytes.Equal(answers[1].Data, word(5)) {
						t.Fatalf("at block %d: %x, %x", at.Number, answers[0].Data, answers[1].Data)
					}
					logs, err := c.Logs(t.Context(), 1, 6, chain.Filter{Addresses: []common.Address{pool}})
					if err != nil || len(logs) != 6 {
						t.Fatalf("%d logs, %v", len(logs), err)
					}
				}
			}
		})
	}
}

// TestHeadWhereNoTwoNodesAreAtTheSameBlock is the newest block that two of them know, however far ahead the third says it is.
func TestHeadWhereNoTwoNodesAreAtTheSameBlock(t *testing.T) {
	world := chaintest.New(1)
	for range 9 {
		world.Mine()
	}
	for place := range 3 {
		c, all := nodes(t, world, 3)
		all[place].Misbehave(chaintest.Faults{Ahead: 1 << 40})
		all[(place+1)%3].Misbehave(chaintest.Faults{Lag: 2})
		if head, err := c.Head(t.Context()); err != nil || head.Hash != world.Blocks()[7].Hash && head.Hash != world.Head().Hash {
			t.Errorf("node %d is ahead: block %d, %v", place, head.Number, err)
		}
	}
}

// TestTwoBadNodesOfThree is no answer, and words that say which node did what.
func TestTwoBadNodesOfThree(t *testing.T) {
	for name, test := range map[string]struct {
		bad  chaintest.Faults
		kind error
		says string
	}{
		"down":         {chaintest.Faults{Down: true}, chain.ErrUnreachable, "cut off"},
		"page":         {chaintest.Faults{Page: true}, chain.ErrUnreachable, "a page for people"},
		"cut":          {chaintest.Faults{Cut: true}, chain.ErrUnreachable, "cut off"},
		"chain":        {chaintest.Faults{ChainID: 5}, chain.ErrUnreachable, "it is on chain 5, not 1"},
		"429":          {chaintest.Faults{Status: 429}, chain.ErrUnreachable, "status 429"},
		"wrong ids":    {chaintest.Faults{WrongIDs: true}, chain.ErrUnreachable, "without an answer, or answered another one"},
		"nulls":        {chaintest.Faults{Nulls: true}, chain.ErrUnreachable, "not of the form"},
		"redirect":     {chaintest.Faults{Status: 301}, chain.ErrUnreachable, "another address"},
		"not numbers":  {lying("eth_getBlockByNumber", map[string]any{"number": "twelve"}), chain.ErrUnreachable, "not of the form"},
		"huge numbers": {lying("eth_getBlockByNumber", map[string]any{"number": "0xffffffffffffffffffff"}), chain.ErrUnreachable, "not of the form"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			world := chaintest.New(1)
			world.Mine()
			c, all := nodes(t, world, 3)
			all[0].Misbehave(test.bad)
			all[2].Misbehave(test.bad)
			c.Head(t.Context()) // once is no pattern
			_, err := c.Head(t.Context())
			if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), all[0].Host()) {
				t.Fatalf("%v", err)
			}
			told := 0
			for _, h := range c.Health() {
				if h.Error != "" && h.Out != "" {
					told++
				}
			}
			if told != 2 {
				t.Errorf("the health of %d nodes tells of it: %+v", told, c.Health())
			}
			for _, n := range []*chaintest.Node{all[0], all[2]} {
				n.Misbehave(chaintest.Faults{})
			}
			wait(t, "the nodes are asked again", func() bool { _, err := c.Head(t.Context()); return err == nil || test.bad.ChainID != 0 })
		})
	}
}

// TestALiarIsRemembered shows it in the health of the nodes, and asks the others first from then on.
func TestALiarIsRemembered(t *testing.T) {
	world := chaintest.New(1)
	world.Call(pool, price, chaintest.Result{Data: word(2000)})
	world.Mine()
	c, all := nodes(t, world, 3)
	all[0].Misbehave(lying("eth_call", "0x"+common.Bytes2Hex(word(1))))
	wait(t, "the liar's answer is compared", func() bool {
		if _, _, err := c.Read(t.Context(), nil, []chain.Query{{To: pool, Data: price}}); err != nil {
			t.Fatal(err)
		}
		return c.Health()[0].Disagreements > 0
	})
	if h := c.Health()[0]; !strings.Contains(h.Disagreed, "00001") || h.Host != all[0].Host() {
		t.Errorf("%+v", h)
	}
	asked := all[0].Asked("eth_call")
	if _, _, err := c.Read(t.Context(), nil, []chain.Query{{To: pool, Data: price}}); err != nil || all[0].Asked("eth_call") != asked {
		t.Errorf("the liar was asked first again: %v", err)
	}
}

// TestBudgetOfANode is kept, and a node without budget left is passed over.
func TestBudgetOfANode(t *testing.T) {
	world := chaintest.New(1)
	world.Mine()
	first, second := chaintest.Serve(t, world), chaintest.Serve(t, world)
	c := open(t, chain.Config{ID: 1, Quorum: 1, Timeout: time.Second, Nodes: []chain.Node{{URL: first.URL(), PerSecond: 5}, {URL: second.URL()}}})
	start := time.Now()
	for range 20 {
		if _, err := c.Head(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if most := 5 + int(6*time.Since(start).Seconds()) + 1; first.Asked("eth_getBlockByNumber")+first.Asked("eth_chainId") > most {
		t.Errorf("%d requests in %s", first.Asked("eth_getBlockByNumber"), time.Since(start))
	}
}

func TestConfigurationsThatCannotWork(t *testing.T) {
	for name, test := range map[string]struct {
		config chain.Config
		says   string
	}{
		"no id":        {chain.Config{Nodes: []chain.Node{{URL: "http://a"}}}, "needs its id"},
		"no node":      {chain.Config{ID: 1}, "no node that could be read"},
		"relay alone":  {chain.Config{ID: 1, Nodes: []chain.Node{{URL: "http://a", Private: true}}}, "no node that could be read"},
		"quorum":       {chain.Config{ID: 1, Quorum: 2, Nodes: []chain.Node{{URL: "http://a"}}}, "cannot give a quorum of 2"},
		"same host":    {chain.Config{ID: 1, Nodes: []chain.Node{{URL: "http://a/key-one"}, {URL: "https://a/key-two"}}}, "two nodes of Ethereum are at a:"},
		"ftp":          {chain.Config{ID: 1, Nodes: []chain.Node{{URL: "ftp://a"}}}, `not "ftp"`},
		"no address":   {chain.Config{ID: 1, Nodes: []chain.Node{{URL: "secret-key"}}}, "cannot be read"},
		"many of them": {chain.Config{ID: 1, Nodes: make([]chain.Node, chain.NodesMax+1)}, "32 are the most"},
	} {
		_, err := chain.New(test.config)
		if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "key") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
