package drill

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// TestABridgeTakesItsTime: a rehearsal must not say that the money is there when it has only left.
func TestABridgeTakesItsTime(t *testing.T) {
	p := &plan.Plan{Dependencies: []plan.Dependency{{Name: "up", Contract: &plan.Contract{Adapter: "op-bridge", Address: "0x3154Cf16ccdb4C6d922629664174b904d80F2C35"}},
		{Name: "down", Contract: &plan.Contract{Adapter: "op-bridge", Address: plan.OPBridgeOnRollup}},
		{Name: "up Arbitrum", Contract: &plan.Contract{Adapter: "arbitrum-bridge", Address: "0x72Ce9c846789fdB6fC1f34aC4AD25Dd9ef7031ef"}},
		{Name: "down Arbitrum", Contract: &plan.Contract{Adapter: "arbitrum-bridge", Address: plan.ArbitrumOnRollup}}}}
	e := exits{p, map[lifeboat.Key]time.Time{}}
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for through, takes := range map[string]time.Duration{"up": 3 * time.Minute, "down": 169 * time.Hour, "up Arbitrum": 15 * time.Minute, "down Arbitrum": 154 * time.Hour} {
		spec, _ := json.Marshal(plan.ExitOrder{Exit: plan.Exit{Do: []string{"bridge"}, Through: through}, Beyond: &plan.Beyond{Chain: "Base"}})
		task, key := lifeboat.Task{Kind: "exit-apply", Spec: spec}, lifeboat.Key(through)
		for after, want := range map[time.Duration]lifeboat.ReceiptStatus{0: lifeboat.Accepted, takes - time.Second: lifeboat.Accepted, takes: lifeboat.Performed} {
			if _, err := e.Perform(t.Context(), at, key, task); err != nil {
				t.Fatal(err)
			}
			if r, err := e.Ask(t.Context(), at.Add(after), key, task); err != nil || r.Status != want {
				t.Errorf("%s: after %s it is %s: %v", through, after, r.Status, err)
			}
		}
	}
	spec, _ := json.Marshal(plan.ExitOrder{Exit: plan.Exit{Do: []string{"withdraw"}, Protocol: "up"}})
	task := lifeboat.Task{Kind: "exit-apply", Spec: spec}
	if r, err := e.Perform(t.Context(), at, "home", task); err != nil || r.Status != lifeboat.Performed {
		t.Errorf("an exit that stays on its chain is %s: %v", r.Status, err)
	}
	if _, err := e.Ask(t.Context(), at, "home", task); !errors.Is(err, lifeboat.ErrAbsent) {
		t.Error(err)
	}
}
