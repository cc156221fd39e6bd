package protocol

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// UniswapV3 are the positions that an address has in Uniswap v3, each of which is an NFT of the position manager: liquidity
// between two prices. What removing it has to bring is what it holds anywhere within the slippage of the oracle's price. Through its
// router one token is swapped for another.
//
// Anybody can make a position of a token of their own and give it to anybody. Where it is known which tokens matter to the owner, no other
// token is asked anything: a position of two others is not there, and one of which only one token matters is left alone by an exit.
type UniswapV3 struct {
	name            string
	router, manager common.Address
	oracle          Oracle
	assets          []common.Address // that matter to the owner; none where all do

	mu     sync.Mutex
	tokens map[common.Address]Token
	pools  map[poolKey]common.Address
}

type poolKey struct {
	first, second common.Address
	fee           uint64 // in millionths
}

// NewUniswapV3 with its router, SwapRouter or SwapRouter02, and its position manager. Without a router nothing is swapped. Assets are
// the tokens that matter to the owner; where none is named, all do.
func NewUniswapV3(name string, router, manager common.Address, oracle Oracle, assets ...common.Address) *UniswapV3 {
	return &UniswapV3{name: name, router: router, manager: manager, oracle: oracle, assets: assets, tokens: map[common.Address]Token{}, pools: map[poolKey]common.Address{}}
}

func (u *UniswapV3) Name() string { return u.name }

const (
	// rangesMax is how many positions of one owner are looked at; anybody can send somebody an NFT.
	rangesMax = 200
	// knownMax is how many tokens and pools are remembered.
	knownMax = 4096
)

// rangePosition is one NFT, and what its pool says.
type rangePosition struct {
	id             *big.Int
	key            poolKey
	pool           common.Address
	tokens         [2]Token
	strange        [2]bool // tokens that do not matter to the owner, and were not asked how they count
	lower, upper   int
	rootLow        *big.Int
	rootHigh       *big.Int
	liquidity      *big.Int
	last, owed     [2]*big.Int // growth of fees when it was last touched, and fees that were put aside then
	root           *big.Int    // √ of the pool's price, times 2^96
	tick           int
	amounts, claim [2]*big.Int // what the liquidity holds, and all fees
}

// Label is what people read.
func (p *rangePosition) label() string {
	return fmt.Sprintf("%s/%s %s%% #%s", p.tokens[0].Symbol, p.tokens[1].Symbol, decimal.New(int64(p.key.fee), -4), p.id)
}

// read all positions of an owner that hold anything. It takes several looks at one block: each says where the next has to look.
func (u *UniswapV3) read(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address) ([]*rangePosition, chain.Block, error) {
	ids, factory, block, err := u.owned(ctx, r, at, owner)
	if err != nil || len(ids) == 0 {
		return nil, block, err
	}
	var b contract.Batch
	asked := make([]*contract.Asked, len(ids))
	for i, id := range ids {
		asked[i] = b.Call(u.manager, contract.UniswapV3.Position, id)
	}
	if _, err := b.Read(ctx, r, &block); err != nil {
		return nil, block, err
	}
	var positions []*rangePosition
	for i, id := range ids {
		p := &rangePosition{id: id}
		var fee, lower, upper *big.Int
		if err := asked[i].Scan(nil, nil, &p.key.first, &p.key.second, &fee, &lower, &upper, &p.liquidity, &p.last[0], &p.last[1], &p.owed[0], &p.owed[1]); err != nil {
			return nil, block, err
		}
		p.key.fee, p.lower, p.upper = fee.Uint64(), int(lower.Int64()), int(upper.Int64())
		if p.rootLow, err = rootAtTick(p.lower); err != nil {
			return nil, block, err
		}
		if p.rootHigh, err = rootAtTick(p.upper); err != nil {
			return nil, block, err
		}
		p.strange = [2]bool{!u.matters(p.key.first), !u.matters(p.key.second)}
		holds := p.liquidity.Sign() > 0 || p.owed[0].Sign() > 0 || p.owed[1].Sign() > 0
		if holds && p.strange != [2]bool{true, true} {
			positions = append(positions, p)
		}
	}
	if err := u.locate(ctx, r, block, factory, positions); err != nil {
		return nil, block, err
	}
	return positions, block, u.measure(ctx, r, block, positions)
}

