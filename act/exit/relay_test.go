package exit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ohler55/ojg/jp"

	"lifeboat/plan"
)

// A standIn is in the place of a relay, and says so: it takes and gives what Gelato's relayer API documents (relayer_sendTransaction and
// relayer_getStatus by JSON-RPC), refuses everything else, and sends with a key of its own. Its twins fail in one way each.
type standIn struct {
	tr    *trial
	key   key
	asked []time.Time
	bodies,
	keys []string // that it was asked with
	sent *types.Transaction
	away bool // nobody ever gets a connection
	// fault answers in the place of the honest one, which it may call; nil is honest.
	fault func(honest func() (int, string), method string) (int, string, error)
}

var errCut = errors.New("connection reset by peer")

// gelato is the relay as a plan has it.
func gelato() plan.Relay {
	return plan.Relay{URL: "https://relay.example.org/rpc", Headers: map[string]string{"X-API-Key": "env:KEY"},
		Body: `{"jsonrpc":"2.0","id":1,"method":"relayer_sendTransaction","params":{"chainId":"{chain}","to":"{to}","data":"{data}","payment":{"type":"sponsored"}}}`, ID: "$.result",
		Status: &plan.RelayStatus{URL: "https://relay.example.org/rpc", Body: `{"jsonrpc":"2.0","id":1,"method":"relayer_getStatus","params":{"id":"{id}","logs":false}}`,
			State: "$.result.status", Hash: "$.result.hash", Done: []string{"200"}, Failed: []string{"400", "500"}}, Within: plan.Duration(2 * time.Minute)}
}

const relaySecret = "s3cr3t-of-the-relay"

// through gives the trial's exit to a relay first.
func (tr *trial) through(s *standIn) *standIn {
	tr.t.Helper()
	s.tr, s.key = tr, newKey(tr.world, 99)
	r, err := OpenRelay(gelato(), func(text string) (string, error) { return strings.Replace(text, "env:KEY", relaySecret, 1), nil }, nil)
	if err != nil {
		tr.t.Fatal(err)
	}
	r.transport = s
	tr.relay = r
	tr.desk = tr.open(tr.t.TempDir())
	return s
}

func (s *standIn) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var call struct {
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
	}
	if err := json.Unmarshal(body, &call); err != nil {
		s.tr.t.Errorf("the relay was sent no JSON: %s", body)
	}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && !s.away {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if err := s.tr.asked("relay"); err != nil {
		return nil, err
	}
	honest := func() (int, string) { return s.honest(r, call.Method, call.Params) }
	if call.Method == "relayer_sendTransaction" {
		if n, err := s.tr.desk.notes.read("exit-1"); err != nil || n == nil || !n.heard() {
			s.tr.t.Errorf("the relay is asked before that is written down: %v", err)
		} else if !s.tr.desk.Given(safeAddress, crypto.Keccak256Hash(n.Relay.Data)) {
			s.tr.t.Error("the relay is given a call, and the desk does not know it")
		}
		s.asked, s.bodies, s.keys = append(s.asked, s.tr.now), append(s.bodies, string(body)), append(s.keys, r.Header.Get("Idempotency-Key"))
	}
	status, answer := 0, ""
	if s.fault == nil {
		status, answer = honest()
	} else if status, answer, err = s.fault(honest, call.Method); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

func (s *standIn) honest(r *http.Request, method string, params json.RawMessage) (int, string) {
	refuse := func(why string) (int, string) {
		s.tr.t.Errorf("an honest relay would refuse the request: %s", why)
		return http.StatusBadRequest, `{"message":"bad"}`
	}
	if r.Method != http.MethodPost || r.URL.String() != "https://relay.example.org/rpc" || r.Header.Get("X-API-Key") != relaySecret || r.Header.Get("Content-Type") != "application/json" {
		return refuse(r.Method + " " + r.URL.Path)
	}
	switch method {
	case "relayer_sendTransaction":
		var p struct {
			Chain   string            `json:"chainId"`
			To      common.Address    `json:"to"`
			Data    hexutil.Bytes     `json:"data"`
			Payment map[string]string `json:"payment"`
		}
		if err := json.Unmarshal(params, &p); err != nil || p.Chain != chainID.String() || p.To != safeAddress || p.Payment["type"] != "sponsored" {
			return refuse(string(params))
		}
		return s.carry(p.Data)
	case "relayer_getStatus":
		var p struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(params, &p); err != nil || p.ID != "0x0e67" {
			return refuse(string(params))
		}
		if s.sent == nil {
			return http.StatusOK, `{"jsonrpc":"2.0","id":1,"error":{"code":4204,"message":"unknown"}}`
		}
		if _, err := s.tr.Receipt(context.Background(), s.sent.Hash()); err != nil {
			return http.StatusOK, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"result":{"status":110,"hash":%q}}`, s.sent.Hash())
		}
		return http.StatusOK, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"result":{"status":200,"hash":%q}}`, s.sent.Hash())
	}
	return refuse(method)
}

