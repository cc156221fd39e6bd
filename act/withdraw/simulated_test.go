package withdraw

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
)

func held(string) []lifeboat.Position {
	return []lifeboat.Position{{Account: "exchange", Symbol: "BTC", Quantity: decimal.NewFromInt(10)}, {Account: "exchange", Symbol: "USD", Quantity: decimal.NewFromInt(7)}}
}

// A rehearsal says what would leave, takes it for sent at once and once, and refuses what the real desk refuses.
func TestRehearsal(t *testing.T) {
	p := thePlan(t)
	r := NewRehearsal(p, held, func(string) []venue.Address { return []venue.Address{vaultAddress} })
	at := time.Date(2026, 3, 16, 15, 0, 0, 0, time.UTC)
	order, err := p.WithdrawOrder(p.Withdrawals()[0])
	if err != nil {
		t.Fatal(err)
	}
	perform := func(key lifeboat.Key, kind string, s step) lifeboat.Receipt {
		t.Helper()
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := r.Perform(t.Context(), at, key, lifeboat.Task{Kind: kind, Spec: text})
		if err != nil || receipt.Key != key {
			t.Fatalf("%+v, %v", receipt, err)
		}
		return receipt
	}
	planned := perform("lb-plan", Planning, step{WithdrawOrder: order})
	if planned.Status != lifeboat.Performed || !strings.Contains(planned.Output, "5 BTC leaves exchange at a simulated venue, where 10 is free") || !strings.Contains(planned.Output, "This is a rehearsal") {
		t.Fatalf("planned %+v", planned)
	}
	s := step{WithdrawOrder: order, Hash: planned.Facts["hash"], Planned: map[string]string{"amount": planned.Facts["amount"], "fee": planned.Facts["fee"]}}
	sent := perform("lb-apply", Applying, s)
	if sent.Status != lifeboat.Performed || sent.Facts["simulated"] != "true" {
		t.Errorf("sent %+v", sent)
	}
	if again := perform("lb-apply", Applying, step{}); again.Why != sent.Why {
		t.Errorf("the same key again says %+v", again)
	}
	if asked, err := r.Ask(t.Context(), at, "lb-apply", lifeboat.Task{}); err != nil || asked.Why != sent.Why {
		t.Errorf("asked: %+v, %v", asked, err)
	}
	if _, err := r.Ask(t.Context(), at, "lb-other", lifeboat.Task{}); !errors.Is(err, lifeboat.ErrAbsent) {
		t.Errorf("a key never seen: %v", err)
	}
	s.Planned = map[string]string{"amount": "9", "fee": "0"}
	if other := perform("lb-forged", Applying, s); other.Status != lifeboat.NotPerformed || !strings.Contains(other.Why, "not the one that was approved; nothing was begun") {
		t.Errorf("forged: %+v", other)
	}
}

func TestSimulatedSendsOnlyHome(t *testing.T) {
	v := &Simulated{Held: func() []lifeboat.Position { return held("") }}
	w := venue.Withdrawal{Address: vaultAddress, Amount: decimal.NewFromInt(1)}
	for _, own := range []bool{false, true} {
		if own {
			v.Own([]venue.Address{vaultAddress})
		}
		terms, err := v.Terms(t.Context(), w)
		if err != nil || len(terms.Obstacles) == 0 != own || !terms.Free.Equal(decimal.NewFromInt(10)) {
			t.Errorf("own %v: %+v, %v", own, terms, err)
		}
		if r, err := v.Withdraw(t.Context(), key, w); err != nil || r.Status == lifeboat.Performed != own {
			t.Errorf("own %v: %+v, %v", own, r, err)
		}
	}
}
