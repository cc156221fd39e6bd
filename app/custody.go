package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/act/custody"
	"lifeboat/act/safe"
	"lifeboat/plan"
	"lifeboat/secret"
)

// Signatures gathers from a journal when each wallet last signed. The daemon that wrote it has verified them.
type Signatures map[common.Address]time.Time

// Apply one entry of the journal.
func (s Signatures) Apply(at time.Time, e lifeboat.Event) {
	if a, ok := e.(lifeboat.Answer); ok && a.Factor != nil && a.Factor.Kind == "wallet" {
		if wallet := common.HexToAddress(a.Factor.ID); at.After(s[wallet]) {
			s[wallet] = at
		}
	}
}

// safesMax is how long all Safes of a plan may take to be read.
const safesMax = 2 * time.Minute

// ReadSafes adds how each Safe of the plan stands on its chain. One that cannot be read does not hide the others: why is
// told with it.
func ReadSafes(ctx context.Context, p *plan.Plan, planDir string, allowExec []string, clock lifeboat.Clock, known *custody.Known) error {
	vault := &secret.Vault{Dir: planDir, Command: commandsOf(p, allowExec)}
	chains, err := OpenChains(ctx, p, vault, clock, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer chains.Close()
	ctx, cancel := context.WithTimeout(ctx, safesMax)
	defer cancel()
	known.Safes, known.Unread = map[string]safe.State{}, map[string]string{}
	for _, a := range p.Accounts {
		if a.Kind != "safe" {
			continue
		}
		reader, ok := chains[a.Chain]
		if !ok {
			known.Unread[a.Name] = "the account names no chain that the plan can reach"
			continue
		}
		state, err := safe.Read(ctx, reader, nil, common.HexToAddress(a.Address))
		if ctx.Err() != nil && context.Cause(ctx) == context.Canceled {
			return fmt.Errorf("read the Safe of %s: %w", a.Name, ctx.Err())
		}
		if err != nil {
			known.Unread[a.Name] = vault.Scrub(err.Error())
			continue
		}
		known.Safes[a.Name] = state
	}
	return nil
}
