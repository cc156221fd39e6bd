package exit_test

import (
	"testing"
	"time"

	"lifeboat"
	"lifeboat/act/task"
	"lifeboat/plan"
	"lifeboat/testbed"
)

// TestStoppedBeforeTheDoorOpens stops both tasks of an exit while a market has lent out everything, each while it tries again: the one plans
// nothing and the other sends nothing, and neither is a failure that may pass.
func TestStoppedBeforeTheDoorOpens(t *testing.T) {
	m, whale := lentOut(t, testbed.Start(t, testbed.Anvil))
	w, order := m.worker(), m.ordered("owners")
	order.KeepTrying = plan.Duration(time.Hour)
	m.blocks()
	stopped := func(key lifeboat.Key, kind string, spec any, waits string, consent ...lifeboat.Answer) (r lifeboat.Receipt) {
		stop := make(chan struct{})
		m.while(func(keep func(string, map[string]string) error) {
			r = m.doWith(task.Progress{Keep: keep, Stop: stop}, key, w, kind, spec, consent...)
		}, waits, func() { close(stop) })
		return r
	}
	r := stopped("exit-1", "exit-plan", order, "all WETH of the market is lent out")
	if r.Status != lifeboat.NotPerformed || r.Why != "the exit was not planned: it was stopped" || r.Facts["failure"] != "" {
		t.Errorf("planning it ended as %+v", r)
	}
	m.Mint(m.aave.WETH, whale.Address, testbed.Ether(20))
	m.aave.Supply(whale, m.aave.WETH, testbed.Ether(20))
	found := m.doAs("exit-2", w, "exit-plan", order)
	m.lend(whale)
	r = stopped("exit-2", "exit-apply", applied{order, found.Facts["hash"], found.Facts}, "things have changed since it was prepared", m.consent(found.Facts["hash"], 2)...)
	if r.Status != lifeboat.NotPerformed || r.Why != "it was stopped before anything was sent" || r.Facts["failure"] != "" {
		t.Errorf("carrying it out ended as %+v", r)
	}
	if n, err := m.Client.NonceAt(t.Context(), m.relayer.Address, nil); n != 0 || err != nil {
		t.Errorf("%d transactions were sent: %v", n, err)
	}
}
