package audit

import (
	"fmt"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// many is an audit of so many accounts on a chain, each of which has been heard of.
func many(accounts int) *Audit {
	p := &plan.Plan{People: []plan.Person{{Name: "Alex", Role: "owner"}}}
	chains := map[string]string{}
	for i := range accounts {
		name := fmt.Sprintf("account %d", i)
		p.Accounts = append(p.Accounts, plan.Account{Name: name, Chain: "Testnet"})
		chains[name] = "Testnet"
	}
	a := New(p, lifeboat.NewBook("USD"))
	a.Apply(noon, lifeboat.PlanLoaded{Chains: chains})
	for name := range chains {
		a.Apply(noon, lifeboat.Statement{Account: name, At: noon, Height: 1})
	}
	return a
}

// BenchmarkIntent is what one message or order that is written costs, where a statement comes between two of them; it must not grow with the accounts.
func BenchmarkIntent(b *testing.B) {
	for _, accounts := range []int{50, 5000} {
		b.Run(fmt.Sprint(accounts), func(b *testing.B) {
			a := many(accounts)
			intent := lifeboat.Intent{Key: lifeboat.NewKey("some other message"), Act: lifeboat.SendMessage, Message: &lifeboat.Message{To: []string{"Alex"}, Subject: "something else"}}
			at := noon
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				at = at.Add(time.Second)
				a.Apply(at, lifeboat.Statement{Account: fmt.Sprintf("account %d", i%accounts), At: at, Height: uint64(i)})
				a.Apply(at, intent)
			}
		})
	}
}

// BenchmarkNext is one look of the flow while nothing is to be said.
func BenchmarkNext(b *testing.B) {
	a := many(5000)
	b.ReportAllocs()
	for b.Loop() {
		if events := a.Next(noon); len(events) > 0 {
			b.Fatal(events)
		}
	}
}
