package plan

import (
	"fmt"
	"slices"
)

// WithdrawOrder is a withdrawal with the names in it resolved to what stands behind them. It is what both of its tasks are
// told, so that the journal and whoever says yes see the address, and a later edit of the plan changes nothing of it.
type WithdrawOrder struct {
	Withdraw
	Address string `json:"address"` // of the account that receives
}

// WithdrawOrder resolves a withdrawal by the plan in force. What a checked plan says can always be resolved; a step of an
// older plan may name what there is no more.
func (p *Plan) WithdrawOrder(w Withdraw) (WithdrawOrder, error) {
	to, known := p.Account(w.To)
	if !known || to.Address == "" {
		return WithdrawOrder{}, fmt.Errorf("the plan no longer has an account %q with an address", w.To)
	}
	return WithdrawOrder{w, to.Address}, nil
}

// Withdrawals are all that the playbooks and the canaries of the plan may make; in a for_each, those for every holding.
func (p *Plan) Withdrawals() []Withdraw {
	var all []Withdraw
	var collect func(s Step)
	collect = func(s Step) {
		if s.Withdraw != nil {
			all = append(all, *s.Withdraw)
		}
		if s.ForEach != nil {
			for _, h := range p.Holdings {
				Walk(s.ForEach.For(h.Symbol, h.Account), collect)
			}
		}
	}
	for _, b := range p.Playbooks {
		Walk(b.Steps, collect)
	}
	for _, a := range p.Accounts {
		if a.Canary != nil {
			all = append(all, a.Canary.withdraw(a.Name))
		}
	}
	return all
}

// Withdraws are the venues that let lifeboat withdraw; paper moves it here.
var Withdraws = []string{"paper", "binance", "coinbase"}

// checkWithdraws holds every withdrawal to what its venue and its destination permit.
func (d *decoder) checkWithdraws(p *Plan) {
	for i, b := range p.Playbooks {
		walkPaths(fmt.Sprintf("playbooks[%d].steps", i), b.Steps, func(path string, s Step) {
			if path += ".withdraw"; s.Withdraw != nil && !d.bad[path] {
				d.checkWithdraw(p, path, *s.Withdraw)
			}
		})
	}
}

func (d *decoder) checkWithdraw(p *Plan, path string, w Withdraw) {
	from, known := p.Account(w.Account)
	to, received := p.Account(w.To)
	switch {
	case !known: // which is told already, or is a name that a for_each puts there
	case from.Venue == "manual" || from.Venue == "":
		d.faultAt(path+".account", fmt.Sprintf("%s is acted on by people only; write a manual step, or give it a venue", from.Name), "")
	case !slices.Contains(Withdraws, from.Venue):
		d.faultAt(path+".account", fmt.Sprintf("venue: %s has no withdrawals that lifeboat can ask for; write a manual step", from.Venue), "")
	}
	switch {
	case !received:
	case w.To == w.Account:
		d.faultAt(path+".to", "what leaves an account arrives in another one", "")
	case to.Address == "":
		d.faultAt(path+".to", fmt.Sprintf("%s has no address: write address: beside the account; nothing is sent anywhere else", to.Name), "")
	}
	switch sized := !w.Amount.IsZero(); {
	case sized && w.Fraction != 0:
		d.faultAt(path+".fraction", "an amount and a fraction: write one of them", "")
	case !sized && w.Fraction == 0:
		d.faultAt(path, "how much? write amount: in units, or fraction: of what is free", "fraction: 100%")
	case w.Amount.IsNegative() || w.Fraction < 0 || w.Fraction > 1:
		d.faultAt(path, "what is withdrawn is more than nothing, and at most all of it", "")
	}
}