func (u *UniswapV3) matters(token common.Address) bool {
	return len(u.assets) == 0 || slices.Contains(u.assets, token)
}

// owned lists the NFTs of an owner.
func (u *UniswapV3) owned(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address) ([]*big.Int, common.Address, chain.Block, error) {
	var b contract.Batch
	balance, factory := b.Call(u.manager, contract.ERC20.BalanceOf, owner), b.Call(u.manager, contract.UniswapV3.Factory)
	block, err := b.Read(ctx, r, at)
	if err != nil {
		return nil, common.Address{}, block, err
	}
	var count *big.Int
	var address common.Address
	if err := scanAll(balance, &count, factory, &address); err != nil {
		return nil, address, block, err
	}
	if !count.IsInt64() || count.Int64() > rangesMax {
		return nil, address, block, fmt.Errorf("%s has %s positions, and no more than %d are looked at", owner, count, rangesMax)
	}
	if count.Sign() == 0 {
		return nil, address, block, nil
	}
	var second contract.Batch
	asked := make([]*contract.Asked, count.Int64())
	for i := range asked {
		asked[i] = second.Call(u.manager, contract.UniswapV3.OwnedAt, owner, big.NewInt(int64(i)))
	}
	if _, err := second.Read(ctx, r, &block); err != nil {
		return nil, address, block, err
	}
	ids := make([]*big.Int, len(asked))
	for i := range asked {
		if err := asked[i].Scan(&ids[i]); err != nil {
			return nil, address, block, err
		}
	}
	return ids, address, block, nil
}

// locate finds the pools and the tokens of positions, or remembers them: neither ever changes. It holds no lock while it reads, for
// others may have to ask before it is answered.
func (u *UniswapV3) locate(ctx context.Context, r chain.Reader, block chain.Block, factory common.Address, positions []*rangePosition) error {
	u.mu.Lock()
	knownPools, knownTokens := maps.Clone(u.pools), maps.Clone(u.tokens)
	u.mu.Unlock()
	var b contract.Batch
	pools, tokens := map[poolKey]*contract.Asked{}, map[common.Address]askedToken{}
	for _, p := range positions {
		if _, known := knownPools[p.key]; !known && pools[p.key] == nil {
			pools[p.key] = b.Call(factory, contract.UniswapV3.PoolOf, p.key.first, p.key.second, new(big.Int).SetUint64(p.key.fee))
		}
		for side, address := range p.sides() {
			if _, known := knownTokens[address]; !known && !p.strange[side] && tokens[address].symbol == nil {
				tokens[address] = askToken(&b, address)
			}
		}
	}
	if b.Len() > 0 {
		if _, err := b.Read(ctx, r, &block); err != nil {
			return err
		}
	}
	for key, asked := range pools {
		var pool common.Address
		if err := asked.Scan(&pool); err != nil {
			return err
		}
		knownPools[key] = pool
	}
	for address, asked := range tokens {
		token, err := asked.token()
		if err != nil {
			return err
		}
		knownTokens[address] = token
	}
	for _, p := range positions {
		p.pool = knownPools[p.key]
		for side, address := range p.sides() {
			p.tokens[side] = knownTokens[address]
			if p.strange[side] {
				p.tokens[side] = Token{Address: address, Symbol: address.Hex()}
			}
		}
	}
	if len(knownPools) <= knownMax && len(knownTokens) <= knownMax {
		u.mu.Lock()
		u.pools, u.tokens = knownPools, knownTokens
		u.mu.Unlock()
	}
	return nil
}

