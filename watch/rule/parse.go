package rule

import (
	"fmt"
	"strings"
	"time"
)

// Limits of an expression; a person who needs more gives parts of it names in the plan.
const (
	lengthMax = 4096 // bytes
	depthMax  = 64
	nodesMax  = 512
	// expandedMax bounds an expression with everything that its named signals stand for.
	expandedMax = 4096
)

type kind uint8

const (
	aLiteral    kind = iota
	aReference       // a name
	aCall            // a function
	aUnary           // -x, NOT x
	aBinary          // + - * / AND OR
	aComparison      // a < b <= c: one more operand than signs
	aRule            // IF x THEN severity = text
	aFor             // x for 3d, x for 15m: x without a break; x for 3 of 5d: x in that many of the sessions
	aTally           // 2 of (x, y, z)
	aSince           // since(x): how long ago x was last true
	aCross           // crossed_above(a, b): text is above or below
	aMath            // abs(x), least(a, b), greatest(a, b): text is the name
)

// A window is a number of sessions, a span of wall time, or nothing.
type window struct {
	sessions int
	span     time.Duration
}

// operators are calls whose arguments are expressions; every other function takes names and literals only.
var operators = map[string]struct {
	kind    kind
	text    string
	least   int // arguments
	most    int
	example string
	wants   string
}{
	"since":         {aSince, "since", 1, 1, "since(VIX > 30)", "a condition"},
	"crossed_above": {aCross, "above", 2, 3, "crossed_above(SPY, ma(SPY, 200d))", "two values, and perhaps a window such as 5d"},
	"crossed_below": {aCross, "below", 2, 3, "crossed_below(SPY, ma(SPY, 200d))", "two values, and perhaps a window such as 5d"},
	"abs":           {aMath, "abs", 1, 1, "abs(daily_return)", "a value"},
	"least":         {aMath, "least", 2, 2, "least(SPY, QQQ)", "two values"},
	"greatest":      {aMath, "greatest", 2, 2, "greatest(daily_return, 0%)", "two values"},
}

// An expression is a tree; the checker fills in the lower part.
type expression struct {
	kind    kind
	at, end int    // in runes
	text    string // name, function, operator or literal as written, or the severity
	quoted  bool
	signs   []string // of a comparison
	args    []*expression
	value   float64 // of a literal
	units   string  // of a duration that is a literal, as written: "d", "hm"

	// Of aFor, aTally and aCross; the parser leaves them as literals among args, and the checker moves them here.
	window  window // of aCross: none means with this very reading
	atLeast int    // how many of them; 0 of an aFor that means all

	typ   Type
	plain bool  // built of numbers without a unit only, which fit a level, a ratio and money alike
	use   *use  // what a reference or a call reads
	fixed bool  // the same whenever it is evaluated
	span  scale // of a ratio, where it has bounds
}

type parser struct {
	tokens []token
	next   int
	nodes  int
	depth  int
	fault  *Fault // the first; everything after it is skipped
}

func parse(expr string) (*expression, *Fault) {
	if len(expr) > lengthMax {
		return nil, &Fault{0, 1, fmt.Sprintf("the expression has %d bytes; %d are the limit", len(expr), lengthMax), ""}
	}
	tokens, fault := lex(expr)
	if fault != nil {
		return nil, fault
	}
	p := &parser{tokens: tokens}
	if p.peek().kind == theEnd {
		return nil, &Fault{0, 1, "there is nothing here; a condition looks like portfolio_drawdown >= 15%", ""}
	}
	root := p.rule()
	if t := p.peek(); p.fault == nil && t.kind != theEnd {
		p.unexpected(t, "the end or AND, OR, a comparison")
	}
	return root, p.fault
}

func (p *parser) peek() token { return p.tokens[p.next] }

func (p *parser) take() token {
	t := p.tokens[p.next]
	if t.kind != theEnd {
		p.next++
	}
	return t
}

// accept takes the next token if it is one of these signs.
func (p *parser) accept(signs ...string) (token, bool) {
	t := p.peek()
	if t.kind == aSign && p.fault == nil {
		for _, s := range signs {
			if t.text == s {
				return p.take(), true
			}
		}
	}
	return token{}, false
}

func (p *parser) fail(f Fault) {
	if p.fault == nil {
		p.fault = &f
	}
}

