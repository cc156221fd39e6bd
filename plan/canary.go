package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
)

// Canary is a tiny withdrawal that is made at set times, from one account of the owner's to another.
type Canary struct {
	Symbol  string          `json:"symbol" plan:"required,to=symbol"` // what is sent
	Amount  decimal.Decimal `json:"amount" plan:"required"`           // units that leave each time, the venue's fee among them
	To      string          `json:"to" plan:"required,to=account"`    // the account that receives; its address is where it goes
	Network string          `json:"network" plan:"required"`          // as the venue calls the chain: ETH, ARBITRUM, BTC
	Tag     string          `json:"tag,omitempty"`                    // memo or destination tag, where the address wants one
	Every   Duration        `json:"every,omitempty"`                  // between the beginnings of two trials; 1d when absent
	Limit   Duration        `json:"limit,omitempty"`                  // after how long one that has not ended is late; 2h when absent
	Slow    float64         `json:"slow,omitempty"`                   // how many times the median makes one slow; 3 when absent
}

// TrialTask is the kind of the task by which a canary makes a trial.
const TrialTask = "canary"

// latencyOf begins the name of the series of a canary.
const latencyOf = "exit_latency."

// Canary reports the series that says how long money takes to leave an account. Every account with a canary brings it by itself.
func (f Feed) Canary() bool { return f.Account != "" && f.Series == latencyOf+f.Account }

// Trial is the task that the canary of an account permits, word for word: this amount to this address. False without a canary.
func (p *Plan) Trial(account string) (lifeboat.Task, bool) {
	a, known := p.Account(account)
	if !known || a.Canary == nil {
		return lifeboat.Task{}, false
	}
	order, err := p.WithdrawOrder(a.Canary.withdraw(account))
	if err != nil {
		return lifeboat.Task{}, false
	}
	spec, err := json.Marshal(order)
	if err != nil {
		panic(err) // its types always marshal
	}
	return lifeboat.Task{Kind: TrialTask, Spec: spec}, true
}

func (c Canary) withdraw(account string) Withdraw {
	return Withdraw{Account: account, Symbol: c.Symbol, Amount: c.Amount, To: c.To, Network: c.Network, Tag: c.Tag}
}

func (c *Canary) complete() {
	if c == nil {
		return
	}
	fill(&c.Every, Duration(24*time.Hour))
	fill(&c.Limit, Duration(2*time.Hour))
	fill(&c.Slow, 3)
}

const (
	trialEveryMin = time.Hour // venues limit withdrawals, and each costs a fee
	trialLimitMax = 24 * time.Hour
)

// checkCanaries holds every canary to what a withdrawal needs, and to a pace that a venue bears.
func (d *decoder) checkCanaries(p *Plan) {
	for i, a := range p.Accounts {
		path := fmt.Sprintf("accounts[%d].canary", i)
		if a.Canary == nil || d.bad[path] {
			continue
		}
		c := a.Canary
		if !a.Remote() && slices.Contains(Withdraws, a.Venue) {
			d.faultAt(path, fmt.Sprintf("%s is simulated here, so there is nothing to measure; a canary is for an account at a real venue", a.Name), "")
		}
		d.checkWithdraw(p, path, c.withdraw(a.Name))
		switch {
		case time.Duration(c.Every) < trialEveryMin:
			d.faultAt(path+".every", fmt.Sprintf("every %s is too often: a venue limits withdrawals, and each costs its fee; write 1h or more", time.Duration(c.Every)), "every: 1d")
		case c.Limit <= 0 || time.Duration(c.Limit) > trialLimitMax:
			d.faultAt(path+".limit", "a trial is late after some time, and at the latest after 24h", "limit: 2h")
		case !(c.Slow > 1):
			d.faultAt(path+".slow", "slow is how many times the median makes a trial slow; it is more than 1", "slow: 3")
		}
	}
}