// measure asks the pools for their price and their fees.
func (u *UniswapV3) measure(ctx context.Context, r chain.Reader, block chain.Block, positions []*rangePosition) error {
	var b contract.Batch
	asked := make([][5]*contract.Asked, len(positions))
	for i, p := range positions {
		asked[i] = [5]*contract.Asked{b.Call(p.pool, contract.UniswapV3.Slot0), b.Call(p.pool, contract.UniswapV3.FeeGrowth0), b.Call(p.pool, contract.UniswapV3.FeeGrowth1),
			b.Call(p.pool, contract.UniswapV3.Tick, big.NewInt(int64(p.lower))), b.Call(p.pool, contract.UniswapV3.Tick, big.NewInt(int64(p.upper)))}
	}
	if b.Len() == 0 {
		return nil
	}
	if _, err := b.Read(ctx, r, &block); err != nil {
		return err
	}
	for i, p := range positions {
		var tick *big.Int
		var global, below, above [2]*big.Int
		if err := asked[i][0].Scan(&p.root, &tick); err != nil {
			return err
		}
		if err := scanAll(asked[i][1], &global[0], asked[i][2], &global[1]); err != nil {
			return err
		}
		if err := asked[i][3].Scan(nil, nil, &below[0], &below[1]); err != nil {
			return err
		}
		if err := asked[i][4].Scan(nil, nil, &above[0], &above[1]); err != nil {
			return err
		}
		p.tick = int(tick.Int64())
		p.amounts[0], p.amounts[1] = liquidityAmounts(p.liquidity, p.root, p.rootLow, p.rootHigh)
		for side := range p.claim {
			p.claim[side] = feesOwed(p.liquidity, global[side], below[side], above[side], p.last[side], p.tick, p.lower, p.upper)
			p.claim[side].Add(p.claim[side], p.owed[side])
		}
	}
	return nil
}

// Positions are the NFTs, looked through to what their liquidity holds and the fees that they have earned.
func (u *UniswapV3) Positions(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address) ([]Position, error) {
	ranges, block, err := u.read(ctx, r, at, owner)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u.name, err)
	}
	var positions []Position
	for _, p := range ranges {
		position := Position{Protocol: u.name, Kind: Liquidity, Token: Token{Address: u.manager, Symbol: p.label()}, Amount: p.liquidity, Block: block.Number,
			Share: []*big.Int{p.id, p.liquidity, p.last[0], p.last[1], p.owed[0], p.owed[1]}}
		for side, t := range p.tokens {
			if !p.strange[side] { // nothing of one is a component as well: the next trade may bring some
				position.Under = append(position.Under, Component{Token: t, Amount: new(big.Int).Add(p.amounts[side], p.claim[side]), Holder: p.pool})
			}
		}
		if !p.inRange() {
			position.Note = "the price is outside of its range"
		}
		positions = append(positions, position)
	}
	return positions, nil
}

// sides are the addresses of the two tokens.
func (p *rangePosition) sides() [2]common.Address {
	return [2]common.Address{p.key.first, p.key.second}
}

func (p *rangePosition) inRange() bool { return p.tick >= p.lower && p.tick < p.upper }

// Measures of the owners' positions: whether the price is in their range, and the pool's price of the first token in the second.
func (u *UniswapV3) Measures(ctx context.Context, r chain.Reader, at *chain.Block, owners ...common.Address) ([]Measure, error) {
	var m measures
	seen := map[common.Address]bool{}
	for _, owner := range owners {
		ranges, block, err := u.read(ctx, r, at, owner)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", u.name, err)
		}
		at, m.block = &block, block.Number
		for _, p := range ranges {
			if !seen[p.pool] && p.strange == [2]bool{} {
				seen[p.pool] = true
				m.market(p.pool, p.tokens[0].Symbol+"/"+p.tokens[1].Symbol)
				m.add(Price, priceOfRoot(p.root, p.tokens))
			}
			m.of(owner, p.pool, p.label())
			m.add(InRange, flag(p.inRange()))
		}
	}
	return m.all, nil
}

