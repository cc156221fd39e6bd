package risk

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"testing"
)

// A reference is a sample from testdata/reference.json with what a package that others trust computed of it.
type reference struct {
	Case, Source string
	Series       map[string][]float64
	Periods      float64 // in a year
	Lambda       float64
	Expected     []expectation
}

type expectation struct {
	Measure, Of string
	Value       float64
	Confidence  float64
	Least       float64 // acceptable return
	Period      int     // of a measure that has one value per period, or a lag
}

// measured says how each measure of the file is computed here.
var measured = map[string]func(r reference, e expectation) (float64, error){
	"mean":                     plain(Mean),
	"lowest":                   plain(func(s []float64) (float64, error) { return Quantile(s, 0) }),
	"volatility":               plain(Volatility),
	"skewness":                 plain(Skewness),
	"excess kurtosis":          plain(ExcessKurtosis),
	"sample kurtosis":          plain(SampleKurtosis),
	"mean absolute deviation":  plain(MeanAbsoluteDeviation),
	"historical VaR":           atConfidence(HistoricalVaR),
	"gaussian VaR":             atConfidence(GaussianVaR),
	"modified VaR":             atConfidence(ModifiedVaR),
	"historical ES":            atConfidence(HistoricalES),
	"gaussian ES":              atConfidence(GaussianES),
	"maximum drawdown":         ofWealth(MaxDrawdown),
	"average drawdown":         ofWealth(AverageDrawdown),
	"Ulcer index":              ofWealth(UlcerIndex),
	"Pain index":               ofWealth(PainIndex),
	"beta":                     ofPair(Beta),
	"correlation":              ofPair(Correlation),
	"excess beta":              ofExcess(Beta),
	"excess alpha":             ofExcess(Alpha),
	"excess bull beta":         ofExcess(BullBeta),
	"excess bear beta":         ofExcess(BearBeta),
	"tracking error":           ofPair(func(a, b []float64) (float64, error) { return TrackingError(a, b, 12) }),
	"information ratio":        ofPair(func(a, b []float64) (float64, error) { return InformationRatio(a, b, 12) }),
	"excess Sharpe ratio":      ofExcess(func(a, _ []float64) (float64, error) { return Sharpe(a, 12) }),
	"annual return":            plain(func(s []float64) (float64, error) { return AnnualReturn(s, 12) }),
	"annual volatility":        plain(func(s []float64) (float64, error) { return AnnualVolatility(s, 12) }),
	"maximum drawdown, summed": plain(func(s []float64) (float64, error) { return MaxDrawdown(must2(Summed(s))) }),
	"downside deviation": func(r reference, e expectation) (float64, error) {
		return DownsideDeviation(r.Series[e.Of], e.Least)
	},
	"conditional drawdown": func(r reference, e expectation) (float64, error) {
		return ConditionalDrawdown(must2(Compounded(r.Series[e.Of])), e.Confidence)
	},
	"autocorrelation": func(r reference, e expectation) (float64, error) {
		return Autocorrelation(r.Series[e.Of], e.Period)
	},
	"EWMA volatility": ewmaAt(func(sigma float64, _ expectation) (float64, error) { return sigma, nil }),
	"EWMA variance":   ewmaAt(func(sigma float64, _ expectation) (float64, error) { return sigma * sigma, nil }),
	"EWMA VaR":        ewmaAt(func(sigma float64, e expectation) (float64, error) { return SigmaVaR(sigma, e.Confidence) }),
}

func plain(f func([]float64) (float64, error)) func(reference, expectation) (float64, error) {
	return func(r reference, e expectation) (float64, error) { return f(r.Series[e.Of]) }
}

func atConfidence(f func([]float64, float64) (float64, error)) func(reference, expectation) (float64, error) {
	return func(r reference, e expectation) (float64, error) { return f(r.Series[e.Of], e.Confidence) }
}

func ofWealth(f func([]float64) (float64, error)) func(reference, expectation) (float64, error) {
	return func(r reference, e expectation) (float64, error) { return f(must2(Compounded(r.Series[e.Of]))) }
}

func ofPair(f func(a, b []float64) (float64, error)) func(reference, expectation) (float64, error) {
	return func(r reference, e expectation) (float64, error) { return f(r.Series[e.Of], r.Series["benchmark"]) }
}

func ofExcess(f func(a, b []float64) (float64, error)) func(reference, expectation) (float64, error) {
	return func(r reference, e expectation) (float64, error) {
		return f(must2(Excess(r.Series[e.Of], r.Series["rf"])), must2(Excess(r.Series["benchmark"], r.Series["rf"])))
	}
}

