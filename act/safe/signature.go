package safe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// Kind of a signature, as the last of its 65 bytes tells the contract.
type Kind string

const (
	Typed    Kind = "typed"    // over the hash itself, as eth_signTypedData makes it: v is 27 or 28
	Personal Kind = "personal" // over the hash as a message, as eth_sign makes it: v is 31 or 32
	Contract Kind = "contract" // of a contract that is an owner (EIP-1271): v is 0
	Approved Kind = "approved" // none: the owner has approved of the hash on the chain: v is 1
)

// Signature of one owner.
type Signature struct {
	Kind  Kind           `json:"kind"`
	Owner common.Address `json:"owner"`
	// Bytes are r, s and v of a key's signature, or what a contract is to be shown.
	Bytes hexutil.Bytes `json:"bytes,omitempty"`
}

// Limits of what is taken for signatures. A contract's own may hold those of many more owners.
const (
	signaturesMax = 64
	contractMax   = 16 << 10
)

// FromWallet makes an owner's signature of what a wallet has given back for [Tx.Payload], or for the hash as a message. Some wallets
// write v as 0 or 1. The owners are those of the Safe: what none of them has made is refused, for the answer to "who made it" is
// some address or other whatever was signed.
func FromWallet(hash common.Hash, signature []byte, owners []common.Address) (Signature, error) {
	if len(signature) != crypto.SignatureLength {
		return Signature{}, fmt.Errorf("a wallet's signature has 65 bytes, and this has %d", len(signature))
	}
	b := slices.Clone(signature)
	if b[64] < 2 {
		b[64] += 27
	}
	typed, err := recovered(hash, b)
	if err != nil {
		return Signature{}, err
	}
	if slices.Contains(owners, typed.Owner) {
		return typed, nil
	}
	if b[64] < 31 { // made by a wallet that put its prefix before the hash and says nothing of it
		b[64] += 4
		if personal, err := recovered(hash, b); err == nil && slices.Contains(owners, personal.Owner) {
			return personal, nil
		}
	}
	return Signature{}, fmt.Errorf("it is not by an owner of the Safe: over this transaction it would be by %s. Either another key has signed, or something else was signed: another transaction, another nonce, another chain", typed.Owner)
}

// recovered finds out who made the signature of a key.
func recovered(hash common.Hash, b []byte) (Signature, error) {
	s := Signature{Kind: Typed, Bytes: b}
	recovery := b[64] - 27
	if b[64] == 31 || b[64] == 32 {
		s.Kind, recovery = Personal, b[64]-31
		hash = common.BytesToHash(accounts.TextHash(hash[:]))
	}
	if recovery > 1 {
		return s, fmt.Errorf("the signature ends in %d, and those of keys end in 27, 28, 31 or 32", b[64])
	}
	if !crypto.ValidateSignatureValues(recovery, new(big.Int).SetBytes(b[:32]), new(big.Int).SetBytes(b[32:64]), true) {
		return s, errors.New("the signature is out of range, or in its high form, of which anybody can make a second signature")
	}
	raw := slices.Clone(b)
	raw[64] = recovery
	key, err := crypto.SigToPub(hash[:], raw)
	if err != nil {
		return s, errors.New("the signature is none of any key")
	}
	s.Owner = crypto.PubkeyToAddress(*key)
	return s, nil
}

