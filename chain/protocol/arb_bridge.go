package protocol

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// ArbitrumBridge is the canonical bridge of a rollup of Arbitrum's, as it is on one of the two chains: the Inbox and the Outbox below, and for
// tokens the gateways that both routers name: the standard one, the generic custom one, or that of WETH. What goes up is a ticket on the rollup, which
// is paid for below and carried out there at once; one that was not can be redeemed by anybody for a week. What comes down is let out below once the
// rollup's state is confirmed, by anybody who proves it.
//
// The contracts are described in docs.arbitrum.io (cross-chain messaging, token bridging) and in the natspec of their source.
type ArbitrumBridge struct {
	name   string
	end    common.Address // the router of this chain
	up     bool           // it leads to the rollup
	beyond Beyond
}

// NewArbitrumBridge of the end at an address: below the L1GatewayRouter, on the rollup ArbSys and besides it the L2GatewayRouter.
func NewArbitrumBridge(name string, address, router common.Address, beyond Beyond) *ArbitrumBridge {
	if address == arbSys {
		return &ArbitrumBridge{name: name, end: router, beyond: beyond}
	}
	return &ArbitrumBridge{name: name, end: address, up: true, beyond: beyond}
}

func (a *ArbitrumBridge) Name() string { return a.name }

// What is part of the nodes of every rollup of Arbitrum's, and where (docs.arbitrum.io, precompiles).
var (
	arbSys       = common.HexToAddress("0x0000000000000000000000000000000000000064")
	arbRetryable = common.HexToAddress("0x000000000000000000000000000000000000006E")
	arbInterface = common.HexToAddress("0x00000000000000000000000000000000000000C8") // of the nodes alone: none on chain can call it
)

// What is bought for a ticket. What is not used comes back on the rollup, so that a margin costs nothing but that it has to be there.
const (
	arbGasETH   = 100_000 // on the rollup; to pay a Safe out takes 27,000
	arbGasToken = 300_000 // the standard gateway takes 94,000 for a token that is there already
	arbBid      = 10      // times the rollup's price for gas now; a ticket that bids too little is created and not carried out
	arbPrice    = 3       // times the base fee below now, by which a ticket is paid for: owners may take a day to sign
)

// What a ticket is paid by at least, in wei. An exit that is signed on a quiet day is carried out on a bad one, when gas is dear; and prepared
// again it has to be the same transaction, which keeps its signatures, though fees have moved.
var (
	arbPriceLeast = big.NewInt(200e9) // the base fee below; 200 gwei is more than on all but a few days of the main chain
	arbBidLeast   = big.NewInt(1e9)   // for gas on the rollup; a hundred times what Arbitrum One asks for on a quiet day
)

// dearest is what a price may become: so many times what it is now, and at least so much.
func dearest(now *big.Int, times int64, least *big.Int) *big.Int {
	bound := new(big.Int).Mul(now, big.NewInt(times))
	if bound.Cmp(least) < 0 {
		return least
	}
	return bound
}

// alias on the rollup of whoever sends from below (docs.arbitrum.io, address aliasing).
func alias(below common.Address) common.Address {
	offset, _ := new(big.Int).SetString("1111000000000000000000000000000000001111", 16)
	return common.BigToAddress(offset.Add(offset, below.Big()))
}

// arbEnds are the parts of a bridge, as its contracts name each other.
type arbEnds struct {
	router, gateway               common.Address // of the other side
	standard                      common.Address // gateway of this side
	inbox, bridge, rollup, outbox common.Address // below, on whichever side that is
	period                        uint64         // blocks below in which an assertion can be challenged
	block                         chain.Block    // of this side
}

// ends reads both sides, and believes none alone: what is sent to a bridge whose other end knows nothing of it is lost.
func (a *ArbitrumBridge) ends(ctx context.Context, r chain.Reader, at *chain.Block) (*arbEnds, error) {
	e := &arbEnds{}
	var here, there, gateways, back contract.Batch
	other, standard := here.Call(a.end, contract.ArbRouter.Other), here.Call(a.end, contract.ArbRouter.Standard)
	var err error
	if e.block, err = here.Read(ctx, r, at); err != nil {
		return nil, err
	}
	if err := scanAll(other, &e.router, standard, &e.standard); err != nil {
		return nil, fmt.Errorf("%s is no router of Arbitrum's token bridge: %w", a.end, err)
	}
	mine, theirs := there.Call(e.router, contract.ArbRouter.Other), there.Call(e.router, contract.ArbRouter.Standard)
	if _, err := there.Read(ctx, a.beyond.Far, nil); err != nil {
		return nil, fmt.Errorf("read its other end on %s: %w", a.beyond.There, err)
	}
	var namesMe, leads, returns common.Address
	if err := scanAll(mine, &namesMe, theirs, &e.gateway); err != nil {
		return nil, fmt.Errorf("it leads to %s, which is no router on %s: it leads to another chain", e.router, a.beyond.There)
	}
	over, home := gateways.Call(e.standard, contract.ArbGateway.Other), back.Call(e.gateway, contract.ArbGateway.Other)
	if _, err := gateways.Read(ctx, r, &e.block); err != nil {
		return nil, err
	}
	if _, err := back.Read(ctx, a.beyond.Far, nil); err != nil {
		return nil, fmt.Errorf("read its gateway on %s: %w", a.beyond.There, err)
	}
	if err := scanAll(over, &leads, home, &returns); err != nil || namesMe != a.end || leads != e.gateway || returns != e.standard {
		return nil, fmt.Errorf("the other end at %s on %s belongs to the router %s and not to %s, or their gateways do not belong together: they are of two different rollups, or one of them is false", e.router, a.beyond.There, namesMe, a.end)
	}
	return e, a.core(ctx, r, e)
}

// core finds what carries the messages, all of it below: each names the next.
func (a *ArbitrumBridge) core(ctx context.Context, r chain.Reader, e *arbEnds) error {
	below, router, at := r, a.end, e.block
	if !a.up {
		head, err := a.beyond.Far.Head(ctx)
		if err != nil {
			return err
		}
		below, router, at = a.beyond.Far, e.router, head
	}
	for _, step := range []struct {
		of   *common.Address
		says *contract.Method
		into any
	}{{&router, contract.ArbRouter.Inbox, &e.inbox}, {&e.inbox, contract.ArbCore.Bridge, &e.bridge}, {&e.bridge, contract.ArbCore.Rollup, &e.rollup},
		{&e.rollup, contract.ArbCore.Outbox, &e.outbox}, {&e.rollup, contract.ArbCore.Period, &e.period}} {
		var b contract.Batch
		said := b.Call(*step.of, step.says)
		if _, err := b.Read(ctx, below, &at); err != nil {
			return err
		}
		if err := said.Scan(step.into); err != nil {
			return fmt.Errorf("%s is no part of a rollup of Arbitrum's, or of a version that is not known: %w", *step.of, err)
		}
	}
	var b contract.Batch
	coin, takes, lets := b.Call(e.bridge, contract.ArbCore.Coin), b.Call(e.bridge, contract.ArbCore.TakesFrom, e.inbox), b.Call(e.bridge, contract.ArbCore.LetsOut, e.outbox)
	if _, err := b.Read(ctx, below, &at); err != nil {
		return err
	}
	var listens, opens bool
	switch err := scanAll(takes, &listens, lets, &opens); {
	case err != nil || !listens || !opens:
		return fmt.Errorf("the bridge %s does not take from the inbox %s, or does not let out what the outbox %s says", e.bridge, e.inbox, e.outbox)
	case !coin.Refused() && len(coin.Data()) > 0:
		return errors.New("the gas of that rollup is paid in a token, and its bridge is another one, which is not known here")
	}
	return nil
}

