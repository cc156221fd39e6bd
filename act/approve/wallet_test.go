package approve

import (
	"crypto/ecdsa"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"lifeboat"
	"lifeboat/act/safe"
	"lifeboat/plan"
)

var (
	vault   = common.HexToAddress("0x1111111111111111111111111111111111111111")
	lending = common.HexToAddress("0x3333333333333333333333333333333333333333")
)

// withdrawal is a transaction of the vault, as an exit plans it.
func withdrawal() safe.Tx {
	// withdraw(address,uint256,address) of Aave's pool, everything, to the Safe itself
	data := append(hexutil.MustDecode("0x69328dec"), common.LeftPadBytes(common.HexToAddress("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2").Bytes(), 32)...)
	data = append(data, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)).Bytes()...)
	data = append(data, common.LeftPadBytes(vault.Bytes(), 32)...)
	return safe.Tx{Chain: 1, Safe: vault, To: lending, Data: data, Nonce: 7}
}

// asksFor is the question of an exit, after an edit.
func asksFor(t *testing.T, tx safe.Tx, edit func(*signable)) *lifeboat.Proposal {
	t.Helper()
	text, err := json.Marshal(tx)
	if err != nil {
		t.Fatal(err)
	}
	s := signable{ExitOrder: plan.ExitOrder{Exit: plan.Exit{Account: "vault"}, Chain: "Ethereum", ChainID: 1, Wallet: vault.Hex(), Known: map[string]string{lending.Hex(): "Lend"}},
		Hash: tx.Hash().Hex(), Planned: map[string]string{plan.FactSafeTx: string(text), plan.FactThreshold: "2"}}
	if edit != nil {
		edit(&s)
	}
	spec, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return &lifeboat.Proposal{Run: "R1", Step: "1", Playbook: "leave", Hash: "abc", Until: noon.Add(time.Hour), Task: &lifeboat.Task{Kind: "exit-apply", Spec: spec, Shown: "withdraw everything"}}
}

// wallet is a key of an owner, and what it makes of typed data as a wallet does it: by go-ethereum's own reading of the payload.
type wallet struct{ *ecdsa.PrivateKey }

func newWallet(t *testing.T) wallet {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return wallet{key}
}

func (w wallet) address() common.Address { return crypto.PubkeyToAddress(w.PublicKey) }

