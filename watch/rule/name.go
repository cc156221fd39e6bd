package rule

import (
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

// scale bounds what a ratio can be, so that a percent written as a bare number is noticed.
type scale uint8

const (
	anyScale   scale = iota
	zeroToOne        // drawdown, weight, value at risk
	fromMinus1       // a return loses all at most
)

// A use is what a name or a call reads: a node of the engine, or a signal of the plan.
type use struct {
	name  string // the owner's
	node  signal.Node
	typ   Type
	span  scale
	needs []lifeboat.Series // fresh
	book  bool              // reads the portfolio
	words string            // for a sentence
	of    *expression       // of a signal in the plan
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
	"portfolio_value":    {node: signal.Node{Op: signal.PortfolioValue}, typ: Money, words: "the portfolio's value"},
	"portfolio_drawdown": {node: signal.Node{Op: signal.PortfolioDrawdown}, typ: Ratio, span: zeroToOne, words: "the portfolio's fall from its highest value"},
	"daily_return":       {node: signal.Node{Op: signal.PortfolioReturn}, typ: Ratio, span: fromMinus1, words: "the portfolio's return since the previous session"},
	"cash_weight":        {node: signal.Node{Op: signal.CashWeight}, typ: Ratio, span: zeroToOne, words: "the share of cash"},
	"var_1d_95":          {node: signal.Node{Op: signal.VaR, Level: 0.95}, typ: Ratio, span: zeroToOne, words: "the one-day 95 % value at risk"},
}

var patterns = regexp.MustCompile(`(?i)^(.+?)_(?:(\d{1,4})d_(ma|ma_breach)|(drawdown|daily_return|volume_spike))$`)

// name finds what a bare name reads; nil when nobody offers it.
func (s *scope) name(name string) *use {
	lower := strings.ToLower(name)
	if u, known := portfolioSignals[lower]; known {
		u.name, u.book = name, true
		return &u
	}
	if lower == "volume_spike" {
		return s.spike(name, s.env.Benchmark)
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
	sessions, err := strconv.Atoi(m[2])
	if err == nil && (sessions < 1 || sessions > signal.WindowMax) {
		return nil
	}
	switch strings.ToLower(m[3] + m[4]) {
	case "drawdown":
		return s.drawdown(name, series)
	case "daily_return":
		return s.change(name, series, 1)
	case "volume_spike":
		return s.spike(name, string(series))
	case "ma":
		return s.average(name, series, sessions)
	}
	return s.breach(name, series, sessions)
}

func (s *scope) level(name string, series lifeboat.Series) *use {
	words := string(series)
	if symbol, column := series.Column(); column == "volume" {
		words = "the volume of " + symbol
	}
	return &use{name: name, node: signal.Node{Op: signal.Level, Of: string(series)}, typ: s.typeOf(series), needs: []lifeboat.Series{series}, words: words}
}

func (s *scope) drawdown(name string, series lifeboat.Series) *use {
	return &use{name: name, node: signal.Node{Op: signal.Drawdown, Of: string(series)}, typ: Ratio, span: zeroToOne,
		needs: []lifeboat.Series{series}, words: "the fall of " + string(series) + " from its highest level"}
}

func (s *scope) change(name string, series lifeboat.Series, sessions int) *use {
	return &use{name: name, node: signal.Node{Op: signal.Return, Of: string(series), N: sessions}, typ: Ratio, span: fromMinus1,
		needs: []lifeboat.Series{series}, words: "the return of " + string(series) + " over " + count(sessions, "session")}
}

func (s *scope) average(name string, series lifeboat.Series, sessions int) *use {
	return &use{name: name, node: signal.Node{Op: signal.Average, Of: string(series), N: sessions}, typ: s.typeOf(series),
		needs: []lifeboat.Series{series}, words: "the average of " + string(series) + " over " + count(sessions, "session")}
}

func (s *scope) breach(name string, series lifeboat.Series, sessions int) *use {
	return &use{name: name, node: signal.Node{Op: signal.Breach, Of: string(series), N: sessions}, typ: Boolean,
		needs: []lifeboat.Series{series}, words: string(series) + " is below its average over " + count(sessions, "session")}
}

func (s *scope) spike(name, symbol string) *use {
	volume := lifeboat.Series(symbol + ".volume")
	return &use{name: name, node: signal.Node{Op: signal.Spike, Of: string(volume)}, typ: Ratio,
		needs: []lifeboat.Series{volume}, words: "the volume of " + symbol + " against its mean over 20 sessions"}
}

// typeOf a series: what is held has a price in money; a volume is a count; of the rest nobody knows more than that it
// is a level, which may be compared with money.
func (s *scope) typeOf(series lifeboat.Series) Type {
	if symbol, column := series.Column(); column != "volume" && slices.Contains(s.env.Symbols, symbol) {
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
	known := []string{"portfolio_value", "portfolio_drawdown", "daily_return", "cash_weight", "var_1d_95", "volume_spike", "true", "false"}
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
