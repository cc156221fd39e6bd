package rule

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/watch/signal"
)

// wellKnown are market series that may be named although nothing in the plan offers them: a check without a tape cannot
// know what a drill's history or a feed will bring. One that never comes is reported as a gap.
var wellKnown = []string{
	"SPX", "SPY", "QQQ", "NDX", "DIA", "IWM", "RUT", "EFA", "EEM", "VT", "VTI", "VOO", // equities
	"TLT", "IEF", "SHY", "AGG", "BND", "LQD", "HYG", "TIP", "T10Y", // bonds
	"GLD", "SLV", "USO", "DBC", "VNQ", // commodities, real estate
	"VIX", "VIX3M", "VVIX", "MOVE", "DXY", // context
	"DGS1MO", "DGS3MO", "DGS6MO", "DGS1", "DGS2", "DGS5", "DGS10", "DGS20", "DGS30", // Treasury yields, in percent
	"BTC", "ETH", "SOL", "USDC", "USDT", "DAI", "USDE", "UST", "LUNA", "STETH", "WSTETH", "WBTC", // crypto
}

var columns = []string{"open", "high", "low", "close", "volume"}

// scale bounds what a value can be, so that a percent written as a bare number is noticed.
type scale uint8

const (
	anyScale      scale = iota
	zeroToOne           // drawdown, weight, value at risk
	fromMinus1          // a return loses all at most
	minus1To1           // a correlation
	notNegative         // a deviation, a gap, a count of sessions
	smallFraction       // not negative, and in practice far below 1: a daily volatility
)

// A use is what a name or a call reads: a node of the engine, or a signal of the plan.
type use struct {
	name   string // the owner's
	node   signal.Node
	typ    Type
	span   scale
	needs  []lifeboat.Series // fresh
	book   bool              // reads the portfolio
	words  string            // for a sentence
	denied string            // for the contrary of one that is true or false
	of     *expression       // of a signal in the plan
}

// within says what bounds the value.
func (u *use) within(span scale) *use {
	u.span = span
	return u
}

// across gives a use that reads two series its window.
func (u *use) across(w window) *use {
	u.node.N, u.node.Span = w.sessions, w.span
	u.words += " over " + w.words()
	return u
}

// A scope resolves names.
type scope struct {
	env     Env
	classes []string
	signals map[string]*defined // :: name → signal of the plan
}

// defined is a signal of the plan, checked when it is first used.
type defined struct {
	plan.Signal
	root     *expression
	size     int
	faults   []Fault
	cause    string // of the first fault, when it lies in another signal
	checking bool
	done     bool
}

func newScope(env Env) *scope {
	if env.Benchmark == "" {
		env.Benchmark = "SPY"
	}
	s := &scope{env: env, classes: append(slices.Clone(env.Classes), "cash"), signals: map[string]*defined{}}
	for _, signal := range env.Signals {
		s.signals[signal.Name] = &defined{Signal: signal}
	}
	return s
}

// portfolioSignals by the names of the owner.
var portfolioSignals = map[string]use{
	"portfolio_value":         {node: signal.Node{Op: signal.PortfolioValue}, typ: Money, words: "the portfolio's value"},
	"portfolio_drawdown":      {node: signal.Node{Op: signal.PortfolioDrawdown}, typ: Ratio, span: zeroToOne, words: "the portfolio's fall from its highest value"},
	"portfolio_max_drawdown":  {node: signal.Node{Op: signal.PortfolioMaxDrawdown}, typ: Ratio, span: zeroToOne, words: "the deepest fall of the portfolio so far"},
	"max_drawdown":            {node: signal.Node{Op: signal.PortfolioMaxDrawdown}, typ: Ratio, span: zeroToOne, words: "the deepest fall of the portfolio so far"},
	"daily_return":            {node: signal.Node{Op: signal.PortfolioReturn, N: 1}, typ: Ratio, span: fromMinus1, words: "the portfolio's return since the previous session"},
	"cash_weight":             {node: signal.Node{Op: signal.CashWeight}, typ: Ratio, span: zeroToOne, words: "the share of cash"},
	"var_1d_95":               {node: signal.Node{Op: signal.VaR, Level: 0.95}, typ: Ratio, span: zeroToOne, words: "the portfolio's one-day 95 % value at risk"},
	"es_1d_95":                {node: signal.Node{Op: signal.ES, Level: 0.95}, typ: Ratio, span: zeroToOne, words: "the portfolio's one-day 95 % expected shortfall"},
	"sector_concentration":    *concentrated("sector"),
	"chain_concentration":     *concentrated("chain"),
	"protocol_concentration":  *concentrated("protocol"),
	"custodian_concentration": *concentrated("custodian"),
	"liquidity_days":          *exit(participationUsual),
}