// Exit sends tokens or the coin over the bridge.
func (a *ArbitrumBridge) Exit(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, asks ...Ask) (Plan, error) {
	plan, err := a.exit(ctx, r, at, owner, asks)
	if err != nil {
		return Plan{}, fmt.Errorf("%s: %w", a.name, err)
	}
	return plan, nil
}

func (a *ArbitrumBridge) exit(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, asks []Ask) (Plan, error) {
	ends, err := a.ends(ctx, r, at)
	if err != nil {
		return Plan{}, err
	}
	plan := Plan{Block: ends.block, Known: []common.Address{a.end, ends.inbox, ends.bridge}}
	if !a.up {
		plan.Known = []common.Address{arbSys, a.end}
	}
	sums := make([]*arbSum, len(asks))
	tolls := new(big.Int) // that goes beside the sums
	for i, ask := range asks {
		switch err := ask.check(); {
		case err != nil:
			return Plan{}, err
		case ask.Do != Cross:
			return Plan{}, fmt.Errorf("a bridge can send to another chain; it cannot %s", ask.Do)
		case ask.To == (common.Address{}):
			return Plan{}, errors.New("a bridge wants to know who receives on the other chain")
		}
		if sums[i], err = a.sum(ctx, r, ends, owner, ask); err != nil {
			return Plan{}, err
		}
		tolls.Add(tolls, sums[i].toll())
	}
	for _, s := range sums {
		if s.by.near != (common.Address{}) {
			plan.Known = append(plan.Known, s.by.near)
		}
		if err := a.cross(ctx, r, &plan, ends, owner, s, tolls); err != nil {
			return Plan{}, err
		}
	}
	if len(plan.Calls) == 0 {
		return Plan{}, ErrNothingToDo
	}
	plan.note("%s", a.lasts(ends))
	return plan, nil
}

// lasts says where the money is meanwhile.
func (a *ArbitrumBridge) lasts(e *arbEnds) string {
	if !a.up {
		return fmt.Sprintf("it leaves %s at once and is on %s after about six and a half days, in which it can be challenged (%d blocks of %s): then one transaction on %s lets it out, which anybody may send for gas. "+
			"Until then the money is on neither side, and nobody can call it back", a.beyond.Here, a.beyond.There, e.period, a.beyond.There, a.beyond.There)
	}
	return fmt.Sprintf("it leaves %s and is usually on %s within a quarter of an hour, without anything more to do; should what is bid for gas there not suffice then, it waits there for seven days, in which anybody can redeem it",
		a.beyond.Here, a.beyond.There)
}

// arbSum is one sum that is to go over.
type arbSum struct {
	token   Token
	there   common.Address // the token on the other side
	by      arbPair        // the gateways of a token
	to      common.Address
	have    *big.Int
	allowed *big.Int
	amount  *big.Int // nil is all there is
	ticket  *arbPaid // nil from the rollup, where nothing has to be paid for
}

// arbPaid is what a ticket is given on its way.
type arbPaid struct {
	cost, gas, bid *big.Int       // at most, for the ticket and for a unit of gas on the rollup
	price          *big.Int       // the base fee below up to which that cost is enough
	refund         common.Address // who gets on the rollup what is not used
	cancels        common.Address // who may take the ticket back there, and gets its coins when nobody redeems it
}

// toll is the coins that go with a sum beside it.
func (s *arbSum) toll() *big.Int {
	if s.ticket == nil {
		return new(big.Int)
	}
	toll := new(big.Int).Mul(s.ticket.gas, s.ticket.bid)
	return toll.Add(toll, s.ticket.cost)
}

