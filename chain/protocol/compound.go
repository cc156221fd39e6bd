package protocol

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// Compound is one Compound v3 market (a Comet): one base asset that is lent and borrowed, and collateral, which stays in the
// market and can leave whenever the debt permits.
type Compound struct {
	name  string
	comet common.Address
	swaps Seller

	mu    sync.Mutex
	parts *cometParts
}

// NewCompound market. Seller sells collateral when a position is unwound; nil for none.
func NewCompound(name string, comet common.Address, seller Seller) *Compound {
	return &Compound{name: name, comet: comet, swaps: seller}
}

func (c *Compound) Name() string { return c.name }

type cometParts struct {
	base     Token
	baseFeed common.Address
	assets   []cometAsset
}

type cometAsset struct {
	Token
	feed              common.Address
	borrow, liquidate uint64 // the share of its worth that counts, in 10^18: for new debt, and until it is liquidated
}

type cometState struct {
	block                      chain.Block
	parts                      *cometParts
	basePrice, cash            *big.Int // prices have 8 decimals
	prices                     []*big.Int
	utilisation, total, lent   *big.Int
	supplyPaused, payoutPaused bool
	owners                     []cometOwner
}

type cometOwner struct {
	address            common.Address
	supplied, owed     *big.Int
	liquidatable       bool
	collateral         []*big.Int
	wallet, allowed    *big.Int   // of the base asset
	given              *big.Int   // what the receiver has of the base asset
	receiverCollateral []*big.Int // and of each collateral
}

// locate finds the assets. Governance may add and change them by replacing the market's code, so read asks again how many there
// are and how they count.
func (c *Compound) locate(ctx context.Context, r chain.Reader, at *chain.Block) (*cometParts, *chain.Block, error) {
	c.mu.Lock()
	parts := c.parts
	c.mu.Unlock()
	if parts != nil {
		return parts, at, nil
	}
	var b contract.Batch
	base, feed, count := b.Call(c.comet, contract.Comet.Base), b.Call(c.comet, contract.Comet.BaseFeed), b.Call(c.comet, contract.Comet.Assets)
	block, err := b.Read(ctx, r, at)
	if err != nil {
		return nil, nil, err
	}
	parts = &cometParts{}
	var n uint8
	if err := scanAll(base, &parts.base.Address, feed, &parts.baseFeed, count, &n); err != nil {
		return nil, nil, err
	}
	var second contract.Batch
	infos := make([]*contract.Asked, n)
	for i := range infos {
		infos[i] = second.Call(c.comet, contract.Comet.Asset, uint8(i))
	}
	names := []askedToken{askToken(&second, parts.base.Address)}
	if _, err := second.Read(ctx, r, &block); err != nil {
		return nil, nil, err
	}
	if parts.base, err = names[0].token(); err != nil {
		return nil, nil, err
	}
	addresses := make([]common.Address, n)
	for i, info := range infos {
		asset := cometAsset{}
		if err := info.Scan(nil, &addresses[i], &asset.feed, nil, &asset.borrow, &asset.liquidate); err != nil {
			return nil, nil, err
		}
		parts.assets = append(parts.assets, asset)
	}
	tokens, _, err := readTokens(ctx, r, &block, addresses)
	if err != nil {
		return nil, nil, err
	}
	for i := range tokens {
		parts.assets[i].Token = tokens[i]
	}
	c.mu.Lock()
	c.parts = parts
	c.mu.Unlock()
	return parts, &block, nil
}

func (c *Compound) state(ctx context.Context, r chain.Reader, at *chain.Block, owners []common.Address, receiver *common.Address) (*cometState, error) {
	for range 2 {
		parts, block, err := c.locate(ctx, r, at)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		s, moved, err := c.read(ctx, r, block, parts, owners, receiver)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		if !moved {
			return s, nil
		}
		c.mu.Lock()
		c.parts = nil
		c.mu.Unlock()
	}
	return nil, fmt.Errorf("%s: what the market consists of changed twice during one read", c.name)
}

