package exit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"lifeboat"
	"lifeboat/act/exit"
	"lifeboat/act/safe"
	"lifeboat/chain"
	"lifeboat/chain/contract"
	"lifeboat/chain/protocol"
	"lifeboat/testbed"
)

// A request of JSON-RPC on its way to a node.
type request struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

// between is a node that fails: it stands before the real one and does to a request what it is told. An answer of its own goes
// back as it is; cut drops the connection, after the node has heard the request when heard is set.
type between struct {
	mu     sync.Mutex
	target string
	change func(r *request) (answer string, cut, heard bool)
	lie    func(method, result string) string
}

// node stands before the bed's.
func (m *market) node(b *between) string {
	b.target = m.URL
	server := httptest.NewServer(b)
	m.t.Cleanup(server.Close)
	return server.URL
}

func (b *between) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	var many []request
	batch := bytes.HasPrefix(bytes.TrimSpace(body), []byte("["))
	if batch {
		err = json.Unmarshal(body, &many)
	} else {
		many = make([]request, 1)
		err = json.Unmarshal(body, &many[0])
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	var answers []string
	for i := range many {
		answers = append(answers, b.one(&many[i]))
	}
	w.Header().Set("Content-Type", "application/json")
	if text := strings.Join(answers, ","); batch {
		fmt.Fprintf(w, "[%s]", text)
	} else {
		fmt.Fprint(w, text)
	}
}

func (b *between) one(r *request) string {
	b.mu.Lock()
	change, lie := b.change, b.lie
	b.mu.Unlock()
	var own string
	var cut, heard bool
	if change != nil {
		own, cut, heard = change(r)
	}
	if own != "" {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,%s}`, r.ID, own)
	}
	if cut && !heard {
		panic(http.ErrAbortHandler)
	}
	body, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": r.ID, "method": r.Method, "params": r.Params})
	answer, err := http.Post(b.target, "application/json", bytes.NewReader(body))
	if err != nil || cut {
		panic(http.ErrAbortHandler)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	if lie != nil {
		return lie(r.Method, string(text))
	}
	return string(text)
}

// listen goes on through a node that counts the answers of some kind.
func (m *market) listen(is func(method, answer string) bool) *atomic.Int64 {
	var heard atomic.Int64
	m.connect(m.node(&between{lie: func(method, answer string) string {
		if is(method, answer) {
			heard.Add(1)
		}
		return answer
	}}))
	return &heard
}

// start applies in the background, and gives back how it ended.
func (m *market) start(ctx context.Context, p exit.Prepared, signatures []safe.Signature) (wait func() (*exit.Ending, error)) {
	return m.startAs(ctx, "exit-1", p, signatures)
}

// startAs does so under another key.
func (m *market) startAs(ctx context.Context, key lifeboat.Key, p exit.Prepared, signatures []safe.Signature) (wait func() (*exit.Ending, error)) {
	type end struct {
		*exit.Ending
		error
	}
	ended := make(chan end, 1)
	go func() {
		e, err := m.desk.Apply(ctx, key, p, signatures, exit.Insist{})
		ended <- end{e, err}
	}()
	return func() (*exit.Ending, error) {
		select {
		case e := <-ended:
			return e.Ending, e.error
		case <-time.After(60 * time.Second):
			return nil, fmt.Errorf("it has not ended")
		}
	}
}

// until waits for something of the chain's.
func (m *market) until(what string, is func() bool) {
	m.t.Helper()
	for range 400 {
		if is() {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	m.t.Fatalf("it never came to that: %s", what)
}

// waiting and mined are the relayer's transactions in the pool and in blocks.
func (m *market) mined() uint64 {
	n, err := m.Client.NonceAt(m.t.Context(), m.relayer.Address, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	return n
}

func (m *market) waiting() uint64 {
	n, err := m.Client.PendingNonceAt(m.t.Context(), m.relayer.Address)
	if err != nil {
		m.t.Fatal(err)
	}
	return n - m.mined()
}

// ends well: the Safe is out, it was executed by one transaction, and the story says how.
func (m *market) ends(wait func() (*exit.Ending, error), p exit.Prepared, story ...string) *exit.Ending {
	m.t.Helper()
	e, err := wait()
	if err != nil {
		m.t.Fatal(err)
	}
	r := e.Receipt("exit-1", p)
	if !e.Done {
		m.t.Fatalf("%s\n%s", r.Why, r.Output)
	}
	says(m.t, r.Output, append(story, "what was promised is true")...)
	m.out()
	if n := m.safe.Nonce().Uint64(); n != p.Tx.Nonce+1 {
		m.t.Errorf("the Safe is at nonce %d, not %d", n, p.Tx.Nonce+1)
	}
	return e
}

func ready(t *testing.T, bed *testbed.Bed) (*market, exit.Prepared, []safe.Signature) {
	m := newMarket(t, bed)
	p := m.plan(m.order())
	return m, p, m.signed(p, 2)
}

// TestStuckThenKilled has no blocks come: the offer is raised under one nonce, the program is killed, and the next one goes on.
func TestStuckThenKilled(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		m, p, signatures := ready(t, bed)
		m.Hold()
		ctx, kill := context.WithCancel(t.Context())
		wait := m.start(ctx, p, signatures)
		m.until("it waits in the pool", func() bool { return m.waiting() == 1 })
		first := m.inPool()
		m.until("another offer takes its place", func() bool { h := m.inPool(); return h != first && h != common.Hash{} })
		kill()
		if e, err := wait(); err == nil {
			t.Fatalf("it has ended: %s", e.Why)
		}
		m.open(exit.Policy{})
		wait = m.start(t.Context(), p, signatures)
		m.Release()
		m.blocks()
		e := m.ends(wait, p, "sent again under the same nonce", "gone on with after a stop")
		if m.mined() != 1 {
			t.Errorf("%d transactions were mined", m.mined())
		}
		if e.Receipt("exit-1", p).Facts["sent"] == "1" {
			t.Error("nothing is known of the replacement")
		}
	})
}

// inPool is the relayer's transaction that waits; zero for none.
func (m *market) inPool() (hash common.Hash) {
	var pool struct {
		Pending map[string]map[string]struct {
			Hash common.Hash `json:"hash"`
		} `json:"pending"`
	}
	if err := m.RPC.CallContext(m.t.Context(), &pool, "txpool_content"); err != nil {
		m.t.Fatal(err)
	}
	for who, all := range pool.Pending {
		if common.HexToAddress(who) == m.relayer.Address {
			for _, tx := range all {
				hash = tx.Hash
			}
		}
	}
	return hash
}

// TestReorganisationOfThree takes the block of the exit away, and two more.
func TestReorganisationOfThree(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		m, p, signatures := ready(t, bed)
		seen := m.listen(func(method, answer string) bool {
			return method == "eth_getTransactionReceipt" && strings.Contains(answer, `"blockHash":"0x`)
		})
		m.open(exit.Policy{Confirmations: 4})
		wait := m.start(t.Context(), p, signatures)
		m.until("the desk has seen that it is mined, and looks again", func() bool { return seen.Load() > 1 })
		m.Mine(2)
		m.Reorg(3)
		if debt := m.aave.Position(m.safe.Address).Debt; debt.Sign() == 0 {
			t.Fatal("the reorganisation took nothing away")
		}
		m.blocks()
		m.ends(wait, p, "is not in the chain any more")
		if m.mined() != 1 {
			t.Errorf("%d transactions were mined", m.mined())
		}
	})
}

