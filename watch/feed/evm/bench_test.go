package evm

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/plan"
)

// BenchmarkBlock takes blocks of 300 logs over 10,000 watched contracts: what is heard, counted and told of each. Reading the state
// is not in it; that is bounded by questionsMax a block, whatever is watched.
func BenchmarkBlock(b *testing.B) {
	p := &plan.Plan{Portfolio: plan.Portfolio{BaseCurrency: "USD"}, Dependencies: []plan.Dependency{{Name: "Ethereum", Kind: "chain", Chain: &plan.Chain{ID: 1}}}}
	for i := range 10_000 {
		p.Dependencies = append(p.Dependencies, plan.Dependency{Name: fmt.Sprint("c", i), Contract: &plan.Contract{Adapter: "proxy", Chain: "Ethereum", Address: numbered(i).Hex()}})
	}
	s := New(Config{Name: "Ethereum", Feeds: p.ChainSeries("Ethereum"), Watched: Of(p, "Ethereum"), Clock: still{}})
	// Of the logs most are transfers of tokens that nobody watches; some are of watched contracts and say nothing, and one says something.
	var logs []types.Log
	for i := range 299 {
		of := common.Address{0xff, byte(i)}
		if i%10 == 0 {
			of = numbered(i)
		}
		logs = append(logs, logged(b, of, transferEvent, stranger, stranger, big.NewInt(1)))
	}
	logs = append(logs, logged(b, numbered(77), "RoleGranted(bytes32 indexed role, address indexed account, address indexed sender)", [32]byte{}, stranger, stranger))
	var readings []lifeboat.Reading
	var block chain.Block
	b.ReportAllocs()
	for b.Loop() {
		block.Number++
		binary.BigEndian.PutUint64(block.Hash[:], block.Number)
		block.Time = noon.Add(time.Duration(block.Number) * time.Second)
		_ = s.step(chain.Step{Block: block, Logs: logs})
		readings = s.tell(readings[:0], block, s.branch)
	}
}

func numbered(i int) (a common.Address) {
	binary.BigEndian.PutUint64(a[4:], uint64(i+1))
	return a
}