func (c *Compound) read(ctx context.Context, r chain.Reader, at *chain.Block, parts *cometParts, owners []common.Address, receiver *common.Address) (s *cometState, moved bool, err error) {
	var b contract.Batch
	m := contract.Comet
	count, basePrice, cash := b.Call(c.comet, m.Assets), b.Call(c.comet, m.Price, parts.baseFeed), b.Call(parts.base.Address, contract.ERC20.BalanceOf, c.comet)
	utilisation, total, lent := b.Call(c.comet, m.Utilisation), b.Call(c.comet, m.TotalSupply), b.Call(c.comet, m.TotalBorrow)
	supplyPaused, payoutPaused := b.Call(c.comet, m.SupplyPaused), b.Call(c.comet, m.WithdrawPaused)
	prices, infos := make([]*contract.Asked, len(parts.assets)), make([]*contract.Asked, len(parts.assets))
	for i, asset := range parts.assets {
		prices[i], infos[i] = b.Call(c.comet, m.Price, asset.feed), b.Call(c.comet, m.Asset, uint8(i))
	}
	accounts := make([]func(*cometOwner) error, len(owners))
	for i, owner := range owners {
		accounts[i] = c.askOwner(&b, parts, owner, receiver)
	}
	s = &cometState{parts: parts, prices: make([]*big.Int, len(parts.assets)), owners: make([]cometOwner, len(owners))}
	if s.block, err = b.Read(ctx, r, at); err != nil {
		return nil, false, err
	}
	var n uint8
	if err := scanAll(count, &n, basePrice, &s.basePrice, cash, &s.cash, utilisation, &s.utilisation, total, &s.total, lent, &s.lent, supplyPaused, &s.supplyPaused, payoutPaused, &s.payoutPaused); err != nil {
		return nil, false, err
	}
	if int(n) != len(parts.assets) {
		return nil, true, nil
	}
	for i, asset := range parts.assets {
		var now cometAsset
		if err := prices[i].Scan(&s.prices[i]); err != nil {
			return nil, false, err
		}
		if err := infos[i].Scan(nil, &now.Address, &now.feed, nil, &now.borrow, &now.liquidate); err != nil {
			return nil, false, err
		}
		if now.Address != asset.Address || now.feed != asset.feed || now.borrow != asset.borrow || now.liquidate != asset.liquidate {
			return nil, true, nil
		}
	}
	for i := range accounts {
		if err := accounts[i](&s.owners[i]); err != nil {
			return nil, false, err
		}
	}
	return s, false, nil
}

func (c *Compound) askOwner(b *contract.Batch, parts *cometParts, owner common.Address, receiver *common.Address) func(*cometOwner) error {
	supplied, owed, liquidatable := b.Call(c.comet, contract.Comet.BalanceOf, owner), b.Call(c.comet, contract.Comet.BorrowOf, owner), b.Call(c.comet, contract.Comet.Liquidatable, owner)
	collateral, theirs := make([]*contract.Asked, len(parts.assets)), make([]*contract.Asked, len(parts.assets))
	for i, asset := range parts.assets {
		collateral[i] = b.Call(c.comet, contract.Comet.Collateral, owner, asset.Address)
		if receiver != nil {
			theirs[i] = b.Call(asset.Address, contract.ERC20.BalanceOf, *receiver)
		}
	}
	var wallet, allowed, given *contract.Asked
	if receiver != nil {
		wallet, allowed = b.Call(parts.base.Address, contract.ERC20.BalanceOf, owner), b.Call(parts.base.Address, contract.ERC20.Allowance, owner, c.comet)
		given = b.Call(parts.base.Address, contract.ERC20.BalanceOf, *receiver)
	}
	return func(o *cometOwner) error {
		*o = cometOwner{address: owner, collateral: make([]*big.Int, len(collateral)), receiverCollateral: make([]*big.Int, len(collateral))}
		if err := scanAll(supplied, &o.supplied, owed, &o.owed, liquidatable, &o.liquidatable); err != nil {
			return err
		}
		for i := range collateral {
			if err := collateral[i].Scan(&o.collateral[i]); err != nil {
				return err
			}
			if receiver == nil {
				continue
			}
			if err := theirs[i].Scan(&o.receiverCollateral[i]); err != nil {
				return err
			}
		}
		if receiver == nil {
			return nil
		}
		return scanAll(wallet, &o.wallet, allowed, &o.allowed, given, &o.given)
	}
}