// priceOfRoot is the price of a whole first token in whole second tokens.
func priceOfRoot(root *big.Int, tokens [2]Token) float64 {
	r := ratio(root, q96)
	return r * r * math.Pow10(int(tokens[0].Decimals)-int(tokens[1].Decimals))
}

// Exit removes liquidity, with the fees, and burns the NFT of a position that is empty then; withdraw takes the fees alone; swap sells one
// token for another.
func (u *UniswapV3) Exit(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, asks ...Ask) (Plan, error) {
	if !slices.ContainsFunc(asks, func(a Ask) bool { return a.Do != Swap }) {
		return u.swap(ctx, r, at, owner, asks)
	}
	if len(asks) != 1 {
		return Plan{}, fmt.Errorf("%s: one deed makes one exit here, not %d", u.name, len(asks))
	}
	ask := asks[0].withDefaults()
	if err := ask.check(); err != nil {
		return Plan{}, fmt.Errorf("%s: %w", u.name, err)
	}
	if ask.Do != RemoveLiquidity && ask.Do != Withdraw {
		return Plan{}, fmt.Errorf("%s: positions can be removed, their fees withdrawn, and tokens swapped; it cannot %s", u.name, ask.Do)
	}
	if ask.Amount != nil && ask.ID == nil {
		return Plan{}, fmt.Errorf("%s: an amount of liquidity needs the id of its position", u.name)
	}
	ranges, block, err := u.read(ctx, r, at, owner)
	if err != nil {
		return Plan{}, fmt.Errorf("%s: %w", u.name, err)
	}
	plan := Plan{Block: block, Known: []common.Address{u.manager}}
	brought := map[Token]*big.Int{}
	for _, p := range ranges {
		if ask.ID != nil && ask.ID.Cmp(p.id) != 0 || ask.Token != (common.Address{}) && ask.Token != p.key.first && ask.Token != p.key.second {
			continue
		}
		if p.strange != [2]bool{} {
			plan.note("%s is left alone: the plan does not name both of its tokens.", p.label())
			continue
		}
		if err := u.leave(ctx, r, &plan, p, ask, receiver(ask, owner), brought); err != nil {
			return Plan{}, fmt.Errorf("%s: %s: %w", u.name, p.label(), err)
		}
	}
	switch {
	case len(plan.Calls) > 0:
		return plan, u.mustBring(ctx, r, &plan, brought, receiver(ask, owner))
	case len(plan.Notes) > 0: // there is something, and nobody may take it for done
		return Plan{}, fmt.Errorf("%s: %s", u.name, strings.TrimSuffix(plan.Notes[0], "."))
	}
	return Plan{}, fmt.Errorf("%s: %w", u.name, ErrNothingToDo)
}

// swap one token after the other, each all there is where no amount was named. Of several one may not be there.
func (u *UniswapV3) swap(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, asks []Ask) (Plan, error) {
	var plan Plan
	brought := map[common.Address]*big.Int{} // :: token → what the sales so far bring at least
	for _, ask := range asks {
		ask = ask.withDefaults()
		err := ask.check()
		var sale *rangeSale
		if err == nil {
			sale, err = u.sale(ctx, r, at, owner, receiver(ask, owner), ask.sale())
		}
		if err == nil {
			if brought[ask.Into] == nil {
				brought[ask.Into] = new(big.Int)
			}
			sale.before.Add(sale.before, brought[ask.Into])
			at = &sale.block
			var least *big.Int
			if least, err = swap(&plan, ask, sale); err == nil {
				brought[ask.Into].Add(brought[ask.Into], least)
			}
		}
		if err != nil && !errors.Is(err, ErrNothingToDo) {
			return Plan{}, fmt.Errorf("%s: %w", u.name, err)
		}
	}
	if len(plan.Calls) == 0 {
		return Plan{}, fmt.Errorf("%s: %w", u.name, ErrNothingToDo)
	}
	return plan, nil
}

