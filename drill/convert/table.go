package main

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// A table is what a tape.csv holds. A stamp is a session's date, or the UTC time at which an intraday bar was
// complete; both sort as text.
type table struct {
	stamps  []string
	columns []column
}

// A column is one series from one source, by stamp; a stamp it lacks stays blank.
type column struct {
	header   string
	decimals int32
	at       map[string]decimal.Decimal
}

// newTable has a row for every stamp between from and to (both included) for which any of the columns has a value.
func newTable(from, to string, columns ...[]column) table {
	t := table{columns: slices.Concat(columns...)}
	seen := map[string]bool{}
	for _, c := range t.columns {
		for stamp := range c.at {
			if from <= stamp && stamp <= to {
				seen[stamp] = true
			}
		}
	}
	t.stamps = slices.Sorted(maps.Keys(seen))
	return t
}

// sessions keeps the rows on which the given column has a value: the days on which the exchange was open.
func (t table) sessions(header string) table {
	i := slices.IndexFunc(t.columns, func(c column) bool { return c.header == header })
	t.stamps = slices.DeleteFunc(t.stamps, func(stamp string) bool {
		_, open := t.columns[i].at[stamp]
		return !open
	})
	return t
}

func (t table) csv() []byte {
	var text bytes.Buffer
	text.WriteString("date")
	for _, c := range t.columns {
		text.WriteString("," + c.header)
	}
	text.WriteString("\n")
	for _, stamp := range t.stamps {
		text.WriteString(stamp)
		for _, c := range t.columns {
			text.WriteString(",")
			if value, known := c.at[stamp]; known {
				text.WriteString(value.Round(c.decimals).String())
			}
		}
		text.WriteString("\n")
	}
	return text.Bytes()
}

// A bar is the trade of one span of time.
type bar struct{ open, high, low, close, volume decimal.Decimal }

// bars by the stamp at which each was complete.
type bars map[string]bar

// columns of a symbol as one source saw it, rounded to so many decimals; source "" when there is only one.
func (b bars) columns(symbol, source string, decimals, volumeDecimals int32) []column {
	if source != "" {
		source = "@" + source
	}
	part := func(name string, decimals int32, of func(bar) decimal.Decimal) column {
		c := column{header: symbol + "." + name + source, decimals: decimals, at: map[string]decimal.Decimal{}}
		for stamp, bar := range b {
			c.at[stamp] = of(bar)
		}
		return c
	}
	return []column{
		part("open", decimals, func(b bar) decimal.Decimal { return b.open }),
		part("high", decimals, func(b bar) decimal.Decimal { return b.high }),
		part("low", decimals, func(b bar) decimal.Decimal { return b.low }),
		part("close", decimals, func(b bar) decimal.Decimal { return b.close }),
		part("volume", volumeDecimals, func(b bar) decimal.Decimal { return b.volume }),
	}
}

// plain is the one column of a level.
func plain(series string, decimals int32, at map[string]decimal.Decimal) []column {
	return []column{{header: series, decimals: decimals, at: at}}
}

// complete stamps a bar that began at a time and lasted so long.
func complete(began time.Time, lasted time.Duration) string {
	return began.Truncate(lasted).Add(lasted).UTC().Format("2006-01-02T15:04:05Z")
}

// hours joins shorter bars to whole hours; began gives their beginnings in order.
func hours(began []time.Time, short []bar) bars {
	long := bars{}
	for i, b := range short {
		stamp := complete(began[i], time.Hour)
		hour, begun := long[stamp]
		if !begun {
			long[stamp] = b
			continue
		}
		hour.high = decimal.Max(hour.high, b.high)
		hour.low = decimal.Min(hour.low, b.low)
		hour.close = b.close
		hour.volume = hour.volume.Add(b.volume)
		long[stamp] = hour
	}
	return long
}

// date turns 20200316 00:00 into 2020-03-16.
func date(compact string) string {
	day, _, _ := strings.Cut(compact, " ")
	return day[:4] + "-" + day[4:6] + "-" + day[6:]
}
