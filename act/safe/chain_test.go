package safe_test

import (
	"bytes"
	"context"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat/act/safe"
	"lifeboat/chain"
	"lifeboat/testbed"
)

// one reads from the bed's own node. That several have to agree is the business of the package chain.
type one struct{ bed *testbed.Bed }

func (o one) Head(ctx context.Context) (chain.Block, error) {
	h, err := o.bed.Client.HeaderByNumber(ctx, nil)
	if err != nil {
		return chain.Block{}, err
	}
	return chain.Block{Number: h.Number.Uint64(), Hash: h.Hash()}, nil
}

func (o one) Read(ctx context.Context, at *chain.Block, queries []chain.Query) ([]chain.Answer, chain.Block, error) {
	if at == nil {
		head, err := o.Head(ctx)
		if err != nil {
			return nil, head, err
		}
		at = &head
	}
	number := new(big.Int).SetUint64(at.Number)
	answers := make([]chain.Answer, len(queries))
	for i, q := range queries {
		var err error
		switch q.What {
		case chain.Call:
			call := testbed.Call{To: q.To, Data: q.Data}
			answers[i].Data, err = o.bed.Try(q.From, call)
			if revert := (*testbed.Revert)(nil); errors.As(err, &revert) {
				answers[i], err = chain.Answer{Data: revert.Data, Err: chain.ErrReverted}, nil
			}
		case chain.Storage:
			answers[i].Data, err = o.bed.Client.StorageAt(ctx, q.To, common.BytesToHash(q.Data), number)
		case chain.Code:
			answers[i].Data, err = o.bed.Client.CodeAt(ctx, q.To, number)
		default:
			err = errors.New("it does not answer that")
		}
		if err != nil {
			return nil, *at, err
		}
	}
	return answers, *at, nil
}

// typed and personal are what an owner's wallet gives back.
func typed(t *testing.T, by testbed.Account, hash common.Hash) []byte {
	t.Helper()
	b, err := crypto.Sign(hash[:], by.Key)
	if err != nil {
		t.Fatal(err)
	}
	b[64] += 27
	return b
}

func personal(t *testing.T, by testbed.Account, hash common.Hash) []byte {
	t.Helper()
	return typed(t, by, common.BytesToHash(accounts.TextHash(hash[:]))) // the wallet does not mark it
}

