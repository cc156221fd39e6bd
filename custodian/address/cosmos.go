package address

import (
	"errors"
	"fmt"
	"strings"

	"github.com/btcsuite/btcd/address/v2/bech32"
)

// CheckCosmos says what is wrong with an address of a chain whose addresses begin with a prefix: cosmos, osmo.
func CheckCosmos(text, prefix string) error {
	if text == "" {
		return errors.New("there is no address")
	}
	if len(text) > 100 {
		return fmt.Errorf("an address of Cosmos is not %d characters long", len(text))
	}
	found, data, form, err := bech32.DecodeGeneric(text)
	var checksum bech32.ErrInvalidChecksum
	switch {
	case errors.As(err, &checksum):
		return errors.New("its checksum is wrong: a character is missing or mistyped")
	case err != nil:
		return errors.New("it is no bech32 address: a prefix, a 1, and small letters and digits")
	case form != bech32.Version0:
		return errors.New("its checksum is of another kind (bech32m), which addresses of Cosmos do not have")
	case found != prefix:
		return fmt.Errorf("it begins with %s, and addresses of this chain begin with %s", found, prefix)
	case text != strings.ToLower(text):
		return errors.New("it is written in capital letters, which nodes do not read")
	}
	bytes, err := bech32.ConvertBits(data, 5, 8, false)
	if err != nil || len(bytes) != 20 && len(bytes) != 32 {
		return fmt.Errorf("it holds %d bytes where an address holds 20 or 32", len(bytes))
	}
	return nil
}
