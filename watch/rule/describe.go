package rule

import (
	"fmt"
	"strconv"
	"strings"

	"lifeboat"
	"lifeboat/prose"
	"lifeboat/watch/signal"
)

// Meaning is an expression taken apart for a person who wants to be sure that it says what was meant.
type Meaning struct {
	Sentence string            `json:"sentence"`
	Type     string            `json:"type"`
	Severity lifeboat.Severity `json:"severity,omitempty"`
	Tree     Part              `json:"tree"`

	of *expression
}

// Part is one part of an expression, with the parts it is made of.
type Part struct {
	Text   string `json:"text"` // in one spelling; parts that are told below it are left out as …
	Type   string `json:"type"` // with its unit
	Window string `json:"window,omitempty"`
	Means  string `json:"means"`
	Parts  []Part `json:"parts,omitempty"`
}

// Describe says what an expression means, in a sentence and part by part.
func Describe(expr string, env Env) (Meaning, error) {
	root, _, faults := checked(expr, env)
	if len(faults) > 0 {
		return Meaning{}, faults[0]
	}
	m := Meaning{Sentence: sentence(root), Type: root.unit(), Tree: describe(root), of: root}
	if root.kind == aRule {
		m.Severity = lifeboat.Severity(root.text)
	}
	return m, nil
}

// unit of a value: its type as the tree tells it.
func (e *expression) unit() string {
	if e.typ == Ratio && toldInPercent(e) {
		return "ratio, in percent"
	}
	return units[e.typ]
}

var units = map[Type]string{
	Number: "number", Ratio: "ratio", Money: "money", Duration: "duration", Boolean: "true or false", Count: "count",
}

func describe(e *expression) Part {
	p := Part{Text: head(e), Type: e.unit(), Window: e.extent(), Means: say(e)}
	switch {
	case e.use != nil && e.use.of != nil:
		p.Means = "a signal of the plan"
		p.Parts = []Part{describe(e.use.of)}
		return p
	case e.use != nil && e.use.node.Op == signal.Level:
		p.Means = "the latest value of " + p.Means
		return p
	case e.use != nil || e.kind == aLiteral || e.kind == aReference || e.kind == aUnary && e.args[0].kind == aLiteral:
		return p
	case e.kind == aRule:
		p.Type, p.Means = "rule", "gives the severity "+e.text+" when this is true:"
	case e.kind == aBinary && e.typ == Boolean, e.kind == aTally:
		p.Means = bracket[e.text]
		if e.kind == aTally {
			p.Means = fmt.Sprintf("at least %d of these %d are true:", e.atLeast, len(e.args))
		}
	}
	for _, arg := range e.operands() {
		p.Parts = append(p.Parts, describe(arg))
	}
	return p
}

// bracket is said instead of a whole sentence where the parts are told below.
var bracket = map[string]string{"AND": "all of these are true:", "OR": "at least one of these is true:"}

// operands of an expression; those of a AND b AND c are three.
func (e *expression) operands() []*expression {
	if e.kind != aBinary || e.typ != Boolean {
		return e.args
	}
	var all []*expression
	for _, arg := range e.args {
		if arg.kind == aBinary && arg.use == nil && arg.text == e.text {
			all = append(all, arg.operands()...)
		} else {
			all = append(all, arg)
		}
	}
	return all
}

// extent is the window of what an expression itself looks at.
func (e *expression) extent() string {
	w := e.window
	if e.use != nil && e.use.of == nil {
		w = window{e.use.node.N, e.use.node.Span}
	}
	if w == (window{}) {
		return ""
	}
	return w.words()
}

// head is the first line of an expression: whole where it is short, else with … for what the lines below it show.
func head(e *expression) string {
	switch {
	case e.kind == aBinary && e.typ == Boolean:
		return e.text
	case e.kind == aTally:
		return strconv.Itoa(e.atLeast) + " of"
	case e.kind == aRule:
		return "THEN severity = " + e.text
	}
	short := func(arg *expression) string {
		if arg.simple() {
			return write(arg)
		}
		return "…"
	}
	return spell(e, short)
}

// simple reports a name, a call, a literal, or one with a minus.
func (e *expression) simple() bool {
	switch e.kind {
	case aLiteral, aReference, aCall:
		return true
	case aUnary:
		return e.text == "-" && e.args[0].simple()
	}
	return false
}

// IsCondition reports that the expression is true or false, and no number.
func (m Meaning) IsCondition() bool { return m.of.typ == Boolean }

// Say writes a value of the expression as people read it: a share in percent, an amount with its thousands apart, a time
// in hours and minutes. The truth of a condition is 1 or 0.
func (m Meaning) Say(v float64) string {
	switch typ := m.of.typ; {
	case typ == Boolean:
		return strconv.FormatBool(v != 0)
	case typ == Duration:
		return prose.Span(seconds(v))
	case typ == Ratio && toldInPercent(m.of):
		return strconv.FormatFloat(v*100, 'f', 2, 64) + " %"
	case typ == Money:
		return prose.Grouped(strconv.FormatFloat(v, 'f', 2, 64))
	}
	const digits = 4
	text := strconv.FormatFloat(v, 'f', digits, 64)
	return prose.Grouped(strings.TrimRight(strings.TrimRight(text, "0"), "."))
}

// String is the tree, one part per line: what is written, its type, what it means.
func (m Meaning) String() string {
	var rows [][3]string
	m.Tree.rows(0, &rows)
	var width [2]int
	for _, row := range rows {
		for i := range width {
			width[i] = min(max(width[i], len([]rune(row[i]))), columnMax)
		}
	}
	var b strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&b, "%-*s  %-*s  %s\n", width[0], row[0], width[1], row[1], row[2])
	}
	return b.String()
}

// columnMax keeps one long line from pushing all the others to the right.
const columnMax = 44

func (p Part) rows(depth int, rows *[][3]string) {
	*rows = append(*rows, [3]string{strings.Repeat("  ", depth) + p.Text, p.Type, p.Means})
	for _, part := range p.Parts {
		part.rows(depth+1, rows)
	}
}
