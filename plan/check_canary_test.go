package plan

import (
	"strings"
	"testing"
	"time"
)

const canaried = `
portfolio: {name: p}
people: [{name: Ana, role: owner}]
accounts:
  - {name: exchange, kind: exchange, venue: binance, connect: {key: env:K, secret: env:S}, canary: {symbol: BTC, amount: 0.002, to: vault, network: BTC}}
  - {name: vault, kind: wallet, address: bc1qvault}
  - {name: box, kind: wallet}
holdings: [{symbol: BTC, account: exchange, quantity: 2, class: crypto}]
triggers: [{name: slow exits, tier: 2, condition: exit_latency.exchange > 3600}]
`

// A canary needs what a withdrawal needs, a real venue and a pace that it bears; its series is there by itself.
func TestCheckCanary(t *testing.T) {
	p, _, err := loadText("plan.yaml", canaried)
	if err != nil {
		t.Fatal(err)
	}
	c := p.Accounts[0].Canary
	if time.Duration(c.Every) != 24*time.Hour || time.Duration(c.Limit) != 2*time.Hour || c.Slow != 3 {
		t.Errorf("completed to %+v", c)
	}
	task, is := p.Trial("exchange")
	if spec := string(task.Spec); !is || !strings.Contains(spec, `"address":"bc1qvault"`) || !strings.Contains(spec, `0.002`) || len(p.Withdrawals()) != 1 {
		t.Errorf("%s, %+v", spec, p.Withdrawals())
	}
	if _, is := p.Trial("vault"); is {
		t.Error("an account without a canary has a trial")
	}
	for _, tc := range []struct{ from, to, says string }{
		{"to: vault", "to: thief", `no account is called "thief"`},
		{"to: vault", "to: box", "box has no address"},
		{"to: vault", "to: exchange", "what leaves an account arrives in another one"},
		{", network: BTC", "", "network"},
		{"amount: 0.002", "amount: -1", "-1"},
		{"amount: 0.002, ", "", "amount"},
		{"network: BTC", "network: BTC, every: 10m", "every 10m0s is too often"},
		{"network: BTC", "network: BTC, limit: 2d", "at the latest after 24h"},
		{"network: BTC", "network: BTC, slow: 0.5", "it is more than 1"},
		{"venue: binance, connect: {key: env:K, secret: env:S}", "venue: paper", "exchange is simulated here"},
		{"venue: binance, connect: {key: env:K, secret: env:S}", "venue: alpaca, connect: {key: env:K, secret: env:S}", "venue: alpaca has no withdrawals"},
		{"venue: binance, connect: {key: env:K, secret: env:S}", "venue: manual", "exchange is acted on by people only"},
	} {
		if faults := whatIsWrong(strings.Replace(canaried, tc.from, tc.to, 1)); !strings.Contains(faults, tc.says) {
			t.Errorf("%s → %s: %s", tc.from, tc.to, faults)
		}
	}
}
