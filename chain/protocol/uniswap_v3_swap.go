package protocol

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// Swaps through Uniswap v3. Two tokens may have a pool for each fee. Of every pool what lies around its price is read at one block: its
// liquidity, and the ticks at which that changes. With it a sale is computed as the pool itself computes it (section 6.2 of the white
// paper), so that each part of an exit is sold where it brings most after what the parts before have done, and nothing has to be
// asked in between. What a sale has to bring is by the oracle all the same; a pool whose price is further from the oracle's than the slippage is
// left alone, on either side: who pays too much today has been moved too.

// poolFees are those for which there may be a pool, in millionths.
var poolFees = []int64{100, 500, 3000, 10000}

// Limits of what is read of one pool. What lies beyond them counts as not there.
const (
	wordsMax = 128 // of its map of ticks, with 256 ticks each
	ticksMax = 1024
)

// rangePool is what a sale has to know of a pool.
type rangePool struct {
	address   common.Address
	fee       int64
	root      *big.Int // √ of its price, times 2^96
	tick      int
	spacing   int
	liquidity *big.Int // that is in use at this price
	edges     []edge   // that a sale comes to, one after the other; the last is where it ends
}

// edge is a tick at which the liquidity changes.
type edge struct {
	root *big.Int
	net  *big.Int // added to the liquidity when the price rises through it
}

func (p *rangePool) label() string {
	return fmt.Sprintf("the pool of %s%%", decimal.New(p.fee, -4))
}

// rangeSale is a [Sale] at the pools of two tokens.
type rangeSale struct {
	terms
	down   bool // what is sold is the pools' first token, and their price falls
	second bool // the router is the second of the two, which takes a deadline only around its calls
	pools  []*rangePool
}

// Sale at the pools of these two tokens.
func (u *UniswapV3) Sale(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, order SaleOrder) (Sale, error) {
	sale, err := u.sale(ctx, r, at, owner, owner, order)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u.name, err)
	}
	return sale, nil
}

func (u *UniswapV3) sale(ctx context.Context, r chain.Reader, at *chain.Block, owner, to common.Address, order SaleOrder) (*rangeSale, error) {
	none := common.Address{}
	switch {
	case u.router == none:
		return nil, errors.New("no router is named, and without it nothing is sold here: write it under addresses, {router: 0x…}")
	case order.From == none || order.Into == none || order.From == order.Into:
		return nil, errors.New("one token is sold for another here; coins have to be wrapped first")
	}
	s := &rangeSale{down: order.From.Cmp(order.Into) < 0, terms: terms{exchange: u.name, router: u.router, owner: owner, to: to, order: order}}
	factory, err := s.meet(ctx, r, at, u)
	if err != nil {
		return nil, err
	}
	if err := s.find(ctx, r, factory); err != nil {
		return nil, err
	}
	if err := s.near(); err != nil {
		return nil, err
	}
	return s, s.survey(ctx, r)
}

// meet the tokens and the router, which has to be one of this exchange's. Which of the two it is it says itself: only the second knows
// Uniswap v2.
func (s *rangeSale) meet(ctx context.Context, r chain.Reader, at *chain.Block, u *UniswapV3) (factory common.Address, err error) {
	var b contract.Batch
	from, into, asked := askToken(&b, s.order.From), askToken(&b, s.order.Into), askTerms(&b, s.router, s.owner, s.to, s.order)
	ours, theirs, older := b.Call(u.manager, contract.UniswapV3.Factory), b.Call(s.router, contract.UniswapV3.Factory), b.Call(s.router, contract.UniswapV3.FactoryV2)
	if s.block, err = b.Read(ctx, r, at); err != nil {
		return factory, err
	}
	if s.from, err = from.token(); err != nil {
		return factory, err
	}
	if s.into, err = into.token(); err != nil {
		return factory, err
	}
	var routed, v2 common.Address
	if err := scanAll(ours, &factory, theirs, &routed); err != nil {
		return factory, err
	}
	if routed != factory {
		return factory, fmt.Errorf("the router %s belongs to the factory %s, and the positions to %s", s.router, routed, factory)
	}
	s.second = older.Scan(&v2) == nil
	return factory, s.agree(ctx, r, u.oracle, asked)
}

