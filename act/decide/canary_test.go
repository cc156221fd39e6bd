package decide

import (
	"testing"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

// A trial passes when it is word for word the plan's own.
func TestAllowTrial(t *testing.T) {
	written := func(address string) *plan.Plan {
		return &plan.Plan{Accounts: []plan.Account{
			{Name: "exchange", Canary: &plan.Canary{Symbol: "BTC", Amount: decimal.RequireFromString("0.01"), To: "vault", Network: "BTC"}},
			{Name: "vault", Address: address}}}
	}
	own, _ := written("bc1qvault").Trial("exchange")
	foreign, _ := written("bc1qthief").Trial("exchange")
	d := New(written("bc1qvault"))
	for _, tc := range []struct {
		name    string
		intent  lifeboat.Intent
		allowed bool
	}{
		{"its own", lifeboat.Intent{Act: lifeboat.PerformTask, Account: "exchange", Task: &own}, true},
		{"another address", lifeboat.Intent{Act: lifeboat.PerformTask, Account: "exchange", Task: &foreign}, false},
		{"another account", lifeboat.Intent{Act: lifeboat.PerformTask, Account: "vault", Task: &own}, false},
		{"another kind", lifeboat.Intent{Act: lifeboat.PerformTask, Account: "exchange", Task: &lifeboat.Task{Kind: "withdraw-apply", Spec: own.Spec}}, false},
		{"another act", lifeboat.Intent{Act: lifeboat.PlaceOrder, Account: "exchange", Task: &own}, false},
	} {
		if err := d.Allow(tc.intent); (err == nil) != tc.allowed {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
