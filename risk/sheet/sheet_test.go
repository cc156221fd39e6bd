package sheet

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"lifeboat"
)

// standard options, as the command has them when no flag is given.
func standard() Options {
	return Options{Confidence: []float64{0.95, 0.99}, Lambda: 0.94, Periods: 252, Notional: 1, Draws: 10_000, Seed: 1}
}

// TestFaults: what is wrong with a table is one sentence that names the place.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind Kind
		text string
		want string
	}{
		{"nothing", Returns, "", "t.csv is empty; it needs a line of names, then one row per date"},
		{"one column", Returns, "date;SPY\n2020-01-02;0.01\n", "t.csv:1:1: there is one column only; a table has a date column, then one per asset, with commas between them"},
		{"no header", Returns, "2020-01-02,0.01\n2020-01-03,0.02\n", "t.csv:1:1: the first line has a date; it must name the columns"},
		{"nameless", Returns, "date,SPY,\n", "t.csv:1:10: the column has no name"},
		{"twice", Returns, "date,SPY,SPY\n", "t.csv:1:10: two columns are called SPY"},
		{"no date", Returns, "date,SPY\n2020-01-02,0.01\nsoon,0.02\n", `t.csv:3:1: "soon" is not a date such as 2020-03-16`},
		{"a 30th of February", Returns, "date,SPY\n2020-02-30,0.01\n", `t.csv:2:1: "2020-02-30" is not a date such as 2020-03-16`},
		{"same day", Returns, "date,SPY\n2020-01-02,0.01\n2020-01-02,0.02\n", "t.csv:3:1: 2020-01-02 stands in the table twice"},
		{"newest first", Returns, "date,SPY\n2020-01-03,0.01\n2020-01-02,0.02\n", "t.csv:3:1: 2020-01-02 stands after 2020-01-03; the oldest row comes first"},
		{"missing cell", Returns, "date,SPY,TLT\n2020-01-02,0.01,0\n2020-01-03,0.02,\n", "t.csv:3:17: TLT has no value on 2020-01-03, and others have; take the row out or fill the cell, because a missing day is not a calm one"},
		{"missing in the way of FRED", Prices, "date,A,B\n2020-01-02,.,7\n", "t.csv:2:12: A has no value on 2020-01-02, and others have; take the row out or fill the cell, because a missing day is not a calm one"},
		{"word", Returns, "date,SPY\n2020-01-02,up\n", `t.csv:2:12: "up" is not a number`},
		{"percentage", Returns, "date,SPY\n2020-01-02,3%\n", `t.csv:2:12: "3%" is a percentage; write 3 % as 0.03`},
		{"hexadecimal", Returns, "date,SPY\n2020-01-02,0x1p-2\n", `t.csv:2:12: "0x1p-2" is not a number`},
		{"infinite", Returns, "date,SPY\n2020-01-02,1e999\n", `t.csv:2:12: "1e999" is not a finite number`},
		{"negative price", Prices, "date,SPY\n2020-01-02,300\n2020-01-03,-1\n", "t.csv:3:12: the price -1 of SPY is not above zero"},
		{"price of zero", Prices, "date,SPY\n2020-01-02,0\n", "t.csv:2:12: the price 0 of SPY is not above zero"},
		{"ragged", Returns, "date,SPY\n2020-01-02,0.01,7\n", "t.csv:2:1: the row has another number of cells than the first line's 2"},
		{"quote", Returns, "date,SPY\n2020-01-02,\"0.01\n", "t.csv:2:18: extraneous or missing \" in quoted-field"},
		{"one return", Returns, "date,SPY\n2020-01-02,0.01\n", "t.csv has 1 row of values; a measure of risk needs 2"},
		{"two prices", Prices, "date,SPY\n2020-01-02,10\n2020-01-03,11\n", "t.csv has 2 rows of values; a measure of risk needs 3"},
		{"a rise beyond numbers", Prices, "date,SPY\n2020-01-02,1e-300\n2020-01-03,1e300\n2020-01-04,1\n", "t.csv:3: SPY rises from 1e-300 to 1e+300, which no return can say"},
		{"not gzip", Returns, "\x1f\x8bnothing", "t.csv cannot be read: unexpected EOF"},
	} {
		_, err := Read("t.csv", strings.NewReader(tt.text), tt.kind)
		var p *lifeboat.Problem
		if !errors.As(err, &p) || p.What != tt.want || p.Reason != "table-invalid" {
			t.Errorf("%s:\n got %v\nwant %s", tt.name, err, tt.want)
		}
	}
}

