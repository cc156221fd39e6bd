package risk

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/optimize"
)

// ExceedancesMin is how many losses beyond the threshold a fit needs. It is what makes the fit possible and not what
// makes it good: with fewer than about 50 the shape is hardly known.
const ExceedancesMin = 10

// ErrBeforeTail is a confidence whose quantile lies below the threshold, where the tail says nothing.
var ErrBeforeTail = errors.New("the confidence lies before the tail begins")

// ErrNoShortfall is a tail so heavy that the mean beyond any point is infinite.
var ErrNoShortfall = errors.New("the tail is so heavy (xi of 1 or more) that its mean is infinite")

// Tail is a generalised Pareto distribution fitted to the excess of losses over a threshold (peaks over threshold).
// McNeil, Frey and Embrechts, Quantitative Risk Management, 2nd edition, section 5.2.
type Tail struct {
	Xi          float64 // shape: 0 decays like a normal or exponential tail; from 1/2 the variance is infinite, from 1 the mean
	Beta        float64 // scale, in the unit of the losses
	Threshold   float64 // in the unit of the losses
	Exceedances int     // losses above the threshold
	N           int     // all values of the sample
}

// FitTail fits a tail to losses by maximum likelihood. Losses are positive: give minus the returns. The search is that
// of Nelder and Mead from the probability-weighted moments of Hosking and Wallis ("Parameter and Quantile Estimation
// for the Generalized Pareto Distribution", Technometrics 29, 1987).
func FitTail(losses []float64, threshold float64) (Tail, error) {
	if err := check(losses); err != nil {
		return Tail{}, err
	}
	if err := checkFinite([]float64{threshold}); err != nil {
		return Tail{}, fmt.Errorf("the threshold: %w", err)
	}
	var excess []float64
	for _, l := range losses {
		if l > threshold {
			excess = append(excess, l-threshold)
		}
	}
	if len(excess) < ExceedancesMin {
		return Tail{}, fmt.Errorf("%d of %d losses lie above the threshold %v; a tail needs %d", len(excess), len(losses), threshold, ExceedancesMin)
	}
	xi, beta, err := fitPareto(excess)
	if err != nil {
		return Tail{}, err
	}
	return Tail{xi, beta, threshold, len(excess), len(losses)}, nil
}

// fitPareto searches in units of the mean excess and in the logarithm of the scale, so that one size of step serves
// both, and twice: the second search starts where the first ended, with a fresh simplex, because one can collapse early.
func fitPareto(excess []float64) (xi, beta float64, err error) {
	unit := meanOf(excess)
	scaled := make([]float64, len(excess))
	for i, y := range excess {
		if scaled[i], err = finite(y / unit); err != nil {
			return 0, 0, err
		}
	}
	if allEqual(scaled) {
		return 0, 0, ErrStill
	}
	problem := optimize.Problem{Func: func(x []float64) float64 { return paretoSurprise(scaled, x[0], math.Exp(x[1])) }}
	settings := &optimize.Settings{MajorIterations: 2_000, Converger: &optimize.FunctionConverge{Absolute: 1e-15, Iterations: 100}}
	at := paretoStart(scaled)
	for _, step := range []float64{0.2, 0.01} {
		found, err := optimize.Minimize(problem, at, settings, &optimize.NelderMead{SimplexSize: step})
		if err != nil {
			return 0, 0, fmt.Errorf("fit the tail: %w", err)
		}
		if found.Status != optimize.FunctionConvergence {
			return 0, 0, fmt.Errorf("fit the tail: the search ended with %v", found.Status)
		}
		at = found.X
	}
	if at[0] < shapeMin+0.01 {
		return 0, 0, errors.New("the losses beyond the threshold end so abruptly that no tail has a greatest likelihood")
	}
	return at[0], math.Exp(at[1]) * unit, nil
}

// shapeMin bounds the search: below -1 the likelihood grows without limit (Smith, "Maximum Likelihood Estimation in a
// Class of Nonregular Cases", Biometrika 72, 1985).
const shapeMin = -1

// paretoSurprise is minus the mean log-likelihood of the excesses; +Inf where they cannot come from the tail.
func paretoSurprise(excess []float64, xi, beta float64) float64 {
	if xi <= shapeMin || !(beta > 0) || math.IsInf(beta, 0) {
		return math.Inf(1)
	}
	total := 0.0
	for _, y := range excess {
		switch u := xi * y / beta; {
		case u <= -1:
			return math.Inf(1)
		case math.Abs(xi) < 1e-9: // where the quotient below loses its digits, the tail is an exponential one
			total += y / beta
		default:
			total += (1 + 1/xi) * math.Log1p(u)
		}
	}
	return math.Log(beta) + total/float64(len(excess))
}

// paretoStart is the estimate by probability-weighted moments, moved to where every excess is possible.
func paretoStart(excess []float64) []float64 {
	sorted := sortedCopy(excess)
	n := float64(len(sorted))
	first, second := 0.0, 0.0 // moments weighted by 1 and by the fraction of excesses that are larger
	for i, y := range sorted {
		first += y / n
		second += y * (n - 1 - float64(i)) / (n - 1) / n
	}
	xi := 2 - first/(first-2*second)
	beta := 2 * first * second / (first - 2*second)
	if !(beta > 0) || math.IsInf(beta, 0) || math.IsInf(xi, 0) {
		xi, beta = 0.1, first
	}
	xi = min(2, max(-0.5, xi))
	if xi < 0 {
		beta = max(beta, -xi*sorted[len(sorted)-1]*1.01)
	}
	return []float64{xi, math.Log(beta)}
}

// Quantile is the loss that is not exceeded in the fraction confidence of periods: threshold + β/ξ ((n/N (1 -
// confidence))^-ξ - 1), with N exceedances among n values (McNeil, Frey and Embrechts, equation 5.19). The error is
// [ErrBeforeTail] when it would lie below the threshold.
func (t Tail) Quantile(confidence float64) (float64, error) {
	if !(confidence > 0 && confidence < 1) {
		return 0, fmt.Errorf("the confidence %v is not between 0 and 1", confidence)
	}
	left := (1 - confidence) * float64(t.N) / float64(t.Exceedances)
	if left > 1 {
		return 0, ErrBeforeTail
	}
	if math.Abs(t.Xi) < 1e-9 {
		return finite(t.Threshold - t.Beta*math.Log(left))
	}
	return finite(t.Threshold + t.Beta/t.Xi*math.Expm1(-t.Xi*math.Log(left)))
}

// Shortfall is the mean loss beyond [Tail.Quantile]: quantile/(1 - ξ) + (β - ξ threshold)/(1 - ξ) (McNeil, Frey and
// Embrechts, equation 5.20). It is [ErrNoShortfall] when ξ is 1 or more.
func (t Tail) Shortfall(confidence float64) (float64, error) {
	q, err := t.Quantile(confidence)
	if err != nil {
		return 0, err
	}
	if t.Xi >= 1 {
		return 0, ErrNoShortfall
	}
	return finite((q + t.Beta - t.Xi*t.Threshold) / (1 - t.Xi))
}