// most128 is what collecting takes for "all there is".
var most128 = new(big.Int).Sub(q128, one)

// leave one position, or collect its fees.
func (u *UniswapV3) leave(ctx context.Context, r chain.Reader, plan *Plan, p *rangePosition, ask Ask, to common.Address, brought map[Token]*big.Int) error {
	least := p.claim
	if ask.Do == RemoveLiquidity && p.liquidity.Sign() > 0 {
		liquidity := p.liquidity
		if ask.Amount != nil {
			liquidity = smaller(ask.Amount, liquidity)
		}
		amounts, err := u.fair(ctx, r, plan.Block, p, liquidity, ask.Slippage)
		if err != nil {
			return err
		}
		plan.call(u.manager, fmt.Sprintf("remove the liquidity of %s for at least %s and %s", p.label(), p.tokens[0].Text(amounts[0]), p.tokens[1].Text(amounts[1])),
			contract.UniswapV3.Decrease, p.id, liquidity, amounts[0], amounts[1], deadline(plan.Block, ask.Within))
		// Anybody can add liquidity to it, so a little may be left, and the empty position is not burnt: that would refuse everything.
		left := besides(new(big.Int).Sub(p.liquidity, liquidity), liquidity)
		plan.Must = append(plan.Must, Condition{Query: contract.UniswapV3.Position.Query(u.manager, p.id), Word: 7, Compare: AtMost, Want: left, Words: fmt.Sprintf("%s has at most %s of liquidity", p.label(), left)})
		least = [2]*big.Int{new(big.Int).Add(least[0], amounts[0]), new(big.Int).Add(least[1], amounts[1])}
	}
	if ask.Do == Withdraw && least[0].Sign() == 0 && least[1].Sign() == 0 {
		return nil
	}
	plan.call(u.manager, fmt.Sprintf("collect what %s holds and has earned, for %s", p.label(), to), contract.UniswapV3.Collect, p.id, to, most128, most128)
	plan.Known = append(plan.Known, p.pool)
	for side, t := range p.tokens {
		if brought[t] == nil {
			brought[t] = new(big.Int)
		}
		brought[t].Add(brought[t], least[side])
	}
	return nil
}

// fair is the least of each token that liquidity holds while the pool's price is within the slippage of the oracle's: the first
// token becomes less as the price rises, the second as it falls.
func (u *UniswapV3) fair(ctx context.Context, r chain.Reader, block chain.Block, p *rangePosition, liquidity *big.Int, slippage decimal.Decimal) (least [2]*big.Int, err error) {
	prices, err := trustworthy(ctx, u.oracle, r, &block, p.tokens[:]...)
	if err != nil {
		return least, err
	}
	price := baseUnitPrice(p.tokens, prices)
	whole := decimal.NewFromInt(1)
	high, low := rootOfPrice(new(big.Rat).Mul(price, whole.Add(slippage).Rat())), rootOfPrice(new(big.Rat).Mul(price, whole.Sub(slippage).Rat()))
	least[0], _ = liquidityAmounts(liquidity, high, p.rootLow, p.rootHigh)
	_, least[1] = liquidityAmounts(liquidity, low, p.rootLow, p.rootHigh)
	var now [2]*big.Int
	now[0], now[1] = liquidityAmounts(liquidity, p.root, p.rootLow, p.rootHigh)
	for side, t := range p.tokens {
		if now[side].Cmp(least[side]) < 0 {
			return least, fmt.Errorf("the pool is away from the oracle's price: it would bring %s now, and has to bring at least %s", t.Text(now[side]), t.Text(least[side]))
		}
	}
	return least, nil
}

// baseUnitPrice is the price of a base unit of the first token in base units of the second, by what whole tokens are worth.
func baseUnitPrice(tokens [2]Token, prices []decimal.Decimal) *big.Rat {
	price := new(big.Rat).Quo(prices[0].Rat(), prices[1].Rat())
	return price.Mul(price, new(big.Rat).SetFrac(power(int(tokens[1].Decimals)), power(int(tokens[0].Decimals))))
}

