package risk

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestLaws holds the measures to what is true of any sample; the seed is in the failure.
func TestLaws(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 2))
		a, b := drawn(random, 2+random.IntN(300))
		line := must2(Compounded(a))
		both := make([]float64, len(a))
		for i := range a {
			both[i] = a[i] + b[i]
		}
		laws := map[string]bool{
			"drawdowns do not see the currency":  sameFalls(line, times(line, 7)),
			"the deepest fall is the maximum":    deepest(line) == must(MaxDrawdown(line)),
			"pain is no more than ulcer":         must(PainIndex(line)) <= must(UlcerIndex(line))+1e-15,
			"ulcer is no more than the maximum":  must(UlcerIndex(line)) <= must(MaxDrawdown(line))+1e-15,
			"average ≤ conditional ≤ maximum":    averageOrdered(line),
			"HHI lies between 1/n and 1":         hhiBound(line),
			"a steady EWMA learns nothing":       steady(must2(EWMA(a, 1))),
			"EWMA nearly steady is nearly so":    math.Abs(last(must2(EWMA(a, 1-1e-12)))-math.Abs(a[0])) < 1e-6,
			"EWMA without memory is the return":  near(last(must2(EWMA(a, 0))), math.Abs(last(a)), 1e-12),
			"beta to oneself is 1":               near(must(Beta(a, a)), 1, 1e-12) && near(must(Correlation(a, a)), 1, 1e-12),
			"beta scales":                        near(must(Beta(times(a, 3), b)), 3*must(Beta(a, b)), 1e-9),
			"a correlation is between -1 and 1":  math.Abs(must(Correlation(a, b))) <= 1,
			"no downside below the worst return": must(DownsideDeviation(a, slices.Min(a))) == 0,
		}
		for _, p := range []float64{0.9, 0.95, 0.99} {
			for name, m := range tailMeasures {
				loss, more, shortfall := must(m.loss(a, p)), must(m.loss(a, p+0.009)), must(m.shortfall(a, p))
				laws[name+": ES is no less than VaR"] = shortfall >= loss
				laws[name+": a higher confidence is no smaller loss"] = more >= loss
				laws[name+": it scales"] = near(must(m.loss(times(a, 3), p)), 3*loss, 1e-9) && near(must(m.shortfall(times(a, 3), p)), 3*shortfall, 1e-9)
			}
			laws["gaussian VaR does not punish holding both"] = must(GaussianVaR(both, p)) <= must(GaussianVaR(a, p))+must(GaussianVaR(b, p))+1e-12
			loss := must(HistoricalVaR(a, p))
			laws["getting out costs"] = must(LiquidityVaR(loss, 0.01, 1000)) >= loss*1000
			book := must2(NewBook([][]float64{a, b}, []float64{random.Float64(), 1 - 2*random.Float64()}))
			laws["the parts of VaR add up"] = addUp(must2(book.ComponentVaR(p)), must(GaussianVaR(book.Returns(), p)))
			laws["the parts of ES add up"] = addUp(must2(book.ComponentES(p)), must(GaussianES(book.Returns(), p)))
		}
		for law, holds := range laws {
			if !holds {
				t.Fatalf("seed %d: not true that %s", seed, law)
			}
		}
	}
}

var tailMeasures = map[string]struct {
	loss, shortfall func([]float64, float64) (float64, error)
}{
	"historical": {HistoricalVaR, HistoricalES},
	"gaussian":   {GaussianVaR, GaussianES},
	"EWMA": {
		func(r []float64, p float64) (float64, error) { return SigmaVaR(last(must2(EWMA(r, 0.94))), p) },
		func(r []float64, p float64) (float64, error) { return SigmaES(last(must2(EWMA(r, 0.94))), p) },
	},
}

// drawn are two related samples with fat tails, as markets have them.
func drawn(random *rand.Rand, n int) (a, b []float64) {
	a, b = make([]float64, n), make([]float64, n)
	for i := range a {
		heavy := 1 + 3*math.Abs(random.NormFloat64())
		a[i] = max(-0.9, 0.01*heavy*random.NormFloat64())
		b[i] = 0.5*a[i] + 0.01*random.NormFloat64()
	}
	return a, b
}