func (p *parser) unexpected(t token, wanted string) {
	switch {
	case t.kind == theEnd:
		p.fail(Fault{t.at, 1, "the expression ends where " + wanted + " should follow", ""})
	case t.text == "=":
		p.fail(Fault{t.at, 1, "a comparison for equality has two signs", "=="})
	case t.kind == aSign:
		p.fail(Fault{t.at, t.end - t.at, t.text + " cannot stand here; wanted " + wanted, ""})
	default:
		if before, instead := p.apart(t); instead != "" {
			p.fail(Fault{before.at, t.end - before.at, "a number and its unit are one word", instead})
			return
		}
		p.fail(Fault{t.at, t.end - t.at, fmt.Sprintf("%q cannot stand here; wanted %s", t.text, wanted), signOf[strings.ToLower(t.text)]})
	}
}

// apart finds a unit that stands by itself behind its number, as in 3 days, and what was meant.
func (p *parser) apart(t token) (number token, instead string) {
	for i := range p.tokens[:len(p.tokens)-1] {
		if number = p.tokens[i]; p.tokens[i+1].at == t.at && number.kind == aNumber && t.kind == aName {
			return number, meant(number, t.text)
		}
	}
	return token{}, ""
}

// signOf are words for signs, as people say a condition.
var signOf = map[string]string{"above": ">", "over": ">", "exceeds": ">", "greater": ">", "more": ">", "below": "<", "under": "<", "less": "<",
	"equals": "==", "plus": "+", "minus": "-", "times": "*"}

func (p *parser) make(e expression) *expression {
	if p.nodes++; p.nodes > nodesMax {
		p.fail(Fault{e.at, 1, fmt.Sprintf("the expression has more than %d parts; give some of them names in the plan's signals", nodesMax), ""})
	}
	return &e
}

// deeper guards every way down.
func (p *parser) deeper() bool {
	if p.depth++; p.depth > depthMax {
		t := p.peek()
		p.fail(Fault{t.at, 1, fmt.Sprintf("parentheses and signs are nested deeper than %d", depthMax), ""})
	}
	return p.fault == nil
}

func (p *parser) rule() *expression {
	begin, is := p.accept("IF")
	condition := p.or()
	if !is {
		return condition
	}
	if _, then := p.accept("THEN"); !then {
		p.unexpected(p.peek(), "THEN severity = …")
		return condition
	}
	if t := p.take(); t.kind != aName || !strings.EqualFold(t.text, "severity") {
		p.unexpected(t, "severity = WARNING, HIGH or CRITICAL")
		return condition
	}
	if _, equals := p.accept("=", "=="); !equals {
		p.unexpected(p.peek(), "= and a severity")
		return condition
	}
	word := p.take()
	if word.kind != aName && word.kind != aQuoted {
		p.unexpected(word, "a severity such as CRITICAL")
		return condition
	}
	return p.make(expression{kind: aRule, at: begin.at, end: word.end, text: strings.ToUpper(word.text), args: []*expression{condition}})
}

func (p *parser) or() *expression  { return p.binary(p.and, "OR") }
func (p *parser) and() *expression { return p.binary(p.not, "AND") }

func (p *parser) binary(operand func() *expression, signs ...string) *expression {
	left := operand()
	for {
		sign, more := p.accept(signs...)
		if !more {
			return left
		}
		right := operand()
		if p.fault != nil {
			return left
		}
		left = p.make(expression{kind: aBinary, at: left.at, end: right.end, text: sign.text, args: []*expression{left, right}})
	}
}

func (p *parser) not() *expression {
	if sign, is := p.accept("NOT"); is {
		return p.unary(sign, p.not)
	}
	return p.comparison()
}

func (p *parser) unary(sign token, operand func() *expression) *expression {
	defer func() { p.depth-- }()
	if !p.deeper() {
		return p.nothing()
	}
	of := operand()
	return p.make(expression{kind: aUnary, at: sign.at, end: of.end, text: sign.text, args: []*expression{of}})
}

func (p *parser) comparison() *expression {
	first := p.sum()
	chain := expression{kind: aComparison, at: first.at, end: first.end, args: []*expression{first}}
	for {
		sign, more := p.accept("==", "!=", "<", "<=", ">", ">=")
		if !more {
			break
		}
		operand := p.sum()
		chain.signs = append(chain.signs, sign.text)
		chain.args = append(chain.args, operand)
		chain.end = operand.end
	}
	if len(chain.signs) == 0 {
		return p.lasting(first)
	}
	return p.lasting(p.make(chain))
}

