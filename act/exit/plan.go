package exit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat/act/safe"
	"lifeboat/chain"
	"lifeboat/chain/protocol"
)

// Order is what is to be done, every name resolved to what stands behind it on the chain.
type Order struct {
	What    string // in one phrase, for people
	Safe    common.Address
	Account string // the Safe's name in the plan
	// Way knows the calls; Asks are what it is asked for, in order.
	Way  protocol.Exiter
	Asks []protocol.Ask
	// Sender pays the gas: the relayer, or the key that carries the role. Desk.Signers has it.
	Sender common.Address
	// Role by which the sender may act without the owners; nil when they sign.
	Role *Role
	// Own are the addresses of the plan. Value leaves for these and for contracts of the protocol, and for no others.
	Own map[common.Address]string
	// Names are whose other addresses are, for people.
	Names map[common.Address]string
	// Rules of what the Safe may do besides the ordinary, and Batch, the contract that makes many calls one; Safe's own when zero.
	Rules safe.Rules
	Batch common.Address
	// Nonce of the Safe that the transaction is for; the next one when nil.
	Nonce  *uint64
	Urgent bool
	// Unproven permits an exit of which nobody could try beforehand how it ends, because no node simulates.
	Unproven bool
}

// Role is a role in a Zodiac Roles module of the Safe.
type Role struct {
	Module common.Address `json:"module"`
	Name   string         `json:"name"`
}

// Prepared is an exit that was worked out and tried. It is what people are shown, what they sign, and all that [Desk.Apply] needs.
type Prepared struct {
	What      string                    `json:"what"`
	Account   string                    `json:"account"`
	Tx        safe.Tx                   `json:"tx"`             // what the Safe does; by a role its nonce counts for nothing
	Role      *Role                     `json:"role,omitempty"` // nil when owners sign
	Hash      common.Hash               `json:"hash"`           // the safeTxHash, or what tells one call by a role from another
	Threshold int                       `json:"threshold"`      // how many owners must sign; 0 by a role
	Sender    common.Address            `json:"sender"`
	Urgent    bool                      `json:"urgent,omitempty"`
	Unproven  bool                      `json:"unproven,omitempty"` // it may be sent though nobody could try how it ends
	Must      []protocol.Condition      `json:"must,omitempty"`
	Tells     []protocol.Event          `json:"tells,omitempty"`    // what contracts have to tell of
	BaseMax   *big.Int                  `json:"base_max,omitempty"` // base fee up to which it goes through; nil is any
	Own       map[common.Address]string `json:"own"`                // the Safe and the other addresses of the plan
	Known     []common.Address          `json:"known"`              // contracts of the protocol
	Names     map[common.Address]string `json:"names,omitempty"`
	At        time.Time                 `json:"at"`
	Block     chain.Block               `json:"block"` // that everything was read and tried at
	Gas       uint64                    `json:"gas,omitempty"`
	Words     []string                  `json:"-"` // what is shown to people
}

// allowed says whether value may go to an address.
func (p Prepared) allowed(to common.Address) bool {
	_, own := p.Own[to]
	return own || slices.Contains(p.Known, to)
}

// Plan works out an exit and tries it. It changes nothing. What it returns is what will be done; an error says why it must not be,
// and [protocol.ErrNothingToDo] that it is done already.
func (d *Desk) Plan(ctx context.Context, o Order) (Prepared, error) {
	if d.Signers[o.Sender] == nil {
		return Prepared{}, fmt.Errorf("nobody here holds the key of %s, which is to pay the gas", o.Sender.Hex())
	}
	state, err := safe.Read(ctx, d.Chain, nil, o.Safe)
	if err != nil {
		return Prepared{}, err
	}
	way, err := o.Way.Exit(ctx, d.Chain, &state.Block, o.Safe, o.Asks...)
	if err != nil {
		return Prepared{}, passes(fmt.Errorf("work out the way out of %s: %w", o.Way.Name(), err))
	}
	if len(way.Calls) == 0 {
		return Prepared{}, protocol.ErrNothingToDo
	}
	p, err := d.wrap(ctx, o, state, way)
	if err != nil {
		return Prepared{}, err
	}
	tried, err := d.try(ctx, &state.Block, p)
	if err != nil {
		return Prepared{}, err
	}
	posting, err := d.postingGas(ctx, p)
	if err != nil {
		return Prepared{}, err
	}
	p.Gas = tried.gas + posting
	fuel, err := d.fuel(ctx, p)
	if err != nil {
		return Prepared{}, err
	}
	if err := d.empty(p, fuel); err != nil && !d.relayed(p) {
		return Prepared{}, passes(err)
	}
	p.Words = d.show(p, way, tried, fuel)
	return p, nil
}

