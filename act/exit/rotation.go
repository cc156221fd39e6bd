package exit

import (
	"context"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/act/safe"
	"lifeboat/chain"
	"lifeboat/chain/contract"
	"lifeboat/chain/protocol"
	"lifeboat/plan"
	"lifeboat/prose"
)

// rotation is the way out of a stolen key's reach: it changes who can act for a Safe, and moves nothing. What it asks for is in the
// order, which names each address; an owner is replaced by the spare that was written down beforehand and by nobody else.
type rotation struct{ plan.ExitOrder }

// What a Safe and a Roles module say of who can act for them.
var (
	isOwner      = contract.New("isOwner(address) (bool)")
	isEnabled    = contract.New("isModuleEnabled(address) (bool)")
	getThreshold = contract.New("getThreshold() (uint256)")
	getOwners    = contract.New("getOwners() (address[])")
)

// Name of what is changed.
func (r rotation) Name() string { return "the keys of " + r.Account }

// Exit plans the calls, and what has to be true of owners, threshold and modules afterwards.
func (r rotation) Exit(ctx context.Context, from chain.Reader, at *chain.Block, wallet common.Address, _ ...protocol.Ask) (protocol.Plan, error) {
	state, err := safe.Read(ctx, from, at, wallet)
	if err != nil {
		return protocol.Plan{}, err
	}
	p := protocol.Plan{Block: state.Block}
	for _, do := range r.Do {
		switch do {
		case "replace-owner":
			err = r.replace(&p, state)
		case "revoke-role":
			err = r.expel(ctx, from, &p, state)
		case "disable-module":
			err = r.disable(&p, state)
		default:
			err = fmt.Errorf("%s is no change of keys", do)
		}
		if err != nil {
			return p, err
		}
	}
	if len(p.Calls) == 0 {
		return p, protocol.ErrNothingToDo
	}
	p.Notes = append(p.Notes, "whatever else was signed for the same nonce of the Safe is worthless afterwards")
	return p, nil
}

func (r rotation) replace(p *protocol.Plan, state safe.State) error {
	owner, spare, _ := r.KeyRules()
	if !slices.Contains(state.Owners, owner) && slices.Contains(state.Owners, spare) {
		return nil // it was done already
	}
	step, err := state.Replace(owner, spare)
	if err != nil {
		return err
	}
	does(p, step, fmt.Sprintf("put %s in the place of %s, which is no owner of the Safe any more", r.named(spare), r.named(owner)))
	afterwards(p, isOwner.Query(state.Safe, owner), 0, 0, fmt.Sprintf("%s is no owner", r.named(owner)))
	afterwards(p, isOwner.Query(state.Safe, spare), 0, 1, fmt.Sprintf("%s is an owner", r.named(spare)))
	afterwards(p, getThreshold.Query(state.Safe), 0, int64(state.Threshold), fmt.Sprintf("%s have to sign, as before", prose.Count(state.Threshold, "owner")))
	afterwards(p, getOwners.Query(state.Safe), 1, int64(len(state.Owners)), fmt.Sprintf("there are %s, as before", prose.Count(len(state.Owners), "owner")))
	p.Notes = append(p.Notes, fmt.Sprintf("signatures of %s that are kept for other transactions count no more; those kits have to be signed anew", r.named(owner)))
	return nil
}

func (r rotation) expel(ctx context.Context, from chain.Reader, p *protocol.Plan, state safe.State) error {
	module, bot := common.HexToAddress(r.Keys.Module), common.HexToAddress(r.Keys.Bot)
	step, err := state.Expel(ctx, from, module, bot)
	if err != nil || step == nil {
		return err
	}
	does(p, *step, fmt.Sprintf("lock %s out of %s, whatever roles it has there", r.named(bot), r.named(module)))
	afterwards(p, isEnabled.Query(module, bot), 0, 0, fmt.Sprintf("%s takes no orders from %s", r.named(module), r.named(bot)))
	p.Notes = append(p.Notes, "exits via: role cannot be carried out until another bot has the role")
	return nil
}

func (r rotation) disable(p *protocol.Plan, state safe.State) error {
	module := common.HexToAddress(r.Keys.Module)
	if !slices.Contains(state.Modules, module) {
		return nil
	}
	step, err := state.Disable(module)
	if err != nil {
		return err
	}
	does(p, step, fmt.Sprintf("take %s away from the Safe: nobody acts by a role any more", r.named(module)))
	afterwards(p, isEnabled.Query(state.Safe, module), 0, 0, fmt.Sprintf("%s can do nothing with the Safe", r.named(module)))
	p.Notes = append(p.Notes, "exits via: role cannot be carried out until the module is enabled again")
	return nil
}

// named is an address with whose it is.
func (r rotation) named(a common.Address) string {
	for address, name := range r.Keys.Names {
		if common.HexToAddress(address) == a {
			return fmt.Sprintf("%s (%s)", name, a)
		}
	}
	return a.String()
}

func does(p *protocol.Plan, s safe.Step, words string) {
	p.Calls = append(p.Calls, protocol.Call{To: s.To, Data: s.Data, Words: words})
}

func afterwards(p *protocol.Plan, q chain.Query, word int, want int64, words string) {
	p.Must = append(p.Must, protocol.Condition{Query: q, Word: word, Compare: protocol.Equal, Want: big.NewInt(want), Words: words})
}
