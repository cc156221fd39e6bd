package rule

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Literal is a number with which an expression compares something: the 15% of portfolio_drawdown >= 15%.
type Literal struct {
	At, End int    // in runes, of the expression that was asked
	Text    string // as written
	// Value is what the number means: a fraction of a percentage, seconds of a duration.
	Value float64
	// Of is what it is compared with, as written, when it stands there alone; "" inside a sum or a product.
	Of string
	// Sign of the comparison as if the signal stood on its left: "<" also for 0.97 > USDC. "" where Of is.
	Sign string
	// Minus stands before it: the threshold is −Value.
	Minus bool
}

// Thresholds are the literals that an expression compares with, in the order in which they are written. What stands in
// the parentheses of a function is not among them: a window is not a threshold. Nothing comes of an expression that
// cannot be parsed.
func Thresholds(expr string) []Literal {
	root, fault := parse(expr)
	if fault != nil {
		return nil
	}
	t := thresholds{runes: []rune(expr)}
	t.visit(root, seat{})
	return t.found
}

type thresholds struct {
	runes []rune
	found []Literal
}

// A seat is where an expression stands: in a comparison or not, and opposite to what if it is the whole of one side.
type seat struct {
	compared bool
	of, sign string
	minus    bool
}

// visit collects below e.
func (t *thresholds) visit(e *expression, in seat) {
	switch e.kind {
	case aLiteral:
		if in.compared {
			t.found = append(t.found, Literal{e.at, e.end, e.text, e.value, in.of, in.sign, in.minus})
		}
	case aComparison:
		for i, side := range e.args {
			of, sign := t.other(e, i)
			t.visit(side, seat{compared: true, of: of, sign: sign})
		}
	case aUnary:
		in.minus = in.minus != (e.text == "-")
		t.visit(e.args[0], in)
	case aBinary:
		for _, arg := range e.args {
			t.visit(arg, seat{compared: in.compared})
		}
	case aRule, aFor, aTally, aSince: // windows and counts among their arguments are not compared
		for _, arg := range e.args {
			t.visit(arg, seat{})
		}
	case aMath:
		for _, arg := range e.args {
			t.visit(arg, seat{compared: in.compared})
		}
	case aCross:
		t.crossing(e)
	}
}

// crossing collects what crossed_above(a, b) holds against each other; a third argument is its window.
func (t *thresholds) crossing(e *expression) {
	if len(e.args) < 2 {
		return
	}
	pair := &expression{kind: aComparison, signs: []string{map[string]string{"above": ">", "below": "<"}[e.text]}, args: e.args[:2]}
	t.visit(pair, seat{})
}

// other is the neighbour that one side of a comparison is held against. In a chain, a < b < c, the first counts that is
// no literal itself.
func (t *thresholds) other(e *expression, side int) (of, sign string) {
	for _, i := range []int{side - 1, side + 1} {
		if i < 0 || i >= len(e.args) || e.args[i].kind == aLiteral {
			continue
		}
		sign = e.signs[min(i, side)]
		if i > side {
			sign = turned[sign]
		}
		return strings.TrimSpace(string(t.runes[e.args[i].at:e.args[i].end])), sign
	}
	return "", ""
}

var simpleSpan = regexp.MustCompile(`^[0-9.]+([smhdw])$`)

// Write gives another value in the literal's own unit: 12% for 0.12 where 15% stood.
func (l Literal) Write(value float64) string {
	unit, per, before := "", 1.0, ""
	text := strings.TrimSpace(l.Text)
	switch m := simpleSpan.FindStringSubmatch(text); {
	case strings.HasSuffix(text, "%"):
		unit, per = "%", 0.01
	case strings.HasPrefix(text, "$"):
		before = "$"
	case m != nil:
		unit, per = m[1], unitSeconds[m[1]]
	case strings.HasSuffix(text, "x"):
		unit = "x"
	case strings.ContainsAny(text, "smhdw"): // 1h30m
		unit = "s"
	}
	return before + decimal(value/per) + unit
}

// decimal writes ten significant digits, which is more than anybody's threshold has, and never an exponent.
func decimal(v float64) string {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return "0"
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 10, 64), 64)
	if err != nil {
		return "0"
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// With is the expression with another value in the literal's place.
func (l Literal) With(expr string, value float64) string {
	runes := []rune(expr)
	if l.At < 0 || l.End > len(runes) || l.At > l.End {
		return expr
	}
	return string(runes[:l.At]) + l.Write(value) + string(runes[l.End:])
}