// wrap makes one transaction of the calls, for the owners or for the role.
func (d *Desk) wrap(ctx context.Context, o Order, state safe.State, way protocol.Plan) (Prepared, error) {
	p := Prepared{What: o.What, Account: o.Account, Role: o.Role, Sender: o.Sender, Urgent: o.Urgent, Unproven: o.Unproven,
		Must: way.Must, Tells: way.Tells, BaseMax: way.BaseMax, At: d.Clock.Now(), Block: state.Block, Own: map[common.Address]string{o.Safe: o.Account}, Known: way.Known, Names: o.Names}
	for own, name := range o.Own {
		p.Own[own] = name
	}
	batch, err := d.batch(ctx, o, state, len(way.Calls))
	if err != nil {
		return p, err
	}
	var steps []safe.Step
	for _, c := range way.Calls {
		steps = append(steps, safe.Step{To: c.To, Value: c.Value, Data: c.Data})
	}
	tx := safe.Tx{Chain: d.Chain.ID().Uint64(), Safe: o.Safe, Nonce: state.Nonce}
	if o.Nonce != nil && o.Role == nil {
		if tx.Nonce = *o.Nonce; tx.Nonce < state.Nonce {
			return p, fmt.Errorf("the Safe is at nonce %d, and %d is spent", state.Nonce, tx.Nonce)
		}
	}
	if p.Tx, err = tx.Batch(batch, steps...); err != nil {
		return p, err
	}
	rules := o.Rules
	if o.Batch != (common.Address{}) {
		rules.Trusted = append(slices.Clone(rules.Trusted), o.Batch)
	}
	if err := p.Tx.Check(rules); err != nil {
		return p, fmt.Errorf("it must not be signed: %w", err)
	}
	if o.Role != nil {
		if !slices.Contains(state.Modules, o.Role.Module) {
			return p, fmt.Errorf("%s is no module of the Safe %s: a role in it can do nothing", o.Role.Module.Hex(), o.Safe.Hex())
		}
		p.Hash, err = p.roleHash()
		return p, err
	}
	p.Threshold, p.Hash = state.Threshold, p.Tx.Hash()
	return p, nil
}

// batch finds the contract that makes one transaction of many calls, and does not take an address's word for what is there.
func (d *Desk) batch(ctx context.Context, o Order, state safe.State, calls int) (common.Address, error) {
	if o.Batch != (common.Address{}) || calls == 1 {
		return o.Batch, nil
	}
	known := safe.MultiSendFor(state.Version)
	for _, address := range append([]common.Address{known.Address}, o.Rules.Trusted...) { // the same code may stand where the owner says
		here := known
		here.Address = address
		err := here.Stands(ctx, d.Chain, &state.Block)
		if err == nil || unknown(err) {
			return address, err
		}
	}
	return common.Address{}, fmt.Errorf("%s is not at %s on %s, and without it %d calls cannot be one transaction: name its address in the plan under trusted", known.Name, known.Address.Hex(), d.Name, calls)
}

// roleHash tells one call by a role from another. Nobody signs it.
func (p Prepared) roleHash() (common.Hash, error) {
	data, err := p.roleCall()
	if err != nil {
		return common.Hash{}, err
	}
	return crypto.Keccak256Hash([]byte("lifeboat exit by a role"), common.BigToHash(new(big.Int).SetUint64(p.Tx.Chain)).Bytes(), p.Role.Module[:], p.Sender[:], data), nil
}

func (p Prepared) roleCall() ([]byte, error) {
	key, err := safe.RoleKey(p.Role.Name)
	if err != nil {
		return nil, err
	}
	return safe.ExecWithRole(key, safe.Step{Operation: p.Tx.Operation, To: p.Tx.To, Value: p.Tx.Value, Data: p.Tx.Data}), nil
}

// check holds what came back through the journal to itself.
func (p Prepared) check(id *big.Int) error {
	hash := p.Tx.Hash()
	if p.Role != nil {
		var err error
		if hash, err = p.roleHash(); err != nil {
			return err
		}
	}
	switch {
	case hash != p.Hash:
		return fmt.Errorf("it says its hash is %s, and it is %s", p.Hash.Hex(), hash.Hex())
	case new(big.Int).SetUint64(p.Tx.Chain).Cmp(id) != 0:
		return fmt.Errorf("it is for chain %d", p.Tx.Chain)
	case p.Role == nil && p.Threshold < 1:
		return errors.New("it says that nobody has to sign it")
	}
	return nil
}

// Facts are what the second phase is told of the first, in texts that a journal can hold.
func (p Prepared) Facts() (map[string]string, error) {
	whole, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	facts := map[string]string{"hash": p.Hash.Hex(), "exit": string(whole)}
	if p.Role == nil {
		tx, err := json.Marshal(p.Tx)
		if err != nil {
			return nil, err
		}
		facts["threshold"], facts["safe_tx"] = fmt.Sprint(p.Threshold), string(tx)
	}
	return facts, nil
}

// ReadPrepared takes it back out of those texts.
func ReadPrepared(facts map[string]string, hash string) (Prepared, error) {
	var p Prepared
	if err := json.Unmarshal([]byte(facts["exit"]), &p); err != nil {
		return p, fmt.Errorf("read what was prepared: %w", err)
	}
	if p.Hash.Hex() != hash {
		return p, errors.New("what was prepared is not what was approved")
	}
	return p, nil
}
