package poll

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/secret"
)

// The stand-ins of this file were written by us from what the sources document (and, of Yahoo and Stooq, from what they
// are known to answer). Each refuses what it was not asked in the documented way.

// stand is one documented exchange: what must be asked, and what is answered.
type stand struct {
	name    string
	feeds   []plan.Feed
	ask     string // path and query, exactly
	headers map[string]string
	answer  string
	want    string
}

const usdc, usdt = "ethereum:0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", "ethereum:0xdAC17F958D2ee523a2206206994597C13D831ec7"

var stands = []stand{
	{"two prices of DefiLlama in one request", []plan.Feed{{Series: "USDC", From: "defillama", ID: usdc}, {Series: "USDT", From: "defillama", ID: usdt}},
		"/prices/current/" + usdc + "," + usdt, nil,
		`{"coins":{"` + usdc + `":{"decimals":6,"symbol":"USDC","price":0.9998,"timestamp":1584358990,"confidence":0.99},"` + usdt + `":{"decimals":6,"symbol":"USDT","price":1.0003,"timestamp":1584358992,"confidence":0.99}}}`,
		"USDC@defillama=0.9998 at 2020-03-16T11:43:10Z, USDT@defillama=1.0003 at 2020-03-16T11:43:12Z"},
	{"a token that DefiLlama does not know", []plan.Feed{{Series: "USDC", From: "defillama", ID: usdc}}, "/prices/current/" + usdc, nil, `{"coins":{}}`,
		"error: $.coins['" + usdc + "'].price finds 0 values in the answer, and one is wanted"},
	{"value locked", []plan.Feed{{Series: "AAVE_TVL", From: "defillama", ID: "tvl:aave"}}, "/tvl/aave", nil, `19723418213.52`, "AAVE_TVL@defillama=1.972341821352e+10"},
	{"supply of a stablecoin", []plan.Feed{{Series: "USDC_SUPPLY", From: "defillama", ID: "supply:2"}}, "/stablecoincharts/all?stablecoin=2", nil,
		`[{"date":"1584144000","totalCirculating":{"peggedUSD":5},"totalCirculatingUSD":{"peggedUSD":5}},{"date":"1584230400","totalCirculating":{"peggedUSD":6.5},"totalCirculatingUSD":{"peggedUSD":6.4}}]`,
		"USDC_SUPPLY@defillama=6.5 at 2020-03-15T00:00:00Z"},
	{"CoinGecko", []plan.Feed{{Series: "BTC", From: "coingecko", ID: "bitcoin", Key: "env:GECKO"}, {Series: "USDC", From: "coingecko", ID: "usd-coin", Key: "env:GECKO"}},
		"/api/v3/simple/price?ids=bitcoin,usd-coin&vs_currencies=usd&include_last_updated_at=true&precision=full", map[string]string{"X-Cg-Demo-Api-Key": "g-secret"},
		`{"bitcoin":{"usd":5014.480123,"last_updated_at":1584358990},"usd-coin":{"usd":1.01,"last_updated_at":1584358991}}`,
		"BTC@coingecko=5014.480123 at 2020-03-16T11:43:10Z, USDC@coingecko=1.01 at 2020-03-16T11:43:11Z"},
	{"FRED with a missing value", []plan.Feed{{Series: "VIX", From: "fred", ID: "VIXCLS", Key: "env:FRED"}},
		"/fred/series/observations?series_id=VIXCLS&api_key=f+secret&file_type=json&sort_order=desc&limit=10", nil,
		`{"units":"lin","count":3,"observations":[{"realtime_start":"2020-03-16","realtime_end":"2020-03-16","date":"2020-03-15","value":"."},{"date":"2020-03-13","value":"57.83"},{"date":"2020-03-12","value":"75.47"}]}`,
		"VIX@fred=75.47 at 2020-03-13T00:00:00Z, VIX@fred=57.83 at 2020-03-14T00:00:00Z"},
	{"Stooq", []plan.Feed{{Series: "SPY", From: "stooq", ID: "spy.us"}}, "/q/l/?s=spy.us&f=sd2t2ohlcv&h&e=csv", nil,
		"Symbol,Date,Time,Open,High,Low,Close,Volume\r\nSPY.US,2020-03-16,12:00:00,241.18,256.9,237.36,239.85,297240000\r\n", "SPY@stooq=239.85 at 2020-03-16T12:00:00Z"},
	{"a symbol that Stooq does not know", []plan.Feed{{Series: "SPY", From: "stooq", ID: "spx.us"}}, "/q/l/?s=spx.us&f=sd2t2ohlcv&h&e=csv", nil,
		"Symbol,Date,Time,Open,High,Low,Close,Volume\r\nSPX.US,N/D,N/D,N/D,N/D,N/D,N/D,N/D\r\n", `SPY@stooq suspect: its time "N/D" is no date`},
	{"Yahoo", []plan.Feed{{Series: "VIX", From: "yahoo", ID: "^VIX"}}, "/v8/finance/chart/%5EVIX?interval=1d&range=1d", nil,
		`{"chart":{"result":[{"meta":{"currency":"USD","symbol":"^VIX","regularMarketTime":1584358990,"regularMarketPrice":82.69},"timestamp":[1584358990],"indicators":{}}],"error":null}}`,
		"VIX@yahoo=82.69 at 2020-03-16T11:43:10Z"},
	{"Coinbase", []plan.Feed{{Series: "BTC", From: "coinbase", ID: "BTC-USD"}}, "/products/BTC-USD/ticker", nil,
		`{"ask":"5014.5","bid":"5014.4","volume":"51000.1","trade_id":86326522,"price":"5014.48","size":"0.001","time":"2020-03-16T11:59:57.833897Z"}`,
		"BTC@coinbase=5014.48 at 2020-03-16T11:59:57Z"},
	{"Binance", []plan.Feed{{Series: "BTC", From: "binance", ID: "BTCUSDT"}, {Series: "ETH", From: "binance", ID: "ETHUSDT"}},
		"/api/v3/ticker/24hr?symbols=%5B%22BTCUSDT%22%2C%22ETHUSDT%22%5D", nil,
		`[{"symbol":"BTCUSDT","lastPrice":"5014.48000000","openTime":1584273590000,"closeTime":1584359990123,"count":5},{"symbol":"ETHUSDT","lastPrice":"110.61","closeTime":1584359991000,"count":9}]`,
		"BTC@binance=5014.48 at 2020-03-16T11:59:50Z, ETH@binance=110.61 at 2020-03-16T11:59:51Z"},
	{"Kraken", []plan.Feed{{Series: "BTC", From: "kraken", ID: "XBTUSD"}}, "/0/public/Trades?pair=XBTUSD", nil,
		`{"error":[],"result":{"XXBTZUSD":[["5014.40000","0.3",1584359980.1,"s","l","",1],["5014.50000","0.1",1584359990.8277369,"b","m","",2]],"last":"1584359990827736900"}}`,
		"BTC@kraken=5014.5 at 2020-03-16T11:59:50Z"},
	{"a pair that Kraken does not know", []plan.Feed{{Series: "BTC", From: "kraken", ID: "XXX"}}, "/0/public/Trades?pair=XXX", nil, `{"error":["EQuery:Unknown asset pair"]}`,
		"error: $.result.*[-1][0] finds 0 values in the answer, and one is wanted"},
}

