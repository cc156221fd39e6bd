package app_test

import (
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/serve/api"
	"lifeboat/testbed"
)

// A price falls, the health factor of the Safe's loan with it; two owners sign what was planned, shown and simulated, and the Safe is out.
// A user beside it, with the same loan and no plan, is liquidated.
func TestOutOfAave(t *testing.T) {
	t.Parallel()
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		w := newTreasury(t, bed, true)
		w.leavesAt("health_factor.vault < 1.1", "via: owners, by: signers")
		neighbour := bed.Accounts[7]
		bed.Mint(w.aave.WETH, neighbour.Address, testbed.Ether(10))
		w.aave.Supply(neighbour, w.aave.WETH, testbed.Ether(10))
		w.aave.Borrow(neighbour, w.aave.USDC, testbed.Units(12_000, 6))
		d, stop := running(t, lifeboat.WallClock{}, w.dir, w.data)
		w.until(d, "a calm board", calm)

		w.aave.PriceTo(w.aave.WETH, 1500)
		fell := time.Now()
		asked := w.until(d, "the owners' question", func(s api.Status) bool { return len(s.Questions) == 1 && s.Questions[0].Proposal != nil })
		q := asked.Questions[0]
		for _, say := range []string{"repay", "withdraw", "10 WETH", "Lend", "health"} {
			if !strings.Contains(q.Text, say) {
				t.Errorf("the question does not say %q:\n%s", say, q.Text)
			}
		}
		if err := w.signs(d, q, bed.Accounts[8], "Bo"); err == nil {
			t.Error("a stranger's signature was taken for Bo's")
		}
		w.agree(d, q)
		w.until(d, "the end of the run", func(s api.Status) bool { return len(s.Runs) == 0 })
		left := time.Since(fell)
		stop()

		if p := w.aave.Position(w.safe.Address); p.Debt.Sign() != 0 || p.Collateral.Sign() != 0 {
			t.Errorf("the Safe still has %+v", p)
		}
		if got := bed.Balance(w.aave.WETH, w.safe.Address); got.Cmp(testbed.Ether(10)) != 0 {
			t.Errorf("the Safe has %s WETH", got)
		}
		w.aave.PriceTo(w.aave.WETH, 1400)
		if r := w.aave.Liquidate(neighbour.Address, w.aave.WETH, w.aave.USDC, testbed.Units(6_000, 6)); r.Status != 1 {
			t.Error("the neighbour was not liquidated")
		}
		w.tells(left)
	})
}

