package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/chain"
	"lifeboat/custodian"
	"lifeboat/plan"
	"lifeboat/prose"
	"lifeboat/secret"
)

// Sync asks the venue of one account, or the chain on which it is, what it holds, without a daemon. Nothing is placed, cancelled or written.
func Sync(ctx context.Context, p *plan.Plan, planDir string, allowExec []string, a plan.Account, clock lifeboat.Clock) (lifeboat.Statement, error) {
	vault := &secret.Vault{Dir: planDir, Command: commandsOf(p, allowExec)}
	if a.OnChain() {
		var s lifeboat.Statement
		err := askChain(ctx, p, a, vault, clock, func(ctx context.Context, c *custodian.Custodian) (err error) {
			s, err = c.State(ctx, clock.Now())
			return err
		})
		return s, err
	}
	v, name, err := Connect(ctx, p, a, vault, clock, slog.New(slog.DiscardHandler))
	if err != nil {
		return lifeboat.Statement{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, syncMax)
	defer cancel()
	stater, can := v.(venue.Stater)
	if !can {
		return lifeboat.Statement{}, fmt.Errorf("%s does not say what an account holds", name)
	}
	s, err := stater.State(ctx, clock.Now())
	if err != nil {
		return s, &lifeboat.Problem{Reason: "venue-down", What: fmt.Sprintf("the account %s could not be compared: %s", a.Name, vault.Scrub(err.Error())),
			Money: "nothing was changed", Next: "try again; with a wrong key, mend connect: of the account", Err: err}
	}
	return s, nil
}

// Transfer is what came to or went from an account on a chain.
type Transfer = custodian.Transfer

// Transfers are the last ones of an account on a chain, newest first, for people to look at.
func Transfers(ctx context.Context, p *plan.Plan, planDir string, allowExec []string, a plan.Account, clock lifeboat.Clock, limit int) (all []Transfer, err error) {
	vault := &secret.Vault{Dir: planDir, Command: commandsOf(p, allowExec)}
	err = askChain(ctx, p, a, vault, clock, func(ctx context.Context, c *custodian.Custodian) (err error) {
		all, err = c.Transfers(ctx, limit)
		return err
	})
	return all, err
}

// askChain opens the way to the chain of an account, for one question.
func askChain(ctx context.Context, p *plan.Plan, a plan.Account, vault *secret.Vault, clock lifeboat.Clock, ask func(context.Context, *custodian.Custodian) error) error {
	ctx, cancel := context.WithTimeout(ctx, syncMax)
	defer cancel()
	x, _ := p.Chained(a.Chain)
	var opened *chain.Chain
	if x.EVM() {
		chains, err := openOne(ctx, x, vault, clock, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		defer chains.Close()
		opened = chains[x.Name]
	}
	c, err := openCustodian(ctx, p, a, opened, newServers(clock), vault, clock)
	if err != nil {
		return err
	}
	if err := ask(ctx, c); err != nil {
		return &lifeboat.Problem{Reason: "chain-down", What: fmt.Sprintf("nothing was learnt of the account %s: %s", a.Name, vault.Scrub(err.Error())),
			Money: "nothing was changed", Next: "try again; with a wrong address or node, mend the account or chain: of the dependency", Err: err}
	}
	return nil
}

// syncMax is how long a venue or a chain may take to say what an account holds.
const syncMax = time.Minute

// StatedAccount finds an account of which a venue or a chain says what it holds, by its name.
func StatedAccount(p *plan.Plan, name string) (plan.Account, error) {
	var names []string
	for _, a := range StatedAccounts(p) {
		if a.Name == name {
			return a, nil
		}
	}
	for _, a := range p.Accounts {
		names = append(names, a.Name)
	}
	if a, known := p.Account(name); known {
		what := fmt.Sprintf("the account %s has no venue that could be asked (venue: %s)", name, a.Venue)
		if a.OnChain() {
			what = fmt.Sprintf("the account %s is on %s, and the plan registers nothing in it that could be asked for", name, a.Chain)
		}
		return a, &lifeboat.Problem{Reason: "not-found", What: what, Next: "lifeboat import reads a file of its custodian; a wallet can be asked after once it has chain and address"}
	}
	what := fmt.Sprintf("the plan has no account %q", name)
	if near := prose.Nearest(name, names); near != "" {
		what += fmt.Sprintf("; did you mean %q?", near)
	}
	return plan.Account{}, &lifeboat.Problem{Reason: "not-found", What: what}
}

// StatedAccounts are those of which a venue or a chain says what they hold.
func StatedAccounts(p *plan.Plan) []plan.Account {
	on := chainsOf(p)
	return slices.DeleteFunc(slices.Clone(p.Accounts), func(a plan.Account) bool { return !a.Remote() && on[a.Name] == "" })
}
