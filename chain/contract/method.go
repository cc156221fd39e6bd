// Package contract speaks to contracts: it packs calls and reads what they return, for the few methods of each protocol that
// lifeboat uses.
//
// A [Method] is written as its signature, `balanceOf(address) (uint256)`, and parsed when it is first used. A [Batch] gathers
// calls, reads them all at one block by way of a [chain.Reader], and gives each answer back to whoever asked. The signatures are
// ours, written from the documentation of each protocol; no code and no artefact of anybody else is in here.
//
// It does not know what the numbers mean (chain/protocol does), decodes no events, and signs and sends nothing.
package contract

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/crypto"
)

// Method of a contract. It is safe for concurrent use.
type Method struct {
	signature string // as written: name(inputs) (outputs)
	once      sync.Once
	parsed    shape
}

type shape struct {
	name     string
	selector [4]byte
	in, out  abi.Arguments
	err      error
}

// New method of a signature such as `getReserves() (uint112,uint112,uint32)`. A mistake in the signature shows at the first
// use, as a panic: signatures are part of the program.
func New(signature string) *Method { return &Method{signature: signature} }

// Name without the parameters.
func (m *Method) Name() string { return m.shape().name }

// Selector is what a call of the method begins with.
func (m *Method) Selector() [4]byte { return m.shape().selector }

// Pack is the calldata of a call. Arguments that are not of the method's types are a mistake in the program, and panic. The
// fields of a tuple of fixed size are given one after the other.
func (m *Method) Pack(arguments ...any) []byte {
	s := m.shape()
	packed, err := s.in.Pack(arguments...)
	if err != nil {
		panic(fmt.Sprintf("contract: pack %s: %v", s.name, err))
	}
	return append(s.selector[:], packed...)
}

// Arguments of a call of this method, read into pointers as [Method.Scan] does.
func (m *Method) Arguments(calldata []byte, into ...any) error {
	s := m.shape()
	if len(calldata) < 4 || [4]byte(calldata[:4]) != s.selector {
		return fmt.Errorf("it is not a call of %s", s.name)
	}
	return scan(s.name, s.in, calldata[4:], into)
}

// Returns is what the method would return, for those who play a contract.
func (m *Method) Returns(values ...any) []byte {
	s := m.shape()
	packed, err := s.out.Pack(values...)
	if err != nil {
		panic(fmt.Sprintf("contract: pack what %s returns: %v", s.name, err))
	}
	return packed
}

// Scan reads what the method returned into pointers, one for each value; nil passes one over. Numbers up to 64 bits are of
// Go's type of that size where there is one, all others are *big.Int.
func (m *Method) Scan(returned []byte, into ...any) error {
	s := m.shape()
	return scan(s.name, s.out, returned, into)
}

func scan(name string, arguments abi.Arguments, data []byte, into []any) error {
	if len(data) == 0 && len(arguments) > 0 {
		return fmt.Errorf("%s: %w", name, ErrNothing)
	}
	values, err := arguments.UnpackValues(data)
	if err != nil {
		return fmt.Errorf("read what %s says: %w", name, err)
	}
	if len(into) > len(values) {
		panic(fmt.Sprintf("contract: %s has %d values and %d are wanted", name, len(values), len(into)))
	}
	for i, target := range into {
		if target == nil {
			continue
		}
		to, value := reflect.ValueOf(target).Elem(), reflect.ValueOf(values[i])
		switch {
		case value.Type().AssignableTo(to.Type()):
			to.Set(value)
		case value.Type().ConvertibleTo(to.Type()) && value.Kind() == to.Kind():
			to.Set(value.Convert(to.Type()))
		default:
			panic(fmt.Sprintf("contract: value %d of %s is a %s, not a %s", i, name, value.Type(), to.Type()))
		}
	}
	return nil
}

// ErrNothing says that there is no such contract, or that it has no such method and takes every call.
var ErrNothing = errors.New("nothing was returned: there is no such contract at this address")

func (m *Method) shape() *shape {
	m.once.Do(m.parse)
	if m.parsed.err != nil {
		panic(fmt.Sprintf("contract: signature %q: %v", m.signature, m.parsed.err))
	}
	return &m.parsed
}

func (m *Method) parse() {
	s := &m.parsed
	inputs, outputs, _ := strings.Cut(m.signature, " ")
	var in abi.SelectorMarshaling
	if in, s.err = abi.ParseSelector(inputs); s.err != nil {
		return
	}
	s.name = in.Name
	copy(s.selector[:], crypto.Keccak256([]byte(inputs)))
	if s.in, s.err = flat(in.Inputs); s.err != nil || outputs == "" {
		return
	}
	var out abi.SelectorMarshaling
	if out, s.err = abi.ParseSelector(in.Name + outputs); s.err != nil {
		return
	}
	s.out, s.err = flat(out.Inputs)
}

// flat spreads tuples of fixed size out: they are encoded as their fields are, one after the other.
func flat(parameters []abi.ArgumentMarshaling) (abi.Arguments, error) {
	var all abi.Arguments
	for _, p := range parameters {
		t, err := abi.NewType(p.Type, "", p.Components)
		if err != nil {
			return nil, err
		}
		if t.T == abi.TupleTy && !dynamic(t) {
			fields, err := flat(p.Components)
			if err != nil {
				return nil, err
			}
			all = append(all, fields...)
			continue
		}
		all = append(all, abi.Argument{Name: p.Name, Type: t})
	}
	return all, nil
}

func dynamic(t abi.Type) bool {
	switch t.T {
	case abi.StringTy, abi.BytesTy, abi.SliceTy:
		return true
	case abi.ArrayTy:
		return dynamic(*t.Elem)
	case abi.TupleTy:
		for _, element := range t.TupleElems {
			if dynamic(*element) {
				return true
			}
		}
	}
	return false
}
