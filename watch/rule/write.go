package rule

import (
	"strconv"
	"strings"
)

// write is a checked expression in one spelling, which means the same when it is read again.
func write(e *expression) string { return spell(e, write) }

// spell writes an expression, and leaves its parts to another.
func spell(e *expression, part func(*expression) string) string {
	// within puts parentheses around a part that binds less than the place wants.
	within := func(arg *expression, wanted int) string {
		written := part(arg)
		if binding(arg) < wanted && written != "…" {
			return "(" + written + ")"
		}
		return written
	}
	switch e.kind {
	case aReference:
		if e.quoted {
			return inQuotes(e.text)
		}
		return e.text
	case aCall:
		return strings.ToLower(e.text) + "(" + each(e.args, write) + ")"
	case aUnary:
		if e.text == "NOT" {
			return "NOT " + within(e.args[0], bindsNot)
		}
		return "-" + within(e.args[0], bindsSign)
	case aBinary:
		return within(e.args[0], binding(e)) + " " + e.text + " " + within(e.args[1], binding(e)+1)
	case aComparison:
		written := within(e.args[0], bindsSum)
		for i, sign := range e.signs {
			written += " " + sign + " " + within(e.args[i+1], bindsSum)
		}
		return written
	case aRule:
		return "IF " + part(e.args[0]) + " THEN severity = " + inQuotes(e.text)
	case aFor:
		return within(e.args[0], bindsComparison) + " for " + e.times()
	case aTally:
		return strconv.Itoa(e.atLeast) + " of (" + each(e.args, part) + ")"
	case aSince, aMath:
		return e.text + "(" + each(e.args, part) + ")"
	case aCross:
		written := "crossed_" + e.text + "(" + each(e.args, part)
		if e.window != (window{}) {
			written += ", " + e.window.String()
		}
		return written + ")"
	}
	return e.text
}

// How closely things hold together, from what is read last to what is read first.
const (
	bindsOr = iota + 1
	bindsAnd
	bindsNot
	bindsFor
	bindsComparison
	bindsSum
	bindsProduct
	bindsSign
	bindsWhole
)

func binding(e *expression) int {
	switch e.kind {
	case aUnary:
		if e.text == "NOT" {
			return bindsNot
		}
		return bindsSign
	case aFor:
		return bindsFor
	case aComparison:
		return bindsComparison
	case aBinary:
		return map[string]int{"OR": bindsOr, "AND": bindsAnd, "+": bindsSum, "-": bindsSum, "*": bindsProduct, "/": bindsProduct}[e.text]
	}
	return bindsWhole
}

func each(args []*expression, part func(*expression) string) string {
	var written []string
	for _, arg := range args {
		written = append(written, part(arg))
	}
	return strings.Join(written, ", ")
}

// times of an aFor: 3d, or 3 of 5d.
func (e *expression) times() string {
	if e.atLeast > 0 {
		return strconv.Itoa(e.atLeast) + " of " + e.window.String()
	}
	return e.window.String()
}
