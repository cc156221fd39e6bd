package protocol

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
	"lifeboat/chain/contract"
	"lifeboat/prose"
)

// Purse is what an address holds itself: the native coin and the tokens that the plan names. A Safe is an address like any
// other.
type Purse struct {
	name   string
	native Token
	tokens []common.Address

	mu    sync.Mutex
	known []Token // nil until the tokens have said their names
}

// NewPurse of a chain whose native coin has this symbol; every chain that lifeboat knows gives it 18 decimals.
func NewPurse(name, coin string, tokens ...common.Address) *Purse {
	return &Purse{name: name, native: Token{Symbol: coin, Decimals: 18}, tokens: slices.Clone(tokens)}
}

func (p *Purse) Name() string { return p.name }

// Positions that are not zero, the native coin first.
func (p *Purse) Positions(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address) ([]Position, error) {
	tokens, at, err := p.read(ctx, r, at)
	if err != nil {
		return nil, err
	}
	var b contract.Batch
	asked := []*contract.Asked{b.Balance(owner)}
	for _, t := range tokens {
		asked = append(asked, b.Call(t.Address, contract.ERC20.BalanceOf, owner))
	}
	block, err := b.Read(ctx, r, at)
	if err != nil {
		return nil, fmt.Errorf("read balances: %w", err)
	}
	var positions []Position
	for i, t := range slices.Insert(slices.Clone(tokens), 0, p.native) {
		amount := new(big.Int)
		if err := asked[i].Scan(&amount); err != nil {
			return nil, err
		}
		if amount.Sign() > 0 {
			positions = append(positions, Position{Protocol: p.name, Kind: Wallet, Token: t, Amount: amount, Under: []Component{{Token: t, Amount: amount}}, Block: block.Number})
		}
	}
	return positions, nil
}

// read asks the tokens their symbols and decimals, once. It returns the block that this fixed, if it had to ask.
func (p *Purse) read(ctx context.Context, r chain.Reader, at *chain.Block) ([]Token, *chain.Block, error) {
	p.mu.Lock()
	known := p.known
	p.mu.Unlock()
	if known != nil || len(p.tokens) == 0 {
		return known, at, nil
	}
	known, block, err := readTokens(ctx, r, at, p.tokens)
	if err != nil {
		return nil, nil, err
	}
	p.mu.Lock()
	p.known = known
	p.mu.Unlock()
	return known, &block, nil
}

// Tokens says how tokens call themselves and what they are counted in, in the order of their addresses.
func Tokens(ctx context.Context, r chain.Reader, at *chain.Block, addresses ...common.Address) ([]Token, chain.Block, error) {
	return readTokens(ctx, r, at, addresses)
}

// readTokens asks tokens who they are.
func readTokens(ctx context.Context, r chain.Reader, at *chain.Block, addresses []common.Address) ([]Token, chain.Block, error) {
	var b contract.Batch
	asked := make([]askedToken, len(addresses))
	for i, address := range addresses {
		asked[i] = askToken(&b, address)
	}
	block, err := b.Read(ctx, r, at)
	if err != nil {
		return nil, chain.Block{}, fmt.Errorf("read tokens: %w", err)
	}
	tokens := make([]Token, len(addresses))
	for i := range asked {
		if tokens[i], err = asked[i].token(); err != nil {
			return nil, chain.Block{}, err
		}
	}
	return tokens, block, nil
}

type askedToken struct {
	address          common.Address
	symbol, decimals *contract.Asked
}

func askToken(b *contract.Batch, address common.Address) askedToken {
	return askedToken{address, b.Call(address, contract.ERC20.Symbol), b.Call(address, contract.ERC20.Decimals)}
}

func (a askedToken) token() (Token, error) {
	t := Token{Address: a.address}
	if err := a.decimals.Scan(&t.Decimals); err != nil {
		return Token{}, err
	}
	if t.Decimals > decimalsMax {
		return Token{}, fmt.Errorf("the token %s says it has %d decimals; more than %d are not believed", a.address, t.Decimals, decimalsMax)
	}
	var err error
	if t.Symbol, err = a.symbol.Text(); err != nil {
		return Token{}, err
	}
	return t, nil
}

// Exit does transfers and revocations.
func (p *Purse) Exit(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, asks ...Ask) (Plan, error) {
	var plan Plan
	for _, ask := range asks {
		if err := ask.check(); err != nil {
			return Plan{}, err
		}
		var err error
		switch ask.Do {
		case Transfer:
			at, err = p.transfer(ctx, r, at, owner, ask, &plan)
		case Revoke:
			at, err = p.revoke(ctx, r, at, owner, ask, &plan)
		default:
			err = fmt.Errorf("a wallet can transfer and revoke; it cannot %s", ask.Do)
		}
		if err != nil {
			return Plan{}, err
		}
	}
	if len(plan.Calls) == 0 {
		return Plan{}, fmt.Errorf("%s: %w", p.name, ErrNothingToDo)
	}
	plan.Block = *at
	return plan, nil
}