// mustBring adds what the receiver has to have in the end.
func (u *UniswapV3) mustBring(ctx context.Context, r chain.Reader, plan *Plan, brought map[Token]*big.Int, to common.Address) error {
	tokens := slices.SortedFunc(func(yield func(Token) bool) {
		for t := range brought {
			if !yield(t) {
				return
			}
		}
	}, func(a, b Token) int { return a.Address.Cmp(b.Address) })
	var b contract.Batch
	asked := make([]*contract.Asked, len(tokens))
	for i, t := range tokens {
		asked[i] = b.Call(t.Address, contract.ERC20.BalanceOf, to)
	}
	if _, err := b.Read(ctx, r, &plan.Block); err != nil {
		return fmt.Errorf("%s: read balances: %w", u.name, err)
	}
	for i, t := range tokens {
		var before *big.Int
		if err := asked[i].Scan(&before); err != nil {
			return fmt.Errorf("%s: %w", u.name, err)
		}
		if want := before.Add(before, brought[t]); brought[t].Sign() > 0 {
			want.Sub(want, roundingSlack)
			plan.must(balanceOf(t.Address, to), AtLeast, want, fmt.Sprintf("%s has at least %s", to, t.Text(want)))
		}
	}
	return nil
}

// PoolPrice quotes the first or the second token of a Uniswap v3 pool by its mean price over a span, which whoever wants to move it has to pay for
// over all of that span. It is for looking at beside an oracle, and says so: nothing is traded on it.
type PoolPrice struct {
	Name         string
	Pool         common.Address
	First        Token
	Second       Token
	Span         time.Duration
	OtherDollars Oracle // what the other token is worth
}

// Quotes of the two tokens, each by the other.
func (p PoolPrice) Quotes(ctx context.Context, r chain.Reader, at *chain.Block, tokens ...common.Address) ([]Quote, error) {
	if p.Span < time.Second {
		return nil, fmt.Errorf("%s: a mean over %s is none", p.Name, p.Span)
	}
	var b contract.Batch
	asked := b.Call(p.Pool, contract.UniswapV3.Observe, []uint32{uint32(p.Span / time.Second), 0})
	block, err := b.Read(ctx, r, at)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	var sums []*big.Int
	if err := asked.Scan(&sums); err != nil {
		return nil, fmt.Errorf("%s: the pool does not remember prices of %s ago: %w", p.Name, p.Span, err)
	}
	if len(sums) != 2 {
		return nil, fmt.Errorf("%s: two moments were asked about and %d were answered", p.Name, len(sums))
	}
	mean, _ := new(big.Float).Quo(new(big.Float).SetInt(new(big.Int).Sub(sums[1], sums[0])), big.NewFloat(p.Span.Seconds())).Float64()
	if math.Abs(mean) > tickMax {
		return nil, fmt.Errorf("%s: the pool says a mean tick of %v, which there is not", p.Name, mean)
	}
	price := decimal.NewFromFloat(math.Pow(1.0001, mean)).Shift(int32(p.First.Decimals) - int32(p.Second.Decimals))
	var quotes []Quote
	for _, side := range []struct {
		token, other common.Address
		price        decimal.Decimal
	}{{p.First.Address, p.Second.Address, price}, {p.Second.Address, p.First.Address, decimal.NewFromInt(1).DivRound(price, 36)}} {
		if !slices.Contains(tokens, side.token) {
			continue
		}
		others, err := p.OtherDollars.Quotes(ctx, r, &block, side.other)
		if err != nil {
			return nil, err
		}
		for _, other := range others {
			quotes = append(quotes, Quote{Token: side.token, Dollars: side.price.Mul(other.Dollars), Source: p.Name, Time: block.Time, Doubt: fmt.Sprintf("%s is a pool: its price can be moved by whoever pays for it", p.Name)})
		}
	}
	return quotes, nil
}
