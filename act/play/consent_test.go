package play

import (
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/approve"
	"lifeboat/plan"
)

// gated is a sale that somebody must approve.
func gated(a plan.Approve) []plan.Step {
	half := plan.Step{Name: "sell", Timeout: 48 * hour, Rebalance: &plan.Rebalance{Reduce: "SPY", By: 0.5, Limit: 0.01}}
	return []plan.Step{{Name: "gate", Approve: &a, Timeout: hour}, half}
}

// TestSentAsApproved: prices move between question and answer, and what is sent is what was shown.
func TestSentAsApproved(t *testing.T) {
	s := begin(t, gated(plan.Approve{By: "cio", ValidFor: 2 * hour}))
	m := s.asked().Message
	if m.Proposal == nil || m.Content != approve.Digest(*m.Proposal) || !strings.Contains(m.Text, "sell 300 SPY in broker, not below 99") {
		t.Fatalf("asked %+v", m)
	}
	if o := m.Proposal.Orders[0]; o.SlippageBps <= 0 || o.How == "" {
		t.Errorf("slippage %v %q", o.SlippageBps, o.How)
	}
	s.world.prices["SPY"] = 50
	s.book.Apply(s.at, lifeboat.PlanLoaded{Positions: s.positions[1:]}) // and holdings change
	s.later(30 * time.Minute)
	s.apply(lifeboat.Answer{Question: string(s.asked().Key), By: "Ben", Yes: true, Content: "something else"})
	s.settle()
	want(t, s.orders()) // that yes was to something else
	s.say("Cleo", true)
	for _, e := range s.told {
		if i, ok := e.(lifeboat.Intent); ok && i.Order != nil && !sameOrder(*i.Order, m.Proposal.Orders[0].Order) {
			t.Errorf("sent %+v, approved %+v", *i.Order, m.Proposal.Orders[0].Order)
		}
	}
	want(t, s.orders(), "sell 300 SPY")
}

// TestTwoGates: whoever says yes second says yes to what the first one did, wherever the price went meanwhile.
func TestTwoGates(t *testing.T) {
	steps := gated(plan.Approve{By: "cio", ValidFor: 4 * hour})
	second := plan.Step{Name: "second gate", Approve: &plan.Approve{By: "owner", ValidFor: 9 * hour}, Timeout: hour}
	s := begin(t, []plan.Step{steps[0], second, steps[1]})
	first := s.asked().Message.Proposal
	s.say("Cleo", true)
	s.world.prices["SPY"] = 50
	s.later(time.Minute)
	again := s.asked().Message.Proposal
	if len(again.Orders) != 1 || !sameOrder(again.Orders[0].Order, first.Orders[0].Order) || !again.Until.Equal(first.Until) {
		t.Fatalf("the second was asked about %+v, the first about %+v", again, first)
	}
	s.say("Ana", true)
	want(t, s.orders(), "sell 300 SPY")
}

// TestNobodySkipsAYes: the right to steer runs is not the right to approve.
func TestNobodySkipsAYes(t *testing.T) {
	s := begin(t, gated(plan.Approve{By: "cio"}))
	skip := lifeboat.Request{ID: "Q1", Verb: lifeboat.SkipStep, Object: s.asked().Run, Step: "1", By: "Ana"}
	if err := s.Player.Fits(skip); err == nil || !strings.Contains(err.Error(), "skip another's yes") {
		t.Errorf("got %v", err)
	}
	s.apply(skip) // even if it were written
	s.settle()
	want(t, s.orders())
}

func sameOrder(a, b lifeboat.Order) bool {
	return a.ID == b.ID && a.Quantity.Equal(b.Quantity) && a.Type == b.Type && a.Limit.Equal(b.Limit) && a.Arrival.Equal(b.Arrival) && a.Symbol == b.Symbol
}

func TestSilence(t *testing.T) {
	for name, c := range map[string]struct {
		policy plan.Approve
		do     func(s *stand)
		orders []string
		want   []string
	}{
		"means no": {plan.Approve{By: "cio"}, func(s *stand) { s.later(time.Hour) }, nil,
			[]string{"1 timed-out not done after 60 min: no answer from Ben, Cleo", "run failed"}},
		"means a smaller part": {plan.Approve{By: "cio", OnTimeout: "smaller", Smaller: 0.333, ValidFor: 3 * hour}, func(s *stand) { s.later(time.Hour) },
			[]string{"sell 99 SPY"}, []string{"1 done nobody answered in 60 min; 33.3% of it is done, as the owner authorised in advance", "2 done", "run done"}},
		"means somebody else is asked": {plan.Approve{By: "cio", OnTimeout: "escalate", EscalateTo: "owner", ValidFor: 3 * hour}, func(s *stand) {
			s.later(time.Hour)
			s.later(59 * time.Minute)
			s.say("Ana", true)
		}, []string{"sell 300 SPY"}, []string{"1 done Ana approved after 119 min", "2 done", "run done"}},
		"means no when nobody else answers either": {plan.Approve{By: "cio", OnTimeout: "escalate", EscalateTo: "owner"}, func(s *stand) {
			s.later(time.Hour)
			s.later(time.Hour)
		}, nil, []string{"1 timed-out", "run failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, gated(c.policy))
			c.do(s)
			want(t, s.orders(), c.orders...)
			want(t, s.paths(), c.want...)
		})
	}
}

