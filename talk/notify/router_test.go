package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// phone is a channel whose behaviour a test chooses.
type phone struct {
	mu    sync.Mutex
	fails int           // so many times, then it works; -1 for always
	slow  time.Duration // before it answers
	took  []Delivery
	at    []time.Time
}

func (p *phone) Send(ctx context.Context, d Delivery) error {
	p.mu.Lock()
	slow := p.slow
	p.mu.Unlock()
	if slow > 0 {
		if err := (lifeboat.WallClock{}).Sleep(ctx, lifeboat.WallClock{}.Now().Add(slow)); err != nil {
			return errSlow
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fails != 0 {
		p.fails--
		return errors.New("no line")
	}
	p.took, p.at = append(p.took, d), append(p.at, lifeboat.WallClock{}.Now())
	return nil
}

func (p *phone) count() int { return len(p.heard()) }

func (p *phone) heard() []Delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.took)
}

func (p *phone) rang() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.at)
}

// house is a router over phones, on the virtual time of a synctest bubble.
type house struct {
	*Router
	phones map[string]*phone // :: person/kind
	woken  atomic.Int32
}

// newHouse has people such as {"Ana", "mail", "SMS"}; a kind that ends in 3 is for tier 3 only, a pager keeps states.
func newHouse(t *testing.T, o Options, quiet string, people ...[]string) *house {
	t.Helper()
	h := &house{phones: map[string]*phone{}}
	p := &plan.Plan{Portfolio: plan.Portfolio{Name: "Family", TimeZone: "UTC"}}
	for _, one := range people {
		who := plan.Person{Name: one[0]}
		if from, to, ok := strings.Cut(quiet, "-"); ok {
			who.Quiet = &plan.Quiet{From: from, To: to}
		}
		p.People = append(p.People, who)
	}
	o.Clock, o.Wake = lifeboat.WallClock{}, func() { h.woken.Add(1) }
	if o.Local == nil {
		o.Local = Log{Handler: slog.DiscardHandler}
	}
	r, err := New(p, o)
	if err != nil {
		t.Fatal(err)
	}
	for i, one := range people {
		for _, kind := range one[1:] {
			ph := &phone{}
			h.phones[one[0]+"/"+kind] = ph
			w := &way{Channel: ph, kind: kind, keeps: kind == "pager"}
			if strings.HasSuffix(kind, "3") {
				w.tier = lifeboat.Emergency
			}
			r.people[i].channels = append(r.people[i].channels, w)
		}
	}
	h.Router = r
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return h
}

