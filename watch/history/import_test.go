package history

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/session"
	"lifeboat/watch/feed/tape"
)

// Closes and bars of public record: SPY in March 2020 (raw and as an adjusted export has it), the effective holidays of
// FRED, Bitcoin's and Terra's hours on Binance. The tables have the shapes in which such data are handed out.
const (
	spyCSV = "Date,Open,High,Low,Close,Adj Close,Volume\n" +
		"2020-03-13,263.34,271.06,249.58,269.32,246.12,287485966\n" +
		"2020-03-16,240.78,256.90,237.37,239.85,219.19,266357640\n" +
		"2020-03-17,245.04,256.17,237.07,252.80,231.02,254105570\n"
	yahooCSV = "Date,Close,High,Low,Open,Volume\n" + // the order of newer exports
		"2020-03-13 00:00:00-04:00,269.32,271.06,249.58,263.34,287485966\n" +
		"2020-03-16 00:00:00-04:00,239.85,256.90,237.37,240.78,266357640\n"
	fredCSV   = "DATE,DGS10\n2020-01-17,1.84\n2020-01-20,.\n2020-01-21,1.78\n"
	fredBlank = "observation_date,SP500\n2016-02-12,1864.78\n2016-02-15,\n2016-02-16,1895.58\n"
	tapeCSV   = "date,SPY,VIX\n2020-03-13,269.32,57.83\n2020-03-16,239.85,82.69\n2020-03-17,252.80,75.91\n"
	klineJSON = `[[1589155200000,"8722.77","9168.00","8200.00","8561.52","156114.5",1589241599999,"1","2","3","4","0"],
		[1589241600000,"8562.04","8978.26","8528.78","8810.79","86522.7",1589327999999,"1","2","3","4","0"]]`
	klineCSV = "1652313600000,1.0735,1.13,0.9,0.84,100,1652317199999,0,0,0,0,0\n" +
		"1652317200000,0.84,0.85,0.7,0.75,100,1652320799999,0,0,0,0,0\n"
	klineMicros = "open_time,open,high,low,close,volume,close_time\n1735689600000000,1,2,0.5,1.5,7,1735693199999999\n"
	binanceCSV  = "date,open,high,low,close,volume,ticker\n2022-05-12 20:00:00,0.05,0.06,0.04,0.0275,9,LUNAUSDT\n2022-05-12 21:00:00,0.0276,0.03,0.004,0.00408,9,LUNAUSDT\n"
	coinbase    = `[[1584057600,4107,5638,5592,5180,52000],[1583971200,5560,7969,7938,5590,48000]]`
	gecko       = `{"prices":[[1678500000000,0.91],[1678503600000,0.9]],"market_caps":[[1678500000000,1]],"total_volumes":[[1678500000000,5e9],[1678503600000,6e9]]}`
	llama       = `{"coins":{"coingecko:usd-coin":{"symbol":"USDC","confidence":0.99,"prices":[{"timestamp":1678500000,"price":0.91},{"timestamp":1678503600,"price":0.9}]}}}`
	llamaTVL    = `[{"date":"1652140800","totalLiquidityUSD":16e9},{"date":"1652227200","totalLiquidityUSD":0}]`
	llamaPool   = `{"name":"Anchor","tvl":[{"date":1652140800,"totalLiquidityUSD":16e9},{"date":1652227200,"totalLiquidityUSD":5e9}]}`
	dexJSON     = `{"meta":{},"data":[{"dt":"2023-03-11T08:15:00.000Z","o":0.92,"h":0.93,"l":0.9,"c":0.91,"v":10},{"dt":"2023-03-11T08:30:00.000Z","o":0.91,"h":0.92,"l":0.8994,"c":0.9,"v":10}]}`
	leanStock   = "20200313 00:00,2633400,2710600,2495800,2693200,287485966\n20200316 00:00,2407800,2569000,2373700,2398500,266357640\n"
	leanHour    = "20200316 09:00,2407800,2569000,2373700,2398500,266357640\n20200316 10:00,2398500,2469000,2373700,2400000,266357640\n"
	leanCoin    = "20141201 00:00,300,370,300,370,0.05\n20141202 00:00,377,378.5,377,378,15.01\n"
)

