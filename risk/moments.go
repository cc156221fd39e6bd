package risk

import (
	"errors"
	"fmt"
	"math"
)

// ErrStill is a sample that never moves where the measure divides by how much it does.
var ErrStill = errors.New("the sample never moves, so that nothing can be measured against its movement")

// Mean is the arithmetic mean, in the unit of the sample.
func Mean(sample []float64) (float64, error) {
	if err := check(sample); err != nil {
		return 0, err
	}
	return finite(meanOf(sample))
}

// meanOf a sample that was checked. The second pass takes out what the first rounded away.
func meanOf(sample []float64) float64 {
	n := float64(len(sample))
	mean, rest := 0.0, 0.0
	for _, v := range sample {
		mean += v / n
	}
	for _, v := range sample {
		rest += (v - mean) / n
	}
	return mean + rest
}

// Skewness says to which side a sample leans: the third central moment over the second to the power 3/2, both with n in
// the divisor, as PerformanceAnalytics' skewness(method = "moment"). Negative is a long tail of losses.
func Skewness(sample []float64) (float64, error) { return standardMoment(sample, 3) }

// ExcessKurtosis says how heavy the tails are beyond those of a normal distribution: the fourth central moment over the
// squared second, both with n in the divisor, minus 3, as PerformanceAnalytics' kurtosis(method = "excess").
func ExcessKurtosis(sample []float64) (float64, error) {
	k, err := standardMoment(sample, 4)
	if err != nil {
		return 0, err
	}
	return k - 3, nil
}

// SampleKurtosis is the kurtosis of a sample as Bacon prints it (Practical Portfolio Performance Measurement and
// Attribution, 2nd edition, page 85): with n - 1 in the variance, scaled by n(n+1) / ((n-1)(n-2)(n-3)), and without
// taking 3 away. PerformanceAnalytics calls it kurtosis(method = "sample"). It needs four values.
func SampleKurtosis(sample []float64) (float64, error) {
	if len(sample) < 4 {
		return 0, fmt.Errorf("a kurtosis of the sample needs four values, and there are %d", len(sample))
	}
	k, err := standardMoment(sample, 4)
	if err != nil {
		return 0, err
	}
	n := float64(len(sample))
	return k * (n - 1) * (n + 1) / ((n - 2) * (n - 3)), nil
}

func standardMoment(sample []float64, power int) (float64, error) {
	sd, err := PopulationVolatility(sample)
	if err != nil {
		return 0, err
	}
	mean := meanOf(sample)
	if still(sample, mean, sd) {
		return 0, ErrStill
	}
	total := 0.0
	for _, v := range sample {
		total += math.Pow((v-mean)/sd, float64(power))
	}
	return finite(total / float64(len(sample)))
}

// still is true when what is left of the movement is the rounding of the values themselves.
func still(sample []float64, mean, sd float64) bool {
	const rounding = 1e-15 // four units in the last place of a number near 1
	return sd <= rounding*math.Abs(mean) || sd == 0 || allEqual(sample)
}

func allEqual(sample []float64) bool {
	for _, v := range sample {
		if v != sample[0] {
			return false
		}
	}
	return true
}

// MeanAbsoluteDeviation is the mean distance from the mean, with n in the divisor, as PerformanceAnalytics'
// MeanAbsoluteDeviation and Bacon, page 62.
func MeanAbsoluteDeviation(sample []float64) (float64, error) {
	mean, err := Mean(sample)
	if err != nil {
		return 0, err
	}
	total := 0.0
	for _, v := range sample {
		total += math.Abs(v-mean) / float64(len(sample))
	}
	return finite(total)
}

// Autocorrelation of a sample with itself lag periods before, as R's acf and NIST define it: both sums are taken around
// the mean of the whole sample. Near 0, one period says nothing of the next; near 1, prices are smoothed or stale, and
// every volatility is too low.
func Autocorrelation(sample []float64, lag int) (float64, error) {
	if err := check(sample); err != nil {
		return 0, err
	}
	if lag < 1 || lag >= len(sample) {
		return 0, fmt.Errorf("the lag %d is not between 1 and %d", lag, len(sample)-1)
	}
	mean := meanOf(sample)
	together, squares := 0.0, 0.0
	for i, v := range sample {
		squares += (v - mean) * (v - mean)
		if i >= lag {
			together += (v - mean) * (sample[i-lag] - mean)
		}
	}
	if squares == 0 || allEqual(sample) {
		return 0, ErrStill
	}
	return finite(together / squares)
}

// finite refuses a result that overflowed: a number that is not one must not travel on as if it were.
func finite(v float64) (float64, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, errors.New("the sample is too large to be computed with")
	}
	return v, nil
}
