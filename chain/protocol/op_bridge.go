package protocol

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// OPBridge is the canonical bridge of a rollup of the OP Stack, as it is on one of the two chains. Both ends have the same methods:
// what leaves is locked below or burnt above, a message goes to the other end, and what arrives is minted above or paid out below.
// From below the rollup takes the message in by itself. From above it has to be proven and finalised below, a week later.
//
// The contracts are described in specs.optimism.io (bridges, messengers, withdrawals) and in the natspec of their source.
type OPBridge struct {
	name    string
	address common.Address
	beyond  Beyond
}

// NewOPBridge of the end at an address, and of the side that it leads to.
func NewOPBridge(name string, address common.Address, beyond Beyond) *OPBridge {
	return &OPBridge{name, address, beyond}
}

func (o *OPBridge) Name() string { return o.name }

// Where the parts of an OP Stack rollup are (specs.optimism.io, predeploys).
var (
	opAbove     = common.HexToAddress("0x4200000000000000000000000000000000000010") // the rollup's end of the bridge
	opMessenger = common.HexToAddress("0x4200000000000000000000000000000000000007")
	opPasser    = common.HexToAddress("0x4200000000000000000000000000000000000016") // where withdrawals begin
)

// opGas is what the other end may use to pay one sum out: what the bridge itself gives to those who say nothing
// (RECEIVE_DEFAULT_GAS_LIMIT). A message that takes more is not lost; it can be relayed again with more.
const opGas = 200_000

// above says that this end is on the rollup, so that what leaves is a withdrawal.
func (o *OPBridge) above() bool { return o.address == opAbove }

// opEnds are the parts of a bridge, as its contracts name each other.
type opEnds struct {
	messenger, other, otherMessenger common.Address
	portal                           common.Address // below, on whichever side that is
	lockbox                          common.Address // that keeps the portal's ether in newer versions; zero where there is none
	block                            chain.Block    // of this side
}

// ends reads both sides, and believes none alone: what is sent to a bridge whose other end knows nothing of it is lost.
func (o *OPBridge) ends(ctx context.Context, r chain.Reader, at *chain.Block) (*opEnds, error) {
	e := &opEnds{}
	var here, there, messengers contract.Batch
	messenger, other := here.Call(o.address, contract.OPBridge.Messenger), here.Call(o.address, contract.OPBridge.Other)
	var err error
	if e.block, err = here.Read(ctx, r, at); err != nil {
		return nil, err
	}
	if err := scanAll(messenger, &e.messenger, other, &e.other); err != nil {
		return nil, fmt.Errorf("it is no bridge of the OP Stack: %w", err)
	}
	back, otherMessenger := there.Call(e.other, contract.OPBridge.Other), there.Call(e.other, contract.OPBridge.Messenger)
	if _, err := there.Read(ctx, o.beyond.Far, nil); err != nil {
		return nil, fmt.Errorf("read its other end on %s: %w", o.beyond.There, err)
	}
	var backTo, messengerBack common.Address
	if err := scanAll(back, &backTo, otherMessenger, &e.otherMessenger); err != nil {
		return nil, fmt.Errorf("it leads to %s, which is no bridge on %s: it leads to another chain", e.other, o.beyond.There)
	}
	knows := messengers.Call(e.otherMessenger, contract.OPMessenger.Other)
	if _, err := messengers.Read(ctx, o.beyond.Far, nil); err != nil {
		return nil, fmt.Errorf("read its messenger on %s: %w", o.beyond.There, err)
	}
	if err := scanAll(knows, &messengerBack); err != nil || backTo != o.address || messengerBack != e.messenger {
		return nil, fmt.Errorf("the other end at %s on %s belongs to the bridge %s and not to %s: they are of two different rollups, or one of them is false", e.other, o.beyond.There, backTo, o.address)
	}
	return e, o.findPortal(ctx, r, e)
}

// findPortal finds where ether is kept and withdrawals come out.
func (o *OPBridge) findPortal(ctx context.Context, r chain.Reader, e *opEnds) error {
	below, messenger, at := r, e.messenger, &e.block
	if o.above() {
		below, messenger, at = o.beyond.Far, e.otherMessenger, nil
	}
	var b, more contract.Batch
	portal := b.Call(messenger, contract.OPMessenger.Portal)
	block, err := b.Read(ctx, below, at)
	if err != nil {
		return err
	}
	if err := portal.Scan(&e.portal); err != nil {
		return fmt.Errorf("the messenger %s has no portal: %w", messenger, err)
	}
	lockbox := more.Call(e.portal, contract.OPPortal.Lockbox)
	if _, err := more.Read(ctx, below, &block); err != nil {
		return err
	}
	_ = lockbox.Scan(&e.lockbox) // older portals keep the ether themselves
	return nil
}

