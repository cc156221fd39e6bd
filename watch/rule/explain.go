package rule

import (
	"strconv"
	"strings"

	"lifeboat/watch/signal"
)

// sentence says what an expression means.
func sentence(root *expression) string {
	switch {
	case root.kind == aRule:
		return "When " + say(root.args[0]) + ", the severity is " + root.text + "."
	case root.typ == Boolean:
		return "True when " + say(root) + "."
	}
	return "This is " + say(root) + ", " + root.typ.String() + "."
}

var signWords = map[string]string{
	"==": "is", "!=": "is not", "<": "is below", "<=": "is at most", ">": "is above", ">=": "is at least",
	"+": "plus", "-": "minus", "*": "times", "/": "divided by", "AND": "and", "OR": "or",
}

// notWords are the signs after NOT.
var notWords = map[string]string{
	"==": "is not", "!=": "is", "<": "is not below", "<=": "is not at most", ">": "is not above", ">=": "is not at least",
}

// ofTime are the words that are others when a time is told.
var ofTime = map[string]string{"is below": "is less than", "is above": "is more than", "is not below": "is not less than", "is not above": "is not more than"}

// signOn says a sign after a value.
func signOn(value *expression, sign string, words map[string]string) string {
	word := words[sign]
	if other, is := ofTime[word]; is && value.typ == Duration {
		return other
	}
	return word
}

func say(e *expression) string {
	switch {
	case e.use != nil && e.use.of != nil && e.typ == Boolean:
		return e.use.words + " is true (" + say(e.use.of) + ")"
	case e.use != nil && e.use.of != nil:
		return e.use.words + " (" + say(e.use.of) + ")"
	case e.use != nil:
		return e.use.words
	}
	switch e.kind {
	case aUnary:
		if e.text == "NOT" {
			return sayNot(e.args[0])
		}
		return "minus " + sayPart(e.args[0], e)
	case aBinary:
		return sayBinary(e)
	case aComparison:
		return sayComparison(e)
	case aFor:
		return sayPart(e.args[0], e) + " " + sayLasting(e)
	case aTally:
		return sayTally(e)
	case aSince:
		return "the time since it was last true that " + sayPart(e.args[0], e)
	case aCross:
		return sayCross(e)
	case aMath:
		return sayMath(e)
	}
	return sayConstant(e)
}

func sayBinary(e *expression) string {
	left, right := e.args[0], e.args[1]
	said := sayPart(left, e) + " " + signWords[e.text] + " "
	if right.kind == aBinary && (e.text == "-" || e.text == "/") { // a - (b - c) is another thing than a - b - c
		return said + "(" + say(right) + ")"
	}
	return said + sayPart(right, e)
}

// sayPart keeps together what belongs together: "a and (b or c)".
func sayPart(e, within *expression) string {
	if joins(e) && !(e.kind == aBinary && within.kind == aBinary && e.text == within.text) {
		return "(" + say(e) + ")"
	}
	return say(e)
}

// joins reports that what is said of an expression has an "and" of its own, or a list.
func joins(e *expression) bool {
	if e.use != nil {
		return false
	}
	return e.kind == aBinary || e.kind == aTally || e.kind == aUnary && e.text == "NOT" && joins(e.args[0])
}

func sayNot(of *expression) string {
	switch {
	case of.use != nil && of.use.denied != "":
		return of.use.denied
	case of.use == nil && of.kind == aComparison && len(of.signs) == 1 && of.args[0].typ != Boolean:
		return sayChain(of, notWords)
	}
	return "it is not so that " + sayPart(of, &expression{})
}

func sayComparison(e *expression) string {
	if e.args[0].typ == Boolean {
		return sayEquals(e)
	}
	return sayChain(e, signWords)
}

// sayEquals is a comparison of what is true or false.
func sayEquals(e *expression) string {
	left, right := e.args[0], e.args[1]
	if literalTruth(left) {
		left, right = right, left
	}
	switch equal := e.signs[0] == "=="; {
	case len(e.signs) > 1:
		var parts []string
		for i, arg := range e.args {
			if i > 0 {
				parts = append(parts, map[bool]string{true: "the same as", false: "the contrary of"}[e.signs[i-1] == "=="])
			}
			parts = append(parts, "("+say(arg)+")")
		}
		return strings.Join(parts, " is ")
	case literalTruth(right) && (right.value == 1) == equal:
		return say(left)
	case literalTruth(right):
		return sayNot(left)
	case equal:
		return "of these two both are true or neither is: " + say(left) + "; " + say(right)
	}
	return "just one of these two is true: " + say(left) + "; " + say(right)
}