func (w wallet) sign(t *testing.T, payload json.RawMessage) string {
	t.Helper()
	var typed apitypes.TypedData
	if err := json.Unmarshal(payload, &typed); err != nil {
		t.Fatal(err)
	}
	hash, _, err := apitypes.TypedDataAndHash(typed)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := crypto.Sign(hash, w.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	signature[64] += 27
	return hexutil.Encode(signature)
}

func (w wallet) claim(p *lifeboat.Proposal, signature string) Claim {
	return Claim{Person: "Ana", Kind: "wallet", Content: Digest(*p), Proposal: p, Signature: signature, Wallets: []common.Address{newAddress, w.address()}}
}

// newAddress is another wallet of the same person, which signed nothing.
var newAddress = common.HexToAddress("0x7777777777777777777777777777777777777777")

// TestWallet: what an owner signs in a wallet is the transaction, and that is the yes.
func TestWallet(t *testing.T) {
	c, w := newBench(t, Options{}), newWallet(t)
	p := asksFor(t, withdrawal(), nil)
	tx, err := SafeTx(p)
	if err != nil {
		t.Fatal(err)
	}
	signature := w.sign(t, tx.Payload())
	for name, given := range map[string]string{"as it comes": signature, "in capitals": "0X" + strings.ToUpper(signature[2:]), "bare": signature[2:], "with a line's end": signature + "\n",
		"with v from zero": signature[:130] + map[string]string{"1b": "00", "1c": "01"}[signature[130:]]} {
		f, err := c.Check(t.Context(), noon, w.claim(p, given))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if f != (lifeboat.Factor{Kind: "wallet", ID: w.address().Hex(), Content: Digest(*p), Signature: signature}) {
			t.Errorf("%s: %+v", name, f)
		}
		terms := Terms{To: []string{"Ana"}, Need: 1, Factor: "wallet"}
		if got := terms.Judge([]lifeboat.Answer{{By: "Ana", Yes: true, Content: Digest(*p), Factor: &f}}, Digest(*p)); got.Verdict != Yes {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestWalletRefuses each with a sentence, and none of them with the signature in it.
func TestWalletRefuses(t *testing.T) {
	c, w := newBench(t, Options{}), newWallet(t)
	p := asksFor(t, withdrawal(), nil)
	tx := withdrawal()
	good := w.sign(t, tx.Payload())
	other := func(change func(*safe.Tx)) string {
		tx := withdrawal()
		change(&tx)
		return w.sign(t, tx.Payload())
	}
	high := func() string {
		raw := hexutil.MustDecode(good)
		s := new(big.Int).Sub(crypto.S256().Params().N, new(big.Int).SetBytes(raw[32:64]))
		copy(raw[32:64], common.LeftPadBytes(s.Bytes(), 32))
		raw[64] ^= 27 ^ 28
		return hexutil.Encode(raw)
	}
	raw := func(hash []byte) string {
		signature, _ := crypto.Sign(hash, w.PrivateKey)
		return hexutil.Encode(signature)
	}
	evil := withdrawal()
	evil.To, evil.Operation, evil.Data = newAddress, safe.DelegateCall, append(hexutil.MustDecode("0xa9059cbb"), make([]byte, 64)...)
	for _, c2 := range []struct {
		name, want string
		claim      Claim
	}{
		{"another key", "does not count for Ana", w.claim(p, newWallet(t).sign(t, tx.Payload()))},
		{"another nonce", "does not count for Ana", w.claim(p, other(func(t *safe.Tx) { t.Nonce++ }))},
		{"another chain", "does not count for Ana", w.claim(p, other(func(t *safe.Tx) { t.Chain = 10 }))},
		{"another Safe", "does not count for Ana", w.claim(p, other(func(t *safe.Tx) { t.Safe = lending }))},
		{"another receiver", "does not count for Ana", w.claim(p, other(func(t *safe.Tx) { t.Data[80]++ }))},
		{"the digest instead of the transaction", "does not count for Ana", w.claim(p, raw(common.HexToHash(Digest(*p)).Bytes()))},
		{"the high form", "high form", w.claim(p, high())},
		{"cut off", "65 bytes", w.claim(p, good[:100])},
		{"nothing", "65 bytes", w.claim(p, "0x")},
		{"no hex", "130 hex digits", w.claim(p, "0xzz"+good[4:])},
		{"a person without wallets", "names no wallet of Ana", Claim{Person: "Ana", Kind: "wallet", Content: Digest(*p), Proposal: p, Signature: good}},
		{"another's wallets", "does not count for Ana", Claim{Person: "Ana", Kind: "wallet", Content: Digest(*p), Proposal: p, Signature: good, Wallets: []common.Address{newAddress}}},
		{"another content", "something else than what is asked now", Claim{Person: "Ana", Kind: "wallet", Content: strings.Repeat("ab", 32), Proposal: p, Signature: good, Wallets: []common.Address{w.address()}}},
		{"no proposal", "holds no transaction", Claim{Person: "Ana", Kind: "wallet", Content: Digest(*p), Signature: good, Wallets: []common.Address{w.address()}}},
		{"a wallet that is no owner", "no owner of the Safe", func() Claim {
			p := asksFor(t, tx, func(s *signable) { s.Planned[plan.FactOwners] = newAddress.Hex() + " " + lending.Hex() })
			return w.claim(p, good)
		}()},
		{"a hash that is not the transaction's", "was planned with", w.claim(asksFor(t, tx, func(s *signable) { s.Hash = common.HexToHash("0x01").Hex() }), good)},
		{"a transaction of another chain", "is for chain 1, and the exit for Ethereum, chain 10", w.claim(asksFor(t, tx, func(s *signable) { s.ChainID = 10 }), good)},
		{"a transaction of another Safe", "is of the Safe", w.claim(asksFor(t, tx, func(s *signable) { s.Wallet = lending.Hex() }), good)},
		{"a transaction that replaces the Safe", "replace the Safe's code", w.claim(asksFor(t, evil, nil), w.sign(t, evil.Payload()))},
		{"no transaction at all", "holds no transaction", w.claim(asksFor(t, tx, func(s *signable) { s.Planned = nil }), good)},
	} {
		f, err := c.Check(t.Context(), noon, c2.claim)
		if lifeboat.KindOf(err) != lifeboat.Denied || !strings.Contains(err.Error(), c2.want) || f != (lifeboat.Factor{}) {
			t.Errorf("%s: %v %+v", c2.name, err, f)
		}
		if err != nil && len(c2.claim.Signature) > 20 && strings.Contains(err.Error(), c2.claim.Signature[2:20]) {
			t.Errorf("%s: the signature is repeated", c2.name)
		}
	}
}

// TestShowsWhatIsSigned: the words come from the transaction's bytes, whatever stands beside it, and what must not be signed says so.
func TestShowsWhatIsSigned(t *testing.T) {
	tx := withdrawal()
	p := asksFor(t, tx, nil)
	p.Task.Shown = "nothing happens"
	shown, h := Show(*p), HashesOf(tx)
	for _, wanted := range []string{"read from its bytes:", "Lend", h.Hash, h.Domain, h.Message, "Nonce 7"} {
		if !strings.Contains(shown, wanted) {
			t.Errorf("%q is not shown in\n%s", wanted, shown)
		}
	}
	if crypto.Keccak256Hash([]byte{0x19, 0x01}, common.HexToHash(h.Domain).Bytes(), common.HexToHash(h.Message).Bytes()).Hex() != h.Hash {
		t.Error("domain and message are not what the hash is made of")
	}
	evil := tx
	evil.To, evil.Operation, evil.Data = newAddress, safe.DelegateCall, append(hexutil.MustDecode("0xa9059cbb"), make([]byte, 64)...)
	if shown := Show(*asksFor(t, evil, nil)); !strings.Contains(shown, "DO NOT SIGN") || !strings.Contains(shown, "replace the Safe's code") {
		t.Errorf("shown\n%s", shown)
	}
}

func FuzzWallet(f *testing.F) {
	f.Add("0x"+strings.Repeat("11", 65), `{"hash":"0x01","planned":{"safe_tx":"{}"}}`)
	f.Add("", `{}`)
	f.Add("0x00", `null`)
	f.Fuzz(func(t *testing.T, signature, spec string) {
		if !json.Valid([]byte(spec)) {
			return
		}
		p := &lifeboat.Proposal{Task: &lifeboat.Task{Kind: "exit-apply", Spec: json.RawMessage(spec)}}
		_ = showTx(*p)
		if got, err := checkWallet(Claim{Person: "Ana", Content: Digest(*p), Proposal: p, Signature: signature, Wallets: []common.Address{newAddress}}); err == nil {
			t.Errorf("nobody's key signed, and %+v counts", got)
		}
	})
}
