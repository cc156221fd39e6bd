package app_test

import (
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/serve/api"
	"lifeboat/testbed"
)

// A patience is a treasury whose exit two owners have signed, and which waits for gas below the ceiling.
type patience struct {
	*treasury
	bed *testbed.Bed
	d   *app.Daemon
}

// waitingForGas is as it is before anything that a test does about it. The daemon ends with the test.
func waitingForGas(t *testing.T) (p *patience, stop func()) {
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
	p = &patience{w, bed, d}
	p.waits("gas is above the ceiling")
	return p, stop
}

// waits is reached when the run waits for something.
func (p *patience) waits(what string) api.Status {
	p.t.Helper()
	return p.until(p.d, "that it waits: "+what, func(s api.Status) bool { return len(s.Runs) == 1 && strings.Contains(s.Runs[0].Waits, what) })
}

// says wants something of the run, or of its step.
func (p *patience) says(verb lifeboat.Verb, step, note string) {
	p.t.Helper()
	if _, err := p.d.Say(p.t.Context(), lifeboat.Request{Verb: verb, Object: p.d.Status().Runs[0].ID, Step: step, By: "Ada", Note: note}, nil); err != nil {
		p.t.Fatal(err)
	}
}

// cheap lets gas fall, and gives the exit the time for some looks, which are 2 s apart.
func (p *patience) cheap() {
	p.tick = func() { p.bed.Mine(1) }
	p.bed.SetBaseFee(big.NewInt(1e9))
	for range 8 {
		p.bed.Mine(1)
		time.Sleep(500 * time.Millisecond)
	}
}

// again starts the daemon once more.
func (p *patience) again(stop func()) func() {
	p.t.Helper()
	stop()
	p.d, stop = running(p.t, lifeboat.WallClock{}, p.dir, p.data)
	p.until(p.d, "a board after the restart", func(s api.Status) bool { return len(s.Triggers) > 0 })
	return stop
}

// nothingSent checks on the chain that the key that pays has sent nothing, and that the loan is as it was.
func (p *patience) nothingSent() {
	p.t.Helper()
	if n, err := p.bed.Client.NonceAt(p.t.Context(), p.relayer.Address, nil); err != nil || n > 0 {
		p.t.Errorf("%d transactions were sent, %v", n, err)
	}
	if p.aave.Position(p.safe.Address).Debt.Sign() == 0 {
		p.t.Error("the loan was repaid")
	}
}

// paid checks that it got out.
func (p *patience) paid() {
	p.t.Helper()
	if debt := p.aave.Position(p.safe.Address).Debt; debt.Sign() > 0 {
		p.t.Errorf("the Safe still owes %v", debt)
	}
}

// tells checks what the journal says of acts and runs.
func (p *patience) tells(says ...string) {
	p.t.Helper()
	var told []string
	for _, e := range journalOf(p.t, p.data) {
		switch e := e.(type) {
		case lifeboat.Receipt:
			told = append(told, string(e.Status)+" "+e.Why)
		case lifeboat.RunFinished:
			told = append(told, string(e.Status)+" "+e.Why)
		}
	}
	story := strings.Join(told, "\n")
	for _, say := range says {
		if !strings.Contains(story, say) {
			p.t.Errorf("the journal does not say %q:\n%s", say, story)
		}
	}
}

// Its run is abandoned. Then gas falls and the daemon starts again: nothing is ever sent.
func TestAbandonedWhileItWaitsForGas(t *testing.T) {
	t.Parallel()
	p, stop := waitingForGas(t)
	p.says(lifeboat.AbandonRun, "", "the price was wrong")
	p.until(p.d, "the end of the run", func(s api.Status) bool { return len(s.Runs) == 0 })
	p.cheap()
	stop = p.again(stop)
	p.cheap()
	stop()
	p.nothingSent()
	p.tells("not-performed it was stopped before anything was sent", "abandoned Ada abandoned it: the price was wrong")
}

// Its run is paused. Then gas falls and the daemon starts again: nothing is sent until the run goes on, and then it gets out.
func TestPausedWhileItWaitsForGas(t *testing.T) {
	t.Parallel()
	p, stop := waitingForGas(t)
	p.says(lifeboat.PauseRun, "", "")
	p.waits("Ada paused it; it waits to be resumed")
	p.cheap()
	stop = p.again(stop)
	p.cheap()
	p.nothingSent()
	p.says(lifeboat.ResumeRun, "", "")
	p.until(p.d, "the end of the run", func(s api.Status) bool { return len(s.Runs) == 0 })
	stop()
	p.paid()
	p.tells("accepted Ada paused the run", "performed executed in block")
}

// The kill file appears. Then gas falls and the daemon starts again: what two owners had signed before is not sent. When they are asked anew
// during the halt, and sign again, it gets out.
func TestHaltedWhileItWaitsForGas(t *testing.T) {
	t.Parallel()
	p, stop := waitingForGas(t)
	if err := os.WriteFile(filepath.Join(p.data, "HALT"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.waits("nobody has approved this act since")
	p.cheap()
	stop = p.again(stop)
	p.cheap()
	halted := p.waits("nobody has approved this act since")
	if want := []api.Task{{Run: halted.Runs[0].ID, Step: "1", Kind: "exit-apply"}}; !slices.Equal(halted.Breaker.Holds, want) {
		t.Errorf("the status says that the breaker holds %v, not %v", halted.Breaker.Holds, want)
	}
	p.nothingSent()
	p.says(lifeboat.RetryStep, "1", "")
	asked := p.until(p.d, "the owners' second question", func(s api.Status) bool { return len(s.Questions) == 1 && s.Questions[0].Proposal != nil })
	p.agree(p.d, asked.Questions[0])
	halted = p.until(p.d, "the end of the run", func(s api.Status) bool { return len(s.Runs) == 0 })
	stop()
	if halted.Breaker.State != string(lifeboat.Halted) {
		t.Errorf("the breaker is %s", halted.Breaker.State)
	}
	p.paid()
	p.tells("accepted the breaker is halted since", "not-performed it was stopped before anything was sent", "performed executed in block")
}
