package sheet

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"lifeboat/prose"
)

// Text tells a report to a person. Warnings are not in it: the command has told them already.
func Text(to io.Writer, r *Report) error {
	p := &page{out: tabwriter.NewWriter(to, 0, 0, 2, ' ', 0), r: r}
	p.heading()
	p.losses()
	p.parts()
	p.shape()
	p.falls()
	p.against()
	p.tail()
	p.liquidity()
	p.say("Conventions")
	for _, c := range r.Conventions {
		p.say("  %s", c)
	}
	return p.out.Flush()
}

// drawdownsShown are as many as PerformanceAnalytics shows; the JSON has all.
const drawdownsShown = 5

type page struct {
	out *tabwriter.Writer
	r   *Report
}

// say writes a line; tabs part its columns. A failure to write is kept by the writer until Flush.
func (p *page) say(format string, args ...any) {
	fmt.Fprintf(p.out, format+"\n", args...)
}

func (p *page) heading() {
	held := make([]string, len(p.r.assets))
	for i, asset := range p.r.assets {
		held[i] = fmt.Sprintf("%s %.4g %%", asset, 100*p.r.Weights[asset])
	}
	const shown = 8
	if len(held) > shown {
		held = append(held[:shown], fmt.Sprintf("and %d more", len(held)-shown))
	}
	p.say("Portfolio of %s: %s", prose.Count(len(p.r.assets), "asset"), strings.Join(held, ", "))
	p.say("%s from %s to %s, %.4g of them to a year", prose.Count(p.r.N, "return"), p.r.From, p.r.To, p.r.Periods)
	p.say("")
}

// losses is the table of every VaR and ES, one column per confidence.
func (p *page) losses() {
	head := "Loss over one row"
	for _, c := range p.r.confidence {
		head += fmt.Sprintf("\t%.6g %%", 100*c)
	}
	p.say("%s", head)
	p.levels("VaR, historical", p.r.VaR.Historical)
	p.levels("VaR, gaussian", p.r.VaR.Gaussian)
	p.levels("VaR, modified (Cornish-Fisher)", p.r.VaR.Modified)
	p.levels("VaR, EWMA, next row", p.r.EWMAVaR)
	p.levels("VaR, Monte Carlo", p.r.MonteCarlo.VaR)
	p.levels("ES, historical", p.r.ES.Historical)
	p.levels("ES, gaussian", p.r.ES.Gaussian)
	p.levels("ES, EWMA, next row", p.r.EWMAES)
	p.levels("ES, Monte Carlo", p.r.MonteCarlo.ES)
	p.say("")
}

func (p *page) levels(name string, levels Levels) {
	line := "  " + name
	for _, c := range p.r.confidence {
		cell := "-"
		if v, has := levels[Level(c)]; has {
			cell = percent(v)
		}
		line += "\t" + cell
	}
	p.say("%s", line)
}

func (p *page) parts() {
	if len(p.r.assets) < 2 {
		return
	}
	p.say("Where it comes from, at %.6g %%\tof VaR\tof ES", 100*p.r.ComponentVaR.Confidence)
	for _, asset := range p.r.assets {
		p.say("  %s\t%s\t%s", asset, percent(p.r.ComponentVaR.Contributions[asset]), percent(p.r.ComponentES.Contributions[asset]))
	}
	p.say("  together (gaussian)\t%s\t%s", percent(p.r.ComponentVaR.Total), percent(p.r.ComponentES.Total))
	p.say("")
}

func (p *page) shape() {
	r := p.r
	p.say("Returns")
	p.say("  mean\t%s\tof a row", percent(r.Mean))
	p.say("  standard deviation\t%s\tof a row, %s a year", percent(r.SD), percent(r.AnnualSD))
	p.say("  mean absolute deviation\t%s", percent(r.MeanAbsoluteDeviation))
	p.say("  EWMA volatility, last\t%s\tof a row", percent(r.EWMA.Last))
	p.say("  downside deviation\t%s", percent(r.DownsideDeviation))
	p.say("  skew, excess kurtosis\t%.3f\t%.3f", r.Skew, r.ExcessKurtosis)
	p.number("autocorrelation", r.Autocorrelation)
	p.fraction("annual return", r.AnnualReturn)
	p.number("Sharpe ratio, annual", r.Sharpe)
	p.number("concentration (HHI)", r.HHI)
	p.say("")
}

func (p *page) falls() {
	r := p.r
	p.say("Drawdowns")
	p.say("  deepest\t%s\tUlcer index %s, Pain index %s", percent(r.MaxDrawdown), percent(r.UlcerIndex), percent(r.PainIndex))
	p.say("  average of %d\t%s", len(r.Drawdowns), percent(r.AverageDrawdown))
	p.levels("conditional", r.ConditionalDrawdown)
	p.say("")
	if len(r.Drawdowns) == 0 {
		return
	}
	p.say("  from\ttrough\tto\tdepth\tlength")
	for _, d := range r.Drawdowns[:min(drawdownsShown, len(r.Drawdowns))] {
		to := "not yet"
		if d.To != nil {
			to = *d.To
		}
		p.say("  %s\t%s\t%s\t%s\t%d", d.From, d.Trough, to, percent(d.Depth), d.Length)
	}
	p.say("")
}

func (p *page) against() {
	r := p.r
	if r.Beta == nil {
		return
	}
	p.say("Against the benchmark")
	p.number("beta", r.Beta)
	p.number("beta when it rises", r.BetaBull)
	p.number("beta when it falls", r.BetaBear)
	p.fraction("alpha, of a row", r.Alpha)
	p.number("correlation", r.Correlation)
	p.fraction("tracking error, annual", r.TrackingError)
	p.number("information ratio", r.InformationRatio)
	p.say("")
}

func (p *page) tail() {
	t := p.r.Tail
	if t == nil {
		return
	}
	p.say("Tail beyond a loss of %s (generalised Pareto, %d losses): xi %.4f, beta %.6f", percent(t.Threshold), t.Exceedances, t.Xi, t.Beta)
	p.levels("quantile", t.Quantile)
	p.levels("shortfall", t.Shortfall)
	p.say("")
}

func (p *page) liquidity() {
	l := p.r.Liquidity
	if l == nil {
		return
	}
	p.say("Historical VaR with half a spread of %s on %s", percent(l.Spread), prose.Grouped(fmt.Sprintf("%.2f", l.Notional)))
	for _, c := range p.r.confidence {
		p.say("  %.6g %%\t%s", 100*c, prose.Grouped(fmt.Sprintf("%.4f", l.VaR[Level(c)])))
	}
	p.say("")
}

func (p *page) number(name string, v *float64) {
	if v != nil {
		p.say("  %s\t%.4f", name, *v)
	}
}

func (p *page) fraction(name string, v *float64) {
	if v != nil {
		p.say("  %s\t%s", name, percent(*v))
	}
}

func percent(v float64) string { return fmt.Sprintf("%.3f %%", 100*v) }
