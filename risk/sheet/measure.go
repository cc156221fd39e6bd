package sheet

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/prose"
	"lifeboat/risk"
)

// Weight of one asset in the portfolio, as a fraction of wealth; negative is short.
type Weight struct {
	Asset    string
	Fraction float64
}

// Options of [Measure].
type Options struct {
	Weights       []Weight  // of the portfolio; none takes equal weights of all assets
	Confidence    []float64 // of every VaR and ES; the first is that of the components
	Lambda        float64   // decay of the EWMA
	Least         float64   // acceptable return per period, for the downside deviation
	Periods       float64   // in a year
	Benchmark, RF string    // columns that are no assets; "" for none
	TailThreshold *float64  // loss from which the tail is fitted; nil for no tail
	Spread        *float64  // between bid and ask; nil for no liquidity
	Notional      float64   // value of the portfolio, for the liquidity
	Draws         int       // of the simulation
	Seed          uint64    // of the simulation
}

// Limits of one measurement: the second bounds draws × assets, the time that drawing takes.
const (
	confidencesMax = 20
	drawnMax       = 200_000_000
)

// Levels are values of one measure at each confidence, under the confidence as it is written: "0.95".
type Levels map[string]float64

// Report holds the measures of one portfolio. Losses are positive fractions. What has no answer is absent, and a
// warning says why.
type Report struct {
	N              int     `json:"n"`
	Mean           float64 `json:"mean"`
	SD             float64 `json:"sd"`
	Skew           float64 `json:"skew"`
	ExcessKurtosis float64 `json:"excess_kurtosis"`
	VaR            struct {
		Historical Levels `json:"historical"`
		Gaussian   Levels `json:"gaussian"`
		Modified   Levels `json:"modified"`
	} `json:"var"`
	ES struct {
		Historical Levels `json:"historical"`
		Gaussian   Levels `json:"gaussian"`
	} `json:"es"`
	MaxDrawdown       float64    `json:"max_drawdown"`
	Drawdowns         []Drawdown `json:"drawdowns"` // the deepest first
	DownsideDeviation float64    `json:"downside_deviation"`
	UlcerIndex        float64    `json:"ulcer_index"`
	PainIndex         float64    `json:"pain_index"`
	EWMA              struct {
		Sigma []float64 `json:"sigma"` // after each return
		Last  float64   `json:"last"`
	} `json:"ewma"`
	ComponentVaR Components `json:"component_var"`
	ComponentES  Components `json:"component_es"`

	Beta             *float64 `json:"beta,omitempty"`
	BetaBull         *float64 `json:"beta_bull,omitempty"`
	BetaBear         *float64 `json:"beta_bear,omitempty"`
	Alpha            *float64 `json:"alpha,omitempty"`
	Correlation      *float64 `json:"correlation,omitempty"`
	TrackingError    *float64 `json:"tracking_error,omitempty"`
	InformationRatio *float64 `json:"information_ratio,omitempty"`
	Tail             *Tail    `json:"tail,omitempty"`

	From                  string             `json:"from"` // the date of the first return
	To                    string             `json:"to"`
	Weights               map[string]float64 `json:"weights"`
	HHI                   *float64           `json:"hhi,omitempty"`
	Periods               float64            `json:"periods"`
	AnnualReturn          *float64           `json:"annual_return,omitempty"`
	AnnualSD              float64            `json:"annual_sd"`
	Sharpe                *float64           `json:"sharpe,omitempty"`
	MeanAbsoluteDeviation float64            `json:"mean_absolute_deviation"`
	Autocorrelation       *float64           `json:"autocorrelation,omitempty"`
	AverageDrawdown       float64            `json:"average_drawdown"`
	ConditionalDrawdown   Levels             `json:"conditional_drawdown"`
	EWMAVaR               Levels             `json:"ewma_var"`
	EWMAES                Levels             `json:"ewma_es"`
	MonteCarlo            MonteCarlo         `json:"monte_carlo"`
	Liquidity             *Liquidity         `json:"liquidity,omitempty"`
	Conventions           []string           `json:"conventions"`
	Warnings              []string           `json:"warnings"`

	confidence []float64
	assets     []string // in the order of the table
}