// Exit sends tokens or the coin over the bridge.
func (o *OPBridge) Exit(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, asks ...Ask) (Plan, error) {
	plan, err := o.exit(ctx, r, at, owner, asks)
	if err != nil {
		return Plan{}, fmt.Errorf("%s: %w", o.name, err)
	}
	return plan, nil
}

func (o *OPBridge) exit(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, asks []Ask) (Plan, error) {
	ends, err := o.ends(ctx, r, at)
	if err != nil {
		return Plan{}, err
	}
	plan := Plan{Block: ends.block}
	for _, address := range []common.Address{o.address, ends.messenger, ends.portal, ends.lockbox, opPasser} {
		if address != (common.Address{}) && (address != opPasser || o.above()) {
			plan.Known = append(plan.Known, address)
		}
	}
	for _, ask := range asks {
		switch err := ask.check(); {
		case err != nil:
			return Plan{}, err
		case ask.Do != Cross:
			return Plan{}, fmt.Errorf("a bridge can send to another chain; it cannot %s", ask.Do)
		case ask.To == (common.Address{}):
			return Plan{}, errors.New("a bridge wants to know who receives on the other chain")
		}
		if err := o.cross(ctx, r, &plan, ends, owner, ask); err != nil {
			return Plan{}, err
		}
	}
	if len(plan.Calls) == 0 {
		return Plan{}, ErrNothingToDo
	}
	plan.note("%s", o.lasts())
	return plan, nil
}

// lasts says where the money is meanwhile.
func (o *OPBridge) lasts() string {
	if o.above() {
		return fmt.Sprintf("it leaves %s at once and is on %s after about seven days, in which it can be challenged: about an hour from now it can be proven there, and a week after that finalised; "+
			"each is one more transaction on %s that anybody may send for gas. Until then the money is on neither side, and nobody can call it back", o.beyond.Here, o.beyond.There, o.beyond.There)
	}
	return fmt.Sprintf("it leaves %s and is usually on %s within one to three minutes, without anything more to do; nobody can call it back", o.beyond.Here, o.beyond.There)
}

// cross sends one sum.
func (o *OPBridge) cross(ctx context.Context, r chain.Reader, plan *Plan, e *opEnds, owner common.Address, ask Ask) error {
	there, known := o.beyond.Tokens[ask.Token]
	if !known {
		return fmt.Errorf("the plan does not say what the token %s is on %s", ask.Token, o.beyond.There)
	}
	t, have, allowed, err := holding(ctx, r, &e.block, owner, ask.Token, o.address)
	if err != nil {
		return err
	}
	amount := have
	if ask.Amount != nil {
		amount = ask.Amount
	}
	switch {
	case amount.Cmp(have) > 0:
		return fmt.Errorf("%s is asked for and there is %s", t.Text(amount), t.Text(have))
	case amount.Sign() == 0:
		plan.note("There is no %s to send.", t.Symbol)
		return nil
	}
	if err := o.takenIn(ctx, r, e, t, there, ask.To, amount); err != nil {
		return err
	}
	left := new(big.Int).Sub(have, amount)
	words := fmt.Sprintf("send %s from %s to %s, to %s", t.Text(amount), o.beyond.Here, o.beyond.There, o.beyond.receiver(ask.To))
	told := fmt.Sprintf("the bridge tells that %s goes to %s on %s", t.Text(amount), ask.To, o.beyond.There)
	if t.Address == (common.Address{}) {
		plan.Calls = append(plan.Calls, Call{To: o.address, Value: amount, Words: words, Data: contract.OPBridge.SendETH.Pack(ask.To, uint32(opGas), []byte{})})
		plan.Tells = append(plan.Tells, Event{o.address, []common.Hash{opETHSent, topic(owner), topic(ask.To)}, opETHData.Returns(amount, []byte{}), nil, told})
	} else {
		if !o.above() { // the rollup's own token is burnt by the bridge, which asks for no leave
			plan.approve(t, o.address, o.name, allowed, amount)
			plan.must(contract.ERC20.Allowance.Query(t.Address, owner, o.address), Equal, new(big.Int), fmt.Sprintf("%s may take no %s", o.name, t.Symbol))
		}
		plan.call(o.address, words, contract.OPBridge.SendERC20, t.Address, there, ask.To, amount, uint32(opGas), []byte{})
		plan.Tells = append(plan.Tells, Event{o.address, []common.Hash{opERC20Sent, topic(t.Address), topic(there), topic(owner)}, opERC20Data.Returns(ask.To, amount, []byte{}), nil, told})
	}
	plan.leaves(t, owner, left, amount)
	return nil
}

