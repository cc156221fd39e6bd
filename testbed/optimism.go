package testbed

import (
	"encoding/json"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// Optimism is anvil as a chain of the OP stack: beside the gas it takes what Isthmus prescribes for the bytes of a transaction and for the
// operator, and pays it into their vaults. Its receipts do not say so, as those of the nodes of such a chain do: the words that op-geth puts
// into them are added on the way, from what the vaults got. So what a receipt says can be held against what is gone.
type Optimism struct {
	*Bed
	Line *Line // what nodes of the product are to be asked by
}

// Vaults of every chain of the OP stack (specs.optimism.io).
var (
	bytesVault    = common.HexToAddress("0x420000000000000000000000000000000000001A")
	operatorVault = common.HexToAddress("0x420000000000000000000000000000000000001b")
)

// NewOptimism starts one that takes nothing yet.
func NewOptimism(t testing.TB) *Optimism {
	t.Helper()
	o := &Optimism{Bed: start(t, Anvil, 31337, "--network", "optimism")}
	o.rpc(nil, "anvil_setCode", l1Block, hexutil.Bytes{0}) // the node reads the slots alone, and keeps them where there is a contract
	// Anvil lets a simulated call pay the toll as well, which the nodes of such a chain do not.
	o.rpc(nil, "anvil_setBalance", common.Address{}, hexutil.EncodeBig(Ether(1)))
	o.Line = o.Through(Fault{Lie: o.receipt})
	return o
}

// Take sets the price of a byte, by the base fee of the chain beneath in wei, and what the operator takes: a part of the gas in millionths
// of a wei, and a constant in wei.
func (o *Optimism) Take(baseFee *big.Int, scalar uint32, constant uint64) {
	o.t.Helper()
	o.rpc(nil, "anvil_setStorageAt", l1Block, "0x1", common.BigToHash(baseFee))
	const baseFeeScalar = 1_000_000 // bytes 16 to 20 of the slot; that of blobs is zero
	o.rpc(nil, "anvil_setStorageAt", l1Block, "0x3", common.BigToHash(new(big.Int).Lsh(big.NewInt(baseFeeScalar), 96)))
	operator := new(big.Int).Lsh(new(big.Int).SetUint64(uint64(scalar)), 64)
	o.rpc(nil, "anvil_setStorageAt", l1Block, "0x8", common.BigToHash(operator.Add(operator, new(big.Int).SetUint64(constant))))
}

// receipt of a transaction, which has to be alone in its block, with what its node leaves out.
func (o *Optimism) receipt(method string, _, result json.RawMessage) json.RawMessage {
	said := map[string]json.RawMessage{}
	if method != "eth_getTransactionReceipt" || json.Unmarshal(result, &said) != nil || said["blockNumber"] == nil {
		return result
	}
	var block hexutil.Uint64
	o.must("read the block of a receipt", json.Unmarshal(said["blockNumber"], &block))
	var inside hexutil.Uint64
	o.rpc(&inside, "eth_getBlockTransactionCountByNumber", block)
	if inside != 1 {
		return result // who paid what is not known here, and a test that asks for it fails
	}
	var slot common.Hash
	o.rpc(&slot, "eth_getStorageAt", l1Block, "0x8", block)
	said["l1Fee"] = quoted(hexutil.EncodeBig(o.got(bytesVault, block)))
	if slot != (common.Hash{}) {
		said["operatorFeeScalar"] = quoted(hexutil.EncodeBig(new(big.Int).SetBytes(slot[20:24])))
		said["operatorFeeConstant"] = quoted(hexutil.EncodeBig(new(big.Int).SetBytes(slot[24:])))
	}
	text, err := json.Marshal(said)
	o.must("write a receipt", err)
	return text
}

func quoted(text string) json.RawMessage { return json.RawMessage(`"` + text + `"`) }

// got is what came into a vault in a block.
func (o *Optimism) got(vault common.Address, block hexutil.Uint64) *big.Int {
	var before, after hexutil.Big
	o.rpc(&before, "eth_getBalance", vault, block-1)
	o.rpc(&after, "eth_getBalance", vault, block)
	return new(big.Int).Sub(after.ToInt(), before.ToInt())
}

// Taken of everybody so far, beside the gas.
func (o *Optimism) Taken() *big.Int {
	o.t.Helper()
	var bytes, operator hexutil.Big
	o.rpc(&bytes, "eth_getBalance", bytesVault, "latest")
	o.rpc(&operator, "eth_getBalance", operatorVault, "latest")
	return new(big.Int).Add(bytes.ToInt(), operator.ToInt())
}
