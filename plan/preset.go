package plan

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A preset is a source that lifeboat knows how to ask: from: and id: stand for an address, paths and limits. It adds
// nothing that a feed could not say itself.
type preset struct {
	says      string // for the page of the sources
	example   Feed   // that the page shows
	id        *regexp.Regexp
	ids       string // what an id looks like, for a person who wrote another
	key       need
	perMinute int           // that the source allows those who ask it without paying
	every     time.Duration // a minute when zero
	// stale is how old a value may be, in sessions of six and a half hours and round the clock; 5 × every when zero.
	staleSessions, staleClock time.Duration
	batch                     int // how many ids one request may name
	ask                       func(f Feed) asked
}

// need says whether a source wants a key.
type need int

const (
	noKey need = iota
	mayKey
	mustKey
)

// asked is how one id is asked for. Those with the same base and kind may share a request, which names all of them.
type asked struct {
	base    string // that url replaces
	kind    string
	request func(ids []string) string // path and query for ids of the kind
	headers map[string]string
	path    string
	column  string
	time    string
	rows    string
}

// presets by the name that from gives. Each address and form is the documented one, as of 2025; docs/connectors/feeds.md says
// what of it is documented by the source and what only known from use.
var presets = map[string]preset{
	"defillama": {
		says:    "prices of tokens on any chain (`ethereum:0xA0b8…`, `coingecko:tether`), value locked in a protocol (`tvl:aave`), supply of a stablecoin in dollars by DefiLlama's number of it (`supply:2`)",
		example: Feed{Series: "USDC", ID: "ethereum:0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"},
		id:      regexp.MustCompile(`^(tvl:[a-z0-9.-]+|supply:[0-9]+|[A-Za-z0-9_-]+:[A-Za-z0-9._-]+)$`), ids: "ethereum:0xA0b8…, coingecko:tether, tvl:aave or supply:2",
		perMinute: 300, batch: 50, ask: askLlama,
	},
	"coingecko": {
		says:    "prices of coins by CoinGecko's name of them (`bitcoin`, or `bitcoin/eur` in another currency); a key is sent as a demo key, or as a pro key with `url: https://pro-api.coingecko.com`",
		example: Feed{Series: "BTC", ID: "bitcoin", Key: "env:COINGECKO_KEY"},
		id:      regexp.MustCompile(`^[a-z0-9-]+(/[a-z]{3,5})?$`), ids: "bitcoin, or bitcoin/eur",
		key: mayKey, perMinute: 30, every: 2 * time.Minute, batch: 50, ask: askGecko,
	},
	"fred": {
		says:    "series of the Federal Reserve Bank of St. Louis (`VIXCLS`, `DGS10`, `T10Y2Y`): one value a day, published the day after; a missing one (`.`) is no value",
		example: Feed{Series: "DGS10", ID: "DGS10", Key: "env:FRED_KEY"},
		id:      regexp.MustCompile(`^[A-Z0-9_]+$`), ids: "VIXCLS or DGS10",
		key: mustKey, perMinute: 100, every: time.Hour, staleSessions: 13 * time.Hour, staleClock: 4 * 24 * time.Hour, batch: 1, ask: askFRED,
	},
	"stooq": {
		says:    "quotes of shares, indexes and currencies (`spy.us`, `^spx`, `eurusd`); the time of a quote is only known to the day",
		example: Feed{Series: "SPY", ID: "spy.us"},
		id:      regexp.MustCompile(`^\^?[A-Za-z0-9._-]+$`), ids: "spy.us or ^spx",
		perMinute: 20, every: 5 * time.Minute, batch: 1, ask: askStooq,
	},
	"yahoo": {
		says:    "quotes by Yahoo's symbol (`SPY`, `^VIX`, `BTC-USD`), with the time of the last trade; the interface is unofficial, so never let it be the only source",
		example: Feed{Series: "VIX", ID: "^VIX"},
		id:      regexp.MustCompile(`^\^?[A-Za-z0-9.=-]+$`), ids: "SPY or ^VIX",
		perMinute: 30, batch: 1, ask: askYahoo,
	},
	"coinbase": {
		says:    "the last trade of a product of Coinbase Exchange (`BTC-USD`), at its own time",
		example: Feed{Series: "BTC", ID: "BTC-USD"},
		id:      regexp.MustCompile(`^[A-Z0-9]+-[A-Z0-9]+$`), ids: "BTC-USD",
		perMinute: 300, batch: 1, ask: askCoinbase,
	},
	"binance": {
		says:    "the last price of a symbol of Binance (`BTCUSDT`), at the time at which its statistics close",
		example: Feed{Series: "BTC", ID: "BTCUSDT"},
		id:      regexp.MustCompile(`^[A-Z0-9]+$`), ids: "BTCUSDT",
		perMinute: 600, batch: 20, ask: askBinance,
	},
	"kraken": {
		says:    "the last trade of a pair of Kraken (`XBTUSD`), at its own time",
		example: Feed{Series: "BTC", ID: "XBTUSD"},
		id:      regexp.MustCompile(`^[A-Z0-9.]+$`), ids: "XBTUSD",
		perMinute: 60, batch: 1, ask: askKraken,
	},
}

