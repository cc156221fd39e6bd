package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/plan"
	"lifeboat/prose"
	"lifeboat/secret"
)

// Sync asks the venue of one account what it holds, without a daemon. Nothing is placed, cancelled or written.
func Sync(ctx context.Context, p *plan.Plan, planDir string, allowExec []string, a plan.Account, clock lifeboat.Clock) (lifeboat.Statement, error) {
	vault := &secret.Vault{Dir: planDir, Command: commandsOf(p, allowExec)}
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

// syncMax is how long a venue may take to say what an account holds.
const syncMax = time.Minute

// RemoteAccount finds an account at a real venue by its name.
func RemoteAccount(p *plan.Plan, name string) (plan.Account, error) {
	var names []string
	for _, a := range p.Accounts {
		if a.Name == name && a.Remote() {
			return a, nil
		}
		names = append(names, a.Name)
	}
	if a, known := p.Account(name); known {
		return a, &lifeboat.Problem{Reason: "not-found", What: fmt.Sprintf("the account %s has no venue that could be asked (venue: %s)", name, a.Venue),
			Next: "lifeboat import reads a file of its custodian"}
	}
	what := fmt.Sprintf("the plan has no account %q", name)
	if near := prose.Nearest(name, names); near != "" {
		what += fmt.Sprintf("; did you mean %q?", near)
	}
	return plan.Account{}, &lifeboat.Problem{Reason: "not-found", What: what}
}
