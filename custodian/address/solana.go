package address

import (
	"errors"
	"fmt"

	"github.com/mr-tron/base58"
)

// CheckSolana says what is wrong with an address: 32 bytes in base58. It has no checksum and no network.
func CheckSolana(text string) error {
	switch {
	case text == "":
		return errors.New("there is no address")
	case len(text) > 44:
		return fmt.Errorf("an address of Solana has 44 characters at most, and this has %d", len(text))
	}
	bytes, err := base58.Decode(text)
	if err != nil {
		return errors.New("it has a character that is not of base58 (0, O, I and l are not)")
	}
	if len(bytes) != 32 {
		return fmt.Errorf("it holds %d bytes where an address of Solana holds 32", len(bytes))
	}
	return nil
}
