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
	case aFor:
		c.lasts(e)
	case aTally:
		c.tally(e)
	case aSince, aCross, aMath:
		c.operator(e)
	}
	c.finite(e)
}

// finite refuses figures that come to none, such as 1 / 0: a limit that is no number has no place among the others.
func (c *checker) finite(e *expression) {
	if e.kind == aLiteral || e.typ == unfit || e.typ == Boolean || !e.constant() {
		return
	}
	if v := e.evaluate(); v-v != 0 {
		c.fault(e, c.text(e)+" is no number: it divides by zero, or is too large for one", "")
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
	if forms, is := function(e.text); is {
		c.fault(e, fmt.Sprintf("%s is a function; it wants %s", e.text, wants(forms)), forms[0].example)
		return
	}
	if o, is := operators[strings.ToLower(e.text)]; is {
		c.fault(e, fmt.Sprintf("%s is a function; it wants %s", e.text, o.wants), o.example)
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
	if c.running(left) || c.running(right) {
		c.fault(e, onlyCompared, "")
		return
	}
	if e.typ = comesOf(e.text, left, right); e.typ == unfit {
		c.fault(e, fmt.Sprintf("cannot %s: %s is %s, %s is %s", verbs[e.text], c.text(left), left.typ, c.text(right), right.typ), c.partOf(e))
	}
}

// partOf is what was meant by SPY - 10%: a level less a part of itself.
func (c *checker) partOf(e *expression) string {
	level, part := e.args[0], e.args[1]
	if (e.text != "+" && e.text != "-") || part.kind != aLiteral || part.typ != Ratio || (level.typ != Money && level.typ != Number) {
		return ""
	}
	return fmt.Sprintf("%s * (1 %s %s)", c.text(level), e.text, c.text(part))
}

var verbs = map[string]string{"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}

// running reports a time that grows while nothing is read, so that only its comparisons with a fixed span are watched.
func (c *checker) running(e *expression) bool { return e.typ == Duration && !e.constant() }

const onlyCompared = "a time that runs, such as age(SPY) or since(VIX > 30), can only be compared with a span such as 2h"

// comesOf says what comes of two types; unfit when nothing sensible does.
func comesOf(sign string, left, right *expression) Type {
	a, b := left.typ, right.typ
	if a == Boolean || b == Boolean {
		return unfit
	}
	switch sign {
	case "+", "-":
		return common(left, right)
	case "*":
		return product(left, right)
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
	case b == Count && (a == Money || a == Number):
		return a // for each
	}
	return unfit
}

func product(left, right *expression) Type {
	a, b := left.typ, right.typ
	switch {
	case left.plain, a == Ratio && !right.plain, a == Count && (b == Money || b == Number && !right.plain):
		return b
	case right.plain, b == Ratio, b == Number, b == Count && a == Money:
		return a
	case a == Number:
		return b
	}
	return unfit
}

// common is the type in which two values can be compared or added; unfit when there is none.
func common(left, right *expression) Type {
	a, b := left.typ, right.typ
	switch {
	case a == b:
		return a
	case left.plain && (b == Ratio || b == Money || b == Count):
		return b
	case right.plain && (a == Ratio || a == Money || a == Count):
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
		case c.running(left) && c.running(right):
			c.fault(pair, onlyCompared, "")
		default:
			c.reach(left, right, pair, sign)
			c.reach(right, left, pair, turned[sign])
		}
	}
}

// unitOf guesses what was meant where units do not agree.
func (c *checker) unitOf(left, right *expression) string {
	for _, pair := range [][2]*expression{{left, right}, {right, left}} {
		literal, other := pair[0], pair[1]
		if literal.kind != aLiteral {
			continue
		}
		if written := inUnitOf(literal, other.typ); written != "" {
			return written
		}
		if other.use != nil {
			return instead(literal.typ, other.use.node)
		}
	}
	return ""
}

// inUnitOf writes a literal in the unit of another type: 30 for 30% of a level, 2h for 2 of an age. A price is never
// 10% nor a share 5000, so there it is the other side that was meant otherwise.
func inUnitOf(literal *expression, other Type) string {
	figure := strings.TrimSpace(strings.Trim(literal.text, "$%x "))
	switch {
	case literal.typ == Duration && (other == Count || other == Number) && literal.units == "d":
		return strings.TrimSuffix(literal.text, "d")
	case literal.typ == Duration:
		return ""
	case other == Duration:
		return figure + "h"
	case other == Count || other == Number && (literal.typ == Money || strings.HasSuffix(literal.text, "%")):
		return figure
	case other == Ratio && literal.typ == Money && literal.value <= 100:
		return figure + "%"
	}
	return ""
}

// instead is what somebody probably asked for who compared a node with a literal of another type: its fall with a
// percentage, its age with a time, its value with money.
func instead(literal Type, q signal.Node) string {
	switch {
	case literal == Ratio && q.Op == signal.PortfolioValue:
		return "portfolio_drawdown"
	case literal == Ratio && q.Op == signal.Level:
		return "drawdown(" + quotedName(q.Of) + ")"
	case literal == Ratio && (q.Op == signal.Value || q.Op == signal.ClassValue):
		return "weight(" + quotedName(q.Of) + ")"
	case literal == Ratio && q.Op == signal.Change:
		return "return(" + quotedName(q.Of) + ", " + window{q.N, q.Span}.String() + ")"
	case literal == Duration && q.Op == signal.Level:
		return "age(" + quotedName(q.Of) + ")"
	case literal == Money && (q.Op == signal.Weight || q.Op == signal.ClassWeight):
		return "value(" + quotedName(q.Of) + ")"
	case literal == Money && q.Op == signal.CashWeight:
		return "value(cash)"
	}
	return ""
}

// quotedName writes a name so that it is read as one.
func quotedName(name string) string {
	if tokens, fault := lex(name); fault == nil && len(tokens) == 2 && tokens[0].kind == aName {
		return name
	}
	return inQuotes(name)
}

func inQuotes(name string) string {
	if strings.Contains(name, "'") {
		return `"` + name + `"`
	}
	return "'" + name + "'"
}

// reach refuses a limit that the value cannot pass: it was meant as a percent, or as a fall with a sign. The sign is
// that of a comparison that begins with the value.
func (c *checker) reach(of, limit, pair *expression, sign string) {
	if of.span == anyScale || !limit.constant() || limit.typ == unfit {
		return
	}
	v := limit.evaluate()
	share := of.span == zeroToOne
	switch {
	case v < 0 && of.span != fromMinus1 && of.span != minus1To1:
		c.neverNegative(of, limit, pair, sign)
	case share && v > 1:
		c.fault(limit, fmt.Sprintf("%s lies between 0 and 1, so it never reaches %s", c.text(of), c.text(limit)), c.asShare(of, limit))
	case of.span == minus1To1 && math.Abs(v) > 1:
		instead := ""
		if math.Abs(v) >= 5 { // 50 was meant as a percentage, and 1.5 was not
			instead = c.asPercent(limit)
		}
		c.fault(limit, fmt.Sprintf("%s lies between -1 and 1, so it never reaches %s", c.text(of), c.text(limit)), instead)
	case of.span == fromMinus1 && v < -1:
		c.fault(limit, fmt.Sprintf("%s is never below -1, which is the loss of everything", c.text(of)), c.asPercent(limit))
	case of.span == smallFraction && v > 1 && limit.plain:
		c.fault(limit, fmt.Sprintf("%s is a fraction, and %s would be %s", c.text(of), c.text(limit), strings.ReplaceAll(percentWords(v), " ", "")), c.asPercent(limit))
	}
}

func (c *checker) neverNegative(of, limit, pair *expression, sign string) {
	if isFall(of) {
		suggestion := ""
		if text, negative := strings.CutPrefix(c.text(limit), "-"); negative {
			suggestion = c.text(of) + " " + turned[sign] + " " + strings.TrimSpace(text)
		}
		c.fault(pair, fmt.Sprintf("%s is never below 0: a fall of 10%% is 10%%, not -10%%", c.text(of)), suggestion)
		return
	}
	if of.span == zeroToOne {
		c.fault(limit, fmt.Sprintf("%s lies between 0 and 1, and %s is below that", c.text(of), c.text(limit)), "")
		return
	}
	c.fault(limit, fmt.Sprintf("%s is never below 0, and %s is", c.text(of), c.text(limit)), "")
}

// asShare guesses what was meant by 15 where only 0 to 1 can be; a Herfindahl index is often told in ten-thousandths.
func (c *checker) asShare(of, limit *expression) string {
	const points = 10_000
	if v := limit.evaluate(); of.use != nil && of.use.node.Op == signal.Herfindahl && limit.plain && v > 100 && v <= points {
		return strconv.FormatFloat(v/points, 'f', -1, 64)
	}
	return c.asPercent(limit)
}

// isFall reports a drawdown, also under a name of the plan's. People write one with a minus sign, and it has none.
func isFall(e *expression) bool {
	for e.use != nil && e.use.of != nil {
		e = e.use.of
	}
	if e.use == nil {
		return false
	}
	switch e.use.node.Op {
	case signal.Drawdown, signal.PortfolioDrawdown, signal.PortfolioMaxDrawdown:
		return true
	}
	return false
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
	case e.kind == aMath && e.text == "abs":
		return math.Abs(e.args[0].evaluate())
	case e.kind == aMath && e.text == "least":
		return min(e.args[0].evaluate(), e.args[1].evaluate())
	case e.kind == aMath:
		return max(e.args[0].evaluate(), e.args[1].evaluate())
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
