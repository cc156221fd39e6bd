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
)

// Aave is one Aave v3 market, or any fork of it. It is known by its pool's address; where the oracle and the tokens are, the pool
// says, and it is asked again in every read, so that a replaced oracle counts from the block on in which it was replaced.
type Aave struct {
	name   string
	pool   common.Address
	assets []common.Address // that are looked at, as far as the market has them; all of it when it has none of them
	swaps  Seller           // for unwinding; nil when there is none

	mu    sync.Mutex
	parts *aaveParts
}

// NewAave market. Naming the assets that matter makes reads small: a big market has some sixty. What is named and no asset of the
// market is passed over, so that all tokens of a plan may be named; when none of them is one, all assets matter. Seller sells
// collateral when a position is unwound; nil for none.
func NewAave(name string, pool common.Address, seller Seller, assets ...common.Address) *Aave {
	return &Aave{name: name, pool: pool, swaps: seller, assets: slices.Clone(assets)}
}

func (a *Aave) Name() string { return a.name }

// aaveParts are where a market's parts are, and what does not change of them from block to block.
type aaveParts struct {
	provider, oracle, data common.Address
	unit                   *big.Int // of the oracle's prices: 10^8 is one dollar
	list                   []common.Address
	reserves               []aaveReserve
}

type aaveReserve struct {
	asset                    Token
	aToken, stable, variable common.Address
}

// Reserve is the state of one asset of a market.
type Reserve struct {
	Asset       Token
	AToken      common.Address
	Price       *big.Int       // of a whole token, in units of the oracle
	Source      common.Address // the feed that the price comes from
	Available   *big.Int       // what can be withdrawn or borrowed
	Supplied    *big.Int       // including interest
	Borrowed    *big.Int
	SupplyCap   *big.Int // in whole tokens; zero for none
	BorrowCap   *big.Int
	LTV         *big.Int // what may be borrowed against it, in hundredths of a per cent
	Liquidation *big.Int // the share of its worth that counts in the health factor, likewise
	Active      bool
	Frozen      bool
	Paused      bool
}

// Utilisation is how much of what was supplied is lent out.
func (s Reserve) Utilisation() float64 {
	all := new(big.Int).Add(s.Available, s.Borrowed)
	if all.Sign() == 0 {
		return 0
	}
	return ratio(s.Borrowed, all)
}

// aaveState is a market as seen by some owners at one block.
type aaveState struct {
	block    chain.Block
	unit     *big.Int
	data     common.Address // the data provider
	listed   int            // how many assets the market has, those that are not looked at among them
	tokens   []aaveReserve
	reserves []Reserve // as tokens
	owners   []aaveOwner
}

type aaveOwner struct {
	address                      common.Address
	collateral, debt, health     *big.Int // by the pool: in units of the oracle, and 10^18
	threshold                    *big.Int // of all collateral, in hundredths of a per cent
	eMode                        *big.Int // 0 for none
	supply, stable, variable     []*big.Int
	asCollateral                 []bool
	wallet, allowance, recipient []*big.Int // only when an exit asked for them
}

// state reads the market. For exits what the one owner and the recipient have, and what the pool may take, is read as well.
func (a *Aave) state(ctx context.Context, r chain.Reader, at *chain.Block, owners []common.Address, recipient *common.Address) (*aaveState, error) {
	for range 2 {
		parts, block, err := a.locate(ctx, r, at)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.name, err)
		}
		s, moved, err := a.read(ctx, r, block, parts, owners, recipient)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.name, err)
		}
		if !moved {
			return s, nil
		}
		a.mu.Lock()
		a.parts = nil
		a.mu.Unlock()
	}
	return nil, fmt.Errorf("%s: what the market consists of changed twice during one read", a.name)
}

