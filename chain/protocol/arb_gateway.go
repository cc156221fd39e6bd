package protocol

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// arbPair are the gateways that a token goes by, as both routers name them, and what the token is on either chain.
type arbPair struct {
	near, far    common.Address // of this side and of the other
	below, above common.Address // the token
	named        [2]common.Address
	wraps        bool // it is that of WETH, which carries ether and wraps it on the other side
}

// route asks both routers for the gateways of a token, and for what they make of it on the rollup.
func (a *ArbitrumBridge) route(ctx context.Context, r chain.Reader, e *arbEnds, token, there common.Address) (p arbPair, err error) {
	if p.below, p.above = token, there; !a.up {
		p.below, p.above = there, token
	}
	var here, yonder contract.Batch
	near, far := here.Call(a.end, contract.ArbRouter.GatewayOf, p.below), yonder.Call(e.router, contract.ArbRouter.GatewayOf, p.below)
	nearToken, farToken := here.Call(a.end, contract.ArbRouter.TokenAbove, p.below), yonder.Call(e.router, contract.ArbRouter.TokenAbove, p.below)
	if _, err := here.Read(ctx, r, &e.block); err != nil {
		return p, err
	}
	if _, err := yonder.Read(ctx, a.beyond.Far, nil); err != nil {
		return p, fmt.Errorf("read its other end on %s: %w", a.beyond.There, err)
	}
	if err := scanAll(near, &p.near, far, &p.far, nearToken, &p.named[0], farToken, &p.named[1]); err != nil {
		return p, fmt.Errorf("its routers do not know the token %s: %w", p.below, err)
	}
	return p, nil
}

// agrees wants both gateways to belong together, to be of a kind that is known here, and to make of the token what the plan says.
func (a *ArbitrumBridge) agrees(ctx context.Context, r chain.Reader, e *arbEnds, s *arbSum) error {
	standard, none := s.by.near == e.standard && s.by.far == e.gateway, common.Address{}
	switch {
	case s.by.near == none || s.by.far == none || !standard && (s.by.near == e.standard || s.by.far == e.gateway):
		return fmt.Errorf("%s goes by a gateway of its own on one side only, or its way is closed (%s here, %s on %s): what is sent would not be taken in", s.token.Symbol, s.by.near, s.by.far, a.beyond.There)
	case s.by.named != [2]common.Address{s.by.above, s.by.above}:
		return fmt.Errorf("on the rollup the bridge makes %s of %s, and the plan calls %s by that symbol: what is sent would not be that", s.by.named[0], s.by.below, s.by.above)
	}
	rollup := r
	if a.up {
		rollup = a.beyond.Far
	}
	answers, _, err := rollup.Read(ctx, nil, []chain.Query{{What: chain.Code, To: s.by.above}})
	switch {
	case err != nil:
		return err
	case len(answers[0].Data) == 0:
		return fmt.Errorf("%s was never sent over this bridge: its token %s is not on the rollup yet, and somebody has to send the first", s.token.Symbol, s.by.above)
	case standard:
		return nil
	}
	return a.own(ctx, r, e, s)
}

// arbSaid is what a gateway of a token's own says of itself.
type arbSaid struct {
	other, makes, wethBelow, wethAbove *contract.Asked
}

func askGateway(b *contract.Batch, gateway, below common.Address) arbSaid {
	return arbSaid{b.Call(gateway, contract.ArbGateway.Other), b.Call(gateway, contract.ArbGateway.Makes, below),
		b.Call(gateway, contract.ArbGateway.WETHBelow), b.Call(gateway, contract.ArbGateway.WETHAbove)}
}

// custom says whether it is the generic one, which has a list of what becomes of a token.
func (g arbSaid) custom(above common.Address) bool {
	var makes common.Address
	return g.makes.Scan(&makes) == nil && makes == above
}

// weth says whether it is that of WETH.
func (g arbSaid) weth(p arbPair) bool {
	var below, above common.Address
	return scanAll(g.wethBelow, &below, g.wethAbove, &above) == nil && below == p.below && above == p.above
}

