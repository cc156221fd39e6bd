package protocol

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// Margins of an Aave exit. Interest grows between the block that was read and the one in which the exit is mined, which for an
// exit that waits for signatures is days.
var (
	repayMargin   = decimal.New(1, -2) // by which the pool may take more than what is owed now
	enoughMargin  = decimal.New(1, -3) // by which a wallet has to have more than what is owed now, to repay "all there is"
	scarceMargin  = decimal.New(2, -2) // that is left in a market with too little liquidity, for whoever comes in between
	healthMargin  = decimal.New(2, -3) // that withdrawals stay above the health factor asked for
	unwindRounds  = 8                  // of withdraw, sell, repay; three of them took 0.8 million gas on the test bed
	roundingSlack = big.NewInt(10)     // base units that rounding inside the pool may cost over a whole plan
)

// aaveExit is a plan in the making: the account as it will be after the calls so far.
type aaveExit struct {
	a       *Aave
	s       *aaveState
	o       *aaveOwner
	plan    *Plan
	limit   *big.Int // worth of the collateral times its thresholds; as aaveState.weights
	debt    *big.Int
	floor   *big.Int       // health factor of this ask, in ten-thousandths
	floors  *big.Int       // the highest of all asks so far
	slack   []*big.Int     // by how much the wallet may end up short of what is expected
	before  []*big.Int     // what the owner had at first
	given   []*big.Int     // what the recipient had at first; what it has then is in o.recipient
	repays  []bool         // the plan repays some of it
	allowed []bool         // the plan itself changed what the pool may take
	to      common.Address // who receives; the owner if nobody else
	sales   []exitSale
	ask     Ask // that is being planned

	// Of the reads that only unwinding needs.
	ctx    context.Context
	reader chain.Reader
}

// exitSale of one of a market's assets for another.
type exitSale struct {
	from, into int
	Sale
}

// Exit withdraws, repays and unwinds, in the order asked for.
func (a *Aave) Exit(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, asks ...Ask) (Plan, error) {
	to := owner
	for _, ask := range asks {
		if err := ask.check(); err != nil {
			return Plan{}, err
		}
		switch {
		case ask.To == (common.Address{}) || ask.To == owner:
		case to != owner && to != ask.To:
			return Plan{}, fmt.Errorf("%s: one exit can pay out to one address, not to %s and %s", a.name, to, ask.To)
		default:
			to = ask.To
		}
	}
	s, err := a.state(ctx, r, at, []common.Address{owner}, &to)
	if err != nil {
		return Plan{}, err
	}
	x := newAaveExit(ctx, a, s, r, to)
	for _, ask := range asks {
		x.ask = ask.withDefaults()
		if err := x.do(); err != nil && !errors.Is(err, ErrNothingToDo) { // of several deeds one may be done already
			return Plan{}, fmt.Errorf("%s: %s: %w", a.name, ask.Do, err)
		}
	}
	if len(x.plan.Calls) == 0 {
		return Plan{}, fmt.Errorf("%s: %w", a.name, ErrNothingToDo)
	}
	x.close()
	return *x.plan, nil
}

func newAaveExit(ctx context.Context, a *Aave, s *aaveState, r chain.Reader, to common.Address) *aaveExit {
	o := &s.owners[0]
	x := &aaveExit{a: a, s: s, o: o, plan: &Plan{Block: s.block}, to: to, ctx: ctx, reader: r,
		floor: bips, floors: bips, allowed: make([]bool, len(s.reserves)), repays: make([]bool, len(s.reserves))}
	x.plan.Known = append(x.plan.Known, a.pool)
	for i := range s.reserves {
		x.plan.Known = append(x.plan.Known, s.tokens[i].aToken)
		x.slack = append(x.slack, new(big.Int))
		x.before = append(x.before, o.wallet[i])
		x.given = append(x.given, o.recipient[i])
	}
	// The pool's own sums, times 10^36: they count what is not among the assets looked at, and thresholds of eMode.
	x.limit = new(big.Int).Mul(o.collateral, o.threshold)
	x.limit.Mul(x.limit, power(decimalsMax))
	x.debt = new(big.Int).Mul(o.debt, bips)
	x.debt.Mul(x.debt, power(decimalsMax))
	return x
}