// carry sends it, as often as it is asked: this relay knows no Idempotency-Key.
func (s *standIn) carry(data []byte) (int, string) {
	nonce, err := s.tr.Pending(context.Background(), s.key.address())
	if err == nil {
		to := safeAddress
		s.sent, err = types.SignNewTx(s.key.PrivateKey, types.LatestSignerForChainID(chainID), &types.DynamicFeeTx{ChainID: chainID, Nonce: nonce, Gas: s.tr.needs, To: &to,
			GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(500e9), Data: data})
	}
	if err == nil {
		err = s.tr.take(s.sent)
	}
	if err != nil {
		return http.StatusServiceUnavailable, `{"error":{"message":"try later"}}`
	}
	return http.StatusOK, `{"jsonrpc":"2.0","id":1,"result":"0x0e67"}`
}

// ours says how many transactions our key sent.
func (tr *trial) ours() uint64 { return tr.head().state.nonces[tr.key.address()] }

func TestARelayPays(t *testing.T) {
	tr := newTrial(t, true)
	s := tr.through(&standIn{})
	n := tr.run(true, "given to the relay relay.example.org", "the relay has taken it", "the relay says that it sent it as", "by the relay relay.example.org, transaction")
	if tr.ours() != 0 || len(n.Sent) != 0 || len(s.bodies) != 1 || s.keys[0] != tr.job.Hash.Hex() {
		t.Errorf("our key sent %d, the relay was asked %d times as %v", tr.ours(), len(s.bodies), s.keys)
	}
	end := *n.End
	end.note = n
	facts := end.facts(Prepared{})
	if facts["relay"] != "relay.example.org" || facts["fee"] != "" {
		t.Errorf("facts %v", facts)
	}
}

// TestWhatARelaySendsIsKnown by what it calls: in the transaction of its own key, and after a restart; and no other call is.
func TestWhatARelaySendsIsKnown(t *testing.T) {
	tr := newTrial(t, true)
	s := tr.through(&standIn{})
	dir := t.TempDir()
	if _, err := tr.start(dir); err != nil {
		t.Fatal(err)
	}
	input := crypto.Keccak256Hash(s.sent.Data())
	for when, desk := range map[string]*Desk{"before": tr.desk, "after": tr.open(dir)} {
		if !desk.Given(*s.sent.To(), input) {
			t.Errorf("%s a restart the relay's transaction is taken for a stranger's", when)
		}
		if desk.Given(tr.key.address(), input) || desk.Given(*s.sent.To(), common.Hash{}) || desk.Given(*s.sent.To(), crypto.Keccak256Hash(s.sent.Data()[1:])) {
			t.Errorf("%s a restart a stranger's call is known", when)
		}
		if desk.Signed(s.sent.Hash()) {
			t.Errorf("%s a restart lifeboat says that it signed what the relay did", when)
		}
	}
}

// TestARoleGoesThroughNoRelay: there it counts who sends.
func TestARoleGoesThroughNoRelay(t *testing.T) {
	tr := newTrial(t, false)
	s := tr.through(&standIn{})
	tr.run(true, "sent as transaction 0")
	if len(s.bodies) != 0 {
		t.Error("the relay was asked")
	}
}