func TestPresetsAskAndReadAsDocumented(t *testing.T) {
	t.Setenv("GECKO", "g-secret")
	t.Setenv("FRED", "f secret")
	for _, tt := range stands {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				if r.URL.RequestURI() != tt.ask {
					t.Errorf("asked %s\nwant  %s", r.URL.RequestURI(), tt.ask)
				}
				for name, value := range tt.headers {
					if r.Header.Get(name) != value {
						t.Errorf("header %s is %q", name, r.Header.Get(name))
					}
				}
				fmt.Fprint(w, tt.answer)
			}))
			defer server.Close()
			p, err := New(completed(t, server.URL, tt.feeds), "", server.Client())
			if err != nil {
				t.Fatal(err)
			}
			readings, problems := p.Poll(t.Context(), noon)
			var problem error
			if len(problems) > 0 {
				problem = cause(problems[0])
			}
			if got := told(readings, problem); got != tt.want || asked != 1 {
				t.Errorf("%s\nwant %s\nasked %d times", got, tt.want, asked)
			}
		})
	}
}

// completed are feeds as a plan makes them, with a stand-in for the source.
func completed(t *testing.T, base string, feeds []plan.Feed) []plan.Feed {
	t.Helper()
	var b strings.Builder
	b.WriteString("portfolio: {name: Test, calendar: nyse}\nfeeds:\n")
	for _, f := range feeds {
		fmt.Fprintf(&b, "  - {series: %s, from: %s, id: %q, url: %q", f.Series, f.From, f.ID, base)
		if f.Key != "" {
			fmt.Fprintf(&b, ", key: %q", f.Key)
		}
		if f.PerMinute > 0 {
			fmt.Fprintf(&b, ", per_minute: %d", f.PerMinute)
		}
		b.WriteString("}\n")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	p, _, err := plan.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return p.Feeds
}

// TestOneUnknownSymbolBlindsNoOther: Binance refuses a request of which it does not know one symbol. Those that it knows
// are then asked alone.
func TestOneUnknownSymbolBlindsNoOther(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		symbols := r.URL.Query().Get("symbols")
		if strings.Contains(symbols, "LUNA") {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"code":-1121,"msg":"Invalid symbol."}`)
			return
		}
		fmt.Fprintf(w, `[{"symbol":%s,"lastPrice":"5014.48","closeTime":1584359990123}]`, strings.Trim(symbols, "[]"))
	}))
	defer server.Close()
	p, err := New(completed(t, server.URL, []plan.Feed{{Series: "BTC", From: "binance", ID: "BTCUSDT"}, {Series: "LUNA", From: "binance", ID: "LUNAUSDT"}}), "", server.Client())
	if err != nil {
		t.Fatal(err)
	}
	if readings, problems := p.Poll(t.Context(), noon); len(readings)+len(problems) > 0 {
		t.Errorf("the refused request gave %v %v", readings, problems)
	}
	if p.Next().After(noon) {
		t.Errorf("they are asked alone only at %s", p.Next())
	}
	readings, problems := p.Poll(t.Context(), noon)
	if len(problems) != 1 || told(readings, nil) != "BTC@binance=5014.48 at 2020-03-16T11:59:50Z" {
		t.Errorf("%s %v", told(readings, nil), problems)
	}
}

// TestAHostIsLeftAlone as long as it asks for, with all that it offers.
func TestAHostIsLeftAlone(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		after  string
		back   time.Duration
	}{
		{"seconds", http.StatusTooManyRequests, "120", 2 * time.Minute},
		{"a date", http.StatusServiceUnavailable, noon.Add(10 * time.Minute).Format(http.TimeFormat), 10 * time.Minute},
		{"nothing said", http.StatusTooManyRequests, "", quietMin},
		{"longer than anybody should", http.StatusTooManyRequests, "999999", quietMax},
		{"a ban", http.StatusTeapot, "60", time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var count atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				count.Add(1)
				if tt.after != "" {
					w.Header().Set("Retry-After", tt.after)
				}
				w.WriteHeader(tt.status)
			}))
			defer server.Close()
			every := plan.Duration(10 * time.Second)
			p := poller(t, plan.Feed{Series: "A", Source: "s", URL: server.URL + "/a", Format: "json", Path: "$", Every: every},
				plan.Feed{Series: "B", Source: "s", URL: server.URL + "/b", Format: "json", Path: "$", Every: every})
			p.Poll(t.Context(), noon)
			first := count.Load()
			for at := noon.Add(10 * time.Second); at.Before(noon.Add(tt.back)); at = at.Add(10 * time.Second) {
				p.Poll(t.Context(), at)
			}
			if asked := count.Load(); asked != first {
				t.Errorf("asked %d times more while it wanted to be left alone", asked-first)
			}
			p.Poll(t.Context(), noon.Add(tt.back))
			if count.Load() == first {
				t.Error("it was not asked again")
			}
		})
	}
}

func TestAHostsBudget(t *testing.T) {
	asked, mu := map[string]int{}, sync.Mutex{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked[r.URL.Path]++
		fmt.Fprint(w, "1")
	}))
	defer server.Close()
	var feeds []plan.Feed
	for _, s := range []string{"A", "B", "C"} {
		feeds = append(feeds, plan.Feed{Series: s, Source: "s", URL: server.URL + "/" + s, Format: "json", Path: "$", Every: plan.Duration(20 * time.Second), PerMinute: 3})
	}
	p := poller(t, feeds...)
	var late []error
	for at := noon; at.Before(noon.Add(10 * time.Minute)); at = at.Add(time.Second) {
		_, problems := p.Poll(t.Context(), at)
		late = append(late, problems...)
	}
	total := asked["/A"] + asked["/B"] + asked["/C"]
	if total != 30 || asked["/A"] != 10 || asked["/C"] != 10 {
		t.Errorf("asked %v, and 30 times in turn is what the budget allows", asked)
	}
	if len(late) == 0 {
		t.Error("nobody was told that the feeds are late")
	}
}

// TestAnUnchangedAnswer is not fetched again, and counts as the source's word that the value stands.
func TestAnUnchangedAnswer(t *testing.T) {
	full, spared := 0, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Last-Modified", noon.Format(http.TimeFormat))
		if r.Header.Get("If-None-Match") == `"v1"` && r.Header.Get("If-Modified-Since") == noon.Format(http.TimeFormat) {
			spared++
			w.WriteHeader(http.StatusNotModified)
			return
		}
		full++
		fmt.Fprint(w, `{"p":7,"t":"2020-03-16T11:59:00Z"}`)
	}))
	defer server.Close()
	p := poller(t, plan.Feed{Series: "A", Source: "s", URL: server.URL, Format: "json", Path: "$.p", Every: plan.Duration(time.Minute)},
		plan.Feed{Series: "B", Source: "s", URL: server.URL, Format: "json", Path: "$.p", Time: "$.t", Every: plan.Duration(time.Minute)})
	p.Poll(t.Context(), noon)
	readings, problems := p.Poll(t.Context(), noon.Add(time.Minute))
	if full != 1 || spared != 1 || len(problems) > 0 || told(readings, nil) != "A@s=7" {
		t.Errorf("%d full and %d spared answers, %s %v", full, spared, told(readings, nil), problems)
	}
}

// TestKeysAreReadByReference and appear in no error, whatever the source does.
func TestKeysAreReadByReference(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte("hush hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization") + " " + r.URL.Query().Get("k")
		w.WriteHeader(http.StatusForbidden)
	}))
	feed := plan.Feed{Series: "A", Source: "s", URL: server.URL + "/?k={key}", Format: "json", Path: "$", Key: "file:key", Headers: map[string]string{"Authorization": "Bearer {key}"}}
	p, err := Open(context.Background(), []plan.Feed{feed}, Options{Dir: dir, Vault: &secret.Vault{Dir: dir}})
	if err != nil {
		t.Fatal(err)
	}
	_, refusals := p.Poll(t.Context(), noon)
	if got != "Bearer hush hush hush hush" {
		t.Errorf("the source was given %q", got)
	}
	server.Close()
	_, gone := p.Poll(t.Context(), noon.Add(time.Hour))
	feed.Key = "file:nowhere"
	_, missing := Open(context.Background(), []plan.Feed{feed}, Options{Dir: dir, Vault: &secret.Vault{Dir: dir}})
	if said := fmt.Sprint(refusals, gone, missing); strings.Contains(said, "hush") || !strings.Contains(said, "403") || missing == nil {
		t.Errorf("told: %s", said)
	}
}

func cause(problem error) error {
	var p *lifeboat.Problem
	if errors.As(problem, &p) {
		return p.Err
	}
	return problem
}
