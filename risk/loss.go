package risk

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"
)

// HistoricalES is the mean of the returns at or below minus [HistoricalVaR], as a positive fraction: what a period of
// the worst 1 - confidence lost on average. It is never below the VaR. PerformanceAnalytics: ES(method = "historical").
func HistoricalES(returns []float64, confidence float64) (float64, error) {
	loss, err := HistoricalVaR(returns, confidence)
	if err != nil {
		return 0, err
	}
	total, n := 0.0, 0
	for _, r := range returns {
		if r <= -loss {
			total += r
			n++
		}
	}
	if n == 0 { // the quantile is never below the smallest value; this would be a fault of Quantile
		return 0, errors.New("no return lies in the tail")
	}
	mean, err := finite(total / float64(n))
	return max(loss, 0-mean), err // the rounding of the sum must not put it below the VaR
}

// GaussianVaR is the loss at a confidence if returns were normal with the sample's mean and standard deviation, n in
// the divisor: -(mean + z sd) with z the normal quantile at 1 - confidence. PerformanceAnalytics: VaR(method =
// "gaussian"); RiskMetrics Technical Document, 4th edition, 1996.
func GaussianVaR(returns []float64, confidence float64) (float64, error) {
	z, mean, sd, err := gaussian(returns, confidence)
	if err != nil {
		return 0, err
	}
	return finite(0 - (mean + z*sd))
}

// GaussianES is the mean loss beyond [GaussianVaR] under the same assumption: sd φ(z) / (1 - confidence) - mean.
// PerformanceAnalytics: ES(method = "gaussian"); McNeil, Frey and Embrechts, Quantitative Risk Management, example 2.14.
func GaussianES(returns []float64, confidence float64) (float64, error) {
	z, mean, sd, err := gaussian(returns, confidence)
	if err != nil {
		return 0, err
	}
	return finite(sd*density(z)/(1-confidence) - mean)
}

// ModifiedVaR is [GaussianVaR] with the quantile bent by the sample's skewness S and excess kurtosis K after Cornish
// and Fisher: z + (z²-1)S/6 + (z³-3z)K/24 - (2z³-5z)S²/36, all moments with n. PerformanceAnalytics: VaR(method =
// "modified"); Zangari, "A VaR Methodology for Portfolios that Include Options", RiskMetrics Monitor, first quarter 1996.
//
// The bend is only good near a normal distribution: ask [CornishFisherHolds]. There is no modified ES here, because
// PerformanceAnalytics' one is set to the VaR by an operational rule wherever its formula fails.
func ModifiedVaR(returns []float64, confidence float64) (float64, error) {
	z, mean, sd, err := gaussian(returns, confidence)
	if err != nil {
		return 0, err
	}
	s, err := Skewness(returns)
	if err != nil {
		return 0, err
	}
	k, err := ExcessKurtosis(returns)
	if err != nil {
		return 0, err
	}
	bent := z + (z*z-1)*s/6 + (z*z*z-3*z)*k/24 - (2*z*z*z-5*z)*s*s/36
	return finite(0 - (mean + bent*sd))
}

// CornishFisherHolds says whether the bent quantile of [ModifiedVaR] still falls all the way from the median to the
// confidence. Where it does not, a higher confidence can come out with a smaller loss, and the number must not be relied
// on. Maillard, "A User's Guide to the Cornish Fisher Expansion", 2012, asks it of every probability; here it is asked
// of those in use, so that a short sample without fat tails is not refused for what lies far beyond it.
func CornishFisherHolds(skewness, excessKurtosis, confidence float64) bool {
	z, err := normalQuantile(confidence)
	if err != nil {
		return false
	}
	// The slope of the bend is the quadratic a z² + b z + c; it is least at an end or at its vertex.
	a := excessKurtosis/8 - skewness*skewness/6
	b := skewness / 3
	c := 1 - excessKurtosis/8 + 5*skewness*skewness/36
	slope := func(z float64) float64 { return a*z*z + b*z + c }
	if slope(0) <= 0 || slope(z) <= 0 {
		return false
	}
	vertex := -b / (2 * a)
	return !(a > 0 && vertex > min(0, z) && vertex < max(0, z) && slope(vertex) <= 0)
}