// sum reads what there is to send, and prices the ticket.
func (a *ArbitrumBridge) sum(ctx context.Context, r chain.Reader, e *arbEnds, owner common.Address, ask Ask) (*arbSum, error) {
	there, known := a.beyond.Tokens[ask.Token]
	if !known {
		return nil, fmt.Errorf("the plan does not say what the token %s is on %s", ask.Token, a.beyond.There)
	}
	if (ask.Token == common.Address{}) != (there == common.Address{}) {
		return nil, errors.New("the coin of a chain is no token of the other")
	}
	s := &arbSum{there: there, to: ask.To, amount: ask.Amount}
	var err error
	if ask.Token != (common.Address{}) {
		if s.by, err = a.route(ctx, r, e, ask.Token, there); err != nil {
			return nil, err
		}
	}
	if s.token, s.have, s.allowed, err = holding(ctx, r, &e.block, owner, ask.Token, s.by.near); err != nil {
		return nil, err
	}
	if ask.Token != (common.Address{}) {
		if s.amount == nil {
			s.amount = s.have
		}
		if err := a.agrees(ctx, r, e, s); err != nil {
			return nil, err
		}
	}
	if a.up && s.have.Sign() > 0 {
		s.ticket, err = a.paid(ctx, r, e, owner, s)
	}
	return s, err
}

// paid prices a ticket: by the size of what it carries and the base fee below, and by the price of gas on the rollup.
func (a *ArbitrumBridge) paid(ctx context.Context, r chain.Reader, e *arbEnds, owner common.Address, s *arbSum) (*arbPaid, error) {
	below, err := a.beyond.Near.Fees(ctx)
	if err != nil {
		return nil, err
	}
	above, err := a.beyond.Far.Fees(ctx)
	if err != nil {
		return nil, err
	}
	p := &arbPaid{gas: big.NewInt(arbGasETH), price: dearest(below.Base, arbPrice, arbPriceLeast), bid: dearest(above.Base, arbBid, arbBidLeast)}
	size := 0
	if s.token.Address != (common.Address{}) {
		var b contract.Batch
		message := b.Call(a.end, contract.ArbRouter.Message, s.token.Address, owner, s.to, s.amount, []byte{})
		if _, err := b.Read(ctx, r, &e.block); err != nil {
			return nil, err
		}
		var carried []byte
		if err := message.Scan(&carried); err != nil {
			return nil, fmt.Errorf("its router does not say what it would send of %s: %w", s.token.Symbol, err)
		}
		p.gas, size = big.NewInt(arbGasToken), len(carried)
	}
	var b contract.Batch
	fee := b.Call(e.inbox, contract.ArbCore.Fee, big.NewInt(int64(size)), p.price)
	if _, err := b.Read(ctx, r, &e.block); err != nil {
		return nil, err
	}
	if err := fee.Scan(&p.cost); err != nil {
		return nil, err
	}
	return p, p.whose(ctx, r, e, owner, s.to)
}

// whose is what is not used, and whose the ticket is. The Inbox takes an address with code below for a contract that sends, and writes its
// alias down instead.
func (p *arbPaid) whose(ctx context.Context, r chain.Reader, e *arbEnds, owner, to common.Address) error {
	code, _, err := r.Read(ctx, &e.block, []chain.Query{{What: chain.Code, To: to}, {What: chain.Code, To: owner}})
	if err != nil {
		return err
	}
	if p.refund = to; len(code[0].Data) > 0 {
		p.refund = alias(to)
	}
	if p.cancels = owner; len(code[1].Data) > 0 {
		p.cancels = alias(owner)
	}
	return nil
}