func askLlama(f Feed) asked {
	kind, of, _ := strings.Cut(f.ID, ":")
	switch kind {
	case "tvl":
		return asked{base: "https://api.llama.fi", kind: f.ID, path: "$", request: func([]string) string { return "/tvl/" + url.PathEscape(of) }}
	case "supply":
		return asked{base: "https://stablecoins.llama.fi", kind: f.ID, path: "$[-1].totalCirculating.peggedUSD", time: "$[-1].date",
			request: func([]string) string { return "/stablecoincharts/all?stablecoin=" + url.QueryEscape(of) }}
	}
	return asked{base: "https://coins.llama.fi", path: "$.coins['" + f.ID + "'].price", time: "$.coins['" + f.ID + "'].timestamp",
		request: func(ids []string) string { return "/prices/current/" + strings.Join(ids, ",") }}
}

func askGecko(f Feed) asked {
	coin, currency, _ := strings.Cut(f.ID, "/")
	a := asked{base: "https://api.coingecko.com", kind: cmp.Or(currency, "usd"),
		path: "$['" + coin + "']." + cmp.Or(currency, "usd"), time: "$['" + coin + "'].last_updated_at"}
	a.request = func(ids []string) string {
		var coins []string
		for _, id := range ids {
			coin, _, _ := strings.Cut(id, "/")
			coins = append(coins, coin)
		}
		return "/api/v3/simple/price?ids=" + strings.Join(coins, ",") + "&vs_currencies=" + a.kind + "&include_last_updated_at=true&precision=full"
	}
	if f.Key != "" {
		name := "x-cg-demo-api-key"
		if strings.Contains(f.URL, "pro-api") {
			name = "x-cg-pro-api-key"
		}
		a.headers = map[string]string{name: "{key}"}
	}
	return a
}

func askFRED(f Feed) asked {
	return asked{base: "https://api.stlouisfed.org", kind: f.ID, rows: "$.observations[?(@.value != '.')]", path: "$.value", time: "$.date",
		request: func([]string) string {
			return "/fred/series/observations?series_id=" + f.ID + "&api_key={key}&file_type=json&sort_order=desc&limit=10"
		}}
}

func askStooq(f Feed) asked {
	return asked{base: "https://stooq.com", kind: f.ID, column: "Close", time: "Date",
		request: func([]string) string { return "/q/l/?s=" + url.QueryEscape(f.ID) + "&f=sd2t2ohlcv&h&e=csv" }}
}

func askYahoo(f Feed) asked {
	return asked{base: "https://query1.finance.yahoo.com", kind: f.ID, path: "$.chart.result[0].meta.regularMarketPrice", time: "$.chart.result[0].meta.regularMarketTime",
		request: func([]string) string { return "/v8/finance/chart/" + url.PathEscape(f.ID) + "?interval=1d&range=1d" }}
}