// worth of an amount in dollars, times 10^8 and 10^36.
func (s *cometState) worth(t Token, price, amount *big.Int) *big.Int {
	w := new(big.Int).Mul(amount, price)
	return w.Mul(w, power(decimalsMax-int(t.Decimals)))
}

// counted is what the collateral counts for, by one of the two factors, times what worth is scaled by and 10^18.
func (s *cometState) counted(o *cometOwner, factor func(cometAsset) uint64) *big.Int {
	sum := new(big.Int)
	for i, asset := range s.parts.assets {
		w := s.worth(asset.Token, s.prices[i], o.collateral[i])
		sum.Add(sum, w.Mul(w, new(big.Int).SetUint64(factor(asset))))
	}
	return sum
}

func liquidates(a cometAsset) uint64 { return a.liquidate }
func secures(a cometAsset) uint64    { return a.borrow }

// debt on the scale of counted.
func (s *cometState) debt(o *cometOwner) *big.Int {
	w := s.worth(s.parts.base, s.basePrice, o.owed)
	return w.Mul(w, ether)
}

func (s *cometState) health(o *cometOwner) float64 {
	if o.owed.Sign() == 0 || s.basePrice.Sign() == 0 {
		return HealthFactorMax
	}
	return min(ratio(s.counted(o, liquidates), s.debt(o)), HealthFactorMax)
}

// Positions are the base asset that was supplied or is owed, and the collateral.
func (c *Compound) Positions(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address) ([]Position, error) {
	s, err := c.state(ctx, r, at, []common.Address{owner}, nil)
	if err != nil {
		return nil, err
	}
	var positions []Position
	add := func(kind Kind, t Token, accrues bool, amount, free *big.Int) {
		if free != nil && s.payoutPaused {
			free = new(big.Int)
		}
		if amount.Sign() > 0 {
			positions = append(positions, Position{Protocol: c.name, Kind: kind, Token: Token{c.comet, t.Symbol, t.Decimals}, Amount: amount, Accrues: accrues, Block: s.block.Number,
				Under: []Component{{Token: t, Amount: amount, Holder: c.comet, Free: free}}})
		}
	}
	o := s.owners[0]
	add(Supply, s.parts.base, true, o.supplied, smaller(s.cash, o.supplied))
	add(Debt, s.parts.base, true, o.owed, nil)
	for i, asset := range s.parts.assets {
		add(Supply, asset.Token, false, o.collateral[i], o.collateral[i]) // collateral earns nothing there, and is never lent
	}
	return positions, nil
}

// Measures of the market and of the owners in it. The health factor is ours: what the collateral counts for until it is
// liquidated, for each dollar owed.
func (c *Compound) Measures(ctx context.Context, r chain.Reader, at *chain.Block, owners ...common.Address) ([]Measure, error) {
	s, err := c.state(ctx, r, at, owners, nil)
	if err != nil {
		return nil, err
	}
	m := measures{block: s.block.Number}
	base := s.parts.base
	m.market(base.Address, base.Symbol)
	m.add(Utilisation, ratio(s.utilisation, ether))
	m.add(Withdrawable, base.units(s.cash))
	m.add(TotalAssets, base.units(s.total))
	m.add(Paused, flag(s.payoutPaused || s.supplyPaused))
	for i := range s.owners {
		o := &s.owners[i]
		health := s.health(o)
		m.account(o.address)
		m.add(HealthFactor, health)
		m.add(LiquidationDistance, distance(health))
		m.add(Liquidatable, flag(o.liquidatable))
		if o.supplied.Sign() > 0 {
			m.of(o.address, base.Address, base.Symbol)
			m.add(Withdrawable, base.units(smaller(s.cash, o.supplied)))
			m.add(Cover, CoverRatio(s.cash, o.supplied))
		}
	}
	return m.all, nil
}

