package rule

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"lifeboat/prose"
	"lifeboat/watch/signal"
)

// checked parses an expression and finds out what its names mean and whether its units agree.
func checked(expr string, env Env) (*expression, *scope, []Fault) {
	s := newScope(env)
	root, fault := parse(expr)
	if fault != nil {
		return nil, s, []Fault{*fault}
	}
	c := &checker{scope: s, expr: []rune(expr)}
	c.check(root)
	if c.size > expandedMax && len(c.faults) == 0 {
		c.fault(root, fmt.Sprintf("with the signals it names, the expression has more than %d parts", expandedMax), "")
	}
	slices.SortStableFunc(c.faults, func(a, b Fault) int { return a.Offset - b.Offset })
	return root, s, c.faults
}

type checker struct {
	*scope
	expr   []rune
	path   []string // signals of the plan that are being looked into
	size   int      // parts, with those of the signals named
	faults []Fault
	cause  string // of the first fault, when it lies in a signal
}

// fault marks an expression as wrong, so that nothing is said about what follows from it.
func (c *checker) fault(e *expression, message, suggestion string) {
	e.typ = unfit
	c.faults = append(c.faults, Fault{e.at, max(e.end-e.at, 1), message, suggestion})
}

// text of an expression as the owner wrote it.
func (c *checker) text(e *expression) string { return string(c.expr[e.at:e.end]) }

func (c *checker) check(e *expression) {
	c.size++
	switch e.kind {
	case aLiteral:
		e.fixed = true
	case aReference:
		c.reference(e)
	case aCall:
		c.call(e)
	case aUnary:
		c.unary(e)
	case aBinary:
		c.binary(e)
	case aComparison:
		c.comparison(e)
	case aRule:
		c.check(e.args[0])
		c.wantBoolean(e.args[0], "IF asks whether something is true")
		e.typ = e.args[0].typ
	}
}

func (c *checker) reference(e *expression) {
	if !e.quoted {
		if word := strings.ToLower(e.text); word == "true" || word == "false" {
			e.typ, e.fixed, e.value = Boolean, true, 0
			if word == "true" {
				e.value = 1
			}
			return
		}
		if d := c.defined(e.text); d != nil {
			c.signal(e, d)
			return
		}
	}
	u := c.name(e.text)
	if u == nil {
		c.unknown(e)
		return
	}
	e.use, e.typ, e.span = u, u.typ, u.span
}

func (c *checker) unknown(e *expression) {
	suggestion := prose.Nearest(e.text, c.vocabulary())
	if m := patterns.FindStringSubmatch(e.text); m != nil {
		if _, known := c.series(m[1]); known {
			c.fault(e, fmt.Sprintf("a window is 1d to %dd, not %sd", signal.WindowMax, m[2]), "")
			return
		}
		c.fault(e, fmt.Sprintf("nothing provides the series %s that %s is about", strings.ToUpper(m[1]), e.text), suggestion)
		return
	}
	if f, is := functions[strings.ToLower(e.text)]; is {
		c.fault(e, fmt.Sprintf("%s is a function; it wants %s", e.text, f.wants()), f.example)
		return
	}
	if e.text == strings.ToUpper(e.text) || e.quoted {
		c.fault(e, fmt.Sprintf("nothing provides the series %s", e.text), suggestion)
		return
	}
	c.fault(e, fmt.Sprintf("nothing here is called %s", e.text), suggestion)
}

// defined finds a signal of the plan: as it is spelled, or in another case when that is nobody's spelling.
func (c *checker) defined(name string) *defined {
	if d := c.signals[name]; d != nil {
		return d
	}
	for _, s := range c.env.Signals {
		if strings.EqualFold(s.Name, name) {
			return c.signals[s.Name]
		}
	}
	return nil
}

// signal looks into a signal of the plan, once.
func (c *checker) signal(e *expression, d *defined) {
	if d.checking {
		from := slices.Index(c.path, d.Name)
		circle := strings.Join(append(slices.Clone(c.path[from:]), d.Name), " → ")
		c.inherit(e, "signals go in a circle: "+circle)
		return
	}
	if !d.done {
		c.define(d)
	}
	if len(d.faults) > 0 {
		c.inherit(e, d.wrong())
		return
	}
	c.size = min(c.size+d.size, expandedMax+1)
	e.use = &use{name: e.text, typ: d.root.typ, span: d.root.span, words: d.Name, of: d.root}
	e.typ, e.plain, e.span = d.root.typ, d.root.plain, d.root.span
}

