package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"lifeboat"
	"lifeboat/act/safe"
	"lifeboat/act/venue"
	"lifeboat/plan"
	"lifeboat/serve/api"
)

// desk of exits whose chain is one transaction: it plans that, and keeps what it is told to carry out.
type oneExit struct {
	tx      safe.Tx
	applied chan lifeboat.Task
}

func (o oneExit) Perform(_ context.Context, _ time.Time, key lifeboat.Key, t lifeboat.Task) (lifeboat.Receipt, error) {
	if t.Kind == "exit-apply" {
		o.applied <- t
		return lifeboat.Receipt{Key: key, Status: lifeboat.Performed, Output: "mined"}, nil
	}
	tx, err := json.Marshal(o.tx)
	return lifeboat.Receipt{Key: key, Status: lifeboat.Performed, Output: "withdraw everything",
		Facts: map[string]string{"hash": o.tx.Hash().Hex(), plan.FactThreshold: "2", plan.FactSafeTx: string(tx)}}, err
}

func (oneExit) Ask(context.Context, time.Time, lifeboat.Key, lifeboat.Task) (lifeboat.Receipt, error) {
	return lifeboat.Receipt{}, lifeboat.ErrAbsent
}

// TestTwoOwnersSign: a run asks the owners of a Safe; each fetches what a wallet signs over the API, and signs; the second one's signature
// carries the exit out, with both, and the journal has them.
func TestTwoOwnersSign(t *testing.T) {
	dir := t.TempDir()
	kim, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	lee, _ := crypto.GenerateKey()
	relayer, _ := crypto.GenerateKey()
	t.Setenv("RELAYER_KEY", hexutil.Encode(crypto.FromECDSA(relayer)))
	address := crypto.PubkeyToAddress(kim.PublicKey).Hex()
	text := fmt.Sprintf(`
portfolio: {name: Test, calendar: 24/7}
people:
  - {name: Kim, role: signer, wallets: "%s"}
  - {name: Lee, role: signer, wallets: "%s"}
mandates: [{name: signers, by: signer, factor: wallet}]
accounts:
  - name: vault
    kind: safe
    chain: Ethereum
    address: "0x1111111111111111111111111111111111111111"
    safe: {relayer: {kind: secret, secret: "env:RELAYER_KEY", address: "%s"}}
dependencies:
  - {name: Ethereum, kind: chain, chain: {nodes: "http://127.0.0.1:1"}}
  - {name: Lend, kind: protocol, contract: {adapter: aave-v3, chain: Ethereum, address: "0x3333333333333333333333333333333333333333"}}
holdings: [{symbol: ETH, account: vault, quantity: 1, class: crypto}]
playbooks:
  - {name: leave, start: signer, steps: [{exit: {account: vault, protocol: Lend, do: withdraw, by: signers}}]}
`, address, crypto.PubkeyToAddress(lee.PublicKey).Hex(), crypto.PubkeyToAddress(relayer.PublicKey).Hex())
	planDir := filepath.Join(dir, "plan")
	if err := os.MkdirAll(planDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(planDir, "plan.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := LoadPlan(planDir)
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDaemon(t.Context(), DaemonOptions{Plan: p, PlanDir: planDir, DataDir: filepath.Join(dir, "data"), Listen: "127.0.0.1:0", Version: "test",
		Clock: lifeboat.WallClock{}, People: io.Discard, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	o := oneExit{tx: safe.Tx{Chain: 1, Safe: common.HexToAddress("0x1111111111111111111111111111111111111111"), To: common.HexToAddress("0x3333333333333333333333333333333333333333"),
		Data: append(hexutil.MustDecode("0x69328dec"), make([]byte, 96)...), Nonce: 7}, applied: make(chan lifeboat.Task, 4)}
	for _, kind := range []string{"exit-plan", "exit-apply"} {
		d.Flow.Hands.(*venue.Desk).Perform(kind, o)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()

	if _, err := d.Say(ctx, lifeboat.Request{Verb: lifeboat.StartPlaybook, Object: "leave", By: "Kim"}, nil); err != nil {
		t.Fatal(err)
	}
	q := awaited(t, d, func(q api.Question) bool { return q.Signing != nil })
	if q.Signing.Hash != o.tx.Hash().Hex() || q.Signing.Nonce != 7 || !strings.Contains(q.Text, q.Signing.Hash) {
		t.Errorf("asked %+v", q)
	}
	var typed apitypes.TypedData
	get(t, "http://"+d.Address()+"/api/v1/questions/"+q.Key+"/typed-data", &typed)
	hash, _, err := apitypes.TypedDataAndHash(typed)
	if err != nil {
		t.Fatal(err)
	}
	answer := func(by string, signature []byte) error {
		_, err := d.Say(ctx, lifeboat.Answer{Question: q.Key, By: by, Yes: true}, &api.Proof{Kind: "wallet", Signature: hexutil.Encode(signature)})
		return err
	}
	kims, _ := crypto.Sign(hash, kim)
	lees, _ := crypto.Sign(hash, lee)
	if _, err := d.Say(ctx, lifeboat.Answer{Question: q.Key, By: "Kim", Yes: true}, nil); lifeboat.KindOf(err) != lifeboat.Denied {
		t.Errorf("a yes without a signature: %v", err)
	}
	if err := answer("Lee", kims); lifeboat.KindOf(err) != lifeboat.Denied {
		t.Errorf("another's signature: %v", err)
	}
	if err := answer("Kim", kims); err != nil {
		t.Fatal(err)
	}
	awaited(t, d, func(q api.Question) bool { return len(q.Answered) == 1 && q.Answered[0] == "Kim" })
	if err := answer("Lee", lees); err != nil {
		t.Fatalf("the second owner is not heard: %v", err)
	}
	applied := <-o.applied
	var who []common.Address
	for _, a := range applied.Consent {
		made, err := safe.FromWallet(o.tx.Hash(), hexutil.MustDecode(a.Factor.Signature), p.Wallets(a.By))
		if err != nil {
			t.Errorf("%s: %v", a.By, err)
		}
		who = append(who, made.Owner)
	}
	if len(who) != 2 || who[0].Hex() != address || who[0] == who[1] {
		t.Errorf("signed by %v", who)
	}
	for patience := time.Now().Add(20 * time.Second); len(d.Status().Questions)+len(d.Status().Runs) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(patience) {
			t.Fatalf("still open: %+v", d.Status())
		}
	}
}

// awaited is the question that is as wanted, once it is.
func awaited(t *testing.T, d *Daemon, is func(api.Question) bool) api.Question {
	t.Helper()
	for patience := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		for _, q := range d.Status().Questions {
			if is(q) {
				return q
			}
		}
		if time.Now().After(patience) {
			t.Fatalf("nobody is asked: %+v", d.Status())
		}
	}
}

func get(t *testing.T, url string, out any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", response.Status, body, err)
	}
	if err := json.Unmarshal(body, out); err != nil {
		t.Fatal(err)
	}
}
