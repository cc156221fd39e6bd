package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/shopspring/decimal"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// Deed is what a playbook asks of a protocol.
type Deed string

const (
	Withdraw        Deed = "withdraw"
	Repay           Deed = "repay"
	Unwind          Deed = "unwind" // repay everything out of the collateral, then withdraw what is left
	RemoveLiquidity Deed = "remove-liquidity"
	Swap            Deed = "swap"
	Revoke          Deed = "revoke"
	Unstake         Deed = "unstake"
	Claim           Deed = "claim" // what a queue has finished with
	Transfer        Deed = "transfer"
	Cross           Deed = "bridge" // to another chain
)

// Ask is one deed. What a field means where it is absent stands beside it.
type Ask struct {
	Do     Deed
	Token  common.Address // that is withdrawn, repaid, sold, sent; zero for the native coin, or for all that the deed can be about
	Amount *big.Int       // base units; nil for all there is
	ID     *big.Int       // of an NFT position; nil for all of them
	To     common.Address // who receives; zero for the owner. The caller has checked that it is somebody of the plan

	Into     common.Address   // what a swap has to bring
	Spenders []common.Address // whose allowances are revoked

	Slippage  decimal.Decimal // by how much the outcome may be worse than the oracle's price; 0.01 when zero
	MinHealth decimal.Decimal // health factor that may not be gone below while there is debt; 1.05 when zero
	Within    time.Duration   // for how long swaps stay valid, counted from the block; an hour when zero
}

func (a Ask) check() error {
	switch {
	case a.Amount != nil && (a.Amount.Sign() <= 0 || a.Amount.BitLen() > 255):
		return fmt.Errorf("%s: the amount has to be more than nothing and fit into 255 bits", a.Do)
	case a.Slippage.IsNegative() || a.Slippage.GreaterThan(slippageMax):
		return fmt.Errorf("%s: a slippage of %s is not between 0 and %s", a.Do, a.Slippage, slippageMax)
	case !a.MinHealth.IsZero() && a.MinHealth.LessThanOrEqual(decimal.NewFromInt(1)):
		return fmt.Errorf("%s: a health factor of %s is liquidated; the least that can be asked for is above 1", a.Do, a.MinHealth)
	case a.Within < 0:
		return fmt.Errorf("%s: it cannot be valid for %s", a.Do, a.Within)
	}
	return nil
}

func (a Ask) withDefaults() Ask {
	if a.Slippage.IsZero() {
		a.Slippage = decimal.New(1, -2)
	}
	if a.MinHealth.IsZero() {
		a.MinHealth = decimal.New(105, -2)
	}
	if a.Within == 0 {
		a.Within = time.Hour
	}
	return a
}

// sale is a swap as an exchange is ordered to do it.
func (a Ask) sale() SaleOrder {
	return SaleOrder{From: a.Token, Into: a.Into, Slippage: a.Slippage, Within: a.Within}
}

var slippageMax = decimal.New(5, -1)

// Plan is how to do what was asked.
type Plan struct {
	Calls []Call
	Must  []Condition      // what has to be true afterwards
	Tells []Event          // what contracts have to tell of meanwhile
	Known []common.Address // contracts of the protocol, to which the calls may send value
	Notes []string         // what is not done, and why; sentences for people
	Block chain.Block      // at which the state was read
	// BaseMax is the base fee of the chain up to which the calls go through, where a contract asks for it; nil is any. Nodes simulate with
	// none, so that no trial shows it.
	BaseMax *big.Int
}

// Call that the owner sends.
type Call struct {
	To    common.Address
	Value *big.Int // wei; nil is none
	Data  []byte
	Words string // what it does, for people
}

// Compare is how a condition holds an answer against what is wanted.
type Compare string

const (
	AtLeast Compare = ">="
	AtMost  Compare = "<="
	Equal   Compare = "=="
)

// Condition can be asked of the chain once the calls are done, or simulated.
type Condition struct {
	Query   chain.Query
	Word    int // which 32 bytes of the answer are meant, read as a number without a sign
	Compare Compare
	Want    *big.Int
	Words   string
}

// Event that a contract has to tell of while the calls are carried out, to the last byte.
type Event struct {
	Address common.Address
	Topics  []common.Hash
	Data    []byte
	// Any are those of its words of 32 bytes, the topics counted first and then the data, that nobody can know beforehand, such as a counter.
	Any   []int `json:",omitempty"`
	Words string
}

// In says whether logs have the event.
func (e Event) In(logs []types.Log) bool {
	return slices.ContainsFunc(logs, func(l types.Log) bool {
		return l.Address == e.Address && len(l.Topics) == len(e.Topics) && len(l.Data) == len(e.Data) && bytes.Equal(e.known(l.Topics, l.Data), e.known(e.Topics, e.Data))
	})
}