// inherit tells a fault whose cause lies in a signal, and remembers the cause for whoever uses this one.
func (c *checker) inherit(e *expression, cause string) {
	if len(c.faults) == 0 {
		c.cause = cause
	}
	c.fault(e, cause, "")
}

// wrong says what is wrong with a signal that others use. It names the one signal at fault, not the way to it.
func (d *defined) wrong() string {
	if d.cause == "" {
		return fmt.Sprintf("the signal %s is itself wrong: %s", d.Name, d.faults[0].Message)
	}
	return d.cause
}

func (c *checker) define(d *defined) {
	d.checking, d.done = true, true
	defer func() { d.checking = false }()
	root, fault := parse(d.Expr)
	if fault != nil {
		d.faults = []Fault{*fault}
		return
	}
	inner := &checker{scope: c.scope, expr: []rune(d.Expr), path: append(slices.Clone(c.path), d.Name)}
	inner.check(root)
	if root.kind == aRule {
		inner.fault(root, "a signal is a value, not a rule with a severity", "")
	}
	d.root, d.size, d.faults, d.cause = root, inner.size, inner.faults, inner.cause
}

func (c *checker) unary(e *expression) {
	of := e.args[0]
	c.check(of)
	e.fixed, e.plain = of.fixed, of.plain
	if e.text == "NOT" {
		c.wantBoolean(of, "NOT turns true into false")
		e.typ = Boolean
		return
	}
	if e.typ = of.typ; of.typ == Boolean || of.typ == Duration {
		c.fault(e, fmt.Sprintf("%s is %s, which has no negative", c.text(of), of.typ), "")
	}
}

func (c *checker) wantBoolean(e *expression, why string) {
	if e.typ != Boolean && e.typ != unfit {
		c.fault(e, fmt.Sprintf("%s, and %s is %s", why, c.text(e), e.typ), "")
	}
}

func (c *checker) binary(e *expression) {
	left, right := e.args[0], e.args[1]
	c.check(left)
	c.check(right)
	e.fixed = left.fixed && right.fixed
	if e.text == "AND" || e.text == "OR" {
		c.wantBoolean(left, e.text+" joins what is true or false")
		c.wantBoolean(right, e.text+" joins what is true or false")
		e.typ = Boolean
		return
	}
	if left.typ == unfit || right.typ == unfit {
		return
	}
	e.plain = left.plain && right.plain
	if c.movingSpan(left) || c.movingSpan(right) {
		c.fault(e, "an age can only be compared with a span of time such as 2h", "")
		return
	}
	if e.typ = arithmetic(e.text, left, right); e.typ == unfit {
		c.fault(e, fmt.Sprintf("cannot %s: %s is %s, %s is %s", verbs[e.text], c.text(left), left.typ, c.text(right), right.typ), "")
	}
}