func (x *aaveExit) do() error {
	x.floor = x.ask.MinHealth.Mul(decimal.NewFromInt(10_000)).Ceil().BigInt()
	if x.floor.Cmp(x.floors) > 0 {
		x.floors = x.floor
	}
	which, err := x.which(x.ask.Token)
	if err != nil {
		return err
	}
	calls := len(x.plan.Calls)
	switch x.ask.Do {
	case Repay:
		for _, i := range which {
			if err := x.repay(i, x.ask.Amount); err != nil {
				return err
			}
		}
	case Withdraw:
		for _, i := range which {
			if err := x.withdraw(i, x.ask.Amount, x.to); err != nil {
				return err
			}
		}
	case Unwind:
		return x.unwind(which)
	default:
		return fmt.Errorf("a lending market can withdraw, repay and unwind; it cannot %s", x.ask.Do)
	}
	if len(x.plan.Calls) == calls {
		return ErrNothingToDo
	}
	return nil
}

// which assets a deed is about: the one that was named, or all.
func (x *aaveExit) which(asset common.Address) ([]int, error) {
	var which []int
	for i, reserve := range x.s.reserves {
		if asset == (common.Address{}) || asset == reserve.Asset.Address {
			which = append(which, i)
		}
	}
	switch {
	case len(which) == 0:
		return nil, fmt.Errorf("%s is no asset that is looked at here", asset)
	case x.ask.Amount != nil && len(which) > 1:
		return nil, fmt.Errorf("an amount needs a token")
	}
	return which, nil
}

// repay what is owed of an asset, first what is owed at the variable rate. "All" is repaid as the pool's own "all", when the
// wallet has enough: the debt grows until the moment it is repaid, and an amount that was right when it was signed leaves dust.
func (x *aaveExit) repay(i int, amount *big.Int) error {
	for _, debt := range []struct {
		mode int64
		owed *big.Int
	}{{2, x.o.variable[i]}, {1, x.o.stable[i]}} {
		if debt.owed.Sign() == 0 || amount != nil && amount.Sign() == 0 {
			continue
		}
		if err := x.movable(i); err != nil {
			return err
		}
		asset, wallet := x.s.reserves[i].Asset, x.o.wallet[i]
		want := debt.owed
		if amount != nil {
			want = smaller(amount, debt.owed)
		}
		all := want.Cmp(debt.owed) == 0 && wallet.Cmp(debt.owed) >= 0
		pay := smaller(want, wallet)
		if pay.Sign() == 0 {
			return fmt.Errorf("%s is owed and the wallet has no %s to repay it with", asset.Text(debt.owed), asset.Symbol)
		}
		may, argument := pay, pay
		words := "repay " + asset.Text(pay)
		if all {
			may, words = smaller(better(debt.owed, repayMargin), wallet), fmt.Sprintf("repay all that is owed of %s, now %s", asset.Symbol, asset.Text(debt.owed))
			if argument = highest; wallet.Cmp(better(debt.owed, enoughMargin)) < 0 {
				argument = wallet // the pool takes what is owed of it; of "all" it would take more than there is
			}
			x.slack[i] = new(big.Int).Add(x.slack[i], new(big.Int).Sub(may, debt.owed))
		} else if pay.Cmp(want) < 0 {
			x.plan.note("%s of the %s owed is repaid: the wallet has no more.", asset.Text(pay), asset.Text(debt.owed))
		}
		if x.o.allowance[i].Cmp(may) < 0 {
			x.plan.approve(asset, x.a.pool, x.a.name, x.o.allowance[i], may)
			x.o.allowance[i], x.allowed[i] = may, true
		}
		x.plan.call(x.a.pool, words, contract.AavePool.Repay, asset.Address, argument, big.NewInt(debt.mode), x.o.address)
		x.o.allowance[i] = new(big.Int).Sub(x.o.allowance[i], pay)
		x.o.wallet[i] = new(big.Int).Sub(wallet, pay)
		x.repaid(i, debt.mode, pay)
		if amount != nil {
			amount = new(big.Int).Sub(amount, pay)
		}
	}
	return nil
}

