package risk

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// fundsOfFunds are the 152 monthly returns, January 1997 to August 2009, of the EDHEC index of funds of hedge funds:
// data set edhec of R's PerformanceAnalytics 2.1.0. What is expected of them was computed by that package in R 4.2.2.
var fundsOfFunds = []float64{
	0.0317, 0.0106, -0.0077, 0.0009, 0.0275, 0.0225, 0.0435, 0.0051, 0.0334, -0.0099, -0.0034, 0.0089, -0.0036,
	0.0256, 0.0373, 0.0125, -0.0072, 0.0021, -0.0007, -0.0616, -0.0037, -0.0002, 0.022, 0.0222, 0.0202, -0.0063,
	0.0213, 0.04, 0.0119, 0.0282, 0.0088, 0.0028, 0.0052, 0.013, 0.0483, 0.0622, 0.0169, 0.0666, 0.0039, -0.0269,
	-0.0122, 0.0311, -0.0022, 0.0267, -0.0069, -0.0104, -0.0205, 0.0133, 0.0223, -0.0089, -0.0068, 0.0104, 0.008,
	0.0013, -0.004, 0.0019, -0.0142, 0.0095, 0.0058, 0.0099, 0.003, -0.0015, 0.009, 0.0052, 0.005, -0.0095,
	-0.014, 0.0037, -0.0033, -0.0031, 0.0106, 0.0077, 0.0072, 0.0031, -0.0004, 0.0134, 0.0205, 0.0068, 0.0025,
	0.0078, 0.0121, 0.0152, 0.007, 0.0139, 0.0156, 0.0111, 0.0043, -0.0068, -0.0082, 0.0034, -0.0049, -0.001,
	0.0099, 0.0068, 0.0244, 0.0145, 0.0006, 0.0136, -0.0044, -0.0141, 0.0018, 0.0131, 0.0134, 0.0079, 0.0147,
	-0.0149, 0.016, 0.0191, 0.0286, 0.0037, 0.0164, 0.0171, -0.0133, -0.0028, -0.0005, 0.0066, -0.0003, 0.0163,
	0.0185, 0.0175, 0.0121, 0.0096, 0.0096, 0.0163, 0.0204, 0.0082, 0.0041, -0.0222, 0.0199, 0.0303, -0.0148,
	0.004, -0.0272, 0.0142, -0.0262, 0.0097, 0.0172, -0.0068, -0.0264, -0.0156, -0.0618, -0.06, -0.0192, -0.0119,
	0.006, -0.0037, 0.0008, 0.0092, 0.0312, 0.0024, 0.0153, 0.0113,
}

// bacon are the 24 monthly portfolio returns of Carl Bacon, Practical Portfolio Performance Measurement and
// Attribution, data set portfolio_bacon of the same package.
var bacon = []float64{
	0.003, 0.026, 0.011, -0.01, 0.015, 0.025, 0.016, 0.067, -0.014, 0.04, -0.005, 0.081, 0.04, -0.037, -0.061,
	0.017, -0.049, -0.022, 0.07, 0.058, -0.065, 0.024, -0.005, -0.009,
}

// michelson are the 100 measurements of the speed of light whose mean and standard deviation NIST certifies: NIST StRD,
// univariate summary statistics, "Michelso", in thousands of km/s.
var michelson = []float64{
	299.85, 299.74, 299.9, 300.07, 299.93, 299.85, 299.95, 299.98, 299.98, 299.88, 300, 299.98, 299.93, 299.65,
	299.76, 299.81, 300, 300, 299.96, 299.96, 299.96, 299.94, 299.96, 299.94, 299.88, 299.8, 299.85, 299.88,
	299.9, 299.84, 299.83, 299.79, 299.81, 299.88, 299.88, 299.83, 299.8, 299.79, 299.76, 299.8, 299.88, 299.88,
	299.88, 299.86, 299.72, 299.72, 299.62, 299.86, 299.97, 299.95, 299.88, 299.91, 299.85, 299.87, 299.84,
	299.84, 299.85, 299.84, 299.84, 299.84, 299.89, 299.81, 299.81, 299.82, 299.8, 299.77, 299.76, 299.74, 299.75,
	299.76, 299.91, 299.92, 299.89, 299.86, 299.88, 299.72, 299.84, 299.85, 299.85, 299.78, 299.89, 299.84,
	299.78, 299.81, 299.76, 299.81, 299.79, 299.81, 299.82, 299.85, 299.87, 299.87, 299.81, 299.74, 299.81,
	299.94, 299.95, 299.8, 299.81, 299.87,
}