// cometExit is a plan in the making, as aaveExit is.
type cometExit struct {
	c       *Compound
	s       *cometState
	o       *cometOwner
	plan    *Plan
	to      common.Address
	floor   decimal.Decimal
	allowed bool       // the plan changed what the market may take
	given   []*big.Int // what the receiver had of each collateral
	sales   []exitSale
	slack   *big.Int // by how much the wallet may end up short of what is expected
	out     *big.Int // base asset that the receiver gets
	repays  bool
	ask     Ask
}

// Exit repays, withdraws and unwinds, in the order asked for.
func (c *Compound) Exit(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, asks ...Ask) (Plan, error) {
	to := owner
	for _, ask := range asks {
		if err := ask.check(); err != nil {
			return Plan{}, fmt.Errorf("%s: %w", c.name, err)
		}
		if other := receiver(ask, owner); other != owner {
			if to != owner && to != other {
				return Plan{}, fmt.Errorf("%s: one exit can pay out to one address, not to %s and %s", c.name, to, other)
			}
			to = other
		}
	}
	s, err := c.state(ctx, r, at, []common.Address{owner}, &to)
	if err != nil {
		return Plan{}, err
	}
	x := &cometExit{c: c, s: s, o: &s.owners[0], plan: &Plan{Block: s.block, Known: []common.Address{c.comet}}, to: to, slack: new(big.Int), out: new(big.Int)}
	x.given = append(x.given, x.o.receiverCollateral...)
	for _, ask := range asks {
		x.ask = ask.withDefaults()
		if err := x.do(ctx, r); err != nil && !errors.Is(err, ErrNothingToDo) { // of several deeds one may be done already
			return Plan{}, fmt.Errorf("%s: %s: %w", c.name, ask.Do, err)
		}
	}
	if len(x.plan.Calls) == 0 {
		return Plan{}, fmt.Errorf("%s: %w", c.name, ErrNothingToDo)
	}
	x.close()
	return *x.plan, nil
}

func (x *cometExit) do(ctx context.Context, r chain.Reader) error {
	if x.ask.MinHealth.GreaterThan(x.floor) {
		x.floor = x.ask.MinHealth
	}
	calls := len(x.plan.Calls)
	var err error
	switch base := x.s.parts.base.Address; {
	case x.ask.Do == Repay && (x.ask.Token == base || x.ask.Token == (common.Address{})):
		err = x.repay(x.ask.Amount, true)
	case x.ask.Do == Withdraw:
		err = x.withdrawAsked()
	case x.ask.Do == Unwind:
		err = x.unwind(ctx, r)
	case x.ask.Do == Repay:
		err = fmt.Errorf("only %s can be owed here, not %s", x.s.parts.base.Symbol, x.ask.Token)
	default:
		err = fmt.Errorf("a lending market can withdraw, repay and unwind; it cannot %s", x.ask.Do)
	}
	if err == nil && len(x.plan.Calls) == calls {
		err = ErrNothingToDo
	}
	return err
}