// TestReadTakes the shapes in which public tables come.
func TestReadTakes(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, err := w.Write([]byte("date,A\n2020-01-02,0.01\n2020-01-03,-0.02\n"))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, text string
		kind       Kind
		dates      string
		want       []float64
		warning    string
	}{
		{"gzip", zipped.String(), Returns, "2020-01-02 2020-01-03", []float64{0.01, -0.02}, ""},
		{"byte order mark and CRLF", "\ufeffDate, A\r\n2020-01-02, 0.01\r\n2020-01-03, -0.02\r\n", Returns, "2020-01-02 2020-01-03", []float64{0.01, -0.02}, ""},
		{"months", "month,A\n2020-01,0.01\n2020-02,-0.02\n", Returns, "2020-01 2020-02", []float64{0.01, -0.02}, ""},
		{"hours", "t,A\n2020-01-02 10:00,1\n2020-01-02 11:00,2\n2020-01-02 12:00,1\n", Prices, "2020-01-02 11:00 2020-01-02 12:00", []float64{1, -0.5}, ""},
		{"holiday", "date,A\n2020-01-02,100\n2020-01-03,.\n2020-01-06,110\n2020-01-07,99\n", Prices, "2020-01-06 2020-01-07", []float64{0.1, -0.1}, "t.csv:3: 1 row without any value was left out as a holiday"},
		{"percent", "date,A\n2020-01-02,0.5\n2020-01-03,3.1\n2020-01-04,-0.2\n", Returns, "2020-01-02 2020-01-03 2020-01-04", []float64{0.5, 3.1, -0.2}, "t.csv:3:12: a return of 3.1 is more than all; if the table is in percent, divide it by 100, because 3 % is written 0.03"},
	} {
		table, err := Read("t.csv", strings.NewReader(tt.text), tt.kind)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		close := func(a, b float64) bool { return math.Abs(a-b) < 1e-12 }
		if strings.Join(table.Dates, " ") != tt.dates || !slices.EqualFunc(table.Returns[0], tt.want, close) || strings.Join(table.Warnings, "; ") != tt.warning {
			t.Errorf("%s: %v %v %q", tt.name, table.Dates, table.Returns, table.Warnings)
		}
	}
}

