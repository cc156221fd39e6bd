// Package safe prepares, checks, explains and signs off transactions of a Safe, the multi-signature account on EVM chains, so
// that owners sign what they have read and nothing else.
//
// A [Tx] is one transaction. Its hash is computed here, from its own fields, and is what owners sign; no server is asked for it.
// [Tx.Check] refuses what could take the Safe away from its owners, in plain words. [Tx.Words] says what it does.
// A [Signature] is judged by the rules of the contract and some stricter ones. [Read] says how a Safe stands, [State.Findings]
// what is wrong with that, a [Store] keeps transactions that were signed beforehand, and [Kept.Stale] says whether they are
// still any good. Calls by way of a Zodiac Roles module, and the errors of both contracts in words, are here too.
//
// It holds no key, simulates nothing and sends nothing: act/sign has keys of relayers and bots, and act/exit sends.
package safe

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"lifeboat/chain/contract"
)

// Operation is how a Safe carries a transaction out.
type Operation uint8

const (
	Call         Operation = 0 // the Safe calls
	DelegateCall Operation = 1 // the code that is called runs as the Safe, and may do anything with it
)

// Tx is a transaction of one Safe on one chain. Amounts that are nil are zero.
type Tx struct {
	Chain     uint64         `json:"chain"` // the chain's number
	Safe      common.Address `json:"safe"`
	To        common.Address `json:"to"`
	Value     *big.Int       `json:"value,omitempty"` // wei
	Data      hexutil.Bytes  `json:"data,omitempty"`
	Operation Operation      `json:"operation,omitempty"`
	Nonce     uint64         `json:"nonce"` // of the Safe

	// With these a Safe would pay back the gas to whoever sent the transaction, out of what it holds. [Tx.Check] refuses any that is not
	// zero; they are here because the hash covers them.
	SafeTxGas      *big.Int       `json:"safe_tx_gas,omitempty"`
	BaseGas        *big.Int       `json:"base_gas,omitempty"`
	GasPrice       *big.Int       `json:"gas_price,omitempty"`
	GasToken       common.Address `json:"gas_token,omitzero"`
	RefundReceiver common.Address `json:"refund_receiver,omitzero"`
}

// What owners sign is the EIP-712 hash of this type in this domain. Since version 1.3.0 of the contracts the domain is the
// chain and the Safe's address; before, it was the address alone, and such a Safe is refused by [Read].
var (
	domainType = crypto.Keccak256([]byte("EIP712Domain(uint256 chainId,address verifyingContract)"))
	txType     = crypto.Keccak256([]byte("SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)"))
)

// Hash of the transaction, the safeTxHash: what its owners sign.
func (t Tx) Hash() common.Hash { return crypto.Keccak256Hash(t.Preimage()) }

// Preimage is what is hashed; a contract that is an owner is given it to check its signature.
func (t Tx) Preimage() []byte {
	return append(append([]byte{0x19, 0x01}, t.Domain().Bytes()...), t.structHash()...)
}

// Domain separator of the Safe.
func (t Tx) Domain() common.Hash {
	return crypto.Keccak256Hash(domainType, word(new(big.Int).SetUint64(t.Chain)), wordOf(t.Safe))
}

func (t Tx) structHash() []byte {
	return crypto.Keccak256(txType, wordOf(t.To), word(t.Value), crypto.Keccak256(t.Data), word(big.NewInt(int64(t.Operation))),
		word(t.SafeTxGas), word(t.BaseGas), word(t.GasPrice), wordOf(t.GasToken), wordOf(t.RefundReceiver), word(new(big.Int).SetUint64(t.Nonce)))
}

// word is a number in 32 bytes. One that does not fit has been refused by [Tx.Valid] before anybody signs; here it is cut.
func word(n *big.Int) []byte {
	if n == nil {
		return make([]byte, 32)
	}
	return math.U256Bytes(new(big.Int).Set(n))
}

func wordOf(a common.Address) []byte { return common.LeftPadBytes(a[:], 32) }

// dataMax of a transaction: what fits into a transaction that public nodes take.
const dataMax = 128 << 10

// Valid says what makes it no transaction at all.
func (t Tx) Valid() error {
	switch {
	case t.Chain == 0:
		return errors.New("it names no chain, and its signatures would be good on none")
	case t.Safe == common.Address{}:
		return errors.New("it names no Safe")
	case t.Operation > DelegateCall:
		return fmt.Errorf("operation %d is neither a call (0) nor a delegate call (1)", t.Operation)
	case len(t.Data) > dataMax:
		return fmt.Errorf("it has %d bytes of data, and nodes take no more than %d", len(t.Data), dataMax)
	}
	for _, a := range []struct {
		name   string
		amount *big.Int
	}{{"value", t.Value}, {"safeTxGas", t.SafeTxGas}, {"baseGas", t.BaseGas}, {"gasPrice", t.GasPrice}} {
		if a.amount != nil && (a.amount.Sign() < 0 || a.amount.BitLen() > 256) {
			return fmt.Errorf("its %s is no number of 256 bits", a.name)
		}
	}
	return nil
}

