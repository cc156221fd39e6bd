package testbed

import (
	"encoding/hex"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
)

// Where contracts are that are in the same place on every chain.
var (
	// Multicall3 of every bed is written anew with the methods that readers use.
	Multicall3 = common.HexToAddress("0xcA11bde05977b3631167028862bE2a173976CA11")
	// SingletonFactory of ERC-2470.
	SingletonFactory = common.HexToAddress("0xce0042B868300000d44A59004Da54A005ffdcf9f")
	// Permit2 is Uniswap's own code. The domain that its signatures are bound to is that of another chain; allowances are what it is for here.
	Permit2 = common.HexToAddress("0x000000000022D473030F116dDEE9F6B43aC78BA3")
)

// Where the bed puts the parts of Zodiac Roles, whose code is too large to be deployed where the limit of EIP-170 is kept: the one in
// the SDK is not optimised.
var (
	rolesCode    = common.HexToAddress("0x0000000000000000000000000000000000520001")
	integrity    = common.HexToAddress("0x0000000000000000000000000000000000520002")
	packer       = common.HexToAddress("0x0000000000000000000000000000000000520003")
	rolesUnwraps = common.HexToAddress("0x0000000000000000000000000000000000520004")
)

// canonical is the code that every bed has from the start, and where.
func (b *Bed) canonical() map[common.Address][]byte {
	b.t.Helper()
	own := func(name string) []byte {
		code, err := hex.DecodeString(b.artifact("ours/Canonical.sol/" + name).runtime)
		b.must("read the code of "+name, err)
		return code
	}
	nobody := common.Address{19: 1} // owns the code itself, which nobody uses but by way of clones
	return map[common.Address][]byte{
		Multicall3:       own("Multicall"),
		SingletonFactory: own("SingletonFactory"),
		integrity:        b.construct("ours/zodiac/Integrity"),
		packer:           b.construct("ours/zodiac/Packer"),
		rolesUnwraps:     b.construct("ours/zodiac/MultiSendUnwrapper"),
		rolesCode:        b.construct("ours/zodiac/Roles", nobody, nobody, nobody),
		Permit2:          b.construct("ours/permit2/Permit2"),
	}
}

// construct runs a constructor beside any chain, for the code that it leaves.
func (b *Bed) construct(path string, args ...any) []byte {
	b.t.Helper()
	a := b.artifact(path)
	code, err := a.linked(map[string]common.Address{"Integrity": integrity, "Packer": packer})
	b.must("link "+path, err)
	in, err := a.ABI.Pack("", args...)
	b.must("construct "+path, err)
	left, _, err := runtime.Execute(append(code, in...), nil, nil)
	b.must("construct "+path, err)
	return left
}

// Multicall3 that every bed has.
func (b *Bed) Multicall3() Contract {
	b.t.Helper()
	return Contract{Multicall3, b.artifact("ours/Canonical.sol/Multicall").ABI}
}

// Permit2 that every bed has.
func (b *Bed) Permit2() Contract {
	b.t.Helper()
	return Contract{Permit2, b.artifact("ours/permit2/Permit2").ABI}
}

// Where rollups say what they take for the bytes of a transaction.
var (
	gasPriceOracle = common.HexToAddress("0x420000000000000000000000000000000000000F")
	nodeInterface  = common.HexToAddress("0x00000000000000000000000000000000000000C8")
)

// GasPriceOracle makes the chain one of the OP stack as far as its prices go: a stand-in of our own, written from the documentation, which at
// first takes nothing. anvil only.
func (b *Bed) GasPriceOracle() Contract {
	b.t.Helper()
	return b.put(gasPriceOracle, "ours/Rollups.sol/GasPriceOracleStandIn")
}

// NodeInterface makes the node answer as Arbitrum's do: 100 gas for each byte that is called with. anvil only.
func (b *Bed) NodeInterface() Contract {
	b.t.Helper()
	return b.put(nodeInterface, "ours/Rollups.sol/NodeInterfaceStandIn")
}

// put the code of one of our contracts at an address.
func (b *Bed) put(address common.Address, path string) Contract {
	b.t.Helper()
	b.anvil("no code can be put anywhere")
	a := b.artifact(path)
	b.rpc(nil, "anvil_setCode", address, "0x"+a.runtime)
	return Contract{address, a.ABI}
}