// locate finds the parts of the market, or remembers them. The block is the one at which they were read, or at.
func (a *Aave) locate(ctx context.Context, r chain.Reader, at *chain.Block) (*aaveParts, *chain.Block, error) {
	a.mu.Lock()
	parts := a.parts
	a.mu.Unlock()
	if parts != nil {
		return parts, at, nil
	}
	parts = &aaveParts{}
	var first contract.Batch
	provider := first.Call(a.pool, contract.AavePool.Provider)
	block, err := first.Read(ctx, r, at)
	if err != nil {
		return nil, nil, err
	}
	if err := provider.Scan(&parts.provider); err != nil {
		return nil, nil, err
	}
	var second contract.Batch
	oracle, data, list := second.Call(parts.provider, contract.AaveProvider.Oracle), second.Call(parts.provider, contract.AaveProvider.Data), second.Call(a.pool, contract.AavePool.Reserves)
	if _, err := second.Read(ctx, r, &block); err != nil {
		return nil, nil, err
	}
	if err := scanAll(oracle, &parts.oracle, data, &parts.data, list, &parts.list); err != nil {
		return nil, nil, err
	}
	assets := slices.DeleteFunc(slices.Clone(parts.list), func(asset common.Address) bool { return !slices.Contains(a.assets, asset) })
	if len(assets) == 0 {
		assets = parts.list
	}
	var third contract.Batch
	unit := third.Call(parts.oracle, contract.AaveOracle.Unit)
	names, tokens := make([]askedToken, len(assets)), make([]*contract.Asked, len(assets))
	for i, asset := range assets {
		names[i], tokens[i] = askToken(&third, asset), third.Call(parts.data, contract.AaveData.Tokens, asset)
	}
	if _, err := third.Read(ctx, r, &block); err != nil {
		return nil, nil, err
	}
	if err := unit.Scan(&parts.unit); err != nil {
		return nil, nil, err
	}
	if parts.unit.Sign() == 0 {
		return nil, nil, fmt.Errorf("the oracle %s counts in units of nothing", parts.oracle)
	}
	parts.reserves = make([]aaveReserve, len(assets))
	for i := range assets {
		reserve := &parts.reserves[i]
		if reserve.asset, err = names[i].token(); err != nil {
			return nil, nil, err
		}
		if err := tokens[i].Scan(&reserve.aToken, &reserve.stable, &reserve.variable); err != nil {
			return nil, nil, err
		}
	}
	a.mu.Lock()
	a.parts = parts
	a.mu.Unlock()
	return parts, &block, nil
}

// read asks everything in one batch, and among it whether the parts are still where they were.
func (a *Aave) read(ctx context.Context, r chain.Reader, at *chain.Block, parts *aaveParts, owners []common.Address, recipient *common.Address) (s *aaveState, moved bool, err error) {
	var b contract.Batch
	provider, list := b.Call(a.pool, contract.AavePool.Provider), b.Call(a.pool, contract.AavePool.Reserves)
	oracle, data := b.Call(parts.provider, contract.AaveProvider.Oracle), b.Call(parts.provider, contract.AaveProvider.Data)
	markets := make([]func(*Reserve) (bool, error), len(parts.reserves))
	assets := make([]common.Address, len(parts.reserves))
	for i, t := range parts.reserves {
		assets[i], markets[i] = t.asset.Address, askReserve(&b, a.pool, parts, t)
	}
	prices := b.Call(parts.oracle, contract.AaveOracle.Prices, assets)
	accounts := make([]func(*aaveOwner) error, len(owners))
	for i, owner := range owners {
		accounts[i] = askOwner(&b, a.pool, parts, owner, recipient)
	}
	s = &aaveState{unit: parts.unit, data: parts.data, listed: len(parts.list), tokens: parts.reserves, reserves: make([]Reserve, len(parts.reserves)), owners: make([]aaveOwner, len(owners))}
	if s.block, err = b.Read(ctx, r, at); err != nil {
		return nil, false, err
	}

	now := aaveParts{}
	if err := scanAll(provider, &now.provider, list, &now.list, oracle, &now.oracle, data, &now.data); err != nil {
		return nil, false, err
	}
	if now.provider != parts.provider || now.oracle != parts.oracle || now.data != parts.data || !slices.Equal(now.list, parts.list) {
		return nil, true, nil
	}
	var worth []*big.Int
	if err := prices.Scan(&worth); err != nil {
		return nil, false, err
	}
	if len(worth) != len(assets) {
		return nil, false, fmt.Errorf("the oracle has %d prices for %d assets", len(worth), len(assets))
	}
	for i := range s.reserves {
		s.reserves[i].Price = worth[i]
		if moved, err := markets[i](&s.reserves[i]); err != nil || moved {
			return nil, moved, err
		}
	}
	for i := range s.owners {
		if err := accounts[i](&s.owners[i]); err != nil {
			return nil, false, err
		}
	}
	return s, false, nil
}

