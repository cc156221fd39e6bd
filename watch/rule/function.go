package rule

import (
	"cmp"
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

// A form is one way of calling a function. It takes names and literals, never expressions, so that a call is one node
// of the graph. The forms of one function differ in how many arguments they take.
type form struct {
	example string
	params  []param
	least   int    // sessions of the window below which the value means nothing; 1 when zero
	note    string // what the sentence of explain leaves open; for the documentation
	read    func(s *scope, name string, a []argument) *use
}

type param uint8

const (
	aSeries param = iota
	aHolding
	aWindow   // sessions or wall time
	aSessions // sessions only
	aConfidence
	aFraction
	aDecay
	aParticipation
	aKind
)

var paramNames = [...]string{
	"a series", "a holding or class", "a window such as 200d", "a number of sessions such as 20d", "a confidence such as 95%",
	"a fraction such as 5%", "a decay such as 0.94", "a share of the usual volume such as 10%", "a kind of group such as sector",
}

func (f form) wants() string {
	var names []string
	for _, p := range f.params {
		names = append(names, paramNames[p])
	}
	if last := len(names) - 1; last > 0 {
		return strings.Join(names[:last], ", ") + " and " + names[last]
	}
	return names[0]
}

// wants says what all forms of a function take.
func wants(forms []form) string {
	var all []string
	for _, f := range forms {
		all = append(all, f.wants())
	}
	return strings.Join(all, "; or ")
}

// An argument as its parameter understands it.
type argument struct {
	series lifeboat.Series
	of     string // a holding, class or kind of group
	class  bool
	window window
	value  float64
}

const (
	// spikeSessions is how many sessions make the usual volume when nobody says otherwise.
	spikeSessions = 20
	// decayUsual is what RiskMetrics takes for daily returns.
	decayUsual = 0.94
	// participationUsual is the share of a market's volume that can be sold without moving it much.
	participationUsual = 0.10
	// Fewer returns than these say nothing about how two series move together, or about a tail.
	pairLeast, tailLeast = 3, 20
)

// functions by name. The first form is the one that is suggested.
var functions = map[string][]form{
	"price": {{example: "price(SPY)", params: []param{aSeries}, note: "the latest value, the same as `SPY`", read: func(s *scope, name string, a []argument) *use {
		return s.level(name, a[0].series)
	}}},
	"volume": {{example: "volume(SPY)", params: []param{aSeries}, note: "of the session so far", read: func(s *scope, name string, a []argument) *use {
		return s.level(name, a[0].series+".volume")
	}}},
	"ma": {{example: "ma(SPY, 200d)", params: []param{aSeries, aWindow}, note: "of the closes, the latest value counting as the last; of all readings in a window of time",
		read: func(s *scope, name string, a []argument) *use { return s.average(name, a[0].series, a[1].window) }}},
	"max": {{example: "max(SPY, 250d)", params: []param{aSeries, aWindow}, note: "of any reading, the latest among them", read: func(s *scope, name string, a []argument) *use {
		return s.over(name, signal.Max, a[0].series, a[1].window, "the highest reading of %s in %s")
	}}},
	"min": {{example: "min(SPY, 250d)", params: []param{aSeries, aWindow}, note: "of any reading, the latest among them", read: func(s *scope, name string, a []argument) *use {
		return s.over(name, signal.Min, a[0].series, a[1].window, "the lowest reading of %s in %s")
	}}},
	"drawdown": {
		{example: "drawdown(SPY)", params: []param{aSeries}, note: "a positive share: a fall of 10 % is `10%`", read: func(s *scope, name string, a []argument) *use {
			return s.drawdown(name, a[0].series, window{})
		}},
		{example: "drawdown(SPY, 20d)", params: []param{aSeries, aWindow}, read: func(s *scope, name string, a []argument) *use {
			return s.drawdown(name, a[0].series, a[1].window)
		}},
	},
	"return": {{example: "return(SPY, 5d)", params: []param{aSeries, aWindow}, note: "against the close that many sessions before, minus one; a loss has a minus sign",
		read: func(s *scope, name string, a []argument) *use { return s.change(name, a[0].series, a[1].window) }}},
	"change": {{example: "change(DGS10, 5d)", params: []param{aSeries, aWindow}, note: "the difference in the series' own unit", read: func(s *scope, name string, a []argument) *use {
		return s.over(name, signal.Change, a[0].series, a[1].window, "the change of %s over %s")
	}}},
	"stddev": {{example: "stddev(VIX, 20d)", params: []param{aSeries, aWindow}, least: 2, note: "of the closes, with n - 1 in the divisor", read: func(s *scope, name string, a []argument) *use {
		return s.over(name, signal.Deviation, a[0].series, a[1].window, "the standard deviation of %s over %s").within(notNegative)
	}}},
	"zscore": {{example: "zscore(VIX, 60d)", params: []param{aSeries, aWindow}, least: 2, note: "how many standard deviations the latest value lies above the average",
		read: func(s *scope, name string, a []argument) *use {
			u := s.over(name, signal.ZScore, a[0].series, a[1].window, "the z-score of %s over %s")
			u.typ = Count
			return u
		}}},
	"quantile": {{example: "quantile(SPY, 5%, 250d)", params: []param{aSeries, aFraction, aWindow}, least: 2, note: "type 7, between the closes", read: func(s *scope, name string, a []argument) *use {
		u := s.over(name, signal.Quantile, a[0].series, a[2].window, "the "+percentFormat(a[1].value)+" quantile of %s over %s")
		u.node.Level = a[1].value
		return u
	}}},
	"volume_spike": {
		{example: "volume_spike(SPY)", params: []param{aSeries}, note: "the session so far against the mean of the 20 sessions before", read: func(s *scope, name string, a []argument) *use {
			return s.spike(name, string(a[0].series), spikeSessions)
		}},
		{example: "volume_spike(SPY, 60d)", params: []param{aSeries, aSessions}, read: func(s *scope, name string, a []argument) *use {
			return s.spike(name, string(a[0].series), a[1].window.sessions)
		}},
	},
	"ewma": {
		{example: "ewma(SPY)", params: []param{aSeries}, note: "of daily returns, as RiskMetrics estimates it with a decay of 0.94", read: func(s *scope, name string, a []argument) *use {
			return s.volatility(name, a[0].series, decayUsual)
		}},
		{example: "ewma(SPY, 0.97)", params: []param{aSeries, aDecay}, note: "a larger decay remembers longer", read: func(s *scope, name string, a []argument) *use {
			return s.volatility(name, a[0].series, a[1].value)
		}},
	},
	"var": {
		{example: "var(95%)", params: []param{aConfidence}, note: "historical simulation over what is held now", read: func(s *scope, name string, a []argument) *use {
			return s.book(name, signal.Node{Op: signal.VaR, Level: a[0].value}, "the portfolio's one-day "+percentWords(a[0].value)+" value at risk")
		}},
		{example: "var(SPY, 95%, 250d)", params: []param{aSeries, aConfidence, aSessions}, least: tailLeast, note: "of the daily returns of one series", read: func(s *scope, name string, a []argument) *use {
			return s.tail(name, signal.ReturnVaR, a, "value at risk")
		}},
	},
	"es": {
		{example: "es(95%)", params: []param{aConfidence}, note: "the mean of the losses beyond the value at risk", read: func(s *scope, name string, a []argument) *use {
			return s.book(name, signal.Node{Op: signal.ES, Level: a[0].value}, "the portfolio's one-day "+percentWords(a[0].value)+" expected shortfall")
		}},
		{example: "es(SPY, 95%, 250d)", params: []param{aSeries, aConfidence, aSessions}, least: tailLeast, note: "of the daily returns of one series", read: func(s *scope, name string, a []argument) *use {
			return s.tail(name, signal.ReturnES, a, "expected shortfall")
		}},
	},
	"correlation": {{example: "correlation(SPY, TLT, 60d)", params: []param{aSeries, aSeries, aSessions}, least: pairLeast, note: "of their daily returns, from -1 to 1", read: func(s *scope, name string, a []argument) *use {
		return s.pair(name, signal.Correlation, a, "the correlation of %s and %s").across(a[2].window).within(minus1To1)
	}}},
	"beta": {{example: "beta(SPY, QQQ, 60d)", params: []param{aSeries, aSeries, aSessions}, least: pairLeast, note: "by how much the first moves when the second moves by one", read: func(s *scope, name string, a []argument) *use {
		return s.pair(name, signal.Beta, a, "the beta of %s to %s").across(a[2].window)
	}}},
	"spread": {
		{example: "spread(USDC)", params: []param{aSeries}, note: "the highest of its fresh sources over the lowest, minus one; it wants two", read: func(s *scope, name string, a []argument) *use {
			u := s.over(name, signal.Spread, a[0].series, window{}, "the disagreement of the sources of %s").within(smallFraction)
			u.typ = Ratio
			return u
		}},
		{example: "spread(USDC, USDT)", params: []param{aSeries, aSeries}, note: "the higher over the lower, minus one", read: func(s *scope, name string, a []argument) *use {
			return s.pair(name, signal.Apart, a, "the gap between %s and %s").within(notNegative)
		}},
	},
	"disagreement": {{example: "disagreement(USDC)", params: []param{aSeries}, note: "the highest of its fresh sources less the lowest, as a share of their median; it wants two, and is known below a quorum too",
		read: func(s *scope, name string, a []argument) *use {
			u := s.over(name, signal.Disagreement, a[0].series, window{}, "how far apart the sources of %s are").within(smallFraction)
			u.typ = Ratio
			return u
		}}},
	"age": {{example: "age(SPY)", params: []param{aSeries}, note: "counts only while its exchange is open; known while the series is silent", read: func(s *scope, name string, a []argument) *use {
		return &use{name: name, node: signal.Node{Op: signal.Age, Of: string(a[0].series)}, typ: Duration,
			words: "the market time since the last reading of " + string(a[0].series)}
	}}},
	"stale": {{example: "stale(SPY)", params: []param{aSeries}, note: "true also when none ever spoke; always known", read: func(s *scope, name string, a []argument) *use {
		return &use{name: name, node: signal.Node{Op: signal.Stale, Of: string(a[0].series)}, typ: Boolean,
			words: "no source of " + string(a[0].series) + " is fresh", denied: "a source of " + string(a[0].series) + " is fresh"}
	}}},
	"weight": {{example: "weight(equities)", params: []param{aHolding}, note: "of a symbol or a class, in everything registered", read: func(s *scope, name string, a []argument) *use {
		return s.part(name, a[0], signal.Weight, signal.ClassWeight, "the share of ").within(zeroToOne)
	}}},
	"value": {{example: "value(equities)", params: []param{aHolding}, note: "of a symbol or a class, over all accounts", read: func(s *scope, name string, a []argument) *use {
		u := s.part(name, a[0], signal.Value, signal.ClassValue, "the value of ")
		u.typ = Money
		return u
	}}},
	"portfolio_return": {{example: "portfolio_return(5d)", params: []param{aSessions}, note: "against its last value of the session that many before", read: func(s *scope, name string, a []argument) *use {
		return s.book(name, signal.Node{Op: signal.PortfolioReturn, N: a[0].window.sessions}, "the portfolio's return over "+a[0].window.words()).within(fromMinus1)
	}}},
	"hhi": {{example: "hhi(sector)", params: []param{aKind}, note: "the sum of the squared shares: 1 is one group, 0.1 is ten of a size; by symbol, class, sector, chain, protocol or custodian",
		read: func(s *scope, name string, a []argument) *use {
			return s.book(name, signal.Node{Op: signal.Herfindahl, Of: a[0].of}, "the Herfindahl index of the portfolio by "+a[0].of)
		}}},
	"concentration": {{example: "concentration(chain)", params: []param{aKind}, note: "cash is no group, nor is what names none", read: func(s *scope, name string, a []argument) *use {
		return s.concentrated(name, a[0].of)
	}}},
	"days_to_exit": {{example: "days_to_exit(10%)", params: []param{aParticipation}, note: "as long as the slowest holding takes; not known while the volume of one is not", read: func(s *scope, name string, a []argument) *use {
		return s.exit(name, a[0].value)
	}}},
	"exitable": {{example: "exitable(5d, 10%)", params: []param{aSessions, aParticipation}, note: "cash counts at once", read: func(s *scope, name string, a []argument) *use {
		words := "the share of the portfolio that can be sold within " + a[0].window.words() + " at " + percentWords(a[1].value) + " of the usual volume"
		return s.book(name, signal.Node{Op: signal.Exitable, N: a[0].window.sessions, Level: a[1].value}, words)
	}}},
}

// also are other names for functions, as people know them elsewhere.
var also = map[string]string{"avg": "ma", "share": "weight", "sum": "value"}

// elsewhere are names that functions have in other programs. They are not understood, but told what to write.
var elsewhere = map[string]string{
	"sma": "ma", "average": "ma", "mean": "ma", "highest": "max", "lowest": "min", "std": "stddev", "stdev": "stddev",
	"percentile": "quantile", "cvar": "es", "expected_shortfall": "es", "pct_change": "return", "roc": "return", "corr": "correlation",
	"crosses_above": "crossed_above", "crossover": "crossed_above", "crosses_below": "crossed_below", "crossunder": "crossed_below",
	"minimum": "least", "maximum": "greatest",
}

// function finds one by any of its names.
func function(name string) (forms []form, known bool) {
	name = strings.ToLower(name)
	if same, is := also[name]; is {
		name = same
	}
	forms, known = functions[name]
	return forms, known
}

func (s *scope) part(name string, a argument, symbol, class signal.Op, words string) *use {
	q := signal.Node{Op: symbol, Of: a.of}
	if a.class {
		q.Op = class
	}
	return s.book(name, q, words+a.of).within(anyScale)
}

func (c *checker) call(e *expression) {
	name := strings.ToLower(e.text)
	forms, known := function(name)
	if !known {
		names := slices.Sorted(maps.Keys(functions))
		names = append(append(names, slices.Sorted(maps.Keys(also))...), slices.Sorted(maps.Keys(operators))...)
		c.fault(e, fmt.Sprintf("there is no function %s", e.text), cmp.Or(elsewhere[name], prose.Nearest(name, names)))
		return
	}
	f, fits := c.form(e, forms)
	if !fits {
		c.fault(e, fmt.Sprintf("%s wants %s", name, wants(forms)), f.example)
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

// form chooses by the number of arguments. Where only the portfolio is meant by so few and a series is named, or none
// fits, it returns the form to suggest.
func (c *checker) form(e *expression, forms []form) (f form, fits bool) {
	for _, f := range forms {
		if len(f.params) != len(e.args) {
			continue
		}
		if f.params[0] == aConfidence && len(forms) > 1 && e.args[0].kind == aReference {
			return forms[1], false
		}
		return f, true
	}
	return forms[0], false
}

// callName is the call in one spelling, which is the name of its value in a firing.
func (c *checker) callName(function string, e *expression) string {
	var args []string
	for _, a := range e.args {
		args = append(args, strings.Trim(c.text(a), `()'" `))
	}
	return function + "(" + strings.Join(args, ", ") + ")"
}

func (c *checker) argument(e *expression, p param, f form) (a argument, fine bool) {
	switch p {
	case aSeries, aHolding, aKind:
		return c.named(e, p, f)
	case aWindow, aSessions:
		a.window, fine = c.window(e, p == aSessions, max(f.least, 1))
		return a, fine
	}
	return c.figure(e, p)
}

// named is an argument that is the name of something.
func (c *checker) named(e *expression, p param, f form) (a argument, fine bool) {
	what := map[param]string{aSeries: "a series", aHolding: "a holding or class", aKind: "a kind of group"}[p]
	if e.kind != aReference {
		if _, known := c.spelled(c.text(e)); known {
			c.fault(e, fmt.Sprintf("%s has signs in it; a name that has them stands in quotes", c.text(e)), inQuotes(c.text(e)))
			return a, false
		}
		c.fault(e, fmt.Sprintf("%s is not the name of %s", c.text(e), what), f.example)
		return a, false
	}
	switch p {
	case aSeries:
		if a.series, fine = c.series(e.text); !fine {
			c.fault(e, fmt.Sprintf("nothing provides the series %s", e.text), prose.Nearest(e.text, slices.Concat(c.env.Series, c.env.Symbols, wellKnown)))
		}
	case aHolding:
		if a.of, a.class, fine = c.holding(e.text); !fine {
			c.fault(e, fmt.Sprintf("nothing held is called %s, and no class is", e.text), prose.Nearest(e.text, slices.Concat(c.env.Symbols, c.classes)))
		}
	case aKind:
		a.of = strings.ToLower(e.text)
		if fine = slices.Contains(signal.Kinds, a.of); !fine {
			c.fault(e, fmt.Sprintf("the portfolio is not grouped by %s, but by %s", e.text, strings.Join(signal.Kinds, ", ")), prose.Nearest(a.of, signal.Kinds))
		}
	}
	return a, fine
}

// figure is an argument that is a number within bounds.
func (c *checker) figure(e *expression, p param) (a argument, fine bool) {
	a.value = e.value
	share := e.kind == aLiteral && (e.typ == Ratio && strings.HasSuffix(e.text, "%") || e.plain)
	switch v := e.value; p {
	case aConfidence:
		if fine = share && v > 0.5 && v < 1; !fine {
			c.fault(e, "a confidence is a percentage above 50% and below 100%", "95%")
		}
	case aFraction:
		if fine = share && v > 0 && v < 1; !fine {
			c.fault(e, "a quantile is a percentage above 0% and below 100%", c.orElse(e, "5%"))
		}
	case aDecay:
		if fine = e.kind == aLiteral && e.plain && v > 0 && v < 1; !fine {
			c.fault(e, "a decay is a number above 0 and below 1; 0.94 is usual", "0.94")
		}
	case aParticipation:
		if fine = share && v > 0 && v <= 1; !fine {
			c.fault(e, "a share of the usual volume is a percentage above 0% and up to 100%", c.orElse(e, "10%"))
		}
	}
	return a, fine
}

// orElse suggests the same figure as a percentage if that is possible, else another.
func (c *checker) orElse(e *expression, usual string) string {
	if e.kind == aLiteral && e.plain && e.value > 1 && e.value < 100 {
		return c.asPercent(e)
	}
	return usual
}

const day = 24 * 60 * 60 // seconds

// window is a whole number of sessions, written 200d, or a span of wall time, written 15m or 4h.
func (c *checker) window(e *expression, sessionsOnly bool, least int) (w window, fine bool) {
	text := c.text(e)
	switch {
	case e.kind == aLiteral && e.plain && e.value == math.Trunc(e.value):
		c.fault(e, fmt.Sprintf("a window is counted in sessions, and %s is a number", text), text+"d")
	case sessionsOnly && (e.kind != aLiteral || e.typ != Duration):
		c.fault(e, fmt.Sprintf("this is a whole number of sessions such as 20d, not %s", text), "")
	case e.kind != aLiteral || e.typ != Duration:
		c.fault(e, fmt.Sprintf("a window is a whole number of sessions such as 200d, or a time such as 15m or 4h, not %s", text), "")
	case strings.Contains(e.units, "w"):
		c.fault(e, fmt.Sprintf("%s is either sessions, of which a week has five, or a time that runs around the clock", text), weeks(e.value))
	case strings.Trim(e.units, "d") == "":
		return c.sessions(e, least)
	case strings.Contains(e.units, "d"):
		c.fault(e, fmt.Sprintf("a window is either sessions such as 200d or a time such as 36h, and %s is both", text), hours(e.value))
	case sessionsOnly:
		c.fault(e, fmt.Sprintf("this is counted in sessions such as 20d, and %s is a time", text), "")
	case e.value < 1 || e.value > signal.SpanMax.Seconds():
		c.fault(e, fmt.Sprintf("a window of time is 1s to %dh, not %s", int(signal.SpanMax.Hours()), text), "")
	default:
		return window{span: seconds(e.value)}, true
	}
	return w, false
}

func (c *checker) sessions(e *expression, least int) (w window, fine bool) {
	n := e.value / day
	switch {
	case n != math.Trunc(n):
		c.fault(e, fmt.Sprintf("a window is a whole number of sessions such as 200d, not %s", c.text(e)), hours(e.value))
	case n < float64(least) || n > signal.WindowMax:
		c.fault(e, fmt.Sprintf("a window is %dd to %dd, not %s", least, signal.WindowMax, c.text(e)), "")
	default:
		return window{sessions: int(n)}, true
	}
	return w, false
}

// weeks is what somebody may have meant who wrote 2w.
func weeks(seconds float64) string {
	const sessionsAWeek = 5
	if n := seconds / (7 * day) * sessionsAWeek; n == math.Trunc(n) {
		return fmt.Sprintf("%.0fd, or %s for a market that never closes", n, hours(seconds))
	}
	return hours(seconds)
}

func hours(seconds float64) string { return strconv.FormatFloat(seconds/3600, 'f', -1, 64) + "h" }

// words of a window, for a sentence.
func (w window) words() string {
	if w.sessions > 0 {
		return count(w.sessions, "session")
	}
	return spanWords(w.span)
}

// String is the window as an owner would write it.
func (w window) String() string {
	if w.sessions > 0 {
		return strconv.Itoa(w.sessions) + "d"
	}
	var written string
	rest := w.span
	for _, unit := range []struct {
		sign string
		of   time.Duration
	}{{"h", time.Hour}, {"m", time.Minute}} {
		if n := rest / unit.of; n > 0 {
			written += strconv.Itoa(int(n)) + unit.sign
			rest -= n * unit.of
		}
	}
	if rest > 0 {
		written += strconv.FormatFloat(rest.Seconds(), 'f', -1, 64) + "s"
	}
	return written
}

// spanWords says a duration as people do: 1 hour and 30 minutes.
func spanWords(d time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		name string
		of   time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		if n := d / unit.of; n > 0 {
			parts = append(parts, prose.Count(int(n), unit.name))
			d -= n * unit.of
		}
	}
	if d > 0 || len(parts) == 0 {
		s := strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " second"
		if d != time.Second {
			s += "s"
		}
		parts = append(parts, s)
	}
	if last := len(parts) - 1; last > 0 {
		return strings.Join(parts[:last], ", ") + " and " + parts[last]
	}
	return parts[0]
}

// percentFormat is percentWords within a format.
func percentFormat(v float64) string { return strings.ReplaceAll(percentWords(v), "%", "%%") }

func percentWords(v float64) string { return strconv.FormatFloat(v*100, 'g', 12, 64) + " %" }

func seconds(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }
