package plan

import (
	"errors"
	"regexp"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

var addressForm = regexp.MustCompile(`^0[xX][0-9a-fA-F]{40}$`)

// parseAddress gives an EVM address with the capitals of its checksum (EIP-55). Written in one case only it carries none. When the
// capitals do not fit, the answer holds what the digits would be with the right ones: whether the digits are, only the owner knows.
func parseAddress(text string) (string, error) {
	if !addressForm.MatchString(text) {
		return "", errors.New("wants an address: 0x and 40 hex digits")
	}
	right := common.HexToAddress(text).Hex()
	digits := text[2:]
	switch {
	case right == common.Address{}.Hex():
		return "", errors.New("is the zero address, from which nothing ever comes back")
	case digits != strings.ToLower(digits) && digits != strings.ToUpper(digits) && digits != right[2:]:
		return right, errors.New("does not fit its own checksum: a digit or a capital is mistyped; compare every digit with where the address comes from")
	}
	return right, nil
}
