package app

import (
	"context"
	"fmt"
	"slices"

	"lifeboat"
	"lifeboat/act/exit"
	"lifeboat/act/task"
	"lifeboat/act/venue"
	"lifeboat/act/venue/paper"
	"lifeboat/act/withdraw"
	"lifeboat/plan"
	"lifeboat/secret"
)

// workers of the crew, by the kinds of tasks that they perform.
func (d *Daemon) workers() (map[string]task.Worker, error) {
	vault := d.vault() // here, because a worker is asked from other goroutines than that of the flow
	fence := func() error { return d.store.Fence() }
	desk := withdraw.New(withdraw.Options{Plan: d.DaemonOptions.Plan, Clock: d.Clock, Fence: fence,
		Open: func(ctx context.Context, a plan.Account) (venue.Withdrawer, string, error) {
			return d.openWithdrawer(ctx, a, vault)
		}})
	all := map[string]task.Worker{withdraw.Planning: desk, withdraw.Applying: desk, plan.TrialTask: desk}
	var err error
	d.exits, err = OpenExits(context.Background(), ExitOptions{Plan: d.DaemonOptions.Plan, Chains: d.chains, Vault: vault, Clock: d.Clock, DataDir: d.DataDir, Unsigned: d.Sandbox, Fence: fence})
	if err != nil {
		return nil, err
	}
	var way task.Worker = d.exits.Worker()
	if d.Sandbox {
		way = rehearsed{d.exits.Worker()}
	}
	for _, kind := range exit.Kinds {
		all[kind] = way
	}
	return all, nil
}

// openWithdrawer opens a way to a venue for withdrawals alone, beside that for orders: it has a key of its own where the plan
// names one, and what it waits for holds up no order. In a sandbox, and for an account on paper, it is simulated.
func (d *Daemon) openWithdrawer(ctx context.Context, a plan.Account, vault *secret.Vault) (venue.Withdrawer, string, error) {
	p := d.DaemonOptions.Plan
	if !a.Remote() || d.Sandbox {
		i := slices.IndexFunc(d.venues, func(v *paper.Venue) bool { return v.Account() == a.Name })
		if i < 0 {
			return nil, "", fmt.Errorf("the account %s is not simulated here", a.Name)
		}
		simulated := &withdraw.Simulated{Held: d.venues[i].Positions}
		simulated.Own(OwnAddresses(p, a.Name))
		return simulated, "a simulated venue", nil
	}
	if own := a.Connect.Withdraw; own != nil {
		connect := *a.Connect
		connect.Key, connect.Secret = own.Key, own.Secret
		a.Connect = &connect
	}
	v, name, err := Connect(ctx, p, a, vault, d.Clock, d.Log)
	if err != nil {
		return nil, name, err
	}
	w, can := v.(venue.Withdrawer)
	if !can {
		return nil, name, &lifeboat.Problem{Reason: "venue-unusable", What: fmt.Sprintf("lifeboat cannot withdraw from %s", name), Money: "nothing was withdrawn", Next: "write a manual step"}
	}
	w.Own(OwnAddresses(p, a.Name))
	return w, name, nil
}

// OwnAddresses are where withdrawals from an account may go: the addresses of the accounts that the plan's own withdraw steps
// and canaries name, and no others.
func OwnAddresses(p *plan.Plan, account string) []venue.Address {
	var own []venue.Address
	for _, w := range p.Withdrawals() {
		order, err := p.WithdrawOrder(w)
		to := venue.Address{Symbol: w.Symbol, Network: w.Network, Address: order.Address, Tag: w.Tag}
		if err == nil && w.Account == account && !slices.Contains(own, to) {
			own = append(own, to)
		}
	}
	return own
}
