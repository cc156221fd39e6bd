package protocol

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat/chain"
	"lifeboat/testbed"
)

// dex is the real Uniswap v3 on a test bed, with pools of two fees around 2000 dollars an ether, and price feeds beside it. The pool of 0.3 %
// has 20,000,000 dollars over the whole range, that of 0.05 % less, and that close to the price.
type dex struct {
	*testbed.UniswapV3
	bed    *testbed.Bed
	t      *testing.T
	reader *chain.Chain
	market *testbed.Aave
	oracle Oracle
}

func newDex(t *testing.T, bed *testbed.Bed) *dex {
	d := &dex{bed: bed, UniswapV3: bed.UniswapV3(), t: t, market: bed.Aave()}
	c, err := chain.New(chain.Config{ID: bed.ChainID.Uint64(), Nodes: []chain.Node{{URL: bed.URL}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	d.reader = c
	whale := bed.Whale()
	d.Add(whale, testbed.LowestTick, testbed.HighestTick, testbed.Units(10_000_000, 6), testbed.Ether(5_000))
	d.Open(500, testbed.Units(20_000, 6), testbed.Ether(10))
	tick := d.tick()
	for _, half := range []int64{50, 200, 1000} {
		d.AddAt(500, whale, (tick-half)/10*10, (tick+half)/10*10, testbed.Units(100_000, 6), testbed.Ether(50))
	}
	d.oracle = NewFeeds("prices", common.Address{},
		Feed{Name: "ETH/USD", Address: d.market.Feeds["WETH"].Address, Token: d.WETH.Address, Heartbeat: time.Hour},
		Feed{Name: "USDC/USD", Address: d.market.Feeds["USDC"].Address, Token: d.USDC.Address, Heartbeat: time.Hour})
	return d
}

func (d *dex) tick() int64 {
	return d.bed.Ask(d.Pool, "slot0")[1].(*big.Int).Int64()
}

func (d *dex) adapter(router common.Address) *UniswapV3 {
	return NewUniswapV3("Uniswap", router, d.Positions.Address, d.oracle)
}

func (d *dex) sale(from, into testbed.Token, slippage string) (*rangeSale, error) {
	return d.adapter(d.Router.Address).sale(d.t.Context(), d.reader, nil, d.bed.Whale().Address, d.bed.Whale().Address,
		SaleOrder{From: from.Address, Into: into.Address, Slippage: decimal.RequireFromString(slippage), Within: time.Hour})
}

// quoted is what the exchange's own quoter says that a pool pays.
func (d *dex) quoted(quoter testbed.Contract, fee int64, from, into common.Address, amount *big.Int) (*big.Int, error) {
	call := quoter.Do("quoteExactInputSingle", struct {
		TokenIn, TokenOut common.Address
		AmountIn, Fee     *big.Int
		SqrtPriceLimitX96 *big.Int
	}{from, into, amount, big.NewInt(fee), new(big.Int)})
	answers, _, err := d.reader.Read(d.t.Context(), nil, []chain.Query{{What: chain.Call, To: call.To, Data: call.Data}})
	if err != nil {
		return nil, err
	}
	if answers[0].Err != nil {
		return nil, answers[0].Err
	}
	return new(big.Int).SetBytes(answers[0].Data[:32]), nil
}

// What we compute that a pool pays is what Uniswap's own quoter says, across many ticks and for parts that are sold one after the other.
func TestSalesAreWhatTheQuoterSays(t *testing.T) {
	d := newDex(t, testbed.Start(t, testbed.Anvil))
	quoter := d.Quoter()
	same := func(what string, sold, got, want *big.Int) {
		t.Helper()
		// The pool rounds each time that it turns a page of its map of ticks, by one base unit of what comes in and of what goes out.
		const pages = 4
		most := new(big.Int).Quo(new(big.Int).Mul(want, big.NewInt(pages)), sold)
		if off := new(big.Int).Sub(got, want); off.CmpAbs(most.Add(most, big.NewInt(pages))) > 0 {
			t.Errorf("%s: %v, and the quoter says %v", what, got, want)
		}
	}
	for _, pair := range []struct {
		from, into testbed.Token
		amounts    []*big.Int
	}{
		{d.WETH, d.USDC, []*big.Int{big.NewInt(1e9), testbed.Units(1, 15), testbed.Ether(1), testbed.Ether(17), testbed.Ether(60), testbed.Ether(149), testbed.Ether(158)}},
		{d.USDC, d.WETH, []*big.Int{big.NewInt(3), testbed.Units(1, 6), testbed.Units(2_000, 6), testbed.Units(90_000, 6), testbed.Units(290_000, 6), testbed.Units(312_345, 6)}},
	} {
		sale, err := d.sale(pair.from, pair.into, "0.5")
		if err != nil {
			t.Fatal(err)
		}
		if len(sale.pools) != 2 {
			t.Fatalf("%d pools are known", len(sale.pools))
		}
		for _, p := range sale.pools {
			for _, n := range pair.amounts {
				want, err := d.quoted(quoter, p.fee, pair.from.Address, pair.into.Address, n)
				if err != nil {
					t.Fatal(err)
				}
				got, _, all := p.sell(n, sale.down)
				if !all {
					t.Errorf("%s does not take %v", p.label(), n)
				}
				same(fmt.Sprintf("%s for %s of %s", p.label(), n, pair.from.Symbol), n, got, want)
				first, then, _ := p.sell(new(big.Int).Quo(n, big.NewInt(3)), sale.down)
				rest, _, _ := then.sell(new(big.Int).Sub(n, new(big.Int).Quo(n, big.NewInt(3))), sale.down)
				same(fmt.Sprintf("%s for %s of %s in two parts", p.label(), n, pair.from.Symbol), n, first.Add(first, rest), want)
			}
		}
	}
}

// A sale goes to the pool that pays most for just this amount, brings at least the oracle's price less the slippage, and leaves no
// allowance, by either router.
func TestSwapOnUniswapV3(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		d, user := newDex(t, bed), bed.Accounts[1]
		quoter, second := d.Quoter(), d.SecondRouter()
		for _, c := range []struct {
			name       string
			router     common.Address
			from, into testbed.Token
			amount     *big.Int
			fee        int64
		}{
			{"a little where the fee is low", d.Router.Address, d.WETH, d.USDC, testbed.Ether(3), 500},
			{"much where the pool is deep", d.Router.Address, d.WETH, d.USDC, testbed.Ether(158), 3000},
			{"back again", d.Router.Address, d.USDC, d.WETH, testbed.Units(5_000, 6), 500},
			{"by the second router", second.Address, d.WETH, d.USDC, testbed.Ether(2), 500},
		} {
			bed.Mint(c.from, user.Address, c.amount)
			bed.Send(user, c.from.Contract, "approve", c.router, testbed.Max()) // by the owner, some day
			want, err := d.quoted(quoter, c.fee, c.from.Address, c.into.Address, c.amount)
			if err != nil {
				t.Fatal(err)
			}
			had := bed.Balance(c.into, user.Address)
			plan, err := d.adapter(c.router).Exit(t.Context(), d.reader, nil, user.Address, Ask{Do: Swap, Token: c.from.Address, Into: c.into.Address, Amount: c.amount, Slippage: decimal.New(5, -2)})
			if err != nil {
				t.Fatal(c.name, err)
			}
			for _, call := range plan.Calls {
				bed.Act(user, testbed.Call{To: call.To, Value: call.Value, Data: call.Data})
			}
			if got := new(big.Int).Sub(bed.Balance(c.into, user.Address), had); got.Cmp(want) != 0 {
				t.Errorf("%s: %v came out, and the pool of %d pays %v", c.name, got, c.fee, want)
			}
			if left := bed.Number(c.from.Contract, "allowance", user.Address, c.router); left.Sign() != 0 {
				t.Errorf("%s: the router may still take %v", c.name, left)
			}
			d.holds(plan)
		}
		// Several sales make one exit, and what all of them bring is promised.
		bed.Mint(d.WETH, user.Address, testbed.Ether(3))
		had := bed.Balance(d.USDC, user.Address)
		sell := func(n int64) Ask {
			return Ask{Do: Swap, Token: d.WETH.Address, Into: d.USDC.Address, Amount: testbed.Ether(n)}
		}
		plan, err := d.adapter(second.Address).Exit(t.Context(), d.reader, nil, user.Address, sell(1), sell(2))
		if err != nil {
			t.Fatal(err)
		}
		if want := (Token{d.USDC.Address, "USDC", 6}).Text(had.Add(had, testbed.Units(3*1980, 6))); !strings.Contains(plan.Must[len(plan.Must)-1].Words, want) {
			t.Errorf("it promises %s, want %s", plan.Must[len(plan.Must)-1].Words, want)
		}
		for _, call := range plan.Calls {
			bed.Act(user, testbed.Call{To: call.To, Value: call.Value, Data: call.Data})
		}
		d.holds(plan)
	})
}

func (d *dex) holds(plan Plan) {
	d.t.Helper()
	queries := make([]chain.Query, len(plan.Must))
	for i, c := range plan.Must {
		queries[i] = c.Query
	}
	answers, _, err := d.reader.Read(d.t.Context(), nil, queries)
	if err != nil {
		d.t.Fatal(err)
	}
	for i, c := range plan.Must {
		if ok, got, err := c.Holds(answers[i]); err != nil || !ok {
			d.t.Errorf("%s: %v, %v", c.Words, got, err)
		}
	}
	if len(plan.Must) < 2 {
		d.t.Errorf("the plan promises %d things", len(plan.Must))
	}
}

// Nothing is sold into a pool that is too thin, or that somebody has moved; and what was planned before he did is not filled at his price.
func TestNothingIsSoldIntoAMovedPool(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		d, user, thief := newDex(t, bed), bed.Accounts[1], bed.Accounts[2]
		bed.Mint(d.WETH, user.Address, testbed.Ether(2_000))
		ask := Ask{Do: Swap, Token: d.WETH.Address, Into: d.USDC.Address, Amount: testbed.Ether(10)}
		refused := func(what string, u *UniswapV3, ask Ask, why string) {
			t.Helper()
			if _, err := u.Exit(t.Context(), d.reader, nil, user.Address, ask); err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("%s: %v", what, err)
			}
		}
		u := d.adapter(d.Router.Address)
		much := ask
		much.Amount = testbed.Ether(1_500)
		refused("pools that are too thin", u, much, "no pool of WETH and USDC takes 1500 WETH near the oracle's price: there is too little liquidity")
		much.Amount = testbed.Ether(150)
		refused("a pool that is too thin", u, much, "pays 29")
		refused("a pool that is too thin", u, much, "and by the oracle's price it has to be at least 297000 USDC")
		much.Amount = testbed.Ether(2_001)
		refused("more than there is", u, much, "2001 WETH is to be sold and there is 2000 WETH")
		refused("no router", d.adapter(common.Address{}), ask, "no router is named")
		refused("no oracle", NewUniswapV3("Uniswap", d.Router.Address, d.Positions.Address, nil), ask, "no oracle is named")
		other := bed.UniswapV3()
		refused("the router of another exchange", d.adapter(other.Router.Address), ask, "belongs to the factory")
		unknown := bed.Token("Other", "OTHER", 18)
		stranger := NewUniswapV3("Uniswap", d.Router.Address, d.Positions.Address, Said{{Token: d.WETH.Address, Dollars: decimal.NewFromInt(2000)}, {Token: unknown.Address, Dollars: decimal.NewFromInt(1)}})
		refused("no such pool", stranger, Ask{Do: Swap, Token: d.WETH.Address, Into: unknown.Address}, "there is no pool of WETH and OTHER")

		plan, err := u.Exit(t.Context(), d.reader, nil, user.Address, ask)
		if err != nil {
			t.Fatal(err)
		}
		// In the block before ours somebody sells into both pools, to buy back behind us.
		d.SwapAt(testbed.FeeV3, thief, d.WETH, d.USDC, testbed.Ether(600))
		d.SwapAt(500, thief, d.WETH, d.USDC, testbed.Ether(155))
		bed.Act(user, testbed.Call{To: plan.Calls[0].To, Data: plan.Calls[0].Data})
		var revert *testbed.Revert
		if _, err := bed.Try(user.Address, testbed.Call{To: plan.Calls[1].To, Data: plan.Calls[1].Data}); !errors.As(err, &revert) || !strings.Contains(revert.Message, "Too little received") {
			t.Errorf("between his two swaps: %v", err)
		}
		refused("a pool that was pushed down", u, ask, "the pool of 0.3% is away from the oracle's price: there 1 WETH is 1602")
		// A pool that pays too much has been moved as well: the least would be far below what it pays, and somebody waits for the difference.
		d.SwapAt(testbed.FeeV3, thief, d.USDC, d.WETH, testbed.Units(2_500_000, 6))
		refused("a pool that was pushed up", u, ask, "is away from the oracle's price: there 1 WETH is 2")
	})
}

// A Safe whose debt nothing at hand can repay is unwound through Uniswap v3, in one transaction.
func TestUnwindThroughUniswapV3(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		d := newDex(t, bed)
		safe, pool, weth, usdc := bed.Safe(bed.Accounts[1:4], 2), d.market.Pool, d.market.WETH, d.market.USDC
		bed.Mint(weth, safe.Address, testbed.Ether(10))
		safe.Batch(
			weth.Do("approve", pool.Address, testbed.Max()),
			pool.Do("supply", weth.Address, testbed.Ether(10), safe.Address, uint16(0)),
			pool.Do("borrow", usdc.Address, testbed.Units(12_000, 6), testbed.VariableRate, uint16(0), safe.Address),
			usdc.Do("transfer", bed.Whale().Address, testbed.Units(12_000, 6)),
		)
		plan, err := NewAave("Aave", pool.Address, d.adapter(d.Router.Address)).Exit(t.Context(), d.reader, nil, safe.Address, Ask{Do: Unwind})
		if err != nil || len(plan.Notes) > 0 {
			t.Fatal(plan.Notes, err)
		}
		var batch []testbed.Call
		for _, c := range plan.Calls {
			batch = append(batch, testbed.Call{To: c.To, Value: c.Value, Data: c.Data})
		}
		receipt := safe.Batch(batch...)
		t.Logf("%d calls, %d gas", len(plan.Calls), receipt.GasUsed)
		d.holds(plan)
		if p := d.market.Position(safe.Address); p.Debt.Sign() != 0 || p.Collateral.Sign() != 0 {
			t.Errorf("%v is owed and %v is left", p.Debt, p.Collateral)
		}
		if got := bed.Balance(weth, safe.Address); got.Cmp(testbed.Units(385, 16)) < 0 {
			t.Errorf("%v wei of WETH came out", got)
		}
	})
}