func TestForms(t *testing.T) {
	for _, c := range []struct {
		name, text, form, series string
		first                    string // "known value" of the first row of the series' last column
		columns                  int
		o                        Options
	}{
		{"SPY.csv", spyCSV, "bars", "SPY", "2020-03-13T20:00:00Z 269.32", 5, Options{}},
		{"SPY.csv", spyCSV, "bars", "SPY", "2020-03-13T20:00:00Z 246.12", 2, Options{Adjusted: "adjusted"}},
		{"SPY.csv", yahooCSV, "bars", "SPY", "2020-03-13T20:00:00Z 269.32", 5, Options{}},
		{"x.csv", fredCSV, "fred", "DGS10", "2020-01-17T21:00:00Z 1.84", 1, Options{}},
		{"x.csv", fredBlank, "fred", "SP500", "2016-02-12T21:00:00Z 1864.78", 1, Options{}},
		{"x.csv", tapeCSV, "tape", "SPY", "2020-03-13T20:00:00Z 269.32", 2, Options{}},
		{"BTC.json", klineJSON, "klines", "BTC", "2020-05-12T00:00:00Z 8561.52", 5, Options{}},
		{"UST.csv", klineCSV, "klines", "UST", "2022-05-12T01:00:00Z 0.84", 5, Options{}},
		{"BTC.csv", klineMicros, "bars", "BTC", "2025-01-01T01:00:00Z 1.5", 5, Options{}},
		{"binance.csv", binanceCSV, "bars", "LUNAUSDT", "2022-05-12T21:00:00Z 0.0275", 5, Options{}},
		{"binance.csv", binanceCSV, "bars", "LUNAUSDT", "2022-05-12T20:00:00Z 0.0275", 5, Options{Stamp: "end"}},
		{"BTC.json", coinbase, "klines", "BTC", "2020-03-13T00:00:00Z 5590", 5, Options{}},
		{"USDC@gecko.json", gecko, "coingecko", "USDC", "2023-03-11T02:00:00Z 0.91", 2, Options{}},
		{"x.json", llama, "defillama", "USDC", "2023-03-11T02:00:00Z 0.91", 1, Options{}},
		{"Anchor.json", llamaTVL, "tvl", "Anchor", "2022-05-10T00:00:00Z 1.6e+10", 1, Options{}},
		{"Anchor.json", llamaPool, "tvl", "Anchor", "2022-05-10T00:00:00Z 1.6e+10", 1, Options{}},
		{"USDC.json", dexJSON, "bars-json", "USDC", "2023-03-11T08:30:00Z 0.91", 5, Options{}},
		{"SPY.csv", leanStock, "lean", "SPY", "2020-03-13T20:00:00Z 269.32", 5, Options{}},
		{"SPY.csv", leanHour, "lean", "SPY", "2020-03-16T14:00:00Z 239.85", 5, Options{}},
		{"BTC.csv", leanCoin, "lean", "BTC", "2014-12-02T00:00:00Z 370", 5, Options{}},
	} {
		t.Run(c.form+" "+c.name, func(t *testing.T) {
			for _, packed := range [][]byte{[]byte(c.text), gzipped(t, c.text), zipped(t, c.text)} {
				s := newStore(t)
				r, err := s.Import(t.Context(), c.name, bytes.NewReader(packed), c.o)
				if err != nil {
					t.Fatal(err)
				}
				if r.Form != c.form || len(s.List()) != c.columns {
					t.Errorf("it is taken for %s with %d series; want %s with %d", r.Form, len(s.List()), c.form, c.columns)
				}
				got, err := s.Columns(t.Context(), lifeboat.Series(c.series), "", time.Time{}, time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				if first := fmt.Sprintf("%s %v", stamp(got.Times[0]), got.Values[0]); first != c.first {
					t.Errorf("%s begins %s, want %s", c.series, first, c.first)
				}
			}
		})
	}
}

// TestCoinbaseOrder: low and high come before open and close there.
func TestCoinbaseOrder(t *testing.T) {
	s := newStore(t)
	load(t, s, "BTC.json", coinbase, Options{})
	for name, want := range map[lifeboat.Series][]float64{"BTC.open": {7938, 5592}, "BTC.high": {7969, 5638}, "BTC.low": {5560, 4107}, "BTC": {5590, 5180}} {
		if got := values(t, s, name); !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

// TestRefused: what is refused says so in one sentence, and leaves the store as it was.
func TestRefused(t *testing.T) {
	many := "date,SPY\n"
	for day := range 28 {
		many += fmt.Sprintf("2020-02-%02d,no\n", day+1)
	}
	for _, c := range []struct {
		name, text, says string
		o                Options
	}{
		{"a.csv", "", "none of the forms", Options{}},
		{"a.md", "# Notes\n\nof mine\n", "none of the forms", Options{}},
		{"a.json", `{"data":[{"a":1}]}`, "no prices", Options{}},
		{"a.json", `[{"date":"2020-01-01","close":`, "no JSON", Options{}},
		{"a.json", `{"prices":[[1,2]],"coins":{}}`, "", Options{}},
		{"a.csv", many, "cannot be right", Options{}},
		{"brk.b.csv", spyCSV, "--series", Options{}},
		{"a.csv", "date,open,high,low,close,ticker\n2020-01-01,1,1,1,1,A\n2020-01-02,1,1,1,1,B\n", "several tickers", Options{}},
		{"a.csv", tapeCSV, "several series", Options{Series: "X"}},
		{"a.csv", tapeCSV, "no form \"excel\"", Options{Form: "excel"}},
		{"a.csv", tapeCSV, "between --from and --to", Options{From: time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)}},
		{"a.csv", tapeCSV, "--keep is first or last", Options{Keep: "both"}},
		{"a.csv", "\x1f\x8bnot gzip", "packed and damaged", Options{}},
		{"a.zip", "PK\x03\x04not zip", "packed and damaged", Options{}},
		{"a.parquet", "PAR1 and nothing else", "cut off", Options{}},
		{"a.csv", "date,open,high,low,close\n2020-01-01 10:00:00,1,1,1,1\n", "--interval", Options{}},
	} {
		s := newStore(t)
		_, err := s.Import(t.Context(), c.name, strings.NewReader(c.text), c.o)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.20q: %v; want a sentence with %q", c.text, err, c.says)
		}
		if again, err := Open(s.Dir()); err != nil || len(again.List()) != 0 {
			t.Errorf("%.20q: a refused file left something in the store: %v", c.text, err)
		}
	}
}

// TestStoreIsTheTape: a store gives a drill what the CSV itself gives, reading by reading.
func TestStoreIsTheTape(t *testing.T) {
	const usde = "time,USDE.open@binance,USDE.high@binance,USDE.low@binance,USDE.close@binance,USDE@uniswap\n" +
		"2025-10-10T21:54:00Z,0.9299,0.9429,0.8800,0.8800,1.0002\n2025-10-10T21:55:00Z,0.8873,0.9154,0.6500,0.8304,\n2025-10-10T21:56:00Z,,,,0.84,0.99999999999999\n"
	const days = "date,BTC.close,BTC.open,BTC.volume,ETH\n2020-03-12,4970.8,7913.6,1e5,\n2020-03-13,5563.7,5017.8,2e5,132.5\n2020-03-14,5200.4,5573.1,,123.1\n"
	for name, text := range map[string]string{"usde.csv": usde, "days.csv": days, "SPY.csv": strings.ReplaceAll(spyCSV, "Adj Close", "Other"), "tape.csv": tapeCSV} {
		want, err := tape.Read(name, strings.NewReader(text), tape.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := newStore(t)
		load(t, s, name, text, Options{})
		got, err := s.Tape(t.Context(), nil, time.Time{}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Calendar != want.Calendar || got.Daily != want.Daily || fmt.Sprint(got.Series) != fmt.Sprint(want.Series) {
			t.Errorf("%s: the store says %v of its series, the file %v", name, got.Series, want.Series)
		}
		if g, w := fmt.Sprint(got.Instants), fmt.Sprint(want.Instants); g != w {
			t.Errorf("%s:\nstore %s\nfile  %s", name, g, w)
		}
	}
}

func TestRowsThatComeTwice(t *testing.T) {
	const twice = "date,SPY\n2020-03-13,269.32\n2020-03-16,239.85\n2020-03-16,239.85\n2020-03-17,252.8\n2020-03-17,99\n"
	for _, c := range []struct {
		keep string
		want []float64
		bad  int
	}{{"", []float64{269.32, 239.85}, 1}, {"first", []float64{269.32, 239.85, 252.8}, 0}, {"last", []float64{269.32, 239.85, 99}, 0}} {
		s := newStore(t)
		r := load(t, s, "x.csv", twice, Options{Keep: c.keep})
		if got := values(t, s, "SPY"); !slices.Equal(got, c.want) || r.Quarantined != c.bad || r.Duplicates < 1 {
			t.Errorf("--keep %q: %v, %d quarantined, %d duplicates; want %v, %d", c.keep, got, r.Quarantined, r.Duplicates, c.want, c.bad)
		}
	}
}

// TestImportAgain: a file that overlaps what is stored adds what is new, and what is stored stands.
func TestImportAgain(t *testing.T) {
	s := newStore(t)
	load(t, s, "x.csv", "date,SPY\n2020-03-13,269.32\n2020-03-17,252.8\n", Options{})
	before := s.List()[0].Files[0]
	r := load(t, s, "y.csv", "date,SPY\n2020-03-13,269.32\n2020-03-16,239.85\n2020-03-17,1000\n2020-03-18,240\n", Options{})
	if r.Rows != 2 || r.BackFilled != 1 || r.Duplicates != 1 || r.Quarantined != 1 {
		t.Errorf("%+v", r)
	}
	if got := values(t, s, "SPY"); !slices.Equal(got, []float64{269.32, 239.85, 252.8, 240}) {
		t.Errorf("the store holds %v", got)
	}
	if _, err := os.Stat(filepath.Join(s.Dir(), filepath.FromSlash(before.Path))); err == nil {
		t.Error("the file that was replaced is still there")
	}
	load(t, s, "z.csv", "date,SPY\n2020-03-17,251\n", Options{Keep: "last"})
	if got := values(t, s, "SPY"); got[2] != 251 {
		t.Errorf("--keep last left %v", got)
	}
	same := s.List()[0].Files[0]
	if r := load(t, s, "z.csv", "date,SPY\n2020-03-17,251\n", Options{}); r.Rows != 0 || s.List()[0].Files[0] != same {
		t.Errorf("importing the same again changed something: %+v", r)
	}
}

// TestAdjustedAndRaw cannot share a name, nor can an adjusted export be continued by a later one.
func TestAdjustedAndRaw(t *testing.T) {
	s := newStore(t)
	load(t, s, "SPY.csv", spyCSV, Options{Adjusted: "adjusted"})
	if !s.Adjusted("SPY") || s.Adjusted("QQQ") {
		t.Error("the store does not know which series is adjusted")
	}
	refuse(t, s, "SPY.csv", spyCSV, Options{Adjusted: "raw"}, "one name cannot mean both")
	refuse(t, s, "SPY.csv", spyCSV, Options{Adjusted: "raw", Source: "lean"}, "one name cannot mean both")
	load(t, s, "SPY.csv", spyCSV, Options{Adjusted: "raw", Series: "SPY-raw"})

	const later = "date,SPY\n2020-03-17,230.1\n2020-03-18,219\n"
	refuse(t, s, "later.csv", later, Options{}, "change with each dividend")
	refuse(t, s, "later.csv", later, Options{Keep: "last"}, "change with each dividend")
	load(t, s, "whole.csv", "date,SPY\n2020-03-13,245.1\n2020-03-16,218.2\n2020-03-17,230.1\n2020-03-18,219\n", Options{Keep: "last"})
	if got := values(t, s, "SPY"); !slices.Equal(got, []float64{245.1, 218.2, 230.1, 219}) {
		t.Errorf("the whole import left %v", got)
	}

	const dividends = "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits\n2020-03-13,1,1,1,1,1,0.0,0.0\n2020-03-16,1,1,1,1,1,0.4,0.0\n"
	if r := load(t, s, "AGG.csv", dividends, Options{}); !r.Adjusted || !strings.Contains(strings.Join(r.Notes, " "), "adjusted raw") {
		t.Errorf("an export with dividends and no Adj Close is taken for raw: %v", r.Notes)
	}
}

// TestTickerOfAnotherAsset: Terra's ticker stopped at 0.00005 on 13 May 2022 and came back at 8.6 on 31 May, as
// another coin.
func TestTickerOfAnotherAsset(t *testing.T) {
	luna := "time,open,high,low,close,volume\n"
	for hour := range 30 {
		luna += fmt.Sprintf("2022-05-%02d %02d:00:00,0.0001,0.0001,0.00005,0.00005,1\n", 11+hour/24, hour%24)
	}
	for hour := range 5 {
		luna += fmt.Sprintf("2022-05-31 %02d:00:00,9,9.5,8,8.6,1\n", 6+hour)
	}
	s := newStore(t)
	r := load(t, s, "LUNA.csv", luna, Options{})
	if len(values(t, s, "LUNA")) != 30 || r.LeftOut != 5 || !strings.Contains(strings.Join(r.Notes, " "), "--from 2022-05-31T07:00:00Z") {
		t.Errorf("%d rows, %d left out, told: %v", len(values(t, s, "LUNA")), r.LeftOut, r.Notes)
	}
	refuse(t, s, "LUNA.csv", luna, Options{From: time.Date(2022, 5, 31, 0, 0, 0, 0, time.UTC), Interval: time.Hour}, "another asset")

	s = newStore(t)
	load(t, s, "LUNA.csv", luna, Options{Split: true})
	if a, b := values(t, s, "LUNA"), values(t, s, "LUNA-2"); len(a) != 30 || len(b) != 5 || b[0] != 8.6 {
		t.Errorf("--split: %d and %d rows", len(a), len(b))
	}
	s = newStore(t)
	load(t, s, "LUNA.csv", luna, Options{Same: true})
	if got := values(t, s, "LUNA"); len(got) != 35 {
		t.Errorf("--same: %d rows", len(got))
	}
	if kinds := kindsOf(t, s); !slices.Contains(kinds, Reused) {
		t.Errorf("check finds %v in a series of two assets", kinds)
	}
}

func TestOrder(t *testing.T) {
	s := newStore(t)
	r := load(t, s, "x.csv", "date,SPY\n2020-03-17,252.8\n2020-03-16,239.85\n2020-03-13,269.32\n", Options{})
	if got := values(t, s, "SPY"); !slices.Equal(got, []float64{269.32, 239.85, 252.8}) || r.OutOfOrder != 0 || len(r.Notes) == 0 {
		t.Errorf("newest first: %v, %d out of order, %v", got, r.OutOfOrder, r.Notes)
	}
	s = newStore(t)
	r = load(t, s, "x.csv", "date,SPY\n2020-03-13,269.32\n2020-03-17,252.8\n2020-03-16,239.85\n2020-03-18,240\n", Options{})
	if got := values(t, s, "SPY"); !slices.Equal(got, []float64{269.32, 239.85, 252.8, 240}) || r.OutOfOrder != 1 {
		t.Errorf("one slip: %v, %d out of order", got, r.OutOfOrder)
	}
}

// TestMonthsAreKnownWhenTheyEnd: a month dated with its first day may not be known then.
func TestMonthsAreKnownWhenTheyEnd(t *testing.T) {
	s := newStore(t)
	load(t, s, "x.csv", "Date,SP500\n2019-12-01,3176.75\n2020-01-01,3278.2\n2020-02-01,3277.31\n2020-03-01,2652.39\n", Options{Stamp: "start", Calendar: session.NYSE()})
	c, err := s.Columns(t.Context(), "SP500", "", time.Time{}, time.Time{})
	if err != nil || stamp(c.Times[3]) != "2020-03-31T20:00:00Z" {
		t.Errorf("March 2020 is known at %s (%v)", stamp(c.Times[3]), err)
	}
}

func TestPaceCannotChange(t *testing.T) {
	s := newStore(t)
	hourly, quarter := "time,X\n", "time,X\n"
	for i := range 20 {
		hourly += fmt.Sprintf("2022-05-11 %02d:00:00,1\n", i)
		quarter += fmt.Sprintf("2022-05-12 %02d:%02d:00,1\n", i/4, i%4*15)
	}
	load(t, s, "h.csv", hourly, Options{})
	refuse(t, s, "q.csv", quarter, Options{}, "every 1 h, and these come every 15 min")
}

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := Create(filepath.Join(t.TempDir(), "history"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func load(t testing.TB, s *Store, name, text string, o Options) Report {
	t.Helper()
	r, err := s.Import(t.Context(), name, strings.NewReader(text), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func refuse(t testing.TB, s *Store, name, text string, o Options, says string) {
	t.Helper()
	before := fmt.Sprint(s.List())
	if _, err := s.Import(t.Context(), name, strings.NewReader(text), o); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("%v; want a refusal with %q", err, says)
	}
	if again, err := Open(s.Dir()); err != nil || fmt.Sprint(again.List()) != before || fmt.Sprint(s.List()) != before {
		t.Errorf("the refusal changed the store (%v)", err)
	}
}

func values(t testing.TB, s *Store, name lifeboat.Series) []float64 {
	t.Helper()
	c, err := s.Columns(t.Context(), name, "", time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return c.Values
}

func kindsOf(t testing.TB, s *Store) (kinds []string) {
	t.Helper()
	found, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		kinds = append(kinds, f.Kind)
	}
	return kinds
}

func gzipped(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipped(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("inside.csv")
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A trading day is six and a half hours of market time, and nobody calls it that.
func TestPace(t *testing.T) {
	const session = 6*time.Hour + 30*time.Minute
	for _, c := range []struct {
		cadence  time.Duration
		calendar string
		want     string
	}{
		{session, "nyse", "session"}, {5 * session, "nyse", "5 sessions"}, {time.Hour, "nyse", "1 h"}, {24 * time.Hour, "24/7", "day"},
		{31 * 24 * time.Hour, "24/7", "31 days"}, {15 * time.Minute, "24/7", "15 min"}, {session, "24/7", "6 h 30 min"}, {0, "nyse", "0 s"},
	} {
		if got := Pace(c.cadence, c.calendar); got != c.want {
			t.Errorf("%s of %s: %q, want %q", c.cadence, c.calendar, got, c.want)
		}
	}
}