var verbs = map[string]string{"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}

// movingSpan is an age: it changes while nothing is read, so that only its comparisons with a fixed span are watched.
func (c *checker) movingSpan(e *expression) bool { return e.typ == Duration && !e.constant() }

// arithmetic says what comes of two types; unfit when nothing sensible does.
func arithmetic(sign string, left, right *expression) Type {
	a, b := left.typ, right.typ
	if a == Boolean || b == Boolean {
		return unfit
	}
	switch sign {
	case "+", "-":
		return common(left, right)
	case "*":
		switch {
		case left.plain, a == Ratio && !right.plain:
			return b
		case right.plain, b == Ratio, b == Number:
			return a
		case a == Number:
			return b
		}
		return unfit
	}
	switch {
	case a == b && (a != Number || !left.plain && !right.plain):
		return Ratio
	case a == b, b == Number && right.plain, b == Ratio:
		return a
	case left.plain && b != Duration:
		return Number
	case a == Number && b == Money, a == Money && b == Number:
		return Ratio // a level whose currency nobody told
	}
	return unfit
}

// common is the type in which two values can be compared or added; unfit when there is none.
func common(left, right *expression) Type {
	a, b := left.typ, right.typ
	switch {
	case a == b:
		return a
	case left.plain && (b == Ratio || b == Money):
		return b
	case right.plain && (a == Ratio || a == Money):
		return a
	case a == Number && b == Money, a == Money && b == Number:
		return Money
	}
	return unfit
}

func (c *checker) comparison(e *expression) {
	e.typ, e.fixed = Boolean, true
	for _, operand := range e.args {
		c.check(operand)
		e.fixed = e.fixed && operand.fixed
	}
	for i, sign := range e.signs {
		left, right := e.args[i], e.args[i+1]
		if left.typ == unfit || right.typ == unfit {
			continue
		}
		pair := &expression{at: left.at, end: right.end}
		switch {
		case common(left, right) == unfit:
			c.fault(pair, fmt.Sprintf("cannot compare %s, which is %s, with %s, which is %s", c.text(left), left.typ, c.text(right), right.typ), c.unitOf(left, right))
		case left.typ == Boolean && sign != "==" && sign != "!=":
			c.fault(pair, "true and false have no order; compare them with == or !=", "")
		case c.movingSpan(left) && c.movingSpan(right):
			c.fault(pair, "an age can only be compared with a span of time such as 2h", "")
		default:
			c.reach(left, right, pair, sign)
			c.reach(right, left, pair, turned[sign])
		}
	}
}

// unitOf guesses what was meant where units do not agree: a percent or a span written as a bare number, or a level
// written as a percent.
func (c *checker) unitOf(left, right *expression) string {
	for _, pair := range [][2]*expression{{left, right}, {right, left}} {
		literal, other := pair[0], pair[1]
		if literal.kind != aLiteral {
			continue
		}
		switch {
		case literal.typ == Ratio && other.typ == Number && strings.HasSuffix(literal.text, "%"):
			return strings.TrimSpace(strings.TrimSuffix(literal.text, "%"))
		case literal.typ == Ratio && other.typ == Money && other.use != nil:
			return fallOf(other.use.node)
		case literal.plain && other.typ == Duration:
			return literal.text + "h"
		}
	}
	return ""
}

// fallOf is what somebody probably meant who compared money with a percentage.
func fallOf(money signal.Node) string {
	switch money.Op {
	case signal.PortfolioValue:
		return "portfolio_drawdown"
	case signal.Level:
		return "drawdown(" + money.Of + ")"
	case signal.Value, signal.ClassValue:
		return "weight(" + money.Of + ")"
	}
	return ""
}

// reach refuses a limit that the value cannot pass: it was meant as a percent, or as a fall with a sign. The sign is
// that of a comparison that begins with the value.
func (c *checker) reach(of, limit, pair *expression, sign string) {
	if of.span == anyScale || !limit.constant() || limit.typ == unfit {
		return
	}
	v := limit.evaluate()
	switch {
	case of.span == zeroToOne && v < 0 && isFall(of):
		suggestion := ""
		if text, negative := strings.CutPrefix(c.text(limit), "-"); negative {
			suggestion = c.text(of) + " " + turned[sign] + " " + strings.TrimSpace(text)
		}
		c.fault(pair, fmt.Sprintf("%s is never below 0: a fall of 10%% is 10%%, not -10%%", c.text(of)), suggestion)
	case of.span == zeroToOne && v < 0:
		c.fault(limit, fmt.Sprintf("%s lies between 0 and 1, and %s is below that", c.text(of), c.text(limit)), "")
	case math.Abs(v) <= 1:
	case of.span == zeroToOne:
		c.fault(limit, fmt.Sprintf("%s lies between 0 and 1, so it never reaches %s", c.text(of), c.text(limit)), c.asPercent(limit))
	case v < -1:
		c.fault(limit, fmt.Sprintf("%s is never below -1, which is the loss of everything", c.text(of)), c.asPercent(limit))
	}
}

// isFall reports a drawdown, also under a name of the plan's. People write one with a minus sign, and it has none.
func isFall(e *expression) bool {
	for e.use != nil && e.use.of != nil {
		e = e.use.of
	}
	return e.use != nil && (e.use.node.Op == signal.Drawdown || e.use.node.Op == signal.PortfolioDrawdown)
}

func (c *checker) asPercent(limit *expression) string {
	if v := limit.evaluate(); limit.plain && math.Abs(v) <= 100 {
		return strconv.FormatFloat(v, 'f', -1, 64) + "%"
	}
	return ""
}

// constant reports that the expression is built of literals only.
func (e *expression) constant() bool {
	if e.use != nil && e.use.of != nil {
		return e.use.of.constant()
	}
	return e.fixed
}

// evaluate a constant that is a number.
func (e *expression) evaluate() float64 {
	switch {
	case e.use != nil && e.use.of != nil:
		return e.use.of.evaluate()
	case e.kind == aUnary:
		return -e.args[0].evaluate()
	case e.kind == aBinary:
		return calculate(e.text, e.args[0].evaluate(), e.args[1].evaluate())
	}
	return e.value
}

func calculate(sign string, a, b float64) float64 {
	switch sign {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	}
	return a / b
}
