package poll

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// klines as Binance documents them for GET /api/v3/klines: open time, open, high, low, close, volume, close time, quote
// volume, trades, taker base, taker quote, unused. The last one is still running.
const klines = `[
 [1584360000000,"4600.00","4650.00","4590.00","4610.10","12.5",1584360059999,"57000.0",310,"6.0","27000.0","0"],
 [1584360060000,"4610.10","4620.00","4600.00","4611.20","10.0",1584360119999,"46000.0",290,"5.0","23000.0","0"],
 [1584360120000,"4611.20","4612.00","4500.00","4512.30","80.0",1584360179999,"361000.0",900,"30.0","135000.0","0"],
 [1584360180000,"4512.30","4530.00","4510.00","4520.00","3.0",1584360239999,"13000.0",60,"1.0","4500.0","0"]
]`

var candles = plan.Feed{Series: "BTC", Source: "cex", Format: "json", Rows: "$[*]", Path: "$[4]", Time: "$[6]", Every: plan.Duration(time.Minute)}

func TestRowsOfAnExchange(t *testing.T) {
	s := newSource(t)
	s.says(klines)
	feed := candles
	feed.URL = s.URL
	p := poller(t, feed)
	at := noon.Add(3*time.Minute + 10*time.Second)

	expect(t, p, at, "BTC@cex=4610.1 at 2020-03-16T12:00:59Z, BTC@cex=4611.2 at 2020-03-16T12:01:59Z, BTC@cex=4512.3 at 2020-03-16T12:02:59Z")
	expect(t, p, at.Add(20*time.Second), "") // not due
	expect(t, p, at.Add(time.Minute), "BTC@cex=4520 at 2020-03-16T12:03:59Z")
	expect(t, p, at.Add(2*time.Minute), "") // the exchange repeats itself
}

// TestRowsAfterADowntime: what the journal knew is told to the poller, and only what came since is news.
func TestRowsAfterADowntime(t *testing.T) {
	s := newSource(t)
	s.says(klines)
	feed := candles
	feed.URL = s.URL
	p := poller(t, feed)
	p.Seen("BTC", "other", noon.Add(time.Hour)) // of another source
	p.Seen("BTC", "cex", time.UnixMilli(1584360119999).UTC())
	expect(t, p, noon.Add(10*time.Minute), "BTC@cex=4512.3 at 2020-03-16T12:02:59Z, BTC@cex=4520 at 2020-03-16T12:03:59Z")
}