// repay as much as the wallet has. "All" is the market's own "all", as with Aave.
func (x *cometExit) repay(amount *big.Int, tell bool) error {
	base, owed := x.s.parts.base, x.o.owed
	if owed.Sign() == 0 {
		return nil
	}
	if x.s.supplyPaused {
		return fmt.Errorf("the market has paused supplying, and with it repaying")
	}
	want := owed
	if amount != nil {
		want = smaller(amount, owed)
	}
	pay := smaller(want, x.o.wallet)
	if pay.Sign() == 0 {
		return fmt.Errorf("%s is owed and the wallet has no %s to repay it with", base.Text(owed), base.Symbol)
	}
	may, argument, words := pay, pay, "repay "+base.Text(pay)
	if want.Cmp(owed) == 0 && x.o.wallet.Cmp(better(owed, enoughMargin)) >= 0 {
		may, argument, words = better(owed, repayMargin), highest, fmt.Sprintf("repay all that is owed of %s, now %s", base.Symbol, base.Text(owed))
		x.slack = new(big.Int).Sub(may, owed)
	} else if tell && pay.Cmp(want) < 0 {
		x.plan.note("%s of the %s owed is repaid: the wallet has no more.", base.Text(pay), base.Text(owed))
	}
	if x.o.allowed.Cmp(may) < 0 {
		x.plan.approve(base, x.c.comet, x.c.name, x.o.allowed, may)
		x.o.allowed, x.allowed = may, true
	}
	x.plan.call(x.c.comet, words, contract.Comet.Supply, base.Address, argument)
	x.o.allowed, x.o.wallet, x.o.owed, x.repays = new(big.Int).Sub(x.o.allowed, pay), new(big.Int).Sub(x.o.wallet, pay), new(big.Int).Sub(owed, pay), true
	x.s.cash = new(big.Int).Add(x.s.cash, pay)
	return nil
}

// withdrawAsked withdraws the asset that was named, or everything.
func (x *cometExit) withdrawAsked() error {
	token, known := x.ask.Token, false
	if token == (common.Address{}) && x.ask.Amount != nil {
		return fmt.Errorf("an amount needs a token")
	}
	if token == (common.Address{}) || token == x.s.parts.base.Address {
		known = true
		if err := x.withdrawBase(); err != nil {
			return err
		}
	}
	for i, asset := range x.s.parts.assets {
		if token == (common.Address{}) || token == asset.Address {
			known = true
			if err := x.withdrawCollateral(i, x.ask.Amount, x.to); err != nil {
				return err
			}
		}
	}
	if !known {
		return fmt.Errorf("%s is no asset of this market", token)
	}
	return nil
}

func (x *cometExit) withdrawBase() error {
	base, have := x.s.parts.base, x.o.supplied
	if have.Sign() == 0 {
		return nil
	}
	if x.s.payoutPaused {
		return fmt.Errorf("the market has paused withdrawals")
	}
	want := have
	if x.ask.Amount != nil {
		want = smaller(x.ask.Amount, have)
	}
	if x.s.cash.Cmp(want) < 0 {
		x.plan.note("The market is short of %s: %s can be withdrawn by anybody now, and %s was to be; the rest has to wait until others repay or supply.", base.Symbol, base.Text(x.s.cash), base.Text(want))
		if want = worse(x.s.cash, scarceMargin); want.Sign() == 0 {
			return fmt.Errorf("nothing can be withdrawn: all %s of the market is lent out", base.Symbol)
		}
	}
	argument, words := want, "withdraw "+base.Text(want)
	if want.Cmp(have) == 0 {
		argument, words = highest, fmt.Sprintf("withdraw all %s, now %s", base.Symbol, base.Text(have))
	}
	x.plan.call(x.c.comet, words, contract.Comet.WithdrawTo, x.to, base.Address, argument)
	x.o.supplied, x.out = new(big.Int).Sub(have, want), new(big.Int).Add(x.out, want)
	return nil
}

