package main

import (
	"archive/zip"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/shopspring/decimal"
)

// An archive is the directory of histories, each in its publisher's own form.
type archive string

// level reads a column of a compressed CSV file by its date column. A dot or a blank is no quote.
func (a archive) level(name, dateColumn, valueColumn string) (map[string]decimal.Decimal, error) {
	rows, err := a.rows(name)
	if err != nil {
		return nil, err
	}
	at := map[string]decimal.Decimal{}
	for _, row := range rows {
		if text := row[valueColumn]; text != "." && text != "" {
			if at[row[dateColumn]], err = decimal.NewFromString(text); err != nil {
				return nil, fmt.Errorf("read %s at %s: %w", name, row[dateColumn], err)
			}
		}
	}
	return at, nil
}

// exchange reads bars of the given length with open, high, low, close and volume; their times are when they began.
func (a archive) exchange(name, timeColumn, layout string, lasted time.Duration) (bars, error) {
	rows, err := a.rows(name)
	if err != nil {
		return nil, err
	}
	read := bars{}
	for _, row := range rows {
		began, err := time.Parse(layout, row[timeColumn])
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		read[complete(began, lasted)], err = newBar(row["open"], row["high"], row["low"], row["close"], row["volume"])
		if err != nil {
			return nil, fmt.Errorf("read %s at %s: %w", name, row[timeColumn], err)
		}
	}
	return read, nil
}

// lean reads Lean's daily bars: no header, prices in ten-thousandths.
func (a archive) lean(name string) (bars, error) {
	zipped, err := zip.OpenReader(filepath.Join(string(a), name))
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	defer zipped.Close()
	file, err := zipped.File[0].Open()
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	read := bars{}
	for _, row := range rows {
		b, err := newBar(row[1], row[2], row[3], row[4], row[5])
		if err != nil {
			return nil, fmt.Errorf("read %s at %s: %w", name, row[0], err)
		}
		b.open, b.high, b.low, b.close = b.open.Shift(-4), b.high.Shift(-4), b.low.Shift(-4), b.close.Shift(-4)
		read[date(row[0])] = b
	}
	return read, nil
}

// pool reads quarter-hour bars of a decentralised exchange and joins them to hours.
func (a archive) pool(name string) (bars, error) {
	file, err := a.open(name)
	if err != nil {
		return nil, err
	}
	var page struct {
		Data []struct {
			Began  time.Time       `json:"dt"`
			Open   decimal.Decimal `json:"o"`
			High   decimal.Decimal `json:"h"`
			Low    decimal.Decimal `json:"l"`
			Close  decimal.Decimal `json:"c"`
			Volume decimal.Decimal `json:"v"`
		} `json:"data"`
	}
	if err := json.NewDecoder(file).Decode(&page); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	var began []time.Time
	var quarters []bar
	for _, q := range page.Data {
		began = append(began, q.Began)
		quarters = append(quarters, bar{q.Open, q.High, q.Low, q.Close, q.Volume})
	}
	return hours(began, quarters), nil
}

// blocks reads a price per block and keeps the last one of every minute.
func (a archive) blocks(name, timeColumn, valueColumn string) (map[string]decimal.Decimal, error) {
	rows, err := a.rows(name)
	if err != nil {
		return nil, err
	}
	at := map[string]decimal.Decimal{}
	for _, row := range rows {
		mined, err := time.Parse(time.RFC3339, row[timeColumn])
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if at[complete(mined, time.Minute)], err = decimal.NewFromString(row[valueColumn]); err != nil {
			return nil, fmt.Errorf("read %s at %s: %w", name, row[timeColumn], err)
		}
	}
	return at, nil
}

// rows of a compressed CSV file, each by column name.
func (a archive) rows(name string) ([]map[string]string, error) {
	file, err := a.open(name)
	if err != nil {
		return nil, err
	}
	lines, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	rows := make([]map[string]string, 0, len(lines))
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, header := range lines[0] {
			row[header] = line[i]
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// open leaves closing to the end of the program, which is near.
func (a archive) open(name string) (io.Reader, error) {
	file, err := os.Open(filepath.Join(string(a), name))
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	return unpacked, nil
}

func newBar(open, high, low, close, volume string) (bar, error) {
	var figures [5]decimal.Decimal
	for i, text := range []string{open, high, low, close, volume} {
		var err error
		if figures[i], err = decimal.NewFromString(text); err != nil {
			return bar{}, err
		}
	}
	return bar{figures[0], figures[1], figures[2], figures[3], figures[4]}, nil
}
