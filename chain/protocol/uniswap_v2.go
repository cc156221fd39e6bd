package protocol

import (
	"context"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// UniswapV2 is one pair of a Uniswap v2, or of a fork that kept its formula and its fee of 0.3 %.
//
// What an exit has to bring comes from the oracle. The pool holds x of one token and y of the other, and x·y = k changes only by
// fees: at a price P of the first in the second an untouched pool holds x = √(k/P) and y = √(k·P). Somebody who pushes the pool
// changes x and y, not k; so the amounts that a share is worth follow from k and the oracle's price, and a withdrawal in the
// middle of an attack brings less of one of them, and is refused.
type UniswapV2 struct {
	name         string
	router, pair common.Address
	oracle       Oracle

	mu    sync.Mutex
	sides *[2]Token
}

// NewUniswapV2 pair. Without an oracle it has positions, and no way out.
func NewUniswapV2(name string, router, pair common.Address, oracle Oracle) *UniswapV2 {
	return &UniswapV2{name: name, router: router, pair: pair, oracle: oracle}
}

func (u *UniswapV2) Name() string { return u.name }

type pairState struct {
	block    chain.Block
	tokens   [2]Token
	reserves [2]*big.Int
	supply   *big.Int   // of shares
	shares   []*big.Int // of the owners
	more     []*contract.Asked
}

func (u *UniswapV2) locate(ctx context.Context, r chain.Reader, at *chain.Block) ([2]Token, *chain.Block, error) {
	u.mu.Lock()
	sides := u.sides
	u.mu.Unlock()
	if sides != nil {
		return *sides, at, nil
	}
	var b contract.Batch
	first, second := b.Call(u.pair, contract.UniswapV2.Token0), b.Call(u.pair, contract.UniswapV2.Token1)
	block, err := b.Read(ctx, r, at)
	if err != nil {
		return [2]Token{}, nil, err
	}
	var addresses [2]common.Address
	if err := scanAll(first, &addresses[0], second, &addresses[1]); err != nil {
		return [2]Token{}, nil, err
	}
	tokens, _, err := readTokens(ctx, r, &block, addresses[:])
	if err != nil {
		return [2]Token{}, nil, err
	}
	u.mu.Lock()
	u.sides = (*[2]Token)(tokens)
	u.mu.Unlock()
	return [2]Token(tokens), &block, nil
}

// read the pair, and what else an exit asks for, at one block.
func (u *UniswapV2) read(ctx context.Context, r chain.Reader, at *chain.Block, owners []common.Address, more func(*contract.Batch, [2]Token) []*contract.Asked) (*pairState, error) {
	tokens, at, err := u.locate(ctx, r, at)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u.name, err)
	}
	var b contract.Batch
	reserves, supply := b.Call(u.pair, contract.UniswapV2.Reserves), b.Call(u.pair, contract.UniswapV2.TotalSupply)
	shares := make([]*contract.Asked, len(owners))
	for i, owner := range owners {
		shares[i] = b.Call(u.pair, contract.ERC20.BalanceOf, owner)
	}
	s := &pairState{tokens: tokens, shares: make([]*big.Int, len(owners))}
	if more != nil {
		s.more = more(&b, tokens)
	}
	if s.block, err = b.Read(ctx, r, at); err != nil {
		return nil, fmt.Errorf("%s: %w", u.name, err)
	}
	if err := reserves.Scan(&s.reserves[0], &s.reserves[1]); err != nil {
		return nil, fmt.Errorf("%s: %w", u.name, err)
	}
	if err := supply.Scan(&s.supply); err != nil {
		return nil, fmt.Errorf("%s: %w", u.name, err)
	}
	for i := range shares {
		if err := shares[i].Scan(&s.shares[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", u.name, err)
		}
	}
	return s, nil
}

// part of an amount that shares stand for.
func (s *pairState) part(of, shares *big.Int) *big.Int {
	if s.supply.Sign() == 0 {
		return new(big.Int)
	}
	n := new(big.Int).Mul(of, shares)
	return n.Quo(n, s.supply)
}

// Positions are the shares, looked through to both tokens.
func (u *UniswapV2) Positions(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address) ([]Position, error) {
	s, err := u.read(ctx, r, at, []common.Address{owner}, nil)
	if err != nil || s.shares[0].Sign() == 0 {
		return nil, err
	}
	position := Position{Protocol: u.name, Kind: Liquidity, Token: u.share(s), Amount: s.shares[0], Share: s.shares[:1], Block: s.block.Number}
	for i, t := range s.tokens {
		position.Under = append(position.Under, Component{Token: t, Amount: s.part(s.reserves[i], s.shares[0]), Holder: u.pair})
	}
	return []Position{position}, nil
}