// Drawdown with its dates. To is null while it lasts; Length counts the periods from From to To, both included, and one
// more than there are while it lasts.
type Drawdown struct {
	From   string  `json:"from"`
	Trough string  `json:"trough"`
	To     *string `json:"to"`
	Depth  float64 `json:"depth"`
	Length int     `json:"length"`
}

// Components are the parts that assets have in a gaussian measure at one confidence.
type Components struct {
	Confidence    float64            `json:"confidence"`
	Total         float64            `json:"total"`
	Contributions map[string]float64 `json:"contributions"`
}

// Tail is a fitted tail and what it says; a confidence before the tail, or a shortfall that is infinite, is absent.
type Tail struct {
	Xi          float64 `json:"xi"`
	Beta        float64 `json:"beta"`
	Threshold   float64 `json:"threshold"`
	Exceedances int     `json:"exceedances"`
	Quantile    Levels  `json:"quantile"`
	Shortfall   Levels  `json:"shortfall"`
}

// MonteCarlo holds the measures of simulated returns.
type MonteCarlo struct {
	Draws int    `json:"draws"`
	Seed  uint64 `json:"seed"`
	VaR   Levels `json:"var"`
	ES    Levels `json:"es"`
}

// Liquidity is the historical VaR with half the spread on top, in the unit of the notional.
type Liquidity struct {
	Spread   float64 `json:"spread"`
	Notional float64 `json:"notional"`
	VaR      Levels  `json:"var"`
}

// conventions are told with every report: two programs that differ in one of them differ in every figure.
var conventions = []string{
	"A return is the fraction gained in one row; a loss is positive; one row is the horizon of every VaR and ES.",
	"Weights are held constant: the portfolio is rebalanced at every row.",
	"Quantiles are type 7 (Hyndman and Fan), as R and NumPy take them by default.",
	"sd, tracking error and Sharpe ratio divide by n - 1; skew, kurtosis, gaussian and modified VaR and ES, components and simulation by n.",
	"Drawdowns are on wealth compounded from 1, so that a first loss counts.",
	"The EWMA starts at the first squared return, has a mean of zero, and forecasts the period after its return.",
	"Annual figures take the number of rows in a year from --periods: returns compound, sd grows with its square root.",
	"Alpha is per period; alpha, beta and Sharpe ratio are on returns above --rf where it is given.",
}

// Measure computes the report of a portfolio of the table's assets. The error is a [lifeboat.Problem].
func Measure(t *Table, o Options) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	m := &measuring{table: t, Options: o, report: &Report{Conventions: conventions, Warnings: slices.Clone(t.Warnings), Periods: o.Periods, confidence: o.Confidence}}
	steps := []func() error{m.hold, m.describe, m.losses, m.drawdowns, m.follow, m.split, m.draw, m.compare, m.tail, m.liquidity}
	for _, step := range steps {
		if err := step(); err != nil {
			var told *lifeboat.Problem
			if errors.As(err, &told) {
				return nil, err
			}
			return nil, refused("the portfolio cannot be measured: %v%s", err, prose.After("; ", t.percent))
		}
	}
	return m.report, nil
}

func (o Options) check() error {
	if len(o.Confidence) == 0 || len(o.Confidence) > confidencesMax {
		return wrong("--confidence takes 1 to %d levels, not %d", confidencesMax, len(o.Confidence))
	}
	for _, c := range o.Confidence {
		if !(c > 0 && c < 1) {
			return wrong("the confidence %v is not between 0 and 1; write 95 %% as 0.95", c)
		}
	}
	if !(o.Lambda >= 0 && o.Lambda <= 1) {
		return wrong("--lambda %v is not between 0 and 1", o.Lambda)
	}
	if !(o.Periods > 0) || math.IsInf(o.Periods, 0) {
		return wrong("--periods %v is no number of rows in a year", o.Periods)
	}
	if math.IsNaN(o.Least) || math.IsInf(o.Least, 0) {
		return wrong("--mar %v is no return", o.Least)
	}
	if o.Draws < risk.DrawsMin || o.Draws > risk.DrawsMax {
		return wrong("--draws %d is not between %d and %d", o.Draws, risk.DrawsMin, risk.DrawsMax)
	}
	return nil
}