func concentrated(kind string) *use {
	return &use{node: signal.Node{Op: signal.Concentration, Of: kind}, typ: Ratio, span: zeroToOne, words: "the largest share that any one " + kind + " has"}
}

func exit(participation float64) *use {
	return &use{node: signal.Node{Op: signal.DaysToExit, Level: participation}, typ: Count, span: notNegative,
		words: "the number of sessions it takes to sell every holding at " + percentWords(participation) + " of its usual volume"}
}

// patterns are names made of a series and what is asked of it: spy_200d_ma_breach, spy_drawdown.
var patterns = regexp.MustCompile(`(?i)^(.+?)_(?:(\d{1,4})d_(ma|ma_breach|return|drawdown|high|low)|(drawdown|daily_return|volume_spike))$`)

// name finds what a bare name reads; nil when nobody offers it.
func (s *scope) name(name string) *use {
	lower := strings.ToLower(name)
	if u, known := portfolioSignals[lower]; known {
		u.name, u.book = name, true
		return &u
	}
	if lower == "volume_spike" {
		return s.spike(name, s.env.Benchmark, spikeSessions)
	}
	if series, known := s.series(name); known {
		return s.level(name, series)
	}
	m := patterns.FindStringSubmatch(name)
	if m == nil {
		return nil
	}
	series, known := s.series(m[1])
	if !known {
		return nil
	}
	n, err := strconv.Atoi(m[2])
	if err == nil && (n < 1 || n > signal.WindowMax) {
		return nil
	}
	return s.pattern(name, series, strings.ToLower(m[3]+m[4]), window{sessions: n})
}

func (s *scope) pattern(name string, series lifeboat.Series, asked string, w window) *use {
	switch asked {
	case "drawdown":
		return s.drawdown(name, series, w)
	case "daily_return":
		return s.change(name, series, window{sessions: 1})
	case "return":
		return s.change(name, series, w)
	case "volume_spike":
		return s.spike(name, string(series), spikeSessions)
	case "ma":
		return s.average(name, series, w)
	case "high":
		return s.over(name, signal.Max, series, w, "the highest reading of %s in %s")
	case "low":
		return s.over(name, signal.Min, series, w, "the lowest reading of %s in %s")
	}
	return s.breach(name, series, w)
}

func (s *scope) level(name string, series lifeboat.Series) *use {
	return s.over(name, signal.Level, series, window{}, "%s")
}

// over is a node of one series, in the series' own unit. The words take the series, and the window where there is one.
func (s *scope) over(name string, op signal.Op, series lifeboat.Series, w window, words string) *use {
	u := &use{name: name, node: signal.Node{Op: op, Of: string(series), N: w.sessions, Span: w.span}, typ: s.typeOf(series), needs: []lifeboat.Series{series}}
	if w == (window{}) {
		u.words = fmt.Sprintf(words, spoken(series))
	} else {
		u.words = fmt.Sprintf(words, spoken(series), w.words())
	}
	return u
}

// spoken is how a series is called in a sentence.
func spoken(series lifeboat.Series) string {
	if symbol, column := series.Column(); column != "" {
		return "the " + column + " of " + symbol
	}
	return string(series)
}

func (s *scope) drawdown(name string, series lifeboat.Series, w window) *use {
	words := "the fall of %s from its highest level"
	if w != (window{}) {
		words += " in %s"
	}
	u := s.over(name, signal.Drawdown, series, w, words).within(zeroToOne)
	u.typ = Ratio
	return u
}

func (s *scope) change(name string, series lifeboat.Series, w window) *use {
	u := s.over(name, signal.Return, series, w, "the return of %s over %s").within(fromMinus1)
	u.typ = Ratio
	return u
}

func (s *scope) average(name string, series lifeboat.Series, w window) *use {
	return s.over(name, signal.Average, series, w, "the average of %s over %s")
}

func (s *scope) breach(name string, series lifeboat.Series, w window) *use {
	u := s.over(name, signal.Breach, series, w, "%s is below its average over %s")
	u.typ, u.denied = Boolean, fmt.Sprintf("%s is not below its average over %s", spoken(series), w.words())
	return u
}

