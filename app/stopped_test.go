package app_test

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/serve/api"
	"lifeboat/testbed"
)

// An exit that two owners have signed waits for gas below the ceiling, and its run is abandoned. Then gas falls and the daemon starts again:
// nothing is ever sent.
func TestAbandonedWhileItWaitsForGas(t *testing.T) {
	t.Parallel()
	bed := testbed.Start(t, testbed.Anvil)
	w := newTreasury(t, bed, true)
	w.write(treasuryPlan, "CONDITION", "health_factor.vault < 1.1", "VIA", "via: owners, by: signers", "ROLES", "", "1000 gwei", "100 gwei")
	dear := func() {
		bed.SetBaseFee(big.NewInt(700e9))
		bed.Mine(1)
	}
	d, stop := running(t, lifeboat.WallClock{}, w.dir, w.data)
	w.until(d, "a calm board", calm)
	w.aave.PriceTo(w.aave.WETH, 1500)
	asked := w.until(d, "the owners' question", func(s api.Status) bool { return len(s.Questions) == 1 && s.Questions[0].Proposal != nil })
	w.tick = dear
	dear()
	w.agree(d, asked.Questions[0])
	waiting := w.until(d, "that it waits for gas", func(s api.Status) bool {
		return len(s.Runs) == 1 && strings.Contains(s.Runs[0].Waits, "gas is above the ceiling")
	})

	if _, err := d.Say(t.Context(), lifeboat.Request{Verb: lifeboat.AbandonRun, Object: waiting.Runs[0].ID, By: "Ada", Note: "the price was wrong"}, nil); err != nil {
		t.Fatal(err)
	}
	w.until(d, "the end of the run", func(s api.Status) bool { return len(s.Runs) == 0 })
	w.tick = func() { bed.Mine(1) }
	cheap := func() {
		bed.SetBaseFee(big.NewInt(1e9))
		for range 8 {
			bed.Mine(1)
			time.Sleep(500 * time.Millisecond) // looks are 2 s apart
		}
	}
	cheap()
	stop()
	d, stop = running(t, lifeboat.WallClock{}, w.dir, w.data)
	w.until(d, "a board after the restart", func(s api.Status) bool { return len(s.Triggers) > 0 })
	cheap()
	stop()

	if n, err := bed.Client.NonceAt(t.Context(), w.relayer.Address, nil); err != nil || n > 0 {
		t.Errorf("%d transactions were sent, %v", n, err)
	}
	if p := w.aave.Position(w.safe.Address); p.Debt.Sign() == 0 {
		t.Error("the loan was repaid")
	}
	var told []string
	for _, e := range journalOf(t, w.data) {
		switch e := e.(type) {
		case lifeboat.Receipt:
			told = append(told, string(e.Status)+" "+e.Why)
		case lifeboat.RunFinished:
			told = append(told, string(e.Status)+" "+e.Why)
		}
	}
	story := strings.Join(told, "\n")
	for _, say := range []string{"not-performed it was stopped before anything was sent", "abandoned Ada abandoned it: the price was wrong"} {
		if !strings.Contains(story, say) {
			t.Errorf("the journal does not say %q:\n%s", say, story)
		}
	}
}