type measuring struct {
	Options
	table           *Table
	report          *Report
	book            *risk.Book
	returns, wealth []float64
	rf              []float64 // nil for none
}

func (m *measuring) warn(format string, args ...any) {
	m.report.Warnings = append(m.report.Warnings, fmt.Sprintf(format, args...))
}

// hold builds the portfolio.
func (m *measuring) hold() error {
	for _, other := range []struct{ flag, name string }{{"--benchmark", m.Benchmark}, {"--rf", m.RF}} {
		if _, known := m.table.column(other.name); other.name != "" && !known {
			return m.unknown(other.flag, other.name)
		}
	}
	weights, err := m.weights()
	if err != nil {
		return err
	}
	m.report.Weights = map[string]float64{}
	var columns [][]float64
	var fractions []float64
	for _, w := range weights {
		column, known := m.table.column(w.Asset)
		if !known {
			return m.unknown("--weights", w.Asset)
		}
		if _, twice := m.report.Weights[w.Asset]; twice {
			return wrong("--weights names %s twice", w.Asset)
		}
		m.report.Weights[w.Asset] = w.Fraction
		m.report.assets = append(m.report.assets, w.Asset)
		columns, fractions = append(columns, column), append(fractions, w.Fraction)
	}
	if m.Draws*len(columns) > drawnMax {
		return wrong("%d draws of %d assets are more than %d numbers; give fewer --draws", m.Draws, len(columns), drawnMax)
	}
	if m.book, err = risk.NewBook(columns, fractions); err != nil {
		return err
	}
	m.returns = m.book.Returns()
	if m.RF != "" {
		m.rf, _ = m.table.column(m.RF)
	}
	if hhi, err := risk.HHI(fractions); err == nil {
		m.report.HHI = &hhi
	}
	return nil
}

// weights as given, or equal ones.
func (m *measuring) weights() ([]Weight, error) {
	if len(m.Weights) > 0 {
		sum := 0.0
		for _, w := range m.Weights {
			sum += w.Fraction
		}
		if math.Abs(sum-100) < 0.5 {
			return nil, wrong("the weights add up to %.4g; write 60 %% as 0.6, so that they add up to 1", sum)
		}
		if math.Abs(sum-1) > 1e-9 {
			m.warn("the weights add up to %.4g and not to 1; the rest is taken as cash that earns and costs nothing", sum)
		}
		return m.Weights, nil
	}
	var equal []Weight
	for _, name := range m.table.Columns {
		if name != m.Benchmark && name != m.RF {
			equal = append(equal, Weight{Asset: name})
		}
	}
	if of := bars(equal); of != "" {
		return nil, wrong("the columns of this table look like the bars of one asset and not like assets; say --weights '%s=1' to measure it", of)
	}
	if len(equal) == 0 {
		return nil, wrong("every column of the table is a benchmark or a riskless rate; no asset is left")
	}
	for i := range equal {
		equal[i].Fraction = 1 / float64(len(equal))
	}
	if len(equal) > 1 {
		m.warn("no weights were given, so that each of the %d assets was taken with %.4g %%", len(equal), 100/float64(len(equal)))
	}
	return equal, nil
}

