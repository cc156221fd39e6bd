package risk

import (
	"fmt"
	"math"
)

// Excess is what returns earned above others of the same periods: a riskless rate, or a benchmark.
func Excess(returns, over []float64) ([]float64, error) {
	if err := checkPair(returns, over); err != nil {
		return nil, err
	}
	excess := make([]float64, len(returns))
	for i, r := range returns {
		v, err := finite(r - over[i])
		if err != nil {
			return nil, err
		}
		excess[i] = v
	}
	return excess, nil
}

// Beta is how much returns move when the benchmark moves by one: their covariance over the benchmark's variance. Give
// excess returns over the riskless rate for the beta of the capital asset pricing model; PerformanceAnalytics: CAPM.beta.
func Beta(returns, benchmark []float64) (float64, error) {
	if err := checkPair(returns, benchmark); err != nil {
		return 0, err
	}
	if allEqual(benchmark) {
		return 0, fmt.Errorf("the benchmark: %w", ErrStill)
	}
	ours, its := meanOf(returns), meanOf(benchmark)
	together, squares := 0.0, 0.0
	for i, b := range benchmark {
		together += (returns[i] - ours) * (b - its)
		squares += (b - its) * (b - its)
	}
	if squares == 0 {
		return 0, fmt.Errorf("the benchmark: %w", ErrStill)
	}
	return finite(together / squares)
}

// Alpha is what returns earned per period beyond what their [Beta] explains: mean - beta × mean of the benchmark, both
// as excess returns. PerformanceAnalytics: CAPM.alpha. It is not annualised.
func Alpha(returns, benchmark []float64) (float64, error) {
	beta, err := Beta(returns, benchmark)
	if err != nil {
		return 0, err
	}
	return finite(meanOf(returns) - beta*meanOf(benchmark))
}

// BullBeta is [Beta] over the periods in which the benchmark rose. PerformanceAnalytics: CAPM.beta.bull.
func BullBeta(returns, benchmark []float64) (float64, error) {
	return betaWhere(returns, benchmark, "rose", func(b float64) bool { return b > 0 })
}

// BearBeta is [Beta] over the periods in which the benchmark fell. PerformanceAnalytics: CAPM.beta.bear.
func BearBeta(returns, benchmark []float64) (float64, error) {
	return betaWhere(returns, benchmark, "fell", func(b float64) bool { return b < 0 })
}

func betaWhere(returns, benchmark []float64, did string, wanted func(float64) bool) (float64, error) {
	if err := checkPair(returns, benchmark); err != nil {
		return 0, err
	}
	var ours, its []float64
	for i, b := range benchmark {
		if wanted(b) {
			ours, its = append(ours, returns[i]), append(its, b)
		}
	}
	beta, err := Beta(ours, its)
	if err != nil {
		return 0, fmt.Errorf("over the %d periods in which the benchmark %s: %w", len(its), did, err)
	}
	return beta, nil
}

// Correlation of Pearson, from -1 to 1.
func Correlation(a, b []float64) (float64, error) {
	beta, err := Beta(a, b)
	if err != nil {
		return 0, err
	}
	ofA, err := PopulationVolatility(a)
	if err != nil {
		return 0, err
	}
	if allEqual(a) || ofA == 0 {
		return 0, ErrStill
	}
	ofB, err := PopulationVolatility(b)
	if err != nil {
		return 0, err
	}
	return max(-1, min(1, beta*ofB/ofA)), nil // rounding must not make it more than perfect
}

// TrackingError is the annualised standard deviation (n - 1) of the difference to a benchmark; periods is how many make
// a year. PerformanceAnalytics: TrackingError.
func TrackingError(returns, benchmark []float64, periods float64) (float64, error) {
	difference, err := Excess(returns, benchmark)
	if err != nil {
		return 0, err
	}
	return AnnualVolatility(difference, periods)
}

// InformationRatio is the annualised return above the benchmark's over the [TrackingError]. PerformanceAnalytics:
// InformationRatio, with geometric annual returns.
func InformationRatio(returns, benchmark []float64, periods float64) (float64, error) {
	spread, err := TrackingError(returns, benchmark, periods)
	if err != nil {
		return 0, err
	}
	ours, err := AnnualReturn(returns, periods)
	if err != nil {
		return 0, err
	}
	its, err := AnnualReturn(benchmark, periods)
	if err != nil {
		return 0, fmt.Errorf("the benchmark: %w", err)
	}
	if spread == 0 {
		return 0, ErrStill
	}
	return finite((ours - its) / spread)
}

// AnnualReturn is the yearly rate that compounds to the same wealth: the product of 1 + r to the power periods/n, less
// 1. PerformanceAnalytics: Return.annualized. Less than a year of data is stretched to one: read it with care.
func AnnualReturn(returns []float64, periods float64) (float64, error) {
	if err := checkPeriods(periods); err != nil {
		return 0, err
	}
	line, err := Compounded(returns)
	if err != nil {
		return 0, err
	}
	return finite(math.Pow(line[len(line)-1], periods/float64(len(returns))) - 1)
}

// AnnualVolatility is [Volatility] times the square root of the periods in a year. PerformanceAnalytics:
// StdDev.annualized. It is right where periods do not depend on each other: ask [Autocorrelation].
func AnnualVolatility(returns []float64, periods float64) (float64, error) {
	if err := checkPeriods(periods); err != nil {
		return 0, err
	}
	sd, err := Volatility(returns)
	if err != nil {
		return 0, err
	}
	return finite(sd * math.Sqrt(periods))
}

// Sharpe is the annualised Sharpe ratio of excess returns: mean × periods over [AnnualVolatility].
// PerformanceAnalytics: SharpeRatio.annualized(geometric = FALSE), which is its default since 2.1.
func Sharpe(excess []float64, periods float64) (float64, error) {
	sd, err := AnnualVolatility(excess, periods)
	if err != nil {
		return 0, err
	}
	if sd == 0 || allEqual(excess) {
		return 0, ErrStill
	}
	return finite(meanOf(excess) * periods / sd)
}

func checkPeriods(periods float64) error {
	if !(periods > 0) || math.IsInf(periods, 0) {
		return fmt.Errorf("%v periods make no year", periods)
	}
	return nil
}

func checkPair(a, b []float64) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d returns cannot be set against %d", len(a), len(b))
	}
	if err := check(a); err != nil {
		return err
	}
	return check(b)
}