// find the pools that there are, and where they stand.
func (s *rangeSale) find(ctx context.Context, r chain.Reader, factory common.Address) error {
	var b contract.Batch
	asked := make([]*contract.Asked, len(poolFees))
	for i, fee := range poolFees {
		asked[i] = b.Call(factory, contract.UniswapV3.PoolOf, s.from.Address, s.into.Address, big.NewInt(fee))
	}
	if _, err := b.Read(ctx, r, &s.block); err != nil {
		return err
	}
	for i, fee := range poolFees {
		p := &rangePool{fee: fee}
		if err := asked[i].Scan(&p.address); err != nil {
			return err
		}
		if p.address != (common.Address{}) {
			s.pools = append(s.pools, p)
		}
	}
	if len(s.pools) == 0 {
		return fmt.Errorf("there is no pool of %s and %s", s.from.Symbol, s.into.Symbol)
	}
	var second contract.Batch
	stand := make([][3]*contract.Asked, len(s.pools))
	for i, p := range s.pools {
		stand[i] = [3]*contract.Asked{second.Call(p.address, contract.UniswapV3.Slot0), second.Call(p.address, contract.UniswapV3.Liquidity), second.Call(p.address, contract.UniswapV3.Spacing)}
	}
	if _, err := second.Read(ctx, r, &s.block); err != nil {
		return err
	}
	for i, p := range s.pools {
		var tick, spacing *big.Int
		if err := stand[i][0].Scan(&p.root, &tick); err != nil {
			return err
		}
		if err := scanAll(stand[i][1], &p.liquidity, stand[i][2], &spacing); err != nil {
			return err
		}
		p.tick, p.spacing = int(tick.Int64()), int(spacing.Int64())
		if p.tick < -tickMax-1 || p.tick > tickMax || p.spacing < 1 || p.spacing > tickMax {
			return fmt.Errorf("%s says that it is at tick %s, with ticks %s apart", p.label(), tick, spacing)
		}
	}
	return nil
}

// bounds are roots of prices so many times the slippage away from the oracle's.
func (s *rangeSale) bounds(times int64) (low, high *big.Int) {
	tokens, prices := [2]Token{s.from, s.into}, []decimal.Decimal{s.fromPrice, s.toPrice}
	if !s.down {
		tokens, prices = [2]Token{s.into, s.from}, []decimal.Decimal{s.toPrice, s.fromPrice}
	}
	price, whole := baseUnitPrice(tokens, prices), decimal.NewFromInt(1)
	off := whole.Sub(s.order.Slippage).Pow(decimal.NewFromInt(times)).Rat()
	return rootOfPrice(new(big.Rat).Mul(price, off)), rootOfPrice(new(big.Rat).Quo(price, off))
}

// near keeps the pools that are where the oracle is, up to the slippage.
func (s *rangeSale) near() error {
	low, high := s.bounds(1)
	var away *rangePool
	s.pools = slices.DeleteFunc(s.pools, func(p *rangePool) bool {
		off := p.root.Cmp(low) < 0 || p.root.Cmp(high) > 0
		if off && p.root.Sign() > 0 && (away == nil || p.liquidity.Cmp(away.liquidity) > 0) {
			away = p
		}
		return off
	})
	switch {
	case len(s.pools) > 0:
		return nil
	case away == nil:
		return fmt.Errorf("no pool of %s and %s has a price yet", s.from.Symbol, s.into.Symbol)
	}
	tokens := [2]Token{s.from, s.into}
	price := priceOfRoot(away.root, tokens)
	if !s.down {
		price = 1 / priceOfRoot(away.root, [2]Token{s.into, s.from})
	}
	return fmt.Errorf("%s is away from the oracle's price: there 1 %s is %.6g %s, and by the oracle %s; nothing is sold until they agree up to %s%%", away.label(), s.from.Symbol, price, s.into.Symbol,
		s.fromPrice.DivRound(s.toPrice, 6), s.order.Slippage.Shift(2))
}