// bars finds the closing price among columns that are one asset's bars, as public sites hand them out. Held alike they
// would make a portfolio of which a fifth is the asset's volume. "" for anything else.
func bars(columns []Weight) (closing string) {
	kinds := map[string]string{}
	for _, w := range columns {
		kinds[strings.ToLower(w.Asset)] = w.Asset
	}
	rest := 0
	for _, kind := range []string{"open", "high", "low", "volume"} {
		if _, is := kinds[kind]; is {
			rest++
		}
	}
	if rest == 0 {
		return ""
	}
	return cmp.Or(kinds["adj close"], kinds["close"])
}

func (m *measuring) unknown(flag, name string) error {
	what := fmt.Sprintf("%s names %q, and the table has no such column", flag, clip(name))
	if near := prose.Nearest(name, m.table.Columns); near != "" {
		what += fmt.Sprintf("; did you mean %q?", near)
	}
	return wrong("%s", what)
}

// describe is the plain shape of the sample.
func (m *measuring) describe() error {
	r := m.report
	r.N, r.From, r.To = len(m.returns), m.table.Dates[0], m.table.Dates[len(m.table.Dates)-1]
	m.watchPeriods()
	return all(
		set(&r.Mean)(risk.Mean(m.returns)),
		set(&r.SD)(risk.Volatility(m.returns)),
		set(&r.Skew)(risk.Skewness(m.returns)),
		set(&r.ExcessKurtosis)(risk.ExcessKurtosis(m.returns)),
		set(&r.MeanAbsoluteDeviation)(risk.MeanAbsoluteDeviation(m.returns)),
		set(&r.DownsideDeviation)(risk.DownsideDeviation(m.returns, m.Least)),
		set(&r.AnnualSD)(risk.AnnualVolatility(m.returns, m.Periods)),
		m.maybe(&r.AnnualReturn, "the annual return")(risk.AnnualReturn(m.returns, m.Periods)),
		m.maybe(&r.Autocorrelation, "the autocorrelation")(risk.Autocorrelation(m.returns, 1)),
		m.maybe(&r.Sharpe, "the Sharpe ratio")(risk.Sharpe(m.excess(m.returns), m.Periods)),
	)
}

// watchPeriods warns when the dates contradict the number of rows in a year.
func (m *measuring) watchPeriods() {
	times := m.table.times
	years := times[len(times)-1].Sub(times[0]).Hours() / (24 * 365.25)
	if years <= 0 {
		return
	}
	m.watchGaps()
	inYear := float64(len(times)-1) / years
	if m.Periods > 2*inYear || m.Periods < inYear/2 {
		m.warn("the dates are those of about %.0f rows a year, and annual figures take %.4g; give --periods", inYear, m.Periods)
	}
}

// watchGaps warns of a return that spans far more time than the others do: it is none of their kind.
func (m *measuring) watchGaps() {
	const far = 10 // times the usual distance: no weekend and no holiday reaches it in daily rows
	times := m.table.times
	apart := make([]time.Duration, len(times)-1)
	for i := range apart {
		apart[i] = times[i+1].Sub(times[i])
	}
	usual := slices.Sorted(slices.Values(apart))[len(apart)/2]
	for i, gap := range apart {
		if gap > far*usual {
			m.warn("the return of %s spans %s since %s, where %s is usual; it is measured as one row like any other", m.table.Dates[i+1], prose.Span(gap), m.table.Dates[i], prose.Span(usual))
			return // the first is enough to look at the table
		}
	}
}

func (m *measuring) excess(returns []float64) []float64 {
	if m.rf == nil {
		return returns
	}
	over, err := risk.Excess(returns, m.rf)
	if err != nil { // both come from one table, so that only an overflow is possible, which the measures refuse
		return nil
	}
	return over
}

func (m *measuring) losses() error {
	r := m.report
	for _, c := range m.Confidence {
		if !risk.CornishFisherHolds(r.Skew, r.ExcessKurtosis, c) {
			m.warn("a skew of %.2f with an excess kurtosis of %.2f is too far from normal for the modified VaR at %v, which can be off either way; rely on the historical one", r.Skew, r.ExcessKurtosis, c)
		}
	}
	return all(
		m.levels(&r.VaR.Historical, risk.HistoricalVaR),
		m.levels(&r.VaR.Gaussian, risk.GaussianVaR),
		m.levels(&r.VaR.Modified, risk.ModifiedVaR),
		m.levels(&r.ES.Historical, risk.HistoricalES),
		m.levels(&r.ES.Gaussian, risk.GaussianES),
		m.fewInTail(),
	)
}

