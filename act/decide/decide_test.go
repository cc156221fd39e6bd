package decide

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

var monday = time.Date(2020, 3, 16, 20, 0, 0, 0, time.UTC)

func owner() *plan.Plan {
	rebalance := func(name string) plan.Playbook {
		return plan.Playbook{Name: name, Steps: []plan.Step{{Name: "move", Rebalance: &plan.Rebalance{Reduce: "equities", By: 0.5}}}}
	}
	order := func(name, symbol string) plan.Playbook {
		return plan.Playbook{Name: name, Steps: []plan.Step{{Name: "sell", Order: &plan.Order{Account: "broker", Symbol: symbol, Side: lifeboat.Sell, Fraction: 1}}}}
	}
	return &plan.Plan{
		Portfolio: plan.Portfolio{BaseCurrency: "USD"},
		Accounts:  []plan.Account{{Name: "broker", Venue: "paper"}, {Name: "bank", Venue: "manual"}},
		People:    []plan.Person{{Name: "Ana", Role: "cio"}, {Name: "Ben", Role: "cio"}},
		Triggers: []plan.Trigger{
			{Name: "watch", Tier: 1},
			{Name: "correction", Tier: 2, Playbook: "defensive"},
			{Name: "correction too", Tier: 2, Playbook: "other defence"},
			{Name: "crash", Tier: 3, Playbook: "bunker"},
			{Name: "asked", Tier: 3, Playbook: "bunker", Authority: "cio"},
			{Name: "depeg", Tier: 2, Playbook: "sell usde"},
			{Name: "chain", Tier: 2, Playbook: "sell eth"},
		},
		Playbooks: []plan.Playbook{rebalance("defensive"), rebalance("other defence"), rebalance("bunker"), order("sell usde", "USDE"), order("sell eth", "ETH")},
	}
}

// desk drives a Desk as the flow does and keeps what it said.
type desk struct {
	*Desk
	t    *testing.T
	at   time.Time
	told []string
	runs []lifeboat.RunStarted
	asks []lifeboat.Intent // every message
	all  []lifeboat.Event
}

// question is the key of the last one asked.
func (d *desk) question() string {
	for _, i := range slices.Backward(d.asks) {
		if i.Message.Question {
			return string(i.Key)
		}
	}
	d.t.Fatal("nobody was asked")
	return ""
}

func newDesk(t *testing.T) *desk { return &desk{Desk: New(owner()), t: t, at: monday} }

func (d *desk) hear(events ...lifeboat.Event) {
	d.all = append(d.all, events...)
	for _, e := range events {
		d.Apply(d.at, e)
	}
	for range 100 {
		said := d.Next(d.at)
		if len(said) == 0 {
			d.at = d.at.Add(time.Minute)
			return
		}
		d.all = append(d.all, said...)
		for _, e := range said {
			d.Apply(d.at, e)
			switch e := e.(type) {
			case lifeboat.Decision:
				d.told = append(d.told, e.Trigger+" "+string(e.Verdict)+" by "+e.By+": "+e.Why)
			case lifeboat.IncidentChange:
				d.told = append(d.told, "incident "+string(e.State))
			case lifeboat.RunStarted:
				d.runs = append(d.runs, e)
			case lifeboat.Intent:
				d.asks = append(d.asks, e)
			}
		}
	}
	d.t.Fatal("the desk does not come to rest")
}

func fired(trigger string, tier lifeboat.Tier) lifeboat.Firing {
	return lifeboat.Firing{Trigger: trigger, Tier: tier, State: lifeboat.Fired, Values: map[string]float64{"x": 1}}
}

func cleared(trigger string) lifeboat.Firing {
	return lifeboat.Firing{Trigger: trigger, State: lifeboat.Cleared}
}

func (d *desk) ended(i int, status lifeboat.Status) lifeboat.RunFinished {
	return lifeboat.RunFinished{Run: d.runs[i].Run, Status: status}
}