// TestNonceRace has another program with the relayer's key take the nonce while the exit waits.
func TestNonceRace(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		m, p, signatures := ready(t, bed)
		m.open(exit.Policy{BumpAfter: time.Minute})
		m.Hold()
		wait := m.start(t.Context(), p, signatures)
		m.until("it waits in the pool", func() bool { return m.waiting() == 1 })
		to := m.Whale().Address
		tx, err := types.SignNewTx(m.relayer.Key, types.LatestSignerForChainID(m.ChainID), &types.DynamicFeeTx{ChainID: m.ChainID, Gas: 21_000, To: &to, Value: big.NewInt(1),
			GasTipCap: big.NewInt(50e9), GasFeeCap: big.NewInt(90e9)})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Client.SendTransaction(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
		m.Release()
		m.blocks()
		m.ends(wait, p, "another transaction of the same sender took its place")
		if m.mined() != 2 {
			t.Errorf("%d transactions were mined", m.mined())
		}
	})
}

// TestNodeDiesInTheMiddleOfABroadcast: one node takes the transaction and dies before it says so, another never hears of it.
func TestNodeDiesInTheMiddleOfABroadcast(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		m := newMarket(t, bed)
		dying, deaf := &between{}, &between{}
		dead := false
		dying.change = func(r *request) (string, bool, bool) {
			dying.mu.Lock()
			defer dying.mu.Unlock()
			sends := r.Method == "eth_sendRawTransaction"
			heard := sends && !dead
			dead = dead || sends
			return "", dead, heard
		}
		deaf.change = func(r *request) (string, bool, bool) { return "", r.Method == "eth_sendRawTransaction", false }
		m.connect(m.node(dying), m.node(deaf), m.node(deafToo(deaf)))
		p := m.plan(m.order())
		wait := m.start(t.Context(), p, m.signed(p, 2))
		m.blocks()
		m.ends(wait, p, "no node is known to have taken it")
		if m.mined() != 1 {
			t.Errorf("%d transactions were mined", m.mined())
		}
	})
}

