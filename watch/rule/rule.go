// Package rule is the language in which owners say what they fear:
//
//	portfolio_drawdown >= 15% AND spy_200d_ma_breach == true
//	IF daily_return < -7% AND volume_spike > 2x THEN severity = CRITICAL
//	0.95 <= price(USDC) < 0.99 OR age(USDC) > 2h
//
// An expression is lexed, parsed within written limits, and checked: every name must be offered by somebody, and units
// must agree (number, ratio, money, duration, boolean, count). What passed is put on a [Board] with all the other conditions of
// a plan, which follows what moves and allocates nothing. Logic has three values: a condition over a signal that
// is not known is not known, unless the rest decides it alone (unknown AND false is false, unknown OR true is true).
//
// The language is total. It has no loops, no definitions but the plan's named signals, and no way to fail when it
// runs: a division by zero is unknown like anything else that cannot be told.
//
// The vocabulary, of which docs/rules.md has the whole:
//
//	signals       portfolio_value portfolio_drawdown daily_return cash_weight var_1d_95 sector_concentration liquidity_days
//	series        SPY, price(SPY), volume(SPY), 'BTC-USD' in quotes when the name has signs in it
//	functions     ma(S, 200d) max(S, 4h) drawdown(S) return(S, 5d) zscore(S, 60d) beta(A, B, 60d) weight(X) var(95%) age(S)
//	patterns      spy_200d_ma spy_200d_ma_breach spy_drawdown spy_daily_return spy_volume_spike
//	conditions    x for 3d, x for 3 of 5d, 2 of (x, y, z), since(x), crossed_above(a, b)
//	units         7%  1.5x  $5,000  90s 15m 4h 200d 2w
//
// A window of nd is n sessions of the series' exchange, one of s, m or h is wall time; 2w is a time to compare an age with
// and no window. An age counts only time in which the exchange is open.
package rule

import (
	"fmt"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// Env is what an expression may speak of.
type Env struct {
	Series    []string // that feeds or a tape offer
	Symbols   []string // held; each has a price under its own name
	Classes   []string
	Signals   []plan.Signal
	Benchmark string // whose volume a bare volume_spike means; SPY when empty
}

// Type of a value.
type Type uint8

const (
	unfit    Type = iota // already told to be wrong; silences what follows from it
	Number               // a level, whose unit nobody told
	Ratio                // a fraction: a weight, a return, a drawdown, a multiple
	Money                // of the base currency
	Duration             // in seconds
	Boolean
	Count // of sessions, deviations or units traded; unlike a level it is never money
)

func (t Type) String() string {
	return [...]string{"unfit", "a number", "a ratio", "money", "a duration", "true or false", "a count"}[t]
}

// Check tells everything that is wrong with an expression, in the order in which it is written; nil when it is fine.
func Check(expr string, env Env) []Fault {
	_, _, faults := checked(expr, env)
	return faults
}

// CheckCondition is Check for a place that asks a question: the expression must be true or false.
func CheckCondition(expr string, env Env) []Fault {
	root, _, faults := checked(expr, env)
	if len(faults) == 0 && root.kind != aRule && root.typ != Boolean {
		message := fmt.Sprintf("a condition must be true or false, and this is %s", root.typ)
		faults = append(faults, Fault{root.at, root.end - root.at, message, ""})
	}
	return faults
}

// Cond is an expression on a board.
type Cond struct {
	board    *Board
	typ      Type
	fact     factID // of a condition
	slot     slotID // of a number
	severity lifeboat.Severity

	told      []told
	series    []lifeboat.Series
	portfolio bool
	whole     bool // and not only the shares of a symbol or a class
}

// told is a signal that the expression reads, under the owner's name for it.
type told struct {
	name string
	read func(at time.Time) (v float64, known bool)
}

func (c *Cond) isTruth() bool { return c.typ == Boolean }

// Eval is the truth of a condition after the board's last step, if it is known. A numeric expression is never known to
// be true.
func (c *Cond) Eval() (truth, known bool) {
	if !c.isTruth() {
		return false, false
	}
	t := c.board.facts[c.fact].truth
	return t == yes, t != unknown
}

// Number is the value of a numeric expression after the board's last step; 1 or 0 of a condition.
func (c *Cond) Number() (v float64, known bool) {
	if c.isTruth() {
		return c.board.facts[c.fact].truth.number()
	}
	s := &c.board.slots[c.slot]
	return s.value, s.known
}

// Type of the expression.
func (c *Cond) Type() Type { return c.typ }

// Severity that a rule gives, or "".
func (c *Cond) Severity() lifeboat.Severity { return c.severity }

// Values are the signals that the expression reads, under the owner's names; a source's own value has "@source" after
// its name. What is not known is left out, truth is 1 or 0, durations are in seconds.
func (c *Cond) Values(at time.Time) map[string]float64 {
	values := make(map[string]float64, len(c.told))
	for _, t := range c.told {
		if v, known := t.read(at); known {
			values[t.name] = v
		}
	}
	return values
}

// Series that the expression needs fresh, in the order in which it names them. One that only its age is asked of is not
// among them: that it is silent is the answer then.
func (c *Cond) Series() []lifeboat.Series { return c.series }

// Portfolio reports that the expression also reads the book, and with it the price of everything held.
func (c *Cond) Portfolio() bool { return c.portfolio }

// WholePortfolio reports that the expression asks the book for more than what a symbol or a class is worth or its share:
// its value, drawdown, risk, concentration or liquidity, which hang on everything held.
func (c *Cond) WholePortfolio() bool { return c.whole }
