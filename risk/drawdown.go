package risk

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Compounded is the line of wealth that returns build up from 1 when gains are kept: one value more than there are
// returns. A return below -1 loses more than everything and is an error.
func Compounded(returns []float64) ([]float64, error) {
	return built(returns, func(wealth, r float64) float64 { return wealth * (1 + r) })
}

// Summed is the line of wealth that returns build up from 1 when gains are taken out and losses made good, so that
// each period starts from the same stake. PerformanceAnalytics: geometric = FALSE.
func Summed(returns []float64) ([]float64, error) {
	return built(returns, func(wealth, r float64) float64 { return wealth + r })
}

func built(returns []float64, next func(wealth, r float64) float64) ([]float64, error) {
	if err := check(returns); err != nil {
		return nil, err
	}
	line := make([]float64, 1, len(returns)+1)
	line[0] = 1
	for i, r := range returns {
		w, err := finite(next(line[i], r))
		if err != nil {
			return nil, err
		}
		if w < 0 {
			return nil, fmt.Errorf("return %d of %d, %v, loses more than everything", i+1, len(returns), r)
		}
		line = append(line, w)
	}
	return line, nil
}

// Fall is one drawdown: the periods in which wealth stood below an earlier peak. Periods are counted from 1, the first
// after the start of the line; they are also the indices of the wealth.
type Fall struct {
	From   int     // the first period below the peak
	Trough int     // the deepest period
	To     int     // the first period at or above the peak again; 0 while it lasts
	Depth  float64 // how deep, as a positive fraction of the peak
	Length int     // periods from From to To, both counted; while it lasts, to the period after the last
}

// Falls lists every drawdown of a line of wealth, the deepest first and of equals the earliest. The first value counts
// as a peak. Periods and lengths are those of PerformanceAnalytics' table.Drawdowns, which counts the period of
// recovery, and one that is still to come for a drawdown that lasts. Errors are those of [MaxDrawdown]; a line that never
// falls has none.
func Falls(wealth []float64) ([]Fall, error) {
	depths, err := underwater(wealth)
	if err != nil {
		return nil, err
	}
	var falls []Fall
	open := false
	for i, depth := range depths {
		period := i + 1
		switch {
		case depth > 0 && !open:
			falls, open = append(falls, Fall{From: period, Trough: period, Depth: depth}), true
		case depth > 0:
			if now := &falls[len(falls)-1]; depth > now.Depth {
				now.Trough, now.Depth = period, depth
			}
		case open:
			now := &falls[len(falls)-1]
			now.To, now.Length, open = period, period-now.From+1, false
		}
	}
	if open {
		now := &falls[len(falls)-1]
		now.Length = len(depths) + 1 - now.From + 1
	}
	slices.SortStableFunc(falls, func(a, b Fall) int { return cmp.Compare(b.Depth, a.Depth) })
	return falls, nil
}

// AverageDrawdown is the mean depth of all drawdowns, each counted once with its deepest point. PerformanceAnalytics:
// AverageDrawdown. A line that never falls has an average of 0, which is what it says and not a want of data.
func AverageDrawdown(wealth []float64) (float64, error) {
	falls, err := Falls(wealth)
	if err != nil || len(falls) == 0 {
		return 0, err
	}
	total := 0.0
	for _, f := range falls {
		total += f.Depth / float64(len(falls))
	}
	return total, nil
}

// ConditionalDrawdown is the mean depth of the worst drawdowns: those at or beyond the type-7 quantile at the
// confidence. As in PerformanceAnalytics' CDD(method = "discrete"), the stretches of calm between drawdowns take part
// as depths of 0. It needs two stretches; Chekhlov, Uryasev and Zabarankin, "Drawdown Measure in Portfolio
// Optimization", 2005, define it over periods instead.
func ConditionalDrawdown(wealth []float64, confidence float64) (float64, error) {
	depths, err := underwater(wealth)
	if err != nil {
		return 0, err
	}
	var stretches []float64 // as negative numbers, so that the worst are the lowest as in the source
	for i, depth := range depths {
		if i == 0 || (depth > 0) != (depths[i-1] > 0) {
			stretches = append(stretches, 0)
		}
		last := &stretches[len(stretches)-1]
		*last = min(*last, 0-depth)
	}
	if len(stretches) == 1 { // one value is its own quantile
		return 0 - stretches[0], nil
	}
	return HistoricalES(stretches, confidence)
}

// UlcerIndex is the root mean square of the drawdown over all periods: deep and long ones hurt more. Martin and McCann,
// The Investor's Guide to Fidelity Funds, 1989; PerformanceAnalytics: UlcerIndex. The first value of the line is a
// start and not a period.
func UlcerIndex(wealth []float64) (float64, error) {
	depths, err := underwater(wealth)
	if err != nil {
		return 0, err
	}
	squares := 0.0
	for _, d := range depths {
		squares += d * d
	}
	return math.Sqrt(squares / float64(len(depths))), nil
}

// PainIndex is the mean drawdown over all periods. Becker, "The Zephyr K-Ratio and Pain Index", 2006;
// PerformanceAnalytics: PainIndex.
func PainIndex(wealth []float64) (float64, error) {
	depths, err := underwater(wealth)
	if err != nil {
		return 0, err
	}
	total := 0.0
	for _, d := range depths {
		total += d
	}
	return total / float64(len(depths)), nil
}

// underwater is the drawdown after each period, as positive fractions.
func underwater(wealth []float64) ([]float64, error) {
	if err := checkWealth(wealth); err != nil {
		return nil, err
	}
	depths := make([]float64, 0, len(wealth)-1)
	peak := wealth[0]
	for _, w := range wealth[1:] {
		peak = max(peak, w)
		depths = append(depths, 1-w/peak)
	}
	return depths, nil
}

// DownsideDeviation is the root mean square of what returns fell short of the least acceptable return per period (MAR),
// over all returns and not only those that fell short. PerformanceAnalytics: DownsideDeviation(method = "full");
// Sortino and Price, "Performance Measurement in a Downside Risk Framework", 1994.
func DownsideDeviation(returns []float64, leastAcceptable float64) (float64, error) {
	if err := check(returns); err != nil {
		return 0, err
	}
	if err := checkFinite([]float64{leastAcceptable}); err != nil {
		return 0, fmt.Errorf("the least acceptable return: %w", err)
	}
	squares := 0.0
	for _, r := range returns {
		short := max(0, leastAcceptable-r)
		squares += short * short
	}
	return finite(math.Sqrt(squares / float64(len(returns))))
}
