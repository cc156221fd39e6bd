package conformance

import (
	"fmt"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

// ordersPerHour places as many orders as the plan lets pass, and one more.
func ordersPerHour(k *kit) error {
	if k.plan.Breaker == nil || k.plan.Breaker.OrdersPerHour == 0 {
		return notApplicable("the plan sets no orders_per_hour")
	}
	if err := k.canSell(); err != nil {
		return err
	}
	most := k.plan.Breaker.OrdersPerHour
	if most > ordersMax {
		return notApplicable("its %d orders an hour are more than the kit places", most)
	}
	generous := k.withLimits(plan.Breaker{OrdersPerHour: most})
	for _, spread := range []time.Duration{0, time.Hour} {
		w, run, err := k.acting(k.begin(generous))
		if err != nil {
			return err
		}
		for n := range most {
			if err := w.resting(run); err != nil {
				return err
			}
			if n == 0 {
				if err := w.wait(spread); err != nil { // the first one is an hour old with the last
					return err
				}
			}
		}
		if err := w.want(lifeboat.Active, fmt.Sprintf("after %d orders within an hour, which the plan allows,", most)); err != nil {
			return err
		}
		if err := w.resting(run); err != nil {
			return err
		}
		want, when := lifeboat.Halted, fmt.Sprintf("after %d orders within an hour, with orders_per_hour %d,", most+1, most)
		if spread > 0 {
			want, when = lifeboat.Active, fmt.Sprintf("after %d orders of which the first is an hour old, with orders_per_hour %d,", most+1, most)
		}
		if err := w.want(want, when); err != nil {
			return err
		}
	}
	return nil
}

// ordersMax bounds how many orders the kit places for one promise.
const ordersMax = 1000

// withLimits is the plan with these limits and no others, so that each is tried alone.
func (k *kit) withLimits(limits plan.Breaker) *plan.Plan {
	p, b := *k.plan, plan.Breaker{}
	if k.plan.Breaker != nil {
		b = *k.plan.Breaker
	}
	b.OrdersPerHour, b.TurnoverPerDay, b.FailuresInRow = limits.OrdersPerHour, limits.TurnoverPerDay, limits.FailuresInRow
	p.Breaker = &b
	return &p
}

// unlimited is the plan without limits, for what is tried in more orders than a limit may allow.
func (k *kit) unlimited() *plan.Plan { return k.withLimits(plan.Breaker{}) }

// resting places a sale that nobody will buy, and takes it back.
func (w *world) resting(run string) error {
	sale := w.order(run, lifeboat.Sell, w.kit.sell, 3)
	if err := w.mustPass(sale, "while the breaker is active"); err != nil {
		return err
	}
	if is, err := w.state(); err != nil || is != lifeboat.Active {
		return err
	}
	return w.mustPass(w.cancel(run, sale), "while the breaker is active")
}

// failuresInRow places orders that the venue rejects.
func failuresInRow(k *kit) error {
	if k.plan.Breaker == nil || k.plan.Breaker.FailuresInRow == 0 {
		return notApplicable("the plan sets no failures_in_row")
	}
	if err := k.canSell(); err != nil {
		return err
	}
	most := k.plan.Breaker.FailuresInRow
	limits := k.withLimits(plan.Breaker{FailuresInRow: most})
	for _, between := range []lifeboat.ReceiptStatus{"", lifeboat.Filled, lifeboat.PartialFill} {
		w, run, err := k.acting(k.begin(limits))
		if err != nil {
			return err
		}
		i := w.order(run, lifeboat.Sell, k.sell, 3)
		if err := w.mustPass(i, "while the breaker is active"); err != nil {
			return err
		}
		if err := w.fail(run, most-1); err != nil {
			return err
		}
		if err := w.want(lifeboat.Active, fmt.Sprintf("after %d failures in a row, with failures_in_row %d,", most-1, most)); err != nil {
			return err
		}
		if between != "" { // a fill ends the row
			half := k.sell.units.Div(decimal.NewFromInt(2))
			if err := w.put(lifeboat.Receipt{Key: i.Key, Account: k.sell.account, Status: between, Filled: half, Price: i.Order.Limit}); err != nil {
				return err
			}
		}
		if err := w.fail(run, 1); err != nil {
			return err
		}
		if between != "" && most > 1 {
			if err := w.want(lifeboat.Active, "after a fill among the failures"); err != nil {
				return err
			}
			continue
		}
		if err := w.want(lifeboat.Halted, fmt.Sprintf("after %d failures in a row", most)); err != nil {
			return err
		}
		if err := w.countsAnew(run, most); err != nil {
			return err
		}
	}
	return nil
}

// fail places orders that the venue rejects.
func (w *world) fail(run string, times int) error {
	for range times {
		tooMuch := w.kit.sell
		tooMuch.units = w.kit.sell.held.Add(w.kit.sell.units)
		i := w.order(run, lifeboat.Sell, tooMuch, 0)
		if err := w.mustPass(i, "while the breaker is active"); err != nil {
			return err
		}
		if got := w.receipt(i.Key).Status; got != lifeboat.OrderRejected {
			return w.broken("the venue took an order for more than is held: it is %q", got)
		}
	}
	return nil
}

// countsAnew lets the breaker go after failures halted it, and lets one more order fail.
func (w *world) countsAnew(run string, most int) error {
	if _, err := w.kit.looseners(); err != nil || most < 2 {
		w.kit.note("that failures are counted anew after it was let go")
		return nil
	}
	err := w.wait(w.kit.hold)
	if err == nil {
		err = w.loosenTo(lifeboat.Active)
	}
	if err == nil {
		err = w.wait(w.kit.patience())
	}
	if err == nil {
		err = w.wait(max(w.kit.hold, w.kit.stage))
	}
	if err == nil {
		err = w.want(lifeboat.Active, "after people let go a halt by failures")
	}
	if err == nil {
		err = w.fail(run, 1)
	}
	if err == nil {
		err = w.want(lifeboat.Active, "after the first failure since it was let go")
	}
	return err
}

// turnoverPerDay sells as much as the plan lets pass in a day, and a little more.
func turnoverPerDay(k *kit) error {
	if k.plan.Breaker == nil || k.plan.Breaker.TurnoverPerDay == 0 {
		return notApplicable("the plan sets no turnover_per_day")
	}
	if err := k.canSell(); err != nil {
		return err
	}
	most := k.plan.Breaker.TurnoverPerDay
	limits := k.withLimits(plan.Breaker{TurnoverPerDay: most})
	w, run, err := k.acting(k.begin(limits))
	if err != nil {
		return err
	}
	whole := k.sell
	whole.units = k.sell.held
	each := k.worth(whole)
	book := 0.0
	for _, h := range k.plan.Holdings {
		if k.plan.Tradable(h.Account) {
			book += k.worth(quantity{symbol: h.Symbol, units: h.Quantity})
		}
	}
	if each <= 0 || most*book/each > ordersMax {
		return notApplicable("it would take more than %d sales of all that is held of %s", ordersMax, k.sell.symbol)
	}
	allowed := int(most * book / each * (1 + 1e-12)) // whole sales that stay within it
	for range allowed {
		if err := w.restingAll(run, whole); err != nil {
			return err
		}
	}
	after := func(sales int) string {
		return fmt.Sprintf("after a turnover of %.4g of the book in a day, with turnover_per_day %g,", float64(sales)*each/book, most)
	}
	if err := w.want(lifeboat.Active, after(allowed)); err != nil {
		return err
	}
	later, run2 := w, run
	if err := w.restingAll(run, whole); err != nil {
		return err
	}
	if err := w.want(lifeboat.Halted, after(allowed+1)); err != nil {
		return err
	}
	if later, run2, err = k.acting(k.begin(limits)); err != nil {
		return err
	}
	for range allowed {
		if err := later.restingAll(run2, whole); err != nil {
			return err
		}
	}
	if err := later.wait(24 * time.Hour); err != nil {
		return err
	}
	if err := later.restingAll(run2, whole); err != nil {
		return err
	}
	if allowed > 0 {
		err = later.want(lifeboat.Active, "after a turnover of which most is a day old")
	}
	return err
}

// restingAll places a sale at the last price and takes it back before anybody buys.
func (w *world) restingAll(run string, q quantity) error {
	sale := w.order(run, lifeboat.Sell, q, 3)
	sale.Order.Limit = decimal.NewFromFloat(w.prices[lifeboat.Series(q.symbol)] * 3).Round(4)
	if err := w.mustPass(sale, "while the breaker is active"); err != nil {
		return err
	}
	if is, err := w.state(); err != nil || is != lifeboat.Active {
		return err
	}
	return w.mustPass(w.cancel(run, sale), "while the breaker is active")
}

func (k *kit) worth(q quantity) float64 {
	if q.symbol == k.plan.Portfolio.BaseCurrency {
		return q.units.InexactFloat64()
	}
	return q.units.InexactFloat64() * k.calm[lifeboat.Series(q.symbol)]
}
