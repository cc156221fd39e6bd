package safe

import (
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain/contract"
)

// Methods of the Zodiac Roles modifier v2, a module by which a key may do what its role permits and nothing else.
var (
	execWithRole = contract.New("execTransactionWithRole(address,uint256,bytes,uint8,bytes32,bool) (bool)")
	approveHash  = contract.New("approveHash(bytes32)")
)

// RoleKey is how the module calls a role: its name in 32 bytes, filled up with zeros.
func RoleKey(name string) ([32]byte, error) {
	var key [32]byte
	if name == "" || len(name) > 31 {
		return key, fmt.Errorf("the name of a role has 1 to 31 bytes, and %q has %d", name, len(name))
	}
	copy(key[:], name)
	return key, nil
}

func roleName(key [32]byte) string {
	end := 0
	for end < len(key) && key[end] > ' ' && key[end] < 0x7f {
		end++
	}
	if end > 0 && zero(key[end:]) {
		return string(key[:end])
	}
	return common.Hash(key).Hex()
}

// ExecWithRole is the calldata by which a member of a role has the Safe make a call. What the role does not permit, or what fails
// inside, reverts: an exit that does nothing must not look like one that was done.
func ExecWithRole(role [32]byte, s Step) []byte {
	return execWithRole.Pack(s.To, amount(s.Value), s.Data, uint8(s.Operation), role, true)
}

// ExecBatchWithRole is the same for many calls that happen all or not at all. The module looks at each of them when its owner has set
// the unwrapper of multiSendCallOnly, and refuses the whole otherwise.
func ExecBatchWithRole(role [32]byte, multiSendCallOnly common.Address, calls ...Step) ([]byte, error) {
	batch, err := Tx{Chain: 1, Safe: multiSendCallOnly}.Batch(multiSendCallOnly, calls...)
	if err != nil {
		return nil, err
	}
	return ExecWithRole(role, Step{batch.Operation, batch.To, batch.Value, batch.Data}), nil
}

// deadline of a swap. It is kept from times that no calendar has.
func deadline(n *big.Int) string {
	if !n.IsInt64() || n.Int64() > 253402300799 {
		return "for ever"
	}
	return time.Unix(n.Int64(), 0).UTC().Format("2006-01-02 15:04:05 UTC")
}
