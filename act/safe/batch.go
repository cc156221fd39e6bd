package safe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain/contract"
)

// Step is one call of a batch.
type Step struct {
	Operation Operation
	To        common.Address
	Value     *big.Int // wei; nil is none
	Data      []byte
}

var multiSend = contract.New("multiSend(bytes)")

// Batch makes one transaction of many calls, which happen all or not at all: the Safe lends itself to multiSendCallOnly, which
// makes the calls in its name. One call alone needs no batch and gets none.
func (t Tx) Batch(multiSendCallOnly common.Address, calls ...Step) (Tx, error) {
	for i, c := range calls {
		if c.Operation != Call {
			return Tx{}, fmt.Errorf("call %d of the batch is a delegate call", i+1)
		}
	}
	switch len(calls) {
	case 0:
		return Tx{}, errors.New("a batch has at least one call")
	case 1:
		t.To, t.Value, t.Data, t.Operation = calls[0].To, calls[0].Value, calls[0].Data, Call
	default:
		t.To, t.Value, t.Data, t.Operation = multiSendCallOnly, nil, PackBatch(calls), DelegateCall
	}
	return t, t.Valid()
}

// stepHead is what comes before a step's data: operation (1), to (20), value (32), length of the data (32).
const stepHead = 1 + 20 + 32 + 32

// PackBatch is the calldata of multiSend.
func PackBatch(steps []Step) []byte {
	var packed []byte
	for _, s := range steps {
		packed = append(packed, byte(s.Operation))
		packed = append(packed, s.To[:]...)
		packed = append(packed, word(s.Value)...)
		packed = append(packed, word(big.NewInt(int64(len(s.Data))))...)
		packed = append(packed, s.Data...)
	}
	return multiSend.Pack(packed)
}

// stepsMax of a batch; each takes at least a few thousand gas.
const stepsMax = 512

// UnpackBatch reads the calldata of multiSend back into its calls. It takes only what [PackBatch] could have written: a contract is more
// lenient, and what it would make of the rest nobody should have to guess.
func UnpackBatch(calldata []byte) ([]Step, error) {
	var packed []byte
	if err := multiSend.Arguments(calldata, &packed); err != nil {
		return nil, fmt.Errorf("it is no batch: %w", err)
	}
	var steps []Step
	for rest := packed; len(rest) > 0; {
		if len(steps) == stepsMax {
			return nil, fmt.Errorf("the batch has more than %d calls", stepsMax)
		}
		if len(rest) < stepHead {
			return nil, fmt.Errorf("call %d of the batch is cut off", len(steps)+1)
		}
		size := rest[53:stepHead]
		length := binary.BigEndian.Uint64(size[24:])
		if !zero(size[:24]) || length > uint64(len(rest)-stepHead) {
			return nil, fmt.Errorf("call %d of the batch says it is longer than the batch", len(steps)+1)
		}
		end := stepHead + int(length)
		steps = append(steps, Step{Operation(rest[0]), common.BytesToAddress(rest[1:21]), new(big.Int).SetBytes(rest[21:53]), rest[stepHead:end:end]})
		rest = rest[end:]
	}
	if len(steps) == 0 {
		return nil, errors.New("the batch is empty")
	}
	if string(PackBatch(steps)) != string(calldata) {
		return nil, errors.New("the batch is written in an unusual way, and what a contract would make of it is not certain")
	}
	return steps, nil
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// Steps are the calls that a transaction makes in the Safe's name: those of its batch, or itself.
func (t Tx) Steps() ([]Step, error) {
	if t.Operation == DelegateCall && isBatch(t.Data) {
		return UnpackBatch(t.Data)
	}
	return []Step{{t.Operation, t.To, amount(t.Value), t.Data}}, nil
}

func isBatch(data []byte) bool {
	s := multiSend.Selector()
	return len(data) >= 4 && [4]byte(data[:4]) == s
}