func deafToo(b *between) *between { return &between{change: b.change} }

// TestLyingAndLaggingNodes have one of three nodes say what is not so, or what was so: nothing of it is believed, and nothing is lost.
func TestLyingAndLaggingNodes(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		m := newMarket(t, bed)
		liar := &between{lie: func(method, result string) string {
			switch method {
			case "eth_call": // all is well, nothing is owed
				return replaced(result, `"0x`+strings.Repeat("0", 64)+`"`)
			case "eth_getTransactionCount":
				return replaced(result, `"0x63"`)
			case "eth_getBalance":
				return replaced(result, `"0x0"`)
			case "eth_estimateGas":
				return replaced(result, `"0x5208"`)
			}
			return result
		}}
		laggard := &between{change: func(r *request) (string, bool, bool) {
			if r.Method == "eth_getBlockByNumber" && string(r.Params[0]) == `"latest"` {
				r.Params[0] = json.RawMessage(`"0x5"`)
			}
			return "", false, false
		}}
		for name, node := range map[string]*between{"liar": liar, "laggard": laggard} {
			m.connect(m.URL, m.node(&between{}), m.node(node))
			if _, err := m.desk.Plan(t.Context(), m.order()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		m.connect(m.URL, m.node(&between{}), m.node(&between{}), m.node(liar), m.node(laggard))
		p := m.plan(m.order())
		wait := m.start(t.Context(), p, m.signed(p, 2))
		m.blocks()
		m.ends(wait, p)
	})
}

func replaced(answer, result string) string {
	var a map[string]json.RawMessage
	if json.Unmarshal([]byte(answer), &a) != nil || a["result"] == nil {
		return answer
	}
	a["result"] = json.RawMessage(result)
	text, _ := json.Marshal(a)
	return string(text)
}

// TestGasSpike has gas cost twenty times as much as a moment ago: above the ceiling it waits, and goes when it can.
func TestGasSpike(t *testing.T) {
	m, p, signatures := ready(t, testbed.Start(t, testbed.Anvil))
	asked := m.listen(func(method, _ string) bool { return method == "eth_feeHistory" })
	m.open(exit.Policy{Ceiling: big.NewInt(10e9)})
	if err := m.RPC.CallContext(t.Context(), nil, "anvil_setNextBlockBaseFeePerGas", "0x4a817c800"); err != nil { // 20 gwei
		t.Fatal(err)
	}
	m.Mine(1)
	wait := m.start(t.Context(), p, signatures)
	m.until("the desk has asked what gas costs, and asks again", func() bool { return asked.Load() > 1 })
	if m.mined()+m.waiting() != 0 {
		t.Error("it was sent above the ceiling")
	}
	m.blocks() // in empty ones the price falls by an eighth each
	e := m.ends(wait, p, "gas is above the ceiling: the market wants 1", "the ceiling is 10 gwei")
	if price, _ := new(big.Int).SetString(e.Found.Price, 10); price.Cmp(big.NewInt(10e9)) > 0 {
		t.Errorf("it paid %s", price)
	}
}

// TestNoNodeSimulates refuses what nobody could try to its end, unless that was permitted; and finds what would be refused.
func TestNoNodeSimulates(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		m := newMarket(t, bed)
		blind := &between{change: func(r *request) (string, bool, bool) {
			if r.Method == "eth_simulateV1" {
				return `"error":{"code":-32601,"message":"the method eth_simulateV1 does not exist/is not available"}`, false, false
			}
			return "", false, false
		}}
		m.connect(m.node(blind))
		if _, err := m.desk.Plan(t.Context(), m.order()); err == nil {
			t.Error("it was planned")
		} else {
			says(t, err.Error(), "it cannot be tried whether this would hold afterwards")
		}
		o := m.order()
		o.Unproven = true
		p := m.plan(o)
		says(t, p.Text(), "No node can simulate", "not tried")
		wait := m.start(t.Context(), p, m.signed(p, 2))
		m.blocks()
		m.ends(wait, p, "nobody can try how it ends")
	})
}