// TestExpiredYes: what could not be sent while the yes counted is asked for once more, as it is then, and no third time.
func TestExpiredYes(t *testing.T) {
	hold := func(t *testing.T) *stand {
		s := newStand(t, playbook(gated(plan.Approve{By: "owner", ValidFor: hour})...))
		s.gate = &shut{}
		s.settle()
		s.say("Ana", true)
		s.world.prices["SPY"] = 80
		s.later(time.Hour)
		if m := s.asked().Message; !strings.Contains(m.Text, "has expired") || !m.Proposal.Orders[0].Arrival.Equal(decimal.NewFromInt(80)) {
			t.Fatalf("asked %+v", m)
		}
		s.say("Ana", true)
		want(t, s.orders())
		return s
	}
	s := hold(t)
	s.gate = nil
	s.later(time.Minute)
	want(t, s.orders(), "sell 300 SPY")
	s = hold(t)
	s.later(time.Hour)
	want(t, s.paths(), "1 done", "2 failed the yes has expired twice before it could be carried out", "run failed")
}

// TestApprovedInAdvance: nobody is asked, somebody is told, and it counts once.
func TestApprovedInAdvance(t *testing.T) {
	s := newStand(t, playbook(append(gated(plan.Approve{By: "owner"}), gated(plan.Approve{By: "owner"})...)...))
	s.apply(lifeboat.Request{ID: "Q1", Verb: lifeboat.Preauthorise, By: "Ana", Bound: &lifeboat.Bound{Account: "broker", Symbol: "SPY", Side: lifeboat.Sell,
		Quantity: decimal.NewFromInt(300), Price: decimal.NewFromInt(95), Until: monday.Add(24 * time.Hour)}})
	s.settle()
	want(t, s.orders(), "sell 300 SPY")
	want(t, s.paths(), "1 done approved in advance (Q1)", "2 done")
	if q := s.asked(); q.Step != "3" {
		t.Errorf("the second one must be asked for, not %s", q.Step)
	}
}

func TestTwoMustSayYes(t *testing.T) {
	s := newStand(t, playbook(gated(plan.Approve{By: "board"})...))
	s.plan.Mandates = []plan.Mandate{{Name: "board", By: "cio", Need: 2, Factor: "totp"}}
	s.settle()
	yes := func(by string, factor *lifeboat.Factor) {
		s.apply(lifeboat.Answer{Question: string(s.asked().Key), By: by, Yes: true, Content: s.asked().Message.Content, Factor: factor})
		s.settle()
	}
	signed := func(id string) *lifeboat.Factor {
		return &lifeboat.Factor{Kind: "totp", ID: id, Content: s.asked().Message.Content}
	}
	yes("Ben", nil)
	yes("Cleo", signed("c"))
	want(t, s.orders())
	if waits := s.Waits("R1"); !strings.Contains(waits, "for 1 more to say yes; Cleo did") {
		t.Errorf("waits: %q", waits)
	}
	yes("Ben", signed("b"))
	want(t, s.orders(), "sell 300 SPY")
}

// TestExpiredWithAnOpenOrder: a step that gives up still waits for the orders that it has at the venue.
func TestExpiredWithAnOpenOrder(t *testing.T) {
	n := &node{}
	n.acts = []*act{{Intent: lifeboat.Intent{Key: "k", Act: lifeboat.PlaceOrder, Order: &lifeboat.Order{ID: "k"}}, receipt: lifeboat.Receipt{Status: lifeboat.Accepted}}}
	work := lastOfAll(func(*Player, time.Time, *run, *node) said { return over(failed(refused, "the yes has expired twice")) })
	if s := work(nil, time.Time{}, nil, n); s.out != nil || !strings.Contains(s.waits, "1 open order to end") {
		t.Errorf("with an order open: %+v", s)
	}
	n.acts[0].receipt.Status = lifeboat.Filled
	if s := work(nil, time.Time{}, nil, n); s.out == nil {
		t.Errorf("with none open: %+v", s)
	}
}
