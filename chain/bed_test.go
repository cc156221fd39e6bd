package chain_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
	"lifeboat/testbed"
)

// TestOnRealNodes reads, simulates, estimates and follows on anvil and on go-ethereum through three lines, each of which goes wrong in
// its turn: with real contracts, Multicall3 among them, and a reorganisation of three blocks.
func TestOnRealNodes(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		var lines []*testbed.Line
		config := chain.Config{ID: bed.ChainID.Uint64(), Poll: 20 * time.Millisecond, Timeout: 10 * time.Second}
		for range 3 {
			l := bed.Through(testbed.Fault{})
			lines = append(lines, l)
			config.Nodes = append(config.Nodes, chain.Node{URL: l.URL})
		}
		c := open(t, config)
		weth := bed.WETH()
		owner := bed.Accounts[1]
		bed.Mint(weth, owner.Address, testbed.Ether(3))
		bed.Mine(4) // a node that lags has the contracts all the same
		balance := weth.Do("balanceOf", owner.Address)
		refusal := weth.Do("transferFrom", bed.Whale().Address, owner.Address, testbed.Ether(1))
		zero := func(method string, params, result json.RawMessage) json.RawMessage {
			if method == "eth_call" {
				return json.RawMessage(`"0x0000000000000000000000000000000000000000000000000000000000000000"`)
			}
			return result
		}
		for place, fault := range []testbed.Fault{{Lie: zero}, {Lag: 3}, {Refuse: 429}, {Cut: true}, {Lacks: []string{"eth_simulateV1", "eth_getHeaderByNumber"}}} {
			l := lines[place%3]
			l.Set(fault)
			answers, _, err := c.Read(t.Context(), nil, []chain.Query{{To: weth.Address, Data: balance.Data}, {To: weth.Address, Data: refusal.Data}, {What: chain.Nonce, To: owner.Address}})
			if err != nil || !bytes.Equal(answers[0].Data, common.BigToHash(testbed.Ether(3)).Bytes()) || !errors.Is(answers[1].Err, chain.ErrReverted) {
				t.Errorf("fault %d: %v, %v", place, answers, err)
			}
			outcomes, err := c.Simulate(t.Context(), nil, []chain.Transaction{
				{From: owner.Address, To: weth.Address, Data: weth.Do("transfer", other, testbed.Ether(1)).Data}, {From: owner.Address, To: weth.Address, Data: balance.Data},
			})
			if err != nil || len(outcomes[0].Logs) != 1 || !bytes.Equal(outcomes[1].Return, common.BigToHash(testbed.Ether(2)).Bytes()) {
				t.Errorf("fault %d: %+v, %v", place, outcomes, err)
			}
			gas, err := c.Estimate(t.Context(), chain.Transaction{From: owner.Address, To: weth.Address, Data: weth.Do("transfer", other, testbed.Ether(1)).Data})
			if err != nil || gas < 30_000 || gas > 100_000 {
				t.Errorf("fault %d: %d gas, %v", place, gas, err)
			}
			if _, err := c.Fees(t.Context()); err != nil {
				t.Errorf("fault %d: %v", place, err)
			}
			l.Set(testbed.Fault{})
			wait(t, "the node is asked again", func() bool {
				_, err := c.Head(t.Context())
				return err == nil && !slices.ContainsFunc(c.Health(), func(h chain.NodeHealth) bool { return h.Out != "" })
			})
		}

		head, err := c.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var r recorder
		r.at = chain.From(head.Number + 1)
		stop := follow(t, c, &r, chain.Filter{Addresses: []common.Address{weth.Address}})
		for range 3 {
			bed.Send(owner, weth.Contract, "transfer", other, testbed.Units(1, 17))
		}
		newest := func() bool { h, err := c.Head(t.Context()); return err == nil && r.last() == h.Hash }
		wait(t, "three transfers are told", newest)
		before := len(r.branch)
		bed.Reorg(3)
		wait(t, "the other branch is told", func() bool { return len(r.removed()) >= 3 && newest() })
		stop()
		removed := r.removed()
		if len(r.wrong) > 0 || len(removed) != 3 {
			t.Errorf("%v, removed %v of %d: %v", r.wrong, removed, before, r.steps)
		}
		for _, s := range r.branch {
			if len(s.Logs) > 0 && s.Block.Number > head.Number+uint64(before)-3 {
				t.Errorf("block %d of the empty branch has %d logs", s.Block.Number, len(s.Logs))
			}
		}
	})
}

// removed are the steps back.
func (r *recorder) removed() (steps []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.steps {
		var number, logs int
		var back bool
		if fmt.Sscanf(s, "%d %t %d", &number, &back, &logs); back {
			steps = append(steps, s)
		}
	}
	return steps
}
