package protocol

import (
	"math/big"
	"strings"
	"testing"

	"lifeboat/chain/contract"
)

func TestVault(t *testing.T) {
	w, owner := newWorld(t), at("owner")
	vault, dai := w.token("sDAI", 18), w.token("DAI", 18)
	w.says(vault, contract.ERC4626.Asset, nil, dai)
	w.says(vault, contract.ERC4626.TotalAssets, nil, amount(1e6, 18))
	w.holds(vault, owner, amount(100, 18))
	w.holds(dai, owner, amount(5, 18))
	w.says(vault, contract.ERC4626.ConvertToAssets, []any{amount(1, 18)}, amount(1.1, 18))
	w.says(vault, contract.ERC4626.ConvertToAssets, []any{amount(100, 18)}, amount(110, 18))
	most := func(shares, assets float64) {
		w.says(vault, contract.ERC4626.MaxRedeem, []any{owner}, amount(shares, 18))
		w.says(vault, contract.ERC4626.MaxWithdraw, []any{owner}, amount(assets, 18))
	}
	most(40, 44)
	v := NewVault("Savings", vault)
	positions, err := v.Positions(t.Context(), w, nil, owner)
	if err != nil || len(positions) != 1 || positions[0].Under[0].Token.Symbol != "DAI" || positions[0].Under[0].Amount.Cmp(amount(110, 18)) != 0 || positions[0].Under[0].Free.Cmp(amount(44, 18)) != 0 || !positions[0].Accrues {
		t.Fatal(positions, err)
	}
	all, err := v.Measures(t.Context(), w, nil, owner)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "cover", find(t, all, Cover, owner, vault), 0.4)
	near(t, "withdrawable", find(t, all, Withdrawable, owner, vault), 44)

	for name, c := range map[string]struct {
		shares, assets float64
		ask            Ask
		want           string
	}{
		"all of it":      {100, 110, Ask{Do: Withdraw}, "give 100 sDAI back for about 110 DAI\nmust:\n" + owner.String() + " has at most 1 sDAI left\n" + owner.String() + " has at least 113.9 DAI\nnotes:"},
		"what there is":  {40, 44, Ask{Do: Unstake}, "give 40 sDAI back for about 44 DAI\nmust:\n" + owner.String() + " has at most 60.4 sDAI left\n" + owner.String() + " has at least 48.56 DAI\nnotes:\nThe vault gives back 40 sDAI of 100 sDAI now; the rest has to wait."},
		"an amount":      {100, 110, Ask{Do: Withdraw, Amount: amount(20, 18)}, "withdraw 20 DAI\nmust:\n" + owner.String() + " has at least 25 DAI\nnotes:"},
		"too much":       {40, 44, Ask{Do: Withdraw, Amount: amount(50, 18)}, "withdraw 44 DAI\nmust:\n" + owner.String() + " has at least 49 DAI\nnotes:\nThe vault pays out 44 DAI of the 50 DAI asked for."},
		"nothing at all": {0, 0, Ask{Do: Withdraw}, "the vault gives nothing back now"},
		"another token":  {100, 110, Ask{Do: Withdraw, Token: at("USDC")}, "the vault keeps DAI"},
		"another deed":   {100, 110, Ask{Do: Repay}, "it cannot repay"},
	} {
		most(c.shares, c.assets)
		plan, err := v.Exit(t.Context(), w, nil, owner, c.ask)
		if got := words(plan); got != c.want && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v\n%s\nwant:\n%s", name, err, got, c.want)
		}
	}
	w.holds(vault, owner, new(big.Int))
	w.says(vault, contract.ERC4626.ConvertToAssets, []any{new(big.Int)}, new(big.Int))
	if _, err := v.Exit(t.Context(), w, nil, owner, Ask{Do: Withdraw}); err == nil {
		t.Error("nothing is there to withdraw")
	}
}
