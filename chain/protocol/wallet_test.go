package protocol

import (
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain/contract"
)

func TestPurse(t *testing.T) {
	w, owner, cold := newWorld(t), at("owner"), at("cold")
	usdc, mkr := w.token("USDC", 6), w.token("MKR", 18)
	w.answers[key(contract.ERC20.Symbol.Query(mkr))] = common.RightPadBytes([]byte("MKR"), 32)
	w.native(owner, amount(2, 18))
	w.holds(usdc, owner, amount(500, 6))
	w.holds(usdc, cold, amount(1, 6))
	w.holds(mkr, owner, new(big.Int))
	purse := NewPurse("wallet", "ETH", usdc, mkr)
	positions, err := purse.Positions(t.Context(), w, nil, owner)
	if err != nil || len(positions) != 2 || positions[0].Token.Symbol != "ETH" || positions[1].Token != (Token{usdc, "USDC", 6}) || positions[1].Amount.Int64() != 500e6 {
		t.Fatal(positions, err)
	}
	spender, other := at("spender"), at("other")
	w.allows(usdc, owner, spender, highest)
	w.allows(mkr, owner, spender, new(big.Int))
	w.allows(usdc, owner, other, new(big.Int))
	w.allows(mkr, owner, other, one)
	plan, err := purse.Exit(t.Context(), w, nil, owner, Ask{Do: Revoke, Spenders: []common.Address{spender, other}}, Ask{Do: Transfer, Token: usdc, To: cold}, Ask{Do: Transfer, Amount: amount(1.5, 18), To: cold})
	if err != nil {
		t.Fatal(err)
	}
	want := "take back what " + spender.String() + " may take of USDC\ntake back what " + other.String() + " may take of MKR\nsend 500 USDC to " + cold.String() + "\nsend 1.5 ETH to " + cold.String() +
		"\nmust:\n" + spender.String() + " may take no USDC\n" + other.String() + " may take no MKR\n" + cold.String() + " has at least 501 USDC\n" + cold.String() + " has at least 1.5 ETH\nnotes:"
	if got := words(plan); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if plan.Calls[3].Value.Cmp(amount(1.5, 18)) != 0 || plan.Calls[3].Data != nil || plan.Block.Number != 100 {
		t.Errorf("%+v", plan.Calls[3])
	}
	for err, ask := range map[string]Ask{
		"is asked for and there is": {Do: Transfer, Amount: amount(3, 18), To: cold},
		"is nobody to send to":      {Do: Transfer},
		"name the tokens":           {Do: Revoke},
		"it cannot repay":           {Do: Repay},
	} {
		if _, got := purse.Exit(t.Context(), w, nil, owner, ask); got == nil || !strings.Contains(got.Error(), err) {
			t.Errorf("%v, want %s", got, err)
		}
	}
	w.allows(usdc, owner, spender, new(big.Int))
	w.allows(mkr, owner, other, new(big.Int))
	if _, err := purse.Exit(t.Context(), w, nil, owner, Ask{Do: Revoke, Spenders: []common.Address{spender}}); !errors.Is(err, ErrNothingToDo) {
		t.Error(err)
	}
	w.says(Permit2, contract.Permit2.Allowance, []any{owner, usdc, spender}, one, one, one)
	plan, err = purse.Exit(t.Context(), w, nil, owner, Ask{Do: Revoke, Spenders: []common.Address{spender}})
	if err != nil || words(plan) != "take back 1 allowance given by way of Permit2\nmust:\n"+spender.String()+" may take no USDC by way of Permit2\nnotes:" {
		t.Error(words(plan), err)
	}
	data := plan.Calls[0].Data
	if hex.EncodeToString(data[:4]) != "cc53287f" || len(data) != 4+4*32 || common.BytesToAddress(data[4+2*32:4+3*32]) != usdc || common.BytesToAddress(data[4+3*32:]) != spender {
		t.Errorf("%x", data)
	}
}

func TestTokensThatAreHardToBelieve(t *testing.T) {
	w := newWorld(t)
	huge := w.token("HUGE", 255)
	if _, err := NewPurse("wallet", "ETH", huge).Positions(t.Context(), w, nil, at("owner")); err == nil || !strings.Contains(err.Error(), "255 decimals") {
		t.Error(err)
	}
	if _, err := NewPurse("wallet", "ETH", at("nothing")).Positions(t.Context(), w, nil, at("owner")); err == nil {
		t.Error("a token without decimals")
	}
}
