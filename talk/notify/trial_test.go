package notify

import (
	"bytes"
	"log/slog"
	"net/mail"
	"slices"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// A test says of every channel of every person whether it took the message, and of a phone whether it really rang.
func TestTrial(t *testing.T) {
	office := openPostOffice(t, false)
	pager := serve(t, pagerRules)
	for rang, ok := range map[string]bool{"completed": true, "no-answer": false, "busy": false} {
		phone := serve(t, twilioRules(rang))
		m := twilioPlan(phone.URL)
		m.SMTP = &plan.SMTP{Host: office.address, From: "lifeboat@lifeboat.example", User: "${SMTP_USER}", Password: "${SMTP_PASSWORD}"}
		p := &plan.Plan{Portfolio: plan.Portfolio{Name: "Family"}, Messages: &m, People: []plan.Person{
			{Name: "Ana", Channels: []plan.Channel{{Mail: "ana@lifeboat.example"}, {Call: "+41791234567", Tier: 3}}},
			{Name: "Ben", Channels: []plan.Channel{{PagerDuty: "${PAGERDUTY}"}, {Shoutrrr: "ntfy://127.0.0.1:1/t?scheme=http"}}},
			{Name: "Cy"},
		}}
		trials, err := Test(t.Context(), p, Options{Clock: lifeboat.WallClock{}, Env: env, Roots: office.roots, PagerDuty: pager.URL})
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, one := range trials {
			if one.OK {
				told = append(told, one.Person+" by "+one.Channel)
			} else if one.Why == "" && one.Rang == "" {
				t.Errorf("nobody says why %s was not reached by %s", one.Person, one.Channel)
			}
		}
		want := []string{"Ana by mail", "Ana by call", "Ben by PagerDuty"}
		if !ok {
			want = slices.Delete(want, 1, 2)
		}
		if !slices.Equal(told, want) || len(trials) != 5 || trials[1].Rang != rang {
			t.Errorf("a phone that says %s: reached %v; %+v", rang, told, trials)
		}
	}
	if asked := pager.all(); len(asked) != 6 {
		t.Errorf("the pager was told %d times, and each test should be triggered and resolved", len(asked))
	}
}

// From the flow's Send until the mail server has it, over TLS, for a burst of alerts: 10 s are the promise for market data.
func TestAlertToPhone(t *testing.T) {
	office := openPostOffice(t, false)
	p := &plan.Plan{Portfolio: plan.Portfolio{Name: "Family"}, Messages: &plan.Messages{SMTP: &plan.SMTP{Host: office.address, From: "lifeboat@lifeboat.example",
		User: "${SMTP_USER}", Password: "${SMTP_PASSWORD}"}}, People: []plan.Person{{Name: "Ana", Channels: []plan.Channel{{Shoutrrr: "ntfy://127.0.0.1:1/dead?scheme=http"}, {Mail: "ana@lifeboat.example"}}}}}
	r, err := New(p, Options{Clock: lifeboat.WallClock{}, Env: env, Roots: office.roots, Local: Log{Handler: slog.DiscardHandler}})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = r.Run(t.Context()) }()
	const alerts = 40
	sent := map[lifeboat.Key]time.Time{}
	var slowest time.Duration // of Send itself, which must never wait
	for i := range alerts {
		key := lifeboat.NewKey("alert", i)
		sent[key] = time.Now()
		if _, err := r.Send(t.Context(), time.Now(), key, lifeboat.Message{To: []string{"Ana"}, Text: "look", Tier: lifeboat.Tier(2 + i%2)}); err != nil {
			t.Fatal(err)
		}
		slowest = max(slowest, time.Since(sent[key]))
		time.Sleep(10 * time.Millisecond)
	}
	await(t, "every alert", func() bool { return len(office.all()) >= alerts })
	var took []time.Duration
	for _, l := range office.all() {
		for key, at := range sent {
			if slices.Contains(keysIn(l.data), string(key)) {
				took = append(took, l.at.Sub(at))
			}
		}
	}
	slices.Sort(took)
	if len(took) != alerts {
		t.Fatalf("%d of %d alerts arrived", len(took), alerts)
	}
	p50, p95 := took[alerts/2], took[alerts*95/100]
	t.Logf("alert to mail server, the first channel dead: p50 %s, p95 %s; Send itself at most %s", p50.Round(time.Millisecond), p95.Round(time.Millisecond), slowest.Round(time.Microsecond))
	if p95 > 10*time.Second {
		t.Errorf("p95 is %s", p95)
	}
}

// keysIn a mail's header.
func keysIn(data []byte) []string {
	m, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	return []string{m.Header.Get("X-Lifeboat-Key")}
}