func ewmaAt(f func(float64, expectation) (float64, error)) func(reference, expectation) (float64, error) {
	return func(r reference, e expectation) (float64, error) {
		return f(must2(EWMA(r.Series[e.Of], r.Lambda))[e.Period], e)
	}
}

// TestReferenceCases holds every measure to 1e-9 of what PerformanceAnalytics, fGarch or NIST say.
func TestReferenceCases(t *testing.T) {
	raw, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var references []reference
	if err := json.Unmarshal(raw, &references); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range references {
		for _, e := range r.Expected {
			measure, known := measured[e.Measure]
			if !known || r.Series[e.Of] == nil {
				t.Fatalf("%s: %q of %q cannot be computed", r.Case, e.Measure, e.Of)
			}
			seen[e.Measure] = true
			if got, err := measure(r, e); err != nil || !near(got, e.Value, 1e-9) {
				t.Errorf("%s: %s %v of %s: %.14g %v, want %.14g (%s)", r.Case, e.Measure, e.Confidence, e.Of, got, err, e.Value, r.Source)
			}
		}
	}
	for name := range measured {
		if !seen[name] {
			t.Errorf("no reference has a %s", name)
		}
	}
}

// TestFallsOfFundsOfFunds is the table of PerformanceAnalytics' table.Drawdowns, whose depths have four digits.
func TestFallsOfFundsOfFunds(t *testing.T) {
	falls, err := Falls(must2(Compounded(fundsOfFunds)))
	if err != nil {
		t.Fatal(err)
	}
	want := []Fall{
		{From: 131, Trough: 144, To: 0, Depth: 0.2059, Length: 23}, // November 2007, December 2008, not yet
		{From: 17, Trough: 22, To: 27, Depth: 0.0707, Length: 11},  // May, October 1998, March 1999
		{From: 40, Trough: 41, To: 44, Depth: 0.0388, Length: 5},   // April, May, August 2000
	}
	for i, w := range want {
		got := falls[i]
		got.Depth = math.Round(got.Depth*1e4) / 1e4
		if got != w {
			t.Errorf("drawdown %d is %+v, want %+v", i+1, got, w)
		}
	}
}

// TestComponents holds the parts of a book to PerformanceAnalytics' VaR.Gaussian.portfolio and ES.Gaussian.portfolio
// (PortfolioRisk.R at commit c079aea14727, run in R 4.2.2) for half HAM1, 30 % S&P 500 and 20 % bills.
func TestComponents(t *testing.T) {
	series := managers(t)
	b, err := NewBook([][]float64{series["asset"], series["benchmark"], series["rf"]}, []float64{0.5, 0.3, 0.2})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		split func(float64) (Parts, error)
		whole func([]float64, float64) (float64, error)
		at    float64
		want  []float64 // the total, then the parts
	}{
		{"VaR", b.ComponentVaR, GaussianVaR, 0.95, []float64{0.0297501863889678, 0.0135379909870756, 0.0168250571975925, -0.00061286179570043}},
		{"ES", b.ComponentES, GaussianES, 0.95, []float64{0.0395450776993343, 0.0183899975980769, 0.0217597043636688, -0.00060462426241142}},
		{"VaR", b.ComponentVaR, GaussianVaR, 0.99, []float64{0.0457248553432294, 0.0214512180886976, 0.0248730643052083, -0.000599427050676525}},
		{"ES", b.ComponentES, GaussianES, 0.99, []float64{0.053668103177062, 0.0253859928382436, 0.0288748570939837, -0.000592746755165252}},
	} {
		parts, err := tt.split(tt.at)
		got := append([]float64{parts.Total}, parts.Contributions...)
		if err != nil || !slices.EqualFunc(got, tt.want, func(a, b float64) bool { return near(a, b, 1e-9) }) {
			t.Errorf("%s at %v: %v %v, want %v", tt.name, tt.at, got, err, tt.want)
		}
		if whole := must(tt.whole(b.Returns(), tt.at)); !near(parts.Total, whole, 1e-12) {
			t.Errorf("%s at %v: the parts add up to %.15g, the whole is %.15g", tt.name, tt.at, parts.Total, whole)
		}
	}
}

