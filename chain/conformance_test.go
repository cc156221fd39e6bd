package chain_test

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/ethclient/simulated"
	"github.com/ethereum/go-ethereum/node"

	"lifeboat/chain"
)

// notebook is a contract in the machine's own code: sent nothing, it writes down the number of the block and logs the topic 42; sent
// anything, it returns what it wrote; sent 0xff…, it reverts with the bytes d0a9bf58.
var notebook = common.FromHex("36600d57435f55602a5f5fa1005b5f3560f81c60ff146021575f545f5260205ff35b63d0a9bf585f526004601cfd")

// geth is a node of go-ethereum in this process, reached over HTTP and over WebSockets, which agree only where both are read alike.
// Its rules are those before Bogota, as on the networks of today.
func geth(t *testing.T) (*simulated.Backend, *chain.Chain) {
	t.Helper()
	_, sender := key(t)
	ports := freePorts(t, 2)
	backend := simulated.NewBackend(types.GenesisAlloc{
		sender: {Balance: new(big.Int).Mul(big.NewInt(1e18), big.NewInt(100))},
		token:  {Balance: new(big.Int), Code: notebook},
	}, func(n *node.Config, e *ethconfig.Config) {
		rules := *e.Genesis.Config
		rules.BogotaTime = nil
		genesis := *e.Genesis
		genesis.Config = &rules
		e.Genesis = &genesis
		n.HTTPHost, n.HTTPPort, n.HTTPModules = "127.0.0.1", ports[0], []string{"eth"}
		n.WSHost, n.WSPort, n.WSModules = "127.0.0.1", ports[1], []string{"eth"}
	})
	t.Cleanup(func() { backend.Close() })
	return backend, open(t, chain.Config{ID: 1337, Poll: 10 * time.Millisecond, Quorum: 2, Nodes: []chain.Node{
		{URL: fmt.Sprintf("http://127.0.0.1:%d", ports[0])}, {URL: fmt.Sprintf("ws://127.0.0.1:%d", ports[1])},
	}})
}

func freePorts(t *testing.T, count int) (ports []int) {
	t.Helper()
	for range count {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// note signs a call of the notebook.
func note(t *testing.T, k *ecdsa.PrivateKey, nonce uint64, fees chain.Fees, gas uint64) *types.Transaction {
	t.Helper()
	tx, err := types.SignNewTx(k, types.LatestSignerForChainID(big.NewInt(1337)), &types.DynamicFeeTx{
		ChainID: big.NewInt(1337), Nonce: nonce, To: &token, Gas: gas, GasTipCap: fees.Tip,
		GasFeeCap: new(big.Int).Add(new(big.Int).Mul(fees.Base, big.NewInt(2)), fees.Tip),
	})
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func TestGoEthereum(t *testing.T) {
	backend, c := geth(t)
	k, sender := key(t)
	ctx := t.Context()
	backend.Commit() // an estimate is made in the newest block, and in block 0 there would be nothing to write down
	fees, err := c.Fees(ctx)
	if err != nil {
		t.Fatal(err)
	}
	gas, err := c.Estimate(ctx, chain.Transaction{From: sender, To: token})
	if err != nil || gas < 40_000 || gas > 80_000 {
		t.Fatalf("%d, %v", gas, err)
	}
	outcomes, err := c.Simulate(ctx, nil, []chain.Transaction{{From: sender, To: token}, {From: sender, To: token, Data: []byte{1}}, {From: sender, To: token, Data: []byte{0xff}}, {From: sender, To: other, Value: big.NewInt(7)}})
	if err != nil {
		t.Fatal(err)
	}
	if len(outcomes[0].Logs) != 1 || !bytes.Equal(outcomes[1].Return, word(2)) || outcomes[0].GasUsed < 40_000 ||
		!errors.Is(outcomes[2].Err, chain.ErrReverted) || chain.Revert(outcomes[2].Return) != "error 0xd0a9bf58 of the contract's own" ||
		len(outcomes[3].Logs) != 1 {
		t.Errorf("%+v", outcomes)
	}

	var r recorder
	r.at = chain.From(2)
	stop := follow(t, c, &r, chain.Filter{Addresses: []common.Address{token}, Topics: [][]common.Hash{{{31: 42}}}})
	tx := note(t, k, 0, fees, gas*3/2)
	if err := c.Broadcast(ctx, tx); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Pending(ctx, sender); err != nil || n != 1 {
		t.Errorf("pending %d, %v", n, err)
	}
	if _, err := c.Receipt(ctx, tx.Hash()); !errors.Is(err, chain.ErrNotMined) {
		t.Errorf("%v", err)
	}
	first := backend.Commit()
	wait(t, "the receipt is there", func() bool { _, err := c.Receipt(ctx, tx.Hash()); return err == nil })
	receipt, err := c.Receipt(ctx, tx.Hash())
	if err != nil || receipt.BlockHash != first || receipt.Status != 1 {
		t.Fatalf("%v, %v", receipt, err)
	}
	answers, at, err := c.Read(ctx, nil, []chain.Query{
		{To: token, Data: []byte{1}}, {To: token, Data: []byte{0xff}}, {What: chain.Nonce, To: sender}, {What: chain.Code, To: token},
		{What: chain.Storage, To: token, Data: word(0)}, {What: chain.Balance, To: other},
	})
	if err != nil || at.Hash != first || !bytes.Equal(answers[0].Data, word(2)) || !errors.Is(answers[1].Err, chain.ErrReverted) || len(answers[1].Data) != 4 ||
		!bytes.Equal(answers[2].Data, word(1)) || !bytes.Equal(answers[3].Data, notebook) || !bytes.Equal(answers[4].Data, word(2)) || !bytes.Equal(answers[5].Data, word(0)) {
		t.Fatalf("at %d: %x, %v", at.Number, answers, err)
	}
	if err := c.Broadcast(ctx, tx); err != nil {
		t.Errorf("a transaction that is mined: %v", err)
	}
	if _, err := c.Estimate(ctx, chain.Transaction{From: sender, To: token, Data: []byte{0xff}}); !errors.Is(err, chain.ErrReverted) || !strings.Contains(err.Error(), "0xd0a9bf58") {
		t.Errorf("%v", err)
	}
	if err := c.Broadcast(ctx, note(t, k, 1, fees, gas*3/2)); err != nil {
		t.Fatal(err)
	}
	second := backend.Commit()
	wait(t, "the second block is told", func() bool { return r.last() == second })

	// The second block is reorganised away, and two others come.
	if err := backend.Fork(first); err != nil {
		t.Fatal(err)
	}
	backend.Commit()
	last := backend.Commit()
	wait(t, "the new branch is told", func() bool { return r.last() == last })
	stop()
	if len(r.wrong) > 0 || r.branch[0].Block.Hash != first || len(r.branch[0].Logs) != 1 {
		t.Errorf("%v %v", r.wrong, r.steps)
	}
	logs, err := c.Logs(ctx, 0, 4, chain.Filter{Addresses: []common.Address{token}})
	told := 0
	for _, s := range r.branch {
		told += len(s.Logs)
	}
	if err != nil || len(logs) != told {
		t.Errorf("%d logs, %d told, %v", len(logs), told, err)
	}
	old := chain.Block{Number: 3, Hash: second, Time: at.Time}
	if answers, _, err := c.Read(ctx, &old, []chain.Query{{To: token, Data: []byte{1}}}); err == nil && !bytes.Equal(answers[0].Data, word(3)) {
		t.Errorf("the state of the removed block: %x", answers[0].Data)
	}
}