// survey reads the ticks from where each pool stands to where the price would be so bad that hardly any sale could go so far: three
// times the slippage from the oracle's. The liquidity beyond counts as not there.
func (s *rangeSale) survey(ctx context.Context, r chain.Reader) error {
	var b contract.Batch
	low, high := s.bounds(3)
	maps := make([][]askedWord, len(s.pools))
	for i, p := range s.pools {
		bound := low
		if !s.down {
			bound = high
		}
		maps[i] = p.askWords(&b, tickAtRoot(bound), s.down)
	}
	if _, err := b.Read(ctx, r, &s.block); err != nil {
		return err
	}
	var second contract.Batch
	type askedEdge struct {
		tick int
		net  *contract.Asked
	}
	edges := make([][]askedEdge, len(s.pools))
	for i, p := range s.pools {
		ticks, err := p.ticks(maps[i], s.down)
		if err != nil {
			return err
		}
		for _, tick := range ticks {
			edges[i] = append(edges[i], askedEdge{tick, second.Call(p.address, contract.UniswapV3.Tick, big.NewInt(int64(tick)))})
		}
	}
	if second.Len() > 0 {
		if _, err := second.Read(ctx, r, &s.block); err != nil {
			return err
		}
	}
	for i, p := range s.pools {
		for _, one := range edges[i] {
			e := edge{}
			var err error
			if e.root, err = rootAtTick(one.tick); err != nil {
				return err
			}
			if err := one.net.Scan(nil, &e.net); err != nil {
				return err
			}
			p.edges = append(p.edges, e)
		}
		if len(p.edges) < ticksMax { // or the last edge that was read is where it ends
			end := low
			if !s.down {
				end = high
			}
			p.edges = append(p.edges, edge{root: end, net: new(big.Int)})
		}
	}
	return nil
}

// askedWord is a part of a pool's map of ticks.
type askedWord struct {
	index int
	asked *contract.Asked
}

// askWords asks for the map of ticks from where the pool stands to another tick, nearest first.
func (p *rangePool) askWords(b *contract.Batch, last int, down bool) (words []askedWord) {
	from, to, step := p.compressed(p.tick)>>8, p.compressed(last)>>8, -1
	if !down {
		from, step = (p.compressed(p.tick)+1)>>8, 1
	}
	for i := from; len(words) < wordsMax && (to-i)*step >= 0; i += step {
		words = append(words, askedWord{i, b.Call(p.address, contract.UniswapV3.Bitmap, int16(i))})
	}
	return words
}

// compressed is a tick counted in the pool's own steps, rounded down.
func (p *rangePool) compressed(tick int) int {
	c := tick / p.spacing
	if tick%p.spacing < 0 {
		c--
	}
	return c
}

// ticks with liquidity of their own that a sale comes to, nearest first.
func (p *rangePool) ticks(words []askedWord, down bool) (ticks []int, err error) {
	at := p.compressed(p.tick)
	for _, w := range words {
		var word *big.Int
		if err := w.asked.Scan(&word); err != nil {
			return nil, err
		}
		for n := range 256 {
			bit := n
			if down {
				bit = 255 - n
			}
			c := w.index<<8 + bit
			ahead := down && c <= at || !down && c > at
			if word.Bit(bit) == 1 && ahead && len(ticks) < ticksMax {
				ticks = append(ticks, c*p.spacing)
			}
		}
	}
	return ticks, nil
}

