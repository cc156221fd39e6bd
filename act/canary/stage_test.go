package canary

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

func staged(t *testing.T, free *bool) *Stage {
	t.Helper()
	p := &plan.Plan{Accounts: []plan.Account{
		{Name: "exchange", Venue: "binance", Canary: &plan.Canary{Symbol: "BTC", Amount: decimal.RequireFromString("0.01"), To: "vault", Network: "BTC",
			Every: plan.Duration(24 * time.Hour), Limit: plan.Duration(time.Hour), Slow: 3}},
		{Name: "vault", Address: "bc1q"}}}
	s, err := NewStage(p, []string{"Ana"}, func() bool { return *free })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A history is what happens in turn, after minutes; between those the stage is asked whenever it says that it is due. What comes
// out is written, and another stage that folds the journal is where the first one is.
func TestStage(t *testing.T) {
	for _, tc := range []struct{ name, history, want string }{
		{"one in time", "0 plan, 5 performed", "0 trial"},
		{"one a day", "0 plan, 5 performed, 1445 performed, 2000 nothing", "0 trial, 1440 trial"},
		{"late, then out", "0 plan, 90 performed", "0 trial, 60 Late word, 90 Calm word"},
		{"refused", "0 plan, 5 not-performed, 1441 performed", "0 trial, 5 Refused word, 1440 trial, 1441 Calm word"},
		{"lost", "0 plan, 5 lost", "0 trial, 5 Refused word"},
		{"a halt holds it", "0 halt, 0 plan, 300 go", "300 trial"},
		{"a halt for days", "0 halt, 0 plan, 4000 nothing", "2880 Blind word"},
		{"quarantine holds it", "0 quarantine, 0 plan, 7 compared", "7 trial"},
		{"not allowed", "0 deny, 0 plan, 20 nothing, 21 allow, 40 nothing", "0 refusal, 15 refusal, 30 trial"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			free, allowed := true, true
			s := staged(t, &free)
			type entry struct {
				at time.Time
				e  lifeboat.Event
			}
			var journal []entry
			var out []string
			record := func(at time.Time, e lifeboat.Event) {
				journal = append(journal, entry{at, e})
				s.Apply(at, e)
			}
			advance := func(at time.Time) {
				for events := s.Next(at); len(events) > 0; events = s.Next(at) {
					for _, e := range events {
						i := e.(lifeboat.Intent)
						minutes := int(at.Sub(noon).Minutes())
						switch {
						case i.Act == lifeboat.SendMessage:
							f := s.Find(at)[0]
							out = append(out, fmt.Sprintf("%d %s word", minutes, map[Alarm]string{Calm: "Calm", Late: "Late", Refused: "Refused", Blind: "Blind", Slower: "Slower"}[f.Alarm]))
						case !allowed:
							out = append(out, fmt.Sprintf("%d refusal", minutes))
							e = lifeboat.Refused{Key: i.Key, Why: "no"}
						default:
							out = append(out, fmt.Sprintf("%d trial", minutes))
						}
						record(at, e)
					}
				}
			}
			last := noon
			for _, word := range strings.Split(tc.history, ", ") {
				var minutes int
				var what string
				if _, err := fmt.Sscan(word, &minutes, &what); err != nil {
					t.Fatal(err)
				}
				at := noon.Add(time.Duration(minutes) * time.Minute)
				for due := s.Due(); len(journal) > 0 && due.After(last) && due.Before(at); due = s.Due() {
					last = due
					advance(due)
				}
				key := s.all[0].Open()
				switch what {
				case "plan":
					record(at, lifeboat.PlanLoaded{Name: "p", Hash: "h"})
				case "halt", "go":
					free = what == "go"
				case "deny", "allow":
					allowed = what == "allow"
				case "quarantine":
					record(at, lifeboat.Quarantine{Accounts: []string{"exchange"}, Why: "start"})
				case "compared":
					record(at, lifeboat.Reconciled{Account: "exchange"})
				case "performed", "not-performed":
					record(at, lifeboat.Receipt{Key: key, Status: lifeboat.ReceiptStatus(what), Why: "suspended"})
				case "lost":
					record(at, lifeboat.Receipt{Key: key, Status: lifeboat.Unknown, Lost: true, Why: "a person must look"})
				}
				if last = at; len(journal) > 0 && what != "quarantine" {
					advance(at)
				}
			}
			if got := strings.Join(out, ", "); got != tc.want {
				t.Errorf("it did %s", got)
			}
			again := staged(t, &free)
			for _, j := range journal {
				again.Apply(j.at, j.e)
			}
			if !slices.Equal(again.Find(last), s.Find(last)) || !again.Due().Equal(s.Due()) || len(again.Next(last)) != 0 {
				t.Errorf("folded again it finds %+v, due %s, instead of %+v, %s", again.Find(last), again.Due(), s.Find(last), s.Due())
			}
		})
	}
}
