package exit_test

import (
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/exit"
	"lifeboat/chain/protocol"
	"lifeboat/plan"
	"lifeboat/testbed"
)

// A way is one exit of a playbook, from a protocol in which the Safe has something.
type way struct {
	name  string
	order plan.ExitOrder
	// spoil has happen what must keep the exit from being signed, and mend undoes it; refused is what is said meanwhile. Where nothing
	// can spoil it, there is nothing to get out until mend was called.
	spoil, mend func()
	refused     string
	reads       string // in the words that signers read back from the bytes
	// stranger gives the Safe a little of what is to leave, while its owners sign; nil where nobody can.
	stranger func()
	out      func(t *testing.T)
}

// quay is a Safe with something in every protocol that has a way out, all on one bed: Aave, Uniswap v2 and v3, Permit2 and a vault of
// OpenZeppelin's are the real contracts; Compound v3 and Lido are the bed's stand-ins, because their code is on no registry.
type quay struct {
	*market
	worker *exit.Worker
	user   testbed.Account
	seq    int
}

func newQuay(t *testing.T, bed *testbed.Bed) *quay {
	q := &quay{market: newMarket(t, bed), user: bed.Accounts[7]}
	q.worker = q.market.worker()
	q.worker.Oracle = func(string) protocol.Oracle {
		return protocol.NewFeeds("prices", common.Address{},
			protocol.Feed{Name: "ETH/USD", Address: q.aave.Feeds["WETH"].Address, Token: q.aave.WETH.Address, Heartbeat: 24 * time.Hour},
			protocol.Feed{Name: "USDC/USD", Address: q.aave.Feeds["USDC"].Address, Token: q.aave.USDC.Address, Heartbeat: 24 * time.Hour})
	}
	return q
}

// leaving is what every order has in common.
func (q *quay) leaving(name string, c plan.Contract, do ...string) plan.ExitOrder {
	o := q.ordered("owners")
	c.Chain = "ethereum"
	o.Protocol, o.Contract, o.Do = name, &c, do
	return o
}

func (q *quay) ways() []way {
	return append([]way{q.vault(), q.permit2(), q.comet(), q.request(), q.claim()}, q.pools()...) // the last spends what others repay with
}

