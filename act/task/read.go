package task

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// readSpec reads the text of a step. A key that is not known here may mean something that must not be passed over.
func readSpec(spec json.RawMessage, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(spec))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("the step cannot be read: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the step cannot be read: something follows its end")
	}
	return nil
}