// cross sends one sum. The tolls of all of them have to be there besides.
func (a *ArbitrumBridge) cross(ctx context.Context, r chain.Reader, plan *Plan, e *arbEnds, owner common.Address, s *arbSum, tolls *big.Int) error {
	if s.have.Sign() == 0 {
		plan.note("There is no %s to send.", s.token.Symbol)
		return nil
	}
	if err := a.tolled(ctx, r, e, owner, tolls); err != nil {
		return err
	}
	coin, needs := s.token.Address == (common.Address{}), new(big.Int)
	if coin {
		needs = tolls
	}
	if s.amount == nil {
		s.amount = new(big.Int).Sub(s.have, needs)
	}
	switch {
	case s.amount.Cmp(s.have) > 0:
		return fmt.Errorf("%s is asked for and there is %s", s.token.Text(s.amount), s.token.Text(s.have))
	case s.amount.Sign() == 0 || new(big.Int).Add(s.amount, needs).Cmp(s.have) > 0:
		return fmt.Errorf("%s is asked for and there is %s, of which up to %s goes along for the way", s.token.Text(s.amount), s.token.Text(s.have), s.token.Text(needs))
	}
	if err := a.takenIn(ctx, e, owner, s); err != nil {
		return err
	}
	spent := new(big.Int).Set(s.amount)
	if coin {
		spent.Add(spent, s.toll())
	}
	left := new(big.Int).Sub(s.have, spent)
	words := fmt.Sprintf("send %s from %s to %s, to %s", s.token.Text(s.amount), a.beyond.Here, a.beyond.There, a.beyond.receiver(s.to))
	told := fmt.Sprintf("the bridge tells that %s goes to %s on %s", s.token.Text(s.amount), s.to, a.beyond.There)
	switch {
	case a.up:
		a.send(plan, e, owner, s, words, told)
	case coin:
		plan.Calls = append(plan.Calls, Call{To: arbSys, Value: s.amount, Words: words, Data: contract.ArbNode.SendETH.Pack(s.to)})
		plan.Tells = append(plan.Tells, Event{arbSys, []common.Hash{arbSent, topic(s.to), {}, {}}, arbSentData.Returns(owner, zero, zero, zero, s.amount, []byte{}), []int{2, 3, 5, 6, 7}, told})
	default: // the gateway burns the rollup's token, and asks for no leave
		plan.call(a.end, words, contract.ArbRouter.Up, s.there, s.to, s.amount, []byte{})
		plan.Tells = append(plan.Tells, Event{s.by.near, []common.Hash{arbTokenSent, topic(owner), topic(s.to), {}}, arbTokenSentData.Returns(s.there, zero, s.amount), []int{3, 5}, told})
	}
	plan.leaves(s.token, owner, left, spent)
	return nil
}

var zero = new(big.Int)

// send buys the ticket that brings a sum to the rollup. Ether goes as a ticket too: a plain deposit to a contract's own address ends at its alias,
// and one for somebody else there is not.
func (a *ArbitrumBridge) send(plan *Plan, e *arbEnds, owner common.Address, s *arbSum, words, told string) {
	t, toll := s.ticket, s.toll()
	if plan.BaseMax == nil || t.price.Cmp(plan.BaseMax) < 0 {
		plan.BaseMax = t.price
	}
	words += fmt.Sprintf(", with up to %s for a ticket and %s gas on %s", etherToken.Text(toll), t.gas, a.beyond.There)
	if s.token.Address == (common.Address{}) {
		value := new(big.Int).Add(s.amount, toll)
		plan.Calls = append(plan.Calls, Call{To: e.inbox, Value: value, Words: words, Data: contract.ArbCore.Ticket.Pack(s.to, s.amount, t.cost, s.to, owner, t.gas, t.bid, []byte{})})
		message := packed(s.to.Big(), s.amount, value, t.cost, t.refund.Big(), t.cancels.Big(), t.gas, t.bid, zero)
		plan.Tells = append(plan.Tells, Event{e.inbox, []common.Hash{arbInboxTold, {}}, arbInboxData.Returns(message), []int{1}, told})
	} else {
		plan.approve(s.token, s.by.near, a.name, s.allowed, s.amount)
		plan.must(contract.ERC20.Allowance.Query(s.token.Address, owner, s.by.near), Equal, new(big.Int), fmt.Sprintf("%s may take no %s", a.name, s.token.Symbol))
		data := contract.ArbRouter.Down.Pack(s.token.Address, s.to, s.to, s.amount, t.gas, t.bid, arbOptions.Returns(t.cost, []byte{}))
		plan.Calls = append(plan.Calls, Call{To: a.end, Value: toll, Words: words, Data: data})
		plan.Tells = append(plan.Tells, Event{s.by.near, []common.Hash{arbTokenIn, topic(owner), topic(s.to), {}}, arbTokenInData.Returns(s.token.Address, s.amount), []int{3}, told})
	}
	whose := t.refund.String()
	if t.refund != s.to {
		whose = fmt.Sprintf("%s, the alias of %s, which is a contract on %s as well: only that one can send it on", t.refund, s.to, a.beyond.Here)
	}
	plan.note("With %s goes up to %s of the Safe's own for the ticket and its gas; what is not used of it comes on %s to %s", s.token.Text(s.amount), etherToken.Text(toll), a.beyond.There, whose)
}

