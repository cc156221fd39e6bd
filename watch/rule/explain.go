package rule

import (
	"strconv"
	"strings"
)

// Explain says in one sentence what an expression means.
func Explain(expr string, env Env) (string, error) {
	root, _, faults := checked(expr, env)
	if len(faults) > 0 {
		return "", faults[0]
	}
	switch {
	case root.kind == aRule:
		return "When " + say(root.args[0]) + ", the severity is " + root.text + ".", nil
	case root.typ == Boolean:
		return "True when " + say(root) + ".", nil
	}
	return "This is " + say(root) + ", " + root.typ.String() + ".", nil
}

var signWords = map[string]string{
	"==": "is", "!=": "is not", "<": "is below", "<=": "is at most", ">": "is above", ">=": "is at least",
	"+": "plus", "-": "minus", "*": "times", "/": "divided by", "AND": "and", "OR": "or",
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
			return "it is not so that " + sayPart(e.args[0], e)
		}
		return "minus " + sayPart(e.args[0], e)
	case aBinary:
		return sayPart(e.args[0], e) + " " + signWords[e.text] + " " + sayPart(e.args[1], e)
	case aComparison:
		return sayComparison(e)
	}
	return sayConstant(e)
}

// sayPart keeps together what belongs together: "a and (b or c)".
func sayPart(e, within *expression) string {
	if e.kind == aBinary && e.text != within.text {
		return "(" + say(e) + ")"
	}
	return say(e)
}

func sayComparison(e *expression) string {
	if len(e.signs) == 1 && e.args[0].typ == Boolean && e.args[1].kind == aReference && e.args[1].use == nil {
		if positive := e.args[1].value == 1; positive == (e.signs[0] == "==") {
			return say(e.args[0])
		}
		return "it is not so that " + say(e.args[0])
	}
	if e.args[0].constant() && !e.args[1].constant() { // of "5% < x" the sentence is about x
		said := say(e.args[1]) + " " + signWords[turned[e.signs[0]]] + " " + say(e.args[0])
		return sayRest(said, e, 1)
	}
	return sayRest(say(e.args[0]), e, 0)
}

// turned is what a sign becomes when its sides change places.
var turned = map[string]string{"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

// sayRest goes on from one operand of a chain.
func sayRest(said string, e *expression, from int) string {
	for i := from; i < len(e.signs); i++ {
		if i > from {
			said += " and " + say(e.args[i])
		} else if i > 0 {
			said += " and"
		}
		said += " " + signWords[e.signs[i]] + " " + say(e.args[i+1])
	}
	return said
}

func sayConstant(e *expression) string {
	if e.kind == aReference {
		return strings.ToLower(e.text)
	}
	if e.typ == Ratio && strings.HasSuffix(e.text, "%") {
		return strconv.FormatFloat(e.value*100, 'g', 12, 64) + " %"
	}
	return e.text
}