// takenIn tries what the other side will do with the sum, as if the message were there now. A token that is no pair, a receiver who
// refuses, or a bridge that stands still would leave the money between the chains.
func (o *OPBridge) takenIn(ctx context.Context, r chain.Reader, e *opEnds, t Token, there, to common.Address, amount *big.Int) error {
	if t.Address == (common.Address{}) != (there == common.Address{}) {
		return errors.New("the coin of a chain is no token of the other")
	}
	if t.Address != (common.Address{}) {
		if err := o.pair(ctx, r, e, t, there); err != nil {
			return err
		}
	}
	var b contract.Batch
	paused := b.Call(e.other, contract.OPBridge.Paused)
	var locked *contract.Asked
	taking := chain.Query{What: chain.Call, To: to, From: e.other}
	switch {
	case there == common.Address{}: // whoever refuses a call without data refuses the coin too
	case o.above():
		locked = b.Call(e.other, contract.OPBridge.Deposits, there, t.Address)
		taking.To, taking.Data = there, contract.ERC20.Transfer.Pack(to, amount)
	default:
		taking.To, taking.Data = there, contract.OPToken.Mint.Pack(to, amount)
	}
	block, err := b.Read(ctx, o.beyond.Far, nil)
	if err != nil {
		return fmt.Errorf("read its other end on %s: %w", o.beyond.There, err)
	}
	var stands bool
	if err := paused.Scan(&stands); err == nil && stands { // older versions have no such method, and cannot be paused there
		return fmt.Errorf("the bridge is paused on %s: what is sent now would not arrive", o.beyond.There)
	}
	if locked != nil {
		var has *big.Int
		if err := locked.Scan(&has); err != nil {
			return err
		}
		if has.Cmp(amount) < 0 {
			return fmt.Errorf("the bridge has only %s on %s, and could not pay %s out", t.Text(has), o.beyond.There, t.Text(amount))
		}
	}
	return o.beyond.takes(ctx, &block, taking, t, to, amount)
}

// pair wants the two tokens to name each other. The rollup's token says what it stands for; to any other the bridge would pay in
// and never out.
func (o *OPBridge) pair(ctx context.Context, r chain.Reader, e *opEnds, t Token, there common.Address) error {
	above, stands, on, bridge, reader, at := there, t.Address, o.beyond.There, e.other, chain.Reader(o.beyond.Far), (*chain.Block)(nil)
	if o.above() {
		above, stands, on, bridge, reader, at = t.Address, there, o.beyond.Here, o.address, r, &e.block
	}
	var b contract.Batch
	remote, below := b.Call(above, contract.OPToken.Remote), b.Call(above, contract.OPToken.Below)
	its, old := b.Call(above, contract.OPToken.Bridge), b.Call(above, contract.OPToken.L2Bridge)
	if _, err := b.Read(ctx, reader, at); err != nil {
		return fmt.Errorf("read the token %s: %w", above, err)
	}
	var of, by common.Address
	if remote.Scan(&of) != nil && below.Scan(&of) != nil || its.Scan(&by) != nil && old.Scan(&by) != nil {
		return fmt.Errorf("%s on %s is no token of this bridge: it was made there, or has a bridge of its own, and what is sent would not arrive", above, on)
	}
	switch {
	case of != stands:
		return fmt.Errorf("%s on %s stands for %s, and not for %s: what is sent would not arrive", above, on, of, stands)
	case by != bridge:
		return fmt.Errorf("%s on %s listens to the bridge %s, and not to %s: what is sent would not arrive", above, on, by, bridge)
	}
	return nil
}