func (x *cometExit) withdrawCollateral(i int, amount *big.Int, to common.Address) error {
	asset, have := x.s.parts.assets[i], x.o.collateral[i]
	if have.Sign() == 0 {
		return nil
	}
	if x.s.payoutPaused {
		return fmt.Errorf("the market has paused withdrawals")
	}
	want := have
	if amount != nil {
		want = smaller(amount, have)
	}
	if room := x.room(i); room.Cmp(want) < 0 {
		if room.Sign() == 0 {
			return fmt.Errorf("no %s can be withdrawn without the health factor falling below %s; repay first", asset.Symbol, x.ask.MinHealth)
		}
		x.plan.note("%s of %s is withdrawn: more would leave the debt unsecured.", asset.Text(room), asset.Text(want))
		want = room
	}
	x.plan.call(x.c.comet, "withdraw "+asset.Text(want), contract.Comet.WithdrawTo, to, asset.Address, want)
	x.o.collateral[i] = new(big.Int).Sub(have, want)
	if to == x.to {
		x.o.receiverCollateral[i] = new(big.Int).Add(x.o.receiverCollateral[i], want)
	}
	return nil
}

// room is how much of a collateral can leave: the debt has to stay secured by what the market counts for new debt, and the health
// factor above the floor.
func (x *cometExit) room(i int) *big.Int {
	room, debt := x.o.collateral[i], x.s.debt(x.o)
	if debt.Sign() == 0 {
		return room
	}
	asset := x.s.parts.assets[i]
	for _, limit := range []struct {
		factor func(cometAsset) uint64
		least  decimal.Decimal
	}{{secures, decimal.NewFromInt(1)}, {liquidates, x.ask.MinHealth}} {
		unit := new(big.Int).Mul(x.s.worth(asset.Token, x.s.prices[i], one), new(big.Int).SetUint64(limit.factor(asset)))
		if unit.Sign() == 0 {
			continue
		}
		spare := new(big.Int).Sub(x.s.counted(x.o, limit.factor), better(debt, limit.least.Sub(decimal.NewFromInt(1)).Add(healthMargin)))
		if spare.Sign() <= 0 {
			return new(big.Int)
		}
		room = smaller(room, spare.Quo(spare, unit))
	}
	return room
}

// unwind in rounds of withdraw, sell and repay, and then withdraw everything.
func (x *cometExit) unwind(ctx context.Context, r chain.Reader) error {
	if x.o.owed.Sign() > 0 && x.o.wallet.Sign() > 0 {
		if err := x.repay(nil, false); err != nil {
			return err
		}
	}
	for round := 0; x.o.owed.Sign() > 0; round++ {
		err := fmt.Errorf("%d rounds do not suffice", unwindRounds)
		if round < unwindRounds {
			err = x.round(ctx, r)
		}
		if err != nil && round == 0 {
			return err
		}
		if err != nil {
			x.plan.note("One batch cannot finish this: %v. %s is still owed.", err, x.s.parts.base.Text(x.o.owed))
			return nil
		}
	}
	x.ask.Amount, x.ask.Token = nil, common.Address{}
	return x.withdrawAsked()
}

func (x *cometExit) round(ctx context.Context, r chain.Reader) error {
	from, amount, most := 0, new(big.Int), x.s.worth(x.s.parts.base, x.s.basePrice, x.o.owed)
	most.Quo(most, big.NewInt(1000))
	for i, asset := range x.s.parts.assets {
		if x.ask.Token != (common.Address{}) && x.ask.Token != asset.Address {
			continue
		}
		if room := x.room(i); x.s.worth(asset.Token, x.s.prices[i], room).Cmp(most) > 0 {
			from, amount, most = i, room, x.s.worth(asset.Token, x.s.prices[i], room)
		}
	}
	base := x.s.parts.base
	if amount.Sign() == 0 {
		return fmt.Errorf("no collateral can leave while %s is owed: the health factor would fall below %s", base.Text(x.o.owed), x.ask.MinHealth)
	}
	sale, err := x.sale(ctx, r, from)
	if err != nil {
		return err
	}
	amount = smaller(amount, sale.Need(better(x.o.owed, repayMargin)))
	if err := x.withdrawCollateral(from, amount, x.o.address); err != nil {
		return err
	}
	if x.to == x.o.address {
		x.o.receiverCollateral[from] = new(big.Int).Sub(x.o.receiverCollateral[from], amount) // it is sold at once
	}
	least, err := sale.Sell(x.plan, amount)
	if err != nil {
		return err
	}
	x.o.wallet = new(big.Int).Add(x.o.wallet, least)
	return x.repay(nil, false)
}

