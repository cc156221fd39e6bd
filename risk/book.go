package risk

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/mathext"
)

// Limits of a simulation. A million draws place the 99 % VaR of a normal book within about 0.4 % of itself.
const (
	DrawsMin = 1_000
	DrawsMax = 10_000_000
)

// Book is a portfolio of assets with fixed weights, rebalanced every period, and what a sample says of them: means and
// covariances with n in the divisor, so that the book's own gaussian VaR is that of its weighted returns.
type Book struct {
	weights, means []float64
	covariance     *mat.SymDense
	returns        []float64
}

// NewBook of assets whose returns are columns of one length: assets[a][t]. Weights are fractions of wealth; a negative
// one is a short position, and they need not add up to 1. The columns are not kept.
func NewBook(assets [][]float64, weights []float64) (*Book, error) {
	if len(assets) == 0 || len(assets) != len(weights) {
		return nil, fmt.Errorf("%d assets cannot be held with %d weights", len(assets), len(weights))
	}
	if err := checkFinite(weights); err != nil {
		return nil, fmt.Errorf("the weights: %w", err)
	}
	b := &Book{weights: append([]float64(nil), weights...), means: make([]float64, len(assets)), covariance: mat.NewSymDense(len(assets), nil)}
	for a, column := range assets {
		if err := checkPair(column, assets[0]); err != nil {
			return nil, fmt.Errorf("asset %d: %w", a+1, err)
		}
		b.means[a] = meanOf(column)
	}
	b.returns = make([]float64, len(assets[0]))
	for t := range b.returns {
		for a, column := range assets {
			b.returns[t] += weights[a] * column[t]
		}
	}
	if err := checkFinite(b.returns); err != nil {
		return nil, fmt.Errorf("the book's returns: %w", err)
	}
	return b, b.relate(assets)
}

// relate fills in the covariances.
func (b *Book) relate(assets [][]float64) error {
	for i := range assets {
		for j := i; j < len(assets); j++ {
			together := 0.0
			for t, r := range assets[i] {
				together += (r - b.means[i]) * (assets[j][t] - b.means[j])
			}
			c, err := finite(together / float64(len(b.returns)))
			if err != nil {
				return err
			}
			b.covariance.SetSym(i, j, c)
		}
	}
	return nil
}

// Returns of the book: the weighted sum of its assets' in each period.
func (b *Book) Returns() []float64 { return append([]float64(nil), b.returns...) }

// Parts says what each asset adds to a measure of the book; they add up to the total.
type Parts struct {
	Total         float64
	Contributions []float64 // in the order of the assets; a negative one takes risk away
}

// ComponentVaR splits [GaussianVaR] by Euler's rule into weight × derivative by the weight, which adds up to the total
// because VaR grows in proportion to the book. Scaillet, "Nonparametric Estimation and Sensitivity Analysis of Expected
// Shortfall", 2002; Boudt, Peterson and Croux, "Estimation and Decomposition of Downside Risk for Portfolios with
// Non-Normal Returns", Journal of Risk 11, 2008; PerformanceAnalytics: VaR(portfolio_method = "component").
//
// The historical VaR is not split: its derivative rests on the one day that happens to be the quantile.
func (b *Book) ComponentVaR(confidence float64) (Parts, error) {
	z, err := normalQuantile(confidence)
	if err != nil {
		return Parts{}, err
	}
	return b.split(-z)
}

// ComponentES splits [GaussianES] in the same way.
func (b *Book) ComponentES(confidence float64) (Parts, error) {
	z, err := normalQuantile(confidence)
	if err != nil {
		return Parts{}, err
	}
	return b.split(density(z) / (1 - confidence))
}

// split the measure factor × standard deviation - mean.
func (b *Book) split(factor float64) (Parts, error) {
	w := mat.NewVecDense(len(b.weights), b.weights)
	var slope mat.VecDense // covariance × weights: half the derivative of the variance
	slope.MulVec(b.covariance, w)
	variance := mat.Dot(w, &slope)
	if !(variance > 0) {
		return Parts{}, ErrStill
	}
	sd := math.Sqrt(variance)
	parts := Parts{Contributions: make([]float64, len(b.weights))}
	for a, weight := range b.weights {
		parts.Contributions[a] = weight * (factor*slope.AtVec(a)/sd - b.means[a])
		parts.Total += parts.Contributions[a]
	}
	_, err := finite(parts.Total)
	return parts, err
}

// Simulate draws returns of the book from the multivariate normal distribution with its assets' means and covariances;
// [HistoricalVaR] and [HistoricalES] of them are the Monte-Carlo VaR and ES. The same seed gives the same returns.
//
// Independent normals come from SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators",
// 2014) through the inverse normal AS 241 (Wichura, 1988), and are related by the Cholesky factor of the covariances;
// with pivots, so that assets which move as one are no error. Glasserman, Monte Carlo Methods in Financial Engineering,
// 2003, section 2.3. A normal draw has no fat tail: this measures the error of drawing, and not that of the assumption.
func (b *Book) Simulate(draws int, seed uint64) ([]float64, error) {
	if draws < DrawsMin || draws > DrawsMax {
		return nil, fmt.Errorf("%d draws are not between %d and %d", draws, DrawsMin, DrawsMax)
	}
	mean := 0.0
	for a, weight := range b.weights {
		mean += weight * b.means[a]
	}
	loads, err := b.loads()
	if err != nil {
		return nil, err
	}
	dice := splitMix64(seed)
	simulated := make([]float64, draws)
	for i := range simulated {
		r := mean
		for _, load := range loads {
			r += load * dice.normal()
		}
		simulated[i] = r
	}
	return simulated, checkFinite(simulated)
}

// loads are what one unit of each independent normal does to the book: Cholesky factor × weights.
func (b *Book) loads() ([]float64, error) {
	var factor mat.PivotedCholesky
	factor.Factorize(b.covariance, -1) // says false when assets move as one, and keeps the rank that there is
	rank := factor.Rank()
	if rank == 0 {
		return nil, ErrStill
	}
	var upper mat.TriDense
	factor.UTo(&upper)
	order := factor.ColumnPivots(nil)
	loads := make([]float64, rank)
	for i := range loads {
		for j := i; j < len(order); j++ {
			loads[i] += upper.At(i, j) * b.weights[order[j]]
		}
	}
	if err := checkFinite(loads); err != nil {
		return nil, errors.New("the covariances are too large to be computed with")
	}
	return loads, nil
}

// splitMix64 is the state of the generator; its seed is its first value.
type splitMix64 uint64

func (s *splitMix64) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// normal is a draw from the standard normal distribution. The half keeps the fraction away from 0 and 1.
func (s *splitMix64) normal() float64 {
	return mathext.NormalQuantile((float64(s.next()>>12) + 0.5) / (1 << 52))
}
