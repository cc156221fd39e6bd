package protocol

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat/chain"
)

// Quote is what one source says a whole token is worth.
type Quote struct {
	Token   common.Address
	Dollars decimal.Decimal
	Source  string
	Time    time.Time // when the source last said so
	Doubt   string    // why it must not be traded on, a sentence; "" when nothing is known against it
}

// Oracle quotes tokens by something other than the pool that trades them. Of tokens that it does not know it says nothing.
type Oracle interface {
	Quotes(ctx context.Context, r chain.Reader, at *chain.Block, tokens ...common.Address) ([]Quote, error)
}

// Said are prices that somebody outside the chain said, such as the feeds of the plan.
type Said []Quote

// Quotes that are there for these tokens.
func (s Said) Quotes(_ context.Context, _ chain.Reader, _ *chain.Block, tokens ...common.Address) ([]Quote, error) {
	var quotes []Quote
	for _, token := range tokens {
		for _, q := range s {
			if q.Token == token {
				quotes = append(quotes, q)
			}
		}
	}
	return quotes, nil
}

// trustworthy prices for all the tokens, or an error that says which is missing or doubted.
func trustworthy(ctx context.Context, oracle Oracle, r chain.Reader, at *chain.Block, tokens ...Token) ([]decimal.Decimal, error) {
	if oracle == nil {
		return nil, fmt.Errorf("no oracle is named, and what a pool says of its own price is not believed")
	}
	addresses := make([]common.Address, len(tokens))
	for i, t := range tokens {
		addresses[i] = t.Address
	}
	quotes, err := oracle.Quotes(ctx, r, at, addresses...)
	if err != nil {
		return nil, fmt.Errorf("ask for prices: %w", err)
	}
	prices := make([]decimal.Decimal, len(tokens))
	for i, t := range tokens {
		doubt := "no oracle quotes " + t.Symbol
		for _, q := range quotes {
			if q.Token != t.Address {
				continue
			}
			if doubt = q.Doubt; doubt == "" && q.Dollars.IsPositive() {
				prices[i] = q.Dollars
				break
			} else if doubt == "" {
				doubt = fmt.Sprintf("%s says that %s is worth %s", q.Source, t.Symbol, q.Dollars)
			}
		}
		if doubt != "" {
			return nil, fmt.Errorf("there is no price of %s to trade on: %s", t.Symbol, doubt)
		}
	}
	return prices, nil
}

// exchanged is what an amount of one token is worth in another at the oracle's prices, rounded down.
func exchanged(amount *big.Int, from, into Token, fromPrice, intoPrice decimal.Decimal) *big.Int {
	n := new(big.Rat).Mul(new(big.Rat).SetInt(amount), fromPrice.Rat())
	n.Quo(n, intoPrice.Rat())
	n.Mul(n, new(big.Rat).SetFrac(power(int(into.Decimals)), power(int(from.Decimals))))
	return new(big.Int).Quo(n.Num(), n.Denom())
}

// Worth is what positions are worth in dollars, looked through to what stands behind them; debt counts against it.
type Worth struct {
	Net, Owed decimal.Decimal
	Lines     []WorthLine
	Unpriced  []Token // of which no price is known; they count as nothing
}

// WorthLine is one component of one position.
type WorthLine struct {
	Position  Position
	Component Component
	Price     Quote
	Dollars   decimal.Decimal // below zero for debt
}

// Value positions by the first undoubted quote of each token; a doubted one counts where there is no other, and says so in its
// line.
func Value(positions []Position, quotes []Quote) Worth {
	prices := map[common.Address]Quote{}
	for _, q := range quotes {
		if known, ok := prices[q.Token]; !ok || known.Doubt != "" && q.Doubt == "" {
			prices[q.Token] = q
		}
	}
	var w Worth
	missing := map[common.Address]bool{}
	for _, p := range positions {
		for _, c := range p.Under {
			q, ok := prices[c.Token.Address]
			if !ok {
				if !missing[c.Token.Address] {
					w.Unpriced, missing[c.Token.Address] = append(w.Unpriced, c.Token), true
				}
				continue
			}
			dollars := decimal.NewFromBigInt(c.Amount, -int32(c.Token.Decimals)).Mul(q.Dollars)
			if p.Kind == Debt {
				w.Owed, dollars = w.Owed.Add(dollars), dollars.Neg()
			}
			w.Net = w.Net.Add(dollars)
			w.Lines = append(w.Lines, WorthLine{p, c, q, dollars})
		}
	}
	return w
}
