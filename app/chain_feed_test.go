package app_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/serve/api"
	"lifeboat/testbed"
)

// TestAChainFeedsTheDaemon from blocks of real contracts to firings; and what happened while it was down is counted when it is up.
func TestAChainFeedsTheDaemon(t *testing.T) {
	bed := testbed.Start(t, testbed.Anvil)
	m, bank, me := bed.Aave(), bed.Proxy(), bed.Accounts[1]
	m.Supply(me, m.WETH, testbed.Ether(10))
	m.Borrow(me, m.USDC, testbed.Units(12_000, 6))
	t.Setenv("LIFEBOAT_TEST_NODE", bed.URL)
	planDir, dataDir := t.TempDir(), t.TempDir()
	text := fmt.Sprintf(`
portfolio: {name: On chain, calendar: 24/7}
accounts: [{name: me, kind: wallet, chain: Local, address: %q}]
holdings: [{symbol: WETH, account: me, quantity: 10, class: crypto, token: %q}, {symbol: USDC, account: me, quantity: 0, class: stablecoin, token: %q}]
dependencies:
  - {name: Local, kind: chain, chain: {id: %s, nodes: "env:LIFEBOAT_TEST_NODE"}}
  - {name: Aave, kind: protocol, contract: {adapter: aave-v3, chain: Local, address: %q}}
  - {name: ether feed, kind: oracle, contract: {adapter: chainlink, chain: Local, address: %q, prices: WETH}}
  - {name: Bank, kind: protocol, contract: {adapter: proxy, chain: Local, address: %q}}
triggers:
  - {name: close to liquidation, tier: 2, condition: health_factor.me < 1.2}
  - {name: another bank, tier: 1, condition: upgraded.Bank > 0}
  - {name: price, tier: 1, condition: WETH < 1600 AND head_age.Local < 600}
`, me.Address, m.WETH.Address, m.USDC.Address, bed.ChainID, m.Pool.Address, m.Feeds["WETH"].Address, bank.Address)
	if err := os.WriteFile(filepath.Join(planDir, "plan.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func() (*app.Daemon, func()) { return running(t, lifeboat.WallClock{}, planDir, dataDir) }
	until := func(d *app.Daemon, want string) {
		t.Helper()
		var states string
		for patience := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			states = ""
			for _, trigger := range d.Status().Triggers {
				states += trigger.State + " "
			}
			if strings.TrimSpace(states) == want {
				return
			}
			if time.Now().After(patience) {
				t.Fatalf("the triggers are %s, not %s: %+v", states, want, d.Status())
			}
		}
	}
	d, stop := start()
	until(d, "calm calm calm")
	m.PriceTo(m.WETH, 1500)
	until(d, "fired calm fired")
	stop()
	bank.Upgrade(bank.V2) // while nobody looks
	bed.Mine(3)
	d, stop = start()
	until(d, "fired fired fired")
	stop()
}

// TestTheClockGoesOn: a daemon that is stopped in the middle of a melting market says after its start, at the first block, what the clock says
// that was never stopped: less by the time that passed, and not that it does not know yet.
func TestTheClockGoesOn(t *testing.T) {
	t.Parallel()
	bed := testbed.Start(t, testbed.Anvil)
	w := newTreasury(t, bed, false)
	const clock = "time_left.vault.Lend.WETH"
	w.leavesAt(clock+" < 60", "via: owners, by: signers")
	whale, weth := bed.Whale(), w.aave.WETH
	w.aave.Supply(whale, w.aave.USDC, testbed.Units(1_000_000, 6))
	bed.Pace(12 * time.Second)                                       // so that no second passes on the chain while the daemon stops and starts
	block := func() { w.aave.Borrow(whale, weth, testbed.Ether(1)) } // one WETH less in each
	says := func(d *app.Daemon, after time.Time) (left float64, at time.Time) {
		w.until(d, clock, func(s api.Status) bool {
			for _, x := range s.Series {
				if x.Name == clock && x.Value != nil && *x.Value > 0 && *x.Value < 700 && x.Fresh && x.At.After(after) {
					left, at = *x.Value, *x.At
					return true
				}
			}
			return false
		})
		return left, at
	}
	d, stop := running(t, lifeboat.WallClock{}, w.dir, w.data)
	w.until(d, "a calm board", calm)
	w.every, w.tick = 300*time.Millisecond, block
	before, seen := says(d, time.Time{})
	stop()
	d, stop = running(t, lifeboat.WallClock{}, w.dir, w.data)
	defer stop()
	after, again := says(d, seen) // what is older is what the journal remembers
	passed, reads := again.Sub(seen).Seconds(), 0
	for _, e := range journalOf(t, w.data) {
		if in, ok := e.(lifeboat.Instant); ok {
			for _, r := range in.Readings {
				if r.Series == "cover.vault.Lend.WETH" && r.At.After(seen) && !r.At.After(again) {
					reads++
				}
			}
		}
	}
	if reads > 2 || math.Abs(before-passed-after) > 1 {
		t.Errorf("before it said %.0f s; %.0f s later, at the block that was read as number %d after the start, %.0f s", before, passed, reads, after)
	}
}