// check holds a signature to what it says of itself. Whether a contract vouches for it, or the chain has the approval, it cannot tell.
func (s Signature) check(hash common.Hash) error {
	switch s.Kind {
	case Typed, Personal:
		if len(s.Bytes) != crypto.SignatureLength {
			return fmt.Errorf("it has %d bytes, and a key's signature has 65", len(s.Bytes))
		}
		made, err := recovered(hash, s.Bytes)
		switch {
		case err != nil:
			return err
		case made.Kind != s.Kind:
			return fmt.Errorf("it says it is %s and ends as one that is %s", s.Kind, made.Kind)
		case made.Owner != s.Owner:
			return fmt.Errorf("it says it is by %s, and over this transaction it is by %s: something else was signed, or by somebody else", s.Owner, made.Owner)
		}
		return nil
	case Contract:
		if len(s.Bytes) > contractMax {
			return fmt.Errorf("a contract's signature of %d bytes is longer than any that is taken", len(s.Bytes))
		}
		return nil
	case Approved:
		if len(s.Bytes) > 0 {
			return errors.New("an approval on the chain has no bytes of its own")
		}
		return nil
	}
	return fmt.Errorf("%q is no kind of signature", string(s.Kind))
}

// Pack puts signatures into the form that the contract takes: ascending by owner, 65 bytes each, what contracts have to say behind.
func Pack(signatures []Signature) []byte {
	sorted := slices.SortedFunc(slices.Values(signatures), func(a, b Signature) int { return a.Owner.Cmp(b.Owner) })
	var head, tail []byte
	for _, s := range sorted {
		switch s.Kind {
		case Contract:
			head = append(head, wordOf(s.Owner)...)
			head = append(head, word(big.NewInt(int64(crypto.SignatureLength*len(sorted)+len(tail))))...)
			head = append(head, 0)
			tail = append(tail, word(big.NewInt(int64(len(s.Bytes))))...)
			tail = append(tail, s.Bytes...)
		case Approved:
			head = append(head, wordOf(s.Owner)...)
			head = append(head, make([]byte, 32)...)
			head = append(head, 1)
		default:
			head = append(head, s.Bytes...)
		}
	}
	return append(head, tail...)
}

// Unpack reads signatures over a hash out of the contract's form. It takes only what [Pack] would have written.
func Unpack(hash common.Hash, packed []byte) ([]Signature, error) {
	var signatures []Signature
	for heads := len(packed); len(signatures)*crypto.SignatureLength < heads; {
		at := len(signatures) * crypto.SignatureLength
		if len(packed) < at+crypto.SignatureLength {
			return nil, fmt.Errorf("signature %d is cut off", len(signatures)+1)
		}
		if len(signatures) == signaturesMax {
			return nil, fmt.Errorf("there are more than %d signatures", signaturesMax)
		}
		b := packed[at : at+crypto.SignatureLength]
		s, err := Signature{}, error(nil)
		switch b[64] {
		case 0:
			var start int
			if s, start, err = ofContract(b, packed); err == nil {
				heads = min(heads, start)
			}
		case 1:
			s = Signature{Kind: Approved, Owner: common.BytesToAddress(b[:32])}
		default:
			s, err = recovered(hash, slices.Clone(b))
		}
		if err != nil {
			return nil, fmt.Errorf("signature %d: %w", len(signatures)+1, err)
		}
		signatures = append(signatures, s)
	}
	if len(signatures) == 0 {
		return nil, errors.New("there is no signature")
	}
	if !bytes.Equal(Pack(signatures), packed) {
		return nil, errors.New("the signatures are not in the form that a Safe takes: ascending by owner, without gaps and leftovers")
	}
	return signatures, nil
}

// ofContract reads a contract's signature, whose first 65 bytes say where the rest is.
func ofContract(b, packed []byte) (s Signature, start int, err error) {
	where := binary.BigEndian.Uint64(b[56:64])
	if !zero(b[32:56]) || where > uint64(len(packed)) || uint64(len(packed))-where < 32 {
		return s, 0, errors.New("what the contract is to be shown lies outside")
	}
	start = int(where)
	size := packed[start : start+32]
	length := binary.BigEndian.Uint64(size[24:])
	if !zero(size[:24]) || length > uint64(len(packed)-start-32) || length > contractMax {
		return s, 0, errors.New("what the contract is to be shown is cut off, or too long")
	}
	return Signature{Contract, common.BytesToAddress(b[:32]), slices.Clone(packed[start+32 : start+32+int(length)])}, start, nil
}
