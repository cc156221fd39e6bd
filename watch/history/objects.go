package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"lifeboat/session"
)

// json reads the forms of JSON, told apart by what stands in them. It goes element by element, so that a large file
// needs no tree in memory.
func (s *sheet) json(text []byte) error {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	forced := s.options.Form
	s.form = ""
	err := s.document(d)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		at := len(text)
		if ok {
			at = int(syntax.Offset)
		}
		return s.refuse(fmt.Sprintf("line %d", 1+bytes.Count(text[:min(at, len(text))], []byte("\n"))), "it is no JSON: "+err.Error())
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return s.refuse("", fmt.Sprintf("a %s stands where none is expected", wrong.Value))
	}
	if err != nil {
		return err
	}
	if s.form == "" {
		return s.refuse("", "its JSON has no prices: neither klines, bars, CoinGecko's, nor DefiLlama's")
	}
	if forced != "" && forced != s.form {
		return s.refuse("", fmt.Sprintf("it is said to be %s and is %s", forced, s.form))
	}
	return nil
}

func (s *sheet) document(d *json.Decoder) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	if token == json.Delim('[') {
		return s.list(d)
	}
	if token != json.Delim('{') {
		return nil
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		if err := s.member(d, fmt.Sprint(key)); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// member of the outermost object.
func (s *sheet) member(d *json.Decoder, key string) error {
	switch key {
	case "prices", "total_volumes":
		return s.coinGecko(d, key)
	case "coins":
		return s.coins(d)
	case "tvl", "data", "result":
		token, err := d.Token()
		if err != nil || token != json.Delim('[') {
			return errors.Join(err, skipRest(d, token))
		}
		return s.list(d)
	}
	var skipped json.RawMessage
	return d.Decode(&skipped)
}

// skipRest of a value whose first token was taken.
func skipRest(d *json.Decoder, token json.Token) error {
	open, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	for depth := 1; depth > 0 && open != 0; {
		next, err := d.Token()
		if err != nil {
			return err
		}
		switch next {
		case json.Delim('['), json.Delim('{'):
			depth++
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
	}
	return nil
}

// list of klines or of objects, behind its bracket.
func (s *sheet) list(d *json.Decoder) error {
	var klines [][]string
	for n := 1; d.More(); n++ {
		var element json.RawMessage
		if err := d.Decode(&element); err != nil {
			return err
		}
		place := fmt.Sprintf("%s:[%d]", s.file, n)
		var err error
		switch element[0] {
		case '[':
			var fields []string
			if fields, err = texts(element); err == nil {
				if klines = append(klines, fields); len(klines) > valuesMax/len(barOrder) {
					return s.refuse(place, "more rows than are read at once")
				}
			}
		case '{':
			err = s.object(place, element)
		default:
			s.quarantine(place, string(element), "is neither a list nor an object")
		}
		if err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if len(klines) == 0 {
		return nil
	}
	return s.klines(klines)
}

// texts of a list's numbers and strings.
func texts(element json.RawMessage) ([]string, error) {
	var any []json.RawMessage
	if err := json.Unmarshal(element, &any); err != nil {
		return nil, err
	}
	fields := make([]string, len(any))
	for i, raw := range any {
		fields[i] = plainText(raw)
	}
	return fields, nil
}

// plainText of a number, a string or null; what is a list or an object reads as no number.
func plainText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// klines of an exchange. Coinbase's have the low and the high first; which order is meant the values tell.
func (s *sheet) klines(rows [][]string) error {
	if s.form != "" {
		return s.refuse("", "it holds klines and another form")
	}
	s.form = formKlines
	if err := s.klineColumns(); err != nil {
		return err
	}
	l := layout{date: 0, closeTime: -1, fields: []int{1, 2, 3, 5, 4}, ticker: -1, width: 6}
	if !ordered(rows, 1, 2, 3, 4) && ordered(rows, 3, 2, 1, 4) {
		l.fields = []int{3, 2, 1, 5, 4}
		s.note("its bars are low, high, open, close, as Coinbase writes them")
	}
	for i, record := range rows {
		place := fmt.Sprintf("%s:[%d]", s.file, i+1)
		if len(record) == 0 {
			s.quarantine(place, "", "is an empty bar")
			continue
		}
		l.closeTime = -1
		if len(record) > 6 {
			l.closeTime = 6
		}
		if err := s.record(place, l, record); err != nil {
			return err
		}
	}
	return nil
}

// ordered reports that in nearly every bar the high is the highest and the low the lowest.
func ordered(rows [][]string, open, high, low, last int) bool {
	wrong := 0
	for _, r := range rows {
		if len(r) < 6 {
			continue
		}
		var v [4]float64
		for i, field := range []int{open, high, low, last} {
			v[i], _ = strconv.ParseFloat(r[field], 64)
		}
		if v[1] < max(v[0], v[3]) || v[2] > min(v[0], v[3]) || v[1] < v[2] {
			wrong++
		}
	}
	return wrong*20 <= len(rows)
}

// object of a list: a bar, or a point of DefiLlama's TVL.
func (s *sheet) object(place string, element json.RawMessage) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(element, &fields); err != nil {
		return err
	}
	said := map[string]string{}
	for key, raw := range fields {
		said[strings.ToLower(key)] = plainText(raw)
	}
	at, known := first(said, "date", "timestamp", "time", "datetime", "dt", "ts", "t", "open_time", "opentime")
	if !known {
		s.quarantine(place, string(element), "has no time")
		return nil
	}
	if value, is := first(said, "totalliquidityusd", "tvl"); is {
		return s.point(place, formTVL, at, value)
	}
	if value, is := first(said, "close", "c"); is {
		return s.bar(place, at, value, said)
	}
	if value, is := first(said, "price", "value"); is {
		return s.point(place, formObjects, at, value)
	}
	s.quarantine(place, string(element), "has no price")
	return nil
}

func first(said map[string]string, keys ...string) (string, bool) {
	for _, key := range keys {
		if text, known := said[key]; known {
			return text, true
		}
	}
	return "", false
}

// point is a sample: true at its time.
func (s *sheet) point(place, form, at, value string) error {
	if s.form == "" {
		s.form, s.calendar = form, session.AllDay()
		symbol, source := s.symbol("")
		if err := s.addColumn(column{symbol: symbol, source: source, bar: "close"}); err != nil {
			return err
		}
	}
	if s.form != form || len(s.columns) != 1 {
		s.quarantine(place, at, "is of another kind than the elements before it")
		return nil
	}
	return s.stamped(place, at, []string{value})
}

// bar of an object; a part that is absent has no value.
func (s *sheet) bar(place, at, last string, said map[string]string) error {
	if s.form == "" {
		s.form, s.bars = formObjects, true
		if _, s.starts = first(said, "open_time", "opentime"); s.starts {
			s.note("its time is called the opening, so it is taken for the beginning of each bar")
		}
		symbol, source := s.symbol("")
		for _, bar := range barOrder {
			if err := s.addColumn(column{symbol: symbol, source: source, bar: bar}); err != nil {
				return err
			}
		}
	}
	if s.form != formObjects || len(s.columns) != len(barOrder) {
		s.quarantine(place, at, "is of another kind than the elements before it")
		return nil
	}
	cells := make([]string, len(barOrder))
	for i, bar := range barOrder {
		cells[i], _ = first(said, bar, bar[:1])
	}
	cells[len(cells)-1] = last
	return s.stamped(place, at, cells)
}

func (s *sheet) stamped(place, at string, cells []string) error {
	written, ok := clock(at)
	if !ok {
		s.quarantine(place, at, "is no date")
		return nil
	}
	return s.add(place, written, cells)
}

// coinGecko reads one list of pairs of a time in milliseconds and a value. Its volumes are of the 24 hours before.
func (s *sheet) coinGecko(d *json.Decoder, key string) error {
	if token, err := d.Token(); err != nil || token != json.Delim('[') {
		return errors.Join(err, skipRest(d, token))
	}
	symbol, source := s.symbol("")
	bar := "close"
	if key == "total_volumes" {
		bar = "volume"
	}
	if s.form != "" && s.form != formCoinGecko {
		return s.refuse("", "it holds prices of several forms")
	}
	s.form, s.calendar = formCoinGecko, session.AllDay()
	added, err := s.widen(column{symbol: symbol, source: source, bar: bar})
	if err != nil {
		return err
	}
	for n := 1; d.More(); n++ {
		place := fmt.Sprintf("%s:%s[%d]", s.file, key, n)
		var pair []json.RawMessage
		if err := d.Decode(&pair); err != nil {
			return err
		}
		if len(pair) != 2 {
			s.quarantine(place, "", "is no pair of a time and a value")
			continue
		}
		if err := s.one(place, added, plainText(pair[0]), plainText(pair[1])); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// coins of DefiLlama's prices, each a series called by its symbol.
func (s *sheet) coins(d *json.Decoder) error {
	var coins map[string]struct {
		Symbol string
		Prices []struct{ Timestamp, Price json.RawMessage }
	}
	const bytesMax = 16 << 20 // an answer of the service has some hundred points
	var text json.RawMessage
	if err := d.Decode(&text); err != nil {
		return err
	}
	if len(text) > bytesMax {
		return s.refuse("", fmt.Sprintf("its coins take more than %d MiB", bytesMax>>20))
	}
	if err := json.Unmarshal(text, &coins); err != nil {
		return err
	}
	if s.form != "" {
		return s.refuse("", "it holds prices of several forms")
	}
	s.form, s.calendar = formDefiLlama, session.AllDay()
	const coinsMax = 100
	if len(coins) > coinsMax {
		return s.refuse("", fmt.Sprintf("it holds %d coins and at most %d are read at once", len(coins), coinsMax))
	}
	if len(coins) > 1 && s.options.Series != "" {
		return s.refuse("", fmt.Sprintf("it holds %d coins: leave --series out, so that each is called by its symbol", len(coins)))
	}
	var keys []string
	for key := range coins {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		symbol, source := s.symbol(coins[key].Symbol)
		added, err := s.widen(column{symbol: symbol, source: source, bar: "close"})
		if err != nil {
			return err
		}
		for i, p := range coins[key].Prices {
			place := fmt.Sprintf("%s:%s[%d]", s.file, key, i+1)
			if err := s.one(place, added, plainText(p.Timestamp), plainText(p.Price)); err != nil {
				return err
			}
		}
	}
	return nil
}

// widen a sheet that has rows already by a column.
func (s *sheet) widen(c column) (added int, err error) {
	width := len(s.columns)
	if err := s.addColumn(c); err != nil {
		return 0, err
	}
	if len(s.rows)*(width+1) > valuesMax {
		return 0, s.refuse("", fmt.Sprintf("more than %d values", valuesMax))
	}
	wide := make([]float64, 0, len(s.rows)*(width+1))
	for i := range s.rows {
		wide = append(append(wide, s.values[i*width:(i+1)*width]...), missing)
	}
	s.values = wide
	return width, nil
}

// missing stands where a row has no value of a column.
var missing = math.NaN()

// one value of one column, as a row of its own; rows of one time are laid together later.
func (s *sheet) one(place string, index int, at, text string) error {
	written, ok := clock(at)
	if !ok {
		s.quarantine(place, at, "is no date")
		return nil
	}
	values := slices.Repeat([]float64{missing}, len(s.columns))
	values[index] = s.value(place, s.columns[index], text)
	return s.append(place, written, values)
}
