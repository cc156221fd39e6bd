// Package evm says what an address of an EVM chain holds: the tokens that lie there and the chain's own coin, or what the address has
// in one protocol, looked through to the tokens underneath, with what it owes below zero.
//
// It reads by way of a [chain.Chain], which believes nothing that its nodes do not say alike, all of it at one block. What the plan
// does not name is no line: anybody may send a token to anybody. A debt is never left out. What cannot be read – a token that does
// not answer, a contract that refuses, nodes that disagree – is an error, and never an account with nothing in it.
//
// A position in a trading pool is another mix of its tokens after each trade. Its lines say what it would pay out now, with the fees that
// it has earned, and a [lifeboat.StatementLine.Share] that no trade changes, by which one knows whose doing a difference is.
//
// It has no key and sends nothing.
package evm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/chain/contract"
	"lifeboat/chain/protocol"
	"lifeboat/custodian"
)

// Chain that is asked; a [chain.Chain] is one.
type Chain interface {
	chain.Reader
	Logs(ctx context.Context, from, to uint64, filter chain.Filter) ([]types.Log, error)
	BlockAt(ctx context.Context, number uint64) (chain.Block, error)
}

// Options of a source.
type Options struct {
	Name    string // of the chain, as the plan calls it
	Chain   Chain
	Account string // as the plan calls it
	Address common.Address
	Coin    string                    // the plan's symbol of the chain's own coin; "" where it names none
	Tokens  map[common.Address]string // :: token → the plan's symbol

	// Protocol in which the address holds what is counted, and the address of its contract; nil counts what lies at the address.
	Protocol protocol.Adapter
	Contract common.Address

	// Rebased are tokens whose balances move by themselves: stETH, the token of a Compound market. Pools are those of Aave, whose
	// tokens do so as well and are known by naming one of them.
	Rebased, Pools []common.Address
}

// tokensMax bounds what one account may name, so that a look stays a few questions.
const tokensMax = 500

// Source is one chain, asked about one address. It is safe for concurrent use.
type Source struct {
	Options
	purse *protocol.Purse

	mu      sync.Mutex
	accrues map[common.Address]bool // nil until the tokens have said whose they are
}

// New makes a source. Nothing is asked yet.
func New(o Options) (*Source, error) {
	if len(o.Tokens) > tokensMax {
		return nil, fmt.Errorf("%s names %d tokens on %s; %d are the most", o.Account, len(o.Tokens), o.Name, tokensMax)
	}
	if o.Coin == "" && len(o.Tokens) == 0 && o.Protocol == nil {
		return nil, fmt.Errorf("%s names nothing that could be asked for on %s: give it a holding with token, or one without for the chain's own coin", o.Account, o.Name)
	}
	s := &Source{Options: o}
	s.purse = protocol.NewPurse(o.Account, o.Coin, s.tokens()...)
	return s, nil
}

// tokens of the account, always in the same order.
func (s *Source) tokens() []common.Address {
	return slices.SortedFunc(maps.Keys(s.Tokens), common.Address.Cmp)
}

// Behind is how old the newest block of a chain may be: fifty blocks, and never less than two minutes.
func Behind(n chain.Network) time.Duration { return max(2*time.Minute, 50*n.BlockTime) }

// Name of the chain.
func (s *Source) Name() string { return s.Options.Name }

// Holdings at the newest block that the nodes agree on.
func (s *Source) Holdings(ctx context.Context) (custodian.Holdings, error) {
	head, err := s.Chain.Head(ctx)
	if err != nil {
		return custodian.Holdings{}, err
	}
	lines, err := s.lines(ctx, &head)
	if err != nil {
		return custodian.Holdings{}, fmt.Errorf("read what %s has at block %d: %w", s.Account, head.Number, err)
	}
	return custodian.Holdings{At: head.Time, Height: head.Number, Lines: lines}, nil
}