// repaid takes what was repaid into the account as it will be.
func (x *aaveExit) repaid(i int, mode int64, pay *big.Int) {
	owed := &x.o.variable[i]
	if mode == 1 {
		owed = &x.o.stable[i]
	}
	*owed, x.repays[i] = new(big.Int).Sub(*owed, pay), true
	weight := x.s.worth(i, pay)
	x.debt.Sub(x.debt, weight.Mul(weight, bips))
	if x.debt.Sign() < 0 || x.owesNothing() {
		x.debt.SetInt64(0)
	}
	x.s.reserves[i].Available = new(big.Int).Add(x.s.reserves[i].Available, pay)
}

// owesNothing says that no debt is left in the assets looked at, when they are all there are: the pool's own sum is rounded.
func (x *aaveExit) owesNothing() bool {
	for i := range x.s.reserves {
		if x.o.variable[i].Sign() > 0 || x.o.stable[i].Sign() > 0 {
			return false
		}
	}
	unit := new(big.Int).Mul(power(decimalsMax), bips)
	return x.debt.Cmp(unit.Mul(unit, big.NewInt(int64(2*len(x.s.reserves)+2)))) <= 0
}

// withdraw what was supplied of an asset, as much of it as there is liquidity for and as the health factor permits.
func (x *aaveExit) withdraw(i int, amount *big.Int, to common.Address) error {
	have, asset := x.o.supply[i], x.s.reserves[i].Asset
	if have.Sign() == 0 {
		return nil
	}
	if err := x.movable(i); err != nil {
		return err
	}
	want := have
	if amount != nil {
		want = smaller(amount, have)
		if amount.Cmp(have) > 0 {
			x.plan.note("%s was asked for and %s is there.", asset.Text(amount), asset.Text(have))
		}
	}
	if there := x.s.reserves[i].Available; there.Cmp(want) < 0 {
		x.plan.note("The market is short of %s: %s can be withdrawn by anybody now, and %s was to be; the rest has to wait until others repay or supply.", asset.Symbol, asset.Text(there), asset.Text(want))
		if want = worse(there, scarceMargin); want.Sign() == 0 {
			return fmt.Errorf("nothing can be withdrawn: all %s of the market is lent out", asset.Symbol)
		}
	}
	if room, bound := x.room(i); bound && room.Cmp(want) < 0 {
		if room.Sign() == 0 {
			return fmt.Errorf("no %s can be withdrawn without the health factor falling below %s; repay first", asset.Symbol, x.ask.MinHealth)
		}
		x.plan.note("%s of %s is withdrawn: more would bring the health factor below %s.", asset.Text(room), asset.Text(want), x.ask.MinHealth)
		want = room
	}
	argument, words := want, "withdraw "+asset.Text(want)
	if want.Cmp(have) == 0 {
		argument, words = highest, fmt.Sprintf("withdraw all %s, now %s", asset.Symbol, asset.Text(have))
	}
	if to != x.o.address {
		words += " to " + to.String()
	}
	x.plan.call(x.a.pool, words, contract.AavePool.Withdraw, asset.Address, argument, to)
	x.withdrawn(i, want)
	if to == x.o.address {
		x.o.wallet[i] = new(big.Int).Add(x.o.wallet[i], want)
	} else {
		x.o.recipient[i] = new(big.Int).Add(x.o.recipient[i], want)
	}
	x.s.reserves[i].Available = new(big.Int).Sub(x.s.reserves[i].Available, want)
	return nil
}