// EWMA is the volatility that follows the market: sigma[i] is the estimate after return i, hence the forecast for the
// period after it. The variance starts as the first squared return and goes on as v = λ v + (1 - λ) r², with a mean of
// zero. RiskMetrics Technical Document, 4th edition, 1996, which takes λ = 0.94 for days and 0.97 for months.
//
// λ lies from 0 (only the last return counts) to 1 (nothing is ever learnt). The error is as of [Volatility].
func EWMA(returns []float64, lambda float64) ([]float64, error) {
	if err := check(returns); err != nil {
		return nil, err
	}
	if !(lambda >= 0 && lambda <= 1) {
		return nil, fmt.Errorf("the decay %v is not between 0 and 1", lambda)
	}
	sigma := make([]float64, len(returns))
	variance := returns[0] * returns[0]
	for i, r := range returns {
		if i > 0 {
			variance = lambda*variance + (1-lambda)*r*r
		}
		s, err := finite(math.Sqrt(variance))
		if err != nil {
			return nil, err
		}
		sigma[i] = s
	}
	return sigma, nil
}

// SigmaVaR is the loss at a confidence of a normal return with mean zero and this volatility, as RiskMetrics uses the
// last value of [EWMA].
func SigmaVaR(sigma, confidence float64) (float64, error) {
	z, err := normalQuantile(confidence)
	if err != nil {
		return 0, err
	}
	if err := checkSigma(sigma); err != nil {
		return 0, err
	}
	return finite(0 - z*sigma)
}

// SigmaES is the mean loss beyond [SigmaVaR].
func SigmaES(sigma, confidence float64) (float64, error) {
	z, err := normalQuantile(confidence)
	if err != nil {
		return 0, err
	}
	if err := checkSigma(sigma); err != nil {
		return 0, err
	}
	return finite(sigma * density(z) / (1 - confidence))
}

func checkSigma(sigma float64) error {
	if !(sigma >= 0) || math.IsInf(sigma, 0) {
		return fmt.Errorf("a volatility of %v is none", sigma)
	}
	return nil
}

// LiquidityVaR adds what getting out costs to what the market may take: VaR × notional + ½ spread × notional, in the
// unit of the notional. The VaR and the spread between bid and ask are fractions. Bangia, Diebold, Schuermann and
// Stroughair, "Modeling Liquidity Risk", Risk, January 1999, without their allowance for a widening spread: give the
// spread of a bad day.
func LiquidityVaR(valueAtRisk, spread, notional float64) (float64, error) {
	if err := checkFinite([]float64{valueAtRisk, spread, notional}); err != nil {
		return 0, err
	}
	if spread < 0 || notional < 0 {
		return 0, fmt.Errorf("a spread of %v on %v cannot be: neither is negative", spread, notional)
	}
	return finite(valueAtRisk*notional + 0.5*spread*notional)
}

// gaussian is the normal distribution with the mean and the deviation of a sample, n in the divisor, and the standard
// quantile z at 1 - confidence.
func gaussian(returns []float64, confidence float64) (z, mean, sd float64, err error) {
	if z, err = normalQuantile(confidence); err != nil {
		return 0, 0, 0, err
	}
	if sd, err = PopulationVolatility(returns); err != nil {
		return 0, 0, 0, err
	}
	return z, meanOf(returns), sd, nil
}

// normalQuantile at 1 - confidence: -1.645 at 0.95.
func normalQuantile(confidence float64) (float64, error) {
	if !(confidence > 0 && confidence < 1) {
		return 0, fmt.Errorf("the confidence %v is not between 0 and 1", confidence)
	}
	return -mathext.NormalQuantile(confidence), nil
}

// density of the standard normal distribution.
func density(z float64) float64 { return math.Exp(-z*z/2) / math.Sqrt(2*math.Pi) }