// packed are numbers one after the other, as the Inbox writes a message.
func packed(numbers ...*big.Int) (all []byte) {
	for _, n := range numbers {
		all = append(all, common.BigToHash(n).Bytes()...)
	}
	return all
}

// What both ends tell of.
var (
	arbInboxTold  = crypto.Keccak256Hash([]byte("InboxMessageDelivered(uint256,bytes)"))
	arbBridgeTold = crypto.Keccak256Hash([]byte("MessageDelivered(uint256,bytes32,address,uint8,address,bytes32,uint256,uint64)"))
	arbTokenIn    = crypto.Keccak256Hash([]byte("DepositInitiated(address,address,address,uint256,uint256)"))
	arbTokenCame  = crypto.Keccak256Hash([]byte("DepositFinalized(address,address,address,uint256)"))
	arbRouted     = crypto.Keccak256Hash([]byte("TransferRouted(address,address,address,address)"))
	arbTokenSent  = crypto.Keccak256Hash([]byte("WithdrawalInitiated(address,address,address,uint256,uint256,uint256)"))
	arbSent       = crypto.Keccak256Hash([]byte("L2ToL1Tx(address,address,uint256,uint256,uint256,uint256,uint256,uint256,bytes)"))
	arbTried      = crypto.Keccak256Hash([]byte("RedeemScheduled(bytes32,bytes32,uint64,uint64,address,uint256,uint256)"))
	arbCancelled  = crypto.Keccak256Hash([]byte("Canceled(bytes32)"))
	arbConfirmed  = crypto.Keccak256Hash([]byte("SendRootUpdated(bytes32,bytes32)"))

	// The data of these events, and of a call's, read and written like what a method returns.
	arbInboxData     = contract.New("told() (bytes)")
	arbBridgeData    = contract.New("told() (address,uint8,address,bytes32,uint256,uint64)")
	arbTokenInData   = contract.New("told() (address,uint256)")
	arbTokenSentData = contract.New("told() (address,uint256,uint256)")
	arbSentData      = contract.New("told() (address,uint256,uint256,uint256,uint256,bytes)")
	arbTokenCameData = contract.New("told() (uint256)")
	arbRoutedData    = contract.New("told() (address)")
	arbOptions       = contract.New("options() (uint256,bytes)")
	arbCarried       = contract.New("carried() (bytes,bytes)")
)

// tolled wants the coins for the way to be there.
func (a *ArbitrumBridge) tolled(ctx context.Context, r chain.Reader, e *arbEnds, owner common.Address, tolls *big.Int) error {
	if tolls.Sign() == 0 {
		return nil
	}
	answers, _, err := r.Read(ctx, &e.block, []chain.Query{{What: chain.Balance, To: owner}})
	if err != nil {
		return err
	}
	if has := new(big.Int).SetBytes(answers[0].Data); has.Cmp(tolls) < 0 {
		return fmt.Errorf("%s has %s on %s, and the way takes up to %s, which the Safe itself sends along: send it some", owner, etherToken.Text(has), a.beyond.Here, etherToken.Text(tolls))
	}
	return nil
}