func (p *Purse) transfer(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, ask Ask, plan *Plan) (*chain.Block, error) {
	if ask.To == (common.Address{}) || ask.To == owner || ask.To == ask.Token {
		return nil, fmt.Errorf("transfer: %s is nobody to send to", ask.To)
	}
	t := p.native
	if ask.Token != (common.Address{}) {
		tokens, block, err := readTokens(ctx, r, at, []common.Address{ask.Token})
		if err != nil {
			return nil, err
		}
		t, at = tokens[0], &block
	}
	var b contract.Batch
	ours, theirs := askBalance(&b, t.Address, owner), askBalance(&b, t.Address, ask.To)
	block, err := b.Read(ctx, r, at)
	if err != nil {
		return nil, fmt.Errorf("read balances: %w", err)
	}
	var have, before *big.Int
	if err := scanAll(ours, &have, theirs, &before); err != nil {
		return nil, err
	}
	amount := ask.Amount
	if amount == nil {
		amount = have
	}
	if amount.Cmp(have) > 0 {
		return nil, fmt.Errorf("transfer: %s is asked for and there is %s", t.Text(amount), t.Text(have))
	}
	if amount.Sign() == 0 {
		plan.note("There is no %s to transfer.", t.Symbol)
		return &block, nil
	}
	words := fmt.Sprintf("send %s to %s", t.Text(amount), ask.To)
	if t.Address == (common.Address{}) {
		plan.Calls = append(plan.Calls, Call{To: ask.To, Value: amount, Words: words})
	} else {
		plan.call(t.Address, words, contract.ERC20.Transfer, ask.To, amount)
	}
	want := new(big.Int).Add(before, amount)
	plan.must(balanceOf(t.Address, ask.To), AtLeast, want, fmt.Sprintf("%s has at least %s", ask.To, t.Text(want)))
	return &block, nil
}

// Permit2 is where it is on every chain.
var Permit2 = common.HexToAddress("0x000000000022D473030F116dDEE9F6B43aC78BA3")

// lockedPair is a token and a spender, in the order in which Permit2 wants them.
type lockedPair struct{ Name0, Name1 common.Address }

// revoke sets allowances of tokens to zero, those given by way of Permit2 among them; what is zero already is left alone.
func (p *Purse) revoke(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, ask Ask, plan *Plan) (*chain.Block, error) {
	addresses := p.tokens
	if ask.Token != (common.Address{}) {
		addresses = []common.Address{ask.Token}
	}
	if len(ask.Spenders) == 0 || len(addresses) == 0 {
		return nil, fmt.Errorf("revoke: name the tokens and the spenders")
	}
	tokens, block, err := readTokens(ctx, r, at, addresses)
	if err != nil {
		return nil, err
	}
	var b contract.Batch
	var asked, permitted []*contract.Asked
	for _, t := range tokens {
		for _, spender := range ask.Spenders {
			asked = append(asked, b.Call(t.Address, contract.ERC20.Allowance, owner, spender))
			permitted = append(permitted, b.Call(Permit2, contract.Permit2.Allowance, owner, t.Address, spender))
		}
	}
	if _, err := b.Read(ctx, r, &block); err != nil {
		return nil, fmt.Errorf("read allowances: %w", err)
	}
	var locked []lockedPair
	var must []Condition
	for i, t := range tokens {
		for j, spender := range ask.Spenders {
			var allowed, permit *big.Int
			if err := asked[i*len(ask.Spenders)+j].Scan(&allowed); err != nil {
				return nil, err
			}
			if permitted[i*len(ask.Spenders)+j].Scan(&permit) == nil && permit.Sign() > 0 { // a chain without Permit2 answers nothing
				locked = append(locked, lockedPair{t.Address, spender})
				must = append(must, Condition{Query: contract.Permit2.Allowance.Query(Permit2, owner, t.Address, spender), Compare: Equal, Want: new(big.Int), Words: fmt.Sprintf("%s may take no %s by way of Permit2", spender, t.Symbol)})
			}
			if allowed.Sign() > 0 {
				plan.approve(t, spender, spender.String(), allowed, new(big.Int))
				plan.must(contract.ERC20.Allowance.Query(t.Address, owner, spender), Equal, new(big.Int), fmt.Sprintf("%s may take no %s", spender, t.Symbol))
			}
		}
	}
	if len(locked) > 0 {
		plan.call(Permit2, "take back "+prose.Count(len(locked), "allowance")+" given by way of Permit2", contract.Permit2.Lockdown, locked)
		plan.Must = append(plan.Must, must...)
	}
	return &block, nil
}

func askBalance(b *contract.Batch, token, of common.Address) *contract.Asked {
	if token == (common.Address{}) {
		return b.Balance(of)
	}
	return b.Call(token, contract.ERC20.BalanceOf, of)
}

// scanAll reads pairs of an answer and the number it goes to.
func scanAll(pairs ...any) error {
	for i := 0; i < len(pairs); i += 2 {
		if err := pairs[i].(*contract.Asked).Scan(pairs[i+1]); err != nil {
			return err
		}
	}
	return nil
}
