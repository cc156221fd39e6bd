package contract

import (
	"context"
	"encoding/hex"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
)

// groups of methods; TestMethods holds that none is left out.
var groups = []any{ERC20, ERC4626, AavePool, AaveProvider, AaveOracle, AaveData, Aggregator, UniswapV2, UniswapV3, Comet, Lido, Permit2, OPBridge, OPMessenger, OPPortal, OPGames, OPGame, OPToken, ArbRouter, ArbGateway, ArbToken, ArbCore, ArbNode}

func methods(t testing.TB) map[string]*Method {
	all := map[string]*Method{}
	for _, group := range groups {
		v := reflect.ValueOf(group)
		for i := range v.NumField() {
			m, _ := v.Field(i).Interface().(*Method)
			if m == nil {
				t.Fatalf("%s of %T has no signature", v.Type().Field(i).Name, group)
			}
			all[m.signature] = m
		}
	}
	return all
}

func TestEverySignatureParses(t *testing.T) {
	for signature, m := range methods(t) {
		if m.Name() == "" || m.Selector() == [4]byte{} {
			t.Errorf("%s: not parsed", signature)
		}
	}
}

// Selectors as block explorers and the standards' texts show them.
func TestSelectors(t *testing.T) {
	for selector, m := range map[string]*Method{
		"70a08231": ERC20.BalanceOf, "a9059cbb": ERC20.Transfer, "095ea7b3": ERC20.Approve, "dd62ed3e": ERC20.Allowance,
		"69328dec": AavePool.Withdraw, "573ade81": AavePool.Repay, "617ba037": AavePool.Supply, "a415bcad": AavePool.Borrow,
		"bf92857c": AavePool.Account, "ba087652": ERC4626.Redeem, "07a2d13a": ERC4626.ConvertToAssets,
	} {
		if got := m.Selector(); hex.EncodeToString(got[:]) != selector {
			t.Errorf("%s: %x, want %s", m.Name(), got, selector)
		}
	}
}

func TestTuplesAreGivenFlat(t *testing.T) {
	m := New("decreaseLiquidity((uint256,uint128,uint256,uint256,uint256)) (uint256,uint256)")
	data := m.Pack(big.NewInt(7), big.NewInt(8), big.NewInt(9), big.NewInt(10), big.NewInt(11))
	if want := "0c49ccbe"; hex.EncodeToString(data[:4]) != want || len(data) != 4+5*32 {
		t.Fatalf("%x", data)
	}
	var id, liquidity *big.Int
	if err := m.Arguments(data, &id, &liquidity); err != nil || id.Int64() != 7 || liquidity.Int64() != 8 {
		t.Fatal(id, liquidity, err)
	}
}

func TestScan(t *testing.T) {
	word := func(hexDigits string) []byte { return common.LeftPadBytes(common.FromHex(hexDigits), 32) }
	var amount *big.Int
	if err := ERC20.BalanceOf.Scan(word("0x2a"), &amount); err != nil || amount.Int64() != 42 {
		t.Error(amount, err)
	}
	if err := ERC20.BalanceOf.Scan(nil, &amount); !errors.Is(err, ErrNothing) {
		t.Error(err)
	}
	var decimals uint8
	if err := ERC20.Decimals.Scan(word("0x0100"), &decimals); err == nil {
		t.Error("256 is no uint8")
	}
	var flag bool
	if err := ERC20.Transfer.Scan(word("0x02"), &flag); err == nil {
		t.Error("2 is neither true nor false")
	}
	if err := AavePool.Account.Scan(word("0x01"), &amount); err == nil {
		t.Error("one word is not six")
	}
}

type answers []chain.Answer

func (a answers) Head(context.Context) (chain.Block, error) { return chain.Block{Number: 9}, nil }
func (a answers) Read(_ context.Context, at *chain.Block, queries []chain.Query) ([]chain.Answer, chain.Block, error) {
	return a, chain.Block{Number: 9}, nil
}

func TestBatch(t *testing.T) {
	var b Batch
	token := common.HexToAddress("0x1")
	balance, refused, mkr := b.Call(token, ERC20.BalanceOf, token), b.Call(token, ERC20.Decimals), b.Call(token, ERC20.Symbol)
	native := b.Balance(token)
	var amount *big.Int
	if err := balance.Scan(&amount); err == nil || !strings.Contains(err.Error(), "has not been read") {
		t.Error(err)
	}
	said := answers{{Data: common.LeftPadBytes([]byte{5}, 32)}, {Err: chain.ErrReverted}, {Data: common.RightPadBytes([]byte("MKR"), 32)}, {Data: []byte{7}}}
	if _, err := b.Read(t.Context(), said[:3], nil); err == nil {
		t.Error("an answer is missing")
	}
	if block, err := b.Read(t.Context(), said, nil); err != nil || block.Number != 9 {
		t.Fatal(block, err)
	}
	if err := balance.Scan(&amount); err != nil || amount.Int64() != 5 {
		t.Error(amount, err)
	}
	if err := refused.Scan(nil); !errors.Is(err, chain.ErrReverted) || !refused.Refused() {
		t.Error(err)
	}
	if symbol, err := mkr.Text(); err != nil || symbol != "MKR" {
		t.Error(symbol, err)
	}
	if err := native.Scan(&amount); err != nil || amount.Int64() != 7 {
		t.Error(amount, err)
	}
}

func TestTextIsPrintable(t *testing.T) {
	if got := printable("US\x1b[2JDC\u202e" + strings.Repeat("x", 100)); got != "US[2JDC"+strings.Repeat("x", 25) {
		t.Errorf("%q", got)
	}
}

// FuzzScan reads whatever a contract may return by every method there is: nothing a contract says may stop the program.
func FuzzScan(f *testing.F) {
	f.Add([]byte{})
	f.Add(common.LeftPadBytes([]byte{0x20}, 32))
	f.Add(append(common.LeftPadBytes([]byte{0x20}, 32), common.LeftPadBytes(common.FromHex("0xffffffffffffffff"), 32)...))
	f.Add(make([]byte, 320))
	all := methods(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range all {
			_ = m.Scan(data)
			_ = m.Arguments(append(m.shape().selector[:], data...))
		}
		symbol := &Asked{method: ERC20.Symbol, answer: chain.Answer{Data: data}}
		if text, err := symbol.Text(); err == nil && len(text) > 32 {
			t.Fatalf("a text of %d bytes", len(text))
		}
	})
}
