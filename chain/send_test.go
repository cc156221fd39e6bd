package chain_test

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat/chain"
	"lifeboat/chain/chaintest"
)

func key(t testing.TB) (*ecdsa.PrivateKey, common.Address) {
	t.Helper()
	k, err := crypto.ToECDSA(crypto.Keccak256([]byte("a key for tests alone")))
	if err != nil {
		t.Fatal(err)
	}
	return k, crypto.PubkeyToAddress(k.PublicKey)
}

func signed(t testing.TB, nonce uint64) *types.Transaction {
	t.Helper()
	k, _ := key(t)
	tx, err := types.SignNewTx(k, types.LatestSignerForChainID(big.NewInt(1)), &types.DynamicFeeTx{
		ChainID: big.NewInt(1), Nonce: nonce, To: &pool, Gas: 100_000, GasFeeCap: big.NewInt(3e9), GasTipCap: big.NewInt(1e9),
	})
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func TestFees(t *testing.T) {
	world := chaintest.New(1)
	world.Mine()
	c, all := nodes(t, world, 3)
	world.Add(signed(t, 0))
	world.Mine()
	greedy := map[string]any{
		"oldestBlock": "0x1", "baseFeePerGas": []string{"0x3b9aca00", "0x3b9aca00"}, "gasUsedRatio": []float64{0.5},
		"reward": [][]string{{"0x2386f26fc10000"}},
	}
	for place := range 3 {
		all[place].Misbehave(lying("eth_feeHistory", greedy))
		fees, err := c.Fees(t.Context())
		if err != nil || fees.Base.Cmp(big.NewInt(1e9)) != 0 || fees.Tip.Cmp(big.NewInt(2e9)) != 0 {
			t.Errorf("with a greedy node %d: %v, %v", place, fees, err)
		}
		all[place].Misbehave(lying("eth_feeHistory", map[string]any{"baseFeePerGas": []string{"0x1", "0x1"}, "reward": [][]string{{"0x1"}}}))
		if fees, err = c.Fees(t.Context()); err != nil || fees.Base.Cmp(big.NewInt(1e9)) != 0 {
			t.Errorf("with a node %d that says too little: %v, %v", place, fees, err)
		}
		all[place].Misbehave(chaintest.Faults{})
	}
}

func TestEstimate(t *testing.T) {
	reason, _ := abi.NewType("string", "", nil)
	text, _ := abi.Arguments{{Type: reason}}.Pack("the pool is paused")
	world := chaintest.New(1)
	world.Estimate(pool, 300_000)
	world.Call(pool, broken, chaintest.Result{Reverted: true, Data: append(hexutil.MustDecode("0x08c379a0"), text...)})
	world.Mine()
	call := chain.Transaction{From: other, To: pool, Data: price}
	for name, test := range map[string]struct {
		bad  chaintest.Faults
		want uint64
	}{
		"all agree":             {chaintest.Faults{}, 300_000},
		"one a little more":     {lying("eth_estimateGas", "0x4c4b4"), 300_000}, // 312,500
		"one far too little":    {lying("eth_estimateGas", "0x5208"), 300_000},
		"one far too much":      {lying("eth_estimateGas", "0xffffffffffffffff"), 300_000},
		"one cannot look ahead": {chaintest.Faults{NoSimulation: true}, 300_000},
	} {
		for place := range 3 {
			c, all := nodes(t, world, 3)
			all[place].Misbehave(test.bad)
			gas, err := c.Estimate(t.Context(), call)
			if err != nil || gas < test.want || gas > test.want+12_500 {
				t.Errorf("%s, node %d: %d, %v", name, place, gas, err)
			}
		}
	}
	c, _ := nodes(t, world, 3)
	_, err := c.Estimate(t.Context(), chain.Transaction{From: other, To: pool, Data: broken})
	r, ok := errors.AsType[*chain.Reverted](err)
	if !ok || !errors.Is(err, chain.ErrReverted) || !strings.Contains(err.Error(), "the pool is paused") || len(r.Data) != len(text)+4 {
		t.Errorf("%v", err)
	}
}

func TestSimulate(t *testing.T) {
	world := chaintest.New(1)
	world.Call(pool, price, chaintest.Result{Data: word(7), GasUsed: 90_000, Logs: chaintest.Logs(topic, token)})
	world.Call(pool, broken, chaintest.Result{Reverted: true, Data: []byte{9, 9, 9, 9}})
	world.Mine()
	calls := []chain.Transaction{{From: other, To: pool, Data: price, Value: big.NewInt(1)}, {From: other, To: pool, Data: broken}}
	c, all := nodes(t, world, 3)
	for place := range 3 {
		for name, bad := range map[string]chaintest.Faults{
			"lies": lying("eth_simulateV1", []any{map[string]any{"calls": []any{
				map[string]any{"returnData": "0x", "gasUsed": "0x1", "status": "0x1", "logs": []any{}},
				map[string]any{"returnData": "0x", "gasUsed": "0x1", "status": "0x1", "logs": []any{}},
			}}}),
			"answers for one call": lying("eth_simulateV1", []any{map[string]any{"calls": []any{}}}),
			"cannot":               {NoSimulation: true},
			"takes numbers alone":  {NoHashes: true},
		} {
			all[place].Misbehave(bad)
			outcomes, err := c.Simulate(t.Context(), nil, calls)
			if err != nil {
				t.Fatalf("node %d %s: %v", place, name, err)
			}
			if !bytes.Equal(outcomes[0].Return, word(7)) || outcomes[0].GasUsed != 90_000 || len(outcomes[0].Logs) != 1 || outcomes[0].Err != nil ||
				!errors.Is(outcomes[1].Err, chain.ErrReverted) || !bytes.Equal(outcomes[1].Return, []byte{9, 9, 9, 9}) {
				t.Errorf("node %d %s: %+v", place, name, outcomes)
			}
			all[place].Misbehave(chaintest.Faults{})
		}
	}
	for _, n := range all[:2] {
		n.Misbehave(chaintest.Faults{NoSimulation: true})
	}
	if _, err := c.Simulate(t.Context(), nil, calls); !errors.Is(err, chain.ErrNoSimulation) {
		t.Errorf("two of three cannot: %v", err)
	}
}

// TestFromBroadcastToReceipt takes a transaction through the pool into a block that is reorganised away and mined again.
func TestFromBroadcastToReceipt(t *testing.T) {
	world := chaintest.New(1)
	world.Mine()
	c, all := nodes(t, world, 3)
	_, sender := key(t)
	tx := signed(t, 0)
	all[0].Misbehave(chaintest.Faults{Deaf: true})
	all[1].Misbehave(chaintest.Faults{Down: true})
	if err := c.Broadcast(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		n.Misbehave(chaintest.Faults{})
	}
	if err := c.Broadcast(t.Context(), tx); err != nil {
		t.Errorf("once more: %v", err)
	}
	wait(t, "it is in the pool", func() bool { n, err := c.Pending(t.Context(), sender); return err == nil && n == 1 })
	if _, err := c.Receipt(t.Context(), tx.Hash()); !errors.Is(err, chain.ErrNotMined) {
		t.Errorf("before it is mined: %v", err)
	}
	mined := world.Mine()
	for place := range 3 {
		all[place].Misbehave(chaintest.Faults{Lag: 1})
		if r, err := c.Receipt(t.Context(), tx.Hash()); err != nil || r.BlockHash != mined.Hash || r.Status != 1 {
			t.Errorf("node %d lags: %v, %v", place, r, err)
		}
		false_ := *mined.Receipts[0]
		false_.Status = 0
		all[place].Misbehave(lying("eth_getTransactionReceipt", &false_))
		if r, err := c.Receipt(t.Context(), tx.Hash()); err != nil || r.Status != 1 {
			t.Errorf("node %d lies: %v, %v", place, r, err)
		}
		all[place].Misbehave(chaintest.Faults{})
	}
	if err := c.Broadcast(t.Context(), tx); err != nil {
		t.Errorf("when it is mined: %v", err)
	}
	world.Reorg(1)
	if r, err := c.Receipt(t.Context(), tx.Hash()); err != nil || r.BlockHash == mined.Hash {
		t.Errorf("after the reorganisation: %v, %v", r, err)
	}
	for _, n := range all {
		n.Misbehave(chaintest.Faults{Code: -32000, Message: "transaction indexing is in progress"})
	}
	if _, err := c.Receipt(t.Context(), tx.Hash()); !errors.Is(err, chain.ErrNotMined) {
		t.Errorf("while it is indexed: %v", err)
	}
}

func TestBroadcastThatNobodyTakes(t *testing.T) {
	world := chaintest.New(1)
	world.Add(signed(t, 0))
	world.Mine()
	c, _ := nodes(t, world, 3)
	k, _ := key(t)
	late, err := types.SignNewTx(k, types.LatestSignerForChainID(big.NewInt(1)), &types.DynamicFeeTx{
		ChainID: big.NewInt(1), Nonce: 0, To: &other, Gas: 50_000, GasFeeCap: big.NewInt(9e9), GasTipCap: big.NewInt(9e9),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Broadcast(t.Context(), late); err == nil || !strings.Contains(err.Error(), "nonce too low") {
		t.Errorf("%v", err)
	}
}

func TestPrivate(t *testing.T) {
	world := chaintest.New(1)
	world.Mine()
	node, relay := chaintest.Serve(t, world), chaintest.Serve(t, world)
	c := open(t, chain.Config{ID: 1, Nodes: []chain.Node{{URL: node.URL()}, {URL: relay.URL(), Private: true}}})
	if err := c.Private(t.Context(), signed(t, 0)); err != nil || len(relay.Private()) != 1 || node.Asked("eth_sendRawTransaction") != 0 {
		t.Errorf("%v, %d", err, len(relay.Private()))
	}
	if _, err := c.Head(t.Context()); err != nil || relay.Asked("eth_getBlockByNumber") != 0 {
		t.Errorf("the relay was asked for more: %v", err)
	}
	none, _ := nodes(t, world, 1)
	if err := none.Private(t.Context(), signed(t, 0)); !errors.Is(err, chain.ErrNoRelay) {
		t.Errorf("%v", err)
	}
}

func TestRevert(t *testing.T) {
	for _, test := range []struct{ data, want string }{
		{"0x", "it gave no reason"},
		{"0x0102", "it gave 0x0102"},
		{"0xd0a9bf58", "error 0xd0a9bf58 of the contract's own"},
		{"0x4e487b710000000000000000000000000000000000000000000000000000000000000011", "arithmetic underflow or overflow"},
		{"0x08c379a0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff20", "error 0x08c379a0 of the contract's own"},
		{"0x08c379a0000000000000000000000000000000000000000000000000000000000000002000000000000000000000000000000000000000000000000000000000000000054753303236000000000000000000000000000000000000000000000000000000", "GS026"},
	} {
		if got := chain.Revert(hexutil.MustDecode(test.data)); got != test.want {
			t.Errorf("%.40s: %q, want %q", test.data, got, test.want)
		}
	}
}

// TestATollIsAgreedOn: a node that says alone what was taken beside the gas is not believed, and where no quorum says it alike nobody says it.
func TestATollIsAgreedOn(t *testing.T) {
	world := chaintest.New(1)
	tx := signed(t, 0)
	world.Add(tx)
	mined := world.Mine()
	text, err := json.Marshal(mined.Receipts[0])
	if err != nil {
		t.Fatal(err)
	}
	dear := lying("eth_getTransactionReceipt", json.RawMessage(strings.Replace(string(text), "{", `{"l1Fee":"0xde0b6b3a7640000",`, 1)))
	c, all := nodes(t, world, 3)
	for place := range 3 {
		all[place].Misbehave(dear)
		if r, err := c.Receipt(t.Context(), tx.Hash()); err != nil || r.Toll.Sign() != 0 {
			t.Errorf("node %d lies: %+v, %v", place, r, err)
		}
		all[place].Misbehave(chaintest.Faults{})
	}
	for _, n := range all {
		n.Misbehave(dear)
	}
	if r, err := c.Receipt(t.Context(), tx.Hash()); err != nil || r.Toll.String() != "1000000000000000000" {
		t.Errorf("when all say so: %+v, %v", r, err)
	}
	all[0].Misbehave(chaintest.Faults{})
	all[1].Misbehave(chaintest.Faults{Down: true})
	if _, err := c.Receipt(t.Context(), tx.Hash()); !errors.Is(err, chain.ErrDisagree) || !strings.Contains(err.Error(), "a toll of 1000000000000000000 wei") {
		t.Errorf("when two say different things: %v", err)
	}
}
