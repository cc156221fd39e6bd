package plan

import (
	"slices"
	"strings"
	"testing"
)

const withdrawing = `
portfolio: {name: p}
people: [{name: Ana, role: owner}]
accounts:
  - {name: exchange, kind: exchange, venue: binance, connect: {key: env:K, secret: env:S, withdraw: {key: env:WK, secret: env:WS}}}
  - {name: other, kind: exchange, venue: paper}
  - {name: vault, kind: wallet, address: bc1qvault}
  - {name: box, kind: wallet}
holdings: [{symbol: BTC, account: exchange, quantity: 2, class: crypto}, {symbol: ETH, account: other, quantity: 3, class: crypto}]
playbooks:
  - name: leave
    steps:
      - withdraw: {account: exchange, symbol: BTC, amount: 0.5, to: vault, network: BTC, by: owner}
      - for_each: {of: crypto, do: [{withdraw: {account: "{account}", symbol: "{symbol}", fraction: 100%, to: vault, network: BTC, by: owner}}]}
`

// Money leaves to the plan's own addresses, from venues that let it out, and by an amount that says how much.
func TestCheckWithdraw(t *testing.T) {
	if faults := whatIsWrong(withdrawing); faults != "" {
		t.Fatalf("a sound plan has faults:\n%s", faults)
	}
	for _, tc := range []struct{ from, to, says string }{
		{"to: vault, network: BTC, by: owner}\n      - for", "to: thief, network: BTC, by: owner}\n      - for", `no account is called "thief"`},
		{"to: vault, network: BTC, by: owner}\n      - for", "to: box, network: BTC, by: owner}\n      - for", "box has no address: write address: beside the account"},
		{"to: vault, network: BTC, by: owner}\n      - for", "to: exchange, network: BTC, by: owner}\n      - for", "what leaves an account arrives in another one"},
		{"network: BTC, by: owner}\n      - for", "by: owner}\n      - for", "network"},
		{"network: BTC, by: owner}\n      - for", "network: BTC}\n      - for", "by"},
		{"amount: 0.5", "amount: 0.5, fraction: 10%", "an amount and a fraction"},
		{"amount: 0.5, ", "", "how much? write amount"},
		{"amount: 0.5", "amount: -1", "-1"},
		{"amount: 0.5", "fraction: 150%", "fraction wants a share such as 15%"},
		{"account: exchange, symbol: BTC, amount", "account: vault, symbol: BTC, amount", "vault is acted on by people only; write a manual step"},
		{"venue: binance, connect: {key: env:K, secret: env:S, withdraw: {key: env:WK, secret: env:WS}}", "venue: alpaca, connect: {key: env:K, secret: env:S}", "venue: alpaca has no withdrawals that lifeboat can ask for"},
		{"venue: binance", "venue: alpaca", "5:"},
		{"key: env:WK", "key: AKIA123", "key holds a key: write where it is kept"},
	} {
		faults := whatIsWrong(strings.Replace(withdrawing, tc.from, tc.to, 1))
		if !strings.Contains(faults, tc.says) || strings.Contains(faults, "AKIA") {
			t.Errorf("%s → %s: %s", tc.from, tc.to, faults)
		}
	}
}

// What a for_each may withdraw is known for every holding, so that the venue's list has it.
func TestWithdrawals(t *testing.T) {
	p, _, err := loadText("plan.yaml", withdrawing)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Withdraw{
		{Account: "exchange", Symbol: "BTC", Fraction: 1, To: "vault", Network: "BTC", By: "owner"},
		{Account: "other", Symbol: "ETH", Fraction: 1, To: "vault", Network: "BTC", By: "owner"},
	} {
		if !slices.ContainsFunc(p.Withdrawals(), func(w Withdraw) bool {
			return w.Account == want.Account && w.Symbol == want.Symbol && w.Fraction == want.Fraction && w.To == want.To
		}) {
			t.Errorf("%+v is not among %+v", want, p.Withdrawals())
		}
	}
}
