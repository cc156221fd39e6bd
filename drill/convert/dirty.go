package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// cuts of public histories that are wrong in a way of their own, as they were published. What each of them shows stands
// in drill/testdata/dirty/NOTICE.md.
var cuts = []struct {
	file string
	make func(archive) ([]byte, error)
}{
	{"btc-gaps.csv.gz", gaps},
	{"eth-wick.csv", wick},
	{"luna-reused.csv", reused},
	{"ftt-delisted.csv", delisted},
	{"usdc-suspended.csv", suspended},
	{"vix-outside.csv", func(a archive) ([]byte, error) {
		return a.verbatim("vol/vix_daily.csv.gz", "date,VIX.open,VIX.high,VIX.low,VIX.close", "1992-01-01", "1995", "DATE", "OPEN", "HIGH", "LOW", "CLOSE")
	}},
	{"yield-holidays.csv", func(a archive) ([]byte, error) {
		return a.verbatim("rates/DGS10.csv.gz", "date,DGS10", "2019-06-01", "2020-07-01", "DATE", "DGS10")
	}},
	{"agg-offsets.csv", func(a archive) ([]byte, error) {
		return a.verbatim("equity/adj_AGG.csv.gz", "date,T10Y", "2019-10-01", "2020-07-01", "Date", "Close")
	}},
	{"spy-adjusted.csv", func(a archive) ([]byte, error) {
		return a.verbatim("equity/adj_SPY.csv.gz", "date,SPY", "2018-11-01", "2020-07-01", "Date", "Close")
	}},
}

func cutDirty(history, out string) error {
	for _, c := range cuts {
		text, err := c.make(archive(history))
		if err != nil {
			return fmt.Errorf("cut %s: %w", c.file, err)
		}
		if err := os.WriteFile(filepath.Join(out, c.file), text, 0o644); err != nil {
			return fmt.Errorf("write cut: %w", err)
		}
		fmt.Printf("%-18s %38d bytes\n", c.file, len(text))
	}
	return nil
}

// gaps is packed, because all 191 of them together are most of a year.
func gaps(a archive) ([]byte, error) {
	bitcoin, err := a.exchange("crypto/binance_BTCUSDT_1h_2024-2025.csv.gz", "timestamp", "2006-01-02 15:04:05-07:00", time.Hour)
	if err != nil {
		return nil, err
	}
	ether, err := a.exchange("crypto/binance_ETHUSDT-PERP_1h_2020-2026.csv.gz", "datetime", time.DateTime, time.Hour)
	if err != nil {
		return nil, err
	}
	text := newTable("2025-04-01T00:00:00Z", "2025-11-13T00:00:00Z", bitcoin.closes("BTC", 0), ether.closes("ETH", 0)).csv()
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	err = w.Close()
	return packed.Bytes(), err
}

func wick(a archive) ([]byte, error) {
	ether, err := a.exchange("crypto/binance_ETHUSDT-PERP_1h_2020-2026.csv.gz", "datetime", time.DateTime, time.Hour)
	if err != nil {
		return nil, err
	}
	bitcoin, err := a.days("crypto/yahoo_BTC-USD_1d.csv.gz")
	if err != nil {
		return nil, err
	}
	bars := ether.columns("ETH", "", 2, 0)
	return newTable("2020-03-06T00:00:00Z", "2020-03-20T00:00:00Z", bars[:len(bars)-1], plain("BTC", 2, bitcoin)).csv(), nil
}

func reused(a archive) ([]byte, error) {
	luna, err := a.exchange("crypto/binance_LUNAUSDT_1h.csv.gz", "date", time.DateTime, time.Hour)
	if err != nil {
		return nil, err
	}
	ether, err := a.exchange("crypto/binance_ETHUSDT_1h.csv.gz", "date", time.DateTime, time.Hour)
	if err != nil {
		return nil, err
	}
	bars := luna.columns("LUNA", "", 8, 0)
	return newTable("2022-05-05T00:00:00Z", "2022-06-10T00:00:00Z", bars[:len(bars)-1], ether.closes("ETH", 2)).csv(), nil
}

func delisted(a archive) ([]byte, error) {
	ether, err := a.days("crypto/yahoo_ETH-USD_1d.csv.gz")
	if err != nil {
		return nil, err
	}
	ftt, err := a.exchange("crypto/binance_FTTUSDT_1h.csv.gz", "date", time.DateTime, time.Hour)
	return newTable("2022-11-01T00:00:00Z", "2023-09-30T00:00:00Z", ftt.closes("FTT", 4), plain("ETH", 2, ether)).csv(), err
}

func suspended(a archive) ([]byte, error) {
	ether, err := a.days("crypto/yahoo_ETH-USD_1d.csv.gz")
	if err != nil {
		return nil, err
	}
	usdc, err := a.exchange("stable/binance_USDCUSDT_1h.csv.gz", "date", time.DateTime, time.Hour)
	if err != nil {
		return nil, err
	}
	tusd, err := a.exchange("stable/binance_TUSDUSDT_1h.csv.gz", "date", time.DateTime, time.Hour)
	return newTable("2022-09-20T00:00:00Z", "2023-03-16T00:00:00Z", usdc.closes("USDC", 4), tusd.closes("TUSD", 4), plain("ETH", 2, ether)).csv(), err
}

// closes of bars alone.
func (b bars) closes(symbol string, decimals int32) []column {
	at := map[string]decimal.Decimal{}
	for stamp, bar := range b {
		at[stamp] = bar.close
	}
	return plain(symbol, decimals, at)
}

// days reads the closes of a coin's daily bars, known when the day of UTC has ended.
func (a archive) days(name string) (map[string]decimal.Decimal, error) {
	rows, err := a.rows(name)
	if err != nil {
		return nil, err
	}
	at := map[string]decimal.Decimal{}
	for _, row := range rows {
		day, err := time.Parse(time.DateOnly, row["Date"][:min(len(row["Date"]), len(time.DateOnly))])
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if at[complete(day, 24*time.Hour)], err = decimal.NewFromString(row["Close"]); err != nil {
			return nil, fmt.Errorf("read %s at %s: %w", name, row["Date"], err)
		}
	}
	return at, nil
}

// verbatim keeps the cells of some columns as they were published: dates with their offset, points on holidays, opens
// outside low..high. Rows are those whose date as text is not before from and before to.
func (a archive) verbatim(name, header, from, to string, columns ...string) ([]byte, error) {
	rows, err := a.rows(name)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	text.WriteString(header + "\n")
	for _, row := range rows {
		if date := row[columns[0]]; date < from || date >= to {
			continue
		}
		var cells []string
		for _, c := range columns {
			cells = append(cells, row[c])
		}
		text.WriteString(strings.Join(cells, ",") + "\n")
	}
	return text.Bytes(), nil
}