// A pool that says anything at all neither breaks the arithmetic nor pays more than it has.
func FuzzRangeSale(f *testing.F) {
	f.Add([]byte{1}, []byte{2}, []byte{3}, int64(0), true)
	f.Add([]byte("liquidity"), []byte("some amount"), []byte("net"), int64(-200_000), false)
	f.Fuzz(func(t *testing.T, liquidity, amount, net []byte, tick int64, down bool) {
		if len(liquidity) > 16 || len(amount) > 20 || len(net) > 16 || tick < -tickMax+400 || tick > tickMax-400 {
			return
		}
		p := rangePool{fee: 3000, liquidity: new(big.Int).SetBytes(liquidity)}
		var err error
		if p.root, err = rootAtTick(int(tick)); err != nil {
			t.Fatal(err)
		}
		step := int64(60)
		if down {
			step = -step
		}
		for i := int64(1); i < 6; i++ {
			e := edge{net: new(big.Int).SetBytes(net)}
			if e.root, err = rootAtTick(int(tick + i*step)); err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				e.net.Neg(e.net)
			}
			p.edges = append(p.edges, e)
		}
		n := new(big.Int).SetBytes(amount)
		out, after, all := p.sell(n, down)
		if out.Sign() < 0 || (after.root.Cmp(p.root) > 0) == down && after.root.Cmp(p.root) != 0 {
			t.Fatalf("%v comes out, and the root goes from %v to %v", out, p.root, after.root)
		}
		more, _, _ := p.sell(new(big.Int).Add(n, one), down)
		if all && more.Cmp(out) < 0 {
			t.Fatalf("more of it pays less: %v after %v", more, out)
		}
	})
}

func TestTickAtRoot(t *testing.T) {
	for _, tick := range []int{-tickMax, -200_312, -1, 0, 1, 887_000, tickMax} {
		at, err := rootAtTick(tick)
		if err != nil {
			t.Fatal(err)
		}
		if got := tickAtRoot(at); got != tick {
			t.Errorf("at the root of %d it is %d", tick, got)
		}
		if got := tickAtRoot(new(big.Int).Sub(at, one)); got != max(tick-1, -tickMax) {
			t.Errorf("below the root of %d it is %d", tick, got)
		}
	}
}