// askReserve asks for the state of one asset, and returns what reads the answers.
func askReserve(b *contract.Batch, pool common.Address, parts *aaveParts, t aaveReserve) func(*Reserve) (moved bool, err error) {
	asset, methods := t.asset.Address, contract.AaveData
	config, paused, caps := b.Call(parts.data, methods.Config, asset), b.Call(parts.data, methods.Paused, asset), b.Call(parts.data, methods.Caps, asset)
	supplied, borrowed, tokens := b.Call(parts.data, methods.Supplied, asset), b.Call(parts.data, methods.Borrowed, asset), b.Call(parts.data, methods.Tokens, asset)
	source := b.Call(parts.oracle, contract.AaveOracle.Source, asset)
	cash, virtual := b.Call(asset, contract.ERC20.BalanceOf, t.aToken), b.Call(pool, contract.AavePool.VirtualBalance, asset)
	return func(s *Reserve) (bool, error) {
		s.Asset, s.AToken = t.asset, t.aToken
		var now aaveReserve
		if err := scanAll(paused, &s.Paused, supplied, &s.Supplied, borrowed, &s.Borrowed, source, &s.Source, cash, &s.Available); err != nil {
			return false, err
		}
		if err := config.Scan(nil, &s.LTV, &s.Liquidation, nil, nil, nil, nil, nil, &s.Active, &s.Frozen); err != nil {
			return false, err
		}
		if err := caps.Scan(&s.BorrowCap, &s.SupplyCap); err != nil {
			return false, err
		}
		if err := tokens.Scan(&now.aToken, &now.stable, &now.variable); err != nil {
			return false, err
		}
		// Since v3.1 the pool pays out only what it has counted in, whatever lies at the aToken. Before, it has no such method.
		var counted *big.Int
		if virtual.Scan(&counted) == nil && counted.Cmp(s.Available) < 0 && counted.Sign() > 0 {
			s.Available = counted
		}
		return now.aToken != t.aToken || now.stable != t.stable || now.variable != t.variable, nil
	}
}