// TestFaultyRelays: whatever a relay does or says, the exit is executed once, by our key when the relay does not do it.
func TestFaultyRelays(t *testing.T) {
	answers := func(status int, body string) func(func() (int, string), string) (int, string, error) {
		return func(func() (int, string), string) (int, string, error) { return status, body, nil }
	}
	const taken, html = `{"jsonrpc":"2.0","id":1,"result":"0x0e67"}`, "<html><body>Bad gateway, says s3cr3t-of-the-relay</body></html>"
	for _, c := range []struct {
		name  string
		fault func(honest func() (int, string), method string) (int, string, error)
		ours  uint64        // transactions of our key
		after time.Duration // before our key sends at the least; 0 for at once
		says  string
	}{
		{"cut before it heard", func(func() (int, string), string) (int, string, error) { return 0, "", errCut }, 1, 2 * time.Minute, "cannot be reached, or broke off"},
		{"cut after it heard", func(honest func() (int, string), _ string) (int, string, error) { honest(); return 0, "", errCut }, 0, 0, "or somebody else who had the signatures"},
		{"takes it and does nothing", answers(200, taken), 1, 2 * time.Minute, "the relay has taken it"},
		{"done, and is not", func(_ func() (int, string), method string) (int, string, error) {
			if method == "relayer_getStatus" {
				return 200, fmt.Sprintf(`{"result":{"status":200,"hash":"0x%064x"}}`, 7), nil
			}
			return 200, taken, nil
		}, 1, 2 * time.Minute, "the relay says that it is done (200); that counts when the chain says so"},
		{"failed, and is not", func(honest func() (int, string), method string) (int, string, error) {
			if status, body := honest(); method != "relayer_getStatus" {
				return status, body, nil
			}
			return 200, `{"result":{"status":500}}`, nil
		}, 1, 0, "the relay says that it failed (500)"},
		{"HTML", answers(200, html), 1, 2 * time.Minute, "it answered 200 OK, with nothing at $.result"},
		{"a JSON-RPC error", answers(200, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"Insufficient balance"}}`), 1, 2 * time.Minute, "with nothing at $.result"},
		{"5xx", answers(503, html), 1, 2 * time.Minute, "it answered 503"},
		{"429", answers(429, ""), 1, 2 * time.Minute, "it answered 429"},
		{"elsewhere", answers(302, ""), 1, 2 * time.Minute, "it answered 302"},
		{"401", answers(401, html), 1, 0, "the relay refuses it: it answered 401"},
		{"no, and does it", func(honest func() (int, string), _ string) (int, string, error) { honest(); return 402, "", nil }, 1, 0, "the relay refuses it: it answered 402"},
		{"an id without end", answers(200, `{"result":"`+strings.Repeat("x", 300)+`"}`), 1, 2 * time.Minute, "with nothing at $.result"},
		{"two ids", answers(200, `{"result":["a","b"]}`), 1, 2 * time.Minute, "with nothing at $.result"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := newTrial(t, true)
			s := tr.through(&standIn{fault: c.fault})
			n := tr.run(true, c.says)
			if uint64(len(n.Sent)) < c.ours || c.ours == 0 && len(n.Sent) > 0 {
				t.Errorf("our key sent %d, not %d", len(n.Sent), c.ours)
			}
			if len(n.Sent) > 0 {
				if waited := n.Sent[0].At.Sub(n.Relay.At); waited < c.after || waited > c.after+30*time.Second {
					t.Errorf("our key sent after %s, not %s", waited, c.after)
				}
			}
			for i := range s.bodies {
				if s.bodies[i] != s.bodies[0] || s.keys[i] != s.keys[0] {
					t.Error("it was asked for something else the second time")
				}
			}
			if len(s.bodies) > 25 {
				t.Errorf("it was asked %d times", len(s.bodies))
			}
			if strings.Contains(story(n)+n.End.Why, relaySecret) {
				t.Error("the secret is told")
			}
			if t.Failed() {
				t.Log(n.End.Why + "\n" + story(n))
			}
			tr.everythingArrives()
			if got := tr.head().state.done[tr.job.Hash]; got != 1 {
				t.Errorf("executed %d times in the end", got)
			}
		})
	}
}

// TestBothSend has the relay come in before our key's transaction, which then does nothing: what that cost is said.
func TestBothSend(t *testing.T) {
	tr := newTrial(t, true)
	tr.toll = big.NewInt(7e14)
	s := tr.through(&standIn{})
	s.fault = func(func() (int, string), string) (int, string, error) {
		return 200, `{"jsonrpc":"2.0","id":1,"result":"0x0e67"}`, nil // and it waits
	}
	tr.desk.carryUntil(tr, "", func() { s.carry(tr.job.Data); tr.mine() }) // until our key sends
	n := tr.run(true, "did not bring it to the chain", "what our key sent beside it came second and did nothing, and its gas is lost: 0.00")
	late, err := tr.world.Receipt(t.Context(), n.Sent[0].tx.Hash())
	if err != nil {
		t.Fatal(err)
	}
	gas := new(big.Int).Mul(late.EffectiveGasPrice, new(big.Int).SetUint64(late.GasUsed))
	if lost := n.End.facts(Prepared{})["fee_lost"]; lost != gas.Add(gas, tr.toll).String() {
		t.Errorf("%s wei are lost, not %s with the toll", lost, gas)
	}
	e := *n.End
	e.note = n
	if both := e.transactions(); len(both) != 2 || both[0] != n.End.Found.Tx || both[1] != late.TxHash {
		t.Errorf("what was moved is read in %v, and ours is %s", both, late.TxHash)
	}
}

// TestARelayForAnEmptyKey asks the relay again for as long as our key cannot pay, and never says that nothing can happen any more.
func TestARelayForAnEmptyKey(t *testing.T) {
	tr := newTrial(t, true)
	tr.poor = true
	s := tr.through(&standIn{})
	s.fault = func(honest func() (int, string), _ string) (int, string, error) {
		if tr.now.Sub(genesis) < 10*time.Minute {
			return 503, "", nil
		}
		status, body := honest()
		return status, body, nil
	}
	n := tr.run(true, "top it up", "the relay has taken it")
	if len(n.Sent) != 0 {
		t.Error("our key sent")
	}

	tr = newTrial(t, true)
	tr.poor = true
	tr.through(&standIn{fault: func(func() (int, string), string) (int, string, error) { return 402, "", nil }})
	ctx, cancel := context.WithCancel(t.Context())
	tr.onBlock = func(number uint64) {
		if number == 50 {
			cancel()
		}
	}
	n, err := tr.desk.carry(ctx, "exit-1", tr.job)
	if !errors.Is(err, ErrOpen) || n.End != nil || !tr.desk.mayBeOut("exit-1") {
		t.Errorf("with the signatures given away it ended: %v\n%s", err, story(n))
	}

	tr = newTrial(t, true)
	tr.poor = true
	tr.through(&standIn{away: true, fault: func(func() (int, string), string) (int, string, error) { return 0, "", errCut }})
	if n := tr.run(false, "top it up", "nothing has happened on the chain"); !n.End.Again {
		t.Error("nobody has the signatures, and it is not to be tried again")
	}
}

// TestNoRelayForWhoIsAlone: a guard of the Safe may look at who sends, and then nobody else can.
func TestNoRelayForWhoIsAlone(t *testing.T) {
	tr := newTrial(t, true)
	s := tr.through(&standIn{})
	tr.guard = tr.key.address()
	tr.run(true, "would not take it from anybody but our key", "sent as transaction 0")
	if len(s.bodies) != 0 {
		t.Error("the relay was asked")
	}
}

// FuzzSaid reads whatever a relay answers.
func FuzzSaid(f *testing.F) {
	for _, seed := range []string{`{"result":"0x0e67"}`, `{"result":200}`, `{"result":{"status":1}}`, `{"result":[1,2]}`, `{"result":null}`, "<html>", "", "[[[[", `{"result":1e400}`, `{"result":"\u0000"}`} {
		f.Add(seed, "$.result")
	}
	f.Add(`[{"transactionID":"a"}]`, "$[0].transactionID")
	f.Fuzz(func(t *testing.T, body, path string) {
		expr, err := jp.ParseString(path)
		if err != nil {
			return
		}
		if text, ok := said(expr, body); !ok && text != "" {
			t.Errorf("%q is said and not said", text)
		}
	})
}

// TestARelayByReference is held to what the plan holds an address to that is written out, once it is known, for the request and for the question
// after it; what the address was is not repeated.
func TestARelayByReference(t *testing.T) {
	const key = "a-key-in-the-address"
	for address, want := range map[string]string{
		"https://relay.example.org/" + key:            "",
		"http://127.0.0.1:9090/" + key:                "",
		"http://localhost/" + key + "/{id}":           "",
		"http://[::1]:9090/" + key:                    "",
		"http://relay.example.org/" + key:             "would be asked through the open",
		"http://127.0.0.1.example.org/" + key:         "would be asked through the open",
		"http://127.0.0.1@relay.example.org/" + key:   "would be asked through the open",
		"HTTP://relay.example.org/" + key:             "would be asked through the open",
		"wss://relay.example.org/" + key:              "is no address that begins with https://",
		"relay.example.org/" + key:                    "is no address that begins with https://",
		"https:///" + key:                             "is no address that begins with https://",
		"https://relay.example.org:" + key + "/\x7f/": "is no address that begins with https://",
	} {
		read := func(text string) (string, error) { return strings.Replace(text, "env:RELAY_URL", address, 1), nil }
		request, status := gelato(), gelato()
		request.URL, status.Status.URL = "env:RELAY_URL", "env:RELAY_URL"
		for what, r := range map[string]plan.Relay{"the url of the relay ": request, "the url of the relay's status ": status} {
			_, err := OpenRelay(r, read, nil)
			switch {
			case want == "" && err != nil:
				t.Errorf("%q: %v", address, err)
			case want != "" && (err == nil || !strings.HasPrefix(err.Error(), what+want) || strings.Contains(err.Error(), key)):
				t.Errorf("%q: %v", address, err)
			}
		}
	}
}