// fewInTail warns of a confidence beyond which hardly a return lies, so that the historical figures are single days.
func (m *measuring) fewInTail() error {
	for _, c := range m.Confidence {
		if beyond := (1 - c) * float64(len(m.returns)); beyond < 1 {
			m.warn("%d returns are too few for a historical VaR at %v: less than one of them lies beyond it", len(m.returns), c)
		}
	}
	return nil
}

func (m *measuring) drawdowns() (err error) {
	if m.wealth, err = risk.Compounded(m.returns); err != nil {
		return err
	}
	falls, err := risk.Falls(m.wealth)
	if err != nil {
		return err
	}
	r := m.report
	r.Drawdowns = []Drawdown{}
	for _, f := range falls {
		d := Drawdown{From: m.table.Dates[f.From-1], Trough: m.table.Dates[f.Trough-1], Depth: f.Depth, Length: f.Length}
		if f.To > 0 {
			d.To = &m.table.Dates[f.To-1]
		}
		r.Drawdowns = append(r.Drawdowns, d)
	}
	return all(
		set(&r.MaxDrawdown)(risk.MaxDrawdown(m.wealth)),
		set(&r.AverageDrawdown)(risk.AverageDrawdown(m.wealth)),
		set(&r.UlcerIndex)(risk.UlcerIndex(m.wealth)),
		set(&r.PainIndex)(risk.PainIndex(m.wealth)),
		m.levels(&r.ConditionalDrawdown, func(_ []float64, c float64) (float64, error) { return risk.ConditionalDrawdown(m.wealth, c) }),
	)
}

// follow is the volatility that follows the market.
func (m *measuring) follow() (err error) {
	r := m.report
	if r.EWMA.Sigma, err = risk.EWMA(m.returns, m.Lambda); err != nil {
		return err
	}
	r.EWMA.Last = r.EWMA.Sigma[len(r.EWMA.Sigma)-1]
	return all(
		m.levels(&r.EWMAVaR, func(_ []float64, c float64) (float64, error) { return risk.SigmaVaR(r.EWMA.Last, c) }),
		m.levels(&r.EWMAES, func(_ []float64, c float64) (float64, error) { return risk.SigmaES(r.EWMA.Last, c) }),
	)
}

// split says which asset the risk comes from.
func (m *measuring) split() error {
	return all(m.components(&m.report.ComponentVaR, m.book.ComponentVaR), m.components(&m.report.ComponentES, m.book.ComponentES))
}

func (m *measuring) components(to *Components, split func(float64) (risk.Parts, error)) error {
	parts, err := split(m.Confidence[0])
	if err != nil {
		return err
	}
	*to = Components{Confidence: m.Confidence[0], Total: parts.Total, Contributions: map[string]float64{}}
	for i, asset := range m.report.assets {
		to.Contributions[asset] = parts.Contributions[i]
	}
	return nil
}

func (m *measuring) draw() error {
	drawn, err := m.book.Simulate(m.Draws, m.Seed)
	if err != nil {
		return err
	}
	slices.Sort(drawn) // once, and not again for every quantile
	to := &m.report.MonteCarlo
	to.Draws, to.Seed = m.Draws, m.Seed
	return all(
		m.levels(&to.VaR, func(_ []float64, c float64) (float64, error) { return risk.HistoricalVaR(drawn, c) }),
		m.levels(&to.ES, func(_ []float64, c float64) (float64, error) { return risk.HistoricalES(drawn, c) }),
	)
}