func TestAgainstPublishedValues(t *testing.T) {
	tests := []struct {
		name string
		got  func() (float64, error)
		want float64
	}{
		{"VaR 95 % of funds of funds", func() (float64, error) { return HistoricalVaR(fundsOfFunds, 0.95) }, 0.021265},
		{"VaR 99 % of funds of funds", func() (float64, error) { return HistoricalVaR(fundsOfFunds, 0.99) }, 0.060784},
		{"volatility of funds of funds", func() (float64, error) { return Volatility(fundsOfFunds) }, 0.0182119581596},
		{"deepest drawdown of funds of funds", func() (float64, error) { return MaxDrawdown(wealth(fundsOfFunds)) }, 0.2059144706935},
		{"deepest drawdown of Bacon's portfolio", func() (float64, error) { return MaxDrawdown(wealth(bacon)) }, 0.1446729557392},
		{"deviation of Michelson's measurements", func() (float64, error) { return Volatility(michelson) }, 0.0790105478190518},
	}
	for _, tt := range tests {
		if got, err := tt.got(); err != nil || math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%s: %.13f %v, want %.13f", tt.name, got, err, tt.want)
		}
	}
}

func TestByHand(t *testing.T) {
	tests := []struct {
		name string
		got  func() (float64, error)
		want float64
	}{
		{"median of four", func() (float64, error) { return Quantile([]float64{4, 1, 3, 2}, 0.5) }, 2.5},
		{"lower quartile of four", func() (float64, error) { return Quantile([]float64{1, 2, 3, 4}, 0.25) }, 1.75},
		{"smallest", func() (float64, error) { return Quantile([]float64{3, 1, 2}, 0) }, 1},
		{"largest", func() (float64, error) { return Quantile([]float64{3, 1, 2}, 1) }, 3},
		{"VaR when every day was a gain", func() (float64, error) { return HistoricalVaR([]float64{0.01, 0.01}, 0.95) }, -0.01},
		{"it never falls", func() (float64, error) { return MaxDrawdown([]float64{100, 100, 120}) }, 0},
		{"deepest, not the last", func() (float64, error) { return MaxDrawdown([]float64{100, 60, 120, 90}) }, 0.4},
		{"everything lost", func() (float64, error) { return MaxDrawdown([]float64{100, 0, 0}) }, 1},
		{"n - 1", func() (float64, error) { return Volatility([]float64{1, 2, 3, 4}) }, math.Sqrt(5.0 / 3)},
		{"n", func() (float64, error) { return PopulationVolatility([]float64{1, 2, 3, 4}) }, math.Sqrt(5.0 / 4)},
		{"far from zero", func() (float64, error) { return Volatility([]float64{1e9 + 1, 1e9 + 2, 1e9 + 3}) }, 1},
		{"one holding", func() (float64, error) { return HHI([]float64{0.3}) }, 1},
		{"four equal holdings", func() (float64, error) { return HHI([]float64{25, 25, 25, 25}) }, 0.25},
		{"half, and two quarters", func() (float64, error) { return HHI([]float64{2, 1, 1}) }, 0.375},
	}
	for _, tt := range tests {
		if got, err := tt.got(); err != nil || math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%s: %v %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestNoAnswerIsAnError(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	measures := map[string]func([]float64) (float64, error){
		"quantile":     func(s []float64) (float64, error) { return Quantile(s, 0.5) },
		"VaR":          func(s []float64) (float64, error) { return HistoricalVaR(s, 0.95) },
		"max drawdown": MaxDrawdown,
		"volatility":   Volatility,
		"population":   PopulationVolatility,
	}
	for name, measure := range measures {
		for _, sample := range [][]float64{nil, {}, {1}} {
			if v, err := measure(sample); !errors.Is(err, ErrTooFew) || v != 0 {
				t.Errorf("%s of %v: %v %v, want ErrTooFew", name, sample, v, err)
			}
		}
		for _, sample := range [][]float64{{1, nan, 2}, {nan, nan}, {1, inf}, {-inf, 1}} {
			if v, err := measure(sample); err == nil || v != 0 {
				t.Errorf("%s of %v: %v without an error", name, sample, v)
			}
		}
	}
	for name, measure := range map[string]func() (float64, error){
		"quantile beyond 1":       func() (float64, error) { return Quantile([]float64{1, 2}, 1.01) },
		"quantile of NaN":         func() (float64, error) { return Quantile([]float64{1, 2}, nan) },
		"VaR in percent":          func() (float64, error) { return HistoricalVaR([]float64{1, 2}, 95) },
		"VaR with certainty":      func() (float64, error) { return HistoricalVaR([]float64{1, 2}, 1) },
		"drawdown of debt":        func() (float64, error) { return MaxDrawdown([]float64{100, -1}) },
		"drawdown from nothing":   func() (float64, error) { return MaxDrawdown([]float64{0, 1}) },
		"volatility out of range": func() (float64, error) { return Volatility([]float64{-1e300, 1e300}) },
		"HHI of nothing":          func() (float64, error) { return HHI(nil) },
		"HHI of zeros":            func() (float64, error) { return HHI([]float64{0, 0}) },
		"HHI of a short position": func() (float64, error) { return HHI([]float64{2, -1}) },
		"HHI of NaN":              func() (float64, error) { return HHI([]float64{nan}) },
	} {
		if v, err := measure(); err == nil {
			t.Errorf("%s: %v without an error", name, v)
		}
	}
}

// TestProperties holds the measures to what is true of any sample; the seed is in the failure.
func TestProperties(t *testing.T) {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 1))
		returns := make([]float64, 2+random.IntN(300))
		for i := range returns {
			returns[i] = max(-0.9, random.NormFloat64()*0.02)
		}
		asGiven := slices.Clone(returns)
		line := wealth(returns)
		var95, var99 := must(HistoricalVaR(returns, 0.95)), must(HistoricalVaR(returns, 0.99))
		deepest, now := must(MaxDrawdown(line)), 1-line[len(line)-1]/slices.Max(line)
		spread, same := must(Volatility(returns)), must(PopulationVolatility(returns))
		n := float64(len(returns))
		laws := map[string]bool{
			"a higher confidence is no smaller loss": var99 >= var95,
			"VaR is within the sample":               -var99 >= slices.Min(returns) && -var95 <= slices.Max(returns),
			"the deepest drawdown is no shallower":   deepest >= now && now >= 0 && deepest < 1,
			"drawdown does not see the currency":     math.Abs(must(MaxDrawdown(times(line, 7)))-deepest) < 1e-12,
			"volatility scales":                      math.Abs(must(Volatility(times(returns, 3)))-3*spread) < 1e-12,
			"n against n - 1":                        math.Abs(same-spread*math.Sqrt((n-1)/n)) < 1e-12,
			"HHI lies between 1/n and 1":             must(HHI(line)) >= 1/(n+1)-1e-12 && must(HHI(line)) <= 1,
			"order does not matter to VaR":           must(HistoricalVaR(slices.Sorted(slices.Values(returns)), 0.95)) == var95,
			"the sample is untouched":                slices.Equal(returns, asGiven),
		}
		for law, holds := range laws {
			if !holds {
				t.Fatalf("seed %d: not true that %s", seed, law)
			}
		}
	}
}