// What the two ends and their messengers tell of.
var (
	opERC20Sent   = crypto.Keccak256Hash([]byte("ERC20BridgeInitiated(address,address,address,address,uint256,bytes)"))
	opETHSent     = crypto.Keccak256Hash([]byte("ETHBridgeInitiated(address,address,uint256,bytes)"))
	opMessageSent = crypto.Keccak256Hash([]byte("SentMessage(address,address,bytes,uint256,uint256)"))
	opPassed      = crypto.Keccak256Hash([]byte("MessagePassed(uint256,address,address,uint256,uint256,bytes,bytes32)"))

	// The data of these events, read and written like what a method returns.
	opERC20Data   = contract.New("sent() (address,uint256,bytes)")
	opETHData     = contract.New("sent() (uint256,bytes)")
	opMessageData = contract.New("sent() (address,bytes,uint256,uint256)")
	opPassedData  = contract.New("passed() (uint256,uint256,bytes,bytes32)")
)

func topic(a common.Address) common.Hash { return common.BytesToHash(a[:]) }

// Left finds the messages that this bridge sent in a transaction.
func (o *OPBridge) Left(ctx context.Context, r chain.Reader, logs []*types.Log) ([]Passage, error) {
	var b contract.Batch
	asked := b.Call(o.address, contract.OPBridge.Messenger)
	if _, err := b.Read(ctx, r, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	var messenger common.Address
	if err := asked.Scan(&messenger); err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	var all []Passage
	for _, l := range logs {
		if l.Address != messenger || len(l.Topics) != 2 || l.Topics[0] != opMessageSent {
			continue
		}
		p, ours, err := o.passage(l, logs)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		if ours {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: %w", o.name, ErrNoPassage)
	}
	return all, nil
}

// passage is what one message brings, if this bridge sent it.
func (o *OPBridge) passage(l *types.Log, logs []*types.Log) (p Passage, ours bool, err error) {
	var sender common.Address
	var message []byte
	var nonce, gas *big.Int
	if err := opMessageData.Scan(l.Data, &sender, &message, &nonce, &gas); err != nil {
		return p, false, err
	}
	value := new(big.Int)
	switch {
	case sender != o.address:
		return p, false, nil
	case contract.OPBridge.TakeERC20.Arguments(message, &p.Token, nil, nil, &p.To, &p.Amount) == nil:
	case contract.OPBridge.TakeETH.Arguments(message, nil, &p.To, &p.Amount) == nil:
		value = p.Amount
	default:
		return p, false, errors.New("it sent a message that is no sum")
	}
	target := common.BytesToAddress(l.Topics[1][:])
	m := opMessage{relay: contract.OPMessenger.Relay.Pack(nonce, sender, target, value, gas, message)}
	p.Hash = crypto.Keccak256Hash(m.relay) // version 1 of the messages' hash
	if o.above() {
		m.withdrawal, err = withdrawalOf(m.relay, logs)
	}
	p.carried = m
	return p, true, err
}

// opMessage is what the bridges of the OP Stack carry.
type opMessage struct {
	relay      []byte        // the call by which the other chain's messenger takes the sum in
	withdrawal *opWithdrawal // what has to be proven and finalised below; nil for what goes to the rollup
}

// opWithdrawal is the transaction of a rollup's that the chain below carries out at the end, as the portal takes it.
type opWithdrawal struct {
	Nonce          *big.Int
	Sender, Target common.Address
	Value          *big.Int
	GasLimit       *big.Int
	Data           []byte
	Hash           common.Hash
	Block          uint64 // of the rollup, that it is in
}

// withdrawalOf finds the withdrawal that carries a message.
func withdrawalOf(message []byte, logs []*types.Log) (*opWithdrawal, error) {
	for _, l := range logs {
		if l.Address != opPasser || len(l.Topics) != 4 || l.Topics[0] != opPassed {
			continue
		}
		w := &opWithdrawal{Block: l.BlockNumber, Nonce: l.Topics[1].Big(), Sender: common.BytesToAddress(l.Topics[2][:]), Target: common.BytesToAddress(l.Topics[3][:])}
		var hash [32]byte
		if err := opPassedData.Scan(l.Data, &w.Value, &w.GasLimit, &w.Data, &hash); err != nil {
			return nil, err
		}
		if w.Hash = hash; slices.Equal(w.Data, message) {
			return w, nil
		}
	}
	return nil, errors.New("the rollup does not tell of the withdrawal that carries the message")
}
