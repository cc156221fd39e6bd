package exit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat"
	"lifeboat/act/exit"
	"lifeboat/plan"
	"lifeboat/testbed"
)

// openZeppelin is a stand-in for a relay, of our own: it takes and gives what OpenZeppelin documents of its Relayer (POST and GET of
// /api/v1/relayers/{id}/transactions), refuses everything else, and sends what it is given with a key of its own on a real node.
type openZeppelin struct {
	*market
	account testbed.Account
	url     string

	mu    sync.Mutex
	fault func(w http.ResponseWriter, r *http.Request, honest func()) // nil is honest
	sent  []common.Hash
	asked int
	next  uint64 // nonce of its key
}

const ozPath = "/api/v1/relayers/treasury/transactions"

// through opens the desk again, with such a relay; it has an exit so long to itself.
func (m *market) through(within time.Duration) *openZeppelin {
	m.t.Helper()
	o := &openZeppelin{market: m, account: m.Accounts[7]}
	server := httptest.NewServer(o)
	m.t.Cleanup(server.Close)
	o.url = server.URL
	m.reopen(within, o.url)
	return o
}

// reopen the desk, as a new process would.
func (m *market) reopen(within time.Duration, url string) {
	m.t.Helper()
	relay, err := exit.OpenRelay(plan.Relay{URL: url + ozPath, Headers: map[string]string{"Authorization": "env:RELAY"},
		Body: `{"to":"{to}","value":0,"data":"{data}","gas_limit":{gas},"speed":"fast"}`, ID: "$.data.id",
		Status: &plan.RelayStatus{URL: url + ozPath + "/{id}", State: "$.data.status", Hash: "$.data.hash", Done: []string{"confirmed"}, Failed: []string{"failed", "expired", "canceled"}},
		Within: plan.Duration(within)}, func(text string) (string, error) {
		return strings.Replace(text, "env:RELAY", "Bearer of-the-relay", 1), nil
	}, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	m.relay = relay
	m.open(exit.Policy{})
}

func (o *openZeppelin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.Method == http.MethodPost {
		o.asked++
	}
	if o.fault == nil {
		o.honest(w, r)
	} else {
		o.fault(w, r, func() { o.honest(w, r) })
	}
}

func (o *openZeppelin) honest(w http.ResponseWriter, r *http.Request) {
	answer := func(status int, data string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"success":%t,"data":%s}`, status < 300, data)
	}
	id, one := strings.CutPrefix(r.URL.Path, ozPath+"/")
	switch {
	case r.Header.Get("Authorization") != "Bearer of-the-relay":
		answer(http.StatusUnauthorized, "null")
	case r.Method == http.MethodGet && one:
		var index int
		if _, err := fmt.Sscanf(id, "tx-%d", &index); err != nil || index >= len(o.sent) {
			answer(http.StatusNotFound, "null")
			return
		}
		status := "submitted"
		if _, err := o.Client.TransactionReceipt(r.Context(), o.sent[index]); err == nil {
			status = "confirmed"
		}
		answer(http.StatusOK, fmt.Sprintf(`{"id":%q,"hash":%q,"status":%q}`, id, o.sent[index], status))
	case r.Method == http.MethodPost && r.URL.Path == ozPath && r.Header.Get("Content-Type") == "application/json":
		var tx struct {
			To    common.Address `json:"to"`
			Value uint64         `json:"value"`
			Data  hexutil.Bytes  `json:"data"`
			Gas   uint64         `json:"gas_limit"`
			Speed string         `json:"speed"`
		}
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&tx); err != nil || tx.To != o.safe.Address || tx.Speed != "fast" {
			answer(http.StatusBadRequest, "null")
			return
		}
		if err := o.send(r.Context(), tx.To, tx.Data, tx.Gas); err != nil {
			answer(http.StatusInternalServerError, "null")
			return
		}
		answer(http.StatusCreated, fmt.Sprintf(`{"id":"tx-%d","hash":null,"status":"pending"}`, len(o.sent)-1))
	default:
		answer(http.StatusNotFound, "null")
	}
}

// send it with the relay's own key; the lock is held.
func (o *openZeppelin) send(ctx context.Context, to common.Address, data []byte, gas uint64) error {
	tx, err := types.SignNewTx(o.account.Key, types.LatestSignerForChainID(o.ChainID), &types.DynamicFeeTx{ChainID: o.ChainID, Nonce: o.next, To: &to, Data: data, Gas: gas,
		GasTipCap: big.NewInt(20e9), GasFeeCap: big.NewInt(100e9)})
	if err != nil {
		return err
	}
	if err := o.Client.SendTransaction(ctx, tx); err != nil {
		return err
	}
	o.next++
	o.sent = append(o.sent, tx.Hash())
	return nil
}

// times that it was asked to send something.
func (o *openZeppelin) times() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked
}

// TestThroughARelay is an exit of a real Safe that a relay pays for, with a key here that has no ether at all.
func TestThroughARelay(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		m := newMarket(t, bed)
		m.relayer = testbed.Account{Address: common.HexToAddress("0xe3e3e3e3e3e3e3e3e3e3e3e3e3e3e3e3e3e3e3e3")}
		o := m.through(time.Minute)
		p := m.plan(m.order())
		says(t, p.Text(), "paid by the relay 127.0.0.1, or when it has not done it within 1 min by 0xe3", "enough for 0 such exits", "That is little: top it up")
		if err := m.desk.Payable(t.Context(), p); err == nil {
			t.Error("nobody is told that the key that steps in is empty")
		}
		m.blocks()
		e := m.ends(m.start(t.Context(), p, m.signed(p, 2)), p, "given to the relay 127.0.0.1, which pays the gas", "the relay has taken it")
		if facts := e.Receipt("exit-1", p).Facts; e.Found.Ours || facts["relay"] != "127.0.0.1" || facts["fee"] != "" || o.times() != 1 {
			t.Errorf("asked %d times: %v", o.times(), facts)
		}
		tx, _, err := bed.Client.TransactionByHash(t.Context(), e.Found.Tx)
		if err != nil {
			t.Fatal(err)
		}
		m.reopen(time.Minute, o.url)
		if !m.desk.Given(*tx.To(), crypto.Keccak256Hash(tx.Data())) || m.desk.Signed(tx.Hash()) {
			t.Error("after a restart the call that is in the block is not known, or the relay's transaction is taken for one of our key")
		}
	})
}

// TestRelaysThatDoNotDoIt: our key steps in, and the exit is executed once.
func TestRelaysThatDoNotDoIt(t *testing.T) {
	const within = 2 * time.Second
	for name, c := range map[string]struct {
		fault func(w http.ResponseWriter, r *http.Request, honest func())
		says  string
	}{
		"silent": {func(_ http.ResponseWriter, r *http.Request, _ func()) {
			_, _ = io.Copy(io.Discard, r.Body) // or nobody notices that the other side has gone
			<-r.Context().Done()
		}, "it did not answer in time"},
		"cuts the connection": {func(http.ResponseWriter, *http.Request, func()) { panic(http.ErrAbortHandler) }, "broke off"},
		"HTML":                {func(w http.ResponseWriter, _ *http.Request, _ func()) { fmt.Fprint(w, "<html>welcome</html>") }, "with nothing at $.data.id"},
		"too much":            {func(w http.ResponseWriter, _ *http.Request, _ func()) { w.WriteHeader(http.StatusTooManyRequests) }, "it answered 429"},
		"done, and is not": {func(w http.ResponseWriter, r *http.Request, _ func()) {
			fmt.Fprintf(w, `{"data":{"id":"tx-0","hash":"0x%064x","status":"confirmed"}}`, 9)
		}, "the relay says that it is done (confirmed); that counts when the chain says so"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMarket(t, testbed.Start(t, testbed.Anvil))
			o := m.through(within)
			o.fault = c.fault
			p := m.plan(m.order())
			m.blocks()
			begun := time.Now()
			e := m.ends(m.start(t.Context(), p, m.signed(p, 2)), p, c.says, "our key sends the same")
			if !e.Found.Ours || m.mined() != 1 || time.Since(begun) < within {
				t.Errorf("after %s our key had sent %d", time.Since(begun), m.mined())
			}
		})
	}
}

// TestARelayThatComesFirstAfterAll is as late as our key, and quicker: our transaction is reverted, and its gas is told to be lost.
func TestARelayThatComesFirstAfterAll(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		m := newMarket(t, bed)
		o := m.through(500 * time.Millisecond)
		var to common.Address
		var data []byte
		var gas uint64
		o.fault = func(w http.ResponseWriter, r *http.Request, _ func()) { // it takes it, and keeps it back
			if r.Method == http.MethodPost {
				var tx struct {
					To   common.Address `json:"to"`
					Data hexutil.Bytes  `json:"data"`
					Gas  uint64         `json:"gas_limit"`
				}
				if json.NewDecoder(r.Body).Decode(&tx) == nil {
					to, data, gas = tx.To, tx.Data, tx.Gas
				}
			}
			fmt.Fprint(w, `{"data":{"id":"tx-0","status":"pending"}}`)
		}
		p := m.plan(m.order())
		m.Hold()
		wait := m.start(t.Context(), p, m.signed(p, 2))
		m.until("our key has sent it", func() bool { return m.waiting() == 1 })
		o.mu.Lock()
		err := o.send(t.Context(), to, data, gas)
		o.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		m.Release()
		m.blocks()
		e := m.ends(wait, p, "our key sends the same")
		r := e.Receipt("exit-1", p)
		if e.Found.Ours || r.Facts["fee_lost"] == "" || r.Facts["fee"] != "" {
			t.Errorf("%v", r.Facts)
		}
		says(t, r.Why, "by the relay 127.0.0.1 or somebody else", "its gas is lost: 0.00")
	})
}

// TestKilledBetweenRequestAndAnswer: the relay has it, and the program that asked is dead before it hears so. The next one asks for the
// same, and does not send it beside.
func TestKilledBetweenRequestAndAnswer(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		m := newMarket(t, bed)
		o := m.through(time.Minute)
		ctx, kill := context.WithCancel(t.Context())
		o.fault = func(_ http.ResponseWriter, r *http.Request, honest func()) {
			honest()
			kill()
			panic(http.ErrAbortHandler)
		}
		p := m.plan(m.order())
		m.Hold()
		e, err := m.start(ctx, p, m.signed(p, 2))()
		if err == nil {
			t.Fatalf("it has ended: %s", e.Why)
		}
		o.mu.Lock()
		o.fault = nil
		o.mu.Unlock()
		m.reopen(time.Minute, o.url)
		wait := m.start(t.Context(), p, m.signed(p, 2))
		m.until("the relay is asked again", func() bool { return o.times() == 2 })
		m.Release()
		m.blocks()
		m.ends(wait, p, "gone on with after a stop", "the relay has taken it")
		if m.mined() != 0 {
			t.Errorf("our key sent %d beside it", m.mined())
		}
	})
}

// TestTwoExitsThroughARelay: both are for the same nonce of the Safe, and the chain lets one through.
func TestTwoExitsThroughARelay(t *testing.T) {
	m := newMarket(t, testbed.Start(t, testbed.Anvil))
	o := m.through(time.Minute)
	p := m.plan(m.order())
	half := m.order()
	half.What, half.Asks = "repay everything", half.Asks[:1]
	q := m.plan(half)
	m.Hold()
	first, second := m.start(t.Context(), p, m.signed(p, 2)), m.startAs(t.Context(), "exit-2", q, m.signed(q, 2))
	m.until("the relay has both", func() bool { return o.times() == 2 })
	m.Release()
	m.blocks()
	a, err := first()
	if err != nil {
		t.Fatal(err)
	}
	b, err := second()
	if err != nil {
		t.Fatal(err)
	}
	if a.Done == b.Done || m.safe.Nonce().Uint64() != p.Tx.Nonce+1 || m.mined() != 0 {
		t.Errorf("done %t and %t; the Safe is at %d, our key sent %d", a.Done, b.Done, m.safe.Nonce(), m.mined())
	}
	lost := a
	if a.Done {
		lost = b
	}
	r := lost.Receipt("exit-2", q)
	if r.Status != lifeboat.NotPerformed {
		t.Errorf("%+v", r)
	}
	says(t, r.Why, "on another transaction, so that this one can never be executed")
}