func TestDecisions(t *testing.T) {
	cases := map[string]struct {
		play func(d *desk)
		want []string // prefixes
	}{
		"a tier that only watches": {func(d *desk) {
			d.hear(fired("watch", 1))
			d.hear(cleared("watch"))
		}, []string{"incident opened", "watch hold by plan: the plan only watches at tier 1", "incident closed"}},
		"an automatic playbook starts, and the incident ends with trigger and run": {func(d *desk) {
			d.hear(fired("correction", 2))
			d.hear(cleared("correction"))
			d.hear(d.ended(0, lifeboat.Done))
		}, []string{"incident opened", "correction start by plan", "incident closed"}},
		"firing again does not carry out twice, unless somebody says so": {func(d *desk) {
			d.hear(fired("correction", 2))
			d.hear(d.ended(0, lifeboat.Done))
			d.hear(cleared("correction"), fired("correction", 2))
			d.hear(lifeboat.Answer{Question: d.question(), By: "Ana"})
			d.hear(cleared("correction"), fired("correction", 2))
			d.hear(lifeboat.Answer{Question: d.question(), By: "Ana", Yes: true})
		}, []string{"incident opened", "correction start",
			"correction ask by plan: it was already carried out in this incident as R", "correction hold by Ana: Ana said no",
			"correction ask by plan: it was already carried out in this incident as R", "correction start by Ana: Ana said yes"}},
		"with nobody to ask it is held": {func(d *desk) {
			d.plan.People = nil
			d.hear(fired("correction", 2))
			d.hear(d.ended(0, lifeboat.Done))
			d.hear(cleared("correction"), fired("correction", 2))
		}, []string{"incident opened", "correction start", "correction hold by plan: it was already carried out in this incident"}},
		"a failed run may be started again": {func(d *desk) {
			d.hear(fired("correction", 2))
			d.hear(d.ended(0, lifeboat.Failed))
			d.hear(cleared("correction"), fired("correction", 2))
		}, []string{"incident opened", "correction start", "correction start"}},
		"a higher tier takes over, and a lower one does not undo it": {func(d *desk) {
			d.hear(fired("correction", 2))
			d.hear(fired("crash", 3))
			if got := d.runs[1].Supersedes; !slices.Equal(got, []string{d.runs[0].Run}) {
				d.t.Errorf("supersedes %v", got)
			}
			d.hear(d.ended(0, lifeboat.Superseded), d.ended(1, lifeboat.Done))
			d.hear(fired("correction too", 2))
		}, []string{"incident opened", "correction start", "incident raised", "crash start", "incident raised", "correction too hold by plan: run R"}},
		"a lower tier waits for a higher one, and goes ahead when that failed": {func(d *desk) {
			d.hear(fired("crash", 3))
			d.hear(fired("correction", 2))
			d.hear(d.ended(0, lifeboat.Failed))
		}, []string{"incident opened", "crash start", "incident raised", "correction hold by plan: run R", "correction start"}},
		"the same tier waits for its turn": {func(d *desk) {
			d.hear(fired("correction", 2))
			d.hear(fired("correction too", 2))
			d.hear(d.ended(0, lifeboat.Done))
		}, []string{"incident opened", "correction start", "incident raised", "correction too hold by plan: run R", "correction too start"}},
		"what waited and cleared is let go": {func(d *desk) {
			d.hear(fired("correction", 2))
			d.hear(fired("correction too", 2), cleared("correction too"))
			d.hear(d.ended(0, lifeboat.Done))
		}, []string{"incident opened", "correction start", "incident raised", "correction too hold", "correction too hold by plan: it cleared while"}},
		"a trigger that flaps while it waits for its turn has one turn": {func(d *desk) {
			d.hear(fired("correction", 2))
			d.hear(fired("correction too", 2))
			d.hear(cleared("correction too"))
			d.hear(fired("correction too", 2))
			d.hear(d.ended(0, lifeboat.Done))
		}, []string{"incident opened", "correction start", "incident raised", "correction too hold by plan: run R", "correction too hold by plan: run R", "correction too start"}},
		"a late yes does not start what is running by then": {func(d *desk) {
			d.hear(fired("asked", 3))
			d.hear(fired("crash", 3))
			d.hear(lifeboat.Answer{Question: d.question(), By: "Ana", Yes: true})
		}, []string{"incident opened", "asked ask", "incident raised", "crash start", "asked hold by plan: it is already running"}},
		"a late yes to a lower tier does not undo a higher one": {func(d *desk) {
			d.plan.Triggers[2].Authority = "cio"
			d.hear(fired("correction too", 2))
			d.hear(fired("crash", 3))
			d.hear(d.ended(0, lifeboat.Done))
			d.hear(lifeboat.Answer{Question: d.question(), By: "Ana", Yes: true})
		}, []string{"incident opened", "correction too ask", "incident raised", "crash start", "correction too hold by plan: run R"}},
		"a yes is asked for again when the run in its way has ended": {func(d *desk) {
			d.plan.Triggers[2].Authority = "cio"
			d.hear(fired("correction too", 2))
			d.hear(fired("correction", 2))
			old := d.question()
			d.hear(lifeboat.Answer{Question: old, By: "Ana", Yes: true})
			d.hear(d.ended(0, lifeboat.Done))
			if old == d.question() {
				d.t.Error("the second question has the key of the first, and the channels would take them for one message")
			}
			d.hear(lifeboat.Answer{Question: old, By: "Ana", Yes: true}) // to the old one
			d.hear(lifeboat.Answer{Question: d.question(), By: "Ben", Yes: true})
		}, []string{"incident opened", "correction too ask", "incident raised", "correction start", "correction too hold by plan: run R", "correction too ask", "correction too start by Ben"}},
		"a question of an old plan is asked again under the new one": {func(d *desk) {
			d.hear(fired("asked", 3))
			d.plan.Triggers[4].Authority, d.plan.Triggers[4].Playbook = "Ben", "defensive"
			d.hear(lifeboat.PlanLoaded{Hash: "new"})
			d.hear(lifeboat.Answer{Question: d.question(), By: "Ana", Yes: true})
			d.hear(lifeboat.Answer{Question: d.question(), By: "Ana", Yes: true})
			d.hear(lifeboat.Answer{Question: d.question(), By: "Ben", Yes: true})
			if got := d.runs[0].Playbook; got != "defensive" {
				d.t.Errorf("started %s", got)
			}
		}, []string{"incident opened", "asked ask by plan: the plan wants a yes from Ana or Ben", "asked hold by plan: the plan changed", "asked ask by plan: the plan wants a yes from Ben", "asked start by Ben"}},
		"an authority that nobody has is no authority": {func(d *desk) {
			d.plan.People = nil
			d.hear(fired("asked", 3))
		}, []string{"incident opened", "asked hold by plan: the plan names nobody"}},
		"playbooks on different things run side by side": {func(d *desk) {
			d.hear(fired("depeg", 2))
			d.hear(fired("chain", 2))
		}, []string{"incident opened", "depeg start", "incident raised", "chain start"}},
		"somebody must say yes": {func(d *desk) {
			d.hear(fired("asked", 3))
			d.hear(lifeboat.Answer{Question: d.question(), By: "Mallory", Yes: true})
			d.hear(lifeboat.Answer{Question: d.question(), By: "Ben", Yes: true})
		}, []string{"incident opened", "asked ask by plan: the plan wants a yes from Ana or Ben", "asked start by Ben: Ben said yes"}},
		"a no holds": {func(d *desk) {
			d.hear(fired("asked", 3))
			d.hear(lifeboat.Answer{Question: d.question(), By: "Ana"})
		}, []string{"incident opened", "asked ask", "asked hold by Ana: Ana said no"}},
		"a trigger that left the plan keeps no incident open": {func(d *desk) {
			d.hear(fired("of last year's plan", 2))
		}, []string{"incident opened", "of last year's plan hold by plan: the plan no longer has this trigger", "incident closed"}},
		"a question is void when its trigger clears": {func(d *desk) {
			d.hear(fired("asked", 3))
			d.hear(cleared("asked"))
			d.hear(lifeboat.Answer{Question: d.question(), By: "Ana", Yes: true})
		}, []string{"incident opened", "asked ask", "asked hold by plan: it cleared before anybody answered", "incident closed"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			c.play(d)
			if !slices.EqualFunc(d.told, c.want, strings.HasPrefix) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(d.told, "\n  "), strings.Join(c.want, "\n  "))
			}
		})
	}
}

