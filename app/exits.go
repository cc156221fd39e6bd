package app

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"lifeboat"
	"lifeboat/act/exit"
	"lifeboat/act/sign"
	"lifeboat/act/task"
	"lifeboat/chain"
	"lifeboat/chain/protocol"
	"lifeboat/plan"
	"lifeboat/secret"
	"lifeboat/watch/feed/evm"
)

// Exits from the chains of a plan: who plans and sends them.
type Exits struct {
	Desks map[string]*exit.Desk // :: chain of the plan → the desk there
	Kits  *exit.Kits            // that were signed beforehand

	plan   *plan.Plan
	chains Chains
	clock  lifeboat.Clock
	dir    string // where it is kept what is on its way
	scrub  func(string) string
}

// ExitOptions say for whom exits are opened.
type ExitOptions struct {
	Plan    *plan.Plan
	Chains  Chains
	Vault   *secret.Vault
	Clock   lifeboat.Clock
	DataDir string
	// Unsigned opens no key: exits can be planned and tried, and nothing can be sent.
	Unsigned bool
	// Fence fails when another lifeboat has taken over. An exit may wait for hours, so it is asked before each transaction is signed.
	Fence func() error
}

// OpenExits opens a desk for each chain on which the plan has a Safe that acts. The keys that pay for gas are opened now, so that one
// that is not there is told at the start, and not in the night when it is wanted.
func OpenExits(ctx context.Context, o ExitOptions) (*Exits, error) {
	e := &Exits{Desks: map[string]*exit.Desk{}, plan: o.Plan, chains: o.Chains, clock: o.Clock, dir: o.DataDir, scrub: o.Vault.Scrub}
	unusable := func(what string, err error, next string) error {
		return &lifeboat.Problem{Reason: "chain-unusable", What: what + ": " + o.Vault.Scrub(err.Error()), Money: "nothing was sent", Next: next, Err: err}
	}
	var err error
	if e.Kits, err = exit.OpenKits(o.DataDir); err != nil {
		return nil, unusable("exits that were signed beforehand cannot be kept", err, "mend the rights or the disk, then start again")
	}
	for _, name := range sorted(o.Chains) {
		signers, err := o.signersOn(ctx, name)
		if err != nil {
			return nil, unusable("a key that pays for gas on "+name+" cannot be used", err, "mend safe: of the account")
		}
		if len(signers) == 0 {
			continue
		}
		x, _ := o.Plan.Chained(name)
		relay, err := o.relayOf(ctx, x.Chain.Relay)
		if err != nil {
			return nil, unusable("the relay of "+name+" cannot be used", err, "mend relay: of the chain, or what it refers to")
		}
		network := o.Chains[name].Network()
		e.Desks[name], err = exit.Open(exit.Options{Chain: o.Chains[name], Name: name, Symbol: network.Symbol, Policy: policyOf(*x.Chain, network),
			Signers: signers, Relay: relay, Token: tokensOn(ctx, o.Plan, name, o.Chains[name]), Clock: o.Clock, Dir: o.DataDir})
		if err != nil {
			return nil, unusable("exits on "+name+" cannot be noted", err, "mend the rights or the disk, then start again")
		}
	}
	return e, nil
}

// signersOn a chain are the keys of its Safes' relayers and bots.
func (o ExitOptions) signersOn(ctx context.Context, name string) (map[common.Address]exit.Signer, error) {
	ctx, cancel := context.WithTimeout(ctx, secretMax)
	defer cancel()
	signers := map[common.Address]exit.Signer{}
	for _, a := range o.Plan.AccountsOn(name) {
		for _, key := range a.Payers() {
			address := common.HexToAddress(key.Address)
			if o.Unsigned {
				signers[address] = unsigned{}
				continue
			}
			signer, err := sign.Open(ctx, *key, sign.Tools{Read: o.Vault.Read, Clock: o.Clock})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", a.Name, err)
			}
			signers[address] = fenced{signer, o.Fence}
		}
	}
	return signers, nil
}

// relayOf a chain, with the keys that its texts refer to; nil when the plan has none.
func (o ExitOptions) relayOf(ctx context.Context, r *plan.Relay) (*exit.Relay, error) {
	if r == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, secretMax)
	defer cancel()
	return exit.OpenRelay(*r, func(text string) (string, error) { return o.Vault.Address(ctx, text) }, o.Fence)
}

