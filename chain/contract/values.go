package contract

import (
	"bytes"
	"errors"
	"fmt"
)

// Signature as it was written, without what it returns: name(inputs).
func (m *Method) Signature() string {
	for i, c := range m.signature {
		if c == ' ' {
			return m.signature[:i]
		}
	}
	return m.signature
}

// Values are the arguments of a call of this method, for those who show calls that somebody else has made up. Calldata that this
// method would not have packed in the same bytes is an error: with bytes left over, or dirty ones, what a contract reads is
// not certain.
func (m *Method) Values(calldata []byte) ([]any, error) {
	s := m.shape()
	if len(calldata) < 4 || [4]byte(calldata[:4]) != s.selector {
		return nil, fmt.Errorf("it is not a call of %s", s.name)
	}
	if len(s.in) == 0 {
		if len(calldata) != 4 {
			return nil, fmt.Errorf("%s takes nothing, and was given %d bytes", s.name, len(calldata)-4)
		}
		return nil, nil
	}
	values, err := s.in.UnpackValues(calldata[4:])
	if err != nil {
		return nil, fmt.Errorf("read a call of %s: %w", s.name, err)
	}
	if packed, err := s.in.Pack(values...); err != nil || !bytes.Equal(packed, calldata[4:]) {
		return nil, errors.New("it is written in an unusual way")
	}
	return values, nil
}
