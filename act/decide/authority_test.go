package decide

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/approve"
	"lifeboat/act/decide/breaker"
	"lifeboat/plan"
)

// council has an owner, two trustees and a mandate of every kind.
func council() *plan.Plan {
	p := owner()
	p.People = []plan.Person{{Name: "Ana", Role: "trustee"}, {Name: "Ben", Role: "trustee"}, {Name: "Cas", Role: "owner"}}
	p.Mandates = []plan.Mandate{{Name: "both", By: "trustee", Need: 2}, {Name: "a code", By: "owner", Factor: "totp"}, {Name: "both with keys", By: "trustee", Need: 2, Factor: "any"}}
	p.Authority = plan.Authority{Raise: "trustee", Lower: "both", Release: "a code", Loosen: "both"}
	p.Playbooks[0].Start, p.Playbooks[1].Start = "both", "both with keys"
	p.Triggers[1].Reentry = "other defence"
	p.Triggers[4].Authority = "both with keys"
	return p
}

// newCouncil is a desk with a breaker before it, driven as the flow does.
func newCouncil(t *testing.T) *desk {
	d := &desk{Desk: New(council()), t: t, at: monday}
	d.Breaker = breaker.New(d.plan, lifeboat.NewBook("USD"), func(string, time.Time) (float64, bool) { return 0, false })
	return d
}

// says what both stages hear; the breaker stands first.
func (d *desk) says(events ...lifeboat.Event) {
	for _, e := range events {
		d.Breaker.Apply(d.at, e)
	}
	d.hear(events...)
}

var requests int

func wants(by string, verb lifeboat.Verb, object, kind string) lifeboat.Request {
	requests++
	r := lifeboat.Request{ID: fmt.Sprint("Q", requests), Verb: verb, Object: object, By: by}
	if kind != "" {
		r.Factor = &lifeboat.Factor{Kind: kind, ID: by, Content: approve.DigestRequest(r)}
	}
	return r
}

func reasonOf(err error) lifeboat.Reason {
	if p, ok := errors.AsType[*lifeboat.Problem](err); ok {
		return p.Reason
	}
	return ""
}