// compare sets the portfolio against the benchmark.
func (m *measuring) compare() error {
	if m.Benchmark == "" {
		return nil
	}
	benchmark, _ := m.table.column(m.Benchmark)
	ours, its := m.excess(m.returns), m.excess(benchmark)
	r := m.report
	return all(
		m.maybe(&r.Beta, "beta")(risk.Beta(ours, its)),
		m.maybe(&r.BetaBull, "the bull beta")(risk.BullBeta(ours, its)),
		m.maybe(&r.BetaBear, "the bear beta")(risk.BearBeta(ours, its)),
		m.maybe(&r.Alpha, "alpha")(risk.Alpha(ours, its)),
		m.maybe(&r.Correlation, "the correlation")(risk.Correlation(m.returns, benchmark)),
		m.maybe(&r.TrackingError, "the tracking error")(risk.TrackingError(m.returns, benchmark, m.Periods)),
		m.maybe(&r.InformationRatio, "the information ratio")(risk.InformationRatio(m.returns, benchmark, m.Periods)),
	)
}

func (m *measuring) tail() error {
	if m.TailThreshold == nil {
		return nil
	}
	losses := make([]float64, len(m.returns))
	for i, r := range m.returns {
		losses[i] = 0 - r
	}
	fitted, err := risk.FitTail(losses, *m.TailThreshold)
	if err != nil {
		return wrong("the tail from --tail-threshold %v cannot be fitted: %v", *m.TailThreshold, err)
	}
	const few = 50
	if fitted.Exceedances < few {
		m.warn("the tail rests on %d losses; with fewer than %d its shape is hardly known", fitted.Exceedances, few)
	}
	t := &Tail{Xi: fitted.Xi, Beta: fitted.Beta, Threshold: fitted.Threshold, Exceedances: fitted.Exceedances, Quantile: Levels{}, Shortfall: Levels{}}
	for _, c := range m.Confidence {
		quantile, err := fitted.Quantile(c)
		if err != nil {
			m.warn("the tail says nothing at %v: %v", c, err)
			continue
		}
		t.Quantile[Level(c)] = quantile
		if shortfall, err := fitted.Shortfall(c); err != nil {
			m.warn("the tail has no shortfall at %v: %v", c, err)
		} else {
			t.Shortfall[Level(c)] = shortfall
		}
	}
	m.report.Tail = t
	return nil
}

func (m *measuring) liquidity() error {
	if m.Spread == nil {
		return nil
	}
	l := &Liquidity{Spread: *m.Spread, Notional: m.Notional, VaR: Levels{}}
	for level, loss := range m.report.VaR.Historical {
		v, err := risk.LiquidityVaR(loss, *m.Spread, m.Notional)
		if err != nil {
			return wrong("%v", err)
		}
		l.VaR[level] = v
	}
	m.report.Liquidity = l
	return nil
}

// levels computes a measure of the portfolio's returns at every confidence.
func (m *measuring) levels(to *Levels, measure func([]float64, float64) (float64, error)) error {
	*to = Levels{}
	for _, c := range m.Confidence {
		v, err := measure(m.returns, c)
		if err != nil {
			return err
		}
		(*to)[Level(c)] = v
	}
	return nil
}

// Level is a confidence as [Levels] write it.
func Level(confidence float64) string { return strconv.FormatFloat(confidence, 'g', -1, 64) }

// set takes a measure that every sample must have.
func set(to *float64) func(float64, error) error {
	return func(v float64, err error) error {
		*to = v
		return err
	}
}

// maybe takes a measure that some samples do not have, and warns of those.
func (m *measuring) maybe(to **float64, name string) func(float64, error) error {
	return func(v float64, err error) error {
		if err != nil {
			m.warn("%s has no answer: %v", name, err)
			return nil
		}
		*to = &v
		return nil
	}
}

// all is the first error, so that a page of measures reads as one.
func all(errs ...error) error { return cmp.Or(errs...) }

func wrong(format string, args ...any) error {
	return &lifeboat.Problem{Reason: "usage", What: fmt.Sprintf(format, args...), Next: "lifeboat risk --help"}
}