// withdrawn takes collateral out of the account as it will be.
func (x *aaveExit) withdrawn(i int, amount *big.Int) {
	x.o.supply[i] = new(big.Int).Sub(x.o.supply[i], amount)
	if x.o.asCollateral[i] {
		weight := x.s.worth(i, amount)
		x.limit.Sub(x.limit, weight.Mul(weight, x.threshold(i)))
	}
}

// threshold of an asset. In eMode it is that of a category, which is higher and unknown here; the highest there can be is on
// the safe side for what leaves.
func (x *aaveExit) threshold(i int) *big.Int {
	if x.o.eMode.Sign() != 0 {
		return bips
	}
	return x.s.reserves[i].Liquidation
}

// room is how much of an asset can leave before the health factor reaches the floor; unbound when there is no debt, or the asset
// does not count as collateral.
func (x *aaveExit) room(i int) (room *big.Int, bound bool) {
	unit := new(big.Int).Mul(x.s.worth(i, one), x.threshold(i)) // what one base unit adds
	if x.debt.Sign() == 0 || !x.o.asCollateral[i] || unit.Sign() == 0 {
		return nil, false
	}
	need := new(big.Int).Mul(x.debt, better(x.floor, healthMargin))
	spare := new(big.Int).Sub(x.limit, need.Quo(need, bips))
	if spare.Sign() <= 0 {
		return new(big.Int), true
	}
	return smaller(spare.Quo(spare, unit), x.o.supply[i]), true
}

func (x *aaveExit) movable(i int) error {
	reserve := x.s.reserves[i]
	switch {
	case !reserve.Active:
		return fmt.Errorf("the market has switched %s off", reserve.Asset.Symbol)
	case reserve.Paused:
		return fmt.Errorf("the market has paused %s: nothing of it can be supplied, withdrawn or repaid", reserve.Asset.Symbol)
	}
	return nil
}

// unwind repays everything in an order that is safe at each call, and then withdraws what is left: first debt against what was
// supplied of the same asset, then out of the wallet, then round after round out of the collateral: withdraw as much as the
// health factor permits, sell it, repay. The rounds are computed from the state; if they do not suffice, the notes say so.
func (x *aaveExit) unwind(collateral []int) error {
	for i := range x.s.reserves {
		if err := x.repayFromSupply(i); err != nil {
			return err
		}
		if x.o.wallet[i].Sign() > 0 {
			if err := x.repayWhatThereIs(i); err != nil {
				return err
			}
		}
	}
	for round := 0; ; round++ {
		debt, owes := x.largestDebt()
		if !owes {
			break
		}
		asset := x.s.reserves[debt].Asset
		if round == unwindRounds {
			x.plan.note("After %d rounds %s is still owed: it takes another exit to finish.", unwindRounds, asset.Text(x.o.variable[debt]))
			return nil
		}
		if err := x.round(collateral, debt); err != nil {
			if round == 0 {
				return err
			}
			x.plan.note("One batch cannot finish this: %v. %s is still owed.", err, asset.Text(new(big.Int).Add(x.o.variable[debt], x.o.stable[debt])))
			return nil
		}
	}
	if x.debt.Sign() > 0 {
		x.plan.note("There is debt in assets that are not looked at here; what secures it stays.")
	}
	for _, i := range collateral {
		if err := x.withdraw(i, nil, x.to); err != nil {
			return err
		}
	}
	if len(x.plan.Calls) == 0 {
		return ErrNothingToDo
	}
	return nil
}