// TestPermit: who may ask for what, and how a request is refused that could come to nothing.
func TestPermit(t *testing.T) {
	forged := wants("Cas", lifeboat.ReleaseAccount, "broker", "totp")
	forged.Object = "bank"
	cases := []struct {
		name    string
		request lifeboat.Request
		want    lifeboat.Reason // "" is permitted
	}{
		{"a stranger", wants("Mallory", lifeboat.MoveBreaker, "halted", ""), "denied"},
		{"a role is nobody", wants("trustee", lifeboat.MoveBreaker, "halted", ""), "denied"},
		{"anybody halts", wants("Ana", lifeboat.MoveBreaker, "halted", ""), ""},
		{"there is no such state", wants("Ana", lifeboat.MoveBreaker, "off", ""), "not-found"},
		{"the owner's runs", wants("Cas", lifeboat.PauseRun, "R1", ""), ""},
		{"which are nobody else's", wants("Ana", lifeboat.PauseRun, "R1", ""), "denied"},
		{"with the factor that is wanted", wants("Cas", lifeboat.ReleaseAccount, "broker", "totp"), ""},
		{"without it", wants("Cas", lifeboat.ReleaseAccount, "broker", ""), "factor"},
		{"with another one", wants("Cas", lifeboat.ReleaseAccount, "broker", "duo"), "factor"},
		{"with one for something else", forged, "factor"},
		{"one of two", wants("Ana", lifeboat.StartPlaybook, "defensive", ""), ""},
		{"none of them", wants("Cas", lifeboat.StartPlaybook, "defensive", ""), "denied"},
		{"a playbook that says nothing is the owner's", wants("Cas", lifeboat.StartPlaybook, "bunker", ""), ""},
		{"no such playbook", wants("Cas", lifeboat.StartPlaybook, "bunkr", ""), "not-found"},
		{"no incident", wants("Ana", lifeboat.MoveTier, "2", ""), "not-found"},
		{"no such tier", wants("Ana", lifeboat.MoveTier, "9", ""), "not-found"},
		{"anybody acknowledges", wants("Ben", lifeboat.Acknowledge, "k", ""), ""},
	}
	for _, c := range cases {
		if err := newCouncil(t).Permit(monday, c.request); (err == nil) != (c.want == "") || reasonOf(err) != c.want {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestPermitTier: to raise an incident takes other people than to lower it, and what goes on cannot be closed.
func TestPermitTier(t *testing.T) {
	d := newCouncil(t)
	d.says(fired("correction", 2))
	for _, c := range []struct {
		by, to string
		want   lifeboat.Reason
	}{{"Ana", "3", ""}, {"Cas", "3", "denied"}, {"Ana", "1", ""}, {"Cas", "1", "denied"}, {"Ana", "2", "not-found"}, {"Ana", "0", "not-found"}} {
		if err := d.Permit(d.at, wants(c.by, lifeboat.MoveTier, c.to, "")); reasonOf(err) != c.want {
			t.Errorf("%s to %s: %v, want %q", c.by, c.to, err, c.want)
		}
	}
	if err := d.Permit(d.at, wants("Cas", lifeboat.StartPlaybook, "bunker", "")); err != nil {
		t.Error(err)
	}
	if err := d.Permit(d.at, wants("Ana", lifeboat.StartPlaybook, "defensive", "")); reasonOf(err) != "not-found" {
		t.Errorf("a playbook that runs already: %v", err)
	}
	d.says(d.ended(0, lifeboat.Done), fired("asked", 3))
	if err := d.Permit(d.at, wants("Ana", lifeboat.MoveTier, "0", "")); reasonOf(err) != "not-found" {
		t.Errorf("people are asked: %v", err)
	}
}

// TestPermitBreaker: letting it go takes the breaker's own terms and its time.
func TestPermitBreaker(t *testing.T) {
	d := newCouncil(t)
	d.Breaker.Apply(d.at, lifeboat.BreakerMove{To: lifeboat.Halted, By: "plan"})
	if err := d.Permit(d.at, wants("Ana", lifeboat.MoveBreaker, "active", "")); reasonOf(err) != "halted" {
		t.Errorf("within the hold: %v", err)
	}
	d.at = d.at.Add(time.Hour)
	if err := d.Permit(d.at, wants("Ana", lifeboat.MoveBreaker, "active", "")); err != nil {
		t.Error(err)
	}
	if err := d.Permit(d.at, wants("Cas", lifeboat.MoveBreaker, "active", "")); reasonOf(err) != "denied" {
		t.Errorf("the owner, whom the plan does not name for it: %v", err)
	}
	d.plan.Authority.Halt = "trustee"
	if err := d.Permit(d.at, wants("Cas", lifeboat.MoveBreaker, "halted", "")); reasonOf(err) != "denied" {
		t.Errorf("the plan names who may halt: %v", err)
	}
}

// TestPermitAnswer: who was asked, to what, signed how.
func TestPermitAnswer(t *testing.T) {
	d := newCouncil(t)
	d.says(fired("asked", 3))
	q := d.question()
	content := d.questions[q].Content
	yes := func(change func(a *lifeboat.Answer)) lifeboat.Answer {
		a := lifeboat.Answer{Question: q, By: "Ana", Yes: true, Content: content, Factor: &lifeboat.Factor{Kind: "totp", ID: "t", Content: content}}
		change(&a)
		return a
	}
	cases := []struct {
		name   string
		answer lifeboat.Answer
		want   lifeboat.Reason
	}{
		{"as it should be", yes(func(*lifeboat.Answer) {}), ""},
		{"a no needs no factor", yes(func(a *lifeboat.Answer) { a.Yes, a.Factor, a.Content = false, nil, "" }), ""},
		{"no such question", yes(func(a *lifeboat.Answer) { a.Question = "lb-x" }), "not-found"},
		{"somebody who was not asked", yes(func(a *lifeboat.Answer) { a.By = "Cas" }), "denied"},
		{"to something else", yes(func(a *lifeboat.Answer) { a.Content = "else" }), "denied"},
		{"without a factor", yes(func(a *lifeboat.Answer) { a.Factor = nil }), "factor"},
		{"signed for something else", yes(func(a *lifeboat.Answer) { a.Factor.Content = "else" }), "factor"},
	}
	for _, c := range cases {
		if err := d.PermitAnswer(d.at, c.answer); reasonOf(err) != c.want {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	d.plan.People = d.plan.People[1:]
	if err := d.PermitAnswer(d.at, cases[0].answer); reasonOf(err) != "denied" {
		t.Errorf("somebody who has left: %v", err)
	}
}

// TestMandate: a question for two takes two, with what it wants of them.
func TestMandate(t *testing.T) {
	d := newCouncil(t)
	d.says(fired("asked", 3))
	q := d.question()
	content := d.questions[q].Content
	yes := func(by string) lifeboat.Answer {
		return lifeboat.Answer{Question: q, By: by, Yes: true, Content: content, Factor: &lifeboat.Factor{Kind: "webauthn", ID: by, Content: content}}
	}
	bare := yes("Ben")
	bare.Factor = nil
	d.says(yes("Ana"))
	d.says(yes("Ana"))
	d.says(bare)
	if len(d.runs) != 0 {
		t.Fatalf("started by %s", d.runs[0].By)
	}
	d.says(yes("Ben"))
	if len(d.runs) != 1 || d.runs[0].By != "Ana and Ben" {
		t.Errorf("runs %+v", d.runs)
	}
	if len(d.questions) != 0 {
		t.Errorf("what is decided may still be answered: %v", d.questions)
	}
}

// TestWishes: what persons want on their own initiative.
func TestWishes(t *testing.T) {
	wish := func(by string) lifeboat.Request { return wants(by, lifeboat.StartPlaybook, "defensive", "") }
	cases := map[string]struct {
		play func(d *desk)
		want []string
	}{
		"the owner's word is enough": {func(d *desk) { d.says(wants("Cas", lifeboat.StartPlaybook, "bunker", "")) }, []string{" start by Cas: Cas wanted it"}},
		"one of two is not":          {func(d *desk) { d.says(wish("Ana")); d.says(wish("Ana")) }, nil},
		"two of two are": {func(d *desk) { d.says(wish("Ana")); d.says(wish("Ben")) },
			[]string{" start by Ana, Ben: Ana, Ben wanted it"}},
		"two within an hour, not more": {func(d *desk) { d.says(wish("Ana")); d.at = d.at.Add(time.Hour); d.says(wish("Ben")) }, nil},
		"a stranger does not count":    {func(d *desk) { d.says(wish("Ana")); d.says(wish("Mallory")) }, nil},
		"nor does one without the factor": {func(d *desk) {
			d.says(wants("Ana", lifeboat.StartPlaybook, "other defence", "totp"), wants("Ben", lifeboat.StartPlaybook, "other defence", ""))
		}, nil},
		"both with it do": {func(d *desk) {
			d.says(wants("Ana", lifeboat.StartPlaybook, "other defence", "totp"), wants("Ben", lifeboat.StartPlaybook, "other defence", "duo"))
		}, []string{" start by Ana, Ben"}},
		"an old wish does not wake under a plan that wants fewer": {func(d *desk) {
			d.says(wish("Ana"))
			d.plan.Playbooks[0].Start = "trustee"
			d.at = d.at.Add(24 * time.Hour)
			d.says(lifeboat.PlanLoaded{Hash: "new"})
		}, nil},
		"a playbook that has left the plan": {func(d *desk) {
			d.says(wish("Cas"))
			d.plan.Playbooks = d.plan.Playbooks[1:] // what is not in the plan is the owner's to start, and is not there
			d.says(lifeboat.PlanLoaded{Hash: "new"}, wish("Cas"))
		}, nil},
		"a tier without an incident": {func(d *desk) {
			d.says(wants("Ana", lifeboat.MoveTier, "2", ""), wants("Ben", lifeboat.MoveTier, "2", ""))
		}, nil},
		"the tier is raised by one and lowered by two": {func(d *desk) {
			d.says(fired("watch", 1))
			d.says(wants("Ana", lifeboat.MoveTier, "3", ""))
			d.says(wants("Ana", lifeboat.MoveTier, "1", ""))
			d.says(wants("Ben", lifeboat.MoveTier, "1", ""))
			d.says(wants("Ana", lifeboat.MoveTier, "0", ""), wants("Ben", lifeboat.MoveTier, "0", ""))
		}, []string{"incident opened", "watch hold", "incident moved", "incident moved", "incident closed"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := newCouncil(t)
			c.play(d)
			if !slices.EqualFunc(d.told, c.want, strings.HasPrefix) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(d.told, "\n  "), strings.Join(c.want, "\n  "))
			}
		})
	}
}

// TestOnHalt: the playbook starts once for each halt, and a breaker that says again that it is halted has not halted again.
func TestOnHalt(t *testing.T) {
	d := newCouncil(t)
	d.plan.Breaker = &plan.Breaker{OnHalt: "bunker"}
	halt := lifeboat.BreakerMove{To: lifeboat.Halted, By: "plan"}
	d.says(lifeboat.BreakerMove{To: lifeboat.Reducing, By: "plan"})
	if len(d.runs) != 0 {
		t.Error("reducing is no halt")
	}
	d.says(halt)
	if len(d.runs) != 1 || d.runs[0].Playbook != "bunker" || d.runs[0].By != "plan" || d.runs[0].Trigger != "" {
		t.Fatalf("runs %+v", d.runs)
	}
	d.says(d.ended(0, lifeboat.Done), halt)
	if len(d.runs) != 1 {
		t.Error("started twice in one halt")
	}
	d.says(lifeboat.BreakerMove{To: lifeboat.Reducing, By: "Ana"})
	d.says(halt)
	if len(d.runs) != 2 || d.runs[0].Run == d.runs[1].Run {
		t.Errorf("the second halt: %+v", d.runs)
	}
}

// TestWayBack: when the incident is over people are asked, and the way back needs the breaker active.
func TestWayBack(t *testing.T) {
	over := func(d *desk) {
		d.says(fired("correction", 2))
		d.says(d.ended(0, lifeboat.Done))
		d.says(cleared("correction"))
	}
	yes := func(d *desk) lifeboat.Answer { return lifeboat.Answer{Question: d.question(), By: "Cas", Yes: true} }
	before := []string{"incident opened", "correction start", "incident closed", "correction ask by plan: the incident is over"}
	cases := map[string]struct {
		play func(d *desk)
		want string
	}{
		"a yes":    {func(d *desk) { d.says(yes(d)) }, "correction start by Cas: Cas said yes to the way back"},
		"a no":     {func(d *desk) { a := yes(d); a.Yes = false; d.says(a) }, "correction hold by Cas: Cas said no"},
		"no owner": {func(d *desk) { a := yes(d); a.By = "Ana"; d.says(a) }, ""},
		"the breaker is not active": {func(d *desk) { d.says(lifeboat.BreakerMove{To: lifeboat.Reducing, By: "plan"}); d.says(yes(d)) },
			"correction hold by Cas: Cas said yes, and nothing is bought back while acts are held back (reducing)"},
		"the playbook has left the plan": {func(d *desk) {
			q := yes(d)
			d.plan.Playbooks = slices.Delete(d.plan.Playbooks, 1, 2)
			d.says(q)
		}, "correction hold by plan: the plan no longer has the playbook"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := newCouncil(t)
			over(d)
			c.play(d)
			want := before
			if c.want != "" {
				want = append(slices.Clone(before), c.want)
			}
			if !slices.EqualFunc(d.told, want, strings.HasPrefix) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(d.told, "\n  "), strings.Join(want, "\n  "))
			}
		})
	}
	d := newCouncil(t)
	over(d)
	q := yes(d)
	d.says(fired("watch", 1))
	d.says(q)
	if len(d.runs) != 1 {
		t.Errorf("bought back in the middle of the next incident: %v", d.told)
	}
	d.says(cleared("watch"))
	if d.incidents.Open() != nil {
		t.Errorf("an open question of the last incident keeps this one open: %v", d.told)
	}
}

