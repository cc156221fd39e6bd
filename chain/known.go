package chain

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Network is what one has to know about a chain to read it well. For the chains in [Known] nobody has to say it.
type Network struct {
	ID     uint64
	Name   string
	Symbol string // of what gas is paid in
	// BlockTime is the usual time between two blocks. It says how often a head is asked for, and how old one may be.
	BlockTime time.Duration
	// Depth is after how many further blocks one takes a block for settled. Deeper reorganisations have happened on some of
	// these chains; a follower undoes as many blocks as its [Checkpoint] remembers.
	Depth uint64
	// TipMin is the least tip, in wei per gas, with which the chain's own nodes pass a transaction on.
	TipMin int64
	// DataFee is set where a rollup takes a fee for the bytes of a transaction besides its gas.
	DataFee bool
	// Multicall is where Multicall3 lies. It is used when code is there.
	Multicall common.Address
	// NoBloom is set where the bloom filter in a header may not cover every log of the block, and so for chains of which nobody
	// knows that it does. Elsewhere blocks without anything of interest are passed over, and what nodes say is held against it.
	NoBloom bool
}

// multicall3 has the same address on every chain that it was brought to by its signed deployment.
var multicall3 = common.HexToAddress("0xcA11bde05977b3631167028862bE2a173976CA11")

const tipMin = 1_000_000 // 0.001 gwei, what a node of go-ethereum mines by default

// Known are the chains that need no description. Logs of state syncs on Polygon are in no bloom filter.
func Known() []Network {
	return []Network{
		{ID: 1, Name: "Ethereum", Symbol: "ETH", BlockTime: 12 * time.Second, Depth: 64, TipMin: tipMin, Multicall: multicall3},
		{ID: 10, Name: "Optimism", Symbol: "ETH", BlockTime: 2 * time.Second, Depth: 30, TipMin: tipMin, DataFee: true, Multicall: multicall3},
		{ID: 56, Name: "BNB Smart Chain", Symbol: "BNB", BlockTime: 750 * time.Millisecond, Depth: 15, TipMin: 50_000_000, Multicall: multicall3},
		{ID: 100, Name: "Gnosis", Symbol: "xDAI", BlockTime: 5 * time.Second, Depth: 32, TipMin: tipMin, Multicall: multicall3},
		{ID: 137, Name: "Polygon", Symbol: "POL", BlockTime: 2 * time.Second, Depth: 128, TipMin: 25_000_000_000, Multicall: multicall3, NoBloom: true},
		{ID: 8453, Name: "Base", Symbol: "ETH", BlockTime: 2 * time.Second, Depth: 30, TipMin: tipMin, DataFee: true, Multicall: multicall3},
		{ID: 42161, Name: "Arbitrum One", Symbol: "ETH", BlockTime: 250 * time.Millisecond, Depth: 40, TipMin: 0, DataFee: true, Multicall: multicall3},
	}
}

// networkOf completes what the owner said of a chain with what is known of it.
func networkOf(id uint64, said Network) Network {
	n := Network{ID: id, Name: "this chain", Symbol: "ETH", BlockTime: 12 * time.Second, Depth: 64, TipMin: tipMin, Multicall: multicall3, NoBloom: true}
	for _, known := range Known() {
		if known.ID == id {
			n = known
		}
	}
	if said.Name != "" {
		n.Name = said.Name
	}
	if said.Symbol != "" {
		n.Symbol = said.Symbol
	}
	if said.BlockTime > 0 {
		n.BlockTime = said.BlockTime
	}
	if said.Depth > 0 {
		n.Depth = said.Depth
	}
	if said.TipMin > 0 {
		n.TipMin = said.TipMin
	}
	if said.Multicall != (common.Address{}) {
		n.Multicall = said.Multicall
	}
	n.DataFee, n.NoBloom = n.DataFee || said.DataFee, n.NoBloom || said.NoBloom
	return n
}