func TestAuthority(t *testing.T) {
	d := newDesk(t)
	d.hear(fired("correction", 2))
	run := d.runs[0].Run
	order := func(run, account string) lifeboat.Intent {
		return lifeboat.Intent{Key: "k", Act: lifeboat.PlaceOrder, Run: run, Order: &lifeboat.Order{Account: account, Quantity: decimal.NewFromInt(1)}}
	}
	cases := []struct {
		name   string
		intent lifeboat.Intent
		denied bool
	}{
		{"an order of a decided run", order(run, "broker"), false},
		{"an order without a run", order("", "broker"), true},
		{"an order of a run that nobody decided", order("R-forged", "broker"), true},
		{"an order in an account the plan keeps for people", order(run, "bank"), true},
		{"a message of a decided run", lifeboat.Intent{Act: lifeboat.SendMessage, Run: run, Message: &lifeboat.Message{}}, false},
	}
	for _, c := range cases {
		err := d.Allow(c.intent)
		if (err != nil) != c.denied {
			t.Errorf("%s: %v", c.name, err)
		}
		var p *lifeboat.Problem
		if err != nil && (!errors.As(err, &p) || p.Kind() != lifeboat.Denied) {
			t.Errorf("%s: %v is not a denial", c.name, err)
		}
	}
	d.hear(d.ended(0, lifeboat.Done))
	if d.Allow(order(run, "broker")) == nil {
		t.Error("an order of a run that has ended must be denied")
	}
}