func (h *house) send(t *testing.T, key lifeboat.Key, m lifeboat.Message) lifeboat.Receipt {
	t.Helper()
	r, err := h.Send(t.Context(), h.o.Clock.Now(), key, m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (h *house) ask(key lifeboat.Key) lifeboat.Receipt {
	r, err := h.Ask(context.Background(), h.o.Clock.Now(), key)
	if err != nil {
		return lifeboat.Receipt{Why: err.Error()}
	}
	return r
}

func (p *phone) spoil(s spoiled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fails, p.slow = s.fails, s.slow
}

type spoiled struct {
	fails int
	slow  time.Duration
}

// A table of who has which channels, which of them fail, and what the receipt says in the end.
func TestRouter(t *testing.T) {
	for _, tc := range []struct {
		name   string
		people [][]string
		spoil  map[string]spoiled
		m      lifeboat.Message
		within time.Duration
		status lifeboat.ReceiptStatus
		why    string
	}{
		{"the first that takes it", [][]string{{"Ana", "mail", "SMS"}}, nil, lifeboat.Message{To: []string{"Ana"}, Tier: 2}, time.Second, lifeboat.Sent, "Ana by mail"},
		{"a failed one falls through", [][]string{{"Ana", "mail", "SMS"}}, map[string]spoiled{"Ana/mail": {fails: -1}}, lifeboat.Message{To: []string{"Ana"}, Tier: 2},
			time.Second, lifeboat.Sent, "Ana by SMS after mail (no line)"},
		{"a slow one falls through within seconds", [][]string{{"Ana", "mail", "SMS"}}, map[string]spoiled{"Ana/mail": {slow: time.Hour}}, lifeboat.Message{To: []string{"Ana"}, Tier: 2},
			channelMax + time.Second, lifeboat.Sent, "Ana by SMS after mail (it did not answer in time)"},
		{"each of several people", [][]string{{"Ana", "mail"}, {"Ben", "pager", "SMS"}}, map[string]spoiled{"Ben/pager": {fails: -1}}, lifeboat.Message{To: []string{"Ana", "Ben"}, Tier: 2},
			time.Second, lifeboat.Sent, "Ana by mail; Ben by SMS after pager (no line)"},
		{"an emergency goes by all at once", [][]string{{"Ana", "mail", "SMS", "call3"}}, map[string]spoiled{"Ana/SMS": {fails: -1}}, lifeboat.Message{To: []string{"Ana"}, Tier: 3},
			time.Second, lifeboat.Sent, "Ana by mail and call3 after SMS (no line)"},
		{"nothing less rings the phone", [][]string{{"Ana", "call3", "mail"}}, nil, lifeboat.Message{To: []string{"Ana"}, Tier: 2}, time.Second, lifeboat.Sent, "Ana by mail"},
		{"a person without channels", [][]string{{"Ana"}}, nil, lifeboat.Message{To: []string{"Ana"}, Tier: 2}, 0, lifeboat.Sent, "Ana by the console, having no channel for it"},
		{"somebody who left the plan", [][]string{{"Ana", "mail"}}, nil, lifeboat.Message{To: []string{"Eve"}, Tier: 2}, 0, lifeboat.Sent, "Eve by the console, having no channel for it"},
		{"it comes back after a while", [][]string{{"Ana", "mail"}}, map[string]spoiled{"Ana/mail": {fails: 2}}, lifeboat.Message{To: []string{"Ana"}, Tier: 2},
			16 * time.Second, lifeboat.Sent, "Ana by mail"},
		{"nobody ever takes it", [][]string{{"Ana", "mail"}}, map[string]spoiled{"Ana/mail": {fails: -1}}, lifeboat.Message{To: []string{"Ana"}, Tier: 2},
			patienceUrgent + time.Second, lifeboat.OrderRejected, "Ana not reached: mail (no line)"},
		{"information is tried for longer", [][]string{{"Ana", "mail"}}, map[string]spoiled{"Ana/mail": {fails: 10}}, lifeboat.Message{To: []string{"Ana"}},
			patience, lifeboat.Sent, "Ana by mail"},
		{"one of two is reached", [][]string{{"Ana", "mail"}, {"Ben", "mail"}}, map[string]spoiled{"Ben/mail": {fails: -1}}, lifeboat.Message{To: []string{"Ana", "Ben"}, Tier: 3},
			patienceUrgent + time.Second, lifeboat.Sent, "Ana by mail; Ben not reached: mail (no line)"},
		{"addressed to nobody", nil, nil, lifeboat.Message{Tier: 2}, 0, lifeboat.OrderRejected, "it is addressed to nobody"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, Options{}, "", tc.people...)
				for name, s := range tc.spoil {
					h.phones[name].spoil(s)
				}
				tc.m.Text = "look"
				first := h.send(t, "lb-1", tc.m)
				if queued := tc.within > 0; queued != (first.Status == lifeboat.Accepted) {
					t.Errorf("Send answered %+v", first)
				}
				time.Sleep(tc.within)
				synctest.Wait()
				if r := h.ask("lb-1"); r.Status != tc.status || r.Why != tc.why {
					t.Errorf("got  %s: %s\nwant %s: %s", r.Status, r.Why, tc.status, tc.why)
				}
				if queued := tc.within > 0; queued && h.woken.Load() != 1 {
					t.Errorf("the flow was woken %d times", h.woken.Load())
				}
			})
		})
	}
}

// The same key again is the same message, while it is under way and after it has ended; one that was never seen is absent.
func TestRouterKnowsKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{}, "", []string{"Ana", "mail"})
		for range 3 {
			h.send(t, "lb-1", lifeboat.Message{To: []string{"Ana"}, Text: "look", Tier: 2})
			time.Sleep(2 * time.Second)
		}
		if _, err := h.Ask(t.Context(), noon, "lb-2"); !errors.Is(err, lifeboat.ErrAbsent) || h.phones["Ana/mail"].count() != 1 {
			t.Errorf("asked for another: %v; sent %d times", err, h.phones["Ana/mail"].count())
		}
	})
}

// A full queue refuses, so that the flow comes again; it never waits.
func TestRouterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{}, "", []string{"Ana", "mail"})
		h.phones["Ana/mail"].spoil(spoiled{slow: time.Hour})
		for i := range queueMax {
			h.send(t, lifeboat.NewKey(i), lifeboat.Message{To: []string{"Ana"}, Text: "look", Tier: 2})
		}
		if r, err := h.Send(t.Context(), noon, "lb-too-many", lifeboat.Message{To: []string{"Ana"}, Tier: 2}); err == nil {
			t.Errorf("took one more: %+v", r)
		}
	})
}

// Below tier 3 a message waits out the quiet hours and the silence; an emergency does not, nor for what waits.
func TestRouterQuiet(t *testing.T) {
	for _, tc := range []struct {
		tier   lifeboat.Tier
		silent time.Duration
		after  time.Duration // from midnight
	}{
		{lifeboat.Emergency, 0, 0}, {lifeboat.Emergency, 12 * time.Hour, 0}, {lifeboat.Action, 0, 7 * time.Hour}, {0, 0, 7*time.Hour + gatherMax},
		{lifeboat.Action, 12 * time.Hour, 12 * time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			midnight := time.Now() // a bubble begins at midnight UTC
			silent := func(string, time.Time) time.Time { return midnight.Add(tc.silent) }
			h := newHouse(t, Options{Silent: silent}, "22:00-07:00", []string{"Ana", "SMS"})
			r := h.send(t, "lb-1", lifeboat.Message{To: []string{"Ana"}, Text: "look", Tier: tc.tier})
			if tc.after > 0 && !strings.Contains(r.Why, "Ana rests until") {
				t.Errorf("tier %d: %s", tc.tier, r.Why)
			}
			time.Sleep(20 * time.Hour)
			if rang := h.phones["Ana/SMS"].rang(); len(rang) != 1 || !rang[0].Equal(midnight.Add(tc.after)) {
				t.Errorf("tier %d rang at %v, not %v after midnight", tc.tier, rang, tc.after)
			}
		})
	}
}