func sameFalls(a, b []float64) bool {
	return slices.EqualFunc(must2(Falls(a)), must2(Falls(b)), func(x, y Fall) bool {
		return x.From == y.From && x.To == y.To && x.Trough == y.Trough && math.Abs(x.Depth-y.Depth) < 1e-12
	})
}

func deepest(line []float64) float64 {
	falls := must2(Falls(line))
	if len(falls) == 0 {
		return 0
	}
	return falls[0].Depth
}

func averageOrdered(line []float64) bool {
	average, conditional := must(AverageDrawdown(line)), must(ConditionalDrawdown(line, 0.95))
	return average <= conditional+1e-15 && conditional <= must(MaxDrawdown(line))+1e-15
}

func hhiBound(amounts []float64) bool {
	h := must(HHI(amounts))
	return h >= 1/float64(len(amounts))-1e-12 && h <= 1
}

func steady(sigma []float64) bool {
	return !slices.ContainsFunc(sigma, func(s float64) bool { return s != sigma[0] })
}

func addUp(parts Parts, whole float64) bool {
	total := 0.0
	for _, c := range parts.Contributions {
		total += c
	}
	return math.Abs(total-parts.Total) <= 1e-12 && math.Abs(parts.Total-whole) <= 1e-12
}

func last(s []float64) float64 { return s[len(s)-1] }

// TestEveryMeasureRefuses what is no sample: nothing, one value, and values that are not finite.
func TestEveryMeasureRefuses(t *testing.T) {
	good := []float64{0.01, -0.02, 0.03, -0.01}
	one := func(f func([]float64) (float64, error)) func([]float64) (float64, error) { return f }
	at := func(f func([]float64, float64) (float64, error), p float64) func([]float64) (float64, error) {
		return func(s []float64) (float64, error) { return f(s, p) }
	}
	pair := func(f func(a, b []float64) (float64, error)) func([]float64) (float64, error) {
		return func(s []float64) (float64, error) {
			if v, err := f(s, s); err == nil {
				return v, nil
			}
			return f(good[:min(len(s), len(good))], s)
		}
	}
	slice := func(f func([]float64) ([]float64, error)) func([]float64) (float64, error) {
		return func(s []float64) (float64, error) { v, err := f(s); return float64(len(v)), err }
	}
	for name, measure := range map[string]func([]float64) (float64, error){
		"mean": one(Mean), "skewness": one(Skewness), "kurtosis": one(ExcessKurtosis), "sample kurtosis": one(SampleKurtosis),
		"deviation": one(MeanAbsoluteDeviation), "historical ES": at(HistoricalES, 0.95), "gaussian VaR": at(GaussianVaR, 0.95),
		"gaussian ES": at(GaussianES, 0.95), "modified VaR": at(ModifiedVaR, 0.95), "average drawdown": one(AverageDrawdown),
		"conditional drawdown": at(ConditionalDrawdown, 0.95), "ulcer": one(UlcerIndex), "pain": one(PainIndex),
		"downside": at(DownsideDeviation, 0), "beta": pair(Beta), "alpha": pair(Alpha), "bull beta": pair(BullBeta),
		"bear beta": pair(BearBeta), "correlation": pair(Correlation), "annual return": at(AnnualReturn, 12),
		"annual volatility": at(AnnualVolatility, 12), "Sharpe": at(Sharpe, 12),
		"tracking error":    pair(func(a, b []float64) (float64, error) { return TrackingError(a, b, 12) }),
		"information ratio": pair(func(a, b []float64) (float64, error) { return InformationRatio(a, b, 12) }),
		"autocorrelation":   func(s []float64) (float64, error) { return Autocorrelation(s, 1) },
		"EWMA":              slice(func(s []float64) ([]float64, error) { return EWMA(s, 0.94) }),
		"compounded":        slice(Compounded), "summed": slice(Summed),
		"falls": func(s []float64) (float64, error) { f, err := Falls(s); return float64(len(f)), err },
		"tail":  func(s []float64) (float64, error) { f, err := FitTail(s, 0); return f.Xi, err },
		"book": func(s []float64) (float64, error) {
			_, err := NewBook([][]float64{s}, []float64{1})
			return 0, err
		},
	} {
		for _, sample := range [][]float64{nil, {}, {1}, {1, math.NaN(), 2, 3}, {1, math.Inf(1), 2, 3}, {1, 2, 3, math.Inf(-1)}} {
			if v, err := measure(sample); err == nil || v != 0 {
				t.Errorf("%s of %v is %v without an error", name, sample, v)
			}
		}
	}
}