func literalTruth(e *expression) bool {
	return e.kind == aReference && e.use == nil && e.typ == Boolean
}

// sayChain says a < b, and a <= b < c as two sentences about b. Of "5% < x" the sentence is about x.
func sayChain(e *expression, words map[string]string) string {
	if e.args[0].constant() && !e.args[1].constant() {
		said := say(e.args[1]) + " " + signOn(e.args[1], turned[e.signs[0]], words) + " " + sayLimit(e.args[0], e.args[1])
		return sayRest(said, e, 1, words)
	}
	return sayRest(say(e.args[0]), e, 0, words)
}

// turned is what a sign becomes when its sides change places.
var turned = map[string]string{"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

// sayRest goes on from one operand of a chain.
func sayRest(said string, e *expression, from int, words map[string]string) string {
	for i := from; i < len(e.signs); i++ {
		if i > from {
			said += " and " + say(e.args[i])
		} else if i > 0 {
			said += " and"
		}
		said += " " + signOn(e.args[i], e.signs[i], words) + " " + sayLimit(e.args[i+1], e.args[i])
	}
	return said
}

// sayLimit says what a value is compared with: 0.15 of a drawdown is 15 %.
func sayLimit(limit, of *expression) string {
	if limit.typ == Number && limit.plain && limit.constant() && limit.use == nil && toldInPercent(of) {
		if v := limit.evaluate(); v < 0 {
			return "minus " + percentWords(-v)
		}
		return percentWords(limit.evaluate())
	}
	return say(limit)
}

func toldInPercent(e *expression) bool {
	for e.use != nil && e.use.of != nil {
		e = e.use.of
	}
	if e.use == nil || e.use.node.Op == signal.Herfindahl {
		return false
	}
	return e.span == zeroToOne || e.span == fromMinus1 || e.span == smallFraction
}

func sayLasting(e *expression) string {
	switch {
	case e.atLeast > 0:
		return "in at least " + strconv.Itoa(e.atLeast) + " of the last " + count(e.window.sessions, "session")
	case e.window.sessions > 1:
		return "for " + e.window.words() + " in a row"
	case e.window.sessions == 1:
		return "for one whole session"
	}
	return "for " + e.window.words() + " without a break"
}

func sayTally(e *expression) string {
	var parts []string
	for _, condition := range e.args {
		parts = append(parts, say(condition))
	}
	many := "at least " + strconv.Itoa(e.atLeast) + " of these " + strconv.Itoa(len(e.args)) + " are true: "
	switch e.atLeast {
	case 1:
		many = "at least one of these " + strconv.Itoa(len(e.args)) + " is true: "
	case len(e.args):
		many = "all of these " + strconv.Itoa(len(e.args)) + " are true: "
	}
	return many + strings.Join(parts, "; ")
}

func sayCross(e *expression) string {
	when := " with the latest reading"
	switch {
	case e.window.sessions == 1:
		when = " within this session"
	case e.window != window{}:
		when = " within the last " + e.window.words()
	}
	left, right := e.args[0], e.args[1]
	return say(left) + " crossed " + e.text + " " + sayLimit(right, left) + when
}

func sayMath(e *expression) string {
	if e.text == "abs" {
		return "the absolute value of " + sayPart(e.args[0], e)
	}
	word := map[string]string{"least": "lesser", "greatest": "greater"}[e.text]
	left, right := e.args[0], e.args[1]
	return "the " + word + " of " + sayPart(left, e) + " and " + sayPart(right, e)
}

func sayConstant(e *expression) string {
	if e.kind == aReference {
		return strings.ToLower(e.text)
	}
	switch {
	case e.typ == Ratio && strings.HasSuffix(e.text, "%"):
		return percentWords(e.value)
	case e.typ == Ratio:
		return strings.TrimSuffix(e.text, "x")
	case e.typ == Duration:
		return spanWords(seconds(e.value))
	case e.typ == Money:
		return "$" + strings.TrimSpace(strings.TrimPrefix(e.text, "$"))
	}
	return e.text
}
