package chain

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

const aWaiting = `{"blockHash":null,"blockNumber":null,"from":"0x1111111111111111111111111111111111111111","gas":"0x5208","gasPrice":"0x77359400",` +
	`"hash":"0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","input":"0x","nonce":"0x7",` +
	`"to":"0x2222222222222222222222222222222222222222","transactionIndex":null,"value":"0x0","type":"0x2"}`

// FuzzNotice holds what is read of a waiting transaction against what the text says by go-ethereum's own readers of each part: nothing
// is taken that lacks a part, nothing that is mined for something that waits, and nothing of one notice is left in the next.
func FuzzNotice(f *testing.F) {
	for _, seed := range []string{
		aWaiting, `"0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`, `"0xaa"`, `""`, `null`, `{}`, `[]`, `7`,
		strings.Replace(aWaiting, `"blockHash":null`, `"blockHash":"0xbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"`, 1),
		strings.Replace(aWaiting, `"to":"0x2222222222222222222222222222222222222222"`, `"to":null`, 1),
		strings.Replace(aWaiting, `"nonce":"0x7",`, ``, 1),
		strings.Replace(aWaiting, `"input":"0x",`, ``, 1),
		strings.Replace(aWaiting, `"input":"0x"`, `"input":"0x6a761202ff"`, 1),
		strings.Replace(aWaiting, `"input":"0x"`, `"input":"0x6a7612"`, 1),
		strings.Replace(aWaiting, `"input":"0x"`, `"input":"6a761202"`, 1),
		strings.Replace(aWaiting, `"input":"0x"`, `"input":"0x6a761202f"`, 1),
		strings.Replace(aWaiting, `"input":"0x"`, `"input":"0x6a761202fg"`, 1),
		strings.Replace(aWaiting, `"input":"0x"`, `"input":"0x6A761202`+strings.Repeat("fE", 2*inputPiece)+`"`, 1),
		strings.Replace(aWaiting, `"0x7"`, `"0xffffffffffffffff"`, 1),
		strings.Replace(aWaiting, `"0x7"`, `"0x10000000000000000"`, 1),
		strings.Replace(aWaiting, `"from":"0x11`, `"from":"0x`, 1),
		` ` + aWaiting,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := notice{Waiting: Waiting{Hash: common.Hash{1}, From: common.Address{2}, To: common.Address{3}, Nonce: 4}, whole: true, mined: true}
		if err := got.UnmarshalJSON(data); err != nil {
			return
		}
		if !got.whole {
			var hash common.Hash
			if json.Unmarshal(data, &hash) != nil || got != (notice{Waiting: Waiting{Hash: hash}}) {
				t.Fatalf("%+v is not the hash alone", got)
			}
			return
		}
		var said struct {
			Hash, BlockHash *common.Hash
			From, To        *common.Address
			Nonce           *hexutil.Uint64
			Input           *string
		}
		if err := json.Unmarshal(data, &said); err != nil || said.Hash == nil || said.From == nil || said.Nonce == nil || said.Input == nil {
			t.Fatalf("taken, and it lacks a part: %v", err)
		}
		want := notice{Waiting: Waiting{Hash: *said.Hash, From: *said.From, Nonce: uint64(*said.Nonce)}, whole: true, mined: said.BlockHash != nil && *said.BlockHash != (common.Hash{})}
		if said.To != nil {
			want.To = *said.To
		}
		if len(*said.Input) >= len("0x12345678") {
			selector, err := hexutil.Decode((*said.Input)[:len("0x12345678")])
			if err != nil || copy(want.Asks[:], selector) != len(want.Asks) {
				t.Fatalf("taken, and it asks for %q: %v", *said.Input, err)
			}
		}
		calldata, err := hexutil.Decode(*said.Input)
		if err != nil {
			t.Fatalf("taken, and its calldata is %q: %v", *said.Input, err)
		}
		if len(calldata) > 0 {
			want.Input = crypto.Keccak256Hash(calldata)
		}
		if got != want {
			t.Fatalf("%+v, want %+v", got, want)
		}
	})
}