func (s *scope) spike(name, symbol string, sessions int) *use {
	volume := lifeboat.Series(symbol + ".volume")
	return &use{name: name, node: signal.Node{Op: signal.Spike, Of: string(volume), N: sessions}, typ: Ratio, span: notNegative,
		needs: []lifeboat.Series{volume}, words: "the volume of " + symbol + " against its mean over " + count(sessions, "session")}
}

func (s *scope) volatility(name string, series lifeboat.Series, decay float64) *use {
	u := s.over(name, signal.EWMA, series, window{}, "the exponentially weighted daily volatility of %s").within(smallFraction)
	u.typ, u.node.Level = Ratio, decay
	if decay != decayUsual {
		u.words += " with a decay of " + strconv.FormatFloat(decay, 'f', -1, 64)
	}
	return u
}

// tail is a measure of the daily losses of one series: its arguments are the series, a confidence and sessions.
func (s *scope) tail(name string, op signal.Op, a []argument, measure string) *use {
	u := s.over(name, op, a[0].series, a[2].window, "the one-day "+percentFormat(a[1].value)+" "+measure+" of %s over %s").within(zeroToOne)
	u.typ, u.node.Level = Ratio, a[1].value
	return u
}

// pair is a node of two series. The words take both.
func (s *scope) pair(name string, op signal.Op, a []argument, words string) *use {
	one, other := a[0].series, a[1].series
	return &use{name: name, node: signal.Node{Op: op, Of: string(one), With: string(other)}, typ: Ratio,
		needs: []lifeboat.Series{one, other}, words: fmt.Sprintf(words, spoken(one), spoken(other))}
}

// book is a node of the portfolio; most are shares of it.
func (s *scope) book(name string, q signal.Node, words string) *use {
	return &use{name: name, node: q, typ: Ratio, span: zeroToOne, book: true, words: words}
}

func (s *scope) concentrated(name, kind string) *use {
	u := concentrated(kind)
	u.name, u.book = name, true
	return u
}

func (s *scope) exit(name string, participation float64) *use {
	u := exit(participation)
	u.name, u.book = name, true
	return u
}

// typeOf a series: what is held has a price in money; a volume is a count; of the rest nobody knows more than that it
// is a level, which may be compared with money.
func (s *scope) typeOf(series lifeboat.Series) Type {
	symbol, column := series.Column()
	switch {
	case column == "volume":
		return Count
	case slices.Contains(s.env.Symbols, symbol):
		return Money
	}
	return Number
}

// series finds the one that a name means, whatever its case; "SPY.close" is SPY.
func (s *scope) series(name string) (lifeboat.Series, bool) {
	if found, known := s.spelled(name); known {
		return lifeboat.Series(found), true
	}
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return "", false
	}
	symbol, known := s.spelled(name[:i])
	column := strings.ToLower(name[i+1:])
	switch {
	case !known || !slices.Contains(columns, column):
		return "", false
	case column == "close":
		return lifeboat.Series(symbol), true
	}
	return lifeboat.Series(symbol + "." + column), true
}

// spelled is the true spelling of a name.
func (s *scope) spelled(name string) (string, bool) {
	lists := [][]string{s.env.Series, s.env.Symbols, wellKnown}
	for _, list := range lists {
		if slices.Contains(list, name) {
			return name, true
		}
	}
	for _, list := range lists {
		for _, known := range list {
			if strings.EqualFold(known, name) {
				return known, true
			}
		}
	}
	return "", false
}

// holding finds the symbol or class that a name means.
func (s *scope) holding(name string) (of string, class, known bool) {
	for _, symbol := range s.env.Symbols {
		if strings.EqualFold(symbol, name) {
			return symbol, false, true
		}
	}
	for _, class := range s.classes {
		if strings.EqualFold(class, name) {
			return class, true, true
		}
	}
	return "", false, false
}

// vocabulary is everything that a mistyped name may have been meant to be.
func (s *scope) vocabulary() []string {
	known := append(slices.Sorted(maps.Keys(portfolioSignals)), "volume_spike", "true", "false")
	for _, signal := range s.env.Signals {
		known = append(known, signal.Name)
	}
	known = append(append(append(known, s.env.Series...), s.env.Symbols...), wellKnown...)
	for _, series := range slices.Concat(s.env.Series, s.env.Symbols, []string{s.env.Benchmark}) {
		low := strings.ToLower(series)
		known = append(known, low+"_200d_ma_breach", low+"_50d_ma_breach", low+"_200d_ma", low+"_drawdown", low+"_daily_return", low+"_volume_spike")
	}
	return known
}

func count(n int, noun string) string {
	if n == 1 {
		return "one " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
