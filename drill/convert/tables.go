package main

import (
	"time"
)

// tables of all scenarios, oldest first.
var tables = []struct {
	scenario string
	make     func(archive) (table, error)
}{
	// Lean's QQQ has no bars from December 2004 to March 2011, when the fund traded as QQQQ.
	{"gfc-2008", func(a archive) (table, error) { return market(a, "2007-01-03", "2009-06-30", "SPY") }},
	{"covid-2020", func(a archive) (table, error) { return market(a, "2018-11-01", "2020-06-30", "SPY", "QQQ") }},
	{"ust-luna-2022", terra},
	{"usdc-2023", circle},
	{"usde-2025", ethena},
}

// market is American shares with their context, one row a session of the New York Stock Exchange.
func market(a archive, from, to string, symbols ...string) (table, error) {
	lean := map[string]string{"SPY": "equity/lean_spy_daily.zip", "QQQ": "equity/lean_qqq_daily.zip"}
	var columns []column
	for _, symbol := range symbols {
		daily, err := a.lean(lean[symbol])
		if err != nil {
			return table{}, err
		}
		columns = append(columns, daily.columns(symbol, "", 2, 0)...)
	}
	index, err := a.level("equity/skfolio_sp500_index.csv.gz", "Date", "SP500")
	if err != nil {
		return table{}, err
	}
	vix, err := a.level("vol/vix_daily.csv.gz", "DATE", "CLOSE")
	if err != nil {
		return table{}, err
	}
	yield, err := a.level("rates/DGS10.csv.gz", "DATE", "DGS10")
	if err != nil {
		return table{}, err
	}
	sessions := newTable(from, to, plain("SPX", 2, index)).stamps
	return newTable(from, to, columns, plain("SPX", 2, index), plain("VIX", 2, vix), plain("DGS10", 2, yield),
		plain("T10Y", 4, noteIndex(sessions, yield))).sessions("SPX"), nil
}

// terra ends with the trading halt of UST and LUNA; bitcoin and ether go on to the end of the day.
func terra(a archive) (table, error) {
	return hourly(a, "2022-04-25T01:00:00Z", "2022-05-14T00:00:00Z", []pair{
		{"stable/binance_USTUSDT_1h.csv.gz", "UST", "binance", 4, 0},
		{"crypto/binance_LUNAUSDT_1h.csv.gz", "LUNA", "", 8, 0},
		{"crypto/binance_BTCUSDT_1h.csv.gz", "BTC", "", 2, 1},
		{"crypto/binance_ETHUSDT_1h.csv.gz", "ETH", "", 2, 1},
	})
}

// circle has two sources of USDC: Binance did not trade the pair before 11 March, 14:00.
func circle(a archive) (table, error) {
	const from, to = "2023-03-09T06:00:00Z", "2023-03-19T00:00:00Z"
	pool, err := a.pool("stable/dex_usdc_15m_2023-03.json.gz")
	if err != nil {
		return table{}, err
	}
	rest, err := hourly(a, from, to, []pair{
		{"stable/binance_USDCUSDT_1h.csv.gz", "USDC", "binance", 4, 0},
		{"crypto/binance_BTCUSDT_1h.csv.gz", "BTC", "", 2, 1},
		{"crypto/binance_ETHUSDT_1h.csv.gz", "ETH", "", 2, 1},
	})
	// The pool's history repeats the last close as the next open, whether or not anybody traded there: left out.
	return newTable(from, to, pool.columns("USDC", "dex", 4, 0)[1:], rest.columns), err
}

// ethena is minute by minute, for as long as both sources speak. Bitcoin and ether are hourly.
func ethena(a archive) (table, error) {
	const from, to = "2025-10-10T16:01:00Z", "2025-10-11T02:00:00Z"
	binance, err := a.exchange("stable/binance_USDEUSDT_1m_2025-10-09_12.csv.gz", "time", time.RFC3339, time.Minute)
	if err != nil {
		return table{}, err
	}
	uniswap, err := a.blocks("stable/uniswap_USDEUSDT_blocks_2025-10-10.csv.gz", "time", "token0_price")
	if err != nil {
		return table{}, err
	}
	ether, err := a.exchange("crypto/binance_ETHUSDT-PERP_1h_2020-2026.csv.gz", "datetime", time.DateTime, time.Hour)
	if err != nil {
		return table{}, err
	}
	bitcoin, err := a.exchange("crypto/binance_BTCUSDT_1h_2024-2025.csv.gz", "timestamp", "2006-01-02 15:04:05-07:00", time.Hour)
	if err != nil {
		return table{}, err
	}
	return newTable(from, to, binance.columns("USDE", "binance", 4, 0), plain("USDE@uniswap", 4, uniswap),
		ether.columns("ETH", "", 2, 1), bitcoin.columns("BTC", "", 2, 1)), nil
}

// A pair is an hourly history of an exchange and how it is called and rounded.
type pair struct {
	file, symbol, source     string
	decimals, volumeDecimals int32
}

func hourly(a archive, from, to string, pairs []pair) (table, error) {
	var columns []column
	for _, p := range pairs {
		read, err := a.exchange(p.file, "date", time.DateTime, time.Hour)
		if err != nil {
			return table{}, err
		}
		columns = append(columns, read.columns(p.symbol, p.source, p.decimals, p.volumeDecimals)...)
	}
	return newTable(from, to, columns), nil
}