func (x *cometExit) sale(ctx context.Context, r chain.Reader, from int) (Sale, error) {
	for _, sale := range x.sales {
		if sale.from == from {
			return sale, nil
		}
	}
	collateral, base := x.s.parts.assets[from], x.s.parts.base
	if x.c.swaps == nil {
		return nil, fmt.Errorf("the wallet has too little %s, and no exchange is named to sell %s at", base.Symbol, collateral.Symbol)
	}
	sale, err := x.c.swaps.Sale(ctx, r, &x.s.block, x.o.address, SaleOrder{From: collateral.Address, Into: base.Address, Slippage: x.ask.Slippage, Within: x.ask.Within})
	if err != nil {
		return nil, fmt.Errorf("sell %s for %s: %w", collateral.Symbol, base.Symbol, err)
	}
	x.sales = append(x.sales, exitSale{from: from, Sale: sale})
	return sale, nil
}

func (x *cometExit) close() {
	base := x.s.parts.base
	if x.allowed && x.o.allowed.Sign() > 0 {
		x.plan.approve(base, x.c.comet, x.c.name, x.o.allowed, new(big.Int))
		x.plan.must(contract.ERC20.Allowance.Query(base.Address, x.o.address, x.c.comet), Equal, new(big.Int), fmt.Sprintf("%s may take no %s", x.c.name, base.Symbol))
	}
	for _, sale := range x.sales {
		sale.Close(x.plan)
	}
	if x.repays {
		q := contract.Comet.BorrowOf.Query(x.c.comet, x.o.address)
		if x.o.owed.Sign() == 0 {
			x.plan.must(q, Equal, new(big.Int), fmt.Sprintf("no %s is owed", base.Symbol))
		} else {
			most := better(x.o.owed, repayMargin)
			x.plan.must(q, AtMost, most, fmt.Sprintf("at most %s is owed", base.Text(most)))
		}
	}
	if x.o.owed.Sign() > 0 {
		x.plan.must(contract.Comet.Liquidatable.Query(x.c.comet, x.o.address), Equal, new(big.Int), "the market says that nothing is to be liquidated")
	}
	for i, asset := range x.s.parts.assets {
		if have := x.o.receiverCollateral[i]; have.Cmp(x.given[i]) > 0 {
			x.plan.must(balanceOf(asset.Address, x.to), AtLeast, have, fmt.Sprintf("%s has at least %s", x.to, asset.Text(have)))
		}
	}
	x.mustHaveBase()
}

// mustHaveBase is about the base asset, which is repaid out of the owner's wallet and withdrawn to the receiver.
func (x *cometExit) mustHaveBase() {
	base := x.s.parts.base
	least := func(who common.Address, n *big.Int) {
		if n = new(big.Int).Sub(n, roundingSlack); n.Sign() > 0 {
			x.plan.must(balanceOf(base.Address, who), AtLeast, n, fmt.Sprintf("%s has at least %s", who, base.Text(n)))
		}
	}
	left := new(big.Int).Sub(x.o.wallet, x.slack)
	switch {
	case x.to == x.o.address && (x.repays || x.out.Sign() > 0):
		least(x.to, left.Add(left, x.out))
	case x.to != x.o.address:
		if x.repays {
			least(x.o.address, left)
		}
		if x.out.Sign() > 0 {
			least(x.to, new(big.Int).Add(x.o.given, x.out))
		}
	}
}