func askOwner(b *contract.Batch, pool common.Address, parts *aaveParts, owner common.Address, recipient *common.Address) func(*aaveOwner) error {
	account, eMode := b.Call(pool, contract.AavePool.Account, owner), b.Call(pool, contract.AavePool.EMode, owner)
	users := make([]*contract.Asked, len(parts.reserves))
	var wallets, allowances, recipients []*contract.Asked
	for i, t := range parts.reserves {
		users[i] = b.Call(parts.data, contract.AaveData.User, t.asset.Address, owner)
		if recipient != nil {
			wallets = append(wallets, b.Call(t.asset.Address, contract.ERC20.BalanceOf, owner))
			allowances = append(allowances, b.Call(t.asset.Address, contract.ERC20.Allowance, owner, pool))
			recipients = append(recipients, b.Call(t.asset.Address, contract.ERC20.BalanceOf, *recipient))
		}
	}
	return func(o *aaveOwner) error {
		n := len(users)
		*o = aaveOwner{address: owner, supply: make([]*big.Int, n), stable: make([]*big.Int, n), variable: make([]*big.Int, n), asCollateral: make([]bool, n)}
		if err := account.Scan(&o.collateral, &o.debt, nil, &o.threshold, nil, &o.health); err != nil {
			return err
		}
		if err := eMode.Scan(&o.eMode); err != nil {
			return err
		}
		for i, user := range users {
			if err := user.Scan(&o.supply[i], &o.stable[i], &o.variable[i], nil, nil, nil, nil, nil, &o.asCollateral[i]); err != nil {
				return err
			}
		}
		for _, more := range []struct {
			asked []*contract.Asked
			into  *[]*big.Int
		}{{wallets, &o.wallet}, {allowances, &o.allowance}, {recipients, &o.recipient}} {
			*more.into = make([]*big.Int, len(more.asked))
			for i, asked := range more.asked {
				if err := asked.Scan(&(*more.into)[i]); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// Markets are the states of the market's assets.
func (a *Aave) Markets(ctx context.Context, r chain.Reader, at *chain.Block) ([]Reserve, chain.Block, error) {
	s, err := a.state(ctx, r, at, nil, nil)
	if err != nil {
		return nil, chain.Block{}, err
	}
	return s.reserves, s.block, nil
}

// Positions are what was supplied and what is owed. What is owed of assets that were not named is among them: nobody must overlook
// a debt.
func (a *Aave) Positions(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address) ([]Position, error) {
	s, err := a.state(ctx, r, at, []common.Address{owner}, nil)
	if err != nil {
		return nil, err
	}
	var positions []Position
	o := s.owners[0]
	for i, t := range s.tokens {
		free := new(big.Int)
		if s.reserves[i].Active && !s.reserves[i].Paused {
			free = smaller(s.reserves[i].Available, o.supply[i])
		}
		for _, have := range []struct {
			kind         Kind
			token        common.Address
			prefix       string
			amount, free *big.Int
		}{{Supply, t.aToken, "a", o.supply[i], free}, {Debt, t.variable, "variable debt ", o.variable[i], nil}, {Debt, t.stable, "stable debt ", o.stable[i], nil}} {
			if have.amount.Sign() > 0 {
				positions = append(positions, Position{Protocol: a.name, Kind: have.kind, Amount: have.amount, Accrues: true, Block: s.block.Number,
					Token: Token{have.token, have.prefix + t.asset.Symbol, t.asset.Decimals},
					Under: []Component{{Token: t.asset, Amount: have.amount, Holder: t.aToken, Free: have.free}}})
			}
		}
	}
	more, err := a.unnamedDebts(ctx, r, s)
	return append(positions, more...), err
}

// unnamedDebts of the owner are in assets of the market that are not looked at.
func (a *Aave) unnamedDebts(ctx context.Context, r chain.Reader, s *aaveState) ([]Position, error) {
	assets, err := a.borrowed(ctx, r, s)
	assets = slices.DeleteFunc(assets, func(asset common.Address) bool {
		return slices.ContainsFunc(s.tokens, func(t aaveReserve) bool { return t.asset.Address == asset })
	})
	if err != nil || len(assets) == 0 {
		return nil, err
	}
	var b contract.Batch
	names, tokens, owed := make([]askedToken, len(assets)), make([]*contract.Asked, len(assets)), make([]*contract.Asked, len(assets))
	for i, asset := range assets {
		names[i], tokens[i] = askToken(&b, asset), b.Call(s.data, contract.AaveData.Tokens, asset)
		owed[i] = b.Call(s.data, contract.AaveData.User, asset, s.owners[0].address)
	}
	if _, err := b.Read(ctx, r, &s.block); err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}
	var positions []Position
	for i := range assets {
		var variable, stable *big.Int
		var debt common.Address
		if err := tokens[i].Scan(nil, nil, &debt); err != nil {
			return nil, fmt.Errorf("%s: %w", a.name, err)
		}
		if err := owed[i].Scan(nil, &stable, &variable); err != nil {
			return nil, fmt.Errorf("%s: %w", a.name, err)
		}
		asset, err := names[i].token()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.name, err)
		}
		all := new(big.Int).Add(variable, stable)
		positions = append(positions, Position{Protocol: a.name, Kind: Debt, Amount: all, Accrues: true, Block: s.block.Number,
			Token: Token{debt, "debt " + asset.Symbol, asset.Decimals}, Under: []Component{{Token: asset, Amount: all}}})
	}
	return positions, nil
}

// borrowed are the assets that the owner owes any of, by the pool's own note.
func (a *Aave) borrowed(ctx context.Context, r chain.Reader, s *aaveState) ([]common.Address, error) {
	if len(s.tokens) == s.listed {
		return nil, nil // all are looked at
	}
	var b contract.Batch
	config := b.Call(a.pool, contract.AavePool.UserConfig, s.owners[0].address)
	if _, err := b.Read(ctx, r, &s.block); err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}
	var bits *big.Int
	if err := config.Scan(&bits); err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}
	var second contract.Batch
	var asked []*contract.Asked
	for bit := 0; bit < bits.BitLen(); bit += 2 {
		if bits.Bit(bit) == 1 {
			asked = append(asked, second.Call(a.pool, contract.AavePool.ReserveByID, uint16(bit/2)))
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	if _, err := second.Read(ctx, r, &s.block); err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}
	assets := make([]common.Address, len(asked))
	for i := range asked {
		if err := asked[i].Scan(&assets[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", a.name, err)
		}
	}
	return assets, nil
}

// Measures of the market's assets and of the owners in it.
func (a *Aave) Measures(ctx context.Context, r chain.Reader, at *chain.Block, owners ...common.Address) ([]Measure, error) {
	s, err := a.state(ctx, r, at, owners, nil)
	if err != nil {
		return nil, err
	}
	m := measures{block: s.block.Number}
	for _, reserve := range s.reserves {
		m.market(reserve.Asset.Address, reserve.Asset.Symbol)
		m.add(Utilisation, reserve.Utilisation())
		m.add(Withdrawable, reserve.Asset.units(reserve.Available))
		m.add(TotalAssets, reserve.Asset.units(reserve.Supplied))
		m.add(Price, ratio(reserve.Price, s.unit))
		m.add(Paused, flag(reserve.Paused || !reserve.Active))
		m.add(Frozen, flag(reserve.Frozen))
		if reserve.SupplyCap.Sign() > 0 {
			m.add(SupplyCapUsed, reserve.Asset.units(reserve.Supplied)/ratio(reserve.SupplyCap, one))
		}
		if reserve.BorrowCap.Sign() > 0 {
			m.add(BorrowCapUsed, reserve.Asset.units(reserve.Borrowed)/ratio(reserve.BorrowCap, one))
		}
	}
	for i := range s.owners {
		o := &s.owners[i]
		m.account(o.address)
		m.add(HealthFactor, healthFactor(o))
		m.add(LiquidationDistance, distance(healthFactor(o)))
		for j, reserve := range s.reserves {
			if o.supply[j].Sign() == 0 {
				continue
			}
			m.of(o.address, reserve.Asset.Address, reserve.Asset.Symbol)
			m.add(Withdrawable, reserve.Asset.units(smaller(reserve.Available, o.supply[j])))
			m.add(Cover, CoverRatio(reserve.Available, o.supply[j]))
			if alone, ok := s.distanceAlone(o, j); ok {
				m.add(LiquidationDistance, alone)
			}
		}
	}
	return m.all, nil
}

func healthFactor(o *aaveOwner) float64 {
	if o.debt.Sign() == 0 {
		return HealthFactorMax
	}
	return min(ratio(o.health, ether), HealthFactorMax)
}

// distance is by how much all collateral has to lose against the debt until the health factor is 1.
func distance(health float64) float64 {
	if health >= HealthFactorMax {
		return 1
	}
	return max(0, 1-1/health)
}

// distanceAlone is by how much the price of one asset has to fall, the others staying where they are: the health factor is
// (C·L·p + rest) / (D·p + owed), where C of the asset counts as collateral by the share L and D of it is owed, and the price p
// at which it becomes 1 is (owed − rest) / (C·L − D). Debt in the asset itself falls with it. With a basket of assets watched
// in part, or in eMode, where thresholds are others, it is not known.
func (s *aaveState) distanceAlone(o *aaveOwner, which int) (float64, bool) {
	if o.eMode.Sign() != 0 || !s.whole(o) {
		return 0, false
	}
	counts, owed := s.weights(o)
	sum, debt := new(big.Int), new(big.Int)
	for i := range counts {
		if i != which {
			sum.Add(sum, counts[i])
			debt.Add(debt, owed[i])
		}
	}
	need, slope := debt.Sub(debt, sum), new(big.Int).Sub(counts[which], owed[which])
	switch {
	case need.Sign() <= 0:
		return 1, true
	case slope.Sign() <= 0:
		return 0, true
	}
	return max(0, 1-ratio(need, slope)), true
}

// weights are what each asset adds to the health factor's numerator and denominator, in one unit of the oracle times 10^40.
func (s *aaveState) weights(o *aaveOwner) (counts, owed []*big.Int) {
	counts, owed = make([]*big.Int, len(s.reserves)), make([]*big.Int, len(s.reserves))
	for i, reserve := range s.reserves {
		counts[i] = new(big.Int)
		if o.asCollateral[i] {
			counts[i].Mul(s.worth(i, o.supply[i]), reserve.Liquidation)
		}
		owed[i] = s.worth(i, new(big.Int).Add(o.stable[i], o.variable[i]))
		owed[i].Mul(owed[i], bips)
	}
	return counts, owed
}

// worth of an amount in units of the oracle, times 10^36.
func (s *aaveState) worth(which int, amount *big.Int) *big.Int {
	w := new(big.Int).Mul(amount, s.reserves[which].Price)
	return w.Mul(w, power(decimalsMax-int(s.reserves[which].Asset.Decimals)))
}

// whole says whether the assets that are looked at are all that the owner has here: what the pool counts must be what we count,
// up to rounding, of which the pool does one for each asset.
func (s *aaveState) whole(o *aaveOwner) bool {
	collateral, debt := new(big.Int), new(big.Int)
	for i := range s.reserves {
		if o.asCollateral[i] {
			collateral.Add(collateral, s.worth(i, o.supply[i]))
		}
		debt.Add(debt, s.worth(i, new(big.Int).Add(o.stable[i], o.variable[i])))
	}
	scale, rounding := power(decimalsMax), big.NewInt(int64(2*len(s.reserves)+2))
	near := func(ours, theirs *big.Int) bool {
		difference := new(big.Int).Sub(new(big.Int).Quo(ours, scale), theirs)
		return difference.CmpAbs(rounding) <= 0
	}
	return near(collateral, o.collateral) && near(debt, o.debt)
}

var (
	one   = big.NewInt(1)
	bips  = big.NewInt(10_000)
	ether = power(18)
)

func smaller(a, b *big.Int) *big.Int {
	if a.Cmp(b) < 0 {
		return a
	}
	return b
}

// CoverRatio is the liquidity that there is to leave by, for each unit of a position: below 1 not all of it can leave.
func CoverRatio(withdrawable, position *big.Int) float64 {
	if position.Sign() == 0 {
		return CoverMax
	}
	return min(ratio(withdrawable, position), CoverMax)
}

// measures gathers what is said about one thing after the other.
type measures struct {
	all   []Measure
	block uint64
	about Measure
}

func (m *measures) market(market common.Address, symbol string) {
	m.about = Measure{Market: market, Symbol: symbol}
}
func (m *measures) account(account common.Address) { m.about = Measure{Account: account} }
func (m *measures) of(account, market common.Address, symbol string) {
	m.about = Measure{Account: account, Market: market, Symbol: symbol}
}

func (m *measures) add(name string, value float64) {
	m.about.Name, m.about.Value, m.about.Block = name, value, m.block
	m.all = append(m.all, m.about)
}