// TestTails holds the fit to R 4.2.2, where the likelihood was maximised with optim and then solved to 1e-15 in one
// variable. fExtremes 4021.83, which stops earlier, has xi 0.4968 and beta 6.9746 for the Danish fires, as do McNeil,
// "Estimating the Tails of Loss Severity Distributions using Extreme Value Theory", ASTIN Bulletin 27 (1997).
func TestTails(t *testing.T) {
	fires := make([]float64, 2167) // all that is not above 10 counts only as a number
	copy(fires, danishFires)
	crash := minus(crashOf1987(t))
	for _, tt := range []struct {
		name                    string
		losses                  []float64
		threshold, xi, beta     float64
		exceedances             int
		at, quantile, shortfall []float64
	}{
		{"Danish fires above 10", fires, 10, 0.496985802365682, 6.97546804789503, 109, []float64{0.95, 0.99, 0.999},
			[]float64{10.0417834211993, 27.2899874000248, 94.3393520546711}, []float64{23.9504043863902, 58.2401005022135, 191.535273819349}},
		{"Danish fires above 20", fires, 20, 0.684152180587439, 9.63513283643778, 36, []float64{0.99, 0.999},
			[]float64{25.8473543527186, 102.227291928233}, []float64{69.0188193097295, 310.843941666351}},
		{"the S&P 500 around October 1987", crash, 0.015, 0.501272315757022, 0.00959937142156012, 32, []float64{0.95, 0.99, 0.999},
			[]float64{0.0233465008409771, 0.0574600919813761, 0.191249854610195}, []float64{0.0509833087865925, 0.119384547013783, 0.387646700601466}},
		{"the same from 1 %", crash, 0.01, 0.354777233046043, 0.0109578461753022, 46, []float64{0.95, 0.99},
			[]float64{0.0244949900701324, 0.0594397736777907}, []float64{0.049448137215609, 0.103607391038331}},
	} {
		tail, err := FitTail(tt.losses, tt.threshold)
		if err != nil || !near(tail.Xi, tt.xi, 1e-6) || !near(tail.Beta, tt.beta, 1e-6) || tail.Exceedances != tt.exceedances {
			t.Errorf("%s: %+v %v, want xi %v, beta %v, %d exceedances", tt.name, tail, err, tt.xi, tt.beta, tt.exceedances)
			continue
		}
		for i, at := range tt.at {
			if q := must(tail.Quantile(at)); !near(q, tt.quantile[i], 1e-6) {
				t.Errorf("%s: quantile %v is %v, want %v", tt.name, at, q, tt.quantile[i])
			}
			if s := must(tail.Shortfall(at)); !near(s, tt.shortfall[i], 1e-6) {
				t.Errorf("%s: shortfall %v is %v, want %v", tt.name, at, s, tt.shortfall[i])
			}
		}
	}
}

// TestTailsThatSayNothing: too few losses, a confidence before the tail, and a mean that does not exist.
func TestTailsThatSayNothing(t *testing.T) {
	crash := minus(crashOf1987(t))
	if tail, err := FitTail(crash, 0.05); err == nil {
		t.Errorf("a tail of %d losses was fitted", tail.Exceedances)
	}
	if _, err := FitTail(crash, math.NaN()); err == nil {
		t.Error("a threshold that is no number was taken")
	}
	if _, err := FitTail(slices.Repeat([]float64{0, 1}, 20), 0.5); !errors.Is(err, ErrStill) {
		t.Errorf("losses that are all the same have a tail: %v", err)
	}
	tail := Tail{Xi: 1.2, Beta: 1, Threshold: 1, Exceedances: 20, N: 1000}
	if _, err := tail.Quantile(0.95); !errors.Is(err, ErrBeforeTail) {
		t.Errorf("95 %% lies before a tail of 2 %%: %v", err)
	}
	if _, err := tail.Shortfall(0.99); !errors.Is(err, ErrNoShortfall) {
		t.Errorf("the mean of a tail with xi 1.2: %v", err)
	}
	exponential := Tail{Xi: 0, Beta: 2, Threshold: 1, Exceedances: 100, N: 1000}
	if q := must(exponential.Quantile(0.99)); !near(q, 1+2*math.Log(10), 1e-12) {
		t.Errorf("the quantile of an exponential tail is %v", q)
	}
	if s := must(exponential.Shortfall(0.99)); !near(s, 3+2*math.Log(10), 1e-12) {
		t.Errorf("the shortfall of an exponential tail is %v", s)
	}
}

// TestSplitMix64 holds the generator to the outputs that its authors publish for seed 1234567.
func TestSplitMix64(t *testing.T) {
	dice := splitMix64(1234567)
	for i, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821} {
		if got := dice.next(); got != want {
			t.Errorf("output %d is %d, want %d", i+1, got, want)
		}
	}
}

