package app_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/serve/api"
	"lifeboat/testbed"
)

// An exit is tried, prepared and signed on a quiet day, goes stale when the Safe goes on, is prepared anew, and when the price falls
// it is carried out with nobody there.
func TestSignedBeforehand(t *testing.T) {
	t.Parallel()
	bed := testbed.Start(t, testbed.Anvil)
	w := newTreasury(t, bed, true)
	w.leavesAt("health_factor.vault < 1.1", "via: presigned")
	p, exits := w.exits()
	step := app.ExitSteps(p, "leave")[0]
	tried := exits.Simulate(t.Context(), step)
	for _, say := range []string{"repay", "withdraw", "Lend"} {
		if text := strings.Join(tried.Words, "\n"); tried.State != app.ExitPasses || !strings.Contains(text, say) {
			t.Fatalf("%s %q does not say %q:\n%s", tried.State, tried.Why, say, text)
		}
	}
	state := func(want, why string) app.Outlook {
		t.Helper()
		o := exits.Look(t.Context(), step)
		if string(o.State) != want || !strings.Contains(strings.Join(o.Why, "; "), why) {
			t.Fatalf("it is %s %q instead of %s %q", o.State, o.Why, want, why)
		}
		return o
	}
	prepare := func(again, wantKept bool) common.Hash {
		t.Helper()
		kit, err := exits.Prepare(t.Context(), step, again)
		if err != nil || kit.Kept != wantKept {
			t.Fatalf("kept %v %v", kit.Kept, err)
		}
		return common.HexToHash(kit.Hash)
	}
	sign := func(hash common.Hash, by testbed.Account) error { return w.signsKit(exits, hash, by) }

	state("unsigned", "nothing was prepared")
	first := prepare(false, false)
	state("unsigned", "0 of 2")
	if err := sign(first, bed.Accounts[8]); lifeboat.KindOf(err) != lifeboat.Denied {
		t.Errorf("a stranger's signature: %v", err)
	}
	if err := sign(first, w.safe.Owners[1]); err != nil {
		t.Fatal(err)
	}
	state("unsigned", "1 of 2")
	if prepare(false, true) != first || prepare(true, false) != first {
		t.Error("the same transaction has another hash")
	}
	state("unsigned", "1 of 2") // what was signed counts still
	if err := sign(first, w.safe.Owners[2]); err != nil {
		t.Fatal(err)
	}
	if o := state("armed", ""); o.Signed != 2 || o.Hash != first.Hex() {
		t.Errorf("%+v", o)
	}

	w.safe.Exec(w.aave.USDC.Do("approve", w.aave.Pool.Address, testbed.Units(1, 6)), testbed.OperationCall)
	state("stale", "nonce")
	second := prepare(false, false)
	for _, owner := range w.safe.Owners[:2] {
		if err := sign(second, owner); err != nil {
			t.Fatal(err)
		}
	}
	state("armed", "")

	d, stop := running(t, lifeboat.WallClock{}, w.dir, w.data)
	w.until(d, "a calm board", calm)
	s := w.until(d, "a look at the exits", func(s api.Status) bool { return len(s.Exits) == 1 && s.Exits[0].State == "armed" })
	if e := s.Exits[0]; e.Step != "out" || e.Since.IsZero() {
		t.Errorf("%+v", e)
	}
	w.aave.PriceTo(w.aave.WETH, 1500)
	w.until(d, "the end of the run", func(s api.Status) bool {
		return len(s.Runs) == 0 && w.aave.Position(w.safe.Address).Debt.Sign() == 0
	})
	stop()
	if p := w.aave.Position(w.safe.Address); p.Debt.Sign() != 0 || p.Collateral.Sign() != 0 {
		t.Errorf("the Safe still has %+v", p)
	}
	for _, e := range journalOf(t, w.data) {
		if a, ok := e.(lifeboat.Answer); ok {
			t.Errorf("%s was asked", a.By)
		}
	}
	state("nothing", "")
}

// A kit that goes stale is told to the owners, once for each cause, by a daemon that looks at the start and once a day; and that all
// is well again. What was told before a restart is not told again.
func TestStaleKitIsTold(t *testing.T) {
	t.Parallel()
	bed := testbed.Start(t, testbed.Anvil)
	w := newTreasury(t, bed, true)
	w.leavesAt("health_factor.vault < 1.1", "via: presigned, proven_within: 7d")
	p, exits := w.exits()
	step := app.ExitSteps(p, "leave")[0]
	looked := func(state string) {
		t.Helper()
		d, stop := running(t, lifeboat.WallClock{}, w.dir, w.data)
		w.until(d, "a look that finds it "+state, func(s api.Status) bool { return len(s.Exits) == 1 && s.Exits[0].State == state })
		stop()
	}
	told := func(want ...string) {
		t.Helper()
		var texts []string
		for _, e := range journalOf(t, w.data) {
			if i, ok := e.(lifeboat.Intent); ok && i.Act == lifeboat.SendMessage && strings.Contains(i.Message.Text, "step out") {
				texts = append(texts, i.Message.Text)
			}
		}
		for i, text := range want {
			if len(texts) != len(want) || !strings.Contains(texts[i], text) {
				t.Fatalf("the owners were told %q, and not %q", texts, want)
			}
		}
	}

	hash := w.arm(exits, step)
	looked("armed")
	told()
	proof := filepath.Join(w.data, "kits", strings.TrimPrefix(hash, "0x")+".proven")
	if err := os.WriteFile(proof, []byte("2026-01-01T00:00:00Z\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	looked("stale")
	looked("stale")
	told("1 January 2026")
	w.safe.Exec(w.aave.USDC.Do("approve", w.aave.Pool.Address, testbed.Units(1, 6)), testbed.OperationCall)
	looked("stale")
	looked("stale")
	told("1 January 2026", "nonce")
	w.arm(exits, step)
	looked("armed")
	looked("armed")
	told("1 January 2026", "nonce", "In order again")
}

// One look at which the chain refuses an exit, and the next block takes it, wakes nobody.
func TestOneBlockIsNoOutlook(t *testing.T) {
	t.Parallel()
	bed := testbed.Start(t, testbed.Anvil)
	w := newTreasury(t, bed, true)
	var mixed atomic.Int32
	line := bed.Through(testbed.Fault{Lie: func(method string, _, result json.RawMessage) json.RawMessage {
		if method == "eth_simulateV1" && mixed.Add(1) == 1 {
			return bytes.Replace(result, []byte(`"status":"0x1"`), []byte(`"status":"0x0"`), 1)
		}
		return result
	}})
	w.WS = line.WS
	w.leavesAt("health_factor.vault < 1.1", "via: owners, by: signers")
	d, stop := running(t, lifeboat.WallClock{}, w.dir, w.data)
	s := w.until(d, "a look at the exit", func(s api.Status) bool { return len(s.Exits) == 1 })
	stop()
	if s.Exits[0].State != "passes" || mixed.Load() < 2 {
		t.Errorf("after %d simulations it is %+v", mixed.Load(), s.Exits[0])
	}
	for _, e := range journalOf(t, w.data) {
		if o, ok := e.(lifeboat.Outlook); ok && !o.Good {
			t.Errorf("it was told: %+v", o)
		}
	}
}