func (s *Source) lines(ctx context.Context, at *chain.Block) ([]lifeboat.StatementLine, error) {
	var adapter protocol.Adapter = s.purse
	accrues := map[common.Address]bool{}
	if s.Protocol != nil {
		adapter = s.Protocol
	} else {
		var err error
		if accrues, err = s.whose(ctx, at); err != nil {
			return nil, err
		}
	}
	positions, err := adapter.Positions(ctx, s.Chain, at, s.Address)
	if err != nil {
		return nil, err
	}
	all, shares := map[string]*lifeboat.StatementLine{}, map[string][]string{}
	for _, p := range positions {
		p.Accrues = p.Accrues || accrues[p.Token.Address]
		for _, part := range p.Under {
			if err := s.add(all, p, part); err != nil {
				return nil, err
			}
			if symbol := s.symbol(part.Token.Address); symbol != "" && p.Share != nil {
				shares[symbol] = append(shares[symbol], fmt.Sprint(p.Token.Address, p.Share))
			}
		}
	}
	for symbol, of := range shares {
		all[symbol].Share = digest(of)
	}
	var lines []lifeboat.StatementLine
	for _, symbol := range slices.Sorted(maps.Keys(all)) {
		l := *all[symbol]
		l.Free = decimal.Max(decimal.Zero, decimal.Min(l.Free, l.Quantity))
		lines = append(lines, l)
	}
	return lines, nil
}

// digest of the shares that a line is of, in whatever order they were listed.
func digest(shares []string) string {
	slices.Sort(shares)
	sum := sha256.Sum256([]byte(strings.Join(shares, "\n")))
	return hex.EncodeToString(sum[:16])
}

// add a part of a position to the line of its token.
func (s *Source) add(all map[string]*lifeboat.StatementLine, p protocol.Position, part protocol.Component) error {
	symbol, owed := s.symbol(part.Token.Address), p.Kind == protocol.Debt
	switch {
	case symbol == "" && owed:
		return fmt.Errorf("the address owes %s in %s, and the plan registers no such debt: give %s a holding with token: %s and a quantity below zero",
			part.Token.Text(part.Amount), p.Protocol, s.Account, part.Token.Address.Hex())
	case symbol == "":
		return nil
	}
	l := all[symbol]
	if l == nil {
		l = &lifeboat.StatementLine{Symbol: symbol}
		all[symbol] = l
	}
	l.Accrues = l.Accrues || p.Accrues
	amount := whole(part.Token, part.Amount)
	if owed {
		l.Quantity = l.Quantity.Sub(amount)
		return nil
	}
	l.Quantity = l.Quantity.Add(amount)
	if part.Free != nil {
		amount = whole(part.Token, part.Free)
	}
	l.Free = l.Free.Add(amount)
	return nil
}

// symbol of a token in the plan; "" where it names none. The zero address is the chain's own coin.
func (s *Source) symbol(token common.Address) string {
	if token == (common.Address{}) {
		return s.Coin
	}
	return s.Tokens[token]
}

// whole tokens of an amount in base units, to the last digit.
func whole(t protocol.Token, amount *big.Int) decimal.Decimal {
	return decimal.NewFromBigInt(amount, -int32(t.Decimals))
}

// The tokens of Aave say whose they are, and which of them are debts. What is no token of Aave has neither method.
var (
	poolOf     = contract.New("POOL() (address)")
	debtNumber = contract.New("DEBT_TOKEN_REVISION() (uint256)")
)

// whose tokens they are that lie at the address, asked once: those of a pool earn interest, and its debts are no holding.
func (s *Source) whose(ctx context.Context, at *chain.Block) (map[common.Address]bool, error) {
	s.mu.Lock()
	known := s.accrues
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	known = map[common.Address]bool{}
	for _, token := range s.Rebased {
		known[token] = true
	}
	if len(s.Pools) > 0 {
		if err := s.askPools(ctx, at, known); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accrues = known
	return known, nil
}

func (s *Source) askPools(ctx context.Context, at *chain.Block, known map[common.Address]bool) error {
	var b contract.Batch
	tokens := s.tokens()
	pools, debts := make([]*contract.Asked, len(tokens)), make([]*contract.Asked, len(tokens))
	for i, token := range tokens {
		pools[i], debts[i] = b.Call(token, poolOf), b.Call(token, debtNumber)
	}
	if _, err := b.Read(ctx, s.Chain, at); err != nil {
		return fmt.Errorf("ask the tokens whose they are: %w", err)
	}
	for i, token := range tokens {
		var pool common.Address
		if pools[i].Scan(&pool) != nil || !slices.Contains(s.Pools, pool) {
			continue
		}
		if debts[i].Scan(new(*big.Int)) == nil {
			return fmt.Errorf("%s is what is owed in a market, and would be counted as if it was owned: register the debt in an account with protocol", s.Tokens[token])
		}
		known[token] = true
	}
	return nil
}