// known is an event in one piece, without what may be anything.
func (e Event) known(topics []common.Hash, data []byte) []byte {
	var all []byte
	for _, t := range topics {
		all = append(all, t[:]...)
	}
	all = append(all, data...)
	for _, word := range e.Any {
		if word >= 0 && len(all) >= 32*(word+1) {
			clear(all[32*word : 32*(word+1)])
		}
	}
	return all
}

// Filter that finds the event, and perhaps others.
func (e Event) Filter() chain.Filter {
	f := chain.Filter{Addresses: []common.Address{e.Address}}
	for i, topic := range e.Topics {
		if slices.Contains(e.Any, i) {
			f.Topics = append(f.Topics, nil)
			continue
		}
		f.Topics = append(f.Topics, []common.Hash{topic})
	}
	return f
}

// Holds says whether an answer fulfils the condition, and what it says. An answer that is none is an error.
func (c Condition) Holds(answer chain.Answer) (bool, *big.Int, error) {
	if answer.Err != nil {
		return false, nil, fmt.Errorf("%s: %w", c.Words, answer.Err)
	}
	if len(answer.Data) < (c.Word+1)*32 {
		return false, nil, fmt.Errorf("%s: %w", c.Words, contract.ErrNothing)
	}
	got := new(big.Int).SetBytes(answer.Data[c.Word*32 : (c.Word+1)*32])
	sign := got.Cmp(c.Want)
	return c.Compare == Equal && sign == 0 || c.Compare == AtLeast && sign >= 0 || c.Compare == AtMost && sign <= 0, got, nil
}

func (p *Plan) call(to common.Address, words string, m *contract.Method, arguments ...any) {
	p.Calls = append(p.Calls, Call{To: to, Data: m.Pack(arguments...), Words: words})
}

func (p *Plan) must(q chain.Query, compare Compare, want *big.Int, words string) {
	p.Must = append(p.Must, Condition{Query: q, Compare: compare, Want: want, Words: words})
}

// leaves wants no more of a token to be left than there should be, and a hundredth of what goes besides: anybody can send the owner a little of it,
// after the owners have signed, and must not keep them in by that.
func (p *Plan) leaves(token Token, owner common.Address, left, goes *big.Int) {
	most := besides(left, goes)
	p.must(balanceOf(token.Address, owner), AtMost, most, fmt.Sprintf("%s has at most %s left", owner, token.Text(most)))
}

// besides is what is left with a hundredth of what goes.
func besides(left, goes *big.Int) *big.Int {
	return new(big.Int).Add(left, new(big.Int).Quo(goes, big.NewInt(100)))
}

func (p *Plan) note(format string, arguments ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, arguments...))
}

// approve lets a contract take an amount. Where something is allowed already it is set to zero first: tokens such as USDT refuse
// to change one allowance into another.
func (p *Plan) approve(t Token, spender common.Address, to string, already, amount *big.Int) {
	if already.Cmp(amount) == 0 {
		return
	}
	if already.Sign() > 0 && amount.Sign() > 0 {
		p.call(t.Address, fmt.Sprintf("take back what %s may take of %s", to, t.Symbol), contract.ERC20.Approve, spender, new(big.Int))
	}
	words := fmt.Sprintf("let %s take up to %s", to, t.Text(amount))
	if amount.Sign() == 0 {
		words = fmt.Sprintf("take back what %s may take of %s", to, t.Symbol)
	}
	p.call(t.Address, words, contract.ERC20.Approve, spender, amount)
}

// balanceOf a token, the native coin included, as a query for a condition.
func balanceOf(token, of common.Address) chain.Query {
	if token == (common.Address{}) {
		return chain.Query{What: chain.Balance, To: of}
	}
	return contract.ERC20.BalanceOf.Query(token, of)
}

// ErrNothingToDo says that what was asked for is done already: there is nothing to withdraw, repay or revoke.
var ErrNothingToDo = errors.New("there is nothing to do")

// worse takes a fraction off an amount, rounding down.
func worse(amount *big.Int, by decimal.Decimal) *big.Int {
	return decimal.NewFromBigInt(amount, 0).Mul(decimal.NewFromInt(1).Sub(by)).BigInt()
}

// better adds a fraction to an amount, rounding up.
func better(amount *big.Int, by decimal.Decimal) *big.Int {
	return decimal.NewFromBigInt(amount, 0).Mul(decimal.NewFromInt(1).Add(by)).Ceil().BigInt()
}