func (u *UniswapV2) share(s *pairState) Token {
	return Token{u.pair, s.tokens[0].Symbol + "/" + s.tokens[1].Symbol + " share", 18}
}

// Measures of the pair and of the owners' shares. The price is that of the first token in the second; the imbalance is by the
// oracle's prices, and without them absent.
func (u *UniswapV2) Measures(ctx context.Context, r chain.Reader, at *chain.Block, owners ...common.Address) ([]Measure, error) {
	s, err := u.read(ctx, r, at, owners, nil)
	if err != nil {
		return nil, err
	}
	m := measures{block: s.block.Number}
	for i, t := range s.tokens {
		m.market(u.pair, t.Symbol)
		m.add(Reserves, t.units(s.reserves[i]))
	}
	pair := s.tokens[0].Symbol + "/" + s.tokens[1].Symbol
	m.market(u.pair, pair)
	if s.reserves[0].Sign() > 0 {
		m.add(Price, s.tokens[1].units(s.reserves[1])/s.tokens[0].units(s.reserves[0]))
	}
	if prices, err := trustworthy(ctx, u.oracle, r, &s.block, s.tokens[:]...); err == nil {
		m.add(Imbalance, imbalance(s.tokens[0].units(s.reserves[0])*prices[0].InexactFloat64(), s.tokens[1].units(s.reserves[1])*prices[1].InexactFloat64()))
	} else if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for i, owner := range owners {
		m.of(owner, u.pair, pair)
		if s.supply.Sign() > 0 {
			m.add(PoolShare, ratio(s.shares[i], s.supply))
		}
	}
	return m.all, nil
}

// imbalance of two sides by their worth: 0 when they are equal, as they are in an untouched pool, and 1 when one is gone.
func imbalance(a, b float64) float64 {
	if a+b == 0 {
		return 0
	}
	return max(a-b, b-a) / (a + b)
}

// Exit removes liquidity and swaps one token of the pair for the other.
func (u *UniswapV2) Exit(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, asks ...Ask) (Plan, error) {
	var plan Plan
	if len(asks) != 1 {
		return Plan{}, fmt.Errorf("%s: one deed makes one exit here, not %d", u.name, len(asks))
	}
	ask := asks[0].withDefaults()
	err := ask.check()
	if err == nil {
		switch ask.Do {
		case RemoveLiquidity:
			err = u.remove(ctx, r, at, owner, ask, &plan)
		case Swap:
			var sale *pairSale
			if sale, err = u.sale(ctx, r, at, owner, receiver(ask, owner), ask.sale()); err == nil {
				_, err = swap(&plan, ask, sale)
			}
		default:
			err = fmt.Errorf("a trading pair can remove liquidity and swap; it cannot %s", ask.Do)
		}
	}
	if err != nil {
		return Plan{}, fmt.Errorf("%s: %w", u.name, err)
	}
	plan.Known = []common.Address{u.router, u.pair}
	return plan, nil
}

// remove liquidity for at least what the share is worth while the pool is within the slippage of the oracle's price.
func (u *UniswapV2) remove(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, ask Ask, plan *Plan) error {
	to := receiver(ask, owner)
	s, err := u.read(ctx, r, at, []common.Address{owner}, func(b *contract.Batch, tokens [2]Token) []*contract.Asked {
		return []*contract.Asked{b.Call(u.pair, contract.ERC20.Allowance, owner, u.router), askBalance(b, tokens[0].Address, to), askBalance(b, tokens[1].Address, to)}
	})
	if err != nil {
		return err
	}
	var allowed *big.Int
	var before [2]*big.Int
	if err := scanAll(s.more[0], &allowed, s.more[1], &before[0], s.more[2], &before[1]); err != nil {
		return err
	}
	shares := s.shares[0]
	if ask.Amount != nil {
		shares = smaller(ask.Amount, shares)
	}
	if shares.Sign() == 0 {
		return ErrNothingToDo
	}
	least, err := u.fair(ctx, r, s, shares, ask.Slippage)
	if err != nil {
		return err
	}
	share := u.share(s)
	plan.Block = s.block
	plan.approve(share, u.router, u.name, allowed, shares)
	plan.call(u.router, fmt.Sprintf("give %s back for at least %s and %s", share.Text(shares), s.tokens[0].Text(least[0]), s.tokens[1].Text(least[1])),
		contract.UniswapV2.RemoveLiquidity, s.tokens[0].Address, s.tokens[1].Address, shares, least[0], least[1], to, deadline(s.block, ask.Within))
	for i, t := range s.tokens {
		want := new(big.Int).Add(before[i], least[i])
		plan.must(balanceOf(t.Address, to), AtLeast, want, fmt.Sprintf("%s has at least %s", to, t.Text(want)))
	}
	return nil
}

