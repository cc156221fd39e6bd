package protocol

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// Seller is an exchange that a position can be unwound through.
type Seller interface {
	// Sale reads, at one block, what it takes to sell one token for another.
	Sale(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, order SaleOrder) (Sale, error)
}

// SaleOrder says what is sold for what, and how much worse than the oracle's price it may come out.
type SaleOrder struct {
	From, Into common.Address
	Slippage   decimal.Decimal
	Within     time.Duration
}

// Sale of one token for another. It asks nothing of the chain any more, and each part that is sold worsens the price of the next.
type Sale interface {
	// Sell adds the calls that sell an amount, and says the least that it brings.
	Sell(plan *Plan, amount *big.Int) (least *big.Int, err error)
	// Need is how much has to be sold to be sure of an outcome.
	Need(outcome *big.Int) *big.Int
	// Close promises that the exchange may take nothing any more.
	Close(plan *Plan)
}

// terms of a sale are the same at every exchange: what it has to bring follows from the oracle's prices alone, and the exchange may
// take just what it is sold.
type terms struct {
	exchange            string // its name
	router              common.Address
	block               chain.Block
	owner, to           common.Address
	from, into          Token
	fromPrice, toPrice  decimal.Decimal
	have, before, allow *big.Int // what the owner has to sell, what the receiver had of the other token, what the router may take
	order               SaleOrder
	sold                bool
}

// askedTerms are questions in a batch, asked together with those about the exchange.
type askedTerms struct{ have, allow, before *contract.Asked }

func askTerms(b *contract.Batch, router, owner, to common.Address, order SaleOrder) askedTerms {
	return askedTerms{b.Call(order.From, contract.ERC20.BalanceOf, owner), b.Call(order.From, contract.ERC20.Allowance, owner, router), b.Call(order.Into, contract.ERC20.BalanceOf, to)}
}

// agree on the terms, by what was answered and by the oracle's prices.
func (t *terms) agree(ctx context.Context, r chain.Reader, oracle Oracle, asked askedTerms) error {
	if err := scanAll(asked.have, &t.have, asked.allow, &t.allow, asked.before, &t.before); err != nil {
		return err
	}
	prices, err := trustworthy(ctx, oracle, r, &t.block, t.from, t.into)
	if err != nil {
		return err
	}
	t.fromPrice, t.toPrice = prices[0], prices[1]
	return nil
}

// least that an amount has to bring.
func (t *terms) least(amount *big.Int) *big.Int {
	return worse(exchanged(amount, t.from, t.into, t.fromPrice, t.toPrice), t.order.Slippage)
}

// Need is the least amount that is certain to bring an outcome.
func (t *terms) Need(outcome *big.Int) *big.Int {
	left := decimal.NewFromInt(1).Sub(t.order.Slippage)
	need := decimal.NewFromBigInt(exchanged(outcome, t.into, t.from, t.toPrice, t.fromPrice), 0).Div(left).Ceil().BigInt()
	return need.Add(need, big.NewInt(2)) // for what was rounded down twice
}

// allowed lets the router take an amount and no more, whatever it might take before, and passes value between the owner and those
// who trade.
func (t *terms) allowed(plan *Plan, amount *big.Int, traders ...common.Address) {
	plan.approve(t.from, t.router, t.exchange, t.allow, amount)
	t.allow, t.sold = new(big.Int), true // the sale takes all of it
	for _, one := range append(traders, t.router) {
		if !slices.Contains(plan.Known, one) {
			plan.Known = append(plan.Known, one)
		}
	}
}

// Close promises that the exchange may take nothing any more. It takes nothing back: each sale was allowed just what it takes.
func (t *terms) Close(plan *Plan) {
	if t.sold {
		plan.must(contract.ERC20.Allowance.Query(t.from.Address, t.owner, t.router), Equal, new(big.Int), fmt.Sprintf("%s may take no %s", t.exchange, t.from.Symbol))
	}
}

func (t *terms) agreed() *terms { return t }

// agreed sale.
type agreed interface {
	Sale
	agreed() *terms
}

// swap sells what was asked for, or all there is, and promises that the receiver has it beside what he had.
func swap(plan *Plan, ask Ask, sale agreed) (least *big.Int, err error) {
	t := sale.agreed()
	amount := t.have
	if ask.Amount != nil {
		if ask.Amount.Cmp(t.have) > 0 {
			return nil, fmt.Errorf("%s is to be sold and there is %s", t.from.Text(ask.Amount), t.from.Text(t.have))
		}
		amount = ask.Amount
	}
	if amount.Sign() == 0 {
		return nil, ErrNothingToDo
	}
	plan.Block = t.block
	if least, err = sale.Sell(plan, amount); err != nil {
		return nil, err
	}
	sale.Close(plan)
	want := new(big.Int).Add(t.before, least)
	plan.must(balanceOf(t.into.Address, t.to), AtLeast, want, fmt.Sprintf("%s has at least %s", t.to, t.into.Text(want)))
	return least, nil
}