// TestStillSamples: what divides by a movement that there is not has no answer.
func TestStillSamples(t *testing.T) {
	calm, moving := []float64{0.1, 0.1, 0.1, 0.1}, []float64{0.01, -0.02, 0.03, -0.01}
	for name, measure := range map[string]func() (float64, error){
		"skewness":          func() (float64, error) { return Skewness(calm) },
		"kurtosis":          func() (float64, error) { return ExcessKurtosis(calm) },
		"autocorrelation":   func() (float64, error) { return Autocorrelation(calm, 1) },
		"beta":              func() (float64, error) { return Beta(moving, calm) },
		"correlation":       func() (float64, error) { return Correlation(calm, moving) },
		"Sharpe":            func() (float64, error) { return Sharpe(calm, 12) },
		"information ratio": func() (float64, error) { return InformationRatio(moving, moving, 12) },
		"component VaR": func() (float64, error) {
			p, err := must2(NewBook([][]float64{calm}, []float64{1})).ComponentVaR(0.95)
			return p.Total, err
		},
		"simulation": func() (float64, error) {
			s, err := must2(NewBook([][]float64{calm}, []float64{1})).Simulate(DrawsMin, 1)
			return float64(len(s)), err
		},
	} {
		if v, err := measure(); !errors.Is(err, ErrStill) || v != 0 {
			t.Errorf("%s of a sample that never moves: %v %v", name, v, err)
		}
	}
	if loss, err := GaussianVaR(calm, 0.95); err != nil || !near(loss, -0.1, 1e-12) {
		t.Errorf("a sure gain has a VaR, %v %v", loss, err)
	}
}

