package safe

import (
	"context"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// ownerOf a Roles module may change who is a member. Its list of members reads as a Safe's of modules.
var ownerOf = contract.New("owner() (address)")

// Replace is the call by which a spare takes an owner's place. Threshold and number of owners stay as they are.
func (s State) Replace(owner, spare common.Address) (Step, error) {
	before, listed := previous(s.Owners, owner)
	switch {
	case !listed:
		return Step{}, fmt.Errorf("%s is no owner of the Safe", owner)
	case slices.Contains(s.Owners, spare):
		return Step{}, fmt.Errorf("%s is an owner of the Safe already, and nobody is one twice", spare)
	case spare == (common.Address{}) || spare == sentinel || spare == s.Safe:
		return Step{}, fmt.Errorf("%s can be no owner", spare)
	}
	return Step{To: s.Safe, Data: swapOwner.Pack(before, owner, spare)}, nil
}

// Disable is the call that takes a module away from the Safe.
func (s State) Disable(module common.Address) (Step, error) {
	before, listed := previous(s.Modules, module)
	if !listed {
		return Step{}, fmt.Errorf("%s is no module of the Safe", module)
	}
	return Step{To: s.Safe, Data: disableModule.Pack(before, module)}, nil
}

// Expel is the call of the Safe that locks a member out of a Roles module, whatever roles it has there. Without a call it is no member
// already.
func (s State) Expel(ctx context.Context, r chain.Reader, module, member common.Address) (*Step, error) {
	answers, _, err := r.Read(ctx, &s.Block, []chain.Query{ownerOf.Query(module), getModules.Query(module, sentinel, big.NewInt(modulesPage))})
	if err != nil {
		return nil, fmt.Errorf("read the module %s: %w", module, err)
	}
	var master common.Address
	if err := answers[0].Err; err != nil {
		return nil, fmt.Errorf("%s does not say who may change it: %w", module, err)
	}
	if err := ownerOf.Scan(answers[0].Data, &master); err != nil {
		return nil, err
	}
	if master != s.Safe {
		return nil, fmt.Errorf("the module %s is %s's to change, not the Safe's: the Safe can only disable it", module, master)
	}
	members, err := modules(ctx, r, s.Block, module, answers[1])
	if err != nil {
		return nil, err
	}
	before, listed := previous(members, member)
	if !listed {
		return nil, nil
	}
	return &Step{To: module, Data: disableModule.Pack(before, member)}, nil
}

// previous finds what comes before an entry in a list as Safes keep them, each entry naming the one after it.
func previous(list []common.Address, entry common.Address) (common.Address, bool) {
	switch i := slices.Index(list, entry); i {
	case -1:
		return common.Address{}, false
	case 0:
		return sentinel, true
	default:
		return list[i-1], true
	}
}
