package rule

import (
	"math"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/watch/signal"
)

// truth has three values; their order makes AND the lesser and OR the greater of two.
type truth uint8

const (
	no truth = iota
	unknown
	yes
)

type number func(at time.Time) (v float64, known bool)
type boolean func(at time.Time) truth

type compiler struct {
	engine  *signal.Engine
	source  string
	signals map[*expression]*Cond // of the plan, compiled once
}

// compile makes one expression ready; named signals within it become conditions of their own, and what they read is
// told beside them.
func (c *compiler) compile(root *expression) (*Cond, error) {
	cond := &Cond{engine: c.engine, typ: root.typ}
	if root.kind == aRule {
		cond.severity = lifeboat.Severity(root.text)
		root = root.args[0]
	}
	b := builder{compiler: c, cond: cond}
	if root.typ == Boolean {
		cond.boolean = b.truth(root)
	} else {
		cond.number = b.value(root)
	}
	return cond, b.err
}

// A builder makes the closures of one condition and notes what they read.
type builder struct {
	*compiler
	cond *Cond
	err  error
}

func (b *builder) value(e *expression) number {
	switch {
	case e.use != nil && e.use.of != nil:
		return b.named(e).Number
	case e.use != nil:
		return b.node(e.use)
	case e.kind == aUnary:
		of := b.value(e.args[0])
		return func(at time.Time) (float64, bool) {
			v, known := of(at)
			return -v, known
		}
	case e.kind == aBinary:
		return b.arithmetic(e)
	}
	v := e.value
	return func(time.Time) (float64, bool) { return v, true }
}

func (b *builder) arithmetic(e *expression) number {
	sign, left, right := e.text, b.value(e.args[0]), b.value(e.args[1])
	return func(at time.Time) (float64, bool) {
		x, known := left(at)
		if !known {
			return 0, false
		}
		y, known := right(at)
		if !known {
			return 0, false
		}
		v := calculate(sign, x, y)
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	}
}

func (b *builder) truth(e *expression) boolean {
	switch {
	case e.use != nil && e.use.of != nil:
		return b.named(e).boolean
	case e.use != nil:
		return asTruth(b.node(e.use))
	case e.kind == aUnary:
		of := b.truth(e.args[0])
		return func(at time.Time) truth { return yes - of(at) }
	case e.kind == aComparison:
		return b.comparison(e)
	case e.kind == aBinary && e.text == "AND":
		left, right := b.truth(e.args[0]), b.truth(e.args[1])
		return func(at time.Time) truth {
			if t := left(at); t != no {
				return min(t, right(at))
			}
			return no
		}
	case e.kind == aBinary:
		left, right := b.truth(e.args[0]), b.truth(e.args[1])
		return func(at time.Time) truth {
			if t := left(at); t != yes {
				return max(t, right(at))
			}
			return yes
		}
	}
	t := no
	if e.value == 1 {
		t = yes
	}
	return func(time.Time) truth { return t }
}

// comparison of neighbours; a chain is true when every pair is.
func (b *builder) comparison(e *expression) boolean {
	var pairs []boolean
	operands := make([]number, len(e.args))
	for i, operand := range e.args {
		if operand.typ == Boolean {
			operands[i] = asNumber(b.truth(operand))
		} else {
			operands[i] = b.value(operand)
		}
	}
	for i, sign := range e.signs {
		pairs = append(pairs, compare(sign, operands[i], operands[i+1]))
		b.ages(e.args[i], e.args[i+1])
	}
	if len(pairs) == 1 {
		return pairs[0]
	}
	return func(at time.Time) truth {
		all := yes
		for _, pair := range pairs {
			if all = min(all, pair(at)); all == no {
				return no
			}
		}
		return all
	}
}

func compare(sign string, left, right number) boolean {
	holds := signHolds[sign]
	return func(at time.Time) truth {
		x, known := left(at)
		if !known {
			return unknown
		}
		y, known := right(at)
		switch {
		case !known:
			return unknown
		case holds(x, y):
			return yes
		}
		return no
	}
}

var signHolds = map[string]func(a, b float64) bool{
	"==": func(a, b float64) bool { return a == b },
	"!=": func(a, b float64) bool { return a != b },
	"<":  func(a, b float64) bool { return a < b },
	"<=": func(a, b float64) bool { return a <= b },
	">":  func(a, b float64) bool { return a > b },
	">=": func(a, b float64) bool { return a >= b },
}

// ages notes a comparison that time alone decides.
func (b *builder) ages(left, right *expression) {
	for _, pair := range [][2]*expression{{left, right}, {right, left}} {
		moving, limit := pair[0], pair[1]
		for moving.use != nil && moving.use.of != nil {
			moving = moving.use.of
		}
		if moving.use != nil && moving.use.node.Op == signal.Age {
			b.cond.ages = append(b.cond.ages, age{lifeboat.Series(moving.use.node.Of), seconds(limit.evaluate())})
		}
	}
}

// named is a signal of the plan. What it reads, this condition reads.
func (b *builder) named(e *expression) *Cond {
	cond := b.signals[e.use.of]
	if cond == nil {
		var err error
		if cond, err = b.compile(e.use.of); err != nil && b.err == nil {
			b.err = err
		}
		b.signals[e.use.of] = cond
	}
	b.tell(e.use.name, cond.Number)
	for _, t := range cond.told {
		b.tell(t.name, t.read)
	}
	for _, s := range cond.series {
		b.need(s)
	}
	for _, a := range cond.ages {
		if !slices.Contains(b.cond.ages, a) {
			b.cond.ages = append(b.cond.ages, a)
		}
	}
	b.cond.portfolio = b.cond.portfolio || cond.portfolio
	return cond
}

// node is what a name or a call reads from the graph: the source's own value where it is one of several.
func (b *builder) node(u *use) number {
	q, name := u.node, u.name
	if b.source != "" && !u.book && q.Op != signal.Spread {
		if sources := b.engine.Sources(lifeboat.Series(q.Of)); len(sources) > 1 && slices.Contains(sources, b.source) {
			q.Source = b.source
			name += "@" + b.source
		}
	}
	id, err := b.engine.Node(q)
	if err != nil && b.err == nil {
		b.err = err
	}
	engine := b.engine
	read := func(at time.Time) (float64, bool) { return engine.Value(id, at) }
	b.tell(name, read)
	for _, s := range u.needs {
		b.need(s)
	}
	b.cond.portfolio = b.cond.portfolio || u.book
	return read
}

func (b *builder) tell(name string, read number) {
	if !slices.ContainsFunc(b.cond.told, func(t told) bool { return t.name == name }) {
		b.cond.told = append(b.cond.told, told{name, read})
	}
}

func (b *builder) need(s lifeboat.Series) {
	if !slices.Contains(b.cond.series, s) {
		b.cond.series = append(b.cond.series, s)
	}
}

func asTruth(of number) boolean {
	return func(at time.Time) truth {
		switch v, known := of(at); {
		case !known:
			return unknown
		case v != 0:
			return yes
		}
		return no
	}
}

func asNumber(of boolean) number {
	return func(at time.Time) (float64, bool) {
		t := of(at)
		if t == yes {
			return 1, true
		}
		return 0, t == no
	}
}