// TestAFifthMoreThanTheEstimateIsTooLittle shows why the limit is what it is. An estimate is made in the second of the newest block;
// when the block after it comes, interest has accrued and more is written.
func TestAFifthMoreThanTheEstimateIsTooLittle(t *testing.T) {
	m := newMarket(t, testbed.Start(t, testbed.Simulated))
	weth, usdc, one := m.aave.WETH, m.aave.USDC, testbed.Ether(1)
	m.Mint(weth, m.safe.Address, one)
	u := m.UniswapV2() // whose pair was written in the newest block
	swap := u.Router.Do("swapExactTokensForTokens", one, testbed.Units(1_900, 6), []common.Address{weth.Address, usdc.Address}, m.safe.Address, big.NewInt(1<<40))
	approve := weth.Do("approve", u.Router.Address, one)
	o := m.order()
	o.Way = by{Calls: []protocol.Call{{To: approve.To, Data: approve.Data, Words: "let the router take 1 WETH"}, {To: swap.To, Data: swap.Data, Words: "sell it"}},
		Known: []common.Address{u.Router.Address, u.Pair.Address},
		Must:  []protocol.Condition{{Query: contract.ERC20.BalanceOf.Query(weth.Address, m.safe.Address), Compare: protocol.Equal, Want: new(big.Int), Words: "the Safe has no WETH"}}}
	p := m.plan(o)
	signatures := m.signed(p, 2)
	data := p.Tx.Exec(safe.Pack(signatures))
	var estimate hexutil.Uint64
	if err := m.RPC.CallContext(t.Context(), &estimate, "eth_estimateGas", map[string]any{"from": m.relayer.Address, "to": m.safe.Address, "data": hexutil.Bytes(data)}); err != nil {
		t.Fatal(err)
	}
	stranger := m.Accounts[6]
	tx, err := types.SignNewTx(stranger.Key, types.LatestSignerForChainID(m.ChainID), &types.DynamicFeeTx{ChainID: m.ChainID, Gas: uint64(estimate) * 6 / 5, To: &m.safe.Address, Data: data,
		GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(20e9), Nonce: must(m.Client.PendingNonceAt(t.Context(), stranger.Address))})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Client.SendTransaction(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	var r *types.Receipt
	m.until("it is mined", func() bool { r, err = m.Client.TransactionReceipt(t.Context(), tx.Hash()); return err == nil })
	if r.Status != types.ReceiptStatusFailed {
		t.Errorf("with %d gas, a fifth more than the estimate of %d, it went through; it used %d", tx.Gas(), estimate, r.GasUsed)
	}
	wait := m.start(t.Context(), p, signatures)
	m.blocks()
	e, err := wait()
	if err != nil || !e.Done || !e.Found.Ours {
		t.Fatal(err, e)
	}
	t.Logf("estimate %d, a fifth more is too little; used %d", estimate, e.Found.Gas)
}

// by is a way out whose calls are known beforehand.
type by protocol.Plan

func (by) Name() string { return "Uniswap" }
func (b by) Exit(context.Context, chain.Reader, *chain.Block, common.Address, ...protocol.Ask) (protocol.Plan, error) {
	return protocol.Plan(b), nil
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// ethereumBlock is the time between two blocks of Ethereum.
const ethereumBlock = 12 * time.Second

// TestByARole has a bot leave the market under a role, without anybody's signature, within three blocks of Ethereum; and shows that the same key
// gets nothing out to anybody else, whatever it is told.
func TestByARole(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		m := newMarket(t, bed)
		bot := bed.Accounts[6]
		roles := m.aave.ExitRoles(m.safe, bot)
		m.desk.Signers[bot.Address] = signer{bot}
		o := m.order()
		o.Sender, o.Role = bot.Address, &exit.Role{Module: roles.Address, Name: "exit-bot"}
		o.Asks[1].Token = m.aave.WETH.Address

		thief := common.HexToAddress("0x7e1ef00000000000000000000000000000000001")
		stolen := o
		stolen.Asks = []protocol.Ask{o.Asks[0], {Do: protocol.Withdraw, Token: m.aave.WETH.Address, To: thief}}
		stolen.Own = map[common.Address]string{thief: "an account that a forged plan names"}
		if _, err := m.desk.Plan(t.Context(), stolen); err == nil {
			t.Error("the role lets the bot pay somebody else")
		} else {
			says(t, err.Error(), "the role does not permit it")
		}

		p := m.plan(o)
		says(t, p.Text(), "nobody signs")
		begun := time.Now()
		wait := m.start(t.Context(), p, nil)
		m.blocks()
		e, err := wait()
		if err != nil || !e.Done {
			t.Fatal(err, e)
		}
		m.out()
		if took := e.Found.SeenAt.Sub(begun); took >= 3*ethereumBlock {
			t.Errorf("it took %s", took)
		}
		says(t, e.Receipt("exit-1", p).Output, "the role permits it", "what was promised is true")
	})
}