func TestDecodeRows(t *testing.T) {
	tests := []struct {
		name             string
		rows, path, time string
		body, want       string
	}{
		{"objects", "$.data[*]", "$.price", "$.time", `{"data":[{"time":"2020-03-16T11:00:00Z","price":5},{"time":"2020-03-16T11:30:00Z","price":"6"}]}`,
			"BTC=5 at 2020-03-16T11:00:00Z, BTC=6 at 2020-03-16T11:30:00Z"},
		{"newest first", "$[*]", "$[1]", "$[0]", `[[1584359400,6],[1584358800,5]]`, "BTC=5 at 2020-03-16T11:40:00Z, BTC=6 at 2020-03-16T11:50:00Z"},
		{"pairs as CoinGecko has them", "$.prices[*]", "$[1]", "$[0]", `{"prices":[[1584359400000,4600.5]]}`, "BTC=4600.5 at 2020-03-16T11:50:00Z"},
		{"days, of which today's is not over", "$[*]", "$.c", "$.d", `[{"d":"2020-03-14","c":1},{"d":"2020-03-15","c":2},{"d":"2020-03-16","c":3}]`,
			"BTC=1 at 2020-03-15T00:00:00Z, BTC=2 at 2020-03-16T00:00:00Z"},
		{"one bad value among them", "$[*]", "$[1]", "$[0]", `[[1584358800,5],[1584358860,"halted"],[1584358920,6]]`,
			`BTC=5 at 2020-03-16T11:40:00Z, BTC suspect: "halted" is not a number, BTC=6 at 2020-03-16T11:42:00Z`},
		{"times that are none", "$[*]", "$[1]", "$[0]", `[["noon",5],["later",5],[1584358920,6]]`,
			`BTC=6 at 2020-03-16T11:42:00Z, BTC suspect: its time "later" is no date`},
		{"one time twice", "$[*]", "$[1]", "$[0]", `[[1584358800,5],[1584358800,7]]`, "BTC=5 at 2020-03-16T11:40:00Z"},
		{"the same time in two forms", "$[*]", "$[1]", "$[0]", `[[1584358800,5],["2020-03-16T11:40:00Z",7]]`, "BTC=5 at 2020-03-16T11:40:00Z"},
		{"nothing yet", "$[*]", "$[1]", "$[0]", `[]`, ""},
		{"nothing yet, deeper", "$.data[*]", "$[1]", "$[0]", `{"data":[]}`, ""},
		{"an error instead of a list", "$.data[*]", "$[1]", "$[0]", `{"code":-1121}`, "error: $.data[*] finds no row in the answer"},
		{"rows of another shape", "$[*]", "$[4]", "$[0]", `[[1584358800,5]]`, "error: in row 1 $[4] finds 0 values in the answer, and one is wanted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := newFeed(plan.Feed{Series: "BTC", URL: "https://example.org", Format: "json", Rows: tt.rows, Path: tt.path, Time: tt.time}, "")
			if err != nil {
				t.Fatal(err)
			}
			said, err := f.decode([]byte(tt.body))
			if got := told(f.news(noon, said), err); got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestRowsAreBounded(t *testing.T) {
	var rows []string
	for i := range RowsMax + 500 {
		rows = append(rows, fmt.Sprintf("[%d,%d]", 1584000000+60*i, i+1))
	}
	f, err := newFeed(plan.Feed{Series: "BTC", URL: "https://example.org", Format: "json", Rows: "$[*]", Path: "$[1]", Time: "$[0]"}, "")
	if err != nil {
		t.Fatal(err)
	}
	said, err := f.decode([]byte("[" + strings.Join(rows, ",") + "]"))
	if err != nil {
		t.Fatal(err)
	}
	readings := f.news(noon, said)
	if len(readings) != RowsMax || readings[len(readings)-1].Value != RowsMax+500 {
		t.Errorf("%d readings, the last %v", len(readings), readings[len(readings)-1])
	}
}

// TestAFileAfterADowntime: lines that another program wrote while lifeboat was away are caught up as rows are.
func TestAFileAfterADowntime(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "prices.csv"), "time,SPY\n2020-03-16T10:00:00Z,1\n2020-03-16T10:01:00Z,2\n2020-03-16T10:02:00Z,3\n2020-03-16T10:03:00Z,4\n")
	p, err := New([]plan.Feed{{Series: "SPY", Source: "desk", File: "prices.csv", Format: "csv", Every: plan.Duration(time.Second)}}, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Seen("SPY", "desk", noon.Add(-time.Hour-59*time.Minute))
	expect(t, p, noon, "SPY@desk=3 at 2020-03-16T10:02:00Z, SPY@desk=4 at 2020-03-16T10:03:00Z")
}

func FuzzRows(f *testing.F) {
	f.Add(klines, "$[*]", "$[4]", "$[6]")
	f.Add(`{"data":[{"t":"2020-03-16","p":1}]}`, "$.data[*]", "$.p", "$.t")
	f.Fuzz(func(t *testing.T, body, rows, path, when string) {
		g, err := newFeed(plan.Feed{Series: "BTC", URL: "https://example.org", Format: "json", Rows: rows, Path: path, Time: when}, "")
		if err != nil || rows == "" || when == "" {
			return
		}
		said, err := g.decode([]byte(body))
		readings := g.news(noon, said)
		sound(t, readings, err)
		var last time.Time
		for _, r := range readings {
			if r.At.After(noon) || r.Quality == lifeboat.Good && !r.At.After(last) {
				t.Fatalf("%+v after %s", r, last)
			}
			if !r.At.IsZero() {
				last = r.At
			}
		}
	})
}