// pools are the ways that go through Uniswap. Whoever sells so much into a pool spoils it, and buying it back mends that.
func (q *quay) pools() []way {
	bed, s, user, weth, usdc := q.Bed, q.safe, q.user, q.aave.WETH, q.aave.USDC
	v2 := bed.UniswapV2()
	v2.Add(user, testbed.Units(20_000, 6), testbed.Ether(10))
	bed.Send(user, v2.Pair, "transfer", s.Address, bed.Number(v2.Pair, "balanceOf", user.Address))
	v3 := bed.UniswapV3()
	v3.Add(bed.Whale(), testbed.LowestTick, testbed.HighestTick, testbed.Units(20_000_000, 6), testbed.Ether(10_000))
	position := v3.Add(user, testbed.LowestTick, testbed.HighestTick, testbed.Units(20_000, 6), testbed.Ether(10))
	bed.Send(user, v3.Positions, "transferFrom", user.Address, s.Address, position)
	bed.Mint(weth, s.Address, testbed.Ether(3))

	second := plan.Contract{Adapter: "uniswap-v2", Address: v2.Pair.Address.Hex(), Addresses: map[string]string{"router": v2.Router.Address.Hex()}}
	third := plan.Contract{Adapter: "uniswap-v3", Chain: "ethereum", Address: v3.Positions.Address.Hex(), Addresses: map[string]string{"router": v3.Router.Address.Hex()}}
	through := func(o plan.ExitOrder) plan.ExitOrder {
		o.Through, o.Exchange = "Uniswap v3", &third
		return o
	}
	swap := q.ordered("owners")
	swap.Protocol, swap.Contract, swap.Do, swap.Assets, swap.Into, swap.Amount = "", nil, []string{"swap", "transfer"}, []string{"WETH"}, "USDC", decimal.NewFromInt(2)
	cold := bed.Accounts[8].Address // another account of the plan, to which it is paid out at once
	swap.To, swap.Receiver = "cold", cold.Hex()
	swap.Own[cold.Hex()] = "cold"
	unwind := through(q.ordered("owners"))
	unwind.Do = []string{"unwind"}

	// What comes out of a push goes back in, with what the fees of both took.
	push2, back2 := pusher(bed, v2.Swap, weth, usdc, testbed.Ether(5))
	push3, back3 := pusher(bed, v3.Swap, weth, usdc, testbed.Ether(500))
	broke := func() { // so that there is nothing to repay with but what is sold
		s.Exec(usdc.Do("transfer", bed.Whale().Address, bed.Balance(usdc, s.Address)), testbed.OperationCall)
		push3()
	}
	return []way{
		{name: "liquidity of Uniswap v2", order: q.leaving("Uniswap v2", second, "remove-liquidity"), spoil: push2, mend: back2, refused: "the pool is away from the oracle's price",
			reads: "of the pool's share back for at least", stranger: func() {
				v2.Add(user, testbed.Units(2, 6), testbed.Ether(1))
				bed.Send(user, v2.Pair, "transfer", s.Address, big.NewInt(1))
			}, out: func(t *testing.T) {
				if left := bed.Number(v2.Pair, "balanceOf", s.Address); left.Cmp(big.NewInt(1)) != 0 {
					t.Errorf("%v of the share are left", left)
				}
			}},
		{name: "a position of Uniswap v3", order: q.leaving("Uniswap v3", third, "remove-liquidity"), spoil: push3, mend: back3, refused: "the pool is away from the oracle's price",
			reads: "collect what the position", stranger: func() { v3.Increase(user, position, testbed.Units(1, 6), testbed.Ether(1)) }, out: func(t *testing.T) {
				if got := bed.Balance(usdc, s.Address); got.Cmp(testbed.Units(19_000, 6)) < 0 {
					t.Errorf("%v came out", got)
				}
			}},
		{name: "a swap through Uniswap v3 for another account", order: through(swap), spoil: push3, mend: back3, refused: "the pool of 0.3% is away from the oracle's price",
			reads: "swap 2 WETH for at least 3960 USDC to cold", out: func(t *testing.T) {
				if got := bed.Balance(usdc, cold); got.Cmp(testbed.Units(3960, 6)) < 0 {
					t.Errorf("%v came out", got)
				}
				if left := bed.Number(weth.Contract, "allowance", s.Address, v3.Router.Address); left.Sign() != 0 {
					t.Errorf("the router may still take %v", left)
				}
			}},
		{name: "unwinding Aave through Uniswap v3", order: unwind, spoil: broke, mend: back3, refused: "is away from the oracle's price",
			reads: "in the pool whose fee is 3000 millionths", out: func(t *testing.T) {
				if p := q.aave.Position(s.Address); p.Debt.Sign() != 0 || p.Collateral.Sign() != 0 {
					t.Errorf("%v is owed and %v is left", p.Debt, p.Collateral)
				}
			}},
	}
}

// pusher has the whale sell so much into a pool, and buy it back.
func pusher(bed *testbed.Bed, swap func(testbed.Account, testbed.Token, testbed.Token, *big.Int) *types.Receipt, from, into testbed.Token, amount *big.Int) (push, back func()) {
	var got *big.Int
	whale := bed.Whale()
	return func() {
			had := bed.Balance(into, whale.Address)
			swap(whale, from, into, amount)
			got = new(big.Int).Sub(bed.Balance(into, whale.Address), had)
		}, func() {
			back := new(big.Int).Mul(got, big.NewInt(1003))
			swap(whale, into, from, back.Quo(back, big.NewInt(1000)))
		}
}

func (q *quay) vault() way {
	bed, s, user, usdc := q.Bed, q.safe, q.user, q.aave.USDC
	vault := bed.Vault(usdc)
	bed.Mint(usdc, user.Address, testbed.Units(1_000, 6))
	bed.Send(user, usdc.Contract, "approve", vault.Address, testbed.Max())
	bed.Send(user, vault.Contract, "deposit", testbed.Units(1_000, 6), s.Address)
	bed.Send(bed.Admin(), usdc.Contract, "approve", vault.Address, testbed.Max())
	return way{name: "a vault", order: q.leaving("Savings", plan.Contract{Adapter: "erc-4626", Address: vault.Address.Hex()}, "withdraw"),
		spoil:   func() { bed.Send(bed.Admin(), vault.Contract, "lend", testbed.Units(1_000, 6)) },
		mend:    func() { bed.Send(bed.Admin(), vault.Contract, "recall", testbed.Units(1_000, 6)) },
		refused: "the vault gives nothing back now", reads: "redeem", stranger: func() {
			bed.Mint(usdc, user.Address, testbed.Units(1, 6))
			bed.Send(user, vault.Contract, "deposit", testbed.Units(1, 6), s.Address)
		}, out: func(t *testing.T) {
			if left := bed.Balance(vault, s.Address); left.Cmp(testbed.Units(1, 6)) > 0 {
				t.Errorf("%v shares are left", left)
			}
		}}
}