// repayFromSupply sets what is owed of an asset off against what was supplied of it. Nothing has to be in the wallet, and no
// liquidity in the market.
func (x *aaveExit) repayFromSupply(i int) error {
	if x.o.supply[i].Sign() == 0 || x.o.variable[i].Sign() == 0 {
		return nil
	}
	if err := x.movable(i); err != nil {
		return err
	}
	asset, owed := x.s.reserves[i].Asset, x.o.variable[i]
	pay := smaller(owed, x.o.supply[i])
	x.plan.call(x.a.pool, fmt.Sprintf("set %s that is owed off against what was supplied", asset.Text(pay)),
		contract.AavePool.RepayWithATokens, asset.Address, highest, big.NewInt(2))
	x.withdrawn(i, pay)
	x.repaid(i, 2, pay)
	x.s.reserves[i].Available = new(big.Int).Sub(x.s.reserves[i].Available, pay)
	return nil
}

func (x *aaveExit) largestDebt() (which int, owes bool) {
	most := new(big.Int)
	for i := range x.s.reserves {
		if owed := x.s.worth(i, new(big.Int).Add(x.o.variable[i], x.o.stable[i])); owed.Cmp(most) > 0 {
			which, owes, most = i, true, owed
		}
	}
	return which, owes
}

// round of withdrawing collateral, selling it, and repaying one debt.
func (x *aaveExit) round(collateral []int, debt int) error {
	owed := new(big.Int).Add(x.o.variable[debt], x.o.stable[debt])
	asset := x.s.reserves[debt].Asset
	from, amount := x.largestRoom(collateral, debt)
	if amount.Sign() == 0 {
		return fmt.Errorf("no collateral can leave while %s is owed: the health factor would fall below %s, or the market has no liquidity", asset.Text(owed), x.ask.MinHealth)
	}
	sale, err := x.sale(from, debt)
	if err != nil {
		return err
	}
	amount = smaller(amount, sale.Need(better(owed, repayMargin)))
	if amount.Sign() == 0 {
		return fmt.Errorf("%s is too little to sell for", asset.Text(owed))
	}
	if err := x.withdraw(from, amount, x.o.address); err != nil {
		return err
	}
	least, err := sale.Sell(x.plan, amount)
	if err != nil {
		return err
	}
	x.o.wallet[from] = new(big.Int).Sub(x.o.wallet[from], amount)
	x.o.wallet[debt] = new(big.Int).Add(x.o.wallet[debt], least)
	return x.repayWhatThereIs(debt)
}

// repayWhatThereIs without a note that it is not all: the rounds go on.
func (x *aaveExit) repayWhatThereIs(debt int) error {
	notes := len(x.plan.Notes)
	err := x.repay(debt, nil)
	x.plan.Notes = x.plan.Notes[:notes]
	return err
}

// largestRoom is the collateral of which most can leave at once, by worth. What is as much as nothing, a thousandth of the debt, is nothing: a
// batch of calls that move dust helps nobody.
func (x *aaveExit) largestRoom(collateral []int, debt int) (which int, amount *big.Int) {
	amount = new(big.Int)
	most := x.s.worth(debt, new(big.Int).Add(x.o.variable[debt], x.o.stable[debt]))
	most.Quo(most, big.NewInt(1000))
	for _, i := range collateral {
		if i == debt || x.o.supply[i].Sign() == 0 || x.movable(i) != nil {
			continue
		}
		can := x.o.supply[i]
		if there := x.s.reserves[i].Available; there.Cmp(can) < 0 {
			can = worse(there, scarceMargin)
		}
		if room, bound := x.room(i); bound {
			can = smaller(can, room)
		}
		if worth := x.s.worth(i, can); worth.Cmp(most) > 0 {
			which, amount, most = i, can, worth
		}
	}
	return which, amount
}

func (x *aaveExit) sale(from, into int) (Sale, error) {
	for _, sale := range x.sales {
		if sale.from == from && sale.into == into {
			return sale, nil
		}
	}
	collateral, debt := x.s.reserves[from].Asset, x.s.reserves[into].Asset
	if x.a.swaps == nil {
		return nil, fmt.Errorf("the wallet has too little %s, and no exchange is named to sell %s at", debt.Symbol, collateral.Symbol)
	}
	sale, err := x.a.swaps.Sale(x.ctx, x.reader, &x.s.block, x.o.address, SaleOrder{From: collateral.Address, Into: debt.Address, Slippage: x.ask.Slippage, Within: x.ask.Within})
	if err != nil {
		return nil, fmt.Errorf("sell %s for %s: %w", collateral.Symbol, debt.Symbol, err)
	}
	x.sales = append(x.sales, exitSale{from, into, sale})
	return sale, nil
}

