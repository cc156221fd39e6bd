// Package risk is the mathematics of loss: quantiles, value at risk, drawdown, volatility and concentration, each as a
// function of plain numbers.
//
// Moments, value at risk and expected shortfall, drawdowns, measures against a benchmark, the parts that assets have in
// the risk of a book, and the tail beyond a threshold have a file each. Conventions are those of R's
// PerformanceAnalytics 2.1; every function names its source, and the tests hold it to that source's numbers.
//
// Fractions go in and fractions come out: 0.05 is 5 %, and a loss is a positive number. A sample that cannot carry the
// answer (empty, of one value, or with a value that is not a finite number) is an error and never a calm zero. No
// function changes or keeps its argument.
//
// It does no I/O, knows no series, calendar or portfolio, and predicts nothing: it says what a sample says.
package risk

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrTooFew is a sample of fewer values than the measure needs.
var ErrTooFew = errors.New("the sample has fewer than two values")

// Quantile is the value below which the fraction p of a sample lies, p from 0 to 1, in the sample's own unit. The
// sample may be in any order. It interpolates between order statistics as R and NumPy do by default: type 7 of Hyndman
// and Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50 (1996).
//
// The error is [ErrTooFew], or names a value that is not finite or a p outside its range.
func Quantile(sample []float64, p float64) (float64, error) {
	if err := check(sample); err != nil {
		return 0, err
	}
	if !(p >= 0 && p <= 1) {
		return 0, fmt.Errorf("the fraction %v is not between 0 and 1", p)
	}
	if !slices.IsSorted(sample) {
		sample = sortedCopy(sample)
	}
	below, part := Rank(p, len(sample))
	if below == len(sample)-1 {
		return sample[below], nil
	}
	return Between(sample[below], sample[below+1], part), nil
}

// Rank is where the type-7 quantile p of n sorted values lies: at the value with the index below, counted from zero, and
// by the fraction part of the way from there to the next one. Below n - 1 there is a next one.
func Rank(p float64, n int) (below int, part float64) {
	position := p * float64(n-1)
	below = int(position)
	return below, position - float64(below)
}

// Between is the value by the fraction part of the way from low to high. In this form it cannot overflow, and rounding
// stays inside. The products are rounded one by one, so that every machine has the same bits, one that can multiply and
// add at once too.
func Between(low, high, part float64) float64 {
	return min(high, max(low, float64(low*(1-part))+float64(high*part)))
}

// HistoricalVaR is the loss that the returns stayed within in the fraction confidence of their periods, as a positive
// fraction of wealth over one such period: 0.03 at 0.95 says that 5 % of the days lost more than 3 %. It is negative
// when even that day was a gain.
//
// It is minus the type-7 quantile at 1 - confidence, which is how R's PerformanceAnalytics computes VaR(method =
// "historical"), with the sign turned. The error is [Quantile]'s, or names a confidence that is not between 0 and 1.
func HistoricalVaR(returns []float64, confidence float64) (float64, error) {
	if !(confidence > 0 && confidence < 1) {
		return 0, fmt.Errorf("the confidence %v is not between 0 and 1", confidence)
	}
	q, err := Quantile(returns, 1-confidence)
	return 0 - q, err // and not -q, which would make a quiet sample lose -0
}

// MaxDrawdown is the farthest that any value of a line of wealth stands below the highest one before it: 1 - value ÷
// peak, from 0 when it never falls to 1 when all is lost. The first value counts as a peak. Wealth must be positive, or
// zero after the first value; anything else is an error, as is a line of fewer than two values. PerformanceAnalytics'
// maxDrawdown is the same on the wealth that its returns build up from 1.
func MaxDrawdown(wealth []float64) (float64, error) {
	if err := checkWealth(wealth); err != nil {
		return 0, err
	}
	peak, deepest := wealth[0], 0.0
	for _, w := range wealth {
		peak = max(peak, w)
		deepest = max(deepest, 1-w/peak)
	}
	return deepest, nil
}

// Volatility is the standard deviation of returns over one of their periods, with n - 1 in the divisor: the unbiased
// estimate of the variance, as R's sd. Multiply by the square root of the periods in a year to annualise. A sample
// whose squares overflow is an error like one that is not finite.
func Volatility(returns []float64) (float64, error) { return deviation(returns, 1) }

// PopulationVolatility is [Volatility] with n in the divisor, as parametric VaR uses it (PerformanceAnalytics).
func PopulationVolatility(returns []float64) (float64, error) { return deviation(returns, 0) }

func deviation(returns []float64, lost int) (float64, error) {
	if err := check(returns); err != nil {
		return 0, err
	}
	n := float64(len(returns))
	mean := 0.0
	for _, r := range returns {
		mean += r / n
	}
	// The second sum is zero but for rounding, and takes the rounding of the mean out again (Chan, Golub and LeVeque,
	// "Algorithms for Computing the Sample Variance", The American Statistician 37, 1983).
	squares, sum := 0.0, 0.0
	for _, r := range returns {
		squares += (r - mean) * (r - mean)
		sum += r - mean
	}
	variance := max(0, squares-sum*sum/n) / (n - float64(lost))
	if math.IsNaN(variance) || math.IsInf(variance, 0) {
		return 0, errors.New("the sample is too large to be squared")
	}
	return math.Sqrt(variance), nil
}

// HHI is the Herfindahl-Hirschman index of concentration: the sum of the squared shares, from 1/n when n holdings are
// equal to 1 when all lies in one. Amounts may be weights or values in one currency; they are scaled to add up to 1.
// A negative amount, none at all, a total of zero and a value that is not finite are errors; a single holding is not.
func HHI(amounts []float64) (float64, error) {
	if err := checkFinite(amounts); err != nil {
		return 0, err
	}
	largest := 0.0
	for i, a := range amounts {
		if a < 0 {
			return 0, fmt.Errorf("amount %d is negative: %v", i+1, a)
		}
		largest = max(largest, a)
	}
	if largest == 0 {
		return 0, errors.New("there is nothing to be concentrated: the amounts add up to zero")
	}
	total, squares := 0.0, 0.0
	for _, a := range amounts {
		share := a / largest // scaled first, so that neither sum overflows
		total += share
		squares += share * share
	}
	return squares / (total * total), nil
}

func sortedCopy(sample []float64) []float64 { return slices.Sorted(slices.Values(sample)) }

func check(sample []float64) error {
	if len(sample) < 2 {
		return ErrTooFew
	}
	return checkFinite(sample)
}

func checkFinite(sample []float64) error {
	for i, v := range sample {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("value %d of %d is not a finite number: %v", i+1, len(sample), v)
		}
	}
	return nil
}

func checkWealth(wealth []float64) error {
	if err := check(wealth); err != nil {
		return err
	}
	for i, w := range wealth {
		if w < 0 || i == 0 && w == 0 {
			return fmt.Errorf("value %d is no wealth to lose from: %v", i+1, w)
		}
	}
	return nil
}