func askCoinbase(f Feed) asked {
	return asked{base: "https://api.exchange.coinbase.com", kind: f.ID, path: "$.price", time: "$.time",
		request: func([]string) string { return "/products/" + f.ID + "/ticker" }}
}

func askBinance(f Feed) asked {
	row := "$[?(@.symbol == '" + f.ID + "')]"
	return asked{base: "https://api.binance.com", path: row + ".lastPrice", time: row + ".closeTime",
		request: func(ids []string) string {
			return "/api/v3/ticker/24hr?symbols=" + url.QueryEscape(`["`+strings.Join(ids, `","`)+`"]`)
		}}
}

func askKraken(f Feed) asked { // the answer calls the pair by another name, and holds a last beside it, which is no list
	return asked{base: "https://api.kraken.com", kind: f.ID, path: "$.result.*[-1][0]", time: "$.result.*[-1][2]",
		request: func([]string) string { return "/0/public/Trades?pair=" + f.ID }}
}

// complete fills in what the source is known to need.
func (known preset) complete(f *Feed, calendar string) {
	fill(&f.Source, f.From)
	fill(&f.Every, Duration(cmp.Or(known.every, time.Minute)))
	stale := known.staleSessions
	if calendar == "24/7" {
		stale = known.staleClock
	}
	if stale > 0 {
		fill(&f.StaleAfter, Duration(stale))
	}
	fill(&f.PerMinute, known.perMinute)
	if known.ask(Feed{ID: f.ID}).column != "" {
		fill(&f.Format, "csv")
	}
}

// A Request is a feed as it is asked. Feeds of equal URL and headers share an answer.
type Request struct {
	Feed
	// Alone is the address that asks for this feed only, where URL asks for several: one name that the source does not know
	// makes some of them refuse all.
	Alone string
}

// Requests are the feeds with what from stands for written out, and as few requests as the sources allow. The order stays.
func Requests(feeds []Feed) []Request {
	all := make([]Request, len(feeds))
	type batch struct {
		members []int
		ids     []string
	}
	open := map[string]*batch{}
	var batches []*batch
	for i, f := range feeds {
		all[i].Feed = f
		known, is := presets[f.From]
		if !is || !known.id.MatchString(f.ID) {
			continue
		}
		a := known.ask(f)
		key := fmt.Sprintf("%s\x00%s\x00%s\x00%s\x00%s\x00%d", f.From, cmp.Or(f.URL, a.base), a.kind, f.Key, headersKey(f.Headers), f.Every)
		b := open[key]
		if b == nil || len(b.ids) >= known.batch && !slices.Contains(b.ids, f.ID) {
			b = &batch{}
			open[key] = b
			batches = append(batches, b)
		}
		b.members = append(b.members, i)
		if !slices.Contains(b.ids, f.ID) {
			b.ids = append(b.ids, f.ID)
		}
	}
	for _, b := range batches {
		for _, i := range b.members {
			all[i] = written(feeds[i], b.ids)
		}
	}
	return all
}

// written out, as one of several ids.
func written(f Feed, ids []string) Request {
	a := presets[f.From].ask(f)
	base := strings.TrimRight(cmp.Or(f.URL, a.base), "/")
	r := Request{Feed: f, Alone: base + a.request([]string{f.ID})}
	r.URL, r.Path, r.Column, r.Time, r.Rows, r.Format = base+a.request(ids), a.path, a.column, a.time, a.rows, "json"
	if a.column != "" {
		r.Format = "csv"
	}
	if len(a.headers) > 0 {
		r.Headers = map[string]string{}
		for name, value := range a.headers {
			r.Headers[name] = value
		}
		for name, value := range f.Headers {
			r.Headers[name] = value
		}
	}
	return r
}

func headersKey(headers map[string]string) string {
	var all []string
	for name, value := range headers {
		all = append(all, name+"\x01"+value)
	}
	slices.Sort(all)
	return strings.Join(all, "\x02")
}