// TestQuestionOutlivesAPlanThatNamesOthers: who was asked stands in the journal, so that folding it under another plan
// does not make somebody else's yes count.
func TestQuestionOutlivesAPlanThatNamesOthers(t *testing.T) {
	d := newDesk(t)
	d.hear(fired("asked", 3))
	again := newDesk(t)
	again.plan.Triggers[4].Authority = "automatic"
	for _, e := range d.all {
		again.Apply(monday, e)
	}
	again.hear(lifeboat.Answer{Question: d.question(), By: "Ana", Yes: true})
	if len(again.told) != 1 || !strings.HasPrefix(again.told[0], "asked start by Ana") {
		t.Errorf("told %v", again.told)
	}
}

// TestOwnerIsTold: what fired and what came of it reaches somebody, whatever was decided.
func TestOwnerIsTold(t *testing.T) {
	d := newDesk(t)
	d.hear(fired("watch", 1))
	d.hear(fired("correction", 2))
	d.hear(cleared("watch"), cleared("correction"), d.ended(0, lifeboat.Done))
	want := []string{
		`"watch" fired, tier 1 Watch: x 1. Held: the plan only watches at tier 1.`,
		`"correction" fired, tier 2 Action: x 1. Playbook "defensive" starts as run R`,
		"Incident I",
	}
	var got []string
	for _, m := range d.asks {
		got = append(got, m.Message.Text)
		if m.Message.Question || !slices.Equal(m.Message.To, []string{"Ana", "Ben"}) { // nobody is called owner, so everybody
			t.Errorf("%+v", m.Message)
		}
	}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("told\n  %s", strings.Join(got, "\n  "))
	}
}
