// Package rule is the language in which owners say what they fear:
//
//	portfolio_drawdown >= 15% AND spy_200d_ma_breach == true
//	IF daily_return < -7% AND volume_spike > 2x THEN severity = CRITICAL
//	0.95 <= price(USDC) < 0.99 OR age(USDC) > 2h
//
// An expression is lexed, parsed within written limits, and checked: every name must be offered by somebody, and units
// must agree (number, ratio, money, duration, boolean). What passed is compiled to closures over the nodes of a
// signal engine, which costs nanoseconds and allocates nothing. Logic has three values: a condition over a signal that
// is not known is not known, unless the rest decides it alone (unknown AND false is false, unknown OR true is true).
//
// The language is total. It has no loops, no definitions but the plan's named signals, and no way to fail when it
// runs: a division by zero is unknown like anything else that cannot be told.
//
// The vocabulary:
//
//	signals       portfolio_value portfolio_drawdown daily_return cash_weight volume_spike var_1d_95 vix
//	series        SPY, price(SPY), volume(SPY), 'BTC-USD' in quotes when the name has signs in it
//	functions     ma(S, 200d) drawdown(S) return(S, 5d) volume_spike(S) weight(X) value(X) var(95%) age(S) spread(S)
//	patterns      spy_200d_ma spy_200d_ma_breach spy_drawdown spy_daily_return spy_volume_spike
//	units         7%  1.5x  $5,000  90s 15m 4h 200d 2w
//
// A window of nd is n sessions of the series' exchange; age counts only time in which the exchange is open.
package rule

import (
	"fmt"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/watch/signal"
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
	Number               // a level or a count
	Ratio                // a fraction: a weight, a return, a drawdown, a multiple
	Money                // of the base currency
	Duration             // in seconds
	Boolean
)

func (t Type) String() string {
	return [...]string{"unfit", "a number", "a ratio", "money", "a duration", "true or false"}[t]
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

// Compile makes an expression ready to be evaluated. With a source, series that this source offers beside others have
// its own values; everything else is what the sources agree on. It asks the engine for nodes, so it comes before the
// first reading.
func Compile(expr string, env Env, engine *signal.Engine, source string) (*Cond, error) {
	root, _, faults := checked(expr, env)
	if len(faults) > 0 {
		return nil, faults[0]
	}
	c := &compiler{engine: engine, source: source, signals: map[*expression]*Cond{}}
	cond, err := c.compile(root)
	if err != nil {
		return nil, fmt.Errorf("compile %q: %w", expr, err)
	}
	return cond, nil
}

// Cond is a compiled expression. It has no state of its own.
type Cond struct {
	typ      Type
	number   number
	boolean  boolean
	severity lifeboat.Severity

	engine    *signal.Engine
	told      []told
	series    []lifeboat.Series
	ages      []age
	portfolio bool
}

// told is a signal that the expression reads, under the owner's name for it.
type told struct {
	name string
	read number
}

// age is a comparison that time alone can decide.
type age struct {
	series lifeboat.Series
	limit  time.Duration
}

// Eval is the truth of a condition, if it is known. A numeric expression is never known to be true.
func (c *Cond) Eval(at time.Time) (truth, known bool) {
	if c.boolean == nil {
		return false, false
	}
	t := c.boolean(at)
	return t == yes, t != unknown
}

// Number is the value of a numeric expression; 1 or 0 of a condition.
func (c *Cond) Number(at time.Time) (v float64, known bool) {
	if c.boolean != nil {
		return asNumber(c.boolean)(at)
	}
	return c.number(at)
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

// Aging reports that the expression compares an age, and so may change while nothing is read.
func (c *Cond) Aging() bool { return len(c.ages) > 0 }

// Changes is the first time after the given one at which the expression may change although no reading comes: an age
// passes its limit. Zero when it cannot. That readings go stale is the engine's to tell.
func (c *Cond) Changes(after time.Time) time.Time {
	var first time.Time
	for _, a := range c.ages {
		t := c.engine.AgeReaches(a.series, a.limit)
		if t.After(after) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