// TestBadArguments: each is named, none is bent into range.
func TestBadArguments(t *testing.T) {
	good := []float64{0.01, -0.02, 0.03, -0.01}
	book := must2(NewBook([][]float64{good}, []float64{1}))
	for name, err := range map[string]error{
		"confidence of ES":     errOf(HistoricalES(good, 1)),
		"confidence in %":      errOf(GaussianVaR(good, 95)),
		"confidence of NaN":    errOf(GaussianES(good, math.NaN())),
		"modified at 0":        errOf(ModifiedVaR(good, 0)),
		"component at 1":       errOf(book.ComponentVaR(1)),
		"decay above 1":        errOf(EWMA(good, 1.1)),
		"negative sigma":       errOf(SigmaVaR(-1, 0.95)),
		"negative spread":      errOf(LiquidityVaR(0.1, -0.1, 1)),
		"spread of NaN":        errOf(LiquidityVaR(0.1, math.NaN(), 1)),
		"MAR of NaN":           errOf(DownsideDeviation(good, math.NaN())),
		"no periods":           errOf(AnnualReturn(good, 0)),
		"other length":         errOf(Beta(good, good[:3])),
		"lag of the whole":     errOf(Autocorrelation(good, 4)),
		"few draws":            errOf(book.Simulate(DrawsMin-1, 1)),
		"many draws":           errOf(book.Simulate(DrawsMax+1, 1)),
		"weights and assets":   errOf(NewBook([][]float64{good}, []float64{1, 2})),
		"weight of NaN":        errOf(NewBook([][]float64{good}, []float64{math.NaN()})),
		"no asset":             errOf(NewBook(nil, nil)),
		"ragged columns":       errOf(NewBook([][]float64{good, good[:2]}, []float64{1, 1})),
		"more than everything": errOf(Compounded([]float64{0.1, -1.1, 0.1})),
		"no bear":              errOf(BearBeta(good, []float64{1, 2, 3, 4})),
	} {
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

// TestEdges are values that lie exactly on a border, worked out by hand.
func TestEdges(t *testing.T) {
	// The quantile at 1/4 of five values is the second; the shortfall takes it in.
	if es := must(HistoricalES([]float64{-4, -3, 0, 1, 2}, 0.75)); es != 3.5 {
		t.Errorf("the shortfall with its border is %v, want 3.5", es)
	}
	// A benchmark that stands still neither rises nor falls: 9 belongs to no beta.
	ours, benchmark := []float64{-4, -2, 9, 3, 6}, []float64{-2, -1, 0, 1, 2}
	if bull, bear := must(BullBeta(ours, benchmark)), must(BearBeta(ours, benchmark)); bull != 3 || bear != 2 {
		t.Errorf("the bull beta is %v, want 3; the bear beta %v, want 2", bull, bear)
	}
	// 20 of 1000 lie in the tail: 98 % is where it begins.
	tail := Tail{Xi: 0.5, Beta: 1, Threshold: 3, Exceedances: 20, N: 1000}
	if q, err := tail.Quantile(0.9800001); err != nil || math.Abs(q-3) > 1e-4 {
		t.Errorf("the tail begins at %v %v, want 3", q, err)
	}
	if _, err := tail.Quantile(0.979); !errors.Is(err, ErrBeforeTail) {
		t.Errorf("97.9 %% lies in a tail of 2 %%: %v", err)
	}
}

// TestCornishFisherHolds at the corners of its domain, and against the bent quantile itself.
func TestCornishFisherHolds(t *testing.T) {
	for _, tt := range []struct {
		skew, kurtosis, confidence float64
		want                       bool
	}{
		{0, 0, 0.999, true}, {0, 3, 0.99, true}, {0, 7.9, 0.99, true}, {0, 8.1, 0.99, false}, {-0.6, -0.45, 0.95, true},
		{1, 0, 0.95, true}, {1, 0, 0.99, false}, {-0.46, 3.3, 0.999, true}, {-4, 10, 0.99, false}, {0, 0, 1, false},
	} {
		if got := CornishFisherHolds(tt.skew, tt.kurtosis, tt.confidence); got != tt.want {
			t.Errorf("skewness %v, excess kurtosis %v at %v: %v", tt.skew, tt.kurtosis, tt.confidence, got)
		}
	}
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 4))
		a, _ := drawn(random, 20+random.IntN(100))
		s, k := must(Skewness(a)), must(ExcessKurtosis(a))
		rises, before := true, math.Inf(-1)
		for c := 0.5; c < 0.99; c += 0.0005 {
			loss := must(ModifiedVaR(a, c))
			rises, before = rises && loss > before, loss
		}
		if CornishFisherHolds(s, k, 0.99) && !rises {
			t.Fatalf("seed %d: skewness %v and excess kurtosis %v hold, and the loss does not rise", seed, s, k)
		}
	}
}

// FuzzTail: whatever is fitted, the answer is an error or a tail that says finite numbers in the right order.
func FuzzTail(f *testing.F) {
	f.Add(uint64(1), 0.5, 0.01, 0.02)
	f.Add(uint64(2), -0.6, 1e6, 0.0)
	f.Add(uint64(3), 1.5, 1e-9, -1.0)
	f.Fuzz(func(t *testing.T, seed uint64, shape, scale, threshold float64) {
		random := rand.New(rand.NewPCG(seed, 3))
		losses := make([]float64, 60)
		for i := range losses {
			losses[i] = threshold + scale*(math.Pow(random.Float64(), -shape)-1)
		}
		tail, err := FitTail(losses, threshold)
		if err != nil {
			return
		}
		if !(tail.Beta > 0) || math.IsNaN(tail.Xi) || math.IsInf(tail.Beta, 0) {
			t.Fatalf("%+v", tail)
		}
		q, err := tail.Quantile(0.99)
		if err != nil {
			return
		}
		if s, err := tail.Shortfall(0.99); err == nil && s < q-1e-9*math.Abs(q) {
			t.Fatalf("%+v: the shortfall %v is below the quantile %v", tail, s, q)
		}
	})
}
