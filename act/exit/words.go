package exit

import (
	"math/big"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// nonceCall asks a Safe for its nonce.
var nonceCall = contract.New("nonce() (uint256)").Pack()

// wordOf is an answer as a number; one that does not fit is larger than any nonce.
func wordOf(a chain.Answer) uint64 {
	n := new(big.Int).SetBytes(a.Data)
	if !n.IsUint64() {
		return 1<<64 - 1
	}
	return n.Uint64()
}