// fields of the type that is signed, as wallets want them.
var fields = apitypes.Types{
	"EIP712Domain": {{Name: "chainId", Type: "uint256"}, {Name: "verifyingContract", Type: "address"}},
	"SafeTx": {
		{Name: "to", Type: "address"}, {Name: "value", Type: "uint256"}, {Name: "data", Type: "bytes"}, {Name: "operation", Type: "uint8"},
		{Name: "safeTxGas", Type: "uint256"}, {Name: "baseGas", Type: "uint256"}, {Name: "gasPrice", Type: "uint256"},
		{Name: "gasToken", Type: "address"}, {Name: "refundReceiver", Type: "address"}, {Name: "nonce", Type: "uint256"},
	},
}

func (t Tx) message() apitypes.TypedDataMessage {
	return apitypes.TypedDataMessage{
		"to": t.To.Hex(), "value": decimal(t.Value), "data": hexutil.Encode(t.Data), "operation": fmt.Sprint(t.Operation),
		"safeTxGas": decimal(t.SafeTxGas), "baseGas": decimal(t.BaseGas), "gasPrice": decimal(t.GasPrice),
		"gasToken": t.GasToken.Hex(), "refundReceiver": t.RefundReceiver.Hex(), "nonce": fmt.Sprint(t.Nonce),
	}
}

func decimal(n *big.Int) string {
	if n == nil {
		return "0"
	}
	return n.String()
}

// TypedData is the transaction as signers in Go take it.
func (t Tx) TypedData() apitypes.TypedData {
	return apitypes.TypedData{
		Types: fields, PrimaryType: "SafeTx", Message: t.message(),
		Domain: apitypes.TypedDataDomain{ChainId: (*math.HexOrDecimal256)(new(big.Int).SetUint64(t.Chain)), VerifyingContract: t.Safe.Hex()},
	}
}

// Payload is the transaction as wallets take it: the second parameter of eth_signTypedData_v4. The domain has the two fields that
// are hashed and no others, for some wallets hash whatever is there; the chain is a number, which they compare with their own.
func (t Tx) Payload() json.RawMessage {
	type domain struct {
		ChainID           uint64 `json:"chainId"`
		VerifyingContract string `json:"verifyingContract"`
	}
	payload, err := json.Marshal(struct {
		Types       apitypes.Types            `json:"types"`
		PrimaryType string                    `json:"primaryType"`
		Domain      domain                    `json:"domain"`
		Message     apitypes.TypedDataMessage `json:"message"`
	}{fields, "SafeTx", domain{t.Chain, t.Safe.Hex()}, t.message()})
	if err != nil {
		panic(err) // texts and numbers marshal
	}
	return payload
}

// Methods of a Safe that are called to carry a transaction out.
var execTransaction = contract.New("execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes) (bool)")

// Exec is the calldata that carries the transaction out, with signatures as [Pack] makes them.
func (t Tx) Exec(signatures []byte) []byte {
	return execTransaction.Pack(t.To, amount(t.Value), []byte(t.Data), uint8(t.Operation), amount(t.SafeTxGas), amount(t.BaseGas), amount(t.GasPrice),
		t.GasToken, t.RefundReceiver, signatures)
}

func amount(n *big.Int) *big.Int {
	if n == nil {
		return new(big.Int)
	}
	return n
}

// Topics of the events by which a Safe says what came of a transaction. The hash is the first word of the data, or the second topic
// since 1.4.0 ([Told]).
var (
	Succeeded = crypto.Keccak256Hash([]byte("ExecutionSuccess(bytes32,uint256)"))
	Failed    = crypto.Keccak256Hash([]byte("ExecutionFailure(bytes32,uint256)"))
)

// Told reads such an event of the Safe: which transaction, and whether it went through.
func Told(topics []common.Hash, data []byte) (hash common.Hash, success, ok bool) {
	if len(topics) == 0 || topics[0] != Succeeded && topics[0] != Failed {
		return common.Hash{}, false, false
	}
	switch {
	case len(topics) == 2 && len(data) == 32:
		return topics[1], topics[0] == Succeeded, true
	case len(topics) == 1 && len(data) == 64:
		return common.BytesToHash(data[:32]), topics[0] == Succeeded, true
	}
	return common.Hash{}, false, false
}