// own holds the gateways of a token's own against each other. The token on the rollup has to stand for the one below: where it does not, the
// gateway there takes a ticket in, pays nobody, and sends everything back as a withdrawal.
func (a *ArbitrumBridge) own(ctx context.Context, r chain.Reader, e *arbEnds, s *arbSum) error {
	var here, there contract.Batch
	near, far := askGateway(&here, s.by.near, s.by.below), askGateway(&there, s.by.far, s.by.below)
	below, above, gateway, gatewayAbove := &here, &there, s.by.near, s.by.far
	if !a.up {
		below, above, gateway, gatewayAbove = above, below, gatewayAbove, gateway
	}
	inbox, stands, listens := below.Call(gateway, contract.ArbGateway.Inbox), above.Call(s.by.above, contract.ArbToken.Below), above.Call(s.by.above, contract.ArbToken.Gateway)
	if _, err := here.Read(ctx, r, &e.block); err != nil {
		return err
	}
	if _, err := there.Read(ctx, a.beyond.Far, nil); err != nil {
		return fmt.Errorf("read its gateway on %s: %w", a.beyond.There, err)
	}
	var leads, returns, through, standsFor, listensTo common.Address
	if err := scanAll(near.other, &leads, far.other, &returns); err != nil || leads != s.by.far || returns != s.by.near {
		return fmt.Errorf("%s goes by a gateway of its own, and those of the two sides (%s here, %s on %s) do not name each other", s.token.Symbol, s.by.near, s.by.far, a.beyond.There)
	}
	if err := inbox.Scan(&through); err != nil || through != e.inbox {
		return fmt.Errorf("%s goes by a gateway of its own at %s, which does not send through the inbox %s of this bridge", s.token.Symbol, gateway, e.inbox)
	}
	switch s.by.wraps = near.weth(s.by) && far.weth(s.by); {
	case !s.by.wraps && !(near.custom(s.by.above) && far.custom(s.by.above)):
		return fmt.Errorf("%s goes by a gateway of its own (%s here, %s on %s), which is neither the generic one nor that of WETH, and not known here", s.token.Symbol, s.by.near, s.by.far, a.beyond.There)
	case stands.Scan(&standsFor) != nil || standsFor != s.by.below:
		return fmt.Errorf("the token %s on the rollup does not say that it stands for %s, and the gateway there would send it back instead of paying it out", s.by.above, s.by.below)
	case listens.Scan(&listensTo) == nil && listensTo != gatewayAbove: // not every token tells
		return fmt.Errorf("the token %s on the rollup listens to the gateway %s, and %s goes by %s", s.by.above, listensTo, s.token.Symbol, gatewayAbove)
	}
	return nil
}

// takenIn tries what the other side will do with the sum, as if it were there now. WETH comes with ether that is not there yet: that is tried
// with none of it, which goes the same way.
func (a *ArbitrumBridge) takenIn(ctx context.Context, e *arbEnds, owner common.Address, s *arbSum) error {
	coin, tried := s.token.Address == (common.Address{}), s.amount
	if s.by.wraps {
		tried = zero
	}
	switch {
	case coin && a.up: // whoever refuses a call without data refuses the coin too
		return a.beyond.takes(ctx, nil, chain.Query{What: chain.Call, To: s.to, From: alias(owner)}, s.token, s.to, s.amount)
	case a.up:
		taking := contract.ArbGateway.Take.Query(s.by.far, s.token.Address, s.to, s.to, tried, arbCarried.Returns([]byte{}, []byte{}))
		taking.From = alias(s.by.near)
		return a.beyond.takes(ctx, nil, taking, s.token, s.to, s.amount)
	}
	kept := chain.Query{What: chain.Balance, To: e.bridge}
	if !coin && !s.by.wraps {
		kept = contract.ERC20.BalanceOf.Query(s.there, s.by.far)
	}
	if err := a.pays(ctx, kept, s); err != nil {
		return err
	}
	taking := chain.Query{What: chain.Call, To: s.to, From: e.bridge}
	if !coin {
		taking = contract.ERC20.Transfer.Query(s.there, s.to, tried)
		taking.From = s.by.far
	}
	return a.beyond.takes(ctx, nil, taking, s.token, s.to, s.amount)
}

// pays wants what is kept below to be enough to pay a sum out.
func (a *ArbitrumBridge) pays(ctx context.Context, kept chain.Query, s *arbSum) error {
	answers, _, err := a.beyond.Far.Read(ctx, nil, []chain.Query{kept})
	if err != nil {
		return fmt.Errorf("read what is kept on %s: %w", a.beyond.There, err)
	}
	if has := new(big.Int).SetBytes(answers[0].Data); has.Cmp(s.amount) < 0 {
		return fmt.Errorf("the bridge has only %s on %s, and could not pay %s out", s.token.Text(has), a.beyond.There, s.token.Text(s.amount))
	}
	return nil
}

// routed is the gateway by which the router sent a token, as it told just before. Which one it names today does not matter then.
func (a *ArbitrumBridge) routed(before []*types.Log, token common.Address) (common.Address, error) {
	for _, l := range slices.Backward(before) {
		if l.Address == a.end && len(l.Topics) == 4 && l.Topics[0] == arbRouted && l.Topics[1] == topic(token) {
			var gateway common.Address
			err := arbRoutedData.Scan(l.Data, &gateway)
			return gateway, err
		}
	}
	return common.Address{}, errors.New("the router does not tell of it")
}

// paidOut says whether the gateway on the rollup told that it paid a ticket's sum to its receiver. That a ticket was carried out does not say so:
// a gateway that finds the token amiss sends the sum back, and that goes well too.
func (t arbTicket) paidOut(p Passage, logs []*types.Log) bool {
	if len(t.data) == 0 {
		return true
	}
	return slices.ContainsFunc(logs, func(l *types.Log) bool {
		var amount *big.Int
		return l.Address == t.to && len(l.Topics) == 4 && l.Topics[0] == arbTokenCame && l.Topics[1] == topic(t.token) && l.Topics[3] == topic(p.To) &&
			arbTokenCameData.Scan(l.Data, &amount) == nil && amount.Cmp(p.Amount) == 0
	})
}
