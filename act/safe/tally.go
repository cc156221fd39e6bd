package safe

import (
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// Tally says who stands behind a transaction.
type Tally struct {
	Good    []Signature // one of each owner, ascending
	Missing int         // how many more the threshold asks for
	Faults  []string    // what is wrong with those that do not count
}

// Enough says that the Safe would carry it out, as far as signatures go.
func (t Tally) Enough() bool { return t.Missing == 0 }

// Count judges signatures over a transaction. Those of contracts and approvals on the chain count when vouched says so; nil vouches
// for none.
func (s State) Count(hash common.Hash, signatures []Signature, vouched func(Signature) bool) Tally {
	var t Tally
	fault := func(one Signature, why string) {
		t.Faults = append(t.Faults, fmt.Sprintf("the signature of %s does not count: %s", one.Owner, why))
	}
	for _, one := range signatures {
		switch err := one.check(hash); {
		case err != nil:
			fault(one, err.Error())
		case !slices.Contains(s.Owners, one.Owner):
			fault(one, "that is no owner of the Safe")
		case slices.ContainsFunc(t.Good, func(g Signature) bool { return g.Owner == one.Owner }):
			// a second one of the same owner neither helps nor harms
		case one.Kind == Contract && (vouched == nil || !vouched(one)):
			fault(one, "the contract does not say that it is its own")
		case one.Kind == Approved && (vouched == nil || !vouched(one)):
			fault(one, "the hash has not been approved on the chain")
		default:
			t.Good = append(t.Good, one)
		}
	}
	slices.SortFunc(t.Good, func(a, b Signature) int { return a.Owner.Cmp(b.Owner) })
	t.Missing = max(0, s.Threshold-len(t.Good))
	return t
}

var (
	approvedHashes = contract.New("approvedHashes(address,bytes32) (uint256)")
	// Until 1.4.1 a Safe shows a contract what was hashed; since 1.5.0 the hash.
	isValidOfData = contract.New("isValidSignature(bytes,bytes) (bytes4)")
	isValidOfHash = contract.New("isValidSignature(bytes32,bytes) (bytes4)")
)

// Verify judges signatures over a transaction as the Safe itself would at the state's block: it asks contracts whether they vouch, and
// the chain for approvals.
func (s State) Verify(ctx context.Context, r chain.Reader, t Tx, signatures []Signature) (Tally, error) {
	hash := t.Hash()
	if t.Safe != s.Safe {
		return Tally{}, fmt.Errorf("it is a transaction of the Safe %s, not of %s", t.Safe, s.Safe)
	}
	if len(signatures) > signaturesMax {
		return Tally{}, fmt.Errorf("there are more than %d signatures", signaturesMax)
	}
	var batch contract.Batch
	asked := map[int]*contract.Asked{}
	for i, one := range signatures {
		switch {
		case !slices.Contains(s.Owners, one.Owner):
		case one.Kind == Approved:
			asked[i] = batch.Call(s.Safe, approvedHashes, one.Owner, hash)
		case one.Kind == Contract && s.showsHash():
			asked[i] = batch.Call(one.Owner, isValidOfHash, hash, []byte(one.Bytes))
		case one.Kind == Contract:
			asked[i] = batch.Call(one.Owner, isValidOfData, t.Preimage(), []byte(one.Bytes))
		}
	}
	vouched := map[string]bool{} // :: owner, kind and bytes → the chain says so
	if batch.Len() > 0 {
		if _, err := batch.Read(ctx, r, &s.Block); err != nil {
			return Tally{}, fmt.Errorf("ask whether signatures are good: %w", err)
		}
		for i, answer := range asked {
			vouched[signatures[i].key()] = s.vouches(signatures[i].Kind, answer.Data(), answer.Refused())
		}
	}
	return s.Count(hash, signatures, func(one Signature) bool { return vouched[one.key()] }), nil
}

func (s Signature) key() string { return string(s.Owner[:]) + string(s.Kind) + string(s.Bytes) }

func (s State) vouches(kind Kind, answer []byte, refused bool) bool {
	if refused || len(answer) != 32 {
		return false
	}
	if kind == Approved {
		return !zero(answer)
	}
	method := isValidOfData
	if s.showsHash() {
		method = isValidOfHash
	}
	return [4]byte(answer[:4]) == method.Selector() && zero(answer[4:])
}