// lasting reads what may follow a comparison: for 3d, for 15m, for 3 of 5d.
func (p *parser) lasting(condition *expression) *expression {
	if !p.word("for") {
		return condition
	}
	lasts := expression{kind: aFor, at: condition.at, text: "for"}
	first := p.literal("a time such as 3d or 15m, or 3 of 5d")
	lasts.args = []*expression{condition, first}
	if p.fault == nil && first.typ != Duration && p.word("of") {
		lasts.args = []*expression{condition, p.literal("a number of sessions such as 5d"), first}
	}
	lasts.end = lasts.args[1].end
	return p.make(lasts)
}

// word takes the next token if it is this word. It is no word of the language elsewhere: a series may be called so.
func (p *parser) word(word string) bool {
	if t := p.peek(); p.fault != nil || t.kind != aName || !strings.EqualFold(t.text, word) {
		return false
	}
	p.take()
	return true
}

func (p *parser) literal(wanted string) *expression {
	if p.fault != nil {
		return p.nothing()
	}
	t := p.peek()
	if t.kind != aNumber {
		p.unexpected(t, wanted)
		return p.nothing()
	}
	return p.number(p.take())
}

func (p *parser) number(t token) *expression {
	return p.make(expression{kind: aLiteral, at: t.at, end: t.end, text: t.text, value: t.value, typ: t.typ, plain: !t.unit, units: t.units})
}

func (p *parser) sum() *expression     { return p.binary(p.product, "+", "-") }
func (p *parser) product() *expression { return p.binary(p.sign, "*", "/") }

func (p *parser) sign() *expression {
	if sign, is := p.accept("-"); is {
		return p.unary(sign, p.sign)
	}
	return p.primary()
}

func (p *parser) primary() *expression {
	if p.fault != nil {
		return p.nothing()
	}
	switch t := p.take(); {
	case t.kind == aNumber:
		if p.word("of") {
			return p.tally(p.number(t))
		}
		return p.number(t)
	case t.kind == aName || t.kind == aQuoted:
		if _, call := p.accept("("); call {
			return p.call(t)
		}
		return p.make(expression{kind: aReference, at: t.at, end: t.end, text: t.text, quoted: t.kind == aQuoted})
	case t.kind == aSign && t.text == "(":
		return p.parenthesis(t)
	default:
		p.unexpected(t, "a name or a number")
		return p.nothing()
	}
}

func (p *parser) parenthesis(open token) *expression {
	defer func() { p.depth-- }()
	if !p.deeper() {
		return p.nothing()
	}
	inner := p.or()
	shut, closed := p.accept(")")
	if !closed {
		p.unclosed(open)
		return inner
	}
	inner.at, inner.end = open.at, shut.end
	return inner
}

// tally reads the list of 2 of (x, y, z).
func (p *parser) tally(count *expression) *expression {
	open, is := p.accept("(")
	if !is {
		p.unexpected(p.peek(), "( and the conditions to count")
		return p.nothing()
	}
	return p.list(expression{kind: aTally, at: count.at, text: "of", args: []*expression{count}}, open)
}

func (p *parser) call(name token) *expression {
	call := expression{kind: aCall, at: name.at, text: name.text}
	if operator, is := operators[strings.ToLower(name.text)]; is {
		call.kind, call.text = operator.kind, operator.text
	}
	return p.list(call, name)
}

// list reads the arguments of a call, whose parenthesis is open.
func (p *parser) list(call expression, name token) *expression {
	defer func() { p.depth-- }()
	if !p.deeper() {
		return p.nothing()
	}
	if shut, closed := p.accept(")"); closed {
		call.end = shut.end
		return p.make(call)
	}
	for {
		call.args = append(call.args, p.or())
		if shut, closed := p.accept(")"); closed {
			call.end = shut.end
			return p.make(call)
		}
		if _, more := p.accept(","); !more {
			p.unclosed(name)
			return p.nothing()
		}
	}
}

func (p *parser) unclosed(open token) {
	if t := p.peek(); t.kind != theEnd {
		p.unexpected(t, ")")
		return
	}
	p.fail(Fault{open.at, open.end - open.at, "this is never closed; a ) is missing", ""})
}

// nothing stands where a fault is.
func (p *parser) nothing() *expression { return &expression{at: p.peek().at, end: p.peek().at} }
