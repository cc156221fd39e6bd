package safe

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// A transaction as the Safe Transaction Service writes it (GET /api/v1/multisig-transactions/HASH/, and v2, whose nonce is a text). Other
// fields, of which it has many, are passed over.
type serviceTx struct {
	Safe           common.Address  `json:"safe"`
	To             common.Address  `json:"to"`
	Value          serviceNumber   `json:"value"`
	Data           *hexutil.Bytes  `json:"data"`
	Operation      uint8           `json:"operation"`
	GasToken       *common.Address `json:"gasToken"`
	SafeTxGas      serviceNumber   `json:"safeTxGas"`
	BaseGas        serviceNumber   `json:"baseGas"`
	GasPrice       serviceNumber   `json:"gasPrice"`
	RefundReceiver *common.Address `json:"refundReceiver"`
	Nonce          serviceNumber   `json:"nonce"`
	SafeTxHash     common.Hash     `json:"safeTxHash"`
	SubmissionDate *time.Time      `json:"submissionDate,omitempty"`
	Confirmations  []serviceSigned `json:"confirmations"`
}

type serviceSigned struct {
	Owner          common.Address `json:"owner"`
	SubmissionDate *time.Time     `json:"submissionDate,omitempty"`
	Signature      hexutil.Bytes  `json:"signature"`
	SignatureType  string         `json:"signatureType"`
}

// serviceNumber is a whole number, as a number or as a text. It is never read as a float.
type serviceNumber struct{ big.Int }

func (n *serviceNumber) UnmarshalJSON(text []byte) error {
	digits := strings.Trim(string(text), `"`)
	if digits == "null" || digits == "" {
		n.SetInt64(0)
		return nil
	}
	if len(digits) > 78 || strings.Trim(digits, "0123456789") != "" {
		return errors.New("a number is not written as a whole one of at most 78 digits")
	}
	n.SetString(digits, 10)
	return nil
}

func (n serviceNumber) MarshalJSON() ([]byte, error) { return json.Marshal(n.String()) }

// kinds :: ours → the service's
var kinds = map[Kind]string{Typed: "EOA", Personal: "ETH_SIGN", Contract: "CONTRACT_SIGNATURE", Approved: "APPROVED_HASH"}

// FromService reads a transaction and its confirmations as the Safe Transaction Service writes them. The chain is not in it and has to be
// known. Nothing of it is believed: the hash is computed, and who signed is found out.
func FromService(chain uint64, content []byte) (Kept, error) {
	var in serviceTx
	if len(content) > keptBytesMax {
		return Kept{}, errors.New("it is longer than any transaction with its signatures")
	}
	if err := json.Unmarshal(content, &in); err != nil {
		return Kept{}, fmt.Errorf("it is not what the Safe Transaction Service writes: %w", err)
	}
	if !in.Nonce.IsUint64() {
		return Kept{}, errors.New("its nonce is beyond all measure")
	}
	t := Tx{Chain: chain, Safe: in.Safe, To: in.To, Value: &in.Value.Int, Operation: Operation(in.Operation), Nonce: in.Nonce.Uint64(),
		SafeTxGas: &in.SafeTxGas.Int, BaseGas: &in.BaseGas.Int, GasPrice: &in.GasPrice.Int}
	if in.Data != nil {
		t.Data = *in.Data
	}
	if in.GasToken != nil {
		t.GasToken = *in.GasToken
	}
	if in.RefundReceiver != nil {
		t.RefundReceiver = *in.RefundReceiver
	}
	if err := t.Valid(); err != nil {
		return Kept{}, err
	}
	k := Kept{Tx: t, Hash: t.Hash()}
	if k.Hash != in.SafeTxHash {
		return Kept{}, fmt.Errorf("it says its hash is %s, and on chain %d it is %s: it is of another chain, or was changed", in.SafeTxHash, chain, k.Hash)
	}
	if in.SubmissionDate != nil {
		k.Prepared = in.SubmissionDate.UTC()
	}
	return k, k.confirm(in.Confirmations)
}

func (k *Kept) confirm(confirmations []serviceSigned) error {
	if len(confirmations) > signaturesMax {
		return fmt.Errorf("there are more than %d signatures", signaturesMax)
	}
	for _, c := range confirmations {
		signatures, err := Unpack(k.Hash, c.Signature)
		switch {
		case err != nil:
			return fmt.Errorf("the confirmation of %s: %w", c.Owner, err)
		case len(signatures) != 1:
			return fmt.Errorf("the confirmation of %s is %d signatures", c.Owner, len(signatures))
		case signatures[0].Owner != c.Owner:
			return fmt.Errorf("the confirmation of %s is by %s, or over something else", c.Owner, signatures[0].Owner)
		}
		if err := k.Add(signatures[0]); err != nil {
			return fmt.Errorf("the confirmation of %s: %w", c.Owner, err)
		}
	}
	return nil
}

// Service writes a transaction and its signatures in the form of the Safe Transaction Service.
func (k Kept) Service() json.RawMessage {
	out := serviceTx{Safe: k.Tx.Safe, To: k.Tx.To, Operation: uint8(k.Tx.Operation), SafeTxHash: k.Hash, GasToken: &k.Tx.GasToken, RefundReceiver: &k.Tx.RefundReceiver, Confirmations: []serviceSigned{}}
	for into, n := range map[*serviceNumber]*big.Int{&out.Value: k.Tx.Value, &out.SafeTxGas: k.Tx.SafeTxGas, &out.BaseGas: k.Tx.BaseGas, &out.GasPrice: k.Tx.GasPrice} {
		into.Set(amount(n))
	}
	out.Nonce.SetUint64(k.Tx.Nonce)
	if len(k.Tx.Data) > 0 {
		out.Data = &k.Tx.Data
	}
	if !k.Prepared.IsZero() {
		out.SubmissionDate = &k.Prepared
	}
	for _, s := range k.Signatures {
		out.Confirmations = append(out.Confirmations, serviceSigned{Owner: s.Owner, Signature: Pack([]Signature{s}), SignatureType: kinds[s.Kind]})
	}
	content, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		panic(err) // addresses, numbers and bytes marshal
	}
	return content
}
