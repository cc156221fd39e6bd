package chain

import (
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// Reverted is an [ErrReverted] with the bytes that the contract gave for a reason.
type Reverted struct{ Data []byte }

func (r *Reverted) Error() string { return ErrReverted.Error() + ": " + Revert(r.Data) }
func (r *Reverted) Unwrap() error { return ErrReverted }

// Revert puts the bytes of a revert into words: the text of a require, the meaning of a panic's code, or the selector of an error
// that only the contract's own description names.
func Revert(data []byte) string {
	if len(data) == 0 {
		return "it gave no reason"
	}
	if reason, err := abi.UnpackRevert(data); err == nil {
		// A contract may say anything; nobody reads more than a line of it.
		reason = strings.Join(strings.Fields(strings.ToValidUTF8(reason, "")), " ")
		if runes := []rune(reason); len(runes) > messageMax {
			reason = string(runes[:messageMax]) + "…"
		}
		if reason == "" {
			return "it gave an empty reason"
		}
		return reason
	}
	if len(data) < 4 {
		return fmt.Sprintf("it gave %s", hexutil.Encode(data))
	}
	return fmt.Sprintf("error %s of the contract's own", hexutil.Encode(data[:4]))
}
