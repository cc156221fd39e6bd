package chain

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

const aLog = `{"address":"0x1111111111111111111111111111111111111111","topics":["0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"],` +
	`"data":"0x0102","blockNumber":"0x10","transactionHash":"0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","transactionIndex":"0x1",` +
	`"blockHash":"0xbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","logIndex":"0x2","removed":false}`

// FuzzLogs holds the reader of logs against go-ethereum's: what it takes it reads alike, and nothing makes it run over the end.
func FuzzLogs(f *testing.F) {
	for _, seed := range []string{
		"[]", "null", "[" + aLog + "]", "[ " + aLog + " , " + aLog + " ]", `[{"topics":[]}]`, `[{"address":null}]`, `{}`, `[[]]`, `"x"`,
		strings.Replace("["+aLog+"]", `"removed":false`, `"removed":true`, 1),
		strings.Replace("["+aLog+"]", `"data":"0x0102"`, `"data":"0x","more":{"a":["\"]}",{}],"b":1e5}`, 1),
		strings.Replace("["+aLog+"]", "0x10", "0xffffffffffffffffff", 1),
		strings.Replace("["+aLog+"]", `"address"`, `"addr\u0065ss"`, 1),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := sifted{sieve: newSieve(Filter{})}
		direct := sifted{sieve: newSieve(Filter{})}
		direct.UnmarshalJSON(data) // even where it is no JSON
		if json.Unmarshal(data, &got) != nil {
			return
		}
		var want []types.Log
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("taken, but go-ethereum says %v", err)
		}
		if len(want) != len(got.logs) {
			t.Fatalf("%d logs, not %d", len(got.logs), len(want))
		}
		for i := range want {
			want[i].BlockTimestamp = 0
			if len(want[i].Data) == 0 && len(got.logs[i].Data) == 0 {
				want[i].Data, got.logs[i].Data = nil, nil
			}
			if !reflect.DeepEqual(want[i], got.logs[i]) {
				t.Fatalf("log %d:\n%+v\nwant\n%+v", i, got.logs[i], want[i])
			}
		}
	})
}

func TestLogsThatAreOfTheRightForm(t *testing.T) {
	s := sifted{sieve: newSieve(Filter{Addresses: []common.Address{common.HexToAddress("0x1111111111111111111111111111111111111111")}})}
	if err := json.Unmarshal([]byte("["+aLog+","+strings.ReplaceAll(aLog, "1111", "2222")+"]"), &s); err != nil || len(s.logs) != 1 || s.seen != 2 {
		t.Fatalf("%v, %d of %d", err, len(s.logs), s.seen)
	}
	if l := s.logs[0]; l.BlockNumber != 16 || l.Index != 2 || l.TxIndex != 1 || len(l.Data) != 2 || len(l.Topics) != 1 {
		t.Errorf("%+v", l)
	}
}

