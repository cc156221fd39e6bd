package evm

import (
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// Topics as block explorers and the projects' documentation show them.
func TestTopics(t *testing.T) {
	for signature, topic := range map[string]string{
		transferEvent: "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
		approvalEvent: "0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925",
		upgradedEvent: "0xbc7cd75a20ee27fd9adebab32041f755214dbc6bffa90cc0225b39da2e5c2d3b",
		"OwnershipTransferred(address indexed previousOwner, address indexed newOwner)": "0x8be0079c531659141344cd1fd0a4f28419497f9722a3daafe3b4186f6b6457e0",
		"AdminChanged(address previousAdmin, address newAdmin)":                         "0x7e644d79422f17c01e4894b5f4f588d331ebfa28653d42ae832dc59e38c9798f",
		pausedEvent: "0x62e78cea01bee320cd4e420270b5ea74000d11b0c9f74754ebdbfc544b05a258",
		"RoleGranted(bytes32 indexed role, address indexed account, address indexed sender)": "0x2f8788117e7eff1d82e926ec794901d17c78024a50270940304540a733656f0d",
		"EnabledModule(address indexed module)":                                              "0xecdf3a3effea5783a3c4c2140e677577666428d44ed9d474a0b3a4c9943f8440",
		"ExecutionFromModuleSuccess(address indexed module)":                                 "0x6895c13664aa4f67288b25d7a21d7aaa34916e355fb9b6fae0a139a9085becb8",
		"ChangedThreshold(uint256 threshold)":                                                "0x610f7ff2b304ae8903c3de74c60c6ab1f7d6226b3f52c5161905bb5ad4039c93",
		"AddedOwner(address indexed owner)":                                                  "0x9465fa0c962cc76958e6373a993326400c1c94f8be2fe3a952adfa7f60b2ea26",
	} {
		found := false
		for id, e := range catalogue {
			if e.signature == signature {
				found = true
				if id.Hex() != topic {
					t.Errorf("%s: %s", signature, id.Hex())
				}
			}
		}
		if !found {
			t.Errorf("%s is not in the catalogue", signature)
		}
	}
}

// The slots of EIP-1967 are the hashes of their names, less one.
func TestSlots(t *testing.T) {
	for i, name := range []string{"eip1967.proxy.implementation", "eip1967.proxy.beacon", "eip1967.proxy.admin"} {
		want := common.BigToHash(new(big.Int).Sub(crypto.Keccak256Hash([]byte(name)).Big(), big.NewInt(1)))
		if slots[i].slot != want {
			t.Errorf("%s: %s, want %s", name, slots[i].slot, want)
		}
	}
}

// value of a type, for an event that is made up.
func value(t reflect.Type) any {
	switch t {
	case reflect.TypeFor[common.Address]():
		return stranger
	case reflect.TypeFor[*big.Int]():
		return big.NewInt(7)
	case reflect.TypeFor[bool]():
		return true
	case reflect.TypeFor[string]():
		return "text"
	case reflect.TypeFor[[]byte]():
		return common.FromHex("0x3659cfe6")
	}
	if t.Kind() == reflect.Slice {
		return reflect.MakeSlice(t, 0, 0).Interface()
	}
	return reflect.Zero(t).Interface()
}

// Every event is read back as it was written, in whichever way its arguments are indexed, and says a whole sentence.
func TestEveryEventIsReadAndSaid(t *testing.T) {
	name := func(a common.Address) string { return "X" }
	for _, e := range catalogue {
		var arguments []any
		for _, a := range e.Inputs {
			arguments = append(arguments, value(a.Type.GetType()))
		}
		for _, how := range []string{"declared", "data", "topics"} {
			log := types.Log{Topics: []common.Hash{e.ID}}
			var data []any
			inData := e.Inputs[:0:0]
			static := true
			for i, a := range e.Inputs {
				static = static && !strings.ContainsAny(a.Type.String(), "[") && a.Type.String() != "string" && a.Type.String() != "bytes"
				if how == "topics" || how == "declared" && a.Indexed {
					packed, err := e.Inputs[i : i+1].Pack(arguments[i])
					if err != nil {
						t.Fatal(err)
					}
					log.Topics = append(log.Topics, common.BytesToHash(packed))
				} else {
					a.Indexed = false
					inData, data = append(inData, a), append(data, arguments[i])
				}
			}
			if how == "topics" && (!static || len(e.Inputs) > 3) {
				continue // no log can be so
			}
			log.Data, _ = inData.Pack(data...)
			read, understood := e.read(&log)
			if !understood || !reflect.DeepEqual(read, arguments) {
				t.Errorf("%s, all in %s: %v %t", e.signature, how, read, understood)
				continue
			}
			if said := e.say(read, name); strings.ContainsAny(said, "{}") || e.kind != transfer && len(said) < 10 {
				t.Errorf("%s says %q", e.signature, said)
			}
		}
		if e.key > len(e.Inputs) {
			t.Errorf("%s has no argument %d", e.signature, e.key)
		}
	}
}

func TestWhatEndsWhat(t *testing.T) {
	for signature, want := range map[string]bool{
		"Unpaused(address account)": true,
		pausedEvent:                 false,
		"ReservePaused(address indexed asset, bool paused)":                                                           false, // made up with true
		"CallExecuted(bytes32 indexed id, uint256 indexed index, address target, uint256 value, bytes data)":          true,
		"PauseAction(bool supplyPaused, bool transferPaused, bool withdrawPaused, bool absorbPaused, bool buyPaused)": false,
	} {
		for _, e := range catalogue {
			if e.signature != signature {
				continue
			}
			var arguments []any
			for _, a := range e.Inputs {
				arguments = append(arguments, value(a.Type.GetType()))
			}
			if got := e.ends != nil && e.ends(arguments); got != want {
				t.Errorf("%s ends: %t", signature, got)
			}
		}
	}
}

func TestStrangersTextsAreTamed(t *testing.T) {
	name := func(a common.Address) string { return a.Hex() }
	for _, c := range []struct {
		value any
		want  string
	}{
		{"a\x1b[2Jb\nc\u0085d", `"a [2Jb c d"`},
		{strings.Repeat("é", 100), `"` + strings.Repeat("é", shownMax) + `…"`},
		{new(big.Int).Lsh(big.NewInt(1), 255), "unlimited"},
		{big.NewInt(12), "12"},
		{[32]byte(crypto.Keccak256Hash([]byte("MINTER_ROLE"))), "MINTER_ROLE"},
		{[32]byte{}, "DEFAULT_ADMIN_ROLE"},
		{[]byte{1, 2, 3}, "no call"},
		{common.FromHex("0x01020304aa"), "0x01020304…, 5 bytes that are not understood"},
		{common.FromHex("0x8456cb59"), "pause"},
		{[]common.Address{{1}, {2}, {3}, {4}, {5}}, fmt.Sprintf("%s, %s, %s, 2 more", common.Address{1}, common.Address{2}, common.Address{3})},
	} {
		if got := shown(c.value, name); got != c.want {
			t.Errorf("%v: %s, want %s", c.value, got, c.want)
		}
	}
}

// No log can do harm: neither its topics nor its data are believed to be what its event declares.
func FuzzHear(f *testing.F) {
	events := make([]*event, 0, len(catalogue))
	for _, e := range catalogue {
		events = append(events, e)
	}
	slices.SortFunc(events, func(a, b *event) int { return strings.Compare(a.signature, b.signature) })
	p := loaded(f, testPlan)
	for i := range events {
		f.Add(uint8(i), uint8(1), make([]byte, 96))
		f.Add(uint8(i), uint8(3), append(common.LeftPadBytes([]byte{0x20}, 32), common.FromHex("0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff")...))
	}
	f.Fuzz(func(t *testing.T, which, topics uint8, data []byte) {
		s := New(Config{Name: "Ethereum", Feeds: Feeds(p, "Ethereum"), Watched: Of(p, "Ethereum")})
		e := events[int(which)%len(events)]
		log := types.Log{Address: lend, Topics: []common.Hash{e.ID}, Data: data}
		for range topics % 4 {
			log.Topics = append(log.Topics, common.BytesToHash(vault[:]))
		}
		for _, address := range []common.Address{lend, usdc, vault, timelock} {
			log.Address = address
			s.hear(s.block, &log)
		}
		for _, l := range s.levels.all {
			if strings.ContainsFunc(l.why, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("control characters reach a person: %q", l.why)
			}
		}
	})
}