// close takes back what was allowed and not used, and says what has to be true afterwards.
func (x *aaveExit) close() {
	for i, reserve := range x.s.reserves {
		if x.allowed[i] && x.o.allowance[i].Sign() > 0 {
			x.plan.approve(reserve.Asset, x.a.pool, x.a.name, x.o.allowance[i], new(big.Int))
			x.plan.must(contract.ERC20.Allowance.Query(reserve.Asset.Address, x.o.address, x.a.pool), Equal, new(big.Int), fmt.Sprintf("%s may take no %s", x.a.name, reserve.Asset.Symbol))
		}
	}
	for _, sale := range x.sales {
		sale.Close(x.plan)
	}
	x.mustOwe()
	x.mustHave()
}

// mustOwe is about debt and health. Where the floor was not reached before, it only must not get worse.
func (x *aaveExit) mustOwe() {
	data := x.s.tokens
	for i, reserve := range x.s.reserves {
		for _, debt := range []struct {
			token common.Address
			owed  *big.Int
			rate  string
		}{{data[i].variable, x.o.variable[i], "variable"}, {data[i].stable, x.o.stable[i], "stable"}} {
			if debt.token == (common.Address{}) || !x.repays[i] {
				continue
			}
			q := contract.ERC20.BalanceOf.Query(debt.token, x.o.address)
			if debt.owed.Sign() == 0 {
				x.plan.must(q, Equal, new(big.Int), fmt.Sprintf("no %s is owed at the %s rate", reserve.Asset.Symbol, debt.rate))
				continue
			}
			most := better(debt.owed, repayMargin)
			x.plan.must(q, AtMost, most, fmt.Sprintf("at most %s is owed at the %s rate", reserve.Asset.Text(most), debt.rate))
		}
	}
	if x.debt.Sign() == 0 {
		return
	}
	want := new(big.Int).Mul(x.floors, power(14))
	if after := new(big.Int).Quo(new(big.Int).Mul(x.limit, ether), x.debt); after.Cmp(want) < 0 {
		want = smaller(worse(x.o.health, healthMargin), after)
		x.plan.note("The health factor will be %s, below the %s asked for.", decimal.NewFromBigInt(after, -18).StringFixed(4), decimal.NewFromBigInt(x.floors, -4))
	}
	x.plan.Must = append(x.plan.Must, Condition{Query: contract.AavePool.Account.Query(x.a.pool, x.o.address), Word: 5, Compare: AtLeast, Want: want,
		Words: fmt.Sprintf("the health factor is at least %s", decimal.NewFromBigInt(want, -18).StringFixed(4))})
}

// mustHave is about what the owner and the recipient have in the end.
func (x *aaveExit) mustHave() {
	for i, reserve := range x.s.reserves {
		asset := reserve.Asset
		if x.to != x.o.address && x.o.recipient[i].Cmp(x.given[i]) > 0 {
			x.atLeast(asset, x.to, new(big.Int).Sub(x.o.recipient[i], roundingSlack))
		}
		if x.o.wallet[i].Cmp(x.before[i]) != 0 {
			least := new(big.Int).Sub(x.o.wallet[i], x.slack[i])
			x.atLeast(asset, x.o.address, least.Sub(least, roundingSlack))
		}
	}
}

func (x *aaveExit) atLeast(asset Token, who common.Address, least *big.Int) {
	if least.Sign() > 0 {
		x.plan.must(balanceOf(asset.Address, who), AtLeast, least, fmt.Sprintf("%s has at least %s", who, asset.Text(least)))
	}
}