// permit2 takes back what one exchange may take of a stablecoin, on the token itself and by way of Permit2, and leaves another alone. While the
// token is paused it cannot.
func (q *quay) permit2() way {
	bed, s := q.Bed, q.safe
	dollar, spender, other := bed.Stablecoin("Dollar", "USDX", 6), common.HexToAddress("0x00000000000000000000000000000000000005e1"), common.HexToAddress("0x00000000000000000000000000000000000005e2")
	permit2 := bed.Permit2()
	s.Batch(dollar.Do("approve", spender, testbed.Max()), dollar.Do("approve", other, testbed.Units(7, 6)), dollar.Do("approve", permit2.Address, testbed.Max()),
		permit2.Do("approve", dollar.Address, spender, testbed.Units(5_000, 6), new(big.Int).SetUint64(1<<47)))
	o := q.leaving("an old exchange", plan.Contract{Adapter: "uniswap-v2", Address: bed.Whale().Address.Hex(), Addresses: map[string]string{"router": spender.Hex()}}, "revoke")
	o.Assets, o.Known = []string{"USDX"}, map[string]string{spender.Hex(): "an old exchange", other.Hex(): "another"}
	o.Tokens = append(o.Tokens, plan.Token{Symbol: "USDX", Address: dollar.Address.Hex()})
	return way{name: "allowances, those of Permit2 among them", order: o,
		spoil:   func() { bed.Send(bed.Admin(), dollar.Contract, "pause") },
		mend:    func() { bed.Send(bed.Admin(), dollar.Contract, "unpause") },
		refused: "call 1 would be refused", reads: "take back all leave that was given by Permit2", out: func(t *testing.T) {
			left := bed.Number(dollar.Contract, "allowance", s.Address, spender)
			if permitted := bed.Ask(permit2, "allowance", s.Address, dollar.Address, spender)[0].(*big.Int); left.Sign()+permitted.Sign() != 0 {
				t.Errorf("%v may be taken, and %v by way of Permit2", left, permitted)
			}
			if kept := bed.Number(dollar.Contract, "allowance", s.Address, other); kept.Sign() == 0 {
				t.Error("what another exchange may take was taken back as well")
			}
		}}
}

func (q *quay) comet() way {
	bed, s, weth, usdc := q.Bed, q.safe, q.aave.WETH, q.aave.USDC
	comet := bed.Comet()
	bed.Mint(weth, s.Address, testbed.Ether(4))
	s.Batch(weth.Do("approve", comet.Address, testbed.Ether(4)), comet.Do("supply", weth.Address, testbed.Ether(4)), comet.Do("withdraw", usdc.Address, testbed.Units(3_000, 6)))
	return way{name: "Compound v3", order: q.leaving("Compound", plan.Contract{Adapter: "compound-v3", Address: comet.Address.Hex()}, "repay", "withdraw"),
		spoil:   func() { bed.Send(bed.Admin(), comet.Contract, "pause", false, false, true, false, false) },
		mend:    func() { bed.Send(bed.Admin(), comet.Contract, "pause", false, false, false, false, false) },
		refused: "the market has paused withdrawals", reads: "supply all that is owed of USDC", out: func(t *testing.T) {
			owed := bed.Number(comet.Contract, "borrowBalanceOf", s.Address)
			if left := bed.Ask(comet.Contract, "userCollateral", s.Address, weth.Address)[0].(*big.Int); owed.Sign()+left.Sign() != 0 {
				t.Errorf("%v is owed and %v is left", owed, left)
			}
		}}
}

func (q *quay) staked(l *testbed.Lido, do string) plan.ExitOrder {
	return q.leaving("Lido", plan.Contract{Adapter: "lido", Address: l.Staked.Address.Hex(),
		Addresses: map[string]string{"wsteth": l.Wrapped.Address.Hex(), "withdrawal_queue": l.Queue.Address.Hex()}}, do)
}

