package protocol

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
)

func TestDiscoverAsksTogether(t *testing.T) {
	a := newAaveWorld(t)
	a.native(a.owner, amount(3, 18))
	a.lay()
	purse := NewPurse("wallet", "ETH", a.usdc, a.weth)
	a.holds(a.usdc, a.owner, amount(7, 6))
	market, err := Open("aave-v3", Setup{Name: "Aave", Address: a.pool, Assets: []common.Address{a.weth, a.usdc, at("UNI"), {}}})
	if err != nil {
		t.Fatal(err)
	}
	vault, err := Open("erc-4626", Setup{Name: "gone", Address: at("gone")})
	if err != nil {
		t.Fatal(err)
	}
	found, block, failed, err := Discover(t.Context(), a, nil, []common.Address{a.owner}, purse, market, vault)
	if err != nil || block.Number != 100 || len(found[a.owner]) != 4 {
		t.Fatal(found, block, err)
	}
	if len(failed) != 1 || !errors.Is(failed["gone"], chain.ErrReverted) {
		t.Error(failed)
	}
	// Aave takes four looks, and the others take theirs within them.
	if a.reads != 4 {
		t.Errorf("it took %d reads", a.reads)
	}
	if _, err := Open("governor", Setup{Name: "DAO"}); err == nil || !strings.Contains(err.Error(), "DAO is governor, and positions are known in [aave-v3 compound-v3") {
		t.Error(err)
	}
	for kind := range adapters {
		adapter, err := Open(kind, Setup{Name: kind})
		if err != nil || adapter.Name() != kind {
			t.Error(kind, err)
		}
		if _, ok := adapter.(Measurer); !ok {
			t.Errorf("%s measures nothing", kind)
		}
		if _, ok := adapter.(Exiter); !ok {
			t.Errorf("%s has no way out", kind)
		}
	}
}

type failing struct{ *world }

func (failing) Read(context.Context, *chain.Block, []chain.Query) ([]chain.Answer, chain.Block, error) {
	return nil, chain.Block{}, chain.ErrDisagree
}

func TestDiscoverTellsOfFailures(t *testing.T) {
	w := newWorld(t)
	_, _, failed, err := Discover(t.Context(), failing{w}, nil, []common.Address{at("one"), at("two")}, NewPurse("wallet", "ETH"), NewVault("vault", at("vault")))
	if err != nil || len(failed) != 2 || !errors.Is(failed["wallet"], chain.ErrDisagree) || !errors.Is(failed["vault"], chain.ErrDisagree) {
		t.Error(failed, err)
	}
	if found, _, failed, err := Discover(t.Context(), w, nil, nil); err != nil || len(found) != 0 || len(failed) != 0 {
		t.Error(found, failed, err)
	}
}