// TestTooLarge: the bound is on what comes out of the compression, so that a small file cannot fill the memory.
func TestTooLarge(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, err := w.Write([]byte("date,A\n"))
	line := bytes.Repeat([]byte(" "), 1<<20)
	for range bytesMax>>20 + 1 {
		_, e := w.Write(line)
		err = errors.Join(err, e)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Read("t.csv.gz", &zipped, Returns); err == nil || !strings.Contains(err.Error(), "holds more than 64 MiB") {
		t.Errorf("a bomb was taken: %v", err)
	}
}

// TestVIX reads the closes that a tier-1 trigger of the source document looks at; what is expected was counted in
// the whole table of CBOE, 1990 to 2026, by another program.
func TestVIX(t *testing.T) {
	f, err := os.Open("testdata/vix-2008-2020.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := Read("vix.csv", f, Returns) // levels, which a reading as prices would make returns
	if err != nil || len(table.Warnings) != 1 {
		t.Fatalf("%v %v", err, table.Warnings)
	}
	above, first, highest := map[string]int{}, "", 0
	for i, v := range table.Returns[0] {
		year := table.Dates[i][:4]
		if v > 30 {
			above[year]++
		}
		if v > 30 && year == "2020" && first == "" {
			first = table.Dates[i]
		}
		if v > table.Returns[0][highest] {
			highest = i
		}
	}
	if above["2008"] != 79 || above["2020"] != 80 || first != "2020-02-27" || table.Dates[highest] != "2020-03-16" || table.Returns[0][highest] != 82.69 {
		t.Errorf("%v above 30, first %s, highest %v on %s", above, first, table.Returns[0][highest], table.Dates[highest])
	}
}

// TestDocsReport is the whole page of a table that PerformanceAnalytics has measured; make generate writes it.
func TestDocsReport(t *testing.T) {
	report := fundsOfFunds(t)
	var page bytes.Buffer
	if err := Text(&page, report); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/report.txt"
	if os.Getenv("LIFEBOAT_WRITE_DOCS") != "" {
		if err := os.WriteFile(golden, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(want, page.Bytes()) {
		t.Errorf("%v; the page is\n%s", err, &page)
	}
}

// TestJSON has the keys that programs read, and no number that JSON cannot say.
func TestJSON(t *testing.T) {
	raw, err := json.Marshal(fundsOfFunds(t))
	if err != nil {
		t.Fatal(err)
	}
	var read map[string]any
	if err := json.Unmarshal(raw, &read); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"n", "mean", "sd", "skew", "excess_kurtosis", "var.historical.0|95", "var.gaussian.0|99", "var.modified.0|95", "es.historical.0|95",
		"es.gaussian.0|99", "max_drawdown", "drawdowns", "downside_deviation", "ulcer_index", "pain_index", "ewma.sigma", "ewma.last",
		"component_var.total", "component_var.contributions.FoF", "component_es.total", "component_es.contributions.FoF",
		"tail.xi", "tail.beta", "tail.threshold", "tail.quantile.0|95", "tail.shortfall.0|99",
	} {
		at := any(read)
		for _, key := range strings.Split(path, ".") {
			at = at.(map[string]any)[strings.ReplaceAll(key, "|", ".")]
		}
		if at == nil {
			t.Errorf("%s is absent", path)
		}
	}
	if falls := read["drawdowns"].([]any); falls[0].(map[string]any)["to"] != nil || falls[1].(map[string]any)["to"] != "1999-03-31" {
		t.Errorf("the drawdowns are %v", falls[:2])
	}
}

func fundsOfFunds(t *testing.T) *Report {
	t.Helper()
	f, err := os.Open("testdata/funds-of-funds.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := Read("funds-of-funds.csv", f, Returns)
	if err != nil {
		t.Fatal(err)
	}
	o := standard()
	threshold, spread := 0.01, 0.002
	o.Periods, o.TailThreshold, o.Spread, o.Notional = 12, &threshold, &spread, 1_000_000
	report, err := Measure(table, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

const three = `date,A,B,C
2020-01-31,0.010,0.020,0.001
2020-02-29,-0.050,-0.080,0.001
2020-03-31,-0.100,-0.120,0.001
2020-04-30,0.080,0.130,0.000
2020-05-31,0.030,0.050,0.000
`

// TestPortfolio: weights, benchmark and riskless rate take the columns that they should.
func TestPortfolio(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(*Options)
		weights map[string]float64
		warning string
	}{
		{"equal weights are said", func(*Options) {}, map[string]float64{"A": 1. / 3, "B": 1. / 3, "C": 1. / 3}, "no weights were given, so that each of the 3 assets was taken with 33.33 %"},
		{"a benchmark is no asset", func(o *Options) { o.Benchmark, o.RF = "B", "C" }, map[string]float64{"A": 1}, ""},
		{"weights may name some", func(o *Options) { o.Weights = []Weight{{"A", 0.5}, {"C", 0.5}} }, map[string]float64{"A": 0.5, "C": 0.5}, ""},
		{"the rest is cash", func(o *Options) { o.Weights = []Weight{{"A", 0.5}} }, map[string]float64{"A": 0.5}, "the weights add up to 0.5 and not to 1; the rest is taken as cash that earns and costs nothing"},
	} {
		o := standard()
		o.Periods = 12
		o.Confidence = []float64{0.8}
		tt.change(&o)
		report, err := Measure(tableOf(t, three), o)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		for asset, weight := range tt.weights {
			if math.Abs(report.Weights[asset]-weight) > 1e-15 || len(report.Weights) != len(tt.weights) {
				t.Errorf("%s: held %v", tt.name, report.Weights)
			}
		}
		said := slices.Contains(report.Warnings, tt.warning)
		if tt.warning != "" && !said {
			t.Errorf("%s: said %q", tt.name, report.Warnings)
		}
		if (report.Beta != nil) != (o.Benchmark != "") {
			t.Errorf("%s: beta is %v", tt.name, report.Beta)
		}
	}
}

// TestRefusals: an option that cannot be is one sentence.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.Confidence = []float64{95} }, "the confidence 95 is not between 0 and 1; write 95 % as 0.95"},
		{func(o *Options) { o.Confidence = nil }, "--confidence takes 1 to 20 levels, not 0"},
		{func(o *Options) { o.Lambda = 1.2 }, "--lambda 1.2 is not between 0 and 1"},
		{func(o *Options) { o.Periods = 0 }, "--periods 0 is no number of rows in a year"},
		{func(o *Options) { o.Least = math.NaN() }, "--mar NaN is no return"},
		{func(o *Options) { o.Draws = 5 }, "--draws 5 is not between 1000 and 10000000"},
		{func(o *Options) { o.Benchmark = "SPX" }, `--benchmark names "SPX", and the table has no such column`},
		{func(o *Options) { o.Weights = []Weight{{"a", 1}} }, `--weights names "a", and the table has no such column; did you mean "A"?`},
		{func(o *Options) { o.Weights = []Weight{{"A", 0.5}, {"A", 0.5}} }, "--weights names A twice"},
		{func(o *Options) { x := 0.03; o.TailThreshold = &x }, "the tail from --tail-threshold 0.03 cannot be fitted: 2 of 5 losses lie above the threshold 0.03; a tail needs 10"},
		{func(o *Options) { x := -0.03; o.Spread = &x }, "a spread of -0.03 on 1 cannot be: neither is negative"},
	} {
		o := standard()
		tt.change(&o)
		if _, err := Measure(tableOf(t, three), o); err == nil || err.Error() != tt.want {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
	}
}

// TestStillPortfolio: a portfolio that never moves, or loses more than it has, is refused and not called calm.
func TestStillPortfolio(t *testing.T) {
	for text, want := range map[string]string{
		"date,A\n2020-01-01,0.01\n2020-01-02,0.01\n2020-01-03,0.01\n": "the portfolio cannot be measured: the sample never moves",
		"date,A\n2020-01-01,0.01\n2020-01-02,-3\n2020-01-03,0.01\n":   "loses more than everything",
	} {
		if r, err := Measure(tableOf(t, text), standard()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v %v, want %s", r, err, want)
		}
	}
}

// TestGap: a return over years among days is said.
func TestGap(t *testing.T) {
	report, err := Measure(tableOf(t, "date,A\n2008-01-02,0.01\n2008-01-03,-0.02\n2008-01-04,0.01\n2020-01-02,0.02\n"), standard())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(report.Warnings, "\n"), "the return of 2020-01-02 spans 4381 d since 2008-01-04, where 1 d is usual") {
		t.Errorf("said %q", report.Warnings)
	}
}

func tableOf(t *testing.T, text string) *Table {
	t.Helper()
	table, err := Read("t.csv", strings.NewReader(text), Returns)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// FuzzRead: whatever the file, the answer is a table that can be measured or one sentence, and never a number that
// JSON cannot say.
func FuzzRead(f *testing.F) {
	for _, text := range []string{three, "date,A\n2020-01-02,.\n", "\ufeffd,\"A\nB\"\r\n2020-01,1e308\r\n2020-02,-1e308\r\n", "\x1f\x8b\x08\x00", "date,A\n2020-01-02,-1\n2020-01-03,1\n2020-01-04,-1\n"} {
		f.Add(text, true)
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text string, prices bool) {
		kind := Returns
		if prices {
			kind = Prices
		}
		table, err := Read("t.csv", strings.NewReader(text), kind)
		if err != nil {
			oneSentence(t, err)
			return
		}
		for i, column := range table.Returns {
			if len(column) != len(table.Dates) || len(column) != len(table.times) || len(column) < 2 {
				t.Fatalf("column %d has %d returns on %d dates", i, len(column), len(table.Dates))
			}
		}
		o := standard()
		o.Draws = 1_000
		o.Benchmark = table.Columns[0]
		if len(table.Columns) == 1 {
			o.Benchmark = ""
		}
		report, err := Measure(table, o)
		if err != nil {
			oneSentence(t, err)
			return
		}
		if _, err := json.Marshal(report); err != nil {
			t.Fatal(err)
		}
	})
}

func oneSentence(t *testing.T, err error) {
	t.Helper()
	var p *lifeboat.Problem
	if !errors.As(err, &p) || strings.ContainsAny(p.What, "\n\r") || len(p.What) < 10 {
		t.Fatalf("told %q", err)
	}
}