// Words of information that come together are one message; what is acknowledged or answered by its key goes alone.
func TestRouterGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{}, "", []string{"Ana", "mail"})
		for i := range 3 {
			h.send(t, lifeboat.NewKey("word", i), lifeboat.Message{To: []string{"Ana"}, Text: fmt.Sprintf("word %d", i), Tier: 1})
			h.send(t, lifeboat.NewKey("act", i), lifeboat.Message{To: []string{"Ana"}, Text: fmt.Sprintf("act %d", i), Tier: 2})
			h.send(t, lifeboat.NewKey("ask", i), lifeboat.Message{To: []string{"Ana"}, Text: fmt.Sprintf("ask %d", i), Question: true})
		}
		time.Sleep(10 * time.Second)
		took := h.phones["Ana/mail"].heard()
		words := took[len(took)-1]
		if len(took) != 7 || !strings.Contains(words.Subject, "3 messages") || !strings.Contains(words.Text, "word 0") || !strings.Contains(words.Text, "word 2") {
			t.Errorf("%d messages, the last: %s\n%s", len(took), words.Subject, words.Text)
		}
		for i := range 3 {
			if h.ask(lifeboat.NewKey("word", i)).Status != lifeboat.Sent {
				t.Errorf("word %d has no receipt", i)
			}
		}
	})
}

// Word that a matter is in hand goes to the pager alone, as a state of what it shows.
func TestRouterTellsPagers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := Open
		h := newHouse(t, Options{Standing: func(lifeboat.Key) (taken, over bool) { return now >= Taken, now == Over }}, "", []string{"Ana", "SMS", "pager"})
		h.send(t, "lb-1", lifeboat.Message{To: []string{"Ana"}, Text: "look", Tier: 3})
		for i, s := range []Standing{Open, Taken, Over} {
			now = s
			h.send(t, lifeboat.NewKey(i), lifeboat.Message{To: []string{"Ana"}, Text: "again", Tier: 3, Thread: "lb-1"})
			time.Sleep(time.Second)
		}
		var seen []Standing
		for _, d := range h.phones["Ana/pager"].heard() {
			if d.Thread != "lb-1" {
				t.Errorf("thread %s", d.Thread)
			}
			seen = append(seen, d.Standing)
		}
		if !slices.Equal(seen, []Standing{Open, Open, Taken, Over}) || h.phones["Ana/SMS"].count() != 2 {
			t.Errorf("the pager saw %v, the phone rang %d times", seen, h.phones["Ana/SMS"].count())
		}
	})
}

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{}, "", []string{"Ana", "mail", "SMS"}, []string{"Ben"})
		h.phones["Ana/mail"].spoil(spoiled{fails: -1})
		for i := range 2 {
			h.send(t, lifeboat.NewKey(i), lifeboat.Message{To: []string{"Ana"}, Tier: 2})
			time.Sleep(time.Second)
		}
		all := h.Health()
		if len(all) != 2 || all[0].Failures != 2 || all[0].Why != "no line" || !all[0].Took.IsZero() || all[1].Failures != 0 || all[1].Took.IsZero() {
			t.Errorf("got %+v", all)
		}
	})
}

// A console that is gone is no reason not to ring a phone; where it is all there is, the flow comes again.
func TestRouterWithoutConsole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{Local: Console{Out: gone{}}}, "", []string{"Ana", "mail"}, []string{"Ben"})
		h.send(t, "lb-1", lifeboat.Message{To: []string{"Ana"}, Tier: 2})
		if _, err := h.Send(t.Context(), noon, "lb-2", lifeboat.Message{To: []string{"Ben"}, Tier: 2}); err == nil {
			t.Error("Ben was told by nothing")
		}
	})
}

// Names that the environment lacks are told together, at the start.
func TestEnvironmentLacks(t *testing.T) {
	p := &plan.Plan{Messages: &plan.Messages{SMTP: &plan.SMTP{Host: "mail.example:587", From: "a@b.example", User: "${NO_USER}", Password: "${NO_PASSWORD}"}},
		People: []plan.Person{{Name: "Ana", Channels: []plan.Channel{{Mail: "a@b.example"}, {Shoutrrr: "slack://hook:${NO_SLACK}@webhook"}, {PagerDuty: "${PAGERDUTY}"}}}}}
	_, err := New(p, Options{Clock: lifeboat.WallClock{}, Env: env})
	var problem *lifeboat.Problem
	if !errors.As(err, &problem) || problem.What != "the environment has no NO_PASSWORD, NO_SLACK, NO_USER, which the channels of the plan need" {
		t.Errorf("got %v", err)
	}
	if _, known := lifeboat.Reasons[problem.Reason]; !known {
		t.Errorf("nobody explains %q", problem.Reason)
	}
}