// fenced signs nothing after another lifeboat has taken over.
type fenced struct {
	exit.Signer
	fence func() error // nil never fails
}

func (f fenced) SignTx(ctx context.Context, tx *types.Transaction, id *big.Int) (*types.Transaction, error) {
	if f.fence != nil {
		if err := f.fence(); err != nil {
			return nil, err
		}
	}
	return f.Signer.SignTx(ctx, tx, id)
}

// unsigned stands for a key where nothing is sent.
type unsigned struct{}

func (unsigned) SignTx(context.Context, *types.Transaction, *big.Int) (*types.Transaction, error) {
	return nil, errors.New("nothing is signed here")
}

// privateBlocks is how long a private relay has a transaction to itself: about as long as one waits anyway before more is offered.
const privateBlocks = 3

// policyOf sending on a chain: what the owner says, and the rest by how fast its blocks come.
func policyOf(c plan.Chain, n chain.Network) exit.Policy {
	policy := exit.Policy{Confirmations: uint64(c.Confirmations), BumpAfter: max(3*n.BlockTime, 6*time.Second), Poll: min(max(n.BlockTime/4, 200*time.Millisecond), 2*time.Second)}
	if c.GasCeiling > 0 {
		policy.Ceiling = big.NewInt(int64(c.GasCeiling))
	}
	if c.UrgentCeiling > 0 {
		policy.UrgentCeiling = big.NewInt(int64(c.UrgentCeiling))
	}
	if c.Private != "" {
		policy.PrivateBlocks = privateBlocks
	}
	return policy
}

// tokensOn a chain says how the plan's tokens are counted. It is asked of the chain until the chain has answered once.
func tokensOn(ctx context.Context, p *plan.Plan, name string, c chain.Reader) func(common.Address) (string, uint8, bool) {
	known := &tokens{reader: c}
	for _, t := range p.Tokens(name) {
		if t.Address != "" {
			known.of = append(known.of, common.HexToAddress(t.Address))
		}
	}
	return func(a common.Address) (string, uint8, bool) { return known.find(ctx, a) }
}

// Worker performs the tasks of exits.
func (e *Exits) Worker() *exit.Worker {
	return &exit.Worker{Desk: func(chain string) *exit.Desk { return e.Desks[chain] }, Chain: e.chain, Sender: e.sender, Oracle: e.Oracle, Kits: e.Kits, Moved: e.moved, Paid: e.paid}
}

// chain of the plan, on which there may be no Safe that acts; nil where there is none.
func (e *Exits) chain(name string) chain.Sender {
	if c := e.chains[name]; c != nil {
		return c
	}
	return nil
}

// sender is whose key pays for an account's exits.
func (e *Exits) sender(account string, byRole bool) (common.Address, error) {
	a, _ := e.plan.Account(account)
	switch {
	case a.Safe == nil:
	case byRole && a.Safe.Roles != nil && a.Safe.Roles.Key != nil:
		return common.HexToAddress(a.Safe.Roles.Key.Address), nil
	case !byRole && a.Safe.Relayer != nil:
		return common.HexToAddress(a.Safe.Relayer.Address), nil
	}
	return common.Address{}, fmt.Errorf("the plan does not say who pays the gas of %s", account)
}

// Oracle is what a chain's price feeds of the plan say; nil when it has none.
func (e *Exits) Oracle(name string) protocol.Oracle { return evm.Of(e.plan, name).Oracle(name) }

// rehearsed plans and tries exits for real, and sends nothing.
type rehearsed struct{ *exit.Worker }

func (r rehearsed) Prepare(key lifeboat.Key, t lifeboat.Task) (task.Work, error) {
	work, err := r.Worker.Prepare(key, t)
	if err == nil && t.Kind == "exit-apply" {
		work.Do = func(context.Context, task.Progress) lifeboat.Receipt {
			return lifeboat.Receipt{Key: key, Status: lifeboat.Performed, Why: "rehearsed: it was planned and tried on the chain, and nothing was sent"}
		}
	}
	return work, err
}