// fair is the least of each token that shares bring as long as the pool's price is within the slippage of the oracle's. A pool
// that is further away is left alone, with an error that says how far.
func (u *UniswapV2) fair(ctx context.Context, r chain.Reader, s *pairState, shares *big.Int, slippage decimal.Decimal) (least [2]*big.Int, err error) {
	prices, err := trustworthy(ctx, u.oracle, r, &s.block, s.tokens[:]...)
	if err != nil {
		return least, err
	}
	k := new(big.Int).Mul(s.reserves[0], s.reserves[1])
	if k.Sign() == 0 {
		return least, fmt.Errorf("the pool is empty")
	}
	one := decimal.NewFromInt(1)
	price := baseUnitPrice(s.tokens, prices)
	high, low := new(big.Rat).Mul(price, one.Add(slippage).Rat()), new(big.Rat).Mul(price, one.Sub(slippage).Rat())
	least[0] = s.part(root(new(big.Rat).Quo(new(big.Rat).SetInt(k), high)), shares)
	least[1] = s.part(root(new(big.Rat).Mul(new(big.Rat).SetInt(k), low)), shares)
	for i, t := range s.tokens {
		if now := s.part(s.reserves[i], shares); now.Cmp(least[i]) < 0 {
			return least, fmt.Errorf("the pool is away from the oracle's price: the share would bring %s now, and is worth at least %s", t.Text(now), t.Text(least[i]))
		}
	}
	return least, nil
}

// root of a positive number, rounded down.
func root(n *big.Rat) *big.Int {
	return new(big.Int).Sqrt(new(big.Int).Quo(n.Num(), n.Denom()))
}

func deadline(block chain.Block, within time.Duration) *big.Int {
	return big.NewInt(block.Time.Add(within).Unix())
}

func receiver(ask Ask, owner common.Address) common.Address {
	if ask.To == (common.Address{}) {
		return owner
	}
	return ask.To
}

// pairSale is a [Sale] at one pair.
type pairSale struct {
	terms
	pair         common.Address
	there, other *big.Int // reserves of what is sold and what is bought
}

// Sale at this pair.
func (u *UniswapV2) Sale(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, order SaleOrder) (Sale, error) {
	sale, err := u.sale(ctx, r, at, owner, owner, order)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u.name, err)
	}
	return sale, nil
}

func (u *UniswapV2) sale(ctx context.Context, r chain.Reader, at *chain.Block, owner, to common.Address, order SaleOrder) (*pairSale, error) {
	var asked askedTerms
	s, err := u.read(ctx, r, at, nil, func(b *contract.Batch, _ [2]Token) []*contract.Asked {
		asked = askTerms(b, u.router, owner, to, order)
		return nil
	})
	if err != nil {
		return nil, err
	}
	which := 0
	if s.tokens[1].Address == order.From {
		which = 1
	}
	sale := &pairSale{pair: u.pair, there: s.reserves[which], other: s.reserves[1-which],
		terms: terms{exchange: u.name, router: u.router, block: s.block, owner: owner, to: to, from: s.tokens[which], into: s.tokens[1-which], order: order}}
	if sale.from.Address != order.From || sale.into.Address != order.Into {
		return nil, fmt.Errorf("the pair trades %s and %s, not %s for %s", s.tokens[0].Symbol, s.tokens[1].Symbol, order.From, order.Into)
	}
	return sale, sale.agree(ctx, r, u.oracle, asked)
}

// Sell for at least the oracle's price less the slippage. When the pool as it is now would not pay that, it is said now and not
// by a revert later.
func (s *pairSale) Sell(plan *Plan, amount *big.Int) (*big.Int, error) {
	least, pays := s.least(amount), pairPays(amount, s.there, s.other)
	if least.Sign() == 0 || pays.Cmp(least) < 0 {
		return nil, fmt.Errorf("the pool pays %s for %s, and by the oracle's price it has to be at least %s", s.into.Text(pays), s.from.Text(amount), s.into.Text(least))
	}
	s.allowed(plan, amount, s.pair)
	plan.call(s.router, fmt.Sprintf("sell %s for at least %s", s.from.Text(amount), s.into.Text(least)),
		contract.UniswapV2.SwapExact, amount, least, []common.Address{s.from.Address, s.into.Address}, s.to, deadline(s.block, s.order.Within))
	s.there, s.other = new(big.Int).Add(s.there, amount), new(big.Int).Sub(s.other, pays)
	return least, nil
}

// pairPays is Uniswap v2's formula: 0.3 % of what comes in is the fee, and the product of the reserves stays.
func pairPays(amount, there, other *big.Int) *big.Int {
	in := new(big.Int).Mul(amount, big.NewInt(997))
	whole := new(big.Int).Add(new(big.Int).Mul(there, big.NewInt(1000)), in)
	if whole.Sign() == 0 {
		return new(big.Int)
	}
	return in.Mul(in, other).Quo(in, whole)
}
