package protocol

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
)

// TestTicketOfArbitrum is the first ticket of Arbitrum Sepolia: the transaction that created it, and its hash, as the chain has them.
func TestTicketOfArbitrum(t *testing.T) {
	raw := common.FromHex("0x69f89f83066eeea0000000000000000000000000000000000000000000000000000000000000000194b8787d8f23e176a5d32135d746b69886e03313be845bd57bd98723e3dbb7b88ab8843b9aca00830186a0943fab184622dc19b6109349b94811493bf2a45362872386f26fc100009411155ca9bbf7be58e27f3309e629c847996b43c88601f6377d4ab89411155ca9bbf7be58e27f3309e629c847996b43c880")
	var s submission
	if err := rlp.DecodeBytes(raw[1:], &s); err != nil {
		t.Fatal(err)
	}
	message := packed(s.To.Big(), s.Value, s.Deposit, s.Cost, s.Refund.Big(), s.Beneficiary.Big(), new(big.Int).SetUint64(s.Gas), s.Bid, big.NewInt(int64(len(s.Data))))
	got, err := readSubmission(append(message, s.Data...))
	if err != nil {
		t.Fatal(err)
	}
	got.Chain, got.Number, got.From, got.BaseFee = s.Chain, s.Number, s.From, s.BaseFee
	if id, err := got.id(); err != nil || id != common.HexToHash("0x13cb79b086a427f3db7ebe6ec2bb90a806a3b0368ecee6020144f352e37dbdf6") {
		t.Errorf("it is %s: %v", id, err)
	}
}

func TestAlias(t *testing.T) {
	for below, want := range map[string]string{
		"0x0000000000000000000000000000000000000000": "0x1111000000000000000000000000000000001111",
		"0xeEEEFffFfFFffFfFfFFFFfFFFfFfFfffFfFFEEF0": "0x0000000000000000000000000000000000000001", // past the greatest address it begins anew
		"0xffffffffffffffffffffffffffffffffffffffff": "0x1111000000000000000000000000000000001110",
	} {
		if got := alias(common.HexToAddress(below)); got != common.HexToAddress(want) {
			t.Errorf("the alias of %s is %s, not %s", below, got, want)
		}
	}
}

func FuzzTicketOfArbitrum(f *testing.F) {
	one, to := big.NewInt(1), big.NewInt(0x1234)
	f.Add(packed(to, one, one, one, to, to, one, one, new(big.Int)))
	f.Add(append(packed(to, one, one, one, to, to, one, one, big.NewInt(3)), 1, 2, 3))
	f.Add(packed(new(big.Int), one, one, one, to, to, one, one, new(big.Int)))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, message []byte) {
		s, err := readSubmission(message)
		if err != nil {
			return
		}
		if len(message) != 9*32+len(s.Data) || !bytes.Equal(s.Data, message[9*32:]) {
			t.Errorf("of %d bytes it reads %d of data", len(message), len(s.Data))
		}
		s.Chain, s.BaseFee = one, one
		if _, err := s.id(); err != nil {
			t.Error(err)
		}
	})
}

// TestEventThatCounts has words that nobody knows beforehand, and no others.
func TestEventThatCounts(t *testing.T) {
	word := func(n byte) common.Hash { return common.Hash{31: n} }
	at, data := common.Address{1}, func(words ...common.Hash) (all []byte) {
		for _, w := range words {
			all = append(all, w[:]...)
		}
		return all
	}
	e := Event{Address: at, Topics: []common.Hash{word(1), word(2), {}}, Data: data(word(4), common.Hash{}, word(6)), Any: []int{2, 4}}
	for name, c := range map[string]struct {
		log  types.Log
		want bool
	}{
		"counted":          {types.Log{Address: at, Topics: []common.Hash{word(1), word(2), word(9)}, Data: data(word(4), word(9), word(6))}, true},
		"another receiver": {types.Log{Address: at, Topics: []common.Hash{word(1), word(3), word(9)}, Data: data(word(4), word(9), word(6))}, false},
		"another amount":   {types.Log{Address: at, Topics: []common.Hash{word(1), word(2), word(9)}, Data: data(word(4), word(9), word(7))}, false},
		"more data":        {types.Log{Address: at, Topics: []common.Hash{word(1), word(2), word(9)}, Data: data(word(4), word(9), word(6), word(6))}, false},
		"a topic less":     {types.Log{Address: at, Topics: []common.Hash{word(1), word(2)}, Data: data(word(9), word(4), word(9), word(6))}, false},
		"somebody else":    {types.Log{Topics: []common.Hash{word(1), word(2), word(9)}, Data: data(word(4), word(9), word(6))}, false},
	} {
		if got := e.In([]types.Log{c.log}); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if f := e.Filter(); len(f.Topics) != 3 || f.Topics[2] != nil || f.Topics[1][0] != word(2) {
		t.Errorf("it is looked for by %v", f.Topics)
	}
}