// Sell where it brings most, for at least the oracle's price less the slippage.
func (s *rangeSale) Sell(plan *Plan, amount *big.Int) (*big.Int, error) {
	least, pays := s.least(amount), new(big.Int)
	var best *rangePool
	var after rangePool
	for _, p := range s.pools {
		if out, then, all := p.sell(amount, s.down); all && out.Cmp(pays) > 0 {
			best, after, pays = p, then, out
		}
	}
	switch {
	case best == nil:
		return nil, fmt.Errorf("no pool of %s and %s takes %s near the oracle's price: there is too little liquidity", s.from.Symbol, s.into.Symbol, s.from.Text(amount))
	case least.Sign() == 0 || pays.Cmp(least) < 0:
		return nil, fmt.Errorf("%s pays %s for %s, and by the oracle's price it has to be at least %s", best.label(), s.into.Text(pays), s.from.Text(amount), s.into.Text(least))
	}
	s.allowed(plan, amount, best.address)
	words := fmt.Sprintf("sell %s for at least %s in %s", s.from.Text(amount), s.into.Text(least), best.label())
	fee, until, nowhere := big.NewInt(best.fee), deadline(s.block, s.order.Within), new(big.Int)
	if s.second {
		inner := contract.UniswapV3.SwapExactSecond.Pack(s.from.Address, s.into.Address, fee, s.to, amount, least, nowhere)
		plan.call(s.router, words, contract.UniswapV3.Until, until, [][]byte{inner})
	} else {
		plan.call(s.router, words, contract.UniswapV3.SwapExact, s.from.Address, s.into.Address, fee, s.to, until, amount, least, nowhere)
	}
	*best = after
	return least, nil
}

// sell computes what the pool pays for an amount, and what it is then. All is false when the edges end before everything is sold.
func (p rangePool) sell(amount *big.Int, down bool) (out *big.Int, after rangePool, all bool) {
	const million = 1_000_000
	out, left := new(big.Int), new(big.Int).Set(amount)
	for len(p.edges) > 0 {
		e := p.edges[0]
		// What of it reaches the edge, without the fee, and what would be left for trading of all.
		net := new(big.Int).Mul(left, big.NewInt(million-p.fee))
		net.Quo(net, big.NewInt(million))
		if reach := needed(p.liquidity, p.root, e.root, down); net.Cmp(reach) < 0 {
			root := moved(p.liquidity, p.root, net, down)
			out.Add(out, brought(p.liquidity, p.root, root, down))
			p.root = root
			return out, p, true
		} else if reach.Sign() > 0 {
			out.Add(out, brought(p.liquidity, p.root, e.root, down))
			fee := new(big.Int).Mul(reach, big.NewInt(p.fee))
			left.Sub(left, reach).Sub(left, up(fee, big.NewInt(million-p.fee)))
		}
		p.root, p.edges = e.root, p.edges[1:]
		if down {
			p.liquidity = new(big.Int).Sub(p.liquidity, e.net)
		} else {
			p.liquidity = new(big.Int).Add(p.liquidity, e.net)
		}
		if p.liquidity.Sign() < 0 {
			break // the ticks contradict each other
		}
	}
	return out, p, left.Sign() <= 0
}

// needed is what has to come in to move the price from one root to another, rounded up: of the first token when it falls, of the second
// when it rises.
func needed(liquidity, from, to *big.Int, down bool) *big.Int {
	if down {
		n := new(big.Int).Mul(new(big.Int).Mul(liquidity, q96), new(big.Int).Sub(from, to))
		return up(n, new(big.Int).Mul(from, to))
	}
	return up(new(big.Int).Mul(liquidity, new(big.Int).Sub(to, from)), q96)
}

// brought is what goes out on the way, rounded down.
func brought(liquidity, from, to *big.Int, down bool) *big.Int {
	if down {
		n := new(big.Int).Mul(liquidity, new(big.Int).Sub(from, to))
		return n.Quo(n, q96)
	}
	n := new(big.Int).Mul(new(big.Int).Mul(liquidity, q96), new(big.Int).Sub(to, from))
	return n.Quo(n, to).Quo(n, from)
}

// moved is the root of the price after an amount came in, rounded against who sells.
func moved(liquidity, root, amount *big.Int, down bool) *big.Int {
	if down {
		l := new(big.Int).Mul(liquidity, q96)
		return up(new(big.Int).Mul(l, root), l.Add(l, new(big.Int).Mul(amount, root)))
	}
	n := new(big.Int).Mul(amount, q96)
	return n.Quo(n, liquidity).Add(n, root)
}

// up divides, rounding up.
func up(n, by *big.Int) *big.Int {
	q, rest := new(big.Int).QuoRem(n, by, new(big.Int))
	if rest.Sign() > 0 {
		q.Add(q, one)
	}
	return q
}
