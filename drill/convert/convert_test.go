package main

import (
	"archive/zip"
	"compress/gzip"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
)

func number(text string) decimal.Decimal { return decimal.RequireFromString(text) }

// TestNoteIndex follows three sessions by hand. At 4 % a note bought at par is worth 1 at 4 %; at 5 % it is worth
// 0.04/0.05 × (1 − 1.025⁻²⁰) + 1.025⁻²⁰ = 0.922054; a weekend earns three days.
func TestNoteIndex(t *testing.T) {
	index := noteIndex([]string{"2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"},
		map[string]decimal.Decimal{"2020-01-02": number("4"), "2020-01-03": number("4"), "2020-01-07": number("5")})
	day := 0.04 / 365
	want := map[string]float64{
		"2020-01-02": 100,
		"2020-01-03": 100 * (1 + day),
		"2020-01-06": 100 * (1 + day) * (1 + 3*day), // no quote: the yield stands
		"2020-01-07": 100 * (1 + day) * (1 + 3*day) * (0.9220542 + day),
	}
	for session, worth := range want {
		if got := index[session].InexactFloat64(); math.Abs(got-worth) > 1e-4 {
			t.Errorf("%s: got %v, want %v", session, got, worth)
		}
	}
}

func TestNotePrice(t *testing.T) {
	for _, c := range []struct{ coupon, yield, want float64 }{
		{0.04, 0.04, 1},
		{0.04, 0, 1.4},
		{0, 0.04, math.Pow(1.02, -20)},
		{0.01, -0.01, 1.2109}, // yields may be negative
	} {
		if got := notePrice(c.coupon, c.yield); math.Abs(got-c.want) > 1e-4 {
			t.Errorf("coupon %v at yield %v: got %v, want %v", c.coupon, c.yield, got, c.want)
		}
	}
}

func TestCompleteIsTheEndOfTheBar(t *testing.T) {
	began := time.Date(2025, 10, 10, 21, 54, 11, 0, time.UTC)
	for lasted, want := range map[time.Duration]string{
		time.Minute: "2025-10-10T21:55:00Z",
		time.Hour:   "2025-10-10T22:00:00Z",
	} {
		if got := complete(began, lasted); got != want {
			t.Errorf("%s: got %s, want %s", lasted, got, want)
		}
	}
}

func TestHoursJoinQuarters(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2023, 3, 11, 8, minute, 0, 0, time.UTC) }
	joined := hours([]time.Time{at(0), at(30), at(75)}, []bar{
		{number("0.98"), number("0.99"), number("0.95"), number("0.97"), number("10")},
		{number("0.97"), number("0.98"), number("0.8994"), number("0.91"), number("5")},
		{number("0.92"), number("0.93"), number("0.92"), number("0.93"), number("1")},
	})
	got := joined["2023-03-11T09:00:00Z"]
	for name, pair := range map[string][2]decimal.Decimal{
		"open": {got.open, number("0.98")}, "high": {got.high, number("0.99")}, "low": {got.low, number("0.8994")},
		"close": {got.close, number("0.91")}, "volume": {got.volume, number("15")},
	} {
		if !pair[0].Equal(pair[1]) {
			t.Errorf("%s: got %s, want %s", name, pair[0], pair[1])
		}
	}
	if len(joined) != 2 {
		t.Errorf("got %d hours, want 2", len(joined))
	}
}

// TestMarket makes the 2020 table from a small archive in the publishers' own forms.
func TestMarket(t *testing.T) {
	dir := t.TempDir()
	for _, symbol := range []string{"spy", "qqq"} {
		writeZip(t, filepath.Join(dir, "equity", "lean_"+symbol+"_daily.zip"), symbol+".csv",
			"20200103 00:00,3215500,3236200,3213200,3224141,77709662\n20200106 00:00,3205200,3240900,3204700,3239300,56079133\n")
	}
	writeGzip(t, filepath.Join(dir, "equity", "skfolio_sp500_index.csv.gz"), "Date,SP500\n2020-01-03,3234.85\n2020-01-06,3246.28\n")
	writeGzip(t, filepath.Join(dir, "vol", "vix_daily.csv.gz"), "DATE,OPEN,HIGH,LOW,CLOSE\n2020-01-03,1,1,1,14.020000\n2020-01-04,1,1,1,9\n")
	writeGzip(t, filepath.Join(dir, "rates", "DGS10.csv.gz"), "DATE,DGS10\n2020-01-03,1.80\n2020-01-06,.\n")

	made, err := market(archive(dir), "2020-01-03", "2020-01-06", "SPY", "QQQ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `date,SPY.open,SPY.high,SPY.low,SPY.close,SPY.volume,QQQ.open,QQQ.high,QQQ.low,QQQ.close,QQQ.volume,SPX,VIX,DGS10,T10Y
2020-01-03,321.55,323.62,321.32,322.41,77709662,321.55,323.62,321.32,322.41,77709662,3234.85,14.02,1.8,100
2020-01-06,320.52,324.09,320.47,323.93,56079133,320.52,324.09,320.47,323.93,56079133,3246.28,,,100.0148
`
	if got := string(made.csv()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestConvertNeedsAHistory(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		if err := convert(dir, t.TempDir()); err == nil {
			t.Errorf("history %q was taken", dir)
		}
	}
}

func TestBadFigureIsNamed(t *testing.T) {
	dir := t.TempDir()
	writeGzip(t, filepath.Join(dir, "rates", "DGS10.csv.gz"), "DATE,DGS10\n2020-01-03,one\n")
	_, err := archive(dir).level("rates/DGS10.csv.gz", "DATE", "DGS10")
	if err == nil || !strings.Contains(err.Error(), "2020-01-03") {
		t.Errorf("got %v", err)
	}
}

func writeGzip(t *testing.T, path, text string) {
	t.Helper()
	file := create(t, path)
	packed := gzip.NewWriter(file)
	if _, err := packed.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
}

func writeZip(t *testing.T, path, name, text string) {
	t.Helper()
	packed := zip.NewWriter(create(t, path))
	entry, err := packed.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := entry.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, path string) *os.File {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// TestCutsKeepWhatIsWrong: a cut is for tests of bad data, so nothing in it may be mended on the way.
func TestCutsKeepWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	writeGzip(t, filepath.Join(dir, "rates", "DGS10.csv.gz"), "DATE,DGS10\n2020-01-02,1.88\n2020-01-03,.\n2020-01-06,\n2021-01-04,0.93\n")
	text, err := archive(dir).verbatim("rates/DGS10.csv.gz", "date,DGS10", "2020-01-03", "2020-12-31", "DATE", "DGS10")
	if want := "date,DGS10\n2020-01-03,.\n2020-01-06,\n"; err != nil || string(text) != want {
		t.Errorf("got %q, %v; want %q", text, err, want)
	}
}

func TestDaysAreKnownWhenTheyEnd(t *testing.T) {
	dir := t.TempDir()
	writeGzip(t, filepath.Join(dir, "days.csv.gz"), "Date,Close\n2020-03-12 00:00:00+00:00,4970.79\n")
	at, err := archive(dir).days("days.csv.gz")
	if err != nil || len(at) != 1 || !at["2020-03-13T00:00:00Z"].Equal(number("4970.79")) {
		t.Errorf("got %v, %v", at, err)
	}
	writeGzip(t, filepath.Join(dir, "bad.csv.gz"), "Date,Close\nyesterday,1\n")
	if _, err := archive(dir).days("bad.csv.gz"); err == nil {
		t.Error("a day that is none was taken")
	}
}
