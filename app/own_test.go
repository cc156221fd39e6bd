package app_test

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/serve/api"
	"lifeboat/testbed"
)

// After lifeboat's own exit the vault and the loan hold something else, and nobody is told that this may be theft. What a thief takes in
// the same minute is told, to the last unit, whether or not lifeboat was stopped in between.
func TestOwnExitIsNoTheft(t *testing.T) {
	t.Parallel()
	for _, theft := range []bool{false, true} {
		t.Run(fmt.Sprint("theft ", theft), func(t *testing.T) {
			testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
				w := newTreasury(t, bed, true)
				r := &register{treasury: w, clock: newWatchClock(time.Now().UTC())}
				w.tick = func() { r.Forward(2 * time.Second); r.clock.move(2 * time.Second) }
				w.write(strings.Replace(registerPlan, "quorum: 2, ", "", 1))
				d, stop := running(t, r.clock, w.dir, w.data)
				r.d = d
				r.comes("the quantities of the chain", func() bool { return r.near("loan", "WETH", "10") && r.holds("vault", "USDC").String() == "12500" })
				r.comes("that the rest is told", func() bool { return len(r.told("loan")) == 1 })
				vault := len(r.told("vault"))

				r.aave.PriceTo(r.aave.WETH, 1500)
				r.comes("the owners' question", func() bool {
					return slices.ContainsFunc(r.d.Status().Questions, func(q api.Question) bool { return q.Proposal != nil })
				})
				for i, person := range []string{"Bo", "Cy"} {
					if err := r.signs(r.d, r.d.Status().Questions[0], r.safe.Owners[1+i], person); err != nil {
						t.Fatal(err)
					}
				}
				r.until(r.d, "the end of the run", func(s api.Status) bool { return len(s.Runs) == 0 })
				r.movedBoth()
				if theft {
					r.safe.Exec(r.aave.USDC.Do("transfer", r.Accounts[8].Address, testbed.Units(88, 6)), testbed.OperationCall)
					stop()
					r.d, stop = running(t, r.clock, w.dir, w.data)
				}
				r.comes("the book after the exit", func() bool { return r.holds("loan", "WETH").IsZero() && r.near("vault", "WETH", "10") })
				for range 12 {
					r.minute()
					time.Sleep(100 * time.Millisecond) // the daemon looks once a minute of its own; nothing may come of it
				}
				told := slices.Concat(r.told("vault")[vault:], r.told("loan")[1:])
				switch {
				case !theft && len(told) > 0:
					t.Errorf("of its own exit was told %+v", told)
				case theft && (len(told) != 1 || told[0].Tier != lifeboat.Action || !strings.Contains(told[0].Text, "and 88 USDC") && !strings.Contains(told[0].Text, "and 88 went otherwise")):
					t.Errorf("of the theft was told %+v", told)
				}
				stop()
			})
		})
	}
}

// movedBoth: the receipt of the exit says what went out of the market and what came into the vault.
func (r *register) movedBoth() {
	r.t.Helper()
	accounts := map[string]int{}
	for _, e := range journalOf(r.t, r.data) {
		if receipt, is := e.(lifeboat.Receipt); is {
			for _, m := range receipt.Moved() {
				accounts[m.Account+" "+m.Symbol]++
			}
		}
	}
	if len(accounts) != 4 {
		r.t.Errorf("the exit says that it moved %v", accounts)
	}
}

// What the exit costs the key that pays for it is lifeboat's doing as well, with what a rollup takes beside the gas, and is told to nobody.
func TestOwnGasIsNoTheft(t *testing.T) {
	t.Parallel()
	o := testbed.NewOptimism(t)
	w := newTreasury(t, o.Bed, true)
	o.Act(o.Whale(), testbed.Call{To: w.safe.Address, Value: testbed.Ether(1)}) // anvil has the Safe pay for what is simulated in its name
	r := &register{treasury: w, clock: newWatchClock(time.Now().UTC())}
	w.tick = func() { r.Forward(2 * time.Second); r.clock.move(2 * time.Second) }
	w.write(strings.NewReplacer("quorum: 2, ", "", "  - {name: bank, kind: bank}", `  - {name: bank, kind: bank}
  - {name: fuel, kind: wallet, chain: Testnet, address: "RELAYER"}`, "holdings:", `holdings:
  - {symbol: ETH, account: fuel, quantity: 100000, class: crypto, price: 2000}`).Replace(registerPlan), "NODES", fmt.Sprintf("%q", o.Line.WS))
	o.Take(big.NewInt(20e9), 5_000_000, 7e12)
	d, stop := running(t, r.clock, w.dir, w.data)
	defer stop()
	r.d = d
	r.comes("the quantities of the chain", func() bool { return r.near("loan", "WETH", "10") && r.holds("vault", "USDC").String() == "12500" })
	r.comes("that the rest is told", func() bool { return len(r.told("loan")) == 1 })
	taken := o.Taken()
	r.aave.PriceTo(r.aave.WETH, 1500)
	r.comes("the owners' question", func() bool {
		return slices.ContainsFunc(r.d.Status().Questions, func(q api.Question) bool { return q.Proposal != nil })
	})
	r.agree(r.d, r.d.Status().Questions[0])
	r.until(r.d, "the end of the run", func(s api.Status) bool { return len(s.Runs) == 0 })
	r.comes("the book after the exit", func() bool { return r.holds("fuel", "ETH").LessThan(decimal.NewFromInt(100000)) })
	for range 12 {
		r.minute()
		time.Sleep(100 * time.Millisecond) // as above
	}
	if told := r.told("fuel"); len(told) > 0 || o.Taken().Cmp(taken) <= 0 {
		t.Errorf("of what the exit cost was told %+v", told)
	}
}
