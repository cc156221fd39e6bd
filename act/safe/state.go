package safe

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// State is how a Safe stands at one block.
type State struct {
	Safe           common.Address
	Block          chain.Block
	Version        string // of the contract: 1.4.1
	Owners         []common.Address
	Threshold      int
	Nonce          uint64           // of the next transaction
	Modules        []common.Address // each can do anything without the owners
	Guard          common.Address   // can stop every transaction; zero for none
	ModuleGuard    common.Address   // the same for those of modules, since 1.5.0
	Fallback       common.Address   // answers what the Safe does not
	Implementation common.Address   // whose code it runs
	// Code is the Keccak-256 of that code. It is read only when the address is none of [Implementations]: the same code may stand
	// elsewhere.
	Code common.Hash
}

// showsHash says how a contract that is an owner is asked for its signature.
func (s State) showsHash() bool { return !older(s.Version, 1, 5) }

// Slots of a Safe's storage. The code that it runs is the first word; the others are named by their hashes.
var (
	implementationSlot = make([]byte, 32)
	guardSlot          = crypto.Keccak256([]byte("guard_manager.guard.address"))
	moduleGuardSlot    = crypto.Keccak256([]byte("module_manager.module_guard.address"))
	fallbackSlot       = crypto.Keccak256([]byte("fallback_manager.handler.address"))
)

var (
	getOwners    = contract.New("getOwners() (address[])")
	getThreshold = contract.New("getThreshold() (uint256)")
	getNonce     = contract.New("nonce() (uint256)")
	getVersion   = contract.New("VERSION() (string)")
	getModules   = contract.New("getModulesPaginated(address,uint256) (address[],address)")
)

// Limits of what is believed of a Safe.
const (
	modulesPage  = 50
	modulesPages = 10
	ownersMax    = 256
)

// sentinel begins and ends a Safe's lists.
var sentinel = common.HexToAddress("0x1")

// Read says how a Safe stands at a block, nil for the newest that the nodes agree on.
func Read(ctx context.Context, r chain.Reader, at *chain.Block, safe common.Address) (State, error) {
	calls := []*contract.Method{getOwners, getThreshold, getNonce, getVersion}
	slots := [][]byte{implementationSlot, guardSlot, moduleGuardSlot, fallbackSlot}
	var queries []chain.Query
	for _, m := range calls {
		queries = append(queries, m.Query(safe))
	}
	queries = append(queries, getModules.Query(safe, sentinel, big.NewInt(modulesPage)))
	for _, slot := range slots {
		queries = append(queries, chain.Query{What: chain.Storage, To: safe, Data: slot})
	}
	answers, block, err := r.Read(ctx, at, queries)
	if err != nil {
		return State{}, fmt.Errorf("read the Safe: %w", err)
	}
	if len(answers) != len(queries) {
		return State{}, fmt.Errorf("read the Safe: %d questions got %d answers", len(queries), len(answers))
	}
	s := State{Safe: safe, Block: block}
	if err := s.take(calls, answers); err != nil {
		return State{}, fmt.Errorf("%s is no Safe that lifeboat can work with: %w", safe, err)
	}
	for i, into := range []*common.Address{&s.Implementation, &s.Guard, &s.ModuleGuard, &s.Fallback} {
		*into = common.BytesToAddress(answers[len(calls)+1+i].Data)
	}
	if older(s.Version, 1, 5) {
		s.ModuleGuard = common.Address{}
	}
	if s.Modules, err = modules(ctx, r, s.Block, safe, answers[len(calls)]); err != nil {
		return State{}, err
	}
	if _, known := deployed(Implementations, s.Implementation); !known {
		if s.Code, err = codeOf(ctx, r, &s.Block, s.Implementation); err != nil {
			return State{}, fmt.Errorf("read the code of the Safe %s: %w", safe, err)
		}
	}
	return s, nil
}

func codeOf(ctx context.Context, r chain.Reader, at *chain.Block, address common.Address) (common.Hash, error) {
	answers, _, err := r.Read(ctx, at, []chain.Query{{What: chain.Code, To: address}})
	if err != nil {
		return common.Hash{}, err
	}
	if len(answers) != 1 || answers[0].Err != nil {
		return common.Hash{}, errors.New("there is no answer")
	}
	return crypto.Keccak256Hash(answers[0].Data), nil
}

// Stands makes sure that a contract is there on the chain with the code that it should have. A delegate call to an address where nothing is
// succeeds, and does nothing.
func (d Deployment) Stands(ctx context.Context, r chain.Reader, at *chain.Block) error {
	switch code, err := codeOf(ctx, r, at, d.Address); {
	case err != nil:
		return fmt.Errorf("read the code of %s at %s: %w", d.Name, d.Address, err)
	case code == crypto.Keccak256Hash():
		return fmt.Errorf("%s %s is not at %s on this chain", d.Name, d.Version, d.Address)
	case code != d.Code:
		return fmt.Errorf("what is at %s is not %s %s: it has other code", d.Address, d.Name, d.Version)
	}
	return nil
}

// runsKnownCode says that the Safe's code is Safe's own, wherever it stands.
func (s State) runsKnownCode() bool {
	return slices.ContainsFunc(Implementations, func(d Deployment) bool {
		return d.Address == s.Implementation || s.Code != (common.Hash{}) && d.Code == s.Code
	})
}