// TestARejectedLogCostsNothing is what lets ten thousand addresses be watched in busy blocks.
func TestARejectedLogCostsNothing(t *testing.T) {
	s := sifted{sieve: newSieve(Filter{Addresses: []common.Address{{1}}, Topics: [][]common.Hash{{{2}}}})}
	cost := func(logs int) float64 {
		data := []byte("[" + strings.Repeat(aLog+",", logs-1) + aLog + "]")
		return testing.AllocsPerRun(20, func() {
			if err := s.UnmarshalJSON(data); err != nil || s.seen != logs {
				t.Fatal(err)
			}
		})
	}
	if one, many := cost(1), cost(1000); many > one {
		t.Errorf("%v allocations for a thousand logs that are not kept, %v for one", many, one)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte(`{"number":"0x1","hash":"0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","parentHash":"0xbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","timestamp":"0x6"}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`{"number":"0xffffffffffffffffff"}`))
	f.Add([]byte(`{"timestamp":"0xffffffffffffffff","number":"0x1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var h *header
		if json.Unmarshal(data, &h) == nil && h != nil && (h.Time.Unix() < 0 || h.Time.Year() > 1<<20) {
			t.Errorf("a block of the time %s", h.Time)
		}
	})
}

func FuzzCheckpoint(f *testing.F) {
	f.Add([]byte(`{"blocks":[{"number":5,"hash":"0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},{"number":6,"hash":"0x0000000000000000000000000000000000000000000000000000000000000000"}]}`))
	f.Add([]byte(`{"blocks":null}`))
	f.Add([]byte(`{"blocks":[{"number":18446744073709551615}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p, again Checkpoint
		if json.Unmarshal(data, &p) != nil {
			return
		}
		text, err := json.Marshal(p)
		if err == nil {
			err = json.Unmarshal(text, &again)
		}
		if err != nil || len(again.Blocks) != len(p.Blocks) {
			t.Fatalf("%v: %s", err, text)
		}
		for i := range p.Blocks {
			if p.Blocks[i] != again.Blocks[i] {
				t.Fatalf("%v is not %v", again.Blocks[i], p.Blocks[i])
			}
		}
	})
}

// FuzzRevert reads whatever a contract gives for a reason: one short line comes of it.
func FuzzRevert(f *testing.F) {
	f.Add([]byte{})
	f.Add(common.FromHex("0x08c379a000000000000000000000000000000000000000000000000000000000000000200000000000000000000000000000000000000000000000000000000000000005475330323600000000000000000000000000000000000000000000000000000000"))
	f.Add(append(common.FromHex("0x08c379a0"), make([]byte, 64)...)) // says nothing
	f.Add(common.FromHex("0x4e487b710000000000000000000000000000000000000000000000000000000000000011"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if said := Revert(data); said == "" || len([]rune(said)) > messageMax+80 || strings.ContainsAny(said, "\n\r") {
			t.Errorf("%q", said)
		}
	})
}

// FuzzMulticall reads what a contract at the address of Multicall3 may return.
func FuzzMulticall(f *testing.F) {
	packed, err := aggregate3.Outputs.Pack([]struct {
		Success    bool
		ReturnData []byte
	}{{true, []byte{1, 2}}, {false, nil}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		answers := make([]Answer, 2)
		silent, err := unpackMulticall(data, []int{0, 1}, answers)
		if err != nil && !errors.Is(err, errMulticall) {
			t.Errorf("%v", err)
		}
		for _, i := range silent {
			if err != nil || !errors.Is(answers[i].Err, ErrReverted) {
				t.Errorf("%d: %+v", i, answers[i])
			}
		}
	})
}

// TestWhatNodesSay classifies real answers of nodes and providers.
func TestWhatNodesSay(t *testing.T) {
	for _, test := range []struct {
		status, code int
		message      string
		want         class
	}{
		{200, -32005, "query returned more than 10000 results", tooMuch},
		{200, -32602, "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the response size", tooMuch},
		{200, -32000, "exceed maximum block range: 50000", tooMuch},
		{200, -32614, "eth_getLogs is limited to a 10,000 range", tooMuch},
		{200, -32005, "daily request count exceeded, request rate limited", throttled},
		{200, 429, "Your app has exceeded its compute units per second capacity", throttled},
		{429, 0, "Too Many Requests", throttled},
		{200, -32601, "the method eth_simulateV1 does not exist/is not available", unsupported},
		{200, -32602, "too many arguments, want at most 2", unsupported},
		{200, -32602, "invalid argument 1: json: cannot unmarshal object into Go value of type string", unsupported},
		{200, -32000, "header not found", behind},
		{200, -32001, "unknown block", behind},
		{200, -32000, "missing trie node 3f2a (path ) state 0x12 is not available", pruned},
		{200, 4444, "pruned history unavailable", pruned},
		{200, 3, "execution reverted: GS026", reverted},
		{200, -32015, "VM execution error.", reverted},
		{200, -32000, "insufficient funds for gas * price + value", refused},
		{200, -32000, "nonce too low", refused},
		{502, 0, "Bad Gateway", broken},
		{401, 0, "Unauthorized", broken},
	} {
		if got := classOfAnswer(test.status, test.code, test.message); got != test.want {
			t.Errorf("%q is of class %d, not %d", test.message, got, test.want)
		}
	}
}