// TestAllowAsksTheBreaker: a decided run is not enough, and two sales of one batch share a position.
func TestAllowAsksTheBreaker(t *testing.T) {
	d := newCouncil(t)
	book := lifeboat.NewBook("USD")
	book.Apply(monday, lifeboat.PlanLoaded{Positions: []lifeboat.Position{{Account: "broker", Symbol: "SPY", Quantity: decimal.NewFromInt(10)}}})
	d.Breaker = breaker.New(d.plan, book, func(string, time.Time) (float64, bool) { return 0, false })
	d.says(fired("correction", 2))
	act := func(key lifeboat.Key, side lifeboat.Side, n int64) lifeboat.Intent {
		return lifeboat.Intent{Key: key, Act: lifeboat.PlaceOrder, Run: d.runs[0].Run, Order: &lifeboat.Order{ID: key, Account: "broker", Symbol: "SPY", Side: side, Quantity: decimal.NewFromInt(n)}}
	}
	if err := d.Allow(act("a", lifeboat.Buy, 1)); err != nil {
		t.Fatal(err)
	}
	d.says(lifeboat.BreakerMove{To: lifeboat.Reducing, By: "plan"})
	if err := d.Allow(act("b", lifeboat.Buy, 1)); reasonOf(err) != "halted" {
		t.Errorf("a purchase while reducing: %v", err)
	}
	if err := errors.Join(d.Allow(act("c", lifeboat.Sell, 6)), d.Allow(act("d", lifeboat.Sell, 4))); err != nil {
		t.Error(err)
	}
	if err := d.Allow(act("e", lifeboat.Sell, 1)); reasonOf(err) != "halted" {
		t.Errorf("a third sale of the same position: %v", err)
	}
	if err := d.Allow(lifeboat.Intent{Act: lifeboat.CancelOrder, Cancel: "a"}); err != nil {
		t.Errorf("the breaker's own cancellation: %v", err)
	}
}
