package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/plan"
	"lifeboat/secret"
	"lifeboat/serve/api"
)

// Chains are the EVM chains of a plan, opened, by their names in it.
type Chains map[string]*chain.Chain

// OpenChains opens the way to each EVM chain of a plan. The addresses of nodes are read now, because they hold keys; nothing is asked yet.
func OpenChains(ctx context.Context, p *plan.Plan, vault *secret.Vault, clock lifeboat.Clock, log *slog.Logger) (Chains, error) {
	chains := Chains{}
	for _, x := range p.Dependencies {
		if !x.EVM() {
			continue
		}
		one, err := openOne(ctx, x, vault, clock, log)
		if err != nil {
			chains.Close()
			return nil, err
		}
		maps.Copy(chains, one)
	}
	return chains, nil
}

// openOne opens the way to one EVM chain.
func openOne(ctx context.Context, x plan.Dependency, vault *secret.Vault, clock lifeboat.Clock, log *slog.Logger) (Chains, error) {
	opened, err := openChain(ctx, x, vault, clock, log)
	if err != nil {
		return nil, &lifeboat.Problem{Reason: "chain-unusable", What: fmt.Sprintf("the chain %s cannot be reached: %s", x.Name, vault.Scrub(err.Error())),
			Money: "nothing was sent", Next: "give lifeboat that, or have nodes: under chain: of " + x.Name + " name another in the plan", Err: err}
	}
	return Chains{x.Name: opened}, nil
}

func openChain(ctx context.Context, x plan.Dependency, vault *secret.Vault, clock lifeboat.Clock, log *slog.Logger) (*chain.Chain, error) {
	ctx, cancel := context.WithTimeout(ctx, secretMax)
	defer cancel()
	c := chain.Config{ID: uint64(x.Chain.ID), Network: chain.Network{Name: x.Name}, Quorum: x.Chain.Quorum, Clock: clock, Log: log, Scrub: vault.Scrub}
	for i, text := range x.Chain.Nodes {
		url, err := nodeAt(ctx, vault, fmt.Sprintf("nodes[%d]", i), text)
		if err != nil {
			return nil, err
		}
		c.Nodes = append(c.Nodes, chain.Node{URL: url, PerSecond: float64(x.Chain.PerSecond)})
	}
	if x.Chain.Private != "" {
		url, err := nodeAt(ctx, vault, "private", x.Chain.Private)
		if err != nil {
			return nil, err
		}
		c.Nodes = append(c.Nodes, chain.Node{URL: url, Private: true})
	}
	return chain.New(c)
}

// nodeAt is the address of a node, however it is referred to, held to what the plan holds one to that is written out.
func nodeAt(ctx context.Context, vault *secret.Vault, name, text string) (string, error) {
	url, err := vault.Address(ctx, text)
	if err != nil {
		return "", err
	}
	if err := plan.NodeURL(url); err != nil {
		return "", fmt.Errorf("%s %w", name, err)
	}
	return url, nil
}

// Close cuts the connections.
func (c Chains) Close() {
	for _, name := range sorted(c) {
		_ = c[name].Close()
	}
}

// tell puts the nodes on the status page.
func (c Chains) tell(s *api.Status) {
	for _, name := range sorted(c) {
		for _, n := range c[name].Health() {
			s.Nodes = append(s.Nodes, api.Node{Chain: name, Host: n.Host, Private: n.Private, Head: n.Head, Lag: n.Lag,
				Disagreements: n.Disagreements, Disagreed: n.Disagreed, Problem: n.Out})
		}
	}
}