func read(t *testing.T, bed *testbed.Bed, s *testbed.Safe) safe.State {
	t.Helper()
	state, err := safe.Read(t.Context(), one{bed}, nil, s.Address)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// gathered makes signatures of what wallets gave back.
func gathered(t *testing.T, state safe.State, hash common.Hash, wallets ...[]byte) (all []safe.Signature) {
	t.Helper()
	for _, b := range wallets {
		s, err := safe.FromWallet(hash, b, state.Owners)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// tried says what the chain says to a transaction with signatures, without sending it: "" when it goes through.
func tried(bed *testbed.Bed, tx safe.Tx, signatures []safe.Signature) string {
	_, err := bed.Try(bed.Admin().Address, testbed.Call{To: tx.Safe, Data: tx.Exec(safe.Pack(signatures))})
	if revert := (*testbed.Revert)(nil); errors.As(err, &revert) {
		return safe.Explain(revert.Data)
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// carried sends it, and says whether the Safe says that it went well.
func carried(t *testing.T, bed *testbed.Bed, tx safe.Tx, signatures []safe.Signature) bool {
	t.Helper()
	receipt := bed.Act(bed.Admin(), testbed.Call{To: tx.Safe, Data: tx.Exec(safe.Pack(signatures))})
	for _, l := range receipt.Logs {
		if hash, success, ok := safe.Told(l.Topics, l.Data); ok && l.Address == tx.Safe {
			if hash != tx.Hash() {
				t.Errorf("the Safe tells of %s, and %s was sent", hash, tx.Hash())
			}
			return success
		}
	}
	t.Fatal("the Safe says nothing of it")
	return false
}

func TestOnChain(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		owners := bed.Accounts[1:4]
		s := bed.Safe(owners, 2)
		usdc := bed.USDC()
		bed.Mint(usdc, s.Address, testbed.Units(1000, 6))
		friend := bed.Accounts[5].Address
		tx := safe.Tx{Chain: bed.ChainID.Uint64(), Safe: s.Address, To: usdc.Address, Data: usdc.Do("transfer", friend, testbed.Units(1, 6)).Data}
		pay := safe.Step{To: tx.To, Data: tx.Data}

		t.Run("state", func(t *testing.T) { stateOnChain(t, bed, s) })
		t.Run("hash", func(t *testing.T) { hashOnChain(t, bed, s, tx) })
		t.Run("signatures", func(t *testing.T) { signaturesOnChain(t, bed, s, tx) })
		t.Run("a batch", func(t *testing.T) {
			state := read(t, bed, s)
			batch, err := safe.Tx{Chain: tx.Chain, Safe: s.Address, Nonce: state.Nonce}.Batch(s.MultiSend.Address, pay, pay, safe.Step{To: friend, Value: new(big.Int)})
			if err != nil {
				t.Fatal(err)
			}
			if err := batch.Check(safe.Rules{Trusted: []common.Address{s.MultiSend.Address}}); err != nil {
				t.Errorf("the batch is refused: %v", err)
			}
			before := bed.Balance(usdc, friend)
			signatures := gathered(t, state, batch.Hash(), typed(t, owners[0], batch.Hash()), typed(t, owners[1], batch.Hash()))
			if !carried(t, bed, batch, signatures) {
				t.Error("the batch failed")
			}
			if got := new(big.Int).Sub(bed.Balance(usdc, friend), before); got.Cmp(testbed.Units(2, 6)) != 0 {
				t.Errorf("the batch moved %s", got)
			}
			// Once used, the nonce makes the same signatures worthless.
			if why := tried(bed, batch, signatures); !strings.Contains(why, "GS026") {
				t.Errorf("a second time the chain says %q", why)
			}
			kept := safe.Kept{Tx: batch, Hash: batch.Hash(), Signatures: signatures}
			if why := kept.Stale(read(t, bed, s)); len(why) == 0 || !strings.Contains(why[0], "GS026") {
				t.Errorf("it counts as fresh: %q", why)
			}
		})
		t.Run("a contract as an owner", func(t *testing.T) { contractOwner(t, bed) })
	})
}

func stateOnChain(t *testing.T, bed *testbed.Bed, s *testbed.Safe) {
	state := read(t, bed, s)
	if state.Version != "1.4.1" || state.Threshold != 2 || state.Nonce != 0 || state.Implementation != s.Singleton.Address || state.Fallback != s.Handler.Address || state.Guard != (common.Address{}) || len(state.Modules) != 0 || len(state.Owners) != 3 {
		t.Errorf("the Safe reads as %+v", state)
	}
	for _, o := range s.Owners {
		if !slices.Contains(state.Owners, o.Address) {
			t.Errorf("%s is missing", o.Address)
		}
	}
	if found := state.Findings(safe.Policy{Fallbacks: []common.Address{s.Handler.Address}}); len(found) > 0 {
		t.Errorf("it has findings: %v", found)
	}
	// The contracts of the bed are those of the tables, at other addresses: their code is the same.
	here := safe.MultiSendFor("1.4.1")
	here.Address = s.MultiSend.Address
	if err := here.Stands(t.Context(), one{bed}, nil); err != nil {
		t.Error(err)
	}
	here.Address = s.Factory.Address
	if err := here.Stands(t.Context(), one{bed}, nil); err == nil || !strings.Contains(err.Error(), "other code") {
		t.Errorf("another contract passes: %v", err)
	}
	if err := safe.MultiSendFor("1.4.1").Stands(t.Context(), one{bed}, nil); err == nil || !strings.Contains(err.Error(), "is not at") {
		t.Errorf("nothing passes for a contract: %v", err)
	}
	if _, err := safe.Read(t.Context(), one{bed}, nil, bed.USDC().Address); err == nil {
		t.Error("a token was read as a Safe")
	}
	if _, err := safe.Read(t.Context(), one{bed}, nil, bed.Accounts[7].Address); err == nil {
		t.Error("an account without code was read as a Safe")
	}
}

// hashOnChain compares our hash with the Safe's own, for transactions of every kind.
func hashOnChain(t *testing.T, bed *testbed.Bed, s *testbed.Safe, plain safe.Tx) {
	odd := plain
	odd.Value, odd.Operation, odd.Nonce = new(big.Int).Sub(testbed.Max(), big.NewInt(9)), safe.DelegateCall, 1<<40
	odd.SafeTxGas, odd.BaseGas, odd.GasPrice, odd.GasToken, odd.RefundReceiver = big.NewInt(1), big.NewInt(2), big.NewInt(3), bed.USDC().Address, bed.Accounts[6].Address
	empty := safe.Tx{Chain: plain.Chain, Safe: plain.Safe, To: plain.Safe}
	or := func(n *big.Int) *big.Int {
		if n == nil {
			return new(big.Int)
		}
		return n
	}
	for _, tx := range []safe.Tx{plain, odd, empty} {
		said := bed.Ask(s.Contract, "getTransactionHash", tx.To, or(tx.Value), []byte(tx.Data), uint8(tx.Operation), or(tx.SafeTxGas), or(tx.BaseGas), or(tx.GasPrice),
			tx.GasToken, tx.RefundReceiver, new(big.Int).SetUint64(tx.Nonce))[0].([32]byte)
		if tx.Hash() != said {
			t.Errorf("the Safe says %x, and we %s", said, tx.Hash())
		}
	}
	if domain := bed.Ask(s.Contract, "domainSeparator")[0].([32]byte); plain.Domain() != domain {
		t.Errorf("the Safe's domain is %x, and ours %s", domain, plain.Domain())
	}
}

// signaturesOnChain holds our judgement of signatures against the contract's, kind by kind.
func signaturesOnChain(t *testing.T, bed *testbed.Bed, s *testbed.Safe, tx safe.Tx) {
	state := read(t, bed, s)
	a, b, c := s.Owners[0], s.Owners[1], s.Owners[2]
	hash := tx.Hash()
	bed.Send(c, s.Contract, "approveHash", [32]byte(hash))
	approved := safe.Signature{Kind: safe.Approved, Owner: c.Address}
	good := func(wallets ...[]byte) []safe.Signature { return gathered(t, state, hash, wallets...) }
	stranger := bed.Accounts[8]
	strange := safe.Signature{Kind: safe.Typed, Owner: stranger.Address, Bytes: typed(t, stranger, hash)}
	other := tx
	other.Nonce++
	misplaced := safe.Signature{Kind: safe.Typed, Owner: b.Address, Bytes: typed(t, b, other.Hash())}
	for _, x := range []struct {
		name       string
		signatures []safe.Signature
		passes     bool
		chain      string
	}{
		{"typed", good(typed(t, a, hash), typed(t, b, hash)), true, ""},
		{"personal", good(personal(t, a, hash), personal(t, b, hash)), true, ""},
		{"mixed", good(personal(t, b, hash), typed(t, a, hash)), true, ""},
		{"three", good(typed(t, a, hash), typed(t, b, hash), typed(t, c, hash)), true, ""},
		{"approved on the chain", append(good(typed(t, a, hash)), approved), true, ""},
		{"one alone", good(typed(t, a, hash)), false, "GS020"},
		{"not approved", append(good(typed(t, a, hash)), safe.Signature{Kind: safe.Approved, Owner: b.Address}), false, "GS025"},
		{"a stranger", append(good(typed(t, a, hash)), strange), false, "GS026"},
		{"another nonce", append(good(typed(t, a, hash)), misplaced), false, "GS026"},
		{"one twice", append(good(typed(t, a, hash)), good(personal(t, a, hash))...), false, "GS026"},
	} {
		tally, err := state.Verify(t.Context(), one{bed}, tx, x.signatures)
		if err != nil {
			t.Fatal(err)
		}
		if tally.Enough() != x.passes {
			t.Errorf("%s: we say %v, %q", x.name, tally.Enough(), tally.Faults)
		}
		if said := tried(bed, tx, x.signatures); (said == "") != x.passes || !strings.Contains(said, x.chain) {
			t.Errorf("%s: the chain says %q", x.name, said)
		}
		if !x.passes {
			continue
		}
		if said := tried(bed, tx, tally.Good); said != "" {
			t.Errorf("%s: of those that count the chain says %q", x.name, said)
		}
		if back, err := safe.Unpack(hash, safe.Pack(tally.Good)); err != nil || len(back) != len(tally.Good) {
			t.Errorf("%s: they unpack as %v, %v", x.name, back, err)
		}
	}
	// In the wrong order the same signatures are refused: that is why Pack sorts.
	two := good(typed(t, a, hash), typed(t, b, hash))
	packed := safe.Pack(two)
	swapped := append(bytes.Clone(packed[65:]), packed[:65]...)
	if _, err := bed.Try(bed.Admin().Address, testbed.Call{To: tx.Safe, Data: tx.Exec(swapped)}); err == nil {
		t.Error("the chain takes them in any order")
	}
	if !carried(t, bed, tx, two) {
		t.Error("it failed")
	}
}

// contractOwner has a Safe own a Safe: the inner one's owners sign, and its fallback handler vouches for them.
func contractOwner(t *testing.T, bed *testbed.Bed) {
	inner := bed.Safe(bed.Accounts[1:3], 1)
	outer := bed.Safe([]testbed.Account{{Address: inner.Address}, bed.Accounts[4]}, 2)
	state := read(t, bed, outer)
	tx := safe.Tx{Chain: bed.ChainID.Uint64(), Safe: outer.Address, To: outer.Address, Nonce: state.Nonce}
	// What the inner Safe's owners sign is a message of that Safe: the hash of what the outer one hashes.
	var message common.Hash = bed.Ask(inner.Handler.At(inner.Address), "getMessageHash", tx.Preimage())[0].([32]byte)
	vouched := safe.Signature{Kind: safe.Contract, Owner: inner.Address, Bytes: typed(t, bed.Accounts[1], message)}
	direct := gathered(t, state, tx.Hash(), typed(t, bed.Accounts[4], tx.Hash()))
	all := append(direct, vouched)
	if tally, err := state.Verify(t.Context(), one{bed}, tx, all); err != nil || !tally.Enough() {
		t.Errorf("we say %+v, %v", tally, err)
	}
	if said := tried(bed, tx, all); said != "" {
		t.Errorf("the chain says %q", said)
	}
	forged := vouched
	forged.Bytes = typed(t, bed.Accounts[7], message)
	if tally, err := state.Verify(t.Context(), one{bed}, tx, append(direct, forged)); err != nil || tally.Enough() {
		t.Errorf("a stranger's signature counts for the inner Safe: %+v, %v", tally, err)
	}
	if said := tried(bed, tx, append(direct, forged)); said == "" {
		t.Error("the chain takes a stranger's signature for the inner Safe")
	}
	if !carried(t, bed, tx, all) {
		t.Error("it failed")
	}
}
