package history

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"

	"lifeboat/watch/feed/tape"
)

// Names of the forms, as --form takes them.
const (
	formTape      = "tape"
	formFRED      = "fred"
	formBars      = "bars"
	formKlines    = "klines"
	formLean      = "lean"
	formObjects   = "bars-json"
	formCoinGecko = "coingecko"
	formDefiLlama = "defillama"
	formTVL       = "tvl"
	formParquet   = "parquet"
)

// A Form is a shape in which history is handed out.
type Form struct{ Name, Meaning string }

// Forms are all that an import understands, for help and documentation.
func Forms() []Form {
	return []Form{
		{formTape, "CSV with a date column and one column per series: date,SPY,VIX or SPY.open, USDE@binance"},
		{formFRED, "CSV of FRED: DATE or observation_date and a series; a point or nothing on holidays"},
		{formBars, "CSV of one series: Date,Open,High,Low,Close,Volume in any order (Yahoo, Stooq, exports of exchanges)"},
		{formKlines, "klines of an exchange, CSV or JSON: open time, open, high, low, close, volume, close time"},
		{formLean, "Lean's CSV without header: 20200316 09:00,O,H,L,C,V, prices of stocks times 10,000"},
		{formObjects, "JSON list of bars: {time, open, high, low, close, volume} or their first letters"},
		{formCoinGecko, `JSON of CoinGecko: {"prices":[[ms,price]…],"total_volumes":…}`},
		{formDefiLlama, `JSON of DefiLlama's prices: {"coins":{"…":{"symbol":…,"prices":[{"timestamp","price"}…]}}}`},
		{formTVL, `JSON of DefiLlama's TVL: [{"date","totalLiquidityUSD"}…], {"tvl":[…]}`},
		{formParquet, "Parquet with a time column and number columns, lifeboat's own or another's"},
	}
}

// read the file in the form that it has or is said to have.
func (s *sheet) read(text []byte) error {
	form := s.options.Form
	if form == "" {
		form = formOf(text)
	}
	if form == "" {
		return s.refuse("", "its content is none of the forms that lifeboat knows: CSV with a header, klines, JSON or Parquet")
	}
	s.form = form
	switch form {
	case formParquet:
		return s.parquet(text)
	case formKlines:
		if looksJSON(text) {
			return s.json(text)
		}
		return s.headless(text)
	case formLean:
		return s.lean(text)
	case formTape, formFRED, formBars:
		return s.table(text)
	case formObjects, formCoinGecko, formDefiLlama, formTVL:
		return s.json(text)
	}
	var names []string
	for _, f := range Forms() {
		names = append(names, f.Name)
	}
	return s.refuse("", fmt.Sprintf("there is no form %q: lifeboat knows %s", form, strings.Join(names, ", ")))
}

func looksJSON(text []byte) bool {
	text = bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\ufeff")), " \t\r\n")
	return len(text) > 0 && (text[0] == '[' || text[0] == '{')
}

// formOf a content: by its first bytes and its first line. JSON is told apart while it is read.
func formOf(text []byte) string {
	if bytes.HasPrefix(text, []byte("PAR1")) {
		return formParquet
	}
	if looksJSON(text) {
		return formObjects
	}
	const headMax = 64 << 10
	record, err := newCSV(text[:min(len(text), headMax)]).Read()
	if err != nil || len(record) < 2 {
		return ""
	}
	first := strings.TrimSpace(record[0])
	if _, isTime := leanTime(first); isTime && len(record) >= 5 {
		return formLean
	}
	if _, isTime := clock(first); isTime {
		if len(record) >= 6 {
			return formKlines
		}
		return ""
	}
	return headed(record)
}

// headed is the form of a table by its header.
func headed(names []string) string {
	date := -1
	for i, name := range names {
		name = bare(name)
		if tape.IsDateColumn(name) || slices.Contains(openTimes, name) {
			date = i
			break
		}
	}
	switch {
	case date < 0:
		return ""
	case slices.ContainsFunc(names, func(n string) bool { return bare(n) == "close" || bare(n) == "adj close" }):
		return formBars
	case date > 0:
		return ""
	case len(names) == 2 && (bare(names[0]) == "observation_date" || strings.TrimSpace(names[0]) == "DATE"):
		return formFRED
	}
	return formTape
}

// bare is a header's name as it is compared: Stooq writes <CLOSE>, exchanges Open time, close_time or openTime.
func bare(name string) string {
	name = strings.ToLower(strings.Trim(strings.TrimSpace(name), "<>"))
	switch name {
	case "adj_close", "adjclose", "adjusted close", "adjusted_close":
		return "adj close"
	case "open_time", "opentime":
		return "open time"
	case "close_time", "closetime":
		return "close time"
	}
	return name
}

// openTimes are the names that say that a bar's time is its beginning.
var openTimes = []string{"open time"}

func newCSV(text []byte) *csv.Reader {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	r.TrimLeadingSpace = true
	return r
}
