package rule

import (
	"fmt"
	"math"
	"slices"
	"strings"
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

// Compile makes an expression one of the board's. With a source, series that this source offers beside others have its
// own values; everything else is what the sources agree on. It asks the engine for nodes, so it comes before the first
// reading.
func (b *Board) Compile(expr string, env Env, source string) (*Cond, error) {
	root, _, faults := checked(expr, env)
	if len(faults) > 0 {
		return nil, faults[0]
	}
	c := &Cond{board: b, typ: root.typ}
	if root.kind == aRule {
		c.severity = lifeboat.Severity(root.text)
		root = root.args[0]
	}
	built := builder{Board: b, cond: c, source: source}
	if root.typ == Boolean {
		c.fact = built.fact(root)
	} else {
		c.slot = built.slot(root)
	}
	if built.err != nil {
		return nil, fmt.Errorf("compile %q: %w", expr, built.err)
	}
	b.add(c)
	return c, nil
}

// A builder makes the slots and facts of one condition and notes what they read.
type builder struct {
	*Board
	cond   *Cond
	source string
	err    error
}

// slot of a numeric expression.
func (b *builder) slot(e *expression) slotID {
	switch {
	case e.use != nil && e.use.of != nil:
		id := b.slot(e.use.of)
		b.tell(e.use.name, func(time.Time) (float64, bool) { return b.slots[id].value, b.slots[id].known })
		return id
	case e.constant():
		v := e.evaluate()
		return b.sharedSlot(fmt.Sprintf("=%x", math.Float64bits(v)), slot{sign: constant, value: v})
	case e.use != nil:
		return b.node(e.use)
	}
	switch e.kind {
	case aUnary:
		return b.arithmetic(negative, e.args[0], nil)
	case aSince:
		return b.since(e)
	case aMath:
		if len(e.args) == 1 {
			return b.arithmetic(absolute, e.args[0], nil)
		}
		return b.arithmetic(calculations[e.text], e.args[0], e.args[1])
	}
	return b.arithmetic(calculations[e.text], e.args[0], e.args[1])
}

var calculations = map[string]calculation{"+": plus, "-": minus, "*": times, "/": over, "abs": absolute, "least": least, "greatest": greatest}

func (b *builder) arithmetic(sign calculation, left, right *expression) slotID {
	s := slot{sign: sign, a: b.slot(left), b: -1}
	if right != nil {
		s.b = b.slot(right)
	}
	return b.combined(s)
}

// combined shares a slot that is worked out of others.
func (b *builder) combined(s slot) slotID {
	size := len(b.slots)
	id := b.sharedSlot(fmt.Sprintf("%d(%d,%d)", s.sign, s.a, s.b), s)
	if int(id) == size { // it is new
		b.slots[s.a].users = append(b.slots[s.a].users, id)
		if s.b >= 0 && s.b != s.a {
			b.slots[s.b].users = append(b.slots[s.b].users, id)
		}
	}
	return id
}

func (b *builder) sharedSlot(key string, s slot) slotID {
	if id, known := b.slotOf[key]; known {
		return id
	}
	id := slotID(len(b.slots))
	b.slots = append(b.slots, s)
	b.slotOf[key] = id
	return id
}

// ofOneThing are the questions to the book that are about a symbol or a class; all others are about everything in it.
var ofOneThing = []signal.Op{signal.Value, signal.Weight, signal.ClassValue, signal.ClassWeight}

// node is what a name or a call reads from the graph: the source's own value where it is one of several.
func (b *builder) node(u *use) slotID {
	q, name := u.node, u.name
	if b.source != "" && !u.book && q.Op != signal.Spread && q.Op != signal.Disagreement && q.With == "" {
		if sources := b.engine.Sources(lifeboat.Series(q.Of)); len(sources) > 1 && slices.Contains(sources, b.source) {
			q.Source = b.source
			name += "@" + b.source
		}
	}
	id, err := b.engine.Node(q)
	if err != nil {
		if b.err == nil {
			b.err = err
		}
		return 0
	}
	engine := b.engine
	b.tell(name, func(at time.Time) (float64, bool) { return engine.Value(id, at) })
	for _, s := range u.needs {
		if !slices.Contains(b.cond.series, s) {
			b.cond.series = append(b.cond.series, s)
		}
	}
	b.cond.portfolio = b.cond.portfolio || u.book
	b.cond.whole = b.cond.whole || u.book && !slices.Contains(ofOneThing, q.Op)
	return b.slotOfNode(id, q)
}

func (b *builder) slotOfNode(id signal.ID, q signal.Node) slotID {
	for int(id) >= len(b.ofNode) {
		b.ofNode = append(b.ofNode, -1)
	}
	if b.ofNode[id] >= 0 {
		return b.ofNode[id]
	}
	s := slot{sign: ofNode, node: id}
	if q.Op == signal.Age {
		s.sign, s.series, s.source = ofAge, lifeboat.Series(q.Of), q.Source
	}
	b.ofNode[id] = b.sharedSlot(fmt.Sprintf("node %d", id), s)
	b.engine.Follow(id)
	if s.sign == ofAge {
		b.clocks = append(b.clocks, b.ofNode[id])
	}
	return b.ofNode[id]
}

// since is a slot that a fact sets to zero and time moves.
func (b *builder) since(e *expression) slotID {
	fact, size := b.fact(e.args[0]), len(b.slots)
	id := b.sharedSlot(fmt.Sprintf("since %d", fact), slot{sign: ofSince})
	if int(id) == size {
		b.facts[fact].clocks = append(b.facts[fact].clocks, id)
		b.clocks = append(b.clocks, id)
	}
	b.tell(write(e), func(at time.Time) (float64, bool) {
		s := &b.slots[id]
		if s.holds || !s.known {
			return 0, s.known
		}
		return at.Sub(s.last).Seconds(), true
	})
	return id
}

// fact of a boolean expression.
func (b *builder) fact(e *expression) factID {
	switch {
	case e.use != nil && e.use.of != nil:
		id := b.fact(e.use.of)
		b.tell(e.use.name, func(time.Time) (float64, bool) { return b.facts[id].truth.number() })
		return id
	case e.use != nil:
		return b.compared(b.node(e.use), ">", 0)
	}
	switch e.kind {
	case aUnary:
		return b.join(fact{is: opposed}, e.args[0])
	case aBinary:
		if e.text == "AND" {
			return b.join(fact{is: all}, e.args...)
		}
		return b.join(fact{is: any}, e.args...)
	case aComparison:
		return b.comparison(e)
	case aTally:
		return b.join(fact{is: tally, least: e.atLeast}, e.args...)
	case aFor:
		return b.persistence(e)
	case aCross:
		return b.crossing(e)
	}
	return b.known(e.value == 1)
}

func (b *builder) known(truth bool) factID {
	f := fact{is: settled, truth: no}
	if truth {
		f.truth = yes
	}
	return b.sharedFact(fmt.Sprint("known ", truth), f)
}

func (b *builder) join(f fact, args ...*expression) factID {
	for _, arg := range args {
		f.args = append(f.args, b.fact(arg))
	}
	return b.joined(f)
}

// joined shares a fact that is built on others.
func (b *builder) joined(f fact) factID {
	key := fmt.Sprint(f.is, f.args, f.least)
	if f.cell != nil {
		key += fmt.Sprint(f.cell.window)
	}
	size := len(b.facts)
	id := b.sharedFact(key, f)
	if int(id) < size {
		return id
	}
	for i, arg := range f.args {
		if !slices.Contains(f.args[:i], arg) {
			b.facts[arg].users = append(b.facts[arg].users, id)
		}
	}
	if f.cell != nil {
		b.timed = append(b.timed, id)
	}
	return id
}

func (b *builder) sharedFact(key string, f fact) factID {
	if id, known := b.factOf[key]; known {
		return id
	}
	id := factID(len(b.facts))
	if f.is != settled {
		f.truth = unknown
	}
	b.facts = append(b.facts, f)
	b.factOf[key] = id
	return id
}

func (b *builder) persistence(e *expression) factID {
	if e.atLeast == 0 {
		return b.join(fact{is: lasting, cell: &cell{window: e.window}}, e.args[0])
	}
	past := make([]truth, e.window.sessions-1)
	for i := range past {
		past[i] = unknown
	}
	return b.join(fact{is: often, least: e.atLeast, cell: &cell{window: e.window, past: past}}, e.args[0])
}

func (b *builder) crossing(e *expression) factID {
	above := e.text == "above"
	id := b.arithmetic(minus, e.args[0], e.args[1])
	f := fact{is: crossed, slot: id, cell: &cell{window: e.window, above: above}}
	size := len(b.facts)
	made := b.sharedFact(fmt.Sprint("crossed ", id, above, e.window), f)
	if int(made) == size {
		b.slots[id].facts = append(b.slots[id].facts, made)
		b.timed = append(b.timed, made)
	}
	return made
}

// comparison of neighbours; a chain is true when every pair is.
func (b *builder) comparison(e *expression) factID {
	var chain factID
	for i, sign := range e.signs {
		pair := b.pair(e.args[i], sign, e.args[i+1])
		if i == 0 {
			chain = pair
		} else {
			chain = b.joined(fact{is: all, args: []factID{chain, pair}})
		}
	}
	return chain
}

func (b *builder) pair(left *expression, sign string, right *expression) factID {
	switch {
	case left.typ == Boolean:
		is := same
		if sign == "!=" {
			is = differs
		}
		return b.join(fact{is: is}, left, right)
	case left.constant() && right.constant():
		return b.known(signHolds[sign](left.evaluate(), right.evaluate()))
	case right.constant():
		b.tellConstant(right)
		return b.compared(b.slot(left), sign, right.evaluate())
	case left.constant():
		b.tellConstant(left)
		return b.compared(b.slot(right), turned[sign], left.evaluate())
	}
	return b.compared(b.arithmetic(minus, left, right), sign, 0) // the difference of two numbers has the sign of their order
}

// tellConstant tells a limit to which the plan gave a name.
func (b *builder) tellConstant(e *expression) {
	if e.use != nil && e.use.of != nil {
		v := e.evaluate()
		b.tell(e.use.name, func(time.Time) (float64, bool) { return v, true })
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

// compared is a slot's comparison with a limit. Equality has two bounds, of which one is passed and the other is not.
func (b *builder) compared(id slotID, sign string, limit float64) factID {
	if b.err != nil {
		return b.known(false)
	}
	size := len(b.facts)
	made := b.sharedFact(fmt.Sprintf("%d %s %x", id, sign, math.Float64bits(limit)), fact{is: compared, slot: id, wanted: !strings.HasPrefix(sign, "<") && sign != "!="})
	if int(made) < size {
		return made
	}
	if sign == ">=" || sign == "<" || sign == "==" || sign == "!=" {
		b.addBound(id, bound{limit: limit, fact: made})
	}
	if sign == ">" || sign == "<=" || sign == "==" || sign == "!=" {
		b.addBound(id, bound{limit: limit, strict: true, fact: made})
	}
	return made
}

func (b *builder) tell(name string, read func(at time.Time) (float64, bool)) {
	if !slices.ContainsFunc(b.cond.told, func(t told) bool { return t.name == name }) {
		b.cond.told = append(b.cond.told, told{name, read})
	}
}

// number is 1 or 0, if the truth is known.
func (t truth) number() (float64, bool) {
	if t == yes {
		return 1, true
	}
	return 0, t == no
}