func (q *quay) request() way {
	bed, s, user := q.Bed, q.safe, q.user
	l := bed.Lido()
	l.Stake(user, testbed.Ether(5))
	bed.Send(user, l.Staked.Contract, "transfer", s.Address, testbed.Ether(5))
	return way{name: "Lido's queue", order: q.staked(l, "unstake"),
		spoil:   func() { bed.Send(bed.Admin(), l.Queue, "set", true, false) },
		mend:    func() { bed.Send(bed.Admin(), l.Queue, "set", false, false) },
		refused: "the withdrawal queue is paused", reads: "to be paid out to treasury", stranger: func() {
			l.Stake(user, testbed.Units(1, 12))
			bed.Send(user, l.Staked.Contract, "transfer", s.Address, big.NewInt(1_000))
		}, out: func(t *testing.T) {
			if requests := bed.Ask(l.Queue, "getWithdrawalRequests", s.Address)[0].([]*big.Int); len(requests) != 1 {
				t.Errorf("there are %d requests", len(requests))
			}
		}}
}

// claim is refused by nobody before the queue has paid: there is nothing to get out then.
func (q *quay) claim() way {
	bed, s, user := q.Bed, q.safe, q.user
	l := bed.Lido()
	l.Stake(user, testbed.Ether(5))
	bed.Send(user, l.Staked.Contract, "approve", l.Queue.Address, testbed.Ether(5))
	bed.Send(user, l.Queue, "requestWithdrawals", []*big.Int{testbed.Ether(5)}, s.Address)
	return way{name: "what Lido's queue has finished", order: q.staked(l, "claim"),
		mend: func() { l.Finalise(big.NewInt(1), testbed.Ether(5)) }, refused: "there is nothing to get out", reads: "claim what the queue has finished", stranger: func() {
			l.Stake(user, testbed.Ether(1))
			bed.Send(user, l.Staked.Contract, "approve", l.Queue.Address, testbed.Ether(1))
			bed.Send(user, l.Queue, "requestWithdrawals", []*big.Int{testbed.Ether(1)}, s.Address)
		}, out: func(t *testing.T) {
			has, err := bed.Client.BalanceAt(t.Context(), s.Address, nil)
			if err != nil || has.Cmp(testbed.Ether(5)) != 0 {
				t.Errorf("the Safe has %v wei: %v", has, err)
			}
		}}
}

// TestEveryWayOut carries each exit through the two tasks of a step: refused while it is spoilt, then planned and tried, signed by two
// of three owners, sent, mined, and as promised.
func TestEveryWayOut(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		q := newQuay(t, bed)
		ways := q.ways()
		q.blocks()
		for _, w := range ways {
			t.Run(w.name, func(t *testing.T) { q.leave(t, w) })
		}
	})
}

func (q *quay) leave(t *testing.T, w way) {
	sent := q.mined()
	if w.spoil != nil {
		w.spoil()
	}
	refused := q.task(t, "exit-plan", w.order)
	nothing := w.spoil == nil && refused.Facts["changes"] == "false"
	if says(t, refused.Why, w.refused); refused.Status != lifeboat.NotPerformed && !nothing {
		t.Fatalf("it was planned: %s", refused.Output)
	}
	w.mend()
	planned := q.task(t, "exit-plan", w.order)
	if planned.Status != lifeboat.Performed || planned.Facts["changes"] != "true" {
		t.Fatal(planned.Why)
	}
	says(t, planned.Output, w.reads)
	if n := q.mined(); n != sent {
		t.Fatalf("%d transactions were sent before anybody signed", n-sent)
	}
	if w.stranger != nil {
		w.stranger()
	}
	done := q.task(t, "exit-apply", applied{w.order, planned.Facts["hash"], planned.Facts}, q.consent(planned.Facts["hash"], 2)...)
	if done.Status != lifeboat.Performed {
		t.Fatalf("%s\n%s\n%s", done.Why, done.Output, planned.Output)
	}
	says(t, done.Output, "2 signatures are good", "it was tried again and ends as was promised", "what was promised is true")
	w.out(t)
}

// task is done under a key of its own.
func (q *quay) task(t *testing.T, kind string, spec any, consent ...lifeboat.Answer) lifeboat.Receipt {
	t.Helper()
	q.seq++
	return q.doAs(lifeboat.Key(fmt.Sprintf("exit-%d", q.seq)), q.worker, kind, spec, consent...)
}