// FuzzFinite: whatever the numbers, the answer is an error or finite, and a quantile lies within its sample.
func FuzzFinite(f *testing.F) {
	f.Add(0.1, -0.2, 0.3, 0.5)
	f.Add(math.MaxFloat64, -math.MaxFloat64, 0.0, 0.99)
	f.Add(math.NaN(), math.Inf(1), 1.0, 0.5)
	f.Add(5e-324, 5e-324, 5e-324, 0.9)
	f.Fuzz(func(t *testing.T, a, b, c, p float64) {
		sample := []float64{a, b, c}
		for name, measure := range map[string]func([]float64) (float64, error){
			"max drawdown": MaxDrawdown, "volatility": Volatility, "HHI": HHI,
			"quantile": func(s []float64) (float64, error) { return Quantile(s, p) },
			"VaR":      func(s []float64) (float64, error) { return HistoricalVaR(s, p) },
		} {
			v, err := measure(sample)
			if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
				t.Fatalf("%s of %v is %v without an error", name, sample, v)
			}
			if err == nil && name == "quantile" && (v < slices.Min(sample) || v > slices.Max(sample)) {
				t.Fatalf("quantile %v of %v is %v", p, sample, v)
			}
		}
	})
}

// wealth that returns build up from 1.
func wealth(returns []float64) []float64 {
	line := []float64{1}
	for _, r := range returns {
		line = append(line, line[len(line)-1]*(1+r))
	}
	return line
}

func times(sample []float64, factor float64) []float64 {
	scaled := slices.Clone(sample)
	for i := range scaled {
		scaled[i] *= factor
	}
	return scaled
}

func must(v float64, err error) float64 {
	if err != nil {
		panic(err)
	}
	return v
}