// TestSimulation: the drawn book has the book's own loss to within five standard errors, and twice the same.
func TestSimulation(t *testing.T) {
	series := managers(t)
	a, b, c := series["asset"], series["benchmark"], series["rf"]
	for name, book := range map[string]*Book{
		"three assets":    must2(NewBook([][]float64{a, b, c}, []float64{0.5, 0.3, 0.2})),
		"long and short":  must2(NewBook([][]float64{c, b, a}, []float64{0.2, -0.6, 1.4})),
		"one asset twice": must2(NewBook([][]float64{a, a, b}, []float64{0.25, 0.25, 0.5})),
		"one asset":       must2(NewBook([][]float64{a}, []float64{1})),
	} {
		const draws = 200_000
		drawn := must2(book.Simulate(draws, 42))
		if !slices.Equal(drawn, must2(book.Simulate(draws, 42))) || slices.Equal(drawn[:9], must2(book.Simulate(draws, 43))[:9]) {
			t.Errorf("%s: the seed does not decide what is drawn", name)
		}
		sd := must(PopulationVolatility(book.Returns()))
		for _, p := range []float64{0.95, 0.99} {
			z, _ := normalQuantile(p)
			room := 5 * sd * math.Sqrt(p*(1-p)/draws) / density(z)
			if got, want := must(HistoricalVaR(drawn, p)), must(GaussianVaR(book.Returns(), p)); math.Abs(got-want) > room {
				t.Errorf("%s: VaR %v is %v, want %v ± %v", name, p, got, want, room)
			}
			if got, want := must(HistoricalES(drawn, p)), must(GaussianES(book.Returns(), p)); math.Abs(got-want) > 2*room {
				t.Errorf("%s: ES %v is %v, want %v ± %v", name, p, got, want, 2*room)
			}
		}
	}
}

func managers(t *testing.T) map[string][]float64 {
	t.Helper()
	return seriesOf(t, "HAM1 against the S&P 500 and 3-month bills, 1996 to 2006, monthly")
}

func crashOf1987(t *testing.T) []float64 {
	t.Helper()
	return seriesOf(t, "S&P 500 around 19 October 1987, daily logarithmic returns")["returns"]
}

func seriesOf(t *testing.T, name string) map[string][]float64 {
	t.Helper()
	raw, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var references []reference
	if err := json.Unmarshal(raw, &references); err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(references, func(r reference) bool { return r.Case == name })
	if at < 0 {
		t.Fatalf("testdata/reference.json has no case %q", name)
	}
	return references[at].Series
}

func near(got, want, relative float64) bool { return math.Abs(got-want) <= relative*math.Abs(want) }

func minus(returns []float64) []float64 { return times(returns, -1) }

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// danishFires are the 109 fire insurance claims above 10 million kroner of 1985, out of 2,167 from 1980 to 1990: data
// set danishClaims of R's fExtremes 4021.83, which McNeil analysed.
var danishFires = []float64{
	11.37481698, 26.21464129, 14.12207613, 11.71303075, 12.46559297, 17.56954612, 13.62079063, 21.96193265, 263.250366, 19.07027818,
	19.47291362, 34.14154653, 20.96985583, 12.89515072, 56.22542595, 10.22280472, 14.67889908, 50.0655308, 10.17802378, 10.82045184,
	24.97027348, 11.89060642, 20.04994055, 65.70749108, 27.26259453, 15.92627824, 22.25822592, 10.01112347, 10.07230256, 12.63181313,
	13.34816463, 11.43159066, 11.12347052, 11.62303665, 14.29319372, 13.62303665, 18.64648377, 15.81151832, 19.16230366, 18.84816754,
	22.137567, 16.3, 46.5, 10.5, 12.225, 14.239, 57.410636, 14.3, 13.5, 10.7,
	19.4, 12.05400193, 16.44165863, 29.02603664, 12.53616201, 18.32208293, 10.27000964, 17.06846673, 17.74349084, 23.283859,
	11.13172542, 12.52319109, 32.46753247, 29.03710575, 18.5528757, 16.88311688, 27.82931354, 12.0593692, 11.59554731, 16.41526176,
	18.42413487, 38.15439219, 27.33806566, 11.80124224, 25.28837622, 10.20408163, 20.45252884, 47.01952085, 24.57852706, 15.88287489,
	25.9538598, 10.82519965, 31.05590062, 24.55546147, 42.09144793, 14.39458086, 20.86367485, 14.39458086, 10.13717189, 12.80186283,
	16.08806097, 152.4132091, 14.01354784, 12.70110076, 11.6850127, 32.38780694, 10.58425064, 18.62828112, 10.99834983, 12.37623762,
	15.28465347, 10.18481848, 13.20132013, 20.82673267, 14.85148515, 144.6575908, 28.63036304, 19.26567657, 17.73927393,
}