// The run on a lending market that 18 April 2026 was (Kelp, then Aave): what can be withdrawn melts from block to block, until nothing
// can be. The clock says how long that takes, its trigger fires while there is time, two owners sign, and the Safe is out before the door
// is shut; a neighbour with the same position stays inside.
func TestOutBeforeTheDoorIsShut(t *testing.T) {
	t.Parallel()
	bed := testbed.Start(t, testbed.Anvil)
	w := newTreasury(t, bed, false)
	const clock = "time_left.vault.Lend.WETH"
	w.leavesAt(clock+" < 600", "via: owners, by: signers")
	whale, weth := bed.Whale(), w.aave.WETH
	neighbour := bed.Accounts[7]
	bed.Mint(weth, neighbour.Address, testbed.Ether(10))
	w.aave.Supply(neighbour, weth, testbed.Ether(10))
	w.aave.Supply(whale, w.aave.USDC, testbed.Units(1_000_000, 6)) // for which all there is can be borrowed
	d, stop := running(t, lifeboat.WallClock{}, w.dir, w.data)
	w.until(d, "a calm board", calm)

	var melting []meltingState
	look := func() *big.Int {
		available, _ := w.aave.Liquidity(weth)
		head, err := bed.Client.HeaderByNumber(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		melting = append(melting, meltingState{at: head.Time, available: available})
		return available
	}
	step := testbed.Ether(1)
	w.tick = func() { // one block each twelve seconds of the chain's time, and one WETH less in each
		if look().Cmp(step) > 0 {
			w.aave.Borrow(whale, weth, step)
		}
		bed.Forward(12 * time.Second)
	}
	asked := w.until(d, "the owners' question", func(s api.Status) bool { return len(s.Questions) == 1 && s.Questions[0].Proposal != nil })
	before := melting[len(melting)-1] // the Safe itself left
	w.agree(d, asked.Questions[0])
	w.until(d, "the end of the run", func(s api.Status) bool { return len(s.Runs) == 0 })
	if got := bed.Balance(weth, w.safe.Address); got.Cmp(testbed.Ether(10)) < 0 {
		w.story()
		t.Errorf("the Safe has %s WETH", got)
	}
	if left := look(); left.Cmp(step) <= 0 {
		t.Errorf("it was out when only %s was left", left)
	}
	stop()

	for rest := look(); rest.Cmp(step) > 0; rest = look() {
		w.tick()
	}
	w.aave.Borrow(whale, weth, look())
	if _, err := bed.Try(neighbour.Address, w.aave.Pool.Do("withdraw", weth.Address, testbed.Ether(10), neighbour.Address)); err == nil {
		t.Error("the neighbour could still withdraw with nothing there")
	}
	w.clockWasRight(clock, 600, melting, before)
}

// A meltingState is what there was to withdraw at a block, and for how long at the pace of the whole melting.
type meltingState struct {
	at        uint64 // of the block, in seconds
	available *big.Int
	left      float64 // seconds until it is less than the position
}

// clockWasRight holds what the clock said when its trigger fired against what came, at the pace of the melting until the last state of it before
// the Safe itself left.
func (w *treasury) clockWasRight(clock string, limit float64, melting []meltingState, last meltingState) {
	w.t.Helper()
	said := 0.0
	for _, e := range journalOf(w.t, w.data) {
		if firing, ok := e.(lifeboat.Firing); ok && said == 0 {
			said = firing.Values[clock]
		}
	}
	first := melting[0]
	melted := new(big.Float).SetInt(new(big.Int).Sub(first.available, last.available))
	pace := new(big.Float).Quo(melted, big.NewFloat(float64(last.at-first.at)))
	for _, s := range melting {
		above := new(big.Float).SetInt(new(big.Int).Sub(s.available, testbed.Ether(10)))
		if s.left, _ = new(big.Float).Quo(above, pace).Float64(); s.left <= limit {
			w.t.Logf("the clock said %.0f s when there were %.0f", said, s.left)
			if said < 0.8*s.left || said > 1.05*limit {
				w.t.Errorf("the clock said %.0f s when there were %.0f", said, s.left)
			}
			return
		}
	}
	w.t.Error("it never came so far")
}

// A bot that has a role on the Safe gets it out without anybody, within three blocks of the price; what the role does not permit the
// chain refuses, whoever has the bot's key.
func TestOutByARole(t *testing.T) {
	t.Parallel()
	bed := testbed.Start(t, testbed.Anvil)
	w := newTreasury(t, bed, true)
	roles := w.aave.ExitRoles(w.safe, w.bot)
	w.write(treasuryPlan, "CONDITION", "health_factor.vault < 1.1", "VIA", "via: role",
		"ROLES", fmt.Sprintf("\n      roles: {module: %q, role: exit-bot, key: {kind: secret, address: %q, secret: %q}}", roles.Address.Hex(), w.bot.Hex(), "file:"+filepath.Join(w.keys, "bot")))
	d, stop := running(t, lifeboat.WallClock{}, w.dir, w.data)
	w.until(d, "a calm board", calm)
	w.every = 12 * time.Second // as on Ethereum
	fell := w.aave.PriceTo(w.aave.WETH, 1500).BlockNumber.Uint64()
	w.until(d, "the end of the run", func(s api.Status) bool {
		return len(s.Runs) == 0 && w.aave.Position(w.safe.Address).Debt.Sign() == 0
	})
	stop()
	if p := w.aave.Position(w.safe.Address); p.Debt.Sign() != 0 || p.Collateral.Sign() != 0 {
		t.Errorf("the Safe still has %+v", p)
	}
	for _, e := range journalOf(t, w.data) {
		if r, ok := e.(lifeboat.Receipt); ok && r.Facts["block"] != "" {
			left, err := strconv.ParseUint(r.Facts["block"], 10, 64)
			if err != nil || left-fell >= 3 {
				t.Errorf("the price fell in block %d, and it was out in block %s", fell, r.Facts["block"])
			}
			t.Logf("the price fell in block %d, and the Safe was out in block %d", fell, left)
		}
	}
	stolen := w.aave.Pool.Do("withdraw", w.aave.WETH.Address, testbed.Max(), w.bot.Address)
	var refused *testbed.Revert
	if _, err := bed.Try(w.bot.Address, roles.By(stolen, testbed.OperationCall)); !errors.As(err, &refused) {
		t.Errorf("the bot's key could send funds elsewhere: %v", err)
	}
}

// In a sandbox an exit is planned and tried on the chain, signed by nobody's key and sent nowhere.
func TestRehearsedExit(t *testing.T) {
	t.Parallel()
	bed := testbed.Start(t, testbed.Anvil)
	w := newTreasury(t, bed, true)
	w.leavesAt("health_factor.vault < 1.1", "via: owners, by: signers")
	if err := os.Remove(filepath.Join(w.keys, "relayer")); err != nil {
		t.Fatal(err)
	}
	d, stop := running(t, lifeboat.WallClock{}, w.dir, w.data, func(o *app.DaemonOptions) { o.Sandbox = true })
	w.until(d, "a calm board", calm)
	w.aave.PriceTo(w.aave.WETH, 1500)
	asked := w.until(d, "the owners' question", func(s api.Status) bool { return len(s.Questions) == 1 && s.Questions[0].Proposal != nil })
	w.agree(d, asked.Questions[0])
	w.until(d, "the end of the run", func(s api.Status) bool { return len(s.Runs) == 0 })
	stop()
	if p := w.aave.Position(w.safe.Address); p.Debt.Sign() == 0 {
		t.Error("the loan was repaid in a rehearsal")
	}
	for _, e := range journalOf(t, w.data) {
		if r, ok := e.(lifeboat.Receipt); ok && strings.HasPrefix(r.Why, "rehearsed: ") {
			return
		}
	}
	t.Error("nothing says that it was a rehearsal")
}

// tells how long each stage took, from the journal alone.
func (w *treasury) tells(left time.Duration) {
	w.t.Helper()
	var fired, asked, signed, done time.Time
	performed := 0
	for at, e := range journalOf(w.t, w.data) {
		switch e := e.(type) {
		case lifeboat.Firing:
			if fired.IsZero() {
				fired = at
			}
		case lifeboat.Intent:
			if e.Message != nil && e.Message.Proposal != nil && asked.IsZero() {
				asked = at
			}
		case lifeboat.Answer:
			signed = at
		case lifeboat.Receipt:
			if e.Status == lifeboat.Performed && e.Facts["transaction"] != "" {
				performed, done = performed+1, at
				w.t.Logf("the run tells:\n%s", e.Output)
			}
		}
	}
	if performed != 1 {
		w.t.Errorf("%d exits were carried out", performed)
	}
	w.t.Logf("%s after the price fell it was over: planned, simulated and asked %s after the firing, signed %s later, on the chain %s after that",
		left.Round(time.Millisecond), asked.Sub(fired).Round(time.Millisecond), signed.Sub(asked).Round(time.Millisecond), done.Sub(signed).Round(time.Millisecond))
}
