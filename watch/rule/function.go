package rule

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/prose"
	"lifeboat/watch/signal"
)

// A function of the language; each takes names and literals, never expressions, so that a call is one node of the graph.
type function struct {
	params  []param
	example string
	read    func(s *scope, name string, args []argument) *use
}

type param uint8

const (
	aSeries param = iota
	aHolding
	aWindow
	aConfidence
)

var paramNames = [...]string{"a series", "a holding or class", "a window such as 200d", "a confidence such as 95%"}

func (f function) wants() string {
	var names []string
	for _, p := range f.params {
		names = append(names, paramNames[p])
	}
	return strings.Join(names, " and ")
}

// An argument as its parameter understands it.
type argument struct {
	series lifeboat.Series
	of     string
	class  bool
	window int
	value  float64
}

var functions = map[string]function{
	"price": {[]param{aSeries}, "price(SPY)", func(s *scope, name string, a []argument) *use {
		return s.level(name, a[0].series)
	}},
	"volume": {[]param{aSeries}, "volume(SPY)", func(s *scope, name string, a []argument) *use {
		return s.level(name, a[0].series+".volume")
	}},
	"ma": {[]param{aSeries, aWindow}, "ma(SPY, 200d)", func(s *scope, name string, a []argument) *use {
		return s.average(name, a[0].series, a[1].window)
	}},
	"drawdown": {[]param{aSeries}, "drawdown(SPY)", func(s *scope, name string, a []argument) *use {
		return s.drawdown(name, a[0].series)
	}},
	"return": {[]param{aSeries, aWindow}, "return(SPY, 1d)", func(s *scope, name string, a []argument) *use {
		return s.change(name, a[0].series, a[1].window)
	}},
	"volume_spike": {[]param{aSeries}, "volume_spike(SPY)", func(s *scope, name string, a []argument) *use {
		return s.spike(name, string(a[0].series))
	}},
	"weight": {[]param{aHolding}, "weight(SPY)", func(s *scope, name string, a []argument) *use {
		return s.part(name, a[0], signal.Weight, signal.ClassWeight, Ratio, "the share of ")
	}},
	"value": {[]param{aHolding}, "value(SPY)", func(s *scope, name string, a []argument) *use {
		return s.part(name, a[0], signal.Value, signal.ClassValue, Money, "the value of ")
	}},
	"var": {[]param{aConfidence}, "var(95%)", func(s *scope, name string, a []argument) *use {
		return &use{name: name, node: signal.Node{Op: signal.VaR, Level: a[0].value}, typ: Ratio, span: zeroToOne, book: true,
			words: "the one-day " + percentWords(a[0].value) + " value at risk"}
	}},
	"age": {[]param{aSeries}, "age(SPY)", func(s *scope, name string, a []argument) *use {
		return &use{name: name, node: signal.Node{Op: signal.Age, Of: string(a[0].series)}, typ: Duration,
			words: "the market time since the last reading of " + string(a[0].series)}
	}},
	"spread": {[]param{aSeries}, "spread(USDC)", func(s *scope, name string, a []argument) *use {
		return &use{name: name, node: signal.Node{Op: signal.Spread, Of: string(a[0].series)}, typ: Ratio,
			needs: []lifeboat.Series{a[0].series}, words: "the disagreement of the sources of " + string(a[0].series)}
	}},
}

func (s *scope) part(name string, a argument, symbol, class signal.Op, typ Type, words string) *use {
	u := &use{name: name, node: signal.Node{Op: symbol, Of: a.of}, typ: typ, book: true, words: words + a.of}
	if a.class {
		u.node.Op = class
	}
	if typ == Ratio {
		u.span = zeroToOne
	}
	return u
}

func (c *checker) call(e *expression) {
	name := strings.ToLower(e.text)
	f, known := functions[name]
	if !known {
		names := slices.Sorted(maps.Keys(functions))
		c.fault(e, fmt.Sprintf("there is no function %s", e.text), prose.Nearest(name, names))
		return
	}
	if len(e.args) != len(f.params) {
		c.fault(e, fmt.Sprintf("%s wants %s", name, f.wants()), f.example)
		return
	}
	args := make([]argument, len(e.args))
	sound := true
	for i, p := range f.params {
		c.size++
		var fine bool
		args[i], fine = c.argument(e.args[i], p, f)
		sound = sound && fine
	}
	if !sound {
		e.typ = unfit
		return
	}
	e.use = f.read(c.scope, c.callName(name, e), args)
	e.typ, e.span = e.use.typ, e.use.span
}

// callName is the call in one spelling, which is the name of its value in a firing.
func (c *checker) callName(function string, e *expression) string {
	var args []string
	for _, a := range e.args {
		args = append(args, strings.Trim(c.text(a), `()'" `))
	}
	return function + "(" + strings.Join(args, ", ") + ")"
}

func (c *checker) argument(e *expression, p param, f function) (a argument, fine bool) {
	switch p {
	case aSeries:
		if e.kind != aReference {
			c.fault(e, fmt.Sprintf("%s is not the name of a series", c.text(e)), f.example)
			return a, false
		}
		if a.series, fine = c.series(e.text); !fine {
			c.fault(e, fmt.Sprintf("nothing provides the series %s", e.text), prose.Nearest(e.text, slices.Concat(c.env.Series, c.env.Symbols, wellKnown)))
		}
	case aHolding:
		if e.kind != aReference {
			c.fault(e, fmt.Sprintf("%s is not the name of a holding or class", c.text(e)), f.example)
			return a, false
		}
		if a.of, a.class, fine = c.holding(e.text); !fine {
			c.fault(e, fmt.Sprintf("nothing held is called %s, and no class is", e.text), prose.Nearest(e.text, slices.Concat(c.env.Symbols, c.classes)))
		}
	case aWindow:
		a.window, fine = c.window(e)
	case aConfidence:
		a.value = e.value
		if fine = e.kind == aLiteral && (e.typ == Ratio || e.plain) && e.value > 0.5 && e.value < 1; !fine {
			c.fault(e, "a confidence is a percentage above 50% and below 100%", "95%")
		}
	}
	return a, fine
}

// window is a whole number of sessions, written 200d.
func (c *checker) window(e *expression) (sessions int, fine bool) {
	const day = 24 * 60 * 60
	switch n := e.value / day; {
	case e.kind == aLiteral && e.plain && e.value == math.Trunc(e.value):
		c.fault(e, fmt.Sprintf("a window is counted in sessions, and %s is a number", c.text(e)), c.text(e)+"d")
	case e.kind != aLiteral || e.typ != Duration || n != math.Trunc(n):
		c.fault(e, fmt.Sprintf("a window is a whole number of sessions such as 200d, not %s", c.text(e)), "")
	case n < 1 || n > signal.WindowMax:
		c.fault(e, fmt.Sprintf("a window is 1d to %dd, not %s", signal.WindowMax, c.text(e)), "")
	default:
		return int(n), true
	}
	return 0, false
}

func percentWords(v float64) string { return strconv.FormatFloat(v*100, 'f', -1, 64) + " %" }

func seconds(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }
