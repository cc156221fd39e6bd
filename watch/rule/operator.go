package rule

import (
	"fmt"
	"math"
)

// What follows is asked of whole expressions, and not of series: how long something is true, how many of several things
// are, how long ago one was, what crossed what, and the little arithmetic that has names.

// lasts checks x for 3d, x for 15m and x for 3 of 5d. The parser leaves the window, and the count before it, among the
// arguments.
func (c *checker) lasts(e *expression) {
	condition, times := e.args[0], e.args[1]
	c.check(condition)
	c.wantBoolean(condition, "for tells how long something is true")
	e.typ = Boolean
	c.size++
	w, fine := c.window(times, false, 1)
	if e.window = w; fine && len(e.args) == 3 {
		c.outOf(e, e.args[2], times)
	}
	e.args = e.args[:1]
}

// outOf checks the 3 of x for 3 of 5d.
func (c *checker) outOf(e, number, times *expression) {
	c.size++
	switch n := number.value; {
	case e.window.sessions == 0:
		c.fault(times, fmt.Sprintf("this is counted in sessions such as 5d, and %s is a time", c.text(times)), "")
	case !number.plain || n != math.Trunc(n) || n < 1:
		c.fault(number, fmt.Sprintf("%s is no number of sessions", c.text(number)), "")
	case n > float64(e.window.sessions):
		c.fault(number, fmt.Sprintf("%s of %s can never be", c.text(number), count(e.window.sessions, "session")), "")
	default:
		e.atLeast = int(n)
	}
}

// tally checks 2 of (x, y, z).
func (c *checker) tally(e *expression) {
	number, conditions := e.args[0], e.args[1:]
	for _, condition := range conditions {
		c.check(condition)
		c.wantBoolean(condition, "of counts what is true or false")
	}
	e.typ, e.args = Boolean, conditions
	c.size++
	switch n := number.value; {
	case len(conditions) < 2:
		c.fault(e, "of counts among two conditions or more", "2 of (VIX > 30, daily_return < -5%, spy_200d_ma_breach)")
	case !number.plain || n != math.Trunc(n) || n < 1:
		c.fault(number, fmt.Sprintf("%s is no number of conditions", c.text(number)), "")
	case n > float64(len(conditions)):
		c.fault(number, fmt.Sprintf("%s of %d conditions can never be true", c.text(number), len(conditions)), "")
	default:
		e.atLeast = int(n)
	}
}

// operator checks since, crossed_above and crossed_below, abs, least and greatest.
func (c *checker) operator(e *expression) {
	name := operatorName(e)
	if o := operators[name]; len(e.args) < o.least || len(e.args) > o.most {
		c.fault(e, fmt.Sprintf("%s wants %s", name, o.wants), o.example)
		return
	}
	values := e.args[:min(len(e.args), 2)]
	for _, arg := range values {
		c.check(arg)
	}
	switch e.kind {
	case aSince:
		e.typ = Duration
		c.wantBoolean(e.args[0], "since tells how long ago something was last true")
	case aCross:
		c.cross(e, values)
	case aMath:
		c.math(e, values)
	}
}

// operatorName is how an operator is written.
func operatorName(e *expression) string {
	if e.kind == aCross {
		return "crossed_" + e.text
	}
	return e.text
}

func (c *checker) cross(e *expression, values []*expression) {
	e.typ = Boolean
	if len(e.args) == 3 {
		c.size++
		e.window, _ = c.window(e.args[2], false, 1)
	}
	e.args = values
	if !c.measures(e, values) {
		return
	}
	left, right := values[0], values[1]
	switch {
	case common(left, right) == unfit:
		c.fault(e, fmt.Sprintf("%s, which is %s, never crosses %s, which is %s", c.text(left), left.typ, c.text(right), right.typ), c.unitOf(left, right))
	case left.constant() && right.constant():
		c.fault(e, fmt.Sprintf("neither %s nor %s ever moves", c.text(left), c.text(right)), "")
	default:
		sign := map[string]string{"above": ">", "below": "<"}[e.text]
		c.reach(left, right, e, sign)
		c.reach(right, left, e, turned[sign])
	}
}

// math checks abs(x), least(x, y) and greatest(x, y).
func (c *checker) math(e *expression, values []*expression) {
	if !c.measures(e, values) {
		return
	}
	first, last := values[0], values[len(values)-1]
	e.fixed, e.plain = first.fixed && last.fixed, first.plain && last.plain
	if e.text == "abs" {
		e.typ, e.span = first.typ, positive[first.span]
		return
	}
	if e.typ = common(first, last); e.typ == unfit {
		c.fault(e, fmt.Sprintf("cannot take the %s of the two: %s is %s, %s is %s", e.text, c.text(first), first.typ, c.text(last), last.typ), "")
		return
	}
	switch {
	case first.span == last.span, last.constant():
		e.span = first.span
	case first.constant():
		e.span = last.span
	}
}

// positive is the scale of an absolute value.
var positive = map[scale]scale{
	anyScale: notNegative, zeroToOne: zeroToOne, fromMinus1: notNegative, minus1To1: zeroToOne, notNegative: notNegative, smallFraction: smallFraction,
}

// measures reports that all values are such as can be measured: not true or false, and no time that runs.
func (c *checker) measures(e *expression, values []*expression) bool {
	for _, v := range values {
		switch {
		case v.typ == unfit:
			e.typ = unfit
			return false
		case v.typ == Boolean:
			c.fault(e, fmt.Sprintf("%s wants values, and %s is %s", operatorName(e), c.text(v), v.typ), "")
			return false
		case c.running(v):
			c.fault(e, onlyCompared, "")
			return false
		}
	}
	return true
}
