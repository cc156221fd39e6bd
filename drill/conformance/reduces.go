package conformance

import (
	"fmt"
	"slices"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

func reductionsPass(k *kit) error {
	if err := k.canSell(); err != nil {
		return err
	}
	w, run, err := k.acting(k.reducing())
	if err != nil {
		return err
	}
	if err := w.mustPass(w.order(run, lifeboat.Sell, k.sell, 0), "while reducing"); err != nil {
		return err
	}
	return w.mustPass(w.task(run, "failover"), "while reducing")
}

func reducingAddsNothing(k *kit) error {
	if err := k.canBuy(); err != nil {
		return err
	}
	w, run, err := k.acting(k.reducing())
	if err != nil {
		return err
	}
	if err := w.mustRefuse(w.order(run, lifeboat.Buy, k.buy, 0), "while reducing"); err != nil {
		return err
	}
	strange := quantity{k.buy.account, "NEVER-HELD", decimal.NewFromInt(1), decimal.Zero}
	return w.mustRefuse(w.order(run, lifeboat.Sell, strange, 1), "while reducing, with nothing of it held,")
}

// notBeyondPosition sells exactly what is held, and one unit more.
func notBeyondPosition(k *kit) error {
	if err := k.canSell(); err != nil {
		return err
	}
	for more, wanted := range []bool{true, false} {
		w, run, err := k.acting(k.reducing())
		if err != nil {
			return err
		}
		whole := k.sell
		whole.units = k.sell.held.Add(k.sell.units.Mul(decimal.NewFromInt(int64(more))))
		sale := w.order(run, lifeboat.Sell, whole, 3)
		if wanted {
			err = w.mustPass(sale, "while reducing, with just that much held,")
		} else {
			err = w.mustRefuse(sale, fmt.Sprintf("while reducing, with only %s held,", k.sell.held))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// notTwiceBeyondPosition lets sales of all that is held rest at the venue and tries to sell some of it again; then gives some
// of it free, piece by piece.
func notTwiceBeyondPosition(k *kit) error {
	if err := k.canSell(); err != nil {
		return err
	}
	w, run, err := k.acting(k.reducing())
	if err != nil {
		return err
	}
	most := k.sell
	most.units = k.sell.held.Sub(k.sell.units)
	if !most.units.IsPositive() {
		return notApplicable("the holding of %s cannot be split", k.sell.symbol)
	}
	large, small := w.order(run, lifeboat.Sell, most, 3), w.order(run, lifeboat.Sell, k.sell, 3)
	again := func(q quantity) lifeboat.Intent { return w.order(run, lifeboat.Sell, q, 3) }
	if err := w.mustPass(large, "while reducing"); err != nil {
		return err
	}
	if err := w.mustPass(small, "while reducing, with just that much not yet for sale,"); err != nil {
		return err
	}
	if err := w.mustRefuse(again(k.sell), "while reducing, with all that is held for sale already,"); err != nil {
		return err
	}
	if err := w.mustPass(w.cancel(run, small), "while reducing"); err != nil {
		return err
	}
	if err := w.mustRefuse(again(k.sell.times(2)), "while reducing, with one of two sales taken back, an order beyond it,"); err != nil {
		return err
	}
	if err := w.mustPass(again(k.sell), "while reducing, with a sale of as much taken back,"); err != nil {
		return err
	}
	if err := w.mustPass(w.cancel(run, large), "while reducing"); err != nil {
		return err
	}
	if err := w.mustPass(again(most), "while reducing, with a sale of as much taken back,"); err != nil {
		return err
	}
	for _, more := range []func() error{k.notTwiceAtOnce, k.notTwiceByParts, k.othersClaimNothing} {
		if err := more(); err != nil {
			return err
		}
	}
	return nil
}

// othersClaimNothing rests orders for everything else at the venues, and a purchase: none of it keeps the whole position
// from being sold.
func (k *kit) othersClaimNothing() error {
	w, run, err := k.acting(k.begin(k.withCash()))
	if err != nil {
		return err
	}
	if k.buy.account == k.sell.account && k.buy.symbol == k.sell.symbol {
		if err := w.mustPass(w.order(run, lifeboat.Buy, k.buy, 0.01), "while the breaker is active"); err != nil {
			return err
		}
	}
	for _, h := range k.plan.Holdings {
		same := h.Account == k.sell.account && h.Symbol == k.sell.symbol
		if same || !k.plan.Tradable(h.Account) || h.Symbol == k.plan.Portfolio.BaseCurrency || !h.Quantity.IsPositive() {
			continue
		}
		if err := w.mustPass(w.order(run, lifeboat.Sell, quantity{h.Account, h.Symbol, h.Quantity, h.Quantity}, 3), "while the breaker is active"); err != nil {
			return err
		}
	}
	if err := w.makeStricter(lifeboat.Reducing); err != nil {
		return err
	}
	whole := k.sell
	whole.units = k.sell.held
	return w.mustPass(w.order(run, lifeboat.Sell, whole, 3), "while reducing, with orders for other things open,")
}

// notTwiceAtOnce forms two sales before either is in the journal.
func (k *kit) notTwiceAtOnce() error {
	w, run, err := k.acting(k.reducing())
	if err != nil {
		return err
	}
	whole := k.sell
	whole.units = k.sell.held
	first, second := w.order(run, lifeboat.Sell, whole, 3), w.order(run, lifeboat.Sell, k.sell, 3)
	if err := w.put(first, second); err != nil {
		return err
	}
	if !w.placed(whole.account, first.Key) {
		return w.broken("while reducing, %s was refused", tell(first))
	}
	if w.placed(whole.account, second.Key) {
		return w.broken("while reducing, two sales formed at the same time passed, %s and %s, with only %s held",
			first.Order.Quantity, second.Order.Quantity, k.sell.held)
	}
	return nil
}

// notTwiceByParts lets a sale fill in part: what is left of it claims less.
func (k *kit) notTwiceByParts() error {
	half := k.sell
	half.units = k.sell.units.Mul(k.sell.held.Div(k.sell.units.Mul(decimal.NewFromInt(2))).Floor())
	part := k.sell.units
	if !half.units.GreaterThan(part) {
		k.note("a sale that fills in part: too little of %s is held", k.sell.symbol)
		return nil
	}
	w, run, err := k.acting(k.reducing())
	if err != nil {
		return err
	}
	first := w.order(run, lifeboat.Sell, half, 3)
	if err := w.mustPass(first, "while reducing"); err != nil {
		return err
	}
	filled := lifeboat.Receipt{Key: first.Key, Account: half.account, Status: lifeboat.PartialFill, Filled: part, Price: first.Order.Limit}
	if err := w.put(filled); err != nil {
		return err
	}
	rest := half
	rest.units = k.sell.held.Sub(half.units)
	if err := w.mustPass(w.order(run, lifeboat.Sell, rest, 3), "while reducing, with a part of another sale filled,"); err != nil {
		return err
	}
	return w.mustRefuse(w.order(run, lifeboat.Sell, k.sell, 3), "while reducing, with all that is held for sale already,")
}

// purchasesCoverDebts lets an account owe something and buys it back, no more.
func purchasesCoverDebts(k *kit) error {
	if err := k.canBuy(); err != nil {
		return err
	}
	owing := k.withCash()
	debt := quantity{k.buy.account, k.buy.symbol, decimal.NewFromInt(2), decimal.NewFromInt(-2)}
	for i, h := range owing.Holdings {
		if h.Account == debt.account && h.Symbol == debt.symbol {
			owing.Holdings[i].Quantity = debt.held
		}
	}
	w, run, err := k.acting(k.begin(owing))
	if err == nil {
		err = w.makeStricter(lifeboat.Reducing)
	}
	if err != nil {
		return err
	}
	if err := w.mustRefuse(w.order(run, lifeboat.Buy, debt.times(2), 0.01), "while reducing, with 2 owed,"); err != nil {
		return err
	}
	if err := w.mustPass(w.order(run, lifeboat.Buy, debt, 0.01), "while reducing, with 2 owed,"); err != nil {
		return err
	}
	return w.mustRefuse(w.order(run, lifeboat.Buy, debt, 0.01), "while reducing, with all that is owed being bought already,")
}

// withCash is the plan with enough cash in the account that the kit buys in, so that the venue takes its purchases.
func (k *kit) withCash() *plan.Plan {
	p := *k.unlimited()
	base := p.Portfolio.BaseCurrency
	p.Holdings = slices.DeleteFunc(slices.Clone(p.Holdings), func(h plan.Holding) bool { return h.Account == k.buy.account && h.Symbol == base })
	p.Holdings = append(p.Holdings, plan.Holding{Symbol: base, Account: k.buy.account, Quantity: decimal.NewFromInt(1_000_000), Class: "cash"})
	return &p
}