// take reads the answers of the Safe's own methods.
func (s *State) take(calls []*contract.Method, answers []chain.Answer) error {
	threshold, nonce := new(big.Int), new(big.Int)
	for i, into := range []any{&s.Owners, &threshold, &nonce, &s.Version} {
		if answers[i].Err != nil {
			return fmt.Errorf("%s: %w", calls[i].Name(), answers[i].Err)
		}
		if err := calls[i].Scan(answers[i].Data, into); err != nil {
			return err
		}
	}
	switch {
	case older(s.Version, 1, 3):
		return fmt.Errorf("its version is %q, and what its owners sign is known from 1.3.0 on", printable(s.Version))
	case len(s.Owners) == 0 || len(s.Owners) > ownersMax:
		return fmt.Errorf("it has %d owners", len(s.Owners))
	case !threshold.IsInt64() || threshold.Int64() < 1 || threshold.Int64() > int64(len(s.Owners)):
		return fmt.Errorf("its threshold is %s of %d owners", threshold, len(s.Owners))
	case !nonce.IsUint64():
		return errors.New("its nonce is beyond all measure")
	}
	s.Threshold, s.Nonce = int(threshold.Int64()), nonce.Uint64()
	return nil
}

// modules follows the pages of a Safe's modules, or of a module's members, at one block.
func modules(ctx context.Context, r chain.Reader, at chain.Block, of common.Address, page chain.Answer) (all []common.Address, err error) {
	for range modulesPages {
		if page.Err != nil {
			return nil, fmt.Errorf("read the modules of %s: %w", of, page.Err)
		}
		var some []common.Address
		var next common.Address
		if err := getModules.Scan(page.Data, &some, &next); err != nil {
			return nil, fmt.Errorf("read the modules of %s: %w", of, err)
		}
		all = append(all, some...)
		if next == sentinel || next == (common.Address{}) {
			return all, nil
		}
		// A page starts after the module that is named. Older Safes name the first one of the next page, which would then be in neither.
		if !slices.Contains(all, next) {
			all = append(all, next)
		}
		answers, _, err := r.Read(ctx, &at, []chain.Query{getModules.Query(of, next, big.NewInt(modulesPage))})
		if err != nil {
			return nil, fmt.Errorf("read the modules of %s: %w", of, err)
		}
		page = answers[0]
	}
	return nil, fmt.Errorf("%s has more than %d modules", of, modulesPage*modulesPages)
}

// older compares a version such as 1.4.1 with one by its first two numbers. What is no version is older than all.
func older(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return true
	}
	a, errA := strconv.Atoi(parts[0])
	b, errB := strconv.Atoi(parts[1])
	return errA != nil || errB != nil || a < major || a == major && b < minor
}

// Policy is how the owner wants a Safe to be. What is empty is not looked at, other than modules and guards: those that are not
// named here are findings.
type Policy struct {
	Owners          []common.Address // exactly these, in any order
	ThresholdMin    int
	Modules         []common.Address
	Guards          []common.Address
	Implementations []common.Address // besides [Implementations]
	Fallbacks       []common.Address // besides Safe's own handlers
	Spares          []common.Address // that may have taken an owner's place
	Names           Names
}

// Finding is something that is not as it should be.
type Finding struct {
	Urgent bool // whoever it is about can take the Safe, or has it already
	Text   string
}

// Findings hold a Safe to its owner's policy.
func (s State) Findings(p Policy) (found []Finding) {
	add := func(urgent bool, format string, arguments ...any) {
		found = append(found, Finding{urgent, fmt.Sprintf(format, arguments...)})
	}
	if !s.runsKnownCode() && !slices.Contains(p.Implementations, s.Implementation) {
		add(true, "the Safe runs code of %s, which is no Safe contract that is known here: whoever wrote that code may have the Safe", p.Names.of(s.Implementation))
	}
	if len(p.Owners) > 0 {
		for _, a := range s.Owners {
			switch {
			case slices.Contains(p.Owners, a):
			case slices.Contains(p.Spares, a):
				add(false, "%s, which the plan keeps as a spare, is an owner of the Safe: write it under signers, in the place of the one that it replaced", p.Names.of(a))
			default:
				add(true, "%s is an owner of the Safe, and not by the plan", p.Names.of(a))
			}
		}
		for _, a := range p.Owners {
			if !slices.Contains(s.Owners, a) {
				add(false, "%s should be an owner of the Safe and is none", p.Names.of(a))
			}
		}
	}
	if s.Threshold < p.ThresholdMin {
		add(true, "%d of %d owners are enough to move the Safe, and the plan wants %d at least", s.Threshold, len(s.Owners), p.ThresholdMin)
	}
	if len(s.Owners) > 1 && s.Threshold == len(s.Owners) {
		add(false, "all %d owners have to sign: one lost key locks the Safe for ever", len(s.Owners))
	}
	for _, m := range s.Modules {
		if !slices.Contains(p.Modules, m) {
			add(true, "the module %s can do anything with the Safe without its owners, and is not in the plan", p.Names.of(m))
		}
	}
	for _, m := range p.Modules {
		if !slices.Contains(s.Modules, m) {
			add(false, "the module %s is in the plan and not enabled: what was permitted by it cannot be done", p.Names.of(m))
		}
	}
	for _, guard := range []common.Address{s.Guard, s.ModuleGuard} {
		if guard != (common.Address{}) && !slices.Contains(p.Guards, guard) {
			add(true, "the guard %s can stop transactions of the Safe, and is not in the plan", p.Names.of(guard))
		}
	}
	if _, known := deployed(fallbackHandlers, s.Fallback); !known && s.Fallback != (common.Address{}) && !slices.Contains(p.Fallbacks, s.Fallback) {
		add(true, "%s answers for the Safe, is none of Safe's handlers and not in the plan: it may vouch for signatures that no owner made", p.Names.of(s.Fallback))
	}
	return found
}
