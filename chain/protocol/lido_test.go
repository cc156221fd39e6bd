package protocol

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain/contract"
)

func TestLido(t *testing.T) {
	w, owner, steth, wsteth, queue := newWorld(t), at("owner"), at("stETH"), at("wstETH"), at("queue")
	m := contract.Lido
	w.holds(steth, owner, amount(2500, 18))
	w.holds(wsteth, owner, amount(100, 18))
	w.allows(steth, owner, queue, new(big.Int))
	w.allows(wsteth, owner, queue, new(big.Int))
	w.says(steth, m.PooledByShares, []any{ether}, amount(1.25, 18))
	w.says(steth, m.PooledByShares, []any{amount(100, 18)}, amount(125, 18))
	paused := func(paused, bunker bool) {
		w.says(queue, m.Paused, nil, paused)
		w.says(queue, m.Bunker, nil, bunker)
	}
	paused(false, false)
	w.says(queue, m.LastCheckpoint, nil, big.NewInt(9))
	w.says(queue, m.Requests, []any{owner}, []*big.Int{big.NewInt(8), big.NewInt(7)})
	day := big.NewInt(w.block.Time.Add(-24 * time.Hour).Unix())
	w.says(queue, m.Status, []any{[]*big.Int{big.NewInt(7), big.NewInt(8)}}, lidoStatus{
		{amount(3, 18), one, owner, day, true, false}, {amount(4, 18), one, owner, day, false, false}})
	w.says(queue, m.Hints, []any{[]*big.Int{big.NewInt(7)}, one, big.NewInt(9)}, []*big.Int{big.NewInt(2)})
	l := NewLido("Lido", steth, wsteth, queue)

	positions, err := l.Positions(t.Context(), w, nil, owner)
	if err != nil || len(positions) != 4 || positions[1].Under[0].Amount.Cmp(amount(125, 18)) != 0 || positions[2].Note != "request 7 can be claimed" || !strings.HasPrefix(positions[3].Note, "request 8 has waited since 2027-01-14") {
		t.Fatal(positions, err)
	}
	for i, want := range []float64{0, 0, 3, 0} {
		if got := positions[i].Under[0].Free; got.Cmp(amount(want, 18)) != 0 || positions[i].Accrues != (i < 2) {
			t.Errorf("of %s %s can be had now (accrues: %t)", positions[i].Token.Symbol, got, positions[i].Accrues)
		}
	}
	all, err := l.Measures(t.Context(), w, nil, owner)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "queued", find(t, all, Queued, owner, steth), 4)
	near(t, "wait", find(t, all, QueueAge, owner, steth), 86_400)
	near(t, "claimable", find(t, all, Withdrawable, owner, steth), 3)
	near(t, "wstETH", find(t, all, SharePrice, common.Address{}, steth), 1.25)

	plan, err := l.Exit(t.Context(), w, nil, owner, Ask{Do: Unstake})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := words(plan), `let Lido take up to 2500 stETH
ask the queue for ether for 2500 stETH, in 3 requests
let Lido take up to 100 wstETH
ask the queue for ether for 100 wstETH, in 1 request
must:
`+owner.String()+` has at most 25.00000000000000001 stETH left
`+owner.String()+` has at most 1.00000000000000001 wstETH left
`+owner.String()+` has 6 requests in the queue
notes:`; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	var amounts []*big.Int
	if err := m.Request.Arguments(plan.Calls[1].Data, &amounts); err != nil || len(amounts) != 3 || amounts[2].Cmp(amount(500, 18)) != 0 {
		t.Error(amounts, err)
	}
	plan, err = l.Exit(t.Context(), w, nil, owner, Ask{Do: Claim, To: at("cold")})
	if err != nil || !strings.HasPrefix(words(plan), "claim the ether of 1 request for "+at("cold").String()+"\nmust:\nrequest 7 is claimed\n") {
		t.Error(words(plan), err)
	}
	paused(true, false)
	if _, err := l.Exit(t.Context(), w, nil, owner, Ask{Do: Unstake}); err == nil || !strings.Contains(err.Error(), "the withdrawal queue is paused") {
		t.Error(err)
	}
	paused(false, true)
	if plan, err := l.Exit(t.Context(), w, nil, owner, Ask{Do: Unstake, Token: steth, Amount: amount(1, 18)}); err != nil || !strings.Contains(words(plan), "bunker mode") || len(plan.Calls) != 2 {
		t.Error(words(plan), err)
	}
	plan, err = NewLido("Lido", steth, wsteth, common.Address{}).Exit(t.Context(), w, nil, owner, Ask{Do: Unstake, Amount: amount(10, 18)})
	if err != nil || !strings.HasPrefix(words(plan), "unwrap 10 wstETH\nmust:\n"+owner.String()+" has at least 2512.49999999999999999 stETH") {
		t.Error(words(plan), err)
	}
}

func TestSplit(t *testing.T) {
	most := big.NewInt(1000)
	for _, c := range []struct {
		amount      int64
		pieces, got int
		rest        int64
	}{{0, 9, 0, 0}, {99, 9, 0, 99}, {100, 9, 1, 0}, {1000, 9, 1, 0}, {1050, 9, 1, 50}, {2500, 9, 3, 0}, {2500, 2, 2, 500}} {
		amounts, rest := split(big.NewInt(c.amount), most, c.pieces)
		if len(amounts) != c.got || rest.Int64() != c.rest {
			t.Errorf("%d: %v and %d", c.amount, amounts, rest)
		}
	}
}
